/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/num.h"

#define BUF_CAP_MIN 64u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "buf_put_*le copies host order");

void buf_init(struct buf *b, const struct mem_source *mem, size_t cap_max)
{
    ASSERT(mem);
    *b = (struct buf){ .mem = mem, .cap_max = cap_max };
}

void buf_deinit(struct buf *b)
{
    if (b->ptr) b->mem->free(b->mem->ctx, b->ptr, b->cap);
    *b = (struct buf){ 0 };
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

/* Slow path of buf_reserve: move to a block of at least twice the capacity. */
static uint8_t *buf_grow(struct buf *b, size_t n)
{
    size_t need;
    if (!ck_add(b->len, n, &need) || need > b->cap_max) {
        b->failed = true;
        return NULL;
    }
    size_t cap;
    if (!ck_mul(b->cap, 2, &cap)) cap = need;
    if (cap < BUF_CAP_MIN) cap = BUF_CAP_MIN;
    if (cap < need) cap = need;
    if (cap > b->cap_max) cap = b->cap_max;
    uint8_t *ptr = b->mem->alloc(b->mem->ctx, cap);
    if (!ptr) {
        b->failed = true;
        return NULL;
    }
    if (b->len > 0) memcpy(ptr, b->ptr, b->len);
    if (b->ptr) b->mem->free(b->mem->ctx, b->ptr, b->cap);
    b->ptr = ptr;
    b->cap = cap;
    return b->ptr + b->len;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed) return NULL;
    if (b->ptr && n <= b->cap - b->len) return b->ptr + b->len;
    return buf_grow(b, n);
}

void buf_put(struct buf *b, const void *data, size_t n)
{
    if (n == 0) return;
    uint8_t *dst = buf_reserve(b, n);
    if (!dst) return;
    memcpy(dst, data, n);
    b->len += n;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
    uint8_t *dst = buf_reserve(b, 1);
    if (!dst) return;
    *dst = v;
    b->len++;
}

void buf_put_u16le(struct buf *b, uint16_t v)
{
    buf_put(b, &v, sizeof v);
}

void buf_put_u32le(struct buf *b, uint32_t v)
{
    buf_put(b, &v, sizeof v);
}

void buf_put_u64le(struct buf *b, uint64_t v)
{
    buf_put(b, &v, sizeof v);
}

void buf_put_f64le(struct buf *b, double v)
{
    buf_put_u64le(b, bits_of_double(v));
}

void buf_put_uvarint(struct buf *b, uint64_t v)
{
    uint8_t text[10];
    size_t n = 0;
    while (v >= 0x80) {
        text[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    text[n++] = (uint8_t)v;
    buf_put(b, text, n);
}

void buf_put_zigzag(struct buf *b, int64_t v)
{
    buf_put_uvarint(b, zigzag_of(v));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    if (b->failed) return;
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    size_t room = b->ptr ? b->cap - b->len : 0;
    int n = vsnprintf(room ? (char *)b->ptr + b->len : NULL, room, fmt, args);
    va_end(args);
    if (n < 0) {
        b->failed = true;
    } else if ((size_t)n < room) {
        b->len += (size_t)n;
    } else {
        /* vsnprintf wants a byte for its NUL, which stays outside len. */
        uint8_t *dst = buf_reserve(b, (size_t)n + 1);
        if (dst) {
            (void)vsnprintf((char *)dst, (size_t)n + 1, fmt, again);
            b->len += (size_t)n;
        }
    }
    va_end(again);
}

void buf_put_u64_text(struct buf *b, uint64_t v)
{
    char text[20];
    size_t pos = sizeof text;
    do {
        text[--pos] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    buf_put(b, text + pos, sizeof text - pos);
}

void buf_put_i64_text(struct buf *b, int64_t v)
{
    if (v < 0) buf_put_u8(b, '-');
    buf_put_u64_text(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}
