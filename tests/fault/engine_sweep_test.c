/* SPDX-License-Identifier: Apache-2.0
 *
 * Crash-point sweep of the metrics engine: append and group commit, chunk files, segment roll, cut
 * of the head into a block, truncation, checkpoint. The power is cut at every step k of a
 * scenario; of each cut several images of the disk are opened and compared with what was
 * acknowledged; some of these starts are cut again.
 *
 * Oracle (reliability.md section 4): every acknowledged sample is there exactly once with its
 * value; whatever else is there was submitted; times ascend; the store takes new samples and keeps
 * them over one more start.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "batch_maker.h"
#include "metrics/metrics.h"
#include "metrics/metrics_priv.h"
#include "os/clock.h"
#include "os/file_fault.h"

#define RANGE 7200000ll
#define START 1700006400000ll /* a block boundary */
#define SERIES 5
#define BURST 40 /* samples of each series in one batch */
#define STEP_MS 15000
#define SAMPLES_MAX 1024
#define IMAGES 6u

struct model {
    size_t submitted, acked; /* samples of every series */
};

struct engine {
    struct mem_budget *mem;
    struct file_fault *disk;
    struct clock_fake clock;
    struct metrics *m;
    struct batch_maker maker;
};

static int64_t time_of(size_t i)
{
    return START + (int64_t)i * STEP_MS;
}

/* Half of the series repeat their value. */
static double value_of(int series, size_t i)
{
    return series % 2 ? 7 : (double)(i * 10 + (size_t)series);
}

static enum err_code engine_open(struct engine *e, struct file_fault *disk, struct err *err)
{
    struct metrics_options o = { .files = file_fault_layer(disk),
                                 .clock = &e->clock.clock,
                                 .mem = e->mem,
                                 .dir = "data/t/metrics",
                                 .durability = JOURNAL_COMMIT,
                                 .exemplars_max = 10,
                                 .without_maintenance = true };
    e->disk = disk;
    return metrics_open(&o, NULL, NULL, &e->m, err);
}

static void engine_init(struct engine *e)
{
    memset(e, 0, sizeof *e);
    e->mem = mem_budget_create((uint64_t)1 << 30);
    clock_fake_init(&e->clock, START + 4 * RANGE, 5);
    batch_maker_init(&e->maker, e->mem);
}

static void engine_close(struct engine *e)
{
    struct err err = { 0 };
    enum err_code rc = metrics_close(e->m, &err);
    ck_assert(rc == ERR_OK || file_fault_is_stopped(e->disk));
    e->m = NULL;
}

static void engine_deinit(struct engine *e)
{
    batch_maker_deinit(&e->maker);
    ck_assert_uint_eq(mem_live_count(e->mem), 0);
    mem_budget_destroy(e->mem);
}

/* ---- writing ---- */

struct waiting {
    struct journal_waiter waiter;
    struct mutex lock;
    struct cond cond;
    bool is_done;
    enum err_code rc;
};

static void on_durable(struct journal_waiter *w, enum err_code rc)
{
    struct waiting *x = (struct waiting *)(void *)w;
    MUTEX_SCOPE(&x->lock);
    x->is_done = true;
    x->rc = rc;
    cond_signal(&x->cond);
}

static enum err_code wait_durable(struct engine *e, uint64_t position)
{
    struct waiting x = { .waiter = { .position = position, .fn = on_durable } };
    mutex_init(&x.lock);
    cond_init(&x.cond);
    metrics_notify(e->m, &x.waiter);
    mutex_lock(&x.lock);
    while (!x.is_done)
        cond_wait(&x.cond, &x.lock);
    mutex_unlock(&x.lock);
    cond_deinit(&x.cond);
    mutex_deinit(&x.lock);
    return x.rc;
}

/* `n` more samples of every series; false: not acknowledged. */
static bool put(struct engine *e, struct model *model, size_t n)
{
    batch_maker_begin(&e->maker);
    for (int s = 0; s < SERIES; s++) {
        char key[64];
        (void)snprintf(key, sizeof key, "__name__=m,s=%d", s);
        (void)batch_maker_series(&e->maker, key);
        for (size_t i = model->submitted; i < model->submitted + n; i++)
            batch_maker_sample(&e->maker, time_of(i), bits_of_double(value_of(s, i)));
    }
    model->submitted += n;
    struct append_result result;
    struct err err = { 0 };
    if (metrics_append(e->m, &e->maker.batch, &result, &err) != ERR_OK) return false;
    /* Sent again after a failure: the head may have the older ones already. */
    ck_assert_uint_eq(result.outcomes[BATCH_STORED] + result.outcomes[BATCH_OUT_OF_ORDER],
                      n * SERIES);
    if (wait_durable(e, result.position) != ERR_OK) return false;
    model->acked = model->submitted;
    return true;
}

