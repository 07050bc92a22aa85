/* SPDX-License-Identifier: Apache-2.0
 *
 * offload - threads for requests that block: lanes of threads, each behind a bounded queue.
 *
 * A lane's work never waits for another lane's: as many queries as ever may run or wait, a list of
 * labels is answered at once. A request that waits holds no thread; a patrol looks every 20 ms at
 * those that can be given up (their client went, their time is over) and runs them at once on its
 * own thread, where they find out and answer.
 *
 * Threads   submit: any. Tasks of a lane run on its threads, in order of arrival.
 * Failure   ERR_BUSY when the lane's queue is full: the caller answers 503 with Retry-After.
 */
#ifndef PHAROS_API_OFFLOAD_H
#define PHAROS_API_OFFLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/stats.h"
#include "os/cancel.h"
#include "os/clock.h"
#include "os/mem.h"

struct offload;

enum offload_lane {
    OFFLOAD_LIGHT, /* lists, metadata, reloads */
    OFFLOAD_QUERY, /* PromQL: may take as long as the query time-out */
    OFFLOAD_LANE_COUNT
};

/* Embed in the request; must stay alive until fn ran. */
struct offload_task {
    struct offload_task *next;
    void (*fn)(struct offload_task *task);
    /* What ends its wait in the queue; both optional. fn must then return at once. */
    const struct cancel *cancel;
    uint64_t deadline_ns; /* mono_ns; 0: none */
};

#define OFFLOAD_THREADS_MAX 128

struct offload_options {
    struct mem_budget *mem;
    const struct clock *clock;
    unsigned threads[OFFLOAD_LANE_COUNT]; /* 1 .. OFFLOAD_THREADS_MAX */
    size_t queue_max;                     /* of each lane */
};

CHECK_RESULT enum err_code offload_create(const struct offload_options *options,
                                          struct offload **out, struct err *err);
/* Runs what is queued, then ends the threads; later submits are refused. NULL is a no-op. */
void offload_stop(struct offload *o);
/* Stops when that has not been done. NULL is a no-op. */
void offload_destroy(struct offload *o);
CHECK_RESULT enum err_code offload_submit(struct offload *o, enum offload_lane lane,
                                          struct offload_task *task, struct err *err);
struct stat_table offload_stat_table(const struct offload *o);

#endif
