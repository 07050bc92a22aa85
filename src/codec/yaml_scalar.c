/* SPDX-License-Identifier: Apache-2.0
 *
 * Scalars: expansion of ${...}, and text to value.
 */
#include <stdio.h>

#include "base/assert.h"
#include "base/duration.h"
#include "base/float_text.h"
#include "codec/regex.h"
#include "codec/url.h"
#include "codec/yaml_priv.h"

#define EXPANDED_BYTES_MAX ((size_t)1 << 20)

/* ---- ${...} ----------------------------------------------------------------------------- */

/* One expansion at work. `rest` is what has not been looked at. */
struct expansion {
    struct yaml_binder *b;
    const struct yaml_node *node;
    struct str rest;
    struct buf out;
    bool has_failed;
};

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_letter && (i == 0 || c < '0' || c > '9')) return false;
    }
    return s.len > 0;
}

static bool lookup(const struct yaml_binder *b, struct str name, struct str *out)
{
    return b->env != NULL && b->env->lookup != NULL && b->env->lookup(b->env->ctx, name, out);
}

static void expand_env(struct expansion *x, struct str inside)
{
    size_t mark = str_find(inside, STR(":-"));
    struct str name = str_sub(inside, 0, mark), value;
    if (!is_name(name)) {
        yaml_bind_error(x->b, x->node, "invalid variable name \"" STR_FMT "\"", STR_ARG(name));
        x->has_failed = true;
    } else if (lookup(x->b, name, &value)) {
        buf_put_str(&x->out, value);
    } else if (mark < inside.len) {
        buf_put_str(&x->out, str_sub(inside, mark + 2, inside.len));
    } else {
        yaml_bind_error(x->b, x->node, "environment variable \"" STR_FMT "\" is not set",
                        STR_ARG(name));
        x->has_failed = true;
    }
}

static void expand_file(struct expansion *x, struct str inside)
{
    const struct yaml_env *env = x->b->env;
    char path[FILE_PATH_SIZE], absolute[FILE_PATH_SIZE];
    struct err err = { 0 };
    struct bytes content = { NULL, 0 };
    enum err_code rc = ERR_OK;
    if (env == NULL || env->files == NULL || env->budget == NULL) {
        yaml_bind_error(x->b, x->node, "files cannot be read here");
        x->has_failed = true;
        return;
    }
    (void)str_z(inside, path, sizeof path);
    if (path[0] != '/' && env->base_dir.len > 0) {
        char dir[FILE_PATH_SIZE];
        rc = file_join(absolute, str_z(env->base_dir, dir, sizeof dir), path, &err);
    } else {
        memcpy(absolute, path, sizeof path);
    }
    const struct mem_source *mem = mem_source_of(env->budget, MEM_SYSTEM);
    if (rc == ERR_OK)
        rc = file_read_all(env->files, absolute, mem, EXPANDED_BYTES_MAX, &content, &err);
    if (rc != ERR_OK) {
        char text[256];
        err_text(&err, text, sizeof text);
        yaml_bind_error(x->b, x->node, "cannot read file \"" STR_FMT "\": %s", STR_ARG(inside),
                        text);
        x->has_failed = true;
        return;
    }
    struct str value = str_of_bytes(content);
    while (value.len > 0 && (value.ptr[value.len - 1] == '\n' || value.ptr[value.len - 1] == '\r'))
        value.len--;
    buf_put_str(&x->out, value);
    if (content.ptr != NULL) mem->free(mem->ctx, (void *)(uintptr_t)content.ptr, content.len);
}

/* $NAME, ${NAME} and $$ as Go's os.Expand, at the '$' in front of rest. */
static void expand_os_env(struct expansion *x)
{
    struct str rest = str_sub(x->rest, 1, x->rest.len), name, value;
    if (rest.len > 0 && rest.ptr[0] == '$') {
        buf_put_u8(&x->out, '$');
        x->rest = str_sub(rest, 1, rest.len);
        return;
    }
    bool has_brace = rest.len > 0 && rest.ptr[0] == '{';
    size_t begin = has_brace, end = begin;
    while (end < rest.len && is_name(str_sub(rest, begin, end + 1)))
        end++;
    name = str_sub(rest, begin, end);
    if (name.len == 0 || (has_brace && (end == rest.len || rest.ptr[end] != '}'))) {
        buf_put_u8(&x->out, '$');
        x->rest = rest;
        return;
    }
    if (lookup(x->b, name, &value))
        buf_put_str(&x->out, value);
    else
        yaml_bind_warn(x->b, x->node, "environment variable \"" STR_FMT "\" is not set",
                       STR_ARG(name));
    x->rest = str_sub(rest, end + has_brace, rest.len);
}

