/* SPDX-License-Identifier: Apache-2.0
 *
 * host - metrics of this machine from /proc and /sys, under node_exporter's names, as exposition
 * text: the built-in target "node" goes through the same pipeline as every scraped one.
 *
 * Covered   cpu, load, boot time, context switches, forks, interrupts, processes, memory, disks,
 *           file systems, network devices and interfaces, sockets, pressure, time, uname. Units and
 *           names as node_exporter 1.x.
 * Threads   One caller at a time per struct host.
 * Memory    One scratch buffer, kept between calls.
 * Failure   A file that cannot be read leaves its metrics out and sets
 *           node_scrape_collector_success 0 for its collector; nothing else suffers.
 */
#ifndef PHAROS_COLLECT_HOST_HOST_H
#define PHAROS_COLLECT_HOST_HOST_H

#include "base/buf.h"
#include "base/err.h"
#include "os/clock.h"
#include "os/file_layer.h"
#include "os/mem.h"

struct host_options {
    const struct file_layer *files;
    const struct clock *clock;
    struct mem_budget *mem;
    const char *root; /* prefix of /proc and /sys; "" for the real ones */
};

struct host;

CHECK_RESULT enum err_code host_create(const struct host_options *options, struct host **out,
                                       struct err *err);
void host_destroy(struct host *h);

/* Append the text of one scrape (Prometheus text 0.0.4). Check buf_failed(out). */
void host_collect(struct host *h, struct buf *out);

#endif
