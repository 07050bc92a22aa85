/* SPDX-License-Identifier: Apache-2.0
 *
 * wal_priv - the WAL's state, shared by the files of this folder.
 *
 * Four positions in the stream of records, all on record boundaries, each owned by one party:
 *
 *     released <= synced <= written <= reserved          reserved - released <= ring size
 *     |  ring bytes kept for a re-log  |  not written yet  |
 *
 *     reserved   append, under the lock         written   writer thread
 *     synced     sync thread                    released  sync thread (JOURNAL_OFF: writer)
 *
 * Segment boundaries are fixed by append: when a record does not fit, it first puts an EPOCH record
 * into the ring. The writer, meeting an EPOCH, has the old segment synced and publishes a new one.
 * Locks   One. Disk access, callbacks and copying into the ring happen outside it.
 */
#ifndef PHAROS_JOURNAL_WAL_PRIV_H
#define PHAROS_JOURNAL_WAL_PRIV_H

#include <stdatomic.h>

#include "journal/wal.h"
#include "journal/wal_ring.h"
#include "journal/wal_scan.h"
#include "journal/wal_segment.h"
#include "journal/wal_stats.h"
#include "journal/wal_table.h"
#include "os/thread.h"

#define WAL_STATE_MAGIC 0x57414c53u
/* Ring bytes that credit never hands out: room for EPOCH records. At most two automatic rolls fall
 * into one ring length, since a segment is at least two rings long. */
#define WAL_RING_RESERVE 128u
#define WAL_CHECKPOINT_BUFFER (256u << 10)
#define WAL_LINGER_NS 20000000u    /* unasked writes wait so long for company */
#define WAL_UNPUBLISHED_NS 100000u /* look again after a copy in progress */
#define WAL_RETRY_MAX_NS 2000000000u
#define WAL_CHECKPOINT_PREFIX "checkpoint."
#define WAL_DAMAGED_PREFIX "damaged."
#define WAL_TMP_SUFFIX ".tmp"

enum wal_state {
    WAL_OPENED, /* not replayed yet */
    WAL_RUNNING,
    WAL_POISONED, /* the disk failed; the writer is trying to resume */
};

/* The segment that is being written. */
struct wal_file {
    struct file *f;     /* NULL: none yet, or given up after a failure */
    uint64_t offset;    /* file offset of position `written` */
    uint64_t allocated; /* bytes preallocated, or written without */
};

/* One at a time. */
struct journal_checkpoint {
    struct wal *wal;
    bool is_open;
    bool has_failed;
    uint64_t number; /* replaces segments up to this one */
    uint64_t file_index;
    struct file *f;
    uint64_t offset; /* bytes of the file behind us on disk */
    size_t buffered;
    uint8_t *buffer; /* WAL_CHECKPOINT_BUFFER bytes */
    char dir[FILE_PATH_SIZE];
};

/* What the directory held at open; freed after replay. */
struct wal_found {
    uint64_t *numbers; /* of the segments behind the checkpoint, ascending */
    size_t count, cap;
};

struct wal {
    struct journal journal; /* first: the seam hands out its address */
    uint32_t magic;
    /* set by open, then read only */
    const struct file_layer *files;
    const struct clock *clock;
    struct mem_budget *mem;
    struct log log;
    enum journal_mode mode;
    uint64_t sync_interval_ns, segment_bytes, preallocate_bytes, retry_min_ns;
    size_t record_max; /* payload bytes */
    size_t credit_max;
    struct journal_identity identity;
    struct thread writer, syncer;
    struct wal_ring ring;
    struct wal_stats stats;
    /* any thread; written under the lock, so that an append that holds it knows its epoch */
    _Atomic uint32_t epoch;

    struct mutex lock;
    struct cond work;      /* to the writer */
    struct cond sync_work; /* to the sync thread */
    struct cond progress;  /* synced, released or state changed */
    /* guarded by lock */
    enum wal_state state;
    struct err failure; /* why poisoned */
    uint64_t reserved, written, synced, released;
    size_t credits;
    unsigned credit_waiters;
    uint64_t planned_bytes; /* of the segment that append is filling */
    bool needs_roll;        /* the next append starts a segment */
    uint64_t sync_wanted;   /* sync at least up to here, without delay */
    bool hurry;             /* write without delay */
    bool is_stopping, is_sync_stopping;
    bool is_syncing;
    uint64_t unsynced_since_ns;
    struct journal_waiter *waiters, *waiters_last; /* by position */
    struct wal_table table;
    /* changed by the writer under the lock (recovery at close: by the closing thread) */
    struct wal_file file;
    uint64_t next_number;
    uint32_t attempts;        /* makes names of unfinished segments unique */
    uint32_t failed_attempts; /* to resume, since the failure */

