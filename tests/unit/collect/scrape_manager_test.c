/* SPDX-License-Identifier: Apache-2.0
 *
 * The scrape thread with a real target on loopback and a whole engine on a disk in memory. Waits are
 * for a state, with a deadline; nothing depends on how long something takes.
 */
#include "collect/scrape/scrape_manager.h"

#include <stdio.h>
#include <time.h>

#include "collect/scrape/scrape_config.h"
#include "os/file_fault.h"
#include "os/thread.h"
#include "server_fixture.h"

#define DEADLINE_NS (20ull * 1000000000ull)

static struct mem_budget *budget;
static struct file_fault *disk;
static struct metrics *store;
static struct scrape_manager *manager;
static struct fixture target;
static struct arena arena; /* of the configurations and of answers */
static _Atomic unsigned released;

/* What the target answers; guarded by lock. */
static struct mutex lock;
static const char *body, *content_type, *wanted_authorization;
static unsigned status;
static unsigned requests;
static char accept_seen[512], timeout_seen[32];

static void serve(void *ctx, struct http_exchange *ex)
{
    const struct http_request *req = http_exchange_request(ex);
    (void)ctx;
    mutex_lock(&lock);
    requests++;
    (void)str_z(req->accept, accept_seen, sizeof accept_seen);
    (void)str_z(http_request_header(req, STR("X-Prometheus-Scrape-Timeout-Seconds")), timeout_seen,
                sizeof timeout_seen);
    bool is_allowed =
        !wanted_authorization || str_eq(req->authorization, str_of_z(wanted_authorization));
    struct http_answer answer = { .status = is_allowed ? status : 401,
                                  .content_type = str_of_z(content_type),
                                  .body = bytes_of_str(str_of_z(body)) };
    mutex_unlock(&lock);
    http_exchange_answer(ex, &answer);
}

static void expose(unsigned with_status, const char *type, const char *text)
{
    mutex_lock(&lock);
    status = with_status;
    content_type = type;
    body = text;
    mutex_unlock(&lock);
}

static void set_up(void)
{
    struct err err = { 0 };
    budget = mem_budget_create((uint64_t)1 << 30);
    disk = file_fault_create(1);
    mutex_init(&lock);
    arena_init(&arena, mem_source_of(budget, MEM_SYSTEM), 64u << 20);
    expose(200, "text/plain; version=0.0.4", "a{x=\"1\"} 1\nb 2\n");
    struct fixture_options http = { .limits = http_limits_default(),
                                    .handler = { .serve = serve } };
    target = fixture_start(&http);
    struct metrics_options options = { .files = file_fault_layer(disk),
                                       .clock = clock_system(),
                                       .mem = budget,
                                       .dir = "data",
                                       .durability = JOURNAL_OFF,
                                       .label_limits = LABEL_LIMITS_DEFAULT,
                                       .without_maintenance = true };
    ck_assert_int_eq(metrics_open(&options, NULL, NULL, &store, &err), ERR_OK);
    struct scrape_manager_options scrape = { .metrics = store,
                                             .mem = budget,
                                             .clock = clock_system(),
                                             .files = file_fault_layer(disk),
                                             .user_agent = STR("test") };
    ck_assert_int_eq(scrape_manager_create(&scrape, &manager, &err), ERR_OK);
    ck_assert_int_eq(file_mkdirs(file_fault_layer(disk), "etc", NULL), ERR_OK);
}

