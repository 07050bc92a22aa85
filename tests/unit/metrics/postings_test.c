/* SPDX-License-Identifier: Apache-2.0
 *
 * postings against the plainest possible sets: sorted arrays, at densities from 1e-5 to 1.
 */
#include "metrics/postings.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/rng.h"

/* Ids are drawn from [0, UNIVERSE): several containers, the last one partly used. */
#define UNIVERSE 400000u

static struct mem_budget *mem;

static void setup(void)
{
    mem = mem_budget_create(512u << 20);
    ck_assert_ptr_nonnull(mem);
}

static void teardown(void)
{
    ck_assert_uint_eq(mem_used(mem, MEM_INDEX), 0);
    ck_assert_uint_eq(mem_used(mem, MEM_QUERY), 0);
    mem_budget_destroy(mem);
}

/* ---- the naive set ---- */

struct naive {
    uint32_t *ids;
    size_t count;
};

static struct naive naive_new(size_t cap)
{
    struct naive n = { mem_alloc(mem, MEM_SYSTEM, (cap + 1) * sizeof(uint32_t)), 0 };
    ck_assert_ptr_nonnull(n.ids);
    return n;
}

static void naive_free(struct naive *n, size_t cap)
{
    mem_free(mem, MEM_SYSTEM, n->ids, (cap + 1) * sizeof(uint32_t));
}

/* Each id with probability `density`; every third set in long runs instead of single ids. */
static struct naive naive_random(struct rng *r, double density, bool in_runs)
{
    struct naive n = naive_new(UNIVERSE);
    uint32_t id = 0;
    while (id < UNIVERSE) {
        uint32_t length = in_runs ? 1 + (uint32_t)rng_below(r, 500) : 1;
        bool is_in = rng_f64(r) < density;
        for (uint32_t i = 0; i < length && id < UNIVERSE; i++, id++)
            if (is_in) n.ids[n.count++] = id;
    }
    return n;
}

enum op { OP_AND, OP_OR, OP_ANDNOT };

static struct naive naive_op(enum op op, const struct naive *a, const struct naive *b)
{
    struct naive out = naive_new(UNIVERSE);
    size_t i = 0, j = 0;
    while (i < a->count || j < b->count) {
        bool in_a = i < a->count && (j == b->count || a->ids[i] <= b->ids[j]);
        bool in_b = j < b->count && (i == a->count || b->ids[j] <= a->ids[i]);
        uint32_t id = in_a ? a->ids[i] : b->ids[j];
        bool keep = op == OP_AND ? in_a && in_b : op == OP_OR ? true : in_a && !in_b;
        if (keep) out.ids[out.count++] = id;
        i += in_a;
        j += in_b;
    }
    return out;
}

static struct postings *postings_of(const struct naive *n)
{
    struct postings *p = NULL;
    struct err err = { 0 };
    ck_assert_int_eq(postings_create(mem, MEM_INDEX, &p, &err), ERR_OK);
    ck_assert_int_eq(postings_add_many(p, n->ids, n->count, &err), ERR_OK);
    return p;
}

static void assert_same(const struct postings *p, const struct naive *n)
{
    ck_assert_uint_eq(postings_cardinality(p), n->count);
    ck_assert_int_eq(postings_is_empty(p), n->count == 0);
    uint32_t got[300];
    struct postings_iter it;
    postings_iter_init(&it, p);
    size_t at = 0;
    for (size_t k; (k = postings_iter_read(&it, got, 300)) > 0; at += k) {
        ck_assert_uint_le(at + k, n->count);
        ck_assert_mem_eq(got, n->ids + at, k * sizeof *got);
    }
    ck_assert_uint_eq(at, n->count);
    ck_assert_uint_eq(postings_iter_read(&it, got, 300), 0);
}

static const double DENSITIES[] = { 0, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 1 };
#define DENSITY_COUNT (int)(sizeof DENSITIES / sizeof DENSITIES[0])

/* _i runs over all pairs of densities. */
START_TEST(algebra_agrees_with_sorted_arrays)
{
    struct rng r;
    rng_init(&r, (uint64_t)_i);
    for (int round = 0; round < 2; round++) {
        struct naive a = naive_random(&r, DENSITIES[_i / DENSITY_COUNT], round > 0);
        struct naive b = naive_random(&r, DENSITIES[_i % DENSITY_COUNT], _i % 2 > 0);
        for (enum op op = OP_AND; op <= OP_ANDNOT; op++) {
            struct postings *p = postings_of(&a), *q = postings_of(&b);
            if (_i % 3 == 0) postings_optimize(p);
            if (_i % 4 == 0) postings_optimize(q);
            struct naive expected = naive_op(op, &a, &b);
            if (op == OP_AND) {
                ck_assert_uint_eq(postings_and_cardinality(p, q), expected.count);
                ck_assert_int_eq(postings_intersects(p, q), expected.count > 0);
            }
            struct err err = { 0 };
            enum err_code rc = op == OP_AND  ? postings_and(p, q, &err)
                               : op == OP_OR ? postings_or(p, q, &err)
                                             : postings_andnot(p, q, &err);
            ck_assert_int_eq(rc, ERR_OK);
            assert_same(p, &expected);
            assert_same(q, &b);
            postings_optimize(p);
            assert_same(p, &expected);
            postings_destroy(p);
            postings_destroy(q);
            naive_free(&expected, UNIVERSE);
        }
        naive_free(&a, UNIVERSE);
        naive_free(&b, UNIVERSE);
    }
}
END_TEST

