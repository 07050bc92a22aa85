/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/head_shard.h"

#include <string.h>

#include "base/assert.h"

#define SLOT_PAGE_LOG2 8u /* hot pages of 16 KiB */
#define REF_PAGE_LOG2 12u
#define NODE_PAGE_LOG2 10u
#define SLOTS_MAX (1u << 27)

/* Growth by a third or a half: most chunks end between two powers of two. */
static const uint16_t CHUNK_SIZES[] = { 32, 40, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024 };

#define KEY_SIZES_SMALL 32u /* multiples of 8 up to 256 bytes, then of 256 up to 4096 */
#define KEY_SIZES_COUNT (KEY_SIZES_SMALL + 15u)

static const uint16_t *key_sizes(void)
{
    static const uint16_t sizes[KEY_SIZES_COUNT] = {
        8,   16,  24,   32,   40,   48,   56,   64,   72,   80,   88,   96,   104,  112,  120, 128,
        136, 144, 152,  160,  168,  176,  184,  192,  200,  208,  216,  224,  232,  240,  248, 256,
        512, 768, 1024, 1280, 1536, 1792, 2048, 2304, 2560, 2816, 3072, 3328, 3584, 3840, 4096
    };
    return sizes;
}

void shard_init(struct head_shard *s, struct mem_budget *mem)
{
    memset(s, 0, sizeof *s);
    mutex_init(&s->lock);
    mutex_init(&s->create_lock);
    s->mem = mem;
    paged_init(&s->hot, mem, MEM_HEAD, sizeof(struct series_hot), SLOT_PAGE_LOG2);
    paged_init(&s->cold, mem, MEM_HEAD, sizeof(struct series_cold), SLOT_PAGE_LOG2 + 2);
    paged_init(&s->slots, mem, MEM_HEAD, sizeof(_Atomic uint32_t), REF_PAGE_LOG2);
    paged_init(&s->nodes, mem, MEM_HEAD, sizeof(struct chunk_node), NODE_PAGE_LOG2);
    slab_init(&s->chunks, mem, CHUNK_SIZES, sizeof CHUNK_SIZES / sizeof CHUNK_SIZES[0]);
    slab_init(&s->keys, mem, key_sizes(), KEY_SIZES_COUNT);
    hash_index_init(&s->series, mem, MEM_HEAD);
    s->node_limit = 1;
    atomic_store_explicit(&s->ref_limit, 1, memory_order_relaxed);
}

void shard_deinit(struct head_shard *s)
{
    while (s->pending_first != NULL) {
        struct pending_page *page = s->pending_first;
        s->pending_first = page->next;
        mem_free(s->mem, MEM_HEAD, page, sizeof *page);
    }
    mem_free(s->mem, MEM_HEAD, s->pending_spare, sizeof *s->pending_spare);
    paged_deinit(&s->hot);
    paged_deinit(&s->cold);
    paged_deinit(&s->slots);
    paged_deinit(&s->nodes);
    slab_deinit(&s->chunks);
    slab_deinit(&s->keys);
    hash_index_deinit(&s->series);
    mutex_deinit(&s->create_lock);
    mutex_deinit(&s->lock);
    memset(s, 0, sizeof *s);
}

bool shard_slot_of(const struct head_shard *s, uint32_t ref, uint32_t *out_slot)
{
    const _Atomic uint32_t *cell = paged_find(&s->slots, ref);
    if (cell == NULL) return false;
    uint32_t v = atomic_load_explicit(cell, memory_order_acquire); /* partner: shard_publish */
    if (v == 0) return false;
    *out_slot = v - 1;
    return true;
}

const uint32_t *shard_key(const struct head_shard *s, const struct series_hot *h,
                          uint32_t *out_count)
{
    uint32_t handle = atomic_load_explicit(&h->key, memory_order_acquire);
    const uint32_t *key = (const uint32_t *)(const void *)slab_at(&s->keys, handle);
    *out_count = key[0];
    return key + 1;
}

