/* SPDX-License-Identifier: Apache-2.0 */
#include "server/server.h"

#include <stdio.h>

#include "base/duration.h"
#include "os/crash.h"
#include "os/process.h"
#include "server/server_priv.h"

#define QUERY_GRACE_MS 3000 /* what runs at SIGTERM may go on as long; then queries are cancelled */
#define DRAIN_MS 20000
#define DIAGS_BYTES_MAX ((size_t)1 << 20)
#define LIGHT_THREADS 16
/* Above the number of queries that run at once: for those that wait for the readers of their
 * answers. */
#define QUERY_THREADS_SPARE 12
#define REQUEST_QUEUE_MAX 1024
#define RETENTION_DEFAULT_MS (15LL * 86400000)

/* ---- people ---- */

static void complain(const char *what, const struct err *err)
{
    char text[1024];
    err_text(err, text, sizeof text);
    fprintf(stderr, "pharos: %s: %s\n", what, text);
}

static void greet(const struct server *s)
{
    double seconds = (double)(clock_mono_ns(s->clock) - s->start_ns) / 1e9;
    const char *addr = s->listen_addr[0], *scheme = s->tls ? "https" : "http";
    fprintf(stderr,
            "pharos %s  data %s%s  up in %.1f s\n"
            "  UI       %s://%s%.*s\n"
            "  send     remote write %s://%s/api/v1/write\n"
            "  now      %s\n"
            "  next     pharos check config FILE   check a prometheus.yml; start with "
            "--config.file=FILE\n"
            "           pharos query 'up'          ask from the terminal\n",
            PHAROS_VERSION, s->options->storage_path, s->is_new_data ? " (new)" : "", seconds,
            scheme, addr, STR_ARG(s->options->external_path), scheme, addr,
            s->options->config_file ? "what the configuration says"
                                    : "this host and own metrics, every 5 s");
}

/* ---- opening: on a thread of its own, so that signals are heard during a replay ---- */

static void on_progress(void *arg, double done)
{
    struct server *s = arg;
    char text[96];
    atomic_store_explicit(&s->replay_permille, (uint32_t)(done * 1000), memory_order_relaxed);
    snprintf(text, sizeof text, "STATUS=replaying the journal %d%%\nEXTEND_TIMEOUT_USEC=30000000",
             (int)(done * 100));
    service_notify(text);
}

static double replay_progress(void *ctx)
{
    const struct server *s = ctx;
    return atomic_load_explicit(&s->replay_permille, memory_order_relaxed) / 1000.0;
}

static enum err_code open_metrics(struct server *s, const struct config *config, struct err *err)
{
    const struct storage_config *storage = &config_main(config)->storage;
    struct metrics_options options = {
        .files = s->files,
        .clock = s->clock,
        .mem = s->mem,
        .log = &s->sink,
        .dir = s->metrics_dir,
        .durability = s->durability,
        .retention_ms = s->retention_ms,
        .retention_bytes = s->retention_bytes,
        .exemplars_max = (uint32_t)storage->exemplars.max_exemplars,
        .label_limits = LABEL_LIMITS_DEFAULT,
    };
    return metrics_open(&options, on_progress, s, &s->metrics, err);
}

static enum err_code open_engine(struct server *s, struct err *err)
{
    const struct server_options *o = s->options;
    struct promql_engine_options options = {
        .source = metrics_source(s->metrics),
        .clock = s->clock,
        .mem = s->mem,
        .log = &s->log,
        .concurrency = o->query_concurrency,
        .timeout_ms = o->query_timeout_ms,
        .lookback_ms = o->query_lookback_ms,
        .samples_max = o->query_samples_max,
        .points_max = 11001, /* of 11,000 steps, which is what the API refuses to exceed */
    };
    return promql_engine_create(&options, &s->engine, err);
}

static enum err_code open_scraping(struct server *s, struct err *err)
{
    struct scrape_manager_options options = { .metrics = s->metrics,
                                              .mem = s->mem,
                                              .clock = s->clock,
                                              .files = s->files,
                                              .log = &s->sink,
                                              /* what scraped programs know */
                                              .user_agent = STR("Prometheus/3.14.0") };
    struct host_options host = { .files = s->files, .clock = s->clock, .mem = s->mem, .root = "" };
    struct scrape_manager *scrape;
    TRY(host_create(&host, &s->host, err));
    TRY(scrape_manager_create(&options, &scrape, err));
    MUTEX_SCOPE(&s->config_lock); /* a reload may look at s->scrape */
    s->scrape = scrape;
    return server_apply_config(s, err);
}

