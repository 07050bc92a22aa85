/* SPDX-License-Identifier: Apache-2.0
 *
 * hx - the bit stream of head chunks: timestamps by delta of delta, values by XOR, one bit for a
 * sample that comes on time with the same value.
 *
 * Format    storage-engine.md section 6.1, which is the layout of Prometheus' chunk encoding 4
 *           (XOR2, tsdb/chunkenc/xor2.go) without start timestamps, so that chunks can be exported
 *           as they are: u16 big-endian sample count, u8 0, then bits, most significant first.
 * Append    The state of an open chunk is a plain value (struct hx_state) that lives in the
 *           series' cache line; the bytes are always up to date, so that a copy of them can be
 *           decoded at any moment. hx_append never fails: the caller keeps HX_SAMPLE_BYTES_MAX
 *           free bytes.
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

#define HX_HEADER_BYTES 3
/* Longest sample: 5 + 64 bits of time, 3 + 5 + 6 + 64 bits of value, and slack for whole-word
 * stores. */
#define HX_SAMPLE_BYTES_MAX 32
#define HX_ENCODING 4
#define HX_SAMPLES_MAX 65535

struct hx_state {
    int64_t last_t;
    uint64_t base_bits; /* newest value that is not a stale marker (or the first one) */
    int64_t last_delta;
    uint32_t bitpos; /* of the next bit, counted from the first byte of the chunk; 0 = empty */
    uint16_t count;
    uint8_t leading; /* 255 = no window yet */
    uint8_t trailing;
};

void hx_state_init(struct hx_state *s);
/* Append (t, value) to the chunk at `bytes`; t > last_t; at least HX_SAMPLE_BYTES_MAX free bytes
 * behind bitpos / 8. The first call writes the header. */
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
/* Number of samples by the header. */
uint16_t hx_count(struct bytes chunk);

#endif
