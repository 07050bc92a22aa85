/* SPDX-License-Identifier: Apache-2.0
 *
 * The small data structures of the head: paged, slab, hash_index, symbols, pairs, alias.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "metrics/head/alias.h"
#include "metrics/head/hash_index.h"
#include "metrics/head/paged.h"
#include "metrics/head/pairs.h"
#include "metrics/head/slab.h"
#include "metrics/head/symbols.h"
#include "os/mem.h"

static struct mem_budget *mem;

static void setup(void)
{
    mem = mem_budget_create((uint64_t)1 << 30);
    ck_assert_ptr_nonnull(mem);
}

static void teardown(void)
{
    ck_assert_uint_eq(mem_live_count(mem), 0);
    ck_assert_uint_eq(mem_used(mem, MEM_HEAD), 0);
    mem_budget_destroy(mem);
}

/* ---- paged ---- */

START_TEST(paged_elements_are_zeroed_and_do_not_move)
{
    static struct paged p;
    paged_init(&p, mem, MEM_HEAD, 64, 8);
    ck_assert_ptr_null(paged_find(&p, 5));
    static const uint32_t at[] = { 0, 255, 256, 1u << 20, (1u << 28) - 1 };
    void *first[5];
    for (int i = 0; i < 5; i++) {
        ck_assert(paged_ensure(&p, at[i]));
        first[i] = paged_at(&p, at[i]);
        ck_assert_uint_eq((uintptr_t)first[i] % 16, 0);
        for (int k = 0; k < 64; k++)
            ck_assert_int_eq(((uint8_t *)first[i])[k], 0);
        memset(first[i], i + 1, 64);
    }
    ck_assert(!paged_ensure(&p, 1u << 28)); /* beyond 2^20 pages */
    for (int i = 0; i < 5; i++) {
        ck_assert_ptr_eq(paged_at(&p, at[i]), first[i]);
        ck_assert_int_eq(((uint8_t *)first[i])[63], i + 1);
    }
    paged_free_page(&p, 256);
    ck_assert_ptr_null(paged_find(&p, 256));
    ck_assert_ptr_nonnull(paged_find(&p, 255));
    paged_deinit(&p);
}
END_TEST

/* ---- slab ---- */

static const uint16_t slab_sizes[] = { 32, 48, 64, 96, 1024 };

START_TEST(slab_blocks_never_overlap)
{
    static struct slab s;
    struct rng r;
    enum { BLOCKS = 3000 };
    static uint32_t handle[BLOCKS];
    static uint32_t class_index[BLOCKS];
    memset(handle, 0, sizeof handle);
    rng_init(&r, 4);
    slab_init(&s, mem, slab_sizes, 5);
    for (int step = 0; step < 60000; step++) {
        size_t i = rng_below(&r, BLOCKS);
        if (handle[i] != 0) {
            const uint8_t *p = slab_at(&s, handle[i]);
            for (size_t k = 0; k < slab_sizes[class_index[i]]; k++)
                ck_assert_uint_eq(p[k], (uint8_t)i);
            slab_free(&s, handle[i]);
            handle[i] = 0;
        } else {
            class_index[i] = (uint32_t)rng_below(&r, 5);
            handle[i] = slab_alloc(&s, class_index[i]);
            ck_assert_uint_ne(handle[i], 0);
            memset(slab_at(&s, handle[i]), (uint8_t)i, slab_sizes[class_index[i]]);
        }
    }
    for (size_t i = 0; i < BLOCKS; i++)
        if (handle[i] != 0) slab_free(&s, handle[i]);
    ck_assert_uint_eq(s.used_bytes, 0);
    ck_assert_uint_le(s.blocks.page_count, SLAB_SPARE_PAGES);
    slab_deinit(&s);
}
END_TEST

START_TEST(slab_pages_serve_other_classes_when_empty)
{
    static struct slab s;
    slab_init(&s, mem, slab_sizes, 5);
    static uint32_t handle[20000];
    uint64_t peak = 0;
    for (uint32_t c = 0; c < 4; c++) { /* a fleet that grows from class to class */
        for (size_t i = 0; i < 20000; i++) {
            uint32_t next = slab_alloc(&s, c);
            if (c > 0) slab_free(&s, handle[i]);
            handle[i] = next;
        }
        peak = slab_size_bytes(&s);
    }
    /* 20,000 blocks of 96 bytes need 1.92 MB; without reuse the sum of all classes were 4.8 MB. */
    ck_assert_uint_lt(peak, 2300000);
    for (size_t i = 0; i < 20000; i++)
        slab_free(&s, handle[i]);
    slab_deinit(&s);
}
END_TEST

