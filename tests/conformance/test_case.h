/* SPDX-License-Identifier: Apache-2.0
 *
 * test_case - one eval of a test script in all its forms (README beside the vectors, section 7): as written, with
 * ` @ <time>` on every selector at five other times, and each of these as a range query of three steps.
 */
#ifndef PHAROS_TESTS_CONFORMANCE_TEST_CASE_H
#define PHAROS_TESTS_CONFORMANCE_TEST_CASE_H

#include "compare.h"

/* True when every form meets the expectations. Else why->text names the first that does not. */
bool test_case_passes(struct promql_engine *engine, struct mem_budget *mem, const struct command *c,
                      struct why *why);

#endif
