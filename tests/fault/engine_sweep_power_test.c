/* SPDX-License-Identifier: Apache-2.0
 *
 * Crash-point sweep of the whole metrics engine: append and group commit, segment roll, chunk
 * files, checkpoint, cut of the head into blocks, truncation, removal of series, retention, close
 * and start. At every step k of the story
 *     the power is cut: several images of the disk are opened;
 *     the process is killed: the disk is opened as it is, and then the power is cut as well;
 *     starts are cut again at one of their own steps, after which the same must be found.
 * Oracle: engine_sweep_rig.h, reliability.md section 4.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine_sweep_rig.h"

#define IMAGES 8u      /* per cut; the first holds nothing unsynced, the second all of it */
#define ALL_UP_TO 600u /* then every third step */
#define MANY_STEPS 1500u
#define START_STEPS 14u /* of a start: where it is cut */
#define PARTS 6         /* tests, each with its share of the steps */

static const struct {
    const char *name;
    enum journal_mode mode;
} MODES[] = { { "commit", JOURNAL_COMMIT }, { "interval", JOURNAL_INTERVAL } };

struct counts {
    uint64_t cuts, images, kills, starts_cut;
};

static void open_whole(struct sweep *r, const char *where)
{
    enum err_code rc = sweep_open(r);
    ck_assert_msg(rc == ERR_OK, "%s: start: %s %s", where, r->err.msg, r->err.detail);
    sweep_check_sound(r, where);
}

/* Cut the start on `image` at `step`; what it had found before must be found afterwards. */
static void cut_start(struct file_fault *image, const struct sweep *before, uint64_t step,
                      struct counts *n)
{
    struct sweep r;
    /* A reboot of an image on which nothing ran since is that image. */
    sweep_init(&r, file_fault_reboot(image, 0), before->mode, &before->model);
    file_fault_cut(r.disk, step);
    enum err_code rc = sweep_open(&r);
    bool is_cut = file_fault_is_stopped(r.disk);
    ck_assert(is_cut || rc == ERR_OK);
    sweep_power_cycle(&r, step % 3);
    open_whole(&r, "start after a cut start");
    (void)sweep_check(&r, SWEEP_DURABLE, "start after a cut start");
    sweep_deinit(&r);
    n->starts_cut += is_cut;
}

/* `disk` is owned. */
static void check_power(struct file_fault *disk, const struct sweep *story, uint64_t step,
                        uint64_t seed, struct counts *n)
{
    struct sweep r;
    char where[96];
    (void)snprintf(where, sizeof where, "power cut at %llu, image %llu", (unsigned long long)step,
                   (unsigned long long)seed);
    struct file_fault *copy = file_fault_reboot(disk, 0);
    sweep_init(&r, disk, story->mode, &story->model);
    open_whole(&r, where);
    (void)sweep_check(&r, SWEEP_DURABLE, where);
    sweep_adopt(&r);
    if (seed % 4 == step % 4) {
        cut_start(copy, &r, 1 + step % START_STEPS, n);
        sweep_check_writable(&r, where);
    }
    sweep_deinit(&r);
    file_fault_destroy(copy);
    n->images++;
}

/* What the start after a kill has found must survive a power cut from then on, also when the
 * journal was shortened on the strength of it. */
static void check_kill(struct file_fault *disk, const struct sweep *story, uint64_t step,
                       struct counts *n)
{
    struct sweep r;
    char where[96];
    (void)snprintf(where, sizeof where, "kill at %llu", (unsigned long long)step);
    sweep_init(&r, file_fault_restart(disk), story->mode, &story->model);
    open_whole(&r, where);
    (void)sweep_check(&r, SWEEP_ACKED, where);
    sweep_adopt(&r);
    if (step % 4 != 0) sweep_write_on(&r);
    (void)snprintf(where, sizeof where, "kill at %llu, then power cut", (unsigned long long)step);
    sweep_power_cycle(&r, step % 5 == 0 ? step : 0);
    open_whole(&r, where);
    (void)sweep_check(&r, SWEEP_DURABLE, where);
    if (step % 7 == 0) sweep_check_writable(&r, where);
    sweep_deinit(&r);
    n->kills++;
}

/* One run cut at `step`; false when it has fewer steps. */
static bool cut_at(enum journal_mode mode, uint64_t step, struct counts *n)
{
    struct sweep r;
    sweep_init(&r, NULL, mode, NULL);
    file_fault_cut(r.disk, step);
    bool is_whole = sweep_open(&r) == ERR_OK && sweep_story(&r);
    /* Closing is part of the story. */
    struct sweep_model before = r.model;
    bool is_closed = sweep_close(&r) == ERR_OK && is_whole;
    bool is_cut = file_fault_is_stopped(r.disk);
    ck_assert(is_cut || is_closed);
    r.model = before;
    n->cuts += is_cut;
    for (uint64_t i = 0; is_cut && i < IMAGES; i++) {
        uint64_t seed = i < 2 ? i : step * IMAGES + i;
        check_power(file_fault_reboot(r.disk, seed), &r, step, seed, n);
    }
    if (is_cut) check_kill(r.disk, &r, step, n);
    sweep_deinit(&r);
    return is_cut;
}

static uint64_t count_steps(enum journal_mode mode)
{
    struct sweep r;
    sweep_init(&r, NULL, mode, NULL);
    ck_assert_int_eq(sweep_open(&r), ERR_OK);
    ck_assert(sweep_story(&r));
    (void)sweep_check(&r, SWEEP_ACKED, "undisturbed");
    ck_assert_int_eq(sweep_close(&r), ERR_OK);
    uint64_t steps = file_fault_steps(r.disk);
    sweep_deinit(&r);
    return steps;
}

START_TEST(nothing_acknowledged_is_lost_at_any_step)
{
    enum journal_mode mode = MODES[_i / PARTS].mode;
    struct counts n = { 0 };
    uint64_t steps = count_steps(mode);
    const char *only = getenv("PHAROS_SWEEP_STEP");
    uint64_t step = 1 + (uint64_t)(_i % PARTS);
    if (only != NULL) {
        (void)cut_at(mode, strtoull(only, NULL, 10), &n);
        return;
    }
    while (cut_at(mode, step, &n))
        step += steps > MANY_STEPS && step > ALL_UP_TO ? 3 * PARTS : PARTS;
    printf("# engine power cuts, %s, part %d of %d: %llu steps, %llu cut points, %llu images, "
           "%llu kills, %llu starts cut again, 0 violations\n",
           MODES[_i / PARTS].name, _i % PARTS + 1, PARTS, (unsigned long long)steps,
           (unsigned long long)n.cuts, (unsigned long long)n.images, (unsigned long long)n.kills,
           (unsigned long long)n.starts_cut);
    (void)fflush(stdout);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_sweep_power");
    TCase *tc = tcase_create("power cuts");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, nothing_acknowledged_is_lost_at_any_step, 0,
                        PARTS * (int)(sizeof MODES / sizeof MODES[0]));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
