/* SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "echo_service.h"
#include "h2_client.h"
#include "net/http_body.h"
#include "server_fixture.h"

struct setup {
    struct mem_budget *mem; /* of the router */
    struct router *router;
    struct echo_service service;
    struct fixture f;
    struct h2_client c;
};

static void start(struct setup *s)
{
    s->mem = mem_budget_create(64 << 20);
    struct err err = { 0 };
    struct router_options options = { .mem = s->mem };
    ck_assert_int_eq(router_create(&options, &s->router, &err), ERR_OK);
    ck_assert_int_eq(echo_service_register(&s->service, s->router, &err), ERR_OK);
    struct fixture_options fixture = { .limits = http_limits_default(),
                                       .handler = router_handler(s->router) };
    s->f = fixture_start(&fixture);
    h2_client_init(&s->c, &s->f);
}

static void stop(struct setup *s)
{
    h2_client_deinit(&s->c);
    fixture_stop(&s->f);
    echo_service_deinit(&s->service);
    router_destroy(s->router);
    ck_assert_uint_eq(mem_live_count(s->mem), 0);
    mem_budget_destroy(s->mem);
}

/* A frame around `payload`; free with free(). */
static struct bytes frame_of(uint8_t flag, struct bytes payload)
{
    uint8_t *out = malloc(payload.len + 5);
    out[0] = flag;
    for (unsigned i = 0; i < 4; i++)
        out[1 + i] = (uint8_t)(payload.len >> (24 - 8 * i));
    if (payload.len > 0) memcpy(out + 5, payload.ptr, payload.len);
    return (struct bytes){ out, payload.len + 5 };
}

static struct h2_stream *call_raw(struct setup *s, const char *path, struct bytes body,
                                  const char *name, const char *value)
{
    struct h2_request request = {
        .method = "POST",
        .path = path,
        .headers = { "content-type", "application/grpc", "te", "trailers", name, value },
        .body = body,
        .has_body = true,
    };
    unsigned index = h2_client_submit(&s->c, &request);
    h2_client_await(&s->c, index);
    return &s->c.streams[index];
}

static struct h2_stream *call(struct setup *s, const char *path, struct str message)
{
    struct bytes frame = frame_of(0, bytes_of_str(message));
    struct h2_stream *a = call_raw(s, path, frame, NULL, NULL);
    free((void *)(uintptr_t)frame.ptr);
    return a;
}

static void assert_status(const struct h2_stream *a, const char *block, const char *status)
{
    ck_assert_uint_eq(a->status, 200);
    struct str actual = h2_field(block, "grpc-status");
    ck_assert_msg(str_eq(actual, str_of_z(status)), "%s%s", a->headers, a->trailers);
}

START_TEST(unary_call_is_answered_with_trailers)
{
    struct setup s;
    start(&s);
    struct h2_stream *a = call(&s, "/test.Echo/Say", STR("hello"));
    assert_status(a, a->trailers, "0");
    ck_assert(str_eq(h2_field(a->headers, "content-type"), STR("application/grpc")));
    ck_assert_uint_eq(a->body_len, 10);
    ck_assert_mem_eq(a->body, "\0\0\0\0\5hello", 10);
    a = call(&s, "/test.Echo/Say", (struct str){ 0 });
    assert_status(a, a->trailers, "0");
    ck_assert_uint_eq(a->body_len, 5);
    stop(&s);
}
END_TEST

START_TEST(error_is_a_trailers_only_answer)
{
    struct setup s;
    start(&s);
    struct h2_stream *a = call(&s, "/test.Echo/Fail", STR("x"));
    assert_status(a, a->headers, "9");
    ck_assert(str_eq(h2_field(a->headers, "grpc-message"), STR("100%25 %C3%A9gal%0A")));
    ck_assert(str_eq(h2_field(a->headers, "grpc-status-details-bin"), STR("CAk")));
    ck_assert_uint_eq(a->body_len, 0);
    a = call(&s, "/test.Echo/Later", STR("x"));
    assert_status(a, a->headers, "14");
    ck_assert(str_eq(h2_field(a->headers, "grpc-message"), STR("try again: queue of 7")));
    stop(&s);
}
END_TEST

