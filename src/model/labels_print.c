/* SPDX-License-Identifier: Apache-2.0 */
#include "model/labels.h"

/* Code points above ASCII that Go's strconv.Quote escapes: controls, formats, separators other
 * than the plain blank, surrogates, private use (Unicode general categories C and Z). */
struct rune_range {
    uint32_t first, last;
};
static const struct rune_range UNPRINTABLE[] = {
    { 0x80, 0xa0 },       { 0xad, 0xad },       { 0x600, 0x605 },     { 0x61c, 0x61c },
    { 0x6dd, 0x6dd },     { 0x70f, 0x70f },     { 0x8e2, 0x8e2 },     { 0x1680, 0x1680 },
    { 0x180e, 0x180e },   { 0x2000, 0x200f },   { 0x2028, 0x202f },   { 0x205f, 0x206f },
    { 0x3000, 0x3000 },   { 0xd800, 0xf8ff },   { 0xfeff, 0xfeff },   { 0xfff0, 0xfffb },
    { 0xfffe, 0xffff },   { 0x110bd, 0x110bd }, { 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 },
    { 0x1d173, 0x1d17a }, { 0xe0000, 0xe00ff }, { 0xe01f0, 0x10ffff }
};

static bool rune_is_printable(uint32_t rune)
{
    if (rune < 0x80) return rune >= 0x20 && rune != 0x7f;
    for (size_t i = 0; i < sizeof UNPRINTABLE / sizeof UNPRINTABLE[0]; i++) {
        if (rune < UNPRINTABLE[i].first) return true;
        if (rune <= UNPRINTABLE[i].last) return false;
    }
    return true;
}

/* Length of the well-formed UTF-8 sequence that `s` begins with and its code point; 0 = none. */
static size_t rune_of(struct str s, uint32_t *out_rune)
{
    uint8_t b = (uint8_t)s.ptr[0];
    size_t n = b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
    if (n > s.len || !str_is_utf8((struct str){ s.ptr, n })) return 0;
    uint32_t rune = n == 1 ? b : b & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        rune = rune << 6 | ((uint8_t)s.ptr[i] & 0x3f);
    *out_rune = rune;
    return n;
}

static void put_escape(struct buf *out, uint32_t rune)
{
    static const char short_forms[] = "abtnvfr"; /* of 7..13 */
    if (rune == '"' || rune == '\\') {
        buf_put_u8(out, '\\');
        buf_put_u8(out, (uint8_t)rune);
    } else if (rune >= 7 && rune <= 13) {
        buf_put_u8(out, '\\');
        buf_put_u8(out, (uint8_t)short_forms[rune - 7]);
    } else if (rune < 0x80) {
        buf_printf(out, "\\x%02x", rune);
    } else if (rune < 0x10000) {
        buf_printf(out, "\\u%04x", rune);
    } else {
        buf_printf(out, "\\U%08x", rune);
    }
}

void labels_print_quoted(struct buf *out, struct str s)
{
    buf_put_u8(out, '"');
    while (s.len > 0) {
        uint32_t rune = 0;
        size_t n = rune_of(s, &rune);
        if (n == 0) {
            buf_printf(out, "\\x%02x", (uint8_t)s.ptr[0]);
            n = 1;
        } else if (rune_is_printable(rune) && rune != '"' && rune != '\\') {
            buf_put(out, s.ptr, n);
        } else {
            put_escape(out, rune);
        }
        s = str_sub(s, n, s.len);
    }
    buf_put_u8(out, '"');
}

static void put_pair(struct buf *out, const struct label *l)
{
    if (label_name_is_legacy(l->name)) {
        buf_put_str(out, l->name);
    } else {
        labels_print_quoted(out, l->name);
    }
    buf_put_u8(out, '=');
    labels_print_quoted(out, l->value);
}

void labels_print(struct buf *out, struct labels l, bool name_inside)
{
    struct str name = name_inside ? (struct str){ NULL, 0 } : labels_get(l, LABEL_METRIC_NAME);
    bool is_plain = name.len > 0 && metric_name_is_legacy(name);
    size_t rest = l.len - (name.len > 0 ? 1 : 0);
    if (is_plain) buf_put_str(out, name);
    if (is_plain && rest == 0) return;
    buf_put_u8(out, '{');
    const char *separator = "";
    if (name.len > 0 && !is_plain) {
        labels_print_quoted(out, name);
        separator = ", ";
    }
    for (size_t i = 0; i < l.len; i++) {
        if (name.len > 0 && str_eq(l.ptr[i].name, LABEL_METRIC_NAME)) continue;
        buf_put_str(out, str_of_z(separator));
        put_pair(out, &l.ptr[i]);
        separator = ", ";
    }
    buf_put_u8(out, '}');
}
