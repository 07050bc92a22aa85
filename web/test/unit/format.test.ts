/* SPDX-License-Identifier: Apache-2.0 */
import { describe, expect, it } from 'vitest';
import {
  axisTimeLabels,
  formatAge,
  formatBytes,
  formatCount,
  formatPlain,
  formatSeconds,
  formatTime,
  formatTimeWithOffset,
  formatValue,
  guessUnit,
} from '../../src/viz/format';

describe('numbers', () => {
  it.each([
    [0, '0'],
    [1, '1'],
    [1.5, '1.5'],
    [0.1 + 0.2, '0.3'],
    [1234.5678, '1235'],
    [0.00012346, '0.0001235'],
    [-2.25, '-2.25'],
    [100, '100'],
    [1e-9, '1.00e-9'],
    [1e21, '1.00e+21'],
  ])('%d is %s', (value, text) => {
    expect(formatPlain(value)).toBe(text);
  });

  it('keeps NaN and infinities', () => {
    expect(formatValue(NaN, 'bytes')).toBe('NaN');
    expect(formatValue(Infinity, 'none')).toBe('+Inf');
    expect(formatValue(-Infinity, 'seconds')).toBe('-Inf');
  });

  it.each([
    [512, '512 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [26_843_545_600, '25 GiB'],
    [-2048, '-2 KiB'],
  ])('%d bytes are %s', (value, text) => {
    expect(formatBytes(value)).toBe(text);
  });

  it.each([
    [0, '0 s'],
    [0.0000031, '3.1 µs'],
    [0.0031, '3.1 ms'],
    [2.5, '2.5 s'],
    [5400, '90 min'],
    [86_400, '24 h'],
    [864_000, '10 d'],
  ])('%d s is %s', (value, text) => {
    expect(formatSeconds(value)).toBe(text);
  });

  it('scales by unit', () => {
    expect(formatValue(0.1234, 'ratio')).toBe('12.34 %');
    expect(formatValue(12_345, 'none')).toBe('12.35 k');
    expect(formatValue(2_500_000, 'per second')).toBe('2.5 M/s');
    expect(formatValue(2048, 'bytes/s')).toBe('2 KiB/s');
    expect(formatCount(1_234_567)).toBe('1\u202f234\u202f567');
    expect(formatCount(999)).toBe('999');
  });
});

describe('times', () => {
  const t = Date.UTC(2026, 2, 1, 14, 5, 9);
  it('are in ISO order and say their offset', () => {
    expect(formatTime(t, true)).toBe('2026-03-01 14:05:09');
    expect(formatTime(t + 250, true)).toBe('2026-03-01 14:05:09.250');
    expect(formatTimeWithOffset(t, true)).toBe('2026-03-01 14:05:09 UTC');
    expect(formatTimeWithOffset(t, false)).toMatch(/ [+-]\d\d:\d\d$/);
  });

  it('ages read naturally', () => {
    expect(formatAge(4_700)).toBe('4 s');
    expect(formatAge(59_999)).toBe('59 s');
    expect(formatAge(125 * 60_000)).toBe('2 h 5 min');
    expect(formatAge(4 * 86_400_000 + 3 * 3_600_000)).toBe('4 d 3 h');
    expect(formatAge(-5)).toBe('0 s');
  });

  it('an axis names the day only where it matters', () => {
    const midnight = Date.UTC(2026, 2, 2) / 1000;
    const splits = [midnight - 3600, midnight, midnight + 3600];
    const today = (midnight + 7200) * 1000;
    expect(axisTimeLabels(splits, 3600, true, today)).toEqual([
      '23:00\n03-01',
      '00:00\n03-02',
      '01:00',
    ]);
    expect(axisTimeLabels(splits.slice(1), 3600, true, today)).toEqual(['00:00', '01:00']);
    expect(axisTimeLabels([midnight + 5], 5, true, today)).toEqual(['00:00:05']);
    expect(axisTimeLabels(splits, 86_400, true, today)).toEqual(['03-01', '03-02', '03-02']);
  });
});

describe('unit of a query', () => {
  it.each([
    ['process_resident_memory_bytes', 'bytes'],
    ['rate(node_disk_read_bytes_total[1m])', 'bytes/s'],
    ['sum by (job) (rate(http_requests_total[5m]))', 'per second'],
    ['scrape_duration_seconds', 'seconds'],
    ['histogram_quantile(0.9, sum by (le) (rate(x_duration_seconds_bucket[5m])))', 'seconds'],
    ['rate(node_cpu_seconds_total[1m])', 'none'],
    ['node_filesystem_avail_bytes / node_filesystem_size_bytes', 'none'],
    ['count(node_memory_MemFree_bytes)', 'none'],
    ['time() - process_start_time_seconds', 'seconds'],
    ['process_start_time_seconds', 'none'],
    ['up', 'none'],
    ['x{name="a_bytes"}', 'none'],
  ])('%s -> %s', (expr, unit) => {
    expect(guessUnit(expr)).toBe(unit);
  });
});
