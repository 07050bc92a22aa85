/* SPDX-License-Identifier: Apache-2.0
 *
 * What parses: canonical text, and that it parses to an equal tree. Rows without features newer
 * than Prometheus 3.5 were compared with its format_query.
 */
#include "parse_fixture.h"

static const struct {
    const char *text, *canonical;
} VALID[] = {
    { "1", "1" },
    { "+Inf", "+Inf" },
    { "-Inf", "-Inf" },
    { ".5", "0.5" },
    { "5.", "5" },
    { "123.4567", "123.4567" },
    { "5e-3", "0.005" },
    { "0xc", "12" },
    { "0755", "493" },
    { "08", "8" },
    { "1_000.5", "1000.5" },
    { "-0755", "-493" },
    { "1 + 1", "1 + 1" },
    { "Inf ^ 2", "Inf ^ 2" },
    { "sum by ('Inf', 'infinite') (x)", "sum by (\"Inf\", infinite) (x)" },
    { "-0m", "0s" },
    { "-0", "-0" },
    { "2 ^ Inf", "2 ^ +Inf" },
    { "-1^2", "-1 ^ 2" },
    { "-1*2", "-1 * 2" },
    { "-1^-2", "-1 ^ -2" },
    { "2^-3^2", "2 ^ -3 ^ 2" },
    { "2^-3*4", "2 ^ -3 * 4" },
    { "+1 + -2 * 1", "1 + -2 * 1" },
    { "1 + 2/(3*1)", "1 + 2 / (3 * 1)" },
    { "1 < bool 2 - 1 * 2", "1 < bool 2 - 1 * 2" },
    { "-some_metric", "-some_metric" },
    { "+some_metric", "+some_metric" },
    { "- -some_metric", "--some_metric" },
    { "-(1)", "-(1)" },
    { "5m", "5m" },
    { "-5m", "-5m" },
    { "5m ^ 2", "5m ^ 2" },
    { "1h30m", "1h30m" },
    { "1y2w3d", "382d" },
    { "365d", "1y" },
    { "NaN", "NaN" },
    { "nan", "NaN" },
    { "iNf", "+Inf" },
    { "foo * bar", "foo * bar" },
    { "foo == 1", "foo == 1" },
    { "foo == bool 1", "foo == bool 1" },
    { "2.5 / bar", "2.5 / bar" },
    { "foo and bar", "foo and bar" },
    { "foo or bar", "foo or bar" },
    { "foo unless bar", "foo unless bar" },
    { "foo + bar or bla and blub", "foo + bar or bla and blub" },
    { "foo and bar unless baz or qux", "foo and bar unless baz or qux" },
    { "bar + on(foo) bla / on(baz, buz) group_right(test) blub",
      "bar + on (foo) bla / on (baz, buz) group_right (test) blub" },
    { "foo * on(test,blub) group_left(bar) bar", "foo * on (test, blub) group_left (bar) bar" },
    { "foo and on(test,blub) bar", "foo and on (test, blub) bar" },
    { "foo and on() bar", "foo and on () bar" },
    { "foo and ignoring(test,blub) bar", "foo and ignoring (test, blub) bar" },
    { "foo and ignoring() bar", "foo and bar" },
    { "foo unless on(bar) baz", "foo unless on (bar) baz" },
    { "foo / on(test,blub) group_left() bar", "foo / on (test, blub) group_left () bar" },
    { "foo / on(test,blub) group_left bar", "foo / on (test, blub) group_left () bar" },
    { "foo / ignoring(test,blub) group_left(blub) bar",
      "foo / ignoring (test, blub) group_left (blub) bar" },
    { "foo - on(test,blub) group_right(bar,foo) bar",
      "foo - on (test, blub) group_right (bar, foo) bar" },
    { "foo - on() group_left(a) bar", "foo - on () group_left (a) bar" },
    { "foo", "foo" },
    { "min", "min" },
    { "foo offset 5m", "foo offset 5m" },
    { "foo offset -7m", "foo offset -7m" },
    { "foo OFFSET 1h30m", "foo offset 1h30m" },
    { "foo OFFSET 1m30ms", "foo offset 1m30ms" },
    { "foo @ 1603774568", "foo @ 1603774568.000" },
    { "foo @ -100", "foo @ -100.000" },
    { "foo @ .3", "foo @ 0.300" },
    { "foo @ 3.", "foo @ 3.000" },
    { "foo @ 3.33", "foo @ 3.330" },
    { "foo @ 3.3333", "foo @ 3.333" },
    { "foo @ 3.3335", "foo @ 3.334" },
    { "foo @ 3e2", "foo @ 300.000" },
    { "foo @ 3e-1", "foo @ 0.300" },
    { "foo @ 0xA", "foo @ 10.000" },
    { "foo @ -3.3e1", "foo @ -33.000" },
    { "foo @ 5m", "foo @ 300.000" },
    { "foo @ start()", "foo @ start()" },
    { "foo @ end()", "foo @ end()" },
    { "foo:bar{a=\"bc\"}", "foo:bar{a=\"bc\"}" },
    { "foo{NaN='bc'}", "foo{NaN=\"bc\"}" },
    { "foo{bar='}'}", "foo{bar=\"}\"}" },
    { "foo{a=\"b\", foo!=\"bar\", test=~\"test\", bar!~\"baz\"}",
      "foo{a=\"b\",bar!~\"baz\",foo!=\"bar\",test=~\"test\"}" },
    { "foo{a=\"b\", foo!=\"bar\", test=~\"test\", bar!~\"baz\",}",
      "foo{a=\"b\",bar!~\"baz\",foo!=\"bar\",test=~\"test\"}" },
    { "{\"foo\", a=\"bc\"}", "{__name__=\"foo\",a=\"bc\"}" },
    { "{\"foo\"}", "{__name__=\"foo\"}" },
    { "{'foo\\'bar', 'a\\\\dos\\\\path'='boo\\u00e9'}",
      "{\"a\\\\dos\\\\path\"=\"boo\303\251\",__name__=\"foo'bar\"}" },
    { "{\"some.metric\", \"label with space\"!=\"x\"}",
      "{\"label with space\"!=\"x\",__name__=\"some.metric\"}" },
    { "{__name__=\"foo\"}", "{__name__=\"foo\"}" },
    { "{__name__=~\"foo.*\", a=\"\"}", "{__name__=~\"foo.*\",a=\"\"}" },
    { "foo{a=\"\",b=`x\\y`}", "foo{a=\"\",b=\"x\\\\y\"}" },
    { "test{a=\"b\"}[5y] OFFSET 3d", "test{a=\"b\"}[5y] offset 3d" },
    { "test[5s]", "test[5s]" },
    { "test[5m] OFFSET 30s", "test[5m] offset 30s" },
    { "test[5h] @ 1603774699", "test[5h] @ 1603774699.000" },
    { "test[300]", "test[5m]" },
    { "test[1.5]", "test[1s500ms]" },
    { "test[0x1f]", "test[31s]" },
    { "foo offset 1.5", "foo offset 1s500ms" },
    { "foo offset 5", "foo offset 5s" },
    { "foo offset -5", "foo offset -5s" },
    { "sum by(foo)(some_metric)", "sum by (foo) (some_metric)" },
    { "avg by (foo)(some_metric)", "avg by (foo) (some_metric)" },
    { "sum without(foo) (some_metric)", "sum without (foo) (some_metric)" },
    { "sum(some_metric) without(foo)", "sum without (foo) (some_metric)" },
    { "sum without()(some_metric)", "sum without () (some_metric)" },
    { "sum(some_metric) without()", "sum without () (some_metric)" },
    { "sum by () (x)", "sum(x)" },
    { "sum(x) by()", "sum(x)" },
    { "stddev(some_metric)", "stddev(some_metric)" },
    { "topk(5, some_metric)", "topk(5, some_metric)" },
    { "count_values(\"value\", some_metric)", "count_values(\"value\", some_metric)" },
    { "quantile by (a) (0.9, x)", "quantile by (a) (0.9, x)" },
    { "sum without(and, by, avg, count, alert, annotations)(some_metric)",
      "sum without (and, by, avg, count, alert, annotations) (some_metric)" },
    { "sum by (\"foo bar\", \"a\", 'b.c') (x)", "sum by (\"foo bar\", a, \"b.c\") (x)" },
    { "limitk(2, x)", "limitk(2, x)" },
    { "limit_ratio(0.5, x)", "limit_ratio(0.5, x)" },
    { "SUM(x) BY (a)", "sum by (a) (x)" },
    { "Sum By (a, ) (x)", "sum by (a) (x)" },
    { "floor(some_metric{foo!=\"bar\"})", "floor(some_metric{foo!=\"bar\"})" },
    { "rate(some_metric[5m])", "rate(some_metric[5m])" },
    { "round(some_metric)", "round(some_metric)" },
    { "round(some_metric, 5)", "round(some_metric, 5)" },
    { "time()", "time()" },
    { "day_of_month()", "day_of_month()" },
    { "label_join(foo, \"a\", \"b\")", "label_join(foo, \"a\", \"b\")" },
    { "label_join(foo, \"a\", \"b\", \"c\", \"d\")",
      "label_join(foo, \"a\", \"b\", \"c\", \"d\")" },
    { "label_replace(a, \"b\", \"$1\", \"c\", \"(.*)\")",
      "label_replace(a, \"b\", \"$1\", \"c\", \"(.*)\")" },
    { "vector(1)", "vector(1)" },
    { "\"double-quoted string \\\" with escaped quote\"",
      "\"double-quoted string \\\" with escaped quote\"" },
    { "'single-quoted string \\' with escaped quote'",
      "\"single-quoted string ' with escaped quote\"" },
    { "`backtick-quoted string`", "\"backtick-quoted string\"" },
    { "\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\" - \\xFF\\377\\u1234\\U00010111\\U0001011111\342\230\272\"",
      "\"\\a\\b\\f\\n\\r\\t\\v\\\\\\\" - "
      "\\xff\\xff\341\210\264\360\220\204\221\360\220\204\22111\342\230\272\"" },
    { "foo{bar=\"baz\"}[10m:6s]", "foo{bar=\"baz\"}[10m:6s]" },
    { "foo{bar=\"baz\"}[10m5s:1h6ms]", "foo{bar=\"baz\"}[10m5s:1h6ms]" },
    { "foo[10m:]", "foo[10m:]" },
    { "min_over_time(rate(foo{bar=\"baz\"}[2s])[5m:5s])",
      "min_over_time(rate(foo{bar=\"baz\"}[2s])[5m:5s])" },
    { "min_over_time(rate(foo{bar=\"baz\"}[2s])[5m:])[4m:3s]",
      "min_over_time(rate(foo{bar=\"baz\"}[2s])[5m:])[4m:3s]" },
    { "min_over_time(rate(foo{bar=\"baz\"}[2s])[5m:] offset 4m)[4m:3s]",
      "min_over_time(rate(foo{bar=\"baz\"}[2s])[5m:] offset 4m)[4m:3s]" },
    { "min_over_time(rate(foo{bar=\"baz\"}[2s])[5m:] @ 1603775091)[4m:3s]",
      "min_over_time(rate(foo{bar=\"baz\"}[2s])[5m:] @ 1603775091.000)[4m:3s]" },
    { "min_over_time(rate(foo{bar=\"baz\"}[2s])[5m:] @ start() offset 1d)[4m:3s]",
      "min_over_time(rate(foo{bar=\"baz\"}[2s])[5m:] @ start() offset 1d)[4m:3s]" },
    { "some_metric OFFSET 1m [10m:5s]", "some_metric offset 1m[10m:5s]" },
    { "some_metric @ 123 [10m:5s]", "some_metric @ 123.000[10m:5s]" },
    { "some_metric @ start() offset 1m [10m:5s]", "some_metric @ start() offset 1m[10m:5s]" },
    { "some_metric offset -1m @ 12 [10m:5s]", "some_metric @ 12.000 offset -1m[10m:5s]" },
    { "(foo + bar{nm=\"val\"})[5m:]", "(foo + bar{nm=\"val\"})[5m:]" },
    { "(foo + bar{nm=\"val\"})[5m:] offset 10m", "(foo + bar{nm=\"val\"})[5m:] offset 10m" },
    { "(foo + bar{nm=\"val\"} @ 1234)[5m:] @ 1603775019",
      "(foo + bar{nm=\"val\"} @ 1234.000)[5m:] @ 1603775019.000" },
    { "test:x", "test:x" },
    { ":a", ":a" },
    { "a:b:c + :b", "a:b:c + :b" },
    { "start", "start" },
    { "end", "end" },
    { "start + end", "start + end" },
    { "sum + sum", "sum + sum" },
    { "foo + by", "foo + by" },
    { "by + on(a) offset", "by + on (a) offset" },
    { "offset offset 5m", "offset offset 5m" },
    { "count{a=\"b\"}", "count{a=\"b\"}" },
    { "group(x)", "group(x)" },
    { "group", "group" },
    { "avg(sum) by (max)", "avg by (max) (sum)" },
    { "sum(by) by (by)", "sum by (by) (by)" },
    { "sum(foo) > bool on(a) group_left(b) bar", "sum(foo) > bool on (a) group_left (b) bar" },
    { "(((foo)))", "(((foo)))" },
    { "((foo + bar) * (baz))", "((foo + bar) * (baz))" },
    { "-foo ^ 2", "-foo ^ 2" },
    { "foo ^ -bar ^ baz", "foo ^ -bar ^ baz" },
    { "foo atan2 bar", "foo atan2 bar" },
    { "foo aTaN2 2", "foo atan2 2" },
    { "foo == on(a) bar", "foo == on (a) bar" },
    { "a != b", "a != b" },
    { "foo[5m+1m]", "foo[5m + 1m]" },
    { "foo[5m * 2]", "foo[5m * 2]" },
    { "foo[-5m+10m]", "foo[-5m + 10m]" },
    { "foo[(5m)]", "foo[(5m)]" },
    { "foo[(5m+1m)*2]", "foo[(5m + 1m) * 2]" },
    { "foo[((5m+1m))]", "foo[(5m + 1m)]" },
    { "foo[5m%2m:1m+1s]", "foo[5m % 2m:1m + 1s]" },
    { "foo[5m:(1m)]", "foo[5m:(1m)]" },
    { "foo[2^3^2]", "foo[2 ^ 3 ^ 2]" },
    { "foo[-2^2+10]", "foo[-2 ^ 2 + 10]" },
    { "foo offset (1m+2m)", "foo offset (1m + 2m)" },
    { "foo offset -(1m+2m)", "foo offset -(1m + 2m)" },
    { "foo offset (2)", "foo offset (2)" },
    { "foo offset -2^2", "foo offset -2s ^ 2" },
    { "foo offset 1m+1m", "foo offset 1m + 1m" },
    { "foo[5m] # comment", "foo[5m]" },
    { " x # d", "x" },
    { "absent(foo{a=\"b\"})", "absent(foo{a=\"b\"})" },
    { "predict_linear(foo[5m], 3600)", "predict_linear(foo[5m], 3600)" },
    { "histogram_quantile(0.9, rate(x_bucket[5m]))",
      "histogram_quantile(0.9, rate(x_bucket[5m]))" },
    { "info(foo, {a=\"b\"})", "info(foo, {a=\"b\"})" },
    { "info(foo, {})", "info(foo, {})" },
    { "info(foo)", "info(foo)" },
    { "sort_by_label(foo, \"a\", \"b\")", "sort_by_label(foo, \"a\", \"b\")" },
    { "scalar(foo) + 1", "scalar(foo) + 1" },
    { "(1)", "(1)" },
    { "(\"a\")", "(\"a\")" },
    { "foo{a=\"\\xff\"}", "foo{a=\"\\xff\"}" },
    { "{\"\\xff\"=\"a\"}", "{\"\\xff\"=\"a\"}" },
    { "double_exponential_smoothing(foo[5m], 0.5, 0.5)",
      "double_exponential_smoothing(foo[5m], 0.5, 0.5)" },
    { "mad_over_time(foo[5m])", "mad_over_time(foo[5m])" },
    { "max_over_time(rate(foo[5m])[1h:30s] offset -5m)",
      "max_over_time(rate(foo[5m])[1h:30s] offset -5m)" },
    { "1 == bool 2", "1 == bool 2" },
    { "1 > bool on() 2", "1 > bool 2" },
    { "foo + on() 1", "foo + 1" },
    { "count_values(\"\\xc5\", x)", "count_values(\"\\xc5\", x)" },
    { "1e3", "1000" },
    { "1E+3", "1000" },
    { "1e300", "10000000000000000000000000000000000000000000000000000000000000000000000000000000000"
               "00000000000000000000000000000000000000000000000000000000000000000000000000000000000"
               "00000000000000000000000000000000000000000000000000000000000000000000000000000000000"
               "0000000000000000000000000000000000000000000000000000" },
    { "0.1e-20", "0.000000000000000000001" },
    { "1 / 3", "1 / 3" },
    { "0x7fffffffffffffff", "9223372036854776000" },
    { "9223372036854775807", "9223372036854776000" },
    { "9223372036854775808", "9223372036854776000" },
    { "12345678901234567890123", "12345678901234568000000" },
    { "1_2_3", "123" },
    { "0x_1f", "31" },
    { "00", "0" },
    { "0_7", "7" },
    { "\"a\\nb\"", "\"a\\nb\"" },
    { "foo{a=\"a\\nb\\t\\\"\\\\\\u00e9\\u200b\"}", "foo{a=\"a\\nb\\t\\\"\\\\\303\251\\u200b\"}" },
    { "foo{a=~\"a|b|c\", b!~\"x.*\"}", "foo{a=~\"a|b|c\",b!~\"x.*\"}" },
    { "foo{c=\"1\",b=\"2\",a=\"3\",a!=\"4\"}", "foo{a!=\"4\",a=\"3\",b=\"2\",c=\"1\"}" },
    { "foo[1w]", "foo[1w]" },
    { "foo[7d]", "foo[1w]" },
    { "foo[14d1h]", "foo[14d1h]" },
    { "foo[1y1w]", "foo[372d]" },
    { "foo[8760h]", "foo[1y]" },
    { "foo[1d12h]", "foo[1d12h]" },
    { "foo[90s]", "foo[1m30s]" },
    { "foo[1500ms]", "foo[1s500ms]" },
    { "foo[0.5]", "foo[500ms]" },
    { "foo offset 0s", "foo" },
    { "foo offset 0s offset 5m", "foo offset 5m" },
    { "foo @ 0", "foo @ 0.000" },
    { "foo @ -0.0004", "foo @ 0.000" },
    { "foo offset 5m @ 10", "foo @ 10.000 offset 5m" },
    { "foo @ 10 offset 5m", "foo @ 10.000 offset 5m" },
    { "foo[5m] @ 10 offset 5m", "foo[5m] @ 10.000 offset 5m" },
    { "foo[5m] offset 5m @ start()", "foo[5m] @ start() offset 5m" },
    { "foo[step()]", "foo[step()]" },
    { "foo[range():1m]", "foo[range():1m]" },
    { "foo[5m:step()+1s]", "foo[5m:step() + 1s]" },
    { "foo offset step()", "foo offset step()" },
    { "foo offset -range()", "foo offset -range()" },
    { "foo offset min_of(step(), 1s) + 8000", "foo offset min_of(step(), 1s) + 8000" },
    { "foo offset -(step()*2) ^ 2", "foo offset -(step() * 2) ^ 2" },
    { "foo offset step() ^ 0", "foo offset step() ^ 0" },
    { "foo offset (1m) + bar", "foo offset (1m) + bar" },
    { "foo offset - -4", "foo offset 4s" },
    { "foo[max_of(min_of((step()+1),((1h))),1ms)]",
      "foo[max_of(min_of((step() + 1), (1h)), 1ms)]" },
    { "foo[((step()+1))]", "foo[(step() + 1)]" },
    { "foo[-step()+10m]", "foo[-step() + 10m]" },
    { "foo[STEP ( ) ]", "foo[step()]" },
    { "foo anchored", "foo anchored" },
    { "foo smoothed offset 5m", "foo smoothed offset 5m" },
    { "foo[5m] anchored", "foo[5m] anchored" },
    { "foo[5m] smoothed @ 10 offset 1m", "foo[5m] smoothed @ 10.000 offset 1m" },
    { "foo[5m] offset 1m anchored", "foo[5m] anchored offset 1m" },
    { "foo anchored[5m]", "foo[5m] anchored" },
    { "anchored anchored", "anchored anchored" },
    { "smoothed + on(anchored) smoothed", "smoothed + on (anchored) smoothed" },
    { "foo + fill(0) bar", "foo + fill (0) bar" },
    { "foo + on(a) fill(-1.5) bar", "foo + on (a) fill (-1.5) bar" },
    { "foo + on(a) group_left(b) fill_left(0) bar",
      "foo + on (a) group_left (b) fill_left (0) bar" },
    { "foo + fill_right(5m) fill_left(1) bar", "foo + fill_left (1) fill_right (300) bar" },
    { "foo + fill_left(1) fill_right(1) bar", "foo + fill (1) bar" },
    { "foo == bool ignoring(a) group_right fill(NaN) bar",
      "foo == bool ignoring (a) group_right () fill (NaN) bar" },
    { "foo + fill(+Inf) bar", "foo + fill (+Inf) bar" },
    { "fill + fill", "fill + fill" },
    { "fill_left or fill_right{a=\"b\"}", "fill_left or fill_right{a=\"b\"}" },
    { "foo + on (fill) bar", "foo + on (fill) bar" },
    { "h </ 5", "h </ 5" },
    { "h >/ -1", "h >/ -1" },
    { "h </ bar >/ baz", "h </ bar >/ baz" },
    { "start()", "start()" },
    { "end() - start()", "end() - start()" },
    { "range() + step()", "range() + step()" },
    { "max_of(1, min_of(2, 3))", "max_of(1, min_of(2, 3))" },
    { "max_of + min_of", "max_of + min_of" },
    { "START()", "start()" },
    { "first_over_time(foo[5m])", "first_over_time(foo[5m])" },
    { "ts_of_last_over_time(foo[5m])", "ts_of_last_over_time(foo[5m])" },
    { "start_timestamp(foo)", "start_timestamp(foo)" },
    { "histogram_quantiles(foo, \"q\", 0.5, 0.9)", "histogram_quantiles(foo, \"q\", 0.5, 0.9)" },
    { "info(foo, {__name__=~\".+_info\"})", "info(foo, {__name__=~\".+_info\"})" },
    { "foo == 1 == 2", "foo == 1 == 2" },
    { "{\"foo\", __name__=\"bar\"}", "{__name__=\"bar\",__name__=\"foo\"}" },
    { "{\"foo\", \"bar\"}", "{__name__=\"bar\",__name__=\"foo\"}" },
    { "some_metric[5m] OFFSET 1", "some_metric[5m] offset 1s" },
    { "some_metric[5m] @ 1m", "some_metric[5m] @ 60.000" },
    { "label_replace(a, `b`, `c\\xff`, `d`, `.*`)",
      "label_replace(a, \"b\", \"c\\\\xff\", \"d\", \".*\")" },
    { "foo[--5m]", "foo[5m]" },
};

