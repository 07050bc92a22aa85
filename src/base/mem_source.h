/* SPDX-License-Identifier: Apache-2.0
 *
 * mem_source - where arenas, buffers and maps get their memory. Declared here so that pure code
 * needs no budget; os/mem.h implements it over one budget account.
 */
#ifndef PHAROS_BASE_MEM_SOURCE_H
#define PHAROS_BASE_MEM_SOURCE_H

#include <stddef.h>

struct mem_source {
    void *ctx;
    /* NULL when the budget or the allocator is exhausted. Not zeroed, 16-byte aligned. */
    void *(*alloc)(void *ctx, size_t size);
    /* `size` is the size asked for. ptr may be NULL. */
    void (*free)(void *ctx, void *ptr, size_t size);
};

#endif
