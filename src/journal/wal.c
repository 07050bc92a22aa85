/* SPDX-License-Identifier: Apache-2.0
 *
 * The WAL behind the journal seam: open, append, credit, notify, close.
 */
#include "journal/wal.h"

#include <string.h>

#include "base/assert.h"
#include "journal/wal_priv.h"

#define RING_BYTES_DEFAULT ((size_t)4 << 20)
#define RING_BYTES_MIN 4096u
#define PREALLOCATE_BYTES_DEFAULT ((uint64_t)8 << 20)
#define SYNC_INTERVAL_NS_DEFAULT 1000000000u
#define RETRY_MIN_NS_DEFAULT 50000000u

/* ---- append ------------------------------------------------------------------------------- */

/* Fix a segment boundary here: EPOCH into the ring. Under the lock, so that no record can slip in
 * between; 28 bytes. */
static void plan_roll_locked(struct wal *w)
{
    ASSERT(w->reserved + WAL_EPOCH_BYTES - w->released <= w->ring.size);
    const struct wal_epoch epoch = { .identity = w->identity,
                                     .previous_bytes = (uint32_t)w->planned_bytes };
    uint8_t record[WAL_EPOCH_BYTES];
    wal_epoch_encode(&epoch, record);
    const struct bytes payload = { record + JOURNAL_FRAME_BYTES, WAL_EPOCH_PAYLOAD_BYTES };
    wal_ring_put(&w->ring, w->reserved, record, payload);
    w->reserved += WAL_EPOCH_BYTES;
    w->planned_bytes = WAL_START_BYTES;
    w->needs_roll = false;
    atomic_fetch_add_explicit(&w->epoch, 1, memory_order_release); /* pairs with wal_epoch */
}

/* Room for a record of `size` bytes; fixes its place in the log. */
static enum err_code reserve_locked(struct wal *w, size_t size, uint32_t expected_epoch,
                                    uint64_t *out_pos, struct err *err)
{
    ASSERT(w->state != WAL_OPENED);
    if (w->state == WAL_POISONED) return wal_refuse_locked(w, err);
    ASSERT(w->credits >= size); /* journal_credit first */
    if (w->needs_roll || w->planned_bytes + size > w->segment_bytes) plan_roll_locked(w);
    uint32_t epoch = atomic_load_explicit(&w->epoch, memory_order_relaxed);
    if (expected_epoch != 0 && expected_epoch != epoch) {
        stat_add(&w->stats.epoch_conflicts, 1);
        return err_set(err, ERR_CONFLICT, "the journal has begun a new epoch");
    }
    *out_pos = w->reserved;
    w->credits -= size;
    w->reserved += size;
    w->planned_bytes += size;
    ASSERT(w->reserved - w->released <= w->ring.size);
    return ERR_OK;
}

static enum err_code wal_append(struct journal *j, uint32_t expected_epoch,
                                const struct journal_record *rec, uint64_t *out_position,
                                struct err *err)
{
    struct wal *w = wal_of(j);
    ASSERT(w->magic == WAL_STATE_MAGIC);
    if (rec->payload.len == 0 || rec->type == 0 || rec->type == JOURNAL_EPOCH) {
        return err_set(err, ERR_INVALID, "no journal record");
    }
    if (rec->payload.len > w->record_max) {
        return err_set(err, ERR_LIMIT, "journal record too large");
    }
    const size_t size = journal_record_bytes(rec->payload.len);
    uint8_t frame[JOURNAL_FRAME_BYTES];
    wal_frame_encode(rec, frame); /* the crc, outside the lock */
    uint64_t pos = 0;
    mutex_lock(&w->lock);
    const bool was_idle = w->reserved == w->written;
    enum err_code code = reserve_locked(w, size, expected_epoch, &pos, err);
    const bool is_filling = w->reserved - w->written >= w->ring.size / 16 && !w->hurry;
    if (is_filling) w->hurry = true;
    mutex_unlock(&w->lock);
    if (code == ERR_OK) wal_ring_put(&w->ring, pos, frame, rec->payload);
    if (was_idle || is_filling) cond_signal(&w->work);
    if (code == ERR_OK && out_position) *out_position = pos + size;
    return code;
}

/* ---- credit ------------------------------------------------------------------------------- */

static bool take_credit_locked(struct wal *w, size_t bytes)
{
    uint64_t used = w->reserved - w->released + w->credits;
    if (used + bytes > w->ring.size - WAL_RING_RESERVE) return false;
    w->credits += bytes;
    return true;
}

