/* SPDX-License-Identifier: Apache-2.0
 *
 * What other threads see of the scrape thread: copies made under its lock.
 */
#include "collect/scrape/scrape_priv.h"

struct copier {
    struct arena *a;
    bool failed;
};

static struct str copy_str(struct copier *c, struct str s)
{
    struct str out = arena_str(c->a, s);
    c->failed |= s.len && !out.ptr;
    return out;
}

static struct labels copy_labels(struct copier *c, struct labels l)
{
    struct labels out = { NULL, 0 };
    c->failed |= labels_copy(c->a, l, &out, NULL) != ERR_OK;
    return out;
}

static bool is_asked(const struct scrape_pool *p, struct str pool)
{
    return pool.len == 0 || str_eq(p->config->job_name, pool);
}

static void copy_target(struct copier *c, const struct target *t, struct target_status *out)
{
    *out = (struct target_status){
        .discovered = copy_labels(c, t->spec.discovered),
        .labels = copy_labels(c, t->spec.labels),
        .pool = copy_str(c, t->pool->config->job_name),
        .url = copy_str(c, t->spec.url),
        .last_error = copy_str(c, str_of_z(t->last_error)),
        .last_scrape_ms = t->last_scrape_ms,
        .last_duration_s = t->last_duration_s,
        .health = t->health,
        .interval_ms = t->spec.interval_ms,
        .timeout_ms = t->spec.timeout_ms,
    };
}

static void sort_pools(struct pool_drops *pools, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct pool_drops moving = pools[i];
        size_t at = i;
        for (; at > 0 && str_cmp(pools[at - 1].pool, moving.pool) > 0; at--) {
            pools[at] = pools[at - 1];
        }
        pools[at] = moving;
    }
}

static void copy_pool(struct copier *c, const struct scrape_pool *p, struct targets_snapshot *out)
{
    for (const struct target *t = p->targets; t; t = t->next) {
        copy_target(c, t, &out->active[out->active_count++]);
    }
    for (size_t i = 0; i < p->dropped_kept; i++) {
        out->dropped[out->dropped_count++] =
            (struct dropped_target){ copy_labels(c, p->dropped[i].discovered),
                                     copy_str(c, p->dropped[i].pool) };
    }
    out->pools[out->pool_count++] =
        (struct pool_drops){ copy_str(c, p->config->job_name), p->dropped_count };
}

enum err_code scrape_manager_targets(struct scrape_manager *m, struct str pool, struct arena *a,
                                     struct targets_snapshot *out, struct err *err)
{
    struct copier c = { .a = a };
    struct targets_snapshot s = { 0 };
    size_t active = 0, dropped = 0, pools = 0;
    MUTEX_SCOPE(&m->lock);
    for (const struct scrape_pool *p = m->pools; p; p = p->next) {
        if (!is_asked(p, pool)) continue;
        active += p->target_count;
        dropped += p->dropped_kept;
        pools++;
    }
    s.active = arena_array(a, struct target_status, active + 1);
    s.dropped = arena_array(a, struct dropped_target, dropped + 1);
    s.pools = arena_array(a, struct pool_drops, pools + 1);
    if (!s.active || !s.dropped || !s.pools) return err_set(err, ERR_NOMEM, "answer too large");
    for (const struct scrape_pool *p = m->pools; p; p = p->next) {
        if (is_asked(p, pool)) copy_pool(&c, p, &s);
    }
    if (c.failed) return err_set(err, ERR_NOMEM, "answer too large");
    sort_pools(s.pools, s.pool_count);
    *out = s;
    return ERR_OK;
}

enum err_code scrape_manager_metadata(struct scrape_manager *m, struct arena *a,
                                      struct pool_metadata **out, size_t *out_count,
                                      struct err *err)
{
    struct copier c = { .a = a };
    size_t pools = 0, i = 0;
    MUTEX_SCOPE(&m->lock);
    for (const struct scrape_pool *p = m->pools; p; p = p->next)
        pools++;
    struct pool_metadata *list = arena_array(a, struct pool_metadata, pools + 1);
    if (!list) return err_set(err, ERR_NOMEM, "answer too large");
    for (const struct scrape_pool *p = m->pools; p; p = p->next, i++) {
        list[i].pool = copy_str(&c, p->config->job_name);
        list[i].rows = arena_array(a, struct metadata, p->metadata_count + 1);
        if (!list[i].rows) return err_set(err, ERR_NOMEM, "answer too large");
        for (const struct metadata_row *r = p->metadata; r; r = r->next) {
            list[i].rows[list[i].count++] =
                (struct metadata){ copy_str(&c, r->metadata.family), copy_str(&c, r->metadata.help),
                                   copy_str(&c, r->metadata.unit), r->metadata.type };
        }
    }
    if (c.failed) return err_set(err, ERR_NOMEM, "answer too large");
    *out = list;
    *out_count = pools;
    return ERR_OK;
}
