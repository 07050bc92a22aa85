/* SPDX-License-Identifier: Apache-2.0
 *
 * The calls of the fault-injecting disk. Each takes the lock, asks call_begin() what is planned for
 * it, does its work, and lets call_end() decide what the caller is told.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "os/file_fault_priv.h"

#define FILE_MAGIC 0x46494c45u
/* Deterministic times: one second per step from here. */
#define MTIME_START_MS 1600000000000

/* One call on its way. */
struct call {
    struct file_fault *f;
    const char *msg;  /* for errors */
    const char *path; /* for errors, or NULL */
    enum file_fault_op op;
    const char *subject; /* for the trace: the path, or that of the open file */
    uint64_t offset, len;
    int os_errno;   /* refused: the call must have no effect */
    bool is_last;   /* the machine stops under it: effect, but no answer */
    bool has_fault; /* kind is to be applied by the call itself */
    enum file_fault_kind kind;
};

static bool kind_is_partial(enum file_fault_op op, enum file_fault_kind kind)
{
    switch (kind) {
    case FAULT_SHORT:
    case FAULT_TORN: return op == FAULT_WRITE;
    case FAULT_LOST: return op == FAULT_WRITE || op == FAULT_SYNC || op == FAULT_SYNC_DIR;
    case FAULT_MISREAD: return op == FAULT_READ || op == FAULT_MMAP;
    case FAULT_FLIP: return op == FAULT_WRITE || op == FAULT_READ || op == FAULT_MMAP;
    case FAULT_EIO:
    case FAULT_ENOSPC:
    case FAULT_EDQUOT:
    case FAULT_EMFILE:
    case FAULT_KIND_COUNT: return false;
    }
    UNREACHABLE();
}

static int errno_of_kind(enum file_fault_kind kind)
{
    if (kind == FAULT_ENOSPC || kind == FAULT_SHORT) return ENOSPC;
    if (kind == FAULT_EDQUOT) return EDQUOT;
    if (kind == FAULT_EMFILE) return EMFILE;
    return EIO;
}

/* Count the call down in every plan; the first plan that hits decides. */
static void plans_apply(struct call *call, enum file_fault_op op)
{
    struct file_fault *f = call->f;
    for (size_t i = 0; i < FAULT_PLANS_MAX; i++) {
        struct fault_plan *plan = &f->plans[i];
        if (!plan->is_active || !(plan->ops & FAULT_BIT(op))) continue;
        plan->countdown--;
        bool is_hit = plan->mode == FAULT_FOREVER ? plan->countdown <= 0 : plan->countdown == 0;
        if (!is_hit) continue;
        if (plan->mode == FAULT_ONCE) plan->is_active = false;
        if (call->os_errno != 0 || call->has_fault) continue;
        f->fired++;
        call->kind = plan->kind;
        call->has_fault = kind_is_partial(op, plan->kind);
        if (!call->has_fault) call->os_errno = errno_of_kind(plan->kind);
    }
}

static struct call call_begin(struct file_fault *f, enum file_fault_op op, const char *msg,
                              const char *path)
{
    struct call call = { .f = f, .msg = msg, .path = path, .op = op, .subject = path };
    if (f->is_stopped) {
        call.os_errno = EIO;
        return call;
    }
    f->calls[op]++;
    if (FAULT_STEP_OPS & FAULT_BIT(op)) {
        f->steps++;
        if (f->steps == f->cut_at) {
            f->is_stopped = true;
            call.is_last = true;
            return call;
        }
    }
    plans_apply(&call, op);
    return call;
}

/* A call on an open file. */
static struct call call_begin_file(struct file_fault *f, enum file_fault_op op, const char *msg,
                                   const struct file *file)
{
    struct call call = call_begin(f, op, msg, NULL);
    call.subject = file->path;
    return call;
}

