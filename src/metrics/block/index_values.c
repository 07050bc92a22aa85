/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "metrics/block/index_read.h"

enum err_code value_cursor_init(struct value_cursor *c, struct index_view *v,
                                const struct index_name *name, struct err *err)
{
    *c = (struct value_cursor){ .view = v, .name = *name };
    TRY(index_section_get(v, INDEX_VALUES, &c->section, err));
    uint64_t groups = ((uint64_t)name->value_count + VALUES_GROUP - 1) / VALUES_GROUP;
    if (name->values_offset > c->section.len || groups > (c->section.len - name->values_offset) / 4)
        return index_corrupt(v, INDEX_VALUES, c->section.ptr, err);
    return ERR_OK;
}

/* Stand before the first value of a group. */
static enum err_code seek_group(struct value_cursor *c, uint32_t group, struct err *err)
{
    const uint8_t *region = c->section.ptr + c->name.values_offset;
    size_t size = c->section.len - (size_t)c->name.values_offset;
    uint32_t skip;
    memcpy(&skip, region + (size_t)group * 4, sizeof skip);
    if (skip >= size) return index_corrupt(c->view, INDEX_VALUES, region, err);
    c->rd = rd_of((struct bytes){ region + skip, size - skip });
    c->value = (struct index_value){ .rank = group * VALUES_GROUP - 1 };
    c->last_offset = 0;
    c->is_positioned = true;
    return ERR_OK;
}

static enum err_code next_value(struct value_cursor *c, struct err *err)
{
    uint64_t symbol = c->value.symbol + rd_uvarint(&c->rd);
    uint64_t series_count = rd_uvarint(&c->rd), where = rd_uvarint(&c->rd);
    if (series_count > 1) {
        where += c->last_offset;
        c->last_offset = where;
    }
    bool is_sound = rd_ok(&c->rd) && symbol < c->view->symbol_count && series_count > 0 &&
                    series_count <= c->view->series_count &&
                    (series_count > 1 || where < c->view->series_count);
    if (!is_sound) {
        c->is_positioned = false;
        return index_corrupt(c->view, INDEX_VALUES, c->rd.pos, err);
    }
    c->value =
        (struct index_value){ c->value.rank + 1, (uint32_t)symbol, (uint32_t)series_count, where };
    return ERR_OK;
}

enum err_code value_cursor_read(struct value_cursor *c, uint32_t rank, struct index_value *out,
                                struct err *err)
{
    if (rank >= c->name.value_count)
        return index_corrupt(c->view, INDEX_VALUES, c->section.ptr, err);
    uint32_t group = rank / VALUES_GROUP;
    bool is_same_group =
        c->is_positioned && c->value.rank / VALUES_GROUP == group && c->value.rank != UINT32_MAX;
    if (!is_same_group || c->value.rank > rank) TRY(seek_group(c, group, err));
    while (c->value.rank != rank)
        TRY(next_value(c, err));
    *out = c->value;
    return ERR_OK;
}

enum err_code value_cursor_find(struct value_cursor *c, uint32_t symbol, uint32_t *out_rank,
                                struct err *err)
{
    uint32_t count = c->name.value_count, lo = 0, hi = (count + VALUES_GROUP - 1) / VALUES_GROUP;
    struct index_value value;
    while (lo < hi) { /* the first group that begins at or after the symbol */
        uint32_t middle = lo + (hi - lo) / 2;
        TRY(value_cursor_read(c, middle * VALUES_GROUP, &value, err));
        if (value.symbol < symbol)
            lo = middle + 1;
        else
            hi = middle;
    }
    uint32_t rank = lo == 0 ? 0 : (lo - 1) * VALUES_GROUP + 1;
    for (; lo > 0 && rank < count && rank < lo * VALUES_GROUP; rank++) {
        TRY(value_cursor_read(c, rank, &value, err));
        if (value.symbol >= symbol) break;
    }
    *out_rank = rank < count ? rank : count;
    return ERR_OK;
}

/* ---- postings ---- */

enum err_code index_posting_read(const struct postings_source *s, uint64_t offset,
                                 struct postings **out, struct err *err)
{
    struct bytes section;
    struct err why = { 0 };
    size_t used;
    TRY(index_section_get(s->view, INDEX_POSTINGS, &section, err));
    if (offset > section.len) return index_corrupt(s->view, INDEX_POSTINGS, section.ptr, err);
    struct bytes in = { section.ptr + offset, section.len - (size_t)offset };
    struct postings *p = NULL;
    enum err_code code = postings_deserialize(s->mem, s->account, in, &p, &used, &why);
    uint32_t last = 0;
    if (code == ERR_OK && postings_cardinality(p) > 0)
        (void)postings_select(p, (uint32_t)(postings_cardinality(p) - 1), &last);
    if (code == ERR_CORRUPT || (code == ERR_OK && last >= s->view->series_count)) {
        postings_destroy(p);
        return index_corrupt(s->view, INDEX_POSTINGS, in.ptr, err);
    }
    if (code != ERR_OK) return err_set(err, code, why.msg);
    *out = p;
    return ERR_OK;
}

enum err_code index_value_posting(const struct postings_source *s, const struct index_value *value,
                                  struct postings **out, struct err *err)
{
    if (value->series_count == 1)
        return postings_of_range(s->mem, s->account, value->where, value->where + 1, out, err);
    return index_posting_read(s, value->where, out, err);
}
