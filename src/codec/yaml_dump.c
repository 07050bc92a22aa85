/* SPDX-License-Identifier: Apache-2.0
 *
 * Bound structs back to YAML.
 */
#include "base/assert.h"
#include "base/duration.h"
#include "base/float_text.h"
#include "codec/url.h"
#include "codec/utf8.h"
#include "codec/yaml_priv.h"

/* Output, and how the next line begins: the first key of a list item follows its dash. */
struct dump {
    struct buf *out;
    unsigned indent;
    bool is_after_dash;
};

/* ---- scalars ---------------------------------------------------------------------------- */

static bool is_plain_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_./+-=@$^()~:", c) != NULL);
}

/* Would a YAML reader take the bare text for this very string? */
static bool is_plain_string(struct str s)
{
    static const struct str words[] = { STR_INIT("true"), STR_INIT("false"), STR_INIT("yes"),
                                        STR_INIT("no"),   STR_INIT("on"),    STR_INIT("off"),
                                        STR_INIT("null"), STR_INIT("y"),     STR_INIT("n") };
    double number;
    if (s.len == 0 || strchr("-+:@~=", s.ptr[0]) != NULL || s.ptr[s.len - 1] == ':') return false;
    for (size_t i = 0; i < s.len; i++)
        if (!is_plain_char(s.ptr[i])) return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (str_eq_nocase(s, words[i])) return false;
    /* numbers, and what YAML 1.1 takes for numbers: 0x1F, 1:30, .inf */
    if (s.ptr[0] == '.' || float_parse(s, &number)) return false;
    bool is_numeric = true;
    for (size_t i = 0; i < s.len && is_numeric; i++)
        is_numeric = (s.ptr[i] >= '0' && s.ptr[i] <= '9') || s.ptr[i] == ':' || s.ptr[i] == '.' ||
                     s.ptr[i] == '_' || s.ptr[i] == '-';
    return !is_numeric && !str_starts_with(s, STR("0x")) && !str_starts_with(s, STR("0o"));
}

static void put_code(struct buf *out, uint32_t code)
{
    if (code < 0x100)
        buf_printf(out, "\\x%02X", code);
    else if (code < 0x10000)
        buf_printf(out, "\\u%04X", code);
    else
        buf_printf(out, "\\U%08X", code);
}

static void put_quoted(struct str s, struct buf *out)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < s.len;) {
        unsigned length = utf8_length(s.ptr + i, s.len - i);
        uint32_t code = length ? utf8_code(s.ptr + i, length) : 0xfffd;
        bool is_printable = code >= 0x20 && code != 0x7f && !(code >= 0x80 && code < 0xa0) &&
                            code != 0x2028 && code != 0x2029 && code != 0xfeff &&
                            (code & 0xfffe) != 0xfffe;
        if (code == '"' || code == '\\')
            buf_printf(out, "\\%c", (int)code);
        else if (code == '\n')
            buf_put_lit(out, "\\n");
        else if (code == '\t')
            buf_put_lit(out, "\\t");
        else if (is_printable && length > 0)
            buf_put(out, s.ptr + i, length);
        else
            put_code(out, code);
        i += length ? length : 1;
    }
    buf_put_u8(out, '"');
}

void yaml_dump_scalar(struct str s, struct buf *out)
{
    if (is_plain_string(s))
        buf_put_str(out, s);
    else
        put_quoted(s, out);
}

static struct str str_at(const void *src)
{
    struct str s;
    memcpy(&s, src, sizeof s);
    return s;
}

static void put_float(double v, struct buf *out)
{
    char text[FLOAT_TEXT_SIZE];
    if (v != v) {
        buf_put_lit(out, ".nan");
    } else if (v - v != 0) {
        buf_put_str(out, v > 0 ? STR(".inf") : STR("-.inf"));
    } else {
        buf_put(out, text, float_format(v, FLOAT_SHORTEST, text));
    }
}

static void put_url(struct str s, struct buf *out)
{
    struct buf masked;
    buf_init(&masked, out->mem, (size_t)64 << 10);
    url_put_redacted(s, &masked);
    if (buf_failed(&masked)) out->failed = true;
    yaml_dump_scalar(buf_str(&masked), out);
    buf_deinit(&masked);
}

