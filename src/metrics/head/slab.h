/* SPDX-License-Identifier: Apache-2.0
 *
 * slab - small blocks of a few size classes, named by u32 handles: open chunks and label keys of
 * one shard.
 *
 * Shape     Pages of 16 KiB hold blocks of one class. A page whose blocks are all free goes back
 *           and may serve another class, so that series which grow together (all chunks of a fleet
 *           leave the 32-byte class within a minute) do not leave empty classes behind. A handle
 *           is the offset in units of 8 bytes; 0 is no block.
 * Threads   The shard's lock.
 * Memory    MEM_HEAD; up to SLAB_SPARE_PAGES empty pages are kept.
 */
#ifndef PHAROS_METRICS_HEAD_SLAB_H
#define PHAROS_METRICS_HEAD_SLAB_H

#include <stdint.h>

#include "metrics/head/paged.h"

#define SLAB_UNIT 8u
#define SLAB_PAGE_LOG2 11u /* units: 16 KiB */
#define SLAB_CLASSES_MAX 64
#define SLAB_SPARE_PAGES 2

struct slab {
    struct paged blocks; /* elements of SLAB_UNIT bytes */
    struct paged pages;  /* struct slab_page */
    const uint16_t *class_sizes;
    uint32_t class_count;
    uint32_t page_limit;                /* pages 0 .. limit-1 have been used */
    uint32_t unused;                    /* list of page numbers + 1 without memory */
    uint32_t spare, spare_count;        /* list of empty pages + 1 that kept their memory */
    uint32_t partial[SLAB_CLASSES_MAX]; /* list of pages + 1 with a free block */
    uint64_t used_bytes;                /* in blocks handed out */
};

/* `sizes`: ascending multiples of SLAB_UNIT, at most half a page each; borrowed. */
void slab_init(struct slab *s, struct mem_budget *mem, const uint16_t *sizes, uint32_t count);
void slab_deinit(struct slab *s);
/* Smallest class that holds `size` bytes; class_count when there is none. */
uint32_t slab_class_of(const struct slab *s, size_t size);
/* A block of class_sizes[class_index] bytes, not zeroed; 0 = no memory. */
uint32_t slab_alloc(struct slab *s, uint32_t class_index);
void slab_free(struct slab *s, uint32_t handle);
static inline uint8_t *slab_at(const struct slab *s, uint32_t handle)
{
    return paged_at(&s->blocks, handle);
}
static inline uint64_t slab_size_bytes(const struct slab *s)
{
    return paged_size_bytes(&s->blocks) + paged_size_bytes(&s->pages);
}

#endif
