/* SPDX-License-Identifier: Apache-2.0
 *
 * The set of blocks of a tenant: start, add, remove, quarantine, retention; power loss at every step.
 */
#include "metrics/block/block_set.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "block_fixture.h"
#include "metrics/block/retention.h"
#include "os/thread.h"

static struct block_fixture f;
static struct block_set *set;

static void open_set(void)
{
    struct err err = { 0 };
    assert_ok(block_set_create(f.blobs, f.mem, NULL, &set, &err), &err);
}

static void reopen_set(void)
{
    block_set_destroy(set);
    open_set();
}

static void setup(void)
{
    block_fixture_setup(&f);
    block_fixture_fleet(&f, 1, 5, 4);
    open_set();
}

static void teardown(void)
{
    block_set_destroy(set);
    block_fixture_teardown(&f);
}

/* A block of the time slot `slot` (block ranges after the first), replacing `parents`. */
static enum err_code write_block(struct blobs *blobs, int slot, const struct ulid *parents,
                                 size_t parent_count, struct ulid *out)
{
    int64_t ts_ms[4];
    double value[4];
    struct block_meta meta;
    struct block_writer_options o = block_fixture_options(&f);
    CLEANUP(block_writer_destroy_p) struct block_writer *w = NULL;
    o.blobs = blobs;
    o.mint_ms += (int64_t)slot * BLOCK_RANGE;
    o.maxt_ms += (int64_t)slot * BLOCK_RANGE;
    o.parents = parents;
    o.parent_count = parent_count;
    *out = o.id;
    TRY(block_writer_create(&o, &w, NULL));
    for (uint32_t i = 0; i < f.fleet.count; i++) {
        size_t count = fleet_samples(&f.fleet, i, ts_ms, value);
        for (size_t k = 0; k < count; k++)
            ts_ms[k] += (int64_t)slot * BLOCK_RANGE;
        struct sample_columns c = { ts_ms, value, NULL, count, count };
        TRY(block_writer_add_series(w, f.fleet.series[i].labels, NULL));
        TRY(block_writer_add_samples(w, &c, NULL));
    }
    return block_writer_finish(w, &f.arena, &meta, NULL);
}

static struct ulid add_block(int slot, const struct ulid *parents, size_t parent_count)
{
    struct ulid id;
    struct err err = { 0 };
    ck_assert_int_eq(write_block(f.blobs, slot, parents, parent_count, &id), ERR_OK);
    assert_ok(block_set_add(set, id, &err), &err);
    return id;
}

/* The served blocks are exactly these, in this order. */
static void assert_served(const struct ulid *ids, size_t count)
{
    const struct block_list *l = block_set_get(set);
    ck_assert_uint_eq(l->len, count);
    for (size_t i = 0; i < count; i++)
        ck_assert(ulid_eq(block_borrow_meta(l->ptr[i])->id, ids[i]));
    block_set_put(set, l);
}

static bool is_on_disk(struct ulid id)
{
    char name[ULID_TEXT_LEN + 1];
    struct blob *blob = NULL;
    ulid_text(id, name);
    bool is = blobs_open(f.blobs, str_of_z(name), "meta.json", &blob, NULL) == ERR_OK;
    blob_close(blob);
    return is;
}

static void flip(struct ulid id, const char *file)
{
    char path[FILE_PATH_SIZE], name[ULID_TEXT_LEN + 1];
    ulid_text(id, name);
    (void)snprintf(path, sizeof path, "%s/%s/%s", BLOCK_ROOT, name, file);
    ck_assert(file_fault_flip(f.disk, path, 24));
}

/* ---- cases ---- */

START_TEST(blocks_are_served_by_time_and_found_again)
{
    struct ulid c = add_block(2, NULL, 0), a = add_block(0, NULL, 0), b = add_block(1, NULL, 0);
    assert_served((struct ulid[]){ a, b, c }, 3);
    ck_assert_uint_gt(block_set_size_bytes(set), 1000);
    reopen_set();
    assert_served((struct ulid[]){ a, b, c }, 3);
    struct err err = { 0 };
    assert_ok(block_set_reload(set, &err), &err);
    assert_served((struct ulid[]){ a, b, c }, 3);
}
END_TEST

START_TEST(empty_directory_gives_an_empty_list)
{
    assert_served(NULL, 0);
    ck_assert_int_eq(block_set_remove(set, (struct ulid){ { 1 } }, NULL), ERR_NOTFOUND);
}
END_TEST

