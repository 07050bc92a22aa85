/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "server_fixture.h"
#include "test_app.h"

#define HOST "Host: h\r\n"

struct setup {
    struct test_app app;
    struct fixture f;
};

static struct http_limits quick_limits(void)
{
    struct http_limits limits = http_limits_default();
    limits.sweep_ms = 5;
    return limits;
}

/* `s` must stay where it is: the server points into it. */
static void start_loops(struct setup *s, struct http_limits limits, unsigned loop_count)
{
    test_app_init(&s->app);
    struct fixture_options options = {
        .limits = limits,
        .handler = test_app_handler(&s->app),
        .loop_count = loop_count,
    };
    s->f = fixture_start(&options);
    s->app.mem = mem_source_of(s->f.mem, MEM_QUERY);
}

static void start(struct setup *s, struct http_limits limits)
{
    start_loops(s, limits, 2);
}

static void stop(struct setup *s)
{
    fixture_stop(&s->f);
    test_app_deinit(&s->app);
}

static void assert_body(const struct answer *a, unsigned status, const char *body)
{
    ck_assert_uint_eq(a->status, status);
    ck_assert(a->is_complete);
    ck_assert_str_eq(a->body, body);
}

static void ask(struct setup *s, const char *request, unsigned status, const char *body)
{
    struct answer a = client_exchange(&s->f, str_of_z(request));
    assert_body(&a, status, body);
    answer_free(&a);
}

/* ---- requests and answers ------------------------------------------------------------------- */

START_TEST(get_is_answered_and_the_connection_kept)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    for (unsigned i = 0; i < 3; i++) {
        client_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
        struct answer a = client_read_answer(fd, false);
        assert_body(&a, 200, "hello\n");
        ck_assert(str_eq(answer_header(&a, "content-type"), STR("text/plain; charset=utf-8")));
        ck_assert_uint_eq(answer_header(&a, "date").len, 29);
        ck_assert_ptr_null(answer_header(&a, "connection").ptr);
        answer_free(&a);
    }
    client_close(fd);
    ck_assert_uint_eq(stat_get(&http_server_stats(s.f.server)->requests_1xx_to_2xx), 3);
    stop(&s);
}
END_TEST

START_TEST(head_has_a_length_but_no_body)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(fd, STR("HEAD /hello HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
    struct answer head = client_read_answer(fd, true);
    ck_assert_uint_eq(head.status, 200);
    ck_assert(str_eq(answer_header(&head, "content-length"), STR("6")));
    struct answer get = client_read_answer(fd, false);
    assert_body(&get, 200, "hello\n");
    answer_free(&get);
    client_close(fd);
    stop(&s);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
    enum { N = 300 };
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    char *text = malloc(N * 64);
    size_t len = 0;
    for (unsigned i = 0; i < N; i++) {
        len += (size_t)sprintf(text + len, "GET /echo?%u HTTP/1.1\r\n" HOST "\r\n", i);
    }
    client_send(fd, (struct str){ text, len });
    for (unsigned i = 0; i < N; i++) {
        struct answer a = client_read_answer(fd, false);
        char want[32];
        (void)snprintf(want, sizeof want, "/echo?%u", i);
        ck_assert(str_eq(answer_header(&a, "x-path"), str_of_z(want)));
        answer_free(&a);
    }
    free(text);
    client_close(fd);
    stop(&s);
}
END_TEST

START_TEST(request_that_arrives_byte_by_byte_is_understood)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    struct str requests[] = {
        STR("\r\nPOST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"),
        STR("POST /echo HTTP/1.1\r\n" HOST
            "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nA: b\r\n\r\n"),
    };
    for (size_t r = 0; r < 2; r++) {
        for (size_t i = 0; i < requests[r].len; i++)
            client_send(fd, str_sub(requests[r], i, i + 1));
        struct answer a = client_read_answer(fd, false);
        assert_body(&a, 200, "hello");
        answer_free(&a);
    }
    client_close(fd);
    stop(&s);
}
END_TEST