/* The reference at the front of rest, a '$'. */
static void expand_one(struct expansion *x, unsigned flags)
{
    bool is_env = str_starts_with(x->rest, STR("${env:"));
    bool is_file = str_starts_with(x->rest, STR("${file:"));
    if (!is_env && !is_file) {
        if (flags & YAML_F_OS_ENV) {
            expand_os_env(x);
            return;
        }
        buf_put_u8(&x->out, '$');
        x->rest = str_sub(x->rest, 1, x->rest.len);
        return;
    }
    size_t close = str_index(x->rest, '}');
    if (close == x->rest.len) {
        yaml_bind_error(x->b, x->node, "\"%s\" is not closed by \"}\"",
                        is_env ? "${env:" : "${file:");
        x->has_failed = true;
        return;
    }
    struct str inside = str_sub(x->rest, is_env ? 6 : 7, close);
    if (is_env)
        expand_env(x, inside);
    else
        expand_file(x, inside);
    x->rest = str_sub(x->rest, close + 1, x->rest.len);
}

bool yaml_expand(struct yaml_binder *b, const struct yaml_node *node, unsigned flags,
                 struct str *out)
{
    struct str text = node->v.text;
    if ((flags & YAML_F_NO_EXPAND) || str_index(text, '$') == text.len) {
        *out = text;
        return true;
    }
    struct expansion x = { .b = b, .node = node, .rest = text };
    buf_init(&x.out, b->arena->mem, EXPANDED_BYTES_MAX);
    while (x.rest.len > 0 && !x.has_failed) {
        size_t dollar = str_index(x.rest, '$');
        buf_put_str(&x.out, str_sub(x.rest, 0, dollar));
        x.rest = str_sub(x.rest, dollar, x.rest.len);
        if (x.rest.len > 0) expand_one(&x, flags);
    }
    struct str copy = arena_str(b->arena, buf_str(&x.out));
    if (buf_failed(&x.out) || (copy.ptr == NULL && x.out.len > 0)) b->out_of_memory = true;
    buf_deinit(&x.out);
    if (x.has_failed || b->out_of_memory) return false;
    *out = copy;
    return true;
}

/* ---- text to value ---------------------------------------------------------------------- */

bool yaml_is_scalar_type(enum yaml_type type)
{
    return type <= YAML_T_ENUM;
}

size_t yaml_type_size(enum yaml_type type, const struct yaml_schema *schema)
{
    switch (type) {
    case YAML_T_STR:
    case YAML_T_SECRET:
    case YAML_T_URL:
    case YAML_T_REGEX: return sizeof(struct str);
    case YAML_T_BOOL: return sizeof(bool);
    case YAML_T_INT:
    case YAML_T_DURATION: return sizeof(int64_t);
    case YAML_T_UINT:
    case YAML_T_SIZE: return sizeof(uint64_t);
    case YAML_T_FLOAT: return sizeof(double);
    case YAML_T_ENUM: return sizeof(int);
    case YAML_T_STRUCT:
    case YAML_T_CUSTOM: return schema->size;
    case YAML_T_STRUCT_PTR:
    case YAML_T_NODE: return sizeof(void *);
    case YAML_T_LIST:
    case YAML_T_MAP: return sizeof(struct yaml_list);
    case YAML_T_INLINE:
    case YAML_T_UNUSED: break;
    }
    UNREACHABLE();
}

static bool parse_bool(struct str s, bool *out)
{
    static const struct str words[] = { STR_INIT("false"), STR_INIT("no"),  STR_INIT("off"),
                                        STR_INIT("true"),  STR_INIT("yes"), STR_INIT("on") };
    for (size_t i = 0; i < 6; i++) {
        if (!str_eq_nocase(s, words[i])) continue;
        *out = i >= 3;
        return true;
    }
    return false;
}

