/* SPDX-License-Identifier: Apache-2.0
 *
 * The query side over head and blocks: names, values, group keys, limits, cancellation, damage, memory
 * that runs out.
 */
#include <check.h>

#include "engine_rig.h"
#include "metrics/select/select_priv.h"

#define TARGETS 6
#define SCRAPES 30

/* Three series per target, two blocks and a head. Target 0 stops in the first block, target 1 begins
 * in the head, the others are everywhere. */
static void fill(struct engine_rig *r)
{
    for (int k = 0; k < 3 * SCRAPES; k++) {
        batch_maker_begin(&r->maker);
        for (int t = 0; t < TARGETS; t++) {
            if (t == 0 && k >= SCRAPES) continue;
            if (t == 1 && k < 2 * SCRAPES) continue;
            for (int s = 0; s < 3; s++) {
                char key[128];
                (void)snprintf(key, sizeof key, "__name__=metric_%d,job=job%d,instance=i%d%s", s,
                               t % 2, t, s == 2 ? ",extra=e" : "");
                engine_rig_sample(r, engine_rig_series(r, key), k * 10 + t);
            }
        }
        engine_rig_commit(r);
        engine_rig_advance(r, ENGINE_RANGE_MS / SCRAPES);
    }
    engine_rig_cut_to(r, ENGINE_START_MS + 2 * ENGINE_RANGE_MS);
}

static struct source_request everything(const struct matcher *m, size_t n,
                                        const struct engine_rig *r)
{
    return (struct source_request){ .matchers = { m, n },
                                    .mint_ms = ENGINE_START_MS,
                                    .maxt_ms = r->now_ms };
}

/* ---- names and values ---- */

/* Sorted, unique. */
static size_t add_text(struct str *list, size_t count, struct str text)
{
    size_t at = 0;
    while (at < count && str_cmp(list[at], text) < 0)
        at++;
    if (at < count && str_eq(list[at], text)) return count;
    memmove(list + at + 1, list + at, (count - at) * sizeof *list);
    list[at] = text;
    return count + 1;
}

/* What the model has; `name` NULL: the names. */
static size_t expected_texts(struct engine_rig *r, const char *name, struct matchers matchers,
                             struct str *out)
{
    size_t count = 0;
    for (size_t i = 0; i < r->model_count; i++) {
        struct labels l = r->model[i].labels;
        if (!matchers_match(matchers, l)) continue;
        for (size_t k = 0; k < l.len; k++) {
            if (name == NULL) count = add_text(out, count, l.ptr[k].name);
            if (name != NULL && str_eq(l.ptr[k].name, str_of_z(name)))
                count = add_text(out, count, l.ptr[k].value);
        }
    }
    return count;
}

static void check_texts(struct engine_rig *r, const char *name, struct matchers matchers,
                        size_t limit)
{
    struct str want[64];
    struct str_list got;
    struct err err = { 0 };
    struct source source = metrics_source(r->engine);
    struct label_query q = { matchers, ENGINE_START_MS, r->now_ms, limit, NULL };
    size_t count = expected_texts(r, name, matchers, want);
    bool is_truncated = limit > 0 && limit < count;
    if (is_truncated) count = limit;
    enum err_code rc = name == NULL ? source.ops->label_names(source.ctx, &q, &r->arena, &got, &err)
                                    : source.ops->label_values(source.ctx, str_of_z(name), &q,
                                                               &r->arena, &got, &err);
    ck_assert_msg(rc == ERR_OK, "%s %s", err.msg, err.detail);
    ck_assert_uint_eq(got.len, count);
    ck_assert_int_eq(got.is_truncated, is_truncated);
    for (size_t i = 0; i < count; i++)
        ck_assert(str_eq(got.ptr[i], want[i]));
}

