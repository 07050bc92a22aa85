/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/pb.h"

void pb_skip(struct rd *r, uint32_t key)
{
    switch (key & 7) {
    case PB_VARINT: (void)rd_uvarint(r); return;
    case PB_I64: (void)rd_bytes(r, 8); return;
    case PB_LEN: (void)pb_bytes(r); return;
    case PB_I32: (void)rd_bytes(r, 4); return;
    default: rd_fail(r); return; /* groups (3, 4) and reserved types (6, 7) */
    }
}

float pb_f32(struct rd *r)
{
    uint32_t bits = rd_u32le(r);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

size_t pb_packed_count(struct bytes packed)
{
    size_t count = 0;
    for (size_t i = 0; i < packed.len; i++)
        count += packed.ptr[i] < 0x80;
    return count;
}

static void put_key(struct buf *b, uint32_t field, enum pb_wire wire)
{
    ASSERT(field > 0 && field < 1u << 29);
    buf_put_uvarint(b, PB_KEY(field, wire));
}

void pb_put_u64(struct buf *b, uint32_t field, uint64_t v)
{
    put_key(b, field, PB_VARINT);
    buf_put_uvarint(b, v);
}

void pb_put_f64(struct buf *b, uint32_t field, double v)
{
    put_key(b, field, PB_I64);
    buf_put_f64le(b, v);
}

void pb_put_fixed64(struct buf *b, uint32_t field, uint64_t v)
{
    put_key(b, field, PB_I64);
    buf_put_u64le(b, v);
}

void pb_put_fixed32(struct buf *b, uint32_t field, uint32_t v)
{
    put_key(b, field, PB_I32);
    buf_put_u32le(b, v);
}

void pb_put_bytes(struct buf *b, uint32_t field, struct bytes v)
{
    put_key(b, field, PB_LEN);
    buf_put_uvarint(b, v.len);
    buf_put(b, v.ptr, v.len);
}

/* One byte is left for the length; most messages are shorter than 128 bytes. pb_end moves the
 * content up when the length needs more. */
size_t pb_begin(struct buf *b, uint32_t field)
{
    put_key(b, field, PB_LEN);
    buf_put_u8(b, 0);
    return b->len;
}

static size_t uvarint_size(uint64_t v)
{
    size_t size = 1;
    for (; v >= 0x80; v >>= 7)
        size++;
    return size;
}

static void write_uvarint(uint8_t *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *out++ = (uint8_t)(v | 0x80);
    *out = (uint8_t)v;
}

void pb_end(struct buf *b, size_t mark)
{
    if (buf_failed(b)) return;
    ASSERT(mark > 0 && mark <= b->len);
    size_t size = b->len - mark;
    size_t extra = uvarint_size(size) - 1;
    if (extra > 0) {
        if (buf_reserve(b, extra) == NULL) return;
        memmove(b->ptr + mark + extra, b->ptr + mark, size);
        b->len += extra;
    }
    write_uvarint(b->ptr + mark - 1, size);
}

void pb_put_packed_u64(struct buf *b, uint32_t field, const uint64_t *v, size_t count)
{
    if (count == 0) return;
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += uvarint_size(v[i]);
    put_key(b, field, PB_LEN);
    buf_put_uvarint(b, size);
    for (size_t i = 0; i < count; i++)
        buf_put_uvarint(b, v[i]);
}

void pb_put_packed_sint(struct buf *b, uint32_t field, const int64_t *v, size_t count)
{
    if (count == 0) return;
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += uvarint_size(zigzag_of(v[i]));
    put_key(b, field, PB_LEN);
    buf_put_uvarint(b, size);
    for (size_t i = 0; i < count; i++)
        buf_put_zigzag(b, v[i]);
}

void pb_put_packed_f64(struct buf *b, uint32_t field, const double *v, size_t count)
{
    if (count == 0) return;
    put_key(b, field, PB_LEN);
    buf_put_uvarint(b, 8 * (uint64_t)count);
    buf_put(b, v, 8 * count); /* little-endian hosts only: asserted in base/rd.c */
}

void pb_put_packed_fixed64(struct buf *b, uint32_t field, const uint64_t *v, size_t count)
{
    if (count == 0) return;
    put_key(b, field, PB_LEN);
    buf_put_uvarint(b, 8 * (uint64_t)count);
    buf_put(b, v, 8 * count);
}