static void put_scalar(const struct yaml_field *f, const void *src, struct buf *out)
{
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;
    bool truth = false;
    int index = 0;
    char text[DURATION_TEXT_SIZE];
    switch ((int)f->type) {
    case YAML_T_SECRET: buf_put_lit(out, "<secret>"); return;
    case YAML_T_URL: put_url(str_at(src), out); return;
    case YAML_T_BOOL:
        memcpy(&truth, src, sizeof truth);
        buf_put_str(out, truth ? STR("true") : STR("false"));
        return;
    case YAML_T_INT:
        memcpy(&i, src, sizeof i);
        buf_put_i64_text(out, i);
        return;
    case YAML_T_DURATION:
        memcpy(&i, src, sizeof i);
        buf_put(out, text, duration_format(i, text));
        return;
    case YAML_T_UINT:
    case YAML_T_SIZE:
        memcpy(&u, src, sizeof u);
        buf_put_u64_text(out, u);
        return;
    case YAML_T_FLOAT:
        memcpy(&d, src, sizeof d);
        put_float(d, out);
        return;
    case YAML_T_ENUM:
        memcpy(&index, src, sizeof index);
        yaml_dump_scalar(str_of_z(f->names[index]), out);
        return;
    default: yaml_dump_scalar(str_at(src), out); return;
    }
}

/* Nothing to say: zero without a default, or an empty string. */
static bool is_left_out(const struct yaml_field *f, const void *src)
{
    static const uint8_t zeros[sizeof(struct str)];
    bool is_text = f->type == YAML_T_STR || f->type == YAML_T_SECRET || f->type == YAML_T_URL ||
                   f->type == YAML_T_REGEX;
    if (f->flags & YAML_F_KEEP_ZERO) return false;
    if (is_text) return str_at(src).len == 0 && (f->default_text == NULL || !*f->default_text);
    return f->default_text == NULL && memcmp(src, zeros, yaml_type_size(f->type, NULL)) == 0;
}

/* ---- structs, lists, maps --------------------------------------------------------------- */

static void dump_struct(struct dump *d, const struct yaml_schema *schema, const void *obj);

static void begin_line(struct dump *d)
{
    unsigned blanks = d->indent;
    if (d->is_after_dash) {
        d->is_after_dash = false;
        return;
    }
    for (; blanks > 0; blanks--)
        buf_put_u8(d->out, ' ');
}

static void put_key(struct dump *d, struct str key)
{
    begin_line(d);
    yaml_dump_scalar(key, d->out);
    buf_put_u8(d->out, ':');
}

/* A struct under its key; nothing at all if it has nothing to say. `must_show`: "{}" instead. */
static void dump_nested(struct dump *d, struct str key, const struct yaml_schema *schema,
                        const void *obj, bool must_show)
{
    size_t before = d->out->len;
    bool was_after_dash = d->is_after_dash;
    put_key(d, key);
    size_t after_key = d->out->len;
    buf_put_u8(d->out, '\n');
    size_t empty = d->out->len;
    d->indent += 2;
    dump_struct(d, schema, obj);
    d->indent -= 2;
    if (d->out->len != empty || buf_failed(d->out)) return;
    if (must_show) {
        d->out->len = after_key;
        buf_put_lit(d->out, " {}\n");
    } else {
        d->out->len = before;
        d->is_after_dash = was_after_dash;
    }
}

static void dump_list(struct dump *d, const struct yaml_field *f, const struct yaml_list *list)
{
    struct yaml_field element = *f;
    element.type = f->elem;
    size_t size = yaml_type_size(f->elem, f->schema);
    for (size_t i = 0; i < list->count; i++) {
        const uint8_t *item = (const uint8_t *)list->items + i * size;
        begin_line(d);
        buf_put_lit(d->out, "- ");
        if (yaml_is_scalar_type(f->elem)) {
            put_scalar(&element, item, d->out);
            buf_put_u8(d->out, '\n');
            continue;
        }
        if (f->elem == YAML_T_CUSTOM) {
            f->dump(item, d->out);
            buf_put_u8(d->out, '\n');
            continue;
        }
        d->indent += 2;
        d->is_after_dash = true;
        dump_struct(d, f->schema, item);
        d->indent -= 2;
        if (d->is_after_dash) buf_put_lit(d->out, "{}\n");
        d->is_after_dash = false;
    }
}

