/* SPDX-License-Identifier: Apache-2.0
 *
 * The slow path of the append: series that the alias cache does not know. Labels are decoded
 * outside any lock; creation holds the shard's create_lock, so that refs are logged in order and a
 * series is created once; the shard's own lock is held only to look up and to publish.
 */
#include <string.h>

#include "base/assert.h"
#include "metrics/head/append_priv.h"

#define GROUP_MAX 64u
#define TEXT_SHOWN_MAX 64u           /* of a name, in an error */
#define GROUP_BYTES_MAX (256u << 10) /* of label text: one SERIES record, well below 1 MiB */

/* New series of one shard that are logged together. */
struct group {
    uint32_t shard;
    size_t count, text_bytes;
    struct series_draft drafts[GROUP_MAX];
    struct labels labels[GROUP_MAX];
    uint32_t series[GROUP_MAX]; /* index in the batch */
};

/* What decode said about a series of the batch. */
struct decoded {
    struct labels labels;
    uint64_t hash;
    uint32_t series;
    bool is_known; /* an item was made */
};

static void add_item(struct append *a, uint32_t series, uint32_t shard, uint32_t slot, uint32_t ref)
{
    struct batch_series *s = &a->batch->series[series];
    bool had_ref = s->ref.v != 0;
    s->ref = (struct series_ref){ (uint64_t)(shard + 1) << 32 | ref };
    a->items[a->item_count++] = (struct append_item){
        .series = series, .shard = shard, .slot = slot, .ref = ref, .is_from_cache = !had_ref
    };
    if (had_ref) return; /* key_hash means nothing */
    alias_put(&a->h->alias, s->key_hash, &(struct alias_target){ shard, slot, ref });
}

/* ---- decode ---- */

static enum batch_outcome outcome_of(enum err_code rc)
{
    if (rc == ERR_NOTFOUND) return BATCH_DROPPED;
    return rc == ERR_NOMEM ? BATCH_NOMEM : BATCH_INVALID_LABELS;
}

static int short_len(struct str s)
{
    return (int)(s.len < TEXT_SHOWN_MAX ? s.len : TEXT_SHOWN_MAX);
}

/* Errors name the metric and the label. */
static enum err_code check_texts(struct labels l, struct err *err)
{
    struct str metric = labels_get(l, LABEL_METRIC_NAME);
    if (l.len == 0) return err_set(err, ERR_INVALID, "no labels");
    if (l.len > SHARD_KEY_PAIRS_MAX)
        return err_setf(err, ERR_INVALID, "too many labels",
                        "%zu labels, limit %u, in metric \"%.*s\"", l.len,
                        (unsigned)SHARD_KEY_PAIRS_MAX, short_len(metric), metric.ptr);
    for (size_t i = 0; i < l.len; i++) {
        const struct label *x = &l.ptr[i];
        if (x->name.len <= SYMBOL_SIZE_MAX && x->value.len <= SYMBOL_SIZE_MAX) continue;
        return err_setf(err, ERR_INVALID, "label is too long",
                        "label \"%.*s\" of metric \"%.*s\": %zu and %zu bytes, limit %u each",
                        short_len(x->name), x->name.ptr, short_len(metric), metric.ptr, x->name.len,
                        x->value.len, (unsigned)SYMBOL_SIZE_MAX);
    }
    return ERR_OK;
}

static bool decode_one(struct append *a, uint32_t series, struct decoded *out)
{
    struct batch *b = a->batch;
    struct labels_builder builder;
    struct err err = { 0 };
    labels_builder_init(&builder, b->arena);
    struct labels labels = { 0 };
    enum err_code rc = b->decode(b, &b->series[series], &builder, &labels, &err);
    if (rc == ERR_OK) rc = check_texts(labels, &err);
    if (rc != ERR_OK) {
        append_refuse(a, series, outcome_of(rc), b->series[series].sample_count, &err);
        return false;
    }
    uint64_t hash = labels_hash128(labels, a->h->hash_seed).lo;
    *out = (struct decoded){ labels, hash, series, false };
    return true;
}

/* ---- create ---- */

static void refuse_group(struct append *a, const struct group *g, enum batch_outcome outcome,
                         const struct err *why)
{
    for (size_t i = 0; i < g->count; i++)
        append_refuse(a, g->series[i], outcome, a->batch->series[g->series[i]].sample_count, why);
    stat_add(&a->h->stats.series_refused, g->count);
}

