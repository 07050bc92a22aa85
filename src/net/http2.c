/* SPDX-License-Identifier: Apache-2.0
 *
 * http2 - the life of an HTTP/2 connection: session, floods, time-outs, end. Requests are in
 * http2_request.c, answers in http2_answer.c.
 */
#include "base/assert.h"
#include "net/http2_priv.h"

enum {
    STREAM_WINDOW_BYTES = 1 << 20,
    CONNECTION_WINDOW_BYTES = 8 << 20,
    CONTROL_FRAMES_PER_RESET = 10 /* control frames weigh a tenth of a reset in the flood limit */
};

static const struct http_limits *limits_of(const struct http2 *h2)
{
    return &h2->conn->sl->server->limits;
}

/* ---- memory of nghttp2, charged to MEM_NETWORK ---------------------------------------------- */

/* In front of each block: its size, in a unit that keeps the alignment of malloc. */
union block_head {
    size_t size;
    max_align_t align;
};

static void *lib_malloc(size_t size, void *user_data)
{
    size_t total;
    if (!ck_add(size, sizeof(union block_head), &total)) return NULL;
    union block_head *head = mem_alloc(user_data, MEM_NETWORK, total);
    if (!head) return NULL;
    head->size = total;
    return head + 1;
}

static void lib_free(void *ptr, void *user_data)
{
    if (!ptr) return;
    union block_head *head = (union block_head *)ptr - 1;
    mem_free(user_data, MEM_NETWORK, head, head->size);
}

static void *lib_calloc(size_t count, size_t size, void *user_data)
{
    size_t total;
    if (!ck_mul(count, size, &total)) return NULL;
    void *ptr = lib_malloc(total, user_data);
    if (ptr) memset(ptr, 0, total);
    return ptr;
}

static void *lib_realloc(void *ptr, size_t size, void *user_data)
{
    if (!ptr) return lib_malloc(size, user_data);
    size_t total;
    if (!ck_add(size, sizeof(union block_head), &total)) return NULL;
    union block_head *head = (union block_head *)ptr - 1;
    union block_head *moved = mem_realloc(user_data, MEM_NETWORK, head, head->size, total);
    if (!moved) return NULL;
    moved->size = total;
    return moved + 1;
}

/* ---- streams ------------------------------------------------------------------------------ */

void http2_forget(struct http2 *h2, struct http_exchange *ex)
{
    if (ex->next) ex->next->prev = ex->prev;
    if (ex->prev) {
        ex->prev->next = ex->next;
    } else {
        ASSERT(h2->streams == ex);
        h2->streams = ex->next;
    }
    ex->next = ex->prev = NULL;
    (void)nghttp2_session_set_stream_user_data(h2->session, ex->stream_id, NULL);
    struct conn *c = h2->conn;
    if (h2->streams) return;
    conn_set_deadline(c, CONN_DEADLINE_IDLE, loop_now_ns(c->sl->loop),
                      limits_of(h2)->idle_timeout_ms);
}

void http2_reset_stream(struct http2 *h2, int32_t stream_id, uint32_t error_code)
{
    if (nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, stream_id, error_code) != 0) {
        conn_kill(h2->conn);
    }
}

/* ---- callbacks ----------------------------------------------------------------------------- */

/* Work that a client may cause without a request of its own is rationed per window. */
static void note_flood(struct http2 *h2, uint32_t resets, uint32_t control_frames)
{
    struct conn *c = h2->conn;
    const struct http_limits *limits = limits_of(h2);
    uint64_t now = loop_now_ns(c->sl->loop);
    if (now - h2->window_start_ns > limits->h2_reset_window_ms * 1000000) {
        h2->window_start_ns = now;
        h2->resets = h2->control_frames = 0;
    }
    h2->resets += resets;
    h2->control_frames += control_frames;
    bool is_flood = h2->resets > limits->h2_resets_max ||
                    h2->control_frames / CONTROL_FRAMES_PER_RESET > limits->h2_resets_max;
    if (!is_flood || h2->is_goaway) return;
    h2->is_goaway = true;
    conn_count_reject(c, HTTP_REJECT_H2_RESETS);
    if (nghttp2_session_terminate_session(h2->session, NGHTTP2_ENHANCE_YOUR_CALM) != 0)
        conn_kill(c);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)session;
    struct http2 *h2 = user_data;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS: http2_on_request_frame(h2, frame); return 0;
    case NGHTTP2_DATA:
        if (frame->hd.length == 0) note_flood(h2, 0, 1);
        http2_on_request_frame(h2, frame);
        return 0;
    case NGHTTP2_RST_STREAM: note_flood(h2, 1, 0); return 0;
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PRIORITY: note_flood(h2, 0, 1); return 0;
    default: return 0;
    }
}

/* An answer that ended before its request did: ask the client to stop sending (RFC 9113 section
 * 8.1). */
static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2 *h2 = user_data;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code == NGHTTP2_PROTOCOL_ERROR) {
        conn_count_reject(h2->conn, HTTP_REJECT_H2_PROTOCOL);
    }
    bool is_end = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
                  (frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    int32_t id = frame->hd.stream_id;
    if (is_end && nghttp2_session_get_stream_remote_close(session, id) == 0) {
        http2_reset_stream(h2, id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *user_data)
{
    (void)error_code;
    struct http2 *h2 = user_data;
    if (h2->is_dying) return 0;
    struct http_exchange *ex = nghttp2_session_get_stream_user_data(session, stream_id);
    if (!ex) return 0;
    http2_forget(h2, ex);
    exchange_detach(ex);
    return 0;
}

/* ---- life --------------------------------------------------------------------------------- */

static int create_session(struct http2 *h2)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int rc = nghttp2_session_callbacks_new(&callbacks);
    if (rc == 0) rc = nghttp2_option_new(&option);
    if (rc == 0) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, http2_on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, http2_on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, http2_on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_no_closed_streams(option, 1);
        rc = nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &h2->mem);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return rc;
}

