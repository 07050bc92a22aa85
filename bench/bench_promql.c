/* SPDX-License-Identifier: Apache-2.0
 *
 * The PromQL engine by itself: a made-up store hands out ready columns, so that what is timed is windows, aggregation
 * and book-keeping, not decoding.
 *
 *     bench_promql [series [samples]]      default 200,000 x 240, one sample every 15 s
 *
 * 500 series share the times of a target; values are counters without resets, one in eight series with a reset.
 * Prints the median of 5 runs in wall and CPU time, and the spread.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/rng.h"
#include "query/promql/engine.h"

#define RUNS 5
#define STEP_MS 15000
#define END_MS 1700000000000
#define PER_TARGET 500
#define SHAPES 64

struct fleet {
    struct series_set set;
    size_t series, samples;
    int64_t *ts_ms;        /* [targets][samples] */
    double *value[SHAPES]; /* [samples] */
};

struct fleet_reader {
    struct series_reader base;
    const struct fleet *fleet;
};

static struct fleet *fleet_of(const struct series_set *s)
{
    return (struct fleet *)(uintptr_t)s;
}

static size_t set_count(const struct series_set *s)
{
    return fleet_of(s)->series;
}

static enum err_code set_labels(const struct series_set *s, size_t i, struct arena *a,
                                struct labels *out, struct err *err)
{
    struct label *l = arena_array(a, struct label, 3);
    (void)s;
    (void)err;
    ASSERT(l != NULL);
    l[0] = (struct label){ STR("__name__"), STR("m_total") };
    l[1] = (struct label){ STR("instance"), arena_printf(a, "host-%zu", i / PER_TARGET) };
    l[2] = (struct label){ STR("shard"), arena_printf(a, "%zu", i % PER_TARGET) };
    *out = (struct labels){ l, 3 };
    return ERR_OK;
}

/* As a store does it: by ids, here the number of the target or of the series. */
static enum err_code set_group_hashes(const struct series_set *s, size_t first, size_t n,
                                      const struct label_grouping *g, struct hash128 *out,
                                      struct err *err)
{
    (void)s;
    (void)err;
    bool by_target = g->count == 1 && !g->is_without;
    for (size_t i = 0; i < n; i++) {
        uint64_t id = by_target ? (first + i) / PER_TARGET : first + i;
        out[i] = (struct hash128){ hash64(&id, sizeof id, 0), id };
    }
    return ERR_OK;
}

static enum err_code reader_create(const struct series_set *s, struct mem_budget *mem,
                                   struct series_reader **out, struct err *err)
{
    struct fleet_reader *r = calloc(1, sizeof *r);
    (void)mem;
    (void)err;
    ASSERT(r != NULL);
    *r = (struct fleet_reader){ { s->ops }, fleet_of(s) };
    *out = &r->base;
    return ERR_OK;
}

static void reader_destroy(struct series_reader *r)
{
    free(r);
}

static enum err_code reader_read(struct series_reader *r, size_t i, struct sample_columns *out,
                                 struct err *err)
{
    const struct fleet *f = ((const struct fleet_reader *)r)->fleet;
    (void)err;
    *out = (struct sample_columns){ .ts_ms = f->ts_ms + i / PER_TARGET * f->samples,
                                    .value = f->value[i % SHAPES],
                                    .count = f->samples,
                                    .cap = f->samples };
    return ERR_OK;
}

static void set_destroy(struct series_set *s)
{
    (void)s;
}

static const struct series_set_ops OPS = { set_count,     set_labels,     set_group_hashes,
                                           reader_create, reader_destroy, reader_read,
                                           set_destroy };

static enum err_code select_all(void *ctx, const struct source_request *req, struct mem_budget *mem,
                                struct series_set **out, struct err *err)
{
    struct fleet *f = ctx;
    (void)req;
    (void)mem;
    (void)err;
    *out = &f->set;
    return ERR_OK;
}

static const struct source_ops SOURCE = { .select = select_all };