START_TEST(bytes_give_the_set_back_and_say_their_length)
{
    struct rng r;
    rng_init(&r, 100 + (uint64_t)_i);
    struct naive a = naive_random(&r, DENSITIES[_i], _i % 2 > 0);
    struct postings *p = postings_of(&a), *q = NULL;
    struct buf bytes;
    buf_init(&bytes, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
    for (int optimized = 0; optimized < 2; optimized++) {
        if (optimized) postings_optimize(p);
        buf_reset(&bytes);
        postings_serialize(p, &bytes);
        size_t size = bytes.len;
        buf_put_lit(&bytes, "what follows");
        ck_assert(!buf_failed(&bytes));
        size_t used = 0;
        struct err err = { 0 };
        ck_assert_int_eq(postings_deserialize(mem, MEM_QUERY, buf_bytes(&bytes), &q, &used, &err),
                         ERR_OK);
        ck_assert_uint_eq(used, size);
        assert_same(q, &a);
        ck_assert(postings_equal(p, q));
        postings_destroy(q);
    }
    buf_deinit(&bytes);
    postings_destroy(p);
    naive_free(&a, UNIVERSE);
}
END_TEST

START_TEST(sorted_ids_become_the_same_set_in_no_more_bytes)
{
    struct rng r;
    rng_init(&r, 400 + (uint64_t)_i);
    struct naive a = naive_random(&r, DENSITIES[_i], _i % 2 > 0);
    if (a.count == 0) a.ids[a.count++] = 7;
    struct postings *p = postings_of(&a), *q = NULL;
    postings_optimize(p);
    struct buf bytes;
    buf_init(&bytes, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
    postings_serialize(p, &bytes);
    size_t size = bytes.len, used = 0;
    postings_serialize_sorted(a.ids, a.count, &bytes);
    ck_assert(!buf_failed(&bytes));
    struct bytes sorted = { bytes.ptr + size, bytes.len - size };
    ck_assert_uint_le(sorted.len, size);
    ck_assert_int_eq(postings_deserialize(mem, MEM_QUERY, sorted, &q, &used, NULL), ERR_OK);
    ck_assert_uint_eq(used, sorted.len);
    assert_same(q, &a);
    postings_destroy(q);
    buf_deinit(&bytes);
    postings_destroy(p);
    naive_free(&a, UNIVERSE);
}
END_TEST

START_TEST(many_containers_without_runs_are_written_with_offsets)
{
    enum { CONTAINERS = 100 };
    uint32_t ids[2 * CONTAINERS];
    for (uint32_t i = 0; i < CONTAINERS; i++) {
        ids[2 * i] = i << 16;
        ids[2 * i + 1] = (i << 16) + 5;
    }
    struct buf bytes;
    struct postings *p = NULL;
    size_t used = 0;
    buf_init(&bytes, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
    postings_serialize_sorted(ids, 2 * CONTAINERS, &bytes);
    ck_assert_uint_eq(bytes.ptr[0], 0x3a); /* the cookie without run flags */
    ck_assert_int_eq(postings_deserialize(mem, MEM_QUERY, buf_bytes(&bytes), &p, &used, NULL),
                     ERR_OK);
    ck_assert_uint_eq(used, bytes.len);
    assert_same(p, &(struct naive){ ids, 2 * CONTAINERS });
    postings_destroy(p);
    buf_deinit(&bytes);
}
END_TEST

/* A damaged set must be refused or be a set: the library trusts what it reads. */
START_TEST(damaged_bytes_are_refused_or_sound)
{
    struct rng r;
    rng_init(&r, 200 + (uint64_t)_i);
    struct naive a = naive_random(&r, DENSITIES[1 + _i % (DENSITY_COUNT - 1)], _i % 2 > 0);
    struct postings *p = postings_of(&a);
    if (_i % 3) postings_optimize(p);
    struct buf bytes;
    buf_init(&bytes, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
    postings_serialize(p, &bytes);
    for (int flip = 0; flip < 2000; flip++) {
        size_t reach = flip % 2 && bytes.len > 64 ? 64 : bytes.len;
        size_t bit = (size_t)rng_below(&r, reach * 8);
        bytes.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct postings *q = NULL;
        size_t used = 0;
        struct err err = { 0 };
        enum err_code rc = postings_deserialize(mem, MEM_QUERY, buf_bytes(&bytes), &q, &used, &err);
        if (rc == ERR_OK) {
            ck_assert_uint_le(used, bytes.len);
            uint32_t got[512];
            uint64_t total = 0;
            struct postings_iter it;
            postings_iter_init(&it, q);
            for (size_t k; (k = postings_iter_read(&it, got, 512)) > 0;)
                total += k;
            ck_assert_uint_eq(total, postings_cardinality(q));
            ck_assert_int_eq(postings_and(q, p, &err), ERR_OK);
            postings_destroy(q);
        } else {
            ck_assert_int_eq(rc, ERR_CORRUPT);
        }
        bytes.ptr[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t len = 0; len < bytes.len && len < 4096; len++) {
        struct postings *q = NULL;
        size_t used = 0;
        ck_assert_int_eq(
            postings_deserialize(mem, MEM_QUERY, (struct bytes){ bytes.ptr, len }, &q, &used, NULL),
            ERR_CORRUPT);
    }
    buf_deinit(&bytes);
    postings_destroy(p);
    naive_free(&a, UNIVERSE);
}
END_TEST

START_TEST(one_run_takes_fifteen_bytes)
{
    struct postings *p = NULL;
    ck_assert_int_eq(postings_of_range(mem, MEM_INDEX, 100, 5000, &p, NULL), ERR_OK);
    postings_optimize(p);
    struct buf bytes;
    buf_init(&bytes, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
    postings_serialize(p, &bytes);
    static const uint8_t expected[15] = { 0x3b, 0x30, 0, 0,   1, 0,    0,   0x23,
                                          0x13, 1,    0, 100, 0, 0x23, 0x13 };
    ck_assert_uint_eq(bytes.len, sizeof expected);
    ck_assert_mem_eq(bytes.ptr, expected, sizeof expected);
    buf_deinit(&bytes);
    postings_destroy(p);
}
END_TEST

START_TEST(questions_agree_with_sorted_arrays)
{
    struct rng r;
    rng_init(&r, 300 + (uint64_t)_i);
    struct naive a = naive_random(&r, DENSITIES[_i], _i % 2 > 0);
    struct postings *p = postings_of(&a);
    size_t rank = 0;
    for (uint32_t id = 0; id < UNIVERSE; id++) {
        bool is_in = rank < a.count && a.ids[rank] == id;
        rank += is_in;
        if (id % 97 && !is_in) continue;
        ck_assert_int_eq(postings_contains(p, id), is_in);
        if (id % 31 == 0) ck_assert_uint_eq(postings_rank(p, id), rank);
    }
    for (size_t i = 0; i < a.count; i += 1 + a.count / 50) {
        uint32_t id = 0;
        ck_assert(postings_select(p, (uint32_t)i, &id));
        ck_assert_uint_eq(id, a.ids[i]);
    }
    uint32_t none = 0;
    ck_assert(!postings_select(p, (uint32_t)a.count, &none));
    postings_destroy(p);
    naive_free(&a, UNIVERSE);
}
END_TEST

START_TEST(iterator_seeks_forward_only)
{
    static const uint32_t ids[] = { 3, 70000, 70001, UINT32_MAX };
    struct postings *p = NULL;
    ck_assert_int_eq(postings_create(mem, MEM_INDEX, &p, NULL), ERR_OK);
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(postings_add(p, ids[3 - i], NULL), ERR_OK);
    uint32_t got[4] = { 0 };
    struct postings_iter it;
    postings_iter_init(&it, p);
    postings_iter_seek(&it, 4);
    ck_assert_uint_eq(postings_iter_read(&it, got, 1), 1);
    ck_assert_uint_eq(got[0], 70000);
    postings_iter_seek(&it, 0);
    ck_assert_uint_eq(postings_iter_read(&it, got, 4), 2);
    ck_assert_uint_eq(got[0], 70001);
    ck_assert_uint_eq(got[1], UINT32_MAX);
    ck_assert_uint_eq(postings_iter_read(&it, got, 4), 0);
    postings_destroy(p);
}
END_TEST

START_TEST(ranges_reach_the_last_id)
{
    struct postings *p = NULL, *q = NULL;
    uint64_t end = (uint64_t)UINT32_MAX + 1;
    ck_assert_int_eq(postings_of_range(mem, MEM_INDEX, end - 3, end, &p, NULL), ERR_OK);
    ck_assert_int_eq(postings_of_range(mem, MEM_INDEX, 5, 5, &q, NULL), ERR_OK);
    ck_assert_uint_eq(postings_cardinality(p), 3);
    ck_assert(postings_contains(p, UINT32_MAX));
    ck_assert(postings_is_empty(q));
    ck_assert_int_eq(postings_add_range(q, end - 1, end, NULL), ERR_OK);
    ck_assert_int_eq(postings_add_range(q, 10, 200000, NULL), ERR_OK);
    ck_assert_uint_eq(postings_cardinality(q), 199991);
    ck_assert_int_eq(postings_andnot(q, p, NULL), ERR_OK);
    ck_assert_uint_eq(postings_cardinality(q), 199990);
    ck_assert_int_eq(postings_andnot(q, q, NULL), ERR_OK);
    ck_assert(postings_is_empty(q));
    postings_destroy(p);
    postings_destroy(q);
}
END_TEST

START_TEST(union_of_many_agrees_with_one_by_one)
{
    struct rng r;
    rng_init(&r, 7);
    enum { SETS = 40 };
    struct postings *sets[SETS], *all = NULL, *one_by_one = NULL;
    ck_assert_int_eq(postings_create(mem, MEM_QUERY, &all, NULL), ERR_OK);
    ck_assert_int_eq(postings_create(mem, MEM_QUERY, &one_by_one, NULL), ERR_OK);
    for (int i = 0; i < SETS; i++) {
        struct naive a = naive_random(&r, DENSITIES[i % 6], i % 3 == 0);
        sets[i] = postings_of(&a);
        if (i % 2) postings_optimize(sets[i]);
        ck_assert_int_eq(postings_or(one_by_one, sets[i], NULL), ERR_OK);
        naive_free(&a, UNIVERSE);
    }
    ck_assert_int_eq(postings_or_many(all, (const struct postings *const *)sets, SETS, NULL),
                     ERR_OK);
    ck_assert(postings_equal(all, one_by_one));
    struct postings *copy = NULL;
    ck_assert_int_eq(postings_copy(all, MEM_QUERY, &copy, NULL), ERR_OK);
    postings_destroy(all);
    ck_assert(postings_equal(copy, one_by_one));
    postings_destroy(copy);
    postings_destroy(one_by_one);
    for (int i = 0; i < SETS; i++)
        postings_destroy(sets[i]);
}
END_TEST

START_TEST(spent_budget_refuses_and_leaves_the_set_as_it_was)
{
    struct postings *p = NULL, *q = NULL;
    struct err err = { 0 };
    ck_assert_int_eq(postings_create(mem, MEM_INDEX, &p, NULL), ERR_OK);
    ck_assert_int_eq(postings_create(mem, MEM_INDEX, &q, NULL), ERR_OK);
    for (uint32_t i = 0; i < 100000; i += 2) {
        ck_assert_int_eq(postings_add(q, i, NULL), ERR_OK);
    }
    size_t charged = postings_size_bytes(p) + postings_size_bytes(q);
    ck_assert_uint_eq(mem_used(mem, MEM_INDEX), charged);
    mem_set_cap(mem, MEM_INDEX, charged + 100);
    ck_assert_int_eq(postings_or(p, q, &err), ERR_NOMEM);
    ck_assert(postings_is_empty(p));
    ck_assert_int_eq(postings_add_range(p, 0, 1 << 20, &err), ERR_NOMEM);
    ck_assert(postings_is_empty(p));
    ck_assert_uint_eq(mem_used(mem, MEM_INDEX), charged);
    mem_set_cap(mem, MEM_INDEX, 100u << 20);
    ck_assert_int_eq(postings_or(p, q, &err), ERR_OK);
    ck_assert(postings_equal(p, q));
    postings_destroy(p);
    postings_destroy(q);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("postings");
    TCase *tc = tcase_create("postings");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, algebra_agrees_with_sorted_arrays, 0, DENSITY_COUNT * DENSITY_COUNT);
    tcase_add_loop_test(tc, bytes_give_the_set_back_and_say_their_length, 0, DENSITY_COUNT);
    tcase_add_loop_test(tc, sorted_ids_become_the_same_set_in_no_more_bytes, 0, DENSITY_COUNT);
    tcase_add_loop_test(tc, damaged_bytes_are_refused_or_sound, 0, 2 * (DENSITY_COUNT - 1));
    tcase_add_loop_test(tc, questions_agree_with_sorted_arrays, 0, DENSITY_COUNT);
    tcase_add_test(tc, many_containers_without_runs_are_written_with_offsets);
    tcase_add_test(tc, one_run_takes_fifteen_bytes);
    tcase_add_test(tc, iterator_seeks_forward_only);
    tcase_add_test(tc, ranges_reach_the_last_id);
    tcase_add_test(tc, union_of_many_agrees_with_one_by_one);
    tcase_add_test(tc, spent_budget_refuses_and_leaves_the_set_as_it_was);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
