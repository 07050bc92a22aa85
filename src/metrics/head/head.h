/* SPDX-License-Identifier: Apache-2.0
 *
 * head - the newest samples of one tenant, in memory and in mmapped chunk files. This header is
 * for those who read from it: index, select, the cut into blocks.
 *
 * Names     A series is (shard, ref). Refs grow in order of creation within a shard and are never
 *           used again while the process lives. Its labels are `pairs`: pair ids in the order of
 *           the label names; head_pair() turns a pair id into texts.
 * Epochs    A reader holds a guard of head_epoch() from before it looks up anything until it has
 *           forgotten everything: pair arrays, texts and chunk bytes that it got stay valid so
 *           long. A series that is removed meanwhile keeps its pairs but has no chunks.
 * Blocks    The head holds all samples with t >= head_mint_ms(). Older ones may still be there but
 *           are in a block: the block list is published first, then head_mint_ms moves. So a
 *           reader takes head_mint_ms first, then the block list, and merges equal timestamps once.
 * Threads   Everything here: any thread, many at once. Reads of open chunks take the shard's lock
 *           for up to HEAD_READ_BATCH series.
 * Memory    MEM_HEAD; a reader's copies are charged to MEM_QUERY.
 * Source    storage-engine.md sections 2 to 6.
 */
#ifndef PHAROS_METRICS_HEAD_H
#define PHAROS_METRICS_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "metrics/sample_buf.h"
#include "model/labels.h"
#include "model/sample.h"
#include "os/epoch.h"
#include "os/mem.h"

struct head;

#define HEAD_SHARDS_MAX 64
#define HEAD_READ_BATCH 64
#define HEAD_NO_TIME INT64_MIN

/* ---- change hooks: how the index follows the head ---- */

struct head_listener {
    void *ctx;
    /* A series is about to appear. Under the lock of `shard`, refs of a shard in ascending order.
     * `pairs` is borrowed until the series is removed and its readers have left. ERR_NOMEM refuses
     * the series (and nothing may have changed); otherwise a reader may see it from now on. */
    enum err_code (*series_created)(void *ctx, uint32_t shard, uint32_t ref, const uint32_t *pairs,
                                    uint32_t pair_count);
    /* Garbage collection took these series out (refs ascending). No lock held, one thread at a
     * time, while series_created may run for other series of the shard. Their pairs can still be
     * asked for. May leave refs behind when there is no memory: readers skip refs without pairs. */
    void (*series_removed)(void *ctx, uint32_t shard, const uint32_t *refs, size_t count);
    /* No series has these pairs any more (ascending ids). Their texts are valid during the call;
     * the ids are given to other pairs once the present readers have left. Same thread as above. */
    void (*pairs_removed)(void *ctx, const uint32_t *pairs, size_t count);
};

/* ---- whole head ---- */

struct epoch *head_epoch(const struct head *h);
uint32_t head_shard_count(const struct head *h);
/* See Blocks above. */
int64_t head_mint_ms(const struct head *h);
/* Oldest and newest sample; HEAD_NO_TIME when empty. */
int64_t head_first_ms(const struct head *h);
int64_t head_maxt_ms(const struct head *h);
uint64_t head_series_count(const struct head *h);

/* ---- labels: guard needed, no lock taken ---- */

struct head_pair {
    uint32_t name_sym, value_sym; /* symbol ids; equal texts have equal ids */
    struct str name, value;
};
/* Pair ids lie below; for sizing tables. */
uint32_t head_pair_limit(const struct head *h);
/* Of a pair that the reader got from a series or from the index. False when there is none. */
bool head_pair(const struct head *h, uint32_t pair, struct head_pair *out);
/* 0 when no series ever had it. Takes the symbols' lock. */
uint32_t head_pair_find(const struct head *h, struct str name, struct str value);
struct str head_symbol(const struct head *h, uint32_t sym);
/* 0 = no such text. Takes the symbols' lock. */
uint32_t head_symbol_find(const struct head *h, struct str text);

/* Pair ids of a series in the order of the label names; NULL when there is no such series. */
const uint32_t *head_series_pairs(const struct head *h, uint32_t shard, uint32_t ref,
                                  uint32_t *out_count);
/* The same as labels; the array is in `a`, the texts are borrowed. ERR_NOTFOUND, ERR_NOMEM. */
CHECK_RESULT enum err_code head_series_labels(const struct head *h, uint32_t shard, uint32_t ref,
                                              struct arena *a, struct labels *out, struct err *err);
/* Refs of live series >= *cursor in ascending order, up to `cap`; advances *cursor; 0 at the end.
 */
size_t head_series_refs(const struct head *h, uint32_t shard, uint32_t *cursor, uint32_t *out,
                        size_t cap);

/* ---- samples: guard needed, takes the shard's lock ---- */

struct head_last {
    int64_t ts_ms; /* HEAD_NO_TIME: no sample, or no such series */
    uint64_t value_bits;
};
/* Newest sample of each series, without touching chunks; count <= HEAD_READ_BATCH. Returns a bit
 * for each series (bit i: refs[i]) whose value is not known without a look into its newest chunk,
 * as after a restart; its time is right. */
uint64_t head_read_last(struct head *h, uint32_t shard, const uint32_t *refs, size_t count,
                        struct head_last *out);

/* Does a series have a chunk that overlaps [mint, maxt]? A full chunk's first time is known to the
 * second, rounded down. Bit i: refs[i]; count <= HEAD_READ_BATCH. */
struct head_range_query {
    uint32_t shard;
    const uint32_t *refs;
    size_t count;
    int64_t mint_ms, maxt_ms;
};
uint64_t head_in_range(struct head *h, const struct head_range_query *q);

/* Chunks of up to HEAD_READ_BATCH series. Open chunks are copied into the reader's
 * buffer, closed ones are borrowed from the mapped files. */
struct head_reader;
CHECK_RESULT enum err_code head_reader_create(struct head *h, struct mem_budget *mem,
                                              struct head_reader **out, struct err *err);
/* NULL is a no-op. */
void head_reader_destroy(struct head_reader *r);
/* Forget what was loaded; what is added from now on is wanted in [mint, maxt]. */
void head_reader_begin(struct head_reader *r, int64_t mint_ms, int64_t maxt_ms);
/* Load the chunks that may hold wanted samples of the given series, behind those that are loaded;
 * at most HEAD_READ_BATCH series in all. ERR_NOMEM: nothing is loaded any more. */
CHECK_RESULT enum err_code head_reader_add(struct head_reader *r, uint32_t shard,
                                           const uint32_t *refs, size_t count, struct err *err);
/* begin and add in one. */
CHECK_RESULT enum err_code head_reader_load(struct head_reader *r, uint32_t shard,
                                            const uint32_t *refs, size_t count, int64_t mint_ms,
                                            int64_t maxt_ms, struct err *err);
/* Append the samples of the i-th loaded series in the range of the load to `out`, ascending.
 * ERR_CORRUPT, ERR_NOMEM. */
CHECK_RESULT enum err_code head_reader_samples(const struct head_reader *r, size_t i,
                                               struct sample_buf *out, struct err *err);

#endif
