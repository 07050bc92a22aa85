/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/engine.h"

#include <stdlib.h>

#include "os/thread.h"
#include "query/promql/eval.h"
#include "query/promql/prepare.h"

#define CONCURRENCY_DEFAULT 20
#define TIMEOUT_MS_DEFAULT 120000
#define LOOKBACK_MS_DEFAULT 300000
#define SUBQUERY_STEP_MS_DEFAULT 60000
#define SAMPLES_DEFAULT 50000000
#define SERIES_DEFAULT 500000
#define POINTS_DEFAULT 11000

struct engine_stats {
    struct stat_counter queries, failures, timeouts, cancelled, limited;
    struct stat_gauge running, waiting;
    struct stat_counter samples;
    struct stat_histogram queue, eval;
};

/* On the stack of promql_engine_query. */
struct active_query {
    struct active_query *next, **link;
    struct cancel *cancel;
};

struct promql_engine {
    struct promql_engine_options options;
    struct pool *pool;
    struct mutex lock;
    struct cond free_slot;
    unsigned running;         /* guarded by lock */
    struct active_query *all; /* guarded by lock: those that wait or run */
    bool is_stopping;         /* guarded by lock */

    struct engine_stats stats;
};

static const struct stat_desc ENGINE_STATS[] = {
    STAT_COUNTER(struct engine_stats, queries, "pharos_query_queries_total", "Queries evaluated."),
    STAT_COUNTER(struct engine_stats, failures, "pharos_query_failures_total",
                 "Queries that failed, for whatever reason."),
    STAT_COUNTER(struct engine_stats, timeouts, "pharos_query_timeouts_total",
                 "Queries that ran out of time, waiting or running."),
    STAT_COUNTER(struct engine_stats, cancelled, "pharos_query_cancelled_total",
                 "Queries whose client went away."),
    STAT_COUNTER(struct engine_stats, limited, "pharos_query_limited_total",
                 "Queries stopped by a limit on samples, series or memory."),
    STAT_GAUGE(struct engine_stats, running, "pharos_query_running", "Queries that run."),
    STAT_GAUGE(struct engine_stats, waiting, "pharos_query_waiting", "Queries that wait."),
    STAT_COUNTER(struct engine_stats, samples, "pharos_query_samples_read_total",
                 "Samples that queries read."),
    STAT_HISTOGRAM(struct engine_stats, queue, "pharos_query_queue_duration_seconds",
                   "Time that queries waited."),
    STAT_HISTOGRAM(struct engine_stats, eval, "pharos_query_eval_duration_seconds",
                   "Time that queries ran."),
};

DEFINE_CLEANUP(promql_engine_destroy, struct promql_engine *)

static void fill_defaults(struct promql_engine_options *o)
{
    if (!o->workers) o->workers = cpu_count();
    if (!o->concurrency) o->concurrency = CONCURRENCY_DEFAULT;
    if (!o->timeout_ms) o->timeout_ms = TIMEOUT_MS_DEFAULT;
    if (!o->lookback_ms) o->lookback_ms = LOOKBACK_MS_DEFAULT;
    if (!o->subquery_step_ms) o->subquery_step_ms = SUBQUERY_STEP_MS_DEFAULT;
    if (!o->samples_max) o->samples_max = SAMPLES_DEFAULT;
    if (!o->series_max) o->series_max = SERIES_DEFAULT;
    if (!o->points_max) o->points_max = POINTS_DEFAULT;
    if (!o->query_bytes_max) o->query_bytes_max = mem_cap(o->mem, MEM_QUERY) / 4;
}

enum err_code promql_engine_create(const struct promql_engine_options *options,
                                   struct promql_engine **out, struct err *err)
{
    CLEANUP(promql_engine_destroy_p)
    struct promql_engine *e = mem_zalloc(options->mem, MEM_SYSTEM, sizeof *e);
    if (!e) return err_set(err, ERR_NOMEM, "no memory for the query engine");
    e->options = *options;
    fill_defaults(&e->options);
    mutex_init(&e->lock);
    cond_init(&e->free_slot);
    /* The thread that asks works as well. */
    TRY(pool_create(options->mem, e->options.workers - 1, &e->pool, err));
    *out = TAKE(e);
    return ERR_OK;
}

