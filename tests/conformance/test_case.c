/* SPDX-License-Identifier: Apache-2.0 */
#include "test_case.h"

#include <stdio.h>
#include <stdlib.h>

#include "query/promql/function_table.h"
#include "query/promql/printer.h"

#define ARENA_BYTES_MAX ((size_t)256 << 20)
#define RANGE_STEP_MS 60000

struct test_case {
    struct promql_engine *engine;
    struct mem_budget *mem;
    const struct command *c;
    struct why *why;
};

/* ---- the @ form ---- */

static bool depends_on_time(const struct promql_call *call)
{
    static const struct str names[] = { STR_INIT("days_in_month"), STR_INIT("day_of_month"),
                                        STR_INIT("day_of_week"),   STR_INIT("day_of_year"),
                                        STR_INIT("hour"),          STR_INIT("minute"),
                                        STR_INIT("month"),         STR_INIT("year"),
                                        STR_INIT("time"),          STR_INIT("predict_linear"),
                                        STR_INIT("timestamp"),     STR_INIT("start"),
                                        STR_INIT("end"),           STR_INIT("range"),
                                        STR_INIT("step") };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_eq(call->fn->name, names[i])) return true;
    }
    return false;
}

static void pin(struct promql_time_shift *shift, int64_t ts_ms)
{
    if (shift->at == PROMQL_AT_TIME) return;
    shift->at = PROMQL_AT_TIME;
    shift->at_ms = ts_ms;
}

/* Give selectors the time; what is below a subquery follows from the subquery's. False when a function
 * reads the time of evaluation. */
static bool pin_all(struct promql_expr *x, int64_t ts_ms)
{
    struct promql_expr *child;
    if (x->kind == PROMQL_VECTOR_SELECTOR) pin(&x->selector->shift, ts_ms);
    if (x->kind == PROMQL_SUBQUERY) {
        pin(&x->subquery->shift, ts_ms);
        return true;
    }
    if (x->kind == PROMQL_CALL && depends_on_time(x->call)) return false;
    for (size_t i = 0; (child = promql_child(x, i)) != NULL; i++) {
        if (!pin_all(child, ts_ms)) return false;
    }
    return true;
}

/* ---- running ---- */

static bool contains_bounds(struct str text)
{
    static const struct str words[] = { STR_INIT("start()"), STR_INIT("end()"), STR_INIT("range()"),
                                        STR_INIT("step()") };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_find(text, words[i]) < text.len) return true;
    }
    return false;
}

static bool expects_failure(const struct command *c)
{
    for (size_t i = 0; i < c->expectation_count; i++) {
        if (c->expectations[i].kind == EXPECT_FAIL) return true;
    }
    return false;
}

/* Prefix the reason with the form that failed. */
static bool in_form(const struct test_case *t, const char *form, struct str text, int64_t ts_ms)
{
    char inner[WHY_SIZE];
    (void)snprintf(inner, sizeof inner, "%.600s", t->why->text);
    (void)snprintf(t->why->text, sizeof t->why->text, "%s at %lld: %.*s: %.600s", form,
                   (long long)ts_ms, (int)(text.len < 200 ? text.len : 200), text.ptr, inner);
    return false;
}

static bool passes_as_range(const struct test_case *t, struct str text, int64_t ts_ms,
                            struct arena *a)
{
    struct promql_result r = { 0 };
    struct err err = { 0 };
    struct promql_query q = { .text = text,
                              .start_ms = ts_ms - RANGE_STEP_MS,
                              .end_ms = ts_ms + RANGE_STEP_MS,
                              .step_ms = RANGE_STEP_MS };
    enum err_code rc = promql_engine_query(t->engine, &q, a, &r, NULL, &err);
    if (!compare_failure(t->c, t->mem, rc, &err, t->why)) return false;
    return t->c->is_ordered || compare_step(t->c, &r, ts_ms, t->why);
}

/* `text` at ts_ms, then as the middle step of a range. */
static bool passes_at(const struct test_case *t, struct str text, int64_t ts_ms)
{
    const struct command *c = t->c;
    struct promql_result r = { 0 };
    struct err err = { 0 };
    struct arena a;
    arena_init(&a, mem_source_of(t->mem, MEM_QUERY), ARENA_BYTES_MAX);
    struct promql_query q = { .text = text, .start_ms = ts_ms, .end_ms = ts_ms };
    enum err_code rc = promql_engine_query(t->engine, &q, &a, &r, NULL, &err);
    bool good = compare_failure(c, t->mem, rc, &err, t->why);
    if (good && rc == ERR_OK) {
        good = compare_annotations(c, t->mem, &r, t->why) && compare_instant(c, &r, t->why);
    }
    if (!good) in_form(t, "instant", text, ts_ms);
    bool wants_range = !c->expects_range_vector && !c->has_string && !expects_failure(c) &&
                       !contains_bounds(c->expr);
    if (good && wants_range) {
        good = passes_as_range(t, text, ts_ms, &a);
        if (!good) in_form(t, "range", text, ts_ms);
    }
    arena_deinit(&a);
    return good;
}

static bool passes_pinned(const struct test_case *t, struct arena *a)
{
    const int64_t ts = t->c->start_ms;
    const int64_t times[2][5] = { { -10 * ts, 0, ts / 5, ts, 10 * ts }, { -1000, 0, 1000, 0, 0 } };
    const struct promql_parse_options options = { .budget = t->mem };
    struct promql_expr *x;
    struct buf text;
    bool good = true;
    if (promql_parse(t->c->expr, a, &options, &x, NULL) != ERR_OK) return true;
    if (!pin_all(x, ts)) return true;
    buf_init(&text, a->mem, 1u << 20);
    promql_print(&text, x);
    buf_put_u8(&text, 0);
    struct str pinned = { (const char *)text.ptr, text.len - 1 };
    for (size_t i = 0; good && i < (ts == 0 ? 3 : 5); i++)
        good = passes_at(t, pinned, times[ts == 0][i]);
    buf_deinit(&text);
    return good;
}

static bool passes_range(const struct test_case *t, struct arena *a)
{
    const struct command *c = t->c;
    struct promql_result r = { 0 };
    struct err err = { 0 };
    struct promql_query q = {
        .text = c->expr, .start_ms = c->start_ms, .end_ms = c->end_ms, .step_ms = c->step_ms
    };
    enum err_code rc = promql_engine_query(t->engine, &q, a, &r, NULL, &err);
    if (!compare_failure(c, t->mem, rc, &err, t->why)) return false;
    return rc != ERR_OK ||
           (compare_annotations(c, t->mem, &r, t->why) && compare_range(c, &r, t->why));
}

bool test_case_passes(struct promql_engine *engine, struct mem_budget *mem, const struct command *c,
                      struct why *why)
{
    const struct test_case t = { engine, mem, c, why };
    struct arena a;
    arena_init(&a, mem_source_of(mem, MEM_QUERY), ARENA_BYTES_MAX);
    bool good = c->is_range ? passes_range(&t, &a)
                            : passes_at(&t, c->expr, c->start_ms) && passes_pinned(&t, &a);
    arena_deinit(&a);
    return good;
}
