/* SPDX-License-Identifier: Apache-2.0
 *
 * parser_duration - what follows an operand: brackets, offset, @, anchored and smoothed, and the
 * duration expressions in the first two.
 *
 * A plain number or duration becomes milliseconds at once; anything else becomes a tree of
 * PROMQL_DURATION nodes that promql_prepare computes.
 */
#include <math.h>

#include "base/assert.h"
#include "query/promql/parser_priv.h"

#define DURATION_SECONDS_MAX (9223372036854775808.0 / 1e9) /* int64 nanoseconds */
#define LITERAL_HINT "number, duration, step(), or range()"

static const struct expectation IN_OFFSET = { "offset", LITERAL_HINT };
static const struct expectation IN_RANGE = { "subquery or range selector", LITERAL_HINT };
static const struct expectation IN_STEP = { "subquery selector",
                                            "number, duration, step(), range(), or \"]\"" };

/* ---- duration expressions ---- */

static enum err_code gate(struct parser *p, const struct promql_expr *e)
{
    if (!p->options.no_duration_expressions) return ERR_OK;
    return parser_fail(p, ERR_INVALID, e->pos.start,
                       "experimental duration expression is not enabled");
}

static enum err_code check_seconds(struct parser *p, double seconds, uint32_t at)
{
    if (fabs(seconds) <= DURATION_SECONDS_MAX) return ERR_OK; /* false for NaN */
    return parser_fail(p, ERR_INVALID, at, "duration out of range");
}

/* A node of operation `op`; lhs and rhs may be NULL. */
static enum err_code duration_node(struct parser *p, const struct promql_duration *d,
                                   struct promql_pos pos, struct promql_expr **out)
{
    struct promql_expr *e = parser_node(p, PROMQL_DURATION, PROMQL_NONE, pos);
    struct promql_duration *copy = arena_new(p->arena, struct promql_duration);
    if (!e || !copy) return parser_nomem(p);
    *copy = *d;
    e->duration = copy;
    if (d->lhs) TRY(parser_adopt(p, e, d->lhs));
    if (d->rhs) TRY(parser_adopt(p, e, d->rhs));
    *out = e;
    return ERR_OK;
}

static enum err_code parse_duration(struct parser *p, unsigned lowest, struct expectation expect,
                                    struct promql_expr **out);

static enum err_code parse_duration_literal(struct parser *p, struct promql_expr **out)
{
    TRY(parse_number(p, out));
    return check_seconds(p, (*out)->number.value, (*out)->pos.start);
}

/* step(), range() */
static enum err_code parse_duration_word(struct parser *p, struct expectation expect,
                                         struct promql_expr **out)
{
    struct promql_token word = parser_take(p);
    if (!parser_accept(p, PROMQL_TOK_LEFT_PAREN)) return parser_unexpected(p, expect);
    if (!parser_accept(p, PROMQL_TOK_RIGHT_PAREN)) return parser_unexpected(p, expect);
    const struct promql_duration d = { .op = word.kind == PROMQL_TOK_STEP ? PROMQL_DUR_STEP
                                                                          : PROMQL_DUR_RANGE };
    TRY(duration_node(p, &d, (struct promql_pos){ word.pos.start, p->last_closing }, out));
    return gate(p, *out);
}

/* min_of(a, b), max_of(a, b) */
static enum err_code parse_duration_choice(struct parser *p, struct expectation expect,
                                           struct promql_expr **out)
{
    struct promql_token word = parser_take(p);
    struct promql_duration d = { .op = word.kind == PROMQL_TOK_MIN_OF ? PROMQL_DUR_MIN_OF
                                                                      : PROMQL_DUR_MAX_OF };
    if (!parser_accept(p, PROMQL_TOK_LEFT_PAREN)) return parser_unexpected(p, expect);
    TRY(parse_duration(p, 1, expect, &d.lhs));
    if (!parser_accept(p, PROMQL_TOK_COMMA)) return parser_unexpected(p, expect);
    TRY(parse_duration(p, 1, expect, &d.rhs));
    if (!parser_accept(p, PROMQL_TOK_RIGHT_PAREN)) return parser_unexpected(p, expect);
    TRY(duration_node(p, &d, (struct promql_pos){ word.pos.start, p->last_closing }, out));
    return gate(p, *out);
}