static int submit_settings(struct http2 *h2)
{
    const struct http_limits *limits = limits_of(h2);
    const nghttp2_settings_entry entries[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->h2_streams_max },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->head_bytes_max },
    };
    int rc = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries,
                                     sizeof entries / sizeof entries[0]);
    if (rc != 0) return rc;
    return nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                 CONNECTION_WINDOW_BYTES);
}

bool http2_start(struct conn *c)
{
    ASSERT(!c->h2);
    struct mem_budget *mem = c->sl->server->options.mem;
    struct http2 *h2 = mem_zalloc(mem, MEM_NETWORK, sizeof *h2);
    if (!h2) return false;
    h2->conn = c;
    h2->mem = (nghttp2_mem){ mem, lib_malloc, lib_free, lib_calloc, lib_realloc };
    h2->window_start_ns = loop_now_ns(c->sl->loop);
    if (create_session(h2) != 0 || submit_settings(h2) != 0) {
        nghttp2_session_del(h2->session);
        mem_free(mem, MEM_NETWORK, h2, sizeof *h2);
        conn_count_reject(c, HTTP_REJECT_MEMORY);
        return false;
    }
    c->h2 = h2;
    c->phase = CONN_HTTP2;
    conn_set_deadline(c, CONN_DEADLINE_IDLE, h2->window_start_ns, limits_of(h2)->idle_timeout_ms);
    stat_add(&c->sl->server->stats.h2_connections_total, 1);
    return true;
}

size_t http2_input(struct conn *c, struct bytes data)
{
    ssize_t n = nghttp2_session_mem_recv(c->h2->session, data.ptr, data.len);
    if (n < 0) {
        conn_count_reject(c, n == NGHTTP2_ERR_NOMEM ? HTTP_REJECT_MEMORY : HTTP_REJECT_H2_PROTOCOL);
        conn_kill(c);
    }
    return data.len;
}

void http2_output(struct conn *c)
{
    struct http2 *h2 = c->h2;
    size_t total = 0;
    while (!c->is_dead && !conn_is_blocked(c)) {
        if (total >= TURN_BYTES) {
            conn_resume_later(c);
            return;
        }
        const uint8_t *data = NULL;
        ssize_t n = nghttp2_session_mem_send(h2->session, &data);
        if (n < 0) conn_kill(c);
        if (n <= 0) break;
        conn_put(c, data, (size_t)n);
        total += (size_t)n;
    }
    if (c->is_dead || conn_is_blocked(c)) return;
    bool is_over =
        !nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session);
    if (is_over || (h2->is_goaway && !h2->streams)) conn_close_after_output(c, true);
}

void http2_drain(struct conn *c)
{
    struct http2 *h2 = c->h2;
    if (h2->is_goaway) return;
    h2->is_goaway = true;
    int32_t last = nghttp2_session_get_last_proc_stream_id(h2->session);
    int rc = nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
    if (rc != 0) conn_kill(c);
}

void http2_detach(struct conn *c)
{
    struct http2 *h2 = c->h2;
    if (!h2) return;
    h2->is_dying = true;
    c->h2 = NULL;
    while (h2->streams) {
        struct http_exchange *ex = h2->streams;
        h2->streams = ex->next;
        ex->next = ex->prev = NULL;
        exchange_detach(ex);
    }
    nghttp2_session_del(h2->session);
    mem_free(c->sl->server->options.mem, MEM_NETWORK, h2, sizeof *h2);
}

/* ---- time-outs ------------------------------------------------------------------------------ */

static void sweep_request(struct http_exchange *ex, uint64_t now_ns)
{
    static const struct http1_fault LATE = { 408, HTTP_REJECT_REQUEST_TIMEOUT,
                                             "request took too long" };
    static const struct http1_fault SLOW = { 408, HTTP_REJECT_BODY_TOO_SLOW,
                                             "request body arrived too slowly" };
    const struct http_limits *limits = &ex->sl->server->limits;
    uint64_t elapsed_ms = (now_ns - ex->start_ns) / 1000000;
    if (elapsed_ms > limits->request_timeout_ms) {
        exchange_refuse(ex, &LATE);
    } else if (elapsed_ms > limits->body_rate_grace_ms &&
               ex->body.len * 1000 / elapsed_ms < limits->body_rate_min) {
        exchange_refuse(ex, &SLOW);
    }
}

static void sweep_answer(struct http2 *h2, struct http_exchange *ex, uint64_t now_ns)
{
    bool has_data =
        ex->sending.len > ex->sending_offset || ex->answer.body.len > ex->sending_offset;
    uint64_t stall_ns = limits_of(h2)->write_stall_ms * 1000000;
    if (!has_data || now_ns - ex->progress_ns <= stall_ns) return;
    conn_count_reject(h2->conn, HTTP_REJECT_WRITE_STALL);
    http2_reset_stream(h2, ex->stream_id, NGHTTP2_CANCEL);
}

void http2_sweep(struct conn *c, uint64_t now_ns)
{
    struct http2 *h2 = c->h2;
    struct http_exchange *next = NULL;
    for (struct http_exchange *ex = h2->streams; ex; ex = next) {
        next = ex->next;
        if (now_ns <= ex->start_ns) continue;
        if (ex->is_answer_started) {
            sweep_answer(h2, ex, now_ns);
        } else if (!ex->is_served) {
            sweep_request(ex, now_ns);
        }
    }
}
