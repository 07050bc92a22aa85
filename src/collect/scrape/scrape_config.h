/* SPDX-License-Identifier: Apache-2.0
 *
 * scrape_config - the `global` and `scrape_configs` sections of prometheus.yml.
 *
 * Source    prometheus config/config.go (scrape-and-config.md section 1). Zero limits mean none.
 */
#ifndef PHAROS_COLLECT_SCRAPE_SCRAPE_CONFIG_H
#define PHAROS_COLLECT_SCRAPE_SCRAPE_CONFIG_H

#include <stdint.h>

#include "codec/yaml_bind.h"
#include "collect/http/http_config.h"

/* Limits that a scrape config inherits from `global` when it has none. */
struct scrape_limits {
    uint64_t body_size_limit, sample_limit, target_limit, label_limit, label_name_length_limit,
        label_value_length_limit, keep_dropped_targets;
};

struct global_config {
    int64_t scrape_interval_ms, scrape_timeout_ms, evaluation_interval_ms, rule_query_offset_ms;
    struct yaml_list external_labels; /* of struct yaml_str_pair */
    struct yaml_list scrape_protocols;
    struct str query_log_file, scrape_failure_log_file;
    struct scrape_limits limits;
    bool extra_scrape_metrics;
};
extern const struct yaml_schema GLOBAL_CONFIG;

struct scrape_config {
    struct str job_name;
    bool honor_labels, honor_timestamps, track_timestamps_staleness, enable_compression;
    bool extra_scrape_metrics;
    struct yaml_list params; /* of struct yaml_list_pair */
    int64_t scrape_interval_ms, scrape_timeout_ms;
    struct yaml_list scrape_protocols; /* of struct str */
    struct str fallback_scrape_protocol;
    struct str metrics_path, scheme;
    struct scrape_limits limits;
    struct http_config http;
    struct yaml_list static_configs;         /* of struct static_config */
    struct yaml_list file_sd_configs;        /* of struct file_sd_config */
    struct yaml_list relabel_configs;        /* of struct relabel_config */
    struct yaml_list metric_relabel_configs; /* of struct relabel_config */
};
extern const struct yaml_schema SCRAPE_CONFIG;

/* Fill in the time-out of `global` and what the scrape configs inherit, and report what does not
 * fit together (duplicate jobs, time-out above interval). For the check function of the whole
 * configuration; `node` is the list. */
void scrape_configs_resolve(struct yaml_binder *b, const struct yaml_node *node,
                            struct global_config *global, struct yaml_list *configs);

#endif
