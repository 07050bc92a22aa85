/* SPDX-License-Identifier: Apache-2.0 */
#include "blobs/blobs_dir.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/file_fault.h"
#include "os/mem.h"

#define ROOT "data/blocks"

static struct mem_budget *mem;
static struct file_fault *disk;
static const struct file_layer *files;
static struct blobs *blobs;

static struct blobs *open_store(struct file_fault *d)
{
    struct blobs *b = NULL;
    ck_assert_int_eq(
        blobs_dir_create(file_fault_layer(d), mem_source_of(mem, MEM_SYSTEM), ROOT, &b, NULL),
        ERR_OK);
    return b;
}

static void setup(void)
{
    mem = mem_budget_create(64u << 20);
    disk = file_fault_create(1);
    files = file_fault_layer(disk);
    blobs = open_store(disk);
}

static void teardown(void)
{
    blobs_destroy(blobs);
    ck_assert_uint_eq(file_fault_open_count(disk), 0);
    file_fault_destroy(disk);
    ck_assert_uint_eq(mem_used(mem, MEM_SYSTEM), 0);
    mem_budget_destroy(mem);
}

/* ---- helpers ---- */

static enum err_code write_file(const struct file_layer *l, const char *dir, const char *name,
                                struct str text)
{
    char path[FILE_PATH_SIZE];
    struct file *f = NULL;
    TRY(file_join(path, dir, name, NULL));
    TRY(l->open(l->ctx, path, FILE_CREATE, &f, NULL));
    struct file_iovec iov = { text.ptr, text.len };
    enum err_code code = l->pwritev(l->ctx, f, &iov, 1, 0, NULL);
    if (code == ERR_OK) code = l->fdatasync(l->ctx, f, NULL);
    enum err_code close_code = l->close(l->ctx, f, NULL);
    return code != ERR_OK ? code : close_code;
}

/* A bundle of two files, one in a directory of its own. */
static enum err_code put_bundle(struct blobs *b, const char *name, const char *text)
{
    char path[FILE_PATH_SIZE], inner[FILE_PATH_SIZE];
    const struct file_layer *l = b->files;
    TRY(blobs_stage(b, str_of_z(name), path, NULL));
    TRY(write_file(l, path, "index", str_of_z(text)));
    TRY(file_join(inner, path, "chunks", NULL));
    TRY(l->mkdir(l->ctx, inner, NULL));
    TRY(write_file(l, inner, "000001", STR("chunk data")));
    return blobs_publish(b, str_of_z(name), NULL);
}

struct names {
    char text[512];
};

static enum err_code collect(void *arg, struct str name, struct err *err)
{
    struct names *n = arg;
    (void)err;
    size_t len = strlen(n->text);
    (void)snprintf(n->text + len, sizeof n->text - len, STR_FMT " ", STR_ARG(name));
    return ERR_OK;
}

static void assert_list(struct blobs *b, const char *expected)
{
    struct names n = { "" };
    ck_assert_int_eq(blobs_list(b, collect, &n, NULL), ERR_OK);
    ck_assert_str_eq(n.text, expected);
}

static void assert_content(struct blobs *b, const char *name, const char *file,
                           const char *expected)
{
    struct blob *blob = NULL;
    struct bytes map;
    char got[64] = "";
    ck_assert_int_eq(blobs_open(b, str_of_z(name), file, &blob, NULL), ERR_OK);
    ck_assert_uint_eq(blob->size_bytes, strlen(expected));
    ck_assert_int_eq(blob_read(blob, 0, got, strlen(expected), NULL), ERR_OK);
    ck_assert_str_eq(got, expected);
    ck_assert_int_eq(blob_map(blob, &map, NULL), ERR_OK);
    ck_assert_uint_eq(map.len, strlen(expected));
    ck_assert_mem_eq(map.ptr, expected, map.len);
    blob_close(blob);
}

/* ---- cases ---- */

START_TEST(staged_bundle_is_seen_only_when_published)
{
    char path[FILE_PATH_SIZE];
    ck_assert_int_eq(blobs_stage(blobs, STR("A1"), path, NULL), ERR_OK);
    ck_assert_int_eq(write_file(files, path, "index", STR("x")), ERR_OK);
    assert_list(blobs, "");
    struct blob *blob = NULL;
    ck_assert_int_eq(blobs_open(blobs, STR("A1"), "index", &blob, NULL), ERR_NOTFOUND);
    ck_assert_int_eq(blobs_publish(blobs, STR("A1"), NULL), ERR_OK);
    assert_list(blobs, "A1 ");
    assert_content(blobs, "A1", "index", "x");
}
END_TEST