/* (a). A literal gets a node around it that keeps the parentheses: a wrapped unary plus. */
static enum err_code parse_duration_paren(struct parser *p, struct expectation expect,
                                          struct promql_expr **out)
{
    struct promql_token open = parser_take(p);
    struct promql_expr *inner = NULL;
    TRY(parse_duration(p, 1, expect, &inner));
    if (!parser_accept(p, PROMQL_TOK_RIGHT_PAREN)) return parser_unexpected(p, expect);
    TRY(gate(p, inner));
    if (inner->kind == PROMQL_DURATION) {
        inner->duration->is_wrapped = true;
        *out = inner;
        return ERR_OK;
    }
    const struct promql_duration d = { .op = PROMQL_DUR_ADD, .is_wrapped = true, .rhs = inner };
    return duration_node(p, &d, (struct promql_pos){ open.pos.start, p->last_closing }, out);
}

static enum err_code parse_duration_operand(struct parser *p, struct expectation expect,
                                            struct promql_expr **out)
{
    switch ((int)parser_kind(p)) {
    case PROMQL_TOK_NUMBER:
    case PROMQL_TOK_DURATION: return parse_duration_literal(p, out);
    case PROMQL_TOK_STEP:
    case PROMQL_TOK_RANGE: return parse_duration_word(p, expect, out);
    case PROMQL_TOK_MIN_OF:
    case PROMQL_TOK_MAX_OF: return parse_duration_choice(p, expect, out);
    case PROMQL_TOK_LEFT_PAREN: return parse_duration_paren(p, expect, out);
    default: return parser_unexpected(p, expect);
    }
}

/* Apply a sign to what follows it. */
static enum err_code apply_sign(struct parser *p, const struct promql_token *sign,
                                struct promql_expr *inner, struct promql_expr **out)
{
    bool is_minus = sign->kind == PROMQL_TOK_SUB;
    *out = inner;
    if (inner->kind == PROMQL_NUMBER) {
        if (is_minus) inner->number.value = -inner->number.value;
        inner->pos.start = sign->pos.start;
        return ERR_OK;
    }
    if (!is_minus) return ERR_OK;
    const struct promql_duration d = { .op = PROMQL_DUR_SUB, .rhs = inner };
    return duration_node(p, &d, (struct promql_pos){ sign->pos.start, inner->pos.end }, out);
}

static enum promql_duration_op duration_op(enum promql_token_kind kind)
{
    _Static_assert(PROMQL_TOK_POW - PROMQL_TOK_ADD == PROMQL_DUR_POW, "same order");
    return (enum promql_duration_op)(kind - PROMQL_TOK_ADD);
}

/* `lhs op` and what follows. */
static enum err_code parse_duration_binary(struct parser *p, struct promql_expr *lhs,
                                           struct expectation expect, struct promql_expr **out)
{
    struct promql_token op = parser_take(p);
    unsigned precedence = binary_precedence(op.kind);
    struct promql_duration d = { .op = duration_op(op.kind), .lhs = lhs };
    unsigned lowest = op.kind == PROMQL_TOK_POW ? precedence : precedence + 1;
    TRY(parse_duration(p, lowest, expect, &d.rhs));
    if (parser_kind(p) == PROMQL_TOK_ERROR) return parser_unexpected(p, expect);
    TRY(gate(p, lhs));
    bool is_zero = d.rhs->kind == PROMQL_NUMBER && d.rhs->number.value == 0;
    if (is_zero && d.op == PROMQL_DUR_DIV)
        return parser_fail(p, ERR_INVALID, op.pos.start, "division by zero");
    if (is_zero && d.op == PROMQL_DUR_MOD)
        return parser_fail(p, ERR_INVALID, op.pos.start, "modulo by zero");
    return duration_node(p, &d, (struct promql_pos){ lhs->pos.start, d.rhs->pos.end }, out);
}

