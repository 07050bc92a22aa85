/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/head_gc.h"

#include <string.h>

#include "base/assert.h"
#include "metrics/head/head_chunk.h"
#include "metrics/head/head_priv.h"

#define SLOT_STEP 1024u

enum gc_state { GC_IDLE, GC_ARMED, GC_SWEEP, GC_PAIRS, GC_RELEASE };

struct head_gc {
    struct head *h;
    enum gc_state state;
    _Atomic bool has_left; /* the readers of the moment of arming are gone */
    int64_t mint_ms;       /* of this truncation */
    int64_t done_mint_ms;  /* of the last one that was finished */
    uint32_t shard, slot;  /* where the sweep goes on */
    uint64_t removed;      /* series, in this truncation */
    struct pairs_gc pairs;
};

/* Slots of one shard that wait for readers. */
struct retired {
    struct head *h;
    uint32_t shard, count;
    uint32_t slots[SLOT_STEP];
    uint32_t refs[SLOT_STEP];
};

enum err_code head_gc_create(struct head *h, struct head_gc **out, struct err *err)
{
    struct head_gc *gc = mem_zalloc(h->mem, MEM_HEAD, sizeof *gc);
    if (gc == NULL) return err_set(err, ERR_NOMEM, "no memory for the head");
    gc->h = h;
    gc->done_mint_ms = INT64_MIN;
    *out = gc;
    return ERR_OK;
}

void head_gc_destroy(struct head_gc *gc)
{
    if (gc == NULL) return;
    (void)epoch_collect(gc->h->epoch); /* the callbacks below point to gc */
    if (gc->state == GC_PAIRS || gc->state == GC_RELEASE) pairs_gc_end(&gc->h->pairs, &gc->pairs);
    mem_free(gc->h->mem, MEM_HEAD, gc, sizeof *gc);
}

static void readers_left(void *arg, void *ptr, uint64_t size)
{
    (void)ptr;
    (void)size;
    struct head_gc *gc = arg;
    atomic_store_explicit(&gc->has_left, true, memory_order_release); /* partner: head_truncate */
}

static void arm(struct head_gc *gc, enum gc_state next)
{
    atomic_store_explicit(&gc->has_left, false, memory_order_relaxed);
    gc->state = next;
    epoch_retire(gc->h->epoch, gc, 0, readers_left, gc);
}

/* ---- sweep ---- */

static void drop_node(struct head_shard *s, uint32_t id)
{
    struct chunk_node *n = shard_node(s, id);
    if (n->flags & NODE_IN_MEMORY) {
        n->flags |= NODE_ORPHAN; /* still in the writer's queue: it frees the node */
    } else {
        shard_node_free(s, id);
    }
}

/* Chunks do not cross block ranges, so the range of the first sample tells where a chunk ends. */
static bool node_is_before(const struct head *h, const struct chunk_node *n, int64_t mint_ms)
{
    int64_t end;
    int64_t start = block_start((int64_t)n->mint_s * 1000, h->block_range_ms);
    return !__builtin_add_overflow(start, h->block_range_ms, &end) && end <= mint_ms;
}

static void drop_old_chunks(struct head_gc *gc, struct head_shard *s, uint32_t slot)
{
    struct series_hot *h = shard_hot(s, slot);
    if (h->count == 0 || h->last_t < gc->mint_ms) chunk_drop(s, h);
    uint32_t *link = &shard_cold(s, slot)->chunks;
    while (*link != 0 && !node_is_before(gc->h, shard_node(s, *link), gc->mint_ms))
        link = &shard_node(s, *link)->older;
    uint32_t id = *link;
    *link = 0;
    while (id != 0) {
        uint32_t older = shard_node(s, id)->older;
        drop_node(s, id);
        id = older;
    }
}

/* A series that never had a sample may just be about to get its first: it goes the second time. */
static bool is_dead(struct head_gc *gc, struct head_shard *s, uint32_t slot)
{
    struct series_hot *h = shard_hot(s, slot);
    if (h->chunk != 0 || shard_cold(s, slot)->chunks != 0) return false;
    if (h->last_t == HEAD_NO_TIME && !(hot_flags(h) & SERIES_IDLE)) {
        hot_set_flag(h, SERIES_IDLE, true);
        return false;
    }
    return h->last_t < gc->mint_ms;
}

static void sweep_slots(struct head_gc *gc, struct retired *out)
{
    struct head_shard *s = &gc->h->shards[gc->shard];
    MUTEX_SCOPE(&s->lock);
    uint32_t end = gc->slot + SLOT_STEP < s->slot_limit ? gc->slot + SLOT_STEP : s->slot_limit;
    for (; gc->slot < end; gc->slot++) {
        struct series_hot *h = shard_hot(s, gc->slot);
        if (!hot_is_live(h)) continue;
        drop_old_chunks(gc, s, gc->slot);
        if (!is_dead(gc, s, gc->slot)) continue;
        shard_unlink(s, gc->slot);
        out->slots[out->count] = gc->slot;
        out->refs[out->count++] = h->ref;
    }
    if (gc->slot >= s->slot_limit) {
        gc->slot = 0;
        gc->shard++;
    }
}

