/* SPDX-License-Identifier: Apache-2.0
 *
 * /proc/net/dev, /proc/net/sockstat, and the identity of the system.
 */
#include <stdio.h>

#include "collect/host/host_priv.h"

/* Columns of /proc/net/dev after "eth0:". */
static const char *const NET_COLUMNS[] = {
    "node_network_receive_bytes_total",      "node_network_receive_packets_total",
    "node_network_receive_errs_total",       "node_network_receive_drop_total",
    "node_network_receive_fifo_total",       "node_network_receive_frame_total",
    "node_network_receive_compressed_total", "node_network_receive_multicast_total",
    "node_network_transmit_bytes_total",     "node_network_transmit_packets_total",
    "node_network_transmit_errs_total",      "node_network_transmit_drop_total",
    "node_network_transmit_fifo_total",      "node_network_transmit_colls_total",
    "node_network_transmit_carrier_total",   "node_network_transmit_compressed_total",
};

bool host_network(struct host *h, struct buf *out)
{
    struct str text, rest, line;
    if (!host_read(h, "/proc/net/dev", &text)) return false;
    for (size_t c = 0; c < sizeof NET_COLUMNS / sizeof NET_COLUMNS[0]; c++) {
        host_family(out, NET_COLUMNS[c], METRIC_COUNTER, "Network device statistic.");
        for (rest = text; host_line(&rest, &line);) {
            if (str_index(line, '|') < line.len) continue; /* the two head lines */
            struct label device = { STR("device"), host_word(&line) };
            if (device.value.len == 0) continue;
            for (size_t skip = 0; skip < c; skip++)
                (void)host_word(&line);
            host_sample(out, NET_COLUMNS[c], device, host_number(&line));
        }
    }
    return true;
}

/* "TCP: inuse 5 orphan 0 ..." -> node_sockstat_TCP_inuse 5 */
bool host_sockets(struct host *h, struct buf *out)
{
    struct str rest, line;
    if (!host_read(h, "/proc/net/sockstat", &rest)) return false;
    while (host_line(&rest, &line)) {
        struct str protocol = host_word(&line), key;
        for (key = host_word(&line); key.len; key = host_word(&line)) {
            char name[128];
            snprintf(name, sizeof name, "node_sockstat_" STR_FMT "_" STR_FMT, STR_ARG(protocol),
                     STR_ARG(key));
            host_single(out, name, METRIC_GAUGE, "Number of sockets in that state.",
                        host_number(&line));
        }
    }
    return true;
}

/* What this program is built for: kernels before 6.1 have no /proc/sys/kernel/arch. */
static struct str built_for(void)
{
#if defined(__x86_64__)
    return STR("x86_64");
#elif defined(__aarch64__)
    return STR("aarch64");
#else
    return STR("");
#endif
}

bool host_system(struct host *h, struct buf *out)
{
    char domain[256], machine[64], nodename[256], release[256], version[256], sysname[64];
    struct str arch = host_first_line(h, "/proc/sys/kernel/arch", machine, sizeof machine);
    struct label labels[] = {
        { STR("domainname"),
          host_first_line(h, "/proc/sys/kernel/domainname", domain, sizeof domain) },
        { STR("machine"), arch.len ? arch : built_for() },
        { STR("nodename"),
          host_first_line(h, "/proc/sys/kernel/hostname", nodename, sizeof nodename) },
        { STR("release"),
          host_first_line(h, "/proc/sys/kernel/osrelease", release, sizeof release) },
        { STR("sysname"), host_first_line(h, "/proc/sys/kernel/ostype", sysname, sizeof sysname) },
        { STR("version"), host_first_line(h, "/proc/sys/kernel/version", version, sizeof version) },
    };
    struct exposition_sample s = { .name = STR("node_uname_info"),
                                   .labels = { labels, 6 },
                                   .value = 1 };
    host_family(out, "node_uname_info", METRIC_GAUGE,
                "Labeled system information as provided by the uname system call.");
    exposition_write_sample(out, EXPOSITION_TEXT, &s);
    host_single(out, "node_time_seconds", METRIC_GAUGE, "Unix time of the system.",
                (double)clock_wall_ms(h->options.clock) / 1e3);
    return labels[2].value.len > 0; /* nodename */
}
