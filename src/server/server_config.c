/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of a running server: apply, reload, show.
 */
#include <stdlib.h>

#include "server/server_priv.h"

#define DIAGS_BYTES_MAX ((size_t)1 << 20)

static void release_config(void *owner)
{
    config_unref(owner);
}

static void collect_own(void *ctx, struct buf *out)
{
    server_own_metrics(ctx, out, EXPOSITION_TEXT);
}

static void collect_host(void *ctx, struct buf *out)
{
    const struct server *s = ctx;
    host_collect(s->host, out);
}

/* Without a file the server watches itself and its host; with one, it scrapes what the file
 * says. */
static size_t fill_locals(struct server *s)
{
    if (!config_is_builtin(s->config)) return 0;
    if (s->locals[0].job) return 2; /* the scrape thread reads them: written once */
    int64_t interval = config_main(s->config)->global.scrape_interval_ms;
    s->locals[0] =
        (struct scrape_local){ "pharos", s->instance, s->own_url, interval, collect_own, s };
    s->locals[1] =
        (struct scrape_local){ "node", s->instance, "local:///proc", interval, collect_host, s };
    return 2;
}

enum err_code server_apply_config(struct server *s, struct err *err)
{
    struct scrape_settings settings = {
        .scrape_configs = &config_main(s->config)->scrape_configs,
        .locals = s->locals,
        .local_count = fill_locals(s),
        .base_dir = config_base_dir(s->config),
        .seed = s->seed,
        .owner = config_ref(s->config),
        .release = release_config,
    };
    enum err_code rc = scrape_manager_apply(s->scrape, &settings, err);
    if (rc != ERR_OK) config_unref(s->config);
    return rc;
}

static void note_reload(struct server *s, bool ok)
{
    stat_add(ok ? &s->stats.reloads : &s->stats.reload_failures, 1);
    stat_set(&s->stats.reload_ok, ok);
    if (ok) stat_set(&s->stats.reload_ts_s, clock_wall_ms(s->clock) / 1000);
}

/* Load and apply under config_lock; the old configuration stays on any error. */
static enum err_code reload_locked(struct server *s, struct buf *diags, struct err *err)
{
    struct config *fresh = NULL, *old = s->config;
    enum err_code rc = ERR_OK;
    TRY(config_load(s->mem, s->files, s->options->config_file, diags, &fresh, err));
    s->config = fresh;
    if (s->options->web_config_file) {
        rc = web_config_reload(s->mem, s->files, s->options->web_config_file, diags, s->tls, err);
    }
    if (rc == ERR_OK && s->scrape) rc = server_apply_config(s, err);
    s->config = rc == ERR_OK ? fresh : old;
    config_unref(rc == ERR_OK ? old : fresh);
    return rc;
}

enum err_code server_reload(void *ctx, struct err *err)
{
    struct server *s = ctx;
    struct buf diags;
    buf_init(&diags, mem_source_of(s->mem, MEM_SYSTEM), DIAGS_BYTES_MAX);
    mutex_lock(&s->config_lock);
    enum err_code rc = reload_locked(s, &diags, err);
    mutex_unlock(&s->config_lock);
    note_reload(s, rc == ERR_OK);
    if (rc == ERR_OK) {
        log_info(&s->log, "configuration loaded",
                 LOG_Z("file", s->options->config_file ? s->options->config_file : "built-in"));
    } else {
        log_error(&s->log, "configuration not loaded: the old one stays", LOG_ERR(err),
                  LOG_STR("diagnostics", buf_str(&diags)));
    }
    buf_deinit(&diags);
    return rc;
}

void server_config_yaml(void *ctx, struct buf *out)
{
    struct server *s = ctx;
    MUTEX_SCOPE(&s->config_lock);
    config_dump(s->config, out);
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

void server_external_labels(void *ctx, struct arena *a, struct labels *out)
{
    struct server *s = ctx;
    MUTEX_SCOPE(&s->config_lock);
    const struct yaml_list *pairs = &config_main(s->config)->global.external_labels;
    const struct yaml_str_pair *items = pairs->items;
    struct label *labels = arena_array(a, struct label, pairs->count + 1);
    struct labels borrowed = { labels, pairs->count };
    if (!labels) return;
    for (size_t i = 0; i < pairs->count; i++)
        labels[i] = (struct label){ items[i].key, items[i].value };
    qsort(labels, pairs->count, sizeof *labels, by_name);
    (void)!labels_copy(a, borrowed, out, NULL); /* the configuration may go */
}

void server_reload_status(void *ctx, bool *out_ok, int64_t *out_ts_ms)
{
    const struct server *s = ctx;
    *out_ok = stat_gauge_get(&s->stats.reload_ok) != 0;
    *out_ts_ms = stat_gauge_get(&s->stats.reload_ts_s) * 1000;
}
