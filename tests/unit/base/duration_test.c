/* SPDX-License-Identifier: Apache-2.0 */
#include "base/duration.h"

#include <check.h>

#include "base/rng.h"

static const struct {
    const char *text;
    int64_t ms;
    const char *canonical; /* NULL: the same text */
} rows[] = {
    { "0", 0, "0s" },
    { "0s", 0, NULL },
    { "0y0w", 0, "0s" },
    { "250ms", 250, NULL },
    { "15s", 15000, NULL },
    { "1h30m", 5400000, NULL },
    { "90m", 5400000, "1h30m" },
    { "1m500ms", 60500, NULL },
    { "7d", 604800000, "1w" },
    { "8d", 691200000, NULL },
    { "1w1d", 691200000, "8d" },
    { "365d", 31536000000, "1y" },
    { "1y2w", 32745600000, "379d" },
    { "2y", 63072000000, NULL },
    { "1y2w3d4h5m6s7ms", 33019506007, "382d4h5m6s7ms" },
    { "292y", 9208512000000, NULL },
    { "9223372036854ms", 9223372036854, "106751d23h47m16s854ms" },
};
#define ROW_COUNT ((int)(sizeof rows / sizeof rows[0]))

START_TEST(durations_are_read_and_printed_as_prometheus_does)
{
    int64_t ms = -1;
    struct err err = { 0 };
    ck_assert_int_eq(duration_parse(str_of_z(rows[_i].text), &ms, &err), ERR_OK);
    ck_assert_int_eq(ms, rows[_i].ms);
    char out[DURATION_TEXT_SIZE + 1];
    out[duration_format(ms, out)] = '\0';
    ck_assert_str_eq(out, rows[_i].canonical ? rows[_i].canonical : rows[_i].text);
}
END_TEST

static const struct {
    const char *text;
    const char *detail;
} refused[] = {
    { "", "empty duration string" },
    { "1", "not a valid duration string: \"1\"" },
    { "00", "not a valid duration string: \"00\"" },
    { "x", "not a valid duration string: \"x\"" },
    { "s", "not a valid duration string: \"s\"" },
    { "-1s", "not a valid duration string: \"-1s\"" },
    { " 1s", "not a valid duration string: \" 1s\"" },
    { "1s ", "unknown unit \"s \" in duration \"1s \"" },
    { "1x", "unknown unit \"x\" in duration \"1x\"" },
    { "1.5h", "unknown unit \".\" in duration \"1.5h\"" },
    { "1H", "unknown unit \"H\" in duration \"1H\"" },
    { "1m1h", "not a valid duration string: \"1m1h\"" },
    { "1s1s", "not a valid duration string: \"1s1s\"" },
    { "1h5", "not a valid duration string: \"1h5\"" },
    { "99999999999999999999s", "not a valid duration string: \"99999999999999999999s\"" },
    { "293y", "duration out of range" },
    { "9223372036855ms", "duration out of range" },
    { "18446744073709551615ms", "duration out of range" },
    { "292y100w", "duration out of range" },
    { "1\"\n", "unknown unit \"\\\"\\n\" in duration \"1\\\"\\n\"" },
};
#define REFUSED_COUNT ((int)(sizeof refused / sizeof refused[0]))

START_TEST(wrong_durations_are_refused_with_the_text_of_prometheus)
{
    int64_t ms = 42;
    struct err err = { 0 };
    ck_assert_int_eq(duration_parse(str_of_z(refused[_i].text), &ms, &err), ERR_INVALID);
    ck_assert_str_eq(err.msg, "duration");
    ck_assert_str_eq(err.detail, refused[_i].detail);
    ck_assert_int_eq(ms, 42);
}
END_TEST

START_TEST(canonical_text_reads_back)
{
    struct rng rng;
    rng_init(&rng, 1);
    for (int i = 0; i < 100000; i++) {
        int64_t ms = (int64_t)(rng_below(&rng, 9223372036855) >> rng_below(&rng, 43));
        char out[DURATION_TEXT_SIZE];
        size_t n = (size_t)duration_format(ms, out);
        int64_t back;
        if (duration_parse((struct str){ out, n }, &back, NULL) != ERR_OK || back != ms) {
            ck_abort_msg("%lld", (long long)ms);
        }
    }
}
END_TEST

START_TEST(negative_and_extreme_values_are_printed)
{
    char out[DURATION_TEXT_SIZE + 1];
    out[duration_format(-90000, out)] = '\0';
    ck_assert_str_eq(out, "-1m30s");
    ck_assert_uint_le(duration_format(INT64_MIN, out), DURATION_TEXT_SIZE);
    ck_assert_uint_le(duration_format(INT64_MAX, out), DURATION_TEXT_SIZE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("duration");
    TCase *tc = tcase_create("duration");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, durations_are_read_and_printed_as_prometheus_does, 0, ROW_COUNT);
    tcase_add_loop_test(tc, wrong_durations_are_refused_with_the_text_of_prometheus, 0,
                        REFUSED_COUNT);
    tcase_add_test(tc, canonical_text_reads_back);
    tcase_add_test(tc, negative_and_extreme_values_are_printed);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
