/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/window.h"

#include <math.h>

/* ---- the last two samples ---- */

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
    for (size_t i = 0; i < w->n; i++)
        kahan_add(w->value[i], &sum, &c);
    *out = isinf(sum) ? sum : sum + c;
    return true;
}

/* Direct sum, unless it overflows: then the running mean. */
static bool fn_avg(const struct window *w, double *out)
{
    double sum = w->value[0], c = 0, mean = 0;
    bool incremental = false;
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
    return true;
}
static bool fn_present(const struct window *w, double *out)
{
    (void)w;
    *out = 1;
    return true;
}
static bool fn_last(const struct window *w, double *out)
{
    *out = w->value[w->n - 1];
    return true;
}
static bool fn_first(const struct window *w, double *out)
{
    *out = w->value[0];
    return true;
}
static bool fn_ts_last(const struct window *w, double *out)
{
    *out = (double)w->ts_ms[w->n - 1] / 1000;
    return true;
}
static bool fn_ts_first(const struct window *w, double *out)
{
    *out = (double)w->ts_ms[0] / 1000;
    return true;
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
    *out = w->value[extreme(w, false, false)];
    return true;
}
static bool fn_max(const struct window *w, double *out)
{
    *out = w->value[extreme(w, true, false)];
    return true;
}
static bool fn_ts_min(const struct window *w, double *out)
{
    *out = (double)w->ts_ms[extreme(w, false, true)] / 1000;
    return true;
}
static bool fn_ts_max(const struct window *w, double *out)
{
    *out = (double)w->ts_ms[extreme(w, true, true)] / 1000;
    return true;
}

/* Population variance, Welford with compensated mean and moment. */
static bool fn_stdvar(const struct window *w, double *out)
{
    double mean = 0, mean_c = 0, m2 = 0, m2_c = 0;
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
    memcpy(w->work, w->value, w->n * sizeof *w->work);
    *out = quantile_of(w->a, w->work, w->n);
    return true;
}

static bool fn_mad(const struct window *w, double *out)
{
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
    return true;
}
static bool fn_resets(const struct window *w, double *out)
{
    size_t n = 0;
    for (size_t i = 1; i < w->n; i++)
        n += w->value[i] < w->value[i - 1];
    *out = (double)n;
    return true;
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

bool window_call_of(enum promql_function_id id, struct window_call *out)
{
    bool is_rate = id == PROMQL_FN_RATE, is_increase = id == PROMQL_FN_INCREASE;
    *out = (struct window_call){ .fn = FUNCTIONS[id],
                                 .is_extrapolated = is_rate || is_increase || id == PROMQL_FN_DELTA,
                                 .is_counter = is_rate || is_increase,
                                 .is_rate = is_rate,
                                 .checks_quantile = id == PROMQL_FN_QUANTILE_OVER_TIME };
    return out->fn || out->is_extrapolated;
}
