/* SPDX-License-Identifier: Apache-2.0
 *
 * yaml_bind - strict binding of a YAML tree to C structs by schema tables, and the way back.
 *
 * A configuration section is one struct, one table and, where values depend on each other, one
 * check function:
 *
 *     struct static_config { struct yaml_list targets; struct yaml_list labels; };
 *     static const struct yaml_field STATIC_FIELDS[] = {
 *         { "targets", YAML_T_LIST, .offset = offsetof(struct static_config, targets),
 *           .elem = YAML_T_STR },
 *         { "labels", YAML_T_MAP, .offset = offsetof(struct static_config, labels),
 *           .elem = YAML_T_STR },
 *     };
 *     const struct yaml_schema STATIC_CONFIG = YAML_SCHEMA(struct static_config, STATIC_FIELDS);
 *
 *     yaml_binder_init(&b, &doc, arena, &diags, env);
 *     rc = yaml_bind(&b, &CONFIG, &config);
 *
 * Strict    An unknown key is an error with position, nearest valid key and documentation link; so
 *           is a value of the wrong kind, a missing required key, a value out of range. All errors
 *           are collected (codec/yaml_diag.h); binding goes on after one.
 * Scalars   ${env:NAME}, ${env:NAME:-default} and ${file:/path} are expanded in every value (not
 *           in keys); an unset variable without default is an error. Nothing else is touched: $1,
 * ${1} and $$ of relabelling stay. YAML_F_OS_ENV adds $NAME and ${NAME} ($$ = $), as Prometheus has
 * it for external_labels. Memory    Everything bound lives in the arena; strings may point into the
 * source text, which must live as long.
 */
#ifndef PHAROS_CODEC_YAML_BIND_H
#define PHAROS_CODEC_YAML_BIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/yaml.h"
#include "codec/yaml_diag.h"
#include "os/file_layer.h"

/* Kind of a field, and the C type at its offset. */
enum yaml_type {
    YAML_T_STR,        /* struct str */
    YAML_T_SECRET,     /* struct str; dumped as <secret> */
    YAML_T_URL,        /* struct str; absolute http(s) URL; password masked in dumps */
    YAML_T_REGEX,      /* struct str; must compile, fully anchored */
    YAML_T_BOOL,       /* bool */
    YAML_T_INT,        /* int64_t */
    YAML_T_UINT,       /* uint64_t */
    YAML_T_FLOAT,      /* double */
    YAML_T_DURATION,   /* int64_t milliseconds, "1h30m" */
    YAML_T_SIZE,       /* uint64_t bytes, "512MB", "1GiB" (powers of 1024, as Prometheus) */
    YAML_T_ENUM,       /* int: index into names */
    YAML_T_STRUCT,     /* the struct of `schema`, in place; its defaults apply when absent */
    YAML_T_STRUCT_PTR, /* struct pointer; NULL when absent */
    YAML_T_INLINE,     /* the keys of `schema` appear among this struct's own */
    YAML_T_LIST,       /* struct yaml_list of `elem` */
    YAML_T_MAP,        /* struct yaml_list of entries that begin with a struct str key, see below */
    YAML_T_NODE,       /* const struct yaml_node *: the value, unbound */
    YAML_T_CUSTOM,     /* anything: `custom` binds, `dump` prints */
    YAML_T_UNUSED      /* accepted in any shape and not kept; `note` is the warning */
};

/* items is an array of the element's C type: STR -> struct str, STRUCT -> the struct, ...
 * Maps: YAML_T_STR (and other scalars) -> struct yaml_str_pair { key, value };
 *       YAML_T_LIST -> struct yaml_list_pair, a list of strings per key;
 *       YAML_T_STRUCT -> the struct, whose first member is `struct str key`. */
struct yaml_list {
    void *items;
    size_t count;
};
struct yaml_str_pair {
    struct str key, value;
};
struct yaml_list_pair {
    struct str key;
    struct yaml_list values; /* of struct str */
};

enum yaml_field_flag {
    YAML_F_REQUIRED = 1,   /* must be present and not null */
    YAML_F_NOT_EMPTY = 2,  /* strings and lists: not empty when present */
    YAML_F_OS_ENV = 4,     /* expand $NAME and ${NAME} too */
    YAML_F_NO_EXPAND = 8,  /* no expansion at all */
    YAML_F_KEEP_ZERO = 16, /* dump even when zero */
    YAML_F_NO_CASE = 32,   /* enums: any case */
    YAML_F_SECRET = 64     /* maps of lists: the strings are secrets */
};

struct yaml_binder;
struct yaml_schema;

/* Bind `node` (not null) to the field at `dst`; report with yaml_bind_error. */
typedef void (*yaml_custom_fn)(struct yaml_binder *b, const struct yaml_node *node, void *dst);
/* Print the field as a YAML value in flow style or a plain scalar (yaml_dump_scalar). Nothing
 * written = the key is left out. */
typedef void (*yaml_dump_fn)(const void *src, struct buf *out);
/* Called when all keys of the struct are bound, children first; also when there were errors, and
 * for an absent YAML_T_STRUCT (then `node` is NULL and the struct holds its defaults). */
