/* SPDX-License-Identifier: Apache-2.0
 *
 * file_names - the names of one directory, sorted by bytes; private to file_posix.c.
 *
 * Names are collected first and handed out afterwards, so that a listing may delete what it
 * lists. Storage is anonymous mmap, because the posix layer has no memory budget; it lives for one
 * listing.
 */
#ifndef PHAROS_OS_FILE_NAMES_H
#define PHAROS_OS_FILE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file_names {
    char *text; /* per name: 'd' or 'f', the name, NUL */
    size_t text_len, text_cap;
    uint32_t *offsets; /* [count] into text */
    size_t count, offsets_cap;
};

/* Fill zeroed *names from an open directory; returns 0 or an errno. */
int file_names_read(struct file_names *names, int dir_fd);
const char *file_names_at(const struct file_names *names, size_t i);
bool file_names_is_dir(const struct file_names *names, size_t i);
void file_names_free(struct file_names *names);

#endif
