/* SPDX-License-Identifier: Apache-2.0
 *
 * Several threads append side by side, in every mode, on a good and on a failing disk: nothing that
 * was answered is lost, per thread the order is kept, log order is position order.
 */
#include <check.h>
#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "wal_rig.h"

#define THREADS 4u
#define PER_THREAD 400u

static struct rig rig;

struct appender {
    struct thread thread;
    uint64_t number;
    uint64_t positions[PER_THREAD]; /* 0: refused */
    bool is_answered[PER_THREAD];
    uint64_t conflicts;
    bool is_patient; /* waits for each record; else for every eighth */
};

static uint64_t id_of(uint64_t thread, uint64_t i)
{
    return thread * 1000000 + i;
}

/* One record under the epoch protocol; ERR_OK, ERR_IO. */
static enum err_code append_one(struct appender *a, uint64_t id, size_t len, uint64_t *out)
{
    enum err_code code;
    do {
        code = rig_append_in(&rig, journal_epoch(rig.journal), id, len, out);
        a->conflicts += code == ERR_CONFLICT;
    } while (code == ERR_CONFLICT);
    ck_assert(code == ERR_OK || code == ERR_IO);
    return code;
}

static void append_all(void *arg)
{
    struct appender *a = arg;
    struct rng rng;
    rng_init(&rng, a->number + 1);
    uint64_t first_unanswered = 0;
    for (uint64_t i = 0; i < PER_THREAD; i++) {
        size_t len = 8 + (size_t)rng_below(&rng, 200);
        if (append_one(a, id_of(a->number, i), len, &a->positions[i]) != ERR_OK) {
            a->positions[i] = 0;
            rig_wait_resumed(&rig);
            continue;
        }
        if (!a->is_patient && i % 8 != 7) continue;
        const bool is_ok = rig_wait(&rig, a->positions[i]) == ERR_OK;
        for (; is_ok && first_unanswered <= i; first_unanswered++) {
            a->is_answered[first_unanswered] = a->positions[first_unanswered] != 0;
        }
        if (!is_ok) {
            rig_wait_resumed(&rig);
            first_unanswered = i + 1;
        }
    }
}

static void run_appenders(struct appender *all)
{
    struct err err = { 0 };
    for (uint64_t t = 0; t < THREADS; t++) {
        all[t] = (struct appender){ .number = t, .is_patient = t % 2 == 0 };
    }
    for (uint64_t t = 0; t < THREADS; t++) {
        ck_assert_int_eq(thread_start(&all[t].thread, "appender", append_all, &all[t], &err),
                         ERR_OK);
    }
}

static void join_appenders(struct appender *all)
{
    for (uint64_t t = 0; t < THREADS; t++) {
        thread_join(&all[t].thread);
    }
}

static void check_entries(const struct appender *all, bool with_positions)
{
    uint64_t next[THREADS] = { 0 };
    for (size_t i = 0; i < rig.count; i++) {
        const struct rig_entry *e = &rig.entries[i];
        ck_assert(e->is_intact);
        const uint64_t t = e->id / 1000000;
        const uint64_t n = e->id % 1000000;
        ck_assert_uint_lt(t, THREADS);
        ck_assert_uint_ge(n, next[t]); /* once, in order */
        for (uint64_t k = next[t]; k < n; k++) {
            ck_assert_msg(!all[t].is_answered[k], "thread %u lost %u", (unsigned)t, (unsigned)k);
        }
        ck_assert_uint_ne(all[t].positions[n], 0);
        if (with_positions) ck_assert_uint_eq(e->position, all[t].positions[n]);
        next[t] = n + 1;
    }
    for (uint64_t t = 0; t < THREADS; t++) {
        for (uint64_t k = next[t]; k < PER_THREAD; k++) {
            ck_assert_msg(!all[t].is_answered[k], "thread %u lost %u", (unsigned)t, (unsigned)k);
        }
    }
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 0);
}

static void begin(enum journal_mode mode)
{
    rig_init(&rig, NULL, mode);
    rig.options.sync_interval_ns = 500000;
    rig.options.segment_bytes = 32768;
    rig.options.ring_bytes = 16384;
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
}

