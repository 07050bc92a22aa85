/* SPDX-License-Identifier: Apache-2.0
 *
 * head_shard - the memory of one shard: series lines, label keys, chunks, look-up tables.
 *
 * Shape     slot -> hot line (64 bytes, all that an append touches) and cold line (16 bytes);
 *           ref -> slot; hash of the labels -> slot; label key = u32 count and that many pair ids;
 *           chunk nodes: one per full chunk, newest first, linked from the cold line.
 * Slots     A slot is reused after its series was removed and the readers of that moment have left.
 *           Refs are given in ascending order and not reused.
 * Pending   Full chunks stay in their slab block until the chunk writer has made them durable; the
 *           queue of those chunks is here.
 * Threads   Everything under `lock`, except shard_slot_of, hot->key and key bytes, which a reader
 *           with an epoch guard may follow without it.
 * Memory    MEM_HEAD. Appending samples allocates slab pages and queue pages only.
 */
#ifndef PHAROS_METRICS_HEAD_SHARD_H
#define PHAROS_METRICS_HEAD_SHARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "metrics/head/hash_index.h"
#include "metrics/head/head.h"
#include "metrics/head/paged.h"
#include "metrics/head/pairs.h"
#include "metrics/head/slab.h"
#include "metrics/hx/hx.h"
#include "model/sample.h"
#include "os/thread.h"

enum {
    SERIES_LIVE = 1,
    SERIES_STALE = 2,    /* the newest sample is a stale marker; base_bits is an older value */
    SERIES_NO_VALUE = 4, /* last_t is known, the value is only in the newest chunk */
    SERIES_IDLE = 8,     /* garbage collection met it without samples once already */
    SERIES_RELOG = 16    /* the journal has samples that memory refused: log the next one whole */
};

struct series_hot {
    uint64_t hash;
    int64_t last_t;       /* HEAD_NO_TIME = no sample yet */
    uint64_t base_bits;   /* see hx_state */
    uint32_t chunk;       /* slab handle of the open chunk; 0 = none */
    _Atomic uint32_t key; /* slab handle */
    int32_t last_delta;
    uint32_t ref;
    uint16_t bitpos;
    uint8_t count; /* samples of the open chunk */
    uint8_t leading, trailing;
    uint8_t chunk_class;
    _Atomic uint8_t flags;
    uint8_t is_staged; /* has samples in the slice that is being appended */
    int64_t chunk_mint;
    uint32_t wal_epoch;   /* journal epoch of the newest value that was logged; 0 = none */
    uint32_t chunk_epoch; /* of the first sample of the open chunk */
};
_Static_assert(sizeof(struct series_hot) == 64, "one cache line");

struct series_cold {
    uint32_t chunks;      /* newest node; 0 = none */
    uint32_t exemplars;   /* newest entry in the ring + 1 */
    uint32_t reserved[2]; /* out-of-order samples, histogram state */
};
_Static_assert(sizeof(struct series_cold) == 16, "a quarter of a cache line");

enum {
    NODE_IN_MEMORY = 1, /* place = slab handle, file = bytes; else place = offset / 8 in `file` */
    NODE_ORPHAN = 2     /* forgotten while it waited for the writer, which frees it */
};

/* A full chunk. */
struct chunk_node {
    uint32_t older;  /* next in the series' list; 0 = none */
    uint32_t mint_s; /* first time, in whole seconds rounded down, clamped */
    uint32_t place;
    uint16_t file; /* index in the table of head files */
    uint8_t count; /* samples */
    uint8_t flags;
};
_Static_assert(sizeof(struct chunk_node) == 16, "");

struct pending_chunk {
    int64_t mint_ms, maxt_ms;
    uint32_t node, ref;
    uint32_t epoch; /* journal epoch of its first sample */
    uint16_t size, zero;
};

#define PENDING_PAGE_ENTRIES 255
struct pending_page {
    struct pending_page *next;
    uint32_t first, count;
    struct pending_chunk entries[PENDING_PAGE_ENTRIES];
};

struct head_shard {
    struct mutex lock;
    struct mem_budget *mem;
    struct paged hot, cold; /* by slot */
    struct paged slots;     /* by ref: _Atomic u32 slot + 1; 0 = no such series */
    struct paged nodes;     /* by node id, from 1 */
    struct slab chunks, keys;
    struct hash_index series; /* id = slot + 1 */
    struct pending_page *pending_first, *pending_last, *pending_spare;
    uint64_t pending_count, pending_bytes;
    uint32_t slot_limit, free_slot; /* free: slot + 1, linked through hot.chunk */
    uint32_t node_limit, free_node; /* free: linked through node.older */
    uint32_t series_count;
    uint32_t chunk_count;       /* open and full */
    _Atomic uint32_t ref_limit; /* refs are below; changed under the head's creation lock */
    struct mutex create_lock;   /* one creator of series at a time; taken before `lock` */
};

