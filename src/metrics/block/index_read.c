/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/index_read.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"

static const char *const SECTION_NAMES[INDEX_SECTION_COUNT] = {
    "SYMBOLS", "NAMES", "VALUES", "POSTINGS", "SERIES", "PAGES", "TSDICT",
};

static uint32_t u32_at(struct bytes b, size_t offset)
{
    uint32_t v;
    memcpy(&v, b.ptr + offset, sizeof v);
    return v;
}

/* ---- the file ---- */

static enum err_code corrupt_toc(struct index_view *v, const char *what, struct err *err)
{
    enum err_code code = err_setf(err, ERR_CORRUPT, "damaged index",
                                  "%s/index: table of contents: %s", v->block, what);
    if (err) err->offset = v->map.len;
    return code;
}

enum err_code index_corrupt(const struct index_view *v, enum index_section section,
                            const uint8_t *at, struct err *err)
{
    uint64_t offset = v->toc[section].offset;
    if (at >= v->map.ptr && at <= v->map.ptr + v->map.len) offset = (uint64_t)(at - v->map.ptr);
    enum err_code code =
        err_setf(err, ERR_CORRUPT, "damaged index", "%s/index: offset %llu: section %s", v->block,
                 (unsigned long long)offset, SECTION_NAMES[section]);
    if (err) err->offset = offset;
    return code;
}

/* A section, its crc and the table of contents lie one after the other inside the file. */
static bool extent_is_sound(const struct index_view *v, struct index_extent e)
{
    uint64_t end = v->map.len - INDEX_TOC_SIZE;
    return e.offset % 8 == 0 && e.offset <= end && e.size <= end - e.offset &&
           end - e.offset - e.size >= 4;
}

static enum err_code read_counts(struct index_view *v, struct err *err)
{
    static const struct {
        enum index_section section;
        size_t size_min;
    } heads[] = { { INDEX_SYMBOLS, SECTION_HEAD_SIZE },
                  { INDEX_NAMES, SECTION_HEAD_SIZE },
                  { INDEX_SERIES, SECTION_HEAD_SIZE } };
    uint32_t counts[3];
    for (int i = 0; i < 3; i++) {
        struct index_extent e = v->toc[heads[i].section];
        if (e.size < heads[i].size_min) return corrupt_toc(v, "section too short", err);
        counts[i] = u32_at(v->map, e.offset);
    }
    v->symbol_count = counts[0];
    v->name_count = counts[1];
    v->series_count = counts[2];
    uint64_t pages = v->toc[INDEX_PAGES].size / PAGE_ENTRY_SIZE;
    if (v->toc[INDEX_PAGES].size % PAGE_ENTRY_SIZE != 0 || pages > UINT32_MAX)
        return corrupt_toc(v, "number of pages", err);
    v->page_count = (uint32_t)pages;
    return ERR_OK;
}

enum err_code index_view_init(struct index_view *v, struct bytes map, const char *block,
                              struct err *err)
{
    *v = (struct index_view){ .map = map, .block = block };
    if (map.len < INDEX_TOC_SIZE) return corrupt_toc(v, "file too short", err);
    const uint8_t *toc = map.ptr + map.len - INDEX_TOC_SIZE;
    struct rd r = rd_of((struct bytes){ toc, INDEX_TOC_SIZE });
    uint32_t magic = rd_u32le(&r), version = rd_u32le(&r);
    for (int i = 0; i < INDEX_SECTION_COUNT; i++) {
        v->toc[i].offset = rd_u64le(&r);
        v->toc[i].size = rd_u64le(&r);
    }
    (void)rd_u32le(&r);
    if (magic != INDEX_MAGIC) return corrupt_toc(v, "magic", err);
    if (rd_u32le(&r) != crc32c(0, toc, INDEX_TOC_SIZE - 4)) return corrupt_toc(v, "crc", err);
    if (version != INDEX_VERSION)
        return err_setf(err, ERR_UNSUPPORTED, "index of an unknown version", "%s: %u", block,
                        version);
    for (int i = 0; i < INDEX_SECTION_COUNT; i++)
        if (!extent_is_sound(v, v->toc[i])) return corrupt_toc(v, SECTION_NAMES[i], err);
    return read_counts(v, err);
}

