/* SPDX-License-Identifier: Apache-2.0
 *
 * eval - evaluation of a prepared tree over a grid of steps: the types that its parts share.
 *
 * A value of one expression over the grid is
 *     scalar  a row of T doubles, all present
 *     vector  series, each a row of T doubles and T flags (1 = there is a point at that step)
 *     stream  a vector that is not computed yet: a base that makes rows by series (selector, window
 *     function,
 *             or an existing vector) and a chain of maps over each row. Aggregations consume it row
 *             by row, so it never exists as a whole; eval_vector() makes a vector of it.
 *
 * Rows      value[T], has[T]; value is meaningless where has is 0.
 * Names     A series keeps its labels whole; `drop_name` marks that its metric name goes. Immediate
 *           mode strips it when a vector is made, delayed mode at the end of the query (promql.md
 *           section 10).
 * Threads   A query is driven by one thread; the parts of a stream run on the pool's workers, each
 *           with its arena and buffers (eval.workers[w]).
 * Memory    Everything lives in the query's arenas and goes with them.
 * Errors    The first one of any worker wins; texts as promql.md section 6.
 */
#ifndef PHAROS_QUERY_PROMQL_EVAL_H
#define PHAROS_QUERY_PROMQL_EVAL_H

#include "model/source.h"
#include "query/pool.h"
#include "query/promql/annotations.h"
#include "query/promql/engine.h"
#include "query/promql/function_table.h"

#define EVAL_WORKERS_MAX 65
#define MORSEL_SERIES 64
/* Times of queries and of @ lie within +- this: sums with offsets and ranges (at most 2^63 ns each)
 * never wrap. */
#define EVAL_TS_MAX ((int64_t)1 << 62)

/* Steps start, start + step, ..., count of them. */
struct grid {
    int64_t start_ms, step_ms;
    size_t count;
};

static inline int64_t grid_ts(const struct grid *g, size_t k)
{
    return g->start_ms + (int64_t)k * g->step_ms;
}

struct row {
    double *value;
    uint8_t *has;
};

struct eval_series {
    struct labels labels;
    struct row row;
    bool drop_name;
};

struct vector {
    struct eval_series *series;
    size_t count;
};

struct eval_worker {
    struct arena keep;    /* rows that live as long as the query */
    struct arena scratch; /* reset per part */
};

struct eval {
    const struct promql_engine_options *options;
    const struct promql_query *query;
    struct arena *arena; /* of the driving thread */
    struct pool *pool;
    struct eval_worker workers[EVAL_WORKERS_MAX];
    struct annotations annotations;
    const struct cancel *cancel;
    uint64_t deadline_ns;
    int64_t lookback_ms;
    struct promql_statistics *stats;
    /* any thread: relaxed counters */
    _Atomic uint64_t samples_held, samples_read, samples_total;
    _Atomic int
        failure; /* enum err_code; any thread: the first error is in `err`, under err_lock */
    struct mutex err_lock;
    struct err *err;
};

/* ---- eval.c ---- */

CHECK_RESULT enum err_code eval_scalar(struct eval *e, const struct promql_expr *x,
                                       const struct grid *g, double **out);
CHECK_RESULT enum err_code eval_vector(struct eval *e, const struct promql_expr *x,
                                       const struct grid *g, struct vector *out);
/* The direct string argument of a call. */
struct str eval_string(const struct promql_expr *x);

enum err_code eval_fail(struct eval *e, enum err_code code, const char *text);
__attribute__((format(printf, 3, 4))) enum err_code eval_failf(struct eval *e, enum err_code code,
                                                               const char *fmt, ...);
enum err_code eval_fail_nomem(struct eval *e);
/* Cancelled, timed out, or failed elsewhere? Called once per morsel. */
CHECK_RESULT enum err_code eval_check(struct eval *e);
/* Count samples that are held from now on; ERR_LIMIT above the query's limit. */
CHECK_RESULT enum err_code eval_hold(struct eval *e, uint64_t samples);
/* A row in `a`; has is zeroed. */
CHECK_RESULT enum err_code eval_row(struct eval *e, struct arena *a, size_t steps, struct row *out);

