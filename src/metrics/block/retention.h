/* SPDX-License-Identifier: Apache-2.0
 *
 * retention - which blocks must go: by time (maxt <= now - keep) and by size, oldest first.
 *
 * Pure planning plus one function that carries the plan out. Works with zero free bytes.
 * Blocks that wait to be opened count by their size, and are not dropped: whether they are the
 * oldest is seen when they open. Blocks in quarantine neither count nor go: a person decides.
 */
#ifndef PHAROS_METRICS_BLOCK_RETENTION_H
#define PHAROS_METRICS_BLOCK_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "metrics/block/block_set.h"

struct retention {
    int64_t now_ms;
    int64_t keep_ms;      /* 0 = no limit by time */
    uint64_t bytes_max;   /* 0 = no limit by size: blocks plus other_bytes */
    uint64_t other_bytes; /* journal and head files */
    bool keeps_last;      /* the block that ends last stays: it alone says where the head begins */
};

/* Number of blocks at the front of `list` (oldest first by maxt) to drop; their ids into
 * out_ids[cap]. */
size_t retention_plan(const struct retention *r, const struct block_list *list,
                      struct ulid *out_ids, size_t cap);
/* Drop them. *out_dropped counts also when an error ends it early. */
CHECK_RESULT enum err_code retention_apply(const struct retention *r, struct block_set *set,
                                           uint64_t *out_dropped, struct err *err);

#endif
