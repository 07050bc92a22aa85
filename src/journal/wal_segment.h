/* SPDX-License-Identifier: Apache-2.0
 *
 * wal_segment - the bytes of a WAL segment: header, record frames, EPOCH records, file names.
 *
 * Format (little endian)
 *     offset size  header
 *      0     4     magic 0x4C574850 ("PHWL")
 *      4     2     version 1
 *      6     2     flags 0
 *      8     8     segment number
 *     offset size  record, 4-byte aligned, zero padded
 *      0     4     len: payload bytes, 1 .. 64 MiB by format; written and accepted here: 1 MiB
 *      4     4     crc: CRC-32C of all that follows up to the end of the payload
 *      8     1     type
 *      9     1     flags (journal.h)
 *     10     2     format: 0 for types below 0x20, 1 for the self-contained BATCH types
 *     12     len   payload
 *     offset size  payload of type 9, EPOCH
 *      0     8     hash seed
 *      8     1     log2 of the number of shards
 *      9     1     flags: bit 0 = continues the previous epoch
 *     10     2     0
 *     12     4     valid bytes of the previous segment, 0 if there is none; in the mark of an
 *                  orderly close, which is the last record of a file: its own offset
 * A record never crosses a segment; len 0 (zeros of preallocation) means "no more records".
 *
 * Threads   None, pure functions.
 * Source    spec: storage-engine.md section 5.
 */
#ifndef PHAROS_JOURNAL_WAL_SEGMENT_H
#define PHAROS_JOURNAL_WAL_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "journal/journal.h"

#define WAL_MAGIC 0x4C574850u
#define WAL_VERSION 1u
#define WAL_HEADER_BYTES 16u
#define WAL_EPOCH_PAYLOAD_BYTES 16u
#define WAL_EPOCH_BYTES (JOURNAL_FRAME_BYTES + WAL_EPOCH_PAYLOAD_BYTES)
/* Where the first record behind the EPOCH starts. */
#define WAL_START_BYTES (WAL_HEADER_BYTES + WAL_EPOCH_BYTES)
#define WAL_SEGMENT_BYTES (128u << 20)
#define WAL_BATCH_TYPE_MIN 0x20u

struct wal_epoch {
    struct journal_identity identity;
    bool continues;
    uint32_t previous_bytes;
};

void wal_header_encode(uint64_t number, uint8_t out[WAL_HEADER_BYTES]);
/* ERR_CORRUPT with the reason when these are not the first bytes of segment `number`. */
CHECK_RESULT enum err_code wal_header_decode(struct bytes in, uint64_t number, struct err *err);

/* The 12 bytes before the payload. */
void wal_frame_encode(const struct journal_record *rec, uint8_t out[JOURNAL_FRAME_BYTES]);
/* A whole EPOCH record. */
void wal_epoch_encode(const struct wal_epoch *epoch, uint8_t out[WAL_EPOCH_BYTES]);
/* False when the payload is no EPOCH of this version. */
bool wal_epoch_decode(struct bytes payload, struct wal_epoch *out);

enum wal_parse {
    WAL_PARSE_RECORD, /* *out_rec and *out_bytes are set */
    WAL_PARSE_MORE,   /* the record goes on behind `in`; *out_bytes = bytes needed */
    WAL_PARSE_END,    /* len 0, or no room for a frame: no more records */
    WAL_PARSE_BAD     /* len too large, unknown format or wrong crc */
};
/* Read the record at the start of `in`; `left` (>= in.len) are the bytes up to the end of the
 * segment. out_rec->payload points into `in`. */
enum wal_parse wal_record_parse(struct bytes in, uint64_t left, struct journal_record *out_rec,
                                size_t *out_bytes);

/* Names: 8 decimal digits, "00000017". */
#define WAL_NAME_SIZE 40
#define WAL_NUMBER_MAX 99999999u
/* prefix + number + suffix, NUL-terminated. */
void wal_name(char out[WAL_NAME_SIZE], const char *prefix, uint64_t number, const char *suffix);
/* Is `name` prefix + 8 digits, nothing else? */
bool wal_name_parse(const char *name, const char *prefix, uint64_t *out_number);

#endif
