/* SPDX-License-Identifier: Apache-2.0
 *
 * The sorted values of a name: made when a query needs them, looked at by prefix.
 */
#include <string.h>

#include "base/assert.h"
#include "metrics/index/head_index_priv.h"
#include "metrics/index/id_sort.h"

struct pair_array {
    uint32_t *ptr;
    size_t count, cap;
};

static void pair_array_free(struct head_index *x, struct pair_array *a)
{
    mem_free(x->mem, MEM_INDEX, a->ptr, a->cap * sizeof *a->ptr);
    *a = (struct pair_array){ 0 };
}

static enum err_code pair_array_reserve(struct head_index *x, struct pair_array *a, size_t cap,
                                        struct err *err)
{
    if (cap <= a->cap) return ERR_OK;
    uint32_t *grown =
        mem_realloc(x->mem, MEM_INDEX, a->ptr, a->cap * sizeof *grown, cap * sizeof *grown);
    if (grown == NULL) return err_set(err, ERR_NOMEM, "no memory for the index");
    a->ptr = grown;
    a->cap = cap;
    return ERR_OK;
}

/* ---- sorting values in ---- */

/* All pairs of a name that have had series, after its lists were lost. */
static enum err_code rescan(struct head_index *x, uint32_t sym, struct pair_array *out,
                            struct err *err)
{
    uint32_t limit = head_pair_limit(x->head);
    for (uint32_t pair = 1; pair < limit; pair++) {
        struct head_pair p;
        const posting_cell *cell = paged_find(&x->postings, pair);
        if (cell == NULL || !posting_is_known(cell)) continue;
        if (!head_pair(x->head, pair, &p) || p.name_sym != sym) continue;
        if (out->count == out->cap) TRY(pair_array_reserve(x, out, out->cap * 2 + 64, err));
        out->ptr[out->count++] = pair;
    }
    return ERR_OK;
}

/* Rank in old->pairs[from..) of the first value that is not below `text`. */
static size_t place_of(const struct head_index *x, const struct value_list *old, size_t from,
                       struct str text)
{
    size_t lo = from;
    size_t hi = old != NULL ? old->count : 0;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (str_cmp(index_value_text(x, old->pairs[middle]), text) < 0) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo;
}

static size_t list_size(size_t count)
{
    return sizeof(struct value_list) + count * sizeof(uint32_t);
}

/* Merge sorted items into `old`, each pair once. The list is `most` long as allocated. */
static void merge_into(const struct head_index *x, const struct value_list *old,
                       const struct text_id *items, size_t count, struct value_list *l)
{
    size_t old_count = old != NULL ? old->count : 0;
    size_t at = 0; /* in old */
    l->count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t next = place_of(x, old, at, items[i].text);
        if (next > at) memcpy(l->pairs + l->count, old->pairs + at, (next - at) * sizeof(uint32_t));
        l->count += next - at;
        at = next;
        bool is_known = (at < old_count && old->pairs[at] == items[i].id) ||
                        (l->count > 0 && l->pairs[l->count - 1] == items[i].id);
        if (!is_known) l->pairs[l->count++] = items[i].id;
    }
    if (at == old_count) return;
    memcpy(l->pairs + l->count, old->pairs + at, (old_count - at) * sizeof(uint32_t));
    l->count += old_count - at;
}

static struct value_list *merge(struct head_index *x, const struct value_list *old,
                                const struct text_id *items, size_t count)
{
    size_t most = (old != NULL ? old->count : 0) + count;
    struct value_list *l = mem_alloc(x->mem, MEM_INDEX, list_size(most));
    if (l == NULL) return NULL;
    merge_into(x, old, items, count, l);
    if (l->count == most) return l;
    struct value_list *exact =
        mem_realloc(x->mem, MEM_INDEX, l, list_size(most), list_size(l->count));
    if (exact == NULL) mem_free(x->mem, MEM_INDEX, l, list_size(most));
    return exact;
}

static struct value_list *sort_in(struct head_index *x, const struct value_list *old,
                                  const struct pair_array *pairs)
{
    size_t size = pairs->count * sizeof(struct text_id);
    struct text_id *items = mem_alloc(x->mem, MEM_INDEX, size);
    if (items == NULL) return NULL;
    for (size_t i = 0; i < pairs->count; i++)
        items[i] =
            (struct text_id){ .id = pairs->ptr[i], .text = index_value_text(x, pairs->ptr[i]) };
    id_sort_by_text(items, pairs->count);
    struct value_list *l = merge(x, old, items, pairs->count);
    mem_free(x->mem, MEM_INDEX, items, size);
    return l;
}

