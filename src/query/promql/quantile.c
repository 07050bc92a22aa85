/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantiles of values in memory, by selection instead of sorting: O(n) on average.
 */
#include <math.h>
#include <stdlib.h>

#include "query/promql/eval.h"

#define SMALL 16

static void swap(double *a, double *b)
{
    double t = *a;
    *a = *b;
    *b = t;
}

static void sort_small(double *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        double x = v[i];
        size_t at = i;
        for (; at > 0 && v[at - 1] > x; at--)
            v[at] = v[at - 1];
        v[at] = x;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of three, moved to v[0]. */
static void choose_pivot(double *v, size_t n)
{
    double *a = &v[0], *b = &v[n / 2], *c = &v[n - 1];
    if (*b < *a) swap(a, b);
    if (*c < *b) swap(b, c);
    if (*b < *a) swap(a, b);
    swap(a, b);
}

/* Reorder v (no NaN) so that v[k] is what sorting puts there, nothing before it is larger, nothing
 * after it smaller. Hoare's selection; input that defeats the choice of pivots is sorted after a
 * number of rounds. */
static void select_nth(double *v, size_t n, size_t k)
{
    for (int rounds = 0; n > SMALL; rounds++) {
        if (rounds == 64) {
            qsort(v, n, sizeof *v, by_value);
            return;
        }
        choose_pivot(v, n);
        double pivot = v[0];
        size_t i = 0, j = n;
        for (;;) {
            do
                i++;
            while (i < n && v[i] < pivot);
            do
                j--;
            while (v[j] > pivot);
            if (i >= j) break;
            swap(&v[i], &v[j]);
        }
        swap(&v[0], &v[j]); /* v[j] is in its place */
        if (k == j) return;
        if (k < j) {
            n = j;
        } else {
            v += j + 1;
            n -= j + 1;
            k -= j + 1;
        }
    }
    sort_small(v, n);
}

/* NaN to the front, as in Go's sort of floats. Returns how many there are. */
static size_t move_nan(double *v, size_t n)
{
    size_t nans = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isnan(v[i])) continue;
        swap(&v[i], &v[nans]);
        nans++;
    }
    return nans;
}

double quantile_of(double q, double *values, size_t n)
{
    if (n == 0 || isnan(q)) return NAN;
    if (q < 0) return -INFINITY;
    if (q > 1) return INFINITY;
    double rank = q * (double)(n - 1), weight = rank - floor(rank);
    size_t lower = (size_t)rank, upper = lower + 1 < n ? lower + 1 : n - 1;
    size_t nans = move_nan(values, n);
    double *v = values + nans;
    if (upper < nans) return NAN;
    if (lower < nans) return NAN; /* NaN has a weight in it */
    select_nth(v, n - nans, lower - nans);
    double low = v[lower - nans], high = low;
    if (upper > lower) {
        high = v[upper - nans];
        for (size_t i = upper - nans; i < n - nans; i++)
            high = v[i] < high ? v[i] : high;
    }
    return low * (1 - weight) + high * weight;
}