START_TEST(names_and_values_are_those_of_matching_series)
{
    struct engine_rig r;
    static const char *const names[] = { NULL, "__name__", "job", "instance", "extra", "unknown" };
    engine_rig_setup(&r, 1);
    fill(&r);
    struct matcher m[] = { engine_rig_matcher(&r, MATCH_EQ, "__name__", "metric_1"),
                           engine_rig_matcher(&r, MATCH_NE, "job", "job1"),
                           engine_rig_matcher(&r, MATCH_RE, "instance", "i[0-3]"),
                           engine_rig_matcher(&r, MATCH_EQ, "job", "none") };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        check_texts(&r, names[i], (struct matchers){ NULL, 0 }, 0);
        for (size_t k = 0; k < 4; k++)
            check_texts(&r, names[i], (struct matchers){ m + k, 1 }, 0);
        check_texts(&r, names[i], (struct matchers){ m, 2 }, 0);
        check_texts(&r, names[i], (struct matchers){ m + 1, 2 }, 0);
        for (size_t limit = 1; limit < 8; limit++) {
            check_texts(&r, names[i], (struct matchers){ NULL, 0 }, limit);
            check_texts(&r, names[i], (struct matchers){ m, 1 }, limit);
        }
    }
    engine_rig_teardown(&r);
}
END_TEST

/* More values than candidates, and fewer: both ways to list them. */
START_TEST(values_of_few_series_among_many_are_listed)
{
    struct engine_rig r;
    struct err err = { 0 };
    struct str_list got;
    engine_rig_setup(&r, 1);
    batch_maker_begin(&r.maker);
    for (int i = 0; i < 60; i++) {
        char key[64];
        (void)snprintf(key, sizeof key, "__name__=m%d,v=%d", i % 20, (i * 37) % 60 + 10);
        engine_rig_sample(&r, engine_rig_series(&r, key), 1);
    }
    engine_rig_commit(&r);
    struct source source = metrics_source(r.engine);
    struct matcher m[] = { engine_rig_matcher(&r, MATCH_RE, "__name__", "m1.*"),
                           engine_rig_matcher(&r, MATCH_EQ, "__name__", "m7") };
    for (size_t k = 0; k < 2; k++) {
        for (size_t limit = 0; limit < 40; limit += 3) {
            struct str want[64];
            struct label_query q = { { m + k, 1 }, ENGINE_START_MS, r.now_ms, limit, NULL };
            size_t count = expected_texts(&r, "v", q.matchers, want);
            ck_assert_int_eq(
                source.ops->label_values(source.ctx, STR("v"), &q, &r.arena, &got, &err), ERR_OK);
            bool is_truncated = limit > 0 && limit < count;
            if (is_truncated) count = limit;
            ck_assert_uint_eq(got.len, count);
            ck_assert_int_eq(got.is_truncated, is_truncated);
            for (size_t i = 0; i < count; i++)
                ck_assert(str_eq(got.ptr[i], want[i]));
        }
    }
    engine_rig_teardown(&r);
}
END_TEST

START_TEST(values_outside_of_the_time_range_are_left_out)
{
    struct engine_rig r;
    struct str_list got;
    struct err err = { 0 };
    engine_rig_setup(&r, 1);
    fill(&r);
    struct source source = metrics_source(r.engine);
    struct label_query q = { .mint_ms = ENGINE_START_MS, .maxt_ms = ENGINE_START_MS + 1000 };
    ck_assert_int_eq(
        source.ops->label_values(source.ctx, STR("instance"), &q, &r.arena, &got, &err), ERR_OK);
    ck_assert_uint_eq(got.len, TARGETS - 1); /* i1 came later */
    q = (struct label_query){ .mint_ms = ENGINE_START_MS - 2000,
                              .maxt_ms = ENGINE_START_MS - 1000 };
    ck_assert_int_eq(
        source.ops->label_values(source.ctx, STR("instance"), &q, &r.arena, &got, &err), ERR_OK);
    ck_assert_uint_eq(got.len, 0);
    engine_rig_teardown(&r);
}
END_TEST

/* ---- group keys ---- */

static bool is_kept(const struct label_grouping *g, struct str name)
{
    if (g->is_without && str_eq(name, LABEL_METRIC_NAME)) return false;
    for (size_t i = 0; i < g->count; i++)
        if (str_eq(g->names[i], name)) return !g->is_without;
    return g->is_without;
}

static struct hash128 expected_key(struct labels l, const struct label_grouping *g)
{
    struct label kept[16];
    size_t n = 0;
    for (size_t i = 0; i < l.len; i++)
        if (is_kept(g, l.ptr[i].name)) kept[n++] = l.ptr[i];
    return labels_hash128((struct labels){ kept, n }, 0);
}

