/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "metrics/block/index_write_priv.h"

void index_writer_init(struct index_writer *w, struct mem_budget *mem,
                       const struct file_layer *files, const char *dir, size_t memory_max)
{
    *w = (struct index_writer){ .mem = mem, .files = files, .dir = dir, .memory_max = memory_max };
    label_table_init(&w->table, mem);
    row_store_init(&w->rows, mem, files, dir, memory_max / 2);
    buf_init(&w->pages, mem_source_of(mem, MEM_COMPACTION), SIZE_MAX / 2);
}

void index_writer_deinit(struct index_writer *w)
{
    if (!w->mem) return;
    label_table_deinit(&w->table);
    row_store_deinit(&w->rows);
    buf_deinit(&w->pages);
    if (w->row_memory)
        mem_free(w->mem, MEM_COMPACTION, w->row_memory, 2 * w->row_cap * sizeof *w->row);
    *w = (struct index_writer){ 0 };
}

/* ---- adding ---- */

static enum err_code grow_rows(struct index_writer *w, size_t count, struct err *err)
{
    if (count <= w->row_cap) return ERR_OK;
    size_t cap = count < 32 ? 32 : count;
    uint32_t *rows = mem_alloc(w->mem, MEM_COMPACTION, 2 * cap * sizeof *rows);
    if (!rows) return index_no_memory(err);
    if (w->last_count > 0) memcpy(rows + cap, w->last_row, w->last_count * sizeof *rows);
    if (w->row_memory)
        mem_free(w->mem, MEM_COMPACTION, w->row_memory, 2 * w->row_cap * sizeof *rows);
    w->row_memory = rows;
    w->row = rows;
    w->last_row = rows + cap;
    w->row_cap = cap;
    return ERR_OK;
}

/* Id of a pair; mostly the series before had it at the same place. */
static enum err_code pair_of(struct index_writer *w, size_t place, struct label label,
                             uint32_t *out_id, struct err *err)
{
    if (place < w->last_count) {
        const struct label_pair *p = &w->table.pairs[w->last_row[place]];
        if (str_eq(w->table.symbols[p->value], label.value) &&
            str_eq(w->table.symbols[p->name], label.name)) {
            *out_id = w->last_row[place];
            return ERR_OK;
        }
    }
    return label_table_pair(&w->table, label.name, label.value, out_id, err);
}

/* The label at `place` of block order: the metric name, at `metric`, goes first. */
static struct label label_at(struct labels labels, size_t metric, size_t place)
{
    if (metric == labels.len) return labels.ptr[place];
    if (place == 0) return labels.ptr[metric];
    return labels.ptr[place <= metric ? place - 1 : place];
}

enum err_code index_writer_add_series(struct index_writer *w, struct labels labels, struct err *err)
{
    if (labels.len > ROW_LABELS_MAX) return err_set(err, ERR_LIMIT, "too many labels");
    TRY(grow_rows(w, labels.len, err));
    size_t metric = 0;
    while (metric < labels.len && !str_eq(labels.ptr[metric].name, LABEL_METRIC_NAME))
        metric++;
    for (size_t i = 0; i < labels.len; i++)
        TRY(pair_of(w, i, label_at(labels, metric, i), &w->row[i], err));
    TRY(row_store_add(&w->rows, w->row, labels.len, err));
    for (size_t i = 0; i < labels.len; i++)
        w->table.pairs[w->row[i]].series++;
    uint32_t *row = w->row;
    w->row = w->last_row;
    w->last_row = row;
    w->last_count = labels.len;
    return ERR_OK;
}

void index_writer_add_page(struct index_writer *w, const struct index_page *page)
{
    buf_put_u32le(&w->pages, page->first_series);
    buf_put_u32le(&w->pages, page->file);
    buf_put_u64le(&w->pages, (uint64_t)page->mint_ms);
    buf_put_u64le(&w->pages, (uint64_t)page->maxt_ms);
    buf_put_u64le(&w->pages, page->offset);
    buf_put_u32le(&w->pages, page->size);
    buf_put_u32le(&w->pages, page->vector_count);
}