/* How many pairs wait; 0 also for an unknown name. */
static size_t count_added(struct head_index *x, uint32_t sym, bool *out_rescan)
{
    MUTEX_SCOPE(&x->lock);
    const struct name_entry *e = index_find_name(x, sym);
    *out_rescan = e != NULL && e->must_rescan;
    return e != NULL ? e->added_count : 0;
}

/* The first `count` of them: more may have come meanwhile, none can have gone. */
static void copy_added(struct head_index *x, uint32_t sym, struct pair_array *out, size_t count)
{
    MUTEX_SCOPE(&x->lock);
    const struct name_entry *e = index_find_name(x, sym);
    ASSERT(e != NULL && e->added_count >= count);
    if (count > 0) memcpy(out->ptr, e->added, count * sizeof *out->ptr);
    out->count = count;
}

static void publish(struct head_index *x, uint32_t sym, struct value_list *fresh, size_t settled)
{
    mutex_lock(&x->lock);
    struct name_entry *e = index_find_name(x, sym);
    ASSERT(e != NULL);
    struct value_list *old = e->sorted;
    e->sorted = fresh;
    e->must_rescan = false;
    e->added_count -= (uint32_t)settled;
    if (e->added_count > 0) {
        memmove(e->added, e->added + settled, e->added_count * sizeof *e->added);
    } else {
        mem_free(x->mem, MEM_INDEX, e->added, e->added_cap * sizeof *e->added);
        e->added = NULL;
        e->added_cap = 0;
    }
    mutex_unlock(&x->lock);
    index_retire_list(x, old);
}

static enum err_code settle(struct head_index *x, uint32_t sym, struct pair_array *pairs,
                            struct err *err)
{
    bool is_rescan;
    size_t added = count_added(x, sym, &is_rescan);
    if (added == 0 && !is_rescan) return ERR_OK;
    TRY(pair_array_reserve(x, pairs, added, err));
    copy_added(x, sym, pairs, added);
    if (is_rescan) TRY(rescan(x, sym, pairs, err));
    mutex_lock(&x->lock);
    const struct value_list *old = index_find_name(x, sym)->sorted;
    mutex_unlock(&x->lock);
    if (is_rescan) old = NULL;
    struct value_list *fresh = sort_in(x, old, pairs);
    if (fresh == NULL) return err_set(err, ERR_NOMEM, "no memory for the index");
    publish(x, sym, fresh, added);
    return ERR_OK;
}

enum err_code index_settle(struct head_index *x, uint32_t sym, struct err *err)
{
    struct pair_array pairs = { 0 };
    MUTEX_SCOPE(&x->settle_lock); /* names are removed and lists replaced under it only */
    enum err_code rc = settle(x, sym, &pairs, err);
    pair_array_free(x, &pairs);
    return rc;
}

/* ---- looking at names ---- */

void index_name_view(struct head_index *x, uint32_t sym, struct name_view *out)
{
    *out = (struct name_view){ 0 };
    MUTEX_SCOPE(&x->lock);
    const struct name_entry *e = index_find_name(x, sym);
    if (e == NULL) return;
    out->is_known = true;
    out->has = posting_view(&e->has);
    if (e->sorted == NULL) return;
    out->pairs = e->sorted->pairs;
    out->pair_count = e->sorted->count;
}

void index_prefix_range(const struct head_index *x, const struct name_view *name, struct str prefix,
                        size_t *out_from, size_t *out_to)
{
    size_t bounds[2]; /* first value >= prefix; first one behind that does not begin with it */
    for (int which = 0; which < 2; which++) {
        size_t lo = which == 0 ? 0 : bounds[0];
        size_t hi = name->pair_count;
        while (lo < hi) {
            size_t middle = lo + (hi - lo) / 2;
            struct str text = index_value_text(x, name->pairs[middle]);
            bool is_before =
                str_cmp(text, prefix) < 0 || (which == 1 && str_starts_with(text, prefix));
            if (is_before) {
                lo = middle + 1;
            } else {
                hi = middle;
            }
        }
        bounds[which] = lo;
    }
    *out_from = bounds[0];
    *out_to = bounds[1];
}

uint32_t index_pair_of_series(const struct head_index *x, uint32_t id, uint32_t name_sym)
{
    struct head_series_id s = head_index_series(x, id);
    uint32_t count = 0;
    const uint32_t *pairs = head_series_pairs(x->head, s.shard, s.ref, &count);
    for (uint32_t i = 0; pairs != NULL && i < count; i++) {
        struct head_pair p;
        if (head_pair(x->head, pairs[i], &p) && p.name_sym == name_sym) return pairs[i];
    }
    return 0;
}
