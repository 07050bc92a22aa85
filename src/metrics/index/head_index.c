/* SPDX-License-Identifier: Apache-2.0
 *
 * Life of the index and the hooks that keep it up to date.
 */
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "metrics/head/head_shard.h"
#include "metrics/index/head_index_priv.h"
#include "metrics/index/id_sort.h"

#define INDEX_MAGIC 0x58444e49u
#define PAIR_PAGE_LOG2 10u /* 8 KiB */
#define NAME_PAGE_LOG2 5u
#define RETIRED_BATCH 64u

/* ---- life ---- */

enum err_code head_index_create(struct mem_budget *mem, struct head_index **out, struct err *err)
{
    struct head_index *x = mem_zalloc(mem, MEM_INDEX, sizeof *x);
    if (x == NULL) return err_set(err, ERR_NOMEM, "no memory for the index");
    x->magic = INDEX_MAGIC;
    x->mem = mem;
    enum err_code rc = epoch_create(mem, &x->epoch, err);
    if (rc != ERR_OK) {
        mem_free(mem, MEM_INDEX, x, sizeof *x);
        return rc;
    }
    mutex_init(&x->settle_lock);
    mutex_init(&x->lock);
    paged_init(&x->postings, mem, MEM_INDEX, sizeof(posting_cell), PAIR_PAGE_LOG2);
    paged_init(&x->names, mem, MEM_INDEX, sizeof(struct name_entry), NAME_PAGE_LOG2);
    hash_index_init(&x->by_symbol, mem, MEM_INDEX);
    x->name_limit = 1;
    *out = x;
    return ERR_OK;
}

static void list_destroy(struct mem_budget *mem, struct value_list *l)
{
    if (l == NULL) return;
    mem_free(mem, MEM_INDEX, l, sizeof *l + l->count * sizeof l->pairs[0]);
}

static void free_lists(struct head_index *x, struct name_entry *e)
{
    list_destroy(x->mem, e->sorted);
    mem_free(x->mem, MEM_INDEX, e->added, e->added_cap * sizeof *e->added);
    e->sorted = NULL;
    e->added = NULL;
    e->added_count = e->added_cap = 0;
}

void head_index_destroy(struct head_index *x)
{
    if (x == NULL) return;
    ASSERT(x->magic == INDEX_MAGIC);
    for (uint32_t pair = 1; pair < x->pair_limit; pair++) {
        posting_cell *cell = paged_find(&x->postings, pair);
        if (cell != NULL) posting_clear(cell, &x->retired);
    }
    for (uint32_t i = 1; i < x->name_limit; i++) {
        struct name_entry *e = paged_at(&x->names, i);
        posting_clear(&e->has, &x->retired);
        free_lists(x, e);
    }
    posting_clear(&x->all, &x->retired);
    posting_retired_free(x->mem, &x->retired);
    epoch_destroy(x->epoch);
    paged_deinit(&x->postings);
    paged_deinit(&x->names);
    hash_index_deinit(&x->by_symbol);
    mutex_deinit(&x->lock);
    mutex_deinit(&x->settle_lock);
    x->magic = 0;
    mem_free(x->mem, MEM_INDEX, x, sizeof *x);
}

struct head_series_id head_index_series(const struct head_index *x, uint32_t id)
{
    return (struct head_series_id){ (uint32_t)((uint64_t)id >> x->ref_bits),
                                    id & (uint32_t)(((uint64_t)1 << x->ref_bits) - 1) };
}

static uint32_t id_of(const struct head_index *x, uint32_t shard, uint32_t ref)
{
    return (uint32_t)((uint64_t)shard << x->ref_bits) | ref;
}

/* Hand bodies that were replaced to the epoch, many at a time. Not under x->lock: with no memory
 * the epoch waits for readers. */
static void retire_bodies(struct head_index *x, struct posting_retired *list)
{
    if (list->first == NULL) return;
    epoch_retire(x->epoch, list->first, 0, posting_retired_release, x->mem);
    (void)epoch_collect(x->epoch);
}

static void release_list(void *arg, void *ptr, uint64_t size)
{
    mem_free(arg, MEM_INDEX, ptr, size);
}

