/* SPDX-License-Identifier: Apache-2.0 */
#include "os/loop.h"

#include <check.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rng.h"
#include "os/mem.h"
#include "os/thread.h"

static struct mem_budget *mem;
static struct clock_fake fake;
static struct loop *l;

static void setup(void)
{
    mem = mem_budget_create(64u << 20);
    clock_fake_init(&fake, 0, 1);
    ck_assert_int_eq(loop_create(mem, &fake.clock, &l, NULL), ERR_OK);
}

static void teardown(void)
{
    loop_destroy(l);
    ck_assert_uint_eq(mem_live_count(mem), 0);
    mem_budget_destroy(mem);
}

#define TIMER_COUNT 500

struct counted_timer {
    struct loop_timer timer;
    unsigned fired;
};

static uint64_t last_due_ns;

static void on_timer(struct loop_timer *t)
{
    struct counted_timer *c = (struct counted_timer *)t;
    c->fired++;
    ck_assert_uint_eq(t->heap_index, 0);
    ck_assert_uint_le(t->due_ns, loop_now_ns(l));
    ck_assert_uint_ge(t->due_ns, last_due_ns); /* the earliest first */
    last_due_ns = t->due_ns;
}

/* Random arming, re-arming and cancelling against a list of what should happen. */
START_TEST(timers_fire_once_in_order_and_not_before_their_time)
{
    static struct counted_timer timers[TIMER_COUNT];
    uint64_t due_ms[TIMER_COUNT] = { 0 }; /* 0: not armed */
    struct rng rng;
    rng_init(&rng, (uint64_t)_i);
    memset(timers, 0, sizeof timers);
    for (size_t i = 0; i < TIMER_COUNT; i++) {
        timers[i].timer.fn = on_timer;
    }
    for (uint64_t now_ms = 0; now_ms < 200; now_ms++) {
        for (int k = 0; k < 20; k++) {
            size_t i = rng_below(&rng, TIMER_COUNT);
            if (rng_below(&rng, 4) == 0) {
                loop_timer_cancel(l, &timers[i].timer);
                due_ms[i] = 0;
            } else {
                due_ms[i] = now_ms + 1 + rng_below(&rng, 50);
                ck_assert_int_eq(loop_timer_set(l, &timers[i].timer, due_ms[i] * 1000000, NULL),
                                 ERR_OK);
            }
        }
        clock_fake_advance_ms(&fake, 1);
        last_due_ns = 0;
        unsigned before[TIMER_COUNT];
        for (size_t i = 0; i < TIMER_COUNT; i++) {
            before[i] = timers[i].fired;
        }
        loop_turn(l, false);
        for (size_t i = 0; i < TIMER_COUNT; i++) {
            unsigned expected = due_ms[i] != 0 && due_ms[i] <= now_ms + 1;
            if (timers[i].fired - before[i] != expected) ck_abort_msg("timer %zu", i);
            if (expected) due_ms[i] = 0;
        }
    }
    for (size_t i = 0; i < TIMER_COUNT; i++) {
        loop_timer_cancel(l, &timers[i].timer);
        loop_timer_cancel(l, &timers[i].timer); /* no-op */
    }
}
END_TEST

static unsigned rearm_count;

static void rearm_for_now(struct loop_timer *t)
{
    rearm_count++;
    ck_assert_int_eq(loop_timer_set(l, t, loop_now_ns(l), NULL), ERR_OK);
}

START_TEST(timer_set_again_for_now_does_not_starve_the_loop)
{
    struct loop_timer t = { .fn = rearm_for_now };
    ck_assert_int_eq(loop_timer_set(l, &t, 0, NULL), ERR_OK);
    for (unsigned turn = 1; turn <= 5; turn++) {
        loop_turn(l, true); /* due: does not wait */
        ck_assert_uint_eq(rearm_count, turn);
    }
    loop_timer_cancel(l, &t);
}
END_TEST

START_TEST(timer_without_memory_is_refused)
{
    static struct loop_timer timers[200];
    unsigned refused = 0;
    mem_test_fail_at(mem, 2, MEM_FAIL_ONCE);
    for (size_t i = 0; i < 200; i++) {
        timers[i] = (struct loop_timer){ .fn = on_timer };
        refused += loop_timer_set(l, &timers[i], 1, NULL) == ERR_NOMEM;
    }
    ck_assert_uint_eq(refused, 1);
    for (size_t i = 0; i < 200; i++) {
        loop_timer_cancel(l, &timers[i]);
    }
    mem_test_fail_at(mem, 1, MEM_FAIL_ONCE);
    struct loop *none = NULL;
    ck_assert_int_eq(loop_create(mem, &fake.clock, &none, NULL), ERR_NOMEM);
}
END_TEST

