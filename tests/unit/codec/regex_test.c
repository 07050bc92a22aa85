/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/regex.h"

#include "codec_test.h"

static struct regex *compile(const char *pattern, enum regex_mode mode)
{
    struct regex *re = NULL;
    T.err = (struct err){ 0 };
    enum err_code rc = regex_compile(T.budget, str_of_z(pattern), mode, &re, &T.err);
    ck_assert_msg(rc == ERR_OK, "%s: %s", pattern, T.err.detail);
    return re;
}

/* ---- analysis --------------------------------------------------------------------------- */

static const struct {
    const char *pattern;
    enum regex_kind kind;
    const char *literals; /* separated by blanks */
    const char *prefix;
} FULL[] = {
    { ".*", REGEX_ANY, "", "" },
    { "(.*)", REGEX_ANY, "", "" },
    { "(?:.*)", REGEX_ANY, "", "" },
    { ".*.*", REGEX_ANY, "", "" },
    { ".*?", REGEX_ANY, "", "" },
    { "(.+)?", REGEX_ANY, "", "" },
    { "|.+", REGEX_ANY, "", "" },
    { "foo|.*", REGEX_ANY, "", "" },
    { ".+", REGEX_NON_EMPTY, "", "" },
    { ".+.*", REGEX_NON_EMPTY, "", "" },
    { "a|.+", REGEX_NON_EMPTY, "", "" },
    { "", REGEX_EQUAL, "", "" },
    { "foo", REGEX_EQUAL, "foo", "foo" },
    { "^foo$", REGEX_EQUAL, "foo", "foo" },
    { "f(o)(?:o)", REGEX_EQUAL, "foo", "foo" },
    { "10\\.0\\.0\\.1", REGEX_EQUAL, "10.0.0.1", "10.0.0.1" },
    { "a{3}", REGEX_EQUAL, "aaa", "aaa" },
    { "x{0}y", REGEX_EQUAL, "y", "y" },
    { "{a}", REGEX_EQUAL, "{a}", "{a}" },
    { "a{,2}", REGEX_EQUAL, "a{,2}", "a{,2}" },
    { "a{02}", REGEX_EQUAL, "a{02}", "a{02}" },
    { "\xc3\xa9t\xc3\xa9", REGEX_EQUAL, "\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9" },
    { "a|b|c", REGEX_SET, "a b c", "" },
    { "b|a|b", REGEX_SET, "a b", "" },
    { "^a$|^b$", REGEX_SET, "a b", "" },
    { "foo(bar|baz)", REGEX_SET, "foobar foobaz", "fooba" },
    { "(a|b)(c|d)e?", REGEX_SET, "ac ace ad ade bc bce bd bde", "" },
    { "node-[0-3]", REGEX_SET, "node-0 node-1 node-2 node-3", "node-" },
    { "[ab]{2}", REGEX_SET, "aa ab ba bb", "" },
    { "[]a]", REGEX_SET, "] a", "" },
    { "[a-]", REGEX_SET, "- a", "" },
    { "(?P<x>a|b)", REGEX_SET, "a b", "" },
    { "(?<x>a|b)", REGEX_SET, "a b", "" },
    { "foo.*", REGEX_PREFIX, "foo", "foo" },
    { "f(oo.*)", REGEX_PREFIX, "foo", "foo" },
    { "foo.*.*", REGEX_PREFIX, "foo", "foo" },
    { ".*foo", REGEX_SUFFIX, "foo", "" },
    { ".*f[o]o", REGEX_SUFFIX, "foo", "" },
    { ".*foo.*", REGEX_CONTAINS, "foo", "" },
    { "(?:.*foo).*", REGEX_CONTAINS, "foo", "" },
    { "foo.+", REGEX_GENERAL, "", "foo" },
    { "foo\\d+bar", REGEX_GENERAL, "", "foo" },
    { "(foo|fob).*", REGEX_GENERAL, "", "fo" },
    { "foo[^a]", REGEX_GENERAL, "", "foo" },
    { "(foo)+", REGEX_GENERAL, "", "foo" },
    { "foo(bar)*", REGEX_GENERAL, "", "foo" },
    { "(?i)foo", REGEX_GENERAL, "", "" },
    { ".", REGEX_GENERAL, "", "" },
    { "a$b", REGEX_GENERAL, "", "a" },
    { "\\Qa.b\\E", REGEX_GENERAL, "", "" },
    { "foo|bar.*", REGEX_GENERAL, "", "" },
};

