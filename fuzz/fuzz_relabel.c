/* SPDX-License-Identifier: Apache-2.0
 *
 * Relabelling: a YAML list of rules, a line "---", then labels as lines "name=value". What comes out is
 * a set: no name twice, no empty name or value.
 */
#include <stdint.h>

#include "codec/yaml.h"
#include "collect/relabel/relabel.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Compiled rules of `text`; false when they are not good. */
static bool compile(struct mem_budget *mem, struct arena *a, struct str text,
                    struct relabel_rules **out)
{
    static const struct yaml_field LIST = { .type = YAML_T_LIST,
                                            .elem = YAML_T_STRUCT,
                                            .schema = &RELABEL_CONFIG };
    struct yaml_list list;
    struct yaml_doc doc;
    struct yaml_diags diags;
    struct yaml_env env = { .budget = mem };
    struct yaml_binder *b = arena_new(a, struct yaml_binder);
    yaml_diags_init(&diags, a);
    if (!b || yaml_parse(STR("f"), text, a, &diags, &doc) != ERR_OK) return false;
    yaml_binder_init(b, &doc, a, &diags, &env);
    if (yaml_bind_field(b, &LIST, &list) != ERR_OK) return false;
    return relabel_compile(&list, mem, out, NULL) == ERR_OK;
}

static void check_set(const struct labels_builder *b)
{
    for (size_t i = 0; i < b->len; i++) {
        if (b->ptr[i].name.len == 0 || b->ptr[i].value.len == 0) __builtin_trap();
        for (size_t k = 0; k < i; k++) {
            if (str_eq(b->ptr[i].name, b->ptr[k].name)) __builtin_trap();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mem_budget *mem = mem_budget_create(256u << 20);
    struct relabel_rules *rules = NULL;
    struct labels_builder b;
    struct arena arena;
    if (!mem) return 0;
    arena_init(&arena, mem_source_of(mem, MEM_SCRAPE), 16u << 20);
    struct str text = { (const char *)data, size < 1u << 14 ? size : 1u << 14 };
    size_t at = str_find(text, STR("---\n"));
    if (compile(mem, &arena, str_sub(text, 0, at), &rules)) {
        struct str rest = str_sub(text, at + 4, text.len), line;
        labels_builder_init(&b, &arena);
        while (str_split(&rest, '\n', &line) && b.len < 100) {
            size_t equals = str_index(line, '=');
            struct str name = str_sub(line, 0, equals);
            if (name.len) labels_builder_set(&b, name, str_sub(line, equals + 1, line.len));
        }
        if (relabel_apply(rules, &b) == RELABEL_KEPT) check_set(&b);
    }
    relabel_destroy(rules);
    arena_deinit(&arena);
    if (mem_live_count(mem) != 0) __builtin_trap();
    mem_budget_destroy(mem);
    return 0;
}
