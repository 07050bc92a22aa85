/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/num.h"
#include "base/rng.h"
#include "metrics/head/head_records.h"
#include "os/mem.h"

static struct mem_budget *mem;
static struct arena arena;
static struct buf buf;

static void setup(void)
{
    mem = mem_budget_create((uint64_t)1 << 28);
    arena_init(&arena, mem_source_of(mem, MEM_INGEST), (size_t)64 << 20);
    buf_init(&buf, mem_source_of(mem, MEM_INGEST), (size_t)16 << 20);
}

static void teardown(void)
{
    buf_deinit(&buf);
    arena_deinit(&arena);
    ck_assert_uint_eq(mem_live_count(mem), 0);
    mem_budget_destroy(mem);
}

static void assert_hex(const uint8_t *bytes, size_t n, const char *hex)
{
    char text[512] = { 0 };
    for (size_t i = 0; i < n; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    ck_assert_str_eq(text, hex);
}

static struct record_sample sample(uint32_t ref, double v, double base, bool has_base)
{
    return (struct record_sample){ .ts_ms = 1700000015000,
                                   .ref = ref,
                                   .bits = bits_of_double(v),
                                   .base_bits = bits_of_double(base),
                                   .has_base = has_base };
}

START_TEST(samples_record_is_the_one_of_the_specification)
{
    struct record_sample s[4] = { sample(100, 1, 1, true), sample(101, 12.5, 12, true),
                                  sample(102, 3, 3, true), sample(103, 0, 0, true) };
    uint8_t out[256];
    size_t n = record_samples_encode(out, 0, s, 4);
    assert_hex(out, n, "00b08aadfef962016404021101");
    /* crc over type, flags, format and payload as the journal frames it */
    uint8_t frame[64] = { 2, 0, 0, 0 };
    memcpy(frame + 4, out, n);
    ck_assert_uint_eq(crc32c(0, frame, 4 + n), 0xbcc96966);
}
END_TEST

START_TEST(first_value_of_an_epoch_is_whole)
{
    struct record_sample s = sample(101, 12.5, 99, false);
    uint8_t out[256];
    size_t n = record_samples_encode(out, 0, &s, 1);
    assert_hex(out, n,
               "00b08aadfef9620165"
               "01"
               "01"
               "024029");
    s = sample(101, 0, 99, false); /* zero is a value, too */
    n = record_samples_encode(out, 0, &s, 1);
    assert_hex(out, n,
               "00b08aadfef9620165"
               "01"
               "01"
               "80");
}
END_TEST

START_TEST(series_record_is_the_one_of_the_specification)
{
    struct label l[2] = { { STR("__name__"), STR("up") }, { STR("job"), STR("a") } };
    record_items_begin(&buf, 0, 1);
    record_series_put(&buf, 100, (struct labels){ l, 2 });
    assert_hex(buf.ptr, buf.len, "00016402085f5f6e616d655f5f027570036a6f620161");
    uint8_t frame[64] = { 1, 0, 0, 0 };
    memcpy(frame + 4, buf.ptr, buf.len);
    ck_assert_uint_eq(crc32c(0, frame, 4 + buf.len), 0xb4650618);
}
END_TEST

/* ---- round trips ---- */

START_TEST(samples_come_back)
{
    struct rng r;
    rng_init(&r, (uint64_t)_i + 1);
    size_t count = 1 + rng_below(&r, 600);
    struct record_sample *s = arena_array(&arena, struct record_sample, count);
    uint32_t ref = (uint32_t)rng_below(&r, 1u << (_i % 32));
    for (size_t i = 0; i < count; i++) {
        uint64_t base = rng_u64(&r) >> rng_below(&r, 64);
        uint64_t bits = rng_below(&r, 2) ? base : rng_u64(&r) << rng_below(&r, 64);
        s[i] = (struct record_sample){ .ts_ms = (int64_t)1000 * _i - 500,
                                       .ref = ref,
                                       .bits = bits,
                                       .base_bits = base,
                                       .has_base = rng_below(&r, 4) != 0 };
        ref += 1 + (rng_below(&r, 5) ? 0 : (uint32_t)rng_below(&r, 1000));
    }
    uint8_t *out = arena_array(&arena, uint8_t, record_samples_bound(count));
    size_t n = record_samples_encode(out, 3, s, count);
    struct record_samples_iter it;
    struct record_sample_in in[17];
    size_t at = 0;
    /* An exact copy, so that reads beyond it are seen. */
    uint8_t *copy = malloc(n);
    memcpy(copy, out, n);
    record_samples_begin(&it, (struct bytes){ copy, n });
    ck_assert_uint_eq(it.shard, 3);
    ck_assert_int_eq(it.ts_ms, s[0].ts_ms);
    for (size_t k; (k = record_samples_read(&it, in, 17)) > 0;) {
        for (size_t i = 0; i < k; i++, at++) {
            ck_assert_uint_eq(in[i].ref, s[at].ref);
            uint64_t base = s[at].has_base ? s[at].base_bits : 0;
            if (in[i].is_repeat) ck_assert(s[at].has_base);
            ck_assert_uint_eq(base ^ in[i].xor_bits, s[at].bits);
        }
    }
    ck_assert(!it.failed);
    ck_assert_uint_eq(at, count);
    free(copy);
}
END_TEST

START_TEST(irregular_samples_come_back)
{
    struct rng r;
    rng_init(&r, (uint64_t)_i + 1);
    size_t count = 1 + rng_below(&r, 300);
    struct record_sample *s = arena_array(&arena, struct record_sample, count);
    for (size_t i = 0; i < count; i++)
        s[i] = (struct record_sample){ .ts_ms = (int64_t)rng_u64(&r),
                                       .ref = (uint32_t)rng_u64(&r),
                                       .bits = rng_u64(&r) };
    uint8_t *out = arena_array(&arena, uint8_t, record_samples_bound(count));
    size_t n = record_irregular_encode(out, 63, s, count);
    struct record_irregular_iter it;
    struct record_irregular_in in;
    record_irregular_begin(&it, (struct bytes){ out, n });
    ck_assert_uint_eq(it.shard, 63);
    for (size_t i = 0; i < count; i++) {
        ck_assert(record_irregular_next(&it, &in));
        ck_assert_uint_eq(in.ref, s[i].ref);
        ck_assert_int_eq(in.ts_ms, s[i].ts_ms);
        ck_assert_uint_eq(in.bits, s[i].bits);
    }
    ck_assert(!record_irregular_next(&it, &in));
    ck_assert(rd_ok(&it.rd));
}
END_TEST

START_TEST(items_come_back)
{
    struct label l[2] = { { STR("a"), STR("1") }, { STR("b"), STR("2") } };
    struct exemplar e = { { l, 2 }, -0.25, -77, true };
    struct record_tombstone t = { 9, -1000, 1000 };
    struct record_items it;
    struct labels_builder b;
    struct labels labels;
    uint32_t ref = 0;
    labels_builder_init(&b, &arena);

    record_items_begin(&buf, 1, 2);
    record_series_put(&buf, 4000000000u, (struct labels){ l, 2 });
    record_series_put(&buf, 5, (struct labels){ l + 1, 1 });
    record_items_open(&it, buf_bytes(&buf));
    ck_assert(record_series_next(&it, &b, &ref, &labels));
    ck_assert_uint_eq(ref, 4000000000u);
    ck_assert(labels_eq(labels, (struct labels){ l, 2 }));
    ck_assert(record_series_next(&it, &b, &ref, &labels));
    ck_assert_uint_eq(labels.len, 1);
    ck_assert(!record_series_next(&it, &b, &ref, &labels));
    ck_assert(!record_items_failed(&it));

    buf_reset(&buf);
    record_items_begin(&buf, 1, 1);
    record_exemplar_put(&buf, 7, &e);
    struct exemplar e2;
    record_items_open(&it, buf_bytes(&buf));
    ck_assert(record_exemplar_next(&it, &b, &ref, &e2));
    ck_assert(ref == 7 && e2.ts_ms == -77 && e2.value == -0.25 && e2.has_ts);
    ck_assert(labels_eq(e2.labels, e.labels));

    buf_reset(&buf);
    record_items_begin(&buf, 1, 1);
    record_tombstone_put(&buf, &t);
    struct record_tombstone t2;
    record_items_open(&it, buf_bytes(&buf));
    ck_assert(record_tombstone_next(&it, &t2));
    ck_assert(t2.ref == 9 && t2.mint_ms == -1000 && t2.maxt_ms == 1000);

    buf_reset(&buf);
    record_items_begin(&buf, 1, 1);
    record_durable_put(&buf, 7, INT64_MIN);
    int64_t maxt = 0;
    record_items_open(&it, buf_bytes(&buf));
    ck_assert(record_durable_next(&it, &ref, &maxt));
    ck_assert_int_eq(maxt, INT64_MIN);
}
END_TEST

START_TEST(metadata_comes_back)
{
    struct metadata m[2] = { { STR("up"), STR("Help."), STR("seconds"), METRIC_GAUGE },
                             { STR("x"), STR(""), STR(""), METRIC_STATESET } };
    record_metadata_put(&buf, &m[0]);
    record_metadata_put(&buf, &m[1]);
    struct rd r = rd_of(buf_bytes(&buf));
    for (int i = 0; i < 2; i++) {
        struct metadata out;
        ck_assert(record_metadata_next(&r, &out));
        ck_assert(str_eq(out.family, m[i].family) && str_eq(out.help, m[i].help));
        ck_assert(str_eq(out.unit, m[i].unit) && out.type == m[i].type);
    }
    struct metadata out;
    ck_assert(!record_metadata_next(&r, &out));
    ck_assert(rd_ok(&r));
}
END_TEST

/* ---- damage ---- */

static void read_everything(struct bytes b)
{
    struct record_samples_iter s;
    struct record_sample_in in[32];
    record_samples_begin(&s, b);
    for (int i = 0; i < 2000 && record_samples_read(&s, in, 32) > 0; i++)
        continue;
    struct record_irregular_iter ir;
    struct record_irregular_in x;
    record_irregular_begin(&ir, b);
    while (record_irregular_next(&ir, &x))
        continue;
    struct record_items it;
    struct labels_builder lb;
    struct labels labels;
    struct exemplar e;
    uint32_t ref;
    labels_builder_init(&lb, &arena);
    record_items_open(&it, b);
    while (record_series_next(&it, &lb, &ref, &labels))
        continue;
    record_items_open(&it, b);
    while (record_exemplar_next(&it, &lb, &ref, &e))
        continue;
}

START_TEST(random_bytes_are_survived)
{
    struct rng r;
    rng_init(&r, 99);
    for (int k = 0; k < 20000; k++) {
        size_t n = rng_below(&r, 80);
        uint8_t *b = malloc(n + 1);
        for (size_t i = 0; i < n; i++)
            b[i] = (uint8_t)(rng_below(&r, 3) ? rng_below(&r, 4) : rng_u64(&r));
        read_everything((struct bytes){ b, n });
        free(b);
        arena_reset(&arena);
    }
}
END_TEST

START_TEST(every_truncation_of_a_samples_record_fails)
{
    struct record_sample s[40];
    for (uint32_t i = 0; i < 40; i++)
        s[i] = sample(100 + i * 2, i * 1.1, 5, true);
    uint8_t out[2048];
    size_t n = record_samples_encode(out, 0, s, 40);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, out, cut);
        struct record_samples_iter it;
        struct record_sample_in in[64];
        record_samples_begin(&it, (struct bytes){ copy, cut });
        while (record_samples_read(&it, in, 64) > 0)
            continue;
        ck_assert(it.failed);
        free(copy);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_records");
    TCase *tc = tcase_create("records");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, samples_record_is_the_one_of_the_specification);
    tcase_add_test(tc, first_value_of_an_epoch_is_whole);
    tcase_add_test(tc, series_record_is_the_one_of_the_specification);
    tcase_add_loop_test(tc, samples_come_back, 0, 40);
    tcase_add_loop_test(tc, irregular_samples_come_back, 0, 10);
    tcase_add_test(tc, items_come_back);
    tcase_add_test(tc, metadata_comes_back);
    tcase_add_test(tc, random_bytes_are_survived);
    tcase_add_test(tc, every_truncation_of_a_samples_record_fails);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
