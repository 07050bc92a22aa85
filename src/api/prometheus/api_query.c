/* SPDX-License-Identifier: Apache-2.0
 *
 * /query, /query_range, /query_exemplars, /format_query, /parse_query.
 */
#include "api/prometheus/api_priv.h"
#include "base/float_text.h"
#include "query/promql/ast_json.h"
#include "query/promql/printer.h"

#define POINTS_MAX 11000

/* ---- writing a result ---- */

static void put_point(struct json_writer *w, const struct promql_point *p)
{
    json_open_array(w);
    json_put_seconds(w, p->ts_ms);
    json_put_f64_str(w, p->value);
    json_close_array(w);
}

/* Scalars are never in exponent form. */
static void put_scalar(struct json_writer *w, const struct promql_point *p)
{
    char text[FLOAT_TEXT_SIZE];
    json_open_array(w);
    json_put_seconds(w, p->ts_ms);
    json_put_str(w, (struct str){ text, float_format(p->value, FLOAT_PLAIN, text) });
    json_close_array(w);
}

static void put_series(struct json_writer *w, const struct promql_series *s, bool is_matrix)
{
    json_open_object(w);
    json_key(w, "metric"), api_put_labels(w, s->labels);
    if (is_matrix) {
        json_key(w, "values"), json_open_array(w);
        for (size_t i = 0; i < s->count; i++)
            put_point(w, &s->points[i]);
        json_close_array(w);
    } else {
        json_key(w, "value"), put_point(w, &s->points[0]);
    }
    json_close_object(w);
}

static void put_result(struct api_call *c, const struct promql_result *r,
                       const struct promql_query *q)
{
    struct json_writer *w = &c->json;
    json_key(w, "resultType"), json_put_str(w, promql_type_name(r->type));
    json_key(w, "result");
    if (r->type == PROMQL_SCALAR) {
        put_scalar(w, &r->series[0].points[0]);
        return;
    }
    if (r->type == PROMQL_STRING) {
        json_open_array(w);
        json_put_seconds(w, q->start_ms);
        json_put_str(w, r->string);
        json_close_array(w);
        return;
    }
    json_open_array(w);
    for (size_t i = 0; i < r->series_count; i++) {
        put_series(w, &r->series[i], r->type == PROMQL_MATRIX);
        if (!api_flush(c)) return;
    }
    json_close_array(w);
}

static void put_ns(struct json_writer *w, uint64_t ns)
{
    json_put_f64(w, (double)ns / 1e9);
}

static void put_stats(struct json_writer *w, const struct promql_statistics *s)
{
    json_key(w, "stats"), json_open_object(w);
    json_key(w, "timings"), json_open_object(w);
    json_key(w, "evalTotalTime"), put_ns(w, s->eval_ns + s->prepare_ns);
    json_key(w, "resultSortTime"), json_put_u64(w, 0);
    json_key(w, "queryPreparationTime"), put_ns(w, s->prepare_ns);
    json_key(w, "innerEvalTime"), put_ns(w, s->eval_ns);
    json_key(w, "execQueueTime"), put_ns(w, s->queue_ns);
    json_key(w, "execTotalTime"), put_ns(w, s->total_ns);
    json_close_object(w);
    json_key(w, "samples"), json_open_object(w);
    json_key(w, "totalQueryableSamples"), json_put_u64(w, s->samples_total);
    json_key(w, "samplesRead"), json_put_u64(w, s->samples_read);
    json_key(w, "peakSamples"), json_put_u64(w, s->samples_peak);
    json_close_object(w);
    json_close_object(w);
}

static void add_warning(struct api_call *c, struct promql_result *r, struct str text)
{
    struct str *more = arena_array(c->arena, struct str, r->warning_count + 1);
    if (!more) return;
    if (r->warning_count) memcpy(more, r->warnings, r->warning_count * sizeof *more);
    more[r->warning_count++] = text;
    r->warnings = more;
}

/* Parse errors are the client's, everything else is the execution's. */
static void fail_query(struct api_call *c, const struct err *err)
{
    struct str detail = str_of_z(err->detail);
    bool is_parse = (err->code == ERR_INVALID || err->code == ERR_LIMIT) &&
                    str_find(detail, STR("parse error: ")) < detail.len;
    bool is_type = str_starts_with(detail, STR("invalid expression type"));
    stat_add(&c->api->stats.query_failures, 1);
    if (is_parse || is_type) {
        api_errorf(c, API_BAD_DATA, "invalid parameter \"query\": " STR_FMT, STR_ARG(detail));
    } else {
        api_error_of(c, err);
    }
}

