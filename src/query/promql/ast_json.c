/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/ast_json.h"

#include "base/assert.h"
#include "base/float_text.h"
#include "query/promql/function_table.h"

static void put_type(struct json_writer *w, const char *type)
{
    json_key(w, "type");
    json_put_str(w, str_of_z(type));
}

static void put_expr(struct json_writer *w, struct str key, const struct promql_expr *e)
{
    json_key_clean(w, key);
    if (e) {
        promql_ast_json(w, e);
    } else {
        json_put_null(w);
    }
}

static void put_names(struct json_writer *w, const struct promql_names *names)
{
    json_open_array(w);
    for (size_t i = 0; i < names->len; i++)
        json_put_str(w, names->ptr[i]);
    json_close_array(w);
}

static void put_matchers(struct json_writer *w, const struct matchers *ms)
{
    json_key(w, "matchers");
    json_open_array(w);
    for (size_t i = 0; i < ms->len; i++) {
        json_open_object(w);
        json_key(w, "name");
        json_put_str(w, ms->ptr[i].name);
        json_key(w, "type");
        json_put_str(w, match_type_text(ms->ptr[i].type));
        json_key(w, "value");
        json_put_str(w, ms->ptr[i].value);
        json_close_object(w);
    }
    json_close_array(w);
}

static void put_offset(struct json_writer *w, const struct promql_time_shift *shift)
{
    json_key(w, "offset");
    json_put_i64(w, shift->offset_ms);
    put_expr(w, STR("offsetExpr"), shift->offset_expr);
}

static void put_start_or_end(struct json_writer *w, const struct promql_time_shift *shift)
{
    json_key(w, "startOrEnd");
    if (shift->at == PROMQL_AT_START) {
        json_put_str(w, STR("start"));
    } else if (shift->at == PROMQL_AT_END) {
        json_put_str(w, STR("end"));
    } else {
        json_put_null(w);
    }
}

static void put_timestamp(struct json_writer *w, const struct promql_time_shift *shift)
{
    json_key(w, "timestamp");
    if (shift->at == PROMQL_AT_TIME) {
        json_put_i64(w, shift->at_ms);
    } else {
        json_put_null(w);
    }
}

/* Vector and matrix selectors; `m` is NULL for the former. */
static void put_selector(struct json_writer *w, const struct promql_selector *s,
                         const struct promql_matrix *m)
{
    json_key(w, "anchored");
    json_put_bool(w, s->anchored);
    put_matchers(w, &s->matchers);
    json_key(w, "name");
    json_put_str(w, s->name);
    put_offset(w, &s->shift);
    if (m) {
        json_key(w, "range");
        json_put_i64(w, m->range_ms);
        put_expr(w, STR("rangeExpr"), m->range_expr);
    }
    json_key(w, "smoothed");
    json_put_bool(w, s->smoothed);
    put_start_or_end(w, &s->shift);
    put_timestamp(w, &s->shift);
    put_type(w, m ? "matrixSelector" : "vectorSelector");
}

static void put_subquery(struct json_writer *w, const struct promql_subquery *q)
{
    put_expr(w, STR("expr"), q->inner);
    put_offset(w, &q->shift);
    json_key(w, "range");
    json_put_i64(w, q->range_ms);
    put_expr(w, STR("rangeExpr"), q->range_expr);
    put_start_or_end(w, &q->shift);
    json_key(w, "step");
    json_put_i64(w, q->step_ms);
    put_expr(w, STR("stepExpr"), q->step_expr);
    put_timestamp(w, &q->shift);
    put_type(w, "subquery");
}

static void put_aggregate(struct json_writer *w, const struct promql_aggregate *a)
{
    put_expr(w, STR("expr"), a->inner);
    json_key(w, "grouping");
    put_names(w, &a->grouping);
    json_key(w, "op");
    json_put_str(w, promql_agg_text(a->op));
    put_expr(w, STR("param"), a->param);
    put_type(w, "aggregation");
    json_key(w, "without");
    json_put_bool(w, a->is_without);
}

static void put_float_text(struct json_writer *w, double v)
{
    char text[FLOAT_TEXT_SIZE];
    json_put_str(w, (struct str){ text, float_format(v, FLOAT_PLAIN, text) });
}

/* JSON has no NaN and no infinity: null then, as for a side that is not filled. */
static void put_fill(struct json_writer *w, bool has_fill, double v)
{
    if (has_fill) {
        json_put_f64(w, v);
    } else {
        json_put_null(w);
    }
}

static void put_matching(struct json_writer *w, const struct promql_matching *m)
{
    json_open_object(w);
    json_key(w, "card");
    json_put_str(w, promql_card_text(m->card));
    json_key(w, "fillValues");
    json_open_object(w);
    json_key(w, "lhs");
    put_fill(w, m->has_fill_left, m->fill_left);
    json_key(w, "rhs");
    put_fill(w, m->has_fill_right, m->fill_right);
    json_close_object(w);
    json_key(w, "include");
    put_names(w, &m->include);
    json_key(w, "labels");
    put_names(w, &m->labels);
    json_key(w, "on");
    json_put_bool(w, m->is_on);
    json_close_object(w);
}

