/* SPDX-License-Identifier: Apache-2.0 */
import { describe, expect, it } from 'vitest';
import {
  POINTS_MAX,
  absoluteRange,
  alignSpan,
  chooseStep,
  countFromEnd,
  formatDuration,
  liveRange,
  parseDuration,
  readTyped,
  resolveRange,
  resolveTime,
  scaleRange,
  shiftRange,
} from '../../src/state/time';

const NOW = 1_795_557_732_791;

describe('durations', () => {
  it.each([
    ['1h30m', 5_400_000],
    ['45s', 45_000],
    ['1.5h', 5_400_000],
    ['250ms', 250],
    ['2w', 1_209_600_000],
    ['90', 90_000],
    ['0.5', 500],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', 'h', '5', 'abc', '5 m', '1h-3m', '5q'].filter((t) => t !== '5'))(
    'refuses "%s"',
    (text) => {
      expect(parseDuration(text)).toBeNull();
    },
  );

  it('writes the shortest exact form', () => {
    expect(formatDuration(0)).toBe('0s');
    expect(formatDuration(5_400_000)).toBe('1h30m');
    expect(formatDuration(8 * 86_400_000)).toBe('8d');
    expect(formatDuration(7 * 86_400_000)).toBe('1w');
    expect(formatDuration(1_250)).toBe('1s250ms');
  });

  it('reads back whatever it writes', () => {
    for (let i = 0; i < 2000; i += 1) {
      const ms = Math.floor(Math.random() * 10 ** (1 + Math.random() * 11));
      expect(parseDuration(formatDuration(ms))).toBe(ms);
    }
  });
});

describe('ends of a range', () => {
  it('resolves now, distances and epoch milliseconds', () => {
    expect(resolveTime('now', NOW)).toBe(NOW);
    expect(resolveTime('now-1h', NOW)).toBe(NOW - 3_600_000);
    expect(resolveTime('now+5m', NOW)).toBe(NOW + 300_000);
    expect(resolveTime('1795557732791', NOW)).toBe(1_795_557_732_791);
    expect(resolveTime('yesterday', NOW)).toBeNull();
    expect(resolveTime('now-', NOW)).toBeNull();
    expect(resolveTime('12', NOW)).toBeNull();
  });

  it('takes what a person types', () => {
    expect(readTyped('now-3h', true)).toBe('now-3h');
    expect(readTyped('2026-03-01 14:00', true)).toBe(String(Date.UTC(2026, 2, 1, 14)));
    expect(readTyped('2026-03-01', true)).toBe(String(Date.UTC(2026, 2, 1)));
    expect(readTyped('2026-03-01T14:00:05+02:00', false)).toBe(
      String(Date.UTC(2026, 2, 1, 12, 0, 5)),
    );
    expect(readTyped('03/01/2026', true)).toBeNull();
    expect(readTyped('2026-13-41', true)).toBeNull();
  });

  it('never yields a range that ends before it starts', () => {
    const span = resolveRange({ from: 'now', to: 'now-1h' }, NOW);
    expect(span.fromMs).toBeLessThan(span.toMs);
    expect(resolveRange({ from: '?', to: '?' }, NOW)).toEqual({
      fromMs: NOW - 3_600_000,
      toMs: NOW,
    });
  });
});

describe('moving a range', () => {
  const hour = { from: 'now-1h', to: 'now' };

  it('shifts by half its length and becomes absolute', () => {
    expect(shiftRange(hour, -0.5, NOW)).toEqual(
      absoluteRange({ fromMs: NOW - 5_400_000, toMs: NOW - 1_800_000 }),
    );
  });

  it('scales a live range from its end, a fixed one around its middle', () => {
    expect(scaleRange(hour, 2, NOW)).toEqual({ from: 'now-2h', to: 'now' });
    const fixed = absoluteRange({ fromMs: NOW - 2_000_000, toMs: NOW });
    const { fromMs, toMs } = resolveRange(scaleRange(fixed, 0.5, NOW), NOW);
    expect(toMs - fromMs).toBe(1_000_000);
    expect((toMs + fromMs) / 2).toBe(NOW - 1_000_000);
  });

  it('comes back to now with the same length', () => {
    const fixed = absoluteRange({ fromMs: NOW - 9_000_000, toMs: NOW - 1_800_000 });
    expect(liveRange(fixed, NOW)).toEqual({ from: 'now-2h', to: 'now' });
  });
});

describe('step', () => {
  it('takes a nice number of at most one point per two pixels', () => {
    expect(chooseStep(3_600_000, 720)).toBe(10_000);
    expect(chooseStep(3_600_000, 720, true)).toBe(5_000);
    expect(chooseStep(900_000, 400)).toBe(5_000);
    expect(chooseStep(60_000, 2000)).toBe(1_000);
  });

  it('keeps every promise for any range and width', () => {
    for (let i = 0; i < 5000; i += 1) {
      const span = 1000 + Math.random() * 10 ** (3 + Math.random() * 10);
      const px = Math.floor(50 + Math.random() * 40_000);
      const step = chooseStep(span, px, i % 2 === 0);
      expect(step).toBeGreaterThanOrEqual(1000);
      expect(step % 1000).toBe(0);
      expect(span / step).toBeLessThanOrEqual(POINTS_MAX);
      expect(span / step).toBeLessThanOrEqual(Math.max(1, i % 2 === 0 ? px : px / 2) + 1e-6);
    }
  });

  it('aligns both ends inwards', () => {
    expect(alignSpan({ fromMs: 1001, toMs: 9999 }, 5000)).toEqual({ fromMs: 5000, toMs: 5000 });
  });

  it('never asks for a start after the end, however long the step', () => {
    const span = { fromMs: 3_600_001, toMs: 7_199_999 };
    expect(alignSpan(span, 3_600_000)).toEqual({ fromMs: 7_199_999, toMs: 7_199_999 });
  });

  it('counts steps back from the end', () => {
    expect(countFromEnd({ fromMs: 1000, toMs: 12_500 }, 5000)).toEqual({
      fromMs: 2500,
      toMs: 12_500,
    });
  });
});