START_TEST(large_body_of_one_byte_chunks_arrives_whole)
{
    enum { N = 100000 };
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"));
    char *text = malloc(N * 6);
    for (unsigned i = 0; i < N; i++)
        memcpy(text + (size_t)i * 6, "1\r\nx\r\n", 6);
    client_send(fd, (struct str){ text, (size_t)N * 6 });
    client_send(fd, STR("0\r\n\r\n"));
    struct answer a = client_read_answer(fd, false);
    ck_assert_uint_eq(a.status, 200);
    ck_assert_uint_eq(a.body_len, N);
    answer_free(&a);
    free(text);
    client_close(fd);
    stop(&s);
}
END_TEST

START_TEST(large_bodies_go_both_ways)
{
    enum { N = 3000000 };
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    char *body = malloc(N);
    for (size_t i = 0; i < N; i++)
        body[i] = (char)('a' + i % 23);
    for (unsigned round = 0; round < 2; round++) {
        client_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3000000\r\n\r\n"));
        client_send(fd, (struct str){ body, N });
        struct answer a = client_read_answer(fd, false);
        ck_assert_uint_eq(a.body_len, N);
        ck_assert_mem_eq(a.body, body, N);
        answer_free(&a);
    }
    free(body);
    client_close(fd);
    stop(&s);
}
END_TEST

static const char *const BIG_PATHS[] = { "/big", "/big-static", "/big-taken" };

START_TEST(large_answers_of_every_ownership_arrive_whole)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    static const unsigned SIZES[] = { 0, 1, 16384, 16385, 65536, 3000000 };
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        char request[96];
        (void)snprintf(request, sizeof request, "GET %s?%u HTTP/1.1\r\n" HOST "\r\n", BIG_PATHS[_i],
                       SIZES[i]);
        client_send(fd, str_of_z(request));
        client_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
        struct answer a = client_read_answer(fd, false);
        ck_assert_uint_eq(a.body_len, SIZES[i]);
        for (size_t k = 0; k < a.body_len; k++)
            ck_assert_int_eq(a.body[k], 'b');
        answer_free(&a);
        a = client_read_answer(fd, false);
        assert_body(&a, 200, "hello\n");
        answer_free(&a);
    }
    client_close(fd);
    stop(&s);
}
END_TEST

START_TEST(continue_is_sent_before_the_body)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST
                        "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
    struct answer go = client_read_answer(fd, false);
    ck_assert_uint_eq(go.status, 100);
    client_send(fd, STR("hello"));
    struct answer a = client_read_answer(fd, false);
    assert_body(&a, 200, "hello");
    answer_free(&a);
    client_close(fd);
    stop(&s);
}
END_TEST

START_TEST(gzip_answers_only_when_accepted_and_worth_it)
{
    struct setup s;
    start(&s, http_limits_default());
    struct answer plain = client_exchange(&s.f, STR("GET /gzip?5000 HTTP/1.1\r\n" HOST "\r\n"));
    ck_assert_uint_eq(plain.body_len, 5000);
    ck_assert(str_eq(answer_header(&plain, "vary"), STR("Accept-Encoding")));
    answer_free(&plain);
    struct answer small = client_exchange(
        &s.f, STR("GET /gzip?500 HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n"));
    ck_assert_uint_eq(small.body_len, 500);
    answer_free(&small);
    struct answer packed = client_exchange(
        &s.f, STR("GET /gzip?5000 HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n"));
    ck_assert(str_eq(answer_header(&packed, "content-encoding"), STR("gzip")));
    ck_assert_uint_lt(packed.body_len, 200);
    ck_assert_int_eq((unsigned char)packed.body[0], 0x1f);
    answer_free(&packed);
    stop(&s);
}
END_TEST

START_TEST(header_with_a_line_break_is_left_out)
{
    struct setup s;
    start(&s, http_limits_default());
    struct answer a = client_exchange(&s.f, STR("GET /inject HTTP/1.1\r\n" HOST "\r\n"));
    ck_assert(str_eq(answer_header(&a, "x-good"), STR("yes")));
    ck_assert_ptr_null(answer_header(&a, "x-bad").ptr);
    ck_assert_ptr_null(answer_header(&a, "set-cookie").ptr);
    answer_free(&a);
    stop(&s);
}
END_TEST