void index_retire_list(struct head_index *x, struct value_list *l)
{
    if (l == NULL) return;
    epoch_retire(x->epoch, l, sizeof *l + l->count * sizeof l->pairs[0], release_list, x->mem);
    (void)epoch_collect(x->epoch);
}

/* ---- names ---- */

static uint32_t symbol_fingerprint(uint32_t sym)
{
    return (uint32_t)hash64(&sym, sizeof sym, 0);
}

struct name_entry *index_find_name(const struct head_index *x, uint32_t sym)
{
    struct hash_probe probe = hash_index_probe(&x->by_symbol, symbol_fingerprint(sym));
    for (uint32_t id; (id = hash_probe_next(&probe)) != 0;) {
        struct name_entry *e = paged_at(&x->names, id);
        if (e->sym == sym) return e;
    }
    return NULL;
}

static struct name_entry *find_or_add_name(struct head_index *x, uint32_t sym)
{
    struct name_entry *e = index_find_name(x, sym);
    if (e != NULL) return e;
    if (!hash_index_reserve(&x->by_symbol)) return NULL;
    uint32_t id = x->free_name;
    if (id != 0) {
        x->free_name = ((struct name_entry *)paged_at(&x->names, id))->next_free;
    } else {
        id = x->name_limit;
        if (!paged_ensure(&x->names, id)) return NULL;
        x->name_limit++;
    }
    e = paged_at(&x->names, id);
    e->sym = sym;
    e->next_free = 0;
    hash_index_insert(&x->by_symbol, symbol_fingerprint(sym), id);
    return e;
}

static void remove_name(struct head_index *x, struct name_entry *e, uint32_t id)
{
    bool was_there = hash_index_remove(&x->by_symbol, symbol_fingerprint(e->sym), id);
    ASSERT(was_there);
    posting_clear(&e->has, &x->retired);
    free_lists(x, e); /* empty: no reader looks at it */
    e->sym = 0;
    e->must_rescan = e->has_dead = false;
    e->next_free = x->free_name;
    x->free_name = id;
}

static bool reserve_added(struct head_index *x, struct name_entry *e)
{
    if (e->added_count < e->added_cap) return true;
    uint32_t cap = e->added_cap < 4 ? 4 : e->added_cap + e->added_cap / 2;
    uint32_t *grown =
        mem_realloc(x->mem, MEM_INDEX, e->added, e->added_cap * sizeof *grown, cap * sizeof *grown);
    if (grown == NULL) return false;
    e->added = grown;
    e->added_cap = cap;
    return true;
}

/* ---- a new series ---- */

/* Everything that can fail. */
static bool reserve_pair(struct head_index *x, uint32_t pair, struct name_entry **out_name)
{
    struct head_pair p;
    if (!head_pair(x->head, pair, &p) || !paged_ensure(&x->postings, pair)) return false;
    if (pair >= x->pair_limit) x->pair_limit = pair + 1;
    posting_cell *cell = paged_at(&x->postings, pair);
    struct name_entry *e = find_or_add_name(x, p.name_sym);
    if (e == NULL) return false;
    *out_name = e;
    if (!posting_is_known(cell) && !reserve_added(x, e)) return false;
    return posting_reserve(x->mem, cell, &x->retired) &&
           posting_reserve(x->mem, &e->has, &x->retired);
}

static bool add_series(struct head_index *x, uint32_t id, const uint32_t *pairs, uint32_t count)
{
    struct name_entry *names[SHARD_KEY_PAIRS_MAX];
    ASSERT(count <= SHARD_KEY_PAIRS_MAX);
    if (!posting_reserve(x->mem, &x->all, &x->retired)) return false;
    for (uint32_t i = 0; i < count; i++)
        if (!reserve_pair(x, pairs[i], &names[i])) return false;
    for (uint32_t i = 0; i < count; i++) {
        posting_cell *cell = paged_at(&x->postings, pairs[i]);
        if (!posting_is_known(cell)) names[i]->added[names[i]->added_count++] = pairs[i];
        posting_add(cell, id);
        posting_add(&names[i]->has, id);
    }
    posting_add(&x->all, id);
    return true;
}

