/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/relabel/relabel.h"

#include <check.h>

static struct mem_budget *budget;
static struct arena arena;

static void set_up(void)
{
    budget = mem_budget_create(64u << 20);
    arena_init(&arena, mem_source_of(budget, MEM_SYSTEM), 16u << 20);
}

static void tear_down(void)
{
    arena_deinit(&arena);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

/* Bind a YAML list of rules; returns the first error or "". */
static struct str bind(const char *yaml, struct yaml_list *out)
{
    struct yaml_doc doc;
    struct yaml_diags diags;
    struct yaml_binder binder;
    struct buf text;
    static const struct yaml_field FIELD = { .type = YAML_T_LIST,
                                             .elem = YAML_T_STRUCT,
                                             .schema = &RELABEL_CONFIG };
    yaml_diags_init(&diags, &arena);
    buf_init(&text, mem_source_of(budget, MEM_SYSTEM), 1u << 16);
    *out = (struct yaml_list){ NULL, 0 };
    if (yaml_parse(STR("test.yml"), str_of_z(yaml), &arena, &diags, &doc) == ERR_OK) {
        struct yaml_env env = { .budget = budget };
        yaml_binder_init(&binder, &doc, &arena, &diags, &env);
        if (yaml_bind_field(&binder, &FIELD, out) == ERR_OK) diags.error_count = 0;
    }
    yaml_diags_first(&diags, &text);
    struct str message = arena_str(&arena, buf_str(&text));
    buf_deinit(&text);
    return message;
}

static const struct {
    const char *rules;
    const char *expected; /* printed labels, NULL = dropped */
} CASES[] = {
    { "- {source_labels: [a], regex: f(.*), target_label: d, replacement: 'ch${1}-ch${1}'}",
      "{a=\"foo\", b=\"bar\", c=\"baz\", d=\"choo-choo\"}" },
    { "- {source_labels: [a, b], regex: 'f(.*);(.*)r', target_label: a, replacement: 'b${1}${2}m'}",
      "{a=\"boobam\", b=\"bar\", c=\"baz\"}" },
    { "- {source_labels: [a], regex: '.*o.*', action: drop}", NULL },
    { "- {source_labels: [a], regex: o, action: drop}", "{a=\"foo\", b=\"bar\", c=\"baz\"}" },
    { "- {source_labels: [a], regex: no-match, action: keep}", NULL },
    { "- {source_labels: [a], regex: f.*, action: KEEP}", "{a=\"foo\", b=\"bar\", c=\"baz\"}" },
    { "- {target_label: a, replacement: ''}", "{b=\"bar\", c=\"baz\"}" },
    { "- {target_label: x, replacement: y}", "{a=\"foo\", b=\"bar\", c=\"baz\", x=\"y\"}" },
    { "- {source_labels: [a], target_label: '${1}', regex: '(fo).*', replacement: z}",
      "{a=\"foo\", b=\"bar\", c=\"baz\", fo=\"z\"}" },
    { "- {source_labels: [c], target_label: d, action: hashmod, modulus: 1000}",
      "{a=\"foo\", b=\"bar\", c=\"baz\", d=\"976\"}" },
    { "- {regex: '(b)', replacement: 'x_$1', action: labelmap}",
      "{a=\"foo\", b=\"bar\", c=\"baz\", x_b=\"bar\"}" },
    { "- {regex: 'a|b', action: labeldrop}", "{c=\"baz\"}" },
    { "- {regex: 'a|b', action: labelkeep}", "{a=\"foo\", b=\"bar\"}" },
    { "- {source_labels: [a], target_label: u, action: uppercase}",
      "{a=\"foo\", b=\"bar\", c=\"baz\", u=\"FOO\"}" },
    { "- {target_label: B, replacement: BAR}\n- {source_labels: [B], target_label: b, action: "
      "lowercase}",
      "{B=\"BAR\", a=\"foo\", b=\"bar\", c=\"baz\"}" },
    { "- {source_labels: [a], target_label: b, action: keepequal}", NULL },
    { "- {source_labels: [a], target_label: b, action: dropequal}",
      "{a=\"foo\", b=\"bar\", c=\"baz\"}" },
    { "- {source_labels: [nope], target_label: b}", "{a=\"foo\", c=\"baz\"}" },
    { "- {source_labels: [a], regex: f(o)(?P<second>o), target_label: d, replacement: "
      "'$second$$1'}",
      "{a=\"foo\", b=\"bar\", c=\"baz\", d=\"o$1\"}" },
};

START_TEST(rules_rewrite_or_drop_the_label_set)
{
    struct yaml_list configs;
    struct relabel_rules *rules = NULL;
    struct labels_builder b;
    struct labels labels;
    struct buf text;
    struct str error = bind(CASES[_i].rules, &configs);
    ck_assert_msg(error.len == 0, STR_FMT, STR_ARG(error));
    ck_assert_int_eq(relabel_compile(&configs, budget, &rules, NULL), ERR_OK);
    labels_builder_init(&b, &arena);
    labels_builder_add(&b, STR("b"), STR("bar"));
    labels_builder_add(&b, STR("a"), STR("foo"));
    labels_builder_add(&b, STR("c"), STR("baz"));
    enum relabel_result result = relabel_apply(rules, &b);
    ck_assert_int_eq(result, CASES[_i].expected ? RELABEL_KEPT : RELABEL_DROPPED);
    if (CASES[_i].expected) {
        ck_assert_int_eq(labels_builder_finish(&b, NULL, &labels, NULL), ERR_OK);
        buf_init(&text, mem_source_of(budget, MEM_SYSTEM), 1u << 16);
        labels_print(&text, labels, false);
        ck_assert_msg(str_eq(buf_str(&text), str_of_z(CASES[_i].expected)), "got " STR_FMT,
                      STR_ARG(buf_str(&text)));
        buf_deinit(&text);
    }
    relabel_destroy(rules);
}
END_TEST

static const struct {
    const char *rules, *message;
} BAD[] = {
    { "- {action: hashmod, target_label: x}",
      "relabel configuration for hashmod requires non-zero modulus" },
    { "- {action: replace}",
      "relabel configuration for replace action requires 'target_label' value" },
    { "- {action: lowercase, target_label: x, replacement: y}",
      "'replacement' can not be set for lowercase action" },
    { "- {action: labeldrop, source_labels: [a]}",
      "labeldrop action requires only 'regex', and no other fields" },
    { "- {action: keepequal, source_labels: [a], target_label: b, regex: x}",
      "keepequal action requires only 'source_labels' and `target_label`, and no other "
      "fields" },
    { "- {action: keep, regex: '(', source_labels: [a]}", "error parsing regexp" },
    { "- {action: nonsense}", "action" },
    { "- {source_label: [a], target_label: x}", "unknown key \"source_label\"" },
};

START_TEST(wrong_rules_are_refused_with_their_text)
{
    struct yaml_list configs;
    struct str error = bind(BAD[_i].rules, &configs);
    ck_assert_msg(str_find(error, str_of_z(BAD[_i].message)) < error.len,
                  "got \"" STR_FMT "\" instead of \"%s\"", STR_ARG(error), BAD[_i].message);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("relabel");
    TCase *tc = tcase_create("rules");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, rules_rewrite_or_drop_the_label_set, 0,
                        (int)(sizeof CASES / sizeof CASES[0]));
    tcase_add_loop_test(tc, wrong_rules_are_refused_with_their_text, 0,
                        (int)(sizeof BAD / sizeof BAD[0]));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
