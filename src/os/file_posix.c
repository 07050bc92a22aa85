/* SPDX-License-Identifier: Apache-2.0
 *
 * The real disk. A struct file is never dereferenced: its address carries the descriptor plus one,
 * so that opening needs no memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/file_layer.h"
#include "os/file_names.h"

#define IOV_COUNT_MAX 64

static struct file *file_of_fd(int fd)
{
    ASSERT(fd >= 0);
    return (struct file *)(uintptr_t)((unsigned)fd + 1u);
}

static int fd_of_file(const struct file *f)
{
    ASSERT(f != NULL);
    return (int)((uintptr_t)f - 1);
}

/* Error with the path or the operation's object for people. */
static enum err_code fail_path(struct err *err, const char *msg, const char *path)
{
    int os_errno = errno;
    enum err_code code = err_set_os(err, os_errno, msg);
    if (err) (void)snprintf(err->detail, sizeof err->detail, "%s", path);
    return code;
}

static enum err_code fail_file(struct err *err, const char *msg)
{
    return err_set_os(err, errno, msg);
}

static int flags_of_mode(enum file_mode mode)
{
    switch (mode) {
    case FILE_READ: return O_RDONLY;
    case FILE_WRITE: return O_RDWR;
    case FILE_CREATE: return O_RDWR | O_CREAT | O_EXCL;
    case FILE_TRUNCATE: return O_RDWR | O_CREAT | O_TRUNC;
    }
    UNREACHABLE();
}

static int open_retry(const char *path, int flags)
{
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, 0640);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static enum err_code posix_open(void *ctx, const char *path, enum file_mode mode, struct file **out,
                                struct err *err)
{
    (void)ctx;
    int fd = open_retry(path, flags_of_mode(mode));
    if (fd < 0) return fail_path(err, "cannot open file", path);
    *out = file_of_fd(fd);
    return ERR_OK;
}

static enum err_code posix_close(void *ctx, struct file *f, struct err *err)
{
    (void)ctx;
    if (!f) return ERR_OK;
    /* Linux releases the descriptor also when close reports EINTR. */
    if (close(fd_of_file(f)) != 0 && errno != EINTR) return fail_file(err, "cannot close file");
    return ERR_OK;
}

static enum err_code posix_pread(void *ctx, struct file *f, void *dst, size_t len, uint64_t offset,
                                 size_t *out_n, struct err *err)
{
    (void)ctx;
    int fd = fd_of_file(f);
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, (uint8_t *)dst + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_file(err, "cannot read file");
        if (n == 0) break;
        done += (size_t)n;
    }
    *out_n = done;
    return ERR_OK;
}