enum err_code index_section_get(struct index_view *v, enum index_section section, struct bytes *out,
                                struct err *err)
{
    struct index_extent e = v->toc[section];
    struct bytes content = { v->map.ptr + e.offset, (size_t)e.size };
    uint32_t bit = 1u << section;
    if (!(atomic_load_explicit(&v->checked, memory_order_acquire) & bit)) {
        struct bytes tail = { content.ptr + content.len, 4 };
        if (crc32c(0, content.ptr, content.len) != u32_at(tail, 0))
            return index_corrupt(v, section, content.ptr, err);
        atomic_fetch_or_explicit(&v->checked, bit, memory_order_release);
    }
    *out = content;
    return ERR_OK;
}

/* A section that begins with two counts and ends with one u32 offset per group: the bytes of group
 * `group` up to the offsets. */
static bool group_of(struct bytes section, uint32_t group, struct rd *out)
{
    uint32_t groups = u32_at(section, 4);
    if (group >= groups || groups > (section.len - SECTION_HEAD_SIZE) / 4) return false;
    size_t table = section.len - (size_t)groups * 4;
    size_t offset = u32_at(section, table + (size_t)group * 4);
    if (offset < SECTION_HEAD_SIZE || offset >= table) return false;
    *out = rd_of((struct bytes){ section.ptr + offset, table - offset });
    return true;
}

/* ---- texts ---- */

enum err_code symbol_cursor_init(struct symbol_cursor *c, struct index_view *v,
                                 const struct mem_source *mem, struct err *err)
{
    *c = (struct symbol_cursor){ .view = v, .id = UINT32_MAX };
    buf_init(&c->text, mem, SIZE_MAX / 2);
    return index_section_get(v, INDEX_SYMBOLS, &c->section, err);
}

void symbol_cursor_deinit(struct symbol_cursor *c)
{
    buf_deinit(&c->text);
}

static enum err_code next_symbol(struct symbol_cursor *c, struct err *err)
{
    uint64_t shared = rd_uvarint(&c->rd), rest = rd_uvarint(&c->rd);
    struct bytes tail = rd_bytes(&c->rd, rest);
    if (!rd_ok(&c->rd) || shared > c->text.len) {
        c->id = UINT32_MAX;
        return index_corrupt(c->view, INDEX_SYMBOLS, c->rd.pos, err);
    }
    c->text.len = (size_t)shared;
    buf_put(&c->text, tail.ptr, tail.len);
    c->id++;
    if (!buf_failed(&c->text)) return ERR_OK;
    c->id = UINT32_MAX;
    return err_set(err, ERR_NOMEM, "no memory for label texts");
}

static enum err_code seek_symbol_group(struct symbol_cursor *c, uint32_t group, struct err *err)
{
    buf_reset(&c->text);
    c->id = UINT32_MAX;
    if (!group_of(c->section, group, &c->rd))
        return index_corrupt(c->view, INDEX_SYMBOLS, c->section.ptr, err);
    c->id = group * SYMBOLS_GROUP - 1; /* UINT32_MAX for the first: next_symbol adds one */
    return next_symbol(c, err);
}

enum err_code symbol_cursor_read(struct symbol_cursor *c, uint32_t id, struct str *out,
                                 struct err *err)
{
    if (id >= c->view->symbol_count)
        return index_corrupt(c->view, INDEX_SYMBOLS, c->section.ptr, err);
    bool is_ahead =
        c->id != UINT32_MAX && id >= c->id && id / SYMBOLS_GROUP == c->id / SYMBOLS_GROUP;
    if (!is_ahead) TRY(seek_symbol_group(c, id / SYMBOLS_GROUP, err));
    while (c->id < id)
        TRY(next_symbol(c, err));
    *out = buf_str(&c->text);
    return ERR_OK;
}

