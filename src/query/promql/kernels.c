/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/kernels.h"

#include <float.h>
#include <math.h>

#include "model/sample.h"

/* Not with sanitizers: they are not ready yet when the loader chooses. */
#ifdef PHAROS_KERNEL_CLONES
#define KERNEL __attribute__((target_clones("avx2", "default")))
#else
#define KERNEL
#endif

KERNEL void kernel_sum_dense(double *restrict s, double *restrict c, uint32_t *restrict n,
                             struct points p)
{
    const double *restrict v = p.value;
    for (size_t i = 0; i < p.count; i++) {
        double t = s[i] + v[i], back = t - s[i];
        double error = (s[i] - (t - back)) + (v[i] - back);
        double sum_c = c[i] + error;
        c[i] = fabs(t) <= DBL_MAX ? sum_c : 0;
        s[i] = t;
    }
    for (size_t i = 0; i < p.count; i++)
        n[i]++;
}

KERNEL void kernel_sum(double *restrict s, double *restrict c, uint32_t *restrict n,
                       struct points p)
{
    for (size_t i = 0; i < p.count; i++) {
        if (!p.has[i]) continue;
        double x = p.value[i], t = s[i] + x, back = t - s[i];
        double error = (s[i] - (t - back)) + (x - back);
        c[i] = fabs(t) <= DBL_MAX ? c[i] + error : 0;
        s[i] = t;
        n[i]++;
    }
}

KERNEL void kernel_count(uint32_t *restrict n, struct points p)
{
    const uint8_t *restrict has = p.has;
    for (size_t i = 0; i < p.count; i++)
        n[i] += has[i];
}

KERNEL void kernel_min(double *restrict s, uint32_t *restrict n, struct points p)
{
    for (size_t i = 0; i < p.count; i++) {
        if (!p.has[i]) continue;
        if (n[i]++ == 0 || p.value[i] < s[i] || isnan(s[i])) s[i] = p.value[i];
    }
}

KERNEL void kernel_max(double *restrict s, uint32_t *restrict n, struct points p)
{
    for (size_t i = 0; i < p.count; i++) {
        if (!p.has[i]) continue;
        if (n[i]++ == 0 || p.value[i] > s[i] || isnan(s[i])) s[i] = p.value[i];
    }
}

KERNEL bool kernel_any_stale(const double *restrict value, size_t count)
{
    uint64_t found = 0;
    for (size_t i = 0; i < count; i++)
        found |= bits_of_double(value[i]) == STALE_NAN_BITS;
    return found != 0;
}

KERNEL bool kernel_any_drop(const double *restrict value, size_t count)
{
    uint64_t found = 0;
    for (size_t i = 1; i < count; i++)
        found |= value[i] < value[i - 1];
    return found != 0;
}
