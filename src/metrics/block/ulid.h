/* SPDX-License-Identifier: Apache-2.0
 *
 * ulid - block ids: 48 bits of Unix milliseconds and 80 random bits, written as 26 digits of
 * Crockford's base 32, so that names sort by time of creation (github.com/ulid/spec).
 */
#ifndef PHAROS_METRICS_BLOCK_ULID_H
#define PHAROS_METRICS_BLOCK_ULID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "os/clock.h"

#define ULID_TEXT_LEN 26

struct ulid {
    uint8_t octets[16]; /* big endian; all zero = none */
};

struct ulid ulid_make(const struct clock *clock);
/* NUL-terminated. */
void ulid_text(struct ulid id, char out[ULID_TEXT_LEN + 1]);
/* Exactly 26 digits, upper case, at most 2^128 - 1. */
bool ulid_parse(struct str text, struct ulid *out);
bool ulid_eq(struct ulid a, struct ulid b);
/* Order of the texts. */
int ulid_cmp(struct ulid a, struct ulid b);
bool ulid_is_none(struct ulid id);

#endif
