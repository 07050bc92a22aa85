/* SPDX-License-Identifier: Apache-2.0
 *
 * block_meta - meta.json of a block: who it is, what time it covers, what it was made from.
 *
 * Keys have Prometheus' names where the meaning is the same (ulid, minTime, maxTime, version,
 * stats, compaction.level/sources/parents), so that tools can list blocks. Times are Unix
 * milliseconds, [mint, maxt).
 *
 * Memory    Lists live in the arena given to block_meta_parse, or belong to who filled the struct.
 * Failure   ERR_CORRUPT names what is wrong; ERR_UNSUPPORTED for a newer version.
 */
#ifndef PHAROS_METRICS_BLOCK_BLOCK_META_H
#define PHAROS_METRICS_BLOCK_BLOCK_META_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "metrics/block/ulid.h"

#define BLOCK_META_VERSION 1
#define BLOCK_META_IDS_MAX 65536 /* sources or parents */

struct block_meta {
    struct ulid id;
    int64_t mint_ms, maxt_ms;
    uint64_t sample_count, series_count, page_count, tombstone_count;
    uint64_t size_bytes; /* all files but meta.json and tombstones */
    uint64_t chunk_bytes, index_bytes;
    uint32_t level; /* of compaction; 1 = cut from a head */
    bool has_zstd_pages;
    int64_t resolution_ms;      /* 0 = raw */
    const struct ulid *sources; /* level-1 blocks whose samples are in here */
    size_t source_count;
    const struct ulid *parents; /* blocks this one replaces */
    size_t parent_count;
};

void block_meta_print(const struct block_meta *m, struct buf *out);
CHECK_RESULT enum err_code block_meta_parse(struct bytes json, struct arena *a,
                                            struct block_meta *out, struct err *err);

#endif
