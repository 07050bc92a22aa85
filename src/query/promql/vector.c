/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors: names, groupings, equal label sets.
 */
#include <stdlib.h>

#include "query/promql/eval.h"

static bool is_metadata(struct str name)
{
    return str_eq(name, LABEL_METRIC_NAME) || str_eq(name, STR("__type__")) ||
           str_eq(name, STR("__unit__"));
}

enum err_code labels_without_metadata(struct eval *e, struct labels in, struct labels *out)
{
    struct label *kept = arena_array_raw(e->arena, struct label, in.len + 1);
    size_t n = 0;
    if (!kept) return eval_fail_nomem(e);
    for (size_t i = 0; i < in.len; i++) {
        if (!is_metadata(in.ptr[i].name)) kept[n++] = in.ptr[i];
    }
    *out = (struct labels){ kept, n };
    return ERR_OK;
}

static bool is_listed(const struct label_grouping *g, struct str name)
{
    size_t low = 0, high = g->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(g->names[middle], name);
        if (order == 0) return true;
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

static bool is_kept(const struct label_grouping *g, struct str name)
{
    if (!g->is_without) return is_listed(g, name);
    return !is_listed(g, name) && !str_eq(name, LABEL_METRIC_NAME);
}

#define LABELS_ON_STACK 64

struct hash128 grouping_hash(struct labels labels, const struct label_grouping *g)
{
    struct label kept[LABELS_ON_STACK];
    size_t n = 0;
    for (size_t i = 0; i < labels.len && n < LABELS_ON_STACK; i++) {
        if (is_kept(g, labels.ptr[i].name)) kept[n++] = labels.ptr[i];
    }
    return labels_hash128((struct labels){ kept, n }, 0);
}

enum err_code grouping_labels(struct eval *e, struct labels labels, const struct label_grouping *g,
                              struct labels *out)
{
    struct label *kept = arena_array_raw(e->arena, struct label, labels.len + 1);
    size_t n = 0;
    if (!kept) return eval_fail_nomem(e);
    for (size_t i = 0; i < labels.len; i++) {
        if (is_kept(g, labels.ptr[i].name)) kept[n++] = labels.ptr[i];
    }
    *out = (struct labels){ kept, n };
    return ERR_OK;
}

static int compare_str(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

enum err_code sorted_names(struct eval *e, struct promql_names names, struct str extra,
                           struct label_grouping *out)
{
    struct str *copy = arena_array(e->arena, struct str, names.len + 1);
    size_t n = names.len;
    if (!copy) return eval_fail_nomem(e);
    if (n) memcpy(copy, names.ptr, n * sizeof *copy);
    if (extra.len) copy[n++] = extra;
    if (n) qsort(copy, n, sizeof *copy, compare_str);
    out->names = copy;
    out->count = n;
    return ERR_OK;
}

/* ---- dense ids ---- */

static size_t table_size(size_t count)
{
    size_t cap = 16;
    while (cap < count * 2)
        cap *= 2;
    return cap;
}

enum err_code group_ids(struct eval *e, const struct hash128 *keys, size_t count, uint32_t *out,
                        size_t *out_count)
{
    size_t cap = table_size(count), groups = 0;
    /* slot: 0 free, else index of the first key with that hash, + 1 */
    uint32_t *slots = arena_array(e->arena, uint32_t, cap);
    if (!slots) return eval_fail_nomem(e);
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)keys[i].lo & (cap - 1);
        while (slots[at] && !hash128_eq(keys[slots[at] - 1], keys[i]))
            at = (at + 1) & (cap - 1);
        if (slots[at]) {
            out[i] = out[slots[at] - 1];
        } else {
            slots[at] = (uint32_t)i + 1;
            out[i] = (uint32_t)groups++;
        }
    }
    *out_count = groups;
    return ERR_OK;
}

/* ---- names and duplicates ---- */

static enum err_code join_rows(struct eval *e, const struct grid *g, struct row into,
                               struct row from)
{
    for (size_t k = 0; k < g->count; k++) {
        if (!from.has[k]) continue;
        if (into.has[k]) {
            return eval_fail(e, ERR_INVALID,
                             "vector cannot contain metrics with the same labelset");
        }
        into.has[k] = 1;
        into.value[k] = from.value[k];
    }
    return ERR_OK;
}

