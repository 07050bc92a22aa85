/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of verbs: dispatch, help, version.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/flags.h"
#include "server/server.h"

static int help(int argc, char **argv);

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} VERBS[] = {
    { "serve", cli_serve, "run the server (the default)" },
    { "query", cli_query, "ask a running server in PromQL" },
    { "check", cli_check, "check config FILE...: is a configuration good?" },
    { "version", cli_version, "print the version" },
    { "help", help, "this text; help VERB or VERB --help for the flags of one verb" },
};

#define VERB_COUNT (sizeof VERBS / sizeof VERBS[0])

static int help(int argc, char **argv)
{
    char wants_help[] = "--help", *arguments[] = { wants_help };
    for (size_t i = 0; argc > 0 && i < VERB_COUNT - 1; i++) {
        if (strcmp(VERBS[i].name, argv[0]) == 0) return VERBS[i].run(1, arguments);
    }
    printf("pharos - metrics in one binary: scrapes, takes remote write, stores, answers PromQL\n\n"
           "usage: pharos [VERB] [flags]\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        printf("  %-10s %s\n", VERBS[i].name, VERBS[i].help);
    printf(
        "\nWithout a verb and without flags pharos watches this host and itself, keeps its data in "
        "./data and serves\na page on http://127.0.0.1:9090/. An existing prometheus.yml works: "
        "pharos --config.file=prometheus.yml\n");
    return 0;
}

int cli_version(int argc, char **argv)
{
    static const struct cli_flag FLAGS[] = {
        { "output", 'o', CLI_TEXT, 0, "text", "text|json", "form of the answer" },
    };
    const struct cli_flags flags = { FLAGS, 1 };
    const char *output = NULL;
    struct cli_args args;
    if (!cli_parse(&flags, argc, argv, &output, &args)) return 2;
    if (args.wants_help) {
        printf("usage: pharos version [-o json]\n\n");
        cli_print_flags(&flags);
        return 0;
    }
    bool is_json = strcmp(output, "json") == 0;
    if (!is_json && strcmp(output, "text") != 0) {
        fprintf(stderr, "pharos: --output is text or json, not \"%s\"\n", output);
        return 2;
    }
    if (is_json) {
        printf("{\"version\":\"%s\",\"compiler\":\"%s\"}\n", PHAROS_VERSION, __VERSION__);
    } else {
        printf("pharos %s\n", PHAROS_VERSION);
    }
    return 0;
}

static int unknown_verb(const char *given)
{
    const char *names[VERB_COUNT];
    for (size_t i = 0; i < VERB_COUNT; i++)
        names[i] = VERBS[i].name;
    const char *nearest = cli_nearest(given, names, VERB_COUNT);
    fprintf(stderr, "pharos: unknown verb \"%s\"", given);
    if (nearest) fprintf(stderr, "; did you mean \"%s\"?", nearest);
    fprintf(stderr, " (pharos help lists all)\n");
    return 2;
}

int cli_main(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-') {
        bool is_alone = argc == 2;
        if (is_alone && strcmp(argv[1], "--version") == 0) return cli_version(0, argv);
        if (is_alone && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
            (void)help(0, argv);
            printf("\n");
        }
        return cli_serve(argc - 1, argv + 1);
    }
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(VERBS[i].name, argv[1]) == 0) return VERBS[i].run(argc - 2, argv + 2);
    }
    return unknown_verb(argv[1]);
}
