/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks as a whole: what is written is read back, in any order and range, also after deletes; the
 * writer refuses what would not be a block.
 */
#include "metrics/block/block.h"

#include <check.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/rng.h"
#include "block_fixture.h"

static struct block_fixture f;

static void setup(void)
{
    block_fixture_setup(&f);
}

static void teardown(void)
{
    block_fixture_teardown(&f);
}

/* ---- whole blocks ---- */

START_TEST(whole_block_is_read_back)
{
    block_fixture_fleet(&f, 6, 300, 480);
    struct block_writer_options o = block_fixture_options(&f);
    o.has_zstd_pages = _i > 0;
    struct block_meta meta = block_fixture_write(&f, &o);
    ck_assert_uint_eq(meta.series_count, f.fleet.count);
    ck_assert_uint_gt(meta.sample_count, (uint64_t)f.fleet.count * 478);
    ck_assert_uint_eq(meta.level, 1);
    ck_assert_uint_eq(meta.source_count, 1);
    ck_assert(ulid_eq(meta.sources[0], meta.id));
    struct block *b = block_fixture_open(&f, meta.id);
    ck_assert_uint_eq(block_borrow_meta(b)->sample_count, meta.sample_count);
    assert_fleet_block(&f, b);
    block_unref(b);
}
END_TEST

START_TEST(any_series_in_any_range_is_read_back)
{
    block_fixture_fleet(&f, 4, 300, 480);
    struct block_writer_options o = block_fixture_options(&f);
    struct block_meta meta = block_fixture_write(&f, &o);
    struct block *b = block_fixture_open(&f, meta.id);
    struct block_reader *r = NULL;
    struct block_labels *c = NULL;
    struct err err = { 0 };
    struct rng rng;
    rng_init(&rng, 4);
    assert_ok(block_reader_create(b, f.mem, &r, &err), &err);
    assert_ok(block_labels_create(b, &f.arena, &c, &err), &err);
    for (int k = 0; k < 500; k++) {
        uint32_t i = (uint32_t)rng_below(&rng, f.fleet.count);
        int64_t from = BLOCK_MINT - 1000000 + (int64_t)rng_below(&rng, BLOCK_RANGE + 2000000);
        struct labels labels;
        assert_fleet_series(
            &f, r, i, (struct block_range){ from, from + (int64_t)rng_below(&rng, BLOCK_RANGE) });
        assert_ok(block_labels_read(c, i, &labels, &err), &err);
        ck_assert(labels_eq(labels, f.fleet.series[i].labels));
    }
    assert_fleet_series(&f, r, 7, (struct block_range){ 10, 5 });
    block_reader_destroy(r);
    block_unref(b);
}
END_TEST

START_TEST(little_memory_spills_and_gives_the_same_index)
{
    block_fixture_fleet(&f, 100, 300, 2);
    struct block_writer_options o = block_fixture_options(&f);
    struct block_meta roomy = block_fixture_write(&f, &o);
    o = block_fixture_options(&f);
    o.memory_max = 4096; /* rows go to the scratch file, postings take many windows */
    struct block_meta narrow = block_fixture_write(&f, &o);
    ck_assert_uint_eq(narrow.index_bytes, roomy.index_bytes);
    struct block *b = block_fixture_open(&f, narrow.id);
    struct err err = { 0 };
    struct blob *scratch = NULL;
    char name[ULID_TEXT_LEN + 1];
    ulid_text(narrow.id, name);
    ck_assert_int_eq(blobs_open(f.blobs, str_of_z(name), "rows.scratch", &scratch, &err),
                     ERR_NOTFOUND);
    assert_ok(block_verify(b, NULL, &err), &err);
    block_unref(b);
}
END_TEST

/* The bars of the storage engine, with a margin: a change that costs more than a tenth is seen. */
START_TEST(quiet_fleet_stays_small)
{
    block_fixture_fleet(&f, 20, 300, 480);
    f.fleet.options.changing_percent = 0; /* two thirds of the series are constant */
    struct block_writer_options o = block_fixture_options(&f);
    struct block_meta meta = block_fixture_write(&f, &o);
    double samples = (double)meta.sample_count, series = (double)meta.series_count;
    ck_assert_double_lt((double)meta.chunk_bytes / samples, 0.25);
    ck_assert_double_lt((double)meta.index_bytes / series, 26);
}
END_TEST

