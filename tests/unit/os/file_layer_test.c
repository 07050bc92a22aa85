/* SPDX-License-Identifier: Apache-2.0
 *
 * What both implementations of the file layer promise: each test runs on the real disk (_i == 0)
 * and on the in-memory one (_i == 1).
 */
#include "os/file_layer.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/file_fault.h"
#include "os/mem.h"

static const struct file_layer *l;
static struct file_fault *disk;
static char root[64];
static struct mem_budget *mem;

static void begin(int i)
{
    mem = mem_budget_create(64u << 20);
    (void)snprintf(root, sizeof root, "/tmp/pharos-files-XXXXXX");
    disk = NULL;
    if (i == 0) {
        l = file_layer_posix();
        ck_assert_ptr_nonnull(mkdtemp(root));
        return;
    }
    disk = file_fault_create(1);
    l = file_fault_layer(disk);
    struct err err = { 0 };
    ck_assert_int_eq(file_mkdirs(l, root, &err), ERR_OK);
}

static void end(void)
{
    struct err err = { 0 };
    ck_assert_int_eq(file_remove_tree(l, root, &err), ERR_OK);
    if (disk) ck_assert_uint_eq(file_fault_open_count(disk), 0);
    file_fault_destroy(disk);
    ck_assert_uint_eq(mem_live_count(mem), 0);
    mem_budget_destroy(mem);
}

/* "root/name"; valid until the next but seven. */
static const char *path(const char *name)
{
    static char paths[8][FILE_PATH_SIZE];
    static unsigned next;
    char *out = paths[next++ % 8];
    ck_assert_int_eq(file_join(out, root, name, NULL), ERR_OK);
    return out;
}

static struct file *open_ok(const char *name, enum file_mode mode)
{
    struct file *f = NULL;
    struct err err = { 0 };
    ck_assert_int_eq(l->open(l->ctx, path(name), mode, &f, &err), ERR_OK);
    return f;
}

static void write_ok(struct file *f, const char *text, uint64_t offset)
{
    struct file_iovec iov = { text, strlen(text) };
    ck_assert_int_eq(l->pwritev(l->ctx, f, &iov, 1, offset, NULL), ERR_OK);
}

static void expect(struct file *f, const char *text, size_t len)
{
    char out[256];
    size_t n;
    ck_assert_int_eq(l->pread(l->ctx, f, out, sizeof out, 0, &n, NULL), ERR_OK);
    ck_assert_uint_eq(n, len);
    ck_assert_int_eq(memcmp(out, text, len), 0);
}

START_TEST(gathered_writes_arrive_in_order)
{
    begin(_i);
    struct file *f = open_ok("a", FILE_CREATE);
    struct file_iovec iov[64];
    for (size_t i = 0; i < 64; i++) {
        iov[i] = (struct file_iovec){ "abcdefgh" + i % 8, i % 3 == 0 ? 0 : 1 };
    }
    ck_assert_int_eq(l->pwritev(l->ctx, f, iov, 64, 3, NULL), ERR_OK);
    char out[64] = { 0 };
    size_t n;
    ck_assert_int_eq(l->pread(l->ctx, f, out, sizeof out, 0, &n, NULL), ERR_OK);
    ck_assert_uint_eq(n, 3 + 42);
    ck_assert_int_eq(memcmp(out, "\0\0\0", 3), 0);
    size_t at = 3;
    for (size_t i = 0; i < 64; i++) {
        if (i % 3 != 0) ck_assert_int_eq(out[at++], "abcdefgh"[i % 8]);
    }
    ck_assert_int_eq(l->pwritev(l->ctx, f, NULL, 0, 0, NULL), ERR_OK);
    ck_assert_int_eq(l->close(l->ctx, f, NULL), ERR_OK);
    ck_assert_int_eq(l->close(l->ctx, NULL, NULL), ERR_OK);
    end();
}
END_TEST

