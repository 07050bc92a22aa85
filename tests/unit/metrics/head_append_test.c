/* SPDX-License-Identifier: Apache-2.0 */
#include "head_rig.h"

#include <check.h>

#include "base/rng.h"

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

#define T0 RIG_START_MS
#define UP "__name__=up,job=a"
#define UP_TEXT "{__name__=\"up\", job=\"a\"}"

static size_t read_up(void)
{
    sample_buf_reset(&samples);
    ck_assert(rig_read(&rig, UP_TEXT, INT64_MIN, INT64_MAX, &samples));
    return samples.cols.count;
}

START_TEST(first_sample_creates_the_series)
{
    ck_assert_int_eq(rig_one(&rig, UP, T0, 1), BATCH_STORED);
    ck_assert_uint_eq(rig.result.series_created, 1);
    ck_assert(rig.maker.batch.series[0].is_new);
    ck_assert_uint_ne(rig.maker.batch.series[0].ref.v, 0);
    ck_assert_uint_gt(rig.result.position, 0);
    ck_assert_uint_eq(read_up(), 1);
    ck_assert_int_eq(samples.cols.ts_ms[0], T0);
    ck_assert_double_eq(samples.cols.value[0], 1);
    ck_assert_int_eq(head_maxt_ms(rig.head), T0);
    ck_assert_int_eq(head_first_ms(rig.head), T0);
}
END_TEST

START_TEST(known_bytes_are_not_decoded_again)
{
    (void)rig_one(&rig, UP, T0, 1);
    ck_assert_uint_eq(rig.maker.decoded, 1);
    (void)rig_one(&rig, UP, T0 + 1000, 1);
    ck_assert_uint_eq(rig.maker.decoded, 1);
    ck_assert(!rig.maker.batch.series[0].is_new);
}
END_TEST

START_TEST(other_bytes_of_the_same_labels_are_the_same_series)
{
    (void)rig_one(&rig, UP, T0, 1);
    uint64_t ref = rig.maker.batch.series[0].ref.v;
    ck_assert_int_eq(rig_one(&rig, "job=a,__name__=up", T0 + 1, 2), BATCH_STORED);
    ck_assert_uint_eq(rig.maker.batch.series[0].ref.v, ref);
    ck_assert_uint_eq(head_series_count(rig.head), 1);
    ck_assert_uint_eq(read_up(), 2);
}
END_TEST

START_TEST(a_series_ref_replaces_the_look_up)
{
    (void)rig_one(&rig, UP, T0, 1);
    struct series_ref ref = rig.maker.batch.series[0].ref;
    batch_maker_begin(&rig.maker);
    (void)batch_maker_series(&rig.maker, "not=looked,at=all");
    rig.maker.batch.series[0].ref = ref;
    batch_maker_sample(&rig.maker, T0 + 5, 0);
    ck_assert_int_eq(rig_append(&rig), ERR_OK);
    ck_assert_uint_eq(read_up(), 2);
    ck_assert_uint_eq(rig.maker.decoded, 1);
}
END_TEST

START_TEST(unknown_ref_falls_back_to_the_labels)
{
    batch_maker_begin(&rig.maker);
    (void)batch_maker_series(&rig.maker, UP);
    rig.maker.batch.series[0].ref = (struct series_ref){ (uint64_t)2 << 32 | 12345 };
    batch_maker_sample(&rig.maker, T0, 0);
    ck_assert_int_eq(rig_append(&rig), ERR_OK);
    ck_assert_uint_eq(rig.result.outcomes[BATCH_STORED], 1);
    ck_assert_uint_eq(read_up(), 1);
}
END_TEST

struct order_case {
    int64_t t;
    double v;
    enum batch_outcome outcome;
};
static const struct order_case order_cases[] = { { T0 + 1000, 1, BATCH_STORED },
                                                 { T0 + 1000, 1,
                                                   BATCH_STORED }, /* exact duplicate */
                                                 { T0 + 1000, 2, BATCH_DUPLICATE },
                                                 { T0 + 999, 1, BATCH_OUT_OF_ORDER },
                                                 { T0 + 600001, 1, BATCH_OUT_OF_BOUNDS },
                                                 { T0 + 600000, 1, BATCH_STORED },
                                                 { T0 - RIG_RANGE_MS, 1, BATCH_OUT_OF_BOUNDS } };