/* ---- series longer than a vector, than a page ---- */

static struct labels one_label(const char *name, const char *value)
{
    struct label *l = arena_new(&f.arena, struct label);
    *l = (struct label){ str_of_z(name), str_of_z(value) };
    return (struct labels){ l, 1 };
}

struct long_series {
    int64_t *ts_ms;
    double *value;
    size_t count;
};

/* Random walks of full precision, so that pages fill up. */
static struct long_series long_series(uint64_t seed, size_t count)
{
    struct long_series s = { arena_array(&f.arena, int64_t, count),
                             arena_array(&f.arena, double, count), count };
    struct rng r;
    rng_init(&r, seed);
    for (size_t i = 0; i < count; i++) {
        s.ts_ms[i] = BLOCK_MINT + (int64_t)i * 100 + (int64_t)rng_below(&r, 90);
        s.value[i] = double_of_bits(rng_u64(&r));
    }
    return s;
}

START_TEST(series_over_many_vectors_and_pages_are_read_back)
{
    static const size_t counts[] = { 1, 1024, 1025, 20000, 2, 5000, 1023, 30000, 1, 1 };
    enum { N = sizeof counts / sizeof counts[0] };
    struct long_series s[N];
    struct block_writer *w = NULL;
    struct block_writer_options o = block_fixture_options(&f);
    struct err err = { 0 };
    struct block_meta meta;
    assert_ok(block_writer_create(&o, &w, &err), &err);
    for (uint32_t i = 0; i < N; i++) {
        s[i] = long_series(i, counts[i]);
        char *value = (char *)(uintptr_t)arena_printf(&f.arena, "%u", i).ptr;
        assert_ok(block_writer_add_series(w, one_label("n", value), &err), &err);
        for (size_t at = 0; at < counts[i]; at += 777) { /* pieces that fit no vector */
            size_t n = counts[i] - at < 777 ? counts[i] - at : 777;
            struct sample_columns c = { s[i].ts_ms + at, s[i].value + at, NULL, n, n };
            assert_ok(block_writer_add_samples(w, &c, &err), &err);
        }
    }
    assert_ok(block_writer_finish(w, &f.arena, &meta, &err), &err);
    block_writer_destroy(w);
    ck_assert_uint_gt(meta.page_count, 6);
    struct block *b = block_fixture_open(&f, meta.id);
    assert_ok(block_verify(b, NULL, &err), &err);
    struct block_reader *r = NULL;
    struct sample_buf got;
    sample_buf_init(&got, mem_source_of(f.mem, MEM_QUERY));
    assert_ok(block_reader_create(b, f.mem, &r, &err), &err);
    struct rng rng;
    rng_init(&rng, 1);
    for (int k = 0; k < 400; k++) {
        uint32_t i = k < N ? (uint32_t)k : (uint32_t)rng_below(&rng, N);
        size_t from = k < N ? 0 : (size_t)rng_below(&rng, counts[i]);
        size_t to = k < N ? counts[i] : from + 1 + (size_t)rng_below(&rng, counts[i] - from);
        struct block_range range = { s[i].ts_ms[from], s[i].ts_ms[to - 1] };
        sample_buf_reset(&got);
        assert_ok(block_reader_read(r, i, range, &got, &err), &err);
        ck_assert_uint_eq(got.cols.count, to - from);
        ck_assert_mem_eq(got.cols.ts_ms, s[i].ts_ms + from, (to - from) * 8);
        ck_assert_mem_eq(got.cols.value, s[i].value + from, (to - from) * 8);
    }
    sample_buf_deinit(&got);
    block_reader_destroy(r);
    block_unref(b);
}
END_TEST

/* ---- what the writer refuses ---- */

static enum err_code add_one(struct block_writer *w, int64_t ts_ms)
{
    double value = 1;
    struct sample_columns c = { &ts_ms, &value, NULL, 1, 1 };
    return block_writer_add_samples(w, &c, NULL);
}

