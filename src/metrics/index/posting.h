/* SPDX-License-Identifier: Apache-2.0
 *
 * posting - the ids of the series that share one label pair (or one label name), in the head: it
 * grows while others read it.
 *
 * Shape     A cell is one word: nothing, "known but empty", one id, or a pointer to a body. A body
 *           is an immutable set (postings.h; NULL while there are few ids) and a short tail of
 *           newer ids, in any order, to which ids are appended. When the tail is full, a new body
 *           with a larger tail or with a set that contains the old tail takes its place.
 * Removal   A new body without the ids that are gone is put in place.
 * Threads   One writer at a time (the index lock). Readers take no lock: they hold a guard of the
 *           index' epoch from posting_view() until they have forgotten the view.
 * Memory    MEM_INDEX: 8 bytes for up to one id; 4 to 8 bytes per id up to POSTING_TAIL_ALONE; then
 *           what a roaring set takes plus a sixteenth of its ids at 4 bytes.
 * Source    storage-engine.md section 10.2.
 */
#ifndef PHAROS_METRICS_INDEX_POSTING_H
#define PHAROS_METRICS_INDEX_POSTING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "metrics/postings.h"
#include "os/mem.h"

#define POSTING_TAIL_ALONE 256u /* ids before there is a set */
#define POSTING_TAIL_MAX 2048u

typedef _Atomic uintptr_t posting_cell;

/* Bodies that were replaced, waiting to be handed to the epoch. */
struct posting_body;
struct posting_retired {
    struct posting_body *first;
    uint32_t count;
};

/* ---- writing, under the index lock ---- */

/* Make room for one more id; content unchanged. False: no memory. */
__attribute__((warn_unused_result)) bool posting_reserve(struct mem_budget *mem, posting_cell *cell,
                                                         struct posting_retired *retired);
/* Add an id that is not there; after posting_reserve. */
void posting_add(posting_cell *cell, uint32_t id);
/* Has the cell been written since it was made or cleared? */
static inline bool posting_is_known(const posting_cell *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed) != 0;
}
/* Take out ids[0..count), ascending; the cell stays known. ERR_NOMEM: nothing has changed. */
CHECK_RESULT enum err_code posting_remove(struct mem_budget *mem, posting_cell *cell,
                                          const uint32_t *ids, size_t count,
                                          struct posting_retired *retired);
/* Back to nothing. */
void posting_clear(posting_cell *cell, struct posting_retired *retired);

/* Free a list at once: no reader can have seen it. */
void posting_retired_free(struct mem_budget *mem, struct posting_retired *retired);
/* The same, shaped for epoch_retire: arg = the budget, ptr = the first body. */
void posting_retired_release(void *arg, void *ptr, uint64_t size);

/* ---- reading, under a guard ---- */

struct posting_view {
    const struct postings *set; /* may be NULL */
    const uint32_t *tail;       /* when tail_count > 1 or set != NULL */
    uint32_t tail_count;
    uint32_t single; /* the only id, when set == NULL and tail == NULL */
    uint64_t count;  /* ids in all */
};
struct posting_view posting_view(const posting_cell *cell);
/* The ids outside the set; valid as long as `v` and the guard. */
static inline const uint32_t *posting_view_tail(const struct posting_view *v)
{
    return v->tail != NULL ? v->tail : &v->single;
}
/* target |= view */
CHECK_RESULT enum err_code posting_unite(struct postings *target, const struct posting_view *v,
                                         struct err *err);
/* target &= view */
CHECK_RESULT enum err_code posting_intersect(struct postings *target, const struct posting_view *v,
                                             struct err *err);
/* target -= view */
CHECK_RESULT enum err_code posting_subtract(struct postings *target, const struct posting_view *v,
                                            struct err *err);
/* Does the view share an id with `set`? */
bool posting_meets(const struct posting_view *v, const struct postings *set);
/* A new set with the ids of the view. */
CHECK_RESULT enum err_code posting_copy(struct mem_budget *mem, enum mem_account account,
                                        const struct posting_view *v, struct postings **out,
                                        struct err *err);

#endif
