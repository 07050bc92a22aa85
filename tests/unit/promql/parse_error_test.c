/* SPDX-License-Identifier: Apache-2.0
 *
 * What does not parse, and what the client is told: text, line and column. Rows without features
 * newer than Prometheus 3.5 were compared with its answers.
 */
#include "parse_fixture.h"

static const struct {
    const char *text, *message;
} BROKEN[] = {
    { "", "unknown position: parse error: no expression found in input" },
    { "# comment", "1:1: parse error: no expression found in input" },
    { "1+", "1:3: parse error: unexpected end of input" },
    { ".", "1:1: parse error: unexpected character: '.'" },
    { "2.5.", "1:1: parse error: bad number or duration syntax: \"2.5.\"" },
    { "100..4", "1:1: parse error: bad number or duration syntax: \"100..\"" },
    { "0deadbeef", "1:1: parse error: bad number or duration syntax: \"0de\"" },
    { "1 /", "1:4: parse error: unexpected end of input" },
    { "*1", "1:1: parse error: unexpected <op:*>" },
    { "(1))", "1:5: parse error: unexpected right parenthesis ')'" },
    { "((1)", "1:5: parse error: unclosed left parenthesis" },
    { "(", "1:2: parse error: unclosed left parenthesis" },
    { "1 and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression" },
    { "1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier" },
    { "1 or 1", "1:1: parse error: set operator \"or\" not allowed in binary scalar expression" },
    { "1 unless 1",
      "1:1: parse error: set operator \"unless\" not allowed in binary scalar expression" },
    { "1 !~ 1", "1:3: parse error: unexpected character after '!': '~'" },
    { "1 =~ 1", "1:3: parse error: unexpected character after '=': '~'" },
    { "-\"string\"", "1:1: parse error: unary expression only allowed on expressions of type "
                     "scalar or instant vector, got \"string\"" },
    { "-test[5m]", "1:1: parse error: unary expression only allowed on expressions of type scalar "
                   "or instant vector, got \"range vector\"" },
    { "*test", "1:1: parse error: unexpected <op:*>" },
    { "1 offset 1d", "1:1: parse error: offset modifier must be preceded by an instant vector "
                     "selector or range vector selector or a subquery" },
    { "foo offset 1s offset 2s", "1:1: parse error: offset may not be set multiple times" },
    { "a - on(b) ignoring(c) d", "1:11: parse error: unexpected <ignoring>" },
    { "foo @ inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf" },
    { "foo @ -inf", "1:1: parse error: timestamp out of bounds for @ modifier: -Inf" },
    { "foo @ nan", "1:1: parse error: timestamp out of bounds for @ modifier: NaN" },
    { "foo @ 1e30", "1:1: parse error: timestamp out of bounds for @ modifier: "
                    "1000000000000000019884624838656.000000" },
    { "foo @", "1:6: parse error: unexpected end of input in @, expected timestamp" },
    { "foo @ foo", "1:7: parse error: unexpected identifier \"foo\" in @, expected timestamp" },
    { "foo @ 123 @ 456", "1:1: parse error: @ <timestamp> may not be set multiple times" },
    { "1 @ 10", "1:1: parse error: @ modifier must be preceded by an instant vector selector or "
                "range vector selector or a subquery" },
    { "foo and 1",
      "1:1: parse error: set operator \"and\" not allowed in binary scalar expression" },
    { "1 and foo",
      "1:1: parse error: set operator \"and\" not allowed in binary scalar expression" },
    { "foo or 1", "1:1: parse error: set operator \"or\" not allowed in binary scalar expression" },
    { "1 unless foo",
      "1:1: parse error: set operator \"unless\" not allowed in binary scalar expression" },
    { "foo + bool bar",
      "1:5: parse error: bool modifier can only be used on comparison operators" },
    { "foo + bool 10", "1:5: parse error: bool modifier can only be used on comparison operators" },
    { "1 + foo bool", "1:9: parse error: unexpected <bool>" },
    { "10 + bool foo", "1:4: parse error: bool modifier can only be used on comparison operators" },
    { "foo and bool 10",
      "1:5: parse error: bool modifier can only be used on comparison operators" },
    { "1 == 2 == foo", "1:3: parse error: comparisons between scalars must use BOOL modifier" },
    { "foo{", "1:5: parse error: unexpected end of input inside braces" },
    { "foo and on(bar) group_left() baz",
      "1:1: parse error: no grouping allowed for \"and\" operation" },
    { "foo or on(bar) group_right(a) baz",
      "1:1: parse error: no grouping allowed for \"or\" operation" },
    { "foo unless on(bar) group_left(baz) bar",
      "1:1: parse error: no grouping allowed for \"unless\" operation" },
    { "http_requests{group=\"production\"} + on(instance) group_left(job,instance) "
      "cpu_count{type=\"smp\"}",
      "1:35: parse error: label \"instance\" must not occur in ON and GROUP clause at once" },
    { "}", "1:1: parse error: unexpected character: '}'" },
    { "some{", "1:6: parse error: unexpected end of input inside braces" },
    { "some}", "1:5: parse error: unexpected character: '}'" },
    { "some_metric{a=b}",
      "1:15: parse error: unexpected identifier \"b\" in label matching, expected string" },
    { "some_metric{a:b=\"b\"}", "1:14: parse error: unexpected character inside braces: ':'" },
    { "foo{a*\"b\"}", "1:6: parse error: unexpected character inside braces: '*'" },
    { "foo{a>=\"b\"}", "1:6: parse error: unexpected character inside braces: '>'" },
    { "some_metric{a=\"\\xff\"", "1:21: parse error: unexpected end of input inside braces" },
    { "foo{gibberish}",
      "1:14: parse error: unexpected \"}\" in label matching, expected label matching operator" },
    { "foo{1}", "1:5: parse error: unexpected character inside braces: '1'" },
    { "{}", "1:1: parse error: vector selector must contain at least one non-empty matcher" },
    { "{x=\"\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher" },
    { "{x=~\".*\"}",
      "1:1: parse error: vector selector must contain at least one non-empty matcher" },
    { "{x!~\".+\"}",
      "1:1: parse error: vector selector must contain at least one non-empty matcher" },
    { "{x!=\"a\"}",
      "1:1: parse error: vector selector must contain at least one non-empty matcher" },
    { "{__name__=\"\"}",
      "1:1: parse error: vector selector must contain at least one non-empty matcher" },
    { "foo{__name__=\"bar\"}",
      "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\"" },
    { "foo{__name__=~\"bar\"}",
      "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\"" },
    { "foo{\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\"" },
    { "foo{__name__= =~\"bar\"}",
      "1:15: parse error: unexpected <op:=~> in label matching, expected string" },
    { "foo{a=\"b\" c=\"d\"}",
      "1:11: parse error: unexpected identifier \"c\" in label matching, expected \",\" or \"}\"" },
    { "foo{a=\"b\"}}", "1:11: parse error: unexpected character: '}'" },
    { "foo[5mm]", "1:5: parse error: bad number or duration syntax: \"5mm\"" },
    { "foo[5m1]", "1:5: parse error: bad number or duration syntax: \"5m1\"" },
    { "foo[5m:1m1]", "1:8: parse error: bad number or duration syntax: \"1m1\"" },
    { "foo[5y1hs]", "1:5: parse error: unknown unit \"hs\" in duration \"5y1hs\"" },
    { "foo[5m1h]", "1:5: parse error: not a valid duration string: \"5m1h\"" },
    { "foo[5m1m]", "1:5: parse error: not a valid duration string: \"5m1m\"" },
    { "foo[0.0009]", "1:5: parse error: duration must be greater than 0" },
    { "foo[0m]", "1:5: parse error: duration must be greater than 0" },
    { "foo[\"5m\"]", "1:5: parse error: unexpected character in duration expression: '\"'" },
    { "foo[]", "1:5: parse error: unexpected \"]\" in subquery or range selector, expected number, "
               "duration, step(), or range()" },
    { "foo[-1]", "1:5: parse error: duration must be greater than 0" },
    { "some_metric[5m] OFFSET 1mm", "1:24: parse error: bad number or duration syntax: \"1mm\"" },
    { "some_metric[5m] OFFSET", "1:23: parse error: unexpected end of input in offset, expected "
                                "number, duration, step(), or range()" },
    { "some_metric OFFSET 1m[5m]", "1:22: parse error: no offset modifiers allowed before range" },
    { "some_metric[5m] @", "1:18: parse error: unexpected end of input in @, expected timestamp" },
    { "some_metric @ 1234 [5m]", "1:20: parse error: no @ modifiers allowed before range" },
    { "(foo + bar)[5m]", "1:12: parse error: ranges only allowed for vector selectors" },
    { "foo[5m][5m]", "1:8: parse error: ranges only allowed for vector selectors" },
    { "rate(foo[5m])[5m]", "1:14: parse error: ranges only allowed for vector selectors" },
    { "sum without(==)(some_metric)",
      "1:13: parse error: unexpected <op:==> in grouping opts, expected label" },
    { "sum without(,)(some_metric)",
      "1:13: parse error: unexpected \",\" in grouping opts, expected label" },
    { "sum without(foo,,)(some_metric)",
      "1:17: parse error: unexpected \",\" in grouping opts, expected label" },
    { "sum some_metric by (test)", "1:5: parse error: unexpected identifier \"some_metric\"" },
    { "sum (some_metric) by test",
      "1:22: parse error: unexpected identifier \"test\" in grouping opts, expected \"(\"" },
    { "sum () by (test)", "1:1: parse error: no arguments for aggregate expression provided" },
    { "MIN keep_common (some_metric)", "1:5: parse error: unexpected identifier \"keep_common\"" },
    { "MIN (some_metric) keep_common", "1:19: parse error: unexpected identifier \"keep_common\"" },
    { "sum (some_metric) without (test) by (test)", "1:34: parse error: unexpected <by>" },
    { "sum without (test) (some_metric) by (test)", "1:34: parse error: unexpected <by>" },
    { "topk(some_metric)", "1:1: parse error: wrong number of arguments for aggregate expression "
                           "provided, expected 2, got 1" },
    { "topk(some_metric,)",
      "1:17: parse error: trailing commas not allowed in function call args" },
    { "topk(some_metric, other_metric)",
      "1:6: parse error: expected type scalar in aggregation parameter, got instant vector" },
    { "topk(\"a\", other_metric)",
      "1:6: parse error: expected type scalar in aggregation parameter, got string" },
    { "count_values(5, other_metric)",
      "1:14: parse error: expected type string in aggregation parameter, got scalar" },
    { "rate(some_metric[5m]) by (a)", "1:23: parse error: unexpected <by>" },
    { "sum(1)",
      "1:5: parse error: expected type instant vector in aggregation expression, got scalar" },
    { "sum(foo[5m])", "1:5: parse error: expected type instant vector in aggregation expression, "
                      "got range vector" },
    { "sum(\"a\")",
      "1:5: parse error: expected type instant vector in aggregation expression, got string" },
    { "sum(foo, bar)", "1:1: parse error: wrong number of arguments for aggregate expression "
                       "provided, expected 1, got 2" },
    { "sum(foo bar)", "1:9: parse error: unexpected identifier \"bar\" in aggregation" },
    { "quantile(foo)", "1:1: parse error: wrong number of arguments for aggregate expression "
                       "provided, expected 2, got 1" },
    { "floor()", "1:1: parse error: expected 1 argument(s) in call to \"floor\", got 0" },
    { "floor(some_metric, other_metric)",
      "1:1: parse error: expected 1 argument(s) in call to \"floor\", got 2" },
    { "floor(some_metric, 1)",
      "1:1: parse error: expected 1 argument(s) in call to \"floor\", got 2" },
    { "floor(1)",
      "1:7: parse error: expected type instant vector in call to function \"floor\", got scalar" },
    { "hour(some_metric, some_metric, some_metric)",
      "1:1: parse error: expected at most 1 argument(s) in call to \"hour\", got 3" },
    { "time(some_metric)", "1:1: parse error: expected 0 argument(s) in call to \"time\", got 1" },
    { "non_existent_function_far_bar()",
      "1:1: parse error: unknown function with name \"non_existent_function_far_bar\"" },
    { "rate(some_metric)", "1:6: parse error: expected type range vector in call to function "
                           "\"rate\", got instant vector" },
    { "label_replace(foo)",
      "1:1: parse error: expected 5 argument(s) in call to \"label_replace\", got 1" },
    { "label_join(foo)",
      "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 1" },
    { "label_join(foo, 1)",
      "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 2" },
    { "round(foo, \"a\")",
      "1:12: parse error: expected type scalar in call to function \"round\", got string" },
    { "round()", "1:1: parse error: expected at least 1 argument(s) in call to \"round\", got 0" },
    { "round(foo,1,2)",
      "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3" },
    { "info(foo, bar)",
      "1:11: parse error: expected label selectors only, got vector selector instead" },
    { "info(foo, 1)",
      "1:1: parse error: expected type instant vector in call to function \"info\", got scalar" },
    { "info(foo, (bar))", "1:11: parse error: expected label selectors only" },
    { "info(foo, {a=\"b\"}[5m])", "1:1: parse error: expected type instant vector in call to "
                                  "function \"info\", got range vector" },
    { "info(foo, {a=\"b\"}, {c=\"d\"})",
      "1:1: parse error: expected at most 2 argument(s) in call to \"info\", got 3" },
    { "sort_by_label()",
      "1:1: parse error: expected at least 1 argument(s) in call to \"sort_by_label\", got 0" },
    { "-=", "1:2: parse error: unexpected \"=\"" },
    { "++-++-+-+-<", "1:11: parse error: unexpected <op:<>" },
    { "e-+=/(0)", "1:4: parse error: unexpected \"=\"" },
    { "a>b()", "1:3: parse error: unknown function with name \"b\"" },
    { "rate(avg)", "1:6: parse error: expected type range vector in call to function \"rate\", got "
                   "instant vector" },
    { "rate(abs())", "1:6: parse error: expected 1 argument(s) in call to \"abs\", got 0" },
    { "\"\\z\"", "1:1: parse error: unknown escape sequence U+007A 'z'" },
    { "\"\\x3\"", "1:1: parse error: illegal character U+0022 '\"' in escape sequence" },
    { "\"\\u12\"", "1:1: parse error: illegal character U+0022 '\"' in escape sequence" },
    { "\"\\U00110000\"", "1:1: parse error: escape sequence is an invalid Unicode code point" },
    { "\"\\8\"", "1:1: parse error: unknown escape sequence U+0038 '8'" },
    { "\"\\'\"", "1:1: parse error: unknown escape sequence U+0027 '''" },
    { "'\\\"'", "1:1: parse error: unknown escape sequence U+0022 '\"'" },
    { "\"abc", "1:1: parse error: unterminated quoted string" },
    { "'abc", "1:1: parse error: unterminated quoted string" },
    { "`abc", "1:1: parse error: unterminated raw string" },
    { "\"\\", "1:1: parse error: escape sequence not terminated" },
    { "`\\`\\``", "1:4: parse error: unexpected character: '\\\\'" },
    { "foo[5m:", "1:8: parse error: unclosed left bracket" },
    { "foo[5m:5m", "1:10: parse error: unclosed left bracket" },
    { "foo[5m:5", "1:9: parse error: unclosed left bracket" },
    { "foo[5m:5m:5m]", "1:10: parse error: unexpected colon ':'" },
    { "foo[5m:5m] offset", "1:18: parse error: unexpected end of input in offset, expected number, "
                           "duration, step(), or range()" },
    { "foo[5m:0s]", "1:8: parse error: duration must be greater than 0" },
    { "test[5d] OFFSET 10s [10m:5s]",
      "1:1: parse error: subquery is only allowed on instant vector, got matrix instead" },
    { "(foo + bar{nm=\"val\"})[5m:][10m:5s]",
      "1:1: parse error: subquery is only allowed on instant vector, got matrix instead" },
    { "rate(food[1m])[1h] offset 1h",
      "1:15: parse error: ranges only allowed for vector selectors" },
    { "rate(food[1m])[1h] @ 100", "1:15: parse error: ranges only allowed for vector selectors" },
    { "1[5m:]",
      "1:1: parse error: subquery is only allowed on instant vector, got scalar instead" },
    { "\"a\"[5m:]",
      "1:1: parse error: subquery is only allowed on instant vector, got string instead" },
    { "foo[5m][5m:1m]",
      "1:1: parse error: subquery is only allowed on instant vector, got matrix instead" },
    { "absent(foo)[5m:1m] offset 1h offset 2h",
      "1:1: parse error: offset may not be set multiple times" },
    { "foo{bar=~\"*\"}",
      "1:5: parse error: error parsing regexp: missing argument to repetition operator: `*`" },
    { "foo offset foo", "1:12: parse error: unexpected identifier \"foo\" in offset, expected "
                        "number, duration, step(), or range()" },
    { "foo offset (", "1:13: parse error: unclosed left parenthesis" },
    { "foo offset ()", "1:13: parse error: unexpected \")\" in offset, expected number, duration, "
                       "step(), or range()" },
    { "foo offset -", "1:13: parse error: unexpected end of input in offset, expected number, "
                      "duration, step(), or range()" },
    { "foo offset +", "1:13: parse error: unexpected end of input in offset, expected number, "
                      "duration, step(), or range()" },
    { "foo[5m] offset (1", "1:18: parse error: unclosed left parenthesis" },
    { "foo[5m/0]", "1:7: parse error: division by zero" },
    { "foo[5m%0]", "1:7: parse error: modulo by zero" },
    { "foo[(5m]", "1:8: parse error: unexpected \"]\" in subquery or range selector, expected "
                  "number, duration, step(), or range()" },
    { "foo[5m)]", "1:8: parse error: unexpected right parenthesis ')'" },
    { "foo[5m+]", "1:8: parse error: unexpected \"]\" in subquery or range selector, expected "
                  "number, duration, step(), or range()" },
    { "foo[*5m]", "1:5: parse error: unexpected <op:*> in subquery or range selector, expected "
                  "number, duration, step(), or range()" },
    { "foo[5m 5m]", "1:8: parse error: unexpected duration \"5m\" in subquery or range, expected "
                    "\":\" or \"]\"" },
    { "foo[5m,5m]",
      "1:7: parse error: unexpected \",\" in subquery or range, expected \":\" or \"]\"" },
    { "foo[5m*]", "1:8: parse error: unexpected \"]\" in subquery or range selector, expected "
                  "number, duration, step(), or range()" },
    { "foo[5m:+]", "1:9: parse error: unexpected \"]\" in subquery selector, expected number, "
                   "duration, step(), range(), or \"]\"" },
    { "foo[5m:-1m]", "1:8: parse error: duration must be greater than 0" },
    { "foo[293y]", "1:5: parse error: duration out of range" },
    { "foo offset 293y", "1:12: parse error: duration out of range" },
    { "300y", "1:1: parse error: duration out of range" },
    { "foo[99999999999]", "1:5: parse error: duration out of range" },
    { "foo offset 99999999999", "1:12: parse error: duration out of range" },
    { "foo @ 1 offset", "1:15: parse error: unexpected end of input in offset, expected number, "
                        "duration, step(), or range()" },
    { "foo @ start", "1:12: parse error: unexpected end of input in @, expected timestamp" },
    { "foo @ start(", "1:13: parse error: unclosed left parenthesis" },
    { "foo @ start(1)", "1:13: parse error: unexpected number \"1\" in @, expected timestamp" },
    { "foo @ start() @ end()", "1:1: parse error: @ <timestamp> may not be set multiple times" },
    { "foo @ end() @ 1", "1:1: parse error: @ <timestamp> may not be set multiple times" },
    { "foo @ -", "1:8: parse error: unexpected end of input in @, expected timestamp" },
    { "foo @ +x", "1:8: parse error: unexpected identifier \"x\" in @, expected timestamp" },
    { "foo (bar)", "1:1: parse error: unknown function with name \"foo\"" },
    { "foo:bar(baz)", "1:8: parse error: unexpected \"(\"" },
    { "sum.foo", "1:4: parse error: unexpected character: '.'" },
    { "a.b", "1:2: parse error: unexpected character: '.'" },
    { "foo bar baz", "1:5: parse error: unexpected identifier \"bar\"" },
    { "1 2", "1:3: parse error: unexpected number \"2\"" },
    { "\"a\" \"b\"", "1:5: parse error: unexpected string \"\\\"b\\\"\"" },
    { "foo \"a\"", "1:5: parse error: unexpected string \"\\\"a\\\"\"" },
    { "foo{a=\"b\"} {c=\"d\"}", "1:12: parse error: unexpected \"{\"" },
    { "foo{a=\"b\"} bar", "1:12: parse error: unexpected identifier \"bar\"" },
    { "by (a)", "1:4: parse error: unexpected \"(\"" },
    { "on", "1:1: parse error: unexpected <on>" },
    { "ignoring", "1:1: parse error: unexpected <ignoring>" },
    { "group_left", "1:1: parse error: unexpected <group_left>" },
    { "group_right", "1:1: parse error: unexpected <group_right>" },
    { "bool", "1:1: parse error: unexpected <bool>" },
    { "atan2", "1:1: parse error: unexpected <op:atan2>" },
    { "atan2 + 1", "1:1: parse error: unexpected <op:atan2>" },
    { "1 atan2", "1:8: parse error: unexpected end of input" },
    { "foo + on bar",
      "1:10: parse error: unexpected identifier \"bar\" in grouping opts, expected \"(\"" },
    { "foo + on(a bar", "1:12: parse error: unexpected identifier \"bar\" in grouping opts, "
                        "expected \",\" or \")\"" },
    { "foo + on(a) group_left(b bar", "1:26: parse error: unexpected identifier \"bar\" in "
                                      "grouping opts, expected \",\" or \")\"" },
    { "foo + ignoring(a,, b) bar",
      "1:18: parse error: unexpected \",\" in grouping opts, expected label" },
    { "foo + on(\"\") bar", "1:10: parse error: invalid label name for grouping: \"\"" },
    { "sum by (\"\") (x)", "1:9: parse error: invalid label name for grouping: \"\"" },
    { "sum by (inf) (x)",
      "1:9: parse error: unexpected number \"inf\" in grouping opts, expected label" },
    { "sum by (nan, a) (x)",
      "1:9: parse error: unexpected number \"nan\" in grouping opts, expected label" },
    { "sum by (5m) (x)",
      "1:9: parse error: unexpected duration \"5m\" in grouping opts, expected label" },
    { "sum by (\"\\xff\") (x)", "1:9: parse error: invalid label name for grouping: \"\\xff\"" },
    { "foo + on(inf) bar",
      "1:10: parse error: unexpected number \"inf\" in grouping opts, expected label" },
    { "foo + group_left bar", "1:7: parse error: unexpected <group_left>" },
    { "foo > bool bool bar", "1:12: parse error: unexpected <bool>" },
    { "foo bool > bar", "1:5: parse error: unexpected <bool>" },
    { "foo == bool", "1:12: parse error: unexpected end of input" },
    { "sum(", "1:5: parse error: unclosed left parenthesis" },
    { "sum(foo", "1:8: parse error: unclosed left parenthesis" },
    { "sum by", "1:7: parse error: unexpected end of input in grouping opts, expected \"(\"" },
    { "sum by (", "1:9: parse error: unclosed left parenthesis" },
    { "sum by (a", "1:10: parse error: unclosed left parenthesis" },
    { "sum by (a)", "1:11: parse error: unexpected end of input in aggregation" },
    { "sum by (a) foo", "1:12: parse error: unexpected identifier \"foo\" in aggregation" },
    { "sum by (a) (", "1:13: parse error: unclosed left parenthesis" },
    { "sum(foo) by",
      "1:12: parse error: unexpected end of input in grouping opts, expected \"(\"" },
    { "sum(foo) by (", "1:14: parse error: unclosed left parenthesis" },
    { "sum(foo) by (a", "1:15: parse error: unclosed left parenthesis" },
    { "rate(", "1:6: parse error: unclosed left parenthesis" },
    { "rate(foo", "1:9: parse error: unclosed left parenthesis" },
    { "rate(foo[5m]", "1:13: parse error: unclosed left parenthesis" },
    { "rate(foo[5m],", "1:14: parse error: unclosed left parenthesis" },
    { "rate(foo[5m],)", "1:13: parse error: trailing commas not allowed in function call args" },
    { "rate(foo[5m],,)", "1:13: parse error: trailing commas not allowed in function call args" },
    { "rate(,)", "1:6: parse error: unexpected \",\"" },
    { "rate(foo[5m] foo)", "1:14: parse error: unexpected identifier \"foo\"" },
    { "vector(foo)",
      "1:8: parse error: expected type scalar in call to function \"vector\", got instant vector" },
    { "vector(\"a\")",
      "1:8: parse error: expected type scalar in call to function \"vector\", got string" },
    { "scalar(1)",
      "1:8: parse error: expected type instant vector in call to function \"scalar\", got scalar" },
    { "time(1)", "1:1: parse error: expected 0 argument(s) in call to \"time\", got 1" },
    { "pi(1)", "1:1: parse error: expected 0 argument(s) in call to \"pi\", got 1" },
    { "sum(sum(rate(foo)))", "1:14: parse error: expected type range vector in call to function "
                             "\"rate\", got instant vector" },
    { "sum(rate(foo bar))", "1:14: parse error: unexpected identifier \"bar\" in aggregation" },
    { "rate(sum(foo bar))", "1:14: parse error: unexpected identifier \"bar\" in aggregation" },
    { "sum((foo bar))", "1:10: parse error: unexpected identifier \"bar\" in aggregation" },
    { "sum(foo) + (bar baz)", "1:17: parse error: unexpected identifier \"baz\"" },
    { "sum(foo{a=b})",
      "1:11: parse error: unexpected identifier \"b\" in label matching, expected string" },
    { "sum by (a) (foo +)", "1:18: parse error: unexpected \")\" in aggregation" },
    { "sum by (a) (+)", "1:14: parse error: unexpected \")\" in aggregation" },
    { "avg(foo) * ", "1:12: parse error: unexpected end of input" },
    { "avg(foo[5m:])", "1:5: parse error: expected type instant vector in aggregation expression, "
                       "got range vector" },
    { "foo offset 5m[5m]", "1:14: parse error: no offset modifiers allowed before range" },
    { "#only a comment", "1:1: parse error: no expression found in input" },
    { "1 +# comment", "1:13: parse error: unexpected end of input" },
    { "1 + \342\210\236", "1:5: parse error: unexpected character: '\342\210\236'" },
    { "foo{\342\210\236=\"b\"}",
      "1:5: parse error: unexpected character inside braces: '\342\210\236'" },
    { "foo{a=\"b\", \342\210\236}",
      "1:12: parse error: unexpected character inside braces: '\342\210\236'" },
    { "'\346\227\245\346\234\254' + ", "1:12: parse error: unexpected end of input" },
    { "foo[\346\227\245]",
      "1:5: parse error: unexpected character in duration expression: '\346\227\245'" },
    { "foo[5m\346\227\245]", "1:7: parse error: unexpected character: '\346\227\245'" },
    { "foo !\342\210\236 bar", "1:5: parse error: unexpected character after '!': '\342\210\236'" },
    { "foo !", "1:5: parse error: unexpected character after '!': '\357\277\275'" },
    { "foo =~ \"a\"", "1:5: parse error: unexpected character after '=': '~'" },
    { "foo = 1", "1:5: parse error: unexpected \"=\"" },
    { "foo{a!\342\210\236}",
      "1:6: parse error: unexpected character after '!' inside braces: '\342\210\236'" },
    { "foo{a!}", "1:6: parse error: unexpected character after '!' inside braces: '}'" },
    { "foo{a!", "1:6: parse error: unexpected character after '!' inside braces: '\357\277\275'" },
    { "foo ; bar", "1:5: parse error: unexpected character: ';'" },
    { "foo $ bar", "1:5: parse error: unexpected character: '$'" },
    { "foo[5m]$", "1:8: parse error: unexpected character: '$'" },
    { "foo\\bar", "1:4: parse error: unexpected character: '\\\\'" },
    { "foo ? bar", "1:5: parse error: unexpected character: '?'" },
    { "~", "1:1: parse error: unexpected character: '~'" },
    { "foo[step]", "1:9: parse error: unexpected \"]\" in subquery or range selector, expected "
                   "number, duration, step(), or range()" },
    { "foo[step(]", "1:10: parse error: unexpected \"]\" in subquery or range selector, expected "
                    "number, duration, step(), or range()" },
    { "foo[max_of(1m)]", "1:14: parse error: unexpected \")\" in subquery or range selector, "
                         "expected number, duration, step(), or range()" },
    { "foo[max_of(1m,)]", "1:15: parse error: unexpected \")\" in subquery or range selector, "
                          "expected number, duration, step(), or range()" },
    { "foo[min_of(1m 2m)]", "1:15: parse error: unexpected duration \"2m\" in subquery or range "
                            "selector, expected number, duration, step(), or range()" },
    { "foo[stepx()]", "1:5: parse error: unexpected character in duration expression: 's'" },
    { "foo[by]", "1:5: parse error: unexpected character in duration expression: 'b'" },
    { "foo offset step", "1:16: parse error: unexpected end of input in offset, expected number, "
                         "duration, step(), or range()" },
    { "foo offset step(1)", "1:17: parse error: unexpected number \"1\" in offset, expected "
                            "number, duration, step(), or range()" },
    { "foo offset max_of(1m", "1:21: parse error: unclosed left parenthesis" },
    { "foo[step()/0]", "1:11: parse error: division by zero" },
    { "foo[1m/(2-", "1:11: parse error: unclosed left parenthesis" },
    { "1 </ 2", "1:1: parse error: operator \"</\" not allowed in binary scalar expression" },
    { "1 >/ 2", "1:1: parse error: operator \">/\" not allowed in binary scalar expression" },
    { "foo anchored smoothed",
      "1:1: parse error: anchored and smoothed modifiers cannot be used together" },
    { "foo[5m] smoothed anchored",
      "1:1: parse error: anchored and smoothed modifiers cannot be used together" },
    { "foo[5m:1m] anchored",
      "1:1: parse error: anchored modifier is not supported for subqueries" },
    { "foo[5m:1m] smoothed",
      "1:1: parse error: smoothed modifier is not supported for subqueries" },
    { "1 anchored", "1:1: parse error: anchored modifier not implemented" },
    { "sum(foo) smoothed", "1:1: parse error: smoothed modifier not implemented" },
    { "foo + fill bar", "1:12: parse error: unexpected identifier \"bar\"" },
    { "foo + fill() bar", "1:12: parse error: unexpected \")\"" },
    { "foo + fill(a) bar", "1:12: parse error: unexpected identifier \"a\"" },
    { "foo + fill(1", "1:13: parse error: unclosed left parenthesis" },
    { "foo + fill(1) 2",
      "1:1: parse error: filling in missing series only allowed between instant vectors" },
    { "1 + fill(1) 2",
      "1:1: parse error: filling in missing series only allowed between instant vectors" },
    { "foo and fill(0) bar",
      "1:1: parse error: filling in missing series not allowed for set operators" },
    { "foo + fill(1) fill_left(2) bar", "1:24: parse error: unexpected \"(\"" },
    { "foo + fill_left(1) fill_left(2) bar", "1:29: parse error: unexpected \"(\"" },
    { "foo fill(1) bar", "1:5: parse error: unexpected <fill>" },
    { "min_of(1)", "1:1: parse error: expected 2 argument(s) in call to \"min_of\", got 1" },
    { "max_of(1,2,3)", "1:1: parse error: expected 2 argument(s) in call to \"max_of\", got 3" },
    { "max_of(foo, 1)",
      "1:8: parse error: expected type scalar in call to function \"max_of\", got instant vector" },
    { "start(1)", "1:1: parse error: expected 0 argument(s) in call to \"start\", got 1" },
    { "step(foo)", "1:1: parse error: expected 0 argument(s) in call to \"step\", got 1" },
    { "histogram_quantiles(foo, \"q\")", "1:1: parse error: expected at least 3 argument(s) in "
                                         "call to \"histogram_quantiles\", got 2" },
    { "histogram_quantiles(foo, \"q\", 1,2,3,4,5,6,7,8,9,10,11)",
      "1:1: parse error: expected at most 12 argument(s) in call to \"histogram_quantiles\", got "
      "13" },
    { "foo + on(a) group_left",
      "1:23: parse error: unexpected end of input in grouping opts, expected \"(\"" },
    { "foo + on(a) group_left bool bar",
      "1:24: parse error: unexpected <bool> in grouping opts, expected \"(\"" },
    { "foo[5m%0[", "1:9: parse error: unexpected left bracket '['" },
    { "sum() $", "1:7: parse error: unexpected character: '$'" },
    { "foo offset NaN", "1:12: parse error: duration out of range" },
    { "sum by (a) (x) by (b)", "1:16: parse error: unexpected <by>" },
    { "foo\nbar", "2:1: parse error: unexpected identifier \"bar\"" },
    { "sum(\n  foo,\n  bar\n)", "1:1: parse error: wrong number of arguments for aggregate "
                                "expression provided, expected 1, got 2" },
    { "foo +\n\n  bar baz", "3:7: parse error: unexpected identifier \"baz\"" },
    { "foo @ 1e19",
      "1:1: parse error: timestamp out of bounds for @ modifier: 10000000000000000000.000000" },
    { "foo[\303\251]",
      "1:5: parse error: unexpected character in duration expression: '\303\251'" },
    { "by by", "1:4: parse error: unexpected <by>" },
    { "bool + 1", "1:1: parse error: unexpected <bool>" },
    { "a==\"x\"",
      "1:4: parse error: binary expression must contain only scalar and instant vector types" },
    { "sum( # c", "1:9: parse error: unclosed left parenthesis" },
    { " )", "1:3: parse error: unexpected right parenthesis ')'" },
    { "foo{ # c", "1:9: parse error: unexpected end of input inside braces" },
    { " a=\"b\" } ", "1:3: parse error: unexpected \"=\"" },
};

