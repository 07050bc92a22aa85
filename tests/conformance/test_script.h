/* SPDX-License-Identifier: Apache-2.0
 *
 * test_script - a .test file of the PromQL conformance vectors as commands.
 *
 * Format    the README beside the vectors (sections 2 to 5): blocks of lines; clear, load, eval instant, eval
 *           range, with expectations. Native histograms and start timestamps are recognised and marked, not read.
 */
#ifndef PHAROS_TESTS_CONFORMANCE_TEST_SCRIPT_H
#define PHAROS_TESTS_CONFORMANCE_TEST_SCRIPT_H

#include "base/arena.h"
#include "base/err.h"
#include "model/labels.h"

enum item_kind { ITEM_NONE, ITEM_FLOAT, ITEM_HISTOGRAM };

struct series_values {
    struct labels labels;
    enum item_kind *kinds; /* [count], by position */
    double *values;
    size_t count;
};

enum expectation_kind { EXPECT_FAIL, EXPECT_WARN, EXPECT_NO_WARN, EXPECT_INFO, EXPECT_NO_INFO };

struct expectation {
    enum expectation_kind kind;
    struct str text; /* empty: any */
    bool is_regex;
};

enum command_kind { COMMAND_CLEAR, COMMAND_LOAD, COMMAND_EVAL };

struct command {
    enum command_kind kind;
    unsigned line; /* 1-based, of the first line */
    /* load */
    int64_t step_ms;
    bool with_nhcb, has_start_times;
    struct series_values *series; /* of a load, or the expected series of an eval */
    size_t series_count;
    /* eval */
    bool is_range, is_ordered, has_scalar, has_string, expects_range_vector;
    int64_t start_ms, end_ms; /* instant: both the time */
    int64_t vector_start_ms, vector_step_ms;
    struct str expr, string;
    double scalar;
    struct expectation *expectations;
    size_t expectation_count;
};

struct script {
    struct command *commands;
    size_t count;
};

/* Everything in `a`. ERR_INVALID with the line in detail. */
CHECK_RESULT enum err_code script_parse(struct str text, struct arena *a, struct script *out,
                                        struct err *err);

#endif
