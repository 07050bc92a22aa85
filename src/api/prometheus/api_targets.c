/* SPDX-License-Identifier: Apache-2.0
 *
 * /targets, /scrape_pools, /metadata, /targets/metadata.
 */
#include <stdlib.h>

#include "api/prometheus/api_priv.h"
#include "base/duration.h"
#include "base/time.h"

static struct str health_text(enum target_health health)
{
    switch (health) {
    case TARGET_UNKNOWN: return STR("unknown");
    case TARGET_UP: return STR("up");
    case TARGET_DOWN: return STR("down");
    }
    UNREACHABLE();
}

static void put_duration(struct json_writer *w, int64_t ms)
{
    char text[DURATION_TEXT_SIZE];
    json_put_str(w, (struct str){ text, duration_format(ms, text) });
}

static void put_time(struct json_writer *w, int64_t ts_ms)
{
    char text[TIME_TEXT_SIZE];
    if (ts_ms == 0) {
        json_put_str(w, STR("0001-01-01T00:00:00Z"));
        return;
    }
    json_put_str(w, (struct str){ text, time_format_rfc3339(ts_ms, text) });
}

/* A loopback host is replaced by ours, so that the link works elsewhere. */
static struct str global_url(struct api_call *c, struct str url)
{
    static const struct str LOCAL[] = { STR_INIT("://localhost"), STR_INIT("://127.0.0.1"),
                                        STR_INIT("://[::1]") };
    for (size_t i = 0; i < sizeof LOCAL / sizeof LOCAL[0]; i++) {
        size_t at = str_find(url, LOCAL[i]);
        if (at == url.len) continue;
        struct str rest = str_sub(url, at + LOCAL[i].len, url.len);
        if (rest.len && !strchr(":/?", rest.ptr[0])) return url; /* localhost.example.com */
        struct str global =
            arena_printf(c->arena, STR_FMT "://" STR_FMT STR_FMT, STR_ARG(str_sub(url, 0, at)),
                         STR_ARG(c->api->options.hostname), STR_ARG(rest));
        return global.ptr ? global : url;
    }
    return url;
}

static void put_target(struct api_call *c, const struct target_status *t)
{
    struct json_writer *w = &c->json;
    json_open_object(w);
    json_key(w, "discoveredLabels"), api_put_labels(w, t->discovered);
    json_key(w, "labels"), api_put_labels(w, t->labels);
    json_key(w, "scrapePool"), json_put_str(w, t->pool);
    json_key(w, "scrapeUrl"), json_put_str(w, t->url);
    json_key(w, "globalUrl"), json_put_str(w, global_url(c, t->url));
    json_key(w, "lastError"), json_put_str(w, t->last_error);
    json_key(w, "lastScrape"), put_time(w, t->last_scrape_ms);
    json_key(w, "lastScrapeDuration"), json_put_f64(w, t->last_duration_s);
    json_key(w, "health"), json_put_str(w, health_text(t->health));
    json_key(w, "scrapeInterval"), put_duration(w, t->interval_ms);
    json_key(w, "scrapeTimeout"), put_duration(w, t->timeout_ms);
    json_close_object(w);
}

static bool snapshot(struct api_call *c, struct str pool, struct targets_snapshot *out)
{
    struct err err = { 0 };
    enum err_code rc = scrape_manager_targets(c->api->options.scrape, pool, &c->work, out, &err);
    if (rc != ERR_OK) api_error_of(c, &err);
    return rc == ERR_OK;
}

static int by_pool_and_labels(const void *a, const void *b)
{
    const struct target_status *x = a, *y = b;
    int order = str_cmp(x->pool, y->pool);
    return order ? order : labels_cmp(x->labels, y->labels);
}

