/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/snappy.h"

#include "compress_test.h"

START_TEST(snappy_round_trip)
{
    struct bytes text = sample_text(SIZES[_i], 1), out;
    snappy_encode(text, &T.buf);
    ck_assert(!buf_failed(&T.buf));
    ck_assert_int_eq(snappy_decode(buf_bytes(&T.buf), &ROOMY, &T.arena, &out, &T.err), ERR_OK);
    assert_bytes_eq(out, text);
    size_t encoded = T.buf.len;
    struct bytes in = { arena_str(&T.arena, buf_str(&T.buf)).ptr != NULL ? T.buf.ptr : NULL,
                        encoded };
    struct buf second;
    buf_init(&second, T.mem, (size_t)8 << 20);
    buf_put_lit(&second, "before");
    ck_assert_int_eq(snappy_decode_buf(in, &ROOMY, &second, &T.err), ERR_OK);
    ck_assert_uint_eq(second.len, text.len + 6);
    assert_bytes_eq((struct bytes){ second.ptr + 6, text.len }, text);
    buf_deinit(&second);
}
END_TEST

START_TEST(snappy_declared_size_is_checked_before_allocation)
{
    /* 2.5 GB declared in a body of 47 bytes */
    uint8_t in[47] = { 0x80, 0xf9, 0x86, 0xa8, 0x09 };
    struct bytes out = { NULL, 0 };
    uint64_t used = mem_total_used(T.budget);
    ck_assert_int_eq(snappy_decode((struct bytes){ in, sizeof in }, &ROOMY, &T.arena, &out, &T.err),
                     ERR_LIMIT);
    ck_assert_uint_eq(mem_total_used(T.budget), used);
    ck_assert_ptr_null(out.ptr);
}
END_TEST

START_TEST(snappy_impossible_size_is_refused_without_allocation)
{
    uint8_t in[8] = { 0x80, 0x80, 0x40 }; /* 1 MiB in eight bytes */
    struct bytes out;
    uint64_t used = mem_total_used(T.budget);
    ck_assert_int_eq(snappy_decode((struct bytes){ in, sizeof in }, &ROOMY, &T.arena, &out, &T.err),
                     ERR_INVALID);
    ck_assert_uint_eq(mem_total_used(T.budget), used);
}
END_TEST

START_TEST(snappy_damage_is_refused)
{
    struct bytes text = sample_text(5000, 2), out;
    snappy_encode(text, &T.buf);
    for (size_t n = 0; n < T.buf.len; n += 7) {
        ck_assert_int_ne(
            snappy_decode((struct bytes){ T.buf.ptr, n }, &ROOMY, &T.arena, &out, &T.err), ERR_OK);
    }
    struct buf second;
    buf_init(&second, T.mem, 1 << 20);
    ck_assert_int_eq(
        snappy_decode_buf((struct bytes){ T.buf.ptr, T.buf.len - 1 }, &ROOMY, &second, &T.err),
        ERR_INVALID);
    ck_assert_uint_eq(second.len, 0);
    buf_deinit(&second);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snappy");
    TCase *tc = codec_case(suite, "snappy");
    tcase_add_loop_test(tc, snappy_round_trip, 0, SIZE_COUNT);
    tcase_add_test(tc, snappy_declared_size_is_checked_before_allocation);
    tcase_add_test(tc, snappy_impossible_size_is_refused_without_allocation);
    tcase_add_test(tc, snappy_damage_is_refused);
    return codec_run(suite);
}
