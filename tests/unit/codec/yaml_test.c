/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree, its limits, and diagnostics.
 */
#include "codec/yaml.h"

#include "codec/yaml_diag.h"
#include "codec_test.h"

static struct yaml_diags D;
static struct yaml_doc DOC;

static enum err_code parse(struct str text)
{
    yaml_diags_init(&D, &T.arena);
    return yaml_parse(STR("test.yml"), text, &T.arena, &D, &DOC);
}

static enum err_code parse_json(struct str text)
{
    yaml_diags_init(&D, &T.arena);
    return yaml_parse_json(STR("test.json"), text, &T.arena, &D, &DOC);
}

/* The tree in one line: scalars as they are, quoted ones in quotes, null as ~. */
static void flatten(const struct yaml_node *node, struct buf *out)
{
    switch (node->kind) {
    case YAML_NULL: buf_put_u8(out, '~'); return;
    case YAML_SCALAR:
        if (node->is_quoted) buf_put_u8(out, '"');
        buf_put_str(out, node->v.text);
        if (node->is_quoted) buf_put_u8(out, '"');
        return;
    case YAML_LIST:
        buf_put_u8(out, '[');
        for (uint32_t i = 0; i < node->count; i++) {
            if (i > 0) buf_put_u8(out, ',');
            flatten(node->v.items[i], out);
        }
        buf_put_u8(out, ']');
        return;
    case YAML_MAP:
        buf_put_u8(out, '{');
        for (uint32_t i = 0; i < node->count; i++) {
            if (i > 0) buf_put_u8(out, ',');
            flatten(node->v.pairs[i].key, out);
            buf_put_u8(out, ':');
            flatten(node->v.pairs[i].value, out);
        }
        buf_put_u8(out, '}');
        return;
    }
}

static const struct {
    const char *text, *flat;
} TREES[] = {
    { "", "~" },
    { "# only a comment\n", "~" },
    { "a: 1\nb: [x, 'y', \"z\"]\n", "{a:1,b:[x,\"y\",\"z\"]}" },
    { "a:\nb: ~\nc: null\nd: 'null'\ne: \"\"\n", "{a:~,b:~,c:~,d:\"null\",e:\"\"}" },
    { "- a\n- b: c\n  d: e\n-\n", "[a,{b:c,d:e},~]" },
    { "a: |\n  one\n  two\n", "{a:\"one\ntwo\n\"}" },
    { "a: {b: {c: []}}", "{a:{b:{c:[]}}}" },
    { "a: &x {k: v}\nb: *x\n", "{a:{k:v},b:{k:v}}" },
    { "base: &b {x: 1, y: 2}\nd:\n  y: 3\n  <<: *b\n", "{base:{x:1,y:2},d:{y:3,x:1}}" },
    { "a: &a {x: 1}\nb: &b {x: 2, z: 3}\nd: {<<: [*a, *b], w: 0}",
      "{a:{x:1},b:{x:2,z:3},d:{w:0,x:1,z:3}}" },
    { "a: !!str 5\nb: ! 6\nc: !!int 7\n", "{a:\"5\",b:\"6\",c:7}" },
    { "null: a\n~: b\n", "{null:a,~:b}" },
    { "---\na: b\n...\n", "{a:b}" },
    { "%YAML 1.1\n---\na: b\n", "{a:b}" },
};

START_TEST(text_becomes_tree)
{
    ck_assert_int_eq(parse(str_of_z(TREES[_i].text)), ERR_OK);
    ck_assert_uint_eq(D.error_count, 0);
    flatten(DOC.root, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), TREES[_i].flat);
}
END_TEST

