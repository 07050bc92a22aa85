/* SPDX-License-Identifier: Apache-2.0
 *
 * parser_call - function calls, aggregations, and the modifiers of binary operators.
 */
#include "base/assert.h"
#include "query/promql/function_table.h"
#include "query/promql/parser_priv.h"

struct argument_list {
    struct promql_expr **ptr;
    size_t len;
};

static enum err_code add_argument(struct parser *p, struct argument_list *list)
{
    struct promql_expr **ptr = parser_grow(p, list->ptr, list->len, sizeof(struct promql_expr *));
    struct promql_expr *e = NULL;
    if (!ptr) return parser_nomem(p);
    list->ptr = ptr;
    TRY(parse_expression(p, &e));
    list->ptr[list->len++] = e;
    return ERR_OK;
}

static bool begins_expression(enum promql_token_kind kind)
{
    if (promql_token_is_metric_name(kind)) return true;
    return kind == PROMQL_TOK_NUMBER || kind == PROMQL_TOK_DURATION || kind == PROMQL_TOK_STRING ||
           kind == PROMQL_TOK_LEFT_PAREN || kind == PROMQL_TOK_LEFT_BRACE ||
           kind == PROMQL_TOK_ADD || kind == PROMQL_TOK_SUB;
}

/* "(a, b)" */
static enum err_code parse_arguments(struct parser *p, struct argument_list *list)
{
    if (!parser_accept(p, PROMQL_TOK_LEFT_PAREN)) return parser_unexpected_here(p);
    if (parser_accept(p, PROMQL_TOK_RIGHT_PAREN)) return ERR_OK;
    for (;;) {
        TRY(add_argument(p, list));
        if (parser_accept(p, PROMQL_TOK_RIGHT_PAREN)) return ERR_OK;
        if (parser_kind(p) != PROMQL_TOK_COMMA) return parser_unexpected_here(p);
        struct promql_token comma = parser_take(p);
        enum promql_token_kind next = parser_kind(p);
        if (next == PROMQL_TOK_ERROR) return parser_unexpected_here(p);
        if (!begins_expression(next))
            return parser_fail(p, ERR_INVALID, comma.pos.start,
                               "trailing commas not allowed in function call args");
    }
}

static enum err_code adopt_arguments(struct parser *p, struct promql_expr *e,
                                     const struct argument_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        TRY(parser_adopt(p, e, list->ptr[i]));
    return ERR_OK;
}

/* ---- functions ---- */

static enum err_code find_function(struct parser *p, const struct promql_token *name,
                                   const struct promql_function **out)
{
    char quoted[256];
    bool is_word = promql_token_is_function_word(name->kind);
    const struct promql_function *fn =
        promql_function_find(is_word ? promql_token_word(name->kind) : name->text);
    if (!fn)
        return parser_fail(p, ERR_INVALID, name->pos.start, "unknown function with name %s",
                           str_quote(name->text, quoted, sizeof quoted));
    if (fn->is_experimental && p->options.no_experimental_functions)
        return parser_fail(p, ERR_INVALID, name->pos.start, "function %s is not enabled",
                           str_quote(name->text, quoted, sizeof quoted));
    *out = fn;
    return ERR_OK;
}

enum err_code parse_call(struct parser *p, const struct promql_token *name,
                         struct promql_expr **out)
{
    struct argument_list list = { 0 };
    struct promql_call *call = arena_new(p->arena, struct promql_call);
    if (!call) return parser_nomem(p);
    TRY(parse_arguments(p, &list));
    TRY(find_function(p, name, &call->fn));
    call->args = list.ptr;
    call->arg_count = list.len;
    struct promql_expr *e = parser_node(p, PROMQL_CALL, call->fn->result,
                                        (struct promql_pos){ name->pos.start, p->last_closing });
    if (!e) return parser_nomem(p);
    e->call = call;
    *out = e;
    return adopt_arguments(p, e, &list);
}

/* ---- aggregations ---- */

/* by (...) or without (...), if it is there. */
static enum err_code parse_grouping(struct parser *p, struct promql_aggregate *a, bool *out_found)
{
    enum promql_token_kind kind = parser_kind(p);
    *out_found = kind == PROMQL_TOK_BY || kind == PROMQL_TOK_WITHOUT;
    if (!*out_found) return ERR_OK;
    (void)parser_take(p);
    a->is_without = kind == PROMQL_TOK_WITHOUT;
    return parse_label_names(p, &a->grouping);
}

/* Modifier and arguments in either order. */
static enum err_code parse_aggregation_body(struct parser *p, struct promql_aggregate *a,
                                            struct argument_list *list)
{
    bool found = false;
    TRY(parse_grouping(p, a, &found));
    TRY(parse_arguments(p, list));
    if (found) return ERR_OK;
    TRY(parse_grouping(p, a, &found));
    return !found && parser_kind(p) == PROMQL_TOK_ERROR ? parser_unexpected_here(p) : ERR_OK;
}

