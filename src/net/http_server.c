/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server.h"

#include <stddef.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/time.h"
#include "net/conn_priv.h"

enum { WAIT_SLICE_NS = 1000 * 1000 * 1000, DATE_REFRESH_NS = 100 * 1000 * 1000 };

/* ---- loops --------------------------------------------------------------------------------- */

void server_loop_update_date(struct server_loop *sl)
{
    static const char *const DAYS[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const MONTHS[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    uint64_t now = loop_now_ns(sl->loop);
    if (sl->date[0] && now - sl->date_ns < DATE_REFRESH_NS) return;
    sl->date_ns = now;
    int64_t second = clock_wall_ms(sl->server->options.clock) / 1000;
    if (sl->date[0] && second == sl->date_second) return;
    sl->date_second = second;
    struct civil_time t = civil_from_unix(second);
    char text[64];
    (void)snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", DAYS[t.weekday % 7],
                   t.day, MONTHS[(t.month - 1) % 12], (int)(t.year % 10000), t.hour, t.minute,
                   t.second);
    memcpy(sl->date, text, HTTP_DATE_LEN);
}

static void arm_sweep(struct server_loop *sl)
{
    uint64_t due = loop_now_ns(sl->loop) + sl->server->limits.sweep_ms * 1000000;
    struct err err = { 0 };
    if (loop_timer_set(sl->loop, &sl->sweep, due, &err) == ERR_OK) return;
    log_error(sl->server->options.log, "time-outs of connections are off", LOG_ERR(&err));
}

static void drop_pool(struct server_loop *sl)
{
    while (sl->pool) {
        struct http_exchange *ex = sl->pool;
        sl->pool = ex->next;
        exchange_destroy(ex);
    }
    sl->pool_count = 0;
    sl->pooled_body_bytes = 0;
}

static void on_sweep(struct loop_timer *t)
{
    struct server_loop *sl =
        (struct server_loop *)(void *)((char *)t - offsetof(struct server_loop, sweep));
    uint64_t now = loop_now_ns(sl->loop);
    struct conn *next = NULL;
    for (struct conn *c = sl->conns; c; c = next) {
        next = c->next;
        conn_sweep(c, now);
    }
    if (sl->finished_since_sweep == 0) drop_pool(sl);
    sl->finished_since_sweep = 0;
    if (sl->index == 0) acceptor_sweep(sl->server);
    arm_sweep(sl);
}

static void loop_main(void *arg)
{
    struct server_loop *sl = arg;
    sl->self = pthread_self();
    loop_run(sl->loop);
}

static enum err_code init_loop(struct http_server *s, unsigned index, struct err *err)
{
    struct server_loop *sl = &s->loops[index];
    sl->server = s;
    sl->index = index;
    sl->sweep.fn = on_sweep;
    sl->read_buf = mem_alloc(s->options.mem, MEM_NETWORK, READ_BYTES);
    sl->staging = mem_alloc(s->options.mem, MEM_NETWORK, STAGING_BYTES);
    if (!sl->read_buf || !sl->staging) return err_set(err, ERR_NOMEM, "no memory for a loop");
    return loop_create(s->options.mem, s->options.clock, &sl->loop, err);
}

static void deinit_loop(struct server_loop *sl)
{
    struct mem_budget *mem = sl->server->options.mem;
    drop_pool(sl);
    if (sl->loop) loop_destroy(sl->loop);
    mem_free(mem, MEM_NETWORK, sl->read_buf, READ_BYTES);
    mem_free(mem, MEM_NETWORK, sl->staging, STAGING_BYTES);
}

/* ---- create -------------------------------------------------------------------------------- */

static enum err_code init_server(struct http_server *s, struct err *err)
{
    struct mem_budget *mem = s->options.mem;
    uint64_t seed = clock_random_u64(s->options.clock);
    TRY(http_codecs_create(mem, &s->codecs, err));
    TRY(peers_create(mem, seed, &s->peers, err));
    unsigned count = s->options.loop_count > 0 ? s->options.loop_count : cpu_count();
    s->loops = mem_zalloc(mem, MEM_NETWORK, count * sizeof *s->loops);
    if (!s->loops) return err_set(err, ERR_NOMEM, "no memory for the loops");
    s->loop_count = count;
    for (unsigned i = 0; i < count; i++)
        s->loops[i].server = s;
    for (unsigned i = 0; i < count; i++)
        TRY(init_loop(s, i, err));
    return ERR_OK;
}

enum err_code http_server_create(const struct http_server_options *options,
                                 struct http_server **out, struct err *err)
{
    struct http_server *s = mem_zalloc(options->mem, MEM_NETWORK, sizeof *s);
    if (!s) return err_set(err, ERR_NOMEM, "no memory for the server");
    s->options = *options;
    s->limits = options->limits;
    mutex_init(&s->lock);
    cond_init(&s->changed);
    enum err_code rc = init_server(s, err);
    if (rc != ERR_OK) {
        http_server_destroy(s);
        return rc;
    }
    *out = s;
    return ERR_OK;
}

enum err_code http_server_listen(struct http_server *s, const struct http_listen_options *options,
                                 char out_addr[SOCKET_ADDR_SIZE], struct err *err)
{
    ASSERT(!s->is_started);
    ASSERT(options->handler.serve);
    if (s->listener_count == LISTENERS_MAX) return err_set(err, ERR_LIMIT, "too many listeners");
    int fd = -1;
    TRY(socket_listen(options->addr, &fd, err));
    if (out_addr) {
        enum err_code rc = socket_local_addr(fd, out_addr, err);
        if (rc != ERR_OK) {
            socket_close(fd);
            return rc;
        }
    }
    s->listeners[s->listener_count++] = (struct listener){
        .watch = { .fd = fd },
        .server = s,
        .tls = options->tls,
        .is_tls_required = options->is_tls_required,
        .handler = options->handler,
    };
    return ERR_OK;
}

enum err_code http_server_start(struct http_server *s, struct err *err)
{
    ASSERT(!s->is_started);
    s->is_started = true;
    TRY(acceptor_start(s, err));
    /* Loop 0 last: it accepts, and hands connections to the others. */
    for (unsigned i = s->loop_count; i-- > 0;) {
        struct server_loop *sl = &s->loops[i];
        uint64_t due = clock_mono_ns(s->options.clock) + s->limits.sweep_ms * 1000000;
        TRY(loop_timer_set(sl->loop, &sl->sweep, due, err));
        char name[16];
        (void)snprintf(name, sizeof name, "http-%u", i);
        TRY(thread_start(&sl->thread, name, loop_main, sl, err));
    }
    return ERR_OK;
}

/* ---- stop ----------------------------------------------------------------------------------- */

static void drain_conn(struct conn *c)
{
    switch (c->phase) {
    case CONN_DETECT:
    case CONN_HANDSHAKE: conn_destroy(c); return;
    case CONN_HTTP1:
        if (http1_is_idle(c)) conn_destroy(c);
        return;
    case CONN_HTTP2:
        conn_enter(c);
        http2_drain(c);
        conn_leave(c);
        return;
    case CONN_LINGER: return;
    }
}

static void on_drain(struct loop_msg *m)
{
    struct server_loop *sl =
        (struct server_loop *)(void *)((char *)m - offsetof(struct server_loop, drain_msg));
    sl->is_draining = true;
    if (sl->index == 0) acceptor_stop(sl->server);
    struct conn *next = NULL;
    for (struct conn *c = sl->conns; c; c = next) {
        next = c->next;
        drain_conn(c);
    }
}

static void on_cancel(struct loop_msg *m)
{
    struct server_loop *sl =
        (struct server_loop *)(void *)((char *)m - offsetof(struct server_loop, cancel_msg));
    while (sl->conns)
        conn_destroy(sl->conns);
}

/* Wait until the count is 0 or `deadline_ns`. */
static bool wait_for_zero(struct http_server *s, _Atomic uint32_t *count, uint64_t deadline_ns)
{
    const struct clock *clock = s->options.clock;
    MUTEX_SCOPE(&s->lock);
    /* acquire: partner of the last decrement */
    while (atomic_load_explicit(count, memory_order_acquire) > 0) {
        uint64_t now = clock_mono_ns(clock);
        if (now >= deadline_ns) return false;
        uint64_t left = deadline_ns - now;
        (void)cond_wait_ns(&s->changed, &s->lock, left < WAIT_SLICE_NS ? left : WAIT_SLICE_NS);
    }
    return true;
}

static void begin_drain(struct http_server *s)
{
    if (s->is_draining) return;
    s->is_draining = true;
    atomic_store_explicit(&s->is_stopping, true, memory_order_release);
    for (unsigned i = 0; i < s->loop_count; i++) {
        s->loops[i].drain_msg.fn = on_drain;
        loop_post(s->loops[i].loop, &s->loops[i].drain_msg);
    }
}

bool http_server_drain(struct http_server *s, uint64_t wait_ms)
{
    if (!s->is_started || s->is_stopped) return true;
    begin_drain(s);
    return wait_for_zero(s, &s->conn_count, clock_mono_ns(s->options.clock) + wait_ms * 1000000);
}

void http_server_stop(struct http_server *s, uint64_t drain_ms)
{
    if (!s->is_started || s->is_stopped) return;
    bool is_empty = http_server_drain(s, drain_ms);
    s->is_stopped = true;
    if (is_empty) return;
    log_info(s->options.log, "closing connections that did not finish in time");
    for (unsigned i = 0; i < s->loop_count; i++) {
        s->loops[i].cancel_msg.fn = on_cancel;
        loop_post(s->loops[i].loop, &s->loops[i].cancel_msg);
    }
    (void)wait_for_zero(s, &s->conn_count, UINT64_MAX);
}

static void join_loops(struct http_server *s)
{
    for (unsigned i = 0; i < s->loop_count; i++) {
        if (s->loops[i].thread.is_started) loop_stop(s->loops[i].loop);
    }
    for (unsigned i = 0; i < s->loop_count; i++)
        thread_join(&s->loops[i].thread);
}

void http_server_finish(struct http_server *s)
{
    if (!s->is_started) return;
    http_server_stop(s, 0);
    (void)wait_for_zero(s, &s->exchange_count, UINT64_MAX);
}

void http_server_destroy(struct http_server *s)
{
    if (!s) return;
    struct mem_budget *mem = s->options.mem;
    if (s->loop_count > 0 && s->loops[0].thread.is_started) http_server_finish(s);
    join_loops(s);
    if (s->loops && s->loops[0].loop) acceptor_stop(s);
    for (unsigned i = 0; i < s->loop_count; i++)
        deinit_loop(&s->loops[i]);
    mem_free(mem, MEM_NETWORK, s->loops, s->loop_count * sizeof *s->loops);
    peers_destroy(s->peers);
    http_codecs_destroy(s->codecs);
    cond_deinit(&s->changed);
    mutex_deinit(&s->lock);
    mem_free(mem, MEM_NETWORK, s, sizeof *s);
}

/* ---- accessors ------------------------------------------------------------------------------ */

unsigned http_server_loop_count(const struct http_server *s)
{
    return s->loop_count;
}

struct loop *http_server_loop(const struct http_server *s, unsigned index)
{
    ASSERT(index < s->loop_count);
    return s->loops[index].loop;
}

const struct http_limits *http_server_limits(const struct http_server *s)
{
    return &s->limits;
}
