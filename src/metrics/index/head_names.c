/* SPDX-License-Identifier: Apache-2.0
 *
 * Label names and values of the head.
 */
#include <string.h>

#include "base/assert.h"
#include "metrics/index/head_index_priv.h"
#include "metrics/index/id_sort.h"

#define READ_BATCH 256
#define CANCEL_EVERY 1024

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for labels");
}

static enum err_code put_text(struct arena *a, struct str text, struct str_list *out,
                              struct err *err)
{
    struct str copy = arena_str(a, text);
    if (copy.ptr == NULL && text.len > 0) return no_memory(err);
    out->ptr[out->len++] = copy;
    return ERR_OK;
}

/* ---- names ---- */

struct name_array {
    struct mem_budget *mem;
    struct text_id *items; /* id = symbol */
    size_t count, cap;
};

static enum err_code name_array_init(struct name_array *n, struct head_index *x, struct err *err)
{
    mutex_lock(&x->lock);
    size_t cap = x->by_symbol.count;
    mutex_unlock(&x->lock);
    cap += 16; /* some may come before they are copied */
    *n = (struct name_array){ .mem = x->mem, .cap = cap };
    n->items = mem_alloc(x->mem, MEM_QUERY, cap * sizeof *n->items);
    return n->items != NULL ? ERR_OK : no_memory(err);
}

static void name_array_deinit(struct name_array *n)
{
    mem_free(n->mem, MEM_QUERY, n->items, n->cap * sizeof *n->items);
}

/* All names, sorted by their texts. */
static void name_array_fill(struct name_array *n, struct head_index *x)
{
    mutex_lock(&x->lock);
    for (uint32_t id = 1; id < x->name_limit && n->count < n->cap; id++) {
        const struct name_entry *e = paged_at(&x->names, id);
        if (e->sym != 0) n->items[n->count++] = (struct text_id){ .id = e->sym };
    }
    mutex_unlock(&x->lock);
    for (size_t i = 0; i < n->count; i++)
        n->items[i].text = head_symbol(x->head, n->items[i].id);
    id_sort_by_text(n->items, n->count);
}

static enum err_code list_names(struct head_index *x, const struct name_array *names,
                                const struct postings *only, struct arena *a, struct str_list *out,
                                struct err *err)
{
    out->ptr = arena_array(a, struct str, names->count + 1);
    if (out->ptr == NULL) return no_memory(err);
    for (size_t i = 0; i < names->count; i++) {
        struct name_view name;
        index_name_view(x, names->items[i].id, &name);
        bool is_there = name.has.count > 0 && (only == NULL || posting_meets(&name.has, only));
        if (is_there) TRY(put_text(a, names->items[i].text, out, err));
    }
    return ERR_OK;
}

enum err_code head_index_names(struct head_index *x, const struct postings *only, struct arena *a,
                               struct str_list *out, struct err *err)
{
    struct name_array names;
    struct str_list list = { 0 };
    TRY(name_array_init(&names, x, err));
    name_array_fill(&names, x);
    struct epoch_guard guard = epoch_enter(x->epoch);
    enum err_code rc = list_names(x, &names, only, a, &list, err);
    epoch_leave(x->epoch, &guard);
    name_array_deinit(&names);
    if (rc == ERR_OK) *out = list;
    return rc;
}

/* ---- values ---- */

/* Each value whose posting meets the candidates. */
static enum err_code values_by_dictionary(struct head_index *x, const struct name_view *name,
                                          const struct head_values_query *q, struct arena *a,
                                          struct str_list *out, struct err *err)
{
    size_t most = name->pair_count;
    if (q->limit > 0 && q->limit < most) most = q->limit;
    out->ptr = arena_array_raw(a, struct str, most + 1);
    if (out->ptr == NULL) return no_memory(err);
    for (size_t i = 0; i < name->pair_count; i++) {
        if (i % CANCEL_EVERY == 0) TRY(cancel_check(q->cancel, err));
        struct posting_view v = index_posting_of(x, name->pairs[i]);
        if (v.count == 0 || (q->only != NULL && !posting_meets(&v, q->only))) continue;
        if (out->len == most) {
            out->is_truncated = true;
            return ERR_OK;
        }
        TRY(put_text(a, index_value_text(x, name->pairs[i]), out, err));
    }
    return ERR_OK;
}