START_TEST(list_is_sorted_and_skips_what_is_no_bundle)
{
    ck_assert_int_eq(put_bundle(blobs, "B", "b"), ERR_OK);
    ck_assert_int_eq(put_bundle(blobs, "A", "a"), ERR_OK);
    ck_assert_int_eq(write_file(files, ROOT, "notes", STR("by hand")), ERR_OK);
    ck_assert_int_eq(files->mkdir(files->ctx, ROOT "/lost+found", NULL), ERR_OK);
    assert_list(blobs, "A B ");
    assert_content(blobs, "B", "chunks/000001", "chunk data");
}
END_TEST

START_TEST(name_that_is_taken_is_refused_and_stays)
{
    ck_assert_int_eq(put_bundle(blobs, "A", "first"), ERR_OK);
    ck_assert_int_eq(put_bundle(blobs, "A", "second"), ERR_CONFLICT);
    assert_content(blobs, "A", "index", "first");
    ck_assert_int_eq(blobs_discard(blobs, STR("A"), NULL), ERR_OK);
    assert_content(blobs, "A", "index", "first");
}
END_TEST

START_TEST(bad_names_are_refused)
{
    static const char *const bad[] = { "", ".", "..", "a/b", "a.tmp", "a b", "\x80" };
    char path[FILE_PATH_SIZE];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(blobs_stage(blobs, str_of_z(bad[i]), path, NULL), ERR_INVALID);
        ck_assert_int_eq(blobs_remove(blobs, str_of_z(bad[i]), NULL), ERR_INVALID);
    }
    char long_name[BLOBS_NAME_MAX + 2];
    memset(long_name, 'x', sizeof long_name);
    ck_assert(blobs_name_is_valid((struct str){ long_name, BLOBS_NAME_MAX }));
    ck_assert(!blobs_name_is_valid((struct str){ long_name, BLOBS_NAME_MAX + 1 }));
}
END_TEST

START_TEST(open_blob_survives_removal)
{
    struct blob *blob = NULL;
    struct bytes map;
    char got[10];
    ck_assert_int_eq(put_bundle(blobs, "A", "text"), ERR_OK);
    ck_assert_int_eq(blobs_open(blobs, STR("A"), "chunks/000001", &blob, NULL), ERR_OK);
    ck_assert_int_eq(blobs_remove(blobs, STR("A"), NULL), ERR_OK);
    assert_list(blobs, "");
    ck_assert_int_eq(blob_read(blob, 6, got, 4, NULL), ERR_OK);
    ck_assert_mem_eq(got, "data", 4);
    ck_assert_int_eq(blob_map(blob, &map, NULL), ERR_OK);
    ck_assert_mem_eq(map.ptr, "chunk data", 10);
    blob_close(blob);
    ck_assert_int_eq(blobs_remove(blobs, STR("A"), NULL), ERR_NOTFOUND);
}
END_TEST

START_TEST(reading_past_the_end_is_corrupt)
{
    struct blob *blob = NULL;
    char got[32];
    struct err err = { 0 };
    ck_assert_int_eq(put_bundle(blobs, "A", "text"), ERR_OK);
    ck_assert_int_eq(blobs_open(blobs, STR("A"), "index", &blob, NULL), ERR_OK);
    ck_assert_int_eq(blob_read(blob, 2, got, 3, &err), ERR_CORRUPT);
    ck_assert_int_eq(blob_read(blob, 100, got, 1, &err), ERR_CORRUPT);
    ck_assert_uint_eq(err.offset, 100);
    blob_close(blob);
}
END_TEST

START_TEST(put_replaces_a_side_file_as_a_whole)
{
    ck_assert_int_eq(put_bundle(blobs, "A", "text"), ERR_OK);
    struct bytes one = bytes_of_str(STR("one")), two = bytes_of_str(STR("second"));
    ck_assert_int_eq(blobs_put(blobs, STR("A"), "marks", one, NULL), ERR_OK);
    assert_content(blobs, "A", "marks", "one");
    ck_assert_int_eq(blobs_put(blobs, STR("A"), "marks", two, NULL), ERR_OK);
    assert_content(blobs, "A", "marks", "second");
    assert_content(blobs, "A", "index", "text");
}
END_TEST

