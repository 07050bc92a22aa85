/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks: bytes per sample and per series, rates of writing and reading, of the codecs alone and of the
 * whole. Data: tests/unit/metrics/block_fleet.h, the quiet mix unless told otherwise; all series
 * distinct.
 *
 *     bench_block [targets [series per target [percent of changing series]]]
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "blobs/blobs_dir.h"
#include "block_fleet.h"
#include "codec/regex.h"
#include "metrics/block/block.h"
#include "metrics/block/block_writer.h"
#include "metrics/block/page.h"
#include "os/clock.h"

#define MINT 1700006400000
#define SAMPLES 480
#define RANGE (SAMPLES * 15000)
#define REPEATS 5
#define DIR "bench_block.data"

struct bench {
    struct mem_budget *mem;
    struct arena arena;
    struct blobs *blobs;
    struct fleet fleet;
    struct block_meta meta;
    int64_t (*ts_ms)[SAMPLES]; /* of the codec benchmark */
    double (*value)[SAMPLES];
    uint32_t *counts;
    uint32_t sampled;
};

static void must(enum err_code code, const struct err *err)
{
    char text[1024];
    if (code == ERR_OK) return;
    err_text(err, text, sizeof text);
    (void)fprintf(stderr, "%s: %s\n", err_name(code), text);
    exit(EXIT_FAILURE);
}

static void report(const char *name, double value, const char *unit)
{
    printf("%-44s %12.3f %s\n", name, value, unit);
}

