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

/* ---- decode ---- */

/* A state that is moved forward by reading. */
struct cursor {
    struct bit_reader in;
    struct hx_state s;
    uint64_t value; /* of the newest sample */
    uint16_t total;
    bool is_bad;
};

static void read_xor(struct cursor *c, bool is_new)
{
    if (is_new) {
        unsigned leading = (unsigned)bits_get(&c->in, 5);
        unsigned length = (unsigned)bits_get(&c->in, 6);
        if (length == 0) length = 64;
        if (leading + length > 64) {
            c->is_bad = true;
            return;
        }
        c->s.leading = (uint8_t)leading;
        c->s.trailing = (uint8_t)(64 - leading - length);
    } else if (c->s.leading == HX_NO_WINDOW) {
        c->is_bad = true;
        return;
    }
    unsigned length = 64u - c->s.leading - c->s.trailing;
    c->s.base_bits ^= bits_get64(&c->in, length) << c->s.trailing;
    c->value = c->s.base_bits;
}

static void read_val(struct cursor *c)
{
    switch (bits_get_unary(&c->in, 3)) {
    case 0: c->value = c->s.base_bits; break;
    case 1: read_xor(c, false); break;
    case 2: read_xor(c, true); break;
    default: c->value = STALE_NAN_BITS; break;
    }
}

static int64_t read_signed(struct cursor *c, unsigned bits)
{
    uint64_t raw = bits_get64(&c->in, bits);
    return bits == 64 ? (int64_t)raw : (int64_t)(raw << (64 - bits)) >> (64 - bits);
}

static void move_time(struct cursor *c, int64_t delta)
{
    int64_t t;
    if (delta <= 0 || __builtin_add_overflow(c->s.last_t, delta, &t)) {
        c->is_bad = true;
        return;
    }
    c->s.last_t = t;
    c->s.last_delta = delta;
}

static void move_dod(struct cursor *c, int64_t dod)
{
    move_time(c, (int64_t)((uint64_t)c->s.last_delta + (uint64_t)dod));
}

static void read_later(struct cursor *c)
{
    switch (bits_get_unary(&c->in, 5)) {
    case 0:
        move_dod(c, 0);
        c->value = c->s.base_bits;
        break;
    case 1:
        move_dod(c, 0);
        read_xor(c, bits_get_bit(&c->in));
        break;
    case 2:
        move_dod(c, read_signed(c, 13));
        read_val(c);
        break;
    case 3:
        move_dod(c, read_signed(c, 20));
        read_val(c);
        break;
    case 4:
        move_dod(c, read_signed(c, 64));
        read_val(c);
        break;
    default:
        move_dod(c, 0);
        c->value = STALE_NAN_BITS;
        break;
    }
}

static void read_sample(struct cursor *c)
{
    if (c->s.count == 0) {
        c->s.last_t = bits_get_zigzag(&c->in);
        c->value = c->s.base_bits = bits_get64(&c->in, 64);
    } else if (c->s.count == 1) {
        uint64_t delta = bits_get_uvarint(&c->in);
        if (delta > INT64_MAX) c->is_bad = true;
        if (!c->is_bad) move_time(c, (int64_t)delta);
        read_val(c);
    } else {
        read_later(c);
    }
    c->s.count++;
}

static struct cursor cursor_of(struct bytes chunk)
{
    struct cursor c = { .in = bit_reader_of(chunk), .s = HX_STATE_EMPTY };
    c.total = (uint16_t)bits_get(&c.in, 16);
    if (bits_get(&c.in, 8) != 0) c.is_bad = true; /* start timestamps are not written here */
    if (c.total > 8 * chunk.len) c.is_bad = true; /* a sample takes at least one bit */
    return c;
}

static bool cursor_failed(const struct cursor *c)
{
    return c->is_bad || c->in.failed;
}

/* How many of the next samples are single zero bits: same step, same value. */
static unsigned repeats_ahead(const struct cursor *c)
{
    if (c->s.count < 2) return 0;
    uint64_t word = bits_peek(&c->in);
    unsigned zeros = word ? (unsigned)__builtin_clzll(word) : 56;
    if (zeros > 56) zeros = 56;
    size_t left = bits_left(&c->in);
    if (zeros > left) zeros = (unsigned)left;
    unsigned missing = (unsigned)(c->total - c->s.count);
    return zeros < missing ? zeros : missing;
}

/* Where decoded samples go: raw columns with room, and the wanted range. */
struct sink {
    int64_t *t;
    double *v;
    size_t count;
    int64_t mint, maxt;
};

static inline void sink_put(struct sink *k, int64_t t, uint64_t value)
{
    k->t[k->count] = t;
    k->v[k->count] = double_of_bits(value);
    k->count += t >= k->mint && t <= k->maxt;
}

static void read_repeats(struct cursor *c, unsigned n, struct sink *k)
{
    int64_t t = c->s.last_t;
    int64_t step = c->s.last_delta;
    int64_t span;
    if (__builtin_mul_overflow(step, (int64_t)n, &span) || t > INT64_MAX - span) {
        c->is_bad = true;
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        t += step;
        sink_put(k, t, c->s.base_bits);
    }
    c->s.last_t = t;
    c->s.count = (uint16_t)(c->s.count + n);
    c->value = c->s.base_bits;
    bits_skip(&c->in, n);
}

enum err_code hx_decode(struct bytes chunk, int64_t mint_ms, int64_t maxt_ms,
                        struct sample_buf *out, struct err *err)
{
    struct cursor c = cursor_of(chunk);
    if (cursor_failed(&c)) return err_set(err, ERR_CORRUPT, "damaged chunk header");
    TRY(sample_buf_reserve(out, c.total, err));
    struct sink k = { out->cols.ts_ms + out->cols.count, out->cols.value + out->cols.count, 0,
                      mint_ms, maxt_ms };
    while (c.s.count < c.total && !cursor_failed(&c)) {
        unsigned n = repeats_ahead(&c);
        if (n > 0) {
            read_repeats(&c, n, &k);
        } else {
            read_sample(&c);
            if (!cursor_failed(&c)) sink_put(&k, c.s.last_t, c.value);
        }
        if (c.s.last_t > maxt_ms) break;
    }
    if (cursor_failed(&c)) return err_set(err, ERR_CORRUPT, "damaged chunk");
    out->cols.count += k.count;
    return ERR_OK;
}

enum err_code hx_resume(struct bytes chunk, struct hx_state *out, uint64_t *out_value_bits,
                        struct err *err)
{
    struct cursor c = cursor_of(chunk);
    while (c.s.count < c.total && !cursor_failed(&c))
        read_sample(&c);
    if (cursor_failed(&c) || c.total == 0) return err_set(err, ERR_CORRUPT, "damaged chunk");
    c.s.bitpos = u32_from_u64(c.in.pos);
    *out = c.s;
    *out_value_bits = c.value;
    return ERR_OK;
}

uint16_t hx_count(struct bytes chunk)
{
    return chunk.len < HEADER_BYTES ? 0 : (uint16_t)((unsigned)chunk.ptr[0] << 8 | chunk.ptr[1]);
}