/* Drop `n` written bytes from the front of iov. */
static void iov_advance(struct iovec **iov, int *count, size_t n)
{
    while (*count > 0 && n >= (*iov)->iov_len) {
        n -= (*iov)->iov_len;
        (*iov)++;
        (*count)--;
    }
    if (*count > 0) {
        (*iov)->iov_base = (uint8_t *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
    }
}

static enum err_code posix_pwritev(void *ctx, struct file *f, const struct file_iovec *iov,
                                   int count, uint64_t offset, struct err *err)
{
    (void)ctx;
    ASSERT(count >= 0 && count <= IOV_COUNT_MAX);
    struct iovec local[IOV_COUNT_MAX];
    for (int i = 0; i < count; i++) {
        local[i] =
            (struct iovec){ .iov_base = (void *)(uintptr_t)iov[i].ptr, .iov_len = iov[i].len };
    }
    struct iovec *left = local;
    iov_advance(&left, &count, 0);
    while (count > 0) {
        ssize_t n = pwritev(fd_of_file(f), left, count, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = EIO;
        if (n <= 0) return fail_file(err, "cannot write file");
        offset += (uint64_t)n;
        iov_advance(&left, &count, (size_t)n);
    }
    return ERR_OK;
}

static enum err_code posix_fdatasync(void *ctx, struct file *f, struct err *err)
{
    (void)ctx;
    /* No retry, not even for EINTR: after a failure the kernel may have dropped dirty pages. */
    if (fdatasync(fd_of_file(f)) != 0) return fail_file(err, "cannot sync file");
    return ERR_OK;
}

static enum err_code posix_truncate(void *ctx, struct file *f, uint64_t size, struct err *err)
{
    (void)ctx;
    int rc;
    do {
        rc = ftruncate(fd_of_file(f), (off_t)size);
    } while (rc != 0 && errno == EINTR);
    return rc == 0 ? ERR_OK : fail_file(err, "cannot truncate file");
}

static enum err_code posix_size(void *ctx, struct file *f, uint64_t *out, struct err *err)
{
    (void)ctx;
    struct stat st;
    if (fstat(fd_of_file(f), &st) != 0) return fail_file(err, "cannot stat file");
    *out = (uint64_t)st.st_size;
    return ERR_OK;
}

static enum err_code posix_reserve(void *ctx, struct file *f, uint64_t offset, uint64_t len,
                                   struct err *err)
{
    int rc;
    do {
        rc = fallocate(fd_of_file(f), 0, (off_t)offset, (off_t)len);
    } while (rc != 0 && errno == EINTR);
    if (rc == 0) return ERR_OK;
    if (errno != EOPNOTSUPP) return fail_file(err, "cannot reserve file space");
    /* The file system cannot reserve: at least the size is as promised. */
    uint64_t size;
    TRY(posix_size(ctx, f, &size, err));
    return size >= offset + len ? ERR_OK : posix_truncate(ctx, f, offset + len, err);
}

static enum err_code posix_mmap_ro(void *ctx, struct file *f, size_t len, const uint8_t **out,
                                   struct err *err)
{
    (void)ctx;
    ASSERT(len > 0);
    void *ptr = mmap(NULL, len, PROT_READ, MAP_SHARED, fd_of_file(f), 0);
    if (ptr == MAP_FAILED) return fail_file(err, "cannot map file");
    *out = ptr;
    return ERR_OK;
}

static void posix_munmap(void *ctx, const uint8_t *ptr, size_t len)
{
    (void)ctx;
    int rc = munmap((void *)(uintptr_t)ptr, len);
    ASSERT(rc == 0);
}

static enum err_code posix_fsync_dir(void *ctx, const char *path, struct err *err)
{
    (void)ctx;
    int fd = open_retry(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return fail_path(err, "cannot open directory", path);
    int rc = fsync(fd);
    int os_errno = errno;
    (void)close(fd);
    errno = os_errno;
    return rc == 0 ? ERR_OK : fail_path(err, "cannot sync directory", path);
}

static enum err_code posix_rename(void *ctx, const char *from, const char *to, struct err *err)
{
    (void)ctx;
    return rename(from, to) == 0 ? ERR_OK : fail_path(err, "cannot rename", from);
}

static enum err_code posix_link(void *ctx, const char *from, const char *to, struct err *err)
{
    (void)ctx;
    return link(from, to) == 0 ? ERR_OK : fail_path(err, "cannot link", to);
}

static enum err_code posix_unlink(void *ctx, const char *path, struct err *err)
{
    (void)ctx;
    return unlink(path) == 0 ? ERR_OK : fail_path(err, "cannot remove file", path);
}

static enum err_code posix_mkdir(void *ctx, const char *path, struct err *err)
{
    (void)ctx;
    return mkdir(path, 0750) == 0 ? ERR_OK : fail_path(err, "cannot create directory", path);
}

static enum err_code posix_rmdir(void *ctx, const char *path, struct err *err)
{
    (void)ctx;
    return rmdir(path) == 0 ? ERR_OK : fail_path(err, "cannot remove directory", path);
}

static enum err_code posix_list(void *ctx, const char *path, file_list_fn fn, void *arg,
                                struct err *err)
{
    (void)ctx;
    int fd = open_retry(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return fail_path(err, "cannot open directory", path);
    struct file_names names = { 0 };
    int os_errno = file_names_read(&names, fd);
    (void)close(fd);
    enum err_code code = ERR_OK;
    if (os_errno != 0) {
        errno = os_errno;
        code = fail_path(err, "cannot list directory", path);
    }
    for (size_t i = 0; i < names.count && code == ERR_OK; i++) {
        code = fn(arg, file_names_at(&names, i), file_names_is_dir(&names, i), err);
    }
    file_names_free(&names);
    return code;
}

static enum err_code posix_stat(void *ctx, const char *path, struct file_info *out, struct err *err)
{
    (void)ctx;
    struct stat st;
    if (stat(path, &st) != 0) return fail_path(err, "cannot stat", path);
    *out = (struct file_info){
        .size_bytes = (uint64_t)st.st_size,
        .mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
        .is_dir = S_ISDIR(st.st_mode),
    };
    return ERR_OK;
}

static enum err_code posix_space(void *ctx, const char *path, struct file_space *out,
                                 struct err *err)
{
    (void)ctx;
    struct statvfs st;
    if (statvfs(path, &st) != 0) return fail_path(err, "cannot stat file system", path);
    *out = (struct file_space){
        .total_bytes = (uint64_t)st.f_blocks * st.f_frsize,
        .free_bytes = (uint64_t)st.f_bavail * st.f_frsize,
        .free_root_bytes = (uint64_t)st.f_bfree * st.f_frsize,
        .inodes_total = (uint64_t)st.f_files,
        .inodes_free = (uint64_t)st.f_ffree,
    };
    return ERR_OK;
}

/* The lock is held by another process: say by whom. */
static enum err_code fail_locked(int fd, const char *path, struct err *err)
{
    char note[128];
    ssize_t n = pread(fd, note, sizeof note, 0);
    struct str holder = str_trim((struct str){ note, n > 0 ? (size_t)n : 0 });
    return err_setf(err, ERR_BUSY, "locked by another process", "%s: " STR_FMT, path,
                    STR_ARG(holder));
}

static enum err_code posix_lock(void *ctx, const char *path, struct str note, struct file **out,
                                struct err *err)
{
    int fd = open_retry(path, O_RDWR | O_CREAT);
    if (fd < 0) return fail_path(err, "cannot open lock file", path);
    int rc;
    do {
        rc = flock(fd, LOCK_EX | LOCK_NB);
    } while (rc != 0 && errno == EINTR);
    enum err_code code = ERR_OK;
    if (rc != 0) {
        code = errno == EWOULDBLOCK ? fail_locked(fd, path, err)
                                    : fail_path(err, "cannot lock file", path);
    } else {
        struct file_iovec iov = { note.ptr, note.len };
        code = posix_truncate(ctx, file_of_fd(fd), 0, err);
        if (code == ERR_OK) code = posix_pwritev(ctx, file_of_fd(fd), &iov, 1, 0, err);
    }
    if (code != ERR_OK) {
        (void)close(fd);
        return code;
    }
    *out = file_of_fd(fd);
    return ERR_OK;
}

const struct file_layer *file_layer_posix(void)
{
    static const struct file_layer layer = {
        .open = posix_open,
        .close = posix_close,
        .pread = posix_pread,
        .pwritev = posix_pwritev,
        .fdatasync = posix_fdatasync,
        .truncate = posix_truncate,
        .fallocate = posix_reserve,
        .size = posix_size,
        .mmap_ro = posix_mmap_ro,
        .munmap = posix_munmap,
        .fsync_dir = posix_fsync_dir,
        .rename = posix_rename,
        .link = posix_link,
        .unlink = posix_unlink,
        .mkdir = posix_mkdir,
        .rmdir = posix_rmdir,
        .list = posix_list,
        .stat = posix_stat,
        .space = posix_space,
        .lock = posix_lock,
    };
    return &layer;
}
