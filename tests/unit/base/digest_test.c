/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <math.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/float_text.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/rng.h"
#include "base/stats.h"

START_TEST(crc32c_has_the_published_values)
{
    ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xE3069283);
    ck_assert_uint_eq(crc32c(0, "", 0), 0);
    uint8_t block[32] = { 0 };
    ck_assert_uint_eq(crc32c(0, block, 32), 0x8A9136AA); /* RFC 3720, B.4 */
    memset(block, 0xFF, 32);
    ck_assert_uint_eq(crc32c(0, block, 32), 0x62A8AB43);
    for (uint8_t i = 0; i < 32; i++) {
        block[i] = i;
    }
    ck_assert_uint_eq(crc32c(0, block, 32), 0x46DD794E);
}
END_TEST

START_TEST(crc32c_is_the_same_in_pieces_and_by_table)
{
    uint8_t data[300];
    struct rng rng;
    rng_init(&rng, 5);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)rng_u64(&rng);
    }
    for (size_t from = 0; from < 9; from++) {
        for (size_t len = 0; len + from <= sizeof data; len += 7) {
            uint32_t whole = crc32c(0, data + from, len);
            ck_assert_uint_eq(crc32c_portable(0, data + from, len), whole);
            size_t cut = rng_below(&rng, len + 1);
            uint32_t first = crc32c(0, data + from, cut);
            ck_assert_uint_eq(crc32c(first, data + from + cut, len - cut), whole);
            ck_assert_uint_eq(crc32c_portable(first, data + from + cut, len - cut), whole);
        }
    }
}
END_TEST

START_TEST(hashes_are_stable_on_disk_values)
{
    /* From the xxHash reference implementation. */
    ck_assert_uint_eq(hash_xxh64("", 0), 0xEF46DB3751D8E999u);
    ck_assert_uint_eq(hash_xxh64("abc", 3), 0x44BC2CF5AD770999u);
    ck_assert_uint_eq(hash64("", 0, 0), 0x2D06800538D394C2u);
    struct hash128 h = hash128("", 0, 0);
    ck_assert_uint_eq(h.hi, 0x99AA06D3014798D8u);
    ck_assert_uint_eq(h.lo, 0x6001C324468D497Fu);
    ck_assert(hash128_eq(h, hash128("", 0, 0)));
    ck_assert_uint_ne(hash64("abc", 3, 1), hash64("abc", 3, 2));
}
END_TEST

START_TEST(rng_is_deterministic_and_uniform)
{
    struct rng a, b;
    rng_init(&a, 1);
    rng_init(&b, 1);
    unsigned buckets[10] = { 0 };
    for (int i = 0; i < 100000; i++) {
        uint64_t v = rng_below(&a, 10);
        if (v >= 10 || v != rng_below(&b, 10)) ck_abort_msg("draw %d", i);
        buckets[v]++;
    }
    for (int i = 0; i < 10; i++) {
        ck_assert_uint_gt(buckets[i], 9500);
        ck_assert_uint_lt(buckets[i], 10500);
    }
    double sum = 0;
    for (int i = 0; i < 10000; i++) {
        double v = rng_f64(&a);
        if (!(v >= 0 && v < 1)) ck_abort_msg("%a", v);
        sum += v;
    }
    ck_assert(fabs(sum / 10000 - 0.5) < 0.02);
    ck_assert_uint_eq(rng_below(&a, 1), 0);
    ck_assert_uint_lt(rng_below(&a, UINT64_MAX), UINT64_MAX);
}
END_TEST

START_TEST(rng_gives_the_reference_sequence)
{
    /* xoshiro256** from the state 1, 2, 3, 4: first outputs of the authors' code. */
    struct rng r = { { 1, 2, 3, 4 } };
    ck_assert_uint_eq(rng_u64(&r), 11520);
    ck_assert_uint_eq(rng_u64(&r), 0);
    ck_assert_uint_eq(rng_u64(&r), 1509978240);
    ck_assert_uint_eq(rng_u64(&r), 1215971899390074240u);
}
END_TEST

START_TEST(histogram_bucket_holds_values_up_to_its_bound)
{
    for (unsigned i = 0; i < STAT_HISTOGRAM_BUCKETS; i++) {
        uint64_t bound_ns = (1ull << i) * 1000;
        struct stat_histogram h = { 0 };
        stat_observe_ns(&h, bound_ns);
        stat_observe_ns(&h, bound_ns + 1);
        unsigned next = i + 1 < STAT_HISTOGRAM_BUCKETS ? i + 1 : i;
        ck_assert_uint_eq(h.buckets[i], next == i ? 2 : 1);
        ck_assert_uint_eq(h.buckets[next], next == i ? 2 : 1);
        ck_assert_uint_eq(h.sum_ns, 2 * bound_ns + 1);
    }
    struct stat_histogram h = { 0 };
    stat_observe_ns(&h, 0);
    stat_observe_ns(&h, UINT64_MAX);
    ck_assert_uint_eq(h.buckets[0], 1);
    ck_assert_uint_eq(h.buckets[STAT_HISTOGRAM_BUCKETS - 1], 1);
}
END_TEST

START_TEST(checked_arithmetic_refuses_to_wrap)
{
    size_t out = 1;
    ck_assert(ck_add(SIZE_MAX - 1, 1, &out));
    ck_assert_uint_eq(out, SIZE_MAX);
    ck_assert(!ck_add(SIZE_MAX, 1, &out));
    ck_assert(ck_mul(1u << 16, 1u << 16, &out));
    ck_assert(!ck_mul(SIZE_MAX / 2, 3, &out));
    ck_assert_uint_eq(zigzag_of(0), 0);
    ck_assert_uint_eq(zigzag_of(-1), 1);
    ck_assert_uint_eq(zigzag_of(INT64_MIN), UINT64_MAX);
    ck_assert_uint_eq(bits_of_double(1.0), 0x3FF0000000000000u);
}
END_TEST

START_TEST(double_to_integer_is_range_checked)
{
    int64_t v = 5;
    ck_assert(!double_to_i64(NAN, &v));
    ck_assert(!double_to_i64(INFINITY, &v));
    ck_assert(!double_to_i64(0x1p63, &v));
    ck_assert_int_eq(v, 5);
    ck_assert(double_to_i64(-0x1p63, &v));
    ck_assert_int_eq(v, INT64_MIN);
    ck_assert(double_to_i64(nextafter(0x1p63, 0), &v));
    ck_assert_int_eq(v, 9223372036854774784);
    ck_assert(double_to_i64(-1.9, &v));
    ck_assert_int_eq(v, -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("digest");
    TCase *tc = tcase_create("digest");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, crc32c_has_the_published_values);
    tcase_add_test(tc, crc32c_is_the_same_in_pieces_and_by_table);
    tcase_add_test(tc, hashes_are_stable_on_disk_values);
    tcase_add_test(tc, rng_is_deterministic_and_uniform);
    tcase_add_test(tc, rng_gives_the_reference_sequence);
    tcase_add_test(tc, histogram_bucket_holds_values_up_to_its_bound);
    tcase_add_test(tc, checked_arithmetic_refuses_to_wrap);
    tcase_add_test(tc, double_to_integer_is_range_checked);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
