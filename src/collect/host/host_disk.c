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
    /* Since Linux 4.18 */
    { "node_disk_discards_completed_total", METRIC_COUNTER, 1,
      "The total number of discards completed successfully." },
    { "node_disk_discards_merged_total", METRIC_COUNTER, 1,
      "The total number of discards merged." },
    { "node_disk_discarded_sectors_total", METRIC_COUNTER, 1,
      "The total number of sectors discarded successfully." },
    { "node_disk_discard_time_seconds_total", METRIC_COUNTER, 1e-3,
      "This is the total number of seconds spent by all discards." },
    /* Since Linux 5.5 */
    { "node_disk_flush_requests_total", METRIC_COUNTER, 1,
      "The total number of flush requests completed successfully" },
    { "node_disk_flush_requests_time_seconds_total", METRIC_COUNTER, 1e-3,
      "This is the total number of seconds spent by all flush requests." },
};

/* sda of sda1, nvme0n1p of nvme0n1p2. */
static struct str without_number(struct str device)
{
    while (device.len > 0 && device.ptr[device.len - 1] >= '0' && device.ptr[device.len - 1] <= '9')
        device.len--;
    return device;
}

/* Partitions and devices in memory only repeat others: node_exporter leaves them out as well. */
static bool is_counted_disk(struct str device)
{
    static const struct str LEFT_OUT[] = { STR_INIT("ram"), STR_INIT("zram"), STR_INIT("loop"),
                                           STR_INIT("fd") };
    static const struct str PARTITIONED[] = { STR_INIT("hd"), STR_INIT("sd"), STR_INIT("vd"),
                                              STR_INIT("xvd") };
    struct str base = without_number(device);
    if (base.len == device.len) return true;
    for (size_t i = 0; i < 4; i++) {
        if (str_eq(base, LEFT_OUT[i])) return false;
        struct str letter = str_sub(base, PARTITIONED[i].len, base.len);
        if (str_starts_with(base, PARTITIONED[i]) && letter.len == 1) return false;
    }
    return !str_starts_with(base, STR("nvme")) || base.ptr[base.len - 1] != 'p';
}

/* One column of all disks; nothing, not even a head, when this kernel does not have it. */
static void put_disk_column(struct buf *out, struct str text, size_t column)
{
    struct str line;
    bool has_head = false;
    while (host_line(&text, &line)) {
        (void)host_word(&line);
        (void)host_word(&line);
        struct label device = { STR("device"), host_word(&line) };
        if (device.value.len == 0 || !is_counted_disk(device.value)) continue;
        for (size_t skip = 0; skip < column; skip++)
            (void)host_word(&line);
        struct str word = host_word(&line);
        if (word.len == 0) continue;
        if (!has_head) {
            host_family(out, DISK_COLUMNS[column].name, DISK_COLUMNS[column].type,
                        DISK_COLUMNS[column].help);
        }
        has_head = true;
        host_sample(out, DISK_COLUMNS[column].name, device,
                    host_number(&word) * DISK_COLUMNS[column].scale);
    }
}

