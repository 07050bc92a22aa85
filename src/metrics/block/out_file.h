/* SPDX-License-Identifier: Apache-2.0
 *
 * out_file - a staged file written from front to back, with a running crc over sections.
 *
 * Errors are sticky: writes after a failure do nothing, out_file_finish reports the first one.
 * Memory    One buffer of OUT_FILE_BUFFER bytes from MEM_COMPACTION.
 * Threads   One owner.
 */
#ifndef PHAROS_METRICS_BLOCK_OUT_FILE_H
#define PHAROS_METRICS_BLOCK_OUT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "os/file_layer.h"
#include "os/mem.h"

#define OUT_FILE_BUFFER (256u << 10)

struct out_file {
    const struct file_layer *files;
    struct mem_budget *mem;
    struct file *file; /* NULL: not open */
    uint8_t *buffer;
    size_t buffered;
    uint64_t offset; /* of the next byte */
    uint32_t crc;    /* of the bytes since out_file_begin_section */
    uint64_t section_start;
    enum err_code code;
    struct err err;
};

/* Create "dir/name". */
CHECK_RESULT enum err_code out_file_open(struct out_file *f, const struct file_layer *files,
                                         struct mem_budget *mem, const char *dir, const char *name,
                                         struct err *err);
void out_file_put(struct out_file *f, const void *data, size_t size);
static inline void out_file_put_bytes(struct out_file *f, struct bytes b)
{
    out_file_put(f, b.ptr, b.len);
}
/* Zero bytes up to a multiple of `align`. */
void out_file_align(struct out_file *f, size_t align);
/* Start counting crc and length here. */
void out_file_begin_section(struct out_file *f);
/* Append the u32 crc of the section; *out_size = bytes without it. */
void out_file_end_section(struct out_file *f, uint64_t *out_offset, uint64_t *out_size);
/* The sticky error, if any. */
CHECK_RESULT enum err_code out_file_check(const struct out_file *f, struct err *err);
/* Flush, sync, close. */
CHECK_RESULT enum err_code out_file_finish(struct out_file *f, struct err *err);
/* Close without care. No-op when not open. */
void out_file_abort(struct out_file *f);

#endif
