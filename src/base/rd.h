/* SPDX-License-Identifier: Apache-2.0
 *
 * rd - bounds-checked reader over borrowed bytes; the only place that does pointer arithmetic on
 * untrusted input. After the first failure every call returns 0 or empty and rd_ok() is false, so
 * a decoder is written straight-line and checked once.
 */
#ifndef PHAROS_BASE_RD_H
#define PHAROS_BASE_RD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

struct rd {
    const uint8_t *pos, *end;
    bool failed;
};

static inline struct rd rd_of(struct bytes b)
{
    return (struct rd){ b.ptr, b.len ? b.ptr + b.len : b.ptr, false };
}
static inline bool rd_ok(const struct rd *r)
{
    return !r->failed;
}
static inline size_t rd_left(const struct rd *r)
{
    return (size_t)(r->end - r->pos);
}
static inline bool rd_more(const struct rd *r)
{
    return !r->failed && r->pos < r->end;
}
static inline void rd_fail(struct rd *r)
{
    r->failed = true;
    r->pos = r->end;
}

/* LEB128, at most 10 bytes; bits above 64 make it fail rather than wrap. */
static inline uint64_t rd_uvarint(struct rd *r)
{
    if (r->pos < r->end && *r->pos < 0x80) return *r->pos++;
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (r->pos == r->end) break;
        uint8_t b = *r->pos++;
        if (shift == 63 && b > 1) break;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) return v;
    }
    rd_fail(r);
    return 0;
}

static inline int64_t rd_zigzag(struct rd *r)
{
    uint64_t v = rd_uvarint(r);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* The next `len` bytes as a sub-slice. `len` is untrusted. */
static inline struct bytes rd_bytes(struct rd *r, uint64_t len)
{
    if (r->failed || len > rd_left(r)) {
        rd_fail(r);
        return (struct bytes){ r->end, 0 };
    }
    struct bytes b = { r->pos, (size_t)len };
    r->pos += len;
    return b;
}

static inline uint8_t rd_u8(struct rd *r)
{
    if (r->pos == r->end) {
        rd_fail(r);
        return 0;
    }
    return *r->pos++;
}

/* Little endian. */
static inline uint16_t rd_u16le(struct rd *r)
{
    struct bytes b = rd_bytes(r, 2);
    return b.len == 2 ? (uint16_t)((unsigned)b.ptr[0] | (unsigned)b.ptr[1] << 8) : 0;
}
static inline uint32_t rd_u32le(struct rd *r)
{
    struct bytes b = rd_bytes(r, 4);
    uint32_t v = 0;
    if (b.len == 4) memcpy(&v, b.ptr, 4);
    return v; /* host order: _Static_assert in base/rd.c allows little-endian hosts only */
}
static inline uint64_t rd_u64le(struct rd *r)
{
    struct bytes b = rd_bytes(r, 8);
    uint64_t v = 0;
    if (b.len == 8) memcpy(&v, b.ptr, 8);
    return v;
}
static inline double rd_f64le(struct rd *r)
{
    uint64_t bits = rd_u64le(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

#endif
