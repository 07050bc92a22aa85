/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json_write.h"

#include "base/float_text.h"
#include "base/time.h"
#include "codec/utf8.h"

static void put_escape(struct buf *out, unsigned code)
{
    static const char digits[] = "0123456789abcdef";
    char text[6] = { '\\',
                     'u',
                     digits[code >> 12 & 15],
                     digits[code >> 8 & 15],
                     digits[code >> 4 & 15],
                     digits[code & 15] };
    buf_put(out, text, 6);
}

static void put_escaped_ascii(struct buf *out, char c)
{
    switch (c) {
    case '"': buf_put_lit(out, "\\\""); return;
    case '\\': buf_put_lit(out, "\\\\"); return;
    case '\n': buf_put_lit(out, "\\n"); return;
    case '\r': buf_put_lit(out, "\\r"); return;
    case '\t': buf_put_lit(out, "\\t"); return;
    default: put_escape(out, (unsigned char)c); return;
    }
}

/* Bytes from p that can be copied as they are: clean ASCII and valid UTF-8 but U+2028, U+2029. */
static size_t copyable_run(const char *p, size_t len)
{
    size_t i = 0;
    for (;;) {
        i += utf8_clean_run(p + i, len - i);
        if (i == len || (unsigned char)p[i] < 0x80) return i;
        unsigned length = utf8_length(p + i, len - i);
        if (length == 0) return i;
        if (length == 3 && utf8_code(p + i, 3) >> 1 == 0x2028 >> 1) return i;
        i += length;
    }
}

static void put_text(struct buf *out, struct str s)
{
    size_t i = 0;
    while (i < s.len) {
        size_t run = copyable_run(s.ptr + i, s.len - i);
        buf_put(out, s.ptr + i, run);
        i += run;
        if (i == s.len) return;
        if ((unsigned char)s.ptr[i] < 0x80) {
            put_escaped_ascii(out, s.ptr[i++]);
            continue;
        }
        unsigned length = utf8_length(s.ptr + i, s.len - i);
        put_escape(out, length ? utf8_code(s.ptr + i, length) : 0xfffd);
        i += length ? length : 1;
    }
}

static bool is_html(char c)
{
    return c == '<' || c == '>' || c == '&';
}

/* A string that needs no escape at all, as most label values: one reservation, one copy. */
static bool put_clean_string(struct buf *out, struct str s)
{
    if (utf8_clean_run(s.ptr, s.len) != s.len) return false;
    uint8_t *p = buf_reserve(out, s.len + 2);
    if (p == NULL) return true; /* sticky in `out` */
    p[0] = '"';
    if (s.len > 0) memcpy(p + 1, s.ptr, s.len);
    p[s.len + 1] = '"';
    out->len += s.len + 2;
    return true;
}

void json_escape(struct buf *out, struct str s, bool escape_html)
{
    if (!escape_html && put_clean_string(out, s)) return;
    buf_put_u8(out, '"');
    size_t from = 0;
    for (size_t i = 0; escape_html && i < s.len; i++) {
        if (!is_html(s.ptr[i])) continue;
        put_text(out, str_sub(s, from, i));
        put_escape(out, (unsigned char)s.ptr[i]);
        from = i + 1;
    }
    put_text(out, str_sub(s, from, s.len));
    buf_put_u8(out, '"');
}

void json_key_clean(struct json_writer *w, struct str key)
{
    uint8_t *p = buf_reserve(w->out, key.len + 4);
    if (p == NULL) return;
    size_t n = 0;
    if (w->comma) p[n++] = ',';
    p[n++] = '"';
    memcpy(p + n, key.ptr, key.len);
    n += key.len;
    p[n++] = '"';
    p[n++] = ':';
    w->out->len += n;
    w->comma = false;
}

void json_key_str(struct json_writer *w, struct str key)
{
    json_comma(w);
    json_escape(w->out, key, w->escape_html);
    buf_put_u8(w->out, ':');
    w->comma = false;
}

void json_put_str(struct json_writer *w, struct str s)
{
    json_comma(w);
    json_escape(w->out, s, w->escape_html);
}

void json_put_bool(struct json_writer *w, bool v)
{
    json_put_raw(w, v ? STR("true") : STR("false"));
}

void json_put_null(struct json_writer *w)
{
    json_put_raw(w, STR("null"));
}

void json_put_i64(struct json_writer *w, int64_t v)
{
    json_comma(w);
    buf_put_i64_text(w->out, v);
}

void json_put_u64(struct json_writer *w, uint64_t v)
{
    json_comma(w);
    buf_put_u64_text(w->out, v);
}

void json_put_f64(struct json_writer *w, double v)
{
    if (v - v != 0) { /* NaN or infinite */
        json_put_null(w);
        return;
    }
    json_comma(w);
    uint8_t *p = buf_reserve(w->out, FLOAT_TEXT_SIZE);
    if (p != NULL) w->out->len += float_format(v, FLOAT_SHORTEST, (char *)p);
}

void json_put_f64_str(struct json_writer *w, double v)
{
    json_comma(w);
    uint8_t *p = buf_reserve(w->out, FLOAT_TEXT_SIZE + 2);
    if (p == NULL) return;
    p[0] = '"';
    size_t len = float_format(v, FLOAT_SHORTEST, (char *)p + 1);
    p[len + 1] = '"';
    w->out->len += len + 2;
}

void json_put_seconds(struct json_writer *w, int64_t ts_ms)
{
    json_comma(w);
    uint8_t *p = buf_reserve(w->out, TIME_TEXT_SIZE);
    if (p != NULL) w->out->len += time_format_seconds(ts_ms, (char *)p);
}

void json_put_raw(struct json_writer *w, struct str json)
{
    json_comma(w);
    buf_put_str(w->out, json);
}
