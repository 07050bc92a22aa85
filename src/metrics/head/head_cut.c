/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/head_cut.h"

#include <string.h>

#include "base/assert.h"
#include "metrics/head/head_chunk.h"
#include "metrics/head/head_priv.h"
#include "metrics/head/pair_ranks.h"

#define SLOT_STEP 1024u
#define PART_SERIES 1000000u
#define WINDOW 256u
#define ARENA_BYTES_MAX ((size_t)16 << 20)

/* A series of the part that is being read. */
struct entry {
    uint32_t metric; /* rank of the __name__ pair; 0 = none */
    uint32_t other;  /* rank of the first other pair; 0 = none */
    uint32_t shard, ref;
};

/* A series of the window: where its samples are. */
struct window_item {
    size_t first, count;
};

struct head_cut {
    struct head *h;
    struct mem_budget *mem;
    struct epoch_guard guard;
    int64_t mint_ms, maxt_ms; /* [mint, maxt) */
    size_t part_series;
    uint8_t *used; /* bit per pair id */
    uint32_t used_limit;
    struct pair_ranks ranks;
    uint32_t *counts;                 /* series by rank of the metric name, from 0 = none */
    uint32_t metric_count;            /* of counts */
    uint32_t part_first, next_metric; /* metric names of the part: [first, next) */
    struct entry *entries, *spare;
    size_t entry_count, entry_cap, at;
    /* series at .. at + window_count of the part */
    struct window_item window[WINDOW];
    size_t window_count, window_at;
    struct head_reader *reader;
    struct sample_buf samples;
    struct arena arena;
};

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory to cut the head");
}

/* ---- all series of the range ---- */

typedef void (*series_fn)(struct head_cut *c, uint32_t shard, const struct series_hot *h,
                          const uint32_t *key, uint32_t count);

/* May the series have samples in the range? */
static bool is_in_range(const struct head_cut *c, const struct head_shard *s, uint32_t slot)
{
    const struct series_hot *h = shard_hot(s, slot);
    if (!hot_is_live(h) || h->last_t < c->mint_ms) return false;
    if (h->count > 0 && h->chunk_mint < c->maxt_ms) return true;
    for (uint32_t id = shard_cold(s, slot)->chunks; id != 0; id = shard_node(s, id)->older)
        if (node_mint_low(shard_node(s, id)) < c->maxt_ms) return true;
    return false;
}

static void each_series(struct head_cut *c, series_fn fn)
{
    for (uint32_t i = 0; i < c->h->shard_count; i++) {
        const struct head_shard *s = &c->h->shards[i];
        struct mutex *lock = &c->h->shards[i].lock;
        uint32_t limit = SLOT_STEP;
        for (uint32_t slot = 0; slot < limit; slot += SLOT_STEP) {
            MUTEX_SCOPE(lock);
            limit = s->slot_limit;
            for (uint32_t k = slot; k < limit && k < slot + SLOT_STEP; k++) {
                if (!is_in_range(c, s, k)) continue;
                uint32_t count = 0;
                const uint32_t *key = shard_key(s, shard_hot(s, k), &count);
                fn(c, i, shard_hot(s, k), key, count);
            }
        }
    }
}

struct key_ranks {
    uint32_t metric, other;
};

/* Series whose pairs came after the ranks were made are newer than the range. */
static bool ranks_of(const struct head_cut *c, const uint32_t *key, uint32_t count,
                     struct key_ranks *out)
{
    *out = (struct key_ranks){ 0, 0 };
    for (uint32_t i = 0; i < count; i++) {
        uint32_t rank = key[i] < c->ranks.limit ? c->ranks.rank[key[i]] : 0;
        if (rank == 0) return false;
        if (rank >= c->ranks.name_first && rank < c->ranks.name_end) {
            out->metric = rank - c->ranks.name_first + 1;
        } else if (out->other == 0) {
            out->other = rank;
        }
    }
    return true;
}

static void mark_used(struct head_cut *c, uint32_t shard, const struct series_hot *h,
                      const uint32_t *key, uint32_t count)
{
    (void)shard;
    (void)h;
    for (uint32_t i = 0; i < count; i++)
        if (key[i] < c->used_limit) c->used[key[i] / 8] |= (uint8_t)(1u << (key[i] % 8));
}

static void count_metric(struct head_cut *c, uint32_t shard, const struct series_hot *h,
                         const uint32_t *key, uint32_t count)
{
    (void)shard;
    (void)h;
    struct key_ranks k;
    if (ranks_of(c, key, count, &k)) c->counts[k.metric]++;
}

/* ---- sort ---- */

