/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_sweep_rig.h"

#include <check.h>
#include <stdlib.h>

#include "journal/wal_stats.h"
#include "metrics/head/head_stats.h"

#define BUDGET_BYTES ((uint64_t)512 << 20)
#define DISK_BYTES_MAX ((uint64_t)1 << 20)

/* ---- what is written ---------------------------------------------------------------------- */

static bool is_living(uint32_t series, uint32_t tick)
{
    if (series < 11) return true;
    if (series == 11) return tick % 16 == 3;
    if (series == 13 && tick >= 70) return true; /* comes back */
    uint32_t first = 10 * (series - 12);
    return tick >= first && tick < first + 15;
}

static uint64_t value_bits(uint32_t series, uint32_t tick)
{
    switch (series % 5) {
    case 0: return bits_of_double(7);
    case 1: return bits_of_double((double)(tick * 10 + series));
    case 2:
        return 0x3ff0000000000000ull ^
               (((uint64_t)tick * 97 + series) * 0x9e3779b97f4a7c15ull >> 12);
    case 3: return bits_of_double((double)(tick % 7) * 0.1 + series);
    default: return tick % 11 == 10 ? STALE_NAN_BITS : bits_of_double(tick / 8);
    }
}

static int64_t time_of(uint32_t tick)
{
    return SWEEP_START_MS + (int64_t)tick * SWEEP_TICK_MS;
}

static void add_extras(struct sweep *r, uint32_t tick)
{
    struct batch *b = &r->maker.batch;
    if (tick % 8 != 0) return;
    b->metadata = arena_array(&r->maker.arena, struct metadata, 1);
    b->exemplars = arena_array(&r->maker.arena, struct batch_exemplar, 1);
    struct label *l = arena_array(&r->maker.arena, struct label, 1);
    ck_assert(b->metadata != NULL && b->exemplars != NULL && l != NULL);
    b->metadata[b->metadata_count++] =
        (struct metadata){ STR("m1"), STR("a counter"), STR(""), METRIC_COUNTER };
    *l = (struct label){ STR("trace_id"), STR("4bf92f3577b34da6") };
    struct exemplar e = {
        .labels = { l, 1 }, .value = tick, .ts_ms = time_of(tick), .has_ts = true
    };
    b->exemplars[b->exemplar_count++] = (struct batch_exemplar){ 1, e };
}

static void make_batch(struct sweep *r, uint32_t tick)
{
    batch_maker_begin(&r->maker);
    for (uint32_t s = 0; s < SWEEP_SERIES; s++) {
        char key[64];
        if (!is_living(s, tick)) continue;
        (void)snprintf(key, sizeof key, "__name__=m%u,job=sweep,s=%02u", s % 3, s);
        (void)batch_maker_series(&r->maker, key);
        batch_maker_sample(&r->maker, time_of(tick), value_bits(s, tick));
    }
    add_extras(r, tick);
}

static void raise_states(struct sweep *r, uint32_t tick, enum sweep_state state)
{
    for (uint32_t s = 0; s < SWEEP_SERIES; s++)
        if (is_living(s, tick) && r->model.state[s][tick] < state)
            r->model.state[s][tick] = (uint8_t)state;
}

/* ---- life --------------------------------------------------------------------------------- */

void sweep_init(struct sweep *r, struct file_fault *disk, enum journal_mode mode,
                const struct sweep_model *model)
{
    *r = (struct sweep){ .disk = disk != NULL ? disk : file_fault_create(1),
                         .mem = mem_budget_create(BUDGET_BYTES),
                         .mode = mode };
    ck_assert_ptr_nonnull(r->mem);
    if (model != NULL) r->model = *model;
    clock_fake_init(&r->clock, time_of(r->model.ticks), 1 + r->model.ticks);
    batch_maker_init(&r->maker, r->mem);
}