/* Wait for room. Lock held on entry and exit. */
static enum err_code wait_credit_locked(struct wal *w, size_t bytes, uint64_t timeout_ns,
                                        struct err *err)
{
    const uint64_t deadline_ns = clock_mono_ns(w->clock) + timeout_ns;
    bool timed_out = timeout_ns == 0;
    stat_add(&w->stats.ring_full_waits, 1);
    while (!timed_out) {
        w->sync_wanted = w->reserved;
        w->hurry = true;
        cond_signal(&w->work);
        cond_signal(&w->sync_work);
        const uint64_t now_ns = clock_mono_ns(w->clock);
        if (now_ns >= deadline_ns) break;
        w->credit_waiters++;
        timed_out = !cond_wait_ns(&w->progress, &w->lock, deadline_ns - now_ns);
        w->credit_waiters--;
        if (w->state == WAL_POISONED) return wal_refuse_locked(w, err);
        if (take_credit_locked(w, bytes)) return ERR_OK;
    }
    stat_add(&w->stats.ring_full_rejected, 1);
    return err_set(err, ERR_BUSY, "the journal is full: the disk is too slow");
}

static enum err_code wal_credit(struct journal *j, size_t bytes, uint64_t timeout_ns,
                                struct err *err)
{
    struct wal *w = wal_of(j);
    ASSERT(w->magic == WAL_STATE_MAGIC);
    if (bytes > w->credit_max) return err_set(err, ERR_LIMIT, "journal credit too large");
    MUTEX_SCOPE(&w->lock);
    ASSERT(w->state != WAL_OPENED);
    if (w->state == WAL_POISONED) return wal_refuse_locked(w, err);
    if (take_credit_locked(w, bytes)) return ERR_OK;
    return wait_credit_locked(w, bytes, timeout_ns, err);
}

static void wal_credit_return(struct journal *j, size_t bytes)
{
    struct wal *w = wal_of(j);
    if (bytes == 0) return;
    MUTEX_SCOPE(&w->lock);
    ASSERT(bytes <= w->credits);
    w->credits -= bytes;
    if (w->credit_waiters > 0) cond_broadcast(&w->progress);
}

/* ---- waiting for the disk ----------------------------------------------------------------- */

/* Insert by position; callers come nearly in order, so mostly at the end. */
static void add_waiter_locked(struct wal *w, struct journal_waiter *waiter)
{
    struct journal_waiter **at = &w->waiters;
    if (w->waiters_last && w->waiters_last->position <= waiter->position) {
        at = &w->waiters_last->next;
    }
    while (*at && (*at)->position <= waiter->position) {
        at = &(*at)->next;
    }
    waiter->next = *at;
    *at = waiter;
    if (!waiter->next) w->waiters_last = waiter;
}

static void wal_notify(struct journal *j, struct journal_waiter *waiter)
{
    struct wal *w = wal_of(j);
    ASSERT(w->magic == WAL_STATE_MAGIC);
    mutex_lock(&w->lock);
    ASSERT(waiter->position <= w->reserved);
    const bool is_safe = wal_is_safe_locked(w, waiter->position);
    const bool is_refused = !is_safe && w->state == WAL_POISONED;
    if (!is_safe && !is_refused) {
        add_waiter_locked(w, waiter);
        if (!w->hurry) {
            w->hurry = true;
            cond_signal(&w->work);
        }
    }
    mutex_unlock(&w->lock);
    if (is_safe || is_refused) {
        waiter->next = NULL;
        waiter->fn(waiter, is_safe ? ERR_OK : ERR_IO);
    }
}

static enum err_code wal_sync(struct journal *j, struct err *err)
{
    struct wal *w = wal_of(j);
    ASSERT(w->magic == WAL_STATE_MAGIC);
    MUTEX_SCOPE(&w->lock);
    ASSERT(w->state != WAL_OPENED);
    const uint64_t target = w->reserved;
    while (w->synced < target) {
        if (w->state == WAL_POISONED) return wal_refuse_locked(w, err);
        if (w->sync_wanted < target) w->sync_wanted = target;
        w->hurry = true;
        cond_signal(&w->work);
        cond_signal(&w->sync_work);
        cond_wait(&w->progress, &w->lock);
    }
    return ERR_OK;
}

/* ---- small questions ---------------------------------------------------------------------- */

