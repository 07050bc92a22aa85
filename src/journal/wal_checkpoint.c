/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a checkpoint: checkpoint.<N>.tmp/00000000 ... in the segments' format, everything synced,
 * then renamed; only after the rename is durable do the segments <= N go. Each file starts with an
 * EPOCH (naming the bytes of the file before it), the last one ends with an EPOCH that names its
 * own offset, so that a checkpoint that lost its end is noticed.
 */
#include <string.h>

#include "base/assert.h"
#include "journal/wal_priv.h"

static const struct file_layer *layer(const struct journal_checkpoint *cp)
{
    return cp->wal->files;
}

static enum err_code write_at_end(struct journal_checkpoint *cp, const struct file_iovec *iov,
                                  int count, struct err *err)
{
    TRY(layer(cp)->pwritev(layer(cp)->ctx, cp->f, iov, count, cp->offset, err));
    for (int i = 0; i < count; i++) {
        cp->offset += iov[i].len;
    }
    return ERR_OK;
}

static enum err_code flush(struct journal_checkpoint *cp, struct err *err)
{
    if (cp->buffered == 0) return ERR_OK;
    struct file_iovec iov = { cp->buffer, cp->buffered };
    TRY(write_at_end(cp, &iov, 1, err));
    cp->buffered = 0;
    return ERR_OK;
}

static void put(struct journal_checkpoint *cp, const void *bytes, size_t len)
{
    ASSERT(len <= WAL_CHECKPOINT_BUFFER - cp->buffered);
    memcpy(cp->buffer + cp->buffered, bytes, len);
    cp->buffered += len;
}

static enum err_code put_epoch(struct journal_checkpoint *cp, uint64_t previous_bytes,
                               struct err *err)
{
    const struct wal_epoch epoch = { .identity = cp->wal->identity,
                                     .previous_bytes = (uint32_t)previous_bytes };
    uint8_t record[WAL_EPOCH_BYTES];
    wal_epoch_encode(&epoch, record);
    if (WAL_CHECKPOINT_BUFFER - cp->buffered < sizeof record) TRY(flush(cp, err));
    put(cp, record, sizeof record);
    return ERR_OK;
}

static enum err_code start_file(struct journal_checkpoint *cp, uint64_t previous_bytes,
                                struct err *err)
{
    char name[WAL_NAME_SIZE];
    char path[FILE_PATH_SIZE];
    uint8_t header[WAL_HEADER_BYTES];
    ASSERT(cp->f == NULL);
    ASSERT(cp->buffered == 0);
    wal_name(name, "", cp->file_index, "");
    TRY(file_join(path, cp->dir, name, err));
    TRY(layer(cp)->open(layer(cp)->ctx, path, FILE_CREATE, &cp->f, err));
    cp->offset = 0;
    wal_header_encode(cp->file_index, header);
    put(cp, header, sizeof header);
    return put_epoch(cp, previous_bytes, err);
}

static enum err_code finish_file(struct journal_checkpoint *cp, struct err *err)
{
    TRY(flush(cp, err));
    TRY(layer(cp)->fdatasync(layer(cp)->ctx, cp->f, err));
    struct file *f = cp->f;
    cp->f = NULL;
    cp->file_index++;
    return layer(cp)->close(layer(cp)->ctx, f, err);
}

static enum err_code begin(struct journal_checkpoint *cp, struct err *err)
{
    char name[WAL_NAME_SIZE];
    struct wal *w = cp->wal;
    wal_name(name, WAL_CHECKPOINT_PREFIX, cp->number, WAL_TMP_SUFFIX);
    TRY(wal_path(w, name, cp->dir, err));
    TRY(file_remove_tree(w->files, cp->dir, err));
    TRY(w->files->mkdir(w->files->ctx, cp->dir, err));
    return start_file(cp, 0, err);
}

enum err_code wal_checkpoint_begin(struct journal *j, uint64_t position,
                                   struct journal_checkpoint **out, struct err *err)
{
    struct wal *w = wal_of(j);
    struct journal_checkpoint *cp = &w->checkpoint;
    ASSERT(w->magic == WAL_STATE_MAGIC);
    ASSERT(!cp->is_open);
    mutex_lock(&w->lock);
    ASSERT(w->state != WAL_OPENED);
    const size_t rows = wal_table_droppable(&w->table, position);
    const uint64_t number = rows > 0 ? w->table.rows[rows - 1].last : 0;
    mutex_unlock(&w->lock);
    if (rows == 0) return err_set(err, ERR_NOTFOUND, "no WAL segment can be dropped yet");
    if (w->has_checkpoint && number <= w->checkpoint_number) {
        TRY(wal_dir_drop(w, number, false, err)); /* a deletion failed the last time */
        return err_set(err, ERR_NOTFOUND, "no WAL segment can be dropped yet");
    }
    uint8_t *buffer = cp->buffer;
    *cp = (struct journal_checkpoint){ .wal = w, .number = number, .buffer = buffer };
    cp->is_open = true;
    enum err_code code = begin(cp, err);
    if (code != ERR_OK) {
        wal_checkpoint_abort(cp);
        return code;
    }
    *out = cp;
    return ERR_OK;
}