static void check_keys(struct engine_rig *r, const struct series_set *set,
                       const struct label_grouping *g)
{
    struct hash128 keys[64];
    struct err err = { 0 };
    size_t count = set->ops->count(set);
    ck_assert_uint_le(count, 64);
    for (size_t first = 0; first < count; first += 5) {
        size_t n = count - first < 5 ? count - first : 5;
        ck_assert_int_eq(set->ops->group_hashes(set, first, n, g, keys, &err), ERR_OK);
        for (size_t i = 0; i < n; i++) {
            struct labels l;
            ck_assert_int_eq(set->ops->labels(set, first + i, &r->arena, &l, &err), ERR_OK);
            ck_assert(hash128_eq(keys[i], expected_key(l, g)));
        }
    }
}

START_TEST(group_keys_are_hashes_of_the_kept_labels)
{
    struct engine_rig r;
    engine_rig_setup(&r, 1);
    fill(&r);
    struct str names[] = { STR("__name__"), STR("extra"), STR("instance"), STR("job") };
    struct matcher any = engine_rig_matcher(&r, MATCH_RE, "job", ".+");
    struct source_request req = everything(&any, 1, &r);
    struct series_set *set = engine_rig_select(&r, &req);
    ck_assert_uint_eq(set->ops->count(set), 3 * TARGETS);
    for (size_t from = 0; from < 4; from++) {
        for (size_t n = 0; from + n <= 4; n++) {
            struct label_grouping g = { names + from, n, false };
            check_keys(&r, set, &g);
            g.is_without = true;
            check_keys(&r, set, &g);
        }
    }
    set->ops->destroy(set);
    engine_rig_teardown(&r);
}
END_TEST

/* ---- selects ---- */

START_TEST(series_of_blocks_and_head_are_one)
{
    struct engine_rig r;
    engine_rig_setup(&r, 1);
    fill(&r);
    struct matcher any = engine_rig_matcher(&r, MATCH_RE, "job", ".+");
    for (int64_t from = 0; from < 7; from++) {
        for (int64_t to = from; to < 7; to++) {
            struct source_request req = everything(&any, 1, &r);
            req.mint_ms = ENGINE_START_MS + from * ENGINE_RANGE_MS / 2;
            req.maxt_ms = ENGINE_START_MS + to * ENGINE_RANGE_MS / 2 + 12345;
            engine_rig_check(&r, &req);
            req.only_newest = true;
            engine_rig_check(&r, &req);
        }
    }
    engine_rig_teardown(&r);
}
END_TEST

static size_t series_with_samples(const struct engine_rig *r, int64_t mint, int64_t maxt)
{
    size_t n = 0;
    for (size_t i = 0; i < r->model_count; i++) {
        bool has = false;
        for (size_t k = 0; k < r->model[i].count; k++) {
            int64_t t = r->model[i].samples[k].ts_ms;
            has |= t >= mint && t <= maxt;
        }
        n += has;
    }
    return n;
}

/* Targets 0 and 1 are not everywhere; the range cuts blocks and the head, and is as long as the time
 * between two samples, since chunks know no gaps. */
START_TEST(only_series_with_samples_in_the_range)
{
    struct engine_rig r;
    engine_rig_setup(&r, 1);
    fill(&r);
    struct matcher any = engine_rig_matcher(&r, MATCH_RE, "job", ".+");
    size_t fewer = 0;
    for (int64_t from = 0; from < 12; from++) {
        for (int64_t to = from; to < 12; to++) {
            struct source_request req = everything(&any, 1, &r);
            req.only_in_range = true;
            req.mint_ms = ENGINE_START_MS + from * ENGINE_RANGE_MS / 4;
            req.maxt_ms = ENGINE_START_MS + to * ENGINE_RANGE_MS / 4 + ENGINE_RANGE_MS / SCRAPES;
            struct series_set *set = engine_rig_select(&r, &req);
            size_t want = series_with_samples(&r, req.mint_ms, req.maxt_ms);
            ck_assert_msg(set->ops->count(set) == want, "[%d, %d]: %zu series, want %zu", (int)from,
                          (int)to, set->ops->count(set), want);
            fewer += want < r.model_count;
            set->ops->destroy(set);
            engine_rig_check(&r, &req);
        }
    }
    ck_assert_uint_gt(fewer, 10);
    engine_rig_teardown(&r);
}
END_TEST