START_TEST(valid_text_has_its_canonical_form_and_keeps_it)
{
    for (int i = 0; i < COUNT_OF(VALID); i++) {
        struct promql_expr *e = parse(VALID[i].text);
        ck_assert_str_eq(print(e, false), VALID[i].canonical);
        struct promql_expr *again = parse(VALID[i].canonical);
        ck_assert_str_eq(print(again, false), VALID[i].canonical);
        ck_assert_msg(promql_expr_equal(e, again), "%s", VALID[i].text);
    }
}
END_TEST

/* Rows of different text are different trees: so promql_expr_equal is no constant. */
START_TEST(different_expressions_are_not_equal)
{
    for (int i = 0; i + 1 < COUNT_OF(VALID); i++) {
        if (strcmp(VALID[i].canonical, VALID[i + 1].canonical) == 0) continue;
        ck_assert_msg(!promql_expr_equal(parse(VALID[i].text), parse(VALID[i + 1].text)), "%s",
                      VALID[i].text);
    }
}
END_TEST

static const struct {
    const char *text;
    uint32_t start, end;
    enum promql_type type;
} ROOTS[] = {
    { " foo ", 1, 4, PROMQL_VECTOR },
    { "foo{a=\"b\"}", 0, 10, PROMQL_VECTOR },
    { "foo[5m] offset 1m ", 0, 17, PROMQL_MATRIX },
    { "foo[5m:] @ start()", 0, 18, PROMQL_MATRIX },
    { "sum(foo) by (a)", 0, 15, PROMQL_VECTOR },
    { "( sum(foo) )", 0, 12, PROMQL_VECTOR },
    { "1 + - 2", 0, 7, PROMQL_SCALAR },
    { "-foo", 0, 4, PROMQL_VECTOR },
    { "rate(foo[1m]) ", 0, 13, PROMQL_VECTOR },
    { "time()", 0, 6, PROMQL_SCALAR },
    { "'a'", 0, 3, PROMQL_STRING },
    { "foo smoothed", 0, 12, PROMQL_VECTOR },
};

