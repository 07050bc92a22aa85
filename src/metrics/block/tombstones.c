/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/tombstones.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/rd.h"

#define MAGIC 0x53544850u /* "PHTS" */
#define VERSION 1
#define HEAD_SIZE 16
#define COUNT_MAX (SIZE_MAX / sizeof(struct tombstone) / 4)

static struct tombstones *create(struct mem_budget *mem, size_t count, struct err *err)
{
    struct tombstones *t = NULL;
    if (count < COUNT_MAX) t = mem_alloc(mem, MEM_CACHE, sizeof *t + count * sizeof t->entries[0]);
    if (!t) {
        (void)err_set(err, ERR_NOMEM, "no memory for tombstones");
        return NULL;
    }
    t->mem = mem;
    atomic_init(&t->refs, 1);
    t->count = count;
    return t;
}

static size_t size_of(size_t count)
{
    return sizeof(struct tombstones) + count * sizeof(struct tombstone);
}

struct tombstones *tombstones_ref(struct tombstones *t)
{
    if (t) atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void tombstones_unref(struct tombstones *t)
{
    /* acq_rel: the last one sees what the others did. */
    if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
        mem_free(t->mem, MEM_CACHE, t, size_of(t->count));
}

/* ---- bytes ---- */

static enum err_code corrupt(struct err *err, const char *what)
{
    return err_setf(err, ERR_CORRUPT, "damaged tombstones", "%s", what);
}

static bool entries_are_sound(const struct tombstones *t, uint32_t series_count)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct tombstone *e = &t->entries[i];
        if (e->ordinal >= series_count || e->mint_ms > e->maxt_ms) return false;
        if (i == 0 || e[-1].ordinal < e->ordinal) continue;
        if (e[-1].ordinal > e->ordinal || e[-1].maxt_ms >= e->mint_ms) return false;
    }
    return true;
}

enum err_code tombstones_parse(struct bytes file, uint32_t series_count, struct mem_budget *mem,
                               struct tombstones **out, struct err *err)
{
    if (file.len < HEAD_SIZE + 4) return corrupt(err, "size");
    struct rd r = rd_of(file);
    uint32_t magic = rd_u32le(&r), version = rd_u32le(&r);
    uint64_t count = rd_u64le(&r);
    struct rd crc = rd_of((struct bytes){ file.ptr + file.len - 4, 4 });
    if (magic != MAGIC) return corrupt(err, "magic");
    if (rd_u32le(&crc) != crc32c(0, file.ptr, file.len - 4)) return corrupt(err, "crc");
    if (version != VERSION) return err_set(err, ERR_UNSUPPORTED, "tombstones of a later version");
    if (count > file.len / sizeof(struct tombstone) ||
        file.len != HEAD_SIZE + count * sizeof(struct tombstone) + 4)
        return corrupt(err, "number of entries");
    struct tombstones *t = create(mem, (size_t)count, err);
    if (!t) return ERR_NOMEM;
    if (count > 0) memcpy(t->entries, r.pos, (size_t)count * sizeof t->entries[0]);
    if (!entries_are_sound(t, series_count)) {
        tombstones_unref(t);
        return corrupt(err, "order of entries");
    }
    *out = t;
    return ERR_OK;
}

void tombstones_print(const struct tombstones *t, struct buf *out)
{
    size_t start = out->len, count = t ? t->count : 0;
    buf_put_u32le(out, MAGIC);
    buf_put_u32le(out, VERSION);
    buf_put_u64le(out, count);
    if (count > 0) buf_put(out, t->entries, count * sizeof t->entries[0]);
    if (!buf_failed(out)) buf_put_u32le(out, crc32c(0, out->ptr + start, out->len - start));
}

/* ---- adding ---- */

/* Append `e`, joined with the last entry where they touch; entries arrive in order of (ordinal,
 * mint). */
static void append_merged(struct tombstones *t, struct tombstone e)
{
    if (t->count > 0) {
        struct tombstone *last = &t->entries[t->count - 1];
        bool touches = last->ordinal == e.ordinal &&
                       (last->maxt_ms == INT64_MAX || e.mint_ms <= last->maxt_ms + 1);
        if (touches) {
            if (e.maxt_ms > last->maxt_ms) last->maxt_ms = e.maxt_ms;
            return;
        }
    }
    t->entries[t->count++] = e;
}

static bool stands_before(struct tombstone a, struct tombstone b)
{
    if (a.ordinal != b.ordinal) return a.ordinal < b.ordinal;
    return a.mint_ms < b.mint_ms;
}

enum err_code tombstones_add(const struct tombstones *t, struct mem_budget *mem,
                             const struct postings *series, int64_t mint_ms, int64_t maxt_ms,
                             struct tombstones **out, struct err *err)
{
    ASSERT(mint_ms <= maxt_ms);
    size_t old_count = t ? t->count : 0, i = 0;
    size_t most = old_count + (size_t)postings_cardinality(series);
    struct tombstones *merged = create(mem, most, err);
    if (!merged) return ERR_NOMEM;
    merged->count = 0;
    uint32_t ids[512];
    struct postings_iter it;
    postings_iter_init(&it, series);
    for (size_t n; (n = postings_iter_read(&it, ids, 512)) > 0;) {
        for (size_t k = 0; k < n; k++) {
            struct tombstone e = { ids[k], 0, mint_ms, maxt_ms };
            while (i < old_count && stands_before(t->entries[i], e))
                append_merged(merged, t->entries[i++]);
            append_merged(merged, e);
        }
    }
    while (i < old_count)
        append_merged(merged, t->entries[i++]);
    /* The block is freed by its count: copy into one of the right size. */
    struct tombstones *exact = create(mem, merged->count, err);
    if (exact) memcpy(exact->entries, merged->entries, merged->count * sizeof exact->entries[0]);
    merged->count = most;
    tombstones_unref(merged);
    if (!exact) return ERR_NOMEM;
    *out = exact;
    return ERR_OK;
}

/* ---- masking ---- */

static size_t first_of(const struct tombstones *t, uint32_t ordinal)
{
    size_t lo = 0, hi = t->count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (t->entries[middle].ordinal < ordinal)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

void tombstones_mask(const struct tombstones *t, uint32_t ordinal, size_t from,
                     struct sample_columns *samples)
{
    if (!t) return;
    size_t e = first_of(t, ordinal), kept = from;
    if (e == t->count || t->entries[e].ordinal != ordinal) return;
    for (size_t i = from; i < samples->count; i++) {
        int64_t ts_ms = samples->ts_ms[i];
        while (e < t->count && t->entries[e].ordinal == ordinal && t->entries[e].maxt_ms < ts_ms)
            e++;
        bool is_masked =
            e < t->count && t->entries[e].ordinal == ordinal && t->entries[e].mint_ms <= ts_ms;
        if (is_masked) continue;
        samples->ts_ms[kept] = ts_ms;
        samples->value[kept++] = samples->value[i];
    }
    samples->count = kept;
}