static enum err_code take_arguments(struct parser *p, struct promql_aggregate *a, uint32_t at,
                                    const struct argument_list *list)
{
    bool has_param = promql_agg_has_param(a->op);
    bool is_experimental = a->op == PROMQL_AGG_LIMITK || a->op == PROMQL_AGG_LIMIT_RATIO;
    size_t wanted = has_param ? 2 : 1;
    if (list->len == 0)
        return parser_fail(p, ERR_INVALID, at, "no arguments for aggregate expression provided");
    if (is_experimental && p->options.no_experimental_functions)
        return parser_fail(p, ERR_INVALID, at,
                           STR_FMT "() is experimental and must be enabled with "
                                   "--enable-feature=promql-experimental-functions",
                           STR_ARG(promql_agg_text(a->op)));
    if (list->len != wanted)
        return parser_fail(p, ERR_INVALID, at,
                           "wrong number of arguments for aggregate expression provided, "
                           "expected %zu, got %zu",
                           wanted, list->len);
    if (has_param) a->param = list->ptr[0];
    a->inner = list->ptr[wanted - 1];
    return ERR_OK;
}

enum err_code parse_aggregation(struct parser *p, const struct promql_token *op,
                                struct promql_expr **out)
{
    ASSERT(promql_token_is_aggregator(op->kind));
    struct argument_list list = { 0 };
    struct promql_aggregate *a = arena_new(p->arena, struct promql_aggregate);
    if (!a) return parser_nomem(p);
    a->op = (enum promql_agg_op)(op->kind - PROMQL_TOK_SUM);
    bool outer_context = p->in_aggregation;
    p->in_aggregation = true;
    TRY(parse_aggregation_body(p, a, &list));
    p->in_aggregation = outer_context;
    TRY(take_arguments(p, a, op->pos.start, &list));
    struct promql_expr *e = parser_node(p, PROMQL_AGGREGATE, PROMQL_VECTOR,
                                        (struct promql_pos){ op->pos.start, p->last_closing });
    if (!e) return parser_nomem(p);
    e->aggregate = a;
    *out = e;
    return adopt_arguments(p, e, &list);
}

/* ---- modifiers of binary operators ---- */

/* (x), (-x): a number or duration. */
static enum err_code parse_fill_value(struct parser *p, double *out)
{
    if (!parser_accept(p, PROMQL_TOK_LEFT_PAREN)) return parser_unexpected_here(p);
    bool is_minus = parser_kind(p) == PROMQL_TOK_SUB;
    if (is_minus || parser_kind(p) == PROMQL_TOK_ADD) (void)parser_take(p);
    enum promql_token_kind kind = parser_kind(p);
    if (kind != PROMQL_TOK_NUMBER && kind != PROMQL_TOK_DURATION) return parser_unexpected_here(p);
    struct promql_expr *number = NULL;
    TRY(parse_number(p, &number));
    if (!parser_accept(p, PROMQL_TOK_RIGHT_PAREN)) return parser_unexpected_here(p);
    *out = is_minus ? -number->number.value : number->number.value;
    return ERR_OK;
}

/* fill (x), or fill_left (x) and fill_right (x) in any order. */
static enum err_code parse_fill(struct parser *p, struct promql_matching *m)
{
    if (parser_accept(p, PROMQL_TOK_FILL)) {
        TRY(parse_fill_value(p, &m->fill_left));
        m->fill_right = m->fill_left;
        m->has_fill_left = m->has_fill_right = true;
        return ERR_OK;
    }
    for (;;) {
        enum promql_token_kind kind = parser_kind(p);
        if (kind == PROMQL_TOK_FILL_LEFT && !m->has_fill_left) {
            (void)parser_take(p);
            TRY(parse_fill_value(p, &m->fill_left));
            m->has_fill_left = true;
        } else if (kind == PROMQL_TOK_FILL_RIGHT && !m->has_fill_right) {
            (void)parser_take(p);
            TRY(parse_fill_value(p, &m->fill_right));
            m->has_fill_right = true;
        } else {
            return ERR_OK;
        }
    }
}

/* The optional labels of group_left and group_right. */
static enum err_code parse_include(struct parser *p, struct promql_names *out)
{
    enum promql_token_kind next = parser_kind(p);
    bool is_fill = next >= PROMQL_TOK_FILL && next <= PROMQL_TOK_FILL_RIGHT;
    if (next != PROMQL_TOK_LEFT_PAREN && (is_fill || begins_expression(next))) return ERR_OK;
    return parse_label_names(p, out);
}

enum err_code parse_binary_modifiers(struct parser *p, struct promql_binary *b)
{
    struct promql_matching *m = &b->matching;
    m->card = PROMQL_ONE_TO_ONE;
    b->returns_bool = parser_accept(p, PROMQL_TOK_BOOL);
    enum promql_token_kind kind = parser_kind(p);
    if (kind == PROMQL_TOK_ON || kind == PROMQL_TOK_IGNORING) {
        (void)parser_take(p);
        m->is_on = kind == PROMQL_TOK_ON;
        TRY(parse_label_names(p, &m->labels));
        kind = parser_kind(p);
        if (kind == PROMQL_TOK_GROUP_LEFT || kind == PROMQL_TOK_GROUP_RIGHT) {
            (void)parser_take(p);
            m->card = kind == PROMQL_TOK_GROUP_LEFT ? PROMQL_MANY_TO_ONE : PROMQL_ONE_TO_MANY;
            TRY(parse_include(p, &m->include));
        }
    }
    return parse_fill(p, m);
}
