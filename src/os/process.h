/* SPDX-License-Identifier: Apache-2.0
 *
 * process - facts about this process and its surroundings: for /metrics, status pages, and the
 * start-up. Read from /proc and the kernel at each call.
 * Threads   Any.
 */
#ifndef PHAROS_OS_PROCESS_H
#define PHAROS_OS_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* As the process_* metrics have it. A figure that cannot be read is 0. */
struct process_stats {
    uint64_t rss_bytes;
    uint64_t virtual_bytes;
    uint64_t virtual_max_bytes; /* UINT64_MAX = unlimited */
    uint64_t cpu_ns;            /* user + system */
    uint64_t open_fds;
    uint64_t max_fds;
    uint64_t threads;
};
void process_stats_read(struct process_stats *out);
/* The first of them alone, and the part of it that is no file, which only the process itself can
 * give back. Cheap. */
struct process_memory {
    uint64_t rss_bytes, own_bytes;
};
struct process_memory process_memory_read(void);

/* Unix time at which the process started. Read it once and keep it: it is derived from the wall
 * clock, so a later call may differ by milliseconds. */
int64_t process_start_ms(void);
/* Raise the limit of open files to what the system allows; returns the limit. */
uint64_t process_raise_fd_limit(void);
uint32_t process_id(void);
/* NUL-terminated, truncated, "" if unknown. Return out. */
char *process_hostname(char *out, size_t size);
char *process_cwd(char *out, size_t size);
/* Value of an environment variable; ptr == NULL when it is not set. Valid as long as nobody
 * changes the environment, which Pharos never does. */
struct str process_env(const char *name);

#endif
