/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/url.h"

#include <stdio.h>

#include "base/assert.h"
#include "codec/hex.h"

/* ---- percent-encoding ------------------------------------------------------------------- */

enum unescape { UNESCAPE_OK, UNESCAPE_BAD, UNESCAPE_NOMEM };

/* Copy a wrong escape as Go quotes it: the '%' and up to two characters after it. */
static void keep_bad(struct str s, size_t at, char bad[24])
{
    struct str part = str_sub(s, at, at + 3);
    (void)snprintf(bad, 24, "\"" STR_FMT "\"", STR_ARG(part));
}

static bool is_escaped(struct str s, enum url_part part)
{
    if (part == URL_QUERY && str_index(s, '+') < s.len) return true;
    return str_index(s, '%') < s.len;
}

static enum unescape unescape(struct str s, enum url_part part, struct arena *a, struct str *out,
                              char bad[24])
{
    if (!is_escaped(s, part)) {
        *out = s;
        return UNESCAPE_OK;
    }
    char *dst = arena_array_raw(a, char, s.len);
    if (dst == NULL) return UNESCAPE_NOMEM;
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            int high = i + 2 < s.len ? hex_digit(s.ptr[i + 1]) : -1;
            int low = i + 2 < s.len ? hex_digit(s.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                keep_bad(s, i, bad);
                return UNESCAPE_BAD;
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && part == URL_QUERY) {
            c = ' ';
        }
        dst[len++] = c;
    }
    *out = (struct str){ dst, len };
    return UNESCAPE_OK;
}

enum err_code url_decode(struct str s, enum url_part part, struct arena *a, struct str *out,
                         struct err *err)
{
    char bad[24] = "";
    switch (unescape(s, part, a, out, bad)) {
    case UNESCAPE_OK: return ERR_OK;
    case UNESCAPE_BAD: return err_setf(err, ERR_INVALID, "URL", "invalid URL escape %s", bad);
    case UNESCAPE_NOMEM: return err_set(err, ERR_NOMEM, "no memory to decode a URL");
    }
    UNREACHABLE();
}

static bool is_unreserved(unsigned char c, enum url_part part)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
    if (c == '-' || c == '_' || c == '.' || c == '~') return true;
    return part == URL_PATH && c != 0 && strchr("$&+=:@", c) != NULL;
}

void url_encode(struct str s, enum url_part part, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (is_unreserved(c, part)) {
            buf_put_u8(out, c);
        } else if (c == ' ' && part == URL_QUERY) {
            buf_put_u8(out, '+');
        } else {
            char escape[3] = { '%', digits[c >> 4], digits[c & 15] };
            buf_put(out, escape, 3);
        }
    }
}

/* ---- query strings ---------------------------------------------------------------------- */

struct url_query url_query_of(struct str query, struct arena *arena)
{
    return (struct url_query){ .rest = query, .arena = arena };
}

static bool query_fail(struct url_query *q, enum err_code code)
{
    q->code = code;
    q->rest = (struct str){ NULL, 0 };
    return false;
}

static bool query_decode(struct url_query *q, struct str s, struct str *out)
{
    switch (unescape(s, URL_QUERY, q->arena, out, q->bad)) {
    case UNESCAPE_OK: return true;
    case UNESCAPE_BAD: return query_fail(q, ERR_INVALID);
    case UNESCAPE_NOMEM: return query_fail(q, ERR_NOMEM);
    }
    UNREACHABLE();
}

bool url_query_next(struct url_query *q, struct str *out_key, struct str *out_value)
{
    struct str part = { NULL, 0 };
    do {
        if (q->rest.ptr == NULL || !str_split(&q->rest, '&', &part)) return false;
    } while (part.len == 0);
    if (++q->count > URL_QUERY_PARAMS_MAX) return query_fail(q, ERR_LIMIT);
    if (str_index(part, ';') < part.len) {
        (void)snprintf(q->bad, sizeof q->bad, ";");
        return query_fail(q, ERR_INVALID);
    }
    size_t equals = str_index(part, '=');
    struct str key, value;
    if (!query_decode(q, str_sub(part, 0, equals), &key)) return false;
    if (!query_decode(q, str_sub(part, equals + 1, part.len), &value)) return false;
    *out_key = key;
    *out_value = value;
    return true;
}

