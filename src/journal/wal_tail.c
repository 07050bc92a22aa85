/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of the last segment: the mark of an orderly close, and the copy that a start makes where
 * it finds none.
 *
 * Why a copy: after a failed sync the kernel may have forgotten which pages are not on the disk,
 * and it told only a process that has ended since. The pages are still read back, so the replay
 * took their records, and this life will build on them. No sync of that file can be trusted any
 * more; one of a new file can.
 */
#include "journal/wal_priv.h"

enum err_code wal_mark_closed(const struct wal *w, struct file *f, uint64_t offset, struct err *err)
{
    const struct wal_epoch epoch = { .identity = w->identity, .previous_bytes = (uint32_t)offset };
    uint8_t mark[WAL_EPOCH_BYTES];
    wal_epoch_encode(&epoch, mark);
    const struct file_iovec iov = { mark, sizeof mark };
    TRY(w->files->pwritev(w->files->ctx, f, &iov, 1, offset, err));
    TRY(w->files->truncate(w->files->ctx, f, offset + sizeof mark, err));
    return w->files->fdatasync(w->files->ctx, f, err);
}

/* The first `bytes` of the scanned segment, record by record: what was right at the replay must not
 * go bad on its way. */
static enum err_code copy_records(const struct wal *w, struct wal_scan *s, struct file *to,
                                  uint64_t bytes, struct err *err)
{
    uint64_t copied = 0, read_twice = 0; /* as the replay does */
    s->limit = bytes;
    for (;;) {
        struct journal_record rec;
        enum wal_parse parsed;
        do {
            parsed = wal_scan_next(s, &rec);
        } while (parsed == WAL_PARSE_RECORD);
        const size_t len = (size_t)(s->offset - copied);
        const struct file_iovec iov = { s->buffer + s->begin - len, len };
        if (len > 0) TRY(w->files->pwritev(w->files->ctx, to, &iov, 1, copied, err));
        copied = s->offset;
        if (copied == bytes) return ERR_OK;
        if (parsed == WAL_PARSE_MORE) {
            wal_scan_fill(s);
        } else if (s->read_err.code == ERR_OK && copied != read_twice) {
            read_twice = copied;
            wal_scan_again(s);
        } else {
            break;
        }
    }
    if (s->read_err.code == ERR_OK) return err_set(err, ERR_IO, "WAL segment changed at start");
    if (err) *err = s->read_err;
    return ERR_IO;
}

static enum err_code copy_segment(const struct wal *w, const struct wal_tail *tail,
                                  struct wal_scan *s, struct file *to, struct err *err)
{
    if (!wal_scan_header(s, tail->number, err)) {
        wal_scan_again(s);
        if (!wal_scan_header(s, tail->number, err)) return ERR_IO;
    }
    TRY(copy_records(w, s, to, tail->bytes, err));
    return wal_mark_closed(w, to, tail->bytes, err);
}

static enum err_code write_copy(const struct wal *w, const struct wal_tail *tail,
                                struct wal_scan *scan, const char *from, const char *to,
                                struct err *err)
{
    struct file *f = NULL;
    struct err ignored = { 0 };
    TRY(w->files->open(w->files->ctx, to, FILE_TRUNCATE, &f, err));
    enum err_code code = wal_scan_open(scan, from, err);
    if (code == ERR_OK) {
        code = copy_segment(w, tail, scan, f, err);
        wal_scan_close(scan);
    }
    enum err_code closed = w->files->close(w->files->ctx, f, code == ERR_OK ? err : &ignored);
    if (code == ERR_OK) code = closed;
    if (code != ERR_OK)
        (void)w->files->unlink(w->files->ctx, to, &ignored); /* else the next open */
    return code;
}

static enum err_code replace(const struct wal *w, const struct wal_tail *tail,
                             struct wal_scan *scan, const char *path, struct err *err)
{
    char name[WAL_NAME_SIZE];
    char tmp[FILE_PATH_SIZE];
    wal_name(name, "", tail->number, WAL_TMP_SUFFIX);
    TRY(wal_path(w, name, tmp, err));
    TRY(write_copy(w, tail, scan, path, tmp, err));
    TRY(w->files->rename(w->files->ctx, tmp, path, err));
    return wal_dir_sync(w, err);
}

/* The second best: what the kernel still knows to be dirty. `may_cut`: end the file there. */
static enum err_code sync_in_place(const struct wal *w, const struct wal_tail *tail,
                                   const char *path, bool may_cut, struct err *err)
{
    struct file *f = NULL;
    struct err ignored = { 0 };
    enum err_code code = ERR_OK;
    TRY(w->files->open(w->files->ctx, path, FILE_WRITE, &f, err));
    if (may_cut) code = w->files->truncate(w->files->ctx, f, tail->bytes, err);
    if (code == ERR_OK) code = w->files->fdatasync(w->files->ctx, f, err);
    enum err_code closed = w->files->close(w->files->ctx, f, code == ERR_OK ? err : &ignored);
    return code == ERR_OK ? closed : code;
}

enum err_code wal_tail_renew(struct wal *w, const struct wal_tail *tail, struct wal_scan *scan,
                             struct err *err)
{
    char name[WAL_NAME_SIZE];
    char path[FILE_PATH_SIZE];
    struct err own = { 0 };
    if (tail->is_closed || !tail->has_start) return ERR_OK;
    wal_name(name, "", tail->number, "");
    TRY(wal_path(w, name, path, err));
    if (tail->is_worth_keeping && wal_dir_keep(w, tail->number, &own) != ERR_OK) {
        /* Its bytes do no harm: the next segment's EPOCH says where the valid ones end. */
        log_warn(&w->log, "damaged WAL segment not kept under a second name; left as it is",
                 LOG_U64("segment", tail->number), LOG_ERR(&own));
        return sync_in_place(w, tail, path, false, err);
    }
    enum err_code code = replace(w, tail, scan, path, &own);
    if (code == ERR_OK) return ERR_OK;
    if (!wal_is_disk_full(&own)) {
        if (err) *err = own;
        return code;
    }
    log_warn(&w->log, "no room to copy the last WAL segment; synced where it is",
             LOG_U64("segment", tail->number), LOG_ERR(&own));
    /* damaged.<N> is the same file. */
    return sync_in_place(w, tail, path, !tail->is_worth_keeping, err);
}
