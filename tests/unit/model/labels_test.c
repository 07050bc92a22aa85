/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/labels.h"
#include "os/mem.h"

static struct mem_budget *mem;
static struct arena arena;
static struct buf text;
static struct labels_builder builder;

static void setup(void)
{
    mem = mem_budget_create((uint64_t)64 << 20);
    arena_init(&arena, mem_source_of(mem, MEM_INGEST), (size_t)32 << 20);
    buf_init(&text, mem_source_of(mem, MEM_INGEST), (size_t)1 << 20);
    labels_builder_init(&builder, &arena);
}

static void teardown(void)
{
    buf_deinit(&text);
    arena_deinit(&arena);
    ck_assert_uint_eq(mem_live_count(mem), 0);
    mem_budget_destroy(mem);
}

static struct labels finish(void)
{
    struct labels l = { NULL, 0 };
    struct err err = { 0 };
    enum err_code rc = labels_builder_finish(&builder, NULL, &l, &err);
    ck_assert_msg(rc == ERR_OK, "%s: %s", err.msg, err.detail);
    return l;
}

/* "a=1,b=2" */
static struct labels parse(const char *z)
{
    struct labels_builder b;
    struct labels l = { NULL, 0 };
    struct err err = { 0 };
    struct str rest = str_of_z(z);
    struct str pair;
    labels_builder_init(&b, &arena);
    while (rest.len > 0 && str_split(&rest, ',', &pair)) {
        size_t at = str_index(pair, '=');
        labels_builder_add(&b, str_sub(pair, 0, at), str_sub(pair, at + 1, pair.len));
    }
    ck_assert_int_eq(labels_builder_finish(&b, NULL, &l, &err), ERR_OK);
    return l;
}

static void assert_prints(struct labels l, bool inside, const char *want)
{
    buf_reset(&text);
    labels_print(&text, l, inside);
    buf_put_u8(&text, 0);
    ck_assert_str_eq((const char *)text.ptr, want);
}

START_TEST(builder_sorts_drops_empty_values_and_finds)
{
    labels_builder_add(&builder, STR("zone"), STR("z"));
    labels_builder_add(&builder, STR("__name__"), STR("up"));
    labels_builder_add(&builder, STR("empty"), STR(""));
    labels_builder_set(&builder, STR("job"), STR("a"));
    labels_builder_set(&builder, STR("job"), STR("b"));
    labels_builder_set(&builder, STR("gone"), STR("x"));
    labels_builder_set(&builder, STR("gone"), STR(""));
    ck_assert(str_eq(labels_builder_get(&builder, STR("job")), STR("b")));
    struct labels l = finish();
    ck_assert_uint_eq(l.len, 3);
    assert_prints(l, false, "up{job=\"b\", zone=\"z\"}");
    ck_assert(str_eq(labels_get(l, STR("zone")), STR("z")));
    ck_assert_uint_eq(labels_get(l, STR("nope")).len, 0);
    ck_assert_uint_eq(labels_get((struct labels){ NULL, 0 }, STR("a")).len, 0);
}
END_TEST

