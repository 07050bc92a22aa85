/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server.h"

#include <check.h>
#include <stdlib.h>

#include "http_setup.h"

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
    setup_start(&s, http_limits_default());
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
    setup_stop(&s);
}
END_TEST

START_TEST(oversized_head_is_refused)
{
    struct setup s;
    setup_start(&s, http_limits_default());
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
    setup_stop(&s);
}
END_TEST

/* ---- time-outs ------------------------------------------------------------------------------ */

START_TEST(slow_head_gets_408)
{
    struct setup s;
    struct http_limits limits = setup_quick_limits();
    limits.head_timeout_ms = 30;
    setup_start(&s, limits);
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /hello HTTP/1.1\r\nHos"));
    struct answer a = client_read_answer(fd, false);
    ck_assert_uint_eq(a.status, 408);
    answer_free(&a);
    client_close(fd);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_HEAD_TIMEOUT), 1);
    setup_stop(&s);
}
END_TEST

START_TEST(slow_body_gets_408)
{
    struct setup s;
    struct http_limits limits = setup_quick_limits();
    limits.request_timeout_ms = _i == 0 ? 30 : 60000;
    limits.body_rate_grace_ms = _i == 0 ? 60000 : 30;
    setup_start(&s, limits);
    int fd = client_connect(&s.f);
    client_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\nabc"));
    struct answer a = client_read_answer(fd, false);
    ck_assert_uint_eq(a.status, 408);
    answer_free(&a);
    client_close(fd);
    enum http_reject reason = _i == 0 ? HTTP_REJECT_REQUEST_TIMEOUT : HTTP_REJECT_BODY_TOO_SLOW;
    ck_assert_uint_eq(fixture_rejected(&s.f, reason), 1);
    setup_stop(&s);
}
END_TEST

