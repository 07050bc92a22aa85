/* SPDX-License-Identifier: Apache-2.0
 *
 * http1_parser - the grammar of an HTTP/1.1 request: head and chunked body. Pure functions over
 * bytes; no I/O, no allocation.
 *
 * Head       scan() finds the end of the head incrementally (it remembers how far it looked, so a
 *            head that arrives byte by byte costs linear time) and refuses a bare LF as soon as it
 *            sees one. parse() reads the whole head once and yields slices of it.
 * Strict     Refused, because two implementations could read them differently: bare LF, bare CR,
 *            NUL and other control bytes, obs-fold, blanks before the colon or around the method, a
 *            second Host, Content-Length that is repeated or not 1 to 19 digits, Content-Length
 *            together with Transfer-Encoding, Transfer-Encoding in HTTP/1.0, any transfer coding
 *            but "chunked", chunk sizes of more than 16 hex digits, LF without CR between chunks.
 * Accepted   Up to two empty lines before the request line (RFC 9112 section 2.2), absolute-form
 *            targets, bytes above 0x7f in targets and values.
 * Source     RFC 9112; the list in spec dependencies.md section 2.
 */
#ifndef PHAROS_NET_HTTP1_PARSER_H
#define PHAROS_NET_HTTP1_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "net/http.h"
#include "net/http_server.h"

/* Why a request was refused. status == 0: it was not. */
struct http1_fault {
    unsigned status;
    enum http_reject reason;
    const char *text; /* for the client */
};

struct http1_scan {
    size_t pos;        /* looked at so far */
    size_t line_start; /* of the line being read */
    size_t head_start; /* after leading empty lines */
};

/* Look for the end of the head in data[0, len), where data[0, scan->pos) was looked at before.
 * Returns the length of the head including leading empty lines and the final empty line, or 0: more
 * is needed or, when out_fault->status is set, it is refused. */
size_t http1_scan_head(struct http1_scan *scan, struct bytes data, const struct http_limits *limits,
                       struct http1_fault *out_fault);

/* What the head says about framing and the connection. */
struct http1_framing {
    bool is_chunked;
    bool keep_alive;
    bool expects_continue;
    bool accepts_trailers;
};

/* Parse a complete head (as scan found it, from head_start on). `headers` has room for
 * limits->header_count_max. On success req (all but body, peer, is_tls) and framing are filled and
 * slices point into `head`. */
CHECK_RESULT bool http1_parse_head(struct str head, const struct http_limits *limits,
                                   struct http_header *headers, struct http_request *out_req,
                                   struct http1_framing *out_framing,
                                   struct http1_fault *out_fault);

/* ---- chunked body ------------------------------------------------------------------------ */

enum http1_chunk_state {
    HTTP1_CHUNK_SIZE, /* hex digits */
    HTTP1_CHUNK_EXT,  /* chunk extension, ignored */
    HTTP1_CHUNK_SIZE_LF,
    HTTP1_CHUNK_DATA,
    HTTP1_CHUNK_DATA_CR,
    HTTP1_CHUNK_DATA_LF,
    HTTP1_CHUNK_TRAILER, /* at the start of a trailer line */
    HTTP1_CHUNK_TRAILER_LINE,
    HTTP1_CHUNK_TRAILER_LF,
    HTTP1_CHUNK_END_LF,
    HTTP1_CHUNK_DONE
};

/* Zero-initialise. */
struct http1_chunks {
    enum http1_chunk_state state;
    unsigned digits;
    uint64_t left;           /* of the current chunk's data */
    uint64_t overhead_bytes; /* framing beyond what chunks of their size need; bounded */
    uint64_t trailer_bytes;
};

enum http1_chunk_result {
    HTTP1_CHUNKS_MORE,
    HTTP1_CHUNKS_DATA,
    HTTP1_CHUNKS_DONE,
    HTTP1_CHUNKS_BAD
};

/* Read on from *in (advanced past what was used). DATA: *out_data is the next piece of the body (a
 * slice of the input); call again. MORE: the input is used up. DONE: the body is complete; *in
 * holds what follows. BAD: refused. */
enum http1_chunk_result http1_chunks_read(struct http1_chunks *c, struct bytes *in,
                                          struct bytes *out_data, struct http1_fault *out_fault);

#endif
