/* SPDX-License-Identifier: Apache-2.0
 *
 * The binder on a cut of prometheus.yml that has every shape of it.
 */
#include "codec/yaml_bind.h"

#include <stdio.h>

#include "codec_test.h"
#include "os/file_fault.h"

/* ---- the configuration of the tests ----------------------------------------------------- */

struct basic_auth {
    struct str username, password;
};

struct http_client {
    struct basic_auth *basic_auth;
    struct yaml_list http_headers; /* struct http_header */
    bool follow_redirects;
    struct str proxy_url;
};

struct http_header {
    struct str key;
    struct yaml_list values; /* struct str */
    struct str secret;
};

struct static_config {
    struct yaml_list targets; /* struct str */
    struct yaml_list labels;  /* struct yaml_str_pair */
};

struct relabel {
    struct yaml_list source_labels;
    struct str separator, regex, target_label, replacement;
    uint64_t modulus;
    int action;
};

struct scrape {
    const struct yaml_node *node;
    struct str job_name;
    int64_t interval_ms, timeout_ms;
    struct str metrics_path;
    struct yaml_list params; /* struct yaml_list_pair */
    uint64_t body_size_limit;
    int64_t sample_limit;
    double factor;
    struct http_client http;
    struct yaml_list static_configs, relabel_configs;
};

struct global {
    int64_t interval_ms;
    struct yaml_list external_labels;
    struct yaml_list protocols; /* int */
};

struct config {
    struct global global;
    struct yaml_list scrape_configs;
    struct yaml_list rule_files;
    const struct yaml_node *alerting;
    int port;
    int64_t derived; /* set by the check function */
};

static const char *const ACTIONS[] = { "replace", "keep", "drop", "hashmod", NULL };
static const char *const PROTOCOLS[] = { "PrometheusProto", "OpenMetricsText1.0.0",
                                         "PrometheusText0.0.4", NULL };

#define AT(type, member) .offset = offsetof(struct type, member)

static const struct yaml_field BASIC_AUTH_FIELDS[] = {
    { "username", YAML_T_STR, AT(basic_auth, username) },
    { "password", YAML_T_SECRET, AT(basic_auth, password) },
};
static const struct yaml_schema BASIC_AUTH = YAML_SCHEMA(struct basic_auth, BASIC_AUTH_FIELDS);

static const struct yaml_field HEADER_FIELDS[] = {
    { "values", YAML_T_LIST, AT(http_header, values), .elem = YAML_T_STR },
    { "secret", YAML_T_SECRET, AT(http_header, secret) },
};
static const struct yaml_schema HEADER = YAML_SCHEMA(struct http_header, HEADER_FIELDS);

static const struct yaml_field HTTP_FIELDS[] = {
    { "basic_auth", YAML_T_STRUCT_PTR, AT(http_client, basic_auth), .schema = &BASIC_AUTH },
    { "http_headers", YAML_T_MAP, AT(http_client, http_headers), .elem = YAML_T_STRUCT,
      .schema = &HEADER },
    { "follow_redirects", YAML_T_BOOL, AT(http_client, follow_redirects), .default_text = "true" },
    { "proxy_url", YAML_T_URL, AT(http_client, proxy_url) },
};
static const struct yaml_schema HTTP = YAML_SCHEMA(struct http_client, HTTP_FIELDS);

static const struct yaml_field STATIC_FIELDS[] = {
    { "targets", YAML_T_LIST, AT(static_config, targets), .elem = YAML_T_STR,
      .aliases = "hosts,addresses" },
    { "labels", YAML_T_MAP, AT(static_config, labels), .elem = YAML_T_STR },
};
static const struct yaml_schema STATIC = YAML_SCHEMA(struct static_config, STATIC_FIELDS);

static const struct yaml_field RELABEL_FIELDS[] = {
    { "source_labels", YAML_T_LIST, AT(relabel, source_labels), .elem = YAML_T_STR },
    { "separator", YAML_T_STR, AT(relabel, separator), .default_text = ";" },
    { "regex", YAML_T_REGEX, AT(relabel, regex), .default_text = "(.*)" },
    { "modulus", YAML_T_UINT, AT(relabel, modulus) },
    { "target_label", YAML_T_STR, AT(relabel, target_label) },
    { "replacement", YAML_T_STR, AT(relabel, replacement), .default_text = "$1" },
    { "action", YAML_T_ENUM, AT(relabel, action), YAML_F_NO_CASE, .default_text = "replace",
      .names = ACTIONS },
};
static const struct yaml_schema RELABEL = YAML_SCHEMA(struct relabel, RELABEL_FIELDS);

