/* SPDX-License-Identifier: Apache-2.0
 *
 * Structs, lists and maps by schema. Scalars are in yaml_scalar.c.
 */
#include "codec/yaml_bind.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "codec/yaml_priv.h"

#define SUGGEST_DISTANCE 2

static const struct yaml_node NO_KEYS = {
    .kind = YAML_MAP, .line = 1, .column = 1, .width = 1, .subtree = 1
};

void yaml_binder_init(struct yaml_binder *b, const struct yaml_doc *doc, struct arena *a,
                      struct yaml_diags *diags, const struct yaml_env *env)
{
    *b = (struct yaml_binder){ .doc = doc, .arena = a, .diags = diags, .env = env };
}

/* ---- where we are ----------------------------------------------------------------------- */

static struct yaml_step *push(struct yaml_binder *b, struct str name,
                              const struct yaml_schema *schema, const struct yaml_node *node)
{
    ASSERT(b->depth < YAML_PATH_MAX);
    struct yaml_step *step = &b->path[b->depth++];
    *step = (struct yaml_step){ .name = name, .schema = schema, .node = node };
    return step;
}

static void pop(struct yaml_binder *b)
{
    ASSERT(b->depth > 0);
    b->depth--;
}

/* " in scrape_configs[2].basic_auth (job "node")"; nothing at the top. */
static void put_path(const struct yaml_binder *b, struct buf *out)
{
    const char *before = " in ";
    for (size_t i = 0; i < b->depth; i++) {
        const struct yaml_step *step = &b->path[i];
        if (step->name.len == 0) continue;
        buf_printf(out, "%s" STR_FMT, before, STR_ARG(step->name));
        if (step->has_index) buf_printf(out, "[%zu]", step->index);
        before = ".";
    }
    for (size_t i = b->depth; i-- > 0;) {
        const struct yaml_schema *schema = b->path[i].schema;
        if (schema == NULL || schema->title == NULL) continue;
        const struct yaml_node *name = yaml_get(b->path[i].node, str_of_z(schema->title_key));
        if (name != NULL && name->kind == YAML_SCALAR)
            buf_printf(out, " (%s \"" STR_FMT "\")", schema->title, STR_ARG(name->v.text));
        return;
    }
}

static struct str docs_of(const struct yaml_binder *b)
{
    for (size_t i = b->depth; i-- > 0;)
        if (b->path[i].schema != NULL && b->path[i].schema->docs != NULL)
            return str_of_z(b->path[i].schema->docs);
    return STR("");
}

static const struct yaml_node *nearest_node(const struct yaml_binder *b)
{
    for (size_t i = b->depth; i-- > 0;)
        if (b->path[i].node != NULL) return b->path[i].node;
    return b->doc->root;
}

static void report(struct yaml_binder *b, const struct yaml_node *node, bool is_warning,
                   struct str hint, struct str message)
{
    if (node == NULL) node = nearest_node(b);
    yaml_diags_add(b->diags, b->doc,
                   (struct yaml_diag){ .is_warning = is_warning,
                                       .line = node->line,
                                       .column = node->column,
                                       .width = node->width,
                                       .message = message,
                                       .hint = hint,
                                       .docs = docs_of(b) });
}

/* Format the message, add the path and report. */
__attribute__((format(printf, 5, 0))) static void report_args(struct yaml_binder *b,
                                                              const struct yaml_node *node,
                                                              bool is_warning, struct str hint,
                                                              const char *fmt, va_list args);

static void report_args(struct yaml_binder *b, const struct yaml_node *node, bool is_warning,
                        struct str hint, const char *fmt, va_list args)
{
    struct buf text;
    char message[1024];
    (void)vsnprintf(message, sizeof message, fmt, args);
    buf_init(&text, b->arena->mem, (size_t)64 << 10);
    buf_put_str(&text, str_of_z(message));
    put_path(b, &text);
    if (buf_failed(&text)) b->out_of_memory = true;
    report(b, node, is_warning, hint, buf_str(&text));
    buf_deinit(&text);
}

