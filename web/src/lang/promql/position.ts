/* SPDX-License-Identifier: Apache-2.0
 *
 * position - where in a query an error is. The server writes `line:column: parse error`, both from 1,
 * columns in bytes of UTF-8.
 */

export interface ErrorSpan {
  line: number;
  column: number;
  /** Offsets in UTF-16 units, as the editor counts; from < to unless the query is empty. */
  from: number;
  to: number;
}

const encoder = new TextEncoder();

/** UTF-16 offset in `text` of the byte offset `bytes`, at most the end. */
function unitsOfBytes(text: string, bytes: number): number {
  let left = bytes;
  let units = 0;
  for (const char of text) {
    if (left <= 0) break;
    left -= encoder.encode(char).length;
    units += char.length;
  }
  return units;
}

export function findErrorSpan(message: string, expr: string): ErrorSpan | null {
  const match = /(?:^|[\s"])(\d+):(\d+): parse error/.exec(message);
  if (match === null) return null;
  const line = Number(match[1]);
  const column = Number(match[2]);
  const lines = expr.split('\n');
  const text = lines[line - 1];
  if (text === undefined || column < 1) return null;
  const lineStart = lines.slice(0, line - 1).reduce((sum, l) => sum + l.length + 1, 0);
  let from = lineStart + unitsOfBytes(text, column - 1);
  const rest = expr.slice(from);
  const word = /^[A-Za-z0-9_:]+|^"[^"]*"?|^[^\sA-Za-z0-9_]/.exec(rest);
  let to = from + (word?.[0].length ?? 0);
  if (to === from) {
    /* At the end or on a blank: mark the character before. */
    from = Math.max(0, Math.min(from, expr.length) - 1);
    to = Math.min(expr.length, from + 1);
  }
  return { line, column, from, to };
}

/** The line with the error and a row of carets under it, for a monospaced font. */
export function caretLines(expr: string, span: ErrorSpan): string {
  const lineStart = expr.lastIndexOf('\n', span.from - 1) + 1;
  const lineEnd = expr.indexOf('\n', span.from);
  const line = expr.slice(lineStart, lineEnd < 0 ? undefined : lineEnd);
  const before = line.slice(0, span.from - lineStart).replace(/[^\t]/g, ' ');
  const width = Math.max(1, Math.min(span.to, lineStart + line.length) - span.from);
  return `${line}\n${before}${'^'.repeat(width)}`;
}
