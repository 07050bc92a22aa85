/* SPDX-License-Identifier: Apache-2.0
 *
 * block_set - the blocks of one tenant: found at start, added after a cut, taken away by
 * retention.
 *
 * The current list is an immutable, reference-counted block_list; a change publishes a new one. A
 * query takes a list and keeps it (and its blocks) as long as it likes.
 *
 * Start     *.tmp directories are removed. A block whose id is in another complete block's parents
 *           is deleted: the compaction that replaced it was interrupted after it had published its
 *           result. A block that cannot be opened is quarantined: reported by
 *           block_set_quarantine, left on disk, not served; the rest works.
 * Threads   take/release: any thread, a short lock. add, remove, quarantine, reload: any thread,
 *           one at a time (internal lock).
 * Memory    MEM_CACHE.
 */
#ifndef PHAROS_METRICS_BLOCK_BLOCK_SET_H
#define PHAROS_METRICS_BLOCK_BLOCK_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "blobs/blobs.h"
#include "metrics/block/block.h"
#include "os/mem.h"

struct block_set; /* opaque */

/* Open blocks, sorted by (mint, id). Immutable. */
struct block_list {
    struct block *const *ptr;
    size_t len;
};

struct block_damage {
    struct ulid id;
    struct err err;           /* what block_open or a reader said */
    int64_t mint_ms, maxt_ms; /* of its meta.json; mint > maxt when even that is unreadable */
};

CHECK_RESULT enum err_code block_set_create(struct blobs *blobs, struct mem_budget *mem,
                                            struct block_set **out, struct err *err);
/* All lists must have been put back. NULL is a no-op. */
void block_set_destroy(struct block_set *s);
DEFINE_CLEANUP(block_set_destroy, struct block_set *)

/* Check out the current list; never fails. *list stays valid until block_set_put. */
const struct block_list *block_set_get(struct block_set *s);
void block_set_put(struct block_set *s, const struct block_list *list);

/* Open a block that was just published and serve it. Its parents leave the list in the same step
 * and are deleted. */
CHECK_RESULT enum err_code block_set_add(struct block_set *s, struct ulid id, struct err *err);
/* Look at the directory again: new blocks appear, missing ones go, quarantined ones are tried
 * again. */
CHECK_RESULT enum err_code block_set_reload(struct block_set *s, struct err *err);
/* Take the block out of the list and delete its files; readers that hold it go on. ERR_NOTFOUND. */
CHECK_RESULT enum err_code block_set_remove(struct block_set *s, struct ulid id, struct err *err);
/* A reader met damage: stop serving the block, remember why. No-op when it is not in the list. */
void block_set_quarantine(struct block_set *s, struct ulid id, const struct err *why);
/* The quarantined blocks, copied into `a`. */
CHECK_RESULT enum err_code block_set_damages(struct block_set *s, struct arena *a,
                                             struct block_damage **out, size_t *out_count,
                                             struct err *err);
/* Bytes of all served blocks. */
uint64_t block_set_size_bytes(struct block_set *s);

#endif
