/* SPDX-License-Identifier: Apache-2.0
 *
 * select: matchers and a time range to a set of series.
 */
#include <string.h>

#include "base/assert.h"
#include "metrics/select/select_priv.h"

#define READ_BATCH 1024
#define TEXTS_BYTES_MAX ((size_t)1 << 30)

/* ---- arrays ---- */

enum err_code series_array_reserve(struct series_array *a, struct mem_budget *mem, size_t cap,
                                   struct err *err)
{
    if (cap <= a->cap) return ERR_OK;
    struct set_series *grown =
        mem_realloc(mem, MEM_QUERY, a->ptr, a->cap * sizeof *grown, cap * sizeof *grown);
    if (grown == NULL) return err_set(err, ERR_NOMEM, "no memory for the series of a query");
    a->ptr = grown;
    a->cap = cap;
    return ERR_OK;
}

void series_array_free(struct series_array *a, struct mem_budget *mem)
{
    mem_free(mem, MEM_QUERY, a->ptr, a->cap * sizeof *a->ptr);
    *a = (struct series_array){ 0 };
}

enum err_code check_series_max(const struct merged_set *s, const struct source_request *req,
                               struct err *err)
{
    if (req->series_max == 0 || s->series.count <= req->series_max) return ERR_OK;
    return err_setf(err, ERR_LIMIT, "too many series", "the selector matches more than %zu series",
                    req->series_max);
}

/* ---- head ---- */

/* Keep those of ids[0..n), all of one shard, that may have samples in the range. */
static void add_head_batch(struct merged_set *s, const uint32_t *ids, size_t n)
{
    const struct head_index *index = s->store->index;
    uint32_t refs[HEAD_READ_BATCH];
    struct head_last last[HEAD_READ_BATCH];
    for (size_t i = 0; i < n; i++)
        refs[i] = head_index_series(index, ids[i]).ref;
    uint32_t shard = head_index_series(index, ids[0]).shard;
    uint64_t unknown = head_read_last(s->store->head, shard, refs, n, last);
    uint64_t in_range = UINT64_MAX;
    if (s->checks_chunks) {
        const struct head_range_query q = { shard, refs, n, s->head_mint_ms, s->maxt_ms };
        in_range = head_in_range(s->store->head, &q);
    }
    struct set_series *out = s->series.ptr + s->series.count;
    for (size_t i = 0; i < n; i++) {
        if (last[i].ts_ms == HEAD_NO_TIME || last[i].ts_ms < s->head_mint_ms) continue;
        if (!(in_range >> i & 1)) continue;
        *out = (struct set_series){ .head_id = ids[i], .newest = { HEAD_NO_TIME, 0 } };
        bool is_answer = last[i].ts_ms <= s->maxt_ms && !(unknown >> i & 1);
        if (s->only_newest && is_answer) out->newest = last[i];
        out++;
    }
    s->series.count = (size_t)(out - s->series.ptr);
}

static enum err_code add_head_series(struct merged_set *s, const struct postings *matched,
                                     const struct source_request *req, struct err *err)
{
    const struct head_index *index = s->store->index;
    struct postings_iter it;
    uint32_t ids[READ_BATCH];
    TRY(series_array_reserve(&s->series, s->mem, (size_t)postings_cardinality(matched), err));
    postings_iter_init(&it, matched);
    for (size_t n; (n = postings_iter_read(&it, ids, READ_BATCH)) > 0;) {
        TRY(cancel_check(req->cancel, err));
        for (size_t from = 0; from < n;) {
            uint32_t shard = head_index_series(index, ids[from]).shard;
            size_t to = from + 1;
            while (to < n && to - from < HEAD_READ_BATCH &&
                   head_index_series(index, ids[to]).shard == shard)
                to++;
            add_head_batch(s, ids + from, to - from);
            from = to;
        }
        TRY(check_series_max(s, req, err));
    }
    return ERR_OK;
}

static enum err_code select_head(struct merged_set *s, const struct source_request *req,
                                 struct err *err)
{
    struct head *head = s->store->head;
    int64_t mint = head_mint_ms(head);
    s->head_mint_ms = req->mint_ms > mint ? req->mint_ms : mint;
    if (s->head_mint_ms > req->maxt_ms || !head_is_in_range(head, s->head_mint_ms, req->maxt_ms))
        return ERR_OK;
    s->checks_chunks = req->only_in_range && req->maxt_ms < head_maxt_ms(head);
    struct head_match_options options = { MEM_QUERY, req->cancel };
    CLEANUP(postings_destroy_p) struct postings *matched = NULL;
    TRY(head_index_match(s->store->index, req->matchers, &options, &matched, err));
    return add_head_series(s, matched, req, err);
}

/* ---- blocks ---- */

/* After head_mint_ms was read, so that what the head no longer has is in the list. */
static enum err_code take_blocks(struct merged_set *s, struct err *err)
{
    const struct block_list *list = block_set_get(s->store->blocks);
    size_t count = 0;
    for (size_t i = 0; i < list->len; i++)
        count += block_is_in_range(list->ptr[i], s->mint_ms, s->maxt_ms);
    if (count == 0) {
        block_set_put(s->store->blocks, list);
        return ERR_OK;
    }
    s->list = list;
    s->blocks = mem_alloc(s->mem, MEM_QUERY, count * sizeof(struct block *));
    if (s->blocks == NULL) return err_set(err, ERR_NOMEM, "no memory to read blocks");
    for (size_t i = 0; i < list->len; i++)
        if (block_is_in_range(list->ptr[i], s->mint_ms, s->maxt_ms))
            s->blocks[s->block_count++] = list->ptr[i];
    s->cursors = mem_zalloc(s->mem, MEM_QUERY, count * sizeof(struct block_labels *));
    return s->cursors != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory to read blocks");
}

