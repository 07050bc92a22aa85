/* SPDX-License-Identifier: Apache-2.0
 *
 * How a segment comes into being: written under a temporary name, synced, renamed, directory
 * synced. So a segment that has its name always has its header and its EPOCH, and after a failure
 * the re-logged records appear all or not at all.
 */
#include <stdio.h>

#include "base/assert.h"
#include "base/num.h"
#include "journal/wal_priv.h"

/* The first bytes of a segment: header, [first], ring bytes [from, to), [last]. */
struct segment_start {
    uint64_t number;
    uint64_t from, to;
    const struct wal_epoch *first, *last; /* may be NULL */
};

static enum err_code write_start(struct wal *w, const struct segment_start *s,
                                 struct wal_file *file, struct err *err)
{
    uint8_t header[WAL_HEADER_BYTES];
    uint8_t first[WAL_EPOCH_BYTES];
    uint8_t last[WAL_EPOCH_BYTES];
    struct file_iovec iov[5];
    int count = 0;
    wal_header_encode(s->number, header);
    iov[count++] = (struct file_iovec){ header, sizeof header };
    if (s->first) {
        wal_epoch_encode(s->first, first);
        iov[count++] = (struct file_iovec){ first, sizeof first };
    }
    count += wal_ring_iov(&w->ring, s->from, s->to, iov + count);
    if (s->last) {
        wal_epoch_encode(s->last, last);
        iov[count++] = (struct file_iovec){ last, sizeof last };
    }
    uint64_t bytes = 0;
    for (int i = 0; i < count; i++) {
        bytes += iov[i].len;
    }
    ASSERT(bytes >= WAL_START_BYTES);
    ASSERT(bytes <= w->segment_bytes);
    uint64_t allocated = w->preallocate_bytes > bytes ? w->preallocate_bytes : bytes;
    if (allocated > w->segment_bytes) allocated = w->segment_bytes;
    TRY(wal_reserve(w, file, bytes, allocated, err));
    TRY(w->files->pwritev(w->files->ctx, file->f, iov, count, 0, err));
    TRY(w->files->fdatasync(w->files->ctx, file->f, err));
    file->offset = bytes;
    return ERR_OK;
}

static void close_quietly(struct wal *w, struct file *f)
{
    struct err ignored = { 0 };
    if (f) (void)w->files->close(w->files->ctx, f, &ignored);
}

static enum err_code publish(struct wal *w, const struct segment_start *s, struct wal_file *out,
                             struct err *err)
{
    if (s->number > WAL_NUMBER_MAX) return err_set(err, ERR_LIMIT, "WAL segment numbers used up");
    char name[WAL_NAME_SIZE];
    char suffix[WAL_NAME_SIZE];
    char path[FILE_PATH_SIZE];
    char tmp_path[FILE_PATH_SIZE];
    wal_name(name, "", s->number, "");
    TRY(wal_path(w, name, path, err));
    /* Another name at each attempt: a file whose sync failed is never synced again. */
    (void)snprintf(suffix, sizeof suffix, ".%u" WAL_TMP_SUFFIX, (unsigned)w->attempts++);
    wal_name(name, "", s->number, suffix);
    TRY(wal_path(w, name, tmp_path, err));
    struct wal_file file = { 0 };
    TRY(w->files->open(w->files->ctx, tmp_path, FILE_TRUNCATE, &file.f, err));
    enum err_code code = write_start(w, s, &file, err);
    if (code == ERR_OK) code = w->files->rename(w->files->ctx, tmp_path, path, err);
    if (code != ERR_OK) {
        struct err ignored = { 0 };
        close_quietly(w, file.f);
        (void)w->files->unlink(w->files->ctx, tmp_path, &ignored);
        return code;
    }
    code = wal_dir_sync(w, err);
    if (code != ERR_OK) {
        /* The name may or may not survive. The next attempt writes the same number: what it
         * renames over this file starts with the same records. */
        close_quietly(w, file.f);
        return code;
    }
    stat_add(&w->stats.segments_created, 1);
    *out = file;
    return ERR_OK;
}

/* The new segment takes over. `end`: position up to which it is filled; `previous_end`: where the
 * records of the one before end. */
static struct file *install_locked(struct wal *w, const struct wal_file *file, bool continues,
                                   uint64_t previous_end, uint64_t end)
{
    struct file *old = w->file.f;
    uint64_t previous_bytes = w->file.offset - (w->written - previous_end);
    wal_table_close_last(&w->table, previous_end, previous_bytes);
    struct wal_row row = { .first = w->next_number,
                           .last = w->next_number,
                           .end_position = UINT64_MAX,
                           .continues = continues };
    wal_table_add(&w->table, &row);
    w->file = *file;
    w->next_number++;
    w->written = w->synced = end;
    w->released = end;
    w->unsynced_since_ns = 0;
    return old;
}

