/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoding of hx chunks. A careful reader of one sample (read_sample) and, for the samples that
 * make up nearly all of a chunk, a loop that keeps its state in registers (read_fast): on time with
 * the same value, on time with a changed value, and a little late. It loads whole words, for which
 * chunks of the usual size are copied in front of zeros; at anything else the careful reader goes
 * on.
 */
#include <string.h>

#include "base/num.h"
#include "codec/bits.h"
#include "metrics/hx/hx.h"
#include "model/sample.h"

#define HEADER_BYTES 3
/* Bytes behind the first one of a sample that read_fast may load: 30 bits of prefix, 32 of a long
 * value, 7 to the byte, a word of 8 bytes. */
#define FAST_TAIL_BYTES 17
#define FAST_COPY_MAX 1024 /* larger chunks are read where they are, but for the tail */

/* ---- one sample ---- */

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

/* ---- the fast loop ---- */

/* 57 bits or more at bit `pos`, left-aligned; 8 bytes can be read there. */
static inline uint64_t load_bits(const uint8_t *ptr, size_t pos)
{
    uint64_t word;
    memcpy(&word, ptr + pos / 8, sizeof word);
    return __builtin_bswap64(word) << (pos & 7);
}

/* `length` bits at `pos`, 1 to 64; 16 bytes can be read there. */
static inline uint64_t take_bits(const uint8_t *ptr, size_t pos, unsigned length)
{
    if (length <= 56) return load_bits(ptr, pos) >> (64 - length);
    uint64_t high = load_bits(ptr, pos) >> 32;
    return high << (length - 32) | load_bits(ptr, pos + 32) >> (96 - length);
}

struct fast {
    const uint8_t *ptr;
    size_t pos, end; /* bits; nothing is begun at or behind end */
    int64_t t, delta;
    uint64_t base;
    unsigned leading, trailing;
};

/* A changed value whose prefix has been taken; false: damaged, or no window yet. */
static inline bool fast_xor(struct fast *f, bool is_new)
{
    if (is_new) {
        uint64_t word = load_bits(f->ptr, f->pos);
        unsigned length = (unsigned)(word >> 53) & 63;
        if (length == 0) length = 64;
        f->leading = (unsigned)(word >> 59);
        if (f->leading + length > 64) return false;
        f->trailing = 64 - f->leading - length;
        f->pos += 11;
    } else if (f->leading == HX_NO_WINDOW) {
        return false;
    }
    unsigned length = 64 - f->leading - f->trailing;
    f->base ^= take_bits(f->ptr, f->pos, length) << f->trailing;
    f->pos += length;
    return true;
}

/* Samples with single zero bits: same step, same value. 0: their times overflow. */
static inline unsigned fast_repeats(struct fast *f, uint64_t word, unsigned most, int64_t *t,
                                    double *v)
{
    unsigned n = word != 0 ? (unsigned)__builtin_clzll(word) : 56;
    int64_t span;
    int64_t last;
    if (n > 56) n = 56;
    if (n > most) n = most;
    if (n > f->end - f->pos) n = (unsigned)(f->end - f->pos);
    if (__builtin_mul_overflow(f->delta, (int64_t)n, &span) ||
        __builtin_add_overflow(f->t, span, &last))
        return 0;
    const int64_t first = f->t;
    const int64_t step = f->delta;
    const double value = double_of_bits(f->base);
    for (unsigned i = 0; i < n; i++) {
        t[i] = first + step * (int64_t)(i + 1);
        v[i] = value;
    }
    f->t = last;
    f->pos += n;
    return n;
}

/* A sample that begins with 110 and 13 bits: it is a little early or late. */
static inline bool fast_late(struct fast *f, uint64_t word, uint64_t *value)
{
    int64_t dod = (int64_t)(word << 3) >> 51;
    int64_t delta;
    if (__builtin_add_overflow(f->delta, dod, &delta) || delta <= 0) return false;
    if (__builtin_add_overflow(f->t, delta, &f->t)) return false;
    f->delta = delta;
    word <<= 16;
    f->pos += 16;
    if (word >> 63 == 0) {
        f->pos += 1;
    } else if (word >> 61 == 7) {
        f->pos += 3;
        *value = STALE_NAN_BITS;
        return true;
    } else {
        bool is_new = word >> 62 == 3;
        f->pos += is_new ? 3 : 2;
        if (!fast_xor(f, is_new)) return false;
    }
    *value = f->base;
    return true;
}

static inline bool fast_change(struct fast *f, uint64_t word, uint64_t *value)
{
    if (__builtin_add_overflow(f->t, f->delta, &f->t)) return false;
    f->pos += 3;
    if (!fast_xor(f, (word >> 61 & 1) != 0)) return false;
    *value = f->base;
    return true;
}

