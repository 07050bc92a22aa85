/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct str z(const char *text)
{
    return str_of_z(text);
}

START_TEST(order_is_by_bytes_and_prefix_first)
{
    ck_assert_int_lt(str_cmp(z("a"), z("b")), 0);
    ck_assert_int_lt(str_cmp(z("a"), z("ab")), 0);
    ck_assert_int_gt(str_cmp(z("b"), z("ab")), 0);
    ck_assert_int_eq(str_cmp(z("ab"), z("ab")), 0);
    ck_assert_int_gt(str_cmp(z("\xc3\xa9"), z("z")), 0); /* bytes are unsigned */
    ck_assert_int_eq(str_cmp((struct str){ NULL, 0 }, z("")), 0);
    ck_assert_int_lt(str_cmp((struct str){ NULL, 0 }, z("a")), 0);
}
END_TEST

START_TEST(prefix_suffix_and_case)
{
    ck_assert(str_starts_with(z("http_requests"), z("http_")));
    ck_assert(str_starts_with(z("a"), z("")));
    ck_assert(!str_starts_with(z("a"), z("ab")));
    ck_assert(str_ends_with(z("x_total"), z("_total")));
    ck_assert(!str_ends_with(z("total"), z("_total")));
    ck_assert(str_eq_nocase(z("Content-Type"), z("content-TYPE")));
    ck_assert(!str_eq_nocase(z("a"), z("ab")));
    ck_assert(!str_eq_nocase(z("@"), z("`"))); /* 0x40 and 0x60 differ by the case bit only */
}
END_TEST

START_TEST(search_returns_the_length_when_absent)
{
    ck_assert_uint_eq(str_index(z("abc"), 'c'), 2);
    ck_assert_uint_eq(str_index(z("abc"), 'x'), 3);
    ck_assert_uint_eq(str_index((struct str){ NULL, 0 }, 'x'), 0);
    ck_assert_uint_eq(str_find(z("abcabc"), z("ca")), 2);
    ck_assert_uint_eq(str_find(z("abc"), z("abcd")), 3);
    ck_assert_uint_eq(str_find(z("abc"), z("")), 0);
    ck_assert_uint_eq(str_find((struct str){ NULL, 0 }, z("a")), 0);
}
END_TEST

START_TEST(slices_are_clamped)
{
    ck_assert(str_eq(str_sub(z("hello"), 1, 3), z("el")));
    ck_assert(str_eq(str_sub(z("hello"), 3, 100), z("lo")));
    ck_assert(str_eq(str_sub(z("hello"), 9, 100), z("")));
    ck_assert(str_eq(str_sub(z("hello"), 3, 1), z("")));
    ck_assert(str_eq(str_trim(z(" \t a b\r\n")), z("a b")));
    ck_assert(str_eq(str_trim(z(" \n ")), z("")));
}
END_TEST

START_TEST(split_gives_every_part_once)
{
    static const struct {
        const char *text;
        const char *parts; /* joined by '|' */
    } rows[] = { { "a,b", "a|b" }, { "a", "a" }, { "", "" }, { ",", "|" }, { "a,,b,", "a||b|" } };
    char joined[64];
    struct str rest = z(rows[_i].text);
    struct str part;
    size_t n = 0;
    for (unsigned count = 0; str_split(&rest, ',', &part); count++) {
        n += (size_t)snprintf(joined + n, sizeof joined - n, "%s" STR_FMT, count ? "|" : "",
                              STR_ARG(part));
    }
    ck_assert_str_eq(joined, rows[_i].parts);
    ck_assert(!str_split(&rest, ',', &part));
}
END_TEST

static const struct {
    const char *text;
    bool is_valid;
} utf8_rows[] = {
    { "", true },
    { "plain ascii, more than eight", true },
    { "\xc3\xa9t\xc3\xa9", true },
    { "\xe2\x82\xac", true },
    { "\xf0\x9f\x98\x80", true },
    { "\xf4\x8f\xbf\xbf", true },  /* U+10FFFF */
    { "\xf4\x90\x80\x80", false }, /* above it */
    { "\xed\x9f\xbf", true },      /* U+D7FF */
    { "\xed\xa0\x80", false },     /* a surrogate */
    { "\xc0\x80", false },         /* overlong NUL */
    { "\xc1\xbf", false },         /* overlong */
    { "\xe0\x9f\xbf", false },     /* overlong */
    { "\xe0\xa0\x80", true },      /* U+0800 */
    { "\xf0\x8f\xbf\xbf", false }, /* overlong */
    { "\x80", false },             /* lone continuation */
    { "\xc3", false },             /* cut */
    { "\xe2\x82", false },         /* cut */
    { "\xe2\x28\xa1", false },     /* no continuation */
    { "abcdefgh\xff", false },     /* behind the fast path */
    { "abcdefghi\xf8\x88\x80\x80\x80", false },
};

START_TEST(utf8_is_judged_as_unicode_does)
{
    ck_assert_msg(str_is_utf8(z(utf8_rows[_i].text)) == utf8_rows[_i].is_valid, "row %d", _i);
}
END_TEST

