/* SPDX-License-Identifier: Apache-2.0
 *
 * The families of the made-up exporter and the label sets of its series.
 */
#include "fleet_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AXIS_LABELS_MAX 3
#define AXIS_VALUES_MAX 16

/* Labels that vary together: row r of `values` has one value per label. */
struct axis {
    const char *labels[AXIS_LABELS_MAX];
    const char *values[AXIS_VALUES_MAX][AXIS_LABELS_MAX];
};

static const struct axis CPU = {
    { "cpu" }, { { "0" }, { "1" }, { "2" }, { "3" }, { "4" }, { "5" }, { "6" }, { "7" } }
};
static const struct axis MODE = { { "mode" },
                                  { { "idle" },
                                    { "iowait" },
                                    { "irq" },
                                    { "nice" },
                                    { "softirq" },
                                    { "steal" },
                                    { "system" },
                                    { "user" } } };
static const struct axis DISK = { { "device" },
                                  { { "nvme0n1" }, { "nvme1n1" }, { "sda" }, { "sdb" } } };
static const struct axis NIC = { { "device" },
                                 { { "docker0" }, { "eth0" }, { "eth1" }, { "lo" } } };
static const struct axis MOUNT = { { "device", "fstype", "mountpoint" },
                                   { { "/dev/nvme0n1p2", "ext4", "/" },
                                     { "/dev/nvme0n1p1", "vfat", "/boot/efi" },
                                     { "/dev/nvme1n1", "xfs", "/var/lib/data" },
                                     { "tmpfs", "tmpfs", "/run" },
                                     { "/dev/sda1", "xfs", "/srv/backup" } } };
static const struct axis LE = { { "le" },
                                { { "0.005" },
                                  { "0.01" },
                                  { "0.025" },
                                  { "0.05" },
                                  { "0.1" },
                                  { "0.25" },
                                  { "0.5" },
                                  { "1.0" },
                                  { "2.5" },
                                  { "+Inf" } } };
static const struct axis HANDLER = { { "handler", "method" },
                                     { { "/api/v1/items", "GET" },
                                       { "/api/v1/items", "POST" },
                                       { "/api/v1/items/:id", "GET" },
                                       { "/api/v1/orders", "POST" },
                                       { "/healthz", "GET" },
                                       { "/metrics", "GET" } } };
static const struct axis CODE = { { "code" }, { { "200" }, { "404" }, { "503" } } };
static const struct axis UNIT = { { "name", "type" },
                                  { { "containerd.service", "notify" },
                                    { "cron.service", "simple" },
                                    { "dbus.service", "simple" },
                                    { "docker.service", "notify" },
                                    { "fstrim.service", "oneshot" },
                                    { "getty@tty1.service", "idle" },
                                    { "nginx.service", "forking" },
                                    { "node_exporter.service", "simple" },
                                    { "rsyslog.service", "notify" },
                                    { "ssh.service", "notify" },
                                    { "systemd-journald.service", "notify" },
                                    { "systemd-logind.service", "notify" },
                                    { "systemd-networkd.service", "notify" },
                                    { "systemd-resolved.service", "notify" },
                                    { "systemd-timesyncd.service", "notify" },
                                    { "systemd-udevd.service", "notify" } } };
static const struct axis STATE = {
    { "state" },
    { { "activating" }, { "active" }, { "deactivating" }, { "failed" }, { "inactive" } }
};

/* `names` are space-separated; each is a family `prefix name` over the product of the axes. */
struct group {
    const char *type, *prefix, *names;
    const struct axis *outer, *inner;
};

