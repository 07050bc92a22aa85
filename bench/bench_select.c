/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_select - the query side of the metrics engine below PromQL: matchers, label values, newest
 * samples and whole ranges out of the head.
 *
 *     bench_select [directory] [series of the index part]
 *
 * Load      Part 1, "samples": 200,000 series of one metric with 240 samples 15 s apart; two thirds
 *           are constant, the others counters with uneven steps. Part 2, "blocks": 50,000 series in
 *           two blocks and the head. Part 3, "index": 1,000,000 series with one sample, 10 labels,
 *           100,000 pods, as a fleet of 2,000 instances has them.
 *           The PromQL engine with two workers runs over part 1 as well.
 * Output    name value unit; CPU time of the calling thread, the median of 5 runs. PromQL: the
 *           best wall time of 5 runs, and its CPU time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/rng.h"
#include "codec/regex.h"
#include "metrics/metrics.h"
#include "os/clock.h"
#include "os/file_layer.h"
#include "os/mem.h"
#include "os/thread.h"
#include "query/promql/engine.h"

#define REQUEST_SERIES 2000
#define KEY_SIZE 300
#define T0 1700006400000ll
#define INTERVAL_MS 15000
#define SAMPLE_SERIES 200000
#define SAMPLES 240
#define BLOCK_SERIES 50000
#define RUNS 5

struct bench {
    const char *dir;
    struct mem_budget *mem;
    struct clock_fake clock;
    struct metrics *engine;
    struct source source;
    struct arena arena, answers;
    struct rng rng;
    size_t (*make_key)(char *out, size_t i);
    uint64_t *refs; /* of the series, so that later scrapes need no labels */
    double *values;
    size_t series_count;
    int64_t interval_ms;
};

static void fail(const char *what, const struct err *err)
{
    char text[700];
    err_text(err, text, sizeof text);
    fprintf(stderr, "%s: %s\n", what, text);
    exit(1);
}

static void print(const char *name, double value, const char *unit)
{
    printf("%-44s %12.2f %s\n", name, value, unit);
    fflush(stdout);
}

/* ---- load ---- */

static enum err_code decode(const struct batch *batch, const struct batch_series *s,
                            struct labels_builder *b, struct labels *out, struct err *err)
{
    (void)batch;
    const char *p = (const char *)s->key.ptr;
    const char *end = p + s->key.len;
    while (p < end) {
        struct str name = str_of_z(p);
        p += name.len + 1;
        struct str value = str_of_z(p);
        p += value.len + 1;
        labels_builder_add(b, name, value);
    }
    const struct label_limits limits = LABEL_LIMITS_DEFAULT;
    return labels_builder_finish(b, &limits, out, err);
}

static size_t put(char *out, const char *name, const char *before, size_t n, const char *after)
{
    return (size_t)sprintf(out, "%s", name) + 1 +
           (size_t)sprintf(out + strlen(name) + 1, "%s%zu%s", before, n, after) + 1;
}

/* One metric on 2,000 instances, 100 paths each. */
static size_t sample_key(char *out, size_t i)
{
    size_t instance = i / 100;
    size_t n = 0;
    n += put(out + n, "__name__", "m", 0, "");
    n += put(out + n, "cluster", "eu-central-", instance % 3, "");
    n += put(out + n, "code", "20", i % 4, "");
    n += put(out + n, "instance", "10.0.3.", instance, ":9100");
    n += put(out + n, "job", "service-", instance % 20, "");
    n += put(out + n, "namespace", "team-", instance % 40, "");
    n += put(out + n, "path", "/api/v1/things/", i % 100, "");
    n += put(out + n, "pod", "service-7d9f8b6c5d-", 10000 + instance, "");
    n += put(out + n, "zone", "z", instance % 3, "");
    return n;
}

/* 500 metrics on 2,000 instances; 100,000 pods of 10 series. */
static size_t index_key(char *out, size_t i)
{
    size_t instance = i / 500;
    size_t n = 0;
    n += put(out + n, "__name__", "metric_", i % 500, "_total");
    n += put(out + n, "cluster", "eu-central-", instance % 3, "");
    n += put(out + n, "code", "20", i % 4, "");
    n += put(out + n, "container", "c", i % 7, "");
    n += put(out + n, "instance", "10.0.3.", instance, ":9100");
    n += put(out + n, "job", "service-", instance % 20, "");
    n += put(out + n, "namespace", "team-", instance % 40, "");
    n += put(out + n, "node", "node-", instance % 400, "");
    n += put(out + n, "pod", "service-7d9f8b6c5d-", 100000 + i / 10, "-x");
    n += put(out + n, "zone", "z", instance % 3, "");
    return n;
}