START_TEST(reads_end_at_the_end_of_the_file)
{
    begin(_i);
    struct file *f = open_ok("a", FILE_CREATE);
    write_ok(f, "hello", 0);
    char out[8];
    size_t n;
    ck_assert_int_eq(l->pread(l->ctx, f, out, 8, 2, &n, NULL), ERR_OK);
    ck_assert_uint_eq(n, 3);
    ck_assert_int_eq(l->pread(l->ctx, f, out, 8, 5, &n, NULL), ERR_OK);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(l->pread(l->ctx, f, out, 8, 1000, &n, NULL), ERR_OK);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(l->close(l->ctx, f, NULL), ERR_OK);
    end();
}
END_TEST

START_TEST(modes_open_create_and_empty_as_said)
{
    begin(_i);
    struct file *f = NULL;
    struct err err = { 0 };
    ck_assert_int_eq(l->open(l->ctx, path("a"), FILE_READ, &f, &err), ERR_NOTFOUND);
    ck_assert_int_eq(err.os_errno, ENOENT);
    ck_assert_ptr_nonnull(strstr(err.detail, "/a"));
    ck_assert_int_eq(l->open(l->ctx, path("a"), FILE_WRITE, &f, &err), ERR_NOTFOUND);
    f = open_ok("a", FILE_CREATE);
    write_ok(f, "hello", 0);
    ck_assert_int_eq(l->close(l->ctx, f, NULL), ERR_OK);
    ck_assert_int_eq(l->open(l->ctx, path("a"), FILE_CREATE, &f, &err), ERR_CONFLICT);
    f = open_ok("a", FILE_WRITE);
    expect(f, "hello", 5);
    write_ok(f, "J", 0);
    ck_assert_int_eq(l->close(l->ctx, f, NULL), ERR_OK);
    f = open_ok("a", FILE_READ);
    expect(f, "Jello", 5);
    ck_assert_int_eq(l->close(l->ctx, f, NULL), ERR_OK);
    f = open_ok("a", FILE_TRUNCATE);
    expect(f, "", 0);
    ck_assert_int_eq(l->close(l->ctx, f, NULL), ERR_OK);
    f = open_ok("b", FILE_TRUNCATE);
    ck_assert_int_eq(l->close(l->ctx, f, NULL), ERR_OK);
    end();
}
END_TEST

START_TEST(truncate_fallocate_and_size_agree)
{
    begin(_i);
    struct file *f = open_ok("a", FILE_CREATE);
    write_ok(f, "12345678", 0);
    uint64_t size;
    ck_assert_int_eq(l->truncate(l->ctx, f, 3, NULL), ERR_OK);
    ck_assert_int_eq(l->size(l->ctx, f, &size, NULL), ERR_OK);
    ck_assert_uint_eq(size, 3);
    ck_assert_int_eq(l->truncate(l->ctx, f, 6, NULL), ERR_OK);
    expect(f, "123\0\0\0", 6);
    ck_assert_int_eq(l->fallocate(l->ctx, f, 2, 8, NULL), ERR_OK);
    expect(f, "123\0\0\0\0\0\0\0", 10);
    ck_assert_int_eq(l->fallocate(l->ctx, f, 0, 4, NULL), ERR_OK); /* inside: no change */
    ck_assert_int_eq(l->size(l->ctx, f, &size, NULL), ERR_OK);
    ck_assert_uint_eq(size, 10);
    ck_assert_int_eq(l->fdatasync(l->ctx, f, NULL), ERR_OK);
    ck_assert_int_eq(l->close(l->ctx, f, NULL), ERR_OK);
    struct file_info info;
    ck_assert_int_eq(l->stat(l->ctx, path("a"), &info, NULL), ERR_OK);
    ck_assert_uint_eq(info.size_bytes, 10);
    ck_assert(!info.is_dir);
    ck_assert_int_gt(info.mtime_ms, 1500000000000);
    ck_assert_int_eq(l->stat(l->ctx, root, &info, NULL), ERR_OK);
    ck_assert(info.is_dir);
    end();
}
END_TEST

