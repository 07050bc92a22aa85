/* SPDX-License-Identifier: Apache-2.0
 *
 * http - the vocabulary of HTTP: methods, header lists, requests, limits, content encodings.
 *
 * One request type serves HTTP/1.1 and HTTP/2. Its slices point into memory of the exchange
 * (net/http_server.h) and live as long as it does.
 *
 * Source    RFC 9110 (semantics), RFC 9112 (HTTP/1.1), RFC 9113 (HTTP/2); limits: spec
 *           reliability.md section 7.
 * Threads   Plain values.
 */
#ifndef PHAROS_NET_HTTP_H
#define PHAROS_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_PATCH,
    HTTP_METHOD_OTHER, /* a well-formed token we do not know; routes answer 405 */
    HTTP_METHOD_COUNT
};
/* Bit of a method in a route's set. */
#define HTTP_BIT(method) (1u << (method))

/* Methods are case-sensitive. */
enum http_method http_method_of(struct str text);
/* "GET" ...; "" for HTTP_METHOD_OTHER. */
struct str http_method_text(enum http_method method);

struct http_header {
    struct str name; /* any case on HTTP/1.1, lower case on HTTP/2 */
    struct str value;
};
#define HTTP_HEADER(n, v)                                                                          \
    {                                                                                              \
        .name = STR_INIT(n), .value = STR_INIT(v)                                                  \
    }

struct http_request {
    enum http_method method;
    struct str method_text;
    struct str path;  /* as sent, still percent-encoded, begins with '/'; "*" for OPTIONS * */
    struct str query; /* as sent, without the '?'; empty when absent */
    struct str host;
    struct str content_type;
    struct str content_encoding;
    struct str accept;
    struct str accept_encoding;
    struct str authorization;
    struct str origin;
    const struct http_header *headers; /* all of them, in order */
    uint32_t header_count;
    uint8_t version_major; /* 1 or 2 */
    uint8_t version_minor;
    bool is_tls;
    bool has_content_length;
    uint64_t content_length; /* declared; valid when has_content_length */
    struct bytes body;       /* as sent, or decoded (see http_body_decode, router.h) */
    struct str peer;         /* "10.0.0.7:51422" */
    struct str tls_identity; /* common name of a verified client certificate, or empty */
};

/* First header of that name (any case); a NULL ptr when absent. O(header_count). */
struct str http_request_header(const struct http_request *req, struct str name);
/* Is `token` an element of the comma-separated list (any case, parameters after ';' ignored)? */
bool http_list_has(struct str list, struct str token);
/* The q-value of a content coding in an Accept-Encoding list, 0..1000; 0 = not acceptable. */
unsigned http_coding_quality(struct str accept_encoding, struct str coding);
/* The media type of a Content-Type without parameters, blanks trimmed. Compare with
 * str_eq_nocase. */
struct str http_media_type(struct str content_type);

/* "Not Found"; "" for a status nobody knows. */
struct str http_status_text(unsigned status);
/* The one mapping of error codes to statuses for handlers without a rule of their own. */
unsigned http_status_of_err(enum err_code code);

/* ---- limits ------------------------------------------------------------------------------ */

/* All limits and time-outs of one server. http_limits_default() gives the defaults; 0 is a value
 * like any other (a limit of zero), never "unlimited". */
struct http_limits {
    uint32_t target_bytes_max;   /* 16 KiB; above: 414 */
    uint32_t head_bytes_max;     /* 64 KiB, request line and headers; above: 431 */
    uint32_t header_count_max;   /* 100; above: 431 */
    uint64_t body_bytes_max;     /* 32 MiB as sent; above: 413. A route may lower or raise it. */
    uint64_t decoded_bytes_max;  /* 32 MiB after Content-Encoding; above: 413 */
    uint32_t decoded_ratio_max;  /* 100 */
    uint64_t head_timeout_ms;    /* 10 s from the first byte to the end of the head; 408 */
    uint64_t request_timeout_ms; /* 60 s from the first byte to the end of the body; 408 */
    uint64_t body_rate_min;      /* 1 KiB/s ... */
    uint64_t body_rate_grace_ms; /* ... once a body has taken 10 s; 408 */
    uint64_t idle_timeout_ms;    /* 120 s between requests; silent close */
    uint64_t write_stall_ms;     /* 60 s in which the peer reads nothing of an answer; close */
    uint32_t connections_max;    /* 10,000; accepting pauses */
    uint32_t connections_per_peer_max; /* 1,000 of one address; the new one is closed */
    uint32_t pipelined_bytes_max;      /* 64 KiB read ahead while an exchange runs */
    uint32_t answer_queue_bytes_max;   /* 256 KiB of a streamed answer not yet taken by the peer */
    uint32_t h2_streams_max;           /* 256 concurrent streams of a connection */
    uint32_t h2_resets_max;            /* 1,000 client resets ... */
    uint64_t h2_reset_window_ms;       /* ... within 30 s close the connection */
    uint64_t sweep_ms;                 /* 500 ms: how often time-outs are looked at */
};
struct http_limits http_limits_default(void);

/* ---- content encoding -------------------------------------------------------------------- */

enum http_coding {
    HTTP_CODING_IDENTITY,
    HTTP_CODING_GZIP, /* also x-gzip */
    HTTP_CODING_DEFLATE,
    HTTP_CODING_ZSTD,
    HTTP_CODING_SNAPPY, /* block format; only handlers of remote write and Loki push decode it */
    HTTP_CODING_UNKNOWN
};
/* Of a Content-Encoding value; empty is identity, a list of several is unknown. */
enum http_coding http_coding_of(struct str content_encoding);

#endif
