/* SPDX-License-Identifier: Apache-2.0
 *
 * router - from method and path to a handler.
 *
 * Patterns   "/api/v1/label/:name/values": ":name" is one non-empty segment, percent-decoded for
 *            the handler. A last segment "*rest" takes all that is left (still encoded). A literal
 *            segment wins over a parameter, a parameter over a rest. Without a trailing slash the
 *            pattern matches only without. Paths are matched as sent, segment by segment, after
 *            percent-decoding each; "." and ".." are not resolved (they match nothing).
 * Answers    404 "404 page not found\n", 405 with Allow, OPTIONS 204; CORS as Prometheus: "Vary:
 *            Origin" always, the other headers when the request has an Origin that is allowed. HEAD
 *            is served by the GET route. Bodies are decoded before the handler is called, unless
 *            the route says otherwise: 413, 400, 415.
 * Structure  A trie of segments; built once, read by all loops.
 * Threads    Building: one thread, before the server starts. Then immutable.
 * Memory     MEM_SYSTEM, one arena.
 */
#ifndef PHAROS_NET_ROUTER_H
#define PHAROS_NET_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/http.h"
#include "net/http_server.h"

#define ROUTER_PARAMS_MAX 4

enum http_route_flags {
    HTTP_ROUTE_RAW_BODY = 1,       /* leave request->body as sent (the handler decodes) */
    HTTP_ROUTE_CORS = 2,           /* cross-origin readers welcome */
    HTTP_ROUTE_STATE_CHANGING = 4, /* refuse cross-site form posts: 403 when Origin is foreign and
                                      the content type is simple */
    HTTP_ROUTE_ADMIN = 8,          /* no meaning here; for the guard */
    HTTP_ROUTE_INGEST = 16,        /* no meaning here; for the guard */
    HTTP_ROUTE_ALWAYS =
        32, /* no meaning here; for the guard: served also before ready and when overloaded */
};

struct http_route {
    const char *pattern; /* a literal; lives as long as the router */
    uint32_t methods;    /* HTTP_BIT(HTTP_GET) | ... */
    uint32_t flags;
    uint64_t body_bytes_max; /* 0: the server's */
    void (*serve)(void *ctx, struct http_exchange *ex);
    void *ctx;
    const char *name; /* for metrics and logs; NULL: the pattern */
};

struct router_options {
    struct mem_budget *mem; /* MEM_SYSTEM */
    /* Optional. Runs at the end of the head, for every matched route: authentication, tenancy,
     * readiness, admission. Returns false after it has answered the exchange itself. */
    bool (*guard)(void *ctx, struct http_exchange *ex, const struct http_route *route);
    /* Optional. Is this Origin allowed? NULL: all are ("*"). */
    bool (*allow_origin)(void *ctx, struct str origin);
    void *ctx;
};

struct router;

CHECK_RESULT enum err_code router_create(const struct router_options *options, struct router **out,
                                         struct err *err);
void router_destroy(struct router *r);
/* Add routes below `prefix` ("" or "/prometheus"; no trailing slash). The route structs are kept by
 * reference. The same pattern may be added several times with different methods. ERR_CONFLICT when
 * a pattern with a common method is there already, ERR_INVALID for a malformed pattern, ERR_NOMEM.
 */
CHECK_RESULT enum err_code router_add(struct router *r, struct str prefix,
                                      const struct http_route *routes, size_t count,
                                      struct err *err);
/* Memory that lives as long as the router, for routes that are made at run time. */
struct arena *router_arena(struct router *r);
/* For http_listen_options. */
struct http_handler router_handler(struct router *r);

/* Within a handler or guard: the route that matched. */
const struct http_route *router_route(const struct http_exchange *ex);
/* The decoded value of ":name", or the rest of "*name"; a NULL ptr when there is none. */
struct str router_param(const struct http_exchange *ex, struct str name);

#endif