static void trace(const struct call *call, int os_errno)
{
    static const char *const names[FAULT_OP_COUNT] = {
        "open",     "create", "close", "read",   "write", "sync",  "truncate", "fallocate", "mmap",
        "sync_dir", "rename", "link",  "unlink", "mkdir", "rmdir", "list",     "stat",      "lock",
    };
    const struct file_fault *f = call->f;
    (void)fprintf(stderr, "step %llu%s: %s %s @%llu+%llu: %s\n", (unsigned long long)f->steps,
                  f->is_stopped ? " (stopped)" : "", names[call->op],
                  call->subject ? call->subject : "", (unsigned long long)call->offset,
                  (unsigned long long)call->len, os_errno ? strerrorname_np(os_errno) : "ok");
}

/* The answer: a refusal, the errno of the work, or EIO because the machine stopped under it. */
static enum err_code call_end(const struct call *call, int os_errno, struct err *err)
{
    if (call->os_errno != 0) os_errno = call->os_errno;
    if (call->is_last) os_errno = EIO;
    if (call->f->is_traced) trace(call, os_errno);
    if (os_errno == 0) return ERR_OK;
    enum err_code code = err_set_os(err, os_errno, call->msg);
    if (err && call->path) (void)snprintf(err->detail, sizeof err->detail, "%s", call->path);
    return code;
}

static void touch(struct file_fault *f, struct inode *inode)
{
    inode->mtime_ms = MTIME_START_MS + (int64_t)f->steps * 1000;
}

static struct inode *inode_of(const struct file *file)
{
    ASSERT(file != NULL);
    ASSERT(file->magic == FILE_MAGIC);
    return file->inode;
}

static struct file *file_add(struct file_fault *f, const char *path, struct inode *inode,
                             bool is_writable)
{
    struct file *file = fault_alloc(f, sizeof *file);
    *file = (struct file){ .magic = FILE_MAGIC, .disk = f, .inode = inode };
    file->is_writable = is_writable;
    file->path = fault_strdup(f, path, strlen(path));
    file->next = f->files;
    f->files = file;
    inode->opens++;
    return file;
}

/* Find, create or empty what `path` and `mode` say; 0 or an errno. */
static int open_inode(struct file_fault *f, const char *path, enum file_mode mode,
                      struct inode **out)
{
    int rc = path_lookup(f, path, out);
    if (rc == ENOENT && (mode == FILE_CREATE || mode == FILE_TRUNCATE)) {
        struct inode *inode = inode_create(f, false);
        rc = name_add(f, path, inode);
        touch(f, inode);
        *out = inode;
        return rc; /* an unnamed inode is collected later */
    }
    if (rc != 0) return rc;
    if (mode == FILE_CREATE) return EEXIST;
    if ((*out)->is_dir) return EISDIR;
    if (mode == FILE_TRUNCATE) inode_resize(f, *out, 0);
    return 0;
}

static enum err_code fault_open(void *ctx, const char *path, enum file_mode mode, struct file **out,
                                struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    bool is_step = mode == FILE_CREATE || mode == FILE_TRUNCATE;
    struct call call = call_begin(f, is_step ? FAULT_CREATE : FAULT_OPEN, "cannot open file", path);
    struct inode *inode = NULL;
    int rc = call.os_errno == 0 ? open_inode(f, path, mode, &inode) : 0;
    TRY(call_end(&call, rc, err));
    *out = file_add(f, path, inode, mode != FILE_READ);
    return ERR_OK;
}

static enum err_code fault_close(void *ctx, struct file *file, struct err *err)
{
    struct file_fault *f = ctx;
    if (!file) return ERR_OK;
    MUTEX_SCOPE(&f->lock);
    struct inode *inode = inode_of(file);
    struct call call = call_begin_file(f, FAULT_CLOSE, "cannot close file", file);
    struct file **link = &f->files;
    while (*link != file) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = file->next;
    if (file->holds_lock) inode->is_locked = false;
    ASSERT(inode->opens > 0);
    inode->opens--;
    enum err_code code = call_end(&call, 0, err);
    file->magic = 0;
    fault_strfree(f, file->path);
    fault_free(f, file, sizeof *file);
    return code;
}

