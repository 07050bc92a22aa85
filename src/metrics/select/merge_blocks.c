/* SPDX-License-Identifier: Apache-2.0
 *
 * Joins the series of blocks and head by the hash of their labels.
 */
#include <string.h>

#include "base/assert.h"
#include "metrics/select/select_priv.h"

#define READ_BATCH 256
#define FIRST_SLOTS 1024

struct join {
    struct merged_set *set;
    const struct source_request *req;
    struct series_array series; /* in their final order */
    struct hash128 *hashes;     /* of series[i] */
    size_t hash_cap;
    uint32_t *slots; /* open addressing: series + 1; 0 = free */
    size_t slot_count;
    struct arena scratch; /* labels of one head series */
    /* of one block, when the request wants only series that have samples in the range */
    struct block_reader *reader;
    struct sample_buf samples;
};

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for the series of a query");
}

/* ---- table ---- */

static uint32_t *find_slot(const struct join *j, struct hash128 hash)
{
    size_t i = hash.lo & (j->slot_count - 1);
    while (j->slots[i] != 0 && !hash128_eq(j->hashes[j->slots[i] - 1], hash))
        i = (i + 1) & (j->slot_count - 1);
    return &j->slots[i];
}

static enum err_code grow_slots(struct join *j, struct err *err)
{
    size_t count = j->slot_count != 0 ? j->slot_count * 2 : FIRST_SLOTS;
    uint32_t *slots = mem_zalloc(j->set->mem, MEM_QUERY, count * sizeof *slots);
    if (slots == NULL) return no_memory(err);
    mem_free(j->set->mem, MEM_QUERY, j->slots, j->slot_count * sizeof *slots);
    j->slots = slots;
    j->slot_count = count;
    for (size_t i = 0; i < j->series.count; i++)
        *find_slot(j, j->hashes[i]) = (uint32_t)i + 1;
    return ERR_OK;
}

/* Room for one more series. */
static enum err_code reserve(struct join *j, struct err *err)
{
    struct mem_budget *mem = j->set->mem;
    size_t count = j->series.count + 1;
    if (count > j->series.cap) TRY(series_array_reserve(&j->series, mem, count * 2 + 62, err));
    if (count > j->hash_cap) {
        size_t cap = count * 2 + 62;
        struct hash128 *h =
            mem_realloc(mem, MEM_QUERY, j->hashes, j->hash_cap * sizeof *h, cap * sizeof *h);
        if (h == NULL) return no_memory(err);
        j->hashes = h;
        j->hash_cap = cap;
    }
    return count * 2 > j->slot_count ? grow_slots(j, err) : ERR_OK;
}

/* The series with that hash, made if there is none yet. */
static enum err_code find_or_add(struct join *j, struct hash128 hash, struct set_series **out,
                                 struct err *err)
{
    TRY(reserve(j, err));
    uint32_t *slot = find_slot(j, hash);
    if (*slot == 0) {
        j->series.ptr[j->series.count] = (struct set_series){ .newest = { HEAD_NO_TIME, 0 } };
        j->hashes[j->series.count] = hash;
        *slot = (uint32_t)++j->series.count;
    }
    *out = &j->series.ptr[*slot - 1];
    return ERR_OK;
}

/* ---- blocks ---- */

static enum err_code reserve_part(struct merged_set *s, struct err *err)
{
    if (s->part_count < s->part_cap) return ERR_OK;
    size_t cap = s->part_cap * 2 + 64;
    struct block_part *parts =
        mem_realloc(s->mem, MEM_QUERY, s->parts, s->part_cap * sizeof *parts, cap * sizeof *parts);
    if (parts == NULL) return no_memory(err);
    s->parts = parts;
    s->part_cap = cap;
    return ERR_OK;
}

/* A block inside the range need not be read; one that the range cuts must. */
static enum err_code has_samples(struct join *j, struct block *b, uint32_t ordinal, bool *out,
                                 struct err *err)
{
    const struct block_meta *meta = block_borrow_meta(b);
    struct block_range range = { j->req->mint_ms, j->req->maxt_ms };
    bool is_inside = range.mint_ms <= meta->mint_ms && range.maxt_ms >= meta->maxt_ms - 1;
    *out = true;
    if (!j->req->only_in_range || is_inside) return ERR_OK;
    if (j->reader == NULL) TRY(block_reader_create(b, j->set->mem, &j->reader, err));
    sample_buf_reset(&j->samples);
    TRY(block_reader_read(j->reader, ordinal, range, &j->samples, err));
    *out = j->samples.cols.count > 0;
    return ERR_OK;
}

