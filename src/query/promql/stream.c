/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams: from an expression to rows, one series at a time, in parallel.
 */
#include <math.h>

#include "query/promql/eval.h"
#include "query/promql/kernels.h"
#include "query/promql/window.h"

/* ---- opening ---- */

/* Far enough from the ends of int64 for any offset and range. */
static int64_t bounded_ts(int64_t ts_ms)
{
    const int64_t most = EVAL_TS_MAX;
    return ts_ms > most ? most : ts_ms < -most ? -most : ts_ms;
}

/* The series of all selectors together are limited. */
static enum err_code count_series(struct eval *e, const struct series_set *set)
{
    e->stats->series_read += set->ops->count(set);
    if (e->stats->series_read <= e->options->series_max) return ERR_OK;
    return eval_failf(e, ERR_LIMIT, "query touches too many series (limit %llu)",
                      (unsigned long long)e->options->series_max);
}

/* Blocks of the range that cannot be read for now. After the select: what it did not see is
 * named. */
static enum err_code warn_of_store(struct eval *e, const struct source_request *request)
{
    const struct source *source = &e->options->source;
    struct str_list texts = { 0 };
    struct err err = { 0 };
    if (source->ops->warnings == NULL) return ERR_OK;
    enum err_code rc = source->ops->warnings(source->ctx, request->mint_ms, request->maxt_ms,
                                             e->arena, &texts, &err);
    if (rc != ERR_OK) return eval_failf(e, rc, "expanding series: %s", err.msg);
    for (size_t i = 0; i < texts.len; i++)
        annotations_warn_store(&e->annotations, texts.ptr[i]);
    return ERR_OK;
}

static enum err_code select_series(struct eval *e, const struct promql_selector *s,
                                   const struct grid *g, int64_t range_ms, struct stream *out)
{
    int64_t last = grid_ts(g, g->count - 1), first = g->start_ms;
    if (s->shift.at != PROMQL_AT_NONE) first = last = bounded_ts(s->shift.at_ms);
    out->has_at = s->shift.at != PROMQL_AT_NONE;
    out->at_ms = first;
    out->offset_ms = s->shift.offset_ms;
    /* Left-open windows: the sample at exactly `start` is outside. */
    struct source_request request = {
        .matchers = s->matchers,
        .mint_ms = first - s->shift.offset_ms - range_ms + 1,
        .maxt_ms = last - s->shift.offset_ms,
        .only_newest = out->base == STREAM_SELECTOR && (first == last),
        .series_max = e->options->series_max,
        .cancel = e->cancel,
    };
    if (s->anchored || s->smoothed) {
        return eval_fail(e, ERR_UNSUPPORTED, "anchored and smoothed are not supported yet");
    }
    struct err err = { 0 };
    enum err_code rc = e->options->source.ops->select(e->options->source.ctx, &request,
                                                      e->options->mem, &out->set, &err);
    if (rc == ERR_OK) {
        TRY(warn_of_store(e, &request));
        return count_series(e, out->set);
    }
    return eval_failf(e, rc, "expanding series: %s", err.detail[0] ? err.detail : err.msg);
}

/* The inner grid of a subquery: absolute multiples of its step, so that points do not depend on
 * the outer time. An empty grid has count 0. */
static struct grid subquery_grid(const struct eval *e, const struct promql_subquery *q,
                                 const struct grid *g)
{
    int64_t step = q->step_ms ? q->step_ms : e->options->subquery_step_ms;
    int64_t first_ref = g->start_ms, last_ref = grid_ts(g, g->count - 1);
    if (q->shift.at != PROMQL_AT_NONE) first_ref = last_ref = bounded_ts(q->shift.at_ms);
    int64_t begin = first_ref - q->shift.offset_ms - q->range_ms;
    int64_t end = last_ref - q->shift.offset_ms;
    int64_t first = step * (begin / step);
    if (first <= begin) first += step;
    struct grid inner = { first, step, 0 };
    if (end >= first) inner.count = (size_t)((end - first) / step) + 1;
    return inner;
}

