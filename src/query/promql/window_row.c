/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of window functions. Where the windows begin and end, and how far rate() extrapolates,
 * depends on the times of the samples alone: series of one target share them, so the plan of one
 * series mostly serves the next.
 */
#include <math.h>

#include "query/promql/kernels.h"
#include "query/promql/window.h"

#define CHECK_SAMPLES ((uint64_t)1 << 20) /* cancelled? after so many samples of windows */

/* ---- the plan ---- */

enum err_code window_plan_init(struct window_plan *p, struct eval *e,
                               const struct window_call *call, struct arena *a, size_t steps)
{
    *p = (struct window_plan){ .arena = a };
    p->lo = arena_array_raw(a, uint32_t, steps);
    p->hi = arena_array_raw(a, uint32_t, steps);
    if (!p->lo || !p->hi) return eval_fail_nomem(e);
    if (!call->is_extrapolated) return ERR_OK;
    p->sampled = arena_array_raw(a, double, steps);
    p->to_start = arena_array_raw(a, double, steps);
    p->to_end = arena_array_raw(a, double, steps);
    p->factor = arena_array_raw(a, double, steps);
    return p->sampled && p->to_start && p->to_end && p->factor ? ERR_OK : eval_fail_nomem(e);
}

/* Arrays for `count` samples. */
static enum err_code reserve(struct window_plan *p, struct eval *e, size_t count)
{
    if (count > UINT32_MAX) return eval_fail_nomem(e);
    if (count <= p->cap) return ERR_OK;
    size_t cap = count * 2;
    p->is_ready = false;
    p->ts_ms = arena_array_raw(p->arena, int64_t, cap);
    p->work = arena_array_raw(p->arena, double, cap);
    p->resets = arena_array_raw(p->arena, uint32_t, cap);
    if (!p->ts_ms || !p->work || !p->resets) return eval_fail_nomem(e);
    p->cap = cap;
    return ERR_OK;
}

/* Extrapolation to the ends of the window, as far as times decide (promql.md 12.5, 2). */
static void plan_extrapolation(struct window_plan *p, const struct window_input *in, size_t k,
                               int64_t ref)
{
    size_t n = p->hi[k] - p->lo[k];
    if (n < 2) return;
    int64_t first = p->ts_ms[p->lo[k]], last = p->ts_ms[p->hi[k] - 1];
    double to_start = (double)(first - (ref - in->call->range_ms)) / 1000;
    double to_end = (double)(ref - last) / 1000;
    double sampled = (double)(last - first) / 1000;
    double average = sampled / (double)(n - 1), threshold = average * 1.1;
    if (to_start >= threshold) to_start = average / 2;
    if (to_end >= threshold) to_end = average / 2;
    double factor = (sampled + to_start + to_end) / sampled;
    p->sampled[k] = sampled;
    p->to_start[k] = to_start;
    p->to_end[k] = to_end;
    p->factor[k] = in->call->is_rate ? factor / ((double)in->call->range_ms / 1000) : factor;
}

static int64_t reference_time(const struct window_input *in, const struct grid *g, size_t k)
{
    return (in->has_at ? in->at_ms : grid_ts(g, k)) - in->offset_ms;
}

/* Both ends slide over the samples with the steps. */
static void plan_windows(struct window_plan *p, const struct window_input *in, const struct grid *g)
{
    const struct sample_columns *c = in->columns;
    size_t lo = 0, hi = 0;
    if (c->count) memcpy(p->ts_ms, c->ts_ms, c->count * sizeof *c->ts_ms);
    p->count = c->count;
    p->samples = 0;
    for (size_t k = 0; k < g->count; k++) {
        int64_t ref = reference_time(in, g, k), start = ref - in->call->range_ms;
        while (hi < c->count && c->ts_ms[hi] <= ref)
            hi++;
        while (lo < hi && c->ts_ms[lo] <= start)
            lo++;
        p->lo[k] = (uint32_t)lo;
        p->hi[k] = (uint32_t)hi;
        p->samples += hi - lo;
        if (in->call->is_extrapolated) plan_extrapolation(p, in, k, ref);
    }
    p->is_ready = true;
}

