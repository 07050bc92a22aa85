/* SPDX-License-Identifier: Apache-2.0
 *
 * window - functions over the samples of one series in a range: rate() and its kin, *_over_time().
 *
 * A window is (ref - range, ref]: left-open since Prometheus 3. The two ends slide over the series with the
 * steps, so that a whole row costs O(samples + steps) for the functions that answer from prefix sums, and
 * O(samples of each window) for the others.
 *
 * Source    promql.md section 12.
 */
#ifndef PHAROS_QUERY_PROMQL_WINDOW_H
#define PHAROS_QUERY_PROMQL_WINDOW_H

#include "query/promql/eval.h"

struct window {
    const int64_t *ts_ms; /* of the samples in the window, n of them */
    const double *value;
    size_t n;
    const uint32_t
        *resets; /* resets[i]: drops up to sample i of the series, for the same i as value */
    int64_t ref_ms, range_ms, step_ts_ms;
    double a, b;  /* scalar arguments at this step */
    double *work; /* n doubles of scratch */
};

/* False: no point at this step. */
typedef bool (*window_fn)(const struct window *w, double *out);

struct window_call {
    window_fn fn;
    bool is_counter;       /* needs resets */
    bool checks_name;      /* a counter by its name? promql.md 12.5, 4 */
    bool checks_quantile;  /* warn where `a` is outside [0, 1] */
    struct promql_pos pos; /* of the argument that annotations point to */
    int64_t range_ms;
    const double *a, *b; /* scalar rows or NULL */
};

/* NULL: not a window function, or one that eval_call answers (absent_over_time). */
window_fn window_function(enum promql_function_id id);

/* Rows of `columns` (stale markers already removed). */
struct window_input {
    const struct window_call *call;
    const struct sample_columns *columns;
    int64_t offset_ms, at_ms;
    bool has_at;
    double *work;     /* columns->count doubles */
    uint32_t *resets; /* columns->count, or NULL unless is_counter */
};
/* Fills row; returns whether there is any point. *out_samples counts the samples of all windows. */
bool window_row(const struct window_input *in, const struct grid *g, struct row row,
                uint64_t *out_samples);

#endif
