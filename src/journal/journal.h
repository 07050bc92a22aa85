/* SPDX-License-Identifier: Apache-2.0
 *
 * journal - the seam "append this durably, replay from here". Embedded: WAL segments of 128 MiB
 * (journal/wal.h). Scale-out: a Kafka partition.
 *
 * A record is (type, flags, payload); the engines encode their own payloads. Appending is done in
 * two steps so that nobody waits while holding a lock:
 *     journal_credit()  before the shard's lock: waits (with a deadline) for ring space
 *     journal_append()  under the lock: copies into the ring and fixes the order; never waits
 * and the caller answers its client when journal_notify() says that the position is safe.
 *
 * Epochs    The journal counts epochs; records of an older epoch may be lost while later ones survive. A record whose
 *           payload refers to earlier records (repeat bits) names the epoch it was encoded
 *           for; if the journal has moved on, journal_append refuses with ERR_CONFLICT and the caller encodes it anew, self-contained.
 * Durable   per mode: written (survives kill -9) or synced (survives power loss); journal_mode.
 * Threads   credit, append, notify, positions: any thread. replay: before the first append, one thread. truncate:
 *           one thread at a time.
 * Errors    ERR_BUSY (ring full until the deadline), ERR_IO (poisoned: nothing is acknowledged until a new
 *           segment took over), ERR_LIMIT (payload above JOURNAL_RECORD_MAX).
 * Source    spec: storage-engine.md section 5.
 */
#ifndef PHAROS_JOURNAL_JOURNAL_H
#define PHAROS_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define JOURNAL_RECORD_MAX (1u << 20) /* payload bytes; callers split larger ones by items */

enum journal_mode { JOURNAL_INTERVAL, JOURNAL_COMMIT, JOURNAL_OFF };

enum { JOURNAL_FLAG_ZSTD = 1, JOURNAL_FLAG_OUT_OF_ORDER = 2 };

struct journal_record {
    uint8_t type, flags;
    struct bytes payload;
    uint64_t position;  /* of the end of the record */
    uint32_t epoch;     /* counter of EPOCH records seen so far */
    bool is_after_damage; /* this epoch continues one whose tail is missing */
};

/* Completion; embed in the waiter. fn runs on the journal's thread: it must only post a message. */
struct journal_waiter {
    struct journal_waiter *next;
    uint64_t position;
    void (*fn)(struct journal_waiter *w, enum err_code result);
};

struct journal;

struct journal_ops {
    enum err_code (*credit)(struct journal *j, size_t bytes, uint64_t timeout_ns, struct err *err);
    /* expected_epoch 0 = the payload is self-contained. Uses credit; *out_position may be NULL. */
    enum err_code (*append)(struct journal *j, uint32_t expected_epoch,
                            const struct journal_record *rec, uint64_t *out_position,
                            struct err *err);
    /* Give back credit that was not used. */
    void (*credit_return)(struct journal *j, size_t bytes);
    uint32_t (*epoch)(struct journal *j);
    /* Calls w->fn once `position` is durable in the sense of the mode (at once if it is). */
    void (*notify)(struct journal *j, struct journal_waiter *w);
    /* Everything appended so far to stable storage; blocks. */
    enum err_code (*sync)(struct journal *j, struct err *err);
    enum err_code (*replay)(struct journal *j,
                            enum err_code (*fn)(void *arg, const struct journal_record *rec,
                                                struct err *err),
                            void *arg, struct err *err);
    /* Records up to `position` are not needed any more. */
    enum err_code (*truncate)(struct journal *j, uint64_t position, struct err *err);
    enum err_code (*close)(struct journal *j, struct err *err);
};

struct journal {
    const struct journal_ops *ops;
};

#endif
