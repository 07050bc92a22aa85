/* SPDX-License-Identifier: Apache-2.0
 *
 * The WAL's directory: what is there at open, what may go.
 */
#include <string.h>

#include "base/assert.h"
#include "journal/wal_priv.h"

#define TMP_BATCH 16 /* unfinished files removed per listing */

enum err_code wal_path(const struct wal *w, const char *name, char *out, struct err *err)
{
    return file_join(out, w->dir, name, err);
}

enum err_code wal_dir_sync(const struct wal *w, struct err *err)
{
    return w->files->fsync_dir(w->files->ctx, w->dir, err);
}

/* ---- unfinished files --------------------------------------------------------------------- */

struct tmp_names {
    size_t count;
    char names[TMP_BATCH][2 * WAL_NAME_SIZE];
};

static enum err_code collect_tmp(void *arg, const char *name, bool is_dir, struct err *err)
{
    (void)is_dir;
    (void)err;
    struct tmp_names *t = arg;
    size_t len = strlen(name);
    if (t->count == TMP_BATCH || len >= sizeof t->names[0]) return ERR_OK;
    if (!str_ends_with(str_of_z(name), STR(WAL_TMP_SUFFIX))) return ERR_OK;
    memcpy(t->names[t->count++], name, len + 1);
    return ERR_OK;
}

/* What a crash left half written. A file that cannot be removed is harmless: it is never read. */
static enum err_code remove_unfinished(struct wal *w, struct err *err)
{
    struct tmp_names found;
    bool progress;
    do {
        found.count = 0;
        progress = false;
        TRY(w->files->list(w->files->ctx, w->dir, collect_tmp, &found, err));
        for (size_t i = 0; i < found.count; i++) {
            char path[FILE_PATH_SIZE];
            struct err remove_err = { 0 };
            TRY(wal_path(w, found.names[i], path, err));
            if (file_remove_tree(w->files, path, &remove_err) == ERR_OK) {
                progress = true;
            } else {
                stat_add(&w->stats.delete_failures, 1);
                log_warn(&w->log, "unfinished WAL file not removed", LOG_ERR(&remove_err));
            }
        }
    } while (found.count == TMP_BATCH && progress);
    return ERR_OK;
}

/* ---- what is there ------------------------------------------------------------------------ */

void wal_found_deinit(struct wal *w)
{
    struct wal_found *f = &w->found;
    if (f->numbers) mem_free(w->mem, MEM_INGEST, f->numbers, f->cap * sizeof f->numbers[0]);
    *f = (struct wal_found){ 0 };
}

static enum err_code found_add(struct wal *w, uint64_t number, struct err *err)
{
    struct wal_found *f = &w->found;
    if (f->count == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 64;
        uint64_t *grown = mem_realloc(w->mem, MEM_INGEST, f->numbers, f->cap * sizeof f->numbers[0],
                                      cap * sizeof f->numbers[0]);
        if (!grown) return err_set(err, ERR_NOMEM, "no memory for the list of WAL segments");
        f->numbers = grown;
        f->cap = cap;
    }
    f->numbers[f->count++] = number;
    return ERR_OK;
}

static enum err_code find_checkpoint(void *arg, const char *name, bool is_dir, struct err *err)
{
    (void)err;
    struct wal *w = arg;
    uint64_t number;
    if (is_dir && wal_name_parse(name, WAL_CHECKPOINT_PREFIX, &number)) {
        w->has_checkpoint = true; /* names come in order: the last one is the newest */
        w->checkpoint_number = number;
    } else if (!is_dir && wal_name_parse(name, WAL_DAMAGED_PREFIX, &number)) {
        w->has_damaged = true;
        w->damaged_number = number;
    }
    return ERR_OK;
}

static enum err_code find_segment(void *arg, const char *name, bool is_dir, struct err *err)
{
    struct wal *w = arg;
    uint64_t number;
    if (is_dir || !wal_name_parse(name, "", &number)) return ERR_OK;
    if (w->has_checkpoint && number <= w->checkpoint_number) return ERR_OK;
    return found_add(w, number, err);
}

enum err_code wal_dir_scan(struct wal *w, struct err *err)
{
    TRY(file_mkdirs(w->files, w->dir, err));
    TRY(remove_unfinished(w, err));
    TRY(w->files->list(w->files->ctx, w->dir, find_checkpoint, w, err));
    TRY(w->files->list(w->files->ctx, w->dir, find_segment, w, err));
    /* A kill may have come between a rename and its directory sync: what was found counts from
     * here on. */
    return wal_dir_sync(w, err);
}

/* ---- deletion ----------------------------------------------------------------------------- */

/* Missing is fine. */
static enum err_code remove_file(struct wal *w, const char *name, struct err *err)
{
    char path[FILE_PATH_SIZE];
    struct err local = { 0 };
    TRY(wal_path(w, name, path, err));
    enum err_code code = w->files->unlink(w->files->ctx, path, &local);
    if (code == ERR_OK || code == ERR_NOTFOUND) return ERR_OK;
    stat_add(&w->stats.delete_failures, 1);
    if (err) *err = local;
    return code;
}

struct cleaning {
    struct wal *w;
    bool found; /* something superfluous was met; its name is below */
    bool is_dir;
    char name[WAL_NAME_SIZE];
};

