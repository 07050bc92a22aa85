/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/pb.h"

#include "codec_test.h"

struct sample {
    int64_t ts_ms;
    double value;
    struct str name;
};

static bool decode_sample(struct bytes in, struct sample *out)
{
    struct rd r = rd_of(in);
    for (uint32_t key; (key = pb_key(&r)) != 0;) {
        switch (key) {
        case PB_KEY(1, PB_I64): out->value = pb_f64(&r); break;
        case PB_KEY(2, PB_VARINT): out->ts_ms = pb_i64(&r); break;
        case PB_KEY(3, PB_LEN): out->name = pb_str(&r); break;
        default: pb_skip(&r, key); break;
        }
    }
    return rd_ok(&r);
}

START_TEST(known_bytes_decode)
{
    /* field 1 = 1.5, field 2 = -1 (ten bytes), field 3 = "up", unknown field 4 = 7 */
    static const uint8_t in[] = { 0x09, 0,    0,    0,    0,    0,    0,    0xf8, 0x3f,
                                  0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xff, 0x01, 0x1a, 2,    'u',  'p',  0x20, 7 };
    struct sample s = { 0 };
    ck_assert(decode_sample((struct bytes){ in, sizeof in }, &s));
    ck_assert(s.value == 1.5);
    ck_assert_int_eq(s.ts_ms, -1);
    ck_assert_str_is(s.name, "up");
}
END_TEST

START_TEST(written_message_reads_back)
{
    pb_put_f64(&T.buf, 1, -0.25);
    pb_put_i64(&T.buf, 2, INT64_MIN);
    pb_put_str(&T.buf, 3, STR("http_requests_total"));
    pb_put_fixed32(&T.buf, 9, 1);
    pb_put_fixed64(&T.buf, 10, 2);
    pb_put_bool(&T.buf, 11, true);
    struct sample s = { 0 };
    ck_assert(decode_sample(buf_bytes(&T.buf), &s));
    ck_assert(s.value == -0.25);
    ck_assert_int_eq(s.ts_ms, INT64_MIN);
    ck_assert_str_is(s.name, "http_requests_total");
}
END_TEST

START_TEST(every_truncation_fails_or_drops_whole_fields)
{
    pb_put_str(&T.buf, 3, STR("abc"));
    pb_put_f64(&T.buf, 1, 1);
    struct bytes all = buf_bytes(&T.buf);
    for (size_t n = 1; n < all.len; n++) {
        struct sample s = { 0 };
        bool ok = decode_sample((struct bytes){ all.ptr, n }, &s);
        ck_assert_msg(ok == (n == 5), "length %zu", n); /* 5: exactly the first field */
    }
}
END_TEST

static const struct {
    const char *name;
    uint8_t bytes[12];
    size_t len;
} REFUSED[] = {
    { "field number 0", { 0x00, 0x01 }, 2 },
    { "field number 0, length delimited", { 0x02, 0x00 }, 2 },
    { "start group", { 0x0b }, 1 },
    { "end group", { 0x0c }, 1 },
    { "wire type 6", { 0x0e, 0 }, 2 },
    { "wire type 7", { 0x0f, 0 }, 2 },
    { "key over 32 bits", { 0x80, 0x80, 0x80, 0x80, 0x10, 0 }, 6 },
    { "length 2^63", { 0x1a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0 }, 12 },
    { "length one too long", { 0x1a, 3, 'a', 'b' }, 4 },
    { "varint of eleven bytes",
      { 0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1 },
      12 },
};

START_TEST(malformed_message_is_refused)
{
    struct sample s = { 0 };
    ck_assert_msg(!decode_sample((struct bytes){ REFUSED[_i].bytes, REFUSED[_i].len }, &s), "%s",
                  REFUSED[_i].name);
}
END_TEST