static enum err_code parse_duration(struct parser *p, unsigned lowest, struct expectation expect,
                                    struct promql_expr **out)
{
    struct promql_expr *e = NULL;
    TRY(parser_enter(p));
    enum promql_token_kind first = parser_kind(p);
    if (first == PROMQL_TOK_ADD || first == PROMQL_TOK_SUB) {
        struct promql_token sign = parser_take(p);
        struct promql_expr *inner = NULL;
        TRY(parse_duration(p, PRECEDENCE_POW, expect, &inner));
        TRY(apply_sign(p, &sign, inner, &e));
    } else {
        TRY(parse_duration_operand(p, expect, &e));
    }
    for (;;) {
        enum promql_token_kind kind = parser_kind(p);
        bool is_operator = kind >= PROMQL_TOK_ADD && kind <= PROMQL_TOK_POW;
        if (!is_operator || binary_precedence(kind) < lowest) break;
        TRY(parse_duration_binary(p, e, expect, &e));
    }
    parser_leave(p);
    *out = e;
    return ERR_OK;
}

/* ---- values of literals ---- */

/* Seconds to milliseconds the way Go's time.Duration does it: round to nanoseconds, truncate.
 * Duration literals are whole milliseconds. */
static int64_t ms_of_number(const struct promql_number *n)
{
    if (n->is_duration) return (int64_t)round(n->value * 1000);
    double ns = round(n->value * 1e9);
    if (ns >= 9223372036854775807.0) return INT64_MAX / 1000000;
    if (ns <= -9223372036854775808.0) return INT64_MIN / 1000000;
    return (int64_t)ns / 1000000;
}

/* A range or step: > 0 if it is known already. */
static enum err_code parse_positive(struct parser *p, struct expectation expect, int64_t *out_ms,
                                    struct promql_expr **out_expr)
{
    struct promql_expr *e = NULL;
    TRY(parse_duration(p, 1, expect, &e));
    if (e->kind == PROMQL_DURATION) {
        *out_expr = e;
        return ERR_OK;
    }
    if (parser_kind(p) == PROMQL_TOK_ERROR) return parser_unexpected(p, expect);
    int64_t ms = ms_of_number(&e->number);
    if (ms <= 0) /* Prometheus takes less than a millisecond, and selects nothing */
        return parser_fail(p, ERR_INVALID, e->pos.start, "duration must be greater than 0");
    *out_ms = ms;
    return ERR_OK;
}

/* ---- brackets ---- */

static enum err_code check_range_operand(struct parser *p, const struct promql_expr *e, uint32_t at)
{
    if (e->kind != PROMQL_VECTOR_SELECTOR)
        return parser_fail(p, ERR_INVALID, at, "ranges only allowed for vector selectors");
    const struct promql_time_shift *shift = &e->selector->shift;
    if (shift->offset_ms != 0 || shift->offset_expr)
        return parser_fail(p, ERR_INVALID, at, "no offset modifiers allowed before range");
    if (shift->at != PROMQL_AT_NONE)
        return parser_fail(p, ERR_INVALID, at, "no @ modifiers allowed before range");
    return ERR_OK;
}

static enum err_code finish_matrix(struct parser *p, const struct promql_matrix *m, uint32_t at,
                                   struct promql_expr **e)
{
    TRY(check_range_operand(p, m->selector, at));
    struct promql_matrix *matrix = arena_new(p->arena, struct promql_matrix);
    struct promql_expr *node =
        parser_node(p, PROMQL_MATRIX_SELECTOR, PROMQL_MATRIX,
                    (struct promql_pos){ m->selector->pos.start, p->last_closing });
    if (!matrix || !node) return parser_nomem(p);
    *matrix = *m;
    node->matrix = matrix;
    TRY(parser_adopt(p, node, m->selector));
    *e = node;
    return ERR_OK;
}

