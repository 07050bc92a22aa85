/* SPDX-License-Identifier: Apache-2.0
 *
 * head_priv - the parts of one head. For the files of this folder and their tests.
 *
 * Lock order: create_lock of a shard, then lock of a shard, then the listener's own. pairs.lock,
 * alias stripes, zstd_lock and the exemplars' lock are taken last; nothing is locked under them.
 */
#ifndef PHAROS_METRICS_HEAD_PRIV_H
#define PHAROS_METRICS_HEAD_PRIV_H

#include "codec/zstd.h"
#include "metrics/head/alias.h"
#include "metrics/head/chunk_writer.h"
#include "metrics/head/exemplar_ring.h"
#include "metrics/head/head_engine.h"
#include "metrics/head/head_files.h"
#include "metrics/head/head_shard.h"
#include "metrics/head/head_stats.h"
#include "metrics/head/metadata_table.h"
#include "metrics/head/pairs.h"

/* Times outside are out of bounds, so that differences and block ends cannot overflow. */
#define HEAD_TIME_LIMIT ((int64_t)1 << 60)

struct head {
    uint32_t magic;
    const struct clock *clock;
    struct mem_budget *mem;
    struct log log;
    struct journal *journal;
    struct epoch *epoch;
    struct head_listener listener; /* set before replay */
    uint64_t hash_seed;
    uint32_t shard_count;
    uint8_t shards_log2;
    int64_t block_range_ms, future_limit_ms;
    uint64_t series_max;
    unsigned replay_threads;

    struct head_shard *shards;
    struct pairs pairs;
    struct alias alias;
    struct head_files *files;
    struct chunk_writer *writer;
    struct exemplar_ring *exemplars;
    struct metadata_table metadata;

    struct mutex zstd_lock;
    struct zstd_encoder *zstd; /* under zstd_lock; made at the first use */

    _Atomic int64_t mint_ms;  /* head_mint_ms */
    _Atomic int64_t floor_ms; /* older samples are refused; read under a shard's lock */
    _Atomic int64_t first_ms; /* oldest sample; INT64_MAX when empty */
    _Atomic int64_t max_ms;   /* newest sample; HEAD_NO_TIME when empty */
    _Atomic uint64_t series_count;

    struct head_gc *gc;              /* maintenance thread */
    struct checkpoints *checkpoints; /* maintenance thread */
    struct head_stats stats;
};

static inline uint32_t head_shard_of(const struct head *h, uint64_t hash)
{
    return (uint32_t)(hash >> 58 >> (6 - h->shards_log2)); /* the top bits */
}

/* Compress `raw` into `out` as u32 raw length and a zstd frame; false: it did not get smaller, or
 * no memory: use `raw`. */
bool head_compress(struct head *h, struct bytes raw, struct buf *out);
/* Append a self-contained record: takes credit, compresses payloads above 1 kB when `compress`.
 * `deadline`: how long to wait for credit. */
CHECK_RESULT enum err_code head_log(struct head *h, uint8_t type, struct buf *payload,
                                    bool compress, uint64_t *out_position, struct err *err);
/* Move first_ms and max_ms. */
void head_note_times(struct head *h, int64_t min_ms, int64_t max_ms);

#endif
