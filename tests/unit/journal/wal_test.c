/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/wal.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "wal_rig.h"

static struct rig rig;

static void start(enum journal_mode mode)
{
    rig_init(&rig, NULL, mode);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
}

static void commit_rig(void)
{
    start(JOURNAL_COMMIT);
}

static void end_rig(void)
{
    rig_deinit(&rig);
}

static void reopen(void)
{
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
}

/* Wait until `cell` is at least `value`; the test's time-out ends a hang. */
static void wait_counter(const struct stat_counter *cell, uint64_t value)
{
    struct mutex lock;
    struct cond never;
    mutex_init(&lock);
    cond_init(&never);
    mutex_lock(&lock);
    while (stat_get(cell) < value) {
        (void)cond_wait_ns(&never, &lock, 200000);
    }
    mutex_unlock(&lock);
    cond_deinit(&never);
    mutex_deinit(&lock);
}

static uint64_t calls(enum file_fault_op op)
{
    return file_fault_calls(rig.disk, op);
}

/* ---- append and replay -------------------------------------------------------------------- */

START_TEST(new_log_replays_nothing_and_writes_nothing)
{
    ck_assert_uint_eq(rig.count, 0);
    ck_assert_uint_eq(rig.releases, 1);
    ck_assert(rig.done == 1);
    ck_assert_uint_eq(journal_end(rig.journal), 0);
    ck_assert_uint_ne(journal_epoch(rig.journal), 0);
    ck_assert(!rig_exists(&rig, RIG_DIR "/00000000"));
    reopen();
    ck_assert_uint_eq(rig.count, 0);
}
END_TEST

START_TEST(segment_of_the_worked_examples_has_its_bytes)
{
    static const uint8_t samples[13] = { 0x00, 0xb0, 0x8a, 0xad, 0xfe, 0xf9, 0x62,
                                         0x01, 0x64, 0x04, 0x02, 0x11, 0x01 };
    static const uint8_t series[22] = { 0x00, 0x01, 0x64, 0x02, 0x08, 0x5f, 0x5f, 0x6e,
                                        0x61, 0x6d, 0x65, 0x5f, 0x5f, 0x02, 0x75, 0x70,
                                        0x03, 0x6a, 0x6f, 0x62, 0x01, 0x61 };
    const struct journal_record first = { .type = JOURNAL_SERIES,
                                          .payload = { series, sizeof series } };
    const struct journal_record second = { .type = JOURNAL_SAMPLES,
                                           .payload = { samples, sizeof samples } };
    static const uint8_t expected[] = {
        'P',  'H',  'W',  'L',  1,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
        0,                                                                   /* header */
        16,   0,    0,    0,    0x1d, 0x18, 0xb0, 0xc1, 9,    0,    0,    0, /* EPOCH */
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 3,    0,    0,    0,    0,    0,    0,
        0,    22,   0,    0,    0,    0x18, 0x06, 0x65, 0xb4, 1,    0,    0,    0, /* SERIES */
        0x00, 0x01, 0x64, 0x02, 0x08, 0x5f, 0x5f, 0x6e, 0x61, 0x6d, 0x65, 0x5f, 0x5f, 0x02, 0x75,
        0x70, 0x03, 0x6a, 0x6f, 0x62, 0x01, 0x61, 0,    0,    0x0d, 0,    0,    0,    0x66, 0x69,
        0xc9, 0xbc, 0x02, 0,    0,    0, /* SAMPLES */
        0x00, 0xb0, 0x8a, 0xad, 0xfe, 0xf9, 0x62, 0x01, 0x64, 0x04, 0x02, 0x11, 0x01, 0,    0,
        0,
    };
    struct err err = { 0 };
    uint64_t position = 0;
    ck_assert_int_eq(journal_credit(rig.journal, 200, 0, &err), ERR_OK);
    ck_assert_int_eq(journal_append(rig.journal, 0, &first, NULL, &err), ERR_OK);
    ck_assert_int_eq(journal_append(rig.journal, 0, &second, &position, &err), ERR_OK);
    journal_credit_return(rig.journal, 200 - journal_record_bytes(22) - journal_record_bytes(13));
    ck_assert_int_eq(rig_wait(&rig, position), ERR_OK);
    struct bytes file = rig_read(&rig, RIG_DIR "/00000000");
    ck_assert_uint_ge(file.len, sizeof expected);
    ck_assert_mem_eq(file.ptr, expected, sizeof expected);
    for (size_t i = sizeof expected; i < file.len; i++) {
        ck_assert_uint_eq(file.ptr[i], 0);
    }
    rig_free(&rig, file);
}
END_TEST

