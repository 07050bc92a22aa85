/* SPDX-License-Identifier: Apache-2.0
 *
 * pb - protobuf wire format: reader on struct rd, writer on struct buf. No schema, no allocation.
 *
 * Reading   A decoder is a loop over keys, straight-line, checked once at the end:
 *
 *     struct rd r = rd_of(body);
 *     for (uint32_t key; (key = pb_key(&r)) != 0;)
 *         switch (key) {
 *         case PB_KEY(1, PB_LEN): series = pb_msg(&r); ... break;
 *         case PB_KEY(2, PB_VARINT): ts = pb_i64(&r); break;
 *         default: pb_skip(&r, key); break;
 *         }
 *     if (!rd_ok(&r)) return err_set(err, ERR_INVALID, "malformed WriteRequest");
 *
 *           Everything is zero-copy: slices point into the body. Groups (wire types 3, 4) and
 *           field number 0 are refused; a key is at most 32 bits. A field with an unexpected wire
 *           type reaches `default` and is skipped, as protobuf asks. A length prefix is compared
 *           with what is left, so that 2^63 fails like any other overrun.
 * Writing   Fields are appended; a nested message is bracketed by pb_begin and pb_end, its length
 *           is a minimal varint. Zero values are written: the caller leaves out proto3 defaults.
 * Source    protobuf.dev "Encoding".
 */
#ifndef PHAROS_CODEC_PB_H
#define PHAROS_CODEC_PB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/rd.h"
#include "base/str.h"

enum pb_wire { PB_VARINT = 0, PB_I64 = 1, PB_LEN = 2, PB_I32 = 5 };

/* The key of field `number` with wire type `wire`; a constant, usable as a case label. */
#define PB_KEY(number, wire) ((uint32_t)(number) << 3 | (uint32_t)(wire))

static inline uint32_t pb_field_of(uint32_t key)
{
    return key >> 3;
}
static inline enum pb_wire pb_wire_of(uint32_t key)
{
    return (enum pb_wire)(key & 7);
}

/* ---- reading ---------------------------------------------------------------------------- */

/* The next key, 0 at the end or after a failure. Most keys are one byte. */
static inline uint32_t pb_key(struct rd *r)
{
    if (!rd_more(r)) return 0;
    uint64_t key = rd_uvarint(r);
    if (key >> 3 == 0 || key > UINT32_MAX) {
        rd_fail(r);
        return 0;
    }
    return (uint32_t)key;
}

/* Step over the value of a field that nobody wants. */
void pb_skip(struct rd *r, uint32_t key);

static inline struct bytes pb_bytes(struct rd *r)
{
    return rd_bytes(r, rd_uvarint(r));
}
static inline struct str pb_str(struct rd *r)
{
    return str_of_bytes(pb_bytes(r));
}
/* A nested message or a packed field as a reader of its own. When the outer reader has failed the
 * result is empty; an error inside it has to be carried out by the caller. */
static inline struct rd pb_msg(struct rd *r)
{
    return rd_of(pb_bytes(r));
}
static inline uint64_t pb_u64(struct rd *r)
{
    return rd_uvarint(r);
}
/* int64, int32 and enums: two's complement, no zig-zag. */
static inline int64_t pb_i64(struct rd *r)
{
    return (int64_t)rd_uvarint(r);
}
static inline uint32_t pb_u32(struct rd *r)
{
    return (uint32_t)rd_uvarint(r); /* protobuf truncates */
}
static inline int32_t pb_i32(struct rd *r)
{
    return (int32_t)(uint32_t)rd_uvarint(r);
}
/* sint64, sint32 */
static inline int64_t pb_sint(struct rd *r)
{
    return rd_zigzag(r);
}
static inline bool pb_bool(struct rd *r)
{
    return rd_uvarint(r) != 0;
}
static inline double pb_f64(struct rd *r)
{
    return rd_f64le(r);
}
static inline uint64_t pb_fixed64(struct rd *r)
{
    return rd_u64le(r);
}
static inline uint32_t pb_fixed32(struct rd *r)
{
    return rd_u32le(r);
}
float pb_f32(struct rd *r);

/* Number of elements of a packed varint field (`packed` as from pb_msg, not consumed): what an
 * array has to hold. Elements cost at least one byte, so it is at most the byte count. */
size_t pb_packed_count(struct bytes packed);

/* ---- writing ---------------------------------------------------------------------------- */

void pb_put_u64(struct buf *b, uint32_t field, uint64_t v);
static inline void pb_put_i64(struct buf *b, uint32_t field, int64_t v)
{
    pb_put_u64(b, field, (uint64_t)v);
}
static inline void pb_put_sint(struct buf *b, uint32_t field, int64_t v)
{
    pb_put_u64(b, field, zigzag_of(v));
}
static inline void pb_put_bool(struct buf *b, uint32_t field, bool v)
{
    pb_put_u64(b, field, v ? 1 : 0);
}
void pb_put_f64(struct buf *b, uint32_t field, double v);
void pb_put_fixed64(struct buf *b, uint32_t field, uint64_t v);
void pb_put_fixed32(struct buf *b, uint32_t field, uint32_t v);
void pb_put_bytes(struct buf *b, uint32_t field, struct bytes v);
static inline void pb_put_str(struct buf *b, uint32_t field, struct str v)
{
    pb_put_bytes(b, field, bytes_of_str(v));
}

/* Open a nested message; everything appended until pb_end belongs to it. Nests freely.
 *     size_t mark = pb_begin(b, 1); ... pb_end(b, mark); */
size_t pb_begin(struct buf *b, uint32_t field);
void pb_end(struct buf *b, size_t mark);

/* Packed repeated fields; nothing is written for count 0. */
void pb_put_packed_u64(struct buf *b, uint32_t field, const uint64_t *v, size_t count);
void pb_put_packed_sint(struct buf *b, uint32_t field, const int64_t *v, size_t count);
void pb_put_packed_f64(struct buf *b, uint32_t field, const double *v, size_t count);
void pb_put_packed_fixed64(struct buf *b, uint32_t field, const uint64_t *v, size_t count);

#endif
