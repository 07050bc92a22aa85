/* SPDX-License-Identifier: Apache-2.0
 *
 * What the Prometheus API takes from a request: every value of a query string as a time, a duration and a
 * selector. A time that was read prints to a text that reads as the same time.
 */
#include <stdint.h>

#include "api/prometheus/api_priv.h"
#include "base/time.h"
#include "codec/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_time(struct str text)
{
    char printed[TIME_TEXT_SIZE];
    int64_t ms, again;
    const int64_t exact = (int64_t)1 << 52; /* beyond it a double has no thousandths */
    if (api_parse_time(text, &ms, NULL) != ERR_OK || ms > exact || ms < -exact) return;
    struct str s = { printed, time_format_seconds(ms, printed) };
    if (api_parse_time(s, &again, NULL) != ERR_OK || again != ms) __builtin_trap();
}

static void check_selector(struct mem_budget *mem, struct arena *a, struct str text)
{
    struct promql_regexes regexes = { 0 };
    struct promql_parse_options options = { .budget = mem, .regexes = &regexes };
    struct matchers m;
    struct err err = { 0 };
    if (promql_parse_selector(text, a, &options, &m, &err) != ERR_OK && !err.detail[0]) {
        __builtin_trap(); /* a refusal without a reason */
    }
    promql_regexes_deinit(&regexes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mem_budget *mem = mem_budget_create(256u << 20);
    struct arena arena;
    struct str name, value;
    int64_t ms;
    if (!mem) return 0;
    arena_init(&arena, mem_source_of(mem, MEM_QUERY), 16u << 20);
    struct url_query q =
        url_query_of((struct str){ (const char *)data, size < 1u << 14 ? size : 1u << 14 }, &arena);
    for (unsigned n = 0; n < 64 && url_query_next(&q, &name, &value); n++) {
        check_time(value);
        (void)!api_parse_duration(value, &ms, NULL);
        check_selector(mem, &arena, value);
    }
    arena_deinit(&arena);
    if (mem_live_count(mem) != 0) __builtin_trap();
    mem_budget_destroy(mem);
    return 0;
}
