/* SPDX-License-Identifier: Apache-2.0 */
#include "model/metadata.h"

#include "base/assert.h"

struct str metric_type_text(enum metric_type type)
{
    switch (type) {
    case METRIC_UNKNOWN: return STR("unknown");
    case METRIC_COUNTER: return STR("counter");
    case METRIC_GAUGE: return STR("gauge");
    case METRIC_HISTOGRAM: return STR("histogram");
    case METRIC_GAUGEHISTOGRAM: return STR("gaugehistogram");
    case METRIC_SUMMARY: return STR("summary");
    case METRIC_INFO: return STR("info");
    case METRIC_STATESET: return STR("stateset");
    }
    UNREACHABLE();
}
