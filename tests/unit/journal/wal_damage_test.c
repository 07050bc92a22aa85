/* SPDX-License-Identifier: Apache-2.0
 *
 * Damaged bytes at every place of a small log: the start always succeeds, what is lost is what the
 * rules of storage-engine.md section 5 say and is reported, and the next checkpoint heals the log.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "wal_rig.h"

#define SEGMENTS 4u
#define PER_SEGMENT 5u
#define RECORDS (SEGMENTS * PER_SEGMENT)
#define PAYLOAD 21u /* three bytes of padding */
#define RECORD_BYTES (JOURNAL_FRAME_BYTES + PAYLOAD + 3u)
#define VALID_BYTES (WAL_START_BYTES + PER_SEGMENT * RECORD_BYTES)

static struct rig rig;

static void build_log(void)
{
    rig_init(&rig, NULL, JOURNAL_COMMIT);
    rig_fill(&rig, SEGMENTS, PER_SEGMENT, PAYLOAD);
}

static void end_rig(void)
{
    rig_deinit(&rig);
}

/* Are the entries exactly those ids for which is_kept says so? */
static void check_entries(const bool *is_kept)
{
    size_t at = 0;
    for (uint64_t id = 0; id < RECORDS; id++) {
        if (!is_kept[id]) continue;
        ck_assert_uint_lt(at, rig.count);
        ck_assert_uint_eq(rig.entries[at].id, id);
        ck_assert(rig.entries[at].is_intact);
        at++;
    }
    ck_assert_uint_eq(at, rig.count);
}

static void lose(bool *is_kept, uint64_t segment, uint64_t from_record)
{
    for (uint64_t i = from_record; i < PER_SEGMENT; i++) {
        is_kept[segment * PER_SEGMENT + i] = false;
    }
}

static void keep_all(bool *is_kept)
{
    memset(is_kept, true, RECORDS);
}

/* Reports found at this start. */
static uint64_t reports(void)
{
    const struct wal_stats *s = rig_stats(&rig);
    return stat_get(&s->corruptions) + stat_get(&s->torn_tails);
}

/* The log takes records, a checkpoint succeeds, removes the damage, and the size is bounded. */
static void check_heals(void)
{
    uint64_t position = 0;
    ck_assert_int_eq(rig_append(&rig, 500, 40, &position), ERR_OK);
    ck_assert_int_eq(rig_wait(&rig, position), ERR_OK);
    struct journal_checkpoint *cp = NULL;
    ck_assert_int_eq(journal_checkpoint_begin(rig.journal, journal_end(rig.journal), &cp, &rig.err),
                     ERR_OK);
    uint8_t payload[16];
    rig_payload(400, payload, sizeof payload);
    const struct journal_record rec = { .type = 1, .payload = { payload, sizeof payload } };
    ck_assert_int_eq(journal_checkpoint_append(rig.journal, cp, &rec, &rig.err), ERR_OK);
    ck_assert_int_eq(journal_checkpoint_commit(rig.journal, cp, &rig.err), ERR_OK);
    ck_assert_int_eq(stat_gauge_get(&rig_stats(&rig)->segments), 1);
    ck_assert_int_eq(stat_gauge_get(&rig_stats(&rig)->damaged_segments), 0);
    ck_assert_uint_le(file_fault_used(rig.disk), 3 * RIG_SEGMENT_BYTES);
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_uint_eq(reports(), 0);
    ck_assert_uint_eq(rig.count, 2);
    ck_assert_uint_eq(rig.entries[0].id, 400);
    ck_assert_uint_eq(rig.entries[1].id, 500);
}

/* First record (0-based, PER_SEGMENT = none) hit by damage at `offset` of a segment's file. */
static uint64_t record_at(uint64_t offset)
{
    if (offset < WAL_START_BYTES) return 0;
    return (offset - WAL_START_BYTES) / RECORD_BYTES;
}

static bool is_padding(uint64_t offset)
{
    if (offset < WAL_START_BYTES) return false;
    return (offset - WAL_START_BYTES) % RECORD_BYTES >= JOURNAL_FRAME_BYTES + PAYLOAD;
}

/* ---- flips -------------------------------------------------------------------------------- */

/* _i = byte of the whole log, segment by segment (prometheus#18552: damage before the last segment
 * must be found at the start, and must not break the next checkpoint). */
