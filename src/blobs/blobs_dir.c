/* SPDX-License-Identifier: Apache-2.0 */
#include "blobs/blobs_dir.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "os/thread.h"

struct blobs_dir {
    struct blobs base;
    const struct mem_source *mem;
    char root[FILE_PATH_SIZE];
};

struct blob_file {
    struct blob base;
    const struct file_layer *files;
    const struct mem_source *mem;
    struct file *file;
    struct mutex lock;
    const uint8_t *map; /* guarded by lock; once set it stays */
};

static const struct blobs_ops DIR_OPS;
static const struct blob_ops FILE_OPS;

/* ---- paths ---- */

static enum err_code path_of(const struct blobs_dir *d, struct str name, const char *suffix,
                             char out[FILE_PATH_SIZE], struct err *err)
{
    int n = snprintf(out, FILE_PATH_SIZE, "%s/" STR_FMT "%s", d->root, STR_ARG(name), suffix);
    if (n < 0 || n >= FILE_PATH_SIZE) return err_set(err, ERR_LIMIT, "path too long");
    return ERR_OK;
}

/* ---- blobs of one bundle ---- */

static enum err_code file_read(struct blob *b, uint64_t offset, void *dst, size_t len,
                               struct err *err)
{
    struct blob_file *f = (struct blob_file *)b;
    size_t n = 0;
    TRY(f->files->pread(f->files->ctx, f->file, dst, len, offset, &n, err));
    if (n == len) return ERR_OK;
    enum err_code code =
        err_setf(err, ERR_CORRUPT, "file ends too early", "%zu of %zu bytes", n, len);
    if (err) err->offset = offset;
    return code;
}

static enum err_code file_map(struct blob *b, struct bytes *out, struct err *err)
{
    struct blob_file *f = (struct blob_file *)b;
    size_t size = (size_t)b->size_bytes;
    MUTEX_SCOPE(&f->lock);
    if (!f->map && size > 0) TRY(f->files->mmap_ro(f->files->ctx, f->file, size, &f->map, err));
    *out = (struct bytes){ f->map, size };
    return ERR_OK;
}

static void file_close(struct blob *b)
{
    struct blob_file *f = (struct blob_file *)b;
    if (f->map) f->files->munmap(f->files->ctx, f->map, (size_t)b->size_bytes);
    (void)f->files->close(f->files->ctx, f->file, NULL); /* only read from: nothing can be lost */
    mutex_deinit(&f->lock);
    f->mem->free(f->mem->ctx, f, sizeof *f);
}

static const struct blob_ops FILE_OPS = { file_read, file_map, file_close };

static enum err_code dir_open(struct blobs *b, struct str name, const char *file, struct blob **out,
                              struct err *err)
{
    const struct blobs_dir *d = (const struct blobs_dir *)b;
    const struct file_layer *l = b->files;
    char dir[FILE_PATH_SIZE], path[FILE_PATH_SIZE];
    TRY(path_of(d, name, "", dir, err));
    TRY(file_join(path, dir, file, err));
    struct file *opened = NULL;
    TRY(l->open(l->ctx, path, FILE_READ, &opened, err));
    uint64_t size = 0;
    enum err_code code = l->size(l->ctx, opened, &size, err);
    struct blob_file *f = code == ERR_OK ? d->mem->alloc(d->mem->ctx, sizeof *f) : NULL;
    if (!f) {
        (void)l->close(l->ctx, opened, NULL);
        return code != ERR_OK ? code : err_set(err, ERR_NOMEM, "no memory for a file");
    }
    *f = (struct blob_file){
        .base = { &FILE_OPS, size }, .files = l, .mem = d->mem, .file = opened
    };
    mutex_init(&f->lock);
    *out = &f->base;
    return ERR_OK;
}

/* ---- bundles ---- */

static enum err_code dir_discard(struct blobs *b, struct str name, struct err *err)
{
    char path[FILE_PATH_SIZE];
    TRY(path_of((const struct blobs_dir *)b, name, ".tmp", path, err));
    return file_remove_tree(b->files, path, err);
}

static enum err_code dir_stage(struct blobs *b, struct str name, char out_path[FILE_PATH_SIZE],
                               struct err *err)
{
    TRY(dir_discard(b, name, err));
    TRY(path_of((const struct blobs_dir *)b, name, ".tmp", out_path, err));
    return b->files->mkdir(b->files->ctx, out_path, err);
}

struct sync_walk {
    const struct file_layer *files;
    const char *path;
};

static enum err_code sync_subdirectory(void *arg, const char *name, bool is_dir, struct err *err)
{
    const struct sync_walk *walk = arg;
    char path[FILE_PATH_SIZE];
    if (!is_dir) return ERR_OK;
    TRY(file_join(path, walk->path, name, err));
    return walk->files->fsync_dir(walk->files->ctx, path, err);
}