START_TEST(slab_class_is_the_smallest_that_fits)
{
    static struct slab s;
    slab_init(&s, mem, slab_sizes, 5);
    ck_assert_uint_eq(slab_class_of(&s, 1), 0);
    ck_assert_uint_eq(slab_class_of(&s, 32), 0);
    ck_assert_uint_eq(slab_class_of(&s, 33), 1);
    ck_assert_uint_eq(slab_class_of(&s, 1024), 4);
    ck_assert_uint_eq(slab_class_of(&s, 1025), 5);
    slab_deinit(&s);
}
END_TEST

/* ---- hash_index ---- */

static bool index_has(const struct hash_index *h, uint32_t fingerprint, uint32_t id)
{
    struct hash_probe p = hash_index_probe(h, fingerprint);
    for (uint32_t found; (found = hash_probe_next(&p)) != 0;)
        if (found == id) return true;
    return false;
}

START_TEST(hash_index_equals_a_plain_list)
{
    enum { KEYS = 5000 };
    static bool is_in[KEYS];
    struct hash_index h;
    struct rng r;
    memset(is_in, 0, sizeof is_in);
    rng_init(&r, (uint64_t)_i);
    hash_index_init(&h, mem, MEM_HEAD);
    uint32_t count = 0;
    for (int step = 0; step < 60000; step++) {
        uint32_t k = (uint32_t)rng_below(&r, KEYS);
        /* Few fingerprints on the odd runs: long chains. */
        uint32_t fingerprint = _i % 2 ? (k % 50) * 85899345u : k * 2654435761u;
        ck_assert(index_has(&h, fingerprint, k + 1) == is_in[k]);
        if (is_in[k]) {
            ck_assert(hash_index_remove(&h, fingerprint, k + 1));
            count--;
        } else {
            ck_assert(hash_index_reserve(&h));
            hash_index_insert(&h, fingerprint, k + 1);
            count++;
        }
        is_in[k] = !is_in[k];
        ck_assert_uint_eq(h.count, count);
    }
    ck_assert(!hash_index_remove(&h, 7, 999999));
    hash_index_deinit(&h);
}
END_TEST

START_TEST(hash_index_growth_keeps_every_entry)
{
    struct hash_index h;
    hash_index_init(&h, mem, MEM_HEAD);
    for (uint32_t i = 1; i < 20000; i++) {
        ck_assert(hash_index_reserve(&h));
        hash_index_insert(&h, i * 2654435761u, i);
        for (uint32_t k = 1; k <= i; k += 997)
            ck_assert(index_has(&h, k * 2654435761u, k));
    }
    hash_index_deinit(&h);
}
END_TEST

/* ---- symbols ---- */

START_TEST(symbols_are_unique_and_keep_their_text)
{
    static struct symbols s;
    symbols_init(&s, mem, 5);
    static char long_text[SYMBOL_SIZE_MAX];
    memset(long_text, 'x', sizeof long_text);
    struct str texts[] = { STR("a"),           STR("job"),         { long_text, 254 },
                           { long_text, 255 }, { long_text, 300 }, { long_text, SYMBOL_SIZE_MAX } };
    uint32_t ids[6];
    for (int i = 0; i < 6; i++) {
        ck_assert_uint_eq(symbols_find(&s, texts[i]), 0);
        ids[i] = symbols_intern(&s, texts[i]);
        ck_assert_uint_ne(ids[i], 0);
    }
    for (int i = 0; i < 6; i++) {
        ck_assert_uint_eq(symbols_intern(&s, texts[i]), ids[i]);
        ck_assert_uint_eq(symbols_find(&s, texts[i]), ids[i]);
        ck_assert(str_eq(symbols_text(&s, ids[i]), texts[i]));
    }
    ck_assert_uint_eq(symbols_find(&s, STR("")), 0);
    ck_assert_uint_eq(symbols_text(&s, 0).len, 0);
    symbols_deinit(&s);
}
END_TEST

START_TEST(released_symbols_make_room_for_others)
{
    static struct symbols s;
    symbols_init(&s, mem, 5);
    char text[32];
    uint32_t limit = 0;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 1000; i++) {
            int n = snprintf(text, sizeof text, "pod-%02d-%05d", round, i);
            ck_assert_uint_ne(symbols_intern(&s, (struct str){ text, (size_t)n }), 0);
        }
        if (round == 0) limit = s.limit;
        for (int i = 0; i < 1000; i++) {
            int n = snprintf(text, sizeof text, "pod-%02d-%05d", round, i);
            uint32_t sym = symbols_find(&s, (struct str){ text, (size_t)n });
            symbols_unlink(&s, sym);
            ck_assert(str_eq(symbols_text(&s, sym), (struct str){ text, (size_t)n }));
            symbols_release(&s, sym);
        }
    }
    ck_assert_uint_eq(s.limit, limit);
    ck_assert_uint_eq(symbols_count(&s), 0);
    symbols_deinit(&s);
}
END_TEST

