/* SPDX-License-Identifier: Apache-2.0 */
#include "os/mem.h"

#include <check.h>
#include <string.h>

#include "base/rng.h"
#include "os/thread.h"

#define BUDGET_BYTES 1000000u

static struct mem_budget *b;

static void setup(void)
{
    b = mem_budget_create(BUDGET_BYTES);
}

static void teardown(void)
{
    ck_assert_uint_eq(mem_live_count(b), 0);
    ck_assert_uint_eq(mem_total_used(b), 0);
    for (enum mem_account a = 0; a < MEM_ACCOUNT_COUNT; a++) {
        ck_assert_uint_eq(mem_used(b, a), 0);
    }
    mem_budget_destroy(b);
}

START_TEST(blocks_are_aligned_charged_and_given_back)
{
    for (size_t size = 0; size < 70; size++) {
        uint8_t *p = mem_alloc(b, MEM_HEAD, size);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 16, 0);
        memset(p, 0xFF, size);
        ck_assert_uint_eq(mem_used(b, MEM_HEAD), size);
        ck_assert_uint_eq(mem_live_count(b), 1);
        mem_free(b, MEM_HEAD, p, size);
    }
    uint8_t *z = mem_zalloc(b, MEM_HEAD, 1000);
    for (size_t i = 0; i < 1000; i++) {
        ck_assert_uint_eq(z[i], 0);
    }
    mem_free(b, MEM_HEAD, z, 1000);
    mem_free(b, MEM_HEAD, NULL, 1000);
}
END_TEST

START_TEST(cap_of_the_account_refuses_and_counts)
{
    mem_set_cap(b, MEM_QUERY, 1000);
    void *p = mem_alloc(b, MEM_QUERY, 600);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_null(mem_alloc(b, MEM_QUERY, 401));
    ck_assert(!mem_charge(b, MEM_QUERY, 401));
    ck_assert(!mem_charge(b, MEM_QUERY, SIZE_MAX));
    ck_assert_uint_eq(mem_refused(b, MEM_QUERY), 3);
    ck_assert_uint_eq(mem_refused(b, MEM_HEAD), 0);
    ck_assert_uint_eq(mem_used(b, MEM_QUERY), 600);
    ck_assert(mem_charge(b, MEM_QUERY, 400));
    mem_uncharge(b, MEM_QUERY, 400);
    mem_free(b, MEM_QUERY, p, 600);
}
END_TEST

START_TEST(whole_budget_refuses_all_but_the_system_account)
{
    ck_assert(mem_charge(b, MEM_HEAD, 700000));
    ck_assert(mem_charge(b, MEM_INDEX, 300000));
    ck_assert_int_eq(mem_level(b), MEM_RED);
    ck_assert_ptr_null(mem_alloc(b, MEM_CACHE, 1));
    void *p = mem_alloc(b, MEM_SYSTEM, 1000);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_null(mem_alloc(b, MEM_SYSTEM, BUDGET_BYTES / 10)); /* but its own cap does */
    mem_free(b, MEM_SYSTEM, p, 1000);
    mem_uncharge(b, MEM_HEAD, 700000);
    mem_uncharge(b, MEM_INDEX, 300000);
}
END_TEST

START_TEST(levels_follow_the_whole_budget)
{
    static const struct {
        size_t used;
        enum mem_level level;
    } rows[] = { { 0, MEM_GREEN },       { 699999, MEM_GREEN },  { 700000, MEM_YELLOW },
                 { 849999, MEM_YELLOW }, { 850000, MEM_ORANGE }, { 949999, MEM_ORANGE },
                 { 950000, MEM_RED },    { 1000000, MEM_RED } };
    mem_set_cap(b, MEM_HEAD, BUDGET_BYTES);
    ck_assert(mem_charge(b, MEM_HEAD, rows[_i].used));
    ck_assert_int_eq(mem_level(b), rows[_i].level);
    mem_uncharge(b, MEM_HEAD, rows[_i].used);
}
END_TEST