START_TEST(http10_closes_unless_asked_to_keep)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    struct answer a = client_read_answer(fd, false);
    assert_body(&a, 200, "hello\n");
    ck_assert(str_eq(answer_header(&a, "connection"), STR("keep-alive")));
    answer_free(&a);
    client_send(fd, STR("GET /stream?2500 HTTP/1.0\r\n\r\n"));
    a = client_read_answer(fd, false);
    ck_assert(!a.is_chunked);
    ck_assert_uint_eq(a.body_len, 2500);
    answer_free(&a);
    char byte;
    ck_assert(!client_read(fd, &byte, 1));
    client_close(fd);
    stop(&s);
}
END_TEST

START_TEST(handler_may_go_on_in_later_turns)
{
    struct setup s;
    start(&s, http_limits_default());
    ask(&s, "GET /continue?50 HTTP/1.1\r\n" HOST "\r\n", 200, "done");
    stop(&s);
}
END_TEST

/* ---- early answers -------------------------------------------------------------------------- */

START_TEST(answer_before_a_small_body_keeps_the_connection)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(fd, STR("POST /deny HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"));
    struct answer a = client_read_answer(fd, false);
    assert_body(&a, 401, "denied");
    answer_free(&a);
    client_send(fd, STR("GET /GET /hello HTTP/1.1\r\n" HOST "\r\n")); /* "GET /" is the body */
    a = client_read_answer(fd, false);
    assert_body(&a, 200, "hello\n");
    answer_free(&a);
    client_close(fd);
    ck_assert_uint_eq(atomic_load(&s.app.served_count), 1);
    stop(&s);
}
END_TEST

START_TEST(answer_before_a_large_body_is_seen_and_closes)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(fd, STR("POST /deny HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n"));
    char *junk = calloc(1, 1000000);
    client_send(fd, (struct str){ junk, 1000000 });
    free(junk);
    struct answer a = client_read_answer(fd, false);
    assert_body(&a, 401, "denied");
    ck_assert(str_eq(answer_header(&a, "connection"), STR("close")));
    answer_free(&a);
    char byte;
    ck_assert(!client_read(fd, &byte, 1));
    client_close(fd);
    stop(&s);
}
END_TEST

START_TEST(limit_of_the_handler_holds)
{
    struct setup s;
    start(&s, http_limits_default());
    ask(&s, "POST /small-limit HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789", 200,
        "0123456789");
    ask(&s, "POST /small-limit HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n", 413,
        "request body too large");
    ask(&s,
        "POST /small-limit HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n67890\r\n",
        413, "request body too large");
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_BODY_TOO_LARGE), 2);
    stop(&s);
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------------- */

static const struct {
    const char *request;
    unsigned status;
    enum http_reject reason;
} REFUSED[] = {
    { "GET / HTTP/1.1\nHost: h\n\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "\x16\x03\x01\x02\x00\r\n\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      400, HTTP_REJECT_SMUGGLING },
    { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
      HTTP_REJECT_SMUGGLING },
    { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 501,
      HTTP_REJECT_UNSUPPORTED_CODING },
    { "GET / HTTP/3.0\r\n\r\n", 505, HTTP_REJECT_VERSION },
    { "GET / HTTP/1.1\r\n" HOST "Expect: x\r\n\r\n", 417, HTTP_REJECT_EXPECTATION },
    { "POST / HTTP/1.1\r\n" HOST "Content-Length: 33554433\r\n\r\n", 413,
      HTTP_REJECT_BODY_TOO_LARGE },
};

START_TEST(bad_request_is_refused_counted_and_closed)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(fd, str_of_z(REFUSED[_i].request));
    struct answer a = client_read_answer(fd, false);
    ck_assert_uint_eq(a.status, REFUSED[_i].status);
    ck_assert(a.is_complete);
    ck_assert(str_eq(answer_header(&a, "connection"), STR("close")));
    answer_free(&a);
    char byte;
    ck_assert(!client_read(fd, &byte, 1));
    client_close(fd);
    ck_assert_uint_eq(fixture_rejected(&s.f, REFUSED[_i].reason), 1);
    ck_assert_uint_eq(atomic_load(&s.app.served_count), 0);
    stop(&s);
}
END_TEST