static void release_slots(void *arg, void *ptr, uint64_t size)
{
    struct head *h = arg;
    struct retired *r = ptr;
    struct head_shard *s = &h->shards[r->shard];
    mutex_lock(&s->lock);
    for (uint32_t i = 0; i < r->count; i++)
        shard_release_slot(s, r->slots[i]);
    mutex_unlock(&s->lock);
    mem_free(h->mem, MEM_HEAD, r, size);
}

static void sort_refs(uint32_t *refs, uint32_t count)
{
    for (uint32_t gap = count / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11) {
        for (uint32_t i = gap; i < count; i++) {
            uint32_t moving = refs[i];
            uint32_t k = i;
            for (; k >= gap && refs[k - gap] > moving; k -= gap)
                refs[k] = refs[k - gap];
            refs[k] = moving;
        }
    }
}

static void retire(struct head_gc *gc, struct retired *r)
{
    struct head *h = gc->h;
    if (r->count == 0) {
        mem_free(h->mem, MEM_HEAD, r, sizeof *r);
        return;
    }
    gc->removed += r->count;
    atomic_fetch_sub_explicit(&h->series_count, r->count, memory_order_relaxed);
    stat_add(&h->stats.series_removed, r->count);
    sort_refs(r->refs, r->count);
    if (h->listener.series_removed != NULL)
        h->listener.series_removed(h->listener.ctx, r->shard, r->refs, r->count);
    epoch_retire(h->epoch, r, sizeof *r, release_slots, h);
}

static bool alias_is_dead(void *ctx, const struct alias_target *t)
{
    struct head *h = ctx;
    if (t->shard >= h->shard_count) return true;
    /* A stale answer does no harm: entries are checked when they are used. */
    const struct series_hot *hot = paged_find(&h->shards[t->shard].hot, t->slot);
    uint32_t slot;
    return hot == NULL || !hot_is_live(hot) ||
           !shard_slot_of(&h->shards[t->shard], t->ref, &slot) || slot != t->slot;
}

/* One step of SLOT_STEP slots. */
static enum err_code sweep_step(struct head_gc *gc, struct err *err)
{
    struct head *h = gc->h;
    struct retired *r = mem_alloc(h->mem, MEM_HEAD, sizeof *r);
    if (r == NULL) return err_set(err, ERR_NOMEM, "no memory to forget old series");
    r->h = h;
    r->shard = gc->shard;
    r->count = 0;
    sweep_slots(gc, r);
    retire(gc, r);
    return ERR_OK;
}