/* ---- vectors: vector.c ---- */

/* Labels without __name__, __type__ and __unit__. ERR_NOMEM. */
CHECK_RESULT enum err_code labels_without_metadata(struct eval *e, struct labels in,
                                                   struct labels *out);
/* Strip names where drop_name is set (immediate mode, or the end), then join series of equal labels
 * with disjoint points; points at the same step are the labelset error. */
CHECK_RESULT enum err_code vector_settle_names(struct eval *e, const struct grid *g,
                                               struct vector *v);
/* The same unless names are removed at the end only. */
CHECK_RESULT enum err_code vector_after_call(struct eval *e, const struct grid *g,
                                             struct vector *v);
/* Leave out series without any point. */
void vector_drop_empty(const struct grid *g, struct vector *v);
/* Dense ids of equal keys: out[i] in [0, *out_count). */
CHECK_RESULT enum err_code group_ids(struct eval *e, const struct hash128 *keys, size_t count,
                                     uint32_t *out, size_t *out_count);
/* labels_hash128 of the kept labels. */
struct hash128 grouping_hash(struct labels labels, const struct label_grouping *g);
CHECK_RESULT enum err_code grouping_labels(struct eval *e, struct labels labels,
                                           const struct label_grouping *g, struct labels *out);
/* Sorted copy of names. */
CHECK_RESULT enum err_code sorted_names(struct eval *e, struct promql_names names, struct str extra,
                                        struct label_grouping *out);

/* ---- streams: stream.c ---- */

struct window_call; /* window.h */
struct window_plan;
struct map;

enum stream_base { STREAM_SELECTOR, STREAM_WINDOW, STREAM_VECTOR };

#define STREAM_MAPS_MAX 16

/* One step of the chain: changes a row in place. */
struct map {
    void (*fn)(const struct map *m, const struct grid *g, struct row row);
    const double *a, *b; /* scalar rows, [T] */
    double (*unary)(double);
    enum promql_op op;
    bool returns_bool, scalar_is_left;
    struct eval *e; /* these two for annotations of operators */
    const struct promql_expr *x;
};

struct stream {
    enum stream_base base;
    const struct promql_expr *expr; /* for annotations */
    struct series_set *set;         /* SELECTOR, and WINDOW over a matrix selector */
    struct vector vector;           /* VECTOR, and WINDOW over a subquery */
    struct grid inner;              /* WINDOW over a subquery: the grid of `vector` */
    const struct window_call *call; /* WINDOW */
    int64_t offset_ms, at_ms;       /* of the selector or subquery */
    bool has_at;
    bool wants_time; /* SELECTOR: the sample's own time in s instead of its value */
    bool drop_name;
    bool is_settled; /* stream_settle_names has seen it */
    struct map maps[STREAM_MAPS_MAX];
    size_t map_count;
};

/* A stream for a vector expression; release with stream_close. */
CHECK_RESULT enum err_code stream_open(struct eval *e, const struct promql_expr *x,
                                       const struct grid *g, struct stream *out);
void stream_close(struct stream *s);
/* Immediate name removal, at the operation that drops the name: metrics that then are equal are the
 * labelset error, or one series if they take turns, before a later filter may hide them. Where
 * there are any the stream becomes a vector; selectors of one metric cannot have that and cost
 * nothing. */
CHECK_RESULT enum err_code stream_settle_names(struct eval *e, const struct grid *g,
                                               struct stream *s);
size_t stream_count(const struct stream *s);
CHECK_RESULT enum err_code stream_labels(struct eval *e, const struct stream *s, size_t i,
                                         struct arena *a, struct labels *out, bool *out_drop_name);
CHECK_RESULT enum err_code stream_group_hashes(struct eval *e, const struct stream *s,
                                               const struct label_grouping *g, struct hash128 *out);

