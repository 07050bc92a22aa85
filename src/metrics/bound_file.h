/* SPDX-License-Identifier: Apache-2.0
 *
 * bound_file - where the head of a tenant begins, on disk: the file metrics/bound.
 *
 * Why       Samples before head_mint_ms are in blocks. At a start the end of the newest block tells
 *           where that is, unless retention has dropped every block, or the newest one cannot be
 *           opened. The journal and the head files still hold some of those samples, and would
 *           bring them back.
 * Format    BOUND_FILE_SIZE bytes, little endian:
 *
 *             offset size
 *             0      4    magic "PHBO" (0x4f424850)
 *             4      2    version 1
 *             6      2    0
 *             8      8    head_mint_ms, Unix milliseconds
 *             16     4    CRC-32C of bytes 0 to 15
 *
 * Rules     The value never falls. It is written after the block that it stands behind was
 *           published and before retention drops that block, by file_write_atomic: at any moment
 *           the disk has the file or a block that says the same. A damaged file is set right by the
 *           next write.
 * Threads   None of its own; one writer.
 */
#ifndef PHAROS_METRICS_BOUND_FILE_H
#define PHAROS_METRICS_BOUND_FILE_H

#include <stdint.h>

#include "base/err.h"
#include "os/file_layer.h"

#define BOUND_FILE_NAME "bound"
#define BOUND_FILE_SIZE 20u

/* The bound in `dir`. ERR_NOTFOUND: none was written yet. ERR_CORRUPT; ERR_UNSUPPORTED: a newer
 * version; ERR_IO. */
CHECK_RESULT enum err_code bound_file_read(const struct file_layer *files, const char *dir,
                                           int64_t *out_ms, struct err *err);
/* Durable when it returns ERR_OK; otherwise the old one stays. ERR_IO, ERR_LIMIT. */
CHECK_RESULT enum err_code bound_file_write(const struct file_layer *files, const char *dir,
                                            int64_t bound_ms, struct err *err);

#endif
