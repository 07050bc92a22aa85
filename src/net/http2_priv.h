/* SPDX-License-Identifier: Apache-2.0
 *
 * http2_priv - an HTTP/2 connection: the nghttp2 session and the exchanges of its streams.
 *
 * Link       A stream's user data is its exchange from the first header until the answer's last
 *            byte was handed to nghttp2 or the stream closed, whichever comes first; http2_forget()
 *            cuts it.
 */
#ifndef PHAROS_NET_HTTP2_PRIV_H
#define PHAROS_NET_HTTP2_PRIV_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/conn_priv.h"

struct http2 {
    nghttp2_session *session;
    nghttp2_mem mem;
    struct conn *conn;
    struct http_exchange *streams; /* linked by next and prev */
    uint64_t window_start_ns;
    uint32_t resets;         /* by the client, in this window */
    uint32_t control_frames; /* that ask for work and carry no request */
    bool is_goaway;
    bool is_dying; /* the session is being deleted: callbacks do nothing */
};

/* ---- http2_request.c: frames of the client become exchanges -------------------------------- */

int http2_on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data);
int http2_on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                    size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                    void *user_data);
int http2_on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                  size_t len, void *user_data);
/* A HEADERS or DATA frame is complete. */
void http2_on_request_frame(struct http2 *h2, const nghttp2_frame *frame);

/* ---- http2.c ------------------------------------------------------------------------------ */

/* Cut the link between a stream and its exchange. */
void http2_forget(struct http2 *h2, struct http_exchange *ex);
void http2_reset_stream(struct http2 *h2, int32_t stream_id, uint32_t error_code);

#endif