START_TEST(root_has_the_type_and_range_of_its_text)
{
    const struct promql_expr *e = parse(ROOTS[_i].text);
    ck_assert_uint_eq(e->pos.start, ROOTS[_i].start);
    ck_assert_uint_eq(e->pos.end, ROOTS[_i].end);
    ck_assert_int_eq(e->type, ROOTS[_i].type);
}
END_TEST

START_TEST(aggregation_ends_at_its_own_parenthesis)
{
    const struct promql_expr *e = parse("(sum(foo) )");
    ck_assert_uint_eq(e->inner->pos.end, 9);
}
END_TEST

START_TEST(operators_bind_by_precedence_and_associativity)
{
    const struct promql_expr *e = parse("a or b and c == d + e * f ^ g ^ h");
    static const enum promql_op ops[] = { PROMQL_OP_OR,  PROMQL_OP_AND, PROMQL_OP_EQ, PROMQL_OP_ADD,
                                          PROMQL_OP_MUL, PROMQL_OP_POW, PROMQL_OP_POW };
    for (int i = 0; i < COUNT_OF(ops); i++) {
        ck_assert_int_eq(e->kind, PROMQL_BINARY);
        ck_assert_int_eq(e->binary->op, ops[i]);
        e = e->binary->rhs;
    }
    e = parse("a - b - c");
    ck_assert_int_eq(e->binary->lhs->kind, PROMQL_BINARY);
}
END_TEST

