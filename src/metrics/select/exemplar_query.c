/* SPDX-License-Identifier: Apache-2.0
 *
 * Exemplars of the series that match.
 */
#include <string.h>

#include "base/assert.h"
#include "metrics/head/head_engine.h"
#include "metrics/select/select_priv.h"

#define READ_BATCH 256

struct exemplar_list {
    struct select_store *store;
    const struct exemplar_query *query;
    struct arena *arena;
    struct exemplar_series *ptr;
    size_t count, cap;
};

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for exemplars");
}

static enum err_code reserve(struct exemplar_list *l, struct err *err)
{
    if (l->count < l->cap) return ERR_OK;
    size_t cap = l->cap * 2 + 16;
    struct exemplar_series *grown = arena_array(l->arena, struct exemplar_series, cap);
    if (grown == NULL) return no_memory(err);
    if (l->count > 0) memcpy(grown, l->ptr, l->count * sizeof *grown);
    l->ptr = grown;
    l->cap = cap;
    return ERR_OK;
}

static enum err_code add_series(struct exemplar_list *l, uint32_t id, struct err *err)
{
    const struct select_store *s = l->store;
    struct head_series_id series = head_index_series(s->index, id);
    struct exemplar_series found = { 0 };
    struct labels labels;
    TRY(head_exemplars(s->head, series.shard, series.ref, l->query->mint_ms, l->query->maxt_ms,
                       l->arena, &found.exemplars, &found.count, err));
    if (found.count == 0) return ERR_OK;
    enum err_code rc =
        head_series_labels(s->head, series.shard, series.ref, l->arena, &labels, err);
    if (rc == ERR_NOTFOUND) return ERR_OK;
    TRY(rc);
    TRY(labels_copy(l->arena, labels, &found.labels, err));
    TRY(reserve(l, err));
    l->ptr[l->count++] = found;
    return ERR_OK;
}

static enum err_code match_any(struct exemplar_list *l, struct postings *all, struct err *err)
{
    struct head_match_options options = { MEM_QUERY, NULL };
    for (size_t i = 0; i < l->query->any_of_count; i++) {
        CLEANUP(postings_destroy_p) struct postings *matched = NULL;
        TRY(head_index_match(l->store->index, l->query->any_of[i], &options, &matched, err));
        TRY(postings_or(all, matched, err));
    }
    return ERR_OK;
}

static enum err_code add_all(struct exemplar_list *l, struct err *err)
{
    CLEANUP(postings_destroy_p) struct postings *matched = NULL;
    TRY(postings_create(l->store->mem, MEM_QUERY, &matched, err));
    TRY(match_any(l, matched, err));
    struct postings_iter it;
    uint32_t ids[READ_BATCH];
    postings_iter_init(&it, matched);
    for (size_t n; (n = postings_iter_read(&it, ids, READ_BATCH)) > 0;)
        for (size_t i = 0; i < n; i++)
            TRY(add_series(l, ids[i], err));
    return ERR_OK;
}

/* By labels: bottom-up merge sort, because there may be many. */
static enum err_code sort_series(struct exemplar_list *l, struct err *err)
{
    struct exemplar_series *from = l->ptr;
    struct exemplar_series *to = arena_array_raw(l->arena, struct exemplar_series, l->count + 1);
    if (to == NULL) return no_memory(err);
    for (size_t width = 1; width < l->count; width *= 2) {
        for (size_t start = 0; start < l->count; start += 2 * width) {
            size_t middle = start + width < l->count ? start + width : l->count;
            size_t end = middle + width < l->count ? middle + width : l->count;
            size_t a = start;
            size_t b = middle;
            for (size_t n = start; n < end; n++) {
                bool takes_a =
                    b == end || (a < middle && labels_cmp(from[a].labels, from[b].labels) <= 0);
                to[n] = takes_a ? from[a++] : from[b++];
            }
        }
        struct exemplar_series *swap = from;
        from = to;
        to = swap;
    }
    l->ptr = from;
    return ERR_OK;
}

enum err_code select_exemplars(struct select_store *s, const struct exemplar_query *q,
                               struct arena *a, struct exemplar_series **out, size_t *out_count,
                               struct err *err)
{
    struct exemplar_list l = { .store = s, .query = q, .arena = a };
    struct epoch_guard guard = epoch_enter(head_epoch(s->head));
    enum err_code rc = add_all(&l, err);
    epoch_leave(head_epoch(s->head), &guard);
    if (rc == ERR_OK && l.count > 1) rc = sort_series(&l, err);
    if (rc != ERR_OK) return rc;
    *out = l.ptr;
    *out_count = l.count;
    return ERR_OK;
}
