/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files that write the index: index_write.c drives, index_write_labels.c writes
 * SYMBOLS, NAMES and VALUES, index_write_series.c POSTINGS and SERIES.
 */
#ifndef PHAROS_METRICS_BLOCK_INDEX_WRITE_PRIV_H
#define PHAROS_METRICS_BLOCK_INDEX_WRITE_PRIV_H

#include "metrics/block/index_format.h"
#include "metrics/block/index_write.h"
#include "metrics/block/out_file.h"

#define INDEX_OUT_CHUNK (64u << 10) /* bytes collected before they go to the file */

/* One label name with its range of places in label_order.pairs. */
struct name_range {
    uint32_t symbol_rank, first, count, series;
    uint64_t values_offset, posting_offset;
};

/* State of finish. A posting is known by its item: names and pairs in order, each name before its
 * values; so the item of the pair at place p with name rank n is p + n + 1. */
struct index_finish {
    struct index_writer *w;
    struct label_order order;
    struct name_range *names;
    uint32_t name_count;
    uint32_t *name_of_place; /* rank of the name of each place */
    uint64_t *offsets;       /* by item: where its posting is; for one series alone, which */
    struct out_file file;
    struct buf out;
    struct index_extent toc[INDEX_SECTION_COUNT];
};

enum err_code index_no_memory(struct err *err);
/* Move f->out to the file. */
CHECK_RESULT enum err_code index_flush(struct index_finish *f, struct err *err);
void index_begin_section(struct index_finish *f);
CHECK_RESULT enum err_code index_end_section(struct index_finish *f, enum index_section section,
                                             struct err *err);

CHECK_RESULT enum err_code index_find_names(struct index_finish *f, struct err *err);
CHECK_RESULT enum err_code index_write_symbols(struct index_finish *f, struct err *err);
CHECK_RESULT enum err_code index_write_names(struct index_finish *f, struct err *err);
CHECK_RESULT enum err_code index_write_values(struct index_finish *f, struct err *err);
CHECK_RESULT enum err_code index_write_postings(struct index_finish *f, struct err *err);
CHECK_RESULT enum err_code index_write_series(struct index_finish *f, struct err *err);

/* Collects the u32 offsets of groups while a section is written; they stand at its end. */
struct group_offsets {
    struct buf offsets;
    uint64_t written; /* bytes of the section before f->out */
};
void group_offsets_init(struct group_offsets *g, struct index_finish *f);
/* A group begins here. ERR_LIMIT beyond 4 GiB. */
CHECK_RESULT enum err_code group_offsets_mark(struct group_offsets *g, const struct index_finish *f,
                                              struct err *err);
/* Move f->out to the file when it is long enough. */
CHECK_RESULT enum err_code group_offsets_flush(struct group_offsets *g, struct index_finish *f,
                                               struct err *err);
/* Append the offsets; frees. */
CHECK_RESULT enum err_code group_offsets_finish(struct group_offsets *g, struct index_finish *f,
                                                struct err *err);

#endif