typedef void (*yaml_check_fn)(struct yaml_binder *b, const struct yaml_node *node, void *obj);

struct yaml_field {
    const char *key; /* NULL for YAML_T_INLINE and for a NODE that stores the struct's own node */
    enum yaml_type type;
    size_t offset;
    unsigned flags;
    const char *default_text; /* bound when the key is absent; lists of scalars: comma-separated */
    enum yaml_type elem;      /* LIST, MAP */
    const struct yaml_schema *schema; /* STRUCT, STRUCT_PTR, INLINE, LIST or MAP of STRUCT */
    const char *const *names;         /* ENUM, or elem ENUM: NULL-terminated */
    int64_t min, max;                 /* INT, UINT, DURATION, SIZE; both 0 = no bounds */
    yaml_custom_fn custom;            /* for elements of a LIST, `schema` says their size */
    yaml_dump_fn dump;
    const char *aliases; /* comma-separated keys of other tools: suggested, not accepted */
    const char *note;    /* deprecation or "has no effect": a warning when the key is present */
};

struct yaml_schema {
    const struct yaml_field *fields;
    size_t field_count;
    size_t size; /* of the struct */
    yaml_check_fn check;
    const char *title, *title_key; /* `(job "node")` in messages: title "job", key "job_name" */
    const char *docs;              /* inherited by nested structs without own */
};

#define YAML_SCHEMA(type, table, ...)                                                              \
    {                                                                                              \
        .fields = (table), .field_count = sizeof(table) / sizeof((table)[0]),                      \
        .size = sizeof(type), ##__VA_ARGS__                                                        \
    }

/* Where ${env:...} and ${file:...} look. All optional: without `env` no variable is set, without
 * `files` no file can be read. */
struct yaml_env {
    void *ctx;
    /* Value of an environment variable; false when unset. The text must outlive the binding. */
    bool (*lookup)(void *ctx, struct str name, struct str *out);
    const struct file_layer *files;
    struct str base_dir;       /* relative paths start here */
    struct mem_budget *budget; /* scratch for YAML_T_REGEX and files; NULL: regexes unchecked */
};

#define YAML_PATH_MAX (YAML_DEPTH_MAX + 16)

struct yaml_binder {
    const struct yaml_doc *doc;
    struct arena *arena;
    struct yaml_diags *diags;
    const struct yaml_env *env;
    void *user; /* for check and custom functions */
    /* the way from the root, for messages */
    struct yaml_step {
        struct str name;
        size_t index;
        bool has_index;
        const struct yaml_schema *schema; /* of the struct there, or NULL */
        const struct yaml_node *node;     /* NULL: absent, defaults are being bound */
    } path[YAML_PATH_MAX];
    size_t depth;
    bool out_of_memory;
};

void yaml_binder_init(struct yaml_binder *b, const struct yaml_doc *doc, struct arena *a,
                      struct yaml_diags *diags, const struct yaml_env *env);

/* Bind the whole document to *obj (zeroed first). An empty document is an empty map. ERR_INVALID
 * when anything was reported as an error, ERR_NOMEM. */
CHECK_RESULT enum err_code yaml_bind(struct yaml_binder *b, const struct yaml_schema *schema,
                                     void *obj);
/* The same for a document that is not a map: `field` (offset 0, no key) says what it is. */
CHECK_RESULT enum err_code yaml_bind_field(struct yaml_binder *b, const struct yaml_field *field,
                                           void *dst);
/* *obj := the defaults of the schema, as if bound to an empty map, without required keys. */
CHECK_RESULT enum err_code yaml_bind_defaults(struct yaml_binder *b,
                                              const struct yaml_schema *schema, void *obj);

/* For custom and check functions: bind a node found by hand. */
void yaml_bind_node(struct yaml_binder *b, const struct yaml_field *field,
                    const struct yaml_node *node, void *dst);
/* The scalar's text with ${...} expanded; false (and reported) when it is no scalar or fails. */
bool yaml_bind_text(struct yaml_binder *b, const struct yaml_node *node, struct str *out);
/* Report at a node; NULL = the struct being bound. The path and title are appended. */
__attribute__((format(printf, 3, 4))) void yaml_bind_error(struct yaml_binder *b,
                                                           const struct yaml_node *node,
                                                           const char *fmt, ...);
__attribute__((format(printf, 3, 4))) void yaml_bind_warn(struct yaml_binder *b,
                                                          const struct yaml_node *node,
                                                          const char *fmt, ...);

/* ---- the effective configuration, as YAML ------------------------------------------------ */

/* Print *obj in block style, 2 blanks per level, keys in table order. Left out: zero values
 * without a default, empty strings, lists and maps, NULL pointers. Secrets are "<secret>". The
 * result binds to an equal struct again, secrets excepted. */
void yaml_dump(const struct yaml_schema *schema, const void *obj, struct buf *out);
/* s as a YAML scalar, quoted if it has to be. */
void yaml_dump_scalar(struct str s, struct buf *out);

#endif
