/* SPDX-License-Identifier: Apache-2.0 */
#include "os/file_fault.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "fault_disk.h"

START_TEST(synced_file_with_synced_name_survives_every_image)
{
    struct file_fault *disk = file_fault_create(1);
    make_durable(disk, "a", "hello");
    struct file_fault *after = file_fault_reboot(disk, (uint64_t)_i);
    char text[16];
    ck_assert_int_eq(content_of(after, "/a", text, sizeof text), 5);
    ck_assert_str_eq(text, "hello");
    ck_assert_uint_eq(file_fault_open_count(after), 0);
    file_fault_destroy(after);
    file_fault_destroy(disk);
}
END_TEST

/* Over many seeds every outcome that may happen does, and none that may not. */
START_TEST(name_without_directory_sync_may_vanish_or_stay)
{
    struct file_fault *disk = file_fault_create(1);
    struct file *f = open_file(disk, "a", FILE_CREATE);
    ck_assert_int_eq(write_at(disk, f, "hello", 0), ERR_OK);
    ck_assert_int_eq(sync_file(disk, f), ERR_OK);
    unsigned gone = 0;
    for (uint64_t seed = 0; seed < IMAGE_SEEDS; seed++) {
        struct file_fault *after = file_fault_reboot(disk, seed);
        char text[16];
        int64_t n = content_of(after, "a", text, sizeof text);
        if (seed == 0) ck_assert_int_eq(n, -1);
        if (seed == 1) ck_assert_int_eq(n, 5);
        if (n < 0) gone++;
        if (n >= 0) ck_assert_str_eq(text, "hello");
        file_fault_destroy(after);
    }
    ck_assert_uint_gt(gone, 5);
    ck_assert_uint_lt(gone, IMAGE_SEEDS - 5);
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(unsynced_append_never_shortens_or_damages_what_was_synced)
{
    struct file_fault *disk = file_fault_create(1);
    make_durable(disk, "a", "durable-");
    char tail[3000];
    memset(tail, 'x', sizeof tail - 1);
    tail[sizeof tail - 1] = '\0';
    struct file *f = open_file(disk, "a", FILE_WRITE);
    ck_assert_int_eq(write_at(disk, f, tail, 8), ERR_OK);
    unsigned torn = 0, zeros = 0, whole = 0, absent = 0;
    for (uint64_t seed = 0; seed < 4 * IMAGE_SEEDS; seed++) {
        struct file_fault *after = file_fault_reboot(disk, seed);
        char text[4096];
        int64_t n = content_of(after, "a", text, sizeof text);
        ck_assert_int_ge(n, 8);
        ck_assert_int_le(n, 8 + 2999);
        ck_assert_int_eq(memcmp(text, "durable-", 8), 0);
        size_t new_bytes = 0, zero_bytes = 0;
        for (int64_t i = 8; i < n; i++) {
            new_bytes += text[i] == 'x';
            zero_bytes += text[i] == '\0';
        }
        absent += n == 8;
        whole += new_bytes == 2999;
        torn += new_bytes > 0 && new_bytes < 2999;
        zeros += zero_bytes > 0;
        file_fault_destroy(after);
    }
    ck_assert_uint_gt(absent, 0);
    ck_assert_uint_gt(whole, 0);
    ck_assert_uint_gt(torn, 0);
    ck_assert_uint_gt(zeros, 0);
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(rename_over_a_file_leaves_the_old_or_the_new_one)
{
    struct file_fault *disk = file_fault_create(1);
    make_durable(disk, "state", "old");
    struct file *f = open_file(disk, "state.tmp", FILE_CREATE);
    ck_assert_int_eq(write_at(disk, f, "new", 0), ERR_OK);
    ck_assert_int_eq(sync_file(disk, f), ERR_OK);
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    ck_assert_int_eq(rename_file(disk, "state.tmp", "state"), ERR_OK);
    unsigned old_count = 0, new_count = 0, both_count = 0;
    for (uint64_t seed = 0; seed < 4 * IMAGE_SEEDS; seed++) {
        struct file_fault *after = file_fault_reboot(disk, seed);
        char text[16];
        ck_assert_int_eq(content_of(after, "state", text, sizeof text), 3);
        old_count += strcmp(text, "old") == 0;
        new_count += strcmp(text, "new") == 0;
        both_count += strcmp(text, "new") == 0 && exists(after, "state.tmp");
        file_fault_destroy(after);
    }
    ck_assert_uint_eq(old_count + new_count, 4 * IMAGE_SEEDS);
    ck_assert_uint_gt(old_count, 0);
    ck_assert_uint_gt(new_count, both_count);
    ck_assert_uint_gt(both_count, 0);

    ck_assert_int_eq(sync_dir(disk, "."), ERR_OK);
    for (uint64_t seed = 0; seed < IMAGE_SEEDS; seed++) {
        struct file_fault *after = file_fault_reboot(disk, seed);
        char text[16];
        ck_assert_int_eq(content_of(after, "state", text, sizeof text), 3);
        ck_assert_str_eq(text, "new");
        ck_assert(!exists(after, "state.tmp"));
        file_fault_destroy(after);
    }
    file_fault_destroy(disk);
}
END_TEST

/* What is moved between directories is never lost, whichever directory was synced. */
START_TEST(directory_moved_and_its_parent_removed_is_somewhere)
{
    struct file_fault *disk = file_fault_create(1);
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    ck_assert_int_eq(l->mkdir(l->ctx, "old", &err), ERR_OK);
    ck_assert_int_eq(l->mkdir(l->ctx, "old/block", &err), ERR_OK);
    struct file *f = open_file(disk, "old/block/meta", FILE_CREATE);
    ck_assert_int_eq(write_at(disk, f, "m", 0), ERR_OK);
    ck_assert_int_eq(sync_file(disk, f), ERR_OK);
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    ck_assert_int_eq(sync_dir(disk, "old/block"), ERR_OK);
    ck_assert_int_eq(sync_dir(disk, "old"), ERR_OK);
    ck_assert_int_eq(sync_dir(disk, ""), ERR_OK);
    ck_assert_int_eq(rename_file(disk, "old/block", "block"), ERR_OK);
    ck_assert_int_eq(l->rmdir(l->ctx, "old", &err), ERR_OK);
    for (uint64_t seed = 0; seed < IMAGE_SEEDS; seed++) {
        struct file_fault *after = file_fault_reboot(disk, seed);
        bool is_old = exists(after, "old/block/meta");
        bool is_new = exists(after, "block/meta");
        ck_assert(is_old != is_new);
        if (!exists(after, "old")) ck_assert(is_new);
        file_fault_destroy(after);
    }
    file_fault_destroy(disk);
}
END_TEST

START_TEST(directory_sync_makes_the_changes_it_depends_on_durable)
{
    struct file_fault *disk = file_fault_create(1);
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    ck_assert_int_eq(l->mkdir(l->ctx, "d", &err), ERR_OK);
    ck_assert_int_eq(sync_dir(disk, "/"), ERR_OK);
    struct file *f = open_file(disk, "a", FILE_CREATE);
    ck_assert_int_eq(sync_file(disk, f), ERR_OK);
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    struct file *g = open_file(disk, "unrelated", FILE_CREATE);
    ck_assert_int_eq(close_file(disk, g), ERR_OK);
    ck_assert_int_eq(rename_file(disk, "a", "d/a"), ERR_OK);
    ck_assert_int_eq(sync_dir(disk, "d"), ERR_OK);
    struct file_fault *after = file_fault_reboot(disk, 0);
    ck_assert(exists(after, "d/a"));
    ck_assert(!exists(after, "a"));
    ck_assert(!exists(after, "unrelated"));
    file_fault_destroy(after);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(restart_keeps_everything_but_it_is_still_unsynced)
{
    struct file_fault *disk = file_fault_create(1);
    make_durable(disk, "a", "old");
    struct file *f = open_file(disk, "a", FILE_WRITE);
    ck_assert_int_eq(write_at(disk, f, "newer", 0), ERR_OK);
    struct file *g = open_file(disk, "b", FILE_CREATE);
    file_fault_stop(disk);
    (void)close_file(disk, f);
    (void)close_file(disk, g);

    struct file_fault *after = file_fault_restart(disk);
    char text[16];
    ck_assert_int_eq(content_of(after, "a", text, sizeof text), 5);
    ck_assert_str_eq(text, "newer");
    ck_assert(exists(after, "b"));
    ck_assert_uint_eq(file_fault_digest(after), file_fault_digest(disk));

    struct file_fault *later = file_fault_reboot(after, 0);
    ck_assert_int_eq(content_of(later, "a", text, sizeof text), 3);
    ck_assert_str_eq(text, "old");
    ck_assert(!exists(later, "b"));
    file_fault_destroy(later);
    file_fault_destroy(after);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(same_seed_gives_the_same_image)
{
    struct file_fault *disk = file_fault_create(7);
    struct rng rng;
    rng_init(&rng, (uint64_t)_i);
    for (unsigned i = 0; i < 20; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "f%u", i);
        struct file *f = open_file(disk, name, FILE_CREATE);
        char text[2000];
        size_t n = rng_below(&rng, sizeof text - 1) + 1;
        memset(text, 'a' + (int)(i % 26), n);
        text[n - 1] = '\0';
        ck_assert_int_eq(write_at(disk, f, text, rng_below(&rng, 100)), ERR_OK);
        if (rng_below(&rng, 2)) ck_assert_int_eq(sync_file(disk, f), ERR_OK);
        ck_assert_int_eq(close_file(disk, f), ERR_OK);
        if (rng_below(&rng, 4) == 0) ck_assert_int_eq(sync_dir(disk, "/"), ERR_OK);
    }
    uint64_t distinct = 0;
    uint64_t previous = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct file_fault *one = file_fault_reboot(disk, seed);
        struct file_fault *two = file_fault_reboot(disk, seed);
        ck_assert_uint_eq(file_fault_digest(one), file_fault_digest(two));
        distinct += file_fault_digest(one) != previous;
        previous = file_fault_digest(one);
        file_fault_destroy(one);
        file_fault_destroy(two);
    }
    ck_assert_uint_gt(distinct, 10);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(removed_file_stays_readable_while_open_and_may_come_back)
{
    struct file_fault *disk = file_fault_create(1);
    make_durable(disk, "a", "hello");
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    struct file *f = open_file(disk, "a", FILE_READ);
    ck_assert_int_eq(l->unlink(l->ctx, "a", &err), ERR_OK);
    char text[8] = { 0 };
    size_t n;
    ck_assert_int_eq(l->pread(l->ctx, f, text, 7, 0, &n, &err), ERR_OK);
    ck_assert_str_eq(text, "hello");
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    struct file_fault *after = file_fault_reboot(disk, 0);
    ck_assert_int_eq(content_of(after, "a", text, sizeof text), 5);
    file_fault_destroy(after);
    ck_assert_int_eq(sync_dir(disk, "/"), ERR_OK);
    after = file_fault_reboot(disk, 0);
    ck_assert(!exists(after, "a"));
    file_fault_destroy(after);
    file_fault_destroy(disk);
}
END_TEST

START_TEST(truncate_and_fallocate_are_unsynced_changes_of_size)
{
    struct file_fault *disk = file_fault_create(1);
    make_durable(disk, "a", "12345678");
    const struct file_layer *l = file_fault_layer(disk);
    struct err err = { 0 };
    struct file *f = open_file(disk, "a", FILE_WRITE);
    ck_assert_int_eq(l->truncate(l->ctx, f, 3, &err), ERR_OK);
    ck_assert_int_eq(l->fallocate(l->ctx, f, 0, 6, &err), ERR_OK);
    char text[16];
    ck_assert_int_eq(content_of(disk, "a", text, sizeof text), 6);
    ck_assert_int_eq(memcmp(text, "123\0\0\0", 6), 0);
    struct file_fault *after = file_fault_reboot(disk, 0);
    ck_assert_int_eq(content_of(after, "a", text, sizeof text), 8);
    file_fault_destroy(after);
    ck_assert_int_eq(sync_file(disk, f), ERR_OK);
    after = file_fault_reboot(disk, 0);
    ck_assert_int_eq(content_of(after, "a", text, sizeof text), 6);
    ck_assert_int_eq(memcmp(text, "123\0\0\0", 6), 0);
    file_fault_destroy(after);
    ck_assert_int_eq(close_file(disk, f), ERR_OK);
    file_fault_destroy(disk);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file_fault_images");
    TCase *images = tcase_create("images");
    tcase_set_timeout(images, 60);
    tcase_add_loop_test(images, synced_file_with_synced_name_survives_every_image, 0, 32);
    tcase_add_test(images, name_without_directory_sync_may_vanish_or_stay);
    tcase_add_test(images, unsynced_append_never_shortens_or_damages_what_was_synced);
    tcase_add_test(images, rename_over_a_file_leaves_the_old_or_the_new_one);
    tcase_add_test(images, directory_moved_and_its_parent_removed_is_somewhere);
    tcase_add_test(images, directory_sync_makes_the_changes_it_depends_on_durable);
    tcase_add_loop_test(images, same_seed_gives_the_same_image, 0, 4);
    tcase_add_test(images, restart_keeps_everything_but_it_is_still_unsynced);
    tcase_add_test(images, removed_file_stays_readable_while_open_and_may_come_back);
    tcase_add_test(images, truncate_and_fallocate_are_unsynced_changes_of_size);
    suite_add_tcase(suite, images);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