enum err_code url_query_finish(const struct url_query *q, struct err *err)
{
    if (q->code == ERR_OK) return ERR_OK;
    if (q->code == ERR_LIMIT) return err_set(err, ERR_LIMIT, "too many parameters");
    if (q->code == ERR_NOMEM) return err_set(err, ERR_NOMEM, "no memory to decode parameters");
    if (q->bad[0] == ';')
        return err_setf(err, ERR_INVALID, "URL", "invalid semicolon separator in query");
    return err_setf(err, ERR_INVALID, "URL", "invalid URL escape %s", q->bad);
}

/* ---- the parts of a URL ----------------------------------------------------------------- */

static bool is_scheme(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!is_letter && (i == 0 || !is_other)) return false;
    }
    return s.len > 0;
}

static bool parse_port(struct str s, uint16_t *out)
{
    uint64_t port = 0;
    if (s.len == 0) return true; /* "host:" is the default port */
    if (!str_to_u64(s, &port) || port == 0 || port > UINT16_MAX) return false;
    *out = (uint16_t)port;
    return true;
}

static bool parse_host(struct str s, struct url *u)
{
    if (s.len > 0 && s.ptr[0] == '[') {
        size_t close = str_index(s, ']');
        if (close == s.len) return false;
        u->host = str_sub(s, 1, close);
        struct str rest = str_sub(s, close + 1, s.len);
        if (rest.len > 0 && rest.ptr[0] != ':') return false;
        return u->host.len > 0 && parse_port(str_sub(rest, 1, rest.len), &u->port);
    }
    size_t colon = str_index(s, ':');
    u->host = str_sub(s, 0, colon);
    if (u->host.len == 0) return false;
    for (size_t i = 0; i < u->host.len; i++) {
        unsigned char c = (unsigned char)u->host.ptr[i];
        if (c <= ' ' || c == 0x7f || strchr("\"<>\\^`{|}%[]", c) != NULL) return false;
    }
    return parse_port(str_sub(s, colon + 1, s.len), &u->port);
}

static struct str cut(struct str *s, char mark)
{
    size_t at = str_index(*s, mark);
    struct str tail = str_sub(*s, at + 1, s->len);
    *s = str_sub(*s, 0, at);
    return tail;
}

enum err_code url_parse(struct str s, struct url *out, struct err *err)
{
    struct url u = { 0 };
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
            return err_set(err, ERR_INVALID, "invalid control character in URL");
    size_t colon = str_index(s, ':');
    u.scheme = str_sub(s, 0, colon);
    struct str rest = str_sub(s, colon, s.len);
    if (!is_scheme(u.scheme) || !str_starts_with(rest, STR("://")))
        return err_set(err, ERR_INVALID, "URL has no scheme");
    rest = str_sub(rest, 3, rest.len);
    u.fragment = cut(&rest, '#');
    u.query = cut(&rest, '?');
    size_t slash = str_index(rest, '/');
    u.path = str_sub(rest, slash, rest.len);
    struct str authority = str_sub(rest, 0, slash);
    for (size_t i = authority.len; i-- > 0;) {
        if (authority.ptr[i] != '@') continue;
        u.userinfo = str_sub(authority, 0, i);
        authority = str_sub(authority, i + 1, authority.len);
        break;
    }
    if (!parse_host(authority, &u)) return err_set(err, ERR_INVALID, "URL has no valid host");
    *out = u;
    return ERR_OK;
}

void url_put_redacted(struct str s, struct buf *out)
{
    struct url u;
    if (url_parse(s, &u, NULL) != ERR_OK || str_index(u.userinfo, ':') == u.userinfo.len) {
        buf_put_str(out, s);
        return;
    }
    size_t user_end = (size_t)(u.userinfo.ptr - s.ptr) + str_index(u.userinfo, ':') + 1;
    size_t at = (size_t)(u.userinfo.ptr - s.ptr) + u.userinfo.len;
    buf_put_str(out, str_sub(s, 0, user_end));
    buf_put_lit(out, "xxxxx");
    buf_put_str(out, str_sub(s, at, s.len));
}
