/* SPDX-License-Identifier: Apache-2.0
 *
 * wal_ring - the bytes between append and the disk: a power-of-two ring of whole records, addressed
 * by 64-bit positions that only grow.
 *
 * Protocol  A record's room [pos, pos + n) is given out in order (by the owner's lock); then any
 *           number of threads copy side by side with wal_ring_put. The first word of a record (its
 *           len, never 0) is stored last, with release: that publishes it. Room that is not given
 *           out, or not published yet, reads as 0 there, because wal_ring_clear zeroes what leaves
 *           the ring before it may be given out again.
 * Threads   put: the thread that owns the room. scan, iov: one reader, up to given-out room. clear:
 *           whoever owns the range that leaves.
 * Memory    One block of `size` bytes.
 */
#ifndef PHAROS_JOURNAL_WAL_RING_H
#define PHAROS_JOURNAL_WAL_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "os/file_layer.h"
#include "os/mem.h"

struct wal_ring {
    uint8_t *bytes;
    size_t size; /* power of two */
    struct mem_budget *mem;
};

/* ERR_NOMEM. */
CHECK_RESULT enum err_code wal_ring_init(struct wal_ring *ring, struct mem_budget *mem, size_t size,
                                         struct err *err);
void wal_ring_deinit(struct wal_ring *ring);

/* Copy a record (frame of 12 bytes and payload) to `pos` and publish it. */
void wal_ring_put(struct wal_ring *ring, uint64_t pos, const uint8_t *frame, struct bytes payload);

struct wal_extent {
    uint64_t end;     /* records in [from, end) are published */
    uint64_t records; /* that many */
    bool is_epoch;    /* the first record is EPOCH: the extent is this record alone */
};
/* Published records from `from`, at most up to `limit`, ending before the next EPOCH. */
struct wal_extent wal_ring_scan(const struct wal_ring *ring, uint64_t from, uint64_t limit);
/* Are all records of [from, limit) published? */
bool wal_ring_is_published(const struct wal_ring *ring, uint64_t from, uint64_t limit);
/* [from, to) as one or two (0 when empty) pieces; returns their number. */
int wal_ring_iov(const struct wal_ring *ring, uint64_t from, uint64_t to, struct file_iovec out[2]);
void wal_ring_clear(struct wal_ring *ring, uint64_t from, uint64_t to);

#endif
