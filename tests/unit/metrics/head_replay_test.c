/* SPDX-License-Identifier: Apache-2.0
 *
 * Restoring a head from damaged, repeated, too long and strange journals and chunk files.
 */
#include "head_rig.h"

#include <check.h>

#include "base/rng.h"
#include "metrics/head/head_records.h"

#define T0 RIG_START_MS

static struct rig rig;
static struct sample_buf samples;

static void setup(void)
{
    rig_setup(&rig);
    sample_buf_init(&samples, mem_source_of(rig.mem, MEM_QUERY));
}

static void teardown(void)
{
    sample_buf_deinit(&samples);
    rig_deinit(&rig);
}

static size_t count_of(const char *labels)
{
    sample_buf_reset(&samples);
    return rig_read(&rig, labels, INT64_MIN, INT64_MAX, &samples) ? samples.cols.count : 0;
}

/* `scrapes` samples each of `series` series m{i="..."}. */
static void fill(int series, int from, int scrapes)
{
    char key[64];
    for (int s = from; s < from + scrapes; s++) {
        batch_maker_begin(&rig.maker);
        for (int i = 0; i < series; i++) {
            (void)snprintf(key, sizeof key, "__name__=m,i=%d", i);
            batch_maker_one(&rig.maker, key, T0 + s * 1000, i % 2 ? 7 : s * i);
        }
        ck_assert_int_eq(rig_append(&rig), ERR_OK);
        ck_assert_uint_eq(rig.result.outcomes[BATCH_STORED], (uint64_t)series);
    }
    clock_fake_advance_ms(&rig.clock, scrapes * 1000);
}

static uint64_t stat(const struct stat_counter *c)
{
    return stat_get(c);
}

START_TEST(samples_of_a_lost_series_record_are_counted)
{
    fill(8, 0, 10);
    rig_close_head(&rig);
    size_t dropped = 0;
    while (rig.journal.records[rig.journal.first + dropped].rec.type != JOURNAL_SERIES)
        dropped++;
    fake_free_list(rig.journal.records, rig.journal.first, rig.journal.first + dropped + 1);
    rig.journal.first += dropped + 1;
    rig_reopen(&rig);
    uint64_t unknown = stat(&rig.head->stats.replay_unknown);
    ck_assert_uint_gt(unknown, 0);
    ck_assert_uint_eq(unknown + stat(&rig.head->stats.replay_samples), 80);
    fill(8, 10, 5); /* all series can be written again */
    rig_reopen(&rig);
    ck_assert_uint_ge(count_of("{__name__=\"m\", i=\"3\"}"), 5);
}
END_TEST

START_TEST(repeat_bits_after_damage_are_not_trusted)
{
    fill(8, 0, 10);
    rig_close_head(&rig);
    rig.journal.damaged = true;
    rig_reopen(&rig);
    ck_assert_uint_eq(stat(&rig.head->stats.replay_samples), 0);
    ck_assert_uint_eq(stat(&rig.head->stats.replay_dropped), 80);
    rig.journal.damaged = false;
}
END_TEST

START_TEST(undecodable_records_are_counted_and_skipped)
{
    fill(8, 0, 10);
    rig_close_head(&rig);
    struct rng r;
    rng_init(&r, (uint64_t)_i + 1);
    for (size_t i = rig.journal.first; i < rig.journal.count; i++) {
        struct bytes p = rig.journal.records[i].rec.payload;
        uint8_t *bytes = (uint8_t *)(uintptr_t)p.ptr;
        if (rng_below(&r, 3) == 0) bytes[rng_below(&r, p.len)] ^= (uint8_t)(1 + rng_below(&r, 255));
    }
    rig_reopen(&rig); /* asserts that it succeeds */
    for (size_t i = 0; i < 8; i++) {
        char labels[64];
        (void)snprintf(labels, sizeof labels, "{__name__=\"m\", i=\"%zu\"}", i);
        (void)count_of(labels);
        for (size_t k = 1; k < samples.cols.count; k++)
            ck_assert_int_gt(samples.cols.ts_ms[k], samples.cols.ts_ms[k - 1]);
    }
    (void)rig_one(&rig, "__name__=new", T0 + 9000, 1);
}
END_TEST

