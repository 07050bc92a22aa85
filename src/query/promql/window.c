/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/window.h"

#include <math.h>

/* ---- rate, increase, delta: extrapolation to the window's ends (promql.md 12.5) ---- */

/* last - first, plus what a counter had before each drop. */
static double increase_of(const struct window *w, bool is_counter)
{
    double r = w->value[w->n - 1] - w->value[0];
    if (!is_counter || w->resets[w->n - 1] == w->resets[0]) return r;
    for (size_t i = 1; i < w->n; i++) {
        if (w->value[i] < w->value[i - 1]) r += w->value[i - 1];
    }
    return r;
}

static bool extrapolated(const struct window *w, bool is_counter, bool is_rate, double *out)
{
    if (w->n < 2) return false;
    double r = increase_of(w, is_counter);
    double to_start = (double)(w->ts_ms[0] - (w->ref_ms - w->range_ms)) / 1000;
    double to_end = (double)(w->ref_ms - w->ts_ms[w->n - 1]) / 1000;
    double sampled = (double)(w->ts_ms[w->n - 1] - w->ts_ms[0]) / 1000;
    double average = sampled / (double)(w->n - 1), threshold = average * 1.1;
    if (to_start >= threshold) to_start = average / 2;
    if (is_counter && r > 0 && w->value[0] >= 0) {
        /* A counter cannot have been below zero: do not extrapolate past its zero. */
        double to_zero = sampled * (w->value[0] / r);
        if (to_zero < to_start) to_start = to_zero;
    }
    if (to_end >= threshold) to_end = average / 2;
    double factor = (sampled + to_start + to_end) / sampled;
    if (is_rate) factor /= (double)w->range_ms / 1000;
    *out = r * factor;
    return true;
}

static bool fn_rate(const struct window *w, double *out)
{
    return extrapolated(w, true, true, out);
}
static bool fn_increase(const struct window *w, double *out)
{
    return extrapolated(w, true, false, out);
}
static bool fn_delta(const struct window *w, double *out)
{
    return extrapolated(w, false, false, out);
}

static bool fn_irate(const struct window *w, double *out)
{
    if (w->n < 2) return false;
    double last = w->value[w->n - 1], before = w->value[w->n - 2];
    int64_t dt = w->ts_ms[w->n - 1] - w->ts_ms[w->n - 2];
    if (dt == 0) return false;
    *out = (last < before ? last : last - before) / ((double)dt / 1000);
    return true;
}

static bool fn_idelta(const struct window *w, double *out)
{
    if (w->n < 2 || w->ts_ms[w->n - 1] == w->ts_ms[w->n - 2]) return false;
    *out = w->value[w->n - 1] - w->value[w->n - 2];
    return true;
}

/* ---- *_over_time ---- */

void kahan_add(double x, double *sum, double *c)
{
    double t = *sum + x;
    if (isinf(t)) {
        *c = 0;
    } else if (fabs(*sum) >= fabs(x)) {
        *c += (*sum - t) + x;
    } else {
        *c += (x - t) + *sum;
    }
    *sum = t;
}

static bool fn_sum(const struct window *w, double *out)
{
    double sum = 0, c = 0;
    if (w->n == 0) return false;
    for (size_t i = 0; i < w->n; i++)
        kahan_add(w->value[i], &sum, &c);
    *out = isinf(sum) ? sum : sum + c;
    return true;
}

/* Direct sum, unless it overflows: then the running mean. */
static bool fn_avg(const struct window *w, double *out)
{
    double sum = w->n ? w->value[0] : 0, c = 0, mean = 0;
    bool incremental = false;
    if (w->n == 0) return false;
    for (size_t i = 1; i < w->n; i++) {
        double n = (double)(i + 1), x = w->value[i];
        if (!incremental) {
            double s = sum, k = c;
            kahan_add(x, &s, &k);
            if (!isinf(s)) {
                sum = s;
                c = k;
                continue;
            }
            incremental = true;
            mean = sum / (n - 1);
            c /= n - 1;
        }
        double q = (n - 1) / n;
        double m = q * mean, k = q * c;
        kahan_add(x / n, &m, &k);
        mean = m;
        c = k;
    }
    double n = (double)w->n;
    *out = incremental ? mean + c : sum / n + c / n;
    return true;
}

static bool fn_count(const struct window *w, double *out)
{
    *out = (double)w->n;
    return w->n > 0;
}
static bool fn_present(const struct window *w, double *out)
{
    *out = 1;
    return w->n > 0;
}
static bool fn_last(const struct window *w, double *out)
{
    if (w->n) *out = w->value[w->n - 1];
    return w->n > 0;
}
static bool fn_first(const struct window *w, double *out)
{
    if (w->n) *out = w->value[0];
    return w->n > 0;
}
static bool fn_ts_last(const struct window *w, double *out)
{
    if (w->n) *out = (double)w->ts_ms[w->n - 1] / 1000;
    return w->n > 0;
}
static bool fn_ts_first(const struct window *w, double *out)
{
    if (w->n) *out = (double)w->ts_ms[0] / 1000;
    return w->n > 0;
}

