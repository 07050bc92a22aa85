/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/checkpoint.h"

#include <string.h>

#include "base/assert.h"
#include "metrics/head/head_chunk.h"
#include "metrics/head/head_priv.h"
#include "metrics/head/head_records.h"

#define MARKS_MAX 64u
#define SLOT_STEP 2048u
#define SERIES_STEP 256u
#define RECORD_RAW_BYTES (256u << 10)
#define ARENA_BYTES_MAX ((size_t)16 << 20)
#define RETRY_ROUNDS 60u /* when the last try could not drop anything */

struct mark {
    uint32_t epoch;
    bool is_inside; /* the epoch has records behind position: its segment does not end there */
    uint64_t position;
};

struct checkpoints {
    struct head *h;
    struct mark marks[MARKS_MAX]; /* ascending; the oldest makes room */
    uint32_t mark_count;
    uint32_t dropped_epoch; /* epochs below are gone from the journal */
    uint32_t tried_epoch;   /* journal epoch at the last try */
    uint32_t rounds;        /* since then */
};

enum err_code checkpoints_create(struct head *h, struct checkpoints **out, struct err *err)
{
    struct checkpoints *c = mem_zalloc(h->mem, MEM_HEAD, sizeof *c);
    if (c == NULL) return err_set(err, ERR_NOMEM, "no memory for checkpoints");
    c->h = h;
    *out = c;
    return ERR_OK;
}

void checkpoints_destroy(struct checkpoints *c)
{
    if (c != NULL) mem_free(c->h->mem, MEM_HEAD, c, sizeof *c);
}

void checkpoint_note_epoch(struct checkpoints *c, uint32_t epoch, uint64_t position)
{
    struct mark *last = c->mark_count > 0 ? &c->marks[c->mark_count - 1] : NULL;
    if (last != NULL && last->epoch == epoch && position > last->position) last->is_inside = true;
    if (last != NULL && last->epoch >= epoch) return;
    if (c->mark_count == MARKS_MAX) {
        /* Thin out: every second one, so that old ones stay reachable. */
        for (uint32_t i = 1; 2 * i < MARKS_MAX; i++)
            c->marks[i] = c->marks[2 * i];
        c->mark_count = MARKS_MAX / 2;
    }
    if (c->dropped_epoch == 0) c->dropped_epoch = epoch; /* the oldest in the journal */
    c->marks[c->mark_count++] = (struct mark){ .epoch = epoch, .position = position };
}

/* ---- what is needed ---- */

struct need {
    int64_t mint_ms;
    uint32_t epoch; /* the oldest needed one */
};

static void need_slots(struct head_shard *s, uint32_t from, struct need *need)
{
    MUTEX_SCOPE(&s->lock);
    for (uint32_t slot = from; slot < s->slot_limit && slot < from + SLOT_STEP; slot++) {
        const struct series_hot *h = shard_hot(s, slot);
        if (!hot_is_live(h) || h->count == 0 || h->last_t < need->mint_ms) continue;
        if (h->chunk_epoch < need->epoch) need->epoch = h->chunk_epoch;
    }
}

static void need_pending(struct head_shard *s, struct need *need)
{
    MUTEX_SCOPE(&s->lock);
    for (const struct pending_page *p = s->pending_first; p != NULL; p = p->next) {
        for (uint32_t i = 0; i < p->count; i++) {
            const struct pending_chunk *e = &p->entries[p->first + i];
            if (e->maxt_ms >= need->mint_ms && e->epoch < need->epoch) need->epoch = e->epoch;
        }
    }
}

static uint32_t slot_limit_of(struct head_shard *s)
{
    MUTEX_SCOPE(&s->lock);
    return s->slot_limit;
}

/* Slots first, the queue after: a chunk that is closed in between is met in the queue, or is
 * durable by then. */
static uint32_t oldest_needed(struct head *h, uint32_t now_epoch)
{
    struct need need = { head_mint_ms(h), now_epoch };
    for (uint32_t i = 0; i < h->shard_count; i++) {
        struct head_shard *s = &h->shards[i];
        uint32_t limit = slot_limit_of(s);
        for (uint32_t slot = 0; slot < limit; slot += SLOT_STEP)
            need_slots(s, slot, &need);
        need_pending(s, &need);
    }
    return need.epoch;
}

