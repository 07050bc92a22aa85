/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/block_meta.h"

#include "base/crc32c.h"
#include "codec/json_read.h"
#include "codec/json_write.h"

#define CRC_KEY ",\"crc32c\":"

/* ---- writing ---- */

static void put_ulid(struct json_writer *w, struct ulid id)
{
    char text[ULID_TEXT_LEN + 1];
    ulid_text(id, text);
    json_put_str(w, (struct str){ text, ULID_TEXT_LEN });
}

static void put_ulids(struct json_writer *w, const struct ulid *ids, size_t count)
{
    json_open_array(w);
    for (size_t i = 0; i < count; i++)
        put_ulid(w, ids[i]);
    json_close_array(w);
}

static void put_stats(struct json_writer *w, const struct block_meta *m)
{
    json_open_object(w);
    json_key(w, "numSamples"), json_put_u64(w, m->sample_count);
    json_key(w, "numSeries"), json_put_u64(w, m->series_count);
    json_key(w, "numPages"), json_put_u64(w, m->page_count);
    json_key(w, "numTombstones"), json_put_u64(w, m->tombstone_count);
    json_key(w, "bytes"), json_put_u64(w, m->size_bytes);
    json_key(w, "chunkBytes"), json_put_u64(w, m->chunk_bytes);
    json_key(w, "indexBytes"), json_put_u64(w, m->index_bytes);
    json_close_object(w);
}

void block_meta_print(const struct block_meta *m, struct buf *out)
{
    size_t start = out->len;
    struct json_writer w = json_writer_of(out);
    json_open_object(&w);
    json_key(&w, "ulid"), put_ulid(&w, m->id);
    json_key(&w, "version"), json_put_u64(&w, BLOCK_META_VERSION);
    json_key(&w, "minTime"), json_put_i64(&w, m->mint_ms);
    json_key(&w, "maxTime"), json_put_i64(&w, m->maxt_ms);
    json_key(&w, "stats"), put_stats(&w, m);
    json_key(&w, "compaction"), json_open_object(&w);
    json_key(&w, "level"), json_put_u64(&w, m->level);
    json_key(&w, "sources"), put_ulids(&w, m->sources, m->source_count);
    json_key(&w, "parents"), put_ulids(&w, m->parents, m->parent_count);
    json_close_object(&w);
    json_key(&w, "codec"), json_open_object(&w);
    json_key(&w, "pageZstd"), json_put_bool(&w, m->has_zstd_pages);
    json_close_object(&w);
    json_key(&w, "resolution"), json_put_i64(&w, m->resolution_ms);
    if (buf_failed(out)) return;
    uint32_t crc = crc32c(0, out->ptr + start, out->len - start);
    buf_put_lit(out, CRC_KEY);
    buf_put_u64_text(out, crc);
    buf_put_lit(out, "}\n");
}

/* ---- reading ---- */

static enum err_code corrupt(struct err *err, const char *what)
{
    return err_setf(err, ERR_CORRUPT, "damaged meta.json", "%s", what);
}

static struct ulid read_ulid(struct json_reader *r)
{
    struct ulid id = { 0 };
    if (!ulid_parse(json_str(r), &id)) json_fail(r, "not a ULID");
    return id;
}

/* A list of unknown length: grown in the arena by doubling. */
static const struct ulid *read_ulids(struct json_reader *r, struct arena *a, size_t *out_count)
{
    struct ulid *ids = NULL;
    size_t count = 0, cap = 0;
    json_array(r);
    while (json_next_item(r)) {
        struct ulid id = read_ulid(r);
        if (count == cap) {
            cap = cap ? cap * 2 : 8;
            struct ulid *grown =
                cap <= BLOCK_META_IDS_MAX ? arena_array(a, struct ulid, cap) : NULL;
            if (!grown) {
                json_fail(r, "too many ids");
                break;
            }
            if (count > 0) memcpy(grown, ids, count * sizeof *ids);
            ids = grown;
        }
        ids[count++] = id;
    }
    *out_count = count;
    return ids;
}

