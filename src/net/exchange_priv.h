/* SPDX-License-Identifier: Apache-2.0
 *
 * exchange_priv - one request and its answer, as the loop sees it.
 *
 * States     IDLE (pooled) -> READING (head known) -> SERVING (with the handler) -> STREAMING ->
 *            FINISHED. An answer of one piece goes from SERVING (or READING, when handler.begin
 *            answers) to FINISHED. FINISHED: the handler is done with it; the loop sends what is
 *            left and takes the exchange back.
 * Two ways   A finishing call on the loop, within the turn of the exchange's own connection, is
 *            rendered at once (no copies, no lock, no message). Any other call stores its parts
 *            under the lock and posts `msg` to the loop; at most one message is under way
 *            (`msg_posted`).
 * Lifetime   conn != NULL: the connection (HTTP/1.1) or the stream (h2) still wants the answer. The
 *            loop takes the exchange back when it is FINISHED, detached or sent, and no message is
 *            under way.
 */
#ifndef PHAROS_NET_EXCHANGE_PRIV_H
#define PHAROS_NET_EXCHANGE_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "net/http.h"
#include "net/http1_parser.h"
#include "net/http_server.h"
#include "os/loop.h"
#include "os/thread.h"

struct conn;
struct server_loop;
struct gzip_writer;

enum { EXCHANGE_EXTRA_HEADERS = 8, EXCHANGE_SLOTS = 2 };

enum exchange_state {
    EXCHANGE_IDLE,
    EXCHANGE_READING,
    EXCHANGE_SERVING,
    EXCHANGE_STREAMING,
    EXCHANGE_FINISHED
};

/* An answer as the protocols send it. `owner` is empty when body is borrowed or static. */
struct exchange_answer {
    unsigned status;
    uint32_t flags;
    const struct http_header *headers;
    uint32_t header_count;
    struct str content_type;
    struct bytes body;
    struct buf owner;
    enum http_coding coding; /* of the body: identity, gzip, deflate */
    bool is_stream;
    bool varies; /* would be compressed for another client */
};

struct http_exchange {
    uint32_t magic;
    /* owner: the loop */
    struct server_loop *sl;
    struct conn *conn;
    struct http_exchange *next; /* pool, or the streams of an h2 connection */
    struct http_exchange *prev;
    int32_t stream_id;    /* h2 */
    uint64_t start_ns;    /* first byte of the request */
    uint64_t progress_ns; /* h2: last byte of the answer taken */
    uint64_t body_limit_bytes;
    bool is_answer_started;     /* its head was handed to the protocol */
    bool is_answer_sent;        /* its last byte was */
    bool is_close_wanted;       /* HTTP/1.1: no keep-alive after it */
    bool is_resumable;          /* h2: the data source said "later" */
    bool is_served;             /* handler.serve was called */
    bool is_held;               /* exchange_begin() still looks at it: not given back yet */
    struct http1_fault refusal; /* h2: found while headers arrived */
    size_t head_bytes;          /* h2: counted while headers arrive */
    uint32_t headers_cap;
    struct buf sending; /* streamed bytes under way, or the copied body of an h2 answer */
    size_t sending_offset;

    /* owner: the loop until serve, then the handler until it finishes */
    struct http_request req;
    struct arena arena;
    struct buf body;
    struct buf decoded;
    void *slots[EXCHANGE_SLOTS];
    struct http_header extra[EXCHANGE_EXTRA_HEADERS];
    uint32_t extra_count;
    struct gzip_writer *gzip; /* of a compressed stream */
    struct buf packed;        /* its output, before it is queued */
    void (*continue_fn)(void *ctx, struct http_exchange *ex);
    void *continue_ctx;
    struct loop_msg continue_msg;

    /* any thread: set with release by the loop, read relaxed (a hint) */
    _Atomic bool is_closed;

    /* guarded by lock */
    struct mutex lock;
    struct cond changed; /* room in the queue, closed, or the callback returned */
    enum exchange_state state;
    struct exchange_answer answer; /* stored by a call off the loop */
    bool has_answer;               /* stored and not yet handed to the protocol */
    bool is_aborted;
    struct buf queue; /* streamed bytes */
    struct http_header *trailers;
    uint32_t trailer_count;
    bool msg_posted;
    bool wants_room;
    bool is_callback_running;
    void (*close_fn)(void *ctx);
    void *close_ctx;
    void (*writable_fn)(void *ctx, struct http_exchange *ex);
    void *writable_ctx;
    struct loop_msg msg;

    struct http_header headers[]; /* limits.header_count_max, plus 1 for h2's host */
};

/* ---- for the protocols, on the loop ------------------------------------------------------- */

/* A clean exchange in state READING; NULL: no memory. */
struct http_exchange *exchange_get(struct server_loop *sl, struct conn *conn);
/* Give back an exchange that no handler holds. */
void exchange_put(struct http_exchange *ex);
void exchange_destroy(struct http_exchange *ex);
/* The connection or stream is gone, or the client will not read the answer. The exchange is given
 * back now or when its handler finishes it; `ex` is dead to the caller. */
void exchange_detach(struct http_exchange *ex);
/* The client has left, but an answer may still be tried. */
void exchange_mark_closed(struct http_exchange *ex);
/* Move streamed bytes from the queue to ex->sending, when that is used up. Returns true when there
 * are bytes; *out_ended: the handler has finished and nothing follows. */
bool exchange_take_queue(struct http_exchange *ex, bool *out_ended);
/* Hand the complete request to the handler. */
void exchange_serve(struct http_exchange *ex);
/* Let handler.begin look at it. Returns true when it was answered. */
bool exchange_begin(struct http_exchange *ex);
/* Hand an answer to the protocol; a stream's bytes follow by exchange_take_queue(). A whole answer
 * makes `ex` dead to the caller. */
void exchange_send_answer(struct http_exchange *ex, struct exchange_answer *answer);
/* Refuse it on the server's behalf: counted, answered as text. */
void exchange_refuse(struct http_exchange *ex, const struct http1_fault *fault);
/* Count a body that could not be decoded. */
void exchange_count_decode_failure(struct http_exchange *ex, enum err_code code);
/* Count an answer by its class. */
void exchange_count_answer(struct server_loop *sl, unsigned status);
/* The last byte of the answer was queued: counts it, takes it back unless a message is under way.
 */
void exchange_done(struct http_exchange *ex);

#endif
