/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/time_dict.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/num.h"
#include "metrics/block/bitpack.h"

#define HEAD_SIZE 8

/* state 0: free; 1: seen once; else id + 2 */
struct time_dict_slot {
    struct hash128 hash;
    uint32_t state;
};

void time_dict_init(struct time_dict *d, struct mem_budget *mem, int64_t base_ms, uint64_t seed)
{
    *d = (struct time_dict){ .mem = mem, .seed = seed, .base_ms = base_ms };
    buf_init(&d->entries, mem_source_of(mem, MEM_COMPACTION), 2 * TIME_DICT_BYTES_MAX);
    buf_init(&d->offsets, mem_source_of(mem, MEM_COMPACTION), TIME_DICT_SEEN_MAX * 8);
}

void time_dict_deinit(struct time_dict *d)
{
    if (d->slots) mem_free(d->mem, MEM_COMPACTION, d->slots, d->slot_count * sizeof *d->slots);
    buf_deinit(&d->entries);
    buf_deinit(&d->offsets);
    *d = (struct time_dict){ 0 };
}

static struct time_dict_slot *find(struct time_dict_slot *slots, size_t slot_count,
                                   struct hash128 hash)
{
    size_t i = (size_t)hash.lo & (slot_count - 1);
    while (slots[i].state != 0 && !hash128_eq(slots[i].hash, hash))
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

static enum err_code grow(struct time_dict *d, struct err *err)
{
    size_t slot_count = d->slot_count ? d->slot_count * 2 : 256;
    struct time_dict_slot *slots = mem_zalloc(d->mem, MEM_COMPACTION, slot_count * sizeof *slots);
    if (!slots) return err_set(err, ERR_NOMEM, "no memory for the timestamp dictionary");
    for (size_t i = 0; i < d->slot_count; i++)
        if (d->slots[i].state != 0) *find(slots, slot_count, d->slots[i].hash) = d->slots[i];
    if (d->slots) mem_free(d->mem, MEM_COMPACTION, d->slots, d->slot_count * sizeof *d->slots);
    d->slots = slots;
    d->slot_count = slot_count;
    return ERR_OK;
}

static bool is_full(const struct time_dict *d)
{
    return d->used >= TIME_DICT_SEEN_MAX || d->entries.len >= TIME_DICT_BYTES_MAX;
}

static enum err_code add_entry(struct time_dict *d, const int64_t *ts_ms, size_t count,
                               struct err *err)
{
    struct buf payload;
    struct time_desc desc;
    buf_init(&payload, d->entries.mem, SIZE_MAX / 2);
    time_encode_irregular(ts_ms, count, false, &payload, &desc);
    buf_put_u32le(&d->offsets, u32_from_u64(d->entries.len));
    buf_put_u8(&d->entries, desc.codec);
    buf_put_uvarint(&d->entries, count);
    time_desc_put(&desc, d->base_ms, &d->entries);
    buf_put(&d->entries, payload.ptr, payload.len);
    bool failed = buf_failed(&payload) || buf_failed(&d->entries) || buf_failed(&d->offsets);
    buf_deinit(&payload);
    if (failed) return err_set(err, ERR_NOMEM, "no memory for the timestamp dictionary");
    return ERR_OK;
}

enum err_code time_dict_lookup(struct time_dict *d, const int64_t *ts_ms, size_t count,
                               bool *out_is_shared, uint32_t *out_id, struct err *err)
{
    *out_is_shared = false;
    if (count < 3) return ERR_OK; /* not worth an entry */
    if (d->used * 2 >= d->slot_count && !is_full(d)) TRY(grow(d, err));
    struct hash128 hash = hash128(ts_ms, count * sizeof *ts_ms, d->seed);
    struct time_dict_slot *slot = find(d->slots, d->slot_count, hash);
    if (slot->state == 0) {
        if (is_full(d)) return ERR_OK;
        *slot = (struct time_dict_slot){ hash, 1 };
        d->used++;
        return ERR_OK;
    }
    if (slot->state == 1) {
        if (is_full(d)) return ERR_OK;
        TRY(add_entry(d, ts_ms, count, err));
        slot->state = d->count++ + 2;
    }
    *out_is_shared = true;
    *out_id = slot->state - 2;
    return ERR_OK;
}

void time_dict_put(const struct time_dict *d, struct buf *out)
{
    size_t first = HEAD_SIZE + (size_t)d->count * 4;
    buf_put_u32le(out, d->count);
    buf_put_u32le(out, 0);
    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t offset;
        memcpy(&offset, d->offsets.ptr + 4 * i, 4);
        buf_put_u32le(out, u32_from_u64(first + offset));
    }
    buf_put(out, d->entries.ptr, d->entries.len);
    buf_put_u64le(out, 0);
}

/* ---- reading ---- */

static uint32_t u32_at(struct bytes b, size_t offset)
{
    uint32_t v;
    memcpy(&v, b.ptr + offset, 4);
    return v;
}

/* The entries, without the zero bytes at the end. */
static bool entry_of(const struct time_dict_view *d, uint32_t id, struct rd *out)
{
    if (d->section.len < HEAD_SIZE + BITPACK_SLACK) return false;
    size_t end = d->section.len - BITPACK_SLACK;
    uint32_t count = u32_at(d->section, 0);
    if (id >= count || count > (end - HEAD_SIZE) / 4) return false;
    uint32_t offset = u32_at(d->section, HEAD_SIZE + (size_t)id * 4);
    if (offset < HEAD_SIZE + (size_t)count * 4 || offset >= end) return false;
    *out = rd_of((struct bytes){ d->section.ptr + offset, end - offset });
    return true;
}

static enum err_code decode_entry(struct rd *r, size_t expected, int64_t base_ms,
                                  struct time_limits limits, int64_t *out, struct err *err)
{
    struct time_desc desc = { .codec = rd_u8(r) };
    uint64_t count = rd_uvarint(r);
    bool is_sound = (desc.codec == TIME_GAPS || desc.codec == TIME_JITTER) && count >= 1 &&
                    count <= VECTOR_SAMPLES_MAX && (expected == 0 || count == expected) &&
                    time_desc_read(r, (size_t)count, base_ms, &desc);
    if (!is_sound) return err_set(err, ERR_CORRUPT, "malformed entry of the timestamp dictionary");
    return time_decode(&desc, r, (size_t)count, limits, out, err);
}

enum err_code time_dict_decode(const struct time_dict_view *d, uint32_t id, size_t count,
                               struct time_limits limits, int64_t *out_ts_ms, struct err *err)
{
    struct rd r;
    if (!entry_of(d, id, &r))
        return err_set(err, ERR_CORRUPT, "no such entry in the timestamp dictionary");
    return decode_entry(&r, count, d->base_ms, limits, out_ts_ms, err);
}

enum err_code time_dict_verify(const struct time_dict_view *d, struct err *err)
{
    if (d->section.len < HEAD_SIZE + BITPACK_SLACK)
        return err_set(err, ERR_CORRUPT, "timestamp dictionary too short");
    int64_t ts_ms[VECTOR_SAMPLES_MAX];
    struct time_limits any = { INT64_MIN, INT64_MAX };
    uint32_t count = u32_at(d->section, 0);
    for (uint32_t id = 0; id < count; id++) {
        struct rd r;
        if (!entry_of(d, id, &r))
            return err_set(err, ERR_CORRUPT, "timestamp dictionary: offset out of bounds");
        TRY(decode_entry(&r, 0, d->base_ms, any, ts_ms, err));
    }
    return ERR_OK;
}
