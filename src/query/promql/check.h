/* SPDX-License-Identifier: Apache-2.0
 *
 * check - the meaning of a parsed tree: types of operands and arguments, numbers of arguments,
 * rules of vector matching and of selectors. Part of promql_parse.
 *
 * Order   Children before their parent, in written order, as Prometheus' checkAST; the first
 *         violation is the error.
 */
#ifndef PHAROS_QUERY_PROMQL_CHECK_H
#define PHAROS_QUERY_PROMQL_CHECK_H

#include "base/err.h"
#include "query/promql/ast.h"

/* Also completes the tree: has_matching, and many-to-many for set operators. */
CHECK_RESULT enum err_code promql_check(struct promql_expr *e, struct str input, struct err *err);

/* Fill *err with "LINE:COL: parse error: MESSAGE" (and the offset), return `code`. */
enum err_code promql_error_at(struct str input, uint32_t at, enum err_code code,
                              const char *message, struct err *err);

#endif
