/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits, time-outs, cancellation, and memory that runs out.
 */
#include "engine_fixture.h"

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof(array)[0]))

static struct engine_fixture f;

static void set_up(void)
{
    fixture_open(&f);
    fixture_load_fleet(&f, 150, 20);
}
static void tear_down(void)
{
    fixture_close(&f);
}

static struct promql_query range_query(const char *text)
{
    return (struct promql_query){
        .text = str_of_z(text), .start_ms = 0, .end_ms = 240000, .step_ms = 15000
    };
}

START_TEST(too_many_samples_are_refused)
{
    const struct promql_query rows = range_query("m_total");
    const struct promql_query groups = range_query("sum by (i) (m_total)");
    f.options.samples_max = 150 * 17 - 1;
    fixture_restart(&f);
    static const char text[] =
        "query processing would load too many samples into memory in query execution";
    fixture_expect_error(&f, &rows, ERR_LIMIT, text);
    fixture_expect_error(&f, &groups, ERR_LIMIT, text);
    f.options.samples_max = 150 * 17;
    fixture_restart(&f);
    ck_assert_int_eq(fixture_ask(&f, &rows), ERR_OK);
    /* Aggregation holds its groups, not its input. */
    f.options.samples_max = 3 * 20;
    fixture_restart(&f);
    const struct promql_query few = range_query("sum by (job) (rate(m_total[1m]))");
    ck_assert_int_eq(fixture_ask(&f, &few), ERR_OK);
}
END_TEST

START_TEST(a_long_subquery_is_refused_before_it_runs)
{
    const struct promql_query q = range_query("sum_over_time(m_total[100y:1ms])");
    fixture_expect_error(
        &f, &q, ERR_LIMIT,
        "query processing would load too many samples into memory in query execution");
}
END_TEST

START_TEST(too_many_series_are_refused_over_all_selectors)
{
    const struct promql_query one = range_query("count(m_total)");
    const struct promql_query two = range_query("count(m_total) + count(m_total)");
    f.options.series_max = 299;
    fixture_restart(&f);
    ck_assert_int_eq(fixture_ask(&f, &one), ERR_OK);
    fixture_expect_error(&f, &two, ERR_LIMIT, "query touches too many series (limit 299)");
}
END_TEST

START_TEST(too_many_points_are_refused)
{
    struct promql_query q = range_query("1");
    q.end_ms = 11000 * 1000 - 1000;
    q.step_ms = 1000;
    ck_assert_int_eq(fixture_ask(&f, &q), ERR_OK);
    q.end_ms += 1000;
    fixture_expect_error(&f, &q, ERR_INVALID,
                         "exceeded maximum resolution of 11,000 points per timeseries. Try "
                         "decreasing the query resolution (?step=XX)");
}
END_TEST

START_TEST(times_that_make_no_grid_are_refused)
{
    struct promql_query q = range_query("1");
    q.end_ms = -1;
    fixture_expect_error(&f, &q, ERR_INVALID, "end timestamp must not be before start time");
    q.start_ms = INT64_MIN;
    q.end_ms = INT64_MAX;
    fixture_expect_error(&f, &q, ERR_INVALID, "time out of range");
}
END_TEST

START_TEST(a_range_vector_is_no_range_query)
{
    const struct promql_query q = range_query("m_total[1m]");
    fixture_expect_error(&f, &q, ERR_INVALID,
                         "invalid expression type \"range vector\" for range query, must be Scalar "
                         "or instant Vector");
}
END_TEST

/* ---- time ---- */

/* A clock that goes on by a second whenever it is read. */
static uint64_t hasty_mono_ns(void *ctx)
{
    uint64_t *now = ctx;
    return *now += 1000000000u;
}

START_TEST(a_query_times_out)
{
    static const char *const texts[] = { "sum(rate(m_total[1m]))", "m_total", "topk(1, m_total)",
                                         "m_total + m_total", "label_join(m_total, \"a\", \"\")" };
    uint64_t now = 0;
    const struct clock clock = { &now, clock_system()->wall_ms, clock_system()->wall_ns,
                                 hasty_mono_ns, clock_system()->random_u64 };
    struct promql_query q = range_query(texts[_i]);
    f.options.clock = &clock;
    fixture_restart(&f);
    q.timeout_ms = 4000;
    fixture_expect_error(&f, &q, ERR_TIMEOUT, "query timed out in expression evaluation");
}
END_TEST

