/* SPDX-License-Identifier: Apache-2.0
 *
 * Dispatch over the tree, scalars, and the book-keeping of a query: errors, limits, cancellation.
 */
#include "query/promql/eval.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "query/promql/window.h"

/* ---- errors and limits ---- */

enum err_code eval_fail(struct eval *e, enum err_code code, const char *text)
{
    int none = ERR_OK;
    MUTEX_SCOPE(&e->err_lock);
    if (!atomic_compare_exchange_strong_explicit(&e->failure, &none, (int)code,
                                                 memory_order_release, memory_order_relaxed)) {
        return (enum err_code)none;
    }
    return err_setf(e->err, code, "query failed", "%s", text);
}

enum err_code eval_failf(struct eval *e, enum err_code code, const char *fmt, ...)
{
    char text[ERR_DETAIL_SIZE];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return eval_fail(e, code, text);
}

enum err_code eval_fail_nomem(struct eval *e)
{
    return eval_fail(e, ERR_LIMIT,
                     "query needs more memory than a query may use (query bytes limit)");
}

enum err_code eval_check(struct eval *e)
{
    enum err_code failed = (enum err_code)atomic_load_explicit(&e->failure, memory_order_acquire);
    if (failed != ERR_OK) return failed;
    enum cancel_reason reason = e->cancel ? cancel_get(e->cancel) : CANCEL_NONE;
    if (reason == CANCEL_TIMEOUT || clock_mono_ns(e->options->clock) > e->deadline_ns) {
        return eval_fail(e, ERR_TIMEOUT, "query timed out in expression evaluation");
    }
    if (reason != CANCEL_NONE) {
        return eval_fail(e, ERR_CANCELLED, "query was canceled in expression evaluation");
    }
    return ERR_OK;
}

enum err_code eval_hold(struct eval *e, uint64_t samples)
{
    uint64_t held =
        atomic_fetch_add_explicit(&e->samples_held, samples, memory_order_relaxed) + samples;
    if (held <= e->options->samples_max) return ERR_OK;
    return eval_fail(e, ERR_LIMIT,
                     "query processing would load too many samples into memory in query execution");
}

enum err_code eval_row(struct eval *e, struct arena *a, size_t steps, struct row *out)
{
    out->value = arena_array_raw(a, double, steps);
    out->has = arena_array(a, uint8_t, steps);
    return out->value && out->has ? ERR_OK : eval_fail_nomem(e);
}

/* ---- step-invariant parts ---- */

/* The one step at which a part that is the same everywhere is computed. */
static struct grid one_step(const struct grid *g)
{
    return (struct grid){ g->start_ms, g->step_ms, 1 };
}

static enum err_code spread(struct eval *e, const struct grid *g, struct vector *v)
{
    TRY(eval_hold(e, v->count * g->count));
    for (size_t i = 0; i < v->count; i++) {
        struct row one = v->series[i].row;
        TRY(eval_row(e, e->arena, g->count, &v->series[i].row));
        for (size_t k = 0; k < g->count; k++)
            v->series[i].row.value[k] = one.value[0];
        memset(v->series[i].row.has, one.has[0], g->count);
    }
    return ERR_OK;
}

/* ---- scalars ---- */

struct str eval_string(const struct promql_expr *x)
{
    return promql_unwrap(x)->string;
}

static void fill(double *row, const struct grid *g, double v)
{
    for (size_t k = 0; k < g->count; k++)
        row[k] = v;
}

/* The value of the only series with a point at each step, else NaN. */
static enum err_code scalar_of_vector(struct eval *e, const struct promql_expr *x,
                                      const struct grid *g, double *row)
{
    struct vector v;
    TRY(eval_vector(e, x, g, &v));
    for (size_t k = 0; k < g->count; k++) {
        size_t points = 0;
        for (size_t i = 0; i < v.count && points < 2; i++) {
            if (!v.series[i].row.has[k]) continue;
            points++;
            row[k] = v.series[i].row.value[k];
        }
        if (points != 1) row[k] = NAN;
    }
    return ERR_OK;
}

static enum err_code extreme_of(struct eval *e, const struct promql_expr *x, const struct grid *g,
                                bool is_max, double *row)
{
    double *a, *b;
    TRY(eval_scalar(e, x->call->args[0], g, &a));
    TRY(eval_scalar(e, x->call->args[1], g, &b));
    for (size_t k = 0; k < g->count; k++) {
        if (isnan(a[k]) || isnan(b[k])) {
            row[k] = NAN;
        } else {
            row[k] = (a[k] > b[k]) == is_max ? a[k] : b[k];
        }
    }
    return ERR_OK;
}