START_TEST(flip_of_any_byte_loses_the_rest_of_its_segment_only)
{
    const uint64_t segment = (uint64_t)_i / VALID_BYTES;
    const uint64_t offset = (uint64_t)_i % VALID_BYTES;
    char path[64];
    ck_assert(file_fault_flip(rig.disk, rig_segment_path(&rig, segment, path),
                              offset * 8 + (uint64_t)_i % 8));
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    bool is_kept[RECORDS];
    keep_all(is_kept);
    if (!is_padding(offset)) lose(is_kept, segment, record_at(offset));
    check_entries(is_kept);
    const struct wal_stats *s = rig_stats(&rig);
    ck_assert_uint_eq(reports(), is_padding(offset) ? 0 : 1);
    if (!is_padding(offset)) {
        ck_assert_uint_eq(stat_get(&s->corruptions), 1);
        uint64_t good = offset < WAL_HEADER_BYTES ? 0
                        : offset < WAL_START_BYTES
                            ? WAL_HEADER_BYTES
                            : WAL_START_BYTES + record_at(offset) * RECORD_BYTES;
        ck_assert_uint_eq(stat_get(&s->lost_bytes), VALID_BYTES - good);
        ck_assert_int_eq(stat_gauge_get(&s->damaged_segments), 1);
    }
    for (size_t i = 0; i < rig.count; i++) {
        ck_assert(!rig.entries[i].is_after_damage); /* every segment here began an epoch */
    }
    check_heals();
    char damaged[64];
    (void)snprintf(damaged, sizeof damaged, RIG_DIR "/damaged.%08u", (unsigned)segment);
    ck_assert(rig_exists(&rig, damaged) == !is_padding(offset));
}
END_TEST

/* _i = byte of the mark that the orderly close put behind the last record. */
START_TEST(flip_in_the_mark_of_the_close_loses_nothing)
{
    char path[64];
    struct bytes file = rig_read(&rig, rig_segment_path(&rig, SEGMENTS - 1, path));
    ck_assert_uint_eq(file.len, VALID_BYTES + WAL_EPOCH_BYTES);
    rig_free(&rig, file);
    ck_assert(file_fault_flip(rig.disk, path, (VALID_BYTES + (uint64_t)_i) * 8));
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 0, RECORDS));
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 0);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->torn_tails), 1);
    check_heals();
}
END_TEST

/* A log of one segment, longer than the ring, of a process that was killed; _i = every 5th byte
 * behind the EPOCH. */
#define LONG_RECORDS 150u

START_TEST(damage_in_the_last_segment_is_told_from_a_tear)
{
    struct rig own;
    rig_init(&own, NULL, JOURNAL_INTERVAL);
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    uint64_t position = 0;
    for (uint64_t id = 0; id < LONG_RECORDS; id++) {
        ck_assert_int_eq(rig_append(&own, id, PAYLOAD, &position), ERR_OK);
    }
    ck_assert_int_eq(rig_wait(&own, position), ERR_OK);
    rig_kill(&own);
    const uint64_t used = WAL_START_BYTES + LONG_RECORDS * RECORD_BYTES;
    const uint64_t offset = WAL_START_BYTES + (uint64_t)_i * 5;
    const uint64_t hit = record_at(offset);
    char path[64];
    rig_segment_path(&own, 0, path);
    ck_assert(file_fault_flip(own.disk, path, offset * 8 + (uint64_t)_i % 8));
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    const struct wal_stats *s = rig_stats(&own);
    const bool is_bad = !is_padding(offset);
    const bool has_later = is_bad && hit + 1 < LONG_RECORDS;
    const bool is_proven =
        is_bad && hit * RECORD_BYTES + RIG_RING_BYTES <= (LONG_RECORDS - 1) * RECORD_BYTES;
    const uint64_t lost = (LONG_RECORDS - hit) * RECORD_BYTES;
    ck_assert(rig_has_exactly(&own, 0, is_bad ? hit : LONG_RECORDS));
    ck_assert_uint_eq(stat_get(&s->corruptions), is_proven);
    ck_assert_uint_eq(stat_get(&s->torn_tails), is_bad && !is_proven);
    /* The last bytes are three of padding. */
    ck_assert_uint_eq(stat_get(&s->lost_bytes), is_proven ? lost - 3 : 0);
    struct bytes file = rig_read(&own, RIG_DIR "/damaged.00000000");
    ck_assert(has_later ? file.len >= used : file.len == 0);
    rig_free(&own, file);
    file = rig_read(&own, path); /* the copy that took its place */
    ck_assert_uint_eq(file.len, (is_bad ? used - lost : used) + WAL_EPOCH_BYTES);
    rig_free(&own, file);
    ck_assert_int_eq(rig_put(&own, 999, PAYLOAD), ERR_OK);
    ck_assert_int_eq(rig_close(&own), ERR_OK);
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    ck_assert_uint_eq(stat_get(&rig_stats(&own)->corruptions), 0);
    ck_assert_uint_eq(own.count, (is_bad ? hit : LONG_RECORDS) + 1);
    rig_deinit(&own);
}
END_TEST

