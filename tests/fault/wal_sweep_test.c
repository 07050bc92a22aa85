/* SPDX-License-Identifier: Apache-2.0
 *
 * Crash-point sweep of the WAL: append, roll, checkpoint, truncation, recovery from failures. The
 * power is cut at every step k of a scenario; of each cut several images of the disk are opened,
 * and in the opening the power is cut again at every step.
 *
 * Oracle (reliability.md section 4). Records carry ids 1, 2, 3, ... in log order; a checkpoint
 * repeats the ids that it replaces. So whatever happened, a start must find exactly 1..m, each once,
 * in order, intact, with
 *     m >= the last id acknowledged as durable         (nothing lost)
 *     m <= the last id submitted                       (nothing invented)
 * without damage reported; a start that was itself cut must find the same m; and the log must take
 * new records, which are there after one more start.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "wal_rig.h"

#define IMAGES 8u        /* per cut */
#define DEPTH2_IMAGES 3u /* of these, recovery is swept too */
#define PAYLOAD 180u

struct scenario {
    const char *name;
    enum journal_mode mode;
    void (*run)(struct rig *r, struct scenario *s);
    /* progress of one run */
    uint64_t submitted; /* ids 1..submitted were given to append */
    uint64_t durable;   /* ids 1..durable must survive a power cut */
    uint64_t dropped;   /* truncate: ids 1..dropped may be gone */
    /* totals */
    uint64_t cuts, images, recoveries_cut;
};

/* ---- scenarios ---------------------------------------------------------------------------- */

/* Append one record without waiting. */
static uint64_t submit(struct rig *r, struct scenario *s)
{
    uint64_t position = 0;
    if (rig_append(r, s->submitted + 1, PAYLOAD, &position) != ERR_OK) return 0;
    s->submitted++;
    return position;
}

/* Append `count` records and wait for the last one. */
static void put(struct rig *r, struct scenario *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t position = submit(r, s);
        if (position == 0) return;
        if (i + 1 == count && rig_wait(r, position) == ERR_OK && s->mode == JOURNAL_COMMIT) {
            s->durable = s->submitted;
        }
    }
}

static void sync_all(struct rig *r, struct scenario *s)
{
    const uint64_t target = s->submitted;
    struct err err = { 0 };
    if (journal_sync(r->journal, &err) == ERR_OK) s->durable = target;
}

/* A checkpoint that repeats all ids so far, which a roll has put into closed segments. */
static void checkpoint(struct rig *r, struct scenario *s)
{
    struct err err = { 0 };
    uint64_t position = 0;
    struct journal_checkpoint *cp = NULL;
    if (journal_roll(r->journal, &position, &err) != ERR_OK) return;
    sync_all(r, s);
    if (journal_checkpoint_begin(r->journal, position, &cp, &err) != ERR_OK) return;
    for (uint64_t id = 1; id <= s->submitted; id++) {
        uint8_t payload[PAYLOAD];
        rig_payload(id, payload, sizeof payload);
        const struct journal_record rec = { .type = JOURNAL_SERIES,
                                            .payload = { payload, sizeof payload } };
        if (journal_checkpoint_append(r->journal, cp, &rec, &err) != ERR_OK) {
            journal_checkpoint_abort(r->journal, cp);
            return;
        }
    }
    enum err_code code = journal_checkpoint_commit(r->journal, cp, &err);
    (void)code; /* all ids are in the log or in the checkpoint either way */
}

static void reopen(struct rig *r)
{
    enum err_code code = rig_close(r);
    if (code == ERR_OK) code = rig_open(r);
    (void)code; /* r->journal is NULL when the power is off */
}

static void run_append(struct rig *r, struct scenario *s)
{
    for (unsigned i = 0; i < 12; i++) {
        put(r, s, 1 + i % 4);
    }
    sync_all(r, s);
}

static void run_roll(struct rig *r, struct scenario *s)
{
    for (unsigned i = 0; i < 16; i++) {
        put(r, s, 8);
    }
    sync_all(r, s);
}

static void run_checkpoint(struct rig *r, struct scenario *s)
{
    put(r, s, 5);
    checkpoint(r, s);
    put(r, s, 6);
    put(r, s, 1);
    checkpoint(r, s);
    put(r, s, 2);
}

