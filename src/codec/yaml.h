/* SPDX-License-Identifier: Apache-2.0
 *
 * yaml - a YAML 1.1 (or JSON) document as a tree of nodes with positions. libyaml tokenises; the
 * tree, its limits and its strictness are ours.
 *
 * Strict    One document per text. Keys that are no scalars, unknown and self-referring anchors
 *           and foreign tags are errors. So are duplicate keys, but the tree is still built (the
 *           first one stays), so that binding can report what else is wrong. Merge keys (<<) are
 *           resolved: own keys win.
 * Limits    YAML_FILE_BYTES_MAX of text, depth YAML_DEPTH_MAX, YAML_ALIAS_NODES_MAX nodes reached
 *           through aliases ("billion laughs"; aliases share nodes, so they cost no memory).
 * Memory    Arena. libyaml's own allocations live only during the parse.
 * Threads   A tree is immutable once built.
 */
#ifndef PHAROS_CODEC_YAML_H
#define PHAROS_CODEC_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define YAML_FILE_BYTES_MAX ((size_t)10 << 20)
#define YAML_DEPTH_MAX 64
#define YAML_ALIAS_NODES_MAX 10000

enum yaml_node_kind {
    YAML_NULL, /* empty, ~ or null, unquoted */
    YAML_SCALAR,
    YAML_LIST,
    YAML_MAP
};

struct yaml_node {
    enum yaml_node_kind kind;
    bool is_quoted;        /* scalars: '...', "..." or a block scalar */
    uint32_t line, column; /* of the first character, 1-based, columns in characters */
    uint32_t width;        /* characters to mark, at least 1: the scalar if it ends on its line */
    uint32_t count;        /* list: items; map: pairs */
    uint32_t subtree;      /* nodes in it, aliases expanded, saturating */
    uint32_t height;       /* levels below it, 0 for a scalar */
    union {
        struct str text;                /* scalar */
        const struct yaml_node **items; /* list */
        const struct yaml_pair *pairs;  /* map, in order of the text */
    } v;
};

struct yaml_pair {
    const struct yaml_node *key; /* a scalar */
    const struct yaml_node *value;
};

struct yaml_doc {
    struct str file; /* name for messages */
    struct str text; /* the source, for messages; borrowed */
    const struct yaml_node *root;
};

struct yaml_diags; /* codec/yaml_diag.h */

/* Build the tree of `text` (borrowed for the life of *out). What is wrong is added to `diags`;
 * ERR_INVALID or ERR_LIMIT when there is no tree, ERR_NOMEM. ERR_OK with diags->error_count > 0
 * means duplicate keys. */
CHECK_RESULT enum err_code yaml_parse(struct str file, struct str text, struct arena *a,
                                      struct yaml_diags *diags, struct yaml_doc *out);
/* The same tree from JSON text (file_sd's .json). */
CHECK_RESULT enum err_code yaml_parse_json(struct str file, struct str text, struct arena *a,
                                           struct yaml_diags *diags, struct yaml_doc *out);

/* Value of a key, NULL if `map` is NULL, no map, or has no such key. */
const struct yaml_node *yaml_get(const struct yaml_node *map, struct str key);
/* The key's own node (its position), NULL as above. */
const struct yaml_node *yaml_get_key(const struct yaml_node *map, struct str key);

#endif
