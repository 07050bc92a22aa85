/* SPDX-License-Identifier: Apache-2.0
 *
 * ParseError - the query with carets under the place that the server complains about.
 */
import type { ApiError } from '../../api/http';
import { caretLines, findErrorSpan } from '../../lang/promql/position';

export function ParseError({ error, expr }: { error: ApiError; expr: string }) {
  const span = findErrorSpan(error.message, expr);
  if (span === null) return null;
  return (
    <div class="parse-error">
      <p>
        Line {span.line}, column {span.column}
      </p>
      <pre>{caretLines(expr, span)}</pre>
    </div>
  );
}
