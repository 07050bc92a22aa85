/* SPDX-License-Identifier: Apache-2.0
 *
 * parser_priv - what the files of the parser share: parser.c (expressions and entry points),
 * parser_selector.c (braces, matchers, label lists), parser_call.c (functions, aggregations,
 * modifiers of binary operators) and parser_duration.c (brackets, offset, @).
 *
 * Each parse_* function consumes its construct from the token stream or fails with the text of
 * Prometheus in *p->err. The reference parser is LALR(1) with error productions: the innermost
 * construct that has one names the context of an unexpected token ("in aggregation"). Here the
 * context is a field of the parser, set while such a construct is being read. Tokens are read
 * lazily, so that errors about meaning and errors of the lexer come in the order of the reference.
 */
#ifndef PHAROS_QUERY_PROMQL_PARSER_PRIV_H
#define PHAROS_QUERY_PROMQL_PARSER_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "query/promql/ast.h"
#include "query/promql/lexer.h"

struct parser {
    struct promql_lexer lexer;
    struct promql_token token; /* the next one, if has_token */
    bool has_token;
    bool in_aggregation;   /* context of unexpected tokens */
    uint32_t last_closing; /* end of the last ) ] } or number taken */
    uint32_t depth;        /* of nested parse calls */
    uint32_t depth_max;
    struct arena *arena;
    struct promql_parse_options options;
    struct err *err;
};

/* "unexpected TOKEN in CONTEXT, expected EXPECTED" */
struct expectation {
    const char *context, *expected; /* "" = leave the part out */
};

/* ---- tokens ---- */

/* The next token, not consumed. */
const struct promql_token *parser_peek(struct parser *p);
enum promql_token_kind parser_kind(struct parser *p);
/* Consume and return the next token. */
struct promql_token parser_take(struct parser *p);
/* Consume it if it is of that kind. */
bool parser_accept(struct parser *p, enum promql_token_kind kind);

/* ---- errors ---- */

/* "LINE:COL: parse error: ..." at byte `at`. Returns `code`. */
__attribute__((format(printf, 4, 5))) enum err_code parser_fail(struct parser *p,
                                                                enum err_code code, uint32_t at,
                                                                const char *fmt, ...);
/* The next token does not fit: its lexer error, or "unexpected ...". */
enum err_code parser_unexpected(struct parser *p, struct expectation e);
/* The same with the context of expressions. */
enum err_code parser_unexpected_here(struct parser *p);
enum err_code parser_nomem(struct parser *p);
/* Rewrite *p->err (of a function that does not know where it is) as a parse error at `at`. */
enum err_code parser_fail_as(struct parser *p, enum err_code code, uint32_t at);

/* ---- nodes ---- */

/* A node with height 1. NULL on exhaustion. */
struct promql_expr *parser_node(struct parser *p, enum promql_kind kind, enum promql_type type,
                                struct promql_pos pos);
/* An array of `size`-byte elements with room for one more after `len`: `array` itself, or a larger
 * copy when it is full (len is a power of two). NULL on exhaustion. */
void *parser_grow(struct parser *p, void *array, size_t len, size_t size);
/* Count one more level of nested calls; pair with parser_leave on success. */
CHECK_RESULT enum err_code parser_enter(struct parser *p);
void parser_leave(struct parser *p);
/* Set e->height above that of `child`. ERR_LIMIT when the tree gets too high. */
CHECK_RESULT enum err_code parser_adopt(struct parser *p, struct promql_expr *e,
                                        const struct promql_expr *child);

/* ---- parts of the grammar ---- */

CHECK_RESULT enum err_code parse_expression(struct parser *p, struct promql_expr **out);
/* The NUMBER or DURATION token that comes next. */
CHECK_RESULT enum err_code parse_number(struct parser *p, struct promql_expr **out);
/* The token is a metric name, or '{' comes next and name is empty. */
CHECK_RESULT enum err_code parse_selector(struct parser *p, const struct promql_token *name,
                                          struct promql_expr **out);
/* name{a="b"}: the label set of a series. */
CHECK_RESULT enum err_code parse_label_set(struct parser *p, struct labels *out);
/* "(a, b, )" */
CHECK_RESULT enum err_code parse_label_names(struct parser *p, struct promql_names *out);
CHECK_RESULT enum err_code parse_call(struct parser *p, const struct promql_token *name,
                                      struct promql_expr **out);
CHECK_RESULT enum err_code parse_aggregation(struct parser *p, const struct promql_token *op,
                                             struct promql_expr **out);
/* What stands between a binary operator and its right operand. */
CHECK_RESULT enum err_code parse_binary_modifiers(struct parser *p, struct promql_binary *b);
/* From '[' on; *e becomes a matrix selector or a subquery. */
CHECK_RESULT enum err_code parse_brackets(struct parser *p, struct promql_expr **e);
/* From the word offset on. */
CHECK_RESULT enum err_code parse_offset(struct parser *p, struct promql_expr *e);
/* From '@' on. */
CHECK_RESULT enum err_code parse_at(struct parser *p, struct promql_expr *e);
/* The word anchored or smoothed. */
CHECK_RESULT enum err_code parse_extension(struct parser *p, struct promql_expr *e);

/* Precedence of a binary operator, 1 (or) to 6 (^); 0 if the token is none. */
unsigned binary_precedence(enum promql_token_kind kind);
#define PRECEDENCE_POW 6u

#endif