static enum err_code scalar_call(struct eval *e, const struct promql_expr *x, const struct grid *g,
                                 double *row)
{
    const struct promql_query *q = e->query;
    enum promql_function_id id = x->call->fn->id;
    if (id == PROMQL_FN_TIME) {
        for (size_t k = 0; k < g->count; k++)
            row[k] = (double)grid_ts(g, k) / 1000;
    } else if (id == PROMQL_FN_PI) {
        fill(row, g, M_PI);
    } else if (id == PROMQL_FN_SCALAR) {
        return scalar_of_vector(e, x->call->args[0], g, row);
    } else if (id == PROMQL_FN_MAX_OF || id == PROMQL_FN_MIN_OF) {
        return extreme_of(e, x, g, id == PROMQL_FN_MAX_OF, row);
    } else if (id == PROMQL_FN_START) {
        fill(row, g, (double)q->start_ms / 1000);
    } else if (id == PROMQL_FN_END) {
        fill(row, g, (double)q->end_ms / 1000);
    } else if (id == PROMQL_FN_RANGE) {
        fill(row, g, (double)(q->end_ms - q->start_ms) / 1000);
    } else if (id == PROMQL_FN_STEP) {
        fill(row, g, q->start_ms == q->end_ms ? 0 : (double)q->step_ms / 1000);
    } else {
        return eval_failf(e, ERR_UNSUPPORTED, "%.*s() is not supported yet",
                          STR_ARG(x->call->fn->name));
    }
    return ERR_OK;
}

static enum err_code scalar_binary(struct eval *e, const struct promql_expr *x,
                                   const struct grid *g, double *row)
{
    const struct promql_binary *b = x->binary;
    double *l, *r;
    TRY(eval_scalar(e, b->lhs, g, &l));
    TRY(eval_scalar(e, b->rhs, g, &r));
    for (size_t k = 0; k < g->count; k++) {
        row[k] = promql_op_is_comparison(b->op) ? compare_op(b->op, l[k], r[k])
                                                : apply_op(b->op, l[k], r[k]);
    }
    return ERR_OK;
}

enum err_code eval_scalar(struct eval *e, const struct promql_expr *x, const struct grid *g,
                          double **out)
{
    double *row = arena_array_raw(e->arena, double, g->count + 1), *inner;
    if (!row) return eval_fail_nomem(e);
    *out = row;
    if (x->kind == PROMQL_PAREN) return eval_scalar(e, x->inner, g, out);
    if (x->kind == PROMQL_NUMBER) {
        fill(row, g, x->number.value);
    } else if (x->kind == PROMQL_STEP_INVARIANT) {
        struct grid one = one_step(g);
        TRY(eval_scalar(e, x->inner, &one, &inner));
        fill(row, g, inner[0]);
    } else if (x->kind == PROMQL_UNARY) {
        TRY(eval_scalar(e, x->unary.inner, g, &inner));
        for (size_t k = 0; k < g->count; k++)
            row[k] = x->unary.is_minus ? -inner[k] : inner[k];
    } else if (x->kind == PROMQL_BINARY) {
        return scalar_binary(e, x, g, row);
    } else {
        ASSERT(x->kind == PROMQL_CALL);
        return scalar_call(e, x, g, row);
    }
    return ERR_OK;
}

/* ---- vectors ---- */

static bool is_vector_binary(const struct promql_expr *x)
{
    return x->kind == PROMQL_BINARY && x->binary->lhs->type == PROMQL_VECTOR &&
           x->binary->rhs->type == PROMQL_VECTOR;
}

/* A call that is neither a map over rows nor a window function nor timestamp(selector). */
static bool is_other_call(const struct promql_expr *x)
{
    struct map ignored;
    struct window_call window;
    if (x->kind != PROMQL_CALL) return false;
    if (window_call_of(x->call->fn->id, &window)) return false;
    if (x->call->arg_count > 0 && map_of_function(x->call->fn->id, &ignored)) return false;
    return x->call->fn->id != PROMQL_FN_TIMESTAMP ||
           promql_unwrap(x->call->args[0])->kind != PROMQL_VECTOR_SELECTOR;
}

static bool keeps_metric_name(const struct promql_expr *x)
{
    return x->kind == PROMQL_VECTOR_SELECTOR;
}

enum err_code eval_vector(struct eval *e, const struct promql_expr *x, const struct grid *g,
                          struct vector *out)
{
    TRY(eval_check(e));
    while (x->kind == PROMQL_PAREN)
        x = x->inner;
    if (x->kind == PROMQL_STEP_INVARIANT) {
        struct grid one = one_step(g);
        if (g->count == 1) return eval_vector(e, x->inner, g, out);
        TRY(eval_vector(e, x->inner, &one, out));
        return spread(e, g, out);
    }
    if (x->kind == PROMQL_AGGREGATE) return eval_aggregate(e, x, g, out);
    if (is_vector_binary(x)) return eval_binary(e, x, g, out);
    if (is_other_call(x)) return eval_call(e, x, g, out);
    struct stream *s = arena_new(e->arena, struct stream); /* not on the stack: trees are deep */
    if (!s) return eval_fail_nomem(e);
    enum err_code rc = stream_open(e, x, g, s);
    if (rc == ERR_OK) rc = stream_collect(e, s, g, out);
    stream_close(s);
    TRY(rc);
    return keeps_metric_name(x) ? ERR_OK : vector_after_call(e, g, out);
}
