/* SPDX-License-Identifier: Apache-2.0
 *
 * offload - threads for requests that block: a bounded queue in front of a fixed pool.
 *
 * Threads   submit: any. Tasks run on the pool's threads, in order of arrival.
 * Failure   ERR_BUSY when the queue is full: the caller answers 503 with Retry-After.
 */
#ifndef PHAROS_API_OFFLOAD_H
#define PHAROS_API_OFFLOAD_H

#include <stddef.h>

#include "base/err.h"
#include "base/stats.h"
#include "os/mem.h"

struct offload;

/* Embed in the request; must stay alive until fn ran. */
struct offload_task {
    struct offload_task *next;
    void (*fn)(struct offload_task *task);
};

CHECK_RESULT enum err_code offload_create(struct mem_budget *mem, unsigned threads,
                                          size_t queue_max, struct offload **out, struct err *err);
/* Runs what is queued, then ends the threads; later submits are refused. NULL is a no-op. */
void offload_stop(struct offload *o);
/* Stops when that has not been done. NULL is a no-op. */
void offload_destroy(struct offload *o);
CHECK_RESULT enum err_code offload_submit(struct offload *o, struct offload_task *task,
                                          struct err *err);
struct stat_table offload_stat_table(const struct offload *o);

#endif
