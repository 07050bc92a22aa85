/* SPDX-License-Identifier: Apache-2.0 */
#include "base/float_text.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/rng.h"

/* Reference texts of Go's strconv for each style; "" = not checked. FLOAT_SHORTEST as Prometheus'
 * JSON has it. */
static const struct {
    uint64_t bits;
    const char *shortest, *go_g, *go_e, *plain;
} rows[] = {
    { 0x0000000000000000u, "0", "0", "0e+00", "0" },
    { 0x8000000000000000u, "-0", "-0", "-0e+00", "-0" },
    { 0x3ff0000000000000u, "1", "1", "1e+00", "1" },
    { 0xbff0000000000000u, "-1", "-1", "-1e+00", "-1" },
    { 0x3fb999999999999au, "0.1", "0.1", "1e-01", "0.1" },
    { 0x3fe0000000000000u, "0.5", "0.5", "5e-01", "0.5" },
    { 0x3ff8000000000000u, "1.5", "1.5", "1.5e+00", "1.5" },
    { 0x4059000000000000u, "100", "100", "1e+02", "100" },
    { 0x40fe240000000000u, "123456", "123456", "1.23456e+05", "123456" },
    { 0x412e847e00000000u, "999999", "999999", "9.99999e+05", "999999" },
    { 0x412e848000000000u, "1000000", "1e+06", "1e+06", "1000000" },
    { 0x4132d68700000000u, "1234567", "1.234567e+06", "1.234567e+06", "1234567" },
    { 0x430c6bf526340000u, "1000000000000000", "1e+15", "1e+15", "1000000000000000" },
    { 0x437b69b4ba630f35u, "123456789012345680", "1.2345678901234568e+17", "1.2345678901234568e+17",
      "123456789012345680" },
    { 0x4415af1d78b58c40u, "100000000000000000000", "1e+20", "1e+20", "100000000000000000000" },
    { 0x444b1ae4d6e2ef50u, "1e+21", "1e+21", "1e+21", "1000000000000000000000" },
    { 0x4480f0cf064dd592u, "1e+22", "1e+22", "1e+22", "10000000000000000000000" },
    { 0x7fefffffffffffffu, "1.7976931348623157e+308", "1.7976931348623157e+308",
      "1.7976931348623157e+308", "" },
    { 0x0000000000000001u, "5e-324", "5e-324", "5e-324", "" },
    { 0x0010000000000000u, "2.2250738585072014e-308", "2.2250738585072014e-308",
      "2.2250738585072014e-308", "" },
    { 0x000fffffffffffffu, "2.225073858507201e-308", "2.225073858507201e-308",
      "2.225073858507201e-308", "" },
    { 0x3f1a36e2eb1c432du, "0.0001", "0.0001", "1e-04", "0.0001" },
    { 0x3ee4f8b588e368f1u, "0.00001", "1e-05", "1e-05", "0.00001" },
    { 0x3eb0c6f7a0b5ed8du, "0.000001", "1e-06", "1e-06", "0.000001" },
    { 0x3e7ad7f29abcaf48u, "1e-07", "1e-07", "1e-07", "0.0000001" },
    { 0x3f201f31f46ed246u, "0.000123", "0.000123", "1.23e-04", "0.000123" },
    { 0x4340000000000000u, "9007199254740992", "9.007199254740992e+15", "9.007199254740992e+15",
      "9007199254740992" },
    { 0x4340000000000000u, "9007199254740992", "9.007199254740992e+15", "9.007199254740992e+15",
      "9007199254740992" },
    { 0x3fd3333333333333u, "0.3", "0.3", "3e-01", "0.3" },
    { 0x3fe5555555555555u, "0.6666666666666666", "0.6666666666666666", "6.666666666666666e-01",
      "0.6666666666666666" },
    { 0x44b52d02c7e14af6u, "1e+23", "1e+23", "1e+23", "100000000000000000000000" },
    { 0x4011666666666666u, "4.35", "4.35", "4.35e+00", "4.35" },
    { 0x400921fb54442d18u, "3.141592653589793", "3.141592653589793", "3.141592653589793e+00",
      "3.141592653589793" },
    { 0x3d30000000000000u, "5.684341886080802e-14", "5.684341886080802e-14",
      "5.684341886080802e-14", "0.00000000000005684341886080802" },
    { 0x447c7e83209e90b2u, "8.41e+21", "8.41e+21", "8.41e+21", "8410000000000000000000" },
    { 0x36dc8b8218854567u, "2e-44", "2e-44", "2e-44", "" },
    { 0x3de49da7e361ce4cu, "1.5e-10", "1.5e-10", "1.5e-10", "0.00000000015" },
};
#define ROW_COUNT ((int)(sizeof rows / sizeof rows[0]))