static void flip_random_bit(struct file_fault *f, uint8_t *bytes, size_t len)
{
    if (len == 0) return;
    uint64_t bit = rng_below(&f->rng, (uint64_t)len * 8);
    bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << (bit % 8));
}

/* What FAULT_FLIP and FAULT_MISREAD do to the n bytes that were read at offset. */
static void damage_read(const struct call *call, const struct inode *inode, uint64_t offset,
                        uint8_t *bytes, size_t n)
{
    if (call->kind == FAULT_FLIP) {
        flip_random_bit(call->f, bytes, n);
        return;
    }
    ASSERT(call->kind == FAULT_MISREAD);
    memset(bytes, 0, n);
    (void)content_read(&inode->cur, offset + FAULT_SECTOR_BYTES, bytes, n);
}

static enum err_code fault_pread(void *ctx, struct file *file, void *dst, size_t len,
                                 uint64_t offset, size_t *out_n, struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    const struct inode *inode = inode_of(file);
    struct call call = call_begin_file(f, FAULT_READ, "cannot read file", file);
    call.offset = offset;
    call.len = len;
    TRY(call_end(&call, 0, err));
    size_t n = content_read(&inode->cur, offset, dst, len);
    if (call.has_fault) damage_read(&call, inode, offset, dst, n);
    *out_n = n;
    return ERR_OK;
}

/* Write some of the 512-byte sectors of bytes. */
static void write_torn(struct file_fault *f, struct inode *inode, uint64_t offset,
                       struct bytes bytes)
{
    for (size_t at = 0; at < bytes.len;) {
        size_t n = FAULT_SECTOR_BYTES - (size_t)((offset + at) % FAULT_SECTOR_BYTES);
        if (n > bytes.len - at) n = bytes.len - at;
        struct bytes sector = { bytes.ptr + at, n };
        if (rng_below(&f->rng, 2)) inode_write(f, inode, offset + at, sector, false);
        at += n;
    }
}

/* The gathered bytes of one pwritev, with the call's fault; 0 or an errno. */
static int write_gathered(const struct call *call, struct inode *inode, uint64_t offset,
                          uint8_t *ptr, size_t len)
{
    struct file_fault *f = call->f;
    struct bytes bytes = { ptr, len };
    touch(f, inode);
    if (call->has_fault && call->kind == FAULT_TORN) {
        write_torn(f, inode, offset, bytes);
        return EIO;
    }
    if (call->has_fault && call->kind == FAULT_SHORT) {
        bytes.len = (size_t)rng_below(&f->rng, len + 1);
        inode_write(f, inode, offset, bytes, false);
        return ENOSPC;
    }
    if (call->has_fault && call->kind == FAULT_FLIP) flip_random_bit(f, ptr, len);
    uint64_t end = offset + len;
    uint64_t growth = end > inode->cur.size ? end - inode->cur.size : 0;
    uint64_t used = fault_used(f);
    uint64_t room = f->capacity > used ? f->capacity - used : 0;
    if (growth > room) { /* what fits */
        uint64_t missing = growth - room;
        bytes.len = missing >= len ? 0 : len - (size_t)missing;
        inode_write(f, inode, offset, bytes, false);
        return ENOSPC;
    }
    inode_write(f, inode, offset, bytes, call->has_fault && call->kind == FAULT_LOST);
    return 0;
}

static enum err_code fault_pwritev(void *ctx, struct file *file, const struct file_iovec *iov,
                                   int count, uint64_t offset, struct err *err)
{
    struct file_fault *f = ctx;
    ASSERT(count >= 0 && count <= 64);
    MUTEX_SCOPE(&f->lock);
    struct inode *inode = inode_of(file);
    ASSERT(file->is_writable);
    struct call call = call_begin_file(f, FAULT_WRITE, "cannot write file", file);
    size_t len = 0;
    for (int i = 0; i < count; i++) {
        len += iov[i].len;
    }
    call.offset = offset;
    call.len = len;
    if (call.os_errno != 0 || len == 0) return call_end(&call, 0, err);
    uint8_t *gathered = fault_alloc(f, len);
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        if (iov[i].len > 0) memcpy(gathered + at, iov[i].ptr, iov[i].len);
        at += iov[i].len;
    }
    int rc = write_gathered(&call, inode, offset, gathered, len);
    fault_free(f, gathered, len);
    return call_end(&call, rc, err);
}