START_TEST(idle_connection_is_closed_silently)
{
    struct setup s;
    struct http_limits limits = setup_quick_limits();
    limits.idle_timeout_ms = 500; /* longer than a busy machine needs to send a request */
    setup_start(&s, limits);
    int fresh = client_connect(&s.f);
    int used = client_connect(&s.f);
    client_send(used, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    struct answer a = client_read_answer(used, false);
    answer_assert(&a, 200, "hello\n");
    answer_free(&a);
    char byte;
    ck_assert(!client_read(fresh, &byte, 1));
    ck_assert(!client_read(used, &byte, 1));
    client_close(fresh);
    client_close(used);
    setup_stop(&s);
}
END_TEST

START_TEST(client_that_does_not_read_is_closed)
{
    struct setup s;
    struct http_limits limits = setup_quick_limits();
    limits.write_stall_ms = 50;
    setup_start(&s, limits);
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /big?8000000 HTTP/1.1\r\n" HOST "\r\n"));
    fixture_await_rejected(&s.f, HTTP_REJECT_WRITE_STALL, 1);
    fixture_await_gauge(&http_server_stats(s.f.server)->connections, 0);
    client_close(fd);
    setup_stop(&s);
}
END_TEST

/* ---- connections ------------------------------------------------------------------------------ */

START_TEST(one_address_cannot_have_all_connections)
{
    struct setup s;
    struct http_limits limits = setup_quick_limits();
    limits.connections_per_peer_max = 3;
    setup_start(&s, limits);
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
    setup_ask(&s, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello\n");
    client_close(fds[1]);
    client_close(fds[2]);
    setup_stop(&s);
}
END_TEST

START_TEST(accepting_pauses_at_the_limit_and_resumes)
{
    struct setup s;
    struct http_limits limits = http_limits_default();
    limits.connections_max = 2;
    setup_start(&s, limits);
    int a = client_connect(&s.f);
    int b = client_connect(&s.f);
    fixture_await_gauge(&http_server_stats(s.f.server)->connections, 2);
    int c = client_connect(&s.f);
    client_send(c, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    fixture_await_rejected(&s.f, HTTP_REJECT_CONNECTIONS, 1);
    client_close(a);
    struct answer answer = client_read_answer(c, false);
    answer_assert(&answer, 200, "hello\n");
    answer_free(&answer);
    client_close(b);
    client_close(c);
    setup_stop(&s);
}
END_TEST

START_TEST(flood_of_resets_leaves_nothing_behind)
{
    struct setup s;
    setup_start(&s, setup_quick_limits());
    for (unsigned i = 0; i < 500; i++) {
        int fd = client_connect(&s.f);
        if (i % 3 == 1) client_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
        if (i % 3 == 2)
            client_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nx"));
        client_reset(fd);
    }
    setup_ask(&s, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello\n");
    fixture_await_gauge(&http_server_stats(s.f.server)->connections, 0);
    fixture_await_gauge(&http_server_stats(s.f.server)->exchanges, 0);
    setup_stop(&s);
}
END_TEST

START_TEST(idle_connections_hold_no_buffers)
{
    enum { N = 200 };
    struct setup s;
    setup_start(&s, setup_quick_limits());
    fixture_await_gauge(&http_server_stats(s.f.server)->connections, 0);
    uint64_t before = mem_used(s.f.mem, MEM_NETWORK);
    int fds[N];
    for (unsigned i = 0; i < N; i++) {
        fds[i] = client_connect(&s.f);
        client_send(fds[i], STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"));
        client_send(fds[i], STR("hello"));
        struct answer a = client_read_answer(fds[i], false);
        answer_assert(&a, 200, "hello");
        answer_free(&a);
    }
    fixture_await_gauge(&http_server_stats(s.f.server)->exchanges, 0);
    uint64_t used = mem_used(s.f.mem, MEM_NETWORK) - before;
    /* The pools of two loops, once, and the table of peers. */
    uint64_t pools = 2 * 64 * 8192;
    ck_assert_uint_le(used, pools + N * 1024);
    for (unsigned i = 0; i < N; i++)
        client_close(fds[i]);
    setup_stop(&s);
}
END_TEST

/* ---- memory --------------------------------------------------------------------------------- */

START_TEST(request_without_memory_gets_503)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    uint64_t cap = mem_cap(s.f.mem, MEM_INGEST);
    mem_set_cap(s.f.mem, MEM_INGEST, 64 << 10);
    struct answer a = client_exchange(
        &s.f, STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3000000\r\n\r\n"));
    answer_assert(&a, 503, "out of memory");
    ck_assert_ptr_nonnull(answer_header(&a, "retry-after").ptr);
    answer_free(&a);
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_MEMORY), 1);
    mem_set_cap(s.f.mem, MEM_INGEST, cap);
    setup_ask(&s, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello\n");
    setup_stop(&s);
}
END_TEST

/* The _i-th allocation from now fails: the request is answered, refused or cut off; nothing leaks. */
START_TEST(failed_allocation_costs_one_request)
{
    struct setup s;
    setup_start(&s, setup_quick_limits());
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
    setup_ask(&s, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello\n");
    setup_stop(&s);
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
    setup_start_loops(&s, setup_quick_limits(), 1);
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
    answer_assert(&a, 200, "finished");
    ck_assert(str_eq(answer_header(&a, "connection"), STR("close")));
    answer_free(&a);
    thread_join(&stopper.thread);
    client_close(idle);
    client_close(busy);
    setup_stop(&s);
}
END_TEST

START_TEST(stop_cancels_what_does_not_finish)
{
    struct setup s;
    setup_start(&s, setup_quick_limits());
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /later HTTP/1.1\r\n" HOST "\r\n"));
    struct http_exchange *ex = test_app_take(&s.app);
    http_server_stop(s.f.server, 10);
    ck_assert(http_exchange_is_closed(ex));
    test_app_await_closed(&s.app, 1);
    http_exchange_answer_text(ex, 200, STR("too late"));
    client_close(fd);
    setup_stop(&s);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(table)[0])

int main(void)
{
    Suite *suite = suite_create("http_server_limits");
    TCase *refusals = tcase_create("refusals");
    tcase_set_timeout(refusals, 60);
    tcase_add_loop_test(refusals, bad_request_is_refused_counted_and_closed, 0, COUNT(REFUSED));
    tcase_add_test(refusals, oversized_head_is_refused);
    tcase_add_test(refusals, slow_head_gets_408);
    tcase_add_loop_test(refusals, slow_body_gets_408, 0, 2);
    tcase_add_test(refusals, idle_connection_is_closed_silently);
    tcase_add_test(refusals, client_that_does_not_read_is_closed);
    suite_add_tcase(suite, refusals);
    TCase *server = tcase_create("server");
    tcase_set_timeout(server, 60);
    tcase_add_test(server, one_address_cannot_have_all_connections);
    tcase_add_test(server, accepting_pauses_at_the_limit_and_resumes);
    tcase_add_test(server, flood_of_resets_leaves_nothing_behind);
    tcase_add_test(server, idle_connections_hold_no_buffers);
    tcase_add_test(server, request_without_memory_gets_503);
    tcase_add_loop_test(server, failed_allocation_costs_one_request, 1, 20);
    tcase_add_test(server, stop_lets_running_requests_finish);
    tcase_add_test(server, stop_cancels_what_does_not_finish);
    suite_add_tcase(suite, server);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
