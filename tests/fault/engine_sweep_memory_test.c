/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation failures in the metrics engine: for each thing that it does, the n-th allocation fails,
 * once or from there on, for n = 1, 2, 3 ... until nothing fails any more.
 *
 * Oracle (reliability.md section 3): the result is success or ERR_NOMEM, ERR_LIMIT, ERR_BUSY; no
 * leak (also not of file handles); with memory back the same thing works; the store equals the
 * model, now and after one more start.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine_sweep_rig.h"

#define BASE_TICKS 57u

static struct file_fault *base_disk;
static struct sweep_model base_model;

/* The disk of an engine that was killed after BASE_TICKS: blocks, chunk files, a checkpoint,
 * segments. */
static void make_base(void)
{
    struct sweep r;
    sweep_init(&r, NULL, JOURNAL_COMMIT, NULL);
    ck_assert_int_eq(sweep_open(&r), ERR_OK);
    for (uint32_t tick = 0; tick < BASE_TICKS; tick++) {
        ck_assert_int_eq(sweep_tick(&r), ERR_OK);
        ck_assert_int_eq(sweep_event(&r, tick), ERR_OK);
    }
    base_model = r.model;
    base_disk = file_fault_restart(r.disk);
    sweep_deinit(&r);
}

/* ---- things to do ------------------------------------------------------------------------- */

static enum err_code do_open(struct sweep *r)
{
    return sweep_open(r);
}

/* Ticks 57 to 61: a new series, a series that ends, a new block range. */
static enum err_code do_append(struct sweep *r)
{
    enum err_code rc = ERR_OK;
    while (rc == ERR_OK && r->model.ticks < BASE_TICKS + 8)
        rc = sweep_tick(r);
    return rc;
}

static enum err_code do_query(struct sweep *r)
{
    uint64_t found = 0;
    return sweep_query(r, SWEEP_DURABLE, "query", &found);
}

static enum err_code do_labels(struct sweep *r)
{
    struct source source = metrics_source(r->engine);
    struct label_query q = { .mint_ms = 0, .maxt_ms = INT64_MAX };
    struct str_list list;
    struct arena arena;
    arena_init(&arena, mem_source_of(r->mem, MEM_QUERY), (size_t)16 << 20);
    r->err = (struct err){ 0 };
    enum err_code rc = source.ops->label_names(source.ctx, &q, &arena, &list, &r->err);
    if (rc == ERR_OK)
        ck_assert_msg(list.len == 3, "%zu names, first " STR_FMT, list.len, STR_ARG(list.ptr[0]));
    if (rc == ERR_OK)
        rc = source.ops->label_values(source.ctx, STR("s"), &q, &arena, &list, &r->err);
    if (rc == ERR_OK) ck_assert_uint_ge(list.len, 13);
    arena_deinit(&arena);
    return rc;
}

static enum err_code do_cut(struct sweep *r)
{
    int64_t now = SWEEP_START_MS + (int64_t)r->model.ticks * SWEEP_TICK_MS;
    r->err = (struct err){ 0 };
    return metrics_cut_head(r->engine, now - now % (SWEEP_RANGE_TICKS * SWEEP_TICK_MS), &r->err);
}

static enum err_code do_checkpoint(struct sweep *r)
{
    uint64_t position = 0;
    r->err = (struct err){ 0 };
    TRY(journal_roll(r->engine->journal, &position, &r->err));
    TRY(head_flush_chunks(r->engine->head, &r->err));
    TRY(journal_sync(r->engine->journal, &r->err));
    return head_checkpoint(r->engine->head, 1, &r->err);
}

static enum err_code do_maintain(struct sweep *r)
{
    return sweep_maintain(r);
}

static enum err_code do_close(struct sweep *r)
{
    return sweep_close(r);
}

static enum err_code no_preparation(struct sweep *r)
{
    (void)r;
    return ERR_OK;
}

static enum err_code prepare_ticks(struct sweep *r)
{
    return do_append(r);
}

/* So that maintenance has a block to cut and one to drop. */
static enum err_code prepare_round(struct sweep *r)
{
    TRY(do_append(r));
    while (r->model.ticks < 76)
        TRY(sweep_tick(r));
    return ERR_OK;
}

