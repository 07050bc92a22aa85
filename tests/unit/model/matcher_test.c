/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <string.h>

#include "codec/regex.h"
#include "model/batch.h"
#include "model/matcher.h"
#include "os/mem.h"

static struct mem_budget *mem;

static void setup(void)
{
    mem = mem_budget_create((uint64_t)64 << 20);
}

static void teardown(void)
{
    ck_assert_uint_eq(mem_live_count(mem), 0);
    mem_budget_destroy(mem);
}

struct match_case {
    enum match_type type;
    const char *pattern, *value;
    bool matches;
};
static const struct match_case match_cases[] = {
    { MATCH_EQ, "a", "a", true },       { MATCH_EQ, "a", "b", false },
    { MATCH_EQ, "", "", true },         { MATCH_NE, "a", "b", true },
    { MATCH_NE, "a", "a", false },      { MATCH_NE, "", "", false },
    { MATCH_RE, "a.*", "abc", true },   { MATCH_RE, "a.*", "xabc", false }, /* anchored */
    { MATCH_RE, "a|b", "b", true },     { MATCH_RE, ".*", "", true },
    { MATCH_RE, ".+", "", false },      { MATCH_RE, "a.b", "a\nb", true },
    { MATCH_NRE, "a.*", "abc", false }, { MATCH_NRE, "a.*", "", true },
};

START_TEST(matcher_cases)
{
    const struct match_case *c = &match_cases[_i];
    struct matcher m = { .type = c->type, .name = STR("l"), .value = str_of_z(c->pattern) };
    struct err err = { 0 };
    bool is_regex = c->type == MATCH_RE || c->type == MATCH_NRE;
    if (is_regex) ck_assert_int_eq(regex_compile(mem, m.value, REGEX_FULL, &m.re, &err), ERR_OK);
    ck_assert(matcher_matches(&m, str_of_z(c->value)) == c->matches);
    regex_unref(m.re);
}
END_TEST

START_TEST(a_missing_label_has_the_empty_value)
{
    struct label l[2] = { { STR("a"), STR("1") }, { STR("b"), STR("2") } };
    struct labels labels = { l, 2 };
    struct matcher m[2] = { { .type = MATCH_EQ, .name = STR("a"), .value = STR("1") },
                            { .type = MATCH_EQ, .name = STR("c"), .value = STR("") } };
    ck_assert(matchers_match((struct matchers){ m, 2 }, labels));
    m[1].type = MATCH_NE;
    ck_assert(!matchers_match((struct matchers){ m, 2 }, labels));
    ck_assert(matchers_match((struct matchers){ NULL, 0 }, labels));
}
END_TEST

START_TEST(texts)
{
    ck_assert(str_eq(match_type_text(MATCH_EQ), STR("=")));
    ck_assert(str_eq(match_type_text(MATCH_NE), STR("!=")));
    ck_assert(str_eq(match_type_text(MATCH_RE), STR("=~")));
    ck_assert(str_eq(match_type_text(MATCH_NRE), STR("!~")));
    ck_assert(str_eq(batch_outcome_text(BATCH_OUT_OF_ORDER), STR("out of order sample")));
    ck_assert(str_eq(batch_outcome_text(BATCH_TOO_OLD), STR("too old sample")));
    ck_assert(str_eq(batch_outcome_text(BATCH_OUT_OF_BOUNDS), STR("out of bounds")));
    ck_assert(str_eq(batch_outcome_text(BATCH_DUPLICATE), STR("duplicate sample for timestamp")));
    for (int i = 0; i < BATCH_OUTCOME_COUNT; i++)
        ck_assert_uint_gt(batch_outcome_text((enum batch_outcome)i).len, 0);
    ck_assert(str_eq(metric_type_text(METRIC_GAUGEHISTOGRAM), STR("gaugehistogram")));
    for (int i = METRIC_UNKNOWN; i <= METRIC_STATESET; i++)
        ck_assert_uint_gt(metric_type_text((enum metric_type)i).len, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("matcher");
    TCase *tc = tcase_create("matcher");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, matcher_cases, 0, (int)(sizeof match_cases / sizeof match_cases[0]));
    tcase_add_test(tc, a_missing_label_has_the_empty_value);
    tcase_add_test(tc, texts);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