static enum err_code open_subquery(struct eval *e, const struct promql_expr *x,
                                   const struct grid *g, struct stream *out)
{
    const struct promql_subquery *q = x->subquery;
    out->has_at = q->shift.at != PROMQL_AT_NONE;
    out->at_ms = bounded_ts(q->shift.at_ms);
    out->offset_ms = q->shift.offset_ms;
    out->inner = subquery_grid(e, q, g);
    if (out->inner.count == 0) return ERR_OK;
    if (e->options->points_max && out->inner.count > e->options->samples_max) {
        return eval_fail(e, ERR_LIMIT,
                         "query processing would load too many samples into memory in query "
                         "execution");
    }
    return eval_vector(e, q->inner, &out->inner, &out->vector);
}

/* `x` is a matrix selector or a subquery. */
static enum err_code open_range(struct eval *e, const struct promql_expr *x, const struct grid *g,
                                struct window_call *call, struct stream *out)
{
    out->base = STREAM_WINDOW;
    out->expr = x;
    out->call = call;
    if (x->kind == PROMQL_SUBQUERY) {
        call->range_ms = x->subquery->range_ms;
        return open_subquery(e, x, g, out);
    }
    call->range_ms = x->matrix->range_ms;
    return select_series(e, x->matrix->selector->selector, g, call->range_ms, out);
}

static bool is_counter_name(struct str name)
{
    return str_ends_with(name, STR("_total")) || str_ends_with(name, STR("_sum")) ||
           str_ends_with(name, STR("_count")) || str_ends_with(name, STR("_bucket"));
}

/* Does the selector's name say that all its series are counters? */
static bool selects_counters(const struct promql_expr *range)
{
    if (range->kind != PROMQL_MATRIX_SELECTOR) return false;
    const struct matchers *list = &range->matrix->selector->selector->matchers;
    for (size_t i = 0; i < list->len; i++) {
        const struct matcher *m = &list->ptr[i];
        if (m->type == MATCH_EQ && str_eq(m->name, LABEL_METRIC_NAME)) {
            return is_counter_name(m->value);
        }
    }
    return false;
}

/* rate(x[5m]) and its kin. */
static enum err_code open_window(struct eval *e, const struct promql_expr *x, const struct grid *g,
                                 struct stream *out)
{
    const struct promql_function *fn = x->call->fn;
    const struct promql_expr *arg = NULL;
    struct window_call *call = arena_new(e->arena, struct window_call);
    if (!call) return eval_fail_nomem(e);
    if (!window_call_of(fn->id, call)) UNREACHABLE();
    call->pos = x->call->args[0]->pos;
    for (size_t i = 0; i < x->call->arg_count; i++) {
        const struct promql_expr *a = x->call->args[i];
        if (a->type == PROMQL_MATRIX) {
            arg = promql_unwrap(a);
            continue;
        }
        double *row;
        TRY(eval_scalar(e, a, g, &row));
        if (call->a) {
            call->b = row;
        } else {
            call->a = row;
        }
    }
    out->drop_name = !fn->keeps_name;
    call->checks_name = call->is_counter && !selects_counters(arg);
    return open_range(e, arg, g, call, out);
}

static enum err_code add_map(struct eval *e, struct stream *s, struct map m)
{
    ASSERT(s->map_count < STREAM_MAPS_MAX);
    s->maps[s->map_count++] = m;
    (void)e;
    return ERR_OK;
}

