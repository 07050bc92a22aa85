/* SPDX-License-Identifier: Apache-2.0
 *
 * function_table - what each PromQL function takes and gives; the rows are in functions.inc.
 *
 * The parser looks names up and checks arguments against the row; the engine dispatches on the id.
 * Rows are constant and live for the whole program.
 */
#ifndef PHAROS_QUERY_PROMQL_FUNCTION_TABLE_H
#define PHAROS_QUERY_PROMQL_FUNCTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "query/promql/ast.h"

enum promql_function_id {
#define F(id, name, args, variadic, result, flags) PROMQL_FN_##id,
#include "query/promql/functions.inc"
#undef F
    PROMQL_FN_COUNT_OF
};

struct promql_function {
    enum promql_function_id id;
    struct str name;
    struct str args; /* one letter per argument: v m s t */
    int variadic;    /* see functions.inc */
    enum promql_type result;
    bool is_experimental;
    bool is_time_dependent;      /* even when all arguments are constant over the steps */
    bool is_time_dependent_bare; /* when called without arguments */
    bool keeps_name;
};

/* Case-sensitive; NULL if there is no such function. */
const struct promql_function *promql_function_find(struct str name);
const struct promql_function *promql_function_get(enum promql_function_id id);
/* Type that argument `index` must have; the last type repeats for variadic functions. The function
 * has at least one argument. */
enum promql_type promql_function_arg_type(const struct promql_function *fn, size_t index);
/* Fewest and most arguments; *out_max is SIZE_MAX when there is no upper limit. */
void promql_function_arity(const struct promql_function *fn, size_t *out_min, size_t *out_max);

#endif
