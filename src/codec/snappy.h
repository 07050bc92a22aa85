/* SPDX-License-Identifier: Apache-2.0
 *
 * snappy - the block format (no framing) of remote write, remote read and the Loki push API.
 *
 * Format    uvarint decoded size, then literals and copies. Source: google/snappy
 *           format_description.txt; the work is done by libsnappy's C API.
 * Threads   Pure functions.
 * Memory    Output goes where the caller says; the declared size is compared with the limit and
 *           with what the input could possibly produce before anything is allocated.
 * Failure   ERR_LIMIT (declared size too large), ERR_INVALID (not snappy), ERR_NOMEM.
 */
#ifndef PHAROS_CODEC_SNAPPY_H
#define PHAROS_CODEC_SNAPPY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/decode_limits.h"

/* The size the block says it decodes to, checked against the limits. */
CHECK_RESULT enum err_code snappy_decoded_size(struct bytes in, const struct decode_limits *limits,
                                               size_t *out_size, struct err *err);

/* Decode into fresh arena memory (not zeroed first). */
CHECK_RESULT enum err_code snappy_decode(struct bytes in, const struct decode_limits *limits,
                                         struct arena *a, struct bytes *out, struct err *err);

/* Decode and append to `out`. On failure out->len is unchanged. */
CHECK_RESULT enum err_code snappy_decode_buf(struct bytes in, const struct decode_limits *limits,
                                             struct buf *out, struct err *err);

/* Append the encoded block; memory failure shows in buf_failed(out). in.len < 4 GiB. */
void snappy_encode(struct bytes in, struct buf *out);

#endif
