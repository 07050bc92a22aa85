/* SPDX-License-Identifier: Apache-2.0
 *
 * batch - samples on their way into the store: what every decoder makes and the metrics engine
 * takes. One batch = one request or one scrape; all of it lives in the arena of that request.
 *
 * A series is named by raw bytes as they arrived (`key`, e.g. the Label fields of a remote-write
 * TimeSeries or the text `name{...}` of a scraped line) plus their 128-bit hash, seeded by the
 * scope in which the bytes have one meaning. The engine looks the hash up in its alias cache and
 * only on a miss asks `decode` for the labels. So the labels of known series are never decoded.
 *
 * Life      decoder fills -> pipeline stages may look and change -> metrics_append() writes `ref`
 *           and `outcome` back.
 * Threads   One owner at a time. decode may be called from the owner's thread only.
 */
#ifndef PHAROS_MODEL_BATCH_H
#define PHAROS_MODEL_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "model/exemplar.h"
#include "model/labels.h"
#include "model/metadata.h"
#include "model/sample.h"

/* A series of the head, valid while the process lives; 0 = unknown. High half shard + 1, low half
 * the shard's ref. */
struct series_ref {
    uint64_t v;
};

enum batch_outcome {                   /* of a series (SERIES_*) and of its samples */
                     BATCH_STORED = 0, /* at least one sample stored or an exact duplicate */
                     BATCH_DROPPED, /* decode said: not to be stored (relabelling); not an error */
                     BATCH_INVALID_LABELS,
                     BATCH_LIMIT, /* series limit, cardinality guard */
                     BATCH_NOMEM,
                     BATCH_OUT_OF_ORDER,
                     BATCH_TOO_OLD,
                     BATCH_OUT_OF_BOUNDS,
                     BATCH_DUPLICATE, /* same time, other value */
                     BATCH_OUTCOME_COUNT
};

struct batch_series {
    struct bytes key;
    struct hash128 key_hash; /* ignored when ref is set */
    struct series_ref ref;   /* in: known series or 0; out: the series, 0 if there is none */
    uint32_t sample_first, sample_count; /* in batch.samples */
    uint8_t outcome;                     /* out: enum batch_outcome, the worst of its samples */
    bool is_new;                         /* out: created by this append */
    const void *origin;                  /* decoder's own, for decode() */
};

struct batch_exemplar {
    uint32_t series; /* index in batch.series */
    struct exemplar exemplar;
};

struct batch;
/* Labels of series `s`, sorted and validated, built with `b` (its arena lives as long as the call).
 * ERR_OK; ERR_NOTFOUND: drop the series silently; ERR_INVALID / ERR_LIMIT: bad labels. */
typedef enum err_code (*batch_decode_fn)(const struct batch *batch, const struct batch_series *s,
                                         struct labels_builder *b, struct labels *out,
                                         struct err *err);

struct batch {
    struct arena *arena;
    struct batch_series *series;
    size_t series_count;
    struct sample *samples;
    size_t sample_count;
    struct batch_exemplar *exemplars;
    size_t exemplar_count;
    struct metadata *metadata;
    size_t metadata_count;
    batch_decode_fn decode;
    const void *decode_ctx;
};

/* Counts of one append, by outcome, and the first refusal in words. */
struct append_result {
    uint64_t outcomes[BATCH_OUTCOME_COUNT]; /* samples */
    uint64_t series_created;
    uint64_t exemplars_stored, exemplars_refused;
    struct err first;  /* code ERR_OK when nothing was refused; detail names the series */
    uint64_t position; /* journal position that covers the batch; 0 = nothing to wait for */
};

/* "out of order sample" and so on, prometheus-http-api.md section 11. */
struct str batch_outcome_text(enum batch_outcome outcome);

#endif
