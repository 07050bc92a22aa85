/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/ast.h"

#include "base/assert.h"
#include "base/num.h"
#include "codec/regex.h"

/* ---- words ---- */

struct str promql_type_text(enum promql_type type)
{
    switch (type) {
    case PROMQL_NONE: return STR("none");
    case PROMQL_SCALAR: return STR("scalar");
    case PROMQL_STRING: return STR("string");
    case PROMQL_VECTOR: return STR("instant vector");
    case PROMQL_MATRIX: return STR("range vector");
    }
    UNREACHABLE();
}

struct str promql_type_name(enum promql_type type)
{
    if (type == PROMQL_VECTOR) return STR("vector");
    if (type == PROMQL_MATRIX) return STR("matrix");
    return promql_type_text(type);
}

struct str promql_op_text(enum promql_op op)
{
    static const struct str texts[PROMQL_OP_COUNT] = {
        [PROMQL_OP_ADD] = STR_INIT("+"),         [PROMQL_OP_SUB] = STR_INIT("-"),
        [PROMQL_OP_MUL] = STR_INIT("*"),         [PROMQL_OP_DIV] = STR_INIT("/"),
        [PROMQL_OP_MOD] = STR_INIT("%"),         [PROMQL_OP_POW] = STR_INIT("^"),
        [PROMQL_OP_ATAN2] = STR_INIT("atan2"),   [PROMQL_OP_EQ] = STR_INIT("=="),
        [PROMQL_OP_NE] = STR_INIT("!="),         [PROMQL_OP_LE] = STR_INIT("<="),
        [PROMQL_OP_LT] = STR_INIT("<"),          [PROMQL_OP_GE] = STR_INIT(">="),
        [PROMQL_OP_GT] = STR_INIT(">"),          [PROMQL_OP_TRIM_UPPER] = STR_INIT("</"),
        [PROMQL_OP_TRIM_LOWER] = STR_INIT(">/"), [PROMQL_OP_AND] = STR_INIT("and"),
        [PROMQL_OP_OR] = STR_INIT("or"),         [PROMQL_OP_UNLESS] = STR_INIT("unless"),
    };
    ASSERT((unsigned)op < PROMQL_OP_COUNT);
    return texts[op];
}

struct str promql_agg_text(enum promql_agg_op op)
{
    static const struct str texts[PROMQL_AGG_COUNT_OF] = {
        [PROMQL_AGG_SUM] = STR_INIT("sum"),
        [PROMQL_AGG_AVG] = STR_INIT("avg"),
        [PROMQL_AGG_COUNT] = STR_INIT("count"),
        [PROMQL_AGG_MIN] = STR_INIT("min"),
        [PROMQL_AGG_MAX] = STR_INIT("max"),
        [PROMQL_AGG_GROUP] = STR_INIT("group"),
        [PROMQL_AGG_STDDEV] = STR_INIT("stddev"),
        [PROMQL_AGG_STDVAR] = STR_INIT("stdvar"),
        [PROMQL_AGG_TOPK] = STR_INIT("topk"),
        [PROMQL_AGG_BOTTOMK] = STR_INIT("bottomk"),
        [PROMQL_AGG_COUNT_VALUES] = STR_INIT("count_values"),
        [PROMQL_AGG_QUANTILE] = STR_INIT("quantile"),
        [PROMQL_AGG_LIMITK] = STR_INIT("limitk"),
        [PROMQL_AGG_LIMIT_RATIO] = STR_INIT("limit_ratio"),
    };
    ASSERT((unsigned)op < PROMQL_AGG_COUNT_OF);
    return texts[op];
}

struct str promql_card_text(enum promql_card card)
{
    switch (card) {
    case PROMQL_ONE_TO_ONE: return STR("one-to-one");
    case PROMQL_MANY_TO_ONE: return STR("many-to-one");
    case PROMQL_ONE_TO_MANY: return STR("one-to-many");
    case PROMQL_MANY_TO_MANY: return STR("many-to-many");
    }
    UNREACHABLE();
}

