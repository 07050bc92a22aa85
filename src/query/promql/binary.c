/* SPDX-License-Identifier: Apache-2.0
 *
 * Operators between vectors: matching by labels, arithmetic, comparison, sets, fill.
 *
 * Each series of either side gets the dense id of its signature (the labels that are compared). At
 * each step a table from signature to the element of the "one" side answers who matches whom.
 * Output series are found by the labels of the result, so that pairs that take turns over time
 * share one.
 *
 * Source    promql.md section 7.
 */
#include "query/promql/eval.h"

struct matching {
    struct eval *e;
    const struct promql_expr *x;
    const struct promql_binary *b;
    const struct promql_matching *m;
    const struct grid *g;
    struct vector lhs, rhs;    /* as written */
    struct vector *many, *one; /* which of them plays which role */
    bool one_is_left;
    struct label_grouping signature;
    uint32_t *many_ids, *one_ids;
    size_t id_count;
    uint32_t *one_at;  /* [ids]: element of the one side at this step, + 1 */
    uint32_t *matched; /* [ids]: step + 1 at which a one-to-one match used it */
    struct eval_series *out;
    size_t out_count, out_cap;
    uint32_t *table; /* open addressing over the labels of out, + 1 */
    struct hash128 *out_keys;
    size_t table_cap;
    uint64_t *pair_keys; /* cache: (many, one) -> output */
    uint32_t *pair_out;
    size_t pair_cap, pair_count;
};

/* ---- signatures ---- */

static enum err_code signature_of(struct matching *t)
{
    t->signature.is_without = !t->m->is_on;
    return sorted_names(t->e, t->m->labels, (struct str){ NULL, 0 }, &t->signature);
}

static enum err_code number_signatures(struct matching *t)
{
    struct eval *e = t->e;
    size_t many = t->many->count, one = t->one->count, total = many + one;
    struct hash128 *keys = arena_array_raw(e->arena, struct hash128, total + 1);
    t->many_ids = arena_array_raw(e->arena, uint32_t, total + 1);
    if (!keys || !t->many_ids) return eval_fail_nomem(e);
    t->one_ids = t->many_ids + many;
    for (size_t i = 0; i < total; i++) {
        const struct eval_series *s = i < many ? &t->many->series[i] : &t->one->series[i - many];
        keys[i] = grouping_hash(s->labels, &t->signature);
    }
    TRY(group_ids(e, keys, total, t->many_ids, &t->id_count));
    t->one_at = arena_array(e->arena, uint32_t, t->id_count + 1);
    t->matched = arena_array(e->arena, uint32_t, t->id_count + 1);
    return t->one_at && t->matched ? ERR_OK : eval_fail_nomem(e);
}

/* ---- output series ---- */

static enum err_code grow_out(struct matching *t)
{
    size_t cap = t->out_cap ? t->out_cap * 2 : 64, table_cap = cap * 4;
    struct arena *a = t->e->arena;
    struct eval_series *out = arena_array(a, struct eval_series, cap);
    struct hash128 *keys = arena_array(a, struct hash128, cap);
    uint32_t *table = arena_array(a, uint32_t, table_cap);
    if (!out || !keys || !table) return eval_fail_nomem(t->e);
    for (size_t i = 0; i < t->out_count; i++) {
        out[i] = t->out[i];
        keys[i] = t->out_keys[i];
        size_t at = (size_t)keys[i].lo & (table_cap - 1);
        while (table[at])
            at = (at + 1) & (table_cap - 1);
        table[at] = (uint32_t)i + 1;
    }
    t->out = out;
    t->out_keys = keys;
    t->out_cap = cap;
    t->table = table;
    t->table_cap = table_cap;
    return ERR_OK;
}

static enum err_code output_of(struct matching *t, struct labels labels, bool drop_name,
                               uint32_t *out)
{
    struct hash128 key = labels_hash128(labels, drop_name);
    if (t->out_count == t->out_cap) TRY(grow_out(t));
    size_t at = (size_t)key.lo & (t->table_cap - 1);
    while (t->table[at] && !hash128_eq(t->out_keys[t->table[at] - 1], key)) {
        at = (at + 1) & (t->table_cap - 1);
    }
    if (t->table[at] == 0) {
        TRY(eval_hold(t->e, t->g->count));
        struct eval_series *s = &t->out[t->out_count];
        s->labels = labels;
        s->drop_name = drop_name;
        TRY(eval_row(t->e, t->e->arena, t->g->count, &s->row));
        t->out_keys[t->out_count] = key;
        t->table[at] = (uint32_t)++t->out_count;
    }
    *out = t->table[at] - 1;
    return ERR_OK;
}