/* The other labels, pair by pair. */
static int compare_keys(const struct head_cut *c, const struct entry *a, const struct entry *b)
{
    uint32_t a_count = 0;
    uint32_t b_count = 0;
    const uint32_t *x = head_series_pairs(c->h, a->shard, a->ref, &a_count);
    const uint32_t *y = head_series_pairs(c->h, b->shard, b->ref, &b_count);
    ASSERT(x != NULL && y != NULL); /* our guard keeps removed series readable */
    uint32_t i = 0;
    uint32_t k = 0;
    for (;; i++, k++) {
        uint32_t first = c->ranks.name_first;
        uint32_t end = c->ranks.name_end;
        if (i < a_count && c->ranks.rank[x[i]] >= first && c->ranks.rank[x[i]] < end) i++;
        if (k < b_count && c->ranks.rank[y[k]] >= first && c->ranks.rank[y[k]] < end) k++;
        if (i >= a_count || k >= b_count) break;
        if (x[i] != y[k]) return c->ranks.rank[x[i]] < c->ranks.rank[y[k]] ? -1 : 1;
    }
    return i < a_count ? 1 : k < b_count ? -1 : 0;
}

static bool is_before(const struct head_cut *c, const struct entry *a, const struct entry *b)
{
    if (a->metric != b->metric) return a->metric < b->metric;
    if (a->other != b->other) return a->other < b->other;
    return compare_keys(c, a, b) < 0;
}

static void merge_step(struct head_cut *c, size_t start, size_t width)
{
    size_t end = c->entry_count;
    size_t left = start;
    size_t mid = start + width < end ? start + width : end;
    size_t right = mid;
    size_t stop = mid + width < end ? mid + width : end;
    for (size_t k = start; k < stop; k++) {
        bool take_left =
            left < mid && (right >= stop || !is_before(c, &c->entries[right], &c->entries[left]));
        c->spare[k] = take_left ? c->entries[left++] : c->entries[right++];
    }
}

static void sort_entries(struct head_cut *c)
{
    for (size_t width = 1; width < c->entry_count; width *= 2) {
        for (size_t start = 0; start < c->entry_count; start += 2 * width)
            merge_step(c, start, width);
        struct entry *swap = c->entries;
        c->entries = c->spare;
        c->spare = swap;
    }
}

/* ---- parts ---- */

static void free_part(struct head_cut *c)
{
    mem_free(c->mem, MEM_COMPACTION, c->entries, c->entry_cap * sizeof *c->entries);
    mem_free(c->mem, MEM_COMPACTION, c->spare, c->entry_cap * sizeof *c->spare);
    c->entries = c->spare = NULL;
    c->entry_count = c->entry_cap = c->at = 0;
}

static void collect_entry(struct head_cut *c, uint32_t shard, const struct series_hot *h,
                          const uint32_t *key, uint32_t count)
{
    struct key_ranks k;
    if (!ranks_of(c, key, count, &k)) return;
    if (k.metric < c->part_first || k.metric >= c->next_metric) return;
    /* Counted before: more cannot come, what is gone meanwhile leaves its place empty. */
    if (c->entry_count == c->entry_cap) return;
    c->entries[c->entry_count++] = (struct entry){ k.metric, k.other, shard, h->ref };
}

/* Collect and sort the next metric names that together have about part_series series. */
static enum err_code next_part(struct head_cut *c, struct err *err)
{
    free_part(c);
    size_t total = 0;
    c->part_first = c->next_metric;
    while (c->next_metric < c->metric_count &&
           (total == 0 || total + c->counts[c->next_metric] <= c->part_series))
        total += c->counts[c->next_metric++];
    if (total == 0) return ERR_OK;
    c->entries = mem_alloc(c->mem, MEM_COMPACTION, total * sizeof *c->entries);
    c->spare = mem_alloc(c->mem, MEM_COMPACTION, total * sizeof *c->spare);
    if (c->entries == NULL || c->spare == NULL) {
        c->entry_cap = total;
        free_part(c);
        return no_memory(err);
    }
    c->entry_cap = total;
    each_series(c, collect_entry);
    sort_entries(c);
    return ERR_OK;
}

/* ---- windows ---- */

