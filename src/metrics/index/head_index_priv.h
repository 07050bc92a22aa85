/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files that implement head_index.h.
 */
#ifndef PHAROS_METRICS_INDEX_HEAD_INDEX_PRIV_H
#define PHAROS_METRICS_INDEX_HEAD_INDEX_PRIV_H

#include "metrics/head/hash_index.h"
#include "metrics/head/paged.h"
#include "metrics/index/head_index.h"
#include "metrics/index/posting.h"
#include "os/epoch.h"
#include "os/thread.h"

/* Values of a name in the order of their bytes. Immutable, freed through the epoch. */
struct value_list {
    size_t count;
    uint32_t pairs[];
};

struct name_entry {
    uint32_t sym; /* 0 = free */
    uint32_t next_free;
    posting_cell has;          /* series that have the name */
    struct value_list *sorted; /* may be NULL */
    uint32_t *added;           /* pairs that are not in `sorted` yet, any order */
    uint32_t added_count, added_cap;
    bool must_rescan; /* there was no memory to keep the lists right: make them anew */
    bool has_dead;    /* of the collection that is running */
};

struct head_index {
    uint32_t magic;
    uint32_t shard_count;
    uint8_t ref_bits; /* of an id; the shard is above */
    struct mem_budget *mem;
    const struct head *head;
    struct epoch *epoch;
    struct mutex settle_lock; /* one thread at a time replaces `sorted` */
    struct mutex lock;
    /* written under lock */
    struct paged postings; /* by pair id: posting_cell; read without the lock */
    struct paged names;    /* struct name_entry; ids from 1 */
    struct hash_index by_symbol;
    uint32_t name_limit, free_name;
    uint32_t pair_limit; /* pairs that were ever seen are below */
    posting_cell all;
    struct posting_retired retired;
    uint64_t left_behind; /* ids that could not be removed for want of memory */
};

/* Under lock; NULL = unknown. */
struct name_entry *index_find_name(const struct head_index *x, uint32_t sym);
/* Not under lock. NULL is a no-op. */
void index_retire_list(struct head_index *x, struct value_list *l);

/* Of a pair that has had series; empty otherwise. Guard of the index. */
static inline struct posting_view index_posting_of(const struct head_index *x, uint32_t pair)
{
    const posting_cell *cell = paged_find(&x->postings, pair);
    return cell != NULL ? posting_view(cell) : (struct posting_view){ 0 };
}

/* What a name has at this moment; valid under a guard of the index. */
struct name_view {
    bool is_known;
    struct posting_view has;
    const uint32_t *pairs; /* sorted values */
    size_t pair_count;
};
void index_name_view(struct head_index *x, uint32_t sym, struct name_view *out);
/* Bring the values that were added into order. Not under a guard of the index. */
CHECK_RESULT enum err_code index_settle(struct head_index *x, uint32_t sym, struct err *err);

/* [from, to) of sorted values that begin with `prefix`. */
void index_prefix_range(const struct head_index *x, const struct name_view *name, struct str prefix,
                        size_t *out_from, size_t *out_to);

static inline struct str index_value_text(const struct head_index *x, uint32_t pair)
{
    struct head_pair p;
    return head_pair(x->head, pair, &p) ? p.value : STR("");
}

/* Pair of a series with that name; 0 = none. */
uint32_t index_pair_of_series(const struct head_index *x, uint32_t id, uint32_t name_sym);

#endif
