/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(2);
}

void options_read(const struct option_row *rows, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const struct option_row *row = rows;
        while (row->name && strcmp(row->name, argv[i]) != 0)
            row++;
        if (!row->name) die("unknown option %s", argv[i]);
        if (row->flag) {
            *row->flag = true;
            continue;
        }
        if (++i == argc) die("%s needs a value", row->name);
        if (row->text) {
            *row->text = argv[i];
            continue;
        }
        char *end;
        *row->number = strtoll(argv[i], &end, 10);
        if (end == argv[i] || *end) die("%s needs a number, not %s", row->name, argv[i]);
    }
}