static void check_text(double v, enum float_style style, const char *expected)
{
    char out[FLOAT_TEXT_SIZE + 1];
    memset(out, 'X', sizeof out);
    size_t n = float_format(v, style, out);
    ck_assert_uint_le(n, FLOAT_TEXT_SIZE);
    ck_assert_int_eq(out[n], 'X');
    out[n] = '\0';
    ck_assert_str_eq(out, expected);
}

START_TEST(texts_are_those_of_go)
{
    double v = double_of_bits(rows[_i].bits);
    check_text(v, FLOAT_SHORTEST, rows[_i].shortest);
    check_text(v, FLOAT_GO_G, rows[_i].go_g);
    check_text(v, FLOAT_GO_E, rows[_i].go_e);
    if (rows[_i].plain[0] != '\0') check_text(v, FLOAT_PLAIN, rows[_i].plain);
}
END_TEST

START_TEST(special_values_have_their_names_in_every_style)
{
    for (enum float_style style = FLOAT_SHORTEST; style <= FLOAT_GO_E; style++) {
        check_text(NAN, style, "NaN");
        check_text(-NAN, style, "NaN");
        check_text(double_of_bits(0x7FF0000000000002u), style, "NaN"); /* staleness marker */
        check_text(INFINITY, style, "+Inf");
        check_text(-INFINITY, style, "-Inf");
    }
}
END_TEST

START_TEST(open_metrics_marks_integers)
{
    check_text(1, FLOAT_OM, "1.0");
    check_text(0, FLOAT_OM, "0.0");
    check_text(-0.0, FLOAT_OM, "-0.0");
    check_text(-17, FLOAT_OM, "-17.0");
    check_text(0.25, FLOAT_OM, "0.25");
    check_text(100000, FLOAT_OM, "100000.0");
    check_text(1e6, FLOAT_OM, "1e+06");
    check_text(1.5e-9, FLOAT_OM, "1.5e-09");
}
END_TEST

START_TEST(plain_notation_of_the_extremes_fits)
{
    char out[FLOAT_TEXT_SIZE];
    size_t n = float_format(-1.7976931348623157e308, FLOAT_PLAIN, out);
    ck_assert_uint_eq(n, 310);
    n = float_format(-5e-324, FLOAT_PLAIN, out);
    ck_assert_uint_eq(n, 327);
    ck_assert_int_eq(memcmp(out, "-0.000", 6), 0);
    ck_assert_int_eq(out[n - 1], '5');
    n = float_format(-2.2250738585072014e-308, FLOAT_PLAIN, out);
    double back;
    ck_assert(float_parse((struct str){ out, n }, &back));
    ck_assert(back == -2.2250738585072014e-308);
    for (int style = FLOAT_SHORTEST; style <= FLOAT_GO_E; style++) {
        if (style == FLOAT_PLAIN) continue;
        ck_assert_uint_le(float_format(-1.2345678901234567e-300, (enum float_style)style, out), 28);
    }
}
END_TEST

/* Bit patterns of all magnitudes: uniform bits, few mantissa bits, integers, decimals. */
static double random_double(struct rng *rng)
{
    for (;;) {
        double v;
        switch (rng_below(rng, 5)) {
        case 0: v = double_of_bits(rng_u64(rng)); break;
        case 1: v = double_of_bits(rng_u64(rng) & ~((1ull << rng_below(rng, 53)) - 1)); break;
        case 2: v = (double)(int64_t)(rng_u64(rng) >> rng_below(rng, 63)); break;
        case 3: v = (double)rng_below(rng, 1000000) / (double)(1 + rng_below(rng, 10000)); break;
        default: v = double_of_bits(rng_u64(rng) >> (12 + rng_below(rng, 52))); break; /* tiny */
        }
        if (isfinite(v)) return v;
    }
}

/* The hot loops below compare by hand: Check writes a note for each of its assertions. */
START_TEST(every_text_reads_back_bit_identical)
{
    struct rng rng;
    rng_init(&rng, (uint64_t)_i);
    char out[FLOAT_TEXT_SIZE + 1];
    for (int i = 0; i < 400000; i++) {
        double v = random_double(&rng);
        size_t n = float_format(v, (enum float_style)(i % 5), out);
        out[n] = '\0';
        double ours;
        bool is_read = float_parse((struct str){ out, n }, &ours);
        double libc = strtod(out, NULL);
        if (!is_read || bits_of_double(ours) != bits_of_double(v) ||
            bits_of_double(libc) != bits_of_double(v)) {
            ck_abort_msg("%s of %a reads %a, libc %a", out, v, ours, libc);
        }
    }
}
END_TEST

