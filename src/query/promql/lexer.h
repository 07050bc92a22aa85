/* SPDX-License-Identifier: Apache-2.0
 *
 * lexer - PromQL text to tokens, one at a time.
 *
 * What a character means depends on where it stands: inside {} every word is an identifier; inside
 * [] words are only step, range, min_of and max_of and ':' is a token; elsewhere ':' belongs to
 * metric names. The lexer also counts parentheses, so that "unclosed left parenthesis" is told
 * before anything else at the end of the text, as Prometheus does (promql/parser/lex.go).
 *
 * Memory    None: tokens are slices of the input.
 * Failure   A token of kind PROMQL_TOK_ERROR; promql_lexer.message says why. Lexing on afterwards
 *           gives the same token again.
 */
#ifndef PHAROS_QUERY_PROMQL_LEXER_H
#define PHAROS_QUERY_PROMQL_LEXER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "query/promql/ast.h"

enum promql_token_kind {
    PROMQL_TOK_EOF,
    PROMQL_TOK_ERROR,
    PROMQL_TOK_IDENTIFIER,        /* [A-Za-z_][A-Za-z0-9_]* */
    PROMQL_TOK_METRIC_IDENTIFIER, /* the same with ':' */
    PROMQL_TOK_NUMBER,
    PROMQL_TOK_DURATION,
    PROMQL_TOK_STRING, /* with its quotes */
    PROMQL_TOK_LEFT_PAREN,
    PROMQL_TOK_RIGHT_PAREN,
    PROMQL_TOK_LEFT_BRACE,
    PROMQL_TOK_RIGHT_BRACE,
    PROMQL_TOK_LEFT_BRACKET,
    PROMQL_TOK_RIGHT_BRACKET,
    PROMQL_TOK_COMMA,
    PROMQL_TOK_COLON,
    PROMQL_TOK_ASSIGN, /* = */
    /* Operators. The first PROMQL_OP_COUNT are those of enum promql_op, in its order. */
    PROMQL_TOK_ADD,
    PROMQL_TOK_SUB,
    PROMQL_TOK_MUL,
    PROMQL_TOK_DIV,
    PROMQL_TOK_MOD,
    PROMQL_TOK_POW,
    PROMQL_TOK_ATAN2,
    PROMQL_TOK_EQ,
    PROMQL_TOK_NE,
    PROMQL_TOK_LE,
    PROMQL_TOK_LT,
    PROMQL_TOK_GE,
    PROMQL_TOK_GT,
    PROMQL_TOK_TRIM_UPPER,
    PROMQL_TOK_TRIM_LOWER,
    PROMQL_TOK_AND,
    PROMQL_TOK_OR,
    PROMQL_TOK_UNLESS,
    PROMQL_TOK_MATCH_RE,  /* =~ */
    PROMQL_TOK_MATCH_NRE, /* !~ */
    PROMQL_TOK_AT,
    /* Aggregations, in the order of enum promql_agg_op. */
    PROMQL_TOK_SUM,
    PROMQL_TOK_AVG,
    PROMQL_TOK_COUNT,
    PROMQL_TOK_MIN,
    PROMQL_TOK_MAX,
    PROMQL_TOK_GROUP,
    PROMQL_TOK_STDDEV,
    PROMQL_TOK_STDVAR,
    PROMQL_TOK_TOPK,
    PROMQL_TOK_BOTTOMK,
    PROMQL_TOK_COUNT_VALUES,
    PROMQL_TOK_QUANTILE,
    PROMQL_TOK_LIMITK,
    PROMQL_TOK_LIMIT_RATIO,
    /* Keywords. */
    PROMQL_TOK_BOOL,
    PROMQL_TOK_BY,
    PROMQL_TOK_WITHOUT,
    PROMQL_TOK_ON,
    PROMQL_TOK_IGNORING,
    PROMQL_TOK_GROUP_LEFT,
    PROMQL_TOK_GROUP_RIGHT,
    PROMQL_TOK_FILL,
    PROMQL_TOK_FILL_LEFT,
    PROMQL_TOK_FILL_RIGHT,
    PROMQL_TOK_OFFSET,
    PROMQL_TOK_ANCHORED,
    PROMQL_TOK_SMOOTHED,
    /* Words of modifiers that are function names as well. */
    PROMQL_TOK_START,
    PROMQL_TOK_END,
    PROMQL_TOK_STEP,
    PROMQL_TOK_RANGE,
    PROMQL_TOK_MIN_OF,
    PROMQL_TOK_MAX_OF,
    PROMQL_TOK_COUNT_OF_KINDS
};

static inline bool promql_token_is_operator(enum promql_token_kind k)
{
    return k >= PROMQL_TOK_ADD && k <= PROMQL_TOK_AT;
}
static inline bool promql_token_is_aggregator(enum promql_token_kind k)
{
    return k >= PROMQL_TOK_SUM && k <= PROMQL_TOK_LIMIT_RATIO;
}
static inline bool promql_token_is_keyword(enum promql_token_kind k)
{
    return k >= PROMQL_TOK_BOOL && k <= PROMQL_TOK_SMOOTHED;
}
/* start, end, step, range, min_of, max_of */
static inline bool promql_token_is_function_word(enum promql_token_kind k)
{
    return k >= PROMQL_TOK_START && k <= PROMQL_TOK_MAX_OF;
}
/* May it stand where a metric name is expected? */
bool promql_token_is_metric_name(enum promql_token_kind k);
/* May it stand in by (...), on (...) and the like? Strings may as well. */
bool promql_token_is_label_name(enum promql_token_kind k);

struct promql_token {
    enum promql_token_kind kind;
    struct promql_pos pos;
    struct str text; /* slice of the input */
};

struct promql_lexer {
    struct str input;
    uint32_t pos;
    int32_t paren_depth;
    bool in_braces, in_brackets;
    bool before_number; /* in brackets, and no number was seen yet */
    bool got_duration;  /* in brackets: a number or step(), range(), ... */
    bool got_colon;     /* in brackets */
    bool failed;
    uint32_t error_pos;
    char message[ERR_DETAIL_SIZE - 64];
};

/* input.len <= PROMQL_SIZE_MAX. */
void promql_lexer_init(struct promql_lexer *lx, struct str input);
void promql_lexer_next(struct promql_lexer *lx, struct promql_token *out);

/* The token as error messages name it: `identifier "x"`, `<op:+>`, `end of input`; NUL-terminated,
 * truncated to `size`. */
void promql_token_describe(const struct promql_token *t, char *out, size_t size);
/* The word of a keyword, aggregation or function word in lower case. */
struct str promql_token_word(enum promql_token_kind k);

#endif