void yaml_bind_error(struct yaml_binder *b, const struct yaml_node *node, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report_args(b, node, false, STR(""), fmt, args);
    va_end(args);
}

void yaml_bind_warn(struct yaml_binder *b, const struct yaml_node *node, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    report_args(b, node, true, STR(""), fmt, args);
    va_end(args);
}

__attribute__((format(printf, 4, 5))) static void error_with_hint(struct yaml_binder *b,
                                                                  const struct yaml_node *node,
                                                                  struct str hint, const char *fmt,
                                                                  ...)
{
    va_list args;
    va_start(args, fmt);
    report_args(b, node, false, hint, fmt, args);
    va_end(args);
}

/* ---- finding fields --------------------------------------------------------------------- */

/* The field of that key, in the struct itself or inline; *base is moved to the struct it is in. */
static const struct yaml_field *find_field(const struct yaml_schema *schema, struct str key,
                                           uint8_t **base)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct yaml_field *f = &schema->fields[i];
        if (f->type == YAML_T_INLINE) {
            uint8_t *inner = *base + f->offset;
            const struct yaml_field *found = find_field(f->schema, key, &inner);
            if (found == NULL) continue;
            *base = inner;
            return found;
        }
        if (f->key != NULL && str_eq(str_of_z(f->key), key)) return f;
    }
    return NULL;
}

static bool has_alias(const struct yaml_field *f, struct str key)
{
    struct str rest = str_of_z(f->aliases), alias;
    while (rest.ptr != NULL && str_split(&rest, ',', &alias))
        if (str_eq(alias, key)) return true;
    return false;
}

/* The valid key that was probably meant: one that has it as an alias, or the nearest. */
static void nearest_key(const struct yaml_schema *schema, struct str key, unsigned *distance,
                        const char **out)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct yaml_field *f = &schema->fields[i];
        if (f->type == YAML_T_INLINE) nearest_key(f->schema, key, distance, out);
        if (f->key == NULL || *distance == 0) continue;
        if (has_alias(f, key)) {
            *distance = 0;
            *out = f->key;
            return;
        }
        unsigned d = str_distance(key, str_of_z(f->key), SUGGEST_DISTANCE);
        if (d >= *distance || d >= key.len || d >= strlen(f->key)) continue;
        *distance = d;
        *out = f->key;
    }
}

static uint32_t last_line(const struct yaml_node *node)
{
    uint32_t last = node->line;
    for (uint32_t i = 0; i < node->count && node->kind != YAML_SCALAR; i++) {
        const struct yaml_node *child =
            node->kind == YAML_MAP ? node->v.pairs[i].value : node->v.items[i];
        uint32_t line = last_line(child);
        if (line > last) last = line;
    }
    for (size_t i = 0; node->kind == YAML_SCALAR && i < node->v.text.len; i++)
        last += node->v.text.ptr[i] == '\n';
    return last;
}

/* Nobody knows what stands in a value that is not used: it may be secret. */
static void hide_value(struct yaml_binder *b, const struct yaml_node *value)
{
    yaml_diags_hide(b->diags, b->doc, value->line, last_line(value));
}

static void unknown_key(struct yaml_binder *b, const struct yaml_schema *schema,
                        const struct yaml_pair *pair)
{
    const struct yaml_node *key = pair->key;
    unsigned distance = SUGGEST_DISTANCE + 1;
    const char *meant = NULL;
    char hint[160] = "";
    nearest_key(schema, key->v.text, &distance, &meant);
    if (meant != NULL) (void)snprintf(hint, sizeof hint, "did you mean \"%s\"?", meant);
    /* "pasword: hunter2"; the line of another key may be shown */
    if (meant != NULL && yaml_key_speaks_of_secret(str_of_z(meant))) hide_value(b, pair->value);
    error_with_hint(b, key, str_of_z(hint), "unknown key \"" STR_FMT "\"", STR_ARG(key->v.text));
}

