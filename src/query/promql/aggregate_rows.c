/* SPDX-License-Identifier: Apache-2.0
 *
 * Aggregations that look at the rows of a group together: topk, bottomk, quantile, count_values,
 * limitk, limit_ratio. Their input is collected as a vector first.
 */
#include <math.h>
#include <stdlib.h>

#include "base/float_text.h"
#include "query/promql/eval.h"

struct rows {
    struct eval *e;
    const struct promql_expr *x;
    const struct grid *g;
    struct vector in;
    double *param;          /* [T] */
    struct str value_label; /* count_values */
    bool is_value_hidden;   /* count_values without (value_label): one series for all values */
    struct label_grouping grouping;
    uint32_t *groups; /* [series] */
    size_t group_count;
    uint32_t *members; /* series in order of their groups */
    size_t *begin;     /* [groups + 1], in members */
};

/* Does the list have it? */
static bool names_have(struct promql_names names, struct str name)
{
    for (size_t i = 0; i < names.len; i++)
        if (str_eq(names.ptr[i], name)) return true;
    return false;
}

/* count_values sets its label before it groups: what the series had under that name has no part in
 * the grouping, and `without` may take the new value away again. */
static void group_apart_from_value(struct rows *r, bool is_named)
{
    /* `without` always drops the name */
    is_named = is_named || str_eq(r->value_label, LABEL_METRIC_NAME);
    r->is_value_hidden = r->grouping.is_without && is_named;
    if (r->grouping.is_without) return;                            /* its name was added */
    struct str *kept = (struct str *)(uintptr_t)r->grouping.names; /* sorted_names made the list */
    size_t n = 0;
    for (size_t i = 0; i < r->grouping.count; i++)
        if (!str_eq(kept[i], r->value_label)) kept[n++] = kept[i];
    r->grouping.count = n;
}

static enum err_code find_groups(struct rows *r)
{
    struct eval *e = r->e;
    const struct promql_aggregate *a = r->x->aggregate;
    struct hash128 *keys = arena_array_raw(e->arena, struct hash128, r->in.count + 1);
    r->groups = arena_array_raw(e->arena, uint32_t, r->in.count + 1);
    r->members = arena_array_raw(e->arena, uint32_t, r->in.count + 1);
    if (!keys || !r->groups || !r->members) return eval_fail_nomem(e);
    r->grouping.is_without = a->is_without;
    const struct str extra = a->is_without ? r->value_label : (struct str){ NULL, 0 };
    TRY(sorted_names(e, a->grouping, extra, &r->grouping));
    if (r->value_label.len > 0) group_apart_from_value(r, names_have(a->grouping, r->value_label));
    for (size_t i = 0; i < r->in.count; i++) {
        keys[i] = grouping_hash(r->in.series[i].labels, &r->grouping);
    }
    TRY(group_ids(e, keys, r->in.count, r->groups, &r->group_count));
    r->begin = arena_array(e->arena, size_t, r->group_count + 2);
    if (!r->begin) return eval_fail_nomem(e);
    for (size_t i = 0; i < r->in.count; i++)
        r->begin[r->groups[i] + 2]++;
    for (size_t i = 2; i < r->group_count + 2; i++)
        r->begin[i] += r->begin[i - 1];
    for (size_t i = 0; i < r->in.count; i++) {
        r->members[r->begin[r->groups[i] + 1]++] = (uint32_t)i;
    }
    return ERR_OK;
}

/* ---- topk, bottomk ---- */

struct ranked {
    double value;
    uint32_t series;
    bool is_bottom;
};

/* Best first; NaN last in either direction; equal values in order of arrival. */
static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = 0;
    if (isnan(x->value) || isnan(y->value)) {
        order = (isnan(x->value) != 0) - (isnan(y->value) != 0);
    } else if (x->value != y->value) {
        order = (x->value > y->value) == !x->is_bottom ? -1 : 1;
    }
    return order ? order : (x->series > y->series) - (x->series < y->series);
}

/* k must be a count at every step, with input or without, unless nothing is asked for at any of
 * them. (Releases before
 * 3.14 looked at k only where there was input: `topk(NaN, nothing)` was empty there.) */
