/* SPDX-License-Identifier: Apache-2.0 */
#include "net/router.h"

#include "base/arena.h"
#include "base/assert.h"
#include "codec/url.h"
#include "os/crash.h"

enum { ROUTER_BYTES_MAX = 16 << 20, SEGMENTS_MAX = 32 };

struct route_entry {
    struct route_entry *next;
    const struct http_route *route;
    struct str pattern; /* with the prefix it was added under */
};

struct node {
    struct node *next; /* sibling */
    struct node *children;
    struct str literal;
    struct node *param;         /* ":name" */
    struct node *rest;          /* "*name" */
    struct route_entry *routes; /* whose pattern ends here */
};

struct router {
    struct router_options options;
    struct arena arena;
    struct node root;
};

/* What slot 0 of a routed exchange points to. */
struct routed {
    const struct route_entry *entry;
    const struct http_route *route;
    struct str values[ROUTER_PARAMS_MAX];
    uint32_t count;
};

/* ---- building ------------------------------------------------------------------------------ */

enum err_code router_create(const struct router_options *options, struct router **out,
                            struct err *err)
{
    struct router *r = mem_zalloc(options->mem, MEM_SYSTEM, sizeof *r);
    if (!r) return err_set(err, ERR_NOMEM, "no memory for the router");
    r->options = *options;
    arena_init(&r->arena, mem_source_of(options->mem, MEM_SYSTEM), ROUTER_BYTES_MAX);
    *out = r;
    return ERR_OK;
}

void router_destroy(struct router *r)
{
    if (!r) return;
    struct mem_budget *mem = r->options.mem;
    arena_deinit(&r->arena);
    mem_free(mem, MEM_SYSTEM, r, sizeof *r);
}

struct arena *router_arena(struct router *r)
{
    return &r->arena;
}

static struct node *child_for(struct router *r, struct node *parent, struct str segment)
{
    struct node **link = &parent->children;
    if (segment.len > 0 && segment.ptr[0] == ':') {
        link = &parent->param;
    } else if (segment.len > 0 && segment.ptr[0] == '*') {
        link = &parent->rest;
    } else {
        while (*link && !str_eq((*link)->literal, segment))
            link = &(*link)->next;
    }
    if (!*link) {
        *link = arena_new(&r->arena, struct node);
        if (*link) (*link)->literal = segment;
    }
    return *link;
}

static bool is_parameter(struct str segment)
{
    return segment.len > 0 && (segment.ptr[0] == ':' || segment.ptr[0] == '*');
}

/* A pattern begins with '/', names its parameters, has few enough, and "*" only at the end. */
static bool is_pattern(struct str pattern)
{
    if (pattern.len == 0 || pattern.ptr[0] != '/') return false;
    struct str rest = str_sub(pattern, 1, pattern.len);
    struct str segment;
    unsigned segments = 0;
    unsigned params = 0;
    bool had_rest = false;
    while (str_split(&rest, '/', &segment)) {
        if (had_rest || (is_parameter(segment) && segment.len == 1)) return false;
        had_rest = segment.len > 0 && segment.ptr[0] == '*';
        params += is_parameter(segment) ? 1 : 0;
        segments++;
    }
    return segments <= SEGMENTS_MAX && params <= ROUTER_PARAMS_MAX;
}

static enum err_code add_route(struct router *r, struct str prefix, const struct http_route *route,
                               struct err *err)
{
    struct str tail = str_of_z(route->pattern);
    struct str pattern = arena_printf(&r->arena, STR_FMT STR_FMT, STR_ARG(prefix), STR_ARG(tail));
    if (!pattern.ptr) return err_set(err, ERR_NOMEM, "no memory for a route");
    if (!is_pattern(pattern)) {
        return err_setf(err, ERR_INVALID, "malformed route pattern", STR_FMT, STR_ARG(pattern));
    }
    struct node *node = &r->root;
    struct str rest = str_sub(pattern, 1, pattern.len);
    struct str segment;
    while (node && str_split(&rest, '/', &segment))
        node = child_for(r, node, segment);
    struct route_entry *entry = arena_new(&r->arena, struct route_entry);
    if (!node || !entry) return err_set(err, ERR_NOMEM, "no memory for a route");
    for (const struct route_entry *e = node->routes; e; e = e->next) {
        if (!(e->route->methods & route->methods)) continue;
        return err_setf(err, ERR_CONFLICT, "two routes for one method and pattern", STR_FMT,
                        STR_ARG(pattern));
    }
    *entry = (struct route_entry){ .next = node->routes, .route = route, .pattern = pattern };
    node->routes = entry;
    return ERR_OK;
}

enum err_code router_add(struct router *r, struct str prefix, const struct http_route *routes,
                         size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        TRY(add_route(r, prefix, &routes[i], err));
    return ERR_OK;
}

/* ---- matching ------------------------------------------------------------------------------ */

