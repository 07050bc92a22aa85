/* SPDX-License-Identifier: Apache-2.0
 *
 * pharos serve: Prometheus' flags, and then the server.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/flags.h"
#include "os/crash.h"
#include "os/signals.h"
#include "server/server.h"

#define FLAGS_MAX 64
#define VALUE_TEXT_SIZE 80

struct serve_values {
    const char *config_file, *web_config_file, *storage_path, *tsdb_path, *durability, *log_level,
        *log_format;
    const char *external_url, *route_prefix;
    struct cli_texts listen;
    int64_t retention_ms, query_timeout_ms, lookback_ms;
    uint64_t retention_bytes, memory_limit, max_samples, max_concurrency, max_connections;
    bool with_lifecycle, check_only;
    bool ignored; /* switches of Prometheus that mean nothing here, or that are always on */
};

#define V(field) offsetof(struct serve_values, field)
/* Accepted, so that a command line of Prometheus works unchanged; not shown. */
#define SWITCH(name)                                                                               \
    {                                                                                              \
        name, 0, CLI_BOOL, V(ignored), NULL, NULL, NULL, NULL                                      \
    }
/* The same with a warning: somebody may count on what is not there. */
#define SWITCH_NOTED(name, note)                                                                   \
    {                                                                                              \
        name, 0, CLI_BOOL, V(ignored), NULL, NULL, NULL, note                                      \
    }
#define VALUE(name)                                                                                \
    {                                                                                              \
        name, 0, CLI_IGNORED, 0, NULL, NULL, NULL, "has no effect"                                 \
    }

static const struct cli_flag FLAGS[] = {
    { "config.file", 0, CLI_TEXT, V(config_file), NULL, "FILE",
      "configuration (a prometheus.yml works); none: watch this host and itself" },
    { "storage.path", 0, CLI_TEXT, V(storage_path), "data", "DIR", "data directory" },
    { "storage.tsdb.path", 0, CLI_TEXT, V(tsdb_path), NULL, "DIR", "same as --storage.path" },
    { "storage.tsdb.retention.time", 0, CLI_DURATION, V(retention_ms), NULL, "DURATION",
      "drop blocks older than this; default: the file's, else 15d" },
    { "storage.tsdb.retention.size", 0, CLI_SIZE, V(retention_bytes), NULL, "SIZE",
      "drop the oldest blocks above this" },
    { "storage.durability", 0, CLI_TEXT, V(durability), NULL, "interval|commit|off",
      "when a write is acknowledged; default: the file's, else interval" },
    { "memory.limit", 0, CLI_SIZE, V(memory_limit), NULL, "SIZE",
      "memory budget; default 70% of what there is" },
    { "web.listen-address", 0, CLI_MULTI, V(listen), NULL, "HOST:PORT",
      "where to listen; several times for several; default 127.0.0.1:9090, with a file :9090" },
    { "web.config.file", 0, CLI_TEXT, V(web_config_file), NULL, "FILE",
      "TLS of the listeners, in Prometheus' format" },
    { "web.external-url", 0, CLI_TEXT, V(external_url), NULL, "URL",
      "URL under which the server is reached from outside" },
    { "web.route-prefix", 0, CLI_TEXT, V(route_prefix), NULL, "PATH",
      "path below which the page lives; default: that of --web.external-url" },
    { "web.max-connections", 0, CLI_UINT, V(max_connections), "10000", "N",
      "connections at once; more wait to be accepted" },
    { "web.enable-lifecycle", 0, CLI_BOOL, V(with_lifecycle), NULL, NULL,
      "allow POST /-/reload and /-/quit" },
    { "query.timeout", 0, CLI_DURATION, V(query_timeout_ms), "2m", "DURATION",
      "longest time of a query" },
    { "query.lookback-delta", 0, CLI_DURATION, V(lookback_ms), "5m", "DURATION",
      "how old a sample may be to count as current" },
    { "query.max-samples", 0, CLI_UINT, V(max_samples), "50000000", "N",
      "samples that one query may hold at once" },
    { "query.max-concurrency", 0, CLI_UINT, V(max_concurrency), "20", "N",
      "queries that run at once; more wait" },
    { "log.level", 0, CLI_TEXT, V(log_level), "info", "debug|info|warn|error",
      "least level logged" },
    { "log.format", 0, CLI_TEXT, V(log_format), "logfmt", "logfmt|json", "form of log lines" },
    { "check", 0, CLI_BOOL, V(check_only), NULL, NULL, "check the configuration and exit" },
    /* Prometheus' flags that mean nothing here, or that are always on. */
    SWITCH("web.enable-remote-write-receiver"),
    SWITCH_NOTED("web.enable-otlp-receiver", "has no effect yet: OTLP is not received"),
    SWITCH_NOTED("web.enable-admin-api", "has no effect yet: there is no admin API"),
    SWITCH("storage.tsdb.wal-compression"),
    SWITCH_NOTED("storage.tsdb.no-lockfile", "has no effect: the data directory is locked"),
    SWITCH("storage.tsdb.allow-overlapping-blocks"),
    SWITCH("auto-gomaxprocs"),
    SWITCH("auto-gomemlimit"),
    VALUE("auto-gomemlimit.ratio"),
    VALUE("web.console.templates"),
    VALUE("web.console.libraries"),
    VALUE("web.user-assets"),
    VALUE("web.page-title"),
    VALUE("web.read-timeout"),
    VALUE("storage.tsdb.min-block-duration"),
    VALUE("storage.tsdb.max-block-duration"),
    VALUE("storage.tsdb.wal-segment-size"),
    VALUE("storage.tsdb.wal-compression-type"),
    VALUE("storage.remote.flush-deadline"),
    VALUE("storage.remote.read-sample-limit"),
    VALUE("storage.remote.read-concurrent-limit"),
    VALUE("storage.remote.read-max-bytes-in-frame"),
    VALUE("rules.alert.for-outage-tolerance"),
    VALUE("rules.alert.for-grace-period"),
    VALUE("rules.alert.resend-delay"),
    VALUE("alertmanager.notification-queue-capacity"),
    VALUE("enable-feature"),
};