/* What may fail does so because the disk has stopped, and then nothing more is asked of it. */
static bool went_well(struct engine *e, enum err_code rc)
{
    ck_assert_msg(rc == ERR_OK || file_fault_is_stopped(e->disk), "failed with %s", err_name(rc));
    return !file_fault_is_stopped(e->disk);
}

static void scenario(struct engine *e, struct model *model)
{
    struct err err = { 0 };
    uint64_t position = 0;
    for (int i = 0; i < 4; i++)
        if (!put(e, model, BURST)) return;
    if (!went_well(e, head_flush_chunks(e->m->head, &err))) return;
    if (!went_well(e, journal_roll(e->m->journal, &position, &err))) return;
    for (int i = 0; i < 9; i++)
        if (!put(e, model, BURST)) return;
    if (!went_well(e, metrics_cut_head(e->m, START + RANGE, &err))) return;
    if (!put(e, model, BURST)) return;
    if (!went_well(e, journal_roll(e->m->journal, &position, &err))) return;
    for (int i = 0; i < 2; i++)
        if (!put(e, model, BURST)) return;
    if (!went_well(e, metrics_maintain(e->m, &err))) return;
    if (!went_well(e, head_flush_chunks(e->m->head, &err))) return;
    if (!put(e, model, BURST)) return;
}

/* ---- checking ---- */

static void check_series(struct model *model, const struct labels *labels,
                         const struct sample_columns *c)
{
    int s = labels_get(*labels, STR("s")).ptr[0] - '0';
    /* Whole batches, so what is there is a prefix: sample i is at index i. */
    ck_assert_msg(c->count >= model->acked, "%zu of %zu acknowledged samples", c->count,
                  model->acked);
    ck_assert_uint_le(c->count, model->submitted);
    for (size_t i = 0; i < c->count; i++) {
        ck_assert_int_eq(c->ts_ms[i], time_of(i));
        ck_assert_double_eq(c->value[i], value_of(s, i));
    }
}

static void check_content(struct engine *e, struct model *model)
{
    struct source source = metrics_source(e->m);
    struct matcher matcher = { .type = MATCH_EQ, .name = LABEL_METRIC_NAME, .value = STR("m") };
    struct source_request req = { .matchers = { &matcher, 1 }, .mint_ms = 0, .maxt_ms = INT64_MAX };
    struct series_set *set = NULL;
    struct series_reader *reader = NULL;
    struct arena arena;
    struct err err = { 0 };
    arena_init(&arena, mem_source_of(e->mem, MEM_QUERY), (size_t)16 << 20);
    enum err_code rc = source.ops->select(source.ctx, &req, e->mem, &set, &err);
    ck_assert_msg(rc == ERR_OK, "select: %s %s", err.msg, err.detail);
    size_t count = set->ops->count(set);
    ck_assert(count == SERIES || model->acked == 0);
    ck_assert_int_eq(set->ops->reader_create(set, e->mem, &reader, &err), ERR_OK);
    for (size_t i = 0; i < count; i++) {
        struct labels labels;
        struct sample_columns c;
        ck_assert_int_eq(set->ops->labels(set, i, &arena, &labels, &err), ERR_OK);
        ck_assert_int_eq(set->ops->read(reader, i, &c, &err), ERR_OK);
        check_series(model, &labels, &c);
    }
    set->ops->reader_destroy(reader);
    set->ops->destroy(set);
    arena_deinit(&arena);
}

/* The store takes a sample and keeps it. */
static void check_writable(struct engine *e, struct model *model)
{
    batch_maker_begin(&e->maker);
    batch_maker_one(&e->maker, "__name__=after", time_of(model->submitted + 10), 1);
    struct append_result result;
    struct err err = { 0 };
    enum err_code rc = metrics_append(e->m, &e->maker.batch, &result, &err);
    ck_assert_msg(rc == ERR_OK, "append after a start: %s %s", err.msg, err.detail);
    ck_assert_uint_eq(result.outcomes[BATCH_STORED], 1);
    ck_assert_int_eq(wait_durable(e, result.position), ERR_OK);
}

