/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/remote_write.h"

#include "base/num.h"
#include "base/rd.h"

/* Protobuf keys: field << 3 | wire type. */
enum {
    KEY_LEN_1 = 1 << 3 | 2,
    KEY_LEN_2 = 2 << 3 | 2,
    KEY_LEN_3 = 3 << 3 | 2,
    KEY_LEN_4 = 4 << 3 | 2
};
enum {
    KEY_F64_1 = 1 << 3 | 1,
    KEY_F64_2 = 2 << 3 | 1,
    KEY_INT_1 = 1 << 3 | 0,
    KEY_INT_2 = 2 << 3 | 0,
    KEY_INT_3 = 3 << 3 | 0,
    KEY_LEN_5 = 5 << 3 | 2
};

struct decoder {
    struct batch *batch;
    size_t sample_cap, exemplar_cap;
    uint64_t seed;
    uint64_t histograms;
    bool is_out_of_memory;
};

static void skip_field(struct rd *r, uint64_t key)
{
    switch (key & 7) {
    case 0: (void)rd_uvarint(r); return;
    case 1: (void)rd_bytes(r, 8); return;
    case 2: (void)rd_bytes(r, rd_uvarint(r)); return;
    case 5: (void)rd_bytes(r, 4); return;
    default: rd_fail(r); return; /* groups are not accepted */
    }
}

/* Grow *array of `count` elements so that one more fits; false when the arena is spent. */
static bool grow(struct decoder *d, void **array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return true;
    size_t wanted = *cap ? *cap * 2 : 64;
    void *bigger = arena_alloc_raw(d->batch->arena, wanted, size, 16);
    if (!bigger) {
        d->is_out_of_memory = true;
        return false;
    }
    if (count) memcpy(bigger, *array, count * size);
    *array = bigger;
    *cap = wanted;
    return true;
}

static void decode_sample(struct decoder *d, struct bytes msg, struct rd *outer)
{
    struct rd r = rd_of(msg);
    struct sample s = { 0, 0 };
    while (rd_more(&r)) {
        uint64_t key = rd_uvarint(&r);
        switch (key) {
        case KEY_F64_1: s.value = rd_f64le(&r); break;
        case KEY_INT_2: s.ts_ms = (int64_t)rd_uvarint(&r); break;
        default: skip_field(&r, key); break;
        }
    }
    if (!rd_ok(&r) ||
        !grow(d, (void **)&d->batch->samples, d->batch->sample_count, &d->sample_cap, sizeof s)) {
        rd_fail(outer);
        return;
    }
    d->batch->samples[d->batch->sample_count++] = s;
}

static struct label decode_label(struct bytes msg, struct rd *outer)
{
    struct rd r = rd_of(msg);
    struct label l = { { "", 0 }, { "", 0 } };
    while (rd_more(&r)) {
        uint64_t key = rd_uvarint(&r);
        switch (key) {
        case KEY_LEN_1: l.name = str_of_bytes(rd_bytes(&r, rd_uvarint(&r))); break;
        case KEY_LEN_2: l.value = str_of_bytes(rd_bytes(&r, rd_uvarint(&r))); break;
        default: skip_field(&r, key); break;
        }
    }
    if (!rd_ok(&r)) rd_fail(outer);
    return l;
}

static void decode_exemplar(struct decoder *d, struct bytes msg, struct rd *outer)
{
    struct rd r = rd_of(msg);
    struct labels_builder labels;
    struct batch_exemplar e = { .series = (uint32_t)d->batch->series_count };
    labels_builder_init(&labels, d->batch->arena);
    while (rd_more(&r)) {
        uint64_t key = rd_uvarint(&r);
        switch (key) {
        case KEY_LEN_1: {
            struct label l = decode_label(rd_bytes(&r, rd_uvarint(&r)), &r);
            labels_builder_add(&labels, l.name, l.value);
            break;
        }
        case KEY_F64_2: e.exemplar.value = rd_f64le(&r); break;
        case KEY_INT_3:
            e.exemplar.ts_ms = (int64_t)rd_uvarint(&r);
            e.exemplar.has_ts = true;
            break;
        default: skip_field(&r, key); break;
        }
    }
    if (!rd_ok(&r)) {
        rd_fail(outer);
        return;
    }
    /* Exemplar errors never fail a request: one with bad labels is left out. */
    if (labels_builder_finish(&labels, NULL, &e.exemplar.labels, NULL) != ERR_OK) return;
    if (!grow(d, (void **)&d->batch->exemplars, d->batch->exemplar_count, &d->exemplar_cap,
              sizeof e)) {
        rd_fail(outer);
        return;
    }
    d->batch->exemplars[d->batch->exemplar_count++] = e;
}

/* The Label fields of one TimeSeries as one slice. */
static struct bytes gather_key(struct decoder *d, struct bytes msg)
{
    size_t size = 0;
    uint8_t *copy = arena_alloc_raw(d->batch->arena, msg.len + 1, 1, 1);
    if (!copy) {
        d->is_out_of_memory = true;
        return (struct bytes){ NULL, 0 };
    }
    struct rd r = rd_of(msg);
    while (rd_more(&r)) {
        const uint8_t *start = r.pos;
        uint64_t key = rd_uvarint(&r);
        skip_field(&r, key);
        if (key != KEY_LEN_1 || !rd_ok(&r)) continue;
        memcpy(copy + size, start, (size_t)(r.pos - start));
        size += (size_t)(r.pos - start);
    }
    return (struct bytes){ copy, size };
}

