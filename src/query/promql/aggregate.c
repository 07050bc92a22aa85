/* SPDX-License-Identifier: Apache-2.0
 *
 * Aggregations that need no rows afterwards: sum, avg, count, min, max, group, stddev, stdvar. Rows
 * of a stream go straight into accumulators of their group, so that memory follows the groups.
 *
 * Parallel  The series are cut into parts whose number depends on the query alone; each part has
 *           accumulators of its own, merged in the order of the parts. So the result is the same
 *           bits on any number of cores. With many groups one part per group range is used instead:
 *           then nothing needs merging.
 */
#include "query/promql/accumulate.h"
#include "query/promql/eval.h"

#define PARTS_MAX 64
#define PARTS_MIN 8                        /* fewer copies than this: one part per group range */
#define CELLS_BYTES_MAX ((size_t)64 << 20) /* of the copies of all parts */

struct aggregation {
    struct eval *e;
    const struct promql_expr *x;
    const struct grid *g;
    struct stream *stream;
    enum promql_agg_op op;
    uint32_t *groups; /* [series]: group of each */
    uint32_t *order;  /* [series]: the order in which parts take them */
    size_t series_count, group_count;
    size_t parts;
    size_t *part_begin;  /* [parts + 1], in `order` */
    size_t *cells_of;    /* [parts]: first accumulator */
    size_t *group_begin; /* [parts]: first group of the part's accumulators */
    struct cells cells;  /* [copies][groups][steps] */
};

/* ---- parts ---- */

static enum err_code run_part(struct aggregation *ag, size_t part, struct eval_worker *w)
{
    struct eval *e = ag->e;
    struct row_maker m;
    size_t steps = ag->g->count;
    struct cells cells = cells_at(ag->cells, ag->cells_of[part]);
    arena_reset(&w->scratch);
    enum err_code rc = row_maker_open(&m, e, ag->stream, ag->g, &w->scratch);
    for (size_t at = ag->part_begin[part]; at < ag->part_begin[part + 1] && rc == ERR_OK; at++) {
        bool any = false;
        size_t i = ag->order ? ag->order[at] : at;
        if (at % MORSEL_SERIES == 0) rc = eval_check(e);
        if (rc == ERR_OK) rc = row_maker_next(&m, i, &any);
        if (rc != ERR_OK || !any) continue;
        cells_add(ag->op, cells_at(cells, (ag->groups[i] - ag->group_begin[part]) * steps),
                  (struct points){ m.row.value, m.row.has, steps });
    }
    row_maker_close(&m);
    return rc;
}

static void on_part(void *ctx, size_t part, unsigned worker)
{
    struct aggregation *ag = ctx;
    (void)!run_part(ag, part, &ag->e->workers[worker]);
}

/* Series in order of their groups (stable): a part then is a range of groups. */
static enum err_code order_by_group(struct aggregation *ag)
{
    struct eval *e = ag->e;
    size_t *begin = arena_array(e->arena, size_t, ag->group_count + 2);
    ag->order = arena_array_raw(e->arena, uint32_t, ag->series_count + 1);
    if (!begin || !ag->order) return eval_fail_nomem(e);
    for (size_t i = 0; i < ag->series_count; i++)
        begin[ag->groups[i] + 2]++;
    for (size_t i = 2; i < ag->group_count + 2; i++)
        begin[i] += begin[i - 1];
    for (size_t i = 0; i < ag->series_count; i++) {
        ag->order[begin[ag->groups[i] + 1]++] = (uint32_t)i;
    }
    for (size_t p = 0; p < ag->parts; p++) {
        size_t first = p * ag->group_count / ag->parts,
               next = (p + 1) * ag->group_count / ag->parts;
        ag->group_begin[p] = first;
        ag->cells_of[p] = first * ag->g->count;
        ag->part_begin[p] = begin[first];
        ag->part_begin[p + 1] = begin[next];
    }
    return ERR_OK;
}

/* All of this depends on the query and its data, never on the number of workers. */
static enum err_code plan_parts(struct aggregation *ag)
{
    struct eval *e = ag->e;
    size_t cells = ag->group_count * ag->g->count;
    size_t wanted = (ag->series_count + MORSEL_SERIES - 1) / MORSEL_SERIES;
    size_t affordable = CELLS_BYTES_MAX / (cells * CELL_BYTES) + 1;
    if (wanted > PARTS_MAX) wanted = PARTS_MAX;
    bool by_group = affordable < PARTS_MIN && affordable < wanted && ag->group_count > 1;
    if (by_group && wanted > ag->group_count) wanted = ag->group_count;
    if (!by_group && wanted > affordable) wanted = affordable;
    ag->parts = wanted;
    ag->part_begin = arena_array(e->arena, size_t, ag->parts + 1);
    ag->cells_of = arena_array(e->arena, size_t, ag->parts + 1);
    ag->group_begin = arena_array(e->arena, size_t, ag->parts + 1);
    if (!ag->part_begin || !ag->cells_of || !ag->group_begin) return eval_fail_nomem(e);
    TRY(eval_hold(e, cells));
    TRY(cells_create(e, cells * (by_group ? 1 : ag->parts), &ag->cells));
    if (by_group) return order_by_group(ag);
    for (size_t p = 0; p <= ag->parts; p++) {
        ag->part_begin[p] = p * ag->series_count / ag->parts;
        if (p < ag->parts) ag->cells_of[p] = p * cells;
    }
    return ERR_OK;
}

