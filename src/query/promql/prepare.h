/* SPDX-License-Identifier: Apache-2.0
 *
 * prepare - make a parsed tree ready for one evaluation: resolve what depends on the query's start,
 * end and step, and mark what needs computing only once.
 *
 *   1. Duration expressions are computed (with step() and range()) into range_ms, step_ms and
 *      offset_ms. The *_expr fields stay, for printing.
 *   2. `@ start()` and `@ end()` get their at_ms.
 *   3. The largest sub-expressions whose value is the same at every step (`@` on all selectors, no
 *      function of the step's time) are wrapped in PROMQL_STEP_INVARIANT. Literals and range
 *      vectors are never wrapped themselves, so the argument of rate() stays a matrix selector
 *      or a subquery (perhaps in parentheses). Order of elements (sort, topk) passes through.
 *   4. anchored and smoothed are refused on the arguments of functions that do not know them.
 *
 * A tree is prepared once, for one evaluation: parse again (or keep a second tree) for another.
 * Threads   One owner while preparing; read-only for any number of threads afterwards.
 */
#ifndef PHAROS_QUERY_PROMQL_PREPARE_H
#define PHAROS_QUERY_PROMQL_PREPARE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "query/promql/ast.h"

/* An instant query has start == end and step 0. */
struct promql_prepare_params {
    int64_t start_ms, end_ms, step_ms;
};

/* *root may be replaced by a wrapper. ERR_INVALID with the whole client text in err->detail:
 * "START:END: duration must be greater than 0" and so on (START and END are byte offsets, as in
 * Prometheus), or "anchored modifier can only be used with: ...". ERR_NOMEM. */
CHECK_RESULT enum err_code promql_prepare(struct promql_expr **root,
                                          const struct promql_prepare_params *params,
                                          struct arena *a, struct err *err);

#endif
