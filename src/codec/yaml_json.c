/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON into the tree builder.
 */
#include "codec/json_read.h"
#include "codec/yaml_priv.h"

/* The reader, and how far lines have been counted. */
struct source {
    struct json_reader r;
    const char *counted;
    struct yaml_position at;
};

static bool is_filler(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',';
}

/* Position of the next key or value; the counting goes on from the last one. */
static struct yaml_position next_position(struct source *s)
{
    const char *p = s->r.pos;
    while (p < s->r.end && is_filler(*p))
        p++;
    for (; s->counted < p; s->counted++) {
        if (*s->counted == '\n') {
            s->at.line++;
            s->at.column = 1;
        } else if ((*s->counted & 0xc0) != 0x80) { /* not inside a character */
            s->at.column++;
        }
    }
    return s->at;
}

static void take_scalar(struct source *s, struct yaml_builder *b, enum json_kind kind)
{
    struct yaml_position at = next_position(s);
    const char *begin = s->r.pos;
    struct str text = kind == JSON_STRING ? json_str(&s->r) : json_raw(&s->r);
    if (!json_ok(&s->r)) return;
    at.width = (uint32_t)(s->r.pos - begin);
    yaml_build_scalar(b, at, text, kind == JSON_STRING, STR(""));
}

/* Take the value at hand; containers are entered. `open` has a bit per open container: is a map */
static void take_value(struct source *s, struct yaml_builder *b, uint64_t *open)
{
    enum json_kind kind = json_peek(&s->r);
    struct yaml_position at;
    switch (kind) {
    case JSON_NONE: return;
    case JSON_OBJECT:
    case JSON_ARRAY:
        at = next_position(s);
        if (kind == JSON_OBJECT)
            json_object(&s->r);
        else
            json_array(&s->r);
        if (!json_ok(&s->r)) return;
        *open = *open << 1 | (kind == JSON_OBJECT);
        yaml_build_open(b, at, kind == JSON_OBJECT, STR(""));
        return;
    case JSON_NULL:
    case JSON_BOOL:
    case JSON_NUMBER:
    case JSON_STRING: take_scalar(s, b, kind); return;
    }
}

static void build(struct source *s, struct yaml_builder *b)
{
    uint64_t open = 0;
    take_value(s, b, &open);
    while (b->depth > 0 && b->code == ERR_OK && json_ok(&s->r)) {
        struct yaml_position at = next_position(s);
        struct str key = { NULL, 0 };
        bool is_map = open & 1;
        bool has_next = is_map ? json_next_key(&s->r, &key) : json_next_item(&s->r);
        if (!json_ok(&s->r)) return;
        if (!has_next) {
            yaml_build_close(b);
            open >>= 1;
            continue;
        }
        at.width = (uint32_t)key.len + 2;
        if (is_map) yaml_build_scalar(b, at, key, true, STR(""));
        take_value(s, b, &open);
    }
}

enum err_code yaml_parse_json(struct str file, struct str text, struct arena *a,
                              struct yaml_diags *diags, struct yaml_doc *out)
{
    struct yaml_doc doc = { .file = file, .text = text };
    struct source s = { .at = { 1, 1, 1 } };
    struct err err = { 0 };
    struct yaml_builder *b = arena_new(a, struct yaml_builder);
    if (b == NULL) return ERR_NOMEM;
    yaml_build_init(b, &doc, a, diags);
    json_reader_init(&s.r, text, a);
    s.counted = s.r.begin;
    if (text.len > YAML_FILE_BYTES_MAX)
        yaml_build_fail(b, (struct yaml_position){ 0, 0, 0 }, ERR_LIMIT,
                        "file is larger than %zu MiB", YAML_FILE_BYTES_MAX >> 20);
    else
        build(&s, b);
    enum err_code rc = b->code == ERR_OK ? json_finish(&s.r, &err) : b->code;
    if (rc != ERR_OK && b->code == ERR_OK) {
        struct yaml_position at = { 0, 0, 1 };
        json_position(text, err.offset, &at.line, &at.column);
        yaml_build_fail(b, at, rc, "%s", s.r.msg);
    }
    if (rc != ERR_OK) return rc;
    doc.root = b->root;
    *out = doc;
    return ERR_OK;
}