static void run_query(struct api_call *c, struct promql_query *q, size_t limit)
{
    struct promql_result r = { 0 };
    struct promql_statistics stats = { 0 };
    struct err err = { 0 };
    struct str wants_stats = api_param(c, STR("stats"));
    q->text = api_param(c, STR("query"));
    q->cancel = &c->cancel;
    q->begin_ns = c->begin_ns;
    if (q->timeout_ms < 0) q->timeout_ms = 1; /* over before it began */
    if (q->lookback_ms < 0) q->lookback_ms = 0;
    stat_add(&c->api->stats.queries, 1);
    enum err_code rc = promql_engine_query(c->api->options.engine, q, &c->work, &r, &stats, &err);
    stat_observe_ns(&c->api->stats.query_duration, stats.total_ns);
    if (rc != ERR_OK) {
        fail_query(c, &err);
        return;
    }
    if (wants_stats.len && !str_eq(wants_stats, STR("true")) && !str_eq(wants_stats, STR("all"))) {
        add_warning(c, &r,
                    arena_printf(c->arena,
                                 "value \"" STR_FMT "\" for parameter \"stats\" is deprecated and "
                                 "will be rejected in the next major release, use \"true\" or "
                                 "\"all\"",
                                 STR_ARG(wants_stats)));
    }
    if (limit && r.series_count > limit && r.type != PROMQL_SCALAR) {
        r.series_count = limit;
        add_warning(c, &r, STR("results truncated due to limit"));
    }
    c->warnings = r.warnings;
    c->warning_count = r.warning_count;
    c->infos = r.infos;
    c->info_count = r.info_count;
    api_begin(c);
    json_open_object(&c->json);
    put_result(c, &r, q);
    if (wants_stats.len) put_stats(&c->json, &stats);
    json_close_object(&c->json);
    api_end(c);
}

static bool read_lookback(struct api_call *c, struct promql_query *q)
{
    struct err err = { 0 };
    struct str text = api_param(c, STR("lookback_delta"));
    if (text.len == 0 || api_parse_duration(text, &q->lookback_ms, &err) == ERR_OK) return true;
    api_errorf(c, API_BAD_DATA, "error parsing lookback delta duration: %s", err.detail);
    return false;
}

void api_query(struct api_call *c)
{
    struct promql_query q = { 0 };
    size_t limit;
    int64_t now = clock_wall_ms(c->api->options.clock);
    if (!api_limit(c, "limit", &limit) || !api_time(c, "time", now, &q.start_ms) ||
        !api_duration_ms(c, "timeout", &q.timeout_ms) || !read_lookback(c, &q)) {
        return;
    }
    q.end_ms = q.start_ms;
    run_query(c, &q, limit);
}

/* A required time of query_range; its text has no inner "invalid time value". */
static bool required_time(struct api_call *c, const char *name, int64_t *out)
{
    struct err err = { 0 };
    if (api_parse_time(api_param(c, str_of_z(name)), out, &err) == ERR_OK) return true;
    api_errorf(c, API_BAD_DATA, "invalid parameter \"%s\": %s", name, err.detail);
    return false;
}

/* False after answering. */
static bool read_step(struct api_call *c, struct promql_query *q)
{
    struct err err = { 0 };
    if (api_parse_duration(api_param(c, STR("step")), &q->step_ms, &err) != ERR_OK) {
        api_errorf(c, API_BAD_DATA, "invalid parameter \"step\": %s", err.detail);
        return false;
    }
    if (q->step_ms <= 0) {
        api_error(c, API_BAD_DATA,
                  STR("invalid parameter \"step\": zero or negative query resolution step widths "
                      "are not accepted. Try a positive integer"));
        return false;
    }
    if ((q->end_ms - q->start_ms) / q->step_ms > POINTS_MAX) {
        api_error(c, API_BAD_DATA,
                  STR("exceeded maximum resolution of 11,000 points per timeseries. Try "
                      "decreasing the query resolution (?step=XX)"));
        return false;
    }
    return true;
}

void api_query_range(struct api_call *c)
{
    struct promql_query q = { 0 };
    size_t limit;
    if (!api_limit(c, "limit", &limit) || !required_time(c, "start", &q.start_ms) ||
        !required_time(c, "end", &q.end_ms)) {
        return;
    }
    if (q.end_ms < q.start_ms) {
        api_error(c, API_BAD_DATA,
                  STR("invalid parameter \"end\": end timestamp must not be before "
                      "start time"));
        return;
    }
    int64_t span;
    if (__builtin_sub_overflow(q.end_ms, q.start_ms, &span)) {
        api_error(c, API_BAD_DATA, STR("invalid parameter \"end\": time range too large"));
        return;
    }
    if (!read_step(c, &q) || !api_duration_ms(c, "timeout", &q.timeout_ms) ||
        !read_lookback(c, &q)) {
        return;
    }
    run_query(c, &q, limit);
}

