/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/scrape/scrape_cache.h"

#include <check.h>

static struct mem_budget *budget;
static struct scrape_cache cache;

static void set_up(void)
{
    budget = mem_budget_create(64u << 20);
    scrape_cache_init(&cache, budget);
}

static void tear_down(void)
{
    scrape_cache_deinit(&cache);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

/* The entry of line `i`, as a scrape leaves it. */
static struct scrape_entry *see(uint64_t i, bool *is_new)
{
    struct scrape_entry *e = scrape_cache_get(&cache, hash128(&i, sizeof i, 1), is_new);
    ck_assert_ptr_nonnull(e);
    e->iteration = cache.iteration;
    e->is_stored = true;
    e->ref.v = i + 1;
    return e;
}

static size_t missing_count(void)
{
    size_t pos = 0, n = 0;
    while (scrape_cache_next_missing(&cache, &pos))
        n++;
    return n;
}

START_TEST(an_entry_is_new_once_and_keeps_its_series)
{
    bool is_new;
    scrape_cache_begin(&cache);
    for (uint64_t i = 0; i < 10000; i++) {
        (void)see(i, &is_new);
        ck_assert(is_new);
    }
    ck_assert_uint_eq(cache.count, 10000);
    scrape_cache_begin(&cache);
    for (uint64_t i = 0; i < 10000; i++) {
        struct scrape_entry *e = scrape_cache_get(&cache, hash128(&i, sizeof i, 1), &is_new);
        ck_assert(!is_new);
        ck_assert_uint_eq(e->ref.v, i + 1);
    }
}
END_TEST

START_TEST(what_the_last_scrape_did_not_have_is_missing)
{
    bool is_new;
    scrape_cache_begin(&cache);
    for (uint64_t i = 0; i < 100; i++)
        (void)see(i, &is_new);
    ck_assert_uint_eq(missing_count(), 0);
    scrape_cache_begin(&cache);
    for (uint64_t i = 0; i < 90; i++)
        (void)see(i, &is_new);
    ck_assert_uint_eq(missing_count(), 10);
    size_t pos = 0;
    for (struct scrape_entry *e; (e = scrape_cache_next_missing(&cache, &pos));)
        e->is_stored = false; /* as after its stale marker */
    scrape_cache_begin(&cache);
    for (uint64_t i = 0; i < 90; i++)
        (void)see(i, &is_new);
    ck_assert_uint_eq(missing_count(), 0);
}
END_TEST

START_TEST(lines_that_never_come_back_do_not_pile_up)
{
    bool is_new;
    for (uint64_t scrape = 0; scrape < 1000; scrape++) {
        scrape_cache_begin(&cache);
        for (uint64_t i = 0; i < 100; i++)
            see(scrape * 100 + i, &is_new)->is_stored = false;
    }
    ck_assert_uint_le(cache.cap, 8192);
}
END_TEST

START_TEST(stored_series_stay_however_long_they_are_unseen)
{
    bool is_new;
    scrape_cache_begin(&cache);
    (void)see(7, &is_new);
    for (uint64_t scrape = 0; scrape < 100; scrape++) {
        scrape_cache_begin(&cache);
        for (uint64_t i = 0; i < 100; i++)
            see(1000 + scrape * 100 + i, &is_new)->is_stored = false;
    }
    ck_assert_uint_eq(missing_count(), 1);
}
END_TEST

START_TEST(without_memory_there_is_no_entry_and_no_harm)
{
    bool is_new;
    scrape_cache_begin(&cache);
    for (uint64_t i = 0; i < 44; i++)
        (void)see(i, &is_new);
    mem_test_fail_at(budget, 1, MEM_FAIL_ONCE);
    uint64_t key = 44;
    ck_assert_ptr_null(scrape_cache_get(&cache, hash128(&key, sizeof key, 1), &is_new));
    for (uint64_t i = 0; i < 45; i++)
        (void)see(i, &is_new);
    ck_assert_uint_eq(cache.count, 45);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scrape_cache");
    TCase *tc = tcase_create("cache");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, an_entry_is_new_once_and_keeps_its_series);
    tcase_add_test(tc, what_the_last_scrape_did_not_have_is_missing);
    tcase_add_test(tc, lines_that_never_come_back_do_not_pile_up);
    tcase_add_test(tc, stored_series_stay_however_long_they_are_unseen);
    tcase_add_test(tc, without_memory_there_is_no_entry_and_no_harm);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
