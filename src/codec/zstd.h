/* SPDX-License-Identifier: Apache-2.0
 *
 * zstd - RFC 8878 frames: request bodies and storage pages, with reusable contexts.
 *
 * Contexts  One encoder or decoder belongs to one thread and is used for any number of frames; a
 *           frame costs no allocation once the context is warm.
 * Limits    The window is bounded by ZSTD_WINDOW_LOG_MAX (8 MiB, RFC 8878 section 3.1.1.1.2 asks
 *           decoders for no more), the output by struct decode_limits. A declared content size is
 *           checked before anything is reserved.
 * Memory    The library's context is charged to `account` by its reported size, re-measured after
 *           each frame that made it grow.
 * Failure   ERR_LIMIT, ERR_INVALID (damaged, checksum, truncated), ERR_NOMEM.
 */
#ifndef PHAROS_CODEC_ZSTD_H
#define PHAROS_CODEC_ZSTD_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "codec/decode_limits.h"
#include "os/mem.h"

#define ZSTD_WINDOW_LOG_MAX 23

struct zstd_encoder;
struct zstd_decoder;

/* level 1..19. Frames carry the content size, and no checksum: containers and TLS have their own.
 */
CHECK_RESULT enum err_code zstd_encoder_create(struct mem_budget *budget, enum mem_account account,
                                               int level, struct zstd_encoder **out,
                                               struct err *err);
void zstd_encoder_destroy(struct zstd_encoder *e);
/* Append one frame; memory failure shows in buf_failed(out). */
void zstd_encode(struct zstd_encoder *e, struct bytes in, struct buf *out);
/* Room that zstd_encode_into needs at most for `size` bytes of input. */
size_t zstd_encode_bound(size_t size);
/* One frame into dst[cap]; 0 when it does not fit (cap < zstd_encode_bound). */
size_t zstd_encode_into(struct zstd_encoder *e, struct bytes in, uint8_t *dst, size_t cap);

CHECK_RESULT enum err_code zstd_decoder_create(struct mem_budget *budget, enum mem_account account,
                                               struct zstd_decoder **out, struct err *err);
void zstd_decoder_destroy(struct zstd_decoder *d);
/* Decode all frames of `in` (skippable ones are skipped) and append to `out`; on failure out->len
 * is unchanged. */
CHECK_RESULT enum err_code zstd_decode(struct zstd_decoder *d, struct bytes in,
                                       const struct decode_limits *limits, struct buf *out,
                                       struct err *err);
/* Exactly one frame that decodes to exactly `size` bytes (pages know their size); ERR_CORRUPT
 * otherwise. */
CHECK_RESULT enum err_code zstd_decode_exact(struct zstd_decoder *d, struct bytes in, uint8_t *dst,
                                             size_t size, struct err *err);

DEFINE_CLEANUP(zstd_encoder_destroy, struct zstd_encoder *)
DEFINE_CLEANUP(zstd_decoder_destroy, struct zstd_decoder *)

#endif
