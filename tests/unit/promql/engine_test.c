/* SPDX-License-Identifier: Apache-2.0
 *
 * What the engine answers, beyond the conformance vectors: the same on any number of workers, the same for a
 * range as step by step, names, shapes of results.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine_fixture.h"

static struct engine_fixture f;

static void set_up(void)
{
    fixture_open(&f);
}
static void tear_down(void)
{
    fixture_close(&f);
}

static const char *const EXPRESSIONS[] = {
    "m_total",
    "sum(rate(m_total[1m]))",
    "sum by (g) (rate(m_total[2m]))",
    "avg without (i) (increase(m_total[90s]))",
    "max by (g, job) (delta(m_total[1m]))",
    "min(m_total) + max(m_total)",
    "count by (job) (m_total > 500000)",
    "stddev by (g) (m_total)",
    "stdvar(irate(m_total[1m]))",
    "group by (job) (m_total)",
    "quantile by (g) (0.7, m_total)",
    "topk by (job) (2, rate(m_total[1m]))",
    "bottomk(3, m_total)",
    "count_values(\"v\", resets(m_total[2m]))",
    "limitk(5, m_total)",
    "limit_ratio(0.4, m_total)",
    "sum by (g) (avg_over_time(m_total[75s]))",
    "quantile_over_time(0.9, m_total[2m])",
    "stddev_over_time(m_total[2m])",
    "mad_over_time(m_total[2m])",
    "deriv(m_total[1m])",
    "predict_linear(m_total[1m], 60)",
    "double_exponential_smoothing(m_total[2m], 0.5, 0.4)",
    "changes(m_total[1m]) + resets(m_total[1m])",
    "first_over_time(m_total[40s])",
    "ts_of_max_over_time(m_total[1m])",
    "absent(m_total{i=\"none\"})",
    "absent_over_time(m_total{i=\"3\"}[20s])",
    "timestamp(m_total)",
    "m_total / on (i) group_left sum by (i) (m_total)",
    "m_total * on (g) group_left (job) max by (g) (rate(m_total[1m]))",
    "m_total and on (g) topk(1, m_total)",
    "m_total{job=\"j1\"} or m_total{job=\"j2\"} unless m_total{g=\"3\"}",
    "m_total - m_total offset 30s",
    "m_total @ 120",
    "sum(m_total @ end())",
    "max_over_time(sum by (g) (rate(m_total[1m]))[2m:20s])",
    "label_replace(m_total, \"x\", \"$1-y\", \"job\", \"j(.*)\")",
    "label_join(m_total, \"x\", \"/\", \"job\", \"g\")",
    "histogram_quantile(0.9, sum by (le) (label_replace(m_total, \"le\", \"$1\", \"g\", "
    "\"(.*)\")))",
    "clamp(m_total, 1000, 400000) % 17",
    "round(m_total, 100) == bool 1000",
    "-m_total ^ 0.5",
    "scalar(sum(m_total)) * vector(time())",
    "hour(m_total) + minute()",
    "sort_desc(m_total)",
    "(m_total)[1m:15s] offset 15s",
    "max_of(time(), 60) + scalar(count(m_total))",
};
#define EXPRESSION_COUNT ((int)(sizeof EXPRESSIONS / sizeof EXPRESSIONS[0]))

static bool is_range_vector(const char *text)
{
    return str_starts_with(str_of_z(text), STR("(m_total)[1m"));
}

START_TEST(results_do_not_depend_on_the_number_of_workers)
{
    static const unsigned workers[] = { 1, 2, 4 };
    const char *text = EXPRESSIONS[_i];
    char *first = NULL;
    fixture_load_fleet(&f, 900, 20);
    for (size_t i = 0; i < 3; i++) {
        f.options.workers = workers[i];
        fixture_restart(&f);
        if (is_range_vector(text)) {
            fixture_instant(&f, text, 200000);
        } else {
            fixture_range(&f, text, 60000, 240000, 20000);
        }
        const char *now = fixture_text(&f);
        if (!first) {
            first = strdup(now);
        } else {
            ck_assert_msg(strcmp(first, now) == 0, "%s with %u workers", text, workers[i]);
        }
    }
    free(first);
}
END_TEST

/* The value of a series of the last answer at ts_ms; false when it has none. */
static bool value_at(const struct promql_result *r, struct labels labels, int64_t ts_ms,
                     double *out)
{
    for (size_t i = 0; i < r->series_count; i++) {
        if (!labels_eq(r->series[i].labels, labels)) continue;
        for (size_t k = 0; k < r->series[i].count; k++) {
            if (r->series[i].points[k].ts_ms != ts_ms) continue;
            *out = r->series[i].points[k].value;
            return true;
        }
    }
    return false;
}

