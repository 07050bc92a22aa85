/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <check.h>
#include <stdbool.h>

#include "base/rng.h"
#include "os/mem.h"

static struct mem_budget *budget;
static const struct mem_source *source;

static void setup(void)
{
    budget = mem_budget_create(64u << 20);
    source = mem_source_of(budget, MEM_QUERY);
}

static void teardown(void)
{
    ck_assert_uint_eq(mem_live_count(budget), 0);
    ck_assert_uint_eq(mem_total_used(budget), 0);
    mem_budget_destroy(budget);
}

static bool is_filled(const uint8_t *p, uint8_t byte, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != byte) return false;
    }
    return true;
}

START_TEST(allocations_are_zeroed_aligned_and_apart)
{
    struct arena a;
    arena_init(&a, source, 8u << 20);
    struct rng rng;
    rng_init(&rng, 1);
    struct {
        uint8_t *ptr;
        size_t size;
    } blocks[500];
    for (size_t i = 0; i < 500; i++) {
        size_t align = (size_t)1 << rng_below(&rng, 7);
        blocks[i].size = rng_below(&rng, 3000);
        blocks[i].ptr = arena_alloc(&a, blocks[i].size, 1, align);
        ck_assert_ptr_nonnull(blocks[i].ptr);
        ck_assert_uint_eq((uintptr_t)blocks[i].ptr % align, 0);
        if (!is_filled(blocks[i].ptr, 0, blocks[i].size)) ck_abort_msg("block %zu", i);
        memset(blocks[i].ptr, (int)(i % 251 + 1), blocks[i].size);
    }
    for (size_t i = 0; i < 500; i++) { /* nobody wrote over a neighbour */
        uint8_t fill = (uint8_t)(i % 251 + 1);
        if (!is_filled(blocks[i].ptr, fill, blocks[i].size)) ck_abort_msg("block %zu", i);
    }
    arena_deinit(&a);
}
END_TEST

START_TEST(cap_is_hard_and_failure_leaves_the_arena_usable)
{
    struct arena a;
    arena_init(&a, source, 10000);
    ck_assert_ptr_nonnull(arena_alloc(&a, 5000, 1, 1));
    ck_assert_ptr_null(arena_alloc(&a, 6000, 1, 1));
    ck_assert_ptr_nonnull(arena_alloc(&a, 100, 1, 1));
    ck_assert_uint_le(a.used_bytes, 10000);
    arena_deinit(&a);
}
END_TEST

START_TEST(overflowing_sizes_fail)
{
    struct arena a;
    arena_init(&a, source, SIZE_MAX);
    volatile size_t most = SIZE_MAX; /* unknown to the optimiser, which would warn */
    ck_assert_ptr_null(arena_alloc(&a, most / 2, 3, 1));
    ck_assert_ptr_null(arena_alloc(&a, most, 1, 64));
    ck_assert_ptr_null(arena_alloc(&a, most - 7, 1, 8));
    arena_deinit(&a);
}
END_TEST

START_TEST(reset_keeps_one_block_and_gives_zeroed_memory_again)
{
    struct arena a;
    arena_init(&a, source, 8u << 20);
    for (int round = 0; round < 3; round++) {
        uint8_t *p = arena_alloc(&a, 100, 1, 1);
        for (size_t i = 0; i < 100; i++) {
            ck_assert_uint_eq(p[i], 0);
        }
        memset(p, 0xAA, 100);
        ck_assert_ptr_nonnull(arena_alloc(&a, 1u << 20, 2, 16));
        arena_reset(&a);
        ck_assert_uint_eq(mem_live_count(budget), 1);
        ck_assert_uint_eq(a.used_bytes, 4096);
    }
    arena_deinit(&a);
}
END_TEST

START_TEST(reset_does_not_keep_an_oversized_first_block)
{
    struct arena a;
    arena_init(&a, source, 8u << 20);
    ck_assert_ptr_nonnull(arena_alloc(&a, 3u << 20, 1, 1));
    arena_reset(&a);
    ck_assert_uint_eq(a.used_bytes, 0);
    ck_assert_ptr_nonnull(arena_alloc(&a, 10, 1, 1));
    arena_deinit(&a);
}
END_TEST

START_TEST(empty_requests_are_no_failures)
{
    struct arena a;
    arena_init(&a, source, 8192);
    ck_assert_ptr_nonnull(arena_alloc(&a, 0, 8, 8));
    ck_assert_ptr_nonnull(arena_array_raw(&a, uint64_t, 0));
    ck_assert_uint_eq(arena_str(&a, (struct str){ NULL, 0 }).len, 0);
    arena_deinit(&a);
}
END_TEST

START_TEST(texts_are_copied_and_printed)
{
    struct arena a;
    arena_init(&a, source, 1u << 20);
    char text[] = "hello";
    struct str copy = arena_str(&a, str_of_z(text));
    text[0] = 'j';
    ck_assert(str_eq(copy, STR("hello")));
    struct str printed = arena_printf(&a, "%s-%05d", "x", 42);
    ck_assert(str_eq(printed, STR("x-00042")));
    ck_assert_int_eq(printed.ptr[printed.len], '\0');
    char large[9000];
    memset(large, 'y', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    ck_assert_uint_eq(arena_printf(&a, "%s", large).len, sizeof large - 1);
    arena_deinit(&a);
}
END_TEST

/* The n-th allocation of blocks fails, for every n: a NULL each time, and nothing lost. */
START_TEST(every_allocation_failure_is_reported)
{
    for (uint64_t n = 1;; n++) {
        struct arena a;
        arena_init(&a, source, 8u << 20);
        mem_test_fail_at(budget, n, MEM_FAIL_ONCE);
        unsigned failures = 0;
        for (int i = 0; i < 100; i++) {
            failures += arena_alloc(&a, 50000, 1, 8) == NULL;
        }
        bool fired = mem_test_fired(budget);
        ck_assert_uint_eq(failures, fired ? 1 : 0);
        mem_test_fail_at(budget, 1, MEM_FAIL_OFF);
        arena_deinit(&a);
        if (!fired) break;
    }
}
END_TEST

START_TEST(block_count_stays_logarithmic_for_small_requests)
{
    struct arena a;
    arena_init(&a, source, 32u << 20);
    for (int i = 0; i < 100000; i++) {
        if (!arena_alloc(&a, 100, 1, 4)) ck_abort_msg("allocation %d", i);
    }
    ck_assert_uint_lt(mem_live_count(budget), 25);
    ck_assert_uint_lt(a.used_bytes, 12u << 20);
    arena_deinit(&a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arena");
    TCase *tc = tcase_create("arena");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, allocations_are_zeroed_aligned_and_apart);
    tcase_add_test(tc, cap_is_hard_and_failure_leaves_the_arena_usable);
    tcase_add_test(tc, overflowing_sizes_fail);
    tcase_add_test(tc, reset_keeps_one_block_and_gives_zeroed_memory_again);
    tcase_add_test(tc, reset_does_not_keep_an_oversized_first_block);
    tcase_add_test(tc, empty_requests_are_no_failures);
    tcase_add_test(tc, texts_are_copied_and_printed);
    tcase_add_test(tc, every_allocation_failure_is_reported);
    tcase_add_test(tc, block_count_stays_logarithmic_for_small_requests);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
