/* SPDX-License-Identifier: Apache-2.0
 *
 * codec_test - what every test of this folder needs: a budget, an arena and a buffer, and the check
 * that nothing is left over.
 */
#ifndef PHAROS_TESTS_CODEC_TEST_H
#define PHAROS_TESTS_CODEC_TEST_H

#include <check.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/str.h"
#include "os/mem.h"

struct codec_test {
    struct mem_budget *budget;
    const struct mem_source *mem;
    struct arena arena;
    struct buf buf;
    struct err err;
};

static struct codec_test T;

static void codec_setup(void)
{
    T = (struct codec_test){ .budget = mem_budget_create((uint64_t)1 << 30) };
    ck_assert_ptr_nonnull(T.budget);
    T.mem = mem_source_of(T.budget, MEM_SYSTEM);
    arena_init(&T.arena, T.mem, (size_t)64 << 20);
    buf_init(&T.buf, T.mem, (size_t)64 << 20);
}

static void codec_teardown(void)
{
    arena_deinit(&T.arena);
    buf_deinit(&T.buf);
    ck_assert_uint_eq(mem_live_count(T.budget), 0);
    ck_assert_uint_eq(mem_total_used(T.budget), 0);
    mem_budget_destroy(T.budget);
}

#define ck_assert_str_is(got, want)                                                                \
    do {                                                                                           \
        struct str got_ = (got);                                                                   \
        ck_assert_msg(str_eq(got_, str_of_z(want)), "got \"" STR_FMT "\", want \"%s\"",            \
                      STR_ARG(got_), (want));                                                      \
    } while (0)

static inline struct bytes bytes_of_z(const char *z)
{
    return bytes_of_str(str_of_z(z));
}

/* One suite of one case with the fixture; the tests are added by the caller. */
static TCase *codec_case(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);
    tcase_add_checked_fixture(tc, codec_setup, codec_teardown);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    return tc;
}

static int codec_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}

#endif