static void check_image(struct file_fault *disk, struct model *model)
{
    struct engine e;
    struct err err = { 0 };
    engine_init(&e);
    enum err_code rc = engine_open(&e, disk, &err);
    ck_assert_msg(rc == ERR_OK, "start: %s %s", err.msg, err.detail);
    check_content(&e, model);
    check_writable(&e, model);
    engine_close(&e);
    ck_assert_int_eq(engine_open(&e, disk, &err), ERR_OK);
    check_content(&e, model);
    engine_close(&e);
    engine_deinit(&e);
}

/* A start that is itself cut, at one step of its own, leaves the same samples behind. */
static void check_interrupted_start(struct file_fault *disk, struct model *model, uint64_t step)
{
    struct engine e;
    struct err err = { 0 };
    engine_init(&e);
    file_fault_cut(disk, step);
    if (engine_open(&e, disk, &err) == ERR_OK) engine_close(&e);
    engine_deinit(&e);
    for (uint64_t seed = 0; seed < 2; seed++) {
        struct file_fault *after = file_fault_reboot(disk, seed);
        check_image(after, model);
        file_fault_destroy(after);
    }
}

/* Run the scenario until the disk stops at `step`; true if it did. */
static bool run_cut(uint64_t step)
{
    struct engine e;
    struct model model = { 0 };
    struct err err = { 0 };
    engine_init(&e);
    struct file_fault *disk = file_fault_create(step);
    file_fault_cut(disk, step);
    if (engine_open(&e, disk, &err) == ERR_OK) {
        scenario(&e, &model);
        engine_close(&e);
    }
    engine_deinit(&e);
    bool is_cut = file_fault_is_stopped(disk);
    for (uint64_t seed = 0; seed < IMAGES; seed++) {
        struct file_fault *after = file_fault_reboot(disk, seed);
        check_image(after, &model);
        file_fault_destroy(after);
    }
    struct file_fault *again = file_fault_reboot(disk, step * 31);
    check_interrupted_start(again, &model, 1 + step % 23);
    file_fault_destroy(again);
    struct file_fault *killed = file_fault_restart(disk);
    check_image(killed, &model);
    file_fault_destroy(killed);
    file_fault_destroy(disk);
    return is_cut;
}

#define STRIDES 8 /* parallel parts of the sweep */

START_TEST(every_crash_point_keeps_what_was_acknowledged)
{
    uint64_t cuts = 0;
    for (uint64_t step = 1 + (uint64_t)_i; run_cut(step); step += STRIDES)
        cuts++;
    ck_assert_uint_gt(cuts, 5);
}
END_TEST

/* ---- faults that pass ---- */

/* A fault at one call: the batch may be refused, but nothing acknowledged is lost, and when the
 * fault is over the store goes on by itself. */
static void run_fault(uint32_t ops, uint64_t n, enum file_fault_kind kind)
{
    struct engine e;
    struct model model = { 0 };
    struct err err = { 0 };
    engine_init(&e);
    struct file_fault *disk = file_fault_create(n);
    ck_assert_int_eq(engine_open(&e, disk, &err), ERR_OK);
    file_fault_fail_op(disk, ops, n, kind, FAULT_ONCE);
    size_t bursts = 0;
    size_t highest = 0;
    for (int i = 0; i < 12; i++) {
        struct model before = model;
        bool is_acked = put(&e, &model, BURST);
        if (model.submitted > highest) highest = model.submitted;
        if (!is_acked) model.submitted = before.submitted; /* sent again */
        bursts += is_acked;
        (void)!head_flush_chunks(e.m->head, &err);
    }
    ck_assert_uint_gt(bursts, 0);
    file_fault_clear(disk);
    model.submitted = highest; /* the last one may not have been acknowledged */
    check_content(&e, &model);
    engine_close(&e);
    struct file_fault *after = file_fault_reboot(disk, 0);
    check_image(after, &model);
    file_fault_destroy(after);
    file_fault_destroy(disk);
    engine_deinit(&e);
}

START_TEST(single_faults_lose_nothing_acknowledged)
{
    static const enum file_fault_kind kinds[] = { FAULT_EIO, FAULT_ENOSPC, FAULT_SHORT,
                                                  FAULT_TORN };
    enum file_fault_kind kind = kinds[_i % 4];
    uint32_t op = _i / 4 == 0 ? FAULT_BIT(FAULT_WRITE) : FAULT_BIT(FAULT_SYNC);
    for (uint64_t n = 1; n < 20; n++)
        run_fault(op, n, kind);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_sweep");
    TCase *tc = tcase_create("sweep");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, every_crash_point_keeps_what_was_acknowledged, 0, STRIDES);
    tcase_add_loop_test(tc, single_faults_lose_nothing_acknowledged, 0, 8);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
