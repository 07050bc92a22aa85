/* SPDX-License-Identifier: Apache-2.0
 *
 * Queries beside appends, cuts and collections: for the thread sanitizer, and for the promise that a
 * query sees every sample that was appended before it began, once, wherever it lies by then.
 */
#include <check.h>
#include <sched.h>

#include "engine_rig.h"

#define APPENDERS 2
#define READERS 2
#define SERIES 24
#define CHURN 6
#define ROUNDS 3000
#define STEP_MS 60000

static struct engine_rig rig;
static _Atomic int running;                  /* appenders that are not finished */
static _Atomic int64_t committed[APPENDERS]; /* rounds */

struct worker {
    int id;
    struct batch_maker maker;
};

static double value_of(int64_t round, int i)
{
    return (double)(round / (1 + i % 4));
}

static void append_round(struct worker *w, int round)
{
    char key[96];
    struct append_result result;
    struct err err = { 0 };
    int64_t t = ENGINE_START_MS + (int64_t)round * STEP_MS;
    batch_maker_begin(&w->maker);
    for (int i = 0; i < SERIES; i++) {
        (void)snprintf(key, sizeof key, "__name__=live,a=%d,i=%d", w->id, i);
        batch_maker_one(&w->maker, key, t, value_of(round, i));
    }
    for (int i = 0; i < CHURN; i++) {
        (void)snprintf(key, sizeof key, "__name__=churn,a=%d,i=%d,pod=p%d", w->id, i, round / 10);
        batch_maker_one(&w->maker, key, t, (double)round);
    }
    enum err_code rc = metrics_append(rig.engine, &w->maker.batch, &result, &err);
    ck_assert_msg(rc == ERR_OK, "append: %s", err.msg);
    ck_assert_uint_eq(result.outcomes[BATCH_STORED], SERIES + CHURN);
    atomic_store(&committed[w->id], round + 1);
}

static void appender_main(void *arg)
{
    struct worker *w = arg;
    for (int round = 0; round < ROUNDS; round++) {
        /* Neither runs away: a cut must not overtake the slower one. */
        while (round - atomic_load(&committed[1 - w->id]) > 20)
            (void)sched_yield();
        append_round(w, round);
    }
    atomic_fetch_sub(&running, 1);
}

/* ---- readers ---- */

static bool is_wrong(const struct sample_columns *c, int64_t first, int i)
{
    for (size_t k = 0; k < c->count; k++) {
        int64_t round = first + (int64_t)k;
        if (c->ts_ms[k] != ENGINE_START_MS + round * STEP_MS) return true;
        if (bits_of_double(c->value[k]) != bits_of_double(value_of(round, i))) return true;
    }
    return false;
}

static int number_of(struct labels l, struct str name)
{
    uint64_t n = 0;
    ck_assert(str_to_u64(labels_get(l, name), &n));
    return (int)n;
}

/* All live series in a random range: complete up to what was committed before. */
static void check_live(struct rng *rng, struct arena *a)
{
    struct matcher m = { MATCH_EQ, LABEL_METRIC_NAME, STR("live"), NULL };
    int64_t before[APPENDERS];
    int64_t newest = 0;
    for (int i = 0; i < APPENDERS; i++) {
        before[i] = atomic_load(&committed[i]);
        if (before[i] > newest) newest = before[i];
    }
    if (newest == 0) return;
    int64_t first = (int64_t)rng_below(rng, (uint64_t)newest);
    struct source_request req = { .matchers = { &m, 1 },
                                  .mint_ms = ENGINE_START_MS + first * STEP_MS,
                                  .maxt_ms = INT64_MAX / 4,
                                  .only_newest = rng_below(rng, 3) == 0 };
    struct series_set *set = engine_rig_select(&rig, &req);
    struct series_reader *reader;
    struct err err = { 0 };
    ck_assert_int_eq(set->ops->reader_create(set, rig.mem, &reader, &err), ERR_OK);
    size_t count = set->ops->count(set);
    size_t complete = 0;
    for (size_t i = 0; i < count; i++) {
        struct labels l;
        struct sample_columns c;
        ck_assert_int_eq(set->ops->labels(set, i, a, &l, &err), ERR_OK);
        int id = number_of(l, STR("a"));
        enum err_code rc = set->ops->read(reader, i, &c, &err);
        ck_assert_msg(rc == ERR_OK, "read: %s %s", err.msg, err.detail);
        if (c.count == 0) continue;
        int64_t from = (c.ts_ms[0] - ENGINE_START_MS) / STEP_MS;
        ck_assert_msg(req.only_newest ? c.count == 1 : from == first, "begins at %lld, not %lld",
                      (long long)from, (long long)first);
        ck_assert(!is_wrong(&c, from, number_of(l, STR("i"))));
        complete += from + (int64_t)c.count >= before[id];
    }
    size_t want = 0;
    for (int i = 0; i < APPENDERS; i++)
        want += before[i] > first ? SERIES : 0;
    ck_assert_msg(complete >= want, "%zu complete series of %zu", complete, want);
    set->ops->reader_destroy(reader);
    set->ops->destroy(set);
}