static enum err_code check_k(struct rows *r)
{
    bool any = false;
    for (size_t k = 0; k < r->g->count; k++)
        any |= isnan(r->param[k]) || r->param[k] >= 1;
    if (!any) return ERR_OK;
    for (size_t k = 0; k < r->g->count; k++) {
        double v = r->param[k];
        if (isnan(v)) return eval_fail(r->e, ERR_INVALID, "Parameter value is NaN");
        if (v >= 9223372036854775808.0) {
            return eval_failf(r->e, ERR_INVALID, "Scalar value %g overflows int64", v);
        }
        if (v <= -9223372036854775808.0) {
            return eval_failf(r->e, ERR_INVALID, "Scalar value %g underflows int64", v);
        }
    }
    return ERR_OK;
}

static size_t count_of(double k, size_t members)
{
    if (!(k >= 1)) return 0;
    return k >= (double)members ? members : (size_t)k;
}

/* An output of the same series, rows to be made by keep_point. */
static enum err_code empty_copy(struct rows *r, struct vector *out)
{
    *out = (struct vector){ arena_array(r->e->arena, struct eval_series, r->in.count + 1),
                            r->in.count };
    if (!out->series) return eval_fail_nomem(r->e);
    for (size_t i = 0; i < r->in.count; i++) {
        out->series[i] = r->in.series[i];
        out->series[i].row = (struct row){ NULL, NULL };
    }
    return ERR_OK;
}

static enum err_code keep_point(const struct rows *r, struct vector *out, uint32_t i, size_t k)
{
    struct row *row = &out->series[i].row;
    if (!row->has) TRY(eval_row(r->e, r->e->arena, r->g->count, row));
    row->has[k] = 1;
    row->value[k] = r->in.series[i].row.value[k];
    return ERR_OK;
}

/* Series of which nothing was kept go. */
static void drop_unkept(struct vector *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->count; i++) {
        if (v->series[i].row.has) v->series[n++] = v->series[i];
    }
    v->count = n;
}

/* Instant queries show the ranking: series of a group in its order, groups by first appearance. */
static enum err_code in_ranked_order(struct rows *r, struct vector *out, struct ranked *ranks)
{
    struct eval_series *sorted = arena_array(r->e->arena, struct eval_series, out->count + 1);
    size_t n = 0;
    bool is_bottom = r->x->aggregate->op == PROMQL_AGG_BOTTOMK;
    if (!sorted) return eval_fail_nomem(r->e);
    for (size_t group = 0; group < r->group_count; group++) {
        size_t m = 0;
        for (size_t at = r->begin[group]; at < r->begin[group + 1]; at++) {
            uint32_t i = r->members[at];
            if (!out->series[i].row.has) continue;
            ranks[m++] = (struct ranked){ out->series[i].row.value[0], i, is_bottom };
        }
        qsort(ranks, m, sizeof *ranks, by_rank);
        for (size_t i = 0; i < m; i++)
            sorted[n++] = out->series[ranks[i].series];
    }
    *out = (struct vector){ sorted, n };
    return ERR_OK;
}

/* The best of one step: a heap with the worst of them on top. */
struct best {
    struct ranked *heap;
    size_t count, wanted;
};

static void sift_down(struct best *b)
{
    size_t at = 0;
    for (;;) {
        size_t worst = at, left = 2 * at + 1, right = left + 1;
        if (left < b->count && by_rank(&b->heap[left], &b->heap[worst]) > 0) worst = left;
        if (right < b->count && by_rank(&b->heap[right], &b->heap[worst]) > 0) worst = right;
        if (worst == at) return;
        struct ranked swap = b->heap[at];
        b->heap[at] = b->heap[worst];
        b->heap[worst] = swap;
        at = worst;
    }
}