static const struct group GROUPS[] = {
    { "counter", "node_cpu_", "seconds_total", &CPU, &MODE },
    { "gauge", "node_systemd_unit_", "state", &UNIT, &STATE },
    { "counter", "http_request_duration_seconds_", "bucket", &HANDLER, &LE },
    { "counter", "http_requests_", "total", &HANDLER, &CODE },
    { "counter", "node_disk_",
      "discards_completed_total io_time_seconds_total io_time_weighted_seconds_total "
      "read_bytes_total read_time_seconds_total reads_completed_total reads_merged_total "
      "write_time_seconds_total writes_completed_total writes_merged_total written_bytes_total",
      &DISK, NULL },
    { "counter", "node_network_",
      "carrier_changes_total receive_bytes_total receive_drop_total receive_errs_total "
      "receive_fifo_total receive_multicast_total receive_packets_total transmit_bytes_total "
      "transmit_colls_total transmit_drop_total transmit_errs_total transmit_packets_total",
      &NIC, NULL },
    { "gauge", "node_network_", "carrier mtu_bytes speed_bytes up", &NIC, NULL },
    { "gauge", "node_filesystem_",
      "avail_bytes device_error files files_free free_bytes readonly size_bytes", &MOUNT, NULL },
    { "counter", "node_softnet_", "dropped_total processed_total times_squeezed_total", &CPU,
      NULL },
    { "gauge", "node_memory_",
      "Active_anon_bytes Active_bytes Active_file_bytes AnonHugePages_bytes AnonPages_bytes "
      "Bounce_bytes Buffers_bytes Cached_bytes CommitLimit_bytes Committed_AS_bytes Dirty_bytes "
      "HardwareCorrupted_bytes HugePages_Free HugePages_Rsvd HugePages_Surp HugePages_Total "
      "Hugepagesize_bytes Inactive_anon_bytes Inactive_bytes Inactive_file_bytes "
      "KReclaimable_bytes KernelStack_bytes Mapped_bytes MemAvailable_bytes MemFree_bytes "
      "MemTotal_bytes Mlocked_bytes NFS_Unstable_bytes PageTables_bytes Percpu_bytes "
      "SReclaimable_bytes SUnreclaim_bytes Shmem_bytes Slab_bytes SwapCached_bytes "
      "SwapFree_bytes SwapTotal_bytes Unevictable_bytes VmallocTotal_bytes VmallocUsed_bytes "
      "WritebackTmp_bytes Writeback_bytes",
      NULL, NULL },
    { "counter", "node_netstat_",
      "Icmp_InErrors Icmp_InMsgs Icmp_OutMsgs IpExt_InOctets IpExt_OutOctets Ip_Forwarding "
      "TcpExt_ListenDrops TcpExt_ListenOverflows TcpExt_SyncookiesSent TcpExt_TCPTimeouts "
      "Tcp_ActiveOpens Tcp_CurrEstab Tcp_InErrs Tcp_InSegs Tcp_OutRsts Tcp_OutSegs "
      "Tcp_PassiveOpens Tcp_RetransSegs Udp_InDatagrams Udp_InErrors Udp_NoPorts "
      "Udp_OutDatagrams Udp_RcvbufErrors",
      NULL, NULL },
    { "counter", "node_vmstat_", "oom_kill pgfault pgmajfault pgpgin pgpgout pswpin pswpout", NULL,
      NULL },
    { "gauge", "node_", "boot_time_seconds load1 load15 load5 procs_blocked procs_running", NULL,
      NULL },
    { "counter", "node_", "context_switches_total forks_total intr_total", NULL, NULL },
    { "gauge", "process_",
      "max_fds open_fds resident_memory_bytes start_time_seconds virtual_memory_bytes "
      "virtual_memory_max_bytes",
      NULL, NULL },
    { "counter", "process_", "cpu_seconds_total network_receive_bytes_total", NULL, NULL },
    { "gauge", "go_",
      "gc_duration_seconds goroutines info memstats_alloc_bytes memstats_buck_hash_sys_bytes "
      "memstats_gc_sys_bytes memstats_heap_alloc_bytes memstats_heap_idle_bytes "
      "memstats_heap_inuse_bytes memstats_heap_objects memstats_heap_released_bytes "
      "memstats_heap_sys_bytes memstats_mcache_inuse_bytes memstats_mspan_inuse_bytes "
      "memstats_next_gc_bytes memstats_stack_inuse_bytes memstats_sys_bytes threads",
      NULL, NULL },
};

static unsigned axis_size(const struct axis *a)
{
    unsigned n = 0;
    if (!a) return 1;
    while (n < AXIS_VALUES_MAX && a->values[n][0])
        n++;
    return n;
}