static bool symbol_is_before(struct str symbol, struct str text, enum symbol_bound bound)
{
    if (bound == SYMBOL_PAST && str_starts_with(symbol, text)) return true;
    return str_cmp(symbol, text) < 0;
}

enum err_code symbol_cursor_find(struct symbol_cursor *c, struct str text, enum symbol_bound bound,
                                 uint32_t *out_id, struct err *err)
{
    uint32_t count = c->view->symbol_count, lo = 0,
             hi = (count + SYMBOLS_GROUP - 1) / SYMBOLS_GROUP;
    struct str symbol;
    while (lo < hi) { /* the first group whose head is not before */
        uint32_t middle = lo + (hi - lo) / 2;
        TRY(symbol_cursor_read(c, middle * SYMBOLS_GROUP, &symbol, err));
        if (symbol_is_before(symbol, text, bound))
            lo = middle + 1;
        else
            hi = middle;
    }
    uint32_t id = lo == 0 ? 0 : (lo - 1) * SYMBOLS_GROUP + 1;
    for (; lo > 0 && id < count && id < lo * SYMBOLS_GROUP; id++) {
        TRY(symbol_cursor_read(c, id, &symbol, err));
        if (!symbol_is_before(symbol, text, bound)) break;
    }
    *out_id = id < count ? id : count;
    return ERR_OK;
}

/* ---- names ---- */

enum err_code index_name_read(struct index_view *v, uint32_t rank, struct index_name *out,
                              struct err *err)
{
    struct bytes section;
    TRY(index_section_get(v, INDEX_NAMES, &section, err));
    if (rank >= v->name_count ||
        v->name_count > (section.len - SECTION_HEAD_SIZE) / NAME_ENTRY_SIZE)
        return index_corrupt(v, INDEX_NAMES, section.ptr, err);
    size_t offset = SECTION_HEAD_SIZE + (size_t)rank * NAME_ENTRY_SIZE;
    struct rd r = rd_of((struct bytes){ section.ptr + offset, NAME_ENTRY_SIZE });
    struct index_name name = { .rank = rank };
    name.symbol = rd_u32le(&r);
    name.value_count = rd_u32le(&r);
    name.series_count = rd_u32le(&r);
    (void)rd_u32le(&r);
    name.values_offset = rd_u64le(&r);
    name.posting_offset = rd_u64le(&r);
    if (name.symbol >= v->symbol_count || name.value_count == 0)
        return index_corrupt(v, INDEX_NAMES, section.ptr + offset, err);
    *out = name;
    return ERR_OK;
}

enum err_code index_name_find(struct index_view *v, uint32_t symbol, struct index_name *out,
                              struct err *err)
{
    struct bytes section; /* the count of names is believed only after the crc */
    TRY(index_section_get(v, INDEX_NAMES, &section, err));
    uint32_t lo = 0, hi = v->name_count;
    struct index_name name = { .symbol = UINT32_MAX };
    while (lo < hi) {
        uint32_t middle = lo + (hi - lo) / 2;
        TRY(index_name_read(v, middle, &name, err));
        if (name.symbol == symbol) {
            *out = name;
            return ERR_OK;
        }
        if (name.symbol < symbol)
            lo = middle + 1;
        else
            hi = middle;
    }
    return ERR_NOTFOUND;
}

/* ---- series ---- */

enum err_code series_cursor_init(struct series_cursor *c, struct index_view *v,
                                 const struct mem_source *mem, struct err *err)
{
    *c = (struct series_cursor){ .view = v, .next = UINT32_MAX };
    buf_init(&c->pairs, mem, SIZE_MAX / 2);
    return index_section_get(v, INDEX_SERIES, &c->section, err);
}

void series_cursor_deinit(struct series_cursor *c)
{
    buf_deinit(&c->pairs);
}

