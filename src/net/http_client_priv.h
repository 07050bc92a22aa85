/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client_priv - what http_client.c (transfers, sockets, timers) and http_call.c (prepared
 * requests, results) share.
 *
 * A call owns the prepared request; a transfer owns the curl handle and the buffer for the body as
 * sent. A transfer is bound to a call from the start of the request until its result is known.
 */
#ifndef PHAROS_NET_HTTP_CLIENT_PRIV_H
#define PHAROS_NET_HTTP_CLIENT_PRIV_H

#include <curl/curl.h>

#include "codec/gzip.h"
#include "net/http_client.h"
#include "os/loop.h"
#include "os/socket.h"

enum {
    TRANSFER_BYTES = 48 << 10,  /* estimate of a curl handle with its buffers, charged */
    CONNECTION_BYTES = 4 << 10, /* the same of a connection, without TLS */
    TRANSFERS_KEPT = 64,        /* idle handles */
    RAW_BYTES_KEPT = 256 << 10, /* of an idle transfer's buffer */
    WANTED_HEADERS_MAX = 7,     /* the caller's 6 and Content-Type */
    EXTRA_HEADER_BYTES = 512
};

struct transfer {
    struct transfer *next; /* idle list */
    struct http_client *client;
    struct http_call *call; /* NULL: idle */
    CURL *easy;
    struct buf raw; /* gzip body as sent */
    bool is_gzip;   /* by the answer's Content-Encoding */
    bool is_over_limit;
    bool is_denied;
    bool is_out_of_memory;
    uint64_t received_bytes;
    char dialed[SOCKET_ADDR_SIZE]; /* "ip:port" that was last connected to */
    struct curl_slist extra;       /* one more header, in front of the call's */
    char extra_text[EXTRA_HEADER_BYTES];
    char error_text[CURL_ERROR_SIZE];
};

/* A socket of curl's, watched for it. */
struct client_socket {
    struct loop_watch watch;
    struct http_client *client;
    struct client_socket *next; /* free list */
};

struct http_client {
    struct http_client_options options;
    struct http_client_stats stats;
    CURLM *multi;
    struct loop_timer timer;
    struct gzip_decoder *decoder;
    struct transfer *idle;
    uint32_t idle_count;
    uint32_t running_count;
    struct client_socket *free_sockets;
    uint32_t socket_count;   /* that exist */
    uint32_t sockets_needed; /* one for each connection and one for each transfer's resolver */
    struct http_call *waiting_first, *waiting_last;
    bool is_global; /* curl_global_init() succeeded */
};

enum call_state { CALL_IDLE, CALL_WAITING, CALL_RUNNING };

struct wanted_header {
    struct str name;
    size_t offset, len; /* in call->header_text */
    bool is_present;
};

struct http_call {
    struct http_client *client;
    enum call_state state;
    struct http_call *next; /* waiting list */
    struct transfer *transfer;
    struct http_call_start start;
    /* prepared; texts are NUL-terminated and lie in `block` */
    char *block;
    size_t block_size;
    const char *url, *user, *password, *proxy, *connect_to_text, *display_url;
    struct curl_slist *headers;
    struct curl_slist connect_to;
    struct curl_blob ca, certificate, key;
    enum http_method method;
    bool accept_gzip, follow_redirects, is_guarded, proxy_from_environment, has_tls;
    bool insecure_skip_verify, is_tls13_only;
    uint64_t timeout_ms, connect_timeout_ms, body_bytes_max, decoded_bytes_max;
    /* of the last answer */
    struct wanted_header wanted[WANTED_HEADERS_MAX];
    uint32_t wanted_count;
    struct buf header_text;
};

/* ---- http_call.c --------------------------------------------------------------------------- */

/* Set all options of the transfer's handle for its call. */
CHECK_RESULT bool call_configure(struct http_call *call, struct transfer *t);

/* ---- http_call_result.c -------------------------------------------------------------------- */

/* curl's callbacks: one header line, a piece of the body. */
size_t call_on_header(char *data, size_t size, size_t count, void *transfer);
size_t call_on_body(char *data, size_t size, size_t count, void *transfer);
/* Make the result of a finished transfer. */
void call_result(struct http_call *call, struct transfer *t, CURLcode code,
                 struct http_call_result *out);

/* ---- http_client.c ------------------------------------------------------------------------- */

/* A transfer for the call is started, or the call waits for one. */
CHECK_RESULT enum err_code client_start(struct http_client *c, struct http_call *call,
                                        struct err *err);
void client_cancel(struct http_client *c, struct http_call *call);
/* curl's hooks for sockets (guarded calls are checked). */
curl_socket_t client_open_socket(void *transfer, curlsocktype purpose,
                                 struct curl_sockaddr *address);
int client_close_socket(void *client, curl_socket_t fd);
/* Guarded calls once more: a connection that is used again was opened by another call's rules. */
int client_before_request(void *transfer, char *remote_ip, char *local_ip, int remote_port,
                          int local_port);

#endif
