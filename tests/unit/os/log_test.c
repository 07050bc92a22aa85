/* SPDX-License-Identifier: Apache-2.0 */
#include "os/log.h"

#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "os/thread.h"

struct capture {
    struct mutex lock;
    char text[64 * 1024];
    size_t len;
    unsigned lines;
};

static struct capture captured;
static struct clock_fake clock_fake;
static struct log_sink sink;
static struct log log_of_test;

static void take_line(void *ctx, struct str line)
{
    struct capture *c = ctx;
    MUTEX_SCOPE(&c->lock);
    ck_assert_int_eq(line.ptr[line.len - 1], '\n');
    if (c->len + line.len >= sizeof c->text) c->len = 0;
    memcpy(c->text + c->len, line.ptr, line.len);
    c->len += line.len;
    c->text[c->len] = '\0';
    c->lines++;
}

static void setup_format(enum log_format format)
{
    captured = (struct capture){ 0 };
    mutex_init(&captured.lock);
    clock_fake_init(&clock_fake, 1767323045678, 1);
    sink.clock = &clock_fake.clock;
    sink.format = format;
    atomic_store_explicit(&sink.level, LOG_INFO, memory_order_relaxed);
    sink.ctx = &captured;
    sink.write_line = take_line;
    log_of_test = (struct log){ &sink, "metrics" };
}

static void setup(void)
{
    setup_format(LOG_LOGFMT);
}

#define PREFIX "ts=2026-01-02T03:04:05.678Z level="

START_TEST(line_is_logfmt_in_the_documented_order)
{
    log_info(&log_of_test, "block written", LOG_Z("ulid", "01ABC"), LOG_U64("bytes", 42));
    ck_assert_str_eq(captured.text,
                     PREFIX "info component=metrics msg=\"block written\" ulid=01ABC bytes=42\n");
}
END_TEST

START_TEST(every_kind_of_value_is_printed)
{
    struct err err = { 0 };
    (void)err_set_os(&err, ENOSPC, "cannot write file");
    log_warn(&log_of_test, "x", LOG_I64("i", -5), LOG_F64("f", 0.25), LOG_F64("n", NAN),
             LOG_BOOL("b", true), LOG_ERR(&err), LOG_U64("u", UINT64_MAX),
             LOG_I64("min", INT64_MIN));
    ck_assert_str_eq(captured.text, PREFIX "warn component=metrics msg=x i=-5 f=0.25 n=NaN b=true "
                                           "err=\"cannot write file (No space left on device)\" "
                                           "u=18446744073709551615 min=-9223372036854775808\n");
}
END_TEST

static const struct {
    struct str in;
    const char *logfmt, *json;
} value_rows[] = {
    { STR_INIT("plain-1.2/x"), "plain-1.2/x", "\"plain-1.2/x\"" },
    { STR_INIT(""), "\"\"", "\"\"" },
    { STR_INIT("a b"), "\"a b\"", "\"a b\"" },
    { STR_INIT("a=b"), "\"a=b\"", "\"a=b\"" },
    { STR_INIT("say \"hi\"\\"), "\"say \\\"hi\\\"\\\\\"", "\"say \\\"hi\\\"\\\\\"" },
    { STR_INIT("two\nlines\t"), "\"two\\nlines\\t\"", "\"two\\nlines\\t\"" },
    { STR_INIT("\x01\x7f"), "\"\\u0001\\u007f\"", "\"\\u0001\\u007f\"" },
    { STR_INIT("\xc3\xa9"), "\"\xc3\xa9\"", "\"\xc3\xa9\"" },
    { STR_INIT("\xff"), "\"\\u00ff\"", "\"\\u00ff\"" },
};

START_TEST(values_are_quoted_and_escaped_as_needed)
{
    char expected[256];
    log_info(&log_of_test, "x", LOG_STR("v", value_rows[_i].in));
    (void)snprintf(expected, sizeof expected, PREFIX "info component=metrics msg=x v=%s\n",
                   value_rows[_i].logfmt);
    ck_assert_str_eq(captured.text, expected);
    setup_format(LOG_JSON);
    log_info(&log_of_test, "x", LOG_STR("v", value_rows[_i].in));
    (void)snprintf(expected, sizeof expected,
                   "{\"ts\":\"2026-01-02T03:04:05.678Z\",\"level\":\"info\","
                   "\"component\":\"metrics\",\"msg\":\"x\",\"v\":%s}\n",
                   value_rows[_i].json);
    ck_assert_str_eq(captured.text, expected);
}
END_TEST

START_TEST(json_has_no_bare_nan)
{
    setup_format(LOG_JSON);
    log_info(&log_of_test, "x", LOG_F64("n", INFINITY), LOG_F64("f", 1e300), LOG_BOOL("b", false));
    ck_assert_ptr_nonnull(strstr(captured.text, "\"n\":\"+Inf\",\"f\":1e+300,\"b\":false}\n"));
}
END_TEST

