/* SPDX-License-Identifier: Apache-2.0
 *
 * exemplar_ring - the newest exemplars of all series of one head.
 *
 * Shape     A ring of entries and a ring of label bytes; the entries of a series are linked from
 *           newest to oldest. A new exemplar takes the place of the oldest, of whatever series.
 * Rules     Per series the times must not go back; an exact repetition of the newest is ignored;
 *           label texts longer than EXEMPLAR_LABELS_MAX bytes are refused.
 * Threads   Own lock.
 * Memory    MEM_HEAD: 48 bytes an entry and 64 for labels, taken at the first exemplar.
 * Source    storage-engine.md section 16.
 */
#ifndef PHAROS_METRICS_HEAD_EXEMPLAR_RING_H
#define PHAROS_METRICS_HEAD_EXEMPLAR_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/exemplar.h"
#include "os/mem.h"

#define EXEMPLAR_LABELS_MAX 1024u

struct exemplar_ring;

enum exemplar_outcome {
    EXEMPLAR_STORED,
    EXEMPLAR_KNOWN, /* a repetition */
    EXEMPLAR_OUT_OF_ORDER,
    EXEMPLAR_TOO_LONG,
    EXEMPLAR_NOMEM
};

CHECK_RESULT enum err_code exemplar_ring_create(struct mem_budget *mem, uint32_t capacity,
                                                struct exemplar_ring **out, struct err *err);
void exemplar_ring_destroy(struct exemplar_ring *r);
enum exemplar_outcome exemplar_ring_add(struct exemplar_ring *r, uint32_t shard, uint32_t ref,
                                        const struct exemplar *e);
/* Exemplars of one series in [mint, maxt], oldest first, texts in `a`. */
CHECK_RESULT enum err_code exemplar_ring_read(struct exemplar_ring *r, uint32_t shard, uint32_t ref,
                                              const int64_t range_ms[2], struct arena *a,
                                              struct exemplar **out, size_t *out_count,
                                              struct err *err);
/* All entries, oldest first: position from 0; false at the end. Labels in `a`. ERR_NOMEM shows as
 * out->labels.len == 0. */
bool exemplar_ring_at(struct exemplar_ring *r, uint32_t position, struct arena *a,
                      uint32_t *out_shard, uint32_t *out_ref, struct exemplar *out);
uint32_t exemplar_ring_count(struct exemplar_ring *r);

#endif
