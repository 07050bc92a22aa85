/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "wal_rig.h"

static struct rig rig;

static void begin_rig(void)
{
    rig_init(&rig, NULL, JOURNAL_COMMIT);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
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

/* Records [from, to) of 500 bytes; the position of the last one. */
static uint64_t fill(uint64_t from, uint64_t to)
{
    uint64_t position = 0;
    for (uint64_t id = from; id < to; id++) {
        ck_assert_int_eq(rig_append(&rig, id, 500, &position), ERR_OK);
    }
    ck_assert_int_eq(rig_wait(&rig, position), ERR_OK);
    return position;
}

static enum err_code put_record(struct journal_checkpoint *cp, uint64_t id, size_t len)
{
    static uint8_t payload[JOURNAL_RECORD_MAX];
    rig_payload(id, payload, len);
    const struct journal_record rec = { .type = JOURNAL_SERIES, .payload = { payload, len } };
    return journal_checkpoint_append(rig.journal, cp, &rec, &rig.err);
}

/* Checkpoint at `position` with records [first, first + count). */
static enum err_code checkpoint(uint64_t position, uint64_t first, size_t count, size_t len)
{
    struct journal_checkpoint *cp = NULL;
    TRY(journal_checkpoint_begin(rig.journal, position, &cp, &rig.err));
    for (size_t i = 0; i < count; i++) {
        enum err_code code = put_record(cp, first + i, len);
        if (code != ERR_OK) {
            journal_checkpoint_abort(rig.journal, cp);
            return code;
        }
    }
    return journal_checkpoint_commit(rig.journal, cp, &rig.err);
}

static uint64_t segments(void)
{
    return (uint64_t)stat_gauge_get(&rig_stats(&rig)->segments);
}

START_TEST(nothing_to_drop_is_not_found)
{
    ck_assert_int_eq(checkpoint(0, 1, 1, 8), ERR_NOTFOUND);
    uint64_t position = fill(0, 3); /* one open segment */
    ck_assert_int_eq(checkpoint(position, 1, 1, 8), ERR_NOTFOUND);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->checkpoint_failures), 0);
}
END_TEST

START_TEST(checkpoint_replaces_the_segments_before_it)
{
    uint64_t position = fill(0, 70); /* 5 segments */
    ck_assert_uint_eq(segments(), 5);
    ck_assert_int_eq(checkpoint(position, 1000, 10, 64), ERR_OK);
    ck_assert_uint_eq(segments(), 1);
    ck_assert(!rig_exists(&rig, RIG_DIR "/00000003"));
    ck_assert(rig_exists(&rig, RIG_DIR "/00000004"));
    ck_assert(rig_exists(&rig, RIG_DIR "/checkpoint.00000003/00000000"));
    fill(70, 72);
    reopen();
    ck_assert_uint_gt(rig.count, 12);
    for (size_t i = 0; i < 10; i++) {
        ck_assert_uint_eq(rig.entries[i].id, 1000 + i);
        ck_assert_uint_eq(rig.entries[i].position, 0);
        ck_assert_uint_eq(rig.entries[i].type, JOURNAL_SERIES);
        ck_assert(rig.entries[i].is_intact);
    }
    uint64_t first = rig.entries[10].id; /* what the last segment holds */
    for (size_t i = 10; i < rig.count; i++) {
        ck_assert_uint_eq(rig.entries[i].id, first + i - 10);
        ck_assert_uint_gt(rig.entries[i].epoch, rig.entries[0].epoch);
    }
    ck_assert_uint_eq(rig.entries[rig.count - 1].id, 71);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 0);
}
END_TEST

START_TEST(position_in_the_middle_keeps_its_segment)
{
    uint64_t position = fill(0, 20);
    (void)fill(20, 70);
    ck_assert_int_eq(checkpoint(position, 1000, 1, 8), ERR_OK);
    reopen();
    ck_assert_uint_eq(rig.entries[0].id, 1000);
    ck_assert_uint_lt(rig.entries[1].id, 20);
    ck_assert_uint_eq(rig.entries[rig.count - 1].id, 69);
}
END_TEST

