/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/literal.h"

#include <math.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/duration.h"
#include "base/float_text.h"
#include "base/num.h"
#include "codec/utf8.h"

/* ---- strings ---- */

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9') return (unsigned)(c - '0');
    return (unsigned)((c | 0x20) - 'a') + 10;
}

static uint32_t digits_value(const char *digits, size_t count, unsigned base)
{
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++)
        value = value * base + digit_value(digits[i]);
    return value;
}

/* The escape sequence at `s` (past the backslash), written to out[4]. Advances *s. */
static unsigned unescape(const char **s, char out[4])
{
    static const char names[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
    const char *at = *s;
    switch (*at) {
    case 'x':
        *s += 3;
        out[0] = (char)digits_value(at + 1, 2, 16);
        return 1;
    case 'u': *s += 5; return utf8_put(digits_value(at + 1, 4, 16), out);
    case 'U': *s += 9; return utf8_put(digits_value(at + 1, 8, 16), out);
    default: break;
    }
    if (*at >= '0' && *at <= '7') {
        *s += 3;
        out[0] = (char)digits_value(at, 3, 8);
        return 1;
    }
    const char *name = strchr(names, *at);
    out[0] = name ? values[name - names] : *at;
    *s += 1;
    return 1;
}

enum err_code promql_unquote(struct str token, struct arena *a, struct str *out, struct err *err)
{
    ASSERT(token.len >= 2);
    char quote = token.ptr[0];
    struct str body = str_sub(token, 1, token.len - 1);
    if (body.len == 0) {
        *out = STR("");
        return ERR_OK;
    }
    char *text = arena_array_raw(a, char, body.len); /* escapes only shrink */
    if (!text) return err_set(err, ERR_NOMEM, "out of memory for a string");
    size_t len = 0;
    const char *s = body.ptr, *end = body.ptr + body.len;
    while (s < end) {
        if (*s != '\\' || quote == '`') {
            text[len++] = *s++;
            continue;
        }
        s++;
        char bytes[4];
        unsigned n = unescape(&s, bytes);
        memcpy(text + len, bytes, n);
        len += n;
    }
    ASSERT(s == end && len <= body.len);
    *out = (struct str){ text, len };
    return ERR_OK;
}

/* ---- numbers ---- */

#define NUMBER_TEXT_MAX 512 /* of a number with underscores */

/* The text without underscores; each must stand between digits (one may follow the prefix 0x). */
static bool drop_underscores(struct str token, bool is_hex, char *out, size_t *out_len)
{
    size_t len = 0;
    for (size_t i = 0; i < token.len; i++) {
        char c = token.ptr[i];
        if (c != '_') {
            out[len++] = c;
            continue;
        }
        bool after_prefix = is_hex && i == 2;
        char before = i > 0 ? token.ptr[i - 1] : '_',
             after = i + 1 < token.len ? token.ptr[i + 1] : '_';
        bool digit_before =
            after_prefix || (before >= '0' && before <= '9') || (is_hex && before != '_');
        bool digit_after = (after >= '0' && after <= '9') || (is_hex && after != '_');
        if (!digit_before || !digit_after) return false;
    }
    *out_len = len;
    return true;
}

/* All of `s` as an integer in `base` that fits an int64. */
static bool integer_value(struct str s, unsigned base, double *out)
{
    uint64_t value = 0;
    if (s.len == 0) return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'f';
        if (!(c >= '0' && c <= '9') && !is_letter) return false;
        unsigned digit = digit_value(c);
        if (digit >= base) return false;
        if (__builtin_mul_overflow(value, base, &value)) return false;
        if (__builtin_add_overflow(value, digit, &value) || value > INT64_MAX) return false;
    }
    *out = (double)value;
    return true;
}

static enum err_code number_error(struct str token, const char *why, struct err *err)
{
    char quoted[400];
    return err_setf(err, ERR_INVALID, "number",
                    "error parsing number: strconv.ParseFloat: parsing %s: %s",
                    str_quote(token, quoted, sizeof quoted), why);
}

enum err_code promql_number_value(struct str token, double *out, struct err *err)
{
    bool is_hex = token.len >= 2 && token.ptr[0] == '0' && (token.ptr[1] | 0x20) == 'x';
    char text[NUMBER_TEXT_MAX];
    struct str s = token;
    if (str_index(token, '_') < token.len) {
        size_t len = 0;
        if (token.len > sizeof text || !drop_underscores(token, is_hex, text, &len))
            return number_error(token, "invalid syntax", err);
        s = (struct str){ text, len };
    }
    if (is_hex) {
        if (integer_value(str_sub(s, 2, s.len), 16, out)) return ERR_OK;
        return number_error(token, "invalid syntax", err);
    }
    bool is_octal = s.len > 1 && s.ptr[0] == '0';
    if (integer_value(is_octal ? str_sub(s, 1, s.len) : s, is_octal ? 8 : 10, out)) return ERR_OK;
    double value = 0;
    if (!float_parse(s, &value)) return number_error(token, "invalid syntax", err);
    if (isinf(value) && !str_eq_nocase(s, STR("inf")))
        return number_error(token, "value out of range", err);
    *out = value;
    return ERR_OK;
}

enum err_code promql_duration_value(struct str token, double *out, struct err *err)
{
    int64_t ms = 0;
    TRY(duration_parse(token, &ms, err));
    *out = (double)ms / 1000;
    return ERR_OK;
}
