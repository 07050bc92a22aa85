/* SPDX-License-Identifier: Apache-2.0
 *
 * value_codec - up to 1024 consecutive values of one series as bytes, bit for bit.
 *
 * Format    docs/formats.md, "values". Most monitoring data are decimals with few digits: a value
 *           that equals x / 10^e for an integer x is stored as x (exact: one IEEE division of two
 *           exactly represented integers gives back *the* nearest double). Then y = (x - x0) / g
 *           with g the gcd of all differences, and y goes into the smallest of
 *               CONST  nothing      FOR    y - min, w bits each      DELTA  differences - min
 *               DOD    zigzag differences of differences             SPARSE (gap, delta) per change
 *           FOR, DELTA and DOD move outliers into exceptions (PFOR: Zukowski et al. 2006). Many
 *           series stand still between two changes: RUNS_FOR, RUNS_DELTA and RUNS_DOD store one bit
 *           per sample (does it differ from the one before?) and only one value per run.
 *           NaNs, infinities, -0.0 and up to three odd values stand in a list of specials.
 *           What is no decimal is stored as the integers that its bits are, by the same codecs; or,
 *           if smaller, by RAWX (differences of the bits, byte planes, repeats skipped) or XOR
 *           (Gorilla, Pelkonen et al. 2015, with the control codes of Prometheus' XOR2 chunks).
 * Source    spec: storage-engine.md section 8.
 * Threads   One owner per encoder; decoding uses the caller's scratch.
 * Failure   Decoding any bytes is safe: ERR_CORRUPT, never a read outside payload + slack.
 */
#ifndef PHAROS_METRICS_BLOCK_VALUE_CODEC_H
#define PHAROS_METRICS_BLOCK_VALUE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/rd.h"

#define VECTOR_SAMPLES_MAX 1024

enum value_codec { /* on disk: bits 0-3 of a vector's type byte */
                   VALUE_CONST = 0,
                   VALUE_FOR = 1,
                   VALUE_DELTA = 2,
                   VALUE_DOD = 3,
                   VALUE_SPARSE = 4,
                   VALUE_RAWX = 5,
                   VALUE_XOR = 6,
                   VALUE_VDELTA = 7, /* 7..9: kind = varint and histograms; not written yet */
                   VALUE_VDOD = 8,
                   VALUE_HIST = 9,
                   VALUE_RUNS_FOR = 10,
                   VALUE_RUNS_DELTA = 11,
                   VALUE_RUNS_DOD = 12
};

#define VALUE_EXPONENT_MAX 18
#define VALUE_EXPONENT_RAW 255 /* the integers are the bits of the doubles; x0 in 8 raw bytes */

enum value_special {
    SPECIAL_STALE = 0,
    SPECIAL_NAN = 1,
    SPECIAL_POS_INF = 2,
    SPECIAL_NEG_INF = 3,
    SPECIAL_NEG_ZERO = 4,
    SPECIAL_RAW = 5 /* 8 bytes follow */
};

/* What a page keeps about a vector's values besides the payload. */
struct value_desc {
    uint8_t codec; /* enum value_codec */
    bool has_specials;
    uint8_t exponent;
    uint8_t w, wx;    /* packed: bits per value, bits per exception's high part */
    uint16_t patches; /* packed: exceptions; SPARSE, RAWX: changes */
    int64_t x0;
    uint64_t g;
    int64_t base;      /* FOR: min y; DELTA: min delta; DOD: first delta */
    uint64_t raw_bits; /* exponent RAW, RAWX: the first value */
};

struct value_scratch {
    uint64_t x[VECTOR_SAMPLES_MAX + 16];
    double runs[VECTOR_SAMPLES_MAX + 16];
};

/* Work space of encoding; about 30 KiB, reused for any number of vectors. */
struct value_encoder {
    int64_t x[VECTOR_SAMPLES_MAX + 16]; /* integers, then y */
    int64_t runs[VECTOR_SAMPLES_MAX + 16];
    uint64_t u[VECTOR_SAMPLES_MAX + 16];
    uint16_t special_at[VECTOR_SAMPLES_MAX];
    uint16_t change_at[VECTOR_SAMPLES_MAX];
    size_t special_count;
};

/* Append the payload of values[0..count) to `payload` and describe it; 1 <= count <=
 * VECTOR_SAMPLES_MAX. Memory failure shows in buf_failed(payload). */
void value_encode(struct value_encoder *enc, const double *values, size_t count,
                  struct buf *payload, struct value_desc *out);

/* The descriptor column (H5) of one vector; codec and has_specials are in the type byte (H2). */
void value_desc_put(const struct value_desc *d, struct buf *out);
/* Reads what value_desc_put wrote; d->codec and d->has_specials are set by the caller. False when
 * the descriptor cannot be of `count` values. */
bool value_desc_read(struct rd *r, size_t count, struct value_desc *d);

/* Decode the payload at `r` into out[0..count); may write up to 8 values more. The bytes after the
 * payload must be readable for BITPACK_SLACK bytes. ERR_CORRUPT; `out` is then undefined. */
CHECK_RESULT enum err_code value_decode(const struct value_desc *d, struct rd *r, size_t count,
                                        struct value_scratch *scratch, double *out,
                                        struct err *err);

#endif