/* ---- writing ---- */

enum err_code index_no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for the index of a block");
}

enum err_code index_flush(struct index_finish *f, struct err *err)
{
    if (buf_failed(&f->out)) return index_no_memory(err);
    out_file_put(&f->file, f->out.ptr, f->out.len);
    buf_reset(&f->out);
    return out_file_check(&f->file, err);
}

void index_begin_section(struct index_finish *f)
{
    out_file_align(&f->file, 8);
    out_file_begin_section(&f->file);
}

enum err_code index_end_section(struct index_finish *f, enum index_section section, struct err *err)
{
    TRY(index_flush(f, err));
    out_file_end_section(&f->file, &f->toc[section].offset, &f->toc[section].size);
    return out_file_check(&f->file, err);
}

static enum err_code write_toc(struct index_finish *f, struct err *err)
{
    out_file_align(&f->file, 8);
    size_t start = f->out.len;
    buf_put_u32le(&f->out, INDEX_MAGIC);
    buf_put_u32le(&f->out, INDEX_VERSION);
    for (int i = 0; i < INDEX_SECTION_COUNT; i++) {
        buf_put_u64le(&f->out, f->toc[i].offset);
        buf_put_u64le(&f->out, f->toc[i].size);
    }
    buf_put_u32le(&f->out, 0);
    if (buf_failed(&f->out)) return index_no_memory(err);
    buf_put_u32le(&f->out, crc32c(0, f->out.ptr + start, f->out.len - start));
    ASSERT(buf_failed(&f->out) || f->out.len - start == INDEX_TOC_SIZE);
    return index_flush(f, err);
}

static enum err_code write_sections(struct index_finish *f, const struct time_dict *dict,
                                    struct err *err)
{
    TRY(index_find_names(f, err));
    TRY(index_write_symbols(f, err));
    TRY(index_write_postings(f, err));
    TRY(index_write_values(f, err));
    TRY(index_write_names(f, err));
    TRY(index_write_series(f, err));
    if (buf_failed(&f->w->pages)) return index_no_memory(err);
    index_begin_section(f);
    out_file_put(&f->file, f->w->pages.ptr, f->w->pages.len);
    TRY(index_end_section(f, INDEX_PAGES, err));
    index_begin_section(f);
    time_dict_put(dict, &f->out);
    TRY(index_end_section(f, INDEX_TSDICT, err));
    return write_toc(f, err);
}

static void finish_deinit(struct index_finish *f)
{
    struct mem_budget *mem = f->w->mem;
    size_t pairs = f->order.pair_count, items = pairs + f->name_count;
    if (f->names) mem_free(mem, MEM_COMPACTION, f->names, (f->name_count + 1) * sizeof *f->names);
    if (f->name_of_place)
        mem_free(mem, MEM_COMPACTION, f->name_of_place, (pairs + 1) * sizeof *f->name_of_place);
    if (f->offsets) mem_free(mem, MEM_COMPACTION, f->offsets, (items + 1) * sizeof *f->offsets);
    label_order_deinit(&f->order);
    buf_deinit(&f->out);
    out_file_abort(&f->file);
}

enum err_code index_writer_finish(struct index_writer *w, const struct time_dict *dict,
                                  uint64_t *out_size, struct err *err)
{
    struct index_finish f = { .w = w };
    buf_init(&f.out, mem_source_of(w->mem, MEM_COMPACTION), SIZE_MAX / 2);
    enum err_code code = label_table_sort(&w->table, &f.order, err);
    if (code == ERR_OK) code = out_file_open(&f.file, w->files, w->mem, w->dir, "index", err);
    if (code == ERR_OK) code = write_sections(&f, dict, err);
    if (code == ERR_OK) {
        *out_size = f.file.offset;
        code = out_file_finish(&f.file, err);
    }
    finish_deinit(&f);
    return code;
}
