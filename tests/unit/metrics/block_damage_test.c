/* SPDX-License-Identifier: Apache-2.0
 *
 * Damage of every file of a block: it is reported with block and file, never served as data, never a
 * crash, and the rest of the block goes on answering.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/rng.h"
#include "block_fixture.h"

static struct block_fixture f;
static struct block_meta meta;
static char name[ULID_TEXT_LEN + 1];

/* A block small enough that each of its bits can be flipped. */
static void setup_with(uint32_t series, uint32_t samples)
{
    block_fixture_setup(&f);
    block_fixture_fleet(&f, 4, series / 4, samples);
    struct block_writer_options o = block_fixture_options(&f);
    meta = block_fixture_write(&f, &o);
    ulid_text(meta.id, name);
    struct block *b = block_fixture_open(&f, meta.id);
    struct postings *one = NULL;
    struct err err = { 0 };
    assert_ok(postings_of_range(f.mem, MEM_QUERY, 3, 4, &one, &err), &err);
    assert_ok(block_delete_series(b, one, EVERYTHING, &err), &err);
    postings_destroy(one);
    block_unref(b);
}

static void setup_small(void)
{
    setup_with(24, 12);
}

static void setup_middle(void)
{
    setup_with(400, 120);
}

static void teardown(void)
{
    block_fixture_teardown(&f);
}

static const char *const FILES[] = { "meta.json", "index", "chunks/000001", "tombstones" };
#define FILE_COUNT 4

/* ---- files as bytes ---- */

static void path_of(const char *file, char out[FILE_PATH_SIZE])
{
    (void)snprintf(out, FILE_PATH_SIZE, "%s/%s/%s", BLOCK_ROOT, name, file);
}

static struct bytes content_of(const char *file)
{
    char path[FILE_PATH_SIZE];
    struct bytes read, copy = { 0 };
    struct err err = { 0 };
    const struct mem_source *source = mem_source_of(f.mem, MEM_SYSTEM);
    path_of(file, path);
    assert_ok(file_read_all(file_fault_layer(f.disk), path, source, 1 << 24, &read, &err), &err);
    struct str s = arena_str(&f.arena, str_of_bytes(read));
    copy = bytes_of_str(s);
    source->free(source->ctx, (void *)(uintptr_t)read.ptr, read.len);
    return copy;
}

static void replace(const char *file, struct bytes content)
{
    char path[FILE_PATH_SIZE];
    const struct file_layer *l = file_fault_layer(f.disk);
    struct file *opened = NULL;
    struct file_iovec iov = { content.ptr, content.len };
    struct err err = { 0 };
    path_of(file, path);
    assert_ok(l->open(l->ctx, path, FILE_TRUNCATE, &opened, &err), &err);
    if (content.len > 0) assert_ok(l->pwritev(l->ctx, opened, &iov, 1, 0, &err), &err);
    assert_ok(l->close(l->ctx, opened, &err), &err);
}

static void flip(const char *file, uint64_t bit)
{
    char path[FILE_PATH_SIZE];
    path_of(file, path);
    ck_assert(file_fault_flip(f.disk, path, bit));
}

/* ---- what is seen of a damaged block ---- */

/* An error that says where. */
static void assert_reported(enum err_code code, const struct err *err, const char *what)
{
    bool is_right = code == ERR_CORRUPT || code == ERR_UNSUPPORTED;
    if (!is_right) ck_abort_msg("%s: %s %s", what, err_name(code), err->detail);
    if (code == ERR_CORRUPT && !strstr(err->detail, name))
        ck_abort_msg("%s: message without the block: %s: %s", what, err->msg, err->detail);
}

/* Read all: each series is right, or an error. Returns the number of errors. */
static size_t read_all(struct block *b, const char *what)
{
    int64_t ts_ms[1024];
    double value[1024];
    struct block_reader *r = NULL;
    struct block_labels *c = NULL;
    struct sample_buf got;
    struct arena texts;
    struct err err = { 0 };
    size_t errors = 0;
    arena_init(&texts, mem_source_of(f.mem, MEM_SYSTEM), 1 << 24);
    sample_buf_init(&got, mem_source_of(f.mem, MEM_QUERY));
    assert_ok(block_reader_create(b, f.mem, &r, &err), &err);
    enum err_code code = block_labels_create(b, &texts, &c, &err);
    if (code != ERR_OK) assert_reported(code, &err, what);
    for (uint32_t i = 0; i < block_series_count(b); i++) {
        struct labels labels;
        if (c && (code = block_labels_read(c, i, &labels, &err)) != ERR_OK) {
            assert_reported(code, &err, what);
            errors++;
        } else if (c && !labels_eq(labels, f.fleet.series[i].labels)) {
            ck_abort_msg("%s: wrong labels of series %u", what, i);
        }
        sample_buf_reset(&got);
        code = block_reader_read(r, i, EVERYTHING, &got, &err);
        if (code != ERR_OK) {
            assert_reported(code, &err, what);
            errors++;
            continue;
        }
        size_t count = i == 3 ? 0 : fleet_samples(&f.fleet, i, ts_ms, value);
        bool same = got.cols.count == count &&
                    (count == 0 || (memcmp(got.cols.ts_ms, ts_ms, count * 8) == 0 &&
                                    memcmp(got.cols.value, value, count * 8) == 0));
        if (!same) ck_abort_msg("%s: wrong samples of series %u", what, i);
    }
    sample_buf_deinit(&got);
    block_reader_destroy(r);
    arena_deinit(&texts);
    return errors + !c;
}

