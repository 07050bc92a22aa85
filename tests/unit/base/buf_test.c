/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <check.h>

#include "base/rd.h"
#include "base/rng.h"
#include "os/mem.h"

static struct mem_budget *budget;
static const struct mem_source *source;

static void setup(void)
{
    budget = mem_budget_create(64u << 20);
    source = mem_source_of(budget, MEM_INGEST);
}

static void teardown(void)
{
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

static bool holds(const struct buf *b, const char *text)
{
    return str_eq(buf_str(b), str_of_z(text));
}

START_TEST(appends_in_order_and_grows)
{
    struct buf b;
    buf_init(&b, source, 1u << 20);
    for (int i = 0; i < 1000; i++) {
        buf_put_lit(&b, "ab");
        buf_put_u8(&b, 'c');
    }
    ck_assert(!buf_failed(&b));
    ck_assert_uint_eq(b.len, 3000);
    for (size_t i = 0; i < 3000; i++) {
        ck_assert_int_eq(b.ptr[i], "abc"[i % 3]);
    }
    ck_assert_uint_eq(mem_live_count(budget), 1);
    buf_deinit(&b);
}
END_TEST

START_TEST(limit_makes_it_fail_for_good_and_keeps_what_was_there)
{
    struct buf b;
    buf_init(&b, source, 100);
    for (int i = 0; i < 100; i++) {
        buf_put_u8(&b, 'x');
    }
    ck_assert(!buf_failed(&b));
    ck_assert_uint_eq(b.cap, 100);
    buf_put_u8(&b, 'y');
    ck_assert(buf_failed(&b));
    buf_put(&b, "", 0);
    ck_assert_ptr_null(buf_reserve(&b, 0));
    ck_assert_uint_eq(b.len, 100);
    buf_reset(&b);
    ck_assert(!buf_failed(&b));
    buf_put_lit(&b, "again");
    ck_assert(holds(&b, "again"));
    buf_deinit(&b);
}
END_TEST

START_TEST(absurd_reservations_fail_without_overflow)
{
    struct buf b;
    buf_init(&b, source, SIZE_MAX);
    buf_put_u8(&b, 'x');
    ck_assert_ptr_null(buf_reserve(&b, SIZE_MAX));
    ck_assert(buf_failed(&b));
    buf_deinit(&b);
}
END_TEST

START_TEST(memory_refused_is_sticky)
{
    struct buf b;
    buf_init(&b, source, 1u << 20);
    mem_test_fail_at(budget, 2, MEM_FAIL_ONCE);
    for (int i = 0; i < 1000; i++) {
        buf_put_u8(&b, 'x');
    }
    ck_assert(buf_failed(&b));
    ck_assert_uint_eq(b.len, 64);
    buf_deinit(&b);
}
END_TEST

START_TEST(printf_fits_exactly_or_grows)
{
    for (size_t pad = 40; pad < 80; pad++) { /* around the first capacity of 64 */
        struct buf b;
        buf_init(&b, source, 1u << 20);
        for (size_t i = 0; i < pad; i++) {
            buf_put_u8(&b, '.');
        }
        buf_printf(&b, "%s=%d", "key", 12345);
        ck_assert(!buf_failed(&b));
        ck_assert_uint_eq(b.len, pad + 9);
        ck_assert_int_eq(memcmp(b.ptr + pad, "key=12345", 9), 0);
        buf_deinit(&b);
    }
}
END_TEST

START_TEST(decimal_texts)
{
    struct buf b;
    buf_init(&b, source, 1u << 20);
    buf_put_u64_text(&b, 0);
    buf_put_u8(&b, ' ');
    buf_put_u64_text(&b, UINT64_MAX);
    buf_put_u8(&b, ' ');
    buf_put_i64_text(&b, INT64_MIN);
    buf_put_u8(&b, ' ');
    buf_put_i64_text(&b, 907);
    ck_assert(holds(&b, "0 18446744073709551615 -9223372036854775808 907"));
    buf_deinit(&b);
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
    struct buf b;
    buf_init(&b, source, 1u << 20);
    struct rng rng;
    rng_init(&rng, 9);
    uint64_t values[300];
    for (size_t i = 0; i < 300; i++) {
        values[i] = rng_u64(&rng) >> rng_below(&rng, 64);
        buf_put_uvarint(&b, values[i]);
        buf_put_zigzag(&b, (int64_t)values[i]);
        buf_put_zigzag(&b, -(int64_t)(values[i] >> 1));
        buf_put_u16le(&b, (uint16_t)values[i]);
        buf_put_u32le(&b, (uint32_t)values[i]);
        buf_put_u64le(&b, values[i]);
        buf_put_f64le(&b, (double)values[i]);
    }
    ck_assert(!buf_failed(&b));
    struct rd r = rd_of(buf_bytes(&b));
    for (size_t i = 0; i < 300; i++) {
        ck_assert_uint_eq(rd_uvarint(&r), values[i]);
        ck_assert_int_eq(rd_zigzag(&r), (int64_t)values[i]);
        ck_assert_int_eq(rd_zigzag(&r), -(int64_t)(values[i] >> 1));
        ck_assert_uint_eq(rd_u16le(&r), (uint16_t)values[i]);
        ck_assert_uint_eq(rd_u32le(&r), (uint32_t)values[i]);
        ck_assert_uint_eq(rd_u64le(&r), values[i]);
        ck_assert(rd_f64le(&r) == (double)values[i]);
    }
    ck_assert(rd_ok(&r));
    ck_assert_uint_eq(rd_left(&r), 0);
    buf_deinit(&b);
}
END_TEST

START_TEST(bytes_are_little_endian_and_varints_minimal)
{
    struct buf b;
    buf_init(&b, source, 1u << 20);
    buf_put_u32le(&b, 0x01020304);
    buf_put_uvarint(&b, 127);
    buf_put_uvarint(&b, 128);
    buf_put_zigzag(&b, -1);
    buf_put_uvarint(&b, UINT64_MAX);
    static const uint8_t expected[] = { 4,    3,    2,    1,    0x7f, 0x80, 0x01, 0x01, 0xff,
                                        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 };
    ck_assert_uint_eq(b.len, sizeof expected);
    ck_assert_int_eq(memcmp(b.ptr, expected, sizeof expected), 0);
    buf_deinit(&b);
}
END_TEST

START_TEST(varint_of_eleven_bytes_fails_and_consumes_everything)
{
    static const uint8_t in[11] = { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1 };
    struct rd r = rd_of((struct bytes){ in, sizeof in });
    ck_assert_uint_eq(rd_uvarint(&r), 0);
    ck_assert(!rd_ok(&r));
    ck_assert_uint_eq(rd_left(&r), 0);
}
END_TEST

START_TEST(varint_above_64_bits_fails)
{
    static const uint8_t in[10] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2 };
    struct rd r = rd_of((struct bytes){ in, sizeof in });
    (void)rd_uvarint(&r);
    ck_assert(!rd_ok(&r));
}
END_TEST

