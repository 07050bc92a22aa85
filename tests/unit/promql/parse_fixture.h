/* SPDX-License-Identifier: Apache-2.0
 *
 * parse_fixture - a budget, an arena and a regex list per test, and the shortest ways to parse and
 * to print. Included by the parser's tests only.
 */
#ifndef PHAROS_TESTS_PROMQL_PARSE_FIXTURE_H
#define PHAROS_TESTS_PROMQL_PARSE_FIXTURE_H

#include <check.h>
#include <stdio.h>

#include "os/mem.h"
#include "query/promql/ast.h"
#include "query/promql/printer.h"

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof(array)[0]))

static struct mem_budget *budget;
static struct arena arena;
static struct promql_regexes regexes;
static struct promql_parse_options options;
static struct err error;

static void set_up(void)
{
    budget = mem_budget_create(256u << 20);
    arena_init(&arena, mem_source_of(budget, MEM_QUERY), 64u << 20);
    options = (struct promql_parse_options){ .budget = budget, .regexes = &regexes };
    error = (struct err){ 0 };
}

static void tear_down(void)
{
    promql_regexes_deinit(&regexes);
    arena_deinit(&arena);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

static inline enum err_code try_parse(struct str text, struct promql_expr **out)
{
    return promql_parse(text, &arena, &options, out, &error);
}

/* Parse what must be valid. */
static inline struct promql_expr *parse(const char *text)
{
    struct promql_expr *e = NULL;
    enum err_code rc = try_parse(str_of_z(text), &e);
    ck_assert_msg(rc == ERR_OK, "%s: %s", text, error.detail);
    return e;
}

/* Canonical or pretty text, NUL-terminated in the arena. */
static inline const char *print(const struct promql_expr *e, bool is_pretty)
{
    struct buf out;
    buf_init(&out, mem_source_of(budget, MEM_QUERY), 64u << 20);
    if (is_pretty) {
        promql_print_pretty(&out, e);
    } else {
        promql_print(&out, e);
    }
    buf_put_u8(&out, 0);
    ck_assert(!buf_failed(&out));
    struct str copy = arena_str(&arena, buf_str(&out));
    buf_deinit(&out);
    return copy.ptr;
}

#define RUN_SUITE(suite)                                                                           \
    do {                                                                                           \
        SRunner *runner = srunner_create(suite);                                                   \
        srunner_run_all(runner, CK_NORMAL);                                                        \
        int failed = srunner_ntests_failed(runner);                                                \
        srunner_free(runner);                                                                      \
        return failed ? 1 : 0;                                                                     \
    } while (0)

#endif