/* All matchers and listings must answer rightly or report. */
static void ask(struct block *b, const char *what)
{
    struct block_match_options options = { MEM_QUERY, NULL };
    struct matcher m = { MATCH_EQ, LABEL_METRIC_NAME,
                         labels_get(f.fleet.series[0].labels, LABEL_METRIC_NAME), NULL };
    struct postings *p = NULL;
    struct str_list list;
    struct arena texts;
    struct err err = { 0 };
    arena_init(&texts, mem_source_of(f.mem, MEM_SYSTEM), 1 << 24);
    enum err_code code = block_match(b, (struct matchers){ &m, 1 }, &options, &p, &err);
    if (code == ERR_OK) {
        for (uint32_t i = 0; i < f.fleet.count; i++)
            if (postings_contains(p, i) !=
                matcher_matches(&m, labels_get(f.fleet.series[i].labels, m.name)))
                ck_abort_msg("%s: wrong match", what);
        code = block_label_names(b, p, &texts, &list, &err);
    }
    if (code == ERR_OK) {
        struct block_values_query q = { STR("instance"), p, 0, NULL };
        code = block_label_values(b, &q, &texts, &list, &err);
    }
    if (code != ERR_OK) assert_reported(code, &err, what);
    postings_destroy(p);
    arena_deinit(&texts);
}

/* Is the damage seen? */
static bool is_detected(const char *what)
{
    struct block *b = NULL;
    struct err err = { 0 };
    enum err_code code = block_open(f.blobs, f.mem, meta.id, &b, &err);
    if (code != ERR_OK) {
        assert_reported(code, &err, what);
        return true;
    }
    size_t errors = read_all(b, what);
    ask(b, what);
    code = block_verify(b, NULL, &err);
    if (code != ERR_OK) assert_reported(code, &err, what);
    if (errors > 0 && code == ERR_OK) ck_abort_msg("%s: verify overlooks it", what);
    block_unref(b);
    return code != ERR_OK;
}

/* Bytes that no checksum covers: between pages, between sections. They carry nothing. */
static bool is_padding(const char *file, size_t byte)
{
    return strcmp(file, "chunks/000001") == 0 ? byte >= 16 && byte < 64
                                              : strcmp(file, "index") == 0;
}

/* ---- cases ---- */

START_TEST(undamaged_block_is_fine)
{
    ck_assert(!is_detected("undamaged"));
}
END_TEST

/* _i is the file. */
START_TEST(every_flipped_bit_of_a_small_block_is_seen)
{
    const char *file = FILES[_i];
    size_t size = content_of(file).len, unseen = 0;
    if (size > 4096) size = 4096;
    for (uint64_t bit = 0; bit < size * 8; bit++) {
        char what[80];
        (void)snprintf(what, sizeof what, "%s bit %llu", file, (unsigned long long)bit);
        flip(file, bit);
        bool is_seen = is_detected(what);
        flip(file, bit);
        if (is_seen) continue;
        ck_assert_msg(is_padding(file, (size_t)(bit / 8)), "%s is not seen", what);
        unseen++;
    }
    ck_assert_uint_le(unseen, 48 * 8);
    ck_assert(!is_detected("flipped back"));
}
END_TEST

START_TEST(random_flips_of_a_larger_block_are_never_served)
{
    struct rng r;
    rng_init(&r, 50 + (uint64_t)_i);
    const char *file = FILES[_i];
    size_t size = content_of(file).len;
    for (int k = 0; k < 400; k++) {
        uint64_t bit = rng_below(&r, size * 8);
        char what[80];
        (void)snprintf(what, sizeof what, "%s bit %llu", file, (unsigned long long)bit);
        flip(file, bit);
        (void)is_detected(what);
        flip(file, bit);
    }
}
END_TEST

START_TEST(every_truncation_of_a_small_block_is_seen)
{
    const char *file = FILES[_i];
    struct bytes whole = content_of(file);
    for (size_t size = 0; size < whole.len; size += 1 + size / 512) {
        char what[80];
        (void)snprintf(what, sizeof what, "%s cut to %zu", file, size);
        replace(file, (struct bytes){ whole.ptr, size });
        ck_assert_msg(is_detected(what), "%s is not seen", what);
    }
    replace(file, whole);
    ck_assert(!is_detected("restored"));
}
END_TEST

