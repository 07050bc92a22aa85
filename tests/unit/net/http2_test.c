/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

#include "h2_client.h"
#include "net/http_server.h"
#include "server_fixture.h"
#include "test_app.h"

struct setup {
    struct test_app app;
    struct fixture f;
    struct h2_client c;
};

static void start(struct setup *s, struct http_limits limits)
{
    test_app_init(&s->app);
    struct fixture_options options = { .limits = limits, .handler = test_app_handler(&s->app) };
    s->f = fixture_start(&options);
    s->app.mem = mem_source_of(s->f.mem, MEM_QUERY);
    h2_client_init(&s->c, &s->f);
}

static void stop(struct setup *s)
{
    h2_client_deinit(&s->c);
    fixture_stop(&s->f);
    test_app_deinit(&s->app);
}

static struct http_limits quick_limits(void)
{
    struct http_limits limits = http_limits_default();
    limits.sweep_ms = 5;
    return limits;
}

static struct h2_stream *fetch(struct setup *s, const struct h2_request *request)
{
    unsigned index = h2_client_submit(&s->c, request);
    h2_client_await(&s->c, index);
    return &s->c.streams[index];
}

static struct h2_stream *get(struct setup *s, const char *path)
{
    return fetch(s, &(struct h2_request){ .method = "GET", .path = path });
}

/* ---- requests and answers ------------------------------------------------------------------- */

START_TEST(get_and_head_are_answered)
{
    struct setup s;
    start(&s, http_limits_default());
    struct h2_stream *a = get(&s, "/hello");
    ck_assert_uint_eq(a->status, 200);
    ck_assert_str_eq(a->body, "hello\n");
    ck_assert(str_eq(h2_field(a->headers, "content-length"), STR("6")));
    ck_assert_uint_eq(h2_field(a->headers, "date").len, 29);
    a = fetch(&s, &(struct h2_request){ .method = "HEAD", .path = "/hello" });
    ck_assert_uint_eq(a->status, 200);
    ck_assert_uint_eq(a->body_len, 0);
    ck_assert(str_eq(h2_field(a->headers, "content-length"), STR("6")));
    ck_assert_uint_eq(stat_get(&http_server_stats(s.f.server)->h2_connections_total), 1);
    stop(&s);
}
END_TEST

START_TEST(request_parts_are_understood)
{
    struct setup s;
    start(&s, http_limits_default());
    struct h2_request request = { .method = "POST",
                                  .path = "/echo?a=b",
                                  .headers = { "content-type", "text/x" },
                                  .body = bytes_of_str(STR("a body")),
                                  .has_body = true };
    struct h2_stream *a = fetch(&s, &request);
    ck_assert_uint_eq(a->status, 200);
    ck_assert_str_eq(a->body, "a body");
    ck_assert(str_eq(h2_field(a->headers, "x-path"), STR("/echo?a=b")));
    ck_assert(str_eq(h2_field(a->headers, "content-type"), STR("text/x")));
    stop(&s);
}
END_TEST

START_TEST(continue_is_sent_before_the_body)
{
    struct setup s;
    start(&s, http_limits_default());
    struct h2_request request = { .method = "POST",
                                  .path = "/echo",
                                  .headers = { "expect", "100-continue" },
                                  .body = bytes_of_str(STR("a body")),
                                  .has_body = true };
    struct h2_stream *a = fetch(&s, &request);
    ck_assert(a->has_interim);
    ck_assert_uint_eq(a->status, 200);
    ck_assert_str_eq(a->body, "a body");
    stop(&s);
}
END_TEST

START_TEST(large_bodies_go_both_ways)
{
    enum { N = 5000000 };
    struct setup s;
    start(&s, http_limits_default());
    char *body = malloc(N);
    for (size_t i = 0; i < N; i++)
        body[i] = (char)('a' + i % 23);
    struct h2_request request = {
        .method = "POST", .path = "/echo", .body = { (uint8_t *)body, N }, .has_body = true
    };
    struct h2_stream *a = fetch(&s, &request);
    ck_assert_uint_eq(a->body_len, N);
    ck_assert_mem_eq(a->body, body, N);
    static const char *const PATHS[] = { "/big?3000000", "/big-static?3000000",
                                         "/big-taken?3000000" };
    for (unsigned i = 0; i < 3; i++) {
        a = get(&s, PATHS[i]);
        ck_assert_uint_eq(a->body_len, 3000000);
    }
    free(body);
    stop(&s);
}
END_TEST