START_TEST(only_the_newest_damaged_segment_is_kept_aside)
{
    char path[64];
    for (uint64_t segment = 0; segment < 3; segment++) {
        ck_assert(file_fault_flip(rig.disk, rig_segment_path(&rig, segment, path), 100 * 8));
    }
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 3);
    check_heals();
    ck_assert(!rig_exists(&rig, RIG_DIR "/damaged.00000000"));
    ck_assert(!rig_exists(&rig, RIG_DIR "/damaged.00000001"));
    ck_assert(rig_exists(&rig, RIG_DIR "/damaged.00000002"));
}
END_TEST

START_TEST(damage_is_found_again_until_a_checkpoint_removes_it)
{
    char path[64];
    ck_assert(file_fault_flip(rig.disk, rig_segment_path(&rig, 1, path), 100 * 8));
    for (int start = 0; start < 3; start++) {
        ck_assert_int_eq(rig_open(&rig), ERR_OK);
        ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 1);
        ck_assert_uint_eq(rig.entries[0].id, 0);
        ck_assert_uint_eq(rig.entries[rig.count - 1].id, RECORDS - 1);
        ck_assert_int_eq(rig_close(&rig), ERR_OK);
    }
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    check_heals();
}
END_TEST

/* ---- torn tails --------------------------------------------------------------------------- */

enum tear { TEAR_CUT, TEAR_ZERO, TEAR_GARBAGE, TEAR_COUNT };

/* As a power cut leaves it: without the mark of a close. */
static void tear_segment(uint64_t segment, uint64_t offset, enum tear how)
{
    char path[64];
    struct bytes file = rig_read(&rig, rig_segment_path(&rig, segment, path));
    ck_assert_uint_ge(file.len, VALID_BYTES);
    uint8_t *bytes = (uint8_t *)(uintptr_t)file.ptr;
    size_t len = how == TEAR_CUT ? (size_t)offset : VALID_BYTES;
    for (size_t i = (size_t)offset; i < VALID_BYTES; i++) {
        bytes[i] = how == TEAR_ZERO ? 0 : (uint8_t)(bytes[i] ^ (0x5a + i * 31));
    }
    rig_write(&rig, path, (struct bytes){ file.ptr, len });
    rig_free(&rig, file);
}

/* Does the torn image still hold all of `record`? Cutting into the padding is no loss. */
static bool survives(uint64_t record, uint64_t offset, enum tear how)
{
    uint64_t end = WAL_START_BYTES + (record + 1) * RECORD_BYTES;
    if (how != TEAR_GARBAGE || offset >= end - 3) return offset >= end - 3;
    return false;
}

/* _i = offset * TEAR_COUNT + how, in the last segment. */
START_TEST(torn_tail_at_any_byte_loses_the_torn_record_only)
{
    const enum tear how = (enum tear)(_i % TEAR_COUNT);
    const uint64_t offset = (uint64_t)_i / TEAR_COUNT;
    tear_segment(SEGMENTS - 1, offset, how);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    bool is_kept[RECORDS];
    keep_all(is_kept);
    uint64_t good = 0;
    while (good < PER_SEGMENT && survives(good, offset, how)) {
        good++;
    }
    lose(is_kept, SEGMENTS - 1, good);
    check_entries(is_kept);
    /* A log that ends early at a record's border cannot be told from one that was shorter. */
    if (how == TEAR_GARBAGE && offset < VALID_BYTES && !is_padding(offset)) {
        ck_assert_uint_eq(reports(), 1);
    }
    if (offset <= 40) ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 1); /* its EPOCH */

    /* A second start finds nothing more to repair, and the same records. */
    ck_assert_int_eq(rig_put(&rig, RECORDS, PAYLOAD), ERR_OK);
    ck_assert_int_eq(rig_close(&rig), ERR_OK);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->torn_tails), 0);
    ck_assert_uint_eq(rig.entries[rig.count - 1].id, RECORDS);
    rig.count--;
    check_entries(is_kept);
    check_heals();
}
END_TEST