/* From after the colon to ']'. */
static enum err_code finish_subquery(struct parser *p, const struct promql_subquery *start,
                                     struct promql_expr **e)
{
    struct promql_subquery *s = arena_new(p->arena, struct promql_subquery);
    if (!s) return parser_nomem(p);
    *s = *start;
    if (parser_kind(p) != PROMQL_TOK_RIGHT_BRACKET) {
        TRY(parse_positive(p, IN_STEP, &s->step_ms, &s->step_expr));
        if (parser_kind(p) != PROMQL_TOK_RIGHT_BRACKET)
            return parser_unexpected(p, (struct expectation){ "subquery selector", "\"]\"" });
    }
    (void)parser_take(p);
    struct promql_expr *node =
        parser_node(p, PROMQL_SUBQUERY, PROMQL_MATRIX,
                    (struct promql_pos){ s->inner->pos.start, p->last_closing });
    if (!node) return parser_nomem(p);
    node->subquery = s;
    TRY(parser_adopt(p, node, s->inner));
    *e = node;
    return ERR_OK;
}

enum err_code parse_brackets(struct parser *p, struct promql_expr **e)
{
    struct promql_token open = parser_take(p);
    int64_t range_ms = 0;
    struct promql_expr *range_expr = NULL;
    TRY(parse_positive(p, IN_RANGE, &range_ms, &range_expr));
    if (parser_accept(p, PROMQL_TOK_RIGHT_BRACKET)) {
        const struct promql_matrix m = { *e, range_ms, range_expr };
        return finish_matrix(p, &m, open.pos.start, e);
    }
    if (parser_accept(p, PROMQL_TOK_COLON)) {
        const struct promql_subquery s = { .inner = *e,
                                           .range_ms = range_ms,
                                           .range_expr = range_expr };
        return finish_subquery(p, &s, e);
    }
    return parser_unexpected(p, (struct expectation){ "subquery or range", "\":\" or \"]\"" });
}

/* ---- offset and @ ---- */

/* The time shift of what can have one; NULL otherwise. */
static struct promql_time_shift *shift_of(struct promql_expr *e)
{
    /* not over the enum: the other kinds have none */
    switch ((int)e->kind) {
    case PROMQL_VECTOR_SELECTOR: return &e->selector->shift;
    case PROMQL_MATRIX_SELECTOR: return &e->matrix->selector->selector->shift;
    case PROMQL_SUBQUERY: return &e->subquery->shift;
    default: return NULL;
    }
}

/* After offset a literal ends the duration, so that `foo offset 2 ^ 2` is (foo offset 2) ^ 2; the
 * same goes for step() and so on, and for parentheses. */
static enum err_code parse_offset_duration(struct parser *p, struct promql_expr **out)
{
    enum promql_token_kind first = parser_kind(p);
    if (first != PROMQL_TOK_ADD && first != PROMQL_TOK_SUB)
        return parse_duration_operand(p, IN_OFFSET, out);
    struct promql_token sign = parser_take(p);
    struct promql_expr *inner = NULL;
    TRY(parser_enter(p));
    TRY(parse_offset_duration(p, &inner));
    parser_leave(p);
    return apply_sign(p, &sign, inner, out);
}

enum err_code parse_offset(struct parser *p, struct promql_expr *e)
{
    (void)parser_take(p);
    struct promql_expr *offset = NULL;
    TRY(parse_offset_duration(p, &offset));
    struct promql_time_shift *shift = shift_of(e);
    if (!shift)
        return parser_fail(p, ERR_INVALID, e->pos.start,
                           "offset modifier must be preceded by an instant vector selector or "
                           "range vector selector or a subquery");
    if (shift->offset_ms != 0 || shift->offset_expr)
        return parser_fail(p, ERR_INVALID, e->pos.start, "offset may not be set multiple times");
    if (offset->kind == PROMQL_DURATION) {
        shift->offset_expr = offset;
    } else {
        shift->offset_ms = ms_of_number(&offset->number);
    }
    e->pos.end = p->last_closing;
    return ERR_OK;
}

