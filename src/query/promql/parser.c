/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "base/assert.h"
#include "query/promql/check.h"
#include "query/promql/literal.h"
#include "query/promql/parser_priv.h"

/* ---- tokens ---- */

const struct promql_token *parser_peek(struct parser *p)
{
    if (!p->has_token) {
        promql_lexer_next(&p->lexer, &p->token);
        p->has_token = true;
    }
    return &p->token;
}

enum promql_token_kind parser_kind(struct parser *p)
{
    return parser_peek(p)->kind;
}

static bool is_closing(enum promql_token_kind k)
{
    return k == PROMQL_TOK_RIGHT_PAREN || k == PROMQL_TOK_RIGHT_BRACE ||
           k == PROMQL_TOK_RIGHT_BRACKET || k == PROMQL_TOK_NUMBER || k == PROMQL_TOK_DURATION;
}

struct promql_token parser_take(struct parser *p)
{
    struct promql_token t = *parser_peek(p);
    ASSERT(t.kind != PROMQL_TOK_ERROR);
    p->has_token = false;
    if (is_closing(t.kind)) p->last_closing = t.pos.end;
    return t;
}

bool parser_accept(struct parser *p, enum promql_token_kind kind)
{
    if (parser_kind(p) != kind) return false;
    (void)parser_take(p);
    return true;
}

/* ---- errors ---- */

enum err_code parser_fail(struct parser *p, enum err_code code, uint32_t at, const char *fmt, ...)
{
    char message[ERR_DETAIL_SIZE];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return promql_error_at(p->lexer.input, at, code, message, p->err);
}

enum err_code parser_fail_as(struct parser *p, enum err_code code, uint32_t at)
{
    if (code == ERR_NOMEM || !p->err) return code;
    char message[ERR_DETAIL_SIZE];
    memcpy(message, p->err->detail, sizeof message);
    return promql_error_at(p->lexer.input, at, code, message, p->err);
}

enum err_code parser_unexpected(struct parser *p, struct expectation e)
{
    const struct promql_token *t = parser_peek(p);
    if (t->kind == PROMQL_TOK_ERROR)
        return parser_fail(p, ERR_INVALID, t->pos.start, "%s", p->lexer.message);
    char token[300];
    promql_token_describe(t, token, sizeof token);
    return parser_fail(p, ERR_INVALID, t->pos.start, "unexpected %s%s%s%s%s", token,
                       e.context[0] ? " in " : "", e.context, e.expected[0] ? ", expected " : "",
                       e.expected);
}

enum err_code parser_unexpected_here(struct parser *p)
{
    return parser_unexpected(p, (struct expectation){ p->in_aggregation ? "aggregation" : "", "" });
}

enum err_code parser_nomem(struct parser *p)
{
    return err_set(p->err, ERR_NOMEM, "out of memory while parsing a query");
}

/* ---- nodes ---- */

struct promql_expr *parser_node(struct parser *p, enum promql_kind kind, enum promql_type type,
                                struct promql_pos pos)
{
    struct promql_expr *e = arena_new(p->arena, struct promql_expr);
    if (!e) return NULL;
    e->kind = kind;
    e->type = type;
    e->pos = pos;
    e->height = 1;
    return e;
}

void *parser_grow(struct parser *p, void *array, size_t len, size_t size)
{
    if (len > 0 && (len & (len - 1)) != 0) return array;
    void *bigger = arena_alloc(p->arena, len == 0 ? 1 : 2 * len, size, _Alignof(max_align_t));
    if (bigger && len > 0) memcpy(bigger, array, len * size);
    return bigger;
}

static enum err_code fail_depth(struct parser *p, uint32_t at)
{
    return parser_fail(p, ERR_LIMIT, at, "expression is nested more than %u levels deep",
                       p->depth_max);
}

enum err_code parser_enter(struct parser *p)
{
    if (p->depth >= p->depth_max) return fail_depth(p, parser_peek(p)->pos.start);
    p->depth++;
    return ERR_OK;
}

