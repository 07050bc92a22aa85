/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/flags.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"

struct values {
    bool on;
    const char *text;
    uint64_t count, size;
    int64_t wait_ms;
    struct cli_texts many;
};

#define V(field) offsetof(struct values, field)

static const struct cli_flag FLAGS[] = {
    { "t.on", 0, CLI_BOOL, V(on), NULL, NULL, "switch" },
    { "t.text", 't', CLI_TEXT, V(text), "none", "TEXT", "a text" },
    { "t.count", 0, CLI_UINT, V(count), "3", "N", "a number" },
    { "t.size", 0, CLI_SIZE, V(size), NULL, "SIZE", "a size" },
    { "t.wait", 0, CLI_DURATION, V(wait_ms), "1m", "DURATION", "a duration" },
    { "t.many", 0, CLI_MULTI, V(many), "first", "TEXT", "several" },
    { "t.old", 0, CLI_IGNORED, 0, NULL, NULL, NULL },
    { "t.noted", 0, CLI_BOOL, V(on), NULL, NULL, NULL, "has no effect here" },
    { "t.gone", 0, CLI_IGNORED, 0, NULL, NULL, NULL, "has no effect either" },
};
static const struct cli_flags ALL = { FLAGS, sizeof FLAGS / sizeof FLAGS[0] };

static struct values v;
static struct cli_args args;
static char printed[65536];

static bool parse(int argc, const char *const *argv)
{
    v = (struct values){ 0 };
    return cli_parse(&ALL, argc, (char **)(uintptr_t)argv, &v, &args);
}
#define PARSE(...)                                                                                 \
    parse((int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)),                         \
          (const char *[]){ __VA_ARGS__ })

/* Run `fn` with stdout and stderr in `printed`; returns what it returns. */
static int capture(int (*fn)(void))
{
    char name[] = "/tmp/pharos-flags-XXXXXX";
    int file = mkstemp(name), out = dup(1), err = dup(2);
    ck_assert_int_ge(file, 0);
    unlink(name);
    fflush(stdout);
    dup2(file, 1);
    dup2(file, 2);
    int result = fn();
    fflush(stdout);
    dup2(out, 1);
    dup2(err, 2);
    ssize_t n = pread(file, printed, sizeof printed - 1, 0);
    printed[n > 0 ? n : 0] = '\0';
    close(file);
    close(out);
    close(err);
    return result;
}

START_TEST(defaults_stand_without_arguments)
{
    ck_assert(parse(0, NULL));
    ck_assert(!v.on && v.count == 3 && v.wait_ms == 60000 && v.size == 0);
    ck_assert_str_eq(v.text, "none");
    ck_assert_uint_eq(v.many.len, 1);
}
END_TEST

START_TEST(all_kinds_in_both_spellings)
{
    ck_assert(PARSE("--t.on", "--t.text=a=b", "--t.count", "7", "--t.size=512MB", "--t.wait",
                    "1h30m", "--t.many=x", "--t.many", "y", "--t.old", "z", "rest", "-"));
    ck_assert(v.on && v.count == 7 && v.size == 512u << 20 && v.wait_ms == 5400000);
    ck_assert_str_eq(v.text, "a=b");
    ck_assert_uint_eq(v.many.len, 2);
    ck_assert_str_eq(v.many.ptr[0], "x");
    ck_assert_uint_eq(args.positional_count, 2);
    ck_assert_str_eq(args.positional[0], "rest");
    ck_assert_str_eq(args.positional[1], "-");
}
END_TEST

START_TEST(switches_can_be_taken_back)
{
    ck_assert(PARSE("--t.on", "--no-t.on"));
    ck_assert(!v.on);
    ck_assert(PARSE("--t.on=false"));
    ck_assert(!v.on);
    ck_assert(PARSE("--t.on", "next"));
    ck_assert(v.on && args.positional_count == 1);
}
END_TEST

static int give_noted(void)
{
    return PARSE("--t.noted", "--t.gone=1", "--t.old=2");
}

static int give_nothing_noted(void)
{
    return PARSE("--no-t.noted", "--t.old=2", "--t.on");
}

START_TEST(flags_without_effect_say_so_when_given)
{
    ck_assert(capture(give_noted));
    ck_assert_str_eq(printed, "pharos: warning: --t.noted has no effect here\n"
                              "pharos: warning: --t.gone has no effect either\n");
    ck_assert(capture(give_nothing_noted));
    ck_assert_str_eq(printed, "");
}
END_TEST

