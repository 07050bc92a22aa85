/* SPDX-License-Identifier: Apache-2.0
 *
 * exposition_write - Prometheus text 0.0.4 and OpenMetrics 1.0, out: own metrics and federation.
 *
 * The caller writes families one after another: a head, then its samples. Texts are escaped here.
 * Failure   The buffer's sticky flag.
 */
#ifndef PHAROS_FORMATS_EXPOSITION_WRITE_H
#define PHAROS_FORMATS_EXPOSITION_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/stats.h"
#include "formats/exposition.h"
#include "model/labels.h"
#include "model/metadata.h"

/* # HELP (when not empty) and # TYPE. In OpenMetrics a counter's family name loses "_total". */
void exposition_write_family(struct buf *out, enum exposition_format format, struct str name,
                             enum metric_type type, struct str help);
/* name{labels} value [ts]; `labels` without __name__ (it is skipped when present). */
struct exposition_sample {
    struct str name;
    struct labels labels;
    double value;
    int64_t ts_ms;
    bool has_ts;
};
void exposition_write_sample(struct buf *out, enum exposition_format format,
                             const struct exposition_sample *s);
/* "# EOF" in OpenMetrics, nothing in text. */
void exposition_write_end(struct buf *out, enum exposition_format format);

/* All rows of the tables; consecutive rows of one name make one family. */
void exposition_write_stats(struct buf *out, enum exposition_format format,
                            const struct stat_table *tables, size_t table_count);

/* The dialect that an Accept header asks for, and its Content-Type. */
enum exposition_format exposition_negotiate(struct str accept);
struct str exposition_content_type(enum exposition_format format);

#endif
