/* SPDX-License-Identifier: Apache-2.0 */
#include "net/router.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/http_body.h"
#include "server_fixture.h"

#define HOST "Host: h\r\n"

/* Answers "<route name> <a> <b> <rest>": the parameters a, b and rest as far as they exist. */
static void show(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    struct str a = router_param(ex, STR("a"));
    struct str b = router_param(ex, STR("b"));
    struct str rest = router_param(ex, STR("rest"));
    struct str text =
        arena_printf(http_exchange_arena(ex), "%s [" STR_FMT "] [" STR_FMT "] [" STR_FMT "]",
                     router_route(ex)->name, STR_ARG(a), STR_ARG(b), STR_ARG(rest));
    http_exchange_answer_text(ex, 200, text);
}

static void show_body(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    http_exchange_answer_text(ex, 200, str_of_bytes(http_exchange_request(ex)->body));
}

static const struct http_route ROUTES[] = {
    { "/", HTTP_BIT(HTTP_GET), 0, 0, show, NULL, "root" },
    { "/plain", HTTP_BIT(HTTP_GET) | HTTP_BIT(HTTP_POST), 0, 0, show, NULL, "plain" },
    { "/plain", HTTP_BIT(HTTP_DELETE), 0, 0, show, NULL, "plain-delete" },
    { "/label/:a/values", HTTP_BIT(HTTP_GET), 0, 0, show, NULL, "label" },
    { "/label/special/values", HTTP_BIT(HTTP_GET), 0, 0, show, NULL, "special" },
    { "/job/:a/*rest", HTTP_BIT(HTTP_PUT), 0, 0, show, NULL, "job" },
    { "/pair/:a/:b", HTTP_BIT(HTTP_GET), 0, 0, show, NULL, "pair" },
    { "/pair/:b", HTTP_BIT(HTTP_GET), 0, 0, show, NULL, "single" },
    { "/ui/*rest", HTTP_BIT(HTTP_GET), 0, 0, show, NULL, "ui" },
    { "/open", HTTP_BIT(HTTP_GET) | HTTP_BIT(HTTP_POST), HTTP_ROUTE_CORS, 0, show, NULL, "open" },
    { "/change", HTTP_BIT(HTTP_POST), HTTP_ROUTE_STATE_CHANGING, 0, show, NULL, "change" },
    { "/guarded", HTTP_BIT(HTTP_GET), HTTP_ROUTE_ADMIN, 0, show, NULL, "guarded" },
    { "/body", HTTP_BIT(HTTP_POST), 0, 100, show_body, NULL, "body" },
    { "/raw", HTTP_BIT(HTTP_POST), HTTP_ROUTE_RAW_BODY, 0, show_body, NULL, "raw" },
};

static bool guard(void *ctx, struct http_exchange *ex, const struct http_route *route)
{
    (void)ctx;
    if (!(route->flags & HTTP_ROUTE_ADMIN)) return true;
    http_exchange_answer_text(ex, 403, STR("guarded"));
    return false;
}

static bool allow_origin(void *ctx, struct str origin)
{
    (void)ctx;
    return str_eq(origin, STR("http://good.example"));
}

struct setup {
    struct mem_budget *mem;
    struct router *router;
    struct fixture f;
};

static void start(struct setup *s, bool checks_origin)
{
    s->mem = mem_budget_create(64 << 20);
    struct err err = { 0 };
    struct router_options options = { .mem = s->mem,
                                      .guard = guard,
                                      .allow_origin = checks_origin ? allow_origin : NULL };
    ck_assert_int_eq(router_create(&options, &s->router, &err), ERR_OK);
    ck_assert_int_eq(router_add(s->router, STR(""), ROUTES, sizeof ROUTES / sizeof ROUTES[0], &err),
                     ERR_OK);
    ck_assert_int_eq(router_add(s->router, STR("/prefix"), ROUTES + 1, 1, &err), ERR_OK);
    struct fixture_options fixture = { .limits = http_limits_default(),
                                       .handler = router_handler(s->router) };
    s->f = fixture_start(&fixture);
}

