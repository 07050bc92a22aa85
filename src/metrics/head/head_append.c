/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/head_append.h"

#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "metrics/head/append_priv.h"

#define PREFETCH_DISTANCE 8u
#define PART_SERIES_MAX 4096u
#define PART_BYTES_MAX ((size_t)64 << 20)
#define METADATA_RECORD_BYTES (JOURNAL_RECORD_MAX / 4) /* then a record is logged */

/* ---- refusals ---- */

static enum err_code code_of(enum batch_outcome outcome)
{
    switch (outcome) {
    case BATCH_INVALID_LABELS:
    case BATCH_OUT_OF_BOUNDS: return ERR_INVALID;
    case BATCH_LIMIT: return ERR_LIMIT;
    case BATCH_NOMEM: return ERR_NOMEM;
    case BATCH_STORED:
    case BATCH_DROPPED:
    case BATCH_OUT_OF_ORDER:
    case BATCH_TOO_OLD:
    case BATCH_DUPLICATE:
    case BATCH_OUTCOME_COUNT: break;
    }
    return ERR_CONFLICT;
}

/* The labels of a series of the batch, as far as they are known. */
static void describe_series(struct append *a, uint32_t series, struct buf *out)
{
    struct series_ref ref = a->batch->series[series].ref;
    struct labels labels = { 0 };
    struct err ignored = { 0 };
    uint32_t shard = (uint32_t)(ref.v >> 32) - 1;
    if (ref.v != 0 && shard < a->h->shard_count &&
        head_series_labels(a->h, shard, (uint32_t)ref.v, a->batch->arena, &labels, &ignored) ==
            ERR_OK)
        labels_print(out, labels, false);
}

void append_refuse(struct append *a, uint32_t series, enum batch_outcome outcome, uint64_t n,
                   const struct err *why)
{
    struct batch_series *s = &a->batch->series[series];
    if (outcome > s->outcome) s->outcome = (uint8_t)outcome;
    a->out->outcomes[outcome] += n;
    struct err *first = &a->out->first;
    size_t at = a->part_first + series;
    if (outcome == BATCH_DROPPED || (first->code != ERR_OK && at >= a->first_series)) return;
    a->first_series = at;
    if (why != NULL && why->code != ERR_OK) {
        *first = *why;
        first->code = code_of(outcome);
        return;
    }
    struct buf text;
    buf_init(&text, mem_source_of(a->h->mem, MEM_INGEST), (size_t)1 << 20);
    describe_series(a, series, &text);
    (void)err_setf(first, code_of(outcome), batch_outcome_text(outcome).ptr, STR_FMT,
                   STR_ARG(buf_str(&text)));
    buf_deinit(&text);
}

/* ---- find ---- */

/* Items for the series that bring a ref. Returns the others in a->misses. */
static void take_refs(struct append *a)
{
    for (size_t i = 0; i < a->batch->series_count; i++) {
        struct batch_series *s = &a->batch->series[i];
        uint64_t shard = (s->ref.v >> 32) - 1;
        s->outcome = BATCH_STORED;
        s->is_new = false;
        if (s->ref.v == 0 || shard >= a->h->shard_count) {
            s->ref.v = 0;
            a->misses[a->miss_count++] = (uint32_t)i;
        } else {
            a->items[a->item_count++] = (struct append_item){ .series = (uint32_t)i,
                                                              .shard = (uint32_t)shard,
                                                              .slot = SLOT_UNKNOWN,
                                                              .ref = (uint32_t)s->ref.v };
        }
    }
}

/* order[] = the indices in `from` sorted by stripe; ends[k] = end of stripe k. */
static void sort_by_stripe(const struct append *a, const uint32_t *from, size_t count,
                           uint32_t *order, size_t ends[ALIAS_STRIPES])
{
    size_t counts[ALIAS_STRIPES] = { 0 };
    for (size_t i = 0; i < count; i++)
        counts[alias_stripe_of(a->batch->series[from[i]].key_hash)]++;
    size_t at = 0;
    for (uint32_t k = 0; k < ALIAS_STRIPES; k++) {
        ends[k] = at;
        at += counts[k];
    }
    for (size_t i = 0; i < count; i++)
        order[ends[alias_stripe_of(a->batch->series[from[i]].key_hash)]++] = from[i];
}