START_TEST(full_pattern_has_kind_literals_and_prefix)
{
    struct regex *re = compile(FULL[_i].pattern, REGEX_FULL);
    ck_assert_msg(regex_kind_of(re) == FULL[_i].kind, "%s: kind %d", FULL[_i].pattern,
                  (int)regex_kind_of(re));
    size_t count = 0;
    const struct str *literals = regex_literals(re, &count);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) buf_put_u8(&T.buf, ' ');
        buf_put_str(&T.buf, literals[i]);
    }
    ck_assert_str_is(buf_str(&T.buf), FULL[_i].literals);
    ck_assert_str_is(regex_prefix(re), FULL[_i].prefix);
    ck_assert_str_is(regex_pattern(re), FULL[_i].pattern);
    regex_unref(re);
}
END_TEST

static const struct {
    const char *pattern;
    enum regex_kind kind;
    const char *literals;
} SEARCH[] = {
    { "foo", REGEX_CONTAINS, "foo" },
    { ".*foo.*", REGEX_CONTAINS, "foo" },
    { "foo|bar|foobar", REGEX_CONTAINS, "bar foo" },
    { "x*(error|warn).?", REGEX_CONTAINS, "error warn" },
    { ".*", REGEX_ANY, "" },
    { "a?", REGEX_ANY, "" },
    { "", REGEX_ANY, "" },
    { ".+", REGEX_GENERAL, "" },
    { "^foo", REGEX_GENERAL, "" },
    { "foo$", REGEX_GENERAL, "" },
    { "a.b", REGEX_GENERAL, "" },
    { "foo.*bar", REGEX_GENERAL, "" },
    { "\\bfoo", REGEX_GENERAL, "" },
};

START_TEST(search_pattern_has_kind_and_literals)
{
    struct regex *re = compile(SEARCH[_i].pattern, REGEX_SEARCH);
    ck_assert_msg(regex_kind_of(re) == SEARCH[_i].kind, "%s: kind %d", SEARCH[_i].pattern,
                  (int)regex_kind_of(re));
    size_t count = 0;
    const struct str *literals = regex_literals(re, &count);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) buf_put_u8(&T.buf, ' ');
        buf_put_str(&T.buf, literals[i]);
    }
    ck_assert_str_is(buf_str(&T.buf), SEARCH[_i].literals);
    regex_unref(re);
}
END_TEST

/* ---- matching --------------------------------------------------------------------------- */

