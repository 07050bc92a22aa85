/* SPDX-License-Identifier: Apache-2.0
 *
 * The small files of a block, with checksums made right: first byte even: meta.json, which printed again gives
 * the same; odd: tombstones.
 */
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "metrics/block/block_meta.h"
#include "metrics/block/tombstones.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* data is the JSON text without the crc member and the closing brace. */
static void meta(const uint8_t *data, size_t size, struct mem_budget *mem)
{
    struct buf json, again;
    struct arena a;
    struct block_meta m, n;
    const struct mem_source *source = mem_source_of(mem, MEM_SYSTEM);
    buf_init(&json, source, 1 << 20);
    buf_init(&again, source, 1 << 20);
    arena_init(&a, source, 16u << 20);
    buf_put(&json, data, size);
    buf_printf(&json, ",\"crc32c\":%u}\n", crc32c(0, data, size));
    if (block_meta_parse(buf_bytes(&json), &a, &m, NULL) == ERR_OK) {
        block_meta_print(&m, &again);
        if (block_meta_parse(buf_bytes(&again), &a, &n, NULL) != ERR_OK) __builtin_trap();
        if (!ulid_eq(m.id, n.id) || m.mint_ms != n.mint_ms || m.maxt_ms != n.maxt_ms ||
            m.parent_count != n.parent_count || m.source_count != n.source_count)
            __builtin_trap();
    }
    arena_deinit(&a);
    buf_deinit(&json);
    buf_deinit(&again);
}

static void tombstones(const uint8_t *data, size_t size, struct mem_budget *mem)
{
    struct buf file, again;
    struct tombstones *t = NULL;
    const struct mem_source *source = mem_source_of(mem, MEM_SYSTEM);
    buf_init(&file, source, 1 << 20);
    buf_init(&again, source, 1 << 20);
    buf_put(&file, data, size);
    buf_put_u32le(&file, crc32c(0, data, size));
    if (tombstones_parse(buf_bytes(&file), 1000, mem, &t, NULL) == ERR_OK) {
        int64_t ts_ms[] = { -5, 0, 1700006400000, INT64_MAX };
        double value[] = { 1, 2, 3, 4 };
        struct sample_columns c = { ts_ms, value, NULL, 4, 4 };
        tombstones_mask(t, 7, 0, &c);
        tombstones_print(t, &again);
        if (again.len != file.len || memcmp(again.ptr, file.ptr, file.len) != 0) __builtin_trap();
        tombstones_unref(t);
    }
    buf_deinit(&file);
    buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 65536) return 0;
    struct mem_budget *mem = mem_budget_create(64u << 20);
    if (data[0] % 2 == 0)
        meta(data + 1, size - 1, mem);
    else
        tombstones(data + 1, size - 1, mem);
    if (mem_used(mem, MEM_SYSTEM) != 0 || mem_used(mem, MEM_CACHE) != 0) __builtin_trap();
    mem_budget_destroy(mem);
    return 0;
}
