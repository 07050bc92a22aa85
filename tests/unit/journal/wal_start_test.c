/* SPDX-License-Identifier: Apache-2.0
 *
 * Starts on a disk that fails: reads that fail or lie for a while, sectors that stay unreadable, and
 * what an earlier life believed to have written. A start takes all that is there or says why not;
 * what it has taken is on the disk.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "wal_rig.h"

#define SEGMENTS 4u
#define PER_SEGMENT 5u
#define RECORDS (SEGMENTS * PER_SEGMENT)
#define PAYLOAD 21u /* three bytes of padding */
#define RECORD_BYTES (JOURNAL_FRAME_BYTES + PAYLOAD + 3u)

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

/* Damage and tears found at this start. */
static uint64_t reports(void)
{
    const struct wal_stats *s = rig_stats(&rig);
    return stat_get(&s->corruptions) + stat_get(&s->torn_tails);
}

/* _i-th read fails once: it is tried again. */
START_TEST(failing_read_is_tried_again)
{
    file_fault_fail_op(rig.disk, FAULT_BIT(FAULT_READ), (uint64_t)_i + 1, FAULT_EIO, FAULT_ONCE);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 0, RECORDS));
    ck_assert_uint_eq(reports(), 0);
    ck_assert_int_eq(stat_gauge_get(&rig_stats(&rig)->damaged_segments), 0);
}
END_TEST

/* From the _i-th read on the disk does not answer: not taken for damage, which the next checkpoint
 * would make a loss. */
START_TEST(start_is_refused_while_the_disk_does_not_answer)
{
    file_fault_fail_op(rig.disk, FAULT_BIT(FAULT_READ), (uint64_t)_i + 1, FAULT_EIO, FAULT_FOREVER);
    enum err_code code = rig_open(&rig);
    if (file_fault_fired(rig.disk) > 0) {
        ck_assert_int_eq(code, ERR_IO);
        ck_assert_int_eq(rig.err.os_errno, EIO);
        file_fault_clear(rig.disk);
        code = rig_open(&rig);
    }
    ck_assert_int_eq(code, ERR_OK);
    ck_assert(rig_has_exactly(&rig, 0, RECORDS));
    ck_assert_uint_eq(reports(), 0);
}
END_TEST

/* The first _i + 1 reads fail, the next is good: all is read, or the start is refused. */
START_TEST(reads_that_fail_in_a_row_are_no_damage)
{
    for (int i = 0; i <= _i; i++) {
        file_fault_fail_op(rig.disk, FAULT_BIT(FAULT_READ), (uint64_t)i + 1, FAULT_EIO, FAULT_ONCE);
    }
    if (rig_open(&rig) != ERR_OK) {
        ck_assert_int_eq(rig.err.code, ERR_IO);
        file_fault_clear(rig.disk);
        ck_assert_int_eq(rig_open(&rig), ERR_OK);
    }
    ck_assert(rig_has_exactly(&rig, 0, RECORDS));
    ck_assert_uint_eq(reports(), 0);
}
END_TEST

/* A disk layer that cannot read a range of every file that is long enough. */
static const struct file_layer *good_layer;
static uint64_t bad_from, bad_to, failing_reads;

static enum err_code read_around(void *ctx, struct file *f, void *dst, size_t len, uint64_t offset,
                                 size_t *out_n, struct err *err)
{
    uint64_t size = 0;
    TRY(good_layer->size(ctx, f, &size, err));
    if (failing_reads > 0 && size > bad_from && offset < bad_to && offset + len > bad_from) {
        failing_reads--;
        (void)err_set(err, ERR_IO, "bad sector");
        if (err) err->os_errno = EIO;
        return ERR_IO;
    }
    return good_layer->pread(ctx, f, dst, len, offset, out_n, err);
}

#define BIG_SEGMENT (64u << 10)
#define IN_BIG_SEGMENT ((BIG_SEGMENT - WAL_START_BYTES) / RECORD_BYTES)

/* A log of `count` records in segments of 64 KiB, on that layer. */
static void begin_on_bad_disk(struct rig *own, struct file_layer *layer, uint64_t count)
{
    rig_init(own, NULL, JOURNAL_INTERVAL);
    own->options.segment_bytes = BIG_SEGMENT;
    ck_assert_int_eq(rig_open(own), ERR_OK);
    for (uint64_t id = 0; id < count; id++) {
        ck_assert_int_eq(rig_put(own, id, PAYLOAD), ERR_OK);
    }
    good_layer = own->options.files;
    *layer = *good_layer;
    layer->pread = read_around;
}

/* Whole records before the bad range. */
static uint64_t readable_records(void)
{
    return (bad_from - WAL_START_BYTES) / RECORD_BYTES;
}

