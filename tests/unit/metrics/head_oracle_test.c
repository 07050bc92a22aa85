/* SPDX-License-Identifier: Apache-2.0
 *
 * Random batches, restarts, chunk flushes, cuts, checkpoints and epoch changes on a head, beside a
 * naive array of samples. After each step of interest everything is compared.
 */
#include "head_rig.h"

#include <check.h>

#include "base/rng.h"
#include "metrics/head/head_chunk.h"

#define SERIES 60
#define SAMPLES_MAX 3000
#define STEP_MS 15000

struct model_series {
    char key[64], text[96];
    int64_t t[SAMPLES_MAX];
    uint64_t v[SAMPLES_MAX];
    size_t first, count; /* samples before first are only in a block */
    bool is_gone;        /* not written to any more */
    int kind;
};

struct oracle {
    struct rig rig;
    struct rng rng;
    struct model_series series[SERIES];
    struct sample_buf buf;
    int64_t now;
    uint64_t seed;
};

static struct oracle o;

static void model_init(void)
{
    for (int i = 0; i < SERIES; i++) {
        struct model_series *s = &o.series[i];
        s->first = s->count = 0;
        s->is_gone = false;
        s->kind = i % 6;
        (void)snprintf(s->key, sizeof s->key, "__name__=m%d,i=%d", i % 7, i);
        (void)snprintf(s->text, sizeof s->text, "{__name__=\"m%d\", i=\"%d\"}", i % 7, i);
    }
}

static uint64_t next_value(struct model_series *s)
{
    uint64_t last = s->count > 0 ? s->v[s->count - 1] : bits_of_double(1);
    switch (s->kind) {
    case 0: return bits_of_double(1);
    case 1: return rng_below(&o.rng, 6) ? last : bits_of_double((double)rng_below(&o.rng, 100));
    case 2: return bits_of_double(double_of_bits(last) + (double)rng_below(&o.rng, 1000));
    case 3: return rng_u64(&o.rng);
    case 4: return rng_below(&o.rng, 5) ? last : STALE_NAN_BITS;
    default: return bits_of_double((double)rng_below(&o.rng, 100000) / 100);
    }
}

/* Put one sample into the batch and, if it is good, into the model. */
static void offer(struct model_series *s, int64_t t)
{
    int64_t last = s->count > 0 ? s->t[s->count - 1] : INT64_MIN;
    if (s->count == SAMPLES_MAX) return;
    uint64_t v = next_value(s);
    batch_maker_sample(&o.rig.maker, t, v);
    if (t <= last) return;
    s->t[s->count] = t;
    s->v[s->count++] = v;
}

static void act_append(void)
{
    o.now += STEP_MS;
    clock_fake_advance_ms(&o.rig.clock, STEP_MS);
    batch_maker_begin(&o.rig.maker);
    bool is_shuffled = rng_below(&o.rng, 4) == 0;
    for (int i = 0; i < SERIES; i++) {
        struct model_series *s = &o.series[is_shuffled ? (i * 37) % SERIES : i];
        if (s->is_gone || rng_below(&o.rng, 10) == 0) continue;
        (void)batch_maker_series(&o.rig.maker, s->key);
        int64_t t = o.now;
        switch (rng_below(&o.rng, 12)) {
        case 0: t += (int64_t)rng_below(&o.rng, 1000); break;
        case 1: t -= STEP_MS * 2; break; /* out of order */
        case 2:
            for (int k = 5; k > 0; k--)
                offer(s, t - k * 100);
            break;
        default: break;
        }
        offer(s, t);
    }
    ck_assert_int_eq(rig_append(&o.rig), ERR_OK);
}

static void compare_series(struct model_series *s, uint32_t shard, uint32_t ref)
{
    sample_buf_reset(&o.buf);
    rig_read_ref(&o.rig, shard, ref, o.rig.mint_ms, INT64_MAX, &o.buf);
    size_t want = s->count - s->first;
    ck_assert_msg(o.buf.cols.count == want, "seed %lu: %s has %zu samples, not %zu", o.seed,
                  s->text, o.buf.cols.count, want);
    for (size_t i = 0; i < want; i++) {
        bool is_same = o.buf.cols.ts_ms[i] == s->t[s->first + i] &&
                       bits_of_double(o.buf.cols.value[i]) == s->v[s->first + i];
        ck_assert_msg(is_same, "seed %lu: sample %zu of %s", o.seed, i, s->text);
    }
    struct head_last last;
    head_read_last(o.rig.head, shard, &ref, 1, &last);
    if (want == 0) return;
    ck_assert_int_eq(last.ts_ms, s->t[s->count - 1]);
    ck_assert_uint_eq(last.value_bits, s->v[s->count - 1]);
}

