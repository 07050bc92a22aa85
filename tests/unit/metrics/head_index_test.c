/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the head's index: postings that grow while they are read, sorting by text; and the
 * index as a whole when memory runs out.
 */
#include <check.h>
#include <stdlib.h>

#include "engine_rig.h"
#include "metrics/index/head_index_priv.h"
#include "metrics/index/id_sort.h"
#include "metrics/index/posting.h"

/* ---- postings ---- */

#define IDS 20000u

struct posting_rig {
    struct mem_budget *mem;
    posting_cell cell;
    struct posting_retired retired;
    struct rng rng;
    uint8_t has[IDS];
};

static void posting_setup(struct posting_rig *p, uint64_t seed)
{
    memset(p, 0, sizeof *p);
    p->mem = mem_budget_create((uint64_t)256 << 20);
    rng_init(&p->rng, seed);
}

static void posting_teardown(struct posting_rig *p)
{
    posting_clear(&p->cell, &p->retired);
    posting_retired_free(p->mem, &p->retired);
    ck_assert_uint_eq(mem_live_count(p->mem), 0);
    ck_assert_uint_eq(mem_used(p->mem, MEM_INDEX), 0);
    ck_assert_uint_eq(mem_used(p->mem, MEM_QUERY), 0);
    mem_budget_destroy(p->mem);
}

/* One assertion for all: each costs a system call. */
static void check_ids(const struct postings *set, const uint8_t *want)
{
    static uint8_t got[IDS];
    uint32_t ids[512];
    struct postings_iter it;
    memset(got, 0, sizeof got);
    postings_iter_init(&it, set);
    for (size_t n; (n = postings_iter_read(&it, ids, 512)) > 0;)
        for (size_t i = 0; i < n; i++)
            got[ids[i]] = 1;
    ck_assert(memcmp(got, want, IDS) == 0);
}

/* All that can be done with a view, against the plain array. */
static void check_posting(struct posting_rig *p)
{
    static uint8_t other[IDS];
    static uint8_t want[IDS];
    static uint32_t other_ids[IDS];
    size_t other_count = 0;
    struct posting_view v = posting_view(&p->cell);
    struct postings *set = NULL;
    uint64_t count = 0;
    bool meets = false;
    for (size_t i = 0; i < IDS; i++) {
        count += p->has[i];
        other[i] = rng_below(&p->rng, 7) == 0;
        if (other[i]) other_ids[other_count++] = (uint32_t)i;
        meets |= other[i] && p->has[i];
    }
    ck_assert_uint_eq(v.count, count);
    ck_assert_int_eq(posting_copy(p->mem, MEM_QUERY, &v, &set, NULL), ERR_OK);
    check_ids(set, p->has);
    postings_destroy(set);
    for (int op = 0; op < 3; op++) {
        ck_assert_int_eq(postings_create(p->mem, MEM_QUERY, &set, NULL), ERR_OK);
        ck_assert_int_eq(postings_add_many(set, other_ids, other_count, NULL), ERR_OK);
        ck_assert_int_eq(posting_meets(&v, set), meets);
        enum err_code rc = op == 0   ? posting_unite(set, &v, NULL)
                           : op == 1 ? posting_intersect(set, &v, NULL)
                                     : posting_subtract(set, &v, NULL);
        ck_assert_int_eq(rc, ERR_OK);
        for (size_t i = 0; i < IDS; i++)
            want[i] = op == 0   ? other[i] || p->has[i]
                      : op == 1 ? other[i] && p->has[i]
                                : other[i] && !p->has[i];
        check_ids(set, want);
        postings_destroy(set);
    }
}

static void add_random(struct posting_rig *p, size_t count)
{
    uint32_t next = (uint32_t)rng_below(&p->rng, IDS);
    for (size_t i = 0; i < count; i++) {
        while (p->has[next % IDS])
            next++;
        uint32_t id = next++ % IDS;
        if (!posting_reserve(p->mem, &p->cell, &p->retired)) ck_abort();
        posting_add(&p->cell, id);
        p->has[id] = 1;
        if (rng_below(&p->rng, 4) == 0) next = (uint32_t)rng_below(&p->rng, IDS);
    }
}

