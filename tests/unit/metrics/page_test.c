/* SPDX-License-Identifier: Apache-2.0
 *
 * One page: what is built is read back however it was compressed, the rule that decides on that, and
 * damage behind a crc that matches.
 */
#include "metrics/block/page.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/num.h"
#include "base/rng.h"

#define MINT 1700006400000
#define SERIES 64
#define SAMPLES 120

static struct mem_budget *mem;
static struct zstd_encoder *zstd;
static struct time_dict dict;
static struct buf page;
static double value[SERIES][SAMPLES];
static const struct time_dict_view NO_DICT = { { NULL, 0 }, MINT };

static void setup(void)
{
    struct err err = { 0 };
    mem = mem_budget_create(64u << 20);
    ck_assert_int_eq(zstd_encoder_create(mem, MEM_COMPACTION, 1, &zstd, &err), ERR_OK);
    time_dict_init(&dict, mem, MINT, 1);
    buf_init(&page, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
}

static void teardown(void)
{
    buf_deinit(&page);
    time_dict_deinit(&dict);
    zstd_encoder_destroy(zstd);
    mem_budget_destroy(mem);
}

/* ---- data ---- */

typedef void (*fill_fn)(struct rng *r, double *v);

static void fill_constant(struct rng *r, double *v)
{
    double c = (double)rng_below(r, 4);
    for (size_t i = 0; i < SAMPLES; i++)
        v[i] = c;
}

static void fill_counter(struct rng *r, double *v)
{
    double x = (double)rng_below(r, 1000000);
    for (size_t i = 0; i < SAMPLES; i++)
        v[i] = x += (double)rng_below(r, 4096);
}

/* The same step in all series: a payload that repeats. */
static void fill_waves(struct rng *r, double *v)
{
    double x = (double)rng_below(r, 1000000);
    for (size_t i = 0; i < SAMPLES; i++)
        v[i] = x + (double)(i * 37 % 16);
}

static void fill_noise(struct rng *r, double *v)
{
    for (size_t i = 0; i < SAMPLES; i++)
        v[i] = double_of_bits(rng_u64(r) & 0x7fefffffffffffffull);
}

/* A page of `series` vectors in `page`; returns how it was compressed. */
static uint8_t build(fill_fn fill, uint32_t series, struct zstd_encoder *with)
{
    struct page_builder b;
    struct err err = { 0 };
    struct rng r;
    int64_t ts_ms[SAMPLES];
    rng_init(&r, 7);
    for (int64_t i = 0; i < SAMPLES; i++)
        ts_ms[i] = MINT + i * 15000;
    ck_assert_int_eq(page_builder_init(&b, mem, &dict, with, &err), ERR_OK);
    for (uint32_t s = 0; s < series; s++) {
        fill(&r, value[s]);
        ck_assert_int_eq(page_builder_add(&b, s, ts_ms, value[s], SAMPLES, &err), ERR_OK);
    }
    buf_reset(&page);
    ck_assert_int_eq(page_builder_finish(&b, &page, &err), ERR_OK);
    page_builder_deinit(&b);
    return page.ptr[17];
}

/* ERR_OK only if all vectors could be decoded. */
static enum err_code load(struct bytes bytes, double (*out)[SAMPLES + 16])
{
    struct page_view view;
    struct err err = { 0 };
    int64_t ts_ms[SAMPLES + 16];
    page_view_init(&view, mem, MEM_QUERY);
    uint8_t *dst = page_view_reserve(&view, bytes.len);
    ck_assert_ptr_nonnull(dst);
    memcpy(dst, bytes.ptr, bytes.len);
    enum err_code code = page_view_load(&view, bytes.len, &err);
    for (size_t i = 0; code == ERR_OK && i < view.vector_count; i++) {
        struct rd rest;
        if (view.vectors[i].count != SAMPLES) continue; /* damage */
        code = page_view_times(&view, i, &NO_DICT, ts_ms, &rest, &err);
        if (code == ERR_OK) code = page_view_values(&view, i, &rest, out[i % SERIES], &err);
    }
    page_view_deinit(&view);
    return code;
}

static void assert_page_is_right(uint32_t series)
{
    static double got[SERIES][SAMPLES + 16];
    ck_assert_int_eq(load(buf_bytes(&page), got), ERR_OK);
    for (uint32_t s = 0; s < series; s++)
        ck_assert_mem_eq(got[s], value[s], sizeof value[s]);
}

/* ---- compression ---- */

START_TEST(packed_bits_are_left_alone_and_their_columns_compressed)
{
    ck_assert_uint_eq(build(fill_counter, SERIES, NULL), PAGE_COMP_NONE);
    size_t raw = page.len;
    assert_page_is_right(SERIES);
    ck_assert_uint_eq(build(fill_counter, SERIES, zstd), PAGE_COMP_COLUMNS);
    assert_page_is_right(SERIES);
    ck_assert_uint_lt(page.len, raw - raw / 128);
}
END_TEST

START_TEST(payloads_that_repeat_are_compressed_too)
{
    ck_assert_uint_eq(build(fill_waves, SERIES, zstd), PAGE_COMP_ZSTD);
    assert_page_is_right(SERIES);
}
END_TEST

START_TEST(columns_of_constants_are_compressed)
{
    (void)build(fill_constant, SERIES, NULL);
    size_t raw = page.len;
    ck_assert_uint_ne(build(fill_constant, SERIES, zstd), PAGE_COMP_NONE);
    assert_page_is_right(SERIES);
    ck_assert_uint_lt(page.len, raw / 2);
}
END_TEST

START_TEST(noise_stays_raw)
{
    ck_assert_uint_eq(build(fill_noise, 2, zstd), PAGE_COMP_NONE);
    assert_page_is_right(2);
}
END_TEST

/* ---- damage ---- */

static void put_u32(size_t at, uint32_t v)
{
    memcpy(page.ptr + at, &v, sizeof v);
}

static uint32_t get_u32(size_t at)
{
    uint32_t v;
    memcpy(&v, page.ptr + at, sizeof v);
    return v;
}

static enum err_code load_repaired(void)
{
    static double got[SERIES][SAMPLES + 16];
    put_u32(8, (uint32_t)(page.len - PAGE_HEADER_SIZE));
    put_u32(12, crc32c(0, page.ptr + 16, page.len - 16));
    return load(buf_bytes(&page), got);
}

#define RAW_SIZE_AT 4
#define FRAME_SIZE_AT PAGE_HEADER_SIZE

/* What is it that the header says, when only one field is wrong? */
START_TEST(wrong_sizes_of_columns_are_refused)
{
    ck_assert_uint_eq(build(fill_counter, SERIES, zstd), PAGE_COMP_COLUMNS);
    uint32_t raw = get_u32(RAW_SIZE_AT), frame = get_u32(FRAME_SIZE_AT);
    uint32_t stored = (uint32_t)(page.len - PAGE_HEADER_SIZE), payloads = stored - 4 - frame;
    const uint32_t frames[] = { 0,          1,          frame - 1,  frame + 1,
                                stored - 4, stored - 3, UINT32_MAX, stored };
    const uint32_t raws[] = { 0, 8, payloads - 1, payloads, raw - 1, raw + 1, PAGE_RAW_MAX };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        put_u32(FRAME_SIZE_AT, frames[i]);
        ck_assert_int_eq(load_repaired(), ERR_CORRUPT);
    }
    put_u32(FRAME_SIZE_AT, frame);
    for (size_t i = 0; i < sizeof raws / sizeof *raws; i++) {
        put_u32(RAW_SIZE_AT, raws[i]);
        ck_assert_int_eq(load_repaired(), ERR_CORRUPT);
    }
    put_u32(RAW_SIZE_AT, PAGE_RAW_MAX + 1);
    ck_assert_int_eq(load_repaired(), ERR_CORRUPT);
    put_u32(RAW_SIZE_AT, raw);
    ck_assert_int_eq(load_repaired(), ERR_OK);
    page.ptr[17] = PAGE_COMP_COLUMNS + 1;
    ck_assert_int_eq(load_repaired(), ERR_UNSUPPORTED);
}
END_TEST