static const struct cli_flags ALL = { FLAGS, sizeof FLAGS / sizeof FLAGS[0] };

static void usage(void)
{
    printf("usage: pharos [serve] [flags]\n\n"
           "Runs the server. Without a configuration file it watches this host and itself and "
           "listens on loopback only.\nSIGHUP reloads the configuration, SIGTERM stops.\n\n");
    cli_print_flags(&ALL);
}

static bool parse_durability(const char *text, int *out)
{
    static const char *const NAMES[] = { "interval", "commit", "off" };
    *out = -1;
    if (!text) return true;
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, NAMES[i]) == 0) *out = i;
    }
    if (*out >= 0) return true;
    fprintf(stderr, "pharos: --storage.durability is interval, commit or off, not \"%s\"\n", text);
    return false;
}

/* "/" or "/x/y/": the given prefix, else the path of the external URL. */
static struct str external_path(const struct serve_values *v, char *out, size_t size)
{
    struct str path = str_of_z(v->route_prefix ? v->route_prefix : "");
    if (!v->route_prefix && v->external_url) {
        struct str url = str_of_z(v->external_url);
        size_t host = str_find(url, STR("://"));
        struct str rest = str_sub(url, host + 3, url.len);
        path = host < url.len ? str_sub(rest, str_index(rest, '/'), rest.len) : path;
    }
    while (path.len && path.ptr[path.len - 1] == '/')
        path.len--;
    while (path.len && path.ptr[0] == '/')
        path = str_sub(path, 1, path.len);
    int n = snprintf(out, size, path.len ? "/" STR_FMT "/" : "/", STR_ARG(path));
    if (n < 0 || (size_t)n >= size) return STR("/");
    return (struct str){ out, (size_t)n };
}

static bool fill_options(const struct serve_values *v, char *path, size_t path_size,
                         struct server_options *out)
{
    bool is_json = strcmp(v->log_format, "json") == 0;
    *out = (struct server_options){
        .config_file = v->config_file,
        .web_config_file = v->web_config_file,
        .storage_path = v->tsdb_path ? v->tsdb_path : v->storage_path,
        .external_path = external_path(v, path, path_size),
        .retention_ms = v->retention_ms,
        .retention_bytes = v->retention_bytes,
        .memory_limit = v->memory_limit,
        .with_lifecycle = v->with_lifecycle,
        .log_format = is_json ? LOG_JSON : LOG_LOGFMT,
        .query_timeout_ms = v->query_timeout_ms,
        .query_lookback_ms = v->lookback_ms,
        .query_samples_max = v->max_samples,
        .query_concurrency =
            (unsigned)(v->max_concurrency < UINT32_MAX ? v->max_concurrency : UINT32_MAX),
        .connections_max =
            (unsigned)(v->max_connections < UINT32_MAX ? v->max_connections : UINT32_MAX),
        .check_only = v->check_only,
    };
    for (unsigned i = 0; i < v->listen.len; i++) {
        out->listen[out->listen_count++] = str_of_z(v->listen.ptr[i]);
    }
    if (!log_level_parse(str_of_z(v->log_level), &out->log_level)) {
        fprintf(stderr, "pharos: --log.level is debug, info, warn or error, not \"%s\"\n",
                v->log_level);
        return false;
    }
    if (!is_json && strcmp(v->log_format, "logfmt") != 0) {
        fprintf(stderr, "pharos: --log.format is logfmt or json, not \"%s\"\n", v->log_format);
        return false;
    }
    return parse_durability(v->durability, &out->durability);
}

int cli_serve(int argc, char **argv)
{
    struct serve_values v = { 0 };
    struct cli_args args;
    struct server_options options;
    struct api_flag flag_texts[FLAGS_MAX];
    char texts[FLAGS_MAX][VALUE_TEXT_SIZE], path[1024];
    if (!cli_parse(&ALL, argc, argv, &v, &args)) return 2;
    if (args.wants_help) {
        usage();
        return 0;
    }
    if (args.positional_count) {
        fprintf(stderr, "pharos: serve takes no argument \"%s\"\n", args.positional[0]);
        return 2;
    }
    if (!fill_options(&v, path, sizeof path, &options)) return 2;
    size_t shown = 0;
    for (size_t i = 0; i < ALL.len; i++) {
        if (!FLAGS[i].help) continue;
        flag_texts[shown].name = str_of_z(FLAGS[i].name);
        flag_texts[shown].value = cli_flag_text(&FLAGS[i], &v, texts[shown], VALUE_TEXT_SIZE);
        shown++;
    }
    options.flags = flag_texts;
    options.flag_count = shown;
    signals_block();
    install_crash_handlers(-1);
    return server_run(&options);
}
