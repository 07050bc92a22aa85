/* SPDX-License-Identifier: Apache-2.0
 *
 * head_chunk - the open chunk of a series: make room, append, close.
 *
 * Rules     A chunk is closed when the next sample finds it with 120 samples (240 when the interval
 *           is 5 s or less), with more than 1024 bytes after that sample, or in an earlier block
 *           range. A closed chunk stays in its slab block and goes to the shard's queue for the
 *           chunk writer.
 * Order     chunk_make_room does everything that can fail, before the sample is logged;
 *           chunk_append cannot fail. So journal and head never disagree.
 * Threads   The shard's lock.
 * Source    storage-engine.md section 4.
 */
#ifndef PHAROS_METRICS_HEAD_CHUNK_H
#define PHAROS_METRICS_HEAD_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics/head/head_shard.h"

#define CHUNK_BYTES_MAX 1024u

/* The block range that the newest time fell into, so that most samples need no division. */
struct chunk_range {
    int64_t range_ms;
    int64_t start_ms, end_ms; /* [start, end); start == end: none yet */
};
/* Start of the block range that t lies in. */
int64_t block_start(int64_t ts_ms, int64_t range_ms);

/* Close and grow as needed for the sample (t, bits), t > last_t. False: no memory; the series is
 * unharmed but may have no open chunk any more. */
__attribute__((warn_unused_result)) bool chunk_make_room(struct head_shard *s, uint32_t slot,
                                                         struct chunk_range *range, int64_t t,
                                                         uint64_t bits);
/* Append the sample for which room was made; `epoch` of the journal record that holds it. */
void chunk_append(struct head_shard *s, struct series_hot *h, int64_t t, uint64_t bits,
                  uint32_t epoch);
/* Close the open chunk, if it has samples, and queue it. False: no memory, nothing has changed. */
__attribute__((warn_unused_result)) bool chunk_close(struct head_shard *s, uint32_t slot);
/* Forget the open chunk, if any. */
void chunk_drop(struct head_shard *s, struct series_hot *h);
/* Bytes of the open chunk; empty when there is none. Under the lock only. */
struct bytes chunk_open_bytes(const struct head_shard *s, const struct series_hot *h);

#endif
