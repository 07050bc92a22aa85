/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/bitpack.h"

#include <string.h>

#include "base/assert.h"
#include "metrics/block/kernel.h"

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

/* Eight values are w bytes, each at an offset and a shift that are constants once w is one. */
__attribute__((always_inline)) static inline void get_eights(const uint8_t *restrict src,
                                                             size_t count, unsigned w,
                                                             uint64_t *restrict out)
{
    const uint64_t mask = ((uint64_t)1 << w) - 1;
    for (size_t i = 0; i + 8 <= count; i += 8, src += w) {
        for (unsigned k = 0; k < 8; k++) {
            uint64_t word;
            memcpy(&word, src + k * w / 8, sizeof word);
            out[i + k] = word >> (k * w % 8) & mask;
        }
    }
}

static void get_rest(const uint8_t *restrict src, size_t from, size_t to, unsigned w,
                     uint64_t *restrict out)
{
    const uint64_t mask = ((uint64_t)1 << w) - 1;
    for (size_t i = from; i < to; i++) {
        uint64_t word;
        memcpy(&word, src + i * w / 8, sizeof word);
        out[i] = word >> (i * w % 8) & mask;
    }
}

#define CASE(w)                                                                                    \
    case w:                                                                                        \
        get_eights(src, count, w, out);                                                            \
        break
#define CASES_8(w)                                                                                 \
    CASE(w);                                                                                       \
    CASE(w + 1);                                                                                   \
    CASE(w + 2);                                                                                   \
    CASE(w + 3);                                                                                   \
    CASE(w + 4);                                                                                   \
    CASE(w + 5);                                                                                   \
    CASE(w + 6);                                                                                   \
    CASE(w + 7)

KERNEL void bitpack_get(const uint8_t *restrict src, size_t count, unsigned w,
                        uint64_t *restrict out)
{
    ASSERT(w <= BITPACK_WIDTH_MAX);
    switch (w) {
    case 0:
        memset(out, 0, count * sizeof *out);
        return;
        CASES_8(1);
        CASES_8(9);
        CASES_8(17);
        CASES_8(25);
        CASES_8(33);
        CASES_8(41);
        CASES_8(49);
    default: break;
    }
    get_rest(src, count & ~(size_t)7, count, w, out);
}