static uint32_t wal_epoch(struct journal *j)
{
    /* Pairs with the increments of plan_roll_locked and recovery. */
    return atomic_load_explicit(&wal_of(j)->epoch, memory_order_acquire);
}

static uint64_t wal_end(struct journal *j)
{
    struct wal *w = wal_of(j);
    MUTEX_SCOPE(&w->lock);
    return w->reserved;
}

static struct journal_identity wal_identity(struct journal *j)
{
    return wal_of(j)->identity;
}

static bool wal_is_poisoned(struct journal *j)
{
    struct wal *w = wal_of(j);
    MUTEX_SCOPE(&w->lock);
    return w->state == WAL_POISONED;
}

static struct stat_table wal_stat_table(struct journal *j)
{
    struct wal *w = wal_of(j);
    mutex_lock(&w->lock);
    wal_update_gauges_locked(w);
    mutex_unlock(&w->lock);
    return (struct stat_table){ WAL_STATS, WAL_STATS_COUNT, &w->stats };
}

static enum err_code wal_roll(struct journal *j, uint64_t *out_position, struct err *err)
{
    struct wal *w = wal_of(j);
    MUTEX_SCOPE(&w->lock);
    ASSERT(w->state != WAL_OPENED);
    if (w->state == WAL_POISONED) return wal_refuse_locked(w, err);
    *out_position = w->reserved;
    if (w->needs_roll || w->planned_bytes == WAL_START_BYTES) return ERR_OK; /* nothing in it */
    if (!take_credit_locked(w, WAL_EPOCH_BYTES)) {
        return err_set(err, ERR_BUSY, "the journal is full: the disk is too slow");
    }
    w->credits -= WAL_EPOCH_BYTES;
    plan_roll_locked(w);
    w->hurry = true;
    cond_signal(&w->work);
    return ERR_OK;
}

static enum err_code wal_truncate(struct journal *j, uint64_t position, struct err *err)
{
    struct wal *w = wal_of(j);
    ASSERT(w->magic == WAL_STATE_MAGIC);
    mutex_lock(&w->lock);
    const size_t rows = wal_table_droppable(&w->table, position);
    const uint64_t last = rows > 0 ? w->table.rows[rows - 1].last : 0;
    mutex_unlock(&w->lock);
    return rows > 0 ? wal_dir_drop(w, last, true, err) : ERR_OK;
}

/* ---- open and close ----------------------------------------------------------------------- */

static void destroy(struct wal *w)
{
    wal_found_deinit(w);
    wal_ring_deinit(&w->ring);
    if (w->checkpoint.buffer) {
        mem_free(w->mem, MEM_INGEST, w->checkpoint.buffer, WAL_CHECKPOINT_BUFFER);
    }
    cond_deinit(&w->progress);
    cond_deinit(&w->sync_work);
    cond_deinit(&w->work);
    mutex_deinit(&w->lock);
    w->magic = 0;
    mem_free(w->mem, MEM_INGEST, w, sizeof *w);
}

DEFINE_CLEANUP(destroy, struct wal *)

/* Let the threads finish: the writer writes all, the sync thread syncs all. */
static void stop_threads(struct wal *w)
{
    mutex_lock(&w->lock);
    w->is_stopping = true;
    cond_signal(&w->work);
    mutex_unlock(&w->lock);
    thread_join(&w->writer);
    mutex_lock(&w->lock);
    w->is_sync_stopping = true;
    cond_signal(&w->sync_work);
    mutex_unlock(&w->lock);
    thread_join(&w->syncer);
}

/* Mark the end, so that the next start can tell damage from a tear, and give the preallocation
 * back. All records are synced already; if this fails, the next start copies the segment. */
static void finish_segment(struct wal *w)
{
    if (!w->file.f || w->state != WAL_RUNNING) return;
    struct err err = { 0 };
    enum err_code code = wal_mark_closed(w, w->file.f, w->file.offset, &err);
    if (code != ERR_OK) log_warn(&w->log, "WAL segment not marked as closed", LOG_ERR(&err));
}

static enum err_code wal_close(struct journal *j, struct err *err)
{
    struct wal *w = wal_of(j);
    ASSERT(w->magic == WAL_STATE_MAGIC);
    if (w->checkpoint.is_open) wal_checkpoint_abort(&w->checkpoint);
    stop_threads(w);
    enum err_code code = ERR_OK;
    mutex_lock(&w->lock);
    if (w->state == WAL_POISONED && wal_recover_locked(w) != ERR_OK) {
        code = wal_refuse_locked(w, err);
    }
    ASSERT(w->waiters == NULL); /* answered by the writer, the sync thread or the failure */
    mutex_unlock(&w->lock);
    finish_segment(w); /* no other thread any more */
    struct err close_err = { 0 };
    if (w->file.f && w->files->close(w->files->ctx, w->file.f, &close_err) != ERR_OK) {
        log_warn(&w->log, "WAL segment close failed", LOG_ERR(&close_err)); /* synced before */
    }
    destroy(w);
    return code;
}

