/* SPDX-License-Identifier: Apache-2.0
 *
 * row_store - rows of u32 in order of appearance: the pair ids of each series of a block under
 * construction. Read front to back as often as needed; beyond `memory_max` bytes they go to a
 * scratch file in the staging directory.
 *
 * Threads   One owner. Memory: MEM_COMPACTION.
 */
#ifndef PHAROS_METRICS_BLOCK_ROW_STORE_H
#define PHAROS_METRICS_BLOCK_ROW_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "os/file_layer.h"
#include "os/mem.h"

#define ROW_STORE_SCRATCH "rows.scratch"
#define ROW_LABELS_MAX 65535

struct row_store {
    struct mem_budget *mem;
    const struct file_layer *files;
    const char *dir; /* borrowed */
    uint32_t *words; /* the rows not spilled: count, ids, count, ids ... */
    size_t used, cap, cap_max;
    struct file *scratch; /* NULL: nothing was spilled */
    uint64_t spilled;     /* words in the file */
    uint64_t row_count;
};

void row_store_init(struct row_store *s, struct mem_budget *mem, const struct file_layer *files,
                    const char *dir, size_t memory_max);
/* Closes and removes the scratch file. */
void row_store_deinit(struct row_store *s);
CHECK_RESULT enum err_code row_store_add(struct row_store *s, const uint32_t *ids, size_t count,
                                         struct err *err);

/* Reading: from the first row on; the store must not change meanwhile. */
struct row_cursor {
    struct row_store *store;
    uint32_t *window; /* words read from the file */
    size_t window_used, window_pos;
    uint64_t next_word; /* of the file */
    size_t memory_pos;
};
CHECK_RESULT enum err_code row_cursor_init(struct row_cursor *c, struct row_store *s,
                                           struct err *err);
void row_cursor_deinit(struct row_cursor *c);
/* The next row; *out borrows until the next call. *out_count = 0 and *out = NULL at the end. */
CHECK_RESULT enum err_code row_cursor_next(struct row_cursor *c, const uint32_t **out,
                                           size_t *out_count, struct err *err);

#endif
