/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/wal_table.h"

#include <check.h>

static struct wal_table table;

static void add(uint64_t number, uint64_t end_position, bool continues)
{
    const struct wal_row row = { .first = number,
                                 .last = number,
                                 .end_position = end_position,
                                 .bytes = 10,
                                 .continues = continues };
    wal_table_add(&table, &row);
}

static void fresh(void)
{
    table = (struct wal_table){ 0 };
}

START_TEST(last_segment_is_never_droppable)
{
    ck_assert_uint_eq(wal_table_droppable(&table, UINT64_MAX), 0);
    add(3, 100, false);
    ck_assert_uint_eq(wal_table_droppable(&table, UINT64_MAX - 1), 0);
}
END_TEST

START_TEST(segments_up_to_the_position_are_droppable)
{
    add(3, 100, false);
    add(4, 200, false);
    add(5, UINT64_MAX, false);
    ck_assert_uint_eq(wal_table_droppable(&table, 99), 0);
    ck_assert_uint_eq(wal_table_droppable(&table, 100), 1);
    ck_assert_uint_eq(wal_table_droppable(&table, 199), 1);
    ck_assert_uint_eq(wal_table_droppable(&table, 5000), 2);
    wal_table_drop(&table, 1);
    ck_assert_uint_eq(table.rows[0].first, 4);
    ck_assert_uint_eq(wal_table_segments(&table), 2);
}
END_TEST

START_TEST(segment_goes_only_together_with_the_one_that_continues_it)
{
    add(1, 100, false);
    add(2, 200, true);
    add(3, 300, false);
    ck_assert_uint_eq(wal_table_droppable(&table, 100), 0);
    ck_assert_uint_eq(wal_table_droppable(&table, 200), 2);
}
END_TEST

START_TEST(closing_sets_the_open_row_only)
{
    add(1, UINT64_MAX, false);
    wal_table_close_last(&table, 70, 99);
    ck_assert_uint_eq(table.rows[0].end_position, 70);
    ck_assert_uint_eq(table.rows[0].bytes, 99);
    wal_table_close_last(&table, 80, 11);
    ck_assert_uint_eq(table.rows[0].end_position, 70);
}
END_TEST

START_TEST(full_table_merges_neighbours_and_loses_no_segment)
{
    const uint64_t n = WAL_TABLE_ROWS * 3 + 1;
    for (uint64_t i = 0; i < n; i++) {
        add(i, (i + 1) * 100, false);
    }
    ck_assert_uint_le(table.count, WAL_TABLE_ROWS);
    ck_assert_uint_eq(wal_table_segments(&table), n);
    ck_assert_uint_eq(wal_table_bytes(&table), n * 10);
    ck_assert_uint_eq(table.rows[0].first, 0);
    for (size_t i = 1; i < table.count; i++) {
        ck_assert_uint_eq(table.rows[i].first, table.rows[i - 1].last + 1);
        ck_assert_uint_eq(table.rows[i].end_position, (table.rows[i].last + 1) * 100);
    }
    /* A merged row goes when its last segment may. */
    size_t rows = wal_table_droppable(&table, 100 * 100);
    ck_assert_uint_gt(rows, 0);
    ck_assert_uint_le(table.rows[rows - 1].end_position, 100 * 100);
    ck_assert_uint_gt(table.rows[rows].end_position, 100 * 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_table");
    TCase *tc = tcase_create("rows");
    tcase_add_checked_fixture(tc, fresh, NULL);
    tcase_add_test(tc, last_segment_is_never_droppable);
    tcase_add_test(tc, segments_up_to_the_position_are_droppable);
    tcase_add_test(tc, segment_goes_only_together_with_the_one_that_continues_it);
    tcase_add_test(tc, closing_sets_the_open_row_only);
    tcase_add_test(tc, full_table_merges_neighbours_and_loses_no_segment);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
