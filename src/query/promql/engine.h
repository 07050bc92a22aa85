/* SPDX-License-Identifier: Apache-2.0
 *
 * engine - evaluate PromQL over a source: the whole query side as one object.
 *
 *     text -> parse -> prepare -> evaluate by series over a pool of workers -> promql_result
 *
 * Execution Series at a time with columnar buffers: a worker takes a morsel of 64 series, decodes
 * each into
 *           columns, slides the windows over them in O(samples + steps) and pushes rows into group
 *           accumulators, so that sum(rate(..)) over a million series needs memory for groups.
 *           Morsels are merged in their order with compensated sums: results do not depend on
 *           timing. Source: storage-engine.md section 17; semantics: promql.md.
 * Threads   engine_query_* from any number of threads; at most `concurrency` run, others queue
 *           within their time-out. The engine owns the worker pool.
 * Memory    Each query has an arena of MEM_QUERY for its result and one per worker, capped; over
 *           it: ERR_LIMIT with the limit's name.
 * Failure   The texts of promql.md section 6 in err->detail; the API maps codes: ERR_INVALID
 *           bad_data, ERR_LIMIT and others execution, ERR_TIMEOUT timeout, ERR_CANCELLED canceled.
 */
#ifndef PHAROS_QUERY_PROMQL_ENGINE_H
#define PHAROS_QUERY_PROMQL_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/stats.h"
#include "model/labels.h"
#include "model/sample.h"
#include "model/source.h"
#include "os/cancel.h"
#include "os/clock.h"
#include "os/log.h"
#include "os/mem.h"
#include "query/promql/ast.h"

struct promql_engine;

struct promql_engine_options {
    struct source source;
    const struct clock *clock;
    struct mem_budget *mem;
    const struct log *log;
    unsigned workers;          /* 0: one per CPU */
    unsigned concurrency;      /* 0: 20 */
    int64_t timeout_ms;        /* 0: 120,000 */
    int64_t lookback_ms;       /* 0: 300,000 */
    int64_t subquery_step_ms;  /* `[5m:]`; 0: 60,000 */
    uint64_t samples_max;      /* held at once; 0: 50,000,000 */
    uint64_t series_max;       /* touched by one query; 0: 500,000 */
    uint64_t points_max;       /* per series of a range query; 0: 11,000 */
    uint64_t query_bytes_max;  /* 0: a quarter of the query account */
    bool delayed_name_removal; /* false: as Prometheus' HTTP API does by default */
};

CHECK_RESULT enum err_code promql_engine_create(const struct promql_engine_options *options,
                                                struct promql_engine **out, struct err *err);
/* No query may be running. NULL is a no-op. */
void promql_engine_destroy(struct promql_engine *e);
/* Cancel what runs and what waits (CANCEL_SHUTDOWN); later queries fail at once. NULL is a
 * no-op. */
void promql_engine_stop(struct promql_engine *e);
/* The time-out of a query that wants `wanted_ms` (0: none in particular). */
int64_t promql_engine_timeout_ms(const struct promql_engine *e, int64_t wanted_ms);

struct promql_query {
    struct str text;
    int64_t start_ms, end_ms; /* instant: both the evaluation time */
    int64_t step_ms;          /* 0: instant query */
    int64_t timeout_ms;       /* 0: the engine's; capped by it */
    int64_t lookback_ms;      /* 0: the engine's */
    uint64_t begin_ns;        /* mono_ns since when it waits, for the time-out; 0: now */
    struct cancel *cancel;    /* set by the caller when its client goes away, and by
                              promql_engine_stop; may be NULL */
};

/* ---- results ---- */

struct promql_point {
    int64_t ts_ms;
    double value;
    const struct histogram *h; /* NULL: a float */
};

struct promql_series {
    struct labels labels;
    const struct promql_point *points;
    size_t count;
};

struct promql_result {
    enum promql_type type; /* SCALAR: series[0].points[0]; STRING: `string`; VECTOR: one point a
                                     series; MATRIX */
    struct promql_series *series; /* a matrix is sorted by labels */
    size_t series_count;
    struct str string;
    struct str *warnings, *infos; /* rendered, deduplicated, without the limit of 10 */
    size_t warning_count, info_count;
};

struct promql_statistics {
    uint64_t queue_ns, prepare_ns, eval_ns, total_ns;
    uint64_t samples_read;  /* from the source */
    uint64_t samples_total; /* windows counted at each step: Prometheus' totalQueryableSamples */
    uint64_t samples_peak;  /* held at once */
    uint64_t series_read;
    uint64_t bytes_peak;
};

/* Evaluate; the result lives in `a` (arena of MEM_QUERY, owned by the caller). *stats is filled
 * also on failure; may be NULL. */
CHECK_RESULT enum err_code promql_engine_query(struct promql_engine *e,
                                               const struct promql_query *query, struct arena *a,
                                               struct promql_result *out,
                                               struct promql_statistics *stats, struct err *err);

/* Self-telemetry: appends up to `cap` tables, returns the number. */
size_t promql_engine_stat_tables(struct promql_engine *e, struct stat_table *out, size_t cap);

#endif