static bool key_is(const struct head_shard *s, const struct pairs *pairs,
                   const struct series_hot *h, struct labels labels)
{
    uint32_t count;
    const uint32_t *key = shard_key(s, h, &count);
    if (count != labels.len) return false;
    for (uint32_t i = 0; i < count; i++) {
        struct pair pair = pairs_get(pairs, key[i]);
        if (!str_eq(pairs_symbol_text(pairs, pair.name), labels.ptr[i].name)) return false;
        if (!str_eq(pairs_symbol_text(pairs, pair.value), labels.ptr[i].value)) return false;
    }
    return true;
}

bool shard_find(const struct head_shard *s, const struct pairs *pairs, uint64_t hash,
                struct labels labels, uint32_t *out_slot)
{
    struct hash_probe probe = hash_index_probe(&s->series, (uint32_t)hash);
    for (uint32_t id; (id = hash_probe_next(&probe)) != 0;) {
        const struct series_hot *h = shard_hot(s, id - 1);
        if (h->hash != hash || !key_is(s, pairs, h, labels)) continue;
        *out_slot = id - 1;
        return true;
    }
    return false;
}

/* ---- life of a series ---- */

static uint32_t slot_take(struct head_shard *s)
{
    if (s->free_slot != 0) {
        uint32_t slot = s->free_slot - 1;
        s->free_slot = shard_hot(s, slot)->chunk;
        return slot;
    }
    uint32_t slot = s->slot_limit;
    if (slot >= SLOTS_MAX || !paged_ensure(&s->hot, slot) || !paged_ensure(&s->cold, slot))
        return UINT32_MAX;
    s->slot_limit++;
    return slot;
}

static void slot_give(struct head_shard *s, uint32_t slot)
{
    struct series_hot *h = shard_hot(s, slot);
    h->chunk = s->free_slot;
    s->free_slot = slot + 1;
}

enum err_code shard_draft(struct head_shard *s, struct series_draft *d, struct err *err)
{
    if (d->pair_count > SHARD_KEY_PAIRS_MAX) return err_set(err, ERR_LIMIT, "too many labels");
    size_t key_size = ((size_t)d->pair_count + 1) * sizeof(uint32_t);
    uint32_t class_index = slab_class_of(&s->keys, key_size);
    ASSERT(class_index < KEY_SIZES_COUNT);
    if (!hash_index_reserve(&s->series) || !paged_ensure(&s->slots, d->ref))
        return err_set(err, ERR_NOMEM, "no memory for series");
    uint32_t key = slab_alloc(&s->keys, class_index);
    if (key == 0) return err_set(err, ERR_NOMEM, "no memory for series");
    uint32_t slot = slot_take(s);
    if (slot == UINT32_MAX) {
        slab_free(&s->keys, key);
        return err_set(err, ERR_NOMEM, "no memory for series");
    }
    uint32_t *bytes = (uint32_t *)(void *)slab_at(&s->keys, key);
    bytes[0] = d->pair_count;
    memcpy(bytes + 1, d->pairs, d->pair_count * sizeof(uint32_t));
    struct series_hot *h = shard_hot(s, slot);
    memset(h, 0, sizeof *h);
    h->hash = d->hash;
    h->ref = d->ref;
    h->last_t = HEAD_NO_TIME;
    h->leading = HX_NO_WINDOW;
    atomic_store_explicit(&h->key, key, memory_order_release); /* partner: shard_key */
    *shard_cold(s, slot) = (struct series_cold){ 0 };
    d->slot = slot;
    return ERR_OK;
}

void shard_publish(struct head_shard *s, const struct series_draft *d)
{
    struct series_hot *h = shard_hot(s, d->slot);
    atomic_store_explicit(&h->flags, SERIES_LIVE, memory_order_relaxed);
    /* The reserve of shard_draft may have been used by another draft of the same batch. */
    bool has_room = hash_index_reserve(&s->series);
    ASSERT(has_room || s->series.now.used < s->series.now.cap);
    hash_index_insert(&s->series, (uint32_t)d->hash, d->slot + 1);
    _Atomic uint32_t *cell = paged_at(&s->slots, d->ref);
    atomic_store_explicit(cell, d->slot + 1, memory_order_release); /* partner: shard_slot_of */
    s->series_count++;
}

void shard_discard(struct head_shard *s, const struct series_draft *d)
{
    struct series_hot *h = shard_hot(s, d->slot);
    slab_free(&s->keys, atomic_load_explicit(&h->key, memory_order_relaxed));
    slot_give(s, d->slot);
}