static void find_in_stripe(struct append *a, const struct alias_stripe *stripe,
                           const uint32_t *series, size_t count)
{
    struct batch_series *all = a->batch->series;
    for (size_t i = 0; i < count && i < PREFETCH_DISTANCE; i++)
        alias_prefetch(stripe, all[series[i]].key_hash);
    for (size_t i = 0; i < count; i++) {
        if (i + PREFETCH_DISTANCE < count)
            alias_prefetch(stripe, all[series[i + PREFETCH_DISTANCE]].key_hash);
        struct alias_target t;
        if (!alias_find(stripe, all[series[i]].key_hash, &t)) {
            a->misses[a->miss_count++] = series[i];
            continue;
        }
        all[series[i]].ref = (struct series_ref){ (uint64_t)(t.shard + 1) << 32 | t.ref };
        a->items[a->item_count++] = (struct append_item){ .series = series[i],
                                                          .shard = t.shard,
                                                          .slot = t.slot,
                                                          .ref = t.ref,
                                                          .is_from_cache = true };
    }
}

/* Look a->misses up in the alias cache; what is unknown stays. */
static enum err_code find_aliases(struct append *a, struct err *err)
{
    size_t count = a->miss_count;
    if (count == 0) return ERR_OK;
    uint32_t *order = arena_array_raw(a->batch->arena, uint32_t, count);
    if (order == NULL) return err_set(err, ERR_NOMEM, "no memory to append");
    size_t ends[ALIAS_STRIPES];
    sort_by_stripe(a, a->misses, count, order, ends);
    a->miss_count = 0;
    size_t from = 0;
    for (uint32_t k = 0; k < ALIAS_STRIPES; k++) {
        if (ends[k] == from) continue;
        struct alias_stripe *stripe = &a->h->alias.stripes[k];
        MUTEX_SCOPE(&stripe->lock);
        find_in_stripe(a, stripe, order + from, ends[k] - from);
        from = ends[k];
    }
    stat_add(&a->h->stats.alias_misses, a->miss_count);
    return ERR_OK;
}

/* ---- append ---- */

/* Items sorted by shard, then in the order of the batch, so that refs ascend as they were given. */
static enum err_code sort_by_shard(struct append *a, size_t ends[HEAD_SHARDS_MAX], struct err *err)
{
    struct append_item *sorted =
        arena_array_raw(a->batch->arena, struct append_item, a->batch->series_count + 1);
    uint32_t *at_series = arena_array(a->batch->arena, uint32_t, a->batch->series_count + 1);
    if (sorted == NULL || at_series == NULL) return err_set(err, ERR_NOMEM, "no memory to append");
    size_t counts[HEAD_SHARDS_MAX] = { 0 };
    for (size_t i = 0; i < a->item_count; i++) {
        at_series[a->items[i].series] = (uint32_t)i + 1;
        counts[a->items[i].shard]++;
    }
    size_t at = 0;
    for (uint32_t k = 0; k < a->h->shard_count; k++) {
        ends[k] = at;
        at += counts[k];
    }
    for (size_t i = 0; i < a->batch->series_count; i++) {
        if (at_series[i] == 0) continue;
        const struct append_item *item = &a->items[at_series[i] - 1];
        sorted[ends[item->shard]++] = *item;
    }
    a->items = sorted;
    return ERR_OK;
}

static enum err_code append_items(struct append *a, struct err *err)
{
    size_t ends[HEAD_SHARDS_MAX];
    TRY(sort_by_shard(a, ends, err));
    size_t at = 0;
    for (uint32_t k = 0; k < a->h->shard_count; k++) {
        while (at < ends[k]) {
            size_t n = ends[k] - at < SLICE_ITEMS_MAX ? ends[k] - at : SLICE_ITEMS_MAX;
            size_t done = 0;
            TRY(append_slice(a, a->items + at, n, &done, err));
            at += done;
        }
    }
    return ERR_OK;
}

