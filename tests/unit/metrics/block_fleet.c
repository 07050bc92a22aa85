/* SPDX-License-Identifier: Apache-2.0 */
#include "block_fleet.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/rng.h"
#include "metrics/block/block_writer.h"

#define METRICS 240

/* ---- labels ---- */

static const char *const SUBJECTS[] = {
    "cpu",  "disk", "filesystem", "http",  "memory",  "network",
    "node", "proc", "process",    "queue", "runtime", "storage"
};
static const char *const VERBS[] = { "active", "bytes", "dropped",  "errors",  "limit",
                                     "pages",  "reads", "requests", "seconds", "writes" };
static const char *const DETAILS[] = { "total", "current" };
static const char *const DEVICES[] = { "eth0", "lo", "nvme0n1", "nvme1n1", "sda", "sdb" };
static const char *const MODES[] = {
    "idle", "iowait", "nice", "softirq", "steal", "system", "user"
};
static const char *const REGIONS[] = { "eu-central", "eu-west", "us-east" };

#define PICK(list, n) str_of_z((list)[(n) % (sizeof(list) / sizeof((list)[0]))])

/* Label values of series `number` of a target: together unique. */
static struct labels labels_of(struct arena *a, uint32_t target, uint32_t number)
{
    struct labels_builder b;
    struct labels out;
    uint32_t metric = number % METRICS, variant = number / METRICS;
    labels_builder_init(&b, a);
    labels_builder_add(&b, LABEL_METRIC_NAME,
                       arena_printf(a, "%s_%s_%s", SUBJECTS[metric / 20], VERBS[metric / 2 % 10],
                                    DETAILS[metric % 2]));
    labels_builder_add(
        &b, STR("instance"),
        arena_printf(a, "10.%u.%u.%u:9100", target >> 16 & 255, target >> 8 & 255, target & 255));
    labels_builder_add(&b, STR("job"), target % 5 ? STR("node") : STR("application"));
    labels_builder_add(&b, STR("region"), PICK(REGIONS, target));
    labels_builder_add(&b, STR("cluster"), arena_printf(a, "cluster-%02u", target % 23));
    if (metric % 3 == 0) labels_builder_add(&b, STR("device"), PICK(DEVICES, variant));
    if (metric % 3 == 0) labels_builder_add(&b, STR("lane"), arena_printf(a, "%u", variant / 6));
    if (metric % 3 == 1) labels_builder_add(&b, STR("mode"), PICK(MODES, variant));
    if (metric % 3 == 1) labels_builder_add(&b, STR("cpu"), arena_printf(a, "%u", variant / 7));
    if (metric % 3 == 2) labels_builder_add(&b, STR("slot"), arena_printf(a, "%u", variant));
    if (metric % 6 == 0) labels_builder_add(&b, STR("team"), PICK(SUBJECTS, metric));
    ASSERT(labels_builder_finish(&b, NULL, &out, NULL) == ERR_OK);
    return out;
}

static int cmp_series(const void *x, const void *y)
{
    return block_order_cmp(((const struct fleet_series *)x)->labels,
                           ((const struct fleet_series *)y)->labels);
}

void fleet_init(struct fleet *f, const struct fleet_options *options, struct arena *a)
{
    *f = (struct fleet){ .options = *options };
    ASSERT(options->samples <= 1024);
    f->count = options->targets * options->series_per_target;
    f->series = arena_array(a, struct fleet_series, f->count);
    ASSERT(f->series);
    for (uint32_t i = 0; i < f->count; i++) {
        uint32_t target = i / options->series_per_target, number = i % options->series_per_target;
        f->series[i] = (struct fleet_series){ labels_of(a, target, number), target, number };
    }
    qsort(f->series, f->count, sizeof *f->series, cmp_series);
}

/* ---- times ---- */

/* Returns how many lie inside the block. */
static uint32_t fill_times(const struct fleet *f, uint32_t target, int64_t *ts_ms)
{
    const struct fleet_options *o = &f->options;
    struct rng r;
    rng_init(&r, o->seed ^ hash64(&target, sizeof target, 1));
    int64_t at = o->mint_ms + (int64_t)rng_below(&r, (uint64_t)o->interval_ms);
    bool has_jitter = target % 8 == 3, has_gaps = target % 30 == 7;
    for (uint32_t i = 0; i < o->samples; i++) {
        ts_ms[i] = at + (has_jitter ? (int64_t)rng_below(&r, 7) : 0);
        at += o->interval_ms;
        if (has_gaps && rng_below(&r, 300) == 0) at += o->interval_ms;
    }
    uint32_t inside = o->samples;
    while (ts_ms[inside - 1] >= o->mint_ms + o->samples * o->interval_ms)
        inside--;
    return inside;
}

