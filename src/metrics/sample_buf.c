/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/sample_buf.h"

#include <string.h>

#include "base/assert.h"

/* One block holds both columns, so that they grow together or not at all. */
#define ROW_SIZE (sizeof(int64_t) + sizeof(double))
#define ROWS_MAX (SIZE_MAX / ROW_SIZE / 4)

void sample_buf_init(struct sample_buf *b, const struct mem_source *mem)
{
    *b = (struct sample_buf){ .mem = mem };
}

void sample_buf_deinit(struct sample_buf *b)
{
    if (b->cols.ts_ms)
        b->mem->free(b->mem->ctx, b->cols.ts_ms, (b->cols.cap + SAMPLE_BUF_SLACK) * ROW_SIZE);
    *b = (struct sample_buf){ 0 };
}

enum err_code sample_buf_reserve(struct sample_buf *b, size_t more, struct err *err)
{
    struct sample_columns *c = &b->cols;
    ASSERT(c->count <= c->cap);
    if (more <= c->cap - c->count) return ERR_OK;
    if (more > ROWS_MAX - c->count) return err_set(err, ERR_NOMEM, "too many samples of a series");
    size_t cap = c->cap < 1024 ? 1024 : c->cap * 2;
    if (cap < c->count + more) cap = c->count + more;
    int64_t *ts_ms = b->mem->alloc(b->mem->ctx, (cap + SAMPLE_BUF_SLACK) * ROW_SIZE);
    if (!ts_ms) return err_set(err, ERR_NOMEM, "no memory for samples");
    double *value = (double *)(ts_ms + cap + SAMPLE_BUF_SLACK);
    if (c->count > 0) {
        memcpy(ts_ms, c->ts_ms, c->count * sizeof *ts_ms);
        memcpy(value, c->value, c->count * sizeof *value);
    }
    size_t count = c->count;
    const struct mem_source *mem = b->mem;
    sample_buf_deinit(b);
    *b = (struct sample_buf){ { ts_ms, value, NULL, count, cap }, mem };
    return ERR_OK;
}
