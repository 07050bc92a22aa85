/* SPDX-License-Identifier: Apache-2.0 */
#include "os/file_fault.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault_disk.h"

START_TEST(cut_applies_the_last_call_as_unsynced_and_refuses_all_later_ones)
{
    struct file_fault *disk = file_fault_create(1);
    make_durable(disk, "a", "12345678");
    struct file *f = open_file(disk, "a", FILE_WRITE);
    file_fault_cut(disk, 2);
    ck_assert_int_eq(write_at(disk, f, "AB", 0), ERR_OK);
    ck_assert(!file_fault_is_stopped(disk));
    ck_assert_int_eq(write_at(disk, f, "CD", 2), ERR_IO);
    ck_assert(file_fault_is_stopped(disk));
    ck_assert_int_eq(write_at(disk, f, "EF", 4), ERR_IO);
    ck_assert_int_eq(sync_file(disk, f), ERR_IO);
    ck_assert(!exists(disk, "a"));
    ck_assert_int_eq(close_file(disk, f), ERR_IO);
    ck_assert_uint_eq(file_fault_open_count(disk), 0);

    char text[16];
    struct file_fault *nothing = file_fault_reboot(disk, 0);
    ck_assert_int_eq(content_of(nothing, "a", text, sizeof text), 8);
    ck_assert_str_eq(text, "12345678");
    struct file_fault *everything = file_fault_reboot(disk, 1);
    ck_assert_int_eq(content_of(everything, "a", text, sizeof text), 8);
    ck_assert_str_eq(text, "ABCD5678");
    file_fault_destroy(nothing);
    file_fault_destroy(everything);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(sync_under_way_at_the_cut_is_no_barrier)
{
    struct file_fault *disk = file_fault_create(1);
    make_durable(disk, "a", "old");
    struct file *f = open_file(disk, "a", FILE_WRITE);
    ck_assert_int_eq(write_at(disk, f, "new", 0), ERR_OK);
    file_fault_cut(disk, 1);
    ck_assert_int_eq(sync_file(disk, f), ERR_IO);
    (void)close_file(disk, f);
    struct file_fault *after = file_fault_reboot(disk, 0);
    char text[16];
    ck_assert_int_eq(content_of(after, "a", text, sizeof text), 3);
    ck_assert_str_eq(text, "old");
    file_fault_destroy(after);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(planned_fault_hits_the_nth_step_once_or_forever)
{
    bool forever = _i == 1;
    struct file_fault *disk = file_fault_create(1);
    struct file *f = open_file(disk, "a", FILE_CREATE);
    file_fault_fail_at(disk, 2, FAULT_ENOSPC, forever ? FAULT_FOREVER : FAULT_ONCE);
    ck_assert_int_eq(write_at(disk, f, "x", 0), ERR_OK);
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    struct file_iovec iov = { "y", 1 };
    ck_assert_int_eq(l->pwritev(l->ctx, f, &iov, 1, 1, &err), ERR_IO);
    ck_assert_int_eq(err.os_errno, ENOSPC);
    char text[8];
    ck_assert_int_eq(content_of(disk, "a", text, sizeof text), 1); /* reads are no steps */
    ck_assert_int_eq(write_at(disk, f, "z", 1), forever ? ERR_IO : ERR_OK);
    ck_assert_uint_eq(file_fault_fired(disk), forever ? 2 : 1);
    file_fault_clear(disk);
    ck_assert_int_eq(write_at(disk, f, "z", 1), ERR_OK);
    ck_assert_uint_eq(file_fault_steps(disk), 5);
    ck_assert_uint_eq(file_fault_calls(disk, FAULT_WRITE), 4);
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(plans_choose_their_kind_of_call_and_count_apart)
{
    struct file_fault *disk = file_fault_create(1);
    make_durable(disk, "a", "x");
    file_fault_fail_op(disk, FAULT_BIT(FAULT_RENAME), 1, FAULT_EIO, FAULT_ONCE);
    file_fault_fail_op(disk, FAULT_BIT(FAULT_OPEN), 2, FAULT_EMFILE, FAULT_ONCE);
    struct file *f = open_file(disk, "a", FILE_READ);
    ck_assert_int_eq(rename_file(disk, "a", "b"), ERR_IO);
    ck_assert(exists(disk, "a"));
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    struct file *g = NULL;
    ck_assert_int_eq(l->open(l->ctx, "a", FILE_READ, &g, &err), ERR_IO);
    ck_assert_int_eq(err.os_errno, EMFILE);
    ck_assert_ptr_null(g);
    ck_assert_int_eq(rename_file(disk, "a", "b"), ERR_OK);
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(failed_sync_may_lose_writes_that_a_later_sync_does_not_bring_back)
{
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < IMAGE_SEEDS; seed++) {
        struct file_fault *disk = file_fault_create(seed);
        make_durable(disk, "a", "old");
        struct file *f = open_file(disk, "a", FILE_WRITE);
        ck_assert_int_eq(write_at(disk, f, "new", 0), ERR_OK);
        file_fault_fail_op(disk, FAULT_BIT(FAULT_SYNC), 1, FAULT_EIO, FAULT_ONCE);
        ck_assert_int_eq(sync_file(disk, f), ERR_IO);
        ck_assert_int_eq(sync_file(disk, f), ERR_OK);
        ck_assert_int_eq(close_file(disk, f), ERR_OK);
        char text[8];
        ck_assert_int_eq(content_of(disk, "a", text, sizeof text), 3);
        ck_assert_str_eq(text, "new"); /* the page cache still has it */
        struct file_fault *after = file_fault_reboot(disk, 1);
        ck_assert_int_eq(content_of(after, "a", text, sizeof text), 3);
        lost += strcmp(text, "old") == 0;
        file_fault_destroy(after);
        file_fault_destroy(disk);
    }
    ck_assert_uint_gt(lost, IMAGE_SEEDS / 4);
    ck_assert_uint_lt(lost, IMAGE_SEEDS * 3 / 4);
}
END_TEST

START_TEST(lost_write_is_read_back_but_never_reaches_the_disk)
{
    struct file_fault *disk = file_fault_create(1);
    struct file *f = open_file(disk, "a", FILE_CREATE);
    file_fault_fail_op(disk, FAULT_BIT(FAULT_WRITE), 1, FAULT_LOST, FAULT_ONCE);
    ck_assert_int_eq(write_at(disk, f, "lost", 0), ERR_OK);
    ck_assert_int_eq(sync_file(disk, f), ERR_OK);
    ck_assert_int_eq(sync_dir(disk, "/"), ERR_OK);
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    char text[8];
    ck_assert_int_eq(content_of(disk, "a", text, sizeof text), 4);
    ck_assert_str_eq(text, "lost");
    struct file_fault *after = file_fault_reboot(disk, 1);
    ck_assert_int_eq(content_of(after, "a", text, sizeof text), 4);
    ck_assert_int_eq(memcmp(text, "\0\0\0\0", 4), 0);
    file_fault_destroy(after);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(lying_sync_is_no_barrier)
{
    struct file_fault *disk = file_fault_create(1);
    make_durable(disk, "a", "old");
    struct file *f = open_file(disk, "a", FILE_WRITE);
    ck_assert_int_eq(write_at(disk, f, "new", 0), ERR_OK);
    file_fault_fail_op(disk, FAULT_BIT(FAULT_SYNC), 1, FAULT_LOST, FAULT_ONCE);
    ck_assert_int_eq(sync_file(disk, f), ERR_OK);
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    struct file_fault *after = file_fault_reboot(disk, 0);
    char text[8];
    ck_assert_int_eq(content_of(after, "a", text, sizeof text), 3);
    ck_assert_str_eq(text, "old");
    file_fault_destroy(after);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(short_and_torn_writes_store_a_part_and_fail)
{
    enum file_fault_kind kind = _i == 0 ? FAULT_SHORT : FAULT_TORN;
    char text[4096];
    char in[4001];
    memset(in, 'x', sizeof in - 1);
    in[sizeof in - 1] = '\0';
    unsigned partial = 0;
    for (uint64_t seed = 0; seed < IMAGE_SEEDS; seed++) {
        struct file_fault *disk = file_fault_create(seed);
        struct file *f = open_file(disk, "a", FILE_CREATE);
        file_fault_fail_op(disk, FAULT_BIT(FAULT_WRITE), 1, kind, FAULT_ONCE);
        ck_assert_int_eq(write_at(disk, f, in, 0), ERR_IO);
        int64_t n = content_of(disk, "a", text, sizeof text);
        ck_assert_int_le(n, 4000);
        partial += n > 0 && n < 4000;
        if (kind == FAULT_SHORT) ck_assert_int_eq(memcmp(text, in, (size_t)n), 0);
        ck_assert_int_eq(close_file(disk, f), ERR_OK);
        file_fault_destroy(disk);
    }
    ck_assert_uint_gt(partial, 0);
}
END_TEST

START_TEST(read_fault_flips_one_bit_this_time_only)
{
    struct file_fault *disk = file_fault_create(1);
    make_durable(disk, "a", "hello");
    file_fault_fail_op(disk, FAULT_BIT(FAULT_READ), 1, FAULT_FLIP, FAULT_ONCE);
    char text[8];
    ck_assert_int_eq(content_of(disk, "a", text, sizeof text), 5);
    unsigned differing_bits = 0;
    for (size_t i = 0; i < 5; i++) {
        differing_bits += (unsigned)__builtin_popcount((unsigned)(text[i] ^ "hell"
                                                                            "o"[i]));
    }
    ck_assert_uint_eq(differing_bits, 1);
    ck_assert_int_eq(content_of(disk, "a", text, sizeof text), 5);
    ck_assert_str_eq(text, "hello");
    file_fault_destroy(disk);
}
END_TEST

START_TEST(misdirected_read_gives_the_next_sector_this_time_only)
{
    struct file_fault *disk = file_fault_create(1);
    char in[600];
    memset(in, 'a', sizeof in);
    memset(in + 512, 'b', sizeof in - 512);
    in[sizeof in - 1] = '\0';
    make_durable(disk, "a", in);
    file_fault_fail_op(disk, FAULT_BIT(FAULT_READ), 1, FAULT_MISREAD, FAULT_ONCE);
    char out[700];
    ck_assert_int_eq(content_of(disk, "a", out, sizeof out), 599);
    ck_assert_int_eq(out[0], 'b');
    ck_assert_int_eq(out[86], 'b');
    ck_assert_int_eq(out[87], '\0'); /* beyond the end */
    ck_assert_int_eq(content_of(disk, "a", out, sizeof out), 599);
    ck_assert_str_eq(out, in);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(media_flip_is_in_every_image)
{
    struct file_fault *disk = file_fault_create(1);
    make_durable(disk, "a", "hello");
    struct file *f = open_file(disk, "a", FILE_WRITE);
    ck_assert_int_eq(write_at(disk, f, "HELLO", 0), ERR_OK);
    ck_assert(file_fault_flip(disk, "a", 8 * 4));
    ck_assert(!file_fault_flip(disk, "a", 8 * 5));
    ck_assert(!file_fault_flip(disk, "b", 0));
    char text[8];
    ck_assert_int_eq(content_of(disk, "a", text, sizeof text), 5);
    ck_assert_str_eq(text, "HELLN");
    for (uint64_t seed = 0; seed < 2; seed++) {
        struct file_fault *after = file_fault_reboot(disk, seed);
        ck_assert_int_eq(content_of(after, "a", text, sizeof text), 5);
        ck_assert_str_eq(text, seed ? "HELLN" : "helln");
        file_fault_destroy(after);
    }
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(full_disk_refuses_growth_until_something_is_removed)
{
    struct file_fault *disk = file_fault_create(1);
    file_fault_set_capacity(disk, 10);
    make_durable(disk, "a", "12345678");
    struct file *f = open_file(disk, "b", FILE_CREATE);
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    struct file_iovec iov = { "abcd", 4 };
    ck_assert_int_eq(l->pwritev(l->ctx, f, &iov, 1, 0, &err), ERR_IO);
    ck_assert_int_eq(err.os_errno, ENOSPC);
    ck_assert_uint_eq(file_fault_used(disk), 10); /* what fitted */
    struct file_space space;
    ck_assert_int_eq(l->space(l->ctx, "/", &space, &err), ERR_OK);
    ck_assert_uint_eq(space.total_bytes, 10);
    ck_assert_uint_eq(space.free_bytes, 0);
    ck_assert_int_eq(l->fallocate(l->ctx, f, 0, 3, &err), ERR_IO);
    ck_assert_int_eq(write_at(disk, f, "AB", 0), ERR_OK); /* overwriting needs no space */
    ck_assert_int_eq(l->unlink(l->ctx, "a", &err), ERR_OK);
    ck_assert_int_eq(l->pwritev(l->ctx, f, &iov, 1, 2, &err), ERR_OK);
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(lock_excludes_names_its_holder_and_ends_with_the_process)
{
    struct file_fault *disk = file_fault_create(1);
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    struct file *held = NULL;
    struct file *second = NULL;
    ck_assert_int_eq(l->lock(l->ctx, "LOCK", STR("pid 17"), &held, &err), ERR_OK);
    ck_assert_int_eq(l->lock(l->ctx, "LOCK", STR("pid 18"), &second, &err), ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(err.detail, "pi"
                                             "d "
                                             "1"
                                             "7"));
    struct file_fault *after = file_fault_restart(disk);
    const struct file_layer *la = file_fault_layer(after);
    ck_assert_int_eq(la->lock(la->ctx, "LOCK", STR("pid 18"), &second, &err), ERR_OK);
    ck_assert_int_eq(la->close(la->ctx, second, &err), ERR_OK);
    ck_assert_int_eq(l->close(l->ctx, held, &err), ERR_OK);
    ck_assert_int_eq(l->lock(l->ctx, "LOCK", STR("pid 19"), &held, &err), ERR_OK);
    ck_assert_int_eq(l->close(l->ctx, held, &err), ERR_OK);
    file_fault_destroy(after);
    file_fault_destroy(disk);
}
END_TEST

/* A tiny store that follows the rules: a log of records "NNN\n", each synced before it counts as
 * acknowledged, and a state file replaced atomically. Every cut and image must keep both. */
static unsigned run_store(struct file_fault *disk, unsigned *out_state)
{
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    unsigned acknowledged = 0;
    *out_state = 0;
    struct file *f = NULL;
    if (file_mkdirs(l,
                    "da"
                    "ta"
                    "/w"
                    "a"
                    "l",
                    &err) != ERR_OK)
        return 0;
    if (l->open(l->ctx,
                "da"
                "ta"
                "/w"
                "al"
                "/"
                "0",
                FILE_CREATE, &f, &err) != ERR_OK)
        return 0;
    bool is_named = l->fsync_dir(l->ctx,
                                 "da"
                                 "ta"
                                 "/w"
                                 "a"
                                 "l",
                                 &err) == ERR_OK;
    for (unsigned i = 1; i <= 12 && is_named; i++) {
        char record[8];
        (void)snprintf(record, sizeof record,
                       "%0"
                       "3u"
                       "\n",
                       i);
        if (write_at(disk, f, record, (i - 1) * 4) != ERR_OK) break;
        if (sync_file(disk, f) != ERR_OK) break;
        acknowledged = i;
        if (i % 4 != 0) continue;
        struct bytes state = { (const uint8_t *)record, 4 };
        if (file_write_atomic(l, "data/state", state, &err) != ERR_OK) break;
        *out_state = i;
    }
    (void)close_file(disk, f);
    return acknowledged;
}

static void check_store(struct file_fault *disk, unsigned acknowledged, unsigned state)
{
    char text[256];
    char expected[8];
    int64_t n = content_of(disk,
                           "data/"
                           "wal/0",
                           text, sizeof text);
    if (acknowledged > 0) ck_assert_int_ge(n, acknowledged * 4);
    for (unsigned i = 1; i <= acknowledged; i++) {
        (void)snprintf(expected, sizeof expected,
                       "%0"
                       "3u"
                       "\n",
                       i);
        ck_assert_int_eq(memcmp(text + (i - 1) * 4, expected, 4), 0);
    }
    n = content_of(disk,
                   "data/"
                   "state",
                   text, sizeof text);
    if (state > 0) ck_assert_int_eq(n, 4);
    if (n == 4) ck_assert_uint_ge((unsigned)strtoul(text, NULL, 10), state);
}

START_TEST(store_that_follows_the_rules_survives_every_cut)
{
    uint64_t images = 0;
    for (uint64_t step = 1;; step++) {
        struct file_fault *disk = file_fault_create(3);
        file_fault_cut(disk, step);
        unsigned state;
        unsigned acknowledged = run_store(disk, &state);
        bool is_cut = file_fault_is_stopped(disk);
        for (uint64_t seed = 0; seed < 16; seed++) {
            struct file_fault *after = file_fault_reboot(disk, seed);
            check_store(after, acknowledged, state);
            file_fault_destroy(after);
            images++;
        }
        file_fault_destroy(disk);
        if (!is_cut) break;
    }
    ck_assert_uint_gt(images, 500);
}
END_TEST

/* The same store without the sync of the content before the rename is caught. */
START_TEST(store_that_breaks_the_rules_is_found_out)
{
    unsigned violations = 0;
    struct file_fault *disk = file_fault_create(3);
    make_durable(disk, "state", "old");
    struct file *f = open_file(disk, "state.tmp", FILE_CREATE);
    ck_assert_int_eq(write_at(disk, f, "new", 0), ERR_OK);
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    ck_assert_int_eq(rename_file(disk, "state.tmp", "state"), ERR_OK);
    ck_assert_int_eq(sync_dir(disk, "/"), ERR_OK);
    for (uint64_t seed = 0; seed < IMAGE_SEEDS; seed++) {
        struct file_fault *after = file_fault_reboot(disk, seed);
        char text[8];
        int64_t n = content_of(after, "state", text, sizeof text);
        violations += n != 3 || (strcmp(text, "old") != 0 && strcmp(text, "new") != 0);
        file_fault_destroy(after);
    }
    ck_assert_uint_gt(violations, 5);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(names_follow_the_rules_of_a_file_system)
{
    struct file_fault *disk = file_fault_create(1);
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    struct file *f = NULL;
    ck_assert_int_eq(l->open(l->ctx, "a", FILE_READ, &f, &err), ERR_NOTFOUND);
    make_durable(disk, "a", "x");
    ck_assert_int_eq(l->open(l->ctx, "a", FILE_CREATE, &f, &err), ERR_CONFLICT);
    ck_assert_int_eq(l->open(l->ctx, "no/a", FILE_CREATE, &f, &err), ERR_NOTFOUND);
    ck_assert_int_eq(l->open(l->ctx, "a/b", FILE_CREATE, &f, &err), ERR_IO);
    ck_assert_int_eq(err.os_errno, ENOTDIR);
    ck_assert_int_eq(l->mkdir(l->ctx, "d", &err), ERR_OK);
    ck_assert_int_eq(l->mkdir(l->ctx, "/d", &err), ERR_CONFLICT);
    ck_assert_int_eq(l->open(l->ctx, "d", FILE_WRITE, &f, &err), ERR_IO);
    ck_assert_int_eq(err.os_errno, EISDIR);
    ck_assert_int_eq(l->link(l->ctx, "a", "d/a", &err), ERR_OK);
    ck_assert_int_eq(l->link(l->ctx, "a", "d/a", &err), ERR_CONFLICT);
    ck_assert_int_eq(l->rmdir(l->ctx, "d", &err), ERR_CONFLICT);
    ck_assert_int_eq(err.os_errno, ENOTEMPTY);
    ck_assert_int_eq(l->unlink(l->ctx, "a", &err), ERR_OK);
    char text[8];
    ck_assert_int_eq(content_of(disk, "d/a", text, sizeof text), 1);
    ck_assert_int_eq(l->rename(l->ctx, "d", "d/e", &err), ERR_IO);
    ck_assert_int_eq(err.os_errno, EINVAL);
    ck_assert_int_eq(l->rename(l->ctx, "nothing", "x", &err), ERR_NOTFOUND);
    ck_assert_int_eq(l->unlink(l->ctx, "d/a", &err), ERR_OK);
    ck_assert_int_eq(l->rmdir(l->ctx, "d", &err), ERR_OK);
    ck_assert(!exists(disk, "d"));
    file_fault_destroy(disk);
}
END_TEST

START_TEST(mapping_is_a_stable_copy)
{
    struct file_fault *disk = file_fault_create(1);
    make_durable(disk, "a", "hello");
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    struct file *f = open_file(disk, "a", FILE_WRITE);
    const uint8_t *map = NULL;
    ck_assert_int_eq(l->mmap_ro(l->ctx, f, 6, &map, &err), ERR_IO);
    ck_assert_int_eq(l->mmap_ro(l->ctx, f, 5, &map, &err), ERR_OK);
    ck_assert_int_eq(write_at(disk, f, "HELLO", 0), ERR_OK);
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    ck_assert_int_eq(memcmp(map, "hello", 5), 0);
    ck_assert_uint_eq(file_fault_open_count(disk), 1);
    l->munmap(l->ctx, map, 5);
    ck_assert_uint_eq(file_fault_open_count(disk), 0);
    file_fault_destroy(disk);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file_fault");
    TCase *cuts = tcase_create("cuts");
    tcase_set_timeout(cuts, 60);
    tcase_add_test(cuts, cut_applies_the_last_call_as_unsynced_and_refuses_all_later_ones);
    tcase_add_test(cuts, sync_under_way_at_the_cut_is_no_barrier);
    tcase_add_test(cuts, store_that_follows_the_rules_survives_every_cut);
    tcase_add_test(cuts, store_that_breaks_the_rules_is_found_out);
    suite_add_tcase(suite, cuts);
    TCase *faults = tcase_create("faults");
    tcase_set_timeout(faults, 60);
    tcase_add_loop_test(faults, planned_fault_hits_the_nth_step_once_or_forever, 0, 2);
    tcase_add_test(faults, plans_choose_their_kind_of_call_and_count_apart);
    tcase_add_test(faults, failed_sync_may_lose_writes_that_a_later_sync_does_not_bring_back);
    tcase_add_test(faults, lost_write_is_read_back_but_never_reaches_the_disk);
    tcase_add_test(faults, lying_sync_is_no_barrier);
    tcase_add_loop_test(faults, short_and_torn_writes_store_a_part_and_fail, 0, 2);
    tcase_add_test(faults, read_fault_flips_one_bit_this_time_only);
    tcase_add_test(faults, misdirected_read_gives_the_next_sector_this_time_only);
    tcase_add_test(faults, media_flip_is_in_every_image);
    tcase_add_test(faults, full_disk_refuses_growth_until_something_is_removed);
    suite_add_tcase(suite, faults);
    TCase *calls = tcase_create("calls");
    tcase_set_timeout(calls, 60);
    tcase_add_test(calls, lock_excludes_names_its_holder_and_ends_with_the_process);
    tcase_add_test(calls, names_follow_the_rules_of_a_file_system);
    tcase_add_test(calls, mapping_is_a_stable_copy);
    suite_add_tcase(suite, calls);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
