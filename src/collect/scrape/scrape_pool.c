/* SPDX-License-Identifier: Apache-2.0
 *
 * The targets of one job: built from discovery, compared with what runs, started and retired.
 */
#include "collect/scrape/scrape_priv.h"

#define DROPPED_BYTES_MAX ((size_t)64 << 20)
#define METADATA_BYTES_MAX ((size_t)16 << 20)
#define MEANING_BYTES_MAX ((size_t)16 << 20)
/* Targets of a pool may say different things about one family. */
#define METADATA_VARIANTS_MAX 4
/* Shown when keep_dropped_targets sets no limit. */
#define DROPPED_KEPT_MAX 5000

static enum err_code fail_nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for a scrape pool");
}

static void init_pool(struct scrape_manager *m, struct scrape_pool *p)
{
    const struct mem_source *mem = mem_source_of(m->options.mem, MEM_SCRAPE);
    p->manager = m;
    arena_init(&p->dropped_arena, mem, DROPPED_BYTES_MAX);
    arena_init(&p->metadata_arena, mem, METADATA_BYTES_MAX);
}

void scrape_pool_destroy(struct scrape_pool *p)
{
    if (!p) return;
    struct mem_budget *mem = p->manager->options.mem;
    while (p->targets) {
        struct target *t = p->targets;
        p->targets = t->next;
        target_stop(t);
        target_free(t);
    }
    for (size_t i = 0; i < p->discovery_count; i++)
        file_discovery_destroy(p->discoveries[i]);
    mem_free(mem, MEM_SCRAPE, p->discoveries,
             p->config->file_sd_configs.count * sizeof(struct file_discovery *));
    relabel_destroy(p->rules);
    relabel_destroy(p->metric_rules);
    arena_deinit(&p->dropped_arena);
    arena_deinit(&p->metadata_arena);
    mem_free(mem, MEM_SCRAPE, p, sizeof *p);
}
DEFINE_CLEANUP(scrape_pool_destroy, struct scrape_pool *)

static enum err_code create_discoveries(struct scrape_pool *p, struct err *err)
{
    const struct scrape_manager *m = p->manager;
    size_t count = p->config->file_sd_configs.count;
    const struct file_sd_config *configs = p->config->file_sd_configs.items;
    if (count == 0) return ERR_OK;
    p->discoveries = mem_zalloc(m->options.mem, MEM_SCRAPE, count * sizeof *p->discoveries);
    if (!p->discoveries) return fail_nomem(err);
    struct file_discovery_options options = { .files = m->options.files,
                                              .mem = m->options.mem,
                                              .log = &m->log,
                                              .base_dir = m->settings.base_dir };
    for (; p->discovery_count < count; p->discovery_count++) {
        TRY(file_discovery_create(&options, &configs[p->discovery_count],
                                  &p->discoveries[p->discovery_count], err));
    }
    return ERR_OK;
}

/* Everything that decides which series a line belongs to: caches of equal meaning are
 * exchangeable. */
static enum err_code find_meaning(struct scrape_pool *p, struct err *err)
{
    const struct scrape_config *config = p->config;
    const struct scrape_limits limits = { .label_limit = config->limits.label_limit,
                                          .label_name_length_limit =
                                              config->limits.label_name_length_limit,
                                          .label_value_length_limit =
                                              config->limits.label_value_length_limit };
    const struct scrape_config relevant = { .honor_labels = config->honor_labels,
                                            .limits = limits,
                                            .metric_relabel_configs =
                                                config->metric_relabel_configs };
    struct buf text;
    buf_init(&text, mem_source_of(p->manager->options.mem, MEM_SCRAPE), MEANING_BYTES_MAX);
    yaml_dump(&SCRAPE_CONFIG, &relevant, &text);
    bool failed = buf_failed(&text);
    p->meaning = hash64(text.ptr, text.len, 0);
    buf_deinit(&text);
    return failed ? fail_nomem(err) : ERR_OK;
}