START_TEST(unreadable_page_loses_the_rest_of_its_segment_only)
{
    struct rig own;
    struct file_layer layer;
    bad_from = 8192;
    bad_to = 12288;
    failing_reads = UINT64_MAX;
    begin_on_bad_disk(&own, &layer, IN_BIG_SEGMENT + 100);
    ck_assert_int_eq(rig_close(&own), ERR_OK);
    own.options.files = &layer;
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    const uint64_t before = readable_records();
    ck_assert_uint_eq(own.count, before + 100);
    ck_assert_uint_eq(own.entries[before - 1].id, before - 1);
    ck_assert_uint_eq(own.entries[before].id, IN_BIG_SEGMENT);
    ck_assert_uint_eq(stat_get(&rig_stats(&own)->corruptions), 1);
    ck_assert_int_eq(stat_gauge_get(&rig_stats(&own)->damaged_segments), 1);
    rig_deinit(&own);
}
END_TEST

/* What is before it is copied; the original stays for a person. _i: 0 closed, 1 killed. */
START_TEST(unreadable_page_of_the_last_segment)
{
    struct rig own;
    struct file_layer layer;
    bad_from = 8192;
    bad_to = 12288;
    failing_reads = UINT64_MAX;
    begin_on_bad_disk(&own, &layer, 1000);
    if (_i == 0) {
        ck_assert_int_eq(rig_close(&own), ERR_OK);
    } else {
        rig_kill(&own);
        good_layer = own.options.files;
        layer = *good_layer;
        layer.pread = read_around;
    }
    own.options.files = &layer;
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    ck_assert(rig_has_exactly(&own, 0, readable_records()));
    ck_assert_uint_eq(stat_get(&rig_stats(&own)->corruptions), 1);
    ck_assert(rig_exists(&own, RIG_DIR "/damaged.00000000"));
    ck_assert_int_eq(rig_put(&own, readable_records(), PAYLOAD), ERR_OK);
    ck_assert_int_eq(rig_close(&own), ERR_OK);
    failing_reads = 0; /* the copy lies elsewhere on the disk */
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    ck_assert(rig_has_exactly(&own, 0, readable_records() + 1));
    ck_assert_uint_eq(stat_get(&rig_stats(&own)->corruptions), 0);
    rig_deinit(&own);
}
END_TEST

/* Nothing behind some page can be read: the disk is gone, no sector is bad. */
START_TEST(start_is_refused_when_the_disk_goes_away_in_the_middle)
{
    struct rig own;
    struct file_layer layer;
    bad_from = 8192;
    bad_to = UINT64_MAX;
    failing_reads = UINT64_MAX;
    begin_on_bad_disk(&own, &layer, 1000);
    ck_assert_int_eq(rig_close(&own), ERR_OK);
    own.options.files = &layer;
    ck_assert_int_eq(rig_open(&own), ERR_IO);
    ck_assert_int_eq(own.err.os_errno, EIO);
    failing_reads = 0;
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    ck_assert(rig_has_exactly(&own, 0, 1000));
    rig_deinit(&own);
}
END_TEST

/* A page that can be read at the _i-th attempt is not lost, nor anything behind it. */
START_TEST(page_that_is_read_at_last_is_no_damage)
{
    struct rig own;
    struct file_layer layer;
    bad_from = 8192;
    bad_to = 12288;
    failing_reads = (uint64_t)_i;
    begin_on_bad_disk(&own, &layer, 1000);
    ck_assert_int_eq(rig_close(&own), ERR_OK);
    own.options.files = &layer;
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    ck_assert(rig_has_exactly(&own, 0, 1000));
    ck_assert_uint_eq(stat_get(&rig_stats(&own)->corruptions), 0);
    rig_deinit(&own);
}
END_TEST

/* A sync fails, the process ends, and the next one reads from the page cache what the disk has not.
 * _i = what the kernel forgot. */
START_TEST(start_makes_durable_what_it_read)
{
    struct rig own;
    rig_init(&own, file_fault_create((uint64_t)_i + 1), JOURNAL_INTERVAL);
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    for (uint64_t id = 0; id < 10; id++) {
        ck_assert_int_eq(rig_put(&own, id, PAYLOAD), ERR_OK);
    }
    file_fault_fail_op(own.disk, FAULT_BIT(FAULT_SYNC), 1, FAULT_EIO, FAULT_FOREVER);
    ck_assert_int_eq(journal_sync(own.journal, &own.err), ERR_IO);
    rig_kill(&own);
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    ck_assert(rig_has_exactly(&own, 0, 10));
    ck_assert_int_eq(rig_put(&own, 10, PAYLOAD), ERR_OK);
    ck_assert_int_eq(journal_sync(own.journal, &own.err), ERR_OK);
    rig_power_cycle(&own, 0);
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    ck_assert(rig_has_exactly(&own, 0, 11));
    ck_assert_uint_eq(stat_get(&rig_stats(&own)->corruptions), 0);
    rig_deinit(&own);
}
END_TEST

