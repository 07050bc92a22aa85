/* SPDX-License-Identifier: Apache-2.0
 *
 * head_stats - self-telemetry of the head.
 */
#ifndef PHAROS_METRICS_HEAD_STATS_H
#define PHAROS_METRICS_HEAD_STATS_H

#include "base/stats.h"
#include "model/batch.h"

struct head_stats {
    struct stat_gauge series, label_pairs, chunks_queued_bytes, file_bytes, alias_entries;
    struct stat_gauge min_time_s, max_time_s;
    struct stat_counter samples[BATCH_OUTCOME_COUNT];
    struct stat_counter series_created, series_removed, series_refused;
    struct stat_counter alias_misses, labels_decoded;
    struct stat_counter exemplars_stored, exemplars_refused;
    struct stat_counter chunks_closed, chunks_written, chunk_write_errors, durable_records_lost;
    struct stat_counter truncations, checkpoints, checkpoint_errors;
    struct stat_counter replay_samples, replay_skipped, replay_unknown, replay_damaged_records,
        replay_dropped, head_files_damaged, head_chunks_orphaned, head_chunks_missing;
    struct stat_histogram append;
};

extern const struct stat_desc HEAD_STATS[];
extern const size_t HEAD_STATS_COUNT;

#endif
