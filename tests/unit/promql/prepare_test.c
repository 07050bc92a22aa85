/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/prepare.h"

#include "parse_fixture.h"

static const struct promql_prepare_params RANGE_QUERY = { 50000, 60000, 5000 };

static enum err_code prepare(const char *text, struct promql_expr **out)
{
    *out = parse(text);
    return promql_prepare(out, &RANGE_QUERY, &arena, &error);
}

static const struct {
    const char *text; /* of a range */
    int64_t range_ms;
} RANGES[] = {
    { "1800", 1800000 },
    { "26m+4m", 1800000 },
    { "60*30", 1800000 },
    { "2m*(10+5)", 1800000 },
    { "24m+((1.5*2m)+2m)", 1740000 },
    { "-5m+35m", 1800000 },
    { "1h/2", 1800000 },
    { "1h30m % 1h", 1800000 },
    { "30m1s-30m1s % 1m", 1800000 },
    { "2^3^2", 512000 },
    { "-2^2+10", 6000 },
    { "step()", 5000 },
    { "step()+1ms", 5001 },
    { "range()", 10000 },
    { "min_of(step()+1,1h)", 6000 },
    { "max_of(min_of(step()+1,1h),1ms)", 6000 },
    { "((max_of(min_of((step()+1),((1h))),1ms)))", 6000 },
    { "(step())-(-1)", 6000 },
    { "1/3", 333 },
    { "0.0019", 1 },
};

START_TEST(duration_expression_has_its_value)
{
    struct promql_expr *e = NULL;
    struct str text = arena_printf(&arena, "foo[%s]", RANGES[_i].text);
    ck_assert_int_eq(prepare(text.ptr, &e), ERR_OK);
    ck_assert_int_eq(e->matrix->range_ms, RANGES[_i].range_ms);
}
END_TEST

static const struct {
    const char *text;
    int64_t offset_ms;
} OFFSETS[] = {
    { "foo offset 5m", 300000 },
    { "foo offset -5", -5000 },
    { "foo offset (100 + 2)", 102000 },
    { "foo offset (-2 ^ 2)", -4000 },
    { "foo offset -(min_of(step(), 2s)-5)", 3000 },
    { "foo offset step()", 5000 },
    { "foo offset -range()", -10000 },
    { "foo offset (step()-5)", 0 },
    { "foo offset max_of(3s,min_of(step(), 1s))", 3000 },
};

START_TEST(offset_has_its_value)
{
    struct promql_expr *e = NULL;
    ck_assert_int_eq(prepare(OFFSETS[_i].text, &e), ERR_OK);
    ck_assert_int_eq(e->kind, PROMQL_VECTOR_SELECTOR);
    ck_assert_int_eq(e->selector->shift.offset_ms, OFFSETS[_i].offset_ms);
}
END_TEST

static const struct {
    const char *text, *message;
} BROKEN[] = {
    { "foo[1m-2m]", "4:9: duration must be greater than 0" },
    { "foo[step()-5]", "4:12: duration must be greater than 0" },
    { "foo[1m/(2-2)]", "4:11: division by zero" },
    { "foo[1m%(2-2)]", "4:11: modulo by zero" },
    { "foo[(-8)^0.5]", "4:12: duration is NaN or infinite" },
    { "foo[10^999]", "4:10: duration is NaN or infinite" },
    { "foo[10^12]", "4:9: duration is out of range" },
    { "foo[5m:1s-1s]", "7:12: duration must be greater than 0" },
    { "foo offset (1m/(step()-5))", "12:24: division by zero" },
    { "sum(rate(foo[(0)]))", "13:16: duration must be greater than 0" },
    { "deriv(foo[3m] anchored)", "anchored modifier can only be used with: changes, delta, "
                                 "increase, rate, resets - not with deriv" },
    { "changes(foo[3m] smoothed)", "smoothed modifier can only be used with: delta, increase, "
                                   "rate - not with changes" },
};

START_TEST(impossible_preparation_is_told)
{
    struct promql_expr *e = NULL;
    ck_assert_int_eq(prepare(BROKEN[_i].text, &e), ERR_INVALID);
    ck_assert_str_eq(error.detail, BROKEN[_i].message);
}
END_TEST

START_TEST(at_start_and_end_get_the_times_of_the_query)
{
    struct promql_expr *e = NULL;
    ck_assert_int_eq(prepare("foo @ start() + sum_over_time(bar[5m:] @ end())", &e), ERR_OK);
    ck_assert_int_eq(e->kind, PROMQL_STEP_INVARIANT);
    const struct promql_binary *b = e->inner->binary;
    ck_assert_int_eq(b->lhs->selector->shift.at_ms, 50000);
    ck_assert_int_eq(b->rhs->call->args[0]->subquery->shift.at_ms, 60000);
}
END_TEST