/* The payloads must be all that follows, also where the columns stand apart. */
START_TEST(missing_and_additional_payload_is_refused)
{
    ck_assert_uint_eq(build(fill_counter, SERIES, zstd), PAGE_COMP_COLUMNS);
    uint32_t raw = get_u32(RAW_SIZE_AT);
    page.len--;
    put_u32(RAW_SIZE_AT, raw - 1); /* so that the columns have their size */
    ck_assert_int_eq(load_repaired(), ERR_CORRUPT);
    page.len++;
    buf_put_u8(&page, 0);
    put_u32(RAW_SIZE_AT, raw + 1);
    ck_assert_int_eq(load_repaired(), ERR_CORRUPT);
}
END_TEST

/* _i: fill and compression. The sanitizer watches. */
START_TEST(damage_behind_a_right_crc_is_harmless)
{
    static const fill_fn FILLS[] = { fill_counter, fill_waves, fill_constant, fill_noise };
    struct rng r;
    rng_init(&r, 100 + (uint64_t)_i);
    (void)build(FILLS[_i / 2], 24, _i % 2 ? zstd : NULL);
    for (int round = 0; round < 4000; round++) {
        size_t at = 16 + (size_t)rng_below(&r, page.len - 16);
        uint8_t before = page.ptr[at];
        page.ptr[at] ^= (uint8_t)(1u << rng_below(&r, 8));
        enum err_code code = load_repaired();
        ck_assert(code == ERR_OK || code == ERR_CORRUPT || code == ERR_UNSUPPORTED);
        page.ptr[at] = before;
    }
    ck_assert_int_eq(load_repaired(), ERR_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("page");
    TCase *tc = tcase_create("compression");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, packed_bits_are_left_alone_and_their_columns_compressed);
    tcase_add_test(tc, payloads_that_repeat_are_compressed_too);
    tcase_add_test(tc, columns_of_constants_are_compressed);
    tcase_add_test(tc, noise_stays_raw);
    suite_add_tcase(suite, tc);
    tc = tcase_create("damage");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, wrong_sizes_of_columns_are_refused);
    tcase_add_test(tc, missing_and_additional_payload_is_refused);
    tcase_add_loop_test(tc, damage_behind_a_right_crc_is_harmless, 0, 8);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
