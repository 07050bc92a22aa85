/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/head_files.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/num.h"
#include "os/thread.h"

#define MAGIC 0x43485048u
#define VERSION 1
#define HEADER_BYTES 8u
#define PAYLOAD_BYTES_MAX (1u << 16)
#define SCAN_WINDOW_BYTES (1u << 20)
#define NAME_DIGITS 6

/* The prefix of a file that readers may look at. */
struct mapping {
    const uint8_t *ptr;
    uint64_t len;
};

struct head_file {
    uint32_t number;
    uint64_t size; /* valid bytes */
    int64_t maxt_ms;
    struct file *handle; /* open while it is the newest */
    _Atomic(struct mapping *) map;
};

struct head_files {
    const struct file_layer *layer;
    struct mem_budget *mem;
    struct epoch *epoch;
    const struct log *log;
    uint64_t file_bytes;
    _Atomic uint64_t size_bytes; /* of all files; any thread: statistics */
    struct mutex lock;           /* of the writers: guards all but what locate reads */
    uint32_t next_number;
    int32_t newest; /* slot that is written to; -1 = none */
    char dir[FILE_PATH_SIZE];
    _Atomic(struct head_file *) slots[HEAD_FILES_MAX];
};

enum err_code head_files_create(const struct head_files_options *options, struct head_files **out,
                                struct err *err)
{
    struct head_files *f = mem_zalloc(options->mem, MEM_HEAD, sizeof *f);
    if (f == NULL) return err_set(err, ERR_NOMEM, "no memory for head files");
    f->layer = options->files;
    f->mem = options->mem;
    f->epoch = options->epoch;
    f->log = options->log;
    f->file_bytes = options->file_bytes != 0 ? options->file_bytes : HEAD_FILE_BYTES;
    f->next_number = 1;
    f->newest = -1;
    mutex_init(&f->lock);
    str_z(str_of_z(options->dir), f->dir, sizeof f->dir);
    enum err_code rc = file_mkdirs(f->layer, f->dir, err);
    if (rc != ERR_OK) {
        head_files_destroy(f);
        return rc;
    }
    *out = f;
    return ERR_OK;
}

static struct head_file *slot_get(const struct head_files *f, uint32_t slot)
{
    return atomic_load_explicit(&f->slots[slot], memory_order_acquire); /* partner: file_add */
}

static void mapping_free(void *arg, void *ptr, uint64_t size)
{
    struct head_files *f = arg;
    struct mapping *m = ptr;
    ASSERT(size == sizeof *m);
    f->layer->munmap(f->layer->ctx, m->ptr, m->len);
    mem_free(f->mem, MEM_HEAD, m, sizeof *m);
}

static void file_close(struct head_files *f, struct head_file *file)
{
    if (file->handle == NULL) return;
    struct err err = { 0 };
    if (f->layer->close(f->layer->ctx, file->handle, &err) != ERR_OK)
        log_warn(f->log, "head chunk file did not close cleanly", LOG_ERR(&err));
    file->handle = NULL;
}

static void file_free(void *arg, void *ptr, uint64_t size)
{
    struct head_files *f = arg;
    struct head_file *file = ptr;
    ASSERT(size == sizeof *file);
    struct mapping *m = atomic_load_explicit(&file->map, memory_order_relaxed);
    if (m != NULL) mapping_free(f, m, sizeof *m);
    file_close(f, file);
    mem_free(f->mem, MEM_HEAD, file, sizeof *file);
}

void head_files_destroy(struct head_files *f)
{
    if (f == NULL) return;
    for (uint32_t i = 0; i < HEAD_FILES_MAX; i++)
        if (slot_get(f, i) != NULL) file_free(f, slot_get(f, i), sizeof(struct head_file));
    mutex_deinit(&f->lock);
    mem_free(f->mem, MEM_HEAD, f, sizeof *f);
}

static enum err_code file_path(const struct head_files *f, uint32_t number, char *out,
                               struct err *err)
{
    char name[16];
    (void)snprintf(name, sizeof name, "%0*u", NAME_DIGITS, number);
    return file_join(out, f->dir, name, err);
}

/* ---- table ---- */