/* Stops at the first superfluous name by returning ERR_CANCELLED. */
static enum err_code find_superfluous(void *arg, const char *name, bool is_dir, struct err *err)
{
    struct cleaning *c = arg;
    const struct wal *w = c->w;
    uint64_t number;
    bool is_old = false;
    if (is_dir && wal_name_parse(name, WAL_CHECKPOINT_PREFIX, &number)) {
        is_old = number < w->checkpoint_number;
    } else if (!is_dir && wal_name_parse(name, "", &number)) {
        is_old = number <= w->checkpoint_number;
    }
    if (!is_old) return ERR_OK;
    c->found = true;
    c->is_dir = is_dir;
    (void)str_z(str_of_z(name), c->name, sizeof c->name);
    return err_set(err, ERR_CANCELLED, "stop listing");
}

void wal_dir_clean(struct wal *w)
{
    if (!w->has_checkpoint) return;
    for (;;) {
        struct cleaning c = { .w = w };
        struct err err = { 0 };
        char path[FILE_PATH_SIZE];
        (void)w->files->list(w->files->ctx, w->dir, find_superfluous, &c, &err);
        if (!c.found) return;
        enum err_code code = wal_path(w, c.name, path, &err);
        if (code == ERR_OK) code = file_remove_tree(w->files, path, &err);
        if (code != ERR_OK) {
            stat_add(&w->stats.delete_failures, 1);
            log_warn(&w->log, "superfluous WAL file not removed", LOG_ERR(&err));
            return; /* the next open tries again */
        }
    }
}

/* damaged.<number> is there: it takes the place of an earlier one. */
static void note_aside(struct wal *w, uint64_t number)
{
    if (w->has_damaged && w->damaged_number != number) {
        char name[WAL_NAME_SIZE];
        struct err ignored = { 0 };
        wal_name(name, WAL_DAMAGED_PREFIX, w->damaged_number, "");
        (void)remove_file(w, name, &ignored); /* counted; the newer one is safe */
    }
    w->has_damaged = true;
    w->damaged_number = number;
}

enum err_code wal_dir_keep(struct wal *w, uint64_t number, struct err *err)
{
    char name[WAL_NAME_SIZE];
    char from[FILE_PATH_SIZE];
    char to[FILE_PATH_SIZE];
    wal_name(name, "", number, "");
    TRY(wal_path(w, name, from, err));
    wal_name(name, WAL_DAMAGED_PREFIX, number, "");
    TRY(wal_path(w, name, to, err));
    struct err local = { 0 };
    enum err_code code = w->files->link(w->files->ctx, from, to, &local);
    if (code != ERR_OK && code != ERR_CONFLICT) { /* a start that ended half-way had made it */
        if (err) *err = local;
        return code;
    }
    TRY(wal_dir_sync(w, err));
    note_aside(w, number);
    return ERR_OK;
}

/* Keep the newest damaged segment for a person to look at. */
static enum err_code set_aside(struct wal *w, uint64_t number, struct err *err)
{
    char name[WAL_NAME_SIZE];
    char from[FILE_PATH_SIZE];
    char to[FILE_PATH_SIZE];
    wal_name(name, "", number, "");
    TRY(wal_path(w, name, from, err));
    wal_name(name, WAL_DAMAGED_PREFIX, number, "");
    TRY(wal_path(w, name, to, err));
    struct err local = { 0 };
    enum err_code code = w->files->rename(w->files->ctx, from, to, &local);
    if (code == ERR_NOTFOUND) return ERR_OK;
    if (code != ERR_OK) {
        stat_add(&w->stats.delete_failures, 1);
        if (err) *err = local;
        return code;
    }
    note_aside(w, number);
    return ERR_OK;
}

static enum err_code drop_row(struct wal *w, const struct wal_row *row, struct err *err)
{
    for (uint64_t number = row->first; number <= row->last; number++) {
        char name[WAL_NAME_SIZE];
        wal_name(name, "", number, "");
        /* This one may have been kept at the start, before it was replaced. */
        const bool is_kept = w->has_damaged && w->damaged_number >= number;
        if (row->is_damaged && row->first == row->last && !is_kept) {
            TRY(set_aside(w, number, err));
        } else {
            TRY(remove_file(w, name, err));
        }
    }
    return ERR_OK;
}

enum err_code wal_dir_drop(struct wal *w, uint64_t last, bool sync_each, struct err *err)
{
    for (;;) {
        mutex_lock(&w->lock);
        const bool has_row = w->table.count > 1 && w->table.rows[0].last <= last;
        const struct wal_row row = w->table.rows[0];
        mutex_unlock(&w->lock);
        if (!has_row) return ERR_OK;
        TRY(drop_row(w, &row, err));
        if (sync_each) TRY(wal_dir_sync(w, err));
        mutex_lock(&w->lock);
        /* Still the same row unless the writer merged it with a neighbour meanwhile. */
        const bool is_same =
            w->table.rows[0].first == row.first && w->table.rows[0].last == row.last;
        if (is_same) wal_table_drop(&w->table, 1);
        wal_update_gauges_locked(w);
        mutex_unlock(&w->lock);
        if (!is_same) return ERR_OK;
    }
}