enum err_code scrape_pool_create(struct scrape_manager *m, const struct scrape_config *config,
                                 struct scrape_pool **out, struct err *err)
{
    CLEANUP(scrape_pool_destroy_p)
    struct scrape_pool *p = mem_zalloc(m->options.mem, MEM_SCRAPE, sizeof *p);
    if (!p) return fail_nomem(err);
    p->config = config;
    init_pool(m, p);
    TRY(relabel_compile(&config->relabel_configs, m->options.mem, &p->rules, err));
    TRY(relabel_compile(&config->metric_relabel_configs, m->options.mem, &p->metric_rules, err));
    TRY(find_meaning(p, err));
    TRY(create_discoveries(p, err));
    *out = TAKE(p);
    return ERR_OK;
}

static void init_target(struct scrape_pool *p, struct target *t)
{
    t->manager = p->manager;
    t->pool = p;
    arena_init(&t->arena, mem_source_of(p->manager->options.mem, MEM_SCRAPE), TARGET_BYTES_MAX);
    scrape_cache_init(&t->cache, p->manager->options.mem);
}

/* Point the scope of a (new or moved) target at its pool. */
static void set_scope(struct target *t)
{
    t->meaning = t->pool->meaning;
    struct hash128 id = t->spec.identity;
    t->scope = (struct scrape_scope){ .config = t->pool->config,
                                      .metric_rules = t->pool->metric_rules,
                                      .labels = t->spec.labels,
                                      .seed = id.lo ^ id.hi ^ t->meaning,
                                      .cache = &t->cache };
}

static enum err_code build_local(struct target *t, const struct scrape_local *local,
                                 struct err *err)
{
    struct label *labels = arena_array(&t->arena, struct label, 2);
    if (!labels) return fail_nomem(err);
    labels[0] = (struct label){ STR("instance"), str_of_z(local->instance) };
    labels[1] = (struct label){ STR("job"), str_of_z(local->job) };
    t->spec = (struct target_spec){ .discovered = { labels, 2 },
                                    .labels = { labels, 2 },
                                    .url = str_of_z(local->url),
                                    .interval_ms = local->interval_ms,
                                    .timeout_ms = local->interval_ms };
    t->spec.identity = labels_hash128(t->spec.labels, hash64(local->url, t->spec.url.len, 0));
    t->local = local;
    return ERR_OK;
}

enum err_code scrape_pool_create_local(struct scrape_manager *m, const struct scrape_local *local,
                                       struct scrape_pool **out, struct err *err)
{
    CLEANUP(scrape_pool_destroy_p)
    struct scrape_pool *p = mem_zalloc(m->options.mem, MEM_SCRAPE, sizeof *p);
    if (!p) return fail_nomem(err);
    p->config_local = (struct scrape_config){ .job_name = str_of_z(local->job),
                                              .honor_timestamps = true,
                                              .scrape_interval_ms = local->interval_ms,
                                              .scrape_timeout_ms = local->interval_ms };
    p->config = &p->config_local;
    init_pool(m, p);
    struct target *t = mem_zalloc(m->options.mem, MEM_SCRAPE, sizeof *t);
    if (!t) return fail_nomem(err);
    init_target(p, t);
    p->targets = t; /* freed with the pool if anything fails from here */
    p->target_count = 1;
    TRY(build_local(t, local, err));
    set_scope(t);
    *out = TAKE(p);
    return ERR_OK;
}

/* ---- sync ---- */

struct sync {
    struct scrape_pool *pool;
    struct target *wanted; /* new list */
    size_t count;
    struct target **old; /* lists in which a kept target may be */
    struct target **old_pool;
    struct target **gone;
};

static struct target *take_from(struct target **list, struct hash128 identity)
{
    for (struct target **link = list; *link; link = &(*link)->next) {
        struct target *t = *link;
        if (!hash128_eq(t->spec.identity, identity)) continue;
        *link = t->next;
        return t;
    }
    return NULL;
}

static bool is_wanted_already(const struct sync *s, struct hash128 identity)
{
    for (const struct target *t = s->wanted; t; t = t->next) {
        if (hash128_eq(t->spec.identity, identity)) return true;
    }
    return false;
}

