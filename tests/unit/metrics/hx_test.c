/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "metrics/hx/hx.h"
#include "os/mem.h"

#define CHUNK_CAP 8192

static struct mem_budget *budget;
static struct sample_buf decoded;

static void setup(void)
{
    budget = mem_budget_create((uint64_t)64 << 20);
    ck_assert_ptr_nonnull(budget);
    sample_buf_init(&decoded, mem_source_of(budget, MEM_QUERY));
}

static void teardown(void)
{
    sample_buf_deinit(&decoded);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

struct chunk {
    struct hx_state state;
    uint8_t bytes[CHUNK_CAP];
};

static void chunk_init(struct chunk *c)
{
    c->state = (struct hx_state)HX_STATE_EMPTY;
    memset(c->bytes, 0xa5, sizeof c->bytes); /* stale content of a reused slab block */
}

/* Appends and checks that the announced number of bits is exact and nothing beyond is touched. */
static void chunk_append(struct chunk *c, int64_t t, uint64_t bits)
{
    uint32_t before = c->state.bitpos;
    unsigned want = hx_sample_bits(&c->state, t, bits);
    size_t end = (before + want + 7) / 8;
    ck_assert_uint_lt(end, CHUNK_CAP);
    hx_append(&c->state, c->bytes, t, bits);
    ck_assert_uint_eq(c->state.bitpos - before, want);
    ck_assert_uint_eq(hx_size(&c->state), end);
    ck_assert_uint_eq(c->bytes[end], 0xa5);
}

static struct bytes chunk_bytes(const struct chunk *c)
{
    return (struct bytes){ c->bytes, hx_size(&c->state) };
}

static void assert_decodes(const struct chunk *c, const int64_t *t, const uint64_t *v, size_t n)
{
    struct err err = { 0 };
    /* An exact copy on the heap: the sanitizer sees every byte read too far. */
    struct bytes b = chunk_bytes(c);
    uint8_t *copy = malloc(b.len);
    memcpy(copy, b.ptr, b.len);
    struct bytes exact = { copy, b.len };
    sample_buf_reset(&decoded);
    ck_assert_int_eq(hx_decode(exact, INT64_MIN, INT64_MAX, &decoded, &err), ERR_OK);
    ck_assert_uint_eq(decoded.cols.count, n);
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(decoded.cols.ts_ms[i], t[i]);
        ck_assert_uint_eq(bits_of_double(decoded.cols.value[i]), v[i]);
    }
    struct hx_state resumed;
    uint64_t last = 0;
    ck_assert_int_eq(hx_resume(exact, &resumed, &last, &err), ERR_OK);
    ck_assert_uint_eq(last, v[n - 1]);
    ck_assert_mem_eq(&resumed, &c->state, sizeof resumed);
    ck_assert_uint_eq(hx_count(exact), n);
    free(copy);
}

START_TEST(worked_example_of_the_specification_gives_its_bytes)
{
    static const int64_t t[5] = { 1700000000000, 1700000015000, 1700000030000, 1700000045003,
                                  1700000060000 };
    static const double v[5] = { 12, 12, 24, 24.5, 24.5 };
    static const uint8_t want[] = { 0x00, 0x05, 0x00, 0x80, 0xa0, 0xab, 0xfe, 0xf9, 0x62,
                                    0x40, 0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x98,
                                    0x75, 0x55, 0x83, 0xc0, 0x03, 0xd0, 0x07, 0xbf, 0xf4 };
    struct chunk c;
    chunk_init(&c);
    uint64_t bits[5];
    for (int i = 0; i < 5; i++) {
        bits[i] = bits_of_double(v[i]);
        chunk_append(&c, t[i], bits[i]);
    }
    ck_assert_uint_eq(c.state.bitpos, 24 + 192); /* header of three bytes */
    ck_assert_uint_eq(hx_size(&c.state), sizeof want);
    ck_assert_mem_eq(c.bytes, want, sizeof want);
    assert_decodes(&c, t, bits, 5);
}
END_TEST

/* ---- properties ---- */

typedef uint64_t (*value_fn)(struct rng *r, uint64_t previous, int i);

