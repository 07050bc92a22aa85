/* SPDX-License-Identifier: Apache-2.0 */
#include "net/conn_priv.h"

#include <stddef.h>

#include "base/assert.h"
#include "net/tls.h"

static const struct str H2_PREFACE = STR_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

enum { TLS_HANDSHAKE_BYTE = 0x16 };

static void on_ready(struct loop_watch *w, uint32_t ready);
static void on_resume(struct loop_msg *m);

static const struct mem_source *network_mem(const struct conn *c)
{
    return mem_source_of(c->sl->server->options.mem, MEM_NETWORK);
}

static const struct http_limits *limits_of(const struct conn *c)
{
    return &c->sl->server->limits;
}

void conn_count_reject(const struct conn *c, enum http_reject reason)
{
    stat_add(&c->sl->server->stats.rejected[reason], 1);
}

void conn_set_deadline(struct conn *c, enum conn_deadline kind, uint64_t from_ns, uint64_t ms)
{
    c->deadline = kind;
    c->deadline_ns = from_ns + ms * 1000000;
}

/* ---- life -------------------------------------------------------------------------------- */

void conn_start(struct conn *c)
{
    struct server_loop *sl = c->sl;
    struct http_server *server = sl->server;
    c->msg.fn = on_resume;
    c->watch.fn = on_ready;
    c->watch.events = LOOP_READ;
    buf_init(&c->in, network_mem(c),
             (size_t)server->limits.head_bytes_max + server->limits.pipelined_bytes_max +
                 2 * READ_BYTES);
    buf_init(&c->out.pending, network_mem(c), SIZE_MAX / 2);
    c->next = sl->conns;
    if (c->next) c->next->prev = c;
    sl->conns = c;
    uint64_t now = loop_now_ns(sl->loop);
    c->out.progress_ns = now;
    conn_set_deadline(c, CONN_DEADLINE_IDLE, now, server->limits.idle_timeout_ms);
    stat_add(&server->stats.connections_total, 1);
    stat_gauge_add(&server->stats.connections, 1);
    if (sl->is_draining || loop_watch_add(sl->loop, &c->watch, NULL) != ERR_OK) conn_destroy(c);
}

static void unlink_from_loop(struct conn *c)
{
    if (c->next) c->next->prev = c->prev;
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        c->sl->conns = c->next;
    }
}

static void free_conn(struct conn *c)
{
    struct mem_budget *mem = c->sl->server->options.mem;
    c->magic = 0;
    mem_free(mem, MEM_NETWORK, c, sizeof *c);
}

void conn_destroy(struct conn *c)
{
    ASSERT(c->magic == CONN_MAGIC);
    ASSERT(!conn_is_in_turn(c));
    ASSERT(!c->is_closed);
    struct server_loop *sl = c->sl;
    struct http_server *server = sl->server;
    http1_detach(c);
    http2_detach(c);
    loop_watch_remove(sl->loop, &c->watch);
    tls_session_destroy(c->tls);
    socket_close(c->watch.fd);
    unlink_from_loop(c);
    buf_deinit(&c->in);
    buf_deinit(&c->out.pending);
    if (c->out.big_owner.mem) buf_deinit(&c->out.big_owner);
    /* Relaxed: for balancing only. */
    atomic_fetch_sub_explicit(&sl->conn_count, 1, memory_order_relaxed);
    stat_gauge_add(&server->stats.connections, -1);
    acceptor_conn_gone(server, c->peer);
    c->is_closed = true;
    if (!c->is_msg_posted) free_conn(c);
}

void conn_kill(struct conn *c)
{
    c->is_dead = true;
}

void conn_cut(struct conn *c)
{
    if (c->tls) tls_session_cut(c->tls);
    socket_reset_on_close(c->watch.fd);
}

void conn_close_after_output(struct conn *c, bool lingers)
{
    c->is_closing = true;
    c->lingers = lingers;
    c->deadline = CONN_DEADLINE_NONE; /* the write stall limit holds */
}

void conn_pause_read(struct conn *c, bool paused)
{
    c->is_read_paused = paused;
}

void conn_resume_later(struct conn *c)
{
    if (c->is_msg_posted) return;
    c->is_msg_posted = true;
    loop_post(c->sl->loop, &c->msg);
}

