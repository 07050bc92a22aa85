/* SPDX-License-Identifier: Apache-2.0
 *
 * http2_request - frames of the client become exchanges. nghttp2 has checked the HTTP rules by
 * then (pseudo-headers, forbidden headers, Content-Length against DATA).
 */
#include "base/assert.h"
#include "net/http2_priv.h"

enum { HEADER_OVERHEAD = 32 }; /* RFC 9113 section 6.5.2 */

static const struct http1_fault NO_MEMORY = { 503, HTTP_REJECT_MEMORY, "out of memory" };
static const struct http1_fault HEAD_TOO_LARGE = { 431, HTTP_REJECT_HEAD_TOO_LARGE,
                                                   "request header block too large" };
static const struct http1_fault TOO_MANY = { 431, HTTP_REJECT_TOO_MANY_HEADERS,
                                             "too many request headers" };
static const struct http1_fault TARGET_TOO_LONG = { 414, HTTP_REJECT_TARGET_TOO_LONG,
                                                    "request target too long" };
static const struct http1_fault BAD_TARGET = { 400, HTTP_REJECT_BAD_REQUEST,
                                               "malformed request target" };
static const struct http1_fault BAD_LENGTH = { 400, HTTP_REJECT_BAD_REQUEST,
                                               "malformed Content-Length" };
static const struct http1_fault BODY_TOO_LARGE = { 413, HTTP_REJECT_BODY_TOO_LARGE,
                                                   "request body too large" };

static bool is_request_headers(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

int http2_on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2 *h2 = user_data;
    struct conn *c = h2->conn;
    if (!is_request_headers(frame)) return 0;
    struct http_exchange *ex = exchange_get(c->sl, c);
    if (!ex) {
        conn_count_reject(c, HTTP_REJECT_MEMORY);
        http2_reset_stream(h2, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    ex->stream_id = frame->hd.stream_id;
    ex->start_ns = loop_now_ns(c->sl->loop);
    ex->req.headers = ex->headers;
    ex->next = h2->streams;
    if (ex->next) ex->next->prev = ex;
    h2->streams = ex;
    c->deadline = CONN_DEADLINE_NONE;
    (void)nghttp2_session_set_stream_user_data(session, ex->stream_id, ex);
    return 0;
}

/* ---- head --------------------------------------------------------------------------------- */

static void take_pseudo(struct http_exchange *ex, struct str name, struct str value)
{
    struct http_request *req = &ex->req;
    if (str_eq(name, STR(":method"))) {
        req->method_text = value;
        req->method = http_method_of(value);
    } else if (str_eq(name, STR(":authority"))) {
        req->host = value;
    } else if (str_eq(name, STR(":path"))) {
        if (value.len > ex->sl->server->limits.target_bytes_max) ex->refusal = TARGET_TOO_LONG;
        size_t mark = str_index(value, '?');
        req->path = str_sub(value, 0, mark);
        req->query = str_sub(value, mark + 1, value.len);
    }
}

static void take_header(struct http_exchange *ex, struct str name, struct str value)
{
    uint32_t max = ex->sl->server->limits.header_count_max;
    if (ex->req.header_count >= max) {
        ex->refusal = TOO_MANY;
        return;
    }
    ex->headers[ex->req.header_count++] = (struct http_header){ name, value };
}

int http2_on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                    size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                    void *user_data)
{
    (void)flags;
    (void)user_data;
    if (!is_request_headers(frame)) return 0;
    struct http_exchange *ex = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!ex || ex->refusal.status != 0) return 0;
    ex->head_bytes += name_len + value_len + HEADER_OVERHEAD;
    if (ex->head_bytes > ex->sl->server->limits.head_bytes_max) {
        ex->refusal = HEAD_TOO_LARGE;
        return 0;
    }
    struct str key = arena_str(&ex->arena, (struct str){ (const char *)name, name_len });
    struct str text = arena_str(&ex->arena, (struct str){ (const char *)value, value_len });
    if (!key.ptr || (!text.ptr && value_len > 0)) {
        ex->refusal = NO_MEMORY;
    } else if (key.ptr[0] == ':') {
        take_pseudo(ex, key, text);
    } else {
        take_header(ex, key, text);
    }
    return 0;
}

static void set_first(struct str *field, struct str value)
{
    if (!field->ptr) *field = value;
}