START_TEST(removed_block_stays_readable_for_who_has_it)
{
    struct ulid a = add_block(0, NULL, 0), b = add_block(1, NULL, 0);
    const struct block_list *held = block_set_get(set);
    ck_assert_int_eq(block_set_remove(set, a, NULL), ERR_OK);
    assert_served(&b, 1);
    ck_assert(!is_on_disk(a));
    ck_assert_uint_eq(held->len, 2);
    assert_fleet_block(&f, held->ptr[0]);
    block_set_put(set, held);
    reopen_set();
    assert_served(&b, 1);
}
END_TEST

START_TEST(parents_leave_with_the_block_that_replaces_them)
{
    struct ulid a = add_block(0, NULL, 0), b = add_block(1, NULL, 0);
    struct ulid merged = add_block(0, (struct ulid[]){ a, b }, 2);
    assert_served(&merged, 1);
    ck_assert(!is_on_disk(a));
    ck_assert(!is_on_disk(b));
}
END_TEST

START_TEST(parents_that_a_crash_left_go_at_start)
{
    struct ulid a = add_block(0, NULL, 0), b = add_block(1, NULL, 0), merged;
    ck_assert_int_eq(write_block(f.blobs, 0, (struct ulid[]){ a, b }, 2, &merged), ERR_OK);
    reopen_set(); /* published, but never added: as after a crash */
    assert_served(&merged, 1);
    ck_assert(!is_on_disk(a));
    ck_assert(!is_on_disk(b));
}
END_TEST

START_TEST(parents_stay_when_the_block_that_replaces_them_is_damaged)
{
    struct ulid a = add_block(0, NULL, 0), merged;
    ck_assert_int_eq(write_block(f.blobs, 0, &a, 1, &merged), ERR_OK);
    flip(merged, "meta.json");
    reopen_set();
    assert_served(&a, 1);
    ck_assert(is_on_disk(a));
}
END_TEST

