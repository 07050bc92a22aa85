/* SPDX-License-Identifier: Apache-2.0 */
#include "os/thread.h"

#include <check.h>
#include <stdatomic.h>
#include <string.h>

#include "os/clock.h"

struct shared {
    struct mutex lock;
    struct cond cond;
    uint64_t count; /* guarded by lock */
    bool is_ready;  /* guarded by lock */
    char name[16];
};

static void add_many(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < 10000; i++) {
        MUTEX_SCOPE(&s->lock);
        s->count++;
    }
}

static void shared_init(struct shared *s)
{
    *s = (struct shared){ 0 };
    mutex_init(&s->lock);
    cond_init(&s->cond);
}

static void shared_deinit(struct shared *s)
{
    cond_deinit(&s->cond);
    mutex_deinit(&s->lock);
}

START_TEST(mutex_scope_excludes_and_releases_on_every_path)
{
    struct shared s;
    shared_init(&s);
    struct thread threads[4] = { 0 };
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(thread_start(&threads[i], "adder", add_many, &s, NULL), ERR_OK);
    }
    for (size_t i = 0; i < 4; i++) {
        thread_join(&threads[i]);
        ck_assert(!threads[i].is_started);
        thread_join(&threads[i]); /* no-op */
    }
    ck_assert_uint_eq(s.count, 40000);
    shared_deinit(&s);
}
END_TEST

static void take_name_and_signal(void *arg)
{
    struct shared *s = arg;
    (void)pthread_getname_np(pthread_self(), s->name, sizeof s->name);
    MUTEX_SCOPE(&s->lock);
    s->is_ready = true;
    cond_signal(&s->cond);
}

START_TEST(thread_has_its_name_and_wakes_the_waiter)
{
    struct shared s;
    shared_init(&s);
    struct thread t = { 0 };
    ck_assert_int_eq(thread_start(&t, "fifteen-letters", take_name_and_signal, &s, NULL), ERR_OK);
    mutex_lock(&s.lock);
    while (!s.is_ready) {
        cond_wait(&s.cond, &s.lock);
    }
    mutex_unlock(&s.lock);
    thread_join(&t);
    ck_assert_str_eq(s.name, "fifteen-letters");
    shared_deinit(&s);
}
END_TEST

START_TEST(wait_ends_at_its_deadline)
{
    struct shared s;
    shared_init(&s);
    const struct clock *clock = clock_system();
    mutex_lock(&s.lock);
    uint64_t begin = clock_mono_ns(clock);
    bool is_signalled = true;
    while (is_signalled && clock_mono_ns(clock) - begin < 20000000) { /* spurious wake-ups */
        is_signalled = cond_wait_ns(&s.cond, &s.lock, 20000000);
    }
    ck_assert_uint_ge(clock_mono_ns(clock) - begin, 20000000);
    ck_assert(!cond_wait_ns(&s.cond, &s.lock, 0));
    mutex_unlock(&s.lock);
    shared_deinit(&s);
}
END_TEST

START_TEST(fake_clock_moves_only_when_told)
{
    struct clock_fake f;
    clock_fake_init(&f, 1700000000123, 7);
    ck_assert_int_eq(clock_wall_ms(&f.clock), 1700000000123);
    ck_assert_uint_eq(clock_mono_ns(&f.clock), 0);
    clock_fake_advance_ms(&f, 1500);
    ck_assert_int_eq(clock_wall_ms(&f.clock), 1700000001623);
    ck_assert_int_eq(f.clock.wall_ns(f.clock.ctx), 1700000001623000000);
    ck_assert_uint_eq(clock_mono_ns(&f.clock), 1500000000);
    struct clock_fake g;
    clock_fake_init(&g, -5, 7);
    ck_assert_int_eq(clock_wall_ms(&g.clock), -5);
    uint64_t first = clock_random_u64(&f.clock);
    ck_assert_uint_eq(first, clock_random_u64(&g.clock));
    ck_assert_uint_ne(first, clock_random_u64(&g.clock));
}
END_TEST

START_TEST(system_clock_is_plausible)
{
    const struct clock *c = clock_system();
    int64_t ms = clock_wall_ms(c);
    ck_assert_int_gt(ms, 1600000000000);
    ck_assert_int_ge(c->wall_ns(c->ctx) / 1000000, ms);
    uint64_t before = clock_mono_ns(c);
    uint64_t cpu = clock_thread_cpu_ns();
    uint64_t mix = 0;
    while (clock_thread_cpu_ns() == cpu) {
        mix ^= clock_random_u64(c);
    }
    ck_assert_uint_ne(clock_random_u64(c), clock_random_u64(c));
    ck_assert_uint_gt(clock_mono_ns(c), before);
    ck_assert_uint_ge(clock_process_cpu_ns(), cpu);
    ck_assert_uint_ge(cpu_count(), 1);
    (void)mix;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("thread");
    TCase *tc = tcase_create("thread");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, mutex_scope_excludes_and_releases_on_every_path);
    tcase_add_test(tc, thread_has_its_name_and_wakes_the_waiter);
    tcase_add_test(tc, wait_ends_at_its_deadline);
    tcase_add_test(tc, fake_clock_moves_only_when_told);
    tcase_add_test(tc, system_clock_is_plausible);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
