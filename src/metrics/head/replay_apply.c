/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "metrics/head/head_chunk.h"
#include "metrics/head/replay_priv.h"

#define SCANNED_PAGE_LOG2 10u
#define WINDOW 64u
#define QUEUE_BYTES_MAX (16u << 20) /* of one shard; then replay waits for the chunk writer */
#define HEADROOM_BYTES (1u << 20)   /* below the cap of MEM_HEAD: it waits as well */
#define ARENA_BYTES_MAX ((size_t)64 << 20)

void replay_shard_init(struct replay_shard *r, struct head *h, uint32_t shard)
{
    *r = (struct replay_shard){ .h = h, .s = &h->shards[shard], .shard = shard };
    r->counts.min_ms = INT64_MAX;
    r->counts.max_ms = INT64_MIN;
    paged_init(&r->scanned, h->mem, MEM_COMPACTION, sizeof(struct scanned), SCANNED_PAGE_LOG2);
    arena_init(&r->arena, mem_source_of(h->mem, MEM_COMPACTION), ARENA_BYTES_MAX);
}

void replay_shard_deinit(struct replay_shard *r)
{
    paged_deinit(&r->scanned);
    mem_free(r->h->mem, MEM_COMPACTION, r->redirects, r->redirect_cap * sizeof *r->redirects);
    arena_deinit(&r->arena);
}

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory to replay the journal");
}

/* The refs up to and including this one are taken. */
static void note_ref(struct head_shard *s, uint32_t ref)
{
    uint32_t limit = atomic_load_explicit(&s->ref_limit, memory_order_relaxed);
    if (ref >= limit) atomic_store_explicit(&s->ref_limit, ref + 1, memory_order_relaxed);
}

static void note_time(struct replay_shard *r, int64_t min_ms, int64_t max_ms)
{
    if (min_ms < r->counts.min_ms) r->counts.min_ms = min_ms;
    if (max_ms > r->counts.max_ms) r->counts.max_ms = max_ms;
}

/* ---- chunks of the files ---- */

enum err_code replay_chunk(struct replay_shard *r, const struct head_file_entry *e, struct err *err)
{
    if (e->ref == 0 || e->ref >= UINT32_MAX - 1) return ERR_OK;
    note_ref(r->s, e->ref);
    if (e->maxt_ms < head_mint_ms(r->h)) return ERR_OK; /* a block has it */
    if (!paged_ensure(&r->scanned, e->ref)) return no_memory(err);
    struct scanned *known = paged_at(&r->scanned, e->ref);
    /* The same chunk again: a write that failed halfway was repeated in the next file. */
    if (known->newest != 0 && e->mint_ms <= known->maxt_ms) return ERR_OK;
    uint32_t node = shard_node_create(r->s);
    if (node == 0) return no_memory(err);
    *shard_node(r->s, node) = (struct chunk_node){ .older = known->newest,
                                                   .mint_s = node_seconds(e->mint_ms),
                                                   .place = e->place,
                                                   .file = e->file,
                                                   .count = (uint8_t)hx_count(e->payload) };
    known->newest = node;
    known->maxt_ms = e->maxt_ms;
    note_time(r, e->mint_ms, e->maxt_ms);
    return ERR_OK;
}

/* Merge two lists of nodes, newest first. */
static uint32_t merge_nodes(struct head_shard *s, uint32_t a, uint32_t b)
{
    uint32_t first = 0;
    uint32_t *link = &first;
    while (a != 0 && b != 0) {
        uint32_t *next = shard_node(s, a)->mint_s >= shard_node(s, b)->mint_s ? &a : &b;
        *link = *next;
        link = &shard_node(s, *link)->older;
        *next = *link;
    }
    *link = a != 0 ? a : b;
    return first;
}

