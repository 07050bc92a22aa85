/* SPDX-License-Identifier: Apache-2.0
 *
 * Bit streams: reads driven by the input agree with a reader that goes bit by bit; what was read
 * is written again and gives the same bits.
 */
#include <stdint.h>

#include "codec/bits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t slow_bits(const uint8_t *data, size_t pos, unsigned count)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < count; i++, pos++)
        v = v << 1 | (uint64_t)(data[pos / 8] >> (7 - pos % 8) & 1);
    return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t copy[4096 + BITS_SLACK];
    if (size < 2 || size > 4096) return 0;
    unsigned seed = data[0];
    struct bit_reader r = bit_reader_of((struct bytes){ data, size });
    struct bit_writer w = bit_writer_of(copy, sizeof copy);
    for (unsigned step = 0; bits_left(&r) > 0; step++) {
        size_t at = r.pos;
        unsigned width = (seed * 7 + step * 13) % 65;
        if (step % 5 == 3) { /* a varint, as it comes */
            (void)bits_get_uvarint(&r);
            if (r.failed) return 0;
            for (size_t i = at; i < r.pos; i += 8)
                bits_put(&w, slow_bits(data, i, 8), 8);
        } else if (step % 5 == 4) {
            unsigned ones = bits_get_unary(&r, 5);
            if (r.failed) return 0;
            for (unsigned i = 0; i < ones; i++)
                bits_put_bit(&w, true);
            if (ones < 5) bits_put_bit(&w, false);
        } else {
            if (width == 0) width = 1;
            uint64_t v = bits_get64(&r, width);
            if (r.failed) return 0;
            if (v != slow_bits(data, at, width)) __builtin_trap();
            bits_put64(&w, v, width);
        }
        if (w.failed || w.pos != r.pos) __builtin_trap();
    }
    if (memcmp(copy, data, w.pos / 8) != 0) __builtin_trap();
    return 0;
}
