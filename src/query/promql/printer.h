/* SPDX-License-Identifier: Apache-2.0
 *
 * printer - a syntax tree as text: canonical (one line) and pretty (/api/v1/format_query).
 *
 * Canonical text is what Prometheus' Expr.String() gives: blanks around binary operators, matchers
 * sorted and joined by ',', strings in double quotes, durations in their shortest form, numbers
 * without exponent, modifiers in the order range, anchored/smoothed, @, offset. Parsing it gives
 * an equal tree (promql_expr_equal).
 * Pretty text is what its Prettify() gives: a node longer than 100 bytes is split over lines, two
 * blanks per level. Sources: promql/parser/printer.go, prettier.go.
 *
 * Step-invariant wrappers print as what they wrap.
 * Failure   Sticky in the buf.
 */
#ifndef PHAROS_QUERY_PROMQL_PRINTER_H
#define PHAROS_QUERY_PROMQL_PRINTER_H

#include "base/buf.h"
#include "query/promql/ast.h"

void promql_print(struct buf *out, const struct promql_expr *e);
void promql_print_pretty(struct buf *out, const struct promql_expr *e);

#endif
