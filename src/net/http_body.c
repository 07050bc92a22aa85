/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_body.h"

#include "base/assert.h"
#include "codec/gzip.h"
#include "codec/zstd.h"
#include "os/thread.h"

enum codec_kind { CODEC_INFLATE, CODEC_DEFLATE, CODEC_DEFLATE_STREAM, CODEC_UNZSTD, CODEC_KINDS };

struct http_codecs {
    struct mem_budget *mem;
    struct mutex lock;
    /* guarded by lock */
    void *idle[CODEC_KINDS][HTTP_CODECS_KEPT];
    unsigned idle_count[CODEC_KINDS];
};

static void *codec_create(struct mem_budget *mem, enum codec_kind kind)
{
    struct gzip_decoder *inflate = NULL;
    struct gzip_encoder *deflate = NULL;
    struct gzip_writer *writer = NULL;
    struct zstd_decoder *unzstd = NULL;
    switch (kind) {
    case CODEC_INFLATE:
        return gzip_decoder_create(mem, MEM_NETWORK, &inflate, NULL) == ERR_OK ? inflate : NULL;
    case CODEC_DEFLATE:
        return gzip_encoder_create(mem, MEM_NETWORK, GZIP_LEVEL_FAST, &deflate, NULL) == ERR_OK
                   ? deflate
                   : NULL;
    case CODEC_DEFLATE_STREAM:
        return gzip_writer_create(mem, MEM_NETWORK, GZIP_LEVEL_FAST, &writer, NULL) == ERR_OK
                   ? writer
                   : NULL;
    case CODEC_UNZSTD:
        return zstd_decoder_create(mem, MEM_NETWORK, &unzstd, NULL) == ERR_OK ? unzstd : NULL;
    case CODEC_KINDS: break;
    }
    UNREACHABLE();
}

static void codec_destroy(enum codec_kind kind, void *codec)
{
    switch (kind) {
    case CODEC_INFLATE: gzip_decoder_destroy(codec); return;
    case CODEC_DEFLATE: gzip_encoder_destroy(codec); return;
    case CODEC_DEFLATE_STREAM: gzip_writer_destroy(codec); return;
    case CODEC_UNZSTD: zstd_decoder_destroy(codec); return;
    case CODEC_KINDS: break;
    }
    UNREACHABLE();
}

static void *codec_get(struct http_codecs *c, enum codec_kind kind)
{
    {
        MUTEX_SCOPE(&c->lock);
        if (c->idle_count[kind] > 0) return c->idle[kind][--c->idle_count[kind]];
    }
    return codec_create(c->mem, kind);
}

static void codec_put(struct http_codecs *c, enum codec_kind kind, void *codec)
{
    {
        MUTEX_SCOPE(&c->lock);
        if (c->idle_count[kind] < HTTP_CODECS_KEPT) {
            c->idle[kind][c->idle_count[kind]++] = codec;
            return;
        }
    }
    codec_destroy(kind, codec);
}

enum err_code http_codecs_create(struct mem_budget *mem, struct http_codecs **out, struct err *err)
{
    struct http_codecs *c = mem_zalloc(mem, MEM_NETWORK, sizeof *c);
    if (!c) return err_set(err, ERR_NOMEM, "no memory for codecs");
    c->mem = mem;
    mutex_init(&c->lock);
    *out = c;
    return ERR_OK;
}

void http_codecs_destroy(struct http_codecs *c)
{
    if (!c) return;
    for (unsigned kind = 0; kind < CODEC_KINDS; kind++) {
        for (unsigned i = 0; i < c->idle_count[kind]; i++)
            codec_destroy(kind, c->idle[kind][i]);
    }
    mutex_deinit(&c->lock);
    mem_free(c->mem, MEM_NETWORK, c, sizeof *c);
}

static enum err_code inflate(struct http_codecs *c, enum http_coding coding, struct bytes in,
                             const struct decode_limits *limits, struct buf *out, struct err *err)
{
    struct gzip_decoder *d = codec_get(c, CODEC_INFLATE);
    if (!d) return err_set(err, ERR_NOMEM, "no memory to decompress");
    enum err_code rc = coding == HTTP_CODING_GZIP ? gzip_decode(d, in, limits, out, err)
                                                  : gzip_decode_zlib(d, in, limits, out, err);
    codec_put(c, CODEC_INFLATE, d);
    return rc;
}

static enum err_code unzstd(struct http_codecs *c, struct bytes in,
                            const struct decode_limits *limits, struct buf *out, struct err *err)
{
    struct zstd_decoder *d = codec_get(c, CODEC_UNZSTD);
    if (!d) return err_set(err, ERR_NOMEM, "no memory to decompress");
    enum err_code rc = zstd_decode(d, in, limits, out, err);
    codec_put(c, CODEC_UNZSTD, d);
    return rc;
}

enum err_code http_body_decode(struct http_codecs *c, enum http_coding coding, struct bytes in,
                               const struct decode_limits *limits, struct buf *out, struct err *err)
{
    switch (coding) {
    case HTTP_CODING_IDENTITY:
        buf_put(out, in.ptr, in.len);
        return buf_failed(out) ? err_set(err, ERR_NOMEM, "no memory for the body") : ERR_OK;
    case HTTP_CODING_GZIP:
    case HTTP_CODING_DEFLATE: return inflate(c, coding, in, limits, out, err);
    case HTTP_CODING_ZSTD: return unzstd(c, in, limits, out, err);
    case HTTP_CODING_SNAPPY:
    case HTTP_CODING_UNKNOWN: return err_set(err, ERR_UNSUPPORTED, "unsupported content encoding");
    }
    UNREACHABLE();
}

static bool compress_body(struct http_codecs *c, enum gzip_format format, struct bytes in,
                          struct buf *out)
{
    size_t len = out->len;
    struct gzip_encoder *e = codec_get(c, CODEC_DEFLATE);
    if (!e) return false;
    if (format == GZIP_ZLIB) {
        gzip_encode_zlib(e, in, out);
    } else {
        gzip_encode(e, in, out);
    }
    codec_put(c, CODEC_DEFLATE, e);
    if (!buf_failed(out)) return true;
    out->len = len;
    return false;
}

bool http_body_gzip(struct http_codecs *c, struct bytes in, struct buf *out)
{
    return compress_body(c, GZIP_MEMBER, in, out);
}

bool http_body_deflate(struct http_codecs *c, struct bytes in, struct buf *out)
{
    return compress_body(c, GZIP_ZLIB, in, out);
}

struct gzip_writer *http_gzip_writer_get(struct http_codecs *c, enum gzip_format format)
{
    struct gzip_writer *w = codec_get(c, CODEC_DEFLATE_STREAM);
    if (w) gzip_writer_reset(w, format);
    return w;
}

void http_gzip_writer_put(struct http_codecs *c, struct gzip_writer *w)
{
    codec_put(c, CODEC_DEFLATE_STREAM, w);
}
