/* SPDX-License-Identifier: Apache-2.0
 *
 * pool - worker threads that take the parts of a computation from a shared counter.
 *
 * pool_run() cuts work into `parts`; the caller and the idle workers take part after part until
 * none is left. Several computations may run at once: each is helped by whoever is idle. What a
 * part computes must not depend on who takes it.
 *
 * Threads   pool_run: any thread, not from within a part.
 */
#ifndef PHAROS_QUERY_POOL_H
#define PHAROS_QUERY_POOL_H

#include <stddef.h>

#include "base/err.h"
#include "os/mem.h"

struct pool;

/* `workers` threads besides the callers; 0 is allowed: the caller does everything. */
CHECK_RESULT enum err_code pool_create(struct mem_budget *mem, unsigned workers, struct pool **out,
                                       struct err *err);
void pool_destroy(struct pool *p);
/* Largest worker index + 1: callers have index 0 of their own computation. */
unsigned pool_width(const struct pool *p);

/* fn(ctx, part, worker): worker < pool_width(); two parts that run at the same time have different
 * workers. Returns when all parts are done. */
void pool_run(struct pool *p, size_t parts, void (*fn)(void *ctx, size_t part, unsigned worker),
              void *ctx);

#endif
