/* SPDX-License-Identifier: Apache-2.0
 *
 * request_file - remote-write requests made before the clock starts: one file, read through a mapping.
 *
 * Format    "PHRW0001", then records: u32 payload bytes | u32 samples | u32 round | u32 slot |
 *           payload (snappy block of a WriteRequest), all little endian. Round = which 15 s step;
 *           slot = which series: slot s has the same series in all rounds.
 */
#ifndef PHAROS_BENCH_LOAD_REQUEST_FILE_H
#define PHAROS_BENCH_LOAD_REQUEST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_FILE_MAGIC "PHRW0001"

struct request_header {
    uint32_t bytes, samples, round, slot;
};
_Static_assert(sizeof(struct request_header) == 16, "file format");

struct encode_options {
    int64_t series, rounds, batch, start_ms, interval_ms, seed;
    int64_t
        spread_ms; /* instance i sends its samples (i * 7919) % spread_ms later; 0: all at once */
    bool is_hard;
    const char *metric, *path;
};
void request_file_write(const struct encode_options *o);

struct request {
    struct request_header header;
    const uint8_t *payload;
};
struct request_file {
    struct request *requests; /* by (round, slot) */
    size_t count;
};
void request_file_open(const char *path, struct request_file *out);

#endif
