/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/paged.h"

#include <string.h>

void paged_init(struct paged *p, struct mem_budget *mem, enum mem_account account,
                uint32_t elem_size, uint8_t page_log2)
{
    ASSERT(elem_size > 0);
    ASSERT(page_log2 < 32);
    memset(p, 0, sizeof *p);
    p->mem = mem;
    p->account = account;
    p->elem_size = elem_size;
    p->page_log2 = page_log2;
}

/* Exactly the elements: page sizes are powers of two, which the allocator has classes for (and
 * which it aligns to memory pages). One byte more would cost a quarter. */
static size_t page_bytes(const struct paged *p)
{
    return (size_t)p->elem_size << p->page_log2;
}

static uint8_t *page_create(struct paged *p)
{
    uint8_t *page = mem_zalloc(p->mem, p->account, page_bytes(p));
    if (page != NULL) p->page_count++;
    return page;
}

static void page_destroy(struct paged *p, uint8_t *page)
{
    mem_free(p->mem, p->account, page, page_bytes(p));
    p->page_count--;
}

void paged_deinit(struct paged *p)
{
    for (uint32_t i = 0; i < PAGED_FANOUT; i++) {
        struct paged_dir *dir = atomic_load_explicit(&p->root[i], memory_order_relaxed);
        if (dir == NULL) continue;
        for (uint32_t k = 0; k < PAGED_FANOUT; k++) {
            uint8_t *first = atomic_load_explicit(&dir->pages[k], memory_order_relaxed);
            if (first != NULL) page_destroy(p, first);
        }
        mem_free(p->mem, p->account, dir, sizeof *dir);
    }
    memset(p, 0, sizeof *p);
}

bool paged_ensure(struct paged *p, uint32_t index)
{
    uint32_t page = index >> p->page_log2;
    if (page >> PAGED_FANOUT_LOG2 >= PAGED_FANOUT) return false;
    _Atomic(struct paged_dir *) *at = &p->root[page >> PAGED_FANOUT_LOG2];
    struct paged_dir *dir = atomic_load_explicit(at, memory_order_relaxed);
    if (dir == NULL) {
        dir = mem_zalloc(p->mem, p->account, sizeof *dir);
        if (dir == NULL) return false;
        atomic_store_explicit(at, dir, memory_order_release); /* partner: paged_find */
    }
    _Atomic(uint8_t *) *slot = &dir->pages[page & (PAGED_FANOUT - 1)];
    if (atomic_load_explicit(slot, memory_order_relaxed) != NULL) return true;
    uint8_t *first = page_create(p);
    if (first == NULL) return false;
    atomic_store_explicit(slot, first, memory_order_release); /* partner: paged_find */
    return true;
}

void *paged_unlink_page(struct paged *p, uint32_t index)
{
    uint32_t page = index >> p->page_log2;
    ASSERT(page >> PAGED_FANOUT_LOG2 < PAGED_FANOUT);
    struct paged_dir *dir =
        atomic_load_explicit(&p->root[page >> PAGED_FANOUT_LOG2], memory_order_relaxed);
    ASSERT(dir != NULL);
    _Atomic(uint8_t *) *slot = &dir->pages[page & (PAGED_FANOUT - 1)];
    uint8_t *first = atomic_load_explicit(slot, memory_order_relaxed);
    ASSERT(first != NULL);
    atomic_store_explicit(slot, NULL, memory_order_release);
    return first;
}

void paged_free_unlinked(struct paged *p, void *page)
{
    page_destroy(p, page);
}

void paged_free_page(struct paged *p, uint32_t index)
{
    page_destroy(p, paged_unlink_page(p, index));
}

uint64_t paged_size_bytes(const struct paged *p)
{
    uint64_t size = p->page_count * page_bytes(p);
    for (uint32_t i = 0; i < PAGED_FANOUT; i++)
        if (atomic_load_explicit(&p->root[i], memory_order_relaxed) != NULL)
            size += sizeof(struct paged_dir);
    return size;
}
