/* SPDX-License-Identifier: Apache-2.0
 *
 * The query side against naive scans: random series that come and go, random matchers of all kinds,
 * cuts, collections and restarts between the queries.
 */
#include <check.h>

#include "engine_rig.h"

static const char *const NAMES[] = { "__name__", "job", "instance", "env", "path", "zone" };
#define NAME_COUNT (sizeof NAMES / sizeof NAMES[0])

static void random_value(struct engine_rig *r, size_t name, char out[32])
{
    static const char *const metrics[] = { "up", "requests_total", "requests_sum", "temperature" };
    static const char *const envs[] = { "prod", "dev", "production" };
    switch (name) {
    case 0: (void)snprintf(out, 32, "%s", metrics[rng_below(&r->rng, 4)]); return;
    case 1: (void)snprintf(out, 32, "job%llu", (unsigned long long)rng_below(&r->rng, 5)); return;
    case 2:
        (void)snprintf(out, 32, "10.0.0.%llu:9100", (unsigned long long)rng_below(&r->rng, 40));
        return;
    case 3: (void)snprintf(out, 32, "%s", envs[rng_below(&r->rng, 3)]); return;
    case 4:
        (void)snprintf(out, 32, "/api/v%llu", (unsigned long long)rng_below(&r->rng, 300));
        return;
    default: (void)snprintf(out, 32, "z%llu", (unsigned long long)rng_below(&r->rng, 2)); return;
    }
}

static struct model_series *random_series(struct engine_rig *r)
{
    char key[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < NAME_COUNT; i++) {
        char value[32];
        if (i > 0 && rng_below(&r->rng, 4) == 0) continue; /* without this label */
        random_value(r, i, value);
        used += (size_t)snprintf(key + used, sizeof key - used, "%s%s=%s", i > 0 ? "," : "",
                                 NAMES[i], value);
    }
    return engine_rig_series(r, key);
}

struct matcher_sample {
    enum match_type type;
    const char *name, *value;
};

static const struct matcher_sample MATCHERS[] = {
    { MATCH_EQ, "__name__", "up" },
    { MATCH_EQ, "__name__", "requests_total" },
    { MATCH_RE, "__name__", "requests_.*" },
    { MATCH_RE, "__name__", "up|temperature" },
    { MATCH_RE, "__name__", ".+" },
    { MATCH_EQ, "job", "job1" },
    { MATCH_NE, "job", "job1" },
    { MATCH_EQ, "job", "" },
    { MATCH_NE, "job", "" },
    { MATCH_EQ, "job", "nowhere" },
    { MATCH_NE, "job", "nowhere" },
    { MATCH_RE, "job", "job[12]" },
    { MATCH_NRE, "job", "job[12]" },
    { MATCH_RE, "job", "job1|" },
    { MATCH_NRE, "job", "job1|" },
    { MATCH_RE, "job", ".*" },
    { MATCH_NRE, "job", ".*" },
    { MATCH_RE, "job", ".+" },
    { MATCH_NRE, "job", ".+" },
    { MATCH_RE, "instance", "10\\.0\\.0\\.1.*" },
    { MATCH_NRE, "instance", "10\\.0\\.0\\.1.*" },
    { MATCH_RE, "instance", ".*9100" },
    { MATCH_RE, "instance", ".*0\\.3.*" },
    { MATCH_NRE, "instance", ".*0\\.3.*" },
    { MATCH_RE, "instance", "10.+[02468]:9100" },
    { MATCH_EQ, "env", "prod" },
    { MATCH_RE, "env", "prod.*" },
    { MATCH_RE, "env", "prod" },
    { MATCH_NRE, "env", "prod|dev" },
    { MATCH_RE, "path", "/api/v1.*" },
    { MATCH_RE, "path", "/api/v(1|2)?3" },
    { MATCH_NRE, "path", "/api/v.*7" },
    { MATCH_RE, "path", "(/api/v5.*)?" },
    { MATCH_EQ, "absent", "" },
    { MATCH_NE, "absent", "" },
    { MATCH_RE, "absent", ".*" },
    { MATCH_RE, "absent", "x|" },
    { MATCH_NRE, "absent", "x" },
    { MATCH_EQ, "zone", "z1" },
    { MATCH_NE, "zone", "z0" },
};
#define MATCHER_COUNT (sizeof MATCHERS / sizeof MATCHERS[0])

static void check_random_query(struct engine_rig *r, const struct matcher *all)
{
    struct matcher chosen[5];
    size_t n = 1 + rng_below(&r->rng, 4);
    for (size_t i = 0; i < n; i++)
        chosen[i] = all[rng_below(&r->rng, MATCHER_COUNT)];
    int64_t span = r->now_ms - ENGINE_START_MS + 1;
    int64_t maxt = r->now_ms - (int64_t)rng_below(&r->rng, 4) * span / 5;
    int64_t mint = maxt - (int64_t)rng_below(&r->rng, (uint64_t)span);
    if (rng_below(&r->rng, 3) == 0) mint = maxt - 300000;
    struct source_request req = { .matchers = { chosen, n },
                                  .mint_ms = mint,
                                  .maxt_ms = maxt,
                                  .only_newest = rng_below(&r->rng, 2) == 0 };
    engine_rig_check(r, &req);
}

/* One scrape of a random part of the series that are alive. */
static void scrape(struct engine_rig *r, struct model_series **alive, size_t count)
{
    batch_maker_begin(&r->maker);
    for (size_t i = 0; i < count; i++) {
        if (rng_below(&r->rng, 10) == 0) continue;
        double v = rng_below(&r->rng, 50) == 0 ? stale_nan() : (double)rng_below(&r->rng, 5);
        struct model_series *s = alive[i];
        if (s->count > 0 && s->samples[s->count - 1].ts_ms == r->now_ms) continue;
        engine_rig_sample(r, s, v);
    }
    engine_rig_commit(r);
}

#define ALIVE 120

START_TEST(answers_are_those_of_a_scan)
{
    struct engine_rig r;
    struct matcher all[MATCHER_COUNT];
    struct model_series *alive[ALIVE];
    engine_rig_setup(&r, (uint64_t)_i + 1);
    for (size_t i = 0; i < MATCHER_COUNT; i++)
        all[i] = engine_rig_matcher(&r, MATCHERS[i].type, MATCHERS[i].name, MATCHERS[i].value);
    for (size_t i = 0; i < ALIVE; i++)
        alive[i] = random_series(&r);
    for (int round = 0; round < 60; round++) {
        for (int k = 0; k < 4; k++) {
            scrape(&r, alive, ALIVE);
            engine_rig_advance(&r, 60000);
        }
        for (size_t i = 0; i < ALIVE; i++)
            if (rng_below(&r.rng, 12) == 0) alive[i] = random_series(&r);
        for (int q = 0; q < 6; q++)
            check_random_query(&r, all);
        engine_rig_advance(&r, (int64_t)rng_below(&r.rng, 1800000));
        if (round % 12 == 11) engine_rig_cut(&r);
        if (round % 20 == 19) engine_rig_reopen(&r);
    }
    engine_rig_teardown(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("select_oracle");
    TCase *tc = tcase_create("oracle");
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, answers_are_those_of_a_scan, 0, 4);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
