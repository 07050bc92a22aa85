/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_fixture.h"

#include <stdio.h>

#include "base/float_text.h"
#include "base/rng.h"
#include "query/promql/ast.h"

void fixture_open(struct engine_fixture *f)
{
    *f = (struct engine_fixture){ 0 };
    f->mem = mem_budget_create((uint64_t)1 << 30);
    memory_source_init(&f->memory, f->mem);
    arena_init(&f->arena, mem_source_of(f->mem, MEM_QUERY), (size_t)256 << 20);
    f->options = (struct promql_engine_options){
        .source = memory_source_of(&f->memory), .clock = clock_system(), .mem = f->mem, .workers = 1
    };
    fixture_restart(f);
}

void fixture_restart(struct engine_fixture *f)
{
    promql_engine_destroy(f->engine);
    f->engine = NULL;
    ck_assert_int_eq(promql_engine_create(&f->options, &f->engine, &f->err), ERR_OK);
}

void fixture_close(struct engine_fixture *f)
{
    promql_engine_destroy(f->engine);
    memory_source_deinit(&f->memory);
    arena_deinit(&f->arena);
    ck_assert_uint_eq(mem_live_count(f->mem), 0);
    mem_budget_destroy(f->mem);
}

static struct memory_series *series_of(struct engine_fixture *f, const char *series)
{
    struct labels labels;
    arena_reset(&f->arena);
    ck_assert_int_eq(promql_parse_labels(str_of_z(series), &f->arena, &labels, &f->err), ERR_OK);
    return memory_source_series(&f->memory, labels);
}

void fixture_load(struct engine_fixture *f, const char *series, const double *values, size_t count)
{
    struct memory_series *s = series_of(f, series);
    for (size_t i = 0; i < count; i++)
        memory_series_add(s, (int64_t)i * 15000, values[i]);
}

void fixture_load_fleet(struct engine_fixture *f, size_t series, size_t samples)
{
    struct rng rng;
    rng_init(&rng, 42);
    for (size_t i = 0; i < series; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "m_total{i=\"%zu\",g=\"%zu\",job=\"j%zu\"}", i, i % 7,
                       i % 3);
        struct memory_series *s = series_of(f, text);
        int64_t ts = (int64_t)rng_below(&rng, 15000);
        double v = rng_f64(&rng) * 1e6;
        for (size_t k = 0; k < samples; k++) {
            v = rng_below(&rng, 40) == 0 ? 0 : v + rng_f64(&rng) * 10;
            bool is_stale_marker = rng_below(&rng, 50) == 0;
            memory_series_add(s, ts, is_stale_marker ? stale_nan() : v);
            ts += 14000 + (int64_t)rng_below(&rng, 2000);
        }
    }
}

enum err_code fixture_ask(struct engine_fixture *f, const struct promql_query *q)
{
    arena_reset(&f->arena);
    f->result = (struct promql_result){ 0 };
    f->err = (struct err){ 0 };
    return promql_engine_query(f->engine, q, &f->arena, &f->result, &f->stats, &f->err);
}

const struct promql_result *fixture_instant(struct engine_fixture *f, const char *text,
                                            int64_t ts_ms)
{
    const struct promql_query q = { .text = str_of_z(text), .start_ms = ts_ms, .end_ms = ts_ms };
    ck_assert_msg(fixture_ask(f, &q) == ERR_OK, "%s: %s", text, f->err.detail);
    return &f->result;
}

const struct promql_result *fixture_range(struct engine_fixture *f, const char *text,
                                          int64_t start_ms, int64_t end_ms, int64_t step_ms)
{
    const struct promql_query q = {
        .text = str_of_z(text), .start_ms = start_ms, .end_ms = end_ms, .step_ms = step_ms
    };
    ck_assert_msg(fixture_ask(f, &q) == ERR_OK, "%s: %s", text, f->err.detail);
    return &f->result;
}

void fixture_expect_error(struct engine_fixture *f, const struct promql_query *q,
                          enum err_code code, const char *text)
{
    enum err_code rc = fixture_ask(f, q);
    ck_assert_msg(rc == code && strcmp(f->err.detail, text) == 0, "%.*s: %s: %s", STR_ARG(q->text),
                  err_name(rc), f->err.detail);
}

const char *fixture_text(struct engine_fixture *f)
{
    struct buf out;
    buf_init(&out, f->arena.mem, (size_t)64 << 20);
    for (size_t i = 0; i < f->result.series_count; i++) {
        const struct promql_series *s = &f->result.series[i];
        labels_print(&out, s->labels, false);
        for (size_t k = 0; k < s->count; k++) {
            char number[FLOAT_TEXT_SIZE];
            size_t len = float_format(s->points[k].value, FLOAT_SHORTEST, number);
            buf_printf(&out, " %.*s@%lld", (int)len, number, (long long)s->points[k].ts_ms);
        }
        buf_put_lit(&out, "\n");
    }
    buf_put_u8(&out, 0);
    ck_assert(!buf_failed(&out));
    struct str copy = arena_str(&f->arena, buf_str(&out));
    buf_deinit(&out);
    return copy.ptr;
}
