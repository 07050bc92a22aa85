/* SPDX-License-Identifier: Apache-2.0
 *
 * postings - sets of 32-bit series ids: ordinals of a block, refs of a head shard.
 *
 * Two levels. Building: create, add single ids, sorted arrays or ranges. Algebra: and, or, andnot
 * in place, or over many sets, questions (contains, cardinality, rank, intersects), reading out in
 * batches.
 *
 * Format    postings_serialize writes the Roaring portable format
 *           (github.com/RoaringBitmap/RoaringFormatSpec): ids split in high and low 16 bits; per
 *           high half one container: sorted array (<= 4096 ids), 8 KiB bitmap or runs, whichever
 *           is smallest. Little endian. No checksum of its own: postings_deserialize is called
 *           only for bytes whose section crc matched, and still checks the whole structure (order,
 *           counts, bounds), because the library below (CRoaring, the only file that knows it is
 *           postings.c) trusts its input.
 * Threads   One writer, or any number of readers of a set that no one changes.
 * Memory    The library allocates by itself; each set charges the size it reports to the account
 *           it was created with (MEM_INDEX for indexes, MEM_QUERY for results). A refused charge
 *           fails with ERR_NOMEM before anything has changed. Because of that the library is left
 *           out of the allocation-failure sweep.
 */
#ifndef PHAROS_METRICS_POSTINGS_H
#define PHAROS_METRICS_POSTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "os/mem.h"

struct postings; /* opaque */

/* ---- building ---- */

CHECK_RESULT enum err_code postings_create(struct mem_budget *mem, enum mem_account account,
                                           struct postings **out, struct err *err);
/* All ids in [from, to); empty when from >= to. to <= 2^32. */
CHECK_RESULT enum err_code postings_of_range(struct mem_budget *mem, enum mem_account account,
                                             uint64_t from, uint64_t to, struct postings **out,
                                             struct err *err);
/* A copy that charges `account`. */
CHECK_RESULT enum err_code postings_copy(const struct postings *p, enum mem_account account,
                                         struct postings **out, struct err *err);
/* NULL is a no-op. */
void postings_destroy(struct postings *p);
DEFINE_CLEANUP(postings_destroy, struct postings *)

/* Any order, duplicates are fine; ascending ids are fastest. */
CHECK_RESULT enum err_code postings_add(struct postings *p, uint32_t id, struct err *err);
CHECK_RESULT enum err_code postings_add_many(struct postings *p, const uint32_t *ids, size_t count,
                                             struct err *err);
/* [from, to), to <= 2^32. */
CHECK_RESULT enum err_code postings_add_range(struct postings *p, uint64_t from, uint64_t to,
                                              struct err *err);
/* Choose the smallest container kinds and give unused memory back; call when a set is complete. */
void postings_optimize(struct postings *p);
/* Take ids out, any order; ids that are not there are fine. */
CHECK_RESULT enum err_code postings_remove_many(struct postings *p, const uint32_t *ids,
                                                size_t count, struct err *err);

/* ---- algebra: p = p op q; p == q is allowed ---- */

CHECK_RESULT enum err_code postings_and(struct postings *p, const struct postings *q,
                                        struct err *err);
CHECK_RESULT enum err_code postings_or(struct postings *p, const struct postings *q,
                                       struct err *err);
CHECK_RESULT enum err_code postings_andnot(struct postings *p, const struct postings *q,
                                           struct err *err);
/* p |= all of sets[0..count): container-wise with late counting, for hundreds of values. */
CHECK_RESULT enum err_code postings_or_many(struct postings *p, const struct postings *const *sets,
                                            size_t count, struct err *err);

/* ---- questions ---- */

bool postings_contains(const struct postings *p, uint32_t id);
uint64_t postings_cardinality(const struct postings *p);
bool postings_is_empty(const struct postings *p);
/* Do they share an id? Stops at the first. */
bool postings_intersects(const struct postings *p, const struct postings *q);
uint64_t postings_and_cardinality(const struct postings *p, const struct postings *q);
bool postings_equal(const struct postings *p, const struct postings *q);
/* Number of ids <= id. */
uint64_t postings_rank(const struct postings *p, uint32_t id);
/* The id with rank `index` + 1; false when index >= cardinality. */
bool postings_select(const struct postings *p, uint32_t index, uint32_t *out_id);
/* Bytes charged. */
size_t postings_size_bytes(const struct postings *p);

/* ---- reading out, ascending ---- */

/* State of a walk; the set must not change meanwhile. No memory of its own. */
struct postings_iter {
    const struct postings *set;
    uint64_t next; /* smallest id not yet delivered; 2^32 = done */
};

void postings_iter_init(struct postings_iter *it, const struct postings *p);
/* Go on with the first id >= `id`. Forward only. */
void postings_iter_seek(struct postings_iter *it, uint32_t id);
/* Up to `cap` next ids; 0 at the end. Batches of 256 or more make the per-call cost vanish. */
size_t postings_iter_read(struct postings_iter *it, uint32_t *out, size_t cap);

/* ---- bytes ---- */

/* Append the portable form (after postings_optimize, for the smallest). */
void postings_serialize(const struct postings *p, struct buf *out);
/* The same for ids[0..count), ascending, without making a set of them first. Chooses the smallest
 * form; count > 0. */
void postings_serialize_sorted(const uint32_t *ids, size_t count, struct buf *out);
/* The set that `in` begins with; *out_used = its length. ERR_CORRUPT when the structure is not
 * sound, ERR_NOMEM. `in` is not kept. */
CHECK_RESULT enum err_code postings_deserialize(struct mem_budget *mem, enum mem_account account,
                                                struct bytes in, struct postings **out,
                                                size_t *out_used, struct err *err);

#endif
