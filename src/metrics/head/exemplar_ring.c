/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/exemplar_ring.h"

#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/rd.h"
#include "metrics/head/hash_index.h"
#include "os/thread.h"

#define LABEL_BYTES_PER_ENTRY 64u

struct entry {
    int64_t ts_ms;
    double value;
    uint64_t label_at; /* position in the stream of label bytes; modulo the ring's size */
    uint32_t shard, ref;
    uint32_t older;     /* next of the series: entry + 1; 0 = none */
    uint16_t label_len; /* encoded */
    uint16_t label_count;
    uint64_t serial; /* which exemplar this is: an `older` link to a reused entry is dead */
};

struct exemplar_ring {
    struct mem_budget *mem;
    struct mutex lock;
    uint32_t capacity;
    uint64_t added;        /* serial of the next one */
    uint64_t oldest;       /* serial of the oldest that is kept */
    struct entry *entries; /* NULL until the first exemplar */
    uint8_t *labels;
    uint64_t label_size, label_end;
    struct hash_index newest; /* hash of (shard, ref) -> entry + 1 */
};

enum err_code exemplar_ring_create(struct mem_budget *mem, uint32_t capacity,
                                   struct exemplar_ring **out, struct err *err)
{
    struct exemplar_ring *r = mem_zalloc(mem, MEM_HEAD, sizeof *r);
    if (r == NULL) return err_set(err, ERR_NOMEM, "no memory for exemplars");
    r->mem = mem;
    r->capacity = capacity;
    r->label_size = (uint64_t)capacity * LABEL_BYTES_PER_ENTRY + EXEMPLAR_LABELS_MAX * 4;
    mutex_init(&r->lock);
    hash_index_init(&r->newest, mem, MEM_HEAD);
    *out = r;
    return ERR_OK;
}

void exemplar_ring_destroy(struct exemplar_ring *r)
{
    if (r == NULL) return;
    mem_free(r->mem, MEM_HEAD, r->entries, r->capacity * sizeof *r->entries);
    mem_free(r->mem, MEM_HEAD, r->labels, r->label_size);
    hash_index_deinit(&r->newest);
    mutex_deinit(&r->lock);
    mem_free(r->mem, MEM_HEAD, r, sizeof *r);
}

static bool ring_allocate(struct exemplar_ring *r)
{
    if (r->entries != NULL) return true;
    if (r->capacity == 0) return false;
    struct entry *entries = mem_alloc(r->mem, MEM_HEAD, r->capacity * sizeof *entries);
    uint8_t *labels = mem_alloc(r->mem, MEM_HEAD, r->label_size);
    if (entries == NULL || labels == NULL) {
        mem_free(r->mem, MEM_HEAD, entries, r->capacity * sizeof *entries);
        mem_free(r->mem, MEM_HEAD, labels, r->label_size);
        return false;
    }
    r->entries = entries;
    r->labels = labels;
    return true;
}

static uint32_t fingerprint_of(uint32_t shard, uint32_t ref)
{
    uint32_t key[2] = { shard, ref };
    return (uint32_t)hash64(key, sizeof key, 0);
}

static struct entry *entry_of(const struct exemplar_ring *r, uint64_t serial)
{
    return &r->entries[serial % r->capacity];
}

/* Entry + 1 of the newest exemplar of a series; 0 = none. */
static uint32_t newest_of(const struct exemplar_ring *r, uint32_t shard, uint32_t ref)
{
    struct hash_probe probe = hash_index_probe(&r->newest, fingerprint_of(shard, ref));
    for (uint32_t id; (id = hash_probe_next(&probe)) != 0;) {
        const struct entry *e = &r->entries[id - 1];
        if (e->shard == shard && e->ref == ref) return id;
    }
    return 0;
}

static void drop_oldest(struct exemplar_ring *r)
{
    struct entry *e = entry_of(r, r->oldest);
    uint32_t id = (uint32_t)(r->oldest % r->capacity) + 1;
    if (newest_of(r, e->shard, e->ref) == id)
        (void)hash_index_remove(&r->newest, fingerprint_of(e->shard, e->ref), id);
    r->oldest++;
}

/* ---- labels: uvarint lengths and bytes, never across the end of the byte ring ---- */

static size_t labels_encode(struct labels l, uint8_t *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < 2 * l.len; i++) {
        struct str s = i % 2 ? l.ptr[i / 2].value : l.ptr[i / 2].name;
        if (s.len > cap || n + s.len + 2 > cap) return 0;
        if (s.len >= 0x80) out[n++] = (uint8_t)(s.len | 0x80);
        out[n++] = (uint8_t)(s.len >= 0x80 ? s.len >> 7 : s.len);
        if (s.len > 0) memcpy(out + n, s.ptr, s.len);
        n += s.len;
    }
    return n;
}

static bool labels_decode(const struct exemplar_ring *r, const struct entry *e, struct arena *a,
                          struct labels *out)
{
    struct label *pairs = arena_array_raw(a, struct label, e->label_count + 1u);
    char *text = arena_array_raw(a, char, e->label_len + 1u);
    if (pairs == NULL || text == NULL) return false;
    memcpy(text, r->labels + e->label_at % r->label_size, e->label_len);
    struct rd rd = rd_of((struct bytes){ (const uint8_t *)text, e->label_len });
    for (uint16_t i = 0; i < e->label_count; i++) {
        pairs[i].name = str_of_bytes(rd_bytes(&rd, rd_uvarint(&rd)));
        pairs[i].value = str_of_bytes(rd_bytes(&rd, rd_uvarint(&rd)));
    }
    ASSERT(rd_ok(&rd));
    *out = (struct labels){ pairs, e->label_count };
    return true;
}