struct peer {
    struct loop_watch watch;
    uint32_t ready;
    unsigned calls;
    struct peer *to_remove;
};

static void on_ready(struct loop_watch *w, uint32_t ready)
{
    struct peer *p = (struct peer *)w;
    p->ready = ready;
    p->calls++;
    if (p->to_remove) {
        loop_watch_remove(l, &p->to_remove->watch);
        p->to_remove = NULL;
    }
}

static void make_pair(int fds[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

START_TEST(readiness_follows_what_is_asked_for)
{
    int fds[2];
    make_pair(fds);
    struct peer p = { .watch = { .fd = fds[0], .events = LOOP_READ, .fn = on_ready } };
    ck_assert_int_eq(loop_watch_add(l, &p.watch, NULL), ERR_OK);
    loop_turn(l, false);
    ck_assert_uint_eq(p.calls, 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    loop_turn(l, true);
    ck_assert_uint_eq(p.ready, LOOP_READ);
    loop_watch_update(l, &p.watch, LOOP_READ | LOOP_WRITE);
    loop_turn(l, true);
    ck_assert_uint_eq(p.ready, LOOP_READ | LOOP_WRITE);
    loop_watch_update(l, &p.watch, 0);
    unsigned calls = p.calls;
    loop_turn(l, false);
    ck_assert_uint_eq(p.calls, calls);
    loop_watch_remove(l, &p.watch);
    loop_watch_remove(l, &p.watch); /* no-op */
    (void)close(fds[0]);
    (void)close(fds[1]);
}
END_TEST

START_TEST(half_closed_peer_is_reported_on_request_closed_one_always)
{
    int fds[2];
    make_pair(fds);
    struct peer p = { .watch = { .fd = fds[0], .events = 0, .fn = on_ready } };
    ck_assert_int_eq(loop_watch_add(l, &p.watch, NULL), ERR_OK);
    ck_assert_int_eq(shutdown(fds[1], SHUT_WR), 0);
    loop_turn(l, false);
    ck_assert_uint_eq(p.calls, 0);
    loop_watch_update(l, &p.watch, LOOP_HANGUP);
    loop_turn(l, false);
    ck_assert_uint_eq(p.ready, LOOP_HANGUP);
    loop_watch_update(l, &p.watch, 0);
    p.calls = 0;
    loop_turn(l, false);
    ck_assert_uint_eq(p.calls, 0);
    (void)close(fds[1]);
    loop_turn(l, false);
    ck_assert_uint_eq(p.calls, 1);
    ck_assert_uint_eq(p.ready, LOOP_HANGUP);
    loop_watch_remove(l, &p.watch);
    (void)close(fds[0]);
}
END_TEST

START_TEST(watch_removed_in_the_same_turn_is_not_called)
{
    int fds[2];
    make_pair(fds);
    struct peer a = { .watch = { .fd = fds[0], .events = LOOP_WRITE, .fn = on_ready } };
    struct peer b = { .watch = { .fd = fds[1], .events = LOOP_WRITE, .fn = on_ready } };
    a.to_remove = &b;
    b.to_remove = &a;
    ck_assert_int_eq(loop_watch_add(l, &a.watch, NULL), ERR_OK);
    ck_assert_int_eq(loop_watch_add(l, &b.watch, NULL), ERR_OK);
    loop_turn(l, false);
    ck_assert_uint_eq(a.calls + b.calls, 1);
    loop_watch_remove(l, &a.watch);
    loop_watch_remove(l, &b.watch);
    (void)close(fds[0]);
    (void)close(fds[1]);
}
END_TEST

START_TEST(bad_descriptor_is_an_error)
{
    struct peer p = { .watch = { .fd = -1, .events = LOOP_READ, .fn = on_ready } };
    struct err err = { 0 };
    ck_assert_int_eq(loop_watch_add(l, &p.watch, &err), ERR_IO);
    ck_assert(!p.watch.is_active);
}
END_TEST

#define POSTERS 4
#define POSTS_EACH 5000

struct note {
    struct loop_msg msg;
    unsigned poster, number;
};
struct poster {
    struct thread thread;
    unsigned index;
    struct note notes[POSTS_EACH];
};

static unsigned next_number[POSTERS];
static unsigned delivered;

static void on_note(struct loop_msg *m)
{
    struct note *n = (struct note *)m;
    if (n->number != next_number[n->poster]++) ck_abort_msg("out of order");
    delivered++;
}

static void post_all(void *arg)
{
    struct poster *p = arg;
    for (unsigned i = 0; i < POSTS_EACH; i++) {
        p->notes[i] = (struct note){ .msg = { .fn = on_note }, .poster = p->index, .number = i };
        loop_post(l, &p->notes[i].msg);
    }
}

static void run_loop(void *arg)
{
    loop_run(arg);
}

START_TEST(every_post_is_delivered_once_in_the_order_of_its_poster)
{
    static struct poster posters[POSTERS];
    struct thread runner = { 0 };
    ck_assert_int_eq(thread_start(&runner, "loop", run_loop, l, NULL), ERR_OK);
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i].index = i;
        ck_assert_int_eq(thread_start(&posters[i].thread, "poster", post_all, &posters[i], NULL),
                         ERR_OK);
    }
    for (unsigned i = 0; i < POSTERS; i++) {
        thread_join(&posters[i].thread);
    }
    loop_stop(l); /* what was posted before is still delivered */
    thread_join(&runner);
    ck_assert_uint_eq(delivered, POSTERS * POSTS_EACH);
}
END_TEST

static unsigned chain_left;

static void post_again(struct loop_msg *m)
{
    if (chain_left == 0) return;
    chain_left--;
    loop_post(l, m);
}

START_TEST(message_may_post_itself_and_runs_once_a_turn)
{
    struct loop_msg m = { .fn = post_again };
    chain_left = 3;
    loop_post(l, &m);
    for (unsigned left = 3; left > 0; left--) {
        loop_turn(l, true); /* the post wakes it */
        ck_assert_uint_eq(chain_left, left - 1);
    }
    loop_stop(l);
    loop_run(l);
    ck_assert_uint_eq(chain_left, 0);
}
END_TEST

START_TEST(destroy_delivers_what_was_posted_last)
{
    struct note n = { .msg = { .fn = on_note } };
    loop_stop(l);
    loop_run(l);
    loop_post(l, &n.msg);
    ck_assert_uint_eq(delivered, 0);
    loop_destroy(l);
    ck_assert_uint_eq(delivered, 1);
    ck_assert_int_eq(loop_create(mem, &fake.clock, &l, NULL), ERR_OK);
}
END_TEST

static uint64_t seen_heartbeat;

static void look_at_heartbeat(struct loop_msg *m)
{
    (void)m;
    seen_heartbeat = loop_heartbeat_ns(l);
}

START_TEST(heartbeat_is_the_begin_of_the_turn)
{
    struct loop_msg m = { .fn = look_at_heartbeat };
    clock_fake_advance_ms(&fake, 7);
    loop_post(l, &m);
    loop_turn(l, true);
    ck_assert_uint_eq(seen_heartbeat, 7000000);
    ck_assert_uint_eq(loop_now_ns(l), 7000000);
}
END_TEST

static void stop_it(struct loop_timer *t)
{
    (void)t;
    loop_stop(l);
}

START_TEST(real_clock_wakes_a_waiting_loop_in_time)
{
    loop_destroy(l);
    const struct clock *c = clock_system();
    ck_assert_int_eq(loop_create(mem, c, &l, NULL), ERR_OK);
    struct loop_timer t = { .fn = stop_it };
    uint64_t due_ns = clock_mono_ns(c) + 15000000;
    ck_assert_int_eq(loop_timer_set(l, &t, due_ns, NULL), ERR_OK);
    loop_run(l);
    ck_assert_uint_ge(clock_mono_ns(c), due_ns);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop");
    TCase *tc = tcase_create("loop");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, timers_fire_once_in_order_and_not_before_their_time, 0, 4);
    tcase_add_test(tc, timer_set_again_for_now_does_not_starve_the_loop);
    tcase_add_test(tc, timer_without_memory_is_refused);
    tcase_add_test(tc, readiness_follows_what_is_asked_for);
    tcase_add_test(tc, half_closed_peer_is_reported_on_request_closed_one_always);
    tcase_add_test(tc, watch_removed_in_the_same_turn_is_not_called);
    tcase_add_test(tc, bad_descriptor_is_an_error);
    tcase_add_test(tc, every_post_is_delivered_once_in_the_order_of_its_poster);
    tcase_add_test(tc, message_may_post_itself_and_runs_once_a_turn);
    tcase_add_test(tc, destroy_delivers_what_was_posted_last);
    tcase_add_test(tc, heartbeat_is_the_begin_of_the_turn);
    tcase_add_test(tc, real_clock_wakes_a_waiting_loop_in_time);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