static enum err_code dir_publish(struct blobs *b, struct str name, struct err *err)
{
    const struct blobs_dir *d = (const struct blobs_dir *)b;
    const struct file_layer *l = b->files;
    char staged[FILE_PATH_SIZE], final[FILE_PATH_SIZE];
    struct file_info info;
    TRY(path_of(d, name, ".tmp", staged, err));
    TRY(path_of(d, name, "", final, err));
    if (l->stat(l->ctx, final, &info, NULL) == ERR_OK)
        return err_set(err, ERR_CONFLICT, "a bundle of that name exists");
    struct sync_walk walk = { l, staged };
    TRY(l->list(l->ctx, staged, sync_subdirectory, &walk, err));
    TRY(l->fsync_dir(l->ctx, staged, err));
    TRY(l->rename(l->ctx, staged, final, err));
    enum err_code code = l->fsync_dir(l->ctx, d->root, err);
    if (code != ERR_OK) (void)l->rename(l->ctx, final, staged, NULL); /* nobody may see it */
    return code;
}

static enum err_code dir_remove(struct blobs *b, struct str name, struct err *err)
{
    const struct blobs_dir *d = (const struct blobs_dir *)b;
    const struct file_layer *l = b->files;
    char path[FILE_PATH_SIZE], doomed[FILE_PATH_SIZE];
    TRY(path_of(d, name, "", path, err));
    TRY(path_of(d, name, ".tmp", doomed, err));
    TRY(file_remove_tree(l, doomed, err));
    TRY(l->rename(l->ctx, path, doomed, err));
    TRY(l->fsync_dir(l->ctx, d->root, err));
    return file_remove_tree(l, doomed, err);
}

static enum err_code dir_put(struct blobs *b, struct str name, const char *file,
                             struct bytes content, struct err *err)
{
    char dir[FILE_PATH_SIZE], path[FILE_PATH_SIZE];
    TRY(path_of((const struct blobs_dir *)b, name, "", dir, err));
    TRY(file_join(path, dir, file, err));
    return file_write_atomic(b->files, path, content, err);
}

struct list_walk {
    struct blobs_dir *dir;
    blobs_list_fn fn;
    void *arg;
};

static enum err_code list_entry(void *arg, const char *name, bool is_dir, struct err *err)
{
    const struct list_walk *walk = arg;
    struct str s = str_of_z(name);
    if (!is_dir || !blobs_name_is_valid(s)) return ERR_OK;
    return walk->fn(walk->arg, s, err);
}

static enum err_code dir_list(struct blobs *b, blobs_list_fn fn, void *arg, struct err *err)
{
    struct list_walk walk = { (struct blobs_dir *)b, fn, arg };
    return b->files->list(b->files->ctx, walk.dir->root, list_entry, &walk, err);
}

static enum err_code sweep_entry(void *arg, const char *name, bool is_dir, struct err *err)
{
    struct blobs_dir *d = arg;
    struct str s = str_of_z(name);
    if (!is_dir || !str_ends_with(s, STR(".tmp"))) return ERR_OK;
    s.len -= 4;
    return blobs_name_is_valid(s) ? dir_discard(&d->base, s, err) : ERR_OK;
}

/* A process that was killed may have left renames that are not durable yet. First they must be: a
 * power cut could bring a bundle back of which the sweep had deleted half, or take away one that
 * was already relied upon. */
static enum err_code dir_sweep(struct blobs *b, struct err *err)
{
    struct blobs_dir *d = (struct blobs_dir *)b;
    TRY(b->files->fsync_dir(b->files->ctx, d->root, err));
    return b->files->list(b->files->ctx, d->root, sweep_entry, d, err);
}

static void dir_destroy(struct blobs *b)
{
    struct blobs_dir *d = (struct blobs_dir *)b;
    d->mem->free(d->mem->ctx, d, sizeof *d);
}

static const struct blobs_ops DIR_OPS = { dir_stage, dir_publish, dir_discard,
                                          dir_list,  dir_remove,  dir_open,
                                          dir_put,   dir_sweep,   dir_destroy };

enum err_code blobs_dir_create(const struct file_layer *files, const struct mem_source *mem,
                               const char *root, struct blobs **out, struct err *err)
{
    struct str path = str_of_z(root);
    if (path.len >= FILE_PATH_SIZE - BLOBS_NAME_MAX - 16)
        return err_set(err, ERR_LIMIT, "path too long");
    TRY(file_mkdirs(files, root, err));
    struct blobs_dir *d = mem->alloc(mem->ctx, sizeof *d);
    if (!d) return err_set(err, ERR_NOMEM, "no memory for a store of files");
    *d = (struct blobs_dir){ .base = { &DIR_OPS, files }, .mem = mem };
    (void)str_z(path, d->root, sizeof d->root);
    *out = &d->base;
    return ERR_OK;
}