START_TEST(order_is_the_same_each_time)
{
    struct engine_rig r;
    struct err err = { 0 };
    engine_rig_setup(&r, 1);
    fill(&r);
    struct matcher any = engine_rig_matcher(&r, MATCH_RE, "job", ".+");
    struct source_request req = everything(&any, 1, &r);
    struct series_set *a = engine_rig_select(&r, &req);
    struct series_set *b = engine_rig_select(&r, &req);
    ck_assert_uint_eq(a->ops->count(a), b->ops->count(b));
    for (size_t i = 0; i < a->ops->count(a); i++) {
        struct labels x;
        struct labels y;
        ck_assert_int_eq(a->ops->labels(a, i, &r.arena, &x, &err), ERR_OK);
        ck_assert_int_eq(b->ops->labels(b, i, &r.arena, &y, &err), ERR_OK);
        ck_assert(labels_eq(x, y));
    }
    a->ops->destroy(a);
    b->ops->destroy(b);
    engine_rig_teardown(&r);
}
END_TEST

START_TEST(series_that_ended_before_the_range_are_not_in_the_set)
{
    struct engine_rig r;
    engine_rig_setup(&r, 1);
    fill(&r);
    struct matcher any = engine_rig_matcher(&r, MATCH_RE, "job", ".+");
    struct source_request req = everything(&any, 1, &r);
    req.mint_ms = r.now_ms - ENGINE_RANGE_MS / SCRAPES;
    struct series_set *set = engine_rig_select(&r, &req);
    ck_assert_uint_eq(set->ops->count(set), 3 * (TARGETS - 1)); /* i0 is gone */
    set->ops->destroy(set);
    engine_rig_teardown(&r);
}
END_TEST

START_TEST(too_many_series_are_refused)
{
    struct engine_rig r;
    struct err err = { 0 };
    struct series_set *set = NULL;
    engine_rig_setup(&r, 1);
    fill(&r);
    struct source source = metrics_source(r.engine);
    struct matcher any = engine_rig_matcher(&r, MATCH_RE, "job", ".+");
    struct source_request req = everything(&any, 1, &r);
    req.series_max = 3 * TARGETS;
    set = engine_rig_select(&r, &req);
    set->ops->destroy(set);
    req.series_max--;
    ck_assert_int_eq(source.ops->select(source.ctx, &req, r.mem, &set, &err), ERR_LIMIT);
    req.mint_ms = r.now_ms - ENGINE_RANGE_MS; /* head only */
    req.series_max = 3;
    ck_assert_int_eq(source.ops->select(source.ctx, &req, r.mem, &set, &err), ERR_LIMIT);
    engine_rig_teardown(&r);
}
END_TEST

START_TEST(cancelled_queries_stop)
{
    static const struct {
        enum cancel_reason reason;
        enum err_code code;
    } cases[] = { { CANCEL_CLIENT_GONE, ERR_CANCELLED },
                  { CANCEL_TIMEOUT, ERR_TIMEOUT },
                  { CANCEL_KILLED, ERR_CANCELLED },
                  { CANCEL_SHUTDOWN, ERR_CANCELLED } };
    struct engine_rig r;
    engine_rig_setup(&r, 1);
    fill(&r);
    struct source source = metrics_source(r.engine);
    struct matcher any = engine_rig_matcher(&r, MATCH_RE, "job", ".*1");
    for (size_t i = 0; i < 4; i++) {
        struct cancel cancel = { 0 };
        struct err err = { 0 };
        struct series_set *set;
        struct str_list list;
        cancel_set(&cancel, cases[i].reason);
        struct source_request req = everything(&any, 1, &r);
        req.cancel = &cancel;
        ck_assert_int_eq(source.ops->select(source.ctx, &req, r.mem, &set, &err), cases[i].code);
        struct label_query q = { req.matchers, req.mint_ms, req.maxt_ms, 0, &cancel };
        ck_assert_int_eq(
            source.ops->label_values(source.ctx, STR("job"), &q, &r.arena, &list, &err),
            cases[i].code);
    }
    engine_rig_teardown(&r);
}
END_TEST