START_TEST(messages_are_streamed)
{
    struct setup s;
    start(&s);
    struct h2_stream *a = call(&s, "/test.Echo/Repeat", STR("again"));
    assert_status(a, a->trailers, "0");
    ck_assert_uint_eq(a->body_len, 50);
    a = call(&s, "/test.Echo/Break", STR("once"));
    assert_status(a, a->trailers, "10");
    ck_assert_uint_eq(a->body_len, 9);
    ck_assert(str_eq(h2_field(a->trailers, "grpc-message"), STR("broke off")));
    stop(&s);
}
END_TEST

static const struct {
    const char *timeout;
    const char *status;
} TIMEOUTS[] = {
    { "1S", "4" }, { "99999999H", "14" }, { "5m", "4" },   { "1u", "4" }, { "1n", "4" },
    { "1", "13" }, { "1x", "13" },        { "-1S", "13" }, { "", "13" },  { "123456789S", "13" },
};

START_TEST(timeout_of_the_client_is_known)
{
    struct setup s;
    start(&s);
    struct bytes frame = frame_of(0, (struct bytes){ 0 });
    struct h2_stream *a =
        call_raw(&s, "/test.Echo/Later", frame, "grpc-timeout", TIMEOUTS[_i].timeout);
    assert_status(a, a->headers, TIMEOUTS[_i].status);
    free((void *)(uintptr_t)frame.ptr);
    stop(&s);
}
END_TEST

static const struct {
    const char *body;
    size_t len;
    const char *status;
} BODIES[] = {
    { "", 0, "13" },
    { "\0\0\0", 3, "13" },
    { "\0\0\0\0\5hell", 9, "13" },
    { "\2\0\0\0\0", 5, "13" },
    { "\0\0\0\0\1ab", 7, "12" },
    { "\0\0\0\0\0\0\0\0\0\0", 10, "12" },
    { "\0\x7f\xff\xff\xff", 5, "8" },
    { "\1\0\0\0\1a", 6, "13" }, /* compressed, but no grpc-encoding */
};

START_TEST(malformed_frame_is_refused)
{
    struct setup s;
    start(&s);
    struct bytes body = { (const uint8_t *)BODIES[_i].body, BODIES[_i].len };
    struct h2_stream *a = call_raw(&s, "/test.Echo/Say", body, NULL, NULL);
    assert_status(a, a->headers, BODIES[_i].status);
    stop(&s);
}
END_TEST

START_TEST(message_above_the_limit_is_refused_in_grpc_terms)
{
    struct setup s;
    start(&s);
    char *text = calloc(1, ECHO_MESSAGE_BYTES_MAX + 1);
    struct h2_stream *a =
        call(&s, "/test.Echo/Say", (struct str){ text, ECHO_MESSAGE_BYTES_MAX + 1 });
    assert_status(a, a->headers, "8");
    ck_assert(str_eq(h2_field(a->headers, "grpc-message"), STR("request body too large")));
    a = call(&s, "/test.Echo/Say", (struct str){ text, ECHO_MESSAGE_BYTES_MAX });
    assert_status(a, a->trailers, "0");
    ck_assert_uint_eq(a->body_len, ECHO_MESSAGE_BYTES_MAX + 5);
    free(text);
    stop(&s);
}
END_TEST

