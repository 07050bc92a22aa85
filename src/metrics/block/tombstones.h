/* SPDX-License-Identifier: Apache-2.0
 *
 * tombstones - intervals of series that are deleted but still stand in the block's pages.
 *
 * Format    File "tombstones": u32 magic "PHTS", u16 version 1, u16 0, u64 count, count entries of
 *           u32 ordinal, u32 0, i64 mint, i64 maxt (both inclusive), u32 crc32c of all before.
 *           Sorted by (ordinal, mint); the intervals of a series neither overlap nor touch. Little
 *           endian.
 * Life      Immutable and reference counted; a delete makes a new one.
 * Memory    MEM_CACHE, 24 bytes per interval.
 * Threads   Any.
 */
#ifndef PHAROS_METRICS_BLOCK_TOMBSTONES_H
#define PHAROS_METRICS_BLOCK_TOMBSTONES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "metrics/postings.h"
#include "metrics/sample_buf.h"
#include "os/mem.h"

#define TOMBSTONES_FILE "tombstones"

struct tombstone {
    uint32_t ordinal, zero;
    int64_t mint_ms, maxt_ms; /* both inclusive */
};
_Static_assert(sizeof(struct tombstone) == 24, "on-disk format");

struct tombstones {
    struct mem_budget *mem;
    _Atomic uint32_t refs;
    size_t count;
    struct tombstone entries[];
};

/* NULL stands for "none" in all functions. */
struct tombstones *tombstones_ref(struct tombstones *t);
void tombstones_unref(struct tombstones *t);
DEFINE_CLEANUP(tombstones_unref, struct tombstones *)

CHECK_RESULT enum err_code tombstones_parse(struct bytes file, uint32_t series_count,
                                            struct mem_budget *mem, struct tombstones **out,
                                            struct err *err);
void tombstones_print(const struct tombstones *t, struct buf *out);
/* `t` plus [mint, maxt] of each of `series`. */
CHECK_RESULT enum err_code tombstones_add(const struct tombstones *t, struct mem_budget *mem,
                                          const struct postings *series, int64_t mint_ms,
                                          int64_t maxt_ms, struct tombstones **out,
                                          struct err *err);
/* Remove the masked ones among samples[from..count) of `ordinal`. */
void tombstones_mask(const struct tombstones *t, uint32_t ordinal, size_t from,
                     struct sample_columns *samples);

#endif