static void check_scrape(struct yaml_binder *b, const struct yaml_node *node, void *obj)
{
    struct scrape *s = obj;
    if (s->interval_ms == 0) s->interval_ms = 60000;
    if (s->timeout_ms > s->interval_ms)
        yaml_bind_error(b, yaml_get(node, STR("scrape_timeout")),
                        "scrape timeout greater than scrape interval");
}

static const struct yaml_field SCRAPE_FIELDS[] = {
    { NULL, YAML_T_NODE, AT(scrape, node) },
    { "job_name", YAML_T_STR, AT(scrape, job_name), YAML_F_REQUIRED | YAML_F_NOT_EMPTY },
    { "scrape_interval", YAML_T_DURATION, AT(scrape, interval_ms) },
    { "scrape_timeout", YAML_T_DURATION, AT(scrape, timeout_ms) },
    { "metrics_path", YAML_T_STR, AT(scrape, metrics_path), .default_text = "/metrics" },
    { "params", YAML_T_MAP, AT(scrape, params), .elem = YAML_T_LIST },
    { "body_size_limit", YAML_T_SIZE, AT(scrape, body_size_limit) },
    { "sample_limit", YAML_T_INT, AT(scrape, sample_limit), .min = 0, .max = 1000000 },
    { "factor", YAML_T_FLOAT, AT(scrape, factor) },
    { .type = YAML_T_INLINE, AT(scrape, http), .schema = &HTTP },
    { "static_configs", YAML_T_LIST, AT(scrape, static_configs), .elem = YAML_T_STRUCT,
      .schema = &STATIC },
    { "relabel_configs", YAML_T_LIST, AT(scrape, relabel_configs), .elem = YAML_T_STRUCT,
      .schema = &RELABEL },
    { "consul_sd_configs", YAML_T_UNUSED, .note = "has no effect yet" },
};
static const struct yaml_schema SCRAPE =
    YAML_SCHEMA(struct scrape, SCRAPE_FIELDS, .check = check_scrape, .title = "job",
                .title_key = "job_name", .docs = "configuration.md#scrape_configs");

static const struct yaml_field GLOBAL_FIELDS[] = {
    { "scrape_interval", YAML_T_DURATION, AT(global, interval_ms), .default_text = "1m" },
    { "external_labels", YAML_T_MAP, AT(global, external_labels), YAML_F_OS_ENV,
      .elem = YAML_T_STR },
    { "scrape_protocols", YAML_T_LIST, AT(global, protocols), .elem = YAML_T_ENUM,
      .names = PROTOCOLS, .default_text = "OpenMetricsText1.0.0,PrometheusText0.0.4" },
};
static const struct yaml_schema GLOBAL = YAML_SCHEMA(struct global, GLOBAL_FIELDS);

/* A custom scalar: "port: 80" or "port: http". */
static void bind_port(struct yaml_binder *b, const struct yaml_node *node, void *dst)
{
    int *port = dst;
    uint64_t number = 0;
    struct str text;
    if (!yaml_bind_text(b, node, &text)) return;
    if (str_eq(text, STR("http")))
        *port = 80;
    else if (str_to_u64(text, &number) && number < 65536)
        *port = (int)number;
    else
        yaml_bind_error(b, node, "no such port");
}

static void dump_port(const void *src, struct buf *out)
{
    const int *port = src;
    if (*port != 0) buf_put_i64_text(out, *port);
}

static void check_config(struct yaml_binder *b, const struct yaml_node *node, void *obj)
{
    struct config *c = obj;
    ck_assert(node == NULL || node == b->path[0].node);
    c->derived = c->global.interval_ms * 2;
}

static const struct yaml_field CONFIG_FIELDS[] = {
    { "global", YAML_T_STRUCT, AT(config, global), .schema = &GLOBAL },
    { "rule_files", YAML_T_LIST, AT(config, rule_files), .elem = YAML_T_STR },
    { "scrape_configs", YAML_T_LIST, AT(config, scrape_configs), .elem = YAML_T_STRUCT,
      .schema = &SCRAPE },
    { "alerting", YAML_T_NODE, AT(config, alerting) },
    { "port", YAML_T_CUSTOM, AT(config, port), .custom = bind_port, .dump = dump_port },
    { "old_key", YAML_T_UNUSED, .note = "is deprecated, use \"port\"" },
};
static const struct yaml_schema CONFIG =
    YAML_SCHEMA(struct config, CONFIG_FIELDS, .check = check_config);

/* ---- running it ------------------------------------------------------------------------- */

static struct yaml_diags D;
static struct config C;