void api_targets(struct api_call *c)
{
    struct json_writer *w = &c->json;
    struct targets_snapshot s;
    struct str state = api_param(c, STR("state"));
    bool is_any = state.len == 0 || str_eq_nocase(state, STR("any"));
    bool with_active = is_any || str_eq_nocase(state, STR("active"));
    bool with_dropped = is_any || str_eq_nocase(state, STR("dropped"));
    if (!snapshot(c, api_param(c, STR("scrapePool")), &s)) return;
    if (s.active_count) qsort(s.active, s.active_count, sizeof *s.active, by_pool_and_labels);
    api_begin(c);
    json_open_object(w);
    json_key(w, "activeTargets"), json_open_array(w);
    for (size_t i = 0; with_active && i < s.active_count; i++) {
        put_target(c, &s.active[i]);
        if (!api_flush(c)) break;
    }
    json_close_array(w);
    json_key(w, "droppedTargets"), json_open_array(w);
    for (size_t i = 0; with_dropped && i < s.dropped_count; i++) {
        json_open_object(w);
        json_key(w, "discoveredLabels"), api_put_labels(w, s.dropped[i].discovered);
        json_key(w, "scrapePool"), json_put_str(w, s.dropped[i].pool);
        json_close_object(w);
        if (!api_flush(c)) break;
    }
    json_close_array(w);
    json_key(w, "droppedTargetCounts");
    if (with_dropped) {
        json_open_object(w);
        for (size_t i = 0; i < s.pool_count; i++) {
            json_key_str(w, s.pools[i].pool), json_put_u64(w, s.pools[i].dropped);
        }
        json_close_object(w);
    } else {
        json_put_null(w);
    }
    json_close_object(w);
    api_end(c);
}

void api_scrape_pools(struct api_call *c)
{
    struct json_writer *w = &c->json;
    struct targets_snapshot s;
    if (!snapshot(c, (struct str){ "", 0 }, &s)) return;
    api_begin(c);
    json_open_object(w);
    json_key(w, "scrapePools"), json_open_array(w);
    for (size_t i = 0; i < s.pool_count; i++)
        json_put_str(w, s.pools[i].pool);
    json_close_array(w);
    json_close_object(w);
    api_end(c);
}

/* ---- metadata ---- */

static void put_row(struct json_writer *w, const struct metadata *m)
{
    json_key(w, "type"), json_put_str(w, metric_type_text(m->type));
    json_key(w, "unit"), json_put_str(w, m->unit);
    json_key(w, "help"), json_put_str(w, m->help);
}

static bool read_number(struct api_call *c, struct str name, int64_t *out)
{
    struct str text = api_param(c, name);
    *out = -1;
    if (text.len == 0 || str_to_i64(text, out)) return true;
    api_error(c, API_BAD_DATA, STR("limit must be a number"));
    return false;
}

static int by_family(const void *a, const void *b)
{
    const struct metadata *x = *(const struct metadata *const *)a;
    const struct metadata *y = *(const struct metadata *const *)b;
    int order = str_cmp(x->family, y->family);
    if (order == 0) order = (x->type > y->type) - (x->type < y->type);
    if (order == 0) order = str_cmp(x->unit, y->unit);
    return order ? order : str_cmp(x->help, y->help);
}

/* Families of all pools (or of one name), sorted, so that equal rows are neighbours. */
static const struct metadata **sorted_rows(struct api_call *c, const struct pool_metadata *pools,
                                           size_t pool_count, struct str metric, size_t *out_count)
{
    size_t total = 0, n = 0;
    for (size_t i = 0; i < pool_count; i++)
        total += pools[i].count;
    const struct metadata **rows = arena_array(&c->work, const struct metadata *, total + 1);
    if (!rows) return NULL;
    for (size_t i = 0; i < pool_count; i++) {
        for (size_t k = 0; k < pools[i].count; k++) {
            const struct metadata *m = &pools[i].rows[k];
            if (metric.len == 0 || str_eq(m->family, metric)) rows[n++] = m;
        }
    }
    if (n) qsort(rows, n, sizeof *rows, by_family);
    *out_count = n;
    return rows;
}