START_TEST(sweep_removes_what_was_staged)
{
    char path[FILE_PATH_SIZE];
    struct file_info info;
    ck_assert_int_eq(put_bundle(blobs, "A", "text"), ERR_OK);
    ck_assert_int_eq(blobs_stage(blobs, STR("B"), path, NULL), ERR_OK);
    ck_assert_int_eq(write_file(files, path, "index", STR("half")), ERR_OK);
    ck_assert_int_eq(blobs_sweep(blobs, NULL), ERR_OK);
    ck_assert_int_eq(files->stat(files->ctx, path, &info, NULL), ERR_NOTFOUND);
    assert_list(blobs, "A ");
}
END_TEST

/* What must hold after power loss at any step of: publish A, publish B, remove A. */
static void assert_whole_or_absent(struct blobs *b, const char *name)
{
    struct blob *blob = NULL;
    if (blobs_open(b, str_of_z(name), "index", &blob, NULL) == ERR_OK) {
        blob_close(blob);
        assert_content(b, name, "index", "text");
        assert_content(b, name, "chunks/000001", "chunk data");
        return;
    }
    struct names n = { "" };
    ck_assert_int_eq(blobs_list(b, collect, &n, NULL), ERR_OK);
    ck_assert_ptr_null(strstr(n.text, name));
}

struct progress {
    bool has_a, has_b, lost_a;
};

static struct progress scenario(struct blobs *b)
{
    struct progress p = { 0 };
    p.has_a = put_bundle(b, "A", "text") == ERR_OK;
    p.has_b = p.has_a && put_bundle(b, "B", "text") == ERR_OK;
    p.lost_a = p.has_b && blobs_remove(b, STR("A"), NULL) == ERR_OK;
    return p;
}

START_TEST(power_loss_at_every_step_leaves_whole_bundles)
{
    uint64_t steps = 0;
    for (bool is_cut = true; is_cut; steps++) {
        struct file_fault *d = file_fault_create(1);
        struct blobs *b = open_store(d);
        file_fault_cut(d, steps + 1);
        struct progress p = scenario(b);
        is_cut = file_fault_is_stopped(d);
        blobs_destroy(b);
        for (uint64_t seed = 0; seed < 8; seed++) {
            struct file_fault *after = file_fault_reboot(d, seed);
            struct blobs *again = open_store(after);
            ck_assert_int_eq(blobs_sweep(again, NULL), ERR_OK);
            assert_whole_or_absent(again, "A");
            assert_whole_or_absent(again, "B");
            struct names n = { "" };
            ck_assert_int_eq(blobs_list(again, collect, &n, NULL), ERR_OK);
            if (p.has_b) ck_assert_ptr_nonnull(strchr(n.text, 'B'));
            if (p.has_a && !p.has_b) ck_assert_ptr_nonnull(strchr(n.text, 'A'));
            if (p.lost_a) ck_assert_ptr_null(strchr(n.text, 'A'));
            ck_assert_int_eq(put_bundle(again, "C", "text"), ERR_OK);
            blobs_destroy(again);
            file_fault_destroy(after);
        }
        file_fault_destroy(d);
    }
    ck_assert_uint_gt(steps, 20);
}
END_TEST

START_TEST(every_failing_call_leaves_whole_bundles)
{
    uint64_t fired = 1;
    for (uint64_t step = 1; fired > 0; step++) {
        struct file_fault *d = file_fault_create(1);
        struct blobs *b = open_store(d);
        file_fault_fail_at(d, step, step % 2 ? FAULT_EIO : FAULT_ENOSPC, FAULT_ONCE);
        (void)scenario(b);
        fired = file_fault_fired(d);
        file_fault_clear(d);
        assert_whole_or_absent(b, "A");
        assert_whole_or_absent(b, "B");
        ck_assert_int_eq(blobs_sweep(b, NULL), ERR_OK);
        ck_assert_int_eq(put_bundle(b, "C", "text"), ERR_OK);
        assert_whole_or_absent(b, "A");
        blobs_destroy(b);
        ck_assert_uint_eq(file_fault_open_count(d), 0);
        file_fault_destroy(d);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("blobs_dir");
    TCase *tc = tcase_create("blobs_dir");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, staged_bundle_is_seen_only_when_published);
    tcase_add_test(tc, list_is_sorted_and_skips_what_is_no_bundle);
    tcase_add_test(tc, name_that_is_taken_is_refused_and_stays);
    tcase_add_test(tc, bad_names_are_refused);
    tcase_add_test(tc, open_blob_survives_removal);
    tcase_add_test(tc, reading_past_the_end_is_corrupt);
    tcase_add_test(tc, put_replaces_a_side_file_as_a_whole);
    tcase_add_test(tc, sweep_removes_what_was_staged);
    tcase_add_test(tc, power_loss_at_every_step_leaves_whole_bundles);
    tcase_add_test(tc, every_failing_call_leaves_whole_bundles);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