static void opener_main(void *arg)
{
    struct server *s = arg;
    mutex_lock(&s->config_lock);
    struct config *config = config_ref(s->config); /* a reload may replace it meanwhile */
    mutex_unlock(&s->config_lock);
    s->open_result = open_metrics(s, config, &s->open_err);
    config_unref(config);
    if (s->open_result == ERR_OK) s->open_result = open_engine(s, &s->open_err);
    if (s->open_result == ERR_OK) s->open_result = open_scraping(s, &s->open_err);
    loop_post(s->loop, &s->opened);
}

static void on_opened(struct loop_msg *msg)
{
    struct server *s = (struct server *)(void *)((char *)msg - offsetof(struct server, opened));
    if (s->is_stopping) return; /* too late: delivered with the end of the loop */
    if (s->open_result != ERR_OK) {
        complain("cannot open the store", &s->open_err);
        s->exit_code = 1;
        loop_stop(s->loop);
        return;
    }
    prometheus_api_set_ready(&s->api, s->metrics, s->engine, s->scrape);
    service_notify("READY=1\nSTATUS=serving");
    log_info(&s->log, "ready",
             LOG_F64("seconds", (double)(clock_mono_ns(s->clock) - s->start_ns) / 1e9));
    greet(s);
}

/* ---- signals ---- */

static void on_signal(void *arg, enum service_signal signal)
{
    struct server *s = arg;
    struct err err = { 0 };
    char text[64];
    switch (signal) {
    case SIGNAL_STOP:
        log_info(&s->log, "stopping");
        loop_stop(s->loop);
        return;
    case SIGNAL_RELOAD:
        snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
                 (unsigned long long)(clock_mono_ns(s->clock) / 1000));
        service_notify(text);
        (void)!server_reload(s, &err);
        service_notify("READY=1");
        return;
    case SIGNAL_REOPEN: {
        struct metrics_status status = { 0 };
        if (atomic_load_explicit(&s->api.is_ready, memory_order_acquire)) {
            metrics_status(s->metrics, &status);
        }
        log_info(&s->log, "state", LOG_U64("series", status.series),
                 LOG_U64("blocks", status.blocks), LOG_U64("memory", mem_total_used(s->mem)));
        return;
    }
    }
}

static void quit(void *ctx)
{
    const struct server *s = ctx;
    log_info(&s->log, "stopping", LOG_Z("asked_by", "/-/quit"));
    loop_stop(s->loop);
}

/* ---- start ---- */

static bool guard(void *ctx, struct http_exchange *ex, const struct http_route *route)
{
    return prometheus_api_guard(ctx, ex, route);
}

static void init_api(struct server *s)
{
    const struct server_options *o = s->options;
    struct prometheus_api_options options = {
        .mem = s->mem,
        .clock = s->clock,
        .log = &s->sink,
        .offload = s->offload,
        .hooks = { .ctx = s,
                   .reload = server_reload,
                   .quit = quit,
                   .config_yaml = server_config_yaml,
                   .own_metrics = server_own_metrics,
                   .reload_status = server_reload_status,
                   .external_labels = server_external_labels,
                   .progress = replay_progress,
                   .flag_in_force = server_flag_in_force },
        .flags = o->flags,
        .flag_count = o->flag_count,
        .version = STR(PHAROS_VERSION),
        .hostname = str_of_z(s->hostname),
        .cwd = str_of_z(s->cwd),
        .start_ms = s->start_ms,
        .retention_ms = s->retention_ms,
        .alias_seed = clock_random_u64(s->clock),
        .with_lifecycle = o->with_lifecycle,
        .label_limits = LABEL_LIMITS_DEFAULT,
    };
    prometheus_api_init(&s->api, &options);
}

static enum err_code listen_all(struct server *s, struct err *err)
{
    struct http_handler handler = router_handler(s->router);
    for (unsigned i = 0; i < s->options->listen_count; i++) {
        struct http_listen_options options = { .addr = s->options->listen[i],
                                               .tls = s->tls,
                                               .is_tls_required = s->tls != NULL,
                                               .handler = handler };
        TRY(http_server_listen(s->http, &options, s->listen_addr[i], err));
        s->listen_count++;
        log_info(&s->log, "listening", LOG_Z("address", s->listen_addr[i]),
                 LOG_BOOL("tls", s->tls != NULL));
    }
    return ERR_OK;
}

