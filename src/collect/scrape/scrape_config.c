/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/scrape/scrape_config.h"

#include "collect/discovery/discovery.h"
#include "collect/relabel/relabel.h"
#include "model/labels.h"

#define SCRAPE_TIMEOUT_DEFAULT_MS 10000

#define LIMIT(name)                                                                                \
    {                                                                                              \
#name, YAML_T_UINT, .offset = offsetof(struct scrape_limits, name)                         \
    }

static const struct yaml_field LIMIT_FIELDS[] = {
    { "body_size_limit", YAML_T_SIZE, .offset = offsetof(struct scrape_limits, body_size_limit) },
    LIMIT(sample_limit),
    LIMIT(target_limit),
    LIMIT(label_limit),
    LIMIT(label_name_length_limit),
    LIMIT(label_value_length_limit),
    LIMIT(keep_dropped_targets),
};
static const struct yaml_schema LIMITS = YAML_SCHEMA(struct scrape_limits, LIMIT_FIELDS);

#define LATER "has no effect yet: classic histograms are scraped"
#define ALWAYS_CLASSIC "has no effect: classic histograms are always scraped"
#define ANY_NAME "has no effect yet: every UTF-8 name is accepted"
#define NO_ESCAPING "has no effect yet: names are asked for unescaped (allow-utf-8)"

static const struct yaml_field GLOBAL_FIELDS[] = {
    { "scrape_interval", YAML_T_DURATION,
      .offset = offsetof(struct global_config, scrape_interval_ms), .default_text = "1m", .min = 1,
      .max = INT64_MAX },
    { "scrape_timeout", YAML_T_DURATION,
      .offset = offsetof(struct global_config, scrape_timeout_ms) },
    { "scrape_protocols", YAML_T_LIST, .offset = offsetof(struct global_config, scrape_protocols),
      .elem = YAML_T_STR },
    { "evaluation_interval", YAML_T_DURATION,
      .offset = offsetof(struct global_config, evaluation_interval_ms), .default_text = "1m",
      .min = 1, .max = INT64_MAX },
    { "rule_query_offset", YAML_T_DURATION,
      .offset = offsetof(struct global_config, rule_query_offset_ms) },
    { "external_labels", YAML_T_MAP, .offset = offsetof(struct global_config, external_labels),
      .elem = YAML_T_STR, .flags = YAML_F_OS_ENV },
    { "query_log_file", YAML_T_STR, .offset = offsetof(struct global_config, query_log_file),
      .note = "has no effect yet" },
    { "scrape_failure_log_file", YAML_T_STR,
      .offset = offsetof(struct global_config, scrape_failure_log_file),
      .note = "has no effect yet" },
    { .type = YAML_T_INLINE, .offset = offsetof(struct global_config, limits), .schema = &LIMITS },
    { "metric_name_validation_scheme", YAML_T_UNUSED, .note = ANY_NAME },
    { "metric_name_escaping_scheme", YAML_T_UNUSED, .note = NO_ESCAPING },
    { "scrape_native_histograms", YAML_T_UNUSED, .note = LATER },
    { "always_scrape_classic_histograms", YAML_T_UNUSED, .note = ALWAYS_CLASSIC },
    { "convert_classic_histograms_to_nhcb", YAML_T_UNUSED, .note = LATER },
    { "extra_scrape_metrics", YAML_T_BOOL,
      .offset = offsetof(struct global_config, extra_scrape_metrics) },
};

static const char *const PROTOCOLS[] = { "OpenMetricsText0.0.1", "OpenMetricsText1.0.0",
                                         "PrometheusProto", "PrometheusText0.0.4",
                                         "PrometheusText1.0.0" };
#define PROTOCOLS_TEXT                                                                             \
    "[OpenMetricsText0.0.1 OpenMetricsText1.0.0 PrometheusProto PrometheusText0.0.4 "              \
    "PrometheusText1.0.0]"

static bool is_protocol(struct str name)
{
    for (size_t i = 0; i < sizeof PROTOCOLS / sizeof PROTOCOLS[0]; i++) {
        if (str_eq(name, str_of_z(PROTOCOLS[i]))) return true;
    }
    return false;
}

/* `node` is the section that has the list. */
static void check_protocols(struct yaml_binder *b, const struct yaml_node *node,
                            const struct yaml_list *protocols)
{
    const struct str *names = protocols->items;
    const struct yaml_node *at = yaml_get(node, STR("scrape_protocols"));
    if (at && at->kind == YAML_LIST && protocols->count == 0) {
        yaml_bind_error(b, at, "scrape_protocols cannot be empty");
    }
    for (size_t i = 0; i < protocols->count; i++) {
        if (!is_protocol(names[i])) {
            yaml_bind_error(b, at, "unknown scrape protocol \"" STR_FMT "\", supported: %s",
                            STR_ARG(names[i]), PROTOCOLS_TEXT);
        }
        for (size_t k = 0; k < i; k++) {
            if (!str_eq(names[i], names[k])) continue;
            yaml_bind_error(b, at, "duplicated protocol \"" STR_FMT "\" in scrape_protocols",
                            STR_ARG(names[i]));
        }
    }
}

