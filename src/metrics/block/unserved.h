/* SPDX-License-Identifier: Apache-2.0
 *
 * unserved - the blocks that are on disk and not served, and why: those that wait, because opening
 * them failed for a reason that can pass (descriptors, memory, a read error), and those in
 * quarantine, which are damaged.
 *
 * A waiting block is tried again after 1 s, 2 s, 4 s, ... 60 s: a disk that takes half a minute to
 * say EIO must not be asked all the time.
 *
 * Threads   Reading: any. Changing: one at a time (block_set's change_lock).
 * Memory    MEM_CACHE, below 1 KiB per block. Room is made before a block is opened, so that no
 *           reason is lost for want of memory.
 */
#ifndef PHAROS_METRICS_BLOCK_UNSERVED_H
#define PHAROS_METRICS_BLOCK_UNSERVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "metrics/block/ulid.h"
#include "os/mem.h"
#include "os/thread.h"

struct block_damage {
    struct ulid id;
    struct err err;           /* what block_open or a reader said */
    int64_t mint_ms, maxt_ms; /* of its meta.json; mint > maxt when even that is unreadable */
    uint64_t size_bytes;      /* likewise; 0 when unknown */
    bool is_waiting;          /* is tried again; otherwise in quarantine until the next start */
    uint64_t delay_ns, next_try_ns;
};

struct unserved {
    struct mem_budget *mem;
    struct mutex lock;
    struct block_damage *ptr; /* guarded by lock */
    size_t count, cap;        /* guarded by lock */
};

/* Of all waiting blocks. */
struct unserved_sum {
    size_t waiting, quarantined;
    uint64_t waiting_bytes;
    int64_t waiting_maxt_ms; /* INT64_MIN: none with a known range */
    bool has_unknown_range;
};

void unserved_init(struct unserved *u, struct mem_budget *mem);
void unserved_deinit(struct unserved *u);

/* Can that failure to open a block pass? */
bool unserved_is_transient(enum err_code code);
static inline bool unserved_has_range(const struct block_damage *d)
{
    return d->mint_ms <= d->maxt_ms;
}

/* Room for one more. ERR_NOMEM. */
CHECK_RESULT enum err_code unserved_reserve(struct unserved *u, struct err *err);
/* Add, or replace what is known of that block. Without room nothing happens. */
void unserved_put(struct unserved *u, const struct block_damage *d);
void unserved_forget(struct unserved *u, struct ulid id);
bool unserved_get(struct unserved *u, struct ulid id, struct block_damage *out);
/* A waiting block whose time has come. */
bool unserved_due(struct unserved *u, uint64_t now_ns, struct block_damage *out);
/* When to try again. */
void unserved_delay(struct block_damage *d, uint64_t now_ns);
/* Those that may have samples in [mint, maxt]: up to `cap` of them; returns the number of all. */
size_t unserved_copy(struct unserved *u, int64_t mint_ms, int64_t maxt_ms, struct block_damage *out,
                     size_t cap);
struct unserved_sum unserved_sum(struct unserved *u);

#endif