/* Ascending times out of 0..2 * RUN_MAX; the value says which run. */
#define RUN_MAX 40
static void append_run(struct sample_buf *b, struct rng *rng, double value)
{
    struct err err = { 0 };
    size_t n = rng_below(rng, RUN_MAX);
    ck_assert_int_eq(sample_buf_reserve(b, n, &err), ERR_OK);
    int64_t t = (int64_t)rng_below(rng, RUN_MAX);
    for (size_t i = 0; i < n; i++, t += 1 + (int64_t)rng_below(rng, 2)) {
        b->cols.ts_ms[b->cols.count] = t;
        b->cols.value[b->cols.count++] = value;
    }
}

START_TEST(overlapping_runs_become_one)
{
    struct mem_budget *mem = mem_budget_create((uint64_t)16 << 20);
    struct sample_buf b;
    struct sample_buf scratch;
    struct rng rng;
    struct err err = { 0 };
    rng_init(&rng, 17);
    sample_buf_init(&b, mem_source_of(mem, MEM_QUERY));
    sample_buf_init(&scratch, mem_source_of(mem, MEM_QUERY));
    for (int round = 0; round < 500; round++) {
        double want[4 * RUN_MAX] = { 0 };
        sample_buf_reset(&b);
        append_run(&b, &rng, 1);
        size_t at = b.cols.count;
        append_run(&b, &rng, 2);
        for (size_t i = 0; i < b.cols.count; i++)
            want[b.cols.ts_ms[i]] = b.cols.value[i]; /* the right one stays */
        ck_assert_int_eq(merge_runs(&b, at, &scratch, &err), ERR_OK);
        size_t k = 0;
        bool is_right = true;
        for (int64_t t = 0; t < 4 * RUN_MAX; t++) {
            if (want[t] == 0) continue;
            is_right &= k < b.cols.count && b.cols.ts_ms[k] == t && b.cols.value[k] == want[t];
            k++;
        }
        ck_assert(is_right && k == b.cols.count);
    }
    sample_buf_deinit(&b);
    sample_buf_deinit(&scratch);
    ck_assert_uint_eq(mem_live_count(mem), 0);
    mem_budget_destroy(mem);
}
END_TEST

/* ---- what a set pins ---- */

START_TEST(a_set_keeps_reading_what_was_there_when_it_was_made)
{
    struct engine_rig r;
    struct err err = { 0 };
    struct series_reader *reader;
    engine_rig_setup(&r, 1);
    for (int k = 0; k < 2 * SCRAPES; k++) {
        batch_maker_begin(&r.maker);
        engine_rig_sample(&r, engine_rig_series(&r, "__name__=m,i=1"), k);
        engine_rig_commit(&r);
        engine_rig_advance(&r, ENGINE_RANGE_MS / SCRAPES);
    }
    struct matcher m = engine_rig_matcher(&r, MATCH_EQ, "__name__", "m");
    struct source_request req = everything(&m, 1, &r);
    struct series_set *set = engine_rig_select(&r, &req);
    engine_rig_advance(&r, ENGINE_RANGE_MS);
    ck_assert_int_eq(metrics_cut_head(r.engine, ENGINE_START_MS + 2 * ENGINE_RANGE_MS, &err),
                     ERR_OK);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(metrics_maintain(r.engine, &err), ERR_OK);
    ck_assert_int_eq(set->ops->reader_create(set, r.mem, &reader, &err), ERR_OK);
    struct sample_columns c;
    struct labels l;
    ck_assert_int_eq(set->ops->read(reader, 0, &c, &err), ERR_OK);
    ck_assert_uint_eq(c.count, 2 * SCRAPES);
    ck_assert_int_eq(set->ops->labels(set, 0, &r.arena, &l, &err), ERR_OK);
    ck_assert(labels_eq(l, r.model[0].labels));
    set->ops->reader_destroy(reader);
    set->ops->destroy(set);
    engine_rig_check(&r, &req); /* now from the blocks */
    engine_rig_teardown(&r);
}
END_TEST