START_TEST(a_range_is_the_same_bits_as_its_steps)
{
    const char *text = EXPRESSIONS[_i];
    struct engine_fixture single;
    size_t points = 0, instants = 0;
    bool has_bounds = str_find(str_of_z(text), STR("end()")) < strlen(text);
    if (is_range_vector(text) || has_bounds) return;
    fixture_load_fleet(&f, 70, 25);
    fixture_open(&single);
    fixture_load_fleet(&single, 70, 25);
    const struct promql_result *range = fixture_range(&f, text, 40000, 340000, 25000);
    for (size_t i = 0; i < range->series_count; i++)
        points += range->series[i].count;
    for (int64_t ts = 40000; ts <= 340000; ts += 25000) {
        const struct promql_result *r = fixture_instant(&single, text, ts);
        instants += r->series_count;
        for (size_t i = 0; i < r->series_count; i++) {
            double want = r->series[i].points[0].value, got = 0;
            ck_assert_msg(value_at(range, r->series[i].labels, ts, &got), "%s at %lld", text,
                          (long long)ts);
            ck_assert_msg(bits_of_double(got) == bits_of_double(want), "%s at %lld: %.17g %.17g",
                          text, (long long)ts, got, want);
        }
    }
    ck_assert_uint_eq(points, instants);
    fixture_close(&single);
}
END_TEST

/* So many cells that parts are ranges of groups. */
START_TEST(many_groups_give_the_same_as_no_grouping)
{
    static const unsigned workers[] = { 1, 3 };
    fixture_load_fleet(&f, 2000, 25);
    fixture_range(&f, "m_total * 1", 0, 250000, 1000);
    char *want = strdup(fixture_text(&f));
    for (size_t i = 0; i < 2; i++) {
        f.options.workers = workers[i];
        fixture_restart(&f);
        fixture_range(&f, "sum by (i, g, job) (m_total)", 0, 250000, 1000);
        ck_assert(strcmp(fixture_text(&f), want) == 0);
    }
    free(want);
}
END_TEST

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Against sorting, in texts of many values that repeat. */
START_TEST(quantiles_are_those_of_the_sorted_values)
{
    double values[300];
    size_t count = (size_t)_i * 37 % 300 + 1;
    for (size_t i = 0; i < count; i++) {
        values[i] = (double)((i * 7919 + (size_t)_i * 31) % (_i % 2 ? 1000 : 5));
        char series[64];
        (void)snprintf(series, sizeof series, "m{i=\"%zu\"}", i);
        fixture_load(&f, series, &values[i], 1);
    }
    qsort(values, count, sizeof *values, by_value);
    for (int q = 0; q <= 10; q++) {
        char text[64];
        (void)snprintf(text, sizeof text, "quantile(%.1f, m)", q / 10.0);
        double rank = q / 10.0 * (double)(count - 1);
        size_t lower = (size_t)rank, upper = lower + 1 < count ? lower + 1 : lower;
        double weight = rank - (double)lower;
        const struct promql_result *r = fixture_instant(&f, text, 0);
        ck_assert_double_eq_tol(r->series[0].points[0].value,
                                values[lower] * (1 - weight) + values[upper] * weight, 1e-9);
    }
}
END_TEST

/* ---- names ---- */

