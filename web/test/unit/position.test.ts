/* SPDX-License-Identifier: Apache-2.0 */
import { describe, expect, it } from 'vitest';
import { caretLines, findErrorSpan } from '../../src/lang/promql/position';

const message = (line: number, column: number): string =>
  `invalid parameter "query": ${line}:${column}: parse error: something`;

describe('place of a parse error', () => {
  it('is the word at that column', () => {
    expect(findErrorSpan(message(1, 5), 'sum xyz(a)')).toEqual({
      line: 1,
      column: 5,
      from: 4,
      to: 7,
    });
  });

  it('is the last character when the text ends too soon', () => {
    expect(findErrorSpan(message(1, 7), 'sum(up')).toMatchObject({ from: 5, to: 6 });
    expect(findErrorSpan(message(1, 40), 'sum(up')).toMatchObject({ from: 5, to: 6 });
  });

  it('counts lines from one and columns in bytes', () => {
    expect(findErrorSpan(message(2, 3), 'sum(\n  bad bad)')).toMatchObject({ from: 7, to: 10 });
    /* µ has two bytes, the tower four (and two UTF-16 units). */
    expect(findErrorSpan(message(1, 12), '"µ🗼" + ]')).toMatchObject({ from: 8, to: 9 });
  });

  it('is nowhere when the message names no place', () => {
    expect(findErrorSpan('query timed out', 'up')).toBeNull();
    expect(findErrorSpan(message(3, 1), 'up')).toBeNull();
  });

  it('never leaves the text', () => {
    for (let column = 1; column < 30; column += 1) {
      const span = findErrorSpan(message(1, column), 'a b  {x="y"}[');
      expect(span).not.toBeNull();
      expect(span?.from).toBeGreaterThanOrEqual(0);
      expect(span?.to).toBeGreaterThan(span?.from ?? 99);
      expect(span?.to).toBeLessThanOrEqual(13);
    }
  });

  it('handles an empty query', () => {
    expect(findErrorSpan(message(1, 1), '')).toMatchObject({ from: 0, to: 0 });
  });
});

describe('carets', () => {
  it('stand under the place', () => {
    const expr = 'sum(\n\tbad bad)';
    const span = findErrorSpan(message(2, 6), expr);
    expect(span).not.toBeNull();
    if (span !== null) expect(caretLines(expr, span)).toBe('\tbad bad)\n\t    ^^^');
  });
});
