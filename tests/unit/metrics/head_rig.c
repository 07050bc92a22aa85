/* SPDX-License-Identifier: Apache-2.0 */
#include "head_rig.h"

#include <check.h>

void rig_init(struct rig *r)
{
    memset(r, 0, sizeof *r);
    r->mem = mem_budget_create((uint64_t)1 << 30);
    ck_assert_ptr_nonnull(r->mem);
    r->disk = file_fault_create(1);
    clock_fake_init(&r->clock, RIG_START_MS, 7);
    r->shards_log2 = 2;
    journal_fake_init(&r->journal, r->shards_log2);
    batch_maker_init(&r->maker, r->mem);
    r->mint_ms = INT64_MIN;
    r->series_max = 1000000;
    r->file_bytes = 0;
}

void rig_deinit(struct rig *r)
{
    rig_close_head(r);
    batch_maker_deinit(&r->maker);
    journal_fake_deinit(&r->journal);
    file_fault_destroy(r->disk);
    ck_assert_uint_eq(mem_live_count(r->mem), 0);
    mem_budget_destroy(r->mem);
}

enum err_code rig_open_head(struct rig *r, struct err *err)
{
    struct head_options o = { .files = file_fault_layer(r->disk),
                              .clock = &r->clock.clock,
                              .mem = r->mem,
                              .dir = "m/head",
                              .journal = &r->journal.journal,
                              .block_range_ms = RIG_RANGE_MS,
                              .future_limit_ms = 600000,
                              .series_max = r->series_max,
                              .exemplars_max = 100,
                              .mint_ms = r->mint_ms,
                              .replay_threads = 2,
                              .file_bytes = r->file_bytes };
    struct head *h = NULL;
    enum err_code rc = head_create(&o, &h, err);
    if (rc != ERR_OK) return rc;
    head_set_listener(h, &r->listener);
    rc = head_replay(h, NULL, NULL, err);
    if (rc != ERR_OK) {
        head_destroy(h);
        return rc;
    }
    r->head = h;
    return ERR_OK;
}

void rig_close_head(struct rig *r)
{
    if (r->head == NULL) return;
    head_stop(r->head);
    head_destroy(r->head);
    r->head = NULL;
    ck_assert_uint_eq(r->journal.credit, 0);
}

void rig_reopen(struct rig *r)
{
    struct err err = { 0 };
    rig_close_head(r);
    enum err_code rc = rig_open_head(r, &err);
    ck_assert_msg(rc == ERR_OK, "reopen: %s %s", err.msg, err.detail);
}

void rig_setup(struct rig *r)
{
    rig_init(r);
    rig_reopen(r);
}

enum err_code rig_append(struct rig *r)
{
    struct err err = { 0 };
    return head_append(r->head, &r->maker.batch, &r->result, &err);
}

enum batch_outcome rig_one(struct rig *r, const char *key, int64_t t, double v)
{
    batch_maker_begin(&r->maker);
    batch_maker_one(&r->maker, key, t, v);
    ck_assert_int_eq(rig_append(r), ERR_OK);
    return (enum batch_outcome)r->maker.batch.series[0].outcome;
}

void rig_each(struct rig *r, void (*fn)(void *arg, struct str labels, uint32_t shard, uint32_t ref),
              void *arg)
{
    struct arena arena;
    struct buf text;
    arena_init(&arena, mem_source_of(r->mem, MEM_QUERY), (size_t)16 << 20);
    buf_init(&text, mem_source_of(r->mem, MEM_QUERY), 1 << 20);
    for (uint32_t shard = 0; shard < head_shard_count(r->head); shard++) {
        uint32_t cursor = 0;
        uint32_t ref;
        while (head_series_refs(r->head, shard, &cursor, &ref, 1) == 1) {
            struct labels l;
            struct err err = { 0 };
            ck_assert_int_eq(head_series_labels(r->head, shard, ref, &arena, &l, &err), ERR_OK);
            buf_reset(&text);
            labels_print(&text, l, true);
            fn(arg, buf_str(&text), shard, ref);
            arena_reset(&arena);
        }
    }
    buf_deinit(&text);
    arena_deinit(&arena);
}

struct wanted {
    struct str labels;
    uint32_t shard, ref;
};

static void note_wanted(void *arg, struct str labels, uint32_t shard, uint32_t ref)
{
    struct wanted *w = arg;
    if (!str_eq(labels, w->labels)) return;
    w->shard = shard;
    w->ref = ref;
}

bool rig_find(struct rig *r, const char *labels, uint32_t *out_shard, uint32_t *out_ref)
{
    struct wanted w = { str_of_z(labels), 0, 0 };
    rig_each(r, note_wanted, &w);
    *out_shard = w.shard;
    *out_ref = w.ref;
    return w.ref != 0;
}

void rig_read_ref(struct rig *r, uint32_t shard, uint32_t ref, int64_t mint, int64_t maxt,
                  struct sample_buf *out)
{
    struct head_reader *reader = NULL;
    struct err err = { 0 };
    ck_assert_int_eq(head_reader_create(r->head, r->mem, &reader, &err), ERR_OK);
    struct epoch_guard guard = epoch_enter(head_epoch(r->head));
    ck_assert_int_eq(head_reader_load(reader, shard, &ref, 1, mint, maxt, &err), ERR_OK);
    enum err_code rc = head_reader_samples(reader, 0, out, &err);
    ck_assert_msg(rc == ERR_OK, "%s", err.msg);
    epoch_leave(head_epoch(r->head), &guard);
    head_reader_destroy(reader);
}

bool rig_read(struct rig *r, const char *labels, int64_t mint, int64_t maxt, struct sample_buf *out)
{
    uint32_t shard;
    uint32_t ref;
    if (!rig_find(r, labels, &shard, &ref)) return false;
    rig_read_ref(r, shard, ref, mint, maxt, out);
    return true;
}