/* Load the window's series of one shard and decode them. */
static enum err_code read_shard(struct head_cut *c, uint32_t shard, struct err *err)
{
    uint32_t refs[HEAD_READ_BATCH];
    size_t items[HEAD_READ_BATCH];
    size_t n = 0;
    for (size_t i = 0; i < c->window_count; i++) {
        const struct entry *e = &c->entries[c->at + i];
        if (e->shard == shard) {
            refs[n] = e->ref;
            items[n++] = i;
        }
        if (n < HEAD_READ_BATCH && (i + 1 < c->window_count || n == 0)) continue;
        TRY(head_reader_load(c->reader, shard, refs, n, c->mint_ms, c->maxt_ms - 1, err));
        for (size_t k = 0; k < n; k++) {
            size_t before = c->samples.cols.count;
            TRY(head_reader_samples(c->reader, k, &c->samples, err));
            c->window[items[k]] = (struct window_item){ before, c->samples.cols.count - before };
        }
        n = 0;
    }
    return ERR_OK;
}

static enum err_code next_window(struct head_cut *c, struct err *err)
{
    c->at += c->window_count;
    c->window_at = c->window_count = 0;
    while (c->at == c->entry_count) {
        if (c->next_metric == c->metric_count) return ERR_NOTFOUND;
        TRY(next_part(c, err));
    }
    size_t left = c->entry_count - c->at;
    c->window_count = left < WINDOW ? left : WINDOW;
    sample_buf_reset(&c->samples);
    for (uint32_t i = 0; i < c->h->shard_count; i++)
        TRY(read_shard(c, i, err));
    return ERR_OK;
}

/* ---- whole ---- */

static enum err_code prepare(struct head_cut *c, struct err *err)
{
    TRY(head_reader_create(c->h, c->mem, &c->reader, err));
    c->used_limit = pairs_limit(&c->h->pairs);
    c->used = mem_zalloc(c->mem, MEM_COMPACTION, c->used_limit / 8 + 1);
    if (c->used == NULL) return no_memory(err);
    each_series(c, mark_used);
    TRY(pair_ranks_init(&c->ranks, &c->h->pairs, c->used, c->used_limit, err));
    c->metric_count = c->ranks.name_end - c->ranks.name_first + 1;
    c->counts = mem_zalloc(c->mem, MEM_COMPACTION, c->metric_count * sizeof *c->counts);
    if (c->counts == NULL) return no_memory(err);
    each_series(c, count_metric);
    return ERR_OK;
}

enum err_code head_cut_create(struct head *h, int64_t mint_ms, int64_t maxt_ms, size_t part_series,
                              struct head_cut **out, struct err *err)
{
    ASSERT(mint_ms < maxt_ms);
    struct head_cut *c = mem_zalloc(h->mem, MEM_COMPACTION, sizeof *c);
    if (c == NULL) return no_memory(err);
    c->h = h;
    c->mem = h->mem;
    c->mint_ms = mint_ms;
    c->maxt_ms = maxt_ms;
    c->part_series = part_series != 0 ? part_series : PART_SERIES;
    c->guard = epoch_enter(h->epoch);
    sample_buf_init(&c->samples, mem_source_of(h->mem, MEM_COMPACTION));
    arena_init(&c->arena, mem_source_of(h->mem, MEM_COMPACTION), ARENA_BYTES_MAX);
    enum err_code rc = prepare(c, err);
    if (rc != ERR_OK) {
        head_cut_destroy(c);
        return rc;
    }
    *out = c;
    return ERR_OK;
}

enum err_code head_cut_next(struct head_cut *c, struct labels *out_labels,
                            struct sample_columns *out_samples, struct err *err)
{
    for (;;) {
        if (c->window_at == c->window_count) TRY(next_window(c, err));
        size_t i = c->window_at++;
        if (c->window[i].count == 0) continue;
        const struct entry *e = &c->entries[c->at + i];
        arena_reset(&c->arena);
        enum err_code rc = head_series_labels(c->h, e->shard, e->ref, &c->arena, out_labels, err);
        ASSERT(rc != ERR_NOTFOUND);
        TRY(rc);
        *out_samples = (struct sample_columns){ .ts_ms = c->samples.cols.ts_ms + c->window[i].first,
                                                .value = c->samples.cols.value + c->window[i].first,
                                                .count = c->window[i].count,
                                                .cap = c->window[i].count };
        return ERR_OK;
    }
}

void head_cut_destroy(struct head_cut *c)
{
    if (c == NULL) return;
    free_part(c);
    mem_free(c->mem, MEM_COMPACTION, c->counts, c->metric_count * sizeof *c->counts);
    pair_ranks_deinit(&c->ranks);
    mem_free(c->mem, MEM_COMPACTION, c->used, c->used_limit / 8 + 1);
    head_reader_destroy(c->reader);
    sample_buf_deinit(&c->samples);
    arena_deinit(&c->arena);
    epoch_leave(c->h->epoch, &c->guard);
    mem_free(c->mem, MEM_COMPACTION, c, sizeof *c);
}