static enum err_code file_add(struct head_files *f, uint32_t number, uint32_t *out_slot,
                              struct err *err)
{
    for (uint32_t i = 0; i < HEAD_FILES_MAX; i++) {
        if (slot_get(f, i) != NULL) continue;
        struct head_file *file = mem_zalloc(f->mem, MEM_HEAD, sizeof *file);
        if (file == NULL) return err_set(err, ERR_NOMEM, "no memory for head files");
        file->number = number;
        file->maxt_ms = INT64_MIN;
        atomic_store_explicit(&f->slots[i], file, memory_order_release); /* partner: slot_get */
        if (number >= f->next_number) f->next_number = number + 1;
        *out_slot = i;
        return ERR_OK;
    }
    return err_set(err, ERR_LIMIT, "too many head chunk files");
}

/* Take a file without readers out again. */
static void file_forget(struct head_files *f, uint32_t slot)
{
    struct head_file *file = slot_get(f, slot);
    atomic_store_explicit(&f->slots[slot], NULL, memory_order_relaxed);
    file_free(f, file, sizeof *file);
}

/* Map [0, size) for readers; an older, shorter mapping goes when they have left. */
static enum err_code file_map(struct head_files *f, struct head_file *file, struct err *err)
{
    struct mapping *m = mem_alloc(f->mem, MEM_HEAD, sizeof *m);
    if (m == NULL) return err_set(err, ERR_NOMEM, "no memory for a mapping");
    m->len = file->size;
    enum err_code rc =
        f->layer->mmap_ro(f->layer->ctx, file->handle, (size_t)file->size, &m->ptr, err);
    if (rc != ERR_OK) {
        mem_free(f->mem, MEM_HEAD, m, sizeof *m);
        return rc;
    }
    struct mapping *old = atomic_load_explicit(&file->map, memory_order_relaxed);
    atomic_store_explicit(&file->map, m, memory_order_release); /* partner: head_files_locate */
    if (old != NULL) epoch_retire(f->epoch, old, sizeof *old, mapping_free, f);
    return ERR_OK;
}

/* ---- entries ---- */

uint64_t head_file_entry_put(struct buf *out, const struct head_file_entry *e)
{
    ASSERT(out->len % 8 == 0 || buf_failed(out));
    ASSERT(e->payload.len <= PAYLOAD_BYTES_MAX);
    uint64_t at = out->len;
    size_t size = HEAD_FILE_ENTRY_BYTES + e->payload.len;
    uint8_t *p = buf_reserve(out, (size + 7) & ~(size_t)7);
    if (p == NULL) return at;
    buf_put_u32le(out, (uint32_t)e->payload.len);
    buf_put_u32le(out, 0);
    buf_put_u32le(out, e->shard);
    buf_put_u32le(out, e->ref);
    buf_put_u64le(out, (uint64_t)e->mint_ms);
    buf_put_u64le(out, (uint64_t)e->maxt_ms);
    buf_put_u32le(out, e->encoding);
    buf_put(out, e->payload.ptr, e->payload.len);
    uint32_t crc = crc32c(0, p + 8, size - 8);
    memcpy(p + 4, &crc, sizeof crc);
    while (out->len % 8 != 0 && !buf_failed(out))
        buf_put_u8(out, 0);
    return at;
}

/* The entry that `in` begins with; 0 = damaged or incomplete, else its size with padding. */
static size_t entry_parse(struct bytes in, struct head_file_entry *out)
{
    if (in.len < HEAD_FILE_ENTRY_BYTES) return 0;
    uint32_t word[4];
    int64_t times[2];
    memcpy(word, in.ptr, sizeof word);
    memcpy(times, in.ptr + 16, sizeof times);
    size_t size = HEAD_FILE_ENTRY_BYTES + (size_t)word[0];
    if (word[0] == 0 || word[0] > PAYLOAD_BYTES_MAX || size > in.len) return 0;
    if (crc32c(0, in.ptr + 8, size - 8) != word[1]) return 0;
    *out = (struct head_file_entry){ .shard = word[2],
                                     .ref = word[3],
                                     .mint_ms = times[0],
                                     .maxt_ms = times[1],
                                     .encoding = in.ptr[32],
                                     .payload = { in.ptr + HEAD_FILE_ENTRY_BYTES, word[0] } };
    return (size + 7) & ~(size_t)7;
}

struct bytes head_files_locate(const struct head_files *f, uint16_t file, uint32_t place)
{
    const struct head_file *hf = file < HEAD_FILES_MAX ? slot_get(f, file) : NULL;
    const struct mapping *m =
        hf != NULL ? atomic_load_explicit(&hf->map, memory_order_acquire) : NULL;
    uint64_t at = (uint64_t)place * 8;
    if (m == NULL || at >= m->len) return (struct bytes){ NULL, 0 };
    return (struct bytes){ m->ptr + at, m->len - at };
}