static void close_step(struct head_shard *s, uint32_t from, uint32_t epoch_limit)
{
    MUTEX_SCOPE(&s->lock);
    for (uint32_t slot = from; slot < s->slot_limit && slot < from + SLOT_STEP; slot++) {
        const struct series_hot *h = shard_hot(s, slot);
        if (!hot_is_live(h) || h->count == 0 || h->chunk_epoch >= epoch_limit) continue;
        if (!chunk_close(s, slot)) return; /* no memory: the journal stays longer */
    }
}

/* Slow series keep old journal segments alive: close their chunks early. */
static enum err_code close_chunks_before(struct head *h, uint32_t epoch_limit, struct err *err)
{
    for (uint32_t i = 0; i < h->shard_count; i++) {
        uint32_t limit = slot_limit_of(&h->shards[i]);
        for (uint32_t slot = 0; slot < limit; slot += SLOT_STEP)
            close_step(&h->shards[i], slot, epoch_limit);
    }
    return chunk_writer_flush(h->writer, err);
}

/* ---- content ---- */

struct writing {
    struct head *h;
    struct journal_checkpoint *cp;
    struct arena arena;
    struct buf raw, packed;
};

static enum err_code put_record(struct writing *w, uint8_t type, bool compress, struct err *err)
{
    if (buf_failed(&w->raw)) return err_set(err, ERR_NOMEM, "no memory for a checkpoint");
    struct journal_record rec = { .type = type, .payload = buf_bytes(&w->raw) };
    buf_reset(&w->packed);
    if (compress && head_compress(w->h, rec.payload, &w->packed)) {
        rec.flags = JOURNAL_FLAG_ZSTD;
        rec.payload = buf_bytes(&w->packed);
    }
    return journal_checkpoint_append(w->h->journal, w->cp, &rec, err);
}

/* Up to SERIES_STEP series from *cursor on into one record; the count comes first, so their labels
 * are collected before. */
static enum err_code put_series_step(struct writing *w, uint32_t shard, uint32_t *cursor,
                                     bool *out_is_end, struct err *err)
{
    uint32_t refs[SERIES_STEP];
    struct labels labels[SERIES_STEP];
    size_t found = head_series_refs(w->h, shard, cursor, refs, SERIES_STEP);
    *out_is_end = found == 0;
    arena_reset(&w->arena);
    size_t kept = 0;
    for (size_t i = 0; i < found; i++) {
        enum err_code rc = head_series_labels(w->h, shard, refs[i], &w->arena, &labels[kept], err);
        if (rc == ERR_NOTFOUND) continue;
        TRY(rc);
        refs[kept++] = refs[i];
    }
    for (size_t i = 0; i < kept;) {
        size_t n = 0;
        size_t size = 0;
        for (; i + n < kept && size < RECORD_RAW_BYTES; n++)
            for (size_t k = 0; k < labels[i + n].len; k++)
                size += labels[i + n].ptr[k].name.len + labels[i + n].ptr[k].value.len;
        buf_reset(&w->raw);
        record_items_begin(&w->raw, shard, n);
        for (size_t k = 0; k < n; k++)
            record_series_put(&w->raw, refs[i + k], labels[i + k]);
        TRY(put_record(w, JOURNAL_SERIES, true, err));
        i += n;
    }
    return ERR_OK;
}

static enum err_code put_series(struct writing *w, struct err *err)
{
    for (uint32_t shard = 0; shard < w->h->shard_count; shard++) {
        uint32_t cursor = 1;
        for (bool is_end = false; !is_end;) {
            struct epoch_guard guard = epoch_enter(w->h->epoch);
            enum err_code rc = put_series_step(w, shard, &cursor, &is_end, err);
            epoch_leave(w->h->epoch, &guard);
            TRY(rc);
        }
    }
    return ERR_OK;
}

static enum err_code put_exemplars(struct writing *w, struct err *err)
{
    struct exemplar e;
    uint32_t shard;
    uint32_t ref;
    for (uint32_t i = 0; exemplar_ring_at(w->h->exemplars, i, &w->arena, &shard, &ref, &e); i++) {
        buf_reset(&w->raw);
        record_items_begin(&w->raw, shard, 1);
        record_exemplar_put(&w->raw, ref, &e);
        TRY(put_record(w, JOURNAL_EXEMPLARS, false, err));
        arena_reset(&w->arena);
    }
    return ERR_OK;
}

