/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/check.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "codec/regex.h"
#include "query/promql/function_table.h"

enum err_code promql_error_at(struct str input, uint32_t at, enum err_code code,
                              const char *message, struct err *err)
{
    uint32_t line = 0, column = 0;
    if (input.len == 0) {
        (void)err_setf(err, code, "parse error", "unknown position: parse error: %s", message);
    } else {
        promql_line_column(input, at, &line, &column);
        (void)err_setf(err, code, "parse error", "%u:%u: parse error: %s", line, column, message);
    }
    if (err) err->offset = at;
    return code;
}

struct checker {
    struct str input;
    struct err *err;
};

__attribute__((format(printf, 3, 4))) static enum err_code violation(const struct checker *c,
                                                                     uint32_t at, const char *fmt,
                                                                     ...)
{
    char message[ERR_DETAIL_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return promql_error_at(c->input, at, ERR_INVALID, message, c->err);
}

static enum err_code check(const struct checker *c, struct promql_expr *e);

/* Check `e` and that it is a `want`; `where` ends the message "expected type T in WHERE". */
static enum err_code check_type(const struct checker *c, struct promql_expr *e,
                                enum promql_type want, const char *where)
{
    TRY(check(c, e));
    if (e->type == want) return ERR_OK;
    return violation(c, e->pos.start, "expected type " STR_FMT " in %s, got " STR_FMT,
                     STR_ARG(promql_type_text(want)), where, STR_ARG(promql_type_text(e->type)));
}

/* ---- selectors ---- */

static bool matches_empty(const struct matcher *m)
{
    if (m->re) return regex_matches_empty(m->re) == (m->type == MATCH_RE);
    switch (m->type) {
    case MATCH_EQ: return m->value.len == 0;
    case MATCH_NE: return m->value.len > 0;
    case MATCH_RE: return m->value.len == 0 || str_eq(m->value, STR(".*"));
    case MATCH_NRE: return m->value.len > 0 && !str_eq(m->value, STR(".*"));
    }
    UNREACHABLE();
}

static enum err_code check_name(const struct checker *c, const struct promql_expr *e)
{
    const struct promql_selector *s = e->selector;
    char outside[128], inside[128];
    for (size_t i = 0; i + 1 < s->matchers.len; i++) {
        const struct matcher *m = &s->matchers.ptr[i];
        if (!str_eq(m->name, LABEL_METRIC_NAME)) continue;
        return violation(c, e->pos.start, "metric name must not be set twice: %s or %s",
                         str_quote(s->name, outside, sizeof outside),
                         str_quote(m->value, inside, sizeof inside));
    }
    return ERR_OK;
}

/* `may_be_empty`: the second argument of info(). */
static enum err_code check_selector(const struct checker *c, const struct promql_expr *e,
                                    bool may_be_empty)
{
    const struct promql_selector *s = e->selector;
    if (s->name.len > 0) return check_name(c, e);
    for (size_t i = 0; i < s->matchers.len; i++)
        if (!matches_empty(&s->matchers.ptr[i])) return ERR_OK;
    if (may_be_empty) return ERR_OK;
    return violation(c, e->pos.start,
                     "vector selector must contain at least one non-empty matcher");
}

static enum err_code check_subquery(const struct checker *c, const struct promql_expr *e)
{
    struct promql_expr *inner = e->subquery->inner;
    TRY(check(c, inner));
    if (inner->type == PROMQL_VECTOR) return ERR_OK;
    return violation(c, e->pos.start,
                     "subquery is only allowed on instant vector, got " STR_FMT " instead",
                     STR_ARG(promql_type_name(inner->type)));
}

/* ---- aggregations and calls ---- */

static enum err_code check_aggregate(const struct checker *c, const struct promql_expr *e)
{
    const struct promql_aggregate *a = e->aggregate;
    TRY(check_type(c, a->inner, PROMQL_VECTOR, "aggregation expression"));
    if (!a->param) return ERR_OK;
    enum promql_type want = a->op == PROMQL_AGG_COUNT_VALUES ? PROMQL_STRING : PROMQL_SCALAR;
    return check_type(c, a->param, want, "aggregation parameter");
}

static enum err_code check_arity(const struct checker *c, const struct promql_expr *e)
{
    const struct promql_call *call = e->call;
    size_t fewest = 0, most = 0;
    promql_function_arity(call->fn, &fewest, &most);
    if (call->arg_count >= fewest && call->arg_count <= most) return ERR_OK;
    bool is_variadic = call->fn->variadic != 0;
    bool is_few = call->arg_count < fewest;
    return violation(c, e->pos.start,
                     "expected %s%zu argument(s) in call to \"" STR_FMT "\", got %zu",
                     !is_variadic ? ""
                     : is_few     ? "at least "
                                  : "at most ",
                     is_few ? fewest : most, STR_ARG(call->fn->name), call->arg_count);
}

/* The second argument of info(): matchers in braces, nothing else. */
static enum err_code check_info_selector(const struct checker *c, const struct promql_expr *e)
{
    const struct promql_expr *arg = e->call->args[1];
    if (arg->type != PROMQL_VECTOR)
        return violation(c, e->pos.start,
                         "expected type instant vector in call to function \"info\", got " STR_FMT,
                         STR_ARG(promql_type_text(arg->type)));
    if (arg->kind != PROMQL_VECTOR_SELECTOR)
        return violation(c, arg->pos.start, "expected label selectors only");
    if (arg->selector->name.len > 0)
        return violation(c, arg->pos.start,
                         "expected label selectors only, got vector selector instead");
    return check_selector(c, arg, true);
}

static enum err_code check_call(const struct checker *c, const struct promql_expr *e)
{
    const struct promql_call *call = e->call;
    char where[96];
    (void)snprintf(where, sizeof where, "call to function \"" STR_FMT "\"",
                   STR_ARG(call->fn->name));
    TRY(check_arity(c, e));
    size_t checked = call->arg_count;
    if (call->fn->id == PROMQL_FN_INFO && call->arg_count > 1) {
        TRY(check_info_selector(c, e));
        checked = 1;
    }
    for (size_t i = 0; i < checked; i++)
        TRY(check_type(c, call->args[i], promql_function_arg_type(call->fn, i), where));
    return ERR_OK;
}

/* ---- operators ---- */

/* Where the operator begins: after the left operand and blanks. */
static uint32_t operator_start(const struct checker *c, const struct promql_binary *b)
{
    uint32_t at = b->lhs->pos.end;
    while (at < c->input.len && strchr(" \t\r\n", c->input.ptr[at]) && c->input.ptr[at])
        at++;
    return at;
}

static bool is_operand_type(enum promql_type type)
{
    return type == PROMQL_SCALAR || type == PROMQL_VECTOR;
}

static enum err_code check_shared_label(const struct checker *c, const struct promql_binary *b)
{
    const struct promql_matching *m = &b->matching;
    char quoted[256];
    for (size_t i = 0; m->is_on && i < m->labels.len; i++) {
        for (size_t j = 0; j < m->include.len; j++) {
            if (!str_eq(m->labels.ptr[i], m->include.ptr[j])) continue;
            return violation(c, operator_start(c, b),
                             "label %s must not occur in ON and GROUP clause at once",
                             str_quote(m->labels.ptr[i], quoted, sizeof quoted));
        }
    }
    return ERR_OK;
}

/* Modifiers when both operands are vectors. */
static enum err_code check_vector_matching(const struct checker *c, const struct promql_expr *e)
{
    struct promql_binary *b = e->binary;
    struct promql_matching *m = &b->matching;
    b->has_matching = true;
    if (!promql_op_is_set(b->op)) return ERR_OK;
    if (m->card != PROMQL_ONE_TO_ONE)
        return violation(c, e->pos.start, "no grouping allowed for \"" STR_FMT "\" operation",
                         STR_ARG(promql_op_text(b->op)));
    m->card = PROMQL_MANY_TO_MANY;
    if (m->has_fill_left || m->has_fill_right)
        return violation(c, e->pos.start,
                         "filling in missing series not allowed for set operators");
    return ERR_OK;
}

/* Modifiers when one operand is a scalar. */
static enum err_code check_scalar_matching(const struct checker *c, const struct promql_expr *e)
{
    const struct promql_binary *b = e->binary;
    const struct promql_matching *m = &b->matching;
    if (m->labels.len > 0)
        return violation(c, e->pos.start, "vector matching only allowed between instant vectors");
    if (m->has_fill_left || m->has_fill_right)
        return violation(c, e->pos.start,
                         "filling in missing series only allowed between instant vectors");
    if (promql_op_is_set(b->op))
        return violation(c, e->pos.start,
                         "set operator \"" STR_FMT "\" not allowed in binary scalar expression",
                         STR_ARG(promql_op_text(b->op)));
    bool is_trim = b->op == PROMQL_OP_TRIM_UPPER || b->op == PROMQL_OP_TRIM_LOWER;
    if (is_trim && e->type == PROMQL_SCALAR)
        return violation(c, e->pos.start,
                         "operator \"" STR_FMT "\" not allowed in binary scalar expression",
                         STR_ARG(promql_op_text(b->op)));
    return ERR_OK;
}

static enum err_code check_binary(const struct checker *c, const struct promql_expr *e)
{
    struct promql_binary *b = e->binary;
    TRY(check(c, b->lhs));
    TRY(check(c, b->rhs));
    bool is_comparison = promql_op_is_comparison(b->op);
    if (b->returns_bool && !is_comparison)
        return violation(c, operator_start(c, b),
                         "bool modifier can only be used on comparison operators");
    if (is_comparison && !b->returns_bool && e->type == PROMQL_SCALAR)
        return violation(c, operator_start(c, b),
                         "comparisons between scalars must use BOOL modifier");
    TRY(check_shared_label(c, b));
    const struct promql_expr *operands[] = { b->lhs, b->rhs };
    for (size_t i = 0; i < 2; i++)
        if (!is_operand_type(operands[i]->type))
            return violation(c, operands[i]->pos.start,
                             "binary expression must contain only scalar and instant vector types");
    bool are_vectors = b->lhs->type == PROMQL_VECTOR && b->rhs->type == PROMQL_VECTOR;
    return are_vectors ? check_vector_matching(c, e) : check_scalar_matching(c, e);
}

static enum err_code check_unary(const struct checker *c, const struct promql_expr *e)
{
    TRY(check(c, e->unary.inner));
    if (is_operand_type(e->unary.inner->type)) return ERR_OK;
    return violation(c, e->pos.start,
                     "unary expression only allowed on expressions of type scalar or instant "
                     "vector, got \"" STR_FMT "\"",
                     STR_ARG(promql_type_text(e->unary.inner->type)));
}

static enum err_code check(const struct checker *c, struct promql_expr *e)
{
    switch (e->kind) {
    case PROMQL_NUMBER:
    case PROMQL_STRING_LITERAL:
    case PROMQL_DURATION: return ERR_OK;
    case PROMQL_VECTOR_SELECTOR: return check_selector(c, e, false);
    case PROMQL_MATRIX_SELECTOR: return check(c, e->matrix->selector);
    case PROMQL_SUBQUERY: return check_subquery(c, e);
    case PROMQL_AGGREGATE: return check_aggregate(c, e);
    case PROMQL_BINARY: return check_binary(c, e);
    case PROMQL_UNARY: return check_unary(c, e);
    case PROMQL_CALL: return check_call(c, e);
    case PROMQL_PAREN:
    case PROMQL_STEP_INVARIANT: return check(c, e->inner);
    }
    UNREACHABLE();
}

enum err_code promql_check(struct promql_expr *e, struct str input, struct err *err)
{
    const struct checker c = { input, err };
    return check(&c, e);
}
