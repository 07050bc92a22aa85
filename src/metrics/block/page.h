/* SPDX-License-Identifier: Apache-2.0
 *
 * page - about 64 series' vectors with a columnar header: the unit of I/O, checksum, compression
 * and cache.
 *
 * Format    docs/formats.md, "pages". 40 bytes of header, then the body (raw, one zstd frame, or a
 *           frame of the columns and the payloads as they are):
 *           columns H1 ordinals, H2 type bytes, H3 sample counts, H4 timestamp descriptors, H5
 *           value descriptors, H6 summaries (absent unless kind bit 4 says so; not written yet), H7
 *           payload lengths, H8 start timestamps (none yet), the payloads, 8 zero bytes.
 * Threads   One owner per builder and per view.
 * Memory    Builder: MEM_COMPACTION. View: the account given; at most PAGE_RAW_MAX plus a directory
 *           of its vectors.
 * Failure   Loading any bytes is safe: ERR_CORRUPT, ERR_UNSUPPORTED (a kind of a later version).
 */
#ifndef PHAROS_METRICS_BLOCK_PAGE_H
#define PHAROS_METRICS_BLOCK_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "codec/zstd.h"
#include "metrics/block/time_codec.h"
#include "metrics/block/time_dict.h"
#include "metrics/block/value_codec.h"
#include "os/mem.h"

#define PAGE_MAGIC 0x50504850u /* "PHPP" */
#define PAGE_HEADER_SIZE 40
#define PAGE_SERIES 64             /* a page is closed at so many series */
#define PAGE_RAW_BYTES (64u << 10) /* or when its body has about so many bytes */
#define PAGE_RAW_MAX (1u << 20)    /* what a reader accepts */
#define PAGE_VECTORS_MAX 4096
#define PAGE_ALIGN 64

enum { PAGE_KIND_PACKED = 0, PAGE_KIND_VARINT = 1, PAGE_KIND_SUMMARIES = 0x10 };
enum { PAGE_COMP_NONE = 0, PAGE_COMP_ZSTD = 1, PAGE_COMP_COLUMNS = 2 };

struct page_vector {
    uint32_t ordinal;
    uint16_t count;                        /* samples */
    uint32_t payload_offset, payload_size; /* in the payloads of the page */
    struct time_desc time;
    struct value_desc value;
};

/* ---- building ---- */

struct page_builder {
    struct mem_budget *mem;
    struct time_dict *dict;    /* of the block; borrowed */
    struct zstd_encoder *zstd; /* NULL: pages stay raw; borrowed */
    struct value_encoder *encoder;
    struct page_vector *vectors; /* [PAGE_VECTORS_MAX] */
    size_t vector_count;
    uint32_t series_count;
    struct buf payload, raw, packed, columns_packed;
    int64_t mint_ms, maxt_ms;
};

CHECK_RESULT enum err_code page_builder_init(struct page_builder *b, struct mem_budget *mem,
                                             struct time_dict *dict, struct zstd_encoder *zstd,
                                             struct err *err);
void page_builder_deinit(struct page_builder *b);
/* Add the next vector of `ordinal` (not below the last one's); times ascend within a series. */
CHECK_RESULT enum err_code page_builder_add(struct page_builder *b, uint32_t ordinal,
                                            const int64_t *ts_ms, const double *values,
                                            size_t count, struct err *err);
/* Must the page be closed before a vector of this series is added? */
bool page_builder_is_full(const struct page_builder *b, uint32_t ordinal);
/* Append header and stored body to `out` and start over. At least one vector must have been
 * added. */
CHECK_RESULT enum err_code page_builder_finish(struct page_builder *b, struct buf *out,
                                               struct err *err);

/* ---- reading ---- */

struct page_view {
    struct mem_budget *mem;
    enum mem_account account;
    struct zstd_decoder *zstd; /* made at the first compressed page */
    uint8_t *file_bytes;       /* as read */
    size_t file_bytes_cap;
    uint8_t *raw; /* what was decompressed */
    size_t raw_cap;
    struct page_vector *vectors;
    size_t vector_count, vector_cap;
    struct bytes columns;  /* with comp 0 and 1 the payloads follow in here */
    struct bytes payloads; /* with 8 bytes of padding; borrowed of file_bytes or raw */
    int64_t mint_ms, maxt_ms;
    struct value_scratch scratch;
};

void page_view_init(struct page_view *v, struct mem_budget *mem, enum mem_account account);
void page_view_deinit(struct page_view *v);
/* Memory for the page's `size` bytes as they are in the file; NULL when there is none. */
uint8_t *page_view_reserve(struct page_view *v, size_t size);
/* Check and index the page of `size` bytes that the caller has put into page_view_reserve's
 * memory. */
CHECK_RESULT enum err_code page_view_load(struct page_view *v, size_t size, struct err *err);
/* Decode the timestamps of vector `i`. *out_values: where its values begin, for
 * page_view_values. */
CHECK_RESULT enum err_code page_view_times(struct page_view *v, size_t i,
                                           const struct time_dict_view *dict, int64_t *out_ts_ms,
                                           struct rd *out_values, struct err *err);
/* Decode the values of vector `i`; may write up to 8 more than it has. */
CHECK_RESULT enum err_code page_view_values(struct page_view *v, size_t i, struct rd *values,
                                            double *out, struct err *err);

#endif
