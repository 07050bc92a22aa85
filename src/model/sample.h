/* SPDX-License-Identifier: Apache-2.0
 *
 * sample - a number at an instant, and columns of them.
 *
 * Timestamps are int64 Unix milliseconds. Values are IEEE doubles kept bit for bit. The stale
 * marker is one NaN bit pattern; the ordinary NaN another (Prometheus model/value).
 */
#ifndef PHAROS_MODEL_SAMPLE_H
#define PHAROS_MODEL_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/num.h"

#define STALE_NAN_BITS 0x7ff0000000000002ull
#define NORMAL_NAN_BITS 0x7ff8000000000001ull

struct sample {
    int64_t ts_ms;
    double value;
};

static inline bool is_stale(double v)
{
    return bits_of_double(v) == STALE_NAN_BITS;
}
static inline double stale_nan(void)
{
    return double_of_bits(STALE_NAN_BITS);
}
static inline double normal_nan(void)
{
    return double_of_bits(NORMAL_NAN_BITS);
}

struct histogram; /* native histograms: model/histogram.h (comes with them) */

/* Samples of one series in strictly increasing time. h == NULL: all floats; otherwise h[i] != NULL
 * marks sample i as a native histogram (v[i] then meaningless). */
struct sample_columns {
    int64_t *ts_ms;
    double *value;
    const struct histogram **h;
    size_t count, cap;
};

#endif
