/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/num.h"
#include "metrics/block/index_write_priv.h"
#include "metrics/postings.h"

/* ---- postings ---- */

/* The postings of items [lo, hi) under construction: ids side by side, filled in row order. */
struct posting_window {
    size_t lo, hi;
    uint32_t *ids;
    size_t id_count, id_cap;
    size_t *next; /* by item - lo: where its next id goes; afterwards its end */
    size_t next_cap;
};

static uint32_t cardinality_of_item(const struct index_finish *f, size_t item, uint32_t name)
{
    const struct name_range *n = &f->names[name];
    size_t first_item = (size_t)n->first + name;
    if (item == first_item) return n->series;
    return f->w->table.pairs[f->order.pairs[n->first + (item - first_item - 1)]].series;
}

static uint32_t name_of_item(const struct index_finish *f, size_t item)
{
    uint32_t lo = 0, hi = f->name_count - 1; /* the last name that begins at or before item */
    while (lo < hi) {
        uint32_t middle = hi - (hi - lo) / 2;
        if ((size_t)f->names[middle].first + middle <= item)
            lo = middle;
        else
            hi = middle - 1;
    }
    return lo;
}

/* Choose the next items whose ids fit together, at least one. */
static enum err_code open_window(struct index_finish *f, struct posting_window *win, size_t lo,
                                 size_t items, struct err *err)
{
    struct mem_budget *mem = f->w->mem;
    size_t budget = f->w->memory_max / 4 / sizeof *win->ids, total = 0, item = lo;
    uint32_t name = name_of_item(f, lo);
    for (; item < items; item++) {
        if (name + 1 < f->name_count && f->names[name + 1].first + name + 1 == item) name++;
        size_t cardinality = cardinality_of_item(f, item, name);
        if (item > lo && total + cardinality > budget) break;
        if (item - lo >= budget) break;
        total += cardinality;
    }
    if (total > win->id_cap) {
        mem_free(mem, MEM_COMPACTION, win->ids, win->id_cap * sizeof *win->ids);
        win->id_cap = 0;
        win->ids = mem_alloc(mem, MEM_COMPACTION, total * sizeof *win->ids);
        if (!win->ids) return index_no_memory(err);
        win->id_cap = total;
    }
    if (item - lo > win->next_cap) {
        mem_free(mem, MEM_COMPACTION, win->next, win->next_cap * sizeof *win->next);
        win->next_cap = 0;
        win->next = mem_alloc(mem, MEM_COMPACTION, (item - lo) * sizeof *win->next);
        if (!win->next) return index_no_memory(err);
        win->next_cap = item - lo;
    }
    win->lo = lo;
    win->hi = item;
    total = 0;
    name = name_of_item(f, lo);
    for (item = lo; item < win->hi; item++) {
        if (name + 1 < f->name_count && f->names[name + 1].first + name + 1 == item) name++;
        win->next[item - lo] = total;
        total += cardinality_of_item(f, item, name);
    }
    win->id_count = total;
    return ERR_OK;
}

static void put_id(struct posting_window *win, size_t item, uint32_t ordinal)
{
    if (item < win->lo || item >= win->hi) return;
    ASSERT(win->next[item - win->lo] < win->id_count);
    win->ids[win->next[item - win->lo]++] = ordinal;
}

/* One reading of all rows. */
static enum err_code fill_window(struct index_finish *f, struct posting_window *win,
                                 struct err *err)
{
    struct row_cursor rows;
    const uint32_t *row;
    size_t count;
    enum err_code code = row_cursor_init(&rows, &f->w->rows, err);
    for (uint32_t ordinal = 0; code == ERR_OK; ordinal++) {
        code = row_cursor_next(&rows, &row, &count, err);
        if (code != ERR_OK || !row) break;
        for (size_t i = 0; i < count; i++) {
            size_t place = f->order.pair_places[row[i]];
            uint32_t name = f->name_of_place[place];
            put_id(win, place + name + 1, ordinal);
            put_id(win, (size_t)f->names[name].first + name, ordinal);
        }
    }
    row_cursor_deinit(&rows);
    return code;
}

