/* SPDX-License-Identifier: Apache-2.0
 *
 * One page of samples, as it stands in a chunk file; its crc and sizes are made right first, so that what is behind them is
 * reached.
 */
#include <string.h>

#include "base/crc32c.h"
#include "metrics/block/page.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void repair(uint8_t *page, size_t size)
{
    uint32_t magic = PAGE_MAGIC, stored = (uint32_t)(size - PAGE_HEADER_SIZE);
    memcpy(page, &magic, 4);
    memcpy(page + 8, &stored, 4);
    if (page[17] == PAGE_COMP_NONE) memcpy(page + 4, &stored, 4);
    uint32_t crc = crc32c(0, page + 16, size - 16);
    memcpy(page + 12, &crc, 4);
}

static void read_vectors(struct page_view *view)
{
    static int64_t ts_ms[VECTOR_SAMPLES_MAX];
    static double value[VECTOR_SAMPLES_MAX + 16];
    static const uint8_t no_dictionary[16];
    struct time_dict_view dict = { { no_dictionary, sizeof no_dictionary }, 0 };
    for (size_t i = 0; i < view->vector_count; i++) {
        struct rd values;
        size_t count = view->vectors[i].count;
        if (page_view_times(view, i, &dict, ts_ms, &values, NULL) != ERR_OK) continue;
        if (ts_ms[0] < view->mint_ms || ts_ms[count - 1] > view->maxt_ms) __builtin_trap();
        for (size_t k = 1; k < count; k++)
            if (ts_ms[k] <= ts_ms[k - 1]) __builtin_trap();
        (void)(page_view_values(view, i, &values, value, NULL) == ERR_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < PAGE_HEADER_SIZE || size > 65536) return 0;
    struct mem_budget *mem = mem_budget_create(64u << 20);
    struct page_view view;
    page_view_init(&view, mem, MEM_QUERY);
    uint8_t *page = page_view_reserve(&view, size);
    if (page) {
        memcpy(page, data, size);
        repair(page, size);
        if (page_view_load(&view, size, NULL) == ERR_OK) read_vectors(&view);
    }
    page_view_deinit(&view);
    if (mem_used(mem, MEM_QUERY) != 0) __builtin_trap();
    mem_budget_destroy(mem);
    return 0;
}