START_TEST(records_come_back_in_order_with_their_positions)
{
    uint64_t positions[200];
    for (uint64_t id = 0; id < 200; id++) {
        ck_assert_int_eq(rig_append(&rig, id, 8 + (size_t)(id * 7) % 300, &positions[id]), ERR_OK);
        if (id > 0) ck_assert_uint_gt(positions[id], positions[id - 1]);
    }
    ck_assert_uint_eq(journal_end(rig.journal), positions[199]);
    ck_assert_int_eq(rig_wait(&rig, positions[199]), ERR_OK);
    ck_assert_uint_gt(stat_get(&rig_stats(&rig)->segments_created), 2);
    reopen();
    ck_assert(rig_has_exactly(&rig, 0, 200));
    for (size_t i = 0; i < 200; i++) {
        ck_assert_uint_eq(rig.entries[i].position, positions[i]);
        ck_assert_uint_eq(rig.entries[i].size, 8 + (i * 7) % 300);
        ck_assert(!rig.entries[i].is_after_damage);
    }
    ck_assert_uint_eq(journal_end(rig.journal), positions[199]);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 0);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->torn_tails), 0);
}
END_TEST

START_TEST(type_and_flags_come_back)
{
    uint8_t payload[9];
    rig_payload(7, payload, sizeof payload);
    const struct journal_record rec = { .type = 0x21,
                                        .flags = JOURNAL_FLAG_ZSTD | JOURNAL_FLAG_OUT_OF_ORDER,
                                        .payload = { payload, sizeof payload } };
    struct err err = { 0 };
    ck_assert_int_eq(journal_credit(rig.journal, 24, 0, &err), ERR_OK);
    ck_assert_int_eq(journal_append(rig.journal, 0, &rec, NULL, &err), ERR_OK);
    reopen();
    ck_assert(rig_has_exactly(&rig, 7, 1));
    ck_assert_uint_eq(rig.entries[0].type, 0x21);
    ck_assert_uint_eq(rig.entries[0].flags, 3);
}
END_TEST

START_TEST(every_life_starts_a_segment_of_its_own)
{
    for (uint64_t life = 0; life < 5; life++) {
        ck_assert_int_eq(rig_put(&rig, life, 40), ERR_OK);
        reopen();
        ck_assert(rig_has_exactly(&rig, 0, life + 1));
    }
    ck_assert(rig_exists(&rig, RIG_DIR "/00000004"));
    ck_assert(!rig_exists(&rig, RIG_DIR "/00000005"));
    struct bytes file = rig_read(&rig, RIG_DIR "/00000003");
    /* Preallocation given back, closed with a mark. */
    ck_assert_uint_eq(file.len, WAL_START_BYTES + 52 + WAL_EPOCH_BYTES);
    rig_free(&rig, file);
}
END_TEST

START_TEST(killed_process_loses_nothing_that_was_answered)
{
    for (uint64_t id = 0; id < 50; id++) {
        ck_assert_int_eq(rig_put(&rig, id, 100), ERR_OK);
    }
    rig_kill(&rig);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 0, 50));
}
END_TEST

START_TEST(refused_records_leave_the_log_alone)
{
    static const uint8_t big[RIG_RING_BYTES];
    struct err err = { 0 };
    const struct journal_record none = { .type = 2, .payload = { big, 0 } };
    const struct journal_record zero = { .type = 0, .payload = { big, 8 } };
    const struct journal_record epoch = { .type = JOURNAL_EPOCH, .payload = { big, 16 } };
    const struct journal_record large = { .type = 2, .payload = { big, RIG_RING_BYTES / 4 + 1 } };
    ck_assert_int_eq(journal_credit(rig.journal, 2000, 0, &err), ERR_OK);
    ck_assert_int_eq(journal_append(rig.journal, 0, &none, NULL, &err), ERR_INVALID);
    ck_assert_int_eq(journal_append(rig.journal, 0, &zero, NULL, &err), ERR_INVALID);
    ck_assert_int_eq(journal_append(rig.journal, 0, &epoch, NULL, &err), ERR_INVALID);
    ck_assert_int_eq(journal_append(rig.journal, 0, &large, NULL, &err), ERR_LIMIT);
    journal_credit_return(rig.journal, 2000);
    ck_assert_uint_eq(journal_end(rig.journal), 0);
}
END_TEST