static enum err_code put_metadata(struct writing *w, struct err *err)
{
    struct arena arena;
    struct metadata *list = NULL;
    size_t count = 0;
    arena_init(&arena, mem_source_of(w->h->mem, MEM_COMPACTION), (size_t)512 << 20);
    enum err_code rc = metadata_table_list(&w->h->metadata, &arena, &list, &count, err);
    for (size_t i = 0; i < count && rc == ERR_OK;) {
        buf_reset(&w->raw);
        for (; i < count && w->raw.len < RECORD_RAW_BYTES; i++)
            record_metadata_put(&w->raw, &list[i]);
        rc = put_record(w, JOURNAL_METADATA, true, err);
    }
    arena_deinit(&arena);
    return rc;
}

static enum err_code put_all(struct writing *w, struct err *err)
{
    /* Whoever has logged a SERIES record before this moment has published the series after it. */
    for (uint32_t i = 0; i < w->h->shard_count; i++) {
        mutex_lock(&w->h->shards[i].create_lock);
        mutex_unlock(&w->h->shards[i].create_lock);
    }
    TRY(put_series(w, err));
    TRY(put_exemplars(w, err));
    return put_metadata(w, err);
}

static enum err_code write_checkpoint(struct head *h, uint64_t position, struct err *err)
{
    struct writing w = { .h = h };
    enum err_code rc = journal_checkpoint_begin(h->journal, position, &w.cp, err);
    if (rc != ERR_OK) return rc;
    const struct mem_source *mem = mem_source_of(h->mem, MEM_COMPACTION);
    arena_init(&w.arena, mem, ARENA_BYTES_MAX);
    buf_init(&w.raw, mem, 2 * JOURNAL_RECORD_MAX);
    buf_init(&w.packed, mem, 2 * JOURNAL_RECORD_MAX);
    rc = put_all(&w, err);
    if (rc == ERR_OK) {
        rc = journal_checkpoint_commit(h->journal, w.cp, err);
    } else {
        journal_checkpoint_abort(h->journal, w.cp);
    }
    buf_deinit(&w.packed);
    buf_deinit(&w.raw);
    arena_deinit(&w.arena);
    stat_add(rc == ERR_OK ? &h->stats.checkpoints : &h->stats.checkpoint_errors, 1);
    return rc;
}

/* The newest mark with which only epochs before `needed` go. The position of a mark lies behind all
 * older epochs and before the end of its own: so its own segment stays, unless the position may be
 * that very end. */
static const struct mark *mark_for(const struct checkpoints *c, uint32_t needed, uint32_t now)
{
    const struct mark *best = NULL;
    for (uint32_t i = 0; i < c->mark_count; i++) {
        const struct mark *m = &c->marks[i];
        bool keeps_own = m->is_inside || m->epoch == now; /* the last segment is never dropped */
        if (m->epoch < needed || (m->epoch == needed && keeps_own)) best = m;
    }
    return best;
}

enum err_code head_checkpoint(struct head *h, uint32_t epochs_max, struct err *err)
{
    struct checkpoints *c = h->checkpoints;
    uint64_t end = journal_end(h->journal); /* before the epoch: it lies in this one or an older */
    uint32_t now = journal_epoch(h->journal);
    checkpoint_note_epoch(c, now, end);
    if (now == c->dropped_epoch) return ERR_OK;
    if (now == c->tried_epoch && c->rounds++ < RETRY_ROUNDS) return ERR_OK;
    c->tried_epoch = now;
    c->rounds = 0;
    uint32_t needed = oldest_needed(h, now);
    if (now - needed > epochs_max) {
        TRY(close_chunks_before(h, now - epochs_max / 2, err));
        needed = oldest_needed(h, now);
    }
    const struct mark *mark = mark_for(c, needed, now);
    if (mark == NULL || mark->epoch <= c->dropped_epoch) return ERR_OK;
    enum err_code rc = write_checkpoint(h, mark->position, err);
    if (rc == ERR_OK || rc == ERR_NOTFOUND) {
        c->dropped_epoch = mark->epoch;
        rc = ERR_OK;
    }
    return rc;
}
