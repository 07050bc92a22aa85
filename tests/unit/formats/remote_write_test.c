/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/remote_write.h"

#include <check.h>

#include "base/buf.h"
#include "os/mem.h"

static struct mem_budget *budget;
static struct arena arena;
static struct buf message;
static const struct label_limits LIMITS = LABEL_LIMITS_DEFAULT;
static const struct remote_write_options OPTIONS = { .alias_seed = 7, .label_limits = &LIMITS };

static void set_up(void)
{
    budget = mem_budget_create(64u << 20);
    arena_init(&arena, mem_source_of(budget, MEM_INGEST), 16u << 20);
    buf_init(&message, mem_source_of(budget, MEM_INGEST), 16u << 20);
}

static void tear_down(void)
{
    buf_deinit(&message);
    arena_deinit(&arena);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

/* A length-delimited field. */
static void put_field(struct buf *out, unsigned field, struct bytes content)
{
    buf_put_uvarint(out, field << 3 | 2);
    buf_put_uvarint(out, content.len);
    buf_put(out, content.ptr, content.len);
}

static void put_label(struct buf *series, const char *name, const char *value)
{
    struct buf l;
    buf_init(&l, mem_source_of(budget, MEM_INGEST), 1u << 16);
    put_field(&l, 1, bytes_of_str(str_of_z(name)));
    put_field(&l, 2, bytes_of_str(str_of_z(value)));
    put_field(series, 1, buf_bytes(&l));
    buf_deinit(&l);
}

static void put_sample(struct buf *series, int64_t ts, double v)
{
    struct buf s;
    buf_init(&s, mem_source_of(budget, MEM_INGEST), 1u << 10);
    buf_put_u8(&s, 1 << 3 | 1);
    buf_put_f64le(&s, v);
    buf_put_u8(&s, 2 << 3 | 0);
    buf_put_uvarint(&s, (uint64_t)ts);
    put_field(series, 2, buf_bytes(&s));
    buf_deinit(&s);
}

static void put_series(const char *name, const char *job, int64_t ts, double v)
{
    struct buf series;
    buf_init(&series, mem_source_of(budget, MEM_INGEST), 1u << 16);
    put_label(&series, "__name__", name);
    put_label(&series, "job", job);
    put_sample(&series, ts, v);
    put_sample(&series, ts + 1000, v + 1);
    put_field(&message, 1, buf_bytes(&series));
    buf_deinit(&series);
}

static enum err_code decode(struct batch *out, struct err *err)
{
    struct remote_write_counts counts;
    return remote_write_decode(buf_bytes(&message), &OPTIONS, &arena, out, &counts, err);
}

START_TEST(two_series_decode_with_samples_in_order)
{
    struct batch b;
    put_series("up", "a", 1000, 1);
    put_series("down", "b", 5000, -2);
    ck_assert_int_eq(decode(&b, NULL), ERR_OK);
    ck_assert_uint_eq(b.series_count, 2);
    ck_assert_uint_eq(b.sample_count, 4);
    ck_assert_uint_eq(b.series[1].sample_first, 2);
    ck_assert_uint_eq(b.series[1].sample_count, 2);
    ck_assert_int_eq(b.samples[3].ts_ms, 6000);
    ck_assert_double_eq(b.samples[3].value, -1);
}
END_TEST

START_TEST(labels_are_decoded_on_demand_and_sorted)
{
    struct batch b;
    struct labels labels;
    struct labels_builder builder;
    put_series("up", "a", 1000, 1);
    ck_assert_int_eq(decode(&b, NULL), ERR_OK);
    labels_builder_init(&builder, &arena);
    ck_assert_int_eq(b.decode(&b, &b.series[0], &builder, &labels, NULL), ERR_OK);
    ck_assert_uint_eq(labels.len, 2);
    ck_assert(str_eq(labels_get(labels, STR("job")), STR("a")));
    ck_assert(str_eq(labels_get(labels, LABEL_METRIC_NAME), STR("up")));
}
END_TEST

START_TEST(equal_label_bytes_have_equal_hashes_and_others_do_not)
{
    struct batch b;
    put_series("up", "a", 1000, 1);
    put_series("up", "a", 2000, 1);
    put_series("up", "b", 2000, 1);
    ck_assert_int_eq(decode(&b, NULL), ERR_OK);
    ck_assert(hash128_eq(b.series[0].key_hash, b.series[1].key_hash));
    ck_assert(!hash128_eq(b.series[0].key_hash, b.series[2].key_hash));
}
END_TEST

START_TEST(labels_after_samples_are_gathered_into_one_key)
{
    struct batch b;
    struct buf series;
    struct labels labels;
    struct labels_builder builder;
    buf_init(&series, mem_source_of(budget, MEM_INGEST), 1u << 16);
    put_label(&series, "__name__", "up");
    put_sample(&series, 1, 2);
    put_label(&series, "job", "a");
    put_field(&message, 1, buf_bytes(&series));
    buf_deinit(&series);
    put_series("up", "a", 1, 2);
    ck_assert_int_eq(decode(&b, NULL), ERR_OK);
    ck_assert(hash128_eq(b.series[0].key_hash, b.series[1].key_hash));
    labels_builder_init(&builder, &arena);
    ck_assert_int_eq(b.decode(&b, &b.series[0], &builder, &labels, NULL), ERR_OK);
    ck_assert_uint_eq(labels.len, 2);
}
END_TEST

static const struct {
    const char *first, *second;
} BAD_LABELS[] = { { "job", "job" }, { "a", "b" }, { "__name__", "" }, { "__name__", "\xff" } };

START_TEST(bad_labels_are_refused_per_series)
{
    struct batch b;
    struct buf series;
    struct labels labels;
    struct labels_builder builder;
    buf_init(&series, mem_source_of(budget, MEM_INGEST), 1u << 16);
    if (BAD_LABELS[_i].second[0] != '\xff') put_label(&series, "__name__", _i == 0 ? "up" : "");
    put_label(&series, BAD_LABELS[_i].first, "x");
    put_label(&series, BAD_LABELS[_i].second, "x");
    put_sample(&series, 1, 2);
    put_field(&message, 1, buf_bytes(&series));
    buf_deinit(&series);
    ck_assert_int_eq(decode(&b, NULL), ERR_OK);
    labels_builder_init(&builder, &arena);
    ck_assert_int_eq(b.decode(&b, &b.series[0], &builder, &labels, NULL), ERR_INVALID);
}
END_TEST

START_TEST(every_truncation_is_an_error_or_a_shorter_batch)
{
    struct batch b;
    struct remote_write_counts counts;
    put_series("up", "a", 1000, 1);
    size_t whole = message.len;
    put_series("down", "b", 2000, 2);
    for (size_t n = 0; n < message.len; n++) {
        arena_reset(&arena);
        struct bytes part = { message.ptr, n };
        enum err_code rc = remote_write_decode(part, &OPTIONS, &arena, &b, &counts, NULL);
        if (n == 0 || n == whole) {
            ck_assert_int_eq(rc, ERR_OK);
            ck_assert_uint_eq(b.series_count, n == 0 ? 0 : 1);
        } else {
            ck_assert_int_eq(rc, ERR_INVALID);
        }
    }
}
END_TEST

START_TEST(a_declared_length_of_2_to_63_is_refused)
{
    static const uint8_t in[] = {
        0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01
    };
    struct batch b;
    struct remote_write_counts counts;
    ck_assert_int_eq(
        remote_write_decode((struct bytes){ in, sizeof in }, &OPTIONS, &arena, &b, &counts, NULL),
        ERR_INVALID);
}
END_TEST

START_TEST(an_arena_that_is_too_small_is_an_error_not_a_crash)
{
    struct batch b;
    struct arena small;
    struct remote_write_counts counts;
    for (int i = 0; i < 500; i++)
        put_series("up", "a", i, i);
    arena_init(&small, mem_source_of(budget, MEM_INGEST), 8192);
    ck_assert_int_eq(remote_write_decode(buf_bytes(&message), &OPTIONS, &small, &b, &counts, NULL),
                     ERR_NOMEM);
    arena_deinit(&small);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("remote_write");
    TCase *tc = tcase_create("decode");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, two_series_decode_with_samples_in_order);
    tcase_add_test(tc, labels_are_decoded_on_demand_and_sorted);
    tcase_add_test(tc, equal_label_bytes_have_equal_hashes_and_others_do_not);
    tcase_add_test(tc, labels_after_samples_are_gathered_into_one_key);
    tcase_add_loop_test(tc, bad_labels_are_refused_per_series, 0, 4);
    tcase_add_test(tc, every_truncation_is_an_error_or_a_shorter_batch);
    tcase_add_test(tc, a_declared_length_of_2_to_63_is_refused);
    tcase_add_test(tc, an_arena_that_is_too_small_is_an_error_not_a_crash);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
