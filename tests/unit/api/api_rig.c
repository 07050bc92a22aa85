/* SPDX-License-Identifier: Apache-2.0 */
#include "api_rig.h"

#include <stdio.h>

#include "codec/pb.h"
#include "codec/snappy.h"
#include "formats/exposition_write.h"

static enum err_code on_reload(void *ctx, struct err *err)
{
    struct api_rig *r = ctx;
    r->reloads++;
    if (!r->reload_fails) return ERR_OK;
    return err_setf(err, ERR_INVALID, "config", "p.yml:1:1: unknown key");
}

static void on_quit(void *ctx)
{
    ((struct api_rig *)ctx)->quits++;
}

static void config_yaml(void *ctx, struct buf *out)
{
    (void)ctx;
    buf_put_lit(out, "global:\n  scrape_interval: 15s\n");
}

static void own_metrics(void *ctx, struct buf *out, enum exposition_format format)
{
    (void)ctx;
    struct exposition_sample s = { .name = STR("pharos_test"), .value = 1 };
    exposition_write_family(out, format, s.name, METRIC_GAUGE, STR("A test."));
    exposition_write_sample(out, format, &s);
}

static void reload_status(void *ctx, bool *out_ok, int64_t *out_ts_ms)
{
    (void)ctx;
    *out_ok = true;
    *out_ts_ms = 1700000000000;
}

static void external_labels(void *ctx, struct arena *a, struct labels *out)
{
    static const struct label EXTERNAL[] = { { STR_INIT("i"), STR_INIT("not this one") },
                                             { STR_INIT("replica"), STR_INIT("a") } };
    (void)ctx;
    (void)!labels_copy(a, (struct labels){ EXTERNAL, 2 }, out, NULL);
}

static double progress(void *ctx)
{
    (void)ctx;
    return 0.25;
}

static void flag_in_force(void *ctx, struct str name, char text[API_FLAG_TEXT_SIZE],
                          struct str *io_value)
{
    (void)ctx, (void)text;
    if (str_eq(name, STR("b.flag"))) *io_value = STR("in force");
}

static bool guard(void *ctx, struct http_exchange *ex, const struct http_route *route)
{
    return prometheus_api_guard(ctx, ex, route);
}

static void open_store(struct api_rig *r)
{
    struct err err = { 0 };
    struct metrics_options options = { .files = file_fault_layer(r->disk),
                                       .clock = clock_system(),
                                       .mem = r->mem,
                                       .dir = "data",
                                       .durability = JOURNAL_INTERVAL,
                                       .label_limits = LABEL_LIMITS_DEFAULT,
                                       .without_maintenance = true };
    enum err_code rc = metrics_open(&options, NULL, NULL, &r->metrics, &err);
    ck_assert_msg(rc == ERR_OK, "open: %s %s", err.msg, err.detail);
    struct promql_engine_options engine = { .source = metrics_source(r->metrics),
                                            .clock = clock_system(),
                                            .mem = r->mem,
                                            .workers = 1,
                                            .points_max = 11001 };
    ck_assert_int_eq(promql_engine_create(&engine, &r->engine, &err), ERR_OK);
    struct scrape_manager_options scrape = { .metrics = r->metrics,
                                             .mem = r->mem,
                                             .clock = clock_system(),
                                             .files = file_fault_layer(r->disk),
                                             .user_agent = STR("test") };
    ck_assert_int_eq(scrape_manager_create(&scrape, &r->scrape, &err), ERR_OK);
}

void api_rig_setup(struct api_rig *r, bool is_ready)
{
    static const struct api_flag FLAGS[] = { { STR_INIT("a.flag"), STR_INIT("x\"y") },
                                             { STR_INIT("b.flag"), STR_INIT("") } };
    memset(r, 0, sizeof *r);
    r->mem = mem_budget_create((uint64_t)1 << 30);
    r->disk = file_fault_create(1);
    r->base_ms = clock_wall_ms(clock_system()) / 1000 * 1000 - 600000;
    open_store(r);
    struct offload_options offload = {
        .mem = r->mem, .clock = clock_system(), .threads = { 2, 2 }, .queue_max = 16
    };
    ck_assert_int_eq(offload_create(&offload, &r->offload, NULL), ERR_OK);
    struct prometheus_api_options options = { .mem = r->mem,
                                              .clock = clock_system(),
                                              .offload = r->offload,
                                              .hooks = { r, on_reload, on_quit, config_yaml,
                                                         own_metrics, reload_status,
                                                         external_labels, progress, flag_in_force },
                                              .flags = FLAGS,
                                              .flag_count = 2,
                                              .version = STR("9.9.9"),
                                              .hostname = STR("box"),
                                              .cwd = STR("/tmp"),
                                              .retention_ms = 86400000,
                                              .with_lifecycle = true,
                                              .label_limits = LABEL_LIMITS_DEFAULT };
    prometheus_api_init(&r->api, &options);
    if (is_ready) prometheus_api_set_ready(&r->api, r->metrics, r->engine, r->scrape);
    struct router_options router = { .mem = r->mem, .guard = guard, .ctx = &r->api };
    ck_assert_int_eq(router_create(&router, &r->router, NULL), ERR_OK);
    ck_assert_int_eq(prometheus_api_add_routes(&r->api, r->router, STR("/x/y"), NULL), ERR_OK);
    struct fixture_options http = { .limits = http_limits_default(),
                                    .handler = router_handler(r->router) };
    r->http = fixture_start(&http);
}