static enum err_code add_block_series(struct join *j, struct block_labels *cursor, uint32_t block,
                                      uint32_t ordinal, struct err *err)
{
    struct merged_set *s = j->set;
    struct labels labels;
    struct set_series *series;
    bool is_wanted;
    enum err_code rc = has_samples(j, s->blocks[block], ordinal, &is_wanted, err);
    if (rc == ERR_OK && !is_wanted) return ERR_OK;
    if (rc == ERR_OK) rc = block_labels_read(cursor, ordinal, &labels, err);
    if (rc != ERR_OK) return note_damage(s->store, s->blocks[block], rc, err);
    TRY(reserve_part(s, err));
    TRY(find_or_add(j, labels_hash128(labels, s->store->hash_seed), &series, err));
    s->parts[s->part_count] = (struct block_part){ series->part, block, ordinal };
    series->part = (uint32_t)++s->part_count;
    return ERR_OK;
}

static enum err_code join_block(struct join *j, uint32_t block, struct err *err)
{
    struct merged_set *s = j->set;
    struct block_match_options options = { MEM_QUERY, j->req->cancel };
    struct block_labels *cursor;
    CLEANUP(postings_destroy_p) struct postings *matched = NULL;
    enum err_code rc = block_match(s->blocks[block], j->req->matchers, &options, &matched, err);
    if (rc != ERR_OK) return note_damage(s->store, s->blocks[block], rc, err);
    TRY(merged_cursor(s, block, &cursor, err));
    struct postings_iter it;
    uint32_t ordinals[READ_BATCH];
    postings_iter_init(&it, matched);
    for (size_t n; (n = postings_iter_read(&it, ordinals, READ_BATCH)) > 0;) {
        TRY(cancel_check(j->req->cancel, err));
        for (size_t i = 0; i < n; i++)
            TRY(add_block_series(j, cursor, block, ordinals[i], err));
        if (j->req->series_max > 0 && j->series.count > j->req->series_max) break;
    }
    return ERR_OK;
}

/* ---- head ---- */

static enum err_code join_head(struct join *j, struct err *err)
{
    struct merged_set *s = j->set;
    for (size_t i = 0; i < s->series.count; i++) {
        const struct set_series *from = &s->series.ptr[i];
        struct head_series_id id = head_index_series(s->store->index, from->head_id);
        struct labels labels;
        struct set_series *series;
        if (i % READ_BATCH == 0) TRY(cancel_check(j->req->cancel, err));
        enum err_code rc =
            head_series_labels(s->store->head, id.shard, id.ref, &j->scratch, &labels, err);
        if (rc == ERR_NOTFOUND) continue; /* removed meanwhile: it had nothing in the range */
        TRY(rc);
        TRY(find_or_add(j, labels_hash128(labels, s->store->hash_seed), &series, err));
        arena_reset(&j->scratch);
        series->head_id = from->head_id;
        series->newest = from->newest;
    }
    return ERR_OK;
}

static enum err_code join_all(struct join *j, struct err *err)
{
    for (size_t i = 0; i < j->set->block_count; i++) {
        enum err_code rc = join_block(j, (uint32_t)i, err);
        block_reader_destroy(j->reader);
        j->reader = NULL;
        TRY(rc);
    }
    return join_head(j, err);
}

enum err_code merge_blocks(struct merged_set *s, const struct source_request *req, struct err *err)
{
    struct join j = { .set = s, .req = req };
    arena_init(&j.scratch, mem_source_of(s->mem, MEM_QUERY), (size_t)1 << 20);
    sample_buf_init(&j.samples, mem_source_of(s->mem, MEM_QUERY));
    enum err_code rc = join_all(&j, err);
    sample_buf_deinit(&j.samples);
    arena_deinit(&j.scratch);
    mem_free(s->mem, MEM_QUERY, j.hashes, j.hash_cap * sizeof *j.hashes);
    mem_free(s->mem, MEM_QUERY, j.slots, j.slot_count * sizeof *j.slots);
    if (rc != ERR_OK) {
        series_array_free(&j.series, s->mem);
        return rc;
    }
    series_array_free(&s->series, s->mem);
    s->series = j.series;
    return ERR_OK;
}
