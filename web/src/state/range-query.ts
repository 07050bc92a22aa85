/* SPDX-License-Identifier: Apache-2.0
 *
 * range-query - the queries of one chart over a span, on one axis of time.
 *
 * The steps lie on multiples of their length, so the last of them is up to a step before the end. When
 * nothing is found there, what there is may be younger than that: over a day, a server that started two
 * minutes ago. The queries are then asked once more with steps that end where the span ends, so that
 * "no data" is never said of data that just arrived.
 */
import type { Answer } from '../api/http';
import { queryRange, type MatrixResult } from '../api/prometheus';
import { alignSpan, countFromEnd, type Span } from './time';

export interface Axis {
  startMs: number;
  endMs: number;
  stepMs: number;
}

export interface RangeAnswers {
  axis: Axis;
  /** One per query, in their order. */
  answers: Array<Answer<MatrixResult>>;
}

export async function queryRanges(
  exprs: readonly string[],
  span: Span,
  stepMs: number,
  signal: AbortSignal,
  wantsStats = false,
): Promise<RangeAnswers> {
  const ask = async ({ fromMs, toMs }: Span): Promise<RangeAnswers> => {
    const axis = { startMs: fromMs, endMs: toMs, stepMs };
    const asked = exprs.map((expr) => queryRange(expr, axis, signal, wantsStats));
    return { axis, answers: await Promise.all(asked) };
  };
  const aligned = alignSpan(span, stepMs);
  const found = await ask(aligned);
  const isEmpty = found.answers.every((answer) => answer.data.result.length === 0);
  if (!isEmpty || aligned.toMs >= span.toMs) return found;
  // The empty answer is a valid one: it stands when the second look fails.
  return ask(countFromEnd(span, stepMs)).catch(() => found);
}
