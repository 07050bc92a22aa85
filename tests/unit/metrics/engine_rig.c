/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_rig.h"

#include <check.h>

#define REGEX_MAX 4096
static struct regex *compiled[REGEX_MAX]; /* one process per test */
static size_t compiled_count;

static enum err_code try_open(struct engine_rig *r, struct err *err)
{
    struct metrics_options o = { .files = file_fault_layer(r->disk),
                                 .clock = &r->clock.clock,
                                 .mem = r->mem,
                                 .dir = "data/anonymous/metrics",
                                 .durability = JOURNAL_OFF,
                                 .exemplars_max = 100,
                                 .label_limits = LABEL_LIMITS_DEFAULT,
                                 .without_maintenance = true };
    return metrics_open(&o, NULL, NULL, &r->engine, err);
}

void engine_rig_open(struct engine_rig *r)
{
    struct err err = { 0 };
    enum err_code rc = try_open(r, &err);
    ck_assert_msg(rc == ERR_OK, "open: %s %s", err.msg, err.detail);
}

static void close_engine(struct engine_rig *r)
{
    struct err err = { 0 };
    enum err_code rc = metrics_close(r->engine, &err);
    ck_assert_msg(rc == ERR_OK, "close: %s %s", err.msg, err.detail);
    r->engine = NULL;
}

void engine_rig_setup(struct engine_rig *r, uint64_t seed)
{
    memset(r, 0, sizeof *r);
    r->mem = mem_budget_create((uint64_t)2 << 30);
    r->disk = file_fault_create(seed);
    r->now_ms = ENGINE_START_MS;
    clock_fake_init(&r->clock, r->now_ms, seed);
    rng_init(&r->rng, seed);
    batch_maker_init(&r->maker, r->mem);
    arena_init(&r->arena, mem_source_of(r->mem, MEM_QUERY), (size_t)512 << 20);
    r->model = mem_zalloc(r->mem, MEM_SYSTEM, MODEL_SERIES_MAX * sizeof *r->model);
    ck_assert_ptr_nonnull(r->model);
    engine_rig_open(r);
}

void engine_rig_teardown(struct engine_rig *r)
{
    close_engine(r);
    for (size_t i = 0; i < compiled_count; i++)
        regex_unref(compiled[i]);
    compiled_count = 0;
    mem_free(r->mem, MEM_SYSTEM, r->model, MODEL_SERIES_MAX * sizeof *r->model);
    arena_deinit(&r->arena);
    batch_maker_deinit(&r->maker);
    file_fault_destroy(r->disk);
    ck_assert_uint_eq(mem_live_count(r->mem), 0);
    for (int a = 0; a < MEM_ACCOUNT_COUNT; a++)
        ck_assert_uint_eq(mem_used(r->mem, (enum mem_account)a), 0);
    mem_budget_destroy(r->mem);
}

void engine_rig_reopen(struct engine_rig *r)
{
    close_engine(r);
    engine_rig_open(r);
}

bool engine_rig_try_reopen(struct engine_rig *r)
{
    struct err ignored = { 0 };
    close_engine(r);
    return try_open(r, &ignored) == ERR_OK;
}

void engine_rig_reboot(struct engine_rig *r, uint64_t image_seed)
{
    struct err ignored = { 0 };
    struct file_fault *image = file_fault_reboot(r->disk, image_seed);
    file_fault_stop(r->disk); /* closing changes nothing any more */
    enum err_code rc = metrics_close(r->engine, &ignored);
    (void)rc;
    file_fault_destroy(r->disk);
    r->disk = image;
    engine_rig_open(r);
}

/* ---- model ---- */

static struct labels parse_key(struct engine_rig *r, const char *key)
{
    struct labels_builder b;
    struct labels out;
    struct err err = { 0 };
    const struct label_limits limits = LABEL_LIMITS_DEFAULT;
    struct str rest = arena_str(&r->arena, str_of_z(key));
    struct str pair;
    labels_builder_init(&b, &r->arena);
    while (str_split(&rest, ',', &pair)) {
        size_t at = str_index(pair, '=');
        labels_builder_add(&b, str_sub(pair, 0, at), str_sub(pair, at + 1, pair.len));
    }
    ck_assert_int_eq(labels_builder_finish(&b, &limits, &out, &err), ERR_OK);
    return out;
}

struct model_series *engine_rig_series(struct engine_rig *r, const char *key)
{
    for (size_t i = 0; i < r->model_count; i++)
        if (strcmp(r->model[i].key, key) == 0) return &r->model[i];
    ck_assert_uint_lt(r->model_count, MODEL_SERIES_MAX);
    struct model_series *s = &r->model[r->model_count++];
    (void)snprintf(s->key, sizeof s->key, "%s", key);
    s->labels = parse_key(r, key);
    return s;
}

void engine_rig_sample(struct engine_rig *r, struct model_series *s, double v)
{
    batch_maker_one(&r->maker, s->key, r->now_ms, v);
    ck_assert_uint_lt(s->count, MODEL_SAMPLES_MAX);
    s->samples[s->count++] = (struct sample){ r->now_ms, v };
}

void engine_rig_commit(struct engine_rig *r)
{
    struct append_result result;
    struct err err = { 0 };
    enum err_code rc = metrics_append(r->engine, &r->maker.batch, &result, &err);
    ck_assert_msg(rc == ERR_OK, "append: %s", err.msg);
    ck_assert_uint_eq(result.outcomes[BATCH_STORED], r->maker.batch.sample_count);
}

