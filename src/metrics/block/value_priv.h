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

static inline size_t uvarint_size(uint64_t v)
{
    return v < 128 ? 1 : (70 - (size_t)__builtin_clzll(v)) / 7;
}

/* ---- value_choose.c ---- */

/* How a vector of integers is stored. */
struct value_choice {
    enum value_codec codec; /* FOR, DELTA, DOD, SPARSE, RUNS_* */
    size_t size;            /* descriptor and payload, without what all codecs have in common */
    int64_t base;
    unsigned w, wx, patches;
};

/* The smallest codec for enc->x (which holds y); ties go to the fastest to decode: FOR, DELTA,
 * SPARSE, DOD, RUNS. Fills enc->runs for RUNS. False: none can hold it. */
bool value_choose(struct value_encoder *enc, size_t count, struct value_choice *out);
/* What FOR, DELTA or DOD of y[0..count) packs into u: count, count - 1, count - 2 integers. False
 * on overflow or when there are too few. */
bool value_fill(enum value_codec codec, const int64_t *y, size_t count, uint64_t *u,
                int64_t *out_base);
/* Positions i with x[i] != x[i-1] into enc->change_at; returns how many. */
size_t value_find_changes(struct value_encoder *enc, size_t count);
/* Bytes of their number and their gaps in SPARSE and RAWX. */
size_t value_gaps_size(const uint16_t *change_at, size_t changes);

static inline bool value_is_runs(unsigned codec)
{
    return codec >= VALUE_RUNS_FOR && codec <= VALUE_RUNS_DOD;
}

/* The codecs for what is no decimal. */
size_t value_xor_size(const double *values, size_t count); /* bytes */
void value_xor_encode(const double *values, size_t count, struct buf *payload);
bool value_xor_decode(struct rd *r, size_t count, double *out);

#endif