static bool lookup(void *ctx, struct str name, struct str *out)
{
    (void)ctx;
    if (str_eq(name, STR("REGION"))) {
        *out = STR("eu-west-1");
        return true;
    }
    if (str_eq(name, STR("PORT"))) {
        *out = STR("8080");
        return true;
    }
    if (str_eq(name, STR("EMPTY"))) {
        *out = STR("");
        return true;
    }
    return false;
}

static enum err_code bind_with(const char *text, const struct file_layer *files)
{
    static struct yaml_env env;
    struct yaml_doc doc;
    struct yaml_binder b;
    env = (struct yaml_env){ .lookup = lookup, .files = files, .budget = T.budget };
    if (files != NULL) env.base_dir = STR("/etc/pharos");
    yaml_diags_init(&D, &T.arena);
    enum err_code rc = yaml_parse(STR("p.yml"), str_of_z(text), &T.arena, &D, &doc);
    if (rc != ERR_OK) return rc;
    yaml_binder_init(&b, &doc, &T.arena, &D, &env);
    return yaml_bind(&b, &CONFIG, &C);
}

static enum err_code bind_text(const char *text)
{
    return bind_with(text, NULL);
}

static void assert_ok(const char *text)
{
    enum err_code rc = bind_text(text);
    yaml_diags_render(&D, &T.buf);
    ck_assert_msg(rc == ERR_OK, STR_FMT, STR_ARG(buf_str(&T.buf)));
    buf_reset(&T.buf);
}

static const struct scrape *scrape_at(size_t i)
{
    ck_assert_uint_lt(i, C.scrape_configs.count);
    return (const struct scrape *)C.scrape_configs.items + i;
}

static const char WHOLE[] = "global:\n"
                            "  scrape_interval: 15s\n"
                            "  external_labels: {region: eu, \"a b\": 'c'}\n"
                            "rule_files: [a.yml, 'b/*.yml']\n"
                            "scrape_configs:\n"
                            "  - job_name: node\n"
                            "    scrape_interval: 1m30s\n"
                            "    params: {'match[]': [up, down], x: []}\n"
                            "    body_size_limit: 10MB\n"
                            "    sample_limit: 500\n"
                            "    factor: 1.1\n"
                            "    basic_auth: {username: u, password: p}\n"
                            "    http_headers: {X-A: {values: [1, two]}, X-B: {secret: s}}\n"
                            "    follow_redirects: no\n"
                            "    static_configs:\n"
                            "      - targets: [localhost:9100, 'other:9100']\n"
                            "        labels: {env: prod}\n"
                            "      - targets: []\n"
                            "    relabel_configs:\n"
                            "      - source_labels: [__address__]\n"
                            "        regex: '(.*):9100'\n"
                            "        replacement: ${1}-$$x\n"
                            "        action: Keep\n"
                            "      - {}\n"
                            "  - job_name: second\n"
                            "alerting: {anything: [goes]}\n"
                            "port: http\n";

START_TEST(whole_configuration_binds)
{
    assert_ok(WHOLE);
    ck_assert_int_eq(C.global.interval_ms, 15000);
    ck_assert_int_eq(C.derived, 30000);
    ck_assert_uint_eq(C.global.external_labels.count, 2);
    const struct yaml_str_pair *label = C.global.external_labels.items;
    ck_assert_str_is(label[1].key, "a b");
    ck_assert_str_is(label[1].value, "c");
    ck_assert_uint_eq(C.global.protocols.count, 2);
    ck_assert_int_eq(((const int *)C.global.protocols.items)[1], 2);
    ck_assert_str_is(((const struct str *)C.rule_files.items)[1], "b/*.yml");
    ck_assert_uint_eq(C.scrape_configs.count, 2);
    ck_assert_int_eq(C.port, 80);
    ck_assert_int_eq(C.alerting->kind, YAML_MAP);
}
END_TEST