START_TEST(streams_are_served_side_by_side)
{
    struct setup s;
    start(&s, http_limits_default());
    unsigned later =
        h2_client_submit(&s.c, &(struct h2_request){ .method = "GET", .path = "/later" });
    unsigned quick[20];
    for (unsigned i = 0; i < 20; i++) {
        quick[i] =
            h2_client_submit(&s.c, &(struct h2_request){ .method = "GET", .path = "/hello" });
    }
    for (unsigned i = 0; i < 20; i++) {
        h2_client_await(&s.c, quick[i]);
        ck_assert_str_eq(s.c.streams[quick[i]].body, "hello\n");
    }
    ck_assert(!s.c.streams[later].is_closed);
    http_exchange_answer_text(test_app_take(&s.app), 200, STR("at last"));
    h2_client_await(&s.c, later);
    ck_assert_str_eq(s.c.streams[later].body, "at last");
    stop(&s);
}
END_TEST

static const char *const STREAM_PATHS[] = { "/stream", "/stream-loop" };

START_TEST(streamed_answer_arrives_whole)
{
    struct setup s;
    start(&s, http_limits_default());
    static const unsigned SIZES[] = { 0, 1, 50001, 3000000 };
    for (unsigned i = 0; i < 4; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "%s?%u", STREAM_PATHS[_i], SIZES[i]);
        struct h2_stream *a = get(&s, path);
        ck_assert_uint_eq(a->status, 200);
        ck_assert_uint_eq(a->body_len, SIZES[i]);
        ck_assert_uint_eq(a->error_code, 0);
        if (_i == 0) ck_assert(str_eq(h2_field(a->trailers, "x-trailer"), STR("at the end")));
    }
    struct h2_stream *a =
        fetch(&s, &(struct h2_request){ .method = "HEAD", .path = "/stream?5000" });
    ck_assert_uint_eq(a->status, 200);
    ck_assert_uint_eq(a->body_len, 0);
    stop(&s);
}
END_TEST

START_TEST(aborted_stream_is_reset)
{
    struct setup s;
    start(&s, http_limits_default());
    struct h2_stream *a = get(&s, "/abort");
    ck_assert_uint_eq(a->error_code, NGHTTP2_INTERNAL_ERROR);
    ck_assert_uint_eq(get(&s, "/hello")->status, 200);
    stop(&s);
}
END_TEST

START_TEST(handler_is_told_when_the_stream_is_reset)
{
    struct setup s;
    start(&s, http_limits_default());
    unsigned later =
        h2_client_submit(&s.c, &(struct h2_request){ .method = "GET", .path = "/later" });
    ck_assert_uint_eq(get(&s, "/hello")->status, 200);
    struct http_exchange *ex = test_app_take(&s.app);
    h2_client_reset_stream(&s.c, later);
    ck_assert_uint_eq(get(&s, "/hello")->status, 200);
    test_app_await_closed(&s.app, 1);
    http_exchange_answer_text(ex, 200, STR("anyone?"));
    ck_assert_uint_eq(get(&s, "/hello")->status, 200);
    fixture_await_gauge(&http_server_stats(s.f.server)->exchanges, 0);
    stop(&s);
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------------- */

START_TEST(answer_before_the_body_stops_the_upload)
{
    struct setup s;
    start(&s, http_limits_default());
    struct h2_request request = { .method = "POST",
                                  .path = "/deny",
                                  .body = bytes_of_str(STR("part")),
                                  .has_body = true,
                                  .holds_body = true };
    struct h2_stream *a = fetch(&s, &request);
    ck_assert_uint_eq(a->status, 401);
    ck_assert_str_eq(a->body, "denied");
    ck_assert_uint_eq(a->error_code, NGHTTP2_NO_ERROR);
    ck_assert_uint_eq(get(&s, "/hello")->status, 200);
    stop(&s);
}
END_TEST

START_TEST(large_body_is_refused)
{
    struct setup s;
    start(&s, http_limits_default());
    struct h2_request request = { .method = "POST",
                                  .path = "/small-limit",
                                  .body = bytes_of_str(STR("0123456789a")),
                                  .has_body = true };
    struct h2_stream *a = fetch(&s, &request);
    ck_assert_uint_eq(a->status, 413);
    request.headers[0] = "content-length";
    request.headers[1] = "11";
    request.holds_body = true;
    a = fetch(&s, &request);
    ck_assert_uint_eq(a->status, 413);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_BODY_TOO_LARGE), 2);
    stop(&s);
}
END_TEST