START_TEST(zeroed_and_swapped_sectors_are_never_served)
{
    const char *file = FILES[_i];
    struct bytes whole = content_of(file);
    uint8_t *copy = arena_alloc(&f.arena, whole.len + 1, 1, 1);
    size_t sectors = whole.len / 512;
    for (size_t k = 0; k < sectors && k < 40; k++) {
        char what[80];
        (void)snprintf(what, sizeof what, "%s sector %zu", file, k);
        memcpy(copy, whole.ptr, whole.len);
        memset(copy + k * 512, 0, 512);
        replace(file, (struct bytes){ copy, whole.len });
        (void)is_detected(what);
        memcpy(copy, whole.ptr, whole.len);
        size_t other = (k + 1) % sectors;
        memcpy(copy + k * 512, whole.ptr + other * 512, 512);
        memcpy(copy + other * 512, whole.ptr + k * 512, 512);
        replace(file, (struct bytes){ copy, whole.len });
        (void)is_detected(what);
    }
}
END_TEST

START_TEST(a_file_of_another_kind_is_seen)
{
    for (int to = 0; to < FILE_COUNT; to++) {
        struct bytes own = content_of(FILES[to]);
        for (int from = 0; from < FILE_COUNT; from++) {
            char what[80];
            if (from == to) continue;
            (void)snprintf(what, sizeof what, "%s is %s", FILES[to], FILES[from]);
            replace(FILES[to], content_of(FILES[from]));
            ck_assert_msg(is_detected(what), "%s is not seen", what);
        }
        replace(FILES[to], own);
    }
    ck_assert(!is_detected("restored"));
}
END_TEST

START_TEST(a_missing_file_is_seen)
{
    for (int i = 0; i < FILE_COUNT; i++) {
        char path[FILE_PATH_SIZE];
        const struct file_layer *l = file_fault_layer(f.disk);
        struct bytes own = content_of(FILES[i]);
        struct block *b = NULL;
        struct err err = { 0 };
        path_of(FILES[i], path);
        ck_assert_int_eq(l->unlink(l->ctx, path, NULL), ERR_OK);
        /* Without meta.json it is no block at all. */
        ck_assert_int_eq(block_open(f.blobs, f.mem, meta.id, &b, &err),
                         i == 0 ? ERR_NOTFOUND : ERR_CORRUPT);
        replace(FILES[i], own);
    }
    ck_assert(!is_detected("restored"));
}
END_TEST

/* Files of the same kind, but of another block. */
START_TEST(a_file_of_another_block_is_seen)
{
    struct bytes theirs[FILE_COUNT], own[FILE_COUNT];
    struct block_meta mine = meta;
    for (int i = 0; i < FILE_COUNT; i++)
        own[i] = content_of(FILES[i]);
    block_fixture_fleet(&f, 4, 7, 12);
    struct block_writer_options o = block_fixture_options(&f);
    meta = block_fixture_write(&f, &o);
    ulid_text(meta.id, name);
    for (int i = 0; i < FILE_COUNT; i++)
        theirs[i] = content_of(FILES[i]);
    meta = mine;
    ulid_text(meta.id, name);
    block_fixture_fleet(&f, 4, 6, 12);
    for (int i = 0; i < 3; i++) { /* tombstones name no block: any that fit are right */
        replace(FILES[i], theirs[i]);
        ck_assert_msg(is_detected(FILES[i]), "another block's %s is not seen", FILES[i]);
        replace(FILES[i], own[i]);
    }
    ck_assert(!is_detected("restored"));
}
END_TEST

/* One bad page: the other series go on answering. */
START_TEST(damage_of_one_page_leaves_the_others_readable)
{
    size_t size = content_of("chunks/000001").len;
    flip("chunks/000001", (uint64_t)(size - 20) * 8); /* in the last page */
    struct block *b = block_fixture_open(&f, meta.id);
    size_t errors = read_all(b, "last page");
    ck_assert_uint_gt(errors, 0);
    ck_assert_uint_le(errors, 64);
    ck_assert_uint_gt(block_series_count(b), 300);
    block_unref(b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block_damage");
    TCase *tc = tcase_create("small");
    tcase_set_timeout(tc, 250);
    tcase_add_checked_fixture(tc, setup_small, teardown);
    tcase_add_test(tc, undamaged_block_is_fine);
    tcase_add_loop_test(tc, every_flipped_bit_of_a_small_block_is_seen, 0, FILE_COUNT);
    tcase_add_loop_test(tc, every_truncation_of_a_small_block_is_seen, 0, FILE_COUNT);
    tcase_add_test(tc, a_file_of_another_kind_is_seen);
    tcase_add_test(tc, a_missing_file_is_seen);
    tcase_add_test(tc, a_file_of_another_block_is_seen);
    suite_add_tcase(suite, tc);
    tc = tcase_create("middle");
    tcase_set_timeout(tc, 250);
    tcase_add_checked_fixture(tc, setup_middle, teardown);
    tcase_add_loop_test(tc, random_flips_of_a_larger_block_are_never_served, 0, FILE_COUNT);
    tcase_add_loop_test(tc, zeroed_and_swapped_sectors_are_never_served, 0, FILE_COUNT);
    tcase_add_test(tc, damage_of_one_page_leaves_the_others_readable);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