START_TEST(order_rules_give_their_outcomes)
{
    for (size_t i = 0; i < sizeof order_cases / sizeof order_cases[0]; i++) {
        const struct order_case *c = &order_cases[i];
        enum batch_outcome outcome = rig_one(&rig, UP, c->t, c->v);
        ck_assert_msg(outcome == c->outcome, "case %zu: %d", i, (int)outcome);
        ck_assert_uint_eq(rig.result.outcomes[c->outcome], 1);
        ck_assert_int_eq(rig.result.first.code == ERR_OK, c->outcome == BATCH_STORED);
    }
    ck_assert_uint_eq(read_up(), 2);
}
END_TEST

START_TEST(duplicates_compare_bits_not_numbers)
{
    batch_maker_begin(&rig.maker);
    (void)batch_maker_series(&rig.maker, UP);
    batch_maker_sample(&rig.maker, T0, STALE_NAN_BITS);
    batch_maker_sample(&rig.maker, T0, STALE_NAN_BITS);
    batch_maker_sample(&rig.maker, T0, NORMAL_NAN_BITS);
    batch_maker_sample(&rig.maker, T0 + 1, bits_of_double(0.0));
    batch_maker_sample(&rig.maker, T0 + 1, bits_of_double(-0.0));
    ck_assert_int_eq(rig_append(&rig), ERR_OK);
    ck_assert_uint_eq(rig.result.outcomes[BATCH_STORED], 3);
    ck_assert_uint_eq(rig.result.outcomes[BATCH_DUPLICATE], 2);
    ck_assert_uint_eq(rig.maker.batch.series[0].outcome, BATCH_DUPLICATE);
    ck_assert_uint_eq(read_up(), 2);
}
END_TEST

START_TEST(first_refusal_names_the_series)
{
    (void)rig_one(&rig, UP, T0 + 1000, 1);
    (void)rig_one(&rig, UP, T0, 1);
    ck_assert_str_eq(rig.result.first.msg, "out of order sample");
    ck_assert_str_eq(rig.result.first.detail, "up{job=\"a\"}");
    ck_assert_int_eq(rig.result.first.code, ERR_CONFLICT);
}
END_TEST

static const char *series_text(int i)
{
    static char text[32];
    (void)snprintf(text, sizeof text, "__name__=s,i=%d", i);
    return text;
}

/* The shards are served one after the other: that must not show. */
START_TEST(first_refusal_follows_the_batch)
{
    for (int i = 0; i < 40; i++)
        (void)rig_one(&rig, series_text(i), T0 + 1000, 1);
    batch_maker_begin(&rig.maker);
    for (int i = 39; i >= 0; i--) {
        batch_maker_one(&rig.maker, series_text(i), T0, 1);
    }
    ck_assert_int_eq(rig_append(&rig), ERR_OK);
    ck_assert_str_eq(rig.result.first.detail, "s{i=\"39\"}");
}
END_TEST

static enum err_code decode_long(const struct batch *batch, const struct batch_series *s,
                                 struct labels_builder *b, struct labels *out, struct err *err)
{
    static char value[SYMBOL_SIZE_MAX + 1];
    (void)batch, (void)s;
    memset(value, 'v', sizeof value);
    labels_builder_add(b, LABEL_METRIC_NAME, STR("long"));
    labels_builder_add(b, STR("x"), (struct str){ value, sizeof value });
    return labels_builder_finish(b, NULL, out, err);
}

/* By a decoder without limits of its own. */
START_TEST(labels_that_are_too_long_are_named)
{
    batch_maker_begin(&rig.maker);
    batch_maker_one(&rig.maker, "any", T0, 1);
    rig.maker.batch.decode = decode_long;
    ck_assert_int_eq(rig_append(&rig), ERR_OK);
    ck_assert_uint_eq(rig.result.outcomes[BATCH_INVALID_LABELS], 1);
    ck_assert_str_eq(rig.result.first.msg, "label is too long");
    ck_assert_ptr_nonnull(strstr(rig.result.first.detail, "label \"x\" of metric \"long\""));
}
END_TEST

