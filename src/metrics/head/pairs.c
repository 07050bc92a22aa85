/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/pairs.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

#define TABLE_PAGE_LOG2 12u

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
    if (p->touched != NULL && id < p->touched_limit) bit_set(p->touched, id);
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

enum err_code pairs_gc_begin(struct pairs *p, struct pairs_gc *gc, struct err *err)
{
    *gc = (struct pairs_gc){ .limit = pairs_limit(p) };
    gc->marked = mem_zalloc(p->mem, MEM_HEAD, bitmap_size(gc->limit));
    uint8_t *touched = mem_zalloc(p->mem, MEM_HEAD, bitmap_size(gc->limit));
    if (gc->marked == NULL || touched == NULL) {
        mem_free(p->mem, MEM_HEAD, touched, bitmap_size(gc->limit));
        pairs_gc_end(p, gc);
        return err_set(err, ERR_NOMEM, "no memory to collect label pairs");
    }
    MUTEX_SCOPE(&p->lock);
    ASSERT(p->touched == NULL);
    p->touched = touched;
    p->touched_limit = gc->limit;
    return ERR_OK;
}

static bool is_dead(const struct pairs *p, const struct pairs_gc *gc, uint32_t id)
{
    return !bit_is_set(gc->marked, id) && !bit_is_set(p->touched, id) && pairs_get(p, id).name != 0;
}

/* A bit per symbol unit: is it used by a pair that stays? NULL = no memory. */
static uint8_t *mark_symbols(const struct pairs *p, const struct pairs_gc *gc)
{
    uint8_t *used = mem_zalloc(p->mem, MEM_HEAD, bitmap_size(p->symbols.limit));
    if (used == NULL) return NULL;
    uint32_t limit = pairs_limit(p);
    for (uint32_t id = 1; id < limit; id++) {
        struct pair pair = pairs_get(p, id);
        if (pair.name == 0 || (id < gc->limit && is_dead(p, gc, id))) continue;
        bit_set(used, pair.name);
        bit_set(used, pair.value);
    }
    return used;
}

static void note_dead_symbol(struct pairs *p, struct pairs_gc *gc, uint8_t *used, uint32_t sym)
{
    if (bit_is_set(used, sym)) return;
    bit_set(used, sym); /* once only */
    symbols_unlink(&p->symbols, sym);
    ASSERT(gc->dead_symbol_count < gc->dead_symbol_cap);
    gc->dead_symbols[gc->dead_symbol_count++] = sym;
}

static size_t count_dead(const struct pairs *p, const struct pairs_gc *gc)
{
    size_t n = 0;
    for (uint32_t id = 1; id < gc->limit; id++)
        n += is_dead(p, gc, id);
    return n;
}

static bool reserve_lists(struct pairs *p, struct pairs_gc *gc, size_t dead)
{
    uint32_t *ids = mem_alloc(p->mem, MEM_HEAD, dead * sizeof *ids);
    uint32_t *symbols = mem_alloc(p->mem, MEM_HEAD, 2 * dead * sizeof *symbols);
    if (ids == NULL || symbols == NULL) {
        mem_free(p->mem, MEM_HEAD, ids, dead * sizeof *ids);
        mem_free(p->mem, MEM_HEAD, symbols, 2 * dead * sizeof *symbols);
        return false;
    }
    gc->dead = ids;
    gc->dead_count = dead;
    gc->dead_symbols = symbols;
    gc->dead_symbol_cap = 2 * dead;
    return true;
}

enum err_code pairs_gc_unlink(struct pairs *p, struct pairs_gc *gc, struct err *err)
{
    MUTEX_SCOPE(&p->lock);
    size_t dead = count_dead(p, gc);
    if (dead == 0) return ERR_OK;
    uint8_t *used = mark_symbols(p, gc);
    if (used == NULL || !reserve_lists(p, gc, dead)) {
        mem_free(p->mem, MEM_HEAD, used, bitmap_size(p->symbols.limit));
        return err_set(err, ERR_NOMEM, "no memory to collect label pairs");
    }
    size_t n = 0;
    for (uint32_t id = 1; id < gc->limit; id++)
        if (is_dead(p, gc, id)) gc->dead[n++] = id;
    ASSERT(n == dead);
    for (size_t i = 0; i < dead; i++) {
        struct pair pair = pairs_get(p, gc->dead[i]);
        bool was_there = hash_index_remove(&p->index, fingerprint_of(pair), gc->dead[i]);
        ASSERT(was_there);
        note_dead_symbol(p, gc, used, pair.name);
        note_dead_symbol(p, gc, used, pair.value);
    }
    mem_free(p->mem, MEM_HEAD, used, bitmap_size(p->symbols.limit));
    return ERR_OK;
}

void pairs_gc_release(struct pairs *p, struct pairs_gc *gc)
{
    MUTEX_SCOPE(&p->lock);
    for (size_t i = 0; i < gc->dead_count; i++) {
        pairs_put(p, gc->dead[i], (struct pair){ 0, p->free_head });
        p->free_head = gc->dead[i];
    }
    for (size_t i = 0; i < gc->dead_symbol_count; i++)
        symbols_release(&p->symbols, gc->dead_symbols[i]);
}

void pairs_gc_end(struct pairs *p, struct pairs_gc *gc)
{
    uint8_t *touched = NULL;
    uint32_t touched_limit = 0;
    mutex_lock(&p->lock);
    touched = p->touched;
    touched_limit = p->touched_limit;
    p->touched = NULL;
    mutex_unlock(&p->lock);
    mem_free(p->mem, MEM_HEAD, touched, bitmap_size(touched_limit));
    mem_free(p->mem, MEM_HEAD, gc->marked, bitmap_size(gc->limit));
    mem_free(p->mem, MEM_HEAD, gc->dead, gc->dead_count * sizeof *gc->dead);
    mem_free(p->mem, MEM_HEAD, gc->dead_symbols, gc->dead_symbol_cap * sizeof(uint32_t));
    *gc = (struct pairs_gc){ 0 };
}
