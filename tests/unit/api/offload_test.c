/* SPDX-License-Identifier: Apache-2.0 */
#include "api/offload.h"

#include <check.h>
#include <sched.h>
#include <stdatomic.h>

#include "os/thread.h"

#define TASKS 1000

static struct mem_budget *budget;
static struct offload *pool;

struct job {
    struct offload_task task;
    unsigned number;
};

static struct job jobs[TASKS];
static _Atomic unsigned done;
static struct mutex lock;
static struct cond changed;
static bool is_open; /* the gate; guarded by lock */
static unsigned order[TASKS];

static void set_up(void)
{
    budget = mem_budget_create(16u << 20);
    mutex_init(&lock);
    cond_init(&changed);
    is_open = false;
    atomic_store(&done, 0);
}

static void tear_down(void)
{
    offload_destroy(pool);
    cond_deinit(&changed);
    mutex_deinit(&lock);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

static void open_pool(unsigned threads, size_t queue_max)
{
    struct offload_options options = { .mem = budget,
                                       .clock = clock_system(),
                                       .threads = { threads, threads },
                                       .queue_max = queue_max };
    ck_assert_int_eq(offload_create(&options, &pool, NULL), ERR_OK);
}

static void run(struct offload_task *task)
{
    struct job *j = (struct job *)(void *)task;
    MUTEX_SCOPE(&lock);
    const unsigned n = atomic_load(&done);
    order[n] = j->number;
    atomic_store(&done, n + 1); /* after: wait_for looks at the order then */
}

/* Holds its thread until the gate opens. */
static void wait_at_gate(struct offload_task *task)
{
    mutex_lock(&lock);
    while (!is_open)
        cond_wait(&changed, &lock);
    mutex_unlock(&lock);
    run(task);
}

static void open_gate(void)
{
    mutex_lock(&lock);
    is_open = true;
    cond_broadcast(&changed);
    mutex_unlock(&lock);
}

static enum err_code submit_to(enum offload_lane lane, unsigned i,
                               void (*fn)(struct offload_task *task))
{
    jobs[i] = (struct job){ .task = { .fn = fn }, .number = i };
    return offload_submit(pool, lane, &jobs[i].task, NULL);
}

static enum err_code submit(unsigned i, void (*fn)(struct offload_task *task))
{
    return submit_to(OFFLOAD_LIGHT, i, fn);
}

START_TEST(one_thread_runs_tasks_in_order)
{
    open_pool(1, TASKS);
    ck_assert_int_eq(submit(0, wait_at_gate), ERR_OK);
    for (unsigned i = 1; i < TASKS; i++)
        ck_assert_int_eq(submit(i, run), ERR_OK);
    open_gate();
    offload_stop(pool);
    ck_assert_uint_eq(atomic_load(&done), TASKS);
    for (unsigned i = 0; i < TASKS; i++)
        ck_assert_uint_eq(order[i], i);
}
END_TEST

START_TEST(a_full_queue_is_busy)
{
    unsigned taken = 0;
    open_pool(1, 4);
    while (taken < TASKS && submit(taken, wait_at_gate) == ERR_OK)
        taken++;
    ck_assert_uint_ge(taken, 4);
    ck_assert_uint_le(taken, 5); /* one may run already */
    open_gate();
    offload_stop(pool);
    ck_assert_uint_eq(atomic_load(&done), taken);
}
END_TEST

START_TEST(a_stopped_pool_takes_nothing)
{
    open_pool(4, 16);
    offload_stop(pool);
    offload_stop(pool);
    ck_assert_int_eq(submit(0, run), ERR_BUSY);
    ck_assert_uint_eq(atomic_load(&done), 0);
}
END_TEST

START_TEST(many_threads_run_every_task_once)
{
    open_pool(8, TASKS);
    for (unsigned i = 0; i < TASKS; i++)
        ck_assert_int_eq(submit(i, run), ERR_OK);
    offload_stop(pool);
    static bool seen[TASKS];
    for (unsigned i = 0; i < TASKS; i++) {
        ck_assert(!seen[order[i]]);
        seen[order[i]] = true;
    }
}
END_TEST

static void wait_for(unsigned count)
{
    while (atomic_load(&done) < count)
        sched_yield();
}

START_TEST(a_lane_does_not_wait_for_another)
{
    open_pool(2, TASKS);
    for (unsigned i = 0; i < 40; i++)
        ck_assert_int_eq(submit_to(OFFLOAD_QUERY, i, wait_at_gate), ERR_OK);
    ck_assert_int_eq(submit(40, run), ERR_OK);
    wait_for(1);
    ck_assert_uint_eq(order[0], 40);
    open_gate();
    offload_stop(pool);
    ck_assert_uint_eq(atomic_load(&done), 41);
}
END_TEST

/* Behind a thread that is held: one is cancelled, one is over, one goes on waiting. */
START_TEST(what_is_given_up_does_not_wait)
{
    struct cancel cancel = { CANCEL_NONE };
    open_pool(1, TASKS);
    ck_assert_int_eq(submit(0, wait_at_gate), ERR_OK);
    ck_assert_int_eq(submit(1, run), ERR_OK);
    jobs[2] = (struct job){ .task = { .fn = run, .cancel = &cancel }, .number = 2 };
    ck_assert_int_eq(offload_submit(pool, OFFLOAD_LIGHT, &jobs[2].task, NULL), ERR_OK);
    cancel_set(&cancel, CANCEL_CLIENT_GONE);
    wait_for(1);
    ck_assert_uint_eq(order[0], 2);
    jobs[3] = (struct job){ .task = { .fn = run, .deadline_ns = 1 }, .number = 3 };
    ck_assert_int_eq(offload_submit(pool, OFFLOAD_LIGHT, &jobs[3].task, NULL), ERR_OK);
    wait_for(2);
    ck_assert_uint_eq(order[1], 3);
    ck_assert_int_eq(submit(4, run), ERR_OK); /* the queue is whole */
    open_gate();
    offload_stop(pool);
    ck_assert_uint_eq(atomic_load(&done), 5);
    ck_assert_uint_eq(order[3], 1);
    ck_assert_uint_eq(order[4], 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("offload");
    TCase *tc = tcase_create("pool");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, one_thread_runs_tasks_in_order);
    tcase_add_test(tc, a_full_queue_is_busy);
    tcase_add_test(tc, a_stopped_pool_takes_nothing);
    tcase_add_test(tc, many_threads_run_every_task_once);
    tcase_add_test(tc, a_lane_does_not_wait_for_another);
    tcase_add_test(tc, what_is_given_up_does_not_wait);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
