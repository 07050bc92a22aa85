/* SPDX-License-Identifier: Apache-2.0
 *
 * The routes of the dialect and where each is answered: on the loop, or by a thread of the pool.
 */
#include "api/prometheus/prometheus_api.h"

#include "api/prometheus/api_priv.h"

#define REFUSED(outcome, label)                                                                    \
    STAT_COUNTER_L(struct api_stats, write_refused[outcome],                                       \
                   "pharos_remote_write_samples_refused_total", "reason=\"" label "\"",            \
                   "Samples of remote writes that were not stored.")
#define FAULT(fault, label)                                                                        \
    STAT_COUNTER_L(struct api_stats, write_faults[fault],                                          \
                   "pharos_remote_write_requests_refused_total", "reason=\"" label "\"",           \
                   "Remote writes of which nothing was acknowledged.")

static const struct stat_desc API_STATS[] = {
    STAT_COUNTER(struct api_stats, write_requests, "pharos_remote_write_requests_total",
                 "Remote write requests received."),
    STAT_COUNTER(struct api_stats, write_samples, "pharos_remote_write_samples_total",
                 "Samples of remote writes stored."),
    STAT_COUNTER(struct api_stats, write_histograms_ignored,
                 "pharos_remote_write_histograms_ignored_total",
                 "Native histogram samples of remote writes that were left out."),
    STAT_COUNTER(struct api_stats, write_shed, "pharos_remote_write_requests_shed_total",
                 "Remote writes refused before their body was read because memory was short."),
    REFUSED(BATCH_DROPPED, "dropped"),
    REFUSED(BATCH_INVALID_LABELS, "invalid_labels"),
    REFUSED(BATCH_LIMIT, "limit"),
    REFUSED(BATCH_NOMEM, "memory"),
    REFUSED(BATCH_OUT_OF_ORDER, "out_of_order"),
    REFUSED(BATCH_TOO_OLD, "too_old"),
    REFUSED(BATCH_OUT_OF_BOUNDS, "out_of_bounds"),
    REFUSED(BATCH_DUPLICATE, "duplicate"),
    FAULT(API_WRITE_ENCODING, "encoding"),
    FAULT(API_WRITE_CONTENT_TYPE, "content_type"),
    FAULT(API_WRITE_MESSAGE, "message_type"),
    FAULT(API_WRITE_CORRUPT, "corrupt"),
    FAULT(API_WRITE_TOO_LARGE, "too_large"),
    FAULT(API_WRITE_MALFORMED, "malformed"),
    FAULT(API_WRITE_NO_MEMORY, "memory"),
    FAULT(API_WRITE_STORAGE, "storage"),
    STAT_HISTOGRAM(struct api_stats, write_duration, "pharos_remote_write_duration_seconds",
                   "From the first byte of a remote write to its acknowledgement."),
    STAT_COUNTER(struct api_stats, queries, "pharos_api_queries_total", "PromQL queries received."),
    STAT_COUNTER(struct api_stats, query_failures, "pharos_api_query_failures_total",
                 "PromQL queries that ended in an error."),
    STAT_HISTOGRAM(struct api_stats, query_duration, "pharos_api_query_duration_seconds",
                   "Time of PromQL queries, waiting included."),
};

struct stat_table prometheus_api_stat_table(const struct prometheus_api *api)
{
    return (struct stat_table){ API_STATS, sizeof API_STATS / sizeof API_STATS[0], &api->stats };
}

void prometheus_api_init(struct prometheus_api *api, const struct prometheus_api_options *options)
{
    api->options = *options;
    api->log = (struct log){ options->log, "api" };
}

void prometheus_api_set_ready(struct prometheus_api *api, struct metrics *metrics,
                              struct promql_engine *engine, struct scrape_manager *scrape)
{
    api->options.metrics = metrics;
    api->options.engine = engine;
    api->options.scrape = scrape;
    atomic_store_explicit(&api->is_ready, true, memory_order_release);
}

void prometheus_api_set_stopping(struct prometheus_api *api)
{
    atomic_store_explicit(&api->is_stopping, true, memory_order_release);
}

/* serve_<handler>: the route's function for a handler that may block, or that may not. */
#define OFFLOADED(handler)                                                                         \
    static void serve_##handler(void *ctx, struct http_exchange *ex)                               \
    {                                                                                              \
        api_serve_offloaded(ctx, ex, handler);                                                     \
    }
#define QUERY(handler)                                                                             \
    static void serve_##handler(void *ctx, struct http_exchange *ex)                               \
    {                                                                                              \
        api_serve_query(ctx, ex, handler);                                                         \
    }
#define INLINE(handler)                                                                            \
    static void serve_##handler(void *ctx, struct http_exchange *ex)                               \
    {                                                                                              \
        api_serve_inline(ctx, ex, handler);                                                        \
    }