START_TEST(numbers_take_the_whole_text_and_their_range)
{
    uint64_t u = 42;
    int64_t i = 42;
    ck_assert(str_to_u64(z("18446744073709551615"), &u));
    ck_assert_uint_eq(u, UINT64_MAX);
    ck_assert(!str_to_u64(z("18446744073709551616"), &u));
    ck_assert(!str_to_u64(z("99999999999999999999"), &u));
    ck_assert(!str_to_u64(z(""), &u));
    ck_assert(!str_to_u64(z("+1"), &u));
    ck_assert(!str_to_u64(z("1 "), &u));
    ck_assert_uint_eq(u, UINT64_MAX); /* untouched by the failures */
    ck_assert(str_to_i64(z("-9223372036854775808"), &i));
    ck_assert_int_eq(i, INT64_MIN);
    ck_assert(str_to_i64(z("+9223372036854775807"), &i));
    ck_assert_int_eq(i, INT64_MAX);
    ck_assert(!str_to_i64(z("9223372036854775808"), &i));
    ck_assert(!str_to_i64(z("-9223372036854775809"), &i));
    ck_assert(!str_to_i64(z("-"), &i));
    ck_assert(!str_to_i64(z("--1"), &i));
}
END_TEST

START_TEST(copy_to_libc_truncates_and_terminates)
{
    char out[4];
    ck_assert_str_eq(str_z(z("hello"), out, sizeof out), "hel");
    ck_assert_str_eq(str_z((struct str){ NULL, 0 }, out, sizeof out), "");
    ck_assert_str_eq(str_z(z("abc"), out, 1), "");
}
END_TEST

START_TEST(quote_prints_as_go_does)
{
    static const struct {
        struct str in;
        const char *out;
    } rows[] = {
        { STR_INIT(""), "\"\"" },
        { STR_INIT("a\"b\\c"), "\"a\\\"b\\\\c\"" },
        { STR_INIT("\n\t\r\a\b\f\v"), "\"\\n\\t\\r\\a\\b\\f\\v\"" },
        { STR_INIT("\0\x1f\x7f"), "\"\\x00\\x1f\\x7f\"" },
        { STR_INIT("\xc3\xa9\xff"), "\"\xc3\xa9\\xff\"" },
    };
    char out[64];
    ck_assert_str_eq(str_quote(rows[_i].in, out, sizeof out), rows[_i].out);
}
END_TEST

START_TEST(quote_is_cut_inside_its_quotes_at_every_size)
{
    char text[100];
    memset(text, 'a', sizeof text);
    char out[128];
    for (size_t size = 8; size < sizeof out; size++) {
        memset(out, 'X', sizeof out);
        (void)str_quote((struct str){ text, sizeof text }, out, size);
        size_t len = strlen(out);
        ck_assert_uint_lt(len, size);
        ck_assert_int_eq(out[0], '"');
        ck_assert_int_eq(out[len - 1], '"');
        if (size < 103) ck_assert_str_eq(out + len - 4, "...\"");
        if (size >= 103) ck_assert_uint_eq(len, 102);
    }
}
END_TEST

START_TEST(distance_counts_edits_and_transpositions_up_to_the_cap)
{
    static const struct {
        const char *a, *b;
        unsigned cap, distance;
    } rows[] = {
        { "scrape", "scrape", 3, 0 },  { "scrpae", "scrape", 3, 1 },  { "scrap", "scrape", 3, 1 },
        { "kitten", "sitting", 9, 3 }, { "kitten", "sitting", 2, 3 }, { "", "abc", 9, 3 },
        { "ab", "ba", 9, 1 },          { "abcdefgh", "x", 2, 3 },     { "ca", "abc", 9, 3 },
    };
    ck_assert_uint_eq(str_distance(z(rows[_i].a), z(rows[_i].b), rows[_i].cap), rows[_i].distance);
    ck_assert_uint_eq(str_distance(z(rows[_i].b), z(rows[_i].a), rows[_i].cap), rows[_i].distance);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("str");
    TCase *tc = tcase_create("str");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, order_is_by_bytes_and_prefix_first);
    tcase_add_test(tc, prefix_suffix_and_case);
    tcase_add_test(tc, search_returns_the_length_when_absent);
    tcase_add_test(tc, slices_are_clamped);
    tcase_add_loop_test(tc, split_gives_every_part_once, 0, 5);
    tcase_add_loop_test(tc, utf8_is_judged_as_unicode_does, 0,
                        (int)(sizeof utf8_rows / sizeof utf8_rows[0]));
    tcase_add_test(tc, numbers_take_the_whole_text_and_their_range);
    tcase_add_test(tc, copy_to_libc_truncates_and_terminates);
    tcase_add_loop_test(tc, quote_prints_as_go_does, 0, 5);
    tcase_add_test(tc, quote_is_cut_inside_its_quotes_at_every_size);
    tcase_add_loop_test(tc, distance_counts_edits_and_transpositions_up_to_the_cap, 0, 9);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