/* No room for that copy: the start goes on without. */
START_TEST(start_on_a_full_disk_needs_no_copy)
{
    struct rig own;
    rig_init(&own, NULL, JOURNAL_INTERVAL);
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    for (uint64_t id = 0; id < 10; id++) {
        ck_assert_int_eq(rig_put(&own, id, PAYLOAD), ERR_OK);
    }
    rig_kill(&own);
    file_fault_fail_op(own.disk, FAULT_BIT(FAULT_CREATE) | FAULT_BIT(FAULT_WRITE), (uint64_t)_i + 1,
                       FAULT_ENOSPC, FAULT_FOREVER);
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    ck_assert(rig_has_exactly(&own, 0, 10));
    file_fault_clear(own.disk);
    ck_assert_int_eq(rig_put(&own, 10, PAYLOAD), ERR_OK);
    rig_kill(&own);
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    ck_assert(rig_has_exactly(&own, 0, 11));
    rig_deinit(&own);
}
END_TEST

/* Nor does it take away from what is kept of a damaged one. */
START_TEST(full_disk_leaves_the_damaged_segment_whole)
{
    struct rig own;
    char path[64];
    rig_init(&own, NULL, JOURNAL_INTERVAL);
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    for (uint64_t id = 0; id < 10; id++) {
        ck_assert_int_eq(rig_put(&own, id, PAYLOAD), ERR_OK);
    }
    rig_kill(&own);
    const uint64_t used = WAL_START_BYTES + 10 * RECORD_BYTES;
    rig_segment_path(&own, 0, path);
    ck_assert(file_fault_flip(own.disk, path, (WAL_START_BYTES + 5 * RECORD_BYTES + 14) * 8));
    file_fault_fail_op(own.disk, FAULT_BIT(FAULT_CREATE), 1, FAULT_ENOSPC, FAULT_FOREVER);
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    ck_assert(rig_has_exactly(&own, 0, 5));
    struct bytes kept = rig_read(&own, RIG_DIR "/damaged.00000000");
    ck_assert_uint_ge(kept.len, used);
    rig_free(&own, kept);
    rig_deinit(&own);
}
END_TEST

/* A bit that is misread once on its way into the copy of a killed process' segment. */
START_TEST(misread_bit_does_not_reach_the_copy)
{
    struct rig own;
    rig_init(&own, NULL, JOURNAL_INTERVAL);
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    for (uint64_t id = 0; id < 10; id++) {
        ck_assert_int_eq(rig_put(&own, id, PAYLOAD), ERR_OK);
    }
    rig_kill(&own);
    file_fault_fail_op(own.disk, FAULT_BIT(FAULT_READ), (uint64_t)_i + 1, FAULT_FLIP, FAULT_ONCE);
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    ck_assert(rig_has_exactly(&own, 0, 10));
    ck_assert_int_eq(rig_close(&own), ERR_OK);
    file_fault_clear(own.disk);
    ck_assert_int_eq(rig_open(&own), ERR_OK);
    ck_assert(rig_has_exactly(&own, 0, 10));
    ck_assert_uint_eq(stat_get(&rig_stats(&own)->corruptions), 0);
    rig_deinit(&own);
}
END_TEST

/* One bit of the _i-th read is wrong, this time only. */
START_TEST(misread_bit_is_never_served)
{
    file_fault_fail_op(rig.disk, FAULT_BIT(FAULT_READ), (uint64_t)_i / 8 + 1, FAULT_FLIP,
                       FAULT_ONCE);
    ck_assert_int_eq(rig_open(&rig), ERR_OK);
    ck_assert(rig_has_exactly(&rig, 0, RECORDS)); /* the second look was right */
    ck_assert_uint_eq(reports(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_start");
    TCase *tc = tcase_create("start");
    tcase_add_checked_fixture(tc, build_log, end_rig);
    tcase_add_loop_test(tc, failing_read_is_tried_again, 0, 16);
    tcase_add_loop_test(tc, start_is_refused_while_the_disk_does_not_answer, 0, 20);
    tcase_add_loop_test(tc, reads_that_fail_in_a_row_are_no_damage, 0, FAULT_PLANS_MAX);
    tcase_add_test(tc, unreadable_page_loses_the_rest_of_its_segment_only);
    tcase_add_loop_test(tc, unreadable_page_of_the_last_segment, 0, 2);
    tcase_add_test(tc, start_is_refused_when_the_disk_goes_away_in_the_middle);
    tcase_add_loop_test(tc, page_that_is_read_at_last_is_no_damage, 0, 6);
    tcase_add_test(tc, full_disk_leaves_the_damaged_segment_whole);
    tcase_add_loop_test(tc, misread_bit_does_not_reach_the_copy, 0, 12);
    tcase_add_loop_test(tc, start_makes_durable_what_it_read, 0, 8);
    tcase_add_loop_test(tc, start_on_a_full_disk_needs_no_copy, 0, 3);
    tcase_add_loop_test(tc, misread_bit_is_never_served, 0, 128);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* hundreds of small cases */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