void sweep_deinit(struct sweep *r)
{
    (void)sweep_close(r);
    batch_maker_deinit(&r->maker);
    ck_assert_uint_eq(mem_live_count(r->mem), 0);
    for (int a = 0; a < MEM_ACCOUNT_COUNT; a++)
        ck_assert_uint_eq(mem_used(r->mem, (enum mem_account)a), 0);
    ck_assert_uint_eq(file_fault_open_count(r->disk), 0);
    mem_budget_destroy(r->mem);
    file_fault_destroy(r->disk);
    *r = (struct sweep){ 0 };
}

enum err_code sweep_open(struct sweep *r)
{
    struct metrics_options o = {
        .files = file_fault_layer(r->disk),
        .clock = &r->clock.clock,
        .mem = r->mem,
        .dir = "data/t/metrics",
        .durability = r->mode,
        .sync_interval_ms = 3600000,
        .retention_ms = SWEEP_KEEP_TICKS * SWEEP_TICK_MS,
        .block_range_ms = SWEEP_RANGE_TICKS * SWEEP_TICK_MS,
        .series_max = 1000,
        .exemplars_max = 16,
        .label_limits = LABEL_LIMITS_DEFAULT,
        .without_maintenance = true,
        .sizes = { .wal_segment_bytes = 16384,
                   .wal_ring_bytes = 8192,
                   .wal_preallocate_bytes = 4096,
                   .wal_retry_min_ns = 200000,
                   .head_file_bytes = 4096 },
    };
    r->err = (struct err){ 0 };
    return metrics_open(&o, NULL, NULL, &r->engine, &r->err);
}

enum err_code sweep_close(struct sweep *r)
{
    struct metrics *m = r->engine;
    r->engine = NULL;
    return metrics_close(m, &r->err);
}

static void use_disk(struct sweep *r, struct file_fault *disk)
{
    file_fault_destroy(r->disk);
    r->disk = disk;
}

void sweep_power_cycle(struct sweep *r, uint64_t seed)
{
    file_fault_stop(r->disk);
    (void)sweep_close(r);
    use_disk(r, file_fault_reboot(r->disk, seed));
}

void sweep_kill(struct sweep *r)
{
    struct file_fault *after = file_fault_restart(r->disk);
    file_fault_stop(r->disk);
    (void)sweep_close(r);
    use_disk(r, after);
}

/* ---- writing ------------------------------------------------------------------------------ */

struct waiting {
    struct journal_waiter waiter;
    struct mutex lock;
    struct cond cond;
    bool is_done;
    enum err_code rc;
};

static void on_durable(struct journal_waiter *w, enum err_code rc)
{
    struct waiting *x = (struct waiting *)(void *)w;
    MUTEX_SCOPE(&x->lock);
    x->is_done = true;
    x->rc = rc;
    cond_signal(&x->cond);
}

static enum err_code wait_durable(struct sweep *r, uint64_t position)
{
    struct waiting x = { .waiter = { .position = position, .fn = on_durable } };
    mutex_init(&x.lock);
    cond_init(&x.cond);
    metrics_notify(r->engine, &x.waiter);
    mutex_lock(&x.lock);
    while (!x.is_done)
        cond_wait(&x.cond, &x.lock);
    mutex_unlock(&x.lock);
    cond_deinit(&x.cond);
    mutex_deinit(&x.lock);
    return x.rc;
}

enum err_code sweep_send(struct sweep *r, uint32_t tick)
{
    struct append_result result;
    ck_assert_uint_lt(tick, SWEEP_TICKS);
    make_batch(r, tick);
    raise_states(r, tick, SWEEP_SUBMITTED);
    r->err = (struct err){ 0 };
    TRY(metrics_append(r->engine, &r->maker.batch, &result, &r->err));
    if (result.outcomes[BATCH_STORED] != r->maker.batch.sample_count) {
        ck_assert_msg(r->is_disturbed, "tick %u: refused: %s %s", tick, result.first.msg,
                      result.first.detail);
        return ERR_BUSY;
    }
    enum err_code rc = wait_durable(r, result.position);
    if (rc == ERR_OK)
        raise_states(r, tick, r->mode == JOURNAL_COMMIT ? SWEEP_DURABLE : SWEEP_ACKED);
    return rc;
}

