/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"

#include <check.h>
#include <time.h>

#include "base/rng.h"

/* Texts, weekdays and days of the year of Go's time package. */
static const struct {
    int64_t ts_ms;
    const char *text;
    int weekday, yearday;
} rows[] = {
    { 0, "1970-01-01T00:00:00Z", 4, 1 },
    { 1, "1970-01-01T00:00:00.001Z", 4, 1 },
    { -1, "1969-12-31T23:59:59.999Z", 3, 365 },
    { 1435781451781, "2015-07-01T20:10:51.781Z", 3, 182 },
    { 951782400000, "2000-02-29T00:00:00Z", 2, 60 },
    { 951868799999, "2000-02-29T23:59:59.999Z", 2, 60 },
    { -62135596800000, "0001-01-01T00:00:00Z", 1, 1 },
    { -62167219200000, "0000-01-01T00:00:00Z", 6, 1 },
    { -62167219200001, "-0001-12-31T23:59:59.999Z", 5, 365 },
    { 253402300799999, "9999-12-31T23:59:59.999Z", 5, 365 },
    { 253402300800000, "10000-01-01T00:00:00Z", 6, 1 },
    { INT64_MIN, "-292275055-05-16T16:47:04.192Z", 0, 136 },
    { 9223372036854775807, "292278994-08-17T07:12:55.807Z", 0, 229 },
    { 1709164800000, "2024-02-29T00:00:00Z", 4, 60 },
    { 4107542400000, "2100-03-01T00:00:00Z", 1, 60 },
    { -2208988800000, "1900-01-01T00:00:00Z", 1, 1 },
};
#define ROW_COUNT ((int)(sizeof rows / sizeof rows[0]))

static int64_t floor_seconds(int64_t ts_ms)
{
    return ts_ms / 1000 - (ts_ms % 1000 < 0);
}

START_TEST(times_are_printed_and_read_as_go_does)
{
    char out[TIME_TEXT_SIZE + 1];
    out[time_format_rfc3339(rows[_i].ts_ms, out)] = '\0';
    ck_assert_str_eq(out, rows[_i].text);
    int64_t back;
    ck_assert(time_parse_rfc3339(str_of_z(rows[_i].text), &back));
    ck_assert_int_eq(back, rows[_i].ts_ms);
    struct civil_time c = civil_from_unix(floor_seconds(rows[_i].ts_ms));
    ck_assert_int_eq(c.weekday, rows[_i].weekday);
    ck_assert_int_eq(c.yearday, rows[_i].yearday);
}
END_TEST

START_TEST(every_day_of_eight_centuries_follows_the_one_before)
{
    int64_t day_s = 86400;
    int64_t start = unix_from_civil(1700, 1, 1, 0, 0, 0);
    struct civil_time before = civil_from_unix(start);
    for (int64_t t = start + day_s; t < unix_from_civil(2500, 1, 1, 0, 0, 0); t += day_s) {
        struct civil_time now = civil_from_unix(t);
        bool is_next_day = now.year == before.year && now.month == before.month &&
                           now.day == before.day + 1 && now.yearday == before.yearday + 1;
        bool is_next_month = now.year == before.year && now.month == before.month + 1 &&
                             now.day == 1 && before.day == before.days_in_month;
        bool is_next_year = now.year == before.year + 1 && now.month == 1 && now.day == 1 &&
                            before.month == 12 && before.day == 31 && now.yearday == 1;
        if (is_next_day + is_next_month + is_next_year != 1 ||
            now.weekday != (before.weekday + 1) % 7 ||
            unix_from_civil(now.year, now.month, now.day, 0, 0, 0) != t) {
            ck_abort_msg("%lld-%d-%d", (long long)now.year, now.month, now.day);
        }
        before = now;
    }
}
END_TEST

START_TEST(calendar_agrees_with_libc)
{
    struct rng rng;
    rng_init(&rng, 3);
    for (int i = 0; i < 100000; i++) {
        int64_t t = (int64_t)rng_below(&rng, 1ull << 40) - (1ll << 39);
        time_t libc_time = (time_t)t;
        struct tm tm;
        (void)gmtime_r(&libc_time, &tm);
        struct civil_time c = civil_from_unix(t);
        if (c.year != tm.tm_year + 1900 || c.month != tm.tm_mon + 1 || c.day != tm.tm_mday ||
            c.hour != tm.tm_hour || c.minute != tm.tm_min || c.second != tm.tm_sec ||
            c.weekday != tm.tm_wday || c.yearday != tm.tm_yday + 1 ||
            unix_from_civil(c.year, c.month, c.day, c.hour, c.minute, c.second) != t) {
            ck_abort_msg("%lld", (long long)t);
        }
    }
}
END_TEST

static const struct {
    const char *text;
    int64_t ts_ms;
} parse_rows[] = {
    { "1970-01-01T02:00:00+02:00", 0 },
    { "1969-12-31T22:30:00.5-01:30", 500 },
    { "1970-01-01T00:00:00.0019999Z", 1 },
    { "1970-01-01T00:00:00.123456789Z", 123 },
    { "1969-12-31T23:59:59.9Z", -100 },
    { "+012026-01-02T03:04:05Z", 317336843045000 },
    { "-292273086-05-16T16:47:06Z", INT64_MIN + 62135596801808 },
    { "292278994-08-17T07:12:55.808Z", INT64_MAX }, /* one too many */
    { "-292275055-05-16T16:47:04.191Z", INT64_MIN },
    { "999999999999-12-31T23:59:59.999Z", INT64_MAX },
    { "-999999999999-01-01T00:00:00Z", INT64_MIN },
};
#define PARSE_ROW_COUNT ((int)(sizeof parse_rows / sizeof parse_rows[0]))

