/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/num.h"
#include "metrics/block/bitpack.h"
#include "metrics/block/page.h"

/* What a vector takes in the columns, on average; only for closing the page in time. */
#define COLUMNS_PER_VECTOR 24
/* Compressed only if that saves this part of the page: the columns, which costs a reader about 2
 * us; the whole body, payloads too. */
#define COLUMNS_GAIN 128
#define BODY_GAIN 10
#define TYPE_RUN 0xff
#define TYPE_RUN_MIN 4

enum err_code page_builder_init(struct page_builder *b, struct mem_budget *mem,
                                struct time_dict *dict, struct zstd_encoder *zstd, struct err *err)
{
    *b = (struct page_builder){ .mem = mem, .dict = dict, .zstd = zstd };
    const struct mem_source *source = mem_source_of(mem, MEM_COMPACTION);
    buf_init(&b->payload, source, 4 * PAGE_RAW_MAX);
    buf_init(&b->raw, source, 4 * PAGE_RAW_MAX);
    buf_init(&b->packed, source, 4 * PAGE_RAW_MAX);
    buf_init(&b->columns_packed, source, 4 * PAGE_RAW_MAX);
    b->encoder = mem_alloc(mem, MEM_COMPACTION, sizeof *b->encoder);
    b->vectors = mem_alloc(mem, MEM_COMPACTION, PAGE_VECTORS_MAX * sizeof *b->vectors);
    if (b->encoder && b->vectors) return ERR_OK;
    page_builder_deinit(b);
    return err_set(err, ERR_NOMEM, "no memory for a page of samples");
}

void page_builder_deinit(struct page_builder *b)
{
    if (b->encoder) mem_free(b->mem, MEM_COMPACTION, b->encoder, sizeof *b->encoder);
    if (b->vectors)
        mem_free(b->mem, MEM_COMPACTION, b->vectors, PAGE_VECTORS_MAX * sizeof *b->vectors);
    buf_deinit(&b->payload);
    buf_deinit(&b->raw);
    buf_deinit(&b->packed);
    buf_deinit(&b->columns_packed);
    *b = (struct page_builder){ 0 };
}

static enum err_code encode_times(struct page_builder *b, const int64_t *ts_ms, size_t count,
                                  struct time_desc *out, struct err *err)
{
    if (time_encode_regular(ts_ms, count, out)) return ERR_OK;
    bool is_shared;
    uint32_t id;
    TRY(time_dict_lookup(b->dict, ts_ms, count, &is_shared, &id, err));
    if (is_shared)
        *out = (struct time_desc){ .codec = TIME_SHARED, .shared_id = id };
    else
        time_encode_irregular(ts_ms, count, true, &b->payload, out);
    return ERR_OK;
}

enum err_code page_builder_add(struct page_builder *b, uint32_t ordinal, const int64_t *ts_ms,
                               const double *values, size_t count, struct err *err)
{
    ASSERT(count >= 1 && count <= VECTOR_SAMPLES_MAX);
    ASSERT(b->vector_count < PAGE_VECTORS_MAX);
    struct page_vector *v = &b->vectors[b->vector_count];
    bool is_first = b->vector_count == 0;
    ASSERT(is_first || ordinal >= v[-1].ordinal);
    *v = (struct page_vector){ .ordinal = ordinal, .count = (uint16_t)count };
    v->payload_offset = u32_from_u64(b->payload.len);
    TRY(encode_times(b, ts_ms, count, &v->time, err));
    value_encode(b->encoder, values, count, &b->payload, &v->value);
    if (buf_failed(&b->payload)) return err_set(err, ERR_NOMEM, "no memory for a page of samples");
    v->payload_size = u32_from_u64(b->payload.len - v->payload_offset);
    if (is_first || ts_ms[0] < b->mint_ms) b->mint_ms = ts_ms[0];
    if (is_first || ts_ms[count - 1] > b->maxt_ms) b->maxt_ms = ts_ms[count - 1];
    if (is_first || v[-1].ordinal != ordinal) b->series_count++;
    b->vector_count++;
    return ERR_OK;
}

bool page_builder_is_full(const struct page_builder *b, uint32_t ordinal)
{
    if (b->vector_count == 0) return false;
    bool is_next_series = b->vectors[b->vector_count - 1].ordinal != ordinal;
    return (is_next_series && b->series_count >= PAGE_SERIES) ||
           b->vector_count >= PAGE_VECTORS_MAX ||
           b->payload.len + b->vector_count * COLUMNS_PER_VECTOR >= PAGE_RAW_BYTES;
}

static uint8_t type_byte(const struct page_vector *v)
{
    return (uint8_t)(v->value.codec | v->time.codec << 4 | (v->value.has_specials ? 0x80 : 0));
}