/* Index of the last extreme value; NaN only when all are. */
static size_t extreme(const struct window *w, bool is_max, bool is_last)
{
    size_t best = 0;
    for (size_t i = 1; i < w->n; i++) {
        double x = w->value[i], y = w->value[best];
        bool better = is_max ? x > y : x < y;
        if (better || isnan(y) || (is_last && x == y)) best = i;
    }
    return best;
}
static bool fn_min(const struct window *w, double *out)
{
    if (w->n) *out = w->value[extreme(w, false, false)];
    return w->n > 0;
}
static bool fn_max(const struct window *w, double *out)
{
    if (w->n) *out = w->value[extreme(w, true, false)];
    return w->n > 0;
}
static bool fn_ts_min(const struct window *w, double *out)
{
    if (w->n) *out = (double)w->ts_ms[extreme(w, false, true)] / 1000;
    return w->n > 0;
}
static bool fn_ts_max(const struct window *w, double *out)
{
    if (w->n) *out = (double)w->ts_ms[extreme(w, true, true)] / 1000;
    return w->n > 0;
}

/* Population variance, Welford with compensated mean and moment. */
static bool fn_stdvar(const struct window *w, double *out)
{
    double mean = 0, mean_c = 0, m2 = 0, m2_c = 0;
    if (w->n == 0) return false;
    for (size_t i = 0; i < w->n; i++) {
        double d = w->value[i] - (mean + mean_c);
        kahan_add(d / (double)(i + 1), &mean, &mean_c);
        kahan_add(d * (w->value[i] - (mean + mean_c)), &m2, &m2_c);
    }
    *out = (m2 + m2_c) / (double)w->n;
    return true;
}
static bool fn_stddev(const struct window *w, double *out)
{
    if (!fn_stdvar(w, out)) return false;
    *out = sqrt(*out);
    return true;
}

static bool fn_quantile(const struct window *w, double *out)
{
    if (w->n == 0) return false;
    memcpy(w->work, w->value, w->n * sizeof *w->work);
    *out = quantile_of(w->a, w->work, w->n);
    return true;
}

static bool fn_mad(const struct window *w, double *out)
{
    if (w->n == 0) return false;
    memcpy(w->work, w->value, w->n * sizeof *w->work);
    double median = quantile_of(0.5, w->work, w->n);
    bool has_nan = false;
    for (size_t i = 0; i < w->n; i++) {
        w->work[i] = fabs(w->value[i] - median);
        has_nan |= isnan(w->value[i]);
    }
    *out = has_nan ? NAN : quantile_of(0.5, w->work, w->n);
    return true;
}

static bool fn_changes(const struct window *w, double *out)
{
    size_t n = 0;
    for (size_t i = 1; i < w->n; i++) {
        double x = w->value[i], y = w->value[i - 1];
        n += x != y && !(isnan(x) && isnan(y));
    }
    *out = (double)n;
    return w->n > 0;
}
static bool fn_resets(const struct window *w, double *out)
{
    size_t n = 0;
    for (size_t i = 1; i < w->n; i++)
        n += w->value[i] < w->value[i - 1];
    *out = (double)n;
    return w->n > 0;
}

/* ---- regression and smoothing ---- */

/* promql.md 12.7; x counts seconds from `origin_ms`. */
static void regression(const struct window *w, int64_t origin_ms, double *slope, double *intercept)
{
    double n = 0, sx = 0, cx = 0, sy = 0, cy = 0, sxy = 0, cxy = 0, sx2 = 0, cx2 = 0;
    bool is_constant = true;
    for (size_t i = 0; i < w->n; i++) {
        double x = (double)(w->ts_ms[i] - origin_ms) / 1000, y = w->value[i];
        if (i > 0 && y != w->value[0]) is_constant = false;
        n += 1;
        kahan_add(x, &sx, &cx);
        kahan_add(y, &sy, &cy);
        kahan_add(x * y, &sxy, &cxy);
        kahan_add(x * x, &sx2, &cx2);
    }
    if (is_constant) {
        *slope = isinf(w->value[0]) ? NAN : 0;
        *intercept = isinf(w->value[0]) ? NAN : w->value[0];
        return;
    }
    sx += cx;
    sy += cy;
    sxy += cxy;
    sx2 += cx2;
    double covariance = sxy - sx * sy / n, variance = sx2 - sx * sx / n;
    *slope = covariance / variance;
    *intercept = sy / n - *slope * sx / n;
}