static void end_sweep(struct head_gc *gc)
{
    struct head *h = gc->h;
    if (gc->removed > 0) alias_sweep(&h->alias, alias_is_dead, h);
    head_files_drop(h->files, block_start(gc->mint_ms, h->block_range_ms));
    int64_t first = atomic_load_explicit(&h->first_ms, memory_order_relaxed);
    while (first < gc->mint_ms &&
           !atomic_compare_exchange_weak_explicit(&h->first_ms, &first, gc->mint_ms,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
    stat_add(&h->stats.truncations, 1);
}

/* ---- pairs ---- */

static void mark_pairs(struct head_gc *gc, struct head_shard *s)
{
    for (uint32_t slot = 0;; slot += SLOT_STEP) {
        MUTEX_SCOPE(&s->lock);
        if (slot >= s->slot_limit) return;
        for (uint32_t i = slot; i < slot + SLOT_STEP && i < s->slot_limit; i++) {
            const struct series_hot *h = shard_hot(s, i);
            if (!hot_is_live(h)) continue;
            uint32_t count = 0;
            const uint32_t *key = shard_key(s, h, &count);
            for (uint32_t k = 0; k < count; k++)
                pairs_gc_mark(&gc->pairs, key[k]);
        }
    }
}

static enum err_code unlink_pairs(struct head_gc *gc, struct err *err)
{
    struct head *h = gc->h;
    for (uint32_t i = 0; i < h->shard_count; i++)
        mark_pairs(gc, &h->shards[i]);
    TRY(pairs_gc_unlink(&h->pairs, &gc->pairs, err));
    if (gc->pairs.dead_count > 0 && h->listener.pairs_removed != NULL)
        h->listener.pairs_removed(h->listener.ctx, gc->pairs.dead, gc->pairs.dead_count);
    return ERR_OK;
}

/* ---- refs ---- */

struct retired_refs {
    struct head *h;
    uint32_t shard;
    void *page;
};

static void free_refs(void *arg, void *ptr, uint64_t size)
{
    struct head *h = arg;
    struct retired_refs *r = ptr;
    struct head_shard *s = &h->shards[r->shard];
    mutex_lock(&s->lock);
    paged_free_unlinked(&s->slots, r->page);
    mutex_unlock(&s->lock);
    mem_free(h->mem, MEM_HEAD, r, size);
}

/* Pages of ref -> slot all of whose refs are dead. Without memory for the note: next time. */
static void drop_dead_refs(struct head *h)
{
    for (uint32_t i = 0; i < h->shard_count; i++) {
        struct head_shard *s = &h->shards[i];
        for (uint32_t ref = 0;;) {
            struct retired_refs *r = mem_alloc(h->mem, MEM_HEAD, sizeof *r);
            if (r == NULL) return;
            mutex_lock(&s->lock);
            *r = (struct retired_refs){ h, i, shard_unlink_dead_refs(s, &ref) };
            mutex_unlock(&s->lock);
            if (r->page == NULL) {
                mem_free(h->mem, MEM_HEAD, r, sizeof *r);
                break;
            }
            epoch_retire(h->epoch, r, sizeof *r, free_refs, h);
        }
    }
}

/* ---- machine ---- */

static void finish(struct head_gc *gc)
{
    gc->done_mint_ms = gc->mint_ms;
    gc->state = GC_IDLE;
}

static enum err_code step(struct head_gc *gc, struct err *err)
{
    struct head *h = gc->h;
    switch (gc->state) {
    case GC_IDLE:
        gc->mint_ms = head_mint_ms(h);
        gc->shard = gc->slot = 0;
        gc->removed = 0;
        arm(gc, GC_ARMED);
        return ERR_OK;
    case GC_ARMED: gc->state = GC_SWEEP; return ERR_OK;
    case GC_SWEEP:
        if (gc->shard < h->shard_count) return sweep_step(gc, err);
        end_sweep(gc);
        if (gc->removed == 0) {
            finish(gc);
            return ERR_OK;
        }
        TRY(pairs_gc_begin(&h->pairs, &gc->pairs, err));
        arm(gc, GC_PAIRS);
        return ERR_OK;
    case GC_PAIRS:
        TRY(unlink_pairs(gc, err));
        arm(gc, GC_RELEASE);
        return ERR_OK;
    case GC_RELEASE:
        pairs_gc_release(&h->pairs, &gc->pairs);
        pairs_gc_end(&h->pairs, &gc->pairs);
        drop_dead_refs(h);
        finish(gc);
        return ERR_OK;
    }
    UNREACHABLE();
}

static bool must_wait(const struct head_gc *gc)
{
    bool is_waiting = gc->state == GC_ARMED || gc->state == GC_PAIRS || gc->state == GC_RELEASE;
    return is_waiting && !atomic_load_explicit(&gc->has_left, memory_order_acquire);
}

enum err_code head_truncate(struct head *h, bool *out_done, struct err *err)
{
    struct head_gc *gc = h->gc;
    *out_done = false;
    for (;;) {
        (void)epoch_collect(h->epoch);
        if (gc->state == GC_IDLE && head_mint_ms(h) <= gc->done_mint_ms) {
            *out_done = true;
            return ERR_OK;
        }
        if (must_wait(gc)) return ERR_OK;
        TRY(step(gc, err));
    }
}

/* ---- oldest sample ---- */

static void oldest_of_slots(struct head *h, struct head_shard *s, uint32_t from, int64_t *oldest)
{
    int64_t mint = head_mint_ms(h);
    MUTEX_SCOPE(&s->lock);
    for (uint32_t slot = from; slot < s->slot_limit && slot < from + SLOT_STEP; slot++) {
        const struct series_hot *hot = shard_hot(s, slot);
        if (!hot_is_live(hot)) continue;
        if (hot->count > 0 && hot->last_t >= mint && hot->chunk_mint < *oldest)
            *oldest = hot->chunk_mint;
        for (uint32_t id = shard_cold(s, slot)->chunks; id != 0; id = shard_node(s, id)->older) {
            const struct chunk_node *n = shard_node(s, id);
            if (node_is_before(h, n, mint)) break;
            int64_t low = node_mint_low(n) == INT64_MIN ? 0 : node_mint_low(n);
            if (low < *oldest) *oldest = low;
        }
    }
}

int64_t head_scan_oldest(struct head *h)
{
    int64_t oldest = INT64_MAX;
    for (uint32_t i = 0; i < h->shard_count; i++) {
        struct head_shard *s = &h->shards[i];
        mutex_lock(&s->lock);
        uint32_t limit = s->slot_limit;
        mutex_unlock(&s->lock);
        for (uint32_t slot = 0; slot < limit; slot += SLOT_STEP)
            oldest_of_slots(h, s, slot, &oldest);
    }
    if (oldest == INT64_MAX) return HEAD_NO_TIME;
    int64_t mint = head_mint_ms(h);
    return oldest < mint ? mint : oldest;
}
