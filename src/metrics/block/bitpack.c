/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/bitpack.h"

#include <string.h>

#include "base/assert.h"

void bitpack_put(struct buf *out, const uint64_t *values, size_t count, unsigned w)
{
    ASSERT(w <= BITPACK_WIDTH_MAX);
    size_t size = bitpack_size(count, w);
    uint8_t *dst = buf_reserve(out, size + BITPACK_SLACK);
    if (!dst) return;
    uint64_t acc = 0;
    unsigned fill = 0; /* bits of acc in use, below 8 between values */
    for (size_t i = 0; i < count; i++) {
        ASSERT_SLOW(values[i] >> w == 0);
        acc |= values[i] << fill;
        fill += w;
        memcpy(dst, &acc, sizeof acc);
        dst += fill / 8;
        acc >>= fill & ~7u;
        fill &= 7;
    }
    if (fill > 0) *dst = (uint8_t)acc;
    out->len += size;
}

/* Eight values are w bytes. With a constant w the compiler turns the shifts into constants. */
__attribute__((always_inline)) static inline void get_eights(const uint8_t *restrict src,
                                                             size_t count, unsigned w,
                                                             uint64_t *restrict out)
{
    const uint64_t mask = ((uint64_t)1 << w) - 1;
    for (size_t i = 0; i + 8 <= count; i += 8, src += w) {
        uint64_t word;
        memcpy(&word, src, sizeof word);
        for (unsigned k = 0; k < 8; k++)
            out[i + k] = word >> (k * w) & mask;
    }
}

static void get_any(const uint8_t *restrict src, size_t from, size_t to, unsigned w,
                    uint64_t *restrict out)
{
    const uint64_t mask = ((uint64_t)1 << w) - 1;
    size_t bit = from * w;
    for (size_t i = from; i < to; i++, bit += w) {
        uint64_t word;
        memcpy(&word, src + bit / 8, sizeof word);
        out[i] = word >> (bit & 7) & mask;
    }
}

void bitpack_get(const uint8_t *restrict src, size_t count, unsigned w, uint64_t *restrict out)
{
    ASSERT(w <= BITPACK_WIDTH_MAX);
    size_t done = count & ~(size_t)7;
    switch (w) {
    case 0: memset(out, 0, count * sizeof *out); return;
    case 1: get_eights(src, count, 1, out); break;
    case 2: get_eights(src, count, 2, out); break;
    case 3: get_eights(src, count, 3, out); break;
    case 4: get_eights(src, count, 4, out); break;
    case 5: get_eights(src, count, 5, out); break;
    case 6: get_eights(src, count, 6, out); break;
    case 7: get_eights(src, count, 7, out); break;
    case 8: get_eights(src, count, 8, out); break;
    default: done = 0; break;
    }
    get_any(src, done, count, w, out);
}