static enum err_code fault_fdatasync(void *ctx, struct file *file, struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    struct inode *inode = inode_of(file);
    bool was_stopped = f->is_stopped;
    struct call call = call_begin_file(f, FAULT_SYNC, "cannot sync file", file);
    bool has_failed = call.os_errno != 0 && !was_stopped;
    for (size_t i = 0; has_failed && i < inode->change_count; i++) {
        /* The kernel has marked the page clean; whether it was written nobody knows. */
        if (!inode->changes[i].is_resize) inode->changes[i].is_lost |= rng_below(&f->rng, 2) == 0;
    }
    if (call.os_errno == 0 && !call.is_last && !call.has_fault) inode_sync(f, inode);
    return call_end(&call, 0, err);
}

/* Change the size, growing only within the capacity; 0 or an errno. */
static int resize_within(struct file_fault *f, struct inode *inode, uint64_t size)
{
    uint64_t used = fault_used(f);
    if (size > inode->cur.size && used + (size - inode->cur.size) > f->capacity) return ENOSPC;
    if (size != inode->cur.size) inode_resize(f, inode, size);
    touch(f, inode);
    return 0;
}

static enum err_code fault_truncate(void *ctx, struct file *file, uint64_t size, struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    struct inode *inode = inode_of(file);
    ASSERT(file->is_writable);
    struct call call = call_begin_file(f, FAULT_TRUNCATE, "cannot truncate file", file);
    call.len = size;
    int rc = call.os_errno == 0 ? resize_within(f, inode, size) : 0;
    return call_end(&call, rc, err);
}

static enum err_code fault_fallocate(void *ctx, struct file *file, uint64_t offset, uint64_t len,
                                     struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    struct inode *inode = inode_of(file);
    ASSERT(file->is_writable);
    struct call call = call_begin_file(f, FAULT_FALLOCATE, "cannot reserve file space", file);
    call.offset = offset;
    call.len = len;
    uint64_t end = offset + len;
    int rc = 0;
    if (call.os_errno == 0 && end > inode->cur.size) rc = resize_within(f, inode, end);
    return call_end(&call, rc, err);
}

static enum err_code fault_size(void *ctx, struct file *file, uint64_t *out, struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    const struct inode *inode = inode_of(file);
    struct call call = call_begin_file(f, FAULT_STAT, "cannot stat file", file);
    TRY(call_end(&call, 0, err));
    *out = inode->cur.size;
    return ERR_OK;
}

static enum err_code fault_mmap_ro(void *ctx, struct file *file, size_t len, const uint8_t **out,
                                   struct err *err)
{
    struct file_fault *f = ctx;
    ASSERT(len > 0);
    MUTEX_SCOPE(&f->lock);
    const struct inode *inode = inode_of(file);
    struct call call = call_begin_file(f, FAULT_MMAP, "cannot map file", file);
    /* The real mapping would succeed and fault at the first access beyond the end. */
    int rc = len > inode->cur.size ? EINVAL : 0;
    TRY(call_end(&call, rc, err));
    struct mapping *mapping = fault_alloc(f, sizeof *mapping);
    *mapping = (struct mapping){ .next = f->mappings, .ptr = fault_alloc(f, len), .len = len };
    f->mappings = mapping;
    size_t n = content_read(&inode->cur, 0, mapping->ptr, len);
    ASSERT(n == len);
    if (call.has_fault) damage_read(&call, inode, 0, mapping->ptr, len);
    *out = mapping->ptr;
    return ERR_OK;
}

