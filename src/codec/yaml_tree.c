/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "codec/yaml_priv.h"

#define ANCHORS_MAX 1000

void yaml_build_init(struct yaml_builder *b, const struct yaml_doc *doc, struct arena *a,
                     struct yaml_diags *diags)
{
    *b = (struct yaml_builder){ .arena = a, .diags = diags, .doc = doc };
}

static void report(struct yaml_builder *b, struct yaml_position at, const char *text)
{
    yaml_diags_add(
        b->diags, b->doc,
        (struct yaml_diag){
            .line = at.line, .column = at.column, .width = at.width, .message = str_of_z(text) });
}

void yaml_build_fail(struct yaml_builder *b, struct yaml_position at, enum err_code code,
                     const char *fmt, ...)
{
    char text[400];
    va_list args;
    if (b->code != ERR_OK) return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    report(b, at, text);
    b->code = code;
}

static void no_memory(struct yaml_builder *b)
{
    yaml_build_fail(b, (struct yaml_position){ 0, 0, 0 }, ERR_NOMEM, "out of memory");
}

static struct yaml_position position_of(const struct yaml_node *node)
{
    return (struct yaml_position){ node->line, node->column, node->width };
}

/* ---- adding nodes ----------------------------------------------------------------------- */

static struct yaml_node *new_node(struct yaml_builder *b, struct yaml_position at,
                                  enum yaml_node_kind kind)
{
    struct yaml_node *node = arena_new(b->arena, struct yaml_node);
    if (node == NULL) {
        no_memory(b);
        return NULL;
    }
    node->kind = kind;
    node->line = at.line;
    node->column = at.column;
    node->width = at.width ? at.width : 1;
    node->subtree = 1;
    return node;
}

static bool is_key_due(const struct yaml_builder *b)
{
    return b->depth > 0 && b->frames[b->depth - 1].node->kind == YAML_MAP &&
           b->frames[b->depth - 1].count % 2 == 0;
}

/* Hang a finished node into the innermost open container. */
static void add(struct yaml_builder *b, const struct yaml_node *node)
{
    if (b->depth == 0) {
        b->root = node;
        return;
    }
    struct yaml_frame *f = &b->frames[b->depth - 1];
    if (is_key_due(b) && node->kind != YAML_SCALAR) {
        yaml_build_fail(b, position_of(node), ERR_INVALID, "a key must be a scalar");
        return;
    }
    if (f->count == f->cap) {
        uint32_t cap = f->cap ? f->cap * 2 : 8;
        const struct yaml_node **items = arena_array_raw(b->arena, const struct yaml_node *, cap);
        if (items == NULL) {
            no_memory(b);
            return;
        }
        if (f->count > 0) memcpy(items, f->items, f->count * sizeof *items);
        f->items = items;
        f->cap = cap;
    }
    f->items[f->count++] = node;
    if (__builtin_add_overflow(f->node->subtree, node->subtree, &f->node->subtree))
        f->node->subtree = UINT32_MAX;
    if (node->height >= f->node->height) f->node->height = node->height + 1;
}

static void remember_anchor(struct yaml_builder *b, struct str name, const struct yaml_node *node)
{
    if (name.len == 0 || b->code != ERR_OK) return;
    if (++b->anchor_count > ANCHORS_MAX) {
        yaml_build_fail(b, position_of(node), ERR_LIMIT, "more than %d anchors", ANCHORS_MAX);
        return;
    }
    struct yaml_anchor *anchor = arena_new(b->arena, struct yaml_anchor);
    if (anchor == NULL) {
        no_memory(b);
        return;
    }
    *anchor = (struct yaml_anchor){ name, node, b->anchors };
    b->anchors = anchor;
}

static bool is_null_word(struct str s)
{
    return s.len == 0 || str_eq(s, STR("~")) || str_eq(s, STR("null")) || str_eq(s, STR("Null")) ||
           str_eq(s, STR("NULL"));
}