/* ---- groups ---- */

static enum err_code grouping_of(struct eval *e, const struct promql_expr *x, bool drops_name,
                                 struct label_grouping *out)
{
    const struct promql_aggregate *a = x->aggregate;
    out->is_without = a->is_without;
    TRY(sorted_names(e, a->grouping, (struct str){ NULL, 0 }, out));
    if (!drops_name || out->is_without || e->options->delayed_name_removal) return ERR_OK;
    /* The name is gone already: by (__name__) finds nothing. */
    struct str *names = (struct str *)(uintptr_t)out->names;
    size_t n = 0;
    for (size_t i = 0; i < out->count; i++) {
        if (!str_eq(names[i], LABEL_METRIC_NAME)) names[n++] = names[i];
    }
    out->count = n;
    return ERR_OK;
}

static enum err_code find_groups(struct aggregation *ag, const struct label_grouping *grouping)
{
    struct eval *e = ag->e;
    ag->groups = arena_array(e->arena, uint32_t, ag->series_count + 1);
    if (!ag->groups) return eval_fail_nomem(e);
    if (grouping->count == 0 && !grouping->is_without) {
        ag->group_count = 1;
        return ERR_OK;
    }
    struct hash128 *keys = arena_array_raw(e->arena, struct hash128, ag->series_count + 1);
    if (!keys) return eval_fail_nomem(e);
    TRY(stream_group_hashes(e, ag->stream, grouping, keys));
    return group_ids(e, keys, ag->series_count, ag->groups, &ag->group_count);
}

/* Labels of each group, from its first series; drop_name if any member drops it. */
static enum err_code label_groups(struct aggregation *ag, const struct label_grouping *grouping,
                                  struct vector *out)
{
    struct eval *e = ag->e;
    uint8_t *done = arena_array(e->arena, uint8_t, ag->group_count + 1);
    if (!done) return eval_fail_nomem(e);
    for (size_t i = 0; i < ag->series_count; i++) {
        struct eval_series *group = &out->series[ag->groups[i]];
        struct labels all, kept;
        bool drop_name;
        if (done[ag->groups[i]] && (ag->stream->set || !ag->stream->vector.series[i].drop_name)) {
            continue;
        }
        TRY(stream_labels(e, ag->stream, i, e->arena, &all, &drop_name));
        group->drop_name |= drop_name;
        if (done[ag->groups[i]]) continue;
        done[ag->groups[i]] = 1;
        TRY(grouping_labels(e, all, grouping, &kept));
        if (labels_copy(e->arena, kept, &group->labels, NULL) != ERR_OK) return eval_fail_nomem(e);
    }
    return ERR_OK;
}

static enum err_code finish(struct aggregation *ag, const struct label_grouping *grouping,
                            struct vector *out)
{
    struct eval *e = ag->e;
    size_t steps = ag->g->count, cells = ag->group_count * steps;
    for (size_t p = 1; !ag->order && p < ag->parts; p++) {
        cells_merge(ag->op, ag->cells, cells_at(ag->cells, p * cells), cells);
    }
    out->series = arena_array(e->arena, struct eval_series, ag->group_count + 1);
    out->count = ag->group_count;
    if (!out->series) return eval_fail_nomem(e);
    for (size_t i = 0; i < ag->group_count; i++) {
        TRY(eval_row(e, e->arena, steps, &out->series[i].row));
        for (size_t k = 0; k < steps; k++) {
            size_t at = i * steps + k;
            out->series[i].row.has[k] = ag->cells.n[at] > 0;
            if (ag->cells.n[at] == 0) continue;
            out->series[i].row.value[k] = cells_result(ag->op, ag->cells, at);
        }
    }
    TRY(label_groups(ag, grouping, out));
    vector_drop_empty(ag->g, out);
    return ERR_OK;
}

static enum err_code aggregate_stream(struct eval *e, const struct promql_expr *x,
                                      const struct grid *g, struct stream *s, struct vector *out)
{
    struct label_grouping grouping = { 0 };
    struct aggregation ag = { .e = e, .x = x, .g = g, .stream = s, .op = x->aggregate->op };
    *out = (struct vector){ NULL, 0 };
    ag.series_count = stream_count(s);
    if (ag.series_count == 0) return ERR_OK;
    TRY(grouping_of(e, x, s->drop_name, &grouping));
    TRY(find_groups(&ag, &grouping));
    TRY(plan_parts(&ag));
    pool_run(e->pool, ag.parts, on_part, &ag);
    TRY(eval_check(e));
    return finish(&ag, &grouping, out);
}

enum err_code eval_aggregate(struct eval *e, const struct promql_expr *x, const struct grid *g,
                             struct vector *out)
{
    if (promql_agg_has_param(x->aggregate->op)) return aggregate_rows(e, x, g, out);
    struct stream *s = arena_new(e->arena, struct stream); /* not on the stack: trees are deep */
    if (!s) return eval_fail_nomem(e);
    enum err_code rc = stream_open(e, x->aggregate->inner, g, s);
    if (rc == ERR_OK) rc = aggregate_stream(e, x, g, s, out);
    stream_close(s);
    return rc;
}