START_TEST(realloc_keeps_content_and_charges_the_difference)
{
    uint8_t *p = mem_realloc(b, MEM_HEAD, NULL, 0, 100);
    for (uint8_t i = 0; i < 100; i++) {
        p[i] = i;
    }
    p = mem_realloc(b, MEM_HEAD, p, 100, 5000);
    ck_assert_uint_eq(mem_used(b, MEM_HEAD), 5000);
    mem_set_cap(b, MEM_HEAD, 6000);
    ck_assert_ptr_null(mem_realloc(b, MEM_HEAD, p, 5000, 7000));
    ck_assert_uint_eq(mem_used(b, MEM_HEAD), 5000);
    p = mem_realloc(b, MEM_HEAD, p, 5000, 50);
    for (uint8_t i = 0; i < 50; i++) {
        ck_assert_uint_eq(p[i], i);
    }
    ck_assert_uint_eq(mem_used(b, MEM_HEAD), 50);
    ck_assert_uint_eq(mem_live_count(b), 1);
    mem_free(b, MEM_HEAD, p, 50);
}
END_TEST

START_TEST(planned_failure_hits_the_nth_allocation)
{
    bool forever = _i == 1;
    void *p[5];
    mem_test_fail_at(b, 3, forever ? MEM_FAIL_FOREVER : MEM_FAIL_ONCE);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(mem_test_fired(b), i >= 3);
        p[i] = mem_alloc(b, MEM_SCRAPE, 10);
        bool should_fail = forever ? i >= 2 : i == 2;
        ck_assert_int_eq(p[i] == NULL, should_fail);
    }
    mem_test_fail_at(b, 1, MEM_FAIL_OFF);
    ck_assert(!mem_test_fired(b));
    for (size_t i = 0; i < 5; i++) {
        mem_free(b, MEM_SCRAPE, p[i], 10);
    }
}
END_TEST

START_TEST(source_charges_its_account)
{
    const struct mem_source *s = mem_source_of(b, MEM_NETWORK);
    void *p = s->alloc(s->ctx, 77);
    ck_assert_uint_eq(mem_used(b, MEM_NETWORK), 77);
    s->free(s->ctx, p, 77);
    s->free(s->ctx, NULL, 0);
}
END_TEST

static void churn(void *arg)
{
    struct rng rng;
    rng_init(&rng, (uint64_t)(uintptr_t)arg);
    for (int i = 0; i < 20000; i++) {
        enum mem_account account = (enum mem_account)rng_below(&rng, MEM_ACCOUNT_COUNT);
        size_t size = rng_below(&rng, 100000);
        uint8_t *p = mem_alloc(b, account, size);
        if (p && size) p[size - 1] = 1;
        mem_free(b, account, p, size);
    }
}

START_TEST(threads_never_lose_a_charge)
{
    struct thread threads[4] = { 0 };
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(thread_start(&threads[i], "churn", churn, (void *)i, NULL), ERR_OK);
    }
    for (size_t i = 0; i < 4; i++) {
        thread_join(&threads[i]);
    }
}
END_TEST

START_TEST(default_budget_is_a_share_of_what_the_system_allows)
{
    uint64_t limit = mem_system_limit();
    ck_assert_uint_gt(limit, 64u << 20);
    struct mem_budget *whole = mem_budget_create(0);
    ck_assert_uint_le(mem_total(whole), limit / 10 * 7);
    ck_assert_uint_gt(mem_total(whole), limit / 10 * 6);
    ck_assert_uint_eq(mem_cap(whole, MEM_QUERY), mem_total(whole) / 100 * 25);
    for (enum mem_account a = 0; a < MEM_ACCOUNT_COUNT; a++) {
        ck_assert_uint_gt(strlen(mem_account_name(a)), 0);
    }
    mem_release_free_pages();
    mem_budget_destroy(whole);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mem");
    TCase *tc = tcase_create("mem");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, blocks_are_aligned_charged_and_given_back);
    tcase_add_test(tc, cap_of_the_account_refuses_and_counts);
    tcase_add_test(tc, whole_budget_refuses_all_but_the_system_account);
    tcase_add_loop_test(tc, levels_follow_the_whole_budget, 0, 8);
    tcase_add_test(tc, realloc_keeps_content_and_charges_the_difference);
    tcase_add_loop_test(tc, planned_failure_hits_the_nth_allocation, 0, 2);
    tcase_add_test(tc, source_charges_its_account);
    tcase_add_test(tc, threads_never_lose_a_charge);
    tcase_add_test(tc, default_budget_is_a_share_of_what_the_system_allows);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
