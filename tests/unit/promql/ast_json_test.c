/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/ast_json.h"

#include "parse_fixture.h"

#define FOO_MATCHER "\"matchers\":[{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"foo\"}]"
#define FOO                                                                                        \
    "{\"anchored\":false," FOO_MATCHER ",\"name\":\"foo\",\"offset\":0,\"offsetExpr\":null,"       \
    "\"smoothed\":false,\"startOrEnd\":null,\"timestamp\":null,\"type\":\"vectorSelector\"}"
#define ONE "{\"type\":\"numberLiteral\",\"val\":\"1\"}"

static const struct {
    const char *text, *json;
} TREES[] = {
    { "1", ONE },
    { "5m", "{\"duration\":true,\"type\":\"numberLiteral\",\"val\":\"300\"}" },
    { "NaN", "{\"type\":\"numberLiteral\",\"val\":\"NaN\"}" },
    { "'a\"b'", "{\"type\":\"stringLiteral\",\"val\":\"a\\\"b\"}" },
    { "foo", FOO },
    { "(foo)", "{\"expr\":" FOO ",\"type\":\"parenExpr\"}" },
    { "-foo", "{\"expr\":" FOO ",\"op\":\"-\",\"type\":\"unaryExpr\"}" },
    { "foo[5m] smoothed @ 1.5 offset -1m",
      "{\"anchored\":false," FOO_MATCHER ",\"name\":\"foo\",\"offset\":-60000,\"offsetExpr\":null,"
      "\"range\":300000,\"rangeExpr\":null,\"smoothed\":true,\"startOrEnd\":null,"
      "\"timestamp\":1500,\"type\":\"matrixSelector\"}" },
    { "foo[1+step():] @ end()",
      "{\"expr\":" FOO ",\"offset\":0,\"offsetExpr\":null,\"range\":0,\"rangeExpr\":{\"lhs\":" ONE
      ",\"op\":\"+\",\"rhs\":{\"lhs\":null,\"op\":\"step\",\"rhs\":null,\"type\":\"durationExpr\","
      "\"wrapped\":false},\"type\":\"durationExpr\",\"wrapped\":false},\"startOrEnd\":\"end\","
      "\"step\":0,\"stepExpr\":null,\"timestamp\":null,\"type\":\"subquery\"}" },
    { "topk by (a) (1, foo)",
      "{\"expr\":" FOO ",\"grouping\":[\"a\"],\"op\":\"topk\",\"param\":" ONE
      ",\"type\":\"aggregation\",\"without\":false}" },
    { "vector(1)", "{\"args\":[" ONE "],\"func\":{\"argTypes\":[\"scalar\"],\"name\":\"vector\","
                   "\"returnType\":\"vector\",\"variadic\":0},\"type\":\"call\"}" },
    { "foo == bool 1", "{\"bool\":true,\"lhs\":" FOO ",\"matching\":null,\"op\":\"==\",\"rhs\":" ONE
                       ",\"type\":\"binaryExpr\"}" },
    { "foo + on (a) group_left (b) fill_left (2) foo",
      "{\"bool\":false,\"lhs\":" FOO ",\"matching\":{\"card\":\"many-to-one\",\"fillValues\":{"
      "\"lhs\":2,\"rhs\":null},\"include\":[\"b\"],\"labels\":[\"a\"],\"on\":true},\"op\":\"+\","
      "\"rhs\":" FOO ",\"type\":\"binaryExpr\"}" },
};

START_TEST(tree_has_its_json)
{
    struct buf out;
    buf_init(&out, mem_source_of(budget, MEM_QUERY), 1u << 20);
    struct json_writer w = json_writer_of(&out);
    promql_ast_json(&w, parse(TREES[_i].text));
    buf_put_u8(&out, 0);
    ck_assert(!buf_failed(&out));
    ck_assert_str_eq((const char *)out.ptr, TREES[_i].json);
    buf_deinit(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ast_json");
    TCase *tc = tcase_create("json");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, tree_has_its_json, 0, COUNT_OF(TREES));
    suite_add_tcase(suite, tc);
    RUN_SUITE(suite);
}
