/* SPDX-License-Identifier: Apache-2.0
 *
 * id_sort - order keys that carry an id, and label pairs by the bytes of their values.
 *
 * Algorithm Keys: radix sort, least significant byte first, bytes that do not differ skipped;
 *           stable. Texts: multikey quicksort over 8 bytes at a time (Bentley and Sedgewick 1997,
 *           with the key of the present depth cached beside each string), so that a text is loaded
 *           once per 8 bytes of common prefix and not once per comparison.
 * Threads   None. Memory: the scratch that the caller gives.
 */
#ifndef PHAROS_METRICS_INDEX_ID_SORT_H
#define PHAROS_METRICS_INDEX_ID_SORT_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Sort by the upper 32 bits only; equal ones stay in their order. scratch[count]. */
void id_sort_by_upper(uint64_t *keys, uint64_t *scratch, size_t count);

struct text_id {
    uint64_t key; /* working memory of the sort */
    struct str text;
    uint32_t id;
};
/* Sort by text bytes. */
void id_sort_by_text(struct text_id *items, size_t count);

#endif