static void open_engine(struct bench *b, const char *sub)
{
    char dir[500];
    (void)snprintf(dir, sizeof dir, "%s/%s", b->dir, sub);
    struct metrics_options o = { .files = file_layer_posix(),
                                 .clock = &b->clock.clock,
                                 .mem = b->mem,
                                 .dir = dir,
                                 .durability = JOURNAL_OFF,
                                 .without_maintenance = true };
    struct err err = { 0 };
    if (metrics_open(&o, NULL, NULL, &b->engine, &err) != ERR_OK) fail("open", &err);
    b->source = metrics_source(b->engine);
}

static void close_engine(struct bench *b)
{
    struct err err = { 0 };
    if (metrics_close(b->engine, &err) != ERR_OK) fail("close", &err);
    free(b->refs);
    free(b->values);
}

static void append(struct bench *b, size_t first, size_t n, int64_t t)
{
    static char keys[REQUEST_SERIES][KEY_SIZE];
    struct append_result result;
    struct err err = { 0 };
    arena_reset(&b->arena);
    struct batch batch = { .arena = &b->arena, .decode = decode };
    batch.series = arena_array_raw(&b->arena, struct batch_series, n);
    batch.samples = arena_array_raw(&b->arena, struct sample, n);
    batch.series_count = batch.sample_count = n;
    for (size_t i = 0; i < n; i++) {
        struct batch_series s = { .sample_first = (uint32_t)i, .sample_count = 1 };
        s.ref.v = b->refs[first + i];
        if (s.ref.v == 0) {
            size_t len = b->make_key(keys[i], first + i);
            s.key = (struct bytes){ (const uint8_t *)keys[i], len };
            s.key_hash = hash128(keys[i], len, 5);
        }
        batch.series[i] = s;
        if (i % 3 == 2) b->values[first + i] += (double)rng_below(&b->rng, 2000);
        batch.samples[i] = (struct sample){ t, b->values[first + i] };
    }
    if (metrics_append(b->engine, &batch, &result, &err) != ERR_OK) fail("append", &err);
    if (result.outcomes[BATCH_STORED] != n) fail("refused", &result.first);
    for (size_t i = 0; i < n; i++)
        b->refs[first + i] = batch.series[i].ref.v;
}

static void load(struct bench *b, const char *name, size_t series_count, size_t samples)
{
    b->series_count = series_count;
    b->refs = calloc(series_count, sizeof *b->refs);
    b->values = calloc(series_count, sizeof *b->values);
    open_engine(b, name);
    for (size_t k = 0; k < samples; k++)
        for (size_t first = 0; first < series_count; first += REQUEST_SERIES)
            append(b, first,
                   series_count - first < REQUEST_SERIES ? series_count - first : REQUEST_SERIES,
                   T0 + (int64_t)k * b->interval_ms);
    print("index memory", (double)mem_used(b->mem, MEM_INDEX) / (double)series_count,
          "bytes/series");
}

/* ---- measuring ---- */

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Median CPU time in ns; the first run is thrown away. */
static double measure(struct bench *b, void (*fn)(struct bench *b, void *arg), void *arg)
{
    uint64_t times[RUNS];
    fn(b, arg);
    for (size_t i = 0; i < RUNS; i++) {
        arena_reset(&b->answers);
        uint64_t start = clock_thread_cpu_ns();
        fn(b, arg);
        times[i] = clock_thread_cpu_ns() - start;
    }
    qsort(times, RUNS, sizeof times[0], compare_times);
    return (double)times[RUNS / 2];
}

struct selection {
    struct source_request req;
    uint64_t series, samples;
    double sum;
};

static struct series_set *select_all(struct bench *b, struct selection *s)
{
    struct series_set *set;
    struct err err = { 0 };
    if (b->source.ops->select(b->source.ctx, &s->req, b->mem, &set, &err) != ERR_OK)
        fail("select", &err);
    s->series = set->ops->count(set);
    return set;
}

static void read_range(struct bench *b, const struct series_set *set, size_t from, size_t to,
                       struct selection *s)
{
    struct series_reader *reader;
    struct err err = { 0 };
    if (set->ops->reader_create(set, b->mem, &reader, &err) != ERR_OK) fail("reader", &err);
    for (size_t i = from; i < to; i++) {
        struct sample_columns c;
        if (set->ops->read(reader, i, &c, &err) != ERR_OK) fail("read", &err);
        s->samples += c.count;
        if (c.count > 0) s->sum += c.value[c.count - 1];
    }
    set->ops->reader_destroy(reader);
}