static enum err_code collect_name(void *arg, const char *name, bool is_dir, struct err *err)
{
    char *out = arg;
    size_t len = strlen(out);
    if (strcmp(name, "stop") == 0) return err_set(err, ERR_CANCELLED, "stopped");
    (void)snprintf(out + len, 4096 - len, "%s%s ", name, is_dir ? "/" : "");
    return ERR_OK;
}

START_TEST(listing_is_sorted_by_bytes_and_stops_on_request)
{
    begin(_i);
    char out[4096] = { 0 };
    ck_assert_int_eq(l->list(l->ctx, root, collect_name, out, NULL), ERR_OK);
    ck_assert_str_eq(out, "");
    static const char *const names[] = { "b", "a", "B", "10", "9", "a.tmp", "\xc3\xa9" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_int_eq(l->close(l->ctx, open_ok(names[i], FILE_CREATE), NULL), ERR_OK);
    }
    ck_assert_int_eq(l->mkdir(l->ctx, path("c"), NULL), ERR_OK);
    ck_assert_int_eq(l->list(l->ctx, root, collect_name, out, NULL), ERR_OK);
    ck_assert_str_eq(out, "10 9 B a a.tmp b c/ \xc3\xa9 ");
    ck_assert_int_eq(l->close(l->ctx, open_ok("stop", FILE_CREATE), NULL), ERR_OK);
    out[0] = '\0';
    struct err err = { 0 };
    ck_assert_int_eq(l->list(l->ctx, root, collect_name, out, &err), ERR_CANCELLED);
    ck_assert_str_eq(err.msg, "stopped");
    ck_assert_int_eq(l->list(l->ctx, path("none"), collect_name, out, &err), ERR_NOTFOUND);
    end();
}
END_TEST

START_TEST(many_names_are_listed)
{
    begin(_i);
    for (unsigned i = 0; i < 3000; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "a-rather-long-file-name-%08u", i * 7919 % 3000);
        ck_assert_int_eq(l->close(l->ctx, open_ok(name, FILE_CREATE), NULL), ERR_OK);
    }
    static char out[4096];
    out[0] = '\0';
    ck_assert_int_eq(l->list(l->ctx, root, collect_name, out, NULL), ERR_OK);
    ck_assert_int_eq(strncmp(out, "a-rather-long-file-name-00000000 a-rather", 41), 0);
    end(); /* removes what it lists */
}
END_TEST

START_TEST(rename_link_and_unlink_move_names_not_content)
{
    begin(_i);
    struct file *f = open_ok("a", FILE_CREATE);
    write_ok(f, "one", 0);
    ck_assert_int_eq(l->close(l->ctx, f, NULL), ERR_OK);
    ck_assert_int_eq(l->link(l->ctx, path("a"), path("b"), NULL), ERR_OK);
    ck_assert_int_eq(l->link(l->ctx, path("a"), path("b"), NULL), ERR_CONFLICT);
    ck_assert_int_eq(l->unlink(l->ctx, path("a"), NULL), ERR_OK);
    ck_assert_int_eq(l->unlink(l->ctx, path("a"), NULL), ERR_NOTFOUND);
    f = open_ok("c", FILE_CREATE);
    write_ok(f, "two", 0);
    ck_assert_int_eq(l->rename(l->ctx, path("b"), path("c"), NULL), ERR_OK);
    expect(f, "two", 3); /* the replaced file lives while it is open */
    ck_assert_int_eq(l->close(l->ctx, f, NULL), ERR_OK);
    f = open_ok("c", FILE_READ);
    expect(f, "one", 3);
    ck_assert_int_eq(l->close(l->ctx, f, NULL), ERR_OK);
    ck_assert_int_eq(l->fsync_dir(l->ctx, root, NULL), ERR_OK);
    ck_assert_int_eq(l->fsync_dir(l->ctx, path("none"), NULL), ERR_NOTFOUND);
    ck_assert_int_eq(l->rename(l->ctx, path("none"), path("x"), NULL), ERR_NOTFOUND);
    end();
}
END_TEST

