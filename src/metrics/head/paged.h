/* SPDX-License-Identifier: Apache-2.0
 *
 * paged - an array that grows by pages and never moves an element: slots, refs, chunk nodes, pairs
 * and texts of the head.
 *
 * Shape     Three levels: a root of 1024 pointers inside the struct, directories of 1024 pointers,
 *           pages of 2^page_log2 elements, zeroed. At most 2^20 pages.
 * Threads   One writer (ensure, free) under the owner's lock. Readers may call at/find without a
 *           lock for indices they learned through an acquire operation; pages that are freed must
 *           have no readers.
 * Memory    Charged to the account given at init.
 */
#ifndef PHAROS_METRICS_HEAD_PAGED_H
#define PHAROS_METRICS_HEAD_PAGED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "os/mem.h"

#define PAGED_FANOUT_LOG2 10
#define PAGED_FANOUT (1u << PAGED_FANOUT_LOG2)

struct paged_dir {
    _Atomic(uint8_t *) pages[PAGED_FANOUT];
};

struct paged {
    struct mem_budget *mem;
    enum mem_account account;
    uint32_t elem_size;
    uint8_t page_log2;
    uint64_t page_count; /* present ones */
    _Atomic(struct paged_dir *) root[PAGED_FANOUT];
};

void paged_init(struct paged *p, struct mem_budget *mem, enum mem_account account,
                uint32_t elem_size, uint8_t page_log2);
void paged_deinit(struct paged *p);
/* Make the page of `index` exist. False: no memory, or beyond the last possible page. */
__attribute__((warn_unused_result)) bool paged_ensure(struct paged *p, uint32_t index);
/* Give the page that holds `index` back; the others stay. */
void paged_free_page(struct paged *p, uint32_t index);
/* The same in two steps, for pages that readers may be looking at: unlink, and free what it
 * returned when they have left (under the owner's lock). */
void *paged_unlink_page(struct paged *p, uint32_t index);
void paged_free_unlinked(struct paged *p, void *page);
/* Bytes taken from the budget. */
uint64_t paged_size_bytes(const struct paged *p);

/* NULL when the page does not exist. */
static inline void *paged_find(const struct paged *p, uint32_t index)
{
    uint32_t page = index >> p->page_log2;
    if (page >> PAGED_FANOUT_LOG2 >= PAGED_FANOUT) return NULL;
    /* Partners: the release stores of paged_ensure. */
    const struct paged_dir *dir =
        atomic_load_explicit(&p->root[page >> PAGED_FANOUT_LOG2], memory_order_acquire);
    if (dir == NULL) return NULL;
    uint8_t *base =
        atomic_load_explicit(&dir->pages[page & (PAGED_FANOUT - 1)], memory_order_acquire);
    if (base == NULL) return NULL;
    return base + (size_t)(index & ((1u << p->page_log2) - 1)) * p->elem_size;
}

static inline void *paged_at(const struct paged *p, uint32_t index)
{
    void *e = paged_find(p, index);
    ASSERT(e != NULL);
    return e;
}

#endif
