/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/chunk_writer.h"

#include <string.h>

#include "base/assert.h"
#include "metrics/head/head_priv.h"
#include "metrics/head/head_records.h"

#define ROUND_BYTES (4u << 20)
#define COPY_STEP 256u
#define ROUND_INTERVAL_NS 15000000000ull
#define RECORD_ITEMS_MAX 32768u

/* A chunk that was copied into the buffer of this round. */
struct taken {
    uint32_t node, ref;
    int64_t maxt_ms;
    uint64_t at; /* offset in the buffer */
};

struct chunk_writer {
    struct head *h;
    struct thread thread;
    struct mutex lock;
    struct cond wake, done;
    /* guarded by lock */
    bool is_stopping, is_running, is_woken;
    uint64_t asked, answered; /* flushes: numbered requests, newest answered one */
    struct err last_error;
    _Atomic uint64_t queued_bytes; /* since the last round; any thread */
    _Atomic bool can_log;
    /* owner of the round: the thread, or the caller of flush when there is none */
    struct buf buf;
    struct taken *taken;
    size_t taken_count, taken_cap;
    uint32_t shard_taken[HEAD_SHARDS_MAX];
    int64_t maxt_ms;
};

enum err_code chunk_writer_create(struct head *h, struct chunk_writer **out, struct err *err)
{
    struct chunk_writer *w = mem_zalloc(h->mem, MEM_HEAD, sizeof *w);
    if (w == NULL) return err_set(err, ERR_NOMEM, "no memory for the chunk writer");
    w->h = h;
    mutex_init(&w->lock);
    cond_init(&w->wake);
    cond_init(&w->done);
    buf_init(&w->buf, mem_source_of(h->mem, MEM_COMPACTION), 2 * ROUND_BYTES);
    *out = w;
    return ERR_OK;
}

static void free_round(struct chunk_writer *w)
{
    buf_deinit(&w->buf);
    buf_init(&w->buf, mem_source_of(w->h->mem, MEM_COMPACTION), 2 * ROUND_BYTES);
    mem_free(w->h->mem, MEM_COMPACTION, w->taken, w->taken_cap * sizeof *w->taken);
    w->taken = NULL;
    w->taken_count = w->taken_cap = 0;
}

void chunk_writer_destroy(struct chunk_writer *w)
{
    if (w == NULL) return;
    ASSERT(!w->is_running);
    free_round(w);
    buf_deinit(&w->buf);
    cond_deinit(&w->done);
    cond_deinit(&w->wake);
    mutex_deinit(&w->lock);
    mem_free(w->h->mem, MEM_HEAD, w, sizeof *w);
}

void chunk_writer_set_logging(struct chunk_writer *w, bool can_log)
{
    atomic_store_explicit(&w->can_log, can_log, memory_order_release);
}

/* ---- a round ---- */

static bool taken_reserve(struct chunk_writer *w, size_t more)
{
    if (w->taken_count + more <= w->taken_cap) return true;
    size_t cap = w->taken_cap ? w->taken_cap * 2 : 1024;
    while (cap < w->taken_count + more)
        cap *= 2;
    struct taken *t =
        mem_realloc(w->h->mem, MEM_COMPACTION, w->taken, w->taken_cap * sizeof *t, cap * sizeof *t);
    if (t == NULL) return false;
    w->taken = t;
    w->taken_cap = cap;
    return true;
}

static void copy_one(struct chunk_writer *w, uint32_t shard, const struct pending_chunk *p)
{
    const struct head_shard *s = &w->h->shards[shard];
    const struct chunk_node *node = shard_node(s, p->node);
    ASSERT(node->flags & NODE_IN_MEMORY);
    struct head_file_entry e = { .shard = shard,
                                 .ref = p->ref,
                                 .mint_ms = p->mint_ms,
                                 .maxt_ms = p->maxt_ms,
                                 .encoding = HX_ENCODING,
                                 .payload = { slab_at(&s->chunks, node->place), p->size } };
    uint64_t at = head_file_entry_put(&w->buf, &e);
    w->taken[w->taken_count++] = (struct taken){ p->node, p->ref, p->maxt_ms, at };
    if (p->maxt_ms > w->maxt_ms) w->maxt_ms = p->maxt_ms;
}

