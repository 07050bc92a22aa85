/* SPDX-License-Identifier: Apache-2.0
 *
 * scrape_labels - the labels of a stored series from those of a line and of its target: merge,
 * metric relabelling, limits.
 */
#ifndef PHAROS_COLLECT_SCRAPE_SCRAPE_LABELS_H
#define PHAROS_COLLECT_SCRAPE_SCRAPE_LABELS_H

#include "collect/scrape/scrape_batch.h"

/* `b` holds the labels of the line and gets those of the target. */
void scrape_merge_labels(struct labels_builder *b, struct labels target, bool honor_labels);

/* Labels of the line `key`. ERR_OK; ERR_NOTFOUND: dropped by relabelling; ERR_INVALID and
 * ERR_LIMIT abort the scrape, with Prometheus' texts in detail. *out borrows b. */
CHECK_RESULT enum err_code scrape_line_labels(const struct scrape_scope *scope, struct bytes key,
                                              enum metric_type type, struct labels_builder *b,
                                              struct labels *out, struct err *err);

/* Labels of a report series: never relabelled. */
CHECK_RESULT enum err_code scrape_report_labels(const struct scrape_scope *scope, struct str name,
                                                struct labels_builder *b, struct labels *out,
                                                struct err *err);

#endif