/* The parsed `query` parameter, or NULL after answering. */
static struct promql_expr *parse(struct api_call *c, struct promql_regexes *regexes,
                                 const char *prefix)
{
    struct promql_parse_options options = { .budget = c->api->options.mem, .regexes = regexes };
    struct promql_expr *e;
    struct err err = { 0 };
    enum err_code rc = promql_parse(api_param(c, STR("query")), &c->work, &options, &e, &err);
    if (rc == ERR_OK) return e;
    api_errorf(c, API_BAD_DATA, "%s%s", prefix, err.detail[0] ? err.detail : err.msg);
    return NULL;
}

void api_format_query(struct api_call *c)
{
    struct buf text;
    struct promql_expr *e = parse(c, NULL, "invalid parameter \"query\": ");
    if (!e) return;
    buf_init(&text, mem_source_of(c->api->options.mem, MEM_QUERY), (size_t)64 << 20);
    promql_print_pretty(&text, e);
    api_begin(c);
    json_put_str(&c->json, buf_str(&text));
    buf_deinit(&text);
    api_end(c);
}

void api_parse_query(struct api_call *c)
{
    struct promql_expr *e = parse(c, NULL, "invalid parameter \"query\": ");
    if (!e) return;
    api_begin(c);
    promql_ast_json(&c->json, e);
    api_end(c);
}

/* ---- exemplars ---- */

static size_t count_selectors(const struct promql_expr *e, struct matchers *out)
{
    size_t n = 0;
    if (e->kind == PROMQL_VECTOR_SELECTOR) {
        if (out) *out = e->selector->matchers;
        return 1;
    }
    if (e->kind == PROMQL_MATRIX_SELECTOR) return count_selectors(e->matrix->selector, out);
    for (size_t i = 0; promql_child(e, i); i++) {
        n += count_selectors(promql_child(e, i), out ? out + n : NULL);
    }
    return n;
}

static void put_exemplars(struct api_call *c, const struct exemplar_series *series, size_t count)
{
    struct json_writer *w = &c->json;
    api_begin(c);
    json_open_array(w);
    for (size_t i = 0; i < count; i++) {
        json_open_object(w);
        json_key(w, "seriesLabels"), api_put_labels(w, series[i].labels);
        json_key(w, "exemplars"), json_open_array(w);
        for (size_t k = 0; k < series[i].count; k++) {
            const struct exemplar *e = &series[i].exemplars[k];
            json_open_object(w);
            json_key(w, "labels"), api_put_labels(w, e->labels);
            json_key(w, "value"), json_put_f64_str(w, e->value);
            json_key(w, "timestamp"), json_put_seconds(w, e->ts_ms);
            json_close_object(w);
        }
        json_close_array(w);
        json_close_object(w);
        if (!api_flush(c)) break;
    }
    json_close_array(w);
    api_end(c);
}

void api_query_exemplars(struct api_call *c)
{
    struct promql_regexes regexes = { 0 };
    struct exemplar_series *series = NULL;
    struct err err = { 0 };
    int64_t start, end;
    size_t count = 0;
    if (!api_time(c, "start", INT64_MIN, &start) || !api_time(c, "end", INT64_MAX, &end)) return;
    if (end < start) {
        api_error(c, API_BAD_DATA, STR("end timestamp must not be before start timestamp"));
        return;
    }
    const struct promql_expr *e = parse(c, &regexes, "");
    if (!e) {
        promql_regexes_deinit(&regexes);
        return;
    }
    size_t selectors = count_selectors(e, NULL);
    struct matchers *list = arena_array(c->arena, struct matchers, selectors + 1);
    if (selectors == 0 || !list) {
        promql_regexes_deinit(&regexes);
        api_text(c, 204, (struct str){ "", 0 });
        return;
    }
    (void)count_selectors(e, list);
    enum err_code rc = metrics_exemplars(c->api->options.metrics, list, selectors, start, end,
                                         &c->work, &series, &count, &err);
    promql_regexes_deinit(&regexes);
    if (rc == ERR_OK) {
        put_exemplars(c, series, count);
    } else {
        api_error_of(c, &err);
    }
}
