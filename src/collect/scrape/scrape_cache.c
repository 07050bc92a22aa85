/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/scrape/scrape_cache.h"

#define CAP_MIN 64
/* An entry that no scrape had for so many iterations is left out of the next rebuild. */
#define UNSEEN_MAX 10

void scrape_cache_init(struct scrape_cache *c, struct mem_budget *mem)
{
    *c = (struct scrape_cache){ .mem = mem };
}

void scrape_cache_deinit(struct scrape_cache *c)
{
    mem_free(c->mem, MEM_SCRAPE, c->entries, c->cap * sizeof *c->entries);
    *c = (struct scrape_cache){ 0 };
}

static bool is_free(const struct scrape_entry *e)
{
    return e->key.lo == 0 && e->key.hi == 0;
}

static bool is_wanted(const struct scrape_cache *c, const struct scrape_entry *e)
{
    return !is_free(e) && (e->is_stored || c->iteration - e->iteration <= UNSEEN_MAX);
}

static struct scrape_entry *slot_of(struct scrape_entry *entries, size_t cap, struct hash128 key)
{
    size_t i = (size_t)key.lo & (cap - 1);
    while (!is_free(&entries[i]) && !hash128_eq(entries[i].key, key))
        i = (i + 1) & (cap - 1);
    return &entries[i];
}

static bool fits(size_t count, size_t cap)
{
    return count * 10 <= cap * 7;
}

void scrape_cache_begin(struct scrape_cache *c)
{
    c->iteration++;
}

/* Make room for one more; the long unseen are left behind. */
static bool make_room(struct scrape_cache *c)
{
    if (c->cap && fits(c->count + 1, c->cap)) return true;
    size_t kept = 0, cap = CAP_MIN;
    for (size_t i = 0; i < c->cap; i++)
        kept += is_wanted(c, &c->entries[i]);
    while (!fits(kept + kept / 8 + 1, cap))
        cap *= 2;
    struct scrape_entry *entries = mem_zalloc(c->mem, MEM_SCRAPE, cap * sizeof *entries);
    if (!entries) return false;
    for (size_t i = 0; i < c->cap; i++) {
        if (!is_wanted(c, &c->entries[i])) continue;
        *slot_of(entries, cap, c->entries[i].key) = c->entries[i];
    }
    mem_free(c->mem, MEM_SCRAPE, c->entries, c->cap * sizeof *c->entries);
    c->entries = entries;
    c->cap = cap;
    c->count = kept;
    return true;
}

struct scrape_entry *scrape_cache_get(struct scrape_cache *c, struct hash128 key, bool *out_is_new)
{
    if (!make_room(c)) return NULL;
    struct scrape_entry *e = slot_of(c->entries, c->cap, key);
    *out_is_new = is_free(e);
    if (*out_is_new) {
        *e = (struct scrape_entry){ .key = key };
        c->count++;
    }
    return e;
}

struct scrape_entry *scrape_cache_next_missing(struct scrape_cache *c, size_t *pos)
{
    for (; *pos < c->cap; (*pos)++) {
        struct scrape_entry *e = &c->entries[*pos];
        if (!is_free(e) && e->is_stored && e->iteration != c->iteration)
            return &c->entries[(*pos)++];
    }
    return NULL;
}
