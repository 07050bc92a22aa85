/* SPDX-License-Identifier: Apache-2.0
 *
 * server_priv - the server's parts, shared by start, reload and telemetry.
 */
#ifndef PHAROS_SERVER_SERVER_PRIV_H
#define PHAROS_SERVER_SERVER_PRIV_H

#include "api/offload.h"
#include "api/ui/ui.h"
#include "collect/host/host.h"
#include "os/loop.h"
#include "os/signals.h"
#include "os/thread.h"
#include "server/config.h"
#include "server/server.h"
#include "server/web_config.h"

#define HOSTNAME_SIZE 256

struct server_stats {
    struct stat_counter reloads, reload_failures, memory_trims;
    struct stat_gauge reload_ok, reload_ts_s;
};

struct server {
    const struct server_options *options;
    const struct clock *clock;
    const struct file_layer *files;
    struct mem_budget *mem;
    struct log_sink sink;
    struct log log;
    struct loop *loop; /* of the main thread */
    struct signals signals;
    struct loop_timer watchdog, memory_timer;
    uint64_t memory_limit;    /* of the process; the budget is less */
    uint64_t watchdog_ns;     /* its period */
    struct config *config;    /* guarded by config_lock */
    struct mutex config_lock; /* also serialises reloads */
    struct http_server *http;
    struct tls_context *tls; /* NULL: plain HTTP */
    struct router *router;
    struct ui ui;
    struct offload *offload;
    struct prometheus_api api;
    struct metrics *metrics;
    struct promql_engine *engine;
    struct scrape_manager *scrape;
    struct host *host;
    struct file *data_lock;
    struct scrape_local locals[2];
    char hostname[HOSTNAME_SIZE], instance[HOSTNAME_SIZE], own_url[HOSTNAME_SIZE * 2];
    char cwd[FILE_PATH_SIZE], metrics_dir[FILE_PATH_SIZE];
    char listen_addr[LISTEN_ADDRESSES_MAX][SOCKET_ADDR_SIZE];
    unsigned listen_count;
    uint64_t seed;
    int64_t start_ms;
    uint64_t start_ns;
    struct thread opener;
    struct loop_msg opened;
    enum err_code open_result;
    struct err open_err;
    _Atomic uint32_t replay_permille; /* any thread */
    bool is_new_data, is_stopping;
    /* as the store was opened with, whatever the file says by now */
    int64_t retention_ms;
    uint64_t retention_bytes;
    enum journal_mode durability;
    int exit_code;
    struct server_stats stats;
};

/* server_config.c */
CHECK_RESULT enum err_code server_apply_config(struct server *s, struct err *err);
enum err_code server_reload(void *ctx, struct err *err);
void server_config_yaml(void *ctx, struct buf *out);
void server_reload_status(void *ctx, bool *out_ok, int64_t *out_ts_ms);
void server_external_labels(void *ctx, struct arena *a, struct labels *out);

/* flags_in_force.c */
void server_flag_in_force(void *ctx, struct str name, char text[API_FLAG_TEXT_SIZE],
                          struct str *io_value);

/* memory.c */
uint64_t server_memory_limit(uint64_t given_bytes);  /* 0: 70 % of what there is */
uint64_t server_memory_budget(uint64_t limit_bytes); /* for the accounts; before threads start */
void server_memory_watch(struct server *s);

/* watchdog.c: nothing when systemd does not ask for it. */
void server_watchdog_start(struct server *s);

/* telemetry.c */
void server_own_metrics(void *ctx, struct buf *out, enum exposition_format format);

#endif