enum err_code merged_cursor(struct merged_set *s, uint32_t block, struct block_labels **out,
                            struct err *err)
{
    if (s->cursors[block] == NULL) {
        struct block *b = s->blocks[block];
        enum err_code rc = block_labels_create(b, &s->texts, &s->cursors[block], err);
        if (rc != ERR_OK) return note_damage(s->store, b, rc, err);
    }
    *out = s->cursors[block];
    return ERR_OK;
}

enum err_code note_damage(struct select_store *s, struct block *b, enum err_code code,
                          struct err *err)
{
    if (code != ERR_CORRUPT) return code;
    stat_add(&s->stats.damages, 1);
    block_set_quarantine(s->blocks, block_borrow_meta(b)->id, err);
    return code;
}

/* ---- life ---- */

static size_t merged_count(const struct series_set *base)
{
    return merged_of(base)->series.count;
}

static void merged_destroy(struct series_set *base)
{
    struct merged_set *s = (struct merged_set *)(void *)base;
    if (s == NULL) return;
    struct mem_budget *mem = s->mem;
    mem_free(mem, MEM_QUERY, s->parts, s->part_cap * sizeof *s->parts);
    mem_free(mem, MEM_QUERY, s->cursors, s->block_count * sizeof *s->cursors);
    mem_free(mem, MEM_QUERY, s->blocks, s->block_count * sizeof *s->blocks);
    arena_deinit(&s->texts);
    mutex_deinit(&s->labels_lock);
    if (s->list != NULL) block_set_put(s->store->blocks, s->list);
    series_array_free(&s->series, mem);
    epoch_leave(head_epoch(s->store->head), &s->guard);
    mem_free(mem, MEM_QUERY, s, sizeof *s);
}

static const struct series_set_ops MERGED_OPS = { .count = merged_count,
                                                  .labels = merged_labels,
                                                  .group_hashes = merged_group_hashes,
                                                  .reader_create = merged_reader_create,
                                                  .reader_destroy = merged_reader_destroy,
                                                  .read = merged_read,
                                                  .destroy = merged_destroy };

static enum err_code fill(struct merged_set *s, const struct source_request *req, struct err *err)
{
    TRY(select_head(s, req, err));
    TRY(take_blocks(s, err));
    if (s->block_count > 0) TRY(merge_blocks(s, req, err));
    return check_series_max(s, req, err);
}

static enum err_code select_series(void *ctx, const struct source_request *req,
                                   struct mem_budget *mem, struct series_set **out, struct err *err)
{
    struct select_store *store = ctx;
    struct merged_set *s = mem_zalloc(mem, MEM_QUERY, sizeof *s);
    if (s == NULL) return err_set(err, ERR_NOMEM, "no memory for a query");
    s->base.ops = &MERGED_OPS;
    s->store = store;
    s->mem = mem;
    s->mint_ms = req->mint_ms;
    s->maxt_ms = req->maxt_ms;
    s->only_newest = req->only_newest;
    mutex_init(&s->labels_lock);
    arena_init(&s->texts, mem_source_of(mem, MEM_QUERY), TEXTS_BYTES_MAX);
    s->guard = epoch_enter(head_epoch(store->head));
    uint64_t start_ns = clock_mono_ns(store->clock);
    enum err_code rc = fill(s, req, err);
    stat_add(&store->stats.selects, 1);
    if (rc != ERR_OK) {
        stat_add(&store->stats.select_errors, 1);
        merged_destroy(&s->base);
        return rc;
    }
    stat_add(&store->stats.series, s->series.count);
    stat_observe_ns(&store->stats.select, clock_mono_ns(store->clock) - start_ns);
    *out = &s->base;
    return ERR_OK;
}

struct source select_source(struct select_store *s)
{
    static const struct source_ops ops = { select_series, select_label_names, select_label_values,
                                           select_warnings };
    return (struct source){ s, &ops };
}

/* ---- telemetry ---- */

#define COUNTER(field, name, help) STAT_COUNTER(struct select_stats, field, name, help)
#define GAUGE(field, name, help) STAT_GAUGE(struct select_stats, field, name, help)

static const struct stat_desc SELECT_STATS[] = {
    COUNTER(selects, "pharos_storage_selects_total", "Selectors resolved to series."),
    COUNTER(select_errors, "pharos_storage_select_errors_total",
            "Selectors that failed: limits, cancellation, memory, damage."),
    COUNTER(series, "pharos_storage_selected_series_total", "Series found by selectors."),
    COUNTER(damages, "pharos_storage_damaged_reads_total", "Queries that met a damaged block."),
    GAUGE(index_names, "pharos_head_index_names", "Label names in the index of the head."),
    GAUGE(index_bytes, "pharos_head_index_bytes", "Memory of the index of the head."),
    GAUGE(index_left_behind, "pharos_head_index_left_behind",
          "Entries of removed series that could not be taken out for want of memory."),
    STAT_HISTOGRAM(struct select_stats, select, "pharos_storage_select_duration_seconds",
                   "Time to resolve a selector."),
};

struct stat_table select_stat_table(struct select_store *s)
{
    struct head_index_status index;
    head_index_status(s->index, &index);
    stat_set(&s->stats.index_names, (int64_t)index.names);
    stat_set(&s->stats.index_left_behind, (int64_t)index.left_behind);
    stat_set(&s->stats.index_bytes, (int64_t)mem_used(s->mem, MEM_INDEX));
    return (struct stat_table){ SELECT_STATS, sizeof SELECT_STATS / sizeof SELECT_STATS[0],
                                &s->stats };
}
