/* SPDX-License-Identifier: Apache-2.0
 *
 * compare - does an answer of the engine meet the expectations of a test script? Sections 5 and 6 of the README beside
 * the vectors. Every function returns true when it does, else it writes why into `why`.
 */
#ifndef PHAROS_TESTS_CONFORMANCE_COMPARE_H
#define PHAROS_TESTS_CONFORMANCE_COMPARE_H

#include "os/mem.h"
#include "query/promql/engine.h"
#include "test_script.h"

#define WHY_SIZE 1024

struct why {
    char text[WHY_SIZE];
};

/* util/almost with epsilon 1e-6: relative, NaN equal to NaN, stale markers only to themselves. */
bool almost_equal(double actual, double expected);
bool compare_failure(const struct command *c, struct mem_budget *mem, enum err_code rc,
                     const struct err *err, struct why *why);
bool compare_annotations(const struct command *c, struct mem_budget *mem,
                         const struct promql_result *r, struct why *why);
/* The answer of an instant query. */
bool compare_instant(const struct command *c, const struct promql_result *r, struct why *why);
/* The answer of the range query of a range eval. */
bool compare_range(const struct command *c, const struct promql_result *r, struct why *why);
/* The step at `ts_ms` of a range answer against an instant eval. */
bool compare_step(const struct command *c, const struct promql_result *r, int64_t ts_ms,
                  struct why *why);

#endif
