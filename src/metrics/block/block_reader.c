/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "metrics/block/block_priv.h"

struct block_reader {
    struct block *block;
    struct mem_budget *mem;
    struct tombstones *tombstones; /* as of creation */
    struct time_dict_view dict;
    bool has_dict;
    struct page_view view;
    uint32_t page; /* in the view; UINT32_MAX: none */
    size_t next;   /* the vector behind the last one read */
    size_t start;  /* where the samples of the series being read begin in the output */
    double value[VECTOR_SAMPLES_MAX + SAMPLE_BUF_SLACK]; /* of a vector read in part */
};

enum err_code block_reader_create(struct block *b, struct mem_budget *mem,
                                  struct block_reader **out, struct err *err)
{
    struct block_reader *r = mem_alloc(mem, MEM_QUERY, sizeof *r);
    if (!r) return err_set(err, ERR_NOMEM, "no memory to read a block");
    r->block = block_ref(b);
    r->mem = mem;
    r->tombstones = block_tombstones(b);
    r->has_dict = false;
    r->page = UINT32_MAX;
    r->next = r->start = 0;
    page_view_init(&r->view, mem, MEM_QUERY);
    *out = r;
    return ERR_OK;
}

void block_reader_destroy(struct block_reader *r)
{
    if (!r) return;
    page_view_deinit(&r->view);
    tombstones_unref(r->tombstones);
    block_unref(r->block);
    mem_free(r->mem, MEM_QUERY, r, sizeof *r);
}

/* ---- one vector ---- */

/* Can a regular vector be left out without decoding? */
static bool is_outside(const struct page_vector *v, struct block_range range)
{
    if (v->time.codec != TIME_REG) return false;
    uint64_t span = (v->count - 1u) * v->time.step_ms;
    return v->time.start_ms > range.maxt_ms ||
           (int64_t)((uint64_t)v->time.start_ms + span) < range.mint_ms;
}

static size_t lower_bound(const int64_t *ts_ms, size_t count, int64_t t)
{
    size_t lo = 0, hi = count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (ts_ms[middle] < t)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

/* Append the samples of vector `i` that lie in the range. */
static enum err_code read_vector(struct block_reader *r, size_t i, struct block_range range,
                                 struct sample_buf *out, struct err *err)
{
    const struct page_vector *v = &r->view.vectors[i];
    if (is_outside(v, range)) return ERR_OK;
    if (v->time.codec == TIME_SHARED && !r->has_dict) {
        TRY(block_time_dict(r->block, &r->dict, err));
        r->has_dict = true;
    }
    TRY(sample_buf_reserve(out, v->count, err));
    struct sample_columns *c = &out->cols;
    int64_t *ts_ms = c->ts_ms + c->count;
    double *value = c->value + c->count;
    struct rd values;
    TRY(page_view_times(&r->view, i, &r->dict, ts_ms, &values, err));
    if (ts_ms[0] >= range.mint_ms && ts_ms[v->count - 1] <= range.maxt_ms) {
        TRY(page_view_values(&r->view, i, &values, value, err));
        c->count += v->count;
        return ERR_OK;
    }
    size_t from = lower_bound(ts_ms, v->count, range.mint_ms), to = v->count;
    if (range.maxt_ms < INT64_MAX) to = lower_bound(ts_ms, v->count, range.maxt_ms + 1);
    if (from >= to) return ERR_OK;
    TRY(page_view_values(&r->view, i, &values, r->value, err));
    memmove(ts_ms, ts_ms + from, (to - from) * sizeof *ts_ms);
    memcpy(value, r->value + from, (to - from) * sizeof *value);
    c->count += to - from;
    return ERR_OK;
}

/* ---- pages ---- */

static enum err_code load(struct block_reader *r, uint32_t page, struct err *err)
{
    if (r->page == page) return ERR_OK;
    r->page = UINT32_MAX;
    r->next = 0;
    TRY(block_page_load(r->block, page, &r->view, err));
    r->page = page;
    return ERR_OK;
}

/* The first vector of the loaded page with an ordinal >= `ordinal`. */
static size_t first_vector(const struct block_reader *r, uint32_t ordinal)
{
    const struct page_vector *v = r->view.vectors;
    size_t lo = 0, hi = r->view.vector_count, next = r->next;
    if (next < hi && v[next].ordinal >= ordinal && (next == 0 || v[next - 1].ordinal < ordinal))
        return next;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (v[middle].ordinal < ordinal)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

/* Does the loaded page hold the first vector of the series? */
static bool begins_in_loaded_page(const struct block_reader *r, uint32_t ordinal)
{
    if (r->page == UINT32_MAX) return false;
    const struct page_vector *v = r->view.vectors;
    return v[0].ordinal < ordinal && v[r->view.vector_count - 1].ordinal >= ordinal;
}

/* Append what the loaded page has of the series. */
static enum err_code read_page(struct block_reader *r, uint32_t ordinal, struct block_range range,
                               struct sample_buf *out, struct err *err)
{
    size_t i = first_vector(r, ordinal);
    for (; i < r->view.vector_count && r->view.vectors[i].ordinal == ordinal; i++) {
        size_t joint = out->cols.count;
        TRY(block_page_error(r->block, r->page, read_vector(r, i, range, out, err), err));
        bool overlaps = joint > r->start && joint < out->cols.count &&
                        out->cols.ts_ms[joint] <= out->cols.ts_ms[joint - 1];
        if (overlaps)
            return block_page_error(r->block, r->page,
                                    err_set(err, ERR_CORRUPT, "vectors of a series overlap"), err);
    }
    r->next = i;
    return ERR_OK;
}

static enum err_code read_pages(struct block_reader *r, uint32_t ordinal, struct block_range range,
                                struct sample_buf *out, struct err *err)
{
    struct index_view *index = &r->block->index;
    struct index_page_entry entry;
    uint32_t page = r->page;
    if (!begins_in_loaded_page(r, ordinal)) TRY(index_page_find(index, ordinal, &page, err));
    for (; page < index->page_count; page++) {
        if (page != r->page) {
            TRY(index_page_read(index, page, &entry, err));
            if (entry.first_series > ordinal) break;
            if (entry.mint_ms > range.maxt_ms || entry.maxt_ms < range.mint_ms) continue;
            TRY(load(r, page, err));
        }
        TRY(read_page(r, ordinal, range, out, err));
        if (r->view.vectors[r->view.vector_count - 1].ordinal > ordinal) break;
    }
    return ERR_OK;
}

enum err_code block_reader_read(struct block_reader *r, uint32_t ordinal, struct block_range range,
                                struct sample_buf *out, struct err *err)
{
    ASSERT(ordinal < r->block->index.series_count);
    const struct block_meta *meta = &r->block->meta;
    if (range.mint_ms >= meta->maxt_ms || range.maxt_ms < meta->mint_ms) return ERR_OK;
    r->start = out->cols.count;
    enum err_code code = read_pages(r, ordinal, range, out, err);
    if (code != ERR_OK) {
        out->cols.count = r->start;
        return code;
    }
    tombstones_mask(r->tombstones, ordinal, r->start, &out->cols);
    return ERR_OK;
}
