/* SPDX-License-Identifier: Apache-2.0
 *
 * buf - the only growable byte buffer. Writers append without checking and ask buf_failed() once
 * at the end: a failure (memory or cap_max) is sticky and makes further appends no-ops.
 *
 * Threads   One owner.
 */
#ifndef PHAROS_BASE_BUF_H
#define PHAROS_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem_source.h"
#include "base/str.h"

struct buf {
    uint8_t *ptr;
    size_t len, cap;
    size_t cap_max; /* hard limit of cap */
    const struct mem_source *mem;
    bool failed;
};

void buf_init(struct buf *b, const struct mem_source *mem, size_t cap_max);
void buf_deinit(struct buf *b);
/* len = 0, failed = false, capacity kept. */
void buf_reset(struct buf *b);
static inline bool buf_failed(const struct buf *b)
{
    return b->failed;
}
static inline struct bytes buf_bytes(const struct buf *b)
{
    return (struct bytes){ b->ptr, b->len };
}
static inline struct str buf_str(const struct buf *b)
{
    return (struct str){ (const char *)b->ptr, b->len };
}

/* Room for `n` more bytes at ptr + len (not yet counted in len); NULL on failure. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *data, size_t n);
void buf_put_u8(struct buf *b, uint8_t v);
/* Little endian. */
void buf_put_u16le(struct buf *b, uint16_t v);
void buf_put_u32le(struct buf *b, uint32_t v);
void buf_put_u64le(struct buf *b, uint64_t v);
void buf_put_f64le(struct buf *b, double v);
/* LEB128, low 7 bits first, at most 10 bytes. */
void buf_put_uvarint(struct buf *b, uint64_t v);
/* uvarint of (x << 1) ^ (x >> 63). */
void buf_put_zigzag(struct buf *b, int64_t v);
static inline void buf_put_str(struct buf *b, struct str s)
{
    buf_put(b, s.ptr, s.len);
}
#define buf_put_lit(b, lit) buf_put((b), "" lit, sizeof(lit) - 1)
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *fmt, ...);
/* Decimal digits. */
void buf_put_u64_text(struct buf *b, uint64_t v);
void buf_put_i64_text(struct buf *b, int64_t v);

#endif