/* ---- values ----------------------------------------------------------------------------- */

static void bind_struct(struct yaml_binder *b, const struct yaml_schema *schema,
                        const struct yaml_node *node, void *dst);
static void bind_value(struct yaml_binder *b, const struct yaml_field *field,
                       const struct yaml_node *node, void *dst);

static const char *kind_name(const struct yaml_node *node)
{
    switch (node->kind) {
    case YAML_NULL: return "empty";
    case YAML_SCALAR: return "a scalar";
    case YAML_LIST: return "a list";
    case YAML_MAP: return "a map";
    }
    UNREACHABLE();
}

/* Is the node of the kind that the field needs? Reported if not. */
static bool expect(struct yaml_binder *b, const struct yaml_field *field,
                   const struct yaml_node *node, enum yaml_node_kind kind)
{
    static const char *const wanted[] = { "empty", "a scalar", "a list", "a map" };
    if (node->kind == kind) return true;
    yaml_bind_error(b, node, "\"%s\" must be %s, not %s", field->key ? field->key : "value",
                    wanted[kind], kind_name(node));
    return false;
}

/* The element of a list or map as a field of its own. */
static struct yaml_field element_of(const struct yaml_field *field)
{
    struct yaml_field element = *field;
    element.type = field->elem;
    element.elem = YAML_T_STR; /* a map of lists has lists of strings */
    element.offset = 0;
    element.default_text = NULL;
    return element;
}

static void *new_items(struct yaml_binder *b, size_t count, size_t size)
{
    void *items = arena_alloc(b->arena, count ? count : 1, size, _Alignof(max_align_t));
    if (items == NULL) b->out_of_memory = true;
    return items;
}

static void bind_list(struct yaml_binder *b, const struct yaml_field *field,
                      const struct yaml_node *node, struct yaml_list *dst)
{
    if (!expect(b, field, node, YAML_LIST)) return;
    if (node->count == 0 && (field->flags & YAML_F_NOT_EMPTY))
        yaml_bind_error(b, node, "\"%s\" must not be empty", field->key ? field->key : "value");
    const struct yaml_field element = element_of(field);
    size_t size = yaml_type_size(element.type, element.schema);
    uint8_t *items = new_items(b, node->count, size);
    if (items == NULL) return;
    for (uint32_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->v.items[i];
        struct yaml_step *step = push(b, str_of_z(field->key),
                                      field->elem == YAML_T_STRUCT ? field->schema : NULL, item);
        step->has_index = true;
        step->index = i;
        if (item->kind == YAML_NULL)
            yaml_bind_error(b, item, "list item is empty");
        else
            bind_value(b, &element, item, items + i * size);
        pop(b);
    }
    *dst = (struct yaml_list){ items, node->count };
}

/* Entries begin with their key; the value is behind it, or, of a struct, the struct itself. */
static void bind_map(struct yaml_binder *b, const struct yaml_field *field,
                     const struct yaml_node *node, struct yaml_list *dst)
{
    if (!expect(b, field, node, YAML_MAP)) return;
    bool is_struct = field->elem == YAML_T_STRUCT;
    struct yaml_field element = element_of(field);
    size_t size =
        is_struct ? field->schema->size : sizeof(struct str) + yaml_type_size(element.type, NULL);
    uint8_t *items = new_items(b, node->count, size);
    if (items == NULL) return;
    for (uint32_t i = 0; i < node->count; i++) {
        const struct yaml_pair *pair = &node->v.pairs[i];
        uint8_t *entry = items + i * size;
        char name[64];
        push(b, str_of_z(field->key), NULL, node);
        element.key = str_z(pair->key->v.text, name, sizeof name);
        if (is_struct || pair->value->kind != YAML_NULL)
            bind_value(b, &element, pair->value, is_struct ? entry : entry + sizeof(struct str));
        memcpy(entry, &pair->key->v.text, sizeof(struct str));
        pop(b);
    }
    *dst = (struct yaml_list){ items, node->count };
}

