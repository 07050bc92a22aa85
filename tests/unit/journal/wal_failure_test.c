/* SPDX-License-Identifier: Apache-2.0
 *
 * Failing disks: every call fails once or forever, the disk fills up, memory runs out. Nothing
 * acknowledged is lost, nothing is stored twice, service resumes by itself.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "wal_rig.h"

static struct rig rig;

#define IDS_MAX 512

/* What became of every id. */
static enum { NEVER, REFUSED, UNKNOWN, ANSWERED } fate[IDS_MAX];

static void begin_mode(enum journal_mode mode)
{
    memset(fate, 0, sizeof fate);
    rig_init(&rig, NULL, mode);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
}

static void begin_commit(void)
{
    begin_mode(JOURNAL_COMMIT);
}

static void begin_interval(void)
{
    begin_mode(JOURNAL_INTERVAL);
}

static void end_rig(void)
{
    rig_deinit(&rig);
}

static enum err_code put(uint64_t id, size_t len)
{
    ASSERT(id < IDS_MAX);
    uint64_t position;
    enum err_code code = rig_append(&rig, id, len, &position);
    fate[id] = REFUSED;
    if (code != ERR_OK) return code;
    fate[id] = UNKNOWN; /* in the ring: it may come back */
    code = rig_wait(&rig, position);
    if (code == ERR_OK) fate[id] = ANSWERED;
    return code;
}

/* Every answered id once, none refused, in order. */
static void check_replayed(void)
{
    size_t at = 0;
    for (uint64_t id = 0; id < IDS_MAX; id++) {
        const bool is_there = at < rig.count && rig.entries[at].id == id;
        if (fate[id] == ANSWERED) ck_assert_msg(is_there, "answered id %u lost", (unsigned)id);
        if (fate[id] == REFUSED) ck_assert_msg(!is_there, "refused id %u stored", (unsigned)id);
        if (is_there) {
            ck_assert(rig.entries[at].is_intact);
            at++;
        }
    }
    ck_assert_uint_eq(at, rig.count);
}

static void check_after_kill(void)
{
    rig_kill(&rig);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    check_replayed();
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 0);
}

static void check_after_power_cut(uint64_t seed)
{
    rig_power_cycle(&rig, seed);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    check_replayed();
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 0);
}

/* ---- one call fails ----------------------------------------------------------------------- */

struct one_fault {
    enum file_fault_op op;
    enum file_fault_kind kind;
};
static const struct one_fault FAULTS[] = {
    { FAULT_WRITE, FAULT_EIO },        { FAULT_WRITE, FAULT_ENOSPC },
    { FAULT_WRITE, FAULT_SHORT },      { FAULT_WRITE, FAULT_TORN },
    { FAULT_SYNC, FAULT_EIO },         { FAULT_SYNC, FAULT_ENOSPC },
    { FAULT_FALLOCATE, FAULT_ENOSPC }, { FAULT_FALLOCATE, FAULT_EIO },
    { FAULT_CREATE, FAULT_EMFILE },    { FAULT_CREATE, FAULT_ENOSPC },
    { FAULT_RENAME, FAULT_EIO },       { FAULT_SYNC_DIR, FAULT_EIO },
    { FAULT_RENAME, FAULT_ENOSPC },
};
#define FAULT_KINDS (sizeof FAULTS / sizeof FAULTS[0])
#define FAULT_PLACES 12u

static void plan(int i, enum file_fault_mode mode)
{
    const struct one_fault *f = &FAULTS[(size_t)i % FAULT_KINDS];
    file_fault_fail_op(rig.disk, FAULT_BIT(f->op), (uint64_t)i / FAULT_KINDS + 1, f->kind, mode);
}

/* Write on until the fault is over: failed ids are given up, as a client would retry under a new
 * one. */
static void write_through(uint64_t from, uint64_t to)
{
    for (uint64_t id = from; id < to; id++) {
        enum err_code code = put(id, 300);
        if (code == ERR_OK) continue;
        ck_assert_int_eq(code, ERR_IO);
        rig_wait_resumed(&rig);
    }
}