START_TEST(identity_on_disk_wins_over_the_given_one)
{
    ck_assert_int_eq(rig_put(&rig, 1, 8), ERR_OK);
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    rig.options.identity = (struct journal_identity){ 99, 5 };
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_uint_eq(journal_identity(rig.journal).hash_seed, 0x1122334455667788u);
    ck_assert_uint_eq(journal_identity(rig.journal).shards_log2, 3);
    ck_assert_int_eq(rig_put(&rig, 2, 8), ERR_OK);
    reopen();
    ck_assert(rig_has_exactly(&rig, 1, 2));
}
END_TEST

START_TEST(impossible_sizes_are_refused)
{
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    rig.options.ring_bytes = 5000;
    ck_assert_int_eq(rig_open(&rig), ERR_INVALID);
    rig.options.ring_bytes = 2048;
    ck_assert_int_eq(rig_open(&rig), ERR_INVALID);
    rig.options.ring_bytes = RIG_SEGMENT_BYTES;
    ck_assert_int_eq(rig_open(&rig), ERR_INVALID);
}
END_TEST

START_TEST(log_larger_than_the_replay_buffer_comes_back)
{
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    rig.options.segment_bytes = 0;
    rig.options.ring_bytes = 0;
    rig.options.preallocate_bytes = 0;
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    uint64_t position = 0;
    for (uint64_t id = 0; id < 20; id++) { /* about 9 MiB, records up to the limit */
        size_t len = id % 5 == 0 ? JOURNAL_RECORD_MAX : 300000 + (size_t)id;
        ck_assert_int_eq(rig_append(&rig, id, len, &position), ERR_OK);
    }
    ck_assert_int_eq(rig_wait(&rig, position), ERR_OK);
    reopen();
    ck_assert(rig_has_exactly(&rig, 0, 20));
    ck_assert_uint_ge(rig.releases, 3);
}
END_TEST

START_TEST(callback_error_stops_the_replay)
{
    ck_assert_int_eq(rig_put(&rig, 1, 8), ERR_OK);
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    rig.callback_result = ERR_NOMEM;
    ck_assert_int_eq(rig_open(&rig), ERR_NOMEM);
    rig.callback_result = ERR_OK;
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 1, 1));
}
END_TEST

/* ---- epochs ------------------------------------------------------------------------------- */

START_TEST(first_append_of_a_life_begins_an_epoch)
{
    uint32_t old = journal_epoch(rig.journal);
    uint64_t position;
    ck_assert_int_eq(rig_append_in(&rig, old, 1, 8, &position), ERR_CONFLICT);
    ck_assert_uint_eq(journal_epoch(rig.journal), old + 1);
    ck_assert_int_eq(rig_append_in(&rig, old + 1, 1, 8, &position), ERR_OK);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->epoch_conflicts), 1);
    reopen();
    ck_assert(rig_has_exactly(&rig, 1, 1));
}
END_TEST

START_TEST(every_segment_begins_an_epoch_and_old_payloads_are_refused)
{
    uint64_t position = 0;
    ck_assert_int_eq(rig_append(&rig, 0, 8, &position), ERR_OK);
    unsigned conflicts = 0;
    for (uint64_t id = 1; id < 100; id++) {
        uint32_t epoch = journal_epoch(rig.journal);
        enum err_code code = rig_append_in(&rig, epoch, id, 500, &position);
        if (code == ERR_CONFLICT) {
            conflicts++;
            ck_assert_uint_eq(journal_epoch(rig.journal), epoch + 1);
            code = rig_append_in(&rig, epoch + 1, id, 500, &position);
        }
        ck_assert_int_eq(code, ERR_OK);
    }
    ck_assert_int_eq(rig_wait(&rig, position), ERR_OK);
    ck_assert_uint_eq(conflicts + 1, stat_get(&rig_stats(&rig)->segments_created));
    ck_assert_uint_ge(conflicts, 5);
    reopen();
    ck_assert(rig_has_exactly(&rig, 0, 100));
    ck_assert_uint_eq(rig.entries[99].epoch, rig.entries[0].epoch + conflicts);
}
END_TEST

/* ---- credit ------------------------------------------------------------------------------- */

