/* SPDX-License-Identifier: Apache-2.0
 *
 * The lower bound of the head on disk: old or new after a power cut, and never a wrong one.
 */
#include "metrics/bound_file.h"

#include <check.h>
#include <stdlib.h>

#include "os/file_fault.h"

#define DIR "data/metrics"
#define PATH DIR "/" BOUND_FILE_NAME

static struct file_fault *disk;
static const struct file_layer *files;

static void setup(void)
{
    disk = file_fault_create(1);
    files = file_fault_layer(disk);
    ck_assert_int_eq(file_mkdirs(files, DIR, NULL), ERR_OK);
}

static void teardown(void)
{
    ck_assert_uint_eq(file_fault_open_count(disk), 0);
    file_fault_destroy(disk);
}

static void write_bound(int64_t ms)
{
    ck_assert_int_eq(bound_file_write(files, DIR, ms, NULL), ERR_OK);
}

START_TEST(bound_is_read_back)
{
    static const int64_t values[] = { 1700006400000, 0, -7200000, INT64_MAX, INT64_MIN };
    int64_t got = 1;
    ck_assert_int_eq(bound_file_read(files, DIR, &got, NULL), ERR_NOTFOUND);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        write_bound(values[i]);
        ck_assert_int_eq(bound_file_read(files, DIR, &got, NULL), ERR_OK);
        ck_assert_int_eq(got, values[i]);
    }
}
END_TEST

START_TEST(bytes_are_those_of_the_header)
{
    static const uint8_t want[16] = { 'P', 'H', 'B',  'O',  1,    0,    0,    0,
                                      0,   8,   0xb8, 0xcf, 0x8b, 0x01, 0x00, 0x00 };
    uint8_t got[BOUND_FILE_SIZE];
    struct file *f = NULL;
    size_t n = 0;
    write_bound(0x018bcfb80800);
    ck_assert_int_eq(files->open(files->ctx, PATH, FILE_READ, &f, NULL), ERR_OK);
    ck_assert_int_eq(files->pread(files->ctx, f, got, sizeof got, 0, &n, NULL), ERR_OK);
    ck_assert_int_eq(files->close(files->ctx, f, NULL), ERR_OK);
    ck_assert_uint_eq(n, BOUND_FILE_SIZE);
    ck_assert_mem_eq(got, want, sizeof want);
}
END_TEST

START_TEST(every_flipped_bit_is_damage)
{
    int64_t got = 7;
    struct err err = { 0 };
    write_bound(1700006400000);
    for (uint64_t bit = 0; bit < 8 * BOUND_FILE_SIZE; bit++) {
        ck_assert(file_fault_flip(disk, PATH, bit));
        ck_assert_int_eq(bound_file_read(files, DIR, &got, &err), ERR_CORRUPT);
        ck_assert_ptr_nonnull(strstr(err.detail, PATH));
        ck_assert(file_fault_flip(disk, PATH, bit));
    }
    ck_assert_int_eq(got, 7);
}
END_TEST

START_TEST(every_other_size_is_damage)
{
    int64_t got = 7;
    for (uint64_t size = 0; size < 2 * BOUND_FILE_SIZE; size++) {
        struct file *f = NULL;
        if (size == BOUND_FILE_SIZE) continue;
        write_bound(1700006400000);
        ck_assert_int_eq(files->open(files->ctx, PATH, FILE_WRITE, &f, NULL), ERR_OK);
        ck_assert_int_eq(files->truncate(files->ctx, f, size, NULL), ERR_OK);
        ck_assert_int_eq(files->close(files->ctx, f, NULL), ERR_OK);
        ck_assert_int_eq(bound_file_read(files, DIR, &got, NULL), ERR_CORRUPT);
    }
    ck_assert_int_eq(got, 7);
}
END_TEST

START_TEST(power_loss_leaves_the_old_or_the_new_one)
{
    bool is_cut = true;
    for (uint64_t step = 1; is_cut; step++) {
        if (step > 1) setup();
        write_bound(1000);
        file_fault_cut(disk, step);
        enum err_code rc = bound_file_write(files, DIR, 2000, NULL);
        is_cut = file_fault_is_stopped(disk);
        for (uint64_t seed = 0; seed < 8; seed++) {
            int64_t got = 0;
            struct file_fault *image = file_fault_reboot(disk, seed);
            const struct file_layer *l = file_fault_layer(image);
            ck_assert_int_eq(bound_file_read(l, DIR, &got, NULL), ERR_OK);
            ck_assert(got == 2000 || (got == 1000 && rc != ERR_OK));
            file_fault_destroy(image);
        }
        if (is_cut) teardown();
    }
}
END_TEST

START_TEST(every_failing_call_leaves_the_old_or_the_new_one)
{
    uint64_t fired = 1;
    for (uint64_t call = 1; fired > 0; call++) {
        if (call > 1) setup();
        int64_t got = 0;
        write_bound(1000);
        file_fault_fail_op(disk, FAULT_ALL_OPS, call, FAULT_EIO, FAULT_ONCE);
        enum err_code rc = bound_file_write(files, DIR, 2000, NULL);
        fired = file_fault_fired(disk);
        file_fault_clear(disk);
        ck_assert_int_eq(bound_file_read(files, DIR, &got, NULL), ERR_OK);
        ck_assert(got == 2000 || (got == 1000 && rc != ERR_OK));
        write_bound(3000);
        ck_assert_int_eq(bound_file_read(files, DIR, &got, NULL), ERR_OK);
        ck_assert_int_eq(got, 3000);
        if (fired > 0) teardown();
    }
}
END_TEST

START_TEST(failing_read_is_not_taken_for_a_missing_file)
{
    int64_t got = 7;
    write_bound(1000);
    file_fault_fail_op(disk, FAULT_BIT(FAULT_OPEN), 1, FAULT_EMFILE, FAULT_ONCE);
    ck_assert_int_eq(bound_file_read(files, DIR, &got, NULL), ERR_IO);
    file_fault_fail_op(disk, FAULT_BIT(FAULT_READ), 1, FAULT_EIO, FAULT_ONCE);
    ck_assert_int_eq(bound_file_read(files, DIR, &got, NULL), ERR_IO);
    ck_assert_int_eq(got, 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bound_file");
    TCase *tc = tcase_create("bound_file");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, bound_is_read_back);
    tcase_add_test(tc, bytes_are_those_of_the_header);
    tcase_add_test(tc, every_flipped_bit_is_damage);
    tcase_add_test(tc, every_other_size_is_damage);
    tcase_add_test(tc, power_loss_leaves_the_old_or_the_new_one);
    tcase_add_test(tc, every_failing_call_leaves_the_old_or_the_new_one);
    tcase_add_test(tc, failing_read_is_not_taken_for_a_missing_file);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
