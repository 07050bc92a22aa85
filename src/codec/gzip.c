/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole buffers, by libdeflate. Streams are in gzip_stream.c.
 */
#include "codec/gzip.h"

#include <libdeflate.h>

#include "base/assert.h"

/* libdeflate keeps its own memory; these are the sizes it allocates (1.14), charged by us. */
#define DECODER_BYTES ((size_t)12 << 10)
#define ENCODER_BYTES_LEVEL_1 ((size_t)200 << 10)
#define ENCODER_BYTES_LEVEL_2 ((size_t)656 << 10)
#define ENCODER_BYTES_LEVEL_10 ((size_t)8800 << 10) /* optimal parsing */

/* Where guessing the size of the output begins. */
#define GUESS_BYTES_MIN ((size_t)4096)

struct gzip_decoder {
    struct mem_budget *budget;
    enum mem_account account;
    struct libdeflate_decompressor *lib;
};

struct gzip_encoder {
    struct mem_budget *budget;
    enum mem_account account;
    size_t charged_bytes;
    struct libdeflate_compressor *lib;
};

enum err_code gzip_decoder_create(struct mem_budget *budget, enum mem_account account,
                                  struct gzip_decoder **out, struct err *err)
{
    if (!mem_charge(budget, account, DECODER_BYTES))
        return err_set(err, ERR_NOMEM, "no memory for a gzip decoder");
    struct gzip_decoder *d = mem_zalloc(budget, account, sizeof *d);
    struct libdeflate_decompressor *lib = d ? libdeflate_alloc_decompressor() : NULL;
    if (lib == NULL) {
        mem_free(budget, account, d, sizeof *d);
        mem_uncharge(budget, account, DECODER_BYTES);
        return err_set(err, ERR_NOMEM, "no memory for a gzip decoder");
    }
    *d = (struct gzip_decoder){ budget, account, lib };
    *out = d;
    return ERR_OK;
}

void gzip_decoder_destroy(struct gzip_decoder *d)
{
    if (d == NULL) return;
    libdeflate_free_decompressor(d->lib);
    mem_uncharge(d->budget, d->account, DECODER_BYTES);
    mem_free(d->budget, d->account, d, sizeof *d);
}

/* ---- decoding --------------------------------------------------------------------------- */

typedef enum libdeflate_result (*inflate_fn)(struct libdeflate_decompressor *lib, const void *in,
                                             size_t in_size, void *out, size_t out_cap,
                                             size_t *in_used, size_t *out_size);

/* One decode of a whole body: what is left of the input, and of the output limit. */
struct inflation {
    struct libdeflate_decompressor *lib;
    struct bytes in;
    size_t room;
    struct buf *out;
    struct err *err;
};

/* Decode the member at the front of job->in. The output size is guessed, then doubled until it
 * fits: libdeflate needs all of it at once. */
static enum err_code inflate_member(struct inflation *job, inflate_fn inflate, size_t guess)
{
    for (;;) {
        if (guess > job->room) guess = job->room;
        uint8_t *dst = buf_reserve(job->out, guess ? guess : 1);
        if (dst == NULL) return err_set(job->err, ERR_NOMEM, "no memory for the inflated body");
        size_t in_used = 0, out_size = 0;
        enum libdeflate_result result =
            inflate(job->lib, job->in.ptr, job->in.len, dst, guess, &in_used, &out_size);
        if (result == LIBDEFLATE_SUCCESS) {
            ASSERT(in_used <= job->in.len);
            ASSERT(out_size <= guess);
            job->out->len += out_size;
            job->room -= out_size;
            job->in = (struct bytes){ job->in.ptr + in_used, job->in.len - in_used };
            return ERR_OK;
        }
        if (result != LIBDEFLATE_INSUFFICIENT_SPACE)
            return err_set(job->err, ERR_INVALID, "corrupt or truncated gzip data");
        if (guess == job->room)
            return err_set(job->err, ERR_LIMIT, "inflated size exceeds the limit");
        guess = guess > job->room / 2 ? job->room : guess * 2;
        if (guess < GUESS_BYTES_MIN) guess = GUESS_BYTES_MIN;
    }
}

/* The size field of the trailer is exact for one member below 4 GiB; anything else costs a second
 * try. It is the peer's word, so it is only believed up to what deflate usually achieves. */
