/* SPDX-License-Identifier: Apache-2.0
 *
 * kernel - KERNEL marks a loop over samples that is compiled twice in release builds, for the
 * x86-64 baseline and for AVX2; the loader takes the one that the CPU can run. The C source is the
 * same, and integers and IEEE operations give the same bits. Measured with bench_block on one core:
 * page decode 0.91 -> 1.29 G samples/s.
 */
#ifndef PHAROS_METRICS_BLOCK_KERNEL_H
#define PHAROS_METRICS_BLOCK_KERNEL_H

/* Not with sanitizers: they are not ready yet when the loader chooses. */
#ifdef PHAROS_KERNEL_CLONES
#define KERNEL __attribute__((target_clones("avx2", "default")))
#else
#define KERNEL
#endif

#endif
