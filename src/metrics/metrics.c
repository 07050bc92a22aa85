/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/metrics.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "blobs/blobs_dir.h"
#include "journal/wal.h"
#include "metrics/bound_file.h"
#include "metrics/head/head_append.h"
#include "metrics/metrics_priv.h"

#define METRICS_MAGIC 0x4d455452u
#define BLOCK_RANGE_MS 7200000
#define FUTURE_LIMIT_MS 600000
#define SYNC_INTERVAL_MS 1000
#define SERIES_MAX 10000000u
#define EXEMPLARS_MAX 100000u

/* ---- open ---- */

/* Smallest power of two >= 2 * cores, 4 to 64. */
static uint8_t shards_log2(void)
{
    uint8_t log2 = 2;
    while (log2 < 6 && 1u << log2 < 2 * cpu_count())
        log2++;
    return log2;
}

static enum err_code lock_dir(struct metrics *m, const char *dir, struct err *err)
{
    char path[FILE_PATH_SIZE];
    char note[64];
    TRY(file_mkdirs(m->files, dir, err));
    TRY(file_join(path, dir, "LOCK", err));
    (void)snprintf(note, sizeof note, "metrics engine\n");
    return m->files->lock(m->files->ctx, path, str_of_z(note), &m->lock_file, err);
}

static enum err_code open_journal(struct metrics *m, const struct metrics_options *o,
                                  struct err *err)
{
    char path[FILE_PATH_SIZE];
    TRY(file_join(path, o->dir, "wal", err));
    int64_t interval = o->sync_interval_ms != 0 ? o->sync_interval_ms : SYNC_INTERVAL_MS;
    struct wal_options wal = { .files = o->files,
                               .clock = o->clock,
                               .mem = o->mem,
                               .log = o->log,
                               .dir = path,
                               .mode = o->durability,
                               .identity = { clock_random_u64(o->clock), shards_log2() },
                               .sync_interval_ns = (uint64_t)interval * 1000000,
                               .segment_bytes = o->sizes.wal_segment_bytes,
                               .ring_bytes = o->sizes.wal_ring_bytes,
                               .preallocate_bytes = o->sizes.wal_preallocate_bytes,
                               .retry_min_ns = o->sizes.wal_retry_min_ns };
    return wal_open(&wal, &m->journal, err);
}

static enum err_code open_blocks(struct metrics *m, const struct metrics_options *o,
                                 struct err *err)
{
    char path[FILE_PATH_SIZE];
    TRY(file_join(path, o->dir, "blocks", err));
    TRY(blobs_dir_create(o->files, mem_source_of(o->mem, MEM_CACHE), path, &m->blobs, err));
    return block_set_create(m->blobs, o->mem, o->log, &m->blocks, err);
}

/* Where the head begins: behind the newest block, and behind those that are gone. */
static enum err_code find_bound(struct metrics *m, int64_t *out_ms, struct err *err)
{
    int64_t bound = INT64_MIN;
    struct err why = { 0 };
    enum err_code rc = bound_file_read(m->files, m->dir, &bound, &why);
    if (rc == ERR_CORRUPT) {
        log_error(&m->log, "damaged file ignored, the blocks tell where the head begins",
                  LOG_ERR(&why));
    } else if (rc != ERR_OK && rc != ERR_NOTFOUND) {
        if (err != NULL) *err = why;
        return rc;
    }
    /* A process that was killed may not have synced the name. If that fails it is written again. */
    bool is_durable = rc == ERR_OK && m->files->fsync_dir(m->files->ctx, m->dir, &why) == ERR_OK;
    m->bound_ms = is_durable ? bound : INT64_MIN;
    int64_t end = blocks_maxt(m);
    *out_ms = bound > end ? bound : end;
    return ERR_OK;
}

static enum err_code open_head(struct metrics *m, const struct metrics_options *o, struct err *err)
{
    char path[FILE_PATH_SIZE];
    int64_t mint = INT64_MIN;
    TRY(file_join(path, o->dir, "head", err));
    TRY(find_bound(m, &mint, err));
    struct head_options head = { .files = o->files,
                                 .clock = o->clock,
                                 .mem = o->mem,
                                 .log = o->log,
                                 .dir = path,
                                 .journal = m->journal,
                                 .block_range_ms = m->block_range_ms,
                                 .future_limit_ms =
                                     o->future_limit_ms != 0 ? o->future_limit_ms : FUTURE_LIMIT_MS,
                                 .series_max = o->series_max != 0 ? o->series_max : SERIES_MAX,
                                 .exemplars_max =
                                     o->exemplars_max != 0 ? o->exemplars_max : EXEMPLARS_MAX,
                                 .mint_ms = mint,
                                 .file_bytes = o->sizes.head_file_bytes };
    return head_create(&head, &m->head, err);
}

