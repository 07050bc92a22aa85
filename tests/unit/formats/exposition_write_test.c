/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/exposition_write.h"

#include <check.h>

#include "os/mem.h"

struct cells {
    struct stat_counter requests, refused;
    struct stat_gauge open;
    struct stat_histogram duration;
};

static const struct stat_desc DESCS[] = {
    STAT_COUNTER_L(struct cells, requests, "x_requests_total", "code=\"200\"", "Requests."),
    STAT_COUNTER_L(struct cells, refused, "x_requests_total", "code=\"429\"", "Requests."),
    STAT_GAUGE(struct cells, open, "x_open", "Open now."),
    STAT_HISTOGRAM(struct cells, duration, "x_duration_seconds", "How long."),
};

static struct mem_budget *budget;
static struct buf out;

static void set_up(void)
{
    budget = mem_budget_create(64u << 20);
    buf_init(&out, mem_source_of(budget, MEM_SYSTEM), 1u << 20);
}

static void tear_down(void)
{
    buf_deinit(&out);
    mem_budget_destroy(budget);
}

static void expect_contains(const char *text)
{
    ck_assert_msg(str_find(buf_str(&out), str_of_z(text)) < out.len, "no \"%s\" in:\n%.*s", text,
                  (int)out.len, (const char *)out.ptr);
}

START_TEST(stat_tables_become_families)
{
    struct cells cells = { 0 };
    struct stat_table table = { DESCS, sizeof DESCS / sizeof DESCS[0], &cells };
    stat_add(&cells.requests, 3);
    stat_set(&cells.open, -1);
    stat_observe_ns(&cells.duration, 1500);
    exposition_write_stats(&out, EXPOSITION_TEXT, &table, 1);
    expect_contains("# HELP x_requests_total Requests.\n# TYPE x_requests_total counter\n"
                    "x_requests_total{code=\"200\"} 3\nx_requests_total{code=\"429\"} 0\n");
    expect_contains("# TYPE x_open gauge\nx_open -1\n");
    expect_contains("x_duration_seconds_bucket{le=\"1e-06\"} 0\n"
                    "x_duration_seconds_bucket{le=\"2e-06\"} 1\n");
    expect_contains("x_duration_seconds_bucket{le=\"+Inf\"} 1\n");
    expect_contains("x_duration_seconds_count 1\n");
    /* What we write, we can read. */
    struct arena arena;
    struct batch batch;
    struct exposition_options options = { .format = EXPOSITION_TEXT };
    arena_init(&arena, mem_source_of(budget, MEM_SYSTEM), 1u << 20);
    ck_assert_int_eq(exposition_parse(buf_bytes(&out), &options, &arena, &batch, NULL), ERR_OK);
    ck_assert_uint_eq(batch.series_count, 3 + STAT_HISTOGRAM_BUCKETS + 2);
    arena_deinit(&arena);
}
END_TEST

START_TEST(openmetrics_differs_in_names_times_and_end)
{
    struct label labels[] = { { STR("__name__"), STR("c_total") }, { STR("a"), STR("q\"\\\n") } };
    struct exposition_sample s = { STR("c_total"), { labels, 2 }, 7, 1500, true };
    exposition_write_family(&out, EXPOSITION_OPENMETRICS, STR("c_total"), METRIC_COUNTER,
                            STR("Help."));
    exposition_write_sample(&out, EXPOSITION_OPENMETRICS, &s);
    exposition_write_end(&out, EXPOSITION_OPENMETRICS);
    ck_assert(str_eq(buf_str(&out), STR("# HELP c Help.\n# TYPE c counter\n"
                                        "c_total{a=\"q\\\"\\\\\\n\"} 7.0 1.500\n# EOF\n")));
}
END_TEST

START_TEST(names_outside_the_legacy_set_are_quoted)
{
    struct label labels[] = { { STR("a.b"), STR("c") } };
    struct exposition_sample s = { STR("x.y"), { labels, 1 }, 1, 5, true };
    exposition_write_sample(&out, EXPOSITION_TEXT, &s);
    ck_assert(str_eq(buf_str(&out), STR("{\"x.y\",\"a.b\"=\"c\"} 1 5\n")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exposition_write");
    TCase *tc = tcase_create("write");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, stat_tables_become_families);
    tcase_add_test(tc, openmetrics_differs_in_names_times_and_end);
    tcase_add_test(tc, names_outside_the_legacy_set_are_quoted);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
