/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and values of labels over head and blocks: one sorted list from each, merged.
 */
#include <string.h>

#include "base/assert.h"
#include "metrics/select/select_priv.h"

#define SCRATCH_BYTES_MAX ((size_t)256 << 20)

struct listing {
    struct select_store *store;
    const struct label_query *query;
    const struct str *name; /* NULL: names are listed */
    struct arena *arena;    /* of the texts that are kept */
    struct arena scratch;   /* of one store's list */
    struct str *merged, *spare;
    size_t merged_count, merged_cap, spare_cap;
    bool is_truncated;
};

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for a list of labels");
}

static enum err_code reserve_spare(struct listing *l, size_t cap, struct err *err)
{
    if (cap <= l->spare_cap) return ERR_OK;
    struct mem_budget *mem = l->store->mem;
    struct str *grown =
        mem_realloc(mem, MEM_QUERY, l->spare, l->spare_cap * sizeof *grown, cap * sizeof *grown);
    if (grown == NULL) return no_memory(err);
    l->spare = grown;
    l->spare_cap = cap;
    return ERR_OK;
}

static void swap_lists(struct listing *l)
{
    struct str *ptr = l->merged;
    size_t cap = l->merged_cap;
    l->merged = l->spare;
    l->merged_cap = l->spare_cap;
    l->spare = ptr;
    l->spare_cap = cap;
}

/* Merge a sorted list, whose texts may go away, with what there is. */
static enum err_code add_list(struct listing *l, const struct str_list *list, struct err *err)
{
    size_t a = 0;
    size_t b = 0;
    size_t n = 0;
    TRY(reserve_spare(l, l->merged_count + list->len, err));
    while (a < l->merged_count || b < list->len) {
        int order = a == l->merged_count ? 1
                    : b == list->len     ? -1
                                         : str_cmp(l->merged[a], list->ptr[b]);
        if (order <= 0) {
            l->spare[n++] = l->merged[a++];
            b += order == 0;
            continue;
        }
        struct str text = arena_str(l->arena, list->ptr[b]);
        if (text.len < list->ptr[b++].len) return no_memory(err);
        l->spare[n++] = text;
    }
    swap_lists(l);
    l->merged_count = n;
    l->is_truncated |= list->is_truncated;
    return ERR_OK;
}

static enum err_code list_head(struct listing *l, struct str_list *out, struct err *err)
{
    const struct label_query *q = l->query;
    CLEANUP(postings_destroy_p) struct postings *only = NULL;
    if (q->matchers.len > 0) {
        struct head_match_options options = { MEM_QUERY, q->cancel };
        TRY(head_index_match(l->store->index, q->matchers, &options, &only, err));
    }
    if (l->name == NULL) return head_index_names(l->store->index, only, &l->scratch, out, err);
    struct head_values_query values = { *l->name, only, q->limit, q->cancel };
    return head_index_values(l->store->index, &values, &l->scratch, out, err);
}

static enum err_code list_block(struct listing *l, struct block *b, struct str_list *out,
                                struct err *err)
{
    const struct label_query *q = l->query;
    CLEANUP(postings_destroy_p) struct postings *only = NULL;
    if (q->matchers.len > 0) {
        struct block_match_options options = { MEM_QUERY, q->cancel };
        TRY(block_match(b, q->matchers, &options, &only, err));
        if (postings_is_empty(only)) return ERR_OK;
    }
    if (l->name == NULL) return block_label_names(b, only, &l->scratch, out, err);
    struct block_values_query values = { *l->name, only, q->limit, q->cancel };
    return block_label_values(b, &values, &l->scratch, out, err);
}

static enum err_code add_blocks(struct listing *l, const struct block_list *list, struct err *err)
{
    for (size_t i = 0; i < list->len; i++) {
        struct str_list found = { 0 };
        if (!block_is_in_range(list->ptr[i], l->query->mint_ms, l->query->maxt_ms)) continue;
        arena_reset(&l->scratch);
        enum err_code rc = list_block(l, list->ptr[i], &found, err);
        if (rc != ERR_OK) return note_damage(l->store, list->ptr[i], rc, err);
        TRY(add_list(l, &found, err));
    }
    return ERR_OK;
}

static enum err_code add_all(struct listing *l, struct err *err)
{
    struct head *head = l->store->head;
    struct str_list found = { 0 };
    struct epoch_guard guard = epoch_enter(head_epoch(head));
    int64_t mint = head_mint_ms(head); /* before the blocks: see head.h */
    const struct block_list *list = block_set_get(l->store->blocks);
    enum err_code rc = ERR_OK;
    if (l->query->mint_ms > mint) mint = l->query->mint_ms;
    if (mint <= l->query->maxt_ms && head_is_in_range(head, mint, l->query->maxt_ms)) {
        rc = list_head(l, &found, err);
        if (rc == ERR_OK) rc = add_list(l, &found, err);
    }
    if (rc == ERR_OK) rc = add_blocks(l, list, err);
    block_set_put(l->store->blocks, list);
    epoch_leave(head_epoch(head), &guard);
    return rc;
}

/* The merged list, cut at the limit, in the caller's arena. */
static enum err_code finish(struct listing *l, struct str_list *out, struct err *err)
{
    size_t limit = l->query->limit;
    size_t n = l->merged_count;
    if (limit > 0 && n > limit) {
        n = limit;
        l->is_truncated = true;
    }
    struct str *ptr = arena_array_raw(l->arena, struct str, n + 1);
    if (ptr == NULL) return no_memory(err);
    if (n > 0) memcpy(ptr, l->merged, n * sizeof *ptr);
    *out = (struct str_list){ ptr, n, l->is_truncated };
    return ERR_OK;
}

static enum err_code list_labels(struct listing *l, struct str_list *out, struct err *err)
{
    struct mem_budget *mem = l->store->mem;
    arena_init(&l->scratch, mem_source_of(mem, MEM_QUERY), SCRATCH_BYTES_MAX);
    enum err_code rc = add_all(l, err);
    if (rc == ERR_OK) rc = finish(l, out, err);
    mem_free(mem, MEM_QUERY, l->merged, l->merged_cap * sizeof(struct str));
    mem_free(mem, MEM_QUERY, l->spare, l->spare_cap * sizeof(struct str));
    arena_deinit(&l->scratch);
    return rc;
}

enum err_code select_label_names(void *ctx, const struct label_query *q, struct arena *a,
                                 struct str_list *out, struct err *err)
{
    struct listing l = { .store = ctx, .query = q, .arena = a };
    return list_labels(&l, out, err);
}

enum err_code select_label_values(void *ctx, struct str name, const struct label_query *q,
                                  struct arena *a, struct str_list *out, struct err *err)
{
    struct listing l = { .store = ctx, .query = q, .name = &name, .arena = a };
    return list_labels(&l, out, err);
}
