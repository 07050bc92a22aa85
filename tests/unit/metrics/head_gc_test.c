/* SPDX-License-Identifier: Apache-2.0
 *
 * Forgetting: truncation with readers inside, reuse of slots and pairs, checkpoints, the cut.
 */
#include "head_rig.h"

#include <check.h>

#include "base/rng.h"
#include "metrics/block/block_writer.h"
#include "metrics/head/head_chunk.h"
#include "metrics/head/head_cut.h"

#define T0 (RIG_START_MS / RIG_RANGE_MS * RIG_RANGE_MS)
#define BLOCK RIG_RANGE_MS

static struct rig rig;
static struct sample_buf samples;
static size_t removed_count, pairs_removed_count;

static void on_removed(void *ctx, uint32_t shard, const uint32_t *refs, size_t count)
{
    struct rig *r = ctx;
    for (size_t i = 0; i < count; i++) {
        uint32_t n = 0;
        ck_assert(i == 0 || refs[i] > refs[i - 1]);
        ck_assert_ptr_nonnull(head_series_pairs(r->head, shard, refs[i], &n));
    }
    removed_count += count;
}

static void on_pairs_removed(void *ctx, const uint32_t *pairs, size_t count)
{
    struct rig *r = ctx;
    for (size_t i = 0; i < count; i++) {
        struct head_pair p;
        ck_assert(i == 0 || pairs[i] > pairs[i - 1]);
        ck_assert(head_pair(r->head, pairs[i], &p));
    }
    pairs_removed_count += count;
}

static void setup(void)
{
    rig_init(&rig);
    clock_fake_advance_ms(&rig.clock, T0 + 10 * BLOCK - RIG_START_MS);
    rig.listener = (struct head_listener){ .ctx = &rig,
                                           .series_removed = on_removed,
                                           .pairs_removed = on_pairs_removed };
    rig_reopen(&rig);
    sample_buf_init(&samples, mem_source_of(rig.mem, MEM_QUERY));
    removed_count = pairs_removed_count = 0;
}

static void teardown(void)
{
    sample_buf_deinit(&samples);
    rig_deinit(&rig);
}

static size_t count_of(const char *labels)
{
    sample_buf_reset(&samples);
    return rig_read(&rig, labels, INT64_MIN, INT64_MAX, &samples) ? samples.cols.count : 0;
}

static bool truncate_to(int64_t mint)
{
    bool done = false;
    struct err err = { 0 };
    head_begin_cut(rig.head, mint);
    head_set_mint(rig.head, mint);
    rig.mint_ms = mint;
    ck_assert_int_eq(head_truncate(rig.head, &done, &err), ERR_OK);
    return done;
}

static void fill(const char *name, int series, int64_t from, int64_t to, int64_t step)
{
    char key[64];
    for (int64_t t = from; t < to; t += step) {
        batch_maker_begin(&rig.maker);
        for (int i = 0; i < series; i++) {
            (void)snprintf(key, sizeof key, "__name__=%s,i=%d", name, i);
            batch_maker_one(&rig.maker, key, t, (double)(t + i));
        }
        ck_assert_int_eq(rig_append(&rig), ERR_OK);
        ck_assert_uint_eq(rig.result.outcomes[BATCH_STORED], (uint64_t)series);
    }
}

START_TEST(truncation_forgets_old_samples_and_dead_series)
{
    fill("old", 100, T0, T0 + BLOCK, 60000);
    fill("live", 10, T0 + BLOCK / 2, T0 + BLOCK + BLOCK / 2, 60000);
    ck_assert(truncate_to(T0 + BLOCK));
    ck_assert_uint_eq(head_series_count(rig.head), 10);
    ck_assert_uint_eq(removed_count, 100);
    /* name pair and those i that live does not have */
    ck_assert_uint_eq(pairs_removed_count, 91);
    ck_assert_uint_eq(count_of("{__name__=\"live\", i=\"3\"}"), 60);
    ck_assert_int_eq(samples.cols.ts_ms[0], T0 + BLOCK);
    ck_assert_uint_eq(alias_count(&rig.head->alias), 10);
    ck_assert_int_eq(rig_one(&rig, "__name__=live,i=3", T0 + BLOCK - 1, 0), BATCH_OUT_OF_BOUNDS);
    /* A removed series comes back as a new one. */
    ck_assert_int_eq(rig_one(&rig, "__name__=old,i=5", T0 + BLOCK + BLOCK / 2, 5), BATCH_STORED);
    ck_assert_uint_eq(rig.result.series_created, 1);
    rig_reopen(&rig);
    ck_assert_uint_eq(count_of("{__name__=\"old\", i=\"5\"}"), 1);
    ck_assert_uint_eq(count_of("{__name__=\"live\", i=\"3\"}"), 60);
}
END_TEST

