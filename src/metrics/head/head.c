/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "metrics/head/checkpoint.h"
#include "metrics/head/head_gc.h"
#include "metrics/head/head_priv.h"

#define HEAD_MAGIC 0x48454144u
#define COMPRESS_MIN_BYTES 1024u
#define LOG_CREDIT_TIMEOUT_NS 5000000000ull

static enum err_code shards_create(struct head *h, struct err *err)
{
    h->shards = mem_zalloc(h->mem, MEM_HEAD, h->shard_count * sizeof *h->shards);
    if (h->shards == NULL) return err_set(err, ERR_NOMEM, "no memory for the head");
    for (uint32_t i = 0; i < h->shard_count; i++)
        shard_init(&h->shards[i], h->mem);
    return ERR_OK;
}

static void take_options(struct head *h, const struct head_options *o)
{
    struct journal_identity identity = journal_identity(o->journal);
    ASSERT(identity.shards_log2 <= 6);
    h->magic = HEAD_MAGIC;
    h->clock = o->clock;
    h->mem = o->mem;
    h->log = (struct log){ o->log, "head" };
    h->journal = o->journal;
    h->hash_seed = identity.hash_seed;
    h->shard_count = 1u << identity.shards_log2;
    h->shards_log2 = identity.shards_log2;
    h->block_range_ms = o->block_range_ms;
    h->future_limit_ms = o->future_limit_ms;
    h->series_max = o->series_max;
    h->replay_threads = o->replay_threads;
    atomic_store_explicit(&h->mint_ms, o->mint_ms, memory_order_relaxed);
    atomic_store_explicit(&h->floor_ms, o->mint_ms, memory_order_relaxed);
    atomic_store_explicit(&h->first_ms, INT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&h->max_ms, HEAD_NO_TIME, memory_order_relaxed);
}

static enum err_code parts_create(struct head *h, const struct head_options *o, struct err *err)
{
    TRY(epoch_create(h->mem, &h->epoch, err));
    TRY(shards_create(h, err));
    struct head_files_options files = { .files = o->files,
                                        .mem = o->mem,
                                        .epoch = h->epoch,
                                        .log = &h->log,
                                        .dir = o->dir,
                                        .file_bytes = o->file_bytes };
    TRY(head_files_create(&files, &h->files, err));
    TRY(chunk_writer_create(h, &h->writer, err));
    TRY(exemplar_ring_create(h->mem, o->exemplars_max, &h->exemplars, err));
    TRY(checkpoints_create(h, &h->checkpoints, err));
    return head_gc_create(h, &h->gc, err);
}

enum err_code head_create(const struct head_options *options, struct head **out, struct err *err)
{
    ASSERT(options->block_range_ms > 0);
    struct head *h = mem_zalloc(options->mem, MEM_HEAD, sizeof *h);
    if (h == NULL) return err_set(err, ERR_NOMEM, "no memory for the head");
    take_options(h, options);
    pairs_init(&h->pairs, h->mem, h->hash_seed);
    alias_init(&h->alias, h->mem);
    metadata_table_init(&h->metadata, h->mem);
    mutex_init(&h->zstd_lock);
    enum err_code rc = parts_create(h, options, err);
    if (rc != ERR_OK) {
        head_destroy(h);
        return rc;
    }
    *out = h;
    return ERR_OK;
}

void head_destroy(struct head *h)
{
    if (h == NULL) return;
    ASSERT(h->magic == HEAD_MAGIC);
    head_gc_destroy(h->gc);
    checkpoints_destroy(h->checkpoints);
    chunk_writer_destroy(h->writer);
    exemplar_ring_destroy(h->exemplars);
    /* What waits for readers that have left points into the parts below. */
    if (h->epoch != NULL) (void)epoch_collect(h->epoch);
    head_files_destroy(h->files);
    for (uint32_t i = 0; h->shards != NULL && i < h->shard_count; i++)
        shard_deinit(&h->shards[i]);
    mem_free(h->mem, MEM_HEAD, h->shards, h->shard_count * sizeof *h->shards);
    alias_deinit(&h->alias);
    pairs_deinit(&h->pairs);
    metadata_table_deinit(&h->metadata);
    zstd_encoder_destroy(h->zstd);
    mutex_deinit(&h->zstd_lock);
    if (h->epoch != NULL) epoch_destroy(h->epoch);
    h->magic = 0;
    mem_free(h->mem, MEM_HEAD, h, sizeof *h);
}

void head_set_listener(struct head *h, const struct head_listener *listener)
{
    h->listener = *listener;
}

enum err_code head_start(struct head *h, struct err *err)
{
    return chunk_writer_start(h->writer, err);
}

void head_stop(struct head *h)
{
    chunk_writer_stop(h->writer);
}

enum err_code head_flush_chunks(struct head *h, struct err *err)
{
    return chunk_writer_flush(h->writer, err);
}

void head_collect(struct head *h)
{
    (void)epoch_collect(h->epoch);
}

/* ---- whole head ---- */