START_TEST(checkpoint_larger_than_a_segment_has_several_files)
{
    uint64_t position = fill(0, 35);
    ck_assert_int_eq(checkpoint(position, 1000, 100, 400), ERR_OK);
    ck_assert(rig_exists(&rig, RIG_DIR "/checkpoint.00000001/00000005"));
    ck_assert(!rig_exists(&rig, RIG_DIR "/checkpoint.00000001/00000006"));
    reopen();
    for (size_t i = 0; i < 100; i++) {
        ck_assert_uint_eq(rig.entries[i].id, 1000 + i);
        ck_assert(rig.entries[i].is_intact);
    }
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 0);
}
END_TEST

START_TEST(records_larger_than_the_write_buffer_are_kept)
{
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    rig.options.segment_bytes = 0;
    rig.options.ring_bytes = 0;
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    (void)fill(0, 1);
    uint64_t position;
    ck_assert_int_eq(journal_roll(rig.journal, &position, &rig.err), ERR_OK);
    (void)fill(1, 2);
    struct journal_checkpoint *cp;
    ck_assert_int_eq(journal_checkpoint_begin(rig.journal, position, &cp, &rig.err), ERR_OK);
    static const size_t sizes[] = { 8, JOURNAL_RECORD_MAX, 11, 262143, 262132, 262131, 9, 700001 };
    for (size_t i = 0; i < 8; i++) {
        ck_assert_int_eq(put_record(cp, 100 + i, sizes[i]), ERR_OK);
    }
    ck_assert_int_eq(journal_checkpoint_commit(rig.journal, cp, &rig.err), ERR_OK);
    reopen();
    ck_assert_uint_eq(rig.count, 9);
    for (size_t i = 0; i < 8; i++) {
        ck_assert_uint_eq(rig.entries[i].id, 100 + i);
        ck_assert_uint_eq(rig.entries[i].size, sizes[i]);
        ck_assert(rig.entries[i].is_intact);
    }
    ck_assert_uint_eq(rig.entries[8].id, 1);
}
END_TEST

START_TEST(later_checkpoint_replaces_the_earlier)
{
    ck_assert_int_eq(checkpoint(fill(0, 35), 1000, 3, 8), ERR_OK);
    ck_assert_int_eq(checkpoint(fill(35, 70), 2000, 4, 8), ERR_OK);
    ck_assert(!rig_exists(&rig, RIG_DIR "/checkpoint.00000001"));
    reopen();
    ck_assert_uint_eq(rig.entries[0].id, 2000);
    ck_assert_uint_eq(rig.entries[3].id, 2003);
    ck_assert_uint_ne(rig.entries[4].id, 2004);
}
END_TEST

START_TEST(aborted_checkpoint_leaves_nothing)
{
    uint64_t position = fill(0, 35);
    struct journal_checkpoint *cp;
    uint64_t before = file_fault_digest(rig.disk);
    ck_assert_int_eq(journal_checkpoint_begin(rig.journal, position, &cp, &rig.err), ERR_OK);
    ck_assert_int_eq(put_record(cp, 1, 8), ERR_OK);
    journal_checkpoint_abort(rig.journal, cp);
    ck_assert_uint_eq(file_fault_digest(rig.disk), before);
    ck_assert_int_eq(journal_checkpoint_begin(rig.journal, position, &cp, &rig.err), ERR_OK);
    ck_assert_int_eq(rig_close(&rig), ERR_OK); /* ends the second one */
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 0, 35));
}
END_TEST

START_TEST(unfinished_and_superfluous_files_go_at_open)
{
    (void)fill(0, 70);
    struct journal_checkpoint *cp;
    ck_assert_int_eq(journal_checkpoint_begin(rig.journal, journal_end(rig.journal), &cp, &rig.err),
                     ERR_OK);
    ck_assert_int_eq(put_record(cp, 1, 8), ERR_OK);
    rig_kill(&rig);
    ck_assert(rig_exists(&rig, RIG_DIR "/checkpoint.00000003.tmp/00000000"));
    struct bytes any = { (const uint8_t *)"x", 1 };
    rig_write(&rig, RIG_DIR "/00000005.0.tmp", any);
    rig_write(&rig, RIG_DIR "/README", any);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 0, 70));
    ck_assert(!rig_exists(&rig, RIG_DIR "/checkpoint.00000003.tmp"));
    ck_assert(!rig_exists(&rig, RIG_DIR "/00000005.0.tmp"));
    ck_assert(rig_exists(&rig, RIG_DIR "/README"));

    /* A segment that a crash left behind although a checkpoint replaced it. */
    struct bytes old = rig_read(&rig, RIG_DIR "/00000001");
    ck_assert_int_eq(checkpoint(journal_end(rig.journal), 1000, 1, 8), ERR_OK);
    rig_write(&rig, RIG_DIR "/00000001", old);
    rig_free(&rig, old);
    reopen();
    ck_assert_uint_eq(rig.entries[0].id, 1000);
    ck_assert(!rig_exists(&rig, RIG_DIR "/00000001"));
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 0);
}
END_TEST