static void remove_random(struct posting_rig *p, uint64_t one_in)
{
    static uint32_t ids[IDS];
    size_t n = 0;
    for (uint32_t i = 0; i < IDS; i++) {
        if (rng_below(&p->rng, one_in) != 0) continue;
        ids[n++] = i; /* also ids that are not there */
        p->has[i] = 0;
    }
    ck_assert_int_eq(posting_remove(p->mem, &p->cell, ids, n, &p->retired), ERR_OK);
}

START_TEST(posting_is_what_was_added_and_not_removed)
{
    static struct posting_rig p;
    static const size_t sizes[] = { 1, 1, 1, 5, 30, 200, 20, 3000, 2500, 1 };
    posting_setup(&p, (uint64_t)_i + 1);
    check_posting(&p);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        add_random(&p, sizes[i]);
        check_posting(&p);
    }
    static const uint64_t shares[] = { 50, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1 };
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        remove_random(&p, shares[i]);
        check_posting(&p);
        add_random(&p, 1);
        check_posting(&p);
    }
    posting_teardown(&p);
}
END_TEST

START_TEST(posting_is_unharmed_by_a_failed_allocation)
{
    static struct posting_rig p;
    posting_setup(&p, 3);
    for (uint32_t id = 0; id < 1500; id++) {
        if (id % 50 < 3) {
            mem_test_fail_at(p.mem, id % 50 + 1, MEM_FAIL_ONCE);
            bool has_room = posting_reserve(p.mem, &p.cell, &p.retired);
            mem_test_fail_at(p.mem, 0, MEM_FAIL_OFF);
            if (!has_room) check_posting(&p);
        }
        ck_assert(posting_reserve(p.mem, &p.cell, &p.retired));
        posting_add(&p.cell, id);
        p.has[id] = 1;
    }
    uint32_t gone[] = { 5, 700, 1400 };
    for (uint64_t n = 1;; n++) {
        mem_test_fail_at(p.mem, n, MEM_FAIL_ONCE);
        enum err_code rc = posting_remove(p.mem, &p.cell, gone, 3, &p.retired);
        mem_test_fail_at(p.mem, 0, MEM_FAIL_OFF);
        if (rc == ERR_OK) break;
        check_posting(&p);
    }
    p.has[5] = p.has[700] = p.has[1400] = 0;
    check_posting(&p);
    posting_teardown(&p);
}
END_TEST

START_TEST(cleared_posting_is_unknown_but_an_emptied_one_is_not)
{
    static struct posting_rig p;
    uint32_t id = 7;
    posting_setup(&p, 1);
    ck_assert(!posting_is_known(&p.cell));
    ck_assert(posting_reserve(p.mem, &p.cell, &p.retired));
    posting_add(&p.cell, id);
    ck_assert(posting_is_known(&p.cell));
    ck_assert_int_eq(posting_remove(p.mem, &p.cell, &id, 1, &p.retired), ERR_OK);
    ck_assert(posting_is_known(&p.cell));
    ck_assert_uint_eq(posting_view(&p.cell).count, 0);
    posting_clear(&p.cell, &p.retired);
    ck_assert(!posting_is_known(&p.cell));
    posting_teardown(&p);
}
END_TEST

/* ---- sorting ---- */

#define TEXTS 3000

static int text_order(const void *a, const void *b)
{
    return str_cmp(((const struct text_id *)a)->text, ((const struct text_id *)b)->text);
}

/* Random texts of a kind: long common prefixes, zero bytes, prefixes of each other. */
static size_t random_text(struct rng *rng, int kind, char *out)
{
    size_t len = rng_below(rng, kind == 2 ? 4 : 30);
    size_t prefix = kind == 1 ? 20 : 0;
    memset(out, 'p', prefix);
    for (size_t i = prefix; i < prefix + len; i++)
        out[i] = (char)((kind == 3 ? 0 : 'a') + (int)rng_below(rng, kind == 3 ? 2 : 3));
    return prefix + len;
}