static void fault_munmap(void *ctx, const uint8_t *ptr, size_t len)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    struct mapping **link = &f->mappings;
    while (*link && (*link)->ptr != ptr) {
        link = &(*link)->next;
    }
    struct mapping *mapping = *link;
    ASSERT(mapping != NULL);
    ASSERT(mapping->len == len);
    *link = mapping->next;
    fault_free(f, mapping->ptr, len);
    fault_free(f, mapping, sizeof *mapping);
}

static enum err_code fault_fsync_dir(void *ctx, const char *path, struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    struct call call = call_begin(f, FAULT_SYNC_DIR, "cannot sync directory", path);
    struct inode *inode = NULL;
    int rc = call.os_errno == 0 ? path_lookup(f, path, &inode) : 0;
    if (rc == 0 && inode && !inode->is_dir) rc = ENOTDIR;
    if (rc == 0 && inode && !call.is_last && !call.has_fault) names_commit(f, inode);
    return call_end(&call, rc, err);
}

static enum err_code fault_rename(void *ctx, const char *from, const char *to, struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    struct call call = call_begin(f, FAULT_RENAME, "cannot rename", from);
    int rc = call.os_errno == 0 ? name_rename(f, from, to) : 0;
    return call_end(&call, rc, err);
}

static enum err_code fault_link(void *ctx, const char *from, const char *to, struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    struct call call = call_begin(f, FAULT_LINK, "cannot link", to);
    struct inode *inode = NULL;
    int rc = call.os_errno == 0 ? path_lookup(f, from, &inode) : 0;
    if (rc == 0 && inode) rc = name_add(f, to, inode);
    return call_end(&call, rc, err);
}

static enum err_code fault_unlink(void *ctx, const char *path, struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    struct call call = call_begin(f, FAULT_UNLINK, "cannot remove file", path);
    int rc = call.os_errno == 0 ? name_remove(f, path, false) : 0;
    return call_end(&call, rc, err);
}

static enum err_code fault_mkdir(void *ctx, const char *path, struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    struct call call = call_begin(f, FAULT_MKDIR, "cannot create directory", path);
    int rc = 0;
    struct inode *existing;
    if (call.os_errno == 0) {
        rc = path_lookup(f, path, &existing);
        if (rc == 0) {
            rc = EEXIST;
        } else if (rc == ENOENT) {
            struct inode *inode = inode_create(f, true);
            touch(f, inode);
            rc = name_add(f, path, inode);
        }
    }
    return call_end(&call, rc, err);
}

static enum err_code fault_rmdir(void *ctx, const char *path, struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    struct call call = call_begin(f, FAULT_RMDIR, "cannot remove directory", path);
    int rc = call.os_errno == 0 ? name_remove(f, path, true) : 0;
    return call_end(&call, rc, err);
}

/* A copy of the listing, so that the callback runs without the lock and may change the disk. */
struct listing {
    char **names;
    bool *are_dirs;
    size_t count;
};

static enum err_code listing_take(struct file_fault *f, const char *path, struct listing *out,
                                  struct err *err)
{
    MUTEX_SCOPE(&f->lock);
    struct call call = call_begin(f, FAULT_LIST, "cannot list directory", path);
    struct inode *inode = NULL;
    int rc = call.os_errno == 0 ? path_lookup(f, path, &inode) : 0;
    if (rc == 0 && inode && !inode->is_dir) rc = ENOTDIR;
    TRY(call_end(&call, rc, err));
    size_t count = inode->cur_names.count;
    *out = (struct listing){ .count = count };
    if (count == 0) return ERR_OK;
    out->names = fault_alloc(f, count * sizeof out->names[0]);
    out->are_dirs = fault_alloc(f, count * sizeof out->are_dirs[0]);
    for (size_t i = 0; i < count; i++) {
        const struct name_entry *entry = &inode->cur_names.entries[i];
        out->names[i] = fault_strdup(f, entry->name, strlen(entry->name));
        out->are_dirs[i] = entry->inode->is_dir;
    }
    return ERR_OK;
}

