/* SPDX-License-Identifier: Apache-2.0
 *
 * config - the configuration file: a superset of prometheus.yml, strict, shared as an immutable
 * snapshot.
 *
 * Threads   A loaded config is immutable; ref and unref are atomic.
 * Failure   ERR_INVALID with all errors rendered (file:line:col, marker, suggestion) in `diags`;
 *           err->detail has the first on one line.
 */
#ifndef PHAROS_SERVER_CONFIG_H
#define PHAROS_SERVER_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "collect/scrape/scrape_config.h"
#include "os/file_layer.h"
#include "os/mem.h"

struct retention_config {
    int64_t time_ms;
    uint64_t size_bytes;
};

struct tsdb_config {
    int64_t out_of_order_time_window_ms;
    struct retention_config retention;
};

struct exemplars_config {
    uint64_t max_exemplars;
};

struct storage_config {
    struct tsdb_config tsdb;
    struct exemplars_config exemplars;
    int durability; /* enum journal_mode */
};

struct main_config {
    struct global_config global;
    struct yaml_list scrape_configs;
    struct storage_config storage;
};

struct config; /* a snapshot with a count */

/* Load `path`; NULL: the built-in configuration (nothing to scrape but this process and its host).
 * Warnings and errors are rendered into `diags`. */
CHECK_RESULT enum err_code config_load(struct mem_budget *mem, const struct file_layer *files,
                                       const char *path, struct buf *diags, struct config **out,
                                       struct err *err);
struct config *config_ref(struct config *c);
void config_unref(struct config *c);

const struct main_config *config_main(const struct config *c);
/* Directory of the file, for relative paths in it; "" when it has none, as the built-in one. */
struct str config_base_dir(const struct config *c);
bool config_is_builtin(const struct config *c);
/* Effective configuration as YAML, secrets masked. */
void config_dump(const struct config *c, struct buf *out);

#endif
