/* SPDX-License-Identifier: Apache-2.0
 *
 * scrape_manager - the scrape thread: pools of targets from the configuration, discovery, schedule,
 * and the store at the end.
 *
 *     scrape_configs -> pool -> discovery -> relabel -> target -> (timer) -> GET -> scrape_batch
 *                    -> metrics_append
 *
 * Each target is scraped at multiples of its interval plus a phase of its own; the sample time is
 * the nominal time when the timer fired within tolerance. A local target's text comes from a
 * function of this process instead of HTTP (own metrics, this host).
 *
 * Threads   One thread with an event loop and an HTTP client of its own. apply, targets, metadata:
 *           any other thread. `lock` guards what they read; the thread holds it only while it
 *           changes targets or results.
 * Failure   A target that fails is down (up 0, stale markers); no target disturbs another. Without
 *           memory a scrape is skipped and counted.
 */
#ifndef PHAROS_COLLECT_SCRAPE_SCRAPE_MANAGER_H
#define PHAROS_COLLECT_SCRAPE_SCRAPE_MANAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/stats.h"
#include "codec/yaml_bind.h"
#include "metrics/metrics.h"
#include "model/metadata.h"

struct scrape_manager;

struct scrape_manager_options {
    struct metrics *metrics;
    struct mem_budget *mem;
    const struct clock *clock;
    const struct file_layer *files;
    struct log_sink *log;
    struct str user_agent;
};

/* A target inside this process. All texts and ctx outlive the manager. */
struct scrape_local {
    const char *job, *instance, *url;
    int64_t interval_ms;
    void (*collect)(void *ctx, struct buf *out); /* appends text 0.0.4; on the scrape thread */
    void *ctx;
};

struct scrape_settings {
    const struct yaml_list *scrape_configs; /* of struct scrape_config, resolved */
    const struct scrape_local *locals;
    size_t local_count;
    struct str base_dir; /* of relative paths in the configuration */
    uint64_t seed;       /* of the phases: differs between servers */
    void *owner;         /* keeps the configuration alive; released when it is not used any more */
    void (*release)(void *owner);
};

CHECK_RESULT enum err_code scrape_manager_create(const struct scrape_manager_options *options,
                                                 struct scrape_manager **out, struct err *err);
/* Stops the thread; running scrapes are dropped. NULL is a no-op. */
void scrape_manager_destroy(struct scrape_manager *m);

/* Take over new settings, wholly or (ERR_INVALID, ERR_NOMEM) not at all; targets that stay keep
 * their cache and schedule. On success settings->owner belongs to the manager. Blocks until done.
 */
CHECK_RESULT enum err_code scrape_manager_apply(struct scrape_manager *m,
                                                const struct scrape_settings *settings,
                                                struct err *err);

enum target_health { TARGET_UNKNOWN, TARGET_UP, TARGET_DOWN };

struct target_status {
    struct labels discovered, labels;
    struct str pool, url, last_error;
    int64_t last_scrape_ms; /* 0 = never */
    double last_duration_s;
    enum target_health health;
    int64_t interval_ms, timeout_ms;
};
struct dropped_target {
    struct labels discovered;
    struct str pool;
};
struct pool_drops {
    struct str pool;
    uint64_t dropped;
};
struct targets_snapshot {
    struct target_status *active;
    size_t active_count;
    struct dropped_target *dropped; /* at most keep_dropped_targets of each pool */
    size_t dropped_count;
    struct pool_drops *pools; /* sorted by name */
    size_t pool_count;
};
/* A copy in `a`; `pool` limits it when not empty. */
CHECK_RESULT enum err_code scrape_manager_targets(struct scrape_manager *m, struct str pool,
                                                  struct arena *a, struct targets_snapshot *out,
                                                  struct err *err);

/* What the targets of one pool said about their metrics. */
struct pool_metadata {
    struct str pool;
    struct metadata *rows;
    size_t count;
};
CHECK_RESULT enum err_code scrape_manager_metadata(struct scrape_manager *m, struct arena *a,
                                                   struct pool_metadata **out, size_t *out_count,
                                                   struct err *err);

size_t scrape_manager_stat_tables(struct scrape_manager *m, struct stat_table *out, size_t cap);

#endif
