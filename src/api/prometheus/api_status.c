/* SPDX-License-Identifier: Apache-2.0
 *
 * /status/..., and the answers of the parts that have nothing to say yet (/rules, /alerts,
 * /alertmanagers).
 */
#include "api/prometheus/api_priv.h"
#include "base/duration.h"
#include "base/time.h"
#include "os/thread.h"

/* The release of Prometheus whose API this is; Grafana enables functions by it. */
#define COMPATIBLE_VERSION "3.14.0"

static void put_text(struct json_writer *w, const char *key, struct str value)
{
    json_key_clean(w, str_of_z(key));
    json_put_str(w, value);
}

static void put_time_text(struct json_writer *w, const char *key, int64_t ts_ms)
{
    char text[TIME_TEXT_SIZE];
    put_text(w, key, (struct str){ text, time_format_rfc3339(ts_ms, text) });
}

void api_status_config(struct api_call *c)
{
    struct buf yaml;
    buf_init(&yaml, mem_source_of(c->api->options.mem, MEM_QUERY), (size_t)64 << 20);
    c->api->options.hooks.config_yaml(c->api->options.hooks.ctx, &yaml);
    api_begin(c);
    json_open_object(&c->json);
    put_text(&c->json, "yaml", buf_str(&yaml));
    json_close_object(&c->json);
    buf_deinit(&yaml);
    api_end(c);
}

void api_status_flags(struct api_call *c)
{
    api_begin(c);
    json_open_object(&c->json);
    const struct api_server_hooks *hooks = &c->api->options.hooks;
    for (size_t i = 0; i < c->api->options.flag_count; i++) {
        const struct api_flag *flag = &c->api->options.flags[i];
        char text[API_FLAG_TEXT_SIZE];
        struct str in_force = flag->value;
        if (hooks->flag_in_force) hooks->flag_in_force(hooks->ctx, flag->name, text, &in_force);
        json_key_str(&c->json, flag->name);
        json_put_str(&c->json, in_force);
    }
    json_close_object(&c->json);
    api_end(c);
}

static struct str retention_text(int64_t retention_ms, char *out)
{
    if (retention_ms == 0) return STR("unlimited");
    return (struct str){ out, duration_format(retention_ms, out) };
}

void api_status_runtimeinfo(struct api_call *c)
{
    const struct prometheus_api_options *o = &c->api->options;
    struct json_writer *w = &c->json;
    char retention[DURATION_TEXT_SIZE];
    bool reload_ok;
    int64_t reload_ts_ms;
    o->hooks.reload_status(o->hooks.ctx, &reload_ok, &reload_ts_ms);
    api_begin(c);
    json_open_object(w);
    put_time_text(w, "startTime", o->start_ms);
    put_text(w, "CWD", o->cwd);
    put_text(w, "hostname", o->hostname);
    put_time_text(w, "serverTime", clock_wall_ms(o->clock));
    json_key(w, "reloadConfigSuccess"), json_put_bool(w, reload_ok);
    put_time_text(w, "lastConfigTime", reload_ts_ms);
    json_key(w, "corruptionCount"), json_put_u64(w, metrics_corruptions(o->metrics));
    json_key(w, "goroutineCount"), json_put_u64(w, 0);
    json_key(w, "GOMAXPROCS"), json_put_u64(w, cpu_count());
    json_key(w, "GOMEMLIMIT"), json_put_u64(w, mem_total(o->mem));
    put_text(w, "GOGC", STR(""));
    put_text(w, "GODEBUG", STR(""));
    put_text(w, "storageRetention", retention_text(o->retention_ms, retention));
    json_close_object(w);
    api_end(c);
}

static void put_build(struct api_call *c)
{
    struct json_writer *w = &c->json;
    json_open_object(w);
    put_text(w, "version", STR(COMPATIBLE_VERSION));
    put_text(w, "revision", c->api->options.version);
    put_text(w, "branch", STR("pharos"));
    put_text(w, "buildUser", STR(""));
    put_text(w, "buildDate", STR(""));
    put_text(w, "goVersion", STR("none (C)"));
    put_text(w, "application", STR("pharos"));
    put_text(w, "applicationVersion", c->api->options.version);
    json_close_object(w);
}

