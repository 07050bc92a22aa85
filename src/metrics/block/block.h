/* SPDX-License-Identifier: Apache-2.0
 *
 * block - an open immutable block: its series by matchers, their labels, their samples.
 *
 * A series is its ordinal, 0 .. block_series_count - 1, in block order (value of __name__, then
 * the other labels): the series of one metric are one contiguous run of ordinals.
 *
 * Life      block_open -> block_ref / block_unref from any thread; the last unref closes the
 *           files. A block that was deleted from disk stays readable for those who hold a
 *           reference.
 * Checks    meta.json, the table of contents of the index and the file headers at open; each
 *           index section's crc at its first use; each page's crc whenever it is read. Every bound
 *           is checked as well: damage, even with a right crc, gives ERR_CORRUPT with "file offset
 *           section" in err->detail and never more than that.
 * Threads   A struct block: any thread. A block_reader or block_labels: one thread each.
 * Memory    The index is mapped. Open: a few KiB of MEM_CACHE. A reader: MEM_QUERY, one page (<=
 *           64 KiB raw) and its directory.
 * Deletes   block_delete_series masks [mint, maxt] (both inclusive) of series by the tombstones
 *           file; readers and label queries created afterwards see it.
 */
#ifndef PHAROS_METRICS_BLOCK_BLOCK_H
#define PHAROS_METRICS_BLOCK_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "blobs/blobs.h"
#include "metrics/block/block_meta.h"
#include "metrics/postings.h"
#include "metrics/sample_buf.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/source.h"
#include "os/cancel.h"
#include "os/mem.h"

struct block; /* opaque, reference counted */

/* `blobs` and `mem` outlive the block. ERR_NOTFOUND: no such block; ERR_CORRUPT; ERR_IO; ERR_NOMEM.
 */
CHECK_RESULT enum err_code block_open(struct blobs *blobs, struct mem_budget *mem, struct ulid id,
                                      struct block **out, struct err *err);
struct block *block_ref(struct block *b);
void block_unref(struct block *b);
DEFINE_CLEANUP(block_unref, struct block *)

/* Valid as long as the reference. tombstone_count is that of the open. */
const struct block_meta *block_borrow_meta(const struct block *b);
uint32_t block_series_count(const struct block *b);
/* Read everything once and check all crcs and bounds (`pharos tsdb verify`). */
CHECK_RESULT enum err_code block_verify(struct block *b, const struct cancel *cancel,
                                        struct err *err);

/* ---- which series ---- */

/* Ordinals of the series that satisfy all matchers (none: all series). A matcher that accepts ""
 * also matches series without the label. *out is the caller's, charged to `account`. `cancel` may
 * be NULL. */
struct block_match_options {
    enum mem_account account;
    const struct cancel *cancel;
};
CHECK_RESULT enum err_code block_match(struct block *b, struct matchers matchers,
                                       const struct block_match_options *options,
                                       struct postings **out, struct err *err);

/* ---- names and values: sorted by bytes, unique, texts in `a` ---- */

/* Of the series in `only`; NULL = of all. limit 0 = none. */
CHECK_RESULT enum err_code block_label_names(struct block *b, const struct postings *only,
                                             struct arena *a, struct str_list *out,
                                             struct err *err);
struct block_values_query {
    struct str name;
    const struct postings *only; /* NULL = all series */
    size_t limit;                /* 0 = none */
    const struct cancel *cancel; /* may be NULL */
};
/* An unknown name gives an empty list. */
CHECK_RESULT enum err_code block_label_values(struct block *b, const struct block_values_query *q,
                                              struct arena *a, struct str_list *out,
                                              struct err *err);

/* ---- labels of series ---- */

struct block_labels; /* cursor; fast when ordinals ascend */

/* Lives in `a`, as do all texts it returns; each distinct text is copied once. */
CHECK_RESULT enum err_code block_labels_create(struct block *b, struct arena *a,
                                               struct block_labels **out, struct err *err);
/* *out (sorted by name) borrows the cursor's array until the next read; the texts stay valid with
 * the arena. */
CHECK_RESULT enum err_code block_labels_read(struct block_labels *c, uint32_t ordinal,
                                             struct labels *out, struct err *err);

/* ---- samples ---- */

struct block_reader;

/* Holds a reference on the block. */
CHECK_RESULT enum err_code block_reader_create(struct block *b, struct mem_budget *mem,
                                               struct block_reader **out, struct err *err);
void block_reader_destroy(struct block_reader *r);
DEFINE_CLEANUP(block_reader_destroy, struct block_reader *)

/* Append the samples of `ordinal` in [mint, maxt] (both inclusive), tombstones masked, stale
 * markers included, to `out`, which grows as needed. Pages stay decoded-ready in the reader:
 * reading ordinals in ascending order reads each page once. */
struct block_range {
    int64_t mint_ms, maxt_ms;
};
CHECK_RESULT enum err_code block_reader_read(struct block_reader *r, uint32_t ordinal,
                                             struct block_range range, struct sample_buf *out,
                                             struct err *err);

/* ---- deletes ---- */

/* Mask [mint, maxt] of the given series, durably (returns after the tombstones file is published).
 */
CHECK_RESULT enum err_code block_delete_series(struct block *b, const struct postings *series,
                                               struct block_range range, struct err *err);
/* Number of (series, interval) masks now. */
uint64_t block_tombstone_count(struct block *b);

#endif