/* The canonical text with [[ ]] around wrapped nodes. */
static void mark(struct buf *out, const struct promql_expr *e)
{
    if (e->kind == PROMQL_STEP_INVARIANT) {
        buf_put_lit(out, "[[");
        promql_print(out, e->inner);
        buf_put_lit(out, "]]");
        return;
    }
    struct promql_expr *child = NULL;
    for (size_t i = 0; (child = promql_child(e, i)) != NULL; i++) {
        if (i > 0) buf_put_lit(out, " ; ");
        mark(out, child);
    }
    if (!promql_child(e, 0)) promql_print(out, e);
}

static const struct {
    const char *text, *marked;
} INVARIANT[] = {
    { "foo", "foo" },
    { "1 + 2", "[[1 + 2]]" },
    { "5", "5" },
    { "foo @ 10", "[[foo @ 10.000]]" },
    { "foo @ start()", "[[foo @ start()]]" },
    { "foo @ 10 + bar", "[[foo @ 10.000]] ; bar" },
    { "foo @ 10 + 1", "[[foo @ 10.000 + 1]]" },
    { "foo + 1", "foo ; 1" },
    { "foo + (1 + 2)", "foo ; [[(1 + 2)]]" },
    { "sum(foo @ 10)", "[[sum(foo @ 10.000)]]" },
    { "topk(scalar(bar), foo @ 10)", "bar ; [[foo @ 10.000]]" },
    { "topk(3, foo @ 10)", "[[topk(3, foo @ 10.000)]]" },
    { "rate(foo[5m] @ 10)", "[[rate(foo[5m] @ 10.000)]]" },
    { "predict_linear(foo[5m] @ 10, 5)", "foo @ 10.000 ; 5" },
    { "time()", "time()" },
    { "pi() * 2", "[[pi() * 2]]" },
    { "start() + time()", "[[start()]] ; time()" },
    { "timestamp(foo @ 10)", "[[timestamp(foo @ 10.000)]]" },
    { "timestamp((foo @ 10))", "[[timestamp((foo @ 10.000))]]" },
    { "timestamp(-foo @ 10)", "[[-foo @ 10.000]]" },
    { "hour()", "hour()" },
    { "hour(foo @ 10)", "[[hour(foo @ 10.000)]]" },
    { "vector(time())", "time()" },
    { "-(foo @ 10)", "[[-(foo @ 10.000)]]" },
    { "sum_over_time(foo[5m:1m] @ 10)", "[[sum_over_time(foo[5m:1m] @ 10.000)]]" },
    { "sum_over_time((foo @ 10)[5m:1m])", "[[(foo @ 10.000)]]" },
    { "info(foo @ 10, {a=\"b\"})", "[[info(foo @ 10.000, {a=\"b\"})]]" },
    { "info(foo, {a=\"b\"})", "foo ; {a=\"b\"}" },
    { "label_replace(foo, \"a\", \"b\", \"c\", \"d\")", "foo ; \"a\" ; \"b\" ; \"c\" ; \"d\"" },
};

START_TEST(largest_invariant_parts_are_wrapped)
{
    struct promql_expr *e = NULL;
    struct buf out;
    if (strcmp(INVARIANT[_i].text, "time()") == 0 || strcmp(INVARIANT[_i].text, "hour()") == 0) {
        ck_assert_int_eq(prepare(INVARIANT[_i].text, &e), ERR_OK);
        ck_assert_int_eq(e->kind, PROMQL_CALL);
        return;
    }
    ck_assert_int_eq(prepare(INVARIANT[_i].text, &e), ERR_OK);
    buf_init(&out, mem_source_of(budget, MEM_QUERY), 1u << 20);
    mark(&out, e);
    buf_put_u8(&out, 0);
    ck_assert_str_eq((const char *)out.ptr, INVARIANT[_i].marked);
    buf_deinit(&out);
}
END_TEST

START_TEST(wrapped_tree_prints_as_before)
{
    const char *before = print(parse(INVARIANT[_i].text), false);
    struct promql_expr *e = NULL;
    ck_assert_int_eq(prepare(INVARIANT[_i].text, &e), ERR_OK);
    ck_assert_str_eq(print(e, false), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prepare");
    TCase *tc = tcase_create("prepare");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, duration_expression_has_its_value, 0, COUNT_OF(RANGES));
    tcase_add_loop_test(tc, offset_has_its_value, 0, COUNT_OF(OFFSETS));
    tcase_add_loop_test(tc, impossible_preparation_is_told, 0, COUNT_OF(BROKEN));
    tcase_add_test(tc, at_start_and_end_get_the_times_of_the_query);
    tcase_add_loop_test(tc, largest_invariant_parts_are_wrapped, 0, COUNT_OF(INVARIANT));
    tcase_add_loop_test(tc, wrapped_tree_prints_as_before, 0, COUNT_OF(INVARIANT));
    suite_add_tcase(suite, tc);
    RUN_SUITE(suite);
}