/* Before the replay, which fills the index. */
static enum err_code open_index(struct metrics *m, struct err *err)
{
    struct head_listener listener;
    TRY(head_index_create(m->mem, &m->index, err));
    head_index_attach(m->index, m->head, &listener);
    head_set_listener(m->head, &listener);
    m->select = (struct select_store){ .head = m->head,
                                       .index = m->index,
                                       .blocks = m->blocks,
                                       .mem = m->mem,
                                       .clock = m->clock,
                                       .hash_seed = clock_random_u64(m->clock) };
    return ERR_OK;
}

static enum err_code open_parts(struct metrics *m, const struct metrics_options *o,
                                void (*progress)(void *arg, double done), void *arg,
                                struct err *err)
{
    if (m->block_range_ms % 1000 != 0 || m->block_range_ms < 0)
        return err_set(err, ERR_INVALID, "the block range must be whole seconds");
    if (strlen(o->dir) >= sizeof m->dir) return err_set(err, ERR_LIMIT, "path too long");
    (void)str_z(str_of_z(o->dir), m->dir, sizeof m->dir);
    TRY(lock_dir(m, o->dir, err));
    TRY(open_blocks(m, o, err));
    TRY(open_journal(m, o, err));
    TRY(open_head(m, o, err));
    TRY(open_index(m, err));
    TRY(head_replay(m->head, progress, arg, err));
    return o->without_maintenance ? ERR_OK : maintain_start(m, err);
}

static enum err_code close_parts(struct metrics *m, struct err *err)
{
    maintain_stop(m);
    if (m->head != NULL) head_stop(m->head);
    enum err_code rc = journal_close(m->journal, err);
    head_destroy(m->head);
    head_index_destroy(m->index);
    block_set_destroy(m->blocks);
    if (m->blobs != NULL) blobs_destroy(m->blobs);
    if (m->lock_file != NULL) {
        struct err ignored = { 0 };
        enum err_code lock_rc = m->files->close(m->files->ctx, m->lock_file, &ignored);
        if (rc == ERR_OK && lock_rc != ERR_OK) rc = lock_rc;
    }
    cond_deinit(&m->wake);
    mutex_deinit(&m->wake_lock);
    mutex_deinit(&m->maintain_lock);
    m->magic = 0;
    mem_free(m->mem, MEM_HEAD, m, sizeof *m);
    return rc;
}

enum err_code metrics_open(const struct metrics_options *options,
                           void (*progress)(void *arg, double done), void *arg,
                           struct metrics **out, struct err *err)
{
    struct metrics *m = mem_zalloc(options->mem, MEM_HEAD, sizeof *m);
    if (m == NULL) return err_set(err, ERR_NOMEM, "no memory for the metrics engine");
    m->magic = METRICS_MAGIC;
    m->files = options->files;
    m->clock = options->clock;
    m->mem = options->mem;
    m->log = (struct log){ options->log, "metrics" };
    m->block_range_ms = options->block_range_ms != 0 ? options->block_range_ms : BLOCK_RANGE_MS;
    m->retention_ms = options->retention_ms;
    m->retention_bytes = options->retention_bytes;
    mutex_init(&m->maintain_lock);
    mutex_init(&m->wake_lock);
    cond_init(&m->wake);
    enum err_code rc = open_parts(m, options, progress, arg, err);
    if (rc != ERR_OK) {
        struct err ignored = { 0 };
        if (close_parts(m, &ignored) != ERR_OK) return rc;
        return rc;
    }
    *out = m;
    return ERR_OK;
}

enum err_code metrics_close(struct metrics *m, struct err *err)
{
    if (m == NULL) return ERR_OK;
    ASSERT(m->magic == METRICS_MAGIC);
    return close_parts(m, err);
}

/* ---- append ---- */

enum err_code metrics_append(struct metrics *m, struct batch *batch, struct append_result *out,
                             struct err *err)
{
    ASSERT(m->magic == METRICS_MAGIC);
    if (mem_level(m->mem) == MEM_RED) {
        stat_add(&m->stats.appends_refused, 1);
        *out = (struct append_result){ 0 };
        return err_set(err, ERR_NOMEM, "out of memory");
    }
    enum err_code rc = head_append(m->head, batch, out, err);
    if (rc == ERR_OK) return ERR_OK;
    stat_add(&m->stats.appends_refused, 1);
    /* Whatever it was, nothing may be acknowledged and the sender should come again. */
    return rc == ERR_IO || rc == ERR_NOMEM ? rc : ERR_BUSY;
}

void metrics_notify(struct metrics *m, struct journal_waiter *w)
{
    journal_notify(m->journal, w);
}

/* ---- status ---- */

