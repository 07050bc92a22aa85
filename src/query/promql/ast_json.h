/* SPDX-License-Identifier: Apache-2.0
 *
 * ast_json - a syntax tree as the JSON of /api/v1/parse_query.
 *
 * Source    spec: prometheus-http-api.md section 3. Members are in alphabetical order, as Go
 *           writes a map. Durations are milliseconds.
 * Failure   Sticky in the writer's buf.
 */
#ifndef PHAROS_QUERY_PROMQL_AST_JSON_H
#define PHAROS_QUERY_PROMQL_AST_JSON_H

#include "codec/json_write.h"
#include "query/promql/ast.h"

/* Write `e` as one JSON value. */
void promql_ast_json(struct json_writer *w, const struct promql_expr *e);

#endif
