/* SPDX-License-Identifier: Apache-2.0
 *
 * hash_index - from a 32-bit fingerprint to candidate ids: the look-up tables of series, symbols
 * and pairs. The caller checks a candidate against the real key.
 *
 * Shape     Open addressing, linear probing, slots of 8 bytes {fingerprint, id}; home position =
 *           fingerprint * capacity / 2^32, so that capacities need not be powers of two and the
 *           table grows by half. Load at most 0.8.
 * Growth    By steps: a new table is made and each insert moves 64 slots of the old one, so no
 *           insert stalls. Look-ups meanwhile see both.
 * Threads   The owner's lock.
 */
#ifndef PHAROS_METRICS_HEAD_HASH_INDEX_H
#define PHAROS_METRICS_HEAD_HASH_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/mem.h"

struct hash_slot {
    uint32_t fingerprint;
    uint32_t id; /* 0 = empty; HASH_INDEX_MOVED = was here once (old table only) */
};
#define HASH_INDEX_MOVED UINT32_MAX

struct hash_table {
    struct hash_slot *slots;
    uint32_t cap, used; /* used counts HASH_INDEX_MOVED as well */
};

struct hash_index {
    struct mem_budget *mem;
    enum mem_account account;
    struct hash_table now, old; /* old.slots == NULL: no growth in progress */
    uint32_t moved;             /* slots of old that were visited */
    uint32_t count;
};

void hash_index_init(struct hash_index *h, struct mem_budget *mem, enum mem_account account);
void hash_index_deinit(struct hash_index *h);
/* Room for one more insert; also moves a step of a growth in progress. False: no memory. */
__attribute__((warn_unused_result)) bool hash_index_reserve(struct hash_index *h);
/* id is neither 0 nor HASH_INDEX_MOVED; hash_index_reserve() was called since the last insert. */
void hash_index_insert(struct hash_index *h, uint32_t fingerprint, uint32_t id);
/* Remove that very entry; false when it is not there. */
bool hash_index_remove(struct hash_index *h, uint32_t fingerprint, uint32_t id);

/* Walk over the candidates of a fingerprint. Any change of the table ends the walk. */
struct hash_probe {
    const struct hash_index *index;
    const struct hash_table *table;
    uint32_t fingerprint, at, left;
};
struct hash_probe hash_index_probe(const struct hash_index *h, uint32_t fingerprint);
/* Next candidate id, 0 when there is none. */
uint32_t hash_probe_next(struct hash_probe *p);

uint64_t hash_index_size_bytes(const struct hash_index *h);

#endif
