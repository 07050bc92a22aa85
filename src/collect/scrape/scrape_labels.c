/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/scrape/scrape_labels.h"

#define CONFLICTS_MAX 64

/* Exposed labels that the target overrides get "exported_" in front, as often as needed to be free;
 * short names first, so that the result does not depend on the order of exposition. */
static void rename_conflicts(struct labels_builder *b, struct label *conflicts, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct label moving = conflicts[i];
        size_t at = i;
        for (; at > 0 && conflicts[at - 1].name.len > moving.name.len; at--) {
            conflicts[at] = conflicts[at - 1];
        }
        conflicts[at] = moving;
    }
    for (size_t i = 0; i < count; i++) {
        struct str name = conflicts[i].name;
        do {
            name = arena_printf(b->arena, "exported_" STR_FMT, STR_ARG(name));
            if (!name.ptr) {
                b->failed = true;
                return;
            }
        } while (labels_builder_get(b, name).len);
        labels_builder_set(b, name, conflicts[i].value);
    }
}

void scrape_merge_labels(struct labels_builder *b, struct labels target, bool honor_labels)
{
    struct label conflicts[CONFLICTS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < target.len; i++) {
        struct str name = target.ptr[i].name;
        struct str exposed = labels_builder_get(b, name);
        if (exposed.len && honor_labels) continue;
        if (exposed.len && count < CONFLICTS_MAX) {
            conflicts[count++] = (struct label){ name, exposed };
        }
        labels_builder_set(b, name, target.ptr[i].value);
    }
    rename_conflicts(b, conflicts, count);
}

/* At most 50 bytes of names and values are shown. */
static struct str shown(struct str s)
{
    return str_sub(s, 0, 50);
}

static enum err_code check_limits(const struct scrape_limits *limits, struct labels labels,
                                  struct err *err)
{
    struct str metric = shown(labels_get(labels, LABEL_METRIC_NAME));
    if (limits->label_limit && labels.len > limits->label_limit) {
        return err_setf(err, ERR_LIMIT, "label_limit exceeded",
                        "label_limit exceeded (metric: " STR_FMT
                        ", number of labels: %zu, limit: %zu)",
                        STR_ARG(metric), labels.len, (size_t)limits->label_limit);
    }
    for (size_t i = 0; i < labels.len; i++) {
        struct str name = labels.ptr[i].name, value = labels.ptr[i].value;
        char quoted[224];
        if (limits->label_name_length_limit && name.len > limits->label_name_length_limit) {
            return err_setf(err, ERR_LIMIT, "label_name_length_limit exceeded",
                            "label_name_length_limit exceeded (metric: " STR_FMT
                            ", label name: " STR_FMT ", length: %zu, limit: %zu)",
                            STR_ARG(metric), STR_ARG(shown(name)), name.len,
                            (size_t)limits->label_name_length_limit);
        }
        if (limits->label_value_length_limit && value.len > limits->label_value_length_limit) {
            return err_setf(err, ERR_LIMIT, "label_value_length_limit exceeded",
                            "label_value_length_limit exceeded (metric: " STR_FMT
                            ", label name: " STR_FMT ", value: %s, length: %zu, limit: %zu)",
                            STR_ARG(metric), STR_ARG(shown(name)),
                            str_quote(shown(value), quoted, sizeof quoted), value.len,
                            (size_t)limits->label_value_length_limit);
        }
    }
    return ERR_OK;
}

enum err_code scrape_line_labels(const struct scrape_scope *scope, struct bytes key,
                                 enum metric_type type, struct labels_builder *b,
                                 struct labels *out, struct err *err)
{
    labels_builder_reset(b);
    TRY(exposition_labels(key, type, b, err));
    scrape_merge_labels(b, scope->labels, scope->config->honor_labels);
    switch (relabel_apply(scope->metric_rules, b)) {
    case RELABEL_DROPPED: return err_set(err, ERR_NOTFOUND, "dropped by relabelling");
    case RELABEL_NOMEM: return err_set(err, ERR_NOMEM, "scrape needs too much memory");
    case RELABEL_KEPT: break;
    }
    if (b->len == 0) return err_set(err, ERR_NOTFOUND, "dropped by relabelling");
    TRY(labels_builder_finish(b, NULL, out, err));
    if (labels_get(*out, LABEL_METRIC_NAME).len == 0) {
        return err_set(err, ERR_INVALID, "missing metric name (__name__ label)");
    }
    return check_limits(&scope->config->limits, *out, err);
}

enum err_code scrape_report_labels(const struct scrape_scope *scope, struct str name,
                                   struct labels_builder *b, struct labels *out, struct err *err)
{
    labels_builder_reset(b);
    labels_builder_set(b, LABEL_METRIC_NAME, name);
    scrape_merge_labels(b, scope->labels, true);
    return labels_builder_finish(b, NULL, out, err);
}