struct match {
    struct str segments[SEGMENTS_MAX]; /* decoded */
    size_t offsets[SEGMENTS_MAX];      /* of each in the path as sent */
    uint32_t segment_count;
    struct str path;
    struct str values[ROUTER_PARAMS_MAX];
    uint32_t value_count;
};

static bool is_dots(struct str s)
{
    return str_eq(s, STR(".")) || str_eq(s, STR(".."));
}

/* Cut the path into decoded segments. Those beyond SEGMENTS_MAX can only be part of a "*rest". */
static bool split_path(struct match *m, struct str path, struct arena *arena)
{
    m->path = path;
    struct str rest = str_sub(path, 1, path.len);
    struct str segment;
    while (str_split(&rest, '/', &segment)) {
        if (is_dots(segment)) return false;
        if (m->segment_count == SEGMENTS_MAX) continue;
        uint32_t i = m->segment_count++;
        m->offsets[i] = (size_t)(segment.ptr - path.ptr);
        m->segments[i] = segment;
        if (!memchr(segment.ptr, '%', segment.len)) continue;
        if (url_decode(segment, URL_PATH, arena, &m->segments[i], NULL) != ERR_OK) return false;
        if (is_dots(m->segments[i])) return false;
    }
    return true;
}

static const struct node *match_from(struct match *m, const struct node *node, uint32_t index);

static const struct node *match_literal(struct match *m, const struct node *node, uint32_t index)
{
    for (const struct node *child = node->children; child; child = child->next) {
        if (str_eq(child->literal, m->segments[index])) return match_from(m, child, index + 1);
    }
    return NULL;
}

static const struct node *match_param(struct match *m, const struct node *node, uint32_t index)
{
    if (!node->param || m->segments[index].len == 0) return NULL;
    uint32_t value_count = m->value_count;
    m->values[m->value_count++] = m->segments[index];
    const struct node *found = match_from(m, node->param, index + 1);
    if (!found) m->value_count = value_count;
    return found;
}

/* Depth is bounded by the patterns (SEGMENTS_MAX). */
static const struct node *match_from(struct match *m, const struct node *node, uint32_t index)
{
    if (index == m->segment_count) return node->routes ? node : NULL;
    const struct node *found = match_literal(m, node, index);
    if (!found) found = match_param(m, node, index);
    if (found || !node->rest) return found;
    m->values[m->value_count++] = str_sub(m->path, m->offsets[index], m->path.len);
    return node->rest;
}

static bool serves(const struct http_route *route, enum http_method method)
{
    if (route->methods & HTTP_BIT(method)) return true;
    return method == HTTP_HEAD && (route->methods & HTTP_BIT(HTTP_GET));
}

/* ---- answers of the router ------------------------------------------------------------------ */

static void answer_not_found(struct http_exchange *ex)
{
    http_exchange_add_header(ex,
                             (struct http_header)HTTP_HEADER("X-Content-Type-Options", "nosniff"));
    http_exchange_answer_text(ex, 404, STR("404 page not found\n"));
}

/* "GET, HEAD, POST": the methods of all routes at the node. */
static struct str allowed_methods(struct http_exchange *ex, const struct node *node)
{
    uint32_t methods = HTTP_BIT(HTTP_OPTIONS);
    for (const struct route_entry *e = node->routes; e; e = e->next)
        methods |= e->route->methods;
    if (methods & HTTP_BIT(HTTP_GET)) methods |= HTTP_BIT(HTTP_HEAD);
    struct str text = { 0 };
    for (unsigned i = 0; i < HTTP_METHOD_OTHER; i++) {
        if (!(methods & HTTP_BIT(i))) continue;
        struct str name = http_method_text((enum http_method)i);
        text = arena_printf(http_exchange_arena(ex), STR_FMT "%s" STR_FMT, STR_ARG(text),
                            text.len > 0 ? ", " : "", STR_ARG(name));
    }
    return text;
}

static void answer_other_method(struct http_exchange *ex, const struct node *node)
{
    struct http_header allow = { STR("Allow"), allowed_methods(ex, node) };
    if (allow.value.ptr) http_exchange_add_header(ex, allow);
    bool is_options = http_exchange_request(ex)->method == HTTP_OPTIONS;
    if (is_options) {
        http_exchange_answer(ex, &(struct http_answer){ .status = 204 });
    } else {
        http_exchange_answer_text(ex, 405, STR("Method Not Allowed\n"));
    }
}