static void run_select(struct bench *b, void *arg)
{
    struct selection *s = arg;
    struct series_set *set = select_all(b, s);
    set->ops->destroy(set);
}

static void run_read(struct bench *b, void *arg)
{
    struct selection *s = arg;
    struct series_set *set = select_all(b, s);
    s->samples = 0;
    s->sum = 0;
    read_range(b, set, 0, s->series, s);
    set->ops->destroy(set);
}

struct group_run {
    struct selection selection;
    struct label_grouping grouping;
};

static void run_groups(struct bench *b, void *arg)
{
    struct group_run *g = arg;
    struct err err = { 0 };
    struct series_set *set = select_all(b, &g->selection);
    struct hash128 *out = malloc(g->selection.series * sizeof *out);
    if (set->ops->group_hashes(set, 0, g->selection.series, &g->grouping, out, &err) != ERR_OK)
        fail("groups", &err);
    free(out);
    set->ops->destroy(set);
}

struct values_run {
    struct str name;
    struct label_query query;
    size_t count;
};

static void run_values(struct bench *b, void *arg)
{
    struct values_run *v = arg;
    struct str_list list;
    struct err err = { 0 };
    if (b->source.ops->label_values(b->source.ctx, v->name, &v->query, &b->answers, &list, &err) !=
        ERR_OK)
        fail("values", &err);
    v->count = list.len;
}

/* ---- parts ---- */

struct half {
    struct bench *b;
    const struct series_set *set;
    size_t from, to;
    struct selection s;
};

static void read_half(void *arg)
{
    struct half *h = arg;
    read_range(h->b, h->set, h->from, h->to, &h->s);
}

/* Wall time of a range read by two threads. */
static void bench_two_threads(struct bench *b, struct selection *s)
{
    struct err err = { 0 };
    uint64_t start = clock_mono_ns(clock_system());
    struct series_set *set = select_all(b, s);
    struct half halves[2] = { { .b = b, .set = set, .from = 0, .to = s->series / 2 },
                              { .b = b, .set = set, .from = s->series / 2, .to = s->series } };
    struct thread t = { 0 };
    if (thread_start(&t, "half", read_half, &halves[0], &err) != ERR_OK) fail("thread", &err);
    read_half(&halves[1]);
    thread_join(&t);
    set->ops->destroy(set);
    print("read 240 samples, 2 threads, wall time",
          (double)(clock_mono_ns(clock_system()) - start) / 1e6, "ms");
}

static double group_ms(struct bench *b, const struct selection *s, struct label_grouping grouping)
{
    struct group_run groups = { *s, grouping };
    double select_ns = measure(b, run_select, &groups.selection);
    return (measure(b, run_groups, &groups) - select_ns) / 1e6;
}

static void run_query(struct promql_engine *engine, const char *text, int64_t start, int64_t step,
                      struct bench *b)
{
    int64_t end = T0 + (SAMPLES - 1) * INTERVAL_MS;
    struct promql_query q = {
        .text = str_of_z(text), .start_ms = step != 0 ? start : end, .end_ms = end, .step_ms = step
    };
    uint64_t best_wall = UINT64_MAX;
    uint64_t best_cpu = 0;
    for (int i = 0; i < RUNS; i++) {
        struct promql_result result;
        struct err err = { 0 };
        arena_reset(&b->answers);
        uint64_t cpu = clock_process_cpu_ns();
        uint64_t wall = clock_mono_ns(clock_system());
        if (promql_engine_query(engine, &q, &b->answers, &result, NULL, &err) != ERR_OK)
            fail(text, &err);
        wall = clock_mono_ns(clock_system()) - wall;
        if (wall < best_wall) best_cpu = clock_process_cpu_ns() - cpu;
        if (wall < best_wall) best_wall = wall;
    }
    char name[100];
    (void)snprintf(name, sizeof name, "%s: wall", text);
    print(name, (double)best_wall / 1e6, "ms");
    (void)snprintf(name, sizeof name, "%s: CPU", text);
    print(name, (double)best_cpu / 1e6, "ms");
}