static void fill_group(struct fleet_slot *slots, unsigned *at, const struct group *g)
{
    const char *name = g->names;
    while (*name && *at < FLEET_SLOTS) {
        size_t len = strcspn(name, " ");
        unsigned inner = axis_size(g->inner), all = axis_size(g->outer) * inner;
        for (unsigned k = 0; k < all && *at < FLEET_SLOTS; k++) {
            struct fleet_slot *s = &slots[(*at)++];
            (void)snprintf(s->name, sizeof s->name, "%s%.*s", g->prefix, (int)len, name);
            s->type = g->type;
            s->outer = g->outer;
            s->inner = g->inner;
            s->outer_row = k / inner;
            s->inner_row = k % inner;
        }
        name += len;
        name += strspn(name, " ");
    }
}

void fleet_fill_slots(struct fleet_slot *slots)
{
    unsigned at = 0;
    for (unsigned i = 0; i < sizeof GROUPS / sizeof GROUPS[0]; i++)
        fill_group(slots, &at, &GROUPS[i]);
    for (unsigned extra = 0; at < FLEET_SLOTS; extra++, at++) {
        (void)snprintf(slots[at].name, sizeof slots[at].name, "app_setting_%u", extra);
        slots[at].type = "gauge";
    }
}

static unsigned add_axis(struct fleet_label *out, unsigned n, const struct axis *a, unsigned row)
{
    for (unsigned i = 0; a && i < AXIS_LABELS_MAX && a->labels[i]; i++, n++) {
        out[n].name = a->labels[i];
        (void)snprintf(out[n].value, sizeof out[n].value, "%s", a->values[row][i]);
    }
    return n;
}

unsigned fleet_own_labels(const struct fleet *f, uint32_t series, struct fleet_label *out,
                          struct fleet_family *out_family)
{
    unsigned n = 0;
    uint32_t k = series % f->slots_per_instance;
    if (f->options.metric) {
        *out_family = (struct fleet_family){ f->options.metric, "counter" };
        out[n].name = "cpu";
        (void)snprintf(out[n++].value, sizeof out[0].value, "%u", (unsigned)(k / 8));
        return add_axis(out, n, &MODE, k % 8);
    }
    const struct fleet_slot *s = &f->slots[k];
    *out_family = (struct fleet_family){ s->name, s->type };
    n = add_axis(out, n, s->outer, s->outer_row);
    return add_axis(out, n, s->inner, s->inner_row);
}

static int by_name(const void *x, const void *y)
{
    const struct fleet_label *a = x, *b = y;
    return strcmp(a->name, b->name);
}

__attribute__((format(printf, 3, 4))) static void set_label(struct fleet_label *l, const char *name,
                                                            const char *format, ...)
{
    va_list args;
    va_start(args, format);
    l->name = name;
    (void)vsnprintf(l->value, sizeof l->value, format, args);
    va_end(args);
}

unsigned fleet_labels(const struct fleet *f, uint32_t series, struct fleet_label *out)
{
    static const char *const SITES[] = { "eu-central-1", "eu-west-2", "us-east-1", "ap-south-1" };
    static const char *const ENVIRONMENTS[] = { "production", "staging", "canary" };
    struct fleet_family family;
    unsigned n = fleet_own_labels(f, series, out, &family);
    uint32_t instance = fleet_instance(f, series);
    set_label(&out[n++], "__name__", "%s", family.name);
    set_label(&out[n++], "cluster", "cluster-%u", (unsigned)(instance / 100));
    set_label(&out[n++], "datacenter", "%s", SITES[instance / 50 % 4]);
    set_label(&out[n++], "environment", "%s", ENVIRONMENTS[instance % 16 == 15 ? 2 : instance % 2]);
    set_label(&out[n++], "instance", "10.%u.%u.%u:9100", (unsigned)(instance / 4000),
              (unsigned)(instance / 40 % 100), (unsigned)(instance % 40 + 10));
    set_label(&out[n++], "job", "node");
    set_label(&out[n++], "rack", "r%03u", (unsigned)(instance / 20));
    qsort(out, n, sizeof *out, by_name);
    return n;
}