static enum err_code on_series_created(void *ctx, uint32_t shard, uint32_t ref,
                                       const uint32_t *pairs, uint32_t pair_count)
{
    struct head_index *x = ctx;
    struct posting_retired retired = { 0 };
    if ((uint64_t)ref >> x->ref_bits != 0) return ERR_LIMIT;
    mutex_lock(&x->lock);
    bool is_added = add_series(x, id_of(x, shard, ref), pairs, pair_count);
    if (x->retired.count >= RETIRED_BATCH) {
        retired = x->retired;
        x->retired = (struct posting_retired){ 0 };
    }
    mutex_unlock(&x->lock);
    retire_bodies(x, &retired);
    return is_added ? ERR_OK : ERR_NOMEM;
}

/* ---- series that are gone ---- */

/* Remove from one posting under the lock; keys[from, to) share the upper half. */
static void remove_ids(struct head_index *x, posting_cell *cell, uint32_t *ids, size_t count)
{
    struct posting_retired retired;
    mutex_lock(&x->lock);
    /* No memory: the ids stay; readers skip series that are not there. */
    if (posting_remove(x->mem, cell, ids, count, &x->retired) != ERR_OK) x->left_behind += count;
    retired = x->retired;
    x->retired = (struct posting_retired){ 0 };
    mutex_unlock(&x->lock);
    retire_bodies(x, &retired);
}

/* Keys are (pair or name symbol) << 32 | id. */
static void remove_keys(struct head_index *x, uint64_t *keys, uint64_t *scratch, size_t count,
                        bool are_names)
{
    id_sort_by_upper(keys, scratch, count);
    uint32_t *ids = (uint32_t *)scratch;
    for (size_t i = 0; i < count;) {
        uint32_t upper = (uint32_t)(keys[i] >> 32);
        size_t n = 0;
        for (; i < count && keys[i] >> 32 == upper; i++)
            ids[n++] = (uint32_t)keys[i];
        posting_cell *cell = NULL;
        if (are_names) {
            mutex_lock(&x->lock);
            struct name_entry *e = index_find_name(x, upper);
            if (e != NULL) cell = &e->has; /* entries are removed by this thread only */
            mutex_unlock(&x->lock);
        } else {
            cell = paged_find(&x->postings, upper);
        }
        if (cell != NULL) remove_ids(x, cell, ids, n);
    }
}

static size_t count_pairs(const struct head_index *x, uint32_t shard, const uint32_t *refs,
                          size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t n = 0;
        if (head_series_pairs(x->head, shard, refs[i], &n) != NULL) sum += n;
    }
    return sum;
}

static void collect_keys(const struct head_index *x, uint32_t shard, const uint32_t *refs,
                         size_t count, uint64_t *pairs, uint64_t *names)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t n = 0;
        const uint32_t *key = head_series_pairs(x->head, shard, refs[i], &n);
        for (uint32_t k = 0; key != NULL && k < n; k++, at++) {
            struct head_pair p = { 0 };
            (void)head_pair(x->head, key[k], &p);
            uint32_t id = id_of(x, shard, refs[i]);
            pairs[at] = (uint64_t)key[k] << 32 | id;
            names[at] = (uint64_t)p.name_sym << 32 | id;
        }
    }
}

static void on_series_removed(void *ctx, uint32_t shard, const uint32_t *refs, size_t count)
{
    struct head_index *x = ctx;
    size_t pairs = count_pairs(x, shard, refs, count);
    size_t size = (3 * pairs + count + 1) * sizeof(uint64_t);
    uint64_t *work = mem_alloc(x->mem, MEM_INDEX, size);
    if (work == NULL) return;
    collect_keys(x, shard, refs, count, work, work + pairs);
    remove_keys(x, work, work + 2 * pairs, pairs, false);
    remove_keys(x, work + pairs, work + 2 * pairs, pairs, true);
    uint32_t *ids = (uint32_t *)work;
    for (size_t i = 0; i < count; i++)
        ids[i] = id_of(x, shard, refs[i]);
    remove_ids(x, &x->all, ids, count);
    mem_free(x->mem, MEM_INDEX, work, size);
}