static size_t guess_size(struct bytes in)
{
    size_t usual = in.len > SIZE_MAX / 32 ? SIZE_MAX : in.len * 32;
    if (usual < GUESS_BYTES_MIN) usual = GUESS_BYTES_MIN;
    if (in.len < 4) return usual;
    const uint8_t *p = in.ptr + in.len - 4;
    size_t said = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
    return said < usual ? said : usual;
}

enum err_code gzip_decode(struct gzip_decoder *d, struct bytes in,
                          const struct decode_limits *limits, struct buf *out, struct err *err)
{
    struct inflation job = { d->lib, in, decode_limit_of(limits, in.len), out, err };
    size_t len_before = out->len;
    do {
        enum err_code rc = inflate_member(&job, libdeflate_gzip_decompress_ex, guess_size(job.in));
        if (rc != ERR_OK) {
            out->len = len_before;
            return rc;
        }
    } while (job.in.len > 0);
    return ERR_OK;
}

enum err_code gzip_decode_zlib(struct gzip_decoder *d, struct bytes in,
                               const struct decode_limits *limits, struct buf *out, struct err *err)
{
    struct inflation job = { d->lib, in, decode_limit_of(limits, in.len), out, err };
    size_t len_before = out->len;
    size_t guess = in.len > SIZE_MAX / 8 ? SIZE_MAX : in.len * 8;
    bool has_header =
        in.len >= 2 && (in.ptr[0] & 15) == 8 && (in.ptr[0] * 256 + in.ptr[1]) % 31 == 0;
    enum err_code rc = inflate_member(
        &job, has_header ? libdeflate_zlib_decompress_ex : libdeflate_deflate_decompress_ex, guess);
    if (rc == ERR_OK && job.in.len > 0)
        rc = err_set(err, ERR_INVALID, "bytes after the end of the deflate stream");
    if (rc != ERR_OK) out->len = len_before;
    return rc;
}

/* ---- encoding --------------------------------------------------------------------------- */

static size_t encoder_bytes(int level)
{
    if (level >= 10) return ENCODER_BYTES_LEVEL_10;
    return level >= 2 ? ENCODER_BYTES_LEVEL_2 : ENCODER_BYTES_LEVEL_1;
}

enum err_code gzip_encoder_create(struct mem_budget *budget, enum mem_account account, int level,
                                  struct gzip_encoder **out, struct err *err)
{
    ASSERT(level >= 1);
    ASSERT(level <= 12);
    size_t charge = encoder_bytes(level);
    if (!mem_charge(budget, account, charge))
        return err_set(err, ERR_NOMEM, "no memory for a gzip encoder");
    struct gzip_encoder *e = mem_zalloc(budget, account, sizeof *e);
    struct libdeflate_compressor *lib = e ? libdeflate_alloc_compressor(level) : NULL;
    if (lib == NULL) {
        mem_free(budget, account, e, sizeof *e);
        mem_uncharge(budget, account, charge);
        return err_set(err, ERR_NOMEM, "no memory for a gzip encoder");
    }
    *e = (struct gzip_encoder){ budget, account, charge, lib };
    *out = e;
    return ERR_OK;
}

void gzip_encoder_destroy(struct gzip_encoder *e)
{
    if (e == NULL) return;
    libdeflate_free_compressor(e->lib);
    mem_uncharge(e->budget, e->account, e->charged_bytes);
    mem_free(e->budget, e->account, e, sizeof *e);
}

void gzip_encode(struct gzip_encoder *e, struct bytes in, struct buf *out)
{
    size_t room = libdeflate_gzip_compress_bound(e->lib, in.len);
    uint8_t *dst = buf_reserve(out, room);
    if (dst != NULL) out->len += libdeflate_gzip_compress(e->lib, in.ptr, in.len, dst, room);
}

void gzip_encode_zlib(struct gzip_encoder *e, struct bytes in, struct buf *out)
{
    size_t room = libdeflate_zlib_compress_bound(e->lib, in.len);
    uint8_t *dst = buf_reserve(out, room);
    if (dst != NULL) out->len += libdeflate_zlib_compress(e->lib, in.ptr, in.len, dst, room);
}