/* ---- values ---- */

static void constant(double *v, uint32_t n, double c)
{
    for (uint32_t i = 0; i < n; i++)
        v[i] = c;
}

static void rare_events(struct rng *r, double *v, uint32_t n)
{
    double x = (double)rng_below(r, 5000);
    uint64_t every = 40 + rng_below(r, 200);
    for (uint32_t i = 0; i < n; i++)
        v[i] = x += rng_below(r, every) ? 0 : (double)(1 + rng_below(r, 3));
}

static void uneven_counter(struct rng *r, double *v, uint32_t n)
{
    double x = (double)rng_below(r, 1ull << 32);
    uint64_t spread = 1ull << (2 + rng_below(r, 12)), floor = rng_below(r, 200);
    for (uint32_t i = 0; i < n; i++) {
        x += rng_below(r, 3) ? 0 : (double)(floor + rng_below(r, spread));
        if (rng_below(r, 5000) == 0) x = 0; /* restarted */
        v[i] = x;
    }
}

static void steady_counter(struct rng *r, double *v, uint32_t n)
{
    double x = (double)rng_below(r, 1ull << 30), step = (double)(100 + rng_below(r, 20000));
    for (uint32_t i = 0; i < n; i++)
        v[i] = x += step + (double)rng_below(r, 4);
}

static void gauge_in_multiples(struct rng *r, double *v, uint32_t n)
{
    double g = rng_below(r, 2) ? 4096 : 1024, x = (double)rng_below(r, 1000000);
    uint64_t spread = 1ull << (3 + rng_below(r, 6));
    for (uint32_t i = 0; i < n; i++) {
        x += rng_below(r, 2) ? 0 : (double)rng_below(r, spread) - (double)(spread / 2);
        v[i] = g * fabs(x);
    }
}

static void short_decimal(struct rng *r, double *v, uint32_t n)
{
    double scale = rng_below(r, 2) ? 100 : 10, x = (double)rng_below(r, 10000);
    for (uint32_t i = 0; i < n; i++) {
        x += rng_below(r, 2) ? 0 : (double)rng_below(r, 41) - 20;
        v[i] = fabs(x) / scale;
    }
}

static void sum_of_durations(struct rng *r, double *v, uint32_t n)
{
    double x = rng_f64(r) * 1e5;
    for (uint32_t i = 0; i < n; i++)
        v[i] = x += rng_below(r, 3) ? rng_f64(r) * 0.3 : 0;
}

static void changing_integers(struct rng *r, double *v, uint32_t n)
{
    uint64_t kind = rng_below(r, 100);
    if (kind < 40)
        rare_events(r, v, n);
    else if (kind < 65)
        uneven_counter(r, v, n);
    else if (kind < 75)
        steady_counter(r, v, n);
    else
        gauge_in_multiples(r, v, n);
}

uint32_t fleet_samples(const struct fleet *f, uint32_t i, int64_t *ts_ms, double *value)
{
    const struct fleet_options *o = &f->options;
    const struct fleet_series *s = &f->series[i];
    uint32_t id[2] = { s->target, s->number };
    struct rng r;
    rng_init(&r, o->seed ^ hash64(id, sizeof id, 2));
    uint32_t inside = fill_times(f, s->target, ts_ms);
    uint64_t kind = rng_below(&r, 1000);
    if (o->changing_percent > 0) /* stretch the shares of what changes */
        kind = rng_below(&r, 100) < o->changing_percent ? 680 + rng_below(&r, 320)
                                                        : rng_below(&r, 680);
    if (kind < 420)
        constant(value, o->samples, 0);
    else if (kind < 600)
        constant(value, o->samples, 1);
    else if (kind < 680)
        constant(value, o->samples, (double)rng_below(&r, 1ull << 36));
    else if (kind < 936)
        changing_integers(&r, value, o->samples);
    else if (kind < 984)
        short_decimal(&r, value, o->samples);
    else
        sum_of_durations(&r, value, o->samples);
    return inside;
}