/* The dirty-buffer lesson (prometheus#19699): fail once, go on, reopen, compare. */
START_TEST(one_failed_call_costs_no_answered_record)
{
    write_through(0, 3);
    plan(_i, FAULT_ONCE);
    write_through(3, 120);
    const bool has_fired = file_fault_fired(rig.disk) > 0;
    if (has_fired) {
        const struct one_fault *f = &FAULTS[(size_t)_i % FAULT_KINDS];
        if (f->op == FAULT_FALLOCATE && f->kind == FAULT_ENOSPC) { /* it asks for less */
            ck_assert_uint_eq(stat_get(&rig_stats(&rig)->recoveries), 0);
        } else {
            ck_assert_uint_ge(stat_get(&rig_stats(&rig)->recoveries), 1);
        }
        ck_assert_int_eq(stat_gauge_get(&rig_stats(&rig)->poisoned), 0);
    }
    if (_i % 2 == 0) {
        check_after_kill();
    } else {
        check_after_power_cut((uint64_t)_i);
    }
}
END_TEST

START_TEST(interval_mode_one_failed_call_costs_no_answered_record_after_a_kill)
{
    write_through(0, 3);
    plan(_i, FAULT_ONCE);
    write_through(3, 120);
    check_after_kill();
}
END_TEST

/* ---- the fault stays, then goes ------------------------------------------------------------ */

START_TEST(service_resumes_when_the_fault_goes)
{
    write_through(0, 3);
    plan(_i, FAULT_FOREVER);
    uint64_t id = 3;
    while (id < 100 && put(id, 300) == ERR_OK) {
        id++;
    }
    if (id < 100) {
        ck_assert_uint_ge(file_fault_fired(rig.disk), 1);
        /* Refused at once, with the reason. */
        struct err err = { 0 };
        if (journal_is_poisoned(rig.journal)) {
            enum err_code code = journal_credit(rig.journal, 100, 1000000000u, &err);
            if (code == ERR_IO) ck_assert_int_ne(err.os_errno, 0);
            if (code == ERR_OK) journal_credit_return(rig.journal, 100);
        }
    }
    file_fault_clear(rig.disk); /* space has returned */
    rig_wait_resumed(&rig);
    write_through(id + 1, id + 20);
    for (uint64_t k = id + 1; k < id + 20; k++) {
        ck_assert_int_eq(fate[k], ANSWERED);
    }
    check_after_kill();
}
END_TEST

START_TEST(failure_that_never_goes_is_told_at_close_and_keeps_what_was_answered)
{
    write_through(0, 10);
    file_fault_fail_op(rig.disk, FAULT_BIT(FAULT_WRITE), 1, FAULT_ENOSPC, FAULT_FOREVER);
    ck_assert_int_eq(put(10, 300), ERR_IO);
    ck_assert(journal_is_poisoned(rig.journal));
    ck_assert_int_eq(stat_gauge_get(&rig_stats(&rig)->poisoned), 1);
    ck_assert_int_eq(put(11, 300), ERR_IO);
    struct err err = { 0 };
    uint64_t position;
    ck_assert_int_eq(journal_sync(rig.journal, &err), ERR_IO);
    ck_assert_int_eq(journal_roll(rig.journal, &position, &err), ERR_IO);
    ck_assert_int_eq(rig_close(&rig), ERR_IO);
    file_fault_clear(rig.disk);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    check_replayed();
}
END_TEST

START_TEST(full_disk_refuses_and_resumes_when_space_returns)
{
    write_through(0, 10);
    uint64_t used = file_fault_used(rig.disk);
    file_fault_set_capacity(rig.disk, used + 3000);
    uint64_t id = 10;
    while (put(id, 300) == ERR_OK) {
        id++;
        ck_assert_uint_lt(id, 100);
    }
    ck_assert(journal_is_poisoned(rig.journal));
    file_fault_set_capacity(rig.disk, (uint64_t)1 << 30);
    rig_wait_resumed(&rig);
    write_through(id + 1, id + 30);
    ck_assert_int_eq(fate[id + 29], ANSWERED);
    check_after_power_cut(0);
}
END_TEST

