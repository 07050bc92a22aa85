/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/function_table.h"

#include "base/assert.h"

enum { E = 1, T = 2, N = 4, K = 8 };

static const struct promql_function FUNCTIONS[] = {
#define F(id_, name_, args_, variadic_, result_, flags_)                                           \
    { .id = PROMQL_FN_##id_,                                                                       \
      .name = STR_INIT(name_),                                                                     \
      .args = STR_INIT(args_),                                                                     \
      .variadic = variadic_,                                                                       \
      .result = PROMQL_##result_,                                                                  \
      .is_experimental = ((flags_)&E) != 0,                                                        \
      .is_time_dependent = ((flags_)&T) != 0,                                                      \
      .is_time_dependent_bare = ((flags_)&N) != 0,                                                 \
      .keeps_name = ((flags_)&K) != 0 },
#include "query/promql/functions.inc"
#undef F
};

_Static_assert(sizeof FUNCTIONS / sizeof FUNCTIONS[0] == PROMQL_FN_COUNT_OF, "one row per id");

const struct promql_function *promql_function_get(enum promql_function_id id)
{
    ASSERT((size_t)id < PROMQL_FN_COUNT_OF);
    return &FUNCTIONS[id];
}

const struct promql_function *promql_function_find(struct str name)
{
    size_t low = 0, high = PROMQL_FN_COUNT_OF;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(FUNCTIONS[middle].name, name);
        if (order == 0) return &FUNCTIONS[middle];
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

enum promql_type promql_function_arg_type(const struct promql_function *fn, size_t index)
{
    ASSERT(fn->args.len > 0);
    size_t last = fn->args.len - 1;
    switch (fn->args.ptr[index < last ? index : last]) {
    case 'v': return PROMQL_VECTOR;
    case 'm': return PROMQL_MATRIX;
    case 's': return PROMQL_SCALAR;
    case 't': return PROMQL_STRING;
    default: UNREACHABLE();
    }
}

void promql_function_arity(const struct promql_function *fn, size_t *out_min, size_t *out_max)
{
    size_t n = fn->args.len;
    *out_min = fn->variadic == 0 ? n : n - 1;
    *out_max = fn->variadic < 0 ? SIZE_MAX : fn->variadic == 0 ? n : n - 1 + (size_t)fn->variadic;
}
