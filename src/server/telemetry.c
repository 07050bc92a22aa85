/* SPDX-License-Identifier: Apache-2.0
 *
 * /metrics: the stat tables of all modules, the process, the memory accounts, and the names that
 * Prometheus' own mixins ask for.
 */
#include <stdio.h>

#include "formats/exposition_write.h"
#include "os/process.h"
#include "server/server_priv.h"

#define TABLES_MAX 32

static const struct stat_desc SERVER_STATS[] = {
    STAT_COUNTER(struct server_stats, reloads, "pharos_config_reloads_total",
                 "Loads of the configuration, the first included."),
    STAT_COUNTER(struct server_stats, reload_failures, "pharos_config_reload_failures_total",
                 "Loads that failed and kept the old configuration."),
    STAT_GAUGE(struct server_stats, reload_ok, "pharos_config_last_reload_successful",
               "Whether the last load of the configuration succeeded."),
    STAT_GAUGE(struct server_stats, reload_ts_s,
               "pharos_config_last_reload_success_timestamp_seconds",
               "Unix time of the last successful load."),
    STAT_COUNTER(struct server_stats, memory_trims, "pharos_memory_trims_total",
                 "Times that free pages were given back because the limit was near."),
};

struct writer {
    struct buf *out;
    enum exposition_format format;
};

static void put(struct writer *w, const char *name, enum metric_type type, const char *help,
                double value)
{
    struct exposition_sample s = { .name = str_of_z(name), .value = value };
    exposition_write_family(w->out, w->format, s.name, type, str_of_z(help));
    exposition_write_sample(w->out, w->format, &s);
}

static void put_accounts(struct writer *w, const struct mem_budget *mem, const char *name,
                         const char *help,
                         uint64_t (*value)(const struct mem_budget *b, enum mem_account account),
                         enum metric_type type)
{
    exposition_write_family(w->out, w->format, str_of_z(name), type, str_of_z(help));
    for (int i = 0; i < MEM_ACCOUNT_COUNT; i++) {
        struct label label = { STR("account"), str_of_z(mem_account_name((enum mem_account)i)) };
        struct exposition_sample s = { .name = str_of_z(name),
                                       .labels = { &label, 1 },
                                       .value = (double)value(mem, (enum mem_account)i) };
        exposition_write_sample(w->out, w->format, &s);
    }
}

static void put_memory(struct writer *w, const struct mem_budget *mem)
{
    put(w, "pharos_memory_budget_bytes", METRIC_GAUGE,
        "The budget of all accounts: the memory limit less what the process needs for itself.",
        (double)mem_total(mem));
    put(w, "pharos_memory_level", METRIC_GAUGE, "0 green, 1 yellow, 2 orange, 3 red.",
        (double)mem_level(mem));
    put_accounts(w, mem, "pharos_memory_account_bytes", "Bytes charged to an account.", mem_used,
                 METRIC_GAUGE);
    put_accounts(w, mem, "pharos_memory_account_limit_bytes", "Cap of an account.", mem_cap,
                 METRIC_GAUGE);
    put_accounts(w, mem, "pharos_memory_refused_total", "Allocations refused.", mem_refused,
                 METRIC_COUNTER);
}

static void put_process(struct writer *w, const struct server *s)
{
    struct process_stats p;
    process_stats_read(&p);
    put(w, "process_cpu_seconds_total", METRIC_COUNTER, "User and system CPU time.",
        (double)p.cpu_ns / 1e9);
    put(w, "process_resident_memory_bytes", METRIC_GAUGE, "Resident memory.", (double)p.rss_bytes);
    put(w, "process_virtual_memory_bytes", METRIC_GAUGE, "Virtual memory.",
        (double)p.virtual_bytes);
    put(w, "process_open_fds", METRIC_GAUGE, "Open file descriptors.", (double)p.open_fds);
    put(w, "process_max_fds", METRIC_GAUGE, "Limit of open file descriptors.", (double)p.max_fds);
    put(w, "process_threads", METRIC_GAUGE, "Threads.", (double)p.threads);
    put(w, "process_start_time_seconds", METRIC_GAUGE, "Unix time of the start.",
        (double)s->start_ms / 1e3);
}

static void put_build(struct writer *w)
{
    struct label label = { STR("version"), STR(PHAROS_VERSION) };
    struct exposition_sample s = { .name = STR("pharos_build_info"),
                                   .labels = { &label, 1 },
                                   .value = 1 };
    exposition_write_family(w->out, w->format, s.name, METRIC_GAUGE, STR("The running build."));
    exposition_write_sample(w->out, w->format, &s);
}

/* Names of Prometheus that dashboards and rules written for it query. */
static void put_compatible(struct writer *w, struct server *s)
{
    put(w, "prometheus_config_last_reload_successful", METRIC_GAUGE,
        "Whether the last load of the configuration succeeded.",
        (double)stat_gauge_get(&s->stats.reload_ok));
    put(w, "prometheus_config_last_reload_success_timestamp_seconds", METRIC_GAUGE,
        "Unix time of the last successful load.", (double)stat_gauge_get(&s->stats.reload_ts_s));
    if (!atomic_load_explicit(&s->api.is_ready, memory_order_acquire)) return;
    struct metrics_status status;
    metrics_status(s->metrics, &status);
    put(w, "prometheus_tsdb_head_series", METRIC_GAUGE, "Series in the head.",
        (double)status.series);
    put(w, "prometheus_tsdb_head_chunks", METRIC_GAUGE, "Chunks in the head.",
        (double)status.chunks);
    put(w, "prometheus_tsdb_blocks_loaded", METRIC_GAUGE, "Blocks.", (double)status.blocks);
    put(w, "prometheus_tsdb_storage_blocks_bytes", METRIC_GAUGE, "Bytes of all blocks.",
        (double)status.block_bytes);
    put(w, "prometheus_tsdb_wal_storage_size_bytes", METRIC_GAUGE, "Bytes of the journal.",
        (double)status.wal_bytes);
}

static size_t gather(struct server *s, struct stat_table *tables)
{
    size_t n = 0;
    tables[n++] = (struct stat_table){ SERVER_STATS, sizeof SERVER_STATS / sizeof SERVER_STATS[0],
                                       &s->stats };
    tables[n++] = http_server_stat_table(s->http);
    tables[n++] = prometheus_api_stat_table(&s->api);
    tables[n++] = offload_stat_table(s->offload);
    if (!atomic_load_explicit(&s->api.is_ready, memory_order_acquire)) return n;
    n += metrics_stat_tables(s->metrics, tables + n, TABLES_MAX - n);
    n += promql_engine_stat_tables(s->engine, tables + n, TABLES_MAX - n);
    n += scrape_manager_stat_tables(s->scrape, tables + n, TABLES_MAX - n);
    return n;
}

void server_own_metrics(void *ctx, struct buf *out, enum exposition_format format)
{
    struct server *s = ctx;
    struct writer w = { out, format };
    struct stat_table tables[TABLES_MAX];
    put_build(&w);
    put_process(&w, s);
    put_memory(&w, s->mem);
    exposition_write_stats(out, format, tables, gather(s, tables));
    put_compatible(&w, s);
}