    /* one maintenance thread at a time */
    struct journal_checkpoint checkpoint;
    bool has_checkpoint;
    uint64_t checkpoint_number;
    bool has_damaged;
    uint64_t damaged_number; /* of the segment kept as damaged.<number> */
    /* the opening thread */
    struct wal_found found;
    char dir[FILE_PATH_SIZE];
};

static inline struct wal *wal_of(struct journal *j)
{
    return (struct wal *)(void *)j;
}

/* wal_wait.c: waiters and failure. `_locked`: the caller holds the lock. */
bool wal_is_safe_locked(const struct wal *w, uint64_t position);
/* Detach the waiters whose positions are safe now; complete them outside the lock. */
struct journal_waiter *wal_take_safe_locked(struct wal *w);
/* Refuse service from now on; returns the waiters to fail. No-op when poisoned already. */
struct journal_waiter *wal_poison_locked(struct wal *w, const struct err *cause);
void wal_complete(struct journal_waiter *list, enum err_code result);
/* The error of a call that came while poisoned. */
enum err_code wal_refuse_locked(const struct wal *w, struct err *err);
void wal_update_gauges_locked(struct wal *w);
/* Ring bytes from here on must survive a failure. */
uint64_t wal_kept_from_locked(const struct wal *w);

/* wal_writer.c, wal_sync.c: the threads. */
void wal_writer_run(void *arg);
/* Preallocate file->f from file->allocated up to `want`. On a full disk as much as `need` takes, or
 * nothing: the write itself finds out then. */
CHECK_RESULT enum err_code wal_reserve(struct wal *w, struct wal_file *file, uint64_t need,
                                       uint64_t want, struct err *err);
bool wal_is_disk_full(const struct err *err);
void wal_sync_run(void *arg);

/* wal_publish.c: new segments. */
/* The EPOCH at ring position `pos` starts a segment. Writer thread, lock not held. */
void wal_roll_segment(struct wal *w, uint64_t pos);
/* One attempt to resume after a failure. Writer thread, lock held on entry and exit; ERR_OK when
 * running again. */
enum err_code wal_recover_locked(struct wal *w);

/* wal_dir.c: names in the directory. */
CHECK_RESULT enum err_code wal_path(const struct wal *w, const char *name, char *out,
                                    struct err *err);
CHECK_RESULT enum err_code wal_dir_scan(struct wal *w, struct err *err);
CHECK_RESULT enum err_code wal_dir_sync(const struct wal *w, struct err *err);
void wal_found_deinit(struct wal *w);
/* Delete what the newest checkpoint made superfluous; failures are counted, not returned. */
void wal_dir_clean(struct wal *w);
/* Delete the segments of all rows up to segment `last`, oldest first; damaged ones are set aside.
 * With `sync_each`, a power cut cannot leave a hole. */
CHECK_RESULT enum err_code wal_dir_drop(struct wal *w, uint64_t last, bool sync_each,
                                        struct err *err);

/* Give segment `number` the second name damaged.<number>, durably, before it is replaced. */
CHECK_RESULT enum err_code wal_dir_keep(struct wal *w, uint64_t number, struct err *err);

/* wal_tail.c: the end of the last segment. */
struct wal_tail {
    uint64_t number;
    uint64_t bytes;        /* valid ones */
    bool has_start;        /* header and EPOCH are good */
    bool is_closed;        /* there is the mark of an orderly close, right behind them */
    bool is_worth_keeping; /* what follows them is more than an unfinished write */
};
/* Write the mark at `offset`, end the file there, sync. */
CHECK_RESULT enum err_code wal_mark_closed(const struct wal *w, struct file *f, uint64_t offset,
                                           struct err *err);
/* Make what an earlier life left in its last segment durable, whatever it came to know of the disk
 * and did not live to tell. Uses the scan, which is closed, and its buffer. */
CHECK_RESULT enum err_code wal_tail_renew(struct wal *w, const struct wal_tail *tail,
                                          struct wal_scan *scan, struct err *err);

/* wal_replay.c */
CHECK_RESULT enum err_code wal_replay(struct journal *j, const struct journal_replay *to,
                                      struct err *err);
/* w->identity becomes what the first EPOCH names, if there is one. */
CHECK_RESULT enum err_code wal_find_identity(struct wal *w, struct err *err);

/* wal_checkpoint.c */
CHECK_RESULT enum err_code wal_checkpoint_begin(struct journal *j, uint64_t position,
                                                struct journal_checkpoint **out, struct err *err);
CHECK_RESULT enum err_code wal_checkpoint_append(struct journal_checkpoint *cp,
                                                 const struct journal_record *rec, struct err *err);
CHECK_RESULT enum err_code wal_checkpoint_commit(struct journal_checkpoint *cp, struct err *err);
void wal_checkpoint_abort(struct journal_checkpoint *cp);

#endif