void yaml_build_scalar(struct yaml_builder *b, struct yaml_position at, struct str text,
                       bool is_quoted, struct str anchor)
{
    if (b->code != ERR_OK) return;
    bool is_null = !is_quoted && is_null_word(text) && !is_key_due(b);
    struct yaml_node *node = new_node(b, at, is_null ? YAML_NULL : YAML_SCALAR);
    if (node == NULL) return;
    node->is_quoted = is_quoted;
    node->v.text = text;
    remember_anchor(b, anchor, node);
    add(b, node);
}

void yaml_build_open(struct yaml_builder *b, struct yaml_position at, bool is_map,
                     struct str anchor)
{
    if (b->code != ERR_OK) return;
    if (b->depth == YAML_DEPTH_MAX) {
        yaml_build_fail(b, at, ERR_LIMIT, "nested more than %d levels deep", YAML_DEPTH_MAX);
        return;
    }
    struct yaml_node *node = new_node(b, at, is_map ? YAML_MAP : YAML_LIST);
    if (node == NULL) return;
    b->frames[b->depth++] = (struct yaml_frame){ .node = node, .anchor = anchor };
}

void yaml_build_alias(struct yaml_builder *b, struct yaml_position at, struct str name)
{
    if (b->code != ERR_OK) return;
    const struct yaml_anchor *anchor = b->anchors;
    while (anchor != NULL && !str_eq(anchor->name, name))
        anchor = anchor->next;
    if (anchor == NULL) {
        yaml_build_fail(b, at, ERR_INVALID, "unknown anchor \"" STR_FMT "\"", STR_ARG(name));
        return;
    }
    if (__builtin_add_overflow(b->alias_nodes, anchor->node->subtree, &b->alias_nodes) ||
        b->alias_nodes > YAML_ALIAS_NODES_MAX) {
        yaml_build_fail(b, at, ERR_LIMIT, "aliases stand for more than %d nodes",
                        YAML_ALIAS_NODES_MAX);
        return;
    }
    if (b->depth + anchor->node->height > YAML_DEPTH_MAX) {
        yaml_build_fail(b, at, ERR_LIMIT, "nested more than %d levels deep", YAML_DEPTH_MAX);
        return;
    }
    add(b, anchor->node);
}

/* ---- finishing maps: merge keys and duplicates ------------------------------------------ */

static int by_key(const void *x, const void *y)
{
    const struct yaml_pair *a = *(const struct yaml_pair *const *)x;
    const struct yaml_pair *b = *(const struct yaml_pair *const *)y;
    int order = str_cmp(a->key->v.text, b->key->v.text);
    if (order != 0) return order;
    return a < b ? -1 : a > b; /* pairs of one array: order of the text */
}

struct pair_index {
    const struct yaml_pair **sorted;
    uint32_t count;
};

static bool index_pairs(struct yaml_builder *b, const struct yaml_pair *pairs, uint32_t count,
                        struct pair_index *out)
{
    out->count = count;
    out->sorted = arena_array_raw(b->arena, const struct yaml_pair *, count + 1);
    if (out->sorted == NULL) {
        no_memory(b);
        return false;
    }
    for (uint32_t i = 0; i < count; i++)
        out->sorted[i] = &pairs[i];
    qsort(out->sorted, count, sizeof *out->sorted, by_key);
    return true;
}

static bool is_merge_key(const struct yaml_node *key)
{
    return !key->is_quoted && str_eq(key->v.text, STR("<<"));
}

/* Leave only the first of the pairs with equal keys; `is_error`: report the others. */
static void drop_duplicates(struct yaml_builder *b, struct yaml_pair *pairs, uint32_t *count,
                            bool is_error)
{
    struct pair_index index;
    bool has_duplicate = false;
    if (!index_pairs(b, pairs, *count, &index)) return;
    for (uint32_t i = 1; i < index.count; i++) {
        const struct yaml_node *first = index.sorted[i - 1]->key, *again = index.sorted[i]->key;
        if (!str_eq(first->v.text, again->v.text)) continue;
        if (is_error) {
            char key[100], text[200];
            (void)snprintf(text, sizeof text, "key \"%s\" is given twice, first in line %u",
                           str_z(again->v.text, key, sizeof key), first->line);
            report(b, position_of(again), text);
        }
        pairs[index.sorted[i] - pairs].value = NULL;
        index.sorted[i] = index.sorted[i - 1];
        has_duplicate = true;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; has_duplicate && i < *count; i++)
        if (pairs[i].value != NULL) pairs[kept++] = pairs[i];
    if (has_duplicate) *count = kept;
}