/* The correctly rounded text with the fewest digits that reads back, by trial. */
static void reference_shortest(double v, char *out, size_t size)
{
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(out, size, "%.*e", digits - 1, v);
        if (strtod(out, NULL) == v) return;
    }
}

START_TEST(digits_are_the_fewest_and_the_closest)
{
    struct rng rng;
    rng_init(&rng, (uint64_t)_i);
    char ours[FLOAT_TEXT_SIZE + 1];
    char reference[64];
    for (int i = 0; i < 30000; i++) {
        double v = random_double(&rng);
        size_t n = float_format(v, FLOAT_GO_E, ours);
        ours[n] = '\0';
        reference_shortest(v, reference, sizeof reference);
        /* Below a power of two the interval is uneven: the closest text may be outside while
         * another one of that length is inside. There ours may only be shorter. */
        if ((bits_of_double(v) << 12) == 0) {
            if (n > strlen(reference)) ck_abort_msg("%s, shortest %s", ours, reference);
        } else if (strcmp(ours, reference) != 0) {
            ck_abort_msg("%s, shortest %s", ours, reference);
        }
    }
}
END_TEST

static const struct {
    const char *text;
    uint64_t bits;
} parse_rows[] = {
    { "0", 0 },
    { "-0", 1ull << 63 },
    { "1", 0x3FF0000000000000u },
    { "+1.", 0x3FF0000000000000u },
    { ".5", 0x3FE0000000000000u },
    { "00000000000000000000000000001", 0x3FF0000000000000u },
    { "1e2", 0x4059000000000000u },
    { "1E+2", 0x4059000000000000u },
    { "10000e-2", 0x4059000000000000u },
    { "0e99999999999999999999", 0 },
    { "1e-99999999999999999999", 0 },
    { "1e99999999999999999999", 0x7FF0000000000000u },
    { "-1e400", 0xFFF0000000000000u },
    { "1.7976931348623157e308", 0x7FEFFFFFFFFFFFFFu },
    { "1.7976931348623158e308", 0x7FEFFFFFFFFFFFFFu },
    { "1.7976931348623159e308", 0x7FF0000000000000u },
    { "5e-324", 1 },
    { "2.4703282292062327e-324", 0 },
    { "2.4703282292062328e-324", 1 },
    { "2.2250738585072011e-308", 0x000FFFFFFFFFFFFFu }, /* the one that hung PHP and Java */
    { "9007199254740993", 0x4340000000000000u },        /* exact tie, to even */
    { "9007199254740993.0000000000000000000000000000000000000001", 0x4340000000000001u },
    { "9007199254740995", 0x4340000000000002u },
    { "6.0221409e23", 0x44DFE185D6C70058u },
    { "inf", 0x7FF0000000000000u },
    { "+Inf", 0x7FF0000000000000u },
    { "-INFINITY", 0xFFF0000000000000u },
    { "NaN", FLOAT_NAN_BITS },
    { "-nan", FLOAT_NAN_BITS },
    { "0x1p-2", 0x3FD0000000000000u },
    { "-0X1.8P+1", 0xC008000000000000u },
    { "0x.8p1", 0x3FF0000000000000u },
    { "0x1p-1074", 1 },
    { "0x1p-1075", 0 },
    { "0x1.8p-1075", 1 },
    { "0x1.00000000000001p-1075", 1 },
    { "0x1.fffffffffffff8p1023", 0x7FF0000000000000u },
    { "0x1.fffffffffffff7p1023", 0x7FEFFFFFFFFFFFFFu },
    { "0x10000000000000000000000p0", 0x4570000000000000u },
    { "0x11234567172335.8p-1075", 0x000891A2B38B919Bu }, /* three quarters of a step: up */
    { "0x0p999999999", 0 },
};
#define PARSE_ROW_COUNT ((int)(sizeof parse_rows / sizeof parse_rows[0]))

START_TEST(numbers_are_read_exactly)
{
    double v = 7;
    ck_assert_msg(float_parse(str_of_z(parse_rows[_i].text), &v), "%s", parse_rows[_i].text);
    ck_assert_msg(bits_of_double(v) == parse_rows[_i].bits, "%s gives %a", parse_rows[_i].text, v);
}
END_TEST

static const char *const refused[] = {
    "",     "+",    "-",   ".",     "e5",   ".e5",   "1e",    "1e+",       "1.2.3",   "1 ",  " 1",
    "1x",   "0x",   "0x1", "0xp1",  "0x1p", "0x1.p", "0x.p1", "1_000",     "0x1_0p0", "++1", "-+1",
    "infi", "nanx", "in",  "1e5e5", "1,5",  "0b1p1", "1e5.5", "infinity1", "+-inf",
};
#define REFUSED_COUNT ((int)(sizeof refused / sizeof refused[0]))

