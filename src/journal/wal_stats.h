/* SPDX-License-Identifier: Apache-2.0
 *
 * wal_stats - self-telemetry of one WAL.
 */
#ifndef PHAROS_JOURNAL_WAL_STATS_H
#define PHAROS_JOURNAL_WAL_STATS_H

#include "base/stats.h"

struct wal_stats {
    struct stat_counter written_bytes, records, writes, syncs;
    struct stat_counter write_failures, sync_failures, recoveries;
    struct stat_counter ring_full_waits, ring_full_rejected, epoch_conflicts;
    struct stat_counter segments_created, checkpoints, checkpoint_failures, delete_failures;
    struct stat_counter replayed_records, replayed_bytes;
    struct stat_counter corruptions, lost_bytes, torn_tails, truncated_bytes;
    struct stat_gauge segments, size_bytes, damaged_segments;
    struct stat_gauge unsynced_bytes, durability_lag_ms, poisoned;
    struct stat_histogram sync_duration, write_duration;
};

#define WAL_STATS_COUNT 28
extern const struct stat_desc WAL_STATS[WAL_STATS_COUNT];

#endif