/* The chunks found for `ref` belong to the series in `slot`. */
static enum err_code claim_chunks(struct replay_shard *r, uint32_t ref, uint32_t slot,
                                  struct err *err)
{
    struct scanned *known = paged_find(&r->scanned, ref);
    if (known == NULL || known->newest == 0) return ERR_OK;
    struct series_hot *h = shard_hot(r->s, slot);
    if (!chunk_close(r->s, slot)) return no_memory(err);
    struct series_cold *cold = shard_cold(r->s, slot);
    cold->chunks = merge_nodes(r->s, known->newest, cold->chunks);
    known->newest = 0;
    if (known->maxt_ms > h->last_t) {
        h->last_t = known->maxt_ms;
        hot_set_flag(h, SERIES_NO_VALUE, true);
    }
    return ERR_OK;
}

/* ---- series ---- */

static enum err_code redirect(struct replay_shard *r, uint32_t ref, uint32_t slot, struct err *err)
{
    if (r->redirect_count == r->redirect_cap) {
        size_t cap = r->redirect_cap ? r->redirect_cap * 2 : 64;
        uint32_t *p = mem_realloc(r->h->mem, MEM_COMPACTION, r->redirects,
                                  r->redirect_cap * sizeof *p, cap * sizeof *p);
        if (p == NULL) return no_memory(err);
        r->redirects = p;
        r->redirect_cap = cap;
    }
    if (!paged_ensure(&r->s->slots, ref)) return no_memory(err);
    _Atomic uint32_t *cell = paged_at(&r->s->slots, ref);
    atomic_store_explicit(cell, slot + 1, memory_order_relaxed);
    r->redirects[r->redirect_count++] = ref;
    return ERR_OK;
}

static enum err_code create_series(struct replay_shard *r, struct series_draft *d,
                                   struct labels labels, struct err *err)
{
    struct head *h = r->h;
    uint32_t *pairs = arena_array_raw(&r->arena, uint32_t, labels.len);
    if (pairs == NULL) return no_memory(err);
    TRY(pairs_intern(&h->pairs, labels, pairs, err));
    d->pairs = pairs;
    d->pair_count = (uint32_t)labels.len;
    TRY(shard_draft(r->s, d, err));
    uint32_t count = 0;
    const uint32_t *key = shard_key(r->s, shard_hot(r->s, d->slot), &count);
    if (h->listener.series_created != NULL &&
        h->listener.series_created(h->listener.ctx, r->shard, d->ref, key, count) != ERR_OK) {
        shard_discard(r->s, d);
        return no_memory(err);
    }
    shard_publish(r->s, d);
    atomic_fetch_add_explicit(&h->series_count, 1, memory_order_relaxed);
    return ERR_OK;
}

static enum err_code replay_series_one(struct replay_shard *r, uint32_t ref, struct labels labels,
                                       struct err *err)
{
    uint32_t slot;
    if (shard_slot_of(r->s, ref, &slot)) {    /* the checkpoint and a segment have it */
        shard_hot(r->s, slot)->wal_epoch = 0; /* no value of this ref was logged before */
        return ERR_OK;
    }
    struct series_draft d = { .hash = labels_hash128(labels, r->h->hash_seed).lo, .ref = ref };
    if (head_shard_of(r->h, d.hash) != r->shard) return err_set(err, ERR_CORRUPT, "wrong shard");
    note_ref(r->s, ref);
    if (shard_find(r->s, &r->h->pairs, d.hash, labels, &slot)) {
        /* Removed and created again in an earlier life: both refs mean this series. */
        TRY(redirect(r, ref, slot, err));
        shard_hot(r->s, slot)->wal_epoch = 0; /* it began without a base, as any new series */
    } else {
        TRY(create_series(r, &d, labels, err));
        slot = d.slot;
    }
    return claim_chunks(r, ref, slot, err);
}

