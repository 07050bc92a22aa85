/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics_priv - the parts of the engine object; for metrics*.c and select/.
 */
#ifndef PHAROS_METRICS_PRIV_H
#define PHAROS_METRICS_PRIV_H

#include <stdatomic.h>

#include "base/stats.h"
#include "blobs/blobs.h"
#include "metrics/block/block_set.h"
#include "metrics/head/head_engine.h"
#include "metrics/index/head_index.h"
#include "metrics/metrics.h"
#include "metrics/select/select.h"
#include "os/thread.h"

struct engine_stats {
    struct stat_gauge blocks, block_bytes, blocks_waiting, blocks_quarantined;
    struct stat_counter block_open_retries;
    struct stat_counter cuts, cut_errors, cut_samples, cut_series;
    struct stat_counter retention_dropped, retention_errors, appends_refused;
    struct stat_histogram cut;
};

struct metrics {
    uint32_t magic;
    const struct file_layer *files;
    const struct clock *clock;
    struct mem_budget *mem;
    struct log log;
    int64_t block_range_ms, retention_ms;
    uint64_t retention_bytes;
    struct file *lock_file;
    char dir[FILE_PATH_SIZE];
    int64_t bound_ms; /* in the bound file; INT64_MIN: nothing durable; under maintain_lock */

    struct journal *journal;
    struct blobs *blobs;
    struct block_set *blocks;
    struct head *head;
    struct head_index *index;
    struct select_store select; /* what queries read */

    struct mutex maintain_lock; /* one round, or one cut, at a time */
    /* under maintain_lock */
    uint64_t next_cut_ns;      /* after a failed one */
    struct ulid waiting_block; /* cut from the head, and cannot be opened yet; none: see ulid.h */
    int64_t waiting_end_ms;
    uint64_t unknown_range_since_ns; /* a block of unknown range waits; 0: there is none */
    struct thread maintainer;
    struct mutex wake_lock;
    struct cond wake;
    bool is_stopping; /* under wake_lock */

    struct engine_stats stats;
};

/* Bytes of the journal on disk; 0 when it does not say. */
uint64_t journal_size_bytes(struct metrics *m);

/* ---- metrics_maintain.c ---- */

CHECK_RESULT enum err_code maintain_start(struct metrics *m, struct err *err);
void maintain_stop(struct metrics *m);
/* End of the newest block, served or waiting; INT64_MIN when there is none. */
int64_t blocks_maxt(struct metrics *m);

#endif
