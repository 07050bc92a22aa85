/* SPDX-License-Identifier: Apache-2.0
 *
 * http1 - requests and answers of one HTTP/1.1 connection.
 *
 *   HEAD --head complete--> BODY --body complete--> SERVING --answered--> HEAD
 *     |                                                ^  |
 *     +--no body---------------------------------------+  +--> DISCARD (body unread) --> HEAD
 *
 * One request at a time: what follows it (pipelining) waits in conn.in. A refusal answers, stops
 * sending and reads on for a moment.
 */
#include "base/assert.h"
#include "net/conn_priv.h"

enum {
    BODY_RESERVE_BYTES = 256 << 10, /* of a declared length, before a byte of it has come */
    DISCARD_BYTES_MAX = 256 << 10   /* a longer unread body costs the connection */
};

static const struct http1_fault NO_MEMORY = { 503, HTTP_REJECT_MEMORY, "out of memory" };
static const struct http1_fault BODY_TOO_LARGE = { 413, HTTP_REJECT_BODY_TOO_LARGE,
                                                   "request body too large" };

static const struct http_limits *limits_of(const struct conn *c)
{
    return &c->sl->server->limits;
}

static void expect_request(struct conn *c)
{
    struct http1 *h = &c->h1;
    h->state = HTTP1_HEAD;
    h->scan = (struct http1_scan){ 0 };
    c->first_byte_ns = 0;
    conn_set_deadline(c, CONN_DEADLINE_IDLE, loop_now_ns(c->sl->loop),
                      limits_of(c)->idle_timeout_ms);
}

/* Answer and close. No handler holds the exchange. */
static void refuse(struct conn *c, const struct http1_fault *fault)
{
    conn_count_reject(c, fault->reason);
    exchange_count_answer(c->sl, fault->status);
    if (c->h1.ex) {
        exchange_put(c->h1.ex);
        c->h1.ex = NULL;
    }
    c->h1.state = HTTP1_HEAD;
    http1_put_fault(c, fault);
    conn_close_after_output(c, true);
}

/* ---- request ------------------------------------------------------------------------------ */

static void serve(struct conn *c)
{
    c->h1.state = HTTP1_SERVING;
    c->deadline = CONN_DEADLINE_NONE;
    exchange_serve(c->h1.ex);
}

/* The head is accepted: which body follows? */
static void expect_body(struct conn *c)
{
    struct http1 *h = &c->h1;
    struct http_exchange *ex = h->ex;
    uint64_t length = ex->req.content_length;
    if (!h->framing.is_chunked && length == 0) {
        serve(c);
        return;
    }
    if (length > ex->body_limit_bytes) {
        refuse(c, &BODY_TOO_LARGE);
        return;
    }
    h->state = HTTP1_BODY;
    h->chunks = (struct http1_chunks){ 0 };
    h->body_left = length;
    h->body_bytes = 0;
    h->body_start_ns = loop_now_ns(c->sl->loop);
    uint64_t cap_max = h->framing.is_chunked ? ex->body_limit_bytes : length;
    ex->body.cap_max = ex->body.cap > cap_max ? ex->body.cap : (size_t)cap_max;
    conn_set_deadline(c, CONN_DEADLINE_REQUEST, c->first_byte_ns, limits_of(c)->request_timeout_ms);
    size_t reserve = length < BODY_RESERVE_BYTES ? (size_t)length : BODY_RESERVE_BYTES;
    if (reserve > 0 && !buf_reserve(&ex->body, reserve)) refuse(c, &NO_MEMORY);
}

static void start_request(struct conn *c, struct str head)
{
    struct http1 *h = &c->h1;
    struct http_exchange *ex = exchange_get(c->sl, c);
    h->ex = ex;
    struct str copy = ex ? arena_str(&ex->arena, head) : (struct str){ 0 };
    if (!copy.ptr) {
        refuse(c, &NO_MEMORY);
        return;
    }
    struct http1_fault fault;
    if (!http1_parse_head(copy, limits_of(c), ex->headers, &ex->req, &h->framing, &fault)) {
        refuse(c, &fault);
        return;
    }
    ex->start_ns = c->first_byte_ns;
    ex->req.peer = str_of_z(c->peer);
    conn_describe_tls(c, &ex->req);
    if (c->is_peer_done) exchange_mark_closed(ex);
    if (exchange_begin(ex)) return;
    expect_body(c);
}

