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
#define FEW 40
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
static void scrape(int ranges, int per_range)
{
    for (int k = 0; k < ranges * per_range + per_range / 2; k++) {
        batch_maker_begin(&r.maker);
        for (int i = 0; i < SERIES; i++) {
            char key[64];
            (void)snprintf(key, sizeof key, "__name__=m,i=%d", i);
            engine_rig_sample(&r, engine_rig_series(&r, key), k + i);
        }
        engine_rig_commit(&r);
        engine_rig_advance(&r, ENGINE_RANGE_MS / per_range);
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
    scrape(1, SCRAPES);
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
    scrape(1, SCRAPES);
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

/* ---- blocks that cannot be opened for a while ---- */

static enum err_code count_dir(void *arg, const char *name, bool is_dir, struct err *err)
{
    (void)err;
    *(size_t *)arg += is_dir && strlen(name) == ULID_TEXT_LEN;
    return ERR_OK;
}

static size_t blocks_on_disk(void)
{
    const struct file_layer *l = file_fault_layer(r.disk);
    size_t count = 0;
    ck_assert_int_eq(l->list(l->ctx, DIR "/blocks", count_dir, &count, NULL), ERR_OK);
    return count;
}

static void check_all(void)
{
    struct matcher m;
    struct source_request req = everything(&m);
    engine_rig_check(&r, &req);
}

/* Rounds until nothing more can be waited for. */
static void maintain_for_a_minute(void)
{
    for (int i = 0; i < 7; i++) {
        engine_rig_advance(&r, 10000);
        maintain();
    }
}

static struct unserved_sum unserved(void)
{
    return block_set_unserved(r.engine->blocks);
}

/* The next opens fail: those of the first start and of its second try, for the only two blocks. */
static void fail_next_opens(uint64_t first, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        file_fault_fail_op(r.disk, FAULT_BIT(FAULT_OPEN), first + i, FAULT_EMFILE, FAULT_ONCE);
}

/* Whatever single open, mapping or look at a file fails in a start: it fails as a whole, or nothing
 * is missing after a round. */
START_TEST(start_that_meets_a_passing_failure_has_all_blocks_after_a_round)
{
    static const uint32_t ops[] = { FAULT_BIT(FAULT_OPEN), FAULT_BIT(FAULT_MMAP),
                                    FAULT_BIT(FAULT_STAT) };
    static const uint64_t in_a_row[] = { 1, 4, 8 };
    scrape(2, FEW);
    engine_rig_cut(&r);
    maintain();
    ck_assert_uint_eq(block_count(), 2);
    uint64_t waits = 0;
    for (size_t k = 0; k < 9; k++) {
        uint64_t fired = 1;
        for (uint64_t n = 1; fired > 0; n++) {
            uint64_t before = file_fault_fired(r.disk);
            for (uint64_t i = 0; i < in_a_row[k / 3]; i++)
                file_fault_fail_op(r.disk, ops[k % 3], n + i, FAULT_EMFILE, FAULT_ONCE);
            bool is_open = engine_rig_try_reopen(&r);
            fired = file_fault_fired(r.disk) - before;
            file_fault_clear(r.disk);
            if (!is_open) engine_rig_open(&r);
            waits += block_count() < 2;
            engine_rig_advance(&r, 1000);
            maintain();
            ck_assert_msg(block_count() == 2, "call %llu: block not served", (unsigned long long)n);
            ck_assert_uint_eq(missing_chunks(), 0);
            ck_assert_uint_eq(blocks_on_disk(), 2);
            check_all();
        }
    }
    ck_assert_uint_gt(waits, 4);
}
END_TEST

START_TEST(block_that_does_not_open_after_a_cut_is_not_cut_again)
{
    scrape(1, SCRAPES);
    file_fault_fail_op(r.disk, FAULT_BIT(FAULT_OPEN), 1, FAULT_EMFILE, FAULT_FOREVER);
    struct err err = { 0 };
    enum err_code rc = metrics_cut_head(r.engine, r.now_ms - r.now_ms % ENGINE_RANGE_MS, &err);
    (void)rc;
    for (int i = 0; i < 5; i++) {
        engine_rig_advance(&r, 31000);
        struct err ignored = { 0 };
        rc = metrics_maintain(r.engine, &ignored);
        check_all(); /* from the head */
    }
    ck_assert_uint_eq(blocks_on_disk(), 1);
    ck_assert_uint_eq(block_count(), 0);
    file_fault_clear(r.disk);
    engine_rig_advance(&r, 60000);
    maintain();
    ck_assert_uint_eq(block_count(), 1);
    ck_assert_int_eq(head_mint_ms(r.engine->head), ENGINE_START_MS + ENGINE_RANGE_MS);
    maintain_for_a_minute();
    ck_assert_uint_eq(blocks_on_disk(), 1);
    check_all();
    engine_rig_reopen(&r);
    check_all();
}
END_TEST

START_TEST(head_lets_go_of_a_block_that_does_not_open_for_long)
{
    scrape(1, FEW);
    file_fault_fail_op(r.disk, FAULT_BIT(FAULT_OPEN), 1, FAULT_EIO, FAULT_FOREVER);
    struct err err = { 0 };
    int64_t end = r.now_ms - r.now_ms % ENGINE_RANGE_MS;
    ck_assert_int_eq(metrics_cut_head(r.engine, end, &err), ERR_OK);
    ck_assert_uint_eq(unserved().waiting, 1);
    ck_assert_int_lt(head_mint_ms(r.engine->head), end);
    scrape(4, FEW);
    struct err ignored = { 0 };
    enum err_code rc = metrics_maintain(r.engine, &ignored);
    (void)rc;
    ck_assert_int_ge(head_mint_ms(r.engine->head), end);
    file_fault_clear(r.disk);
    maintain_for_a_minute();
    ck_assert_uint_eq(unserved().waiting, 0);
    ck_assert_uint_eq(block_count(), blocks_on_disk());
    check_all();
}
END_TEST

START_TEST(block_that_was_damaged_on_its_way_to_the_disk_is_cut_again)
{
    scrape(1, SCRAPES);
    file_fault_fail_op(r.disk, FAULT_BIT(FAULT_READ), 1, FAULT_FLIP, FAULT_ONCE); /* meta.json */
    struct err err = { 0 };
    int64_t end = r.now_ms - r.now_ms % ENGINE_RANGE_MS;
    ck_assert_int_eq(metrics_cut_head(r.engine, end, &err), ERR_CORRUPT);
    ck_assert_uint_eq(blocks_on_disk(), 0);
    ck_assert_uint_eq(unserved().quarantined, 0);
    check_all();
    ck_assert_int_eq(metrics_cut_head(r.engine, end, &err), ERR_OK);
    ck_assert_uint_eq(blocks_on_disk(), 1);
    check_all();
}
END_TEST

/* ---- what answers say ---- */

static struct str_list warnings(int64_t mint_ms, int64_t maxt_ms)
{
    struct source source = metrics_source(r.engine);
    struct str_list out = { 0 };
    ck_assert_int_eq(source.ops->warnings(source.ctx, mint_ms, maxt_ms, &r.arena, &out, NULL),
                     ERR_OK);
    return out;
}

START_TEST(answers_name_the_blocks_that_they_miss)
{
    scrape(2, FEW);
    engine_rig_cut(&r);
    maintain();
    ck_assert_uint_eq(warnings(0, INT64_MAX).len, 0);
    uint64_t waiting = 0;
    for (uint64_t n = 1; waiting == 0; n++) { /* the first file of the first block */
        ck_assert_uint_lt(n, 20);
        fail_next_opens(n, 8);
        bool is_open = engine_rig_try_reopen(&r);
        file_fault_clear(r.disk);
        if (!is_open) engine_rig_open(&r);
        waiting = unserved().waiting;
    }
    struct str_list all = warnings(0, INT64_MAX);
    ck_assert_uint_eq(all.len, waiting);
    ck_assert(str_starts_with(all.ptr[0], STR("block 0")));
    ck_assert(str_find(all.ptr[0], STR("cannot be opened for now")) < all.ptr[0].len);
    engine_rig_advance(&r, 1000);
    maintain();
    ck_assert_uint_eq(warnings(0, INT64_MAX).len, 0);
    /* and those that are damaged, in their range only */
    const struct block_list *list = block_set_get(r.engine->blocks);
    struct ulid id = block_borrow_meta(list->ptr[0])->id;
    block_set_put(r.engine->blocks, list);
    struct err why = { .code = ERR_CORRUPT, .msg = "damaged page" };
    block_set_quarantine(r.engine->blocks, id, &why);
    int64_t end = ENGINE_START_MS + ENGINE_RANGE_MS;
    ck_assert_uint_eq(warnings(end, INT64_MAX).len, 0);
    ck_assert_uint_eq(warnings(0, ENGINE_START_MS - 1).len, 0);
    all = warnings(end - 1, end - 1);
    ck_assert_uint_eq(all.len, 1);
    ck_assert(str_ends_with(all.ptr[0], STR("is damaged and was set aside: samples from "
                                            "2023-11-15T00:00:00Z to 2023-11-15T02:00:00Z may be "
                                            "missing")));
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
    TCase *waiting = tcase_create("waiting");
    tcase_set_timeout(waiting, 250);
    tcase_add_checked_fixture(waiting, setup, teardown);
    tcase_add_test(waiting, start_that_meets_a_passing_failure_has_all_blocks_after_a_round);
    tcase_add_test(waiting, block_that_does_not_open_after_a_cut_is_not_cut_again);
    tcase_add_test(waiting, head_lets_go_of_a_block_that_does_not_open_for_long);
    tcase_add_test(waiting, block_that_was_damaged_on_its_way_to_the_disk_is_cut_again);
    tcase_add_test(waiting, answers_name_the_blocks_that_they_miss);
    suite_add_tcase(suite, waiting);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