static enum err_code timestamp_error(struct parser *p, uint32_t at, double seconds)
{
    const char *text = "timestamp out of bounds for @ modifier: ";
    if (isfinite(seconds)) return parser_fail(p, ERR_INVALID, at, "%s%f", text, seconds);
    const char *word = isnan(seconds) ? "NaN" : seconds > 0 ? "+Inf" : "-Inf";
    return parser_fail(p, ERR_INVALID, at, "%s%s", text, word);
}

/* start(), end() or a signed number of seconds. */
static enum err_code parse_timestamp(struct parser *p, enum promql_at *out_at, double *out_seconds)
{
    static const struct expectation expect = { "@", "timestamp" };
    enum promql_token_kind kind = parser_kind(p);
    if (kind == PROMQL_TOK_START || kind == PROMQL_TOK_END) {
        (void)parser_take(p);
        if (!parser_accept(p, PROMQL_TOK_LEFT_PAREN)) return parser_unexpected(p, expect);
        if (!parser_accept(p, PROMQL_TOK_RIGHT_PAREN)) return parser_unexpected(p, expect);
        *out_at = kind == PROMQL_TOK_START ? PROMQL_AT_START : PROMQL_AT_END;
        return ERR_OK;
    }
    bool is_minus = kind == PROMQL_TOK_SUB;
    if (is_minus || kind == PROMQL_TOK_ADD) (void)parser_take(p);
    kind = parser_kind(p);
    if (kind != PROMQL_TOK_NUMBER && kind != PROMQL_TOK_DURATION)
        return parser_unexpected(p, expect);
    struct promql_expr *number = NULL;
    TRY(parse_number(p, &number));
    *out_at = PROMQL_AT_TIME;
    *out_seconds = is_minus ? -number->number.value : number->number.value;
    return ERR_OK;
}

enum err_code parse_at(struct parser *p, struct promql_expr *e)
{
    (void)parser_take(p);
    enum promql_at at = PROMQL_AT_NONE;
    double seconds = 0;
    TRY(parse_timestamp(p, &at, &seconds));
    double ms = round(seconds * 1000);
    if (!(fabs(ms) < 9223372036854775808.0)) return timestamp_error(p, e->pos.start, seconds);
    struct promql_time_shift *shift = shift_of(e);
    if (!shift)
        return parser_fail(p, ERR_INVALID, e->pos.start,
                           "@ modifier must be preceded by an instant vector selector or range "
                           "vector selector or a subquery");
    if (shift->at != PROMQL_AT_NONE)
        return parser_fail(p, ERR_INVALID, e->pos.start,
                           "@ <timestamp> may not be set multiple times");
    shift->at = at;
    if (at == PROMQL_AT_TIME) shift->at_ms = (int64_t)ms;
    e->pos.end = p->last_closing;
    return ERR_OK;
}

/* ---- anchored and smoothed ---- */

enum err_code parse_extension(struct parser *p, struct promql_expr *e)
{
    struct promql_token word = parser_take(p);
    bool is_anchored = word.kind == PROMQL_TOK_ANCHORED;
    const char *name = is_anchored ? "anchored" : "smoothed";
    uint32_t at = e->pos.start;
    if (p->options.no_extended_range_selectors)
        return parser_fail(p, ERR_INVALID, at, "%s modifier is experimental and not enabled", name);
    if (e->kind == PROMQL_SUBQUERY)
        return parser_fail(p, ERR_INVALID, at, "%s modifier is not supported for subqueries", name);
    if (e->kind != PROMQL_VECTOR_SELECTOR && e->kind != PROMQL_MATRIX_SELECTOR)
        return parser_fail(p, ERR_INVALID, at, "%s modifier not implemented", name);
    struct promql_selector *s =
        e->kind == PROMQL_VECTOR_SELECTOR ? e->selector : e->matrix->selector->selector;
    if (is_anchored ? s->smoothed : s->anchored)
        return parser_fail(p, ERR_INVALID, at,
                           "anchored and smoothed modifiers cannot be used together");
    if (is_anchored) {
        s->anchored = true;
    } else {
        s->smoothed = true;
    }
    e->pos.end = word.pos.end;
    return ERR_OK;
}
