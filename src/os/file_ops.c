/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/mem_source.h"
#include "os/file_layer.h"

#define REMOVE_DEPTH_MAX 32

enum err_code file_join(char *out, const char *dir, const char *name, struct err *err)
{
    int n = snprintf(out, FILE_PATH_SIZE, "%s/%s", dir, name);
    if (n < 0 || n >= FILE_PATH_SIZE) {
        return err_setf(err, ERR_LIMIT, "path too long", "%.200s/%.200s", dir, name);
    }
    return ERR_OK;
}

/* The directory part of `path` into out: "." or "/" when there is no other. */
static enum err_code parent_of(const char *path, char *out, struct err *err)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    while (len > 0 && path[len - 1] != '/') {
        len--;
    }
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    if (len >= FILE_PATH_SIZE) return err_setf(err, ERR_LIMIT, "path too long", "%.400s", path);
    (void)str_z(len == 0 ? STR(".") : (struct str){ path, len }, out, FILE_PATH_SIZE);
    return ERR_OK;
}

static enum err_code sync_parent(const struct file_layer *l, const char *path, struct err *err)
{
    char parent[FILE_PATH_SIZE];
    TRY(parent_of(path, parent, err));
    return l->fsync_dir(l->ctx, parent, err);
}

/* The name of a directory that exists already: whoever created it may have been killed before he
 * synced it. A parent that may not be opened is not ours. */
static enum err_code sync_existing(const struct file_layer *l, const char *path, struct err *err)
{
    struct err own = { 0 };
    enum err_code code = sync_parent(l, path, &own);
    if (code == ERR_OK || own.os_errno != EIO) return ERR_OK;
    if (err) *err = own;
    return code;
}

/* Create one directory and make its name durable; an existing directory is fine. */
static enum err_code make_dir(const struct file_layer *l, const char *path, struct err *err)
{
    struct file_info info;
    enum err_code code = l->mkdir(l->ctx, path, err);
    if (code == ERR_CONFLICT) {
        TRY(l->stat(l->ctx, path, &info, err));
        if (!info.is_dir) return err_setf(err, ERR_CONFLICT, "not a directory", "%.400s", path);
        return sync_existing(l, path, err);
    }
    TRY(code);
    return sync_parent(l, path, err);
}

enum err_code file_mkdirs(const struct file_layer *l, const char *path, struct err *err)
{
    struct file_info info;
    struct err probe = { 0 };
    if (l->stat(l->ctx, path, &info, &probe) == ERR_OK && info.is_dir)
        return sync_existing(l, path, err); /* those above were synced before it was created */
    char prefix[FILE_PATH_SIZE];
    size_t len = strlen(path);
    if (len >= sizeof prefix) return err_setf(err, ERR_LIMIT, "path too long", "%.400s", path);
    for (size_t i = 1; i <= len; i++) {
        if (i < len && path[i] != '/') continue;
        if (path[i - 1] == '/') continue; /* doubled or trailing slash */
        (void)str_z((struct str){ path, i }, prefix, sizeof prefix);
        TRY(make_dir(l, prefix, err));
    }
    return ERR_OK;
}

/* Close on a path that has failed already: the first error is the one to report. */
static void close_quietly(const struct file_layer *l, struct file *f)
{
    struct err ignored = { 0 };
    (void)l->close(l->ctx, f, &ignored);
}

static enum err_code read_whole(const struct file_layer *l, struct file *f, size_t max_size,
                                const struct mem_source *mem, struct bytes *out, struct err *err)
{
    uint64_t size;
    TRY(l->size(l->ctx, f, &size, err));
    if (size > max_size) return err_set(err, ERR_LIMIT, "file too large");
    if (size == 0) {
        *out = (struct bytes){ 0 };
        return ERR_OK;
    }
    uint8_t *ptr = mem->alloc(mem->ctx, (size_t)size);
    if (!ptr) return err_set(err, ERR_NOMEM, "no memory to read a file");
    size_t n;
    enum err_code code = l->pread(l->ctx, f, ptr, (size_t)size, 0, &n, err);
    if (code == ERR_OK && n < size) code = err_set(err, ERR_IO, "file shrank while it was read");
    if (code != ERR_OK) {
        mem->free(mem->ctx, ptr, (size_t)size);
        return code;
    }
    *out = (struct bytes){ ptr, (size_t)size };
    return ERR_OK;
}

