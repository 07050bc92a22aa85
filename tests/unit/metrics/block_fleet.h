/* SPDX-License-Identifier: Apache-2.0
 *
 * block_fleet - a made-up fleet of scraped targets, always the same for the same options: label sets in block
 * order and, per series, samples of a two-hour block. For tests and benchmarks of blocks.
 *
 * The mix of values is that of a quiet fleet (share of the series):
 *     42 %   constantly 0            18 %   constantly 1          8 %   other constants
 *     25.6 % changing integers: rare events, uneven counters, steady counters, gauges in multiples
 *     4.8 %  short decimals          1.6 %  full-precision sums of durations
 * Every series has values of its own: no two targets are copies of each other. One target in eight
 * has scrape times that jitter by a few milliseconds, one in thirty misses scrapes.
 */
#ifndef PHAROS_TESTS_BLOCK_FLEET_H
#define PHAROS_TESTS_BLOCK_FLEET_H

#include <stdint.h>

#include "base/arena.h"
#include "model/labels.h"

struct fleet_options {
    uint64_t seed;
    uint32_t targets, series_per_target;
    uint32_t samples; /* per series; at most 1024 */
    int64_t interval_ms;
    int64_t mint_ms;           /* of the block */
    unsigned changing_percent; /* 0 = the quiet mix; else this share of the series changes */
};

struct fleet_series {
    struct labels labels;
    uint32_t target, number;
};

struct fleet {
    struct fleet_options options;
    struct fleet_series *series; /* block order */
    uint32_t count;
};

/* Everything lives in `a`; asserts on no memory. */
void fleet_init(struct fleet *f, const struct fleet_options *options, struct arena *a);
/* Samples of series i of block order into ts[samples], value[samples]; returns how many of them lie
 * in the block's samples * interval_ms (a missed scrape pushes the last ones out). */
uint32_t fleet_samples(const struct fleet *f, uint32_t i, int64_t *ts_ms, double *value);

#endif