START_TEST(gzip_messages_go_both_ways)
{
    struct setup s;
    start(&s);
    struct http_codecs *codecs = NULL;
    ck_assert_int_eq(http_codecs_create(s.mem, &codecs, NULL), ERR_OK);
    struct buf packed;
    struct buf plain;
    buf_init(&packed, mem_source_of(s.mem, MEM_NETWORK), 8 << 20);
    buf_init(&plain, mem_source_of(s.mem, MEM_NETWORK), 8 << 20);
    for (unsigned i = 0; i < 5000; i++)
        buf_put_lit(&plain, "0123456789");
    ck_assert(http_body_gzip(codecs, buf_bytes(&plain), &packed));
    struct bytes frame = frame_of(1, buf_bytes(&packed));
    struct h2_request request = {
        .method = "POST",
        .path = "/test.Echo/Say",
        .headers = { "content-type", "application/grpc+proto", "grpc-encoding", "gzip",
                     "grpc-accept-encoding", "identity,gzip" },
        .body = frame,
        .has_body = true,
    };
    unsigned index = h2_client_submit(&s.c, &request);
    h2_client_await(&s.c, index);
    struct h2_stream *a = &s.c.streams[index];
    assert_status(a, a->trailers, "0");
    ck_assert(str_eq(h2_field(a->headers, "grpc-encoding"), STR("gzip")));
    ck_assert_int_eq(a->body[0], 1);
    buf_reset(&packed);
    struct decode_limits limits = DECODE_LIMITS_DEFAULT;
    struct bytes body = { (uint8_t *)a->body + 5, a->body_len - 5 };
    ck_assert_int_eq(http_body_decode(codecs, HTTP_CODING_GZIP, body, &limits, &packed, NULL),
                     ERR_OK);
    ck_assert(str_eq(buf_str(&packed), buf_str(&plain)));
    /* Unknown coding, damaged data, and a bomb. */
    a = call_raw(&s, "/test.Echo/Say", frame, "grpc-encoding", "snappy");
    assert_status(a, a->headers, "12");
    struct bytes damaged = frame_of(1, bytes_of_str(STR("no gzip")));
    a = call_raw(&s, "/test.Echo/Say", damaged, "grpc-encoding", "gzip");
    assert_status(a, a->headers, "13");
    free((void *)(uintptr_t)damaged.ptr);
    buf_reset(&packed);
    buf_reset(&plain);
    for (unsigned i = 0; i < 4 << 20; i += 64)
        buf_put(&plain, (const char[64]){ 0 }, 64);
    ck_assert(http_body_gzip(codecs, buf_bytes(&plain), &packed));
    struct bytes bomb = frame_of(1, buf_bytes(&packed));
    a = call_raw(&s, "/test.Echo/Say", bomb, "grpc-encoding", "gzip");
    assert_status(a, a->headers, "8");
    free((void *)(uintptr_t)bomb.ptr);
    free((void *)(uintptr_t)frame.ptr);
    buf_deinit(&packed);
    buf_deinit(&plain);
    http_codecs_destroy(codecs);
    stop(&s);
}
END_TEST

START_TEST(what_is_no_grpc_is_told_so)
{
    struct setup s;
    start(&s);
    struct h2_request request = { .method = "POST",
                                  .path = "/test.Echo/Say",
                                  .headers = { "content-type", "application/json" },
                                  .has_body = true };
    unsigned index = h2_client_submit(&s.c, &request);
    h2_client_await(&s.c, index);
    ck_assert_uint_eq(s.c.streams[index].status, 415);
    struct answer a = client_exchange(
        &s.f, STR("POST /test.Echo/Say HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"));
    ck_assert_uint_eq(a.status, 400);
    answer_free(&a);
    struct h2_stream *none = call(&s, "/test.Echo/None", STR("x"));
    ck_assert_uint_eq(none->status, 404);
    stop(&s);
}
END_TEST

START_TEST(every_error_code_has_a_status)
{
    ck_assert_int_eq(grpc_status_of_err(ERR_OK), GRPC_OK);
    for (unsigned code = 1; code < ERR_CODE_COUNT; code++) {
        enum grpc_status status = grpc_status_of_err((enum err_code)code);
        ck_assert_int_ne(status, GRPC_OK);
        ck_assert_int_ne(status, GRPC_UNKNOWN);
    }
    ck_assert_int_eq(grpc_status_of_http(503), GRPC_UNAVAILABLE);
    ck_assert_int_eq(grpc_status_of_http(418), GRPC_UNKNOWN);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grpc");
    TCase *tc = tcase_create("calls");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, unary_call_is_answered_with_trailers);
    tcase_add_test(tc, error_is_a_trailers_only_answer);
    tcase_add_test(tc, messages_are_streamed);
    tcase_add_loop_test(tc, timeout_of_the_client_is_known, 0,
                        (int)(sizeof TIMEOUTS / sizeof TIMEOUTS[0]));
    tcase_add_loop_test(tc, malformed_frame_is_refused, 0, (int)(sizeof BODIES / sizeof BODIES[0]));
    tcase_add_test(tc, message_above_the_limit_is_refused_in_grpc_terms);
    tcase_add_test(tc, gzip_messages_go_both_ways);
    tcase_add_test(tc, what_is_no_grpc_is_told_so);
    tcase_add_test(tc, every_error_code_has_a_status);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
