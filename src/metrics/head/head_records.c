/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/head_records.h"

#include <string.h>

#include "base/assert.h"
#include "base/num.h"

/* ---- samples out ---- */

static uint8_t *put_uvarint(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

static size_t run_length(const struct record_sample *s, size_t count)
{
    size_t n = 1;
    while (n < count && s[n].ref == s[n - 1].ref + 1)
        n++;
    return n;
}

static uint8_t *put_runs(uint8_t *p, const struct record_sample *s, size_t count)
{
    size_t runs = 0;
    for (size_t i = 0; i < count; i += run_length(s + i, count - i))
        runs++;
    p = put_uvarint(p, runs);
    uint64_t end = 0;
    for (size_t i = 0; i < count;) {
        size_t n = run_length(s + i, count - i);
        ASSERT(s[i].ref >= end);
        p = put_uvarint(p, s[i].ref - end);
        p = put_uvarint(p, n);
        end = (uint64_t)s[i].ref + n;
        i += n;
    }
    return p;
}

/* u8 16 * leading zero bytes + kept, then the kept bytes, most significant first. */
static uint8_t *put_xor(uint8_t *p, uint64_t x)
{
    if (x == 0) {
        *p++ = 0x80;
        return p;
    }
    unsigned leading = (unsigned)__builtin_clzll(x) / 8;
    unsigned trailing = (unsigned)__builtin_ctzll(x) / 8;
    unsigned kept = 8 - leading - trailing;
    *p++ = (uint8_t)(16 * leading + kept);
    uint64_t top = __builtin_bswap64(x << (8 * leading)); /* first kept byte in front */
    memcpy(p, &top, sizeof top);
    return p + kept;
}

size_t record_samples_encode(uint8_t *out, uint32_t shard, const struct record_sample *s,
                             size_t count)
{
    ASSERT(count > 0);
    uint8_t *p = put_uvarint(out, shard);
    p = put_uvarint(p, zigzag_of(s[0].ts_ms));
    p = put_runs(p, s, count);
    uint8_t *bitmap = p;
    size_t bitmap_size = (count + 7) / 8;
    memset(bitmap, 0, bitmap_size);
    p += bitmap_size;
    for (size_t i = 0; i < count; i++) {
        ASSERT_SLOW(s[i].ts_ms == s[0].ts_ms);
        uint64_t x = s[i].bits ^ (s[i].has_base ? s[i].base_bits : 0);
        if (x == 0 && s[i].has_base) continue;
        bitmap[i / 8] |= (uint8_t)(1u << (i % 8));
        p = put_xor(p, x);
    }
    size_t size = (size_t)(p - out);
    ASSERT(size + 8 <= record_samples_bound(count));
    return size;
}

size_t record_irregular_encode(uint8_t *out, uint32_t shard, const struct record_sample *s,
                               size_t count)
{
    ASSERT(count > 0);
    uint8_t *p = put_uvarint(out, shard);
    p = put_uvarint(p, count);
    int64_t base = s[0].ts_ms;
    memcpy(p, &base, sizeof base);
    p += sizeof base;
    uint32_t ref = 0;
    for (size_t i = 0; i < count; i++) {
        p = put_uvarint(p, zigzag_of((int64_t)s[i].ref - (int64_t)ref));
        p = put_uvarint(p, zigzag_of((int64_t)((uint64_t)s[i].ts_ms - (uint64_t)base)));
        memcpy(p, &s[i].bits, sizeof s[i].bits);
        p += sizeof s[i].bits;
        ref = s[i].ref;
    }
    size_t size = (size_t)(p - out);
    ASSERT(size <= record_samples_bound(count));
    return size;
}

/* ---- samples in ---- */

static void samples_fail(struct record_samples_iter *it)
{
    it->failed = true;
    it->left = 0;
}

/* Sum of the run lengths; checks that refs stay below 2^32. */
static uint64_t check_runs(struct rd *r, uint64_t runs)
{
    uint64_t total = 0;
    uint64_t end = 0;
    for (uint64_t i = 0; i < runs && rd_ok(r); i++) {
        uint64_t gap = rd_uvarint(r);
        uint64_t count = rd_uvarint(r);
        if (gap > UINT32_MAX || count == 0 || count > UINT32_MAX) rd_fail(r);
        end += gap + count;
        total += count;
        if (end > (uint64_t)UINT32_MAX + 1) rd_fail(r);
    }
    return total;
}

void record_samples_begin(struct record_samples_iter *it, struct bytes payload)
{
    *it = (struct record_samples_iter){ 0 };
    struct rd r = rd_of(payload);
    uint64_t shard = rd_uvarint(&r);
    it->ts_ms = rd_zigzag(&r);
    uint64_t runs = rd_uvarint(&r);
    if (shard > UINT32_MAX || runs > rd_left(&r)) rd_fail(&r);
    it->shard = (uint32_t)shard;
    it->runs = r;
    it->left = check_runs(&r, runs);
    struct bytes bitmap = rd_bytes(&r, (it->left + 7) / 8);
    it->bitmap = bitmap.ptr;
    it->values = r;
    if (!rd_ok(&r)) samples_fail(it);
}

static uint64_t read_xor(struct rd *r)
{
    uint8_t c = rd_u8(r);
    unsigned leading = c >> 4;
    unsigned kept = c & 15;
    if (leading + kept > 8) rd_fail(r);
    uint64_t x = 0;
    if (rd_left(r) >= 8 && kept > 0 && rd_ok(r)) {
        memcpy(&x, r->pos, sizeof x);
        x = __builtin_bswap64(x) >> (64 - 8 * kept);
        r->pos += kept;
    } else {
        struct bytes b = rd_bytes(r, kept);
        for (size_t i = 0; i < b.len; i++)
            x = x << 8 | b.ptr[i];
    }
    unsigned trailing = 8 - leading - kept;
    return kept == 0 || !rd_ok(r) ? 0 : x << (8 * trailing);
}

size_t record_samples_read(struct record_samples_iter *it, struct record_sample_in *out, size_t cap)
{
    size_t n = 0;
    while (n < cap && it->left > 0) {
        if (it->run_left == 0) {
            it->next_ref += rd_uvarint(&it->runs);
            it->run_left = rd_uvarint(&it->runs);
        }
        bool has_value = it->bitmap[it->index / 8] >> (it->index % 8) & 1;
        out[n] = (struct record_sample_in){ (uint32_t)it->next_ref, !has_value, 0 };
        if (has_value) out[n].xor_bits = read_xor(&it->values);
        it->next_ref++;
        it->run_left--;
        it->index++;
        it->left--;
        n++;
    }
    if (!rd_ok(&it->values)) {
        samples_fail(it);
        return 0;
    }
    return n;
}

void record_irregular_begin(struct record_irregular_iter *it, struct bytes payload)
{
    *it = (struct record_irregular_iter){ .rd = rd_of(payload) };
    uint64_t shard = rd_uvarint(&it->rd);
    it->left = rd_uvarint(&it->rd);
    it->base_ms = (int64_t)rd_u64le(&it->rd);
    if (shard > UINT32_MAX || it->left > rd_left(&it->rd)) rd_fail(&it->rd);
    it->shard = (uint32_t)shard;
}

bool record_irregular_next(struct record_irregular_iter *it, struct record_irregular_in *out)
{
    if (it->left == 0 || !rd_ok(&it->rd)) return false;
    it->left--;
    it->ref = (uint32_t)((int64_t)it->ref + rd_zigzag(&it->rd));
    int64_t offset = rd_zigzag(&it->rd);
    uint64_t bits = rd_u64le(&it->rd);
    if (!rd_ok(&it->rd)) return false;
    int64_t t = (int64_t)((uint64_t)it->base_ms + (uint64_t)offset);
    *out = (struct record_irregular_in){ it->ref, t, bits };
    return true;
}

/* ---- items of one shard ---- */

static void put_text(struct buf *out, struct str s)
{
    buf_put_uvarint(out, s.len);
    buf_put_str(out, s);
}

static struct str read_text(struct rd *r)
{
    return str_of_bytes(rd_bytes(r, rd_uvarint(r)));
}

void record_items_begin(struct buf *out, uint32_t shard, size_t count)
{
    buf_put_uvarint(out, shard);
    buf_put_uvarint(out, count);
}

void record_items_open(struct record_items *it, struct bytes payload)
{
    *it = (struct record_items){ .rd = rd_of(payload) };
    uint64_t shard = rd_uvarint(&it->rd);
    it->left = rd_uvarint(&it->rd);
    if (shard > UINT32_MAX || it->left > rd_left(&it->rd)) rd_fail(&it->rd);
    it->shard = (uint32_t)shard;
}

/* Begins an item: its ref; false at the end. */
static bool next_ref(struct record_items *it, uint32_t *out_ref)
{
    if (it->left == 0 || !rd_ok(&it->rd)) return false;
    it->left--;
    uint64_t ref = rd_uvarint(&it->rd);
    if (ref > UINT32_MAX) rd_fail(&it->rd);
    *out_ref = (uint32_t)ref;
    return rd_ok(&it->rd);
}

static void put_labels(struct buf *out, struct labels labels)
{
    buf_put_uvarint(out, labels.len);
    for (size_t i = 0; i < labels.len; i++) {
        put_text(out, labels.ptr[i].name);
        put_text(out, labels.ptr[i].value);
    }
}

/* False on damage or when the builder has no memory. */
static bool read_labels(struct rd *r, struct labels_builder *b, struct labels *out)
{
    labels_builder_reset(b);
    uint64_t count = rd_uvarint(r);
    if (count > rd_left(r)) rd_fail(r);
    for (uint64_t i = 0; i < count && rd_ok(r); i++) {
        struct str name = read_text(r);
        struct str value = read_text(r);
        bool is_sorted = b->len == 0 || str_cmp(b->ptr[b->len - 1].name, name) < 0;
        if (name.len == 0 || value.len == 0 || !is_sorted) rd_fail(r);
        if (rd_ok(r)) labels_builder_add(b, name, value);
        if (b->failed) return false;
    }
    *out = (struct labels){ b->ptr, b->len };
    return rd_ok(r);
}

void record_series_put(struct buf *out, uint32_t ref, struct labels labels)
{
    buf_put_uvarint(out, ref);
    put_labels(out, labels);
}

bool record_series_next(struct record_items *it, struct labels_builder *b, uint32_t *out_ref,
                        struct labels *out)
{
    return next_ref(it, out_ref) && read_labels(&it->rd, b, out);
}

void record_exemplar_put(struct buf *out, uint32_t ref, const struct exemplar *e)
{
    buf_put_uvarint(out, ref);
    buf_put_zigzag(out, e->ts_ms);
    buf_put_f64le(out, e->value);
    put_labels(out, e->labels);
}

bool record_exemplar_next(struct record_items *it, struct labels_builder *b, uint32_t *out_ref,
                          struct exemplar *out)
{
    if (!next_ref(it, out_ref)) return false;
    struct exemplar e = { .has_ts = true };
    e.ts_ms = rd_zigzag(&it->rd);
    e.value = rd_f64le(&it->rd);
    if (!read_labels(&it->rd, b, &e.labels)) return false;
    *out = e;
    return true;
}

void record_durable_put(struct buf *out, uint32_t ref, int64_t maxt_ms)
{
    buf_put_uvarint(out, ref);
    buf_put_zigzag(out, maxt_ms);
}

bool record_durable_next(struct record_items *it, uint32_t *out_ref, int64_t *out_maxt_ms)
{
    if (!next_ref(it, out_ref)) return false;
    *out_maxt_ms = rd_zigzag(&it->rd);
    return rd_ok(&it->rd);
}

void record_tombstone_put(struct buf *out, const struct record_tombstone *t)
{
    buf_put_uvarint(out, t->ref);
    buf_put_zigzag(out, t->mint_ms);
    buf_put_zigzag(out, (int64_t)((uint64_t)t->maxt_ms - (uint64_t)t->mint_ms));
}

bool record_tombstone_next(struct record_items *it, struct record_tombstone *out)
{
    uint32_t ref;
    if (!next_ref(it, &ref)) return false;
    int64_t mint = rd_zigzag(&it->rd);
    int64_t span = rd_zigzag(&it->rd);
    if (!rd_ok(&it->rd)) return false;
    *out = (struct record_tombstone){ ref, mint, (int64_t)((uint64_t)mint + (uint64_t)span) };
    return true;
}

void record_metadata_put(struct buf *out, const struct metadata *m)
{
    put_text(out, m->family);
    buf_put_u8(out, (uint8_t)m->type);
    put_text(out, m->unit);
    put_text(out, m->help);
}

bool record_metadata_next(struct rd *r, struct metadata *out)
{
    if (!rd_more(r)) return false;
    struct metadata m = { .family = read_text(r) };
    uint8_t type = rd_u8(r);
    m.unit = read_text(r);
    m.help = read_text(r);
    if (type > METRIC_STATESET) type = METRIC_UNKNOWN;
    m.type = (enum metric_type)type;
    if (!rd_ok(r)) return false;
    *out = m;
    return true;
}

bool record_shard(struct bytes payload, uint32_t *out_shard)
{
    struct rd r = rd_of(payload);
    uint64_t shard = rd_uvarint(&r);
    if (!rd_ok(&r) || shard > UINT32_MAX) return false;
    *out_shard = (uint32_t)shard;
    return true;
}