START_TEST(oversized_head_is_refused)
{
    struct setup s;
    start(&s, http_limits_default());
    char *value = malloc(70000);
    memset(value, 'v', 70000);
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "Cookie: "));
    client_send(fd, (struct str){ value, 70000 });
    client_send(fd, STR("\r\n\r\n"));
    struct answer a = client_read_answer(fd, false);
    ck_assert_uint_eq(a.status, 431);
    answer_free(&a);
    client_close(fd);
    fd = client_connect(&s.f);
    client_send(fd, STR("GET /"));
    client_send(fd, (struct str){ value, 20000 });
    a = client_read_answer(fd, false);
    ck_assert_uint_eq(a.status, 414);
    answer_free(&a);
    client_close(fd);
    free(value);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_HEAD_TOO_LARGE), 1);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_TARGET_TOO_LONG), 1);
    stop(&s);
}
END_TEST

/* ---- time-outs ------------------------------------------------------------------------------ */

START_TEST(slow_head_gets_408)
{
    struct setup s;
    struct http_limits limits = quick_limits();
    limits.head_timeout_ms = 30;
    start(&s, limits);
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /hello HTTP/1.1\r\nHos"));
    struct answer a = client_read_answer(fd, false);
    ck_assert_uint_eq(a.status, 408);
    answer_free(&a);
    client_close(fd);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_HEAD_TIMEOUT), 1);
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
    int fd = client_connect(&s.f);
    client_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\nabc"));
    struct answer a = client_read_answer(fd, false);
    ck_assert_uint_eq(a.status, 408);
    answer_free(&a);
    client_close(fd);
    enum http_reject reason = _i == 0 ? HTTP_REJECT_REQUEST_TIMEOUT : HTTP_REJECT_BODY_TOO_SLOW;
    ck_assert_uint_eq(fixture_rejected(&s.f, reason), 1);
    stop(&s);
}
END_TEST