void api_metadata(struct api_call *c)
{
    struct json_writer *w = &c->json;
    struct pool_metadata *pools;
    struct err err = { 0 };
    int64_t limit, per_metric, families = 0, of_family = 0;
    size_t pool_count, count = 0;
    if (!read_number(c, STR("limit"), &limit) ||
        !read_number(c, STR("limit_per_metric"), &per_metric)) {
        return;
    }
    enum err_code rc =
        scrape_manager_metadata(c->api->options.scrape, &c->work, &pools, &pool_count, &err);
    const struct metadata **rows =
        rc == ERR_OK ? sorted_rows(c, pools, pool_count, api_param(c, STR("metric")), &count)
                     : NULL;
    if (!rows) {
        api_error_of(c, &err);
        return;
    }
    api_begin(c);
    json_open_object(w);
    for (size_t i = 0; i < count; i++) {
        bool is_first = i == 0 || !str_eq(rows[i - 1]->family, rows[i]->family);
        if (is_first && families > 0) json_close_array(w);
        if (is_first && limit >= 0 && families >= limit) {
            families = -1;
            break;
        }
        if (is_first) {
            json_key_str(w, rows[i]->family), json_open_array(w);
            families++;
            of_family = 0;
        } else if (by_family(&rows[i - 1], &rows[i]) == 0) {
            continue;
        }
        if (per_metric > 0 && of_family >= per_metric) continue;
        of_family++;
        json_open_object(w), put_row(w, rows[i]), json_close_object(w);
    }
    if (families > 0) json_close_array(w);
    json_close_object(w);
    api_end(c);
}

/* The selector of match_target; false after answering. */
static bool read_match_target(struct api_call *c, struct promql_regexes *regexes,
                              struct matchers *out)
{
    struct promql_parse_options options = { .budget = c->api->options.mem, .regexes = regexes };
    struct str text = api_param(c, STR("match_target"));
    struct err err = { 0 };
    *out = (struct matchers){ NULL, 0 };
    if (text.len == 0) return true;
    if (promql_parse_selector(text, c->arena, &options, out, &err) == ERR_OK) return true;
    promql_regexes_deinit(regexes);
    api_errorf(c, API_BAD_DATA, "invalid parameter \"match_target\": %s", err.detail);
    return false;
}

static void put_target_metadata(struct api_call *c, const struct target_status *t,
                                const struct metadata *m, bool with_metric)
{
    struct json_writer *w = &c->json;
    json_open_object(w);
    json_key(w, "target"), api_put_labels(w, t->labels);
    if (with_metric) json_key(w, "metric"), json_put_str(w, m->family);
    put_row(w, m);
    json_close_object(w);
}

/* Rows of one target: those of its pool. False when the limit is reached. */
static bool put_pool_rows(struct api_call *c, const struct target_status *t,
                          const struct pool_metadata *pool, int64_t limit, int64_t *written)
{
    struct str metric = api_param(c, STR("metric"));
    for (size_t k = 0; k < pool->count; k++) {
        if (metric.len && !str_eq(pool->rows[k].family, metric)) continue;
        if (limit >= 0 && *written >= limit) return false;
        put_target_metadata(c, t, &pool->rows[k], metric.len == 0);
        (*written)++;
    }
    return api_flush(c);
}

void api_targets_metadata(struct api_call *c)
{
    struct promql_regexes regexes = { 0 };
    struct matchers matchers;
    struct targets_snapshot s;
    struct pool_metadata *pools;
    struct err err = { 0 };
    int64_t limit, written = 0;
    size_t pool_count;
    if (!read_number(c, STR("limit"), &limit) || !read_match_target(c, &regexes, &matchers)) return;
    enum err_code rc =
        scrape_manager_targets(c->api->options.scrape, (struct str){ "", 0 }, &c->work, &s, &err);
    if (rc == ERR_OK) {
        rc = scrape_manager_metadata(c->api->options.scrape, &c->work, &pools, &pool_count, &err);
    }
    if (rc != ERR_OK) {
        promql_regexes_deinit(&regexes);
        api_error_of(c, &err);
        return;
    }
    api_begin(c);
    json_open_array(&c->json);
    bool more = true;
    for (size_t i = 0; more && i < s.active_count; i++) {
        const struct target_status *t = &s.active[i];
        if (!matchers_match(matchers, t->labels)) continue;
        for (size_t p = 0; more && p < pool_count; p++) {
            if (!str_eq(pools[p].pool, t->pool)) continue;
            more = put_pool_rows(c, t, &pools[p], limit, &written);
        }
    }
    json_close_array(&c->json);
    promql_regexes_deinit(&regexes);
    api_end(c);
}
