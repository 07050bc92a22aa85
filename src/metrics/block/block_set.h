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
 *           result.
 * Failure   A block that cannot be opened is left on disk and not served; the rest works. Damage
 *           (ERR_CORRUPT, an unknown version, a missing file) puts it into quarantine until the
 *           next start. Any other reason - no descriptor, no memory, a read error - can pass: the
 *           block waits, and block_set_retry tries it again until it opens. Each change of state is
 *           logged once. block_set_damages and block_set_missing name both kinds.
 * Threads   get/put, state, missing, sum: any thread, a short lock. add, remove, quarantine,
 *           reload, retry: any thread, one at a time (internal lock); retry opens files outside of
 *           it.
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
#include "metrics/block/unserved.h"
#include "os/log.h"
#include "os/mem.h"

struct block_set; /* opaque */

/* Open blocks, sorted by (mint, id). Immutable. */
struct block_list {
    struct block *const *ptr;
    size_t len;
};

enum block_state { BLOCK_ABSENT, BLOCK_SERVED, BLOCK_WAITING, BLOCK_QUARANTINED };

/* `log`: NULL = silent. ERR_NOMEM, or the directory cannot be listed. */
CHECK_RESULT enum err_code block_set_create(struct blobs *blobs, struct mem_budget *mem,
                                            struct log_sink *log, struct block_set **out,
                                            struct err *err);
/* All lists must have been put back. NULL is a no-op. */
void block_set_destroy(struct block_set *s);
DEFINE_CLEANUP(block_set_destroy, struct block_set *)

/* Check out the current list; never fails. *list stays valid until block_set_put. */
const struct block_list *block_set_get(struct block_set *s);
void block_set_put(struct block_set *s, const struct block_list *list);

/* Open a block that was just published and serve it. Its parents leave the list in the same step
 * and are deleted. When that fails for a reason that can pass, the block waits (block_set_state),
 * and the parents stay until it opens. */
CHECK_RESULT enum err_code block_set_add(struct block_set *s, struct ulid id, struct err *err);
/* Look at the directory again: new blocks appear, missing ones go, quarantined ones are tried
 * again. */
CHECK_RESULT enum err_code block_set_reload(struct block_set *s, struct err *err);
/* Try to open the blocks that wait and whose time has come (clock_mono_ns). Returns the number of
 * attempts. */
size_t block_set_retry(struct block_set *s, uint64_t now_ns);
enum block_state block_set_state(struct block_set *s, struct ulid id);
/* Take the block out of the list and delete its files; readers that hold it go on. ERR_NOTFOUND. */
CHECK_RESULT enum err_code block_set_remove(struct block_set *s, struct ulid id, struct err *err);
/* A reader met damage: stop serving the block, remember why. No-op when it is not in the list. */
void block_set_quarantine(struct block_set *s, struct ulid id, const struct err *why);
/* Its files are gone, or soon will be: it is neither waiting nor in quarantine. */
void block_set_forget(struct block_set *s, struct ulid id);
/* The blocks that are not served, copied into `a`. */
CHECK_RESULT enum err_code block_set_damages(struct block_set *s, struct arena *a,
                                             struct block_damage **out, size_t *out_count,
                                             struct err *err);
/* Up to `cap` of those that may have samples in [mint, maxt]; returns the number of all. */
size_t block_set_missing(struct block_set *s, int64_t mint_ms, int64_t maxt_ms,
                         struct block_damage *out, size_t cap);
struct unserved_sum block_set_unserved(struct block_set *s);
/* Bytes of all served blocks. */
uint64_t block_set_size_bytes(struct block_set *s);

#endif
