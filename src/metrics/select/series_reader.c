/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the samples of one series after the other. Head series are loaded up to HEAD_READ_BATCH at
 * a time, because each load takes the lock of a shard.
 */
#include <string.h>

#include "base/assert.h"
#include "metrics/select/select_priv.h"

struct merged_reader {
    struct series_reader base;
    const struct merged_set *set;
    struct mem_budget *mem;
    struct head_reader *head;
    size_t window_first, window_count; /* series that are loaded in `head` */
    uint8_t place[HEAD_READ_BATCH];    /* of a series of the window among the loaded ones */
    struct block_reader **blocks;      /* [block_count]; NULL until used */
    struct sample_buf samples, scratch;
};

enum err_code merged_reader_create(const struct series_set *base, struct mem_budget *mem,
                                   struct series_reader **out, struct err *err)
{
    const struct merged_set *s = merged_of(base);
    struct merged_reader *r = mem_zalloc(mem, MEM_QUERY, sizeof *r);
    if (r == NULL) return err_set(err, ERR_NOMEM, "no memory to read series");
    r->base.ops = base->ops;
    r->set = s;
    r->mem = mem;
    sample_buf_init(&r->samples, mem_source_of(mem, MEM_QUERY));
    sample_buf_init(&r->scratch, mem_source_of(mem, MEM_QUERY));
    enum err_code rc = head_reader_create(s->store->head, mem, &r->head, err);
    if (rc == ERR_OK && s->block_count > 0) {
        r->blocks = mem_zalloc(mem, MEM_QUERY, s->block_count * sizeof *r->blocks);
        if (r->blocks == NULL) rc = err_set(err, ERR_NOMEM, "no memory to read blocks");
    }
    if (rc != ERR_OK) {
        merged_reader_destroy(&r->base);
        return rc;
    }
    *out = &r->base;
    return ERR_OK;
}

void merged_reader_destroy(struct series_reader *base)
{
    struct merged_reader *r = (struct merged_reader *)(void *)base;
    if (r == NULL) return;
    size_t block_count = r->set->block_count;
    for (size_t i = 0; r->blocks != NULL && i < block_count; i++)
        block_reader_destroy(r->blocks[i]);
    if (r->blocks != NULL) mem_free(r->mem, MEM_QUERY, r->blocks, block_count * sizeof *r->blocks);
    head_reader_destroy(r->head);
    sample_buf_deinit(&r->samples);
    sample_buf_deinit(&r->scratch);
    mem_free(r->mem, MEM_QUERY, r, sizeof *r);
}

/* ---- joining runs ---- */

enum err_code merge_runs(struct sample_buf *b, size_t at, struct sample_buf *scratch,
                         struct err *err)
{
    struct sample_columns *c = &b->cols;
    if (at == 0 || at == c->count || c->ts_ms[at - 1] < c->ts_ms[at]) return ERR_OK;
    sample_buf_reset(scratch);
    TRY(sample_buf_reserve(scratch, at, err));
    memcpy(scratch->cols.ts_ms, c->ts_ms, at * sizeof *c->ts_ms);
    memcpy(scratch->cols.value, c->value, at * sizeof *c->value);
    size_t left = 0;
    size_t right = at;
    size_t n = 0;
    while (left < at || right < c->count) {
        bool takes_left =
            right == c->count || (left < at && scratch->cols.ts_ms[left] < c->ts_ms[right]);
        if (takes_left) {
            c->ts_ms[n] = scratch->cols.ts_ms[left];
            c->value[n++] = scratch->cols.value[left++];
            continue;
        }
        if (left < at && scratch->cols.ts_ms[left] == c->ts_ms[right]) left++;
        c->ts_ms[n] = c->ts_ms[right];
        c->value[n++] = c->value[right++];
    }
    c->count = n;
    return ERR_OK;
}

/* ---- blocks ---- */

static enum err_code block_reader_of(struct merged_reader *r, uint32_t block,
                                     struct block_reader **out, struct err *err)
{
    if (r->blocks[block] == NULL)
        TRY(block_reader_create(r->set->blocks[block], r->mem, &r->blocks[block], err));
    *out = r->blocks[block];
    return ERR_OK;
}

static enum err_code read_part(struct merged_reader *r, const struct block_part *part,
                               struct err *err)
{
    const struct merged_set *s = r->set;
    struct block_reader *reader;
    struct block_range range = { s->mint_ms, s->maxt_ms };
    size_t at = r->samples.cols.count;
    TRY(block_reader_of(r, part->block, &reader, err));
    enum err_code rc = block_reader_read(reader, part->ordinal, range, &r->samples, err);
    if (rc != ERR_OK) return note_damage(s->store, s->blocks[part->block], rc, err);
    return merge_runs(&r->samples, at, &r->scratch, err);
}

/* Parts hang together from the newest to the oldest; they are read the other way round. */
#define PARTS_AT_ONCE 64