void promql_engine_destroy(struct promql_engine *e)
{
    if (!e) return;
    pool_destroy(e->pool);
    cond_deinit(&e->free_slot);
    mutex_deinit(&e->lock);
    mem_free(e->options.mem, MEM_SYSTEM, e, sizeof *e);
}

size_t promql_engine_stat_tables(struct promql_engine *e, struct stat_table *out, size_t cap)
{
    if (cap == 0) return 0;
    out[0] = (struct stat_table){ ENGINE_STATS, sizeof ENGINE_STATS / sizeof ENGINE_STATS[0],
                                  &e->stats };
    return 1;
}

/* ---- stopping ---- */

static void enter(struct promql_engine *e, struct active_query *q)
{
    MUTEX_SCOPE(&e->lock);
    q->next = e->all;
    q->link = &e->all;
    if (q->next) q->next->link = &q->next;
    e->all = q;
    if (e->is_stopping) cancel_set(q->cancel, CANCEL_SHUTDOWN);
}

static void leave(struct promql_engine *e, struct active_query *q)
{
    MUTEX_SCOPE(&e->lock);
    *q->link = q->next;
    if (q->next) q->next->link = q->link;
}

void promql_engine_stop(struct promql_engine *e)
{
    if (!e) return;
    MUTEX_SCOPE(&e->lock);
    e->is_stopping = true;
    for (struct active_query *q = e->all; q; q = q->next)
        cancel_set(q->cancel, CANCEL_SHUTDOWN);
    cond_broadcast(&e->free_slot);
}

/* ---- waiting for a slot ---- */

#define WAIT_NS (20ull * 1000000ull)

static enum err_code take_slot(struct promql_engine *e, const struct cancel *cancel,
                               uint64_t deadline_ns, struct err *err)
{
    enum err_code rc = ERR_OK;
    MUTEX_SCOPE(&e->lock);
    stat_gauge_add(&e->stats.waiting, 1);
    while (e->running >= e->options.concurrency && rc == ERR_OK) {
        if (cancel_get(cancel) != CANCEL_NONE) {
            rc = err_setf(err, ERR_CANCELLED, "query failed", "query was canceled in query queue");
        } else if (clock_mono_ns(e->options.clock) > deadline_ns) {
            rc = err_setf(err, ERR_TIMEOUT, "query failed", "query timed out in query queue");
        } else {
            (void)cond_wait_ns(&e->free_slot, &e->lock, WAIT_NS);
        }
    }
    stat_gauge_add(&e->stats.waiting, -1);
    if (rc != ERR_OK) return rc;
    e->running++;
    stat_gauge_add(&e->stats.running, 1);
    return ERR_OK;
}

static void leave_slot(struct promql_engine *e)
{
    MUTEX_SCOPE(&e->lock);
    e->running--;
    stat_gauge_add(&e->stats.running, -1);
    cond_signal(&e->free_slot);
}

/* ---- results ---- */

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct promql_series *)a)->labels,
                      ((const struct promql_series *)b)->labels);
}

static enum err_code copy_points(struct arena *a, const struct grid *g, struct row row,
                                 struct promql_series *out, struct err *err)
{
    size_t n = 0;
    for (size_t k = 0; k < g->count; k++)
        n += row.has[k];
    struct promql_point *points = arena_array_raw(a, struct promql_point, n + 1);
    if (!points)
        return err_setf(err, ERR_LIMIT, "query failed", "the answer needs too much memory");
    out->points = points;
    for (size_t k = 0; k < g->count; k++) {
        if (!row.has[k]) continue;
        points[out->count++] = (struct promql_point){ grid_ts(g, k), row.value[k], NULL };
    }
    return ERR_OK;
}

