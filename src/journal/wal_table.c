/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/wal_table.h"

#include <string.h>

#include "base/assert.h"

static void merge_pairs(struct wal_table *t)
{
    size_t kept = 0;
    for (size_t i = 0; i + 1 < t->count; i += 2) {
        struct wal_row a = t->rows[i];
        const struct wal_row *b = &t->rows[i + 1];
        a.last = b->last;
        a.end_position = b->end_position;
        a.bytes += b->bytes;
        a.is_damaged = a.is_damaged || b->is_damaged;
        t->rows[kept++] = a;
    }
    if (t->count % 2 == 1) t->rows[kept++] = t->rows[t->count - 1];
    t->count = kept;
}

void wal_table_add(struct wal_table *t, const struct wal_row *row)
{
    ASSERT(row->first <= row->last);
    if (t->count > 0) {
        ASSERT(row->first > t->rows[t->count - 1].last);
        ASSERT(t->rows[t->count - 1].end_position != UINT64_MAX);
    }
    if (t->count == WAL_TABLE_ROWS) merge_pairs(t);
    t->rows[t->count++] = *row;
}

void wal_table_close_last(struct wal_table *t, uint64_t end_position, uint64_t bytes)
{
    if (t->count == 0) return;
    struct wal_row *last = &t->rows[t->count - 1];
    if (last->end_position != UINT64_MAX) return;
    last->end_position = end_position;
    last->bytes = bytes;
}

size_t wal_table_droppable(const struct wal_table *t, uint64_t position)
{
    size_t best = 0;
    for (size_t i = 0; i + 1 < t->count; i++) {
        if (t->rows[i].end_position > position) break;
        if (!t->rows[i + 1].continues) best = i + 1;
    }
    return best;
}

void wal_table_drop(struct wal_table *t, size_t count)
{
    ASSERT(count < t->count || count == 0);
    memmove(t->rows, t->rows + count, (t->count - count) * sizeof t->rows[0]);
    t->count -= count;
}

uint64_t wal_table_segments(const struct wal_table *t)
{
    uint64_t n = 0;
    for (size_t i = 0; i < t->count; i++)
        n += t->rows[i].last - t->rows[i].first + 1;
    return n;
}

uint64_t wal_table_bytes(const struct wal_table *t)
{
    uint64_t n = 0;
    for (size_t i = 0; i < t->count; i++)
        n += t->rows[i].bytes;
    return n;
}

uint64_t wal_table_damaged(const struct wal_table *t)
{
    uint64_t n = 0;
    for (size_t i = 0; i < t->count; i++)
        n += t->rows[i].is_damaged;
    return n;
}