/* The values of the candidates, as a set of pairs. */
static enum err_code collect_pairs(struct head_index *x, uint32_t sym,
                                   const struct head_values_query *q, struct postings *pairs,
                                   struct err *err)
{
    struct postings_iter it;
    uint32_t ids[READ_BATCH];
    postings_iter_init(&it, q->only);
    for (size_t n; (n = postings_iter_read(&it, ids, READ_BATCH)) > 0;) {
        size_t found = 0;
        TRY(cancel_check(q->cancel, err));
        for (size_t i = 0; i < n; i++) {
            uint32_t pair = index_pair_of_series(x, ids[i], sym);
            if (pair != 0) ids[found++] = pair;
        }
        TRY(postings_add_many(pairs, ids, found, err));
    }
    return ERR_OK;
}

static enum err_code list_pairs(struct head_index *x, const struct postings *pairs,
                                struct text_id *items, const struct head_values_query *q,
                                struct arena *a, struct str_list *out, struct err *err)
{
    struct postings_iter it;
    uint32_t ids[READ_BATCH];
    size_t count = 0;
    postings_iter_init(&it, pairs);
    for (size_t n; (n = postings_iter_read(&it, ids, READ_BATCH)) > 0;)
        for (size_t i = 0; i < n; i++)
            items[count++] = (struct text_id){ .id = ids[i], .text = index_value_text(x, ids[i]) };
    id_sort_by_text(items, count);
    out->is_truncated = q->limit > 0 && q->limit < count;
    size_t most = out->is_truncated ? q->limit : count;
    out->ptr = arena_array_raw(a, struct str, most + 1);
    if (out->ptr == NULL) return no_memory(err);
    for (size_t i = 0; i < most; i++)
        TRY(put_text(a, items[i].text, out, err));
    return ERR_OK;
}

static enum err_code values_by_series(struct head_index *x, uint32_t sym,
                                      const struct head_values_query *q, struct arena *a,
                                      struct str_list *out, struct err *err)
{
    CLEANUP(postings_destroy_p) struct postings *pairs = NULL;
    TRY(postings_create(x->mem, MEM_QUERY, &pairs, err));
    TRY(collect_pairs(x, sym, q, pairs, err));
    size_t size = (size_t)(postings_cardinality(pairs) + 1) * sizeof(struct text_id);
    struct text_id *items = mem_alloc(x->mem, MEM_QUERY, size);
    if (items == NULL) return no_memory(err);
    enum err_code rc = list_pairs(x, pairs, items, q, a, out, err);
    mem_free(x->mem, MEM_QUERY, items, size);
    return rc;
}

static enum err_code list_values(struct head_index *x, uint32_t sym,
                                 const struct head_values_query *q, struct arena *a,
                                 struct str_list *out, struct err *err)
{
    struct name_view name;
    index_name_view(x, sym, &name);
    if (!name.is_known) return ERR_OK;
    if (q->only != NULL && postings_cardinality(q->only) < name.pair_count)
        return values_by_series(x, sym, q, a, out, err);
    return values_by_dictionary(x, &name, q, a, out, err);
}

enum err_code head_index_values(struct head_index *x, const struct head_values_query *q,
                                struct arena *a, struct str_list *out, struct err *err)
{
    struct str_list list = { 0 };
    uint32_t sym = head_symbol_find(x->head, q->name);
    if (sym != 0) {
        TRY(index_settle(x, sym, err));
        struct epoch_guard guard = epoch_enter(x->epoch);
        enum err_code rc = list_values(x, sym, q, a, &list, err);
        epoch_leave(x->epoch, &guard);
        TRY(rc);
    }
    *out = list;
    return ERR_OK;
}

/* ---- everything ---- */

static enum err_code visit_name(struct head_index *x, const struct text_id *name, index_visit_fn fn,
                                void *arg, struct err *err)
{
    struct name_view view;
    index_name_view(x, name->id, &view);
    for (size_t i = 0; i < view.pair_count; i++) {
        struct posting_view v = index_posting_of(x, view.pairs[i]);
        if (v.count == 0) continue;
        struct index_visit visit = { name->text, index_value_text(x, view.pairs[i]), v.count };
        TRY(fn(arg, &visit, err));
    }
    return ERR_OK;
}

enum err_code head_index_visit(struct head_index *x, index_visit_fn fn, void *arg, struct err *err)
{
    struct name_array names;
    enum err_code rc = ERR_OK;
    TRY(name_array_init(&names, x, err));
    name_array_fill(&names, x);
    for (size_t i = 0; i < names.count && rc == ERR_OK; i++) {
        rc = index_settle(x, names.items[i].id, err);
        if (rc != ERR_OK) break;
        struct epoch_guard guard = epoch_enter(x->epoch);
        rc = visit_name(x, &names.items[i], fn, arg, err);
        epoch_leave(x->epoch, &guard);
    }
    name_array_deinit(&names);
    return rc;
}