START_TEST(broken_text_is_refused_with_position_and_reason)
{
    for (int i = 0; i < COUNT_OF(BROKEN); i++) {
        struct promql_expr *e = NULL;
        enum err_code rc = try_parse(str_of_z(BROKEN[i].text), &e);
        ck_assert_msg(rc == ERR_INVALID && !e, "%s", BROKEN[i].text);
        ck_assert_msg(strcmp(error.detail, BROKEN[i].message) == 0, "%s: %s", BROKEN[i].text,
                      error.detail);
    }
}
END_TEST

static const struct {
    const char *text, *functions, *durations, *ranges, *fills;
} GATED[] = {
    { "limitk(2, foo)",
      "1:1: parse error: limitk() is experimental and must be enabled with "
      "--enable-feature=promql-experimental-functions",
      "", "", "" },
    { "mad_over_time(foo[5m])", "1:1: parse error: function \"mad_over_time\" is not enabled", "",
      "", "" },
    { "foo[5m+1m]", "", "1:5: parse error: experimental duration expression is not enabled", "",
      "" },
    { "foo[step()]", "", "1:5: parse error: experimental duration expression is not enabled", "",
      "" },
    { "foo offset (1m)", "", "1:13: parse error: experimental duration expression is not enabled",
      "", "" },
    { "foo[5m] anchored", "", "",
      "1:1: parse error: anchored modifier is experimental and not enabled", "" },
    { "foo smoothed", "", "", "1:1: parse error: smoothed modifier is experimental and not enabled",
      "" },
    { "foo + fill (0) bar", "", "", "",
      "1:1: parse error: binop fill modifiers are experimental and not enabled" },
    { "sum(rate(foo[5m] offset 1m))", "", "", "", "" },
};

