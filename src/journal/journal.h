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
 * Epochs    The journal counts epochs; records of an older epoch may be lost while later ones
 *           survive. A record whose payload refers to earlier records (repeat bits), or to which
 *           later ones will refer, names the epoch it was encoded for; if the journal has moved on,
 *           journal_append refuses with ERR_CONFLICT (no credit used) and the caller encodes it
 *           anew, self-contained, for journal_epoch(). A new epoch starts with every segment, so
 *           this happens once per shard and 128 MiB, on the first append after an open, and after
 *           a disk failure.
 * Positions A position counts log bytes within one life of the process, replayed records first; it
 *           only ever grows, 0 is "before everything". Positions mean nothing in the next life.
 * Durable   per mode: written (survives kill -9) or synced (survives power loss); journal_mode.
 * Threads   credit, append, notify, sync, positions, stats: any thread. replay: once, before the
 *           first append. roll, truncate and the checkpoint calls: one thread at a time.
 * Errors    ERR_BUSY (ring full until the deadline), ERR_IO (the disk failed: nothing is accepted
 *           or acknowledged until a new segment took over, which is tried in the background;
 *           os_errno says why), ERR_LIMIT (payload above JOURNAL_RECORD_MAX, credit above
 *           JOURNAL_CREDIT_MAX).
 * Source    spec: storage-engine.md section 5.
 */
#ifndef PHAROS_JOURNAL_JOURNAL_H
#define PHAROS_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/stats.h"
#include "base/str.h"

#define JOURNAL_RECORD_MAX (1u << 20) /* payload bytes; callers split larger ones by items */
#define JOURNAL_CREDIT_MAX (2u << 20) /* bytes one credit call may ask for */
#define JOURNAL_FRAME_BYTES 12u       /* len, crc, type, flags, format */

enum journal_mode { JOURNAL_INTERVAL, JOURNAL_COMMIT, JOURNAL_OFF };

enum { JOURNAL_FLAG_ZSTD = 1, JOURNAL_FLAG_OUT_OF_ORDER = 2 };

/* Types of the metrics engine's records; 9 (EPOCH) is written and read by the journal itself. */
enum journal_type {
    JOURNAL_SERIES = 1,
    JOURNAL_SAMPLES = 2,
    JOURNAL_SAMPLES_IRREGULAR = 3,
    JOURNAL_TOMBSTONE = 4,
    JOURNAL_EXEMPLARS = 5,
    JOURNAL_HISTOGRAMS = 6,
    JOURNAL_METADATA = 7,
    JOURNAL_CHUNKS_DURABLE = 8,
    JOURNAL_EPOCH = 9,
    JOURNAL_STARTS = 10
};

struct journal_record {
    uint8_t type, flags;
    struct bytes payload; /* at least 1 byte */
    /* Below: filled in by replay, ignored by append. */
    uint64_t position;    /* of the end of the record; 0 in a checkpoint */
    uint32_t epoch;       /* grows with each ordinary EPOCH; repeat bits refer within one */
    bool is_after_damage; /* this epoch continues one whose tail is missing */
};

/* What replay tells the engine. All calls come from the thread that called journal_replay, in log
 * order, the checkpoint first. A non-OK return stops the replay and is returned by it. */
struct journal_replay {
    void *arg;
    /* rec->payload stays valid until the next `release`. */
    enum err_code (*record)(void *arg, const struct journal_record *rec, struct err *err);
    /* Every few MiB and at the end, also when the replay fails: the memory of all payloads handed
     * out so far is reused when this returns, so wait here for workers that still read them.
     * `done`: share of the bytes read, 0..1. NULL when the engine is done with a payload when
     * `record` returns. */
    enum err_code (*release)(void *arg, double done, struct err *err);
};

/* Chosen once per data directory, repeated in every EPOCH record. */
struct journal_identity {
    uint64_t hash_seed;
    uint8_t shards_log2;
};

/* Completion; embed in the waiter. fn runs on the journal's thread, or inside journal_notify when
 * the answer is known: it must only post a message, and call nothing of the journal. */
struct journal_waiter {
    struct journal_waiter *next;
    uint64_t position;
    void (*fn)(struct journal_waiter *w, enum err_code result);
};

struct journal;
struct journal_checkpoint; /* one being written */

struct journal_ops {
    enum err_code (*credit)(struct journal *j, size_t bytes, uint64_t timeout_ns, struct err *err);
    /* expected_epoch 0 = the payload neither refers to other records nor is referred to. Uses
     * credit (journal_record_bytes); *out_position may be NULL. */
    enum err_code (*append)(struct journal *j, uint32_t expected_epoch,
                            const struct journal_record *rec, uint64_t *out_position,
                            struct err *err);
    /* Give back credit that was not used. */
    void (*credit_return)(struct journal *j, size_t bytes);
    uint32_t (*epoch)(struct journal *j);
    /* Calls w->fn once `position` is durable in the sense of the mode (at once if it is), or with
     * ERR_IO when the disk failed first: the records may still turn up after a restart. */
    void (*notify)(struct journal *j, struct journal_waiter *w);
    /* Everything appended so far to stable storage; blocks. */
    enum err_code (*sync)(struct journal *j, struct err *err);
    enum err_code (*replay)(struct journal *j, const struct journal_replay *to, struct err *err);
    /* Records up to `position` are not needed any more: drops the segments that hold only such
     * records. For engines without checkpoints. */
    enum err_code (*truncate)(struct journal *j, uint64_t position, struct err *err);
    enum err_code (*close)(struct journal *j, struct err *err);