static void on_resume(struct loop_msg *m)
{
    struct conn *c = (struct conn *)(void *)((char *)m - offsetof(struct conn, msg));
    ASSERT(c->magic == CONN_MAGIC);
    c->is_msg_posted = false;
    if (c->is_closed) {
        free_conn(c);
        return;
    }
    on_ready(&c->watch, LOOP_READ);
}

void conn_describe_tls(const struct conn *c, struct http_request *req)
{
    if (!c->tls) return;
    req->is_tls = true;
    req->tls_identity = tls_session_identity(c->tls);
}

/* ---- turns -------------------------------------------------------------------------------- */

void conn_enter(struct conn *c)
{
    ASSERT(c->magic == CONN_MAGIC);
    ASSERT(!c->sl->turn);
    c->sl->turn = c;
    c->sl->staged = 0;
}

/* The last output is written: close, or first let the client read it. */
static void end_output(struct conn *c)
{
    if (c->phase == CONN_LINGER) return;
    if (!c->lingers || c->is_peer_done) {
        conn_kill(c);
        return;
    }
    c->phase = CONN_LINGER;
    http2_detach(c); /* the session is over; streams that still run will not be answered */
    if (c->tls) tls_session_shutdown(c->tls);
    socket_shutdown_write(c->watch.fd);
    conn_set_deadline(c, CONN_DEADLINE_LINGER, loop_now_ns(c->sl->loop), LINGER_MS);
    conn_pause_read(c, false);
}

static void update_interest(struct conn *c)
{
    uint32_t events = 0;
    if (!c->is_read_paused && !c->is_peer_done) events |= LOOP_READ;
    if (conn_is_blocked(c) || (c->tls && tls_session_wants_write(c->tls))) events |= LOOP_WRITE;
    if (events != c->watch.events) loop_watch_update(c->sl->loop, &c->watch, events);
}

void conn_leave(struct conn *c)
{
    struct server_loop *sl = c->sl;
    ASSERT(sl->turn == c);
    if (!c->is_dead && c->phase == CONN_HTTP2) http2_output(c);
    conn_flush(c);
    if (c->is_closing && !c->is_dead && !conn_is_blocked(c)) end_output(c);
    sl->turn = NULL;
    if (c->is_dead) {
        conn_destroy(c);
    } else {
        update_interest(c);
    }
}

/* ---- input -------------------------------------------------------------------------------- */

static void finish_handshake(struct conn *c)
{
    stat_add(&c->sl->server->stats.tls_connections_total, 1);
    conn_set_deadline(c, CONN_DEADLINE_IDLE, loop_now_ns(c->sl->loop),
                      limits_of(c)->idle_timeout_ms);
    switch (tls_session_alpn(c->tls)) {
    case TLS_ALPN_H2:
        if (!http2_start(c)) conn_kill(c);
        return;
    case TLS_ALPN_HTTP1: c->phase = CONN_HTTP1; return;
    case TLS_ALPN_NONE: c->phase = CONN_DETECT; return;
    }
}

static void handshake(struct conn *c)
{
    bool done = false;
    if (tls_session_handshake(c->tls, &done, NULL) != ERR_OK) {
        conn_count_reject(c, HTTP_REJECT_TLS);
        conn_kill(c);
    } else if (done) {
        finish_handshake(c);
    }
}

/* Everything read so far goes into the session. */
static size_t start_tls(struct conn *c, struct bytes data)
{
    if (tls_session_create(c->listener->tls, c->watch.fd, data, &c->tls, NULL) != ERR_OK) {
        conn_count_reject(c, HTTP_REJECT_MEMORY);
        conn_kill(c);
        return data.len;
    }
    c->phase = CONN_HANDSHAKE;
    conn_set_deadline(c, CONN_DEADLINE_HEAD, loop_now_ns(c->sl->loop),
                      limits_of(c)->head_timeout_ms);
    handshake(c);
    return data.len;
}