static void keep_dropped(struct scrape_pool *p, struct labels discovered)
{
    size_t limit = p->config->limits.keep_dropped_targets;
    if (limit == 0) limit = DROPPED_KEPT_MAX;
    p->dropped_count++;
    if (p->dropped_kept >= limit) return;
    if (!p->dropped) {
        p->dropped = arena_array(&p->dropped_arena, struct dropped_target, limit);
        if (!p->dropped) return;
    }
    struct dropped_target *d = &p->dropped[p->dropped_kept];
    if (labels_copy(&p->dropped_arena, discovered, &d->discovered, NULL) != ERR_OK) return;
    d->pool = p->config->job_name;
    p->dropped_kept++;
}

/* A new life with the old memory: of its last scrape, and of its series if lines mean the same as
 * before. Otherwise all lines are looked at anew, and what is not exposed under its new labels gets
 * no stale marker (as in Prometheus). Frees `old`. */
static void inherit(struct target *fresh, struct target *old, uint64_t meaning)
{
    target_stop(old);
    if (old->meaning == meaning) {
        struct scrape_cache cache = fresh->cache;
        fresh->cache = old->cache;
        old->cache = cache;
    }
    fresh->health = old->health;
    fresh->last_scrape_ms = old->last_scrape_ms;
    fresh->last_duration_s = old->last_duration_s;
    memcpy(fresh->last_error, old->last_error, sizeof fresh->last_error);
    target_free(old);
}

/* A target with this specification: one that runs already, or a new one. */
static void want(struct sync *s, struct target *fresh)
{
    struct scrape_pool *p = s->pool;
    struct err err = { 0 };
    if (is_wanted_already(s, fresh->spec.identity)) {
        target_free(fresh);
        return;
    }
    struct target *t = take_from(s->old, fresh->spec.identity);
    bool is_same_pool = t != NULL;
    if (!t && s->old_pool) t = take_from(s->old_pool, fresh->spec.identity);
    if (!t) t = take_from(s->gone, fresh->spec.identity);
    if (t && is_same_pool) {
        target_free(fresh);
    } else {
        bool was_running = t && t->call && http_call_is_running(t->call);
        if (t) inherit(fresh, t, p->meaning);
        t = fresh;
        set_scope(t);
        if (target_start(t, &err) != ERR_OK) {
            log_error(&p->manager->log, "a target cannot be scraped", LOG_STR("url", t->spec.url),
                      LOG_ERR(&err));
            target_stop(t);
            target_free(t);
            return;
        }
        if (was_running) target_hurry(t);
    }
    t->next = s->wanted;
    s->wanted = t;
    s->count++;
}

static void add_address(struct sync *s, const struct target_group *group, struct str address)
{
    struct scrape_pool *p = s->pool;
    struct scrape_manager *m = p->manager;
    struct err err = { 0 };
    struct target *t = mem_zalloc(m->options.mem, MEM_SCRAPE, sizeof *t);
    if (!t) return;
    init_target(p, t);
    switch (target_build(p->config, p->rules, group, address, &t->arena, &t->spec, &err)) {
    case TARGET_OK: want(s, t); return;
    case TARGET_DROPPED: keep_dropped(p, t->spec.discovered); break;
    case TARGET_INVALID:
        log_error(&m->log, "a discovered target is not valid", LOG_STR("job", p->config->job_name),
                  LOG_STR("address", address), LOG_ERR(&err));
        break;
    case TARGET_NOMEM:
        log_error(&m->log, "no memory for a target", LOG_STR("address", address));
        break;
    }
    target_free(t);
}

static void add_group(void *arg, const struct target_group *group)
{
    struct sync *s = arg;
    const struct str *addresses = group->config->targets.items;
    for (size_t i = 0; i < group->config->targets.count; i++)
        add_address(s, group, addresses[i]);
}

static void build_targets(struct sync *s)
{
    const struct scrape_pool *p = s->pool;
    const struct static_config *groups = p->config->static_configs.items;
    for (size_t i = 0; i < p->config->static_configs.count; i++) {
        struct target_group group = { &groups[i], { "", 0 } };
        add_group(s, &group);
    }
    for (size_t i = 0; i < p->discovery_count; i++) {
        file_discovery_each(p->discoveries[i], add_group, s);
    }
}

