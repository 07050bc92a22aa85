/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML and JSON documents through the tree, a schema with every kind of field, the renderer of
 * diagnostics and the dump; what was dumped binds and dumps to the same text.
 */
#include <stddef.h>
#include <stdint.h>

#include "codec/yaml_bind.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct leaf {
    struct str key; /* entry of a map */
    struct str text, pattern;
    struct yaml_list names;
};

struct node {
    struct leaf leaf;
    struct leaf *optional;
    bool on;
    int64_t count, wait_ms;
    uint64_t size;
    double ratio;
    int mode;
    struct yaml_list labels, params, leaves, by_name, children;
};

static const char *const MODES[] = { "first", "second", NULL };

static const struct yaml_field LEAF_FIELDS[] = {
    { "text", YAML_T_STR, .offset = offsetof(struct leaf, text) },
    { "pattern", YAML_T_REGEX, .offset = offsetof(struct leaf, pattern), .default_text = "a.*" },
    { "names", YAML_T_LIST, .offset = offsetof(struct leaf, names), .elem = YAML_T_STR },
};
static const struct yaml_schema LEAF = YAML_SCHEMA(struct leaf, LEAF_FIELDS, .docs = "docs#leaf");

static const struct yaml_schema NODE;
static const struct yaml_field NODE_FIELDS[] = {
    { .type = YAML_T_INLINE, .offset = offsetof(struct node, leaf), .schema = &LEAF },
    { "o", YAML_T_STRUCT_PTR, .offset = offsetof(struct node, optional), .schema = &LEAF },
    { "on", YAML_T_BOOL, .offset = offsetof(struct node, on), .default_text = "true" },
    { "count", YAML_T_INT, .offset = offsetof(struct node, count), .min = -5, .max = 1000 },
    { "wait", YAML_T_DURATION, .offset = offsetof(struct node, wait_ms), .default_text = "1m" },
    { "size", YAML_T_SIZE, .offset = offsetof(struct node, size) },
    { "ratio", YAML_T_FLOAT, .offset = offsetof(struct node, ratio) },
    { "mode", YAML_T_ENUM, .flags = YAML_F_NO_CASE, .offset = offsetof(struct node, mode),
      .names = MODES },
    { "labels", YAML_T_MAP, .flags = YAML_F_OS_ENV, .offset = offsetof(struct node, labels),
      .elem = YAML_T_STR },
    { "params", YAML_T_MAP, .offset = offsetof(struct node, params), .elem = YAML_T_LIST },
    { "leaves", YAML_T_LIST, .offset = offsetof(struct node, leaves), .elem = YAML_T_STRUCT,
      .schema = &LEAF },
    { "by", YAML_T_MAP, .offset = offsetof(struct node, by_name), .elem = YAML_T_STRUCT,
      .schema = &LEAF },
    { "sub", YAML_T_LIST, .offset = offsetof(struct node, children), .elem = YAML_T_STRUCT,
      .schema = &NODE },
    { "old", YAML_T_UNUSED, .note = "is deprecated" },
};
static const struct yaml_schema NODE =
    YAML_SCHEMA(struct node, NODE_FIELDS, .title = "text", .title_key = "text");

static bool lookup(void *ctx, struct str name, struct str *out)
{
    (void)ctx;
    *out = name;
    return name.len < 3;
}

static enum err_code bind(struct str text, bool is_json, struct arena *a, struct yaml_diags *diags,
                          struct node *out)
{
    static const struct yaml_env env = { .lookup = lookup };
    struct yaml_doc doc;
    struct yaml_binder b;
    yaml_diags_init(diags, a);
    enum err_code rc = is_json ? yaml_parse_json(STR("f"), text, a, diags, &doc)
                               : yaml_parse(STR("f"), text, a, diags, &doc);
    if (rc != ERR_OK) {
        if (diags->error_count == 0 && rc != ERR_NOMEM) __builtin_trap();
        return rc;
    }
    yaml_binder_init(&b, &doc, a, diags, &env);
    return yaml_bind(&b, &NODE, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mem_budget *budget;
    if (!budget) budget = mem_budget_create(256u << 20);
    if (size == 0) return 0;
    const struct mem_source *mem = mem_source_of(budget, MEM_SYSTEM);
    struct str text = { (const char *)data + 1, size - 1 };
    struct yaml_diags diags;
    struct node first, second;
    struct arena arena;
    struct buf one, two;
    arena_init(&arena, mem, 16u << 20);
    buf_init(&one, mem, 16u << 20);
    buf_init(&two, mem, 16u << 20);
    enum err_code rc = bind(text, data[0] & 1, &arena, &diags, &first);
    yaml_diags_render(&diags, &two);
    yaml_diags_first(&diags, &two);
    buf_reset(&two);
    if (rc == ERR_OK && str_index(text, '$') == text.len) {
        yaml_dump(&NODE, &first, &one);
        if (bind(buf_str(&one), false, &arena, &diags, &second) != ERR_OK) __builtin_trap();
        yaml_dump(&NODE, &second, &two);
        if (!str_eq(buf_str(&one), buf_str(&two))) __builtin_trap();
    }
    buf_deinit(&one);
    buf_deinit(&two);
    arena_deinit(&arena);
    return 0;
}