static void load_two_metrics(void)
{
    static const double values[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    fixture_load(&f, "a_total{x=\"1\"}", values, 9);
    fixture_load(&f, "b_total{x=\"1\"}", values, 9);
    fixture_load(&f, "b_total{x=\"2\"}", values, 9);
}

static void expect_labelset_error(const char *text)
{
    const struct promql_query q = { .text = str_of_z(text), .start_ms = 60000, .end_ms = 60000 };
    fixture_expect_error(&f, &q, ERR_INVALID,
                         "vector cannot contain metrics with the same labelset");
}

START_TEST(immediate_removal_refuses_equal_labels_at_once)
{
    load_two_metrics();
    expect_labelset_error("rate({__name__=~\".*_total\", x=\"1\"}[1m])");
    expect_labelset_error("sum(rate({__name__=~\".*_total\", x=\"1\"}[1m]))");
    expect_labelset_error("count(-{__name__=~\".*_total\", x=\"1\"})");
    expect_labelset_error("abs({__name__=~\".*_total\", x=\"1\"})");
    expect_labelset_error(
        "label_replace(rate({__name__=~\".*_total\",x=\"1\"}[1m]), \"n\", \"v\", \"\", \"\")");
}
END_TEST

/* At the operation that drops the name, before a filter may hide the equal labels. */
START_TEST(immediate_removal_refuses_equal_labels_before_a_filter)
{
    load_two_metrics();
    expect_labelset_error("exp({__name__=~\".*_total\"}) > 1e300");
    expect_labelset_error("count(exp({__name__=~\".*_total\"}) > 1e300)");
    expect_labelset_error("sum by (x) (-{__name__=~\".*_total\"} > 0)");
    expect_labelset_error("count({__name__=~\".*_total\"} * 2 > 1e300)");
    expect_labelset_error("count(({__name__=~\".*_total\"} > bool 5) > 1)");
    expect_labelset_error("timestamp({__name__=~\".*_total\"}) > 1e300");
    expect_labelset_error("clamp(count_over_time({__name__=~\".*_total\"}[1m]), 1e3, 0)");
    expect_labelset_error("topk(1, clamp(rate({__name__=~\".*_total\"}[1m]), 2, 1))");
    expect_labelset_error("max_over_time((-{__name__=~\".*_total\"} > 1e300)[1m:15s])");
    expect_labelset_error("count(-(a_total or on (__name__) b_total) > 1e300)");
}
END_TEST

/* Filters before it, and what gives no points, are fine. */
START_TEST(immediate_removal_sees_what_is_left_only)
{
    load_two_metrics();
    fixture_instant(&f, "count(-({__name__=~\".*_total\"} > 1e300))", 60000);
    ck_assert_str_eq(fixture_text(&f), "");
    fixture_instant(&f, "clamp({__name__=~\".*_total\"}, 2, 1)", 60000);
    ck_assert_str_eq(fixture_text(&f), "");
    fixture_instant(&f, "count({__name__=~\".*_total\"} > 1)", 60000);
    ck_assert_str_eq(fixture_text(&f), "{} 3@60000\n");
    fixture_instant(&f, "count(abs({__name__=~\".*_total\", x=\"2\"}) > 1)", 60000);
    ck_assert_str_eq(fixture_text(&f), "{} 1@60000\n");
    fixture_instant(&f, "absent_over_time({__name__=~\".*_total\"}[1m])", 60000);
    ck_assert_str_eq(fixture_text(&f), "");
}
END_TEST

START_TEST(immediate_removal_lets_distinct_labels_through)
{
    load_two_metrics();
    fixture_instant(&f, "sum(rate({__name__=~\".*_total\", x=\"2\"}[1m]))", 60000);
    ck_assert_uint_eq(f.result.series_count, 1);
    fixture_instant(&f, "sum by (__name__) (rate(b_total[1m]))", 60000);
    ck_assert_str_eq(fixture_text(&f), "{} 0.1333333333333333@60000\n");
}
END_TEST

START_TEST(immediate_removal_joins_series_that_take_turns)
{
    static const double values[] = { 1, 2, 3, 4 };
    fixture_load(&f, "a{x=\"1\"}", values, 2);
    struct label labels[] = { { STR("__name__"), STR("b") }, { STR("x"), STR("1") } };
    struct memory_series *s = memory_source_series(&f.memory, (struct labels){ labels, 2 });
    memory_series_add(s, 600000, 5);
    fixture_range(&f, "{__name__=~\"a|b\"} * 2", 0, 600000, 300000);
    ck_assert_str_eq(fixture_text(&f), "{x=\"1\"} 2@0 4@300000 10@600000\n");
}
END_TEST

/* Functions of a range do not. */
START_TEST(immediate_removal_of_a_range_function_never_joins)
{
    static const double values[] = { 1, 2 };
    fixture_load(&f, "a{x=\"1\"}", values, 2);
    struct label labels[] = { { STR("__name__"), STR("b") }, { STR("x"), STR("1") } };
    struct memory_series *s = memory_source_series(&f.memory, (struct labels){ labels, 2 });
    memory_series_add(s, 600000, 5);
    const struct promql_query both = { .text = STR("sum(count_over_time({__name__=~\"a|b\"}[1m]))"),
                                       .end_ms = 600000,
                                       .step_ms = 300000 };
    fixture_expect_error(&f, &both, ERR_INVALID,
                         "vector cannot contain metrics with the same labelset");
    fixture_range(&f, "sum(count_over_time({__name__=~\"a|b\"}[1m]))", 0, 300000, 300000);
    ck_assert_str_eq(fixture_text(&f), "{} 1@0\n");
    /* This one keeps the name: what drops it is no function of a range. */
    fixture_range(&f, "last_over_time({__name__=~\"a|b\"}[1m]) * 2", 0, 600000, 300000);
    ck_assert_uint_eq(f.result.series_count, 1);
}
END_TEST

START_TEST(delayed_removal_keeps_the_name_for_grouping)
{
    load_two_metrics();
    f.options.delayed_name_removal = true;
    fixture_restart(&f);
    fixture_instant(&f, "count by (__name__) (rate(b_total[1m]))", 60000);
    ck_assert_str_eq(fixture_text(&f), "{} 2@60000\n");
    fixture_instant(&f, "sum(rate({__name__=~\".*_total\"}[1m]))", 60000);
    ck_assert_uint_eq(f.result.series_count, 1);
    expect_labelset_error("rate({__name__=~\".*_total\", x=\"1\"}[1m])");
}
END_TEST

/* ---- shapes ---- */

START_TEST(results_have_the_types_of_their_expressions)
{
    load_two_metrics();
    ck_assert_int_eq(fixture_instant(&f, "1 + 1", 0)->type, PROMQL_SCALAR);
    ck_assert_int_eq(fixture_instant(&f, "\"text\"", 0)->type, PROMQL_STRING);
    ck_assert(str_eq(f.result.string, STR("text")));
    ck_assert_int_eq(fixture_instant(&f, "a_total[1m]", 60000)->type, PROMQL_MATRIX);
    ck_assert_uint_eq(f.result.series[0].count, 4);
    ck_assert_int_eq(fixture_instant(&f, "a_total", 60000)->type, PROMQL_VECTOR);
    ck_assert_int_eq(fixture_range(&f, "1 + 1", 0, 60000, 15000)->type, PROMQL_MATRIX);
    ck_assert_uint_eq(f.result.series[0].count, 5);
}
END_TEST

START_TEST(a_matrix_is_sorted_by_labels)
{
    fixture_load_fleet(&f, 200, 5);
    const struct promql_result *r = fixture_range(&f, "m_total", 0, 60000, 15000);
    ck_assert_uint_eq(r->series_count, 200);
    for (size_t i = 1; i < r->series_count; i++)
        ck_assert_int_lt(labels_cmp(r->series[i - 1].labels, r->series[i].labels), 0);
}
END_TEST

START_TEST(statistics_count_samples_and_series)
{
    load_two_metrics();
    fixture_range(&f, "sum(rate(b_total[1m]))", 60000, 105000, 15000);
    ck_assert_uint_eq(f.stats.series_read, 2);
    ck_assert_uint_eq(f.stats.samples_read, 14);
    ck_assert_uint_eq(f.stats.samples_total, 2 * 4 * 4);
    ck_assert_uint_gt(f.stats.bytes_peak, 0);
}
END_TEST

/* "((((m))))" with aggregations and maps instead of parentheses. */
START_TEST(deep_trees_do_not_exhaust_the_stack)
{
    static const char *const layers[] = { "sum(%s)",           "abs(%s)",
                                          "(%s + 1)",          "topk(1, %s)",
                                          "(%s or vector(1))", "sum_over_time(%s[1m:15s])" };
    const size_t depth = _i == 5 ? 8 : 480; /* subqueries multiply */
    struct buf text, next;
    load_two_metrics();
    buf_init(&text, f.arena.mem, 1u << 20);
    buf_init(&next, f.arena.mem, 1u << 20);
    buf_put_lit(&text, "a_total");
    for (size_t i = 0; i < depth; i++) {
        struct str layer = str_of_z(layers[_i]);
        size_t at = str_find(layer, STR("%s"));
        buf_reset(&next);
        buf_put_str(&next, str_sub(layer, 0, at));
        buf_put_str(&next, buf_str(&text));
        buf_put_str(&next, str_sub(layer, at + 2, layer.len));
        struct buf swap = text;
        text = next;
        next = swap;
    }
    const struct promql_query q = { .text = buf_str(&text), .start_ms = 60000, .end_ms = 60000 };
    ck_assert_msg(fixture_ask(&f, &q) == ERR_OK, "%s", f.err.detail);
    ck_assert_uint_eq(f.result.series_count, _i == 4 ? 2 : 1);
    buf_deinit(&text);
    buf_deinit(&next);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine");
    TCase *tc = tcase_create("answers");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, results_do_not_depend_on_the_number_of_workers, 0, EXPRESSION_COUNT);
    tcase_add_loop_test(tc, a_range_is_the_same_bits_as_its_steps, 0, EXPRESSION_COUNT);
    tcase_add_test(tc, many_groups_give_the_same_as_no_grouping);
    tcase_add_loop_test(tc, quantiles_are_those_of_the_sorted_values, 0, 30);
    tcase_add_test(tc, immediate_removal_refuses_equal_labels_at_once);
    tcase_add_test(tc, immediate_removal_refuses_equal_labels_before_a_filter);
    tcase_add_test(tc, immediate_removal_sees_what_is_left_only);
    tcase_add_test(tc, immediate_removal_lets_distinct_labels_through);
    tcase_add_test(tc, immediate_removal_joins_series_that_take_turns);
    tcase_add_test(tc, immediate_removal_of_a_range_function_never_joins);
    tcase_add_test(tc, delayed_removal_keeps_the_name_for_grouping);
    tcase_add_test(tc, results_have_the_types_of_their_expressions);
    tcase_add_test(tc, a_matrix_is_sorted_by_labels);
    tcase_add_test(tc, statistics_count_samples_and_series);
    tcase_add_loop_test(tc, deep_trees_do_not_exhaust_the_stack, 0, 6);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
