/* SPDX-License-Identifier: Apache-2.0
 *
 * exposition - what a scraped target answers: Prometheus text 0.0.4 / 1.0.0 or OpenMetrics 1.0,
 * into a batch.
 *
 * Grammar   One sample a line: name{label="value",...} value [timestamp] [# exemplar]; names may be
 * quoted UTF-8. The two dialects differ in blanks, comments, timestamps (ms / seconds) and the
 * final "# EOF". Source: scrape-and-config.md sections 5.1 and 5.2. Keys      The text of a line up
 * to the value, hashed with the target's seed: known series are not looked into.
 * exposition_labels() decodes the others. Threads   None. `body` must live as long as the batch.
 * Failure   ERR_INVALID with "line N: ..." in detail: nothing of the scrape may be stored.
 * ERR_LIMIT, ERR_NOMEM.
 */
#ifndef PHAROS_FORMATS_EXPOSITION_H
#define PHAROS_FORMATS_EXPOSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "model/batch.h"

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };

struct exposition_options {
    enum exposition_format format;
    uint64_t alias_seed;   /* of the target: equal text has one meaning within a target only */
    int64_t default_ts_ms; /* for samples without a timestamp */
    bool honor_timestamps; /* false: exposed timestamps are ignored */
};

/* What batch_series.origin points to. */
struct exposition_series {
    uint8_t type; /* enum metric_type of the family; decides the form of le and quantile */
    bool has_ts;  /* the line carried a timestamp that was honoured */
};

CHECK_RESULT enum err_code exposition_parse(struct bytes body,
                                            const struct exposition_options *options,
                                            struct arena *arena, struct batch *out,
                                            struct err *err);

/* Add the labels of a key, the metric name as __name__, to `b` (not sorted, not validated yet).
 * `le` and `quantile` of histograms and summaries become float text ("1" -> "1.0"). */
CHECK_RESULT enum err_code exposition_labels(struct bytes key, enum metric_type type,
                                             struct labels_builder *b, struct err *err);

#endif