START_TEST(scrape_configuration_binds)
{
    assert_ok(WHOLE);
    const struct scrape *s = scrape_at(0);
    ck_assert_ptr_nonnull(yaml_get(s->node, STR("job_name")));
    ck_assert_str_is(s->job_name, "node");
    ck_assert_int_eq(s->interval_ms, 90000);
    ck_assert_str_is(s->metrics_path, "/metrics");
    ck_assert_uint_eq(s->body_size_limit, 10u << 20);
    ck_assert_int_eq(s->sample_limit, 500);
    ck_assert(s->factor == 1.1);
    const struct yaml_list_pair *param = s->params.items;
    ck_assert_str_is(param[0].key, "match[]");
    ck_assert_str_is(((const struct str *)param[0].values.items)[1], "down");
    ck_assert_uint_eq(param[1].values.count, 0);
    ck_assert_str_is(s->http.basic_auth->password, "p");
    ck_assert(!s->http.follow_redirects);
    const struct http_header *header = s->http.http_headers.items;
    ck_assert_str_is(header[0].key, "X-A");
    ck_assert_str_is(((const struct str *)header[0].values.items)[0], "1");
    ck_assert_str_is(header[1].secret, "s");
    const struct static_config *group = s->static_configs.items;
    ck_assert_uint_eq(s->static_configs.count, 2);
    ck_assert_str_is(((const struct str *)group[0].targets.items)[0], "localhost:9100");
    ck_assert_uint_eq(group[1].targets.count, 0);
    const struct relabel *rule = s->relabel_configs.items;
    ck_assert_str_is(rule[0].regex, "(.*):9100");
    ck_assert_str_is(rule[0].replacement, "${1}-$$x");
    ck_assert_int_eq(rule[0].action, 1);
    ck_assert_str_is(rule[1].separator, ";");
    ck_assert_str_is(rule[1].replacement, "$1");
    ck_assert_int_eq(scrape_at(1)->interval_ms, 60000);
    ck_assert_ptr_null(scrape_at(1)->http.basic_auth);
    ck_assert(scrape_at(1)->http.follow_redirects);
}
END_TEST

START_TEST(empty_configuration_has_defaults)
{
    static const char *const texts[] = { "", "global:\n", "global: {}\nscrape_configs:\n" };
    for (size_t i = 0; i < 3; i++) {
        assert_ok(texts[i]);
        ck_assert_int_eq(C.global.interval_ms, 60000);
        ck_assert_uint_eq(C.global.protocols.count, 2);
        ck_assert_int_eq(C.derived, 120000);
        ck_assert_uint_eq(C.scrape_configs.count, 0);
    }
    struct yaml_binder b;
    struct yaml_doc doc = { .root = NULL };
    struct config defaults;
    yaml_binder_init(&b, &doc, &T.arena, &D, NULL);
    ck_assert_int_eq(yaml_bind_defaults(&b, &CONFIG, &defaults), ERR_OK);
    ck_assert_int_eq(defaults.derived, 120000);
}
END_TEST

START_TEST(unknown_key_is_shown_as_in_the_manual)
{
    ck_assert_int_eq(bind_text("scrape_configs:\n"
                               "  - job_name: a\n"
                               "  - job_name: b\n"
                               "  - job_name: node\n"
                               "    metric_path: /stats\n"),
                     ERR_INVALID);
    yaml_diags_render(&D, &T.buf);
    ck_assert_str_is(buf_str(&T.buf),
                     "p.yml:5:5: error: unknown key \"metric_path\" in scrape_configs[2] (job "
                     "\"node\")\n"
                     "    5 |     metric_path: /stats\n"
                     "      |     ^^^^^^^^^^^ did you mean \"metrics_path\"?\n"
                     "   docs: configuration.md#scrape_configs\n");
}
END_TEST

