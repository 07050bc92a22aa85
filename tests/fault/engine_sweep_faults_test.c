/* SPDX-License-Identifier: Apache-2.0
 *
 * Disk faults under a running metrics engine: the n-th call of a kind fails, once or from then on,
 * for every n of the story, the first start included.
 *
 * Oracle: no crash; a batch is acknowledged or refused as a whole; queries answer all the time and
 * miss nothing acknowledged; when the fault is over the engine takes batches and maintains itself
 * without a restart; a power cut in between and the close at the end lose nothing. Faults of
 * reading may fail a query or a start while they last.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine_sweep_rig.h"

#define TICKS 84u       /* of the story */
#define REFUSALS_MAX 3u /* then the fault is over */
#define RETRY_MS 31000  /* the engine tries a failed cut again */

struct plan {
    const char *name;
    uint32_t ops;
    enum file_fault_kind kind;
    enum file_fault_mode mode;
    bool is_read; /* queries and starts may fail while it lasts */
};

#define NAMES_OPS                                                                                  \
    (FAULT_BIT(FAULT_RENAME) | FAULT_BIT(FAULT_UNLINK) | FAULT_BIT(FAULT_MKDIR) |                  \
     FAULT_BIT(FAULT_RMDIR) | FAULT_BIT(FAULT_SYNC_DIR) | FAULT_BIT(FAULT_LOCK))
#define ROOM_OPS (FAULT_BIT(FAULT_CREATE) | FAULT_BIT(FAULT_FALLOCATE) | FAULT_BIT(FAULT_TRUNCATE))
#define LOOK_OPS                                                                                   \
    (FAULT_BIT(FAULT_OPEN) | FAULT_BIT(FAULT_MMAP) | FAULT_BIT(FAULT_LIST) | FAULT_BIT(FAULT_STAT))
#define CUT_OPS (FAULT_BIT(FAULT_SYNC) | FAULT_BIT(FAULT_TRUNCATE))
/* On a full disk removing and shortening work. */
#define FULL_OPS                                                                                   \
    (FAULT_STEP_OPS &                                                                              \
     ~(FAULT_BIT(FAULT_UNLINK) | FAULT_BIT(FAULT_RMDIR) | FAULT_BIT(FAULT_TRUNCATE)))

static const struct plan PLANS[] = {
    { "write EIO once", FAULT_BIT(FAULT_WRITE), FAULT_EIO, FAULT_ONCE, false },
    { "write EIO on", FAULT_BIT(FAULT_WRITE), FAULT_EIO, FAULT_FOREVER, false },
    { "write ENOSPC once", FAULT_BIT(FAULT_WRITE), FAULT_ENOSPC, FAULT_ONCE, false },
    { "write ENOSPC on", FAULT_BIT(FAULT_WRITE), FAULT_ENOSPC, FAULT_FOREVER, false },
    { "write short once", FAULT_BIT(FAULT_WRITE), FAULT_SHORT, FAULT_ONCE, false },
    { "write torn once", FAULT_BIT(FAULT_WRITE), FAULT_TORN, FAULT_ONCE, false },
    { "sync EIO once", FAULT_BIT(FAULT_SYNC), FAULT_EIO, FAULT_ONCE, false },
    { "sync EIO on", FAULT_BIT(FAULT_SYNC), FAULT_EIO, FAULT_FOREVER, false },
    { "sync and cut EIO on", CUT_OPS, FAULT_EIO, FAULT_FOREVER, false },
    { "sync ENOSPC once", FAULT_BIT(FAULT_SYNC), FAULT_ENOSPC, FAULT_ONCE, false },
    { "names EIO once", NAMES_OPS, FAULT_EIO, FAULT_ONCE, false },
    { "names EIO on", NAMES_OPS, FAULT_EIO, FAULT_FOREVER, false },
    { "names ENOSPC on", NAMES_OPS, FAULT_ENOSPC, FAULT_FOREVER, false },
    { "room ENOSPC once", ROOM_OPS, FAULT_ENOSPC, FAULT_ONCE, false },
    { "room ENOSPC on", ROOM_OPS, FAULT_ENOSPC, FAULT_FOREVER, false },
    { "room EIO on", ROOM_OPS, FAULT_EIO, FAULT_FOREVER, false },
    { "all ENOSPC on", FULL_OPS, FAULT_ENOSPC, FAULT_FOREVER, false },
    { "read EIO once", FAULT_BIT(FAULT_READ), FAULT_EIO, FAULT_ONCE, true },
    { "read EIO on", FAULT_BIT(FAULT_READ), FAULT_EIO, FAULT_FOREVER, true },
    { "open EIO once", LOOK_OPS, FAULT_EIO, FAULT_ONCE, true },
    { "open EIO on", LOOK_OPS, FAULT_EIO, FAULT_FOREVER, true },
    { "open EMFILE once", LOOK_OPS, FAULT_EMFILE, FAULT_ONCE, true },
    { "open EMFILE on", LOOK_OPS, FAULT_EMFILE, FAULT_FOREVER, true },
};
#define PLAN_COUNT ((int)(sizeof PLANS / sizeof PLANS[0]))

struct run {
    const struct plan *plan;
    uint64_t n;
    unsigned refused;
    bool is_over;
    char where[96];
};

/* Space has returned. */
static void end_fault(struct sweep *r, struct run *run)
{
    file_fault_clear(r->disk);
    run->is_over = true;
}

