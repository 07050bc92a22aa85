/* SPDX-License-Identifier: Apache-2.0
 *
 * wal - the journal on a local disk.
 *
 * Format    <dir>/00000017: segments of 128 MiB, preallocated in steps of 8 MiB; header of 16 bytes
 *           (journal/wal_segment.h), then records, 4-byte aligned:
 *               u32 len | u32 crc32c | u8 type | u8 flags | u16 0 | payload[len]
 *           A record never crosses a segment; the first of each segment is EPOCH, which names how
 *           many bytes of the segment before are valid.
 *           <dir>/checkpoint.00000016/00000000 ...: the same format; stands for segments <= 16.
 *           <dir>/damaged.00000012: the newest damaged segment, kept for a person to look at.
 * Append    Records are copied into a ring (4 MiB). The writer thread writes all that is published
 *           with one pwritev and completes the waiters; the sync thread calls fdatasync: at once
 *           (JOURNAL_COMMIT), every interval and when half of the ring is unsynced
 *           (JOURNAL_INTERVAL), or only at a roll, journal_sync and close (JOURNAL_OFF).
 *           The writer starts at a notify, when 1/16 of the ring is unwritten, or after 20 ms.
 * Failure   A failed write, sync or allocation poisons the log: waiters and appends get ERR_IO, the
 *           file is never synced again. The writer then publishes a new segment with the unsynced
 *           ring (EPOCH flag bit 0, the records, an ordinary EPOCH; synced before it gets its
 *           name), tries that again after 50 ms .. 2 s until it succeeds, and service resumes.
 *           JOURNAL_OFF keeps ring bytes only until they are written.
 *           A full disk: preallocation shrinks to 4 KiB, then to nothing, before a write fails.
 * Close     The last segment gets an EPOCH that names its own offset: the mark of an orderly close.
 * Replay    A last segment without the mark may end in a torn record, which is left out. Its valid
 *           records are copied into a new file, synced and renamed over it: what was replayed is
 *           then on the disk, whatever became of the syncs of an earlier life. When a valid record
 *           follows the bad one, the original stays as damaged.<N>; when one follows more than a
 *           ring behind, or the mark is there, it was no tear and counts as damage (more is never
 *           unsynced, except in JOURNAL_OFF). Damage before the end of an older segment, or a
 *           missing one: counted, logged, replay resumes at the next segment. A disk that does not
 *           answer is no damage: the start is refused.
 * Threads   As journal.h says; two threads of its own, started by replay.
 * Memory    Ring, replay buffer (freed after replay), checkpoint buffer; fixed at open, charged to
 *           MEM_INGEST. Nothing is allocated by append.
 * Source    spec: storage-engine.md section 5, reliability.md section 2.
 */
#ifndef PHAROS_JOURNAL_WAL_H
#define PHAROS_JOURNAL_WAL_H

#include "base/stats.h"
#include "journal/journal.h"
#include "os/clock.h"
#include "os/file_layer.h"
#include "os/log.h"
#include "os/mem.h"

struct wal_options {
    const struct file_layer *files;
    const struct clock *clock;
    struct mem_budget *mem;
    struct log_sink *log; /* NULL = silent */
    const char *dir;      /* created when missing */
    enum journal_mode mode;
    struct journal_identity identity; /* used when the directory is new */
    uint64_t sync_interval_ns;        /* JOURNAL_INTERVAL; 0 = 1 s */
    /* Sizes, for tests; 0 = the value of the format. ring_bytes: a power of two >= 4 KiB;
     * segment_bytes >= 2 x ring_bytes. A record may take a quarter of the ring. */
    uint64_t segment_bytes;     /* 0 = 128 MiB */
    size_t ring_bytes;          /* 0 = 4 MiB */
    uint64_t preallocate_bytes; /* 0 = 8 MiB */
    uint64_t retry_min_ns;      /* first pause between attempts to resume; 0 = 50 ms */
};

/* Opens the log in options->dir: removes unfinished files, finds checkpoint and segments. The log
 * takes appends after journal_replay. ERR_NOMEM, ERR_LIMIT (path), ERR_INVALID (sizes), what
 * opening a file may give; ERR_IO also when the beginning of a file cannot be read. */
CHECK_RESULT enum err_code wal_open(const struct wal_options *options, struct journal **out,
                                    struct err *err);

#endif
