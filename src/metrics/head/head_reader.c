/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "metrics/head/head_chunk.h"
#include "metrics/head/head_priv.h"

/* A chunk that was found: bytes in the reader's copy buffer, or an entry of a mapped file. */
struct found {
    size_t copy_at; /* offset in copies; used when located.ptr == NULL */
    uint32_t copy_len;
    struct bytes located;
};

struct head_reader {
    struct head *h;
    struct mem_budget *mem;
    int64_t mint_ms, maxt_ms;
    size_t count;
    /* chunks of series i: found[first[i]] .. found[first[i + 1]), newest first */
    size_t first[HEAD_READ_BATCH + 1];
    struct found *found;
    size_t found_count, found_cap;
    uint8_t *copies;
    size_t copies_len, copies_cap;
};

enum err_code head_reader_create(struct head *h, struct mem_budget *mem, struct head_reader **out,
                                 struct err *err)
{
    struct head_reader *r = mem_zalloc(mem, MEM_QUERY, sizeof *r);
    if (r == NULL) return err_set(err, ERR_NOMEM, "no memory to read the head");
    r->h = h;
    r->mem = mem;
    *out = r;
    return ERR_OK;
}

void head_reader_destroy(struct head_reader *r)
{
    if (r == NULL) return;
    mem_free(r->mem, MEM_QUERY, r->found, r->found_cap * sizeof *r->found);
    mem_free(r->mem, MEM_QUERY, r->copies, r->copies_cap);
    mem_free(r->mem, MEM_QUERY, r, sizeof *r);
}

static bool found_reserve(struct head_reader *r)
{
    if (r->found_count < r->found_cap) return true;
    size_t cap = r->found_cap ? r->found_cap * 2 : 256;
    struct found *f =
        mem_realloc(r->mem, MEM_QUERY, r->found, r->found_cap * sizeof *f, cap * sizeof *f);
    if (f == NULL) return false;
    r->found = f;
    r->found_cap = cap;
    return true;
}

static bool copy_chunk(struct head_reader *r, struct bytes b)
{
    if (!found_reserve(r)) return false;
    if (r->copies_cap - r->copies_len < b.len) {
        size_t cap = r->copies_cap ? r->copies_cap * 2 : (size_t)64 << 10;
        uint8_t *p = mem_realloc(r->mem, MEM_QUERY, r->copies, r->copies_cap, cap);
        if (p == NULL) return false;
        r->copies = p;
        r->copies_cap = cap;
    }
    memcpy(r->copies + r->copies_len, b.ptr, b.len);
    r->found[r->found_count++] =
        (struct found){ .copy_at = r->copies_len, .copy_len = (uint32_t)b.len };
    r->copies_len += b.len;
    return true;
}

static bool note_node(struct head_reader *r, const struct head_shard *s, const struct chunk_node *n)
{
    if (n->flags & NODE_IN_MEMORY)
        return copy_chunk(r, (struct bytes){ slab_at(&s->chunks, n->place), n->file });
    if (!found_reserve(r)) return false;
    struct bytes located = head_files_locate(r->h->files, n->file, n->place);
    static const uint8_t nothing[1];
    if (located.ptr == NULL) located = (struct bytes){ nothing, 0 }; /* read reports it */
    r->found[r->found_count++] = (struct found){ .located = located };
    return true;
}

static bool load_series(struct head_reader *r, const struct head_shard *s, uint32_t slot)
{
    const struct series_hot *h = shard_hot(s, slot);
    if (!hot_is_live(h)) return true;
    int64_t newer_mint = INT64_MAX; /* chunks end before it */
    if (h->count > 0) {
        newer_mint = h->chunk_mint;
        bool is_wanted = h->chunk_mint <= r->maxt_ms && h->last_t >= r->mint_ms;
        if (is_wanted && !copy_chunk(r, chunk_open_bytes(s, h))) return false;
    } else if (h->last_t != HEAD_NO_TIME) {
        newer_mint = h->last_t + 1;
    }
    for (uint32_t id = shard_cold(s, slot)->chunks; id != 0;) {
        const struct chunk_node *n = shard_node(s, id);
        if (newer_mint <= r->mint_ms) return true; /* this one and all older end before */
        if (node_mint_low(n) <= r->maxt_ms && !note_node(r, s, n)) return false;
        newer_mint = node_mint_high(n);
        id = n->older;
    }
    return true;
}

void head_reader_begin(struct head_reader *r, int64_t mint_ms, int64_t maxt_ms)
{
    r->mint_ms = mint_ms;
    r->maxt_ms = maxt_ms;
    r->found_count = 0;
    r->copies_len = 0;
    r->count = 0;
    r->first[0] = 0;
}

