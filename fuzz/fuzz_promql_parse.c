/* SPDX-License-Identifier: Apache-2.0
 *
 * PromQL text: an error with a position, or a tree whose canonical and pretty text parse to an
 * equal tree. Regexes are left alone: they have a target of their own.
 */
#include <stdint.h>

#include "codec/json_write.h"
#include "os/mem.h"
#include "query/promql/ast.h"
#include "query/promql/ast_json.h"
#include "query/promql/prepare.h"
#include "query/promql/printer.h"

#define EXACT_MS_MAX ((int64_t)1 << 52) /* times above lose digits on the way through seconds */

static bool has_inexact_time(const struct promql_expr *e)
{
    const struct promql_time_shift *shift = e->kind == PROMQL_VECTOR_SELECTOR ? &e->selector->shift
                                            : e->kind == PROMQL_SUBQUERY      ? &e->subquery->shift
                                                                              : NULL;
    if (shift && (shift->at_ms > EXACT_MS_MAX || shift->at_ms < -EXACT_MS_MAX)) return true;
    const struct promql_expr *child = NULL;
    for (size_t i = 0; (child = promql_child(e, i)) != NULL; i++)
        if (has_inexact_time(child)) return true;
    return false;
}

/* `text` must parse to a tree equal to `e`. */
static void expect_same(struct arena *a, const struct promql_expr *e, struct buf *text)
{
    struct promql_expr *again = NULL;
    if (buf_failed(text) || text->len > PROMQL_SIZE_MAX) return;
    enum err_code rc = promql_parse(buf_str(text), a, NULL, &again, NULL);
    if (rc == ERR_NOMEM) return;
    if (rc != ERR_OK || !promql_expr_equal(e, again)) __builtin_trap();
}

static void round_trip(const struct mem_source *mem, struct arena *a, struct promql_expr *e)
{
    struct buf out;
    buf_init(&out, mem, 16u << 20);
    promql_print(&out, e);
    expect_same(a, e, &out);
    buf_reset(&out);
    promql_print_pretty(&out, e);
    expect_same(a, e, &out);
    buf_reset(&out);
    struct json_writer w = json_writer_of(&out);
    promql_ast_json(&w, e);
    const struct promql_prepare_params params = { 0, 3600000, 15000 };
    if (promql_prepare(&e, &params, a, NULL) == ERR_OK) {
        buf_reset(&out);
        promql_print(&out, e);
    }
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mem_budget *budget;
    if (!budget) budget = mem_budget_create(256u << 20);
    struct arena arena;
    struct promql_expr *e = NULL;
    struct err err = { 0 };
    arena_init(&arena, mem_source_of(budget, MEM_QUERY), 16u << 20);
    struct str text = { (const char *)data, size };
    enum err_code rc = promql_parse(text, &arena, NULL, &e, &err);
    if (rc == ERR_OK) {
        if (e->pos.end > size || e->height > PROMQL_DEPTH_MAX) __builtin_trap();
        if (!has_inexact_time(e)) round_trip(mem_source_of(budget, MEM_QUERY), &arena, e);
    } else if (rc != ERR_NOMEM && (err.detail[0] == 0 || err.offset > size)) {
        __builtin_trap();
    }
    arena_deinit(&arena);
    return 0;
}
