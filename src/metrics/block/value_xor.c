/* SPDX-License-Identifier: Apache-2.0
 *
 * XOR: the first value as 64 bits, then per value the control codes of Prometheus' XOR2 chunks:
 *     0     same bits as the last value
 *     10    64-L-T bits of (bits XOR last) >> T in the window of before
 *     110   5 bits L, 6 bits length (64 as 0), then the bits: a new window
 *     111   stale marker; the last value stays what it was
 * L = leading zeros (at most 31), T = trailing zeros.
 */
#include "codec/bits.h"
#include "metrics/block/value_priv.h"

struct xor_state {
    uint64_t last;
    unsigned leading, trailing; /* of the window */
    bool has_window;
};

enum xor_code { XOR_SAME, XOR_OLD_WINDOW, XOR_NEW_WINDOW, XOR_STALE };

/* Decide how `bits` is written, and adopt the new window. */
static enum xor_code next_code(struct xor_state *s, uint64_t bits, uint64_t *out_diff)
{
    if (bits == STALE_NAN_BITS) return XOR_STALE;
    uint64_t diff = bits ^ s->last;
    *out_diff = diff;
    s->last = bits;
    if (diff == 0) return XOR_SAME;
    unsigned leading = (unsigned)__builtin_clzll(diff), trailing = (unsigned)__builtin_ctzll(diff);
    if (leading > 31) leading = 31;
    if (s->has_window && leading >= s->leading && trailing >= s->trailing) return XOR_OLD_WINDOW;
    s->leading = leading;
    s->trailing = trailing;
    s->has_window = true;
    return XOR_NEW_WINDOW;
}

size_t value_xor_size(const double *values, size_t count)
{
    struct xor_state s = { .last = bits_of_double(values[0]) };
    size_t bits = 64;
    uint64_t diff;
    for (size_t i = 1; i < count; i++) {
        switch (next_code(&s, bits_of_double(values[i]), &diff)) {
        case XOR_SAME: bits += 1; break;
        case XOR_OLD_WINDOW: bits += 2 + 64 - s.leading - s.trailing; break;
        case XOR_NEW_WINDOW: bits += 3 + 5 + 6 + 64 - s.leading - s.trailing; break;
        case XOR_STALE: bits += 3; break;
        }
    }
    return (bits + 7) / 8;
}

void value_xor_encode(const double *values, size_t count, struct buf *payload)
{
    size_t size = value_xor_size(values, count);
    uint8_t *dst = buf_reserve(payload, size + BITS_SLACK);
    if (!dst) return;
    struct bit_writer w = bit_writer_of(dst, size + BITS_SLACK);
    struct xor_state s = { .last = bits_of_double(values[0]) };
    bits_put64(&w, s.last, 64);
    uint64_t diff = 0;
    for (size_t i = 1; i < count; i++) {
        enum xor_code code = next_code(&s, bits_of_double(values[i]), &diff);
        unsigned length = 64 - s.leading - s.trailing;
        switch (code) {
        case XOR_SAME: bits_put(&w, 0, 1); break;
        case XOR_OLD_WINDOW:
            bits_put(&w, 2, 2);
            bits_put64(&w, diff >> s.trailing, length);
            break;
        case XOR_NEW_WINDOW:
            bits_put(&w, 6, 3);
            bits_put(&w, s.leading << 6 | (length & 63), 11);
            bits_put64(&w, diff >> s.trailing, length);
            break;
        case XOR_STALE: bits_put(&w, 7, 3); break;
        }
    }
    ASSERT(!w.failed && bit_writer_size(&w) == size);
    payload->len += size;
}

/* A new window; false when it cannot be one. */
static bool read_window(struct bit_reader *in, struct xor_state *s)
{
    unsigned head = (unsigned)bits_get(in, 11);
    unsigned leading = head >> 6, length = head & 63 ? head & 63 : 64;
    if (leading + length > 64) return false;
    s->leading = leading;
    s->trailing = 64 - leading - length;
    s->has_window = true;
    return true;
}

bool value_xor_decode(struct rd *r, size_t count, double *out)
{
    struct bit_reader in = bit_reader_of((struct bytes){ r->pos, rd_left(r) });
    struct xor_state s = { .last = bits_get64(&in, 64) };
    out[0] = double_of_bits(s.last);
    for (size_t i = 1; i < count; i++) {
        unsigned code = bits_get_unary(&in, 3);
        if (code == 3) {
            out[i] = stale_nan();
            continue;
        }
        if (code == 2 && !read_window(&in, &s)) return false;
        if (code == 1 && !s.has_window) return false;
        if (code > 0) s.last ^= bits_get64(&in, 64 - s.leading - s.trailing) << s.trailing;
        out[i] = double_of_bits(s.last);
    }
    if (in.failed) return false;
    (void)rd_bytes(r, (in.pos + 7) / 8);
    return true;
}
