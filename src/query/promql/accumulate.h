/* SPDX-License-Identifier: Apache-2.0
 *
 * accumulate - what an aggregation knows of a group so far, one cell per step: rows go in, partial
 * results merge, a value comes out. Of sum, avg, count, min, max, group, stddev, stdvar.
 *
 *     sum      s + c is the sum (Kahan-Neumaier)
 *     avg      s + c is the sum, or the mean once is_mean: from where the sum would have overflowed
 *     min, max s
 *     stddev   s is the mean, c the second moment (Welford; merged as Chan, Golub, LeVeque 1979)
 * n counts the samples; 0: no result. Source: promql.md section 9.
 * Threads   One per array of cells at a time.
 */
#ifndef PHAROS_QUERY_PROMQL_ACCUMULATE_H
#define PHAROS_QUERY_PROMQL_ACCUMULATE_H

#include "query/promql/eval.h"
#include "query/promql/kernels.h"

#define CELL_BYTES (2 * sizeof(double) + sizeof(uint32_t) + 1)

/* Parallel arrays. */
struct cells {
    double *s, *c;
    uint32_t *n;
    uint8_t *is_mean;
};

/* `count` empty cells. */
CHECK_RESULT enum err_code cells_create(struct eval *e, size_t count, struct cells *out);
struct cells cells_at(struct cells all, size_t index);
/* Add a row to as many cells. */
void cells_add(enum promql_agg_op op, struct cells to, struct points row);
/* Add the first `count` cells of `from`. */
void cells_merge(enum promql_agg_op op, struct cells to, struct cells from, size_t count);
/* The result of cell i, which has n > 0. */
double cells_result(enum promql_agg_op op, struct cells from, size_t i);

#endif