START_TEST(good_samples_of_a_bad_batch_are_stored)
{
    batch_maker_begin(&rig.maker);
    batch_maker_one(&rig.maker, "__name__=a", T0, 1);
    batch_maker_one(&rig.maker, "__name__=a,__name__=b", T0, 1); /* duplicate name */
    batch_maker_one(&rig.maker, "dropped=by,relabelling=yes", T0, 1);
    batch_maker_one(&rig.maker, "x=", T0, 1); /* no labels at all */
    batch_maker_one(&rig.maker, "__name__=b", T0 + 10000000, 1);
    batch_maker_one(&rig.maker, "__name__=c", T0, 1);
    ck_assert_int_eq(rig_append(&rig), ERR_OK);
    ck_assert_uint_eq(rig.result.outcomes[BATCH_STORED], 2);
    ck_assert_uint_eq(rig.result.outcomes[BATCH_INVALID_LABELS], 2);
    ck_assert_uint_eq(rig.result.outcomes[BATCH_DROPPED], 1);
    ck_assert_uint_eq(rig.result.outcomes[BATCH_OUT_OF_BOUNDS], 1);
    ck_assert_uint_eq(rig.maker.batch.series[2].outcome, BATCH_DROPPED);
    ck_assert_str_eq(rig.result.first.msg, "duplicate label name");
}
END_TEST

START_TEST(a_series_twice_in_one_batch_keeps_all_its_samples)
{
    batch_maker_begin(&rig.maker);
    for (int i = 0; i < 5; i++) {
        batch_maker_one(&rig.maker, UP, T0 + i * 100, i);
        batch_maker_one(&rig.maker, "__name__=other", T0 + i * 100, i);
    }
    ck_assert_int_eq(rig_append(&rig), ERR_OK);
    ck_assert_uint_eq(rig.result.outcomes[BATCH_STORED], 10);
    ck_assert_uint_eq(read_up(), 5);
}
END_TEST

START_TEST(many_samples_of_one_series_in_one_batch)
{
    batch_maker_begin(&rig.maker);
    (void)batch_maker_series(&rig.maker, UP);
    for (int i = 0; i < 20000; i++)
        batch_maker_sample(&rig.maker, T0 - 3000000 + i * 100, bits_of_double(i % 7));
    ck_assert_int_eq(rig_append(&rig), ERR_OK);
    ck_assert_uint_eq(rig.result.outcomes[BATCH_STORED], 20000);
    ck_assert_uint_eq(read_up(), 20000);
    for (int i = 0; i < 20000; i++)
        ck_assert_double_eq(samples.cols.value[i], i % 7);
    rig_reopen(&rig);
    ck_assert_uint_eq(read_up(), 20000);
}
END_TEST

START_TEST(series_limit_refuses_new_series_only)
{
    rig.series_max = 2;
    rig_reopen(&rig);
    ck_assert_int_eq(rig_one(&rig, "__name__=a", T0, 1), BATCH_STORED);
    ck_assert_int_eq(rig_one(&rig, "__name__=b", T0, 1), BATCH_STORED);
    ck_assert_int_eq(rig_one(&rig, "__name__=c", T0, 1), BATCH_LIMIT);
    ck_assert_int_eq(rig_one(&rig, "__name__=a", T0 + 1, 1), BATCH_STORED);
    ck_assert_str_eq(rig.result.first.msg ? rig.result.first.msg : "", "");
}
END_TEST

START_TEST(memory_pressure_refuses_new_series_only)
{
    ck_assert_int_eq(rig_one(&rig, "__name__=a", T0, 1), BATCH_STORED);
    mem_set_cap(rig.mem, MEM_CACHE, UINT64_MAX);
    size_t pressure = (size_t)(mem_total(rig.mem) / 10 * 9 - mem_total_used(rig.mem));
    ck_assert(mem_charge(rig.mem, MEM_CACHE, pressure));
    ck_assert_int_eq(rig_one(&rig, "__name__=b", T0, 1), BATCH_NOMEM);
    ck_assert_int_eq(rig_one(&rig, "__name__=a", T0 + 1, 1), BATCH_STORED);
    mem_uncharge(rig.mem, MEM_CACHE, pressure);
    ck_assert_int_eq(rig_one(&rig, "__name__=b", T0, 1), BATCH_STORED);
}
END_TEST

