/* SPDX-License-Identifier: Apache-2.0
 *
 * /proc/meminfo: each row becomes node_memory_<Row>[_bytes], "Active(anon)" Active_anon.
 */
#include <stdio.h>

#include "collect/host/host_priv.h"

/* The row's name as a metric name; false when it does not fit. */
static bool metric_name(struct str row, bool is_bytes, char *out, size_t size)
{
    char name[128];
    size_t n = 0;
    for (size_t i = 0; i < row.len && n + 1 < sizeof name; i++) {
        if (row.ptr[i] == ')') continue;
        name[n++] = row.ptr[i] == '(' ? '_' : row.ptr[i];
    }
    name[n] = '\0';
    int len = snprintf(out, size, "node_memory_%s%s", name, is_bytes ? "_bytes" : "");
    return n > 0 && len > 0 && (size_t)len < size;
}

bool host_memory(struct host *h, struct buf *out)
{
    struct str rest, line;
    if (!host_read(h, "/proc/meminfo", &rest)) return false;
    while (host_line(&rest, &line)) {
        char name[192], help[256];
        struct str row = host_word(&line);
        double value = host_number(&line);
        bool is_bytes = str_eq(host_word(&line), STR("kB"));
        if (!metric_name(row, is_bytes, name, sizeof name)) continue;
        snprintf(help, sizeof help, "Memory information field " STR_FMT "%s.", STR_ARG(row),
                 is_bytes ? " in bytes" : "");
        host_single(out, name, METRIC_GAUGE, help, is_bytes ? value * 1024 : value);
    }
    return true;
}
