/* SPDX-License-Identifier: Apache-2.0
 *
 * Names, values and labels of series as texts.
 */
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "metrics/block/block_priv.h"

#define CANCEL_EVERY 1024
#define FIRST_SLOTS 256

enum err_code block_name_find(struct block *b, struct symbol_cursor *symbols, struct str text,
                              struct index_name *out, struct err *err)
{
    struct str found;
    uint32_t symbol;
    TRY(symbol_cursor_find(symbols, text, SYMBOL_FROM, &symbol, err));
    if (symbol >= b->index.symbol_count) return ERR_NOTFOUND;
    TRY(symbol_cursor_read(symbols, symbol, &found, err));
    if (!str_eq(found, text)) return ERR_NOTFOUND;
    return index_name_find(&b->index, symbol, out, err);
}

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for labels");
}

static enum err_code copy_symbol(struct symbol_cursor *symbols, uint32_t symbol, struct arena *a,
                                 struct str *out, struct err *err)
{
    struct str text;
    TRY(symbol_cursor_read(symbols, symbol, &text, err));
    *out = arena_str(a, text);
    return out->ptr || text.len == 0 ? ERR_OK : no_memory(err);
}

/* ---- names ---- */

/* Does a posting share a series with `only` (NULL: all)? */
static enum err_code posting_meets(const struct postings_source *s, uint64_t offset,
                                   const struct postings *only, bool *out, struct err *err)
{
    struct postings *p = NULL;
    *out = true;
    if (!only) return ERR_OK;
    TRY(index_posting_read(s, offset, &p, err));
    *out = postings_intersects(p, only);
    postings_destroy(p);
    return ERR_OK;
}

static enum err_code list_names(struct block *b, const struct postings *only,
                                struct symbol_cursor *symbols, struct arena *a,
                                struct str_list *out, struct err *err)
{
    struct postings_source source = { &b->index, b->mem, MEM_QUERY };
    out->ptr = arena_array(a, struct str, b->index.name_count + 1);
    if (!out->ptr) return no_memory(err);
    for (uint32_t rank = 0; rank < b->index.name_count; rank++) {
        struct index_name name;
        bool meets;
        TRY(index_name_read(&b->index, rank, &name, err));
        TRY(posting_meets(&source, name.posting_offset, only, &meets, err));
        if (!meets) continue;
        TRY(copy_symbol(symbols, name.symbol, a, &out->ptr[out->len], err));
        out->len++;
    }
    return ERR_OK;
}

enum err_code block_label_names(struct block *b, const struct postings *only, struct arena *a,
                                struct str_list *out, struct err *err)
{
    struct symbol_cursor symbols;
    struct str_list list = { 0 };
    struct bytes section; /* the count of names is believed only after its crc */
    TRY(index_section_get(&b->index, INDEX_NAMES, &section, err));
    enum err_code code =
        symbol_cursor_init(&symbols, &b->index, mem_source_of(b->mem, MEM_QUERY), err);
    if (code == ERR_OK) code = list_names(b, only, &symbols, a, &list, err);
    symbol_cursor_deinit(&symbols);
    if (code == ERR_OK) *out = list;
    return code;
}

/* ---- values ---- */

struct value_listing {
    struct block *block;
    const struct block_values_query *query;
    struct index_name name;
    struct symbol_cursor symbols;
    struct value_cursor values;
    struct postings_source source;
};

static enum err_code value_meets(struct value_listing *l, const struct index_value *value,
                                 bool *out, struct err *err)
{
    const struct postings *only = l->query->only;
    if (only && value->series_count == 1) {
        *out = postings_contains(only, (uint32_t)value->where);
        return ERR_OK;
    }
    return posting_meets(&l->source, value->where, only, out, err);
}

/* By the dictionary: each value whose posting meets the candidates. */
static enum err_code list_by_dictionary(struct value_listing *l, struct arena *a,
                                        struct str_list *out, struct err *err)
{
    size_t most = l->name.value_count, limit = l->query->limit;
    if (limit > 0 && limit < most) most = limit;
    out->ptr = arena_array(a, struct str, most + 1);
    if (!out->ptr) return no_memory(err);
    for (uint32_t rank = 0; rank < l->name.value_count; rank++) {
        struct index_value value;
        bool meets;
        if (rank % CANCEL_EVERY == 0) TRY(block_check_cancel(l->query->cancel, err));
        TRY(value_cursor_read(&l->values, rank, &value, err));
        TRY(value_meets(l, &value, &meets, err));
        if (!meets) continue;
        if (out->len == most) {
            out->is_truncated = true;
            return ERR_OK;
        }
        TRY(copy_symbol(&l->symbols, value.symbol, a, &out->ptr[out->len], err));
        out->len++;
    }
    return ERR_OK;
}

