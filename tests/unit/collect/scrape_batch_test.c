/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/scrape/scrape_batch.h"

#include <check.h>

static struct mem_budget *budget;
static struct arena arena;
static struct scrape_cache cache;
static struct scrape_config config;
static struct scrape_scope scope;
static struct label target_labels[2];
static uint64_t next_ref;
static struct err error;

static void set_up(void)
{
    budget = mem_budget_create(64u << 20);
    arena_init(&arena, mem_source_of(budget, MEM_SCRAPE), 16u << 20);
    scrape_cache_init(&cache, budget);
    config = (struct scrape_config){ .honor_timestamps = true };
    target_labels[0] = (struct label){ STR("instance"), STR("h:1") };
    target_labels[1] = (struct label){ STR("job"), STR("j") };
    scope = (struct scrape_scope){
        .config = &config, .labels = { target_labels, 2 }, .seed = 9, .cache = &cache
    };
    next_ref = 0;
    error = (struct err){ 0 };
}

static void tear_down(void)
{
    scrape_cache_deinit(&cache);
    arena_deinit(&arena);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

/* A whole scrape; the store is played by this function: it gives refs to the new series. */
static struct batch *scrape(const char *text, int64_t ts_ms, bool *out_is_up)
{
    struct batch *b;
    struct scrape_report report = { .duration_s = 0.5 };
    struct scrape_run *run = scrape_begin(&scope, ts_ms, &arena);
    ck_assert_ptr_nonnull(run);
    report.is_up = text && scrape_add_body(run, bytes_of_str(str_of_z(text)), EXPOSITION_TEXT,
                                           &error) == ERR_OK;
    if (!report.is_up) scrape_fail(run);
    ck_assert_int_eq(scrape_add_report(run, &report, NULL), ERR_OK);
    ck_assert_int_eq(scrape_batch_of(run, &b, NULL), ERR_OK);
    for (size_t i = 0; i < b->series_count; i++) {
        if (b->series[i].ref.v == 0) b->series[i].ref.v = ++next_ref;
    }
    scrape_settle(run);
    if (out_is_up) *out_is_up = report.is_up;
    return b;
}

/* The value of the series printed as `name{...}`, or NULL. */
static const struct sample *find(const struct batch *b, const char *printed)
{
    const struct sample *found = NULL;
    struct buf text;
    struct labels_builder builder;
    buf_init(&text, mem_source_of(budget, MEM_SYSTEM), 1u << 16);
    labels_builder_init(&builder, &arena);
    for (size_t i = 0; i < b->series_count; i++) {
        struct labels labels;
        if (b->decode(b, &b->series[i], &builder, &labels, NULL) != ERR_OK) continue;
        buf_reset(&text);
        labels_print(&text, labels, false);
        if (str_eq(buf_str(&text), str_of_z(printed)))
            found = &b->samples[b->series[i].sample_first];
    }
    buf_deinit(&text);
    return found;
}

static size_t stale_count(const struct batch *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->sample_count; i++)
        n += is_stale(b->samples[i].value);
    return n;
}

START_TEST(target_labels_win_and_conflicts_are_renamed)
{
    struct batch *b = scrape("a{job=\"own\",exported_job=\"x\"} 1\n", 1000, NULL);
    ck_assert_ptr_nonnull(find(b, "a{exported_exported_job=\"own\", exported_job=\"x\", "
                                  "instance=\"h:1\", job=\"j\"}"));
    ck_assert_ptr_nonnull(find(b, "up{instance=\"h:1\", job=\"j\"}"));
}
END_TEST

START_TEST(honor_labels_keeps_the_exposed_ones)
{
    config.honor_labels = true;
    struct batch *b = scrape("a{job=\"own\"} 1\n", 1000, NULL);
    ck_assert_ptr_nonnull(find(b, "a{instance=\"h:1\", job=\"own\"}"));
}
END_TEST

START_TEST(report_series_tell_what_happened)
{
    struct batch *b = scrape("a 1\nb 2\n", 1000, NULL);
    ck_assert_double_eq(find(b, "up{instance=\"h:1\", job=\"j\"}")->value, 1);
    ck_assert_double_eq(find(b, "scrape_samples_scraped{instance=\"h:1\", job=\"j\"}")->value, 2);
    ck_assert_double_eq(find(b, "scrape_series_added{instance=\"h:1\", job=\"j\"}")->value, 2);
    ck_assert_uint_eq(b->series_count, 7);
    b = scrape("a 1\nb 2\n", 2000, NULL);
    ck_assert_double_eq(find(b, "scrape_series_added{instance=\"h:1\", job=\"j\"}")->value, 0);
}
END_TEST

START_TEST(a_known_line_brings_its_series_without_decoding)
{
    struct batch *first = scrape("a 1\n", 1000, NULL);
    uint64_t ref = first->series[0].ref.v;
    struct batch *second = scrape("a 2\n", 2000, NULL);
    ck_assert_uint_eq(second->series[0].ref.v, ref);
    ck_assert_double_eq(second->samples[0].value, 2);
}
END_TEST

