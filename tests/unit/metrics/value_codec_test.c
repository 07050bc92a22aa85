/* SPDX-License-Identifier: Apache-2.0
 *
 * Every value codec, bit for bit: golden bytes, and round trips over the shapes that monitoring
 * data have and over those that they should not have.
 */
#include "metrics/block/value_codec.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/rng.h"
#include "metrics/block/bitpack.h"
#include "model/sample.h"
#include "os/mem.h"

static struct mem_budget *mem;
static struct value_encoder *encoder;
static struct value_scratch scratch;
static struct buf payload, column;

static void setup(void)
{
    mem = mem_budget_create(64u << 20);
    encoder = mem_alloc(mem, MEM_SYSTEM, sizeof *encoder);
    ck_assert_ptr_nonnull(encoder);
    buf_init(&payload, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
    buf_init(&column, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
}

static void teardown(void)
{
    buf_deinit(&payload);
    buf_deinit(&column);
    mem_free(mem, MEM_SYSTEM, encoder, sizeof *encoder);
    mem_budget_destroy(mem);
}

static struct value_desc encode(const double *v, size_t count)
{
    struct value_desc d;
    buf_reset(&payload);
    buf_reset(&column);
    value_encode(encoder, v, count, &payload, &d);
    value_desc_put(&d, &column);
    ck_assert(!buf_failed(&payload) && !buf_failed(&column));
    return d;
}

/* Encode, write and read the descriptor, decode; all bits must be there. Returns what was chosen. */
static struct value_desc assert_round_trip(const double *v, size_t count)
{
    struct value_desc d = encode(v, count);
    struct rd r = rd_of(buf_bytes(&column));
    struct value_desc read = { .codec = d.codec, .has_specials = d.has_specials };
    ck_assert(value_desc_read(&r, count, &read));
    ck_assert_uint_eq(rd_left(&r), 0);
    size_t size = payload.len;
    buf_put_u64le(&payload, 0);
    double out[VECTOR_SAMPLES_MAX + 16];
    struct err err = { 0 };
    r = rd_of((struct bytes){ payload.ptr, size });
    ck_assert_int_eq(value_decode(&read, &r, count, &scratch, out, &err), ERR_OK);
    ck_assert_uint_eq(rd_left(&r), 0);
    for (size_t i = 0; i < count; i++) {
        if (bits_of_double(out[i]) != bits_of_double(v[i]))
            ck_abort_msg("codec %u, sample %zu of %zu: %a became %a", d.codec, i, count, v[i],
                         out[i]);
    }
    payload.len = size;
    return d;
}

/* ---- golden bytes ---- */

static void assert_bytes(const struct buf *b, const uint8_t *expected, size_t size)
{
    ck_assert_uint_eq(b->len, size);
    ck_assert_mem_eq(b->ptr, expected, size);
}

START_TEST(golden_delta_of_short_decimals)
{
    static const double v[] = { 12.34, 12.36, 12.36, 12.41, 12.41, 12.47, 12.47, 12.52 };
    struct value_desc d = assert_round_trip(v, 8);
    ck_assert_uint_eq(d.codec, VALUE_DELTA);
    ck_assert_uint_eq(d.exponent, 2);
    ck_assert_int_eq(d.x0, 1234);
    ck_assert_uint_eq(d.g, 1);
    ck_assert_int_eq(d.base, 0);
    ck_assert_uint_eq(d.w, 3);
    assert_bytes(&payload, (const uint8_t[]){ 0x42, 0x61, 0x14 }, 3);
    assert_bytes(&column, (const uint8_t[]){ 2, 0xa4, 0x13, 1, 0, 3, 0, 0 }, 8);
}
END_TEST

START_TEST(golden_for_of_page_sizes)
{
    static const double v[] = { 8392704, 8396800, 8396800, 8388608, 8400896, 8400896 };
    struct value_desc d = assert_round_trip(v, 6);
    ck_assert_uint_eq(d.codec, VALUE_FOR);
    ck_assert_uint_eq(d.exponent, 0);
    ck_assert_uint_eq(d.g, 4096);
    ck_assert_int_eq(d.base, -1);
    ck_assert_uint_eq(d.w, 2);
    assert_bytes(&payload, (const uint8_t[]){ 0x29, 0x0f }, 2);
}
END_TEST

/* DELTA is as small here and faster, so only the decoder can be asked. */
START_TEST(golden_dod_of_a_steady_counter)
{
    static const double v[] = { 1000, 1500, 2001, 2501, 3000, 3500, 4002 };
    (void)assert_round_trip(v, 7);
    static const uint8_t bytes[] = { 0x4a, 0x44, 0, 0, 0, 0, 0, 0, 0, 0 };
    struct value_desc d = { .codec = VALUE_DOD, .x0 = 1000, .g = 1, .base = 500, .w = 3 };
    struct rd r = rd_of((struct bytes){ bytes, 2 });
    double out[VECTOR_SAMPLES_MAX];
    ck_assert_int_eq(value_decode(&d, &r, 7, &scratch, out, NULL), ERR_OK);
    ck_assert_mem_eq(out, v, sizeof v);
    ck_assert_uint_eq(rd_left(&r), 0);
}
END_TEST

/* Eight samples are too few for the writer to take it. */
START_TEST(golden_runs_of_a_counter_that_pauses)
{
    static const double v[] = { 100, 100, 103, 103, 103, 108, 108, 112 };
    /* Runs begin at 2, 5, 7; deltas 3 5 4. */
    static const uint8_t bytes[] = { 0x52, 0x18, 0, 0, 0, 0, 0, 0, 0, 0 };
    struct value_desc d = { .codec = VALUE_RUNS_DELTA, .x0 = 100, .g = 1, .base = 3, .w = 2 };
    struct rd r = rd_of((struct bytes){ bytes, 2 });
    double out[VECTOR_SAMPLES_MAX];
    ck_assert_int_eq(value_decode(&d, &r, 8, &scratch, out, NULL), ERR_OK);
    ck_assert_mem_eq(out, v, sizeof v);
    ck_assert_uint_eq(rd_left(&r), 0);
}
END_TEST

START_TEST(golden_delta_of_bits)
{
    double v[24];
    for (size_t i = 0; i < 24; i++)
        v[i] = double_of_bits(0x3fd3333333333334ull + 16 * (i / 2));
    struct value_desc d = assert_round_trip(v, 24);
    ck_assert_uint_eq(d.codec, VALUE_DELTA);
    /* e, the first double, g 16, min 0, w 1, wx 0, no exceptions */
    assert_bytes(
        &column,
        (const uint8_t[]){ 255, 0x34, 0x33, 0x33, 0x33, 0x33, 0x33, 0xd3, 0x3f, 16, 0, 1, 0, 0 },
        14);
    assert_bytes(&payload, (const uint8_t[]){ 0xaa, 0xaa, 0x2a }, 3);
}
END_TEST

START_TEST(golden_sparse_of_two_changes)
{
    double v[480];
    for (size_t i = 0; i < 480; i++)
        v[i] = i < 100 ? 7 : i < 400 ? 8 : 9;
    struct value_desc d = assert_round_trip(v, 480);
    ck_assert_uint_eq(d.codec, VALUE_SPARSE);
    ck_assert_uint_eq(d.patches, 2);
    assert_bytes(&payload, (const uint8_t[]){ 0x63, 0x02, 0xab, 0x02, 0x02 }, 5);
}
END_TEST

START_TEST(golden_constants)
{
    double v[480];
    for (size_t i = 0; i < 480; i++)
        v[i] = 1;
    ck_assert_uint_eq(assert_round_trip(v, 480).codec, VALUE_CONST);
    assert_bytes(&column, (const uint8_t[]){ 0, 2 }, 2);
    ck_assert_uint_eq(payload.len, 0);
    for (size_t i = 0; i < 480; i++)
        v[i] = 0.25;
    (void)assert_round_trip(v, 480);
    assert_bytes(&column, (const uint8_t[]){ 2, 50 }, 2);
    for (size_t i = 0; i < 480; i++)
        v[i] = 0.1 + 0.2; /* no decimal */
    (void)assert_round_trip(v, 480);
    assert_bytes(&column, (const uint8_t[]){ 255, 0x34, 0x33, 0x33, 0x33, 0x33, 0x33, 0xd3, 0x3f },
                 9);
    for (size_t i = 0; i < 480; i++)
        v[i] = stale_nan();
    (void)assert_round_trip(v, 480);
    assert_bytes(&column, (const uint8_t[]){ 255, 2, 0, 0, 0, 0, 0, 0xf0, 0x7f }, 9);
}
END_TEST

START_TEST(golden_rawx_of_one_full_precision_change)
{
    double v[24];
    for (size_t i = 0; i < 24; i++)
        v[i] = double_of_bits(i < 20 ? 0x3fd3333333333334ull : 0x4000123456789abdull);
    struct value_desc d = assert_round_trip(v, 24);
    ck_assert_uint_eq(d.codec, VALUE_RAWX);
    assert_bytes(&column, (const uint8_t[]){ 0x34, 0x33, 0x33, 0x33, 0x33, 0x33, 0xd3, 0x3f, 1 },
                 9);
    assert_bytes(&payload, (const uint8_t[]){ 19, 0x00, 0x2c, 0xdf, 0x01, 0x23, 0x45, 0x67, 0x89 },
                 9);
}
END_TEST

/* Section 6.2's values through VAL: same, one-bit window, new window, same. */
START_TEST(golden_xor_codes)
{
    static const double v[] = { 12, 12, 24, 24.5, 24.5 };
    struct value_desc d = { .codec = VALUE_XOR };
    /* 64 bits of 12, 0, 110 01011 000001 1, 110 10000 000001 1, 0 */
    static const uint8_t bytes[] = { 0x40, 0x28, 0, 0, 0, 0, 0, 0, 0x65, 0x83,
                                     0xd0, 0x06, 0, 0, 0, 0, 0, 0, 0,    0 };
    struct rd r = rd_of((struct bytes){ bytes, 12 });
    double out[VECTOR_SAMPLES_MAX];
    ck_assert_int_eq(value_decode(&d, &r, 5, &scratch, out, NULL), ERR_OK);
    ck_assert_mem_eq(out, v, sizeof v);
    ck_assert_uint_eq(rd_left(&r), 0);
}
END_TEST

/* ---- round trips ---- */

static const size_t COUNTS[] = { 1, 2, 3, 4, 7, 8, 9, 120, 480, 1023, 1024 };
#define COUNTS_LEN (sizeof COUNTS / sizeof COUNTS[0])

typedef void (*shape_fn)(struct rng *r, double *v, size_t count);

static void shape_constant(struct rng *r, double *v, size_t count)
{
    double c = rng_below(r, 2) ? (double)rng_below(r, 1000) : double_of_bits(rng_u64(r));
    for (size_t i = 0; i < count; i++)
        v[i] = c;
}

static void shape_counter_with_resets(struct rng *r, double *v, size_t count)
{
    double x = (double)rng_below(r, 1000000);
    for (size_t i = 0; i < count; i++) {
        x = rng_below(r, 50) == 0 ? 0 : x + (double)rng_below(r, 5000);
        v[i] = x;
    }
}

static void shape_steady_counter(struct rng *r, double *v, size_t count)
{
    double x = (double)rng_below(r, 1000000), step = (double)rng_below(r, 100000);
    for (size_t i = 0; i < count; i++) {
        x += step + (double)rng_below(r, 3);
        v[i] = x;
    }
}

static void shape_decimals(struct rng *r, double *v, size_t count)
{
    unsigned digits = (unsigned)rng_below(r, 19);
    double scale = pow(10, digits);
    for (size_t i = 0; i < count; i++)
        v[i] = (double)((int64_t)rng_below(r, 2000000) - 1000000) / scale;
}

static void shape_multiples(struct rng *r, double *v, size_t count)
{
    double g = (double)(1 + rng_below(r, 1 << 20));
    for (size_t i = 0; i < count; i++)
        v[i] = 4096 * g * (double)((int64_t)rng_below(r, 1000) - 300);
}

static void shape_random_bits(struct rng *r, double *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        v[i] = double_of_bits(rng_u64(r));
}

static void shape_nan_payloads(struct rng *r, double *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        v[i] = double_of_bits(0x7ff0000000000000ull | (rng_u64(r) & 0x800fffffffffffffull));
}

static void shape_few_specials(struct rng *r, double *v, size_t count)
{
    static const uint64_t odd[] = { STALE_NAN_BITS, NORMAL_NAN_BITS,       0x7ff0000000000000ull,
                                    1ull << 63,     0xfff0000000000000ull, 0xfff8000000000123ull };
    for (size_t i = 0; i < count; i++)
        v[i] =
            rng_below(r, 20) ? (double)rng_below(r, 100) / 8 : double_of_bits(odd[rng_below(r, 6)]);
}

static void shape_constant_with_stale(struct rng *r, double *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        v[i] = rng_below(r, 100) < 3 ? stale_nan() : 42;
}

static void shape_denormals(struct rng *r, double *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        v[i] = double_of_bits(rng_u64(r) & 0x800fffffffffffffull);
}

static void shape_wide_integers(struct rng *r, double *v, size_t count)
{
    unsigned shift = (unsigned)rng_below(r, 63);
    for (size_t i = 0; i < count; i++)
        v[i] = (double)((int64_t)rng_u64(r) >> shift);
}

static void shape_powers_to_2_63(struct rng *r, double *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        v[i] = ldexp(rng_below(r, 2) ? 1 : -1, (int)rng_below(r, 65));
}

static void shape_random_walk(struct rng *r, double *v, size_t count)
{
    double x = rng_f64(r);
    for (size_t i = 0; i < count; i++)
        v[i] = x += rng_below(r, 3) ? rng_f64(r) - 0.5 : 0;
}

static void shape_sparse(struct rng *r, double *v, size_t count)
{
    double x = 5;
    for (size_t i = 0; i < count; i++)
        v[i] = x += rng_below(r, 40) ? 0 : (double)rng_below(r, 7) * 0.5;
}

static void shape_rare_full_precision(struct rng *r, double *v, size_t count)
{
    double x = rng_f64(r);
    for (size_t i = 0; i < count; i++)
        v[i] = x = rng_below(r, 60) ? x : rng_f64(r) * 1000;
}

static void shape_outliers(struct rng *r, double *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        v[i] = rng_below(r, 30) ? (double)rng_below(r, 16) : (double)rng_below(r, 1ull << 50);
}

static void shape_mixed_precision(struct rng *r, double *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        v[i] = rng_below(r, 200) ? (double)rng_below(r, 10000) / 100
                                 : 1 / (double)(3 + rng_below(r, 9));
}

static void shape_extremes(struct rng *r, double *v, size_t count)
{
    static const double odd[] = { 0x1p53,
                                  -0x1p53,
                                  0x1p63,
                                  -0x1p63,
                                  0x1.fffffffffffffp62,
                                  1e22,
                                  1e-7,
                                  0,
                                  9007199254740991.0,
                                  123456789012.5,
                                  1e-15,
                                  0.1 };
    for (size_t i = 0; i < count; i++)
        v[i] = odd[rng_below(r, sizeof odd / sizeof odd[0])];
}

/* ---- series that stand still between their changes ---- */

static void shape_pausing_counter(struct rng *r, double *v, size_t count)
{
    double x = (double)rng_below(r, 1000000);
    for (size_t i = 0; i < count; i++)
        v[i] = x += rng_below(r, 5) < 2 ? (double)rng_below(r, 5000) : 0;
}

static void shape_pausing_steady_counter(struct rng *r, double *v, size_t count)
{
    double x = (double)rng_below(r, 1000000), step = 0;
    for (size_t i = 0; i < count; i++) {
        if (rng_below(r, 2)) step += 1000 + (double)rng_below(r, 5);
        v[i] = x += i > 0 && rng_below(r, 2) ? step : 0;
    }
}

static void shape_pausing_gauge(struct rng *r, double *v, size_t count)
{
    double x = 0;
    for (size_t i = 0; i < count; i++)
        v[i] = x = rng_below(r, 3) ? x : (double)rng_below(r, 1024) / 10;
}

static void shape_pausing_sum_with_stale(struct rng *r, double *v, size_t count)
{
    double x = rng_f64(r) * 4000;
    for (size_t i = 0; i < count; i++) {
        x += rng_below(r, 3) ? 0 : rng_f64(r);
        v[i] = rng_below(r, 60) ? x : stale_nan();
    }
}

static void shape_widened_floats(struct rng *r, double *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        v[i] = (double)(float)rng_f64(r);
}

static const shape_fn SHAPES[] = {
    shape_constant,
    shape_counter_with_resets,
    shape_steady_counter,
    shape_decimals,
    shape_multiples,
    shape_random_bits,
    shape_nan_payloads,
    shape_few_specials,
    shape_denormals,
    shape_constant_with_stale,
    shape_wide_integers,
    shape_powers_to_2_63,
    shape_random_walk,
    shape_sparse,
    shape_outliers,
    shape_mixed_precision,
    shape_extremes,
    shape_rare_full_precision,
    shape_pausing_gauge,
    shape_pausing_counter,
    shape_widened_floats,
    shape_pausing_steady_counter,
    shape_pausing_sum_with_stale,
};
#define SHAPES_LEN (sizeof SHAPES / sizeof SHAPES[0])

/* _i is the shape. */
START_TEST(every_shape_round_trips_bit_for_bit)
{
    struct rng r;
    rng_init(&r, 1000 + (uint64_t)_i);
    double v[VECTOR_SAMPLES_MAX];
    for (int round = 0; round < 60; round++) {
        for (size_t k = 0; k < COUNTS_LEN; k++) {
            SHAPES[_i](&r, v, COUNTS[k]);
            (void)assert_round_trip(v, COUNTS[k]);
        }
    }
}
END_TEST

START_TEST(all_codecs_are_met)
{
    struct rng r;
    rng_init(&r, 5);
    unsigned met = 0, met_patched = 0;
    double v[VECTOR_SAMPLES_MAX];
    for (int round = 0; round < 20; round++) {
        for (size_t s = 0; s < SHAPES_LEN; s++) {
            SHAPES[s](&r, v, 480);
            struct value_desc d = encode(v, 480);
            met |= 1u << d.codec;
            bool is_packed = d.codec <= VALUE_DOD || d.codec >= VALUE_RUNS_FOR;
            if (is_packed && d.patches > 0) met_patched |= 1u << d.codec;
        }
    }
    ck_assert_uint_eq(met, 0x1c7f);
    ck_assert(met_patched & 1u << VALUE_FOR);
    ck_assert(met_patched & 1u << VALUE_RUNS_DELTA);
}
END_TEST

START_TEST(worst_case_is_little_more_than_the_doubles)
{
    struct rng r;
    rng_init(&r, 9);
    double v[VECTOR_SAMPLES_MAX];
    shape_random_bits(&r, v, VECTOR_SAMPLES_MAX);
    (void)assert_round_trip(v, VECTOR_SAMPLES_MAX);
    ck_assert_uint_le(payload.len + column.len, VECTOR_SAMPLES_MAX * 9 + 16);
}
END_TEST

static size_t encoded_size(shape_fn shape, uint64_t seed)
{
    struct rng r;
    double v[480];
    rng_init(&r, seed);
    shape(&r, v, 480);
    (void)assert_round_trip(v, 480);
    return payload.len + column.len;
}

/* 40 % of 480 samples change by up to 5000: 13 bits each, and a bit per sample. */
START_TEST(repeats_cost_one_bit)
{
    size_t size = encoded_size(shape_pausing_counter, 77);
    ck_assert_uint_le(size, (480 + 480 * 2 / 5 * 13) / 8 + 60);
}
END_TEST

/* The 29 low bits of a float that was widened are zero; sign, exponent and mantissa are 32. */
START_TEST(widened_floats_take_their_own_size)
{
    ck_assert_uint_le(encoded_size(shape_widened_floats, 78), 480 * 4 + 60);
}
END_TEST

/* ---- damage ---- */

static enum err_code decode_bytes(struct value_desc d, const uint8_t *bytes, size_t size,
                                  size_t count)
{
    double out[VECTOR_SAMPLES_MAX + 16];
    struct rd r = rd_of((struct bytes){ bytes, size });
    return value_decode(&d, &r, count, &scratch, out, NULL);
}

START_TEST(runs_that_do_not_fit_their_mask_are_refused)
{
    static const uint8_t bytes[16] = { 0x52, 0x18 };
    static const uint8_t too_long[16] = { 0xd2, 0x18 }; /* a ninth sample's bit */
    static const uint8_t one_run[16] = { 0x00, 0x18 };
    struct value_desc d = { .codec = VALUE_RUNS_DELTA, .x0 = 100, .g = 1, .base = 3, .w = 2 };
    ck_assert_int_eq(decode_bytes(d, bytes, 2, 8), ERR_OK);
    ck_assert_int_eq(decode_bytes(d, too_long, 2, 8), ERR_CORRUPT);
    ck_assert_int_eq(decode_bytes(d, bytes, 1, 8), ERR_CORRUPT);
    ck_assert_int_eq(decode_bytes(d, one_run, 2, 8), ERR_CORRUPT);
    d.patches = 4; /* of three deltas */
    d.wx = 1;
    ck_assert_int_eq(decode_bytes(d, bytes, 8, 8), ERR_CORRUPT);
}
END_TEST

START_TEST(damaged_bytes_are_refused_or_give_values)
{
    struct rng r;
    rng_init(&r, 3000 + (uint64_t)_i);
    double v[VECTOR_SAMPLES_MAX], out[VECTOR_SAMPLES_MAX + 16];
    for (int round = 0; round < 3000; round++) {
        size_t count = COUNTS[rng_below(&r, COUNTS_LEN)];
        SHAPES[_i](&r, v, count);
        struct value_desc d = encode(v, count);
        for (int k = 0; k < 3 && column.len > 0; k++)
            column.ptr[rng_below(&r, column.len)] ^= (uint8_t)(1u << rng_below(&r, 8));
        struct rd c = rd_of(buf_bytes(&column));
        struct value_desc read = { .codec = d.codec, .has_specials = rng_below(&r, 4) == 0 };
        if (!value_desc_read(&c, count, &read)) continue;
        size_t size = (size_t)rng_below(&r, payload.len + 1);
        /* A block of exactly that size, so that the sanitizer sees every step too far. */
        uint8_t *exact = mem_zalloc(mem, MEM_SYSTEM, size + BITPACK_SLACK);
        ck_assert_ptr_nonnull(exact);
        if (size > 0) memcpy(exact, payload.ptr, size);
        struct rd p = rd_of((struct bytes){ exact, size });
        enum err_code rc = value_decode(&read, &p, count, &scratch, out, NULL);
        ck_assert(rc == ERR_OK || rc == ERR_CORRUPT);
        mem_free(mem, MEM_SYSTEM, exact, size + BITPACK_SLACK);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("value_codec");
    TCase *tc = tcase_create("golden");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, golden_delta_of_short_decimals);
    tcase_add_test(tc, golden_for_of_page_sizes);
    tcase_add_test(tc, golden_dod_of_a_steady_counter);
    tcase_add_test(tc, golden_runs_of_a_counter_that_pauses);
    tcase_add_test(tc, golden_delta_of_bits);
    tcase_add_test(tc, golden_sparse_of_two_changes);
    tcase_add_test(tc, golden_constants);
    tcase_add_test(tc, golden_rawx_of_one_full_precision_change);
    tcase_add_test(tc, golden_xor_codes);
    suite_add_tcase(suite, tc);
    tc = tcase_create("round trips");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, every_shape_round_trips_bit_for_bit, 0, (int)SHAPES_LEN);
    tcase_add_loop_test(tc, damaged_bytes_are_refused_or_give_values, 0, (int)SHAPES_LEN);
    tcase_add_test(tc, all_codecs_are_met);
    tcase_add_test(tc, worst_case_is_little_more_than_the_doubles);
    tcase_add_test(tc, repeats_cost_one_bit);
    tcase_add_test(tc, widened_floats_take_their_own_size);
    tcase_add_test(tc, runs_that_do_not_fit_their_mask_are_refused);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
