/* SPDX-License-Identifier: Apache-2.0
 *
 * ast - the syntax tree of PromQL, and the way from text to it.
 *
 * A tree lives in the arena that was given to promql_parse and borrows nothing from the input text.
 * Nodes are one small struct, promql_expr, with a kind, the type of its value and the byte range
 * of the text it came from; what does not fit hangs off it by pointer. A parsed tree is type
 * checked: a function finds the arguments its table row asks for, a binary operator finds scalars
 * and vectors, and so on. Before evaluation promql_prepare (prepare.h) resolves what depends on
 * the query's start, end and step.
 *
 * Grammar   Prometheus 3.14. Precedence low to high, left-associative unless said otherwise:
 *             or | and unless | == != <= < >= > </ >/ | + - | * / % atan2, unary + - |
 *             ^ (right) | offset @ [ ] anchored smoothed
 * Shape     Parentheses are nodes, so that printing and positions are faithful. Unary minus on a
 *           number is folded into the number. `a[5m] offset 1m` is a matrix selector over a vector
 *           selector, and the offset, @ and anchored/smoothed belong to the *vector* selector.
 * Threads   A tree is immutable after promql_prepare; any number of threads may read it. The
 *           regexes belong to the promql_regexes list given in the options.
 * Limits    Input size and nesting depth are bounded by the options; memory by the arena's cap.
 */
#ifndef PHAROS_QUERY_PROMQL_AST_H
#define PHAROS_QUERY_PROMQL_AST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "model/labels.h"
#include "model/matcher.h"

struct promql_function; /* function_table.h */
struct regex;           /* codec/regex.h */
struct mem_budget;      /* os/mem.h */

/* Type of the value of an expression. */
enum promql_type {
    PROMQL_NONE, /* a list of arguments, a duration expression */
    PROMQL_SCALAR,
    PROMQL_STRING,
    PROMQL_VECTOR, /* instant vector */
    PROMQL_MATRIX  /* range vector */
};

/* "scalar", "string", "instant vector", "range vector", "none": the words of error messages. */
struct str promql_type_text(enum promql_type type);
/* "scalar", "string", "vector", "matrix", "none": the words of the HTTP API. */
struct str promql_type_name(enum promql_type type);

/* Bytes [start, end) of the query text. */
struct promql_pos {
    uint32_t start, end;
};

/* One-based line and column (in bytes) of byte `offset` of `input`. */
void promql_line_column(struct str input, uint32_t offset, uint32_t *out_line,
                        uint32_t *out_column);

enum promql_kind {
    PROMQL_NUMBER,          /* .number */
    PROMQL_STRING_LITERAL,  /* .string */
    PROMQL_VECTOR_SELECTOR, /* .selector */
    PROMQL_MATRIX_SELECTOR, /* .matrix */
    PROMQL_SUBQUERY,        /* .subquery */
    PROMQL_AGGREGATE,       /* .aggregate */
    PROMQL_BINARY,          /* .binary */
    PROMQL_UNARY,           /* .unary */
    PROMQL_CALL,            /* .call */
    PROMQL_PAREN,           /* .inner */
    PROMQL_STEP_INVARIANT,  /* .inner: same value at every step; made by promql_prepare only */
    PROMQL_DURATION         /* .duration: a duration expression; only in the *_expr fields below */
};

/* A number: `1.5`, `0x1f`, `Inf`, or a duration in seconds (`5m`) that prints as a duration. */
struct promql_number {
    double value;
    bool is_duration;
};

/* ---- selectors ---- */

enum promql_at {
    PROMQL_AT_NONE,
    PROMQL_AT_TIME,  /* `@ 1609746000`: at_ms is given */
    PROMQL_AT_START, /* `@ start()`: at_ms is set by promql_prepare */
    PROMQL_AT_END
};

/* The modifiers that a vector selector (also the one in a matrix selector) and a subquery have. */
struct promql_time_shift {
    int64_t offset_ms;               /* `offset 5m`; may be negative */
    struct promql_expr *offset_expr; /* PROMQL_DURATION, or NULL; offset_ms is set from it by
                                        promql_prepare */
    int64_t at_ms;                   /* valid unless at == PROMQL_AT_NONE */
    enum promql_at at;
};

