/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics - the time-series engine of one tenant: head, journal, blocks, as one object.
 *
 *     batch -> metrics_append -> journal ring + head chunks -> (answer when durable)
 *     head older than 1.5 x 2 h -> immutable block -> retention
 *     query -> metrics_source -> series merged over head and blocks
 *
 * Threads   append, source, notify, status: any thread. open/close: one. The engine owns a
 *           maintenance thread (head cut, checkpoint, retention, epoch collection) and the
 *           journal's threads.
 * Memory    MEM_HEAD, MEM_INDEX, MEM_CACHE, MEM_COMPACTION accounts of the budget.
 * Failure   A full or failing disk refuses appends (ERR_BUSY / ERR_IO) and keeps answering queries;
 *           it resumes by itself.
 */
#ifndef PHAROS_METRICS_METRICS_H
#define PHAROS_METRICS_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/stats.h"
#include "journal/journal.h"
#include "model/batch.h"
#include "model/source.h"
#include "os/clock.h"
#include "os/file_layer.h"
#include "os/log.h"
#include "os/mem.h"

struct metrics;

struct metrics_options {
    const struct file_layer *files;
    const struct clock *clock;
    struct mem_budget *mem;
    struct log_sink *log;
    const char *dir; /* data/<tenant>/metrics; created when missing */
    enum journal_mode durability;
    int64_t sync_interval_ms; /* JOURNAL_INTERVAL; 0 = 1000 */
    int64_t retention_ms;     /* 0 = keep */
    uint64_t retention_bytes; /* 0 = keep */
    int64_t block_range_ms;   /* 0 = 2 h */
    int64_t future_limit_ms;  /* samples later than now + this are out of bounds; 0 = 10 min */
    uint64_t series_max;      /* 0 = 10 M */
    uint32_t exemplars_max;   /* ring size; 0 = 100,000 */
    struct label_limits label_limits;
    bool without_maintenance; /* tests call metrics_maintain() themselves */
    /* Sizes, for tests; 0 = the value of the format (journal/wal.h, head_engine.h). */
    struct metrics_sizes {
        uint64_t wal_segment_bytes, wal_preallocate_bytes, wal_retry_min_ns, head_file_bytes;
        size_t wal_ring_bytes;
    } sizes;
};

/* Opens the store and replays the journal; blocks until ready. `progress`, when not NULL, is called
 * from this thread with 0..1. ERR_BUSY: data directory in use; ERR_CORRUPT only for what cannot be
 * set aside. */
CHECK_RESULT enum err_code metrics_open(const struct metrics_options *options,
                                        void (*progress)(void *arg, double done), void *arg,
                                        struct metrics **out, struct err *err);
/* Syncs the journal, stops the threads, frees all. NULL is a no-op. */
CHECK_RESULT enum err_code metrics_close(struct metrics *m, struct err *err);

/* Store a batch: every good sample is kept, bad ones are counted in *out and marked in the batch.
 * Returns ERR_OK also when samples were refused; ERR_NOMEM (memory is short), ERR_BUSY (the journal
 * is behind) and ERR_IO mean that nothing may be acknowledged and the sender should come again. The
 * call does not wait for the disk. */
CHECK_RESULT enum err_code metrics_append(struct metrics *m, struct batch *batch,
                                          struct append_result *out, struct err *err);
/* w->fn when w->position (append_result.position) is durable in the sense of `durability`. */
void metrics_notify(struct metrics *m, struct journal_waiter *w);

/* The query side; valid until close. */
struct source metrics_source(struct metrics *m);

/* Exemplars of the series that match, oldest first, texts in `a`. */
struct exemplar_series {
    struct labels labels;
    struct exemplar *exemplars;
    size_t count;
};
CHECK_RESULT enum err_code metrics_exemplars(struct metrics *m, const struct matchers *any_of,
                                             size_t any_of_count, int64_t mint_ms, int64_t maxt_ms,
                                             struct arena *a, struct exemplar_series **out,
                                             size_t *out_count, struct err *err);

/* What senders said about metric families (batch.metadata), ascending by family, texts in `a`. */
CHECK_RESULT enum err_code metrics_metadata(struct metrics *m, struct arena *a,
                                            struct metadata **out, size_t *out_count,
                                            struct err *err);

/* One round of what the maintenance thread does. */
CHECK_RESULT enum err_code metrics_maintain(struct metrics *m, struct err *err);
/* Cut the head into a block now up to `maxt_ms` (exclusive, block aligned). */
CHECK_RESULT enum err_code metrics_cut_head(struct metrics *m, int64_t maxt_ms, struct err *err);

struct metrics_status {
    uint64_t series, chunks, label_pairs;
    int64_t head_mint_ms, head_maxt_ms;
    uint64_t blocks, block_bytes, wal_bytes, head_bytes;
    bool is_poisoned; /* the journal refuses writes */
};
void metrics_status(struct metrics *m, struct metrics_status *out);
/* Damages met in the journal and in the chunk files of the head since start. */
uint64_t metrics_corruptions(struct metrics *m);

struct name_count {
    struct str name;
    uint64_t count;
};
struct metrics_cardinality { /* each sorted by count descending, at most `limit` rows */
    struct name_count *series_by_metric, *values_by_label, *bytes_by_label, *series_by_pair;
    size_t series_by_metric_count, values_by_label_count, bytes_by_label_count,
        series_by_pair_count;
};
CHECK_RESULT enum err_code metrics_cardinality(struct metrics *m, size_t limit, struct arena *a,
                                               struct metrics_cardinality *out, struct err *err);

/* Self-telemetry of engine and journal: appends up to `cap` tables to out, returns the number. */
size_t metrics_stat_tables(struct metrics *m, struct stat_table *out, size_t cap);

#endif
