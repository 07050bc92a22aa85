/* SPDX-License-Identifier: Apache-2.0
 *
 * arena - bump allocator for everything whose lifetime is one request, one query, one scrape.
 *
 * Blocks come from a mem_source (which charges them to one budget account), grow geometrically
 * (4 KiB up to 1 MiB, larger for a larger request) and are freed together.
 * Threads   None: an arena has one owner.
 * Failure   NULL when the cap or the budget is exhausted, or when count * size overflows.
 */
#ifndef PHAROS_BASE_ARENA_H
#define PHAROS_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem_source.h"
#include "base/str.h"

struct arena_block;

struct arena {
    const struct mem_source *mem;
    struct arena_block *head;
    uint8_t *pos, *end;
    size_t used_bytes; /* bytes taken from mem */
    size_t cap_bytes;  /* hard limit of used_bytes */
};

void arena_init(struct arena *a, const struct mem_source *mem, size_t cap_bytes);
void arena_deinit(struct arena *a);
/* Forget everything, keep the first block. */
void arena_reset(struct arena *a);

/* Zeroed memory. align is a power of two <= 64. */
__attribute__((warn_unused_result)) void *arena_alloc(struct arena *a, size_t count, size_t size,
                                                      size_t align);
/* The same, not zeroed: for large arrays that are overwritten at once. */
__attribute__((warn_unused_result)) void *arena_alloc_raw(struct arena *a, size_t count,
                                                          size_t size, size_t align);
/* Copy of s (not NUL-terminated), ptr == NULL on failure unless s is empty. */
struct str arena_str(struct arena *a, struct str s);
/* NUL-terminated printf into the arena; ptr == NULL on failure. */
__attribute__((format(printf, 2, 3))) struct str arena_printf(struct arena *a, const char *fmt,
                                                              ...);

#define arena_new(a, type) ((type *)arena_alloc((a), 1, sizeof(type), _Alignof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc((a), (n), sizeof(type), _Alignof(type)))
#define arena_array_raw(a, type, n)                                                                \
    ((type *)arena_alloc_raw((a), (n), sizeof(type), _Alignof(type)))

#endif