enum err_code sweep_tick(struct sweep *r)
{
    uint32_t tick = r->model.ticks++;
    clock_fake_advance_ms(&r->clock, SWEEP_TICK_MS);
    return sweep_send(r, tick);
}

enum err_code sweep_sync(struct sweep *r)
{
    struct sweep_model acked = r->model;
    r->err = (struct err){ 0 };
    TRY(journal_sync(r->engine->journal, &r->err));
    for (uint32_t s = 0; s < SWEEP_SERIES; s++)
        for (uint32_t k = 0; k < acked.ticks; k++)
            if (acked.state[s][k] == SWEEP_ACKED) r->model.state[s][k] = SWEEP_DURABLE;
    return ERR_OK;
}

enum err_code sweep_maintain(struct sweep *r)
{
    int64_t limit =
        clock_wall_ms(&r->clock.clock) - SWEEP_KEEP_TICKS * SWEEP_TICK_MS - SWEEP_START_MS;
    int64_t tick = limit / SWEEP_TICK_MS;
    if (tick > r->model.kept_from)
        r->model.kept_from = (uint32_t)tick - (uint32_t)tick % SWEEP_RANGE_TICKS;
    r->err = (struct err){ 0 };
    return metrics_maintain(r->engine, &r->err);
}

bool sweep_wait_resumed(struct sweep *r)
{
    struct mutex lock;
    struct cond never;
    mutex_init(&lock);
    cond_init(&never);
    mutex_lock(&lock);
    int left = 100000;
    while (left > 0 && journal_is_poisoned(r->engine->journal) && !file_fault_is_stopped(r->disk)) {
        (void)cond_wait_ns(&never, &lock, 100000);
        left--;
    }
    mutex_unlock(&lock);
    cond_deinit(&never);
    mutex_deinit(&lock);
    return left > 0;
}

/* ck_assert_msg tells the runner each time that it has passed; too slow for every sample. */
#define REQUIRE(condition, ...)                                                                    \
    do {                                                                                           \
        if (!(condition)) ck_abort_msg(__VA_ARGS__);                                               \
    } while (0)

/* ---- reading ------------------------------------------------------------------------------ */

struct found {
    bool is_there[SWEEP_SERIES][SWEEP_TICKS];
    bool is_series[SWEEP_SERIES];
    uint64_t samples;
};

static void note_series(const struct sweep *r, struct labels labels, const struct sample_columns *c,
                        struct found *f, const char *where)
{
    struct str text = labels_get(labels, STR("s"));
    ck_assert_uint_eq(text.len, 2);
    uint32_t s = (uint32_t)(text.ptr[0] - '0') * 10 + (uint32_t)(text.ptr[1] - '0');
    ck_assert_uint_lt(s, SWEEP_SERIES);
    REQUIRE(!f->is_series[s], "%s: series %u twice", where, s);
    f->is_series[s] = true;
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < c->count; i++) {
        int64_t t = c->ts_ms[i];
        int64_t tick = (t - SWEEP_START_MS) / SWEEP_TICK_MS;
        REQUIRE(t > last, "%s: series %u: time does not ascend", where, s);
        REQUIRE(tick >= 0 && tick < SWEEP_TICKS && time_of((uint32_t)tick) == t &&
                    r->model.state[s][tick] != SWEEP_ABSENT,
                "%s: series %u: tick %lld was never submitted", where, s, (long long)tick);
        REQUIRE(bits_of_double(c->value[i]) == value_bits(s, (uint32_t)tick),
                "%s: series %u: tick %lld has another value", where, s, (long long)tick);
        f->is_there[s][tick] = true;
        f->samples++;
        last = t;
    }
}

