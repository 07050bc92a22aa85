/* SPDX-License-Identifier: Apache-2.0
 *
 * /sys/class/net: what the interfaces are (kernel documentation: ABI/testing/sysfs-class-net). The
 * interfaces are those of /proc/net/dev. A file that an interface does not have, or cannot answer
 * now, leaves its sample out.
 */
#include <stdio.h>

#include "collect/host/host_priv.h"

#define VALUE_SIZE 256 /* ifalias, the longest, has at most that */
#define MBIT_BYTES (1000.0 * 1000.0 / 8)

/* Names of the interfaces, a line each. */
static bool list_interfaces(struct host *h, struct buf *out)
{
    struct str rest, line;
    if (!host_read(h, "/proc/net/dev", &rest)) return false;
    while (host_line(&rest, &line)) {
        if (str_index(line, '|') < line.len) continue; /* the two head lines */
        struct str name = host_word(&line);
        if (name.len == 0) continue;
        buf_put_str(out, name);
        buf_put_u8(out, '\n');
    }
    return !buf_failed(out);
}

/* One file of an interface into value[VALUE_SIZE]; empty when there is none. */
static struct str property(struct host *h, struct str interface, const char *file, char *value)
{
    char path[FILE_PATH_SIZE];
    int len =
        snprintf(path, sizeof path, "/sys/class/net/" STR_FMT "/%s", STR_ARG(interface), file);
    if (len < 0 || (size_t)len >= sizeof path) return (struct str){ "", 0 };
    return host_first_line(h, path, value, VALUE_SIZE);
}

/* IFF_UP, bit 0 of the flags (hexadecimal): what the administrator wants. */
static bool is_wanted_up(struct str flags)
{
    char last = flags.len ? flags.ptr[flags.len - 1] : '0';
    return last >= 'a' ? (last - 'a') % 2 != 0 : (last - '0') % 2 != 0;
}

static void put_info(struct host *h, struct str interface, struct buf *out)
{
    char address[VALUE_SIZE], broadcast[VALUE_SIZE], duplex[VALUE_SIZE], alias[VALUE_SIZE],
        state[VALUE_SIZE], flags[VALUE_SIZE];
    bool is_up = is_wanted_up(property(h, interface, "flags", flags));
    struct label labels[] = {
        { STR("address"), property(h, interface, "address", address) },
        { STR("adminstate"), is_up ? STR("up") : STR("down") },
        { STR("broadcast"), property(h, interface, "broadcast", broadcast) },
        { STR("device"), interface },
        { STR("duplex"), property(h, interface, "duplex", duplex) },
        { STR("ifalias"), property(h, interface, "ifalias", alias) },
        { STR("operstate"), property(h, interface, "operstate", state) },
    };
    struct exposition_sample s = { .name = STR("node_network_info"),
                                   .labels = { labels, 7 },
                                   .value = 1 };
    if (labels[6].value.len > 0) exposition_write_sample(out, EXPOSITION_TEXT, &s);
}

static void put_up(struct host *h, struct str interface, struct buf *out)
{
    char state[VALUE_SIZE];
    struct label device = { STR("device"), interface };
    struct str text = property(h, interface, "operstate", state);
    if (text.len > 0) host_sample(out, "node_network_up", device, str_eq(text, STR("up")));
}

static const struct {
    const char *file, *name, *help;
    double scale;
} NUMBERS[] = {
    { "carrier", "node_network_carrier", "Network device property: carrier", 1 },
    { "mtu", "node_network_mtu_bytes", "Network device property: mtu_bytes", 1 },
    /* -1 where it is unknown, as it is shown there */
    { "speed", "node_network_speed_bytes", "Network device property: speed_bytes", MBIT_BYTES },
};

static void put_number(struct host *h, struct str interface, size_t row, struct buf *out)
{
    char value[VALUE_SIZE];
    struct label device = { STR("device"), interface };
    struct str text = property(h, interface, NUMBERS[row].file, value);
    if (text.len > 0)
        host_sample(out, NUMBERS[row].name, device, host_number(&text) * NUMBERS[row].scale);
}

bool host_interfaces(struct host *h, struct buf *out)
{
    struct buf names;
    struct str rest, interface;
    buf_init(&names, h->text.mem, h->text.cap_max);
    bool is_read = list_interfaces(h, &names);
    if (is_read) {
        host_family(out, "node_network_up", METRIC_GAUGE,
                    "Value is 1 if operstate is 'up', 0 otherwise.");
        for (rest = buf_str(&names); host_line(&rest, &interface);)
            put_up(h, interface, out);
        host_family(out, "node_network_info", METRIC_GAUGE,
                    "Non-numeric data from /sys/class/net/<iface>, value is always 1.");
        for (rest = buf_str(&names); host_line(&rest, &interface);)
            put_info(h, interface, out);
    }
    for (size_t row = 0; is_read && row < sizeof NUMBERS / sizeof NUMBERS[0]; row++) {
        host_family(out, NUMBERS[row].name, METRIC_GAUGE, NUMBERS[row].help);
        for (rest = buf_str(&names); host_line(&rest, &interface);)
            put_number(h, interface, row, out);
    }
    buf_deinit(&names);
    return is_read;
}