START_TEST(many_unfinished_files_go_at_open)
{
    char path[64];
    struct bytes any = { (const uint8_t *)"x", 1 };
    for (int i = 0; i < 40; i++) {
        (void)snprintf(path, sizeof path, RIG_DIR "/00000000.%d.tmp", i);
        rig_write(&rig, path, any);
    }
    reopen();
    for (int i = 0; i < 40; i++) {
        (void)snprintf(path, sizeof path, RIG_DIR "/00000000.%d.tmp", i);
        ck_assert(!rig_exists(&rig, path));
    }
}
END_TEST

START_TEST(roll_ends_a_segment_so_that_it_can_be_dropped)
{
    (void)fill(0, 3);
    uint64_t position = 0;
    ck_assert_int_eq(journal_roll(rig.journal, &position, &rig.err), ERR_OK);
    ck_assert_int_eq(journal_sync(rig.journal, &rig.err), ERR_OK);
    ck_assert_uint_eq(segments(), 2);
    ck_assert_int_eq(checkpoint(position, 1000, 1, 8), ERR_OK);
    ck_assert_uint_eq(segments(), 1);
    /* An empty segment is not ended again. */
    uint64_t again = 0;
    ck_assert_int_eq(journal_roll(rig.journal, &again, &rig.err), ERR_OK);
    ck_assert_int_eq(journal_sync(rig.journal, &rig.err), ERR_OK);
    ck_assert_uint_eq(segments(), 1);
    (void)fill(3, 5);
    reopen();
    ck_assert_uint_eq(rig.count, 3);
    ck_assert_uint_eq(rig.entries[0].id, 1000);
    ck_assert_uint_eq(rig.entries[1].id, 3);
    ck_assert_uint_eq(rig.entries[2].id, 4);
}
END_TEST

START_TEST(many_rolls_never_overrun_the_ring)
{
    uint64_t position = 0;
    uint64_t id = 0;
    for (int i = 0; i < 400; i++) {
        enum err_code code = journal_roll(rig.journal, &position, &rig.err);
        ck_assert(code == ERR_OK || code == ERR_BUSY);
        if (i % 3 == 0) ck_assert_int_eq(rig_append(&rig, id++, 20, &position), ERR_OK);
    }
    reopen();
    ck_assert(rig_has_exactly(&rig, 0, id));
}
END_TEST

START_TEST(truncate_drops_segments_without_a_checkpoint)
{
    uint64_t position = fill(0, 35);
    (void)fill(35, 70);
    ck_assert_int_eq(journal_truncate(rig.journal, 0, &rig.err), ERR_OK);
    ck_assert_uint_eq(segments(), 5);
    ck_assert_int_eq(journal_truncate(rig.journal, position, &rig.err), ERR_OK);
    ck_assert_uint_eq(segments(), 3);
    reopen();
    ck_assert_uint_le(rig.entries[0].id, 35);
    ck_assert_uint_eq(rig.entries[rig.count - 1].id, 69);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 0);
    /* All of the earlier life; its last segment stays until there is a later one. */
    ck_assert_int_eq(journal_truncate(rig.journal, journal_end(rig.journal), &rig.err), ERR_OK);
    ck_assert_uint_eq(segments(), 1);
    ck_assert_int_eq(rig_put(&rig, 70, 8), ERR_OK);
    ck_assert_int_eq(journal_truncate(rig.journal, journal_end(rig.journal), &rig.err), ERR_OK);
    reopen();
    ck_assert(rig_has_exactly(&rig, 70, 1));
    ck_assert_uint_eq(journal_identity(rig.journal).shards_log2, 3);
}
END_TEST