    /* Position of the end of the last record appended (or replayed). */
    uint64_t (*end)(struct journal *j);
    /* The identity found on disk, or the one given at open when the directory is new. */
    struct journal_identity (*identity)(struct journal *j);
    /* End the current segment, so that all up to *out_position can be dropped as a whole. The
     * segment is closed once the writer gets there: journal_sync before a checkpoint that is to
     * follow at once. ERR_BUSY: ring full, try later. */
    enum err_code (*roll)(struct journal *j, uint64_t *out_position, struct err *err);
    /* Write what replay needs in place of the segments whose records all lie at or before
     * `position`: begin, then append every live SERIES, STARTS, TOMBSTONE, EXEMPLARS, METADATA,
     * then commit (durable, then those segments are deleted) or abort. begin: ERR_NOTFOUND when no
     * segment could be dropped. append copies; after an error only abort is allowed. commit ends
     * the checkpoint also when it fails; the segments are then kept. */
    enum err_code (*checkpoint_begin)(struct journal *j, uint64_t position,
                                      struct journal_checkpoint **out, struct err *err);
    enum err_code (*checkpoint_append)(struct journal_checkpoint *cp,
                                       const struct journal_record *rec, struct err *err);
    enum err_code (*checkpoint_commit)(struct journal_checkpoint *cp, struct err *err);
    void (*checkpoint_abort)(struct journal_checkpoint *cp);
    /* The disk failed and has not recovered yet. */
    bool (*is_poisoned)(struct journal *j);
    /* Self-telemetry with gauges brought up to date; valid until close. */
    struct stat_table (*stats)(struct journal *j);
};

struct journal {
    const struct journal_ops *ops;
};

/* Credit that one record of `payload_len` bytes uses. */
static inline size_t journal_record_bytes(size_t payload_len)
{
    return JOURNAL_FRAME_BYTES + ((payload_len + 3) & ~(size_t)3);
}

CHECK_RESULT static inline enum err_code journal_credit(struct journal *j, size_t bytes,
                                                        uint64_t timeout_ns, struct err *err)
{
    return j->ops->credit(j, bytes, timeout_ns, err);
}
static inline void journal_credit_return(struct journal *j, size_t bytes)
{
    j->ops->credit_return(j, bytes);
}
CHECK_RESULT static inline enum err_code journal_append(struct journal *j, uint32_t expected_epoch,
                                                        const struct journal_record *rec,
                                                        uint64_t *out_position, struct err *err)
{
    return j->ops->append(j, expected_epoch, rec, out_position, err);
}
static inline uint32_t journal_epoch(struct journal *j)
{
    return j->ops->epoch(j);
}
static inline void journal_notify(struct journal *j, struct journal_waiter *w)
{
    j->ops->notify(j, w);
}
CHECK_RESULT static inline enum err_code journal_sync(struct journal *j, struct err *err)
{
    return j->ops->sync(j, err);
}
CHECK_RESULT static inline enum err_code journal_replay(struct journal *j,
                                                        const struct journal_replay *to,
                                                        struct err *err)
{
    return j->ops->replay(j, to, err);
}
CHECK_RESULT static inline enum err_code journal_truncate(struct journal *j, uint64_t position,
                                                          struct err *err)
{
    return j->ops->truncate(j, position, err);
}
/* Syncs, stops the threads and frees; NULL is a no-op. Freed also when it fails. */
CHECK_RESULT static inline enum err_code journal_close(struct journal *j, struct err *err)
{
    return j ? j->ops->close(j, err) : ERR_OK;
}
static inline uint64_t journal_end(struct journal *j)
{
    return j->ops->end(j);
}
static inline struct journal_identity journal_identity(struct journal *j)
{
    return j->ops->identity(j);
}
CHECK_RESULT static inline enum err_code journal_roll(struct journal *j, uint64_t *out_position,
                                                      struct err *err)
{
    return j->ops->roll(j, out_position, err);
}
CHECK_RESULT static inline enum err_code journal_checkpoint_begin(struct journal *j,
                                                                  uint64_t position,
                                                                  struct journal_checkpoint **out,
                                                                  struct err *err)
{
    return j->ops->checkpoint_begin(j, position, out, err);
}
CHECK_RESULT static inline enum err_code journal_checkpoint_append(struct journal *j,
                                                                   struct journal_checkpoint *cp,
                                                                   const struct journal_record *rec,
                                                                   struct err *err)
{
    return j->ops->checkpoint_append(cp, rec, err);
}
CHECK_RESULT static inline enum err_code journal_checkpoint_commit(struct journal *j,
                                                                   struct journal_checkpoint *cp,
                                                                   struct err *err)
{
    return j->ops->checkpoint_commit(cp, err);
}
static inline void journal_checkpoint_abort(struct journal *j, struct journal_checkpoint *cp)
{
    j->ops->checkpoint_abort(cp);
}
static inline bool journal_is_poisoned(struct journal *j)
{
    return j->ops->is_poisoned(j);
}
static inline struct stat_table journal_stats(struct journal *j)
{
    return j->ops->stats(j);
}

#endif