void api_rig_teardown(struct api_rig *r)
{
    struct err err = { 0 };
    http_server_stop(r->http.server, 5000);
    offload_stop(r->offload);
    scrape_manager_destroy(r->scrape);
    offload_destroy(r->offload);
    promql_engine_destroy(r->engine);
    ck_assert_int_eq(metrics_close(r->metrics, &err), ERR_OK);
    fixture_stop(&r->http);
    router_destroy(r->router);
    file_fault_destroy(r->disk);
    ck_assert_uint_eq(mem_live_count(r->mem), 0);
    mem_budget_destroy(r->mem);
}

struct answer api_rig_ask(struct api_rig *r, const char *method, const char *target,
                          const char *headers, struct str body)
{
    static char request[1 << 20];
    int n = snprintf(request, sizeof request,
                     "%s %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n%sContent-Length: "
                     "%zu\r\n\r\n",
                     method, target, headers, body.len);
    ck_assert(n > 0 && (size_t)n + body.len < sizeof request);
    if (body.len) memcpy(request + n, body.ptr, body.len);
    return client_exchange(&r->http, (struct str){ request, (size_t)n + body.len });
}

struct answer api_rig_get(struct api_rig *r, const char *target)
{
    return api_rig_ask(r, "GET", target, "", (struct str){ "", 0 });
}

void api_rig_expect(struct api_rig *r, const char *target, unsigned status, const char *body)
{
    struct answer a = api_rig_get(r, target);
    ck_assert_msg(a.status == status, "%s: %u %s", target, a.status, a.body);
    ck_assert_msg(strcmp(a.body, body) == 0, "%s:\n got %s\nwant %s", target, a.body, body);
    answer_free(&a);
}

void api_rig_write_body(struct api_rig *r, const struct rig_sample *samples, size_t count,
                        struct buf *out)
{
    struct buf message, series, part;
    const struct mem_source *mem = mem_source_of(r->mem, MEM_INGEST);
    buf_init(&message, mem, 1u << 20);
    buf_init(&series, mem, 1u << 16);
    buf_init(&part, mem, 1u << 16);
    for (size_t i = 0; i < count; i++) {
        const struct label labels[] = { { STR("__name__"), str_of_z(samples[i].name) },
                                        { STR("i"), str_of_z(samples[i].i) } };
        buf_reset(&series);
        for (size_t k = samples[i].name[0] ? 0 : 1; k < 2; k++) {
            buf_reset(&part);
            pb_put_str(&part, 1, labels[k].name);
            pb_put_str(&part, 2, labels[k].value);
            pb_put_bytes(&series, 1, buf_bytes(&part));
        }
        buf_reset(&part);
        pb_put_f64(&part, 1, samples[i].value);
        pb_put_i64(&part, 2, samples[i].ts_ms);
        pb_put_bytes(&series, 2, buf_bytes(&part));
        pb_put_bytes(&message, 1, buf_bytes(&series));
    }
    snappy_encode(buf_bytes(&message), out);
    buf_deinit(&message);
    buf_deinit(&series);
    buf_deinit(&part);
}

unsigned api_rig_write(struct api_rig *r, const struct rig_sample *samples, size_t count)
{
    struct buf body;
    buf_init(&body, mem_source_of(r->mem, MEM_INGEST), 1u << 20);
    api_rig_write_body(r, samples, count, &body);
    struct answer a = api_rig_ask(r, "POST", "/api/v1/write",
                                  "Content-Encoding: snappy\r\nContent-Type: "
                                  "application/x-protobuf\r\n",
                                  buf_str(&body));
    buf_deinit(&body);
    answer_free(&a);
    return a.status;
}