static const struct {
    const char *text, *error;
} ERRORS[] = {
    { "golbal: {}", "p.yml:1:1: unknown key \"golbal\" (did you mean \"global\"?)" },
    { "x: {}", "p.yml:1:1: unknown key \"x\"" },
    { "[a]", "p.yml:1:1: expected a map, found a list" },
    { "text", "p.yml:1:1: expected a map, found a scalar" },
    { "global: [a]", "p.yml:1:9: expected a map, found a list in global" },
    { "global: {scrape_interval: 5x}",
      "p.yml:1:27: invalid duration for \"scrape_interval\": unknown unit \"x\" in duration \"5x\" "
      "in global" },
    { "global: {scrape_interval: [1m]}",
      "p.yml:1:27: \"scrape_interval\" must be a scalar, not a list in global" },
    { "rule_files: a.yml", "p.yml:1:13: \"rule_files\" must be a list, not a scalar" },
    { "rule_files: [a, ~]", "p.yml:1:17: list item is empty in rule_files[1]" },
    { "rule_files: [a, [b]]",
      "p.yml:1:17: \"rule_files\" must be a scalar, not a list in rule_files[1]" },
    { "global: {external_labels: [a]}",
      "p.yml:1:27: \"external_labels\" must be a map, not a list in global" },
    { "global: {scrape_protocols: [Foo]}",
      "p.yml:1:29: unknown value \"Foo\" for \"scrape_protocols\", one of: PrometheusProto, "
      "OpenMetricsText1.0.0, PrometheusText0.0.4 in global.scrape_protocols[0]" },
    { "scrape_configs: [{}]", "p.yml:1:18: \"job_name\" is required in scrape_configs[0]" },
    { "scrape_configs: [{job_name: }]",
      "p.yml:1:29: \"job_name\" is required in scrape_configs[0]" },
    { "scrape_configs: [{job_name: ''}]",
      "p.yml:1:29: \"job_name\" must not be empty in scrape_configs[0] (job \"\")" },
    { "scrape_configs: [{job_name: a, sample_limit: -1}]",
      "p.yml:1:46: \"sample_limit\" must be at least 0 in scrape_configs[0] (job \"a\")" },
    { "scrape_configs: [{job_name: a, sample_limit: 1000001}]",
      "p.yml:1:46: \"sample_limit\" must be at most 1000000 in scrape_configs[0] (job \"a\")" },
    { "scrape_configs: [{job_name: a, sample_limit: 1.5}]",
      "p.yml:1:46: invalid integer \"1.5\" for \"sample_limit\" in scrape_configs[0] (job \"a\")" },
    { "scrape_configs: [{job_name: a, sample_limit: '1'}]",
      "p.yml:1:46: \"sample_limit\" must be a number, not a quoted string in scrape_configs[0] "
      "(job "
      "\"a\")" },
    { "scrape_configs: [{job_name: a, body_size_limit: 10XB}]",
      "p.yml:1:49: invalid size \"10XB\" for \"body_size_limit\" in scrape_configs[0] (job "
      "\"a\")" },
    { "scrape_configs: [{job_name: a, follow_redirects: maybe}]",
      "p.yml:1:50: invalid boolean \"maybe\" for \"follow_redirects\" in scrape_configs[0] (job "
      "\"a\")" },
    { "scrape_configs: [{job_name: a, proxy_url: 'u:p@host'}]",
      "p.yml:1:43: \"proxy_url\" is no URL: URL has no scheme in scrape_configs[0] (job \"a\")" },
    { "scrape_configs: [{job_name: a, basic_auth: {user: x}}]",
      "p.yml:1:45: unknown key \"user\" in scrape_configs[0].basic_auth (job \"a\")" },
    { "scrape_configs: [{job_name: a, http_headers: {X-A: {valeus: []}}}]",
      "p.yml:1:53: unknown key \"valeus\" in scrape_configs[0].http_headers.X-A (job \"a\") (did "
      "you "
      "mean \"values\"?)" },
    { "scrape_configs: [{job_name: a, static_configs: [{hosts: []}]}]",
      "p.yml:1:50: unknown key \"hosts\" in scrape_configs[0].static_configs[0] (job \"a\") (did "
      "you "
      "mean \"targets\"?)" },
    { "scrape_configs: [{job_name: a, params: {x: 1}}]",
      "p.yml:1:44: \"x\" must be a list, not a scalar in scrape_configs[0].params (job \"a\")" },
    { "scrape_configs: [{job_name: a, relabel_configs: [{regex: '('}]}]",
      "p.yml:1:58: invalid regular expression for \"regex\": error parsing regexp: missing closing "
      "): `(` in scrape_configs[0].relabel_configs[0] (job \"a\")" },
    { "scrape_configs: [{job_name: a, scrape_timeout: 2m}]",
      "p.yml:1:48: scrape timeout greater than scrape interval in scrape_configs[0] (job \"a\")" },
    { "port: ftp", "p.yml:1:7: no such port" },
    { "port: [1]", "p.yml:1:7: expected a scalar, found a list" },
    { "port: ${env:NONE}", "p.yml:1:7: environment variable \"NONE\" is not set" },
    { "port: ${env:PORT", "p.yml:1:7: \"${env:\" is not closed by \"}\"" },
    { "port: ${env:A B}", "p.yml:1:7: invalid variable name \"A B\"" },
    { "port: ${file:/x}", "p.yml:1:7: files cannot be read here" },
    { "port: 1\nport: 2", "p.yml:2:1: key \"port\" is given twice, first in line 1" },
};

START_TEST(error_names_place_and_remedy)
{
    ck_assert_int_eq(bind_text(ERRORS[_i].text), ERR_INVALID);
    yaml_diags_first(&D, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), ERRORS[_i].error);
}
END_TEST