static void stop(struct setup *s)
{
    fixture_stop(&s->f);
    router_destroy(s->router);
    ck_assert_uint_eq(mem_live_count(s->mem), 0);
    mem_budget_destroy(s->mem);
}

static struct answer ask(struct setup *s, const char *method, const char *path, const char *more)
{
    char request[1024];
    (void)snprintf(request, sizeof request, "%s %s HTTP/1.1\r\n" HOST "%s\r\n", method, path, more);
    return client_exchange(&s->f, str_of_z(request));
}

static const struct {
    const char *method;
    const char *path;
    unsigned status;
    const char *body;
} PATHS[] = {
    { "GET", "/", 200, "root [] [] []" },
    { "GET", "/plain", 200, "plain [] [] []" },
    { "POST", "/plain?x=1", 200, "plain [] [] []" },
    { "DELETE", "/plain", 200, "plain-delete [] [] []" },
    { "GET", "/pl%61in", 200, "plain [] [] []" },
    { "GET", "/plain/", 404, "404 page not found\n" },
    { "GET", "//plain", 404, "404 page not found\n" },
    { "GET", "/plai", 404, "404 page not found\n" },
    { "GET", "/Plain", 404, "404 page not found\n" },
    { "PATCH", "/plain", 405, "Method Not Allowed\n" },
    { "BREW", "/plain", 405, "Method Not Allowed\n" },
    { "GET", "/prefix/plain", 200, "plain [] [] []" },
    { "GET", "/prefix", 404, "404 page not found\n" },
    { "GET", "/label/job/values", 200, "label [job] [] []" },
    { "GET", "/label/a%2Fb%20c/values", 200, "label [a/b c] [] []" },
    { "GET", "/label/special/values", 200, "special [] [] []" },
    { "GET", "/label//values", 404, "404 page not found\n" },
    { "GET", "/label/x", 404, "404 page not found\n" },
    { "GET", "/label/x/values/y", 404, "404 page not found\n" },
    { "GET", "/label/%zz/values", 404, "404 page not found\n" },
    { "GET", "/label/../values", 404, "404 page not found\n" },
    { "GET", "/label/%2e%2E/values", 404, "404 page not found\n" },
    { "PUT", "/job/j/instance/i%2F", 200, "job [j] [] [instance/i%2F]" },
    { "PUT", "/job/j/", 200, "job [j] [] []" },
    { "PUT", "/job/j", 404, "404 page not found\n" },
    { "GET", "/pair/x/y", 200, "pair [x] [y] []" },
    { "GET", "/pair/x", 200, "single [] [x] []" },
    { "GET", "/ui/a/b/c", 200, "ui [] [] [a/b/c]" },
    { "GET", "/ui/../secret", 404, "404 page not found\n" },
    { "GET",
      "/ui/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/"
      "33/34",
      200,
      "ui [] [] "
      "[1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33/"
      "34]" },
    { "GET", "/guarded", 403, "guarded" },
};

START_TEST(path_finds_its_route)
{
    struct setup s;
    start(&s, false);
    struct answer a = ask(&s, PATHS[_i].method, PATHS[_i].path, "");
    ck_assert_uint_eq(a.status, PATHS[_i].status);
    ck_assert_str_eq(a.body, PATHS[_i].body);
    if (a.status == 405) {
        ck_assert(str_eq(answer_header(&a, "Allow"), STR("GET, HEAD, POST, DELETE, OPTIONS")));
    }
    answer_free(&a);
    stop(&s);
}
END_TEST

START_TEST(head_is_served_by_get)
{
    struct setup s;
    start(&s, false);
    struct answer a = ask(&s, "HEAD", "/plain", "");
    ck_assert_uint_eq(a.status, 200);
    ck_assert(str_eq(answer_header(&a, "Content-Length"), STR("14")));
    stop(&s);
}
END_TEST

