/* SPDX-License-Identifier: Apache-2.0
 *
 * libyaml's events into the tree builder.
 */
#include "codec/yaml.h"

#include <yaml.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "codec/yaml_priv.h"

#define TAG_PREFIX "tag:yaml.org,2002:"

static struct yaml_position position_of(const yaml_event_t *e)
{
    struct yaml_position at = { (uint32_t)e->start_mark.line + 1,
                                (uint32_t)e->start_mark.column + 1, 1 };
    if (e->start_mark.line == e->end_mark.line && e->end_mark.column > e->start_mark.column)
        at.width = (uint32_t)(e->end_mark.column - e->start_mark.column);
    return at;
}

/* Copy of a string of libyaml; empty for NULL. */
static struct str copy(struct yaml_builder *b, const yaml_char_t *text, size_t len)
{
    struct str s = arena_str(b->arena, (struct str){ (const char *)text, text ? len : 0 });
    if (s.ptr == NULL && len > 0 && text != NULL)
        yaml_build_fail(b, (struct yaml_position){ 0, 0, 0 }, ERR_NOMEM, "out of memory");
    return s;
}

static struct str copy_z(struct yaml_builder *b, const yaml_char_t *text)
{
    return copy(b, text, text ? strlen((const char *)text) : 0);
}

/* Standard tags are accepted; of these only !!str and "!" change anything. */
static bool is_string_tag(struct yaml_builder *b, struct yaml_position at, const yaml_char_t *tag)
{
    struct str s = str_of_z((const char *)tag);
    if (s.len == 0) return false;
    if (str_eq(s, STR("!")) || str_eq(s, STR(TAG_PREFIX "str"))) return true;
    if (!str_starts_with(s, STR(TAG_PREFIX)) || str_eq(s, STR(TAG_PREFIX "binary")))
        yaml_build_fail(b, at, ERR_INVALID, "tag \"%.100s\" is not supported", (const char *)tag);
    return false;
}

static void take_scalar(struct yaml_builder *b, const yaml_event_t *e)
{
    struct yaml_position at = position_of(e);
    bool is_quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (is_string_tag(b, at, e->data.scalar.tag)) is_quoted = true;
    yaml_build_scalar(b, at, copy(b, e->data.scalar.value, e->data.scalar.length), is_quoted,
                      copy_z(b, e->data.scalar.anchor));
}

static void open_container(struct yaml_builder *b, const yaml_event_t *e, bool is_map)
{
    struct yaml_position at = position_of(e);
    const yaml_char_t *tag = is_map ? e->data.mapping_start.tag : e->data.sequence_start.tag;
    const yaml_char_t *anchor =
        is_map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
    at.width = 1;
    (void)is_string_tag(b, at, tag);
    yaml_build_open(b, at, is_map, copy_z(b, anchor));
}

/* One event; false when the stream is at its end or the tree has failed. */
static bool take_event(struct yaml_builder *b, const yaml_event_t *e)
{
    switch ((int)e->type) {
    case YAML_STREAM_END_EVENT: return false;
    case YAML_DOCUMENT_START_EVENT:
        if (b->root != NULL)
            yaml_build_fail(b, position_of(e), ERR_INVALID, "more than one document");
        break;
    case YAML_ALIAS_EVENT:
        yaml_build_alias(b, position_of(e), copy_z(b, e->data.alias.anchor));
        break;
    case YAML_SCALAR_EVENT: take_scalar(b, e); break;
    case YAML_SEQUENCE_START_EVENT: open_container(b, e, false); break;
    case YAML_MAPPING_START_EVENT: open_container(b, e, true); break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: yaml_build_close(b); break;
    default: break;
    }
    return b->code == ERR_OK;
}

/* What libyaml's parser says about its failure. */
static void report_syntax(struct yaml_builder *b, const yaml_parser_t *parser)
{
    const char *problem = parser->problem ? parser->problem : "invalid YAML";
    struct yaml_position at = { (uint32_t)parser->problem_mark.line + 1,
                                (uint32_t)parser->problem_mark.column + 1, 1 };
    if (parser->error == YAML_MEMORY_ERROR) {
        yaml_build_fail(b, (struct yaml_position){ 0, 0, 0 }, ERR_NOMEM, "out of memory");
    } else if (parser->error == YAML_READER_ERROR) {
        /* the mark is not set; the offset is in bytes */
        struct str before = str_sub(b->doc->text, 0, parser->problem_offset);
        at = (struct yaml_position){ 1, 1, 1 };
        for (size_t i = 0; i < before.len; i++) {
            at.column++;
            if (before.ptr[i] != '\n') continue;
            at.line++;
            at.column = 1;
        }
        yaml_build_fail(b, at, ERR_INVALID, "%s", problem);
    } else if (parser->context != NULL) {
        yaml_build_fail(b, at, ERR_INVALID, "%s (%s in line %zu)", problem, parser->context,
                        parser->context_mark.line + 1);
    } else {
        yaml_build_fail(b, at, ERR_INVALID, "%s", problem);
    }
}

static void run_parser(struct yaml_builder *b, struct str text)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        yaml_build_fail(b, (struct yaml_position){ 0, 0, 0 }, ERR_NOMEM, "out of memory");
        return;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.ptr ? text.ptr : ""),
                                 text.len);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    for (bool has_more = true; has_more;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            report_syntax(b, &parser);
            break;
        }
        has_more = take_event(b, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
}

enum err_code yaml_parse(struct str file, struct str text, struct arena *a,
                         struct yaml_diags *diags, struct yaml_doc *out)
{
    static const struct yaml_node nothing = {
        .kind = YAML_NULL, .line = 1, .column = 1, .width = 1, .subtree = 1
    };
    struct yaml_doc doc = { .file = file, .text = text };
    struct yaml_builder *b = arena_new(a, struct yaml_builder);
    if (b == NULL) return ERR_NOMEM;
    yaml_build_init(b, &doc, a, diags);
    if (text.len > YAML_FILE_BYTES_MAX) {
        yaml_build_fail(b, (struct yaml_position){ 0, 0, 0 }, ERR_LIMIT,
                        "file is larger than %zu MiB", YAML_FILE_BYTES_MAX >> 20);
    } else {
        run_parser(b, text);
    }
    if (b->code != ERR_OK) return b->code;
    doc.root = b->root ? b->root : &nothing;
    *out = doc;
    return ERR_OK;
}
