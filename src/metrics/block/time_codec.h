/* SPDX-License-Identifier: Apache-2.0
 *
 * time_codec - the timestamps of one vector as bytes.
 *
 * Format    docs/formats.md, "timestamps":
 *               REG     start + i * step                    GAPS   the same with k exceptions
 *               JITTER  residuals against start + i * step, w bits each
 *               SHARED  a vector of the block's timestamp dictionary (one target's series share
 *                       their scrape times)                 DOD    zigzag differences of deltas
 *           Descriptors hold the start relative to a base: the page's mint, or the block's for the
 *           dictionary; so they are written when that is known.
 * Source    spec: storage-engine.md section 7.3.
 * Failure   Decoding any bytes is safe and gives strictly increasing timestamps in
 *           [limits.min, limits.max], or ERR_CORRUPT.
 */
#ifndef PHAROS_METRICS_BLOCK_TIME_CODEC_H
#define PHAROS_METRICS_BLOCK_TIME_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/rd.h"
#include "metrics/block/value_codec.h"

enum time_codec { /* on disk: bits 4-6 of a vector's type byte */
                  TIME_REG = 0,
                  TIME_GAPS = 1,
                  TIME_JITTER = 2,
                  TIME_SHARED = 3,
                  TIME_DOD = 4
};

struct time_desc {
    uint8_t codec; /* enum time_codec */
    uint8_t w;     /* JITTER */
    uint16_t gaps; /* GAPS: exceptions */
    uint32_t shared_id;
    int64_t start_ms;
    uint64_t step_ms;     /* DOD: the first delta */
    int64_t residual_min; /* JITTER */
};

struct time_limits {
    int64_t min_ms, max_ms;
};

/* REG, if ts is regular. */
bool time_encode_regular(const int64_t *ts_ms, size_t count, struct time_desc *out);
/* The smallest of GAPS, JITTER and (with `may_be_dod`) DOD; appends to `payload`. */
void time_encode_irregular(const int64_t *ts_ms, size_t count, bool may_be_dod, struct buf *payload,
                           struct time_desc *out);

void time_desc_put(const struct time_desc *d, int64_t base_ms, struct buf *out);
/* d->codec is set by the caller. False when malformed. */
bool time_desc_read(struct rd *r, size_t count, int64_t base_ms, struct time_desc *d);

/* All but SHARED. The bytes after the payload must be readable for BITPACK_SLACK bytes. */
CHECK_RESULT enum err_code time_decode(const struct time_desc *d, struct rd *r, size_t count,
                                       struct time_limits limits, int64_t *out_ts_ms,
                                       struct err *err);

#endif