static void fleet_init(struct fleet *f, size_t series, size_t samples)
{
    struct rng rng;
    size_t targets = (series + PER_TARGET - 1) / PER_TARGET;
    rng_init(&rng, 7);
    *f = (struct fleet){ .set = { &OPS }, .series = series, .samples = samples };
    f->ts_ms = malloc(targets * samples * sizeof *f->ts_ms);
    ASSERT(f->ts_ms != NULL);
    for (size_t t = 0; t < targets; t++) {
        int64_t shift = (int64_t)rng_below(&rng, STEP_MS);
        for (size_t i = 0; i < samples; i++) {
            f->ts_ms[t * samples + i] = END_MS - (int64_t)(samples - 1 - i) * STEP_MS - shift;
        }
    }
    for (size_t k = 0; k < SHAPES; k++) {
        double v = (double)rng_below(&rng, 1000000);
        f->value[k] = malloc(samples * sizeof(double));
        ASSERT(f->value[k] != NULL);
        for (size_t i = 0; i < samples; i++) {
            v += (double)rng_below(&rng, 100);
            if (k % 8 == 0 && i == samples / 2) v = 0;
            f->value[k][i] = v;
        }
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, double *seconds, const char *unit)
{
    qsort(seconds, RUNS, sizeof *seconds, by_value);
    printf("%-46s %8.4f %s (%.4f to %.4f)\n", name, seconds[RUNS / 2], unit, seconds[0],
           seconds[RUNS - 1]);
}

static void run(struct promql_engine *e, struct mem_budget *mem, const char *text, int64_t step_ms)
{
    double wall[RUNS], cpu[RUNS];
    char name[128];
    for (int i = -1; i < RUNS; i++) { /* one to warm up */
        struct promql_result r = { 0 };
        struct err err = { 0 };
        struct arena a;
        struct promql_query q = { .text = str_of_z(text),
                                  .start_ms = step_ms ? END_MS - 3600000 : END_MS,
                                  .end_ms = END_MS,
                                  .step_ms = step_ms };
        arena_init(&a, mem_source_of(mem, MEM_QUERY), (size_t)2 << 30);
        uint64_t begin = clock_mono_ns(clock_system()), cpu_begin = clock_process_cpu_ns();
        enum err_code rc = promql_engine_query(e, &q, &a, &r, NULL, &err);
        if (rc != ERR_OK) {
            (void)fprintf(stderr, "%s: %s\n", text, err.detail);
            exit(EXIT_FAILURE);
        }
        if (i >= 0) {
            wall[i] = (double)(clock_mono_ns(clock_system()) - begin) / 1e9;
            cpu[i] = (double)(clock_process_cpu_ns() - cpu_begin) / 1e9;
        }
        arena_deinit(&a);
    }
    (void)snprintf(name, sizeof name, "%s%s", text, step_ms ? " 1h" : "");
    report(name, wall, "s wall");
    report(name, cpu, "s CPU");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *text;
        bool is_range;
    } QUERIES[] = {
        { "sum(rate(m_total[1m]))", true },
        { "sum by (instance) (rate(m_total[1m]))", true },
        { "sum(rate(m_total[5m]))", true },
        { "avg(avg_over_time(m_total[5m]))", true },
        { "max(m_total)", true },
        { "sum(m_total * 2)", true },
        { "count(m_total)", false },
        { "topk(10, rate(m_total[5m]))", false },
        { "quantile(0.9, m_total)", false },
        { "m_total > 1e9", false },
    };
    struct fleet f;
    struct err err = { 0 };
    struct promql_engine *e;
    struct mem_budget *mem = mem_budget_create((uint64_t)4 << 30);
    fleet_init(&f, argc > 1 ? strtoul(argv[1], NULL, 10) : 200000,
               argc > 2 ? strtoul(argv[2], NULL, 10) : 240);
    struct promql_engine_options o = { .source = { &f, &SOURCE },
                                       .clock = clock_system(),
                                       .mem = mem };
    if (!mem || promql_engine_create(&o, &e, &err) != ERR_OK) return 1;
    for (size_t i = 0; i < sizeof QUERIES / sizeof QUERIES[0]; i++)
        run(e, mem, QUERIES[i].text, QUERIES[i].is_range ? STEP_MS : 0);
    promql_engine_destroy(e);
    return 0;
}