static void expect(const char *text, const char *message)
{
    struct promql_expr *e = NULL;
    enum err_code rc = try_parse(str_of_z(text), &e);
    ck_assert_int_eq(rc, message[0] ? ERR_INVALID : ERR_OK);
    if (message[0]) ck_assert_str_eq(error.detail, message);
}

START_TEST(closed_gate_refuses_its_feature_only)
{
    const struct promql_parse_options open = options;
    expect(GATED[_i].text, "");
    options.no_experimental_functions = true;
    expect(GATED[_i].text, GATED[_i].functions);
    options = open;
    options.no_duration_expressions = true;
    expect(GATED[_i].text, GATED[_i].durations);
    options = open;
    options.no_extended_range_selectors = true;
    expect(GATED[_i].text, GATED[_i].ranges);
    options = open;
    options.no_fill_modifiers = true;
    expect(GATED[_i].text, GATED[_i].fills);
}
END_TEST

START_TEST(offset_is_the_byte_of_the_error)
{
    expect("foo +\n  )", "2:4: parse error: unexpected right parenthesis ')'");
    ck_assert_uint_eq(error.offset, 9);
}
END_TEST

START_TEST(long_tokens_are_cut_in_messages)
{
    expect("foo 12345678901", "1:5: parse error: unexpected number \"1234567890\"...");
    expect("foo '12345678901'", "1:5: parse error: unexpected string \"'123456789\"...");
    struct str word = arena_str(&arena, STR("foo "));
    char *text = arena_alloc(&arena, 5000, 1, 1);
    memset(text, 'x', 4999);
    memcpy(text, word.ptr, word.len);
    struct promql_expr *e = NULL;
    ck_assert_int_eq(try_parse((struct str){ text, 4999 }, &e), ERR_INVALID);
    ck_assert_uint_lt(strlen(error.detail), ERR_DETAIL_SIZE);
    ck_assert(str_starts_with(str_of_z(error.detail),
                              STR("1:5: parse error: unexpected identifier \"xxx")));
}
END_TEST