START_TEST(a_reader_keeps_what_it_may_still_need)
{
    fill("old", 5, T0, T0 + BLOCK, 60000);
    fill("live", 5, T0 + BLOCK / 2, T0 + BLOCK + BLOCK / 2, 60000);
    struct epoch_guard guard = epoch_enter(head_epoch(rig.head));
    ck_assert(!truncate_to(T0 + BLOCK));
    ck_assert_uint_eq(count_of("{__name__=\"old\", i=\"1\"}"), 120);
    epoch_leave(head_epoch(rig.head), &guard);
    bool done = false;
    struct err err = { 0 };
    ck_assert_int_eq(head_truncate(rig.head, &done, &err), ERR_OK);
    ck_assert(done);
    ck_assert_uint_eq(count_of("{__name__=\"old\", i=\"1\"}"), 0);
}
END_TEST

START_TEST(a_reader_that_came_before_the_removal_can_read_labels)
{
    fill("old", 5, T0, T0 + BLOCK, 60000);
    fill("live", 1, T0 + BLOCK / 2, T0 + BLOCK + BLOCK / 2, 60000);
    uint32_t shard;
    uint32_t ref;
    ck_assert(rig_find(&rig, "{__name__=\"old\", i=\"1\"}", &shard, &ref));
    ck_assert(!truncate_to(T0 + BLOCK) || true);
    /* Enter after the sweep has begun to wait for slots: make it stop in the middle. */
    rig_close_head(&rig);
    rig.mint_ms = INT64_MIN;
    rig_reopen(&rig);
    ck_assert(rig_find(&rig, "{__name__=\"old\", i=\"1\"}", &shard, &ref));
    head_set_mint(rig.head, T0 + BLOCK);
    bool done = false;
    struct err err = { 0 };
    struct epoch_guard first = epoch_enter(head_epoch(rig.head));
    ck_assert_int_eq(head_truncate(rig.head, &done, &err), ERR_OK);
    struct epoch_guard second = epoch_enter(head_epoch(rig.head));
    epoch_leave(head_epoch(rig.head), &first);
    ck_assert_int_eq(head_truncate(rig.head, &done, &err), ERR_OK); /* sweeps, then waits */
    ck_assert(!done);
    struct arena arena;
    struct labels l;
    arena_init(&arena, mem_source_of(rig.mem, MEM_QUERY), 1 << 20);
    ck_assert_int_eq(head_series_labels(rig.head, shard, ref, &arena, &l, &err), ERR_OK);
    ck_assert(str_eq(labels_get(l, STR("__name__")), STR("old")));
    struct head_last last;
    head_read_last(rig.head, shard, &ref, 1, &last);
    ck_assert_int_eq(last.ts_ms, HEAD_NO_TIME);
    arena_deinit(&arena);
    epoch_leave(head_epoch(rig.head), &second);
    ck_assert_int_eq(head_truncate(rig.head, &done, &err), ERR_OK);
    ck_assert(done);
    uint32_t n = 0;
    ck_assert_ptr_null(head_series_pairs(rig.head, shard, ref, &n));
}
END_TEST

START_TEST(churn_does_not_grow_memory)
{
    enum { ROUNDS = 30 };
    uint64_t used[ROUNDS];
    clock_fake_advance_ms(&rig.clock, ROUNDS * BLOCK);
    for (int round = 0; round < ROUNDS; round++) {
        char name[32];
        (void)snprintf(name, sizeof name, "round%02d", round);
        int64_t from = T0 + round * BLOCK;
        fill(name, 2000, from, from + BLOCK, BLOCK / 4);
        ck_assert(truncate_to(from));
        used[round] = mem_used(rig.mem, MEM_HEAD);
    }
    ck_assert_uint_eq(head_series_count(rig.head), 2000);
    ck_assert_msg(used[ROUNDS - 1] <= used[12] + used[12] / 20, "%lu then %lu", used[12],
                  used[ROUNDS - 1]);
}
END_TEST

