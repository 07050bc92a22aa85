/* SPDX-License-Identifier: Apache-2.0
 *
 * head_append - a batch of samples into the head and the journal.
 *
 * Stages    1. find the series of every item: the ref it brings, or the alias cache, stripe by
 *              stripe with prefetch;
 *           2. decode the labels of those that are left, find or create their series
 *              (series_create.h);
 *           3. sort the items by shard; shard by shard, up to 1,024 series and 4,096 samples under
 *              one lock: check and make room (everything that can fail), encode journal records,
 *              append them to the journal, then apply them to the open chunks.
 *           A sample is in the head if and only if it is in the journal, in the same order. If the
 *           journal refuses, the rest of the batch is not stored and the call fails.
 * Records   Samples of one time go into a SAMPLES record, stray ones into SAMPLES_IRREGULAR.
 *           Repeat bits refer to the journal's epoch; when it has moved on (ERR_CONFLICT) the
 *           record is encoded anew for the new epoch.
 * Threads   Any.
 * Memory    Working arrays in the batch's arena (about 64 bytes an item).
 * Source    storage-engine.md sections 4 and 5.
 */
#ifndef PHAROS_METRICS_HEAD_APPEND_H
#define PHAROS_METRICS_HEAD_APPEND_H

#include "base/err.h"
#include "metrics/head/head.h"
#include "model/batch.h"

/* As metrics_append. */
CHECK_RESULT enum err_code head_append(struct head *h, struct batch *batch,
                                       struct append_result *out, struct err *err);

#endif