static enum err_code replay_series(struct replay_shard *r, struct bytes payload, struct err *err)
{
    struct record_items it;
    struct labels_builder b;
    labels_builder_init(&b, &r->arena);
    record_items_open(&it, payload);
    uint32_t ref;
    struct labels labels;
    while (record_series_next(&it, &b, &ref, &labels)) {
        bool fits =
            ref > 0 && ref < UINT32_MAX - 1 && labels.len > 0 && labels.len <= SHARD_KEY_PAIRS_MAX;
        for (size_t i = 0; i < labels.len && fits; i++)
            fits = labels.ptr[i].name.len <= SYMBOL_SIZE_MAX &&
                   labels.ptr[i].value.len <= SYMBOL_SIZE_MAX;
        if (!fits) return err_set(err, ERR_CORRUPT, "impossible series");
        TRY(replay_series_one(r, ref, labels, err));
    }
    if (b.failed) return no_memory(err);
    return record_items_failed(&it) ? err_set(err, ERR_CORRUPT, "damaged SERIES record") : ERR_OK;
}

/* ---- samples ---- */

/* The sample is not needed, but later records may repeat it. */
static enum err_code remember_value(struct replay_shard *r, uint32_t slot, int64_t t, uint64_t bits,
                                    struct err *err)
{
    struct series_hot *h = shard_hot(r->s, slot);
    bool is_newest = t == h->last_t;
    if (bits == hot_last_bits(h) && !is_newest) return ERR_OK;
    if (h->count > 0 && is_newest) return ERR_OK;
    /* base_bits of an open chunk belongs to its bit stream. Does not happen in a sound journal. */
    if (h->count > 0 && !chunk_close(r->s, slot)) return no_memory(err);
    h->base_bits = bits;
    hot_set_flag(h, SERIES_STALE, bits == STALE_NAN_BITS);
    hot_set_flag(h, SERIES_NO_VALUE, !is_newest && shard_cold(r->s, slot)->chunks != 0);
    return ERR_OK;
}

static enum err_code replay_value(struct replay_shard *r, uint32_t slot, int64_t t, uint64_t bits,
                                  uint32_t epoch, struct chunk_range *range, struct err *err)
{
    struct series_hot *h = shard_hot(r->s, slot);
    if (t < -HEAD_TIME_LIMIT || t > HEAD_TIME_LIMIT) return err_set(err, ERR_CORRUPT, "time");
    if (t <= h->last_t || t < head_mint_ms(r->h)) {
        r->counts.skipped++;
        TRY(remember_value(r, slot, t, bits, err));
    } else {
        if (!chunk_make_room(r->s, slot, range, t, bits)) return no_memory(err);
        chunk_append(r->s, h, t, bits, epoch);
        note_time(r, t, t);
        r->counts.samples++;
    }
    h->wal_epoch = epoch;
    return ERR_OK;
}

struct window {
    struct record_sample_in in[WINDOW];
    uint32_t slots[WINDOW];
    size_t count;
};

/* Slots of the window's samples; SLOTS hot lines and chunk tails on their way to the cache. */
static void resolve_window(struct replay_shard *r, struct window *w)
{
    for (size_t i = 0; i < w->count; i++) {
        if (!shard_slot_of(r->s, w->in[i].ref, &w->slots[i])) {
            w->slots[i] = UINT32_MAX;
        } else {
            __builtin_prefetch(shard_hot(r->s, w->slots[i]), 1);
        }
    }
    for (size_t i = 0; i < w->count; i++) {
        if (w->slots[i] == UINT32_MAX) continue;
        const struct series_hot *h = shard_hot(r->s, w->slots[i]);
        if (h->chunk != 0) __builtin_prefetch(slab_at(&r->s->chunks, h->chunk) + h->bitpos / 8, 1);
    }
}

