/* SPDX-License-Identifier: Apache-2.0
 *
 * Labels and group keys of the series of a set.
 *
 * A group key is the hash of the labels that are kept. In the head the kept labels are pair ids,
 * and most series of a query share them: a small memo goes from the hash of the kept ids to the
 * key, so that texts are gathered once per combination.
 */
#include <string.h>

#include "base/assert.h"
#include "metrics/select/select_priv.h"

#define MEMO_SLOTS 4096 /* power of two */
#define NAMES_MEMO_SLOTS 256

/* ---- labels ---- */

static enum err_code copy_row(struct labels row, struct arena *a, struct labels *out,
                              struct err *err)
{
    struct label *copy = arena_array_raw(a, struct label, row.len + 1);
    if (copy == NULL) return err_set(err, ERR_NOMEM, "no memory for labels");
    memcpy(copy, row.ptr, row.len * sizeof *copy);
    *out = (struct labels){ copy, row.len };
    return ERR_OK;
}

static enum err_code labels_of_block(struct merged_set *s, uint32_t part_id, struct arena *a,
                                     struct labels *out, struct err *err)
{
    const struct block_part *part = &s->parts[part_id - 1];
    struct block_labels *cursor;
    struct labels row;
    MUTEX_SCOPE(&s->labels_lock);
    TRY(merged_cursor(s, part->block, &cursor, err));
    enum err_code rc = block_labels_read(cursor, part->ordinal, &row, err);
    if (rc != ERR_OK) return note_damage(s->store, s->blocks[part->block], rc, err);
    return copy_row(row, a, out, err);
}

enum err_code merged_labels(const struct series_set *base, size_t i, struct arena *a,
                            struct labels *out, struct err *err)
{
    struct merged_set *s = (struct merged_set *)(uintptr_t)base; /* for the cursors, which lock */
    ASSERT(i < s->series.count);
    const struct set_series *series = &s->series.ptr[i];
    if (series->head_id != 0) {
        struct head_series_id id = head_index_series(s->store->index, series->head_id);
        enum err_code rc = head_series_labels(s->store->head, id.shard, id.ref, a, out, err);
        if (rc != ERR_NOTFOUND || series->part == 0) return rc;
    }
    return labels_of_block(s, series->part, a, out, err);
}

/* ---- group keys ---- */

static bool name_is_kept(const struct label_grouping *g, struct str name)
{
    if (g->is_without && str_eq(name, LABEL_METRIC_NAME)) return false;
    size_t lo = 0;
    size_t hi = g->count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        int order = str_cmp(g->names[middle], name);
        if (order == 0) return !g->is_without;
        if (order < 0) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return g->is_without;
}

/* Memo of a call: which name symbols are kept, and which ids give which key. */
struct key_maker {
    struct merged_set *set;
    const struct label_grouping *grouping;
    struct arena scratch;
    uint32_t name_sym[NAMES_MEMO_SLOTS]; /* 0 = free */
    bool is_kept[NAMES_MEMO_SLOTS];
    struct hash128 ids_hash[MEMO_SLOTS]; /* of the kept pair ids; all zero = free */
    struct hash128 key[MEMO_SLOTS];
};

static bool pair_is_kept(struct key_maker *k, uint32_t pair)
{
    struct head_pair p;
    if (!head_pair(k->set->store->head, pair, &p)) return false;
    size_t slot = p.name_sym % NAMES_MEMO_SLOTS;
    if (k->name_sym[slot] != p.name_sym) {
        k->name_sym[slot] = p.name_sym;
        k->is_kept[slot] = name_is_kept(k->grouping, p.name);
    }
    return k->is_kept[slot];
}

static enum err_code key_of_labels(struct key_maker *k, struct labels all, struct hash128 *out,
                                   struct err *err)
{
    struct label *kept = arena_array_raw(&k->scratch, struct label, all.len + 1);
    if (kept == NULL) return err_set(err, ERR_NOMEM, "no memory for groups");
    size_t n = 0;
    for (size_t i = 0; i < all.len; i++)
        if (name_is_kept(k->grouping, all.ptr[i].name)) kept[n++] = all.ptr[i];
    *out = labels_hash128((struct labels){ kept, n }, 0);
    return ERR_OK;
}

static enum err_code key_of_pairs(struct key_maker *k, const uint32_t *kept, size_t count,
                                  struct hash128 *out, struct err *err)
{
    struct hash128 ids = hash128(kept, count * sizeof *kept, 0);
    size_t slot = ids.lo & (MEMO_SLOTS - 1);
    if (hash128_eq(k->ids_hash[slot], ids)) {
        *out = k->key[slot];
        return ERR_OK;
    }
    struct label *l = arena_array_raw(&k->scratch, struct label, count + 1);
    if (l == NULL) return err_set(err, ERR_NOMEM, "no memory for groups");
    for (size_t i = 0; i < count; i++) {
        struct head_pair p = { 0 };
        (void)head_pair(k->set->store->head, kept[i], &p);
        l[i] = (struct label){ p.name, p.value };
    }
    *out = labels_hash128((struct labels){ l, count }, 0);
    k->ids_hash[slot] = ids;
    k->key[slot] = *out;
    return ERR_OK;
}

static enum err_code key_of_head_series(struct key_maker *k, const uint32_t *pairs, uint32_t count,
                                        struct hash128 *out, struct err *err)
{
    uint32_t *kept = arena_array_raw(&k->scratch, uint32_t, count + 1);
    if (kept == NULL) return err_set(err, ERR_NOMEM, "no memory for groups");
    size_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        if (pair_is_kept(k, pairs[i])) kept[n++] = pairs[i];
    return key_of_pairs(k, kept, n, out, err);
}

static enum err_code key_of_series(struct key_maker *k, size_t i, struct hash128 *out,
                                   struct err *err)
{
    const struct set_series *series = &k->set->series.ptr[i];
    arena_reset(&k->scratch);
    if (series->head_id != 0) {
        struct head_series_id id = head_index_series(k->set->store->index, series->head_id);
        uint32_t count = 0;
        const uint32_t *pairs = head_series_pairs(k->set->store->head, id.shard, id.ref, &count);
        if (pairs != NULL) return key_of_head_series(k, pairs, count, out, err);
    }
    struct labels all;
    TRY(merged_labels(&k->set->base, i, &k->scratch, &all, err));
    return key_of_labels(k, all, out, err);
}

enum err_code merged_group_hashes(const struct series_set *base, size_t first, size_t n,
                                  const struct label_grouping *g, struct hash128 *out,
                                  struct err *err)
{
    struct merged_set *s = (struct merged_set *)(uintptr_t)base;
    ASSERT(first + n <= s->series.count);
    struct key_maker *k = mem_zalloc(s->mem, MEM_QUERY, sizeof *k);
    if (k == NULL) return err_set(err, ERR_NOMEM, "no memory for groups");
    k->set = s;
    k->grouping = g;
    arena_init(&k->scratch, mem_source_of(s->mem, MEM_QUERY), (size_t)4 << 20);
    enum err_code rc = ERR_OK;
    for (size_t i = 0; i < n && rc == ERR_OK; i++)
        rc = key_of_series(k, first + i, &out[i], err);
    arena_deinit(&k->scratch);
    mem_free(s->mem, MEM_QUERY, k, sizeof *k);
    return rc;
}
