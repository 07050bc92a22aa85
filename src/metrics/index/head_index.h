/* SPDX-License-Identifier: Apache-2.0
 *
 * head_index - from matchers to the series of the head.
 *
 * Ids       A series is named by one u32: the shard in the upper bits, the shard's ref below. So
 *           ascending ids go shard by shard, as samples are read. With S shards a shard may give
 *           2^32 / S refs in the life of a data directory; later series are refused.
 * Shape     One index for all shards, because pair ids are shared by them and a regular expression
 *           is then tested once per value:
 *               pair id -> posting (posting.h)
 *               label name -> posting of the series that have it, and its values: pair ids sorted
 *               by the bytes of the value (immutable), and those added since
 *           Values are sorted into the array by the first query that needs them.
 * Follows   the head through its change hooks: series_created under the shard's lock (writes one
 *           word per label, most of the time), series_removed and pairs_removed from the head's
 *           garbage collection.
 * Threads   Lock order: a shard's lock, settle_lock, lock. Queries hold `lock` only to look up a
 *           name; postings and value arrays are read under a guard of the index' own epoch, for the
 *           time of one match, so that long queries do not hold memory back.
 *           The caller holds a guard of the head's epoch around every question.
 * Memory    MEM_INDEX. About 9 bytes per pair and what the postings take; answers are charged to
 *           the account that is named.
 * Source    storage-engine.md sections 10.2 and 10.3. Unlike 10.2 the index is not split by shard.
 */
#ifndef PHAROS_METRICS_INDEX_HEAD_INDEX_H
#define PHAROS_METRICS_INDEX_HEAD_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "metrics/head/head.h"
#include "metrics/postings.h"
#include "model/matcher.h"
#include "model/source.h"
#include "os/cancel.h"
#include "os/mem.h"

struct head_index;

CHECK_RESULT enum err_code head_index_create(struct mem_budget *mem, struct head_index **out,
                                             struct err *err);
/* Give the listener to `head` (head_set_listener) and read texts from it. Before its replay. */
void head_index_attach(struct head_index *x, const struct head *head,
                       struct head_listener *out_listener);
/* No reader may be inside, no hook may be called any more. NULL is a no-op. */
void head_index_destroy(struct head_index *x);

struct head_series_id {
    uint32_t shard, ref;
};
struct head_series_id head_index_series(const struct head_index *x, uint32_t id);

struct head_match_options {
    enum mem_account account;
    const struct cancel *cancel; /* may be NULL */
};
/* Ids of the series that satisfy all matchers (none: all). A matcher that accepts "" also matches
 * series without the label. May hold ids of series that have just been removed. ERR_NOMEM,
 * ERR_LIMIT (too many matchers), ERR_CANCELLED, ERR_TIMEOUT. */
CHECK_RESULT enum err_code head_index_match(struct head_index *x, struct matchers matchers,
                                            const struct head_match_options *options,
                                            struct postings **out, struct err *err);

/* ---- names and values: sorted by bytes, unique, texts in `a` ---- */

/* Of the series in `only`; NULL = of all. */
CHECK_RESULT enum err_code head_index_names(struct head_index *x, const struct postings *only,
                                            struct arena *a, struct str_list *out, struct err *err);
struct head_values_query {
    struct str name;
    const struct postings *only; /* NULL = all series */
    size_t limit;                /* 0 = none */
    const struct cancel *cancel; /* may be NULL */
};
CHECK_RESULT enum err_code head_index_values(struct head_index *x,
                                             const struct head_values_query *q, struct arena *a,
                                             struct str_list *out, struct err *err);

/* Call `fn` for every value of every name that series have; texts valid under the head's guard.
 * Names in no order, values of one name together and sorted. Stops at the first failure. */
struct index_visit {
    struct str name, value;
    uint64_t series_count;
};
typedef enum err_code (*index_visit_fn)(void *arg, const struct index_visit *v, struct err *err);
CHECK_RESULT enum err_code head_index_visit(struct head_index *x, index_visit_fn fn, void *arg,
                                            struct err *err);

struct head_index_status {
    uint64_t names;
    uint64_t left_behind; /* ids of removed series that could not be taken out for want of memory */
};
void head_index_status(struct head_index *x, struct head_index_status *out);

#endif