/* Walks the queue of a shard. */
struct queue_pos {
    const struct pending_page *page;
    uint32_t index;
};

static const struct pending_chunk *queue_next(struct queue_pos *q)
{
    while (q->page != NULL && q->index == q->page->count) {
        q->page = q->page->next;
        q->index = 0;
    }
    return q->page != NULL ? &q->page->entries[q->page->first + q->index++] : NULL;
}

/* Copy chunks of one shard until the buffer is full or the queue was seen to its end. Only this
 * writer takes chunks off the queue, so a position stays good between lock holds. */
static enum err_code copy_shard(struct chunk_writer *w, uint32_t shard, struct err *err)
{
    struct head_shard *s = &w->h->shards[shard];
    struct queue_pos pos = { 0 };
    bool is_end = false;
    for (bool is_first = true; !is_end && w->buf.len < ROUND_BYTES; is_first = false) {
        if (!taken_reserve(w, COPY_STEP))
            return err_set(err, ERR_NOMEM, "no memory to write chunks");
        MUTEX_SCOPE(&s->lock);
        if (is_first || pos.page == NULL) pos = (struct queue_pos){ s->pending_first, 0 };
        for (uint32_t n = 0; n < COPY_STEP && !is_end && w->buf.len < ROUND_BYTES; n++) {
            const struct pending_chunk *p = queue_next(&pos);
            if (p == NULL) {
                is_end = true;
            } else {
                copy_one(w, shard, p);
                w->shard_taken[shard]++;
            }
        }
    }
    if (buf_failed(&w->buf)) return err_set(err, ERR_NOMEM, "no memory to write chunks");
    return ERR_OK;
}

static void settle_one(struct head_shard *s, const struct taken *t, uint16_t file, uint32_t place)
{
    struct chunk_node *node = shard_node(s, t->node);
    slab_free(&s->chunks, node->place);
    if (node->flags & NODE_ORPHAN) {
        shard_node_free(s, t->node);
        return;
    }
    node->place = place + (uint32_t)(t->at / 8);
    node->file = file;
    node->flags = 0;
}

/* The chunks of this round are in the file: point the nodes there. */
static void settle_shard(struct chunk_writer *w, uint32_t shard, size_t first, uint16_t file,
                         uint32_t place)
{
    struct head_shard *s = &w->h->shards[shard];
    for (size_t i = 0; i < w->shard_taken[shard];) {
        MUTEX_SCOPE(&s->lock);
        uint32_t n = 0;
        for (; n < COPY_STEP && i < w->shard_taken[shard]; n++, i++)
            settle_one(s, &w->taken[first + i], file, place);
        shard_pending_pop(s, n);
    }
}

/* CHUNKS_DURABLE. Informational: without it replay reads the same from the files. */
static void announce(struct chunk_writer *w, uint32_t shard, size_t first)
{
    if (!atomic_load_explicit(&w->can_log, memory_order_acquire)) return;
    size_t count = w->shard_taken[shard];
    for (size_t i = 0; i < count; i += RECORD_ITEMS_MAX) {
        size_t n = count - i < RECORD_ITEMS_MAX ? count - i : RECORD_ITEMS_MAX;
        struct buf payload;
        struct err err = { 0 };
        buf_init(&payload, mem_source_of(w->h->mem, MEM_COMPACTION), JOURNAL_RECORD_MAX);
        record_items_begin(&payload, shard, n);
        for (size_t k = 0; k < n; k++)
            record_durable_put(&payload, w->taken[first + i + k].ref,
                               w->taken[first + i + k].maxt_ms);
        if (buf_failed(&payload) ||
            head_log(w->h, JOURNAL_CHUNKS_DURABLE, &payload, false, NULL, &err) != ERR_OK)
            stat_add(&w->h->stats.durable_records_lost, 1);
        buf_deinit(&payload);
    }
}

