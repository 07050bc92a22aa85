/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json_read.h"

#include "codec_test.h"

/* Check a whole text: every value is visited by the skipping that json_finish does. */
static enum err_code verdict(struct str text)
{
    struct json_reader r;
    json_reader_init(&r, text, &T.arena);
    T.err = (struct err){ 0 };
    return json_finish(&r, &T.err);
}

static const char *const VALID[] = {
    "0",
    "-0",
    "1",
    "-12",
    "10.25",
    "1e5",
    "1E-5",
    "1.5e+10",
    "0.1e0",
    "true",
    "false",
    "null",
    " \t\r\n1 \n",
    "\"\"",
    "\"a\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0041\\uD834\\uDD1E\"",
    "\"\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\"",
    "\"\x7f\"",
    "[]",
    "[ ]",
    "[1]",
    "[1,2 , 3]",
    "[[],[[]],{}]",
    "{}",
    "{ }",
    "{\"a\":1}",
    "{\"a\" : 1 , \"b\" : [ {\"c\":null} ] }",
    "{\"a\":1,\"a\":2}",
    "{\"\\u0061\":[true,false,\"x\"]}",
};

START_TEST(valid_text_is_accepted)
{
    ck_assert_msg(verdict(str_of_z(VALID[_i])) == ERR_OK, "%s: %s", VALID[_i], T.err.detail);
}
END_TEST

static const struct {
    const char *text, *detail;
} INVALID[] = {
    { "", "line 1, column 1: unexpected end of JSON text" },
    { " ", "line 1, column 2: unexpected end of JSON text" },
    { "01", "line 1, column 1: invalid number" },
    { "-", "line 1, column 1: invalid number" },
    { "-a", "line 1, column 1: invalid number" },
    { "1.", "line 1, column 1: invalid number" },
    { "1.e5", "line 1, column 1: invalid number" },
    { "1e", "line 1, column 1: invalid number" },
    { "1e+", "line 1, column 1: invalid number" },
    { ".5", "line 1, column 1: expected a value" },
    { "+1", "line 1, column 1: expected a value" },
    { "NaN", "line 1, column 1: expected a value" },
    { "0x10", "line 1, column 2: text after the JSON value" },
    { "1 2", "line 1, column 3: text after the JSON value" },
    { "[1]]", "line 1, column 4: text after the JSON value" },
    { "tru", "line 1, column 1: invalid word" },
    { "nul", "line 1, column 1: invalid word" },
    { "falsy", "line 1, column 1: invalid word" },
    { "truex", "line 1, column 5: text after the JSON value" },
    { "\"", "line 1, column 2: unexpected end of JSON text" },
    { "\"abc", "line 1, column 5: unexpected end of JSON text" },
    { "\"\\", "line 1, column 2: invalid escape in string" },
    { "\"\\x\"", "line 1, column 2: invalid escape in string" },
    { "\"\\u12\"", "line 1, column 2: invalid escape in string" },
    { "\"\\u12g4\"", "line 1, column 2: invalid escape in string" },
    { "\"\\ud834\"", "line 1, column 2: invalid escape in string" },
    { "\"\\ud834\\u0041\"", "line 1, column 2: invalid escape in string" },
    { "\"\\udd1e\"", "line 1, column 2: invalid escape in string" },
    { "\"\\ud834\\ud834\"", "line 1, column 2: invalid escape in string" },
    { "\"a\nb\"", "line 1, column 3: control character in string" },
    { "\"a\tb\"", "line 1, column 3: control character in string" },
    { "\"\xff\"", "line 1, column 2: invalid UTF-8 in string" },
    { "\"\xc0\x80\"", "line 1, column 2: invalid UTF-8 in string" },
    { "\"\xed\xa0\x80\"", "line 1, column 2: invalid UTF-8 in string" },
    { "\"\xf4\x90\x80\x80\"", "line 1, column 2: invalid UTF-8 in string" },
    { "\"\xe2\x82\"", "line 1, column 2: invalid UTF-8 in string" },
    { "[", "line 1, column 2: unexpected end of JSON text" },
    { "[1", "line 1, column 3: unexpected end of JSON text" },
    { "[1,", "line 1, column 4: unexpected end of JSON text" },
    { "[1,]", "line 1, column 4: expected a value" },
    { "[,1]", "line 1, column 2: expected a value" },
    { "[1 2]", "line 1, column 4: expected ',' or ']'" },
    { "[1}", "line 1, column 3: expected ',' or ']'" },
    { "{", "line 1, column 2: unexpected end of JSON text" },
    { "{1:2}", "line 1, column 2: expected a key" },
    { "{\"a\"}", "line 1, column 5: expected ':'" },
    { "{\"a\" 1}", "line 1, column 6: expected ':'" },
    { "{\"a\":}", "line 1, column 6: expected a value" },
    { "{\"a\":1,}", "line 1, column 8: expected a key" },
    { "{\"a\":1 \"b\":2}", "line 1, column 8: expected ',' or '}'" },
    { "{\"a\":1]", "line 1, column 7: expected ',' or '}'" },
    { "{\n \"a\": 1,\n  \"b\": x\n}", "line 3, column 8: expected a value" },
    { "\xef\xbb\xbf{}", "line 1, column 1: expected a value" },
    { "'a'", "line 1, column 1: expected a value" },
    { "// c\n1", "line 1, column 1: expected a value" },
};

