/* SPDX-License-Identifier: Apache-2.0
 *
 * index_read - the index file of a block, mapped: texts, names, values, postings, series rows.
 *
 * Checks    index_view_init checks the table of contents; the crc of a section is checked at its
 *           first use. Behind that every number read is still bounded: any bytes are safe.
 * Threads   A view: any thread (the marks of checked sections are atomic). Cursors: one thread
 *           each.
 * Memory    None of its own but the cursors' small buffers.
 * Failure   ERR_CORRUPT with block, offset and section in err->detail.
 */
#ifndef PHAROS_METRICS_BLOCK_INDEX_READ_H
#define PHAROS_METRICS_BLOCK_INDEX_READ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/rd.h"
#include "metrics/block/index_format.h"
#include "metrics/postings.h"
#include "os/mem.h"

struct index_view {
    struct bytes map;  /* the whole file */
    const char *block; /* name for messages */
    struct index_extent toc[INDEX_SECTION_COUNT];
    _Atomic uint32_t checked; /* bit per section; set with release, read with acquire */
    uint32_t symbol_count, name_count, series_count, page_count;
};

CHECK_RESULT enum err_code index_view_init(struct index_view *v, struct bytes map,
                                           const char *block, struct err *err);
/* The content of a section, its crc checked once. */
CHECK_RESULT enum err_code index_section_get(struct index_view *v, enum index_section section,
                                             struct bytes *out, struct err *err);
/* Fill *err; `at` points into the section. */
enum err_code index_corrupt(const struct index_view *v, enum index_section section,
                            const uint8_t *at, struct err *err);

/* ---- texts ---- */

/* Walks SYMBOLS; going forward inside a group costs one step per symbol. */
struct symbol_cursor {
    struct index_view *view;
    struct bytes section;
    uint32_t id;  /* of `text`; UINT32_MAX: nowhere */
    struct rd rd; /* behind symbol `id` */
    struct buf text;
};

CHECK_RESULT enum err_code symbol_cursor_init(struct symbol_cursor *c, struct index_view *v,
                                              const struct mem_source *mem, struct err *err);
void symbol_cursor_deinit(struct symbol_cursor *c);
/* *out borrows until the next call. */
CHECK_RESULT enum err_code symbol_cursor_read(struct symbol_cursor *c, uint32_t id, struct str *out,
                                              struct err *err);
enum symbol_bound {
    SYMBOL_FROM, /* the first symbol >= text */
    SYMBOL_PAST  /* the first symbol that is > text and does not begin with it */
};
/* symbol_count when there is none. */
CHECK_RESULT enum err_code symbol_cursor_find(struct symbol_cursor *c, struct str text,
                                              enum symbol_bound bound, uint32_t *out_id,
                                              struct err *err);

/* ---- names ---- */

struct index_name {
    uint32_t rank, symbol, value_count, series_count;
    uint64_t values_offset, posting_offset;
};
CHECK_RESULT enum err_code index_name_read(struct index_view *v, uint32_t rank,
                                           struct index_name *out, struct err *err);
/* By the symbol of the name; ERR_NOTFOUND. */
CHECK_RESULT enum err_code index_name_find(struct index_view *v, uint32_t symbol,
                                           struct index_name *out, struct err *err);

/* ---- values of a name ---- */

struct index_value {
    uint32_t rank, symbol;
    uint32_t series_count;
    uint64_t where; /* series_count == 1: the series, else the offset of the posting */
};

struct value_cursor {
    struct index_view *view;
    struct bytes section;
    struct index_name name;
    struct index_value value; /* the last one read */
    uint64_t last_offset;
    bool is_positioned;
    struct rd rd;
};

CHECK_RESULT enum err_code value_cursor_init(struct value_cursor *c, struct index_view *v,
                                             const struct index_name *name, struct err *err);
/* The value of that rank; ascending ranks are one step each. */
CHECK_RESULT enum err_code value_cursor_read(struct value_cursor *c, uint32_t rank,
                                             struct index_value *out, struct err *err);
/* Rank of the first value whose symbol is >= `symbol`; value_count when there is none. */
CHECK_RESULT enum err_code value_cursor_find(struct value_cursor *c, uint32_t symbol,
                                             uint32_t *out_rank, struct err *err);

/* ---- postings ---- */

struct postings_source {
    struct index_view *view;
    struct mem_budget *mem;
    enum mem_account account;
};
CHECK_RESULT enum err_code index_posting_read(const struct postings_source *s, uint64_t offset,
                                              struct postings **out, struct err *err);
CHECK_RESULT enum err_code index_value_posting(const struct postings_source *s,
                                               const struct index_value *value,
                                               struct postings **out, struct err *err);

/* ---- series ---- */

struct series_pair {
    uint32_t name, value; /* ranks */
};

struct series_cursor {
    struct index_view *view;
    struct bytes section;
    uint32_t next; /* ordinal that `rd` stands at; UINT32_MAX: nowhere */
    struct rd rd;
    struct buf pairs; /* struct series_pair of ordinal next - 1, block order */
};

CHECK_RESULT enum err_code series_cursor_init(struct series_cursor *c, struct index_view *v,
                                              const struct mem_source *mem, struct err *err);
void series_cursor_deinit(struct series_cursor *c);
/* Pairs of the series in block order: the metric name first. *out borrows until the next call. */
CHECK_RESULT enum err_code series_cursor_read(struct series_cursor *c, uint32_t ordinal,
                                              const struct series_pair **out, size_t *out_count,
                                              struct err *err);

/* ---- pages ---- */

struct index_page_entry {
    uint32_t first_series, file;
    int64_t mint_ms, maxt_ms;
    uint64_t offset;
    uint32_t size, vector_count;
};
CHECK_RESULT enum err_code index_page_read(struct index_view *v, uint32_t page,
                                           struct index_page_entry *out, struct err *err);
/* The first page that may hold samples of `ordinal`. */
CHECK_RESULT enum err_code index_page_find(struct index_view *v, uint32_t ordinal,
                                           uint32_t *out_page, struct err *err);

#endif