/* The headers that have a field of their own. */
static void index_headers(struct http_exchange *ex)
{
    struct http_request *req = &ex->req;
    const struct {
        struct str name;
        struct str *field;
    } known[] = {
        { STR("accept"), &req->accept },
        { STR("accept-encoding"), &req->accept_encoding },
        { STR("authorization"), &req->authorization },
        { STR("content-type"), &req->content_type },
        { STR("host"), &req->host },
        { STR("origin"), &req->origin },
    };
    for (uint32_t i = 0; i < req->header_count; i++) {
        const struct http_header *header = &ex->headers[i];
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
            if (str_eq(header->name, known[k].name)) set_first(known[k].field, header->value);
        }
        if (str_eq(header->name, STR("content-encoding"))) {
            req->content_encoding = req->content_encoding.ptr ? STR("multiple") : header->value;
        } else if (str_eq(header->name, STR("content-length"))) {
            req->has_content_length = true;
            if (!str_to_u64(header->value, &req->content_length)) ex->refusal = BAD_LENGTH;
        }
    }
}

/* The client waits for a word before it sends the body. */
static void send_continue(struct http2 *h2, const struct http_exchange *ex)
{
    struct str expect = http_request_header(&ex->req, STR("expect"));
    if (!str_eq_nocase(expect, STR("100-continue"))) return;
    static const char NAME[] = ":status";
    static const char VALUE[] = "100";
    const nghttp2_nv field = { (uint8_t *)(uintptr_t)NAME, (uint8_t *)(uintptr_t)VALUE,
                               sizeof NAME - 1, sizeof VALUE - 1, NGHTTP2_NV_FLAG_NONE };
    int rc = nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE, ex->stream_id, NULL, &field, 1,
                                    NULL);
    if (nghttp2_is_fatal(rc)) conn_kill(h2->conn);
}

static void head_complete(struct http2 *h2, struct http_exchange *ex, bool has_body)
{
    struct conn *c = ex->conn;
    struct http_request *req = &ex->req;
    req->version_major = 2;
    req->peer = str_of_z(c->peer);
    conn_describe_tls(c, req);
    index_headers(ex);
    bool is_path = req->path.len > 0 && req->path.ptr[0] == '/';
    bool is_star = req->method == HTTP_OPTIONS && str_eq(req->path, STR("*"));
    if (ex->refusal.status == 0 && !is_path && !is_star) ex->refusal = BAD_TARGET;
    if (ex->refusal.status != 0) {
        exchange_refuse(ex, &ex->refusal);
        return;
    }
    if (exchange_begin(ex)) return;
    if (req->content_length > ex->body_limit_bytes) {
        exchange_refuse(ex, &BODY_TOO_LARGE);
    } else if (has_body) {
        send_continue(h2, ex);
    }
}

/* ---- body --------------------------------------------------------------------------------- */

static void take_body(struct http_exchange *ex, const uint8_t *data, size_t len)
{
    if (len > ex->body_limit_bytes - ex->body.len) {
        exchange_refuse(ex, &BODY_TOO_LARGE);
        return;
    }
    uint64_t cap_max = ex->body_limit_bytes;
    ex->body.cap_max = ex->body.cap > cap_max ? ex->body.cap : (size_t)cap_max;
    buf_put(&ex->body, data, len);
    if (buf_failed(&ex->body)) exchange_refuse(ex, &NO_MEMORY);
}

int http2_on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                  size_t len, void *user_data)
{
    (void)flags;
    (void)user_data;
    struct http_exchange *ex = nghttp2_session_get_stream_user_data(session, stream_id);
    if (ex && !ex->is_served && !ex->is_answer_started) take_body(ex, data, len);
    int rc = nghttp2_session_consume(session, stream_id, len);
    return nghttp2_is_fatal(rc) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

void http2_on_request_frame(struct http2 *h2, const nghttp2_frame *frame)
{
    int32_t id = frame->hd.stream_id;
    struct http_exchange *ex = nghttp2_session_get_stream_user_data(h2->session, id);
    if (!ex) return;
    bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (is_request_headers(frame)) head_complete(h2, ex, !is_end);
    if (!is_end) return;
    /* The answer may have ended, and the exchange with it. */
    ex = nghttp2_session_get_stream_user_data(h2->session, id);
    if (ex && !ex->is_served && !ex->is_answer_started) exchange_serve(ex);
}
