/* SPDX-License-Identifier: Apache-2.0
 *
 * The YAML form of a relabelling rule and what is wrong with it.
 */
#include "collect/relabel/relabel.h"

#include "base/assert.h"

static const char *const ACTION_NAMES[] = { "replace",   "keep",      "drop",      "keepequal",
                                            "dropequal", "hashmod",   "labelmap",  "labeldrop",
                                            "labelkeep", "lowercase", "uppercase", NULL };

static bool is_default_regex(const struct relabel_config *c)
{
    return str_eq(c->regex, STR("(.*)"));
}

static bool has_defaults_only(const struct relabel_config *c)
{
    return str_eq(c->separator, STR(";")) && is_default_regex(c) && c->modulus == 0 &&
           str_eq(c->replacement, STR("$1"));
}

static void check_target(struct yaml_binder *b, const struct yaml_node *node,
                         const struct relabel_config *c)
{
    const char *action = ACTION_NAMES[c->action];
    switch ((enum relabel_action)c->action) {
    case RELABEL_REPLACE:
    case RELABEL_HASHMOD:
    case RELABEL_LOWERCASE:
    case RELABEL_UPPERCASE:
    case RELABEL_KEEPEQUAL:
    case RELABEL_DROPEQUAL:
        if (c->target_label.len == 0) {
            yaml_bind_error(b, node,
                            "relabel configuration for %s action requires 'target_label' value",
                            action);
        }
        return;
    case RELABEL_KEEP:
    case RELABEL_DROP:
    case RELABEL_LABELMAP:
    case RELABEL_LABELDROP:
    case RELABEL_LABELKEEP: return;
    }
    UNREACHABLE();
}

static void check_rule(struct yaml_binder *b, const struct yaml_node *node, void *obj)
{
    const struct relabel_config *c = obj;
    const char *action = ACTION_NAMES[c->action];
    bool is_case = c->action == RELABEL_LOWERCASE || c->action == RELABEL_UPPERCASE;
    bool is_equal = c->action == RELABEL_KEEPEQUAL || c->action == RELABEL_DROPEQUAL;
    bool is_name = c->action == RELABEL_LABELDROP || c->action == RELABEL_LABELKEEP;
    if (c->action == RELABEL_HASHMOD && c->modulus == 0) {
        yaml_bind_error(b, node, "relabel configuration for hashmod requires non-zero modulus");
    }
    check_target(b, node, c);
    bool is_fixed =
        c->action == RELABEL_HASHMOD || is_case || is_equal ||
        (c->action == RELABEL_REPLACE && str_index(c->target_label, '$') == c->target_label.len);
    if (is_fixed && c->target_label.len && !label_name_is_valid(c->target_label)) {
        yaml_bind_error(b, node, "\"" STR_FMT "\" is invalid 'target_label' for %s action",
                        STR_ARG(c->target_label), action);
    }
    if (is_case && !str_eq(c->replacement, STR("$1"))) {
        yaml_bind_error(b, node, "'replacement' can not be set for %s action", action);
    }
    if (is_equal && !has_defaults_only(c)) {
        yaml_bind_error(b, node,
                        "%s action requires only 'source_labels' and `target_label`, and no other "
                        "fields",
                        action);
    }
    if (is_name && (c->source_labels.count || c->target_label.len || c->modulus ||
                    !str_eq(c->separator, STR(";")) || !str_eq(c->replacement, STR("$1")))) {
        yaml_bind_error(b, node, "%s action requires only 'regex', and no other fields", action);
    }
}

static const struct yaml_field FIELDS[] = {
    { "source_labels", YAML_T_LIST, .offset = offsetof(struct relabel_config, source_labels),
      .elem = YAML_T_STR, .flags = YAML_F_NO_EXPAND },
    { "separator", YAML_T_STR, .offset = offsetof(struct relabel_config, separator),
      .default_text = ";" },
    { "target_label", YAML_T_STR, .offset = offsetof(struct relabel_config, target_label) },
    { "regex", YAML_T_REGEX, .offset = offsetof(struct relabel_config, regex),
      .default_text = "(.*)" },
    { "modulus", YAML_T_UINT, .offset = offsetof(struct relabel_config, modulus) },
    { "replacement", YAML_T_STR, .offset = offsetof(struct relabel_config, replacement),
      .default_text = "$1" },
    { "action", YAML_T_ENUM, .offset = offsetof(struct relabel_config, action),
      .names = ACTION_NAMES, .flags = YAML_F_NO_CASE, .default_text = "replace" },
};

const struct yaml_schema RELABEL_CONFIG = YAML_SCHEMA(
    struct relabel_config, FIELDS, .check = check_rule, .docs = "configuration.md#relabel_config");