static size_t refuse_plain(struct conn *c, struct bytes data)
{
    conn_count_reject(c, HTTP_REJECT_TLS);
    conn_put_lit(
        c, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
    conn_close_after_output(c, true);
    return data.len;
}

/* Which protocol? Returns the bytes used; 0 with phase unchanged: not enough to tell. */
static size_t detect(struct conn *c, struct bytes data)
{
    if (!c->tls && c->listener->tls && data.ptr[0] == TLS_HANDSHAKE_BYTE) return start_tls(c, data);
    if (!c->tls && c->listener->is_tls_required) return refuse_plain(c, data);
    size_t n = data.len < H2_PREFACE.len ? data.len : H2_PREFACE.len;
    if (memcmp(data.ptr, H2_PREFACE.ptr, n) != 0) {
        c->phase = CONN_HTTP1;
    } else if (n == H2_PREFACE.len) {
        if (!http2_start(c)) conn_kill(c);
    } else if (c->deadline == CONN_DEADLINE_IDLE) {
        conn_set_deadline(c, CONN_DEADLINE_HEAD, loop_now_ns(c->sl->loop),
                          limits_of(c)->head_timeout_ms);
    }
    return 0;
}

static size_t linger(struct conn *c, struct bytes data)
{
    c->linger_bytes += data.len;
    if (c->linger_bytes > LINGER_BYTES_MAX) conn_kill(c);
    return data.len;
}

/* Returns how many bytes were used. */
static size_t understand(struct conn *c, struct bytes data)
{
    if (c->phase == CONN_DETECT && data.len > 0) {
        size_t used = detect(c, data);
        if (used > 0 || c->phase == CONN_DETECT) return used;
    }
    if (c->is_dead || c->is_closing) return c->phase == CONN_LINGER ? linger(c, data) : data.len;
    switch (c->phase) {
    case CONN_HTTP1: return http1_input(c, data);
    case CONN_HTTP2: return http2_input(c, data);
    case CONN_LINGER: return linger(c, data);
    case CONN_DETECT:
    case CONN_HANDSHAKE: return 0;
    }
    UNREACHABLE();
}

/* Understand what waits in c->in; its rest moves to the front. */
static void use_buffered(struct conn *c)
{
    if (c->in.len == 0) return;
    size_t used = understand(c, buf_bytes(&c->in));
    ASSERT(used <= c->in.len);
    size_t left = c->in.len - used;
    if (left == 0) {
        const struct mem_source *mem = c->in.mem;
        size_t cap_max = c->in.cap_max;
        buf_deinit(&c->in);
        buf_init(&c->in, mem, cap_max);
    } else if (used > 0) {
        memmove(c->in.ptr, c->in.ptr + used, left);
        c->in.len = left;
    }
}

/* Bytes in the loop's read buffer: only what is not understood yet is copied. */
static void use_fresh(struct conn *c, struct bytes data)
{
    size_t used = understand(c, data);
    ASSERT(used <= data.len);
    if (used == data.len || c->is_dead) return;
    buf_put(&c->in, data.ptr + used, data.len - used);
    if (!buf_failed(&c->in)) return;
    conn_count_reject(c, HTTP_REJECT_MEMORY);
    conn_kill(c);
}

static void peer_done(struct conn *c)
{
    c->is_peer_done = true;
    if (c->phase == CONN_HTTP1) {
        http1_peer_done(c);
    } else {
        conn_kill(c);
    }
}

enum read_into { READ_INTO_BODY, READ_INTO_IN, READ_INTO_LOOP };

/* Where the next bytes go: straight into the body, behind bytes that wait, or into the loop's
 * buffer. */
static uint8_t *read_room(struct conn *c, enum read_into *out_into, size_t *out_len)
{
    uint8_t *dst = NULL;
    if (c->phase == CONN_HTTP1 && c->in.len == 0) dst = http1_body_room(c, out_len);
    if (dst) {
        *out_into = READ_INTO_BODY;
        return dst;
    }
    if (c->in.len == 0) {
        *out_into = READ_INTO_LOOP;
        *out_len = READ_BYTES;
        return c->sl->read_buf;
    }
    *out_into = READ_INTO_IN;
    dst = buf_reserve(&c->in, READ_BYTES_MIN);
    *out_len = dst ? c->in.cap - c->in.len : 0;
    return dst;
}

static enum err_code read_some(struct conn *c, uint8_t *dst, size_t len, size_t *out_n,
                               bool *out_again)
{
    if (c->tls) return tls_session_read(c->tls, dst, len, out_n, out_again, NULL);
    return socket_read(c->watch.fd, dst, len, out_n, out_again, NULL);
}

static void use_read(struct conn *c, enum read_into into, size_t n)
{
    switch (into) {
    case READ_INTO_BODY: http1_body_arrived(c, n); return;
    case READ_INTO_LOOP: use_fresh(c, (struct bytes){ c->sl->read_buf, n }); return;
    case READ_INTO_IN:
        c->in.len += n;
        use_buffered(c);
        return;
    }
}

static bool may_read(struct conn *c)
{
    bool is_full = c->in.len >= limits_of(c)->pipelined_bytes_max;
    if (is_full && c->phase == CONN_HTTP1 && http1_is_waiting(c)) conn_pause_read(c, true);
    return !c->is_dead && !c->is_read_paused && !c->is_peer_done && c->phase != CONN_HANDSHAKE;
}

static void read_input(struct conn *c)
{
    size_t total = 0;
    while (may_read(c)) {
        if (total >= TURN_BYTES) {
            /* The loop comes back by itself, unless the bytes wait inside the TLS session. */
            if (c->tls) conn_resume_later(c);
            return;
        }
        enum read_into into = READ_INTO_LOOP;
        size_t room = 0;
        uint8_t *dst = read_room(c, &into, &room);
        size_t n = 0;
        bool again = false;
        if (!dst || read_some(c, dst, room, &n, &again) != ERR_OK) {
            conn_kill(c);
            return;
        }
        if (again) return;
        if (n == 0) {
            peer_done(c);
            return;
        }
        total += n;
        stat_add(&c->sl->server->stats.bytes_in, n);
        use_read(c, into, n);
        if (!c->tls && n < room) return; /* the socket is empty */
        if (c->is_msg_posted) return;    /* its share of this turn is used up */
    }
}

static void on_ready(struct loop_watch *w, uint32_t ready)
{
    struct conn *c = (struct conn *)(void *)((char *)w - offsetof(struct conn, watch));
    conn_enter(c);
    if (conn_is_blocked(c)) conn_flush(c);
    if (c->phase == CONN_HTTP1 && !c->is_dead && !conn_is_blocked(c)) http1_output_ready(c);
    if (c->phase == CONN_HANDSHAKE) handshake(c);
    if (!c->is_dead) use_buffered(c);
    if (ready & (LOOP_READ | LOOP_HANGUP)) read_input(c);
    /* Both directions are closed and no read will tell. */
    if ((ready & LOOP_HANGUP) && (c->is_read_paused || c->is_peer_done)) conn_kill(c);
    conn_leave(c);
}

/* ---- time-outs ----------------------------------------------------------------------------- */

static void deadline_passed(struct conn *c)
{
    bool is_early = c->phase == CONN_DETECT || c->phase == CONN_HANDSHAKE;
    switch (c->deadline) {
    case CONN_DEADLINE_NONE: return;
    case CONN_DEADLINE_IDLE:
        if (c->phase == CONN_HTTP2) {
            http2_drain(c);
        } else {
            conn_kill(c);
        }
        return;
    case CONN_DEADLINE_LINGER: conn_kill(c); return;
    case CONN_DEADLINE_HEAD:
        if (is_early) {
            conn_count_reject(c, HTTP_REJECT_HEAD_TIMEOUT);
            conn_kill(c);
        } else {
            http1_timed_out(c);
        }
        return;
    case CONN_DEADLINE_REQUEST: http1_timed_out(c); return;
    }
}

void conn_sweep(struct conn *c, uint64_t now_ns)
{
    uint64_t stall_ns = limits_of(c)->write_stall_ms * 1000000;
    bool is_due = c->deadline != CONN_DEADLINE_NONE && now_ns >= c->deadline_ns;
    bool is_stalled = conn_is_blocked(c) && now_ns - c->out.progress_ns > stall_ns;
    bool needs_look = c->phase == CONN_HTTP2 || c->phase == CONN_HTTP1;
    if (!is_due && !is_stalled && !needs_look) return;
    conn_enter(c);
    if (is_stalled) {
        conn_count_reject(c, HTTP_REJECT_WRITE_STALL);
        conn_kill(c);
    } else if (is_due) {
        deadline_passed(c);
    } else if (c->phase == CONN_HTTP2) {
        http2_sweep(c, now_ns);
    } else {
        http1_sweep(c, now_ns);
    }
    conn_leave(c);
}