START_TEST(a_refusing_journal_leaves_the_head_untouched)
{
    (void)rig_one(&rig, UP, T0, 1);
    rig.journal.fail_append_at = rig.journal.appends + 1;
    batch_maker_begin(&rig.maker);
    batch_maker_one(&rig.maker, UP, T0 + 1000, 2);
    ck_assert_int_eq(rig_append(&rig), ERR_IO);
    ck_assert_uint_eq(read_up(), 1);
    ck_assert_int_eq(head_maxt_ms(rig.head), T0);
    rig.journal.fail_append_at = 0;
    /* The retry is no duplicate: it is logged. */
    size_t before = rig.journal.count;
    ck_assert_int_eq(rig_one(&rig, UP, T0 + 1000, 2), BATCH_STORED);
    ck_assert_uint_eq(rig.journal.count, before + 1);
    rig_reopen(&rig);
    ck_assert_uint_eq(read_up(), 2);
}
END_TEST

START_TEST(a_new_epoch_makes_values_whole_again)
{
    for (int i = 0; i < 200; i++) {
        if (i % 13 == 0) rig.journal.epoch_every = 3 + (size_t)i % 4;
        batch_maker_begin(&rig.maker);
        for (int k = 0; k < 10; k++) {
            char key[64];
            (void)snprintf(key, sizeof key, "__name__=m,i=%d", k);
            batch_maker_one(&rig.maker, key, T0 + i * 100, k < 5 ? 42.25 : i * k);
        }
        ck_assert_int_eq(rig_append(&rig), ERR_OK);
    }
    rig.journal.epoch_every = 0;
    rig_reopen(&rig);
    ck_assert_uint_eq(stat_get(&rig.head->stats.replay_dropped), 0);
    ck_assert_uint_eq(stat_get(&rig.head->stats.replay_samples), 2000);
    sample_buf_reset(&samples);
    ck_assert(rig_read(&rig, "{__name__=\"m\", i=\"9\"}", INT64_MIN, INT64_MAX, &samples));
    for (int i = 0; i < 200; i++)
        ck_assert_double_eq(samples.cols.value[i], i * 9);
}
END_TEST

START_TEST(exemplars_and_metadata_survive_a_restart)
{
    batch_maker_begin(&rig.maker);
    batch_maker_one(&rig.maker, UP, T0, 1);
    struct label trace = { STR("trace_id"), STR("abc") };
    struct batch_exemplar x = { 0, { { &trace, 1 }, 0.5, T0, true } };
    struct metadata m = { STR("up"), STR("Is it up?"), STR(""), METRIC_GAUGE };
    rig.maker.batch.exemplars = &x;
    rig.maker.batch.exemplar_count = 1;
    rig.maker.batch.metadata = &m;
    rig.maker.batch.metadata_count = 1;
    ck_assert_int_eq(rig_append(&rig), ERR_OK);
    ck_assert_uint_eq(rig.result.exemplars_stored, 1);
    ck_assert_int_eq(rig_append(&rig), ERR_OK);
    ck_assert_uint_eq(rig.result.exemplars_stored + rig.result.exemplars_refused, 0);
    rig_reopen(&rig);
    uint32_t shard;
    uint32_t ref;
    ck_assert(rig_find(&rig, UP_TEXT, &shard, &ref));
    struct arena arena;
    struct err err = { 0 };
    arena_init(&arena, mem_source_of(rig.mem, MEM_QUERY), 1 << 20);
    struct exemplar *list = NULL;
    size_t n = 0;
    ck_assert_int_eq(head_exemplars(rig.head, shard, ref, 0, INT64_MAX, &arena, &list, &n, &err),
                     ERR_OK);
    ck_assert_uint_eq(n, 1);
    ck_assert(str_eq(labels_get(list[0].labels, STR("trace_id")), STR("abc")));
    struct metadata *all = NULL;
    ck_assert_int_eq(head_metadata(rig.head, &arena, &all, &n, &err), ERR_OK);
    ck_assert_uint_eq(n, 1);
    ck_assert(str_eq(all[0].help, STR("Is it up?")));
    ck_assert_int_eq(all[0].type, METRIC_GAUGE);
    arena_deinit(&arena);
}
END_TEST

