/* SPDX-License-Identifier: Apache-2.0 */
#include "net/exchange_priv.h"

#include <stddef.h>
#include <stdio.h>

#include "base/assert.h"
#include "codec/gzip.h"
#include "net/conn_priv.h"
#include "net/grpc_status.h"

enum { EXCHANGE_MAGIC = 0x65786368, ARENA_BYTES_MAX = 192 << 20, POOLED_BUF_BYTES_MAX = 1 << 20 };

#define EXCHANGE_OF(msg_ptr, field)                                                                \
    ((struct http_exchange *)(void *)((char *)(msg_ptr)-offsetof(struct http_exchange, field)))

static void on_msg(struct loop_msg *m);
static void on_continue(struct loop_msg *m);

/* ---- pool -------------------------------------------------------------------------------- */

static size_t size_of(uint32_t headers_cap)
{
    return sizeof(struct http_exchange) + headers_cap * sizeof(struct http_header);
}

static struct http_exchange *exchange_create(struct server_loop *sl)
{
    struct mem_budget *mem = sl->server->options.mem;
    uint32_t cap = sl->server->limits.header_count_max + 1;
    struct http_exchange *ex = mem_zalloc(mem, MEM_NETWORK, size_of(cap));
    if (!ex) return NULL;
    const struct mem_source *ingest = mem_source_of(mem, MEM_INGEST);
    const struct mem_source *network = mem_source_of(mem, MEM_NETWORK);
    size_t queue_max = (size_t)sl->server->limits.answer_queue_bytes_max * 2 + STAGING_BYTES;
    ex->magic = EXCHANGE_MAGIC;
    ex->sl = sl;
    ex->headers_cap = cap;
    ex->msg.fn = on_msg;
    ex->continue_msg.fn = on_continue;
    arena_init(&ex->arena, ingest, ARENA_BYTES_MAX);
    buf_init(&ex->body, ingest, 0);
    buf_init(&ex->decoded, ingest, 0);
    buf_init(&ex->sending, network, queue_max);
    buf_init(&ex->queue, network, queue_max);
    buf_init(&ex->packed, network, queue_max);
    mutex_init(&ex->lock);
    cond_init(&ex->changed);
    return ex;
}

void exchange_destroy(struct http_exchange *ex)
{
    ASSERT(ex->magic == EXCHANGE_MAGIC);
    struct mem_budget *mem = ex->sl->server->options.mem;
    buf_deinit(&ex->body);
    buf_deinit(&ex->decoded);
    buf_deinit(&ex->sending);
    buf_deinit(&ex->queue);
    buf_deinit(&ex->packed);
    arena_deinit(&ex->arena);
    cond_deinit(&ex->changed);
    mutex_deinit(&ex->lock);
    ex->magic = 0;
    mem_free(mem, MEM_NETWORK, ex, size_of(ex->headers_cap));
}

struct http_exchange *exchange_get(struct server_loop *sl, struct conn *conn)
{
    struct http_exchange *ex = sl->pool;
    if (ex) {
        sl->pool = ex->next;
        sl->pool_count--;
        sl->pooled_body_bytes -= ex->body.cap + ex->decoded.cap + ex->sending.cap + ex->queue.cap;
    } else {
        ex = exchange_create(sl);
        if (!ex) return NULL;
    }
    ASSERT(ex->state == EXCHANGE_IDLE);
    ex->next = NULL;
    ex->conn = conn;
    ex->state = EXCHANGE_READING;
    ex->body_limit_bytes = sl->server->limits.body_bytes_max;
    atomic_store_explicit(&ex->is_closed, false, memory_order_relaxed);
    atomic_fetch_add_explicit(&sl->server->exchange_count, 1, memory_order_relaxed);
    stat_gauge_add(&sl->server->stats.exchanges, 1);
    return ex;
}

/* Empty it, keep the memory when it is of a usual size. */
static void recycle_buf(struct buf *b)
{
    const struct mem_source *mem = b->mem;
    size_t cap_max = b->cap_max;
    buf_reset(b);
    if (b->cap <= POOLED_BUF_BYTES_MAX) return;
    buf_deinit(b);
    buf_init(b, mem, cap_max);
}

static void clear(struct http_exchange *ex)
{
    recycle_buf(&ex->body);
    recycle_buf(&ex->decoded);
    recycle_buf(&ex->sending);
    recycle_buf(&ex->queue);
    recycle_buf(&ex->packed);
    if (ex->answer.owner.mem) buf_deinit(&ex->answer.owner);
    if (ex->gzip) http_gzip_writer_put(ex->sl->server->codecs, ex->gzip);
    arena_reset(&ex->arena);
    ex->gzip = NULL;
    ex->answer = (struct exchange_answer){ 0 };
    ex->req = (struct http_request){ 0 };
    ex->refusal = (struct http1_fault){ 0 };
    ex->prev = NULL;
    ex->conn = NULL;
    ex->stream_id = 0;
    ex->sending_offset = ex->head_bytes = 0;
    ex->slots[0] = ex->slots[1] = NULL;
    ex->extra_count = ex->trailer_count = 0;
    ex->trailers = NULL;
    ex->is_answer_started = ex->is_answer_sent = ex->is_close_wanted = ex->is_resumable = false;
    ex->is_served = ex->is_held = ex->has_answer = ex->is_aborted = ex->wants_room = false;
    ex->close_fn = NULL;
    ex->writable_fn = NULL;
    ex->continue_fn = NULL;
}

