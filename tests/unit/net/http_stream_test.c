/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "http_setup.h"

/* ---- answers from other threads --------------------------------------------------------------- */

START_TEST(answer_from_another_thread_arrives)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    for (unsigned i = 0; i < 3; i++) {
        client_send(fd,
                    STR("GET /later HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
        struct http_exchange *ex = test_app_take(&s.app);
        ck_assert(!http_exchange_is_closed(ex));
        http_exchange_answer_text(ex, 200, STR("at last"));
        struct answer a = client_read_answer(fd, false);
        answer_assert(&a, 200, "at last");
        answer_free(&a);
        a = client_read_answer(fd, false);
        answer_assert(&a, 200, "hello\n");
        answer_free(&a);
    }
    client_close(fd);
    setup_stop(&s);
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
    struct http_limits limits = setup_quick_limits();
    limits.pipelined_bytes_max = 1000;
    setup_start(&s, limits);
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
        answer_assert(&a, 200, "anyone?");
        answer_free(&a);
        client_close(fd);
    }
    setup_stop(&s);
}
END_TEST

START_TEST(read_ahead_is_bounded_while_a_request_runs)
{
    struct setup s;
    struct http_limits limits = setup_quick_limits();
    limits.pipelined_bytes_max = 1000;
    setup_start(&s, limits);
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /later HTTP/1.1\r\n" HOST "\r\n"));
    struct http_exchange *ex = test_app_take(&s.app);
    enum { N = 5000 };
    for (unsigned i = 0; i < N; i++)
        client_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    http_exchange_answer_text(ex, 200, STR("first"));
    struct answer a = client_read_answer(fd, false);
    answer_assert(&a, 200, "first");
    answer_free(&a);
    for (unsigned i = 0; i < N; i++) {
        a = client_read_answer(fd, false);
        ck_assert_uint_eq(a.status, 200);
        answer_free(&a);
    }
    client_close(fd);
    setup_stop(&s);
}
END_TEST

START_TEST(half_closed_client_gets_all_its_answers)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
    client_half_close(fd);
    for (unsigned i = 0; i < 2; i++) {
        struct answer a = client_read_answer(fd, false);
        answer_assert(&a, 200, "hello\n");
        answer_free(&a);
    }
    char byte;
    ck_assert(!client_read(fd, &byte, 1));
    client_close(fd);
    setup_stop(&s);
}
END_TEST

/* ---- streams -------------------------------------------------------------------------------- */

static const char *const STREAM_PATHS[] = { "/stream", "/stream-loop" };

START_TEST(streamed_answer_arrives_whole)
{
    struct setup s;
    setup_start(&s, http_limits_default());
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
    answer_assert(&a, 200, "hello\n");
    answer_free(&a);
    client_close(fd);
    setup_stop(&s);
}
END_TEST

START_TEST(trailers_are_sent_to_those_who_want_them)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    struct answer a = client_exchange(
        &s.f, STR("GET /stream?10 HTTP/1.1\r\n" HOST "TE: trailers\r\nConnection: TE\r\n\r\n"));
    ck_assert_uint_eq(a.body_len, 10);
    ck_assert(str_eq(answer_header(&a, "x-trailer"), STR("at the end")));
    answer_free(&a);
    setup_stop(&s);
}
END_TEST

START_TEST(head_of_a_stream_has_no_body)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(
        fd, STR("HEAD /stream?5000 HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
    struct answer a = client_read_answer(fd, true);
    ck_assert_uint_eq(a.status, 200);
    a = client_read_answer(fd, false);
    answer_assert(&a, 200, "hello\n");
    answer_free(&a);
    client_close(fd);
    setup_stop(&s);
}
END_TEST

START_TEST(aborted_stream_does_not_look_complete)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    struct answer a = client_exchange(&s.f, STR("GET /abort HTTP/1.1\r\n" HOST "\r\n"));
    ck_assert(!a.is_complete);
    answer_free(&a);
    setup_stop(&s);
}
END_TEST

START_TEST(stream_to_a_client_that_left_ends)
{
    struct setup s;
    setup_start(&s, setup_quick_limits());
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /stream?8000000 HTTP/1.1\r\n" HOST "\r\n"));
    struct answer a = { 0 };
    ck_assert(client_read(fd, a.head, 100));
    client_reset(fd);
    fixture_await_gauge(&http_server_stats(s.f.server)->exchanges, 0);
    setup_stop(&s);
}
END_TEST

START_TEST(writer_waits_no_longer_than_its_deadline)
{
    struct setup s;
    struct http_limits limits = setup_quick_limits();
    limits.answer_queue_bytes_max = 1000;
    setup_start(&s, limits);
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
    setup_stop(&s);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(table)[0])

int main(void)
{
    Suite *suite = suite_create("http_stream");
    TCase *other_threads = tcase_create("other threads");
    tcase_set_timeout(other_threads, 60);
    tcase_add_test(other_threads, answer_from_another_thread_arrives);
    tcase_add_loop_test(other_threads, handler_is_told_when_the_client_leaves, 0, 3);
    tcase_add_test(other_threads, read_ahead_is_bounded_while_a_request_runs);
    tcase_add_test(other_threads, half_closed_client_gets_all_its_answers);
    suite_add_tcase(suite, other_threads);
    TCase *streams = tcase_create("streams");
    tcase_set_timeout(streams, 60);
    tcase_add_loop_test(streams, streamed_answer_arrives_whole, 0, COUNT(STREAM_PATHS));
    tcase_add_test(streams, trailers_are_sent_to_those_who_want_them);
    tcase_add_test(streams, head_of_a_stream_has_no_body);
    tcase_add_test(streams, aborted_stream_does_not_look_complete);
    tcase_add_test(streams, stream_to_a_client_that_left_ends);
    tcase_add_test(streams, writer_waits_no_longer_than_its_deadline);
    suite_add_tcase(suite, streams);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
