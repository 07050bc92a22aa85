/* SPDX-License-Identifier: Apache-2.0
 *
 * /-/healthy, /-/ready, /-/reload, /-/quit, and the guard that holds requests back until the store
 * is open.
 */
#include "api/prometheus/api_priv.h"

void api_healthy(struct api_call *c)
{
    api_text(c, 200, STR("Prometheus Server is Healthy.\n"));
}

static bool is_serving(const struct prometheus_api *api)
{
    return atomic_load_explicit(&api->is_ready, memory_order_acquire) &&
           !atomic_load_explicit(&api->is_stopping, memory_order_acquire);
}

static void put_stopping_header(struct prometheus_api *api, struct http_exchange *ex)
{
    static const struct http_header STOPPING = HTTP_HEADER("X-Prometheus-Stopping", "true");
    static const struct http_header STARTING = HTTP_HEADER("X-Prometheus-Stopping", "false");
    bool is_stopping = atomic_load_explicit(&api->is_stopping, memory_order_acquire);
    http_exchange_add_header(ex, is_stopping ? STOPPING : STARTING);
}

void api_readiness(struct api_call *c)
{
    if (is_serving(c->api)) {
        api_text(c, 200, STR("Prometheus Server is Ready.\n"));
        return;
    }
    put_stopping_header(c->api, c->ex);
    double done = c->api->options.hooks.progress(c->api->options.hooks.ctx);
    struct str text = arena_printf(c->arena, "Service Unavailable: replaying the journal, %d %%\n",
                                   (int)(done * 100));
    bool is_stopping = atomic_load_explicit(&c->api->is_stopping, memory_order_acquire);
    api_text(c, 503, is_stopping ? STR("Service Unavailable: shutting down\n") : text);
}

bool prometheus_api_guard(struct prometheus_api *api, struct http_exchange *ex,
                          const struct http_route *route)
{
    if (route->flags & HTTP_ROUTE_ALWAYS) return true;
    if (is_serving(api)) {
        bool is_refused =
            (route->flags & HTTP_ROUTE_INGEST) && mem_level(api->options.mem) == MEM_RED;
        if (!is_refused) return true;
        stat_add(&api->stats.write_shed, 1);
        http_exchange_add_header(ex, (struct http_header)HTTP_HEADER("Retry-After", "5"));
        http_exchange_answer_text(ex, 503, STR("the memory budget is used up; retry later\n"));
        return false;
    }
    put_stopping_header(api, ex);
    http_exchange_add_header(ex, (struct http_header)HTTP_HEADER("Retry-After", "1"));
    http_exchange_answer_text(ex, 503, STR("Service Unavailable"));
    return false;
}

void api_post_only(struct api_call *c)
{
    api_text(c, 405, STR("Only POST or PUT requests allowed\n"));
}

/* False after answering: the lifecycle API is off. */
static bool is_allowed(struct api_call *c)
{
    if (c->api->options.with_lifecycle) return true;
    api_text(c, 403, STR("Lifecycle API is not enabled."));
    return false;
}

void api_reload(struct api_call *c)
{
    struct err err = { 0 };
    if (!is_allowed(c)) return;
    if (c->api->options.hooks.reload(c->api->options.hooks.ctx, &err) == ERR_OK) {
        api_text(c, 200, (struct str){ "", 0 });
        return;
    }
    struct str text = arena_printf(c->arena, "failed to reload config: %s\n",
                                   err.detail[0] ? err.detail : err.msg);
    api_text(c, 500, text);
}

void api_quit(struct api_call *c)
{
    if (!is_allowed(c)) return;
    struct api_server_hooks hooks = c->api->options.hooks;
    api_text(c, 200, STR("Requesting termination... Goodbye!"));
    hooks.quit(hooks.ctx);
}
