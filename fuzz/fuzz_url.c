/* SPDX-License-Identifier: Apache-2.0
 *
 * URLs, query strings and base64: any bytes are refused or decode to what encodes and decodes
 * to the same.
 */
#include <stdint.h>

#include "codec/base64.h"
#include "codec/url.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_escapes(struct str in, enum url_part part, struct arena *a, struct buf *out)
{
    struct str plain, back;
    if (url_decode(in, part, a, &plain, NULL) != ERR_OK) return;
    buf_reset(out);
    url_encode(plain, part, out);
    if (url_decode(buf_str(out), part, a, &back, NULL) != ERR_OK) __builtin_trap();
    if (!str_eq(plain, back)) __builtin_trap();
}

static void check_base64(struct str in, struct arena *a, struct buf *out)
{
    uint8_t *first = arena_array(a, uint8_t, base64_decoded_max(in.len));
    size_t len = 0, again = 0;
    if (first == NULL || !base64_decode(in, first, &len)) return;
    buf_reset(out);
    base64_encode((struct bytes){ first, len }, BASE64_URL, out);
    uint8_t *second = arena_array(a, uint8_t, base64_decoded_max(out->len));
    if (second == NULL || !base64_decode(buf_str(out), second, &again)) __builtin_trap();
    if (len != again || memcmp(first, second, len) != 0) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mem_budget *budget;
    if (!budget) budget = mem_budget_create(256u << 20);
    const struct mem_source *mem = mem_source_of(budget, MEM_SYSTEM);
    struct str in = { (const char *)data, size }, key, value;
    struct arena arena;
    struct buf out;
    arena_init(&arena, mem, 16u << 20);
    buf_init(&out, mem, 16u << 20);
    check_escapes(in, URL_PATH, &arena, &out);
    check_escapes(in, URL_QUERY, &arena, &out);
    check_base64(in, &arena, &out);
    struct url_query q = url_query_of(in, &arena);
    while (url_query_next(&q, &key, &value)) {
        if (key.len > size || value.len > size) __builtin_trap();
    }
    if (url_query_finish(&q, NULL) == ERR_OK && q.count > size + 1) __builtin_trap();
    struct url u;
    if (url_parse(in, &u, NULL) == ERR_OK) {
        if (u.host.len == 0) __builtin_trap();
        buf_reset(&out);
        url_put_redacted(in, &out);
        if (url_parse(buf_str(&out), &u, NULL) != ERR_OK) __builtin_trap();
    }
    buf_deinit(&out);
    arena_deinit(&arena);
    return 0;
}