static const struct {
    const char *text, *error;
} ERRORS[] = {
    { "a: b: c\n", "test.yml:1:5: mapping values are not allowed in this context" },
    { "a: [1, 2\nb: 3\n", "test.yml:2:2: did not find expected ',' or ']' (while parsing a flow "
                          "sequence in line 1)" },
    { "a:\n\t- b\n", "test.yml:2:1: found character that cannot start any token (while scanning "
                     "for the next token in line 2)" },
    { "a: 'b\n", "test.yml:2:1: found unexpected end of stream (while scanning a quoted scalar in "
                 "line 1)" },
    { "a: *x\n", "test.yml:1:4: unknown anchor \"x\"" },
    { "a: &x [*x]\n", "test.yml:1:8: unknown anchor \"x\"" },
    { "? [a]\n: b\n", "test.yml:1:3: a key must be a scalar" },
    { "? {a: b}\n: b\n", "test.yml:1:3: a key must be a scalar" },
    { "a: 1\n---\nb: 2\n", "test.yml:2:1: more than one document" },
    { "a: !foo 1\n", "test.yml:1:4: tag \"!foo\" is not supported" },
    { "a: !!binary aGk=\n", "test.yml:1:4: tag \"tag:yaml.org,2002:binary\" is not supported" },
    { "<<: 1\n", "test.yml:1:5: << needs a map or a list of maps" },
    { "<<: [{a: b}, 1]\n", "test.yml:1:5: << needs a map or a list of maps" },
    { "a: 1\nb: \xff\n", "test.yml:2:4: invalid leading UTF-8 octet" },
    { "a: \x01\n", "test.yml:1:4: control characters are not allowed" },
};

START_TEST(bad_text_is_refused_with_position)
{
    ck_assert_int_eq(parse(str_of_z(ERRORS[_i].text)), ERR_INVALID);
    yaml_diags_first(&D, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), ERRORS[_i].error);
}
END_TEST

START_TEST(duplicate_key_is_reported_and_the_first_stays)
{
    ck_assert_int_eq(parse(STR("a: 1\nb: 2\na: 3\n'b': 4\n")), ERR_OK);
    ck_assert_uint_eq(D.error_count, 2);
    yaml_diags_first(&D, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), "test.yml:3:1: key \"a\" is given twice, first in line 1");
    ck_assert_str_is(D.at[1].message, "key \"b\" is given twice, first in line 2");
    buf_reset(&T.buf);
    flatten(DOC.root, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), "{a:1,b:2}");
}
END_TEST

START_TEST(positions_are_of_characters)
{
    ck_assert_int_eq(parse(STR("a: \"\xc3\xa9\"\n\xc3\xa9\xc3\xa9: [x,\n  'yy']\n")), ERR_OK);
    const struct yaml_node *key = yaml_get_key(DOC.root, STR("\xc3\xa9\xc3\xa9"));
    ck_assert_ptr_nonnull(key);
    ck_assert_uint_eq(key->line, 2);
    ck_assert_uint_eq(key->column, 1);
    ck_assert_uint_eq(key->width, 2);
    const struct yaml_node *list = yaml_get(DOC.root, STR("\xc3\xa9\xc3\xa9"));
    ck_assert_uint_eq(list->column, 5);
    ck_assert_uint_eq(list->v.items[1]->line, 3);
    ck_assert_uint_eq(list->v.items[1]->column, 3);
    ck_assert_uint_eq(list->v.items[1]->width, 4);
    ck_assert_ptr_null(yaml_get(list, STR("x")));
    ck_assert_ptr_null(yaml_get(NULL, STR("x")));
}
END_TEST

