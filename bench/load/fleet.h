/* SPDX-License-Identifier: Apache-2.0
 *
 * fleet - the data of the load generators: a fleet of hosts that run one exporter each, made up, the
 * same for the same options.
 *
 * Series    number i belongs to instance i / FLEET_SLOTS and is slot i % FLEET_SLOTS of its exporter:
 *           about 60 metric families as node_exporter and a small web server have them. With the
 *           seven labels that tell instances apart, a series has 9 labels on average.
 * Values    follow the slot, so the 17th series of all hosts behaves alike, but each series has its
 *           own random sequence: no two instances are copies of each other. Share of the series:
 *
 *             kind                                       quiet     hard
 *             constantly 0                               42   %    12 %
 *             constantly 1                               18   %     6 %
 *             constant, another number for each           8   %     7 %
 *             changing integers: counters with uneven    25.6 %    55 %
 *             steps, gauges, gauges in multiples
 *             short decimals (1 to 3 digits)              4.8 %    12 %
 *             full-precision sums                         1.6 %     8 %
 *
 *           A changing series moves at half of its steps (quiet: 16 % of all samples differ from the
 *           one before) or at 87 % of them (hard: 65 %).
 * Metric    With options.metric all series bear that one name, are counters and move at each step;
 *           200 of them (cpu x mode) make an instance.
 * Memory    16 bytes a series, from malloc; the process ends when there is none.
 */
#ifndef PHAROS_BENCH_LOAD_FLEET_H
#define PHAROS_BENCH_LOAD_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#define FLEET_SLOTS 500
#define FLEET_METRIC_SLOTS 200
#define FLEET_LABELS_MAX 12
#define FLEET_VALUE_SIZE 48

struct fleet_options {
    uint32_t series_count;
    uint64_t seed;
    bool is_hard;
    const char *metric; /* NULL: the exporter's families */
};

struct fleet_label {
    const char *name;
    char value[FLEET_VALUE_SIZE];
};

struct fleet_family {
    const char *name;
    const char *type; /* as in a TYPE line */
};

struct fleet;

struct fleet *fleet_create(const struct fleet_options *options);
void fleet_destroy(struct fleet *f);

uint32_t fleet_instance(const struct fleet *f, uint32_t series);
/* All labels of a series, sorted by name; returns how many. */
unsigned fleet_labels(const struct fleet *f, uint32_t series, struct fleet_label *out);
/* Only those that the exporter itself writes, and the family they belong to. */
unsigned fleet_own_labels(const struct fleet *f, uint32_t series, struct fleet_label *out,
                          struct fleet_family *out_family);
/* The next value of a series. */
double fleet_step(struct fleet *f, uint32_t series);

#endif
