/* SPDX-License-Identifier: Apache-2.0
 *
 * window - functions over the samples of one series in a range: rate() and its kin, *_over_time().
 *
 * A window is (ref - range, ref]: left-open since Prometheus 3. The two ends slide over the series
 * with the steps; series with the same times share the result. rate() and its kin then cost
 * O(samples + steps), the others O(samples of each window).
 *
 * Source    promql.md section 12.
 */
#ifndef PHAROS_QUERY_PROMQL_WINDOW_H
#define PHAROS_QUERY_PROMQL_WINDOW_H

#include "query/promql/eval.h"

struct window {
    const int64_t *ts_ms; /* of the samples in the window, n > 0 of them */
    const double *value;
    size_t n;
    int64_t step_ts_ms;
    double a, b;  /* scalar arguments at this step */
    double *work; /* n doubles of scratch */
};

/* False: no point at this step. */
typedef bool (*window_fn)(const struct window *w, double *out);

struct window_call {
    window_fn fn;          /* NULL when is_extrapolated */
    bool is_extrapolated;  /* rate, increase, delta */
    bool is_counter;       /* rate, increase */
    bool is_rate;          /* per second */
    bool checks_name;      /* a counter by its name? promql.md 12.5, 4 */
    bool checks_quantile;  /* warn where `a` is outside [0, 1] */
    struct promql_pos pos; /* of the argument that annotations point to */
    int64_t range_ms;
    const double *a, *b; /* scalar rows or NULL */
};

/* Is it a function of windows, apart from absent_over_time that eval_call answers? Then *out says
 * how. */
bool window_call_of(enum promql_function_id id, struct window_call *out);

/* Where the windows of all steps lie in a column of times. */
struct window_plan {
    struct arena *arena;
    int64_t *ts_ms; /* [count]: the times it was made for */
    size_t count, cap;
    bool is_ready;
    uint32_t *lo, *hi;                            /* [T]: samples lo .. hi - 1 */
    double *sampled, *to_start, *to_end, *factor; /* [T]: of is_extrapolated, where hi - lo >= 2 */
    uint64_t samples;                             /* of all windows */
    double *work;                                 /* [cap] */
    uint32_t *resets;                             /* [cap] */
};

struct window_input {
    struct eval *e;
    const struct window_call *call;
    const struct sample_columns *columns; /* stale markers already removed */
    int64_t offset_ms, at_ms;
    bool has_at;
};

CHECK_RESULT enum err_code window_plan_init(struct window_plan *p, struct eval *e,
                                            const struct window_call *call, struct arena *a,
                                            size_t steps);
/* The row of one series; p->samples then counts the samples of its windows. One plan serves any
 * number of series of one call and grid. */
CHECK_RESULT enum err_code window_row(struct window_plan *p, const struct window_input *in,
                                      const struct grid *g, struct row row, bool *out_any);

#endif
