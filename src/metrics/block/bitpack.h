/* SPDX-License-Identifier: Apache-2.0
 *
 * bitpack - fixed-width integers side by side, as the packed value and timestamp codecs store them.
 *
 * Format    Value i occupies bits [i*w, (i+1)*w) of a little-endian bit string: byte b holds bits
 *           8b..8b+7, low first. w is 0..BITPACK_WIDTH_MAX, so that one unaligned 8-byte load
 *           always holds a whole value.
 * Reading   Loads reach up to 7 bytes beyond the packed area: it must lie in memory that goes on
 *           for BITPACK_SLACK bytes (pages end with that many zeros).
 * Threads   Pure functions.
 */
#ifndef PHAROS_METRICS_BLOCK_BITPACK_H
#define PHAROS_METRICS_BLOCK_BITPACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define BITPACK_WIDTH_MAX 56
#define BITPACK_SLACK 8

static inline size_t bitpack_size(size_t count, unsigned w)
{
    return (count * w + 7) / 8;
}
/* Bits needed for v; 0 for 0. */
static inline unsigned bit_length(uint64_t v)
{
    return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}

/* Append bitpack_size(count, w) bytes. Each value fits in w bits. */
void bitpack_put(struct buf *out, const uint64_t *values, size_t count, unsigned w);
/* out[0..count) = the values at src. */
void bitpack_get(const uint8_t *restrict src, size_t count, unsigned w, uint64_t *restrict out);

#endif