bool host_disk(struct host *h, struct buf *out)
{
    struct str text;
    if (!host_read(h, "/proc/diskstats", &text)) return false;
    for (size_t c = 0; c < sizeof DISK_COLUMNS / sizeof DISK_COLUMNS[0]; c++)
        put_disk_column(out, text, c);
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

/* At `folder` itself or below it. */
static bool is_within(struct str path, struct str folder)
{
    return str_starts_with(path, folder) && (path.len == folder.len || path.ptr[folder.len] == '/');
}

static bool is_system_mount(struct str mount)
{
    return is_within(mount, STR("/dev")) || is_within(mount, STR("/proc")) ||
           is_within(mount, STR("/sys")) || str_starts_with(mount, STR("/run/credentials/")) ||
           str_starts_with(mount, STR("/var/lib/docker/")) ||
           str_starts_with(mount, STR("/var/lib/containers/storage/"));
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* Blanks and backslashes of a path are written as \040 and so on. */
static struct str unescape(struct str s, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len && n < size; i++) {
        const char *c = s.ptr + i;
        out[n] = *c;
        if (*c == '\\' && i + 3 < s.len && is_octal(c[1]) && is_octal(c[2]) && is_octal(c[3])) {
            out[n] = (char)(((c[1] - '0') * 8 + c[2] - '0') * 8 + c[3] - '0');
            i += 3;
        }
        n++;
    }
    return (struct str){ out, n };
}

/* A mounted file system: slices of its line, and what the kernel says of it. */
struct filesystem {
    struct str device, mount, type;
    bool is_readonly, has_failed;
    struct file_space space;   /* unless has_failed */
    char error[160];           /* empty unless has_failed */
    char path[FILE_PATH_SIZE]; /* of `mount` */
};

/* The n-th value of a file system, in the order of FS_ROWS. */
static double filesystem_value(const struct filesystem *fs, size_t row)
{
    const struct file_space *s = &fs->space;
    const double values[] = { (double)s->total_bytes, (double)s->free_root_bytes,
                              (double)s->free_bytes,  (double)s->inodes_total,
                              (double)s->inodes_free, fs->is_readonly,
                              fs->has_failed };
    return values[row];
}

/* The kernel's words, as node_exporter has them: "permission denied". */
static void describe_failure(const struct err *err, char *out, size_t size)
{
    const char *text = err->os_errno ? strerrordesc_np(err->os_errno) : err->msg;
    snprintf(out, size, "%s", text ? text : "failed");
    if (out[0] >= 'A' && out[0] <= 'Z') out[0] = (char)(out[0] - 'A' + 'a');
}

/* "/dev/sda1 / ext4 rw,relatime 0 0"; false for what is left out. */
static bool scan_filesystem(const struct file_layer *l, struct str line, struct filesystem *out)
{
    char path[FILE_PATH_SIZE];
    struct err err = { 0 };
    *out = (struct filesystem){ 0 };
    if (!str_split(&line, ' ', &out->device) || !str_split(&line, ' ', &out->mount) ||
        !str_split(&line, ' ', &out->type)) {
        return false;
    }
    out->mount = unescape(out->mount, out->path, sizeof out->path);
    if (is_pseudo_filesystem(out->type) || is_system_mount(out->mount)) return false;
    out->is_readonly = str_starts_with(line, STR("ro"));
    out->has_failed =
        l->space(l->ctx, str_z(out->mount, path, sizeof path), &out->space, &err) != ERR_OK;
    if (out->has_failed) describe_failure(&err, out->error, sizeof out->error);
    return true;
}

static const struct {
    const char *name, *help;
    bool for_failed; /* also where the kernel gives an error */
} FS_ROWS[] = {
    { "node_filesystem_size_bytes", "Size of the file system.", false },
    { "node_filesystem_free_bytes", "Free bytes, those reserved for root included.", false },
    { "node_filesystem_avail_bytes", "Bytes available to other users than root.", false },
    { "node_filesystem_files", "Inodes of the file system.", false },
    { "node_filesystem_files_free", "Free inodes.", false },
    { "node_filesystem_readonly", "Whether the file system is mounted read-only.", true },
    { "node_filesystem_device_error",
      "Whether an error occurred while getting statistics for the given device.", true },
};

bool host_filesystem(struct host *h, struct buf *out)
{
    const struct file_layer *l = h->options.files;
    struct str text, rest, line;
    if (!host_read(h, "/proc/self/mounts", &text)) return false;
    for (size_t row = 0; row < sizeof FS_ROWS / sizeof FS_ROWS[0]; row++) {
        host_family(out, FS_ROWS[row].name, METRIC_GAUGE, FS_ROWS[row].help);
        for (rest = text; host_line(&rest, &line);) {
            struct filesystem fs;
            if (!scan_filesystem(l, line, &fs)) continue;
            if (fs.has_failed && !FS_ROWS[row].for_failed) continue;
            struct label labels[] = { { STR("device"), fs.device },
                                      { STR("device_error"), str_of_z(fs.error) },
                                      { STR("fstype"), fs.type },
                                      { STR("mountpoint"), fs.mount } };
            struct exposition_sample s = {
                .name = str_of_z(FS_ROWS[row].name),
                .labels = { labels, 4 },
                .value = filesystem_value(&fs, row),
            };
            exposition_write_sample(out, EXPOSITION_TEXT, &s);
        }
    }
    return true;
}
