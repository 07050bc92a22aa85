/* SPDX-License-Identifier: Apache-2.0
 *
 * head_gc - forgetting: old chunks, series without samples, label pairs nobody uses.
 *
 * A truncation is a small machine that head_truncate() moves forward as far as the readers allow:
 *     ARMED      waits for the readers that began before head_mint_ms moved
 *     then       drops nodes and open chunks that end before mint, unlinks series that have none
 *                left (1,024 slots per lock hold), tells the listener, sweeps the alias cache
 *     SLOTS      waits for the readers that may hold unlinked slots, then reuses them
 *     PAIRS      marks the label pairs of living series, unlinks the others
 *     RELEASE    waits again, then reuses their ids and texts
 *
 * Threads   One maintenance thread.
 * Memory    MEM_HEAD.
 */
#ifndef PHAROS_METRICS_HEAD_GC_H
#define PHAROS_METRICS_HEAD_GC_H

#include "base/err.h"

struct head;
struct head_gc;

CHECK_RESULT enum err_code head_gc_create(struct head *h, struct head_gc **out, struct err *err);
/* NULL is a no-op. Readers have left. */
void head_gc_destroy(struct head_gc *gc);

#endif