struct promql_selector {
    struct str name;          /* the name written outside the braces, empty if none */
    struct matchers matchers; /* all, incl. the one for `name`; written order, name last */
    struct promql_time_shift shift;
    bool anchored, smoothed;
};

struct promql_matrix {
    struct promql_expr *selector;   /* PROMQL_VECTOR_SELECTOR */
    int64_t range_ms;               /* > 0 after promql_prepare */
    struct promql_expr *range_expr; /* PROMQL_DURATION, or NULL */
};

struct promql_subquery {
    struct promql_expr *inner; /* instant vector */
    int64_t range_ms;
    int64_t step_ms;                            /* 0: the engine's default step */
    struct promql_expr *range_expr, *step_expr; /* PROMQL_DURATION, or NULL */
    struct promql_time_shift shift;
};

/* ---- operators ---- */

enum promql_op {
    PROMQL_OP_ADD,
    PROMQL_OP_SUB,
    PROMQL_OP_MUL,
    PROMQL_OP_DIV,
    PROMQL_OP_MOD,
    PROMQL_OP_POW,
    PROMQL_OP_ATAN2,
    PROMQL_OP_EQ,
    PROMQL_OP_NE,
    PROMQL_OP_LE,
    PROMQL_OP_LT,
    PROMQL_OP_GE,
    PROMQL_OP_GT,
    PROMQL_OP_TRIM_UPPER, /* `</` keep observations below */
    PROMQL_OP_TRIM_LOWER, /* `>/` keep observations above */
    PROMQL_OP_AND,
    PROMQL_OP_OR,
    PROMQL_OP_UNLESS,
    PROMQL_OP_COUNT
};

/* "+", "atan2", "unless", ... */
struct str promql_op_text(enum promql_op op);
static inline bool promql_op_is_comparison(enum promql_op op)
{
    return op >= PROMQL_OP_EQ && op <= PROMQL_OP_GT;
}
static inline bool promql_op_is_set(enum promql_op op)
{
    return op >= PROMQL_OP_AND && op <= PROMQL_OP_UNLESS;
}

enum promql_card {
    PROMQL_ONE_TO_ONE,
    PROMQL_MANY_TO_ONE, /* group_left */
    PROMQL_ONE_TO_MANY, /* group_right */
    PROMQL_MANY_TO_MANY /* set operators */
};

/* "one-to-one" and so on. */
struct str promql_card_text(enum promql_card card);

struct promql_names {
    const struct str *ptr; /* as written, unsorted */
    size_t len;
};

struct promql_matching {
    enum promql_card card;
    bool is_on; /* `on`: labels are the only ones compared; else they are ignored */
    struct promql_names labels;
    struct promql_names include; /* group_left(...) */
    bool has_fill_left, has_fill_right;
    double fill_left, fill_right;
};

struct promql_binary {
    enum promql_op op;
    bool returns_bool; /* `bool` */
    bool has_matching; /* both sides are vectors: `matching` is meaningful */
    struct promql_expr *lhs, *rhs;
    struct promql_matching matching;
};

struct promql_unary {
    bool is_minus;
    struct promql_expr *inner;
};

enum promql_agg_op {
    PROMQL_AGG_SUM,
    PROMQL_AGG_AVG,
    PROMQL_AGG_COUNT,
    PROMQL_AGG_MIN,
    PROMQL_AGG_MAX,
    PROMQL_AGG_GROUP,
    PROMQL_AGG_STDDEV,
    PROMQL_AGG_STDVAR,
    PROMQL_AGG_TOPK,
    PROMQL_AGG_BOTTOMK,
    PROMQL_AGG_COUNT_VALUES,
    PROMQL_AGG_QUANTILE,
    PROMQL_AGG_LIMITK,
    PROMQL_AGG_LIMIT_RATIO,
    PROMQL_AGG_COUNT_OF
};

/* "sum", "count_values", ... */
struct str promql_agg_text(enum promql_agg_op op);
static inline bool promql_agg_has_param(enum promql_agg_op op)
{
    return op >= PROMQL_AGG_TOPK && op <= PROMQL_AGG_LIMIT_RATIO;
}

struct promql_aggregate {
    enum promql_agg_op op;
    bool is_without;
    struct promql_names grouping; /* as written */
    struct promql_expr *param;    /* NULL unless promql_agg_has_param(op) */
    struct promql_expr *inner;
};

