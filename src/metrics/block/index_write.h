/* SPDX-License-Identifier: Apache-2.0
 *
 * index_write - the index file of a block: series are added in block order, everything is written
 * at the end.
 *
 * Algorithm Rows of pair ids are kept in order of appearance (row_store). At the end texts and
 *           pairs are sorted, and the rows are read once per window of postings: the
 *           cardinality of each is known, so a window is a range of postings whose ids fit into memory, filled by counting
 *           sort. One window is enough for most blocks.
 * Memory    MEM_COMPACTION; see block_writer.h.
 * Threads   One owner.
 */
#ifndef PHAROS_METRICS_BLOCK_INDEX_WRITE_H
#define PHAROS_METRICS_BLOCK_INDEX_WRITE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "metrics/block/label_table.h"
#include "metrics/block/row_store.h"
#include "metrics/block/time_dict.h"
#include "model/labels.h"
#include "os/file_layer.h"
#include "os/mem.h"

struct index_writer {
    struct mem_budget *mem;
    const struct file_layer *files;
    const char *dir; /* borrowed */
    size_t memory_max;
    struct label_table table;
    struct row_store rows;
    uint32_t *row_memory;     /* [2 * row_cap], halves: */
    uint32_t *row, *last_row; /* pair ids in block order */
    size_t row_cap, last_count;
    struct buf pages; /* the section PAGES */
};

void index_writer_init(struct index_writer *w, struct mem_budget *mem,
                       const struct file_layer *files, const char *dir, size_t memory_max);
void index_writer_deinit(struct index_writer *w);
/* Labels of the next series, sorted by name; in block order. */
CHECK_RESULT enum err_code index_writer_add_series(struct index_writer *w, struct labels labels,
                                                   struct err *err);

struct index_page {
    uint32_t first_series, file;
    int64_t mint_ms, maxt_ms;
    uint64_t offset;
    uint32_t size, vector_count;
};
void index_writer_add_page(struct index_writer *w, const struct index_page *page);

/* Write and sync the file "index"; its size into *out_size. */
CHECK_RESULT enum err_code index_writer_finish(struct index_writer *w, const struct time_dict *dict,
                                               uint64_t *out_size, struct err *err);

#endif
