/* SPDX-License-Identifier: Apache-2.0
 *
 * pairs - the label pairs of the head: a u32 stands for (name, value). Shared by all shards.
 *
 * Shape     A paged array of {name symbol, value symbol}, ids from 1; a look-up table; a list of
 *           free ids. The texts are in symbols.h.
 * Garbage   Pairs have no reference counts. A collection (pairs_gc_*) begins, waits until every
 *           appender that was active has left its epoch, marks the pairs of all living series and
 *           takes out what is neither marked nor was interned since the beginning. Ids and texts
 *           are reused only after the readers of that moment have left.
 * Threads   Own lock for everything but pairs_get and pairs_symbol_text, which need an epoch guard.
 *           The collection runs on one thread.
 * Memory    MEM_HEAD.
 */
#ifndef PHAROS_METRICS_HEAD_PAIRS_H
#define PHAROS_METRICS_HEAD_PAIRS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "metrics/head/symbols.h"
#include "model/labels.h"
#include "os/epoch.h"
#include "os/thread.h"

struct pair {
    uint32_t name, value; /* symbols; name 0 = unused id, value = next unused id */
};
/* A pair in the table: name in the low half. */
typedef _Atomic uint64_t pair_cell;

struct pairs {
    struct mem_budget *mem;
    struct mutex lock;
    /* guarded by lock */
    struct symbols symbols;
    struct hash_index index;
    uint32_t free_head;
    /* bit per pair id and per symbol: interned since the collection began; NULL = none runs */
    uint8_t *touched, *touched_symbols;
    uint32_t touched_limit, touched_symbols_limit;
    /* read without the lock: written under it */
    struct paged table;
    _Atomic uint32_t limit; /* ids are below */
};

void pairs_init(struct pairs *p, struct mem_budget *mem, uint64_t hash_seed);
void pairs_deinit(struct pairs *p);

/* Find or add the pairs of `l` (sorted, sizes checked against SYMBOL_SIZE_MAX) into out[l.len].
 * The caller is inside an epoch guard from before this call until the ids are part of a series.
 * ERR_NOMEM: pairs added so far stay until a collection. */
CHECK_RESULT enum err_code pairs_intern(struct pairs *p, struct labels l, uint32_t *out,
                                        struct err *err);
/* 0 = unknown. */
uint32_t pairs_find(struct pairs *p, struct str name, struct str value);
uint32_t pairs_find_symbol(struct pairs *p, struct str text);
/* {0, 0} when there is no such pair. Guard, no lock. */
static inline struct pair pairs_get(const struct pairs *p, uint32_t id)
{
    const pair_cell *cell = paged_find(&p->table, id);
    if (cell == NULL) return (struct pair){ 0, 0 };
    uint64_t v = atomic_load_explicit(cell, memory_order_acquire); /* partner: pairs_put */
    return (struct pair){ (uint32_t)v, (uint32_t)(v >> 32) };
}
static inline struct str pairs_symbol_text(const struct pairs *p, uint32_t sym)
{
    return symbols_text(&p->symbols, sym);
}
static inline uint32_t pairs_limit(const struct pairs *p)
{
    return atomic_load_explicit(&p->limit, memory_order_acquire); /* partner: pairs_intern */
}
uint32_t pairs_count(struct pairs *p);
uint64_t pairs_size_bytes(struct pairs *p);

/* ---- collection, in this order; the lock is held for a few thousand pairs at a time ---- */

struct pairs_gc {
    uint8_t *marked; /* bit per id */
    uint32_t limit;
    uint8_t *used;  /* bit per symbol: of a marked pair */
    uint32_t *dead; /* ids taken out, ascending */
    size_t dead_count, dead_cap;
    uint32_t *dead_symbols;
    size_t dead_symbol_count;
};
CHECK_RESULT enum err_code pairs_gc_begin(struct pairs *p, struct pairs_gc *gc, struct err *err);
/* After every appender of the time of begin has left: called for each pair of a living series. */
static inline void pairs_gc_mark(struct pairs_gc *gc, uint32_t id)
{
    if (id < gc->limit) gc->marked[id / 8] |= (uint8_t)(1u << (id % 8));
}
/* Unlinks dead pairs and symbols; gc->dead lists the pairs. ERR_NOMEM: nothing was taken out. */
CHECK_RESULT enum err_code pairs_gc_unlink(struct pairs *p, struct pairs_gc *gc, struct err *err);
/* After the readers of the time of unlink have left: make ids and texts reusable. */
void pairs_gc_release(struct pairs *p, struct pairs_gc *gc);
/* Frees the working memory; also after a failure or instead of going on. Not between unlink and
 * release. */
void pairs_gc_end(struct pairs *p, struct pairs_gc *gc);

#endif
