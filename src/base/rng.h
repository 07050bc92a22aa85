/* SPDX-License-Identifier: Apache-2.0
 *
 * rng - xoshiro256** (Blackman, Vigna 2018), seeded by splitmix64. For sampling, jitter and tests;
 * not for secrets (os/clock.h's os_random is). One owner.
 */
#ifndef PHAROS_BASE_RNG_H
#define PHAROS_BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
/* Uniform in [0, n); n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* Uniform in [0, 1). */
double rng_f64(struct rng *r);

#endif