struct promql_call {
    const struct promql_function *fn;
    struct promql_expr **args;
    size_t arg_count;
};

enum promql_duration_op {
    PROMQL_DUR_ADD,
    PROMQL_DUR_SUB, /* with lhs == NULL: unary minus */
    PROMQL_DUR_MUL,
    PROMQL_DUR_DIV,
    PROMQL_DUR_MOD,
    PROMQL_DUR_POW,
    PROMQL_DUR_MIN_OF,
    PROMQL_DUR_MAX_OF,
    PROMQL_DUR_STEP, /* step(): no operands */
    PROMQL_DUR_RANGE /* range(): no operands */
};

/* Operands are PROMQL_DURATION or PROMQL_NUMBER nodes. Unary plus has lhs == NULL. */
struct promql_duration {
    enum promql_duration_op op;
    bool is_wrapped; /* in parentheses */
    struct promql_expr *lhs, *rhs;
};

struct promql_expr {
    enum promql_kind kind;
    enum promql_type type;
    struct promql_pos pos;
    uint32_t height; /* 1 for a leaf; at most the parser's depth_max */
    union {
        struct promql_number number;
        struct str string; /* unquoted */
        struct promql_selector *selector;
        struct promql_matrix *matrix;
        struct promql_subquery *subquery;
        struct promql_aggregate *aggregate;
        struct promql_binary *binary;
        struct promql_unary unary;
        struct promql_call *call;
        struct promql_expr *inner;
        struct promql_duration *duration;
    };
};

/* The expression inside any number of parentheses and step-invariant wrappers. */
const struct promql_expr *promql_unwrap(const struct promql_expr *e);

/* Same tree, positions aside? Regexes are compared by their text. */
bool promql_expr_equal(const struct promql_expr *a, const struct promql_expr *b);

/* The children of a node in written order: expressions only, not duration expressions.
 * Child `index`, or NULL past the last one. */
struct promql_expr *promql_child(const struct promql_expr *e, size_t index);

/* ---- parsing ---- */

struct promql_regex_link {
    struct promql_regex_link *next;
    struct regex *re;
};

/* Owner of the compiled regexes of any number of parsed queries. */
struct promql_regexes {
    struct promql_regex_link *first;
};
/* Destroys the regexes: after the last evaluation, before the arena goes. */
void promql_regexes_deinit(struct promql_regexes *list);

#define PROMQL_SIZE_MAX (1u << 20)
#define PROMQL_DEPTH_MAX 1000u

/* All zero is the default: every part of the language is accepted. */
struct promql_parse_options {
    /* Charged for compiled regexes. NULL: regexes are neither checked nor compiled. */
    struct mem_budget *budget;
    /* Where compiled regexes go. NULL: regexes are checked, but matchers get re == NULL. */
    struct promql_regexes *regexes;
    uint32_t size_max;  /* bytes of input; 0 = PROMQL_SIZE_MAX */
    uint32_t depth_max; /* nesting of nodes; 0 = PROMQL_DEPTH_MAX */
    /* Feature gates, to behave as a Prometheus without the flag does. */
    bool no_experimental_functions;
    bool no_duration_expressions;
    bool no_extended_range_selectors; /* anchored, smoothed */
    bool no_fill_modifiers;
};

/* Parse and check `input`. `o` may be NULL.
 * ERR_INVALID  err->detail is the whole client text, "LINE:COL: parse error: ...", err->offset the
 *              byte position.
 * ERR_LIMIT    input too large or too deep: err->detail in the same form.
 * ERR_NOMEM    the arena is exhausted. */
CHECK_RESULT enum err_code promql_parse(struct str input, struct arena *a,
                                        const struct promql_parse_options *o,
                                        struct promql_expr **out, struct err *err);

/* A vector selector without modifiers, as the match[] parameter takes it. Same errors. */
CHECK_RESULT enum err_code promql_parse_selector(struct str input, struct arena *a,
                                                 const struct promql_parse_options *o,
                                                 struct matchers *out, struct err *err);

/* A label set in PromQL's notation: `name{a="b"}`, `{"quoted name", a="b"}`, `{}`. Same errors. */
CHECK_RESULT enum err_code promql_parse_labels(struct str input, struct arena *a,
                                               struct labels *out, struct err *err);

#endif