/* What `<<: value` brings: one map or a list of maps. */
static bool check_merge(struct yaml_builder *b, const struct yaml_node *value, uint32_t *out_pairs)
{
    bool is_valid = value->kind == YAML_MAP || value->kind == YAML_LIST;
    uint32_t total = value->kind == YAML_MAP ? value->count : 0;
    for (uint32_t i = 0; value->kind == YAML_LIST && i < value->count; i++) {
        is_valid = is_valid && value->v.items[i]->kind == YAML_MAP;
        total += value->v.items[i]->count;
    }
    if (!is_valid)
        yaml_build_fail(b, position_of(value), ERR_INVALID, "<< needs a map or a list of maps");
    *out_pairs = total;
    return is_valid;
}

static void append_pairs(const struct yaml_node *from, struct yaml_pair *pairs, uint32_t *count)
{
    if (from->count > 0) memcpy(pairs + *count, from->v.pairs, from->count * sizeof *pairs);
    *count += from->count;
}

/* Replace the pair at `merge` by what it brings, behind the map's own pairs. */
static void resolve_merge(struct yaml_builder *b, struct yaml_node *map, struct yaml_pair *pairs,
                          uint32_t merge)
{
    const struct yaml_node *value = pairs[merge].value;
    uint32_t extra = 0, count = map->count - 1;
    if (!check_merge(b, value, &extra)) return;
    struct yaml_pair *merged = arena_array_raw(b->arena, struct yaml_pair, count + extra + 1);
    if (merged == NULL) {
        no_memory(b);
        return;
    }
    if (merge > 0) memcpy(merged, pairs, merge * sizeof *pairs);
    if (count > merge) memcpy(merged + merge, pairs + merge + 1, (count - merge) * sizeof *pairs);
    if (value->kind == YAML_MAP) append_pairs(value, merged, &count);
    for (uint32_t i = 0; value->kind == YAML_LIST && i < value->count; i++)
        append_pairs(value->v.items[i], merged, &count);
    drop_duplicates(b, merged, &count, false);
    map->v.pairs = merged;
    map->count = count;
}

static void close_map(struct yaml_builder *b, const struct yaml_frame *f)
{
    struct yaml_node *map = f->node;
    uint32_t count = f->count / 2;
    struct yaml_pair *pairs = arena_array_raw(b->arena, struct yaml_pair, count + 1);
    if (pairs == NULL) {
        no_memory(b);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        pairs[i] = (struct yaml_pair){ f->items[2 * i], f->items[2 * i + 1] };
    drop_duplicates(b, pairs, &count, true);
    map->v.pairs = pairs;
    map->count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_merge_key(pairs[i].key)) continue;
        resolve_merge(b, map, pairs, i);
        return; /* there is only one: duplicates are gone */
    }
}

void yaml_build_close(struct yaml_builder *b)
{
    if (b->code != ERR_OK) return;
    ASSERT(b->depth > 0);
    struct yaml_frame *f = &b->frames[b->depth - 1];
    if (f->node->kind == YAML_MAP) {
        ASSERT(f->count % 2 == 0);
        close_map(b, f);
    } else {
        f->node->v.items = f->items;
        f->node->count = f->count;
    }
    b->depth--;
    remember_anchor(b, f->anchor, f->node);
    if (b->code == ERR_OK) add(b, f->node);
}

/* ---- access ----------------------------------------------------------------------------- */

static const struct yaml_pair *find_pair(const struct yaml_node *map, struct str key)
{
    if (map == NULL || map->kind != YAML_MAP) return NULL;
    for (uint32_t i = 0; i < map->count; i++)
        if (str_eq(map->v.pairs[i].key->v.text, key)) return &map->v.pairs[i];
    return NULL;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, struct str key)
{
    const struct yaml_pair *pair = find_pair(map, key);
    return pair ? pair->value : NULL;
}

const struct yaml_node *yaml_get_key(const struct yaml_node *map, struct str key)
{
    const struct yaml_pair *pair = find_pair(map, key);
    return pair ? pair->key : NULL;
}