static void open_again(struct sweep *r, struct run *run)
{
    if (sweep_open(r) != ERR_OK) {
        end_fault(r, run);
        enum err_code rc = sweep_open(r);
        ck_assert_msg(rc == ERR_OK, "%s: start: %s %s", run->where, r->err.msg, r->err.detail);
    }
}

/* The sender tries again: once at once if the fault was a single one, else a few times. */
static void on_refusal(struct sweep *r, struct run *run, uint32_t tick)
{
    run->refused++;
    if (run->plan->mode == FAULT_FOREVER && !run->is_over) {
        if (run->refused < REFUSALS_MAX) return;
        end_fault(r, run);
    }
    ck_assert_msg(sweep_wait_resumed(r), "%s: does not resume", run->where);
    enum err_code rc = sweep_send(r, tick);
    ck_assert_msg(rc == ERR_OK, "%s: tick %u refused again: %s %s", run->where, tick, r->err.msg,
                  r->err.detail);
}

static void query(struct sweep *r, struct run *run)
{
    uint64_t found = 0;
    if (run->plan->is_read) {
        enum err_code rc = sweep_query(r, SWEEP_NOTHING, run->where, &found);
        (void)rc; /* may fail; what is found is right */
        return;
    }
    (void)sweep_check(r, SWEEP_ACKED, run->where);
}

static void check_power(const struct sweep *r, const struct run *run)
{
    struct sweep after;
    sweep_init(&after, file_fault_reboot(r->disk, run->n % 3), r->mode, &r->model);
    enum err_code rc = sweep_open(&after);
    ck_assert_msg(rc == ERR_OK, "%s: start after a power cut: %s %s", run->where, after.err.msg,
                  after.err.detail);
    sweep_check_sound(&after, run->where);
    (void)sweep_check(&after, SWEEP_DURABLE, run->where);
    sweep_deinit(&after);
}

/* The process is killed after the failure. What its page cache holds and the disk does not must not
 * stand for anything that was durable. */
static void check_kill(const struct sweep *r, const struct run *run)
{
    struct sweep after;
    sweep_init(&after, file_fault_restart(r->disk), r->mode, &r->model);
    enum err_code rc = sweep_open(&after);
    ck_assert_msg(rc == ERR_OK, "%s: start after a kill: %s %s", run->where, after.err.msg,
                  after.err.detail);
    sweep_write_on(&after);
    sweep_power_cycle(&after, 0);
    rc = sweep_open(&after);
    ck_assert_msg(rc == ERR_OK, "%s: start after a kill and a power cut: %s %s", run->where,
                  after.err.msg, after.err.detail);
    (void)sweep_check(&after, SWEEP_DURABLE, run->where);
    sweep_deinit(&after);
}

/* True: the fault has hit. */
static bool run_plan(struct run *run, enum journal_mode mode)
{
    struct sweep r;
    sweep_init(&r, file_fault_create(run->n), mode, NULL);
    r.is_disturbed = true;
    file_fault_trace(r.disk, getenv("PHAROS_SWEEP_TRACE") != NULL);
    (void)snprintf(run->where, sizeof run->where, "%s, call %llu", run->plan->name,
                   (unsigned long long)run->n);
    file_fault_fail_op(r.disk, run->plan->ops, run->n, run->plan->kind, run->plan->mode);
    open_again(&r, run);
    while (r.model.ticks < TICKS) {
        uint32_t tick = r.model.ticks;
        if (sweep_tick(&r) != ERR_OK) on_refusal(&r, run, tick);
        enum err_code rc = sweep_event(&r, tick);
        if (r.engine == NULL) open_again(&r, run);
        if (rc != ERR_OK || tick % 20 == 19) query(&r, run);
        if (rc != ERR_OK && !run->plan->is_read) check_kill(&r, run);
        if (tick == 70) check_power(&r, run);
    }
    bool has_fired = file_fault_fired(r.disk) > 0;
    end_fault(&r, run);
    clock_fake_advance_ms(&r.clock, RETRY_MS);
    ck_assert_msg(sweep_wait_resumed(&r), "%s: does not resume", run->where);
    enum err_code rc = sweep_maintain(&r);
    ck_assert_msg(rc == ERR_OK, "%s: maintenance: %s %s", run->where, r.err.msg, r.err.detail);
    if (!run->plan->is_read) (void)sweep_check(&r, SWEEP_ACKED, run->where);
    sweep_check_writable(&r, run->where);
    sweep_check_sound(&r, run->where);
    check_power(&r, run);
    sweep_deinit(&r);
    return has_fired;
}

START_TEST(fault_loses_nothing_and_service_resumes)
{
    struct run run = { .plan = &PLANS[_i] };
    const char *plan = getenv("PHAROS_SWEEP_PLAN");
    if (plan != NULL && strcmp(plan, run.plan->name) != 0) return;
    uint64_t points = 0;
    uint64_t refused = 0;
    const char *only = getenv("PHAROS_SWEEP_CALL");
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    bool has_fired = true;
    for (run.n = first; has_fired; run.n++) {
        run.refused = 0;
        run.is_over = false;
        has_fired = run_plan(&run, JOURNAL_COMMIT);
        points += has_fired;
        refused += run.refused;
        if (only != NULL) return;
    }
    printf("# engine faults, %s: %llu calls, %llu batches refused and sent again, 0 violations\n",
           run.plan->name, (unsigned long long)points, (unsigned long long)refused);
    (void)fflush(stdout);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_sweep_faults");
    TCase *tc = tcase_create("faults");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, fault_loses_nothing_and_service_resumes, 0, PLAN_COUNT);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
