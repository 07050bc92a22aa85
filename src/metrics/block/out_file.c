/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/out_file.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"

enum err_code out_file_open(struct out_file *f, const struct file_layer *files,
                            struct mem_budget *mem, const char *dir, const char *name,
                            struct err *err)
{
    char path[FILE_PATH_SIZE];
    *f = (struct out_file){ .files = files, .mem = mem };
    TRY(file_join(path, dir, name, err));
    f->buffer = mem_alloc(mem, MEM_COMPACTION, OUT_FILE_BUFFER);
    if (!f->buffer) return err_set(err, ERR_NOMEM, "no memory to write a file");
    enum err_code code = files->open(files->ctx, path, FILE_CREATE, &f->file, err);
    if (code != ERR_OK) {
        f->file = NULL;
        out_file_abort(f);
    }
    return code;
}

static void flush(struct out_file *f)
{
    if (f->code != ERR_OK || f->buffered == 0) return;
    struct file_iovec iov = { f->buffer, f->buffered };
    f->code = f->files->pwritev(f->files->ctx, f->file, &iov, 1, f->offset - f->buffered, &f->err);
    f->buffered = 0;
}

void out_file_put(struct out_file *f, const void *data, size_t size)
{
    const uint8_t *src = data;
    f->crc = crc32c(f->crc, src, size);
    while (size > 0 && f->code == ERR_OK) {
        size_t room = OUT_FILE_BUFFER - f->buffered, n = size < room ? size : room;
        memcpy(f->buffer + f->buffered, src, n);
        f->buffered += n;
        f->offset += n;
        src += n;
        size -= n;
        if (f->buffered == OUT_FILE_BUFFER) flush(f);
    }
}

void out_file_align(struct out_file *f, size_t align)
{
    static const uint8_t zeros[64];
    ASSERT(align <= sizeof zeros);
    size_t over = (size_t)(f->offset % align);
    if (over > 0) out_file_put(f, zeros, align - over);
}

void out_file_begin_section(struct out_file *f)
{
    f->crc = 0;
    f->section_start = f->offset;
}

void out_file_end_section(struct out_file *f, uint64_t *out_offset, uint64_t *out_size)
{
    uint32_t crc = f->crc;
    *out_offset = f->section_start;
    *out_size = f->offset - f->section_start;
    out_file_put(f, &crc, sizeof crc);
}

enum err_code out_file_check(const struct out_file *f, struct err *err)
{
    if (f->code != ERR_OK && err) *err = f->err;
    return f->code;
}

enum err_code out_file_finish(struct out_file *f, struct err *err)
{
    flush(f);
    if (f->code == ERR_OK) f->code = f->files->fdatasync(f->files->ctx, f->file, &f->err);
    if (f->code == ERR_OK) {
        struct file *file = f->file;
        f->file = NULL;
        f->code = f->files->close(f->files->ctx, file, &f->err);
    }
    enum err_code code = out_file_check(f, err);
    out_file_abort(f);
    return code;
}

void out_file_abort(struct out_file *f)
{
    if (f->file) (void)f->files->close(f->files->ctx, f->file, NULL);
    if (f->buffer) mem_free(f->mem, MEM_COMPACTION, f->buffer, OUT_FILE_BUFFER);
    f->file = NULL;
    f->buffer = NULL;
}