static enum err_code read_set(struct sweep *r, struct series_set *set, struct found *f,
                              const char *where)
{
    struct series_reader *reader = NULL;
    struct arena arena;
    arena_init(&arena, mem_source_of(r->mem, MEM_QUERY), (size_t)16 << 20);
    enum err_code rc = set->ops->reader_create(set, r->mem, &reader, &r->err);
    for (size_t i = 0; rc == ERR_OK && i < set->ops->count(set); i++) {
        struct labels labels;
        struct sample_columns columns;
        rc = set->ops->labels(set, i, &arena, &labels, &r->err);
        if (rc == ERR_OK) rc = set->ops->read(reader, i, &columns, &r->err);
        if (rc == ERR_OK) note_series(r, labels, &columns, f, where);
    }
    if (reader != NULL) set->ops->reader_destroy(reader);
    arena_deinit(&arena);
    return rc;
}

static enum err_code find(struct sweep *r, struct found *f, const char *where)
{
    struct source source = metrics_source(r->engine);
    struct matcher matcher = { .type = MATCH_EQ, .name = STR("job"), .value = STR("sweep") };
    struct source_request req = { .matchers = { &matcher, 1 }, .mint_ms = 0, .maxt_ms = INT64_MAX };
    struct series_set *set = NULL;
    *f = (struct found){ 0 };
    r->err = (struct err){ 0 };
    TRY(source.ops->select(source.ctx, &req, r->mem, &set, &r->err));
    enum err_code rc = read_set(r, set, f, where);
    set->ops->destroy(set);
    return rc;
}

enum err_code sweep_query(struct sweep *r, enum sweep_state needed, const char *where,
                          uint64_t *out_found)
{
    struct found f;
    TRY(find(r, &f, where));
    for (uint32_t s = 0; s < SWEEP_SERIES; s++)
        for (uint32_t k = r->model.kept_from; k < r->model.ticks; k++)
            REQUIRE(f.is_there[s][k] || r->model.state[s][k] < needed,
                    "%s: series %u: tick %u of %u is lost (kept from %u)", where, s, k,
                    r->model.ticks, r->model.kept_from);
    REQUIRE(file_fault_used(r->disk) < DISK_BYTES_MAX, "%s: %llu bytes on disk", where,
            (unsigned long long)file_fault_used(r->disk));
    *out_found = f.samples;
    return ERR_OK;
}

uint64_t sweep_check(struct sweep *r, enum sweep_state needed, const char *where)
{
    uint64_t found = 0;
    enum err_code rc = sweep_query(r, needed, where, &found);
    ck_assert_msg(rc == ERR_OK, "%s: query: %s %s", where, r->err.msg, r->err.detail);
    return found;
}

void sweep_check_sound(struct sweep *r, const char *where)
{
    const struct wal_stats *wal = journal_stats(r->engine->journal).cells;
    const struct head_stats *head = head_stats(r->engine->head).cells;
    struct block_damage *damages = NULL;
    size_t count = 0;
    struct arena arena;
    arena_init(&arena, mem_source_of(r->mem, MEM_QUERY), (size_t)1 << 20);
    ck_assert_int_eq(block_set_damages(r->engine->blocks, &arena, &damages, &count, &r->err),
                     ERR_OK);
    ck_assert_msg(count == 0, "%s: damaged block: %s %s", where, damages[0].err.msg,
                  damages[0].err.detail);
    arena_deinit(&arena);
    ck_assert_msg(stat_get(&wal->corruptions) == 0, "%s: damage in the journal", where);
    ck_assert_msg(stat_get(&head->replay_damaged_records) == 0, "%s: damaged records", where);
    ck_assert_msg(stat_get(&head->replay_dropped) == 0, "%s: dropped samples", where);
    ck_assert_msg(stat_get(&head->replay_unknown) == 0, "%s: samples of unknown series", where);
    ck_assert_msg(stat_get(&head->head_chunks_missing) == 0, "%s: missing chunks", where);
}