static void dump_map(struct dump *d, const struct yaml_field *f, const struct yaml_list *map)
{
    struct yaml_field element = *f;
    element.type = f->elem;
    element.elem = f->flags & YAML_F_SECRET ? YAML_T_SECRET : YAML_T_STR;
    for (size_t i = 0; i < map->count; i++) {
        if (f->elem == YAML_T_STRUCT) {
            const uint8_t *entry = (const uint8_t *)map->items + i * f->schema->size;
            dump_nested(d, str_at(entry), f->schema, entry, true);
            continue;
        }
        size_t size = sizeof(struct str) + yaml_type_size(f->elem, NULL);
        const uint8_t *entry = (const uint8_t *)map->items + i * size;
        const uint8_t *value = entry + sizeof(struct str);
        put_key(d, str_at(entry));
        if (f->elem == YAML_T_LIST) {
            struct yaml_list list;
            memcpy(&list, value, sizeof list);
            buf_put_u8(d->out, '\n');
            dump_list(d, &element, &list);
        } else {
            buf_put_u8(d->out, ' ');
            put_scalar(&element, value, d->out);
            buf_put_u8(d->out, '\n');
        }
    }
}

static void dump_custom(struct dump *d, const struct yaml_field *f, const void *src)
{
    size_t before = d->out->len;
    bool was_after_dash = d->is_after_dash;
    if (f->dump == NULL) return;
    put_key(d, str_of_z(f->key));
    buf_put_u8(d->out, ' ');
    size_t empty = d->out->len;
    f->dump(src, d->out);
    if (d->out->len == empty) {
        d->out->len = before;
        d->is_after_dash = was_after_dash;
    } else {
        buf_put_u8(d->out, '\n');
    }
}

static void dump_container(struct dump *d, const struct yaml_field *f, const void *src)
{
    struct yaml_list list;
    memcpy(&list, src, sizeof list);
    if (list.count == 0) return;
    put_key(d, str_of_z(f->key));
    buf_put_u8(d->out, '\n');
    d->indent += f->type == YAML_T_MAP ? 2 : 0;
    if (f->type == YAML_T_MAP)
        dump_map(d, f, &list);
    else
        dump_list(d, f, &list);
    d->indent -= f->type == YAML_T_MAP ? 2 : 0;
}

static void dump_field(struct dump *d, const struct yaml_field *f, const void *src)
{
    const void *pointed = NULL;
    switch (f->type) {
    case YAML_T_INLINE: dump_struct(d, f->schema, src); return;
    case YAML_T_STRUCT: dump_nested(d, str_of_z(f->key), f->schema, src, false); return;
    case YAML_T_STRUCT_PTR:
        memcpy(&pointed, src, sizeof pointed);
        if (pointed != NULL) dump_nested(d, str_of_z(f->key), f->schema, pointed, true);
        return;
    case YAML_T_LIST:
    case YAML_T_MAP: dump_container(d, f, src); return;
    case YAML_T_CUSTOM: dump_custom(d, f, src); return;
    case YAML_T_NODE:
    case YAML_T_UNUSED: return;
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
    if (is_left_out(f, src)) return;
    put_key(d, str_of_z(f->key));
    buf_put_u8(d->out, ' ');
    put_scalar(f, src, d->out);
    buf_put_u8(d->out, '\n');
}

static void dump_struct(struct dump *d, const struct yaml_schema *schema, const void *obj)
{
    for (size_t i = 0; i < schema->field_count; i++)
        dump_field(d, &schema->fields[i], (const uint8_t *)obj + schema->fields[i].offset);
}

void yaml_dump(const struct yaml_schema *schema, const void *obj, struct buf *out)
{
    struct dump d = { .out = out };
    dump_struct(&d, schema, obj);
}
