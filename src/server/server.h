/* SPDX-License-Identifier: Apache-2.0
 *
 * server - the life of the process: listeners, store, engine, scraping, and the way back.
 *
 * Threads   server_run runs on the main thread and returns when the server has stopped. Signals
 *           must be blocked before (signals_block).
 */
#ifndef PHAROS_SERVER_SERVER_H
#define PHAROS_SERVER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "api/prometheus/prometheus_api.h"
#include "base/err.h"
#include "os/log.h"

#define PHAROS_VERSION "0.1.0"
#define LISTEN_ADDRESSES_MAX 8

struct server_options {
    const char *config_file;     /* NULL: none */
    const char *web_config_file; /* NULL: plain HTTP */
    const char *storage_path;
    struct str listen[LISTEN_ADDRESSES_MAX];
    unsigned listen_count;    /* 0: loopback 9090 without a file, all addresses with one */
    struct str external_path; /* "/" or "/x/y/" */
    int64_t retention_ms;     /* 0: from the file, else 15 d */
    uint64_t retention_bytes; /* 0: from the file */
    int durability;           /* enum journal_mode, -1: from the file */
    uint64_t memory_limit;    /* 0: 70 % of what there is */
    bool with_lifecycle;
    enum log_level log_level;
    enum log_format log_format;
    int64_t query_timeout_ms, query_lookback_ms;
    uint64_t query_samples_max;
    unsigned query_concurrency;
    unsigned connections_max;     /* 0: 10,000 */
    const struct api_flag *flags; /* as given and defaulted, for /api/v1/status/flags */
    size_t flag_count;
    bool check_only; /* parse everything, bind nothing */
};

/* 0, 1 (failed) or 2 (usage or configuration). Messages for people go to stderr. */
int server_run(const struct server_options *options);

#endif