static bool parse_float(struct str s, double *out)
{
    bool is_negative = s.len > 0 && s.ptr[0] == '-';
    struct str word = str_sub(s, s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+'), s.len);
    if (str_eq_nocase(word, STR(".inf"))) {
        *out = is_negative ? -__builtin_inf() : __builtin_inf();
        return true;
    }
    if (str_eq_nocase(s, STR(".nan"))) {
        *out = __builtin_nan("");
        return true;
    }
    return float_parse(s, out);
}

/* "10", "1.5GB", "512 MiB"; units are powers of 1024 with or without the "i". */
static bool parse_size(struct str s, uint64_t *out)
{
    static const char units[] = "KMGTPE";
    size_t digits = 0;
    double number = 0, factor = 1;
    while (digits < s.len &&
           ((s.ptr[digits] >= '0' && s.ptr[digits] <= '9') || s.ptr[digits] == '.'))
        digits++;
    struct str unit = str_trim(str_sub(s, digits, s.len));
    if (unit.len > 0) {
        for (size_t i = 0; units[i] != '\0'; i++)
            if (unit.ptr[0] == units[i] || unit.ptr[0] == units[i] + ('a' - 'A'))
                factor = (double)((uint64_t)1 << (10 * (i + 1)));
        if (factor > 1) unit = str_sub(unit, 1, unit.len);
        if (factor > 1 && unit.len > 1 && unit.ptr[0] == 'i') unit = str_sub(unit, 1, unit.len);
        if (unit.len > 0 && !str_eq_nocase(unit, STR("B"))) return false;
    }
    if (factor <= 1 && str_to_u64(str_sub(s, 0, digits), out)) return true;
    if (digits == 0 || !float_parse(str_sub(s, 0, digits), &number)) return false;
    number *= factor;
    if (!(number >= 0 && number < 9.2e18)) return false;
    *out = (uint64_t)number;
    return true;
}

static bool parse_int(struct str s, int64_t *out)
{
    uint64_t v = 0;
    if (!str_starts_with(s, STR("0x"))) return str_to_i64(s, out);
    if (s.len < 3 || s.len > 17) return false;
    for (size_t i = 2; i < s.len; i++) {
        const char *digits = "0123456789abcdefABCDEF";
        const char *digit = s.ptr[i] ? strchr(digits, s.ptr[i]) : NULL;
        if (digit == NULL) return false;
        uint64_t value = (uint64_t)(digit - digits);
        v = v << 4 | (value < 16 ? value : value - 6);
    }
    *out = (int64_t)v;
    return v <= INT64_MAX;
}

/* ---- binding ---------------------------------------------------------------------------- */

/* The value at hand: what it is for, and its text. */
struct scalar {
    struct yaml_binder *b;
    const struct yaml_field *field;
    const struct yaml_node *node;
    struct str text;
};

static const char *field_name(const struct scalar *s)
{
    return s->field->key ? s->field->key : "value";
}

static void invalid(const struct scalar *s, const char *what)
{
    yaml_bind_error(s->b, s->node, "invalid %s \"" STR_FMT "\" for \"%s\"", what, STR_ARG(s->text),
                    field_name(s));
}

/* Bounds apply when they are not both 0. */
static bool in_bounds(const struct scalar *s, bool is_above, bool is_below)
{
    if (!is_above && !is_below) return true;
    char text[DURATION_TEXT_SIZE + 1] = "";
    int64_t bound = is_below ? s->field->min : s->field->max;
    if (s->field->type == YAML_T_DURATION)
        text[duration_format(bound, text)] = '\0';
    else
        (void)snprintf(text, sizeof text, "%lld", (long long)bound);
    yaml_bind_error(s->b, s->node, "\"%s\" must be %s %s", field_name(s),
                    is_below ? "at least" : "at most", text);
    return false;
}

static bool has_bounds(const struct scalar *s)
{
    return s->field->min != 0 || s->field->max != 0;
}

static void bind_signed(const struct scalar *s, void *dst)
{
    int64_t v = 0;
    struct err err = { 0 };
    if (s->field->type == YAML_T_INT && !parse_int(s->text, &v)) {
        invalid(s, "integer");
        return;
    }
    if (s->field->type == YAML_T_DURATION && duration_parse(s->text, &v, &err) != ERR_OK) {
        yaml_bind_error(s->b, s->node, "invalid duration for \"%s\": %s", field_name(s),
                        err.detail);
        return;
    }
    if (has_bounds(s) && !in_bounds(s, v > s->field->max, v < s->field->min)) return;
    memcpy(dst, &v, sizeof v);
}

static void bind_unsigned(const struct scalar *s, void *dst)
{
    uint64_t v = 0;
    bool is_size = s->field->type == YAML_T_SIZE;
    if (is_size ? !parse_size(s->text, &v) : !str_to_u64(s->text, &v)) {
        invalid(s, is_size ? "size" : "non-negative integer");
        return;
    }
    int64_t compared = v > INT64_MAX ? INT64_MAX : (int64_t)v;
    if (has_bounds(s) && !in_bounds(s, compared > s->field->max, compared < s->field->min)) return;
    memcpy(dst, &v, sizeof v);
}

static void bind_enum(const struct scalar *s, void *dst)
{
    char list[300];
    size_t len = 0;
    for (int i = 0; s->field->names[i] != NULL; i++) {
        struct str name = str_of_z(s->field->names[i]);
        bool is_it =
            s->field->flags & YAML_F_NO_CASE ? str_eq_nocase(s->text, name) : str_eq(s->text, name);
        if (is_it) {
            memcpy(dst, &i, sizeof i);
            return;
        }
        int n = snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "", name.ptr);
        if (n > 0 && (size_t)n < sizeof list - len) len += (size_t)n;
    }
    list[len] = '\0';
    yaml_bind_error(s->b, s->node, "unknown value \"" STR_FMT "\" for \"%s\", one of: %s",
                    STR_ARG(s->text), field_name(s), list);
}