static void put_binary(struct json_writer *w, const struct promql_binary *b)
{
    json_key(w, "bool");
    json_put_bool(w, b->returns_bool);
    put_expr(w, STR("lhs"), b->lhs);
    json_key(w, "matching");
    if (b->has_matching) {
        put_matching(w, &b->matching);
    } else {
        json_put_null(w);
    }
    json_key(w, "op");
    json_put_str(w, promql_op_text(b->op));
    put_expr(w, STR("rhs"), b->rhs);
    put_type(w, "binaryExpr");
}

static void put_function(struct json_writer *w, const struct promql_function *fn)
{
    json_key(w, "func");
    json_open_object(w);
    json_key(w, "argTypes");
    json_open_array(w);
    for (size_t i = 0; i < fn->args.len; i++)
        json_put_str(w, promql_type_name(promql_function_arg_type(fn, i)));
    json_close_array(w);
    json_key(w, "name");
    json_put_str(w, fn->name);
    json_key(w, "returnType");
    json_put_str(w, promql_type_name(fn->result));
    json_key(w, "variadic");
    json_put_i64(w, fn->variadic);
    json_close_object(w);
}

static void put_call(struct json_writer *w, const struct promql_call *call)
{
    json_key(w, "args");
    json_open_array(w);
    for (size_t i = 0; i < call->arg_count; i++)
        promql_ast_json(w, call->args[i]);
    json_close_array(w);
    put_function(w, call->fn);
    put_type(w, "call");
}

static void put_number(struct json_writer *w, const struct promql_number *n)
{
    if (n->is_duration) {
        json_key(w, "duration");
        json_put_bool(w, true);
    }
    put_type(w, "numberLiteral");
    json_key(w, "val");
    put_float_text(w, n->value);
}

static struct str duration_op_name(enum promql_duration_op op)
{
    static const struct str names[] = {
        [PROMQL_DUR_ADD] = STR_INIT("+"),         [PROMQL_DUR_SUB] = STR_INIT("-"),
        [PROMQL_DUR_MUL] = STR_INIT("*"),         [PROMQL_DUR_DIV] = STR_INIT("/"),
        [PROMQL_DUR_MOD] = STR_INIT("%"),         [PROMQL_DUR_POW] = STR_INIT("^"),
        [PROMQL_DUR_MIN_OF] = STR_INIT("min_of"), [PROMQL_DUR_MAX_OF] = STR_INIT("max_of"),
        [PROMQL_DUR_STEP] = STR_INIT("step"),     [PROMQL_DUR_RANGE] = STR_INIT("range"),
    };
    ASSERT((size_t)op < sizeof names / sizeof names[0]);
    return names[op];
}

static void put_duration(struct json_writer *w, const struct promql_duration *d)
{
    put_expr(w, STR("lhs"), d->lhs);
    json_key(w, "op");
    json_put_str(w, duration_op_name(d->op));
    put_expr(w, STR("rhs"), d->rhs);
    put_type(w, "durationExpr");
    json_key(w, "wrapped");
    json_put_bool(w, d->is_wrapped);
}

static void put_members(struct json_writer *w, const struct promql_expr *e)
{
    switch (e->kind) {
    case PROMQL_NUMBER: put_number(w, &e->number); return;
    case PROMQL_STRING_LITERAL:
        put_type(w, "stringLiteral");
        json_key(w, "val");
        json_put_str(w, e->string);
        return;
    case PROMQL_VECTOR_SELECTOR: put_selector(w, e->selector, NULL); return;
    case PROMQL_MATRIX_SELECTOR: put_selector(w, e->matrix->selector->selector, e->matrix); return;
    case PROMQL_SUBQUERY: put_subquery(w, e->subquery); return;
    case PROMQL_AGGREGATE: put_aggregate(w, e->aggregate); return;
    case PROMQL_BINARY: put_binary(w, e->binary); return;
    case PROMQL_UNARY:
        put_expr(w, STR("expr"), e->unary.inner);
        json_key(w, "op");
        json_put_str(w, e->unary.is_minus ? STR("-") : STR("+"));
        put_type(w, "unaryExpr");
        return;
    case PROMQL_CALL: put_call(w, e->call); return;
    case PROMQL_PAREN:
        put_expr(w, STR("expr"), e->inner);
        put_type(w, "parenExpr");
        return;
    case PROMQL_DURATION: put_duration(w, e->duration); return;
    case PROMQL_STEP_INVARIANT: break;
    }
    UNREACHABLE();
}

void promql_ast_json(struct json_writer *w, const struct promql_expr *e)
{
    while (e->kind == PROMQL_STEP_INVARIANT)
        e = e->inner;
    json_open_object(w);
    put_members(w, e);
    json_close_object(w);
}