START_TEST(a_series_that_disappears_is_ended_once)
{
    scrape("a 1\nb 2\n", 1000, NULL);
    ck_assert_uint_eq(stale_count(scrape("a 1\n", 2000, NULL)), 1);
    ck_assert_uint_eq(stale_count(scrape("a 1\n", 3000, NULL)), 0);
    ck_assert_uint_eq(stale_count(scrape("a 1\nb 1\n", 4000, NULL)), 0);
    ck_assert_uint_eq(stale_count(scrape("a 1\n", 5000, NULL)), 1);
}
END_TEST

START_TEST(a_failed_scrape_ends_everything_but_the_report)
{
    bool is_up;
    scrape("a 1\nb 2\n", 1000, NULL);
    struct batch *b = scrape(NULL, 2000, &is_up);
    ck_assert(!is_up);
    ck_assert_uint_eq(stale_count(b), 2);
    ck_assert_double_eq(find(b, "up{instance=\"h:1\", job=\"j\"}")->value, 0);
    ck_assert_uint_eq(stale_count(scrape("a 1\n", 3000, &is_up)), 0);
    ck_assert(is_up);
}
END_TEST

START_TEST(broken_text_stores_nothing_of_itself)
{
    bool is_up;
    struct batch *b = scrape("good 1\nbad{ 2\n", 1000, &is_up);
    ck_assert(!is_up);
    ck_assert_uint_eq(b->series_count, 5);
    ck_assert_ptr_nonnull(strstr(error.detail, "line 2"));
}
END_TEST

START_TEST(explicit_timestamps_are_not_ended_unless_tracked)
{
    scrape("a 1 500\n", 1000, NULL);
    ck_assert_uint_eq(stale_count(scrape("b 1\n", 2000, NULL)), 0);
    config.track_timestamps_staleness = true;
    scrape("c 1 2500\n", 3000, NULL);
    ck_assert_uint_eq(stale_count(scrape("b 1\n", 4000, NULL)), 1);
}
END_TEST

START_TEST(a_line_given_twice_is_taken_once)
{
    struct batch *b = scrape("a 1\na 2\n", 1000, NULL);
    ck_assert_uint_eq(b->series_count, 1 + 5);
    ck_assert_double_eq(find(b, "a{instance=\"h:1\", job=\"j\"}")->value, 1);
}
END_TEST

START_TEST(limits_abort_the_scrape)
{
    bool is_up;
    config.limits.sample_limit = 1;
    scrape("a 1\nb 1\n", 1000, &is_up);
    ck_assert(!is_up);
    ck_assert_str_eq(error.msg, "sample limit exceeded");
    config.limits.sample_limit = 0;
    config.limits.label_limit = 3;
    scrape("a{x=\"y\"} 1\n", 2000, &is_up);
    ck_assert(!is_up);
    ck_assert_str_eq(error.msg, "label_limit exceeded");
}
END_TEST

START_TEST(metric_relabelling_drops_and_rewrites)
{
    struct relabel_config rules[] = {
        { .source_labels = { &(struct str){ "__name__", 8 }, 1 },
          .separator = STR(";"),
          .regex = STR("drop.*"),
          .action = RELABEL_DROP,
          .replacement = STR("$1") },
        { .separator = STR(";"),
          .regex = STR("(.*)"),
          .target_label = STR("x"),
          .replacement = STR("y"),
          .action = RELABEL_REPLACE },
    };
    struct yaml_list list = { rules, 2 };
    struct relabel_rules *compiled;
    ck_assert_int_eq(relabel_compile(&list, budget, &compiled, NULL), ERR_OK);
    scope.metric_rules = compiled;
    struct batch *b = scrape("drop_me 1\nkeep 1\n", 1000, NULL);
    ck_assert_ptr_nonnull(find(b, "keep{instance=\"h:1\", job=\"j\", x=\"y\"}"));
    ck_assert_ptr_null(find(b, "drop_me{instance=\"h:1\", job=\"j\", x=\"y\"}"));
    ck_assert_double_eq(
        find(b, "scrape_samples_post_metric_relabeling{instance=\"h:1\", job=\"j\"}")->value, 1);
    b = scrape("drop_me 1\nkeep 1\n", 2000, NULL);
    ck_assert_uint_eq(b->series_count, 6);
    relabel_destroy(compiled);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scrape_batch");
    TCase *tc = tcase_create("scrape");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, target_labels_win_and_conflicts_are_renamed);
    tcase_add_test(tc, honor_labels_keeps_the_exposed_ones);
    tcase_add_test(tc, report_series_tell_what_happened);
    tcase_add_test(tc, a_known_line_brings_its_series_without_decoding);
    tcase_add_test(tc, a_series_that_disappears_is_ended_once);
    tcase_add_test(tc, a_failed_scrape_ends_everything_but_the_report);
    tcase_add_test(tc, broken_text_stores_nothing_of_itself);
    tcase_add_test(tc, explicit_timestamps_are_not_ended_unless_tracked);
    tcase_add_test(tc, a_line_given_twice_is_taken_once);
    tcase_add_test(tc, limits_abort_the_scrape);
    tcase_add_test(tc, metric_relabelling_drops_and_rewrites);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
