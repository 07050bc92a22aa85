/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/head_chunk.h"

#include <string.h>

#include "base/assert.h"
#include "base/num.h"

#define SAMPLES_MAX 120u
#define SAMPLES_MAX_FAST 240u /* for intervals up to FAST_INTERVAL_MS */
#define FAST_INTERVAL_MS 5000

int64_t block_start(int64_t ts_ms, int64_t range_ms)
{
    int64_t rest = ts_ms % range_ms;
    if (rest < 0) rest += range_ms;
    int64_t start;
    return __builtin_sub_overflow(ts_ms, rest, &start) ? INT64_MIN : start;
}

/* Do a (the older time) and b lie in one block range? */
static bool is_same_block(struct chunk_range *r, int64_t a, int64_t b)
{
    if (b < r->start_ms || b >= r->end_ms) {
        r->start_ms = block_start(b, r->range_ms);
        if (__builtin_add_overflow(r->start_ms, r->range_ms, &r->end_ms)) r->end_ms = INT64_MAX;
    }
    return a >= r->start_ms;
}

static struct hx_state state_of(const struct series_hot *h)
{
    return (struct hx_state){ .last_t = h->last_t,
                              .last_delta = h->last_delta,
                              .base_bits = h->base_bits,
                              .bitpos = h->bitpos,
                              .count = h->count,
                              .leading = h->leading,
                              .trailing = h->trailing };
}

struct bytes chunk_open_bytes(const struct head_shard *s, const struct series_hot *h)
{
    if (h->chunk == 0) return (struct bytes){ NULL, 0 };
    return (struct bytes){ slab_at(&s->chunks, h->chunk), (h->bitpos + 7u) / 8u };
}

static void forget_open(struct series_hot *h)
{
    h->chunk = 0;
    h->bitpos = 0;
    h->count = 0;
    h->leading = HX_NO_WINDOW;
    h->trailing = 0;
    h->last_delta = 0;
}

void chunk_drop(struct head_shard *s, struct series_hot *h)
{
    if (h->chunk == 0) return;
    slab_free(&s->chunks, h->chunk);
    s->chunk_count--;
    forget_open(h);
}

bool chunk_close(struct head_shard *s, uint32_t slot)
{
    struct series_hot *h = shard_hot(s, slot);
    if (h->count == 0) return true;
    if (!shard_pending_reserve(s)) return false;
    uint32_t node = shard_node_create(s);
    if (node == 0) return false;
    struct series_cold *cold = shard_cold(s, slot);
    uint16_t size = (uint16_t)((h->bitpos + 7u) / 8u);
    ASSERT(size <= CHUNK_BYTES_MAX);
    *shard_node(s, node) = (struct chunk_node){ .older = cold->chunks,
                                                .mint_s = node_seconds(h->chunk_mint),
                                                .place = h->chunk,
                                                .file = size,
                                                .count = h->count,
                                                .flags = NODE_IN_MEMORY };
    cold->chunks = node;
    shard_pending_push(s, &(struct pending_chunk){ .mint_ms = h->chunk_mint,
                                                   .maxt_ms = h->last_t,
                                                   .node = node,
                                                   .ref = h->ref,
                                                   .epoch = h->chunk_epoch,
                                                   .size = size });
    forget_open(h);
    return true;
}

static bool must_close(const struct series_hot *h, struct chunk_range *range, int64_t t)
{
    unsigned limit =
        h->last_delta <= FAST_INTERVAL_MS && h->count > 1 ? SAMPLES_MAX_FAST : SAMPLES_MAX;
    return h->count >= limit || !is_same_block(range, h->chunk_mint, t);
}

/* Move the open chunk into a block that holds `size` bytes. */
static bool grow(struct head_shard *s, struct series_hot *h, size_t size)
{
    uint32_t class_index = slab_class_of(&s->chunks, size);
    ASSERT(class_index < s->chunks.class_count);
    uint32_t block = slab_alloc(&s->chunks, class_index);
    if (block == 0) return false;
    if (h->chunk != 0) {
        memcpy(slab_at(&s->chunks, block), slab_at(&s->chunks, h->chunk), (h->bitpos + 7u) / 8u);
        slab_free(&s->chunks, h->chunk);
    } else {
        s->chunk_count++;
    }
    h->chunk = block;
    h->chunk_class = (uint8_t)class_index;
    return true;
}

bool chunk_make_room(struct head_shard *s, uint32_t slot, struct chunk_range *range, int64_t t,
                     uint64_t bits)
{
    struct series_hot *h = shard_hot(s, slot);
    ASSERT(h->last_t == HEAD_NO_TIME || t > h->last_t);
    if (h->chunk != 0 && h->count > 0 && must_close(h, range, t) && !chunk_close(s, slot))
        return false;
    struct hx_state state = state_of(h);
    size_t size = (h->bitpos + hx_sample_bits(&state, t, bits) + 7u) / 8u;
    int64_t delta;
    bool is_too_long = h->count > 0 && (__builtin_sub_overflow(t, h->last_t, &delta) ||
                                        delta > INT32_MAX || size > CHUNK_BYTES_MAX);
    if (is_too_long) {
        if (!chunk_close(s, slot)) return false;
        state = state_of(h);
        size = (hx_sample_bits(&state, t, bits) + 7u) / 8u;
    }
    if (h->chunk != 0 && size <= s->chunks.class_sizes[h->chunk_class]) return true;
    return grow(s, h, size);
}

void chunk_append(struct head_shard *s, struct series_hot *h, int64_t t, uint64_t bits,
                  uint32_t epoch)
{
    struct hx_state state = state_of(h);
    if (h->count == 0) {
        h->chunk_mint = t;
        h->chunk_epoch = epoch;
    }
    hx_append(&state, slab_at(&s->chunks, h->chunk), t, bits);
    ASSERT(hx_size(&state) <= s->chunks.class_sizes[h->chunk_class]);
    h->last_t = state.last_t;
    h->last_delta = (int32_t)state.last_delta;
    h->base_bits = state.base_bits;
    h->bitpos = (uint16_t)state.bitpos;
    h->count = (uint8_t)state.count;
    h->leading = state.leading;
    h->trailing = state.trailing;
    h->wal_epoch = epoch;
    uint8_t flags =
        (uint8_t)(hot_flags(h) & ~(SERIES_STALE | SERIES_NO_VALUE | SERIES_IDLE | SERIES_RELOG));
    if (bits == STALE_NAN_BITS) flags |= SERIES_STALE;
    atomic_store_explicit(&h->flags, flags, memory_order_relaxed);
}