START_TEST(invalid_text_is_refused_with_position)
{
    ck_assert_int_eq(verdict(str_of_z(INVALID[_i].text)), ERR_INVALID);
    ck_assert_str_eq(T.err.detail, INVALID[_i].detail);
}
END_TEST

START_TEST(depth_is_limited)
{
    char text[20001];
    for (int depth = 64; depth <= 65; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        enum err_code rc = verdict((struct str){ text, 2 * (size_t)depth });
        ck_assert_int_eq(rc, depth == 64 ? ERR_OK : ERR_LIMIT);
    }
    memset(text, '[', 20000);
    ck_assert_int_eq(verdict((struct str){ text, 20000 }), ERR_LIMIT);
    for (size_t i = 0; i < 20000; i += 5)
        memcpy(text + i, "{\"a\":", 5);
    ck_assert_int_eq(verdict((struct str){ text, 20000 }), ERR_LIMIT);
}
END_TEST

START_TEST(every_truncation_fails)
{
    struct str text =
        STR("{\"a\":[1,-2.5e3,\"x\\u00e9\\n\",true,null],\"b\":{\"c\":\"\xc3\xa9\",\"d\":false}}");
    ck_assert_int_eq(verdict(text), ERR_OK);
    for (size_t n = 0; n < text.len; n++) {
        /* an exact copy, so that a sanitizer sees a read beyond it */
        struct str cut = arena_str(&T.arena, str_sub(text, 0, n));
        ck_assert_int_eq(verdict(cut), ERR_INVALID);
    }
}
END_TEST

START_TEST(decoder_in_pull_style)
{
    struct json_reader r;
    struct str job = { NULL, 0 };
    int64_t sum = 0;
    bool has_null = false;
    json_reader_init(&r,
                     STR("{\"ignored\":{\"x\":[1,{\"y\":2}]},\"values\":[1,2,-4],"
                         "\"\\u006aob\":\"a\\tb\\ud834\\udd1e\",\"none\":null,\"rate\":0.25,"
                         "\"big\":18446744073709551615,\"on\":true}"),
                     &T.arena);
    json_object(&r);
    for (struct str key; json_next_key(&r, &key);) {
        if (str_eq(key, STR("values"))) {
            json_array(&r);
            while (json_next_item(&r))
                sum += json_i64(&r);
        } else if (str_eq(key, STR("job"))) {
            job = json_str(&r);
        } else if (str_eq(key, STR("none"))) {
            has_null = json_null(&r);
        } else if (str_eq(key, STR("rate"))) {
            ck_assert(json_f64(&r) == 0.25);
        } else if (str_eq(key, STR("big"))) {
            ck_assert_uint_eq(json_u64(&r), UINT64_MAX);
        } else if (str_eq(key, STR("on"))) {
            ck_assert(json_bool(&r));
        }
    }
    ck_assert_int_eq(json_finish(&r, &T.err), ERR_OK);
    ck_assert_int_eq(sum, -1);
    ck_assert(has_null);
    ck_assert_str_is(job, "a\tb\xf0\x9d\x84\x9e");
}
END_TEST