START_TEST(short_names_single_dashes_and_the_end_of_flags)
{
    ck_assert(PARSE("-t", "x", "-t.count=4", "--", "--t.on"));
    ck_assert_str_eq(v.text, "x");
    ck_assert_uint_eq(v.count, 4);
    ck_assert(!v.on);
    ck_assert_str_eq(args.positional[0], "--t.on");
    ck_assert(PARSE("--help", "x"));
    ck_assert(args.wants_help);
}
END_TEST

START_TEST(the_environment_stands_between_default_and_command_line)
{
    setenv("PHAROS_T_TEXT", "from env", 1);
    setenv("PHAROS_T_ON", "true", 1);
    setenv("PHAROS_T_MANY", "env", 1);
    ck_assert(parse(0, NULL));
    ck_assert(v.on);
    ck_assert_str_eq(v.text, "from env");
    ck_assert_str_eq(v.many.ptr[0], "env");
    ck_assert(PARSE("--t.text=x", "--no-t.on", "--t.many=cmd"));
    ck_assert(!v.on);
    ck_assert_str_eq(v.text, "x");
    ck_assert_uint_eq(v.many.len, 1);
    ck_assert_str_eq(v.many.ptr[0], "cmd");
    unsetenv("PHAROS_T_TEXT");
    unsetenv("PHAROS_T_ON");
    unsetenv("PHAROS_T_MANY");
}
END_TEST

static const struct {
    const char *arg, *message;
} WRONG[] = {
    { "--t.txt=x", "pharos: unknown flag --t.txt=x; did you mean --t.text? (--help lists all)\n" },
    { "--nothing.like", "pharos: unknown flag --nothing.like (--help lists all)\n" },
    { "--no-t.text", "pharos: unknown flag --no-t.text (--help lists all)\n" },
    { "-x", "pharos: unknown flag -x" },
    { "--t.text", "pharos: --t.text needs a value\n" },
    { "--t.count=x", "pharos: --t.count needs a number, not \"x\"\n" },
    { "--t.count=-1", "pharos: --t.count needs a number, not \"-1\"\n" },
    { "--t.size=1XB", "pharos: --t.size needs a size such as 512MB, not \"1XB\"\n" },
    { "--t.size=99999999999999PB", "pharos: --t.size needs a size" },
    { "--t.wait=5x", "pharos: --t.wait: unknown unit \"x\" in duration \"5x\"\n" },
    { "--t.on=maybe", "pharos: --t.on is true or false, not \"maybe\"\n" },
};
static int wrong_index;

static int parse_wrong(void)
{
    return parse(1, &WRONG[wrong_index].arg);
}

START_TEST(mistakes_are_explained)
{
    wrong_index = _i;
    ck_assert_int_eq(capture(parse_wrong), 0);
    ck_assert_msg(strncmp(printed, WRONG[_i].message, strlen(WRONG[_i].message)) == 0, "%s: %s",
                  WRONG[_i].arg, printed);
}
END_TEST

static int parse_ten(void)
{
    return PARSE("--t.many=1", "--t.many=2", "--t.many=3", "--t.many=4", "--t.many=5", "--t.many=6",
                 "--t.many=7", "--t.many=8", "--t.many=9");
}

START_TEST(a_list_has_an_end)
{
    ck_assert_int_eq(capture(parse_ten), 0);
    ck_assert_str_eq(printed, "pharos: --t.many can be given at most 8 times\n");
}
END_TEST

static int print_flags(void)
{
    cli_print_flags(&ALL);
    return 0;
}

START_TEST(help_is_a_table)
{
    (void)capture(print_flags);
    ck_assert_str_eq(
        printed, "      --t.on                                       switch\n"
                 "  -t, --t.text TEXT                                a text (default none)\n"
                 "      --t.count N                                  a number (default 3)\n"
                 "      --t.size SIZE                                a size\n"
                 "      --t.wait DURATION                            a duration (default 1m)\n"
                 "      --t.many TEXT                                several (default first)\n");
}
END_TEST

START_TEST(values_print_as_they_are_given)
{
    char text[80];
    ck_assert(PARSE("--t.on", "--t.wait=90m", "--t.size=1KB", "--t.many=m"));
    static const char *const TEXTS[] = {
        "true", "none", "3", "1024", "1h30m", "m", "", "true", ""
    };
    for (size_t i = 0; i < ALL.len; i++) {
        struct str s = cli_flag_text(&FLAGS[i], &v, text, sizeof text);
        ck_assert_msg(str_eq(s, str_of_z(TEXTS[i])), "%s: %.*s", FLAGS[i].name, (int)s.len, s.ptr);
    }
}
END_TEST

/* ---- the program ---- */

static const char *const *program_argv;
static int program_argc;

