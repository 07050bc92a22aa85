/* SPDX-License-Identifier: Apache-2.0
 *
 * num - checked arithmetic and bit casts. ck_* return false instead of wrapping.
 */
#ifndef PHAROS_BASE_NUM_H
#define PHAROS_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"

static inline bool ck_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}
static inline bool ck_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
/* Narrowing of values that the program itself guarantees to fit. */
static inline uint32_t u32_from_u64(uint64_t v)
{
    ASSERT(v <= UINT32_MAX);
    return (uint32_t)v;
}
static inline uint16_t u16_from_u64(uint64_t v)
{
    ASSERT(v <= UINT16_MAX);
    return (uint16_t)v;
}
static inline uint64_t bits_of_double(double v)
{
    uint64_t b;
    memcpy(&b, &v, sizeof b);
    return b;
}
static inline double double_of_bits(uint64_t b)
{
    double v;
    memcpy(&v, &b, sizeof v);
    return v;
}
static inline uint64_t zigzag_of(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

#endif