/* Byte _i of the checkpoint's first (of two) files is wrong: seen at start, the rest is read. */
START_TEST(damaged_checkpoint_is_reported_and_passed_over)
{
    uint64_t position = fill(0, 35);
    ck_assert_int_eq(checkpoint(position, 1000, 20, 400), ERR_OK);
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    ck_assert(
        file_fault_flip(rig.disk, RIG_DIR "/checkpoint.00000001/00000000", (uint64_t)_i * 8 + 3));
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 1);
    ck_assert_uint_eq(rig.entries[rig.count - 1].id, 34);
    size_t seen = 0;
    for (size_t i = 0; i < rig.count; i++) {
        ck_assert(rig.entries[i].is_intact);
        seen += rig.entries[i].id == 1019; /* in the second file */
    }
    ck_assert_uint_eq(seen, 1);
    /* The next checkpoint heals the log. */
    uint64_t at = fill(35, 70);
    ck_assert_int_eq(checkpoint(at, 1000, 20, 400), ERR_OK);
    reopen();
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 0);
    ck_assert_uint_eq(rig.entries[0].id, 1000);
}
END_TEST

/* The checkpoint's last file is cut to _i * 4 bytes. */
START_TEST(checkpoint_that_lost_its_end_is_noticed)
{
    uint64_t position = fill(0, 35);
    ck_assert_int_eq(checkpoint(position, 1000, 10, 16), ERR_OK);
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    struct bytes file = rig_read(&rig, RIG_DIR "/checkpoint.00000001/00000000");
    ck_assert_uint_eq(file.len, WAL_START_BYTES + 10 * 28 + WAL_EPOCH_BYTES);
    rig_write(&rig, RIG_DIR "/checkpoint.00000001/00000000",
              (struct bytes){ file.ptr, (size_t)_i * 4 });
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), (size_t)_i * 4 < file.len ? 1 : 0);
    ck_assert_uint_eq(rig.entries[rig.count - 1].id, 34);
    rig_free(&rig, file);
}
END_TEST

/* The _i-th write, sync or change of names fails once while a checkpoint is made. */
START_TEST(failing_disk_leaves_the_old_state_and_the_next_checkpoint_succeeds)
{
    uint64_t position = fill(0, 35);
    file_fault_fail_at(rig.disk, (uint64_t)_i + 1, FAULT_ENOSPC, FAULT_ONCE);
    enum err_code code = checkpoint(position, 1000, 30, 400);
    const bool has_fired = file_fault_fired(rig.disk) > 0;
    file_fault_clear(rig.disk);
    if (code != ERR_OK) {
        ck_assert(has_fired);
        ck_assert_uint_eq(stat_get(&rig_stats(&rig)->checkpoint_failures), 1);
        rig_kill(&rig);
        ck_assert_int_eq(rig_open(&rig), ERR_OK);
        ck_assert_uint_eq(rig.entries[rig.count - 1].id, 34);
        ck_assert(rig.entries[0].id == 0 || rig.entries[0].id == 1000);
    }
    uint64_t end = fill(35, 70);
    ck_assert_int_eq(checkpoint(end, 2000, 3, 8), ERR_OK);
    ck_assert_uint_le(segments(), 2);
    reopen();
    ck_assert_uint_eq(rig.entries[0].id, 2000);
    ck_assert_uint_eq(rig.entries[rig.count - 1].id, 69);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_checkpoint");
    TCase *tc = tcase_create("checkpoint");
    tcase_add_checked_fixture(tc, begin_rig, end_rig);
    tcase_add_test(tc, nothing_to_drop_is_not_found);
    tcase_add_test(tc, checkpoint_replaces_the_segments_before_it);
    tcase_add_test(tc, position_in_the_middle_keeps_its_segment);
    tcase_add_test(tc, checkpoint_larger_than_a_segment_has_several_files);
    tcase_add_test(tc, records_larger_than_the_write_buffer_are_kept);
    tcase_add_test(tc, later_checkpoint_replaces_the_earlier);
    tcase_add_test(tc, aborted_checkpoint_leaves_nothing);
    tcase_add_test(tc, unfinished_and_superfluous_files_go_at_open);
    tcase_add_test(tc, many_unfinished_files_go_at_open);
    tcase_add_test(tc, roll_ends_a_segment_so_that_it_can_be_dropped);
    tcase_add_test(tc, many_rolls_never_overrun_the_ring);
    tcase_add_test(tc, truncate_drops_segments_without_a_checkpoint);
    tcase_add_loop_test(tc, damaged_checkpoint_is_reported_and_passed_over, 0, 500);
    tcase_add_loop_test(tc, checkpoint_that_lost_its_end_is_noticed, 0, 89);
    tcase_add_loop_test(tc, failing_disk_leaves_the_old_state_and_the_next_checkpoint_succeeds, 0,
                        24);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* thousands of small cases */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
