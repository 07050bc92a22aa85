/* SPDX-License-Identifier: Apache-2.0 */
#include "base/stats.h"

void stat_observe_ns(struct stat_histogram *h, uint64_t ns)
{
    uint64_t us = ns / 1000 + (ns % 1000 != 0); /* rounded up: bucket i holds values <= 2^i us */
    unsigned bucket = us <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(us - 1);
    if (bucket >= STAT_HISTOGRAM_BUCKETS) bucket = STAT_HISTOGRAM_BUCKETS - 1;
    atomic_fetch_add_explicit(&h->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_ns, ns, memory_order_relaxed);
}