static const struct {
    const char *pattern, *subject;
    bool full, search;
} MATCHES[] = {
    { "foo", "foo", true, true },
    { "foo", "xfoo", false, true },
    { "foo", "", false, false },
    { "", "", true, true },
    { "", "a", false, true },
    { ".*", "a\nb", true, true },
    { ".+", "", false, false },
    { ".+", "\n", true, false },
    { "a.b", "a\nb", true, false },
    { "foo.*", "foo\nbar", true, true },
    { "foo.*", "fo", false, false },
    { ".*bar", "foo\nbar", true, true },
    { ".*o b.*", "foo bar", true, true },
    { "a|b|c", "b", true, true },
    { "a|b|c", "d", false, false },
    { "a|b|c", "ab", false, true },
    { "(?i)FOO", "foo", true, true },
    { "10\\.0\\.(1|2|3)\\..*:9100", "10.0.2.7:9100", true, true },
    { "10\\.0\\.(1|2|3)\\..*:9100", "10.0.4.7:9100", false, false },
    { "10\\.0\\.(1|2|3)\\..*:9100", "10.0.2.7:9101", false, false },
    { "level=error.*code=5\\d\\d", "x level=error y code=503 z", false, true },
    { "level=error.*code=5\\d\\d", "x level=error y code=403 z", false, false },
    { "\xc3\xa9+", "\xc3\xa9\xc3\xa9", true, true },
    { "(?:(?:a))b", "ab", true, true },
    { "a|ab", "ab", true, true }, /* not the first branch that fits, but one that fits whole */
    { "(a|ab)(c|bcd)(d*)", "abcd", true, true },
    { "[^x]+", "a\nb", true, true },
    { "(?-s:a.b|c)\\w*", "a\nb", false, false },
    { "(?m)a$", "a\nb", false, true },
    { "^foo|bar$", "foo", true, true },
    { "(foo)?", "foofoo", false, true },
    { "aXbXc|.*lit.*", "xx lit yy", true, true },
};

START_TEST(subject_matches_or_not)
{
    struct regex *re = compile(MATCHES[_i].pattern, REGEX_FULL);
    struct str subject = str_of_z(MATCHES[_i].subject);
    ck_assert_msg(regex_match(re, subject) == MATCHES[_i].full, "%s", MATCHES[_i].pattern);
    struct regex_groups groups;
    ck_assert(regex_match_groups(re, subject, &groups) == MATCHES[_i].full);
    if (MATCHES[_i].full) ck_assert_str_is(groups.at[0], MATCHES[_i].subject);
    ck_assert(regex_matches_empty(re) == regex_match(re, STR("")));
    regex_unref(re);
    re = compile(MATCHES[_i].pattern, REGEX_SEARCH);
    ck_assert_msg(regex_match(re, subject) == MATCHES[_i].search, "%s", MATCHES[_i].pattern);
    ck_assert(regex_match_groups(re, subject, &groups) == MATCHES[_i].search);
    regex_unref(re);
}
END_TEST

START_TEST(large_alternation_needs_no_engine)
{
    for (int i = 0; i < 5000; i++)
        buf_printf(&T.buf, "%shost-%d\\.example", i ? "|" : "", i);
    struct regex *re = NULL;
    uint64_t before = mem_used(T.budget, MEM_CACHE);
    struct str pattern = str_sub(buf_str(&T.buf), 0, 60000);
    ck_assert_int_eq(regex_compile(T.budget, pattern, REGEX_FULL, &re, &T.err), ERR_OK);
    ck_assert_int_eq(regex_kind_of(re), REGEX_SET);
    ck_assert_uint_eq(mem_used(T.budget, MEM_CACHE), before);
    ck_assert(regex_match(re, STR("host-0.example")));
    ck_assert(regex_match(re, STR("host-2500.example")));
    ck_assert(!regex_match(re, STR("host-2500.exampl")));
    ck_assert(!regex_match(re, STR("host-4999.example")));
    regex_unref(re);
}
END_TEST

START_TEST(expansion_stops_at_its_limit)
{
    struct regex *re = compile("[ab][ab][ab][ab][ab][ab][ab][ab]", REGEX_FULL);
    size_t count;
    (void)regex_literals(re, &count);
    ck_assert_uint_eq(count, 256);
    regex_unref(re);
    re = compile("x[ab][ab][ab][ab][ab][ab][ab][ab][ab]", REGEX_FULL);
    ck_assert_int_eq(regex_kind_of(re), REGEX_GENERAL);
    ck_assert_str_is(regex_prefix(re), "x");
    ck_assert(regex_match(re, STR("xababababa")));
    regex_unref(re);
}
END_TEST

/* ---- errors ----------------------------------------------------------------------------- */