QUERY(api_query)
QUERY(api_query_range)
OFFLOADED(api_query_exemplars)
OFFLOADED(api_format_query)
OFFLOADED(api_parse_query)
OFFLOADED(api_series)
OFFLOADED(api_labels)
OFFLOADED(api_label_values)
OFFLOADED(api_metadata)
OFFLOADED(api_targets)
OFFLOADED(api_targets_metadata)
OFFLOADED(api_scrape_pools)
OFFLOADED(api_status_tsdb)
OFFLOADED(api_federate)
OFFLOADED(api_reload)
INLINE(api_status_config)
INLINE(api_status_flags)
INLINE(api_status_runtimeinfo)
INLINE(api_status_buildinfo)
INLINE(api_status_walreplay)
INLINE(api_rules)
INLINE(api_alerts)
INLINE(api_alertmanagers)
INLINE(api_version)
INLINE(api_own_metrics)
INLINE(api_healthy)
INLINE(api_readiness)
INLINE(api_post_only)
INLINE(api_quit)

static void serve_api_write(void *ctx, struct http_exchange *ex)
{
    api_write(ctx, ex);
}

enum { GET = HTTP_BIT(HTTP_GET), POST = HTTP_BIT(HTTP_POST), PUT = HTTP_BIT(HTTP_PUT) };

#define READ(path, methods, handler)                                                               \
    {                                                                                              \
        path, methods, HTTP_ROUTE_CORS, 0, serve_##handler, NULL, NULL                             \
    }

static const struct http_route ROUTES[] = {
    READ("/api/v1/query", GET | POST, api_query),
    READ("/api/v1/query_range", GET | POST, api_query_range),
    READ("/api/v1/query_exemplars", GET | POST, api_query_exemplars),
    READ("/api/v1/format_query", GET | POST, api_format_query),
    READ("/api/v1/parse_query", GET | POST, api_parse_query),
    READ("/api/v1/series", GET | POST, api_series),
    READ("/api/v1/labels", GET | POST, api_labels),
    READ("/api/v1/label/:name/values", GET, api_label_values),
    READ("/api/v1/metadata", GET, api_metadata),
    READ("/api/v1/targets", GET, api_targets),
    READ("/api/v1/targets/metadata", GET, api_targets_metadata),
    READ("/api/v1/scrape_pools", GET, api_scrape_pools),
    READ("/api/v1/rules", GET, api_rules),
    READ("/api/v1/alerts", GET, api_alerts),
    READ("/api/v1/alertmanagers", GET, api_alertmanagers),
    READ("/api/v1/status/config", GET, api_status_config),
    READ("/api/v1/status/flags", GET, api_status_flags),
    READ("/api/v1/status/runtimeinfo", GET, api_status_runtimeinfo),
    READ("/api/v1/status/buildinfo", GET, api_status_buildinfo),
    READ("/api/v1/status/tsdb", GET, api_status_tsdb),
    READ("/federate", GET, api_federate),
    READ("/version", GET, api_version),
    { "/api/v1/status/walreplay", GET, HTTP_ROUTE_CORS | HTTP_ROUTE_ALWAYS, 0,
      serve_api_status_walreplay, NULL, NULL },
    { "/api/v1/write", POST, HTTP_ROUTE_RAW_BODY | HTTP_ROUTE_INGEST, 0, serve_api_write, NULL,
      NULL },
    { "/metrics", GET, HTTP_ROUTE_ALWAYS, 0, serve_api_own_metrics, NULL, NULL },
    { "/-/healthy", GET, HTTP_ROUTE_ALWAYS, 0, serve_api_healthy, NULL, NULL },
    { "/-/ready", GET, HTTP_ROUTE_ALWAYS, 0, serve_api_readiness, NULL, NULL },
    READ("/-/reload", GET, api_post_only),
    READ("/-/quit", GET, api_post_only),
    { "/-/reload", POST | PUT, HTTP_ROUTE_STATE_CHANGING, 0, serve_api_reload, NULL, NULL },
    { "/-/quit", POST | PUT, HTTP_ROUTE_STATE_CHANGING | HTTP_ROUTE_ALWAYS, 0, serve_api_quit, NULL,
      NULL },
};

#define ROUTE_COUNT (sizeof ROUTES / sizeof ROUTES[0])

enum err_code prometheus_api_add_routes(struct prometheus_api *api, struct router *r,
                                        struct str prefix, struct err *err)
{
    _Static_assert(ROUTE_COUNT <= API_ROUTES_MAX, "room for every route");
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        api->routes[i] = ROUTES[i];
        api->routes[i].ctx = api;
    }
    TRY(router_add(r, (struct str){ "", 0 }, api->routes, ROUTE_COUNT, err));
    TRY(router_add(r, STR("/prometheus"), api->routes, ROUTE_COUNT, err));
    if (prefix.len == 0 || str_eq(prefix, STR("/prometheus"))) return ERR_OK;
    return router_add(r, prefix, api->routes, ROUTE_COUNT, err);
}