/* Read on from the cursor, whose count is 2 or more, as far as it goes, but begin nothing at or
 * behind bit `end` of `ptr`, a copy of the chunk. Returns the number of samples put to t[], v[]. */
static unsigned read_fast(struct cursor *c, const uint8_t *ptr, size_t end, int64_t *t, double *v)
{
    struct fast f = { .ptr = ptr,
                      .pos = c->in.pos,
                      .end = end,
                      .t = c->s.last_t,
                      .delta = c->s.last_delta,
                      .base = c->s.base_bits,
                      .leading = c->s.leading,
                      .trailing = c->s.trailing };
    unsigned missing = (unsigned)(c->total - c->s.count);
    unsigned n = 0;
    bool is_good = true;
    while (n < missing && f.pos < f.end && is_good) {
        uint64_t word = load_bits(f.ptr, f.pos);
        uint64_t value = f.base;
        if (word >> 63 == 0) {
            unsigned repeats = fast_repeats(&f, word, missing - n, t + n, v + n);
            is_good = repeats > 0;
            n += repeats;
            continue;
        }
        if (word >> 62 == 2) {
            is_good = fast_change(&f, word, &value);
        } else if (word >> 61 == 6) {
            is_good = fast_late(&f, word, &value);
        } else {
            break;
        }
        t[n] = f.t;
        v[n++] = double_of_bits(value);
    }
    c->is_bad = !is_good || f.pos > c->in.size * 8;
    c->in.pos = f.pos;
    c->s.last_t = f.t;
    c->s.last_delta = f.delta;
    c->s.base_bits = f.base;
    c->s.leading = (uint8_t)f.leading;
    c->s.trailing = (uint8_t)f.trailing;
    c->s.count = (uint16_t)(c->s.count + n);
    return n;
}

/* ---- whole chunks ---- */

/* Keep the samples of [mint, maxt] of those at [from, from + n). */
static void trim(struct sample_columns *c, size_t from, size_t n, int64_t mint_ms, int64_t maxt_ms)
{
    int64_t *t = c->ts_ms + from;
    double *v = c->value + from;
    size_t begin = 0;
    while (n > 0 && t[n - 1] > maxt_ms)
        n--;
    while (begin < n && t[begin] < mint_ms)
        begin++;
    if (begin > 0) {
        memmove(t, t + begin, (n - begin) * sizeof *t);
        memmove(v, v + begin, (n - begin) * sizeof *v);
    }
    c->count = from + n - begin;
}

/* The samples behind the first two. Returns how many. */
static size_t read_rest(struct cursor *c, int64_t maxt_ms, int64_t *t, double *v)
{
    uint8_t copy[FAST_COPY_MAX + FAST_TAIL_BYTES];
    const uint8_t *ptr = c->in.ptr;
    size_t end = c->in.size * 8;
    size_t n = 0;
    if (c->in.size <= FAST_COPY_MAX) {
        memcpy(copy, c->in.ptr, c->in.size);
        memset(copy + c->in.size, 0, FAST_TAIL_BYTES);
        ptr = copy;
    } else {
        end -= FAST_TAIL_BYTES * (size_t)8;
    }
    while (c->s.count < c->total && c->s.last_t <= maxt_ms) {
        n += read_fast(c, ptr, end, t + n, v + n);
        if (cursor_failed(c) || c->s.count == c->total) break;
        read_sample(c);
        if (cursor_failed(c)) break;
        t[n] = c->s.last_t;
        v[n++] = double_of_bits(c->value);
    }
    return n;
}

enum err_code hx_decode(struct bytes chunk, int64_t mint_ms, int64_t maxt_ms,
                        struct sample_buf *out, struct err *err)
{
    struct cursor c = cursor_of(chunk);
    if (cursor_failed(&c)) return err_set(err, ERR_CORRUPT, "damaged chunk header");
    if (c.total == 0) return ERR_OK;
    TRY(sample_buf_reserve(out, c.total, err));
    int64_t *t = out->cols.ts_ms + out->cols.count;
    double *v = out->cols.value + out->cols.count;
    size_t n = 0;
    while (n < 2 && n < c.total && !cursor_failed(&c)) {
        read_sample(&c);
        t[n] = c.s.last_t;
        v[n++] = double_of_bits(c.value);
    }
    if (!cursor_failed(&c) && n == 2) n += read_rest(&c, maxt_ms, t + n, v + n);
    if (cursor_failed(&c)) return err_set(err, ERR_CORRUPT, "damaged chunk");
    trim(&out->cols, out->cols.count, n, mint_ms, maxt_ms);
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