/* Source: Prometheus util/httputil/cors.go. */
static void add_cors(const struct router *r, struct http_exchange *ex)
{
    static const struct http_header VARY = HTTP_HEADER("Vary", "Origin");
    static const struct http_header HEADERS[] = {
        HTTP_HEADER("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Origin"),
        HTTP_HEADER("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
        HTTP_HEADER("Access-Control-Expose-Headers", "Date"),
    };
    http_exchange_add_header(ex, VARY);
    struct str origin = http_exchange_request(ex)->origin;
    if (origin.len == 0) return;
    bool is_open = !r->options.allow_origin;
    if (!is_open && !r->options.allow_origin(r->options.ctx, origin)) return;
    struct http_header allow = { STR("Access-Control-Allow-Origin"), is_open ? STR("*") : origin };
    http_exchange_add_header(ex, allow);
    for (size_t i = 0; i < sizeof HEADERS / sizeof HEADERS[0]; i++) {
        http_exchange_add_header(ex, HEADERS[i]);
    }
}

/* Could a page of another site have made the browser send this without asking first? */
static bool is_cross_site_form(const struct http_request *req)
{
    if (req->origin.len == 0) return false;
    struct str host = req->origin;
    size_t scheme = str_find(host, STR("://"));
    if (scheme < host.len) host = str_sub(host, scheme + 3, host.len);
    if (str_eq_nocase(host, req->host)) return false;
    struct str type = http_media_type(req->content_type);
    return type.len == 0 || str_eq_nocase(type, STR("application/x-www-form-urlencoded")) ||
           str_eq_nocase(type, STR("multipart/form-data")) ||
           str_eq_nocase(type, STR("text/plain"));
}

/* ---- handler ------------------------------------------------------------------------------- */

/* The match becomes the exchange's; false after answering. */
static bool take_route(struct http_exchange *ex, const struct match *m,
                       const struct route_entry *entry)
{
    const struct http_route *route = entry->route;
    struct routed *routed = arena_new(http_exchange_arena(ex), struct routed);
    if (!routed) {
        http_exchange_answer_text(ex, 503, STR("out of memory"));
        return false;
    }
    routed->entry = entry;
    routed->route = route;
    routed->count = m->value_count;
    memcpy(routed->values, m->values, sizeof routed->values);
    http_exchange_set_slot(ex, 0, routed);
    if (route->body_bytes_max > 0) http_exchange_set_body_limit(ex, route->body_bytes_max);
    if ((route->flags & HTTP_ROUTE_STATE_CHANGING) &&
        is_cross_site_form(http_exchange_request(ex))) {
        http_exchange_answer_text(ex, 403, STR("cross-site request refused\n"));
        return false;
    }
    return true;
}

static void route_begin(void *ctx, struct http_exchange *ex)
{
    struct router *r = ctx;
    const struct http_request *req = http_exchange_request(ex);
    struct match m = { 0 };
    const struct node *node = NULL;
    bool is_star = str_eq(req->path, STR("*"));
    if (!is_star && split_path(&m, req->path, http_exchange_arena(ex))) {
        node = match_from(&m, &r->root, 0);
    }
    const struct route_entry *entry = node ? node->routes : NULL;
    bool is_cors = entry && (entry->route->flags & HTTP_ROUTE_CORS);
    if (is_cors) add_cors(r, ex);
    while (entry && !serves(entry->route, req->method))
        entry = entry->next;
    if (node && !entry) {
        answer_other_method(ex, node);
        return;
    }
    if (!node && req->method == HTTP_OPTIONS) {
        add_cors(r, ex);
        http_exchange_answer(ex, &(struct http_answer){ .status = 204 });
        return;
    }
    if (!entry) {
        answer_not_found(ex);
        return;
    }
    if (!take_route(ex, &m, entry)) return;
    if (r->options.guard) (void)r->options.guard(r->options.ctx, ex, router_route(ex));
}

static void route_serve(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    const struct http_route *route = router_route(ex);
    ASSERT(route);
    struct err err = { 0 };
    if (!(route->flags & HTTP_ROUTE_RAW_BODY)) {
        enum err_code rc = http_exchange_decode_body(ex, &err);
        if (rc != ERR_OK) {
            http_exchange_answer_text(ex, http_status_of_err(rc), str_of_z(err.msg));
            return;
        }
    }
    crash_task_set(route->pattern);
    route->serve(route->ctx, ex);
    crash_task_set(NULL);
}

struct http_handler router_handler(struct router *r)
{
    return (struct http_handler){ .ctx = r, .begin = route_begin, .serve = route_serve };
}

/* ---- for handlers --------------------------------------------------------------------------- */

const struct http_route *router_route(const struct http_exchange *ex)
{
    const struct routed *routed = http_exchange_slot(ex, 0);
    return routed ? routed->route : NULL;
}

struct str router_param(const struct http_exchange *ex, struct str name)
{
    const struct routed *routed = http_exchange_slot(ex, 0);
    if (!routed || !routed->entry) return (struct str){ 0 };
    struct str rest = routed->entry->pattern;
    struct str segment;
    uint32_t index = 0;
    while (index < routed->count && str_split(&rest, '/', &segment)) {
        if (!is_parameter(segment)) continue;
        if (str_eq(str_sub(segment, 1, segment.len), name)) return routed->values[index];
        index++;
    }
    return (struct str){ 0 };
}
