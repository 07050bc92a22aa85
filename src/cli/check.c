/* SPDX-License-Identifier: Apache-2.0
 *
 * pharos check config FILE...: all errors with their place and a remedy.
 */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/flags.h"
#include "os/file_layer.h"
#include "server/config.h"

#define DIAGS_BYTES_MAX ((size_t)4 << 20)

static bool check_file(struct mem_budget *mem, const char *path)
{
    struct config *config = NULL;
    struct err err = { 0 };
    struct buf diags;
    buf_init(&diags, mem_source_of(mem, MEM_SYSTEM), DIAGS_BYTES_MAX);
    enum err_code rc = config_load(mem, file_layer_posix(), path, &diags, &config, &err);
    fprintf(stderr, "%.*s", (int)diags.len, diags.ptr ? (const char *)diags.ptr : "");
    if (rc == ERR_OK) {
        printf("%s: good, %zu scrape configs\n", path, config_main(config)->scrape_configs.count);
    } else if (diags.len == 0) {
        char text[1024];
        err_text(&err, text, sizeof text);
        fprintf(stderr, "%s: %s\n", path, text);
    }
    config_unref(config);
    buf_deinit(&diags);
    return rc == ERR_OK;
}

int cli_check(int argc, char **argv)
{
    const struct cli_flags none = { NULL, 0 };
    struct cli_args args;
    int failures = 0;
    if (!cli_parse(&none, argc, argv, NULL, &args)) return 2;
    if (args.wants_help || args.positional_count < 2 || strcmp(args.positional[0], "config") != 0) {
        fprintf(args.wants_help ? stdout : stderr, "usage: pharos check config FILE...\n");
        return args.wants_help ? 0 : 2;
    }
    struct mem_budget *mem = mem_budget_create(0);
    if (!mem) return 1;
    for (size_t i = 1; i < args.positional_count; i++) {
        failures += !check_file(mem, args.positional[i]);
    }
    mem_budget_destroy(mem);
    return failures ? 2 : 0;
}