static enum err_code fault_list(void *ctx, const char *path, file_list_fn fn, void *arg,
                                struct err *err)
{
    struct file_fault *f = ctx;
    struct listing listing = { 0 };
    TRY(listing_take(f, path, &listing, err));
    enum err_code code = ERR_OK;
    for (size_t i = 0; i < listing.count && code == ERR_OK; i++) {
        code = fn(arg, listing.names[i], listing.are_dirs[i], err);
    }
    MUTEX_SCOPE(&f->lock);
    for (size_t i = 0; i < listing.count; i++) {
        fault_strfree(f, listing.names[i]);
    }
    fault_free(f, listing.names, listing.count * sizeof listing.names[0]);
    fault_free(f, listing.are_dirs, listing.count * sizeof listing.are_dirs[0]);
    return code;
}

static enum err_code fault_stat(void *ctx, const char *path, struct file_info *out, struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    struct call call = call_begin(f, FAULT_STAT, "cannot stat", path);
    struct inode *inode = NULL;
    int rc = call.os_errno == 0 ? path_lookup(f, path, &inode) : 0;
    TRY(call_end(&call, rc, err));
    *out = (struct file_info){ .size_bytes = inode->cur.size,
                               .mtime_ms = inode->mtime_ms,
                               .is_dir = inode->is_dir };
    return ERR_OK;
}

static enum err_code fault_space(void *ctx, const char *path, struct file_space *out,
                                 struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    struct call call = call_begin(f, FAULT_STAT, "cannot stat file system", path);
    TRY(call_end(&call, 0, err));
    uint64_t used = fault_used(f);
    *out = (struct file_space){ f->capacity, f->capacity > used ? f->capacity - used : 0 };
    return ERR_OK;
}

/* The lock is held: say by whom. */
static enum err_code fail_locked(const struct inode *inode, const char *path, struct err *err)
{
    char note[128];
    size_t n = content_read(&inode->cur, 0, note, sizeof note);
    return err_setf(err, ERR_BUSY, "locked by another process", "%s: " STR_FMT, path,
                    STR_ARG(str_trim((struct str){ note, n })));
}

static enum err_code fault_lock(void *ctx, const char *path, struct str note, struct file **out,
                                struct err *err)
{
    struct file_fault *f = ctx;
    MUTEX_SCOPE(&f->lock);
    struct call call = call_begin(f, FAULT_LOCK, "cannot lock file", path);
    struct inode *inode = NULL;
    int rc = 0;
    if (call.os_errno == 0) {
        rc = path_lookup(f, path, &inode);
        if (rc == 0 && inode->is_locked) return fail_locked(inode, path, err);
        rc = open_inode(f, path, FILE_TRUNCATE, &inode);
        if (rc == 0) inode_write(f, inode, 0, bytes_of_str(note), false);
    }
    TRY(call_end(&call, rc, err));
    *out = file_add(f, path, inode, true);
    (*out)->holds_lock = true;
    inode->is_locked = true;
    return ERR_OK;
}

void fault_calls_init(struct file_fault *f)
{
    f->layer = (struct file_layer){
        .ctx = f,
        .open = fault_open,
        .close = fault_close,
        .pread = fault_pread,
        .pwritev = fault_pwritev,
        .fdatasync = fault_fdatasync,
        .truncate = fault_truncate,
        .fallocate = fault_fallocate,
        .size = fault_size,
        .mmap_ro = fault_mmap_ro,
        .munmap = fault_munmap,
        .fsync_dir = fault_fsync_dir,
        .rename = fault_rename,
        .link = fault_link,
        .unlink = fault_unlink,
        .mkdir = fault_mkdir,
        .rmdir = fault_rmdir,
        .list = fault_list,
        .stat = fault_stat,
        .space = fault_space,
        .lock = fault_lock,
    };
}