/* The same in a segment that is not the last one: always damage. */
START_TEST(tear_before_the_last_segment_is_damage)
{
    const enum tear how = (enum tear)(_i % TEAR_COUNT);
    const uint64_t offset = (uint64_t)_i / TEAR_COUNT;
    tear_segment(1, offset, how);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    bool is_kept[RECORDS];
    keep_all(is_kept);
    uint64_t good = 0;
    while (good < PER_SEGMENT && survives(good, offset, how)) {
        good++;
    }
    lose(is_kept, 1, good);
    check_entries(is_kept);
    const bool is_whole = good == PER_SEGMENT && (how != TEAR_CUT || offset == VALID_BYTES);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), is_whole ? 0 : 1);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->torn_tails), 0);
    check_heals();
}
END_TEST

START_TEST(tail_is_cut_off_and_not_appended_after)
{
    tear_segment(SEGMENTS - 1, VALID_BYTES - 10, TEAR_GARBAGE);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->torn_tails), 1);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->truncated_bytes), RECORD_BYTES);
    char path[64];
    struct bytes file = rig_read(&rig, rig_segment_path(&rig, SEGMENTS - 1, path));
    ck_assert_uint_eq(file.len, VALID_BYTES - RECORD_BYTES + WAL_EPOCH_BYTES);
    rig_free(&rig, file);
    ck_assert_int_eq(rig_put(&rig, 99, 30), ERR_OK);
    ck_assert(rig_exists(&rig, rig_segment_path(&rig, SEGMENTS, path)));
}
END_TEST

/* ---- whole files -------------------------------------------------------------------------- */

/* _i = the segment that is missing. */
START_TEST(missing_segment_is_reported)
{
    char path[64];
    struct err err = { 0 };
    rig_segment_path(&rig, (uint64_t)_i, path);
    ck_assert_int_eq(rig.options.files->unlink(rig.options.files->ctx, path, &err), ERR_OK);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    bool is_kept[RECORDS];
    keep_all(is_kept);
    lose(is_kept, (uint64_t)_i, 0);
    check_entries(is_kept);
    /* Without a checkpoint a log may start and end anywhere. */
    bool is_inside = _i > 0 && _i < (int)SEGMENTS - 1;
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), is_inside ? 1 : 0);
    check_heals();
}
END_TEST

START_TEST(swapped_segments_are_both_damaged)
{
    char path[64];
    struct bytes one = rig_read(&rig, rig_segment_path(&rig, 1, path));
    struct bytes two = rig_read(&rig, rig_segment_path(&rig, 2, path));
    rig_write(&rig, rig_segment_path(&rig, 1, path), two);
    rig_write(&rig, rig_segment_path(&rig, 2, path), one);
    rig_free(&rig, one);
    rig_free(&rig, two);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    bool is_kept[RECORDS];
    keep_all(is_kept);
    lose(is_kept, 1, 0);
    lose(is_kept, 2, 0);
    check_entries(is_kept);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 2);
    check_heals();
}
END_TEST

/* _i = 0: another hash seed, 1: another number of shards. */
START_TEST(segment_of_another_store_is_not_replayed)
{
    char path[64];
    struct bytes file = rig_read(&rig, rig_segment_path(&rig, 2, path));
    uint8_t *bytes = (uint8_t *)(uintptr_t)file.ptr;
    struct wal_epoch other = { .identity = rig.options.identity, .previous_bytes = VALID_BYTES };
    if (_i == 0) other.identity.hash_seed++;
    if (_i == 1) other.identity.shards_log2++;
    wal_epoch_encode(&other, bytes + WAL_HEADER_BYTES);
    rig_write(&rig, path, file);
    rig_free(&rig, file);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    bool is_kept[RECORDS];
    keep_all(is_kept);
    lose(is_kept, 2, 0);
    check_entries(is_kept);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 1);
    check_heals();
}
END_TEST

/* _i = size in bytes of a file of zeros where segment 2 was. */
START_TEST(segment_of_zeros_is_damage)
{
    static const uint8_t zeros[4096] = { 0 };
    char path[64];
    rig_write(&rig, rig_segment_path(&rig, 2, path), (struct bytes){ zeros, (size_t)_i });
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    bool is_kept[RECORDS];
    keep_all(is_kept);
    lose(is_kept, 2, 0);
    check_entries(is_kept);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 1);
    check_heals();
}
END_TEST