static enum err_code replay_samples(struct replay_shard *r, const struct journal_record *rec,
                                    struct err *err)
{
    struct record_samples_iter it;
    struct chunk_range range = { .range_ms = r->h->block_range_ms };
    struct window w;
    record_samples_begin(&it, rec->payload);
    if (rec->is_after_damage) {
        r->counts.dropped += it.left; /* what they repeat may be lost */
        return ERR_OK;
    }
    while ((w.count = record_samples_read(&it, w.in, WINDOW)) > 0) {
        resolve_window(r, &w);
        for (size_t i = 0; i < w.count; i++) {
            if (w.slots[i] == UINT32_MAX) {
                r->counts.unknown += it.ts_ms >= head_mint_ms(r->h);
                continue;
            }
            const struct series_hot *h = shard_hot(r->s, w.slots[i]);
            bool has_base = h->wal_epoch == rec->epoch;
            if (w.in[i].is_repeat && !has_base) {
                r->counts.dropped++;
                continue;
            }
            uint64_t bits = (has_base ? hot_last_bits(h) : 0) ^ w.in[i].xor_bits;
            TRY(replay_value(r, w.slots[i], it.ts_ms, bits, rec->epoch, &range, err));
        }
    }
    return it.failed ? err_set(err, ERR_CORRUPT, "damaged SAMPLES record") : ERR_OK;
}

static enum err_code replay_irregular(struct replay_shard *r, const struct journal_record *rec,
                                      struct err *err)
{
    struct record_irregular_iter it;
    struct record_irregular_in in;
    struct chunk_range range = { .range_ms = r->h->block_range_ms };
    record_irregular_begin(&it, rec->payload);
    while (record_irregular_next(&it, &in)) {
        uint32_t slot;
        if (!shard_slot_of(r->s, in.ref, &slot)) {
            r->counts.unknown += in.ts_ms >= head_mint_ms(r->h);
            continue;
        }
        TRY(replay_value(r, slot, in.ts_ms, in.bits, rec->epoch, &range, err));
    }
    return rd_ok(&it.rd) ? ERR_OK : err_set(err, ERR_CORRUPT, "damaged SAMPLES_IRREGULAR record");
}

/* ---- the rest ---- */

static enum err_code replay_durable(struct replay_shard *r, struct bytes payload, struct err *err)
{
    struct record_items it;
    uint32_t ref;
    int64_t maxt;
    record_items_open(&it, payload);
    while (record_durable_next(&it, &ref, &maxt)) {
        uint32_t slot;
        if (maxt < head_mint_ms(r->h) || !shard_slot_of(r->s, ref, &slot)) continue;
        /* Everything up to maxt was in chunks; whether it still is, last_t tells. */
        if (shard_hot(r->s, slot)->last_t < maxt) r->counts.chunks_missing++;
    }
    return record_items_failed(&it) ? err_set(err, ERR_CORRUPT, "damaged CHUNKS_DURABLE record")
                                    : ERR_OK;
}

static enum err_code replay_exemplars(struct replay_shard *r, struct bytes payload, struct err *err)
{
    struct record_items it;
    struct labels_builder b;
    uint32_t ref;
    struct exemplar e;
    labels_builder_init(&b, &r->arena);
    record_items_open(&it, payload);
    while (record_exemplar_next(&it, &b, &ref, &e)) {
        uint32_t slot;
        if (!shard_slot_of(r->s, ref, &slot)) continue;
        (void)exemplar_ring_add(r->h->exemplars, r->shard, shard_hot(r->s, slot)->ref, &e);
    }
    if (b.failed) return no_memory(err);
    return record_items_failed(&it) ? err_set(err, ERR_CORRUPT, "damaged EXEMPLARS record")
                                    : ERR_OK;
}

static enum err_code dispatch(struct replay_shard *r, const struct journal_record *rec,
                              struct err *err)
{
    switch (rec->type) {
    case JOURNAL_SERIES: return replay_series(r, rec->payload, err);
    case JOURNAL_SAMPLES: return replay_samples(r, rec, err);
    case JOURNAL_SAMPLES_IRREGULAR: return replay_irregular(r, rec, err);
    case JOURNAL_EXEMPLARS: return replay_exemplars(r, rec->payload, err);
    case JOURNAL_CHUNKS_DURABLE: return replay_durable(r, rec->payload, err);
    default: return ERR_OK; /* of a later version: tombstones, histograms, start times */
    }
}

/* Full chunks that wait for the writer make room, before the next record needs it. A disk that
 * fails now need not stop the replay: the chunks stay in memory. */