START_TEST(durable_chunks_are_not_replayed_twice)
{
    struct err err = { 0 };
    fill(8, 0, 500);
    ck_assert_int_eq(head_flush_chunks(rig.head, &err), ERR_OK);
    rig_reopen(&rig);
    ck_assert_uint_gt(stat(&rig.head->stats.replay_skipped), 3000);
    ck_assert_uint_lt(stat(&rig.head->stats.replay_samples), 1000);
    ck_assert_uint_eq(count_of("{__name__=\"m\", i=\"4\"}"), 500);
    for (int i = 0; i < 500; i++)
        ck_assert_double_eq(samples.cols.value[i], i * 4);
    fill(8, 500, 3);
    rig_reopen(&rig);
    ck_assert_uint_eq(count_of("{__name__=\"m\", i=\"4\"}"), 503);
}
END_TEST

START_TEST(a_damaged_chunk_file_is_cut_and_the_journal_fills_in)
{
    struct err err = { 0 };
    fill(8, 0, 500);
    ck_assert_int_eq(head_flush_chunks(rig.head, &err), ERR_OK);
    rig_close_head(&rig);
    const struct file_layer *l = file_fault_layer(rig.disk);
    struct file *f = NULL;
    ck_assert_int_eq(l->open(l->ctx, "m/head/000001", FILE_WRITE, &f, &err), ERR_OK);
    uint64_t size = 0;
    ck_assert_int_eq(l->size(l->ctx, f, &size, &err), ERR_OK);
    uint64_t at = 8 + (size - 8) * (uint64_t)_i / 10;
    struct file_iovec bad = { "\xde\xad\xbe\xef", 4 };
    ck_assert_int_eq(l->pwritev(l->ctx, f, &bad, 1, at < size - 4 ? at : size - 4, &err), ERR_OK);
    ck_assert_int_eq(l->close(l->ctx, f, &err), ERR_OK);
    rig_reopen(&rig);
    ck_assert_uint_eq(stat(&rig.head->stats.head_files_damaged), 1);
    for (int i = 0; i < 8; i++) {
        char labels[64];
        (void)snprintf(labels, sizeof labels, "{__name__=\"m\", i=\"%d\"}", i);
        ck_assert_uint_eq(count_of(labels), 500);
    }
    rig_reopen(&rig);
    ck_assert_uint_eq(stat(&rig.head->stats.head_files_damaged), 0);
}
END_TEST

START_TEST(a_file_that_is_no_chunk_file_is_set_aside)
{
    struct err err = { 0 };
    rig_close_head(&rig);
    const struct file_layer *l = file_fault_layer(rig.disk);
    ck_assert_int_eq(
        file_write_atomic(l, "m/head/000007", bytes_of_str(STR("something else")), &err), ERR_OK);
    rig_reopen(&rig);
    struct file_info info;
    ck_assert_int_eq(l->stat(l->ctx, "m/head/000007.damaged", &info, &err), ERR_OK);
    ck_assert_int_eq(l->stat(l->ctx, "m/head/000007", &info, &err), ERR_NOTFOUND);
}
END_TEST

START_TEST(refs_of_orphaned_chunks_are_not_given_again)
{
    struct err err = { 0 };
    fill(8, 0, 300);
    ck_assert_int_eq(head_flush_chunks(rig.head, &err), ERR_OK);
    rig_close_head(&rig);
    /* The journal is gone, the chunk files are not. */
    fake_free_list(rig.journal.records, rig.journal.first, rig.journal.count);
    rig.journal.first = rig.journal.count;
    rig_reopen(&rig);
    ck_assert_uint_eq(head_series_count(rig.head), 0);
    ck_assert_uint_gt(stat(&rig.head->stats.head_chunks_orphaned), 0);
    fill(8, 300, 2);
    rig_reopen(&rig);
    for (int i = 0; i < 8; i++) {
        char labels[64];
        (void)snprintf(labels, sizeof labels, "{__name__=\"m\", i=\"%d\"}", i);
        ck_assert_uint_eq(count_of(labels), 2);
    }
}
END_TEST