START_TEST(options_are_answered)
{
    struct setup s;
    start(&s, false);
    struct answer a = ask(&s, "OPTIONS", "/open", "Origin: http://x.example\r\n");
    ck_assert_uint_eq(a.status, 204);
    ck_assert(str_eq(answer_header(&a, "Access-Control-Allow-Origin"), STR("*")));
    ck_assert(str_eq(answer_header(&a, "Access-Control-Allow-Methods"), STR("GET, POST, OPTIONS")));
    ck_assert(str_eq(answer_header(&a, "Access-Control-Allow-Headers"),
                     STR("Accept, Authorization, Content-Type, Origin")));
    ck_assert(str_eq(answer_header(&a, "Access-Control-Expose-Headers"), STR("Date")));
    a = ask(&s, "OPTIONS", "/anything", "");
    ck_assert_uint_eq(a.status, 204);
    a = ask(&s, "OPTIONS", "*", "");
    ck_assert_uint_eq(a.status, 204);
    stop(&s);
}
END_TEST

START_TEST(cross_origin_headers_follow_the_rule)
{
    struct setup s;
    start(&s, true);
    struct answer a = ask(&s, "GET", "/open", "Origin: http://good.example\r\n");
    ck_assert(str_eq(answer_header(&a, "Vary"), STR("Origin")));
    ck_assert(str_eq(answer_header(&a, "Access-Control-Allow-Origin"), STR("http://good.example")));
    answer_free(&a);
    a = ask(&s, "GET", "/open", "Origin: http://bad.example\r\n");
    ck_assert(str_eq(answer_header(&a, "Vary"), STR("Origin")));
    ck_assert_ptr_null(answer_header(&a, "Access-Control-Allow-Origin").ptr);
    answer_free(&a);
    a = ask(&s, "GET", "/plain", "Origin: http://good.example\r\n");
    ck_assert_ptr_null(answer_header(&a, "Vary").ptr);
    answer_free(&a);
    stop(&s);
}
END_TEST

static const struct {
    const char *headers;
    unsigned status;
} FORMS[] = {
    { "Content-Length: 0\r\n", 200 },
    { "Content-Length: 0\r\nOrigin: http://h\r\n", 200 },
    { "Content-Length: 0\r\nOrigin: http://evil.example\r\n", 403 },
    { "Content-Length: 0\r\nOrigin: null\r\n", 403 },
    { "Content-Length: 0\r\nOrigin: http://evil.example\r\nContent-Type: text/plain; x=1\r\n",
      403 },
    { "Content-Length: 0\r\nOrigin: http://evil.example\r\nContent-Type: "
      "application/x-www-form-urlencoded\r\n",
      403 },
    { "Content-Length: 0\r\nOrigin: http://evil.example\r\nContent-Type: application/json\r\n",
      200 },
};

START_TEST(cross_site_forms_are_refused)
{
    struct setup s;
    start(&s, false);
    struct answer a = ask(&s, "POST", "/change", FORMS[_i].headers);
    ck_assert_uint_eq(a.status, FORMS[_i].status);
    answer_free(&a);
    stop(&s);
}
END_TEST

/* ---- bodies ------------------------------------------------------------------------------- */

static struct answer post(struct setup *s, const char *path, const char *coding, struct bytes body)
{
    char head[512];
    (void)snprintf(head, sizeof head,
                   "POST %s HTTP/1.1\r\n" HOST
                   "Content-Encoding: %s\r\nContent-Length: %zu\r\n\r\n",
                   path, coding, body.len);
    int fd = client_connect(&s->f);
    client_send(fd, str_of_z(head));
    client_send(fd, str_of_bytes(body));
    struct answer a = client_read_answer(fd, false);
    client_close(fd);
    return a;
}