void parser_leave(struct parser *p)
{
    ASSERT(p->depth > 0);
    p->depth--;
}

enum err_code parser_adopt(struct parser *p, struct promql_expr *e, const struct promql_expr *child)
{
    if (child->height >= p->depth_max) return fail_depth(p, child->pos.start);
    if (e->height <= child->height) e->height = child->height + 1;
    return ERR_OK;
}

/* ---- operands ---- */

enum err_code parse_number(struct parser *p, struct promql_expr **out)
{
    struct promql_token t = parser_take(p);
    ASSERT(t.kind == PROMQL_TOK_NUMBER || t.kind == PROMQL_TOK_DURATION);
    bool is_duration = t.kind == PROMQL_TOK_DURATION;
    double value = 0;
    enum err_code rc = is_duration ? promql_duration_value(t.text, &value, p->err)
                                   : promql_number_value(t.text, &value, p->err);
    if (rc != ERR_OK) return parser_fail_as(p, rc, t.pos.start);
    struct promql_expr *e = parser_node(p, PROMQL_NUMBER, PROMQL_SCALAR, t.pos);
    if (!e) return parser_nomem(p);
    e->number = (struct promql_number){ value, is_duration };
    *out = e;
    return ERR_OK;
}

static enum err_code parse_string(struct parser *p, struct promql_expr **out)
{
    struct promql_token t = parser_take(p);
    struct promql_expr *e = parser_node(p, PROMQL_STRING_LITERAL, PROMQL_STRING, t.pos);
    if (!e) return parser_nomem(p);
    TRY(promql_unquote(t.text, p->arena, &e->string, p->err));
    *out = e;
    return ERR_OK;
}

static enum err_code parse_paren(struct parser *p, struct promql_expr **out)
{
    struct promql_token open = parser_take(p);
    struct promql_expr *inner = NULL;
    TRY(parse_expression(p, &inner));
    if (parser_kind(p) != PROMQL_TOK_RIGHT_PAREN) return parser_unexpected_here(p);
    struct promql_token close = parser_take(p);
    struct promql_expr *e = parser_node(p, PROMQL_PAREN, inner->type,
                                        (struct promql_pos){ open.pos.start, close.pos.end });
    if (!e) return parser_nomem(p);
    e->inner = inner;
    *out = e;
    return parser_adopt(p, e, inner);
}

/* A word: an aggregation, a function call or a metric. */
static enum err_code parse_word(struct parser *p, struct promql_expr **out)
{
    struct promql_token word = parser_take(p);
    enum promql_token_kind next = parser_kind(p);
    if (promql_token_is_aggregator(word.kind) &&
        (next == PROMQL_TOK_LEFT_PAREN || next == PROMQL_TOK_BY || next == PROMQL_TOK_WITHOUT))
        return parse_aggregation(p, &word, out);
    bool is_callable =
        word.kind == PROMQL_TOK_IDENTIFIER || promql_token_is_function_word(word.kind);
    if (is_callable && next == PROMQL_TOK_LEFT_PAREN) return parse_call(p, &word, out);
    return parse_selector(p, &word, out);
}

static enum err_code parse_operand(struct parser *p, struct promql_expr **out)
{
    enum promql_token_kind kind = parser_kind(p);
    if (promql_token_is_metric_name(kind)) return parse_word(p, out);
    /* not over the enum: the other kinds share the default */
    switch ((int)kind) {
    case PROMQL_TOK_NUMBER:
    case PROMQL_TOK_DURATION: return parse_number(p, out);
    case PROMQL_TOK_STRING: return parse_string(p, out);
    case PROMQL_TOK_LEFT_PAREN: return parse_paren(p, out);
    case PROMQL_TOK_LEFT_BRACE: return parse_selector(p, NULL, out);
    default: return parser_unexpected_here(p);
    }
}