START_TEST(idle_connection_is_closed_silently)
{
    struct setup s;
    struct http_limits limits = quick_limits();
    limits.idle_timeout_ms = 500; /* longer than a busy machine needs to send a request */
    start(&s, limits);
    int fresh = client_connect(&s.f);
    int used = client_connect(&s.f);
    client_send(used, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    struct answer a = client_read_answer(used, false);
    assert_body(&a, 200, "hello\n");
    answer_free(&a);
    char byte;
    ck_assert(!client_read(fresh, &byte, 1));
    ck_assert(!client_read(used, &byte, 1));
    client_close(fresh);
    client_close(used);
    stop(&s);
}
END_TEST

START_TEST(client_that_does_not_read_is_closed)
{
    struct setup s;
    struct http_limits limits = quick_limits();
    limits.write_stall_ms = 50;
    start(&s, limits);
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /big?8000000 HTTP/1.1\r\n" HOST "\r\n"));
    fixture_await_rejected(&s.f, HTTP_REJECT_WRITE_STALL, 1);
    fixture_await_gauge(&http_server_stats(s.f.server)->connections, 0);
    client_close(fd);
    stop(&s);
}
END_TEST

/* ---- answers from other threads --------------------------------------------------------------- */

START_TEST(answer_from_another_thread_arrives)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    for (unsigned i = 0; i < 3; i++) {
        client_send(fd,
                    STR("GET /later HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
        struct http_exchange *ex = test_app_take(&s.app);
        ck_assert(!http_exchange_is_closed(ex));
        http_exchange_answer_text(ex, 200, STR("at last"));
        struct answer a = client_read_answer(fd, false);
        assert_body(&a, 200, "at last");
        answer_free(&a);
        a = client_read_answer(fd, false);
        assert_body(&a, 200, "hello\n");
        answer_free(&a);
    }
    client_close(fd);
    stop(&s);
}
END_TEST

static void leave(int fd, int how)
{
    if (how == 0) {
        client_close(fd);
    } else if (how == 1) {
        client_reset(fd);
    } else {
        client_half_close(fd);
    }
}

/* _i: how the client leaves; with 3 more, while bytes wait that the server has not read. */
START_TEST(handler_is_told_when_the_client_leaves)
{
    struct setup s;
    struct http_limits limits = quick_limits();
    limits.pipelined_bytes_max = 1000;
    start(&s, limits);
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /later HTTP/1.1\r\n" HOST "\r\n"));
    struct http_exchange *ex = test_app_take(&s.app);
    leave(fd, _i);
    test_app_await_closed(&s.app, 1);
    ck_assert(http_exchange_is_closed(ex));
    ck_assert(!http_exchange_on_close(ex, NULL, NULL));
    ck_assert_uint_eq(stat_get(&http_server_stats(s.f.server)->cancelled), 1);
    http_exchange_answer_text(ex, 200, STR("anyone?"));
    if (_i == 2) {
        struct answer a = client_read_answer(fd, false);
        assert_body(&a, 200, "anyone?");
        answer_free(&a);
        client_close(fd);
    }
    stop(&s);
}
END_TEST

START_TEST(read_ahead_is_bounded_while_a_request_runs)
{
    struct setup s;
    struct http_limits limits = quick_limits();
    limits.pipelined_bytes_max = 1000;
    start(&s, limits);
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /later HTTP/1.1\r\n" HOST "\r\n"));
    struct http_exchange *ex = test_app_take(&s.app);
    enum { N = 5000 };
    for (unsigned i = 0; i < N; i++)
        client_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    http_exchange_answer_text(ex, 200, STR("first"));
    struct answer a = client_read_answer(fd, false);
    assert_body(&a, 200, "first");
    answer_free(&a);
    for (unsigned i = 0; i < N; i++) {
        a = client_read_answer(fd, false);
        ck_assert_uint_eq(a.status, 200);
        answer_free(&a);
    }
    client_close(fd);
    stop(&s);
}
END_TEST

START_TEST(half_closed_client_gets_all_its_answers)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
    client_half_close(fd);
    for (unsigned i = 0; i < 2; i++) {
        struct answer a = client_read_answer(fd, false);
        assert_body(&a, 200, "hello\n");
        answer_free(&a);
    }
    char byte;
    ck_assert(!client_read(fd, &byte, 1));
    client_close(fd);
    stop(&s);
}
END_TEST

/* ---- streams -------------------------------------------------------------------------------- */

static const char *const STREAM_PATHS[] = { "/stream", "/stream-loop" };

START_TEST(streamed_answer_arrives_whole)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    static const unsigned SIZES[] = { 0, 1, 1000, 50001, 3000000 };
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        char request[96];
        (void)snprintf(request, sizeof request, "GET %s?%u HTTP/1.1\r\n" HOST "\r\n",
                       STREAM_PATHS[_i], SIZES[i]);
        client_send(fd, str_of_z(request));
        struct answer a = client_read_answer(fd, false);
        ck_assert_uint_eq(a.status, 200);
        ck_assert(a.is_chunked);
        ck_assert(a.is_complete);
        ck_assert_uint_eq(a.body_len, SIZES[i]);
        ck_assert_ptr_null(answer_header(&a, "x-trailer").ptr);
        answer_free(&a);
    }
    client_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    struct answer a = client_read_answer(fd, false);
    assert_body(&a, 200, "hello\n");
    answer_free(&a);
    client_close(fd);
    stop(&s);
}
END_TEST

START_TEST(trailers_are_sent_to_those_who_want_them)
{
    struct setup s;
    start(&s, http_limits_default());
    struct answer a = client_exchange(
        &s.f, STR("GET /stream?10 HTTP/1.1\r\n" HOST "TE: trailers\r\nConnection: TE\r\n\r\n"));
    ck_assert_uint_eq(a.body_len, 10);
    ck_assert(str_eq(answer_header(&a, "x-trailer"), STR("at the end")));
    answer_free(&a);
    stop(&s);
}
END_TEST

