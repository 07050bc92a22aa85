/* SPDX-License-Identifier: Apache-2.0
 *
 * kernels - the loops over the points of a row and the samples of a series in which a query spends
 * its time: plain C that the compiler vectorises.
 *
 * In release builds this file alone is compiled with -O3, and twice: for the x86-64 baseline and
 * for AVX2; the loader takes the one that the CPU can run. Both give the same bits: no operation is
 * contracted or reordered.
 * Threads   Pure functions.
 */
#ifndef PHAROS_QUERY_PROMQL_KERNELS_H
#define PHAROS_QUERY_PROMQL_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A row of points: value[i] where has[i] is 1 (0: no point). */
struct points {
    const double *value;
    const uint8_t *has;
    size_t count;
};

/* (s[i], c[i]) += value[i], Kahan-Neumaier: c takes the rounding error, computed without a branch
 * (Knuth's TwoSum has the same bits). A sum that became infinite keeps c at 0. n[i] counts. */
void kernel_sum(double *restrict s, double *restrict c, uint32_t *restrict n, struct points p);
/* The same where every point is there: has is not read. */
void kernel_sum_dense(double *restrict s, double *restrict c, uint32_t *restrict n,
                      struct points p);
void kernel_count(uint32_t *restrict n, struct points p);
/* s[i] is the smaller (larger) one; NaN only while there was nothing else. */
void kernel_min(double *restrict s, uint32_t *restrict n, struct points p);
void kernel_max(double *restrict s, uint32_t *restrict n, struct points p);
/* Is there a stale marker? */
bool kernel_any_stale(const double *restrict value, size_t count);
/* Is any sample below the one before? */
bool kernel_any_drop(const double *restrict value, size_t count);

#endif
