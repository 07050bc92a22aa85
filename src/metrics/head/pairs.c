/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/pairs.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

#define TABLE_PAGE_LOG2 12u
#define GC_STEP 4096u /* pairs per lock hold */

void pairs_init(struct pairs *p, struct mem_budget *mem, uint64_t hash_seed)
{
    memset(p, 0, sizeof *p);
    p->mem = mem;
    mutex_init(&p->lock);
    symbols_init(&p->symbols, mem, hash_seed);
    hash_index_init(&p->index, mem, MEM_HEAD);
    paged_init(&p->table, mem, MEM_HEAD, sizeof(pair_cell), TABLE_PAGE_LOG2);
    atomic_store_explicit(&p->limit, 1, memory_order_relaxed);
}

void pairs_deinit(struct pairs *p)
{
    ASSERT(p->touched == NULL);
    symbols_deinit(&p->symbols);
    hash_index_deinit(&p->index);
    paged_deinit(&p->table);
    mutex_deinit(&p->lock);
    memset(p, 0, sizeof *p);
}

static uint32_t fingerprint_of(struct pair pair)
{
    return (uint32_t)hash64(&pair, sizeof pair, 0);
}

static uint32_t find(const struct pairs *p, struct pair pair, uint32_t fingerprint)
{
    struct hash_probe probe = hash_index_probe(&p->index, fingerprint);
    for (uint32_t id; (id = hash_probe_next(&probe)) != 0;) {
        struct pair candidate = pairs_get(p, id);
        if (candidate.name == pair.name && candidate.value == pair.value) return id;
    }
    return 0;
}

static bool bit_is_set(const uint8_t *bits, uint32_t i)
{
    return bits[i / 8] >> (i % 8) & 1;
}

static void bit_set(uint8_t *bits, uint32_t i)
{
    bits[i / 8] |= (uint8_t)(1u << (i % 8));
}

static size_t bitmap_size(uint32_t limit)
{
    return limit / 8 + 1;
}

static void pairs_put(struct pairs *p, uint32_t id, struct pair pair)
{
    pair_cell *cell = paged_at(&p->table, id);
    uint64_t v = (uint64_t)pair.value << 32 | pair.name;
    atomic_store_explicit(cell, v, memory_order_release); /* partner: pairs_get */
}

/* A collection that is running must not take these away. */
static void note_touched(struct pairs *p, uint32_t id, struct pair pair)
{
    if (p->touched == NULL) return;
    if (id < p->touched_limit) bit_set(p->touched, id);
    if (pair.name < p->touched_symbols_limit) bit_set(p->touched_symbols, pair.name);
    if (pair.value < p->touched_symbols_limit) bit_set(p->touched_symbols, pair.value);
}

/* 0 = no memory. */
static uint32_t intern_one(struct pairs *p, const struct label *l)
{
    struct pair pair = { symbols_intern(&p->symbols, l->name), 0 };
    if (pair.name == 0) return 0;
    pair.value = symbols_intern(&p->symbols, l->value);
    if (pair.value == 0) return 0;
    uint32_t fingerprint = fingerprint_of(pair);
    uint32_t id = find(p, pair, fingerprint);
    if (id == 0) {
        if (!hash_index_reserve(&p->index)) return 0;
        uint32_t limit = atomic_load_explicit(&p->limit, memory_order_relaxed);
        id = p->free_head != 0 ? p->free_head : limit;
        if (id == UINT32_MAX - 1 || !paged_ensure(&p->table, id)) return 0;
        if (p->free_head != 0) p->free_head = pairs_get(p, id).value;
        pairs_put(p, id, pair);
        if (id == limit) atomic_store_explicit(&p->limit, limit + 1, memory_order_release);
        hash_index_insert(&p->index, fingerprint, id);
    }
    note_touched(p, id, pair);
    return id;
}

enum err_code pairs_intern(struct pairs *p, struct labels l, uint32_t *out, struct err *err)
{
    MUTEX_SCOPE(&p->lock);
    for (size_t i = 0; i < l.len; i++) {
        out[i] = intern_one(p, &l.ptr[i]);
        if (out[i] == 0) return err_set(err, ERR_NOMEM, "no memory for label pairs");
    }
    return ERR_OK;
}