/* An operand with its modifiers, which bind tighter than any operator. */
static enum err_code parse_modified(struct parser *p, struct promql_expr **out)
{
    struct promql_expr *e = NULL;
    TRY(parse_operand(p, &e));
    for (;;) {
        switch ((int)parser_kind(p)) {
        case PROMQL_TOK_LEFT_BRACKET: TRY(parse_brackets(p, &e)); break;
        case PROMQL_TOK_OFFSET: TRY(parse_offset(p, e)); break;
        case PROMQL_TOK_AT: TRY(parse_at(p, e)); break;
        case PROMQL_TOK_ANCHORED:
        case PROMQL_TOK_SMOOTHED: TRY(parse_extension(p, e)); break;
        default: *out = e; return ERR_OK;
        }
    }
}

/* ---- operators ---- */

unsigned binary_precedence(enum promql_token_kind kind)
{
    if (kind == PROMQL_TOK_OR) return 1;
    if (kind == PROMQL_TOK_AND || kind == PROMQL_TOK_UNLESS) return 2;
    if (kind >= PROMQL_TOK_EQ && kind <= PROMQL_TOK_TRIM_LOWER) return 3;
    if (kind == PROMQL_TOK_ADD || kind == PROMQL_TOK_SUB) return 4;
    if (kind == PROMQL_TOK_POW) return PRECEDENCE_POW;
    if (kind >= PROMQL_TOK_MUL && kind <= PROMQL_TOK_ATAN2) return 5;
    return 0;
}

static enum err_code parse_operators(struct parser *p, unsigned lowest, struct promql_expr **out);

/* Sign of what follows, up to the operators that bind less than ^. A number takes it in. */
static enum err_code parse_sign(struct parser *p, struct promql_expr **out)
{
    struct promql_token sign = parser_take(p);
    bool is_minus = sign.kind == PROMQL_TOK_SUB;
    struct promql_expr *inner = NULL;
    TRY(parser_enter(p));
    TRY(parse_operators(p, PRECEDENCE_POW, &inner));
    parser_leave(p);
    if (inner->kind == PROMQL_NUMBER) {
        if (is_minus) inner->number.value = -inner->number.value;
        inner->pos.start = sign.pos.start;
        *out = inner;
        return ERR_OK;
    }
    struct promql_expr *e = parser_node(p, PROMQL_UNARY, inner->type,
                                        (struct promql_pos){ sign.pos.start, inner->pos.end });
    if (!e) return parser_nomem(p);
    e->unary = (struct promql_unary){ is_minus, inner };
    *out = e;
    return parser_adopt(p, e, inner);
}

static enum promql_type binary_type(const struct promql_expr *lhs, const struct promql_expr *rhs)
{
    bool are_scalars = lhs->type == PROMQL_SCALAR && rhs->type == PROMQL_SCALAR;
    return are_scalars ? PROMQL_SCALAR : PROMQL_VECTOR;
}

/* From the operator on: `lhs` and what follows become *out. */
static enum err_code parse_binary(struct parser *p, struct promql_expr *lhs,
                                  struct promql_expr **out)
{
    enum promql_token_kind op = parser_take(p).kind;
    struct promql_binary *b = arena_new(p->arena, struct promql_binary);
    if (!b) return parser_nomem(p);
    b->op = (enum promql_op)(op - PROMQL_TOK_ADD);
    b->lhs = lhs;
    TRY(parse_binary_modifiers(p, b));
    unsigned precedence = binary_precedence(op);
    TRY(parser_enter(p));
    TRY(parse_operators(p, op == PROMQL_TOK_POW ? precedence : precedence + 1, &b->rhs));
    parser_leave(p);
    struct promql_expr *e = parser_node(p, PROMQL_BINARY, binary_type(lhs, b->rhs),
                                        (struct promql_pos){ lhs->pos.start, b->rhs->pos.end });
    if (!e) return parser_nomem(p);
    e->binary = b;
    *out = e;
    bool has_fill = b->matching.has_fill_left || b->matching.has_fill_right;
    if (has_fill && p->options.no_fill_modifiers)
        return parser_fail(p, ERR_INVALID, e->pos.start,
                           "binop fill modifiers are experimental and not enabled");
    TRY(parser_adopt(p, e, lhs));
    return parser_adopt(p, e, b->rhs);
}