/* abs(v), clamp(v, a, b), hour(v) ... */
static enum err_code open_mapped_call(struct eval *e, const struct promql_expr *x,
                                      const struct grid *g, struct stream *out)
{
    struct map m = { 0 };
    double *rows[2] = { NULL, NULL };
    size_t n = 0;
    (void)map_of_function(x->call->fn->id, &m);
    TRY(stream_open(e, x->call->args[0], g, out));
    for (size_t i = 1; i < x->call->arg_count && n < 2; i++) {
        TRY(eval_scalar(e, x->call->args[i], g, &rows[n++]));
    }
    m.a = rows[0];
    m.b = rows[1];
    out->drop_name = true;
    return add_map(e, out, m);
}

/* vector op scalar, scalar op vector */
static enum err_code open_scalar_binary(struct eval *e, const struct promql_expr *x,
                                        const struct grid *g, struct stream *out)
{
    const struct promql_binary *b = x->binary;
    bool scalar_is_left = b->lhs->type == PROMQL_SCALAR;
    struct map m = { .fn = map_apply_op,
                     .e = e,
                     .x = x,
                     .op = b->op,
                     .returns_bool = b->returns_bool,
                     .scalar_is_left = scalar_is_left };
    double *row;
    TRY(eval_scalar(e, scalar_is_left ? b->lhs : b->rhs, g, &row));
    TRY(stream_open(e, scalar_is_left ? b->rhs : b->lhs, g, out));
    m.a = row;
    if (!promql_op_is_comparison(b->op) || b->returns_bool) out->drop_name = true;
    return add_map(e, out, m);
}

static void negate(const struct map *m, const struct grid *g, struct row row)
{
    (void)m;
    for (size_t k = 0; k < g->count; k++)
        row.value[k] = -row.value[k];
}

static bool is_scalar_binary(const struct promql_expr *x)
{
    return x->kind == PROMQL_BINARY &&
           (x->binary->lhs->type == PROMQL_SCALAR || x->binary->rhs->type == PROMQL_SCALAR);
}

static bool is_direct_selector(const struct promql_expr *x)
{
    return x->kind == PROMQL_VECTOR_SELECTOR;
}

/* timestamp(selector): the sample's own time. */
static bool is_own_time(const struct promql_expr *x)
{
    if (x->kind != PROMQL_CALL || x->call->fn->id != PROMQL_FN_TIMESTAMP) return false;
    const struct promql_expr *arg = x->call->args[0];
    while (arg->kind == PROMQL_PAREN)
        arg = arg->inner;
    if (arg->kind == PROMQL_STEP_INVARIANT) arg = promql_unwrap(arg);
    return is_direct_selector(arg);
}

/* A minus, an operator with a scalar, or a function of single values over another stream? */
static bool is_map(const struct promql_expr *x)
{
    struct map ignored;
    if (x->kind == PROMQL_UNARY || is_scalar_binary(x)) return true;
    return x->kind == PROMQL_CALL && x->call->arg_count > 0 &&
           map_of_function(x->call->fn->id, &ignored);
}

static enum err_code open_map(struct eval *e, const struct promql_expr *x, const struct grid *g,
                              struct stream *out)
{
    enum err_code rc;
    if (x->kind == PROMQL_UNARY) {
        rc = stream_open(e, x->unary.inner, g, out);
        if (rc != ERR_OK) return rc;
        out->drop_name = true;
        rc = add_map(e, out, (struct map){ .fn = negate });
    } else if (x->kind == PROMQL_BINARY) {
        rc = open_scalar_binary(e, x, g, out);
    } else {
        rc = open_mapped_call(e, x, g, out);
    }
    if (rc != ERR_OK || out->map_count < STREAM_MAPS_MAX) return rc;
    /* A very long chain: make a vector of it and go on from there. */
    struct vector v;
    rc = stream_collect(e, out, g, &v);
    stream_close(out);
    *out = (struct stream){ .base = STREAM_VECTOR,
                            .expr = x,
                            .vector = v,
                            .drop_name = out->drop_name,
                            .is_settled = out->is_settled };
    return rc;
}