static void check_global(struct yaml_binder *b, const struct yaml_node *node, void *obj)
{
    const struct global_config *c = obj;
    const struct yaml_str_pair *labels = c->external_labels.items;
    check_protocols(b, node, &c->scrape_protocols);
    for (size_t i = 0; i < c->external_labels.count; i++) {
        if (label_name_is_valid(labels[i].key)) continue;
        yaml_bind_error(b, yaml_get(node, STR("external_labels")),
                        "\"" STR_FMT "\" is not a valid label name", STR_ARG(labels[i].key));
    }
}
const struct yaml_schema GLOBAL_CONFIG = YAML_SCHEMA(
    struct global_config, GLOBAL_FIELDS, .check = check_global, .docs = "configuration.md#global");

static void check_scrape_config(struct yaml_binder *b, const struct yaml_node *node, void *obj)
{
    const struct scrape_config *c = obj;
    struct str fallback = c->fallback_scrape_protocol;
    check_protocols(b, node, &c->scrape_protocols);
    if (fallback.len && !is_protocol(fallback)) {
        yaml_bind_error(b, yaml_get(node, STR("fallback_scrape_protocol")),
                        "invalid fallback_scrape_protocol: unknown scrape protocol \"" STR_FMT
                        "\", supported: %s",
                        STR_ARG(fallback), PROTOCOLS_TEXT);
    }
    if (!str_eq(c->scheme, STR("http")) && !str_eq(c->scheme, STR("https"))) {
        yaml_bind_error(b, node, "scheme must be http or https, not \"" STR_FMT "\"",
                        STR_ARG(c->scheme));
    }
}

#define OTHER_SD(name)                                                                             \
    {                                                                                              \
        name "_sd_configs", YAML_T_UNUSED, .note = "is not supported yet: no target comes from it" \
    }
#define BOOL_FIELD(name, text)                                                                     \
    {                                                                                              \
#name, YAML_T_BOOL, .offset = offsetof(struct scrape_config, name), .default_text = text   \
    }

static const struct yaml_field SCRAPE_FIELDS[] = {
    { "job_name", YAML_T_STR, .offset = offsetof(struct scrape_config, job_name),
      .flags = YAML_F_REQUIRED | YAML_F_NOT_EMPTY },
    BOOL_FIELD(honor_labels, "false"),
    BOOL_FIELD(honor_timestamps, "true"),
    BOOL_FIELD(track_timestamps_staleness, "false"),
    { "params", YAML_T_MAP, .offset = offsetof(struct scrape_config, params), .elem = YAML_T_LIST },
    { "scrape_interval", YAML_T_DURATION,
      .offset = offsetof(struct scrape_config, scrape_interval_ms) },
    { "scrape_timeout", YAML_T_DURATION,
      .offset = offsetof(struct scrape_config, scrape_timeout_ms) },
    { "scrape_protocols", YAML_T_LIST, .offset = offsetof(struct scrape_config, scrape_protocols),
      .elem = YAML_T_STR },
    { "fallback_scrape_protocol", YAML_T_STR,
      .offset = offsetof(struct scrape_config, fallback_scrape_protocol) },
    { "metrics_path", YAML_T_STR, .offset = offsetof(struct scrape_config, metrics_path),
      .default_text = "/metrics", .aliases = "path" },
    { "scheme", YAML_T_STR, .offset = offsetof(struct scrape_config, scheme),
      .default_text = "http" },
    BOOL_FIELD(enable_compression, "true"),
    BOOL_FIELD(extra_scrape_metrics, "false"),
    { .type = YAML_T_INLINE, .offset = offsetof(struct scrape_config, limits), .schema = &LIMITS },
    { "native_histogram_bucket_limit", YAML_T_UNUSED, .note = LATER },
    { "native_histogram_min_bucket_factor", YAML_T_UNUSED, .note = LATER },
    { "scrape_native_histograms", YAML_T_UNUSED, .note = LATER },
    { "always_scrape_classic_histograms", YAML_T_UNUSED, .note = ALWAYS_CLASSIC },
    { "scrape_classic_histograms", YAML_T_UNUSED, .note = ALWAYS_CLASSIC },
    { "convert_classic_histograms_to_nhcb", YAML_T_UNUSED, .note = LATER },
    { "metric_name_validation_scheme", YAML_T_UNUSED, .note = ANY_NAME },
    { "metric_name_escaping_scheme", YAML_T_UNUSED, .note = NO_ESCAPING },
    { .type = YAML_T_INLINE,
      .offset = offsetof(struct scrape_config, http),
      .schema = &HTTP_CONFIG },
    { "static_configs", YAML_T_LIST, .offset = offsetof(struct scrape_config, static_configs),
      .elem = YAML_T_STRUCT, .schema = &STATIC_CONFIG },
    { "file_sd_configs", YAML_T_LIST, .offset = offsetof(struct scrape_config, file_sd_configs),
      .elem = YAML_T_STRUCT, .schema = &FILE_SD_CONFIG },
    OTHER_SD("http"),
    OTHER_SD("dns"),
    OTHER_SD("consul"),
    OTHER_SD("docker"),
    OTHER_SD("dockerswarm"),
    OTHER_SD("kubernetes"),
    OTHER_SD("aws"),
    OTHER_SD("ec2"),
    OTHER_SD("gce"),
    OTHER_SD("azure"),
    OTHER_SD("openstack"),
    OTHER_SD("digitalocean"),
    OTHER_SD("hetzner"),
    OTHER_SD("linode"),
    OTHER_SD("nomad"),
    OTHER_SD("eureka"),
    OTHER_SD("marathon"),
    OTHER_SD("nerve"),
    OTHER_SD("serverset"),
    OTHER_SD("triton"),
    OTHER_SD("scaleway"),
    OTHER_SD("vultr"),
    OTHER_SD("uyuni"),
    OTHER_SD("puppetdb"),
    OTHER_SD("ionos"),
    OTHER_SD("kuma"),
    OTHER_SD("lightsail"),
    OTHER_SD("oci"),
    OTHER_SD("outscale"),
    OTHER_SD("ovhcloud"),
    OTHER_SD("stackit"),
    { "relabel_configs", YAML_T_LIST, .offset = offsetof(struct scrape_config, relabel_configs),
      .elem = YAML_T_STRUCT, .schema = &RELABEL_CONFIG },
    { "metric_relabel_configs", YAML_T_LIST,
      .offset = offsetof(struct scrape_config, metric_relabel_configs), .elem = YAML_T_STRUCT,
      .schema = &RELABEL_CONFIG },
};
const struct yaml_schema SCRAPE_CONFIG =
    YAML_SCHEMA(struct scrape_config, SCRAPE_FIELDS, .check = check_scrape_config, .title = "job",
                .title_key = "job_name", .docs = "configuration.md#scrape_configs");

