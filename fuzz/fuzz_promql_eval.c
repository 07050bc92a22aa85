/* SPDX-License-Identifier: Apache-2.0
 *
 * PromQL evaluated over a tiny store, as an instant and as a range query, with the name removal that the length of the
 * text picks: an answer or an error with a text, within the limits, and nothing left behind. A range answer is sorted and its
 * points lie on the grid.
 */
#include <stdint.h>
#include <stdlib.h>

#include "memory_source.h"
#include "query/promql/engine.h"

#define SAMPLES 12

static struct memory_source memory;
static struct promql_engine *engines[2]; /* by delayed_name_removal */
static struct mem_budget *budget;

static void load(const char *series, double first, double increment)
{
    struct arena a;
    struct labels labels;
    arena_init(&a, mem_source_of(budget, MEM_QUERY), 1u << 20);
    if (promql_parse_labels(str_of_z(series), &a, &labels, NULL) != ERR_OK) abort();
    struct memory_series *s = memory_source_series(&memory, labels);
    for (int64_t i = 0; i < SAMPLES; i++) {
        double v = i == 7 ? 0 : first + (double)i * increment;
        memory_series_add(s, i * 15000, i == 9 ? stale_nan() : v);
    }
    arena_deinit(&a);
}

static void set_up(void)
{
    budget = mem_budget_create(512u << 20);
    memory_source_init(&memory, budget);
    load("a{x=\"1\"}", 1, 2);
    load("a{x=\"2\"}", -5, 1.5);
    load("b{x=\"1\", y=\"z\"}", 1e300, 1e307);
    load("c_bucket{le=\"1\"}", 1, 1);
    load("c_bucket{le=\"+Inf\"}", 2, 2);
    load("d", normal_nan(), 1);
    for (int i = 0; i < 2; i++) {
        const struct promql_engine_options o = { .source = memory_source_of(&memory),
                                                 .clock = clock_system(),
                                                 .mem = budget,
                                                 .workers = 1,
                                                 .samples_max = 100000,
                                                 .query_bytes_max = 16u << 20,
                                                 .timeout_ms = 1000,
                                                 .delayed_name_removal = i == 1 };
        if (promql_engine_create(&o, &engines[i], NULL) != ERR_OK) abort();
    }
}

static void check_range(const struct promql_query *q, const struct promql_result *r)
{
    for (size_t i = 0; i < r->series_count; i++) {
        const struct promql_series *s = &r->series[i];
        if (i > 0 && labels_cmp(r->series[i - 1].labels, s->labels) >= 0) __builtin_trap();
        if (s->count == 0) __builtin_trap();
        for (size_t k = 0; k < s->count; k++) {
            int64_t ts = s->points[k].ts_ms;
            if (ts < q->start_ms || ts > q->end_ms) __builtin_trap();
            if ((ts - q->start_ms) % q->step_ms != 0) __builtin_trap();
            if (k > 0 && s->points[k - 1].ts_ms >= ts) __builtin_trap();
        }
    }
}

static void run(struct promql_engine *e, const struct promql_query *q)
{
    struct promql_result r = { 0 };
    struct err err = { 0 };
    struct arena a;
    arena_init(&a, mem_source_of(budget, MEM_QUERY), 16u << 20);
    uint64_t live = mem_live_count(budget);
    enum err_code rc = promql_engine_query(e, q, &a, &r, NULL, &err);
    if (rc != ERR_OK && rc != ERR_NOMEM && err.detail[0] == '\0') __builtin_trap();
    if (rc == ERR_OK && q->step_ms) check_range(q, &r);
    arena_deinit(&a);
    if (mem_live_count(budget) > live) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!budget) set_up();
    const struct str text = { (const char *)data, size };
    const struct promql_query instant = { .text = text, .start_ms = 120000, .end_ms = 120000 };
    const struct promql_query range = {
        .text = text, .start_ms = 30000, .end_ms = 180000, .step_ms = 25000
    };
    run(engines[size % 2], &instant);
    run(engines[size % 2], &range);
    return 0;
}
