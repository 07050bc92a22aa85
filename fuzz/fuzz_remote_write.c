/* SPDX-License-Identifier: Apache-2.0
 *
 * Remote write 1.0: any bytes give an error or a batch whose every series can be decoded or
 * refused.
 */
#include <stdint.h>

#include "formats/remote_write.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mem_budget *budget;
    if (!budget) budget = mem_budget_create(256u << 20);
    const struct label_limits limits = LABEL_LIMITS_DEFAULT;
    const struct remote_write_options options = { .alias_seed = 1, .label_limits = &limits };
    struct remote_write_counts counts;
    struct arena arena;
    struct batch b;
    arena_init(&arena, mem_source_of(budget, MEM_INGEST), 16u << 20);
    if (remote_write_decode((struct bytes){ data, size }, &options, &arena, &b, &counts, NULL) ==
        ERR_OK) {
        struct labels_builder builder;
        labels_builder_init(&builder, &arena);
        size_t samples = 0;
        for (size_t i = 0; i < b.series_count; i++) {
            struct labels labels;
            samples += b.series[i].sample_count;
            if (b.decode(&b, &b.series[i], &builder, &labels, NULL) != ERR_OK) continue;
            if (labels_get(labels, LABEL_METRIC_NAME).len == 0) __builtin_trap();
        }
        if (samples != b.sample_count) __builtin_trap();
    }
    arena_deinit(&arena);
    return 0;
}