START_TEST(nul_bytes_and_broken_utf8_are_characters_like_others)
{
    struct promql_expr *e = NULL;
    ck_assert_int_eq(try_parse(STR("foo \0"), &e), ERR_INVALID);
    ck_assert_str_eq(error.detail, "1:5: parse error: unexpected character: '\\x00'");
    ck_assert_int_eq(try_parse(STR("\377"), &e), ERR_INVALID);
    ck_assert_str_eq(error.detail, "1:1: parse error: unexpected character: '\357\277\275'");
    ck_assert_int_eq(try_parse(STR("'\377'"), &e), ERR_INVALID);
    ck_assert_str_eq(error.detail, "1:1: parse error: invalid UTF-8 rune");
}
END_TEST

START_TEST(bad_regex_is_told_in_the_words_of_the_library)
{
    expect("foo{b=\"x\", a=~\"a**\"}",
           "1:12: parse error: error parsing regexp: invalid nested repetition operator: `**`");
}
END_TEST

static Suite *suite_of_errors(void)
{
    Suite *suite = suite_create("parse_error");
    TCase *tc = tcase_create("broken");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, broken_text_is_refused_with_position_and_reason);
    tcase_add_loop_test(tc, closed_gate_refuses_its_feature_only, 0, COUNT_OF(GATED));
    tcase_add_test(tc, offset_is_the_byte_of_the_error);
    tcase_add_test(tc, long_tokens_are_cut_in_messages);
    tcase_add_test(tc, nul_bytes_and_broken_utf8_are_characters_like_others);
    tcase_add_test(tc, bad_regex_is_told_in_the_words_of_the_library);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    RUN_SUITE(suite_of_errors());
}
