/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_cut - opens the metrics directory of a server that was stopped, cuts its head into blocks up to a time, and
 * says what that cost. The server must not run: the directory is locked.
 *
 *     bench_cut DIRECTORY MAXT_MS
 *
 * Output    name value unit
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"
#include "os/clock.h"
#include "os/file_layer.h"
#include "os/mem.h"
#include "os/process.h"

#define BUDGET_BYTES (8ull << 30)

static void must(enum err_code code, const struct err *err, const char *what)
{
    char text[1024];
    if (code == ERR_OK) return;
    err_text(err, text, sizeof text);
    (void)fprintf(stderr, "bench_cut: %s: %s: %s\n", what, err_name(code), text);
    exit(EXIT_FAILURE);
}

static void write_line(void *ctx, struct str line)
{
    (void)ctx;
    (void)fwrite(line.ptr, line.len, 1, stderr);
}

static double seconds_since(uint64_t begin_ns)
{
    return (double)(clock_mono_ns(clock_system()) - begin_ns) / 1e9;
}

static void report(const char *name, double value, const char *unit)
{
    printf("%-32s  %14.3f %s\n", name, value, unit);
}

static void report_status(struct metrics *m)
{
    struct metrics_status s;
    metrics_status(m, &s);
    report("series in the head", (double)s.series, "series");
    report("blocks", (double)s.blocks, "blocks");
    report("block bytes", (double)s.block_bytes, "bytes");
    report("WAL bytes", (double)s.wal_bytes, "bytes");
    report("head file bytes", (double)s.head_bytes, "bytes");
}

int main(int argc, char **argv)
{
    char *end = NULL;
    int64_t maxt_ms = argc == 3 ? strtoll(argv[2], &end, 10) : 0;
    if (!end || *end || maxt_ms <= 0) {
        (void)fprintf(stderr, "usage: bench_cut DIRECTORY MAXT_MS\n");
        return 2;
    }
    struct err err = { 0 };
    struct metrics *m = NULL;
    struct log_sink log = { .clock = clock_system(), .write_line = write_line };
    struct mem_budget *mem = mem_budget_create(BUDGET_BYTES);
    struct metrics_options o = { .files = file_layer_posix(),
                                 .clock = clock_system(),
                                 .mem = mem,
                                 .log = &log,
                                 .dir = argv[1],
                                 .durability = JOURNAL_OFF,
                                 .label_limits = LABEL_LIMITS_DEFAULT,
                                 .without_maintenance = true };
    atomic_store(&log.level, LOG_WARN);
    uint64_t begin_ns = clock_mono_ns(o.clock), cpu_ns = clock_process_cpu_ns();
    must(metrics_open(&o, NULL, NULL, &m, &err), &err, argv[1]);
    report("open", seconds_since(begin_ns), "s");
    report("open, CPU", (double)(clock_process_cpu_ns() - cpu_ns) / 1e9, "s");
    begin_ns = clock_mono_ns(o.clock), cpu_ns = clock_process_cpu_ns();
    must(metrics_cut_head(m, maxt_ms, &err), &err, "cut");
    report("cut", seconds_since(begin_ns), "s");
    report("cut, CPU", (double)(clock_process_cpu_ns() - cpu_ns) / 1e9, "s");
    report_status(m);
    must(metrics_close(m, &err), &err, "close");
    mem_budget_destroy(mem);
    return 0;
}
