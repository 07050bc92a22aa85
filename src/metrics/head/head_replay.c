/* SPDX-License-Identifier: Apache-2.0
 *
 * Restoring a head: the chunk files are scanned, then the journal is read by the calling thread,
 * which hands each record to the worker of its shard. A worker owns every n-th shard, so that the
 * records of a shard are applied in order. The chunk writer runs meanwhile: a journal longer than
 * memory flows through to the head files.
 */
#include <string.h>

#include "base/assert.h"
#include "metrics/head/checkpoint.h"
#include "metrics/head/replay_priv.h"

#define WORKERS_MAX 16u
#define QUEUE_RECORDS 1024u
#define RAW_BYTES_MAX ((uint32_t)64 << 20)
#define RAW_ARENA_BYTES_MAX ((size_t)512 << 20)

struct replay;

struct worker {
    struct replay *replay;
    struct thread thread;
    struct mutex lock;
    struct cond filled, drained;
    /* guarded by lock */
    struct {
        struct journal_record rec;
        uint32_t shard;
    } queue[QUEUE_RECORDS];
    size_t first, count; /* the first is being worked on */
    bool is_ending;
    struct err err;
};

struct replay {
    struct head *h;
    struct replay_shard *shards;
    struct worker *workers;
    unsigned worker_count, started;
    struct arena raw; /* decompressed payloads until the next release */
    struct zstd_decoder *zstd;
    uint64_t position; /* end of the record before */
    uint64_t damaged_records;
    void (*progress)(void *arg, double done);
    void *progress_arg;
};

/* ---- workers ---- */

static void worker_main(void *arg)
{
    struct worker *w = arg;
    mutex_lock(&w->lock);
    for (;;) {
        while (w->count == 0 && !w->is_ending)
            cond_wait(&w->filled, &w->lock);
        if (w->count == 0) break;
        size_t n = w->count;
        size_t first = w->first;
        bool is_failed = w->err.code != ERR_OK;
        mutex_unlock(&w->lock);
        struct err err = { 0 };
        for (size_t i = 0; i < n && !is_failed; i++) {
            size_t at = (first + i) % QUEUE_RECORDS;
            struct replay_shard *shard = &w->replay->shards[w->queue[at].shard];
            is_failed = replay_record(shard, &w->queue[at].rec, &err) != ERR_OK;
        }
        mutex_lock(&w->lock);
        if (err.code != ERR_OK) w->err = err;
        w->first = (first + n) % QUEUE_RECORDS;
        w->count -= n;
        cond_signal(&w->drained);
    }
    mutex_unlock(&w->lock);
}

static enum err_code worker_give(struct worker *w, uint32_t shard, const struct journal_record *rec,
                                 struct err *err)
{
    MUTEX_SCOPE(&w->lock);
    while (w->count == QUEUE_RECORDS)
        cond_wait(&w->drained, &w->lock);
    if (w->err.code != ERR_OK) {
        *err = w->err;
        return err->code;
    }
    size_t at = (w->first + w->count) % QUEUE_RECORDS;
    w->queue[at].rec = *rec;
    w->queue[at].shard = shard;
    if (w->count++ == 0) cond_signal(&w->filled);
    return ERR_OK;
}

static enum err_code worker_drain(struct worker *w, struct err *err)
{
    MUTEX_SCOPE(&w->lock);
    while (w->count > 0)
        cond_wait(&w->drained, &w->lock);
    if (w->err.code == ERR_OK) return ERR_OK;
    *err = w->err;
    return err->code;
}

static enum err_code workers_start(struct replay *r, struct err *err)
{
    for (unsigned i = 0; i < r->worker_count; i++) {
        struct worker *w = &r->workers[i];
        w->replay = r;
        mutex_init(&w->lock);
        cond_init(&w->filled);
        cond_init(&w->drained);
        r->started = i + 1;
        TRY(thread_start(&w->thread, "ph-replay", worker_main, w, err));
    }
    return ERR_OK;
}

