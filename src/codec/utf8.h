/* SPDX-License-Identifier: Apache-2.0
 *
 * utf8 - single characters of UTF-8 (RFC 3629), and the search for the end of clean text that the
 * JSON reader and writer share.
 */
#ifndef PHAROS_CODEC_UTF8_H
#define PHAROS_CODEC_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Length 1..4 of the valid character at p, 0 if there is none. `left` >= 1 bytes may be read. */
static inline unsigned utf8_length(const char *p, size_t left)
{
    const unsigned char *s = (const unsigned char *)p;
    if (s[0] < 0x80) return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    unsigned length = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (length > left) return 0;
    for (unsigned i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if (s[0] == 0xe0 && s[1] < 0xa0) return 0; /* overlong */
    if (s[0] == 0xed && s[1] > 0x9f) return 0; /* surrogate */
    if (s[0] == 0xf0 && s[1] < 0x90) return 0; /* overlong */
    if (s[0] == 0xf4 && s[1] > 0x8f) return 0; /* above U+10FFFF */
    return length;
}

/* The code point of a valid character of that length. */
static inline uint32_t utf8_code(const char *p, unsigned length)
{
    const unsigned char *s = (const unsigned char *)p;
    if (length == 1) return s[0];
    uint32_t code = s[0] & (0xffu >> (length + 1));
    for (unsigned i = 1; i < length; i++)
        code = code << 6 | (s[i] & 0x3f);
    return code;
}

/* Write a code point (at most U+10FFFF), return the length 1..4. */
static inline unsigned utf8_put(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    unsigned length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[5] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (unsigned i = length; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[length] | code);
    return length;
}

/* Number of bytes before the first that JSON does not take as it is: a control, `"`, `\`, or a
 * byte above 0x7f. Eight bytes a step; a borrow can only flag bytes above a flagged one, so the
 * lowest flag is right. */
static inline size_t utf8_clean_run(const char *p, size_t len)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t v;
        memcpy(&v, p + i, 8);
        uint64_t quote = v ^ ones * '"', backslash = v ^ ones * '\\';
        uint64_t stop = v | (v - ones * 0x20) | (quote - ones) | (backslash - ones);
        stop &= highs;
        if (stop == 0) continue;
        /* the terms above also fire for bytes >= 0x80, which stop anyway */
        return i + (size_t)__builtin_ctzll(stop) / 8;
    }
    for (; i < len; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') break;
    }
    return i;
}

#endif
