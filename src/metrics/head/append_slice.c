/* SPDX-License-Identifier: Apache-2.0
 *
 * One slice of a batch: the samples of up to 1,024 series of one shard under one hold of its lock.
 */
#include <string.h>

#include "base/assert.h"
#include "base/time.h"
#include "metrics/head/append_priv.h"
#include "metrics/head/head_chunk.h"

#define PREFETCH_DISTANCE 8u
#define CREDIT_TIMEOUT_NS 100000000ull /* a thread waits no longer than 100 ms */
#define SAMPLES_GROUP_MIN 4u           /* fewer samples of one time: cheaper as irregular ones */

struct slice {
    struct append *a;
    struct head_shard *s;
    uint32_t shard;
    struct chunk_range range;
    struct record_sample *staged; /* a->staged or a->staged_swap */
    size_t staged_count;
    size_t credit; /* bytes taken and not yet used */
};

/* ---- check ---- */

static const struct sample *sample_of(const struct append *a, const struct append_item *item,
                                      uint32_t k)
{
    return &a->batch->samples[a->batch->series[item->series].sample_first + k];
}

/* The series' newest sample, as it will be when the samples staged so far are applied. */
struct newest {
    int64_t t;
    uint64_t bits;
};

static enum batch_outcome check_sample(struct append *a, const struct newest *n, int64_t t,
                                       uint64_t bits)
{
    if (t < a->lower_ms || t > a->upper_ms) return BATCH_OUT_OF_BOUNDS;
    if (t > n->t || n->t == HEAD_NO_TIME) return BATCH_STORED;
    if (t < n->t) return BATCH_OUT_OF_ORDER; /* the out-of-order window comes here */
    a->has_duplicates = true;
    return bits == n->bits ? BATCH_STORED : BATCH_DUPLICATE;
}

/* The item's series, if it is still there. */
static struct series_hot *item_series(const struct head_shard *s, struct append_item *item)
{
    if (item->slot == SLOT_UNKNOWN && !shard_slot_of(s, item->ref, &item->slot)) return NULL;
    struct series_hot *h = paged_find(&s->hot, item->slot);
    if (h == NULL || h->ref != item->ref || !hot_is_live(h)) return NULL;
    return h;
}

static void stage(struct slice *sl, const struct append_item *item, int64_t t, uint64_t bits)
{
    sl->staged[sl->staged_count++] = (struct record_sample){
        .ts_ms = t, .bits = bits, .ref = item->ref, .slot = item->slot, .item = item->series
    };
}

/* Check the samples of one item and stage the good ones. False: the slice is full; the item goes on
 * in the next one. */
static bool stage_item(struct slice *sl, struct append_item *item, struct series_hot *h)
{
    struct append *a = sl->a;
    uint32_t count = a->batch->series[item->series].sample_count;
    struct newest newest = { h->last_t, hot_last_bits(h) };
    for (; item->sample < count; item->sample++) {
        if (sl->staged_count == a->staged_cap) return false;
        const struct sample *x = sample_of(a, item, item->sample);
        uint64_t bits = bits_of_double(x->value);
        enum batch_outcome outcome = check_sample(a, &newest, x->ts_ms, bits);
        bool is_new = outcome == BATCH_STORED && x->ts_ms != newest.t;
        /* Room for the first one now; for further ones when they are applied (apply_one). */
        if (is_new && !h->is_staged &&
            !chunk_make_room(sl->s, item->slot, &sl->range, x->ts_ms, bits))
            outcome = BATCH_NOMEM;
        if (outcome != BATCH_STORED) {
            append_refuse(a, item->series, outcome, 1, NULL);
        } else if (!is_new) {
            a->out->outcomes[BATCH_STORED]++;
        } else {
            h->is_staged = 1;
            stage(sl, item, x->ts_ms, bits);
            newest = (struct newest){ x->ts_ms, bits };
        }
    }
    return true;
}

static void prefetch_item(const struct head_shard *s, const struct append_item *item)
{
    const struct series_hot *h =
        item->slot != SLOT_UNKNOWN ? paged_find(&s->hot, item->slot) : NULL;
    if (h != NULL) __builtin_prefetch(h, 1);
}

