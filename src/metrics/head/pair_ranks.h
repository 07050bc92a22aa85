/* SPDX-License-Identifier: Apache-2.0
 *
 * pair_ranks - label pairs sorted by (name, value): rank of a pair id.
 *
 * Algorithm Pairs are grouped by name; within a name they are sorted by the eight bytes that follow
 *           the longest common prefix of all values, and by the whole text where those are equal.
 * Threads   One owner inside an epoch guard.
 * Memory    MEM_COMPACTION: 4 bytes per pair id, 16 more per used pair while it is made.
 */
#ifndef PHAROS_METRICS_HEAD_PAIR_RANKS_H
#define PHAROS_METRICS_HEAD_PAIR_RANKS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "metrics/head/pairs.h"

struct pair_ranks {
    struct mem_budget *mem;
    uint32_t limit;      /* pair ids are below */
    uint32_t *rank;      /* by pair id; from 1; 0 = not used */
    uint32_t name_first; /* ranks of the pairs whose name is __name__: [first, end) */
    uint32_t name_end;
};

/* `used`: a bit per pair id below `limit`. */
CHECK_RESULT enum err_code pair_ranks_init(struct pair_ranks *r, const struct pairs *pairs,
                                           const uint8_t *used, uint32_t limit, struct err *err);
void pair_ranks_deinit(struct pair_ranks *r);

#endif