/* _i = mode */
START_TEST(group_commit_loses_nothing_that_was_answered)
{
    static struct appender all[THREADS];
    begin((enum journal_mode)_i);
    run_appenders(all);
    join_appenders(all);
    const struct wal_stats *s = rig_stats(&rig);
    ck_assert_uint_ge(stat_get(&s->segments_created), 4);
    if (_i == JOURNAL_COMMIT) {
        rig_power_cycle(&rig, 0);
    } else {
        rig_kill(&rig);
    }
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    check_entries(all, true);
    ck_assert_uint_ge(rig.count, (size_t)THREADS * PER_THREAD - THREADS * 8);
    rig_deinit(&rig);
}
END_TEST

/* _i = 2 x seed + is commit. Faults of all kinds come and go while the threads append. */
START_TEST(failing_disk_under_load_loses_nothing_that_was_answered)
{
    static struct appender all[THREADS];
    static const enum file_fault_kind kinds[] = { FAULT_EIO, FAULT_ENOSPC, FAULT_SHORT,
                                                  FAULT_TORN };
    const enum journal_mode mode = _i % 2 ? JOURNAL_COMMIT : JOURNAL_INTERVAL;
    struct rng rng;
    rng_init(&rng, (uint64_t)_i + 77);
    begin(mode);
    for (int i = 0; i < FAULT_PLANS_MAX; i++) {
        file_fault_fail_at(rig.disk, 1 + rng_below(&rng, 300), kinds[rng_below(&rng, 4)],
                           FAULT_ONCE);
    }
    run_appenders(all);
    join_appenders(all);
    file_fault_clear(rig.disk);
    rig_wait_resumed(&rig);
    if (mode == JOURNAL_COMMIT) {
        rig_power_cycle(&rig, (uint64_t)_i);
    } else {
        rig_kill(&rig);
    }
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    check_entries(all, false);
    rig_deinit(&rig);
}
END_TEST

struct maintainer {
    struct thread thread;
    uint64_t checkpoints;
    _Atomic bool is_done;
};

static void maintain(void *arg)
{
    struct maintainer *m = arg;
    struct err err = { 0 };
    uint8_t payload[64];
    rig_payload(id_of(9, 0), payload, sizeof payload);
    const struct journal_record rec = { .type = 1, .payload = { payload, sizeof payload } };
    while (!atomic_load_explicit(&m->is_done, memory_order_acquire)) {
        struct journal_checkpoint *cp = NULL;
        (void)journal_stats(rig.journal);
        if (journal_checkpoint_begin(rig.journal, journal_end(rig.journal), &cp, &err) != ERR_OK) {
            ck_assert_int_eq(journal_sync(rig.journal, &err), ERR_OK);
            continue;
        }
        ck_assert_int_eq(journal_checkpoint_append(rig.journal, cp, &rec, &err), ERR_OK);
        ck_assert_int_eq(journal_checkpoint_commit(rig.journal, cp, &err), ERR_OK);
        m->checkpoints++;
    }
}

START_TEST(checkpoints_run_beside_appends)
{
    static struct appender all[THREADS];
    struct maintainer m = { 0 };
    struct err err = { 0 };
    begin(JOURNAL_INTERVAL);
    run_appenders(all);
    ck_assert_int_eq(thread_start(&m.thread, "maintain", maintain, &m, &err), ERR_OK);
    join_appenders(all);
    atomic_store_explicit(&m.is_done, true, memory_order_release);
    thread_join(&m.thread);
    ck_assert_uint_ge(m.checkpoints, 1);
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 0);
    ck_assert_uint_eq(rig.entries[0].id, id_of(9, 0));
    uint64_t next[THREADS] = { 0 };
    for (size_t i = 1; i < rig.count; i++) { /* what the checkpoints left, without a gap */
        const uint64_t t = rig.entries[i].id / 1000000;
        const uint64_t n = rig.entries[i].id % 1000000;
        ck_assert(rig.entries[i].is_intact);
        if (next[t] != 0) ck_assert_uint_eq(n, next[t]);
        next[t] = n + 1;
    }
    rig_deinit(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_threads");
    TCase *tc = tcase_create("threads");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, group_commit_loses_nothing_that_was_answered, JOURNAL_INTERVAL,
                        JOURNAL_OFF + 1);
    tcase_add_loop_test(tc, failing_disk_under_load_loses_nothing_that_was_answered, 0, 40);
    tcase_add_test(tc, checkpoints_run_beside_appends);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
