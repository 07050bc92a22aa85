/* SPDX-License-Identifier: Apache-2.0
 *
 * bits - bit streams, most significant bit first, as Prometheus' XOR chunks have them.
 *
 * Writer    Over a fixed buffer of the caller. The bytes are always up to date (no accumulator to
 *           flush), so a chunk under construction can be copied and read at any moment; its whole
 *           state is the bit position. A write is one unaligned 64-bit load, OR and store; it
 *           therefore needs BITS_SLACK bytes behind the last byte written.
 * Reader    One unaligned 64-bit load per field while 9 bytes are left, byte by byte at the end.
 *           Errors are sticky as in struct rd: reading past the end gives 0 and failed = true.
 * Threads   One owner. Memory: none.
 */
#ifndef PHAROS_CODEC_BITS_H
#define PHAROS_CODEC_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/str.h"

#define BITS_SLACK 9 /* bytes behind the end that a write may touch (with zeros) */

struct bit_writer {
    uint8_t *ptr; /* bytes beyond the position are zero or will be overwritten by zeros */
    size_t cap;   /* bytes at ptr, slack included */
    size_t pos;   /* bits written */
    bool failed;  /* a write did not fit; nothing of it was written; sticky */
};

static inline struct bit_writer bit_writer_of(uint8_t *ptr, size_t cap)
{
    if (cap > 0) ptr[0] = 0;
    return (struct bit_writer){ .ptr = ptr, .cap = cap };
}
/* Continue a stream of `pos` bits whose unused low bits of the last byte are zero. */
static inline struct bit_writer bit_writer_at(uint8_t *ptr, size_t cap, size_t pos)
{
    if ((pos & 7) == 0 && pos / 8 < cap) ptr[pos / 8] = 0;
    return (struct bit_writer){ .ptr = ptr, .cap = cap, .pos = pos };
}
/* Bytes in use, the last one padded with zero bits. */
static inline size_t bit_writer_size(const struct bit_writer *w)
{
    return (w->pos + 7) / 8;
}
/* Will `count` more bits fit? */
static inline bool bits_fit(const struct bit_writer *w, size_t count)
{
    return w->cap >= BITS_SLACK && (w->pos + count) / 8 <= w->cap - BITS_SLACK;
}

/* Append the low `count` bits of v, 0 <= count <= 56. Bits of v above must be zero. */
static inline void bits_put(struct bit_writer *w, uint64_t v, unsigned count)
{
    ASSERT_SLOW(count <= 56 && (count == 64 || v >> count == 0));
    if (w->failed || !bits_fit(w, count)) {
        w->failed = true;
        return;
    }
    uint8_t *p = w->ptr + w->pos / 8;
    unsigned used = (unsigned)(w->pos & 7);
    uint64_t word = count ? v << (64 - count) >> used : 0;
    word |= (uint64_t)*p << 56;
    word = __builtin_bswap64(word);
    memcpy(p, &word, sizeof word);
    w->pos += count;
}
/* The same for 0 <= count <= 64. */
static inline void bits_put64(struct bit_writer *w, uint64_t v, unsigned count)
{
    if (count <= 56) {
        bits_put(w, v, count);
        return;
    }
    if (!bits_fit(w, count)) {
        w->failed = true;
        return;
    }
    bits_put(w, v >> 32, count - 32);
    bits_put(w, v & UINT32_MAX, 32);
}
static inline void bits_put_bit(struct bit_writer *w, bool bit)
{
    bits_put(w, bit ? 1 : 0, 1);
}
/* LEB128 at any bit position (whole bytes when aligned); all or nothing. */
void bits_put_uvarint(struct bit_writer *w, uint64_t v);
void bits_put_zigzag(struct bit_writer *w, int64_t v);

struct bit_reader {
    const uint8_t *ptr;
    size_t size; /* bytes */
    size_t pos;  /* bits */
    bool failed;
};

static inline struct bit_reader bit_reader_of(struct bytes b)
{
    return (struct bit_reader){ .ptr = b.ptr, .size = b.len };
}
static inline size_t bits_left(const struct bit_reader *r)
{
    return r->failed ? 0 : r->size * 8 - r->pos;
}
/* Up to 56 bits at the position, left-aligned in the result, zeros beyond the end; not consumed. */
static inline uint64_t bits_peek(const struct bit_reader *r)
{
    size_t at = r->pos / 8;
    uint64_t word = 0;
    if (r->size >= 8 && at <= r->size - 8) {
        memcpy(&word, r->ptr + at, sizeof word);
        word = __builtin_bswap64(word);
    } else {
        for (size_t i = 0; i < 8 && at + i < r->size; i++)
            word |= (uint64_t)r->ptr[at + i] << (56 - 8 * i);
    }
    return word << (r->pos & 7);
}
static inline void bits_skip(struct bit_reader *r, size_t count)
{
    if (count > bits_left(r)) {
        r->failed = true;
        r->pos = r->size * 8;
        return;
    }
    r->pos += count;
}
/* The next `count` bits, 0 <= count <= 56, in the low bits of the result. */
static inline uint64_t bits_get(struct bit_reader *r, unsigned count)
{
    ASSERT_SLOW(count <= 56);
    uint64_t word = bits_peek(r);
    bits_skip(r, count);
    if (r->failed || count == 0) return 0;
    return word >> (64 - count);
}
/* The same for 0 <= count <= 64. */
static inline uint64_t bits_get64(struct bit_reader *r, unsigned count)
{
    if (count <= 56) return bits_get(r, count);
    uint64_t high = bits_get(r, count - 32);
    return high << 32 | bits_get(r, 32);
}
static inline bool bits_get_bit(struct bit_reader *r)
{
    return bits_get(r, 1) != 0;
}
/* Number of one bits before the first zero bit, at most `max` (1 <= max <= 8); takes the zero
 * unless max ones came: the prefix codes of XOR chunks. */
static inline unsigned bits_get_unary(struct bit_reader *r, unsigned max)
{
    uint64_t inverted = ~bits_peek(r) | (uint64_t)1 << (63 - max);
    unsigned ones = (unsigned)__builtin_clzll(inverted);
    bits_skip(r, ones < max ? ones + 1 : max);
    return r->failed ? 0 : ones;
}
uint64_t bits_get_uvarint(struct bit_reader *r);
int64_t bits_get_zigzag(struct bit_reader *r);

#endif
