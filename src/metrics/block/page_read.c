/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/rd.h"
#include "metrics/block/bitpack.h"
#include "metrics/block/page.h"

#define TYPE_RUN 0xff

struct page_header {
    uint32_t magic, raw_size, stored_size, crc;
    uint8_t kind, comp;
    uint16_t vector_count;
    uint32_t first_series;
};

void page_view_init(struct page_view *v, struct mem_budget *mem, enum mem_account account)
{
    *v = (struct page_view){ .mem = mem, .account = account };
}

void page_view_deinit(struct page_view *v)
{
    zstd_decoder_destroy(v->zstd);
    if (v->file_bytes) mem_free(v->mem, v->account, v->file_bytes, v->file_bytes_cap);
    if (v->raw) mem_free(v->mem, v->account, v->raw, v->raw_cap);
    if (v->vectors) mem_free(v->mem, v->account, v->vectors, v->vector_cap * sizeof *v->vectors);
    v->zstd = NULL;
    v->file_bytes = v->raw = NULL;
    v->vectors = NULL;
    v->file_bytes_cap = v->raw_cap = v->vector_cap = v->vector_count = 0;
}

/* A larger block instead of *ptr; the content is not needed. */
static bool replace(struct page_view *v, uint8_t **ptr, size_t *cap, size_t size)
{
    if (size <= *cap) return true;
    uint8_t *grown = mem_alloc(v->mem, v->account, size);
    if (!grown) return false;
    if (*ptr) mem_free(v->mem, v->account, *ptr, *cap);
    *ptr = grown;
    *cap = size;
    return true;
}

uint8_t *page_view_reserve(struct page_view *v, size_t size)
{
    v->vector_count = 0;
    return replace(v, &v->file_bytes, &v->file_bytes_cap, size) ? v->file_bytes : NULL;
}

static enum err_code malformed(struct err *err, const char *what)
{
    return err_setf(err, ERR_CORRUPT, "malformed page of samples", "%s", what);
}

static enum err_code read_header(struct page_view *v, size_t size, struct page_header *h,
                                 struct err *err)
{
    struct rd r = rd_of((struct bytes){ v->file_bytes, size });
    h->magic = rd_u32le(&r);
    h->raw_size = rd_u32le(&r);
    h->stored_size = rd_u32le(&r);
    h->crc = rd_u32le(&r);
    h->kind = rd_u8(&r);
    h->comp = rd_u8(&r);
    h->vector_count = rd_u16le(&r);
    h->first_series = rd_u32le(&r);
    v->mint_ms = (int64_t)rd_u64le(&r);
    v->maxt_ms = (int64_t)rd_u64le(&r);
    if (!rd_ok(&r) || h->magic != PAGE_MAGIC) return malformed(err, "magic");
    if (rd_left(&r) != h->stored_size) return malformed(err, "stored size");
    if (crc32c(0, v->file_bytes + 16, size - 16) != h->crc) return malformed(err, "crc");
    if (h->kind != PAGE_KIND_PACKED || h->comp > PAGE_COMP_COLUMNS)
        return err_set(err, ERR_UNSUPPORTED, "page of a later version");
    if (h->raw_size > PAGE_RAW_MAX || h->raw_size < BITPACK_SLACK)
        return malformed(err, "raw size");
    if (h->vector_count == 0 || h->vector_count > PAGE_VECTORS_MAX)
        return malformed(err, "number of vectors");
    if (v->mint_ms > v->maxt_ms) return malformed(err, "time range");
    return ERR_OK;
}

/* Decode one frame to exactly `size` bytes in v->raw. */
static enum err_code decompress(struct page_view *v, struct bytes frame, size_t size,
                                struct err *err)
{
    if (!v->zstd) TRY(zstd_decoder_create(v->mem, v->account, &v->zstd, err));
    if (!replace(v, &v->raw, &v->raw_cap, size))
        return err_set(err, ERR_NOMEM, "no memory for a page of samples");
    return zstd_decode_exact(v->zstd, frame, v->raw, size, err);
}

/* Columns in a frame of their own: the payloads stay where they are. */
static enum err_code open_columns(struct page_view *v, const struct page_header *h,
                                  struct bytes stored, struct err *err)
{
    struct rd r = rd_of(stored);
    struct bytes frame = rd_bytes(&r, rd_u32le(&r));
    if (!rd_ok(&r) || rd_left(&r) < BITPACK_SLACK) return malformed(err, "size of the columns");
    v->payloads = (struct bytes){ r.pos, rd_left(&r) };
    if (h->raw_size <= v->payloads.len) return malformed(err, "raw size");
    size_t size = h->raw_size - v->payloads.len;
    TRY(decompress(v, frame, size, err));
    v->columns = (struct bytes){ v->raw, size };
    return ERR_OK;
}

/* Sets v->columns; v->payloads too, or leaves it empty when they follow in v->columns. */
static enum err_code open_body(struct page_view *v, const struct page_header *h, struct err *err)
{
    struct bytes stored = { v->file_bytes + PAGE_HEADER_SIZE, h->stored_size };
    v->payloads = (struct bytes){ NULL, 0 };
    if (h->comp == PAGE_COMP_COLUMNS) return open_columns(v, h, stored, err);
    v->columns = stored;
    if (h->comp == PAGE_COMP_NONE)
        return stored.len == h->raw_size ? ERR_OK : malformed(err, "raw size");
    TRY(decompress(v, stored, h->raw_size, err));
    v->columns = (struct bytes){ v->raw, h->raw_size };
    return ERR_OK;
}

