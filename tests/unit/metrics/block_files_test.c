/* SPDX-License-Identifier: Apache-2.0
 *
 * The small things a block is named and described by: ULID, meta.json, tombstones.
 */
#include <check.h>
#include <stdlib.h>

#include "metrics/block/block_meta.h"
#include "metrics/block/tombstones.h"
#include "os/mem.h"

static struct mem_budget *mem;
static struct arena arena;
static struct buf out;

static void setup(void)
{
    mem = mem_budget_create(64u << 20);
    arena_init(&arena, mem_source_of(mem, MEM_SYSTEM), 16u << 20);
    buf_init(&out, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
}

static void teardown(void)
{
    buf_deinit(&out);
    arena_deinit(&arena);
    ck_assert_uint_eq(mem_used(mem, MEM_SYSTEM), 0);
    ck_assert_uint_eq(mem_used(mem, MEM_CACHE), 0);
    mem_budget_destroy(mem);
}

/* ---- ULID ---- */

START_TEST(ulid_text_round_trips_and_sorts_by_time)
{
    struct clock_fake clock;
    char text[ULID_TEXT_LEN + 1], last[ULID_TEXT_LEN + 1] = "";
    clock_fake_init(&clock, 1469918176385, 7);
    for (int i = 0; i < 100; i++) {
        struct ulid id = ulid_make(&clock.clock), parsed;
        ulid_text(id, text);
        ck_assert(ulid_parse(str_of_z(text), &parsed));
        ck_assert(ulid_eq(id, parsed));
        ck_assert_int_gt(strcmp(text, last), 0);
        memcpy(last, text, sizeof last);
        clock_fake_advance_ms(&clock, 1 + i * 1000);
    }
    /* The time of the specification's example. */
    clock_fake_init(&clock, 1469918176385, 7);
    ulid_text(ulid_make(&clock.clock), text);
    ck_assert_mem_eq(text, "01ARYZ6S41", 10);
}
END_TEST

START_TEST(ulid_refuses_what_is_none)
{
    struct ulid id;
    static const char *const bad[] = {
        "",
        "01ARZ3NDEKTSV4RRFFQ69G5FA",
        "01ARZ3NDEKTSV4RRFFQ69G5FAVX",
        "81ARZ3NDEKTSV4RRFFQ69G5FAV",
        "01ARZ3NDEKTSV4RRFFQ69G5FAI",
        "01arz3ndektsv4rrffq69g5fav",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert(!ulid_parse(str_of_z(bad[i]), &id));
    ck_assert(ulid_parse(STR("7ZZZZZZZZZZZZZZZZZZZZZZZZZ"), &id));
    for (size_t i = 0; i < 16; i++)
        ck_assert_uint_eq(id.octets[i], 255);
}
END_TEST

/* ---- meta.json ---- */

static struct block_meta sample_meta(void)
{
    static const struct ulid ids[] = { { { 1 } }, { { 2 } }, { { 3 } } };
    return (struct block_meta){ .id = { { 9, 8, 7 } },
                                .mint_ms = -7200000,
                                .maxt_ms = 7200000,
                                .sample_count = UINT64_MAX,
                                .series_count = 3,
                                .page_count = 4,
                                .tombstone_count = 5,
                                .size_bytes = 6,
                                .chunk_bytes = 7,
                                .index_bytes = 8,
                                .level = 2,
                                .has_zstd_pages = true,
                                .resolution_ms = 300000,
                                .sources = ids,
                                .source_count = 2,
                                .parents = ids + 1,
                                .parent_count = 2 };
}

START_TEST(meta_round_trips)
{
    struct block_meta m = sample_meta(), n;
    block_meta_print(&m, &out);
    ck_assert_int_eq(block_meta_parse(buf_bytes(&out), &arena, &n, NULL), ERR_OK);
    ck_assert(ulid_eq(n.id, m.id));
    ck_assert_int_eq(n.mint_ms, m.mint_ms);
    ck_assert_int_eq(n.maxt_ms, m.maxt_ms);
    ck_assert_uint_eq(n.sample_count, m.sample_count);
    ck_assert_uint_eq(n.series_count, 3);
    ck_assert_uint_eq(n.page_count, 4);
    ck_assert_uint_eq(n.tombstone_count, 5);
    ck_assert_uint_eq(n.size_bytes, 6);
    ck_assert_uint_eq(n.chunk_bytes, 7);
    ck_assert_uint_eq(n.index_bytes, 8);
    ck_assert_uint_eq(n.level, 2);
    ck_assert(n.has_zstd_pages);
    ck_assert_int_eq(n.resolution_ms, 300000);
    ck_assert_uint_eq(n.source_count, 2);
    ck_assert(ulid_eq(n.sources[1], m.sources[1]));
    ck_assert_uint_eq(n.parent_count, 2);
    ck_assert(ulid_eq(n.parents[1], m.parents[1]));
}
END_TEST

START_TEST(meta_has_the_names_that_tools_know)
{
    static const char *const keys[] = {
        "\"ulid\":\"",         "\"minTime\":-7200000",
        "\"maxTime\":7200000", "\"version\":1",
        "\"stats\":{",         "\"numSamples\":",
        "\"numSeries\":3",     "\"compaction\":{\"level\":2,\"sources\":[",
        "\"parents\":["
    };
    struct block_meta m = sample_meta();
    block_meta_print(&m, &out);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        ck_assert_msg(str_find(buf_str(&out), str_of_z(keys[i])) < out.len, "%s", keys[i]);
}
END_TEST

START_TEST(meta_with_any_byte_changed_is_refused)
{
    struct block_meta m = sample_meta(), n;
    block_meta_print(&m, &out);
    for (size_t i = 0; i < out.len; i++) {
        out.ptr[i] ^= 1;
        ck_assert_int_eq(block_meta_parse(buf_bytes(&out), &arena, &n, NULL), ERR_CORRUPT);
        out.ptr[i] ^= 1;
    }
}
END_TEST

START_TEST(meta_of_a_later_version_is_not_called_damaged)
{
    struct block_meta n;
    /* {"version":2 and the crc of that text */
    struct str text = STR("{\"version\":2,\"crc32c\":3400223681}\n");
    struct err err = { 0 };
    enum err_code code = block_meta_parse(bytes_of_str(text), &arena, &n, &err);
    ck_assert_int_eq(code, ERR_UNSUPPORTED);
}
END_TEST

/* ---- tombstones ---- */

static struct tombstones *add(struct tombstones *t, uint64_t from, uint64_t to, int64_t mint_ms,
                              int64_t maxt_ms)
{
    struct postings *p = NULL;
    struct tombstones *sum = NULL;
    ck_assert_int_eq(postings_of_range(mem, MEM_CACHE, from, to, &p, NULL), ERR_OK);
    ck_assert_int_eq(tombstones_add(t, mem, p, mint_ms, maxt_ms, &sum, NULL), ERR_OK);
    postings_destroy(p);
    tombstones_unref(t);
    return sum;
}

static void assert_entry(const struct tombstones *t, size_t i, uint32_t ordinal, int64_t mint_ms,
                         int64_t maxt_ms)
{
    ck_assert_uint_eq(t->entries[i].ordinal, ordinal);
    ck_assert_int_eq(t->entries[i].mint_ms, mint_ms);
    ck_assert_int_eq(t->entries[i].maxt_ms, maxt_ms);
}

START_TEST(intervals_are_sorted_and_joined)
{
    struct tombstones *t = add(NULL, 5, 7, 100, 200);
    t = add(t, 4, 6, 300, 400);
    t = add(t, 5, 6, 201, 250); /* touches the first */
    ck_assert_uint_eq(t->count, 4);
    assert_entry(t, 0, 4, 300, 400);
    assert_entry(t, 1, 5, 100, 250);
    assert_entry(t, 2, 5, 300, 400);
    assert_entry(t, 3, 6, 100, 200);
    t = add(t, 5, 6, 150, 350); /* bridges */
    ck_assert_uint_eq(t->count, 3);
    assert_entry(t, 1, 5, 100, 400);
    t = add(t, 5, 6, 0, INT64_MAX);
    t = add(t, 5, 6, INT64_MIN, 7);
    ck_assert_uint_eq(t->count, 3);
    assert_entry(t, 1, 5, INT64_MIN, INT64_MAX);
    tombstones_unref(t);
}
END_TEST

START_TEST(masked_samples_go_and_the_others_stay)
{
    struct tombstones *t = add(NULL, 5, 6, 20, 30);
    t = add(t, 5, 6, 50, 50);
    int64_t ts_ms[] = { 25, 10, 20, 25, 30, 31, 50, 51 };
    double value[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    struct sample_columns c = { ts_ms, value, NULL, 8, 8 };
    tombstones_mask(t, 5, 1, &c); /* the first sample is another series' */
    ck_assert_uint_eq(c.count, 4);
    static const int64_t left[] = { 25, 10, 31, 51 };
    static const double left_values[] = { 0, 1, 5, 7 };
    ck_assert_mem_eq(ts_ms, left, sizeof left);
    ck_assert_mem_eq(value, left_values, sizeof left_values);
    tombstones_mask(t, 4, 0, &c);
    tombstones_mask(t, 6, 0, &c);
    tombstones_mask(NULL, 5, 0, &c);
    ck_assert_uint_eq(c.count, 4);
    tombstones_unref(t);
}
END_TEST

START_TEST(tombstones_round_trip_and_refuse_damage)
{
    struct tombstones *t = add(NULL, 5, 9, 20, 30), *read = NULL;
    tombstones_print(t, &out);
    ck_assert_uint_eq(out.len, 16 + 4 * 24 + 4);
    ck_assert_int_eq(tombstones_parse(buf_bytes(&out), 9, mem, &read, NULL), ERR_OK);
    ck_assert_uint_eq(read->count, 4);
    ck_assert_mem_eq(read->entries, t->entries, 4 * sizeof t->entries[0]);
    tombstones_unref(read);
    /* series that the block does not have */
    ck_assert_int_eq(tombstones_parse(buf_bytes(&out), 8, mem, &read, NULL), ERR_CORRUPT);
    for (size_t i = 0; i < out.len * 8; i++) {
        out.ptr[i / 8] ^= (uint8_t)(1u << (i % 8));
        ck_assert_int_eq(tombstones_parse(buf_bytes(&out), 9, mem, &read, NULL), ERR_CORRUPT);
        out.ptr[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    for (size_t len = 0; len < out.len; len++) {
        struct bytes cut = { out.ptr, len };
        ck_assert_int_eq(tombstones_parse(cut, 9, mem, &read, NULL), ERR_CORRUPT);
    }
    tombstones_unref(t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block_files");
    TCase *tc = tcase_create("block_files");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, ulid_text_round_trips_and_sorts_by_time);
    tcase_add_test(tc, ulid_refuses_what_is_none);
    tcase_add_test(tc, meta_round_trips);
    tcase_add_test(tc, meta_has_the_names_that_tools_know);
    tcase_add_test(tc, meta_with_any_byte_changed_is_refused);
    tcase_add_test(tc, meta_of_a_later_version_is_not_called_damaged);
    tcase_add_test(tc, intervals_are_sorted_and_joined);
    tcase_add_test(tc, masked_samples_go_and_the_others_stay);
    tcase_add_test(tc, tombstones_round_trip_and_refuse_damage);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