uint32_t pairs_find(struct pairs *p, struct str name, struct str value)
{
    MUTEX_SCOPE(&p->lock);
    struct pair pair = { symbols_find(&p->symbols, name), symbols_find(&p->symbols, value) };
    if (pair.name == 0 || pair.value == 0) return 0;
    return find(p, pair, fingerprint_of(pair));
}

uint32_t pairs_find_symbol(struct pairs *p, struct str text)
{
    MUTEX_SCOPE(&p->lock);
    return symbols_find(&p->symbols, text);
}

uint32_t pairs_count(struct pairs *p)
{
    MUTEX_SCOPE(&p->lock);
    return p->index.count;
}

uint64_t pairs_size_bytes(struct pairs *p)
{
    MUTEX_SCOPE(&p->lock);
    return paged_size_bytes(&p->table) + hash_index_size_bytes(&p->index) +
           hash_index_size_bytes(&p->symbols.index) + paged_size_bytes(&p->symbols.texts);
}

/* ---- collection ---- */

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory to collect label pairs");
}

enum err_code pairs_gc_begin(struct pairs *p, struct pairs_gc *gc, struct err *err)
{
    mutex_lock(&p->lock);
    uint32_t limit = pairs_limit(p);
    uint32_t symbols_limit = p->symbols.limit;
    mutex_unlock(&p->lock);
    *gc = (struct pairs_gc){ .limit = limit };
    gc->marked = mem_zalloc(p->mem, MEM_HEAD, bitmap_size(limit));
    uint8_t *touched = mem_zalloc(p->mem, MEM_HEAD, bitmap_size(limit));
    uint8_t *symbols = mem_zalloc(p->mem, MEM_HEAD, bitmap_size(symbols_limit));
    if (gc->marked == NULL || touched == NULL || symbols == NULL) {
        mem_free(p->mem, MEM_HEAD, touched, bitmap_size(limit));
        mem_free(p->mem, MEM_HEAD, symbols, bitmap_size(symbols_limit));
        pairs_gc_end(p, gc);
        return no_memory(err);
    }
    MUTEX_SCOPE(&p->lock);
    ASSERT(p->touched == NULL);
    p->touched = touched;
    p->touched_limit = limit;
    p->touched_symbols = symbols;
    p->touched_symbols_limit = symbols_limit;
    return ERR_OK;
}

/* Without the lock: pairs that are not marked now, an upper bound of the dead; and the symbols of
 * those that are. What comes meanwhile is noted as touched. */
static size_t look_around(const struct pairs *p, struct pairs_gc *gc, uint32_t symbols_limit)
{
    size_t unmarked = 0;
    for (uint32_t id = 1; id < gc->limit; id++) {
        struct pair pair = pairs_get(p, id);
        if (pair.name == 0) continue;
        if (!bit_is_set(gc->marked, id)) {
            unmarked++;
            continue;
        }
        if (pair.name < symbols_limit) bit_set(gc->used, pair.name);
        if (pair.value < symbols_limit) bit_set(gc->used, pair.value);
    }
    return unmarked;
}

static void free_lists(struct pairs *p, struct pairs_gc *gc)
{
    mem_free(p->mem, MEM_HEAD, gc->used, bitmap_size(p->touched_symbols_limit));
    mem_free(p->mem, MEM_HEAD, gc->dead, gc->dead_cap * sizeof *gc->dead);
    mem_free(p->mem, MEM_HEAD, gc->dead_symbols, 2 * gc->dead_cap * sizeof *gc->dead_symbols);
    gc->used = NULL;
    gc->dead = gc->dead_symbols = NULL;
    gc->dead_count = gc->dead_cap = gc->dead_symbol_count = 0;
}