START_TEST(head_of_a_stream_has_no_body)
{
    struct setup s;
    start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(
        fd, STR("HEAD /stream?5000 HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
    struct answer a = client_read_answer(fd, true);
    ck_assert_uint_eq(a.status, 200);
    a = client_read_answer(fd, false);
    assert_body(&a, 200, "hello\n");
    answer_free(&a);
    client_close(fd);
    stop(&s);
}
END_TEST

START_TEST(aborted_stream_does_not_look_complete)
{
    struct setup s;
    start(&s, http_limits_default());
    struct answer a = client_exchange(&s.f, STR("GET /abort HTTP/1.1\r\n" HOST "\r\n"));
    ck_assert(!a.is_complete);
    answer_free(&a);
    stop(&s);
}
END_TEST

START_TEST(stream_to_a_client_that_left_ends)
{
    struct setup s;
    start(&s, quick_limits());
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /stream?8000000 HTTP/1.1\r\n" HOST "\r\n"));
    struct answer a = { 0 };
    ck_assert(client_read(fd, a.head, 100));
    client_reset(fd);
    fixture_await_gauge(&http_server_stats(s.f.server)->exchanges, 0);
    stop(&s);
}
END_TEST

START_TEST(writer_waits_no_longer_than_its_deadline)
{
    struct setup s;
    struct http_limits limits = quick_limits();
    limits.answer_queue_bytes_max = 1000;
    start(&s, limits);
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /slow-start HTTP/1.1\r\n" HOST "\r\n"));
    struct http_exchange *ex = test_app_take(&s.app);
    static const uint8_t PIECE[1000];
    enum err_code rc = ERR_OK;
    /* Socket buffers take some megabytes; then the queue fills up. */
    for (unsigned i = 0; i < 1000000 && rc == ERR_OK; i++) {
        uint64_t deadline = clock_mono_ns(clock_system()) + 20 * 1000 * 1000;
        rc = http_exchange_write(ex, (struct bytes){ PIECE, sizeof PIECE }, deadline, NULL);
    }
    ck_assert_int_eq(rc, ERR_TIMEOUT);
    http_exchange_abort(ex);
    client_close(fd);
    stop(&s);
}
END_TEST

/* ---- connections ------------------------------------------------------------------------------ */

START_TEST(one_address_cannot_have_all_connections)
{
    struct setup s;
    struct http_limits limits = quick_limits();
    limits.connections_per_peer_max = 3;
    start(&s, limits);
    int fds[3];
    for (unsigned i = 0; i < 3; i++)
        fds[i] = client_connect(&s.f);
    fixture_await_gauge(&http_server_stats(s.f.server)->connections, 3);
    int extra = client_connect(&s.f);
    char byte;
    ck_assert(!client_read(extra, &byte, 1));
    client_close(extra);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_PEER_CONNECTIONS), 1);
    client_close(fds[0]);
    fixture_await_gauge(&http_server_stats(s.f.server)->connections, 2);
    ask(&s, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello\n");
    client_close(fds[1]);
    client_close(fds[2]);
    stop(&s);
}
END_TEST

START_TEST(accepting_pauses_at_the_limit_and_resumes)
{
    struct setup s;
    struct http_limits limits = http_limits_default();
    limits.connections_max = 2;
    start(&s, limits);
    int a = client_connect(&s.f);
    int b = client_connect(&s.f);
    fixture_await_gauge(&http_server_stats(s.f.server)->connections, 2);
    int c = client_connect(&s.f);
    client_send(c, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    fixture_await_rejected(&s.f, HTTP_REJECT_CONNECTIONS, 1);
    client_close(a);
    struct answer answer = client_read_answer(c, false);
    assert_body(&answer, 200, "hello\n");
    answer_free(&answer);
    client_close(b);
    client_close(c);
    stop(&s);
}
END_TEST

START_TEST(flood_of_resets_leaves_nothing_behind)
{
    struct setup s;
    start(&s, quick_limits());
    for (unsigned i = 0; i < 500; i++) {
        int fd = client_connect(&s.f);
        if (i % 3 == 1) client_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
        if (i % 3 == 2)
            client_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nx"));
        client_reset(fd);
    }
    ask(&s, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello\n");
    fixture_await_gauge(&http_server_stats(s.f.server)->connections, 0);
    fixture_await_gauge(&http_server_stats(s.f.server)->exchanges, 0);
    stop(&s);
}
END_TEST

START_TEST(idle_connections_hold_no_buffers)
{
    enum { N = 200 };
    struct setup s;
    start(&s, quick_limits());
    fixture_await_gauge(&http_server_stats(s.f.server)->connections, 0);
    uint64_t before = mem_used(s.f.mem, MEM_NETWORK);
    int fds[N];
    for (unsigned i = 0; i < N; i++) {
        fds[i] = client_connect(&s.f);
        client_send(fds[i], STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"));
        client_send(fds[i], STR("hello"));
        struct answer a = client_read_answer(fds[i], false);
        assert_body(&a, 200, "hello");
        answer_free(&a);
    }
    fixture_await_gauge(&http_server_stats(s.f.server)->exchanges, 0);
    uint64_t used = mem_used(s.f.mem, MEM_NETWORK) - before;
    /* The pools of two loops, once, and the table of peers. */
    uint64_t pools = 2 * 64 * 8192;
    ck_assert_uint_le(used, pools + N * 1024);
    for (unsigned i = 0; i < N; i++)
        client_close(fds[i]);
    stop(&s);
}
END_TEST

/* ---- memory --------------------------------------------------------------------------------- */

START_TEST(request_without_memory_gets_503)
{
    struct setup s;
    start(&s, http_limits_default());
    uint64_t cap = mem_cap(s.f.mem, MEM_INGEST);
    mem_set_cap(s.f.mem, MEM_INGEST, 64 << 10);
    struct answer a = client_exchange(
        &s.f, STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3000000\r\n\r\n"));
    assert_body(&a, 503, "out of memory");
    ck_assert_ptr_nonnull(answer_header(&a, "retry-after").ptr);
    answer_free(&a);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_MEMORY), 1);
    mem_set_cap(s.f.mem, MEM_INGEST, cap);
    ask(&s, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello\n");
    stop(&s);
}
END_TEST

/* The _i-th allocation from now fails: the request is answered, refused or cut off; nothing leaks. */
START_TEST(failed_allocation_costs_one_request)
{
    struct setup s;
    start(&s, quick_limits());
    mem_test_fail_at(s.f.mem, (uint64_t)_i, MEM_FAIL_ONCE);
    int fd = client_connect(&s.f);
    client_send(fd, STR("POST /echo?x HTTP/1.1\r\n" HOST "Content-Length: 70000\r\n\r\n"));
    char *body = calloc(1, 70000);
    client_send(fd, (struct str){ body, 70000 });
    free(body);
    client_send(fd, STR("GET /gzip?5000 HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n"));
    client_half_close(fd);
    free(client_read_all(fd));
    client_close(fd);
    mem_test_fail_at(s.f.mem, 0, MEM_FAIL_OFF);
    ask(&s, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello\n");
    stop(&s);
}
END_TEST

/* ---- stopping ------------------------------------------------------------------------------- */

struct stopper {
    struct http_server *server;
    uint64_t drain_ms;
    struct thread thread;
};

static void stop_main(void *arg)
{
    struct stopper *stopper = arg;
    http_server_stop(stopper->server, stopper->drain_ms);
}

START_TEST(stop_lets_running_requests_finish)
{
    struct setup s;
    start_loops(&s, quick_limits(), 1);
    int idle = client_connect(&s.f);
    int busy = client_connect(&s.f);
    client_send(busy, STR("GET /later HTTP/1.1\r\n" HOST "\r\n"));
    struct http_exchange *ex = test_app_take(&s.app);
    struct stopper stopper = { .server = s.f.server, .drain_ms = 20000 };
    ck_assert_int_eq(thread_start(&stopper.thread, "stop", stop_main, &stopper, NULL), ERR_OK);
    char byte;
    ck_assert(!client_read(idle, &byte, 1));
    ck_assert(!http_exchange_is_closed(ex));
    http_exchange_answer_text(ex, 200, STR("finished"));
    struct answer a = client_read_answer(busy, false);
    assert_body(&a, 200, "finished");
    ck_assert(str_eq(answer_header(&a, "connection"), STR("close")));
    answer_free(&a);
    thread_join(&stopper.thread);
    client_close(idle);
    client_close(busy);
    stop(&s);
}
END_TEST

START_TEST(stop_cancels_what_does_not_finish)
{
    struct setup s;
    start(&s, quick_limits());
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /later HTTP/1.1\r\n" HOST "\r\n"));
    struct http_exchange *ex = test_app_take(&s.app);
    http_server_stop(s.f.server, 10);
    ck_assert(http_exchange_is_closed(ex));
    test_app_await_closed(&s.app, 1);
    http_exchange_answer_text(ex, 200, STR("too late"));
    client_close(fd);
    stop(&s);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(table)[0])

static void add_basic_tests(Suite *suite)
{
    TCase *tc = tcase_create("requests");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, get_is_answered_and_the_connection_kept);
    tcase_add_test(tc, head_has_a_length_but_no_body);
    tcase_add_test(tc, pipelined_requests_are_answered_in_order);
    tcase_add_test(tc, request_that_arrives_byte_by_byte_is_understood);
    tcase_add_test(tc, large_body_of_one_byte_chunks_arrives_whole);
    tcase_add_test(tc, large_bodies_go_both_ways);
    tcase_add_loop_test(tc, large_answers_of_every_ownership_arrive_whole, 0, COUNT(BIG_PATHS));
    tcase_add_test(tc, continue_is_sent_before_the_body);
    tcase_add_test(tc, gzip_answers_only_when_accepted_and_worth_it);
    tcase_add_test(tc, header_with_a_line_break_is_left_out);
    tcase_add_test(tc, http10_closes_unless_asked_to_keep);
    tcase_add_test(tc, handler_may_go_on_in_later_turns);
    tcase_add_test(tc, answer_before_a_small_body_keeps_the_connection);
    tcase_add_test(tc, answer_before_a_large_body_is_seen_and_closes);
    tcase_add_test(tc, limit_of_the_handler_holds);
    suite_add_tcase(suite, tc);
}

static void add_refusal_tests(Suite *suite)
{
    TCase *tc = tcase_create("refusals");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, bad_request_is_refused_counted_and_closed, 0, COUNT(REFUSED));
    tcase_add_test(tc, oversized_head_is_refused);
    tcase_add_test(tc, slow_head_gets_408);
    tcase_add_loop_test(tc, slow_body_gets_408, 0, 2);
    tcase_add_test(tc, idle_connection_is_closed_silently);
    tcase_add_test(tc, client_that_does_not_read_is_closed);
    suite_add_tcase(suite, tc);
}

static void add_thread_tests(Suite *suite)
{
    TCase *tc = tcase_create("other threads");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, answer_from_another_thread_arrives);
    tcase_add_loop_test(tc, handler_is_told_when_the_client_leaves, 0, 3);
    tcase_add_test(tc, read_ahead_is_bounded_while_a_request_runs);
    tcase_add_test(tc, half_closed_client_gets_all_its_answers);
    tcase_add_loop_test(tc, streamed_answer_arrives_whole, 0, COUNT(STREAM_PATHS));
    tcase_add_test(tc, trailers_are_sent_to_those_who_want_them);
    tcase_add_test(tc, head_of_a_stream_has_no_body);
    tcase_add_test(tc, aborted_stream_does_not_look_complete);
    tcase_add_test(tc, stream_to_a_client_that_left_ends);
    tcase_add_test(tc, writer_waits_no_longer_than_its_deadline);
    suite_add_tcase(suite, tc);
}

static void add_server_tests(Suite *suite)
{
    TCase *tc = tcase_create("server");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, one_address_cannot_have_all_connections);
    tcase_add_test(tc, accepting_pauses_at_the_limit_and_resumes);
    tcase_add_test(tc, flood_of_resets_leaves_nothing_behind);
    tcase_add_test(tc, idle_connections_hold_no_buffers);
    tcase_add_test(tc, request_without_memory_gets_503);
    tcase_add_loop_test(tc, failed_allocation_costs_one_request, 1, 20);
    tcase_add_test(tc, stop_lets_running_requests_finish);
    tcase_add_test(tc, stop_cancels_what_does_not_finish);
    suite_add_tcase(suite, tc);
}

int main(void)
{
    Suite *suite = suite_create("http_server");
    add_basic_tests(suite);
    add_refusal_tests(suite);
    add_thread_tests(suite);
    add_server_tests(suite);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
