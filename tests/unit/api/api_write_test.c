/* SPDX-License-Identifier: Apache-2.0
 *
 * Remote write: which status a refusal gets, what its text says, and what is counted.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api_rig.h"
#include "metrics/head/head_priv.h"
#include "metrics/metrics_priv.h"

#define HEADERS "Content-Encoding: snappy\r\n"

static struct api_rig rig;

static void set_up(void)
{
    api_rig_setup(&rig, true);
}

static void tear_down(void)
{
    api_rig_teardown(&rig);
}

static struct answer write_all(const struct rig_sample *samples, size_t count)
{
    struct buf body;
    buf_init(&body, mem_source_of(rig.mem, MEM_INGEST), 1u << 20);
    api_rig_write_body(&rig, samples, count, &body);
    struct answer a = api_rig_ask(&rig, "POST", "/api/v1/write", HEADERS, buf_str(&body));
    buf_deinit(&body);
    return a;
}

static void expect_faults(enum api_write_fault fault, uint64_t count)
{
    ck_assert_uint_eq(stat_get(&rig.api.stats.write_faults[fault]), count);
}

START_TEST(lack_of_memory_is_worth_a_retry)
{
    const struct rig_sample known[] = { { "m", "1", rig.base_ms, 1 } };
    ck_assert_uint_eq(api_rig_write(&rig, known, 1), 204);
    mem_set_cap(rig.mem, MEM_CACHE, UINT64_MAX);
    size_t pressure = (size_t)(mem_total(rig.mem) / 10 * 9 - mem_total_used(rig.mem));
    ck_assert(mem_charge(rig.mem, MEM_CACHE, pressure));
    /* one stored, one out of order, one that finds no memory */
    const struct rig_sample mixed[] = { { "m", "1", rig.base_ms - 1, 0 },
                                        { "m", "1", rig.base_ms + 1, 2 },
                                        { "new", "1", rig.base_ms, 3 } };
    struct answer a = write_all(mixed, 3);
    ck_assert_msg(a.status == 503, "%u %s", a.status, a.body);
    ck_assert_uint_gt(answer_header(&a, "Retry-After").len, 0);
    ck_assert_msg(strstr(a.body, "new{i=\"1\"} (1 samples stored, 2 refused)"), "%s", a.body);
    answer_free(&a);
    a = write_all(mixed + 2, 1);
    ck_assert_msg(a.status == 503, "%u %s", a.status, a.body);
    answer_free(&a);
    /* Again when there is memory: what is stored already does no harm. */
    mem_uncharge(rig.mem, MEM_CACHE, pressure);
    a = write_all(mixed + 1, 2);
    ck_assert_msg(a.status == 204, "%u %s", a.status, a.body);
    answer_free(&a);
}
END_TEST

START_TEST(the_first_error_is_that_of_the_request)
{
    /* 40 series in all shards: whichever shard is served first, series 7 is the first that fails. */
    struct rig_sample samples[40];
    static char names[40][16];
    for (int i = 0; i < 40; i++) {
        (void)snprintf(names[i], sizeof names[i], "%d", i);
        samples[i] = (struct rig_sample){ "m", names[i], rig.base_ms, i };
    }
    struct answer a = write_all(samples, 40);
    ck_assert_uint_eq(a.status, 204);
    answer_free(&a);
    for (int i = 7; i < 40; i++)
        samples[i].ts_ms -= 1000;
    samples[3].name = ""; /* left out silently, and not the error that is told */
    a = write_all(samples, 40);
    ck_assert_uint_eq(a.status, 400);
    ck_assert_str_eq(a.body, "out of order sample: m{i=\"7\"} (6 samples stored, 33 refused)\n");
    answer_free(&a);
}
END_TEST

static uint64_t appends(void)
{
    const struct stat_histogram *h = &rig.metrics->head->stats.append;
    uint64_t n = 0;
    for (size_t i = 0; i < STAT_HISTOGRAM_BUCKETS; i++)
        n += atomic_load(&h->buckets[i]);
    return n;
}

/* 10,000 series: three parts, appended in three turns of the loop, are one request to the sender. */
START_TEST(a_large_request_goes_in_parts)
{
    enum { SERIES = 10000 };
    static struct rig_sample samples[SERIES];
    static char names[SERIES][16];
    for (int i = 0; i < SERIES; i++) {
        (void)snprintf(names[i], sizeof names[i], "%d", i);
        samples[i] = (struct rig_sample){ "m", names[i], rig.base_ms, i };
    }
    uint64_t before = appends();
    struct answer a = write_all(samples, SERIES);
    ck_assert_msg(a.status == 204, "%u %s", a.status, a.body);
    answer_free(&a);
    ck_assert_uint_eq(appends() - before, 3);
    ck_assert_uint_eq(stat_get(&rig.api.stats.write_samples), SERIES);
    for (int i = 9000; i < SERIES; i++)
        samples[i].ts_ms -= 1000;
    samples[9000].i = "x";
    a = write_all(samples, SERIES);
    ck_assert_uint_eq(a.status, 400);
    ck_assert_str_eq(a.body,
                     "out of order sample: m{i=\"9001\"} (9001 samples stored, 999 refused)\n");
    answer_free(&a);
}
END_TEST

START_TEST(unreadable_requests_are_counted_by_reason)
{
    static const struct {
        const char *headers, *body;
        unsigned status;
        enum api_write_fault fault;
    } CASES[] = {
        { "Content-Encoding: gzip\r\n", "", 415, API_WRITE_ENCODING },
        { "Content-Type: text/plain\r\n", "", 415, API_WRITE_CONTENT_TYPE },
        { "Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request\r\n", "", 415,
          API_WRITE_MESSAGE },
        { HEADERS,
          "\x20\x04"
          "ab",
          400, API_WRITE_CORRUPT },
        { HEADERS, "\xff\xff\xff\xff\x09xxxx", 400, API_WRITE_TOO_LARGE },
        { HEADERS, "\x02\x04\x0a\x7f", 400, API_WRITE_MALFORMED },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct answer a =
            api_rig_ask(&rig, "POST", "/api/v1/write", CASES[i].headers, str_of_z(CASES[i].body));
        ck_assert_msg(a.status == CASES[i].status, "%zu: %u %s", i, a.status, a.body);
        for (size_t f = 0; f < API_WRITE_FAULT_COUNT; f++)
            expect_faults(f, f <= i ? 1 : 0);
        ck_assert_uint_eq(CASES[i].fault, i);
        answer_free(&a);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("api_write");
    TCase *tc = tcase_create("write");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, lack_of_memory_is_worth_a_retry);
    tcase_add_test(tc, the_first_error_is_that_of_the_request);
    tcase_add_test(tc, a_large_request_goes_in_parts);
    tcase_add_test(tc, unreadable_requests_are_counted_by_reason);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
