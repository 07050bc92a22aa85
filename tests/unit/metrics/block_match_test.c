/* SPDX-License-Identifier: Apache-2.0
 *
 * Matchers, label names and values of a block against a linear scan of its label sets.
 */
#include <check.h>
#include <stdlib.h>

#include "base/rng.h"
#include "block_fixture.h"
#include "codec/regex.h"

static struct block_fixture f;
static struct block *block;

static void setup(void)
{
    block_fixture_setup(&f);
    block_fixture_fleet(&f, 40, 260, 2);
    struct block_writer_options o = block_fixture_options(&f);
    struct block_meta meta = block_fixture_write(&f, &o);
    block = block_fixture_open(&f, meta.id);
}

static void teardown(void)
{
    block_unref(block);
    block_fixture_teardown(&f);
}

static struct matcher matcher(enum match_type type, const char *name, const char *value)
{
    struct matcher m = { type, str_of_z(name), str_of_z(value), NULL };
    struct err err = { 0 };
    if (type == MATCH_RE || type == MATCH_NRE)
        assert_ok(regex_compile(f.mem, m.value, REGEX_FULL, &m.re, &err), &err);
    return m;
}

static void release(struct matcher *ms, size_t count)
{
    for (size_t i = 0; i < count; i++)
        regex_unref(ms[i].re);
}

static struct postings *match(const struct matcher *ms, size_t count)
{
    struct block_match_options options = { MEM_QUERY, NULL };
    struct postings *p = NULL;
    struct err err = { 0 };
    assert_ok(block_match(block, (struct matchers){ ms, count }, &options, &p, &err), &err);
    return p;
}

/* Returns how many series match. */
static size_t assert_like_scan(const struct matcher *ms, size_t count)
{
    struct postings *p = match(ms, count);
    size_t expected = 0;
    for (uint32_t i = 0; i < f.fleet.count; i++) {
        bool matches = matchers_match((struct matchers){ ms, count }, f.fleet.series[i].labels);
        if (postings_contains(p, i) != matches)
            ck_abort_msg("series %u: matcher " STR_FMT STR_FMT STR_FMT " (1 of %zu)", i,
                         STR_ARG(ms[0].name), STR_ARG(match_type_text(ms[0].type)),
                         STR_ARG(ms[0].value), count);
        expected += matches;
    }
    ck_assert_uint_eq(postings_cardinality(p), expected);
    postings_destroy(p);
    return expected;
}

struct wanted {
    const char *name, *value;
};

static const struct wanted PLAIN[] = {
    { "__name__", "cpu_active_total" },
    { "__name__", "no_such_metric" },
    { "job", "node" },
    { "job", "" },
    { "device", "sda" },
    { "device", "" },
    { "no_such_label", "" },
    { "no_such_label", "x" },
    { "cpu", "1" },
    { "instance", "10.0.0.7:9100" },
    { "team", "cpu" },
    { "", "" },
    { "mode", "idl" },
    { "zzz", "zzz" },
};