START_TEST(texts_are_sorted_by_bytes)
{
    static char texts[TEXTS][64];
    static struct text_id items[TEXTS];
    static struct text_id want[TEXTS];
    struct rng rng;
    rng_init(&rng, (uint64_t)_i + 1);
    for (size_t count = 0; count <= TEXTS; count = count * 2 + 1) {
        for (size_t i = 0; i < count; i++) {
            size_t len = random_text(&rng, _i, texts[i]);
            items[i] = (struct text_id){ .text = { texts[i], len }, .id = (uint32_t)i };
        }
        memcpy(want, items, sizeof items);
        qsort(want, count, sizeof want[0], text_order);
        id_sort_by_text(items, count);
        size_t wrong = 0;
        for (size_t i = 0; i < count; i++)
            wrong +=
                !str_eq(items[i].text, want[i].text) || items[i].text.ptr != texts[items[i].id];
        ck_assert_uint_eq(wrong, 0);
    }
}
END_TEST

START_TEST(keys_are_sorted_by_their_upper_half_and_stay_in_order)
{
    static uint64_t keys[TEXTS];
    static uint64_t scratch[TEXTS];
    struct rng rng;
    rng_init(&rng, 5);
    for (uint64_t range = 1; range < (uint64_t)1 << 32; range *= 37) {
        for (size_t i = 0; i < TEXTS; i++)
            keys[i] = rng_below(&rng, range) << 32 | i;
        id_sort_by_upper(keys, scratch, TEXTS);
        size_t wrong = 0;
        for (size_t i = 1; i < TEXTS; i++)
            wrong += keys[i - 1] >= keys[i]; /* the lower half was ascending */
        ck_assert_uint_eq(wrong, 0);
    }
}
END_TEST

/* ---- the index and memory ---- */

static void check_everything(struct engine_rig *r)
{
    struct matcher m[] = { engine_rig_matcher(r, MATCH_RE, "__name__", "m.*"),
                           engine_rig_matcher(r, MATCH_RE, "i", ".*[13579]"),
                           engine_rig_matcher(r, MATCH_NE, "i", "3"),
                           engine_rig_matcher(r, MATCH_EQ, "j", "") };
    struct source_request req = { .mint_ms = ENGINE_START_MS, .maxt_ms = r->now_ms };
    for (size_t i = 0; i < 4; i++) {
        req.matchers = (struct matchers){ m + i, 1 };
        engine_rig_check(r, &req);
    }
    req.matchers = (struct matchers){ m, 4 };
    engine_rig_check(r, &req);
}

/* Append a sample to series 0..n-1 while the `fail_at`-th allocation fails; those that were refused
 * are sent again. Returns whether the failure came. */
static bool append_failing(struct engine_rig *r, int n, uint64_t fail_at)
{
    struct append_result result;
    struct err err = { 0 };
    batch_maker_begin(&r->maker);
    for (int i = 0; i < n; i++) {
        char key[64];
        (void)snprintf(key, sizeof key, "__name__=m%d,i=%d%s", i % 3, i, i % 2 ? ",j=x" : "");
        (void)engine_rig_series(r, key);
        batch_maker_one(&r->maker, key, r->now_ms, i);
    }
    mem_test_fail_at(r->mem, fail_at, MEM_FAIL_ONCE);
    enum err_code rc = metrics_append(r->engine, &r->maker.batch, &result, &err);
    bool has_fired = mem_test_fired(r->mem);
    mem_test_fail_at(r->mem, 0, MEM_FAIL_OFF);
    ck_assert(rc == ERR_OK || has_fired);
    for (size_t i = 0; i < r->maker.batch.series_count; i++)
        r->maker.batch.series[i].outcome = 0;
    rc = metrics_append(r->engine, &r->maker.batch, &result, &err);
    ck_assert_int_eq(rc, ERR_OK);
    for (size_t i = 0; i < r->maker.batch.series_count; i++) {
        ck_assert_int_eq(r->maker.batch.series[i].outcome, BATCH_STORED);
        struct model_series *s = &r->model[i];
        s->samples[s->count++] = (struct sample){ r->now_ms, (double)i };
    }
    return has_fired;
}

START_TEST(index_survives_every_failed_allocation_of_an_append)
{
    for (uint64_t n = 1 + (uint64_t)_i;; n += n < 40 ? 4 : 13) {
        struct engine_rig r;
        engine_rig_setup(&r, 1);
        bool has_fired = append_failing(&r, 20, n);
        engine_rig_advance(&r, 1000);
        check_everything(&r);
        engine_rig_teardown(&r);
        if (!has_fired) break;
    }
}
END_TEST

