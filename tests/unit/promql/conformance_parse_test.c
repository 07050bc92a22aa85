/* SPDX-License-Identifier: Apache-2.0
 *
 * Every expression of the promqltest vectors parses (unless it is expected to fail), and its
 * canonical text is a fixed point with an equal tree. The vectors are not part of the repository:
 * $PHAROS_CONFORMANCE or ../shared/conformance beside the source; skipped without them.
 */
#include <dirent.h>
#include <stdlib.h>

#include "parse_fixture.h"

static size_t expressions, failures;

/* The expression of an eval line; empty if the line is none. */
static struct str expression_of(struct str line)
{
    static const struct str instant = STR_INIT("eval instant at "), range = STR_INIT("eval range ");
    struct str rest = line;
    if (str_starts_with(line, instant)) {
        rest = str_sub(line, instant.len, line.len);
    } else if (str_starts_with(line, range)) {
        size_t step = str_find(line, STR(" step "));
        rest = str_sub(line, step + 6, line.len);
    } else {
        return (struct str){ NULL, 0 };
    }
    return str_trim(str_sub(rest, str_index(rest, ' '), rest.len));
}

/* Does the block that continues with `rest` expect a failure? */
static bool expects_failure(struct str rest)
{
    struct str line;
    while (str_split(&rest, '\n', &line)) {
        line = str_trim(line);
        if (line.len == 0 || line.ptr[0] == '#') return false;
        if (str_starts_with(line, STR("expect fail"))) return true;
    }
    return false;
}

static void check_expression(struct str text, bool may_fail, const char *file)
{
    struct promql_expr *e = NULL, *again = NULL;
    expressions++;
    if (try_parse(text, &e) != ERR_OK) {
        if (may_fail) return;
        (void)fprintf(stderr, "%s: " STR_FMT ": %s\n", file, STR_ARG(text), error.detail);
        failures++;
        return;
    }
    const char *canonical = print(e, false);
    bool is_fixed = try_parse(str_of_z(canonical), &again) == ERR_OK &&
                    promql_expr_equal(e, again) && strcmp(print(again, false), canonical) == 0 &&
                    try_parse(str_of_z(print(e, true)), &again) == ERR_OK &&
                    promql_expr_equal(e, again);
    if (is_fixed) return;
    (void)fprintf(stderr, "%s: " STR_FMT ": no fixed point: %s\n", file, STR_ARG(text), canonical);
    failures++;
}

static struct str read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    char *text = arena_alloc(&arena, 1u << 20, 1, 1);
    ck_assert_ptr_nonnull(text);
    size_t len = fread(text, 1, 1u << 20, f);
    (void)fclose(f);
    return (struct str){ text, len };
}

static void check_file(const char *folder, const char *name)
{
    set_up();
    struct str rest = read_file(arena_printf(&arena, "%s/%s", folder, name).ptr), line;
    while (str_split(&rest, '\n', &line)) {
        struct str text = expression_of(str_trim(line));
        if (text.len > 0) check_expression(text, expects_failure(rest), name);
    }
    tear_down();
}

static const char *vectors_folder(char *out, size_t size)
{
    const char *root = getenv("PHAROS_CONFORMANCE");
    const char *source = getenv("PHAROS_SOURCE_ROOT");
    if (root) {
        (void)snprintf(out, size, "%s/promqltest", root);
    } else {
        (void)snprintf(out, size, "%s/../shared/conformance/promqltest", source ? source : ".");
    }
    return out;
}

START_TEST(every_expression_parses_and_prints_to_a_fixed_point)
{
    char folder[4096];
    DIR *dir = opendir(vectors_folder(folder, sizeof folder));
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *d = readdir(dir); d; d = readdir(dir))
        if (str_ends_with(str_of_z(d->d_name), STR(".test"))) check_file(folder, d->d_name);
    (void)closedir(dir);
    ck_assert_uint_eq(failures, 0);
    ck_assert_uint_ge(expressions, 2000);
}
END_TEST

int main(void)
{
    char folder[4096];
    DIR *dir = opendir(vectors_folder(folder, sizeof folder));
    if (!dir) {
        (void)printf("skipped: no vectors in %s (set PHAROS_CONFORMANCE)\n", folder);
        return 77;
    }
    (void)closedir(dir);
    Suite *suite = suite_create("conformance_parse");
    TCase *tc = tcase_create("vectors");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, every_expression_parses_and_prints_to_a_fixed_point);
    suite_add_tcase(suite, tc);
    RUN_SUITE(suite);
}