static void run_lives(struct rig *r, struct scenario *s)
{
    for (unsigned life = 0; life < 4; life++) {
        put(r, s, 3);
        if (life == 2) checkpoint(r, s);
        reopen(r);
        if (!r->journal) return;
        s->durable = s->submitted; /* closed and opened again */
    }
    put(r, s, 1);
}

/* Every fourth sync fails once, as does now and then a write: new segments take over. */
static void run_failures(struct rig *r, struct scenario *s)
{
    for (unsigned i = 0; i < 8; i++) {
        if (i % 4 == 1) {
            file_fault_fail_op(r->disk, FAULT_BIT(FAULT_SYNC), 1, FAULT_EIO, FAULT_ONCE);
        } else if (i == 6) {
            file_fault_fail_op(r->disk, FAULT_BIT(FAULT_WRITE), 1, FAULT_SHORT, FAULT_ONCE);
        }
        put(r, s, 2);
        rig_wait_resumed(r);
    }
    sync_all(r, s);
    checkpoint(r, s);
    put(r, s, 2);
}

/* Each truncation drops several segments. */
static void run_truncate(struct rig *r, struct scenario *s)
{
    for (unsigned i = 0; i < 2; i++) {
        struct err err = { 0 };
        uint64_t position = 0;
        for (unsigned k = 0; k < 4; k++) {
            put(r, s, 2);
            if (journal_roll(r->journal, &position, &err) != ERR_OK) return;
        }
        const uint64_t before = s->submitted;
        put(r, s, 1);
        sync_all(r, s);
        s->dropped = before;
        if (journal_truncate(r->journal, position, &err) != ERR_OK) return;
    }
}

/* ---- oracle ------------------------------------------------------------------------------- */

/* The last id found, after checking all of the oracle that needs no second start. */
static uint64_t check_found(const struct rig *r, const struct scenario *s, const char *where)
{
    uint64_t next = r->count > 0 ? r->entries[0].id : 1;
    ck_assert_msg(next <= s->dropped + 1, "%s, %s: ids 1..%llu lost", s->name, where,
                  (unsigned long long)next - 1);
    for (size_t i = 0; i < r->count; i++, next++) {
        ck_assert_msg(r->entries[i].id == next, "%s, %s: id %llu in the place of %llu", s->name,
                      where, (unsigned long long)r->entries[i].id, (unsigned long long)next);
        ck_assert(r->entries[i].is_intact);
        ck_assert(!r->entries[i].is_after_damage);
    }
    const uint64_t last = next - 1;
    ck_assert_msg(last >= s->durable, "%s, %s: found %llu ids, %llu were durable", s->name, where,
                  (unsigned long long)last, (unsigned long long)s->durable);
    ck_assert_msg(last <= s->submitted, "%s, %s: invented ids", s->name, where);
    return last;
}

static void open_on(struct rig *r, struct file_fault *disk, enum journal_mode mode)
{
    rig_init(r, disk, mode);
    ck_assert_int_eq(rig_open(r), ERR_OK);
    ck_assert_uint_eq(stat_get(&rig_stats(r)->corruptions), 0);
}

/* Opens `disk` (and owns it), checks, writes on, opens once more. Returns the last id found. */
static uint64_t check_image(struct file_fault *disk, struct scenario *s, const char *where)
{
    struct rig r;
    open_on(&r, disk, s->mode);
    const uint64_t last = check_found(&r, s, where);
    for (uint64_t id = last + 1; id <= last + 3; id++) {
        ck_assert_int_eq(rig_put(&r, id, PAYLOAD), ERR_OK);
    }
    ck_assert_int_eq(rig_close(&r), ERR_OK);
    ck_assert_int_eq(rig_open(&r), ERR_OK);
    ck_assert_uint_eq(stat_get(&rig_stats(&r)->corruptions), 0);
    ck_assert_uint_eq(r.entries[r.count - 1].id, last + 3);
    ck_assert_uint_eq(r.entries[r.count - 1].id - r.entries[0].id + 1, r.count);
    rig_deinit(&r);
    s->images++;
    return last;
}

