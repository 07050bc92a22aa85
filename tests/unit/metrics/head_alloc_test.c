/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation-failure sweep: the n-th allocation of a scenario fails, once or with all later ones,
 * for n = 1, 2, 3 ... until it is not reached. Nothing leaks or asserts; what was reported as
 * stored is there, also after a restart; the head works on when memory is back.
 */
#include "head_rig.h"

#include <check.h>

#include "base/rng.h"
#include "metrics/head/head_chunk.h"
#include "metrics/head/head_cut.h"

#define SERIES 12
#define T0 (RIG_START_MS / RIG_RANGE_MS * RIG_RANGE_MS)
#define SAMPLES_MAX 600

/* What the head said it had stored. */
struct stored {
    char key[48], text[64];
    int64_t t[SAMPLES_MAX];
    size_t count;
};

struct sweep {
    struct rig rig;
    struct stored series[SERIES];
    bool is_open;
};

static struct sweep w;

static double value_of(int series, int64_t t)
{
    return series % 3 == 0 ? 1 : (double)(t % 100000 + series) / 8;
}

static void append(int64_t from, int64_t step, int n)
{
    static const struct label trace = { STR_INIT("trace_id"), STR_INIT("abc") };
    struct batch_exemplar x = { 0, { { &trace, 1 }, 0.5, from, true } };
    struct metadata m = { STR("m"), STR("Help."), STR(""), METRIC_COUNTER };
    batch_maker_begin(&w.rig.maker);
    for (int i = 0; i < SERIES; i++) {
        (void)batch_maker_series(&w.rig.maker, w.series[i].key);
        for (int k = 0; k < n; k++)
            batch_maker_sample(&w.rig.maker, from + k * step,
                               bits_of_double(value_of(i, from + k * step)));
    }
    w.rig.maker.batch.exemplars = &x;
    w.rig.maker.batch.exemplar_count = 1;
    w.rig.maker.batch.metadata = &m;
    w.rig.maker.batch.metadata_count = 1;
    enum err_code rc = rig_append(&w.rig);
    ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
    for (int i = 0; i < SERIES; i++) {
        struct stored *s = &w.series[i];
        /* Samples of a series whose batch ended early may be stored without being reported. */
        if (rc != ERR_OK || w.rig.maker.batch.series[i].outcome != BATCH_STORED) continue;
        for (int k = 0; k < n; k++)
            s->t[s->count++] = from + k * step;
    }
}

static void cut(int64_t mint, int64_t maxt)
{
    struct err err = { 0 };
    struct head_cut *c = NULL;
    struct labels labels;
    struct sample_columns cols;
    if (head_cut_create(w.rig.head, mint, maxt, 5, &c, &err) != ERR_OK) return;
    while (head_cut_next(c, &labels, &cols, &err) == ERR_OK)
        continue;
    head_cut_destroy(c);
}

static void reopen(void)
{
    struct err err = { 0 };
    rig_close_head(&w.rig);
    w.is_open = rig_open_head(&w.rig, &err) == ERR_OK;
    ck_assert(w.is_open || err.code == ERR_NOMEM);
}

/* Everything a head does. Stops where it cannot be opened. */
static void scenario(void)
{
    struct err err = { 0 };
    bool done = false;
    reopen();
    if (!w.is_open) return;
    append(T0 + 1000, 15000, 1);
    append(T0 + 20000, 15000, 130);
    (void)!head_flush_chunks(w.rig.head, &err);
    append(T0 + RIG_RANGE_MS - 400000, 60000, 3);
    w.rig.journal.epoch++;
    reopen();
    if (!w.is_open) return;
    append(T0 + RIG_RANGE_MS, 15000, 30);
    cut(T0, T0 + RIG_RANGE_MS);
    (void)!head_checkpoint(w.rig.head, 1, &err);
    head_begin_cut(w.rig.head, T0 + RIG_RANGE_MS);
    head_set_mint(w.rig.head, T0 + RIG_RANGE_MS);
    w.rig.mint_ms = T0 + RIG_RANGE_MS;
    for (int i = 0; i < 3; i++)
        (void)!head_truncate(w.rig.head, &done, &err);
    append(T0 + RIG_RANGE_MS + 600000, 1000, 2);
}

struct found {
    int series;
    uint32_t shard, ref;
};

static void note_found(void *arg, struct str labels, uint32_t shard, uint32_t ref)
{
    struct found *f = arg;
    if (!str_eq(labels, str_of_z(w.series[f->series].text))) return;
    f->shard = shard;
    f->ref = ref;
}

/* Every sample that was reported as stored is there. */
static void check(void)
{
    struct sample_buf buf;
    sample_buf_init(&buf, mem_source_of(w.rig.mem, MEM_QUERY));
    for (int i = 0; i < SERIES; i++) {
        const struct stored *s = &w.series[i];
        struct found f = { .series = i };
        rig_each(&w.rig, note_found, &f);
        sample_buf_reset(&buf);
        if (f.ref != 0) rig_read_ref(&w.rig, f.shard, f.ref, w.rig.mint_ms, INT64_MAX, &buf);
        size_t at = 0;
        for (size_t k = 0; k < s->count; k++) {
            if (s->t[k] < w.rig.mint_ms) continue;
            while (at < buf.cols.count && buf.cols.ts_ms[at] < s->t[k])
                at++;
            ck_assert_msg(at < buf.cols.count && buf.cols.ts_ms[at] == s->t[k],
                          "series %d lost sample %zu", i, k);
            ck_assert_double_eq(buf.cols.value[at], value_of(i, s->t[k]));
        }
    }
    sample_buf_deinit(&buf);
}

/* False: allocation n was not reached. */
static bool run(uint64_t n, enum mem_fail_mode mode)
{
    memset(w.series, 0, sizeof w.series);
    for (int i = 0; i < SERIES; i++) {
        (void)snprintf(w.series[i].key, sizeof w.series[i].key, "__name__=m,i=%d", i);
        (void)snprintf(w.series[i].text, sizeof w.series[i].text, "{__name__=\"m\", i=\"%d\"}", i);
    }
    rig_init(&w.rig);
    clock_fake_advance_ms(&w.rig.clock, 4 * RIG_RANGE_MS);
    mem_test_fail_at(w.rig.mem, n, mode);
    scenario();
    bool has_fired = mem_test_fired(w.rig.mem);
    mem_test_fail_at(w.rig.mem, 0, MEM_FAIL_OFF);
    if (w.is_open) check();
    reopen();
    ck_assert(w.is_open);
    check();
    append(T0 + RIG_RANGE_MS + 1200000, 1000, 2);
    check();
    rig_deinit(&w.rig);
    return has_fired;
}

START_TEST(every_allocation_may_fail)
{
    enum mem_fail_mode mode = _i % 2 ? MEM_FAIL_FOREVER : MEM_FAIL_ONCE;
    uint64_t points = 0;
    for (uint64_t n = 1 + (uint64_t)_i / 2; run(n, mode); n += 4)
        points++;
    ck_assert_uint_gt(points, 40);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_alloc");
    TCase *tc = tcase_create("sweep");
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, every_allocation_may_fail, 0, 8);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