/* ---- pairs that are gone ---- */

static bool is_dead(const uint32_t *dead, size_t count, uint32_t pair)
{
    size_t lo = 0;
    size_t hi = count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (dead[middle] < pair) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo < count && dead[lo] == pair;
}

/* Clear the postings, mark the names that lose values. */
static void clear_pairs(struct head_index *x, const uint32_t *dead, size_t count)
{
    MUTEX_SCOPE(&x->lock);
    for (size_t i = 0; i < count; i++) {
        struct head_pair p;
        posting_cell *cell = paged_find(&x->postings, dead[i]);
        if (cell == NULL || !posting_is_known(cell) || !head_pair(x->head, dead[i], &p)) continue;
        posting_clear(cell, &x->retired);
        struct name_entry *e = index_find_name(x, p.name_sym);
        if (e != NULL) e->has_dead = true;
    }
}

static void filter_added(struct name_entry *e, const uint32_t *dead, size_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < e->added_count; i++)
        if (!is_dead(dead, count, e->added[i])) e->added[kept++] = e->added[i];
    e->added_count = kept;
}

/* A list without the dead; *out NULL: nothing is left. False: no memory. */
static bool filter_sorted(struct head_index *x, const struct value_list *old, const uint32_t *dead,
                          size_t count, struct value_list **out)
{
    size_t kept = 0;
    *out = NULL;
    for (size_t i = 0; old != NULL && i < old->count; i++)
        kept += !is_dead(dead, count, old->pairs[i]);
    if (kept == 0) return true;
    struct value_list *l = mem_alloc(x->mem, MEM_INDEX, sizeof *l + kept * sizeof l->pairs[0]);
    if (l == NULL) return false;
    l->count = 0;
    for (size_t i = 0; i < old->count; i++)
        if (!is_dead(dead, count, old->pairs[i])) l->pairs[l->count++] = old->pairs[i];
    *out = l;
    return true;
}

/* Under settle_lock: nobody else replaces `sorted`. */
static void drop_dead_values(struct head_index *x, uint32_t id, const uint32_t *dead, size_t count)
{
    struct name_entry *e = paged_at(&x->names, id);
    struct value_list *old = e->sorted;
    struct value_list *fresh = NULL;
    bool has_memory = filter_sorted(x, old, dead, count, &fresh);
    mutex_lock(&x->lock);
    e->sorted = fresh;
    e->has_dead = false;
    if (!has_memory) e->must_rescan = true;
    filter_added(e, dead, count);
    if (e->sorted == NULL && e->added_count == 0 && !e->must_rescan) remove_name(x, e, id);
    mutex_unlock(&x->lock);
    index_retire_list(x, old);
}

static void on_pairs_removed(void *ctx, const uint32_t *dead, size_t count)
{
    struct head_index *x = ctx;
    MUTEX_SCOPE(&x->settle_lock);
    clear_pairs(x, dead, count);
    for (uint32_t id = 1;; id++) {
        mutex_lock(&x->lock);
        bool is_end = id >= x->name_limit;
        bool has_dead = !is_end && ((struct name_entry *)paged_at(&x->names, id))->has_dead;
        mutex_unlock(&x->lock);
        if (is_end) break;
        if (has_dead) drop_dead_values(x, id, dead, count);
    }
    mutex_lock(&x->lock);
    struct posting_retired retired = x->retired;
    x->retired = (struct posting_retired){ 0 };
    mutex_unlock(&x->lock);
    retire_bodies(x, &retired);
}

void head_index_attach(struct head_index *x, const struct head *head,
                       struct head_listener *out_listener)
{
    uint32_t shards = head_shard_count(head);
    ASSERT(shards > 0 && (shards & (shards - 1)) == 0);
    x->head = head;
    x->shard_count = shards;
    x->ref_bits = (uint8_t)(32 - __builtin_ctz(shards));
    *out_listener =
        (struct head_listener){ x, on_series_created, on_series_removed, on_pairs_removed };
}

void head_index_status(struct head_index *x, struct head_index_status *out)
{
    MUTEX_SCOPE(&x->lock);
    *out = (struct head_index_status){ x->by_symbol.count, x->left_behind };
}