static const struct thing {
    const char *name;
    enum err_code (*prepare)(struct sweep *r); /* of an open engine; NULL: it is closed */
    enum err_code (*act)(struct sweep *r);
} THINGS[] = {
    { "open", NULL, do_open },
    { "append", no_preparation, do_append },
    { "query", no_preparation, do_query },
    { "labels", no_preparation, do_labels },
    { "cut", prepare_ticks, do_cut },
    { "checkpoint", prepare_ticks, do_checkpoint },
    { "maintenance", prepare_round, do_maintain },
    { "close", prepare_ticks, do_close },
};
#define THING_COUNT ((int)(sizeof THINGS / sizeof THINGS[0]))

/* ---- the sweep ---------------------------------------------------------------------------- */

static void check_result(const struct sweep *r, enum err_code rc, const char *where)
{
    ck_assert_msg(rc == ERR_OK || rc == ERR_NOMEM || rc == ERR_LIMIT || rc == ERR_BUSY,
                  "%s: %s: %s %s", where, err_name(rc), r->err.msg, r->err.detail);
}

/* With memory back the thing works; a refused batch is sent again. */
static void act_again(struct sweep *r, const struct thing *t, const char *where)
{
    if (r->engine == NULL) {
        enum err_code rc = sweep_open(r);
        ck_assert_msg(rc == ERR_OK, "%s: start: %s %s", where, r->err.msg, r->err.detail);
    }
    clock_fake_advance_ms(&r->clock, 31000); /* a failed cut is tried again */
    if (t->act == do_append) {
        ck_assert_msg(sweep_wait_resumed(r), "%s: does not resume", where);
        enum err_code rc = sweep_send(r, r->model.ticks - 1);
        ck_assert_msg(rc == ERR_OK, "%s: sent again: %s %s", where, r->err.msg, r->err.detail);
    } else if (t->act != do_open && t->act != do_close) {
        enum err_code rc = t->act(r);
        ck_assert_msg(rc == ERR_OK, "%s: again: %s %s", where, r->err.msg, r->err.detail);
    }
}

/* True: the failure happened. */
static bool fail_at(const struct thing *t, uint64_t n, enum mem_fail_mode mode)
{
    struct sweep r;
    char where[96];
    (void)snprintf(where, sizeof where, "%s, allocation %llu fails%s", t->name,
                   (unsigned long long)n, mode == MEM_FAIL_ONCE ? "" : " and all later ones");
    sweep_init(&r, file_fault_restart(base_disk), JOURNAL_COMMIT, &base_model);
    if (t->prepare != NULL) {
        ck_assert_int_eq(sweep_open(&r), ERR_OK);
        ck_assert_int_eq(t->prepare(&r), ERR_OK);
    }
    r.is_disturbed = true;
    mem_test_fail_at(r.mem, n, mode);
    enum err_code rc = t->act(&r);
    bool has_fired = mem_test_fired(r.mem);
    mem_test_fail_at(r.mem, 0, MEM_FAIL_OFF);
    check_result(&r, rc, where);
    if (rc != ERR_OK || r.engine == NULL) act_again(&r, t, where);
    (void)sweep_check(&r, SWEEP_ACKED, where);
    sweep_power_cycle(&r, n % 3);
    ck_assert_int_eq(sweep_open(&r), ERR_OK);
    sweep_check_sound(&r, where);
    (void)sweep_check(&r, SWEEP_DURABLE, where);
    if (n % 4 == 0) sweep_check_writable(&r, where);
    sweep_deinit(&r);
    return has_fired;
}

START_TEST(failed_allocation_is_refused_cleanly)
{
    const struct thing *t = &THINGS[_i / 2];
    enum mem_fail_mode mode = _i % 2 == 0 ? MEM_FAIL_ONCE : MEM_FAIL_FOREVER;
    const char *only = getenv("PHAROS_SWEEP_ALLOCATION");
    uint64_t points = 0;
    make_base();
    if (only != NULL) {
        (void)fail_at(t, strtoull(only, NULL, 10), mode);
    } else {
        while (fail_at(t, points + 1, mode))
            points++;
        printf("# engine memory, %s, %s: %llu failure points, 0 violations\n", t->name,
               mode == MEM_FAIL_ONCE ? "once" : "from there on", (unsigned long long)points);
        (void)fflush(stdout);
    }
    file_fault_destroy(base_disk);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_sweep_memory");
    TCase *tc = tcase_create("allocations");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, failed_allocation_is_refused_cleanly, 0, 2 * THING_COUNT);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
