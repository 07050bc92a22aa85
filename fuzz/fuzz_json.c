/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON: any bytes are refused or read; what was read is written again, and that reads the same.
 */
#include <stdint.h>

#include "codec/json_read.h"
#include "codec/json_write.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Copy the value at hand. Recursion is bounded by JSON_DEPTH_MAX. */
static void copy_value(struct json_reader *r, struct json_writer *w)
{
    struct str key;
    switch (json_peek(r)) {
    case JSON_NONE: return;
    case JSON_NULL:
        (void)json_null(r);
        json_put_null(w);
        return;
    case JSON_BOOL: json_put_bool(w, json_bool(r)); return;
    case JSON_NUMBER: json_put_raw(w, json_number(r)); return;
    case JSON_STRING: json_put_str(w, json_str(r)); return;
    case JSON_ARRAY:
        json_array(r);
        json_open_array(w);
        while (json_next_item(r))
            copy_value(r, w);
        json_close_array(w);
        return;
    case JSON_OBJECT:
        json_object(r);
        json_open_object(w);
        while (json_next_key(r, &key)) {
            json_key_str(w, key);
            copy_value(r, w);
        }
        json_close_object(w);
        return;
    }
}

static bool copy_text(struct str text, struct arena *arena, struct buf *out, bool escape_html)
{
    struct json_reader r;
    struct json_writer w = json_writer_of(out);
    w.escape_html = escape_html;
    json_reader_init(&r, text, arena);
    copy_value(&r, &w);
    return json_finish(&r, NULL) == ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mem_budget *budget;
    if (!budget) budget = mem_budget_create(256u << 20);
    const struct mem_source *mem = mem_source_of(budget, MEM_SYSTEM);
    struct str text = { (const char *)data, size };
    struct arena arena;
    struct buf first, second;
    arena_init(&arena, mem, 16u << 20);
    buf_init(&first, mem, 16u << 20);
    buf_init(&second, mem, 16u << 20);

    struct json_reader r;
    json_reader_init(&r, text, &arena);
    bool is_valid = json_finish(&r, NULL) == ERR_OK; /* by skipping alone */
    if (copy_text(text, &arena, &first, size % 2) != is_valid) __builtin_trap();
    if (is_valid) {
        if (!copy_text(buf_str(&first), &arena, &second, size % 2)) __builtin_trap();
        if (!str_eq(buf_str(&first), buf_str(&second))) __builtin_trap();
    }
    buf_deinit(&first);
    buf_deinit(&second);
    arena_deinit(&arena);
    return 0;
}
