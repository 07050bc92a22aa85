/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams, by zlib. zlib's memory comes from the budget: each block carries its size in front. The
 * writer runs raw deflate and frames it itself, so that one writer serves both formats.
 */
#include "codec/gzip.h"

#include <zlib.h>

#include "base/assert.h"

#define WINDOW_BITS 15
#define AUTO_GZIP 16                      /* zlib: add to the window bits to read the gzip format */
#define PIECE_BYTES 16384                 /* output is produced in pieces of this size */
#define HEADER_BYTES 16                   /* size in front of a block; keeps its alignment */
#define INPUT_BYTES_MAX ((size_t)1 << 30) /* zlib counts input in unsigned int */

struct zlib_memory {
    struct mem_budget *budget;
    enum mem_account account;
};

struct gzip_writer {
    struct zlib_memory memory;
    enum gzip_format format;
    bool has_header; /* written */
    bool is_finished;
    uint32_t check; /* CRC-32 or Adler-32 of the input */
    uint32_t size;  /* of the input, modulo 2^32 */
    z_stream z;
};

struct gzip_reader {
    struct zlib_memory memory;
    enum gzip_format format;
    bool is_started;  /* the first byte has been seen */
    bool is_at_end;   /* of a member */
    bool is_poisoned; /* an error came before */
    struct decode_limits limits;
    size_t in_total, out_total;
    z_stream z;
};

static void *zlib_alloc(void *opaque, unsigned count, unsigned size)
{
    const struct zlib_memory *m = opaque;
    size_t total = (size_t)count * size + HEADER_BYTES; /* 32-bit factors: no overflow */
    uint8_t *block = mem_zalloc(m->budget, m->account, total);
    if (block == NULL) return NULL;
    memcpy(block, &total, sizeof total);
    return block + HEADER_BYTES;
}

static void zlib_free(void *opaque, void *ptr)
{
    const struct zlib_memory *m = opaque;
    if (ptr == NULL) return;
    uint8_t *block = (uint8_t *)ptr - HEADER_BYTES;
    size_t total;
    memcpy(&total, block, sizeof total);
    mem_free(m->budget, m->account, block, total);
}

static z_stream stream_of(struct zlib_memory *memory)
{
    return (z_stream){ .zalloc = zlib_alloc, .zfree = zlib_free, .opaque = memory };
}

/* ---- writer ----------------------------------------------------------------------------- */