/* Room for len bytes in one piece; exemplars whose bytes are overwritten go. */
static uint64_t labels_place(struct exemplar_ring *r, size_t len)
{
    uint64_t at = r->label_end;
    if (at % r->label_size + len > r->label_size) at += r->label_size - at % r->label_size;
    r->label_end = at + len;
    while (r->oldest < r->added && entry_of(r, r->oldest)->label_at + r->label_size < r->label_end)
        drop_oldest(r);
    return at;
}

static bool is_repetition(const struct exemplar_ring *r, const struct entry *e,
                          const struct exemplar *x, const uint8_t *labels, size_t len)
{
    return e->ts_ms == x->ts_ms && bits_of_double(e->value) == bits_of_double(x->value) &&
           e->label_len == len && memcmp(r->labels + e->label_at % r->label_size, labels, len) == 0;
}

enum exemplar_outcome exemplar_ring_add(struct exemplar_ring *r, uint32_t shard, uint32_t ref,
                                        const struct exemplar *e)
{
    uint8_t labels[EXEMPLAR_LABELS_MAX];
    size_t len = labels_encode(e->labels, labels, sizeof labels);
    if (len == 0 && e->labels.len > 0) return EXEMPLAR_TOO_LONG;
    MUTEX_SCOPE(&r->lock);
    if (!ring_allocate(r)) return EXEMPLAR_NOMEM;
    uint32_t known = newest_of(r, shard, ref);
    if (known != 0) {
        const struct entry *newest = &r->entries[known - 1];
        if (is_repetition(r, newest, e, labels, len)) return EXEMPLAR_KNOWN;
        if (e->ts_ms < newest->ts_ms) return EXEMPLAR_OUT_OF_ORDER;
    }
    if (!hash_index_reserve(&r->newest)) return EXEMPLAR_NOMEM;
    if (r->added - r->oldest == r->capacity) drop_oldest(r);
    uint64_t at = labels_place(r, len);
    memcpy(r->labels + at % r->label_size, labels, len);
    known = newest_of(r, shard, ref); /* it may just have been dropped */
    uint32_t fingerprint = fingerprint_of(shard, ref);
    if (known != 0) (void)hash_index_remove(&r->newest, fingerprint, known);
    *entry_of(r, r->added) = (struct entry){ .ts_ms = e->ts_ms,
                                             .value = e->value,
                                             .label_at = at,
                                             .shard = shard,
                                             .ref = ref,
                                             .older = known,
                                             .label_len = (uint16_t)len,
                                             .label_count = (uint16_t)e->labels.len,
                                             .serial = r->added };
    hash_index_insert(&r->newest, fingerprint, (uint32_t)(r->added % r->capacity) + 1);
    r->added++;
    return EXEMPLAR_STORED;
}

/* The next older entry of the same series; NULL = none that is still kept. */
static const struct entry *older_of(const struct exemplar_ring *r, const struct entry *e)
{
    if (e->older == 0) return NULL;
    const struct entry *o = &r->entries[e->older - 1];
    bool is_kept = o->serial >= r->oldest && o->serial < e->serial;
    return is_kept && o->shard == e->shard && o->ref == e->ref ? o : NULL;
}

static bool entry_copy(const struct exemplar_ring *r, const struct entry *e, struct arena *a,
                       struct exemplar *out)
{
    *out = (struct exemplar){ .value = e->value, .ts_ms = e->ts_ms, .has_ts = true };
    return labels_decode(r, e, a, &out->labels);
}

enum err_code exemplar_ring_read(struct exemplar_ring *r, uint32_t shard, uint32_t ref,
                                 const int64_t range_ms[2], struct arena *a, struct exemplar **out,
                                 size_t *out_count, struct err *err)
{
    MUTEX_SCOPE(&r->lock);
    uint32_t newest = r->entries != NULL ? newest_of(r, shard, ref) : 0;
    const struct entry *first = newest != 0 ? &r->entries[newest - 1] : NULL;
    size_t n = 0;
    for (const struct entry *e = first; e != NULL; e = older_of(r, e))
        n += e->ts_ms >= range_ms[0] && e->ts_ms <= range_ms[1];
    struct exemplar *list = arena_array_raw(a, struct exemplar, n + 1);
    if (list == NULL) return err_set(err, ERR_NOMEM, "no memory for exemplars");
    size_t at = n;
    for (const struct entry *e = first; e != NULL; e = older_of(r, e)) {
        if (e->ts_ms < range_ms[0] || e->ts_ms > range_ms[1]) continue;
        if (!entry_copy(r, e, a, &list[--at]))
            return err_set(err, ERR_NOMEM, "no memory for exemplars");
    }
    *out = list;
    *out_count = n;
    return ERR_OK;
}

bool exemplar_ring_at(struct exemplar_ring *r, uint32_t position, struct arena *a,
                      uint32_t *out_shard, uint32_t *out_ref, struct exemplar *out)
{
    MUTEX_SCOPE(&r->lock);
    uint64_t serial = r->oldest + position;
    if (serial >= r->added) return false;
    const struct entry *e = entry_of(r, serial);
    *out_shard = e->shard;
    *out_ref = e->ref;
    if (!entry_copy(r, e, a, out)) out->labels = (struct labels){ NULL, 0 };
    return true;
}

uint32_t exemplar_ring_count(struct exemplar_ring *r)
{
    MUTEX_SCOPE(&r->lock);
    return (uint32_t)(r->added - r->oldest);
}
