/* SPDX-License-Identifier: Apache-2.0
 *
 * One target on the scrape thread: timer -> request -> batch -> store -> timer.
 */
#include <stdio.h>

#include "collect/scrape/scrape_priv.h"

#define BODY_BYTES_MAX ((uint64_t)64 << 20)
/* A timer that fires this close to its time counts as on time: samples get the nominal time, which
 * compresses to nothing. */
#define TOLERANCE_MS 2

/* Arming cannot fail: the timer was armed by target_start, and its place is kept. */
static void arm(struct target *t, uint64_t delay_ns)
{
    const struct scrape_manager *m = t->manager;
    uint64_t due_ns = clock_mono_ns(m->options.clock) + delay_ns;
    (void)!loop_timer_set(m->loop, &t->timer, due_ns, NULL);
}

/* The next nominal time after now; after a run also after that of the run, which may have started a
 * moment early. */
static void schedule(struct target *t, bool is_after_run)
{
    const struct scrape_manager *m = t->manager;
    int64_t now_ns = m->options.clock->wall_ns(m->options.clock->ctx), now_ms = now_ns / 1000000;
    int64_t interval = t->spec.interval_ms;
    int64_t phase = target_phase_ms(&t->spec, m->settings.seed);
    int64_t due = now_ms - (now_ms - phase) % interval + interval;
    if (due - interval > now_ms) due -= interval;
    if (is_after_run && due == t->due_ms) due += interval;
    t->due_ms = due;
    arm(t, (uint64_t)(due - now_ms) * 1000000u - (uint64_t)(now_ns % 1000000));
}

static void record(struct target *t, enum target_health health, const struct err *err)
{
    struct scrape_manager *m = t->manager;
    uint64_t elapsed = clock_mono_ns(m->options.clock) - t->start_ns;
    stat_add(&m->stats.scrapes, 1);
    stat_observe_ns(&m->stats.duration, elapsed);
    if (health == TARGET_DOWN) stat_add(&m->stats.failures, 1);
    MUTEX_SCOPE(&m->lock);
    t->health = health;
    t->last_scrape_ms = t->ts_ms;
    t->last_duration_s = (double)elapsed / 1e9;
    t->last_error[0] = '\0';
    if (health != TARGET_DOWN) return;
    (void)str_z(str_of_z(err->detail[0] ? err->detail : err->msg), t->last_error,
                sizeof t->last_error);
}

/* Append the run's batch and learn its series. */
static enum err_code store(struct target *t, struct scrape_run *run, struct err *err)
{
    struct scrape_manager *m = t->manager;
    struct append_result result;
    struct batch *batch;
    TRY(scrape_batch_of(run, &batch, err));
    TRY(metrics_append(m->options.metrics, batch, &result, err));
    scrape_settle(run);
    uint64_t stored = result.outcomes[BATCH_STORED];
    stat_add(&m->stats.samples, stored);
    if (result.first.code == ERR_OK) return ERR_OK;
    stat_add(&m->stats.appended_refused, batch->sample_count - stored);
    log_warn(&m->log, "some samples of a scrape were refused",
             LOG_STR("job", t->pool->config->job_name), LOG_STR("url", t->spec.url),
             LOG_ERR(&result.first));
    return ERR_OK;
}

/* Store the body, or the failure in *err when body is NULL. */
static void store_result(struct target *t, const struct bytes *body, enum exposition_format format,
                         struct err *err)
{
    struct scrape_manager *m = t->manager;
    struct scrape_report report = { .timeout_s = (double)t->spec.timeout_ms / 1e3 };
    arena_reset(&m->scratch);
    struct scrape_run *run = scrape_begin(&t->scope, t->ts_ms, &m->scratch);
    if (!run) {
        stat_add(&m->stats.skipped, 1);
        return;
    }
    report.is_up = body && scrape_add_body(run, *body, format, err) == ERR_OK;
    report.body_size = body ? (int64_t)body->len : t->is_body_too_large ? -1 : 0;
    if (!report.is_up) scrape_fail(run);
    report.duration_s = (double)(clock_mono_ns(m->options.clock) - t->start_ns) / 1e9;
    struct err store_err = { 0 };
    if (scrape_add_report(run, &report, &store_err) != ERR_OK ||
        store(t, run, &store_err) != ERR_OK) {
        stat_add(&m->stats.skipped, 1);
        log_error(&m->log, "a scrape could not be stored", LOG_STR("url", t->spec.url),
                  LOG_ERR(&store_err));
    }
    size_t count;
    const struct metadata *rows = scrape_metadata(run, &count);
    scrape_pool_add_metadata(t->pool, rows, count);
    stat_add(&m->stats.duplicates, scrape_counts_of(run).duplicates);
    record(t, report.is_up ? TARGET_UP : TARGET_DOWN, err);
}

/* The end of a run: store what came of it, then wait for the next time. */
static void finish(struct target *t, const struct bytes *body, enum exposition_format format,
                   struct err *err)
{
    store_result(t, body, format, err);
    schedule(t, true);
}

