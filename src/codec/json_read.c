/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json_read.h"

#include "base/assert.h"
#include "base/float_text.h"
#include "codec/hex.h"
#include "codec/utf8.h"

void json_reader_init(struct json_reader *r, struct str text, struct arena *arena)
{
    const char *begin = text.ptr ? text.ptr : "";
    *r = (struct json_reader){ .pos = begin,
                               .begin = begin,
                               .end = begin + text.len,
                               .arena = arena,
                               .value_due = true,
                               .value_count_max = UINT64_MAX };
}

static void fail_at(struct json_reader *r, const char *pos, enum err_code code, const char *msg)
{
    if (r->code != ERR_OK) return;
    r->code = code;
    r->msg = msg;
    r->error_pos = pos;
}

static void fail(struct json_reader *r, const char *msg)
{
    fail_at(r, r->pos, ERR_INVALID, r->pos == r->end ? "unexpected end of JSON text" : msg);
}

void json_fail(struct json_reader *r, const char *msg)
{
    fail_at(r, r->pos, ERR_INVALID, msg);
}

static void skip_blanks(struct json_reader *r)
{
    while (r->pos < r->end &&
           (*r->pos == ' ' || *r->pos == '\n' || *r->pos == '\r' || *r->pos == '\t'))
        r->pos++;
}

static bool is_in_object(const struct json_reader *r)
{
    return r->depth > 0 && (r->is_object >> (r->depth - 1) & 1) != 0;
}

/* ---- strings ---------------------------------------------------------------------------- */

/* Four hex digits at p, or -1. */
static int32_t hex4(const char *p, const char *end)
{
    if (end - p < 4) return -1;
    int32_t v = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0) return -1;
        v = v * 16 + digit;
    }
    return v;
}

/* Length of the valid escape at r->pos (a backslash), 0 if it is none. */
static unsigned escape_length(struct json_reader *r)
{
    const char *p = r->pos + 1;
    if (p == r->end) return 0;
    if (*p != 'u') return *p != 0 && strchr("\"\\/bfnrt", *p) != NULL ? 2 : 0;
    int32_t unit = hex4(p + 1, r->end);
    if (unit < 0) return 0;
    if (unit < 0xd800 || unit > 0xdfff) return 6;
    if (unit > 0xdbff || r->end - p < 11 || p[5] != '\\' || p[6] != 'u') return 0;
    int32_t low = hex4(p + 7, r->end);
    return low >= 0xdc00 && low <= 0xdfff ? 12 : 0;
}

/* Take the string at r->pos (its opening quote), check it, and give what is between the quotes. */
static struct str scan_string(struct json_reader *r, bool *out_has_escape)
{
    const struct str nothing = { "", 0 };
    const char *begin = ++r->pos;
    *out_has_escape = false;
    for (;;) {
        r->pos += utf8_clean_run(r->pos, (size_t)(r->end - r->pos));
        if (r->pos == r->end) {
            fail(r, "");
            return nothing;
        }
        unsigned char c = (unsigned char)*r->pos;
        if (c == '"') break;
        unsigned length;
        if (c == '\\') {
            length = escape_length(r);
            if (length == 0) fail_at(r, r->pos, ERR_INVALID, "invalid escape in string");
            *out_has_escape = true;
        } else if (c < 0x20) {
            length = 0;
            fail_at(r, r->pos, ERR_INVALID, "control character in string");
        } else {
            length = utf8_length(r->pos, (size_t)(r->end - r->pos));
            if (length == 0) fail_at(r, r->pos, ERR_INVALID, "invalid UTF-8 in string");
        }
        if (length == 0) return nothing;
        r->pos += length;
    }
    return (struct str){ begin, (size_t)(r->pos++ - begin) };
}

static char simple_escape(char c)
{
    switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
    }
}

/* Resolve the escapes of a checked string. */
static struct str decode_string(struct json_reader *r, struct str raw)
{
    char *out = arena_array_raw(r->arena, char, raw.len);
    if (out == NULL) {
        fail_at(r, raw.ptr, ERR_NOMEM, "no memory for a string");
        return (struct str){ "", 0 };
    }
    size_t len = 0;
    const char *end = raw.ptr + raw.len;
    for (const char *p = raw.ptr; p < end;) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((escape ? escape : end) - p);
        memcpy(out + len, p, plain);
        len += plain;
        if (escape == NULL) break;
        p = escape + 2;
        if (escape[1] != 'u') {
            out[len++] = simple_escape(escape[1]);
            continue;
        }
        uint32_t code = (uint32_t)hex4(escape + 2, end);
        p = escape + 6;
        if (code >= 0xd800 && code <= 0xdbff) {
            uint32_t low = (uint32_t)hex4(escape + 8, end);
            code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
            p = escape + 12;
        }
        len += utf8_put(code, out + len);
    }
    return (struct str){ out, len };
}

