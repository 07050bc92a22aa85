/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/bits.h"

#include "base/num.h"

void bits_put_uvarint(struct bit_writer *w, uint64_t v)
{
    size_t bytes = 1;
    for (uint64_t rest = v; rest >= 0x80; rest >>= 7)
        bytes++;
    if (w->failed || !bits_fit(w, 8 * bytes)) {
        w->failed = true;
        return;
    }
    for (; v >= 0x80; v >>= 7)
        bits_put(w, (v & 0x7f) | 0x80, 8);
    bits_put(w, v, 8);
}

void bits_put_zigzag(struct bit_writer *w, int64_t v)
{
    bits_put_uvarint(w, zigzag_of(v));
}

uint64_t bits_get_uvarint(struct bit_reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint64_t byte = bits_get(r, 8);
        if (r->failed) return 0;
        if (shift == 63 && byte > 1) break;
        v |= (byte & 0x7f) << shift;
        if (byte < 0x80) return v;
    }
    r->failed = true;
    r->pos = r->size * 8;
    return 0;
}

int64_t bits_get_zigzag(struct bit_reader *r)
{
    uint64_t v = bits_get_uvarint(r);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}
