/* SPDX-License-Identifier: Apache-2.0 */
#include "server/config.h"

#include <stdatomic.h>

#include "base/cleanup.h"
#include "journal/journal.h"
#include "server/config_source.h"

#define CONFIG_BYTES_MAX ((size_t)256 << 20)

struct config {
    struct mem_budget *mem;
    _Atomic uint32_t refs;
    struct arena arena;
    struct config_source source; /* in arena */
    bool is_builtin;
    struct main_config main;
};

/* ---- schema ---- */

static const char *const DURABILITY_NAMES[] = {
    [JOURNAL_INTERVAL] = "interval", [JOURNAL_COMMIT] = "commit", [JOURNAL_OFF] = "off", NULL
};

static const struct yaml_field RETENTION_FIELDS[] = {
    { "time", YAML_T_DURATION, .offset = offsetof(struct retention_config, time_ms) },
    { "size", YAML_T_SIZE, .offset = offsetof(struct retention_config, size_bytes) },
    { "percentage", YAML_T_UNUSED, .note = "has no effect yet" },
};
static const struct yaml_schema RETENTION = YAML_SCHEMA(struct retention_config, RETENTION_FIELDS);

static const struct yaml_field TSDB_FIELDS[] = {
    { "out_of_order_time_window", YAML_T_DURATION,
      .offset = offsetof(struct tsdb_config, out_of_order_time_window_ms) },
    { "stale_series_compaction_threshold", YAML_T_UNUSED, .note = "has no effect yet" },
    { "chunk_encoding", YAML_T_UNUSED,
      .note = "has no effect: the encoding is chosen by the data" },
    { "retention", YAML_T_STRUCT, .offset = offsetof(struct tsdb_config, retention),
      .schema = &RETENTION },
};
static const struct yaml_schema TSDB = YAML_SCHEMA(struct tsdb_config, TSDB_FIELDS);

static const struct yaml_field EXEMPLARS_FIELDS[] = {
    { "max_exemplars", YAML_T_UINT, .offset = offsetof(struct exemplars_config, max_exemplars),
      .default_text = "100000", .min = 0, .max = 100000000 },
};
static const struct yaml_schema EXEMPLARS = YAML_SCHEMA(struct exemplars_config, EXEMPLARS_FIELDS);

static const struct yaml_field STORAGE_FIELDS[] = {
    { "tsdb", YAML_T_STRUCT, .offset = offsetof(struct storage_config, tsdb), .schema = &TSDB },
    { "exemplars", YAML_T_STRUCT, .offset = offsetof(struct storage_config, exemplars),
      .schema = &EXEMPLARS },
    { "durability", YAML_T_ENUM, .offset = offsetof(struct storage_config, durability),
      .names = DURABILITY_NAMES, .default_text = "interval" },
};
static const struct yaml_schema STORAGE =
    YAML_SCHEMA(struct storage_config, STORAGE_FIELDS, .docs = "configuration.md#storage");

static void check_main(struct yaml_binder *b, const struct yaml_node *node, void *obj)
{
    struct main_config *c = obj;
    scrape_configs_resolve(b, yaml_get(node, STR("scrape_configs")), &c->global,
                           &c->scrape_configs);
    if (c->storage.tsdb.out_of_order_time_window_ms) {
        yaml_bind_warn(b, yaml_get(node, STR("storage")),
                       "out_of_order_time_window has no effect yet: samples older than the newest "
                       "of their series are refused");
    }
}

static const struct yaml_field MAIN_FIELDS[] = {
    { "global", YAML_T_STRUCT, .offset = offsetof(struct main_config, global),
      .schema = &GLOBAL_CONFIG },
    { "runtime", YAML_T_UNUSED, .note = "has no effect: it is about Go" },
    { "rule_files", YAML_T_UNUSED, .note = "has no effect yet: rules are not evaluated" },
    { "scrape_config_files", YAML_T_UNUSED, .note = "has no effect yet: these files are not read" },
    { "scrape_configs", YAML_T_LIST, .offset = offsetof(struct main_config, scrape_configs),
      .elem = YAML_T_STRUCT, .schema = &SCRAPE_CONFIG },
    { "alerting", YAML_T_UNUSED, .note = "has no effect yet: no alert is sent" },
    { "remote_write", YAML_T_UNUSED, .note = "has no effect yet: nothing is forwarded" },
    { "remote_read", YAML_T_UNUSED, .note = "has no effect yet" },
    { "storage", YAML_T_STRUCT, .offset = offsetof(struct main_config, storage),
      .schema = &STORAGE },
    { "otlp", YAML_T_UNUSED, .note = "has no effect yet: OTLP is not received" },
    { "tracing", YAML_T_UNUSED, .note = "has no effect yet" },
};
static const struct yaml_schema MAIN =
    YAML_SCHEMA(struct main_config, MAIN_FIELDS, .check = check_main, .docs = "configuration.md");

/* ---- loading ---- */

DEFINE_CLEANUP(config_unref, struct config *)

static enum err_code create(struct mem_budget *mem, struct config **out, struct err *err)
{
    struct config *c = mem_zalloc(mem, MEM_SYSTEM, sizeof *c);
    if (!c) return err_set(err, ERR_NOMEM, "no memory for the configuration");
    c->mem = mem;
    atomic_store_explicit(&c->refs, 1, memory_order_relaxed);
    arena_init(&c->arena, mem_source_of(mem, MEM_SYSTEM), CONFIG_BYTES_MAX);
    *out = c;
    return ERR_OK;
}

enum err_code config_load(struct mem_budget *mem, const struct file_layer *files, const char *path,
                          struct buf *diags, struct config **out, struct err *err)
{
    CLEANUP(config_unref_p) struct config *c = NULL;
    TRY(create(mem, &c, err));
    struct config_place place = { .mem = mem, .files = files, .arena = &c->arena };
    if (path) {
        TRY(config_source_read(&place, path, &c->source, err));
    } else {
        c->is_builtin = true;
        c->source = (struct config_source){
            .file = STR("built-in"),
            .text = STR("global: {scrape_interval: 5s, scrape_timeout: 5s}\n")
        };
    }
    TRY(config_source_bind(&place, &c->source, &MAIN, &c->main, diags, err));
    *out = TAKE(c);
    return ERR_OK;
}

struct config *config_ref(struct config *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void config_unref(struct config *c)
{
    /* acq_rel: the last one sees what the others did before they let go */
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) return;
    arena_deinit(&c->arena);
    mem_free(c->mem, MEM_SYSTEM, c, sizeof *c);
}

const struct main_config *config_main(const struct config *c)
{
    return &c->main;
}

struct str config_base_dir(const struct config *c)
{
    return c->source.base_dir;
}

bool config_is_builtin(const struct config *c)
{
    return c->is_builtin;
}

void config_dump(const struct config *c, struct buf *out)
{
    yaml_dump(&MAIN, &c->main, out);
}