START_TEST(directories_are_made_moved_and_removed_when_empty)
{
    begin(_i);
    struct err err = { 0 };
    ck_assert_int_eq(l->mkdir(l->ctx, path("d"), NULL), ERR_OK);
    ck_assert_int_eq(l->mkdir(l->ctx, path("d"), &err), ERR_CONFLICT);
    ck_assert_int_eq(l->mkdir(l->ctx, path("x/y"), &err), ERR_NOTFOUND);
    ck_assert_int_eq(l->close(l->ctx, open_ok("d/f", FILE_CREATE), NULL), ERR_OK);
    ck_assert_int_eq(l->rmdir(l->ctx, path("d"), &err), ERR_CONFLICT);
    ck_assert_int_eq(l->mkdir(l->ctx, path("e"), NULL), ERR_OK);
    ck_assert_int_eq(l->rename(l->ctx, path("d"), path("e"), NULL), ERR_OK); /* e is empty */
    ck_assert_int_eq(l->mkdir(l->ctx, path("d"), NULL), ERR_OK);
    ck_assert_int_eq(l->rename(l->ctx, path("d"), path("e"), &err), ERR_CONFLICT);
    ck_assert_int_eq(err.os_errno, ENOTEMPTY);
    ck_assert_int_eq(l->unlink(l->ctx, path("e/f"), NULL), ERR_OK);
    ck_assert_int_eq(l->rmdir(l->ctx, path("e"), NULL), ERR_OK);
    end();
}
END_TEST

START_TEST(mapping_shows_the_content_after_close)
{
    begin(_i);
    struct file *f = open_ok("a", FILE_CREATE);
    write_ok(f, "mapped", 0);
    const uint8_t *map = NULL;
    ck_assert_int_eq(l->mmap_ro(l->ctx, f, 6, &map, NULL), ERR_OK);
    ck_assert_int_eq(l->close(l->ctx, f, NULL), ERR_OK);
    ck_assert_int_eq(memcmp(map, "mapped", 6), 0);
    l->munmap(l->ctx, map, 6);
    end();
}
END_TEST

START_TEST(space_is_reported)
{
    begin(_i);
    struct file_space space = { 0 };
    ck_assert_int_eq(l->space(l->ctx, root, &space, NULL), ERR_OK);
    ck_assert_uint_gt(space.total_bytes, 0);
    ck_assert_uint_le(space.free_bytes, space.total_bytes);
    end();
}
END_TEST

START_TEST(lock_is_exclusive_and_tells_its_holder)
{
    begin(_i);
    struct file *a = NULL;
    struct file *b = NULL;
    struct err err = { 0 };
    ck_assert_int_eq(l->lock(l->ctx, path("LOCK"), STR("pid 1 of a longer note"), &a, &err),
                     ERR_OK);
    ck_assert_int_eq(l->lock(l->ctx, path("LOCK"), STR("pid 2"), &b, &err), ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(err.detail, "pid 1 of a longer note"));
    ck_assert_int_eq(l->close(l->ctx, a, NULL), ERR_OK);
    ck_assert_int_eq(l->lock(l->ctx, path("LOCK"), STR("pid 2"), &b, &err), ERR_OK);
    ck_assert_int_eq(l->lock(l->ctx, path("LOCK"), STR("pid 3"), &a, &err), ERR_BUSY);
    size_t len = strlen(err.detail);
    ck_assert_str_eq(err.detail + len - 7, ": pid 2"); /* nothing left of the longer note */
    ck_assert_int_eq(l->close(l->ctx, b, NULL), ERR_OK);
    end();
}
END_TEST