void shard_init(struct head_shard *s, struct mem_budget *mem);
void shard_deinit(struct head_shard *s);

static inline struct series_hot *shard_hot(const struct head_shard *s, uint32_t slot)
{
    return paged_at(&s->hot, slot);
}
static inline struct series_cold *shard_cold(const struct head_shard *s, uint32_t slot)
{
    return paged_at(&s->cold, slot);
}
static inline struct chunk_node *shard_node(const struct head_shard *s, uint32_t node)
{
    return paged_at(&s->nodes, node);
}
static inline uint8_t hot_flags(const struct series_hot *h)
{
    return atomic_load_explicit(&h->flags, memory_order_relaxed);
}
static inline bool hot_is_live(const struct series_hot *h)
{
    return hot_flags(h) & SERIES_LIVE;
}
static inline void hot_set_flag(struct series_hot *h, uint8_t flag, bool on)
{
    uint8_t f = hot_flags(h);
    f = on ? f | flag : (uint8_t)(f & ~flag);
    atomic_store_explicit(&h->flags, f, memory_order_relaxed);
}
/* Newest sample's value, SERIES_NO_VALUE not set. */
static inline uint64_t hot_last_bits(const struct series_hot *h)
{
    return hot_flags(h) & SERIES_STALE ? STALE_NAN_BITS : h->base_bits;
}

/* Slot of a live series or of one whose slot was not reused yet; false = unknown. No lock. */
bool shard_slot_of(const struct head_shard *s, uint32_t ref, uint32_t *out_slot);
/* Pair ids of the series in `slot`; guard or lock. */
const uint32_t *shard_key(const struct head_shard *s, const struct series_hot *h,
                          uint32_t *out_count);

/* The live series with these labels; false = none. */
bool shard_find(const struct head_shard *s, const struct pairs *pairs, uint64_t hash,
                struct labels labels, uint32_t *out_slot);

/* A series that is not visible yet. */
struct series_draft {
    uint64_t hash;
    const uint32_t *pairs;
    uint32_t pair_count;
    uint32_t ref;
    uint32_t slot; /* out */
};
/* Largest number of labels a key can hold. */
#define SHARD_KEY_PAIRS_MAX 1000u
/* Take slot, key and table space; nothing is visible. ERR_NOMEM, ERR_LIMIT (refs, slots, pairs). */
CHECK_RESULT enum err_code shard_draft(struct head_shard *s, struct series_draft *d,
                                       struct err *err);
/* Make the series visible. */
void shard_publish(struct head_shard *s, const struct series_draft *d);
/* Give the draft's slot back. */
void shard_discard(struct head_shard *s, const struct series_draft *d);
/* Take a series without chunks out of the tables; its slot stays readable until
 * shard_release_slot. */
void shard_unlink(struct head_shard *s, uint32_t slot);
void shard_release_slot(struct head_shard *s, uint32_t slot);
/* Take a page of ref -> slot cells out that will never be used again; NULL = none. Begins the
 * search at *ref and moves it on. For paged_free_unlinked when the readers have left. */
void *shard_unlink_dead_refs(struct head_shard *s, uint32_t *ref);

/* A new node on the list of `slot`; 0 = no memory. */
uint32_t shard_node_create(struct head_shard *s);
void shard_node_free(struct head_shard *s, uint32_t node);
static inline uint32_t node_seconds(int64_t ts_ms)
{
    int64_t sec = ts_ms >= 0 ? ts_ms / 1000 : 0;
    return sec > UINT32_MAX ? UINT32_MAX : (uint32_t)sec;
}
/* Bounds of the first time of a node. */
static inline int64_t node_mint_low(const struct chunk_node *n)
{
    return n->mint_s == 0 ? INT64_MIN : (int64_t)n->mint_s * 1000;
}
static inline int64_t node_mint_high(const struct chunk_node *n)
{
    return n->mint_s == UINT32_MAX ? INT64_MAX : (int64_t)n->mint_s * 1000 + 999;
}

/* Room for one more pending chunk. False: no memory. */
__attribute__((warn_unused_result)) bool shard_pending_reserve(struct head_shard *s);
void shard_pending_push(struct head_shard *s, const struct pending_chunk *p);
/* Drop the first n. */
void shard_pending_pop(struct head_shard *s, uint64_t n);

#endif
