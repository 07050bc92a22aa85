/* SPDX-License-Identifier: Apache-2.0
 *
 * http_server - one port for HTTP/1.1, h2c with prior knowledge, and TLS with ALPN (h2, http/1.1).
 *
 *   listener --accept--> least loaded loop --first bytes--> TLS | h2 | HTTP/1.1
 *                                                              |
 *                request complete: handler.serve(exchange), which answers now or later
 *
 * Life of an exchange
 *   1. handler.begin (optional) runs when the head is complete, before the body is read: it may
 *      lower or raise the body limit, or answer at once (401, 413, 429, 503): the body is then not
 *      read.
 *   2. handler.serve runs on the loop's thread with the whole body in memory. It must be short (2
 *      ms); longer work goes to a pool or continues with http_exchange_continue().
 *   3. The handler finishes the exchange exactly once, on any thread: http_exchange_answer(), or
 *      http_exchange_start(), http_exchange_write() ..., http_exchange_end(). After that call the
 *      exchange is dead to the handler. Until then it stays valid whatever the client does.
 *   4. When the client goes away first, http_exchange_is_closed() turns true and the close callback
 *      runs; the handler must still finish the exchange (the answer is dropped). The end of the
 *      client's stream while an exchange runs counts as going away (as Go's server does): a client
 *      that half-closes gets its answer only if the handler does not give up.
 *
 * Threads    One thread per loop, created by http_server_start(). Accepting runs on loop 0.
 *            Connection state is touched by its loop only. An exchange is shared between its loop
 *            and one handler thread; its functions say which thread may call them ("any": the loop
 *            or the handler thread, never two at once).
 * Memory     MEM_NETWORK: connections and their buffers, copies of answers. MEM_INGEST: request
 *            bodies and the exchange's arena. A body taken by an answer stays charged to whoever
 *            made it. An idle HTTP/1.1 connection costs under 1 KiB, with TLS about 12 KiB more, h2
 *            about 28 KiB (nghttp2 holds a frame buffer).
 * Failure    Out of budget: 503 with Retry-After, connection closed. Every refusal is counted by
 *            reason.
 */
#ifndef PHAROS_NET_HTTP_SERVER_H
#define PHAROS_NET_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/stats.h"
#include "base/str.h"
#include "net/http.h"
#include "os/clock.h"
#include "os/log.h"
#include "os/mem.h"
#include "os/socket.h"

struct loop;
struct tls_context;
struct http_server;
struct http_exchange;

/* ---- handler ----------------------------------------------------------------------------- */

struct http_handler {
    void *ctx;
    /* Optional. Head complete, body not read yet. May call http_exchange_set_body_limit() or
     * answer. */
    void (*begin)(void *ctx, struct http_exchange *ex);
    /* Request complete. */
    void (*serve)(void *ctx, struct http_exchange *ex);
};

/* ---- exchange: the request --------------------------------------------------------------- */

/* Any thread. Valid until the exchange is finished. */
const struct http_request *http_exchange_request(const struct http_exchange *ex);
/* Memory that lives as long as the exchange, charged to MEM_INGEST, cap 192 MiB. Any thread. */
struct arena *http_exchange_arena(struct http_exchange *ex);
const struct http_limits *http_exchange_limits(const struct http_exchange *ex);
/* mono_ns at which the first byte of the request was read. */
uint64_t http_exchange_start_ns(const struct http_exchange *ex);
/* Only from handler.begin. */
void http_exchange_set_body_limit(struct http_exchange *ex, uint64_t bytes_max);
/* Two words for whoever routes (router.h uses slot 0, its routes may use slot 1). Any thread. */
void *http_exchange_slot(const struct http_exchange *ex, unsigned index);
void http_exchange_set_slot(struct http_exchange *ex, unsigned index, void *value);
/* Add a header to whatever answer will be sent (CORS, WWW-Authenticate). name and value must live
 * as long as the exchange (literals or its arena). Dropped silently beyond 8. Before the answer is
 * started; any thread. */
void http_exchange_add_header(struct http_exchange *ex, struct http_header header);
/* Replace request->body by its decoded form according to Content-Encoding, in memory of the
 * exchange. Identity: nothing to do. On error the request is unchanged; codes as
 * http_body_decode(). Any thread. */
CHECK_RESULT enum err_code http_exchange_decode_body(struct http_exchange *ex, struct err *err);