/* _i = 0: not even the first preallocation fits, 1: the second does not. */
START_TEST(full_disk_is_used_up_before_writes_are_refused)
{
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    const uint64_t step = (uint64_t)1 << 20;
    rig.options.preallocate_bytes = step;
    rig.options.segment_bytes = 16 * step;
    const uint64_t capacity = file_fault_used(rig.disk) + step / 2 + (uint64_t)_i * step;
    file_fault_set_capacity(rig.disk, capacity);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    uint64_t position, id = 0;
    do { /* the ring is filled over and over */
        ck_assert_uint_lt(id, 100000);
    } while (rig_append(&rig, id++, 1000, &position) == ERR_OK &&
             (id % 4 != 0 || rig_wait(&rig, position) == ERR_OK));
    ck_assert_uint_gt(file_fault_used(rig.disk) + (64 << 10), capacity);
    ck_assert_uint_gt(id * 1000 + (64 << 10), capacity);
    file_fault_set_capacity(rig.disk, (uint64_t)1 << 30);
    rig_wait_resumed(&rig);
    ck_assert_int_eq(rig_put(&rig, id, 1000), ERR_OK);
    rig_kill(&rig);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 0);
    ck_assert_uint_eq(rig.entries[rig.count - 1].id, id);
    ck_assert_uint_ge(rig.count + 5, id);
}
END_TEST

START_TEST(checkpoint_frees_a_full_disk)
{
    write_through(0, 60);
    struct journal_checkpoint *cp = NULL;
    struct err err = { 0 };
    ck_assert_int_eq(journal_checkpoint_begin(rig.journal, journal_end(rig.journal), &cp, &err),
                     ERR_OK);
    ck_assert_int_eq(journal_checkpoint_commit(rig.journal, cp, &err), ERR_OK);
    ck_assert_uint_le(file_fault_used(rig.disk), 2 * RIG_SEGMENT_BYTES);
}
END_TEST

START_TEST(written_record_is_not_acknowledged_any_more_once_its_sync_failed)
{
    ck_assert_int_eq(put(0, 100), ERR_OK);
    uint64_t synced = journal_end(rig.journal);
    struct err err = { 0 };
    ck_assert_int_eq(journal_sync(rig.journal, &err), ERR_OK);
    ck_assert_int_eq(put(1, 100), ERR_OK);
    uint64_t written = journal_end(rig.journal);
    file_fault_fail_op(rig.disk, FAULT_BIT(FAULT_SYNC) | FAULT_BIT(FAULT_CREATE), 1, FAULT_EIO,
                       FAULT_FOREVER);
    ck_assert_int_eq(journal_sync(rig.journal, &err), ERR_IO);
    ck_assert_int_eq(rig_wait(&rig, synced), ERR_OK);
    ck_assert_int_eq(rig_wait(&rig, written), ERR_IO);
    file_fault_clear(rig.disk);
    rig_wait_resumed(&rig);
    ck_assert_int_eq(rig_wait(&rig, written), ERR_OK); /* synced in the new segment */
    check_after_power_cut(0);
}
END_TEST

/* ---- epochs over a failure ---------------------------------------------------------------- */

START_TEST(failed_sync_ends_the_segment_at_its_synced_bytes)
{
    ck_assert_int_eq(put(0, 100), ERR_OK);
    uint32_t before = journal_epoch(rig.journal);
    file_fault_fail_op(rig.disk, FAULT_BIT(FAULT_SYNC), 1, FAULT_EIO, FAULT_ONCE);
    ck_assert_int_eq(put(1, 100), ERR_IO);
    rig_wait_resumed(&rig);
    ck_assert_uint_eq(journal_epoch(rig.journal), before + 1);
    ck_assert_int_eq(put(2, 100), ERR_OK);
    struct bytes file = rig_read(&rig, RIG_DIR "/00000001");
    ck_assert_uint_gt(file.len, WAL_START_BYTES);
    struct journal_record rec;
    struct wal_epoch epoch;
    size_t bytes;
    struct bytes in = { file.ptr + WAL_HEADER_BYTES, file.len - WAL_HEADER_BYTES };
    ck_assert_int_eq(wal_record_parse(in, in.len, &rec, &bytes), WAL_PARSE_RECORD);
    ck_assert(wal_epoch_decode(rec.payload, &epoch));
    ck_assert(epoch.continues);
    ck_assert_uint_eq(epoch.previous_bytes, WAL_START_BYTES + journal_record_bytes(100));
    rig_free(&rig, file);
    rig_kill(&rig);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 0, 3)); /* the one in doubt is there, once */
    ck_assert_uint_eq(rig.entries[1].epoch, rig.entries[0].epoch);
    ck_assert_uint_eq(rig.entries[2].epoch, rig.entries[0].epoch + 1);
}
END_TEST