static void workers_stop(struct replay *r)
{
    for (unsigned i = 0; i < r->started; i++) {
        struct worker *w = &r->workers[i];
        mutex_lock(&w->lock);
        w->is_ending = true;
        cond_signal(&w->filled);
        mutex_unlock(&w->lock);
        thread_join(&w->thread);
        cond_deinit(&w->drained);
        cond_deinit(&w->filled);
        mutex_deinit(&w->lock);
    }
    r->started = 0;
}

/* ---- records ---- */

/* The payload as it was before compression, good until the next release. */
static enum err_code unpack(struct replay *r, struct journal_record *rec, struct err *err)
{
    if (!(rec->flags & JOURNAL_FLAG_ZSTD)) return ERR_OK;
    struct rd rd = rd_of(rec->payload);
    uint32_t size = rd_u32le(&rd);
    if (!rd_ok(&rd) || size == 0 || size > RAW_BYTES_MAX)
        return err_set(err, ERR_CORRUPT, "impossible size of a compressed record");
    uint8_t *raw = arena_array_raw(&r->raw, uint8_t, size);
    if (raw == NULL) return err_set(err, ERR_NOMEM, "no memory to replay the journal");
    struct bytes packed = { rd.pos, rd_left(&rd) };
    TRY(zstd_decode_exact(r->zstd, packed, raw, size, err));
    rec->payload = (struct bytes){ raw, size };
    return ERR_OK;
}

static void replay_metadata(struct replay *r, struct bytes payload)
{
    struct rd rd = rd_of(payload);
    struct metadata m;
    while (record_metadata_next(&rd, &m))
        (void)metadata_table_set(&r->h->metadata, &m);
    if (!rd_ok(&rd)) r->damaged_records++;
}

static enum err_code on_record(void *arg, const struct journal_record *record, struct err *err)
{
    struct replay *r = arg;
    struct journal_record rec = *record;
    checkpoint_note_epoch(r->h->checkpoints, rec.epoch, r->position);
    r->position = rec.position;
    struct err why = { 0 };
    enum err_code rc = unpack(r, &rec, &why);
    uint32_t shard = 0;
    if (rc == ERR_NOMEM) {
        *err = why;
        return rc;
    }
    if (rc == ERR_OK && rec.type == JOURNAL_METADATA) {
        replay_metadata(r, rec.payload);
        return ERR_OK;
    }
    if (rc != ERR_OK || !record_shard(rec.payload, &shard) || shard >= r->h->shard_count) {
        r->damaged_records++;
        return ERR_OK;
    }
    return worker_give(&r->workers[shard % r->worker_count], shard, &rec, err);
}

static enum err_code on_release(void *arg, double done, struct err *err)
{
    struct replay *r = arg;
    enum err_code rc = ERR_OK;
    for (unsigned i = 0; i < r->worker_count; i++) { /* all of them: the payloads go now */
        struct err own = { 0 };
        enum err_code worker_rc = worker_drain(&r->workers[i], &own);
        if (worker_rc == ERR_OK || rc != ERR_OK) continue;
        rc = worker_rc;
        *err = own;
    }
    TRY(rc);
    arena_reset(&r->raw);
    if (r->progress != NULL) r->progress(r->progress_arg, done);
    return ERR_OK;
}

static enum err_code on_entry(void *arg, const struct head_file_entry *e, struct err *err)
{
    struct replay *r = arg;
    if (e->shard >= r->h->shard_count || e->encoding != HX_ENCODING) return ERR_OK;
    return replay_chunk(&r->shards[e->shard], e, err);
}

/* ---- whole ---- */

static enum err_code prepare(struct replay *r, struct err *err)
{
    struct head *h = r->h;
    r->worker_count = h->replay_threads != 0 ? h->replay_threads : cpu_count();
    if (r->worker_count > WORKERS_MAX) r->worker_count = WORKERS_MAX;
    if (r->worker_count > h->shard_count) r->worker_count = h->shard_count;
    r->shards = mem_zalloc(h->mem, MEM_COMPACTION, h->shard_count * sizeof *r->shards);
    r->workers = mem_zalloc(h->mem, MEM_COMPACTION, r->worker_count * sizeof *r->workers);
    if (r->shards == NULL || r->workers == NULL)
        return err_set(err, ERR_NOMEM, "no memory to replay the journal");
    for (uint32_t i = 0; i < h->shard_count; i++)
        replay_shard_init(&r->shards[i], h, i);
    arena_init(&r->raw, mem_source_of(h->mem, MEM_COMPACTION), RAW_ARENA_BYTES_MAX);
    return zstd_decoder_create(h->mem, MEM_COMPACTION, &r->zstd, err);
}