/* Everything before `pos` to stable storage; false when poisoned instead. */
static bool wait_synced_locked(struct wal *w, uint64_t pos)
{
    while (w->state == WAL_RUNNING && (w->synced < pos || w->is_syncing)) {
        if (w->sync_wanted < pos) w->sync_wanted = pos;
        cond_signal(&w->sync_work);
        cond_wait(&w->progress, &w->lock);
    }
    return w->state == WAL_RUNNING;
}

void wal_roll_segment(struct wal *w, uint64_t pos)
{
    mutex_lock(&w->lock);
    bool is_synced = wait_synced_locked(w, pos);
    if (is_synced) ASSERT(w->released == pos);
    uint64_t number = w->next_number;
    mutex_unlock(&w->lock);
    if (!is_synced) return;

    struct err err = { 0 };
    struct wal_file file = { 0 };
    const uint64_t end = pos + WAL_EPOCH_BYTES;
    struct segment_start start = { .number = number, .from = pos, .to = end };
    enum err_code code = publish(w, &start, &file, &err);
    if (code == ERR_OK) wal_ring_clear(&w->ring, pos, end);
    if (code != ERR_OK) {
        stat_add(&w->stats.write_failures, 1);
        log_error(&w->log, "WAL segment not created; writes are refused until one took over",
                  LOG_U64("segment", number), LOG_ERR(&err));
    }

    mutex_lock(&w->lock);
    struct file *old = NULL;
    struct journal_waiter *done = NULL;
    if (code == ERR_OK) {
        ASSERT(w->state == WAL_RUNNING); /* nothing was left to sync */
        old = install_locked(w, &file, false, pos, end);
        done = wal_take_safe_locked(w);
        cond_broadcast(&w->progress);
    } else {
        done = wal_poison_locked(w, &err);
    }
    wal_update_gauges_locked(w);
    mutex_unlock(&w->lock);
    close_quietly(w, old);
    wal_complete(done, code == ERR_OK ? ERR_OK : ERR_IO);
}

/* Re-log the ring from `base` on into a new segment. Lock not held; appends are refused. */
static enum err_code relog(struct wal *w, uint64_t base, uint32_t previous_bytes,
                           struct wal_file *out, struct err *err)
{
    const struct wal_epoch first = { .identity = w->identity,
                                     .continues = true,
                                     .previous_bytes = previous_bytes };
    const struct wal_epoch last = { .identity = w->identity };
    struct segment_start start = {
        .number = w->next_number, .from = base, .to = w->reserved, .first = &first, .last = &last
    };
    return publish(w, &start, out, err);
}

static void resume_locked(struct wal *w, const struct wal_file *file, uint64_t base)
{
    (void)install_locked(w, file, true, base, w->reserved);
    w->planned_bytes = file->offset;
    w->needs_roll = false;
    atomic_fetch_add_explicit(&w->epoch, 1, memory_order_release); /* pairs with wal_epoch */
    w->state = WAL_RUNNING;
    w->failure = (struct err){ 0 };
    w->failed_attempts = 0;
    stat_set(&w->stats.poisoned, 0);
    stat_add(&w->stats.recoveries, 1);
    cond_broadcast(&w->progress);
    cond_signal(&w->sync_work);
    wal_update_gauges_locked(w);
}

enum err_code wal_recover_locked(struct wal *w)
{
    ASSERT(w->state == WAL_POISONED);
    while (w->is_syncing) {
        cond_wait(&w->progress, &w->lock);
    }
    const uint64_t base = wal_kept_from_locked(w);
    while (!wal_ring_is_published(&w->ring, base, w->reserved)) { /* copies in progress */
        (void)cond_wait_ns(&w->work, &w->lock, WAL_UNPUBLISHED_NS);
    }
    struct file *dead = w->file.f;
    w->file.f = NULL;
    const uint32_t previous_bytes = u32_from_u64(w->file.offset - (w->written - base));
    const uint64_t end = w->reserved;
    const uint64_t number = w->next_number;
    mutex_unlock(&w->lock);

    close_quietly(w, dead); /* only bytes that are in the ring still depended on it */
    struct err err = { 0 };
    struct wal_file file = { 0 };
    enum err_code code = relog(w, base, previous_bytes, &file, &err);
    if (code == ERR_OK) {
        wal_ring_clear(&w->ring, base, end);
        log_warn(&w->log, "WAL resumed in a new segment", LOG_U64("segment", number),
                 LOG_U64("relogged_bytes", end - base));
    } else {
        stat_add(&w->stats.write_failures, 1);
        const uint32_t n = ++w->failed_attempts;
        if ((n & (n - 1)) == 0) { /* a full disk may stay full for days */
            log_warn(&w->log, "WAL cannot resume yet", LOG_U64("attempts", n), LOG_ERR(&err));
        }
    }

    mutex_lock(&w->lock);
    if (code == ERR_OK) {
        ASSERT(w->reserved == end);
        resume_locked(w, &file, base);
    } else {
        w->failure = err;
    }
    return code;
}