/* ---- numbers and words ------------------------------------------------------------------ */

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* Take the number at r->pos: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static struct str scan_number(struct json_reader *r)
{
    const char *begin = r->pos, *end = r->end, *p = begin;
    bool is_valid = true;
    if (*p == '-') p++;
    const char *digits = p;
    p = skip_digits(p, end);
    if (p == digits || (*digits == '0' && p > digits + 1)) is_valid = false;
    if (is_valid && p < end && *p == '.') {
        digits = ++p;
        p = skip_digits(p, end);
        is_valid = p > digits;
    }
    if (is_valid && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        digits = p;
        p = skip_digits(p, end);
        is_valid = p > digits;
    }
    if (!is_valid) {
        fail_at(r, begin, ERR_INVALID, "invalid number");
        return (struct str){ "0", 1 };
    }
    r->pos = p;
    return (struct str){ begin, (size_t)(p - begin) };
}

static bool scan_word(struct json_reader *r, struct str word)
{
    if ((size_t)(r->end - r->pos) < word.len || memcmp(r->pos, word.ptr, word.len) != 0) {
        fail_at(r, r->pos, ERR_INVALID, "invalid word");
        return false;
    }
    r->pos += word.len;
    return true;
}

/* ---- values ----------------------------------------------------------------------------- */

enum json_kind json_peek(struct json_reader *r)
{
    if (r->code != ERR_OK || !r->value_due) return JSON_NONE;
    skip_blanks(r);
    if (r->pos == r->end) {
        fail(r, "");
        return JSON_NONE;
    }
    switch (*r->pos) {
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_STRING;
    case 't':
    case 'f': return JSON_BOOL;
    case 'n': return JSON_NULL;
    default: break;
    }
    if (*r->pos == '-' || (*r->pos >= '0' && *r->pos <= '9')) return JSON_NUMBER;
    fail(r, "expected a value");
    return JSON_NONE;
}

static const char *const EXPECTED[] = {
    [JSON_NONE] = "expected a value",     [JSON_NULL] = "expected null",
    [JSON_BOOL] = "expected a boolean",   [JSON_NUMBER] = "expected a number",
    [JSON_STRING] = "expected a string",  [JSON_ARRAY] = "expected an array",
    [JSON_OBJECT] = "expected an object",
};

/* Is a value of that kind next? If so it counts as taken; if not, the reader fails. */
static bool begin_value(struct json_reader *r, enum json_kind kind)
{
    if (json_peek(r) != kind) {
        if (r->code == ERR_OK) fail_at(r, r->pos, ERR_INVALID, EXPECTED[kind]);
        return false;
    }
    if (++r->value_count > r->value_count_max) {
        fail_at(r, r->pos, ERR_LIMIT, "too many values");
        return false;
    }
    r->value_due = false;
    return true;
}

static void enter(struct json_reader *r, enum json_kind kind)
{
    if (!begin_value(r, kind)) return;
    if (r->depth == JSON_DEPTH_MAX) {
        fail_at(r, r->pos, ERR_LIMIT, "nested too deeply");
        return;
    }
    r->pos++;
    uint64_t bit = (uint64_t)1 << r->depth++;
    r->is_object = kind == JSON_OBJECT ? r->is_object | bit : r->is_object & ~bit;
    r->first = true;
}

void json_object(struct json_reader *r)
{
    enter(r, JSON_OBJECT);
}

void json_array(struct json_reader *r)
{
    enter(r, JSON_ARRAY);
}

/* Step to the next element of the innermost container: false (and left) at its closing mark. */
static bool next_element(struct json_reader *r, char close, const char *expected)
{
    skip_blanks(r);
    if (r->pos < r->end && *r->pos == close) {
        r->pos++;
        r->depth--;
        r->first = false;
        return false;
    }
    if (r->first) {
        r->first = false;
        return true;
    }
    if (r->pos == r->end || *r->pos != ',') {
        fail(r, expected);
        return false;
    }
    r->pos++;
    skip_blanks(r);
    return true;
}

static bool next_key(struct json_reader *r, struct str *out_raw, bool *out_has_escape)
{
    if (!next_element(r, '}', "expected ',' or '}'")) return false;
    if (r->pos == r->end || *r->pos != '"') {
        fail(r, "expected a key");
        return false;
    }
    *out_raw = scan_string(r, out_has_escape);
    skip_blanks(r);
    if (r->code == ERR_OK && (r->pos == r->end || *r->pos != ':')) fail(r, "expected ':'");
    if (r->code != ERR_OK) return false;
    r->pos++;
    r->value_due = true;
    return true;
}

bool json_next_key(struct json_reader *r, struct str *out_key)
{
    if (r->code == ERR_OK && r->value_due) json_skip(r);
    if (r->code != ERR_OK) return false;
    ASSERT(is_in_object(r));
    struct str raw = { NULL, 0 };
    bool has_escape = false;
    if (!next_key(r, &raw, &has_escape)) return false;
    *out_key = has_escape ? decode_string(r, raw) : raw;
    return r->code == ERR_OK;
}

