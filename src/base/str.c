/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include "base/assert.h"

int str_cmp(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
    if (order != 0) return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_sub(s, 0, prefix.len), prefix);
}

bool str_ends_with(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_sub(s, s.len - suffix.len, s.len), suffix);
}

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i])) return false;
    }
    return true;
}

size_t str_index(struct str s, char c)
{
    if (s.len == 0) return 0;
    const char *hit = memchr(s.ptr, c, s.len);
    return hit ? (size_t)(hit - s.ptr) : s.len;
}

size_t str_find(struct str s, struct str needle)
{
    if (needle.len == 0) return 0;
    if (needle.len > s.len) return s.len;
    const char *hit = memmem(s.ptr, s.len, needle.ptr, needle.len);
    return hit ? (size_t)(hit - s.ptr) : s.len;
}

struct str str_sub(struct str s, size_t from, size_t to)
{
    if (to > s.len) to = s.len;
    if (from > to) from = to;
    if (s.ptr == NULL) return (struct str){ NULL, 0 };
    return (struct str){ s.ptr + from, to - from };
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    size_t from = 0;
    size_t to = s.len;
    while (from < to && is_blank(s.ptr[from])) {
        from++;
    }
    while (to > from && is_blank(s.ptr[to - 1])) {
        to--;
    }
    return str_sub(s, from, to);
}

bool str_split(struct str *rest, char sep, struct str *out_part)
{
    if (rest->ptr == NULL) return false;
    size_t at = str_index(*rest, sep);
    *out_part = (struct str){ rest->ptr, at };
    if (at == rest->len) {
        *rest = (struct str){ NULL, 0 };
    } else {
        *rest = str_sub(*rest, at + 1, rest->len);
    }
    return true;
}

/* Length of the well-formed UTF-8 sequence at p (left bytes remain), 0 if malformed.
 * Source: Unicode 15, table 3-7. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    uint8_t lead = p[0];
    if (lead < 0x80) return 1;
    if (lead < 0xC2 || lead > 0xF4) return 0;
    size_t len = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (left < len) return 0;
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    if (lead == 0xE0) low = 0xA0;  /* overlong */
    if (lead == 0xED) high = 0x9F; /* surrogates */
    if (lead == 0xF0) low = 0x90;  /* overlong */
    if (lead == 0xF4) high = 0x8F; /* above U+10FFFF */
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
    }
    return len;
}

bool str_is_utf8(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    size_t i = 0;
    while (i < s.len) {
        uint64_t word;
        if (s.len - i >= sizeof word) { /* eight ASCII bytes at a time */
            memcpy(&word, p + i, sizeof word);
            if ((word & 0x8080808080808080u) == 0) {
                i += sizeof word;
                continue;
            }
        }
        size_t n = utf8_sequence(p + i, s.len - i);
        if (n == 0) return false;
        i += n;
    }
    return true;
}

char *str_z(struct str s, char *out, size_t size)
{
    ASSERT(size > 0);
    size_t n = s.len < size - 1 ? s.len : size - 1;
    if (n > 0) memcpy(out, s.ptr, n);
    out[n] = '\0';
    return out;
}

/* The escape of one byte or the UTF-8 sequence at s[i] into out[4]; *taken bytes were read. */
static size_t quote_one(struct str s, size_t i, char *out, size_t *taken)
{
    static const char escapes[] = "a\ab\bf\fn\nr\rt\tv\v\"\"\\\\";
    static const char hex[] = "0123456789abcdef";
    char c = s.ptr[i];
    *taken = 1;
    for (size_t e = 0; e < sizeof escapes - 1; e += 2) {
        if (c != escapes[e + 1]) continue;
        out[0] = '\\';
        out[1] = escapes[e];
        return 2;
    }
    size_t n = utf8_sequence((const uint8_t *)s.ptr + i, s.len - i);
    if (n == 0 || (unsigned char)c < 0x20 || c == 0x7F) {
        out[0] = '\\';
        out[1] = 'x';
        out[2] = hex[(unsigned char)c >> 4];
        out[3] = hex[(unsigned char)c & 15];
        return 4;
    }
    memcpy(out, s.ptr + i, n);
    *taken = n;
    return n;
}

char *str_quote(struct str s, char *out, size_t size)
{
    ASSERT(size >= 8);
    char piece[4];
    size_t taken;
    size_t total = 0;
    for (size_t i = 0; i < s.len && total < size; i += taken) {
        total += quote_one(s, i, piece, &taken);
    }
    bool is_cut = total + 3 > size; /* two quotes and the NUL */
    size_t limit = is_cut ? size - 5 : size - 2;
    size_t len = 0;
    out[len++] = '"';
    for (size_t i = 0; i < s.len; i += taken) {
        size_t n = quote_one(s, i, piece, &taken);
        if (len + n > limit) break;
        memcpy(out + len, piece, n);
        len += n;
    }
    if (is_cut) {
        memcpy(out + len, "...", 3);
        len += 3;
    }
    out[len++] = '"';
    out[len] = '\0';
    ASSERT(len < size);
    return out;
}

bool str_to_u64(struct str s, uint64_t *out)
{
    if (s.len == 0) return false;
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.ptr[i] - '0';
        if (digit > 9) return false;
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    *out = v;
    return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
    bool is_negative = s.len > 0 && s.ptr[0] == '-';
    bool has_sign = is_negative || (s.len > 0 && s.ptr[0] == '+');
    uint64_t v;
    if (!str_to_u64(str_sub(s, has_sign, s.len), &v)) return false;
    if (is_negative) {
        if (v > (uint64_t)INT64_MAX + 1) return false;
        *out = (int64_t)(0 - v);
        return true;
    }
    if (v > INT64_MAX) return false;
    *out = (int64_t)v;
    return true;
}

static unsigned min_unsigned(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Longest text whose distance is computed; names that people mistype are shorter. */
#define DISTANCE_LEN_MAX 64

unsigned str_distance(struct str a, struct str b, unsigned cap)
{
    size_t gap = a.len > b.len ? a.len - b.len : b.len - a.len;
    if (gap > cap) return cap + 1;
    if (a.len > DISTANCE_LEN_MAX || b.len > DISTANCE_LEN_MAX) return str_eq(a, b) ? 0 : cap + 1;
    /* Three rows of the table d[i][j] = distance of the first i bytes of a and j bytes of b. */
    unsigned rows[3][DISTANCE_LEN_MAX + 1];
    for (size_t j = 0; j <= b.len; j++) {
        rows[0][j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i - 1) % 3];
        const unsigned *above2 = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned cost = a.ptr[i - 1] != b.ptr[j - 1];
            row[j] = min_unsigned(above[j] + 1, row[j - 1] + 1);
            row[j] = min_unsigned(row[j], above[j - 1] + cost);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1]) {
                row[j] = min_unsigned(row[j], above2[j - 2] + 1);
            }
        }
    }
    return min_unsigned(rows[a.len % 3][b.len], cap + 1);
}