/* Cut the power again at every step of the start itself. */
static void sweep_recovery(struct file_fault *image, struct scenario *s, uint64_t expected)
{
    for (uint64_t step = 1;; step++) {
        struct rig r;
        /* A reboot of an image on which nothing ran since is that image. */
        rig_init(&r, file_fault_reboot(image, 0), s->mode);
        file_fault_cut(r.disk, step);
        enum err_code code = rig_open(&r);
        const bool is_cut = file_fault_is_stopped(r.disk);
        ck_assert(is_cut || code == ERR_OK);
        for (uint64_t seed = 0; is_cut && seed < DEPTH2_IMAGES; seed++) {
            struct file_fault *again = file_fault_reboot(r.disk, step * 31 + seed);
            ck_assert_uint_eq(check_image(again, s, "cut in recovery"), expected);
        }
        rig_deinit(&r);
        if (!is_cut) return;
        s->recoveries_cut++;
    }
}

/* The process is killed at this point, the log opened, and then the power fails: what the start
 * found is durable from then on. */
static void check_kill(struct file_fault *disk, struct scenario *s, uint64_t seed)
{
    struct rig r;
    open_on(&r, file_fault_restart(disk), s->mode);
    const uint64_t last = check_found(&r, s, "kill");
    rig_power_cycle(&r, seed);
    ck_assert_int_eq(rig_open(&r), ERR_OK);
    ck_assert_uint_eq(stat_get(&rig_stats(&r)->corruptions), 0);
    ck_assert_uint_eq(check_found(&r, s, "power cut after a kill"), last);
    rig_deinit(&r);
    s->images++;
}

/* ---- the sweep ---------------------------------------------------------------------------- */

/* One run cut at `step`; false when it has fewer steps. */
static bool cut_at(struct scenario *s, uint64_t step)
{
    struct rig r;
    rig_init(&r, NULL, s->mode);
    s->submitted = s->durable = s->dropped = 0;
    file_fault_cut(r.disk, step);
    if (rig_open(&r) == ERR_OK) s->run(&r, s);
    const bool is_cut = file_fault_is_stopped(r.disk);
    if (is_cut) s->cuts++;
    (void)rig_close(&r); /* the disk does not take anything any more, or all is synced */
    for (uint64_t seed = 0; seed < IMAGES; seed++) {
        const uint64_t image_seed = seed < 2 ? seed : step * 1000 + seed;
        struct file_fault *image = file_fault_reboot(r.disk, image_seed);
        struct file_fault *copy = file_fault_reboot(image, 0);
        uint64_t last = check_image(image, s, "cut");
        if (seed < DEPTH2_IMAGES) sweep_recovery(copy, s, last);
        file_fault_destroy(copy);
        check_kill(r.disk, s, image_seed);
    }
    rig_deinit(&r);
    return is_cut;
}

static struct scenario scenarios[] = {
    { .name = "append, commit", .mode = JOURNAL_COMMIT, .run = run_append },
    { .name = "append, interval", .mode = JOURNAL_INTERVAL, .run = run_append },
    { .name = "append, off", .mode = JOURNAL_OFF, .run = run_append },
    { .name = "roll, commit", .mode = JOURNAL_COMMIT, .run = run_roll },
    { .name = "roll, off", .mode = JOURNAL_OFF, .run = run_roll },
    { .name = "checkpoint, commit", .mode = JOURNAL_COMMIT, .run = run_checkpoint },
    { .name = "checkpoint, interval", .mode = JOURNAL_INTERVAL, .run = run_checkpoint },
    { .name = "several lives", .mode = JOURNAL_COMMIT, .run = run_lives },
    { .name = "failed syncs and writes, commit", .mode = JOURNAL_COMMIT, .run = run_failures },
    { .name = "failed syncs and writes, interval", .mode = JOURNAL_INTERVAL, .run = run_failures },
    { .name = "truncate", .mode = JOURNAL_COMMIT, .run = run_truncate },
};
#define SCENARIOS (sizeof scenarios / sizeof scenarios[0])

START_TEST(power_cut_at_every_step_loses_nothing_durable_and_invents_nothing)
{
    struct scenario *s = &scenarios[_i];
    uint64_t step = 1;
    while (cut_at(s, step)) {
        step++;
    }
    ck_assert_uint_ge(s->cuts, 20);
    printf("wal_sweep: %s: %llu cut points, %llu images opened, %llu cuts in recovery, "
           "0 violations\n",
           s->name, (unsigned long long)s->cuts, (unsigned long long)s->images,
           (unsigned long long)s->recoveries_cut);
    (void)fflush(stdout);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_sweep");
    TCase *tc = tcase_create("power cuts");
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, power_cut_at_every_step_loses_nothing_durable_and_invents_nothing, 0,
                        (int)SCENARIOS);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
