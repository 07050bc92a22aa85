/* SPDX-License-Identifier: Apache-2.0
 *
 * replay_priv - restoring a head: shared by head_replay.c (files, threads) and replay_apply.c
 * (records of one shard).
 */
#ifndef PHAROS_METRICS_HEAD_REPLAY_PRIV_H
#define PHAROS_METRICS_HEAD_REPLAY_PRIV_H

#include "base/arena.h"
#include "metrics/head/head_priv.h"
#include "metrics/head/head_records.h"

/* Full chunks of one ref that were found in the files and wait for its SERIES record. */
struct scanned {
    int64_t maxt_ms;
    uint32_t newest; /* node; 0 = none (any more) */
    uint32_t zero;
};

/* Counts and times of one worker. */
struct replay_counts {
    uint64_t samples, skipped, unknown, dropped, damaged_records, chunks_missing;
    int64_t min_ms, max_ms;
};

/* What replay knows of one shard beside the shard itself. */
struct replay_shard {
    struct head *h;
    struct head_shard *s;
    uint32_t shard;
    struct paged scanned; /* by ref */
    /* refs that name a series which already had another ref: their cells go at the end */
    uint32_t *redirects;
    size_t redirect_count, redirect_cap;
    struct replay_counts counts;
    uint64_t queued;    /* bytes in the shard's queue after the last record */
    struct arena arena; /* of one record */
};

void replay_shard_init(struct replay_shard *r, struct head *h, uint32_t shard);
void replay_shard_deinit(struct replay_shard *r);
/* A good entry of a chunk file. ERR_NOMEM. */
CHECK_RESULT enum err_code replay_chunk(struct replay_shard *r, const struct head_file_entry *e,
                                        struct err *err);
/* A record of this shard, decompressed. Damaged ones are counted. ERR_NOMEM. */
CHECK_RESULT enum err_code replay_record(struct replay_shard *r, const struct journal_record *rec,
                                         struct err *err);
/* After the last record: give up what nobody claimed, complete the series. */
CHECK_RESULT enum err_code replay_finish(struct replay_shard *r, struct err *err);

#endif