START_TEST(announced_but_missing_chunks_are_reported)
{
    struct err err = { 0 };
    fill(4, 0, 500);
    ck_assert_int_eq(head_flush_chunks(rig.head, &err), ERR_OK);
    rig_close_head(&rig);
    const struct file_layer *l = file_fault_layer(rig.disk);
    ck_assert_int_eq(l->unlink(l->ctx, "m/head/000001", &err), ERR_OK);
    /* The samples are gone from the journal as well, only SERIES and CHUNKS_DURABLE are left. */
    for (size_t i = 0; i < rig.journal.count; i++)
        if (rig.journal.records[i].rec.type == JOURNAL_SAMPLES)
            rig.journal.records[i].rec.type = 250; /* unknown: skipped */
    rig_reopen(&rig);
    ck_assert_uint_gt(stat(&rig.head->stats.head_chunks_missing), 0);
}
END_TEST

static void log_series(uint32_t shard, uint32_t ref, struct labels labels)
{
    struct buf b;
    buf_init(&b, mem_source_of(rig.mem, MEM_INGEST), 1 << 20);
    record_items_begin(&b, shard, 1);
    record_series_put(&b, ref, labels);
    struct journal_record rec = { .type = JOURNAL_SERIES, .payload = buf_bytes(&b) };
    rig.journal.credit += journal_record_bytes(b.len);
    struct err err = { 0 };
    ck_assert_int_eq(fake_append(&rig.journal.journal, 0, &rec, NULL, &err), ERR_OK);
    buf_deinit(&b);
}

static void log_sample(uint32_t shard, uint32_t ref, int64_t t, double v)
{
    uint8_t out[128];
    struct record_sample s = { .ts_ms = t, .bits = bits_of_double(v), .ref = ref };
    struct journal_record rec = { .type = JOURNAL_SAMPLES_IRREGULAR, .payload.ptr = out };
    rec.payload.len = record_irregular_encode(out, shard, &s, 1);
    rig.journal.credit += journal_record_bytes(rec.payload.len);
    struct err err = { 0 };
    ck_assert_int_eq(fake_append(&rig.journal.journal, 0, &rec, NULL, &err), ERR_OK);
}

START_TEST(a_series_removed_and_created_again_is_one_series)
{
    ck_assert_int_eq(rig_one(&rig, "__name__=up,job=a", T0, 1), BATCH_STORED);
    uint32_t shard;
    uint32_t ref;
    ck_assert(rig_find(&rig, "{__name__=\"up\", job=\"a\"}", &shard, &ref));
    rig_close_head(&rig);
    struct label l[2] = { { STR("__name__"), STR("up") }, { STR("job"), STR("a") } };
    log_series(shard, ref + 5, (struct labels){ l, 2 });
    log_sample(shard, ref + 5, T0 + 1000, 2);
    rig_reopen(&rig);
    ck_assert_uint_eq(head_series_count(rig.head), 1);
    ck_assert_uint_eq(count_of("{__name__=\"up\", job=\"a\"}"), 2);
    ck_assert_int_eq(rig_one(&rig, "__name__=up,job=a", T0 + 2000, 3), BATCH_STORED);
    ck_assert_int_eq(rig_one(&rig, "__name__=up,job=b", T0 + 2000, 3), BATCH_STORED);
    rig_reopen(&rig);
    ck_assert_uint_eq(head_series_count(rig.head), 2);
    ck_assert_uint_eq(count_of("{__name__=\"up\", job=\"a\"}"), 3);
}
END_TEST

/* A whole value, as the first of a series in an epoch is logged. */
static void log_first_sample(uint32_t shard, uint32_t ref, int64_t t, double v)
{
    uint8_t out[128];
    struct record_sample s = { .ts_ms = t, .bits = bits_of_double(v), .ref = ref };
    struct journal_record rec = { .type = JOURNAL_SAMPLES, .payload.ptr = out };
    rec.payload.len = record_samples_encode(out, shard, &s, 1);
    rig.journal.credit += journal_record_bytes(rec.payload.len);
    struct err err = { 0 };
    ck_assert_int_eq(fake_append(&rig.journal.journal, 0, &rec, NULL, &err), ERR_OK);
}

