/* SPDX-License-Identifier: Apache-2.0
 *
 * metadata - what an exposition says about a metric family.
 */
#ifndef PHAROS_MODEL_METADATA_H
#define PHAROS_MODEL_METADATA_H

#include "base/str.h"

enum metric_type { /* numbers of prometheus.MetricMetadata */
                   METRIC_UNKNOWN,
                   METRIC_COUNTER,
                   METRIC_GAUGE,
                   METRIC_HISTOGRAM,
                   METRIC_GAUGEHISTOGRAM,
                   METRIC_SUMMARY,
                   METRIC_INFO,
                   METRIC_STATESET
};

struct metadata {
    struct str family, help, unit;
    enum metric_type type;
};

/* "counter", ... as the API prints it. */
struct str metric_type_text(enum metric_type type);

#endif