static const struct wanted REGEXES[] = {
    { "__name__", "cpu_active_total|disk_reads_total|none" },
    { "__name__", "cpu_.*" },
    { "__name__", ".*_total" },
    { "__name__", ".*bytes.*" },
    { "__name__", ".+" },
    { "__name__", ".*" },
    { "__name__", "[cd].*_(reads|writes)_.*" },
    { "__name__", "disk_[a-m].*" },
    { "device", ".+" },
    { "device", ".*" },
    { "device", "|sda" },
    { "device", "(sd.)?" },
    { "device", "nvme.n1|eth0" },
    { "device", "" },
    { "no_such_label", ".*" },
    { "no_such_label", ".+" },
    { "no_such_label", "a?" },
    { "instance", "10\\.0\\.0\\.1?[0-5]:9100" },
    { "instance", ".*:9100" },
    { "cpu", "[0-9]" },
    { "mode", "(i)dle" },
    { "region", "eu-.*" },
    { "cluster", "cluster-(0[1-4]|2.)" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

START_TEST(one_matcher_agrees_with_a_scan)
{
    size_t found = 0;
    for (size_t i = 0; i < COUNT(PLAIN); i++) {
        for (enum match_type t = MATCH_EQ; t <= MATCH_NE; t++) {
            struct matcher m = matcher(t, PLAIN[i].name, PLAIN[i].value);
            found += assert_like_scan(&m, 1);
        }
    }
    for (size_t i = 0; i < COUNT(REGEXES); i++) {
        for (enum match_type t = MATCH_RE; t <= MATCH_NRE; t++) {
            struct matcher m = matcher(t, REGEXES[i].name, REGEXES[i].value);
            found += assert_like_scan(&m, 1);
            release(&m, 1);
        }
    }
    ck_assert_uint_gt(found, f.fleet.count);
}
END_TEST

START_TEST(several_matchers_agree_with_a_scan)
{
    struct rng r;
    rng_init(&r, 12);
    size_t hits = 0;
    for (int round = 0; round < 150; round++) {
        struct matcher ms[4];
        size_t count = 2 + rng_below(&r, 3);
        for (size_t i = 0; i < count; i++) {
            bool is_regex = rng_below(&r, 2) > 0;
            const struct wanted *w = is_regex ? &REGEXES[rng_below(&r, COUNT(REGEXES))]
                                              : &PLAIN[rng_below(&r, COUNT(PLAIN))];
            enum match_type t = (is_regex ? MATCH_RE : MATCH_EQ) + (rng_below(&r, 2) ? 1u : 0u);
            ms[i] = matcher(t, w->name, w->value);
        }
        hits += assert_like_scan(ms, count) > 0;
        release(ms, count);
    }
    ck_assert_uint_gt(hits, 20);
}
END_TEST

/* Few candidates and a name with many values: the candidates' own labels are tested. */
START_TEST(few_candidates_are_tested_themselves)
{
    struct matcher ms[] = { matcher(MATCH_EQ, "__name__", "cpu_active_total"),
                            matcher(MATCH_EQ, "device", "eth0"),
                            matcher(MATCH_RE, "instance", "10\\.0\\.0\\.[1-3]*[0-9]:9100") };
    ck_assert_uint_gt(assert_like_scan(ms, 3), 0);
    ms[2].type = MATCH_NRE;
    (void)assert_like_scan(ms, 3);
    release(ms, 3);
}
END_TEST

START_TEST(no_matcher_means_all_series)
{
    struct postings *p = match(NULL, 0);
    ck_assert_uint_eq(postings_cardinality(p), f.fleet.count);
    postings_destroy(p);
}
END_TEST

START_TEST(cancelled_query_stops)
{
    struct cancel cancel = { 0 };
    struct block_match_options options = { MEM_QUERY, &cancel };
    struct matcher m = matcher(MATCH_RE, "instance", "[0-9.]*:9100");
    struct postings *p = NULL;
    cancel_set(&cancel, CANCEL_TIMEOUT);
    ck_assert_int_eq(block_match(block, (struct matchers){ &m, 1 }, &options, &p, NULL),
                     ERR_TIMEOUT);
    release(&m, 1);
}
END_TEST

/* ---- names and values ---- */

static size_t scan_values(const char *name, const struct postings *only, struct str *out,
                          size_t cap)
{
    size_t count = 0;
    for (uint32_t i = 0; i < f.fleet.count; i++) {
        struct str v = labels_get(f.fleet.series[i].labels, str_of_z(name));
        if (v.len == 0 || (only && !postings_contains(only, i))) continue;
        size_t at = 0;
        while (at < count && str_cmp(out[at], v) < 0)
            at++;
        if (at < count && str_eq(out[at], v)) continue;
        ck_assert_uint_lt(count, cap);
        for (size_t k = count++; k > at; k--)
            out[k] = out[k - 1];
        out[at] = v;
    }
    return count;
}

static void assert_values_like_scan(const char *name, const struct postings *only)
{
    static struct str expected[1000];
    size_t count = scan_values(name, only, expected, 1000);
    for (size_t limit = 0; limit < 4; limit++) {
        struct block_values_query q = { str_of_z(name), only, limit, NULL };
        struct str_list got;
        struct err err = { 0 };
        assert_ok(block_label_values(block, &q, &f.arena, &got, &err), &err);
        size_t want = limit > 0 && limit < count ? limit : count;
        ck_assert_uint_eq(got.len, want);
        ck_assert_int_eq(got.is_truncated, want < count);
        for (size_t i = 0; i < want; i++)
            ck_assert(str_eq(got.ptr[i], expected[i]));
    }
}

static const char *const NAMES[] = { "__name__", "cluster", "cpu",    "device", "instance", "job",
                                     "lane",     "mode",    "region", "slot",   "team" };

START_TEST(values_agree_with_a_scan)
{
    struct matcher few[] = { matcher(MATCH_EQ, "__name__", "cpu_active_total"),
                             matcher(MATCH_EQ, "device", "eth0") };
    struct matcher many = matcher(MATCH_RE, "job", "app.*");
    struct matcher none = matcher(MATCH_EQ, "job", "x");
    struct postings *only[] = { NULL, match(few, 2), match(few, 1), match(&many, 1),
                                match(&none, 1) };
    for (size_t i = 0; i < COUNT(NAMES); i++)
        for (size_t k = 0; k < COUNT(only); k++)
            assert_values_like_scan(NAMES[i], only[k]);
    assert_values_like_scan("no_such_label", NULL);
    for (size_t k = 1; k < COUNT(only); k++)
        postings_destroy(only[k]);
    release(&many, 1);
}
END_TEST

START_TEST(names_agree_with_a_scan)
{
    struct str_list got;
    struct err err = { 0 };
    assert_ok(block_label_names(block, NULL, &f.arena, &got, &err), &err);
    ck_assert_uint_eq(got.len, COUNT(NAMES));
    for (size_t i = 0; i < got.len; i++)
        ck_assert(str_eq(got.ptr[i], str_of_z(NAMES[i])));
    struct matcher m = matcher(MATCH_EQ, "device", "sda");
    struct postings *only = match(&m, 1);
    assert_ok(block_label_names(block, only, &f.arena, &got, &err), &err);
    size_t k = 0;
    for (size_t i = 0; i < COUNT(NAMES); i++) {
        static struct str values[1000];
        if (scan_values(NAMES[i], only, values, 1000) == 0) continue;
        ck_assert_uint_lt(k, got.len);
        ck_assert(str_eq(got.ptr[k++], str_of_z(NAMES[i])));
    }
    ck_assert_uint_eq(got.len, k);
    ck_assert_uint_lt(k, COUNT(NAMES));
    postings_destroy(only);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block_match");
    TCase *tc = tcase_create("block_match");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, one_matcher_agrees_with_a_scan);
    tcase_add_test(tc, several_matchers_agree_with_a_scan);
    tcase_add_test(tc, few_candidates_are_tested_themselves);
    tcase_add_test(tc, no_matcher_means_all_series);
    tcase_add_test(tc, cancelled_query_stops);
    tcase_add_test(tc, values_agree_with_a_scan);
    tcase_add_test(tc, names_agree_with_a_scan);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
