/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fleet_priv.h"

#define MOVES_QUIET 128 /* of 256 steps */
#define MOVES_HARD 222

/* Per mille of the slots, in the order of enum fleet_kind. */
static const unsigned QUIET[KIND_COUNT] = { 420, 180, 80, 256, 48, 16 };
static const unsigned HARD[KIND_COUNT] = { 120, 60, 70, 550, 120, 80 };

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return mix(*state);
}

static double unit_interval(uint64_t r)
{
    return (double)(r >> 11) * 0x1p-53;
}

/* Gives each kind its share of the slots and shuffles them. */
static void deal_kinds(struct fleet *f, const unsigned *shares)
{
    unsigned at = 0;
    uint64_t random = mix(f->options.seed + 1);
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        for (unsigned k = 0; k < shares[kind] * FLEET_SLOTS / 1000; k++)
            f->slots[at++].kind = (enum fleet_kind)kind;
    }
    for (unsigned i = FLEET_SLOTS - 1; i > 0; i--) {
        unsigned j = (unsigned)(next_random(&random) % (i + 1));
        enum fleet_kind kind = f->slots[i].kind;
        f->slots[i].kind = f->slots[j].kind;
        f->slots[j].kind = kind;
    }
}

static enum fleet_kind kind_of(const struct fleet *f, uint32_t series)
{
    return f->options.metric ? KIND_INTEGER : f->slots[series % FLEET_SLOTS].kind;
}

/* What a series of a changing kind is like: the same for its slot in all instances. */
static uint64_t habit_of(const struct fleet *f, uint32_t series)
{
    uint32_t slot = f->options.metric ? 0 : series % FLEET_SLOTS;
    return mix(f->options.seed * 31 + slot + 7);
}

static void start_series(struct fleet *f, uint32_t series)
{
    struct fleet_state *s = &f->states[series];
    s->random = mix(f->options.seed + 0x1000003u * (uint64_t)(series + 1));
    uint64_t r = next_random(&s->random), habit = habit_of(f, series);
    switch (kind_of(f, series)) {
    case KIND_ZERO: s->number = 0; break;
    case KIND_ONE: s->number = 1; break;
    case KIND_CONSTANT:
        s->number = (int64_t)pow(10.0, 1.0 + (double)(habit % 10)) + (int64_t)(r % 1000000);
        break;
    case KIND_INTEGER: s->number = (int64_t)(r % (habit % 3 == 0 ? 1000 : 1000000000)); break;
    case KIND_DECIMAL: s->number = (int64_t)(r % 10000000); break;
    case KIND_FULL: s->sum = unit_interval(r) * 10000; break;
    case KIND_COUNT: break;
    }
}

struct fleet *fleet_create(const struct fleet_options *options)
{
    struct fleet *f = calloc(1, sizeof *f);
    if (f) f->states = calloc(options->series_count, sizeof *f->states);
    if (!f || !f->states) {
        (void)fprintf(stderr, "fleet: out of memory\n");
        exit(EXIT_FAILURE);
    }
    f->options = *options;
    f->slots_per_instance = options->metric ? FLEET_METRIC_SLOTS : FLEET_SLOTS;
    fleet_fill_slots(f->slots);
    deal_kinds(f, options->is_hard ? HARD : QUIET);
    for (uint32_t i = 0; i < options->series_count; i++)
        start_series(f, i);
    return f;
}

void fleet_destroy(struct fleet *f)
{
    if (!f) return;
    free(f->states);
    free(f);
}

uint32_t fleet_instance(const struct fleet *f, uint32_t series)
{
    return series / f->slots_per_instance;
}

/* Uneven: most steps of a counter are near its usual one, some are many times larger. */
static int64_t uneven(uint64_t *random, uint64_t usual)
{
    uint64_t r = next_random(random);
    uint64_t scale = (r & 15) == 0 ? usual * 20 : usual;
    return (int64_t)(1 + (r >> 8) % (2 * scale));
}

static int64_t walk(uint64_t *random, int64_t now, int64_t width)
{
    int64_t next = now + (int64_t)(next_random(random) % (uint64_t)(2 * width + 1)) - width;
    return next < 0 ? -next : next;
}

static void step_integer(struct fleet_state *s, uint64_t habit)
{
    static const uint64_t USUAL[] = { 1, 4, 30, 500, 20000, 1000000 };
    static const int64_t UNIT[] = { 512, 1024, 4096, 65536 };
    switch (habit % 6) {
    case 0:
    case 3: s->number = walk(&s->random, s->number, 3 + (int64_t)(habit >> 8) % 40); break;
    case 1: {
        int64_t unit = UNIT[(habit >> 8) % 4];
        s->number = walk(&s->random, s->number / unit, 200) * unit;
        break;
    }
    default: s->number += uneven(&s->random, USUAL[(habit >> 8) % 6]); break;
    }
}

double fleet_step(struct fleet *f, uint32_t series)
{
    static const double DIGITS[] = { 10, 100, 100, 1000 };
    struct fleet_state *s = &f->states[series];
    enum fleet_kind kind = kind_of(f, series);
    if (kind <= KIND_CONSTANT) return (double)s->number;
    uint64_t habit = habit_of(f, series);
    uint64_t moves = f->options.metric ? 256 : f->options.is_hard ? MOVES_HARD : MOVES_QUIET;
    bool is_moving = (next_random(&s->random) & 255) < moves;
    if (kind == KIND_FULL) {
        if (is_moving) s->sum += unit_interval(next_random(&s->random)) * 3;
        return s->sum;
    }
    if (kind == KIND_DECIMAL) {
        if (is_moving && habit % 2) s->number = walk(&s->random, s->number, 60);
        if (is_moving && habit % 2 == 0) s->number += uneven(&s->random, 300);
        return (double)s->number / DIGITS[(habit >> 8) % 4];
    }
    if (is_moving && f->options.metric) s->number += uneven(&s->random, 500);
    if (is_moving && !f->options.metric) step_integer(s, habit);
    return (double)s->number;
}
