/* SPDX-License-Identifier: Apache-2.0
 *
 * block_writer - make one immutable block (docs/formats.md) from series in block order.
 *
 *     block_writer_create
 *     -> for each series: block_writer_add_series, block_writer_add_samples (once or more)
 *     -> block_writer_finish: the block is on disk, whole, under its final name; or nothing is
 *     -> block_writer_destroy (before finish: aborts and removes what was written)
 *
 * Order     Block order: value of __name__ first (missing = ""), then the remaining labels pair by
 *           pair in name order; block_order_cmp(). Each series once, strictly ascending.
 * Publish   Everything is written into <dir>/<ULID>.tmp, each file and the directory are synced,
 *           then renamed and the parent synced. A crash leaves no block or a whole one; *.tmp goes
 *           at the next start.
 * Memory    Charged to MEM_COMPACTION. Samples stream through one page (64 series, 64 KiB). Label
 *           texts are kept once each until finish. Series rows beyond memory_max / 2 go to a
 *           scratch file; postings are then built pair range by pair range within memory_max. So
 *           the peak is memory_max + the distinct label texts.
 * Threads   One owner.
 * Failure   ERR_IO, ERR_NOMEM, ERR_LIMIT (2^32 series, 4 GiB of symbols): the writer is poisoned,
 *           destroy it. ERR_INVALID: the caller broke the order or the range; nothing was added.
 */
#ifndef PHAROS_METRICS_BLOCK_BLOCK_WRITER_H
#define PHAROS_METRICS_BLOCK_BLOCK_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "blobs/blobs.h"
#include "metrics/block/block_meta.h"
#include "model/labels.h"
#include "model/sample.h"
#include "os/mem.h"

struct block_writer; /* opaque */

struct block_writer_options {
    struct blobs *blobs; /* M/blocks */
    struct mem_budget *mem;
    struct ulid id;             /* ulid_make(clock) */
    int64_t mint_ms, maxt_ms;   /* [mint, maxt): all samples must lie inside */
    uint32_t level;             /* 0 = 1 */
    const struct ulid *sources; /* none: the block itself is its source */
    size_t source_count;
    const struct ulid *parents; /* blocks that this one replaces */
    size_t parent_count;
    bool has_zstd_pages; /* zstd level 1, kept where it saves 10 % */
    size_t memory_max;   /* 0 = 64 MiB */
};

/* Negative, 0, positive. */
int block_order_cmp(struct labels a, struct labels b);

CHECK_RESULT enum err_code block_writer_create(const struct block_writer_options *options,
                                               struct block_writer **out, struct err *err);
/* Begin the next series; `labels` is copied. A series that gets no samples is not written. */
CHECK_RESULT enum err_code block_writer_add_series(struct block_writer *w, struct labels labels,
                                                   struct err *err);
/* Samples of the current series, strictly ascending in time, also across calls. Any number at once;
 * they are cut into vectors of up to 1024. Copied. */
CHECK_RESULT enum err_code block_writer_add_samples(struct block_writer *w,
                                                    const struct sample_columns *samples,
                                                    struct err *err);
/* Series that have samples so far. */
uint64_t block_writer_series_count(const struct block_writer *w);
uint64_t block_writer_sample_count(const struct block_writer *w);
/* Write the index and meta.json, publish. A block without samples is not written: ERR_NOTFOUND.
 * Lists of *out live in `a`. The writer can only be destroyed afterwards. */
CHECK_RESULT enum err_code block_writer_finish(struct block_writer *w, struct arena *a,
                                               struct block_meta *out, struct err *err);
/* Without finish: abort, best effort removal of the staging directory. NULL is a no-op. */
void block_writer_destroy(struct block_writer *w);
DEFINE_CLEANUP(block_writer_destroy, struct block_writer *)

#endif