static enum err_code read_parts(struct merged_reader *r, uint32_t newest, struct err *err)
{
    const struct merged_set *s = r->set;
    uint32_t depth = 0;
    for (uint32_t p = newest; p != 0; p = s->parts[p - 1].older)
        depth++;
    while (depth > 0) {
        uint32_t ids[PARTS_AT_ONCE]; /* the oldest ones that are left, newest first */
        uint32_t skip = depth > PARTS_AT_ONCE ? depth - PARTS_AT_ONCE : 0;
        uint32_t n = 0;
        uint32_t p = newest;
        for (uint32_t i = 0; i < depth; i++, p = s->parts[p - 1].older)
            if (i >= skip) ids[n++] = p;
        while (n > 0)
            TRY(read_part(r, &s->parts[ids[--n] - 1], err));
        depth = skip;
    }
    return ERR_OK;
}

/* Only the newest sample is wanted: parts that end before what was found are left out. */
static enum err_code read_newest_part(struct merged_reader *r, uint32_t newest, struct err *err)
{
    const struct merged_set *s = r->set;
    const struct sample_columns *c = &r->samples.cols;
    for (uint32_t p = newest; p != 0; p = s->parts[p - 1].older) {
        const struct block_part *part = &s->parts[p - 1];
        int64_t end = block_borrow_meta(s->blocks[part->block])->maxt_ms; /* exclusive */
        if (c->count > 0 && end - 1 <= c->ts_ms[c->count - 1]) continue;
        TRY(read_part(r, part, err));
    }
    return ERR_OK;
}

/* ---- head ---- */

static bool needs_chunks(const struct set_series *series)
{
    return series->head_id != 0 && series->newest.ts_ms == HEAD_NO_TIME;
}

/* Load the series of the window that are in `shard`. */
static enum err_code load_shard(struct merged_reader *r, uint32_t shard, size_t *loaded,
                                struct err *err)
{
    const struct merged_set *s = r->set;
    uint32_t refs[HEAD_READ_BATCH];
    size_t n = 0;
    for (size_t i = 0; i < r->window_count; i++) {
        const struct set_series *series = &s->series.ptr[r->window_first + i];
        struct head_series_id id = head_index_series(s->store->index, series->head_id);
        if (!needs_chunks(series) || id.shard != shard) continue;
        r->place[i] = (uint8_t)(*loaded + n);
        refs[n++] = id.ref;
    }
    *loaded += n;
    return head_reader_add(r->head, shard, refs, n, err);
}

/* Load the HEAD_READ_BATCH series from i on, as far as they are in the head. */
static enum err_code load_window(struct merged_reader *r, size_t i, struct err *err)
{
    const struct merged_set *s = r->set;
    size_t n = s->series.count - i < HEAD_READ_BATCH ? s->series.count - i : HEAD_READ_BATCH;
    uint64_t shards = 0;
    _Static_assert(HEAD_SHARDS_MAX <= 64, "a bit per shard");
    for (size_t k = 0; k < n; k++) {
        uint32_t head_id = s->series.ptr[i + k].head_id;
        if (head_id != 0)
            shards |= (uint64_t)1 << head_index_series(s->store->index, head_id).shard;
    }
    size_t loaded = 0;
    r->window_first = i;
    r->window_count = n;
    head_reader_begin(r->head, s->head_mint_ms, s->maxt_ms);
    for (; shards != 0; shards &= shards - 1) {
        enum err_code rc = load_shard(r, (uint32_t)__builtin_ctzll(shards), &loaded, err);
        if (rc != ERR_OK) {
            r->window_count = 0;
            return rc;
        }
    }
    return ERR_OK;
}

static enum err_code read_head(struct merged_reader *r, size_t i, struct err *err)
{
    size_t at = r->samples.cols.count;
    if (i < r->window_first || i >= r->window_first + r->window_count) TRY(load_window(r, i, err));
    TRY(head_reader_samples(r->head, r->place[i - r->window_first], &r->samples, err));
    return merge_runs(&r->samples, at, &r->scratch, err);
}

/* ---- one series ---- */

static void keep_newest(struct sample_columns *c)
{
    if (c->count < 2) return;
    c->ts_ms[0] = c->ts_ms[c->count - 1];
    c->value[0] = c->value[c->count - 1];
    c->count = 1;
}

static enum err_code read_newest(struct merged_reader *r, size_t i, struct err *err)
{
    const struct set_series *series = &r->set->series.ptr[i];
    if (series->newest.ts_ms != HEAD_NO_TIME) {
        TRY(sample_buf_reserve(&r->samples, 1, err));
        r->samples.cols.ts_ms[0] = series->newest.ts_ms;
        memcpy(&r->samples.cols.value[0], &series->newest.value_bits, sizeof(double));
        r->samples.cols.count = 1;
    } else if (series->head_id != 0) {
        TRY(read_head(r, i, err));
    }
    TRY(read_newest_part(r, series->part, err));
    keep_newest(&r->samples.cols);
    return ERR_OK;
}

enum err_code merged_read(struct series_reader *base, size_t i, struct sample_columns *out,
                          struct err *err)
{
    struct merged_reader *r = (struct merged_reader *)(void *)base;
    const struct merged_set *s = r->set;
    ASSERT(i < s->series.count);
    sample_buf_reset(&r->samples);
    if (s->only_newest) {
        TRY(read_newest(r, i, err));
    } else {
        TRY(read_parts(r, s->series.ptr[i].part, err));
        if (s->series.ptr[i].head_id != 0) TRY(read_head(r, i, err));
    }
    *out = r->samples.cols;
    return ERR_OK;
}
