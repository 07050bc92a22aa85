/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/bound_file.h"

#include "base/crc32c.h"
#include "base/rd.h"

#define BOUND_MAGIC 0x4f424850u
#define BOUND_VERSION 1
#define CRC_OFFSET 16u

static enum err_code damaged(const char *path, const char *what, struct err *err)
{
    return err_setf(err, ERR_CORRUPT, "damaged lower bound of the head", "%.400s: %s", path, what);
}

/* The file's bytes, and one more if there are more. */
static enum err_code read_file(const struct file_layer *files, const char *path,
                               uint8_t bytes[BOUND_FILE_SIZE + 1], size_t *out_size,
                               struct err *err)
{
    struct file *f = NULL;
    TRY(files->open(files->ctx, path, FILE_READ, &f, err));
    enum err_code rc = files->pread(files->ctx, f, bytes, BOUND_FILE_SIZE + 1, 0, out_size, err);
    struct err ignored = { 0 };
    enum err_code close_rc = files->close(files->ctx, f, &ignored);
    (void)close_rc; /* nothing was written */
    return rc;
}

enum err_code bound_file_read(const struct file_layer *files, const char *dir, int64_t *out_ms,
                              struct err *err)
{
    char path[FILE_PATH_SIZE];
    uint8_t bytes[BOUND_FILE_SIZE + 1];
    size_t size = 0;
    TRY(file_join(path, dir, BOUND_FILE_NAME, err));
    TRY(read_file(files, path, bytes, &size, err));
    if (size != BOUND_FILE_SIZE) return damaged(path, "size", err);
    struct rd r = rd_of((struct bytes){ bytes, size });
    if (rd_u32le(&r) != BOUND_MAGIC) return damaged(path, "offset 0: magic", err);
    uint16_t version = rd_u16le(&r);
    uint16_t zero = rd_u16le(&r);
    int64_t bound_ms = (int64_t)rd_u64le(&r);
    if (rd_u32le(&r) != crc32c(0, bytes, CRC_OFFSET)) return damaged(path, "checksum", err);
    if (version != BOUND_VERSION || zero != 0)
        return err_setf(err, ERR_UNSUPPORTED, "lower bound of the head: unknown version",
                        "%.400s: %u", path, version);
    *out_ms = bound_ms;
    return ERR_OK;
}

static void put_le(uint8_t *dst, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (uint8_t)(v >> 8 * i);
}

enum err_code bound_file_write(const struct file_layer *files, const char *dir, int64_t bound_ms,
                               struct err *err)
{
    char path[FILE_PATH_SIZE];
    uint8_t bytes[BOUND_FILE_SIZE] = { 0 };
    put_le(bytes, BOUND_MAGIC, 4);
    put_le(bytes + 4, BOUND_VERSION, 2);
    put_le(bytes + 8, (uint64_t)bound_ms, 8);
    put_le(bytes + CRC_OFFSET, crc32c(0, bytes, CRC_OFFSET), 4);
    TRY(file_join(path, dir, BOUND_FILE_NAME, err));
    return file_write_atomic(files, path, (struct bytes){ bytes, sizeof bytes }, err);
}