void promql_line_column(struct str input, uint32_t offset, uint32_t *out_line, uint32_t *out_column)
{
    uint32_t line = 1, line_start = 0;
    for (uint32_t i = 0; i < offset && i < input.len; i++) {
        if (input.ptr[i] != '\n') continue;
        line++;
        line_start = i + 1;
    }
    *out_line = line;
    *out_column = offset - line_start + 1;
}

/* ---- trees ---- */

const struct promql_expr *promql_unwrap(const struct promql_expr *e)
{
    while (e->kind == PROMQL_PAREN || e->kind == PROMQL_STEP_INVARIANT)
        e = e->inner;
    return e;
}

static struct promql_expr *nth(struct promql_expr *first, struct promql_expr *second, size_t index)
{
    if (!first) return index == 0 ? second : NULL;
    return index == 0 ? first : index == 1 ? second : NULL;
}

struct promql_expr *promql_child(const struct promql_expr *e, size_t index)
{
    switch (e->kind) {
    case PROMQL_NUMBER:
    case PROMQL_STRING_LITERAL:
    case PROMQL_VECTOR_SELECTOR:
    case PROMQL_DURATION: return NULL;
    case PROMQL_MATRIX_SELECTOR: return nth(e->matrix->selector, NULL, index);
    case PROMQL_SUBQUERY: return nth(e->subquery->inner, NULL, index);
    case PROMQL_AGGREGATE: return nth(e->aggregate->param, e->aggregate->inner, index);
    case PROMQL_BINARY: return nth(e->binary->lhs, e->binary->rhs, index);
    case PROMQL_UNARY: return nth(e->unary.inner, NULL, index);
    case PROMQL_CALL: return index < e->call->arg_count ? e->call->args[index] : NULL;
    case PROMQL_PAREN:
    case PROMQL_STEP_INVARIANT: return nth(e->inner, NULL, index);
    }
    UNREACHABLE();
}

/* ---- equality ---- */

static bool numbers_equal(double a, double b)
{
    return bits_of_double(a) == bits_of_double(b) || (a != a && b != b);
}

static bool names_equal(const struct promql_names *a, const struct promql_names *b)
{
    if (a->len != b->len) return false;
    for (size_t i = 0; i < a->len; i++)
        if (!str_eq(a->ptr[i], b->ptr[i])) return false;
    return true;
}

/* Duration expressions, NULL allowed. */
static bool optional_equal(const struct promql_expr *a, const struct promql_expr *b)
{
    if (!a || !b) return a == b;
    return promql_expr_equal(a, b);
}

static bool shifts_equal(const struct promql_time_shift *a, const struct promql_time_shift *b)
{
    if (a->at != b->at || (a->at == PROMQL_AT_TIME && a->at_ms != b->at_ms)) return false;
    if (a->offset_expr || b->offset_expr) return optional_equal(a->offset_expr, b->offset_expr);
    return a->offset_ms == b->offset_ms;
}

static bool matchers_contain(const struct matchers *ms, const struct matcher *wanted)
{
    for (size_t i = 0; i < ms->len; i++) {
        const struct matcher *m = &ms->ptr[i];
        if (m->type == wanted->type && str_eq(m->name, wanted->name) &&
            str_eq(m->value, wanted->value))
            return true;
    }
    return false;
}

/* Order does not matter: printing sorts matchers. */
static bool selectors_equal(const struct promql_selector *a, const struct promql_selector *b)
{
    if (!str_eq(a->name, b->name) || a->matchers.len != b->matchers.len) return false;
    for (size_t i = 0; i < a->matchers.len; i++) {
        if (!matchers_contain(&b->matchers, &a->matchers.ptr[i])) return false;
        if (!matchers_contain(&a->matchers, &b->matchers.ptr[i])) return false;
    }
    return a->anchored == b->anchored && a->smoothed == b->smoothed &&
           shifts_equal(&a->shift, &b->shift);
}

static bool matrices_equal(const struct promql_matrix *a, const struct promql_matrix *b)
{
    if (!optional_equal(a->range_expr, b->range_expr)) return false;
    return (a->range_expr || a->range_ms == b->range_ms) &&
           promql_expr_equal(a->selector, b->selector);
}