/* The dialect of an answer, by its media type alone. */
static enum err_code format_of(const struct target *t, struct str content_type,
                               enum exposition_format *out, struct err *err)
{
    struct str type = http_media_type(content_type);
    struct str fallback = t->pool->config->fallback_scrape_protocol;
    bool is_text = str_eq_nocase(type, STR("text/plain"));
    bool is_openmetrics = str_eq_nocase(type, STR("application/openmetrics-text"));
    if (!is_text && !is_openmetrics && fallback.len) {
        is_openmetrics = str_starts_with(fallback, STR("OpenMetricsText"));
        is_text = !is_openmetrics;
    }
    if (!is_text && !is_openmetrics) {
        return type.len == 0
                   ? err_setf(err, ERR_INVALID, "no content type",
                              "non-compliant scrape target sending blank Content-Type and no "
                              "fallback_scrape_protocol specified for target")
                   : err_setf(err, ERR_INVALID, "bad content type",
                              "received unsupported Content-Type \"" STR_FMT
                              "\" and no fallback_scrape_protocol specified for target",
                              STR_ARG(content_type));
    }
    *out = is_openmetrics ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
    return ERR_OK;
}

static uint64_t body_limit(const struct target *t)
{
    uint64_t limit = t->pool->config->limits.body_size_limit;
    return limit ? limit : BODY_BYTES_MAX;
}

/* An empty buffer for the next body; a body's memory is not kept between scrapes. */
static void init_answer(struct target *t)
{
    if (t->answer.mem) buf_deinit(&t->answer);
    buf_init(&t->answer, mem_source_of(t->manager->options.mem, MEM_SCRAPE), body_limit(t));
}

static void on_answer(void *ctx, struct http_call *call, const struct http_call_result *result)
{
    struct target *t = ctx;
    struct err err = result->err;
    enum exposition_format format = EXPOSITION_TEXT;
    bool has_body = result->code == ERR_OK;
    bool is_denied = has_body && (result->status == 401 || result->status == 403);
    t->is_body_too_large = result->code == ERR_LIMIT;
    if (has_body && result->status != 200) {
        has_body = false;
        err_setf(&err, ERR_IO, "bad status", "server returned HTTP status %u " STR_FMT,
                 result->status, STR_ARG(http_status_text(result->status)));
    }
    if (has_body) {
        struct str type = http_call_header(call, STR("Content-Type"));
        has_body = format_of(t, type, &format, &err) == ERR_OK;
    }
    finish(t, has_body ? &result->body : NULL, format, &err);
    init_answer(t);
    if (!is_denied) return;
    http_call_destroy(t->call); /* the next run reads the credentials' files anew */
    t->call = NULL;
}

static void run_local(struct target *t)
{
    struct err err = { 0 };
    t->local->collect(t->local->ctx, &t->answer);
    bool has_body = !buf_failed(&t->answer);
    if (!has_body) err_set(&err, ERR_NOMEM, "no memory for the exposition");
    struct bytes body = buf_bytes(&t->answer);
    finish(t, has_body ? &body : NULL, EXPOSITION_TEXT, &err);
    init_answer(t);
}

/* Accept: the protocols in order of preference, as Prometheus weighs them. */
static void put_accept(struct buf *out, const struct yaml_list *protocols)
{
    static const struct {
        struct str name, type;
    } KNOWN[] = {
        { STR_INIT("OpenMetricsText1.0.0"),
          STR_INIT("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8") },
        { STR_INIT("OpenMetricsText0.0.1"),
          STR_INIT("application/openmetrics-text;version=0.0.1") },
        { STR_INIT("PrometheusText1.0.0"),
          STR_INIT("text/plain;version=1.0.0;escaping=allow-utf-8") },
        { STR_INIT("PrometheusText0.0.4"), STR_INIT("text/plain;version=0.0.4") },
    };
    const size_t known = sizeof KNOWN / sizeof KNOWN[0];
    const struct str *names = protocols->items;
    size_t count = protocols->count ? protocols->count : known;
    unsigned weight = 6;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < known; k++) {
            if (protocols->count ? !str_eq(names[i], KNOWN[k].name) : i != k) continue;
            buf_printf(out, STR_FMT ";q=0.%u,", STR_ARG(KNOWN[k].type), weight--);
        }
    }
    buf_printf(out, "*/*;q=0.%u", weight);
}

static enum err_code prepare_call(struct target *t, struct err *err)
{
    struct scrape_manager *m = t->manager;
    const struct scrape_config *config = t->pool->config;
    static const char *const WANTED[] = { "Content-Type" };
    struct http_config_files files = { m->options.files, m->settings.base_dir };
    struct buf accept;
    buf_init(&accept, mem_source_of(m->options.mem, MEM_SCRAPE), 4096);
    put_accept(&accept, &config->scrape_protocols);
    struct http_header headers[] = { { STR("Accept"), buf_str(&accept) } };
    struct http_call_options options = {
        .url = t->spec.url,
        .method = HTTP_GET,
        .headers = headers,
        .header_count = 1,
        .accept_gzip = config->enable_compression,
        .timeout_ms = (uint64_t)t->spec.timeout_ms,
        .body_bytes_max = body_limit(t),
        .decoded_bytes_max = body_limit(t),
        .wanted_headers = WANTED,
        .wanted_header_count = 1,
    };
    arena_reset(&m->scratch);
    enum err_code rc = http_config_apply(&config->http, &files, &m->scratch, &options, err);
    if (rc == ERR_OK) rc = http_call_create(m->client, &options, &t->call, err);
    buf_deinit(&accept);
    return rc;
}

