/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/bitpack.h"

#include <check.h>
#include <stdlib.h>

#include "base/rng.h"
#include "os/mem.h"

#define COUNT_MAX 300

static struct mem_budget *mem;
static struct buf packed;

static void setup(void)
{
    mem = mem_budget_create(64u << 20);
    buf_init(&packed, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
}

static void teardown(void)
{
    buf_deinit(&packed);
    mem_budget_destroy(mem);
}

/* _i is the width. */
START_TEST(every_width_and_count_round_trips)
{
    unsigned w = (unsigned)_i;
    struct rng r;
    rng_init(&r, w);
    uint64_t in[COUNT_MAX], out[COUNT_MAX + 8];
    for (size_t count = 0; count < COUNT_MAX; count++) {
        for (size_t i = 0; i < count; i++)
            in[i] = w == 0 ? 0 : rng_u64(&r) >> (64 - w);
        buf_reset(&packed);
        buf_put_lit(&packed, "x");
        bitpack_put(&packed, in, count, w);
        ck_assert_uint_eq(packed.len, 1 + bitpack_size(count, w));
        buf_put_u64le(&packed, UINT64_MAX); /* slack: its content must not matter */
        ck_assert(!buf_failed(&packed));
        bitpack_get(packed.ptr + 1, count, w, out);
        ck_assert_mem_eq(out, in, count * sizeof *in);
    }
}
END_TEST

START_TEST(first_value_stands_in_the_low_bits)
{
    static const uint64_t in[] = { 1, 4, 0, 2, 1 };
    bitpack_put(&packed, in, 5, 3);
    static const uint8_t expected[] = { 0x21, 0x14 };
    ck_assert_uint_eq(packed.len, 2);
    ck_assert_mem_eq(packed.ptr, expected, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bitpack");
    TCase *tc = tcase_create("bitpack");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, every_width_and_count_round_trips, 0, BITPACK_WIDTH_MAX + 1);
    tcase_add_test(tc, first_value_stands_in_the_low_bits);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