START_TEST(old_chunk_files_are_removed)
{
    struct err err = { 0 };
    rig.file_bytes = 4096;
    rig_reopen(&rig);
    for (int i = 0; i < 3; i++) {
        fill("m", 20, T0 + i * BLOCK, T0 + (i + 1) * BLOCK, 20000);
        ck_assert_int_eq(head_flush_chunks(rig.head, &err), ERR_OK);
    }
    uint64_t before = head_files_size_bytes(rig.head->files);
    ck_assert(truncate_to(T0 + 2 * BLOCK));
    uint64_t after = head_files_size_bytes(rig.head->files);
    ck_assert_uint_lt(after, before / 2);
    ck_assert_uint_eq(count_of("{__name__=\"m\", i=\"7\"}"), 360);
    rig_reopen(&rig);
    ck_assert_uint_eq(head_files_size_bytes(rig.head->files), after);
    ck_assert_uint_eq(count_of("{__name__=\"m\", i=\"7\"}"), 360);
}
END_TEST

START_TEST(series_that_never_had_a_sample_go_the_second_time)
{
    batch_maker_begin(&rig.maker);
    (void)batch_maker_series(&rig.maker, "__name__=empty");
    ck_assert_int_eq(rig_append(&rig), ERR_OK);
    ck_assert_uint_eq(head_series_count(rig.head), 1);
    ck_assert(truncate_to(T0 + BLOCK));
    ck_assert_uint_eq(head_series_count(rig.head), 1);
    ck_assert(truncate_to(T0 + 2 * BLOCK));
    ck_assert_uint_eq(head_series_count(rig.head), 0);
}
END_TEST

START_TEST(checkpoint_replaces_what_it_drops)
{
    struct err err = { 0 };
    struct label trace = { STR("trace_id"), STR("abc") };
    struct batch_exemplar x = { 0, { { &trace, 1 }, 0.5, T0 + 1, true } };
    struct metadata m = { STR("m"), STR("Help."), STR(""), METRIC_COUNTER };
    fill("m", 50, T0, T0 + BLOCK, 60000);
    rig.maker.batch.exemplars = &x;
    rig.maker.batch.exemplar_count = 1;
    rig.maker.batch.metadata = &m;
    rig.maker.batch.metadata_count = 1;
    ck_assert_int_eq(rig_append(&rig), ERR_OK);
    for (int i = 1; i < 4; i++) {
        rig.journal.epoch++;
        ck_assert_int_eq(head_checkpoint(rig.head, 100, &err), ERR_OK);
        fill("m", 50, T0 + BLOCK + (i - 1) * 600000, T0 + BLOCK + i * 600000, 60000);
        ck_assert_int_eq(head_checkpoint(rig.head, 100, &err), ERR_OK);
    }
    ck_assert(truncate_to(T0 + BLOCK));
    rig.journal.epoch++;
    for (int i = 0; i < 100; i++) /* it tries again only now and then */
        ck_assert_int_eq(head_checkpoint(rig.head, 100, &err), ERR_OK);
    ck_assert_uint_gt(rig.journal.first, 100);
    ck_assert_uint_gt(rig.journal.checkpoint_count, 0);
    rig_reopen(&rig);
    ck_assert_uint_eq(head_series_count(rig.head), 50);
    ck_assert_uint_eq(count_of("{__name__=\"m\", i=\"49\"}"), 30);
    ck_assert_uint_eq(stat_get(&rig.head->stats.replay_unknown), 0);
    ck_assert_uint_eq(exemplar_ring_count(rig.head->exemplars), 1);
    ck_assert_uint_eq(rig.head->metadata.count, 1);
}
END_TEST

START_TEST(slow_series_do_not_hold_the_journal)
{
    struct err err = { 0 };
    ck_assert_int_eq(rig_one(&rig, "__name__=slow", T0, 1), BATCH_STORED);
    for (int i = 0; i < 12; i++) {
        rig.journal.epoch++;
        fill("m", 20, T0 + i * 60000, T0 + (i + 1) * 60000, 1000);
        ck_assert_int_eq(head_checkpoint(rig.head, 4, &err), ERR_OK);
    }
    ck_assert_uint_gt(rig.journal.first, 100);
    rig_reopen(&rig);
    ck_assert_uint_eq(count_of("{__name__=\"slow\"}"), 1);
    ck_assert_uint_eq(count_of("{__name__=\"m\", i=\"0\"}"), 720);
}
END_TEST

