/* SPDX-License-Identifier: Apache-2.0
 *
 * discovery - where targets come from: groups of addresses with labels. Static groups stand in the
 * configuration, file groups in watched JSON or YAML files.
 *
 * Watching  By polling size and modification time each DISCOVERY_POLL_MS (works on every file
 *           system, NFS and bind mounts included); each refresh_interval all files are read anew. A
 *           file that cannot be read or parsed keeps its last good groups, and so do the files of a
 *           directory that cannot be listed.
 * Source    scrape-and-config.md section 4.
 * Threads   One owner.
 */
#ifndef PHAROS_COLLECT_DISCOVERY_DISCOVERY_H
#define PHAROS_COLLECT_DISCOVERY_DISCOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/yaml_bind.h"
#include "model/labels.h"
#include "os/file_layer.h"
#include "os/log.h"
#include "os/mem.h"

#define DISCOVERY_POLL_MS 5000

/* One element of static_configs, and of a file's list. */
struct static_config {
    struct yaml_list targets; /* of struct str: "host:port" */
    struct yaml_list labels;  /* of struct yaml_str_pair */
};
extern const struct yaml_schema STATIC_CONFIG;

struct file_sd_config {
    struct yaml_list files; /* of struct str: globs in the last path segment */
    int64_t refresh_interval_ms;
};
extern const struct yaml_schema FILE_SD_CONFIG;

struct target_group {
    const struct static_config *config;
    struct str filepath; /* empty for a static group; else the label __meta_filepath */
};

struct file_discovery;

struct file_discovery_options {
    const struct file_layer *files;
    struct mem_budget *mem;
    const struct log *log;
    struct str base_dir; /* of relative patterns: the configuration file's directory */
};

/* `config` must outlive the object. */
CHECK_RESULT enum err_code file_discovery_create(const struct file_discovery_options *options,
                                                 const struct file_sd_config *config,
                                                 struct file_discovery **out, struct err *err);
void file_discovery_destroy(struct file_discovery *d);

/* Look at the files; true when the groups changed since the last call. `now_ms` (any clock that
 * does not stand still) times the refresh. */
bool file_discovery_poll(struct file_discovery *d, int64_t now_ms);
/* The groups as of the last poll, valid until the next: calls fn for each. */
void file_discovery_each(const struct file_discovery *d,
                         void (*fn)(void *arg, const struct target_group *group), void *arg);

/* Does `name` match the shell pattern (* ? [a-z])? */
bool discovery_glob_matches(struct str pattern, struct str name);

#endif