START_TEST(all_errors_are_reported_together_in_order)
{
    ck_assert_int_eq(bind_text("port: ftp\n"
                               "scrape_configs:\n"
                               "  - {job_name: a, jobname: b}\n"
                               "  - {}\n"
                               "globl: {}\n"
                               "port: 1\n"),
                     ERR_INVALID);
    static const uint32_t lines[] = { 1, 3, 4, 5, 6 };
    ck_assert_uint_eq(D.error_count, 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_uint_eq(D.at[i].line, lines[i]);
}
END_TEST

START_TEST(ineffective_keys_warn)
{
    assert_ok("old_key: 1\nscrape_configs: [{job_name: a, consul_sd_configs: [{server: x}]}]\n");
    ck_assert_uint_eq(D.warning_count, 2);
    ck_assert_str_is(D.at[0].message, "\"old_key\" is deprecated, use \"port\"");
    ck_assert_str_is(D.at[1].message,
                     "\"consul_sd_configs\" has no effect yet in scrape_configs[0] (job \"a\")");
}
END_TEST

static const struct {
    const char *in, *want;
} EXPANSIONS[] = {
    { "plain", "plain" },
    { "${env:REGION}", "eu-west-1" },
    { "\"a-${env:REGION}-b\"", "a-eu-west-1-b" },
    { "${env:NONE:-fallback}", "fallback" },
    { "${env:NONE:-}", "" },
    { "x${env:EMPTY}y${env:PORT}", "xy8080" },
    { "${env:NONE:-http://h:80/$1}", "http://h:80/$1" },
    { "'$1 ${1} $$ $REGION ${REGION} ${env}'", "$1 ${1} $$ $REGION ${REGION} ${env}" },
};

START_TEST(references_expand_and_dollars_stay)
{
    char text[200];
    (void)snprintf(text, sizeof text, "rule_files:\n  - %s\n", EXPANSIONS[_i].in);
    assert_ok(text);
    ck_assert_str_is(((const struct str *)C.rule_files.items)[0], EXPANSIONS[_i].want);
}
END_TEST

START_TEST(external_labels_expand_as_in_prometheus)
{
    assert_ok("global:\n  external_labels:\n    a: $REGION-x\n    b: ${REGION}y\n    c: $$1\n"
              "    d: '$NONE!'\n    e: ${env:PORT}\n    f: 'x$'\n    g: '${a'\n");
    static const char *const want[] = {
        "eu-west-1-x", "eu-west-1y", "$1", "!", "8080", "x$", "${a"
    };
    const struct yaml_str_pair *pairs = C.global.external_labels.items;
    for (size_t i = 0; i < 7; i++)
        ck_assert_str_is(pairs[i].value, want[i]);
    ck_assert_uint_eq(D.warning_count, 1);
}
END_TEST

START_TEST(expanded_text_may_be_a_number)
{
    assert_ok("port: '${env:PORT}'\nscrape_configs: [{job_name: a, sample_limit: '${env:PORT}'}]");
    ck_assert_int_eq(C.port, 8080);
    ck_assert_int_eq(scrape_at(0)->sample_limit, 8080);
}
END_TEST

static const struct {
    const char *text;
    uint64_t want;
} SIZES[] = {
    { "0", 0 },
    { "1000", 1000 },
    { "10B", 10 },
    { "1KB", 1024 },
    { "1K", 1024 },
    { "1KiB", 1024 },
    { "1.5 MB", 3u << 19 },
    { "2gb", (uint64_t)2 << 30 },
    { "1TiB", (uint64_t)1 << 40 },
    { "18446744073709551615", UINT64_MAX },
};

START_TEST(sizes_are_powers_of_1024)
{
    char text[100];
    (void)snprintf(text, sizeof text, "scrape_configs: [{job_name: a, body_size_limit: %s}]",
                   SIZES[_i].text);
    assert_ok(text);
    ck_assert_uint_eq(scrape_at(0)->body_size_limit, SIZES[_i].want);
}
END_TEST

START_TEST(bad_sizes_and_numbers_are_refused)
{
    static const char *const sizes[] = { "-1", "1.2.3", "MB", "1KBB", "1KX", "1iB", "9999999EB" };
    char text[100];
    for (size_t i = 0; i < 7; i++) {
        (void)snprintf(text, sizeof text, "scrape_configs: [{job_name: a, body_size_limit: %s}]",
                       sizes[i]);
        ck_assert_msg(bind_text(text) == ERR_INVALID, "%s", sizes[i]);
    }
}
END_TEST

START_TEST(secret_comes_from_a_file)
{
    struct file_fault *disk = file_fault_create(1);
    ck_assert_ptr_nonnull(disk);
    const struct file_layer *files = file_fault_layer(disk);
    ck_assert_int_eq(file_mkdirs(files, "/etc/pharos", &T.err), ERR_OK);
    ck_assert_int_eq(file_write_atomic(files, "/etc/pharos/pw", bytes_of_z("hunter2\n"), &T.err),
                     ERR_OK);
    ck_assert_int_eq(bind_with("scrape_configs:\n"
                               "  - job_name: a\n"
                               "    basic_auth: {password: '${file:/etc/pharos/pw}'}\n"
                               "  - job_name: b\n"
                               "    basic_auth: {password: 'x-${file:pw}'}\n",
                               files),
                     ERR_OK);
    ck_assert_str_is(scrape_at(0)->http.basic_auth->password, "hunter2");
    ck_assert_str_is(scrape_at(1)->http.basic_auth->password, "x-hunter2");
    ck_assert_int_eq(bind_with("port: ${file:none}\n", files), ERR_INVALID);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(dump_binds_again_to_the_same)
{
    static const char *const want = "global:\n"
                                    "  scrape_interval: 15s\n"
                                    "  external_labels:\n"
                                    "    region: \"a \\\"b\\\"\\n\"\n"
                                    "    \"n\": \"5\"\n"
                                    "  scrape_protocols:\n"
                                    "  - OpenMetricsText1.0.0\n"
                                    "  - PrometheusText0.0.4\n"
                                    "scrape_configs:\n"
                                    "- job_name: node\n"
                                    "  scrape_interval: 1m\n"
                                    "  metrics_path: /metrics\n"
                                    "  params:\n"
                                    "    \"match[]\":\n"
                                    "    - up\n"
                                    "    - \"true\"\n"
                                    "  body_size_limit: 10485760\n"
                                    "  factor: 1.1\n"
                                    "  basic_auth:\n"
                                    "    username: u\n"
                                    "    password: <secret>\n"
                                    "  http_headers:\n"
                                    "    X-A:\n"
                                    "      values:\n"
                                    "      - one\n"
                                    "    X-B: {}\n"
                                    "  follow_redirects: true\n"
                                    "  proxy_url: http://u:xxxxx@h/\n"
                                    "  static_configs:\n"
                                    "  - targets:\n"
                                    "    - localhost:9100\n"
                                    "  - {}\n"
                                    "  relabel_configs:\n"
                                    "  - separator: \";\"\n"
                                    "    regex: \"(.*)\"\n"
                                    "    replacement: $1\n"
                                    "    action: keep\n"
                                    "port: 80\n";
    assert_ok(
        "global: {scrape_interval: 15s, external_labels: {region: \"a \\\"b\\\"\\n\", n: 5}}\n"
        "scrape_configs:\n"
        "- {job_name: node, params: {'match[]': [up, 'true']}, body_size_limit: 10MB,\n"
        "   basic_auth: {username: u, password: p}, factor: 1.1,\n"
        "   proxy_url: 'http://u:pw@h/', http_headers: {X-A: {values: [one]}, X-B: },\n"
        "   static_configs: [{targets: ['localhost:9100']}, {}],\n"
        "   relabel_configs: [{action: keep}]}\n"
        "port: http\n");
    yaml_dump(&CONFIG, &C, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), want);
    assert_ok(want);
    yaml_dump(&CONFIG, &C, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), want);
}
END_TEST

