/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client - outbound HTTP requests: libcurl's multi-socket interface driven by a struct loop.
 *
 * A http_call is a prepared request: URL, headers, authentication and limits are set up once, then
 * it is started as often as wanted (a scrape target is one call, started each interval). A transfer
 * borrows one of the client's curl handles while it runs, so memory follows the number of transfers
 * in flight, not the number of targets. Connections are kept and reused across calls.
 *
 * Body       Accumulated as sent (bounded), then gunzipped by codec/gzip with its own bound into
 *            the caller's buffer; curl decodes nothing.
 * Security   http and https only; redirects off unless asked for; every resolved address of a call
 *            with `is_guarded` is shown to `allow_address` before connecting, redirects and reused
 *            connections, too. TLS is verified unless told otherwise. A proxy from the environment
 *            is never used unless asked for.
 * Errors     result->code, and in result->err.detail the text that Prometheus shows for it: `Get
 *            "http://h:9100/metrics": ` (a password in the URL is hidden) followed by one of
 *            ERR_TIMEOUT  context deadline exceeded
 *            ERR_IO       dial tcp 10.0.0.7:9100: connect: connection refused
 *                         dial tcp: lookup: no such host;  EOF;  unexpected EOF; ...
 *            ERR_LIMIT    body size limit exceeded
 *            ERR_DENIED   address is not allowed;  tls: failed to verify certificate: ...
 *            ERR_INVALID  gzip: invalid data;  invalid URL: ...
 *            An HTTP status is never an error here: look at result->status.
 * Threads    Everything on the loop's thread. (A separate thread uses a separate loop and client.)
 *            Names are resolved by curl's own threads.
 * Memory     Own structures: the account given. curl's handles and connections are estimated and
 *            charged to the same account.
 */
#ifndef PHAROS_NET_HTTP_CLIENT_H
#define PHAROS_NET_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/stats.h"
#include "base/str.h"
#include "net/http.h"
#include "os/clock.h"
#include "os/mem.h"

struct loop;
struct http_client;
struct http_call;

/* An address about to be connected to. */
struct http_client_address {
    bool is_ipv6;
    uint8_t octets[16]; /* IPv4 uses the first 4 */
    uint16_t port;
};

struct http_client_options {
    struct mem_budget *mem;
    enum mem_account account;
    struct loop *loop;
    const struct clock *clock;
    struct str user_agent;    /* "Pharos/0.1.0" */
    uint32_t connections_max; /* kept open; at least the number of targets. 0: 64 */
    uint32_t transfers_max;   /* running at once; more wait in order. 0: 1,000 */
    /* Optional: may calls with is_guarded connect there? */
    bool (*allow_address)(void *ctx, const struct http_client_address *address);
    void *ctx;
};

struct http_client_stats {
    struct stat_counter calls_total, failures_total, timeouts_total, denied_total;
    struct stat_counter connects_total; /* new connections */
    struct stat_counter bytes_in, bytes_out;
    struct stat_gauge running, waiting;
};

struct http_client_tls {
    struct str ca_pem;          /* empty: the system's */
    struct str certificate_pem; /* client certificate with key_pem; empty: none */
    struct str key_pem;
    struct str
        server_name; /* SNI and verification name instead of the URL's host; empty: the URL's */
    bool insecure_skip_verify;
    bool is_tls13_only;
};

struct http_call_options {
    struct str url;
    enum http_method method;           /* GET, HEAD, POST, PUT, DELETE */
    const struct http_header *headers; /* Host, Accept, Content-Type ...; copied */
    uint32_t header_count;
    bool accept_gzip;                      /* send "Accept-Encoding: gzip" and decode */
    struct str basic_user, basic_password; /* used when basic_user is not empty */
    struct str bearer_token;               /* used when not empty */
    uint64_t timeout_ms;                   /* whole transfer; 0: 30 s */
    uint64_t connect_timeout_ms;           /* 0: as timeout_ms */
    uint64_t body_bytes_max;               /* of the answer as sent; 0: 64 MiB */
    uint64_t decoded_bytes_max;            /* 0: 64 MiB */
    bool follow_redirects;                 /* at most 10 */
    bool is_guarded; /* target from discovery or API input: allow_address decides */
    bool proxy_from_environment;
    struct str proxy_url;              /* empty: none */
    const struct http_client_tls *tls; /* copied; NULL: verify with the system's authorities */
    const char *const *wanted_headers; /* names of answer headers to keep besides Content-Type;
                                          literals, at most 6 */
    uint32_t wanted_header_count;
};

struct http_call_result {
    enum err_code code; /* ERR_OK: an answer arrived, whatever its status */
    struct err err;     /* detail: text for people, as above */
    unsigned status;
    struct bytes body;                            /* decoded; in the caller's buffer */
    uint64_t received_bytes;                      /* body as sent */
    uint64_t total_ns, connect_ns, first_byte_ns; /* curl's clock, from the start */
    bool is_new_connection;
};

CHECK_RESULT enum err_code http_client_create(const struct http_client_options *options,
                                              struct http_client **out, struct err *err);
/* Cancels what runs (their done functions are not called) and closes all connections. All calls
 * must be destroyed before. NULL is a no-op. */
void http_client_destroy(struct http_client *c);
struct http_client_stats *http_client_stats(struct http_client *c);
struct stat_table http_client_stat_table(struct http_client *c);

/* Prepare. Everything in options is copied. ERR_INVALID: URL or header; ERR_NOMEM. */
CHECK_RESULT enum err_code http_call_create(struct http_client *c,
                                            const struct http_call_options *options,
                                            struct http_call **out, struct err *err);
/* Cancels when running (done is not called). NULL is a no-op. */
void http_call_destroy(struct http_call *call);

struct http_call_start {
    struct bytes body;  /* request body; must stay valid until done. Empty: none */
    struct buf *answer; /* receives the decoded body, reset first; must stay valid until done. NULL:
                           the body is discarded */
    void (*done)(void *ctx, struct http_call *call, const struct http_call_result *result);
    void *ctx;
    /* One more header for this start only (X-Prometheus-Scrape-Timeout-Seconds changes rarely,
     * traceparent always); ptr NULL: none. */
    struct http_header header;
    uint64_t timeout_ms; /* 0: as prepared */
};
/* Run. `done` is called once, later, on the loop (never from within this call); it may start the
 * call again or destroy it. A call runs once at a time: ERR_BUSY. ERR_NOMEM. */
CHECK_RESULT enum err_code http_call_start(struct http_call *call,
                                           const struct http_call_start *start, struct err *err);
/* Stop; `done` will not be called. No-op when idle. */
void http_call_cancel(struct http_call *call);
bool http_call_is_running(const struct http_call *call);
/* Within done: a wanted header of the final answer, or a NULL ptr. */
struct str http_call_header(const struct http_call *call, struct str name);

#endif