/* More than one journal record holds. */
START_TEST(much_metadata_survives_a_restart)
{
    enum { FAMILIES = 3000 };
    static char names[FAMILIES][16];
    static char help[2000];
    struct metadata *all = mem_alloc(rig.mem, MEM_SYSTEM, FAMILIES * sizeof *all);
    ck_assert(all != NULL);
    memset(help, 'h', sizeof help);
    for (int i = 0; i < FAMILIES; i++) {
        (void)snprintf(names[i], sizeof names[i], "m%d", i);
        all[i] = (struct metadata){
            str_of_z(names[i]), { help, sizeof help }, STR("bytes"), METRIC_GAUGE
        };
        help[0] = (char)('a' + i % 26);
    }
    batch_maker_begin(&rig.maker);
    batch_maker_one(&rig.maker, UP, T0, 1);
    rig.maker.batch.metadata = all;
    rig.maker.batch.metadata_count = FAMILIES;
    ck_assert_int_eq(rig_append(&rig), ERR_OK);
    mem_free(rig.mem, MEM_SYSTEM, all, FAMILIES * sizeof *all);
    rig_reopen(&rig);
    struct arena arena;
    struct err err = { 0 };
    struct metadata *found = NULL;
    size_t n = 0;
    arena_init(&arena, mem_source_of(rig.mem, MEM_QUERY), (size_t)16 << 20);
    ck_assert_int_eq(head_metadata(rig.head, &arena, &found, &n, &err), ERR_OK);
    ck_assert_uint_eq(n, FAMILIES);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(found[i].help.len, METADATA_TEXT_MAX);
    arena_deinit(&arena);
}
END_TEST

static size_t created_count;
static bool listener_refuses;
static enum err_code on_created(void *ctx, uint32_t shard, uint32_t ref, const uint32_t *pairs,
                                uint32_t count)
{
    (void)ctx;
    (void)shard;
    ck_assert_uint_gt(ref, 0);
    ck_assert_uint_gt(count, 0);
    ck_assert_uint_gt(pairs[0], 0);
    if (listener_refuses) return ERR_NOMEM;
    created_count++;
    return ERR_OK;
}

START_TEST(the_listener_sees_and_may_refuse_new_series)
{
    created_count = 0;
    rig.listener.series_created = on_created;
    rig_reopen(&rig);
    (void)rig_one(&rig, UP, T0, 1);
    ck_assert_uint_eq(created_count, 1);
    listener_refuses = true;
    ck_assert_int_eq(rig_one(&rig, "__name__=x", T0, 1), BATCH_NOMEM);
    listener_refuses = false;
    ck_assert_int_eq(rig_one(&rig, "__name__=x", T0, 1), BATCH_STORED);
    ck_assert_uint_eq(head_series_count(rig.head), 2);
    created_count = 0;
    rig_reopen(&rig); /* the refused creation is in the journal, too: same series */
    ck_assert_uint_eq(created_count, 2);
    ck_assert_uint_eq(head_series_count(rig.head), 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_append");
    TCase *tc = tcase_create("append");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, first_sample_creates_the_series);
    tcase_add_test(tc, known_bytes_are_not_decoded_again);
    tcase_add_test(tc, other_bytes_of_the_same_labels_are_the_same_series);
    tcase_add_test(tc, a_series_ref_replaces_the_look_up);
    tcase_add_test(tc, unknown_ref_falls_back_to_the_labels);
    tcase_add_test(tc, order_rules_give_their_outcomes);
    tcase_add_test(tc, duplicates_compare_bits_not_numbers);
    tcase_add_test(tc, first_refusal_names_the_series);
    tcase_add_test(tc, first_refusal_follows_the_batch);
    tcase_add_test(tc, labels_that_are_too_long_are_named);
    tcase_add_test(tc, good_samples_of_a_bad_batch_are_stored);
    tcase_add_test(tc, a_series_twice_in_one_batch_keeps_all_its_samples);
    tcase_add_test(tc, many_samples_of_one_series_in_one_batch);
    tcase_add_test(tc, series_limit_refuses_new_series_only);
    tcase_add_test(tc, memory_pressure_refuses_new_series_only);
    tcase_add_test(tc, a_refusing_journal_leaves_the_head_untouched);
    tcase_add_test(tc, a_new_epoch_makes_values_whole_again);
    tcase_add_test(tc, exemplars_and_metadata_survive_a_restart);
    tcase_add_test(tc, much_metadata_survives_a_restart);
    tcase_add_test(tc, the_listener_sees_and_may_refuse_new_series);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
