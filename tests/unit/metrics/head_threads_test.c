/* SPDX-License-Identifier: Apache-2.0
 *
 * Appenders, readers, the chunk writer and maintenance at once: for the thread sanitizer, and for
 * the promise that a reader sees a prefix of each series, in order, with the right values.
 */
#include "head_rig.h"

#include <check.h>

#include "base/rng.h"
#include "metrics/head/head_chunk.h"
#include "metrics/head/head_cut.h"

#define APPENDERS 3
#define READERS 2
#define SERIES 40 /* per appender that live on */
#define CHURN 10  /* and short-lived ones, per round */
#define ROUNDS 1200
#define STEP_MS 30000
#define T0 (RIG_START_MS / RIG_RANGE_MS * RIG_RANGE_MS)

static struct rig rig;
static _Atomic int running; /* appenders that are not finished */

struct appender {
    int id;
    struct mem_budget *mem;
    struct batch_maker maker;
    uint64_t stored;
};

static void append_round(struct appender *a, int round)
{
    char key[96];
    int64_t t = T0 + (int64_t)round * STEP_MS;
    batch_maker_begin(&a->maker);
    for (int i = 0; i < SERIES; i++) {
        (void)snprintf(key, sizeof key, "__name__=live,a=%d,i=%d", a->id, i);
        batch_maker_one(&a->maker, key, t, (double)(round / (1 + i % 5)));
    }
    for (int i = 0; i < CHURN; i++) {
        (void)snprintf(key, sizeof key, "__name__=churn,a=%d,i=%d,r=%d", a->id, i, round / 20);
        batch_maker_one(&a->maker, key, t, (double)round);
    }
    /* All appenders write this one: one wins, the others meet a duplicate. */
    batch_maker_one(&a->maker, "__name__=shared", t, (double)round);
    struct append_result result;
    struct err err = { 0 };
    ck_assert_int_eq(head_append(rig.head, &a->maker.batch, &result, &err), ERR_OK);
    ck_assert_uint_eq(result.outcomes[BATCH_STORED] + result.outcomes[BATCH_OUT_OF_ORDER] +
                          result.outcomes[BATCH_OUT_OF_BOUNDS],
                      SERIES + CHURN + 1);
    a->stored += result.outcomes[BATCH_STORED];
}

static void appender_main(void *arg)
{
    struct appender *a = arg;
    for (int round = 0; round < ROUNDS; round++)
        append_round(a, round);
    atomic_fetch_sub(&running, 1);
}

static void read_shard(struct head_reader *reader, uint32_t shard, struct sample_buf *buf)
{
    uint32_t refs[HEAD_READ_BATCH];
    struct head_last last[HEAD_READ_BATCH];
    uint32_t cursor = 0;
    struct err err = { 0 };
    size_t n;
    while ((n = head_series_refs(rig.head, shard, &cursor, refs, HEAD_READ_BATCH)) > 0) {
        head_read_last(rig.head, shard, refs, n, last);
        ck_assert_int_eq(head_reader_load(reader, shard, refs, n, INT64_MIN, INT64_MAX, &err),
                         ERR_OK);
        for (size_t i = 0; i < n; i++) {
            uint32_t count = 0;
            const uint32_t *pairs = head_series_pairs(rig.head, shard, refs[i], &count);
            ck_assert_ptr_nonnull(pairs);
            struct head_pair p;
            ck_assert(head_pair(rig.head, pairs[0], &p));
            ck_assert(str_eq(p.name, STR("__name__")));
            sample_buf_reset(buf);
            ck_assert_int_eq(head_reader_samples(reader, i, buf, &err), ERR_OK);
            for (size_t k = 1; k < buf->cols.count; k++)
                ck_assert_int_gt(buf->cols.ts_ms[k], buf->cols.ts_ms[k - 1]);
            if (!str_eq(p.value, STR("live"))) continue;
            for (size_t k = 0; k < buf->cols.count; k++)
                ck_assert_double_le(buf->cols.value[k],
                                    (double)((buf->cols.ts_ms[k] - T0) / STEP_MS));
        }
    }
}

