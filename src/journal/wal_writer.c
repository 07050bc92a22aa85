/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer thread: takes all published records, writes them with one pwritev, completes waiters.
 */
#include <errno.h>

#include "base/assert.h"
#include "journal/wal_priv.h"

#define RESERVE_UNIT 4096u /* what a nearly full disk is asked for */

bool wal_is_disk_full(const struct err *err)
{
    return err->os_errno == ENOSPC || err->os_errno == EDQUOT;
}

enum err_code wal_reserve(struct wal *w, struct wal_file *file, uint64_t need, uint64_t want,
                          struct err *err)
{
    const uint64_t rounded = (need + RESERVE_UNIT - 1) / RESERVE_UNIT * RESERVE_UNIT;
    const uint64_t ends[2] = { want, rounded < w->segment_bytes ? rounded : w->segment_bytes };
    for (int i = 0; i < 2; i++) {
        struct err full = { 0 };
        if (i > 0 && ends[i] >= ends[0]) break;
        const uint64_t len = ends[i] - file->allocated;
        enum err_code code =
            w->files->fallocate(w->files->ctx, file->f, file->allocated, len, &full);
        if (code == ERR_OK) {
            file->allocated = ends[i];
            return ERR_OK;
        }
        if (!wal_is_disk_full(&full)) {
            if (err) *err = full;
            return code;
        }
    }
    file->allocated = need;
    return ERR_OK;
}

/* Preallocate ahead of the write position, a step at a time. */
static enum err_code preallocate(struct wal *w, uint64_t bytes, struct err *err)
{
    uint64_t end = w->file.offset + bytes;
    uint64_t allocated = w->file.allocated;
    if (end <= allocated) return ERR_OK;
    uint64_t next = allocated + w->preallocate_bytes;
    if (next > w->segment_bytes) next = w->segment_bytes;
    if (next < end) next = end;
    return wal_reserve(w, &w->file, end, next, err);
}

static enum err_code write_ring(struct wal *w, uint64_t from, uint64_t to, struct err *err)
{
    struct file_iovec iov[2];
    int count = wal_ring_iov(&w->ring, from, to, iov);
    TRY(preallocate(w, to - from, err));
    uint64_t start_ns = clock_mono_ns(w->clock);
    enum err_code code =
        w->files->pwritev(w->files->ctx, w->file.f, iov, count, w->file.offset, err);
    stat_observe_ns(&w->stats.write_duration, clock_mono_ns(w->clock) - start_ns);
    return code;
}

static void note_written_locked(struct wal *w, const struct wal_extent *extent, uint64_t from)
{
    if (w->unsynced_since_ns == 0) w->unsynced_since_ns = clock_mono_ns(w->clock);
    w->file.offset += extent->end - from;
    w->written = extent->end;
    stat_add(&w->stats.writes, 1);
    stat_add(&w->stats.written_bytes, extent->end - from);
    stat_add(&w->stats.records, extent->records);
    cond_signal(&w->sync_work);
}

/* JOURNAL_OFF: written bytes leave the ring. */
static void release_written(struct wal *w)
{
    mutex_lock(&w->lock);
    uint64_t from = w->released;
    uint64_t to = w->written;
    mutex_unlock(&w->lock);
    wal_ring_clear(&w->ring, from, to); /* nobody else moves `released` in this mode */
    mutex_lock(&w->lock);
    w->released = to;
    if (w->credit_waiters > 0) cond_broadcast(&w->progress);
    mutex_unlock(&w->lock);
}

static void write_extent(struct wal *w, uint64_t from, const struct wal_extent *extent)
{
    struct err err = { 0 };
    enum err_code code = write_ring(w, from, extent->end, &err);
    if (code != ERR_OK) {
        stat_add(&w->stats.write_failures, 1);
        log_error(&w->log, "WAL write failed; writes are refused until a new segment took over",
                  LOG_ERR(&err));
    }
    mutex_lock(&w->lock);
    struct journal_waiter *done = NULL;
    if (code != ERR_OK) {
        done = wal_poison_locked(w, &err);
    } else if (w->state == WAL_RUNNING) { /* else a sync failed meanwhile: recovery re-logs */
        note_written_locked(w, extent, from);
        done = wal_take_safe_locked(w);
    }
    mutex_unlock(&w->lock);
    wal_complete(done, code == ERR_OK ? ERR_OK : ERR_IO);
    if (w->mode == JOURNAL_OFF) release_written(w);
}

/* Write what is published. Lock held on entry and exit, not in between. */
static void write_published_locked(struct wal *w)
{
    uint64_t from = w->written;
    uint64_t limit = w->reserved;
    w->hurry = false;
    mutex_unlock(&w->lock);
    struct wal_extent extent = wal_ring_scan(&w->ring, from, limit);
    if (extent.is_epoch) {
        wal_roll_segment(w, from);
    } else if (extent.records > 0) {
        write_extent(w, from, &extent);
    }
    mutex_lock(&w->lock);
    if (w->written < limit) w->hurry = true; /* a roll or an unpublished record split the round */
    if (extent.records == 0) (void)cond_wait_ns(&w->work, &w->lock, WAL_UNPUBLISHED_NS);
}

/* Try to resume; after a failure pause, longer each time. */
static void recover_locked(struct wal *w, uint64_t *pause_ns)
{
    if (wal_recover_locked(w) == ERR_OK) {
        *pause_ns = w->retry_min_ns;
        return;
    }
    if (w->is_stopping) return;
    (void)cond_wait_ns(&w->work, &w->lock, *pause_ns);
    *pause_ns = *pause_ns * 2 < WAL_RETRY_MAX_NS ? *pause_ns * 2 : WAL_RETRY_MAX_NS;
}

void wal_writer_run(void *arg)
{
    struct wal *w = arg;
    uint64_t pause_ns = w->retry_min_ns;
    bool lingered = false;
    mutex_lock(&w->lock);
    for (;;) {
        if (w->state == WAL_POISONED) {
            recover_locked(w, &pause_ns);
            if (w->state == WAL_POISONED && w->is_stopping) break;
        } else if (w->reserved == w->written) {
            if (w->is_stopping) break;
            w->hurry = lingered = false;
            cond_wait(&w->work, &w->lock);
        } else if (w->hurry || lingered || w->is_stopping) {
            write_published_locked(w);
            lingered = false;
        } else {
            lingered = !cond_wait_ns(&w->work, &w->lock, WAL_LINGER_NS);
        }
    }
    mutex_unlock(&w->lock);
}
