/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/bits.h"

#include "codec_test.h"

START_TEST(bits_land_most_significant_first)
{
    uint8_t mem[32];
    memset(mem, 0xff, sizeof mem);
    struct bit_writer w = bit_writer_of(mem, sizeof mem);
    bits_put(&w, 5, 3);      /* 101 */
    bits_put_bit(&w, false); /* 0 */
    bits_put(&w, 0xabc, 12);
    bits_put(&w, 1, 1);
    ck_assert(!w.failed);
    ck_assert_uint_eq(bit_writer_size(&w), 3);
    ck_assert_uint_eq(mem[0], 0xaa);
    ck_assert_uint_eq(mem[1], 0xbc);
    ck_assert_uint_eq(mem[2], 0x80);
}
END_TEST

/* Random fields of every width, written and read back; the copy is read from memory of exactly the
 * used size, so that a sanitizer sees a read past the end. */
START_TEST(random_fields_read_back)
{
    enum { FIELDS = 2000 };
    static uint8_t mem[FIELDS * 8 + BITS_SLACK];
    static uint64_t values[FIELDS];
    static unsigned widths[FIELDS];
    struct rng rng;
    rng_init(&rng, (uint64_t)_i + 1);
    memset(mem, 0xee, sizeof mem);
    struct bit_writer w = bit_writer_of(mem, sizeof mem);
    for (size_t i = 0; i < FIELDS; i++) {
        widths[i] = (unsigned)rng_below(&rng, 65);
        values[i] = widths[i] == 0 ? 0 : rng_u64(&rng) >> (64 - widths[i]);
        if (rng_below(&rng, 50) == 0) w = bit_writer_at(mem, sizeof mem, w.pos); /* reopened */
        bits_put64(&w, values[i], widths[i]);
    }
    ck_assert(!w.failed);
    size_t size = bit_writer_size(&w);
    uint8_t *copy = arena_alloc(&T.arena, size, 1, 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, mem, size);
    struct bit_reader r = bit_reader_of((struct bytes){ copy, size });
    for (size_t i = 0; i < FIELDS; i++)
        ck_assert_uint_eq(bits_get64(&r, widths[i]), values[i]);
    ck_assert(!r.failed);
    ck_assert_uint_lt(bits_left(&r), 8);
    (void)bits_get(&r, 8);
    ck_assert(r.failed);
    ck_assert_uint_eq(bits_get(&r, 1), 0);
}
END_TEST

START_TEST(unary_prefix_codes_read_back)
{
    uint8_t mem[64];
    struct bit_writer w = bit_writer_of(mem, sizeof mem);
    for (unsigned ones = 0; ones <= 5; ones++) {
        bits_put(&w, (1u << ones) - 1, ones);
        if (ones < 5) bits_put_bit(&w, false);
        bits_put(&w, 2, 2);
    }
    struct bit_reader r = bit_reader_of((struct bytes){ mem, bit_writer_size(&w) });
    for (unsigned ones = 0; ones <= 5; ones++) {
        ck_assert_uint_eq(bits_get_unary(&r, 5), ones);
        ck_assert_uint_eq(bits_get(&r, 2), 2);
    }
    ck_assert(!r.failed);
}
END_TEST

START_TEST(unary_at_the_end_fails)
{
    static const uint8_t in[1] = { 0xff };
    struct bit_reader r = bit_reader_of((struct bytes){ in, 1 });
    ck_assert_uint_eq(bits_get_unary(&r, 8), 8);
    ck_assert_uint_eq(bits_get_unary(&r, 1), 0);
    ck_assert(r.failed);
}
END_TEST

START_TEST(varints_read_back_at_any_alignment)
{
    static const uint64_t values[] = { 0, 1, 127, 128, 16384, 1700000000000, UINT64_MAX };
    uint8_t mem[256];
    struct bit_writer w = bit_writer_of(mem, sizeof mem);
    bits_put(&w, 0, (unsigned)_i);
    for (size_t i = 0; i < 7; i++) {
        bits_put_uvarint(&w, values[i]);
        bits_put_zigzag(&w, -(int64_t)(values[i] >> 1));
    }
    struct bit_reader r = bit_reader_of((struct bytes){ mem, bit_writer_size(&w) });
    bits_skip(&r, (size_t)_i);
    for (size_t i = 0; i < 7; i++) {
        ck_assert_uint_eq(bits_get_uvarint(&r), values[i]);
        ck_assert_int_eq(bits_get_zigzag(&r), -(int64_t)(values[i] >> 1));
    }
    ck_assert(!r.failed);
}
END_TEST

START_TEST(varint_that_overflows_fails)
{
    static const uint8_t in[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 };
    struct bit_reader r = bit_reader_of((struct bytes){ in, sizeof in });
    ck_assert_uint_eq(bits_get_uvarint(&r), 0);
    ck_assert(r.failed);
}
END_TEST

START_TEST(write_that_does_not_fit_changes_nothing)
{
    uint8_t mem[4 + BITS_SLACK];
    memset(mem, 0, sizeof mem);
    struct bit_writer w = bit_writer_of(mem, sizeof mem);
    size_t written = 0;
    while (!w.failed && written < 1000) {
        size_t before = w.pos;
        bits_put64(&w, UINT64_MAX >> 3, 61);
        if (w.failed) ck_assert_uint_eq(w.pos, before);
        written++;
    }
    ck_assert(w.failed);
    size_t pos = w.pos;
    bits_put_bit(&w, true);
    bits_put_uvarint(&w, 300);
    ck_assert_uint_eq(w.pos, pos);
}
END_TEST

/* The worked example of the head chunk format: 15000 as a uvarint after whole bytes, then codes. */
START_TEST(known_stream_of_a_chunk)
{
    static const uint8_t want[] = { 0x98, 0x75, 0x55, 0x83, 0xc0, 0x03, 0xd0, 0x07, 0xbf, 0xf4 };
    uint8_t mem[32];
    struct bit_writer w = bit_writer_of(mem, sizeof mem);
    bits_put_uvarint(&w, 15000);
    bits_put(&w, 0, 1);
    bits_put(&w, 2, 2); /* 10 */
    bits_put(&w, 1, 1);
    bits_put(&w, 11, 5);
    bits_put(&w, 1, 6);
    bits_put(&w, 1, 1);
    bits_put(&w, 6, 3); /* 110 */
    bits_put(&w, 3, 13);
    bits_put(&w, 6, 3);
    bits_put(&w, 16, 5);
    bits_put(&w, 1, 6);
    bits_put(&w, 1, 1);
    bits_put(&w, 6, 3);
    bits_put(&w, 8186, 13); /* -6 */
    bits_put(&w, 0, 1);
    ck_assert_uint_eq(bit_writer_size(&w), sizeof want);
    ck_assert(memcmp(mem, want, sizeof want) == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bits");
    TCase *tc = codec_case(suite, "bits");
    tcase_add_test(tc, bits_land_most_significant_first);
    tcase_add_loop_test(tc, random_fields_read_back, 0, 20);
    tcase_add_test(tc, unary_prefix_codes_read_back);
    tcase_add_test(tc, unary_at_the_end_fails);
    tcase_add_loop_test(tc, varints_read_back_at_any_alignment, 0, 8);
    tcase_add_test(tc, varint_that_overflows_fails);
    tcase_add_test(tc, write_that_does_not_fit_changes_nothing);
    tcase_add_test(tc, known_stream_of_a_chunk);
    return codec_run(suite);
}