START_TEST(staged_blocks_go_at_start)
{
    char path[FILE_PATH_SIZE];
    const struct file_layer *l = file_fault_layer(f.disk);
    struct file_info info;
    ck_assert_int_eq(blobs_stage(f.blobs, STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"), path, NULL), ERR_OK);
    reopen_set();
    ck_assert_int_eq(l->stat(l->ctx, path, &info, NULL), ERR_NOTFOUND);
    assert_served(NULL, 0);
}
END_TEST

START_TEST(damaged_block_is_set_aside_and_reported)
{
    struct ulid a = add_block(0, NULL, 0), b = add_block(1, NULL, 0);
    struct block_damage *damages;
    size_t count;
    flip(a, "tombstones");
    reopen_set();
    assert_served(&b, 1);
    ck_assert(is_on_disk(a));
    ck_assert_int_eq(block_set_damages(set, &f.arena, &damages, &count, NULL), ERR_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert(ulid_eq(damages[0].id, a));
    ck_assert_int_eq(damages[0].err.code, ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(damages[0].err.detail, "tombstones"));
    ck_assert_int_eq(damages[0].mint_ms, BLOCK_MINT);
    ck_assert_int_eq(damages[0].maxt_ms, BLOCK_MINT + BLOCK_RANGE);
    flip(a, "tombstones"); /* repaired */
    ck_assert_int_eq(block_set_reload(set, NULL), ERR_OK);
    assert_served((struct ulid[]){ a, b }, 2);
    ck_assert_int_eq(block_set_damages(set, &f.arena, &damages, &count, NULL), ERR_OK);
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(reader_can_put_a_block_into_quarantine)
{
    struct ulid a = add_block(0, NULL, 0), b = add_block(1, NULL, 0);
    struct block_damage *damages;
    struct err why = { .code = ERR_IO, .msg = "media error" };
    size_t count;
    block_set_quarantine(set, a, &why);
    block_set_quarantine(set, a, &why);
    assert_served(&b, 1);
    ck_assert(is_on_disk(a));
    ck_assert_int_eq(block_set_damages(set, &f.arena, &damages, &count, NULL), ERR_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_str_eq(damages[0].err.msg, "media error");
    ck_assert_int_eq(damages[0].maxt_ms, BLOCK_MINT + BLOCK_RANGE);
}
END_TEST

/* ---- blocks that wait ---- */

struct log_lines {
    unsigned warnings, errors, infos;
};

static void count_line(void *ctx, struct str line)
{
    struct log_lines *lines = ctx;
    lines->warnings += str_find(line, STR("level=warn")) < line.len;
    lines->errors += str_find(line, STR("level=error")) < line.len;
    lines->infos += str_find(line, STR("level=info")) < line.len;
}

static void open_logging_set(struct log_sink *sink, struct log_lines *lines)
{
    *lines = (struct log_lines){ 0 };
    sink->clock = &f.clock.clock;
    atomic_init(&sink->level, LOG_INFO);
    sink->ctx = lines;
    sink->write_line = count_line;
    clock_fake_advance_ms(&f.clock, 2000); /* past the limit of lines per second */
    block_set_destroy(set);
    set = NULL;
    ck_assert_int_eq(block_set_create(f.blobs, f.mem, sink, &set, NULL), ERR_OK);
}

static void retry_later(uint64_t *now_ns)
{
    *now_ns += 61000000000ull;
    (void)block_set_retry(set, *now_ns);
}

/* Each call that opening makes fails for good, for each reason that can pass. */
START_TEST(block_that_cannot_be_opened_for_now_waits_until_it_can)
{
    static const enum file_fault_kind kinds[] = { FAULT_EIO, FAULT_EMFILE };
    static const uint32_t OPENING = FAULT_BIT(FAULT_OPEN) | FAULT_BIT(FAULT_READ) |
                                    FAULT_BIT(FAULT_MMAP) | FAULT_BIT(FAULT_STAT);
    struct ulid a = add_block(0, NULL, 0), b = add_block(1, NULL, 0);
    uint64_t size = block_set_size_bytes(set);
    uint64_t points = 0;
    for (size_t k = 0; k < 2; k++) {
        for (uint64_t n = 1;; n++) {
            struct log_sink sink = { 0 };
            struct log_lines lines;
            uint64_t before = file_fault_fired(f.disk), now_ns = 1;
            file_fault_fail_op(f.disk, OPENING, n, kinds[k], FAULT_FOREVER);
            open_logging_set(&sink, &lines);
            if (file_fault_fired(f.disk) == before) break;
            points++;
            struct unserved_sum sum = block_set_unserved(set);
            ck_assert_uint_eq(sum.quarantined, 0);
            ck_assert_uint_ge(sum.waiting, 1);
            unsigned warnings = lines.warnings;
            ck_assert_uint_eq(warnings, sum.waiting);
            for (int i = 0; i < 5; i++)
                retry_later(&now_ns);
            ck_assert_uint_eq(lines.warnings, warnings); /* once, not every time */
            file_fault_clear(f.disk);
            retry_later(&now_ns);
            assert_served((struct ulid[]){ a, b }, 2);
            ck_assert_uint_eq(block_set_size_bytes(set), size);
            ck_assert_uint_eq(block_set_unserved(set).waiting, 0);
            ck_assert_uint_eq(lines.infos, warnings);
            ck_assert_uint_eq(lines.errors, 0);
        }
        file_fault_clear(f.disk);
    }
    ck_assert_uint_gt(points, 20);
    reopen_set(); /* the last sink goes */
}
END_TEST

START_TEST(a_single_failure_at_start_costs_nothing)
{
    struct ulid a = add_block(0, NULL, 0);
    file_fault_fail_op(f.disk, FAULT_BIT(FAULT_OPEN), 2, FAULT_EMFILE, FAULT_ONCE);
    reopen_set();
    assert_served(&a, 1);
}
END_TEST

START_TEST(attempts_become_rare)
{
    (void)add_block(0, NULL, 0);
    file_fault_fail_op(f.disk, FAULT_BIT(FAULT_MMAP), 1, FAULT_EIO, FAULT_FOREVER);
    reopen_set();
    size_t attempts = 0;
    for (uint64_t second = 10; second < 10 + 3600; second++)
        attempts += block_set_retry(set, second * 1000000000ull);
    ck_assert_uint_ge(attempts, 60);
    ck_assert_uint_le(attempts, 70);
    file_fault_clear(f.disk);
}
END_TEST

START_TEST(damaged_block_is_not_tried_again_and_reported_once)
{
    struct log_sink sink = { 0 };
    struct log_lines lines;
    struct ulid a = add_block(0, NULL, 0);
    flip(a, "tombstones");
    open_logging_set(&sink, &lines);
    ck_assert_int_eq(block_set_state(set, a), BLOCK_QUARANTINED);
    ck_assert_uint_eq(block_set_retry(set, UINT64_MAX), 0);
    ck_assert_int_eq(block_set_reload(set, NULL), ERR_OK);
    ck_assert_uint_eq(lines.errors, 1);
    ck_assert_uint_eq(lines.warnings, 0);
    reopen_set();
}
END_TEST

START_TEST(waiting_block_that_turns_out_damaged_goes_into_quarantine)
{
    struct log_sink sink = { 0 };
    struct log_lines lines;
    struct ulid a = add_block(0, NULL, 0);
    file_fault_fail_op(f.disk, FAULT_BIT(FAULT_MMAP), 1, FAULT_EIO, FAULT_FOREVER);
    open_logging_set(&sink, &lines);
    ck_assert_int_eq(block_set_state(set, a), BLOCK_WAITING);
    file_fault_clear(f.disk);
    flip(a, "tombstones");
    ck_assert_uint_eq(block_set_retry(set, 2000000000), 1);
    ck_assert_int_eq(block_set_state(set, a), BLOCK_QUARANTINED);
    ck_assert_uint_eq(lines.warnings, 1);
    ck_assert_uint_eq(lines.errors, 1);
    reopen_set();
}
END_TEST

START_TEST(parents_are_served_until_the_waiting_block_opens)
{
    struct ulid a = add_block(0, NULL, 0), b = add_block(1, NULL, 0), merged;
    ck_assert_int_eq(write_block(f.blobs, 0, (struct ulid[]){ a, b }, 2, &merged), ERR_OK);
    file_fault_fail_op(f.disk, FAULT_BIT(FAULT_MMAP), 1, FAULT_EIO, FAULT_FOREVER);
    ck_assert_int_eq(block_set_add(set, merged, NULL), ERR_IO);
    file_fault_clear(f.disk);
    ck_assert_int_eq(block_set_state(set, merged), BLOCK_WAITING);
    assert_served((struct ulid[]){ a, b }, 2);
    ck_assert_uint_eq(block_set_retry(set, 1), 1);
    assert_served(&merged, 1);
    ck_assert(!is_on_disk(a));
    ck_assert(!is_on_disk(b));
}
END_TEST

/* The oldest of three blocks waits; only when it opens can retention say that it must go. */
START_TEST(retention_counts_a_waiting_block_and_leaves_it)
{
    struct ulid ids[3];
    uint64_t dropped;
    for (int i = 0; i < 3; i++)
        ids[i] = add_block(i, NULL, 0);
    uint64_t each = block_set_size_bytes(set) / 3;
    file_fault_fail_op(f.disk, FAULT_BIT(FAULT_MMAP), 1, FAULT_EIO, FAULT_ONCE);
    file_fault_fail_op(f.disk, FAULT_BIT(FAULT_MMAP), 6, FAULT_EIO, FAULT_ONCE); /* once more */
    reopen_set();
    assert_served(ids + 1, 2);
    ck_assert_int_eq(block_set_state(set, ids[0]), BLOCK_WAITING);
    struct retention r = { .bytes_max = 3 * each + each / 2 };
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    ck_assert_uint_eq(dropped, 0);
    r.bytes_max = 2 * each + each / 2;
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    ck_assert_uint_eq(dropped, 1); /* three are there, not two */
    r = (struct retention){ .now_ms = INT64_MAX, .keep_ms = 1 };
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    assert_served(NULL, 0);
    ck_assert(is_on_disk(ids[0]));
    ck_assert_uint_eq(block_set_retry(set, 2000000000), 1);
    assert_served(ids, 1);
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    assert_served(NULL, 0);
    ck_assert(!is_on_disk(ids[0]));
}
END_TEST

/* ---- retention ---- */

START_TEST(retention_by_time_drops_what_is_wholly_older)
{
    struct ulid ids[4];
    uint64_t dropped;
    for (int i = 0; i < 4; i++)
        ids[i] = add_block(i, NULL, 0);
    struct retention r = { .now_ms = BLOCK_MINT + 4 * BLOCK_RANGE, .keep_ms = 2 * BLOCK_RANGE + 1 };
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    ck_assert_uint_eq(dropped, 1); /* the second ends one millisecond too late */
    assert_served(ids + 1, 3);
    r.keep_ms = 2 * BLOCK_RANGE;
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    ck_assert_uint_eq(dropped, 1);
    assert_served(ids + 2, 2);
    r = (struct retention){ .now_ms = INT64_MIN, .keep_ms = 1 };
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    ck_assert_uint_eq(dropped, 0);
    r = (struct retention){ .now_ms = INT64_MAX };
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    ck_assert_uint_eq(dropped, 0);
}
END_TEST

START_TEST(retention_by_size_drops_the_oldest_first)
{
    struct ulid ids[4];
    uint64_t dropped;
    for (int i = 3; i >= 0; i--)
        ids[i] = add_block(i, NULL, 0);
    uint64_t each = block_set_size_bytes(set) / 4;
    struct retention r = { .bytes_max = 2 * each + each / 2 };
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    ck_assert_uint_eq(dropped, 2);
    assert_served(ids + 2, 2);
    r.other_bytes = each; /* the journal grew */
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    ck_assert_uint_eq(dropped, 1);
    assert_served(ids + 3, 1);
    r.other_bytes = UINT64_MAX / 2;
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    ck_assert_uint_eq(dropped, 1);
    assert_served(NULL, 0);
}
END_TEST

START_TEST(retention_keeps_the_block_that_ends_last_when_told)
{
    struct ulid ids[3];
    uint64_t dropped;
    for (int i = 2; i >= 0; i--)
        ids[i] = add_block(i, NULL, 0);
    struct retention r = { .now_ms = INT64_MAX, .keep_ms = 1, .keeps_last = true };
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    ck_assert_uint_eq(dropped, 2);
    assert_served(ids + 2, 1);
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    ck_assert_uint_eq(dropped, 0);
    r.keeps_last = false;
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    assert_served(NULL, 0);
}
END_TEST

START_TEST(retention_works_on_a_full_disk)
{
    uint64_t dropped;
    (void)add_block(0, NULL, 0);
    struct ulid b = add_block(1, NULL, 0);
    file_fault_set_capacity(f.disk, file_fault_used(f.disk));
    struct retention r = { .now_ms = BLOCK_MINT + 2 * BLOCK_RANGE, .keep_ms = BLOCK_RANGE };
    ck_assert_int_eq(retention_apply(&r, set, &dropped, NULL), ERR_OK);
    ck_assert_uint_eq(dropped, 1);
    assert_served(&b, 1);
    reopen_set();
    assert_served(&b, 1);
}
END_TEST

/* ---- power loss and failing calls ---- */

/* What the scenario was told is done. */
struct acknowledged {
    struct ulid a, b, merged;
    bool has_a, has_b, has_merged, has_dropped;
};

/* Two blocks, merged into a third, which retention drops. */
static struct acknowledged scenario(struct blobs *blobs, struct block_set *s)
{
    struct acknowledged k = { 0 };
    uint64_t dropped = 0;
    if (write_block(blobs, 0, NULL, 0, &k.a) != ERR_OK || block_set_add(s, k.a, NULL) != ERR_OK)
        return k;
    k.has_a = true;
    if (write_block(blobs, 1, NULL, 0, &k.b) != ERR_OK || block_set_add(s, k.b, NULL) != ERR_OK)
        return k;
    k.has_b = true;
    struct ulid parents[] = { k.a, k.b };
    if (write_block(blobs, 0, parents, 2, &k.merged) != ERR_OK ||
        block_set_add(s, k.merged, NULL) != ERR_OK)
        return k;
    k.has_merged = true;
    struct retention r = { .now_ms = INT64_MAX, .keep_ms = 1 };
    k.has_dropped = retention_apply(&r, s, &dropped, NULL) == ERR_OK;
    return k;
}

static bool serves(struct block_set *s, struct ulid id)
{
    const struct block_list *l = block_set_get(s);
    bool found = false;
    for (size_t i = 0; i < l->len; i++)
        found |= ulid_eq(block_borrow_meta(l->ptr[i])->id, id);
    block_set_put(s, l);
    return found;
}

/* All served blocks are whole, nothing acknowledged is missing, nothing is served twice. */
static void assert_consistent(struct block_set *s, const struct acknowledged *k)
{
    struct block_damage *damages;
    size_t damage_count;
    struct err err = { 0 };
    const struct block_list *l = block_set_get(s);
    for (size_t i = 0; i < l->len; i++)
        assert_ok(block_verify(l->ptr[i], NULL, &err), &err);
    block_set_put(s, l);
    assert_ok(block_set_damages(s, &f.arena, &damages, &damage_count, &err), &err);
    ck_assert_uint_eq(damage_count, 0);
    bool a = serves(s, k->a), b = serves(s, k->b), merged = serves(s, k->merged);
    ck_assert(!merged || (!a && !b));
    if (k->has_a && !k->has_merged) ck_assert(a || merged);
    if (k->has_b && !k->has_merged) ck_assert(b || merged);
    if (k->has_dropped) ck_assert(!a && !b && !merged);
}

static struct blobs *open_store(struct file_fault *disk)
{
    struct blobs *b = NULL;
    struct err err = { 0 };
    assert_ok(blobs_dir_create(file_fault_layer(disk), mem_source_of(f.mem, MEM_SYSTEM), BLOCK_ROOT,
                               &b, &err),
              &err);
    return b;
}

/* Reopen an image; recovery itself is cut at `cut` (0: not). True when the cut was reached. */
static bool recover(struct file_fault *disk, const struct acknowledged *k, uint64_t cut)
{
    struct blobs *blobs = open_store(disk);
    struct block_set *s = NULL;
    file_fault_cut(disk, cut);
    enum err_code code = block_set_create(blobs, f.mem, NULL, &s, NULL);
    bool is_cut = file_fault_is_stopped(disk);
    if (!is_cut) {
        ck_assert_int_eq(code, ERR_OK);
        assert_consistent(s, k);
    }
    block_set_destroy(s);
    blobs_destroy(blobs);
    return is_cut;
}

START_TEST(power_loss_at_every_step_loses_nothing)
{
    uint64_t steps = 0;
    for (bool is_cut = true; is_cut; steps++) {
        struct file_fault *disk = file_fault_create(steps);
        struct blobs *blobs = open_store(disk);
        struct block_set *s = NULL;
        ck_assert_int_eq(block_set_create(blobs, f.mem, NULL, &s, NULL), ERR_OK);
        file_fault_cut(disk, steps + 1);
        struct acknowledged k = scenario(blobs, s);
        is_cut = file_fault_is_stopped(disk);
        block_set_destroy(s);
        blobs_destroy(blobs);
        for (uint64_t seed = 0; seed < 8; seed++) {
            struct file_fault *image = file_fault_reboot(disk, seed);
            (void)recover(image, &k, 0);
            file_fault_destroy(image);
        }
        /* and again during recovery */
        bool again = true;
        for (uint64_t cut = 1; again; cut++) {
            struct file_fault *image = file_fault_reboot(disk, 5);
            again = recover(image, &k, cut);
            struct file_fault *second = file_fault_reboot(image, cut);
            (void)recover(second, &k, 0);
            file_fault_destroy(second);
            file_fault_destroy(image);
        }
        file_fault_destroy(disk);
    }
    ck_assert_uint_gt(steps, 60);
}
END_TEST

START_TEST(every_failing_call_is_survived)
{
    static const enum file_fault_kind kinds[] = { FAULT_EIO, FAULT_ENOSPC, FAULT_SHORT };
    uint64_t fired = 1;
    for (uint64_t call = 1; fired > 0; call++) {
        struct file_fault *disk = file_fault_create(call);
        struct blobs *blobs = open_store(disk);
        struct block_set *s = NULL;
        ck_assert_int_eq(block_set_create(blobs, f.mem, NULL, &s, NULL), ERR_OK);
        file_fault_fail_op(disk, FAULT_ALL_OPS, call, kinds[call % 3], FAULT_ONCE);
        struct acknowledged k = scenario(blobs, s);
        fired = file_fault_fired(disk);
        file_fault_clear(disk);
        k.has_dropped = false; /* a block that could not be removed comes back at start */
        block_set_destroy(s);
        blobs_destroy(blobs);
        struct file_fault *again = file_fault_restart(disk);
        (void)recover(again, &k, 0);
        file_fault_destroy(again);
        ck_assert_uint_eq(file_fault_open_count(disk), 0);
        file_fault_destroy(disk);
    }
}
END_TEST

START_TEST(every_failing_allocation_is_survived)
{
    bool fired = true;
    for (uint64_t n = 1; fired; n++) {
        struct file_fault *disk = file_fault_create(n);
        struct blobs *blobs = open_store(disk);
        struct block_set *s = NULL;
        ck_assert_int_eq(block_set_create(blobs, f.mem, NULL, &s, NULL), ERR_OK);
        mem_test_fail_at(f.mem, n, MEM_FAIL_ONCE);
        struct acknowledged k = scenario(blobs, s);
        fired = mem_test_fired(f.mem);
        mem_test_fail_at(f.mem, 0, MEM_FAIL_OFF);
        block_set_destroy(s);
        blobs_destroy(blobs);
        (void)recover(disk, &k, 0);
        ck_assert_uint_eq(file_fault_open_count(disk), 0);
        file_fault_destroy(disk);
    }
}
END_TEST

/* ---- threads ---- */

struct reader_thread {
    struct thread thread;
    _Atomic bool *stop;
    uint64_t reads;
};

static void read_until_stopped(void *arg)
{
    struct reader_thread *t = arg;
    do {
        const struct block_list *l = block_set_get(set);
        for (size_t i = 0; i < l->len; i++) {
            struct block_reader *r = NULL;
            struct sample_buf got;
            sample_buf_init(&got, mem_source_of(f.mem, MEM_QUERY));
            ck_assert_int_eq(block_reader_create(l->ptr[i], f.mem, &r, NULL), ERR_OK);
            ck_assert_int_eq(block_reader_read(r, 2, EVERYTHING, &got, NULL), ERR_OK);
            ck_assert_uint_gt(got.cols.count, 0);
            t->reads++;
            block_reader_destroy(r);
            sample_buf_deinit(&got);
        }
        block_set_put(set, l);
    } while (!atomic_load_explicit(t->stop, memory_order_relaxed));
}

START_TEST(readers_run_beside_adding_and_removing)
{
    _Atomic bool stop = false;
    struct reader_thread threads[2] = { { .stop = &stop }, { .stop = &stop } };
    (void)add_block(0, NULL, 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            thread_start(&threads[i].thread, "reader", read_until_stopped, &threads[i], NULL),
            ERR_OK);
    for (int k = 1; k < 40; k++) {
        struct ulid id = add_block(k, NULL, 0);
        if (k % 3) ck_assert_int_eq(block_set_remove(set, id, NULL), ERR_OK);
    }
    atomic_store_explicit(&stop, true, memory_order_relaxed);
    for (int i = 0; i < 2; i++) {
        thread_join(&threads[i].thread);
        ck_assert_uint_gt(threads[i].reads, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block_set");
    TCase *tc = tcase_create("block_set");
    tcase_set_timeout(tc, 250);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, blocks_are_served_by_time_and_found_again);
    tcase_add_test(tc, empty_directory_gives_an_empty_list);
    tcase_add_test(tc, removed_block_stays_readable_for_who_has_it);
    tcase_add_test(tc, parents_leave_with_the_block_that_replaces_them);
    tcase_add_test(tc, parents_that_a_crash_left_go_at_start);
    tcase_add_test(tc, parents_stay_when_the_block_that_replaces_them_is_damaged);
    tcase_add_test(tc, staged_blocks_go_at_start);
    tcase_add_test(tc, damaged_block_is_set_aside_and_reported);
    tcase_add_test(tc, reader_can_put_a_block_into_quarantine);
    tcase_add_test(tc, block_that_cannot_be_opened_for_now_waits_until_it_can);
    tcase_add_test(tc, a_single_failure_at_start_costs_nothing);
    tcase_add_test(tc, attempts_become_rare);
    tcase_add_test(tc, damaged_block_is_not_tried_again_and_reported_once);
    tcase_add_test(tc, waiting_block_that_turns_out_damaged_goes_into_quarantine);
    tcase_add_test(tc, parents_are_served_until_the_waiting_block_opens);
    tcase_add_test(tc, retention_counts_a_waiting_block_and_leaves_it);
    tcase_add_test(tc, retention_by_time_drops_what_is_wholly_older);
    tcase_add_test(tc, retention_by_size_drops_the_oldest_first);
    tcase_add_test(tc, retention_keeps_the_block_that_ends_last_when_told);
    tcase_add_test(tc, retention_works_on_a_full_disk);
    tcase_add_test(tc, power_loss_at_every_step_loses_nothing);
    tcase_add_test(tc, every_failing_call_is_survived);
    tcase_add_test(tc, every_failing_allocation_is_survived);
    tcase_add_test(tc, readers_run_beside_adding_and_removing);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