/* Without a file and without an address the server stays on loopback and says so. */
static enum err_code listen_default(struct server *s, struct err *err)
{
    bool is_open = s->options->config_file != NULL;
    struct http_listen_options options = { .addr = is_open ? STR(":9090") : STR("127.0.0.1:9090"),
                                           .tls = s->tls,
                                           .is_tls_required = s->tls != NULL,
                                           .handler = router_handler(s->router) };
    TRY(http_server_listen(s->http, &options, s->listen_addr[0], err));
    s->listen_count = 1;
    log_info(&s->log, "listening", LOG_Z("address", s->listen_addr[0]),
             LOG_BOOL("loopback_only", !is_open), LOG_BOOL("tls", s->tls != NULL));
    return ERR_OK;
}

static unsigned query_threads(const struct server *s)
{
    unsigned most = OFFLOAD_THREADS_MAX - QUERY_THREADS_SPARE;
    unsigned wanted = s->options->query_concurrency ? s->options->query_concurrency : 20;
    return (wanted < most ? wanted : most) + QUERY_THREADS_SPARE;
}

static enum err_code start_http(struct server *s, struct err *err)
{
    struct http_server_options http = {
        .mem = s->mem, .clock = s->clock, .log = &s->log, .limits = http_limits_default()
    };
    if (s->options->connections_max) http.limits.connections_max = s->options->connections_max;
    struct router_options router = { .mem = s->mem, .guard = guard, .ctx = &s->api };
    struct offload_options offload = {
        .mem = s->mem,
        .clock = s->clock,
        .threads = { [OFFLOAD_LIGHT] = LIGHT_THREADS, [OFFLOAD_QUERY] = query_threads(s) },
        .queue_max = REQUEST_QUEUE_MAX,
    };
    TRY(offload_create(&offload, &s->offload, err));
    TRY(http_server_create(&http, &s->http, err));
    init_api(s);
    TRY(router_create(&router, &s->router, err));
    struct str prefix = str_sub(s->options->external_path, 0, s->options->external_path.len - 1);
    TRY(prometheus_api_add_routes(&s->api, s->router, prefix, err));
    TRY(ui_init(&s->ui, s->mem, s->options->external_path, err));
    TRY(ui_add_routes(&s->ui, s->router, err));
    TRY(s->options->listen_count ? listen_all(s, err) : listen_default(s, err));
    snprintf(s->instance, sizeof s->instance, "%s", s->listen_addr[0]);
    snprintf(s->own_url, sizeof s->own_url, "%s://%s/metrics", s->tls ? "https" : "http",
             s->listen_addr[0]);
    return http_server_start(s->http, err);
}

/* data/LOCK: one process per data directory. */
static enum err_code lock_data(struct server *s, struct err *err)
{
    char path[FILE_PATH_SIZE], note[64];
    struct file_info info;
    const char *dir = s->options->storage_path;
    s->is_new_data = s->files->stat(s->files->ctx, dir, &info, NULL) != ERR_OK;
    TRY(file_mkdirs(s->files, dir, err));
    TRY(file_join(path, dir, "LOCK", err));
    snprintf(note, sizeof note, "pid %u since %lld", process_id(), (long long)s->start_ms);
    TRY(s->files->lock(s->files->ctx, path, str_of_z(note), &s->data_lock, err));
    TRY(file_join(path, dir, "anonymous", err));
    TRY(file_join(s->metrics_dir, path, "metrics", err));
    return file_mkdirs(s->files, s->metrics_dir, err);
}

static enum err_code start(struct server *s, struct err *err)
{
    TRY(lock_data(s, err));
    TRY(loop_create(s->mem, s->clock, &s->loop, err));
    TRY(signals_open(&s->signals, s->loop, on_signal, s, err));
    TRY(start_http(s, err));
    server_memory_watch(s);
    server_watchdog_start(s);
    s->opened.fn = on_opened;
    return thread_start(&s->opener, "open", opener_main, s, err);
}

/* ---- stop ---- */

static void stop(struct server *s)
{
    struct err err = { 0 };
    s->is_stopping = true;
    service_notify("STOPPING=1");
    prometheus_api_set_stopping(&s->api);
    thread_join(&s->opener);
    if (s->http && !http_server_drain(s->http, QUERY_GRACE_MS)) promql_engine_stop(s->engine);
    if (s->http) http_server_stop(s->http, DRAIN_MS - QUERY_GRACE_MS);
    promql_engine_stop(s->engine); /* clients that hold still get no more than that */
    offload_stop(
        s->offload); /* requests may ask the scrape manager, and its own metrics the rest */
    scrape_manager_destroy(s->scrape);
    offload_destroy(s->offload);
    promql_engine_destroy(s->engine);
    if (s->http) http_server_finish(s->http); /* large writes go on when their client has left */
    if (metrics_close(s->metrics, &err) != ERR_OK) {
        complain("closing the store", &err);
        s->exit_code = 1;
    }
    http_server_destroy(s->http);
    tls_context_destroy(s->tls);
    router_destroy(s->router);
    ui_deinit(&s->ui);
    host_destroy(s->host);
    if (s->loop) signals_close(&s->signals);
    loop_destroy(s->loop);
    if (s->data_lock) (void)!s->files->close(s->files->ctx, s->data_lock, NULL);
    config_unref(s->config);
}

