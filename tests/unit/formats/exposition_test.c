/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/exposition.h"

#include <check.h>
#include <math.h>

#include "os/mem.h"

static struct mem_budget *budget;
static struct arena arena;
static struct err error;

static void set_up(void)
{
    budget = mem_budget_create(64u << 20);
    arena_init(&arena, mem_source_of(budget, MEM_SCRAPE), 16u << 20);
    error = (struct err){ 0 };
}

static void tear_down(void)
{
    arena_deinit(&arena);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

static enum err_code parse(enum exposition_format format, const char *text, struct batch *out)
{
    struct exposition_options options = {
        .format = format, .alias_seed = 1, .default_ts_ms = 42, .honor_timestamps = true
    };
    return exposition_parse(bytes_of_str(str_of_z(text)), &options, &arena, out, &error);
}

/* Labels of series i, printed by label. */
static struct str label_of(const struct batch *b, size_t i, const char *name)
{
    struct labels_builder builder;
    struct labels labels;
    labels_builder_init(&builder, &arena);
    ck_assert_int_eq(b->decode(b, &b->series[i], &builder, &labels, &error), ERR_OK);
    return labels_get(labels, str_of_z(name));
}

START_TEST(text_lines_give_keys_values_and_times)
{
    struct batch b;
    ck_assert_int_eq(parse(EXPOSITION_TEXT,
                           "# a comment\n\n# HELP up Is it up?\n# TYPE up gauge\n"
                           "up 1\n  spaced { a = \"b\" , c=\"d\" , }   2.5\t17\n"
                           "esc{v=\"q\\\"n\\nb\\\\x\\y\"} NaN\n",
                           &b),
                     ERR_OK);
    ck_assert_uint_eq(b.series_count, 3);
    ck_assert_int_eq(b.samples[0].ts_ms, 42);
    ck_assert_double_eq(b.samples[1].value, 2.5);
    ck_assert_int_eq(b.samples[1].ts_ms, 17);
    ck_assert_uint_eq(bits_of_double(b.samples[2].value), NORMAL_NAN_BITS);
    ck_assert(str_eq(label_of(&b, 1, "a"), STR("b")));
    ck_assert(str_eq(label_of(&b, 1, "c"), STR("d")));
    ck_assert(str_eq(label_of(&b, 2, "v"), STR("q\"n\nb\\x\\y")));
    ck_assert_uint_eq(b.metadata_count, 1);
    ck_assert_int_eq(b.metadata[0].type, METRIC_GAUGE);
    ck_assert(str_eq(b.metadata[0].help, STR("Is it up?")));
}
END_TEST

START_TEST(quoted_names_are_metric_and_label_names)
{
    struct batch b;
    ck_assert_int_eq(parse(EXPOSITION_TEXT, "{\"my.metric\",\"a b\"=\"c\",d=\"e}\"} 1\n", &b),
                     ERR_OK);
    ck_assert(str_eq(label_of(&b, 0, "__name__"), STR("my.metric")));
    ck_assert(str_eq(label_of(&b, 0, "a b"), STR("c")));
    ck_assert(str_eq(label_of(&b, 0, "d"), STR("e}")));
}
END_TEST

START_TEST(bounds_of_histograms_and_summaries_become_float_text)
{
    struct batch b;
    ck_assert_int_eq(parse(EXPOSITION_TEXT,
                           "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
                           "# TYPE s summary\ns{quantile=\"0.5\"} 3\ns{quantile=\"1\"} 3\n"
                           "other{le=\"1\"} 1\n",
                           &b),
                     ERR_OK);
    ck_assert(str_eq(label_of(&b, 0, "le"), STR("1.0")));
    ck_assert(str_eq(label_of(&b, 1, "le"), STR("+Inf")));
    ck_assert(str_eq(label_of(&b, 2, "quantile"), STR("0.5")));
    ck_assert(str_eq(label_of(&b, 3, "quantile"), STR("1.0")));
    ck_assert(str_eq(label_of(&b, 4, "le"), STR("1")));
}
END_TEST

START_TEST(openmetrics_keeps_exemplars_and_units)
{
    struct batch b;
    ck_assert_int_eq(parse(EXPOSITION_OPENMETRICS,
                           "# TYPE d_seconds histogram\n# UNIT d_seconds seconds\n"
                           "d_seconds_bucket{le=\"1.0\"} 5 # {trace_id=\"abc\"} 0.5 12.3456\n"
                           "d_seconds_count 5 12.3456\n# EOF\n",
                           &b),
                     ERR_OK);
    ck_assert_uint_eq(b.series_count, 2);
    ck_assert_int_eq(b.samples[1].ts_ms, 12345);
    ck_assert_uint_eq(b.exemplar_count, 1);
    ck_assert_int_eq(b.exemplars[0].exemplar.ts_ms, 12345);
    ck_assert_double_eq(b.exemplars[0].exemplar.value, 0.5);
    ck_assert(str_eq(labels_get(b.exemplars[0].exemplar.labels, STR("trace_id")), STR("abc")));
    ck_assert(str_eq(b.metadata[0].unit, STR("seconds")));
}
END_TEST

START_TEST(openmetrics_accepts_an_end_without_newline)
{
    struct batch b;
    ck_assert_int_eq(parse(EXPOSITION_OPENMETRICS, "a 1\n# EOF", &b), ERR_OK);
    ck_assert_uint_eq(b.series_count, 1);
}
END_TEST

static const struct {
    enum exposition_format format;
    const char *text, *detail;
} BROKEN[] = {
    { EXPOSITION_TEXT, "a\n", "line 1: expected a value after the metric" },
    { EXPOSITION_TEXT, "ok 1\na{b=\"c} 1\n", "line 2: unterminated label set" },
    { EXPOSITION_TEXT, "a one\n", "line 1: invalid value" },
    { EXPOSITION_TEXT, "a 0x1p3\n", "line 1: invalid value" },
    { EXPOSITION_TEXT, "a 1_0\n", "line 1: invalid value" },
    { EXPOSITION_TEXT, "a 1 -5\n", "line 1: invalid timestamp" },
    { EXPOSITION_TEXT, "a 1 5 6\n", "line 1: unexpected text after the value" },
    { EXPOSITION_TEXT, "a 1 # {x=\"y\"} 2\n", "line 1: unexpected text after the value" },
    { EXPOSITION_TEXT, "# TYPE a wonder\n", "line 1: invalid metric type" },
    { EXPOSITION_OPENMETRICS, "a 1\n", "data does not end with # EOF" },
    { EXPOSITION_OPENMETRICS, "# EOF\na 1\n", "line 2: unexpected data after # EOF" },
    { EXPOSITION_OPENMETRICS, "# hello\n# EOF\n", "line 1: unknown comment" },
    { EXPOSITION_OPENMETRICS, "\n# EOF\n", "line 1: unexpected empty line" },
    { EXPOSITION_OPENMETRICS, "a 1 NaN\n# EOF\n", "line 1: invalid timestamp" },
    { EXPOSITION_OPENMETRICS, "# TYPE a gauge\n# UNIT a s\n# EOF\n",
      "line 2: unit \"s\" not a suffix of metric \"a\"" },
};

START_TEST(broken_text_is_refused_with_its_line)
{
    struct batch b;
    ck_assert_int_eq(parse(BROKEN[_i].format, BROKEN[_i].text, &b), ERR_INVALID);
    ck_assert_msg(strstr(error.detail, BROKEN[_i].detail), "%s", error.detail);
}
END_TEST

static const char *const BAD_KEYS[] = { "{a=\"b\"}",
                                        "1a",
                                        "a{b}",
                                        "a{b=c}",
                                        "a{\"x\",b=\"c\"}",
                                        "a{b=\"c\"",
                                        "a{b=\"c\"d=\"e\"}",
                                        "a{b=\"\xff\"}",
                                        "a{=\"b\"}",
                                        "a{1b=\"c\"}",
                                        "a b" };

START_TEST(broken_labels_are_refused)
{
    struct labels_builder b;
    labels_builder_init(&b, &arena);
    ck_assert_int_eq(
        exposition_labels(bytes_of_str(str_of_z(BAD_KEYS[_i])), METRIC_UNKNOWN, &b, &error),
        ERR_INVALID);
}
END_TEST

START_TEST(a_line_of_a_megabyte_is_one_sample)
{
    struct batch b;
    size_t size = 1u << 20;
    char *text = arena_alloc(&arena, size + 64, 1, 1);
    ck_assert_ptr_nonnull(text);
    memcpy(text, "a{b=\"", 5);
    memset(text + 5, 'x', size);
    memcpy(text + 5 + size, "\"} 1\n", 6);
    ck_assert_int_eq(parse(EXPOSITION_TEXT, text, &b), ERR_OK);
    ck_assert_uint_eq(b.series[0].key.len, size + 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exposition");
    TCase *tc = tcase_create("parse");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, text_lines_give_keys_values_and_times);
    tcase_add_test(tc, quoted_names_are_metric_and_label_names);
    tcase_add_test(tc, bounds_of_histograms_and_summaries_become_float_text);
    tcase_add_test(tc, openmetrics_keeps_exemplars_and_units);
    tcase_add_test(tc, openmetrics_accepts_an_end_without_newline);
    tcase_add_loop_test(tc, broken_text_is_refused_with_its_line, 0,
                        (int)(sizeof BROKEN / sizeof BROKEN[0]));
    tcase_add_loop_test(tc, broken_labels_are_refused, 0,
                        (int)(sizeof BAD_KEYS / sizeof BAD_KEYS[0]));
    tcase_add_test(tc, a_line_of_a_megabyte_is_one_sample);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