/* Has the client gone away (or the server begun to stop)? Any thread, one relaxed load: call it
 * often. */
bool http_exchange_is_closed(const struct http_exchange *ex);
/* `fn` runs once on the loop's thread when the client goes away before the exchange is finished;
 * never after the finishing call has returned. It may flag and wake, and must not block. NULL
 * removes it. Returns false, and does not register, when the client is gone already. Any thread. */
bool http_exchange_on_close(struct http_exchange *ex, void (*fn)(void *ctx), void *ctx);
/* Run `fn` on the exchange's loop in a later turn, after the other connections had theirs. Any
 * thread; one at a time. */
void http_exchange_continue(struct http_exchange *ex,
                            void (*fn)(void *ctx, struct http_exchange *ex), void *ctx);

/* ---- exchange: the answer ---------------------------------------------------------------- */

enum http_answer_flags {
    HTTP_ANSWER_COMPRESS = 1,    /* as the client accepts it, when the body has 1 kB or more */
    HTTP_ANSWER_STATIC_BODY = 2, /* body lives as long as the server: not copied */
    HTTP_ANSWER_CLOSE = 4,       /* close the connection afterwards (HTTP/1.1) */
};

struct http_answer {
    unsigned status; /* 200..599 */
    uint32_t flags;
    const struct http_header
        *headers; /* copied; no Content-Length, Date, Connection, Transfer-Encoding */
    uint32_t header_count;
    struct str content_type; /* empty: no such header */
    struct bytes body;       /* copied unless HTTP_ANSWER_STATIC_BODY */
    struct buf *take_body;   /* or: a buffer to take over without copying; it is left empty */
    const struct http_header *trailers; /* h2 only, copied; not with http_exchange_start() */
    uint32_t trailer_count;
};

/* Answer with a whole body and finish. HEAD sends the head only. Any thread. */
void http_exchange_answer(struct http_exchange *ex, const struct http_answer *answer);
/* The same with a short text, "text/plain; charset=utf-8". */
void http_exchange_answer_text(struct http_exchange *ex, unsigned status, struct str text);

/* Start a streamed answer (chunked on HTTP/1.1, DATA frames on h2). `answer` gives status, flags,
 * headers and content_type; with HTTP_ANSWER_COMPRESS the stream is compressed. Any thread. */
void http_exchange_start(struct http_exchange *ex, const struct http_answer *answer);
/* Append to the answer. Waits while more than answer_queue_bytes_max are queued, until
 * `deadline_ns` (mono_ns). Handler threads only, never the loop. ERR_CANCELLED: the client is gone;
 * ERR_TIMEOUT; ERR_NOMEM. After an error only http_exchange_abort() makes sense. */
CHECK_RESULT enum err_code http_exchange_write(struct http_exchange *ex, struct bytes data,
                                               uint64_t deadline_ns, struct err *err);
/* Append without waiting; ERR_BUSY when the queue is full: nothing was taken, and `writable` of
 * http_exchange_on_writable() runs once when half of it is free again. Any thread. */
CHECK_RESULT enum err_code http_exchange_try_write(struct http_exchange *ex, struct bytes data,
                                                   struct err *err);
/* Runs on the loop. Same rules as the close callback. */
void http_exchange_on_writable(struct http_exchange *ex,
                               void (*fn)(void *ctx, struct http_exchange *ex), void *ctx);
/* Finish a streamed answer. Trailers are sent on h2 and, on HTTP/1.1, only when the client said
 * "TE: trailers". Any thread. */
void http_exchange_end(struct http_exchange *ex, const struct http_header *trailers,
                       uint32_t trailer_count);
/* Finish by breaking the stream off (close, or RST_STREAM), so that the client cannot mistake a
 * part for the whole. Before any answer was started it answers 500. Any thread. */
void http_exchange_abort(struct http_exchange *ex);

/* ---- server ------------------------------------------------------------------------------ */