START_TEST(a_series_of_the_checkpoint_begins_anew_at_its_record)
{
    ck_assert_int_eq(rig_one(&rig, "__name__=up,job=a", T0, 1), BATCH_STORED);
    uint32_t shard;
    uint32_t ref;
    ck_assert(rig_find(&rig, "{__name__=\"up\", job=\"a\"}", &shard, &ref));
    rig_close_head(&rig);
    /* In one epoch: samples of the first life, then the second life under another ref, which the
     * checkpoint knows already. */
    struct label l[2] = { { STR("__name__"), STR("up") }, { STR("job"), STR("a") } };
    rig.journal.epoch++;
    log_first_sample(shard, ref, T0 + 1000, 5);
    log_series(shard, ref + 5, (struct labels){ l, 2 });
    struct journal_fake *j = &rig.journal;
    fake_push(&j->checkpoint, &j->checkpoint_count, &j->checkpoint_cap,
              &j->records[j->count - 1].rec);
    log_first_sample(shard, ref + 5, T0 + 2000, 7);
    rig_reopen(&rig);
    ck_assert_uint_eq(count_of("{__name__=\"up\", job=\"a\"}"), 3);
    ck_assert_double_eq(samples.cols.value[1], 5);
    ck_assert_double_eq(samples.cols.value[2], 7);
}
END_TEST

START_TEST(a_journal_longer_than_memory_flows_through_to_the_files)
{
    struct rng r;
    rng_init(&r, 1);
    /* About 1.2 M full-precision samples: 10 MB of chunks. */
    char key[64];
    for (int s = 0; s < 6000; s++) {
        batch_maker_begin(&rig.maker);
        for (int i = 0; i < 200; i++) {
            (void)snprintf(key, sizeof key, "__name__=m,i=%d", i);
            (void)batch_maker_series(&rig.maker, key);
            batch_maker_sample(&rig.maker, T0 + s * 100, rng_u64(&r));
        }
        ck_assert_int_eq(rig_append(&rig), ERR_OK);
        ck_assert_uint_eq(rig.result.outcomes[BATCH_STORED], 200);
    }
    rig_close_head(&rig);
    struct err err = { 0 };
    ck_assert_int_eq(file_remove_tree(file_fault_layer(rig.disk), "m/head", &err), ERR_OK);
    mem_set_cap(rig.mem, MEM_HEAD, (uint64_t)6 << 20);
    rig_reopen(&rig);
    ck_assert_uint_eq(stat(&rig.head->stats.replay_samples), 1200000);
    ck_assert_uint_eq(count_of("{__name__=\"m\", i=\"17\"}"), 6000);
    ck_assert_uint_gt(head_files_size_bytes(rig.head->files), 7000000);
    mem_set_cap(rig.mem, MEM_HEAD, UINT64_MAX);
}
END_TEST

START_TEST(samples_that_a_block_has_are_not_restored)
{
    fill(4, 0, 100);
    rig.mint_ms = T0 + 50000;
    rig_reopen(&rig);
    ck_assert_uint_eq(count_of("{__name__=\"m\", i=\"2\"}"), 50);
    ck_assert_int_eq(samples.cols.ts_ms[0], T0 + 50000);
    ck_assert_uint_eq(stat(&rig.head->stats.replay_skipped), 200);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_replay");
    TCase *tc = tcase_create("replay");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, samples_of_a_lost_series_record_are_counted);
    tcase_add_test(tc, repeat_bits_after_damage_are_not_trusted);
    tcase_add_loop_test(tc, undecodable_records_are_counted_and_skipped, 0, 30);
    tcase_add_test(tc, durable_chunks_are_not_replayed_twice);
    tcase_add_loop_test(tc, a_damaged_chunk_file_is_cut_and_the_journal_fills_in, 0, 10);
    tcase_add_test(tc, a_file_that_is_no_chunk_file_is_set_aside);
    tcase_add_test(tc, refs_of_orphaned_chunks_are_not_given_again);
    tcase_add_test(tc, announced_but_missing_chunks_are_reported);
    tcase_add_test(tc, a_series_removed_and_created_again_is_one_series);
    tcase_add_test(tc, a_series_of_the_checkpoint_begins_anew_at_its_record);
    tcase_add_test(tc, a_journal_longer_than_memory_flows_through_to_the_files);
    tcase_add_test(tc, samples_that_a_block_has_are_not_restored);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