/* ---- cut ---- */

START_TEST(cut_delivers_series_in_block_order_with_their_samples)
{
    struct rng r;
    rng_init(&r, (uint64_t)_i + 1);
    char key[128];
    for (int64_t t = T0; t < T0 + 2 * BLOCK; t += BLOCK / 3) {
        batch_maker_begin(&rig.maker);
        for (int i = 0; i < 700; i++) {
            int k = (i * 379) % 700;
            int n = snprintf(key, sizeof key, "instance=host-%d.example:9100,z=%d", k % 13, k);
            if (k % 10 != 0)
                (void)snprintf(key + n, sizeof key - (size_t)n, ",__name__=m%d", k % 7);
            if (t < T0 + BLOCK || k % 3) batch_maker_one(&rig.maker, key, t + k, k);
        }
        ck_assert_int_eq(rig_append(&rig), ERR_OK);
    }
    struct err err = { 0 };
    struct head_cut *cut = NULL;
    head_begin_cut(rig.head, T0 + BLOCK);
    size_t part = _i == 0 ? 0 : 1 + rng_below(&r, 200);
    ck_assert_int_eq(head_cut_create(rig.head, T0, T0 + BLOCK, part, &cut, &err), ERR_OK);
    struct labels labels;
    struct labels before = { NULL, 0 };
    struct sample_columns cols;
    struct arena arena;
    arena_init(&arena, mem_source_of(rig.mem, MEM_QUERY), (size_t)16 << 20);
    size_t count = 0;
    for (enum err_code rc; (rc = head_cut_next(cut, &labels, &cols, &err)) != ERR_NOTFOUND;) {
        ck_assert_int_eq(rc, ERR_OK);
        if (count > 0) ck_assert_int_lt(block_order_cmp(before, labels), 0);
        ck_assert_int_eq(labels_copy(&arena, labels, &before, &err), ERR_OK);
        int z = atoi(labels_get(labels, STR("z")).ptr);
        ck_assert_uint_eq(cols.count, 3);
        for (size_t i = 0; i < 3; i++) {
            ck_assert_int_eq(cols.ts_ms[i], T0 + (int64_t)i * (BLOCK / 3) + z);
            ck_assert_double_eq(cols.value[i], z);
        }
        count++;
    }
    ck_assert_uint_eq(count, 700);
    arena_deinit(&arena);
    head_cut_destroy(cut);
}
END_TEST

START_TEST(oldest_sample_is_found_in_chunks_of_all_kinds)
{
    struct err err = { 0 };
    ck_assert_int_eq(head_scan_oldest(rig.head), HEAD_NO_TIME);
    fill("m", 3, T0 + 5000, T0 + BLOCK, 20000);
    ck_assert_int_eq(head_scan_oldest(rig.head), T0 + 5000);
    ck_assert_int_eq(head_flush_chunks(rig.head, &err), ERR_OK);
    ck_assert_int_eq(head_scan_oldest(rig.head), T0 + 5000);
    fill("m", 3, T0 + BLOCK, T0 + BLOCK + 60000, 20000);
    ck_assert(truncate_to(T0 + BLOCK));
    ck_assert_int_eq(head_scan_oldest(rig.head), T0 + BLOCK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_gc");
    TCase *tc = tcase_create("gc");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, truncation_forgets_old_samples_and_dead_series);
    tcase_add_test(tc, a_reader_keeps_what_it_may_still_need);
    tcase_add_test(tc, a_reader_that_came_before_the_removal_can_read_labels);
    tcase_add_test(tc, churn_does_not_grow_memory);
    tcase_add_test(tc, old_chunk_files_are_removed);
    tcase_add_test(tc, series_that_never_had_a_sample_go_the_second_time);
    tcase_add_test(tc, checkpoint_replaces_what_it_drops);
    tcase_add_test(tc, slow_series_do_not_hold_the_journal);
    tcase_add_loop_test(tc, cut_delivers_series_in_block_order_with_their_samples, 0, 4);
    tcase_add_test(tc, oldest_sample_is_found_in_chunks_of_all_kinds);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