/* Makes rows one after another; one per worker and part. */
struct row_maker {
    struct eval *e;
    const struct stream *s;
    const struct grid *g;
    struct series_reader *reader;
    struct sample_columns columns; /* points of a subquery, samples without stale markers */
    struct row row;                /* scratch */
    struct window_plan *plan;      /* of window functions */
    struct arena *arena;
    uint64_t samples_read, samples_total;
    struct arena labels; /* of the series at hand, for annotations */
};
CHECK_RESULT enum err_code row_maker_open(struct row_maker *m, struct eval *e,
                                          const struct stream *s, const struct grid *g,
                                          struct arena *a);
void row_maker_close(struct row_maker *m);
/* The row of series i in m->row, valid until the next call; *out_any = false when it has no
 * point. */
CHECK_RESULT enum err_code row_maker_next(struct row_maker *m, size_t i, bool *out_any);

/* All rows of a stream as a vector. */
CHECK_RESULT enum err_code stream_collect(struct eval *e, const struct stream *s,
                                          const struct grid *g, struct vector *out);

/* The samples in the window of a range vector expression at the first step. */
struct raw_series {
    struct labels labels;
    struct sample *samples;
    size_t count;
};
CHECK_RESULT enum err_code stream_raw_samples(struct eval *e, const struct promql_expr *x,
                                              const struct grid *g, struct raw_series **out,
                                              size_t *out_count);

/* ---- the other parts ---- */

CHECK_RESULT enum err_code eval_aggregate(struct eval *e, const struct promql_expr *x,
                                          const struct grid *g, struct vector *out);
/* topk, bottomk, quantile, count_values, limitk, limit_ratio: those that keep rows. */
CHECK_RESULT enum err_code aggregate_rows(struct eval *e, const struct promql_expr *x,
                                          const struct grid *g, struct vector *out);
CHECK_RESULT enum err_code eval_binary(struct eval *e, const struct promql_expr *x,
                                       const struct grid *g, struct vector *out);
/* Calls that are no maps and no windows: label_replace, histogram_quantile, absent, ... */
CHECK_RESULT enum err_code eval_call(struct eval *e, const struct promql_expr *x,
                                     const struct grid *g, struct vector *out);
/* abs(), clamp(), hour(), ... as a map over rows; false when the function is none. */
bool map_of_function(enum promql_function_id id, struct map *out);
void map_apply_op(const struct map *m, const struct grid *g, struct row row);
/* `</`, `>/`: they trim histograms. */
bool is_trim_op(enum promql_op op);
/* The info for floats as operands of the trim operator x. */
void note_trim_of_floats(struct eval *e, const struct promql_expr *x);
double apply_op(enum promql_op op, double l, double r);
bool compare_op(enum promql_op op, double l, double r);
/* A warning at `pos` unless q is in [0, 1]. */
void warn_quantile(struct eval *e, struct promql_pos pos, double q);
/* promql.md 12.1; reorders `values`. quantile.c */
double quantile_of(double q, double *values, size_t n);
/* Kahan-Neumaier step: add x to (*sum, *c). */
void kahan_add(double x, double *sum, double *c);

CHECK_RESULT enum err_code fn_label_replace(struct eval *e, const struct promql_expr *x,
                                            const struct grid *g, struct vector *out);
CHECK_RESULT enum err_code fn_label_join(struct eval *e, const struct promql_expr *x,
                                         const struct grid *g, struct vector *out);
CHECK_RESULT enum err_code fn_sort_by_label(struct eval *e, const struct promql_expr *x,
                                            const struct grid *g, struct vector *out);
CHECK_RESULT enum err_code fn_histogram_quantile(struct eval *e, const struct promql_expr *x,
                                                 const struct grid *g, struct vector *out);
CHECK_RESULT enum err_code fn_histogram_fraction(struct eval *e, const struct promql_expr *x,
                                                 const struct grid *g, struct vector *out);

#endif