START_TEST(secret_strings_in_maps_are_masked)
{
    struct proxy {
        struct yaml_list header;
    };
    static const struct yaml_field fields[] = {
        { "proxy_connect_header", YAML_T_MAP, .offset = offsetof(struct proxy, header),
          .elem = YAML_T_LIST, .flags = YAML_F_SECRET },
    };
    static const struct yaml_schema schema = YAML_SCHEMA(struct proxy, fields);
    struct yaml_doc doc;
    struct yaml_binder b;
    struct proxy bound;
    yaml_diags_init(&D, &T.arena);
    ck_assert_int_eq(
        yaml_parse(STR("f"), STR("proxy_connect_header: {A: [hunter2, x]}"), &T.arena, &D, &doc),
        ERR_OK);
    yaml_binder_init(&b, &doc, &T.arena, &D, NULL);
    ck_assert_int_eq(yaml_bind(&b, &schema, &bound), ERR_OK);
    yaml_dump(&schema, &bound, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), "proxy_connect_header:\n  A:\n  - <secret>\n  - <secret>\n");
}
END_TEST

START_TEST(dumped_scalars_read_back)
{
    static const struct {
        const char *text;
        size_t len;
    } cases[] = {
        { "", 0 },
        { "plain", 5 },
        { "true", 4 },
        { "NULL", 4 },
        { "~", 1 },
        { "1e5", 3 },
        { "0x10", 4 },
        { "12:30", 5 },
        { "- a", 3 },
        { "a: b", 4 },
        { "a #b", 4 },
        { "a:", 2 },
        { " a ", 3 },
        { "'", 1 },
        { "\"\\\n\t", 4 },
        { "\x01\x7f", 2 },
        { "\xc2\x85", 2 },
        { "\xef\xbb\xbf", 3 },
        { "\xf0\x9f\x98\x80", 4 },
        { "\xe2\x80\xa8", 3 },
        { "a\0b", 3 },
        { "${1}:$2", 7 },
        { "=", 1 },
        { "@x", 2 },
        { "*x", 2 },
        { "[x]", 3 },
        { "%x", 2 },
        { ".5", 2 },
        { "http://h/", 9 },
        { "a,b", 3 },
        { "\xef\xbf\xbe", 3 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct yaml_doc doc;
        struct str s = { cases[i].text, cases[i].len };
        buf_reset(&T.buf);
        buf_put_lit(&T.buf, "k: ");
        yaml_dump_scalar(s, &T.buf);
        buf_put_lit(&T.buf, "\n");
        yaml_diags_init(&D, &T.arena);
        ck_assert_int_eq(yaml_parse(STR("f"), buf_str(&T.buf), &T.arena, &D, &doc), ERR_OK);
        const struct yaml_node *node = yaml_get(doc.root, STR("k"));
        ck_assert_int_eq(node->kind, YAML_SCALAR);
        ck_assert_msg(str_eq(node->v.text, s), STR_FMT, STR_ARG(buf_str(&T.buf)));
    }
}
END_TEST

START_TEST(list_at_the_root_binds)
{
    static const struct yaml_field root = { .type = YAML_T_LIST,
                                            .elem = YAML_T_STRUCT,
                                            .schema = &STATIC };
    struct yaml_doc doc;
    struct yaml_binder b;
    struct yaml_list groups;
    yaml_diags_init(&D, &T.arena);
    ck_assert_int_eq(yaml_parse_json(STR("t.json"),
                                     STR("[{\"targets\":[\"a:1\"],\"labels\":{\"x\":\"y\"}},"
                                         "{\"target\":[]}]"),
                                     &T.arena, &D, &doc),
                     ERR_OK);
    yaml_binder_init(&b, &doc, &T.arena, &D, NULL);
    ck_assert_int_eq(yaml_bind_field(&b, &root, &groups), ERR_INVALID);
    ck_assert_uint_eq(groups.count, 2);
    yaml_diags_first(&D, &T.buf);
    ck_assert_str_is(buf_str(&T.buf),
                     "t.json:1:42: unknown key \"target\" (did you mean \"targets\"?)");
}
END_TEST

START_TEST(binding_survives_each_allocation_failure)
{
    static const char *const text = "scrape_configs: [{job_name: 'a-${env:PORT}', params: {a: [b]},"
                                    " basic_auth: {username: u}, relabel_configs: [{regex: a.*}]}]";
    struct arena outer = T.arena;
    arena_init(&T.arena, T.mem, 4096 + (size_t)_i * 512);
    mem_test_fail_at(T.budget, (uint64_t)_i + 1, MEM_FAIL_FOREVER);
    enum err_code rc = bind_text(text);
    mem_test_fail_at(T.budget, 0, MEM_FAIL_OFF);
    ck_assert(rc == ERR_OK || rc == ERR_NOMEM || rc == ERR_INVALID);
    if (rc == ERR_INVALID) ck_assert_uint_gt(D.error_count, 0);
    arena_deinit(&T.arena);
    T.arena = outer;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("yaml_bind");
    TCase *tc = codec_case(suite, "yaml_bind");
    tcase_add_test(tc, whole_configuration_binds);
    tcase_add_test(tc, scrape_configuration_binds);
    tcase_add_test(tc, empty_configuration_has_defaults);
    tcase_add_test(tc, unknown_key_is_shown_as_in_the_manual);
    tcase_add_loop_test(tc, error_names_place_and_remedy, 0, sizeof ERRORS / sizeof ERRORS[0]);
    tcase_add_test(tc, all_errors_are_reported_together_in_order);
    tcase_add_test(tc, ineffective_keys_warn);
    tcase_add_loop_test(tc, references_expand_and_dollars_stay, 0,
                        sizeof EXPANSIONS / sizeof EXPANSIONS[0]);
    tcase_add_test(tc, external_labels_expand_as_in_prometheus);
    tcase_add_test(tc, expanded_text_may_be_a_number);
    tcase_add_loop_test(tc, sizes_are_powers_of_1024, 0, sizeof SIZES / sizeof SIZES[0]);
    tcase_add_test(tc, bad_sizes_and_numbers_are_refused);
    tcase_add_test(tc, secret_comes_from_a_file);
    tcase_add_test(tc, dump_binds_again_to_the_same);
    tcase_add_test(tc, secret_strings_in_maps_are_masked);
    tcase_add_test(tc, dumped_scalars_read_back);
    tcase_add_test(tc, list_at_the_root_binds);
    tcase_add_loop_test(tc, binding_survives_each_allocation_failure, 0, 30);
    return codec_run(suite);
}