START_TEST(strings_without_escapes_are_slices)
{
    struct json_reader r;
    struct str text = STR("[\"plain \xc3\xa9\"]");
    json_reader_init(&r, text, &T.arena);
    json_array(&r);
    ck_assert(json_next_item(&r));
    struct str s = json_str(&r);
    ck_assert_ptr_eq(s.ptr, text.ptr + 2);
    ck_assert_uint_eq(T.arena.used_bytes, 0);
    ck_assert_int_eq(json_finish(&r, &T.err), ERR_OK);
}
END_TEST

START_TEST(wrong_kind_is_an_error_and_sticky)
{
    struct json_reader r;
    json_reader_init(&r, STR("{\"a\": [1], \"b\": 2}"), &T.arena);
    json_object(&r);
    struct str key;
    ck_assert(json_next_key(&r, &key));
    ck_assert_str_is(json_str(&r), "");
    ck_assert(!json_ok(&r));
    ck_assert(!json_next_key(&r, &key));
    ck_assert(!json_next_item(&r));
    ck_assert_int_eq(json_i64(&r), 0);
    ck_assert_int_eq(json_peek(&r), JSON_NONE);
    ck_assert_int_eq(json_finish(&r, &T.err), ERR_INVALID);
    ck_assert_str_eq(T.err.detail, "line 1, column 7: expected a string");
    ck_assert_uint_eq(T.err.offset, 6);
}
END_TEST

START_TEST(integers_refuse_fractions_and_overflow)
{
    static const char *const bad[] = { "1.0", "1e3", "9223372036854775808", "\"1\"" };
    for (size_t i = 0; i < 4; i++) {
        struct json_reader r;
        json_reader_init(&r, str_of_z(bad[i]), &T.arena);
        (void)json_i64(&r);
        ck_assert_int_eq(json_finish(&r, &T.err), ERR_INVALID);
    }
    struct json_reader r;
    json_reader_init(&r, STR("1e999"), &T.arena);
    (void)json_f64(&r);
    ck_assert_int_eq(json_finish(&r, &T.err), ERR_INVALID);
}
END_TEST

START_TEST(raw_value_is_the_text_as_written)
{
    struct json_reader r;
    json_reader_init(&r, STR("[ {\"a\" : [1, 2]} , 3]"), &T.arena);
    json_array(&r);
    ck_assert(json_next_item(&r));
    ck_assert_str_is(json_raw(&r), "{\"a\" : [1, 2]}");
    ck_assert(json_next_item(&r));
    ck_assert_str_is(json_raw(&r), "3");
    ck_assert(!json_next_item(&r));
    ck_assert_int_eq(json_finish(&r, &T.err), ERR_OK);
}
END_TEST

START_TEST(value_count_and_own_errors)
{
    struct json_reader r;
    json_reader_init(&r, STR("[1,2,3,4]"), &T.arena);
    json_limit_values(&r, 4);
    ck_assert_int_eq(json_finish(&r, &T.err), ERR_LIMIT);
    json_reader_init(&r, STR("[1]"), &T.arena);
    json_array(&r);
    json_fail(&r, "not what I wanted");
    ck_assert_int_eq(json_finish(&r, &T.err), ERR_INVALID);
    ck_assert_str_eq(T.err.detail, "line 1, column 2: not what I wanted");
}
END_TEST

START_TEST(full_arena_is_reported)
{
    struct json_reader r;
    struct arena tiny;
    arena_init(&tiny, T.mem, 1);
    json_reader_init(&r, STR("\"a\\nb\""), &tiny);
    (void)json_str(&r);
    ck_assert_int_eq(json_finish(&r, &T.err), ERR_NOMEM);
    arena_deinit(&tiny);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_read");
    TCase *tc = codec_case(suite, "json_read");
    tcase_add_loop_test(tc, valid_text_is_accepted, 0, sizeof VALID / sizeof VALID[0]);
    tcase_add_loop_test(tc, invalid_text_is_refused_with_position, 0,
                        sizeof INVALID / sizeof INVALID[0]);
    tcase_add_test(tc, depth_is_limited);
    tcase_add_test(tc, every_truncation_fails);
    tcase_add_test(tc, decoder_in_pull_style);
    tcase_add_test(tc, strings_without_escapes_are_slices);
    tcase_add_test(tc, wrong_kind_is_an_error_and_sticky);
    tcase_add_test(tc, integers_refuse_fractions_and_overflow);
    tcase_add_test(tc, raw_value_is_the_text_as_written);
    tcase_add_test(tc, value_count_and_own_errors);
    tcase_add_test(tc, full_arena_is_reported);
    return codec_run(suite);
}
