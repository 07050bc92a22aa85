/* SPDX-License-Identifier: Apache-2.0
 *
 * yaml_priv - what the files of the yaml module share: the tree builder (yaml_tree.c), fed by YAML
 * events (yaml.c) or JSON (yaml_json.c), and the conversions of scalars (yaml_scalar.c) used by
 * the binder (yaml_bind.c).
 */
#ifndef PHAROS_CODEC_YAML_PRIV_H
#define PHAROS_CODEC_YAML_PRIV_H

#include "codec/yaml_bind.h"

/* ---- tree builder ----------------------------------------------------------------------- */

struct yaml_position {
    uint32_t line, column, width;
};

struct yaml_anchor {
    struct str name;
    const struct yaml_node *node;
    const struct yaml_anchor *next;
};

struct yaml_frame {
    struct yaml_node *node;
    struct str anchor;
    const struct yaml_node **items; /* map: keys and values in turn */
    uint32_t count, cap;
};

struct yaml_builder {
    struct arena *arena;
    struct yaml_diags *diags;
    const struct yaml_doc *doc;
    struct yaml_frame frames[YAML_DEPTH_MAX];
    uint32_t depth;
    const struct yaml_node *root;
    const struct yaml_anchor *anchors;
    uint32_t anchor_count;
    uint32_t alias_nodes;
    enum err_code code; /* first failure; the calls below do nothing after one */
};

void yaml_build_init(struct yaml_builder *b, const struct yaml_doc *doc, struct arena *a,
                     struct yaml_diags *diags);
void yaml_build_scalar(struct yaml_builder *b, struct yaml_position at, struct str text,
                       bool is_quoted, struct str anchor);
void yaml_build_open(struct yaml_builder *b, struct yaml_position at, bool is_map,
                     struct str anchor);
void yaml_build_close(struct yaml_builder *b);
void yaml_build_alias(struct yaml_builder *b, struct yaml_position at, struct str name);
/* Report and fail. */
__attribute__((format(printf, 4, 5))) void yaml_build_fail(struct yaml_builder *b,
                                                           struct yaml_position at,
                                                           enum err_code code, const char *fmt,
                                                           ...);

/* ---- scalars ---------------------------------------------------------------------------- */

/* Replace ${env:..}, ${file:..} (and with YAML_F_OS_ENV $NAME) in the scalar. False and reported
 * when that fails. */
bool yaml_expand(struct yaml_binder *b, const struct yaml_node *node, unsigned flags,
                 struct str *out);
/* Bind a scalar field from expanded text. */
void yaml_bind_scalar(struct yaml_binder *b, const struct yaml_field *field,
                      const struct yaml_node *node, void *dst);
/* Is it one of the types that yaml_bind_scalar knows? */
bool yaml_is_scalar_type(enum yaml_type type);
/* Size of the C type of an element. */
size_t yaml_type_size(enum yaml_type type, const struct yaml_schema *schema);

#endif
