/* SPDX-License-Identifier: Apache-2.0
 *
 * Who waits for which position, what makes a position safe, and what a failure does to waiters.
 */
#include "base/assert.h"
#include "journal/wal_priv.h"

uint64_t wal_kept_from_locked(const struct wal *w)
{
    return w->mode == JOURNAL_OFF ? w->written : w->synced;
}

bool wal_is_safe_locked(const struct wal *w, uint64_t position)
{
    bool wait_for_sync = w->mode == JOURNAL_COMMIT;
    if (w->state == WAL_POISONED) return position <= wal_kept_from_locked(w);
    return position <= (wait_for_sync ? w->synced : w->written);
}

struct journal_waiter *wal_take_safe_locked(struct wal *w)
{
    struct journal_waiter *list = w->waiters;
    struct journal_waiter **end = &list;
    while (*end && wal_is_safe_locked(w, (*end)->position)) {
        end = &(*end)->next;
    }
    w->waiters = *end;
    if (!w->waiters) w->waiters_last = NULL;
    *end = NULL;
    return list;
}

struct journal_waiter *wal_poison_locked(struct wal *w, const struct err *cause)
{
    if (w->state == WAL_POISONED) return NULL;
    ASSERT(w->state == WAL_RUNNING);
    w->state = WAL_POISONED;
    w->failure = *cause;
    stat_set(&w->stats.poisoned, 1);
    struct journal_waiter *list = w->waiters;
    w->waiters = w->waiters_last = NULL;
    cond_broadcast(&w->progress);
    cond_signal(&w->work);
    return list;
}

void wal_complete(struct journal_waiter *list, enum err_code result)
{
    while (list) {
        struct journal_waiter *next = list->next; /* fn may free the waiter */
        list->next = NULL;
        list->fn(list, result);
        list = next;
    }
}

enum err_code wal_refuse_locked(const struct wal *w, struct err *err)
{
    ASSERT(w->state == WAL_POISONED);
    if (err) {
        *err = w->failure;
        err->code = ERR_IO;
    }
    return ERR_IO;
}

void wal_update_gauges_locked(struct wal *w)
{
    stat_set(&w->stats.unsynced_bytes, (int64_t)(w->reserved - w->synced));
    uint64_t age_ns = 0;
    if (w->unsynced_since_ns != 0) {
        uint64_t now_ns = clock_mono_ns(w->clock);
        age_ns = now_ns > w->unsynced_since_ns ? now_ns - w->unsynced_since_ns : 0;
    }
    stat_set(&w->stats.durability_lag_ms, (int64_t)(age_ns / 1000000));
    stat_set(&w->stats.segments, (int64_t)wal_table_segments(&w->table));
    stat_set(&w->stats.damaged_segments, (int64_t)wal_table_damaged(&w->table));
    uint64_t open_bytes = w->file.f ? w->file.offset : 0;
    stat_set(&w->stats.size_bytes, (int64_t)(wal_table_bytes(&w->table) + open_bytes));
}