static bool subqueries_equal(const struct promql_subquery *a, const struct promql_subquery *b)
{
    if (!optional_equal(a->range_expr, b->range_expr)) return false;
    if (!optional_equal(a->step_expr, b->step_expr)) return false;
    return (a->range_expr || a->range_ms == b->range_ms) &&
           (a->step_expr || a->step_ms == b->step_ms) && shifts_equal(&a->shift, &b->shift) &&
           promql_expr_equal(a->inner, b->inner);
}

static bool matchings_equal(const struct promql_matching *a, const struct promql_matching *b)
{
    return a->card == b->card && a->is_on == b->is_on && names_equal(&a->labels, &b->labels) &&
           names_equal(&a->include, &b->include) && a->has_fill_left == b->has_fill_left &&
           a->has_fill_right == b->has_fill_right && numbers_equal(a->fill_left, b->fill_left) &&
           numbers_equal(a->fill_right, b->fill_right);
}

static bool binaries_equal(const struct promql_binary *a, const struct promql_binary *b)
{
    return a->op == b->op && a->returns_bool == b->returns_bool &&
           a->has_matching == b->has_matching &&
           (!a->has_matching || matchings_equal(&a->matching, &b->matching)) &&
           promql_expr_equal(a->lhs, b->lhs) && promql_expr_equal(a->rhs, b->rhs);
}

static bool aggregates_equal(const struct promql_aggregate *a, const struct promql_aggregate *b)
{
    return a->op == b->op && a->is_without == b->is_without &&
           names_equal(&a->grouping, &b->grouping) && optional_equal(a->param, b->param) &&
           promql_expr_equal(a->inner, b->inner);
}

static bool calls_equal(const struct promql_call *a, const struct promql_call *b)
{
    if (a->fn != b->fn || a->arg_count != b->arg_count) return false;
    for (size_t i = 0; i < a->arg_count; i++)
        if (!promql_expr_equal(a->args[i], b->args[i])) return false;
    return true;
}

static bool durations_equal(const struct promql_duration *a, const struct promql_duration *b)
{
    return a->op == b->op && a->is_wrapped == b->is_wrapped && optional_equal(a->lhs, b->lhs) &&
           optional_equal(a->rhs, b->rhs);
}

bool promql_expr_equal(const struct promql_expr *a, const struct promql_expr *b)
{
    if (a->kind != b->kind || a->type != b->type) return false;
    switch (a->kind) {
    case PROMQL_NUMBER:
        if (a->number.is_duration != b->number.is_duration) return false;
        /* "0s" has no sign */
        if (a->number.value == 0 && a->number.is_duration) return b->number.value == 0;
        return numbers_equal(a->number.value, b->number.value);
    case PROMQL_STRING_LITERAL: return str_eq(a->string, b->string);
    case PROMQL_VECTOR_SELECTOR: return selectors_equal(a->selector, b->selector);
    case PROMQL_MATRIX_SELECTOR: return matrices_equal(a->matrix, b->matrix);
    case PROMQL_SUBQUERY: return subqueries_equal(a->subquery, b->subquery);
    case PROMQL_AGGREGATE: return aggregates_equal(a->aggregate, b->aggregate);
    case PROMQL_BINARY: return binaries_equal(a->binary, b->binary);
    case PROMQL_UNARY:
        return a->unary.is_minus == b->unary.is_minus &&
               promql_expr_equal(a->unary.inner, b->unary.inner);
    case PROMQL_CALL: return calls_equal(a->call, b->call);
    case PROMQL_PAREN:
    case PROMQL_STEP_INVARIANT: return promql_expr_equal(a->inner, b->inner);
    case PROMQL_DURATION: return durations_equal(a->duration, b->duration);
    }
    UNREACHABLE();
}

/* ---- regexes ---- */

void promql_regexes_deinit(struct promql_regexes *list)
{
    for (const struct promql_regex_link *l = list->first; l; l = l->next)
        regex_unref(l->re);
    list->first = NULL;
}