static void bench_promql(struct bench *b)
{
    struct promql_engine_options o = { .source = b->source,
                                       .clock = clock_system(),
                                       .mem = b->mem,
                                       .workers = 2,
                                       .query_bytes_max = (uint64_t)2 << 30 };
    struct promql_engine *engine = NULL;
    struct err err = { 0 };
    if (promql_engine_create(&o, &engine, &err) != ERR_OK) fail("engine", &err);
    run_query(engine, "count(m0)", 0, 0, b);
    run_query(engine, "count by (job) (m0)", 0, 0, b);
    run_query(engine, "sum(rate(m0[1m]))", T0, INTERVAL_MS, b);
    run_query(engine, "sum by (instance) (rate(m0[5m]))", T0, INTERVAL_MS, b);
    promql_engine_destroy(engine);
}

static void bench_samples(struct bench *b)
{
    struct matcher m = { MATCH_EQ, LABEL_METRIC_NAME, STR("m0"), NULL };
    int64_t end = T0 + (SAMPLES - 1) * INTERVAL_MS;
    b->make_key = sample_key;
    b->interval_ms = INTERVAL_MS;
    load(b, "samples", SAMPLE_SERIES, SAMPLES);
    struct selection newest = { .req = { .matchers = { &m, 1 },
                                         .mint_ms = end - 300000,
                                         .maxt_ms = end,
                                         .only_newest = true } };
    double ns = measure(b, run_select, &newest);
    print("newest: select", ns / 1e6, "ms");
    ns = measure(b, run_read, &newest);
    print("newest: select and read", ns / 1e6, "ms");
    struct selection past = newest;
    past.req.maxt_ms -= 600000;
    past.req.mint_ms -= 600000;
    print("newest, 10 min ago: select and read", measure(b, run_read, &past) / 1e6, "ms");
    struct selection range = { .req = { .matchers = { &m, 1 }, .mint_ms = T0, .maxt_ms = end } };
    ns = measure(b, run_read, &range);
    print("read 240 samples: select and read", ns / 1e6, "ms");
    print("read 240 samples", (double)range.samples / ns * 1000, "M samples/s");
    bench_two_threads(b, &range);
    struct str names[] = { STR("instance"), STR("job") };
    print("group keys by (job)",
          group_ms(b, &newest, (struct label_grouping){ names + 1, 1, false }), "ms");
    print("group keys by (instance, job)",
          group_ms(b, &newest, (struct label_grouping){ names, 2, false }), "ms");
    print("group keys without (instance)",
          group_ms(b, &newest, (struct label_grouping){ names, 1, true }), "ms");
    bench_promql(b);
    close_engine(b);
}

/* Two blocks and a head, all with the same series, and one sample a minute. */
static void bench_blocks(struct bench *b)
{
    struct matcher m = { MATCH_EQ, LABEL_METRIC_NAME, STR("m0"), NULL };
    struct err err = { 0 };
    int64_t block = 7200000;
    b->make_key = sample_key;
    b->interval_ms = 60000;
    load(b, "blocks", BLOCK_SERIES, 300);
    if (metrics_cut_head(b->engine, T0 + 2 * block, &err) != ERR_OK) fail("cut", &err);
    if (metrics_maintain(b->engine, &err) != ERR_OK) fail("maintain", &err);
    struct selection all = {
        .req = { .matchers = { &m, 1 }, .mint_ms = T0, .maxt_ms = T0 + 3 * block }
    };
    print("2 blocks and head: select", measure(b, run_select, &all) / 1e6, "ms");
    double ns = measure(b, run_read, &all);
    print("2 blocks and head: select and read", ns / 1e6, "ms");
    print("2 blocks and head: read", (double)all.samples / ns * 1000, "M samples/s");
    struct selection newest = all;
    newest.req.maxt_ms = T0 + block + 3600000;
    newest.req.mint_ms = newest.req.maxt_ms - 300000;
    newest.req.only_newest = true;
    print("newest in a block: select and read", measure(b, run_read, &newest) / 1e6, "ms");
    struct str names[] = { STR("instance"), STR("job") };
    print("2 blocks and head: keys by (job)",
          group_ms(b, &all, (struct label_grouping){ names + 1, 1, false }), "ms");
    print("in a block: keys by (job)",
          group_ms(b, &newest, (struct label_grouping){ names + 1, 1, false }), "ms");
    close_engine(b);
}

static void bench_matchers(struct bench *b, const char *name, struct matcher *m, size_t n)
{
    struct selection s = {
        .req = { .matchers = { m, n }, .mint_ms = T0, .maxt_ms = T0 + 1000, .only_newest = true }
    };
    struct err err = { 0 };
    char text[100];
    for (size_t i = 0; i < n; i++)
        if (m[i].type == MATCH_RE || m[i].type == MATCH_NRE)
            if (regex_compile(b->mem, m[i].value, REGEX_FULL, &m[i].re, &err) != ERR_OK)
                fail("regex", &err);
    double ns = measure(b, run_select, &s);
    (void)snprintf(text, sizeof text, "%s (%" PRIu64 " series)", name, s.series);
    print(text, ns / 1e3, "us");
    for (size_t i = 0; i < n; i++)
        if (m[i].re) regex_unref(m[i].re);
}

