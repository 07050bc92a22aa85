/* SPDX-License-Identifier: Apache-2.0
 *
 * head_records - payloads of the head's journal records: encoders and decoders.
 *
 * Format    storage-engine.md section 5, types 1 to 5, 7 and 8. uvarint = LEB128, zigzag as usual,
 *           a text is uvarint length and bytes.
 *   1 SERIES             shard, n, n x (ref, label count, (name, value) ...)
 *   2 SAMPLES            shard, zigzag t, runs, runs x (ref - end of the previous run, count),
 *                        bitmap (bit = value follows, else it repeats the last one), values:
 *                        u8 16 * leading zero bytes + kept, kept bytes of bits XOR last bits
 *   3 SAMPLES_IRREGULAR  shard, n, i64 base, n x (zigzag ref delta, zigzag t - base, f64)
 *   4 TOMBSTONE          shard, n, n x (ref, zigzag mint, zigzag maxt - mint)
 *   5 EXEMPLARS          shard, n, n x (ref, zigzag t, f64, label count, texts)
 *   7 METADATA           n x (family, u8 type, unit, help)
 *   8 CHUNKS_DURABLE     shard, n, n x (ref, zigzag maxt)
 * Decode    Iterators over borrowed bytes; they trust nothing. `failed` after the loop = damaged.
 * Threads   None.
 */
#ifndef PHAROS_METRICS_HEAD_RECORDS_H
#define PHAROS_METRICS_HEAD_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/rd.h"
#include "base/str.h"
#include "model/exemplar.h"
#include "model/labels.h"
#include "model/metadata.h"

/* ---- samples out ---- */

struct record_sample {
    int64_t ts_ms;
    uint64_t bits, base_bits; /* value, and the last value logged in this epoch */
    uint32_t ref;
    uint32_t slot, item; /* the caller's own */
    bool has_base;
};

/* Upper bound of either encoding of `count` samples. */
static inline size_t record_samples_bound(size_t count)
{
    return 48 + count * 24;
}
/* Encode samples that all have the time s[0].ts_ms, refs strictly ascending, into
 * out[record_samples_bound(count)]; returns the size. */
size_t record_samples_encode(uint8_t *out, uint32_t shard, const struct record_sample *s,
                             size_t count);
/* Any times, any order of refs. */
size_t record_irregular_encode(uint8_t *out, uint32_t shard, const struct record_sample *s,
                               size_t count);

/* ---- samples in ---- */

struct record_samples_iter {
    struct rd runs, values;
    const uint8_t *bitmap;
    int64_t ts_ms;
    uint64_t left;  /* samples not yet delivered */
    uint64_t index; /* of the next one, in the bitmap */
    uint64_t run_left;
    uint64_t next_ref;
    uint32_t shard;
    bool failed;
};
struct record_sample_in {
    uint32_t ref;
    bool is_repeat;
    uint64_t xor_bits; /* value XOR last value, when not a repeat */
};
/* The whole layout is checked here except the values. */
void record_samples_begin(struct record_samples_iter *it, struct bytes payload);
/* Up to `cap` samples; 0 at the end or on failure. */
size_t record_samples_read(struct record_samples_iter *it, struct record_sample_in *out,
                           size_t cap);

struct record_irregular_iter {
    struct rd rd;
    uint64_t left;
    int64_t base_ms;
    uint32_t shard, ref;
};
struct record_irregular_in {
    uint32_t ref;
    int64_t ts_ms;
    uint64_t bits;
};
void record_irregular_begin(struct record_irregular_iter *it, struct bytes payload);
bool record_irregular_next(struct record_irregular_iter *it, struct record_irregular_in *out);

/* ---- series ---- */

/* The head of a record of `count` items for one shard: types 1, 4, 5, 8. */
void record_items_begin(struct buf *out, uint32_t shard, size_t count);
void record_series_put(struct buf *out, uint32_t ref, struct labels labels);

/* Iterator over types 1, 4, 5, 8. */
struct record_items {
    struct rd rd;
    uint64_t left;
    uint32_t shard;
};
void record_items_open(struct record_items *it, struct bytes payload);
static inline bool record_items_failed(const struct record_items *it)
{
    return !rd_ok(&it->rd);
}
/* Next series; labels go through `b` (reset first) as they were logged: sorted and unique. False at
 * the end, on damage, or when b failed. */
bool record_series_next(struct record_items *it, struct labels_builder *b, uint32_t *out_ref,
                        struct labels *out);

/* ---- the rest ---- */

void record_exemplar_put(struct buf *out, uint32_t ref, const struct exemplar *e);
bool record_exemplar_next(struct record_items *it, struct labels_builder *b, uint32_t *out_ref,
                          struct exemplar *out);

void record_durable_put(struct buf *out, uint32_t ref, int64_t maxt_ms);
bool record_durable_next(struct record_items *it, uint32_t *out_ref, int64_t *out_maxt_ms);

struct record_tombstone {
    uint32_t ref;
    int64_t mint_ms, maxt_ms;
};
void record_tombstone_put(struct buf *out, const struct record_tombstone *t);
bool record_tombstone_next(struct record_items *it, struct record_tombstone *out);

void record_metadata_put(struct buf *out, const struct metadata *m);
/* Texts are borrowed from the payload. */
bool record_metadata_next(struct rd *r, struct metadata *out);

/* Shard of a record of any of the types above but METADATA; false when there is none. */
bool record_shard(struct bytes payload, uint32_t *out_shard);

#endif