enum err_code head_reader_add(struct head_reader *r, uint32_t shard, const uint32_t *refs,
                              size_t count, struct err *err)
{
    ASSERT(count <= HEAD_READ_BATCH - r->count);
    ASSERT(shard < r->h->shard_count);
    struct head_shard *s = &r->h->shards[shard];
    MUTEX_SCOPE(&s->lock);
    for (size_t i = 0; i < count; i++) {
        uint32_t slot;
        if (shard_slot_of(s, refs[i], &slot) && !load_series(r, s, slot)) {
            r->count = 0;
            return err_set(err, ERR_NOMEM, "no memory to read the head");
        }
        r->first[++r->count] = r->found_count;
    }
    return ERR_OK;
}

enum err_code head_reader_load(struct head_reader *r, uint32_t shard, const uint32_t *refs,
                               size_t count, int64_t mint_ms, int64_t maxt_ms, struct err *err)
{
    head_reader_begin(r, mint_ms, maxt_ms);
    return head_reader_add(r, shard, refs, count, err);
}

static enum err_code decode_found(const struct head_reader *r, const struct found *f,
                                  struct sample_buf *out, struct err *err)
{
    struct bytes chunk = { r->copies + f->copy_at, f->copy_len };
    if (f->located.ptr != NULL) chunk = head_file_payload(f->located);
    if (chunk.len == 0) return err_set(err, ERR_CORRUPT, "damaged chunk in a head file");
    return hx_decode(chunk, r->mint_ms, r->maxt_ms, out, err);
}

enum err_code head_reader_samples(const struct head_reader *r, size_t i, struct sample_buf *out,
                                  struct err *err)
{
    ASSERT(i < r->count);
    for (size_t k = r->first[i + 1]; k > r->first[i]; k--)
        TRY(decode_found(r, &r->found[k - 1], out, err));
    return ERR_OK;
}

uint64_t head_read_last(struct head *h, uint32_t shard, const uint32_t *refs, size_t count,
                        struct head_last *out)
{
    ASSERT(count <= HEAD_READ_BATCH);
    ASSERT(shard < h->shard_count);
    struct head_shard *s = &h->shards[shard];
    uint32_t slots[HEAD_READ_BATCH];
    uint64_t unknown = 0;
    for (size_t i = 0; i < count; i++) {
        if (!shard_slot_of(s, refs[i], &slots[i])) {
            slots[i] = UINT32_MAX;
        } else {
            __builtin_prefetch(shard_hot(s, slots[i]));
        }
    }
    MUTEX_SCOPE(&s->lock);
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct head_last){ HEAD_NO_TIME, 0 };
        if (slots[i] == UINT32_MAX) continue;
        const struct series_hot *hot = shard_hot(s, slots[i]);
        if (hot->ref != refs[i] || !hot_is_live(hot)) continue;
        out[i] = (struct head_last){ hot->last_t, hot_last_bits(hot) };
        if (hot_flags(hot) & SERIES_NO_VALUE) unknown |= (uint64_t)1 << i;
    }
    return unknown;
}

static bool has_chunk_in_range(const struct head_shard *s, uint32_t slot,
                               const struct head_range_query *q)
{
    const struct series_hot *h = shard_hot(s, slot);
    if (!hot_is_live(h) || h->last_t == HEAD_NO_TIME || h->last_t < q->mint_ms) return false;
    if (h->count > 0 && h->chunk_mint <= q->maxt_ms) return true;
    int64_t newer_mint = h->count > 0 ? h->chunk_mint : h->last_t + 1; /* chunks end before it */
    for (uint32_t id = shard_cold(s, slot)->chunks; id != 0;) {
        const struct chunk_node *n = shard_node(s, id);
        if (newer_mint <= q->mint_ms) return false;
        if (node_mint_low(n) <= q->maxt_ms) return true;
        newer_mint = node_mint_high(n);
        id = n->older;
    }
    return false;
}

uint64_t head_in_range(struct head *h, const struct head_range_query *q)
{
    ASSERT(q->count <= HEAD_READ_BATCH);
    ASSERT(q->shard < h->shard_count);
    struct head_shard *s = &h->shards[q->shard];
    uint64_t found = 0;
    MUTEX_SCOPE(&s->lock);
    for (size_t i = 0; i < q->count; i++) {
        uint32_t slot;
        if (!shard_slot_of(s, q->refs[i], &slot) || shard_hot(s, slot)->ref != q->refs[i]) continue;
        if (has_chunk_in_range(s, slot, q)) found |= (uint64_t)1 << i;
    }
    return found;
}