struct epoch *head_epoch(const struct head *h)
{
    return h->epoch;
}

uint32_t head_shard_count(const struct head *h)
{
    return h->shard_count;
}

int64_t head_mint_ms(const struct head *h)
{
    return atomic_load_explicit(&h->mint_ms, memory_order_acquire); /* partner: head_set_mint */
}

int64_t head_first_ms(const struct head *h)
{
    int64_t first = atomic_load_explicit(&h->first_ms, memory_order_relaxed);
    return first == INT64_MAX ? HEAD_NO_TIME : first;
}

int64_t head_maxt_ms(const struct head *h)
{
    return atomic_load_explicit(&h->max_ms, memory_order_relaxed);
}

uint64_t head_series_count(const struct head *h)
{
    return atomic_load_explicit(&h->series_count, memory_order_relaxed);
}

void head_begin_cut(struct head *h, int64_t maxt_ms)
{
    if (maxt_ms > atomic_load_explicit(&h->floor_ms, memory_order_relaxed))
        atomic_store_explicit(&h->floor_ms, maxt_ms, memory_order_relaxed);
    /* Appends that hold a lock now may have read the old floor; later ones read the new one. */
    for (uint32_t i = 0; i < h->shard_count; i++) {
        mutex_lock(&h->shards[i].lock);
        mutex_unlock(&h->shards[i].lock);
    }
}

void head_set_mint(struct head *h, int64_t mint_ms)
{
    ASSERT(mint_ms >= head_mint_ms(h));
    atomic_store_explicit(&h->mint_ms, mint_ms, memory_order_release); /* partner: head_mint_ms */
}