static const struct {
    const char *pattern, *text;
} ERRORS[] = {
    { "(a", "error parsing regexp: missing closing ): `(a`" },
    { "a)", "error parsing regexp: unexpected ): `a)`" },
    { "a)(b", "error parsing regexp: unexpected ): `a)(b`" },
    { "(", "error parsing regexp: missing closing ): `(`" },
    { "*", "error parsing regexp: missing argument to repetition operator: `*`" },
    { "a|*", "error parsing regexp: missing argument to repetition operator: `*`" },
    { "a**", "error parsing regexp: invalid nested repetition operator: `**`" },
    { "[a", "error parsing regexp: missing closing ]: `[a`" },
    { "\\q", "error parsing regexp: invalid escape sequence: `\\q`" },
    { "\\8", "error parsing regexp: invalid escape sequence: `\\8`" },
    { "a\\C", "error parsing regexp: invalid escape sequence: `\\C`" },
    { "a\\", "error parsing regexp: trailing backslash at end of expression: ``" },
    { "a{1001}", "error parsing regexp: invalid repeat count: `{1001}`" },
    { "a{2,1}", "error parsing regexp: invalid repeat count: `{2,1}`" },
    { "[z-a]", "error parsing regexp: invalid character class range: `z-a`" },
    { "[[:foo:]]|.*", "error parsing regexp: invalid character class range: `[:foo:]`" },
    { "(?z)", "error parsing regexp: invalid or unsupported Perl syntax: `(?z`" },
    { "(?=a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`" },
    { "(?<=a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?<`" },
    { "a\xff", "error parsing regexp: invalid UTF-8: `a\xff`" },
};

START_TEST(error_text_is_gos)
{
    struct regex *re = NULL;
    ck_assert_int_eq(
        regex_compile(T.budget, str_of_z(ERRORS[_i].pattern), REGEX_SEARCH, &re, &T.err),
        ERR_INVALID);
    ck_assert_str_eq(T.err.detail, ERRORS[_i].text);
    ck_assert_ptr_null(re);
}
END_TEST

START_TEST(error_text_is_the_same_in_full_mode)
{
    struct regex *re = NULL;
    ck_assert_int_eq(regex_compile(T.budget, str_of_z(ERRORS[_i].pattern), REGEX_FULL, &re, &T.err),
                     ERR_INVALID);
    ck_assert_str_eq(T.err.detail, ERRORS[_i].text);
    ck_assert_ptr_null(re);
}
END_TEST

START_TEST(size_is_limited)
{
    struct regex *re = NULL;
    char *long_pattern = arena_alloc(&T.arena, REGEX_PATTERN_BYTES_MAX + 1, 1, 1);
    ck_assert_ptr_nonnull(long_pattern);
    memset(long_pattern, 'a', REGEX_PATTERN_BYTES_MAX + 1);
    ck_assert_int_eq(regex_compile(T.budget,
                                   (struct str){ long_pattern, REGEX_PATTERN_BYTES_MAX + 1 },
                                   REGEX_FULL, &re, &T.err),
                     ERR_LIMIT);
    ck_assert_int_eq(regex_compile(T.budget, (struct str){ long_pattern, REGEX_PATTERN_BYTES_MAX },
                                   REGEX_FULL, &re, &T.err),
                     ERR_OK);
    ck_assert_int_eq(regex_kind_of(re), REGEX_EQUAL);
    regex_unref(re);
    ck_assert_int_eq(regex_compile(T.budget, STR("((a{100}){100}){100}x"), REGEX_FULL, &re, &T.err),
                     ERR_INVALID);
    ck_assert_int_eq(regex_compile(T.budget, STR("(\\pL{500}){2}|(\\pL{999})\\pN{1000}"),
                                   REGEX_FULL, &re, &T.err),
                     ERR_LIMIT);
    ck_assert_str_eq(T.err.detail, "error parsing regexp: expression too large");
}
END_TEST

