/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

START_TEST(set_overwrites_everything_of_an_earlier_error)
{
    struct err err = { .os_errno = EIO, .offset = 7, .detail = "old" };
    ck_assert_int_eq(err_set(&err, ERR_LIMIT, "too many"), ERR_LIMIT);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_int_eq(err.os_errno, 0);
    ck_assert_uint_eq(err.offset, 0);
    ck_assert_str_eq(err.msg, "too many");
    ck_assert_str_eq(err.detail, "");
}
END_TEST

START_TEST(null_error_still_returns_the_code)
{
    ck_assert_int_eq(err_set(NULL, ERR_BUSY, "x"), ERR_BUSY);
    ck_assert_int_eq(err_setf(NULL, ERR_INVALID, "x", "%d", 1), ERR_INVALID);
    ck_assert_int_eq(err_set_os(NULL, ENOMEM, "x"), ERR_NOMEM);
}
END_TEST

START_TEST(detail_is_cut_and_terminated)
{
    char long_text[2 * ERR_DETAIL_SIZE];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    struct err err = { 0 };
    (void)err_setf(&err, ERR_INVALID, "bad", "%s", long_text);
    ck_assert_uint_eq(strlen(err.detail), ERR_DETAIL_SIZE - 1);
}
END_TEST

START_TEST(detail_may_quote_the_earlier_detail)
{
    struct err err = { 0 };
    (void)err_setf(&err, ERR_INVALID, "bad", "inner");
    (void)err_setf(&err, ERR_INVALID, "worse", "outer: %s", err.detail);
    ck_assert_str_eq(err.detail, "outer: inner");
}
END_TEST

static const struct {
    int os_errno;
    enum err_code code;
} errno_rows[] = {
    { ENOMEM, ERR_NOMEM },
    { ENOSPC, ERR_IO },
    { EIO, ERR_IO },
    { ENOENT, ERR_NOTFOUND },
    { EEXIST, ERR_CONFLICT },
    { EADDRINUSE, ERR_CONFLICT },
    { EAGAIN, ERR_BUSY },
    { ETIMEDOUT, ERR_TIMEOUT },
    { EACCES, ERR_DENIED },
    { EOPNOTSUPP, ERR_UNSUPPORTED },
    { ENOTEMPTY, ERR_CONFLICT },
    { EMFILE, ERR_IO },
};

START_TEST(errno_maps_to_a_code_and_is_kept)
{
    struct err err = { 0 };
    ck_assert_int_eq(err_set_os(&err, errno_rows[_i].os_errno, "x"), errno_rows[_i].code);
    ck_assert_int_eq(err.os_errno, errno_rows[_i].os_errno);
}
END_TEST

START_TEST(every_code_has_a_distinct_name)
{
    for (int a = 0; a < ERR_CODE_COUNT; a++) {
        ck_assert_int_eq(strncmp(err_name((enum err_code)a), "ERR_", 4), 0);
        ck_assert_str_ne(err_name((enum err_code)a), "ERR_UNKNOWN");
        for (int b = 0; b < a; b++) {
            ck_assert_str_ne(err_name((enum err_code)a), err_name((enum err_code)b));
        }
    }
}
END_TEST

START_TEST(text_joins_message_detail_and_system_error)
{
    char text[128];
    struct err err = { 0 };
    (void)err_setf(&err, ERR_INVALID, "bad label", "name \"x\"");
    err_text(&err, text, sizeof text);
    ck_assert_str_eq(text, "bad label: name \"x\"");
    (void)err_set_os(&err, ENOSPC, "cannot write file");
    err_text(&err, text, sizeof text);
    ck_assert_str_eq(text, "cannot write file (No space left on device)");
    err_text(&err, text, 8);
    ck_assert_str_eq(text, "cannot ");
}
END_TEST

static int release_count;
static void release(int *p)
{
    release_count += *p;
}
DEFINE_CLEANUP(release, int *)

static enum err_code take_or_fail(int *resource, int **out, enum err_code code)
{
    CLEANUP(release_p) int *held = resource;
    TRY(code);
    *out = TAKE(held);
    return ERR_OK;
}

START_TEST(cleanup_releases_on_failure_and_not_after_take)
{
    int resource = 1;
    int *out = NULL;
    release_count = 0;
    ck_assert_int_eq(take_or_fail(&resource, &out, ERR_IO), ERR_IO);
    ck_assert_int_eq(release_count, 1);
    ck_assert_ptr_null(out);
    ck_assert_int_eq(take_or_fail(&resource, &out, ERR_OK), ERR_OK);
    ck_assert_int_eq(release_count, 1);
    ck_assert_ptr_eq(out, &resource);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("err");
    TCase *tc = tcase_create("err");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, set_overwrites_everything_of_an_earlier_error);
    tcase_add_test(tc, null_error_still_returns_the_code);
    tcase_add_test(tc, detail_is_cut_and_terminated);
    tcase_add_test(tc, detail_may_quote_the_earlier_detail);
    tcase_add_loop_test(tc, errno_maps_to_a_code_and_is_kept, 0,
                        (int)(sizeof errno_rows / sizeof errno_rows[0]));
    tcase_add_test(tc, every_code_has_a_distinct_name);
    tcase_add_test(tc, text_joins_message_detail_and_system_error);
    tcase_add_test(tc, cleanup_releases_on_failure_and_not_after_take);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
