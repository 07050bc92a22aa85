/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_limits - how much a compressed body may become. One type for snappy, gzip and zstd.
 *
 * A declared size is checked before anything is allocated; an undeclared one is counted while
 * decoding. The ratio applies only above DECODE_RATIO_FROM_BYTES, so that small bodies of zeros
 * pass. Source of the defaults: spec reliability.md section 7.
 */
#ifndef PHAROS_CODEC_DECODE_LIMITS_H
#define PHAROS_CODEC_DECODE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

#define DECODE_RATIO_FROM_BYTES ((size_t)1 << 20)

struct decode_limits {
    size_t max_bytes;   /* of the decoded data; 0 = nothing is allowed but the empty output */
    unsigned max_ratio; /* decoded : encoded, above DECODE_RATIO_FROM_BYTES; 0 = no limit */
};

#define DECODE_LIMITS_DEFAULT ((struct decode_limits){ (size_t)32 << 20, 100 })

/* The largest decoded size that `encoded` bytes may have under these limits. */
static inline size_t decode_limit_of(const struct decode_limits *limits, size_t encoded)
{
    size_t by_ratio;
    if (limits->max_ratio == 0 || __builtin_mul_overflow(encoded, limits->max_ratio, &by_ratio))
        return limits->max_bytes;
    if (by_ratio < DECODE_RATIO_FROM_BYTES) by_ratio = DECODE_RATIO_FROM_BYTES;
    return by_ratio < limits->max_bytes ? by_ratio : limits->max_bytes;
}

#endif