START_TEST(a_query_is_cancelled)
{
    struct cancel cancel = { CANCEL_NONE };
    struct promql_query q = range_query("sum(rate(m_total[1m]))");
    q.cancel = &cancel;
    ck_assert_int_eq(fixture_ask(&f, &q), ERR_OK);
    cancel_set(&cancel, CANCEL_CLIENT_GONE);
    fixture_expect_error(&f, &q, ERR_CANCELLED, "query was canceled in expression evaluation");
}
END_TEST

/* A source that asks the engine again, from within the only slot. */
struct nested {
    struct source inner;
    struct promql_query query;
    struct err err;
    enum err_code rc;
};

static enum err_code nested_select(void *ctx, const struct source_request *req,
                                   struct mem_budget *mem, struct series_set **out, struct err *err)
{
    struct nested *n = ctx;
    struct promql_result r;
    struct arena a;
    arena_init(&a, mem_source_of(mem, MEM_QUERY), 1u << 20);
    n->rc = promql_engine_query(f.engine, &n->query, &a, &r, NULL, &n->err);
    arena_deinit(&a);
    return n->inner.ops->select(n->inner.ctx, req, mem, out, err);
}

/* Stops the engine while a query reads. */
static enum err_code stopping_select(void *ctx, const struct source_request *req,
                                     struct mem_budget *mem, struct series_set **out,
                                     struct err *err)
{
    struct nested *n = ctx;
    promql_engine_stop(f.engine);
    n->rc = n->inner.ops->select(n->inner.ctx, req, mem, out, err);
    return n->rc;
}

START_TEST(a_waiting_query_can_be_cancelled_and_times_out)
{
    static const struct source_ops ops = { .select = nested_select };
    struct cancel cancel = { CANCEL_CLIENT_GONE };
    struct nested n = { .inner = memory_source_of(&f.memory), .query = range_query("1") };
    const struct promql_query q = range_query("count(m_total)");
    f.options.source = (struct source){ &n, &ops };
    f.options.concurrency = 1;
    fixture_restart(&f);
    n.query.cancel = &cancel;
    ck_assert_int_eq(fixture_ask(&f, &q), ERR_OK);
    ck_assert_int_eq(n.rc, ERR_CANCELLED);
    ck_assert_str_eq(n.err.detail, "query was canceled in query queue");
    n.query.cancel = NULL;
    n.query.timeout_ms = 1;
    ck_assert_int_eq(fixture_ask(&f, &q), ERR_OK);
    ck_assert_int_eq(n.rc, ERR_TIMEOUT);
    ck_assert_str_eq(n.err.detail, "query timed out in query queue");
}
END_TEST

START_TEST(a_stopped_engine_cancels_what_runs_and_what_comes)
{
    static const struct source_ops ops = { .select = stopping_select };
    struct nested n = { .inner = memory_source_of(&f.memory) };
    const struct promql_query q = range_query("count(m_total)");
    f.options.source = (struct source){ &n, &ops };
    fixture_restart(&f);
    fixture_expect_error(&f, &q, ERR_CANCELLED, "query was canceled in expression evaluation");
    fixture_expect_error(&f, &q, ERR_CANCELLED, "query was canceled in expression evaluation");
    ck_assert_int_eq(n.rc, ERR_OK);
}
END_TEST

START_TEST(a_time_out_counts_from_the_beginning_of_the_wait)
{
    struct promql_query q = range_query("count(m_total)");
    q.timeout_ms = 60000;
    q.begin_ns = clock_mono_ns(clock_system()) - 59000000000u;
    ck_assert_int_eq(fixture_ask(&f, &q), ERR_OK);
    q.begin_ns -= 2000000000u;
    fixture_expect_error(&f, &q, ERR_TIMEOUT, "query timed out in expression evaluation");
}
END_TEST

/* ---- memory ---- */

START_TEST(the_bytes_of_a_query_are_limited)
{
    struct promql_query q = range_query("m_total");
    q.step_ms = 500;
    f.options.query_bytes_max = 200000;
    fixture_restart(&f);
    ck_assert_int_eq(fixture_ask(&f, &q), ERR_LIMIT);
}
END_TEST