static int cmp_double(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Median and spread of REPEATS runs, as samples per second of CPU. */
static void report_rate(const char *name, double samples, double *seconds)
{
    qsort(seconds, REPEATS, sizeof *seconds, cmp_double);
    printf("%-44s %12.3f M samples/s (%.3f .. %.3f)\n", name, samples / seconds[REPEATS / 2] / 1e6,
           samples / seconds[REPEATS - 1] / 1e6, samples / seconds[0] / 1e6);
}

/* ---- codecs alone: pages in memory ---- */

struct pages {
    struct buf bytes;
    size_t *offsets;
    size_t count;
    struct time_dict dict;
};

static void encode_pages(struct bench *b, struct pages *p)
{
    struct page_builder builder;
    struct err err = { 0 };
    buf_reset(&p->bytes);
    p->count = 0;
    time_dict_init(&p->dict, b->mem, MINT, 1);
    must(page_builder_init(&builder, b->mem, &p->dict, NULL, &err), &err);
    for (uint32_t i = 0; i <= b->sampled; i++) {
        bool is_end = i == b->sampled;
        if (is_end || page_builder_is_full(&builder, i)) {
            p->offsets[p->count++] = p->bytes.len;
            must(page_builder_finish(&builder, &p->bytes, &err), &err);
        }
        if (is_end) break;
        must(page_builder_add(&builder, i, b->ts_ms[i], b->value[i], b->counts[i], &err), &err);
    }
    p->offsets[p->count] = p->bytes.len;
    page_builder_deinit(&builder);
}

static uint64_t decode_pages(struct bench *b, struct pages *p, const struct time_dict_view *dict,
                             bool only_changing)
{
    static int64_t ts_ms[1024];
    static double value[1024 + 16];
    struct page_view view;
    struct err err = { 0 };
    uint64_t samples = 0;
    page_view_init(&view, b->mem, MEM_QUERY);
    for (size_t i = 0; i < p->count; i++) {
        size_t size = p->offsets[i + 1] - p->offsets[i];
        uint8_t *dst = page_view_reserve(&view, size);
        ASSERT(dst);
        memcpy(dst, p->bytes.ptr + p->offsets[i], size);
        must(page_view_load(&view, size, &err), &err);
        for (size_t k = 0; k < view.vector_count; k++) {
            struct rd rest;
            if (only_changing && view.vectors[k].value.codec == VALUE_CONST) continue;
            must(page_view_times(&view, k, dict, ts_ms, &rest, &err), &err);
            must(page_view_values(&view, k, &rest, value, &err), &err);
            samples += view.vectors[k].count;
        }
    }
    page_view_deinit(&view);
    return samples;
}

static void bench_codecs(struct bench *b)
{
    struct pages p = { 0 };
    struct buf section;
    double encode[REPEATS], decode[REPEATS], changing[REPEATS];
    uint64_t samples = 0, changing_samples = 0;
    buf_init(&p.bytes, mem_source_of(b->mem, MEM_SYSTEM), SIZE_MAX / 2);
    buf_init(&section, mem_source_of(b->mem, MEM_SYSTEM), SIZE_MAX / 2);
    p.offsets = arena_array(&b->arena, size_t, b->sampled + 2);
    for (int k = 0; k < REPEATS; k++) {
        uint64_t start = clock_thread_cpu_ns();
        if (k > 0) time_dict_deinit(&p.dict);
        encode_pages(b, &p);
        encode[k] = (double)(clock_thread_cpu_ns() - start) / 1e9;
    }
    time_dict_put(&p.dict, &section);
    struct time_dict_view dict = { buf_bytes(&section), MINT };
    for (int k = 0; k < REPEATS; k++) {
        uint64_t start = clock_thread_cpu_ns();
        samples = decode_pages(b, &p, &dict, false);
        decode[k] = (double)(clock_thread_cpu_ns() - start) / 1e9;
        start = clock_thread_cpu_ns();
        changing_samples = decode_pages(b, &p, &dict, true);
        changing[k] = (double)(clock_thread_cpu_ns() - start) / 1e9;
    }
    report_rate("block page encode", (double)samples, encode);
    report_rate("block page decode", (double)samples, decode);
    report_rate("block page decode, changing series only", (double)changing_samples, changing);
    report("block pages in memory", (double)p.bytes.len / (double)samples, "bytes/sample");
    time_dict_deinit(&p.dict);
    buf_deinit(&p.bytes);
    buf_deinit(&section);
}

/* ---- whole blocks on disk ---- */

static void write_block(struct bench *b, bool has_zstd_pages)
{
    int64_t ts_ms[SAMPLES];
    double value[SAMPLES];
    struct err err = { 0 };
    struct block_writer *w = NULL;
    struct block_writer_options o = { .blobs = b->blobs,
                                      .mem = b->mem,
                                      .id = ulid_make(clock_system()),
                                      .mint_ms = MINT,
                                      .maxt_ms = MINT + RANGE,
                                      .has_zstd_pages = has_zstd_pages };
    must(block_writer_create(&o, &w, &err), &err);
    uint64_t writing = 0;
    for (uint32_t i = 0; i < b->fleet.count; i++) {
        size_t count = fleet_samples(&b->fleet, i, ts_ms, value);
        struct sample_columns c = { ts_ms, value, NULL, count, count };
        uint64_t start = clock_thread_cpu_ns();
        must(block_writer_add_series(w, b->fleet.series[i].labels, &err), &err);
        must(block_writer_add_samples(w, &c, &err), &err);
        writing += clock_thread_cpu_ns() - start;
    }
    uint64_t start = clock_thread_cpu_ns();
    must(block_writer_finish(w, &b->arena, &b->meta, &err), &err);
    uint64_t finishing = clock_thread_cpu_ns() - start;
    block_writer_destroy(w);
    double samples = (double)b->meta.sample_count, series = (double)b->meta.series_count;
    const char *kind = has_zstd_pages ? "zstd" : "raw";
    printf("-- %s pages: %.0f series, %.0f samples, %llu pages\n", kind, series, samples,
           (unsigned long long)b->meta.page_count);
    report("block chunks", (double)b->meta.chunk_bytes / samples, "bytes/sample");
    report("block index", (double)b->meta.index_bytes / series, "bytes/series");
    report("block index", (double)b->meta.index_bytes / samples, "bytes/sample");
    report("block write, series and samples", samples / ((double)writing / 1e9) / 1e6,
           "M samples/CPU-s");
    report("block write, index", (double)finishing / 1e6, "ms CPU");
}

/* Microseconds of one match, the median of REPEATS. */
static double match_us(struct block *block, struct matcher *m, size_t count)
{
    double us[REPEATS];
    struct block_match_options options = { MEM_QUERY, NULL };
    struct err err = { 0 };
    for (int k = 0; k < REPEATS; k++) {
        struct postings *p = NULL;
        uint64_t start = clock_thread_cpu_ns();
        must(block_match(block, (struct matchers){ m, count }, &options, &p, &err), &err);
        us[k] = (double)(clock_thread_cpu_ns() - start) / 1e3;
        postings_destroy(p);
    }
    qsort(us, REPEATS, sizeof *us, cmp_double);
    return us[REPEATS / 2];
}

static struct matcher regex(struct bench *b, const char *name, const char *pattern)
{
    struct matcher m = { MATCH_RE, str_of_z(name), str_of_z(pattern), NULL };
    struct err err = { 0 };
    must(regex_compile(b->mem, m.value, REGEX_FULL, &m.re, &err), &err);
    return m;
}

static void ask(struct bench *b, struct block *block)
{
    struct matcher equal[] = { { MATCH_EQ, LABEL_METRIC_NAME, STR("cpu_active_total"), NULL },
                               { MATCH_EQ, STR("job"), STR("node"), NULL } };
    struct matcher prefix = regex(b, "__name__", "disk_.*");
    struct matcher general = regex(b, "instance", "10\\.[0-9]+\\..*[13579]:9100");
    struct err err = { 0 };
    struct str_list list;
    report("block match, two equalities", match_us(block, equal, 2), "us CPU");
    report("block match, prefix of a metric name", match_us(block, &prefix, 1), "us CPU");
    report("block match, regex over all instances", match_us(block, &general, 1), "us CPU");
    regex_unref(prefix.re);
    regex_unref(general.re);
    struct block_values_query q = { STR("instance"), NULL, 0, NULL };
    uint64_t start = clock_thread_cpu_ns();
    must(block_label_values(block, &q, &b->arena, &list, &err), &err);
    report("block label values, all instances", (double)(clock_thread_cpu_ns() - start) / 1e3,
           "us CPU");
}

static void read_block(struct bench *b)
{
    struct err err = { 0 };
    struct block *block = NULL;
    struct block_reader *r = NULL;
    struct block_labels *labels = NULL;
    struct sample_buf out;
    struct block_range all = { INT64_MIN, INT64_MAX };
    double seconds[REPEATS];
    sample_buf_init(&out, mem_source_of(b->mem, MEM_QUERY));
    uint64_t start = clock_thread_cpu_ns();
    must(block_open(b->blobs, b->mem, b->meta.id, &block, &err), &err);
    report("block open", (double)(clock_thread_cpu_ns() - start) / 1e6, "ms CPU");
    must(block_reader_create(block, b->mem, &r, &err), &err);
    for (int k = 0; k < REPEATS; k++) {
        start = clock_thread_cpu_ns();
        for (uint32_t i = 0; i < block_series_count(block); i++) {
            sample_buf_reset(&out);
            must(block_reader_read(r, i, all, &out, &err), &err);
        }
        seconds[k] = (double)(clock_thread_cpu_ns() - start) / 1e9;
    }
    report_rate("block read, all series in order", (double)b->meta.sample_count, seconds);
    start = clock_thread_cpu_ns();
    must(block_labels_create(block, &b->arena, &labels, &err), &err);
    for (uint32_t i = 0; i < block_series_count(block); i++) {
        struct labels l;
        must(block_labels_read(labels, i, &l, &err), &err);
    }
    report("block labels of all series",
           (double)(clock_thread_cpu_ns() - start) / (double)block_series_count(block),
           "ns CPU/series");
    ask(b, block);
    block_reader_destroy(r);
    block_unref(block);
    sample_buf_deinit(&out);
}

static uint32_t argument(int argc, char **argv, int i, uint32_t otherwise)
{
    uint64_t v = 0;
    return argc > i && str_to_u64(str_of_z(argv[i]), &v) ? (uint32_t)v : otherwise;
}

int main(int argc, char **argv)
{
    struct bench b = { .mem = mem_budget_create((uint64_t)8 << 30) };
    struct err err = { 0 };
    struct fleet_options o = { .seed = 42,
                               .targets = argument(argc, argv, 1, 200),
                               .series_per_target = argument(argc, argv, 2, 500),
                               .changing_percent = argument(argc, argv, 3, 0),
                               .samples = SAMPLES,
                               .interval_ms = 15000,
                               .mint_ms = MINT };
    mem_set_cap(b.mem, MEM_SYSTEM, (uint64_t)8 << 30);
    arena_init(&b.arena, mem_source_of(b.mem, MEM_SYSTEM), (size_t)4 << 30);
    fleet_init(&b.fleet, &o, &b.arena);
    b.sampled = b.fleet.count < 10000 ? b.fleet.count : 10000;
    b.ts_ms = arena_alloc(&b.arena, b.sampled, sizeof *b.ts_ms, 16);
    b.value = arena_alloc(&b.arena, b.sampled, sizeof *b.value, 16);
    b.counts = arena_array(&b.arena, uint32_t, b.sampled);
    ASSERT(b.ts_ms && b.value && b.counts);
    for (uint32_t i = 0; i < b.sampled; i++) /* from all over the block */
        b.counts[i] = fleet_samples(&b.fleet, (uint32_t)((uint64_t)i * b.fleet.count / b.sampled),
                                    b.ts_ms[i], b.value[i]);
    bench_codecs(&b);
    for (int has_zstd = 0; has_zstd < 2; has_zstd++) {
        must(blobs_dir_create(file_layer_posix(), mem_source_of(b.mem, MEM_SYSTEM), DIR, &b.blobs,
                              &err),
             &err);
        write_block(&b, has_zstd > 0);
        read_block(&b);
        blobs_destroy(b.blobs);
        must(file_remove_tree(file_layer_posix(), DIR, &err), &err);
    }
    arena_deinit(&b.arena);
    mem_budget_destroy(b.mem);
    return EXIT_SUCCESS;
}