static void inherit_limits(struct scrape_limits *own, const struct scrape_limits *global)
{
    uint64_t *mine[] = { &own->body_size_limit,
                         &own->sample_limit,
                         &own->target_limit,
                         &own->label_limit,
                         &own->label_name_length_limit,
                         &own->label_value_length_limit,
                         &own->keep_dropped_targets };
    const uint64_t theirs[] = { global->body_size_limit,
                                global->sample_limit,
                                global->target_limit,
                                global->label_limit,
                                global->label_name_length_limit,
                                global->label_value_length_limit,
                                global->keep_dropped_targets };
    for (size_t i = 0; i < sizeof mine / sizeof mine[0]; i++) {
        if (*mine[i] == 0) *mine[i] = theirs[i];
    }
}

static int64_t min_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void resolve_one(struct yaml_binder *b, const struct yaml_node *node,
                        const struct global_config *global, struct scrape_config *c)
{
    if (c->scrape_interval_ms == 0) c->scrape_interval_ms = global->scrape_interval_ms;
    if (c->scrape_timeout_ms > c->scrape_interval_ms) {
        yaml_bind_error(b, node,
                        "scrape timeout greater than scrape interval for scrape config with job "
                        "name \"" STR_FMT "\"",
                        STR_ARG(c->job_name));
    }
    if (c->scrape_timeout_ms == 0) {
        c->scrape_timeout_ms = min_ms(global->scrape_timeout_ms, c->scrape_interval_ms);
    }
    if (c->scrape_protocols.count == 0) c->scrape_protocols = global->scrape_protocols;
    c->extra_scrape_metrics |= global->extra_scrape_metrics;
    inherit_limits(&c->limits, &global->limits);
}

void scrape_configs_resolve(struct yaml_binder *b, const struct yaml_node *node,
                            struct global_config *global, struct yaml_list *configs)
{
    struct scrape_config *items = configs->items;
    if (global->scrape_timeout_ms > global->scrape_interval_ms) {
        yaml_bind_error(b, node, "global scrape timeout greater than scrape interval");
    }
    if (global->scrape_timeout_ms == 0) {
        global->scrape_timeout_ms = min_ms(SCRAPE_TIMEOUT_DEFAULT_MS, global->scrape_interval_ms);
    }
    for (size_t i = 0; i < configs->count; i++) {
        const struct yaml_node *at =
            node && node->kind == YAML_LIST && i < node->count ? node->v.items[i] : node;
        resolve_one(b, at, global, &items[i]);
        for (size_t j = 0; j < i; j++) {
            if (!str_eq(items[i].job_name, items[j].job_name)) continue;
            yaml_bind_error(b, at, "found multiple scrape configs with job name \"" STR_FMT "\"",
                            STR_ARG(items[i].job_name));
        }
    }
}
