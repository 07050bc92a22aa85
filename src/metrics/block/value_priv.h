/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files that implement value_codec.h.
 */
#ifndef PHAROS_METRICS_BLOCK_VALUE_PRIV_H
#define PHAROS_METRICS_BLOCK_VALUE_PRIV_H

#include "base/num.h"
#include "metrics/block/value_codec.h"
#include "model/sample.h"

#define NEG_ZERO_BITS ((uint64_t)1 << 63)
#define EXCEPTION_POSITION_BITS 10
_Static_assert(VECTOR_SAMPLES_MAX <= 1 << EXCEPTION_POSITION_BITS, "exception positions");

/* 10^0 .. 10^18, all exact. */
extern const double VALUE_POW10[VALUE_EXPONENT_MAX + 1];

/* Neither a number nor -0.0: what the integer form cannot hold. */
static inline bool bits_are_special(uint64_t bits)
{
    return (bits & 0x7ff0000000000000ull) == 0x7ff0000000000000ull || bits == NEG_ZERO_BITS;
}

/* Is v = x / 10^e exactly, for an x in range? */
bool value_decimal(double v, unsigned e, int64_t *out_x);
/* The smallest e <= e_max, >= e_min with that; e_max + 1 if there is none. */
unsigned value_decimal_exponent(double v, unsigned e_min, unsigned e_max);

/* Fill enc->x, enc->special_*; the exponent into *out_exponent. False: not worth the integer
 * form. */
bool value_to_integers(struct value_encoder *enc, const double *values, size_t count,
                       unsigned *out_exponent);

/* The codecs for what is no decimal. */
size_t value_xor_size(const double *values, size_t count); /* bytes */
void value_xor_encode(const double *values, size_t count, struct buf *payload);
bool value_xor_decode(struct rd *r, size_t count, double *out);

#endif