START_TEST(wrong_order_is_refused_and_nothing_is_added)
{
    struct block_writer *w = NULL;
    struct block_writer_options o = block_fixture_options(&f);
    struct err err = { 0 };
    struct block_meta meta;
    assert_ok(block_writer_create(&o, &w, &err), &err);
    ck_assert_int_eq(add_one(w, BLOCK_MINT), ERR_INVALID); /* no series */
    assert_ok(block_writer_add_series(w, one_label("b", "1"), &err), &err);
    ck_assert_int_eq(add_one(w, BLOCK_MINT - 1), ERR_INVALID);
    ck_assert_int_eq(add_one(w, BLOCK_MINT + BLOCK_RANGE), ERR_INVALID);
    assert_ok(add_one(w, BLOCK_MINT), &err);
    ck_assert_int_eq(add_one(w, BLOCK_MINT), ERR_INVALID);
    assert_ok(add_one(w, BLOCK_MINT + BLOCK_RANGE - 1), &err);
    ck_assert_int_eq(block_writer_add_series(w, one_label("b", "1"), NULL), ERR_INVALID);
    ck_assert_int_eq(block_writer_add_series(w, one_label("a", "2"), NULL), ERR_INVALID);
    assert_ok(block_writer_add_series(w, one_label("c", "never written"), &err), &err);
    assert_ok(block_writer_add_series(w, one_label("__name__", "a"), &err), &err);
    assert_ok(add_one(w, BLOCK_MINT + 5), &err);
    assert_ok(block_writer_finish(w, &f.arena, &meta, &err), &err);
    ck_assert_int_eq(add_one(w, BLOCK_MINT + 6), ERR_CONFLICT);
    block_writer_destroy(w);
    ck_assert_uint_eq(meta.series_count, 2);
    ck_assert_uint_eq(meta.sample_count, 3);
    struct block *b = block_fixture_open(&f, meta.id);
    assert_ok(block_verify(b, NULL, &err), &err);
    block_unref(b);
}
END_TEST

START_TEST(block_without_samples_is_not_written)
{
    struct block_writer *w = NULL;
    struct block_writer_options o = block_fixture_options(&f);
    struct err err = { 0 };
    struct block_meta meta;
    struct block *b = NULL;
    assert_ok(block_writer_create(&o, &w, &err), &err);
    assert_ok(block_writer_add_series(w, one_label("a", "1"), &err), &err);
    ck_assert_int_eq(block_writer_finish(w, &f.arena, &meta, &err), ERR_NOTFOUND);
    block_writer_destroy(w);
    ck_assert_int_eq(block_open(f.blobs, f.mem, o.id, &b, &err), ERR_NOTFOUND);
    o.maxt_ms = o.mint_ms;
    ck_assert_int_eq(block_writer_create(&o, &w, &err), ERR_INVALID);
}
END_TEST

START_TEST(series_without_labels_or_metric_name_are_series)
{
    struct block_writer *w = NULL;
    struct block_writer_options o = block_fixture_options(&f);
    struct err err = { 0 };
    struct block_meta meta;
    struct label zone[] = { { STR("Zone"), STR("z") },
                            { LABEL_METRIC_NAME, STR("m") },
                            { STR("a"), STR("") } };
    struct labels expected[] = {
        { NULL, 0 }, one_label("b", "1"), one_label("__name__", "l"), { zone, 2 }
    };
    assert_ok(block_writer_create(&o, &w, &err), &err);
    for (size_t i = 0; i < 4; i++) {
        assert_ok(block_writer_add_series(w, expected[i], &err), &err);
        assert_ok(add_one(w, BLOCK_MINT), &err);
    }
    assert_ok(block_writer_finish(w, &f.arena, &meta, &err), &err);
    block_writer_destroy(w);
    struct block *b = block_fixture_open(&f, meta.id);
    assert_ok(block_verify(b, NULL, &err), &err);
    struct block_labels *c = NULL;
    assert_ok(block_labels_create(b, &f.arena, &c, &err), &err);
    for (uint32_t i = 0; i < 4; i++) {
        struct labels got;
        assert_ok(block_labels_read(c, i, &got, &err), &err);
        ck_assert(labels_eq(got, expected[i]));
    }
    block_unref(b);
}
END_TEST