/* Log the drafts. */
static enum err_code log_group(struct append *a, const struct group *g, struct err *err)
{
    struct buf payload;
    buf_init(&payload, mem_source_of(a->h->mem, MEM_INGEST), JOURNAL_RECORD_MAX);
    record_items_begin(&payload, g->shard, g->count);
    for (size_t i = 0; i < g->count; i++)
        record_series_put(&payload, g->drafts[i].ref, g->labels[i]);
    uint64_t position = 0;
    enum err_code rc = head_log(a->h, JOURNAL_SERIES, &payload, true, &position, err);
    buf_deinit(&payload);
    if (rc == ERR_OK && position > a->position) a->position = position;
    return rc;
}

/* Take memory for every series of the group; those that get none are refused and left out. */
static void draft_group(struct append *a, struct group *g)
{
    struct head_shard *s = &a->h->shards[g->shard];
    size_t kept = 0;
    MUTEX_SCOPE(&s->lock);
    for (size_t i = 0; i < g->count; i++) {
        struct series_draft d = g->drafts[i];
        struct err err = { 0 };
        uint32_t ref = atomic_load_explicit(&s->ref_limit, memory_order_relaxed);
        enum err_code rc = ERR_LIMIT;
        d.ref = ref;
        if (ref < UINT32_MAX - 1) rc = shard_draft(s, &d, &err);
        if (rc != ERR_OK) {
            append_refuse(a, g->series[i], rc == ERR_NOMEM ? BATCH_NOMEM : BATCH_LIMIT,
                          a->batch->series[g->series[i]].sample_count, &err);
            stat_add(&a->h->stats.series_refused, 1);
            continue;
        }
        atomic_store_explicit(&s->ref_limit, ref + 1, memory_order_release);
        g->drafts[kept] = d;
        g->labels[kept] = g->labels[i];
        g->series[kept++] = g->series[i];
    }
    g->count = kept;
}

static bool listener_takes(struct head *h, uint32_t shard, const struct series_draft *d)
{
    if (h->listener.series_created == NULL) return true;
    uint32_t count = 0;
    const struct head_shard *s = &h->shards[shard];
    const uint32_t *key = shard_key(s, shard_hot(s, d->slot), &count);
    return h->listener.series_created(h->listener.ctx, shard, d->ref, key, count) == ERR_OK;
}

/* Make the logged drafts visible. */
static void publish_group(struct append *a, struct group *g)
{
    struct head *h = a->h;
    struct head_shard *s = &h->shards[g->shard];
    size_t created = 0;
    bool is_taken[GROUP_MAX];
    mutex_lock(&s->lock);
    for (size_t i = 0; i < g->count; i++) {
        is_taken[i] = listener_takes(h, g->shard, &g->drafts[i]);
        if (is_taken[i]) {
            shard_publish(s, &g->drafts[i]);
            created++;
        } else {
            shard_discard(s, &g->drafts[i]);
        }
    }
    mutex_unlock(&s->lock);
    atomic_fetch_add_explicit(&h->series_count, created, memory_order_relaxed);
    stat_add(&h->stats.series_created, created);
    a->out->series_created += created;
    for (size_t i = 0; i < g->count; i++) {
        uint32_t series = g->series[i];
        if (is_taken[i]) {
            a->batch->series[series].is_new = true;
            add_item(a, series, g->shard, g->drafts[i].slot, g->drafts[i].ref);
        } else {
            append_refuse(a, series, BATCH_NOMEM, a->batch->series[series].sample_count, NULL);
            stat_add(&h->stats.series_refused, 1);
        }
    }
}

static void discard_group(struct append *a, const struct group *g)
{
    struct head_shard *s = &a->h->shards[g->shard];
    MUTEX_SCOPE(&s->lock);
    for (size_t i = 0; i < g->count; i++)
        shard_discard(s, &g->drafts[i]);
}

/* Under create_lock. */
static enum err_code flush_group(struct append *a, struct group *g, struct err *err)
{
    draft_group(a, g);
    enum err_code rc = ERR_OK;
    if (g->count > 0) {
        rc = log_group(a, g, err);
        if (rc == ERR_OK) {
            publish_group(a, g);
        } else {
            discard_group(a, g);
            if (rc == ERR_NOMEM || rc == ERR_LIMIT) {
                refuse_group(a, g, BATCH_NOMEM, err);
                rc = ERR_OK;
            }
        }
    }
    g->count = g->text_bytes = 0;
    return rc;
}

