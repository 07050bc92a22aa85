/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files that implement block.h.
 */
#ifndef PHAROS_METRICS_BLOCK_BLOCK_PRIV_H
#define PHAROS_METRICS_BLOCK_BLOCK_PRIV_H

#include <stdatomic.h>

#include "metrics/block/block.h"
#include "metrics/block/index_read.h"
#include "metrics/block/page.h"
#include "metrics/block/tombstones.h"
#include "os/thread.h"

struct block {
    uint32_t magic;
    _Atomic uint32_t refs;
    struct blobs *blobs;
    struct mem_budget *mem;
    char name[ULID_TEXT_LEN + 1];
    struct arena arena; /* of meta's lists */
    struct block_meta meta;
    struct blob *index_blob;
    struct index_view index;
    struct blob **chunks; /* file n is chunks[n - 1] */
    uint32_t chunk_count;
    struct mutex delete_lock; /* one delete at a time */
    struct mutex lock;
    struct tombstones *tombstones; /* guarded by lock; immutable, referenced by readers */
};

/* meta.json alone; lists in `a`. ERR_NOTFOUND: no such block. */
CHECK_RESULT enum err_code block_read_meta(struct blobs *blobs, struct ulid id, struct arena *a,
                                           struct block_meta *out, struct err *err);
/* The current tombstones, referenced. */
struct tombstones *block_tombstones(struct block *b);
/* Prefix err->detail with the file it is about; returns `code`. */
enum err_code block_error(const struct block *b, const char *file, enum err_code code,
                          struct err *err);
/* ERR_CANCELLED or ERR_TIMEOUT when `cancel` (may be NULL) says so. */
CHECK_RESULT enum err_code block_check_cancel(const struct cancel *cancel, struct err *err);
/* The name with that text; ERR_NOTFOUND without a message when the block has none. */
CHECK_RESULT enum err_code block_name_find(struct block *b, struct symbol_cursor *symbols,
                                           struct str text, struct index_name *out,
                                           struct err *err);
/* Say in err->detail that this is about page `page`, unless an offset is there already; returns
 * `code`. */
enum err_code block_page_error(struct block *b, uint32_t page, enum err_code code, struct err *err);
/* Page `page` into `view`. */
CHECK_RESULT enum err_code block_page_load(struct block *b, uint32_t page, struct page_view *view,
                                           struct err *err);
CHECK_RESULT enum err_code block_time_dict(struct block *b, struct time_dict_view *out,
                                           struct err *err);

#endif