/* H2: one byte per vector; four or more equal ones as a run. */
static void put_types(const struct page_builder *b, struct buf *out)
{
    for (size_t i = 0; i < b->vector_count;) {
        uint8_t type = type_byte(&b->vectors[i]);
        size_t run = 1;
        while (i + run < b->vector_count && type_byte(&b->vectors[i + run]) == type)
            run++;
        if (run >= TYPE_RUN_MIN) {
            buf_put_u8(out, TYPE_RUN);
            buf_put_u8(out, type);
            buf_put_uvarint(out, run);
            i += run;
        } else {
            buf_put_u8(out, type);
            i++;
        }
    }
}

static void put_columns(const struct page_builder *b, struct buf *out)
{
    const struct page_vector *v = b->vectors;
    size_t n = b->vector_count;
    for (size_t i = 0; i < n; i++)
        buf_put_uvarint(out, i > 0 ? v[i].ordinal - v[i - 1].ordinal : 0);
    put_types(b, out);
    for (size_t i = 0; i < n; i++)
        buf_put_uvarint(out, i > 0 && v[i].count == v[i - 1].count ? 0 : v[i].count);
    for (size_t i = 0; i < n; i++)
        time_desc_put(&v[i].time, b->mint_ms, out);
    for (size_t i = 0; i < n; i++)
        value_desc_put(&v[i].value, out);
    for (size_t i = 0; i < n; i++)
        buf_put_uvarint(out, v[i].payload_size);
    buf_put_uvarint(out, 0); /* H8: no start timestamps */
}

static void put_payloads(const struct page_builder *b, struct buf *out)
{
    buf_put(out, b->payload.ptr, b->payload.len);
    buf_put_u64le(out, 0);
    _Static_assert(BITPACK_SLACK == 8, "tail padding");
}

/* u32 size of a frame, the frame of the columns, the payloads. */
static void compress_columns(struct page_builder *b, size_t columns_size)
{
    struct buf *out = &b->columns_packed;
    buf_reset(out);
    buf_put_u32le(out, 0);
    zstd_encode(b->zstd, (struct bytes){ b->raw.ptr, columns_size }, out);
    if (buf_failed(out)) return;
    uint32_t frame_size = u32_from_u64(out->len - 4);
    memcpy(out->ptr, &frame_size, sizeof frame_size);
    put_payloads(b, out);
}

/* The body as it is stored. Payloads are packed bits, in which zstd rarely finds anything: they are
 * left alone unless the whole, compressed, is much smaller than with compressed columns. */
static struct bytes stored_body(struct page_builder *b, size_t columns_size, uint8_t *out_comp)
{
    struct bytes best = buf_bytes(&b->raw);
    *out_comp = PAGE_COMP_NONE;
    if (!b->zstd) return best;
    compress_columns(b, columns_size);
    if (!buf_failed(&b->columns_packed) &&
        b->columns_packed.len <= best.len - best.len / COLUMNS_GAIN) {
        best = buf_bytes(&b->columns_packed);
        *out_comp = PAGE_COMP_COLUMNS;
    }
    buf_reset(&b->packed);
    zstd_encode(b->zstd, buf_bytes(&b->raw), &b->packed);
    if (!buf_failed(&b->packed) && b->packed.len <= best.len - best.len / BODY_GAIN) {
        best = buf_bytes(&b->packed);
        *out_comp = PAGE_COMP_ZSTD;
    }
    return best;
}

enum err_code page_builder_finish(struct page_builder *b, struct buf *out, struct err *err)
{
    ASSERT(b->vector_count > 0);
    buf_reset(&b->raw);
    put_columns(b, &b->raw);
    size_t columns_size = b->raw.len;
    put_payloads(b, &b->raw);
    if (buf_failed(&b->raw)) return err_set(err, ERR_NOMEM, "no memory for a page of samples");
    ASSERT(b->raw.len <= PAGE_RAW_MAX);
    uint8_t comp;
    struct bytes stored = stored_body(b, columns_size, &comp);
    size_t start = out->len;
    buf_put_u32le(out, PAGE_MAGIC);
    buf_put_u32le(out, u32_from_u64(b->raw.len));
    buf_put_u32le(out, u32_from_u64(stored.len));
    buf_put_u32le(out, 0); /* crc */
    buf_put_u8(out, PAGE_KIND_PACKED);
    buf_put_u8(out, comp);
    buf_put_u16le(out, u16_from_u64(b->vector_count));
    buf_put_u32le(out, b->vectors[0].ordinal);
    buf_put_u64le(out, (uint64_t)b->mint_ms);
    buf_put_u64le(out, (uint64_t)b->maxt_ms);
    buf_put(out, stored.ptr, stored.len);
    if (buf_failed(out)) return err_set(err, ERR_NOMEM, "no memory for a page of samples");
    ASSERT(out->len - start == PAGE_HEADER_SIZE + stored.len);
    uint32_t crc = crc32c(0, out->ptr + start + 16, out->len - start - 16);
    memcpy(out->ptr + start + 12, &crc, sizeof crc);
    buf_reset(&b->payload);
    b->vector_count = 0;
    b->series_count = 0;
    return ERR_OK;
}