/* ---- damage ---- */

static void damage_first_block(struct engine_rig *r)
{
    char path[256];
    char name[ULID_TEXT_LEN + 1];
    struct err err = { 0 };
    const struct block_list *list = block_set_get(r->engine->blocks);
    ulid_text(block_borrow_meta(list->ptr[0])->id, name);
    block_set_put(r->engine->blocks, list);
    (void)snprintf(path, sizeof path, "data/anonymous/metrics/blocks/%s/chunks/000001", name);
    const struct file_layer *files = file_fault_layer(r->disk);
    struct file *f = NULL;
    ck_assert_int_eq(files->open(files->ctx, path, FILE_WRITE, &f, &err), ERR_OK);
    struct file_iovec junk = { "!!!!", 4 };
    ck_assert_int_eq(files->pwritev(files->ctx, f, &junk, 1, 100, &err), ERR_OK);
    ck_assert_int_eq(files->close(files->ctx, f, &err), ERR_OK);
}

START_TEST(a_damaged_block_fails_one_query_and_is_left_out_then)
{
    struct engine_rig r;
    struct err err = { 0 };
    struct series_reader *reader;
    struct sample_columns c;
    engine_rig_setup(&r, 1);
    fill(&r);
    engine_rig_reopen(&r);
    damage_first_block(&r);
    struct matcher any = engine_rig_matcher(&r, MATCH_EQ, "__name__", "metric_0");
    struct source_request req = everything(&any, 1, &r);
    struct series_set *set = engine_rig_select(&r, &req);
    ck_assert_int_eq(set->ops->reader_create(set, r.mem, &reader, &err), ERR_OK);
    ck_assert_int_eq(set->ops->read(reader, 0, &c, &err), ERR_CORRUPT);
    set->ops->reader_destroy(reader);
    set->ops->destroy(set);
    struct block_damage *damages;
    size_t count;
    ck_assert_int_eq(block_set_damages(r.engine->blocks, &r.arena, &damages, &count, &err), ERR_OK);
    ck_assert_uint_eq(count, 1);
    req.mint_ms += ENGINE_RANGE_MS; /* what is left is right */
    engine_rig_check(&r, &req);
    engine_rig_teardown(&r);
}
END_TEST

/* ---- memory ---- */

static enum err_code read_all(struct engine_rig *r, const struct source_request *req,
                              struct err *err)
{
    struct source source = metrics_source(r->engine);
    struct series_set *set;
    struct series_reader *reader = NULL;
    struct arena arena;
    enum err_code rc = source.ops->select(source.ctx, req, r->mem, &set, err);
    if (rc != ERR_OK) return rc;
    arena_init(&arena, mem_source_of(r->mem, MEM_QUERY), (size_t)1 << 20);
    rc = set->ops->reader_create(set, r->mem, &reader, err);
    for (size_t i = 0; i < set->ops->count(set) && rc == ERR_OK; i++) {
        struct sample_columns c;
        struct labels l;
        rc = set->ops->read(reader, i, &c, err);
        if (rc == ERR_OK) rc = set->ops->labels(set, i, &arena, &l, err);
    }
    struct str job = STR("job");
    struct label_grouping g = { &job, 1, false };
    struct hash128 keys[64];
    if (rc == ERR_OK) rc = set->ops->group_hashes(set, 0, set->ops->count(set), &g, keys, err);
    if (reader != NULL) set->ops->reader_destroy(reader);
    set->ops->destroy(set);
    arena_deinit(&arena);
    return rc;
}

