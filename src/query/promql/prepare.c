/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/prepare.h"

#include <math.h>

#include "base/assert.h"
#include "query/promql/function_table.h"

#define DURATION_SECONDS_MAX (9223372036854775808.0 / 1e9) /* int64 nanoseconds */

struct preparation {
    struct promql_prepare_params params;
    struct arena *arena;
    struct err *err;
};

/* ---- duration expressions ---- */

static enum err_code duration_error(const struct preparation *p, const struct promql_expr *e,
                                    const char *why)
{
    return err_setf(p->err, ERR_INVALID, "duration expression", "%u:%u: %s", e->pos.start,
                    e->pos.end, why);
}

/* As Go's math.Min and math.Max: NaN if either is, and -0 below 0. */
static double smaller(double a, double b)
{
    if (isnan(a) || isnan(b)) return NAN;
    if (a == 0 && b == 0) return signbit(a) ? a : b;
    return a < b ? a : b;
}

static double larger(double a, double b)
{
    return -smaller(-a, -b);
}

/* Value of an operation on known operands, in seconds. */
static enum err_code apply(const struct preparation *p, const struct promql_expr *e, double lhs,
                           double rhs, double *out)
{
    const struct promql_duration *d = e->duration;
    switch (d->op) {
    case PROMQL_DUR_ADD: *out = d->lhs ? lhs + rhs : rhs; return ERR_OK;
    case PROMQL_DUR_SUB: *out = d->lhs ? lhs - rhs : -rhs; return ERR_OK;
    case PROMQL_DUR_MUL: *out = lhs * rhs; return ERR_OK;
    case PROMQL_DUR_DIV:
        if (rhs == 0) return duration_error(p, e, "division by zero");
        *out = lhs / rhs;
        return ERR_OK;
    case PROMQL_DUR_MOD:
        if (rhs == 0) return duration_error(p, e, "modulo by zero");
        *out = fmod(lhs, rhs);
        return ERR_OK;
    case PROMQL_DUR_POW: *out = pow(lhs, rhs); return ERR_OK;
    case PROMQL_DUR_MIN_OF: *out = smaller(lhs, rhs); return ERR_OK;
    case PROMQL_DUR_MAX_OF: *out = larger(lhs, rhs); return ERR_OK;
    case PROMQL_DUR_STEP: *out = (double)p->params.step_ms / 1000; return ERR_OK;
    case PROMQL_DUR_RANGE:
        *out = ((double)p->params.end_ms - (double)p->params.start_ms) / 1000;
        return ERR_OK;
    }
    UNREACHABLE();
}

/* Recursion is bounded by the height of the tree. */
static enum err_code compute(const struct preparation *p, const struct promql_expr *e, double *out)
{
    if (e->kind == PROMQL_NUMBER) {
        *out = e->number.value;
        return ERR_OK;
    }
    ASSERT(e->kind == PROMQL_DURATION);
    double lhs = 0, rhs = 0;
    if (e->duration->lhs) TRY(compute(p, e->duration->lhs, &lhs));
    if (e->duration->rhs) TRY(compute(p, e->duration->rhs, &rhs));
    return apply(p, e, lhs, rhs, out);
}

/* Set *ms from `e`, if there is an expression. */
static enum err_code resolve(const struct preparation *p, const struct promql_expr *e,
                             bool may_be_negative, int64_t *ms)
{
    if (!e) return ERR_OK;
    double seconds = 0;
    TRY(compute(p, e, &seconds));
    if (!isfinite(seconds)) return duration_error(p, e, "duration is NaN or infinite");
    if (seconds <= 0 && !may_be_negative)
        return duration_error(p, e, "duration must be greater than 0");
    if (fabs(seconds) > DURATION_SECONDS_MAX)
        return duration_error(p, e, "duration is out of range");
    *ms = (int64_t)(seconds * 1000);
    return ERR_OK;
}