START_TEST(segment_that_continues_is_dropped_together_with_its_base)
{
    ck_assert_int_eq(put(0, 100), ERR_OK);
    file_fault_fail_op(rig.disk, FAULT_BIT(FAULT_SYNC), 1, FAULT_EIO, FAULT_ONCE);
    ck_assert_int_eq(put(1, 100), ERR_IO);
    rig_wait_resumed(&rig);
    struct err err = { 0 };
    ck_assert_int_eq(journal_truncate(rig.journal, journal_end(rig.journal), &err), ERR_OK);
    ck_assert(rig_exists(&rig, RIG_DIR "/00000000"));
    uint64_t position;
    ck_assert_int_eq(journal_roll(rig.journal, &position, &err), ERR_OK);
    ck_assert_int_eq(put(2, 100), ERR_OK);
    ck_assert_int_eq(journal_truncate(rig.journal, position, &err), ERR_OK);
    ck_assert(!rig_exists(&rig, RIG_DIR "/00000000"));
    ck_assert(!rig_exists(&rig, RIG_DIR "/00000001"));
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 2, 1));
    ck_assert(!rig.entries[0].is_after_damage);
}
END_TEST

START_TEST(first_segment_of_a_life_may_fail_too)
{
    file_fault_fail_op(rig.disk, FAULT_BIT(FAULT_CREATE), 1, FAULT_ENOSPC, FAULT_ONCE);
    ck_assert_int_eq(put(0, 100), ERR_IO);
    rig_wait_resumed(&rig);
    ck_assert_int_eq(put(1, 100), ERR_OK);
    check_after_power_cut(0);
    ck_assert(!rig.entries[rig.count - 1].is_after_damage);
}
END_TEST

/* ---- waiters ------------------------------------------------------------------------------ */

struct note {
    struct journal_waiter waiter;
    struct mutex *lock;
    struct cond *changed;
    enum err_code result;
    bool is_done;
};

static void take_note(struct journal_waiter *w, enum err_code result)
{
    struct note *n = (struct note *)(void *)w;
    mutex_lock(n->lock);
    n->is_done = true;
    n->result = result;
    cond_broadcast(n->changed);
    mutex_unlock(n->lock);
}

START_TEST(failure_answers_all_waiters)
{
    struct mutex lock;
    struct cond changed;
    struct note notes[20];
    mutex_init(&lock);
    cond_init(&changed);
    ck_assert_int_eq(put(0, 100), ERR_OK);
    file_fault_fail_op(rig.disk, FAULT_BIT(FAULT_WRITE) | FAULT_BIT(FAULT_SYNC), 1, FAULT_EIO,
                       FAULT_FOREVER);
    for (uint64_t i = 0; i < 20; i++) {
        notes[i] =
            (struct note){ .lock = &lock, .changed = &changed, .waiter = { .fn = take_note } };
        uint64_t position = 0;
        if (rig_append(&rig, i + 1, 20, &position) != ERR_OK) position = journal_end(rig.journal);
        notes[i].waiter.position = position;
    }
    for (size_t i = 20; i-- > 0;) { /* the latest first: the list is kept in order */
        journal_notify(rig.journal, &notes[i].waiter);
    }
    mutex_lock(&lock);
    for (size_t i = 0; i < 20; i++) {
        while (!notes[i].is_done) {
            cond_wait(&changed, &lock);
        }
        ck_assert_int_eq(notes[i].result, ERR_IO);
    }
    mutex_unlock(&lock);
    cond_deinit(&changed);
    mutex_deinit(&lock);
}
END_TEST

/* ---- opening on a bad disk, and without memory ---------------------------------------------- */

