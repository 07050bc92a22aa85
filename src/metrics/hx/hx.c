/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/hx/hx.h"

#include <string.h>

#include "base/assert.h"
#include "base/num.h"
#include "codec/bits.h"
#include "model/sample.h"

#define HEADER_BYTES 3
#define LEADING_MAX 31 /* written in 5 bits */

/* Prefixes of samples >= 2 and of values, as bit strings. */
enum {
    PREFIX_DOD_13 = 6,    /* 110 */
    PREFIX_DOD_20 = 14,   /* 1110 */
    PREFIX_DOD_64 = 30,   /* 11110 */
    PREFIX_STALE = 31,    /* 11111 */
    PREFIX_VAL_STALE = 7, /* 111 */
    PREFIX_VAL_NEW = 6,   /* 110 */
    PREFIX_VAL_REUSE = 2  /* 10 */
};

/* ---- sizes ---- */

static unsigned uvarint_size(uint64_t v)
{
    unsigned n = 1;
    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

struct window {
    uint8_t leading, trailing;
    bool is_reused;
};

static struct window window_of(const struct hx_state *s, uint64_t xor)
{
    unsigned leading = (unsigned)__builtin_clzll(xor);
    unsigned trailing = (unsigned)__builtin_ctzll(xor);
    if (leading > LEADING_MAX) leading = LEADING_MAX;
    if (s->leading != HX_NO_WINDOW && leading >= s->leading && trailing >= s->trailing)
        return (struct window){ s->leading, s->trailing, true };
    return (struct window){ (uint8_t)leading, (uint8_t)trailing, false };
}

/* Bits of a changed value after its prefix. */
static unsigned xor_bits(const struct hx_state *s, uint64_t xor)
{
    struct window w = window_of(s, xor);
    return (w.is_reused ? 0 : 11u) + 64u - w.leading - w.trailing;
}

static unsigned val_bits(const struct hx_state *s, uint64_t value)
{
    if (value == STALE_NAN_BITS) return 3;
    uint64_t xor = value ^ s->base_bits;
    if (xor == 0) return 1;
    return (window_of(s, xor).is_reused ? 2u : 3u) + xor_bits(s, xor);
}

static int64_t dod_of(const struct hx_state *s, int64_t t)
{
    return (int64_t)((uint64_t)t - (uint64_t)s->last_t - (uint64_t)s->last_delta);
}

static bool fits_signed(int64_t v, unsigned bits)
{
    int64_t limit = (int64_t)1 << (bits - 1);
    return v >= -limit && v < limit;
}

unsigned hx_sample_bits(const struct hx_state *s, int64_t t, uint64_t value_bits)
{
    if (s->count == 0) return 8u * (HEADER_BYTES + uvarint_size(zigzag_of(t)) + 8);
    ASSERT(t > s->last_t);
    if (s->count == 1)
        return 8u * uvarint_size((uint64_t)t - (uint64_t)s->last_t) + val_bits(s, value_bits);
    int64_t dod = dod_of(s, t);
    uint64_t xor = value_bits ^ s->base_bits;
    if (dod == 0) {
        if (xor == 0) return 1;
        if (value_bits == STALE_NAN_BITS) return 5;
        return 3 + xor_bits(s, xor);
    }
    unsigned time_bits = fits_signed(dod, 13) ? 16 : fits_signed(dod, 20) ? 24 : 69;
    return time_bits + (xor == 0 ? 1 : val_bits(s, value_bits));
}

/* ---- append ---- */

/* A changed value without its prefix: [leading and length,] significant bits. */
static void put_xor(struct hx_state *s, struct bit_writer *w, uint64_t xor, struct window window)
{
    unsigned length = 64u - window.leading - window.trailing;
    if (!window.is_reused) {
        bits_put(w, (uint64_t)window.leading << 6 | (length & 63), 11);
        s->leading = window.leading;
        s->trailing = window.trailing;
    }
    bits_put64(w, xor >> window.trailing, length);
}

static void put_val(struct hx_state *s, struct bit_writer *w, uint64_t value)
{
    uint64_t xor = value ^ s->base_bits;
    if (value == STALE_NAN_BITS) {
        bits_put(w, PREFIX_VAL_STALE, 3);
    } else if (xor == 0) {
        bits_put(w, 0, 1);
    } else {
        struct window window = window_of(s, xor);
        if (window.is_reused) {
            bits_put(w, PREFIX_VAL_REUSE, 2);
        } else {
            bits_put(w, PREFIX_VAL_NEW, 3);
        }
        put_xor(s, w, xor, window);
    }
}

static void put_dod(struct bit_writer *w, int64_t dod)
{
    if (fits_signed(dod, 13)) {
        bits_put(w, (uint64_t)PREFIX_DOD_13 << 13 | ((uint64_t)dod & 0x1fff), 16);
    } else if (fits_signed(dod, 20)) {
        bits_put(w, (uint64_t)PREFIX_DOD_20 << 20 | ((uint64_t)dod & 0xfffff), 24);
    } else {
        bits_put(w, PREFIX_DOD_64, 5);
        bits_put64(w, (uint64_t)dod, 64);
    }
}

static void put_later(struct hx_state *s, struct bit_writer *w, int64_t t, uint64_t value)
{
    int64_t dod = dod_of(s, t);
    uint64_t xor = value ^ s->base_bits;
    if (dod != 0) {
        put_dod(w, dod);
        if (xor == 0) {
            bits_put(w, 0, 1);
        } else {
            put_val(s, w, value);
        }
    } else if (value == STALE_NAN_BITS && xor != 0) {
        bits_put(w, PREFIX_STALE, 5);
    } else {
        ASSERT(xor != 0);
        struct window window = window_of(s, xor);
        bits_put(w, window.is_reused ? 4 : 5, 3); /* 10, then 0 or 1 */
        put_xor(s, w, xor, window);
    }
}

static void put_sample(struct hx_state *s, struct bit_writer *w, int64_t t, uint64_t value)
{
    if (s->count == 0) {
        bits_put(w, 0, 8 * HEADER_BYTES);
        bits_put_zigzag(w, t);
        bits_put64(w, value, 64);
    } else if (s->count == 1) {
        bits_put_uvarint(w, (uint64_t)t - (uint64_t)s->last_t);
        put_val(s, w, value);
    } else {
        put_later(s, w, t, value);
    }
}

static void put_count(uint8_t *bytes, uint16_t count)
{
    bytes[0] = (uint8_t)(count >> 8);
    bytes[1] = (uint8_t)count;
}

void hx_append(struct hx_state *s, uint8_t *bytes, int64_t t, uint64_t value_bits)
{
    ASSERT(s->count < HX_SAMPLES_MAX);
    ASSERT(s->count == 0 || t > s->last_t);
    if (s->count >= 2 && value_bits == s->base_bits && dod_of(s, t) == 0) {
        /* The common case needs no writer: one zero bit. */
        if ((s->bitpos & 7) == 0) bytes[s->bitpos / 8] = 0;
        s->bitpos++;
    } else {
        /* The writer stores whole words, the chunk ends with its last byte: write beside it. */
        uint8_t scratch[HX_SAMPLE_BYTES_MAX + 1 + BITS_SLACK];
        unsigned used = s->bitpos & 7;
        scratch[0] = used ? bytes[s->bitpos / 8] : 0;
        struct bit_writer w = { .ptr = scratch, .cap = sizeof scratch, .pos = used };
        put_sample(s, &w, t, value_bits);
        ASSERT(!w.failed);
        memcpy(bytes + s->bitpos / 8, scratch, bit_writer_size(&w));
        s->bitpos += (uint32_t)(w.pos - used);
    }
    if (s->count > 0) s->last_delta = (int64_t)((uint64_t)t - (uint64_t)s->last_t);
    if (s->count == 0 || value_bits != STALE_NAN_BITS) s->base_bits = value_bits;
    s->last_t = t;
    s->count++;
    put_count(bytes, s->count);
}
