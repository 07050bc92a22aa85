/* SPDX-License-Identifier: Apache-2.0
 *
 * checkpoint - which part of the journal is still needed, and what stands for the rest.
 *
 * Needed    A journal epoch is needed while an open chunk, or a full one that is not durable yet,
 *           has its first sample in it (series_hot.chunk_epoch, pending_chunk.epoch), unless all of
 *           that chunk is before head_mint_ms.
 * Marks     (epoch, position): every record of an older epoch lies at or before position. Noted
 *           whenever the epoch is seen to have changed.
 * Content   SERIES of all living series (compressed), EXEMPLARS, METADATA.
 * Threads   note_epoch and the checkpoint itself: the maintenance thread, and replay before it.
 * Memory    MEM_COMPACTION, one record at a time.
 */
#ifndef PHAROS_METRICS_HEAD_CHECKPOINT_H
#define PHAROS_METRICS_HEAD_CHECKPOINT_H

#include <stdint.h>

#include "base/err.h"

struct head;
struct checkpoints;

CHECK_RESULT enum err_code checkpoints_create(struct head *h, struct checkpoints **out,
                                              struct err *err);
void checkpoints_destroy(struct checkpoints *c);
/* Records of epochs before `epoch` lie at or before `position`. */
void checkpoint_note_epoch(struct checkpoints *c, uint32_t epoch, uint64_t position);

#endif