static const struct journal_ops WAL_OPS = {
    .credit = wal_credit,
    .append = wal_append,
    .credit_return = wal_credit_return,
    .epoch = wal_epoch,
    .notify = wal_notify,
    .sync = wal_sync,
    .replay = wal_replay,
    .truncate = wal_truncate,
    .close = wal_close,
    .end = wal_end,
    .identity = wal_identity,
    .roll = wal_roll,
    .checkpoint_begin = wal_checkpoint_begin,
    .checkpoint_append = wal_checkpoint_append,
    .checkpoint_commit = wal_checkpoint_commit,
    .checkpoint_abort = wal_checkpoint_abort,
    .is_poisoned = wal_is_poisoned,
    .stats = wal_stat_table,
};

static void set_options(struct wal *w, const struct wal_options *o, size_t ring_bytes)
{
    w->journal.ops = &WAL_OPS;
    w->magic = WAL_STATE_MAGIC;
    w->files = o->files;
    w->clock = o->clock;
    w->mem = o->mem;
    w->log = (struct log){ o->log, "journal" };
    w->mode = o->mode;
    w->identity = o->identity;
    w->sync_interval_ns = o->sync_interval_ns ? o->sync_interval_ns : SYNC_INTERVAL_NS_DEFAULT;
    w->segment_bytes = o->segment_bytes ? o->segment_bytes : WAL_SEGMENT_BYTES;
    w->preallocate_bytes = o->preallocate_bytes ? o->preallocate_bytes : PREALLOCATE_BYTES_DEFAULT;
    w->retry_min_ns = o->retry_min_ns ? o->retry_min_ns : RETRY_MIN_NS_DEFAULT;
    w->record_max = ring_bytes / 4 < JOURNAL_RECORD_MAX ? ring_bytes / 4 : JOURNAL_RECORD_MAX;
    w->credit_max = ring_bytes / 2 < JOURNAL_CREDIT_MAX ? ring_bytes / 2 : JOURNAL_CREDIT_MAX;
    mutex_init(&w->lock);
    cond_init(&w->work);
    cond_init(&w->sync_work);
    cond_init(&w->progress);
}

static bool are_sizes_valid(uint64_t segment_bytes, size_t ring_bytes)
{
    if (ring_bytes < RING_BYTES_MIN || (ring_bytes & (ring_bytes - 1)) != 0) return false;
    return segment_bytes <= UINT32_MAX && segment_bytes / 2 >= ring_bytes;
}

enum err_code wal_open(const struct wal_options *options, struct journal **out, struct err *err)
{
    size_t ring_bytes = options->ring_bytes ? options->ring_bytes : RING_BYTES_DEFAULT;
    uint64_t segment_bytes = options->segment_bytes ? options->segment_bytes : WAL_SEGMENT_BYTES;
    if (!are_sizes_valid(segment_bytes, ring_bytes)) {
        return err_set(err, ERR_INVALID, "journal: ring and segment sizes do not fit together");
    }
    if (strlen(options->dir) >= FILE_PATH_SIZE) return err_set(err, ERR_LIMIT, "path too long");
    struct wal *raw = mem_zalloc(options->mem, MEM_INGEST, sizeof *raw);
    if (!raw) return err_set(err, ERR_NOMEM, "no memory for the journal");
    set_options(raw, options, ring_bytes);
    CLEANUP(destroy_p) struct wal *w = raw;
    (void)str_z(str_of_z(options->dir), w->dir, sizeof w->dir);
    TRY(wal_ring_init(&w->ring, w->mem, ring_bytes, err));
    w->checkpoint.buffer = mem_alloc(w->mem, MEM_INGEST, WAL_CHECKPOINT_BUFFER);
    if (!w->checkpoint.buffer) return err_set(err, ERR_NOMEM, "no memory for the journal");
    w->checkpoint.wal = w;
    TRY(wal_dir_scan(w, err));
    TRY(wal_find_identity(w, err));
    *out = &TAKE(w)->journal;
    return ERR_OK;
}
