/* SPDX-License-Identifier: Apache-2.0
 *
 * options - command lines of the load generators: `--name value` and `--name` for switches.
 */
#ifndef PHAROS_BENCH_LOAD_OPTIONS_H
#define PHAROS_BENCH_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct option_row {
    const char *name;
    int64_t *number; /* one of the three is set */
    const char **text;
    bool *flag;
};

/* Reads argv[0..argc) into the rows, ended by a row without name; an unknown option, a missing value or a
 * number that is none ends the process with code 2. */
void options_read(const struct option_row *rows, int argc, char **argv);
/* Says why and ends the process. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

#endif