static size_t read_head(struct conn *c, struct bytes data)
{
    struct http1 *h = &c->h1;
    if (data.len == 0) return 0;
    if (c->first_byte_ns == 0) {
        c->first_byte_ns = loop_now_ns(c->sl->loop);
        conn_set_deadline(c, CONN_DEADLINE_HEAD, c->first_byte_ns, limits_of(c)->head_timeout_ms);
    }
    struct http1_fault fault;
    size_t len = http1_scan_head(&h->scan, data, limits_of(c), &fault);
    if (fault.status != 0) {
        refuse(c, &fault);
        return data.len;
    }
    if (len == 0) return 0;
    size_t from = h->scan.head_start;
    start_request(c, (struct str){ (const char *)data.ptr + from, len - from });
    bool waits_for_go = h->state == HTTP1_BODY && h->framing.expects_continue && len == data.len;
    if (waits_for_go && !c->is_closing) conn_put_lit(c, "HTTP/1.1 100 Continue\r\n\r\n");
    return len;
}

/* ---- body --------------------------------------------------------------------------------- */

static size_t read_sized_body(struct conn *c, struct bytes data)
{
    struct http1 *h = &c->h1;
    size_t n = data.len < h->body_left ? data.len : (size_t)h->body_left;
    buf_put(&h->ex->body, data.ptr, n);
    h->body_left -= n;
    h->body_bytes += n;
    if (buf_failed(&h->ex->body)) {
        refuse(c, &NO_MEMORY);
    } else if (h->body_left == 0) {
        serve(c);
    }
    return n;
}

static size_t read_chunked_body(struct conn *c, struct bytes data)
{
    struct http1 *h = &c->h1;
    struct bytes rest = data;
    struct bytes piece = { 0 };
    struct http1_fault fault;
    enum http1_chunk_result result = HTTP1_CHUNKS_DATA;
    struct buf *body = &h->ex->body;
    while ((result = http1_chunks_read(&h->chunks, &rest, &piece, &fault)) == HTTP1_CHUNKS_DATA) {
        if (piece.len > h->ex->body_limit_bytes - body->len) {
            refuse(c, &BODY_TOO_LARGE);
            return data.len;
        }
        buf_put(body, piece.ptr, piece.len);
        if (buf_failed(body)) {
            refuse(c, &NO_MEMORY);
            return data.len;
        }
    }
    h->body_bytes += data.len - rest.len;
    if (result == HTTP1_CHUNKS_BAD) {
        refuse(c, &fault);
        return data.len;
    }
    if (result == HTTP1_CHUNKS_DONE) serve(c);
    return data.len - rest.len;
}

uint8_t *http1_body_room(struct conn *c, size_t *out_len)
{
    struct http1 *h = &c->h1;
    if (h->state != HTTP1_BODY || h->framing.is_chunked) return NULL;
    struct buf *body = &h->ex->body;
    uint8_t *dst = buf_reserve(body, h->body_left < READ_BYTES ? (size_t)h->body_left : READ_BYTES);
    size_t room = body->cap - body->len;
    *out_len = room < h->body_left ? room : (size_t)h->body_left;
    return dst;
}

void http1_body_arrived(struct conn *c, size_t len)
{
    struct http1 *h = &c->h1;
    ASSERT(len <= h->body_left);
    h->ex->body.len += len;
    h->body_left -= len;
    h->body_bytes += len;
    if (h->body_left == 0) serve(c);
}

static size_t discard_body(struct conn *c, struct bytes data)
{
    struct http1 *h = &c->h1;
    size_t n = data.len < h->body_left ? data.len : (size_t)h->body_left;
    h->body_left -= n;
    if (h->body_left == 0) expect_request(c);
    return n;
}

/* ---- input -------------------------------------------------------------------------------- */

/* One step; returns the bytes used, 0 when nothing more can be done now. */
static size_t step(struct conn *c, struct bytes data)
{
    switch (c->h1.state) {
    case HTTP1_HEAD:
        if (c->out.big.len > 0) conn_flush(c);
        return conn_is_blocked(c) ? 0 : read_head(c, data);
    case HTTP1_BODY:
        return c->h1.framing.is_chunked ? read_chunked_body(c, data) : read_sized_body(c, data);
    case HTTP1_DISCARD: return discard_body(c, data);
    case HTTP1_SERVING: return 0;
    }
    UNREACHABLE();
}