static enum err_code resolve_shift(const struct preparation *p, struct promql_time_shift *shift)
{
    if (shift->at == PROMQL_AT_START) shift->at_ms = p->params.start_ms;
    if (shift->at == PROMQL_AT_END) shift->at_ms = p->params.end_ms;
    return resolve(p, shift->offset_expr, true, &shift->offset_ms);
}

/* What one node has of times, not its children. */
static enum err_code resolve_node(const struct preparation *p, struct promql_expr *e)
{
    /* not over the enum: the other kinds have no times */
    switch ((int)e->kind) {
    case PROMQL_VECTOR_SELECTOR: return resolve_shift(p, &e->selector->shift);
    case PROMQL_MATRIX_SELECTOR:
        return resolve(p, e->matrix->range_expr, false, &e->matrix->range_ms);
    case PROMQL_SUBQUERY:
        TRY(resolve_shift(p, &e->subquery->shift));
        TRY(resolve(p, e->subquery->step_expr, false, &e->subquery->step_ms));
        return resolve(p, e->subquery->range_expr, false, &e->subquery->range_ms);
    default: return ERR_OK;
    }
}

/* ---- anchored and smoothed ---- */

static bool knows_smoothed(enum promql_function_id id)
{
    return id == PROMQL_FN_DELTA || id == PROMQL_FN_INCREASE || id == PROMQL_FN_RATE;
}

static bool knows_anchored(enum promql_function_id id)
{
    return knows_smoothed(id) || id == PROMQL_FN_CHANGES || id == PROMQL_FN_RESETS;
}

static enum err_code check_extension(const struct preparation *p, const struct promql_call *call)
{
    for (size_t i = 0; i < call->arg_count; i++) {
        const struct promql_expr *arg = promql_unwrap(call->args[i]);
        if (arg->kind != PROMQL_MATRIX_SELECTOR) continue;
        const struct promql_selector *s = arg->matrix->selector->selector;
        if (s->anchored && !knows_anchored(call->fn->id))
            return err_setf(p->err, ERR_INVALID, "anchored",
                            "anchored modifier can only be used with: changes, delta, increase, "
                            "rate, resets - not with " STR_FMT,
                            STR_ARG(call->fn->name));
        if (s->smoothed && !knows_smoothed(call->fn->id))
            return err_setf(p->err, ERR_INVALID, "smoothed",
                            "smoothed modifier can only be used with: delta, increase, rate - not "
                            "with " STR_FMT,
                            STR_ARG(call->fn->name));
    }
    return ERR_OK;
}

/* ---- step invariance ---- */

/* Put a wrapper around *e, unless it is a literal or a range vector. */
static enum err_code wrap(const struct preparation *p, struct promql_expr **e)
{
    enum promql_kind kind = promql_unwrap(*e)->kind;
    bool is_literal = kind == PROMQL_NUMBER || kind == PROMQL_STRING_LITERAL;
    if (is_literal || (*e)->type == PROMQL_MATRIX) return ERR_OK;
    struct promql_expr *w = arena_new(p->arena, struct promql_expr);
    if (!w) return err_set(p->err, ERR_NOMEM, "out of memory while preparing a query");
    *w = (struct promql_expr){ .kind = PROMQL_STEP_INVARIANT,
                               .type = (*e)->type,
                               .pos = (*e)->pos,
                               .height = (*e)->height + 1,
                               .inner = *e };
    *e = w;
    return ERR_OK;
}

/* Prepare the tree under *e. *out: is its value the same at every step? Then nothing in it was
 * wrapped yet, and the caller decides how far up the wrapper goes. */
static enum err_code prepare(const struct preparation *p, struct promql_expr **e, bool *out);

/* Prepare `n` slots; if not all of them (and the parent) are invariant, wrap those that are. */
static enum err_code prepare_slots(const struct preparation *p, struct promql_expr **const *slots,
                                   size_t n, bool parent_is_invariant, bool *out)
{
    ASSERT(n <= 2);
    bool invariant[2] = { true, true };
    bool all = parent_is_invariant;
    for (size_t i = 0; i < n; i++) {
        TRY(prepare(p, slots[i], &invariant[i]));
        all = all && invariant[i];
    }
    for (size_t i = 0; i < n && !all; i++)
        if (invariant[i]) TRY(wrap(p, slots[i]));
    *out = all;
    return ERR_OK;
}