static enum err_code open_stream(struct eval *e, const struct promql_expr *x, const struct grid *g,
                                 struct stream *out)
{
    struct window_call window;
    while (x->kind == PROMQL_PAREN)
        x = x->inner;
    if (x->kind == PROMQL_UNARY && !x->unary.is_minus)
        return stream_open(e, x->unary.inner, g, out);
    if (is_map(x)) return open_map(e, x, g, out);
    *out = (struct stream){ .base = STREAM_VECTOR, .expr = x };
    if (is_direct_selector(x) || is_own_time(x)) {
        const struct promql_expr *selector = x;
        out->base = STREAM_SELECTOR;
        out->wants_time = !is_direct_selector(x);
        out->drop_name = out->wants_time;
        if (out->wants_time) selector = promql_unwrap(x->call->args[0]);
        return select_series(e, selector->selector, g, e->lookback_ms, out);
    }
    if (x->kind == PROMQL_CALL && window_call_of(x->call->fn->id, &window))
        return open_window(e, x, g, out);
    return eval_vector(e, x, g, &out->vector);
}

enum err_code stream_open(struct eval *e, const struct promql_expr *x, const struct grid *g,
                          struct stream *out)
{
    TRY(open_stream(e, x, g, out));
    return stream_settle_names(e, g, out);
}

void stream_close(struct stream *s)
{
    if (s->set) s->set->ops->destroy(s->set);
    s->set = NULL;
}

size_t stream_count(const struct stream *s)
{
    return s->set ? s->set->ops->count(s->set) : s->vector.count;
}

enum err_code stream_labels(struct eval *e, const struct stream *s, size_t i, struct arena *a,
                            struct labels *out, bool *out_drop_name)
{
    struct err err = { 0 };
    *out_drop_name = s->drop_name;
    if (!s->set) {
        *out = s->vector.series[i].labels;
        *out_drop_name |= s->vector.series[i].drop_name;
        return ERR_OK;
    }
    enum err_code rc = s->set->ops->labels(s->set, i, a, out, &err);
    return rc == ERR_OK ? ERR_OK : eval_fail(e, rc, err.detail[0] ? err.detail : err.msg);
}

enum err_code stream_group_hashes(struct eval *e, const struct stream *s,
                                  const struct label_grouping *g, struct hash128 *out)
{
    struct err err = { 0 };
    if (!s->set) {
        for (size_t i = 0; i < s->vector.count; i++) {
            out[i] = grouping_hash(s->vector.series[i].labels, g);
        }
        return ERR_OK;
    }
    enum err_code rc = s->set->ops->group_hashes(s->set, 0, stream_count(s), g, out, &err);
    return rc == ERR_OK ? ERR_OK : eval_fail(e, rc, err.detail[0] ? err.detail : err.msg);
}

/* ---- rows ---- */

enum err_code row_maker_open(struct row_maker *m, struct eval *e, const struct stream *s,
                             const struct grid *g, struct arena *a)
{
    struct err err = { 0 };
    *m = (struct row_maker){ .e = e, .s = s, .g = g, .arena = a };
    arena_init(&m->labels, a->mem, a->cap_bytes);
    TRY(eval_row(e, a, g->count, &m->row));
    if (s->base == STREAM_WINDOW) {
        m->plan = arena_new(a, struct window_plan);
        if (!m->plan) return eval_fail_nomem(e);
        TRY(window_plan_init(m->plan, e, s->call, a, g->count));
    }
    if (!s->set) return ERR_OK;
    enum err_code rc = s->set->ops->reader_create(s->set, e->options->mem, &m->reader, &err);
    return rc == ERR_OK ? ERR_OK : eval_fail(e, rc, err.detail[0] ? err.detail : err.msg);
}

void row_maker_close(struct row_maker *m)
{
    if (!m->e) return;
    if (m->reader) m->reader->ops->reader_destroy(m->reader);
    m->reader = NULL;
    atomic_fetch_add_explicit(&m->e->samples_read, m->samples_read, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->e->samples_total, m->samples_total, memory_order_relaxed);
    arena_deinit(&m->labels);
}