static uint64_t value_constant(struct rng *r, uint64_t previous, int i)
{
    (void)r;
    return i == 0 ? bits_of_double(42.5) : previous;
}
static uint64_t value_counter(struct rng *r, uint64_t previous, int i)
{
    if (i == 0 || rng_below(r, 40) == 0) return bits_of_double(0);
    return bits_of_double(double_of_bits(previous) + (double)rng_below(r, 100000));
}
static uint64_t value_decimal(struct rng *r, uint64_t previous, int i)
{
    (void)previous;
    (void)i;
    return bits_of_double((double)rng_below(r, 1000000) / 1000.0);
}
static uint64_t value_random_bits(struct rng *r, uint64_t previous, int i)
{
    (void)previous;
    (void)i;
    return rng_u64(r);
}
static uint64_t value_special(struct rng *r, uint64_t previous, int i)
{
    static const uint64_t special[] = { STALE_NAN_BITS,
                                        NORMAL_NAN_BITS,
                                        0x7ff0000000000000, /* +Inf */
                                        0xfff0000000000000,
                                        0x8000000000000000, /* -0.0 */
                                        0,
                                        1, /* smallest denormal */
                                        0x000fffffffffffff,
                                        0x7ff800000000beef,
                                        0xffffffffffffffff };
    (void)i;
    if (rng_below(r, 3) == 0) return previous;
    return special[rng_below(r, sizeof special / sizeof special[0])];
}
static uint64_t value_mostly_repeated(struct rng *r, uint64_t previous, int i)
{
    if (i > 0 && rng_below(r, 6) != 0) return previous;
    return bits_of_double((double)rng_below(r, 64));
}
static uint64_t value_with_stale(struct rng *r, uint64_t previous, int i)
{
    (void)previous;
    return rng_below(r, 4) == 0 ? STALE_NAN_BITS : bits_of_double((double)(i / 5));
}

static const value_fn value_fns[] = { value_constant,    value_counter, value_decimal,
                                      value_random_bits, value_special, value_mostly_repeated,
                                      value_with_stale };
#define VALUE_FN_COUNT 7

static int64_t step_of(struct rng *r, int kind)
{
    switch (kind) {
    case 0: return 15000;
    case 1: return 15000 + (int64_t)rng_below(r, 11) - 5;
    case 2: return rng_below(r, 20) == 0 ? 30000 : 15000;
    case 3: return 1 + (int64_t)rng_below(r, 600000);
    default: return 1 + (int64_t)(rng_u64(r) >> (8 + rng_below(r, 48)));
    }
}
#define STEP_KIND_COUNT 5

START_TEST(round_trip_is_bit_exact)
{
    static const int sizes[] = { 1, 2, 3, 120, 240 };
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct rng r;
        rng_init(&r, seed * 1000 + (uint64_t)_i);
        int n = sizes[rng_below(&r, 5)];
        struct chunk c;
        chunk_init(&c);
        int64_t t[240];
        uint64_t v[240];
        int64_t now = (int64_t)rng_below(&r, 1u << 30) * (rng_below(&r, 2) ? 1000 : -1000);
        uint64_t value = 0;
        for (int i = 0; i < n; i++) {
            value = value_fns[_i % VALUE_FN_COUNT](&r, value, i);
            chunk_append(&c, now, value);
            t[i] = now;
            v[i] = value;
            now += step_of(&r, _i / VALUE_FN_COUNT);
        }
        assert_decodes(&c, t, v, (size_t)n);
    }
}
END_TEST

START_TEST(first_sample_may_be_any_time_and_a_stale_marker)
{
    static const int64_t times[] = { INT64_MIN, -1, 0, INT64_MAX - 10 };
    for (size_t k = 0; k < 4; k++) {
        struct chunk c;
        chunk_init(&c);
        int64_t t[5];
        static const uint64_t v[5] = { STALE_NAN_BITS, STALE_NAN_BITS, STALE_NAN_BITS, 7,
                                       STALE_NAN_BITS };
        for (int i = 0; i < 5; i++) {
            t[i] = times[k] + i * 2;
            chunk_append(&c, t[i], v[i]);
        }
        assert_decodes(&c, t, v, 5);
    }
}
END_TEST