START_TEST(everything_else_is_refused_and_leaves_the_output_alone)
{
    double v = 7;
    ck_assert_msg(!float_parse(str_of_z(refused[_i]), &v), "%s", refused[_i]);
    ck_assert(v == 7);
}
END_TEST

START_TEST(random_decimals_are_read_as_libc_does)
{
    struct rng rng;
    rng_init(&rng, (uint64_t)_i + 100);
    for (int i = 0; i < 200000; i++) {
        char text[128];
        size_t n = 0;
        size_t digits = 1 + rng_below(&rng, 40);
        size_t point = rng_below(&rng, digits + 1);
        for (size_t d = 0; d < digits; d++) {
            if (d == point) text[n++] = '.';
            text[n++] = (char)('0' + rng_below(&rng, 10));
        }
        int exponent = (int)rng_below(&rng, 700) - 360;
        n += (size_t)snprintf(text + n, sizeof text - n, "e%d", exponent);
        double ours;
        bool is_read = float_parse((struct str){ text, n }, &ours);
        double libc = strtod(text, NULL);
        if (!is_read || bits_of_double(ours) != bits_of_double(libc)) {
            ck_abort_msg("%s: %a, libc %a", text, ours, libc);
        }
    }
}
END_TEST

/* Exactly between two doubles, and next to it: the hardest inputs there are. */
START_TEST(middles_between_doubles_round_to_even_and_their_neighbours_do_not)
{
    struct rng rng;
    rng_init(&rng, (uint64_t)_i);
    static char text[4096];
    for (int i = 0; i < 1000; i++) {
        double low = fabs(random_double(&rng));
        double high = nextafter(low, INFINITY);
        if (!isfinite(high)) continue;
        long double middle = ((long double)low + (long double)high) / 2; /* exact in 64 bits */
        int n = snprintf(text, sizeof text - 8, "%.1100Le", middle);
        ck_assert_int_gt(n, 0);
        double even = (bits_of_double(low) & 1) == 0 ? low : high;
        double v;
        ck_assert(float_parse((struct str){ text, (size_t)n }, &v));
        ck_assert_msg(v == even, "%a", low);
        char *e = strchr(text, 'e');
        e[-1] = '1'; /* the last of many zeros: a trifle above */
        ck_assert(float_parse((struct str){ text, (size_t)n }, &v));
        ck_assert_msg(v == high, "%a", low);
        ck_assert(v == strtod(text, NULL));
    }
}
END_TEST

START_TEST(long_texts_are_read_whole)
{
    static char text[200000];
    memset(text, '0', sizeof text);
    text[1] = '.';
    (void)snprintf(text + sizeof text - 20, 20, "1e%zu", sizeof text - 20 - 2 + 1);
    double v;
    ck_assert(float_parse(str_of_z(text), &v));
    ck_assert(v == 1);
    memset(text, '9', sizeof text);
    ck_assert(float_parse((struct str){ text, sizeof text }, &v));
    ck_assert(v == INFINITY);
    text[300] = '.';
    ck_assert(float_parse((struct str){ text, sizeof text }, &v));
    ck_assert(v == 1e300);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("float_text");
    TCase *format = tcase_create("format");
    tcase_set_timeout(format, 60);
    tcase_add_loop_test(format, texts_are_those_of_go, 0, ROW_COUNT);
    tcase_add_test(format, special_values_have_their_names_in_every_style);
    tcase_add_test(format, open_metrics_marks_integers);
    tcase_add_test(format, plain_notation_of_the_extremes_fits);
    tcase_add_loop_test(format, every_text_reads_back_bit_identical, 0, 4);
    tcase_add_loop_test(format, digits_are_the_fewest_and_the_closest, 0, 4);
    suite_add_tcase(suite, format);
    TCase *parse = tcase_create("parse");
    tcase_set_timeout(parse, 60);
    tcase_add_loop_test(parse, numbers_are_read_exactly, 0, PARSE_ROW_COUNT);
    tcase_add_loop_test(parse, everything_else_is_refused_and_leaves_the_output_alone, 0,
                        REFUSED_COUNT);
    tcase_add_loop_test(parse, random_decimals_are_read_as_libc_does, 0, 4);
    tcase_add_loop_test(parse, middles_between_doubles_round_to_even_and_their_neighbours_do_not, 0,
                        4);
    tcase_add_test(parse, long_texts_are_read_whole);
    suite_add_tcase(suite, parse);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
