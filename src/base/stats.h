/* SPDX-License-Identifier: Apache-2.0
 *
 * stats - cells of self-telemetry. A module owns a struct of cells and one table of descriptors
 * beside it; server/ walks the tables for /metrics. The module knows no reader.
 *
 *     struct wal_stats { struct stat_counter bytes; struct stat_gauge segments; };
 *     const struct stat_desc WAL_STATS[] = {
 *         STAT_COUNTER(struct wal_stats, bytes, "pharos_wal_written_bytes_total",
 *                      "Bytes appended to the WAL."),
 *         ... };
 *
 * Threads   Any thread may add; relaxed atomics, statistics only.
 */
#ifndef PHAROS_BASE_STATS_H
#define PHAROS_BASE_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/num.h"

struct stat_counter {
    _Atomic uint64_t v;
};
struct stat_gauge {
    _Atomic int64_t v;
};
/* Powers of two of microseconds: bucket i counts values <= 2^i us, i = 0..24; the last is +Inf.
 * Rendered as a classic histogram in seconds. */
#define STAT_HISTOGRAM_BUCKETS 26
struct stat_histogram {
    _Atomic uint64_t buckets[STAT_HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum_ns;
};

static inline void stat_add(struct stat_counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->v, n, memory_order_relaxed);
}
static inline uint64_t stat_get(const struct stat_counter *c)
{
    return atomic_load_explicit(&c->v, memory_order_relaxed);
}
static inline void stat_set(struct stat_gauge *g, int64_t v)
{
    atomic_store_explicit(&g->v, v, memory_order_relaxed);
}
static inline void stat_gauge_add(struct stat_gauge *g, int64_t d)
{
    atomic_fetch_add_explicit(&g->v, d, memory_order_relaxed);
}
static inline int64_t stat_gauge_get(const struct stat_gauge *g)
{
    return atomic_load_explicit(&g->v, memory_order_relaxed);
}
void stat_observe_ns(struct stat_histogram *h, uint64_t ns);

enum stat_kind { STAT_KIND_COUNTER, STAT_KIND_GAUGE, STAT_KIND_HISTOGRAM };

struct stat_desc {
    enum stat_kind kind;
    size_t offset;      /* of the cell in the module's struct */
    const char *name;   /* metric name, "pharos_<area>_<name>_<unit>[_total]" */
    const char *labels; /* "reason=\"limit\"" or NULL; consecutive rows may share a name */
    const char *help;
};

/* clang-format off */
#define STAT_COUNTER(type, field, name, help)                                                      \
    { STAT_KIND_COUNTER, offsetof(type, field), name, NULL, help }
#define STAT_COUNTER_L(type, field, name, labels, help)                                            \
    { STAT_KIND_COUNTER, offsetof(type, field), name, labels, help }
#define STAT_GAUGE(type, field, name, help)                                                        \
    { STAT_KIND_GAUGE, offsetof(type, field), name, NULL, help }
#define STAT_GAUGE_L(type, field, name, labels, help)                                              \
    { STAT_KIND_GAUGE, offsetof(type, field), name, labels, help }
#define STAT_HISTOGRAM(type, field, name, help)                                                    \
    { STAT_KIND_HISTOGRAM, offsetof(type, field), name, NULL, help }
/* clang-format on */

/* One module's contribution; server/ keeps a list of these. */
struct stat_table {
    const struct stat_desc *descs;
    size_t desc_count;
    const void *cells;
};

#endif