static enum err_code allocate(struct append *a, struct err *err)
{
    struct arena *arena = a->batch->arena;
    size_t n = a->batch->series_count + 1;
    a->staged_cap =
        a->batch->sample_count < SLICE_SAMPLES_MAX ? a->batch->sample_count + 1 : SLICE_SAMPLES_MAX;
    a->items = arena_array_raw(arena, struct append_item, n);
    a->misses = arena_array_raw(arena, uint32_t, n);
    a->staged = arena_array_raw(arena, struct record_sample, a->staged_cap);
    a->staged_swap = arena_array_raw(arena, struct record_sample, a->staged_cap);
    a->record = arena_array_raw(arena, uint8_t, record_samples_bound(a->staged_cap));
    if (a->items == NULL || a->misses == NULL || a->staged == NULL || a->staged_swap == NULL ||
        a->record == NULL)
        return err_set(err, ERR_NOMEM, "no memory to append");
    return ERR_OK;
}

static void set_bounds(struct append *a)
{
    struct head *h = a->h;
    int64_t max = head_maxt_ms(h);
    a->lower_ms = head_mint_ms(h);
    if (max != HEAD_NO_TIME && max - h->block_range_ms / 2 > a->lower_ms)
        a->lower_ms = max - h->block_range_ms / 2;
    a->upper_ms = ts_add(clock_wall_ms(h->clock), h->future_limit_ms);
    if (a->lower_ms < -HEAD_TIME_LIMIT) a->lower_ms = -HEAD_TIME_LIMIT;
    if (a->upper_ms > HEAD_TIME_LIMIT) a->upper_ms = HEAD_TIME_LIMIT;
    a->min_ms = INT64_MAX;
    a->max_ms = INT64_MIN;
}

static enum err_code append_samples(struct append *a, struct err *err)
{
    TRY(allocate(a, err));
    take_refs(a);
    TRY(find_aliases(a, err));
    TRY(append_create_series(a, err));
    a->miss_count = 0;
    TRY(append_items(a, err));
    if (a->miss_count == 0) return ERR_OK;
    /* Series that garbage collection took away under the cached ref: once more, by their labels. */
    a->item_count = 0;
    TRY(append_create_series(a, err));
    a->miss_count = 0;
    TRY(append_items(a, err));
    for (size_t i = 0; i < a->miss_count; i++)
        append_refuse(a, a->misses[i], BATCH_NOMEM, a->batch->series[a->misses[i]].sample_count,
                      NULL);
    return ERR_OK;
}

/* ---- exemplars, metadata ---- */

static bool store_exemplar(struct append *a, const struct batch_exemplar *x, struct exemplar *out)
{
    const struct batch_series *s = &a->batch->series[x->series];
    *out = x->exemplar;
    if (s->ref.v == 0) return false;
    if (!out->has_ts && s->sample_count == 0) return false;
    if (!out->has_ts) out->ts_ms = a->batch->samples[s->sample_first + s->sample_count - 1].ts_ms;
    out->has_ts = true;
    uint32_t shard = (uint32_t)(s->ref.v >> 32) - 1;
    enum exemplar_outcome outcome =
        exemplar_ring_add(a->h->exemplars, shard, (uint32_t)s->ref.v, out);
    if (outcome == EXEMPLAR_STORED) a->out->exemplars_stored++;
    if (outcome != EXEMPLAR_STORED && outcome != EXEMPLAR_KNOWN) a->out->exemplars_refused++;
    return outcome == EXEMPLAR_STORED;
}

/* Exemplars never fail the batch. */
static void append_exemplars(struct append *a)
{
    for (size_t i = 0; i < a->batch->exemplar_count; i++) {
        const struct batch_exemplar *x = &a->batch->exemplars[i];
        ASSERT(x->series < a->batch->series_count);
        struct exemplar e;
        if (!store_exemplar(a, x, &e)) continue;
        uint64_t ref = a->batch->series[x->series].ref.v;
        struct buf payload;
        struct err err = { 0 };
        uint64_t position = 0;
        buf_init(&payload, mem_source_of(a->h->mem, MEM_INGEST), JOURNAL_RECORD_MAX);
        record_items_begin(&payload, (uint32_t)(ref >> 32) - 1, 1);
        record_exemplar_put(&payload, (uint32_t)ref, &e);
        if (head_log(a->h, JOURNAL_EXEMPLARS, &payload, false, &position, &err) == ERR_OK &&
            position > a->position)
            a->position = position;
        buf_deinit(&payload);
    }
    stat_add(&a->h->stats.exemplars_stored, a->out->exemplars_stored);
    stat_add(&a->h->stats.exemplars_refused, a->out->exemplars_refused);
}

