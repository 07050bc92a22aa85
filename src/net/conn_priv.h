/* SPDX-License-Identifier: Apache-2.0
 *
 * conn_priv - a connection, its loop and its server, as the protocols see them.
 *
 * Turn       All work on a connection happens between conn_enter() and conn_leave(). Output is
 *            staged in one buffer per loop and written by leave in one system call; only what the
 *            socket does not take is copied to the connection. Leave also destroys a connection
 *            that was marked dead. Turns do not nest.
 * Order      Output goes: pending (left over), staging, big (one large body, not copied). While
 *            `big` is not empty nothing may be put behind it; conn_is_blocked() tells.
 */
#ifndef PHAROS_NET_CONN_PRIV_H
#define PHAROS_NET_CONN_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/exchange_priv.h"
#include "net/http1_parser.h"
#include "net/http_body.h"
#include "net/http_server.h"
#include "net/peers.h"
#include "os/loop.h"
#include "os/socket.h"
#include "os/thread.h"

enum {
    CONN_MAGIC = 0x636f6e6e,
    READ_BYTES_MIN = 4 << 10,  /* appended to bytes that wait for more */
    READ_BYTES = 64 << 10,     /* per read(): the loop's shared buffer */
    STAGING_BYTES = 64 << 10,  /* output of one turn before it is written */
    TURN_BYTES = 1 << 20,      /* read or sent per connection and turn */
    TURN_REQUESTS = 64,        /* pipelined requests served per turn */
    COPY_BYTES_MAX = 16 << 10, /* bodies up to this are copied behind their head */
    LISTENERS_MAX = 16,
    HTTP_DATE_LEN = 29,
    LINGER_MS = 2000, /* after a refusal: read on, so that the client sees the answer */
    LINGER_BYTES_MAX = 4 << 20,
    POOLED_EXCHANGES_MAX = 64, /* per loop */
    POOLED_BODY_BYTES_MAX = 4 << 20
};

struct http2;
struct tls_session;

struct listener {
    struct loop_watch watch;
    struct http_server *server;
    struct tls_context *tls;
    bool is_tls_required;
    struct http_handler handler;
};

struct server_loop {
    struct http_server *server;
    struct loop *loop;
    struct thread thread;
    pthread_t self; /* set by the thread itself before it serves anything */
    unsigned index;
    /* any thread: connections assigned, for balancing */
    _Atomic uint32_t conn_count;
    /* owner: the loop */
    struct conn *conns;
    struct conn *turn; /* the connection that is being worked on */
    uint8_t *read_buf; /* READ_BYTES */
    uint8_t *staging;  /* STAGING_BYTES */
    size_t staged;
    struct http_exchange *pool;
    uint32_t pool_count;
    size_t pooled_body_bytes;
    uint32_t finished_since_sweep;
    struct loop_timer sweep;
    struct loop_msg drain_msg, cancel_msg;
    uint64_t date_ns; /* when the date was looked at */
    int64_t date_second;
    char date[HTTP_DATE_LEN + 1]; /* "Sun, 06 Nov 1994 08:49:37 GMT" */
    bool is_draining;
};

enum conn_phase {
    CONN_DETECT,    /* TLS, h2 or HTTP/1.1? */
    CONN_HANDSHAKE, /* TLS */
    CONN_HTTP1,
    CONN_HTTP2,
    CONN_LINGER
};

enum conn_deadline {
    CONN_DEADLINE_NONE,
    CONN_DEADLINE_IDLE,
    CONN_DEADLINE_HEAD,
    CONN_DEADLINE_REQUEST,
    CONN_DEADLINE_LINGER
};

enum http1_state { HTTP1_HEAD, HTTP1_BODY, HTTP1_SERVING, HTTP1_DISCARD };