size_t http1_input(struct conn *c, struct bytes data)
{
    struct http1 *h = &c->h1;
    size_t used = 0;
    unsigned requests = 0;
    h->is_in_input = true;
    while (!c->is_dead && !c->is_closing && used < data.len) {
        if (h->state == HTTP1_HEAD && requests++ == TURN_REQUESTS) {
            conn_resume_later(c);
            break;
        }
        size_t n = step(c, (struct bytes){ data.ptr + used, data.len - used });
        if (n == 0) break;
        used += n;
    }
    h->is_in_input = false;
    if (c->is_dead || c->is_closing) return data.len;
    if (c->is_peer_done && h->state != HTTP1_SERVING && !c->is_msg_posted && !conn_is_blocked(c)) {
        conn_close_after_output(c, false);
    }
    return used;
}

void http1_peer_done(struct conn *c)
{
    switch (c->h1.state) {
    case HTTP1_SERVING: exchange_mark_closed(c->h1.ex); return;
    case HTTP1_HEAD:
    case HTTP1_DISCARD:
        if (c->is_msg_posted && c->in.len > 0) return; /* whole requests may wait there */
        conn_close_after_output(c, false);
        return;
    case HTTP1_BODY: conn_kill(c); return;
    }
}

bool http1_is_idle(const struct conn *c)
{
    return c->h1.state == HTTP1_HEAD && c->in.len == 0 && !conn_is_blocked(c);
}

bool http1_is_waiting(const struct conn *c)
{
    return c->h1.state == HTTP1_SERVING || conn_is_blocked(c) || c->is_msg_posted;
}

/* ---- answer ------------------------------------------------------------------------------- */

/* Does the client still have a body to send that nobody will read? */
static bool has_unread_body(const struct conn *c)
{
    return c->h1.state == HTTP1_HEAD &&
           (c->h1.framing.is_chunked || c->h1.ex->req.content_length > 0);
}

static bool may_keep_alive(const struct conn *c, const struct http_exchange *ex, uint32_t flags)
{
    const struct http1 *h = &c->h1;
    if (!h->framing.keep_alive || ex->is_close_wanted || (flags & HTTP_ANSWER_CLOSE)) return false;
    if (c->sl->is_draining) return false;
    if (!has_unread_body(c)) return true;
    return !h->framing.is_chunked && !h->framing.expects_continue &&
           ex->req.content_length <= DISCARD_BYTES_MAX;
}

/* The answer is complete. */
static void finish(struct conn *c, bool keep_alive)
{
    struct http1 *h = &c->h1;
    struct http_exchange *ex = h->ex;
    bool is_unread = has_unread_body(c);
    uint64_t length = ex->req.content_length;
    h->ex = NULL;
    exchange_done(ex);
    if (!keep_alive) {
        conn_close_after_output(c, is_unread);
        return;
    }
    expect_request(c);
    if (is_unread) {
        h->state = HTTP1_DISCARD;
        h->body_left = length;
        conn_set_deadline(c, CONN_DEADLINE_REQUEST, loop_now_ns(c->sl->loop),
                          limits_of(c)->request_timeout_ms);
    }
    conn_pause_read(c, false);
    if (h->is_in_input) return;
    if (c->in.len > 0 || c->tls) conn_resume_later(c);
    if (c->in.len == 0 && c->is_peer_done) conn_close_after_output(c, false);
}

void http1_answer(struct conn *c, struct http_exchange *ex, struct exchange_answer *answer)
{
    struct http1 *h = &c->h1;
    ASSERT(h->ex == ex);
    bool keep_alive = may_keep_alive(c, ex, answer->flags);
    if (answer->is_stream) {
        h->is_stream_chunked = ex->req.version_minor >= 1;
        h->is_stream_head = true;
        h->keeps_alive = keep_alive && h->is_stream_chunked;
        http1_put_head(c, ex, answer,
                       h->is_stream_chunked ? HTTP1_LENGTH_CHUNKED : HTTP1_LENGTH_CLOSE,
                       h->keeps_alive);
        return;
    }
    http1_put_head(c, ex, answer, HTTP1_LENGTH_KNOWN, keep_alive);
    bool has_body = ex->req.method != HTTP_HEAD && answer->status != 204 && answer->status != 304;
    if (has_body) {
        conn_put_body(c, answer->body, &answer->owner, answer->flags & HTTP_ANSWER_STATIC_BODY);
    } else if (answer->owner.mem) {
        buf_deinit(&answer->owner);
    }
    finish(c, keep_alive);
}

/* ---- streamed answer ---------------------------------------------------------------------- */

