/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/scrape/scrape_manager.h"

#include "collect/scrape/scrape_priv.h"

#define SCRATCH_BYTES_MAX ((size_t)256 << 20)

DEFINE_CLEANUP(scrape_manager_destroy, struct scrape_manager *)

static const struct stat_desc SCRAPE_STATS[] = {
    STAT_COUNTER(struct scrape_stats, scrapes, "pharos_scrape_scrapes_total", "Scrapes done."),
    STAT_COUNTER(struct scrape_stats, failures, "pharos_scrape_failures_total",
                 "Scrapes that failed: the target was down or its answer not valid."),
    STAT_COUNTER(struct scrape_stats, skipped, "pharos_scrape_skipped_total",
                 "Scrapes that could not be stored."),
    STAT_COUNTER(struct scrape_stats, samples, "pharos_scrape_samples_total",
                 "Samples stored by scrapes."),
    STAT_COUNTER(struct scrape_stats, appended_refused, "pharos_scrape_samples_refused_total",
                 "Samples of scrapes that the store refused."),
    STAT_COUNTER(struct scrape_stats, duplicates, "pharos_scrape_samples_duplicate_total",
                 "Samples left out because their line stood twice in one scrape."),
    STAT_COUNTER(struct scrape_stats, late, "pharos_scrape_late_total",
                 "Scrapes that started after their tolerance."),
    STAT_COUNTER(struct scrape_stats, sync, "pharos_scrape_pool_syncs_total",
                 "Times that the targets of a pool were built."),
    STAT_GAUGE(struct scrape_stats, targets, "pharos_scrape_targets", "Active targets."),
    STAT_GAUGE(struct scrape_stats, pools, "pharos_scrape_pools", "Scrape pools."),
    STAT_HISTOGRAM(struct scrape_stats, duration, "pharos_scrape_duration_seconds",
                   "From the start of a scrape until it was stored."),
    STAT_HISTOGRAM(struct scrape_stats, lateness, "pharos_scrape_lateness_seconds",
                   "From the nominal time of a scrape to its start."),
};

static void count_targets(struct scrape_manager *m)
{
    int64_t targets = 0, pools = 0;
    for (const struct scrape_pool *p = m->pools; p; p = p->next) {
        targets += (int64_t)p->target_count;
        pools++;
    }
    stat_set(&m->stats.targets, targets);
    stat_set(&m->stats.pools, pools);
}

static void arm_poll(struct scrape_manager *m)
{
    uint64_t due = loop_now_ns(m->loop) + (uint64_t)DISCOVERY_POLL_MS * 1000000u;
    (void)!loop_timer_set(m->loop, &m->poll_timer, due, NULL);
}

static void on_poll(struct loop_timer *timer)
{
    struct scrape_manager *m =
        (struct scrape_manager *)(void *)((char *)timer -
                                          offsetof(struct scrape_manager, poll_timer));
    for (struct scrape_pool *p = m->pools; p; p = p->next)
        scrape_pool_sync(p, NULL, false);
    count_targets(m);
    arm_poll(m);
}

static void destroy_pools(struct scrape_pool *list)
{
    while (list) {
        struct scrape_pool *p = list;
        list = p->next;
        scrape_pool_destroy(p);
    }
}

/* ---- thread ---- */

static void thread_main(void *arg)
{
    struct scrape_manager *m = arg;
    loop_run(m->loop);
}

/* A request to the scrape thread that its sender waits for. */
struct request {
    struct loop_msg msg;
    struct scrape_manager *manager;
    void (*run)(struct request *r);
    const struct scrape_settings *settings;
    struct err *err;
    enum err_code result;
    struct mutex lock;
    struct cond done;
    bool is_done;
};

static void on_request(struct loop_msg *msg)
{
    struct request *r = (struct request *)(void *)((char *)msg - offsetof(struct request, msg));
    r->run(r);
    MUTEX_SCOPE(&r->lock);
    r->is_done = true;
    cond_signal(&r->done);
}

static enum err_code send_request(struct request *r)
{
    mutex_init(&r->lock);
    cond_init(&r->done);
    r->msg.fn = on_request;
    loop_post(r->manager->loop, &r->msg);
    mutex_lock(&r->lock);
    while (!r->is_done)
        cond_wait(&r->done, &r->lock);
    mutex_unlock(&r->lock);
    cond_deinit(&r->done);
    mutex_deinit(&r->lock);
    return r->result;
}

/* ---- apply ---- */