static enum err_code next_series(struct series_cursor *c, struct err *err)
{
    uint64_t shared = rd_uvarint(&c->rd), rest = rd_uvarint(&c->rd);
    /* A pair takes two bytes at least. */
    bool is_sound = rd_ok(&c->rd) && shared * sizeof(struct series_pair) <= c->pairs.len &&
                    shared <= c->pairs.len && rest <= rd_left(&c->rd) / 2;
    if (is_sound) {
        c->pairs.len = (size_t)shared * sizeof(struct series_pair);
        for (uint64_t i = 0; i < rest; i++) {
            uint64_t name = rd_uvarint(&c->rd), value = rd_uvarint(&c->rd);
            struct series_pair pair = { (uint32_t)name, (uint32_t)value };
            is_sound &= name < c->view->name_count && value <= UINT32_MAX;
            buf_put(&c->pairs, &pair, sizeof pair);
        }
    }
    if (buf_failed(&c->pairs)) {
        c->next = UINT32_MAX;
        return err_set(err, ERR_NOMEM, "no memory for the labels of a series");
    }
    if (!is_sound || !rd_ok(&c->rd)) {
        c->next = UINT32_MAX;
        return index_corrupt(c->view, INDEX_SERIES, c->rd.pos, err);
    }
    c->next++;
    return ERR_OK;
}

enum err_code series_cursor_read(struct series_cursor *c, uint32_t ordinal,
                                 const struct series_pair **out, size_t *out_count, struct err *err)
{
    if (ordinal >= c->view->series_count)
        return index_corrupt(c->view, INDEX_SERIES, c->section.ptr, err);
    uint32_t group = ordinal / SERIES_GROUP;
    bool is_last = c->next != UINT32_MAX && ordinal == c->next - 1;
    bool is_ahead = c->next != UINT32_MAX && ordinal >= c->next && c->next % SERIES_GROUP != 0 &&
                    c->next / SERIES_GROUP == group;
    if (!is_last && !is_ahead) {
        buf_reset(&c->pairs);
        c->next = UINT32_MAX;
        if (!group_of(c->section, group, &c->rd))
            return index_corrupt(c->view, INDEX_SERIES, c->section.ptr, err);
        c->next = group * SERIES_GROUP;
    }
    while (!is_last && c->next <= ordinal)
        TRY(next_series(c, err));
    *out = (const struct series_pair *)(const void *)c->pairs.ptr;
    *out_count = c->pairs.len / sizeof **out;
    return ERR_OK;
}

/* ---- pages ---- */

enum err_code index_page_read(struct index_view *v, uint32_t page, struct index_page_entry *out,
                              struct err *err)
{
    struct bytes section;
    TRY(index_section_get(v, INDEX_PAGES, &section, err));
    ASSERT(page < v->page_count);
    struct rd r =
        rd_of((struct bytes){ section.ptr + (size_t)page * PAGE_ENTRY_SIZE, PAGE_ENTRY_SIZE });
    out->first_series = rd_u32le(&r);
    out->file = rd_u32le(&r);
    out->mint_ms = (int64_t)rd_u64le(&r);
    out->maxt_ms = (int64_t)rd_u64le(&r);
    out->offset = rd_u64le(&r);
    out->size = rd_u32le(&r);
    out->vector_count = rd_u32le(&r);
    return ERR_OK;
}

enum err_code index_page_find(struct index_view *v, uint32_t ordinal, uint32_t *out_page,
                              struct err *err)
{
    uint32_t lo = 0, hi = v->page_count;
    struct index_page_entry entry;
    while (lo < hi) { /* the first page with first_series >= ordinal */
        uint32_t middle = lo + (hi - lo) / 2;
        TRY(index_page_read(v, middle, &entry, err));
        if (entry.first_series < ordinal)
            lo = middle + 1;
        else
            hi = middle;
    }
    *out_page = lo > 0 ? lo - 1 : 0; /* the series may begin in the page before */
    return ERR_OK;
}
