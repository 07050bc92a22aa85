/* SPDX-License-Identifier: Apache-2.0
 *
 * exemplar - a sample value with labels (a trace id) attached to a series.
 */
#ifndef PHAROS_MODEL_EXEMPLAR_H
#define PHAROS_MODEL_EXEMPLAR_H

#include <stdbool.h>
#include <stdint.h>

#include "model/labels.h"

struct exemplar {
    struct labels labels;
    double value;
    int64_t ts_ms;
    bool has_ts;
};

#endif