/* Every allocation fails once: the error is ERR_NOMEM, nothing leaks, the next query works. */
START_TEST(selects_survive_every_failed_allocation)
{
    struct engine_rig r;
    engine_rig_setup(&r, 1);
    fill(&r);
    struct matcher m[] = { engine_rig_matcher(&r, MATCH_RE, "instance", "i.*[0-5]"),
                           engine_rig_matcher(&r, MATCH_NE, "job", "job7") };
    struct source_request req = everything(m, 2, &r);
    req.only_newest = _i == 1;
    if (_i == 2) req.mint_ms = r.now_ms - 60000;
    struct err err = { 0 };
    ck_assert_int_eq(read_all(&r, &req, &err), ERR_OK);
    for (uint64_t n = 1;; n++) {
        uint64_t live = mem_live_count(r.mem);
        mem_test_fail_at(r.mem, n, MEM_FAIL_ONCE);
        enum err_code rc = read_all(&r, &req, &err);
        bool has_fired = mem_test_fired(r.mem);
        mem_test_fail_at(r.mem, 0, MEM_FAIL_OFF);
        ck_assert_msg(rc == ERR_OK || rc == ERR_NOMEM, "%s: %s", err_name(rc), err.msg);
        ck_assert_msg(mem_live_count(r.mem) == live, "allocation %llu leaks",
                      (unsigned long long)n);
        if (!has_fired) break;
    }
    engine_rig_check(&r, &req);
    engine_rig_teardown(&r);
}
END_TEST

START_TEST(lists_survive_every_failed_allocation)
{
    struct engine_rig r;
    engine_rig_setup(&r, 1);
    fill(&r);
    struct source source = metrics_source(r.engine);
    struct matcher m = engine_rig_matcher(&r, MATCH_NE, "job", "job7");
    struct label_query q = { { &m, 1 }, ENGINE_START_MS, r.now_ms, 0, NULL };
    for (uint64_t n = 1;; n++) {
        struct arena arena;
        struct str_list list;
        struct err err = { 0 };
        uint64_t live = mem_live_count(r.mem);
        arena_init(&arena, mem_source_of(r.mem, MEM_QUERY), (size_t)1 << 20);
        mem_test_fail_at(r.mem, n, MEM_FAIL_ONCE);
        enum err_code rc = source.ops->label_names(source.ctx, &q, &arena, &list, &err);
        if (rc == ERR_OK)
            rc = source.ops->label_values(source.ctx, STR("instance"), &q, &arena, &list, &err);
        bool has_fired = mem_test_fired(r.mem);
        mem_test_fail_at(r.mem, 0, MEM_FAIL_OFF);
        ck_assert(rc == ERR_OK || (rc == ERR_NOMEM && has_fired));
        arena_deinit(&arena);
        ck_assert_uint_eq(mem_live_count(r.mem), live);
        if (!has_fired) break;
    }
    engine_rig_teardown(&r);
}
END_TEST

/* ---- cardinality ---- */

static void check_rows(const struct name_count *rows, size_t count, const char *want)
{
    char text[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, STR_FMT ":%llu ",
                                 STR_ARG(rows[i].name), (unsigned long long)rows[i].count);
    ck_assert_str_eq(text, want);
}

START_TEST(cardinality_names_the_largest)
{
    struct engine_rig r;
    struct metrics_cardinality c;
    struct err err = { 0 };
    engine_rig_setup(&r, 1);
    batch_maker_begin(&r.maker);
    for (int i = 0; i < 7; i++) {
        char key[64];
        (void)snprintf(key, sizeof key, "__name__=%s,i=%d,job=x", i < 4 ? "many" : "few", i);
        engine_rig_sample(&r, engine_rig_series(&r, key), i);
    }
    engine_rig_sample(&r, engine_rig_series(&r, "__name__=one,job=y"), 1);
    engine_rig_commit(&r);
    ck_assert_int_eq(metrics_cardinality(r.engine, 2, &r.arena, &c, &err), ERR_OK);
    check_rows(c.series_by_metric, c.series_by_metric_count, "many:4 few:3 ");
    check_rows(c.values_by_label, c.values_by_label_count, "i:7 __name__:3 ");
    check_rows(c.bytes_by_label, c.bytes_by_label_count, "__name__:28 job:8 ");
    check_rows(c.series_by_pair, c.series_by_pair_count, "job=x:7 __name__=many:4 ");
    ck_assert_int_eq(metrics_cardinality(r.engine, 100, &r.arena, &c, &err), ERR_OK);
    check_rows(c.series_by_metric, c.series_by_metric_count, "many:4 few:3 one:1 ");
    ck_assert_uint_eq(c.series_by_pair_count, 3 + 7 + 2);
    engine_rig_teardown(&r);
}
END_TEST

