/* SPDX-License-Identifier: Apache-2.0
 *
 * metadata_table - type, help and unit of each metric family, the newest word wins.
 *
 * Threads   Own lock.
 * Memory    MEM_HEAD; at most METADATA_FAMILIES_MAX families, texts at most METADATA_TEXT_MAX bytes
 *           (help is cut, longer names are not stored).
 */
#ifndef PHAROS_METRICS_HEAD_METADATA_TABLE_H
#define PHAROS_METRICS_HEAD_METADATA_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "metrics/head/hash_index.h"
#include "metrics/head/paged.h"
#include "model/metadata.h"
#include "os/mem.h"
#include "os/thread.h"

#define METADATA_FAMILIES_MAX 100000u
#define METADATA_TEXT_MAX 1024u

struct metadata_table {
    struct mem_budget *mem;
    struct mutex lock;
    struct paged entries; /* struct metadata, by id - 1; texts in one block at family.ptr */
    struct hash_index index;
    uint32_t count;
};

void metadata_table_init(struct metadata_table *t, struct mem_budget *mem);
void metadata_table_deinit(struct metadata_table *t);
/* Store; true when the table changed: the caller logs it then. Out of memory or full: false. */
bool metadata_table_set(struct metadata_table *t, const struct metadata *m);
/* All, ascending by family, copied into `a`. */
CHECK_RESULT enum err_code metadata_table_list(struct metadata_table *t, struct arena *a,
                                               struct metadata **out, size_t *out_count,
                                               struct err *err);

#endif
