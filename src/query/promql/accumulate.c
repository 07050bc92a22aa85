/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/accumulate.h"

#include <math.h>

enum err_code cells_create(struct eval *e, size_t count, struct cells *out)
{
    out->s = arena_array(e->arena, double, count + 1);
    out->c = arena_array(e->arena, double, count + 1);
    out->n = arena_array(e->arena, uint32_t, count + 1);
    out->is_mean = arena_array(e->arena, uint8_t, count + 1);
    return out->s && out->c && out->n && out->is_mean ? ERR_OK : eval_fail_nomem(e);
}

struct cells cells_at(struct cells all, size_t index)
{
    return (struct cells){ all.s + index, all.c + index, all.n + index, all.is_mean + index };
}

/* ---- one value into one cell ---- */

static void add_mean(struct cells to, size_t i, double x)
{
    double n = (double)to.n[i], q = (n - 1) / n;
    double mean = q * to.s[i], c = q * to.c[i];
    kahan_add(x / n, &mean, &c);
    to.s[i] = mean;
    to.c[i] = c;
}

static void add_avg(struct cells to, size_t i, double x)
{
    if (++to.n[i] == 1) {
        to.s[i] = x;
        return;
    }
    if (!to.is_mean[i]) {
        double s = to.s[i], c = to.c[i];
        kahan_add(x, &s, &c);
        if (!isinf(s)) {
            to.s[i] = s;
            to.c[i] = c;
            return;
        }
        to.is_mean[i] = 1; /* the sum would overflow: go on with the mean */
        to.s[i] /= (double)(to.n[i] - 1);
        to.c[i] /= (double)(to.n[i] - 1);
    }
    add_mean(to, i, x);
}

static void add_moment(struct cells to, size_t i, double x)
{
    if (++to.n[i] == 1) {
        to.s[i] = x;
        to.c[i] = isnan(x) || isinf(x) ? NAN : 0;
        return;
    }
    double d = x - to.s[i];
    to.s[i] += d / (double)to.n[i];
    to.c[i] += d * (x - to.s[i]);
}

#define RUNS_MAX 4

/* Runs of points without gaps take the faster loop; rows are seldom in more than a few pieces. */
static void add_sum(struct cells to, struct points row)
{
    size_t from = 0;
    for (int run = 0; run < RUNS_MAX; run++) {
        const uint8_t *first = memchr(row.has + from, 1, row.count - from);
        if (!first) return;
        from = (size_t)(first - row.has);
        const uint8_t *gap = memchr(first, 0, row.count - from);
        size_t end = gap ? (size_t)(gap - row.has) : row.count;
        kernel_sum_dense(to.s + from, to.c + from, to.n + from,
                         (struct points){ row.value + from, first, end - from });
        from = end;
        if (from == row.count) return;
    }
    kernel_sum(to.s + from, to.c + from, to.n + from,
               (struct points){ row.value + from, row.has + from, row.count - from });
}

void cells_add(enum promql_agg_op op, struct cells to, struct points row)
{
    switch ((int)op) {
    case PROMQL_AGG_SUM: add_sum(to, row); return;
    case PROMQL_AGG_COUNT:
    case PROMQL_AGG_GROUP: kernel_count(to.n, row); return;
    case PROMQL_AGG_MIN: kernel_min(to.s, to.n, row); return;
    case PROMQL_AGG_MAX: kernel_max(to.s, to.n, row); return;
    case PROMQL_AGG_AVG:
        for (size_t i = 0; i < row.count; i++) {
            if (row.has[i]) add_avg(to, i, row.value[i]);
        }
        return;
    case PROMQL_AGG_STDDEV:
    case PROMQL_AGG_STDVAR:
        for (size_t i = 0; i < row.count; i++) {
            if (row.has[i]) add_moment(to, i, row.value[i]);
        }
        return;
    default: UNREACHABLE();
    }
}

/* ---- cells of two parts into one ---- */

static void merge_avg(struct cells to, struct cells from, size_t i)
{
    uint32_t n = to.n[i] + from.n[i];
    double s = to.s[i], c = to.c[i];
    if (!to.is_mean[i] && !from.is_mean[i]) {
        kahan_add(from.s[i], &s, &c);
        kahan_add(from.c[i], &s, &c);
        if (!isinf(s) || isinf(to.s[i]) || isinf(from.s[i])) {
            to.s[i] = s;
            to.c[i] = c;
            to.n[i] = n;
            return;
        }
    }
    double mean_a = (to.s[i] + to.c[i]) / (to.is_mean[i] ? 1 : (double)to.n[i]);
    double mean_b = (from.s[i] + from.c[i]) / (from.is_mean[i] ? 1 : (double)from.n[i]);
    double weight = (double)from.n[i] / (double)n;
    to.s[i] = mean_a * (1 - weight) + mean_b * weight;
    to.c[i] = 0;
    to.n[i] = n;
    to.is_mean[i] = 1;
}

static void merge_moment(struct cells to, struct cells from, size_t i)
{
    double na = to.n[i], nb = from.n[i], d = from.s[i] - to.s[i];
    to.c[i] += from.c[i] + d * d * na * nb / (na + nb);
    to.s[i] += d * nb / (na + nb);
    to.n[i] += from.n[i];
}

static void merge_cell(enum promql_agg_op op, struct cells to, struct cells from, size_t i)
{
    switch ((int)op) {
    case PROMQL_AGG_SUM:
        kahan_add(from.s[i], &to.s[i], &to.c[i]);
        kahan_add(from.c[i], &to.s[i], &to.c[i]);
        break;
    case PROMQL_AGG_AVG: merge_avg(to, from, i); return;
    case PROMQL_AGG_MIN:
        if (from.s[i] < to.s[i] || isnan(to.s[i])) to.s[i] = from.s[i];
        break;
    case PROMQL_AGG_MAX:
        if (from.s[i] > to.s[i] || isnan(to.s[i])) to.s[i] = from.s[i];
        break;
    case PROMQL_AGG_STDDEV:
    case PROMQL_AGG_STDVAR: merge_moment(to, from, i); return;
    default: break;
    }
    to.n[i] += from.n[i];
}

void cells_merge(enum promql_agg_op op, struct cells to, struct cells from, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (from.n[i] == 0) continue;
        if (to.n[i] > 0) {
            merge_cell(op, to, from, i);
            continue;
        }
        to.s[i] = from.s[i];
        to.c[i] = from.c[i];
        to.n[i] = from.n[i];
        to.is_mean[i] = from.is_mean[i];
    }
}

double cells_result(enum promql_agg_op op, struct cells from, size_t i)
{
    double s = from.s[i], c = from.c[i], n = from.n[i];
    switch ((int)op) {
    case PROMQL_AGG_SUM: return isinf(s) ? s : s + c;
    case PROMQL_AGG_AVG: return from.is_mean[i] ? s + c : s / n + c / n;
    case PROMQL_AGG_COUNT: return n;
    case PROMQL_AGG_GROUP: return 1;
    case PROMQL_AGG_MIN:
    case PROMQL_AGG_MAX: return s;
    case PROMQL_AGG_STDVAR: return c / n;
    case PROMQL_AGG_STDDEV: return sqrt(c / n);
    default: UNREACHABLE();
    }
}