/* ---- pairs ---- */

static uint32_t intern_pair(struct pairs *p, const char *name, const char *value)
{
    struct label l = { str_of_z(name), str_of_z(value) };
    uint32_t id = 0;
    struct err err = { 0 };
    ck_assert_int_eq(pairs_intern(p, (struct labels){ &l, 1 }, &id, &err), ERR_OK);
    return id;
}

START_TEST(pair_collection_keeps_marked_and_touched_pairs)
{
    static struct pairs p;
    struct pairs_gc gc;
    struct err err = { 0 };
    pairs_init(&p, mem, 3);
    uint32_t kept = intern_pair(&p, "job", "a");
    uint32_t dead = intern_pair(&p, "job", "b");
    uint32_t touched = intern_pair(&p, "job", "c");
    ck_assert_int_eq(pairs_gc_begin(&p, &gc, &err), ERR_OK);
    ck_assert_uint_eq(intern_pair(&p, "job", "c"), touched);
    uint32_t fresh = intern_pair(&p, "job", "d");
    pairs_gc_mark(&gc, kept);
    ck_assert_int_eq(pairs_gc_unlink(&p, &gc, &err), ERR_OK);
    ck_assert_uint_eq(gc.dead_count, 1);
    ck_assert_uint_eq(gc.dead[0], dead);
    ck_assert_uint_eq(pairs_find(&p, STR("job"), STR("b")), 0);
    ck_assert_uint_eq(pairs_find(&p, STR("job"), STR("c")), touched);
    ck_assert_uint_eq(pairs_find(&p, STR("job"), STR("d")), fresh);
    /* Readers of before still see the texts. */
    ck_assert(str_eq(pairs_symbol_text(&p, pairs_get(&p, dead).value), STR("b")));
    ck_assert_uint_ne(intern_pair(&p, "job", "b"), dead);
    pairs_gc_release(&p, &gc);
    pairs_gc_end(&p, &gc);
    ck_assert_uint_eq(intern_pair(&p, "job", "e"), dead); /* the id is used again */
    ck_assert_uint_eq(pairs_count(&p), 5);
    pairs_deinit(&p);
}
END_TEST

/* ---- alias ---- */

static bool is_odd(void *ctx, const struct alias_target *t)
{
    (void)ctx;
    return t->ref % 2 == 1;
}

static bool alias_get(struct alias *a, struct hash128 h, struct alias_target *out)
{
    struct alias_stripe *s = &a->stripes[alias_stripe_of(h)];
    MUTEX_SCOPE(&s->lock);
    return alias_find(s, h, out);
}

START_TEST(alias_finds_what_was_put_and_sweeps_the_dead)
{
    static struct alias a;
    enum { N = 30000 };
    alias_init(&a, mem);
    for (uint32_t i = 1; i <= N; i++) {
        struct hash128 h = hash128(&i, sizeof i, 1);
        alias_put(&a, h, &(struct alias_target){ i % 64, i + 7, i });
    }
    struct alias_target t;
    for (uint32_t i = 1; i <= N; i++) {
        ck_assert(alias_get(&a, hash128(&i, sizeof i, 1), &t));
        ck_assert(t.shard == i % 64 && t.slot == i + 7 && t.ref == i);
    }
    uint32_t seven = 7;
    alias_put(&a, hash128(&seven, sizeof seven, 1), &(struct alias_target){ 3, 4, 8 });
    ck_assert(alias_get(&a, hash128(&seven, sizeof seven, 1), &t));
    ck_assert_uint_eq(t.ref, 8);
    ck_assert_uint_eq(alias_count(&a), N);
    alias_sweep(&a, is_odd, NULL);
    ck_assert_uint_eq(alias_count(&a), N / 2 + 1);
    for (uint32_t i = 1; i <= N; i++)
        ck_assert(alias_get(&a, hash128(&i, sizeof i, 1), &t) == (i % 2 == 0 || i == 7));
    alias_deinit(&a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_tables");
    TCase *tc = tcase_create("tables");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, paged_elements_are_zeroed_and_do_not_move);
    tcase_add_test(tc, slab_blocks_never_overlap);
    tcase_add_test(tc, slab_pages_serve_other_classes_when_empty);
    tcase_add_test(tc, slab_class_is_the_smallest_that_fits);
    tcase_add_loop_test(tc, hash_index_equals_a_plain_list, 0, 4);
    tcase_add_test(tc, hash_index_growth_keeps_every_entry);
    tcase_add_test(tc, symbols_are_unique_and_keep_their_text);
    tcase_add_test(tc, released_symbols_make_room_for_others);
    tcase_add_test(tc, pair_collection_keeps_marked_and_touched_pairs);
    tcase_add_test(tc, alias_finds_what_was_put_and_sweeps_the_dead);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