enum err_code vector_settle_names(struct eval *e, const struct grid *g, struct vector *v)
{
    struct hash128 *keys = arena_array_raw(e->arena, struct hash128, v->count + 1);
    uint32_t *ids = arena_array_raw(e->arena, uint32_t, v->count + 1);
    size_t groups, n = 0;
    if (!keys || !ids) return eval_fail_nomem(e);
    for (size_t i = 0; i < v->count; i++) {
        struct eval_series *s = &v->series[i];
        if (s->drop_name) TRY(labels_without_metadata(e, s->labels, &s->labels));
        s->drop_name = false;
        keys[i] = labels_hash128(s->labels, 0);
    }
    TRY(group_ids(e, keys, v->count, ids, &groups));
    if (groups == v->count) return ERR_OK;
    /* ids are given in order of first appearance: series n is the first of group n */
    for (size_t i = 0; i < v->count; i++) {
        if (ids[i] == n) {
            v->series[n++] = v->series[i];
        } else {
            TRY(join_rows(e, g, v->series[ids[i]].row, v->series[i].row));
        }
    }
    v->count = n;
    return ERR_OK;
}

enum err_code vector_after_call(struct eval *e, const struct grid *g, struct vector *v)
{
    return e->options->delayed_name_removal ? ERR_OK : vector_settle_names(e, g, v);
}

/* Does the selector that feeds the stream ask for one metric by name? */
static bool has_one_name(const struct promql_expr *x)
{
    while (x) {
        x = promql_unwrap(x);
        if (x->kind == PROMQL_MATRIX_SELECTOR) x = x->matrix->selector;
        if (x->kind == PROMQL_VECTOR_SELECTOR) {
            for (size_t i = 0; i < x->selector->matchers.len; i++) {
                const struct matcher *m = &x->selector->matchers.ptr[i];
                if (m->type == MATCH_EQ && str_eq(m->name, LABEL_METRIC_NAME)) return true;
            }
            return false;
        }
        const struct promql_expr *next = NULL;
        for (size_t i = 0; promql_child(x, i); i++) {
            const struct promql_expr *child = promql_child(x, i);
            if (child->type == PROMQL_VECTOR || child->type == PROMQL_MATRIX) next = child;
        }
        x = next;
    }
    return false;
}

/* Functions of a range do not join series of equal labels, even where they have no step in
 * common. */
static enum err_code refuse_equal_series(struct eval *e, const struct grid *g, struct vector *v)
{
    vector_drop_empty(g, v);
    const size_t before = v->count;
    TRY(vector_settle_names(e, g, v));
    if (v->count == before) return ERR_OK;
    return eval_fail(e, ERR_INVALID, "vector cannot contain metrics with the same labelset");
}

enum err_code stream_settle_names(struct eval *e, const struct grid *g, struct stream *s)
{
    size_t count = stream_count(s), groups;
    struct label_grouping all = { .is_without = true };
    struct vector v;
    if (s->is_settled || !s->drop_name || e->options->delayed_name_removal) return ERR_OK;
    s->is_settled = true;
    if (s->set && has_one_name(s->expr)) return ERR_OK;
    struct hash128 *keys = arena_array_raw(e->arena, struct hash128, count + 1);
    uint32_t *ids = arena_array_raw(e->arena, uint32_t, count + 1);
    if (!keys || !ids) return eval_fail_nomem(e);
    TRY(stream_group_hashes(e, s, &all, keys));
    TRY(group_ids(e, keys, count, ids, &groups));
    if (groups == count) return ERR_OK;
    /* Did the function of the range drop the name itself, or what is done with its result? */
    const bool is_window = s->base == STREAM_WINDOW && s->map_count == 0;
    TRY(stream_collect(e, s, g, &v));
    TRY(is_window ? refuse_equal_series(e, g, &v) : vector_settle_names(e, g, &v));
    stream_close(s);
    *s = (struct stream){
        .base = STREAM_VECTOR, .expr = s->expr, .vector = v, .drop_name = true, .is_settled = true
    };
    return ERR_OK;
}

void vector_drop_empty(const struct grid *g, struct vector *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->count; i++) {
        if (memchr(v->series[i].row.has, 1, g->count)) v->series[n++] = v->series[i];
    }
    v->count = n;
}
