/* SPDX-License-Identifier: Apache-2.0
 *
 * Decompressors under a small limit. First byte: the format. Whole-buffer and streamed gzip agree;
 * what decodes is encoded again and decodes to the same.
 */
#include <stdint.h>

#include "codec/gzip.h"
#include "codec/snappy.h"
#include "codec/zstd.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUTPUT_MAX ((size_t)1 << 20)

struct tools {
    struct mem_budget *budget;
    struct gzip_decoder *gzip_decoder;
    struct gzip_encoder *gzip_encoder;
    struct gzip_reader *gzip_reader;
    struct zstd_decoder *zstd_decoder;
    struct zstd_encoder *zstd_encoder;
};

static void create(struct tools *t)
{
    t->budget = mem_budget_create(256u << 20);
    if (gzip_decoder_create(t->budget, MEM_NETWORK, &t->gzip_decoder, NULL) != ERR_OK ||
        gzip_encoder_create(t->budget, MEM_NETWORK, 1, &t->gzip_encoder, NULL) != ERR_OK ||
        gzip_reader_create(t->budget, MEM_NETWORK, &t->gzip_reader, NULL) != ERR_OK ||
        zstd_decoder_create(t->budget, MEM_NETWORK, &t->zstd_decoder, NULL) != ERR_OK ||
        zstd_encoder_create(t->budget, MEM_NETWORK, 1, &t->zstd_encoder, NULL) != ERR_OK)
        __builtin_trap();
}

static void destroy(struct tools *t)
{
    gzip_decoder_destroy(t->gzip_decoder);
    gzip_encoder_destroy(t->gzip_encoder);
    gzip_reader_destroy(t->gzip_reader);
    zstd_decoder_destroy(t->zstd_decoder);
    zstd_encoder_destroy(t->zstd_encoder);
    mem_budget_destroy(t->budget);
}

static const struct decode_limits LIMITS = { OUTPUT_MAX, 100 };

static enum err_code decode(struct tools *t, unsigned format, struct bytes in, struct buf *out)
{
    switch (format) {
    case 0: return snappy_decode_buf(in, &LIMITS, out, NULL);
    case 1: return gzip_decode(t->gzip_decoder, in, &LIMITS, out, NULL);
    case 2: return gzip_decode_zlib(t->gzip_decoder, in, &LIMITS, out, NULL);
    default: return zstd_decode(t->zstd_decoder, in, &LIMITS, out, NULL);
    }
}

static void encode(struct tools *t, unsigned format, struct bytes in, struct buf *out)
{
    switch (format) {
    case 0: snappy_encode(in, out); return;
    case 1: gzip_encode(t->gzip_encoder, in, out); return;
    case 2: gzip_encode_zlib(t->gzip_encoder, in, out); return;
    default: zstd_encode(t->zstd_encoder, in, out); return;
    }
}

/* The streaming reader, fed in pieces, finds the same as the whole-buffer decoder. */
static void compare_stream(struct tools *t, unsigned format, struct bytes in, struct bytes want)
{
    struct buf out;
    buf_init(&out, mem_source_of(t->budget, MEM_SYSTEM), 8 * OUTPUT_MAX);
    gzip_reader_reset(t->gzip_reader, format == 1 ? GZIP_MEMBER : GZIP_ZLIB, &LIMITS);
    for (size_t at = 0, n; at < in.len; at += n) {
        n = 1 + (at * 7 + in.len) % 100;
        if (n > in.len - at) n = in.len - at;
        struct bytes piece = { in.ptr + at, n };
        enum err_code rc = gzip_reader_feed(t->gzip_reader, piece, &out, NULL);
        /* The ratio is counted as the input comes. libdeflate accepts the unused length codes of
         * raw deflate, which zlib refuses; a checksum would tell. */
        if (rc == ERR_LIMIT || (rc == ERR_INVALID && format == 2)) {
            buf_deinit(&out);
            return;
        }
        if (rc != ERR_OK) __builtin_trap();
    }
    if (!gzip_reader_is_complete(t->gzip_reader)) __builtin_trap();
    if (!str_eq(str_of_bytes(want), buf_str(&out))) __builtin_trap();
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tools t;
    if (size == 0) return 0;
    if (t.budget == NULL) create(&t);
    const struct mem_source *mem = mem_source_of(t.budget, MEM_SYSTEM);
    unsigned format = data[0] % 4;
    struct bytes in = { data + 1, size - 1 };
    struct buf out, again, back;
    buf_init(&out, mem, 8 * OUTPUT_MAX);
    buf_init(&again, mem, 8 * OUTPUT_MAX);
    buf_init(&back, mem, 8 * OUTPUT_MAX);
    if (decode(&t, format, in, &out) == ERR_OK) {
        if (out.len > OUTPUT_MAX) __builtin_trap();
        if (format == 1 || format == 2) compare_stream(&t, format, in, buf_bytes(&out));
        encode(&t, format, buf_bytes(&out), &again);
        if (buf_failed(&again)) __builtin_trap();
        if (decode(&t, format, buf_bytes(&again), &back) != ERR_OK) __builtin_trap();
        if (!str_eq(buf_str(&out), buf_str(&back))) __builtin_trap();
    } else if (out.len != 0) {
        __builtin_trap();
    }
    buf_deinit(&out);
    buf_deinit(&again);
    buf_deinit(&back);
    if (size % 1024 == 0) { /* now and then start afresh, so that nothing is hidden by reuse */
        destroy(&t);
        t.budget = NULL;
    }
    return 0;
}