void engine_rig_advance(struct engine_rig *r, int64_t ms)
{
    r->now_ms += ms;
    clock_fake_advance_ms(&r->clock, ms);
}

void engine_rig_cut_to(struct engine_rig *r, int64_t end_ms)
{
    struct err err = { 0 };
    enum err_code rc = metrics_cut_head(r->engine, end_ms, &err);
    ck_assert_msg(rc == ERR_OK, "cut: %s %s", err.msg, err.detail);
    for (int i = 0; i < 10; i++) {
        bool is_done;
        rc = head_truncate(r->engine->head, &is_done, &err);
        ck_assert_msg(rc == ERR_OK, "truncate: %s", err.msg);
        if (is_done) break;
    }
}

void engine_rig_cut(struct engine_rig *r)
{
    engine_rig_cut_to(r, r->now_ms - r->now_ms % ENGINE_RANGE_MS);
}

struct matcher engine_rig_matcher(struct engine_rig *r, enum match_type type, const char *name,
                                  const char *value)
{
    struct matcher m = { type, str_of_z(name), str_of_z(value), NULL };
    struct err err = { 0 };
    if (type == MATCH_EQ || type == MATCH_NE) return m;
    ck_assert_uint_lt(compiled_count, REGEX_MAX);
    ck_assert_int_eq(regex_compile(r->mem, m.value, REGEX_FULL, &m.re, &err), ERR_OK);
    compiled[compiled_count++] = m.re;
    return m;
}

/* ---- comparing ---- */

struct series_set *engine_rig_select(struct engine_rig *r, const struct source_request *req)
{
    struct source source = metrics_source(r->engine);
    struct series_set *set = NULL;
    struct err err = { 0 };
    enum err_code rc = source.ops->select(source.ctx, req, r->mem, &set, &err);
    ck_assert_msg(rc == ERR_OK, "select: %s %s", err.msg, err.detail);
    return set;
}

static struct model_series *find_model(struct engine_rig *r, struct labels l)
{
    for (size_t i = 0; i < r->model_count; i++)
        if (labels_eq(r->model[i].labels, l)) return &r->model[i];
    return NULL;
}

/* Samples of the model in the range, as the request wants them; returns their number. */
static size_t expected_of(const struct model_series *s, const struct source_request *req,
                          const struct sample **out)
{
    size_t from = 0;
    while (from < s->count && s->samples[from].ts_ms < req->mint_ms)
        from++;
    size_t to = from;
    while (to < s->count && s->samples[to].ts_ms <= req->maxt_ms)
        to++;
    if (req->only_newest && to > from) from = to - 1;
    *out = s->samples + from;
    return to - from;
}

/* Few assertions: each costs a system call. */
static void check_series(const struct model_series *s, const struct source_request *req,
                         const struct sample_columns *got)
{
    const struct sample *want;
    size_t count = expected_of(s, req, &want);
    ck_assert_msg(got->count == count, "%s: %zu samples, expected %zu", s->key, got->count, count);
    size_t i = 0;
    while (i < count && got->ts_ms[i] == want[i].ts_ms &&
           bits_of_double(got->value[i]) == bits_of_double(want[i].value))
        i++;
    ck_assert_msg(i == count, "%s: sample %zu of %zu at %lld is %g at %lld", s->key, i, count,
                  (long long)want[i].ts_ms, got->value[i], (long long)got->ts_ms[i]);
}

void engine_rig_check(struct engine_rig *r, const struct source_request *req)
{
    static uint8_t seen[MODEL_SERIES_MAX];
    struct series_set *set = engine_rig_select(r, req);
    struct series_reader *reader;
    struct arena arena;
    struct err err = { 0 };
    memset(seen, 0, sizeof seen);
    arena_init(&arena, mem_source_of(r->mem, MEM_QUERY), (size_t)64 << 20);
    ck_assert_int_eq(set->ops->reader_create(set, r->mem, &reader, &err), ERR_OK);
    for (size_t i = 0; i < set->ops->count(set); i++) {
        struct labels labels;
        struct sample_columns columns;
        ck_assert_int_eq(set->ops->labels(set, i, &arena, &labels, &err), ERR_OK);
        struct model_series *s = find_model(r, labels);
        ck_assert_ptr_nonnull(s);
        ck_assert_msg(matchers_match(req->matchers, labels), "%s does not match", s->key);
        ck_assert_msg(!seen[s - r->model], "%s twice", s->key);
        seen[s - r->model] = 1;
        enum err_code rc = set->ops->read(reader, i, &columns, &err);
        ck_assert_msg(rc == ERR_OK, "read: %s %s", err.msg, err.detail);
        check_series(s, req, &columns);
        arena_reset(&arena);
    }
    for (size_t i = 0; i < r->model_count; i++) {
        const struct sample *ignored;
        const struct model_series *s = &r->model[i];
        if (seen[i] || expected_of(s, req, &ignored) == 0) continue;
        ck_assert_msg(!matchers_match(req->matchers, s->labels), "%s is missing", s->key);
    }
    set->ops->reader_destroy(reader);
    set->ops->destroy(set);
    arena_deinit(&arena);
}