/* ---- exemplars ---- */

static void add_exemplar(struct engine_rig *r, const char *key, const char *trace, int64_t ts_ms)
{
    struct label *l = arena_new(&r->maker.arena, struct label);
    struct batch_exemplar *e = arena_new(&r->maker.arena, struct batch_exemplar);
    *l = (struct label){ STR("trace_id"), arena_str(&r->maker.arena, str_of_z(trace)) };
    engine_rig_sample(r, engine_rig_series(r, key), 1);
    *e = (struct batch_exemplar){ .series = (uint32_t)r->maker.batch.series_count - 1,
                                  .exemplar = { { l, 1 }, 0.5, ts_ms, true } };
    r->maker.batch.exemplars = e;
    r->maker.batch.exemplar_count = 1;
}

START_TEST(exemplars_are_found_by_matchers)
{
    struct engine_rig r;
    struct exemplar_series *found;
    size_t count;
    struct err err = { 0 };
    static const char *const keys[] = { "__name__=b,i=1", "__name__=a,i=2", "__name__=b,i=0" };
    engine_rig_setup(&r, 1);
    for (int i = 0; i < 6; i++) {
        char trace[16];
        (void)snprintf(trace, sizeof trace, "t%d", i);
        batch_maker_begin(&r.maker);
        add_exemplar(&r, keys[i % 3], trace, r.now_ms);
        engine_rig_commit(&r);
        engine_rig_advance(&r, 1000);
    }
    struct matcher m[] = { engine_rig_matcher(&r, MATCH_EQ, "__name__", "b"),
                           engine_rig_matcher(&r, MATCH_EQ, "i", "0"),
                           engine_rig_matcher(&r, MATCH_EQ, "i", "2") };
    struct matchers any_of[] = { { m, 1 }, { m + 1, 1 } };
    ck_assert_int_eq(metrics_exemplars(r.engine, any_of, 2, ENGINE_START_MS, r.now_ms, &r.arena,
                                       &found, &count, &err),
                     ERR_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert(str_eq(labels_get(found[0].labels, STR("i")), STR("0")));
    ck_assert(str_eq(labels_get(found[1].labels, STR("i")), STR("1")));
    ck_assert_uint_eq(found[1].count, 2);
    ck_assert(str_eq(labels_get(found[1].exemplars[0].labels, STR("trace_id")), STR("t0")));
    ck_assert(str_eq(labels_get(found[1].exemplars[1].labels, STR("trace_id")), STR("t3")));
    any_of[0] = (struct matchers){ m + 2, 1 };
    ck_assert_int_eq(metrics_exemplars(r.engine, any_of, 1, ENGINE_START_MS, ENGINE_START_MS + 2000,
                                       &r.arena, &found, &count, &err),
                     ERR_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(found[0].count, 1);
    engine_rig_teardown(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("select");
    TCase *tc = tcase_create("select");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, names_and_values_are_those_of_matching_series);
    tcase_add_test(tc, values_of_few_series_among_many_are_listed);
    tcase_add_test(tc, values_outside_of_the_time_range_are_left_out);
    tcase_add_test(tc, group_keys_are_hashes_of_the_kept_labels);
    tcase_add_test(tc, series_of_blocks_and_head_are_one);
    tcase_add_test(tc, only_series_with_samples_in_the_range);
    tcase_add_test(tc, order_is_the_same_each_time);
    tcase_add_test(tc, series_that_ended_before_the_range_are_not_in_the_set);
    tcase_add_test(tc, too_many_series_are_refused);
    tcase_add_test(tc, cancelled_queries_stop);
    tcase_add_test(tc, overlapping_runs_become_one);
    tcase_add_test(tc, a_set_keeps_reading_what_was_there_when_it_was_made);
    tcase_add_test(tc, a_damaged_block_fails_one_query_and_is_left_out_then);
    tcase_add_loop_test(tc, selects_survive_every_failed_allocation, 0, 3);
    tcase_add_test(tc, lists_survive_every_failed_allocation);
    tcase_add_test(tc, cardinality_names_the_largest);
    tcase_add_test(tc, exemplars_are_found_by_matchers);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
