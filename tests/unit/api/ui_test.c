/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ui/ui.h"

#include <stdio.h>

#include "api/ui/assets.h"
#include "server_fixture.h"

/* A small page instead of the built one. */
#define PAGE "<!doctype html><head><base href=\"/\"></head>page"
static const char GZIPPED[] = "\x1f\x8bpretended";
const struct ui_asset UI_ASSETS[] = {
    { "assets/app-1.js", "text/javascript", "\"e1\"", (const uint8_t *)GZIPPED, sizeof GZIPPED - 1,
      (const uint8_t *)"plain js", 8, true },
    { "index.html", "text/html; charset=utf-8", "\"e2\"", NULL, 0, (const uint8_t *)PAGE,
      sizeof PAGE - 1, false },
};
const size_t UI_ASSET_COUNT = 2;

static struct mem_budget *budget;
static struct router *router;
static struct ui ui;
static struct fixture server;

static void start(struct str base_path)
{
    budget = mem_budget_create(64u << 20);
    struct router_options options = { .mem = budget };
    ck_assert_int_eq(router_create(&options, &router, NULL), ERR_OK);
    ck_assert_int_eq(ui_init(&ui, budget, base_path, NULL), ERR_OK);
    ck_assert_int_eq(ui_add_routes(&ui, router, NULL), ERR_OK);
    struct fixture_options http = { .limits = http_limits_default(),
                                    .handler = router_handler(router) };
    server = fixture_start(&http);
}

static void set_up(void)
{
    start(STR("/"));
}

static void tear_down(void)
{
    fixture_stop(&server);
    router_destroy(router);
    ui_deinit(&ui);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

#define HTML "Accept: text/html,*/*\r\n"

static struct answer ask(const char *method, const char *path, const char *headers)
{
    char request[1024];
    int n =
        snprintf(request, sizeof request,
                 "%s %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n%s\r\n", method, path, headers);
    return client_exchange(&server, (struct str){ request, (size_t)n });
}

START_TEST(browsers_get_the_page_on_its_addresses)
{
    static const char *const PATHS[] = { "/", "/query", "/targets", "/graph?g0.expr=up" };
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        struct answer a = ask("GET", PATHS[i], HTML);
        ck_assert_uint_eq(a.status, 200);
        ck_assert_str_eq(a.body, PAGE);
        ck_assert(str_eq(answer_header(&a, "Cache-Control"), STR("no-cache")));
        ck_assert(str_starts_with(answer_header(&a, "Content-Security-Policy"),
                                  STR("default-src 'none'; script-src 'self';")));
        ck_assert(str_eq(answer_header(&a, "X-Content-Type-Options"), STR("nosniff")));
        answer_free(&a);
    }
}
END_TEST

START_TEST(others_do_not)
{
    struct answer a = ask("GET", "/targets", "Accept: application/json\r\n");
    ck_assert_uint_eq(a.status, 404);
    answer_free(&a);
    a = ask("GET", "/", "");
    ck_assert_uint_eq(a.status, 302);
    ck_assert(str_eq(answer_header(&a, "Location"), STR("/query")));
    answer_free(&a);
    a = ask("GET", "/api/v1/none", HTML);
    ck_assert_uint_eq(a.status, 404);
    answer_free(&a);
    a = ask("POST", "/query", HTML);
    ck_assert_uint_eq(a.status, 405);
    answer_free(&a);
}
END_TEST

START_TEST(assets_are_immutable_and_compressed)
{
    struct answer a = ask("GET", "/assets/app-1.js", "Accept-Encoding: br, gzip\r\n");
    ck_assert_uint_eq(a.status, 200);
    ck_assert(str_eq(answer_header(&a, "Content-Encoding"), STR("gzip")));
    ck_assert(str_eq(answer_header(&a, "Vary"), STR("Accept-Encoding")));
    ck_assert(
        str_eq(answer_header(&a, "Cache-Control"), STR("public, max-age=31536000, immutable")));
    ck_assert_uint_eq(a.body_len, sizeof GZIPPED - 1);
    answer_free(&a);
    a = ask("GET", "/assets/app-1.js", "Accept-Encoding: gzip;q=0\r\n");
    ck_assert_str_eq(a.body, "plain js");
    ck_assert_uint_eq(answer_header(&a, "Content-Encoding").len, 0);
    answer_free(&a);
    a = ask("HEAD", "/assets/app-1.js", "");
    ck_assert_uint_eq(a.status, 200);
    ck_assert(str_eq(answer_header(&a, "Content-Length"), STR("8")));
    answer_free(&a);
    a = ask("GET", "/assets/none.js", HTML);
    ck_assert_uint_eq(a.status, 404);
    answer_free(&a);
    a = ask("GET", "/assets/../index.html", HTML);
    ck_assert_uint_eq(a.status, 404);
    answer_free(&a);
}
END_TEST

START_TEST(what_the_browser_has_is_not_sent_again)
{
    struct answer a = ask("GET", "/assets/app-1.js", "If-None-Match: \"x\", \"e1\"\r\n");
    ck_assert_uint_eq(a.status, 304);
    ck_assert(str_eq(answer_header(&a, "ETag"), STR("\"e1\"")));
    answer_free(&a);
    a = ask("GET", "/assets/app-1.js", "If-None-Match: \"other\"\r\n");
    ck_assert_uint_eq(a.status, 200);
    answer_free(&a);
    char header[64];
    a = ask("GET", "/", HTML);
    struct str etag = answer_header(&a, "ETag");
    snprintf(header, sizeof header, HTML "If-None-Match: " STR_FMT "\r\n", STR_ARG(etag));
    answer_free(&a);
    a = ask("GET", "/", header);
    ck_assert_uint_eq(a.status, 304);
    answer_free(&a);
}
END_TEST

START_TEST(below_a_prefix_the_base_follows)
{
    start(STR("/x/y/"));
    static const char *const PATHS[] = { "/x/y/", "/x/y/query", "/query" };
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        struct answer a = ask("GET", PATHS[i], HTML);
        ck_assert_uint_eq(a.status, 200);
        ck_assert_str_eq(a.body, "<!doctype html><head><base href=\"/x/y/\"></head>page");
        answer_free(&a);
    }
    struct answer a = ask("GET", "/x/y/assets/app-1.js", "");
    ck_assert_str_eq(a.body, "plain js");
    answer_free(&a);
    a = ask("GET", "/x/y/", "");
    ck_assert_uint_eq(a.status, 302);
    ck_assert(str_eq(answer_header(&a, "Location"), STR("/x/y/query")));
    answer_free(&a);
    tear_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ui");
    TCase *tc = tcase_create("delivery");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, browsers_get_the_page_on_its_addresses);
    tcase_add_test(tc, others_do_not);
    tcase_add_test(tc, assets_are_immutable_and_compressed);
    tcase_add_test(tc, what_the_browser_has_is_not_sent_again);
    suite_add_tcase(suite, tc);
    TCase *prefix = tcase_create("prefix");
    tcase_set_timeout(prefix, 60);
    tcase_add_test(prefix, below_a_prefix_the_base_follows);
    suite_add_tcase(suite, prefix);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