static void tear_down(void)
{
    struct err err = { 0 };
    scrape_manager_destroy(manager);
    ck_assert_int_eq(metrics_close(store, &err), ERR_OK);
    fixture_stop(&target);
    arena_deinit(&arena);
    mutex_deinit(&lock);
    file_fault_destroy(disk);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

static void on_release(void *owner)
{
    (void)owner;
    atomic_fetch_add(&released, 1);
}

/* Apply the scrape_configs in `text`; %u is the target's port. */
static void apply(const char *text)
{
    static const struct yaml_field FIELD = { .type = YAML_T_LIST,
                                             .elem = YAML_T_STRUCT,
                                             .schema = &SCRAPE_CONFIG };
    struct yaml_list *list = arena_new(&arena, struct yaml_list);
    struct yaml_doc *doc = arena_new(&arena, struct yaml_doc);
    struct yaml_binder *binder = arena_new(&arena, struct yaml_binder);
    struct yaml_diags diags;
    struct yaml_env env = { .budget = budget };
    struct global_config global = { .scrape_interval_ms = 100, .scrape_timeout_ms = 100 };
    struct err err = { 0 };
    size_t at = str_find(str_of_z(text), STR("PORT"));
    struct str full = str_of_z(text);
    if (at < full.len) {
        full =
            arena_printf(&arena, "%.*s%u%s", (int)at, text, (unsigned)target.port, text + at + 4);
    }
    yaml_diags_init(&diags, &arena);
    ck_assert_int_eq(yaml_parse(STR("t"), full, &arena, &diags, doc), ERR_OK);
    yaml_binder_init(binder, doc, &arena, &diags, &env);
    ck_assert_msg(yaml_bind_field(binder, &FIELD, list) == ERR_OK, "%s",
                  diags.count ? diags.at[0].message.ptr : "");
    scrape_configs_resolve(binder, doc->root, &global, list);
    struct scrape_settings settings = { .scrape_configs = list,
                                        .base_dir = STR("etc"),
                                        .release = on_release };
    ck_assert_int_eq(scrape_manager_apply(manager, &settings, &err), ERR_OK);
}

static struct targets_snapshot snapshot(void)
{
    struct targets_snapshot s;
    struct err err = { 0 };
    ck_assert_int_eq(scrape_manager_targets(manager, (struct str){ "", 0 }, &arena, &s, &err),
                     ERR_OK);
    return s;
}

/* The newest value of the series `name` (of any labels), from the store. */
static bool newest(const char *name, double *out)
{
    struct matcher m = { .type = MATCH_EQ, .name = LABEL_METRIC_NAME, .value = str_of_z(name) };
    struct source source = metrics_source(store);
    struct source_request request = {
        .matchers = { &m, 1 }, .mint_ms = 0, .maxt_ms = INT64_MAX, .only_newest = true
    };
    struct series_set *set;
    struct series_reader *reader;
    struct err err = { 0 };
    struct sample best = { .ts_ms = 0 };
    ck_assert_int_eq(source.ops->select(source.ctx, &request, budget, &set, &err), ERR_OK);
    ck_assert_int_eq(set->ops->reader_create(set, budget, &reader, &err), ERR_OK);
    for (size_t i = 0; i < set->ops->count(set); i++) {
        struct sample_columns c;
        ck_assert_int_eq(set->ops->read(reader, i, &c, &err), ERR_OK);
        if (c.count == 0 || c.ts_ms[c.count - 1] < best.ts_ms) continue;
        best = (struct sample){ c.ts_ms[c.count - 1], c.value[c.count - 1] };
    }
    set->ops->reader_destroy(reader);
    set->ops->destroy(set);
    *out = best.value;
    return best.ts_ms > 0;
}

static bool has_value(const void *arg)
{
    const struct {
        const char *name;
        double value;
    } *want = arg;
    double v;
    return newest(want->name, &v) && v == want->value;
}

static bool is_stale_now(const void *name)
{
    double v;
    return newest(name, &v) && is_stale(v);
}

static bool has_error(const void *text)
{
    struct targets_snapshot s = snapshot();
    return s.active_count && s.active[0].health == TARGET_DOWN &&
           str_find(s.active[0].last_error, str_of_z(text)) < s.active[0].last_error.len;
}

static bool is_up(const void *arg)
{
    (void)arg;
    struct targets_snapshot s = snapshot();
    return s.active_count && s.active[0].health == TARGET_UP;
}

static void await(bool (*state)(const void *arg), const void *arg, const char *what)
{
    uint64_t deadline = clock_mono_ns(clock_system()) + DEADLINE_NS;
    const struct timespec pause = { 0, 5000000 };
    while (!state(arg)) {
        if (clock_mono_ns(clock_system()) >= deadline) {
            struct targets_snapshot s = snapshot();
            ck_abort_msg("%s: not within 20 s; %zu targets, last error: %.*s", what, s.active_count,
                         s.active_count ? (int)s.active[0].last_error.len : 0,
                         s.active_count ? s.active[0].last_error.ptr : "");
        }
        nanosleep(&pause, NULL);
    }
}

static void await_value(const char *name, double value)
{
    const struct {
        const char *name;
        double value;
    } want = { name, value };
    await(has_value, &want, name);
}

#define JOB                                                                                        \
    "- job_name: j\n  scrape_interval: 100ms\n  static_configs: [{targets: ['127.0.0.1:PORT']}]\n"

START_TEST(a_target_is_scraped_and_stored)
{
    apply(JOB);
    await_value("a", 1);
    await_value("b", 2);
    await_value("up", 1);
    await_value("scrape_samples_scraped", 2);
    struct targets_snapshot s = snapshot();
    ck_assert_uint_eq(s.active_count, 1);
    ck_assert_int_eq(s.active[0].health, TARGET_UP);
    ck_assert(str_eq(s.active[0].pool, STR("j")));
    ck_assert_int_eq(s.active[0].interval_ms, 100);
    mutex_lock(&lock);
    ck_assert_str_eq(accept_seen,
                     "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                     "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"
                     "escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2");
    ck_assert_str_eq(timeout_seen, "0.1");
    mutex_unlock(&lock);
}
END_TEST

START_TEST(a_series_that_disappears_goes_stale)
{
    apply(JOB);
    await_value("b", 2);
    expose(200, "text/plain", "a{x=\"1\"} 3\n");
    await(is_stale_now, "b", "b stale");
    await_value("a", 3);
    await_value("up", 1);
}
END_TEST

static const struct {
    unsigned status;
    const char *type, *body, *error;
} FAILURES[] = {
    { 500, "text/plain", "a 1\n", "server returned HTTP status 500 Internal Server Error" },
    { 200, "text/plain", "a{ 1\n", "line 1" },
    { 200, "image/png", "a 1\n",
      "received unsupported Content-Type \"image/png\" and no fallback_scrape_protocol specified" },
    { 200, "", "a 1\n", "non-compliant scrape target sending blank Content-Type" },
};

START_TEST(a_failing_target_is_down_and_its_series_end)
{
    apply(JOB);
    await_value("b", 2);
    expose(FAILURES[_i].status, FAILURES[_i].type, FAILURES[_i].body);
    await(has_error, FAILURES[_i].error, FAILURES[_i].error);
    await_value("up", 0);
    await(is_stale_now, "b", "b stale");
    expose(200, "text/plain", "b 7\n");
    await_value("b", 7);
    await_value("up", 1);
}
END_TEST

START_TEST(limits_make_the_scrape_fail)
{
    apply(
        "- job_name: j\n  scrape_interval: 100ms\n  sample_limit: 1\n  static_configs: [{targets: "
        "['127.0.0.1:PORT']}]\n");
    await(has_error, "sample limit exceeded", "sample limit");
    apply("- job_name: j\n  scrape_interval: 100ms\n  body_size_limit: 10B\n  static_configs: "
          "[{targets: ['127.0.0.1:PORT']}]\n");
    await(has_error, "body size limit exceeded", "body size limit");
    apply(
        "- job_name: j\n  scrape_interval: 100ms\n  target_limit: 1\n  static_configs: [{targets: "
        "['127.0.0.1:PORT', 'localhost:1']}]\n");
    await(has_error, "target_limit exceeded (number of targets: 2, limit: 1)", "target limit");
}
END_TEST

START_TEST(nobody_there_is_an_error_of_words)
{
    apply("- job_name: j\n  scrape_interval: 100ms\n  static_configs: [{targets: "
          "['127.0.0.1:1']}]\n");
    await(has_error, "refused", "connection refused");
}
END_TEST

START_TEST(a_reload_keeps_targets_and_follows_new_rules)
{
    unsigned before = atomic_load(&released);
    apply(JOB);
    await_value("b", 2);
    apply(JOB);
    ck_assert_uint_eq(atomic_load(&released), before + 1);
    expose(200, "text/plain", "a{x=\"1\"} 5\nb 6\n");
    await_value("b", 6);
    apply("- job_name: j\n  scrape_interval: 100ms\n  static_configs: [{targets: "
          "['127.0.0.1:PORT']}]\n  metric_relabel_configs: [{source_labels: [__name__], regex: b, "
          "target_label: __name__, replacement: renamed}]\n");
    await_value("renamed", 6);
    expose(200, "text/plain", "b 8\n");
    await_value("renamed", 8);
    await(is_stale_now, "a", "a stale");
}
END_TEST

START_TEST(a_target_that_is_gone_ends_its_series)
{
    apply(JOB);
    await_value("b", 2);
    apply("[]");
    ck_assert_uint_eq(snapshot().active_count, 0);
    await(is_stale_now, "b", "b stale");
    await(is_stale_now, "up", "up stale");
}
END_TEST

START_TEST(secrets_are_read_again_when_they_are_refused)
{
    const struct file_layer *files = file_fault_layer(disk);
    mutex_lock(&lock);
    wanted_authorization = "Bearer new";
    mutex_unlock(&lock);
    apply("- job_name: j\n  scrape_interval: 100ms\n  authorization: {credentials_file: token}\n  "
          "static_configs: [{targets: ['127.0.0.1:PORT']}]\n");
    await(has_error, "unable to read etc/token", "missing file");
    ck_assert_int_eq(file_write_atomic(files, "etc/token", bytes_of_str(STR("old\n")), NULL),
                     ERR_OK);
    await(has_error, "server returned HTTP status 401", "refused");
    ck_assert_int_eq(file_write_atomic(files, "etc/token", bytes_of_str(STR("new\n")), NULL),
                     ERR_OK);
    await(is_up, NULL, "up with the new token");
    mutex_lock(&lock);
    wanted_authorization = NULL;
    mutex_unlock(&lock);
}
END_TEST

START_TEST(dropped_targets_and_metadata_are_shown)
{
    expose(200, "text/plain", "# HELP a Help of a.\n# TYPE a counter\na 1\n");
    apply(
        "- job_name: j\n  scrape_interval: 100ms\n  static_configs: [{targets: ['127.0.0.1:PORT', "
        "'drop:1']}]\n  relabel_configs: [{source_labels: [__address__], regex: 'drop.*', action: "
        "drop}]\n");
    await_value("a", 1);
    struct targets_snapshot s = snapshot();
    ck_assert_uint_eq(s.active_count, 1);
    ck_assert_uint_eq(s.dropped_count, 1);
    ck_assert(str_eq(labels_get(s.dropped[0].discovered, STR("__address__")), STR("drop:1")));
    ck_assert_uint_eq(s.pools[0].dropped, 1);
    await(is_up, NULL, "up");
    struct pool_metadata *pools;
    size_t count;
    struct err err = { 0 };
    ck_assert_int_eq(scrape_manager_metadata(manager, &arena, &pools, &count, &err), ERR_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(pools[0].count, 1);
    ck_assert(str_eq(pools[0].rows[0].help, STR("Help of a.")));
}
END_TEST

static void collect(void *ctx, struct buf *out)
{
    (void)ctx;
    buf_put_lit(out, "local_metric 4\n");
}

START_TEST(a_local_target_needs_no_network)
{
    static const struct yaml_list none = { NULL, 0 };
    static const struct scrape_local local = { "own", "me:1", "local://x", 100, collect, NULL };
    struct scrape_settings settings = { .scrape_configs = &none,
                                        .locals = &local,
                                        .local_count = 1 };
    struct err err = { 0 };
    ck_assert_int_eq(scrape_manager_apply(manager, &settings, &err), ERR_OK);
    await_value("local_metric", 4);
    ck_assert_int_eq(scrape_manager_apply(manager, &settings, &err), ERR_OK);
    struct targets_snapshot s = snapshot();
    ck_assert_uint_eq(s.active_count, 1);
    ck_assert_int_eq(s.active[0].health, TARGET_UP);
    ck_assert(str_eq(labels_get(s.active[0].labels, STR("instance")), STR("me:1")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scrape_manager");
    TCase *tc = tcase_create("scraping");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_target_is_scraped_and_stored);
    tcase_add_test(tc, a_series_that_disappears_goes_stale);
    tcase_add_loop_test(tc, a_failing_target_is_down_and_its_series_end, 0,
                        (int)(sizeof FAILURES / sizeof FAILURES[0]));
    tcase_add_test(tc, limits_make_the_scrape_fail);
    tcase_add_test(tc, nobody_there_is_an_error_of_words);
    tcase_add_test(tc, a_reload_keeps_targets_and_follows_new_rules);
    tcase_add_test(tc, a_target_that_is_gone_ends_its_series);
    tcase_add_test(tc, secrets_are_read_again_when_they_are_refused);
    tcase_add_test(tc, dropped_targets_and_metadata_are_shown);
    tcase_add_test(tc, a_local_target_needs_no_network);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