static size_t varint_size(size_t v)
{
    size_t n = 1;
    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

START_TEST(nested_length_is_minimal_at_each_size)
{
    static const size_t sizes[] = { 0, 1, 127, 128, 16383, 16384, 2097151, 2097152 };
    uint8_t *content = arena_alloc(&T.arena, sizes[_i] + 1, 1, 1);
    ck_assert_ptr_nonnull(content);
    memset(content, 'x', sizes[_i]);
    pb_put_u64(&T.buf, 7, 1);
    size_t outer = pb_begin(&T.buf, 1);
    size_t inner = pb_begin(&T.buf, 2);
    buf_put(&T.buf, content, sizes[_i]);
    pb_end(&T.buf, inner);
    pb_put_u64(&T.buf, 3, 300);
    pb_end(&T.buf, outer);

    struct rd r = rd_of(buf_bytes(&T.buf));
    ck_assert_uint_eq(pb_key(&r), PB_KEY(7, PB_VARINT));
    ck_assert_uint_eq(pb_u64(&r), 1);
    ck_assert_uint_eq(pb_key(&r), PB_KEY(1, PB_LEN));
    struct rd out = pb_msg(&r);
    ck_assert_uint_eq(pb_key(&out), PB_KEY(2, PB_LEN));
    struct bytes in = pb_bytes(&out);
    ck_assert_uint_eq(in.len, sizes[_i]);
    ck_assert(memcmp(in.ptr, content, in.len) == 0);
    ck_assert_uint_eq(pb_key(&out), PB_KEY(3, PB_VARINT));
    ck_assert_uint_eq(pb_u64(&out), 300);
    ck_assert_uint_eq(pb_key(&out), 0);
    ck_assert_uint_eq(pb_key(&r), 0);
    ck_assert(rd_ok(&r) && rd_ok(&out));
    size_t inner_size = 1 + varint_size(sizes[_i]) + sizes[_i];
    size_t outer_size = inner_size + 3;
    ck_assert_uint_eq(T.buf.len, 2 + 1 + varint_size(outer_size) + outer_size);
}
END_TEST

START_TEST(packed_fields_read_back)
{
    static const uint64_t u[] = { 0, 1, 127, 128, UINT64_MAX };
    static const int64_t s[] = { 0, -1, 1, INT64_MIN, INT64_MAX };
    static const double d[] = { 0, -1.5, 1e300 };
    pb_put_packed_u64(&T.buf, 1, u, 5);
    pb_put_packed_sint(&T.buf, 2, s, 5);
    pb_put_packed_f64(&T.buf, 3, d, 3);
    pb_put_packed_fixed64(&T.buf, 4, u, 5);
    pb_put_packed_u64(&T.buf, 5, u, 0);
    struct rd r = rd_of(buf_bytes(&T.buf));
    ck_assert_uint_eq(pb_key(&r), PB_KEY(1, PB_LEN));
    struct bytes packed = pb_bytes(&r);
    ck_assert_uint_eq(pb_packed_count(packed), 5);
    struct rd in = rd_of(packed);
    for (size_t i = 0; i < 5; i++)
        ck_assert_uint_eq(pb_u64(&in), u[i]);
    ck_assert(!rd_more(&in) && rd_ok(&in));
    ck_assert_uint_eq(pb_key(&r), PB_KEY(2, PB_LEN));
    in = pb_msg(&r);
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(pb_sint(&in), s[i]);
    ck_assert_uint_eq(pb_key(&r), PB_KEY(3, PB_LEN));
    in = pb_msg(&r);
    for (size_t i = 0; i < 3; i++)
        ck_assert(pb_f64(&in) == d[i]);
    ck_assert_uint_eq(pb_key(&r), PB_KEY(4, PB_LEN));
    in = pb_msg(&r);
    for (size_t i = 0; i < 5; i++)
        ck_assert_uint_eq(pb_fixed64(&in), u[i]);
    ck_assert_uint_eq(pb_key(&r), 0);
    ck_assert(rd_ok(&r));
}
END_TEST

START_TEST(writer_survives_a_full_buffer)
{
    struct buf small;
    buf_init(&small, T.mem, 64);
    size_t mark = pb_begin(&small, 1);
    for (int i = 0; i < 100; i++)
        pb_put_str(&small, 2, STR("0123456789"));
    pb_end(&small, mark);
    ck_assert(buf_failed(&small));
    buf_deinit(&small);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pb");
    TCase *tc = codec_case(suite, "pb");
    tcase_add_test(tc, known_bytes_decode);
    tcase_add_test(tc, written_message_reads_back);
    tcase_add_test(tc, every_truncation_fails_or_drops_whole_fields);
    tcase_add_loop_test(tc, malformed_message_is_refused, 0, sizeof REFUSED / sizeof REFUSED[0]);
    tcase_add_loop_test(tc, nested_length_is_minimal_at_each_size, 0, 8);
    tcase_add_test(tc, packed_fields_read_back);
    tcase_add_test(tc, writer_survives_a_full_buffer);
    return codec_run(suite);
}
