/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/num.h"

#define ARENA_BLOCK_BYTES_MIN 4096u
#define ARENA_BLOCK_BYTES_MAX (1u << 20)
#define ARENA_ALIGN_MAX 64u

/* Under AddressSanitizer the unused part of every block is poisoned and allocations are kept
 * apart, so that running over one is reported like an overflow of the heap. */
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define ARENA_ASAN 1
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define ARENA_GAP_BYTES 8u
#define arena_hide(ptr, size) ASAN_POISON_MEMORY_REGION((ptr), (size))
#define arena_show(ptr, size) ASAN_UNPOISON_MEMORY_REGION((ptr), (size))
#else
#define ARENA_GAP_BYTES 0u
#define arena_hide(ptr, size) ((void)0)
#define arena_show(ptr, size) ((void)0)
#endif

/* Blocks form a list, newest first; the payload follows the header. */
struct arena_block {
    struct arena_block *next;
    size_t size; /* as taken from mem, header included */
};

static uint8_t *block_payload(struct arena_block *block)
{
    return (uint8_t *)(block + 1);
}

static void block_free(struct arena *a, struct arena_block *block)
{
    ASSERT(a->used_bytes >= block->size);
    a->used_bytes -= block->size;
    arena_show(block_payload(block), block->size - sizeof *block);
    a->mem->free(a->mem->ctx, block, block->size);
}

/* Point the bump cursor at a block. */
static void block_open(struct arena *a, struct arena_block *block)
{
    a->pos = block_payload(block);
    a->end = (uint8_t *)block + block->size;
    arena_hide(a->pos, (size_t)(a->end - a->pos));
}

void arena_init(struct arena *a, const struct mem_source *mem, size_t cap_bytes)
{
    ASSERT(mem);
    *a = (struct arena){ .mem = mem, .cap_bytes = cap_bytes };
}

void arena_deinit(struct arena *a)
{
    struct arena_block *block = a->head;
    while (block) {
        struct arena_block *next = block->next;
        block_free(a, block);
        block = next;
    }
    ASSERT(a->used_bytes == 0);
    *a = (struct arena){ 0 };
}

void arena_reset(struct arena *a)
{
    struct arena_block *block = a->head;
    if (!block) return;
    while (block->next) {
        struct arena_block *next = block->next;
        block_free(a, block);
        block = next;
    }
    if (block->size > ARENA_BLOCK_BYTES_MAX) { /* an oversized first request is not worth keeping */
        block_free(a, block);
        a->head = NULL;
        a->pos = a->end = NULL;
        return;
    }
    a->head = block;
    block_open(a, block);
}

/* Add a block with room for `need` bytes; false when the cap or the budget says no. */
static bool arena_grow(struct arena *a, size_t need)
{
    size_t want;
    if (!ck_add(need, sizeof(struct arena_block), &want)) return false;
    size_t room = a->cap_bytes > a->used_bytes ? a->cap_bytes - a->used_bytes : 0;
    if (want > room) return false;
    /* Doubling the total keeps the number of blocks logarithmic up to the largest block. */
    size_t size = a->used_bytes;
    if (size < ARENA_BLOCK_BYTES_MIN) size = ARENA_BLOCK_BYTES_MIN;
    if (size > ARENA_BLOCK_BYTES_MAX) size = ARENA_BLOCK_BYTES_MAX;
    if (size < want) size = want;
    if (size > room) size = room;
    struct arena_block *block = a->mem->alloc(a->mem->ctx, size);
    if (!block) return false;
    *block = (struct arena_block){ .next = a->head, .size = size };
    a->head = block;
    a->used_bytes += size;
    block_open(a, block);
    return true;
}

/* Bytes to skip from pos so that the result is aligned. */
static size_t arena_pad(const struct arena *a, size_t align)
{
    return (size_t)(-(uintptr_t)a->pos & (align - 1));
}

void *arena_alloc_raw(struct arena *a, size_t count, size_t size, size_t align)
{
    ASSERT(align > 0 && align <= ARENA_ALIGN_MAX);
    ASSERT((align & (align - 1)) == 0);
    size_t need;
    if (!ck_mul(count, size, &need)) return NULL;
    if (need == 0) need = 1; /* so that NULL always means failure */
    size_t taken;
    if (!ck_add(need, ARENA_GAP_BYTES, &taken)) return NULL;
    size_t pad = a->pos ? arena_pad(a, align) : 0;
    size_t left = (size_t)(a->end - a->pos);
    if (left < pad || left - pad < taken) {
        size_t padded;
        if (!ck_add(taken, align - 1, &padded)) return NULL;
        if (!arena_grow(a, padded)) return NULL;
        pad = arena_pad(a, align);
    }
    uint8_t *result = a->pos + pad;
    a->pos = result + taken;
    ASSERT(a->pos <= a->end);
    arena_show(result, need);
    return result;
}

void *arena_alloc(struct arena *a, size_t count, size_t size, size_t align)
{
    void *result = arena_alloc_raw(a, count, size, align);
    if (result) memset(result, 0, count * size);
    return result;
}

struct str arena_str(struct arena *a, struct str s)
{
    char *copy = arena_alloc_raw(a, s.len, 1, 1);
    if (!copy) return (struct str){ NULL, 0 };
    if (s.len > 0) memcpy(copy, s.ptr, s.len);
    return (struct str){ copy, s.len };
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = n < 0 ? NULL : arena_alloc_raw(a, (size_t)n + 1, 1, 1);
    if (text) (void)vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return (struct str){ text, text ? (size_t)n : 0 };
}
