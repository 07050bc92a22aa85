/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>

#include "api/prometheus/api_priv.h"

static const struct {
    const char *text;
    bool is_good;
    int64_t ms;
} TIMES[] = {
    { "0", true, 0 },
    { "1435781451.781", true, 1435781451781 },
    { "1435781451.7815", true, 1435781451782 }, /* rounded */
    { "-1.5", true, -1500 },
    { "1e3", true, 1000000 },
    { "2015-07-01T20:10:51.781Z", true, 1435781451781 },
    { "2015-07-01T22:10:51.781+02:00", true, 1435781451781 },
    { "-292273086-05-16T16:47:06Z", true, INT64_MIN + 0 },
    { "292277025-08-18T07:12:54.999999999Z", true, INT64_MAX },
    { "", false, 0 },
    { "now", false, 0 },
    { "NaN", false, 0 },
    { "Inf", false, 0 },
    { "1e300", false, 0 },
    { "2015-07-01", false, 0 },
};

START_TEST(times)
{
    int64_t ms = 42;
    struct err err = { 0 };
    enum err_code rc = api_parse_time(str_of_z(TIMES[_i].text), &ms, &err);
    ck_assert_msg((rc == ERR_OK) == TIMES[_i].is_good, "%s: %s", TIMES[_i].text, err.detail);
    if (!TIMES[_i].is_good) {
        char want[128];
        snprintf(want, sizeof want, "cannot parse \"%s\" to a valid timestamp", TIMES[_i].text);
        ck_assert_str_eq(err.detail, want);
    } else if (TIMES[_i].ms != INT64_MIN && TIMES[_i].ms != INT64_MAX) {
        ck_assert_int_eq(ms, TIMES[_i].ms);
    } else { /* the far ends of time: beyond anything stored, whatever the rounding */
        ck_assert((TIMES[_i].ms < 0) == (ms < 0) && (ms > INT64_MAX / 2 || ms < INT64_MIN / 2));
    }
}
END_TEST

static const struct {
    const char *text;
    int64_t ms; /* -1: an error */
} DURATIONS[] = {
    { "15", 15000 },    { "0.5", 500 },     { "1h30m", 5400000 }, { "250ms", 250 },
    { "1d", 86400000 }, { "5m0s", 300000 }, { "", -1 },           { "x", -1 },
    { "1x", -1 },       { "NaN", -1 },      { "1e300", -1 },      { "5m5m", -1 },
};

START_TEST(durations)
{
    int64_t ms = -1;
    struct err err = { 0 };
    enum err_code rc = api_parse_duration(str_of_z(DURATIONS[_i].text), &ms, &err);
    ck_assert_msg((rc == ERR_OK) == (DURATIONS[_i].ms >= 0), "%s", DURATIONS[_i].text);
    if (rc == ERR_OK) {
        ck_assert_int_eq(ms, DURATIONS[_i].ms);
    } else {
        ck_assert_ptr_nonnull(strstr(err.detail, "to a valid duration"));
    }
}
END_TEST

START_TEST(the_first_of_several_values_counts)
{
    struct api_param params[] = { { STR("a"), STR("1") },
                                  { STR("a"), STR("2") },
                                  { STR("b"), STR("") } };
    struct api_call c = { .params = { params, 3 } };
    ck_assert(str_eq(api_param(&c, STR("a")), STR("1")));
    ck_assert_ptr_nonnull(api_param(&c, STR("b")).ptr);
    ck_assert_ptr_null(api_param(&c, STR("c")).ptr);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("api_params");
    TCase *tc = tcase_create("params");
    tcase_add_loop_test(tc, times, 0, (int)(sizeof TIMES / sizeof TIMES[0]));
    tcase_add_loop_test(tc, durations, 0, (int)(sizeof DURATIONS / sizeof DURATIONS[0]));
    tcase_add_test(tc, the_first_of_several_values_counts);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
