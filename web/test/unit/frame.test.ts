/* SPDX-License-Identifier: Apache-2.0 */
import { describe, expect, it } from 'vitest';
import type { MatrixSeries } from '../../src/api/prometheus';
import {
  BAND_THRESHOLD,
  DRAWN_SERIES,
  commonLabels,
  frameOfMatrix,
  parseSample,
  splitCrowd,
  stackValues,
  statsOf,
} from '../../src/viz/frame';

const SPAN = { startMs: 100_000, endMs: 140_000, stepMs: 10_000 };
const VIEW = { fromMs: 95_000, toMs: 145_000 };

describe('a range answer as a frame', () => {
  it('keeps gaps as gaps and puts points where they belong', () => {
    const matrix: MatrixSeries[] = [
      {
        metric: { __name__: 'a' },
        values: [
          [100, '1'],
          [120, '2.5'],
          [140, '1e+03'],
        ],
      },
    ];
    const frame = frameOfMatrix(matrix, SPAN, VIEW);
    expect(frame.times).toEqual([100, 110, 120, 130, 140]);
    expect(frame.series[0]?.values).toEqual([1, null, 2.5, null, 1000]);
    expect(frame.fromMs).toBe(95_000);
  });

  it('counts what cannot be drawn and drops points outside', () => {
    const matrix: MatrixSeries[] = [
      {
        metric: {},
        values: [
          [90, '7'],
          [100, 'NaN'],
          [110, '+Inf'],
          [120, '-Inf'],
          [130, '4'],
        ],
      },
    ];
    const frame = frameOfMatrix(matrix, SPAN, VIEW);
    expect(frame.series[0]?.values).toEqual([null, null, null, 4, null]);
    expect(frame.oddCount).toBe(3);
  });

  it('counts series of native histograms instead of drawing them', () => {
    const matrix: MatrixSeries[] = [
      { metric: { a: 'b' }, histograms: [[100, { count: '1', sum: '2' }]] },
    ];
    const frame = frameOfMatrix(matrix, SPAN, VIEW);
    expect(frame.series).toEqual([]);
    expect(frame.histogramCount).toBe(1);
  });

  it('has an axis without points for an empty range', () => {
    expect(frameOfMatrix([], { ...SPAN, endMs: 90_000 }, VIEW).times).toEqual([]);
  });
});

describe('numbers of a series', () => {
  it('reads the infinities of the API', () => {
    expect(parseSample('+Inf')).toBe(Infinity);
    expect(parseSample('-Inf')).toBe(-Infinity);
    expect(parseSample('NaN')).toBeNaN();
    expect(parseSample('1e-07')).toBe(1e-7);
  });

  it('ignores gaps in statistics', () => {
    expect(statsOf([null, 2, null, 4, null])).toEqual({ last: 4, min: 2, max: 4, mean: 3 });
    expect(statsOf([null])).toEqual({ last: null, min: null, max: null, mean: null });
  });

  it('stacks; a gap adds nothing while another series has a value', () => {
    expect(
      stackValues([
        [1, null, null],
        [2, 3, null],
      ]),
    ).toEqual([
      [1, 0, null],
      [3, 3, null],
    ]);
    expect(stackValues([])).toEqual([]);
  });
});

describe('many series', () => {
  const make = (count: number) =>
    frameOfMatrix(
      Array.from({ length: count }, (_, i) => ({
        metric: { i: String(i) },
        values: [[100, String(i)]] as Array<[number, string]>,
      })),
      SPAN,
      VIEW,
    ).series;

  it('are all drawn up to the threshold', () => {
    expect(splitCrowd(make(BAND_THRESHOLD), false).band).toBeNull();
  });

  it('above it are the largest and the band of the others', () => {
    const series = make(BAND_THRESHOLD + 1);
    const { drawn, band } = splitCrowd(series, false);
    expect(drawn).toHaveLength(DRAWN_SERIES);
    expect(drawn[0]?.values[0]).toBe(BAND_THRESHOLD);
    expect(band?.count).toBe(BAND_THRESHOLD + 1 - DRAWN_SERIES);
    expect(band?.low[0]).toBe(0);
    expect(band?.high[0]).toBe(BAND_THRESHOLD - DRAWN_SERIES);
    expect(splitCrowd(series, true).drawn).toHaveLength(BAND_THRESHOLD + 1);
  });

  it('share labels only if all have them', () => {
    expect(commonLabels([{ a: '1', b: '2' }, { a: '1', b: '3' }, { a: '1' }])).toEqual({ a: '1' });
    expect(commonLabels([{ a: '1' }])).toEqual({});
  });
});