void sweep_adopt(struct sweep *r)
{
    struct found f;
    ck_assert_int_eq(find(r, &f, "adopt"), ERR_OK);
    for (uint32_t s = 0; s < SWEEP_SERIES; s++)
        for (uint32_t k = 0; k < SWEEP_TICKS; k++)
            r->model.state[s][k] = f.is_there[s][k] ? SWEEP_DURABLE : SWEEP_ABSENT;
}

void sweep_check_writable(struct sweep *r, const char *where)
{
    for (int i = 0; i < 2; i++) {
        enum err_code rc = sweep_tick(r);
        ck_assert_msg(rc == ERR_OK, "%s: append: %s %s", where, r->err.msg, r->err.detail);
    }
    enum err_code rc = sweep_close(r);
    ck_assert_msg(rc == ERR_OK, "%s: close: %s %s", where, r->err.msg, r->err.detail);
    rc = sweep_open(r);
    ck_assert_msg(rc == ERR_OK, "%s: second start: %s %s", where, r->err.msg, r->err.detail);
    (void)sweep_check(r, SWEEP_ACKED, where);
}

void sweep_write_on(struct sweep *r)
{
    uint64_t position = 0;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(journal_roll(r->engine->journal, &position, &r->err), ERR_OK);
        ck_assert_int_eq(sweep_tick(r), ERR_OK);
        ck_assert_int_eq(sweep_sync(r), ERR_OK);
    }
    ck_assert_int_eq(head_checkpoint(r->engine->head, 1, &r->err), ERR_OK);
    ck_assert_int_eq(sweep_maintain(r), ERR_OK);
}

/* ---- the story ---------------------------------------------------------------------------- */

/* Whatever fails does so because the disk has stopped, or because of a planned fault. */
static bool goes_on(struct sweep *r, const char *what, enum err_code rc)
{
    if (file_fault_is_stopped(r->disk)) return false;
    ck_assert_msg(rc == ERR_OK || r->is_disturbed, "%s: %s %s", what, r->err.msg, r->err.detail);
    return true;
}

static enum err_code reopen(struct sweep *r)
{
    TRY(sweep_close(r));
    for (uint32_t s = 0; s < SWEEP_SERIES; s++)
        for (uint32_t k = 0; k < r->model.ticks; k++)
            if (r->model.state[s][k] == SWEEP_ACKED) r->model.state[s][k] = SWEEP_DURABLE;
    return sweep_open(r);
}

enum err_code sweep_event(struct sweep *r, uint32_t tick)
{
    uint64_t position = 0;
    r->err = (struct err){ 0 };
    switch (tick) {
    case 14: return journal_roll(r->engine->journal, &position, &r->err);
    case 22: return head_flush_chunks(r->engine->head, &r->err);
    case 36: return journal_roll(r->engine->journal, &position, &r->err);
    case 38: return head_checkpoint(r->engine->head, 0, &r->err);
    case 46: return head_flush_chunks(r->engine->head, &r->err);
    case 49: return metrics_cut_head(r->engine, time_of(40), &r->err);
    case 58: return reopen(r);
    case 64: return head_flush_chunks(r->engine->head, &r->err);
    case 66: return journal_roll(r->engine->journal, &position, &r->err);
    case 74: return journal_roll(r->engine->journal, &position, &r->err);
    case 82: return head_checkpoint(r->engine->head, 0, &r->err);
    default: return tick % 6 == 5 ? sweep_maintain(r) : ERR_OK;
    }
}

bool sweep_story(struct sweep *r)
{
    while (r->model.ticks < SWEEP_STORY_TICKS) {
        uint32_t tick = r->model.ticks;
        if (!goes_on(r, "append", sweep_tick(r))) return false;
        if (tick % 4 == 3 && r->mode != JOURNAL_COMMIT && !goes_on(r, "sync", sweep_sync(r)))
            return false;
        if (!goes_on(r, "event", sweep_event(r, tick))) return false;
        if (r->engine == NULL) return false;
    }
    return true;
}