START_TEST(modifiers_of_a_range_belong_to_its_selector)
{
    const struct promql_expr *e = parse("foo[5m] anchored @ 1.5 offset -2m");
    ck_assert_int_eq(e->kind, PROMQL_MATRIX_SELECTOR);
    ck_assert_int_eq(e->matrix->range_ms, 300000);
    const struct promql_selector *s = e->matrix->selector->selector;
    ck_assert(s->anchored && !s->smoothed);
    ck_assert_int_eq(s->shift.at, PROMQL_AT_TIME);
    ck_assert_int_eq(s->shift.at_ms, 1500);
    ck_assert_int_eq(s->shift.offset_ms, -120000);
}
END_TEST

START_TEST(matchers_are_compiled_and_the_name_is_the_last)
{
    const struct promql_expr *e = parse("foo{a=~\"x|y\", b!=\"\"}");
    const struct promql_selector *s = e->selector;
    ck_assert_uint_eq(s->matchers.len, 3);
    ck_assert_int_eq(s->matchers.ptr[0].type, MATCH_RE);
    ck_assert_ptr_nonnull(s->matchers.ptr[0].re);
    ck_assert(matcher_matches(&s->matchers.ptr[0], STR("y")));
    ck_assert(!matcher_matches(&s->matchers.ptr[0], STR("xy")));
    ck_assert(str_eq(s->matchers.ptr[2].name, LABEL_METRIC_NAME));
    ck_assert(str_eq(s->matchers.ptr[2].value, s->name));
}
END_TEST

