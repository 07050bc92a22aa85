/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ui/ui.h"

#include <stdio.h>

#include "api/ui/assets.h"
#include "base/buf.h"
#include "base/hash.h"

#define INDEX_BYTES_MAX ((size_t)1 << 20)
#define BASE_TAG "<base href=\"/\""

static const struct ui_asset *find_asset(struct str path)
{
    size_t low = 0, high = UI_ASSET_COUNT;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(str_of_z(UI_ASSETS[middle].path), path);
        if (order == 0) return &UI_ASSETS[middle];
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* index.html with the base of the external path in its head. */
static enum err_code rebase_index(struct ui *ui, struct err *err)
{
    struct mem_budget *mem = ui->mem;
    struct str base_path = ui->base_path;
    struct str text = str_of_bytes(ui->index), tag = STR(BASE_TAG);
    size_t at = str_find(text, tag);
    if (str_eq(base_path, STR("/")) || at == text.len) return ERR_OK;
    struct buf out;
    buf_init(&out, mem_source_of(mem, MEM_SYSTEM), INDEX_BYTES_MAX);
    buf_put_str(&out, str_sub(text, 0, at));
    buf_put_lit(&out, "<base href=\"");
    buf_put_str(&out, base_path);
    buf_put_u8(&out, '"');
    buf_put_str(&out, str_sub(text, at + tag.len, text.len));
    uint8_t *copy = buf_failed(&out) ? NULL : mem_alloc(mem, MEM_SYSTEM, out.len);
    if (copy) {
        memcpy(copy, out.ptr, out.len);
        ui->index = (struct bytes){ copy, out.len };
        ui->is_owned = true;
    }
    buf_deinit(&out);
    return copy ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the page");
}

enum err_code ui_init(struct ui *ui, struct mem_budget *mem, struct str base_path, struct err *err)
{
    const struct ui_asset *index = find_asset(STR("index.html"));
    *ui = (struct ui){ .mem = mem, .base_path = base_path };
    if (!index) return ERR_OK;
    ui->index = (struct bytes){ index->plain, index->plain_size };
    TRY(rebase_index(ui, err));
    snprintf(ui->etag, sizeof ui->etag, "\"%016llx\"",
             (unsigned long long)hash64(ui->index.ptr, ui->index.len, 0));
    return ERR_OK;
}

void ui_deinit(struct ui *ui)
{
    if (ui->is_owned) {
        mem_free(ui->mem, MEM_SYSTEM, (void *)(uintptr_t)ui->index.ptr, ui->index.len);
    }
    *ui = (struct ui){ 0 };
}

static bool wants_html(const struct http_request *req)
{
    return str_find(req->accept, STR("text/html")) < req->accept.len;
}

static bool is_unchanged(const struct http_request *req, const char *etag)
{
    struct str match = http_request_header(req, STR("If-None-Match"));
    return match.len && str_find(match, str_of_z(etag)) < match.len;
}

/* Send an asset; `body` and `etag` differ from its own when index.html lives below a prefix. */
static void send(struct http_exchange *ex, const struct ui_asset *asset, struct bytes body,
                 const char *etag)
{
    const struct http_request *req = http_exchange_request(ex);
    struct http_header headers[12];
    uint32_t n = 0;
    bool is_page = !asset->is_immutable;
    headers[n++] = (struct http_header){ STR("ETag"), str_of_z(etag) };
    headers[n++] = (struct http_header)HTTP_HEADER("Vary", "Accept-Encoding");
    headers[n++] = (struct http_header){ STR("Cache-Control"),
                                         is_page ? STR("no-cache")
                                                 : STR("public, max-age=31536000, immutable") };
    headers[n++] = (struct http_header)HTTP_HEADER("X-Content-Type-Options", "nosniff");
    if (is_page) {
        headers[n++] = (struct http_header)HTTP_HEADER(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "connect-src 'self'; manifest-src 'self'; base-uri 'self'; form-action 'self'; "
            "frame-ancestors 'none'");
        headers[n++] = (struct http_header)HTTP_HEADER("Referrer-Policy", "no-referrer");
        headers[n++] = (struct http_header)HTTP_HEADER("Cross-Origin-Opener-Policy", "same-origin");
    }
    bool is_own = body.ptr == asset->plain;
    bool as_gzip = is_own && asset->gzip && http_coding_quality(req->accept_encoding, STR("gzip"));
    struct http_answer answer = { .status = 200,
                                  .flags =
                                      HTTP_ANSWER_STATIC_BODY | (is_own ? 0 : HTTP_ANSWER_COMPRESS),
                                  .content_type = str_of_z(asset->mime) };
    answer.body = as_gzip ? (struct bytes){ asset->gzip, asset->gzip_size } : body;
    if (as_gzip) headers[n++] = (struct http_header)HTTP_HEADER("Content-Encoding", "gzip");
    if (is_unchanged(req, etag)) {
        answer.status = 304;
        answer.body = (struct bytes){ NULL, 0 };
        answer.content_type = (struct str){ "", 0 };
    }
    answer.headers = headers;
    answer.header_count = n;
    http_exchange_answer(ex, &answer);
}

static void serve_page(void *ctx, struct http_exchange *ex)
{
    const struct ui *ui = ctx;
    const struct ui_asset *index = find_asset(STR("index.html"));
    const struct http_request *req = http_exchange_request(ex);
    if (!wants_html(req)) {
        if (strcmp(router_route(ex)->pattern, "/") == 0) {
            struct str query =
                arena_printf(http_exchange_arena(ex), STR_FMT "query", STR_ARG(ui->base_path));
            struct http_header location = { STR("Location"), query.ptr ? query : STR("/query") };
            struct http_answer answer = { .status = 302, .headers = &location, .header_count = 1 };
            http_exchange_answer(ex, &answer);
        } else {
            http_exchange_answer_text(ex, 404, STR("404 page not found\n"));
        }
        return;
    }
    if (!index) {
        http_exchange_answer_text(ex, 404,
                                  STR("this build has no web page; the HTTP API under "
                                      "/api/v1 works without it\n"));
        return;
    }
    send(ex, index, ui->index, ui->etag);
}

static void serve_asset(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    struct str path = arena_printf(http_exchange_arena(ex), "assets/" STR_FMT,
                                   STR_ARG(router_param(ex, STR("rest"))));
    const struct ui_asset *asset = find_asset(path);
    if (!asset) {
        http_exchange_answer_text(ex, 404, STR("404 page not found\n"));
        return;
    }
    send(ex, asset, (struct bytes){ asset->plain, asset->plain_size }, asset->etag);
}

enum err_code ui_add_routes(struct ui *ui, struct router *r, struct err *err)
{
    static const char *const PAGES[] = { "/",        "/query",       "/graph",
                                         "/targets", "/status",      "/config",
                                         "/flags",   "/tsdb-status", "/service-discovery" };
    const size_t pages = sizeof PAGES / sizeof PAGES[0];
    for (size_t i = 0; i < pages; i++) {
        ui->routes[i] = (struct http_route){ .pattern = PAGES[i],
                                             .methods = HTTP_BIT(HTTP_GET),
                                             .flags = HTTP_ROUTE_ALWAYS,
                                             .serve = serve_page,
                                             .ctx = ui };
    }
    ui->routes[pages] = (struct http_route){ .pattern = "/assets/*rest",
                                             .methods = HTTP_BIT(HTTP_GET),
                                             .flags = HTTP_ROUTE_ALWAYS,
                                             .serve = serve_asset,
                                             .ctx = ui };
    TRY(router_add(r, (struct str){ "", 0 }, ui->routes, pages + 1, err));
    struct str prefix = str_sub(ui->base_path, 0, ui->base_path.len - 1);
    return prefix.len ? router_add(r, prefix, ui->routes, pages + 1, err) : ERR_OK;
}