START_TEST(builder_sorts_many_labels)
{
    struct rng r;
    rng_init(&r, (uint64_t)_i);
    size_t n = 1 + rng_below(&r, 120);
    for (size_t i = 0; i < n; i++) {
        struct str name = arena_printf(&arena, "l%zu", (i * 7919 + (size_t)_i) % 10007);
        labels_builder_add(&builder, name, STR("v"));
    }
    struct labels l = finish();
    ck_assert_uint_eq(l.len, n);
    for (size_t i = 1; i < n; i++)
        ck_assert_int_lt(str_cmp(l.ptr[i - 1].name, l.ptr[i].name), 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(labels_get(l, l.ptr[i].name).len, 1);
}
END_TEST

struct bad_case {
    struct str name, value;
    enum err_code code;
};
static const struct bad_case bad_cases[] = {
    { STR_INIT(""), STR_INIT("v"), ERR_INVALID },
    { STR_INIT("\xff"), STR_INIT("v"), ERR_INVALID },
    { STR_INIT("a"), STR_INIT("\xc3"), ERR_INVALID },
    { STR_INIT("job"), STR_INIT("again"), ERR_INVALID },
    { STR_INIT("a_name_that_is_too_long"), STR_INIT("v"), ERR_LIMIT },
    { STR_INIT("a"), STR_INIT("a value that is too long for the limit"), ERR_LIMIT },
};

START_TEST(builder_refuses_bad_labels)
{
    const struct bad_case *c = &bad_cases[_i];
    const struct label_limits limits = { 3, 20, 30 };
    struct labels l = { NULL, 0 };
    struct err err = { 0 };
    labels_builder_add(&builder, STR("job"), STR("a"));
    labels_builder_add(&builder, c->name, c->value);
    ck_assert_int_eq(labels_builder_finish(&builder, &limits, &l, &err), c->code);
    ck_assert_ptr_null(l.ptr);
    ck_assert_ptr_nonnull(err.msg);
}
END_TEST

START_TEST(builder_counts_labels)
{
    const struct label_limits limits = { 2, 0, 0 };
    struct labels l = { NULL, 0 };
    struct err err = { 0 };
    labels_builder_add(&builder, STR("a"), STR("1"));
    labels_builder_add(&builder, STR("b"), STR("1"));
    ck_assert_int_eq(labels_builder_finish(&builder, &limits, &l, &err), ERR_OK);
    labels_builder_add(&builder, STR("c"), STR("1"));
    ck_assert_int_eq(labels_builder_finish(&builder, &limits, &l, &err), ERR_LIMIT);
}
END_TEST

START_TEST(builder_reports_lack_of_memory)
{
    struct arena tiny;
    struct labels_builder b;
    struct labels l = { NULL, 0 };
    struct err err = { 0 };
    arena_init(&tiny, mem_source_of(mem, MEM_INGEST), 16);
    labels_builder_init(&b, &tiny);
    labels_builder_add(&b, STR("a"), STR("1"));
    ck_assert_int_eq(labels_builder_finish(&b, NULL, &l, &err), ERR_NOMEM);
    arena_deinit(&tiny);
}
END_TEST

START_TEST(comparison_is_pair_by_pair)
{
    static const char *ascending[] = { "", "a=1", "a=1,b=1", "a=1,b=2", "a=2", "a=2,b=1", "b=1" };
    for (size_t i = 0; i < 7; i++) {
        for (size_t k = 0; k < 7; k++) {
            int c = labels_cmp(parse(ascending[i]), parse(ascending[k]));
            ck_assert_int_eq((c > 0) - (c < 0), (i > k) - (i < k));
            ck_assert(labels_eq(parse(ascending[i]), parse(ascending[k])) == (i == k));
        }
    }
}
END_TEST

START_TEST(hash_covers_all_bytes_of_any_length)
{
    char *value = arena_array(&arena, char, 20000);
    memset(value, 'x', 20000);
    struct hash128 seen[64];
    size_t count = 0;
    static const size_t sizes[] = { 1, 2, 4084, 4085, 4086, 4087, 4096, 8200, 20000 };
    for (size_t i = 0; i < 9; i++) {
        struct label l = { STR("a"), { value, sizes[i] } };
        for (int flip = 0; flip < 3; flip++) {
            if (flip == 1) value[sizes[i] - 1] = 'y';
            if (flip == 2) value[0] = 'y';
            seen[count++] = labels_hash128((struct labels){ &l, 1 }, 7);
            memset(value, 'x', 20000);
        }
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = i + 1; k < count; k++)
            ck_assert(!hash128_eq(seen[i], seen[k]) || sizes[i / 3] == 1);
    struct labels l = parse("a=1,b=2");
    ck_assert(!hash128_eq(labels_hash128(l, 1), labels_hash128(l, 2)));
    ck_assert(hash128_eq(labels_hash128(l, 1), hash128("a\xff"
                                                       "1\xff"
                                                       "b\xff"
                                                       "2\xff",
                                                       8, 1)));
}
END_TEST

START_TEST(prometheus_hash_is_xxhash_over_length_prefixed_texts)
{
    struct labels l = parse("__name__=up,job=a");
    static const char bytes[] = "\x08__name__\x02up\x03job\x01"
                                "a";
    ck_assert_uint_eq(labels_hash_prometheus(l, &arena), hash_xxh64(bytes, sizeof bytes - 1));
    char *value = arena_array(&arena, char, 70000);
    memset(value, 'x', 70000);
    struct label big = { STR("a"), { value, 70000 } };
    uint8_t *want = arena_array(&arena, uint8_t, 70010);
    memcpy(want,
           "\x01"
           "a\xff\x70\x11\x01",
           6);
    memcpy(want + 6, value, 70000);
    ck_assert_uint_eq(labels_hash_prometheus((struct labels){ &big, 1 }, &arena),
                      hash_xxh64(want, 70006));
}
END_TEST

START_TEST(printing_is_prometheus_notation)
{
    assert_prints(parse(""), false, "{}");
    assert_prints(parse("__name__=up"), false, "up");
    assert_prints(parse("__name__=up"), true, "{__name__=\"up\"}");
    assert_prints(parse("a=1"), false, "{a=\"1\"}");
    assert_prints(parse("__name__=a.b,c.d=e"), false, "{\"a.b\", \"c.d\"=\"e\"}");
    assert_prints(parse("__name__=a.b"), false, "{\"a.b\"}");
    assert_prints(parse("a=\"\\\n\t\x01\x7f"), false, "{a=\"\\\"\\\\\\n\\t\\x01\\x7f\"}");
    assert_prints(parse("a=\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"), false,
                  "{a=\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"}");
    assert_prints(parse("a=\xc2\xa0\xe2\x80\xa8\xf3\xa0\x80\x81"), false,
                  "{a=\"\\u00a0\\u2028\\U000e0001\"}");
}
END_TEST

START_TEST(copies_are_deep)
{
    char name[] = "job";
    char value[] = "a";
    struct label l = { { name, 3 }, { value, 1 } };
    struct labels copy;
    struct err err = { 0 };
    ck_assert_int_eq(labels_copy(&arena, (struct labels){ &l, 1 }, &copy, &err), ERR_OK);
    name[0] = value[0] = 'X';
    assert_prints(copy, false, "{job=\"a\"}");
}
END_TEST

START_TEST(legacy_names)
{
    ck_assert(label_name_is_legacy(STR("a_B9")));
    ck_assert(label_name_is_legacy(STR("_")));
    ck_assert(!label_name_is_legacy(STR("9a")));
    ck_assert(!label_name_is_legacy(STR("a:b")));
    ck_assert(!label_name_is_legacy(STR("")));
    ck_assert(metric_name_is_legacy(STR(":a:b9")));
    ck_assert(!metric_name_is_legacy(STR("a.b")));
    ck_assert(label_name_is_valid(STR("a.b \xc3\xa4")));
    ck_assert(!label_name_is_valid(STR("\xc3")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("labels");
    TCase *tc = tcase_create("labels");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, builder_sorts_drops_empty_values_and_finds);
    tcase_add_loop_test(tc, builder_sorts_many_labels, 0, 30);
    tcase_add_loop_test(tc, builder_refuses_bad_labels, 0, 6);
    tcase_add_test(tc, builder_counts_labels);
    tcase_add_test(tc, builder_reports_lack_of_memory);
    tcase_add_test(tc, comparison_is_pair_by_pair);
    tcase_add_test(tc, hash_covers_all_bytes_of_any_length);
    tcase_add_test(tc, prometheus_hash_is_xxhash_over_length_prefixed_texts);
    tcase_add_test(tc, printing_is_prometheus_notation);
    tcase_add_test(tc, copies_are_deep);
    tcase_add_test(tc, legacy_names);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