START_TEST(bodies_are_decoded_unless_raw)
{
    struct setup s;
    start(&s, false);
    struct http_codecs *codecs = NULL;
    ck_assert_int_eq(http_codecs_create(s.mem, &codecs, NULL), ERR_OK);
    struct buf packed;
    buf_init(&packed, mem_source_of(s.mem, MEM_NETWORK), 1 << 20);
    ck_assert(http_body_gzip(codecs, bytes_of_str(STR("plain text")), &packed));
    struct answer a = post(&s, "/body", "gzip", buf_bytes(&packed));
    ck_assert_uint_eq(a.status, 200);
    ck_assert_str_eq(a.body, "plain text");
    answer_free(&a);
    a = post(&s, "/raw", "gzip", buf_bytes(&packed));
    ck_assert_uint_eq(a.body_len, packed.len);
    answer_free(&a);
    a = post(&s, "/body", "gzip", bytes_of_str(STR("junk")));
    ck_assert_uint_eq(a.status, 400);
    answer_free(&a);
    a = post(&s, "/body", "br", bytes_of_str(STR("junk")));
    ck_assert_uint_eq(a.status, 415);
    answer_free(&a);
    a = post(&s, "/body", "identity", (struct bytes){ (const uint8_t *)"x", 1 });
    ck_assert_str_eq(a.body, "x");
    answer_free(&a);
    static const uint8_t LONG[101];
    a = post(&s, "/body", "identity", (struct bytes){ LONG, sizeof LONG });
    ck_assert_uint_eq(a.status, 413);
    answer_free(&a);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_BAD_ENCODING), 1);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_UNSUPPORTED_CODING), 1);
    buf_deinit(&packed);
    http_codecs_destroy(codecs);
    stop(&s);
}
END_TEST

START_TEST(bomb_is_refused)
{
    struct setup s;
    start(&s, false);
    struct http_codecs *codecs = NULL;
    ck_assert_int_eq(http_codecs_create(s.mem, &codecs, NULL), ERR_OK);
    struct buf packed;
    struct buf plain;
    buf_init(&packed, mem_source_of(s.mem, MEM_NETWORK), 16 << 20);
    buf_init(&plain, mem_source_of(s.mem, MEM_NETWORK), 16 << 20);
    for (unsigned i = 0; i < 8 << 20; i += 64)
        buf_put(&plain, (const char[64]){ 0 }, 64);
    ck_assert(http_body_gzip(codecs, buf_bytes(&plain), &packed));
    struct answer a = post(&s, "/plain", "gzip", buf_bytes(&packed));
    ck_assert_uint_eq(a.status, 413);
    answer_free(&a);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_DECODED_TOO_LARGE), 1);
    buf_deinit(&packed);
    buf_deinit(&plain);
    http_codecs_destroy(codecs);
    stop(&s);
}
END_TEST

/* ---- building ----------------------------------------------------------------------------- */

static const struct {
    const char *pattern;
    enum err_code code;
} PATTERNS[] = {
    { "/a", ERR_OK },           { "", ERR_INVALID },
    { "a", ERR_INVALID },       { "/:", ERR_INVALID },
    { "/*", ERR_INVALID },      { "/*a/b", ERR_INVALID },
    { "/:a/:b/:c/:d", ERR_OK }, { "/:a/:b/:c/:d/:e", ERR_INVALID },
    { "/plain", ERR_CONFLICT }, { "/pair/:other", ERR_CONFLICT },
};

START_TEST(patterns_are_checked)
{
    struct mem_budget *mem = mem_budget_create(64 << 20);
    struct router *r = NULL;
    struct err err = { 0 };
    struct router_options options = { .mem = mem };
    ck_assert_int_eq(router_create(&options, &r, &err), ERR_OK);
    ck_assert_int_eq(router_add(r, STR(""), ROUTES, sizeof ROUTES / sizeof ROUTES[0], &err),
                     ERR_OK);
    struct http_route route = { PATTERNS[_i].pattern, HTTP_BIT(HTTP_GET), 0, 0, show, NULL, "x" };
    ck_assert_int_eq(router_add(r, STR(""), &route, 1, &err), PATTERNS[_i].code);
    router_destroy(r);
    ck_assert_uint_eq(mem_live_count(mem), 0);
    mem_budget_destroy(mem);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(table)[0])

int main(void)
{
    Suite *suite = suite_create("router");
    TCase *tc = tcase_create("router");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, path_finds_its_route, 0, COUNT(PATHS));
    tcase_add_test(tc, head_is_served_by_get);
    tcase_add_test(tc, options_are_answered);
    tcase_add_test(tc, cross_origin_headers_follow_the_rule);
    tcase_add_loop_test(tc, cross_site_forms_are_refused, 0, COUNT(FORMS));
    tcase_add_test(tc, bodies_are_decoded_unless_raw);
    tcase_add_test(tc, bomb_is_refused);
    tcase_add_loop_test(tc, patterns_are_checked, 0, COUNT(PATTERNS));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
