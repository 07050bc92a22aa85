/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks of the head: any bytes are safe, and the two decoders agree. hx_decode reads most samples by
 * a fast loop, hx_resume all of them one by one: they accept the same chunks and end at the same
 * sample. Times ascend.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/num.h"
#include "metrics/hx/hx.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int is_true)
{
    if (!is_true) abort();
}

static void compare(struct bytes chunk, struct sample_buf *all)
{
    struct hx_state state;
    struct err err = { 0 };
    uint64_t last_bits;
    enum err_code decoded = hx_decode(chunk, INT64_MIN, INT64_MAX, all, &err);
    enum err_code resumed = hx_resume(chunk, &state, &last_bits, &err);
    if (decoded != ERR_OK || all->cols.count == 0) {
        check(resumed != ERR_OK);
        return;
    }
    size_t n = all->cols.count;
    check(resumed == ERR_OK && state.count == n);
    check(all->cols.ts_ms[n - 1] == state.last_t);
    check(bits_of_double(all->cols.value[n - 1]) == last_bits);
    for (size_t i = 1; i < n; i++)
        check(all->cols.ts_ms[i - 1] < all->cols.ts_ms[i]);
}

/* A range gives what it would leave of the whole. */
static void compare_range(struct bytes chunk, const struct sample_buf *all, struct sample_buf *part)
{
    size_t n = all->cols.count;
    struct err err = { 0 };
    if (n < 4) return;
    int64_t mint = all->cols.ts_ms[n / 4];
    int64_t maxt = all->cols.ts_ms[n - 1 - n / 4];
    check(hx_decode(chunk, mint, maxt, part, &err) == ERR_OK);
    check(part->cols.count == n - 2 * (n / 4));
    check(part->cols.ts_ms[0] == mint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mem_budget *mem = mem_budget_create((uint64_t)64 << 20);
    struct sample_buf all;
    struct sample_buf part;
    if (mem == NULL) return 0;
    sample_buf_init(&all, mem_source_of(mem, MEM_QUERY));
    sample_buf_init(&part, mem_source_of(mem, MEM_QUERY));
    compare((struct bytes){ data, size }, &all);
    compare_range((struct bytes){ data, size }, &all, &part);
    sample_buf_deinit(&all);
    sample_buf_deinit(&part);
    mem_budget_destroy(mem);
    return 0;
}
