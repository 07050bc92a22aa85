/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/alias.h"

#include <string.h>

#include "base/assert.h"

#define CAP_MIN 32u
#define MOVE_STEP 64u
#define SWEEP_STEP 2048u
#define SHARD_MASK 63u
#define ALIAS_MOVED UINT32_MAX

void alias_init(struct alias *a, struct mem_budget *mem)
{
    memset(a, 0, sizeof *a);
    for (uint32_t i = 0; i < ALIAS_STRIPES; i++) {
        mutex_init(&a->stripes[i].lock);
        a->stripes[i].mem = mem;
    }
}

static void table_free(struct alias_stripe *s, struct alias_table *t)
{
    if (t->entries != NULL) mem_free(s->mem, MEM_HEAD, t->entries, t->cap * sizeof *t->entries);
    *t = (struct alias_table){ 0 };
}

void alias_deinit(struct alias *a)
{
    for (uint32_t i = 0; i < ALIAS_STRIPES; i++) {
        table_free(&a->stripes[i], &a->stripes[i].now);
        table_free(&a->stripes[i], &a->stripes[i].old);
        mutex_deinit(&a->stripes[i].lock);
    }
    memset(a, 0, sizeof *a);
}

static uint32_t home_of(const struct alias_table *t, uint64_t hi)
{
    return (uint32_t)((hi >> 32) * t->cap >> 32);
}

static uint32_t after(const struct alias_table *t, uint32_t at)
{
    return at + 1 == t->cap ? 0 : at + 1;
}

static bool is_entry_of(const struct alias_entry *e, struct hash128 h)
{
    return e->lo == h.lo && (e->hi | SHARD_MASK) == (h.hi | SHARD_MASK) && e->ref != ALIAS_MOVED;
}

/* NULL when it is not there. */
static struct alias_entry *table_find(const struct alias_table *t, struct hash128 h)
{
    if (t->entries == NULL) return NULL;
    uint32_t at = home_of(t, h.hi);
    for (uint32_t left = t->cap; left > 0 && t->entries[at].ref != 0; left--) {
        if (is_entry_of(&t->entries[at], h)) return &t->entries[at];
        at = after(t, at);
    }
    return NULL;
}

static struct alias_entry *stripe_find(const struct alias_stripe *s, struct hash128 h)
{
    struct alias_entry *e = table_find(&s->now, h);
    return e != NULL ? e : table_find(&s->old, h);
}

void alias_prefetch(const struct alias_stripe *s, struct hash128 h)
{
    if (s->now.entries != NULL) __builtin_prefetch(&s->now.entries[home_of(&s->now, h.hi)]);
}

bool alias_find(const struct alias_stripe *s, struct hash128 h, struct alias_target *out)
{
    const struct alias_entry *e = stripe_find(s, h);
    if (e == NULL) return false;
    *out = (struct alias_target){ (uint32_t)(e->hi & SHARD_MASK), e->slot, e->ref };
    return true;
}

static void table_put(struct alias_table *t, const struct alias_entry *e)
{
    ASSERT(t->used < t->cap);
    uint32_t at = home_of(t, e->hi);
    while (t->entries[at].ref != 0)
        at = after(t, at);
    t->entries[at] = *e;
    t->used++;
}

static void move_some(struct alias_stripe *s, uint32_t n)
{
    if (s->old.entries == NULL) return;
    for (; n > 0 && s->moved < s->old.cap; n--, s->moved++) {
        struct alias_entry *e = &s->old.entries[s->moved];
        if (e->ref == 0 || e->ref == ALIAS_MOVED) continue;
        table_put(&s->now, e);
        e->ref = ALIAS_MOVED; /* keeps the chains of the old table whole */
    }
    if (s->moved == s->old.cap) table_free(s, &s->old);
}

static bool has_room(const struct alias_table *t)
{
    return (uint64_t)t->used * 5 < (uint64_t)t->cap * 4;
}

static bool reserve(struct alias_stripe *s)
{
    move_some(s, MOVE_STEP);
    if (has_room(&s->now)) return true;
    move_some(s, UINT32_MAX);
    if (has_room(&s->now)) return true;
    uint64_t cap = s->now.cap < CAP_MIN ? CAP_MIN : (uint64_t)s->now.cap + s->now.cap / 2;
    if (cap > UINT32_MAX / 2) return false;
    struct alias_entry *entries = mem_zalloc(s->mem, MEM_HEAD, cap * sizeof *entries);
    if (entries == NULL) return false;
    s->old = s->now;
    s->now = (struct alias_table){ entries, (uint32_t)cap, 0 };
    s->moved = 0;
    move_some(s, MOVE_STEP);
    return true;
}

void alias_put(struct alias *a, struct hash128 h, const struct alias_target *target)
{
    ASSERT(target->shard <= SHARD_MASK);
    ASSERT(target->ref != 0 && target->ref != ALIAS_MOVED);
    struct alias_stripe *s = &a->stripes[alias_stripe_of(h)];
    struct alias_entry entry = { h.lo, (h.hi & ~(uint64_t)SHARD_MASK) | target->shard, target->slot,
                                 target->ref };
    MUTEX_SCOPE(&s->lock);
    struct alias_entry *known = stripe_find(s, h);
    if (known != NULL) {
        *known = entry;
    } else if (reserve(s)) {
        table_put(&s->now, &entry);
        s->count++;
    }
}

/* Close the gap at `at` (Knuth 6.4, algorithm R). */
static void close_gap(struct alias_table *t, uint32_t at)
{
    uint32_t gap = at;
    for (uint32_t next = after(t, at); t->entries[next].ref != 0; next = after(t, next)) {
        uint32_t home = home_of(t, t->entries[next].hi);
        bool stays = gap <= next ? (home > gap && home <= next) : (home > gap || home <= next);
        if (stays) continue;
        t->entries[gap] = t->entries[next];
        gap = next;
    }
    t->entries[gap] = (struct alias_entry){ 0 };
    t->used--;
}

void alias_sweep(struct alias *a, bool (*is_dead)(void *ctx, const struct alias_target *t),
                 void *ctx)
{
    for (uint32_t i = 0; i < ALIAS_STRIPES; i++) {
        struct alias_stripe *s = &a->stripes[i];
        for (uint32_t at = 0, is_done = 0; !is_done;) {
            MUTEX_SCOPE(&s->lock);
            move_some(s, UINT32_MAX);
            for (uint32_t n = 0; n < SWEEP_STEP && at < s->now.cap; n++) {
                const struct alias_entry *e = &s->now.entries[at];
                struct alias_target t = { (uint32_t)(e->hi & SHARD_MASK), e->slot, e->ref };
                if (e->ref == 0 || !is_dead(ctx, &t)) {
                    at++;
                    continue;
                }
                close_gap(&s->now, at); /* another entry may be here now: look again */
                s->count--;
            }
            is_done = at >= s->now.cap;
        }
    }
}

uint64_t alias_count(struct alias *a)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < ALIAS_STRIPES; i++) {
        MUTEX_SCOPE(&a->stripes[i].lock);
        n += a->stripes[i].count;
    }
    return n;
}

uint64_t alias_size_bytes(struct alias *a)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < ALIAS_STRIPES; i++) {
        MUTEX_SCOPE(&a->stripes[i].lock);
        n += ((uint64_t)a->stripes[i].now.cap + a->stripes[i].old.cap) * sizeof(struct alias_entry);
    }
    return n;
}