static bool fn_deriv(const struct window *w, double *out)
{
    double intercept;
    if (w->n < 2) return false;
    regression(w, w->ts_ms[0], out, &intercept);
    return true;
}
static bool fn_predict_linear(const struct window *w, double *out)
{
    double slope, intercept;
    if (w->n < 2) return false;
    regression(w, w->step_ts_ms, &slope, &intercept);
    *out = slope * w->a + intercept;
    return true;
}

static bool fn_smoothing(const struct window *w, double *out)
{
    double s0 = 0, s1, b;
    if (w->n < 2) return false;
    s1 = w->value[0];
    b = w->value[1] - w->value[0];
    for (size_t i = 1; i < w->n; i++) {
        double x = w->a * w->value[i];
        if (i > 1) b = w->b * (s1 - s0) + (1 - w->b) * b;
        double y = (1 - w->a) * (s1 + b);
        s0 = s1;
        s1 = x + y;
    }
    *out = s1;
    return true;
}

static const window_fn FUNCTIONS[PROMQL_FN_COUNT_OF] = {
    [PROMQL_FN_RATE] = fn_rate,
    [PROMQL_FN_INCREASE] = fn_increase,
    [PROMQL_FN_DELTA] = fn_delta,
    [PROMQL_FN_IRATE] = fn_irate,
    [PROMQL_FN_IDELTA] = fn_idelta,
    [PROMQL_FN_SUM_OVER_TIME] = fn_sum,
    [PROMQL_FN_AVG_OVER_TIME] = fn_avg,
    [PROMQL_FN_COUNT_OVER_TIME] = fn_count,
    [PROMQL_FN_PRESENT_OVER_TIME] = fn_present,
    [PROMQL_FN_LAST_OVER_TIME] = fn_last,
    [PROMQL_FN_FIRST_OVER_TIME] = fn_first,
    [PROMQL_FN_TS_OF_LAST_OVER_TIME] = fn_ts_last,
    [PROMQL_FN_TS_OF_FIRST_OVER_TIME] = fn_ts_first,
    [PROMQL_FN_MIN_OVER_TIME] = fn_min,
    [PROMQL_FN_MAX_OVER_TIME] = fn_max,
    [PROMQL_FN_TS_OF_MIN_OVER_TIME] = fn_ts_min,
    [PROMQL_FN_TS_OF_MAX_OVER_TIME] = fn_ts_max,
    [PROMQL_FN_STDVAR_OVER_TIME] = fn_stdvar,
    [PROMQL_FN_STDDEV_OVER_TIME] = fn_stddev,
    [PROMQL_FN_QUANTILE_OVER_TIME] = fn_quantile,
    [PROMQL_FN_MAD_OVER_TIME] = fn_mad,
    [PROMQL_FN_CHANGES] = fn_changes,
    [PROMQL_FN_RESETS] = fn_resets,
    [PROMQL_FN_DERIV] = fn_deriv,
    [PROMQL_FN_PREDICT_LINEAR] = fn_predict_linear,
    [PROMQL_FN_DOUBLE_EXPONENTIAL_SMOOTHING] = fn_smoothing,
};

window_fn window_function(enum promql_function_id id)
{
    return FUNCTIONS[id];
}

/* resets[i]: number of drops up to sample i. */
static void count_resets(const struct sample_columns *c, uint32_t *restrict out)
{
    const double *restrict v = c->value;
    uint32_t n = 0;
    if (c->count) out[0] = 0;
    for (size_t i = 1; i < c->count; i++) {
        n += v[i] < v[i - 1];
        out[i] = n;
    }
}

bool window_row(const struct window_input *in, const struct grid *g, struct row row,
                uint64_t *out_samples)
{
    const struct sample_columns *c = in->columns;
    size_t lo = 0, hi = 0;
    bool any = false;
    uint64_t samples = 0;
    if (in->resets) count_resets(c, in->resets);
    for (size_t k = 0; k < g->count; k++) {
        int64_t step_ts = grid_ts(g, k);
        int64_t ref = (in->has_at ? in->at_ms : step_ts) - in->offset_ms;
        int64_t start = ref - in->call->range_ms;
        while (hi < c->count && c->ts_ms[hi] <= ref)
            hi++;
        while (lo < hi && c->ts_ms[lo] <= start)
            lo++;
        struct window w = { .ts_ms = c->ts_ms + lo,
                            .value = c->value + lo,
                            .n = hi - lo,
                            .resets = in->resets ? in->resets + lo : NULL,
                            .ref_ms = ref,
                            .range_ms = in->call->range_ms,
                            .step_ts_ms = step_ts,
                            .a = in->call->a ? in->call->a[k] : 0,
                            .b = in->call->b ? in->call->b[k] : 0,
                            .work = in->work };
        samples += w.n;
        row.has[k] = in->call->fn(&w, &row.value[k]);
        any |= row.has[k];
    }
    *out_samples = samples;
    return any;
}