static void compare_found(void *arg, struct str labels, uint32_t shard, uint32_t ref)
{
    bool *seen = arg;
    for (int i = 0; i < SERIES; i++) {
        if (!str_eq(labels, str_of_z(o.series[i].text))) continue;
        ck_assert_msg(!seen[i], "seed %lu: %s twice", o.seed, o.series[i].text);
        seen[i] = true;
        compare_series(&o.series[i], shard, ref);
    }
}

static void compare_all(void)
{
    bool seen[SERIES] = { false };
    rig_each(&o.rig, compare_found, seen);
    for (int i = 0; i < SERIES; i++)
        ck_assert_msg(seen[i] || o.series[i].first == o.series[i].count, "seed %lu: %s is missing",
                      o.seed, o.series[i].text);
}

static void act_truncate(void)
{
    int64_t mint =
        block_start(o.now, RIG_RANGE_MS) - RIG_RANGE_MS / 2 * (int64_t)rng_below(&o.rng, 2);
    mint = block_start(mint, RIG_RANGE_MS);
    if (mint <= o.rig.mint_ms) return;
    head_begin_cut(o.rig.head, mint);
    head_set_mint(o.rig.head, mint);
    o.rig.mint_ms = mint;
    bool done = false;
    struct err err = { 0 };
    ck_assert_int_eq(head_truncate(o.rig.head, &done, &err), ERR_OK);
    ck_assert(done);
    for (int i = 0; i < SERIES; i++) {
        struct model_series *s = &o.series[i];
        while (s->first < s->count && s->t[s->first] < mint)
            s->first++;
    }
}

static void act_other(void)
{
    struct err err = { 0 };
    switch (rng_below(&o.rng, 9)) {
    case 0: rig_reopen(&o.rig); break;
    case 1: ck_assert_int_eq(head_flush_chunks(o.rig.head, &err), ERR_OK); break;
    case 2: o.rig.journal.epoch++; break;
    case 3: o.rig.journal.epoch_every = rng_below(&o.rng, 20); break;
    case 4: act_truncate(); break;
    case 5: ck_assert_int_eq(head_checkpoint(o.rig.head, 4, &err), ERR_OK); break;
    case 6: o.series[rng_below(&o.rng, SERIES)].is_gone = true; break;
    case 7: o.series[rng_below(&o.rng, SERIES)].is_gone = false; break;
    default: /* a jump in time */
        o.now += RIG_RANGE_MS / 4;
        clock_fake_advance_ms(&o.rig.clock, RIG_RANGE_MS / 4);
        break;
    }
}

START_TEST(head_equals_the_naive_model)
{
    o.seed = (uint64_t)_i + 1;
    const char *given = getenv("PHAROS_TEST_SEED");
    if (given != NULL) o.seed = strtoull(given, NULL, 10);
    rng_init(&o.rng, o.seed);
    rig_setup(&o.rig);
    o.rig.file_bytes = 4096;
    rig_reopen(&o.rig);
    sample_buf_init(&o.buf, mem_source_of(o.rig.mem, MEM_QUERY));
    o.now = RIG_START_MS;
    model_init();
    for (int step = 0; step < 600; step++) {
        act_append();
        if (rng_below(&o.rng, 12) == 0) act_other();
        if (rng_below(&o.rng, 60) == 0) compare_all();
    }
    compare_all();
    rig_reopen(&o.rig);
    compare_all();
    ck_assert_uint_eq(stat_get(&o.rig.head->stats.replay_dropped), 0);
    ck_assert_uint_eq(stat_get(&o.rig.head->stats.replay_damaged_records), 0);
    ck_assert_uint_eq(stat_get(&o.rig.head->stats.head_chunks_missing), 0);
    sample_buf_deinit(&o.buf);
    rig_deinit(&o.rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_oracle");
    TCase *tc = tcase_create("oracle");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, head_equals_the_naive_model, 0, 8);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
