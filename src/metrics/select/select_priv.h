/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files that implement select.h.
 */
#ifndef PHAROS_METRICS_SELECT_SELECT_PRIV_H
#define PHAROS_METRICS_SELECT_SELECT_PRIV_H

#include "metrics/select/select.h"
#include "os/epoch.h"
#include "os/thread.h"

struct set_series {
    uint32_t head_id;        /* 0 = not in the head */
    uint32_t part;           /* index + 1 of the newest block's part; 0 = in no block */
    struct head_last newest; /* only_newest: the answer; HEAD_NO_TIME = look into chunks */
};

struct series_array {
    struct set_series *ptr;
    size_t count, cap;
};

/* A series of a block that belongs to a series of the set. */
struct block_part {
    uint32_t older; /* index + 1 of the same series' part in an older block; 0 = none */
    uint32_t block; /* in blocks[] */
    uint32_t ordinal;
};

struct merged_set {
    struct series_set base;
    struct select_store *store;
    struct mem_budget *mem;
    struct epoch_guard guard; /* of the head */
    int64_t mint_ms, maxt_ms;
    int64_t head_mint_ms; /* the head is read from here on */
    bool only_newest;
    bool checks_chunks; /* the head has samples behind the range: series may have no others */
    struct series_array series;

    /* with blocks */
    const struct block_list *list;
    struct block **blocks; /* those in range, ascending by time; borrowed from the list */
    size_t block_count;
    struct block_part *parts;
    size_t part_count, part_cap;

    /* labels of series that are in blocks only */
    struct mutex labels_lock;
    struct arena texts;            /* guarded by labels_lock */
    struct block_labels **cursors; /* [block_count]; guarded by labels_lock; NULL until used */
};

/* ---- making a set ---- */

/* Join the blocks in range with the series of the head, which are in s->series. */
CHECK_RESULT enum err_code merge_blocks(struct merged_set *s, const struct source_request *req,
                                        struct err *err);
/* Room for one more. */
CHECK_RESULT enum err_code series_array_reserve(struct series_array *a, struct mem_budget *mem,
                                                size_t cap, struct err *err);
void series_array_free(struct series_array *a, struct mem_budget *mem);
CHECK_RESULT enum err_code check_series_max(const struct merged_set *s,
                                            const struct source_request *req, struct err *err);
/* The labels cursor of a block; under labels_lock, or while the set is made. */
CHECK_RESULT enum err_code merged_cursor(struct merged_set *s, uint32_t block,
                                         struct block_labels **out, struct err *err);

/* ---- using it ---- */

static inline const struct merged_set *merged_of(const struct series_set *base)
{
    return (const struct merged_set *)(const void *)base;
}
enum err_code merged_labels(const struct series_set *base, size_t i, struct arena *a,
                            struct labels *out, struct err *err);
enum err_code merged_group_hashes(const struct series_set *base, size_t first, size_t n,
                                  const struct label_grouping *g, struct hash128 *out,
                                  struct err *err);
enum err_code merged_reader_create(const struct series_set *base, struct mem_budget *mem,
                                   struct series_reader **out, struct err *err);
void merged_reader_destroy(struct series_reader *r);
enum err_code merged_read(struct series_reader *r, size_t i, struct sample_columns *out,
                          struct err *err);

/* A block was found damaged: stop serving it. Returns `code`. */
enum err_code note_damage(struct select_store *s, struct block *b, enum err_code code,
                          struct err *err);

/* b[0, at) and b[at, count) ascend: make one ascending run of them; at equal times the right one
 * stays. `scratch` is overwritten. ERR_NOMEM. */
CHECK_RESULT enum err_code merge_runs(struct sample_buf *b, size_t at, struct sample_buf *scratch,
                                      struct err *err);

/* ---- names and values ---- */

enum err_code select_label_names(void *ctx, const struct label_query *q, struct arena *a,
                                 struct str_list *out, struct err *err);
enum err_code select_label_values(void *ctx, struct str name, const struct label_query *q,
                                  struct arena *a, struct str_list *out, struct err *err);

enum err_code select_warnings(void *ctx, int64_t mint_ms, int64_t maxt_ms, struct arena *a,
                              struct str_list *out, struct err *err);

/* Does the block have samples in [mint, maxt]? */
static inline bool block_is_in_range(const struct block *b, int64_t mint_ms, int64_t maxt_ms)
{
    const struct block_meta *meta = block_borrow_meta(b);
    return meta->mint_ms <= maxt_ms && meta->maxt_ms > mint_ms;
}
/* Does the head? */
static inline bool head_is_in_range(const struct head *h, int64_t mint_ms, int64_t maxt_ms)
{
    int64_t first = head_first_ms(h);
    int64_t newest = head_maxt_ms(h);
    return first != HEAD_NO_TIME && newest != HEAD_NO_TIME && first <= maxt_ms && newest >= mint_ms;
}

#endif