static void decode_series(struct decoder *d, struct bytes msg, struct rd *outer)
{
    struct rd r = rd_of(msg);
    struct batch_series *s = &d->batch->series[d->batch->series_count];
    size_t labels_end = 0;
    bool is_scattered = false;
    *s = (struct batch_series){ .sample_first = u32_from_u64(d->batch->sample_count) };
    while (rd_more(&r)) {
        size_t start = (size_t)(r.pos - msg.ptr);
        uint64_t key = rd_uvarint(&r);
        switch (key) {
        case KEY_LEN_1:
            (void)rd_bytes(&r, rd_uvarint(&r));
            if (start != labels_end) is_scattered = true;
            labels_end = (size_t)(r.pos - msg.ptr);
            break;
        case KEY_LEN_2: decode_sample(d, rd_bytes(&r, rd_uvarint(&r)), &r); break;
        case KEY_LEN_3: decode_exemplar(d, rd_bytes(&r, rd_uvarint(&r)), &r); break;
        case KEY_LEN_4:
            (void)rd_bytes(&r, rd_uvarint(&r));
            d->histograms++;
            break;
        default: skip_field(&r, key); break;
        }
    }
    if (!rd_ok(&r)) {
        rd_fail(outer);
        return;
    }
    s->sample_count = u32_from_u64(d->batch->sample_count) - s->sample_first;
    s->key = is_scattered ? gather_key(d, msg) : (struct bytes){ msg.ptr, labels_end };
    s->key_hash = hash128(s->key.ptr, s->key.len, d->seed);
    d->batch->series_count++;
}

static bool decode_metadata(struct bytes msg, struct metadata *out)
{
    struct rd r = rd_of(msg);
    *out = (struct metadata){ .type = METRIC_UNKNOWN };
    while (rd_more(&r)) {
        uint64_t key = rd_uvarint(&r);
        switch (key) {
        case KEY_INT_1: {
            uint64_t type = rd_uvarint(&r);
            out->type = type <= METRIC_STATESET ? (enum metric_type)type : METRIC_UNKNOWN;
            break;
        }
        case KEY_LEN_2: out->family = str_of_bytes(rd_bytes(&r, rd_uvarint(&r))); break;
        case KEY_LEN_4: out->help = str_of_bytes(rd_bytes(&r, rd_uvarint(&r))); break;
        case KEY_LEN_5: out->unit = str_of_bytes(rd_bytes(&r, rd_uvarint(&r))); break;
        default: skip_field(&r, key); break;
        }
    }
    return rd_ok(&r);
}

/* batch.decode: only for keys that the engine sees for the first time. */
static enum err_code decode_labels(const struct batch *batch, const struct batch_series *s,
                                   struct labels_builder *b, struct labels *out, struct err *err)
{
    const struct remote_write_options *options = batch->decode_ctx;
    struct rd r = rd_of(s->key);
    labels_builder_reset(b);
    while (rd_more(&r)) {
        if (rd_uvarint(&r) != KEY_LEN_1) break; /* the key holds nothing else */
        struct label l = decode_label(rd_bytes(&r, rd_uvarint(&r)), &r);
        labels_builder_add(b, l.name, l.value);
    }
    if (!rd_ok(&r)) return err_set(err, ERR_INVALID, "malformed label");
    TRY(labels_builder_finish(b, options->label_limits, out, err));
    if (labels_get(*out, LABEL_METRIC_NAME).len == 0) {
        return err_set(err, ERR_INVALID, "series without a metric name");
    }
    return ERR_OK;
}

/* Number of series and metadata, so that their arrays have their final size. */
static bool count_fields(struct bytes msg, size_t *out_series, size_t *out_metadata)
{
    struct rd r = rd_of(msg);
    *out_series = *out_metadata = 0;
    while (rd_more(&r)) {
        uint64_t key = rd_uvarint(&r);
        *out_series += key == KEY_LEN_1;
        *out_metadata += key == KEY_LEN_3;
        skip_field(&r, key);
    }
    return rd_ok(&r);
}

enum err_code remote_write_decode(struct bytes msg, const struct remote_write_options *options,
                                  struct arena *arena, struct batch *out,
                                  struct remote_write_counts *out_counts, struct err *err)
{
    size_t series, metadata;
    if (!count_fields(msg, &series, &metadata)) {
        return err_set(err, ERR_INVALID, "malformed WriteRequest message");
    }
    struct batch batch = { .arena = arena, .decode = decode_labels, .decode_ctx = options };
    struct decoder d = { .batch = &batch, .sample_cap = series, .seed = options->alias_seed };
    batch.series = arena_array_raw(arena, struct batch_series, series + 1);
    batch.metadata = arena_array_raw(arena, struct metadata, metadata + 1);
    batch.samples = arena_array_raw(arena, struct sample, series + 1);
    if (!batch.series || !batch.metadata || !batch.samples) {
        return err_set(err, ERR_NOMEM, "request needs too much memory");
    }
    struct rd r = rd_of(msg);
    while (rd_more(&r)) {
        uint64_t key = rd_uvarint(&r);
        if (key == KEY_LEN_1) {
            decode_series(&d, rd_bytes(&r, rd_uvarint(&r)), &r);
        } else if (key == KEY_LEN_3) {
            struct bytes field = rd_bytes(&r, rd_uvarint(&r));
            if (!decode_metadata(field, &batch.metadata[batch.metadata_count++])) rd_fail(&r);
        } else {
            skip_field(&r, key);
        }
    }
    if (d.is_out_of_memory) return err_set(err, ERR_NOMEM, "request needs too much memory");
    if (!rd_ok(&r)) return err_set(err, ERR_INVALID, "malformed WriteRequest message");
    *out = batch;
    *out_counts = (struct remote_write_counts){ .histograms = d.histograms };
    return ERR_OK;
}