START_TEST(credit_is_bounded_and_given_back)
{
    struct err err = { 0 };
    ck_assert_int_eq(journal_credit(rig.journal, RIG_RING_BYTES / 2 + 1, 0, &err), ERR_LIMIT);
    ck_assert_int_eq(journal_credit(rig.journal, RIG_RING_BYTES / 2, 0, &err), ERR_OK);
    ck_assert_int_eq(journal_credit(rig.journal, RIG_RING_BYTES / 2, 0, &err), ERR_BUSY);
    ck_assert_int_eq(journal_credit(rig.journal, RIG_RING_BYTES / 2, 1000000, &err), ERR_BUSY);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->ring_full_rejected), 2);
    journal_credit_return(rig.journal, RIG_RING_BYTES / 2);
    ck_assert_int_eq(journal_credit(rig.journal, RIG_RING_BYTES / 2, 0, &err), ERR_OK);
    journal_credit_return(rig.journal, RIG_RING_BYTES / 2);
}
END_TEST

/* _i = mode. The ring is 4 KiB, so that nearly every append waits for the disk. */
START_TEST(full_ring_empties_in_every_mode)
{
    start((enum journal_mode)_i);
    uint64_t position = 0;
    for (uint64_t id = 0; id < 60; id++) {
        ck_assert_int_eq(rig_append(&rig, id, RIG_RING_BYTES / 4, &position), ERR_OK);
    }
    ck_assert_int_eq(rig_wait(&rig, position), ERR_OK);
    reopen();
    ck_assert(rig_has_exactly(&rig, 0, 60));
}
END_TEST

/* ---- durability --------------------------------------------------------------------------- */

START_TEST(commit_answers_after_the_sync)
{
    ck_assert_int_eq(rig_put(&rig, 0, 8), ERR_OK);
    uint64_t syncs = calls(FAULT_SYNC);
    ck_assert_int_eq(rig_put(&rig, 1, 8), ERR_OK);
    ck_assert_uint_eq(calls(FAULT_SYNC), syncs + 1);
    rig_power_cycle(&rig, 0); /* nothing unsynced survives */
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 0, 2));
}
END_TEST

START_TEST(interval_answers_after_the_write)
{
    start(JOURNAL_INTERVAL);
    ck_assert_int_eq(rig_put(&rig, 0, 8), ERR_OK);
    uint64_t syncs = calls(FAULT_SYNC);
    ck_assert_int_eq(rig_put(&rig, 1, 8), ERR_OK);
    ck_assert_uint_eq(calls(FAULT_SYNC), syncs);
    ck_assert_int_eq(stat_gauge_get(&rig_stats(&rig)->unsynced_bytes), 2 * 20);
    struct err err = { 0 };
    ck_assert_int_eq(journal_sync(rig.journal, &err), ERR_OK);
    ck_assert_int_eq(stat_gauge_get(&rig_stats(&rig)->unsynced_bytes), 0);
    ck_assert_int_eq(stat_gauge_get(&rig_stats(&rig)->durability_lag_ms), 0);
    rig_power_cycle(&rig, 0);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 0, 2));
}
END_TEST

START_TEST(interval_syncs_by_itself)
{
    rig_init(&rig, NULL, JOURNAL_INTERVAL);
    rig.options.sync_interval_ns = 1000000;
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_int_eq(rig_put(&rig, 0, 8), ERR_OK);
    wait_counter(&rig_stats(&rig)->syncs, 1);
}
END_TEST

START_TEST(interval_syncs_when_half_of_the_ring_is_unsynced)
{
    start(JOURNAL_INTERVAL);
    for (uint64_t id = 0; id < 3; id++) {
        ck_assert_int_eq(rig_put(&rig, id, 700), ERR_OK);
    }
    wait_counter(&rig_stats(&rig)->syncs, 1);
}
END_TEST

START_TEST(off_syncs_only_at_rolls_and_close)
{
    start(JOURNAL_OFF);
    for (uint64_t id = 0; id < 30; id++) {
        ck_assert_int_eq(rig_put(&rig, id, 1000), ERR_OK);
    }
    uint64_t segments = stat_get(&rig_stats(&rig)->segments_created);
    ck_assert_uint_ge(segments, 3);
    /* A new segment is synced before it gets its name, the old one before that. */
    ck_assert_uint_eq(calls(FAULT_SYNC), 2 * segments - 1);
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    ck_assert_uint_eq(calls(FAULT_SYNC), 2 * segments + 1); /* and the preallocation given back */
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 0, 30));
}
END_TEST

