/* SPDX-License-Identifier: Apache-2.0
 *
 * /proc/diskstats (kernel documentation: admin-guide/iostats) and the mounted file systems.
 */
#include <stdio.h>

#include "collect/host/host_priv.h"

#define SECTOR_BYTES 512.0

/* Columns after the device name, in order; scale turns ms and sectors into base units. */
static const struct {
    const char *name;
    enum metric_type type;
    double scale;
    const char *help;
} DISK_COLUMNS[] = {
    { "node_disk_reads_completed_total", METRIC_COUNTER, 1, "Reads completed." },
    { "node_disk_reads_merged_total", METRIC_COUNTER, 1, "Reads merged." },
    { "node_disk_read_bytes_total", METRIC_COUNTER, SECTOR_BYTES, "Bytes read." },
    { "node_disk_read_time_seconds_total", METRIC_COUNTER, 1e-3, "Seconds spent by all reads." },
    { "node_disk_writes_completed_total", METRIC_COUNTER, 1, "Writes completed." },
    { "node_disk_writes_merged_total", METRIC_COUNTER, 1, "Writes merged." },
    { "node_disk_written_bytes_total", METRIC_COUNTER, SECTOR_BYTES, "Bytes written." },
    { "node_disk_write_time_seconds_total", METRIC_COUNTER, 1e-3, "Seconds spent by all writes." },
    { "node_disk_io_now", METRIC_GAUGE, 1, "I/Os in progress." },
    { "node_disk_io_time_seconds_total", METRIC_COUNTER, 1e-3, "Seconds spent doing I/O." },
    { "node_disk_io_time_weighted_seconds_total", METRIC_COUNTER, 1e-3,
      "Weighted seconds spent doing I/O." },
};

/* Devices that only repeat others: node_exporter leaves them out as well. */
static bool is_counted_disk(struct str device)
{
    return !str_starts_with(device, STR("ram")) && !str_starts_with(device, STR("loop")) &&
           !str_starts_with(device, STR("fd"));
}

bool host_disk(struct host *h, struct buf *out)
{
    struct str text, rest, line;
    if (!host_read(h, "/proc/diskstats", &text)) return false;
    for (size_t c = 0; c < sizeof DISK_COLUMNS / sizeof DISK_COLUMNS[0]; c++) {
        host_family(out, DISK_COLUMNS[c].name, DISK_COLUMNS[c].type, DISK_COLUMNS[c].help);
        for (rest = text; host_line(&rest, &line);) {
            (void)host_word(&line);
            (void)host_word(&line);
            struct str device = host_word(&line);
            if (device.len == 0 || !is_counted_disk(device)) continue;
            for (size_t skip = 0; skip < c; skip++)
                (void)host_word(&line);
            struct label l = { STR("device"), device };
            host_sample(out, DISK_COLUMNS[c].name, l, host_number(&line) * DISK_COLUMNS[c].scale);
        }
    }
    return true;
}

/* Kernel file systems without storage behind them. */
static bool is_pseudo_filesystem(struct str type)
{
    static const struct str TYPES[] = {
        STR_INIT("autofs"),    STR_INIT("binfmt_misc"), STR_INIT("bpf"),
        STR_INIT("cgroup"),    STR_INIT("cgroup2"),     STR_INIT("configfs"),
        STR_INIT("debugfs"),   STR_INIT("devpts"),      STR_INIT("devtmpfs"),
        STR_INIT("fusectl"),   STR_INIT("hugetlbfs"),   STR_INIT("iso9660"),
        STR_INIT("mqueue"),    STR_INIT("nsfs"),        STR_INIT("proc"),
        STR_INIT("pstore"),    STR_INIT("rpc_pipefs"),  STR_INIT("securityfs"),
        STR_INIT("selinuxfs"), STR_INIT("squashfs"),    STR_INIT("sysfs"),
        STR_INIT("tracefs"),   STR_INIT("erofs"),       STR_INIT("ramfs"),
    };
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++) {
        if (str_eq(type, TYPES[i])) return true;
    }
    return false;
}

static bool is_system_mount(struct str mount)
{
    return str_starts_with(mount, STR("/dev")) || str_starts_with(mount, STR("/proc")) ||
           str_starts_with(mount, STR("/sys")) || str_starts_with(mount, STR("/run/credentials")) ||
           str_starts_with(mount, STR("/var/lib/docker/"));
}

/* The n-th value of a file system, in the order of FS_ROWS. */
static double filesystem_value(const struct file_space *s, bool is_readonly, size_t row)
{
    const double values[] = { (double)s->total_bytes, (double)s->free_root_bytes,
                              (double)s->free_bytes,  (double)s->inodes_total,
                              (double)s->inodes_free, is_readonly };
    return values[row];
}

static const struct {
    const char *name, *help;
} FS_ROWS[] = {
    { "node_filesystem_size_bytes", "Size of the file system." },
    { "node_filesystem_free_bytes", "Free bytes, those reserved for root included." },
    { "node_filesystem_avail_bytes", "Bytes available to other users than root." },
    { "node_filesystem_files", "Inodes of the file system." },
    { "node_filesystem_files_free", "Free inodes." },
    { "node_filesystem_readonly", "Whether the file system is mounted read-only." },
};

bool host_filesystem(struct host *h, struct buf *out)
{
    const struct file_layer *l = h->options.files;
    struct str text, rest, line;
    if (!host_read(h, "/proc/self/mounts", &text)) return false;
    for (size_t row = 0; row < sizeof FS_ROWS / sizeof FS_ROWS[0]; row++) {
        host_family(out, FS_ROWS[row].name, METRIC_GAUGE, FS_ROWS[row].help);
        for (rest = text; host_line(&rest, &line);) {
            char path[FILE_PATH_SIZE];
            struct file_space space;
            struct str device, mount, type, options = line;
            if (!str_split(&options, ' ', &device) || !str_split(&options, ' ', &mount) ||
                !str_split(&options, ' ', &type)) {
                continue;
            }
            if (is_pseudo_filesystem(type) || is_system_mount(mount)) continue;
            if (l->space(l->ctx, str_z(mount, path, sizeof path), &space, NULL) != ERR_OK) continue;
            struct label labels[] = { { STR("device"), device },
                                      { STR("fstype"), type },
                                      { STR("mountpoint"), mount } };
            struct exposition_sample s = {
                .name = str_of_z(FS_ROWS[row].name),
                .labels = { labels, 3 },
                .value = filesystem_value(&space, str_starts_with(options, STR("ro")), row),
            };
            exposition_write_sample(out, EXPOSITION_TEXT, &s);
        }
    }
    return true;
}
