/* SPDX-License-Identifier: Apache-2.0
 *
 * The sync thread: the only caller of fdatasync on the open segment, so that a slow disk does not
 * delay answers that need no sync.
 */
#include "base/assert.h"
#include "journal/wal_priv.h"

/* Must the written bytes be synced now? `timed_out`: the interval has passed. */
static bool is_due_locked(const struct wal *w, bool timed_out)
{
    if (w->sync_wanted > w->synced) return true;
    if (w->mode == JOURNAL_OFF) return false;
    return timed_out || w->mode == JOURNAL_COMMIT || w->written - w->released >= w->ring.size / 2;
}

static uint64_t interval_left_ns(const struct wal *w)
{
    uint64_t now_ns = clock_mono_ns(w->clock);
    uint64_t due_ns = w->unsynced_since_ns + w->sync_interval_ns;
    return due_ns > now_ns ? due_ns - now_ns : 0;
}

/* Lock held on entry and exit, not in between. */
static void sync_once_locked(struct wal *w)
{
    uint64_t target = w->written;
    uint64_t released = w->released;
    struct file *f = w->file.f;
    ASSERT(f != NULL);
    w->is_syncing = true;
    mutex_unlock(&w->lock);

    struct err err = { 0 };
    uint64_t start_ns = clock_mono_ns(w->clock);
    enum err_code code = w->files->fdatasync(w->files->ctx, f, &err);
    stat_observe_ns(&w->stats.sync_duration, clock_mono_ns(w->clock) - start_ns);
    bool releases = w->mode != JOURNAL_OFF;
    if (code == ERR_OK && releases) wal_ring_clear(&w->ring, released, target);
    stat_add(code == ERR_OK ? &w->stats.syncs : &w->stats.sync_failures, 1);
    if (code != ERR_OK) {
        log_error(&w->log, "WAL sync failed; writes are refused until a new segment took over",
                  LOG_ERR(&err));
    }

    mutex_lock(&w->lock);
    w->is_syncing = false;
    struct journal_waiter *done = NULL;
    if (code == ERR_OK) {
        ASSERT(target >= w->synced);
        w->synced = target;
        if (releases) w->released = target;
        w->unsynced_since_ns = w->written > target ? start_ns : 0;
        done = wal_take_safe_locked(w);
    } else {
        done = wal_poison_locked(w, &err);
    }
    cond_broadcast(&w->progress);
    wal_update_gauges_locked(w);
    mutex_unlock(&w->lock);
    wal_complete(done, code == ERR_OK ? ERR_OK : ERR_IO);
    mutex_lock(&w->lock);
}

void wal_sync_run(void *arg)
{
    struct wal *w = arg;
    mutex_lock(&w->lock);
    bool timed_out = false;
    for (;;) {
        bool has_work = w->state == WAL_RUNNING && w->written > w->synced;
        if (!has_work) {
            if (w->is_sync_stopping) break;
            timed_out = false;
            cond_wait(&w->sync_work, &w->lock);
        } else if (is_due_locked(w, timed_out) || w->is_sync_stopping) {
            sync_once_locked(w);
            timed_out = false;
        } else if (w->mode == JOURNAL_OFF) {
            cond_wait(&w->sync_work, &w->lock);
        } else {
            uint64_t left_ns = interval_left_ns(w);
            timed_out = left_ns == 0 || !cond_wait_ns(&w->sync_work, &w->lock, left_ns);
        }
    }
    mutex_unlock(&w->lock);
}