START_TEST(alias_bomb_is_stopped)
{
    buf_put_lit(&T.buf, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 10; i++) {
        buf_printf(&T.buf, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            buf_printf(&T.buf, "%s*a%d", j ? "," : "", i - 1);
        buf_put_lit(&T.buf, "]\n");
    }
    ck_assert_int_eq(parse(buf_str(&T.buf)), ERR_LIMIT);
    ck_assert_str_is(D.at[0].message, "aliases stand for more than 10000 nodes");
}
END_TEST

START_TEST(depth_is_limited_with_and_without_aliases)
{
    for (int depth = 64; depth <= 65; depth++) {
        buf_reset(&T.buf);
        for (int i = 0; i < depth; i++)
            buf_put_u8(&T.buf, '[');
        for (int i = 0; i < depth; i++)
            buf_put_u8(&T.buf, ']');
        ck_assert_int_eq(parse(buf_str(&T.buf)), depth == 64 ? ERR_OK : ERR_LIMIT);
        ck_assert_int_eq(parse_json(buf_str(&T.buf)), depth == 64 ? ERR_OK : ERR_LIMIT);
    }
    buf_reset(&T.buf);
    buf_put_lit(&T.buf, "- &a ");
    for (int i = 0; i < 40; i++)
        buf_put_u8(&T.buf, '[');
    buf_put_u8(&T.buf, 'x');
    for (int i = 0; i < 40; i++)
        buf_put_u8(&T.buf, ']');
    buf_put_lit(&T.buf, "\n- ");
    for (int i = 0; i < 30; i++)
        buf_put_u8(&T.buf, '[');
    buf_put_lit(&T.buf, "*a");
    for (int i = 0; i < 30; i++)
        buf_put_u8(&T.buf, ']');
    ck_assert_int_eq(parse(buf_str(&T.buf)), ERR_LIMIT);
}
END_TEST

START_TEST(large_file_is_refused)
{
    size_t size = YAML_FILE_BYTES_MAX + 1;
    char *text = arena_alloc(&T.arena, size, 1, 1);
    ck_assert_ptr_nonnull(text);
    memset(text, '#', size);
    ck_assert_int_eq(parse((struct str){ text, size }), ERR_LIMIT);
    ck_assert_int_eq(parse_json((struct str){ text, size }), ERR_LIMIT);
}
END_TEST

START_TEST(memory_failure_is_reported_as_such)
{
    struct arena small;
    struct yaml_diags d;
    struct yaml_doc doc;
    arena_init(&small, T.mem, 16384);
    yaml_diags_init(&d, &small);
    for (int i = 0; i < 2000; i++)
        buf_printf(&T.buf, "key_number_%d: value\n", i);
    ck_assert_int_eq(yaml_parse(STR("f"), buf_str(&T.buf), &small, &d, &doc), ERR_NOMEM);
    arena_deinit(&small);
}
END_TEST

START_TEST(json_becomes_the_same_tree)
{
    static const struct {
        const char *text, *flat;
    } cases[] = {
        { "[{\"targets\": [\"a:1\", \"b\\u003a2\"], \"labels\": {\"x\": \"y\"}}]",
          "[{\"targets\":[\"a:1\",\"b:2\"],\"labels\":{\"x\":\"y\"}}]" },
        { " {\"a\" : 1.5, \"b\":null,\"c\" :true ,\"d\":{},\"e\":[]} ",
          "{\"a\":1.5,\"b\":~,\"c\":true,\"d\":{},\"e\":[]}" },
        { "\"x\"", "\"x\"" },
    };
    for (size_t i = 0; i < 3; i++) {
        buf_reset(&T.buf);
        ck_assert_int_eq(parse_json(str_of_z(cases[i].text)), ERR_OK);
        flatten(DOC.root, &T.buf);
        ck_assert_str_is(buf_str(&T.buf), cases[i].flat);
    }
}
END_TEST

START_TEST(json_positions_and_errors)
{
    ck_assert_int_eq(parse_json(STR("{\n  \"\xc3\xa9\": 1,\n  \"b\": [true, \"x\"]\n}")), ERR_OK);
    const struct yaml_node *key = yaml_get_key(DOC.root, STR("b"));
    ck_assert_uint_eq(key->line, 3);
    ck_assert_uint_eq(key->column, 3);
    ck_assert_uint_eq(key->width, 3);
    const struct yaml_node *item = yaml_get(DOC.root, STR("b"))->v.items[1];
    ck_assert_uint_eq(item->column, 15);
    ck_assert_uint_eq(yaml_get(DOC.root, STR("\xc3\xa9"))->column, 8);
    ck_assert_int_eq(parse_json(STR("{\"a\": 1,\n \"b\": x}")), ERR_INVALID);
    yaml_diags_first(&D, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), "test.json:2:7: expected a value");
    ck_assert_int_eq(parse_json(STR("{\"a\": 1, \"a\": 2}")), ERR_OK);
    ck_assert_uint_eq(D.error_count, 1);
}
END_TEST

/* ---- diagnostics ------------------------------------------------------------------------ */

