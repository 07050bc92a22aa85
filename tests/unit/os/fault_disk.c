/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_disk.h"

#include <check.h>
#include <string.h>

struct file *open_file(struct file_fault *disk, const char *path, enum file_mode mode)
{
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    struct file *f = NULL;
    ck_assert_int_eq(l->open(l->ctx, path, mode, &f, &err), ERR_OK);
    return f;
}

enum err_code write_at(struct file_fault *disk, struct file *f, const char *text, uint64_t offset)
{
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    struct file_iovec iov = { text, strlen(text) };
    return l->pwritev(l->ctx, f, &iov, 1, offset, &err);
}

enum err_code sync_file(struct file_fault *disk, struct file *f)
{
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    return l->fdatasync(l->ctx, f, &err);
}

enum err_code sync_dir(struct file_fault *disk, const char *path)
{
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    return l->fsync_dir(l->ctx, path, &err);
}

enum err_code rename_file(struct file_fault *disk, const char *from, const char *to)
{
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    return l->rename(l->ctx, from, to, &err);
}

enum err_code close_file(struct file_fault *disk, struct file *f)
{
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    return l->close(l->ctx, f, &err);
}

void make_durable(struct file_fault *disk, const char *path, const char *text)
{
    struct file *f = open_file(disk, path, FILE_CREATE);
    ck_assert_int_eq(write_at(disk, f, text, 0), ERR_OK);
    ck_assert_int_eq(sync_file(disk, f), ERR_OK);
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    ck_assert_int_eq(sync_dir(disk, "/"), ERR_OK);
}

int64_t content_of(struct file_fault *disk, const char *path, char *out, size_t size)
{
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    struct file *f = NULL;
    enum err_code code = l->open(l->ctx, path, FILE_READ, &f, &err);
    if (code == ERR_NOTFOUND) return -1;
    ck_assert_int_eq(code, ERR_OK);
    size_t n;
    ck_assert_int_eq(l->pread(l->ctx, f, out, size - 1, 0, &n, &err), ERR_OK);
    out[n] = '\0';
    ck_assert_int_eq(l->close(l->ctx, f, &err), ERR_OK);
    return (int64_t)n;
}

bool exists(struct file_fault *disk, const char *path)
{
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    struct file_info info;
    return l->stat(l->ctx, path, &info, &err) == ERR_OK;
}
