/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine and its blocks: where the head begins when retention has dropped every block, and blocks
 * that cannot be opened for a while.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine_rig.h"
#include "metrics/bound_file.h"
#include "metrics/head/head_stats.h"

#define SCRAPES 150 /* per block range: a chunk and a part of one */
#define SERIES 3
#define DIR "data/anonymous/metrics"

static struct engine_rig r;

static void setup(void)
{
    engine_rig_setup(&r, 1);
}

static void teardown(void)
{
    engine_rig_teardown(&r);
}

static struct source_request everything(struct matcher *m)
{
    *m = engine_rig_matcher(&r, MATCH_EQ, "__name__", "m");
    return (struct source_request){ .matchers = { m, 1 }, .mint_ms = 0, .maxt_ms = INT64_MAX };
}

/* Samples of that many block ranges and half a range more. */
static void scrape_ranges(int ranges)
{
    for (int k = 0; k < ranges * SCRAPES + SCRAPES / 2; k++) {
        batch_maker_begin(&r.maker);
        for (int i = 0; i < SERIES; i++) {
            char key[64];
            (void)snprintf(key, sizeof key, "__name__=m,i=%d", i);
            engine_rig_sample(&r, engine_rig_series(&r, key), k + i);
        }
        engine_rig_commit(&r);
        engine_rig_advance(&r, ENGINE_RANGE_MS / SCRAPES);
    }
}

static void maintain(void)
{
    struct err err = { 0 };
    enum err_code rc = metrics_maintain(r.engine, &err);
    ck_assert_msg(rc == ERR_OK, "maintenance: %s %s", err.msg, err.detail);
}

static size_t block_count(void)
{
    struct metrics_status s;
    metrics_status(r.engine, &s);
    return s.blocks;
}

static uint64_t missing_chunks(void)
{
    const struct head_stats *s = head_stats(r.engine->head).cells;
    return stat_get(&s->head_chunks_missing);
}

/* ---- the lower bound of the head ---- */

/* One block, which is older than retention allows: the head begins behind it. */
static int64_t make_expired_block(void)
{
    scrape_ranges(1);
    engine_rig_cut(&r);
    ck_assert_uint_eq(block_count(), 1);
    r.engine->retention_ms = ENGINE_RANGE_MS / 4;
    return ENGINE_START_MS + ENGINE_RANGE_MS;
}

/* Nothing from before `bound_ms` can be read; the rest is there. */
static void assert_begins_at(int64_t bound_ms)
{
    struct matcher m;
    struct source_request req = everything(&m);
    req.maxt_ms = bound_ms - 1;
    struct series_set *set = engine_rig_select(&r, &req);
    ck_assert_uint_eq(set->ops->count(set), 0);
    set->ops->destroy(set);
    req.mint_ms = bound_ms;
    req.maxt_ms = INT64_MAX;
    engine_rig_check(&r, &req);
}

START_TEST(samples_of_dropped_blocks_do_not_come_back_at_start)
{
    int64_t bound = make_expired_block();
    maintain();
    ck_assert_uint_eq(block_count(), 0);
    engine_rig_reopen(&r);
    ck_assert_uint_eq(missing_chunks(), 0);
    ck_assert_int_eq(head_mint_ms(r.engine->head), bound);
    assert_begins_at(bound);
    /* and are not taken from a sender either */
    struct append_result result;
    struct err err = { 0 };
    batch_maker_begin(&r.maker);
    batch_maker_one(&r.maker, "__name__=m,i=99", bound - 1, 1);
    ck_assert_int_eq(metrics_append(r.engine, &r.maker.batch, &result, &err), ERR_OK);
    ck_assert_uint_eq(result.outcomes[BATCH_STORED], 0);
}
END_TEST

START_TEST(every_block_goes_on_a_full_disk_and_none_comes_back)
{
    int64_t bound = make_expired_block();
    int64_t keep_ms = r.engine->retention_ms;
    r.engine->retention_ms = 0;
    maintain();
    file_fault_set_capacity(r.disk, file_fault_used(r.disk));
    r.engine->retention_ms = keep_ms;
    struct err ignored = { 0 };
    enum err_code rc = metrics_maintain(r.engine, &ignored);
    (void)rc; /* a checkpoint has no room */
    ck_assert_uint_eq(block_count(), 0);
    file_fault_set_capacity(r.disk, (uint64_t)1 << 40);
    engine_rig_reopen(&r);
    ck_assert_uint_eq(missing_chunks(), 0);
    assert_begins_at(bound);
}
END_TEST

START_TEST(last_block_stays_until_the_bound_is_on_disk)
{
    int64_t bound = make_expired_block();
    struct err err = { 0 };
    file_fault_fail_op(r.disk, FAULT_BIT(FAULT_CREATE), 1, FAULT_ENOSPC, FAULT_FOREVER);
    ck_assert_int_eq(metrics_maintain(r.engine, &err), ERR_IO);
    ck_assert_uint_eq(block_count(), 1);
    file_fault_clear(r.disk);
    maintain();
    ck_assert_uint_eq(block_count(), 0);
    engine_rig_reopen(&r);
    assert_begins_at(bound);
}
END_TEST

START_TEST(damaged_bound_does_not_prevent_a_start_and_is_written_again)
{
    scrape_ranges(1);
    engine_rig_cut(&r);
    maintain();
    for (int i = 0; i < 2; i++) {
        int64_t bound = 0;
        ck_assert_int_eq(bound_file_read(file_fault_layer(r.disk), DIR, &bound, NULL), ERR_OK);
        ck_assert_int_eq(bound, ENGINE_START_MS + ENGINE_RANGE_MS);
        if (i == 1) break;
        ck_assert(file_fault_flip(r.disk, DIR "/" BOUND_FILE_NAME, 70));
        engine_rig_reopen(&r);
        ck_assert_int_eq(head_mint_ms(r.engine->head), bound); /* the block says so */
        maintain();
    }
}
END_TEST

/* Power lost at the n-th call that changes the disk, for every n of the round that drops the block. */
START_TEST(power_loss_while_the_last_block_goes_brings_nothing_back)
{
    bool is_cut = true;
    for (uint64_t n = 1; is_cut; n++) {
        if (n > 1) setup();
        int64_t bound = make_expired_block();
        struct err ignored = { 0 };
        ck_assert_int_eq(journal_sync(r.engine->journal, &ignored), ERR_OK);
        file_fault_cut(r.disk, n);
        enum err_code rc = metrics_maintain(r.engine, &ignored);
        (void)rc;
        is_cut = file_fault_is_stopped(r.disk);
        engine_rig_reboot(&r, n % 4);
        ck_assert_msg(missing_chunks() == 0, "step %llu: missing chunks", (unsigned long long)n);
        ck_assert_int_eq(head_mint_ms(r.engine->head), bound);
        if (block_count() == 0) assert_begins_at(bound);
        if (is_cut) teardown();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_blocks");
    TCase *bound = tcase_create("bound");
    tcase_set_timeout(bound, 250);
    tcase_add_checked_fixture(bound, setup, teardown);
    tcase_add_test(bound, samples_of_dropped_blocks_do_not_come_back_at_start);
    tcase_add_test(bound, every_block_goes_on_a_full_disk_and_none_comes_back);
    tcase_add_test(bound, last_block_stays_until_the_bound_is_on_disk);
    tcase_add_test(bound, damaged_bound_does_not_prevent_a_start_and_is_written_again);
    tcase_add_test(bound, power_loss_while_the_last_block_goes_brings_nothing_back);
    suite_add_tcase(suite, bound);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