static bool read_ordinals(struct rd *r, struct page_vector *vectors, size_t n, uint32_t first)
{
    uint64_t ordinal = first;
    for (size_t i = 0; i < n; i++) {
        uint64_t delta = rd_uvarint(r);
        if (delta > UINT32_MAX - ordinal || (i == 0 && delta > 0)) return false;
        ordinal += delta;
        vectors[i].ordinal = (uint32_t)ordinal;
    }
    return rd_ok(r);
}

static bool read_types(struct rd *r, struct page_vector *vectors, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint8_t type = rd_u8(r);
        uint64_t run = 1;
        if (type == TYPE_RUN) {
            type = rd_u8(r);
            run = rd_uvarint(r);
        }
        if (!rd_ok(r) || run == 0 || run > n - i) return false;
        for (uint64_t k = 0; k < run; k++, i++) {
            vectors[i].value =
                (struct value_desc){ .codec = type & 15, .has_specials = (type & 0x80) != 0 };
            vectors[i].time = (struct time_desc){ .codec = type >> 4 & 7 };
        }
    }
    return true;
}

static bool read_counts(struct rd *r, struct page_vector *vectors, size_t n)
{
    uint64_t last = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t count = rd_uvarint(r);
        if (count == 0) count = last;
        if (count == 0 || count > VECTOR_SAMPLES_MAX) return false;
        vectors[i].count = (uint16_t)count;
        last = count;
    }
    return rd_ok(r);
}

static bool read_descriptors(struct rd *r, struct page_view *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!time_desc_read(r, v->vectors[i].count, v->mint_ms, &v->vectors[i].time)) return false;
    for (size_t i = 0; i < n; i++)
        if (!value_desc_read(r, v->vectors[i].count, &v->vectors[i].value)) return false;
    return true;
}

/* H7 and H8; then the payloads: together exactly the rest, of the columns or of the page. */
static bool read_payloads(struct rd *r, struct page_view *v, size_t n)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t size = rd_uvarint(r);
        if (size > PAGE_RAW_MAX) return false;
        v->vectors[i].payload_offset = (uint32_t)total; /* < PAGE_VECTORS_MAX * PAGE_RAW_MAX */
        v->vectors[i].payload_size = (uint32_t)size;
        total += size;
    }
    if (rd_uvarint(r) != 0 || !rd_ok(r)) return false; /* start timestamps: a later version */
    if (!v->payloads.ptr)
        v->payloads = (struct bytes){ r->pos, rd_left(r) };
    else if (rd_left(r) != 0)
        return false;
    return v->payloads.len == total + BITPACK_SLACK;
}

static enum err_code index_vectors(struct page_view *v, const struct page_header *h,
                                   struct err *err)
{
    size_t n = h->vector_count;
    if (n > v->vector_cap) {
        struct page_vector *grown = mem_alloc(v->mem, v->account, n * sizeof *grown);
        if (!grown) return err_set(err, ERR_NOMEM, "no memory for a page of samples");
        if (v->vectors)
            mem_free(v->mem, v->account, v->vectors, v->vector_cap * sizeof *v->vectors);
        v->vectors = grown;
        v->vector_cap = n;
    }
    struct rd r = rd_of(v->columns);
    if (!read_ordinals(&r, v->vectors, n, h->first_series)) return malformed(err, "ordinals");
    if (!read_types(&r, v->vectors, n)) return malformed(err, "types");
    if (!read_counts(&r, v->vectors, n)) return malformed(err, "sample counts");
    if (!read_descriptors(&r, v, n)) return malformed(err, "descriptors");
    if (!read_payloads(&r, v, n)) return malformed(err, "payload sizes");
    v->vector_count = n;
    return ERR_OK;
}

enum err_code page_view_load(struct page_view *v, size_t size, struct err *err)
{
    struct page_header h;
    v->vector_count = 0;
    TRY(read_header(v, size, &h, err));
    TRY(open_body(v, &h, err));
    return index_vectors(v, &h, err);
}

enum err_code page_view_times(struct page_view *v, size_t i, const struct time_dict_view *dict,
                              int64_t *out_ts_ms, struct rd *out_values, struct err *err)
{
    ASSERT(i < v->vector_count);
    const struct page_vector *vector = &v->vectors[i];
    struct time_limits limits = { v->mint_ms, v->maxt_ms };
    *out_values =
        rd_of((struct bytes){ v->payloads.ptr + vector->payload_offset, vector->payload_size });
    if (vector->time.codec == TIME_SHARED)
        return time_dict_decode(dict, vector->time.shared_id, vector->count, limits, out_ts_ms,
                                err);
    return time_decode(&vector->time, out_values, vector->count, limits, out_ts_ms, err);
}

enum err_code page_view_values(struct page_view *v, size_t i, struct rd *values, double *out,
                               struct err *err)
{
    ASSERT(i < v->vector_count);
    const struct page_vector *vector = &v->vectors[i];
    TRY(value_decode(&vector->value, values, vector->count, &v->scratch, out, err));
    if (rd_left(values) != 0) return malformed(err, "bytes left in a payload");
    return ERR_OK;
}