START_TEST(deep_nesting_is_survived)
{
    struct regex *re = NULL;
    for (int i = 0; i < 1000; i++)
        buf_put_u8(&T.buf, '(');
    buf_put_u8(&T.buf, 'a');
    for (int i = 0; i < 1000; i++)
        buf_put_u8(&T.buf, ')');
    enum err_code rc = regex_compile(T.budget, buf_str(&T.buf), REGEX_FULL, &re, &T.err);
    if (rc == ERR_OK) {
        ck_assert(regex_match(re, STR("a")));
        regex_unref(re);
    }
    for (int i = 0; i < 60000; i++)
        buf_put_u8(&T.buf, '(');
    ck_assert_int_ne(regex_compile(T.budget, buf_str(&T.buf), REGEX_FULL, &re, &T.err), ERR_OK);
}
END_TEST

START_TEST(compile_survives_each_allocation_failure)
{
    static const char *const patterns[] = { "foo.*bar(baz)", "a|b|c|d|e|f|g|h|i|j", "(?i)x" };
    for (size_t i = 0; i < 3; i++) {
        struct regex *re = NULL;
        mem_test_fail_at(T.budget, (uint64_t)_i + 1, MEM_FAIL_ONCE);
        enum err_code rc = regex_compile(T.budget, str_of_z(patterns[i]), REGEX_FULL, &re, &T.err);
        mem_test_fail_at(T.budget, 0, MEM_FAIL_OFF);
        ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
        if (rc == ERR_OK) regex_unref(re);
    }
}
END_TEST

/* ---- groups and templates --------------------------------------------------------------- */

START_TEST(groups_are_slices_of_the_subject)
{
    struct regex *re = compile("(?P<host>[^:]+)(:(\\d+))?", REGEX_FULL);
    struct regex_groups g;
    struct str subject = STR("node-1:9100");
    ck_assert(regex_match_groups(re, subject, &g));
    ck_assert_uint_eq(g.count, 4);
    ck_assert_ptr_eq(g.at[1].ptr, subject.ptr);
    ck_assert_str_is(g.at[1], "node-1");
    ck_assert_str_is(g.at[3], "9100");
    ck_assert_uint_eq(regex_group_index(re, STR("host")), 1);
    ck_assert_uint_eq(regex_group_index(re, STR("port")), 0);
    ck_assert_str_is(regex_group_name(re, 1), "host");
    ck_assert_str_is(regex_group_name(re, 2), "");
    ck_assert(regex_match_groups(re, STR("node-1"), &g));
    ck_assert_ptr_null(g.at[3].ptr);
    ck_assert(!regex_match_groups(re, STR(":1"), &g));
    regex_unref(re);
}
END_TEST

START_TEST(default_relabel_pattern_needs_no_engine)
{
    uint64_t before = mem_used(T.budget, MEM_CACHE);
    struct regex *re = compile("(.*)", REGEX_FULL);
    ck_assert_uint_eq(mem_used(T.budget, MEM_CACHE), before);
    struct regex_groups g;
    ck_assert(regex_match_groups(re, STR("a:b"), &g));
    ck_assert_uint_eq(g.count, 2);
    ck_assert_str_is(g.at[1], "a:b");
    ck_assert(regex_match_groups(re, (struct str){ NULL, 0 }, &g));
    ck_assert_ptr_nonnull(g.at[1].ptr);
    regex_unref(re);
}
END_TEST

START_TEST(search_finds_match_after_match)
{
    struct regex *re = compile("[a-z]+(\\d)", REGEX_SEARCH);
    struct regex_groups g;
    struct str subject = STR("  ab1 cd cd2");
    ck_assert(regex_match_groups_from(re, subject, 0, &g));
    ck_assert_str_is(g.at[0], "ab1");
    ck_assert(regex_match_groups_from(re, subject, 5, &g));
    ck_assert_str_is(g.at[0], "cd2");
    ck_assert_str_is(g.at[1], "2");
    ck_assert(!regex_match_groups_from(re, subject, subject.len, &g));
    regex_unref(re);
}
END_TEST