static void bench_values(struct bench *b, const char *name, struct matcher *m, size_t n)
{
    struct values_run v = { str_of_z(name),
                            { .matchers = { m, n }, .mint_ms = T0, .maxt_ms = T0 + 1000 },
                            0 };
    char text[100];
    double ns = measure(b, run_values, &v);
    (void)snprintf(text, sizeof text, "label values of %s%s (%zu)", name, n ? ", one metric" : "",
                   v.count);
    print(text, ns / 1e6, "ms");
}

/* The first query that needs the values in order sorts them. */
static void bench_first_order(struct bench *b)
{
    struct values_run v = { STR("pod"), { .mint_ms = T0, .maxt_ms = T0 + 1000 }, 0 };
    uint64_t start = clock_thread_cpu_ns();
    arena_reset(&b->answers);
    run_values(b, &v);
    print("first label values of pod: sorts them", (double)(clock_thread_cpu_ns() - start) / 1e6,
          "ms");
}

static void bench_index(struct bench *b, size_t series_count)
{
    b->make_key = index_key;
    load(b, "index", series_count, 1);
    bench_first_order(b);
    struct matcher metric = { MATCH_EQ, LABEL_METRIC_NAME, STR("metric_7_total"), NULL };
    struct matcher eq[] = { metric, { MATCH_EQ, STR("instance"), STR("10.0.3.77:9100"), NULL } };
    bench_matchers(b, "metric and instance", eq, 2);
    struct matcher job[] = { metric, { MATCH_EQ, STR("job"), STR("service-7"), NULL } };
    bench_matchers(b, "metric and job", job, 2);
    struct matcher broad[] = { { MATCH_EQ, STR("zone"), STR("z1"), NULL },
                               { MATCH_EQ, STR("pod"), STR("service-7d9f8b6c5d-150000-x"), NULL } };
    bench_matchers(b, "zone and pod", broad, 2);
    struct matcher prefix[] = { { MATCH_RE, STR("pod"), STR("service-7d9f8b6c5d-1234.*"), NULL } };
    bench_matchers(b, "prefix of pod", prefix, 1);
    struct matcher contains[] = { { MATCH_RE, STR("pod"), STR(".*4321.*"), NULL } };
    bench_matchers(b, "contains, 100,000 values", contains, 1);
    struct matcher general[] = { { MATCH_RE, STR("pod"), STR(".+-1[0-9]+77[0-9]-x"), NULL } };
    bench_matchers(b, "general regex, 100,000 values", general, 1);
    struct matcher candidates[] = { metric, general[0] };
    bench_matchers(b, "metric and general regex", candidates, 2);
    struct matcher negative[] = { metric, { MATCH_NRE, STR("job"), STR("service-1.*"), NULL } };
    bench_matchers(b, "metric and not regex", negative, 2);
    bench_values(b, "job", NULL, 0);
    bench_values(b, "instance", NULL, 0);
    bench_values(b, "pod", NULL, 0);
    bench_values(b, "__name__", NULL, 0);
    bench_values(b, "instance", &metric, 1);
    bench_values(b, "pod", &metric, 1);
    close_engine(b);
}

int main(int argc, char **argv)
{
    static struct bench b;
    char dir[] = "/tmp/bench_select.XXXXXX";
    b.dir = argc > 1 ? argv[1] : mkdtemp(dir);
    size_t series = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000;
    b.mem = mem_budget_create((uint64_t)6 << 30);
    mem_set_cap(b.mem, MEM_QUERY, (uint64_t)4 << 30);
    arena_init(&b.arena, mem_source_of(b.mem, MEM_INGEST), (size_t)256 << 20);
    arena_init(&b.answers, mem_source_of(b.mem, MEM_QUERY), (size_t)1 << 30);
    rng_init(&b.rng, 11);
    clock_fake_init(&b.clock, T0 + 6 * 3600000, 3);
    bench_samples(&b);
    bench_blocks(&b);
    bench_index(&b, series);
    arena_deinit(&b.arena);
    arena_deinit(&b.answers);
    mem_budget_destroy(b.mem);
    return 0;
}