/* ---- labels of a result ---- */

static bool keeps_name(const struct promql_binary *b)
{
    return promql_op_is_comparison(b->op) && !b->returns_bool;
}

static bool is_in(struct promql_names names, struct str name)
{
    for (size_t i = 0; i < names.len; i++) {
        if (str_eq(names.ptr[i], name)) return true;
    }
    return false;
}

/* Labels of many (and one) as the operator leaves them. `one` is NULL for a filled side. */
static enum err_code result_labels(struct matching *t, const struct eval_series *many,
                                   const struct eval_series *one, bool is_signature_only,
                                   struct labels *out, bool *out_drop_name)
{
    struct labels_builder b;
    bool is_delayed = t->e->options->delayed_name_removal;
    bool is_one_to_one = t->m->card == PROMQL_ONE_TO_ONE;
    bool strip = !keeps_name(t->b);
    *out_drop_name = many->drop_name || (strip && is_delayed);
    labels_builder_init(&b, t->e->arena);
    for (size_t i = 0; i < many->labels.len; i++) {
        struct label l = many->labels.ptr[i];
        bool is_name = str_eq(l.name, LABEL_METRIC_NAME) || str_eq(l.name, STR("__type__")) ||
                       str_eq(l.name, STR("__unit__"));
        if (is_name && strip && !is_delayed) continue;
        bool is_listed = is_in(t->m->labels, l.name);
        if (is_signature_only && (t->m->is_on ? !is_listed : is_listed || is_name)) continue;
        if (is_one_to_one && t->m->is_on && !is_listed && !(is_name && is_delayed && strip))
            continue;
        if (is_one_to_one && !t->m->is_on && is_listed) continue;
        labels_builder_add(&b, l.name, l.value);
    }
    for (size_t i = 0; !is_one_to_one && i < t->m->include.len; i++) {
        struct str name = t->m->include.ptr[i];
        labels_builder_set(&b, name, one ? labels_get(one->labels, name) : (struct str){ "", 0 });
    }
    enum err_code rc = labels_builder_finish(&b, NULL, out, NULL);
    return rc == ERR_OK ? ERR_OK : eval_fail_nomem(t->e);
}

static enum err_code grow_pairs(struct matching *t)
{
    size_t cap = t->pair_cap ? t->pair_cap * 2 : 256;
    uint64_t *keys = arena_array(t->e->arena, uint64_t, cap);
    uint32_t *outs = arena_array(t->e->arena, uint32_t, cap);
    if (!keys || !outs) return eval_fail_nomem(t->e);
    for (size_t i = 0; i < t->pair_cap; i++) {
        if (t->pair_keys[i] == 0) continue;
        size_t at = hash64(&t->pair_keys[i], 8, 0) & (cap - 1);
        while (keys[at])
            at = (at + 1) & (cap - 1);
        keys[at] = t->pair_keys[i];
        outs[at] = t->pair_out[i];
    }
    t->pair_keys = keys;
    t->pair_out = outs;
    t->pair_cap = cap;
    return ERR_OK;
}

/* Output of the pair; one == UINT32_MAX: the one side is filled; many == UINT32_MAX: the many side
 * is. */
static enum err_code output_of_pair(struct matching *t, uint32_t many, uint32_t one, uint32_t *out)
{
    uint64_t key = ((uint64_t)many + 1) << 32 | (one == UINT32_MAX ? UINT32_MAX : one + 1);
    struct labels labels;
    bool drop_name;
    if (t->pair_count * 2 >= t->pair_cap) TRY(grow_pairs(t));
    size_t at = hash64(&key, 8, 0) & (t->pair_cap - 1);
    while (t->pair_keys[at] && t->pair_keys[at] != key)
        at = (at + 1) & (t->pair_cap - 1);
    if (t->pair_keys[at] == 0) {
        const struct eval_series *a = many == UINT32_MAX ? NULL : &t->many->series[many];
        const struct eval_series *b = one == UINT32_MAX ? NULL : &t->one->series[one];
        bool is_filled = !a || !b;
        TRY(result_labels(t, a ? a : b, b, is_filled && !a, &labels, &drop_name));
        TRY(output_of(t, labels, drop_name, out));
        t->pair_keys[at] = key;
        t->pair_out[at] = *out;
        t->pair_count++;
    }
    *out = t->pair_out[at];
    return ERR_OK;
}

