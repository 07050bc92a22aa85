/* SPDX-License-Identifier: Apache-2.0 */
#include "block_fixture.h"

#include <check.h>

#include "base/num.h"

void assert_ok(enum err_code code, const struct err *err)
{
    char text[1024];
    if (code == ERR_OK) return;
    err_text(err, text, sizeof text);
    ck_abort_msg("%s: %s", err_name(code), text);
}

void block_fixture_setup(struct block_fixture *f)
{
    struct err err = { 0 };
    *f = (struct block_fixture){ .mem = mem_budget_create(1u << 30) };
    f->disk = file_fault_create(1);
    clock_fake_init(&f->clock, BLOCK_MINT, 1);
    mem_set_cap(f->mem, MEM_SYSTEM, 1u << 30);
    arena_init(&f->arena, mem_source_of(f->mem, MEM_SYSTEM), 512u << 20);
    assert_ok(blobs_dir_create(file_fault_layer(f->disk), mem_source_of(f->mem, MEM_SYSTEM),
                               BLOCK_ROOT, &f->blobs, &err),
              &err);
}

void block_fixture_teardown(struct block_fixture *f)
{
    blobs_destroy(f->blobs);
    arena_deinit(&f->arena);
    ck_assert_uint_eq(file_fault_open_count(f->disk), 0);
    file_fault_destroy(f->disk);
    for (enum mem_account a = 0; a < MEM_ACCOUNT_COUNT; a++)
        ck_assert_msg(mem_used(f->mem, a) == 0, "%s leaks", mem_account_name(a));
    mem_budget_destroy(f->mem);
}

void block_fixture_fleet(struct block_fixture *f, uint32_t targets, uint32_t series_per_target,
                         uint32_t samples)
{
    struct fleet_options o = { .seed = 11,
                               .targets = targets,
                               .series_per_target = series_per_target,
                               .samples = samples,
                               .interval_ms = BLOCK_RANGE / samples,
                               .mint_ms = BLOCK_MINT,
                               .changing_percent = 60 };
    fleet_init(&f->fleet, &o, &f->arena);
}

struct block_writer_options block_fixture_options(struct block_fixture *f)
{
    clock_fake_advance_ms(&f->clock, 1);
    return (struct block_writer_options){ .blobs = f->blobs,
                                          .mem = f->mem,
                                          .id = ulid_make(&f->clock.clock),
                                          .mint_ms = BLOCK_MINT,
                                          .maxt_ms = BLOCK_MINT + BLOCK_RANGE };
}

struct block_meta block_fixture_write(struct block_fixture *f,
                                      const struct block_writer_options *options)
{
    int64_t ts_ms[1024];
    double value[1024];
    struct err err = { 0 };
    struct block_meta meta;
    struct block_writer *w = NULL;
    assert_ok(block_writer_create(options, &w, &err), &err);
    for (uint32_t i = 0; i < f->fleet.count; i++) {
        size_t count = fleet_samples(&f->fleet, i, ts_ms, value), third = count / 3;
        assert_ok(block_writer_add_series(w, f->fleet.series[i].labels, &err), &err);
        /* In pieces: vectors must not depend on how samples arrive. */
        struct sample_columns a = { ts_ms, value, NULL, third, third };
        struct sample_columns b = { ts_ms + third, value + third, NULL, count - third, 0 };
        assert_ok(block_writer_add_samples(w, &a, &err), &err);
        assert_ok(block_writer_add_samples(w, &b, &err), &err);
    }
    ck_assert_uint_eq(block_writer_series_count(w), f->fleet.count);
    assert_ok(block_writer_finish(w, &f->arena, &meta, &err), &err);
    block_writer_destroy(w);
    return meta;
}

struct block *block_fixture_open(struct block_fixture *f, struct ulid id)
{
    struct block *b = NULL;
    struct err err = { 0 };
    assert_ok(block_open(f->blobs, f->mem, id, &b, &err), &err);
    return b;
}

void assert_fleet_series(struct block_fixture *f, struct block_reader *r, uint32_t i,
                         struct block_range range)
{
    int64_t ts_ms[1024];
    double value[1024];
    struct sample_buf got;
    struct err err = { 0 };
    sample_buf_init(&got, mem_source_of(f->mem, MEM_QUERY));
    uint32_t count = fleet_samples(&f->fleet, i, ts_ms, value);
    assert_ok(block_reader_read(r, i, range, &got, &err), &err);
    size_t k = 0;
    for (uint32_t n = 0; n < count; n++) {
        if (ts_ms[n] < range.mint_ms || ts_ms[n] > range.maxt_ms) continue;
        ck_assert_uint_lt(k, got.cols.count);
        ck_assert_int_eq(got.cols.ts_ms[k], ts_ms[n]);
        ck_assert_uint_eq(bits_of_double(got.cols.value[k]), bits_of_double(value[n]));
        k++;
    }
    ck_assert_uint_eq(got.cols.count, k);
    sample_buf_deinit(&got);
}

void assert_fleet_block(struct block_fixture *f, struct block *b)
{
    struct err err = { 0 };
    struct block_reader *r = NULL;
    struct block_labels *c = NULL;
    assert_ok(block_verify(b, NULL, &err), &err);
    ck_assert_uint_eq(block_series_count(b), f->fleet.count);
    assert_ok(block_reader_create(b, f->mem, &r, &err), &err);
    assert_ok(block_labels_create(b, &f->arena, &c, &err), &err);
    for (uint32_t i = 0; i < f->fleet.count; i++) {
        struct labels labels;
        assert_ok(block_labels_read(c, i, &labels, &err), &err);
        ck_assert(labels_eq(labels, f->fleet.series[i].labels));
        assert_fleet_series(f, r, i, EVERYTHING);
    }
    block_reader_destroy(r);
}
