/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/head_stats.h"

#define SAMPLES_NAME "pharos_head_samples_total"
#define SAMPLES_HELP "Samples offered to the head, by outcome."
#define SAMPLES(outcome, text)                                                                     \
    STAT_COUNTER_L(struct head_stats, samples[outcome], SAMPLES_NAME, "outcome=\"" text "\"",      \
                   SAMPLES_HELP)
#define COUNTER(field, name, help) STAT_COUNTER(struct head_stats, field, name, help)
#define GAUGE(field, name, help) STAT_GAUGE(struct head_stats, field, name, help)

const struct stat_desc HEAD_STATS[] = {
    GAUGE(series, "pharos_head_series", "Series in the head."),
    GAUGE(label_pairs, "pharos_head_label_pairs", "Distinct label pairs in the head."),
    GAUGE(alias_entries, "pharos_head_alias_entries", "Entries of the cache of raw label bytes."),
    GAUGE(chunks_queued_bytes, "pharos_head_chunks_queued_bytes",
          "Full chunks that wait to be written."),
    GAUGE(file_bytes, "pharos_head_file_bytes", "Size of the head chunk files."),
    GAUGE(min_time_s, "pharos_head_min_time_seconds", "Oldest sample of the head."),
    GAUGE(max_time_s, "pharos_head_max_time_seconds", "Newest sample of the head."),
    SAMPLES(BATCH_STORED, "stored"),
    SAMPLES(BATCH_DROPPED, "dropped"),
    SAMPLES(BATCH_INVALID_LABELS, "invalid_labels"),
    SAMPLES(BATCH_LIMIT, "limit"),
    SAMPLES(BATCH_NOMEM, "memory"),
    SAMPLES(BATCH_OUT_OF_ORDER, "out_of_order"),
    SAMPLES(BATCH_TOO_OLD, "too_old"),
    SAMPLES(BATCH_OUT_OF_BOUNDS, "out_of_bounds"),
    SAMPLES(BATCH_DUPLICATE, "duplicate"),
    COUNTER(series_created, "pharos_head_series_created_total", "Series created."),
    COUNTER(series_removed, "pharos_head_series_removed_total", "Series removed without samples."),
    COUNTER(series_refused, "pharos_head_series_refused_total",
            "New series refused by a limit or for lack of memory."),
    COUNTER(alias_misses, "pharos_head_alias_misses_total",
            "Series of batches that the alias cache did not know."),
    COUNTER(labels_decoded, "pharos_head_labels_decoded_total", "Label sets decoded."),
    COUNTER(exemplars_stored, "pharos_head_exemplars_stored_total", "Exemplars stored."),
    COUNTER(exemplars_refused, "pharos_head_exemplars_refused_total",
            "Exemplars refused (out of order, duplicate, too long, no series)."),
    COUNTER(chunks_closed, "pharos_head_chunks_closed_total", "Chunks closed."),
    COUNTER(chunks_written, "pharos_head_chunks_written_total",
            "Chunks made durable in head files."),
    COUNTER(chunk_write_errors, "pharos_head_chunk_write_errors_total",
            "Failed rounds of the chunk writer."),
    COUNTER(durable_records_lost, "pharos_head_durable_records_lost_total",
            "CHUNKS_DURABLE records that the journal did not take."),
    COUNTER(truncations, "pharos_head_truncations_total", "Times the head forgot old samples."),
    COUNTER(checkpoints, "pharos_head_checkpoints_total", "Checkpoints written."),
    COUNTER(checkpoint_errors, "pharos_head_checkpoint_errors_total", "Checkpoints that failed."),
    COUNTER(replay_samples, "pharos_head_replay_samples_total", "Samples restored by replay."),
    COUNTER(replay_skipped, "pharos_head_replay_skipped_total",
            "Samples in the journal that head files or blocks already had."),
    COUNTER(replay_unknown, "pharos_head_replay_unknown_total",
            "Samples in the journal whose series is not known any more."),
    COUNTER(replay_dropped, "pharos_head_replay_dropped_total",
            "Samples lost because the journal before them was damaged."),
    COUNTER(replay_damaged_records, "pharos_head_replay_damaged_records_total",
            "Journal records that could not be decoded."),
    COUNTER(head_files_damaged, "pharos_head_files_damaged_total",
            "Head chunk files cut at a damaged entry."),
    COUNTER(head_chunks_orphaned, "pharos_head_chunks_orphaned_total",
            "Chunks in head files whose series is not in the journal."),
    COUNTER(head_chunks_missing, "pharos_head_chunks_missing_total",
            "Chunks announced as durable but not found in the head files."),
    STAT_HISTOGRAM(struct head_stats, append, "pharos_head_append_duration_seconds",
                   "Time to append one batch."),
};
const size_t HEAD_STATS_COUNT = sizeof HEAD_STATS / sizeof HEAD_STATS[0];