/* ERR_OK, or why no more series may be created. */
static enum batch_outcome may_create(const struct append *a, const struct group *g)
{
    if (mem_level(a->h->mem) >= MEM_ORANGE) return BATCH_NOMEM;
    if (head_series_count(a->h) + g->count >= a->h->series_max) return BATCH_LIMIT;
    return BATCH_STORED;
}

static size_t text_size(struct labels l)
{
    size_t n = 0;
    for (size_t i = 0; i < l.len; i++)
        n += l.ptr[i].name.len + l.ptr[i].value.len + 6;
    return n;
}

static bool group_has_hash(const struct group *g, uint64_t hash)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->drafts[i].hash == hash) return true;
    return false;
}

/* Put a series on the group, interning its pairs; refuses it when that fails. */
static void group_add(struct append *a, struct group *g, const struct decoded *d)
{
    enum batch_outcome outcome = may_create(a, g);
    struct err err = { 0 };
    uint32_t *pairs = arena_array_raw(a->batch->arena, uint32_t, d->labels.len);
    if (outcome == BATCH_STORED &&
        (pairs == NULL || pairs_intern(&a->h->pairs, d->labels, pairs, &err) != ERR_OK))
        outcome = BATCH_NOMEM;
    if (outcome != BATCH_STORED) {
        append_refuse(a, d->series, outcome, a->batch->series[d->series].sample_count, &err);
        stat_add(&a->h->stats.series_refused, 1);
        return;
    }
    g->drafts[g->count] = (struct series_draft){ .hash = d->hash,
                                                 .pairs = pairs,
                                                 .pair_count = (uint32_t)d->labels.len };
    g->labels[g->count] = d->labels;
    g->series[g->count++] = d->series;
    g->text_bytes += text_size(d->labels);
}

static bool find_known(struct append *a, const struct decoded *d)
{
    struct head_shard *s = &a->h->shards[head_shard_of(a->h, d->hash)];
    uint32_t slot = 0;
    uint32_t ref = 0;
    mutex_lock(&s->lock);
    bool is_known = shard_find(s, &a->h->pairs, d->hash, d->labels, &slot);
    if (is_known) ref = shard_hot(s, slot)->ref;
    mutex_unlock(&s->lock);
    if (is_known) add_item(a, d->series, head_shard_of(a->h, d->hash), slot, ref);
    return is_known;
}

/* Create those of one shard that still do not exist. */
static enum err_code create_in_shard(struct append *a, uint32_t shard, const struct decoded *list,
                                     size_t count, struct err *err)
{
    struct group *g = arena_new(a->batch->arena, struct group);
    if (g == NULL) return err_set(err, ERR_NOMEM, "no memory for new series");
    g->shard = shard;
    MUTEX_SCOPE(&a->h->shards[shard].create_lock);
    for (size_t i = 0; i < count; i++) {
        const struct decoded *d = &list[i];
        if (d->is_known || head_shard_of(a->h, d->hash) != shard) continue;
        bool is_full =
            g->count == GROUP_MAX || g->text_bytes + text_size(d->labels) > GROUP_BYTES_MAX;
        if (is_full || group_has_hash(g, d->hash)) TRY(flush_group(a, g, err));
        if (!find_known(a, d)) group_add(a, g, d);
    }
    return flush_group(a, g, err);
}

enum err_code append_create_series(struct append *a, struct err *err)
{
    struct decoded *list = arena_array_raw(a->batch->arena, struct decoded, a->miss_count + 1);
    if (list == NULL) return err_set(err, ERR_NOMEM, "no memory for new series");
    size_t count = 0;
    uint64_t shards = 0; /* bit per shard that has something to create */
    for (size_t i = 0; i < a->miss_count; i++)
        count += decode_one(a, a->misses[i], &list[count]);
    stat_add(&a->h->stats.labels_decoded, a->miss_count);
    for (size_t i = 0; i < count; i++) {
        list[i].is_known = find_known(a, &list[i]);
        if (!list[i].is_known) shards |= (uint64_t)1 << head_shard_of(a->h, list[i].hash);
    }
    for (uint32_t i = 0; i < a->h->shard_count; i++)
        if (shards >> i & 1) TRY(create_in_shard(a, i, list, count, err));
    return ERR_OK;
}
