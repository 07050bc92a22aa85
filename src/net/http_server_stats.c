/* SPDX-License-Identifier: Apache-2.0
 *
 * http_server_stats - names of the server's counters.
 */
#include "base/assert.h"
#include "net/conn_priv.h"

#define REJECTS(X)                                                                                 \
    X(BAD_REQUEST, "bad_request")                                                                  \
    X(SMUGGLING, "ambiguous_framing")                                                              \
    X(TARGET_TOO_LONG, "target_too_long")                                                          \
    X(HEAD_TOO_LARGE, "head_too_large")                                                            \
    X(TOO_MANY_HEADERS, "too_many_headers")                                                        \
    X(BODY_TOO_LARGE, "body_too_large")                                                            \
    X(DECODED_TOO_LARGE, "decoded_too_large")                                                      \
    X(BAD_ENCODING, "bad_encoding")                                                                \
    X(UNSUPPORTED_CODING, "unsupported_coding")                                                    \
    X(VERSION, "version")                                                                          \
    X(EXPECTATION, "expectation")                                                                  \
    X(HEAD_TIMEOUT, "head_timeout")                                                                \
    X(REQUEST_TIMEOUT, "request_timeout")                                                          \
    X(BODY_TOO_SLOW, "body_too_slow")                                                              \
    X(WRITE_STALL, "write_stall")                                                                  \
    X(CONNECTIONS, "connections")                                                                  \
    X(PEER_CONNECTIONS, "peer_connections")                                                        \
    X(MEMORY, "memory")                                                                            \
    X(TLS, "tls")                                                                                  \
    X(H2_PROTOCOL, "h2_protocol")                                                                  \
    X(H2_RESETS, "h2_flood")

const char *http_reject_name(enum http_reject reason)
{
    static const char *const NAMES[HTTP_REJECT_COUNT] = {
#define X(id, name) [HTTP_REJECT_##id] = name,
        REJECTS(X)
#undef X
    };
    ASSERT(reason < HTTP_REJECT_COUNT);
    return NAMES[reason];
}

static const char *const REJECT_HELP = "Requests and connections refused, by reason.";
static const char *const ANSWER_HELP = "Answers sent, by class of status.";

static const struct stat_desc DESCS[] = {
    STAT_COUNTER(struct http_server_stats, connections_total, "pharos_http_connections_total",
                 "Connections accepted."),
    STAT_COUNTER(struct http_server_stats, tls_connections_total,
                 "pharos_http_tls_connections_total", "Connections with a finished TLS handshake."),
    STAT_COUNTER(struct http_server_stats, h2_connections_total, "pharos_http_h2_connections_total",
                 "Connections that speak HTTP/2."),
    STAT_GAUGE(struct http_server_stats, connections, "pharos_http_connections",
               "Open connections."),
    STAT_GAUGE(struct http_server_stats, exchanges, "pharos_http_exchanges",
               "Requests being read, served or answered."),
    STAT_COUNTER_L(struct http_server_stats, requests_1xx_to_2xx, "pharos_http_requests_total",
                   "class=\"2xx\"", ANSWER_HELP),
    STAT_COUNTER_L(struct http_server_stats, requests_3xx, "pharos_http_requests_total",
                   "class=\"3xx\"", ANSWER_HELP),
    STAT_COUNTER_L(struct http_server_stats, requests_4xx, "pharos_http_requests_total",
                   "class=\"4xx\"", ANSWER_HELP),
    STAT_COUNTER_L(struct http_server_stats, requests_5xx, "pharos_http_requests_total",
                   "class=\"5xx\"", ANSWER_HELP),
    STAT_COUNTER(struct http_server_stats, cancelled, "pharos_http_cancelled_total",
                 "Requests whose client left before the answer."),
    STAT_COUNTER(struct http_server_stats, bytes_in, "pharos_http_received_bytes_total",
                 "Bytes read from clients (after TLS)."),
    STAT_COUNTER(struct http_server_stats, bytes_out, "pharos_http_sent_bytes_total",
                 "Bytes written to clients (before TLS)."),
    STAT_HISTOGRAM(struct http_server_stats, duration, "pharos_http_request_duration_seconds",
                   "From the first byte of a request to the last byte of its answer."),
#define X(id, name)                                                                                \
    STAT_COUNTER_L(struct http_server_stats, rejected[HTTP_REJECT_##id],                           \
                   "pharos_http_rejected_total", "reason=\"" name "\"", REJECT_HELP),
    REJECTS(X)
#undef X
};

struct stat_table http_server_stat_table(struct http_server *s)
{
    return (struct stat_table){ DESCS, sizeof DESCS / sizeof DESCS[0], &s->stats };
}

struct http_server_stats *http_server_stats(struct http_server *s)
{
    return &s->stats;
}