static void check_values(struct arena *a)
{
    struct source source = metrics_source(rig.engine);
    struct label_query q = { .mint_ms = ENGINE_START_MS, .maxt_ms = INT64_MAX / 4 };
    struct str_list list;
    struct err err = { 0 };
    int64_t rounds = atomic_load(&committed[0]);
    ck_assert_int_eq(source.ops->label_values(source.ctx, STR("pod"), &q, a, &list, &err), ERR_OK);
    size_t wrong = 0;
    for (size_t i = 1; i < list.len; i++)
        wrong += str_cmp(list.ptr[i - 1], list.ptr[i]) >= 0;
    ck_assert_uint_eq(wrong, 0);
    ck_assert_int_ge((int64_t)list.len, (rounds + 9) / 10);
    ck_assert_int_eq(source.ops->label_names(source.ctx, &q, a, &list, &err), ERR_OK);
}

static void check_regex(struct arena *a, struct regex *re)
{
    struct matcher m[] = { { MATCH_RE, STR("pod"), regex_pattern(re), re },
                           { MATCH_NE, STR("i"), STR("1"), NULL } };
    struct source_request req = { .matchers = { m, 2 },
                                  .mint_ms = ENGINE_START_MS,
                                  .maxt_ms = INT64_MAX / 4 };
    struct series_set *set = engine_rig_select(&rig, &req);
    struct err err = { 0 };
    for (size_t i = 0; i < set->ops->count(set); i++) {
        struct labels l;
        ck_assert_int_eq(set->ops->labels(set, i, a, &l, &err), ERR_OK);
        ck_assert(matchers_match(req.matchers, l));
    }
    set->ops->destroy(set);
}

static void reader_main(void *arg)
{
    struct worker *w = arg;
    struct arena arena;
    struct rng rng;
    struct regex *re = NULL;
    struct err err = { 0 };
    rng_init(&rng, (uint64_t)w->id + 1);
    arena_init(&arena, mem_source_of(rig.mem, MEM_QUERY), (size_t)64 << 20);
    ck_assert_int_eq(regex_compile(rig.mem, STR("p.*[37]"), REGEX_FULL, &re, &err), ERR_OK);
    while (atomic_load(&running) > 0) {
        check_live(&rng, &arena);
        check_values(&arena);
        check_regex(&arena, re);
        arena_reset(&arena);
    }
    regex_unref(re);
    arena_deinit(&arena);
}

static void maintain(void)
{
    struct err err = { 0 };
    int64_t end = INT64_MAX;
    for (int i = 0; i < APPENDERS; i++) {
        int64_t t = ENGINE_START_MS + (atomic_load(&committed[i]) - 1) * STEP_MS;
        if (t < end) end = t;
    }
    end -= end % ENGINE_RANGE_MS;
    enum err_code rc = metrics_cut_head(rig.engine, end, &err);
    ck_assert_msg(rc == ERR_OK, "cut: %s %s", err.msg, err.detail);
    rc = metrics_maintain(rig.engine, &err);
    ck_assert_msg(rc == ERR_OK, "maintain: %s %s", err.msg, err.detail);
}

START_TEST(queries_see_all_that_was_appended_before)
{
    struct worker workers[APPENDERS + READERS] = { 0 };
    struct thread threads[APPENDERS + READERS] = { 0 };
    struct err err = { 0 };
    engine_rig_setup(&rig, 1);
    engine_rig_advance(&rig, (int64_t)ROUNDS * STEP_MS);
    atomic_store(&running, APPENDERS);
    for (int i = 0; i < APPENDERS + READERS; i++) {
        bool is_appender = i < APPENDERS;
        workers[i].id = is_appender ? i : i - APPENDERS;
        if (is_appender) batch_maker_init(&workers[i].maker, rig.mem);
        ck_assert_int_eq(thread_start(&threads[i], is_appender ? "append" : "read",
                                      is_appender ? appender_main : reader_main, &workers[i], &err),
                         ERR_OK);
    }
    while (atomic_load(&running) > 0)
        maintain();
    for (int i = 0; i < APPENDERS + READERS; i++)
        thread_join(&threads[i]);
    for (int i = 0; i < APPENDERS; i++)
        batch_maker_deinit(&workers[i].maker);
    maintain();
    struct rng rng;
    rng_init(&rng, 9);
    for (int i = 0; i < 20; i++)
        check_live(&rng, &rig.arena);
    engine_rig_teardown(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("select_threads");
    TCase *tc = tcase_create("threads");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, queries_see_all_that_was_appended_before);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