static void bind_struct_ptr(struct yaml_binder *b, const struct yaml_field *field,
                            const struct yaml_node *node, void *dst)
{
    void *obj = new_items(b, 1, field->schema->size);
    if (obj == NULL) return;
    push(b, str_of_z(field->key), field->schema, node);
    bind_struct(b, field->schema, node, obj);
    pop(b);
    memcpy(dst, &obj, sizeof obj);
}

/* Bind a present value, not null unless the type is a struct. */
static void bind_value(struct yaml_binder *b, const struct yaml_field *field,
                       const struct yaml_node *node, void *dst)
{
    bool is_element = b->depth > 0 && b->path[b->depth - 1].node == node;
    switch (field->type) {
    case YAML_T_STRUCT:
        /* an element of a list has its step already */
        if (!is_element) push(b, str_of_z(field->key), field->schema, node);
        bind_struct(b, field->schema, node, dst);
        if (!is_element) pop(b);
        return;
    case YAML_T_STRUCT_PTR: bind_struct_ptr(b, field, node, dst); return;
    case YAML_T_LIST: bind_list(b, field, node, dst); return;
    case YAML_T_MAP: bind_map(b, field, node, dst); return;
    case YAML_T_NODE: memcpy(dst, &node, sizeof node); return;
    case YAML_T_CUSTOM: field->custom(b, node, dst); return;
    case YAML_T_UNUSED: return;
    case YAML_T_INLINE: UNREACHABLE();
    case YAML_T_STR:
    case YAML_T_SECRET:
    case YAML_T_URL:
    case YAML_T_REGEX:
    case YAML_T_BOOL:
    case YAML_T_INT:
    case YAML_T_UINT:
    case YAML_T_FLOAT:
    case YAML_T_DURATION:
    case YAML_T_SIZE:
    case YAML_T_ENUM: break;
    }
    if (expect(b, field, node, YAML_SCALAR)) yaml_bind_scalar(b, field, node, dst);
}

/* ---- structs ---------------------------------------------------------------------------- */

/* Bind a default from its text, as if it stood in the file. */
static void bind_default(struct yaml_binder *b, const struct yaml_field *field, void *dst)
{
    struct str text = str_of_z(field->default_text), part;
    struct yaml_node scalar = NO_KEYS;
    scalar.kind = YAML_SCALAR;
    scalar.v.text = text;
    if (field->type != YAML_T_LIST) {
        yaml_bind_scalar(b, field, &scalar, dst);
        return;
    }
    const struct yaml_field element = element_of(field);
    size_t count = 0, size = yaml_type_size(element.type, NULL);
    for (struct str rest = text; rest.ptr != NULL && str_split(&rest, ',', &part);)
        count++;
    uint8_t *items = new_items(b, count, size);
    if (items == NULL) return;
    count = 0;
    for (struct str rest = text; rest.ptr != NULL && str_split(&rest, ',', &part);) {
        scalar.v.text = part;
        yaml_bind_scalar(b, &element, &scalar, items + count++ * size);
    }
    const struct yaml_list list = { items, count };
    memcpy(dst, &list, sizeof list);
}

/* The keys that are not there. `node` is NULL when the whole struct is not. */
static void bind_absent(struct yaml_binder *b, const struct yaml_schema *schema,
                        const struct yaml_node *node, uint8_t *base)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct yaml_field *f = &schema->fields[i];
        uint8_t *dst = base + f->offset;
        if (f->type == YAML_T_INLINE) {
            bind_absent(b, f->schema, node, dst);
            continue;
        }
        if (f->key == NULL) { /* the struct's own node */
            ASSERT(f->type == YAML_T_NODE);
            memcpy(dst, &node, sizeof node);
            continue;
        }
        const struct yaml_node *value = yaml_get(node, str_of_z(f->key));
        if (value != NULL && value->kind != YAML_NULL) continue;
        if ((f->flags & YAML_F_REQUIRED) && node != NULL)
            yaml_bind_error(b, value, "\"%s\" is required", f->key);
        if (f->default_text != NULL) bind_default(b, f, dst);
        if (f->type == YAML_T_STRUCT) {
            push(b, str_of_z(f->key), f->schema, NULL);
            bind_struct(b, f->schema, NULL, dst);
            pop(b);
        }
    }
}