static enum err_code copy_vector(struct arena *a, const struct grid *g, const struct vector *v,
                                 struct promql_result *out, struct err *err)
{
    out->series = arena_array(a, struct promql_series, v->count + 1);
    if (!out->series) {
        return err_setf(err, ERR_LIMIT, "query failed", "the answer needs too much memory");
    }
    for (size_t i = 0; i < v->count; i++) {
        struct promql_series *s = &out->series[out->series_count++];
        TRY(copy_points(a, g, v->series[i].row, s, err));
        TRY(labels_copy(a, v->series[i].labels, &s->labels, err));
    }
    return ERR_OK;
}

/* A range vector asked for by itself: the samples of its window as they are. */
static enum err_code eval_matrix(struct eval *e, const struct promql_expr *x, const struct grid *g,
                                 struct arena *a, struct promql_result *out, struct err *err)
{
    struct raw_series *list;
    size_t count;
    TRY(stream_raw_samples(e, x, g, &list, &count));
    out->series = arena_array(a, struct promql_series, count + 1);
    if (!out->series) {
        return err_setf(err, ERR_LIMIT, "query failed", "the answer needs too much memory");
    }
    for (size_t i = 0; i < count; i++) {
        struct promql_series *s = &out->series[out->series_count++];
        struct promql_point *points = arena_array_raw(a, struct promql_point, list[i].count + 1);
        if (!points) {
            return err_setf(err, ERR_LIMIT, "query failed", "the answer needs too much memory");
        }
        for (size_t k = 0; k < list[i].count; k++) {
            points[k] =
                (struct promql_point){ list[i].samples[k].ts_ms, list[i].samples[k].value, NULL };
        }
        s->points = points;
        s->count = list[i].count;
        TRY(labels_copy(a, list[i].labels, &s->labels, err));
    }
    if (out->series_count) {
        qsort(out->series, out->series_count, sizeof *out->series, by_labels);
    }
    return ERR_OK;
}

static enum err_code eval_root(struct eval *e, const struct promql_expr *x, const struct grid *g,
                               struct arena *a, struct promql_result *out, struct err *err)
{
    bool is_range = e->query->step_ms > 0;
    double *row;
    struct vector v;
    out->type = is_range ? PROMQL_MATRIX : x->type;
    if (x->type == PROMQL_STRING) {
        out->string = arena_str(a, eval_string(x));
        return ERR_OK;
    }
    if (x->type == PROMQL_MATRIX) return eval_matrix(e, x, g, a, out, err);
    if (x->type == PROMQL_SCALAR) {
        struct eval_series one = { 0 };
        TRY(eval_scalar(e, x, g, &row));
        TRY(eval_row(e, e->arena, g->count, &one.row));
        one.row.value = row;
        memset(one.row.has, 1, g->count);
        v = (struct vector){ &one, 1 };
        return copy_vector(a, g, &v, out, err);
    }
    TRY(eval_vector(e, x, g, &v));
    TRY(vector_settle_names(e, g, &v));
    vector_drop_empty(g, &v);
    TRY(copy_vector(a, g, &v, out, err));
    if (is_range && out->series_count) {
        qsort(out->series, out->series_count, sizeof *out->series, by_labels);
    }
    return ERR_OK;
}

static enum err_code render_annotations(const struct eval *e, struct arena *a,
                                        struct promql_result *out, struct err *err)
{
    const struct annotations *n = &e->annotations;
    out->warnings = annotations_render(n->warnings, n->warning_count, "warning", e->query->text, a);
    out->infos = annotations_render(n->infos, n->info_count, "info", e->query->text, a);
    out->warning_count = n->warning_count;
    out->info_count = n->info_count;
    return out->warnings && out->infos
               ? ERR_OK
               : err_setf(err, ERR_LIMIT, "query failed", "the answer needs too much memory");
}

/* ---- one query ---- */