static enum err_code build_pools(struct scrape_manager *m, const struct scrape_settings *settings,
                                 struct scrape_pool **out_list, struct err *err)
{
    const struct scrape_config *configs = settings->scrape_configs->items;
    struct scrape_pool **tail = out_list;
    for (size_t i = 0; i < settings->local_count; i++) {
        TRY(scrape_pool_create_local(m, &settings->locals[i], tail, err));
        tail = &(*tail)->next;
    }
    for (size_t i = 0; i < settings->scrape_configs->count; i++) {
        TRY(scrape_pool_create(m, &configs[i], tail, err));
        tail = &(*tail)->next;
    }
    return ERR_OK;
}

static struct scrape_pool *find_pool(struct scrape_pool *list, struct str job)
{
    while (list && !str_eq(list->config->job_name, job))
        list = list->next;
    return list;
}

/* Targets of pools that the new settings do not have, or that moved nowhere, end. */
static void retire_rest(struct scrape_pool *list)
{
    for (struct scrape_pool *p = list; p; p = p->next) {
        while (p->targets) {
            struct target *t = p->targets;
            p->targets = t->next;
            target_retire(t);
        }
    }
}

static void run_apply(struct request *r)
{
    struct scrape_manager *m = r->manager;
    struct scrape_pool *fresh = NULL, *old;
    struct scrape_settings before = m->settings;
    m->settings = *r->settings;
    r->result = build_pools(m, r->settings, &fresh, r->err);
    if (r->result != ERR_OK) {
        m->settings = before;
        destroy_pools(fresh);
        return;
    }
    for (struct scrape_pool *p = fresh; p; p = p->next) {
        scrape_pool_sync(p, find_pool(m->pools, p->config->job_name), true);
    }
    mutex_lock(&m->lock);
    old = m->pools;
    m->pools = fresh;
    retire_rest(old);
    mutex_unlock(&m->lock);
    destroy_pools(old);
    count_targets(m);
    if (before.release) before.release(before.owner);
}

enum err_code scrape_manager_apply(struct scrape_manager *m, const struct scrape_settings *settings,
                                   struct err *err)
{
    struct request r = { .manager = m, .run = run_apply, .settings = settings, .err = err };
    return send_request(&r);
}

/* ---- life ---- */

enum err_code scrape_manager_create(const struct scrape_manager_options *options,
                                    struct scrape_manager **out, struct err *err)
{
    CLEANUP(scrape_manager_destroy_p)
    struct scrape_manager *m = mem_zalloc(options->mem, MEM_SCRAPE, sizeof *m);
    if (!m) return err_set(err, ERR_NOMEM, "no memory for the scrape manager");
    m->options = *options;
    m->log = (struct log){ options->log, "scrape" };
    m->poll_timer.fn = on_poll;
    mutex_init(&m->lock);
    arena_init(&m->scratch, mem_source_of(options->mem, MEM_SCRAPE), SCRATCH_BYTES_MAX);
    TRY(loop_create(options->mem, options->clock, &m->loop, err));
    struct http_client_options client = { .mem = options->mem,
                                          .account = MEM_SCRAPE,
                                          .loop = m->loop,
                                          .clock = options->clock,
                                          .user_agent = options->user_agent,
                                          .connections_max = 10000 };
    TRY(http_client_create(&client, &m->client, err));
    arm_poll(m);
    TRY(thread_start(&m->thread, "scrape", thread_main, m, err));
    *out = TAKE(m);
    return ERR_OK;
}

static void run_stop(struct request *r)
{
    struct scrape_manager *m = r->manager;
    destroy_pools(m->pools);
    m->pools = NULL;
    while (m->gone) {
        struct target *t = m->gone;
        m->gone = t->next;
        target_stop(t);
        target_free(t);
    }
    loop_timer_cancel(m->loop, &m->poll_timer);
    loop_stop(m->loop);
}

void scrape_manager_destroy(struct scrape_manager *m)
{
    if (!m) return;
    if (m->thread.is_started) {
        struct request r = { .manager = m, .run = run_stop };
        (void)!send_request(&r);
        thread_join(&m->thread);
    }
    http_client_destroy(m->client);
    if (m->loop) loop_timer_cancel(m->loop, &m->poll_timer);
    loop_destroy(m->loop);
    if (m->settings.release) m->settings.release(m->settings.owner);
    arena_deinit(&m->scratch);
    mutex_deinit(&m->lock);
    mem_free(m->options.mem, MEM_SCRAPE, m, sizeof *m);
}

size_t scrape_manager_stat_tables(struct scrape_manager *m, struct stat_table *out, size_t cap)
{
    if (cap < 2) return 0;
    out[0] = (struct stat_table){ SCRAPE_STATS, sizeof SCRAPE_STATS / sizeof SCRAPE_STATS[0],
                                  &m->stats };
    out[1] = http_client_stat_table(m->client);
    return 2;
}
