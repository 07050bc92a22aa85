/* SPDX-License-Identifier: Apache-2.0
 *
 * wal_scan - reads one segment file record by record through a buffer of a few MiB.
 *
 *     wal_scan_init, wal_scan_open, wal_scan_header, wal_scan_next ..., wal_scan_close
 * A payload points into the buffer; it is valid until wal_scan_fill is called.
 * Threads   One owner.
 * Failure   A read that fails is tried again. One that keeps failing ends the scan before the bad
 *           page, as damage would (WAL_PARSE_BAD), and stays in s->read_err: one unreadable sector
 *           must not prevent the start (wal_scan_disk_answers tells it from a disk that is gone). A
 *           file whose first bytes cannot be read is an error.
 */
#ifndef PHAROS_JOURNAL_WAL_SCAN_H
#define PHAROS_JOURNAL_WAL_SCAN_H

#include "journal/wal_segment.h"
#include "os/file_layer.h"

struct wal_scan {
    const struct file_layer *files;
    struct file *f;
    uint8_t *buffer; /* borrowed */
    size_t cap;
    uint64_t size;     /* of the file */
    uint64_t limit;    /* records end here or earlier; <= size */
    uint64_t offset;   /* file offset of the next record */
    size_t begin, end; /* buffer[begin, end) = file bytes from `offset` on */
    struct err read_err;
};

/* `buffer` of `cap` bytes is borrowed by all scans until the next init. It must hold the largest
 * record, or the whole of each file that is scanned. */
void wal_scan_init(struct wal_scan *s, const struct file_layer *files, uint8_t *buffer, size_t cap);
/* Open `path` and read its first bytes; the scan starts at the header, limit = size. What open
 * returns; ERR_IO when the header cannot be read. */
CHECK_RESULT enum err_code wal_scan_open(struct wal_scan *s, const char *path, struct err *err);
/* Check and pass the header. False when it is not the header of segment `number`. */
CHECK_RESULT bool wal_scan_header(struct wal_scan *s, uint64_t number, struct err *err);
/* The next record; WAL_PARSE_MORE: call wal_scan_fill, then again. At END and BAD s->offset is
 * where the valid records end. */
enum wal_parse wal_scan_next(struct wal_scan *s, struct journal_record *out_rec);
/* Read on; earlier payloads become invalid. */
void wal_scan_fill(struct wal_scan *s);
/* Forget what was read and read again from s->offset: the bytes of a bad record may have been
 * right on the disk and wrong on their way. */
void wal_scan_again(struct wal_scan *s);
/* After a read error: can pages behind the bad one be read? Else it is not a sector that is bad,
 * the disk does not answer. */
bool wal_scan_disk_answers(const struct wal_scan *s);
/* s->read_err as a reason not to start: ERR_IO, with the path and what to do. */
enum err_code wal_scan_refuse(const struct wal_scan *s, const char *path, struct err *err);
/* Does the file end with the mark of an orderly close (wal_segment.h)? Then *out_offset is where
 * that stands and the records end. Before the first record is read. */
bool wal_scan_close_mark(struct wal_scan *s, const struct journal_identity *identity,
                         uint64_t *out_offset);
/* Bytes from s->offset up to the last one in the file that is not zero. Uses the buffer. */
uint64_t wal_scan_rest(struct wal_scan *s);
/* Behind a bad record at s->offset: is there a valid one later? Looks at every fourth byte of file
 * offsets [from, limit), from > s->offset; gives up, with false, after WAL_FIND_CRC_MAX bytes of
 * checksums. Uses the buffer; s->offset stays. */
#define WAL_FIND_CRC_MAX ((uint64_t)256 << 20)
bool wal_scan_find_later(struct wal_scan *s, uint64_t from, uint64_t limit, uint64_t *out_offset);
void wal_scan_close(struct wal_scan *s);

/* The first EPOCH of segment `number` at `path`. *out_found is false when the file is missing or
 * does not begin as it should; an error when that cannot be told. */
CHECK_RESULT enum err_code wal_scan_start(const struct file_layer *files, const char *path,
                                          uint64_t number, struct wal_epoch *out, bool *out_found,
                                          struct err *err);

#endif