START_TEST(decode_delivers_only_the_wanted_range)
{
    struct chunk c;
    chunk_init(&c);
    for (int i = 0; i < 120; i++)
        chunk_append(&c, 1000 + i * 10, bits_of_double(i / 7));
    struct err err = { 0 };
    for (int64_t from = 990; from < 2300; from += 7) {
        int64_t to = from + (from % 333);
        size_t want = 0;
        for (int i = 0; i < 120; i++)
            want += 1000 + i * 10 >= from && 1000 + i * 10 <= to;
        sample_buf_reset(&decoded);
        ck_assert_int_eq(hx_decode(chunk_bytes(&c), from, to, &decoded, &err), ERR_OK);
        ck_assert_uint_eq(decoded.cols.count, want);
        if (want > 0) ck_assert_int_ge(decoded.cols.ts_ms[0], from);
    }
}
END_TEST

START_TEST(truncated_chunk_is_reported_at_every_length)
{
    struct chunk c;
    chunk_init(&c);
    struct rng r;
    rng_init(&r, 5);
    for (int i = 0; i < 60; i++)
        chunk_append(&c, 1000 + i * 15000, rng_u64(&r));
    struct err err = { 0 };
    for (size_t len = 0; len < hx_size(&c.state); len++) {
        uint8_t *copy = malloc(len + 1);
        memcpy(copy, c.bytes, len);
        sample_buf_reset(&decoded);
        struct bytes cut = { copy, len };
        ck_assert_int_eq(hx_decode(cut, INT64_MIN, INT64_MAX, &decoded, &err), ERR_CORRUPT);
        ck_assert_uint_eq(decoded.cols.count, 0);
        free(copy);
    }
}
END_TEST

START_TEST(random_bytes_never_crash_the_decoder)
{
    struct rng r;
    rng_init(&r, 77);
    for (int k = 0; k < 20000; k++) {
        uint8_t bytes[64];
        size_t n = rng_below(&r, sizeof bytes + 1);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)rng_u64(&r);
        if (n > 2) bytes[0] = bytes[2] = 0;
        struct err err = { 0 };
        sample_buf_reset(&decoded);
        enum err_code rc =
            hx_decode((struct bytes){ bytes, n }, INT64_MIN, INT64_MAX, &decoded, &err);
        ck_assert(rc == ERR_OK || rc == ERR_CORRUPT);
        for (size_t i = 1; i < decoded.cols.count; i++)
            ck_assert_int_gt(decoded.cols.ts_ms[i], decoded.cols.ts_ms[i - 1]);
    }
}
END_TEST

START_TEST(resumed_chunk_goes_on_as_if_never_interrupted)
{
    struct rng r;
    rng_init(&r, 9);
    struct chunk whole;
    struct chunk resumed;
    chunk_init(&whole);
    chunk_init(&resumed);
    for (int i = 0; i < 100; i++) {
        int64_t t = 5000 + i * 1000 + (int64_t)rng_below(&r, 3);
        uint64_t v = value_with_stale(&r, 0, i);
        chunk_append(&whole, t, v);
        if (i > 0) {
            struct err err = { 0 };
            uint64_t last = 0;
            struct bytes b = chunk_bytes(&resumed);
            ck_assert_int_eq(hx_resume(b, &resumed.state, &last, &err), ERR_OK);
        }
        chunk_append(&resumed, t, v);
    }
    ck_assert_uint_eq(hx_size(&whole.state), hx_size(&resumed.state));
    ck_assert_mem_eq(whole.bytes, resumed.bytes, hx_size(&whole.state));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hx");
    TCase *tc = tcase_create("hx");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, worked_example_of_the_specification_gives_its_bytes);
    tcase_add_loop_test(tc, round_trip_is_bit_exact, 0, VALUE_FN_COUNT * STEP_KIND_COUNT);
    tcase_add_test(tc, first_sample_may_be_any_time_and_a_stale_marker);
    tcase_add_test(tc, decode_delivers_only_the_wanted_range);
    tcase_add_test(tc, truncated_chunk_is_reported_at_every_length);
    tcase_add_test(tc, random_bytes_never_crash_the_decoder);
    tcase_add_test(tc, resumed_chunk_goes_on_as_if_never_interrupted);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
