/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_head - the metrics engine below HTTP: append with the journal on, memory per series, bytes
 * per sample in the journal, replay.
 *
 *     bench_head [series] [scrapes] [directory]
 *
 * Load      `series` series of 9 labels in targets of 500, requests of 2,000 series with one sample
 *           each, 15 s apart. Two thirds of the series are constant, the others are counters with
 *           uneven steps, a few decimals and full-precision floats: the mix of a quiet fleet.
 * Output    name value unit
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/rng.h"
#include "metrics/metrics.h"
#include "os/clock.h"
#include "os/file_layer.h"
#include "os/mem.h"

#define REQUEST_SERIES 2000
#define TARGET_SERIES 500
#define KEY_SIZE 400
#define T0 1700000000000ll

struct bench {
    size_t series_count, scrapes;
    const char *dir;
    struct mem_budget *mem;
    struct clock_fake clock;
    struct metrics *engine;
    char *keys; /* KEY_SIZE each */
    struct hash128 *hashes;
    double *values;
    struct arena arena;
    struct rng rng;
    uint64_t build_ns;
};

/* The key is "name\0value\0..." as a decoder would hand it over. */
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

static size_t make_key(char *out, size_t i)
{
    size_t target = i / TARGET_SERIES;
    size_t n = 0;
    n += put(out + n, "__name__", "service_requests_handled_", i % TARGET_SERIES / 4, "_total");
    n += put(out + n, "cluster", "eu-central-", target % 3, "");
    n += put(out + n, "code", "20", i % 4, "");
    n += put(out + n, "instance", "10.0.3.", target, ":9100");
    n += put(out + n, "job", "service-", target % 20, "");
    n += put(out + n, "method", "GET", 0, "");
    n += put(out + n, "namespace", "team-", target % 40, "");
    n += put(out + n, "pod", "service-7d9f8b6c5d-", 10000 + target, "");
    n += put(out + n, "zone", "z", target % 3, "");
    return n;
}

static void prepare(struct bench *b)
{
    b->keys = malloc(b->series_count * KEY_SIZE);
    b->hashes = malloc(b->series_count * sizeof *b->hashes);
    b->values = calloc(b->series_count, sizeof *b->values);
    for (size_t i = 0; i < b->series_count; i++) {
        char *key = b->keys + i * KEY_SIZE;
        size_t n = make_key(key + 2, i);
        memcpy(key, &(uint16_t){ (uint16_t)n }, 2);
        b->hashes[i] = hash128(key + 2, n, 5);
        b->values[i] = (double)(i % 3 == 0 ? 0 : 1);
    }
}

static void step_value(struct bench *b, size_t i)
{
    switch (i % 24) {
    case 0:
    case 3:
    case 6:
    case 9:
    case 12: b->values[i] += (double)rng_below(&b->rng, 2000); break; /* counters */
    case 15: b->values[i] = (double)rng_below(&b->rng, 100000) / 100; break;
    case 18: b->values[i] += rng_f64(&b->rng); break; /* sums of seconds */
    case 21:
        if (rng_below(&b->rng, 10) == 0) b->values[i] += 1; /* changes now and then */
        break;
    default: break;
    }
}

/* A line of /proc/self/status, "VmRSS:" or "RssAnon:", in bytes. */
static uint64_t status_bytes(const char *name)
{
    char line[256];
    unsigned long long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, name, strlen(name)) == 0) kb = strtoull(line + strlen(name), NULL, 10);
    if (f != NULL) fclose(f);
    return kb * 1024;
}

static uint64_t rss_bytes(void)
{
    return status_bytes("VmRSS:");
}

static void fail(const char *what, const struct err *err)
{
    char text[700];
    err_text(err, text, sizeof text);
    fprintf(stderr, "%s: %s\n", what, text);
    exit(1);
}

static void open_engine(struct bench *b)
{
    struct metrics_options o = { .files = file_layer_posix(),
                                 .clock = &b->clock.clock,
                                 .mem = b->mem,
                                 .dir = b->dir,
                                 .durability = JOURNAL_INTERVAL,
                                 .without_maintenance = true };
    struct err err = { 0 };
    if (metrics_open(&o, NULL, NULL, &b->engine, &err) != ERR_OK) fail("open", &err);
}

static void close_engine(struct bench *b)
{
    struct err err = { 0 };
    if (metrics_close(b->engine, &err) != ERR_OK) fail("close", &err);
    b->engine = NULL;
}

static void build(struct bench *b, struct batch *batch, size_t first, size_t n, int64_t t)
{
    uint64_t start = clock_thread_cpu_ns();
    arena_reset(&b->arena);
    *batch = (struct batch){ .arena = &b->arena, .decode = decode };
    batch->series = arena_array_raw(&b->arena, struct batch_series, n);
    batch->samples = arena_array_raw(&b->arena, struct sample, n);
    batch->series_count = batch->sample_count = n;
    for (size_t i = 0; i < n; i++) {
        const char *key = b->keys + (first + i) * KEY_SIZE;
        uint16_t len;
        memcpy(&len, key, sizeof len);
        if (t > T0) step_value(b, first + i);
        batch->series[i] = (struct batch_series){ .key = { (const uint8_t *)key + 2, len },
                                                  .key_hash = b->hashes[first + i],
                                                  .sample_first = (uint32_t)i,
                                                  .sample_count = 1 };
        batch->samples[i] = (struct sample){ t, b->values[first + i] };
    }
    b->build_ns += clock_thread_cpu_ns() - start;
}

