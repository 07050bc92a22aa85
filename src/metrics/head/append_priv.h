/* SPDX-License-Identifier: Apache-2.0
 *
 * append_priv - the state of one head_append call, shared by head_append.c, append_slice.c and
 * series_create.c.
 */
#ifndef PHAROS_METRICS_HEAD_APPEND_PRIV_H
#define PHAROS_METRICS_HEAD_APPEND_PRIV_H

#include "metrics/head/head_priv.h"
#include "metrics/head/head_records.h"
#include "model/batch.h"

#define SLICE_ITEMS_MAX 1024u
#define SLICE_SAMPLES_MAX 4096u
#define SLOT_UNKNOWN UINT32_MAX /* look it up by ref */

/* A series of the batch that was found. */
struct append_item {
    uint32_t series; /* index in batch->series */
    uint32_t shard, slot, ref;
    uint32_t sample;    /* next sample of the series that is not yet handled, from 0 */
    bool is_from_cache; /* found by the alias cache, not by a ref that the batch brought */
};

struct append {
    struct head *h;
    struct batch *batch;
    struct append_result *out;
    size_t part_first;   /* of batch->series in the whole batch, when it goes in parts */
    size_t first_series; /* whose refusal out->first is, in the whole batch */
    struct append_item *items;
    size_t item_count;
    uint32_t *misses; /* indices of series that must be decoded */
    size_t miss_count;
    int64_t lower_ms, upper_ms; /* times outside are out of bounds */
    int64_t min_ms, max_ms;     /* of what was stored */
    uint64_t position;          /* of the last record of this call */
    bool has_duplicates;
    /* one slice's work */
    struct record_sample *staged, *staged_swap;
    uint8_t *record;
    size_t staged_cap;
};

/* Count `n` samples of a series under `outcome` and remember the worst; result->first describes the
 * refusal of the series that comes first in the batch. `why` may be NULL. */
void append_refuse(struct append *a, uint32_t series, enum batch_outcome outcome, uint64_t n,
                   const struct err *why);

/* Append up to SLICE_ITEMS_MAX items of one shard, each from item->sample on, as far as
 * staged_cap allows; *out_done items are finished. Items whose series is gone are put on
 * a->misses. */
CHECK_RESULT enum err_code append_slice(struct append *a, struct append_item *items, size_t count,
                                        size_t *out_done, struct err *err);

/* Turn a->misses into items appended to a->items: decode, find or create. */
CHECK_RESULT enum err_code append_create_series(struct append *a, struct err *err);

#endif