/* Check functions of inline schemas, then the struct's own. */
static void run_checks(struct yaml_binder *b, const struct yaml_schema *schema,
                       const struct yaml_node *node, uint8_t *base)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (schema->fields[i].type == YAML_T_INLINE)
            run_checks(b, schema->fields[i].schema, node, base + schema->fields[i].offset);
    if (schema->check != NULL) schema->check(b, node, base);
}

/* `node` may be NULL or null (defaults) or a map; its step is on the path. */
static void bind_struct(struct yaml_binder *b, const struct yaml_schema *schema,
                        const struct yaml_node *node, void *dst)
{
    if (node != NULL && node->kind != YAML_MAP && node->kind != YAML_NULL) {
        yaml_bind_error(b, node, "expected a map, found %s", kind_name(node));
        return;
    }
    for (uint32_t i = 0; node != NULL && node->kind == YAML_MAP && i < node->count; i++) {
        const struct yaml_pair *pair = &node->v.pairs[i];
        uint8_t *base = dst;
        const struct yaml_field *field = find_field(schema, pair->key->v.text, &base);
        if (field == NULL) {
            unknown_key(b, schema, pair);
            continue;
        }
        if (field->type == YAML_T_UNUSED || field->type == YAML_T_SECRET)
            hide_value(b, pair->value);
        if (field->note != NULL) yaml_bind_warn(b, pair->key, "\"%s\" %s", field->key, field->note);
        if (pair->value->kind != YAML_NULL) bind_value(b, field, pair->value, base + field->offset);
    }
    bind_absent(b, schema, node, dst);
    run_checks(b, schema, node, dst);
}

/* ---- entry points ----------------------------------------------------------------------- */

static enum err_code verdict(const struct yaml_binder *b)
{
    if (b->out_of_memory) return ERR_NOMEM;
    return b->diags->error_count > 0 ? ERR_INVALID : ERR_OK;
}

enum err_code yaml_bind(struct yaml_binder *b, const struct yaml_schema *schema, void *obj)
{
    const struct yaml_node *root = b->doc->root->kind == YAML_NULL ? &NO_KEYS : b->doc->root;
    memset(obj, 0, schema->size);
    push(b, STR(""), schema, root);
    bind_struct(b, schema, root, obj);
    pop(b);
    return verdict(b);
}

enum err_code yaml_bind_field(struct yaml_binder *b, const struct yaml_field *field, void *dst)
{
    memset(dst, 0, yaml_type_size(field->type, field->schema));
    if (b->doc->root->kind != YAML_NULL) bind_value(b, field, b->doc->root, dst);
    return verdict(b);
}

enum err_code yaml_bind_defaults(struct yaml_binder *b, const struct yaml_schema *schema, void *obj)
{
    memset(obj, 0, schema->size);
    push(b, STR(""), schema, NULL);
    bind_struct(b, schema, NULL, obj);
    pop(b);
    return verdict(b);
}

void yaml_bind_node(struct yaml_binder *b, const struct yaml_field *field,
                    const struct yaml_node *node, void *dst)
{
    bind_value(b, field, node, dst);
}

bool yaml_bind_text(struct yaml_binder *b, const struct yaml_node *node, struct str *out)
{
    if (node->kind == YAML_SCALAR) return yaml_expand(b, node, 0, out);
    yaml_bind_error(b, node, "expected a scalar, found %s", kind_name(node));
    return false;
}
