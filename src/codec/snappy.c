/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/snappy.h"

#include <snappy-c.h>

#include "base/assert.h"
#include "base/rd.h"

/* A three-byte copy yields at most 64 bytes, so nothing decodes to more than 64/3 of its size. */
#define SNAPPY_RATIO_MAX 22

enum err_code snappy_decoded_size(struct bytes in, const struct decode_limits *limits,
                                  size_t *out_size, struct err *err)
{
    struct rd r = rd_of(in);
    uint64_t size = rd_uvarint(&r);
    if (!rd_ok(&r) || size > UINT32_MAX)
        return err_set(err, ERR_INVALID, "snappy: malformed length header");
    if (size > decode_limit_of(limits, in.len)) {
        return err_setf(err, ERR_LIMIT, "snappy: decoded size exceeds the limit",
                        "declared %llu bytes, limit %zu", (unsigned long long)size,
                        decode_limit_of(limits, in.len));
    }
    if (size / SNAPPY_RATIO_MAX > in.len)
        return err_set(err, ERR_INVALID, "snappy: declared size is impossible");
    *out_size = (size_t)size;
    return ERR_OK;
}

static enum err_code uncompress(struct bytes in, uint8_t *dst, size_t size, struct err *err)
{
    size_t out_len = size;
    if (snappy_uncompress((const char *)in.ptr, in.len, (char *)dst, &out_len) != SNAPPY_OK ||
        out_len != size)
        return err_set(err, ERR_INVALID, "snappy: corrupt input");
    return ERR_OK;
}

enum err_code snappy_decode(struct bytes in, const struct decode_limits *limits, struct arena *a,
                            struct bytes *out, struct err *err)
{
    size_t size = 0;
    TRY(snappy_decoded_size(in, limits, &size, err));
    uint8_t *dst = arena_array_raw(a, uint8_t, size ? size : 1);
    if (dst == NULL) return err_set(err, ERR_NOMEM, "snappy: no memory for the decoded body");
    TRY(uncompress(in, dst, size, err));
    *out = (struct bytes){ dst, size };
    return ERR_OK;
}

enum err_code snappy_decode_buf(struct bytes in, const struct decode_limits *limits,
                                struct buf *out, struct err *err)
{
    size_t size = 0;
    TRY(snappy_decoded_size(in, limits, &size, err));
    uint8_t *dst = buf_reserve(out, size ? size : 1);
    if (dst == NULL) return err_set(err, ERR_NOMEM, "snappy: no memory for the decoded body");
    TRY(uncompress(in, dst, size, err));
    out->len += size;
    return ERR_OK;
}

void snappy_encode(struct bytes in, struct buf *out)
{
    ASSERT(in.len <= UINT32_MAX);
    size_t room = snappy_max_compressed_length(in.len);
    uint8_t *dst = buf_reserve(out, room);
    if (dst == NULL) return;
    const char *src = in.ptr ? (const char *)in.ptr : "";
    snappy_status status = snappy_compress(src, in.len, (char *)dst, &room);
    ASSERT(status == SNAPPY_OK);
    out->len += room;
}