enum err_code file_read_all(const struct file_layer *l, const char *path,
                            const struct mem_source *mem, size_t max_size, struct bytes *out,
                            struct err *err)
{
    struct file *f = NULL;
    TRY(l->open(l->ctx, path, FILE_READ, &f, err));
    enum err_code code = read_whole(l, f, max_size, mem, out, err);
    close_quietly(l, f); /* nothing was written: closing cannot lose anything */
    if (code != ERR_OK && err && err->detail[0] == '\0') {
        (void)snprintf(err->detail, sizeof err->detail, "%s", path);
    }
    return code;
}

/* Create or empty `path`, write, sync, close. */
static enum err_code write_synced(const struct file_layer *l, const char *path,
                                  struct bytes content, struct err *err)
{
    struct file *f = NULL;
    TRY(l->open(l->ctx, path, FILE_TRUNCATE, &f, err));
    struct file_iovec iov = { content.ptr, content.len };
    enum err_code code = l->pwritev(l->ctx, f, &iov, 1, 0, err);
    if (code == ERR_OK) code = l->fdatasync(l->ctx, f, err);
    if (code != ERR_OK) {
        close_quietly(l, f);
        return code;
    }
    return l->close(l->ctx, f, err);
}

enum err_code file_write_atomic(const struct file_layer *l, const char *path, struct bytes content,
                                struct err *err)
{
    char temporary[FILE_PATH_SIZE];
    char parent[FILE_PATH_SIZE];
    int n = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (n < 0 || n >= FILE_PATH_SIZE) {
        return err_setf(err, ERR_LIMIT, "path too long", "%.400s", path);
    }
    TRY(parent_of(path, parent, err));
    enum err_code code = write_synced(l, temporary, content, err);
    if (code == ERR_OK) code = l->rename(l->ctx, temporary, path, err);
    if (code != ERR_OK) {
        struct err ignored = { 0 };
        (void)l->unlink(l->ctx, temporary, &ignored);
        return code;
    }
    return l->fsync_dir(l->ctx, parent, err);
}

struct removal {
    const struct file_layer *layer;
    size_t path_len;
    unsigned depth;
    char path[FILE_PATH_SIZE];
};

static enum err_code remove_dir(struct removal *r, struct err *err);

static enum err_code remove_entry(void *arg, const char *name, bool is_dir, struct err *err)
{
    struct removal *r = arg;
    size_t len = r->path_len;
    int n = snprintf(r->path + len, sizeof r->path - len, "/%s", name);
    if (n < 0 || (size_t)n >= sizeof r->path - len) {
        r->path[len] = '\0';
        return err_setf(err, ERR_LIMIT, "path too long", "%.400s", r->path);
    }
    r->path_len = len + (size_t)n;
    enum err_code code =
        is_dir ? remove_dir(r, err) : r->layer->unlink(r->layer->ctx, r->path, err);
    r->path_len = len;
    r->path[len] = '\0';
    return code;
}

/* Remove the directory r->path and what it holds. */
static enum err_code remove_dir(struct removal *r, struct err *err)
{
    if (r->depth == REMOVE_DEPTH_MAX) {
        return err_setf(err, ERR_LIMIT, "directories nested too deeply", "%.400s", r->path);
    }
    r->depth++;
    enum err_code code = r->layer->list(r->layer->ctx, r->path, remove_entry, r, err);
    r->depth--;
    TRY(code);
    return r->layer->rmdir(r->layer->ctx, r->path, err);
}

enum err_code file_remove_tree(const struct file_layer *l, const char *path, struct err *err)
{
    struct removal r = { .layer = l, .path_len = strlen(path) };
    if (r.path_len >= sizeof r.path) {
        return err_setf(err, ERR_LIMIT, "path too long", "%.400s", path);
    }
    (void)str_z(str_of_z(path), r.path, sizeof r.path);
    struct file_info info;
    struct err probe = { 0 };
    enum err_code code = l->stat(l->ctx, path, &info, &probe);
    if (code == ERR_NOTFOUND) return ERR_OK;
    if (code != ERR_OK) {
        if (err) *err = probe;
        return code;
    }
    if (!info.is_dir) return l->unlink(l->ctx, path, err);
    return remove_dir(&r, err);
}
