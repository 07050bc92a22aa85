/* SPDX-License-Identifier: Apache-2.0
 *
 * http_body - content codings of bodies: decoding with limits, gzip of answers.
 *
 * The codecs need working memory (64 KiB to 300 KiB each). A http_codecs keeps a few of each kind
 * for all threads of a server; one is borrowed per call.
 *
 * Threads    All functions: any thread (a mutex around the free lists, never around the work).
 * Memory     MEM_NETWORK; at most HTTP_CODECS_KEPT idle ones of a kind.
 */
#ifndef PHAROS_NET_HTTP_BODY_H
#define PHAROS_NET_HTTP_BODY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/decode_limits.h"
#include "codec/gzip.h"
#include "net/http.h"
#include "os/mem.h"

enum { HTTP_CODECS_KEPT = 4 };

struct http_codecs;
struct gzip_writer;

CHECK_RESULT enum err_code http_codecs_create(struct mem_budget *mem, struct http_codecs **out,
                                              struct err *err);
/* Everything borrowed must be back. NULL is a no-op. */
void http_codecs_destroy(struct http_codecs *c);

/* Decode `in` and append to `out`. ERR_LIMIT (413), ERR_INVALID (400), ERR_UNSUPPORTED (415: snappy
 * and unknown codings), ERR_NOMEM (503). On failure out->len is unchanged. */
CHECK_RESULT enum err_code http_body_decode(struct http_codecs *c, enum http_coding coding,
                                            struct bytes in, const struct decode_limits *limits,
                                            struct buf *out, struct err *err);
/* Append `in` as one gzip member or one zlib stream, level 1. False (out->len unchanged) when there
 * is no memory: send it plain. */
bool http_body_gzip(struct http_codecs *c, struct bytes in, struct buf *out);
bool http_body_deflate(struct http_codecs *c, struct bytes in, struct buf *out);
/* A stream for an answer of unknown size, reset; NULL without memory. Give it back with _put. */
struct gzip_writer *http_gzip_writer_get(struct http_codecs *c, enum gzip_format format);
void http_gzip_writer_put(struct http_codecs *c, struct gzip_writer *w);

#endif