/* Garbage collection took the series away between look-up and lock. */
static void note_gone(struct append *a, const struct append_item *item)
{
    if (item->is_from_cache) a->batch->series[item->series].ref.v = 0; /* the key hash is good */
    a->misses[a->miss_count++] = item->series;
}

/* Stage as many items as fit; returns how many are finished. An item whose series was already
 * staged in this slice (a series twice in one batch) ends it. */
static size_t stage_items(struct slice *sl, struct append_item *items, size_t count)
{
    for (size_t i = 0; i < count && i < PREFETCH_DISTANCE; i++)
        prefetch_item(sl->s, &items[i]);
    for (size_t i = 0; i < count; i++) {
        if (i + PREFETCH_DISTANCE < count) prefetch_item(sl->s, &items[i + PREFETCH_DISTANCE]);
        struct series_hot *h = item_series(sl->s, &items[i]);
        if (h == NULL) {
            note_gone(sl->a, &items[i]);
            continue;
        }
        if (h->is_staged || !stage_item(sl, &items[i], h)) return i;
        if (h->chunk != 0) __builtin_prefetch(slab_at(&sl->s->chunks, h->chunk) + h->bitpos / 8, 1);
    }
    return count;
}

/* ---- order ---- */

static bool is_before(const struct record_sample *a, const struct record_sample *b)
{
    return a->ts_ms != b->ts_ms ? a->ts_ms < b->ts_ms : a->ref < b->ref;
}

/* Merge sort by (time, ref), into either array. Senders mostly keep their order: check first. */
static void sort_staged(struct slice *sl, struct record_sample *spare)
{
    size_t n = sl->staged_count;
    size_t i = 1;
    while (i < n && is_before(&sl->staged[i - 1], &sl->staged[i]))
        i++;
    if (i >= n) return;
    struct record_sample *from = sl->staged;
    struct record_sample *to = spare;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t start = 0; start < n; start += 2 * width) {
            size_t left = start;
            size_t mid = start + width < n ? start + width : n;
            size_t right = mid;
            size_t end = mid + width < n ? mid + width : n;
            for (size_t k = start; k < end; k++) {
                bool take_left =
                    left < mid && (right >= end || !is_before(&from[right], &from[left]));
                to[k] = take_left ? from[left++] : from[right++];
            }
        }
        struct record_sample *swap = from;
        from = to;
        to = swap;
    }
    sl->staged = from;
}

/* ---- log and apply ---- */

static void apply_one(struct slice *sl, const struct record_sample *x, uint32_t epoch)
{
    struct append *a = sl->a;
    struct series_hot *h = shard_hot(sl->s, x->slot);
    /* The first sample of the slice has its room already: is_staged says so. */
    bool has_room = h->is_staged;
    h->is_staged = 0;
    if (!has_room && !chunk_make_room(sl->s, x->slot, &sl->range, x->ts_ms, x->bits)) {
        /* It is in the journal: the next one must be logged whole. */
        hot_set_flag(h, SERIES_RELOG, true);
        append_refuse(a, x->item, BATCH_NOMEM, 1, NULL);
        return;
    }
    chunk_append(sl->s, h, x->ts_ms, x->bits, epoch);
    a->out->outcomes[BATCH_STORED]++;
    if (x->ts_ms < a->min_ms) a->min_ms = x->ts_ms;
    if (x->ts_ms > a->max_ms) a->max_ms = x->ts_ms;
}

/* What repeat bits and XORs refer to. False: a series must log a whole value first. */
static bool fill_bases(struct slice *sl, struct record_sample *x, size_t count, uint32_t epoch)
{
    uint8_t flags = 0;
    for (size_t i = 0; i < count; i++) {
        const struct series_hot *h = shard_hot(sl->s, x[i].slot);
        x[i].has_base = h->wal_epoch == epoch;
        x[i].base_bits = hot_last_bits(h);
        flags |= hot_flags(h);
    }
    return !(flags & SERIES_RELOG);
}

static void encode(struct slice *sl, const struct record_sample *x, size_t count,
                   struct journal_record *rec)
{
    uint8_t *out = sl->a->record;
    rec->payload.ptr = out;
    rec->payload.len = rec->type == JOURNAL_SAMPLES
                           ? record_samples_encode(out, sl->shard, x, count)
                           : record_irregular_encode(out, sl->shard, x, count);
}