START_TEST(set_operators_match_many_to_many_and_scalars_do_not_match)
{
    const struct promql_expr *e = parse("a and on (x) b");
    ck_assert(e->binary->has_matching);
    ck_assert_int_eq(e->binary->matching.card, PROMQL_MANY_TO_MANY);
    ck_assert(!parse("a + 1")->binary->has_matching);
}
END_TEST

START_TEST(strings_are_unquoted)
{
    const struct promql_expr *e = parse("\"\\a\\x41\\101\\u00e9\\U0001F600\\\\\\\"'\"");
    ck_assert(str_eq(e->string, STR("\aAA\303\251\360\237\230\200\\\"'")));
    e = parse("`\\a\n`");
    ck_assert(str_eq(e->string, STR("\\a\n")));
}
END_TEST

/* ---- limits ---- */

static struct str repeated(const char *before, size_t n, const char *middle, const char *after)
{
    size_t a = strlen(before), b = strlen(after), m = strlen(middle);
    char *text = arena_alloc(&arena, n * (a + b) + m, 1, 1);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < n; i++) {
        memcpy(text + i * a, before, a);
        memcpy(text + n * a + m + i * b, after, b);
    }
    memcpy(text + n * a, middle, m);
    return (struct str){ text, n * (a + b) + m };
}

