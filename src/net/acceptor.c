/* SPDX-License-Identifier: Apache-2.0
 *
 * acceptor - listening sockets on loop 0: accept, count per address, hand to the least loaded loop.
 */
#include <stddef.h>

#include "base/assert.h"
#include "net/conn_priv.h"

enum { ACCEPTS_PER_TURN = 64 };

/* ---- pause and resume ---------------------------------------------------------------------- */

static bool has_room(const struct http_server *s)
{
    return atomic_load_explicit(&s->conn_count, memory_order_relaxed) < s->limits.connections_max;
}

static void pause_accept(struct http_server *s)
{
    for (unsigned i = 0; i < s->listener_count; i++) {
        loop_watch_remove(s->loops[0].loop, &s->listeners[i].watch);
    }
    /* Partner: acceptor_conn_gone(). */
    atomic_store_explicit(&s->is_accept_paused, true, memory_order_release);
}

static enum err_code resume_accept(struct http_server *s, struct err *err)
{
    atomic_store_explicit(&s->is_accept_paused, false, memory_order_release);
    for (unsigned i = 0; i < s->listener_count; i++) {
        if (s->listeners[i].watch.fd < 0) continue;
        enum err_code rc = loop_watch_add(s->loops[0].loop, &s->listeners[i].watch, err);
        if (rc != ERR_OK) {
            pause_accept(s);
            return rc;
        }
    }
    return ERR_OK;
}

void acceptor_sweep(struct http_server *s)
{
    bool is_paused = atomic_load_explicit(&s->is_accept_paused, memory_order_relaxed);
    if (!is_paused || s->loops[0].is_draining || !has_room(s)) return;
    (void)resume_accept(s, NULL); /* still paused on failure: tried again by the next sweep */
}

static void on_room(struct loop_msg *m)
{
    struct http_server *s =
        (struct http_server *)(void *)((char *)m - offsetof(struct http_server, accept_msg));
    atomic_store_explicit(&s->is_accept_msg_posted, false, memory_order_release);
    acceptor_sweep(s);
}

void acceptor_conn_gone(struct http_server *s, const char *peer)
{
    peers_remove(s->peers, str_of_z(peer));
    /* acq_rel: the end of the connection happens before stop() sees the count. */
    uint32_t before = atomic_fetch_sub_explicit(&s->conn_count, 1, memory_order_acq_rel);
    if (before == 1 && atomic_load_explicit(&s->is_stopping, memory_order_acquire)) {
        MUTEX_SCOPE(&s->lock);
        cond_broadcast(&s->changed);
    }
    /* Partner: pause_accept(). */
    if (!atomic_load_explicit(&s->is_accept_paused, memory_order_acquire)) return;
    if (atomic_exchange_explicit(&s->is_accept_msg_posted, true, memory_order_acq_rel)) return;
    loop_post(s->loops[0].loop, &s->accept_msg);
}

/* ---- accept -------------------------------------------------------------------------------- */

static struct server_loop *least_loaded(struct http_server *s)
{
    struct server_loop *best = &s->loops[0];
    uint32_t best_count = atomic_load_explicit(&best->conn_count, memory_order_relaxed);
    for (unsigned i = 1; i < s->loop_count; i++) {
        uint32_t count = atomic_load_explicit(&s->loops[i].conn_count, memory_order_relaxed);
        if (count >= best_count) continue;
        best = &s->loops[i];
        best_count = count;
    }
    return best;
}

/* First message of a connection: it has arrived on its loop. */
static void on_handed_over(struct loop_msg *m)
{
    conn_start((struct conn *)(void *)((char *)m - offsetof(struct conn, msg)));
}

static void take_connection(struct http_server *s, const struct listener *listener, int fd,
                            const char *peer)
{
    if (!peers_add(s->peers, str_of_z(peer), s->limits.connections_per_peer_max)) {
        stat_add(&s->stats.rejected[HTTP_REJECT_PEER_CONNECTIONS], 1);
        socket_close(fd);
        return;
    }
    struct conn *c = mem_zalloc(s->options.mem, MEM_NETWORK, sizeof *c);
    if (!c) {
        stat_add(&s->stats.rejected[HTTP_REJECT_MEMORY], 1);
        peers_remove(s->peers, str_of_z(peer));
        socket_close(fd);
        return;
    }
    c->magic = CONN_MAGIC;
    c->watch.fd = fd;
    c->listener = listener;
    c->sl = least_loaded(s);
    memcpy(c->peer, peer, SOCKET_ADDR_SIZE);
    atomic_fetch_add_explicit(&s->conn_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->sl->conn_count, 1, memory_order_relaxed);
    if (c->sl == &s->loops[0]) {
        conn_start(c);
    } else {
        c->msg.fn = on_handed_over;
        loop_post(c->sl->loop, &c->msg);
    }
}

static void on_connection(struct loop_watch *w, uint32_t ready)
{
    (void)ready;
    struct listener *listener =
        (struct listener *)(void *)((char *)w - offsetof(struct listener, watch));
    struct http_server *s = listener->server;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (!has_room(s)) {
            stat_add(&s->stats.rejected[HTTP_REJECT_CONNECTIONS], 1);
            pause_accept(s);
            /* The last one may have ended before the pause was visible. */
            acceptor_sweep(s);
            return;
        }
        int fd = -1;
        char peer[SOCKET_ADDR_SIZE] = { 0 };
        if (socket_accept(w->fd, &fd, peer, NULL) != ERR_OK) {
            /* Out of descriptors or memory: the sweep tries again. */
            stat_add(&s->stats.rejected[HTTP_REJECT_CONNECTIONS], 1);
            pause_accept(s);
            return;
        }
        if (fd < 0) return;
        take_connection(s, listener, fd, peer);
    }
}

/* ---- life --------------------------------------------------------------------------------- */

enum err_code acceptor_start(struct http_server *s, struct err *err)
{
    s->accept_msg.fn = on_room;
    for (unsigned i = 0; i < s->listener_count; i++) {
        s->listeners[i].watch.fn = on_connection;
        s->listeners[i].watch.events = LOOP_READ;
    }
    return resume_accept(s, err);
}

void acceptor_stop(struct http_server *s)
{
    for (unsigned i = 0; i < s->listener_count; i++) {
        struct loop_watch *watch = &s->listeners[i].watch;
        if (watch->fd < 0) continue;
        loop_watch_remove(s->loops[0].loop, watch);
        socket_close(watch->fd);
        watch->fd = -1;
    }
}