static enum err_code run_round(struct chunk_writer *w, bool *out_more, struct err *err)
{
    struct head *h = w->h;
    buf_reset(&w->buf);
    w->taken_count = 0;
    w->maxt_ms = INT64_MIN;
    memset(w->shard_taken, 0, sizeof w->shard_taken);
    *out_more = false;
    for (uint32_t i = 0; i < h->shard_count; i++)
        TRY(copy_shard(w, i, err));
    if (w->taken_count == 0) return ERR_OK;
    uint16_t file = 0;
    uint32_t place = 0;
    TRY(head_files_write(h->files, buf_bytes(&w->buf), w->maxt_ms, &file, &place, err));
    size_t first = 0;
    for (uint32_t i = 0; i < h->shard_count; i++) {
        settle_shard(w, i, first, file, place);
        announce(w, i, first);
        first += w->shard_taken[i];
    }
    stat_add(&h->stats.chunks_written, w->taken_count);
    *out_more = w->buf.len >= ROUND_BYTES;
    return ERR_OK;
}

static enum err_code run_all(struct chunk_writer *w, struct err *err)
{
    atomic_store_explicit(&w->queued_bytes, 0, memory_order_relaxed);
    bool has_more = true;
    enum err_code rc = ERR_OK;
    while (has_more && rc == ERR_OK)
        rc = run_round(w, &has_more, err);
    free_round(w);
    if (rc != ERR_OK) stat_add(&w->h->stats.chunk_write_errors, 1);
    return rc;
}

/* ---- thread ---- */

static void writer_main(void *arg)
{
    struct chunk_writer *w = arg;
    mutex_lock(&w->lock);
    for (bool is_last = false; !is_last;) {
        if (!w->is_stopping && w->asked == w->answered && !w->is_woken)
            (void)cond_wait_ns(&w->wake, &w->lock, ROUND_INTERVAL_NS);
        is_last = w->is_stopping;
        uint64_t asked = w->asked;
        w->is_woken = false;
        mutex_unlock(&w->lock);
        struct err err = { 0 };
        enum err_code rc = run_all(w, &err);
        if (rc != ERR_OK) log_error(&w->h->log, "head chunks could not be written", LOG_ERR(&err));
        mutex_lock(&w->lock);
        w->answered = asked;
        w->last_error = err;
        cond_broadcast(&w->done);
    }
    w->is_running = false;
    cond_broadcast(&w->done);
    mutex_unlock(&w->lock);
}

enum err_code chunk_writer_start(struct chunk_writer *w, struct err *err)
{
    ASSERT(!w->is_running);
    w->is_stopping = false;
    w->is_running = true;
    enum err_code rc = thread_start(&w->thread, "ph-chunks", writer_main, w, err);
    if (rc != ERR_OK) w->is_running = false;
    return rc;
}

void chunk_writer_stop(struct chunk_writer *w)
{
    mutex_lock(&w->lock);
    w->is_stopping = true;
    cond_signal(&w->wake);
    mutex_unlock(&w->lock);
    thread_join(&w->thread);
    w->thread = (struct thread){ 0 };
}

void chunk_writer_note(struct chunk_writer *w, uint64_t bytes)
{
    uint64_t before = atomic_fetch_add_explicit(&w->queued_bytes, bytes, memory_order_relaxed);
    if (before >= ROUND_BYTES || before + bytes < ROUND_BYTES) return;
    MUTEX_SCOPE(&w->lock);
    w->is_woken = true;
    cond_signal(&w->wake);
}

enum err_code chunk_writer_flush(struct chunk_writer *w, struct err *err)
{
    MUTEX_SCOPE(&w->lock);
    if (!w->is_running) return run_all(w, err); /* nobody appends beside a head without threads */
    uint64_t mine = ++w->asked;
    cond_signal(&w->wake);
    while (w->answered < mine && w->is_running)
        cond_wait(&w->done, &w->lock);
    if (w->answered < mine) return err_set(err, ERR_BUSY, "the chunk writer was stopped");
    if (w->last_error.code == ERR_OK) return ERR_OK;
    if (err != NULL) *err = w->last_error;
    return w->last_error.code;
}
