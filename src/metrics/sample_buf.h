/* SPDX-License-Identifier: Apache-2.0
 *
 * sample_buf - growable sample columns: where head and blocks decode to. One owner; reused from
 * series to series, so that reading allocates only while it meets longer series than before.
 */
#ifndef PHAROS_METRICS_SAMPLE_BUF_H
#define PHAROS_METRICS_SAMPLE_BUF_H

#include <stddef.h>

#include "base/err.h"
#include "base/mem_source.h"
#include "model/sample.h"

/* Decoders may write (not count) this many samples beyond the ones they deliver. */
#define SAMPLE_BUF_SLACK 16

struct sample_buf {
    struct sample_columns cols; /* h stays NULL until native histograms are stored */
    const struct mem_source *mem;
};

void sample_buf_init(struct sample_buf *b, const struct mem_source *mem);
void sample_buf_deinit(struct sample_buf *b);
static inline void sample_buf_reset(struct sample_buf *b)
{
    b->cols.count = 0;
}
/* Room for `more` samples beyond count, plus slack. Content is kept; ERR_NOMEM leaves the buffer as
 * it was. */
CHECK_RESULT enum err_code sample_buf_reserve(struct sample_buf *b, size_t more, struct err *err);

#endif