bool json_next_item(struct json_reader *r)
{
    if (r->code == ERR_OK && r->value_due) json_skip(r);
    if (r->code != ERR_OK) return false;
    ASSERT(r->depth > 0 && !is_in_object(r));
    if (!next_element(r, ']', "expected ',' or ']'")) return false;
    r->value_due = true;
    return true;
}

struct str json_str(struct json_reader *r)
{
    bool has_escape = false;
    if (!begin_value(r, JSON_STRING)) return (struct str){ "", 0 };
    struct str raw = scan_string(r, &has_escape);
    return has_escape && r->code == ERR_OK ? decode_string(r, raw) : raw;
}

bool json_bool(struct json_reader *r)
{
    if (!begin_value(r, JSON_BOOL)) return false;
    bool is_true = *r->pos == 't';
    return scan_word(r, is_true ? STR("true") : STR("false")) && is_true;
}

bool json_null(struct json_reader *r)
{
    if (json_peek(r) != JSON_NULL || !begin_value(r, JSON_NULL)) return false;
    return scan_word(r, STR("null"));
}

struct str json_number(struct json_reader *r)
{
    if (!begin_value(r, JSON_NUMBER)) return (struct str){ "0", 1 };
    return scan_number(r);
}

double json_f64(struct json_reader *r)
{
    struct str text = json_number(r);
    double v = 0;
    if (r->code != ERR_OK) return 0;
    if (!float_parse(text, &v) || v > 1.7976931348623157e308 || v < -1.7976931348623157e308) {
        fail_at(r, text.ptr, ERR_INVALID, "number out of range");
        return 0;
    }
    return v;
}

int64_t json_i64(struct json_reader *r)
{
    struct str text = json_number(r);
    int64_t v = 0;
    if (r->code == ERR_OK && !str_to_i64(text, &v))
        fail_at(r, text.ptr, ERR_INVALID, "expected an integer in range");
    return r->code == ERR_OK ? v : 0;
}

uint64_t json_u64(struct json_reader *r)
{
    struct str text = json_number(r);
    uint64_t v = 0;
    if (r->code == ERR_OK && !str_to_u64(text, &v))
        fail_at(r, text.ptr, ERR_INVALID, "expected an integer in range");
    return r->code == ERR_OK ? v : 0;
}

/* Take one value; a container is entered. */
static void step_into(struct json_reader *r)
{
    bool has_escape = false;
    enum json_kind kind = json_peek(r);
    switch (kind) {
    case JSON_NONE: return;
    case JSON_NULL: (void)json_null(r); return;
    case JSON_BOOL: (void)json_bool(r); return;
    case JSON_NUMBER: (void)json_number(r); return;
    case JSON_STRING:
        if (begin_value(r, JSON_STRING)) (void)scan_string(r, &has_escape);
        return;
    case JSON_ARRAY:
    case JSON_OBJECT: enter(r, kind); return;
    }
}

/* Run until the innermost container is the one of depth `depth`. */
static void leave_to(struct json_reader *r, unsigned depth)
{
    while (r->code == ERR_OK && r->depth > depth) {
        struct str key;
        bool has_escape;
        if (r->value_due)
            step_into(r);
        else if (is_in_object(r))
            (void)next_key(r, &key, &has_escape);
        else
            r->value_due = next_element(r, ']', "expected ',' or ']'");
    }
}

void json_skip(struct json_reader *r)
{
    unsigned depth = r->depth;
    if (r->code == ERR_OK && !r->value_due) fail(r, "expected a value");
    step_into(r);
    leave_to(r, depth);
}

struct str json_raw(struct json_reader *r)
{
    if (json_peek(r) == JSON_NONE) return (struct str){ "", 0 };
    const char *begin = r->pos;
    json_skip(r);
    if (r->code != ERR_OK) return (struct str){ "", 0 };
    return (struct str){ begin, (size_t)(r->pos - begin) };
}

/* ---- verdict ---------------------------------------------------------------------------- */

void json_position(struct str text, size_t offset, uint32_t *out_line, uint32_t *out_column)
{
    uint32_t line = 1, column = 1;
    for (size_t i = 0; i < offset && i < text.len; i++) {
        column++;
        if (text.ptr[i] != '\n') continue;
        line++;
        column = 1;
    }
    *out_line = line;
    *out_column = column;
}

enum err_code json_finish(struct json_reader *r, struct err *err)
{
    leave_to(r, 0);
    if (r->code == ERR_OK && r->value_due) json_skip(r);
    skip_blanks(r);
    if (r->code == ERR_OK && r->pos < r->end) fail(r, "text after the JSON value");
    if (r->code == ERR_OK) return ERR_OK;
    uint32_t line = 0, column = 0;
    size_t offset = (size_t)(r->error_pos - r->begin);
    json_position((struct str){ r->begin, (size_t)(r->end - r->begin) }, offset, &line, &column);
    (void)err_setf(err, r->code, "invalid JSON", "line %u, column %u: %s", line, column, r->msg);
    if (err != NULL) err->offset = offset;
    return r->code;
}