static enum err_code update_plan(struct window_plan *p, const struct window_input *in,
                                 const struct grid *g)
{
    const struct sample_columns *c = in->columns;
    TRY(reserve(p, in->e, c->count));
    bool is_same = p->is_ready && p->count == c->count &&
                   (c->count == 0 || memcmp(p->ts_ms, c->ts_ms, c->count * sizeof *c->ts_ms) == 0);
    if (!is_same) plan_windows(p, in, g);
    return ERR_OK;
}

/* ---- rate, increase, delta ---- */

/* resets[i]: number of drops up to sample i. */
static void count_resets(const struct sample_columns *c, uint32_t *restrict out)
{
    const double *restrict v = c->value;
    uint32_t n = 0;
    out[0] = 0;
    for (size_t i = 1; i < c->count; i++) {
        n += v[i] < v[i - 1];
        out[i] = n;
    }
}

/* What a counter had before each drop in [lo, hi) is added. */
static double add_drops(const double *v, size_t lo, size_t hi, double r)
{
    for (size_t i = lo + 1; i < hi; i++) {
        if (v[i] < v[i - 1]) r += v[i - 1];
    }
    return r;
}

/* A counter cannot have been below zero: the factor when extrapolation would go past its zero. */
static double factor_to_zero(const struct window_plan *p, const struct window_call *call, size_t k,
                             double to_zero)
{
    double factor = (p->sampled[k] + to_zero + p->to_end[k]) / p->sampled[k];
    return call->is_rate ? factor / ((double)call->range_ms / 1000) : factor;
}

static bool extrapolated_row(struct window_plan *p, const struct window_input *in,
                             const struct grid *g, struct row row)
{
    const double *v = in->columns->value;
    const bool is_counter = in->call->is_counter;
    const bool has_drops = is_counter && kernel_any_drop(v, in->columns->count);
    bool any = false;
    if (has_drops) count_resets(in->columns, p->resets);
    for (size_t k = 0; k < g->count; k++) {
        size_t lo = p->lo[k], hi = p->hi[k];
        row.has[k] = hi - lo >= 2;
        if (hi - lo < 2) continue;
        any = true;
        double first = v[lo], r = v[hi - 1] - first, factor = p->factor[k];
        if (has_drops && p->resets[hi - 1] != p->resets[lo]) r = add_drops(v, lo, hi, r);
        /* The product tells without a division that zero is far away, which is the rule. */
        bool is_far = first * p->sampled[k] > p->to_start[k] * r * (1 + 1e-9);
        if (is_counter && !is_far && r > 0 && first >= 0) {
            double to_zero = p->sampled[k] * (first / r);
            if (to_zero < p->to_start[k]) factor = factor_to_zero(p, in->call, k, to_zero);
        }
        row.value[k] = r * factor;
    }
    return any;
}

/* ---- all others ---- */

static enum err_code called_row(struct window_plan *p, const struct window_input *in,
                                const struct grid *g, struct row row, bool *out_any)
{
    const struct window_call *call = in->call;
    uint64_t samples = 0;
    *out_any = false;
    for (size_t k = 0; k < g->count; k++) {
        struct window w = { .ts_ms = p->ts_ms + p->lo[k],
                            .value = in->columns->value + p->lo[k],
                            .n = p->hi[k] - p->lo[k],
                            .step_ts_ms = grid_ts(g, k),
                            .a = call->a ? call->a[k] : 0,
                            .b = call->b ? call->b[k] : 0,
                            .work = p->work };
        row.has[k] = w.n > 0 && call->fn(&w, &row.value[k]);
        *out_any |= row.has[k];
        samples += w.n;
        if (samples < CHECK_SAMPLES) continue;
        samples = 0;
        TRY(eval_check(in->e));
    }
    return ERR_OK;
}

enum err_code window_row(struct window_plan *p, const struct window_input *in, const struct grid *g,
                         struct row row, bool *out_any)
{
    TRY(update_plan(p, in, g));
    if (in->columns->count == 0) {
        *out_any = false;
        return ERR_OK;
    }
    if (!in->call->is_extrapolated) return called_row(p, in, g, row, out_any);
    *out_any = extrapolated_row(p, in, g, row);
    return ERR_OK;
}
