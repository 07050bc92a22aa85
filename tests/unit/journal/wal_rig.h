/* SPDX-License-Identifier: Apache-2.0
 *
 * wal_rig - a WAL on the in-memory disk, small enough for sweeps, and what its replay returned.
 *
 * Test records carry an id: payload = id (8 bytes) and bytes derived from id and length, so that a
 * replay can tell lost, doubled, reordered, changed and invented records apart.
 */
#ifndef PHAROS_TESTS_JOURNAL_WAL_RIG_H
#define PHAROS_TESTS_JOURNAL_WAL_RIG_H

#include "journal/wal.h"
#include "journal/wal_segment.h"
#include "journal/wal_stats.h"
#include "os/file_fault.h"
#include "os/thread.h"

#define RIG_RING_BYTES 4096u
#define RIG_SEGMENT_BYTES 8192u
#define RIG_DIR "data/wal"

struct rig_entry {
    uint64_t id, position;
    uint32_t epoch, size; /* payload bytes */
    uint8_t type, flags;
    bool is_after_damage;
    bool is_intact; /* the payload is the one that belongs to the id */
};

struct rig {
    struct file_fault *disk;
    struct mem_budget *mem; /* the WAL's */
    struct mem_budget *own; /* the rig's */
    struct wal_options options;
    struct journal *journal; /* NULL when closed */
    struct err err;          /* of the last call that failed */
    /* what the last replay returned */
    struct rig_entry *entries;
    size_t count, cap;
    size_t releases;
    double done;
    enum err_code callback_result; /* returned by the record callback */
};

/* A rig on `disk` (owned by the rig from here on; NULL: a new one), closed. Segments of 8 KiB, ring
 * of 4 KiB, no timed sync, quick retries. */
void rig_init(struct rig *r, struct file_fault *disk, enum journal_mode mode);
/* Closes without caring for the result. */
void rig_deinit(struct rig *r);

/* Open and replay; on failure the journal is closed again. */
enum err_code rig_open(struct rig *r);
enum err_code rig_close(struct rig *r);
/* Close, power loss with image `seed`, not opened again. */
void rig_power_cycle(struct rig *r, uint64_t seed);
/* Close, then throw away what close did: as if the process had been killed before it. */
void rig_kill(struct rig *r);

/* Credit and append of record `id` with `len` (>= 8) payload bytes, type 2, for any epoch / for
 * `epoch` only. */
enum err_code rig_append(struct rig *r, uint64_t id, size_t len, uint64_t *out_position);
enum err_code rig_append_in(struct rig *r, uint32_t epoch, uint64_t id, size_t len,
                            uint64_t *out_position);
/* Open, append records 0 .. segments * per_segment - 1, each `per_segment` in a segment of their own,
 * and close. The rig is new. */
void rig_fill(struct rig *r, unsigned segments, unsigned per_segment, size_t len);
/* Notify and wait for the answer. */
enum err_code rig_wait(struct rig *r, uint64_t position);
/* Append and wait. */
enum err_code rig_put(struct rig *r, uint64_t id, size_t len);
/* Wait until the journal accepts records again (after a fault), or the power is off. */
void rig_wait_resumed(struct rig *r);

/* Are the entries exactly ids [first, first + count), once each, in order, all intact? */
bool rig_has_exactly(const struct rig *r, uint64_t first, size_t count);
const struct wal_stats *rig_stats(struct rig *r);
/* Path of segment `number`; valid until the next call. */
const char *rig_segment_path(struct rig *r, uint64_t number, char out[64]);
/* Whole file into a buffer of the rig's; ptr NULL when missing. Free with rig_free. */
struct bytes rig_read(struct rig *r, const char *path);
void rig_write(struct rig *r, const char *path, struct bytes content);
bool rig_exists(struct rig *r, const char *path);
void rig_free(struct rig *r, struct bytes b);

/* The payload of a test record. */
void rig_payload(uint64_t id, uint8_t *out, size_t len);

#endif
