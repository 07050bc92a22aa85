/* SPDX-License-Identifier: Apache-2.0
 *
 * engine_fixture - an engine over a store of plain arrays, and short ways to ask it.
 */
#ifndef PHAROS_TESTS_PROMQL_ENGINE_FIXTURE_H
#define PHAROS_TESTS_PROMQL_ENGINE_FIXTURE_H

#include <check.h>

#include "memory_source.h"
#include "query/promql/engine.h"

struct engine_fixture {
    struct mem_budget *mem;
    struct memory_source memory;
    struct promql_engine_options options; /* change, then fixture_restart */
    struct promql_engine *engine;
    struct arena arena; /* of the last answer */
    struct promql_result result;
    struct promql_statistics stats;
    struct err err;
};

/* An engine with one worker and an empty store. */
void fixture_open(struct engine_fixture *f);
/* A new engine with f->options. */
void fixture_restart(struct engine_fixture *f);
/* Everything must have been given back. */
void fixture_close(struct engine_fixture *f);

/* `name{label="value"}` with one sample every 15 s from 0 on. */
void fixture_load(struct engine_fixture *f, const char *series, const double *values, size_t count);
/* `series` counters m_total{i, g, job} with irregular times and some resets, `samples` each, about 15 s apart. */
void fixture_load_fleet(struct engine_fixture *f, size_t series, size_t samples);

enum err_code fixture_ask(struct engine_fixture *f, const struct promql_query *q);
/* These must succeed. */
const struct promql_result *fixture_instant(struct engine_fixture *f, const char *text,
                                            int64_t ts_ms);
const struct promql_result *fixture_range(struct engine_fixture *f, const char *text,
                                          int64_t start_ms, int64_t end_ms, int64_t step_ms);
/* These must fail with that text. */
void fixture_expect_error(struct engine_fixture *f, const struct promql_query *q,
                          enum err_code code, const char *text);
/* The series of the last answer as "name{...} value@ts ..." lines, in its order. */
const char *fixture_text(struct engine_fixture *f);

#endif