/* Print what a load had to say; false after an error. */
static bool report(enum err_code rc, const char *file, const struct buf *diags,
                   const struct err *err)
{
    if (diags->len) fprintf(stderr, "%.*s", (int)diags->len, (const char *)diags->ptr);
    if (rc != ERR_OK && diags->len == 0) complain(file, err);
    return rc == ERR_OK;
}

static bool load_web_config(struct server *s)
{
    const char *file = s->options->web_config_file;
    struct err err = { 0 };
    struct buf diags;
    if (!file) return true;
    buf_init(&diags, mem_source_of(s->mem, MEM_SYSTEM), DIAGS_BYTES_MAX);
    enum err_code rc = web_config_load(s->mem, s->files, file, &diags, &s->tls, &err);
    bool ok = report(rc, file, &diags, &err);
    buf_deinit(&diags);
    return ok;
}

/* The command line wins over the file. */
static void take_storage_options(struct server *s, const struct storage_config *file)
{
    const struct server_options *o = s->options;
    const int64_t from_file_ms = file->tsdb.retention.time_ms;
    s->retention_ms = o->retention_ms ? o->retention_ms
                      : from_file_ms  ? from_file_ms
                                      : RETENTION_DEFAULT_MS;
    s->retention_bytes = o->retention_bytes ? o->retention_bytes : file->tsdb.retention.size_bytes;
    s->durability = (enum journal_mode)(o->durability >= 0 ? o->durability : file->durability);
}

static bool load_first_config(struct server *s)
{
    struct err err = { 0 };
    struct buf diags;
    buf_init(&diags, mem_source_of(s->mem, MEM_SYSTEM), DIAGS_BYTES_MAX);
    enum err_code rc =
        config_load(s->mem, s->files, s->options->config_file, &diags, &s->config, &err);
    bool ok = report(rc, s->options->config_file, &diags, &err);
    buf_deinit(&diags);
    if (!ok) return false;
    take_storage_options(s, &config_main(s->config)->storage);
    stat_add(&s->stats.reloads, 1);
    stat_set(&s->stats.reload_ok, true);
    stat_set(&s->stats.reload_ts_s, clock_wall_ms(s->clock) / 1000);
    return true;
}

static void init(struct server *s, const struct server_options *options)
{
    s->options = options;
    s->clock = clock_system();
    s->files = file_layer_posix();
    s->start_ns = clock_mono_ns(s->clock);
    s->start_ms = process_start_ms();
    s->seed = hash64(process_hostname(s->hostname, sizeof s->hostname), strlen(s->hostname), 0);
    process_cwd(s->cwd, sizeof s->cwd);
    s->sink = (struct log_sink){ .clock = s->clock,
                                 .format = options->log_format,
                                 .level = (int)options->log_level };
    s->log = (struct log){ &s->sink, "server" };
    mutex_init(&s->config_lock);
}

int server_run(const struct server_options *options)
{
    uint64_t limit = server_memory_limit(options->memory_limit);
    struct mem_budget *mem = mem_budget_create(server_memory_budget(limit));
    if (!mem) return 1;
    struct server *s = mem_zalloc(mem, MEM_SYSTEM, sizeof *s);
    struct err err = { 0 };
    if (!s) {
        mem_budget_destroy(mem);
        return 1;
    }
    s->mem = mem;
    s->memory_limit = limit;
    init(s, options);
    (void)process_raise_fd_limit();
    if (!load_first_config(s) || !load_web_config(s)) {
        s->exit_code = 2;
    } else if (!options->check_only) {
        if (start(s, &err) == ERR_OK) {
            loop_run(s->loop);
        } else {
            complain("cannot start", &err);
            s->exit_code = 1;
        }
    }
    stop(s);
    int exit_code = s->exit_code;
    mutex_deinit(&s->config_lock);
    mem_free(mem, MEM_SYSTEM, s, sizeof *s);
    mem_budget_destroy(mem);
    return exit_code;
}
