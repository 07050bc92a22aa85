/* SPDX-License-Identifier: Apache-2.0
 *
 * The slow half of the exposition parser: the labels of a line that the store has not seen.
 */
#include "formats/exposition.h"

#include "base/float_text.h"

struct cursor {
    struct str text;
    size_t pos;
};

static char peek(const struct cursor *c)
{
    return c->pos < c->text.len ? c->text.ptr[c->pos] : '\0';
}

static void skip_blanks(struct cursor *c)
{
    while (c->pos < c->text.len && (c->text.ptr[c->pos] == ' ' || c->text.ptr[c->pos] == '\t')) {
        c->pos++;
    }
}

static bool is_name_byte(char ch, bool with_colon)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           ch == '_' || (with_colon && ch == ':');
}

static struct str take_name(struct cursor *c, bool with_colon)
{
    size_t start = c->pos;
    while (c->pos < c->text.len && is_name_byte(c->text.ptr[c->pos], with_colon))
        c->pos++;
    return str_sub(c->text, start, c->pos);
}

/* Undo \\ \" \n; other escapes stay as they are (Prometheus keeps the backslash). */
static enum err_code unescape(struct arena *a, struct str raw, struct str *out, struct err *err)
{
    if (str_index(raw, '\\') == raw.len) {
        *out = raw;
        return ERR_OK;
    }
    char *copy = arena_alloc_raw(a, raw.len, 1, 1);
    if (!copy) return err_set(err, ERR_NOMEM, "scrape needs too much memory");
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char next = i + 1 < raw.len ? raw.ptr[i + 1] : '\0';
        if (raw.ptr[i] == '\\' && (next == '\\' || next == '"' || next == 'n')) {
            copy[n++] = next == 'n' ? '\n' : next;
            i++;
        } else {
            copy[n++] = raw.ptr[i];
        }
    }
    *out = (struct str){ copy, n };
    return ERR_OK;
}

/* A quoted string at the cursor, unescaped. */
static enum err_code take_quoted(struct cursor *c, struct arena *a, struct str *out,
                                 struct err *err)
{
    size_t start = ++c->pos;
    while (c->pos < c->text.len && c->text.ptr[c->pos] != '"') {
        c->pos += c->text.ptr[c->pos] == '\\' ? 2 : 1;
    }
    if (c->pos >= c->text.len) {
        return err_set(err, ERR_INVALID, "unterminated label value");
    }
    struct str raw = str_sub(c->text, start, c->pos++);
    return unescape(a, raw, out, err);
}

/* "1" -> "1.0", "1e3" -> "1000.0", "+Inf" stays; text that is no number stays. */
static enum err_code normalise_bound(struct arena *a, struct str *value, struct err *err)
{
    double v;
    if (!float_parse(*value, &v)) return ERR_OK;
    char text[FLOAT_TEXT_SIZE];
    size_t len = float_format(v, FLOAT_OM, text);
    if (str_eq(*value, (struct str){ text, len })) return ERR_OK;
    struct str copy = arena_str(a, (struct str){ text, len });
    if (!copy.ptr) return err_set(err, ERR_NOMEM, "scrape needs too much memory");
    *value = copy;
    return ERR_OK;
}

static bool is_bound_label(enum metric_type type, struct str name)
{
    if (type == METRIC_HISTOGRAM || type == METRIC_GAUGEHISTOGRAM) return str_eq(name, STR("le"));
    return type == METRIC_SUMMARY && str_eq(name, STR("quantile"));
}

/* One item between the braces: label="value", "quoted label"="value" or "quoted metric name". */
static enum err_code take_item(struct cursor *c, enum metric_type type, bool *has_name,
                               struct labels_builder *b, struct err *err)
{
    struct str name, value;
    bool is_quoted = peek(c) == '"';
    if (is_quoted) {
        TRY(take_quoted(c, b->arena, &name, err));
    } else {
        name = take_name(c, false);
    }
    if (name.len == 0 || (!is_quoted && name.ptr[0] >= '0' && name.ptr[0] <= '9')) {
        return err_set(err, ERR_INVALID, "expected a label name");
    }
    skip_blanks(c);
    if (is_quoted && peek(c) != '=') {
        if (*has_name) return err_set(err, ERR_INVALID, "metric name set twice");
        *has_name = true;
        labels_builder_add(b, LABEL_METRIC_NAME, name);
        return ERR_OK;
    }
    if (peek(c) != '=') return err_set(err, ERR_INVALID, "expected '=' after the label name");
    c->pos++;
    skip_blanks(c);
    if (peek(c) != '"') return err_set(err, ERR_INVALID, "expected a quoted label value");
    TRY(take_quoted(c, b->arena, &value, err));
    if (!str_is_utf8(value)) return err_set(err, ERR_INVALID, "label value is not valid UTF-8");
    if (is_bound_label(type, name)) TRY(normalise_bound(b->arena, &value, err));
    labels_builder_add(b, name, value);
    return ERR_OK;
}

enum err_code exposition_labels(struct bytes key, enum metric_type type, struct labels_builder *b,
                                struct err *err)
{
    struct cursor c = { str_trim(str_of_bytes(key)), 0 };
    struct str name = take_name(&c, true);
    bool has_name = name.len > 0;
    if (has_name) {
        if (name.ptr[0] >= '0' && name.ptr[0] <= '9') {
            return err_set(err, ERR_INVALID, "metric name begins with a digit");
        }
        labels_builder_add(b, LABEL_METRIC_NAME, name);
    }
    skip_blanks(&c);
    if (peek(&c) == '{') {
        c.pos++;
        for (skip_blanks(&c); peek(&c) != '}'; skip_blanks(&c)) {
            TRY(take_item(&c, type, &has_name, b, err));
            skip_blanks(&c);
            if (peek(&c) == ',') {
                c.pos++;
            } else if (peek(&c) != '}') {
                return err_set(err, ERR_INVALID, "expected ',' or '}' after a label");
            }
        }
        c.pos++;
    }
    skip_blanks(&c);
    if (c.pos != c.text.len) return err_set(err, ERR_INVALID, "unexpected text after the labels");
    if (!has_name) return err_set(err, ERR_INVALID, "sample without a metric name");
    if (b->failed) return err_set(err, ERR_NOMEM, "scrape needs too much memory");
    return ERR_OK;
}