/* _i-th mutating call of the open fails once. */
START_TEST(failing_open_can_be_repeated)
{
    write_through(0, 40);
    rig_kill(&rig);
    file_fault_fail_at(rig.disk, (uint64_t)_i + 1, FAULT_EIO, FAULT_ONCE);
    enum err_code code = rig_open(&rig);
    file_fault_clear(rig.disk);
    if (code == ERR_OK) {
        check_replayed();
        ck_assert_int_eq(rig_close(&rig), ERR_OK);
    } else {
        ck_assert_int_eq(code, ERR_IO);
    }
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    check_replayed();
}
END_TEST

/* _i = 2 x allocation + mode. */
START_TEST(open_without_memory_fails_cleanly)
{
    write_through(0, 40);
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    mem_test_fail_at(rig.mem, (uint64_t)_i / 2 + 1, _i % 2 == 0 ? MEM_FAIL_ONCE : MEM_FAIL_FOREVER);
    enum err_code code = rig_open(&rig);
    const bool has_fired = mem_test_fired(rig.mem);
    mem_test_fail_at(rig.mem, 0, MEM_FAIL_OFF);
    ck_assert_int_eq(code, has_fired ? ERR_NOMEM : ERR_OK);
    if (code == ERR_OK) ck_assert_int_eq(rig_close(&rig), ERR_OK);
    ck_assert_uint_eq(mem_live_count(rig.mem), 0);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    check_replayed();
}
END_TEST

START_TEST(nothing_is_allocated_after_open)
{
    mem_test_fail_at(rig.mem, 1, MEM_FAIL_FOREVER);
    write_through(0, 120);
    struct journal_checkpoint *cp = NULL;
    struct err err = { 0 };
    ck_assert_int_eq(journal_checkpoint_begin(rig.journal, journal_end(rig.journal), &cp, &err),
                     ERR_OK);
    ck_assert_int_eq(journal_checkpoint_commit(rig.journal, cp, &err), ERR_OK);
    ck_assert(!mem_test_fired(rig.mem));
    mem_test_fail_at(rig.mem, 0, MEM_FAIL_OFF);
}
END_TEST

static void add_commit_cases(Suite *suite)
{
    const int sweep = (int)(FAULT_KINDS * FAULT_PLACES);
    TCase *tc = tcase_create("commit");
    tcase_add_checked_fixture(tc, begin_commit, end_rig);
    tcase_add_loop_test(tc, one_failed_call_costs_no_answered_record, 0, sweep);
    tcase_add_loop_test(tc, service_resumes_when_the_fault_goes, 0, sweep);
    tcase_add_test(tc, failure_that_never_goes_is_told_at_close_and_keeps_what_was_answered);
    tcase_add_test(tc, full_disk_refuses_and_resumes_when_space_returns);
    tcase_add_loop_test(tc, full_disk_is_used_up_before_writes_are_refused, 0, 2);
    tcase_add_test(tc, checkpoint_frees_a_full_disk);
    tcase_add_test(tc, failed_sync_ends_the_segment_at_its_synced_bytes);
    tcase_add_test(tc, segment_that_continues_is_dropped_together_with_its_base);
    tcase_add_test(tc, first_segment_of_a_life_may_fail_too);
    tcase_add_test(tc, failure_answers_all_waiters);
    tcase_add_loop_test(tc, failing_open_can_be_repeated, 0, 8);
    tcase_add_loop_test(tc, open_without_memory_fails_cleanly, 0, 14);
    tcase_add_test(tc, nothing_is_allocated_after_open);
    suite_add_tcase(suite, tc);
}

static void add_interval_cases(Suite *suite)
{
    TCase *tc = tcase_create("interval");
    tcase_add_checked_fixture(tc, begin_interval, end_rig);
    tcase_add_loop_test(tc, interval_mode_one_failed_call_costs_no_answered_record_after_a_kill, 0,
                        (int)(FAULT_KINDS * FAULT_PLACES));
    tcase_add_test(tc, written_record_is_not_acknowledged_any_more_once_its_sync_failed);
    suite_add_tcase(suite, tc);
}

int main(void)
{
    Suite *suite = suite_create("wal_failure");
    add_commit_cases(suite);
    add_interval_cases(suite);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* hundreds of small cases */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
