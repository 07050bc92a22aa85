/* SPDX-License-Identifier: Apache-2.0
 *
 * memory_source - a store of a few series in plain arrays, behind model/source.h: what the conformance
 * vectors are loaded into, and the naive side of comparisons.
 */
#ifndef PHAROS_TESTS_CONFORMANCE_MEMORY_SOURCE_H
#define PHAROS_TESTS_CONFORMANCE_MEMORY_SOURCE_H

#include "model/source.h"

struct memory_series {
    struct labels labels;
    int64_t *ts_ms;
    double *value;
    bool *is_histogram; /* [count]: a native histogram, of which only the existence is known */
    size_t count, cap;
};

struct memory_source {
    struct arena arena; /* labels */
    struct memory_series *series;
    size_t count, cap;
};

void memory_source_init(struct memory_source *m, struct mem_budget *mem);
void memory_source_deinit(struct memory_source *m);
/* Forget everything. */
void memory_source_clear(struct memory_source *m);
/* The series of these labels, made when absent; labels are copied. */
struct memory_series *memory_source_series(struct memory_source *m, struct labels labels);
/* What the series has at ts_ms and later is replaced. */
void memory_series_add(struct memory_series *s, int64_t ts_ms, double value);
void memory_series_add_histogram(struct memory_series *s, int64_t ts_ms);
struct source memory_source_of(struct memory_source *m);

#endif