/* ---- one step ---- */

static enum err_code fail_duplicate(struct matching *t, uint32_t a, uint32_t b)
{
    struct eval *e = t->e;
    struct labels group;
    struct buf text;
    const struct eval_series *x = &t->one->series[a], *y = &t->one->series[b];
    buf_init(&text, e->arena->mem, 4096);
    enum err_code rc = grouping_labels(e, x->labels, &t->signature, &group);
    if (labels_cmp(x->labels, y->labels) > 0) {
        const struct eval_series *swap = x;
        x = y;
        y = swap;
    }
    buf_put_lit(&text, "found duplicate series for the match group ");
    if (rc == ERR_OK) labels_print(&text, group, true);
    buf_printf(&text, " on the %s hand-side of the operation: [",
               t->one_is_left ? "left" : "right");
    labels_print(&text, x->labels, true);
    buf_put_lit(&text, ", ");
    labels_print(&text, y->labels, true);
    buf_put_lit(&text,
                "];many-to-many matching not allowed: matching labels must be unique on one side");
    rc = eval_failf(e, ERR_INVALID, STR_FMT, STR_ARG(buf_str(&text)));
    buf_deinit(&text);
    return rc;
}

static bool has_point(const struct vector *v, size_t k)
{
    for (size_t i = 0; i < v->count; i++) {
        if (v->series[i].row.has[k]) return true;
    }
    return false;
}

static enum err_code fill_table(struct matching *t, size_t k)
{
    memset(t->one_at, 0, t->id_count * sizeof *t->one_at);
    for (size_t i = 0; i < t->one->count; i++) {
        if (!t->one->series[i].row.has[k]) continue;
        uint32_t *slot = &t->one_at[t->one_ids[i]];
        if (*slot) return fail_duplicate(t, *slot - 1, (uint32_t)i);
        *slot = (uint32_t)i + 1;
    }
    return ERR_OK;
}

/* The result of l op r into the output; false when a filter leaves it out. */
static bool compute(const struct promql_binary *b, double l, double r, double *out)
{
    if (!promql_op_is_comparison(b->op)) {
        *out = apply_op(b->op, l, r);
        return true;
    }
    bool holds = compare_op(b->op, l, r);
    *out = b->returns_bool ? (double)holds : l;
    return holds || b->returns_bool;
}

static enum err_code put_result(struct matching *t, uint32_t many, uint32_t one, size_t k, double l,
                                double r)
{
    double value;
    uint32_t at;
    if (is_trim_op(t->b->op)) {
        note_trim_of_floats(t->e, t->x);
        return ERR_OK;
    }
    if (!compute(t->b, l, r, &value)) return ERR_OK;
    TRY(output_of_pair(t, many, one, &at));
    struct row *row = &t->out[at].row;
    if (row->has[k]) {
        return eval_fail(t->e, ERR_INVALID,
                         "multiple matches for labels: grouping labels must ensure unique matches");
    }
    row->has[k] = 1;
    row->value[k] = value;
    return ERR_OK;
}

/* One element of the many side at step k. With group_right Prometheus exchanges the sides but not
 * the fills: fill_right always stands for the one side, fill_left for the many side. */
static enum err_code match_one(struct matching *t, uint32_t i, size_t k)
{
    double mine = t->many->series[i].row.value[k], other;
    uint32_t id = t->many_ids[i], one = t->one_at[id];
    bool fills = t->m->has_fill_right;
    if (!one && !fills) return ERR_OK;
    if (t->m->card == PROMQL_ONE_TO_ONE) {
        /* Whether or not a filter lets the pairs through. (Releases before 3.14 counted only the
         * pairs with a result, so that such a filter worked or failed with the values of the
         * moment.) */
        if (t->matched[id] == k + 1) {
            return eval_fail(t->e, ERR_INVALID,
                             "multiple matches for labels: many-to-one matching must be explicit "
                             "(group_left/group_right)");
        }
        t->matched[id] = (uint32_t)k + 1;
    } else if (one) {
        t->matched[id] = (uint32_t)k + 1;
    }
    other = one ? t->one->series[one - 1].row.value[k] : t->m->fill_right;
    return put_result(t, i, one ? one - 1 : UINT32_MAX, k, t->one_is_left ? other : mine,
                      t->one_is_left ? mine : other);
}