struct bytes head_file_payload(struct bytes located)
{
    struct head_file_entry e;
    return entry_parse(located, &e) != 0 ? e.payload : (struct bytes){ NULL, 0 };
}

/* ---- scan ---- */

struct scan {
    struct head_files *f;
    struct head_file *file;
    uint16_t slot;
    enum err_code (*fn)(void *arg, const struct head_file_entry *e, struct err *err);
    void *arg;
    uint8_t *window;
    uint64_t at; /* file offset of window[0] */
    size_t have; /* bytes in the window */
    size_t pos;  /* next entry in the window */
};

/* Keep what is unread, fill the rest. */
static enum err_code scan_fill(struct scan *s, bool *out_is_end, struct err *err)
{
    memmove(s->window, s->window + s->pos, s->have - s->pos);
    s->at += s->pos;
    s->have -= s->pos;
    s->pos = 0;
    size_t n = 0;
    const struct file_layer *l = s->f->layer;
    size_t want = SCAN_WINDOW_BYTES - s->have;
    TRY(l->pread(l->ctx, s->file->handle, s->window + s->have, want, s->at + s->have, &n, err));
    s->have += n;
    *out_is_end = n < want;
    return ERR_OK;
}

static bool header_is_good(const uint8_t *p, size_t n)
{
    static const uint8_t want[HEADER_BYTES] = { 0x48, 0x50, 0x48, 0x43, VERSION, 0, 0, 0 };
    return n >= HEADER_BYTES && memcmp(p, want, HEADER_BYTES) == 0;
}

/* Entries up to the end or the first bad one; file->size = end of the good ones. */
static enum err_code scan_entries(struct scan *s, struct err *err)
{
    bool is_end = false;
    TRY(scan_fill(s, &is_end, err));
    if (!header_is_good(s->window, s->have)) return ERR_OK;
    s->pos = HEADER_BYTES;
    for (;;) {
        s->file->size = s->at + s->pos;
        size_t longest = HEAD_FILE_ENTRY_BYTES + PAYLOAD_BYTES_MAX + 8;
        if (s->have - s->pos < longest && !is_end) TRY(scan_fill(s, &is_end, err));
        struct head_file_entry e;
        struct bytes rest = { s->window + s->pos, s->have - s->pos };
        size_t size = entry_parse(rest, &e);
        if (size == 0 || size > rest.len) return ERR_OK;
        e.file = s->slot;
        e.place = (uint32_t)((s->at + s->pos) / 8);
        TRY(s->fn(s->arg, &e, err));
        if (e.maxt_ms > s->file->maxt_ms) s->file->maxt_ms = e.maxt_ms;
        s->pos += size;
    }
}

/* Cut off what follows the good entries, so that it is never looked at again. The caller syncs. */
static enum err_code cut_tail(struct head_files *f, struct head_file *file, uint64_t disk_size,
                              struct err *err)
{
    log_warn(f->log, "head chunk file was cut at its first damaged entry",
             LOG_U64("file", file->number), LOG_U64("kept_bytes", file->size),
             LOG_U64("dropped_bytes", disk_size - file->size));
    return f->layer->truncate(f->layer->ctx, file->handle, file->size, err);
}

/* Nothing in it: remove it, or set it aside when it is not a head file at all. */
static enum err_code drop_useless(struct scan *s, const char *path, uint64_t disk_size,
                                  struct err *err)
{
    struct head_files *f = s->f;
    bool is_strange = s->file->size == 0 && disk_size >= HEADER_BYTES;
    file_forget(f, s->slot);
    if (!is_strange) return f->layer->unlink(f->layer->ctx, path, err);
    char aside[FILE_PATH_SIZE];
    int n = snprintf(aside, sizeof aside, "%s.damaged", path);
    if (n < 0 || (size_t)n >= sizeof aside) return err_set(err, ERR_LIMIT, "path too long");
    log_warn(f->log, "file without a good header in the head directory was set aside",
             LOG_Z("path", aside));
    return f->layer->rename(f->layer->ctx, path, aside, err);
}