START_TEST(large_head_is_refused)
{
    struct setup s;
    struct http_limits limits = http_limits_default();
    limits.head_bytes_max = 1000;
    limits.target_bytes_max = 100;
    limits.header_count_max = 5;
    start(&s, limits);
    char text[1200];
    memset(text, 'a', sizeof text);
    text[0] = '/';
    text[1199] = '\0';
    struct h2_request request = { .method = "GET",
                                  .path = "/hello",
                                  .headers = { "cookie", text } };
    ck_assert_uint_eq(fetch(&s, &request)->status, 431);
    text[200] = '\0';
    ck_assert_uint_eq(get(&s, text)->status, 414);
    request = (struct h2_request){ .method = "GET",
                                   .path = "/hello",
                                   .headers = { "a", "1", "b", "1", "c", "1", "d", "1", "e", "1",
                                                "f", "1" } };
    ck_assert_uint_eq(fetch(&s, &request)->status, 431);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_HEAD_TOO_LARGE), 1);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_TARGET_TOO_LONG), 1);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_TOO_MANY_HEADERS), 1);
    stop(&s);
}
END_TEST

START_TEST(slow_body_gets_408)
{
    struct setup s;
    struct http_limits limits = quick_limits();
    limits.request_timeout_ms = _i == 0 ? 30 : 60000;
    limits.body_rate_grace_ms = _i == 0 ? 60000 : 30;
    start(&s, limits);
    struct h2_request request = { .method = "POST",
                                  .path = "/echo",
                                  .body = bytes_of_str(STR("part")),
                                  .has_body = true,
                                  .holds_body = true };
    ck_assert_uint_eq(fetch(&s, &request)->status, 408);
    enum http_reject reason = _i == 0 ? HTTP_REJECT_REQUEST_TIMEOUT : HTTP_REJECT_BODY_TOO_SLOW;
    ck_assert_uint_eq(fixture_rejected(&s.f, reason), 1);
    stop(&s);
}
END_TEST

START_TEST(idle_connection_is_told_and_closed)
{
    struct setup s;
    struct http_limits limits = quick_limits();
    limits.idle_timeout_ms = 500; /* longer than a busy machine needs to send a request */
    start(&s, limits);
    ck_assert_uint_eq(get(&s, "/hello")->status, 200);
    h2_client_await_end(&s.c);
    ck_assert(s.c.is_goaway);
    ck_assert_uint_eq(s.c.goaway_error, NGHTTP2_NO_ERROR);
    stop(&s);
}
END_TEST

START_TEST(idle_connection_is_small)
{
    enum { N = 50 };
    struct setup s;
    start(&s, quick_limits());
    static struct h2_client clients[N];
    fixture_await_gauge(&http_server_stats(s.f.server)->connections, 1);
    uint64_t before = mem_used(s.f.mem, MEM_NETWORK);
    for (unsigned i = 0; i < N; i++) {
        h2_client_init(&clients[i], &s.f);
        unsigned index = h2_client_submit(
            &clients[i], &(struct h2_request){ .method = "GET", .path = "/hello" });
        h2_client_await(&clients[i], index);
        ck_assert_uint_eq(clients[i].streams[index].status, 200);
    }
    fixture_await_gauge(&http_server_stats(s.f.server)->exchanges, 0);
    uint64_t each = (mem_used(s.f.mem, MEM_NETWORK) - before) / N;
    ck_assert_msg(each <= 32768, "%lu bytes", (unsigned long)each);
    for (unsigned i = 0; i < N; i++)
        h2_client_deinit(&clients[i]);
    stop(&s);
}
END_TEST