/* One exchange less: stop() may be waiting for the last. */
static void count_gone(struct http_server *s)
{
    stat_gauge_add(&s->stats.exchanges, -1);
    /* acq_rel: what was done with the exchange happens before destroy() sees the count. */
    uint32_t before = atomic_fetch_sub_explicit(&s->exchange_count, 1, memory_order_acq_rel);
    if (before > 1 || !atomic_load_explicit(&s->is_stopping, memory_order_acquire)) return;
    MUTEX_SCOPE(&s->lock);
    cond_broadcast(&s->changed);
}

void exchange_put(struct http_exchange *ex)
{
    ASSERT(ex->magic == EXCHANGE_MAGIC);
    ASSERT(ex->state != EXCHANGE_IDLE);
    ASSERT(!ex->msg_posted);
    struct server_loop *sl = ex->sl;
    struct http_server *server = sl->server;
    clear(ex);
    ex->state = EXCHANGE_IDLE;
    size_t kept = ex->body.cap + ex->decoded.cap + ex->sending.cap + ex->queue.cap;
    if (sl->pool_count < POOLED_EXCHANGES_MAX &&
        sl->pooled_body_bytes + kept <= POOLED_BODY_BYTES_MAX) {
        ex->next = sl->pool;
        sl->pool = ex;
        sl->pool_count++;
        sl->pooled_body_bytes += kept;
    } else {
        exchange_destroy(ex);
    }
    sl->finished_since_sweep++;
    count_gone(server);
}

/* ---- closing ------------------------------------------------------------------------------ */

/* Tell the handler, once. */
void exchange_mark_closed(struct http_exchange *ex)
{
    if (atomic_load_explicit(&ex->is_closed, memory_order_relaxed)) return;
    /* Read relaxed by http_exchange_is_closed(): a hint. */
    atomic_store_explicit(&ex->is_closed, true, memory_order_release);
    mutex_lock(&ex->lock);
    bool in_service = ex->state == EXCHANGE_SERVING || ex->state == EXCHANGE_STREAMING;
    void (*fn)(void *ctx) = in_service ? ex->close_fn : NULL;
    void *ctx = ex->close_ctx;
    ex->close_fn = NULL;
    ex->is_callback_running = fn != NULL;
    cond_broadcast(&ex->changed);
    mutex_unlock(&ex->lock);
    if (in_service) stat_add(&ex->sl->server->stats.cancelled, 1);
    if (!fn) return;
    fn(ctx);
    mutex_lock(&ex->lock);
    ex->is_callback_running = false;
    cond_broadcast(&ex->changed);
    mutex_unlock(&ex->lock);
}

void exchange_detach(struct http_exchange *ex)
{
    exchange_mark_closed(ex);
    ex->conn = NULL;
    mutex_lock(&ex->lock);
    bool is_ours = (ex->state == EXCHANGE_FINISHED || !ex->is_served) && !ex->msg_posted;
    mutex_unlock(&ex->lock);
    if (is_ours) exchange_put(ex);
}

void exchange_done(struct http_exchange *ex)
{
    ex->is_answer_sent = true;
    if (ex->is_held) return; /* exchange_begin() calls again */
    stat_observe_ns(&ex->sl->server->stats.duration, loop_now_ns(ex->sl->loop) - ex->start_ns);
    mutex_lock(&ex->lock);
    bool is_posted = ex->msg_posted;
    mutex_unlock(&ex->lock);
    ex->conn = NULL;
    if (!is_posted) exchange_put(ex);
}

/* ---- handing over -------------------------------------------------------------------------- */

void exchange_serve(struct http_exchange *ex)
{
    const struct http_handler *handler = &ex->conn->listener->handler;
    ex->req.body = buf_bytes(&ex->body);
    ex->is_served = true;
    ex->state = EXCHANGE_SERVING;
    handler->serve(handler->ctx, ex);
}

bool exchange_begin(struct http_exchange *ex)
{
    const struct http_handler *handler = &ex->conn->listener->handler;
    if (!handler->begin) return false;
    ex->is_held = true;
    handler->begin(handler->ctx, ex);
    ex->is_held = false;
    if (!ex->is_answer_started) return false;
    if (ex->is_answer_sent) exchange_done(ex);
    return true;
}

void exchange_count_answer(struct server_loop *sl, unsigned status)
{
    struct http_server_stats *stats = &sl->server->stats;
    struct stat_counter *cell = &stats->requests_1xx_to_2xx;
    if (status >= 300) cell = &stats->requests_3xx;
    if (status >= 400) cell = &stats->requests_4xx;
    if (status >= 500) cell = &stats->requests_5xx;
    stat_add(cell, 1);
}