/* timestamp(m @ T) is the time of a sample, not of the step. */
static bool depends_on_step(const struct promql_call *call)
{
    const struct promql_function *fn = call->fn;
    if (call->arg_count == 0) return fn->is_time_dependent || fn->is_time_dependent_bare;
    if (fn->id != PROMQL_FN_TIMESTAMP) return fn->is_time_dependent;
    return promql_unwrap(call->args[0])->kind != PROMQL_VECTOR_SELECTOR;
}

static enum err_code prepare_call(const struct preparation *p, struct promql_call *call, bool *out)
{
    bool all = !depends_on_step(call);
    TRY(check_extension(p, call));
    bool *invariant = arena_array(p->arena, bool, call->arg_count + 1);
    if (!invariant) return err_set(p->err, ERR_NOMEM, "out of memory while preparing a query");
    for (size_t i = 0; i < call->arg_count; i++) {
        TRY(prepare(p, &call->args[i], &invariant[i]));
        /* The selector of info() is looked up at the time of its first argument. */
        if (call->fn->id == PROMQL_FN_INFO && i == 1) {
            invariant[i] = false;
            continue;
        }
        all = all && invariant[i];
    }
    for (size_t i = 0; i < call->arg_count && !all; i++)
        if (invariant[i]) TRY(wrap(p, &call->args[i]));
    *out = all;
    return ERR_OK;
}

/* Times inside a subquery follow from its own range, so only its @ decides. */
static enum err_code prepare_subquery(const struct preparation *p, struct promql_subquery *q,
                                      bool *out)
{
    bool inner_is_invariant = false;
    TRY(prepare(p, &q->inner, &inner_is_invariant));
    if (inner_is_invariant) TRY(wrap(p, &q->inner));
    *out = q->shift.at != PROMQL_AT_NONE;
    return ERR_OK;
}

static enum err_code prepare_aggregate(const struct preparation *p, struct promql_aggregate *a,
                                       bool *out)
{
    struct promql_expr **const slots[] = { &a->inner, &a->param };
    return prepare_slots(p, slots, a->param ? 2 : 1, true, out);
}

static enum err_code prepare(const struct preparation *p, struct promql_expr **slot, bool *out)
{
    struct promql_expr *e = *slot;
    TRY(resolve_node(p, e));
    switch (e->kind) {
    case PROMQL_NUMBER:
    case PROMQL_STRING_LITERAL: *out = true; return ERR_OK;
    case PROMQL_VECTOR_SELECTOR: *out = e->selector->shift.at != PROMQL_AT_NONE; return ERR_OK;
    case PROMQL_MATRIX_SELECTOR: return prepare(p, &e->matrix->selector, out);
    case PROMQL_SUBQUERY: return prepare_subquery(p, e->subquery, out);
    case PROMQL_AGGREGATE: return prepare_aggregate(p, e->aggregate, out);
    case PROMQL_BINARY: {
        struct promql_expr **const slots[] = { &e->binary->lhs, &e->binary->rhs };
        return prepare_slots(p, slots, 2, true, out);
    }
    case PROMQL_UNARY: return prepare(p, &e->unary.inner, out);
    case PROMQL_CALL: return prepare_call(p, e->call, out);
    case PROMQL_PAREN: return prepare(p, &e->inner, out);
    case PROMQL_STEP_INVARIANT:
    case PROMQL_DURATION: break;
    }
    UNREACHABLE(); /* prepared twice, or a duration outside its fields */
}

enum err_code promql_prepare(struct promql_expr **root, const struct promql_prepare_params *params,
                             struct arena *a, struct err *err)
{
    ASSERT(params->start_ms <= params->end_ms && params->step_ms >= 0);
    const struct preparation p = { *params, a, err };
    bool is_invariant = false;
    TRY(prepare(&p, root, &is_invariant));
    return is_invariant ? wrap(&p, root) : ERR_OK;
}