static int run_program(void)
{
    return cli_main(program_argc, (char **)(uintptr_t)program_argv);
}

static int run(int argc, const char *const *argv)
{
    program_argc = argc;
    program_argv = argv;
    return capture(run_program);
}
#define RUN(...)                                                                                   \
    run((int)(sizeof((const char *[]){ "pharos", __VA_ARGS__, NULL }) / sizeof(char *)) - 1,       \
        (const char *[]){ "pharos", __VA_ARGS__, NULL })

START_TEST(verbs_are_found_or_suggested)
{
    ck_assert_int_eq(RUN("version"), 0);
    ck_assert_ptr_nonnull(strstr(printed, "pharos "));
    ck_assert_int_eq(RUN("version", "-o", "json"), 0);
    ck_assert_ptr_nonnull(strstr(printed, "{\"version\":\""));
    ck_assert_int_eq(RUN("version", "-o", "xml"), 2);
    ck_assert_int_eq(RUN("quary", "up"), 2);
    ck_assert_str_eq(printed,
                     "pharos: unknown verb \"quary\"; did you mean \"query\"? (pharos help lists "
                     "all)\n");
}
END_TEST

START_TEST(help_names_verbs_and_flags)
{
    ck_assert_int_eq(RUN("help"), 0);
    ck_assert_ptr_nonnull(strstr(printed, "  query      ask a running server in PromQL\n"));
    ck_assert_int_eq(RUN("--help"), 0);
    ck_assert_ptr_nonnull(strstr(printed, "  check "));
    ck_assert_ptr_nonnull(strstr(printed, "--config.file FILE"));
    ck_assert_ptr_null(strstr(printed, "web.enable-admin-api"));
    ck_assert_int_eq(RUN("help", "query"), 0);
    ck_assert_ptr_nonnull(strstr(printed, "usage: pharos query EXPR"));
    ck_assert_int_eq(RUN("serve", "--help"), 0);
    ck_assert_ptr_nonnull(strstr(printed, "usage: pharos [serve] [flags]"));
}
END_TEST

START_TEST(wrong_command_lines_exit_with_2)
{
    ck_assert_int_eq(RUN("serve", "extra"), 2);
    ck_assert_int_eq(RUN("--log.level=loud"), 2);
    ck_assert_int_eq(RUN("--log.format=xml"), 2);
    ck_assert_int_eq(RUN("--storage.durability=maybe"), 2);
    ck_assert_int_eq(RUN("--config.fil=x"), 2);
    ck_assert_ptr_nonnull(strstr(printed, "did you mean --config.file?"));
    ck_assert_int_eq(RUN("query"), 2);
    ck_assert_int_eq(RUN("query", "up", "-o", "xml"), 2);
    ck_assert_int_eq(RUN("query", "up", "--to=1"), 2);
    ck_assert_int_eq(RUN("check"), 2);
    ck_assert_int_eq(RUN("check", "config", "/nonexistent/p.yml"), 2);
    ck_assert_ptr_nonnull(strstr(printed, "/nonexistent/p.yml: "));
    ck_assert_int_eq(RUN("--web.enable-admin-api", "--config.file=/nonexistent/p.yml", "--check"),
                     2);
    ck_assert_ptr_nonnull(strstr(printed, "/nonexistent/p.yml"));
    ck_assert_int_eq(RUN("query", "up", "--url=http://127.0.0.1:1"), 5);
    ck_assert_ptr_nonnull(strstr(printed, "cannot reach http://127.0.0.1:1"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("flags");
    TCase *tc = tcase_create("parsing");
    tcase_add_test(tc, defaults_stand_without_arguments);
    tcase_add_test(tc, all_kinds_in_both_spellings);
    tcase_add_test(tc, switches_can_be_taken_back);
    tcase_add_test(tc, flags_without_effect_say_so_when_given);
    tcase_add_test(tc, short_names_single_dashes_and_the_end_of_flags);
    tcase_add_test(tc, the_environment_stands_between_default_and_command_line);
    tcase_add_loop_test(tc, mistakes_are_explained, 0, (int)(sizeof WRONG / sizeof WRONG[0]));
    tcase_add_test(tc, a_list_has_an_end);
    tcase_add_test(tc, help_is_a_table);
    tcase_add_test(tc, values_print_as_they_are_given);
    suite_add_tcase(suite, tc);
    TCase *program = tcase_create("program");
    tcase_set_timeout(program, 60);
    tcase_add_test(program, verbs_are_found_or_suggested);
    tcase_add_test(program, help_names_verbs_and_flags);
    tcase_add_test(program, wrong_command_lines_exit_with_2);
    suite_add_tcase(suite, program);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
