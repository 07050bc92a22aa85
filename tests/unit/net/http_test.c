/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include <check.h>
#include <stdio.h>

#include "net/http_body.h"
#include "net/peers.h"

START_TEST(methods_are_case_sensitive)
{
    ck_assert_int_eq(http_method_of(STR("GET")), HTTP_GET);
    ck_assert_int_eq(http_method_of(STR("get")), HTTP_METHOD_OTHER);
    ck_assert_int_eq(http_method_of(STR("PATCH")), HTTP_PATCH);
    ck_assert_int_eq(http_method_of(STR("")), HTTP_METHOD_OTHER);
    ck_assert(str_eq(http_method_text(HTTP_DELETE), STR("DELETE")));
}
END_TEST

static const struct {
    const char *list;
    const char *coding;
    unsigned quality;
} QUALITIES[] = {
    { "", "gzip", 0 },
    { "gzip", "gzip", 1000 },
    { "GZIP", "gzip", 1000 },
    { "deflate, gzip;q=0.5", "gzip", 500 },
    { "gzip; q=0", "gzip", 0 },
    { "gzip;q=0.000", "gzip", 0 },
    { "gzip;q=1.000", "gzip", 1000 },
    { "gzip;q=0.123", "gzip", 123 },
    { "gzip;q=2", "gzip", 0 },
    { "gzip;q=0.1234", "gzip", 0 },
    { "gzip;q=x", "gzip", 0 },
    { "*", "gzip", 1000 },
    { "*;q=0.2, gzip;q=0.7", "gzip", 700 },
    { "gzip;q=0, *", "gzip", 0 },
    { "br,,  gzip", "gzip", 1000 },
    { "xgzip", "gzip", 0 },
};

START_TEST(coding_quality_is_read)
{
    ck_assert_uint_eq(
        http_coding_quality(str_of_z(QUALITIES[_i].list), str_of_z(QUALITIES[_i].coding)),
        QUALITIES[_i].quality);
}
END_TEST

START_TEST(lists_and_types_are_read)
{
    ck_assert(http_list_has(STR("a, B ;x=1,c"), STR("b")));
    ck_assert(!http_list_has(STR("ab"), STR("a")));
    ck_assert(!http_list_has(STR(""), STR("a")));
    ck_assert(str_eq(http_media_type(STR("Text/Plain ; charset=utf-8")), STR("Text/Plain")));
    ck_assert(str_eq(http_media_type(STR("")), STR("")));
    ck_assert_int_eq(http_coding_of(STR(" X-Gzip ")), HTTP_CODING_GZIP);
    ck_assert_int_eq(http_coding_of(STR("gzip, gzip")), HTTP_CODING_UNKNOWN);
    ck_assert_int_eq(http_coding_of(STR("snappy")), HTTP_CODING_SNAPPY);
    ck_assert_int_eq(http_coding_of(STR("")), HTTP_CODING_IDENTITY);
}
END_TEST

START_TEST(every_error_code_has_a_status)
{
    for (unsigned code = 0; code < ERR_CODE_COUNT; code++) {
        unsigned status = http_status_of_err((enum err_code)code);
        ck_assert_uint_ge(status, 200);
        ck_assert_uint_gt(http_status_text(status).len, 0);
    }
    ck_assert_uint_eq(http_status_text(299).len, 0);
}
END_TEST

/* ---- bodies ------------------------------------------------------------------------------- */

struct body_fixture {
    struct mem_budget *mem;
    struct http_codecs *codecs;
    struct buf packed, plain;
};

static struct body_fixture body_fixture_create(void)
{
    struct body_fixture f = { .mem = mem_budget_create(256 << 20) };
    ck_assert_int_eq(http_codecs_create(f.mem, &f.codecs, NULL), ERR_OK);
    buf_init(&f.packed, mem_source_of(f.mem, MEM_NETWORK), 64 << 20);
    buf_init(&f.plain, mem_source_of(f.mem, MEM_NETWORK), 64 << 20);
    return f;
}

static void body_fixture_destroy(struct body_fixture *f)
{
    buf_deinit(&f->packed);
    buf_deinit(&f->plain);
    http_codecs_destroy(f->codecs);
    ck_assert_uint_eq(mem_live_count(f->mem), 0);
    mem_budget_destroy(f->mem);
}

START_TEST(gzip_body_comes_back)
{
    struct body_fixture f = body_fixture_create();
    struct bytes text = bytes_of_str(STR("a body that comes back"));
    ck_assert(http_body_gzip(f.codecs, text, &f.packed));
    struct decode_limits limits = DECODE_LIMITS_DEFAULT;
    struct err err = { 0 };
    ck_assert_int_eq(
        http_body_decode(f.codecs, HTTP_CODING_GZIP, buf_bytes(&f.packed), &limits, &f.plain, &err),
        ERR_OK);
    ck_assert(str_eq(buf_str(&f.plain), str_of_bytes(text)));
    body_fixture_destroy(&f);
}
END_TEST