static void put_chunk_head(struct conn *c, size_t len)
{
    static const char DIGITS[] = "0123456789abcdef";
    char text[20];
    size_t pos = sizeof text;
    text[--pos] = '\n';
    text[--pos] = '\r';
    do {
        text[--pos] = DIGITS[len & 15];
        len >>= 4;
    } while (len != 0);
    /* The line break behind a chunk is sent in front of the next. */
    if (!c->h1.is_stream_head) conn_put_lit(c, "\r\n");
    c->h1.is_stream_head = false;
    conn_put(c, text + pos, sizeof text - pos);
}

static void put_piece(struct conn *c, struct http_exchange *ex)
{
    struct bytes data = buf_bytes(&ex->sending);
    ex->sending_offset = data.len;
    if (ex->req.method == HTTP_HEAD) return;
    if (c->h1.is_stream_chunked) put_chunk_head(c, data.len);
    if (data.len <= COPY_BYTES_MAX) {
        conn_put(c, data.ptr, data.len);
        return;
    }
    /* Large: the buffer itself goes to the connection. */
    const struct mem_source *mem = ex->sending.mem;
    size_t cap_max = ex->sending.cap_max;
    conn_put_body(c, data, &ex->sending, false);
    buf_init(&ex->sending, mem, cap_max);
    ex->sending_offset = 0;
    conn_flush(c);
}

static void put_end(struct conn *c, const struct http_exchange *ex)
{
    if (!c->h1.is_stream_chunked || ex->req.method == HTTP_HEAD) return;
    if (!c->h1.is_stream_head) conn_put_lit(c, "\r\n");
    conn_put_lit(c, "0\r\n");
    if (c->h1.framing.accepts_trailers) {
        http1_put_headers(c, ex->trailers, ex->trailer_count);
    }
    conn_put_lit(c, "\r\n");
}

void http1_pump(struct conn *c, struct http_exchange *ex)
{
    ASSERT(c->h1.ex == ex);
    size_t total = 0;
    while (!c->is_dead && !conn_is_blocked(c)) {
        bool ended = false;
        if (total >= TURN_BYTES) {
            conn_resume_later(c);
            return;
        }
        if (exchange_take_queue(ex, &ended)) {
            total += ex->sending.len;
            put_piece(c, ex);
            continue;
        }
        if (!ended) return;
        put_end(c, ex);
        finish(c, c->h1.keeps_alive);
        return;
    }
}

void http1_abort(struct conn *c, struct http_exchange *ex)
{
    ASSERT(c->h1.ex == ex);
    if (ex->req.version_minor == 0) {
        conn_cut(c); /* streams end with the close there: one in order would make this a whole */
    } else {
        conn_flush(c); /* the head at least: a client must not take it for an answer never begun */
    }
    conn_kill(c);
}

void http1_output_ready(struct conn *c)
{
    struct http1 *h = &c->h1;
    conn_pause_read(c, false);
    if (h->state == HTTP1_SERVING && h->ex->is_answer_started) http1_pump(c, h->ex);
}

/* ---- time-outs ----------------------------------------------------------------------------- */

void http1_timed_out(struct conn *c)
{
    static const struct http1_fault HEAD = { 408, HTTP_REJECT_HEAD_TIMEOUT,
                                             "request header took too long" };
    static const struct http1_fault BODY = { 408, HTTP_REJECT_REQUEST_TIMEOUT,
                                             "request took too long" };
    switch (c->h1.state) {
    case HTTP1_HEAD: refuse(c, &HEAD); return;
    case HTTP1_BODY: refuse(c, &BODY); return;
    case HTTP1_DISCARD:
    case HTTP1_SERVING: conn_kill(c); return;
    }
}

void http1_sweep(struct conn *c, uint64_t now_ns)
{
    static const struct http1_fault SLOW = { 408, HTTP_REJECT_BODY_TOO_SLOW,
                                             "request body arrived too slowly" };
    const struct http1 *h = &c->h1;
    const struct http_limits *limits = limits_of(c);
    if (h->state != HTTP1_BODY || now_ns <= h->body_start_ns) return;
    uint64_t elapsed_ms = (now_ns - h->body_start_ns) / 1000000;
    if (elapsed_ms <= limits->body_rate_grace_ms) return;
    if (h->body_bytes * 1000 / elapsed_ms < limits->body_rate_min) refuse(c, &SLOW);
}

void http1_detach(struct conn *c)
{
    struct http_exchange *ex = c->h1.ex;
    c->h1.ex = NULL;
    if (ex) exchange_detach(ex);
}
