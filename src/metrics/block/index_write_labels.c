/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "metrics/block/index_write_priv.h"

/* ---- groups ---- */

void group_offsets_init(struct group_offsets *g, struct index_finish *f)
{
    *g = (struct group_offsets){ 0 };
    buf_init(&g->offsets, mem_source_of(f->w->mem, MEM_COMPACTION), SIZE_MAX / 2);
}

enum err_code group_offsets_mark(struct group_offsets *g, const struct index_finish *f,
                                 struct err *err)
{
    uint64_t offset = g->written + f->out.len;
    if (offset > UINT32_MAX) return err_set(err, ERR_LIMIT, "section of a block index above 4 GiB");
    buf_put_u32le(&g->offsets, (uint32_t)offset);
    return ERR_OK;
}

enum err_code group_offsets_flush(struct group_offsets *g, struct index_finish *f, struct err *err)
{
    if (f->out.len < INDEX_OUT_CHUNK) return ERR_OK;
    g->written += f->out.len;
    return index_flush(f, err);
}

enum err_code group_offsets_finish(struct group_offsets *g, struct index_finish *f, struct err *err)
{
    buf_put(&f->out, g->offsets.ptr, g->offsets.len);
    bool failed = buf_failed(&g->offsets);
    buf_deinit(&g->offsets);
    return failed ? index_no_memory(err) : index_flush(f, err);
}

/* ---- symbols ---- */

static size_t shared_prefix(struct str a, struct str b)
{
    size_t i = 0;
    while (i < a.len && i < b.len && a.ptr[i] == b.ptr[i])
        i++;
    return i;
}

static struct str symbol_of_rank(const struct index_finish *f, size_t rank)
{
    return f->w->table.symbols[f->order.symbols[rank]];
}

static enum err_code put_symbols(struct index_finish *f, struct group_offsets *groups,
                                 struct err *err)
{
    for (size_t rank = 0; rank < f->order.symbol_count; rank++) {
        struct str s = symbol_of_rank(f, rank);
        size_t shared = 0;
        if (rank % SYMBOLS_GROUP == 0)
            TRY(group_offsets_mark(groups, f, err));
        else
            shared = shared_prefix(symbol_of_rank(f, rank - 1), s);
        buf_put_uvarint(&f->out, shared);
        buf_put_uvarint(&f->out, s.len - shared);
        buf_put(&f->out, s.ptr + shared, s.len - shared);
        TRY(group_offsets_flush(groups, f, err));
    }
    return ERR_OK;
}

enum err_code index_write_symbols(struct index_finish *f, struct err *err)
{
    struct group_offsets groups;
    group_offsets_init(&groups, f);
    index_begin_section(f);
    size_t count = f->order.symbol_count;
    buf_put_u32le(&f->out, u32_from_u64(count));
    buf_put_u32le(&f->out, u32_from_u64((count + SYMBOLS_GROUP - 1) / SYMBOLS_GROUP));
    enum err_code code = put_symbols(f, &groups, err);
    enum err_code end = group_offsets_finish(&groups, f, err);
    TRY(code);
    TRY(end);
    return index_end_section(f, INDEX_SYMBOLS, err);
}

/* ---- names ---- */

static uint32_t name_symbol_of_place(const struct index_finish *f, size_t place)
{
    return f->w->table.pairs[f->order.pairs[place]].name;
}