/* Newest sample in (ref - lookback, ref] at each step; a stale marker hides what is older. */
static bool selector_row(struct row_maker *m, const struct sample_columns *c)
{
    const struct stream *s = m->s;
    const struct grid *g = m->g;
    int64_t lookback = m->e->lookback_ms;
    size_t next = 0;
    bool any = false;
    for (size_t k = 0; k < g->count; k++) {
        int64_t ref = (s->has_at ? s->at_ms : grid_ts(g, k)) - s->offset_ms;
        while (next < c->count && c->ts_ms[next] <= ref)
            next++;
        m->row.has[k] =
            next > 0 && c->ts_ms[next - 1] > ref - lookback && !is_stale(c->value[next - 1]);
        if (!m->row.has[k]) continue;
        m->row.value[k] = s->wants_time ? (double)c->ts_ms[next - 1] / 1000 : c->value[next - 1];
        any = true;
        m->samples_total++;
    }
    return any;
}

/* Room for `count` samples in m->columns. */
static enum err_code reserve_columns(struct row_maker *m, size_t count)
{
    struct sample_columns *c = &m->columns;
    if (count <= c->cap) return ERR_OK;
    c->cap = count * 2;
    c->ts_ms = arena_array_raw(m->arena, int64_t, c->cap);
    c->value = arena_array_raw(m->arena, double, c->cap);
    return c->ts_ms && c->value ? ERR_OK : eval_fail_nomem(m->e);
}

/* The samples without stale markers: a copy when there are any. */
static enum err_code remove_stale(struct row_maker *m, struct sample_columns *c)
{
    size_t n = 0;
    if (!kernel_any_stale(c->value, c->count)) return ERR_OK;
    TRY(reserve_columns(m, c->count));
    for (size_t i = 0; i < c->count; i++) {
        if (is_stale(c->value[i])) continue;
        m->columns.ts_ms[n] = c->ts_ms[i];
        m->columns.value[n++] = c->value[i];
    }
    m->columns.count = n;
    *c = m->columns;
    return ERR_OK;
}

static enum err_code points_of_subquery(struct row_maker *m, size_t i, struct sample_columns *out)
{
    const struct row *row = &m->s->vector.series[i].row;
    size_t n = 0;
    TRY(reserve_columns(m, m->s->inner.count));
    for (size_t k = 0; k < m->s->inner.count; k++) {
        if (!row->has[k]) continue;
        m->columns.ts_ms[n] = grid_ts(&m->s->inner, k);
        m->columns.value[n++] = row->value[k];
    }
    m->columns.count = n;
    *out = m->columns;
    return ERR_OK;
}

/* What a window function has to say about a series that has points. */
static enum err_code annotate(struct row_maker *m, size_t i)
{
    const struct window_call *call = m->s->call;
    struct annotations *annotations = &m->e->annotations;
    struct labels labels;
    bool drop_name;
    for (size_t k = 0; call->checks_quantile && k < m->g->count; k++) {
        if (m->row.has[k]) warn_quantile(m->e, call->pos, call->a[k]);
    }
    if (!call->checks_name) return ERR_OK;
    arena_reset(&m->labels);
    TRY(stream_labels(m->e, m->s, i, &m->labels, &labels, &drop_name));
    struct str name = labels_get(labels, LABEL_METRIC_NAME);
    if (name.len == 0 || is_counter_name(name)) return ERR_OK;
    annotations_info(annotations, call->pos,
                     "metric might not be a counter, name does not end in "
                     "_total/_sum/_count/_bucket: \"" STR_FMT "\"",
                     STR_ARG(name));
    return ERR_OK;
}

