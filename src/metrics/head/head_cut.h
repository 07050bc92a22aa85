/* SPDX-License-Identifier: Apache-2.0
 *
 * head_cut - the series of the head in block order, with their samples of one time range: what a
 * block is written from.
 *
 * Order     Value of __name__ (none = ""), then the other labels pair by pair in name order.
 * Algorithm The label pairs in use are sorted by text once, so that series compare by the ranks of
 *           their pairs. Series are sorted in parts of about a million, whole metric names at a
 *           time, and read 256 at a time.
 * Threads   One owner, beside appends and reads. head_begin_cut(maxt) comes first. Holds an epoch
 *           guard from create to destroy.
 * Memory    MEM_COMPACTION: 4 bytes per label pair, 32 per series of a part (one metric name with
 *           more series than a part makes a larger part), a few MiB of samples.
 */
#ifndef PHAROS_METRICS_HEAD_CUT_H
#define PHAROS_METRICS_HEAD_CUT_H

#include "base/cleanup.h"
#include "base/err.h"
#include "metrics/head/head.h"

struct head_cut;

/* The range is [mint, maxt). `part_series`: 0 = 1 M. ERR_NOMEM. */
CHECK_RESULT enum err_code head_cut_create(struct head *h, int64_t mint_ms, int64_t maxt_ms,
                                           size_t part_series, struct head_cut **out,
                                           struct err *err);
/* The next series that has samples in the range. Labels and samples are borrowed until the next
 * call. ERR_NOTFOUND at the end (err untouched), ERR_NOMEM, ERR_CORRUPT (a chunk cannot be read).
 */
CHECK_RESULT enum err_code head_cut_next(struct head_cut *c, struct labels *out_labels,
                                         struct sample_columns *out_samples, struct err *err);
void head_cut_destroy(struct head_cut *c);
DEFINE_CLEANUP(head_cut_destroy, struct head_cut *)

#endif