/* A local target is there from the start and stays. */
static void start_local(struct scrape_pool *p, struct scrape_pool *old)
{
    struct scrape_manager *m = p->manager;
    struct err err = { 0 };
    struct target *t = p->targets;
    struct target *before = old ? take_from(&old->targets, t->spec.identity) : NULL;
    if (before) inherit(t, before, p->meaning);
    if (target_start(t, &err) != ERR_OK) {
        log_error(&m->log, "a local target cannot be scheduled", LOG_ERR(&err));
    }
}

void scrape_pool_sync(struct scrape_pool *p, struct scrape_pool *old, bool force)
{
    struct scrape_manager *m = p->manager;
    int64_t now_ms = (int64_t)(clock_mono_ns(m->options.clock) / 1000000);
    bool has_changed = force;
    for (size_t i = 0; i < p->discovery_count; i++) {
        has_changed |= file_discovery_poll(p->discoveries[i], now_ms);
    }
    if (!has_changed) return;
    stat_add(&m->stats.sync, 1);
    MUTEX_SCOPE(&m->lock);
    if (p->targets && p->targets->local) {
        start_local(p, old);
        return;
    }
    arena_reset(&p->dropped_arena);
    p->dropped = NULL;
    p->dropped_kept = p->dropped_count = 0;
    struct sync s = {
        .pool = p, .old = &p->targets, .old_pool = old ? &old->targets : NULL, .gone = &m->gone
    };
    build_targets(&s);
    while (p->targets) {
        struct target *t = p->targets;
        p->targets = t->next;
        target_retire(t);
    }
    p->targets = s.wanted;
    p->target_count = s.count;
    uint64_t limit = p->config->limits.target_limit;
    p->is_over_target_limit = limit && s.count > limit;
}

/* ---- metadata ---- */

static bool is_same_metadata(const struct metadata *a, const struct metadata *b)
{
    return str_eq(a->family, b->family) && a->type == b->type && str_eq(a->help, b->help) &&
           str_eq(a->unit, b->unit);
}

/* The row that says the same, or NULL; *out_is_full when its family has enough variants.
 * Expositions keep their order: the row behind the last one (`at`) is nearly always the one. */
static struct metadata_row *find_metadata(const struct scrape_pool *p, struct metadata_row *at,
                                          const struct metadata *wanted, bool *out_is_full)
{
    size_t variants = 0;
    *out_is_full = false;
    if (at && is_same_metadata(&at->metadata, wanted)) return at;
    for (struct metadata_row *r = p->metadata; r; r = r->next) {
        if (is_same_metadata(&r->metadata, wanted)) return r;
        variants += str_eq(r->metadata.family, wanted->family);
    }
    *out_is_full = variants >= METADATA_VARIANTS_MAX;
    return NULL;
}

/* False when the pool's share of memory is used up: what is there stays. */
static bool add_metadata(struct scrape_pool *p, const struct metadata *m)
{
    struct arena *a = &p->metadata_arena;
    MUTEX_SCOPE(&p->manager->lock);
    struct metadata_row *r = arena_new(a, struct metadata_row), **tail = &p->metadata;
    if (!r) return false;
    r->metadata = (struct metadata){ .family = arena_str(a, m->family),
                                     .help = arena_str(a, m->help),
                                     .unit = arena_str(a, m->unit),
                                     .type = m->type };
    if (!r->metadata.family.ptr || !r->metadata.help.ptr || !r->metadata.unit.ptr) return false;
    while (*tail)
        tail = &(*tail)->next;
    *tail = r;
    p->metadata_count++;
    return true;
}

void scrape_pool_add_metadata(struct scrape_pool *p, const struct metadata *rows, size_t count)
{
    struct metadata_row *at = p->metadata;
    for (size_t i = 0; i < count; i++) {
        bool is_full;
        struct metadata_row *r = find_metadata(p, at, &rows[i], &is_full);
        if (r) {
            at = r->next;
        } else if (!is_full && !add_metadata(p, &rows[i])) {
            return;
        }
    }
}