void exchange_send_answer(struct http_exchange *ex, struct exchange_answer *answer)
{
    ASSERT(!ex->is_answer_started);
    ex->is_answer_started = true;
    exchange_count_answer(ex->sl, answer->status);
    if (ex->conn->h2) {
        http2_answer(ex->conn, ex, answer);
    } else {
        http1_answer(ex->conn, ex, answer);
    }
}

/* gRPC clients read the reason from trailers, not from the HTTP status. */
static void refuse_grpc(struct http_exchange *ex, const struct http1_fault *fault)
{
    char number[12];
    int n = snprintf(number, sizeof number, "%d", (int)grpc_status_of_http(fault->status));
    const struct http_header headers[] = {
        { STR("grpc-status"), { number, (size_t)n } },
        { STR("grpc-message"), str_of_z(fault->text) },
    };
    struct exchange_answer answer = {
        .status = 200,
        .content_type = STR("application/grpc"),
        .headers = headers,
        .header_count = 2,
    };
    exchange_send_answer(ex, &answer);
}

void exchange_refuse(struct http_exchange *ex, const struct http1_fault *fault)
{
    conn_count_reject(ex->conn, fault->reason);
    ex->is_close_wanted = true;
    ex->state = EXCHANGE_FINISHED;
    if (str_starts_with(ex->req.content_type, STR("application/grpc"))) {
        refuse_grpc(ex, fault);
        return;
    }
    static const struct http_header RETRY = HTTP_HEADER("Retry-After", "5");
    struct exchange_answer answer = {
        .status = fault->status,
        .headers = &RETRY,
        .header_count = fault->status == 503 ? 1 : 0,
        .content_type = STR("text/plain; charset=utf-8"),
        .body = bytes_of_str(str_of_z(fault->text)),
        .flags = HTTP_ANSWER_STATIC_BODY,
    };
    exchange_send_answer(ex, &answer);
}

/* ---- streamed bytes ------------------------------------------------------------------------ */

bool exchange_take_queue(struct http_exchange *ex, bool *out_ended)
{
    void (*fn)(void *ctx, struct http_exchange *ex) = NULL;
    void *ctx = NULL;
    mutex_lock(&ex->lock);
    if (ex->sending_offset == ex->sending.len) {
        ex->sending_offset = 0;
        buf_reset(&ex->sending);
        struct buf full = ex->queue;
        ex->queue = ex->sending;
        ex->sending = full;
        cond_broadcast(&ex->changed);
        if (ex->wants_room) {
            ex->wants_room = false;
            fn = ex->writable_fn;
            ctx = ex->writable_ctx;
        }
    }
    *out_ended = ex->state == EXCHANGE_FINISHED && ex->queue.len == 0;
    mutex_unlock(&ex->lock);
    if (fn) fn(ctx, ex);
    return ex->sending.len > ex->sending_offset;
}

static void pump(struct http_exchange *ex)
{
    if (ex->conn->h2) {
        http2_pump(ex->conn, ex);
    } else {
        http1_pump(ex->conn, ex);
    }
}

static void abort_answer(struct http_exchange *ex)
{
    if (ex->conn->h2) {
        http2_abort(ex->conn, ex);
    } else {
        http1_abort(ex->conn, ex);
    }
}

/* Something was stored for the loop by another thread, or outside the connection's turn. */
static void on_msg(struct loop_msg *m)
{
    struct http_exchange *ex = EXCHANGE_OF(m, msg);
    ASSERT(ex->magic == EXCHANGE_MAGIC);
    struct exchange_answer answer = { 0 };
    mutex_lock(&ex->lock);
    ex->msg_posted = false;
    bool has_answer = ex->has_answer;
    bool is_aborted = ex->is_aborted;
    bool is_finished = ex->state == EXCHANGE_FINISHED;
    struct conn *conn = ex->conn;
    if (has_answer && conn) {
        answer = ex->answer;
        ex->answer = (struct exchange_answer){ 0 };
        ex->has_answer = false;
    }
    mutex_unlock(&ex->lock);
    if (!conn) {
        if (is_finished) exchange_put(ex);
        return;
    }
    conn_enter(conn);
    bool is_stream = ex->is_answer_started || answer.is_stream;
    if (has_answer) exchange_send_answer(ex, &answer);
    if (is_aborted) {
        abort_answer(ex);
    } else if (is_stream) {
        pump(ex);
    }
    conn_leave(conn);
}

static void on_continue(struct loop_msg *m)
{
    struct http_exchange *ex = EXCHANGE_OF(m, continue_msg);
    ASSERT(ex->magic == EXCHANGE_MAGIC);
    struct conn *conn = ex->conn;
    if (conn) conn_enter(conn);
    ex->continue_fn(ex->continue_ctx, ex);
    if (conn) conn_leave(conn);
}

void http_exchange_continue(struct http_exchange *ex,
                            void (*fn)(void *ctx, struct http_exchange *ex), void *ctx)
{
    ex->continue_fn = fn;
    ex->continue_ctx = ctx;
    loop_post(ex->sl->loop, &ex->continue_msg);
}
