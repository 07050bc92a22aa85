/* SPDX-License-Identifier: Apache-2.0
 *
 * select - what query/ reads from: the head and the blocks of one tenant as one source
 * (model/source.h), its exemplars and its cardinality.
 *
 * Merge     A series is its label set. Series of blocks and head are joined by the 128-bit hash of
 *           the labels, seeded. When only the head is concerned nothing is hashed. Samples of one
 *           series are put together by time; at equal times the newer store wins (head over block,
 *           newer block over older).
 * Order     Head only: shard by shard in order of creation. With blocks: the oldest block's series
 *           in its order, then those that the next block adds, and so on, then those of the head
 *           alone; so every block is read from front to back.
 * Pins      A set holds a guard of the head's epoch and the block list until it is destroyed.
 * Threads   As model/source.h says; the store is read only.
 * Memory    MEM_QUERY (the budget of the request): 4 bytes per series of the head, 16 more for the
 *           newest sample; with blocks 28 and 12 per series and block.
 * Damage    A block that turns out to be damaged while it is read is quarantined; the query that
 *           met it fails with ERR_CORRUPT, the next one works without the block. Blocks of the
 *           range that are not served are named by the source's warnings().
 * Source    storage-engine.md section 17.
 */
#ifndef PHAROS_METRICS_SELECT_SELECT_H
#define PHAROS_METRICS_SELECT_SELECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/stats.h"
#include "metrics/block/block_set.h"
#include "metrics/head/head.h"
#include "metrics/index/head_index.h"
#include "metrics/metrics.h"
#include "model/source.h"
#include "os/clock.h"
#include "os/mem.h"

/* Self-telemetry. */
struct select_stats {
    struct stat_counter selects, select_errors, series, damages;
    struct stat_gauge index_names, index_bytes, index_left_behind;
    struct stat_histogram select;
};

struct select_store {
    struct head *head;
    struct head_index *index;
    struct block_set *blocks;
    struct mem_budget *mem;
    const struct clock *clock;
    uint64_t hash_seed; /* random */
    struct select_stats stats;
};

/* `s` outlives the source. */
struct source select_source(struct select_store *s);

struct stat_table select_stat_table(struct select_store *s);

/* As metrics_exemplars; series sorted by labels. */
struct exemplar_query {
    const struct matchers *any_of;
    size_t any_of_count;
    int64_t mint_ms, maxt_ms;
};
CHECK_RESULT enum err_code select_exemplars(struct select_store *s, const struct exemplar_query *q,
                                            struct arena *a, struct exemplar_series **out,
                                            size_t *out_count, struct err *err);

/* As metrics_cardinality, of the head. */
CHECK_RESULT enum err_code select_cardinality(struct select_store *s, size_t limit, struct arena *a,
                                              struct metrics_cardinality *out, struct err *err);

#endif