static void unlink_step(struct pairs *p, struct pairs_gc *gc, uint32_t from)
{
    MUTEX_SCOPE(&p->lock);
    for (uint32_t id = from; id < from + GC_STEP && id < gc->limit; id++) {
        struct pair pair = pairs_get(p, id);
        if (bit_is_set(gc->marked, id) || bit_is_set(p->touched, id) || pair.name == 0) continue;
        bool was_there = hash_index_remove(&p->index, fingerprint_of(pair), id);
        ASSERT(was_there);
        ASSERT(gc->dead_count < gc->dead_cap);
        gc->dead[gc->dead_count++] = id;
    }
}

static void unlink_symbol(struct pairs *p, struct pairs_gc *gc, uint32_t sym)
{
    bool is_old = sym < p->touched_symbols_limit;
    if (!is_old || bit_is_set(gc->used, sym) || bit_is_set(p->touched_symbols, sym)) return;
    bit_set(gc->used, sym); /* once only */
    symbols_unlink(&p->symbols, sym);
    gc->dead_symbols[gc->dead_symbol_count++] = sym;
}

static void unlink_symbols_step(struct pairs *p, struct pairs_gc *gc, size_t from)
{
    MUTEX_SCOPE(&p->lock);
    for (size_t i = from; i < from + GC_STEP && i < gc->dead_count; i++) {
        struct pair pair = pairs_get(p, gc->dead[i]);
        unlink_symbol(p, gc, pair.name);
        unlink_symbol(p, gc, pair.value);
    }
}

enum err_code pairs_gc_unlink(struct pairs *p, struct pairs_gc *gc, struct err *err)
{
    uint32_t symbols_limit = p->touched_symbols_limit; /* does not change while this runs */
    gc->used = mem_zalloc(p->mem, MEM_HEAD, bitmap_size(symbols_limit));
    if (gc->used == NULL) return no_memory(err);
    gc->dead_cap = look_around(p, gc, symbols_limit);
    if (gc->dead_cap == 0) return ERR_OK;
    gc->dead = mem_alloc(p->mem, MEM_HEAD, gc->dead_cap * sizeof *gc->dead);
    gc->dead_symbols = mem_alloc(p->mem, MEM_HEAD, 2 * gc->dead_cap * sizeof *gc->dead_symbols);
    if (gc->dead == NULL || gc->dead_symbols == NULL) {
        free_lists(p, gc);
        return no_memory(err);
    }
    for (uint32_t id = 1; id < gc->limit; id += GC_STEP)
        unlink_step(p, gc, id);
    for (size_t i = 0; i < gc->dead_count; i += GC_STEP)
        unlink_symbols_step(p, gc, i);
    return ERR_OK;
}

void pairs_gc_release(struct pairs *p, struct pairs_gc *gc)
{
    for (size_t from = 0; from < gc->dead_count; from += GC_STEP) {
        MUTEX_SCOPE(&p->lock);
        for (size_t i = from; i < from + GC_STEP && i < gc->dead_count; i++) {
            pairs_put(p, gc->dead[i], (struct pair){ 0, p->free_head });
            p->free_head = gc->dead[i];
        }
    }
    for (size_t from = 0; from < gc->dead_symbol_count; from += GC_STEP) {
        MUTEX_SCOPE(&p->lock);
        for (size_t i = from; i < from + GC_STEP && i < gc->dead_symbol_count; i++)
            symbols_release(&p->symbols, gc->dead_symbols[i]);
    }
}

void pairs_gc_end(struct pairs *p, struct pairs_gc *gc)
{
    free_lists(p, gc);
    mutex_lock(&p->lock);
    uint8_t *touched = p->touched;
    uint8_t *symbols = p->touched_symbols;
    uint32_t limit = p->touched_limit;
    uint32_t symbols_limit = p->touched_symbols_limit;
    p->touched = p->touched_symbols = NULL;
    mutex_unlock(&p->lock);
    mem_free(p->mem, MEM_HEAD, touched, bitmap_size(limit));
    mem_free(p->mem, MEM_HEAD, symbols, bitmap_size(symbols_limit));
    mem_free(p->mem, MEM_HEAD, gc->marked, bitmap_size(gc->limit));
    *gc = (struct pairs_gc){ 0 };
}
