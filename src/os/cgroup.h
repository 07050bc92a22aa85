/* SPDX-License-Identifier: Apache-2.0
 *
 * cgroup - what the control groups of this process allow: the tightest limit of its own group and
 * of all groups above it, version 2 and version 1.
 */
#ifndef PHAROS_OS_CGROUP_H
#define PHAROS_OS_CGROUP_H

#include <stdint.h>

/* memory.max or memory.limit_in_bytes; UINT64_MAX = unlimited. */
uint64_t cgroup_memory_limit(void);
/* cpu.max, or cpu.cfs_quota_us / cpu.cfs_period_us, in thousandths of a CPU; UINT64_MAX =
 * unlimited. */
uint64_t cgroup_cpu_limit_milli(void);

#endif
