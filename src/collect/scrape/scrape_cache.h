/* SPDX-License-Identifier: Apache-2.0
 *
 * scrape_cache - what one target exposed last time: hash of a line's text -> series of the head.
 *
 * It makes a repeated scrape cheap (no label is decoded, no alias looked up) and knows which series
 * have disappeared, so that they get a stale marker.
 *
 * Layout    Open addressing, linear probing, 32-byte entries, load at most 0.7; rebuilt without the
 *           long unseen when full.
 * Threads   One owner.
 */
#ifndef PHAROS_COLLECT_SCRAPE_SCRAPE_CACHE_H
#define PHAROS_COLLECT_SCRAPE_SCRAPE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "model/batch.h"
#include "os/mem.h"

struct scrape_entry {
    struct hash128 key;    /* both halves 0 = free */
    struct series_ref ref; /* 0 = dropped by relabelling, or not stored yet */
    uint32_t iteration;    /* of the last scrape that had the line */
    bool is_dropped;       /* relabelling drops it */
    bool has_ts;           /* the line carries a timestamp: no stale marker */
    bool is_stored;        /* in the head, and its last sample was no stale marker */
};

struct scrape_cache {
    struct mem_budget *mem;
    struct scrape_entry *entries;
    size_t cap, count;
    uint32_t iteration;
};

void scrape_cache_init(struct scrape_cache *c, struct mem_budget *mem);
void scrape_cache_deinit(struct scrape_cache *c);

/* A new scrape begins. */
void scrape_cache_begin(struct scrape_cache *c);
/* The entry of `key`, added when *out_is_new; valid until the next call of get. NULL without
 * memory. */
struct scrape_entry *scrape_cache_get(struct scrape_cache *c, struct hash128 key, bool *out_is_new);
/* The next entry at or after *pos whose series was there before and is missing now, or NULL. */
struct scrape_entry *scrape_cache_next_missing(struct scrape_cache *c, size_t *pos);

#endif