static enum err_code read_series(struct row_maker *m, size_t i, struct sample_columns *out)
{
    struct err err = { 0 };
    enum err_code rc = m->reader->ops->read(m->reader, i, out, &err);
    if (rc != ERR_OK) return eval_fail(m->e, rc, err.detail[0] ? err.detail : err.msg);
    for (size_t k = 0; out->h && k < out->count; k++) {
        if (out->h[k])
            return eval_fail(m->e, ERR_UNSUPPORTED, "native histograms are not supported yet");
    }
    if (out->count > m->e->options->samples_max) return eval_hold(m->e, out->count);
    m->samples_read += out->count;
    return ERR_OK;
}

/* The samples of series i for windows. */
static enum err_code window_samples(struct row_maker *m, size_t i, struct sample_columns *out)
{
    if (!m->s->set) return points_of_subquery(m, i, out);
    TRY(read_series(m, i, out));
    return remove_stale(m, out);
}

static enum err_code make_window_row(struct row_maker *m, size_t i, bool *out_any)
{
    const struct stream *s = m->s;
    struct sample_columns c;
    TRY(window_samples(m, i, &c));
    struct window_input in = { .e = m->e,
                               .call = s->call,
                               .columns = &c,
                               .offset_ms = s->offset_ms,
                               .at_ms = s->at_ms,
                               .has_at = s->has_at };
    TRY(window_row(m->plan, &in, m->g, m->row, out_any));
    m->samples_total += m->plan->samples;
    return *out_any ? annotate(m, i) : ERR_OK;
}

enum err_code row_maker_next(struct row_maker *m, size_t i, bool *out_any)
{
    const struct stream *s = m->s;
    struct sample_columns c;
    if (s->base == STREAM_VECTOR) {
        const struct row *row = &s->vector.series[i].row;
        memcpy(m->row.value, row->value, m->g->count * sizeof *row->value);
        memcpy(m->row.has, row->has, m->g->count);
        *out_any = true;
    } else if (s->base == STREAM_SELECTOR) {
        TRY(read_series(m, i, &c));
        *out_any = selector_row(m, &c);
    } else {
        TRY(make_window_row(m, i, out_any));
    }
    if (!*out_any) return ERR_OK;
    for (size_t k = 0; k < s->map_count; k++)
        s->maps[k].fn(&s->maps[k], m->g, m->row);
    *out_any = memchr(m->row.has, 1, m->g->count) != NULL;
    return ERR_OK;
}

/* ---- collecting ---- */

struct collect {
    struct eval *e;
    const struct stream *s;
    const struct grid *g;
    struct eval_series *series; /* by index; row.has == NULL: no point */
};

static enum err_code keep_row(struct collect *c, struct arena *keep, size_t i,
                              const struct row_maker *m)
{
    struct eval_series *out = &c->series[i];
    TRY(eval_hold(c->e, c->g->count));
    out->row.value = arena_array_raw(keep, double, c->g->count);
    out->row.has = arena_array_raw(keep, uint8_t, c->g->count);
    if (!out->row.value || !out->row.has) return eval_fail_nomem(c->e);
    memcpy(out->row.value, m->row.value, c->g->count * sizeof *m->row.value);
    memcpy(out->row.has, m->row.has, c->g->count);
    return stream_labels(c->e, c->s, i, keep, &out->labels, &out->drop_name);
}

static enum err_code collect_morsel(struct collect *c, size_t part, struct eval_worker *w)
{
    struct row_maker m;
    size_t first = part * MORSEL_SERIES, last = first + MORSEL_SERIES, count = stream_count(c->s);
    TRY(eval_check(c->e));
    arena_reset(&w->scratch);
    enum err_code rc = row_maker_open(&m, c->e, c->s, c->g, &w->scratch);
    for (size_t i = first; i < last && i < count && rc == ERR_OK; i++) {
        bool any = false;
        rc = row_maker_next(&m, i, &any);
        if (rc == ERR_OK && any) rc = keep_row(c, &w->keep, i, &m);
    }
    row_maker_close(&m);
    return rc;
}

