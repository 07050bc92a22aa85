/* SPDX-License-Identifier: Apache-2.0
 *
 * head_files - full chunks of the head on disk, mmapped.
 *
 * Format    <dir>/000001, 000002 ...: header u32 magic 0x43485048, u16 version 1, u16 0; entries,
 *           8-byte aligned:
 *             0  u32 len of the payload    4  u32 crc32c of all that follows
 *             8  u32 shard                12  u32 ref
 *            16  i64 mint                 24  i64 maxt
 *            32  u8 encoding (bit 7: out of order), 3 x 0
 *            36  payload
 *           An entry that fails its checks ends the file: it and what follows are cut off at start;
 *           the journal supplies those samples. A file without a good header is set aside as
 *           NNNNNN.damaged. What a scan has found is synced: its writer may have been killed.
 * Write     One write of many entries, one fdatasync, then the grown prefix is mapped anew. A
 *           file whose write or sync failed is never touched again; the next write begins a new
 *           one.
 * Threads   scan, write, drop: any thread, one at a time (own lock). head_files_locate: any thread
 *           inside an epoch guard.
 * Memory    MEM_HEAD; mappings are not charged.
 * Source    storage-engine.md section 6.4.
 */
#ifndef PHAROS_METRICS_HEAD_FILES_H
#define PHAROS_METRICS_HEAD_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "os/epoch.h"
#include "os/file_layer.h"
#include "os/log.h"
#include "os/mem.h"

#define HEAD_FILE_BYTES (128u << 20)
#define HEAD_FILE_ENTRY_BYTES 36u /* in front of the payload */
#define HEAD_FILES_MAX 4096u      /* at once */
#define HEAD_FILE_OUT_OF_ORDER 0x80u

struct head_files;

struct head_files_options {
    const struct file_layer *files;
    struct mem_budget *mem;
    struct epoch *epoch;
    const struct log *log;
    const char *dir;     /* created when missing */
    uint64_t file_bytes; /* 0 = HEAD_FILE_BYTES */
};

struct head_file_entry {
    uint32_t shard, ref;
    int64_t mint_ms, maxt_ms;
    uint8_t encoding;
    struct bytes payload;
    uint16_t file; /* where it lies: for head_files_chunk */
    uint32_t place;
};

CHECK_RESULT enum err_code head_files_create(const struct head_files_options *options,
                                             struct head_files **out, struct err *err);
void head_files_destroy(struct head_files *f);

/* What a scan found wrong. */
struct head_files_damage {
    uint64_t files, bytes; /* files that were cut, bytes cut off */
};
/* Read every entry of every file, in order; called once before the first write. */
CHECK_RESULT enum err_code head_files_scan(
    struct head_files *f,
    enum err_code (*fn)(void *arg, const struct head_file_entry *e, struct err *err), void *arg,
    struct head_files_damage *out_damage, struct err *err);

/* Append an entry to `out` (a buffer that began empty); returns its offset in the buffer. */
uint64_t head_file_entry_put(struct buf *out, const struct head_file_entry *e);
/* Write the entries of a buffer and make them durable and mapped. The entry at buffer offset o is
 * then at (*out_file, *out_place + o / 8). `maxt_ms`: newest time in the buffer. */
CHECK_RESULT enum err_code head_files_write(struct head_files *f, struct bytes entries,
                                            int64_t maxt_ms, uint16_t *out_file,
                                            uint32_t *out_place, struct err *err);

/* Where a chunk lies: its entry and what follows in the file; empty when there is none. Cheap;
 * asked under the lock that guards (file, place). Valid until the guard is left. */
struct bytes head_files_locate(const struct head_files *f, uint16_t file, uint32_t place);
/* Payload of a located entry, its crc checked; empty when it is damaged. */
struct bytes head_file_payload(struct bytes located);

/* Delete the files all of whose chunks are older than mint. */
void head_files_drop(struct head_files *f, int64_t mint_ms);
uint64_t head_files_size_bytes(const struct head_files *f);

#endif
