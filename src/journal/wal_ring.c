/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/wal_ring.h"

#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"

enum err_code wal_ring_init(struct wal_ring *ring, struct mem_budget *mem, size_t size,
                            struct err *err)
{
    ASSERT(size >= 4096);
    ASSERT((size & (size - 1)) == 0);
    uint8_t *bytes = mem_zalloc(mem, MEM_INGEST, size);
    if (!bytes) return err_set(err, ERR_NOMEM, "no memory for the journal's ring");
    *ring = (struct wal_ring){ .bytes = bytes, .size = size, .mem = mem };
    return ERR_OK;
}

void wal_ring_deinit(struct wal_ring *ring)
{
    if (ring->bytes) mem_free(ring->mem, MEM_INGEST, ring->bytes, ring->size);
    *ring = (struct wal_ring){ 0 };
}

static size_t index_of(const struct wal_ring *ring, uint64_t pos)
{
    return (size_t)pos & (ring->size - 1);
}

/* Words never straddle the end: positions are multiples of 4 and so is the size. */
static _Atomic uint32_t *word_at(const struct wal_ring *ring, uint64_t pos)
{
    ASSERT((pos & 3) == 0);
    return (_Atomic uint32_t *)(void *)(ring->bytes + index_of(ring, pos));
}

static void copy_in(struct wal_ring *ring, uint64_t pos, const uint8_t *src, size_t len)
{
    size_t at = index_of(ring, pos);
    size_t first = ring->size - at < len ? ring->size - at : len;
    memcpy(ring->bytes + at, src, first);
    if (first < len) memcpy(ring->bytes, src + first, len - first);
}

void wal_ring_put(struct wal_ring *ring, uint64_t pos, const uint8_t *frame, struct bytes payload)
{
    ASSERT(payload.len > 0);
    ASSERT(journal_record_bytes(payload.len) <= ring->size);
    copy_in(ring, pos + 4, frame + 4, JOURNAL_FRAME_BYTES - 4);
    copy_in(ring, pos + JOURNAL_FRAME_BYTES, payload.ptr, payload.len);
    uint32_t len = (uint32_t)payload.len;
    /* Pairs with the acquire in record_len. */
    atomic_store_explicit(word_at(ring, pos), len, memory_order_release);
}

/* 0 when not published. */
static uint32_t record_len(const struct wal_ring *ring, uint64_t pos)
{
    return atomic_load_explicit(word_at(ring, pos), memory_order_acquire);
}

static uint8_t record_type(const struct wal_ring *ring, uint64_t pos)
{
    return ring->bytes[index_of(ring, pos + 8)];
}

struct wal_extent wal_ring_scan(const struct wal_ring *ring, uint64_t from, uint64_t limit)
{
    ASSERT(limit - from <= ring->size);
    struct wal_extent extent = { .end = from };
    while (extent.end < limit) {
        uint32_t len = record_len(ring, extent.end);
        if (len == 0) break;
        bool is_epoch = record_type(ring, extent.end) == JOURNAL_EPOCH;
        if (is_epoch && extent.records > 0) break;
        extent.end += journal_record_bytes(len);
        extent.records++;
        extent.is_epoch = is_epoch;
        if (is_epoch) break;
    }
    ASSERT(extent.end <= limit);
    return extent;
}

bool wal_ring_is_published(const struct wal_ring *ring, uint64_t from, uint64_t limit)
{
    while (from < limit) {
        uint32_t len = record_len(ring, from);
        if (len == 0) return false;
        from += journal_record_bytes(len);
    }
    ASSERT(from == limit);
    return true;
}

int wal_ring_iov(const struct wal_ring *ring, uint64_t from, uint64_t to, struct file_iovec out[2])
{
    ASSERT(to - from <= ring->size);
    size_t len = (size_t)(to - from);
    if (len == 0) return 0;
    size_t at = index_of(ring, from);
    size_t first = ring->size - at < len ? ring->size - at : len;
    out[0] = (struct file_iovec){ ring->bytes + at, first };
    if (first == len) return 1;
    out[1] = (struct file_iovec){ ring->bytes, len - first };
    return 2;
}

void wal_ring_clear(struct wal_ring *ring, uint64_t from, uint64_t to)
{
    struct file_iovec part[2];
    int parts = wal_ring_iov(ring, from, to, part);
    size_t at = index_of(ring, from);
    if (parts > 0) memset(ring->bytes + at, 0, part[0].len);
    if (parts > 1) memset(ring->bytes, 0, part[1].len);
}
