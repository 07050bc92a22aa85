/* SPDX-License-Identifier: Apache-2.0
 *
 * Exposition text, both dialects (first byte chooses): an error, or a batch in which each sample
 * has its series, and labels that finish or are refused.
 */
#include <stdint.h>

#include "formats/exposition.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mem_budget *budget;
    if (!budget) budget = mem_budget_create(256u << 20);
    if (size == 0) return 0;
    struct exposition_options options = {
        .format = data[0] & 1 ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT,
        .alias_seed = 1,
        .honor_timestamps = true,
    };
    struct arena arena;
    struct batch b;
    arena_init(&arena, mem_source_of(budget, MEM_SCRAPE), 16u << 20);
    if (exposition_parse((struct bytes){ data + 1, size - 1 }, &options, &arena, &b, NULL) ==
        ERR_OK) {
        struct labels_builder builder;
        labels_builder_init(&builder, &arena);
        if (b.series_count != b.sample_count) __builtin_trap();
        for (size_t i = 0; i < b.series_count; i++) {
            struct labels labels;
            if (b.decode(&b, &b.series[i], &builder, &labels, NULL) != ERR_OK) continue;
            if (labels_get(labels, LABEL_METRIC_NAME).len == 0) __builtin_trap();
        }
    }
    arena_deinit(&arena);
    return 0;
}