static void reader_main(void *arg)
{
    (void)arg;
    struct head_reader *reader = NULL;
    struct sample_buf buf;
    struct err err = { 0 };
    sample_buf_init(&buf, mem_source_of(rig.mem, MEM_QUERY));
    ck_assert_int_eq(head_reader_create(rig.head, rig.mem, &reader, &err), ERR_OK);
    while (atomic_load(&running) > 0) {
        struct epoch_guard guard = epoch_enter(head_epoch(rig.head));
        for (uint32_t shard = 0; shard < head_shard_count(rig.head); shard++)
            read_shard(reader, shard, &buf);
        epoch_leave(head_epoch(rig.head), &guard);
    }
    head_reader_destroy(reader);
    sample_buf_deinit(&buf);
}

static void maintain(int turn)
{
    struct err err = { 0 };
    bool done = false;
    int64_t max = head_maxt_ms(rig.head);
    int64_t mint = max == HEAD_NO_TIME ? T0 : block_start(max - RIG_RANGE_MS / 2, RIG_RANGE_MS);
    if (turn % 4 == 0) ck_assert_int_eq(head_flush_chunks(rig.head, &err), ERR_OK);
    if (turn % 5 == 0) {
        MUTEX_SCOPE(&rig.journal.lock);
        rig.journal.epoch++;
    }
    if (mint > head_mint_ms(rig.head)) {
        struct head_cut *cut = NULL;
        struct labels l;
        struct sample_columns c;
        head_begin_cut(rig.head, mint);
        ck_assert_int_eq(head_cut_create(rig.head, mint - RIG_RANGE_MS, mint, 0, &cut, &err),
                         ERR_OK);
        while (head_cut_next(cut, &l, &c, &err) == ERR_OK)
            continue;
        head_cut_destroy(cut);
        head_set_mint(rig.head, mint);
    }
    ck_assert_int_eq(head_truncate(rig.head, &done, &err), ERR_OK);
    ck_assert_int_eq(head_checkpoint(rig.head, 6, &err), ERR_OK);
    (void)head_stats(rig.head);
    struct head_status status;
    head_status(rig.head, &status);
}

static void run_all(void)
{
    struct appender appenders[APPENDERS] = { 0 };
    struct thread threads[APPENDERS + READERS] = { 0 };
    struct err err = { 0 };
    rig_setup(&rig);
    clock_fake_advance_ms(&rig.clock, 20 * RIG_RANGE_MS);
    atomic_store(&running, APPENDERS);
    for (int i = 0; i < APPENDERS; i++) {
        appenders[i].id = i;
        batch_maker_init(&appenders[i].maker, rig.mem);
        ck_assert_int_eq(thread_start(&threads[i], "append", appender_main, &appenders[i], &err),
                         ERR_OK);
    }
    for (int i = 0; i < READERS; i++)
        ck_assert_int_eq(thread_start(&threads[APPENDERS + i], "read", reader_main, NULL, &err),
                         ERR_OK);
    for (int turn = 0; atomic_load(&running) > 0; turn++)
        maintain(turn);
    for (int i = 0; i < APPENDERS + READERS; i++)
        thread_join(&threads[i]);
    for (int i = 0; i < APPENDERS; i++)
        batch_maker_deinit(&appenders[i].maker);
}

START_TEST(all_threads_at_once_keep_order_and_values)
{
    struct sample_buf buf;
    run_all();
    rig_reopen(&rig);
    sample_buf_init(&buf, mem_source_of(rig.mem, MEM_QUERY));
    for (int a = 0; a < APPENDERS; a++) {
        for (int i = 0; i < SERIES; i++) {
            char text[96];
            (void)snprintf(text, sizeof text, "{__name__=\"live\", a=\"%d\", i=\"%d\"}", a, i);
            sample_buf_reset(&buf);
            ck_assert(rig_read(&rig, text, INT64_MIN, INT64_MAX, &buf));
            ck_assert_int_eq(buf.cols.ts_ms[buf.cols.count - 1], T0 + (ROUNDS - 1) * STEP_MS);
        }
    }
    ck_assert_uint_eq(stat_get(&rig.head->stats.replay_dropped), 0);
    ck_assert_uint_eq(stat_get(&rig.head->stats.replay_unknown), 0);
    sample_buf_deinit(&buf);
    rig_deinit(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_threads");
    TCase *tc = tcase_create("threads");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, all_threads_at_once_keep_order_and_values);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
