/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks as a whole: what is written is read back, by ordinal, by matchers, by range, after deletes.
 */
#include "metrics/block/block.h"

#include <check.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/rng.h"
#include "blobs/blobs_dir.h"
#include "block_fleet.h"
#include "codec/regex.h"
#include "metrics/block/block_writer.h"
#include "os/file_fault.h"

#define MINT 1700006400000
#define RANGE 7200000

static struct mem_budget *mem;
static struct file_fault *disk;
static struct blobs *blobs;
static struct arena arena;
static struct clock_fake clock_fake;

static void setup(void)
{
    mem = mem_budget_create(1u << 30);
    disk = file_fault_create(1);
    clock_fake_init(&clock_fake, MINT, 1);
    arena_init(&arena, mem_source_of(mem, MEM_SYSTEM), 512u << 20);
    ck_assert_int_eq(blobs_dir_create(file_fault_layer(disk), mem_source_of(mem, MEM_SYSTEM),
                                      "data/blocks", &blobs, NULL),
                     ERR_OK);
}

static void teardown(void)
{
    blobs_destroy(blobs);
    arena_deinit(&arena);
    ck_assert_uint_eq(file_fault_open_count(disk), 0);
    file_fault_destroy(disk);
    for (enum mem_account a = 0; a < MEM_ACCOUNT_COUNT; a++)
        ck_assert_msg(mem_used(mem, a) == 0, "%s leaks", mem_account_name(a));
    mem_budget_destroy(mem);
}

static void assert_ok(enum err_code code, const struct err *err)
{
    char text[1024];
    if (code == ERR_OK) return;
    err_text(err, text, sizeof text);
    ck_abort_msg("%s: %s", err_name(code), text);
}

/* ---- a block of a small fleet ---- */

static struct fleet fleet;

static void make_fleet(uint32_t targets, uint32_t series_per_target, uint32_t samples)
{
    struct fleet_options o = { .seed = 11,
                               .targets = targets,
                               .series_per_target = series_per_target,
                               .samples = samples,
                               .interval_ms = RANGE / samples,
                               .mint_ms = MINT,
                               .changing_percent = 60 };
    fleet_init(&fleet, &o, &arena);
}

static struct block_meta write_fleet(struct block_writer_options o)
{
    int64_t ts_ms[1024];
    double value[1024];
    struct err err = { 0 };
    struct block_meta meta;
    CLEANUP(block_writer_destroy_p) struct block_writer *w = NULL;
    o.blobs = blobs;
    o.mem = mem;
    o.id = ulid_make(&clock_fake.clock);
    o.mint_ms = MINT;
    o.maxt_ms = MINT + RANGE;
    assert_ok(block_writer_create(&o, &w, &err), &err);
    for (uint32_t i = 0; i < fleet.count; i++) {
        size_t count = fleet_samples(&fleet, i, ts_ms, value), third = count / 3;
        assert_ok(block_writer_add_series(w, fleet.series[i].labels, &err), &err);
        /* In pieces: vectors must not depend on how samples arrive. */
        struct sample_columns a = { ts_ms, value, NULL, third, third };
        struct sample_columns b = { ts_ms + third, value + third, NULL, count - third, 0 };
        assert_ok(block_writer_add_samples(w, &a, &err), &err);
        assert_ok(block_writer_add_samples(w, &b, &err), &err);
    }
    assert_ok(block_writer_finish(w, &arena, &meta, &err), &err);
    return meta;
}

static struct block *open_block(struct ulid id)
{
    struct block *b = NULL;
    struct err err = { 0 };
    assert_ok(block_open(blobs, mem, id, &b, &err), &err);
    return b;
}

static void assert_series(struct block_reader *r, uint32_t i, struct block_range range)
{
    int64_t ts_ms[1024];
    double value[1024];
    struct sample_buf got;
    struct err err = { 0 };
    sample_buf_init(&got, mem_source_of(mem, MEM_QUERY));
    uint32_t count = fleet_samples(&fleet, i, ts_ms, value);
    assert_ok(block_reader_read(r, i, range, &got, &err), &err);
    size_t k = 0;
    for (uint32_t n = 0; n < count; n++) {
        if (ts_ms[n] < range.mint_ms || ts_ms[n] > range.maxt_ms) continue;
        ck_assert_uint_lt(k, got.cols.count);
        ck_assert_int_eq(got.cols.ts_ms[k], ts_ms[n]);
        ck_assert_uint_eq(bits_of_double(got.cols.value[k]), bits_of_double(value[n]));
        k++;
    }
    ck_assert_uint_eq(got.cols.count, k);
    sample_buf_deinit(&got);
}

static const struct block_range EVERYTHING = { INT64_MIN, INT64_MAX };

START_TEST(whole_block_is_read_back)
{
    make_fleet(6, 300, 480);
    struct block_meta meta = write_fleet((struct block_writer_options){ .has_zstd_pages = _i > 0 });
    ck_assert_uint_eq(meta.series_count, fleet.count);
    ck_assert_uint_le(meta.sample_count, (uint64_t)fleet.count * 480);
    ck_assert_uint_gt(meta.sample_count, (uint64_t)fleet.count * 478);
    ck_assert_uint_eq(meta.level, 1);
    ck_assert_uint_eq(meta.source_count, 1);
    ck_assert(ulid_eq(meta.sources[0], meta.id));
    struct block *b = open_block(meta.id);
    struct err err = { 0 };
    assert_ok(block_verify(b, NULL, &err), &err);
    ck_assert_uint_eq(block_series_count(b), fleet.count);
    ck_assert_uint_eq(block_borrow_meta(b)->sample_count, meta.sample_count);
    struct block_reader *r = NULL;
    struct block_labels *c = NULL;
    assert_ok(block_reader_create(b, mem, &r, &err), &err);
    assert_ok(block_labels_create(b, &arena, &c, &err), &err);
    for (uint32_t i = 0; i < fleet.count; i++) {
        struct labels labels;
        assert_ok(block_labels_read(c, i, &labels, &err), &err);
        ck_assert(labels_eq(labels, fleet.series[i].labels));
        assert_series(r, i, EVERYTHING);
    }
    struct rng rng;
    rng_init(&rng, 4);
    for (int k = 0; k < 600; k++) { /* any order, any range */
        uint32_t i = (uint32_t)rng_below(&rng, fleet.count);
        int64_t from = MINT + (int64_t)rng_below(&rng, RANGE);
        struct block_range range = { from, from + (int64_t)rng_below(&rng, RANGE / 4) };
        struct labels labels;
        assert_series(r, i, range);
        assert_ok(block_labels_read(c, i, &labels, &err), &err);
        ck_assert(labels_eq(labels, fleet.series[i].labels));
    }
    block_reader_destroy(r);
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
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