static const struct {
    const char *before, *middle, *after;
    size_t fits; /* repetitions that are accepted */
} NESTS[] = {
    { "(", "1", ")", 900 },    { "-", "a", "", 900 },        { "abs(", "a", ")", 900 },
    { "sum(", "a", ")", 900 }, { "a+", "a", "", 900 },       { "2^", "2", "", 900 },
    { "a or ", "a", "", 900 }, { "a[(", "1m", ")]", 1 },     { "(a+", "a", ")", 400 },
    { "", "a", "[5m:1m]", 1 }, { "abs(", "a", "[5m:])", 0 }, { "sum(", "a+", ")", 0 },
    { "-+", "a", "", 400 },    { "", "a", " offset 1m", 1 }, { "", "a", " == a", 900 },
};

START_TEST(deep_nesting_is_refused_not_overflowed)
{
    struct promql_expr *e = NULL;
    struct str deep = repeated(NESTS[_i].before, 10000, NESTS[_i].middle, NESTS[_i].after);
    ck_assert_int_ne(try_parse(deep, &e), ERR_OK);
    if (NESTS[_i].fits < 100) return;
    ck_assert_int_eq(error.code, ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(error.detail, "nested more than 1000 levels deep"));
    struct str fits = repeated(NESTS[_i].before, NESTS[_i].fits, NESTS[_i].middle, NESTS[_i].after);
    ck_assert_int_eq(try_parse(fits, &e), ERR_OK);
    ck_assert_uint_le(e->height, PROMQL_DEPTH_MAX);
    ck_assert_ptr_nonnull(print(e, true));
}
END_TEST