static struct grid grid_of(const struct promql_query *q)
{
    if (q->step_ms == 0) return (struct grid){ q->start_ms, 0, 1 };
    return (struct grid){ q->start_ms, q->step_ms,
                          (size_t)((q->end_ms - q->start_ms) / q->step_ms) + 1 };
}

static enum err_code check_type(const struct promql_query *q, const struct promql_expr *x,
                                struct err *err)
{
    if (q->step_ms == 0 || x->type == PROMQL_SCALAR || x->type == PROMQL_VECTOR) return ERR_OK;
    return err_setf(err, ERR_INVALID, "query failed",
                    "invalid expression type \"" STR_FMT
                    "\" for range query, must be Scalar or instant Vector",
                    STR_ARG(promql_type_text(x->type)));
}

static enum err_code parse_and_prepare(const struct eval *e, struct promql_regexes *regexes,
                                       struct promql_expr **out, struct err *err)
{
    const struct promql_query *q = e->query;
    struct arena *a = e->arena;
    struct promql_parse_options options = { .budget = e->options->mem, .regexes = regexes };
    struct promql_prepare_params params = { q->start_ms, q->end_ms, q->step_ms };
    TRY(promql_parse(q->text, a, &options, out, err));
    TRY(check_type(q, *out, err));
    return promql_prepare(out, &params, a, err);
}

static void open_workers(struct eval *e, unsigned width)
{
    const struct mem_source *mem = mem_source_of(e->options->mem, MEM_QUERY);
    ASSERT(width <= EVAL_WORKERS_MAX);
    for (unsigned i = 0; i < width; i++) {
        arena_init(&e->workers[i].keep, mem, e->options->query_bytes_max);
        arena_init(&e->workers[i].scratch, mem, e->options->query_bytes_max);
    }
}

static uint64_t close_workers(struct eval *e, unsigned width)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < width; i++) {
        bytes += e->workers[i].keep.used_bytes + e->workers[i].scratch.used_bytes;
        arena_deinit(&e->workers[i].keep);
        arena_deinit(&e->workers[i].scratch);
    }
    return bytes;
}

static enum err_code run(struct promql_engine *engine, struct eval *e, struct arena *a,
                         struct promql_result *out, struct err *err)
{
    struct promql_regexes regexes = { 0 };
    struct promql_expr *x;
    struct grid g = grid_of(e->query);
    uint64_t begin = clock_mono_ns(engine->options.clock);
    enum err_code rc = parse_and_prepare(e, &regexes, &x, err);
    uint64_t prepared = clock_mono_ns(engine->options.clock);
    e->stats->prepare_ns = prepared - begin;
    if (rc == ERR_OK) {
        struct promql_result result = { 0 };
        rc = eval_root(e, x, &g, a, &result, err);
        if (rc == ERR_OK) rc = render_annotations(e, a, &result, err);
        if (rc == ERR_OK) *out = result;
    }
    promql_regexes_deinit(&regexes);
    e->stats->eval_ns = clock_mono_ns(engine->options.clock) - prepared;
    stat_observe_ns(&engine->stats.eval, e->stats->eval_ns);
    return rc;
}

static enum err_code run_in_slot(struct promql_engine *engine, const struct promql_query *query,
                                 struct arena *a, struct promql_result *out,
                                 struct promql_statistics *stats, uint64_t deadline_ns,
                                 struct err *err)
{
    struct arena arena;
    struct err own_err = { 0 };
    arena_init(&arena, mem_source_of(engine->options.mem, MEM_QUERY),
               engine->options.query_bytes_max);
    struct eval *e = arena_new(&arena, struct eval);
    if (!e) return err_setf(err, ERR_NOMEM, "query failed", "no memory for a query");
    *e = (struct eval){ .options = &engine->options,
                        .query = query,
                        .arena = &arena,
                        .pool = engine->pool,
                        .cancel = query->cancel,
                        .deadline_ns = deadline_ns,
                        .stats = stats,
                        .err = &own_err };
    e->lookback_ms = query->lookback_ms > 0 ? query->lookback_ms : engine->options.lookback_ms;
    mutex_init(&e->err_lock);
    annotations_init(&e->annotations, arena.mem);
    unsigned width = pool_width(engine->pool);
    open_workers(e, width);
    enum err_code rc = run(engine, e, a, out, &own_err);
    if (rc != ERR_OK && err) *err = own_err;
    stats->samples_read = atomic_load_explicit(&e->samples_read, memory_order_relaxed);
    stats->samples_total = atomic_load_explicit(&e->samples_total, memory_order_relaxed);
    stats->samples_peak = atomic_load_explicit(&e->samples_held, memory_order_relaxed);
    stats->bytes_peak = arena.used_bytes + close_workers(e, width);
    annotations_deinit(&e->annotations);
    mutex_deinit(&e->err_lock);
    arena_deinit(&arena);
    return rc;
}