static const struct stat_desc ENGINE_STATS[] = {
    STAT_GAUGE(struct engine_stats, blocks, "pharos_storage_blocks", "Blocks on disk."),
    STAT_GAUGE(struct engine_stats, block_bytes, "pharos_storage_block_bytes",
               "Size of the blocks on disk."),
    STAT_GAUGE(struct engine_stats, blocks_waiting, "pharos_storage_blocks_waiting",
               "Blocks that cannot be opened for now and are tried again; queries miss them."),
    STAT_GAUGE(struct engine_stats, blocks_quarantined, "pharos_storage_blocks_quarantined",
               "Damaged blocks that were set aside; queries miss them."),
    STAT_COUNTER(struct engine_stats, block_open_retries, "pharos_storage_block_open_retries_total",
                 "Attempts to open blocks that could not be opened before."),
    STAT_COUNTER(struct engine_stats, cuts, "pharos_storage_head_cuts_total",
                 "Blocks cut from the head."),
    STAT_COUNTER(struct engine_stats, cut_errors, "pharos_storage_head_cut_errors_total",
                 "Cuts that failed; they are tried again."),
    STAT_COUNTER(struct engine_stats, cut_series, "pharos_storage_head_cut_series_total",
                 "Series written by cuts."),
    STAT_COUNTER(struct engine_stats, cut_samples, "pharos_storage_head_cut_samples_total",
                 "Samples written by cuts."),
    STAT_COUNTER(struct engine_stats, retention_dropped,
                 "pharos_storage_retention_dropped_blocks_total", "Blocks dropped by retention."),
    STAT_COUNTER(struct engine_stats, retention_errors, "pharos_storage_retention_errors_total",
                 "Retention runs that failed."),
    STAT_COUNTER(struct engine_stats, appends_refused, "pharos_storage_appends_refused_total",
                 "Batches refused as a whole: memory or journal under pressure, disk failure."),
    STAT_HISTOGRAM(struct engine_stats, cut, "pharos_storage_head_cut_duration_seconds",
                   "Time to cut one block from the head."),
};

enum err_code metrics_metadata(struct metrics *m, struct arena *a, struct metadata **out,
                               size_t *out_count, struct err *err)
{
    return head_metadata(m->head, a, out, out_count, err);
}

/* A number of a part's telemetry by its name, for parts behind a seam; 0 when it has none. */
static uint64_t stat_named(struct stat_table t, const char *name)
{
    for (size_t i = 0; i < t.desc_count; i++) {
        const struct stat_desc *d = &t.descs[i];
        const uint8_t *cell = (const uint8_t *)t.cells + d->offset;
        if (strcmp(d->name, name) != 0) continue;
        if (d->kind == STAT_KIND_COUNTER) return stat_get((const void *)cell);
        int64_t v = d->kind == STAT_KIND_GAUGE ? stat_gauge_get((const void *)cell) : 0;
        return v > 0 ? (uint64_t)v : 0;
    }
    return 0;
}

uint64_t journal_size_bytes(struct metrics *m)
{
    return stat_named(journal_stats(m->journal), "pharos_wal_size_bytes");
}

uint64_t metrics_corruptions(struct metrics *m)
{
    return stat_named(journal_stats(m->journal), "pharos_wal_corruptions_total") +
           stat_named(head_stats(m->head), "pharos_head_files_damaged_total");
}

void metrics_status(struct metrics *m, struct metrics_status *out)
{
    struct head_status head;
    head_status(m->head, &head);
    const struct block_list *list = block_set_get(m->blocks);
    size_t blocks = list->len;
    block_set_put(m->blocks, list);
    *out = (struct metrics_status){ .series = head.series,
                                    .chunks = head.open_chunks + head.full_chunks,
                                    .label_pairs = head.pairs,
                                    .head_mint_ms = head_first_ms(m->head),
                                    .head_maxt_ms = head_maxt_ms(m->head),
                                    .blocks = blocks,
                                    .block_bytes = block_set_size_bytes(m->blocks),
                                    .wal_bytes = journal_size_bytes(m),
                                    .head_bytes = head.file_bytes,
                                    .is_poisoned = journal_is_poisoned(m->journal) };
}

size_t metrics_stat_tables(struct metrics *m, struct stat_table *out, size_t cap)
{
    const struct block_list *list = block_set_get(m->blocks);
    stat_set(&m->stats.blocks, (int64_t)list->len);
    block_set_put(m->blocks, list);
    stat_set(&m->stats.block_bytes, (int64_t)block_set_size_bytes(m->blocks));
    struct unserved_sum unserved = block_set_unserved(m->blocks);
    stat_set(&m->stats.blocks_waiting, (int64_t)unserved.waiting);
    stat_set(&m->stats.blocks_quarantined, (int64_t)unserved.quarantined);
    size_t n = 0;
    if (n < cap) out[n++] = head_stats(m->head);
    if (n < cap) out[n++] = journal_stats(m->journal);
    if (n < cap) out[n++] = select_stat_table(&m->select);
    if (n < cap)
        out[n++] = (struct stat_table){ ENGINE_STATS, sizeof ENGINE_STATS / sizeof ENGINE_STATS[0],
                                        &m->stats };
    return n;
}
