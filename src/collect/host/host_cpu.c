/* SPDX-License-Identifier: Apache-2.0
 *
 * /proc/stat, /proc/loadavg and /proc/pressure. Kernel ticks are 1/100 s (USER_HZ) on every Linux.
 */
#include <stdio.h>

#include "collect/host/host_priv.h"

#define TICKS_PER_SECOND 100.0

static const char *const MODES[] = { "user",   "nice", "system",  "idle",
                                     "iowait", "irq",  "softirq", "steal" };

/* "cpu3 user nice system ..." */
static void put_cpu(struct buf *out, struct str line)
{
    struct str cpu = host_word(&line);
    cpu = str_sub(cpu, 3, cpu.len);
    for (size_t i = 0; i < sizeof MODES / sizeof MODES[0]; i++) {
        struct label a = { STR("cpu"), cpu }, b = { STR("mode"), str_of_z(MODES[i]) };
        host_sample2(out, "node_cpu_seconds_total", a, b, host_number(&line) / TICKS_PER_SECOND);
    }
}

/* Time for guests, in user and nice time as well: two columns behind those of MODES, since Linux
 * 2.6.33. */
static void put_guest(struct buf *out, struct str line)
{
    struct str cpu = host_word(&line);
    cpu = str_sub(cpu, 3, cpu.len);
    for (size_t i = 0; i < sizeof MODES / sizeof MODES[0]; i++)
        (void)host_word(&line);
    for (size_t i = 0; i < 2; i++) {
        struct label a = { STR("cpu"), cpu }, b = { STR("mode"), i ? STR("nice") : STR("user") };
        struct str ticks = host_word(&line);
        if (ticks.len == 0) return;
        host_sample2(out, "node_cpu_guest_seconds_total", a, b,
                     host_number(&ticks) / TICKS_PER_SECOND);
    }
}

static bool is_one_cpu(struct str line)
{
    return str_starts_with(line, STR("cpu")) && line.len > 3 && line.ptr[3] != ' ';
}

static const struct {
    const char *key, *name;
    enum metric_type type;
    const char *help;
} STAT_ROWS[] = {
    { "intr", "node_intr_total", METRIC_COUNTER, "Interrupts serviced." },
    { "ctxt", "node_context_switches_total", METRIC_COUNTER, "Context switches." },
    { "btime", "node_boot_time_seconds", METRIC_GAUGE, "Unix time of the last boot." },
    { "processes", "node_forks_total", METRIC_COUNTER, "Processes and threads created." },
    { "procs_running", "node_procs_running", METRIC_GAUGE, "Processes in runnable state." },
    { "procs_blocked", "node_procs_blocked", METRIC_GAUGE, "Processes waiting for I/O." },
};

bool host_cpu(struct host *h, struct buf *out)
{
    struct str text, rest, line;
    if (!host_read(h, "/proc/stat", &text)) return false;
    host_family(out, "node_cpu_seconds_total", METRIC_COUNTER,
                "Seconds the CPUs spent in each mode.");
    for (rest = text; host_line(&rest, &line);) {
        if (is_one_cpu(line)) put_cpu(out, line);
    }
    host_family(out, "node_cpu_guest_seconds_total", METRIC_COUNTER,
                "Seconds the CPUs spent in guests (VMs) for each mode.");
    for (rest = text; host_line(&rest, &line);) {
        if (is_one_cpu(line)) put_guest(out, line);
    }
    for (rest = text; host_line(&rest, &line);) {
        struct str key = host_word(&line);
        for (size_t i = 0; i < sizeof STAT_ROWS / sizeof STAT_ROWS[0]; i++) {
            if (!str_eq(key, str_of_z(STAT_ROWS[i].key))) continue;
            host_single(out, STAT_ROWS[i].name, STAT_ROWS[i].type, STAT_ROWS[i].help,
                        host_number(&line));
        }
    }
    return true;
}

bool host_load(struct host *h, struct buf *out)
{
    struct str line;
    if (!host_read(h, "/proc/loadavg", &line)) return false;
    host_single(out, "node_load1", METRIC_GAUGE, "1m load average.", host_number(&line));
    host_single(out, "node_load5", METRIC_GAUGE, "5m load average.", host_number(&line));
    host_single(out, "node_load15", METRIC_GAUGE, "15m load average.", host_number(&line));
    return true;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=12345" -> total in microseconds */
static bool pressure_total(struct str text, const char *kind, double *out)
{
    struct str line;
    while (host_line(&text, &line)) {
        if (!str_eq(host_word(&line), str_of_z(kind))) continue;
        size_t at = str_find(line, STR("total="));
        struct str number = str_sub(line, at + STR("total=").len, line.len);
        *out = host_number(&number) / 1e6;
        return true;
    }
    return false;
}

bool host_pressure(struct host *h, struct buf *out)
{
    static const struct {
        const char *file, *kind, *name, *help;
    } ROWS[] = {
        { "cpu", "some", "node_pressure_cpu_waiting_seconds_total",
          "Time in which some task waited for a CPU." },
        { "io", "some", "node_pressure_io_waiting_seconds_total",
          "Time in which some task waited for I/O." },
        { "io", "full", "node_pressure_io_stalled_seconds_total",
          "Time in which all tasks waited for I/O." },
        { "memory", "some", "node_pressure_memory_waiting_seconds_total",
          "Time in which some task waited for memory." },
        { "memory", "full", "node_pressure_memory_stalled_seconds_total",
          "Time in which all tasks waited for memory." },
    };
    bool success = true;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char path[64];
        struct str text;
        double seconds;
        snprintf(path, sizeof path, "/proc/pressure/%s", ROWS[i].file);
        if (host_read(h, path, &text) && pressure_total(text, ROWS[i].kind, &seconds)) {
            host_single(out, ROWS[i].name, METRIC_COUNTER, ROWS[i].help, seconds);
        } else {
            success = false; /* kernels without PSI */
        }
    }
    return success;
}
