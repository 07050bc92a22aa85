/* SPDX-License-Identifier: Apache-2.0
 *
 * hash - XXH3 (libxxhash) behind plain functions. Not for untrusted keys without a random seed.
 */
#ifndef PHAROS_BASE_HASH_H
#define PHAROS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct hash128 {
    uint64_t lo, hi;
};

static inline int hash128_eq(struct hash128 a, struct hash128 b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

uint64_t hash64(const void *data, size_t len, uint64_t seed);        /* XXH3 64 */
struct hash128 hash128(const void *data, size_t len, uint64_t seed); /* XXH3 128 */
uint64_t hash_xxh64(const void *data, size_t len);                   /* classic XXH64, seed 0 */

#endif
