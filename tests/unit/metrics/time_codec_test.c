/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/time_codec.h"

#include <check.h>
#include <stdlib.h>

#include "base/rng.h"
#include "metrics/block/bitpack.h"
#include "metrics/block/time_dict.h"
#include "os/mem.h"

static struct mem_budget *mem;
static struct buf payload, column;

static void setup(void)
{
    mem = mem_budget_create(64u << 20);
    buf_init(&payload, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
    buf_init(&column, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
}

static void teardown(void)
{
    buf_deinit(&payload);
    buf_deinit(&column);
    ck_assert_uint_eq(mem_used(mem, MEM_COMPACTION), 0);
    mem_budget_destroy(mem);
}

static const struct time_limits ANY = { INT64_MIN, INT64_MAX };

static struct time_desc encode(const int64_t *t, size_t count, bool may_be_dod)
{
    struct time_desc d;
    buf_reset(&payload);
    buf_reset(&column);
    if (!time_encode_regular(t, count, &d))
        time_encode_irregular(t, count, may_be_dod, &payload, &d);
    return d;
}

static struct time_desc assert_round_trip(const int64_t *t, size_t count, bool may_be_dod)
{
    struct time_desc d = encode(t, count, may_be_dod);
    int64_t base = t[0] - 12345;
    time_desc_put(&d, base, &column);
    struct rd r = rd_of(buf_bytes(&column));
    struct time_desc read = { .codec = d.codec };
    ck_assert(time_desc_read(&r, count, base, &read));
    ck_assert_uint_eq(rd_left(&r), 0);
    size_t size = payload.len;
    buf_put_u64le(&payload, 0);
    int64_t out[VECTOR_SAMPLES_MAX];
    struct time_limits exact = { t[0], t[count - 1] };
    r = rd_of((struct bytes){ payload.ptr, size });
    ck_assert_int_eq(time_decode(&read, &r, count, exact, out, NULL), ERR_OK);
    ck_assert_uint_eq(rd_left(&r), 0);
    ck_assert_mem_eq(out, t, count * sizeof *t);
    /* The page says what range its samples have; a vector must keep to it. */
    struct time_limits narrow = { t[0] + 1, t[count - 1] };
    r = rd_of((struct bytes){ payload.ptr, size });
    ck_assert_int_eq(time_decode(&read, &r, count, narrow, out, NULL), ERR_CORRUPT);
    narrow = (struct time_limits){ t[0], t[count - 1] - 1 };
    r = rd_of((struct bytes){ payload.ptr, size });
    ck_assert_int_eq(time_decode(&read, &r, count, narrow, out, NULL), ERR_CORRUPT);
    payload.len = size;
    return d;
}

START_TEST(golden_regular)
{
    int64_t t[480];
    for (int i = 0; i < 480; i++)
        t[i] = 1700000000000 + 800000 + i * 15000;
    struct time_desc d = encode(t, 480, true);
    ck_assert_uint_eq(d.codec, TIME_REG);
    ck_assert_uint_eq(payload.len, 0);
    time_desc_put(&d, 1700000000000, &column);
    static const uint8_t expected[] = { 0x80, 0xd4, 0x61, 0x98, 0x75 };
    ck_assert_uint_eq(column.len, sizeof expected);
    ck_assert_mem_eq(column.ptr, expected, sizeof expected);
}
END_TEST

START_TEST(golden_one_missed_scrape)
{
    int64_t t[20];
    for (int i = 0; i < 20; i++)
        t[i] = 1700000000000 + i * 15000 + (i > 3 ? 15000 : 0);
    struct time_desc d = assert_round_trip(t, 20, true);
    ck_assert_uint_eq(d.codec, TIME_GAPS);
    ck_assert_uint_eq(d.gaps, 1);
    static const uint8_t expected[] = { 0x03, 0xb0, 0xea, 0x01 };
    ck_assert_uint_eq(payload.len, sizeof expected);
    ck_assert_mem_eq(payload.ptr, expected, sizeof expected);
}
END_TEST

START_TEST(golden_jitter)
{
    static const int residual[] = { 0, 3, -1, 1, 0 };
    int64_t t[5];
    for (int i = 0; i < 5; i++)
        t[i] = 1700000000000 + i * 15000 + residual[i];
    struct time_desc d = assert_round_trip(t, 5, false);
    ck_assert_uint_eq(d.codec, TIME_JITTER);
    ck_assert_int_eq(d.residual_min, -1);
    ck_assert_uint_eq(d.w, 3);
    static const uint8_t expected[] = { 0x21, 0x14 };
    ck_assert_uint_eq(payload.len, sizeof expected);
    ck_assert_mem_eq(payload.ptr, expected, sizeof expected);
}
END_TEST

static const size_t COUNTS[] = { 1, 2, 3, 5, 120, 480, 1023, 1024 };

/* _i chooses the shape. */
START_TEST(every_shape_round_trips)
{
    struct rng r;
    rng_init(&r, (uint64_t)_i);
    int64_t t[VECTOR_SAMPLES_MAX];
    unsigned met = 0;
    for (int round = 0; round < 200; round++) {
        for (size_t k = 0; k < sizeof COUNTS / sizeof COUNTS[0]; k++) {
            int64_t at = (int64_t)rng_below(&r, 1ull << 42) - (1ll << 41);
            int64_t step = 1 + (int64_t)rng_below(&r, 60000);
            for (size_t i = 0; i < COUNTS[k]; i++) {
                switch (_i) {
                case 0: at += step; break;
                case 1: at += step * (rng_below(&r, 50) ? 1 : 2); break;
                case 2: at += step + (int64_t)rng_below(&r, 8); break;
                case 3: at += 1 + (int64_t)rng_below(&r, 1ull << rng_below(&r, 30)); break;
                case 4: at += i < COUNTS[k] / 2 ? step : 2 * step; break;
                default: at += step++; break;
                }
                t[i] = at;
            }
            met |= 1u << assert_round_trip(t, COUNTS[k], rng_below(&r, 2) > 0).codec;
        }
    }
    ck_assert_uint_ne(met, 0);
}
END_TEST

START_TEST(widest_times_round_trip)
{
    int64_t half = INT64_MAX / 4;
    int64_t t[] = { -half, -half + 1, 0, half - 1, half };
    (void)assert_round_trip(t, 5, true);
    (void)assert_round_trip(t, 5, false);
    (void)assert_round_trip(t, 2, true);
    (void)assert_round_trip(t, 1, true);
}
END_TEST

START_TEST(damage_is_refused_or_gives_ascending_times)
{
    struct rng r;
    rng_init(&r, 77);
    int64_t t[480], out[VECTOR_SAMPLES_MAX];
    for (int round = 0; round < 20000; round++) {
        int64_t at = 1700000000000;
        for (size_t i = 0; i < 480; i++)
            t[i] = at += 15000 + (int64_t)rng_below(&r, round % 3 ? 4 : 1) +
                         (rng_below(&r, 100) ? 0 : 15000);
        struct time_desc d = encode(t, 480, round % 2);
        time_desc_put(&d, t[0], &column);
        for (int k = 0; k < 2; k++)
            column.ptr[rng_below(&r, column.len)] ^= (uint8_t)(1u << rng_below(&r, 8));
        struct time_desc read = { .codec = (uint8_t)rng_below(&r, 8) };
        if (rng_below(&r, 2)) read.codec = d.codec;
        struct rd c = rd_of(buf_bytes(&column));
        if (!time_desc_read(&c, 480, t[0], &read) || read.codec == TIME_SHARED) continue;
        size_t size = (size_t)rng_below(&r, payload.len + 1);
        uint8_t *exact = mem_zalloc(mem, MEM_SYSTEM, size + BITPACK_SLACK);
        if (size > 0) memcpy(exact, payload.ptr, size);
        struct rd p = rd_of((struct bytes){ exact, size });
        enum err_code rc = time_decode(&read, &p, 480, ANY, out, NULL);
        if (rc == ERR_OK)
            for (size_t i = 1; i < 480; i++)
                ck_assert_int_gt(out[i], out[i - 1]);
        else
            ck_assert_int_eq(rc, ERR_CORRUPT);
        mem_free(mem, MEM_SYSTEM, exact, size + BITPACK_SLACK);
    }
}
END_TEST

START_TEST(dictionary_shares_from_the_second_time_on)
{
    enum { VECTORS = 700, COUNT = 40 };
    struct time_dict dict;
    time_dict_init(&dict, mem, 1700000000000, 99);
    static int64_t t[VECTORS][COUNT];
    struct rng r;
    rng_init(&r, 3);
    for (int v = 0; v < VECTORS; v++) {
        int64_t at = 1700000000000;
        for (int i = 0; i < COUNT; i++)
            t[v][i] = at += 15000 + (int64_t)rng_below(&r, 6) - 3;
    }
    for (int pass = 0; pass < 3; pass++) {
        for (int v = 0; v < VECTORS; v++) {
            bool is_shared;
            uint32_t id = 0;
            ck_assert_int_eq(time_dict_lookup(&dict, t[v], COUNT, &is_shared, &id, NULL), ERR_OK);
            ck_assert_int_eq(is_shared, pass > 0);
            if (is_shared) ck_assert_uint_eq(id, (uint32_t)v);
        }
    }
    buf_reset(&payload);
    time_dict_put(&dict, &payload);
    ck_assert(!buf_failed(&payload));
    struct time_dict_view view = { buf_bytes(&payload), 1700000000000 };
    ck_assert_int_eq(time_dict_verify(&view, NULL), ERR_OK);
    int64_t out[VECTOR_SAMPLES_MAX];
    for (uint32_t v = 0; v < VECTORS; v++) {
        ck_assert_int_eq(time_dict_decode(&view, v, COUNT, ANY, out, NULL), ERR_OK);
        ck_assert_mem_eq(out, t[v], sizeof t[v]);
    }
    ck_assert_int_eq(time_dict_decode(&view, VECTORS, COUNT, ANY, out, NULL), ERR_CORRUPT);
    ck_assert_int_eq(time_dict_decode(&view, 0, COUNT + 1, ANY, out, NULL), ERR_CORRUPT);
    for (size_t len = 0; len < payload.len; len += 7) {
        struct time_dict_view cut = { { payload.ptr, len }, 1700000000000 };
        ck_assert_int_eq(time_dict_verify(&cut, NULL), ERR_CORRUPT);
    }
    time_dict_deinit(&dict);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("time_codec");
    TCase *tc = tcase_create("time_codec");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, golden_regular);
    tcase_add_test(tc, golden_one_missed_scrape);
    tcase_add_test(tc, golden_jitter);
    tcase_add_loop_test(tc, every_shape_round_trips, 0, 6);
    tcase_add_test(tc, widest_times_round_trip);
    tcase_add_test(tc, damage_is_refused_or_gives_ascending_times);
    tcase_add_test(tc, dictionary_shares_from_the_second_time_on);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
