/* SPDX-License-Identifier: Apache-2.0
 *
 * Journal records of the head: whatever their payloads hold, a replay succeeds within its memory,
 * every series can be read afterwards with ascending times, and a sample can be appended.
 *
 * Input: records as u8 type, u8 flags (bits 0-3: journal flags; bit 4: a new epoch begins before; bit 5:
 * this epoch comes after damage), u8 length / 2, payload; again.
 */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "metrics/head/head_append.h"
#include "metrics/head/head_engine.h"
#include "os/file_fault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS 1700000000000ll
#define BUDGET_BYTES ((uint64_t)64 << 20)

struct input_journal {
    struct journal journal;
    struct bytes input;
    uint32_t epoch;
    uint64_t end;
};

static struct input_journal *of(struct journal *j)
{
    return (struct input_journal *)(void *)j;
}

static enum err_code credit(struct journal *j, size_t bytes, uint64_t timeout_ns, struct err *err)
{
    (void)j;
    (void)bytes;
    (void)timeout_ns;
    (void)err;
    return ERR_OK;
}

static void credit_return(struct journal *j, size_t bytes)
{
    (void)j;
    (void)bytes;
}

static enum err_code append(struct journal *j, uint32_t expected_epoch,
                            const struct journal_record *rec, uint64_t *out_position,
                            struct err *err)
{
    (void)err;
    ASSERT(expected_epoch == 0 || expected_epoch == of(j)->epoch);
    of(j)->end += journal_record_bytes(rec->payload.len);
    if (out_position != NULL) *out_position = of(j)->end;
    return ERR_OK;
}

static uint32_t epoch(struct journal *j)
{
    return of(j)->epoch;
}

static uint64_t end(struct journal *j)
{
    return of(j)->end;
}

static struct journal_identity identity(struct journal *j)
{
    (void)j;
    return (struct journal_identity){ .hash_seed = 7, .shards_log2 = 0 };
}

static enum err_code replay(struct journal *j, const struct journal_replay *to, struct err *err)
{
    struct input_journal *in = of(j);
    struct bytes rest = in->input;
    while (rest.len >= 4) {
        struct journal_record rec = { .type = rest.ptr[0],
                                      .flags = rest.ptr[1] & 15,
                                      .is_after_damage = rest.ptr[1] & 32 };
        size_t len = 1 + (size_t)rest.ptr[2] * 2;
        if (len > rest.len - 3) len = rest.len - 3;
        if (rest.ptr[1] & 16) in->epoch++;
        in->end += journal_record_bytes(len);
        rec.payload = (struct bytes){ rest.ptr + 3, len };
        rec.epoch = in->epoch;
        rec.position = in->end;
        TRY(to->record(to->arg, &rec, err));
        rest = (struct bytes){ rest.ptr + 3 + len, rest.len - 3 - len };
    }
    in->epoch++;
    return to->release(to->arg, 1, err);
}

static const struct journal_ops OPS = { .credit = credit,
                                        .credit_return = credit_return,
                                        .append = append,
                                        .epoch = epoch,
                                        .end = end,
                                        .identity = identity,
                                        .replay = replay };

static void read_all(struct head *h, struct mem_budget *mem)
{
    struct head_reader *reader = NULL;
    struct sample_buf buf;
    struct err err = { 0 };
    uint32_t cursor = 0;
    uint32_t ref;
    sample_buf_init(&buf, mem_source_of(mem, MEM_QUERY));
    if (head_reader_create(h, mem, &reader, &err) != ERR_OK) return;
    struct epoch_guard guard = epoch_enter(head_epoch(h));
    while (head_series_refs(h, 0, &cursor, &ref, 1) == 1) {
        uint32_t pairs = 0;
        ASSERT(head_series_pairs(h, 0, ref, &pairs) != NULL);
        sample_buf_reset(&buf);
        enum err_code rc = head_reader_load(reader, 0, &ref, 1, INT64_MIN, INT64_MAX, &err);
        if (rc == ERR_OK) rc = head_reader_samples(reader, 0, &buf, &err);
        ASSERT(rc == ERR_OK);
        for (size_t i = 1; i < buf.cols.count; i++)
            ASSERT(buf.cols.ts_ms[i - 1] < buf.cols.ts_ms[i]);
    }
    epoch_leave(head_epoch(h), &guard);
    head_reader_destroy(reader);
    sample_buf_deinit(&buf);
}

static enum err_code decode(const struct batch *batch, const struct batch_series *s,
                            struct labels_builder *b, struct labels *out, struct err *err)
{
    (void)batch;
    (void)s;
    labels_builder_add(b, STR("a"), STR("b"));
    return labels_builder_finish(b, NULL, out, err);
}

static void append_one(struct head *h, struct mem_budget *mem)
{
    struct arena arena;
    struct append_result result;
    struct err err = { 0 };
    struct sample sample = { NOW_MS, 1 };
    struct batch_series series = { .key_hash = { 1, 2 }, .sample_count = 1 };
    arena_init(&arena, mem_source_of(mem, MEM_INGEST), (size_t)1 << 20);
    struct batch batch = { .arena = &arena,
                           .series = &series,
                           .series_count = 1,
                           .samples = &sample,
                           .sample_count = 1,
                           .decode = decode };
    enum err_code rc = head_append(h, &batch, &result, &err);
    ASSERT(rc == ERR_OK);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 16) return 0;
    struct mem_budget *mem = mem_budget_create(BUDGET_BYTES);
    if (mem == NULL) return 0;
    struct file_fault *disk = file_fault_create(1);
    struct clock_fake clock;
    clock_fake_init(&clock, NOW_MS, 1);
    struct input_journal journal = { .journal = { &OPS }, .input = { data, size }, .epoch = 1 };
    struct head_options options = { .files = file_fault_layer(disk),
                                    .clock = &clock.clock,
                                    .mem = mem,
                                    .dir = "head",
                                    .journal = &journal.journal,
                                    .block_range_ms = 7200000,
                                    .future_limit_ms = 600000,
                                    .series_max = 1000,
                                    .exemplars_max = 50,
                                    .mint_ms = INT64_MIN,
                                    .replay_threads = 1 };
    struct head *h = NULL;
    struct err err = { 0 };
    enum err_code rc = head_create(&options, &h, &err);
    ASSERT(rc == ERR_OK);
    rc = head_replay(h, NULL, NULL, &err);
    ASSERT(rc == ERR_OK || rc == ERR_NOMEM);
    if (rc == ERR_OK) {
        read_all(h, mem);
        append_one(h, mem);
        read_all(h, mem);
        head_stop(h);
    }
    head_destroy(h);
    file_fault_destroy(disk);
    ASSERT(mem_live_count(mem) == 0);
    mem_budget_destroy(mem);
    return 0;
}