/* Mark the ranks of the values that the candidates have. */
static enum err_code mark_ranks(struct value_listing *l, struct series_cursor *series,
                                struct postings *ranks, struct err *err)
{
    struct postings_iter it;
    uint32_t ids[256], found[256];
    postings_iter_init(&it, l->query->only);
    for (size_t n; (n = postings_iter_read(&it, ids, 256)) > 0;) {
        size_t found_count = 0;
        TRY(block_check_cancel(l->query->cancel, err));
        for (size_t i = 0; i < n && ids[i] < l->block->index.series_count; i++) {
            const struct series_pair *pairs;
            size_t count, k = 0;
            TRY(series_cursor_read(series, ids[i], &pairs, &count, err));
            while (k < count && pairs[k].name != l->name.rank)
                k++;
            if (k < count) found[found_count++] = pairs[k].value;
        }
        TRY(postings_add_many(ranks, found, found_count, err));
    }
    return ERR_OK;
}

static enum err_code list_ranks(struct value_listing *l, const struct postings *ranks,
                                struct arena *a, struct str_list *out, struct err *err)
{
    size_t most = (size_t)postings_cardinality(ranks), limit = l->query->limit;
    out->is_truncated = limit > 0 && limit < most;
    if (out->is_truncated) most = limit;
    out->ptr = arena_array(a, struct str, most + 1);
    if (!out->ptr) return no_memory(err);
    struct postings_iter it;
    uint32_t ids[256];
    postings_iter_init(&it, ranks);
    while (out->len < most) {
        size_t n = postings_iter_read(&it, ids, most - out->len < 256 ? most - out->len : 256);
        for (size_t i = 0; i < n; i++) {
            struct index_value value;
            TRY(value_cursor_read(&l->values, ids[i], &value, err));
            TRY(copy_symbol(&l->symbols, value.symbol, a, &out->ptr[out->len], err));
            out->len++;
        }
    }
    return ERR_OK;
}

/* By the candidates: the value of each. */
static enum err_code list_by_series(struct value_listing *l, struct arena *a, struct str_list *out,
                                    struct err *err)
{
    struct mem_budget *mem = l->source.mem;
    struct series_cursor series;
    CLEANUP(postings_destroy_p) struct postings *ranks = NULL;
    TRY(postings_create(mem, MEM_QUERY, &ranks, err));
    enum err_code code =
        series_cursor_init(&series, &l->block->index, mem_source_of(mem, MEM_QUERY), err);
    if (code == ERR_OK) code = mark_ranks(l, &series, ranks, err);
    series_cursor_deinit(&series);
    return code == ERR_OK ? list_ranks(l, ranks, a, out, err) : code;
}

static enum err_code list_values(struct value_listing *l, struct arena *a, struct str_list *out,
                                 struct err *err)
{
    enum err_code code = block_name_find(l->block, &l->symbols, l->query->name, &l->name, err);
    if (code == ERR_NOTFOUND) return ERR_OK;
    TRY(code);
    TRY(value_cursor_init(&l->values, &l->block->index, &l->name, err));
    const struct postings *only = l->query->only;
    if (only && postings_cardinality(only) < l->name.value_count)
        return list_by_series(l, a, out, err);
    return list_by_dictionary(l, a, out, err);
}

enum err_code block_label_values(struct block *b, const struct block_values_query *q,
                                 struct arena *a, struct str_list *out, struct err *err)
{
    struct value_listing l = { .block = b, .query = q, .source = { &b->index, b->mem, MEM_QUERY } };
    struct str_list list = { 0 };
    enum err_code code =
        symbol_cursor_init(&l.symbols, &b->index, mem_source_of(b->mem, MEM_QUERY), err);
    if (code == ERR_OK) code = list_values(&l, a, &list, err);
    symbol_cursor_deinit(&l.symbols);
    if (code == ERR_OK) *out = list;
    return code;
}

/* ---- labels of series ---- */

/* A text that was copied already. */
struct text_slot {
    uint64_t key; /* (name rank, value rank) + 1; 0 = free */
    struct str text;
};

struct block_labels {
    struct block *block;
    struct arena *arena;
    struct mem_source mem; /* the arena again, for the cursors' buffers */
    struct series_cursor series;
    struct symbol_cursor symbols;
    struct str *names;       /* by rank; ptr NULL: not read yet */
    struct text_slot *slots; /* open addressing */
    size_t slot_count, slots_used;
    struct label *row;
    size_t row_cap;
};

static void *alloc_from_arena(void *ctx, size_t size)
{
    return arena_alloc_raw(ctx, size, 1, 16);
}

