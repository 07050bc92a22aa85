/* SPDX-License-Identifier: Apache-2.0
 *
 * scrape_batch - from the body of one scrape to the batch that is stored: target labels merged,
 * metric relabelling and limits applied, stale markers for what disappeared, report series added.
 *
 *     scrape_begin -> scrape_add_body (or scrape_fail) -> scrape_add_report -> scrape_batch_of
 *                  -> metrics_append -> scrape_settle
 *
 * All or nothing: a body with an error stores nothing of itself; then the scrape is a failed one:
 * up 0 and stale markers for every series that was there before.
 *
 * Source    scrape-and-config.md section 6.
 * Threads   One owner. Memory: the arena of the scrape; the cache of the target.
 */
#ifndef PHAROS_COLLECT_SCRAPE_SCRAPE_BATCH_H
#define PHAROS_COLLECT_SCRAPE_SCRAPE_BATCH_H

#include "collect/relabel/relabel.h"
#include "collect/scrape/scrape_cache.h"
#include "collect/scrape/scrape_config.h"
#include "formats/exposition.h"
#include "model/batch.h"

/* What belongs to the target; outlives the scrape. */
struct scrape_scope {
    const struct scrape_config *config;
    const struct relabel_rules *metric_rules; /* may be NULL */
    struct labels labels;                     /* of the target */
    uint64_t
        seed; /* of the hashes of its lines; another one when lines mean other series, since the
                      store remembers them, too */
    struct scrape_cache *cache;
};

struct scrape_counts {
    uint64_t scraped;      /* samples in the body */
    uint64_t post_relabel; /* left after metric relabelling */
    uint64_t added;        /* series that the last scrape did not have */
    uint64_t duplicates;   /* same line twice without timestamp: dropped */
};

struct scrape_report {
    bool is_up;
    double duration_s, timeout_s;
    int64_t body_size; /* -1: limit exceeded, 0: other failure */
};

struct scrape_run;

/* Begin a scrape at `ts_ms` in `a`. NULL without memory. */
struct scrape_run *scrape_begin(const struct scrape_scope *scope, int64_t ts_ms, struct arena *a);
/* Parse and take in a body. After an error call scrape_fail. ERR_INVALID, ERR_LIMIT, ERR_NOMEM. */
CHECK_RESULT enum err_code scrape_add_body(struct scrape_run *run, struct bytes body,
                                           enum exposition_format format, struct err *err);
/* The scrape brought nothing (also: the target is gone): everything it had becomes stale. */
void scrape_fail(struct scrape_run *run);
/* up, scrape_duration_seconds, ...; once, after the body. */
CHECK_RESULT enum err_code scrape_add_report(struct scrape_run *run,
                                             const struct scrape_report *report, struct err *err);
/* Stale markers for the missing, then the batch; valid as long as the run. */
CHECK_RESULT enum err_code scrape_batch_of(struct scrape_run *run, struct batch **out,
                                           struct err *err);
/* After metrics_append returned ERR_OK: remember the series of the head. */
void scrape_settle(struct scrape_run *run);

struct scrape_counts scrape_counts_of(const struct scrape_run *run);
/* HELP, TYPE and UNIT lines of the body. */
const struct metadata *scrape_metadata(const struct scrape_run *run, size_t *out_count);

#endif
