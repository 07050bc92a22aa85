/* SPDX-License-Identifier: Apache-2.0
 *
 * wal_table - which segments exist and up to which position their records reach: decides what may
 * be deleted.
 *
 * Rows are in log order. A row covers one segment; when the table is full, neighbours are merged
 * two by two, after which they can only be dropped together. A segment that continues the epoch
 * of the one before holds repeat bits whose base values are there, so the two are dropped
 * together as well.
 * Threads   None (the WAL's lock).
 * Memory    The struct itself.
 */
#ifndef PHAROS_JOURNAL_WAL_TABLE_H
#define PHAROS_JOURNAL_WAL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAL_TABLE_ROWS 512

struct wal_row {
    uint64_t first, last;  /* segment numbers */
    uint64_t end_position; /* of the last record; UINT64_MAX while the segment is open */
    uint64_t bytes;        /* of valid records and headers */
    bool continues;
    bool is_damaged;
};

struct wal_table {
    size_t count;
    struct wal_row rows[WAL_TABLE_ROWS];
};

/* Append a row; row->first follows the last row's segment. */
void wal_table_add(struct wal_table *t, const struct wal_row *row);
/* The last row ends here. */
void wal_table_close_last(struct wal_table *t, uint64_t end_position, uint64_t bytes);
/* Number of leading rows that hold nothing beyond `position` and may go; never all rows. */
size_t wal_table_droppable(const struct wal_table *t, uint64_t position);
void wal_table_drop(struct wal_table *t, size_t count);
/* Segments in the table, and bytes of the closed ones. */
uint64_t wal_table_segments(const struct wal_table *t);
uint64_t wal_table_bytes(const struct wal_table *t);
uint64_t wal_table_damaged(const struct wal_table *t);

#endif