/* One record for x[0..count), then the samples into the head. */
static enum err_code log_and_apply(struct slice *sl, struct record_sample *x, size_t count,
                                   uint8_t type, struct err *err)
{
    struct append *a = sl->a;
    struct journal *j = a->h->journal;
    for (;;) {
        uint32_t epoch = journal_epoch(j);
        bool can_refer = fill_bases(sl, x, count, epoch);
        struct journal_record rec = { .type = can_refer ? type : JOURNAL_SAMPLES_IRREGULAR };
        encode(sl, x, count, &rec);
        uint64_t position = 0;
        enum err_code rc = journal_append(j, epoch, &rec, &position, err);
        if (rc == ERR_CONFLICT) continue; /* a new epoch began: no value has a base in it */
        TRY(rc);
        ASSERT(sl->credit >= journal_record_bytes(rec.payload.len));
        sl->credit -= journal_record_bytes(rec.payload.len);
        if (position > a->position) a->position = position;
        for (size_t i = 0; i < count; i++)
            apply_one(sl, &x[i], epoch);
        return ERR_OK;
    }
}

static size_t same_time(const struct record_sample *x, size_t count)
{
    size_t n = 1;
    while (n < count && x[n].ts_ms == x[0].ts_ms)
        n++;
    return n;
}

/* Samples of one time together; neighbouring small groups in one irregular record. */
static enum err_code log_staged(struct slice *sl, struct err *err)
{
    struct record_sample *x = sl->staged;
    size_t count = sl->staged_count;
    size_t stray = 0; /* x[i - stray .. i) wait for an irregular record */
    for (size_t i = 0; i < count;) {
        size_t n = same_time(x + i, count - i);
        bool is_regular = n >= SAMPLES_GROUP_MIN || n == count;
        if (!is_regular) {
            stray += n;
            i += n;
            continue;
        }
        if (stray > 0) TRY(log_and_apply(sl, x + i - stray, stray, JOURNAL_SAMPLES_IRREGULAR, err));
        stray = 0;
        TRY(log_and_apply(sl, x + i, n, JOURNAL_SAMPLES, err));
        i += n;
    }
    if (stray == 0) return ERR_OK;
    return log_and_apply(sl, x + count - stray, stray, JOURNAL_SAMPLES_IRREGULAR, err);
}

/* Bytes of ring that the samples of a slice can take at most: the worst mix is groups of the
 * smallest regular size with single strays between them. */
static size_t credit_bound(size_t samples)
{
    size_t records = samples / SAMPLES_GROUP_MIN * 2 + 2;
    return samples * 24 + records * journal_record_bytes(record_samples_bound(0));
}

static size_t samples_left(const struct append *a, const struct append_item *items, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += a->batch->series[items[i].series].sample_count - items[i].sample;
    return n < a->staged_cap ? n : a->staged_cap;
}

enum err_code append_slice(struct append *a, struct append_item *items, size_t count,
                           size_t *out_done, struct err *err)
{
    ASSERT(count > 0 && count <= SLICE_ITEMS_MAX);
    struct slice sl = { .a = a,
                        .shard = items[0].shard,
                        .s = &a->h->shards[items[0].shard],
                        .range = { .range_ms = a->h->block_range_ms },
                        .staged = a->staged };
    size_t taken = credit_bound(samples_left(a, items, count));
    TRY(journal_credit(a->h->journal, taken, CREDIT_TIMEOUT_NS, err));
    sl.credit = taken;
    mutex_lock(&sl.s->lock);
    int64_t floor = atomic_load_explicit(&a->h->floor_ms, memory_order_relaxed);
    if (floor > a->lower_ms) a->lower_ms = floor; /* head_begin_cut */
    uint64_t queued = sl.s->pending_bytes;
    *out_done = stage_items(&sl, items, count);
    sort_staged(&sl, a->staged_swap);
    enum err_code rc = log_staged(&sl, err);
    if (rc != ERR_OK)
        for (size_t i = 0; i < sl.staged_count; i++)
            shard_hot(sl.s, sl.staged[i].slot)->is_staged = 0;
    queued = sl.s->pending_bytes - queued;
    mutex_unlock(&sl.s->lock);
    journal_credit_return(a->h->journal, sl.credit);
    if (queued > 0) chunk_writer_note(a->h->writer, queued);
    return rc;
}