START_TEST(offsets_fractions_and_long_years_are_read)
{
    int64_t ts_ms;
    ck_assert(time_parse_rfc3339(str_of_z(parse_rows[_i].text), &ts_ms));
    ck_assert_int_eq(ts_ms, parse_rows[_i].ts_ms);
}
END_TEST

static const char *const refused[] = {
    "",
    "2026-01-02",
    "2026-01-02T03:04:05",
    "2026-01-02T03:04Z",
    "2026-01-02 03:04:05Z",
    "2026-01-02t03:04:05Z",
    "2026-1-02T03:04:05Z",
    "2026-13-02T03:04:05Z",
    "2026-00-02T03:04:05Z",
    "2026-02-29T03:04:05Z",
    "2026-01-00T03:04:05Z",
    "2026-01-32T03:04:05Z",
    "2026-01-02T24:00:00Z",
    "2026-01-02T03:60:05Z",
    "2026-01-02T03:04:60Z",
    "2026-01-02T03:04:05.Z",
    "2026-01-02T03:04:05+0200",
    "2026-01-02T03:04:05+02:61",
    "2026-01-02T03:04:05+25:00",
    "2026-01-02T03:04:05Zx",
    "2026-01-02T03:04:05Z ",
    "026-01-02T03:04:05Z",
    "1234567890123-01-02T03:04:05Z",
    "--2026-01-02T03:04:05Z",
};
#define REFUSED_COUNT ((int)(sizeof refused / sizeof refused[0]))

START_TEST(what_is_no_time_is_refused)
{
    int64_t ts_ms = 42;
    ck_assert_msg(!time_parse_rfc3339(str_of_z(refused[_i]), &ts_ms), "%s", refused[_i]);
    ck_assert_int_eq(ts_ms, 42);
}
END_TEST

START_TEST(every_prefix_of_a_time_is_refused)
{
    static const char text[] = "2026-01-02T03:04:05.678+02:00";
    int64_t ts_ms;
    for (size_t n = 0; n + 1 < sizeof text; n++) {
        ck_assert(!time_parse_rfc3339((struct str){ text, n }, &ts_ms));
    }
    ck_assert(time_parse_rfc3339(str_of_z(text), &ts_ms));
}
END_TEST

START_TEST(nanoseconds_keep_nine_digits_and_drop_zeros)
{
    char out[TIME_TEXT_SIZE + 1];
    out[time_format_rfc3339_ns(1, out)] = '\0';
    ck_assert_str_eq(out, "1970-01-01T00:00:00.000000001Z");
    out[time_format_rfc3339_ns(1500000000, out)] = '\0';
    ck_assert_str_eq(out, "1970-01-01T00:00:01.5Z");
    out[time_format_rfc3339_ns(-1, out)] = '\0';
    ck_assert_str_eq(out, "1969-12-31T23:59:59.999999999Z");
    out[time_format_rfc3339_ns(INT64_MAX, out)] = '\0';
    ck_assert_str_eq(out, "2262-04-11T23:47:16.854775807Z");
    out[time_format_rfc3339_ns(INT64_MIN, out)] = '\0';
    ck_assert_str_eq(out, "1677-09-21T00:12:43.145224192Z");
}
END_TEST

START_TEST(seconds_have_three_decimals_or_none)
{
    static const struct {
        int64_t ts_ms;
        const char *text;
    } seconds[] = { { 1435781451781, "1435781451.781" },
                    { 1435781451000, "1435781451" },
                    { -1500, "-1.500" },
                    { -1, "-0.001" },
                    { 0, "0" },
                    { 10, "0.010" },
                    { INT64_MAX, "9223372036854775.807" },
                    { INT64_MIN, "-9223372036854775.808" } };
    char out[TIME_TEXT_SIZE + 1];
    out[time_format_seconds(seconds[_i].ts_ms, out)] = '\0';
    ck_assert_str_eq(out, seconds[_i].text);
}
END_TEST

START_TEST(sums_saturate)
{
    ck_assert_int_eq(ts_add(INT64_MAX, 1), INT64_MAX);
    ck_assert_int_eq(ts_add(INT64_MIN, -1), INT64_MIN);
    ck_assert_int_eq(ts_add(5, -7), -2);
    ck_assert_int_eq(ts_sub(INT64_MIN, 1), INT64_MIN);
    ck_assert_int_eq(ts_sub(INT64_MAX, -1), INT64_MAX);
    ck_assert_int_eq(ts_sub(0, INT64_MIN), INT64_MAX);
    ck_assert_int_eq(ts_sub(5, 7), -2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("time");
    TCase *tc = tcase_create("time");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, times_are_printed_and_read_as_go_does, 0, ROW_COUNT);
    tcase_add_test(tc, every_day_of_eight_centuries_follows_the_one_before);
    tcase_add_test(tc, calendar_agrees_with_libc);
    tcase_add_loop_test(tc, offsets_fractions_and_long_years_are_read, 0, PARSE_ROW_COUNT);
    tcase_add_loop_test(tc, what_is_no_time_is_refused, 0, REFUSED_COUNT);
    tcase_add_test(tc, every_prefix_of_a_time_is_refused);
    tcase_add_test(tc, nanoseconds_keep_nine_digits_and_drop_zeros);
    tcase_add_loop_test(tc, seconds_have_three_decimals_or_none, 0, 8);
    tcase_add_test(tc, sums_saturate);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