/* Serialise the window; a value of one series alone needs no posting. */
static enum err_code put_window(struct index_finish *f, const struct posting_window *win,
                                uint64_t *written, struct err *err)
{
    size_t from = 0;
    for (size_t item = win->lo; item < win->hi; item++) {
        uint32_t name = name_of_item(f, item);
        bool is_name = (size_t)f->names[name].first + name == item;
        size_t to = win->next[item - win->lo];
        ASSERT(to > from);
        f->offsets[item] = *written + f->out.len;
        if (is_name) f->names[name].posting_offset = f->offsets[item];
        if (to - from == 1 && !is_name)
            f->offsets[item] = win->ids[from];
        else
            postings_serialize_sorted(win->ids + from, to - from, &f->out);
        from = to;
        if (f->out.len < INDEX_OUT_CHUNK) continue;
        *written += f->out.len;
        TRY(index_flush(f, err));
    }
    return ERR_OK;
}

enum err_code index_write_postings(struct index_finish *f, struct err *err)
{
    struct posting_window win = { 0 };
    size_t items = f->order.pair_count + f->name_count;
    uint64_t written = 0;
    enum err_code code = ERR_OK;
    index_begin_section(f);
    while (win.hi < items && code == ERR_OK) {
        code = open_window(f, &win, win.hi, items, err);
        if (code == ERR_OK) code = fill_window(f, &win, err);
        if (code == ERR_OK) code = put_window(f, &win, &written, err);
    }
    mem_free(f->w->mem, MEM_COMPACTION, win.ids, win.id_cap * sizeof *win.ids);
    mem_free(f->w->mem, MEM_COMPACTION, win.next, win.next_cap * sizeof *win.next);
    TRY(code);
    return index_end_section(f, INDEX_POSTINGS, err);
}

/* ---- series ---- */

static void put_row(struct index_finish *f, const uint32_t *row, size_t count, size_t shared)
{
    buf_put_uvarint(&f->out, shared);
    buf_put_uvarint(&f->out, count - shared);
    for (size_t i = shared; i < count; i++) {
        size_t place = f->order.pair_places[row[i]];
        uint32_t name = f->name_of_place[place];
        buf_put_uvarint(&f->out, name);
        buf_put_uvarint(&f->out, place - f->names[name].first);
    }
}

/* Row by row; `last` holds the row before. */
static enum err_code put_rows(struct index_finish *f, struct group_offsets *groups,
                              struct buf *last, struct err *err)
{
    struct row_cursor rows;
    enum err_code code = row_cursor_init(&rows, &f->w->rows, err);
    for (uint64_t ordinal = 0; code == ERR_OK; ordinal++) {
        const uint32_t *row;
        size_t count, shared = 0;
        code = row_cursor_next(&rows, &row, &count, err);
        if (code != ERR_OK || !row) break;
        if (ordinal % SERIES_GROUP == 0) {
            code = group_offsets_mark(groups, f, err);
        } else {
            size_t last_count = last->len / sizeof *row;
            while (shared < count && shared < last_count &&
                   memcmp(last->ptr + shared * sizeof *row, &row[shared], sizeof *row) == 0)
                shared++;
        }
        put_row(f, row, count, shared);
        buf_reset(last);
        buf_put(last, row, count * sizeof *row);
        if (code == ERR_OK && buf_failed(last)) code = index_no_memory(err);
        if (code == ERR_OK) code = group_offsets_flush(groups, f, err);
    }
    row_cursor_deinit(&rows);
    return code;
}

enum err_code index_write_series(struct index_finish *f, struct err *err)
{
    struct group_offsets groups;
    struct buf last;
    buf_init(&last, mem_source_of(f->w->mem, MEM_COMPACTION), SIZE_MAX / 2);
    group_offsets_init(&groups, f);
    uint64_t count = f->w->rows.row_count;
    index_begin_section(f);
    buf_put_u32le(&f->out, u32_from_u64(count));
    buf_put_u32le(&f->out, u32_from_u64((count + SERIES_GROUP - 1) / SERIES_GROUP));
    enum err_code code = put_rows(f, &groups, &last, err);
    enum err_code end = group_offsets_finish(&groups, f, err);
    buf_deinit(&last);
    TRY(code);
    TRY(end);
    return index_end_section(f, INDEX_SERIES, err);
}
