/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/base64.h"

static const char ALPHABETS[2][65] = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

void base64_encode(struct bytes in, enum base64_alphabet alphabet, struct buf *out)
{
    const char *digits = ALPHABETS[alphabet];
    size_t i = 0;
    for (; i + 3 <= in.len; i += 3) {
        uint32_t v = (uint32_t)in.ptr[i] << 16 | (uint32_t)in.ptr[i + 1] << 8 | in.ptr[i + 2];
        char quad[4] = { digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63],
                         digits[v & 63] };
        buf_put(out, quad, 4);
    }
    size_t rest = in.len - i;
    if (rest == 0) return;
    uint32_t v = (uint32_t)in.ptr[i] << 16 | (rest == 2 ? (uint32_t)in.ptr[i + 1] << 8 : 0);
    char quad[4] = { digits[v >> 18], digits[v >> 12 & 63], rest == 2 ? digits[v >> 6 & 63] : '=',
                     '=' };
    buf_put(out, quad, alphabet == BASE64_STD ? 4 : rest + 1);
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    if (c == '/' || c == '_') return 63;
    return -1;
}

bool base64_decode(struct str s, uint8_t *out, size_t *out_len)
{
    if (s.len % 4 == 0 && s.len > 0 && s.ptr[s.len - 1] == '=') {
        s.len--;
        if (s.ptr[s.len - 1] == '=') s.len--;
    }
    if (s.len % 4 == 1) return false;
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        int v = digit_value(s.ptr[i]);
        if (v < 0) return false;
        acc = acc << 6 | (uint32_t)v;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[len++] = (uint8_t)(acc >> bits);
            acc &= (1u << bits) - 1;
        }
    }
    if (acc != 0) return false;
    *out_len = len;
    return true;
}