static void scrape(struct bench *b, int64_t t)
{
    for (size_t first = 0; first < b->series_count; first += REQUEST_SERIES) {
        size_t n = b->series_count - first;
        if (n > REQUEST_SERIES) n = REQUEST_SERIES;
        struct batch batch;
        struct append_result result;
        struct err err = { 0 };
        build(b, &batch, first, n, t);
        if (metrics_append(b->engine, &batch, &result, &err) != ERR_OK) fail("append", &err);
        if (result.outcomes[BATCH_STORED] != n) fail("refused", &result.first);
    }
}

static uint64_t counter(struct bench *b, const char *name)
{
    struct stat_table tables[8];
    size_t n = metrics_stat_tables(b->engine, tables, 8);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < tables[i].desc_count; k++)
            if (strcmp(tables[i].descs[k].name, name) == 0)
                return *(const uint64_t *)(const void *)((const char *)tables[i].cells +
                                                         tables[i].descs[k].offset);
    return 0;
}

static void print(const char *name, double value, const char *unit)
{
    printf("%-36s %12.2f %s\n", name, value, unit);
    fflush(stdout);
}

static void bench_append(struct bench *b)
{
    uint64_t rss = rss_bytes();
    uint64_t cpu = clock_process_cpu_ns();
    b->build_ns = 0;
    scrape(b, T0);
    double create_ns = (double)(clock_process_cpu_ns() - cpu - b->build_ns);
    print("create_series", create_ns / (double)b->series_count, "ns/series");
    print("rss_per_series_first_sample", (double)(rss_bytes() - rss) / (double)b->series_count,
          "bytes");
    uint64_t wal = counter(b, "pharos_wal_written_bytes_total");
    cpu = clock_process_cpu_ns();
    b->build_ns = 0;
    for (size_t i = 1; i < b->scrapes; i++) {
        clock_fake_advance_ms(&b->clock, 15000);
        scrape(b, T0 + (int64_t)i * 15000);
    }
    double samples = (double)(b->scrapes - 1) * (double)b->series_count;
    double ns = (double)(clock_process_cpu_ns() - cpu - b->build_ns);
    print("append", ns / samples, "ns/sample");
    print("append_rate", samples / ns * 1e3, "M samples/CPU-s");
    uint64_t written = counter(b, "pharos_wal_written_bytes_total") - wal;
    print("wal_bytes_per_sample", (double)written / samples, "bytes");
    mem_release_free_pages(); /* what the allocator does by itself within ten seconds */
    print("rss_per_series", (double)(rss_bytes() - rss) / (double)b->series_count, "bytes");
    print("rss_anonymous", (double)status_bytes("RssAnon:") / 1e6, "MB");
    print("rss_files", (double)status_bytes("RssFile:") / 1e6, "MB");
    print("head_account_per_series", (double)mem_used(b->mem, MEM_HEAD) / (double)b->series_count,
          "bytes");
    print("index_account_per_series", (double)mem_used(b->mem, MEM_INDEX) / (double)b->series_count,
          "bytes");
}

static void bench_replay(struct bench *b)
{
    const struct clock *clock = clock_system();
    uint64_t cpu = clock_process_cpu_ns();
    uint64_t start = clock_mono_ns(clock);
    open_engine(b);
    double wall = (double)(clock_mono_ns(clock) - start);
    double used = (double)(clock_process_cpu_ns() - cpu);
    double samples = (double)(counter(b, "pharos_head_replay_samples_total") +
                              counter(b, "pharos_head_replay_skipped_total"));
    print("replay_samples", samples / 1e6, "M");
    print("replay_wall", wall / 1e9, "s");
    print("replay_rate", samples / used * 1e3, "M samples/CPU-s");
}

int main(int argc, char **argv)
{
    struct bench b = { .series_count = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000,
                       .scrapes = argc > 2 ? strtoull(argv[2], NULL, 10) : 40 };
    char dir[256];
    (void)snprintf(dir, sizeof dir, "%s/bench-head-%d", argc > 3 ? argv[3] : "/tmp", (int)getpid());
    b.dir = dir;
    b.mem = mem_budget_create((uint64_t)16 << 30);
    clock_fake_init(&b.clock, T0, 3);
    rng_init(&b.rng, 11);
    arena_init(&b.arena, mem_source_of(b.mem, MEM_INGEST), (size_t)64 << 20);
    prepare(&b);
    open_engine(&b);
    bench_append(&b);
    close_engine(&b);
    bench_replay(&b);
    close_engine(&b);
    arena_deinit(&b.arena);
    struct err err = { 0 };
    if (file_remove_tree(file_layer_posix(), dir, &err) != ERR_OK) fail("clean up", &err);
    free(b.keys);
    free(b.hashes);
    free(b.values);
    mem_budget_destroy(b.mem);
    return 0;
}
