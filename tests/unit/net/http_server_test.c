/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "http_setup.h"

/* ---- requests and answers ------------------------------------------------------------------- */

START_TEST(get_is_answered_and_the_connection_kept)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    for (unsigned i = 0; i < 3; i++) {
        client_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "\r\n"));
        struct answer a = client_read_answer(fd, false);
        answer_assert(&a, 200, "hello\n");
        ck_assert(str_eq(answer_header(&a, "content-type"), STR("text/plain; charset=utf-8")));
        ck_assert_uint_eq(answer_header(&a, "date").len, 29);
        ck_assert_ptr_null(answer_header(&a, "connection").ptr);
        answer_free(&a);
    }
    client_close(fd);
    ck_assert_uint_eq(stat_get(&http_server_stats(s.f.server)->requests_1xx_to_2xx), 3);
    setup_stop(&s);
}
END_TEST

START_TEST(head_has_a_length_but_no_body)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(fd, STR("HEAD /hello HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
    struct answer head = client_read_answer(fd, true);
    ck_assert_uint_eq(head.status, 200);
    ck_assert(str_eq(answer_header(&head, "content-length"), STR("6")));
    struct answer get = client_read_answer(fd, false);
    answer_assert(&get, 200, "hello\n");
    answer_free(&get);
    client_close(fd);
    setup_stop(&s);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
    enum { N = 300 };
    struct setup s;
    setup_start(&s, http_limits_default());
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
    setup_stop(&s);
}
END_TEST

START_TEST(request_that_arrives_byte_by_byte_is_understood)
{
    struct setup s;
    setup_start(&s, http_limits_default());
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
        answer_assert(&a, 200, "hello");
        answer_free(&a);
    }
    client_close(fd);
    setup_stop(&s);
}
END_TEST

START_TEST(large_body_of_one_byte_chunks_arrives_whole)
{
    enum { N = 100000 };
    struct setup s;
    setup_start(&s, http_limits_default());
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
    setup_stop(&s);
}
END_TEST

START_TEST(large_bodies_go_both_ways)
{
    enum { N = 3000000 };
    struct setup s;
    setup_start(&s, http_limits_default());
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
    setup_stop(&s);
}
END_TEST

static const char *const BIG_PATHS[] = { "/big", "/big-static", "/big-taken" };

START_TEST(large_answers_of_every_ownership_arrive_whole)
{
    struct setup s;
    setup_start(&s, http_limits_default());
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
        answer_assert(&a, 200, "hello\n");
        answer_free(&a);
    }
    client_close(fd);
    setup_stop(&s);
}
END_TEST

START_TEST(continue_is_sent_before_the_body)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST
                        "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
    struct answer go = client_read_answer(fd, false);
    ck_assert_uint_eq(go.status, 100);
    client_send(fd, STR("hello"));
    struct answer a = client_read_answer(fd, false);
    answer_assert(&a, 200, "hello");
    answer_free(&a);
    client_close(fd);
    setup_stop(&s);
}
END_TEST

START_TEST(gzip_answers_only_when_accepted_and_worth_it)
{
    struct setup s;
    setup_start(&s, http_limits_default());
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
    setup_stop(&s);
}
END_TEST

START_TEST(header_with_a_line_break_is_left_out)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    struct answer a = client_exchange(&s.f, STR("GET /inject HTTP/1.1\r\n" HOST "\r\n"));
    ck_assert(str_eq(answer_header(&a, "x-good"), STR("yes")));
    ck_assert_ptr_null(answer_header(&a, "x-bad").ptr);
    ck_assert_ptr_null(answer_header(&a, "set-cookie").ptr);
    answer_free(&a);
    setup_stop(&s);
}
END_TEST

START_TEST(http10_closes_unless_asked_to_keep)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    struct answer a = client_read_answer(fd, false);
    answer_assert(&a, 200, "hello\n");
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
    setup_stop(&s);
}
END_TEST

START_TEST(handler_may_go_on_in_later_turns)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    setup_ask(&s, "GET /continue?50 HTTP/1.1\r\n" HOST "\r\n", 200, "done");
    setup_stop(&s);
}
END_TEST

/* ---- early answers -------------------------------------------------------------------------- */

START_TEST(answer_before_a_small_body_keeps_the_connection)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(fd, STR("POST /deny HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"));
    struct answer a = client_read_answer(fd, false);
    answer_assert(&a, 401, "denied");
    answer_free(&a);
    client_send(fd, STR("GET /GET /hello HTTP/1.1\r\n" HOST "\r\n")); /* "GET /" is the body */
    a = client_read_answer(fd, false);
    answer_assert(&a, 200, "hello\n");
    answer_free(&a);
    client_close(fd);
    ck_assert_uint_eq(atomic_load(&s.app.served_count), 1);
    setup_stop(&s);
}
END_TEST

START_TEST(answer_before_a_large_body_is_seen_and_closes)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    int fd = client_connect(&s.f);
    client_send(fd, STR("POST /deny HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n"));
    char *junk = calloc(1, 1000000);
    client_send(fd, (struct str){ junk, 1000000 });
    free(junk);
    struct answer a = client_read_answer(fd, false);
    answer_assert(&a, 401, "denied");
    ck_assert(str_eq(answer_header(&a, "connection"), STR("close")));
    answer_free(&a);
    char byte;
    ck_assert(!client_read(fd, &byte, 1));
    client_close(fd);
    setup_stop(&s);
}
END_TEST

START_TEST(limit_of_the_handler_holds)
{
    struct setup s;
    setup_start(&s, http_limits_default());
    setup_ask(&s, "POST /small-limit HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789", 200,
              "0123456789");
    setup_ask(&s, "POST /small-limit HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n", 413,
              "request body too large");
    setup_ask(&s,
              "POST /small-limit HTTP/1.1\r\n" HOST
              "Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n5\r\n67890\r\n",
              413, "request body too large");
    ck_assert_uint_eq(fixture_rejected(&s.f, HTTP_REJECT_BODY_TOO_LARGE), 2);
    setup_stop(&s);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(table)[0])

int main(void)
{
    Suite *suite = suite_create("http_server");
    TCase *requests = tcase_create("requests");
    tcase_set_timeout(requests, 60);
    tcase_add_test(requests, get_is_answered_and_the_connection_kept);
    tcase_add_test(requests, head_has_a_length_but_no_body);
    tcase_add_test(requests, pipelined_requests_are_answered_in_order);
    tcase_add_test(requests, request_that_arrives_byte_by_byte_is_understood);
    tcase_add_test(requests, large_body_of_one_byte_chunks_arrives_whole);
    tcase_add_test(requests, large_bodies_go_both_ways);
    tcase_add_loop_test(requests, large_answers_of_every_ownership_arrive_whole, 0,
                        COUNT(BIG_PATHS));
    tcase_add_test(requests, continue_is_sent_before_the_body);
    tcase_add_test(requests, gzip_answers_only_when_accepted_and_worth_it);
    tcase_add_test(requests, header_with_a_line_break_is_left_out);
    tcase_add_test(requests, http10_closes_unless_asked_to_keep);
    tcase_add_test(requests, handler_may_go_on_in_later_turns);
    tcase_add_test(requests, answer_before_a_small_body_keeps_the_connection);
    tcase_add_test(requests, answer_before_a_large_body_is_seen_and_closes);
    tcase_add_test(requests, limit_of_the_handler_holds);
    suite_add_tcase(suite, requests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
