/* SPDX-License-Identifier: Apache-2.0 */
#include "server/config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "collect/discovery/discovery.h"
#include "collect/relabel/relabel.h"
#include "journal/journal.h"
#include "os/file_fault.h"

static struct mem_budget *budget;
static struct file_fault *disk;
static struct config *config;
static struct buf diags;
static struct err error;

static void set_up(void)
{
    budget = mem_budget_create(256u << 20);
    disk = file_fault_create(1);
    config = NULL;
    error = (struct err){ 0 };
    buf_init(&diags, mem_source_of(budget, MEM_SYSTEM), 1u << 20);
    ck_assert_int_eq(file_mkdirs(file_fault_layer(disk), "etc", NULL), ERR_OK);
}

static void tear_down(void)
{
    config_unref(config);
    buf_deinit(&diags);
    file_fault_destroy(disk);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

static enum err_code load(const char *text)
{
    const struct file_layer *files = file_fault_layer(disk);
    struct bytes content = bytes_of_str(str_of_z(text));
    ck_assert_int_eq(file_write_atomic(files, "etc/p.yml", content, NULL), ERR_OK);
    config_unref(config);
    config = NULL;
    buf_reset(&diags);
    error = (struct err){ 0 };
    return config_load(budget, files, "etc/p.yml", &diags, &config, &error);
}

static bool says(const char *text)
{
    return str_find(buf_str(&diags), str_of_z(text)) < diags.len;
}

static const struct scrape_config *job(size_t i)
{
    const struct yaml_list *list = &config_main(config)->scrape_configs;
    ck_assert_uint_lt(i, list->count);
    return &((const struct scrape_config *)list->items)[i];
}

static const char REALISTIC[] =
    "# A file as it stands on many machines.\n"
    "global:\n"
    "  scrape_interval: 15s\n"
    "  evaluation_interval: 30s\n"
    "  external_labels:\n"
    "    cluster: eu-1\n"
    "    replica: 'a'\n"
    "  label_limit: 50\n"
    "rule_files:\n"
    "  - rules/*.yml\n"
    "alerting:\n"
    "  alertmanagers:\n"
    "    - static_configs: [{targets: ['am:9093']}]\n"
    "remote_write:\n"
    "  - url: https://far/api/v1/write\n"
    "    basic_auth: {username: u, password: secret}\n"
    "scrape_configs:\n"
    "  - job_name: prometheus\n"
    "    static_configs:\n"
    "      - targets: ['localhost:9090']\n"
    "  - job_name: node\n"
    "    scrape_interval: 5s\n"
    "    file_sd_configs:\n"
    "      - files: ['targets/*.json', 'targets/*.yml']\n"
    "        refresh_interval: 1m\n"
    "    relabel_configs:\n"
    "      - source_labels: [__address__]\n"
    "        regex: '([^:]+):\\d+'\n"
    "        target_label: host\n"
    "        replacement: '${1}'\n"
    "    metric_relabel_configs:\n"
    "      - source_labels: [__name__]\n"
    "        regex: go_.*\n"
    "        action: Drop\n"
    "  - job_name: kubernetes-pods\n"
    "    scheme: https\n"
    "    bearer_token_file: /var/run/secrets/token\n"
    "    tls_config: {ca_file: ca.crt, insecure_skip_verify: true}\n"
    "    kubernetes_sd_configs:\n"
    "      - role: pod\n"
    "        namespaces: {names: [default]}\n"
    "    relabel_configs:\n"
    "      - action: labelmap\n"
    "        regex: __meta_kubernetes_pod_label_(.+)\n"
    "      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape]\n"
    "        action: keep\n"
    "        regex: true\n"
    "  - job_name: blackbox\n"
    "    metrics_path: /probe\n"
    "    params: {module: [http_2xx]}\n"
    "    scrape_timeout: 3s\n"
    "    label_limit: 10\n"
    "    static_configs:\n"
    "      - targets: [https://example.org]\n"
    "        labels: {env: prod}\n"
    "storage:\n"
    "  durability: commit\n"
    "  tsdb: {retention: {time: 30d, size: 10GB}, out_of_order_time_window: 30m}\n"
    "  exemplars: {max_exemplars: 500}\n";

START_TEST(a_realistic_file_loads_with_defaults_and_inheritance)
{
    ck_assert_msg(load(REALISTIC) == ERR_OK, "%.*s", (int)diags.len, (const char *)diags.ptr);
    const struct main_config *c = config_main(config);
    ck_assert_int_eq(c->global.scrape_interval_ms, 15000);
    ck_assert_int_eq(c->global.scrape_timeout_ms, 10000);
    ck_assert_uint_eq(c->global.external_labels.count, 2);
    ck_assert_uint_eq(c->scrape_configs.count, 4);
    ck_assert_int_eq(job(0)->scrape_interval_ms, 15000);
    ck_assert_int_eq(job(0)->scrape_timeout_ms, 10000);
    ck_assert(str_eq(job(0)->metrics_path, STR("/metrics")) && job(0)->honor_timestamps);
    ck_assert(job(0)->enable_compression && !job(0)->honor_labels && job(0)->http.follow_redirects);
    ck_assert_uint_eq(job(0)->limits.label_limit, 50);
    ck_assert_int_eq(job(1)->scrape_timeout_ms, 5000); /* the interval is shorter than 10 s */
    const struct file_sd_config *sd = job(1)->file_sd_configs.items;
    ck_assert_uint_eq(sd->files.count, 2);
    ck_assert_int_eq(sd->refresh_interval_ms, 60000);
    const struct relabel_config *rule = job(1)->relabel_configs.items;
    ck_assert(str_eq(rule->replacement, STR("${1}")) && rule->action == RELABEL_REPLACE);
    ck_assert_int_eq(((const struct relabel_config *)job(1)->metric_relabel_configs.items)->action,
                     RELABEL_DROP);
    ck_assert(str_eq(job(2)->scheme, STR("https")) && job(2)->http.tls_config);
    ck_assert_uint_eq(job(3)->params.count, 1);
    ck_assert_uint_eq(job(3)->limits.label_limit, 10);
    ck_assert_int_eq(job(3)->scrape_timeout_ms, 3000);
    ck_assert_int_eq(c->storage.durability, JOURNAL_COMMIT);
    ck_assert_int_eq(c->storage.tsdb.retention.time_ms, 30LL * 86400000);
    ck_assert_uint_eq(c->storage.tsdb.retention.size_bytes, 10ull << 30);
    ck_assert_uint_eq(c->storage.exemplars.max_exemplars, 500);
    ck_assert(str_eq(config_base_dir(config), STR("etc")));
}
END_TEST

START_TEST(what_does_not_work_yet_is_said)
{
    ck_assert_int_eq(load(REALISTIC), ERR_OK);
    ck_assert(
        says("etc/p.yml:9:1: warning: \"rule_files\" has no effect yet: rules are not evaluated"));
    ck_assert(says("\"alerting\" has no effect yet"));
    ck_assert(says("\"remote_write\" has no effect yet"));
    ck_assert(says("\"kubernetes_sd_configs\" is not supported yet: no target comes from it"));
    ck_assert(says("out_of_order_time_window has no effect yet"));
}
END_TEST

/* Each with "hunter2" in places that nobody checks, or beside an error. */
static const char *const WITH_SECRETS[] = {
    "remote_write: [{url: 'http://u:hunter2@h/'}]\n",
    "remote_write:\n- url: http://u:hunter2@h/\n  x: hunter2\n",
    "alerting: {alertmanagers: [{api: hunter2}]}\n",
    "scrape_configs:\n- job_name: a\n  http_headers: {X-Key: {values: [hunter2]}}\n",
    "scrape_configs:\n- job_name: a\n  http_headers:\n    X-Key:\n      secrets: [hunter2]\n",
    "scrape_configs:\n- {job_name: a, oauth2: {id: hunter2}, foo: 1}\n",
    "scrape_configs:\n- job_name: a\n  oauth2: {client_id: i, endpoint: hunter2}\n",
    "{\"remote_write\":[{\"u\":\"hunter2\"}],\"foo\":1}\n",
    "{\"foo\":1,\"remote_write\":[{\"u\":\"hunter2\"}]}\n",
    "{\"scrape_configs\":[{\"job_name\":\"a\",\"basic_auth\":{\"password\":\"hunter2\"},\"foo\":1}]"
    "}\n",
    "scrape_configs:\n- {job_name: a, proxy_url: 'http://u:hunter2@h:1', foo: 1}\n",
};

START_TEST(secrets_are_not_quoted)
{
    enum err_code rc = load(WITH_SECRETS[_i]);
    ck_assert_msg(diags.len > 0, "nothing was said");
    ck_assert_msg(!says("hunter2"), STR_FMT, STR_ARG(buf_str(&diags)));
    if (rc != ERR_OK) ck_assert_ptr_null(strstr(error.detail, "hunter2"));
}
END_TEST

/* Every key that is taken and not used says so. */
static const char *const WITHOUT_EFFECT[] = {
    "global: {metric_name_validation_scheme: legacy}",
    "global: {metric_name_escaping_scheme: dots}",
    "global: {always_scrape_classic_histograms: true}",
    "global: {scrape_native_histograms: true}",
    "scrape_configs: [{job_name: a, metric_name_validation_scheme: legacy}]",
    "scrape_configs: [{job_name: a, metric_name_escaping_scheme: dots}]",
    "scrape_configs: [{job_name: a, native_histogram_bucket_limit: 1}]",
    "otlp: {promote_resource_attributes: [a]}",
    "runtime: {gogc: 50}",
    "rule_files: [a]",
    "scrape_config_files: [a]",
    "remote_read: []",
    "tracing: {}",
    "storage: {tsdb: {stale_series_compaction_threshold: 1}}",
    "storage: {tsdb: {chunk_encoding: x}}",
    "storage: {tsdb: {retention: {percentage: 1}}}",
};

START_TEST(keys_without_effect_say_so)
{
    ck_assert_int_eq(load(WITHOUT_EFFECT[_i]), ERR_OK);
    ck_assert_msg(says("warning: \"") && says("has no effect"), "%s: " STR_FMT, WITHOUT_EFFECT[_i],
                  STR_ARG(buf_str(&diags)));
}
END_TEST

START_TEST(the_dump_hides_secrets_and_loads_again)
{
    struct buf first, second;
    ck_assert_int_eq(load("global: {scrape_interval: 7s}\n"
                          "scrape_configs:\n- job_name: a\n  basic_auth: {username: u, password: "
                          "s3cret}\n  static_configs: [{targets: ['h:1'], labels: {a: 'b: c'}}]\n"),
                     ERR_OK);
    buf_init(&first, mem_source_of(budget, MEM_SYSTEM), 1u << 20);
    buf_init(&second, mem_source_of(budget, MEM_SYSTEM), 1u << 20);
    config_dump(config, &first);
    ck_assert(str_find(buf_str(&first), STR("s3cret")) == first.len);
    ck_assert(str_find(buf_str(&first), STR("password: <secret>")) < first.len);
    ck_assert(str_find(buf_str(&first), STR("scrape_timeout: 7s")) < first.len);
    buf_put_u8(&first, '\0');
    ck_assert_int_eq(load((const char *)first.ptr), ERR_OK);
    config_dump(config, &second);
    ck_assert(str_eq(str_of_z((const char *)first.ptr), buf_str(&second)));
    buf_deinit(&first);
    buf_deinit(&second);
}
END_TEST

START_TEST(without_a_file_there_is_a_configuration)
{
    ck_assert_int_eq(config_load(budget, file_fault_layer(disk), NULL, &diags, &config, &error),
                     ERR_OK);
    ck_assert(config_is_builtin(config));
    ck_assert_int_eq(config_main(config)->global.scrape_interval_ms, 5000);
    ck_assert_uint_eq(config_main(config)->scrape_configs.count, 0);
    ck_assert_uint_eq(diags.len, 0);
}
END_TEST

START_TEST(an_empty_file_is_good)
{
    ck_assert_int_eq(load(""), ERR_OK);
    ck_assert_int_eq(config_main(config)->global.scrape_interval_ms, 60000);
    ck_assert_int_eq(config_main(config)->global.scrape_timeout_ms, 10000);
    ck_assert_int_eq(config_main(config)->storage.durability, JOURNAL_INTERVAL);
    ck_assert_uint_eq(config_main(config)->storage.exemplars.max_exemplars, 100000);
}
END_TEST

#define JOB "scrape_configs:\n- job_name: a\n"

static const struct {
    const char *text, *message;
} WRONG[] = {
    { "globl: {}", "etc/p.yml:1:1: error: unknown key \"globl\"" },
    { "globl: {}", "did you mean \"global\"?" },
    { JOB "  metric_path: /x\n",
      "etc/p.yml:3:3: error: unknown key \"metric_path\" in scrape_configs[0] (job \"a\")" },
    { JOB "  metric_path: /x\n", "did you mean \"metrics_path\"?" },
    { "scrape_configs: [{job_name: a}, {job_name: a}]",
      "found multiple scrape configs with job name \"a\"" },
    { "scrape_configs: [{}]", "job_name" },
    { "scrape_configs: [{job_name: ''}]", "job_name" },
    { JOB "  scrape_timeout: 2m\n",
      "scrape timeout greater than scrape interval for scrape config with job name \"a\"" },
    { "global: {scrape_interval: 1s, scrape_timeout: 2s}",
      "global scrape timeout greater than scrape interval" },
    { "global: {scrape_interval: 0s}", "scrape_interval" },
    { "global: {scrape_interval: 1x}", "scrape_interval" },
    { JOB "  scheme: ftp\n", "scheme must be http or https" },
    { JOB "  scrape_protocols: [Foo]\n", "unknown scrape protocol \"Foo\", supported: [Open" },
    { JOB "  scrape_protocols: []\n", "scrape_protocols cannot be empty" },
    { JOB "  scrape_protocols: [PrometheusProto, PrometheusProto]\n", "duplicated protocol" },
    { JOB "  fallback_scrape_protocol: x\n", "invalid fallback_scrape_protocol" },
    { JOB "  file_sd_configs: [{files: ['a/*/b.json']}]\n",
      "path name \"a/*/b.json\" is not valid for file discovery" },
    { JOB "  file_sd_configs: [{files: [a.txt]}]\n", "is not valid for file discovery" },
    { JOB "  file_sd_configs: [{files: []}]\n", "files" },
    { JOB "  relabel_configs: [{action: hashmod, target_label: a}]\n",
      "relabel configuration for hashmod requires non-zero modulus" },
    { JOB "  relabel_configs: [{action: replace}]\n", "requires 'target_label' value" },
    { JOB "  relabel_configs: [{regex: '(', target_label: a}]\n", "regex" },
    { JOB "  relabel_configs: [{action: kep}]\n", "kep" },
    { JOB "  relabel_configs: [{action: labeldrop, target_label: x}]\n",
      "labeldrop action requires only 'regex', and no other fields" },
    { JOB "  relabel_configs: [{action: lowercase, target_label: x, replacement: y}]\n",
      "'replacement' can not be set for lowercase action" },
    { JOB "  basic_auth: {username: a}\n  bearer_token: b\n", "at most one of basic_auth" },
    { JOB "  static_configs: [{targets: x}]\n", "targets" },
    { "storage: {durability: sometimes}", "durability" },
    { "storage: {exemplars: {max_exemplars: 99999999999}}", "max_exemplars" },
    { "global: {external_labels: {a: '${env:PHAROS_TEST_UNSET}'}}", "PHAROS_TEST_UNSET" },
    { "a: [", "etc/p.yml:" },
    { "[]", "etc/p.yml:1:1: error" },
};

START_TEST(errors_have_place_and_remedy)
{
    ck_assert_msg(load(WRONG[_i].text) == ERR_INVALID, "accepted: %s", WRONG[_i].text);
    ck_assert_msg(says(WRONG[_i].message), "%s\n%.*s", WRONG[_i].text, (int)diags.len,
                  (const char *)diags.ptr);
    ck_assert_ptr_eq(config, NULL);
    ck_assert_ptr_nonnull(strstr(error.detail, "etc/p.yml:"));
}
END_TEST

START_TEST(all_errors_are_reported_at_once_in_order)
{
    ck_assert_int_eq(load("global: {scrape_intervall: 1s}\nscrape_configs:\n- job_name: a\n"
                          "  schme: http\n- job_name: b\n  scheme: x\n"),
                     ERR_INVALID);
    struct str all = buf_str(&diags);
    size_t first = str_find(all, STR("p.yml:1:")), second = str_find(all, STR("p.yml:4:")),
           third = str_find(all, STR("scheme must be"));
    ck_assert_uint_lt(first, second);
    ck_assert_uint_lt(second, third);
    ck_assert_uint_lt(third, all.len);
}
END_TEST

START_TEST(a_missing_file_is_an_error_of_its_own)
{
    ck_assert_int_eq(
        config_load(budget, file_fault_layer(disk), "etc/none.yml", &diags, &config, &error),
        ERR_NOTFOUND);
    ck_assert_uint_eq(diags.len, 0);
}
END_TEST

START_TEST(environment_in_external_labels_and_elsewhere)
{
    setenv("PHAROS_TEST_ZONE", "z1", 1);
    ck_assert_int_eq(load("global:\n  external_labels: {zone: $PHAROS_TEST_ZONE, b: '$$x', c: "
                          "'${PHAROS_TEST_NONE}'}\nscrape_configs:\n- job_name: "
                          "'${env:PHAROS_TEST_ZONE}-${env:PHAROS_TEST_NONE:-d}'\n"),
                     ERR_OK);
    const struct yaml_str_pair *labels = config_main(config)->global.external_labels.items;
    ck_assert(str_eq(labels[0].value, STR("z1")));
    ck_assert(str_eq(labels[1].value, STR("$x")));
    ck_assert_uint_eq(labels[2].value.len, 0);
    ck_assert(str_eq(job(0)->job_name, STR("z1-d")));
}
END_TEST

START_TEST(no_memory_is_an_error_and_leaks_nothing)
{
    mem_test_fail_at(budget, (uint64_t)_i + 1, MEM_FAIL_FOREVER);
    enum err_code rc = config_load(budget, file_fault_layer(disk), NULL, &diags, &config, &error);
    mem_test_fail_at(budget, 0, MEM_FAIL_OFF);
    if (rc != ERR_OK) ck_assert_int_eq(rc, ERR_NOMEM);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tc = tcase_create("config");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_realistic_file_loads_with_defaults_and_inheritance);
    tcase_add_test(tc, what_does_not_work_yet_is_said);
    tcase_add_loop_test(tc, secrets_are_not_quoted, 0,
                        (int)(sizeof WITH_SECRETS / sizeof WITH_SECRETS[0]));
    tcase_add_loop_test(tc, keys_without_effect_say_so, 0,
                        (int)(sizeof WITHOUT_EFFECT / sizeof WITHOUT_EFFECT[0]));
    tcase_add_test(tc, the_dump_hides_secrets_and_loads_again);
    tcase_add_test(tc, without_a_file_there_is_a_configuration);
    tcase_add_test(tc, an_empty_file_is_good);
    tcase_add_loop_test(tc, errors_have_place_and_remedy, 0, (int)(sizeof WRONG / sizeof WRONG[0]));
    tcase_add_test(tc, all_errors_are_reported_at_once_in_order);
    tcase_add_test(tc, a_missing_file_is_an_error_of_its_own);
    tcase_add_test(tc, environment_in_external_labels_and_elsewhere);
    tcase_add_loop_test(tc, no_memory_is_an_error_and_leaks_nothing, 0, 12);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