START_TEST(deep_duration_expressions_are_refused)
{
    struct promql_expr *e = NULL;
    struct str inner = repeated("(", 5000, "1m", ")");
    struct str text = arena_printf(&arena, "a[%.*s]", (int)inner.len, inner.ptr);
    ck_assert_int_eq(try_parse(text, &e), ERR_LIMIT);
    inner = repeated("-", 5000, "1m", "");
    text = arena_printf(&arena, "a offset %.*s", (int)inner.len, inner.ptr);
    ck_assert_int_eq(try_parse(text, &e), ERR_LIMIT);
}
END_TEST

START_TEST(a_megabyte_is_parsed_and_more_is_refused)
{
    struct promql_expr *e = NULL;
    struct str big = repeated("a", PROMQL_SIZE_MAX - 2, "a", "");
    ck_assert_int_eq(try_parse(big, &e), ERR_OK);
    big = repeated(" ", PROMQL_SIZE_MAX, "a", "");
    ck_assert_int_eq(try_parse(big, &e), ERR_LIMIT);
    ck_assert_str_eq(error.detail, "1:1: parse error: expression is larger than 1048576 bytes");
    big = repeated("a,", 100000, "a", "");
    big = arena_printf(&arena, "sum by (%.*s) (x)", (int)big.len, big.ptr);
    ck_assert_int_eq(try_parse(big, &e), ERR_LIMIT);
}
END_TEST

/* Iteration i has i KiB of memory. */
START_TEST(exhaustion_is_an_error_at_every_step)
{
    struct arena small;
    arena_init(&small, mem_source_of(budget, MEM_QUERY), (size_t)_i * 512);
    struct promql_expr *e = NULL;
    static const char text[] =
        "sum by (a, b) (rate(foo{a=~\"b.*\",c=\"d\"}[5m+1m])) / on (x) group_left (y) topk(3, bar) "
        "> bool quantile_over_time(0.5, (-x)[5m:1m] offset (1m*2)) + "
        "label_replace(a,\"b\",\"c\",\"d\",\"e\")";
    enum err_code rc = promql_parse(str_of_z(text), &small, &options, &e, &error);
    ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
    promql_regexes_deinit(&regexes);
    arena_deinit(&small);
}
END_TEST