void head_note_times(struct head *h, int64_t min_ms, int64_t max_ms)
{
    int64_t first = atomic_load_explicit(&h->first_ms, memory_order_relaxed);
    while (min_ms < first &&
           !atomic_compare_exchange_weak_explicit(&h->first_ms, &first, min_ms,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
    int64_t max = atomic_load_explicit(&h->max_ms, memory_order_relaxed);
    while (max_ms > max &&
           !atomic_compare_exchange_weak_explicit(&h->max_ms, &max, max_ms, memory_order_relaxed,
                                                  memory_order_relaxed))
        continue;
}

/* ---- labels ---- */

uint32_t head_pair_limit(const struct head *h)
{
    return pairs_limit(&h->pairs);
}

bool head_pair(const struct head *h, uint32_t pair, struct head_pair *out)
{
    struct pair p = pairs_get(&h->pairs, pair);
    if (p.name == 0) return false;
    *out = (struct head_pair){ p.name, p.value, pairs_symbol_text(&h->pairs, p.name),
                               pairs_symbol_text(&h->pairs, p.value) };
    return true;
}

/* Look-ups lock, but change nothing that a caller can see. */
static struct pairs *pairs_of(const struct head *h)
{
    return (struct pairs *)(uintptr_t)&h->pairs;
}

uint32_t head_pair_find(const struct head *h, struct str name, struct str value)
{
    return pairs_find(pairs_of(h), name, value);
}

struct str head_symbol(const struct head *h, uint32_t sym)
{
    return pairs_symbol_text(&h->pairs, sym);
}

uint32_t head_symbol_find(const struct head *h, struct str text)
{
    return pairs_find_symbol(pairs_of(h), text);
}

const uint32_t *head_series_pairs(const struct head *h, uint32_t shard, uint32_t ref,
                                  uint32_t *out_count)
{
    ASSERT(shard < h->shard_count);
    const struct head_shard *s = &h->shards[shard];
    uint32_t slot;
    if (!shard_slot_of(s, ref, &slot)) return NULL;
    return shard_key(s, shard_hot(s, slot), out_count);
}

enum err_code head_series_labels(const struct head *h, uint32_t shard, uint32_t ref,
                                 struct arena *a, struct labels *out, struct err *err)
{
    uint32_t count = 0;
    const uint32_t *ids = head_series_pairs(h, shard, ref, &count);
    if (ids == NULL) return err_set(err, ERR_NOTFOUND, "no such series");
    struct label *l = arena_array_raw(a, struct label, count + 1);
    if (l == NULL) return err_set(err, ERR_NOMEM, "no memory for labels");
    for (uint32_t i = 0; i < count; i++) {
        struct pair p = pairs_get(&h->pairs, ids[i]);
        l[i].name = pairs_symbol_text(&h->pairs, p.name);
        l[i].value = pairs_symbol_text(&h->pairs, p.value);
    }
    *out = (struct labels){ l, count };
    return ERR_OK;
}

size_t head_series_refs(const struct head *h, uint32_t shard, uint32_t *cursor, uint32_t *out,
                        size_t cap)
{
    ASSERT(shard < h->shard_count);
    const struct head_shard *s = &h->shards[shard];
    uint32_t limit = atomic_load_explicit(&s->ref_limit, memory_order_acquire);
    uint32_t page = 1u << s->slots.page_log2;
    size_t n = 0;
    uint32_t ref = *cursor;
    while (ref < limit && n < cap) {
        uint32_t slot;
        if (paged_find(&s->slots, ref) == NULL) { /* none on the whole page */
            ref = (ref | (page - 1)) == UINT32_MAX ? limit : (ref | (page - 1)) + 1;
            continue;
        }
        if (shard_slot_of(s, ref, &slot) && hot_is_live(shard_hot(s, slot))) out[n++] = ref;
        ref++;
    }
    *cursor = ref;
    return n;
}

/* ---- journal ---- */

bool head_compress(struct head *h, struct bytes raw, struct buf *out)
{
    if (raw.len < COMPRESS_MIN_BYTES || raw.len > UINT32_MAX) return false;
    MUTEX_SCOPE(&h->zstd_lock);
    struct err err = { 0 };
    if (h->zstd == NULL && zstd_encoder_create(h->mem, MEM_HEAD, 1, &h->zstd, &err) != ERR_OK)
        return false;
    buf_put_u32le(out, (uint32_t)raw.len);
    zstd_encode(h->zstd, raw, out);
    return !buf_failed(out) && out->len < raw.len;
}

enum err_code head_log(struct head *h, uint8_t type, struct buf *payload, bool compress,
                       uint64_t *out_position, struct err *err)
{
    if (buf_failed(payload)) return err_set(err, ERR_NOMEM, "no memory for a journal record");
    struct buf packed;
    buf_init(&packed, mem_source_of(h->mem, MEM_HEAD), 2 * JOURNAL_RECORD_MAX);
    struct journal_record rec = { .type = type, .payload = buf_bytes(payload) };
    if (compress && head_compress(h, rec.payload, &packed)) {
        rec.flags = JOURNAL_FLAG_ZSTD;
        rec.payload = buf_bytes(&packed);
    }
    size_t bytes = journal_record_bytes(rec.payload.len);
    enum err_code rc = journal_credit(h->journal, bytes, LOG_CREDIT_TIMEOUT_NS, err);
    if (rc == ERR_OK) {
        rc = journal_append(h->journal, 0, &rec, out_position, err);
        if (rc != ERR_OK) journal_credit_return(h->journal, bytes);
    }
    buf_deinit(&packed);
    return rc;
}

/* ---- status ---- */

static void add_shard_status(struct head_shard *s, struct head_status *out)
{
    MUTEX_SCOPE(&s->lock);
    out->open_chunks += s->chunk_count;
    out->full_chunks += s->node_limit - 1;
    out->memory_series += paged_size_bytes(&s->hot) + paged_size_bytes(&s->cold) +
                          paged_size_bytes(&s->slots) + paged_size_bytes(&s->nodes) +
                          slab_size_bytes(&s->keys) + hash_index_size_bytes(&s->series);
    out->memory_chunks += slab_size_bytes(&s->chunks);
}

void head_status(struct head *h, struct head_status *out)
{
    *out = (struct head_status){ .series = head_series_count(h),
                                 .pairs = pairs_count(&h->pairs),
                                 .file_bytes = head_files_size_bytes(h->files),
                                 .memory_pairs = pairs_size_bytes(&h->pairs),
                                 .memory_alias = alias_size_bytes(&h->alias) };
    for (uint32_t i = 0; i < h->shard_count; i++)
        add_shard_status(&h->shards[i], out);
}

struct stat_table head_stats(struct head *h)
{
    struct head_stats *s = &h->stats;
    uint64_t queued = 0;
    for (uint32_t i = 0; i < h->shard_count; i++) {
        MUTEX_SCOPE(&h->shards[i].lock);
        queued += h->shards[i].pending_bytes;
    }
    stat_set(&s->series, (int64_t)head_series_count(h));
    stat_set(&s->label_pairs, (int64_t)pairs_count(&h->pairs));
    stat_set(&s->alias_entries, (int64_t)alias_count(&h->alias));
    stat_set(&s->chunks_queued_bytes, (int64_t)queued);
    stat_set(&s->file_bytes, (int64_t)head_files_size_bytes(h->files));
    stat_set(&s->min_time_s, head_first_ms(h) == HEAD_NO_TIME ? 0 : head_first_ms(h) / 1000);
    stat_set(&s->max_time_s, head_maxt_ms(h) == HEAD_NO_TIME ? 0 : head_maxt_ms(h) / 1000);
    return (struct stat_table){ HEAD_STATS, HEAD_STATS_COUNT, s };
}

enum err_code head_metadata(struct head *h, struct arena *a, struct metadata **out,
                            size_t *out_count, struct err *err)
{
    return metadata_table_list(&h->metadata, a, out, out_count, err);
}

enum err_code head_exemplars(struct head *h, uint32_t shard, uint32_t ref, int64_t mint_ms,
                             int64_t maxt_ms, struct arena *a, struct exemplar **out,
                             size_t *out_count, struct err *err)
{
    int64_t range[2] = { mint_ms, maxt_ms };
    return exemplar_ring_read(h->exemplars, shard, ref, range, a, out, out_count, err);
}
