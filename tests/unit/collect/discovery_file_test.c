/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>

#include "collect/discovery/discovery.h"
#include "os/file_fault.h"

static struct mem_budget *budget;
static struct file_fault *disk;
static struct file_discovery *discovery;
static struct file_sd_config config;
static struct str patterns[2];
static char found[4096]; /* "path:target,target;" of each group, in any order */

static void set_up(void)
{
    struct file_discovery_options options = { .base_dir = STR("etc") };
    budget = mem_budget_create(256u << 20);
    disk = file_fault_create(1);
    options.files = file_fault_layer(disk);
    options.mem = budget;
    patterns[0] = STR("sd/*.json");
    patterns[1] = STR("sd/*.yml");
    config = (struct file_sd_config){ .files = { patterns, 2 }, .refresh_interval_ms = 300000 };
    ck_assert_int_eq(file_mkdirs(options.files, "etc/sd", NULL), ERR_OK);
    ck_assert_int_eq(file_discovery_create(&options, &config, &discovery, NULL), ERR_OK);
}

static void tear_down(void)
{
    file_discovery_destroy(discovery);
    file_fault_destroy(disk);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

static void put(const char *path, const char *text)
{
    ck_assert_int_eq(
        file_write_atomic(file_fault_layer(disk), path, bytes_of_str(str_of_z(text)), NULL),
        ERR_OK);
}

static void remove_file(const char *path)
{
    const struct file_layer *l = file_fault_layer(disk);
    ck_assert_int_eq(l->unlink(l->ctx, path, NULL), ERR_OK);
}

static void note(void *arg, const struct target_group *group)
{
    size_t n = strlen(found);
    (void)arg;
    n += (size_t)snprintf(found + n, sizeof found - n, STR_FMT ":", STR_ARG(group->filepath));
    for (size_t i = 0; i < group->config->targets.count; i++) {
        struct str target = ((const struct str *)group->config->targets.items)[i];
        n += (size_t)snprintf(found + n, sizeof found - n, "%s" STR_FMT, i ? "," : "",
                              STR_ARG(target));
    }
    snprintf(found + n, sizeof found - n, ";");
}

static const char *groups(void)
{
    found[0] = '\0';
    file_discovery_each(discovery, note, NULL);
    return found;
}

START_TEST(files_appear_change_and_vanish)
{
    ck_assert(!file_discovery_poll(discovery, 0));
    ck_assert_str_eq(groups(), "");
    put("etc/sd/a.json", "[{\"targets\":[\"h:1\",\"h:2\"],\"labels\":{\"env\":\"x\"}}]");
    ck_assert(file_discovery_poll(discovery, 1000));
    ck_assert_str_eq(groups(), "etc/sd/a.json:h:1,h:2;");
    ck_assert(!file_discovery_poll(discovery, 2000));
    put("etc/sd/a.json", "[{\"targets\":[\"h:3\"]}]");
    ck_assert(file_discovery_poll(discovery, 3000));
    ck_assert_str_eq(groups(), "etc/sd/a.json:h:3;");
    remove_file("etc/sd/a.json");
    ck_assert(file_discovery_poll(discovery, 4000));
    ck_assert_str_eq(groups(), "");
}
END_TEST

START_TEST(yaml_and_json_files_stand_side_by_side)
{
    put("etc/sd/a.yml", "- targets: [y:1]\n- targets: [y:2]\n  labels: {a: b}\n");
    put("etc/sd/b.json", "[{\"targets\":[\"j:1\"]}]");
    put("etc/sd/c.txt", "no business of ours");
    ck_assert(file_discovery_poll(discovery, 0));
    ck_assert_ptr_nonnull(strstr(groups(), "etc/sd/a.yml:y:1;"));
    ck_assert_ptr_nonnull(strstr(found, "etc/sd/a.yml:y:2;"));
    ck_assert_ptr_nonnull(strstr(found, "etc/sd/b.json:j:1;"));
    ck_assert_ptr_null(strstr(found, "c.txt"));
}
END_TEST

/* What a configuration in `base` finds by `pattern` has the path that Prometheus gives it. */
static const struct {
    const char *base, *pattern, *path;
} PLACES[] = {
    { "", "etc/sd/*.yml", "etc/sd/a.yml" },
    { ".", "etc/sd/*.yml", "etc/sd/a.yml" },
    { "./etc", "sd/a.yml", "etc/sd/a.yml" },
    { "etc/", "./sd//*.yml", "etc/sd/a.yml" },
    { "etc/sd", "../sd/*.yml", "etc/sd/a.yml" },
    { "etc/x/y", "../../../etc/./sd/*.yml", "etc/sd/a.yml" },
};

START_TEST(paths_are_as_short_as_they_can_be)
{
    struct file_discovery_options options = { .base_dir = str_of_z(PLACES[_i].base),
                                              .files = file_fault_layer(disk),
                                              .mem = budget };
    put("etc/sd/a.yml", "- targets: [y:1]\n");
    file_discovery_destroy(discovery);
    patterns[0] = str_of_z(PLACES[_i].pattern);
    config.files.count = 1;
    ck_assert_int_eq(file_discovery_create(&options, &config, &discovery, NULL), ERR_OK);
    ck_assert(file_discovery_poll(discovery, 0));
    char want[256];
    snprintf(want, sizeof want, "%s:y:1;", PLACES[_i].path);
    ck_assert_str_eq(groups(), want);
}
END_TEST

static const char *const BROKEN[] = {
    "[{\"targets\":[\"h:1\"]", "{\"targets\":[\"h:1\"]}",   "[{\"tragets\":[\"h:1\"]}]",
    "[{\"targets\":\"h:1\"}]", "[{\"labels\":[\"a\"]}]",    "[null]",
    "[{\"targets\":[{}]}]",    "[{\"labels\":{\"a\":{}}}]", "\xff\xfe",
};

START_TEST(a_broken_file_keeps_its_last_targets)
{
    put("etc/sd/a.json", "[{\"targets\":[\"h:1\"]}]");
    ck_assert(file_discovery_poll(discovery, 0));
    put("etc/sd/a.json", BROKEN[_i]);
    ck_assert_msg(!file_discovery_poll(discovery, 1000), "accepted: %s", BROKEN[_i]);
    ck_assert_str_eq(groups(), "etc/sd/a.json:h:1;");
    put("etc/sd/a.json", "[{\"targets\":[\"h:2\"]}]");
    ck_assert(file_discovery_poll(discovery, 2000));
    ck_assert_str_eq(groups(), "etc/sd/a.json:h:2;");
}
END_TEST

START_TEST(an_unreadable_file_keeps_its_targets_and_is_tried_again)
{
    put("etc/sd/a.json", "[{\"targets\":[\"h:1\"]}]");
    ck_assert(file_discovery_poll(discovery, 0));
    put("etc/sd/a.json", "[{\"targets\":[\"h:2\"]}]");
    file_fault_fail_op(disk, FAULT_BIT(FAULT_OPEN), 1, FAULT_EIO, FAULT_ONCE);
    ck_assert(!file_discovery_poll(discovery, 1000));
    ck_assert_str_eq(groups(), "etc/sd/a.json:h:1;");
    ck_assert(file_discovery_poll(discovery, 2000));
    ck_assert_str_eq(groups(), "etc/sd/a.json:h:2;");
}
END_TEST

START_TEST(a_directory_that_cannot_be_listed_keeps_its_targets)
{
    put("etc/sd/a.json", "[{\"targets\":[\"h:1\"]}]");
    ck_assert(file_discovery_poll(discovery, 0));
    file_fault_fail_op(disk, FAULT_BIT(FAULT_LIST), 1, FAULT_EIO, FAULT_FOREVER);
    ck_assert(!file_discovery_poll(discovery, 1000));
    ck_assert_str_eq(groups(), "etc/sd/a.json:h:1;");
    file_fault_clear(disk);
    ck_assert_int_eq(file_remove_tree(file_fault_layer(disk), "etc/sd", NULL), ERR_OK);
    ck_assert(file_discovery_poll(discovery, 2000));
    ck_assert_str_eq(groups(), "");
}
END_TEST

START_TEST(a_refresh_reads_again_and_reports_changes_only)
{
    put("etc/sd/a.json", "[{\"targets\":[\"h:1\"]}]");
    ck_assert(file_discovery_poll(discovery, 0));
    uint64_t reads = file_fault_calls(disk, FAULT_OPEN);
    ck_assert(!file_discovery_poll(discovery, 299999));
    ck_assert_uint_eq(file_fault_calls(disk, FAULT_OPEN), reads);
    ck_assert(!file_discovery_poll(discovery, 300000));
    ck_assert_uint_gt(file_fault_calls(disk, FAULT_OPEN), reads);
}
END_TEST

START_TEST(without_memory_the_old_targets_stay)
{
    put("etc/sd/a.json", "[{\"targets\":[\"h:1\"]}]");
    ck_assert(file_discovery_poll(discovery, 0));
    put("etc/sd/a.json", "[{\"targets\":[\"h:2\"]}]");
    mem_test_fail_at(budget, (uint64_t)_i + 1, MEM_FAIL_ONCE);
    bool has_changed = file_discovery_poll(discovery, 1000);
    bool fired = mem_test_fired(budget);
    mem_test_fail_at(budget, 0, MEM_FAIL_OFF);
    ck_assert_str_eq(groups(), has_changed ? "etc/sd/a.json:h:2;" : "etc/sd/a.json:h:1;");
    if (!fired) ck_assert(has_changed);
}
END_TEST

static const struct {
    const char *pattern, *name;
    bool matches;
} GLOBS[] = {
    { "*.json", "a.json", true },
    { "*.json", ".json", true },
    { "*.json", "a.jsonx", false },
    { "a?.yml", "ab.yml", true },
    { "a?.yml", "a.yml", false },
    { "[a-c]x", "bx", true },
    { "[a-c]x", "dx", false },
    { "[!a]x", "bx", true },
    { "[^a]x", "ax", false },
    { "*a*b*", "xxaxxbxx", true },
    { "*a*b*", "xxbxxaxx", false },
    { "", "", true },
    { "", "a", false },
    { "**", "", true },
    { "[", "[", false },
    { "[a", "a", false },
};

START_TEST(globs_match_as_in_a_shell)
{
    ck_assert_msg(discovery_glob_matches(str_of_z(GLOBS[_i].pattern), str_of_z(GLOBS[_i].name)) ==
                      GLOBS[_i].matches,
                  "%s against %s", GLOBS[_i].pattern, GLOBS[_i].name);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("discovery_file");
    TCase *tc = tcase_create("files");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, files_appear_change_and_vanish);
    tcase_add_test(tc, yaml_and_json_files_stand_side_by_side);
    tcase_add_loop_test(tc, paths_are_as_short_as_they_can_be, 0,
                        (int)(sizeof PLACES / sizeof PLACES[0]));
    tcase_add_loop_test(tc, a_broken_file_keeps_its_last_targets, 0,
                        (int)(sizeof BROKEN / sizeof BROKEN[0]));
    tcase_add_test(tc, an_unreadable_file_keeps_its_targets_and_is_tried_again);
    tcase_add_test(tc, a_directory_that_cannot_be_listed_keeps_its_targets);
    tcase_add_test(tc, a_refresh_reads_again_and_reports_changes_only);
    tcase_add_loop_test(tc, without_memory_the_old_targets_stay, 0, 8);
    suite_add_tcase(suite, tc);
    TCase *globs = tcase_create("globs");
    tcase_add_loop_test(globs, globs_match_as_in_a_shell, 0, (int)(sizeof GLOBS / sizeof GLOBS[0]));
    suite_add_tcase(suite, globs);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