START_TEST(whole_files_are_written_atomically_and_read_back)
{
    begin(_i);
    struct err err = { 0 };
    struct bytes in = bytes_of_str(STR("content"));
    ck_assert_int_eq(file_mkdirs(l, path("x/y//z/"), &err), ERR_OK);
    ck_assert_int_eq(file_mkdirs(l, path("x/y/z"), &err), ERR_OK);
    ck_assert_int_eq(file_write_atomic(l, path("x/y/z/f"), in, &err), ERR_OK);
    ck_assert_int_eq(file_write_atomic(l, path("x/y/z/f"), in, &err), ERR_OK);
    ck_assert_int_eq(file_write_atomic(l, path("x/y/z/empty"), (struct bytes){ 0 }, &err), ERR_OK);
    ck_assert_int_eq(file_write_atomic(l, path("none/f"), in, &err), ERR_NOTFOUND);
    ck_assert_int_eq(file_mkdirs(l, path("x/y/z/f"), &err), ERR_CONFLICT);
    ck_assert_int_ne(file_mkdirs(l, path("x/y/z/f/g"), &err), ERR_OK);
    const struct mem_source *s = mem_source_of(mem, MEM_SYSTEM);
    struct bytes out;
    ck_assert_int_eq(file_read_all(l, path("x/y/z/f"), s, 7, &out, &err), ERR_OK);
    ck_assert(str_eq(str_of_bytes(out), STR("content")));
    s->free(s->ctx, (void *)(uintptr_t)out.ptr, out.len);
    ck_assert_int_eq(file_read_all(l, path("x/y/z/empty"), s, 7, &out, &err), ERR_OK);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_int_eq(file_read_all(l, path("x/y/z/f"), s, 6, &out, &err), ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.detail, "x/y/z/f"));
    ck_assert_int_eq(file_read_all(l, path("none"), s, 6, &out, &err), ERR_NOTFOUND);
    ck_assert_int_eq(file_remove_tree(l, path("x/y/z/f"), &err), ERR_OK);
    ck_assert_int_eq(file_remove_tree(l, path("x"), &err), ERR_OK);
    ck_assert_int_eq(file_remove_tree(l, path("x"), &err), ERR_OK);
    end();
}
END_TEST

START_TEST(paths_are_limited)
{
    begin(_i);
    static char name[FILE_PATH_SIZE + 10];
    memset(name, 'a', sizeof name - 1);
    char out[FILE_PATH_SIZE];
    struct err err = { 0 };
    ck_assert_int_eq(file_join(out, "/dir", name, &err), ERR_LIMIT);
    ck_assert_int_eq(file_mkdirs(l, name, &err), ERR_LIMIT);
    ck_assert_int_eq(file_remove_tree(l, name, &err), ERR_LIMIT);
    ck_assert_int_eq(file_write_atomic(l, name, (struct bytes){ 0 }, &err), ERR_LIMIT);
    name[300] = '\0';
    struct file *f = NULL;
    ck_assert_int_eq(l->open(l->ctx, path(name), FILE_CREATE, &f, &err), ERR_LIMIT);
    end();
}
END_TEST

/* On the in-memory disk only. */
static enum err_code replace(struct file_fault *d)
{
    const struct file_layer *layer = file_fault_layer(d);
    struct err err = { 0 };
    TRY(file_mkdirs(layer, "a/b", &err));
    TRY(file_write_atomic(layer, "a/b/f", bytes_of_str(STR("old")), &err));
    return file_write_atomic(layer, "a/b/f", bytes_of_str(STR("new!")), &err);
}

START_TEST(failed_replacement_leaves_the_old_or_the_new_file_and_no_temporary)
{
    enum file_fault_mode mode = _i ? FAULT_FOREVER : FAULT_ONCE;
    for (uint64_t n = 1;; n++) {
        struct file_fault *d = file_fault_create(n);
        file_fault_fail_at(d, n, n % 2 ? FAULT_EIO : FAULT_SHORT, mode);
        enum err_code code = replace(d);
        bool fired = file_fault_fired(d) > 0;
        if (!fired) ck_assert_int_eq(code, ERR_OK);
        if (fired) ck_assert_int_eq(code, ERR_IO);
        file_fault_clear(d);
        const struct file_layer *layer = file_fault_layer(d);
        struct mem_budget *budget = mem_budget_create(1u << 20);
        const struct mem_source *s = mem_source_of(budget, MEM_SYSTEM);
        struct bytes out = { 0 };
        if (file_read_all(layer, "a/b/f", s, 100, &out, NULL) == ERR_OK) {
            ck_assert(str_eq(str_of_bytes(out), STR("old")) ||
                      str_eq(str_of_bytes(out), STR("new!")));
            s->free(s->ctx, (void *)(uintptr_t)out.ptr, out.len);
        }
        struct file_info info;
        if (mode == FAULT_ONCE) {
            ck_assert_int_eq(layer->stat(layer->ctx, "a/b/f.tmp", &info, NULL), ERR_NOTFOUND);
        }
        ck_assert_uint_eq(file_fault_open_count(d), 0);
        mem_budget_destroy(budget);
        file_fault_destroy(d);
        if (!fired) break;
    }
}
END_TEST

