/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls that are neither maps over rows nor window functions.
 */
#include <math.h>
#include <stdlib.h>

#include "query/promql/eval.h"
#include "query/promql/window.h"

/* ---- absent ---- */

static const struct promql_selector *direct_selector(const struct promql_expr *x)
{
    while (x->kind == PROMQL_PAREN || x->kind == PROMQL_STEP_INVARIANT)
        x = x->inner;
    if (x->kind == PROMQL_MATRIX_SELECTOR) x = x->matrix->selector;
    return x->kind == PROMQL_VECTOR_SELECTOR ? x->selector : NULL;
}

/* The `=` matchers of a direct selector, without the name and without labels matched more than
 * once. */
static enum err_code absent_labels(struct eval *e, const struct promql_expr *arg,
                                   struct labels *out)
{
    const struct promql_selector *s = direct_selector(arg);
    struct labels_builder b;
    labels_builder_init(&b, e->arena);
    for (size_t i = 0; s && i < s->matchers.len; i++) {
        const struct matcher *m = &s->matchers.ptr[i];
        bool is_unique = true;
        for (size_t k = 0; k < s->matchers.len; k++) {
            if (k != i && str_eq(s->matchers.ptr[k].name, m->name)) is_unique = false;
        }
        if (m->type != MATCH_EQ || !is_unique || str_eq(m->name, LABEL_METRIC_NAME)) continue;
        labels_builder_add(&b, m->name, m->value);
    }
    return labels_builder_finish(&b, NULL, out, NULL) == ERR_OK ? ERR_OK : eval_fail_nomem(e);
}

/* One series `labels` with a row. */
static enum err_code one_series(struct eval *e, const struct grid *g, struct labels labels,
                                struct vector *out)
{
    struct eval_series *s = arena_new(e->arena, struct eval_series);
    if (!s) return eval_fail_nomem(e);
    s->labels = labels;
    TRY(eval_row(e, e->arena, g->count, &s->row));
    *out = (struct vector){ s, 1 };
    return ERR_OK;
}

static enum err_code put_absent(struct eval *e, const struct promql_expr *arg, const struct grid *g,
                                const uint8_t *is_present, struct vector *out)
{
    struct labels labels;
    TRY(absent_labels(e, arg, &labels));
    TRY(one_series(e, g, labels, out));
    for (size_t k = 0; k < g->count; k++) {
        out->series[0].row.has[k] = !is_present[k];
        out->series[0].row.value[k] = 1;
    }
    vector_drop_empty(g, out);
    return ERR_OK;
}

static enum err_code mark_present(struct eval *e, const struct grid *g, const struct vector *v,
                                  uint8_t **out)
{
    uint8_t *present = arena_array(e->arena, uint8_t, g->count + 1);
    if (!present) return eval_fail_nomem(e);
    for (size_t i = 0; i < v->count; i++) {
        for (size_t k = 0; k < g->count; k++)
            present[k] |= v->series[i].row.has[k];
    }
    *out = present;
    return ERR_OK;
}

static enum err_code fn_absent(struct eval *e, const struct promql_expr *x, const struct grid *g,
                               struct vector *out)
{
    struct vector v;
    uint8_t *present;
    TRY(eval_vector(e, x->call->args[0], g, &v));
    TRY(mark_present(e, g, &v, &present));
    return put_absent(e, x->call->args[0], g, present, out);
}

/* Through last_over_time of the same argument: a point wherever there is a sample, and no name
 * dropped. */
static enum err_code fn_absent_over_time(struct eval *e, const struct promql_expr *x,
                                         const struct grid *g, struct vector *out)
{
    struct promql_call call = *x->call;
    struct promql_expr last_call = *x;
    struct stream *s = arena_new(e->arena, struct stream);
    struct vector v = { 0 };
    uint8_t *present;
    if (!s) return eval_fail_nomem(e);
    call.fn = promql_function_get(PROMQL_FN_LAST_OVER_TIME);
    last_call.call = &call;
    enum err_code rc = stream_open(e, &last_call, g, s);
    if (rc == ERR_OK) rc = stream_collect(e, s, g, &v);
    stream_close(s);
    TRY(rc);
    TRY(mark_present(e, g, &v, &present));
    return put_absent(e, x->call->args[0], g, present, out);
}

/* ---- constants and time ---- */

static enum err_code fn_vector(struct eval *e, const struct promql_expr *x, const struct grid *g,
                               struct vector *out)
{
    double *row;
    TRY(eval_scalar(e, x->call->args[0], g, &row));
    TRY(one_series(e, g, (struct labels){ NULL, 0 }, out));
    out->series[0].row.value = row;
    memset(out->series[0].row.has, 1, g->count);
    return ERR_OK;
}