static void collect_part(void *ctx, size_t part, unsigned worker)
{
    struct collect *c = ctx;
    (void)!collect_morsel(c, part, &c->e->workers[worker]);
}

/* Labels that the set owns go with it: copy them. */
static enum err_code own_labels(struct eval *e, const struct stream *s, struct vector *v)
{
    if (!s->set) return ERR_OK;
    for (size_t i = 0; i < v->count; i++) {
        if (labels_copy(e->arena, v->series[i].labels, &v->series[i].labels, NULL) != ERR_OK) {
            return eval_fail_nomem(e);
        }
    }
    return ERR_OK;
}

enum err_code stream_collect(struct eval *e, const struct stream *s, const struct grid *g,
                             struct vector *out)
{
    size_t count = stream_count(s), n = 0;
    struct collect c = { e, s, g, arena_array(e->arena, struct eval_series, count + 1) };
    if (!c.series) return eval_fail_nomem(e);
    pool_run(e->pool, (count + MORSEL_SERIES - 1) / MORSEL_SERIES, collect_part, &c);
    TRY(eval_check(e));
    for (size_t i = 0; i < count; i++) {
        if (c.series[i].row.has) c.series[n++] = c.series[i];
    }
    *out = (struct vector){ c.series, n };
    return own_labels(e, s, out);
}

/* ---- range vectors by themselves ---- */

static enum err_code keep_window(struct row_maker *m, const struct sample_columns *c,
                                 struct raw_series *out)
{
    const struct stream *s = m->s;
    int64_t ref = (s->has_at ? s->at_ms : m->g->start_ms) - s->offset_ms;
    out->samples = arena_array_raw(m->e->arena, struct sample, c->count + 1);
    if (!out->samples) return eval_fail_nomem(m->e);
    for (size_t k = 0; k < c->count; k++) {
        if (c->ts_ms[k] <= ref - s->call->range_ms || c->ts_ms[k] > ref) continue;
        out->samples[out->count++] = (struct sample){ c->ts_ms[k], c->value[k] };
    }
    return eval_hold(m->e, out->count);
}

static enum err_code raw_samples(struct row_maker *m, struct raw_series *list, size_t *out_count)
{
    struct sample_columns c;
    bool drop_name;
    for (size_t i = 0; i < stream_count(m->s); i++) {
        struct raw_series *out = &list[*out_count];
        if (i % MORSEL_SERIES == 0) TRY(eval_check(m->e));
        *out = (struct raw_series){ 0 };
        TRY(window_samples(m, i, &c));
        TRY(keep_window(m, &c, out));
        if (out->count == 0) continue;
        TRY(stream_labels(m->e, m->s, i, m->e->arena, &out->labels, &drop_name));
        if (labels_copy(m->e->arena, out->labels, &out->labels, NULL) != ERR_OK) {
            return eval_fail_nomem(m->e);
        }
        if (drop_name) TRY(labels_without_metadata(m->e, out->labels, &out->labels));
        (*out_count)++;
    }
    return ERR_OK;
}

enum err_code stream_raw_samples(struct eval *e, const struct promql_expr *x, const struct grid *g,
                                 struct raw_series **out, size_t *out_count)
{
    struct window_call call = { 0 };
    struct stream s = { 0 };
    struct row_maker m = { 0 };
    *out_count = 0;
    enum err_code rc = open_range(e, promql_unwrap(x), g, &call, &s);
    if (rc == ERR_OK) {
        *out = arena_array(e->arena, struct raw_series, stream_count(&s) + 1);
        rc = *out ? row_maker_open(&m, e, &s, g, e->arena) : eval_fail_nomem(e);
    }
    if (rc == ERR_OK) rc = raw_samples(&m, *out, out_count);
    row_maker_close(&m);
    stream_close(&s);
    return rc;
}
