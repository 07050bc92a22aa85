/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/retention.h"

#define DROPS_PER_ROUND 64

static const struct block_meta *meta_at(const struct block_list *l, size_t i)
{
    return block_borrow_meta(l->ptr[i]);
}

/* The oldest block (by maxt, then id) that has not been chosen. */
static size_t oldest(const struct block_list *list, const struct ulid *chosen, size_t count)
{
    size_t best = list->len;
    for (size_t i = 0; i < list->len; i++) {
        const struct block_meta *m = meta_at(list, i);
        bool is_chosen = false;
        for (size_t k = 0; k < count; k++)
            is_chosen |= ulid_eq(chosen[k], m->id);
        if (is_chosen) continue;
        const struct block_meta *b = best < list->len ? meta_at(list, best) : NULL;
        bool is_older = !b || m->maxt_ms < b->maxt_ms ||
                        (m->maxt_ms == b->maxt_ms && ulid_cmp(m->id, b->id) < 0);
        if (is_older) best = i;
    }
    return best;
}

/* maxt <= now - keep, without overflow. */
static bool is_expired(const struct retention *r, const struct block_meta *m)
{
    int64_t limit;
    if (r->keep_ms <= 0 || __builtin_sub_overflow(r->now_ms, r->keep_ms, &limit)) return false;
    return m->maxt_ms <= limit;
}

size_t retention_plan(const struct retention *r, const struct block_list *list,
                      struct ulid *out_ids, size_t cap)
{
    uint64_t total = r->other_bytes;
    for (size_t i = 0; i < list->len; i++)
        total += meta_at(list, i)->size_bytes;
    size_t count = 0;
    while (count < cap && count + r->keeps_last < list->len) {
        size_t i = oldest(list, out_ids, count);
        if (i == list->len) break;
        const struct block_meta *m = meta_at(list, i);
        bool is_over_size = r->bytes_max > 0 && total > r->bytes_max;
        if (!is_expired(r, m) && !is_over_size) break;
        out_ids[count++] = m->id;
        total -= m->size_bytes;
    }
    return count;
}

enum err_code retention_apply(const struct retention *r, struct block_set *set,
                              uint64_t *out_dropped, struct err *err)
{
    struct ulid ids[DROPS_PER_ROUND];
    size_t count;
    *out_dropped = 0;
    do {
        const struct block_list *list = block_set_get(set);
        struct retention all = *r;
        all.other_bytes += block_set_unserved(set).waiting_bytes;
        count = retention_plan(&all, list, ids, DROPS_PER_ROUND);
        block_set_put(set, list);
        for (size_t i = 0; i < count; i++) {
            enum err_code code = block_set_remove(set, ids[i], err);
            if (code == ERR_NOTFOUND) continue;
            TRY(code);
            (*out_dropped)++;
        }
    } while (count == DROPS_PER_ROUND);
    return ERR_OK;
}