enum err_code gzip_writer_create(struct mem_budget *budget, enum mem_account account, int level,
                                 struct gzip_writer **out, struct err *err)
{
    ASSERT(level >= 1);
    ASSERT(level <= 9);
    struct gzip_writer *w = mem_zalloc(budget, account, sizeof *w);
    if (w == NULL) return err_set(err, ERR_NOMEM, "no memory for a gzip stream");
    w->memory = (struct zlib_memory){ budget, account };
    w->z = stream_of(&w->memory);
    if (deflateInit2(&w->z, level, Z_DEFLATED, -WINDOW_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        mem_free(budget, account, w, sizeof *w);
        return err_set(err, ERR_NOMEM, "no memory for a gzip stream");
    }
    gzip_writer_reset(w, GZIP_MEMBER);
    *out = w;
    return ERR_OK;
}

void gzip_writer_destroy(struct gzip_writer *w)
{
    if (w == NULL) return;
    (void)deflateEnd(&w->z);
    mem_free(w->memory.budget, w->memory.account, w, sizeof *w);
}

void gzip_writer_reset(struct gzip_writer *w, enum gzip_format format)
{
    (void)deflateReset(&w->z);
    w->format = format;
    w->has_header = false;
    w->is_finished = false;
    w->size = 0;
    w->check = format == GZIP_MEMBER ? 0 : 1;
}

static void put_header(struct gzip_writer *w, struct buf *out)
{
    static const uint8_t member[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255 };
    static const uint8_t stream[2] = { 0x78, 0x9c };
    if (w->has_header) return;
    w->has_header = true;
    if (w->format == GZIP_MEMBER)
        buf_put(out, member, sizeof member);
    else
        buf_put(out, stream, sizeof stream);
}

static void put_trailer(const struct gzip_writer *w, struct buf *out)
{
    if (w->format == GZIP_MEMBER) {
        buf_put_u32le(out, w->check);
        buf_put_u32le(out, w->size);
    } else {
        buf_put_u32le(out, __builtin_bswap32(w->check));
    }
}

static void run_deflate(struct gzip_writer *w, struct bytes in, int flush, struct buf *out)
{
    ASSERT(!w->is_finished);
    put_header(w, out);
    w->z.next_in = (Bytef *)(uintptr_t)in.ptr; /* zlib does not write there */
    w->z.avail_in = (uInt)in.len;
    do {
        uint8_t *dst = buf_reserve(out, PIECE_BYTES);
        if (dst == NULL) return; /* sticky in `out`; the stream is lost */
        w->z.next_out = dst;
        w->z.avail_out = PIECE_BYTES;
        int rc = deflate(&w->z, flush);
        ASSERT(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
        out->len += PIECE_BYTES - w->z.avail_out;
    } while (w->z.avail_out == 0);
    ASSERT(w->z.avail_in == 0);
}

void gzip_writer_put(struct gzip_writer *w, struct bytes in, struct buf *out)
{
    while (in.len > 0) {
        size_t n = in.len < INPUT_BYTES_MAX ? in.len : INPUT_BYTES_MAX;
        if (w->format == GZIP_MEMBER)
            w->check = (uint32_t)crc32(w->check, in.ptr, (uInt)n);
        else
            w->check = (uint32_t)adler32(w->check, in.ptr, (uInt)n);
        w->size += (uint32_t)n;
        run_deflate(w, (struct bytes){ in.ptr, n }, Z_NO_FLUSH, out);
        in = (struct bytes){ in.ptr + n, in.len - n };
    }
}

void gzip_writer_flush(struct gzip_writer *w, struct buf *out)
{
    run_deflate(w, (struct bytes){ NULL, 0 }, Z_SYNC_FLUSH, out);
}

void gzip_writer_finish(struct gzip_writer *w, struct buf *out)
{
    run_deflate(w, (struct bytes){ NULL, 0 }, Z_FINISH, out);
    put_trailer(w, out);
    w->is_finished = true;
}

/* ---- reader ----------------------------------------------------------------------------- */

enum err_code gzip_reader_create(struct mem_budget *budget, enum mem_account account,
                                 struct gzip_reader **out, struct err *err)
{
    struct gzip_reader *r = mem_zalloc(budget, account, sizeof *r);
    if (r == NULL) return err_set(err, ERR_NOMEM, "no memory for a gzip stream");
    r->memory = (struct zlib_memory){ budget, account };
    r->z = stream_of(&r->memory);
    if (inflateInit2(&r->z, WINDOW_BITS + AUTO_GZIP) != Z_OK) {
        mem_free(budget, account, r, sizeof *r);
        return err_set(err, ERR_NOMEM, "no memory for a gzip stream");
    }
    gzip_reader_reset(r, GZIP_MEMBER, &DECODE_LIMITS_DEFAULT);
    *out = r;
    return ERR_OK;
}

void gzip_reader_destroy(struct gzip_reader *r)
{
    if (r == NULL) return;
    (void)inflateEnd(&r->z);
    mem_free(r->memory.budget, r->memory.account, r, sizeof *r);
}

void gzip_reader_reset(struct gzip_reader *r, enum gzip_format format,
                       const struct decode_limits *limits)
{
    r->format = format;
    r->limits = *limits;
    r->is_started = r->is_at_end = r->is_poisoned = false;
    r->in_total = r->out_total = 0;
}

/* The format is settled by the first byte: a zlib header has 8 in its low half, which as raw
 * deflate would be a stored block with a padding bit set. */
static void start(struct gzip_reader *r, uint8_t first)
{
    int bits = WINDOW_BITS + AUTO_GZIP;
    if (r->format == GZIP_ZLIB) bits = (first & 15) == 8 ? WINDOW_BITS : -WINDOW_BITS;
    (void)inflateReset2(&r->z, bits);
    r->is_started = true;
}

static enum err_code poison(struct gzip_reader *r, struct err *err, enum err_code code,
                            const char *msg)
{
    r->is_poisoned = true;
    return err_set(err, code, msg);
}

/* Inflate until z.avail_in is used up. */
static enum err_code run_inflate(struct gzip_reader *r, struct buf *out, struct err *err)
{
    size_t limit = decode_limit_of(&r->limits, r->in_total);
    do {
        if (r->is_at_end) {
            if (r->z.avail_in == 0) return ERR_OK;
            if (r->format != GZIP_MEMBER)
                return poison(r, err, ERR_INVALID, "bytes after the end of the deflate stream");
            (void)inflateReset(&r->z);
            r->is_at_end = false;
        }
        uint8_t *dst = buf_reserve(out, PIECE_BYTES);
        if (dst == NULL) return poison(r, err, ERR_NOMEM, "no memory for the inflated body");
        r->z.next_out = dst;
        r->z.avail_out = PIECE_BYTES;
        int rc = inflate(&r->z, Z_NO_FLUSH);
        size_t made = PIECE_BYTES - r->z.avail_out;
        out->len += made;
        r->out_total += made;
        if (r->out_total > limit)
            return poison(r, err, ERR_LIMIT, "inflated size exceeds the limit");
        if (rc == Z_MEM_ERROR) return poison(r, err, ERR_NOMEM, "no memory to inflate");
        if (rc == Z_STREAM_END)
            r->is_at_end = true;
        else if (rc != Z_OK && rc != Z_BUF_ERROR)
            return poison(r, err, ERR_INVALID, "corrupt gzip data");
    } while (r->z.avail_in > 0 || r->z.avail_out == 0);
    return ERR_OK;
}

enum err_code gzip_reader_feed(struct gzip_reader *r, struct bytes in, struct buf *out,
                               struct err *err)
{
    if (r->is_poisoned) return err_set(err, ERR_INVALID, "corrupt gzip data");
    if (in.len > 0 && !r->is_started) start(r, in.ptr[0]);
    while (in.len > 0) {
        size_t n = in.len < INPUT_BYTES_MAX ? in.len : INPUT_BYTES_MAX;
        r->z.next_in = (Bytef *)(uintptr_t)in.ptr; /* zlib does not write there */
        r->z.avail_in = (uInt)n;
        r->in_total += n;
        TRY(run_inflate(r, out, err));
        in = (struct bytes){ in.ptr + n, in.len - n };
    }
    return ERR_OK;
}

bool gzip_reader_is_complete(const struct gzip_reader *r)
{
    return r->is_at_end && !r->is_poisoned;
}