START_TEST(lines_below_the_level_are_dropped_and_no_logger_is_silent)
{
    log_debug(&log_of_test, "x");
    ck_assert_uint_eq(captured.lines, 0);
    log_info((const struct log *)NULL, "x");
    atomic_store_explicit(&sink.level, LOG_ERROR, memory_order_relaxed);
    log_warn(&log_of_test, "x");
    ck_assert_uint_eq(captured.lines, 0);
    log_error(&log_of_test, "x");
    ck_assert_uint_eq(captured.lines, 1);
}
END_TEST

static void log_once(int i)
{
    log_info(&log_of_test, "again", LOG_I64("i", i));
}

START_TEST(call_site_is_limited_and_says_how_much_was_left_out)
{
    for (int i = 0; i < 25; i++) {
        log_once(i);
    }
    ck_assert_uint_eq(captured.lines, 10);
    log_info(&log_of_test, "another site");
    ck_assert_uint_eq(captured.lines, 11);
    clock_fake_advance_ms(&clock_fake, 1000);
    captured.len = 0;
    log_once(99);
    ck_assert_uint_eq(captured.lines, 13);
    ck_assert_ptr_nonnull(strstr(captured.text, "level=warn component=metrics "
                                                "msg=\"repeated log lines left out\" of=again "
                                                "count=15\n"));
    ck_assert_ptr_nonnull(strstr(captured.text, "msg=again i=99\n"));
}
END_TEST

/* Whatever the length, the line ends properly and a quoted value is closed. */
START_TEST(overlong_values_are_cut_cleanly)
{
    setup_format(_i % 2 ? LOG_JSON : LOG_LOGFMT);
    static char value[20000];
    const char *pattern = _i / 2 == 0 ? "a b" : _i / 2 == 1 ? "\x01\x02" : "\xc3\xa9 ";
    size_t pattern_len = strlen(pattern);
    for (size_t len = 7900; len < 8300; len++) {
        for (size_t i = 0; i < len; i++) {
            value[i] = pattern[i % pattern_len];
        }
        captured.len = 0;
        struct log_field fields[] = { LOG_STR("v", ((struct str){ value, len })), LOG_U64("n", 1) };
        log_write(&log_of_test, LOG_INFO, NULL, "x", fields, 2);
        if (captured.len > 8192) ck_abort_msg("line of %zu bytes", captured.len);
        const char *end = captured.text + captured.len;
        bool is_closed = _i % 2 ? memcmp(end - 2, "}\n", 2) == 0 : end[-1] == '\n';
        if (!is_closed || !strchr(captured.text, '"')) ck_abort_msg("not closed at %zu", len);
        bool is_whole = strstr(captured.text, _i % 2 ? "\"n\":1" : " n=1") != NULL;
        bool is_cut = strstr(captured.text, "...\"") != NULL;
        if (is_whole && is_cut) ck_abort_msg("cut, and more after it, at %zu", len);
        if (_i / 2 == 2 && len % 3 == 0 &&
            !str_is_utf8((struct str){ captured.text, captured.len })) {
            ck_abort_msg("cut inside a character at %zu", len);
        }
    }
}
END_TEST

START_TEST(level_names_are_read_and_written)
{
    enum log_level level = LOG_INFO;
    ck_assert(log_level_parse(STR("debug"), &level));
    ck_assert_int_eq(level, LOG_DEBUG);
    ck_assert(log_level_parse(STR("error"), &level));
    ck_assert_int_eq(level, LOG_ERROR);
    ck_assert(!log_level_parse(STR("ERROR"), &level));
    ck_assert(!log_level_parse(STR(""), &level));
    ck_assert_str_eq(log_level_name(LOG_WARN), "warn");
}
END_TEST

static void log_many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++) {
        log_once(i);
        if (i % 100 == 0) clock_fake_advance_ms(&clock_fake, 400);
    }
}

START_TEST(threads_share_a_sink)
{
    struct thread threads[3] = { 0 };
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(thread_start(&threads[i], "log", log_many, NULL, NULL), ERR_OK);
    }
    for (size_t i = 0; i < 3; i++) {
        thread_join(&threads[i]);
    }
    ck_assert_uint_gt(captured.lines, 10);
    ck_assert_uint_lt(captured.lines, 3000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tc = tcase_create("log");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, line_is_logfmt_in_the_documented_order);
    tcase_add_test(tc, every_kind_of_value_is_printed);
    tcase_add_loop_test(tc, values_are_quoted_and_escaped_as_needed, 0,
                        (int)(sizeof value_rows / sizeof value_rows[0]));
    tcase_add_test(tc, json_has_no_bare_nan);
    tcase_add_test(tc, lines_below_the_level_are_dropped_and_no_logger_is_silent);
    tcase_add_test(tc, call_site_is_limited_and_says_how_much_was_left_out);
    tcase_add_loop_test(tc, overlong_values_are_cut_cleanly, 0, 6);
    tcase_add_test(tc, level_names_are_read_and_written);
    tcase_add_test(tc, threads_share_a_sink);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