static void count_result(struct promql_engine *e, enum err_code rc,
                         const struct promql_statistics *stats)
{
    stat_add(&e->stats.queries, 1);
    stat_add(&e->stats.samples, stats->samples_read);
    if (rc != ERR_OK) stat_add(&e->stats.failures, 1);
    if (rc == ERR_TIMEOUT) stat_add(&e->stats.timeouts, 1);
    if (rc == ERR_CANCELLED) stat_add(&e->stats.cancelled, 1);
    if (rc == ERR_LIMIT) stat_add(&e->stats.limited, 1);
}

int64_t promql_engine_timeout_ms(const struct promql_engine *e, int64_t wanted_ms)
{
    if (wanted_ms < 0) return 1; /* over before it began */
    return wanted_ms > 0 && wanted_ms < e->options.timeout_ms ? wanted_ms : e->options.timeout_ms;
}

/* What would make no grid. */
static enum err_code check_range(const struct promql_engine *e, const struct promql_query *q,
                                 struct err *err)
{
    const int64_t most = EVAL_TS_MAX / 2;
    if (q->start_ms < -most || q->end_ms > most || q->step_ms < 0 || q->lookback_ms > most) {
        return err_setf(err, ERR_INVALID, "query failed", "time out of range");
    }
    if (q->end_ms < q->start_ms) {
        return err_setf(err, ERR_INVALID, "query failed",
                        "end timestamp must not be before start time");
    }
    if (q->step_ms == 0) return ERR_OK;
    if ((uint64_t)((q->end_ms - q->start_ms) / q->step_ms) < e->options.points_max) return ERR_OK;
    return err_setf(err, ERR_INVALID, "query failed",
                    "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing "
                    "the query resolution (?step=XX)");
}

enum err_code promql_engine_query(struct promql_engine *e, const struct promql_query *query,
                                  struct arena *a, struct promql_result *out,
                                  struct promql_statistics *stats, struct err *err)
{
    struct promql_statistics own = { 0 };
    struct cancel own_cancel = { CANCEL_NONE };
    struct active_query active = { .cancel = query->cancel ? query->cancel : &own_cancel };
    uint64_t begin = query->begin_ns ? query->begin_ns : clock_mono_ns(e->options.clock);
    int64_t timeout_ms = promql_engine_timeout_ms(e, query->timeout_ms);
    uint64_t deadline = begin + (uint64_t)timeout_ms * 1000000u;
    enum err_code rc = check_range(e, query, err);
    enter(e, &active);
    if (rc == ERR_OK) rc = take_slot(e, active.cancel, deadline, err);
    bool has_slot = rc == ERR_OK;
    own.queue_ns = clock_mono_ns(e->options.clock) - begin;
    stat_observe_ns(&e->stats.queue, own.queue_ns);
    if (has_slot) {
        struct promql_query with_cancel = *query;
        with_cancel.cancel = active.cancel;
        rc = run_in_slot(e, &with_cancel, a, out, &own, deadline, err);
        leave_slot(e);
    }
    leave(e, &active);
    own.total_ns = clock_mono_ns(e->options.clock) - begin;
    count_result(e, rc, &own);
    if (stats) *stats = own;
    return rc;
}