struct http1 {
    enum http1_state state;
    struct http1_scan scan;
    struct http1_framing framing;
    struct http1_chunks chunks;
    struct http_exchange *ex;
    uint64_t body_left; /* of a Content-Length body still to read (or to discard) */
    uint64_t body_start_ns, body_bytes;
    bool is_stream_head; /* streamed answer: the next chunk is the first */
    bool is_stream_chunked;
    bool keeps_alive; /* after the streamed answer */
    bool is_in_input; /* http1_input() is running: it goes on by itself */
};

struct conn_out {
    struct buf pending;
    size_t pending_offset;
    struct bytes big;
    size_t big_offset;
    struct buf big_owner; /* empty: big is static */
    uint64_t progress_ns; /* last time the socket took something */
};

struct conn {
    uint32_t magic;
    struct loop_watch watch;
    struct loop_msg msg; /* from the acceptor; later: go on in the next turn */
    bool is_msg_posted;
    struct server_loop *sl;
    struct conn *prev, *next;
    const struct listener *listener;
    struct tls_session *tls;
    enum conn_phase phase;
    bool is_dead;    /* destroy at the end of the turn */
    bool is_closed;  /* destroyed but for its memory: a message is still under way */
    bool is_closing; /* destroy (or linger) when the output is written */
    bool lingers;
    bool is_peer_done; /* end of the peer's stream was read */
    bool is_read_paused;
    enum conn_deadline deadline;
    uint64_t deadline_ns;
    uint64_t first_byte_ns; /* of the request that is arriving; 0 = none */
    uint64_t linger_bytes;
    struct conn_out out;
    struct buf in; /* read but not yet understood */
    struct http1 h1;
    struct http2 *h2;
    char peer[SOCKET_ADDR_SIZE];
};

struct http_server {
    struct http_server_options options;
    struct http_limits limits;
    struct http_server_stats stats;
    struct http_codecs *codecs;
    struct peers *peers;
    struct server_loop *loops;
    unsigned loop_count;
    struct listener listeners[LISTENERS_MAX];
    unsigned listener_count;
    bool is_started;
    /* any thread */
    _Atomic uint32_t conn_count;
    _Atomic uint32_t exchange_count;
    _Atomic bool is_accept_paused;
    _Atomic bool is_stopping;
    struct loop_msg accept_msg;
    _Atomic bool is_accept_msg_posted;
    /* guarded by lock: stop() waits for counts to fall */
    struct mutex lock;
    struct cond changed;
    bool is_draining, is_stopped;
};

/* ---- conn.c: life, input, output ---------------------------------------------------------- */

/* Start serving an accepted socket on its loop. Takes the connection. */
void conn_start(struct conn *c);
void conn_enter(struct conn *c);
void conn_leave(struct conn *c);
static inline bool conn_is_in_turn(const struct conn *c);
/* Destroy at the end of the turn, without sending anything more. */
void conn_kill(struct conn *c);
/* The end to come is a reset without a close of TLS: it cannot be taken for the end of a body. */
void conn_cut(struct conn *c);
/* Output. Sticky failure: the connection is killed. */
void conn_put(struct conn *c, const void *data, size_t len);
#define conn_put_lit(c, lit) conn_put((c), "" lit, sizeof(lit) - 1)
/* A body: copied when small; otherwise sent from where it is. `owner` (may be NULL) is emptied: it
 * is freed when sent. A borrowed body that is neither owned nor static is copied as far as the
 * socket does not take it at once. */
void conn_put_body(struct conn *c, struct bytes body, struct buf *owner, bool is_static);
/* Is output waiting for the peer? Then nothing more should be produced. */
bool conn_is_blocked(const struct conn *c);
/* Write what there is. */
void conn_flush(struct conn *c);
/* Go on with this connection in the loop's next turn. */
void conn_resume_later(struct conn *c);
void conn_set_deadline(struct conn *c, enum conn_deadline kind, uint64_t from_ns, uint64_t ms);
/* Stop reading from the socket (read-ahead is full or the end was seen). */
void conn_pause_read(struct conn *c, bool paused);
/* Close after the output is written; `lingers`: read on for a moment so that a client that is still
 * sending sees the answer. */