START_TEST(read_errors_give_the_memory_back)
{
    struct file_fault *d = file_fault_create(1);
    ck_assert_int_eq(replace(d), ERR_OK);
    const struct file_layer *layer = file_fault_layer(d);
    struct mem_budget *budget = mem_budget_create(1u << 20);
    const struct mem_source *s = mem_source_of(budget, MEM_SYSTEM);
    struct bytes out;
    uint32_t ops[] = { FAULT_BIT(FAULT_OPEN), FAULT_BIT(FAULT_STAT), FAULT_BIT(FAULT_READ) };
    for (size_t i = 0; i < 3; i++) {
        file_fault_fail_op(d, ops[i], 1, FAULT_EIO, FAULT_ONCE);
        ck_assert_int_eq(file_read_all(layer, "a/b/f", s, 100, &out, NULL), ERR_IO);
    }
    mem_test_fail_at(budget, 1, MEM_FAIL_ONCE);
    ck_assert_int_eq(file_read_all(layer, "a/b/f", s, 100, &out, NULL), ERR_NOMEM);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    ck_assert_uint_eq(file_fault_open_count(d), 0);
    mem_budget_destroy(budget);
    file_fault_destroy(d);
}
END_TEST

START_TEST(too_deep_trees_are_not_followed)
{
    struct file_fault *d = file_fault_create(1);
    const struct file_layer *layer = file_fault_layer(d);
    char deep[200];
    size_t n = 0;
    for (int i = 0; i < 40; i++) {
        n += (size_t)snprintf(deep + n, sizeof deep - n, "%sd", i ? "/" : "");
    }
    ck_assert_int_eq(file_mkdirs(layer, deep, NULL), ERR_OK);
    ck_assert_int_eq(file_remove_tree(layer, "d", NULL), ERR_LIMIT);
    file_fault_destroy(d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file_layer");
    TCase *tc = tcase_create("file_layer");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, gathered_writes_arrive_in_order, 0, 2);
    tcase_add_loop_test(tc, reads_end_at_the_end_of_the_file, 0, 2);
    tcase_add_loop_test(tc, modes_open_create_and_empty_as_said, 0, 2);
    tcase_add_loop_test(tc, truncate_fallocate_and_size_agree, 0, 2);
    tcase_add_loop_test(tc, listing_is_sorted_by_bytes_and_stops_on_request, 0, 2);
    tcase_add_loop_test(tc, many_names_are_listed, 0, 2);
    tcase_add_loop_test(tc, rename_link_and_unlink_move_names_not_content, 0, 2);
    tcase_add_loop_test(tc, directories_are_made_moved_and_removed_when_empty, 0, 2);
    tcase_add_loop_test(tc, mapping_shows_the_content_after_close, 0, 2);
    tcase_add_loop_test(tc, space_is_reported, 0, 2);
    tcase_add_loop_test(tc, lock_is_exclusive_and_tells_its_holder, 0, 2);
    tcase_add_loop_test(tc, whole_files_are_written_atomically_and_read_back, 0, 2);
    tcase_add_loop_test(tc, paths_are_limited, 0, 2);
    tcase_add_loop_test(tc, failed_replacement_leaves_the_old_or_the_new_file_and_no_temporary, 0,
                        2);
    tcase_add_test(tc, read_errors_give_the_memory_back);
    tcase_add_test(tc, too_deep_trees_are_not_followed);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
