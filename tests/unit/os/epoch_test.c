/* SPDX-License-Identifier: Apache-2.0 */
#include "os/epoch.h"

#include <check.h>
#include <stdatomic.h>
#include <string.h>

#include "os/mem.h"
#include "os/thread.h"

#define ALIVE 0xA11Eu
#define DEAD 0xDEADu

static struct mem_budget *mem;
static struct epoch *e;

static void setup(void)
{
    mem = mem_budget_create(64u << 20);
    ck_assert_int_eq(epoch_create(mem, &e, NULL), ERR_OK);
}

static void teardown(void)
{
    epoch_destroy(e);
    ck_assert_uint_eq(mem_live_count(mem), 0);
    mem_budget_destroy(mem);
}

static void count_free(void *arg, void *ptr, uint64_t size)
{
    *(uint64_t *)arg += size;
    *(bool *)ptr = true;
}

START_TEST(item_waits_for_the_readers_that_were_inside)
{
    uint64_t freed = 0;
    bool is_freed[3] = { false };
    struct epoch_guard before = epoch_enter(e);
    epoch_retire(e, &is_freed[0], 10, count_free, &freed);
    struct epoch_guard after = epoch_enter(e);
    epoch_retire(e, &is_freed[1], 5, count_free, &freed);
    ck_assert_uint_eq(epoch_collect(e), 2);
    ck_assert_uint_eq(freed, 0);
    epoch_leave(e, &before);
    ck_assert_uint_eq(before.slot, 0);
    ck_assert_uint_eq(epoch_collect(e), 1); /* `after` came too late for the first item only */
    ck_assert(is_freed[0]);
    ck_assert(!is_freed[1]);
    epoch_retire(e, &is_freed[2], 1, count_free, &freed);
    epoch_leave(e, &after);
    ck_assert_uint_eq(epoch_collect(e), 0);
    ck_assert_uint_eq(freed, 16);
    ck_assert_uint_eq(epoch_collect(e), 0);
}
END_TEST

START_TEST(guards_nest)
{
    uint64_t freed = 0;
    bool is_freed = false;
    struct epoch_guard outer = epoch_enter(e);
    struct epoch_guard inner = epoch_enter(e);
    ck_assert_uint_ne(outer.slot, inner.slot);
    epoch_retire(e, &is_freed, 1, count_free, &freed);
    epoch_leave(e, &inner);
    ck_assert_uint_eq(epoch_collect(e), 1);
    epoch_leave(e, &outer);
    ck_assert_uint_eq(epoch_collect(e), 0);
    ck_assert(is_freed);
}
END_TEST

static void retire_another(void *arg, void *ptr, uint64_t size)
{
    (void)size;
    epoch_retire(e, ptr, 1, count_free, arg);
}

START_TEST(freeing_may_retire_more)
{
    uint64_t freed = 0;
    bool is_freed = false;
    epoch_retire(e, &is_freed, 1, retire_another, &freed);
    (void)epoch_collect(e);
    ck_assert(!is_freed);
    ck_assert_uint_eq(epoch_collect(e), 0);
    ck_assert(is_freed);
}
END_TEST

START_TEST(destroy_frees_what_waits)
{
    uint64_t freed = 0;
    bool is_freed[10] = { false };
    for (size_t i = 0; i < 10; i++) {
        epoch_retire(e, &is_freed[i], 1, count_free, &freed);
    }
    epoch_destroy(e);
    ck_assert_uint_eq(freed, 10);
    ck_assert_int_eq(epoch_create(mem, &e, NULL), ERR_OK);
}
END_TEST

START_TEST(without_memory_it_frees_at_once)
{
    uint64_t freed = 0;
    bool is_freed = false;
    mem_test_fail_at(mem, 1, MEM_FAIL_ONCE);
    epoch_retire(e, &is_freed, 3, count_free, &freed);
    ck_assert(is_freed);
    mem_test_fail_at(mem, 1, MEM_FAIL_ONCE);
    struct epoch *none = NULL;
    ck_assert_int_eq(epoch_create(mem, &none, NULL), ERR_NOMEM);
    ck_assert_ptr_null(none);
}
END_TEST

START_TEST(all_slots_can_be_taken_and_reused)
{
    static struct epoch_guard guards[EPOCH_READERS_MAX];
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < EPOCH_READERS_MAX; i++) {
            guards[i] = epoch_enter(e);
        }
        for (size_t i = 0; i < EPOCH_READERS_MAX; i++) {
            epoch_leave(e, &guards[i]);
        }
    }
}
END_TEST

/* Readers follow a published pointer while a writer replaces it all the time. */
struct object {
    _Atomic uint32_t state;
};
struct world {
    _Atomic(struct object *) published;
    _Atomic bool is_over;
    _Atomic uint64_t reads;
};

static void object_free(void *arg, void *ptr, uint64_t size)
{
    (void)arg;
    struct object *o = ptr;
    atomic_store_explicit(&o->state, DEAD, memory_order_relaxed);
    mem_free(mem, MEM_CACHE, o, size);
}

static struct object *object_create(void)
{
    struct object *o = mem_alloc(mem, MEM_CACHE, sizeof *o);
    ck_assert_ptr_nonnull(o);
    atomic_store_explicit(&o->state, ALIVE, memory_order_relaxed);
    return o;
}

static void read_always(void *arg)
{
    struct world *w = arg;
    while (!atomic_load_explicit(&w->is_over, memory_order_acquire)) {
        struct epoch_guard g = epoch_enter(e);
        struct object *o = atomic_load_explicit(&w->published, memory_order_acquire);
        for (int i = 0; i < 20; i++) {
            if (atomic_load_explicit(&o->state, memory_order_relaxed) != ALIVE) {
                ck_abort_msg("read a freed object");
            }
        }
        epoch_leave(e, &g);
        atomic_fetch_add_explicit(&w->reads, 1, memory_order_relaxed);
    }
}

static void replace_many(void *arg)
{
    struct world *w = arg;
    for (int i = 0; i < 20000; i++) {
        struct object *old =
            atomic_exchange_explicit(&w->published, object_create(), memory_order_acq_rel);
        epoch_retire(e, old, sizeof *old, object_free, NULL);
        if (i % 16 == 0) (void)epoch_collect(e);
    }
}

START_TEST(readers_never_see_a_freed_object)
{
    struct world w = { 0 };
    atomic_store_explicit(&w.published, object_create(), memory_order_release);
    struct thread readers[3] = { 0 };
    struct thread writers[2] = { 0 };
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(thread_start(&readers[i], "reader", read_always, &w, NULL), ERR_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(thread_start(&writers[i], "writer", replace_many, &w, NULL), ERR_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        thread_join(&writers[i]);
    }
    atomic_store_explicit(&w.is_over, true, memory_order_release);
    for (size_t i = 0; i < 3; i++) {
        thread_join(&readers[i]);
    }
    ck_assert_uint_gt(w.reads, 0);
    ck_assert_uint_eq(epoch_collect(e), 0);
    object_free(NULL, w.published, sizeof(struct object));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("epoch");
    TCase *tc = tcase_create("epoch");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, item_waits_for_the_readers_that_were_inside);
    tcase_add_test(tc, guards_nest);
    tcase_add_test(tc, freeing_may_retire_more);
    tcase_add_test(tc, destroy_frees_what_waits);
    tcase_add_test(tc, without_memory_it_frees_at_once);
    tcase_add_test(tc, all_slots_can_be_taken_and_reused);
    tcase_add_test(tc, readers_never_see_a_freed_object);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