/* STR, SECRET, URL and REGEX: a string that has to be of some form. */
static void bind_text(const struct scalar *s, void *dst)
{
    struct err err = { 0 };
    struct url url;
    const struct yaml_env *env = s->b->env;
    if ((s->field->flags & YAML_F_NOT_EMPTY) && s->text.len == 0) {
        yaml_bind_error(s->b, s->node, "\"%s\" must not be empty", field_name(s));
        return;
    }
    if (s->field->type == YAML_T_URL && s->text.len > 0 &&
        url_parse(s->text, &url, &err) != ERR_OK) {
        /* not quoted: it may hold a password */
        yaml_bind_error(s->b, s->node, "\"%s\" is no URL: %s", field_name(s), err.msg);
        return;
    }
    if (s->field->type == YAML_T_REGEX && env != NULL && env->budget != NULL) {
        struct regex *re = NULL;
        if (regex_compile(env->budget, s->text, REGEX_FULL, &re, &err) != ERR_OK) {
            yaml_bind_error(s->b, s->node, "invalid regular expression for \"%s\": %s",
                            field_name(s), err.detail[0] ? err.detail : err.msg);
            return;
        }
        regex_unref(re);
    }
    memcpy(dst, &s->text, sizeof s->text);
}

/* A quoted "5" is a string; only an expanded one may become a number or a boolean. */
static bool is_plain_enough(const struct scalar *s)
{
    if (!s->node->is_quoted || s->text.ptr != s->node->v.text.ptr) return true;
    yaml_bind_error(s->b, s->node, "\"%s\" must be a %s, not a quoted string", field_name(s),
                    s->field->type == YAML_T_BOOL ? "boolean" : "number");
    return false;
}

void yaml_bind_scalar(struct yaml_binder *b, const struct yaml_field *field,
                      const struct yaml_node *node, void *dst)
{
    struct scalar s = { b, field, node, { NULL, 0 } };
    bool truth = false;
    double number = 0;
    if (!yaml_expand(b, node, field->flags, &s.text)) return;
    switch ((int)field->type) {
    case YAML_T_BOOL:
        if (!is_plain_enough(&s)) return;
        if (parse_bool(s.text, &truth))
            memcpy(dst, &truth, sizeof truth);
        else
            invalid(&s, "boolean");
        return;
    case YAML_T_FLOAT:
        if (!is_plain_enough(&s)) return;
        if (parse_float(s.text, &number))
            memcpy(dst, &number, sizeof number);
        else
            invalid(&s, "number");
        return;
    case YAML_T_INT:
        if (is_plain_enough(&s)) bind_signed(&s, dst);
        return;
    case YAML_T_UINT:
        if (is_plain_enough(&s)) bind_unsigned(&s, dst);
        return;
    case YAML_T_DURATION: bind_signed(&s, dst); return;
    case YAML_T_SIZE: bind_unsigned(&s, dst); return;
    case YAML_T_ENUM: bind_enum(&s, dst); return;
    default: bind_text(&s, dst); return;
    }
}
