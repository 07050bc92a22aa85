/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/scrape/target.h"

#include <check.h>

static struct mem_budget *budget;
static struct arena arena;
static struct scrape_config config;
static struct target_spec spec;
static struct err error;

static void set_up(void)
{
    budget = mem_budget_create(64u << 20);
    arena_init(&arena, mem_source_of(budget, MEM_SCRAPE), 4u << 20);
    config = (struct scrape_config){ .job_name = STR("j"),
                                     .metrics_path = STR("/metrics"),
                                     .scheme = STR("http"),
                                     .scrape_interval_ms = 15000,
                                     .scrape_timeout_ms = 10000 };
    error = (struct err){ 0 };
}

static void tear_down(void)
{
    arena_deinit(&arena);
    mem_budget_destroy(budget);
}

static enum target_result build(const char *address, struct yaml_str_pair *labels, size_t count)
{
    struct static_config group = { .labels = { labels, count } };
    struct target_group g = { &group, { "", 0 } };
    return target_build(&config, NULL, &g, str_of_z(address), &arena, &spec, &error);
}

START_TEST(a_plain_address_gets_job_instance_and_url)
{
    ck_assert_int_eq(build("host:80", NULL, 0), TARGET_OK);
    ck_assert(str_eq(spec.url, STR("http://host:80/metrics")));
    ck_assert_uint_eq(spec.labels.len, 2);
    ck_assert(str_eq(labels_get(spec.labels, STR("instance")), STR("host:80")));
    ck_assert(str_eq(labels_get(spec.labels, STR("job")), STR("j")));
    ck_assert_int_eq(spec.interval_ms, 15000);
    ck_assert(str_eq(labels_get(spec.discovered, STR("__scrape_interval__")), STR("15s")));
}
END_TEST

START_TEST(hidden_labels_steer_and_vanish)
{
    struct yaml_str_pair labels[] = { { STR("__metrics_path__"), STR("probe") },
                                      { STR("__param_target"), STR("a b&c") },
                                      { STR("__scheme__"), STR("https") },
                                      { STR("__scrape_timeout__"), STR("3s") },
                                      { STR("env"), STR("prod") },
                                      { STR("__meta_x"), STR("y") } };
    ck_assert_int_eq(build("h", labels, 6), TARGET_OK);
    ck_assert(str_eq(spec.url, STR("https://h/probe?target=a+b%26c")));
    ck_assert_int_eq(spec.timeout_ms, 3000);
    ck_assert_uint_eq(spec.labels.len, 3);
}
END_TEST

START_TEST(parameters_of_the_job_are_appended_in_order)
{
    struct str values[] = { STR("1"), STR("2") };
    struct yaml_list_pair params[] = { { STR("x"), { values, 2 } } };
    config.params = (struct yaml_list){ params, 1 };
    ck_assert_int_eq(build("h", NULL, 0), TARGET_OK);
    ck_assert(str_eq(spec.url, STR("http://h/metrics?x=1&x=2")));
}
END_TEST

static const struct {
    const char *address, *label, *value, *text;
} BAD[] = {
    { "", "a", "b", "no address" },
    { "h/path", "a", "b", "\"h/path\" is not a valid hostname" },
    { "h", "__scrape_interval__", "0s", "scrape interval cannot be 0" },
    { "h", "__scrape_timeout__", "0s", "scrape timeout cannot be 0" },
    { "h", "__scrape_interval__", "nonsense", "not a valid duration" },
    { "h", "__scrape_timeout__", "16s", "(\"16s\" > \"15s\")" },
};

START_TEST(bad_targets_are_refused_with_a_reason)
{
    struct yaml_str_pair label = { str_of_z(BAD[_i].label), str_of_z(BAD[_i].value) };
    ck_assert_int_eq(build(BAD[_i].address, &label, 1), TARGET_INVALID);
    char text[1024];
    err_text(&error, text, sizeof text);
    ck_assert_msg(strstr(text, BAD[_i].text), "got: %s", text);
}
END_TEST

START_TEST(phases_lie_in_the_interval_and_differ_between_servers)
{
    ck_assert_int_eq(build("h", NULL, 0), TARGET_OK);
    int64_t a = target_phase_ms(&spec, 1), b = target_phase_ms(&spec, 2);
    ck_assert_int_ge(a, 0);
    ck_assert_int_lt(a, 15000);
    ck_assert_int_ne(a, b);
}
END_TEST

static const struct {
    const char *pattern, *name;
    bool matches;
} GLOBS[] = {
    { "*.json", "a.json", true },
    { "*.json", "a.yml", false },
    { "a?c", "abc", true },
    { "a?c", "ac", false },
    { "[a-c]x", "bx", true },
    { "[!a-c]x", "bx", false },
    { "*a*b*", "xxaxxbxx", true },
    { "*a*b*", "xxbxxaxx", false },
    { "", "", true },
    { "exact.yml", "exact.yml", true },
    { "exact.yml", "exact.ym", false },
};

START_TEST(globs_match_as_a_shell_does)
{
    ck_assert(discovery_glob_matches(str_of_z(GLOBS[_i].pattern), str_of_z(GLOBS[_i].name)) ==
              GLOBS[_i].matches);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("target");
    TCase *tc = tcase_create("build");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_plain_address_gets_job_instance_and_url);
    tcase_add_test(tc, hidden_labels_steer_and_vanish);
    tcase_add_test(tc, parameters_of_the_job_are_appended_in_order);
    tcase_add_loop_test(tc, bad_targets_are_refused_with_a_reason, 0,
                        (int)(sizeof BAD / sizeof BAD[0]));
    tcase_add_test(tc, phases_lie_in_the_interval_and_differ_between_servers);
    tcase_add_loop_test(tc, globs_match_as_a_shell_does, 0, (int)(sizeof GLOBS / sizeof GLOBS[0]));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
