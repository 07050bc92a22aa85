/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/hash_index.h"

#include <string.h>

#include "base/assert.h"

#define CAP_MIN 64u
#define MOVE_STEP 64u

void hash_index_init(struct hash_index *h, struct mem_budget *mem, enum mem_account account)
{
    *h = (struct hash_index){ .mem = mem, .account = account };
}

static void table_free(struct hash_index *h, struct hash_table *t)
{
    if (t->slots != NULL) mem_free(h->mem, h->account, t->slots, t->cap * sizeof *t->slots);
    *t = (struct hash_table){ 0 };
}

void hash_index_deinit(struct hash_index *h)
{
    table_free(h, &h->now);
    table_free(h, &h->old);
    *h = (struct hash_index){ 0 };
}

static uint32_t home_of(const struct hash_table *t, uint32_t fingerprint)
{
    return (uint32_t)((uint64_t)fingerprint * t->cap >> 32);
}

static uint32_t after(const struct hash_table *t, uint32_t at)
{
    return at + 1 == t->cap ? 0 : at + 1;
}

static void table_put(struct hash_table *t, struct hash_slot slot)
{
    ASSERT(t->used < t->cap);
    uint32_t at = home_of(t, slot.fingerprint);
    while (t->slots[at].id != 0)
        at = after(t, at);
    t->slots[at] = slot;
    t->used++;
}

static uint32_t load_limit(uint32_t cap)
{
    return (uint32_t)((uint64_t)cap * 4 / 5);
}

/* Move up to `n` slots of the old table into the new one. */
static void move_some(struct hash_index *h, uint32_t n)
{
    if (h->old.slots == NULL) return;
    for (; n > 0 && h->moved < h->old.cap; n--, h->moved++) {
        struct hash_slot *slot = &h->old.slots[h->moved];
        if (slot->id == 0 || slot->id == HASH_INDEX_MOVED) continue;
        table_put(&h->now, *slot);
        slot->id = HASH_INDEX_MOVED; /* keeps the chains of the old table whole */
    }
    if (h->moved == h->old.cap) table_free(h, &h->old);
}

bool hash_index_reserve(struct hash_index *h)
{
    move_some(h, MOVE_STEP);
    if (h->now.used < load_limit(h->now.cap)) return true;
    move_some(h, UINT32_MAX); /* never two growths at once; almost always done long before */
    if (h->now.used < load_limit(h->now.cap)) return true;
    uint64_t cap = h->now.cap < CAP_MIN ? CAP_MIN : (uint64_t)h->now.cap + h->now.cap / 2;
    if (cap >= UINT32_MAX / 2) return false;
    struct hash_slot *slots = mem_zalloc(h->mem, h->account, cap * sizeof *slots);
    if (slots == NULL) return false;
    h->old = h->now;
    h->now = (struct hash_table){ slots, (uint32_t)cap, 0 };
    h->moved = 0;
    move_some(h, MOVE_STEP);
    return true;
}

void hash_index_insert(struct hash_index *h, uint32_t fingerprint, uint32_t id)
{
    ASSERT(id != 0 && id != HASH_INDEX_MOVED);
    table_put(&h->now, (struct hash_slot){ fingerprint, id });
    h->count++;
}

/* Position of the entry, or cap when it is not there. */
static uint32_t table_find(const struct hash_table *t, uint32_t fingerprint, uint32_t id)
{
    if (t->slots == NULL) return t->cap;
    uint32_t at = home_of(t, fingerprint);
    for (uint32_t left = t->cap; left > 0 && t->slots[at].id != 0; left--) {
        if (t->slots[at].id == id && t->slots[at].fingerprint == fingerprint) return at;
        at = after(t, at);
    }
    return t->cap;
}

/* Close the gap at `at`: entries behind it that may not stay move up (Knuth 6.4, algorithm R). */
static void table_close_gap(struct hash_table *t, uint32_t at)
{
    uint32_t gap = at;
    uint32_t next = after(t, at);
    while (t->slots[next].id != 0) {
        uint32_t home = home_of(t, t->slots[next].fingerprint);
        bool stays = gap <= next ? (home > gap && home <= next) : (home > gap || home <= next);
        if (!stays) {
            t->slots[gap] = t->slots[next];
            gap = next;
        }
        next = after(t, next);
    }
    t->slots[gap] = (struct hash_slot){ 0, 0 };
    t->used--;
}

bool hash_index_remove(struct hash_index *h, uint32_t fingerprint, uint32_t id)
{
    uint32_t at = table_find(&h->now, fingerprint, id);
    if (at < h->now.cap) {
        table_close_gap(&h->now, at);
    } else {
        at = table_find(&h->old, fingerprint, id);
        if (at >= h->old.cap) return false;
        h->old.slots[at].id = HASH_INDEX_MOVED;
    }
    h->count--;
    return true;
}

static void probe_table(struct hash_probe *p, const struct hash_table *t)
{
    p->table = t;
    p->left = t->slots != NULL ? t->cap : 0;
    p->at = t->slots != NULL ? home_of(t, p->fingerprint) : 0;
}

struct hash_probe hash_index_probe(const struct hash_index *h, uint32_t fingerprint)
{
    struct hash_probe p = { .index = h, .fingerprint = fingerprint };
    probe_table(&p, &h->now);
    return p;
}

uint32_t hash_probe_next(struct hash_probe *p)
{
    for (;;) {
        const struct hash_table *t = p->table;
        while (p->left > 0 && t->slots[p->at].id != 0) {
            struct hash_slot slot = t->slots[p->at];
            p->at = after(t, p->at);
            p->left--;
            if (slot.fingerprint == p->fingerprint && slot.id != HASH_INDEX_MOVED) return slot.id;
        }
        if (t == &p->index->old) return 0;
        probe_table(p, &p->index->old);
    }
}

uint64_t hash_index_size_bytes(const struct hash_index *h)
{
    return ((uint64_t)h->now.cap + h->old.cap) * sizeof(struct hash_slot);
}
