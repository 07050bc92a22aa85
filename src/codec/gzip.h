/* SPDX-License-Identifier: Apache-2.0
 *
 * gzip - RFC 1950/1951/1952: whole buffers with libdeflate (3x zlib), streams with zlib.
 *
 * Whole     gzip_decoder / gzip_encoder are reusable working memory of one thread: create one per
 *           loop, then no allocation but the growth of the output buffer.
 * Streams   gzip_writer compresses an answer of unknown size piece by piece; gzip_reader inflates
 *           pieces as they arrive.
 * Limits    struct decode_limits; the trailer's size field is a hint, never trusted. Concatenated
 *           members are one text, as gzip(1) has it. Bytes after the last member are an error.
 * Memory    The libraries' state is charged to `account` by size; create fails with ERR_NOMEM.
 * Failure   ERR_LIMIT, ERR_INVALID (damaged or truncated), ERR_NOMEM. After a failure out->len is
 *           what it was (whole buffers) and the decoder can be used again.
 */
#ifndef PHAROS_CODEC_GZIP_H
#define PHAROS_CODEC_GZIP_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/decode_limits.h"
#include "os/mem.h"

enum gzip_format {
    GZIP_MEMBER, /* RFC 1952: Content-Encoding: gzip */
    GZIP_ZLIB    /* RFC 1950: Content-Encoding: deflate; readers also take RFC 1951 (no header) */
};

#define GZIP_LEVEL_FAST 1
#define GZIP_LEVEL_DEFAULT 6

struct gzip_decoder;
struct gzip_encoder;

CHECK_RESULT enum err_code gzip_decoder_create(struct mem_budget *budget, enum mem_account account,
                                               struct gzip_decoder **out, struct err *err);
void gzip_decoder_destroy(struct gzip_decoder *d);
/* Decode all members of `in` and append to `out`. */
CHECK_RESULT enum err_code gzip_decode(struct gzip_decoder *d, struct bytes in,
                                       const struct decode_limits *limits, struct buf *out,
                                       struct err *err);
/* The same for Content-Encoding: deflate: a zlib stream, or a raw one as some clients send. */
CHECK_RESULT enum err_code gzip_decode_zlib(struct gzip_decoder *d, struct bytes in,
                                            const struct decode_limits *limits, struct buf *out,
                                            struct err *err);

/* level: 1 (fast) to 12 (small). */
CHECK_RESULT enum err_code gzip_encoder_create(struct mem_budget *budget, enum mem_account account,
                                               int level, struct gzip_encoder **out,
                                               struct err *err);
void gzip_encoder_destroy(struct gzip_encoder *e);
/* Append one member; memory failure shows in buf_failed(out). */
void gzip_encode(struct gzip_encoder *e, struct bytes in, struct buf *out);
void gzip_encode_zlib(struct gzip_encoder *e, struct bytes in, struct buf *out);

struct gzip_writer;
struct gzip_reader;

/* level: 1 to 9. */
CHECK_RESULT enum err_code gzip_writer_create(struct mem_budget *budget, enum mem_account account,
                                              int level, struct gzip_writer **out, struct err *err);
void gzip_writer_destroy(struct gzip_writer *w);
/* Start a new stream with the same memory. */
void gzip_writer_reset(struct gzip_writer *w, enum gzip_format format);
/* Compress `in`; what is ready is appended to `out` (maybe nothing). */
void gzip_writer_put(struct gzip_writer *w, struct bytes in, struct buf *out);
/* Everything put so far becomes decodable by the peer (a streamed answer's chunk boundary). */
void gzip_writer_flush(struct gzip_writer *w, struct buf *out);
/* End of stream: trailer written. Only gzip_writer_reset may follow. */
void gzip_writer_finish(struct gzip_writer *w, struct buf *out);

CHECK_RESULT enum err_code gzip_reader_create(struct mem_budget *budget, enum mem_account account,
                                              struct gzip_reader **out, struct err *err);
void gzip_reader_destroy(struct gzip_reader *r);
/* Start a new stream; the limits hold for the whole of it. */
void gzip_reader_reset(struct gzip_reader *r, enum gzip_format format,
                       const struct decode_limits *limits);
/* Inflate the next piece and append the result to `out`. */
CHECK_RESULT enum err_code gzip_reader_feed(struct gzip_reader *r, struct bytes in, struct buf *out,
                                            struct err *err);
/* Has the input fed so far ended exactly at the end of a member? */
bool gzip_reader_is_complete(const struct gzip_reader *r);

DEFINE_CLEANUP(gzip_decoder_destroy, struct gzip_decoder *)
DEFINE_CLEANUP(gzip_encoder_destroy, struct gzip_encoder *)
DEFINE_CLEANUP(gzip_writer_destroy, struct gzip_writer *)
DEFINE_CLEANUP(gzip_reader_destroy, struct gzip_reader *)

#endif