START_TEST(stop_finishes_running_streams_and_says_goodbye)
{
    struct setup s;
    start(&s, quick_limits());
    unsigned later =
        h2_client_submit(&s.c, &(struct h2_request){ .method = "GET", .path = "/later" });
    ck_assert_uint_eq(get(&s, "/hello")->status, 200);
    struct http_exchange *ex = test_app_take(&s.app);
    http_server_stop(s.f.server, 10);
    ck_assert(http_exchange_is_closed(ex));
    http_exchange_answer_text(ex, 200, STR("too late"));
    h2_client_await_end(&s.c);
    ck_assert(s.c.is_goaway);
    ck_assert(!s.c.streams[later].is_closed || s.c.streams[later].status == 0);
    stop(&s);
}
END_TEST

START_TEST(failed_allocation_costs_one_stream_or_the_connection)
{
    struct setup s;
    start(&s, quick_limits());
    mem_test_fail_at(s.f.mem, (uint64_t)_i, MEM_FAIL_ONCE);
    struct h2_request request = {
        .method = "POST", .path = "/echo", .body = bytes_of_str(STR("a body")), .has_body = true
    };
    (void)fetch(&s, &request);
    mem_test_fail_at(s.f.mem, 0, MEM_FAIL_OFF);
    struct h2_client again;
    h2_client_init(&again, &s.f);
    unsigned index = h2_client_submit(&again, &request);
    h2_client_await(&again, index);
    ck_assert_uint_eq(again.streams[index].status, 200);
    h2_client_deinit(&again);
    stop(&s);
}
END_TEST

/* ---- floods: frames by hand ------------------------------------------------------------------- */

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
static const char EMPTY_SETTINGS[] = "\0\0\0\4\0\0\0\0\0";

static void put_frame(int fd, unsigned type, unsigned flags, uint32_t stream, struct str payload)
{
    uint8_t head[9] = { (uint8_t)(payload.len >> 16),
                        (uint8_t)(payload.len >> 8),
                        (uint8_t)payload.len,
                        (uint8_t)type,
                        (uint8_t)flags,
                        (uint8_t)(stream >> 24),
                        (uint8_t)(stream >> 16),
                        (uint8_t)(stream >> 8),
                        (uint8_t)stream };
    client_send(fd, (struct str){ (const char *)head, sizeof head });
    client_send(fd, payload);
}

static int raw_connect(const struct fixture *f)
{
    int fd = client_connect(f);
    client_send(fd, STR(PREFACE));
    client_send(fd, (struct str){ EMPTY_SETTINGS, sizeof EMPTY_SETTINGS - 1 });
    return fd;
}

/* GET /, authority h: static table entries and one literal. */
#define HEADERS_GET "\x82\x86\x84\x41\x01h"

START_TEST(rapid_reset_closes_the_connection)
{
    struct setup s;
    struct http_limits limits = http_limits_default();
    limits.h2_resets_max = 100;
    start(&s, limits);
    int fd = raw_connect(&s.f);
    for (uint32_t i = 0; i < 2000; i++) {
        put_frame(fd, NGHTTP2_HEADERS, 5, 2 * i + 1, STR(HEADERS_GET));
        put_frame(fd, NGHTTP2_RST_STREAM, 0, 2 * i + 1, (struct str){ "\0\0\0\x8", 4 });
    }
    free(client_read_all(fd));
    client_close(fd);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_H2_RESETS), 1);
    ck_assert_uint_eq(get(&s, "/hello")->status, 200);
    stop(&s);
}
END_TEST

START_TEST(ping_flood_closes_the_connection)
{
    struct setup s;
    struct http_limits limits = http_limits_default();
    limits.h2_resets_max = 50;
    start(&s, limits);
    int fd = raw_connect(&s.f);
    for (uint32_t i = 0; i < 1000; i++)
        put_frame(fd, NGHTTP2_PING, 0, 0, STR("pingpong"));
    free(client_read_all(fd));
    client_close(fd);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_H2_RESETS), 1);
    stop(&s);
}
END_TEST