START_TEST(order_is_metric_name_then_the_other_labels)
{
    struct label a[] = { { LABEL_METRIC_NAME, STR("m") }, { STR("x"), STR("1") } };
    struct label b[] = { { STR("A"), STR("9") }, { LABEL_METRIC_NAME, STR("m") } };
    struct label c[] = { { LABEL_METRIC_NAME, STR("m") } };
    struct labels order[] = {
        { NULL, 0 }, one_label("zzz", "1"), one_label("__name__", "l"), { c, 1 }, { b, 2 }, { a, 2 }
    };
    for (int i = 0; i < 6; i++) {
        for (int k = 0; k < 6; k++) {
            int cmp = block_order_cmp(order[i], order[k]);
            ck_assert_int_eq((cmp > 0) - (cmp < 0), (i > k) - (i < k));
        }
    }
}
END_TEST

/* ---- deletes ---- */

START_TEST(deleted_intervals_are_masked_at_once_and_after_reopening)
{
    block_fixture_fleet(&f, 1, 100, 480);
    struct block_writer_options o = block_fixture_options(&f);
    struct block_meta meta = block_fixture_write(&f, &o);
    struct block *b = block_fixture_open(&f, meta.id);
    struct err err = { 0 };
    struct postings *some = NULL;
    struct block_reader *before = NULL, *r = NULL;
    struct sample_buf got;
    int64_t middle = BLOCK_MINT + BLOCK_RANGE / 2;
    sample_buf_init(&got, mem_source_of(f.mem, MEM_QUERY));
    assert_ok(block_reader_create(b, f.mem, &before, &err), &err);
    assert_ok(postings_of_range(f.mem, MEM_QUERY, 10, 20, &some, &err), &err);
    assert_ok(block_delete_series(b, some, (struct block_range){ middle, INT64_MAX }, &err), &err);
    assert_ok(block_delete_series(b, some, (struct block_range){ middle - 60000, middle }, &err),
              &err);
    ck_assert_uint_eq(block_tombstone_count(b), 10); /* they were joined */
    assert_fleet_series(&f, before, 12, EVERYTHING); /* began before the delete */
    for (int again = 0; again < 2; again++) {
        assert_ok(block_reader_create(b, f.mem, &r, &err), &err);
        sample_buf_reset(&got);
        assert_ok(block_reader_read(r, 12, EVERYTHING, &got, &err), &err);
        ck_assert_uint_gt(got.cols.count, 200);
        ck_assert_int_lt(got.cols.ts_ms[got.cols.count - 1], middle - 60000);
        assert_fleet_series(&f, r, 12, (struct block_range){ INT64_MIN, middle - 60001 });
        assert_fleet_series(&f, r, 9, EVERYTHING);
        assert_fleet_series(&f, r, 20, EVERYTHING);
        block_reader_destroy(r);
        block_unref(b);
        b = block_fixture_open(&f, meta.id);
    }
    ck_assert_uint_eq(block_borrow_meta(b)->tombstone_count, 10);
    block_reader_destroy(before);
    postings_destroy(some);
    sample_buf_deinit(&got);
    block_unref(b);
}
END_TEST

START_TEST(open_block_outlives_its_files)
{
    block_fixture_fleet(&f, 1, 70, 100);
    struct block_writer_options o = block_fixture_options(&f);
    struct block_meta meta = block_fixture_write(&f, &o);
    struct block *b = block_fixture_open(&f, meta.id);
    char name[ULID_TEXT_LEN + 1];
    ulid_text(meta.id, name);
    ck_assert_int_eq(blobs_remove(f.blobs, str_of_z(name), NULL), ERR_OK);
    assert_fleet_block(&f, b);
    block_unref(b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block");
    TCase *tc = tcase_create("block");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, whole_block_is_read_back, 0, 2);
    tcase_add_test(tc, any_series_in_any_range_is_read_back);
    tcase_add_test(tc, little_memory_spills_and_gives_the_same_index);
    tcase_add_test(tc, quiet_fleet_stays_small);
    tcase_add_test(tc, series_over_many_vectors_and_pages_are_read_back);
    tcase_add_test(tc, wrong_order_is_refused_and_nothing_is_added);
    tcase_add_test(tc, block_without_samples_is_not_written);
    tcase_add_test(tc, series_without_labels_or_metric_name_are_series);
    tcase_add_test(tc, order_is_metric_name_then_the_other_labels);
    tcase_add_test(tc, deleted_intervals_are_masked_at_once_and_after_reopening);
    tcase_add_test(tc, open_block_outlives_its_files);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