START_TEST(diagnostics_are_sorted_and_rendered_with_their_line)
{
    ck_assert_int_eq(parse(STR("a: 1\n\tb\n")), ERR_INVALID);
    struct yaml_doc doc = { .file = STR("p.yml"),
                            .text =
                                STR("first: x\n    metric_path: /stats\r\npassword: hunter2\n") };
    yaml_diags_init(&D, &T.arena);
    yaml_diags_add(&D, &doc,
                   (struct yaml_diag){ .line = 3,
                                       .column = 1,
                                       .width = 8,
                                       .is_warning = true,
                                       .message = STR("is deprecated") });
    yaml_diags_add(&D, &doc,
                   (struct yaml_diag){ .line = 2,
                                       .column = 5,
                                       .width = 11,
                                       .message = STR("unknown key \"metric_path\""),
                                       .hint = STR("did you mean \"metrics_path\"?"),
                                       .docs = STR("configuration.md#scrape_configs") });
    yaml_diags_add(&D, &doc, (struct yaml_diag){ .message = STR("about the file") });
    yaml_diags_render(&D, &T.buf);
    ck_assert_str_is(buf_str(&T.buf), "p.yml: error: about the file\n"
                                      "p.yml:2:5: error: unknown key \"metric_path\"\n"
                                      "    2 |     metric_path: /stats\n"
                                      "      |     ^^^^^^^^^^^ did you mean \"metrics_path\"?\n"
                                      "   docs: configuration.md#scrape_configs\n"
                                      "p.yml:3:1: warning: is deprecated\n"
                                      "    3 | password: <secret>\n"
                                      "      | ^^^^^^^^\n");
}
END_TEST

START_TEST(only_the_first_twenty_errors_are_kept)
{
    struct yaml_doc doc = { .file = STR("f"), .text = STR("") };
    yaml_diags_init(&D, &T.arena);
    for (uint32_t i = 0; i < 5; i++)
        yaml_diags_add(&D, &doc,
                       (struct yaml_diag){ .line = i + 1, .column = 1, .is_warning = true });
    for (uint32_t i = 30; i > 0; i--)
        yaml_diags_add(&D, &doc, (struct yaml_diag){ .line = i, .column = 1 });
    ck_assert_uint_eq(D.count, YAML_DIAGS_MAX);
    ck_assert_uint_eq(D.error_count, 30);
    for (uint32_t i = 0; i < D.count; i++) {
        ck_assert(!D.at[i].is_warning);
        ck_assert_uint_eq(D.at[i].line, i + 1);
    }
    yaml_diags_render(&D, &T.buf);
    ck_assert(str_ends_with(buf_str(&T.buf), STR("and 15 more\n")));
}
END_TEST

START_TEST(long_line_is_cut_around_the_place)
{
    for (int i = 0; i < 100; i++)
        buf_put_lit(&T.buf, "\xc3\xa9 word ");
    struct yaml_doc doc = { .file = STR("f"), .text = arena_str(&T.arena, buf_str(&T.buf)) };
    yaml_diags_init(&D, &T.arena);
    yaml_diags_add(&D, &doc, (struct yaml_diag){ .line = 1, .column = 300, .width = 500 });
    buf_reset(&T.buf);
    yaml_diags_render(&D, &T.buf);
    struct str rest = buf_str(&T.buf), line;
    while (rest.ptr != NULL && str_split(&rest, '\n', &line))
        ck_assert_uint_lt(line.len, 200);
    ck_assert(str_is_utf8(buf_str(&T.buf)));
    ck_assert_uint_lt(str_find(buf_str(&T.buf), STR("^^^^")), T.buf.len);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("yaml");
    TCase *tc = codec_case(suite, "yaml");
    tcase_add_loop_test(tc, text_becomes_tree, 0, sizeof TREES / sizeof TREES[0]);
    tcase_add_loop_test(tc, bad_text_is_refused_with_position, 0, sizeof ERRORS / sizeof ERRORS[0]);
    tcase_add_test(tc, duplicate_key_is_reported_and_the_first_stays);
    tcase_add_test(tc, positions_are_of_characters);
    tcase_add_test(tc, alias_bomb_is_stopped);
    tcase_add_test(tc, depth_is_limited_with_and_without_aliases);
    tcase_add_test(tc, large_file_is_refused);
    tcase_add_test(tc, memory_failure_is_reported_as_such);
    tcase_add_test(tc, json_becomes_the_same_tree);
    tcase_add_test(tc, json_positions_and_errors);
    tcase_add_test(tc, diagnostics_are_sorted_and_rendered_with_their_line);
    tcase_add_test(tc, only_the_first_twenty_errors_are_kept);
    tcase_add_test(tc, long_line_is_cut_around_the_place);
    return codec_run(suite);
}
