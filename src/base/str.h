/* SPDX-License-Identifier: Apache-2.0
 *
 * str - borrowed text and borrowed octets: pointer + length, passed by value.
 *
 * NUL-terminated strings exist only at the libc border (str_z copies into a caller's buffer).
 * A str is UTF-8 unless stated otherwise and may contain NUL. A zero struct is the empty string.
 */
#ifndef PHAROS_BASE_STR_H
#define PHAROS_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

struct bytes {
    const uint8_t *ptr;
    size_t len;
};

#define STR(lit) ((struct str){ "" lit, sizeof(lit) - 1 })
/* The same for static initialisers. */
/* clang-format off */
#define STR_INIT(lit) { "" lit, sizeof(lit) - 1 }
/* clang-format on */
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)((s).len > 4096 ? 4096 : (s).len), ((s).ptr ? (s).ptr : "")

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline struct str str_of_z(const char *z)
{
    return (struct str){ z, z ? strlen(z) : 0 };
}

static inline struct str str_of_bytes(struct bytes b)
{
    return (struct str){ (const char *)b.ptr, b.len };
}

static inline struct bytes bytes_of_str(struct str s)
{
    return (struct bytes){ (const uint8_t *)s.ptr, s.len };
}

/* Byte order: negative, 0, positive as memcmp; a proper prefix sorts first. */
int str_cmp(struct str a, struct str b);
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
/* ASCII case-insensitive equality. */
bool str_eq_nocase(struct str a, struct str b);
/* Index of the first `c`, or s.len. */
size_t str_index(struct str s, char c);
/* Index of the first occurrence of `needle`, or s.len. The empty needle is found at 0. */
size_t str_find(struct str s, struct str needle);
/* s[from, to), both clamped to the length. */
struct str str_sub(struct str s, size_t from, size_t to);
/* Without ASCII blanks (space, tab, CR, LF) at both ends. */
struct str str_trim(struct str s);
/* Cut off the part before the first `sep` and advance *rest past it; false when *rest is spent.
 * "a,b" gives "a", "b". *rest is spent when its ptr is NULL. */
bool str_split(struct str *rest, char sep, struct str *out_part);
/* Valid UTF-8 (no surrogates, no overlong forms, at most U+10FFFF)? */
bool str_is_utf8(struct str s);
/* Copy as NUL-terminated text into out[size], truncating. Returns out. */
char *str_z(struct str s, char *out, size_t size);
/* Copy as a double-quoted NUL-terminated literal the way Go's %q prints it ("a\"b\n\x80"), cut with
 * "..." before the closing quote when it does not fit; size >= 8. Returns out. */
char *str_quote(struct str s, char *out, size_t size);
/* Whole text as a decimal number without sign or blanks; false when not, or over uint64. */
bool str_to_u64(struct str s, uint64_t *out);
/* The same with an optional sign, over int64. */
bool str_to_i64(struct str s, int64_t *out);
/* Damerau-Levenshtein distance (adjacent transpositions), capped: returns at most cap + 1.
 * Texts of more than 64 bytes are equal (0) or not (cap + 1). */
unsigned str_distance(struct str a, struct str b, unsigned cap);

#endif