static enum err_code scan_file(struct scan *s, struct head_files_damage *damage, struct err *err)
{
    struct head_files *f = s->f;
    char path[FILE_PATH_SIZE];
    TRY(file_path(f, s->file->number, path, err));
    TRY(f->layer->open(f->layer->ctx, path, FILE_WRITE, &s->file->handle, err));
    uint64_t disk_size = 0;
    TRY(f->layer->size(f->layer->ctx, s->file->handle, &disk_size, err));
    TRY(scan_entries(s, err));
    if (disk_size > s->file->size) {
        damage->files++;
        damage->bytes += disk_size - s->file->size;
        if (s->file->size > 0) TRY(cut_tail(f, s->file, disk_size, err));
    }
    if (s->file->size <= HEADER_BYTES) return drop_useless(s, path, disk_size, err);
    /* Its writer may have been killed before the sync; from now on the journal may be shortened on
     * the strength of these chunks. */
    TRY(f->layer->fdatasync(f->layer->ctx, s->file->handle, err));
    TRY(file_map(f, s->file, err));
    file_close(f, s->file);
    atomic_fetch_add_explicit(&f->size_bytes, s->file->size, memory_order_relaxed);
    return ERR_OK;
}

struct listing {
    struct head_files *f;
    uint32_t slots[HEAD_FILES_MAX];
    uint32_t count;
};

static enum err_code note_file(void *arg, const char *name, bool is_dir, struct err *err)
{
    struct listing *l = arg;
    uint64_t number;
    struct str s = str_of_z(name);
    if (is_dir || s.len < NAME_DIGITS || !str_to_u64(s, &number)) return ERR_OK;
    if (number == 0 || number >= UINT32_MAX) return ERR_OK;
    TRY(file_add(l->f, (uint32_t)number, &l->slots[l->count], err));
    l->count++;
    return ERR_OK;
}

enum err_code head_files_scan(struct head_files *f,
                              enum err_code (*fn)(void *arg, const struct head_file_entry *e,
                                                  struct err *err),
                              void *arg, struct head_files_damage *out_damage, struct err *err)
{
    struct head_files_damage damage = { 0 };
    struct listing *l = mem_zalloc(f->mem, MEM_COMPACTION, sizeof *l);
    uint8_t *window = mem_alloc(f->mem, MEM_COMPACTION, SCAN_WINDOW_BYTES);
    enum err_code rc = ERR_OK;
    if (l == NULL || window == NULL) {
        rc = err_set(err, ERR_NOMEM, "no memory to scan head files");
        goto out;
    }
    l->f = f;
    rc = f->layer->list(f->layer->ctx, f->dir, note_file, l, err);
    for (uint32_t i = 0; i < l->count && rc == ERR_OK; i++) {
        struct scan s = { .f = f,
                          .file = slot_get(f, l->slots[i]),
                          .slot = (uint16_t)l->slots[i],
                          .fn = fn,
                          .arg = arg,
                          .window = window };
        rc = scan_file(&s, &damage, err);
    }
    if (rc == ERR_OK && l->count > 0) rc = f->layer->fsync_dir(f->layer->ctx, f->dir, err);
    if (rc == ERR_OK) *out_damage = damage;
out:
    mem_free(f->mem, MEM_COMPACTION, window, SCAN_WINDOW_BYTES);
    mem_free(f->mem, MEM_COMPACTION, l, sizeof *l);
    return rc;
}

/* ---- write ---- */

/* What may have arrived of a failed write goes: after a failed sync it may be in the page cache
 * only, where the next start would find it. A disk that cannot shorten a file may still take zeros
 * over it, and no entry begins with zeros. */
static void take_back_write(struct head_files *f, struct head_file *file)
{
    static const uint8_t zeros[HEADER_BYTES];
    const struct file_iovec iov = { zeros, sizeof zeros };
    struct err err = { 0 };
    if (f->layer->truncate(f->layer->ctx, file->handle, file->size, &err) == ERR_OK) return;
    if (f->layer->pwritev(f->layer->ctx, file->handle, &iov, 1, file->size, &err) == ERR_OK) return;
    log_warn(f->log, "head chunk file could not be cut after a failed write",
             LOG_U64("file", file->number), LOG_ERR(&err));
}

/* The newest file is done with: full, or a write to it failed. */
static void finish_newest(struct head_files *f, bool is_failed)
{
    if (f->newest < 0) return;
    struct head_file *file = slot_get(f, (uint32_t)f->newest);
    f->newest = -1;
    if (is_failed && file->size > 0) take_back_write(f, file);
    file_close(f, file);
    if (file->size > 0) return;
    /* Not even the header is durable: no reader knows it. */
    char path[FILE_PATH_SIZE];
    struct err err = { 0 };
    if (file_path(f, file->number, path, &err) == ERR_OK)
        (void)f->layer->unlink(f->layer->ctx, path, &err);
    for (uint32_t i = 0; i < HEAD_FILES_MAX; i++)
        if (slot_get(f, i) == file) {
            file_forget(f, i);
            return;
        }
}

