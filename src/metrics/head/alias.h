/* SPDX-License-Identifier: Apache-2.0
 *
 * alias - the cache from the hash of raw label bytes to the series they name, so that the labels
 * of known series are never decoded.
 *
 * Shape     16 stripes by the hash, each an open-addressing table of 24-byte entries {122 bits of
 *           the hash, shard, slot, ref}; load at most 0.8, growth by half in steps of 64 entries.
 *           Different bytes may name one series; never the reverse, except with probability 2^-122.
 * Truth     An entry is a hint: the user checks, under the shard's lock, that the slot still
 *           belongs to the ref. Entries of removed series are swept after garbage collection.
 * Threads   A lock per stripe, never taken together with another lock.
 * Memory    MEM_HEAD. When there is none, entries are not added.
 */
#ifndef PHAROS_METRICS_HEAD_ALIAS_H
#define PHAROS_METRICS_HEAD_ALIAS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "os/mem.h"
#include "os/thread.h"

#define ALIAS_STRIPES 16u

struct alias_entry {
    uint64_t lo, hi;    /* low 6 bits of hi: shard */
    uint32_t slot, ref; /* ref 0 = empty; ALIAS_MOVED in an old table */
};
_Static_assert(sizeof(struct alias_entry) == 24, "two and two thirds per cache line");

struct alias_table {
    struct alias_entry *entries;
    uint32_t cap, used;
};

struct alias_stripe {
    struct mutex lock;
    struct mem_budget *mem;
    struct alias_table now, old;
    uint32_t moved;
    uint32_t count;
};

struct alias {
    struct alias_stripe stripes[ALIAS_STRIPES];
};

struct alias_target {
    uint32_t shard, slot, ref;
};

void alias_init(struct alias *a, struct mem_budget *mem);
void alias_deinit(struct alias *a);

static inline uint32_t alias_stripe_of(struct hash128 h)
{
    return (uint32_t)(h.lo % ALIAS_STRIPES);
}
/* Under the stripe's lock. */
void alias_prefetch(const struct alias_stripe *s, struct hash128 h);
bool alias_find(const struct alias_stripe *s, struct hash128 h, struct alias_target *out);

/* Add or replace; takes the stripe's lock. Best effort. */
void alias_put(struct alias *a, struct hash128 h, const struct alias_target *target);
/* Remove all entries for which `is_dead` says so; takes the stripes' locks, for a few thousand
 * entries at a time. */
void alias_sweep(struct alias *a, bool (*is_dead)(void *ctx, const struct alias_target *t),
                 void *ctx);
uint64_t alias_count(struct alias *a);
uint64_t alias_size_bytes(struct alias *a);

#endif