START_TEST(gzip_bomb_is_stopped_by_the_ratio)
{
    struct body_fixture f = body_fixture_create();
    for (unsigned i = 0; i < 8 << 20; i += 64)
        buf_put(&f.plain, (const char[64]){ 0 }, 64);
    ck_assert(http_body_gzip(f.codecs, buf_bytes(&f.plain), &f.packed));
    buf_reset(&f.plain);
    struct decode_limits limits = DECODE_LIMITS_DEFAULT;
    struct err err = { 0 };
    enum err_code rc =
        http_body_decode(f.codecs, HTTP_CODING_GZIP, buf_bytes(&f.packed), &limits, &f.plain, &err);
    ck_assert_int_eq(rc, ERR_LIMIT);
    ck_assert_uint_eq(f.plain.len, 0);
    body_fixture_destroy(&f);
}
END_TEST

START_TEST(damaged_and_unknown_bodies_are_told_apart)
{
    struct body_fixture f = body_fixture_create();
    struct decode_limits limits = DECODE_LIMITS_DEFAULT;
    struct err err = { 0 };
    struct bytes junk = bytes_of_str(STR("no compressed data at all"));
    static const struct {
        enum http_coding coding;
        enum err_code code;
    } CASES[] = {
        { HTTP_CODING_GZIP, ERR_INVALID },        { HTTP_CODING_DEFLATE, ERR_INVALID },
        { HTTP_CODING_ZSTD, ERR_INVALID },        { HTTP_CODING_SNAPPY, ERR_UNSUPPORTED },
        { HTTP_CODING_UNKNOWN, ERR_UNSUPPORTED }, { HTTP_CODING_IDENTITY, ERR_OK },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        enum err_code rc =
            http_body_decode(f.codecs, CASES[i].coding, junk, &limits, &f.plain, &err);
        ck_assert_int_eq(rc, CASES[i].code);
    }
    body_fixture_destroy(&f);
}
END_TEST

/* ---- peers -------------------------------------------------------------------------------- */

START_TEST(connections_are_counted_by_address)
{
    struct mem_budget *mem = mem_budget_create(64 << 20);
    struct peers *p = NULL;
    ck_assert_int_eq(peers_create(mem, 7, &p, NULL), ERR_OK);
    ck_assert(peers_add(p, STR("10.0.0.1:1"), 2));
    ck_assert(peers_add(p, STR("10.0.0.1:2"), 2));
    ck_assert(!peers_add(p, STR("10.0.0.1:3"), 2));
    ck_assert(peers_add(p, STR("[::1]:3"), 2));
    ck_assert_uint_eq(peers_count(p, STR("10.0.0.1:9")), 2);
    peers_remove(p, STR("10.0.0.1:1"));
    ck_assert(peers_add(p, STR("10.0.0.1:3"), 2));
    peers_destroy(p);
    ck_assert_uint_eq(mem_live_count(mem), 0);
    mem_budget_destroy(mem);
}
END_TEST

START_TEST(peer_table_survives_growth_and_removal_in_any_order)
{
    enum { N = 1000 };
    struct mem_budget *mem = mem_budget_create(64 << 20);
    struct peers *p = NULL;
    ck_assert_int_eq(peers_create(mem, (uint64_t)_i, &p, NULL), ERR_OK);
    char addr[32];
    for (unsigned i = 0; i < N; i++) {
        (void)snprintf(addr, sizeof addr, "10.0.%u.%u:80", i / 250, i % 250);
        ck_assert(peers_add(p, str_of_z(addr), 10));
    }
    for (unsigned k = 0; k < N; k++) {
        unsigned i = (k * 7919u) % N;
        (void)snprintf(addr, sizeof addr, "10.0.%u.%u:80", i / 250, i % 250);
        ck_assert_uint_eq(peers_count(p, str_of_z(addr)), 1);
        peers_remove(p, str_of_z(addr));
        ck_assert_uint_eq(peers_count(p, str_of_z(addr)), 0);
    }
    peers_destroy(p);
    ck_assert_uint_eq(mem_live_count(mem), 0);
    mem_budget_destroy(mem);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http");
    TCase *words = tcase_create("words");
    tcase_add_test(words, methods_are_case_sensitive);
    tcase_add_loop_test(words, coding_quality_is_read, 0,
                        (int)(sizeof QUALITIES / sizeof QUALITIES[0]));
    tcase_add_test(words, lists_and_types_are_read);
    tcase_add_test(words, every_error_code_has_a_status);
    suite_add_tcase(suite, words);
    TCase *bodies = tcase_create("bodies");
    tcase_add_test(bodies, gzip_body_comes_back);
    tcase_add_test(bodies, gzip_bomb_is_stopped_by_the_ratio);
    tcase_add_test(bodies, damaged_and_unknown_bodies_are_told_apart);
    suite_add_tcase(suite, bodies);
    TCase *peers = tcase_create("peers");
    tcase_add_test(peers, connections_are_counted_by_address);
    tcase_add_loop_test(peers, peer_table_survives_growth_and_removal_in_any_order, 0, 4);
    suite_add_tcase(suite, peers);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
