/* SPDX-License-Identifier: Apache-2.0
 *
 * flags - command lines from a table: parsing, defaults, environment, help.
 *
 * Syntax    --name value, --name=value, -n value for flags with a short name; --name and --no-name
 *           for booleans; "--" ends the flags. Below the command line the environment variable
 *           PHAROS_<NAME> (upper case, '.' and '-' as '_') is asked, below that the default.
 * Failure   A message with the nearest known flag on stderr and false: exit code 2.
 */
#ifndef PHAROS_CLI_FLAGS_H
#define PHAROS_CLI_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum cli_flag_kind {
    CLI_BOOL,     /* bool */
    CLI_TEXT,     /* const char *, NULL without a default */
    CLI_UINT,     /* uint64_t */
    CLI_DURATION, /* int64_t milliseconds */
    CLI_SIZE,     /* uint64_t bytes: 512MB, 1GB (powers of 1024) */
    CLI_MULTI,    /* struct cli_texts: may be given several times */
    CLI_IGNORED   /* accepted for compatibility; takes a value (a switch is a CLI_BOOL) */
};

#define CLI_MULTI_MAX 8

struct cli_texts {
    const char *ptr[CLI_MULTI_MAX];
    unsigned len;
};

struct cli_flag {
    const char *name;
    char short_name; /* 0: none */
    enum cli_flag_kind kind;
    size_t offset;            /* in the values struct */
    const char *default_text; /* NULL: zero */
    const char *value_name;   /* in help: "<path>" */
    const char *help;         /* NULL: not shown */
    const char *note;         /* a warning when it is given, "has no effect ...", or NULL */
};

struct cli_flags {
    const struct cli_flag *ptr;
    size_t len;
};

#define CLI_POSITIONAL_MAX 64

struct cli_args {
    const char *positional[CLI_POSITIONAL_MAX];
    size_t positional_count;
    bool wants_help;
};

/* Fill `values` (zeroed by the caller). argv[0] is the first argument, not the program. */
bool cli_parse(const struct cli_flags *flags, int argc, char **argv, void *values,
               struct cli_args *out);
void cli_print_flags(const struct cli_flags *flags);
/* The text of a flag's value, for /api/v1/status/flags; borrowed from `values` or written to
 * out. */
struct str cli_flag_text(const struct cli_flag *flag, const void *values, char *out, size_t size);
/* The name nearest to `given` within an edit distance of 2, or NULL. */
const char *cli_nearest(const char *given, const char *const *names, size_t count);

#endif