void shard_unlink(struct head_shard *s, uint32_t slot)
{
    struct series_hot *h = shard_hot(s, slot);
    ASSERT(hot_is_live(h));
    ASSERT(h->chunk == 0);
    ASSERT(shard_cold(s, slot)->chunks == 0);
    bool was_there = hash_index_remove(&s->series, (uint32_t)h->hash, slot + 1);
    ASSERT(was_there);
    hot_set_flag(h, SERIES_LIVE, false);
    s->series_count--;
}

void shard_release_slot(struct head_shard *s, uint32_t slot)
{
    struct series_hot *h = shard_hot(s, slot);
    ASSERT(!hot_is_live(h));
    _Atomic uint32_t *cell = paged_at(&s->slots, h->ref);
    atomic_store_explicit(cell, 0, memory_order_relaxed);
    slab_free(&s->keys, atomic_load_explicit(&h->key, memory_order_relaxed));
    slot_give(s, slot);
}

void *shard_unlink_dead_refs(struct head_shard *s, uint32_t *ref)
{
    const uint32_t page = 1u << REF_PAGE_LOG2;
    uint32_t limit = atomic_load_explicit(&s->ref_limit, memory_order_relaxed);
    for (; *ref + page <= limit; *ref += page) {
        const _Atomic uint32_t *cells = paged_find(&s->slots, *ref);
        uint32_t used = 0;
        for (uint32_t i = 0; i < page && cells != NULL; i++)
            used |= atomic_load_explicit(&cells[i], memory_order_relaxed);
        if (cells == NULL || used != 0) continue;
        *ref += page;
        return paged_unlink_page(&s->slots, *ref - page);
    }
    return NULL;
}

/* ---- full chunks ---- */

uint32_t shard_node_create(struct head_shard *s)
{
    uint32_t node = s->free_node;
    if (node != 0) {
        s->free_node = shard_node(s, node)->older;
        return node;
    }
    if (s->node_limit == UINT32_MAX || !paged_ensure(&s->nodes, s->node_limit)) return 0;
    return s->node_limit++;
}

void shard_node_free(struct head_shard *s, uint32_t node)
{
    *shard_node(s, node) = (struct chunk_node){ .older = s->free_node };
    s->free_node = node;
}

bool shard_pending_reserve(struct head_shard *s)
{
    struct pending_page *last = s->pending_last;
    if (last != NULL && last->first + last->count < PENDING_PAGE_ENTRIES) return true;
    if (s->pending_spare == NULL)
        s->pending_spare = mem_alloc(s->mem, MEM_HEAD, sizeof *s->pending_spare);
    return s->pending_spare != NULL;
}

void shard_pending_push(struct head_shard *s, const struct pending_chunk *p)
{
    struct pending_page *last = s->pending_last;
    if (last == NULL || last->first + last->count == PENDING_PAGE_ENTRIES) {
        struct pending_page *page = s->pending_spare;
        ASSERT(page != NULL);
        s->pending_spare = NULL;
        page->next = NULL;
        page->first = page->count = 0;
        if (last != NULL) {
            last->next = page;
        } else {
            s->pending_first = page;
        }
        s->pending_last = last = page;
    }
    last->entries[last->first + last->count++] = *p;
    s->pending_count++;
    s->pending_bytes += p->size;
}

void shard_pending_pop(struct head_shard *s, uint64_t n)
{
    ASSERT(n <= s->pending_count);
    s->pending_count -= n;
    while (n > 0) {
        struct pending_page *page = s->pending_first;
        uint32_t k = n < page->count ? (uint32_t)n : page->count;
        for (uint32_t i = 0; i < k; i++)
            s->pending_bytes -= page->entries[page->first + i].size;
        page->first += k;
        page->count -= k;
        n -= k;
        if (page->count > 0) return;
        s->pending_first = page->next;
        if (page->next == NULL) s->pending_last = NULL;
        if (s->pending_spare == NULL) {
            s->pending_spare = page;
        } else {
            mem_free(s->mem, MEM_HEAD, page, sizeof *page);
        }
    }
}