void api_status_buildinfo(struct api_call *c)
{
    api_begin(c);
    put_build(c);
    api_end(c);
}

void api_version(struct api_call *c)
{
    put_build(c);
    api_answer(c, STR("application/json"));
}

static void put_counts(struct json_writer *w, const char *key, const struct name_count *rows,
                       size_t count)
{
    json_key_clean(w, str_of_z(key));
    json_open_array(w);
    for (size_t i = 0; i < count; i++) {
        json_open_object(w);
        put_text(w, "name", rows[i].name);
        json_key(w, "value"), json_put_u64(w, rows[i].count);
        json_close_object(w);
    }
    json_close_array(w);
}

static void put_head(struct json_writer *w, const struct metrics_status *s)
{
    json_key(w, "headStats"), json_open_object(w);
    json_key(w, "numSeries"), json_put_u64(w, s->series);
    json_key(w, "numLabelPairs"), json_put_u64(w, s->label_pairs);
    json_key(w, "chunkCount"), json_put_u64(w, s->chunks);
    bool is_empty = s->head_maxt_ms == INT64_MIN;
    json_key(w, "minTime"), json_put_i64(w, is_empty ? INT64_MAX : s->head_mint_ms);
    json_key(w, "maxTime"), json_put_i64(w, s->head_maxt_ms);
    json_close_object(w);
}

void api_status_tsdb(struct api_call *c)
{
    struct json_writer *w = &c->json;
    struct metrics_cardinality top;
    struct metrics_status status;
    struct err err = { 0 };
    struct str text = api_param(c, STR("limit"));
    int64_t limit = 10;
    if (text.len && (!str_to_i64(text, &limit) || limit < 1)) {
        api_error(c, API_BAD_DATA, STR("limit must be a positive number"));
        return;
    }
    if (limit > 10000) {
        api_error(c, API_BAD_DATA, STR("limit must not exceed 10000"));
        return;
    }
    metrics_status(c->api->options.metrics, &status);
    if (metrics_cardinality(c->api->options.metrics, (size_t)limit, &c->work, &top, &err) !=
        ERR_OK) {
        api_error_of(c, &err);
        return;
    }
    api_begin(c);
    json_open_object(w);
    put_head(w, &status);
    put_counts(w, "seriesCountByMetricName", top.series_by_metric, top.series_by_metric_count);
    put_counts(w, "labelValueCountByLabelName", top.values_by_label, top.values_by_label_count);
    put_counts(w, "memoryInBytesByLabelName", top.bytes_by_label, top.bytes_by_label_count);
    put_counts(w, "seriesCountByLabelValuePair", top.series_by_pair, top.series_by_pair_count);
    json_close_object(w);
    api_end(c);
}

/* Replay in hundredths, since our journal counts bytes and not segments here. */
void api_status_walreplay(struct api_call *c)
{
    struct json_writer *w = &c->json;
    bool is_ready = atomic_load_explicit(&c->api->is_ready, memory_order_acquire);
    double done = is_ready ? 1 : c->api->options.hooks.progress(c->api->options.hooks.ctx);
    api_begin(c);
    json_open_object(w);
    json_key(w, "min"), json_put_u64(w, 0);
    json_key(w, "max"), json_put_u64(w, 100);
    json_key(w, "current"), json_put_u64(w, (uint64_t)(done * 100));
    json_close_object(w);
    api_end(c);
}

/* {"key":[]} */
static void answer_empty(struct api_call *c, const char *first, const char *second)
{
    struct json_writer *w = &c->json;
    api_begin(c);
    json_open_object(w);
    json_key_clean(w, str_of_z(first)), json_open_array(w), json_close_array(w);
    if (second) json_key_clean(w, str_of_z(second)), json_open_array(w), json_close_array(w);
    json_close_object(w);
    api_end(c);
}

void api_rules(struct api_call *c)
{
    answer_empty(c, "groups", NULL);
}

void api_alerts(struct api_call *c)
{
    answer_empty(c, "alerts", NULL);
}

void api_alertmanagers(struct api_call *c)
{
    answer_empty(c, "activeAlertmanagers", "droppedAlertmanagers");
}