/* hour() and its kin without argument: of the step's time. */
static enum err_code fn_bare_time(struct eval *e, const struct promql_expr *x, const struct grid *g,
                                  struct vector *out)
{
    struct map m;
    if (!map_of_function(x->call->fn->id, &m)) UNREACHABLE();
    TRY(one_series(e, g, (struct labels){ NULL, 0 }, out));
    struct row row = out->series[0].row;
    memset(row.has, 1, g->count);
    for (size_t k = 0; k < g->count; k++)
        row.value[k] = floor((double)grid_ts(g, k) / 1000);
    m.fn(&m, g, row);
    return ERR_OK;
}

/* timestamp() of anything but a selector: the step's time. */
static enum err_code fn_timestamp(struct eval *e, const struct promql_expr *x, const struct grid *g,
                                  struct vector *out)
{
    TRY(eval_vector(e, x->call->args[0], g, out));
    for (size_t i = 0; i < out->count; i++) {
        out->series[i].drop_name = true;
        for (size_t k = 0; k < g->count; k++) {
            out->series[i].row.value[k] = (double)grid_ts(g, k) / 1000;
        }
    }
    return vector_after_call(e, g, out);
}

/* ---- sorting: of instant queries only ---- */

static int by_value(const void *a, const void *b)
{
    double x = ((const struct eval_series *)a)->row.value[0];
    double y = ((const struct eval_series *)b)->row.value[0];
    if (isnan(x) || isnan(y)) return (isnan(x) != 0) - (isnan(y) != 0);
    return (x > y) - (x < y);
}
static int by_value_down(const void *a, const void *b)
{
    double x = ((const struct eval_series *)a)->row.value[0];
    double y = ((const struct eval_series *)b)->row.value[0];
    if (isnan(x) || isnan(y)) return (isnan(x) != 0) - (isnan(y) != 0);
    return (x < y) - (x > y);
}

static enum err_code fn_sort(struct eval *e, const struct promql_expr *x, const struct grid *g,
                             struct vector *out)
{
    TRY(eval_vector(e, x->call->args[0], g, out));
    if (e->query->step_ms) {
        annotations_warn(&e->annotations, x->pos,
                         "sort is ineffective for range queries since results are always ordered "
                         "by labels");
        return ERR_OK;
    }
    bool is_down = x->call->fn->id == PROMQL_FN_SORT_DESC;
    if (g->count == 1 && out->count) {
        qsort(out->series, out->count, sizeof *out->series, is_down ? by_value_down : by_value);
    }
    return ERR_OK;
}

enum err_code eval_call(struct eval *e, const struct promql_expr *x, const struct grid *g,
                        struct vector *out)
{
    switch ((int)x->call->fn->id) {
    case PROMQL_FN_ABSENT: return fn_absent(e, x, g, out);
    case PROMQL_FN_ABSENT_OVER_TIME: return fn_absent_over_time(e, x, g, out);
    case PROMQL_FN_VECTOR: return fn_vector(e, x, g, out);
    case PROMQL_FN_TIMESTAMP: return fn_timestamp(e, x, g, out);
    case PROMQL_FN_SORT:
    case PROMQL_FN_SORT_DESC: return fn_sort(e, x, g, out);
    case PROMQL_FN_SORT_BY_LABEL:
    case PROMQL_FN_SORT_BY_LABEL_DESC: return fn_sort_by_label(e, x, g, out);
    case PROMQL_FN_LABEL_REPLACE: return fn_label_replace(e, x, g, out);
    case PROMQL_FN_LABEL_JOIN: return fn_label_join(e, x, g, out);
    case PROMQL_FN_HISTOGRAM_QUANTILE:
    case PROMQL_FN_HISTOGRAM_QUANTILES: return fn_histogram_quantile(e, x, g, out);
    case PROMQL_FN_HISTOGRAM_FRACTION: return fn_histogram_fraction(e, x, g, out);
    case PROMQL_FN_HISTOGRAM_COUNT:
    case PROMQL_FN_HISTOGRAM_SUM:
    case PROMQL_FN_HISTOGRAM_AVG:
    case PROMQL_FN_HISTOGRAM_STDDEV:
    case PROMQL_FN_HISTOGRAM_STDVAR:
        /* Of native histograms only: floats give nothing. */
        TRY(eval_vector(e, x->call->args[0], g, out));
        out->count = 0;
        return ERR_OK;
    case PROMQL_FN_DAY_OF_MONTH:
    case PROMQL_FN_DAY_OF_WEEK:
    case PROMQL_FN_DAY_OF_YEAR:
    case PROMQL_FN_DAYS_IN_MONTH:
    case PROMQL_FN_HOUR:
    case PROMQL_FN_MINUTE:
    case PROMQL_FN_MONTH:
    case PROMQL_FN_YEAR: return fn_bare_time(e, x, g, out);
    default:
        return eval_failf(e, ERR_UNSUPPORTED, "%.*s() is not supported yet",
                          STR_ARG(x->call->fn->name));
    }
}