/* Precedence climbing: operators of precedence `lowest` and above. */
static enum err_code parse_operators(struct parser *p, unsigned lowest, struct promql_expr **out)
{
    struct promql_expr *e = NULL;
    enum promql_token_kind first = parser_kind(p);
    if (first == PROMQL_TOK_ADD || first == PROMQL_TOK_SUB) {
        TRY(parse_sign(p, &e));
    } else {
        TRY(parse_modified(p, &e));
    }
    for (;;) {
        unsigned precedence = binary_precedence(parser_kind(p));
        if (precedence == 0 || precedence < lowest) break;
        TRY(parse_binary(p, e, &e));
    }
    *out = e;
    return ERR_OK;
}

enum err_code parse_expression(struct parser *p, struct promql_expr **out)
{
    TRY(parser_enter(p));
    TRY(parse_operators(p, 1, out));
    parser_leave(p);
    return ERR_OK;
}

/* ---- entry points ---- */

static enum err_code parser_init(struct parser *p, struct str input, struct arena *a,
                                 const struct promql_parse_options *o, struct err *err)
{
    *p = (struct parser){ .arena = a, .err = err };
    if (o) p->options = *o;
    p->depth_max = p->options.depth_max ? p->options.depth_max : PROMQL_DEPTH_MAX;
    uint32_t size_max = p->options.size_max ? p->options.size_max : PROMQL_SIZE_MAX;
    ASSERT(size_max <= PROMQL_SIZE_MAX);
    if (input.len > size_max) {
        char message[96];
        (void)snprintf(message, sizeof message, "expression is larger than %u bytes", size_max);
        return promql_error_at(str_sub(input, 0, 1), 0, ERR_LIMIT, message, err);
    }
    promql_lexer_init(&p->lexer, input);
    return ERR_OK;
}

static enum err_code expect_end(struct parser *p)
{
    return parser_kind(p) == PROMQL_TOK_EOF ? ERR_OK : parser_unexpected_here(p);
}

enum err_code promql_parse(struct str input, struct arena *a, const struct promql_parse_options *o,
                           struct promql_expr **out, struct err *err)
{
    struct parser p;
    struct promql_expr *e = NULL;
    TRY(parser_init(&p, input, a, o, err));
    if (parser_kind(&p) == PROMQL_TOK_EOF)
        return parser_fail(&p, ERR_INVALID, 0, "no expression found in input");
    TRY(parse_expression(&p, &e));
    TRY(expect_end(&p));
    TRY(promql_check(e, input, err));
    *out = e;
    return ERR_OK;
}

enum err_code promql_parse_selector(struct str input, struct arena *a,
                                    const struct promql_parse_options *o, struct matchers *out,
                                    struct err *err)
{
    struct parser p;
    struct promql_expr *e = NULL;
    TRY(parser_init(&p, input, a, o, err));
    if (promql_token_is_metric_name(parser_kind(&p))) {
        struct promql_token name = parser_take(&p);
        TRY(parse_selector(&p, &name, &e));
    } else if (parser_kind(&p) == PROMQL_TOK_LEFT_BRACE) {
        TRY(parse_selector(&p, NULL, &e));
    } else {
        return parser_unexpected_here(&p);
    }
    TRY(expect_end(&p));
    *out = e->selector->matchers;
    return ERR_OK;
}

enum err_code promql_parse_labels(struct str input, struct arena *a, struct labels *out,
                                  struct err *err)
{
    struct parser p;
    struct labels labels = { NULL, 0 };
    TRY(parser_init(&p, input, a, NULL, err));
    TRY(parse_label_set(&p, &labels));
    TRY(expect_end(&p));
    *out = labels;
    return ERR_OK;
}
