/* SPDX-License-Identifier: Apache-2.0
 *
 * head_engine - the head as its owner (metrics.c) drives it: create, replay, append, maintain.
 *
 *     head_create -> head_set_listener -> head_replay -> head_start
 *     -> head_append (head_append.h), head_* of head.h, maintenance calls below
 *     -> head_stop -> head_destroy
 *
 * Threads   create, replay, start, stop, destroy: one thread. The maintenance calls: one thread at
 *           a time, beside any number of appends and reads.
 * Memory    MEM_HEAD; replay and cut charge their working memory to MEM_COMPACTION.
 */
#ifndef PHAROS_METRICS_HEAD_ENGINE_H
#define PHAROS_METRICS_HEAD_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/stats.h"
#include "journal/journal.h"
#include "metrics/head/head.h"
#include "model/exemplar.h"
#include "model/metadata.h"
#include "os/clock.h"
#include "os/file_layer.h"
#include "os/log.h"
#include "os/mem.h"

struct head_options {
    const struct file_layer *files;
    const struct clock *clock;
    struct mem_budget *mem;
    struct log_sink *log;    /* NULL = silent */
    const char *dir;         /* of the head chunk files; created when missing */
    struct journal *journal; /* open, not yet replayed; outlives the head */
    int64_t block_range_ms;
    int64_t future_limit_ms;
    uint64_t series_max;
    uint32_t exemplars_max;
    int64_t mint_ms;         /* end of the newest block: older samples are not needed */
    unsigned replay_threads; /* 0 = by the number of cores */
    uint64_t file_bytes;     /* head chunk files; 0 = 128 MiB */
};

CHECK_RESULT enum err_code head_create(const struct head_options *options, struct head **out,
                                       struct err *err);
/* Before replay. */
void head_set_listener(struct head *h, const struct head_listener *listener);
/* Scan the chunk files, replay the journal. `progress` may be NULL. */
CHECK_RESULT enum err_code head_replay(struct head *h, void (*progress)(void *arg, double done),
                                       void *arg, struct err *err);
/* Start the chunk writer's thread. */
CHECK_RESULT enum err_code head_start(struct head *h, struct err *err);
/* Write what is queued, stop the thread. */
void head_stop(struct head *h);
/* No reader may be inside. NULL is a no-op. */
void head_destroy(struct head *h);

/* ---- maintenance ---- */

/* From the return on no sample before maxt is accepted: what a cut up to maxt reads is complete. */
void head_begin_cut(struct head *h, int64_t maxt_ms);
/* A lower bound of the oldest sample >= head_mint_ms; HEAD_NO_TIME when there is none. Looks at all
 * series. */
int64_t head_scan_oldest(struct head *h);
/* Samples before mint are in a block that readers can see: moves head_mint_ms. */
void head_set_mint(struct head *h, int64_t mint_ms);
/* Forget samples before head_mint_ms and series that have none left. Two steps, because readers
 * that began before head_set_mint may still need them: arms itself on the first call, works once
 * those readers have left. *out_done: finished, nothing is armed. ERR_NOMEM: call again. */
CHECK_RESULT enum err_code head_truncate(struct head *h, bool *out_done, struct err *err);
/* Write queued chunks now and wait until they are durable and announced. */
CHECK_RESULT enum err_code head_flush_chunks(struct head *h, struct err *err);
/* Write a checkpoint and drop the journal segments it stands for, when that drops any.
 * `epochs_max`: close old open chunks when more journal epochs than that would have to stay. */
CHECK_RESULT enum err_code head_checkpoint(struct head *h, uint32_t epochs_max, struct err *err);
/* Free what readers have left behind. */
void head_collect(struct head *h);

/* ---- other content ---- */

/* All metadata, ascending by family; texts in `a`. */
CHECK_RESULT enum err_code head_metadata(struct head *h, struct arena *a, struct metadata **out,
                                         size_t *out_count, struct err *err);
/* Exemplars of one series in [mint, maxt], oldest first, texts in `a`. */
CHECK_RESULT enum err_code head_exemplars(struct head *h, uint32_t shard, uint32_t ref,
                                          int64_t mint_ms, int64_t maxt_ms, struct arena *a,
                                          struct exemplar **out, size_t *out_count,
                                          struct err *err);

struct head_status {
    uint64_t series, open_chunks, full_chunks, pairs, file_bytes;
    uint64_t memory_series, memory_chunks, memory_pairs, memory_alias;
};
void head_status(struct head *h, struct head_status *out);
struct stat_table head_stats(struct head *h);

#endif