/* Elements of the one side that nobody matched. */
static enum err_code fill_unmatched(struct matching *t, size_t k)
{
    bool fills = t->m->has_fill_left;
    double other = t->m->fill_left;
    for (uint32_t i = 0; fills && i < t->one->count; i++) {
        double mine = t->one->series[i].row.value[k];
        if (!t->one->series[i].row.has[k] || t->matched[t->one_ids[i]] == k + 1) continue;
        TRY(put_result(t, UINT32_MAX, i, k, t->one_is_left ? mine : other,
                       t->one_is_left ? other : mine));
    }
    return ERR_OK;
}

static enum err_code match_step(struct matching *t, size_t k)
{
    bool has_fill = t->m->has_fill_left || t->m->has_fill_right;
    bool any_many = has_point(t->many, k), any_one = has_point(t->one, k);
    if (has_fill ? !any_many && !any_one : !any_many || !any_one) return ERR_OK;
    TRY(fill_table(t, k));
    for (uint32_t i = 0; i < t->many->count; i++) {
        if (t->many->series[i].row.has[k]) TRY(match_one(t, i, k));
    }
    return fill_unmatched(t, k);
}

/* ---- set operators ---- */

static void keep_if(const struct matching *t, struct vector *v, const uint32_t *ids,
                    const uint32_t *present, size_t k, bool wanted)
{
    for (size_t i = 0; i < v->count; i++) {
        if ((present[ids[i]] == k + 1) != wanted) v->series[i].row.has[k] = 0;
    }
    (void)t;
}

static void mark(const struct vector *v, const uint32_t *ids, uint32_t *present, size_t k)
{
    for (size_t i = 0; i < v->count; i++) {
        if (v->series[i].row.has[k]) present[ids[i]] = (uint32_t)k + 1;
    }
}

static enum err_code set_operation(struct matching *t, struct vector *out)
{
    bool is_or = t->b->op == PROMQL_OP_OR;
    for (size_t k = 0; k < t->g->count; k++) {
        if (k % MORSEL_SERIES == 0) TRY(eval_check(t->e));
        if (is_or) {
            mark(&t->lhs, t->many_ids, t->matched, k);
            keep_if(t, &t->rhs, t->one_ids, t->matched, k, false);
        } else {
            mark(&t->rhs, t->one_ids, t->matched, k);
            keep_if(t, &t->lhs, t->many_ids, t->matched, k, t->b->op == PROMQL_OP_AND);
        }
    }
    if (!is_or) {
        *out = t->lhs;
        vector_drop_empty(t->g, out);
        return ERR_OK;
    }
    size_t count = t->lhs.count + t->rhs.count;
    struct eval_series *both = arena_array_raw(t->e->arena, struct eval_series, count + 1);
    if (!both) return eval_fail_nomem(t->e);
    if (t->lhs.count) memcpy(both, t->lhs.series, t->lhs.count * sizeof *both);
    if (t->rhs.count) memcpy(both + t->lhs.count, t->rhs.series, t->rhs.count * sizeof *both);
    *out = (struct vector){ both, count };
    vector_drop_empty(t->g, out);
    return t->e->options->delayed_name_removal ? ERR_OK : vector_settle_names(t->e, t->g, out);
}

enum err_code eval_binary(struct eval *e, const struct promql_expr *x, const struct grid *g,
                          struct vector *out)
{
    struct matching t = { .e = e, .x = x, .b = x->binary, .m = &x->binary->matching, .g = g };
    TRY(eval_vector(e, t.b->lhs, g, &t.lhs));
    TRY(eval_vector(e, t.b->rhs, g, &t.rhs));
    t.one_is_left = t.m->card == PROMQL_ONE_TO_MANY;
    t.many = t.one_is_left ? &t.rhs : &t.lhs;
    t.one = t.one_is_left ? &t.lhs : &t.rhs;
    TRY(signature_of(&t));
    TRY(number_signatures(&t));
    if (promql_op_is_set(t.b->op)) return set_operation(&t, out);
    for (size_t k = 0; k < g->count; k++) {
        if (k % MORSEL_SERIES == 0) TRY(eval_check(e));
        TRY(match_step(&t, k));
    }
    *out = (struct vector){ t.out, t.out_count };
    vector_drop_empty(g, out);
    return ERR_OK;
}
