/* SPDX-License-Identifier: Apache-2.0
 *
 * scrape_priv - the structures of the scrape thread. Everything belongs to that thread; what is
 * marked [lock] is changed under manager->lock, because other threads read it.
 */
#ifndef PHAROS_COLLECT_SCRAPE_SCRAPE_PRIV_H
#define PHAROS_COLLECT_SCRAPE_SCRAPE_PRIV_H

#include "collect/discovery/discovery.h"
#include "collect/scrape/scrape_batch.h"
#include "collect/scrape/scrape_manager.h"
#include "collect/scrape/target.h"
#include "net/http_client.h"
#include "os/log.h"
#include "os/loop.h"
#include "os/thread.h"

#define TARGET_BYTES_MAX ((size_t)1 << 20)
#define TARGET_ERROR_SIZE 256

struct scrape_pool;

struct target {
    struct target *next;
    struct scrape_manager *manager;
    struct scrape_pool *pool; /* NULL once the target is gone */
    struct arena arena;       /* of spec */
    struct target_spec spec;
    struct scrape_cache cache;
    struct scrape_scope scope;
    const struct scrape_local *local; /* NULL: over HTTP */
    struct http_call *call;
    struct buf answer;      /* body of the scrape that runs; empty between scrapes */
    bool is_body_too_large; /* the last answer */
    char timeout_text[32];  /* X-Prometheus-Scrape-Timeout-Seconds */
    struct loop_timer timer;
    int64_t due_ms; /* nominal wall time of the next scrape */
    int64_t ts_ms;  /* sample time of the scrape that runs */
    uint64_t start_ns;
    uint64_t meaning;    /* what its cache was built with, see scrape_pool */
    int64_t stale_ts_ms; /* of a gone target: time of its stale markers */
    /* [lock] result of the last scrape */
    enum target_health health;
    int64_t last_scrape_ms;
    double last_duration_s;
    char last_error[TARGET_ERROR_SIZE];
};

struct metadata_row {
    struct metadata_row *next;
    struct metadata metadata;
};

struct scrape_pool {
    struct scrape_pool *next;
    struct scrape_manager *manager;
    struct scrape_config config_local; /* of a local target's pool */
    const struct scrape_config *config;
    struct relabel_rules *rules, *metric_rules;
    uint64_t meaning; /* hash of all options that make series of lines */
    struct file_discovery **discoveries;
    size_t discovery_count;
    struct target *targets; /* [lock] */
    size_t target_count;
    struct arena dropped_arena; /* [lock] label sets of dropped targets */
    struct dropped_target *dropped;
    size_t dropped_kept, dropped_count;
    struct arena metadata_arena; /* [lock] */
    struct metadata_row *metadata;
    size_t metadata_count;
    bool is_over_target_limit;
};

struct scrape_stats {
    struct stat_counter scrapes, failures, skipped, samples, appended_refused, duplicates;
    struct stat_counter late, sync;
    struct stat_gauge targets, pools;
    struct stat_histogram duration, lateness;
};

struct scrape_manager {
    struct scrape_manager_options options;
    struct log log;
    struct loop *loop;
    struct http_client *client;
    struct thread thread;
    struct mutex lock;
    struct scrape_pool *pools; /* [lock] */
    struct target *gone;       /* targets that wait for their stale markers */
    struct scrape_settings settings;
    struct arena scratch; /* of the scrape that is being stored */
    struct loop_timer poll_timer;
    struct scrape_stats stats;
};

/* scrape_target.c: schedule and run one target. ERR_NOMEM. */
CHECK_RESULT enum err_code target_start(struct target *t, struct err *err);
/* Scrape a started target as soon as possible: it takes the place of one that was interrupted. */
void target_hurry(struct target *t);
void target_stop(struct target *t);
/* Free a stopped target. */
void target_free(struct target *t);
/* The target is not wanted any more: its series end after two intervals. Takes it over. */
void target_retire(struct target *t);

/* scrape_pool.c */
CHECK_RESULT enum err_code scrape_pool_create(struct scrape_manager *m,
                                              const struct scrape_config *config,
                                              struct scrape_pool **out, struct err *err);
CHECK_RESULT enum err_code scrape_pool_create_local(struct scrape_manager *m,
                                                    const struct scrape_local *local,
                                                    struct scrape_pool **out, struct err *err);
/* All targets stopped and freed. NULL is a no-op. */
void scrape_pool_destroy(struct scrape_pool *p);
/* Look at the discoveries; on a change, or when `force`, build the targets anew. `old` (may be
 * NULL) is the pool of the same job in the previous settings: targets that stay are moved from it.
 */
void scrape_pool_sync(struct scrape_pool *p, struct scrape_pool *old, bool force);
/* Remember what a scrape said about its metrics. */
void scrape_pool_add_metadata(struct scrape_pool *p, const struct metadata *rows, size_t count);

#endif
