/* SPDX-License-Identifier: Apache-2.0
 *
 * fleet, inside: slots of the exporter and the state of its series.
 */
#ifndef PHAROS_BENCH_LOAD_FLEET_PRIV_H
#define PHAROS_BENCH_LOAD_FLEET_PRIV_H

#include <stdarg.h>

#include "fleet.h"

#define FLEET_NAME_SIZE 64

enum fleet_kind {
    KIND_ZERO,
    KIND_ONE,
    KIND_CONSTANT,
    KIND_INTEGER,
    KIND_DECIMAL,
    KIND_FULL,
    KIND_COUNT
};

struct axis;

struct fleet_slot {
    char name[FLEET_NAME_SIZE];
    const char *type;
    const struct axis *outer, *inner;
    unsigned outer_row, inner_row;
    enum fleet_kind kind;
};

struct fleet_state {
    uint64_t random;
    union {
        int64_t number; /* KIND_DECIMAL: in units of its last digit */
        double sum;
    };
};

struct fleet {
    struct fleet_options options;
    uint32_t slots_per_instance;
    struct fleet_slot slots[FLEET_SLOTS];
    struct fleet_state *states; /* [series_count] */
};

void fleet_fill_slots(struct fleet_slot *slots);

#endif