static void make_room(struct replay_shard *r, size_t payload_len)
{
    struct mem_budget *mem = r->h->mem;
    uint64_t wanted = HEADROOM_BYTES + 64 * (uint64_t)payload_len;
    bool is_tight =
        mem_level(mem) >= MEM_ORANGE || mem_used(mem, MEM_HEAD) + wanted > mem_cap(mem, MEM_HEAD);
    if (r->queued == 0 || (!is_tight && r->queued < QUEUE_BYTES_MAX)) return;
    struct err ignored = { 0 };
    if (chunk_writer_flush(r->h->writer, &ignored) == ERR_OK) r->queued = 0;
}

enum err_code replay_record(struct replay_shard *r, const struct journal_record *rec,
                            struct err *err)
{
    make_room(r, rec->payload.len);
    struct err own = { 0 };
    mutex_lock(&r->s->lock);
    uint64_t queued = r->s->pending_bytes;
    enum err_code rc = dispatch(r, rec, &own);
    r->queued = r->s->pending_bytes;
    mutex_unlock(&r->s->lock);
    arena_reset(&r->arena);
    if (r->queued > queued) chunk_writer_note(r->h->writer, r->queued - queued);
    if (rc == ERR_CORRUPT) {
        r->counts.damaged_records++;
        return ERR_OK;
    }
    if (rc != ERR_OK) *err = own;
    return rc;
}

/* ---- end ---- */

/* Read the newest value of a series whose newest chunk is in a file. */
static void complete_value(struct replay_shard *r, uint32_t slot)
{
    struct series_hot *h = shard_hot(r->s, slot);
    const struct chunk_node *n = shard_node(r->s, shard_cold(r->s, slot)->chunks);
    struct bytes chunk = n->flags & NODE_IN_MEMORY
                             ? (struct bytes){ slab_at(&r->s->chunks, n->place), n->file }
                             : head_file_payload(head_files_locate(r->h->files, n->file, n->place));
    struct hx_state state;
    uint64_t bits = STALE_NAN_BITS;
    struct err ignored = { 0 };
    bool is_good = chunk.len > 0 && hx_resume(chunk, &state, &bits, &ignored) == ERR_OK;
    if (!is_good) r->counts.damaged_records++; /* a query will name the chunk */
    h->base_bits = bits;
    hot_set_flag(h, SERIES_STALE, bits == STALE_NAN_BITS);
    hot_set_flag(h, SERIES_NO_VALUE, false);
}

static void free_unclaimed(struct replay_shard *r)
{
    uint32_t limit = atomic_load_explicit(&r->s->ref_limit, memory_order_relaxed);
    for (uint32_t ref = 1; ref < limit; ref++) {
        struct scanned *known = paged_find(&r->scanned, ref);
        if (known == NULL) {
            ref |= (1u << SCANNED_PAGE_LOG2) - 1; /* the whole page is missing */
            continue;
        }
        while (known->newest != 0) {
            uint32_t node = known->newest;
            known->newest = shard_node(r->s, node)->older;
            shard_node_free(r->s, node);
            stat_add(&r->h->stats.head_chunks_orphaned, 1);
        }
    }
}

enum err_code replay_finish(struct replay_shard *r, struct err *err)
{
    (void)err;
    MUTEX_SCOPE(&r->s->lock);
    free_unclaimed(r);
    for (size_t i = 0; i < r->redirect_count; i++) {
        _Atomic uint32_t *cell = paged_at(&r->s->slots, r->redirects[i]);
        atomic_store_explicit(cell, 0, memory_order_relaxed);
    }
    for (uint32_t slot = 0; slot < r->s->slot_limit; slot++) {
        struct series_hot *h = shard_hot(r->s, slot);
        if (!hot_is_live(h)) continue;
        h->wal_epoch = 0;
        if (hot_flags(h) & SERIES_NO_VALUE) complete_value(r, slot);
    }
    return ERR_OK;
}
