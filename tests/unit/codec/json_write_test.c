/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json_write.h"

#include <math.h>

#include "codec/json_read.h"
#include "codec_test.h"

START_TEST(commas_are_placed)
{
    struct json_writer w = json_writer_of(&T.buf);
    json_open_object(&w);
    json_key(&w, "status"), json_put_str(&w, STR("success"));
    json_key(&w, "data"), json_open_array(&w);
    json_put_u64(&w, 1);
    json_open_array(&w), json_close_array(&w);
    json_open_object(&w);
    json_key_str(&w, STR("a\"b")), json_put_null(&w);
    json_key_str(&w, STR("c")), json_put_bool(&w, true);
    json_close_object(&w);
    json_put_i64(&w, -5);
    json_close_array(&w);
    json_key(&w, "empty"), json_open_object(&w), json_close_object(&w);
    json_key(&w, "raw"), json_put_raw(&w, STR("[1,2]"));
    json_close_object(&w);
    ck_assert_str_is(buf_str(&T.buf),
                     "{\"status\":\"success\",\"data\":[1,[],{\"a\\\"b\":null,\"c\":true},-5],"
                     "\"empty\":{},\"raw\":[1,2]}");
}
END_TEST

START_TEST(numbers_are_shortest)
{
    struct json_writer w = json_writer_of(&T.buf);
    json_open_array(&w);
    json_put_f64(&w, 0.1);
    json_put_f64(&w, (double)NAN);
    json_put_f64(&w, (double)INFINITY);
    json_put_f64_str(&w, (double)NAN);
    json_put_f64_str(&w, -(double)INFINITY);
    json_put_f64_str(&w, 1.5);
    json_put_f64_str(&w, 1e21);
    json_put_seconds(&w, 1435781451781);
    json_put_seconds(&w, -1500);
    json_put_u64(&w, UINT64_MAX);
    json_put_i64(&w, INT64_MIN);
    json_close_array(&w);
    ck_assert_str_is(buf_str(&T.buf),
                     "[0.1,null,null,\"NaN\",\"-Inf\",\"1.5\",\"1e+21\",1435781451.781,-1.500,"
                     "18446744073709551615,-9223372036854775808]");
}
END_TEST

static const struct {
    const char *in;
    size_t len;
    const char *want, *want_html;
} STRINGS[] = {
    { "", 0, "\"\"", "\"\"" },
    { "plain text, longer than sixteen", 31, "\"plain text, longer than sixteen\"", NULL },
    { "a\"b\\c\n\r\t\x01\x1f", 10, "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f\"", NULL },
    { "\0", 1, "\"\\u0000\"", NULL },
    { "\x7f\xc3\xa9\xf0\x9d\x84\x9e", 7, "\"\x7f\xc3\xa9\xf0\x9d\x84\x9e\"", NULL },
    { "\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xa7", 9, "\"\\u2028\\u2029\xe2\x80\xa7\"", NULL },
    { "a\xff\xfe\xc3", 4, "\"a\\ufffd\\ufffd\\ufffd\"", NULL },
    { "\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\"", NULL },
    { "<a href=\"x\">&</a>", 17, "\"<a href=\\\"x\\\">&</a>\"",
      "\"\\u003ca href=\\\"x\\\"\\u003e\\u0026\\u003c/a\\u003e\"" },
};

START_TEST(string_is_escaped)
{
    struct str s = { STRINGS[_i].in, STRINGS[_i].len };
    json_escape(&T.buf, s, false);
    ck_assert_str_is(buf_str(&T.buf), STRINGS[_i].want);
    buf_reset(&T.buf);
    json_escape(&T.buf, s, true);
    ck_assert_str_is(buf_str(&T.buf),
                     STRINGS[_i].want_html ? STRINGS[_i].want_html : STRINGS[_i].want);
}
END_TEST

/* Each special byte at each place of a word of sixteen: the eight-byte scan finds it. */
START_TEST(special_bytes_are_found_at_every_offset)
{
    static const char special[] = { '"', '\\', '\n', '\x1f', '\0' };
    for (size_t at = 0; at < 16; at++) {
        for (size_t i = 0; i < sizeof special; i++) {
            char text[16];
            memset(text, 'x', sizeof text);
            text[at] = special[i];
            if (at + 1 < sizeof text) text[at + 1] = '!'; /* one above '"' minus a borrow */
            buf_reset(&T.buf);
            json_escape(&T.buf, (struct str){ text, sizeof text }, false);
            struct json_reader r;
            json_reader_init(&r, buf_str(&T.buf), &T.arena);
            struct str back = json_str(&r);
            ck_assert_int_eq(json_finish(&r, &T.err), ERR_OK);
            ck_assert(str_eq(back, (struct str){ text, sizeof text }));
        }
    }
}
END_TEST

START_TEST(random_utf8_reads_back)
{
    struct rng rng;
    rng_init(&rng, (uint64_t)_i);
    char text[200];
    size_t len = 0;
    while (len < 190) {
        static const char *const pieces[] = { "a",    "\"",           "\\",         "\n",
                                              "\x01", "\xe2\x82\xac", "0123456789", "\xc3\xa9" };
        struct str piece = str_of_z(pieces[rng_below(&rng, 8)]);
        memcpy(text + len, piece.ptr, piece.len);
        len += piece.len;
    }
    json_escape(&T.buf, (struct str){ text, len }, rng_below(&rng, 2) == 0);
    struct json_reader r;
    json_reader_init(&r, buf_str(&T.buf), &T.arena);
    struct str back = json_str(&r);
    ck_assert_int_eq(json_finish(&r, &T.err), ERR_OK);
    ck_assert(str_eq(back, (struct str){ text, len }));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_write");
    TCase *tc = codec_case(suite, "json_write");
    tcase_add_test(tc, commas_are_placed);
    tcase_add_test(tc, numbers_are_shortest);
    tcase_add_loop_test(tc, string_is_escaped, 0, sizeof STRINGS / sizeof STRINGS[0]);
    tcase_add_test(tc, special_bytes_are_found_at_every_offset);
    tcase_add_loop_test(tc, random_utf8_reads_back, 0, 50);
    return codec_run(suite);
}