static void read_stats(struct json_reader *r, struct block_meta *m)
{
    json_object(r);
    for (struct str key; json_next_key(r, &key);) {
        if (str_eq(key, STR("numSamples")))
            m->sample_count = json_u64(r);
        else if (str_eq(key, STR("numSeries")))
            m->series_count = json_u64(r);
        else if (str_eq(key, STR("numPages")))
            m->page_count = json_u64(r);
        else if (str_eq(key, STR("numTombstones")))
            m->tombstone_count = json_u64(r);
        else if (str_eq(key, STR("bytes")))
            m->size_bytes = json_u64(r);
        else if (str_eq(key, STR("chunkBytes")))
            m->chunk_bytes = json_u64(r);
        else if (str_eq(key, STR("indexBytes")))
            m->index_bytes = json_u64(r);
    }
}

static void read_compaction(struct json_reader *r, struct arena *a, struct block_meta *m)
{
    json_object(r);
    for (struct str key; json_next_key(r, &key);) {
        if (str_eq(key, STR("level")))
            m->level = (uint32_t)json_u64(r);
        else if (str_eq(key, STR("sources")))
            m->sources = read_ulids(r, a, &m->source_count);
        else if (str_eq(key, STR("parents")))
            m->parents = read_ulids(r, a, &m->parent_count);
    }
}

static void read_codec(struct json_reader *r, struct block_meta *m)
{
    json_object(r);
    for (struct str key; json_next_key(r, &key);)
        if (str_eq(key, STR("pageZstd"))) m->has_zstd_pages = json_bool(r);
}

static void read_members(struct json_reader *r, struct arena *a, struct block_meta *m,
                         uint64_t *out_version)
{
    json_object(r);
    for (struct str key; json_next_key(r, &key);) {
        if (str_eq(key, STR("ulid")))
            m->id = read_ulid(r);
        else if (str_eq(key, STR("version")))
            *out_version = json_u64(r);
        else if (str_eq(key, STR("minTime")))
            m->mint_ms = json_i64(r);
        else if (str_eq(key, STR("maxTime")))
            m->maxt_ms = json_i64(r);
        else if (str_eq(key, STR("resolution")))
            m->resolution_ms = json_i64(r);
        else if (str_eq(key, STR("stats")))
            read_stats(r, m);
        else if (str_eq(key, STR("compaction")))
            read_compaction(r, a, m);
        else if (str_eq(key, STR("codec")))
            read_codec(r, m);
    }
}

/* The crc stands last and covers the text before its own key. */
static bool crc_matches(struct str text)
{
    struct str tail = str_sub(text, text.len > 40 ? text.len - 40 : 0, text.len);
    size_t at = str_find(tail, STR(CRC_KEY));
    if (at == tail.len) return false;
    size_t covered = text.len - tail.len + at;
    struct str number = str_sub(tail, at + sizeof CRC_KEY - 1, tail.len);
    if (!str_ends_with(number, STR("}\n"))) return false;
    number.len -= 2;
    uint64_t crc;
    return str_to_u64(number, &crc) && crc == crc32c(0, text.ptr, covered);
}

enum err_code block_meta_parse(struct bytes json, struct arena *a, struct block_meta *out,
                               struct err *err)
{
    struct str text = str_of_bytes(json);
    struct block_meta m = { 0 };
    uint64_t version = 0;
    struct json_reader r;
    struct err why = { 0 };
    if (!crc_matches(text)) return corrupt(err, "checksum");
    json_reader_init(&r, text, a);
    read_members(&r, a, &m, &version);
    enum err_code code = json_finish(&r, &why);
    if (code == ERR_NOMEM) return err_set(err, ERR_NOMEM, "no memory for meta.json");
    if (code != ERR_OK) return corrupt(err, why.detail);
    if (version != BLOCK_META_VERSION)
        return err_setf(err, ERR_UNSUPPORTED, "block of an unknown version", "%llu",
                        (unsigned long long)version);
    if (ulid_is_none(m.id) || m.mint_ms >= m.maxt_ms) return corrupt(err, "id or time range");
    if (m.series_count > UINT32_MAX) return corrupt(err, "number of series");
    *out = m;
    return ERR_OK;
}
