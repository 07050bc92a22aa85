/* SPDX-License-Identifier: Apache-2.0
 *
 * file_layer - all disk access of Pharos, as one table of functions.
 *
 * Two implementations: file_layer_posix (os/file_posix.c) and the fault-injecting in-memory disk
 * (os/file_fault.h) with which tests cut the power at every step. No other module calls the
 * kernel for files.
 *
 * Rules     EINTR is retried and short reads and writes are completed inside. A failed sync is
 *           final: the caller must not sync the same file again (spec: reliability.md section 2).
 *           Paths are NUL-terminated, '/'-separated, relative to the process or absolute.
 * Threads   The table is immutable. One struct file may be read (pread) by many threads;
 *           append/sync/truncate have one owner at a time.
 * Errors    ERR_IO with os_errno (ENOSPC, EIO, ...), ERR_NOTFOUND (ENOENT), ERR_CONFLICT (EEXIST),
 *           ERR_BUSY (lock held), ERR_DENIED (EACCES, EPERM), ERR_LIMIT (path too long), ERR_NOMEM.
 */
#ifndef PHAROS_OS_FILE_LAYER_H
#define PHAROS_OS_FILE_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct file; /* opaque, per implementation */

enum file_mode {
    FILE_READ,    /* must exist */
    FILE_WRITE,   /* read and write, must exist */
    FILE_CREATE,  /* read and write, created; fails if it exists */
    FILE_TRUNCATE /* read and write, created or emptied */
};

struct file_info {
    uint64_t size_bytes;
    int64_t mtime_ms;
    bool is_dir;
};

struct file_space {
    uint64_t total_bytes, free_bytes; /* free: available to this user */
    uint64_t free_root_bytes;         /* with what is reserved for root */
    uint64_t inodes_total, inodes_free;
};

struct file_iovec {
    const void *ptr;
    size_t len;
};

/* Called once per entry, in byte order of the names, without "." and "..". A non-OK return stops
 * the listing and is returned. */
typedef enum err_code (*file_list_fn)(void *arg, const char *name, bool is_dir, struct err *err);

struct file_layer {
    void *ctx;
    enum err_code (*open)(void *ctx, const char *path, enum file_mode mode, struct file **out,
                          struct err *err);
    /* Close reports deferred write errors; the file is gone either way. NULL is a no-op. */
    enum err_code (*close)(void *ctx, struct file *f, struct err *err);
    /* Read up to `len` bytes at `offset`; *out_n < len only at the end of the file. */
    enum err_code (*pread)(void *ctx, struct file *f, void *dst, size_t len, uint64_t offset,
                           size_t *out_n, struct err *err);
    /* All of iov (count <= 64) at `offset`, or an error; after an error the range is undefined. */
    enum err_code (*pwritev)(void *ctx, struct file *f, const struct file_iovec *iov, int count,
                             uint64_t offset, struct err *err);
    enum err_code (*fdatasync)(void *ctx, struct file *f, struct err *err);
    enum err_code (*truncate)(void *ctx, struct file *f, uint64_t size, struct err *err);
    /* Reserve blocks so that [offset, offset+len) is allocated and zero; the size grows. */
    enum err_code (*fallocate)(void *ctx, struct file *f, uint64_t offset, uint64_t len,
                               struct err *err);
    enum err_code (*size)(void *ctx, struct file *f, uint64_t *out, struct err *err);
    /* Read-only shared mapping of [0, len) of an immutable file; len > 0. */
    enum err_code (*mmap_ro)(void *ctx, struct file *f, size_t len, const uint8_t **out,
                             struct err *err);
    void (*munmap)(void *ctx, const uint8_t *ptr, size_t len);
    enum err_code (*fsync_dir)(void *ctx, const char *path, struct err *err);
    enum err_code (*rename)(void *ctx, const char *from, const char *to, struct err *err);
    enum err_code (*link)(void *ctx, const char *from, const char *to, struct err *err);
    enum err_code (*unlink)(void *ctx, const char *path, struct err *err);
    enum err_code (*mkdir)(void *ctx, const char *path, struct err *err);
    enum err_code (*rmdir)(void *ctx, const char *path, struct err *err);
    enum err_code (*list)(void *ctx, const char *path, file_list_fn fn, void *arg, struct err *err);
    enum err_code (*stat)(void *ctx, const char *path, struct file_info *out, struct err *err);
    enum err_code (*space)(void *ctx, const char *path, struct file_space *out, struct err *err);
    /* Exclusive advisory lock for the life of *out (close releases); writes `note` into it.
     * ERR_BUSY with the holder's note in err->detail. */
    enum err_code (*lock)(void *ctx, const char *path, struct str note, struct file **out,
                          struct err *err);
};

/* The real disk. Static table. */
const struct file_layer *file_layer_posix(void);

/* Compositions used by every writer (os/file_ops.c); they work on any layer. */

/* mkdir -p; existing directories are fine. All names are durable afterwards, also those that an
 * earlier process created and did not live to sync. */
CHECK_RESULT enum err_code file_mkdirs(const struct file_layer *l, const char *path,
                                       struct err *err);
/* Whole file into a fresh buffer from `mem`; ERR_LIMIT above max_size. The caller frees. */
struct mem_source;
CHECK_RESULT enum err_code file_read_all(const struct file_layer *l, const char *path,
                                         const struct mem_source *mem, size_t max_size,
                                         struct bytes *out, struct err *err);
/* Write path.tmp, sync, rename, sync the directory: the file is either old or new, never half. */
CHECK_RESULT enum err_code file_write_atomic(const struct file_layer *l, const char *path,
                                             struct bytes content, struct err *err);
/* Remove a directory tree; missing is fine. */
CHECK_RESULT enum err_code file_remove_tree(const struct file_layer *l, const char *path,
                                            struct err *err);

#define FILE_PATH_SIZE 4096
/* "dir/name" into out[FILE_PATH_SIZE]; ERR_LIMIT when too long. */
CHECK_RESULT enum err_code file_join(char *out, const char *dir, const char *name, struct err *err);

#endif