static void offer(struct best *b, struct ranked candidate)
{
    if (b->wanted == 0) return;
    if (b->count == b->wanted) {
        if (by_rank(&candidate, &b->heap[0]) >= 0) return;
        b->heap[0] = candidate;
        sift_down(b);
        return;
    }
    size_t at = b->count++;
    while (at > 0 && by_rank(&candidate, &b->heap[(at - 1) / 2]) > 0) {
        b->heap[at] = b->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    b->heap[at] = candidate;
}

/* Room for the heaps of the largest group. */
static enum err_code reserve_heaps(struct rows *r, struct best **out_best,
                                   struct ranked **out_heaps)
{
    size_t most = 0;
    for (size_t group = 0; group < r->group_count; group++) {
        size_t members = r->begin[group + 1] - r->begin[group], needed = 0;
        for (size_t k = 0; k < r->g->count; k++)
            needed += count_of(r->param[k], members);
        if (needed > most) most = needed;
    }
    TRY(eval_hold(r->e, most));
    *out_best = arena_array(r->e->arena, struct best, r->g->count);
    *out_heaps = arena_array_raw(r->e->arena, struct ranked, most + 1);
    return *out_best && *out_heaps ? ERR_OK : eval_fail_nomem(r->e);
}

/* Row after row into the heaps of all steps. */
static enum err_code top_of_group(struct rows *r, size_t group, struct best *best,
                                  struct ranked *heaps, struct vector *out)
{
    bool is_bottom = r->x->aggregate->op == PROMQL_AGG_BOTTOMK;
    size_t members = r->begin[group + 1] - r->begin[group];
    for (size_t k = 0; k < r->g->count; k++) {
        best[k] = (struct best){ .heap = heaps, .wanted = count_of(r->param[k], members) };
        heaps += best[k].wanted;
    }
    for (size_t at = r->begin[group]; at < r->begin[group + 1]; at++) {
        uint32_t i = r->members[at];
        const struct row *row = &r->in.series[i].row;
        if (at % MORSEL_SERIES == 0) TRY(eval_check(r->e));
        for (size_t k = 0; k < r->g->count; k++) {
            if (row->has[k]) offer(&best[k], (struct ranked){ row->value[k], i, is_bottom });
        }
    }
    for (size_t k = 0; k < r->g->count; k++) {
        for (size_t i = 0; i < best[k].count; i++)
            TRY(keep_point(r, out, best[k].heap[i].series, k));
    }
    return ERR_OK;
}

static enum err_code top(struct rows *r, struct vector *out)
{
    struct ranked *ranks = arena_array_raw(r->e->arena, struct ranked, r->in.count + 1), *heaps;
    struct best *best;
    if (!ranks) return eval_fail_nomem(r->e);
    TRY(check_k(r));
    TRY(reserve_heaps(r, &best, &heaps));
    TRY(empty_copy(r, out));
    for (size_t group = 0; group < r->group_count; group++)
        TRY(top_of_group(r, group, best, heaps, out));
    if (r->g->count == 1) return in_ranked_order(r, out, ranks);
    drop_unkept(out);
    return ERR_OK;
}

/* ---- limitk, limit_ratio ---- */

static enum err_code limit_count(struct rows *r, struct vector *out)
{
    TRY(check_k(r));
    TRY(empty_copy(r, out));
    for (size_t k = 0; k < r->g->count; k++) {
        for (size_t group = 0; group < r->group_count; group++) {
            size_t size = r->begin[group + 1] - r->begin[group];
            size_t left = count_of(r->param[k], size);
            for (size_t at = r->begin[group]; at < r->begin[group + 1] && left > 0; at++) {
                uint32_t i = r->members[at];
                if (!r->in.series[i].row.has[k]) continue;
                TRY(keep_point(r, out, i, k));
                left--;
            }
        }
    }
    drop_unkept(out);
    return ERR_OK;
}

/* What a parameter takes over the whole range: its warnings tell no more than that. */
struct param_range {
    double least, most; /* least > most: nothing but NaN */
    bool any_nan;
};

static struct param_range param_range(const struct rows *r)
{
    struct param_range range = { INFINITY, -INFINITY, false };
    for (size_t k = 0; k < r->g->count; k++) {
        double v = r->param[k];
        range.any_nan |= isnan(v) != 0;
        if (v < range.least) range.least = v;
        if (v > range.most) range.most = v;
    }
    return range;
}

static void warn_ratio(struct rows *r, double ratio)
{
    char text[FLOAT_TEXT_SIZE];
    size_t len = float_format(ratio, FLOAT_GO_G, text);
    annotations_warn(&r->e->annotations, r->x->aggregate->param->pos,
                     "ratio value should be between -1 and 1, got %.*s, capping to %d", (int)len,
                     text, ratio > 1 ? 1 : -1);
}

static enum err_code limit_share(struct rows *r, struct vector *out)
{
    struct labels effective;
    struct param_range range = param_range(r);
    TRY(empty_copy(r, out));
    if (range.most > 1) warn_ratio(r, range.most);
    if (range.least < -1) warn_ratio(r, range.least);
    for (size_t k = 0; k < r->g->count; k++) {
        double ratio = r->param[k];
        if (isnan(ratio)) return eval_fail(r->e, ERR_INVALID, "Ratio value is NaN");
        r->param[k] = ratio > 1 ? 1 : ratio < -1 ? -1 : ratio;
    }
    for (size_t i = 0; i < r->in.count; i++) {
        effective = r->in.series[i].labels;
        double at = (double)labels_hash_prometheus(effective, r->e->arena) / 18446744073709551616.0;
        for (size_t k = 0; k < r->g->count; k++) {
            double ratio = r->param[k];
            bool is_in = ratio >= 0 ? at < ratio : at >= 1 + ratio;
            if (r->in.series[i].row.has[k] && is_in) TRY(keep_point(r, out, (uint32_t)i, k));
        }
    }
    drop_unkept(out);
    return ERR_OK;
}

/* ---- quantile ---- */

static enum err_code group_series(struct rows *r, struct vector *out)
{
    struct eval *e = r->e;
    *out = (struct vector){ arena_array(e->arena, struct eval_series, r->group_count + 1),
                            r->group_count };
    if (!out->series) return eval_fail_nomem(e);
    for (size_t group = 0; group < r->group_count; group++) {
        struct eval_series *s = &out->series[group];
        TRY(eval_row(e, e->arena, r->g->count, &s->row));
        TRY(grouping_labels(e, r->in.series[r->members[r->begin[group]]].labels, &r->grouping,
                            &s->labels));
        for (size_t at = r->begin[group]; at < r->begin[group + 1]; at++) {
            s->drop_name |= r->in.series[r->members[at]].drop_name;
        }
    }
    return ERR_OK;
}

static enum err_code quantile(struct rows *r, struct vector *out)
{
    double *values = arena_array_raw(r->e->arena, double, r->in.count + 1);
    if (!values) return eval_fail_nomem(r->e);
    struct promql_pos pos = r->x->aggregate->param->pos;
    struct param_range range = param_range(r);
    if (range.any_nan) warn_quantile(r->e, pos, NAN);
    if (range.most > 1) warn_quantile(r->e, pos, range.most);
    if (range.least < 0) warn_quantile(r->e, pos, range.least);
    TRY(group_series(r, out));
    for (size_t k = 0; k < r->g->count; k++) {
        for (size_t group = 0; group < r->group_count; group++) {
            size_t n = 0;
            for (size_t at = r->begin[group]; at < r->begin[group + 1]; at++) {
                const struct row *row = &r->in.series[r->members[at]].row;
                if (row->has[k]) values[n++] = row->value[k];
            }
            if (n == 0) continue;
            out->series[group].row.has[k] = 1;
            out->series[group].row.value[k] = quantile_of(r->param[k], values, n);
        }
    }
    return ERR_OK;
}

/* ---- count_values ---- */

/* Output series by (group, value). */
struct value_key {
    uint64_t bits;
    uint32_t group, at; /* at: first point that has it */
};

static int by_group_and_bits(const void *a, const void *b)
{
    const struct value_key *x = a, *y = b;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    if (x->bits != y->bits) return x->bits < y->bits ? -1 : 1;
    return 0;
}

/* Values are one when their text is: every NaN is, 0 and -0 are not. */
static uint64_t bits_for_count(const struct rows *r, double v)
{
    if (r->is_value_hidden) return 0;
    return bits_of_double(isnan(v) ? NAN : v);
}

static enum err_code check_label_name(struct eval *e, struct str label)
{
    char quoted[256];
    if (label_name_is_valid(label)) return ERR_OK;
    return eval_failf(e, ERR_INVALID, "invalid label name %s",
                      str_quote(label, quoted, sizeof quoted));
}

/* The group's labels, with value_label := text of the value. */
static enum err_code value_labels(struct rows *r, uint32_t group, double v, struct labels *out)
{
    char text[FLOAT_TEXT_SIZE];
    struct labels_builder b;
    struct eval *e = r->e;
    TRY(grouping_labels(e, r->in.series[r->members[r->begin[group]]].labels, &r->grouping, out));
    if (r->is_value_hidden) return ERR_OK;
    struct str value =
        arena_str(e->arena, (struct str){ text, float_format(v, FLOAT_PLAIN, text) });
    if (!value.ptr) return eval_fail_nomem(e);
    labels_builder_init(&b, e->arena);
    for (size_t i = 0; i < out->len; i++)
        labels_builder_add(&b, out->ptr[i].name, out->ptr[i].value);
    labels_builder_set(&b, r->value_label, value);
    return labels_builder_finish(&b, NULL, out, NULL) == ERR_OK ? ERR_OK : eval_fail_nomem(e);
}

static enum err_code distinct_values(struct rows *r, struct value_key **out, size_t *out_count)
{
    size_t points = 0, n = 0, kept = 0;
    for (size_t i = 0; i < r->in.count; i++) {
        for (size_t k = 0; k < r->g->count; k++)
            points += r->in.series[i].row.has[k];
    }
    TRY(eval_hold(r->e, points));
    struct value_key *keys = arena_array_raw(r->e->arena, struct value_key, points + 1);
    if (!keys) return eval_fail_nomem(r->e);
    for (size_t i = 0; i < r->in.count; i++) {
        for (size_t k = 0; k < r->g->count; k++) {
            const struct row *row = &r->in.series[i].row;
            if (!row->has[k]) continue;
            keys[n++] = (struct value_key){ bits_for_count(r, row->value[k]), r->groups[i], 0 };
        }
    }
    qsort(keys, n, sizeof *keys, by_group_and_bits);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || by_group_and_bits(&keys[i - 1], &keys[i]) != 0) keys[kept++] = keys[i];
    }
    *out = keys;
    *out_count = kept;
    return ERR_OK;
}