static const struct {
    const char *text, *want;
} TEMPLATES[] = {
    { "", "" },
    { "plain", "plain" },
    { "$1", "node" },
    { "${1}", "node" },
    { "$1-$2", "node-7" },
    { "$1x", "" },
    { "${1}x", "nodex" },
    { "$host:$2", "node:7" },
    { "${host}_${2}", "node_7" },
    { "$host_", "" },
    { "$0", "node7" },
    { "$3", "" }, /* took no part */
    { "$4", "" },
    { "$99999999999999999999", "" },
    { "$01", "" },
    { "$none", "" },
    { "$$1", "$1" },
    { "a$$", "a$" },
    { "a$", "a$" },
    { "$ 1", "$ 1" },
    { "${1", "${1" },
    { "${}", "${}" },
    { "${1 }", "${1 }" },
    { "$-1", "$-1" },
    { "$1\xc3\xa9", "node\xc3\xa9" },
};

START_TEST(template_expands_as_in_go)
{
    struct regex *re = compile("(?P<host>[a-z]+)([0-9])(x)?", REGEX_FULL);
    struct regex_groups g;
    ck_assert(regex_match_groups(re, STR("node7"), &g));
    regex_expand(re, str_of_z(TEMPLATES[_i].text), &g, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), TEMPLATES[_i].want);
    regex_unref(re);
}
END_TEST

START_TEST(of_equal_names_the_one_that_took_part_counts)
{
    struct regex *re = compile("(?P<n>a)|(?<n>b)(?P<n>c)", REGEX_FULL);
    struct regex_groups g;
    ck_assert_uint_eq(regex_group_index(re, STR("n")), 1);
    ck_assert(regex_match_groups(re, STR("bc"), &g));
    regex_expand(re, STR("<$n>"), &g, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), "<b>");
    regex_unref(re);
}
END_TEST

START_TEST(last_reference_frees)
{
    struct regex *re = compile("foo.*bar", REGEX_FULL);
    struct regex *second = regex_ref(re);
    regex_unref(re);
    ck_assert(regex_match(second, STR("foobar")));
    regex_unref(second);
    regex_unref(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("regex");
    TCase *tc = codec_case(suite, "regex");
    tcase_add_loop_test(tc, full_pattern_has_kind_literals_and_prefix, 0,
                        sizeof FULL / sizeof FULL[0]);
    tcase_add_loop_test(tc, search_pattern_has_kind_and_literals, 0,
                        sizeof SEARCH / sizeof SEARCH[0]);
    tcase_add_loop_test(tc, subject_matches_or_not, 0, sizeof MATCHES / sizeof MATCHES[0]);
    tcase_add_test(tc, large_alternation_needs_no_engine);
    tcase_add_test(tc, expansion_stops_at_its_limit);
    tcase_add_loop_test(tc, error_text_is_gos, 0, sizeof ERRORS / sizeof ERRORS[0]);
    tcase_add_loop_test(tc, error_text_is_the_same_in_full_mode, 0,
                        sizeof ERRORS / sizeof ERRORS[0]);
    tcase_add_test(tc, size_is_limited);
    tcase_add_test(tc, deep_nesting_is_survived);
    tcase_add_loop_test(tc, compile_survives_each_allocation_failure, 0, 20);
    tcase_add_test(tc, groups_are_slices_of_the_subject);
    tcase_add_test(tc, default_relabel_pattern_needs_no_engine);
    tcase_add_test(tc, search_finds_match_after_match);
    tcase_add_loop_test(tc, template_expands_as_in_go, 0, sizeof TEMPLATES / sizeof TEMPLATES[0]);
    tcase_add_test(tc, of_equal_names_the_one_that_took_part_counts);
    tcase_add_test(tc, last_reference_frees);
    return codec_run(suite);
}
