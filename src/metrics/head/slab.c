/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/slab.h"

#include <string.h>

#define PAGE_UNITS (1u << SLAB_PAGE_LOG2)
#define PAGE_BYTES (PAGE_UNITS * SLAB_UNIT)
#define NO_BLOCK 0xffff
#define NO_CLASS 0xff

struct slab_page {
    uint32_t prev, next; /* page numbers + 1 in the list the page is on */
    uint16_t free;       /* first unit of the first free block, NO_BLOCK = none */
    uint16_t fresh;      /* first unit that was never handed out */
    uint16_t used;       /* blocks */
    uint8_t class_index; /* NO_CLASS = empty */
    uint8_t is_partial;
};
_Static_assert(sizeof(struct slab_page) == 16, "page table entry");

void slab_init(struct slab *s, struct mem_budget *mem, const uint16_t *sizes, uint32_t count)
{
    ASSERT(count > 0 && count <= SLAB_CLASSES_MAX);
    memset(s, 0, sizeof *s);
    paged_init(&s->blocks, mem, MEM_HEAD, SLAB_UNIT, SLAB_PAGE_LOG2);
    paged_init(&s->pages, mem, MEM_HEAD, sizeof(struct slab_page), 8);
    s->class_sizes = sizes;
    s->class_count = count;
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(sizes[i] % SLAB_UNIT == 0);
        ASSERT(sizes[i] <= PAGE_BYTES / 2);
        ASSERT(i == 0 || sizes[i] > sizes[i - 1]);
    }
}

void slab_deinit(struct slab *s)
{
    paged_deinit(&s->blocks);
    paged_deinit(&s->pages);
    memset(s, 0, sizeof *s);
}

uint32_t slab_class_of(const struct slab *s, size_t size)
{
    uint32_t lo = 0;
    uint32_t hi = s->class_count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (s->class_sizes[mid] < size) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static struct slab_page *page_at(const struct slab *s, uint32_t page)
{
    return paged_at(&s->pages, page);
}

static void list_push(struct slab *s, uint32_t *list, uint32_t page)
{
    struct slab_page *p = page_at(s, page);
    p->prev = 0;
    p->next = *list;
    if (*list != 0) page_at(s, *list - 1)->prev = page + 1;
    *list = page + 1;
}

static void list_remove(struct slab *s, uint32_t *list, uint32_t page)
{
    struct slab_page *p = page_at(s, page);
    if (p->prev != 0) {
        page_at(s, p->prev - 1)->next = p->next;
    } else {
        ASSERT(*list == page + 1);
        *list = p->next;
    }
    if (p->next != 0) page_at(s, p->next - 1)->prev = p->prev;
    p->prev = p->next = 0;
}

/* An empty page with memory, on no list. False: no memory. */
static bool page_take(struct slab *s, uint32_t *out_page)
{
    if (s->spare != 0) {
        *out_page = s->spare - 1;
        list_remove(s, &s->spare, *out_page);
        s->spare_count--;
        return true;
    }
    uint32_t page = s->unused != 0 ? s->unused - 1 : s->page_limit;
    if (page >= UINT32_MAX / PAGE_UNITS) return false;
    if (!paged_ensure(&s->pages, page)) return false;
    if (!paged_ensure(&s->blocks, page * PAGE_UNITS)) return false;
    if (s->unused != 0) {
        list_remove(s, &s->unused, page);
    } else {
        s->page_limit++;
    }
    *out_page = page;
    return true;
}

/* The last block of a page was freed. */
static void page_give(struct slab *s, uint32_t page)
{
    page_at(s, page)->class_index = NO_CLASS;
    if (s->spare_count < SLAB_SPARE_PAGES) {
        list_push(s, &s->spare, page);
        s->spare_count++;
    } else {
        paged_free_page(&s->blocks, page * PAGE_UNITS);
        list_push(s, &s->unused, page);
    }
}

/* Unit 0 of page 0 stays unused, so that no handle is 0. */
static uint16_t first_unit(uint32_t page)
{
    return page == 0 ? 1 : 0;
}

static bool page_is_full(const struct slab_page *p, uint32_t units)
{
    return p->free == NO_BLOCK && p->fresh + units > PAGE_UNITS;
}

uint32_t slab_alloc(struct slab *s, uint32_t class_index)
{
    ASSERT(class_index < s->class_count);
    uint32_t units = s->class_sizes[class_index] / SLAB_UNIT;
    uint32_t page;
    if (s->partial[class_index] != 0) {
        page = s->partial[class_index] - 1;
    } else {
        if (!page_take(s, &page)) return 0;
        struct slab_page *p = page_at(s, page);
        *p = (struct slab_page){ .free = NO_BLOCK,
                                 .fresh = first_unit(page),
                                 .class_index = (uint8_t)class_index,
                                 .is_partial = 1 };
        list_push(s, &s->partial[class_index], page);
    }
    struct slab_page *p = page_at(s, page);
    ASSERT(p->class_index == class_index);
    uint32_t unit = p->free;
    if (unit != NO_BLOCK) {
        memcpy(&p->free, slab_at(s, page * PAGE_UNITS + unit), sizeof p->free);
    } else {
        unit = p->fresh;
        p->fresh = (uint16_t)(p->fresh + units);
    }
    p->used++;
    if (page_is_full(p, units)) {
        list_remove(s, &s->partial[class_index], page);
        p->is_partial = 0;
    }
    s->used_bytes += s->class_sizes[class_index];
    return page * PAGE_UNITS + unit;
}

void slab_free(struct slab *s, uint32_t handle)
{
    ASSERT(handle != 0);
    uint32_t page = handle / PAGE_UNITS;
    struct slab_page *p = page_at(s, page);
    ASSERT(p->used > 0);
    ASSERT(p->class_index < s->class_count);
    memcpy(slab_at(s, handle), &p->free, sizeof p->free);
    p->free = (uint16_t)(handle % PAGE_UNITS);
    p->used--;
    s->used_bytes -= s->class_sizes[p->class_index];
    if (p->used == 0) {
        if (p->is_partial) list_remove(s, &s->partial[p->class_index], page);
        p->is_partial = 0;
        page_give(s, page);
    } else if (!p->is_partial) {
        list_push(s, &s->partial[p->class_index], page);
        p->is_partial = 1;
    }
}
