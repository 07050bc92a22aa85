/* SPDX-License-Identifier: Apache-2.0
 *
 * Slices of text: UTF-8 judged by a plain decoder, quoting at every size, splitting without loss,
 * whole numbers against libc.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The plain version: decode a scalar value, then judge it. */
static bool is_utf8_plainly(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint8_t lead = p[i];
        size_t len = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (lead >= 0x80 && (lead < 0xC0 || lead >= 0xF8 || n - i < len)) return false;
        uint32_t scalar = len == 1 ? lead : lead & (0xFFu >> (len + 1));
        for (size_t k = 1; k < len; k++) {
            if ((p[i + k] & 0xC0) != 0x80) return false;
            scalar = scalar << 6 | (p[i + k] & 0x3Fu);
        }
        static const uint32_t smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
        if (scalar < smallest[len] || scalar > 0x10FFFF) return false;
        if (scalar >= 0xD800 && scalar <= 0xDFFF) return false;
        i += len;
    }
    return true;
}

static void check_quote(struct str s)
{
    char out[64];
    for (size_t size = 8; size <= sizeof out; size++) {
        (void)str_quote(s, out, size);
        size_t len = strlen(out);
        ASSERT(len < size);
        ASSERT(out[0] == '"');
        ASSERT(out[len - 1] == '"');
        ASSERT(str_is_utf8((struct str){ out, len }));
    }
}

static void check_split(struct str s)
{
    size_t bytes = 0;
    size_t parts = 0;
    struct str rest = s;
    struct str part;
    while (str_split(&rest, ',', &part)) {
        ASSERT(str_index(part, ',') == part.len);
        bytes += part.len;
        parts++;
    }
    if (s.ptr) ASSERT(bytes + parts == s.len + 1);
}

static void check_number(struct str s)
{
    int64_t v;
    char text[32];
    if (!str_to_i64(s, &v) || s.len >= sizeof text) return;
    errno = 0;
    ASSERT(strtoll(str_z(s, text, sizeof text), NULL, 10) == v);
    ASSERT(errno == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = { (const char *)data, size };
    ASSERT(str_is_utf8(s) == is_utf8_plainly(data, size));
    check_quote(s);
    check_split(s);
    check_number(s);
    struct str a = str_sub(s, 0, size / 2);
    struct str b = str_sub(s, size / 2, size);
    ASSERT((str_cmp(a, b) < 0) == (str_cmp(b, a) > 0));
    ASSERT((str_cmp(a, b) == 0) == str_eq(a, b));
    ASSERT(str_distance(a, b, 4) == str_distance(b, a, 4));
    ASSERT(str_find(s, b) <= size - b.len);
    return 0;
}