static void clean_up(struct replay *r)
{
    struct head *h = r->h;
    workers_stop(r);
    for (uint32_t i = 0; r->shards != NULL && i < h->shard_count; i++)
        if (r->shards[i].h != NULL) replay_shard_deinit(&r->shards[i]);
    zstd_decoder_destroy(r->zstd);
    if (r->raw.mem != NULL) arena_deinit(&r->raw);
    mem_free(h->mem, MEM_COMPACTION, r->workers, r->worker_count * sizeof *r->workers);
    mem_free(h->mem, MEM_COMPACTION, r->shards, h->shard_count * sizeof *r->shards);
}

static void sum_counts(struct replay *r)
{
    struct head_stats *s = &r->h->stats;
    for (uint32_t i = 0; i < r->h->shard_count; i++) {
        const struct replay_counts *c = &r->shards[i].counts;
        stat_add(&s->replay_samples, c->samples);
        stat_add(&s->replay_skipped, c->skipped);
        stat_add(&s->replay_unknown, c->unknown);
        stat_add(&s->replay_dropped, c->dropped);
        stat_add(&s->replay_damaged_records, c->damaged_records);
        stat_add(&s->head_chunks_missing, c->chunks_missing);
        if (c->min_ms <= c->max_ms) head_note_times(r->h, c->min_ms, c->max_ms);
    }
    stat_add(&s->replay_damaged_records, r->damaged_records);
}

static void log_outcome(struct head *h)
{
    const struct head_stats *s = &h->stats;
    uint64_t lost = stat_get(&s->replay_damaged_records) + stat_get(&s->replay_dropped) +
                    stat_get(&s->head_chunks_missing);
    log_info(&h->log, "journal replayed", LOG_U64("series", head_series_count(h)),
             LOG_U64("samples", stat_get(&s->replay_samples)),
             LOG_U64("skipped", stat_get(&s->replay_skipped)));
    if (lost + stat_get(&s->replay_unknown) == 0) return;
    log_warn(&h->log, "replay met damage", LOG_U64("records", stat_get(&s->replay_damaged_records)),
             LOG_U64("dropped_samples", stat_get(&s->replay_dropped)),
             LOG_U64("samples_of_unknown_series", stat_get(&s->replay_unknown)),
             LOG_U64("missing_chunks", stat_get(&s->head_chunks_missing)));
}

static enum err_code run(struct replay *r, struct err *err)
{
    struct head *h = r->h;
    TRY(prepare(r, err));
    struct head_files_damage damage = { 0 };
    TRY(head_files_scan(h->files, on_entry, r, &damage, err));
    stat_add(&h->stats.head_files_damaged, damage.files);
    TRY(workers_start(r, err));
    struct journal_replay to = { .arg = r, .record = on_record, .release = on_release };
    TRY(journal_replay(h->journal, &to, err));
    TRY(on_release(r, 1.0, err));
    for (uint32_t i = 0; i < h->shard_count; i++)
        TRY(replay_finish(&r->shards[i], err));
    checkpoint_note_epoch(h->checkpoints, journal_epoch(h->journal), journal_end(h->journal));
    sum_counts(r);
    log_outcome(h);
    return ERR_OK;
}

enum err_code head_replay(struct head *h, void (*progress)(void *arg, double done), void *arg,
                          struct err *err)
{
    struct replay r = { .h = h, .progress = progress, .progress_arg = arg };
    TRY(chunk_writer_start(h->writer, err));
    struct err own = { 0 };
    enum err_code rc = run(&r, &own);
    clean_up(&r);
    if (rc != ERR_OK) {
        chunk_writer_stop(h->writer);
        if (err != NULL) *err = own;
        return rc;
    }
    chunk_writer_set_logging(h->writer, true);
    return ERR_OK;
}
