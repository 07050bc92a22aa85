/* SPDX-License-Identifier: Apache-2.0
 *
 * block_verify: everything is read once, and every number must agree with the others.
 */
#include "metrics/block/block_priv.h"

struct verification {
    struct block *block;
    const struct cancel *cancel;
    struct symbol_cursor symbols;
    struct series_cursor series;
    struct buf last_text;
    struct page_view page;
    struct time_dict_view dict;
    int64_t ts_ms[VECTOR_SAMPLES_MAX];
    double value[VECTOR_SAMPLES_MAX + SAMPLE_BUF_SLACK];
    /* of the series that the pages are at */
    uint32_t ordinal;
    int64_t last_ts_ms;
    uint64_t sample_count, series_count;
};

static enum err_code damaged_section(const struct verification *v, enum index_section section,
                                     struct err *err)
{
    return index_corrupt(&v->block->index, section, NULL, err);
}

static enum err_code verify_symbols(struct verification *v, struct err *err)
{
    for (uint32_t id = 0; id < v->block->index.symbol_count; id++) {
        struct str text;
        TRY(symbol_cursor_read(&v->symbols, id, &text, err));
        if (id > 0 && str_cmp(buf_str(&v->last_text), text) >= 0)
            return damaged_section(v, INDEX_SYMBOLS, err);
        buf_reset(&v->last_text);
        buf_put_str(&v->last_text, text);
        if (buf_failed(&v->last_text)) return err_set(err, ERR_NOMEM, "no memory to verify");
    }
    return ERR_OK;
}

/* The posting has as many series as the index says. */
static enum err_code verify_posting(struct verification *v, uint64_t offset, uint32_t expected,
                                    struct err *err)
{
    struct postings_source source = { &v->block->index, v->block->mem, MEM_QUERY };
    struct postings *p = NULL;
    TRY(index_posting_read(&source, offset, &p, err));
    uint64_t count = postings_cardinality(p);
    postings_destroy(p);
    return count == expected ? ERR_OK : damaged_section(v, INDEX_POSTINGS, err);
}

static enum err_code verify_name(struct verification *v, const struct index_name *name,
                                 struct err *err)
{
    struct value_cursor values;
    struct index_value value = { 0 };
    uint64_t series = 0;
    TRY(value_cursor_init(&values, &v->block->index, name, err));
    TRY(verify_posting(v, name->posting_offset, name->series_count, err));
    for (uint32_t rank = 0; rank < name->value_count; rank++) {
        uint32_t last = value.symbol;
        TRY(block_check_cancel(v->cancel, err));
        TRY(value_cursor_read(&values, rank, &value, err));
        if (rank > 0 && value.symbol <= last) return damaged_section(v, INDEX_VALUES, err);
        if (value.series_count > 1) TRY(verify_posting(v, value.where, value.series_count, err));
        series += value.series_count;
    }
    return series == name->series_count ? ERR_OK : damaged_section(v, INDEX_VALUES, err);
}

static enum err_code verify_names(struct verification *v, struct err *err)
{
    struct bytes section;
    struct index_name name = { 0 };
    TRY(index_section_get(&v->block->index, INDEX_NAMES, &section, err));
    for (uint32_t rank = 0; rank < v->block->index.name_count; rank++) {
        uint32_t last = name.symbol;
        TRY(index_name_read(&v->block->index, rank, &name, err));
        if (rank > 0 && name.symbol <= last) return damaged_section(v, INDEX_NAMES, err);
        TRY(verify_name(v, &name, err));
    }
    return ERR_OK;
}

static enum err_code verify_series(struct verification *v, struct err *err)
{
    for (uint32_t ordinal = 0; ordinal < v->block->index.series_count; ordinal++) {
        const struct series_pair *pairs;
        size_t count;
        TRY(block_check_cancel(v->cancel, err));
        TRY(series_cursor_read(&v->series, ordinal, &pairs, &count, err));
        for (size_t i = 0; i < count; i++) {
            struct index_name name;
            TRY(index_name_read(&v->block->index, pairs[i].name, &name, err));
            if (pairs[i].value >= name.value_count) return damaged_section(v, INDEX_SERIES, err);
        }
    }
    return ERR_OK;
}

static enum err_code verify_vector(struct verification *v, size_t i, struct err *err)
{
    struct rd values;
    const struct page_vector *vector = &v->page.vectors[i];
    TRY(page_view_times(&v->page, i, &v->dict, v->ts_ms, &values, err));
    TRY(page_view_values(&v->page, i, &values, v->value, err));
    bool is_next = v->series_count == 0 || vector->ordinal != v->ordinal;
    if (is_next && vector->ordinal != v->series_count)
        return err_set(err, ERR_CORRUPT, "series without samples");
    if (!is_next && v->ts_ms[0] <= v->last_ts_ms)
        return err_set(err, ERR_CORRUPT, "vectors of a series overlap");
    v->ordinal = vector->ordinal;
    v->last_ts_ms = v->ts_ms[vector->count - 1];
    v->series_count += is_next;
    v->sample_count += vector->count;
    return ERR_OK;
}

static enum err_code verify_pages(struct verification *v, struct err *err)
{
    struct block *b = v->block;
    TRY(block_time_dict(b, &v->dict, err));
    TRY(block_error(b, "index: section TSDICT", time_dict_verify(&v->dict, err), err));
    for (uint32_t page = 0; page < b->index.page_count; page++) {
        TRY(block_check_cancel(v->cancel, err));
        TRY(block_page_load(b, page, &v->page, err));
        if (v->page.mint_ms < b->meta.mint_ms || v->page.maxt_ms >= b->meta.maxt_ms)
            return block_page_error(
                b, page, err_set(err, ERR_CORRUPT, "page outside the block's time range"), err);
        for (size_t i = 0; i < v->page.vector_count; i++)
            TRY(block_page_error(b, page, verify_vector(v, i, err), err));
    }
    if (v->series_count == b->meta.series_count && v->sample_count == b->meta.sample_count)
        return ERR_OK;
    return block_error(b, "meta.json",
                       err_setf(err, ERR_CORRUPT, "damaged block", "number of samples or series"),
                       err);
}

enum err_code block_verify(struct block *b, const struct cancel *cancel, struct err *err)
{
    struct verification *v = mem_zalloc(b->mem, MEM_QUERY, sizeof *v);
    if (!v) return err_set(err, ERR_NOMEM, "no memory to verify a block");
    const struct mem_source *source = mem_source_of(b->mem, MEM_QUERY);
    v->block = b;
    v->cancel = cancel;
    buf_init(&v->last_text, source, SIZE_MAX / 2);
    page_view_init(&v->page, b->mem, MEM_QUERY);
    enum err_code code = symbol_cursor_init(&v->symbols, &b->index, source, err);
    enum err_code series_code = series_cursor_init(&v->series, &b->index, source, err);
    if (code == ERR_OK) code = series_code;
    if (code == ERR_OK) code = verify_symbols(v, err);
    if (code == ERR_OK) code = verify_names(v, err);
    if (code == ERR_OK) code = verify_series(v, err);
    if (code == ERR_OK) code = verify_pages(v, err);
    symbol_cursor_deinit(&v->symbols);
    series_cursor_deinit(&v->series);
    page_view_deinit(&v->page);
    buf_deinit(&v->last_text);
    mem_free(b->mem, MEM_QUERY, v, sizeof *v);
    return code;
}