/* Start the request; an error is the scrape's. */
static enum err_code run_remote(struct target *t, struct err *err)
{
    if (t->pool->is_over_target_limit) {
        return err_setf(err, ERR_LIMIT, "target_limit exceeded",
                        "target_limit exceeded (number of targets: %zu, limit: %zu)",
                        t->pool->target_count, (size_t)t->pool->config->limits.target_limit);
    }
    if (!t->call) TRY(prepare_call(t, err));
    struct http_call_start start = {
        .answer = &t->answer,
        .done = on_answer,
        .ctx = t,
        .header = { STR("X-Prometheus-Scrape-Timeout-Seconds"), str_of_z(t->timeout_text) },
    };
    return http_call_start(t->call, &start, err);
}

static void on_timer(struct loop_timer *timer)
{
    struct target *t = (struct target *)(void *)((char *)timer - offsetof(struct target, timer));
    struct scrape_manager *m = t->manager;
    int64_t now_ms = clock_wall_ms(m->options.clock), late_ms = now_ms - t->due_ms;
    int64_t tolerance =
        t->spec.interval_ms / 100 < TOLERANCE_MS ? t->spec.interval_ms / 100 : TOLERANCE_MS;
    if (late_ms < 0 && -late_ms > tolerance) { /* the wall clock was set back */
        schedule(t, false);
        return;
    }
    t->start_ns = clock_mono_ns(m->options.clock);
    t->ts_ms = late_ms <= tolerance ? t->due_ms : now_ms;
    stat_observe_ns(&m->stats.lateness, late_ms > 0 ? (uint64_t)late_ms * 1000000u : 0);
    if (late_ms > tolerance) stat_add(&m->stats.late, 1);
    t->is_body_too_large = false;
    if (t->local) {
        run_local(t);
        return;
    }
    struct err err = { 0 };
    if (run_remote(t, &err) != ERR_OK) finish(t, NULL, EXPOSITION_TEXT, &err);
}

enum err_code target_start(struct target *t, struct err *err)
{
    struct scrape_manager *m = t->manager;
    init_answer(t);
    snprintf(t->timeout_text, sizeof t->timeout_text, "%g", (double)t->spec.timeout_ms / 1e3);
    t->timer.fn = on_timer;
    TRY(loop_timer_set(m->loop, &t->timer, UINT64_MAX, err));
    schedule(t, false);
    return ERR_OK;
}

void target_hurry(struct target *t)
{
    t->due_ms = clock_wall_ms(t->manager->options.clock);
    arm(t, 0);
}

void target_stop(struct target *t)
{
    loop_timer_cancel(t->manager->loop, &t->timer);
    http_call_destroy(t->call);
    t->call = NULL;
    if (t->answer.mem) buf_deinit(&t->answer);
    t->answer = (struct buf){ 0 };
}

void target_free(struct target *t)
{
    struct mem_budget *mem = t->cache.mem;
    scrape_cache_deinit(&t->cache);
    arena_deinit(&t->arena);
    mem_free(mem, MEM_SCRAPE, t, sizeof *t);
}

/* The stale markers of a target that is gone; its labels are not needed for that. */
static void on_gone(struct loop_timer *timer)
{
    struct target *t = (struct target *)(void *)((char *)timer - offsetof(struct target, timer));
    struct scrape_manager *m = t->manager;
    struct append_result result;
    struct batch *batch;
    struct err err = { 0 };
    arena_reset(&m->scratch);
    struct scrape_run *run = scrape_begin(&t->scope, t->stale_ts_ms, &m->scratch);
    if (run && scrape_batch_of(run, &batch, &err) == ERR_OK) {
        (void)!metrics_append(m->options.metrics, batch, &result, &err);
    }
    for (struct target **link = &m->gone; *link; link = &(*link)->next) {
        if (*link != t) continue;
        *link = t->next;
        break;
    }
    target_free(t);
}

void target_retire(struct target *t)
{
    struct scrape_manager *m = t->manager;
    int64_t now_ms = clock_wall_ms(m->options.clock), interval = t->spec.interval_ms;
    target_stop(t);
    t->pool = NULL;
    t->scope.config = NULL; /* both go with the pool; stale markers need neither */
    t->scope.metric_rules = NULL;
    t->stale_ts_ms = now_ms + interval;
    uint64_t wait_ns = (uint64_t)(interval * 2 + interval / 10) * 1000000u;
    t->timer.fn = on_gone;
    t->next = m->gone;
    m->gone = t;
    if (loop_timer_set(m->loop, &t->timer, loop_now_ns(m->loop) + wait_ns, NULL) != ERR_OK) {
        m->gone = t->next;
        target_free(t);
    }
}
