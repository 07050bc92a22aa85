/* SPDX-License-Identifier: Apache-2.0
 *
 * literal - the values of string, number and duration tokens.
 */
#ifndef PHAROS_QUERY_PROMQL_LITERAL_H
#define PHAROS_QUERY_PROMQL_LITERAL_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* A string token without its quotes and with its escapes resolved, copied into `a`. The lexer has
 * checked it. ERR_NOMEM. */
CHECK_RESULT enum err_code promql_unquote(struct str token, struct arena *a, struct str *out,
                                          struct err *err);

/* A number token: an integer in Go's notation (0x1f, 0755 octal, 1_000), else a float. ERR_INVALID
 * with Prometheus' text in err->detail. */
CHECK_RESULT enum err_code promql_number_value(struct str token, double *out, struct err *err);

/* A duration token in seconds. ERR_INVALID with Prometheus' text in err->detail. */
CHECK_RESULT enum err_code promql_duration_value(struct str token, double *out, struct err *err);

#endif