static const char *const KINDS[] = {
    "m_total",
    "m_total[1m]",
    "sum by (g) (rate(m_total[1m]))",
    "rate({job=~\"j.\"}[1m])",
    "topk by (g) (2, m_total)",
    "quantile(0.5, m_total)",
    "count_values(\"v\", m_total)",
    "limitk(2, m_total)",
    "limit_ratio(0.5, m_total)",
    "m_total * on (i) group_left sum by (i) (m_total)",
    "m_total or m_total offset 1m",
    "absent(none)",
    "absent_over_time(m_total[1m])",
    "label_replace(m_total, \"x\", \"$1\", \"job\", \"(.*)\")",
    "label_join(m_total, \"x\", \"-\", \"job\", \"g\")",
    "sort_by_label(m_total, \"i\")",
    "histogram_quantile(0.9, label_replace(m_total, \"le\", \"$1\", \"g\", \"(.*)\"))",
    "max_over_time(m_total[2m:30s])",
    "quantile_over_time(2, m_total[1m])",
    "timestamp(sum(m_total))",
    "scalar(m_total) + time()",
    "vector(1) + on () group_right m_total",
    "\"text\"",
    "m_total @ 60",
};

/* The i-th allocation of a query fails, for every i, until one succeeds. */
START_TEST(every_failing_allocation_ends_the_query_and_leaks_nothing)
{
    struct promql_query q = { .text = str_of_z(KINDS[_i]), .start_ms = 200000, .end_ms = 200000 };
    bool is_instant_only = str_ends_with(q.text, STR("]")) || str_starts_with(q.text, STR("\""));
    if (!is_instant_only) {
        q.start_ms = 100000;
        q.step_ms = 20000;
    }
    for (uint64_t n = 1; n < 5000; n++) {
        struct promql_result r = { 0 };
        struct err err = { 0 };
        struct arena a;
        uint64_t live = mem_live_count(f.mem);
        arena_init(&a, mem_source_of(f.mem, MEM_QUERY), (size_t)64 << 20);
        mem_test_fail_at(f.mem, n, MEM_FAIL_ONCE);
        enum err_code rc = promql_engine_query(f.engine, &q, &a, &r, NULL, &err);
        bool fired = mem_test_fired(f.mem);
        mem_test_fail_at(f.mem, 0, MEM_FAIL_OFF);
        arena_deinit(&a);
        ck_assert_uint_eq(mem_live_count(f.mem), live);
        if (!fired) {
            ck_assert_msg(rc == ERR_OK, "%s: %s", KINDS[_i], err.detail);
            ck_assert_uint_gt(n, 1);
            return;
        }
        ck_assert_msg(rc == ERR_OK || rc == ERR_LIMIT || rc == ERR_NOMEM, "%s, allocation %llu: %s",
                      KINDS[_i], (unsigned long long)n, err_name(rc));
        if (rc != ERR_OK) ck_assert(err.msg != NULL);
    }
    ck_abort_msg("no end");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_limit");
    TCase *tc = tcase_create("limits");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, too_many_samples_are_refused);
    tcase_add_test(tc, a_long_subquery_is_refused_before_it_runs);
    tcase_add_test(tc, too_many_series_are_refused_over_all_selectors);
    tcase_add_test(tc, too_many_points_are_refused);
    tcase_add_test(tc, times_that_make_no_grid_are_refused);
    tcase_add_test(tc, a_range_vector_is_no_range_query);
    tcase_add_loop_test(tc, a_query_times_out, 0, 5);
    tcase_add_test(tc, a_query_is_cancelled);
    tcase_add_test(tc, a_waiting_query_can_be_cancelled_and_times_out);
    tcase_add_test(tc, a_stopped_engine_cancels_what_runs_and_what_comes);
    tcase_add_test(tc, a_time_out_counts_from_the_beginning_of_the_wait);
    tcase_add_test(tc, the_bytes_of_a_query_are_limited);
    tcase_add_loop_test(tc, every_failing_allocation_ends_the_query_and_leaks_nothing, 0,
                        COUNT_OF(KINDS));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