/* A question that needs the values in order. */
static void check_order(struct engine_rig *r)
{
    struct matcher m = engine_rig_matcher(r, MATCH_RE, "i", "1.*");
    struct source_request req = { .matchers = { &m, 1 },
                                  .mint_ms = r->now_ms - ENGINE_RANGE_MS,
                                  .maxt_ms = r->now_ms };
    engine_rig_check(r, &req);
}

/* Series come and go; each collection meets a failed allocation. */
START_TEST(index_survives_failed_allocations_of_collections)
{
    struct engine_rig r;
    engine_rig_setup(&r, 1);
    int generation = 0;
    for (uint64_t fail_at = 1; fail_at < 100; fail_at++, generation++) {
        struct err err = { 0 };
        bool is_done;
        batch_maker_begin(&r.maker);
        for (int i = 0; i < 12; i++) {
            char key[64];
            (void)snprintf(key, sizeof key, "__name__=m%d,i=%d%s", i % 3,
                           i % 4 ? i + 100 * generation : i, i % 2 ? ",j=x" : "");
            engine_rig_sample(&r, engine_rig_series(&r, key), i);
        }
        engine_rig_commit(&r);
        engine_rig_advance(&r, ENGINE_RANGE_MS);
        check_order(&r);
        ck_assert_int_eq(metrics_cut_head(r.engine, r.now_ms - r.now_ms % ENGINE_RANGE_MS, &err),
                         ERR_OK);
        mem_test_fail_at(r.mem, fail_at, MEM_FAIL_ONCE);
        enum err_code rc = head_truncate(r.engine->head, &is_done, &err);
        ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
        rc = head_truncate(r.engine->head, &is_done, &err);
        ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
        mem_test_fail_at(r.mem, 0, MEM_FAIL_OFF);
        check_order(&r);
        for (int i = 0; i < 10; i++)
            ck_assert_int_eq(head_truncate(r.engine->head, &is_done, &err), ERR_OK);
        if (generation % 8 == 0) check_everything(&r);
    }
    engine_rig_teardown(&r);
}
END_TEST

/* With no memory for a list without dead values the index drops the list; the next query that needs
 * order makes it anew out of all pairs. */
START_TEST(index_finds_values_again_after_a_list_was_lost)
{
    struct engine_rig r;
    engine_rig_setup(&r, 1);
    (void)append_failing(&r, 40, UINT64_MAX);
    engine_rig_advance(&r, 1000);
    check_everything(&r);
    struct head_index *x = r.engine->index;
    for (int round = 0; round < 2; round++) {
        mutex_lock(&x->lock);
        struct name_entry *e = index_find_name(x, head_symbol_find(r.engine->head, STR("i")));
        ck_assert_ptr_nonnull(e);
        struct value_list *lost = e->sorted;
        e->sorted = NULL;
        e->must_rescan = true;
        mutex_unlock(&x->lock);
        index_retire_list(x, lost);
        if (round == 1) { /* a value that is found by the scan and waits to be sorted in as well */
            batch_maker_begin(&r.maker);
            engine_rig_sample(&r, engine_rig_series(&r, "__name__=m1,i=777"), 1);
            engine_rig_commit(&r);
        }
        check_everything(&r);
    }
    engine_rig_teardown(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_index");
    TCase *tc = tcase_create("parts");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, posting_is_what_was_added_and_not_removed, 0, 4);
    tcase_add_test(tc, posting_is_unharmed_by_a_failed_allocation);
    tcase_add_test(tc, cleared_posting_is_unknown_but_an_emptied_one_is_not);
    tcase_add_loop_test(tc, texts_are_sorted_by_bytes, 0, 4);
    tcase_add_test(tc, keys_are_sorted_by_their_upper_half_and_stay_in_order);
    suite_add_tcase(suite, tc);
    tc = tcase_create("memory");
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, index_survives_every_failed_allocation_of_an_append, 0, 4);
    tcase_add_test(tc, index_survives_failed_allocations_of_collections);
    tcase_add_test(tc, index_finds_values_again_after_a_list_was_lost);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