START_TEST(records_that_continue_a_damaged_epoch_are_marked)
{
    /* Make segment 1 one that continues segment 0, as after a failed sync, with an ordinary EPOCH
     * in the place of its third record. */
    char path[64];
    struct bytes file = rig_read(&rig, rig_segment_path(&rig, 1, path));
    uint8_t *bytes = (uint8_t *)(uintptr_t)file.ptr;
    struct wal_epoch epoch = { .identity = rig.options.identity,
                               .continues = true,
                               .previous_bytes = VALID_BYTES };
    wal_epoch_encode(&epoch, bytes + WAL_HEADER_BYTES);
    uint8_t *third = bytes + WAL_START_BYTES + 2 * RECORD_BYTES;
    memmove(third + WAL_EPOCH_BYTES, third, 2 * RECORD_BYTES); /* drops the last record */
    epoch = (struct wal_epoch){ .identity = rig.options.identity };
    wal_epoch_encode(&epoch, third);
    memset(third + WAL_EPOCH_BYTES + 2 * RECORD_BYTES, 0, RECORD_BYTES - WAL_EPOCH_BYTES);
    rig_write(&rig, path, file);
    rig_free(&rig, file);
    rig_segment_path(&rig, 2, path);
    file = rig_read(&rig, path);
    epoch = (struct wal_epoch){ .identity = rig.options.identity,
                                .previous_bytes = VALID_BYTES - RECORD_BYTES + WAL_EPOCH_BYTES };
    wal_epoch_encode(&epoch, (uint8_t *)(uintptr_t)file.ptr + WAL_HEADER_BYTES);
    rig_write(&rig, path, file);
    rig_free(&rig, file);

    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_uint_eq(reports(), 0);
    for (size_t i = 0; i < rig.count; i++) {
        ck_assert(!rig.entries[i].is_after_damage);
    }
    ck_assert_uint_eq(rig.entries[5].epoch, rig.entries[4].epoch);
    ck_assert_uint_eq(rig.entries[7].epoch, rig.entries[4].epoch + 1);
    ck_assert_int_eq(rig_close(&rig), ERR_OK);

    ck_assert(file_fault_flip(rig.disk, rig_segment_path(&rig, 0, path), (VALID_BYTES - 5) * 8));
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert_uint_eq(stat_get(&rig_stats(&rig)->corruptions), 1);
    for (size_t i = 0; i < rig.count; i++) {
        uint64_t id = rig.entries[i].id;
        ck_assert(rig.entries[i].is_after_damage == (id == 5 || id == 6));
    }
    check_heals();
}
END_TEST

static void add_cases(Suite *suite)
{
    TCase *tc = tcase_create("damage");
    tcase_add_checked_fixture(tc, build_log, end_rig);
    tcase_add_loop_test(tc, flip_of_any_byte_loses_the_rest_of_its_segment_only, 0,
                        (int)(SEGMENTS * VALID_BYTES));
    tcase_add_loop_test(tc, damage_in_the_last_segment_is_told_from_a_tear, 0,
                        (int)(LONG_RECORDS * RECORD_BYTES / 5));
    tcase_add_test(tc, only_the_newest_damaged_segment_is_kept_aside);
    tcase_add_test(tc, damage_is_found_again_until_a_checkpoint_removes_it);
    tcase_add_loop_test(tc, torn_tail_at_any_byte_loses_the_torn_record_only, 0,
                        (int)((VALID_BYTES + 1) * TEAR_COUNT));
    tcase_add_loop_test(tc, tear_before_the_last_segment_is_damage, 0,
                        (int)((VALID_BYTES + 1) * TEAR_COUNT));
    tcase_add_test(tc, tail_is_cut_off_and_not_appended_after);
    tcase_add_loop_test(tc, missing_segment_is_reported, 0, SEGMENTS);
    tcase_add_test(tc, swapped_segments_are_both_damaged);
    tcase_add_loop_test(tc, segment_of_another_store_is_not_replayed, 0, 2);
    tcase_add_loop_test(tc, segment_of_zeros_is_damage, 0, 60);
    tcase_add_test(tc, records_that_continue_a_damaged_epoch_are_marked);
    tcase_add_loop_test(tc, flip_in_the_mark_of_the_close_loses_nothing, 0, (int)WAL_EPOCH_BYTES);
    suite_add_tcase(suite, tc);
}

int main(void)
{
    Suite *suite = suite_create("wal_damage");
    add_cases(suite);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* thousands of small cases */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