static void leave_to_arena(void *ctx, void *ptr, size_t size)
{
    (void)ctx, (void)ptr, (void)size;
}

enum err_code block_labels_create(struct block *b, struct arena *a, struct block_labels **out,
                                  struct err *err)
{
    struct bytes section; /* the count of names is believed only after its crc */
    TRY(index_section_get(&b->index, INDEX_NAMES, &section, err));
    struct block_labels *c = arena_new(a, struct block_labels);
    if (!c) return no_memory(err);
    c->block = b;
    c->arena = a;
    c->mem = (struct mem_source){ a, alloc_from_arena, leave_to_arena };
    c->names = arena_array(a, struct str, (size_t)b->index.name_count + 1);
    c->slot_count = FIRST_SLOTS;
    c->slots = arena_array(a, struct text_slot, c->slot_count);
    if (!c->names || !c->slots) return no_memory(err);
    TRY(series_cursor_init(&c->series, &b->index, &c->mem, err));
    TRY(symbol_cursor_init(&c->symbols, &b->index, &c->mem, err));
    *out = c;
    return ERR_OK;
}

static struct text_slot *find_slot(struct text_slot *slots, size_t slot_count, uint64_t key)
{
    size_t i = (size_t)hash64(&key, sizeof key, 0) & (slot_count - 1);
    while (slots[i].key != 0 && slots[i].key != key)
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

static enum err_code grow_slots(struct block_labels *c, struct err *err)
{
    struct text_slot *grown = arena_array(c->arena, struct text_slot, c->slot_count * 2);
    if (!grown) return no_memory(err);
    for (size_t i = 0; i < c->slot_count; i++)
        if (c->slots[i].key != 0)
            *find_slot(grown, c->slot_count * 2, c->slots[i].key) = c->slots[i];
    c->slots = grown;
    c->slot_count *= 2;
    return ERR_OK;
}

static enum err_code name_text(struct block_labels *c, uint32_t rank, struct str *out,
                               struct err *err)
{
    struct index_name name;
    if (!c->names[rank].ptr) {
        TRY(index_name_read(&c->block->index, rank, &name, err));
        TRY(copy_symbol(&c->symbols, name.symbol, c->arena, &c->names[rank], err));
    }
    *out = c->names[rank];
    return ERR_OK;
}

static enum err_code value_text(struct block_labels *c, struct series_pair pair, struct str *out,
                                struct err *err)
{
    uint64_t key = ((uint64_t)pair.name << 32 | pair.value) + 1;
    if (c->slots_used * 2 >= c->slot_count) TRY(grow_slots(c, err));
    struct text_slot *slot = find_slot(c->slots, c->slot_count, key);
    if (slot->key == 0) {
        struct index_name name;
        struct value_cursor values;
        struct index_value value;
        TRY(index_name_read(&c->block->index, pair.name, &name, err));
        TRY(value_cursor_init(&values, &c->block->index, &name, err));
        TRY(value_cursor_read(&values, pair.value, &value, err));
        TRY(copy_symbol(&c->symbols, value.symbol, c->arena, &slot->text, err));
        slot->key = key;
        c->slots_used++;
    }
    *out = slot->text;
    return ERR_OK;
}

/* Where pair `i` of a row in block order stands when sorted by name: the metric name, first here,
 * goes to its place. */
static size_t sorted_place(const struct series_pair *pairs, size_t i, size_t metric_place)
{
    if (i == 0) return metric_place;
    return pairs[i].name < pairs[0].name ? i - 1 : i;
}

enum err_code block_labels_read(struct block_labels *c, uint32_t ordinal, struct labels *out,
                                struct err *err)
{
    const struct series_pair *pairs;
    size_t count, metric_place = 0;
    TRY(series_cursor_read(&c->series, ordinal, &pairs, &count, err));
    if (count > c->row_cap) {
        c->row = arena_array(c->arena, struct label, count * 2);
        c->row_cap = c->row ? count * 2 : 0;
        if (!c->row) return no_memory(err);
    }
    for (size_t i = 1; i < count; i++) {
        bool is_sorted =
            pairs[i].name != pairs[0].name && (i == 1 || pairs[i - 1].name < pairs[i].name);
        if (!is_sorted) return index_corrupt(&c->block->index, INDEX_SERIES, c->series.rd.pos, err);
        metric_place += pairs[i].name < pairs[0].name;
    }
    for (size_t i = 0; i < count; i++) {
        struct label *label = &c->row[sorted_place(pairs, i, metric_place)];
        TRY(name_text(c, pairs[i].name, &label->name, err));
        TRY(value_text(c, pairs[i], &label->value, err));
    }
    *out = (struct labels){ c->row, count };
    return ERR_OK;
}