static enum err_code append_record(struct journal_checkpoint *cp, const struct journal_record *rec,
                                   struct err *err)
{
    static const uint8_t zeros[4] = { 0 };
    uint8_t frame[JOURNAL_FRAME_BYTES];
    const size_t size = journal_record_bytes(rec->payload.len);
    const size_t pad = size - JOURNAL_FRAME_BYTES - rec->payload.len;
    const uint64_t used = cp->offset + cp->buffered;
    if (used + size + WAL_EPOCH_BYTES > cp->wal->segment_bytes) { /* room for the end mark */
        TRY(finish_file(cp, err));
        TRY(start_file(cp, used, err));
    }
    if (WAL_CHECKPOINT_BUFFER - cp->buffered < size) TRY(flush(cp, err));
    wal_frame_encode(rec, frame);
    if (size > WAL_CHECKPOINT_BUFFER) {
        const struct file_iovec iov[3] = { { frame, sizeof frame },
                                           { rec->payload.ptr, rec->payload.len },
                                           { zeros, pad } };
        return write_at_end(cp, iov, pad > 0 ? 3 : 2, err);
    }
    put(cp, frame, sizeof frame);
    put(cp, rec->payload.ptr, rec->payload.len);
    put(cp, zeros, pad);
    return ERR_OK;
}

enum err_code wal_checkpoint_append(struct journal_checkpoint *cp, const struct journal_record *rec,
                                    struct err *err)
{
    ASSERT(cp->is_open);
    ASSERT(!cp->has_failed);
    if (rec->payload.len == 0 || rec->type == 0 || rec->type == JOURNAL_EPOCH) {
        return err_set(err, ERR_INVALID, "no journal record");
    }
    if (rec->payload.len > cp->wal->record_max) {
        return err_set(err, ERR_LIMIT, "journal record too large");
    }
    enum err_code code = append_record(cp, rec, err);
    cp->has_failed = code != ERR_OK;
    return code;
}

/* Files complete and synced, then the name. */
static enum err_code publish(struct journal_checkpoint *cp, struct err *err)
{
    char name[WAL_NAME_SIZE];
    char path[FILE_PATH_SIZE];
    struct wal *w = cp->wal;
    TRY(put_epoch(cp, cp->offset + cp->buffered, err));
    TRY(finish_file(cp, err));
    TRY(w->files->fsync_dir(w->files->ctx, cp->dir, err));
    wal_name(name, WAL_CHECKPOINT_PREFIX, cp->number, "");
    TRY(wal_path(w, name, path, err));
    /* There is one of this number when an earlier commit failed at the very last step. Its
     * segments were kept, so it is not needed. */
    TRY(file_remove_tree(w->files, path, err));
    TRY(w->files->rename(w->files->ctx, cp->dir, path, err));
    return wal_dir_sync(w, err);
}

/* The former checkpoint and the segments that this one replaces. */
static void drop_replaced(struct journal_checkpoint *cp)
{
    struct wal *w = cp->wal;
    struct err err = { 0 };
    if (wal_dir_drop(w, cp->number, false, &err) != ERR_OK) {
        log_warn(&w->log, "WAL segments not removed", LOG_U64("up_to", cp->number), LOG_ERR(&err));
    }
    w->has_checkpoint = true;
    w->checkpoint_number = cp->number;
    wal_dir_clean(w);
}

enum err_code wal_checkpoint_commit(struct journal_checkpoint *cp, struct err *err)
{
    ASSERT(cp->is_open);
    ASSERT(!cp->has_failed);
    struct wal *w = cp->wal;
    enum err_code code = publish(cp, err);
    if (code != ERR_OK) {
        wal_checkpoint_abort(cp);
        return code;
    }
    cp->is_open = false;
    stat_add(&w->stats.checkpoints, 1);
    log_info(&w->log, "WAL checkpoint written", LOG_U64("up_to_segment", cp->number),
             LOG_U64("files", cp->file_index));
    drop_replaced(cp);
    return ERR_OK;
}

void wal_checkpoint_abort(struct journal_checkpoint *cp)
{
    if (!cp->is_open) return;
    struct err err = { 0 };
    stat_add(&cp->wal->stats.checkpoint_failures, 1);
    if (cp->f) (void)layer(cp)->close(layer(cp)->ctx, cp->f, &err);
    cp->f = NULL;
    cp->is_open = false;
    if (file_remove_tree(cp->wal->files, cp->dir, &err) != ERR_OK) {
        log_warn(&cp->wal->log, "unfinished WAL checkpoint not removed", LOG_ERR(&err));
    }
}