START_TEST(append_without_notify_is_written_soon)
{
    start(JOURNAL_INTERVAL);
    uint64_t position;
    ck_assert_int_eq(rig_append(&rig, 0, 8, &position), ERR_OK);
    wait_counter(&rig_stats(&rig)->records, 1);
    rig_kill(&rig);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 0, 1));
}
END_TEST

START_TEST(position_of_an_earlier_life_is_safe_at_once)
{
    ck_assert_int_eq(rig_put(&rig, 0, 8), ERR_OK);
    reopen();
    uint64_t syncs = calls(FAULT_SYNC);
    ck_assert_int_eq(rig_wait(&rig, journal_end(rig.journal)), ERR_OK);
    ck_assert_int_eq(rig_wait(&rig, 0), ERR_OK);
    ck_assert_uint_eq(calls(FAULT_SYNC), syncs);
}
END_TEST

START_TEST(replayed_records_of_a_killed_process_are_durable_after_open)
{
    start(JOURNAL_INTERVAL);
    ck_assert_int_eq(rig_put(&rig, 0, 8), ERR_OK);
    rig_kill(&rig); /* written, not synced */
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 0, 1));
    rig_power_cycle(&rig, 0);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 0, 1));
}
END_TEST

START_TEST(statistics_have_distinct_cells_and_names)
{
    struct stat_table t = journal_stats(rig.journal);
    for (size_t i = 0; i < t.desc_count; i++) {
        ck_assert_ptr_nonnull(t.descs[i].name);
        ck_assert_ptr_nonnull(t.descs[i].help);
        ck_assert_int_eq(strncmp(t.descs[i].name, "pharos_wal_", 11), 0);
        for (size_t k = 0; k < i; k++) {
            ck_assert_uint_ne(t.descs[i].offset, t.descs[k].offset);
            ck_assert_str_ne(t.descs[i].name, t.descs[k].name);
        }
    }
}
END_TEST

static void add_append_cases(Suite *suite)
{
    TCase *tc = tcase_create("append and replay");
    tcase_add_checked_fixture(tc, commit_rig, end_rig);
    tcase_add_test(tc, new_log_replays_nothing_and_writes_nothing);
    tcase_add_test(tc, segment_of_the_worked_examples_has_its_bytes);
    tcase_add_test(tc, records_come_back_in_order_with_their_positions);
    tcase_add_test(tc, type_and_flags_come_back);
    tcase_add_test(tc, every_life_starts_a_segment_of_its_own);
    tcase_add_test(tc, killed_process_loses_nothing_that_was_answered);
    tcase_add_test(tc, refused_records_leave_the_log_alone);
    tcase_add_test(tc, identity_on_disk_wins_over_the_given_one);
    tcase_add_test(tc, impossible_sizes_are_refused);
    tcase_add_test(tc, log_larger_than_the_replay_buffer_comes_back);
    tcase_add_test(tc, callback_error_stops_the_replay);
    tcase_add_test(tc, first_append_of_a_life_begins_an_epoch);
    tcase_add_test(tc, every_segment_begins_an_epoch_and_old_payloads_are_refused);
    tcase_add_test(tc, credit_is_bounded_and_given_back);
    tcase_add_test(tc, commit_answers_after_the_sync);
    tcase_add_test(tc, position_of_an_earlier_life_is_safe_at_once);
    tcase_add_test(tc, statistics_have_distinct_cells_and_names);
    suite_add_tcase(suite, tc);
}

static void add_mode_cases(Suite *suite)
{
    TCase *tc = tcase_create("modes");
    tcase_add_checked_fixture(tc, NULL, end_rig);
    tcase_add_loop_test(tc, full_ring_empties_in_every_mode, JOURNAL_INTERVAL, JOURNAL_OFF + 1);
    tcase_add_test(tc, interval_answers_after_the_write);
    tcase_add_test(tc, interval_syncs_by_itself);
    tcase_add_test(tc, interval_syncs_when_half_of_the_ring_is_unsynced);
    tcase_add_test(tc, off_syncs_only_at_rolls_and_close);
    tcase_add_test(tc, append_without_notify_is_written_soon);
    tcase_add_test(tc, replayed_records_of_a_killed_process_are_durable_after_open);
    suite_add_tcase(suite, tc);
}

int main(void)
{
    Suite *suite = suite_create("wal");
    add_append_cases(suite);
    add_mode_cases(suite);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
