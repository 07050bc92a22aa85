/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/lexer.h"

#include <check.h>

#include "query/promql/literal.h"

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof(array)[0]))
#define T(kind) PROMQL_TOK_##kind

static const struct {
    const char *text;
    enum promql_token_kind kinds[8]; /* ended by EOF or ERROR */
} LEXED[] = {
    { "", { T(EOF) } },
    { " \t\r\n# comment\n# another", { T(EOF) } },
    { "foo FOO_1 a:b :c",
      { T(IDENTIFIER), T(IDENTIFIER), T(METRIC_IDENTIFIER), T(METRIC_IDENTIFIER), T(EOF) } },
    { "sum SuM sumx", { T(SUM), T(SUM), T(IDENTIFIER), T(EOF) } },
    { "{sum by #x\n}", { T(LEFT_BRACE), T(IDENTIFIER), T(IDENTIFIER), T(RIGHT_BRACE), T(EOF) } },
    { "inf NaN", { T(NUMBER), T(NUMBER), T(EOF) } },
    { "1 0x1F .5 5. 1_0 1e+5",
      { T(NUMBER), T(NUMBER), T(NUMBER), T(NUMBER), T(NUMBER), T(NUMBER), T(EOF) } },
    { "1m 1h30m 5ms 1m1h", { T(DURATION), T(DURATION), T(DURATION), T(DURATION), T(EOF) } },
    { "1x", { T(ERROR) } },
    { "fill(", { T(FILL), T(LEFT_PAREN), T(ERROR) } },
    { "fill \n(", { T(FILL), T(LEFT_PAREN), T(ERROR) } },
    { "fill fill_left", { T(IDENTIFIER), T(IDENTIFIER), T(EOF) } },
    { "< <= </ > >= >/", { T(LT), T(LE), T(TRIM_UPPER), T(GT), T(GE), T(TRIM_LOWER), T(EOF) } },
    { "= == != ^ % @", { T(ASSIGN), T(EQ), T(NE), T(POW), T(MOD), T(AT), T(EOF) } },
    { "{= != =~ !~", { T(LEFT_BRACE), T(ASSIGN), T(NE), T(MATCH_RE), T(MATCH_NRE), T(ERROR) } },
    { "[step()", { T(LEFT_BRACKET), T(STEP), T(LEFT_PAREN), T(RIGHT_PAREN), T(ERROR) } },
    { "[5m:1m]:",
      { T(LEFT_BRACKET), T(DURATION), T(COLON), T(DURATION), T(RIGHT_BRACKET), T(METRIC_IDENTIFIER),
        T(EOF) } },
    { "[5m:1m:", { T(LEFT_BRACKET), T(DURATION), T(COLON), T(DURATION), T(ERROR) } },
    { "[:", { T(LEFT_BRACKET), T(ERROR) } },
    { "\"a\\\"b\" 'c' `d\n`", { T(STRING), T(STRING), T(STRING), T(EOF) } },
    { "\"a\n\"", { T(ERROR) } },
};

START_TEST(text_becomes_tokens)
{
    struct promql_lexer lx;
    struct promql_token t;
    promql_lexer_init(&lx, str_of_z(LEXED[_i].text));
    for (int i = 0; i < 8; i++) {
        promql_lexer_next(&lx, &t);
        ck_assert_int_eq(t.kind, LEXED[_i].kinds[i]);
        if (t.kind == PROMQL_TOK_EOF || t.kind == PROMQL_TOK_ERROR) break;
        ck_assert(str_eq(t.text, str_sub(lx.input, t.pos.start, t.pos.end)));
    }
    struct promql_token again;
    promql_lexer_next(&lx, &again);
    ck_assert_int_eq(again.kind, t.kind);
    ck_assert_uint_eq(again.pos.start, t.pos.start);
}
END_TEST

static const struct {
    const char *text;
    double value;
} NUMBERS[] = {
    { "0", 0 },
    { "1_000.5", 1000.5 },
    { "0755", 493 },
    { "08", 8 },
    { "0x1f", 31 },
    { "0X_1F", 31 },
    { ".5", 0.5 },
    { "5.", 5 },
    { "1e-3", 0.001 },
    { "9223372036854775807", 9223372036854775807.0 },
    { "18446744073709551616", 18446744073709551616.0 },
    { "0x7fffffffffffffff", 9223372036854775807.0 },
};

START_TEST(number_has_its_value)
{
    struct err err = { 0 };
    double v = 0;
    ck_assert_int_eq(promql_number_value(str_of_z(NUMBERS[_i].text), &v, &err), ERR_OK);
    ck_assert_double_eq(v, NUMBERS[_i].value);
}
END_TEST

static const char *const NO_NUMBERS[] = { "0x",    "1_",    "1__0",
                                          "_1",    "1_.5",  "0x1_",
                                          "1e",    "1.5.5", "0xffffffffffffffffff",
                                          "1e999", "0x1.8", "1e5_00_" };

START_TEST(what_is_no_number_is_refused)
{
    struct err err = { 0 };
    double v = 0;
    ck_assert_int_eq(promql_number_value(str_of_z(NO_NUMBERS[_i]), &v, &err), ERR_INVALID);
    ck_assert(str_starts_with(str_of_z(err.detail), STR("error parsing number: strconv.")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lexer");
    TCase *tc = tcase_create("tokens");
    tcase_add_loop_test(tc, text_becomes_tokens, 0, COUNT_OF(LEXED));
    tcase_add_loop_test(tc, number_has_its_value, 0, COUNT_OF(NUMBERS));
    tcase_add_loop_test(tc, what_is_no_number_is_refused, 0, COUNT_OF(NO_NUMBERS));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