enum err_code index_find_names(struct index_finish *f, struct err *err)
{
    size_t pairs = f->order.pair_count;
    for (size_t p = 0; p < pairs; p++)
        f->name_count += p == 0 || name_symbol_of_place(f, p) != name_symbol_of_place(f, p - 1);
    struct mem_budget *mem = f->w->mem;
    f->names = mem_zalloc(mem, MEM_COMPACTION, (f->name_count + 1) * sizeof *f->names);
    f->name_of_place = mem_alloc(mem, MEM_COMPACTION, (pairs + 1) * sizeof *f->name_of_place);
    f->offsets = mem_zalloc(mem, MEM_COMPACTION, (pairs + f->name_count + 1) * sizeof *f->offsets);
    if (!f->names || !f->name_of_place || !f->offsets) return index_no_memory(err);
    struct name_range *name = f->names - 1;
    for (size_t p = 0; p < pairs; p++) {
        if (p == 0 || name_symbol_of_place(f, p) != name_symbol_of_place(f, p - 1)) {
            name++;
            name->symbol_rank = f->order.symbol_ranks[name_symbol_of_place(f, p)];
            name->first = (uint32_t)p;
        }
        name->count++;
        name->series += f->w->table.pairs[f->order.pairs[p]].series;
        f->name_of_place[p] = (uint32_t)(name - f->names);
    }
    return ERR_OK;
}

enum err_code index_write_names(struct index_finish *f, struct err *err)
{
    index_begin_section(f);
    buf_put_u32le(&f->out, f->name_count);
    buf_put_u32le(&f->out, 0);
    for (uint32_t n = 0; n < f->name_count; n++) {
        const struct name_range *name = &f->names[n];
        buf_put_u32le(&f->out, name->symbol_rank);
        buf_put_u32le(&f->out, name->count);
        buf_put_u32le(&f->out, name->series);
        buf_put_u32le(&f->out, 0);
        buf_put_u64le(&f->out, name->values_offset);
        buf_put_u64le(&f->out, name->posting_offset);
    }
    return index_end_section(f, INDEX_NAMES, err);
}

/* ---- values ---- */

/* One group of values of `name`, from its value `from` on. */
static void put_value_group(struct index_finish *f, uint32_t name_rank, uint32_t from,
                            struct buf *out)
{
    const struct name_range *name = &f->names[name_rank];
    uint32_t last_symbol = 0;
    uint64_t last_offset = 0;
    for (uint32_t v = from; v < name->count && v < from + VALUES_GROUP; v++) {
        size_t place = name->first + v;
        const struct label_pair *p = &f->w->table.pairs[f->order.pairs[place]];
        uint32_t symbol = f->order.symbol_ranks[p->value];
        uint64_t where = f->offsets[place + name_rank + 1];
        buf_put_uvarint(out, symbol - last_symbol);
        buf_put_uvarint(out, p->series);
        buf_put_uvarint(out, p->series == 1 ? where : where - last_offset);
        last_symbol = symbol;
        if (p->series > 1) last_offset = where;
    }
}

enum err_code index_write_values(struct index_finish *f, struct err *err)
{
    struct buf groups;
    buf_init(&groups, mem_source_of(f->w->mem, MEM_COMPACTION), SIZE_MAX / 2);
    enum err_code code = ERR_OK;
    uint64_t offset = 0;
    index_begin_section(f);
    for (uint32_t n = 0; n < f->name_count && code == ERR_OK; n++) {
        struct name_range *name = &f->names[n];
        uint32_t group_count = (name->count + VALUES_GROUP - 1) / VALUES_GROUP;
        buf_reset(&groups);
        name->values_offset = offset;
        for (uint32_t g = 0; g < group_count; g++) {
            uint64_t skip = (uint64_t)group_count * 4 + groups.len;
            if (skip > UINT32_MAX) code = err_set(err, ERR_LIMIT, "too many label values");
            buf_put_u32le(&f->out, (uint32_t)skip);
            put_value_group(f, n, g * VALUES_GROUP, &groups);
        }
        offset += (uint64_t)group_count * 4 + groups.len;
        if (buf_failed(&groups)) code = index_no_memory(err);
        if (code == ERR_OK) code = index_flush(f, err);
        if (code == ERR_OK) out_file_put(&f->file, groups.ptr, groups.len);
    }
    buf_deinit(&groups);
    TRY(code);
    return index_end_section(f, INDEX_VALUES, err);
}
