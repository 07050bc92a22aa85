/* SPDX-License-Identifier: Apache-2.0
 *
 * hx - the bit stream of head chunks: timestamps by delta of delta, values by XOR, one bit for a
 * sample that comes on time with the same value.
 *
 * Format    storage-engine.md section 6.1, which is the layout of Prometheus' chunk encoding 4
 *           (XOR2, tsdb/chunkenc/xor2.go) without start timestamps, so that chunks can be exported
 *           as they are: u16 big-endian sample count, u8 0, then bits, most significant first.
 * Append    The state of an open chunk is a plain value (struct hx_state); the bytes are always up
 *           to date, so that a copy of them can be decoded at any moment. The caller asks
 *           hx_sample_bits() first and makes room; hx_append then writes exactly those bits and
 *           cannot fail.
 * Decode    Trusts nothing: damaged bytes give ERR_CORRUPT, never a read beyond the end.
 * Threads   None. Memory: none.
 */
#ifndef PHAROS_METRICS_HX_H
#define PHAROS_METRICS_HX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "metrics/sample_buf.h"

#define HX_ENCODING 4
#define HX_SAMPLES_MAX 65535
/* Longest sample: the first, 3 + 10 + 8 bytes (a later one takes at most 147 bits). */
#define HX_SAMPLE_BYTES_MAX 21
#define HX_NO_WINDOW 255

struct hx_state {
    int64_t last_t;
    int64_t last_delta;
    uint64_t base_bits; /* newest value that is not a stale marker, or the first one */
    uint32_t bitpos;    /* of the next bit, counted from the first byte of the chunk; 0 = empty */
    uint16_t count;
    uint8_t leading, trailing; /* of the XOR window; leading HX_NO_WINDOW = none yet */
};

#define HX_STATE_EMPTY                                                                             \
    {                                                                                              \
        .leading = HX_NO_WINDOW                                                                    \
    }

/* Number of bits that appending (t, value) would add; t > last_t, except for the first sample. */
unsigned hx_sample_bits(const struct hx_state *s, int64_t t, uint64_t value_bits);
/* Append (t, value) to the chunk at `bytes`, of which (bitpos + hx_sample_bits + 7) / 8 bytes are
 * the caller's; count < HX_SAMPLES_MAX. The first call writes the header. */
void hx_append(struct hx_state *s, uint8_t *bytes, int64_t t, uint64_t value_bits);
/* Bytes in use. */
static inline size_t hx_size(const struct hx_state *s)
{
    return (s->bitpos + 7u) / 8u;
}

/* Append the samples with mint <= t <= maxt to `out`. ERR_CORRUPT, ERR_NOMEM. */
CHECK_RESULT enum err_code hx_decode(struct bytes chunk, int64_t mint_ms, int64_t maxt_ms,
                                     struct sample_buf *out, struct err *err);
/* The state after the last sample, to go on appending or to know the newest sample;
 * *out_value_bits = its value (base_bits unless that is a stale marker). */
CHECK_RESULT enum err_code hx_resume(struct bytes chunk, struct hx_state *out,
                                     uint64_t *out_value_bits, struct err *err);
/* Number of samples by the header; 0 when there is none. */
uint16_t hx_count(struct bytes chunk);

#endif
