/* SPDX-License-Identifier: Apache-2.0
 *
 * remote_write - Prometheus remote write 1.0: a prometheus.WriteRequest message into a batch.
 *
 * Format    WriteRequest{ repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3
 * }; TimeSeries{ labels = 1; samples = 2; exemplars = 3; histograms = 4 }. Unknown fields are
 *           skipped. Source: prometheus prompb (prometheus-http-api.md section 8.2).
 * Keys      The raw Label fields of a TimeSeries. Senders put them first and together, so a key is
 * normally a slice of the message; scattered ones are gathered in the arena. Threads   None; one
 * call, one arena. `msg` must live as long as the batch. Failure   ERR_INVALID: malformed message
 * (nothing of it is used); ERR_LIMIT: too many series or samples; ERR_NOMEM: the arena's cap.
 */
#ifndef PHAROS_FORMATS_REMOTE_WRITE_H
#define PHAROS_FORMATS_REMOTE_WRITE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "model/batch.h"

struct remote_write_options {
    uint64_t alias_seed; /* secret of this process: hashes of raw keys cannot be forged */
    const struct label_limits *label_limits;
};

struct remote_write_counts {
    uint64_t histograms; /* native histogram samples in the message */
};

/* The caller owns the arena; out->decode validates labels: sorted, unique, with a metric name.
 * `options` must live as long as the batch. */
CHECK_RESULT enum err_code remote_write_decode(struct bytes msg,
                                               const struct remote_write_options *options,
                                               struct arena *arena, struct batch *out,
                                               struct remote_write_counts *out_counts,
                                               struct err *err);

#endif