START_TEST(reading_beyond_the_end_fails_for_every_prefix)
{
    static const uint8_t in[8] = { 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88 };
    struct bytes prefix = { in, (size_t)_i };
    struct rd r = rd_of(prefix);
    (void)rd_u64le(&r);
    ck_assert_int_eq(rd_ok(&r), _i == 8);
    r = rd_of(prefix);
    (void)rd_u32le(&r);
    ck_assert_int_eq(rd_ok(&r), _i >= 4);
    r = rd_of(prefix);
    (void)rd_u16le(&r);
    ck_assert_int_eq(rd_ok(&r), _i >= 2);
    r = rd_of(prefix);
    (void)rd_u8(&r);
    ck_assert_int_eq(rd_ok(&r), _i >= 1);
    r = rd_of(prefix);
    (void)rd_uvarint(&r); /* every byte says that more follow */
    ck_assert(!rd_ok(&r));
    r = rd_of(prefix);
    (void)rd_bytes(&r, UINT64_MAX - (uint64_t)_i);
    ck_assert(!rd_ok(&r));
    ck_assert_uint_eq(rd_u8(&r), 0); /* failure sticks */
    ck_assert(!rd_more(&r));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("buf and rd");
    TCase *tc = tcase_create("buf");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, appends_in_order_and_grows);
    tcase_add_test(tc, limit_makes_it_fail_for_good_and_keeps_what_was_there);
    tcase_add_test(tc, absurd_reservations_fail_without_overflow);
    tcase_add_test(tc, memory_refused_is_sticky);
    tcase_add_test(tc, printf_fits_exactly_or_grows);
    tcase_add_test(tc, decimal_texts);
    tcase_add_test(tc, what_is_written_is_read_back);
    tcase_add_test(tc, bytes_are_little_endian_and_varints_minimal);
    tcase_add_test(tc, varint_of_eleven_bytes_fails_and_consumes_everything);
    tcase_add_test(tc, varint_above_64_bits_fails);
    tcase_add_loop_test(tc, reading_beyond_the_end_fails_for_every_prefix, 0, 9);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