/* ---- the other entry points ---- */

START_TEST(selector_parses_without_the_rule_of_non_empty_matchers)
{
    struct matchers ms = { NULL, 0 };
    ck_assert_int_eq(promql_parse_selector(STR("up{job=\"x\"}"), &arena, &options, &ms, &error),
                     ERR_OK);
    ck_assert_uint_eq(ms.len, 2);
    ck_assert_int_eq(promql_parse_selector(STR("{}"), &arena, &options, &ms, &error), ERR_OK);
    ck_assert_uint_eq(ms.len, 0);
    ck_assert_int_eq(promql_parse_selector(STR("up[5m]"), &arena, &options, &ms, &error),
                     ERR_INVALID);
    ck_assert_str_eq(error.detail, "1:3: parse error: unexpected \"[\"");
    ck_assert_int_eq(promql_parse_selector(STR("-up"), &arena, &options, &ms, &error), ERR_INVALID);
    ck_assert_str_eq(error.detail, "1:1: parse error: unexpected <op:->");
    ck_assert_int_eq(promql_parse_selector(STR(""), &arena, &options, &ms, &error), ERR_INVALID);
    ck_assert_str_eq(error.detail, "unknown position: parse error: unexpected end of input");
}
END_TEST

START_TEST(label_sets_parse_sorted_with_the_name_from_anywhere)
{
    struct labels l = { NULL, 0 };
    ck_assert_int_eq(promql_parse_labels(STR("m{b=\"2\", a='1',}"), &arena, &l, &error), ERR_OK);
    ck_assert_uint_eq(l.len, 3);
    ck_assert(str_eq(labels_get(l, LABEL_METRIC_NAME), STR("m")));
    ck_assert(str_eq(l.ptr[1].name, STR("a")));
    ck_assert_int_eq(promql_parse_labels(STR("{\"a b\", \"c.d\"=\"e\"}"), &arena, &l, &error),
                     ERR_OK);
    ck_assert(str_eq(labels_get(l, STR("c.d")), STR("e")));
    ck_assert_int_eq(promql_parse_labels(STR("{}"), &arena, &l, &error), ERR_OK);
    ck_assert_uint_eq(l.len, 0);
    ck_assert_int_eq(promql_parse_labels(STR("m{a}"), &arena, &l, &error), ERR_INVALID);
    ck_assert_str_eq(error.detail,
                     "1:4: parse error: unexpected \"}\" in label set, expected \"=\"");
}
END_TEST

START_TEST(parsing_without_options_leaves_regexes_alone)
{
    struct promql_expr *e = NULL;
    ck_assert_int_eq(promql_parse(STR("{a=~\"x+\"}"), &arena, NULL, &e, &error), ERR_OK);
    ck_assert_ptr_null(e->selector->matchers.ptr[0].re);
    ck_assert_int_eq(promql_parse(STR("foo +"), &arena, NULL, &e, NULL), ERR_INVALID);
}
END_TEST

static Suite *suite_of_parsing(void)
{
    Suite *suite = suite_create("parse");
    TCase *tc = tcase_create("valid");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, valid_text_has_its_canonical_form_and_keeps_it);
    tcase_add_test(tc, different_expressions_are_not_equal);
    tcase_add_loop_test(tc, root_has_the_type_and_range_of_its_text, 0, COUNT_OF(ROOTS));
    tcase_add_test(tc, aggregation_ends_at_its_own_parenthesis);
    tcase_add_test(tc, operators_bind_by_precedence_and_associativity);
    tcase_add_test(tc, modifiers_of_a_range_belong_to_its_selector);
    tcase_add_test(tc, matchers_are_compiled_and_the_name_is_the_last);
    tcase_add_test(tc, set_operators_match_many_to_many_and_scalars_do_not_match);
    tcase_add_test(tc, strings_are_unquoted);
    tcase_add_test(tc, selector_parses_without_the_rule_of_non_empty_matchers);
    tcase_add_test(tc, label_sets_parse_sorted_with_the_name_from_anywhere);
    tcase_add_test(tc, parsing_without_options_leaves_regexes_alone);
    suite_add_tcase(suite, tc);
    tc = tcase_create("limits");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, deep_nesting_is_refused_not_overflowed, 0, COUNT_OF(NESTS));
    tcase_add_test(tc, deep_duration_expressions_are_refused);
    tcase_add_test(tc, a_megabyte_is_parsed_and_more_is_refused);
    tcase_add_loop_test(tc, exhaustion_is_an_error_at_every_step, 0, 40);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    RUN_SUITE(suite_of_parsing());
}