static enum err_code count_values(struct rows *r, struct vector *out)
{
    struct eval *e = r->e;
    struct value_key *keys = NULL;
    size_t count = 0;
    TRY(distinct_values(r, &keys, &count));
    *out = (struct vector){ arena_array(e->arena, struct eval_series, count + 1), count };
    if (!out->series) return eval_fail_nomem(e);
    for (size_t i = 0; i < count; i++) {
        TRY(eval_row(e, e->arena, r->g->count, &out->series[i].row));
        TRY(value_labels(r, keys[i].group, double_of_bits(keys[i].bits), &out->series[i].labels));
    }
    for (size_t i = 0; i < r->in.count; i++) {
        for (size_t k = 0; k < r->g->count; k++) {
            const struct row *row = &r->in.series[i].row;
            if (!row->has[k]) continue;
            struct value_key key = { bits_for_count(r, row->value[k]), r->groups[i], 0 };
            const struct value_key *found =
                bsearch(&key, keys, count, sizeof key, by_group_and_bits);
            struct row *to = &out->series[found - keys].row;
            to->value[k] = to->has[k] ? to->value[k] + 1 : 1;
            to->has[k] = 1;
        }
    }
    return ERR_OK;
}

enum err_code aggregate_rows(struct eval *e, const struct promql_expr *x, const struct grid *g,
                             struct vector *out)
{
    const struct promql_aggregate *a = x->aggregate;
    struct rows r = { .e = e, .x = x, .g = g };
    enum err_code rc;
    if (a->op == PROMQL_AGG_COUNT_VALUES) {
        r.value_label = eval_string(a->param);
        TRY(check_label_name(e, r.value_label));
    } else {
        TRY(eval_scalar(e, a->param, g, &r.param));
    }
    TRY(eval_vector(e, a->inner, g, &r.in));
    TRY(find_groups(&r));
    switch ((int)a->op) {
    case PROMQL_AGG_TOPK:
    case PROMQL_AGG_BOTTOMK: rc = top(&r, out); break;
    case PROMQL_AGG_LIMITK: rc = limit_count(&r, out); break;
    case PROMQL_AGG_LIMIT_RATIO: rc = limit_share(&r, out); break;
    case PROMQL_AGG_QUANTILE: rc = quantile(&r, out); break;
    case PROMQL_AGG_COUNT_VALUES: rc = count_values(&r, out); break;
    default: UNREACHABLE();
    }
    if (rc == ERR_OK) vector_drop_empty(g, out);
    return rc;
}