void conn_close_after_output(struct conn *c, bool lingers);
void conn_count_reject(const struct conn *c, enum http_reject reason);
/* Fill is_tls and tls_identity. */
void conn_describe_tls(const struct conn *c, struct http_request *req);
/* Every sweep_ms. */
void conn_sweep(struct conn *c, uint64_t now_ns);
/* Close now: exchanges are detached. */
void conn_destroy(struct conn *c);

static inline bool conn_is_in_turn(const struct conn *c)
{
    return c->sl->turn == c;
}
static inline bool server_loop_is_here(const struct server_loop *sl)
{
    return pthread_equal(pthread_self(), sl->self) != 0;
}

/* ---- http_server.c ------------------------------------------------------------------------ */

/* Bring sl->date up to date. */
void server_loop_update_date(struct server_loop *sl);

/* ---- acceptor.c --------------------------------------------------------------------------- */

/* All on loop 0, but conn_gone: any thread. */
CHECK_RESULT enum err_code acceptor_start(struct http_server *s, struct err *err);
/* Every sweep_ms: accept again when that was paused and there is room. */
void acceptor_sweep(struct http_server *s);
/* A connection has ended. */
void acceptor_conn_gone(struct http_server *s, const char *peer);
/* Close the listeners. */
void acceptor_stop(struct http_server *s);

/* ---- http1.c ------------------------------------------------------------------------------ */

/* Understand bytes; returns how many were used. */
size_t http1_input(struct conn *c, struct bytes data);
/* Room to read body bytes into directly, or an empty slice: read into the loop's buffer. */
uint8_t *http1_body_room(struct conn *c, size_t *out_len);
void http1_body_arrived(struct conn *c, size_t len);
void http1_peer_done(struct conn *c);
void http1_answer(struct conn *c, struct http_exchange *ex, struct exchange_answer *answer);
/* Move streamed bytes towards the socket. */
void http1_pump(struct conn *c, struct http_exchange *ex);
void http1_abort(struct conn *c, struct http_exchange *ex);
/* The socket takes output: go on with a streamed answer. */
void http1_output_ready(struct conn *c);
void http1_sweep(struct conn *c, uint64_t now_ns);
void http1_timed_out(struct conn *c);
void http1_detach(struct conn *c);
/* Between requests: nothing read, nothing running. */
bool http1_is_idle(const struct conn *c);
/* May the server stop reading for a while? A request is running or output waits. */
bool http1_is_waiting(const struct conn *c);

/* ---- http1_answer.c ----------------------------------------------------------------------- */

enum http1_length { HTTP1_LENGTH_KNOWN, HTTP1_LENGTH_CHUNKED, HTTP1_LENGTH_CLOSE };

/* Put the head of an answer. */
void http1_put_head(struct conn *c, const struct http_exchange *ex,
                    const struct exchange_answer *answer, enum http1_length length,
                    bool keep_alive);
void http1_put_headers(struct conn *c, const struct http_header *headers, uint32_t count);
/* Put a whole answer to a request that never became an exchange. */
void http1_put_fault(struct conn *c, const struct http1_fault *fault);

/* ---- http2.c ------------------------------------------------------------------------------ */

CHECK_RESULT bool http2_start(struct conn *c);
size_t http2_input(struct conn *c, struct bytes data);
void http2_answer(struct conn *c, struct http_exchange *ex, struct exchange_answer *answer);
void http2_pump(struct conn *c, struct http_exchange *ex);
void http2_abort(struct conn *c, struct http_exchange *ex);
/* Produce frames until blocked. */
void http2_output(struct conn *c);
void http2_sweep(struct conn *c, uint64_t now_ns);
void http2_drain(struct conn *c);
void http2_detach(struct conn *c);

#endif