START_TEST(continuation_flood_closes_the_connection)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = raw_connect(&s.f);
    put_frame(fd, NGHTTP2_HEADERS, 1, 1, STR(HEADERS_GET));
    for (uint32_t i = 0; i < 10000; i++)
        put_frame(fd, NGHTTP2_CONTINUATION, 0, 1, STR("\x40\x01x\x01y"));
    free(client_read_all(fd));
    client_close(fd);
    fixture_await_gauge(&http_server_stats(s.f.server)->connections, 1);
    stop(&s);
}
END_TEST

START_TEST(stream_that_nobody_reads_is_reset)
{
    struct setup s;
    struct http_limits limits = quick_limits();
    limits.write_stall_ms = 30;
    start(&s, limits);
    int fd = client_connect(&s.f);
    client_send(fd, STR(PREFACE));
    /* SETTINGS: initial window of 1 byte. */
    put_frame(fd, NGHTTP2_SETTINGS, 0, 0, (struct str){ "\0\4\0\0\0\1", 6 });
    /* GET /big?50000: :path as a literal with the indexed name 4. */
    put_frame(fd, NGHTTP2_HEADERS, 5, 1, STR("\x82\x86\x41\x01h\x44\x0a/big?50000"));
    fixture_await_rejected(&s.f, HTTP_REJECT_WRITE_STALL, 1);
    fixture_await_gauge(&http_server_stats(s.f.server)->exchanges, 0);
    client_close(fd);
    stop(&s);
}
END_TEST

START_TEST(junk_after_the_preface_closes_the_connection)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = raw_connect(&s.f);
    client_send(fd, STR("this is not a frame at all, not even close to one"));
    free(client_read_all(fd));
    client_close(fd);
    fixture_await_gauge(&http_server_stats(s.f.server)->connections, 1);
    stop(&s);
}
END_TEST

START_TEST(protocol_error_ends_running_requests)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = raw_connect(&s.f);
    /* GET /later, then a frame for stream 0 that needs a stream. */
    put_frame(fd, NGHTTP2_HEADERS, 5, 1, STR("\x82\x86\x41\x01h\x44\x06/later"));
    put_frame(fd, NGHTTP2_DATA, 0, 0, STR("x"));
    struct http_exchange *ex = test_app_take(&s.app);
    test_app_await_closed(&s.app, 1);
    http_exchange_answer_text(ex, 200, STR("anyone?"));
    fixture_await_gauge(&http_server_stats(s.f.server)->exchanges, 0);
    free(client_read_all(fd));
    client_close(fd);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_H2_PROTOCOL), 1);
    stop(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http2");
    TCase *tc = tcase_create("streams");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, get_and_head_are_answered);
    tcase_add_test(tc, request_parts_are_understood);
    tcase_add_test(tc, continue_is_sent_before_the_body);
    tcase_add_test(tc, large_bodies_go_both_ways);
    tcase_add_test(tc, streams_are_served_side_by_side);
    tcase_add_loop_test(tc, streamed_answer_arrives_whole, 0, 2);
    tcase_add_test(tc, aborted_stream_is_reset);
    tcase_add_test(tc, handler_is_told_when_the_stream_is_reset);
    tcase_add_test(tc, answer_before_the_body_stops_the_upload);
    tcase_add_test(tc, large_body_is_refused);
    tcase_add_test(tc, large_head_is_refused);
    tcase_add_loop_test(tc, slow_body_gets_408, 0, 2);
    tcase_add_test(tc, idle_connection_is_told_and_closed);
    tcase_add_test(tc, idle_connection_is_small);
    tcase_add_test(tc, stop_finishes_running_streams_and_says_goodbye);
    tcase_add_loop_test(tc, failed_allocation_costs_one_stream_or_the_connection, 1, 40);
    suite_add_tcase(suite, tc);
    TCase *floods = tcase_create("floods");
    tcase_set_timeout(floods, 60);
    tcase_add_test(floods, rapid_reset_closes_the_connection);
    tcase_add_test(floods, ping_flood_closes_the_connection);
    tcase_add_test(floods, continuation_flood_closes_the_connection);
    tcase_add_test(floods, stream_that_nobody_reads_is_reset);
    tcase_add_test(floods, protocol_error_ends_running_requests);
    tcase_add_test(floods, junk_after_the_preface_closes_the_connection);
    suite_add_tcase(suite, floods);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