/* Log what is in `payload` and empty it. */
static void log_metadata(struct append *a, struct buf *payload)
{
    uint64_t position = 0;
    struct err err = { 0 };
    if (payload->len == 0 && !buf_failed(payload)) return;
    if (head_log(a->h, JOURNAL_METADATA, payload, true, &position, &err) != ERR_OK)
        log_warn(&a->h->log, "metadata not logged; a restart forgets it", LOG_ERR(&err));
    if (position > a->position) a->position = position;
    buf_reset(payload);
}

static void append_metadata(struct append *a)
{
    struct buf payload;
    buf_init(&payload, mem_source_of(a->h->mem, MEM_INGEST), JOURNAL_RECORD_MAX);
    for (size_t i = 0; i < a->batch->metadata_count; i++) {
        struct metadata m = a->batch->metadata[i];
        if (!metadata_table_set(&a->h->metadata, &m)) continue;
        m.help = str_sub(m.help, 0, METADATA_TEXT_MAX); /* as the table keeps it */
        record_metadata_put(&payload, &m);
        if (payload.len >= METADATA_RECORD_BYTES) log_metadata(a, &payload);
    }
    log_metadata(a, &payload);
    buf_deinit(&payload);
}

static void finish(struct append *a)
{
    struct head *h = a->h;
    if (a->min_ms <= a->max_ms) head_note_times(h, a->min_ms, a->max_ms);
    for (int i = 0; i < BATCH_OUTCOME_COUNT; i++)
        if (a->out->outcomes[i] > 0) stat_add(&h->stats.samples[i], a->out->outcomes[i]);
    /* The first copy of a duplicate may not be durable yet: wait for all that was logged so far. */
    a->out->position = a->has_duplicates ? journal_end(h->journal) : a->position;
}

/* A large batch goes in parts, so that the working memory does not grow with it: a request of a
 * hundred thousand new series needs no more than one of four thousand. */
static enum err_code append_in_parts(struct append *a, struct err *err)
{
    struct batch *whole = a->batch;
    struct batch part = *whole;
    struct arena scratch;
    enum err_code rc = ERR_OK;
    arena_init(&scratch, mem_source_of(a->h->mem, MEM_INGEST), PART_BYTES_MAX);
    part.arena = &scratch;
    for (size_t first = 0; first < whole->series_count && rc == ERR_OK;
         first += part.series_count) {
        size_t left = whole->series_count - first;
        part.series = whole->series + first;
        part.series_count = left < PART_SERIES_MAX ? left : PART_SERIES_MAX;
        a->part_first = first;
        a->batch = &part;
        a->item_count = a->miss_count = 0;
        rc = append_samples(a, err);
        arena_reset(&scratch);
    }
    a->batch = whole;
    arena_deinit(&scratch);
    return rc;
}

enum err_code head_append(struct head *h, struct batch *batch, struct append_result *out,
                          struct err *err)
{
    *out = (struct append_result){ 0 };
    struct append a = { .h = h, .batch = batch, .out = out };
    uint64_t start = clock_mono_ns(h->clock);
    set_bounds(&a);
    struct epoch_guard guard = epoch_enter(h->epoch);
    bool is_large = batch->series_count > PART_SERIES_MAX;
    enum err_code rc = is_large ? append_in_parts(&a, err) : append_samples(&a, err);
    if (rc == ERR_OK) {
        append_exemplars(&a);
        append_metadata(&a);
    }
    finish(&a);
    epoch_leave(h->epoch, &guard);
    stat_observe_ns(&h->stats.append, clock_mono_ns(h->clock) - start);
    return rc;
}
