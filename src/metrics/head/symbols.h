/* SPDX-License-Identifier: Apache-2.0
 *
 * symbols - every distinct label name and label value of the head once, named by a u32.
 *
 * Shape     Texts lie in pages of 64 KiB that never move: u8 length (255 = u32 length follows),
 *           bytes, padded to 4. A symbol id is the offset in units of 4 bytes, so that no table
 *           from id to text is needed; 0 is the empty text. Freed texts are reused by texts of the
 *           same padded size.
 * Threads   Lookup and change: the owner's lock (pairs.h). symbols_text: any thread that holds an
 *           epoch guard.
 * Memory    MEM_HEAD.
 */
#ifndef PHAROS_METRICS_HEAD_SYMBOLS_H
#define PHAROS_METRICS_HEAD_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "metrics/head/hash_index.h"
#include "metrics/head/paged.h"

#define SYMBOL_SIZE_MAX 65000u /* bytes of one text: fits a page */
#define SYMBOL_FREE_CLASSES 128u

struct symbols {
    struct paged texts; /* elements of 4 bytes */
    struct hash_index index;
    uint32_t limit;                           /* first unit never used */
    uint32_t free_lists[SYMBOL_FREE_CLASSES]; /* by units; the first unit of a free text = next */
    uint64_t hash_seed;
    uint64_t text_bytes; /* of live texts, padded */
};

void symbols_init(struct symbols *s, struct mem_budget *mem, uint64_t hash_seed);
void symbols_deinit(struct symbols *s);
static inline uint32_t symbols_count(const struct symbols *s)
{
    return s->index.count;
}
/* Text of a symbol that exists. */
struct str symbols_text(const struct symbols *s, uint32_t sym);
/* 0 when the text is not known (or empty). */
uint32_t symbols_find(const struct symbols *s, struct str text);
/* Find or add; text not empty and at most SYMBOL_SIZE_MAX bytes. 0 = no memory. */
uint32_t symbols_intern(struct symbols *s, struct str text);
/* Take the text out of the index: symbols_find no longer knows it, symbols_text still does. */
void symbols_unlink(struct symbols *s, uint32_t sym);
/* Give the bytes of an unlinked text back; no reader may hold it any more. */
void symbols_release(struct symbols *s, uint32_t sym);

#endif
