/* SPDX-License-Identifier: Apache-2.0
 *
 * prometheus_api - Prometheus' HTTP API: /api/v1, /federate, /metrics, /-/..., with its exact JSON,
 * status codes and error texts.
 *
 * Source    prometheus-http-api.md.
 * Threads   Handlers run on the connections' loops; queries and metadata on the offload pool. The
 *           object is immutable once its routes are added.
 */
#ifndef PHAROS_API_PROMETHEUS_PROMETHEUS_API_H
#define PHAROS_API_PROMETHEUS_PROMETHEUS_API_H

#include <stdatomic.h>
#include <stdbool.h>

#include "api/offload.h"
#include "base/err.h"
#include "base/stats.h"
#include "collect/scrape/scrape_manager.h"
#include "formats/exposition.h"
#include "metrics/metrics.h"
#include "net/router.h"
#include "query/promql/engine.h"

struct api_flag {
    struct str name, value;
};
#define API_FLAG_TEXT_SIZE 512

/* What only the server knows. Any thread. */
struct api_server_hooks {
    void *ctx;
    /* Load the configuration anew. */
    enum err_code (*reload)(void *ctx, struct err *err);
    /* Begin to stop. */
    void (*quit)(void *ctx);
    /* The effective configuration as YAML, secrets masked. */
    void (*config_yaml)(void *ctx, struct buf *out);
    /* Own metrics, appended in the given dialect. */
    void (*own_metrics)(void *ctx, struct buf *out, enum exposition_format format);
    /* Result and wall time (ms) of the last load of the configuration. */
    void (*reload_status)(void *ctx, bool *out_ok, int64_t *out_ts_ms);
    /* The external labels of the configuration, sorted, texts in `a`; none when there is no
     * memory. */
    void (*external_labels)(void *ctx, struct arena *a, struct labels *out);
    /* Replay progress, 0..1, while not ready. */
    double (*progress)(void *ctx);
    /* The value in force of a flag, when that may be another than the one given: set in the file,
     * or a default that depends. Leaves *io_value alone otherwise; may write it into `text`. May be
     * NULL. */
    void (*flag_in_force)(void *ctx, struct str name, char text[API_FLAG_TEXT_SIZE],
                          struct str *io_value);
};

struct prometheus_api_options {
    struct mem_budget *mem;
    const struct clock *clock;
    struct log_sink *log;
    struct offload *offload;
    /* Set before is_ready becomes true; NULL until then. */
    struct metrics *metrics;
    struct promql_engine *engine;
    struct scrape_manager *scrape;
    struct api_server_hooks hooks;
    const struct api_flag *flags; /* of the command line, sorted by name */
    size_t flag_count;
    struct str version, hostname, cwd;
    struct str listen_addr; /* for globalUrl: targets on our own loopback port */
    int64_t start_ms, retention_ms;
    uint64_t alias_seed; /* of remote write keys */
    bool with_lifecycle; /* /-/reload and /-/quit */
    struct label_limits label_limits;
};

/* Why nothing of a remote write was stored. */
enum api_write_fault {
    API_WRITE_ENCODING,     /* Content-Encoding */
    API_WRITE_CONTENT_TYPE, /* Content-Type */
    API_WRITE_MESSAGE,      /* its parameter `proto` */
    API_WRITE_CORRUPT,      /* snappy */
    API_WRITE_TOO_LARGE,    /* once decoded */
    API_WRITE_MALFORMED,    /* protobuf */
    API_WRITE_NO_MEMORY,
    API_WRITE_STORAGE, /* the journal takes nothing */
    API_WRITE_FAULT_COUNT
};

struct api_stats {
    struct stat_counter write_requests, write_samples, write_histograms_ignored, write_shed;
    struct stat_counter write_refused[BATCH_OUTCOME_COUNT];
    struct stat_counter write_faults[API_WRITE_FAULT_COUNT];
    struct stat_counter queries, query_failures;
    struct stat_histogram query_duration, write_duration;
};

#define API_ROUTES_MAX 48

struct prometheus_api {
    struct prometheus_api_options options;
    struct log log;
    _Atomic bool is_ready, is_stopping;       /* any thread; release/acquire around `options` */
    struct http_route routes[API_ROUTES_MAX]; /* what the router refers to */
    struct api_stats stats;
};

void prometheus_api_init(struct prometheus_api *api, const struct prometheus_api_options *options);
/* Routes at the root, below `/prometheus`, and below `prefix` ("" or "/x/y") for proxies that do
 * not take the external path off. The api outlives the router. */
CHECK_RESULT enum err_code prometheus_api_add_routes(struct prometheus_api *api, struct router *r,
                                                     struct str prefix, struct err *err);
/* The store is open: from here on requests are served. */
void prometheus_api_set_ready(struct prometheus_api *api, struct metrics *metrics,
                              struct promql_engine *engine, struct scrape_manager *scrape);
void prometheus_api_set_stopping(struct prometheus_api *api);
/* For router_options.guard: false after answering 503 because the server is not ready. */
bool prometheus_api_guard(struct prometheus_api *api, struct http_exchange *ex,
                          const struct http_route *route);
struct stat_table prometheus_api_stat_table(const struct prometheus_api *api);

#endif