enum http_reject {
    HTTP_REJECT_BAD_REQUEST,        /* 400: grammar */
    HTTP_REJECT_SMUGGLING,          /* 400: ambiguous framing */
    HTTP_REJECT_TARGET_TOO_LONG,    /* 414 */
    HTTP_REJECT_HEAD_TOO_LARGE,     /* 431: bytes */
    HTTP_REJECT_TOO_MANY_HEADERS,   /* 431: count */
    HTTP_REJECT_BODY_TOO_LARGE,     /* 413: as sent */
    HTTP_REJECT_DECODED_TOO_LARGE,  /* 413: decoded size or ratio */
    HTTP_REJECT_BAD_ENCODING,       /* 400: damaged compressed body */
    HTTP_REJECT_UNSUPPORTED_CODING, /* 415, or 501 for a transfer coding */
    HTTP_REJECT_VERSION,            /* 505 */
    HTTP_REJECT_EXPECTATION,        /* 417 */
    HTTP_REJECT_HEAD_TIMEOUT,       /* 408 */
    HTTP_REJECT_REQUEST_TIMEOUT,    /* 408 */
    HTTP_REJECT_BODY_TOO_SLOW,      /* 408 */
    HTTP_REJECT_WRITE_STALL,        /* closed */
    HTTP_REJECT_CONNECTIONS,        /* accepting paused */
    HTTP_REJECT_PEER_CONNECTIONS,   /* closed */
    HTTP_REJECT_MEMORY,             /* 503 */
    HTTP_REJECT_TLS,                /* handshake failed */
    HTTP_REJECT_H2_PROTOCOL,        /* GOAWAY */
    HTTP_REJECT_H2_RESETS,          /* GOAWAY: reset flood */
    HTTP_REJECT_COUNT
};
/* "body_too_large" ...: the value of the label `reason`. */
const char *http_reject_name(enum http_reject reason);

struct http_server_stats {
    struct stat_counter connections_total, tls_connections_total, h2_connections_total;
    struct stat_gauge connections, exchanges;
    struct stat_counter requests_1xx_to_2xx, requests_3xx, requests_4xx,
        requests_5xx;              /* answers by class */
    struct stat_counter cancelled; /* the client left first */
    struct stat_counter bytes_in, bytes_out;
    struct stat_histogram duration; /* first byte read to last byte of the answer queued */
    struct stat_counter rejected[HTTP_REJECT_COUNT];
};

struct http_server_options {
    struct mem_budget *mem;
    const struct clock *clock;
    const struct log *log; /* NULL: silent */
    struct http_limits limits;
    unsigned loop_count; /* 0: one per CPU */
};

struct http_listen_options {
    struct str addr;             /* as socket_listen() */
    struct tls_context *tls;     /* NULL: plain only. Otherwise a connection that begins with a TLS
                                    handshake gets TLS ... */
    bool is_tls_required;        /* ... and a plain one is refused when this is set */
    struct http_handler handler; /* ctx must outlive the server */
};

CHECK_RESULT enum err_code http_server_create(const struct http_server_options *options,
                                              struct http_server **out, struct err *err);
/* Bind. Before http_server_start(). `out_addr` gets the actual address; may be NULL. Errors as
 * socket_listen(). */
CHECK_RESULT enum err_code http_server_listen(struct http_server *s,
                                              const struct http_listen_options *options,
                                              char out_addr[SOCKET_ADDR_SIZE], struct err *err);
/* Start the loops and accept. */
CHECK_RESULT enum err_code http_server_start(struct http_server *s, struct err *err);
/* Stop accepting, close idle connections, and wait until the running exchanges are finished: true
 * then, false when `wait_ms` have passed. May be called again. Call from a thread that is not a
 * loop. */
bool http_server_drain(struct http_server *s, uint64_t wait_ms);
/* Drain, and cancel what still runs when `drain_ms` have passed. Blocks; on return no connection is
 * left. Exchanges that a handler still holds are closed (http_exchange_is_closed); they may still
 * go on (http_exchange_continue) until they are finished. Call from a thread that is not a loop. */
void http_server_stop(struct http_server *s, uint64_t drain_ms);
/* Stop, if that has not been done, and wait until handlers have finished the exchanges that they
 * hold: from then on nothing of a handler runs. Before what handlers use goes away. */
void http_server_finish(struct http_server *s);
/* Finishes when that has not been done. NULL is a no-op. */
void http_server_destroy(struct http_server *s);

unsigned http_server_loop_count(const struct http_server *s);
/* For heartbeats and for a client that shares a server loop. */
struct loop *http_server_loop(const struct http_server *s, unsigned index);
const struct http_limits *http_server_limits(const struct http_server *s);
struct http_server_stats *http_server_stats(struct http_server *s);
/* Descriptors and cells for /metrics. */
struct stat_table http_server_stat_table(struct http_server *s);

#endif