static enum err_code begin_file(struct head_files *f, struct err *err)
{
    char path[FILE_PATH_SIZE];
    uint32_t slot = 0;
    TRY(file_path(f, f->next_number, path, err));
    TRY(file_add(f, f->next_number, &slot, err));
    struct head_file *file = slot_get(f, slot);
    enum err_code rc = f->layer->open(f->layer->ctx, path, FILE_TRUNCATE, &file->handle, err);
    if (rc != ERR_OK) {
        file_forget(f, slot);
        return rc;
    }
    f->newest = (int32_t)slot;
    return ERR_OK;
}

static enum err_code write_synced(struct head_files *f, struct head_file *file,
                                  struct bytes entries, struct err *err)
{
    uint8_t header[HEADER_BYTES] = { 0 };
    uint32_t magic = MAGIC;
    memcpy(header, &magic, sizeof magic);
    header[4] = VERSION;
    bool is_new = file->size == 0;
    struct file_iovec iov[2] = { { header, HEADER_BYTES }, { entries.ptr, entries.len } };
    TRY(f->layer->pwritev(f->layer->ctx, file->handle, is_new ? iov : iov + 1, is_new ? 2 : 1,
                          file->size, err));
    TRY(f->layer->fdatasync(f->layer->ctx, file->handle, err));
    if (is_new) TRY(f->layer->fsync_dir(f->layer->ctx, f->dir, err));
    uint64_t old_size = file->size;
    file->size += (is_new ? HEADER_BYTES : 0) + entries.len;
    enum err_code rc = file_map(f, file, err);
    if (rc != ERR_OK) file->size = old_size;
    return rc;
}

enum err_code head_files_write(struct head_files *f, struct bytes entries, int64_t maxt_ms,
                               uint16_t *out_file, uint32_t *out_place, struct err *err)
{
    ASSERT(entries.len > 0 && entries.len % 8 == 0);
    MUTEX_SCOPE(&f->lock);
    if (f->newest >= 0 &&
        slot_get(f, (uint32_t)f->newest)->size + entries.len + HEADER_BYTES > f->file_bytes)
        finish_newest(f, false);
    if (f->newest < 0) TRY(begin_file(f, err));
    uint32_t slot = (uint32_t)f->newest;
    struct head_file *file = slot_get(f, slot);
    uint64_t before = file->size;
    enum err_code rc = write_synced(f, file, entries, err);
    if (rc != ERR_OK) {
        finish_newest(f, true);
        return rc;
    }
    if (maxt_ms > file->maxt_ms) file->maxt_ms = maxt_ms;
    atomic_fetch_add_explicit(&f->size_bytes, file->size - before, memory_order_relaxed);
    *out_file = (uint16_t)slot;
    *out_place = (uint32_t)((before == 0 ? HEADER_BYTES : before) / 8);
    return ERR_OK;
}

void head_files_drop(struct head_files *f, int64_t mint_ms)
{
    MUTEX_SCOPE(&f->lock);
    for (uint32_t i = 0; i < HEAD_FILES_MAX; i++) {
        struct head_file *file = slot_get(f, i);
        if (file == NULL || file->maxt_ms >= mint_ms || file->size == 0) continue;
        char path[FILE_PATH_SIZE];
        struct err err = { 0 };
        if ((int32_t)i == f->newest) finish_newest(f, false);
        if (file_path(f, file->number, path, &err) != ERR_OK ||
            f->layer->unlink(f->layer->ctx, path, &err) != ERR_OK) {
            log_warn(f->log, "old head chunk file could not be removed", LOG_ERR(&err));
            continue;
        }
        atomic_fetch_sub_explicit(&f->size_bytes, file->size, memory_order_relaxed);
        atomic_store_explicit(&f->slots[i], NULL, memory_order_relaxed);
        epoch_retire(f->epoch, file, sizeof *file, file_free, f);
    }
}

uint64_t head_files_size_bytes(const struct head_files *f)
{
    return atomic_load_explicit(&f->size_bytes, memory_order_relaxed);
}
