/* SPDX-License-Identifier: Apache-2.0
 *
 * relabel - Prometheus' relabelling: a list of rules that rewrites a label set or drops it.
 *
 * Two forms: relabel_config is what the YAML says (bound by RELABEL_CONFIG), relabel_rules is the
 * compiled, immutable list. Rules run in order; a label set to "" is deleted.
 *
 * Source    prometheus model/relabel (scrape-and-config.md section 2).
 * Threads   Compiled rules are immutable: any number of threads may apply them.
 */
#ifndef PHAROS_COLLECT_RELABEL_RELABEL_H
#define PHAROS_COLLECT_RELABEL_RELABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "codec/yaml_bind.h"
#include "model/labels.h"
#include "os/mem.h"

enum relabel_action {
    RELABEL_REPLACE,
    RELABEL_KEEP,
    RELABEL_DROP,
    RELABEL_KEEPEQUAL,
    RELABEL_DROPEQUAL,
    RELABEL_HASHMOD,
    RELABEL_LABELMAP,
    RELABEL_LABELDROP,
    RELABEL_LABELKEEP,
    RELABEL_LOWERCASE,
    RELABEL_UPPERCASE
};

struct relabel_config {
    struct yaml_list source_labels; /* of struct str */
    struct str separator;
    struct str target_label;
    struct str regex;
    uint64_t modulus;
    struct str replacement;
    int action; /* enum relabel_action */
};

/* Binds and validates one rule, with Prometheus' texts. */
extern const struct yaml_schema RELABEL_CONFIG;

struct relabel_rules;

/* Compile `configs` (a yaml_list of struct relabel_config), texts are copied. *out may be NULL for
 * an empty list. ERR_INVALID (regex), ERR_NOMEM. */
CHECK_RESULT enum err_code relabel_compile(const struct yaml_list *configs, struct mem_budget *mem,
                                           struct relabel_rules **out, struct err *err);
/* NULL is a no-op. */
void relabel_destroy(struct relabel_rules *rules);

enum relabel_result { RELABEL_KEPT, RELABEL_DROPPED, RELABEL_NOMEM };

/* Apply to the pairs in `b`; new texts live in b's arena. NULL rules keep everything. */
enum relabel_result relabel_apply(const struct relabel_rules *rules, struct labels_builder *b);
/* Apply the single rule `index` (the targets/relabel_steps answer shows them one by one). */
enum relabel_result relabel_apply_one(const struct relabel_rules *rules, size_t index,
                                      struct labels_builder *b);
size_t relabel_count(const struct relabel_rules *rules);

#endif
