/* SPDX-License-Identifier: Apache-2.0
 *
 * frame - a range query's answer on one shared time axis, ready to draw.
 *
 * Points that the server did not send are null: a gap stays a gap. NaN and infinities are gaps too,
 * since a canvas has no place for them; `oddCount` says how many there were.
 */
import type { Labels, MatrixSeries } from '../api/prometheus';
import { seriesText } from '../api/prometheus';
import { assignSlots } from './color';

export interface FrameSeries {
  /** Stable over refreshes: the label set as text, or the given name. */
  id: string;
  name: string;
  labels: Labels;
  slot: number;
  values: Array<number | null>;
  isDashed?: boolean;
}

export interface Frame {
  /** Seconds since the epoch, ascending, evenly spaced. */
  times: number[];
  stepMs: number;
  fromMs: number;
  toMs: number;
  series: FrameSeries[];
  /** Values that cannot be drawn (NaN, infinities). */
  oddCount: number;
  /** Series that hold native histograms only. */
  histogramCount: number;
}

export interface SeriesStats {
  last: number | null;
  min: number | null;
  max: number | null;
  mean: number | null;
}

export interface AxisSpan {
  startMs: number;
  endMs: number;
  stepMs: number;
}

/** Sample text of the API; infinities are written +Inf and -Inf. */
export function parseSample(text: string): number {
  if (text === '+Inf' || text === 'Inf') return Infinity;
  if (text === '-Inf') return -Infinity;
  return text === 'NaN' ? NaN : Number(text);
}

export function makeAxis(span: AxisSpan): number[] {
  const count = Math.max(0, Math.floor((span.endMs - span.startMs) / span.stepMs) + 1);
  return Array.from({ length: count }, (_, i) => (span.startMs + i * span.stepMs) / 1000);
}

function fillValues(
  source: MatrixSeries,
  span: AxisSpan,
  length: number,
): { values: Array<number | null>; odd: number } {
  const values = new Array<number | null>(length).fill(null);
  let odd = 0;
  for (const [time, text] of source.values ?? []) {
    const index = Math.round((time * 1000 - span.startMs) / span.stepMs);
    if (index < 0 || index >= length) continue;
    const value = parseSample(text);
    if (Number.isFinite(value)) values[index] = value;
    else odd += 1;
  }
  return { values, odd };
}

export function frameOfMatrix(
  matrix: readonly MatrixSeries[],
  span: AxisSpan,
  view: { fromMs: number; toMs: number },
  nameOf: (labels: Labels) => string = seriesText,
): Frame {
  const times = makeAxis(span);
  const slots = assignSlots(matrix.map((m) => m.metric));
  let oddCount = 0;
  let histogramCount = 0;
  const series: FrameSeries[] = [];
  matrix.forEach((source, i) => {
    if (source.values === undefined && source.histograms !== undefined) {
      histogramCount += 1;
      return;
    }
    const { values, odd } = fillValues(source, span, times.length);
    oddCount += odd;
    series.push({
      id: seriesText(source.metric),
      name: nameOf(source.metric),
      labels: source.metric,
      slot: slots[i] ?? 0,
      values,
    });
  });
  return { times, stepMs: span.stepMs, ...view, series, oddCount, histogramCount };
}

export function statsOf(values: ReadonlyArray<number | null>): SeriesStats {
  let last: number | null = null;
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  let count = 0;
  for (const value of values) {
    if (value === null) continue;
    last = value;
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value;
    count += 1;
  }
  if (count === 0) return { last: null, min: null, max: null, mean: null };
  return { last, min, max, mean: sum / count };
}

/**
 * Running sums from the first series up. Where some series has a value, one without adds nothing (its
 * area has no height there); where none has, all stay gaps.
 */
export function stackValues(
  series: ReadonlyArray<ReadonlyArray<number | null>>,
): Array<Array<number | null>> {
  const length = series[0]?.length ?? 0;
  const hasValue = Array.from({ length }, (_, i) => series.some((v) => v[i] !== null));
  const totals = new Array<number>(length).fill(0);
  return series.map((values) =>
    hasValue.map((isThere, i) => {
      if (!isThere) return null;
      totals[i] = (totals[i] ?? 0) + (values[i] ?? 0);
      return totals[i] ?? 0;
    }),
  );
}

/** Above this, only the DRAWN_SERIES largest are drawn one by one, the rest as a band. */
export const BAND_THRESHOLD = 200;
export const DRAWN_SERIES = 50;

export interface Split {
  drawn: FrameSeries[];
  /** Per point the least and greatest value of the series not drawn; null when all are drawn. */
  band: { low: Array<number | null>; high: Array<number | null>; count: number } | null;
}

/** Splits a crowd into the largest series (by mean of |value|) and the band of the others. */
export function splitCrowd(series: readonly FrameSeries[], showsAll: boolean): Split {
  if (showsAll || series.length <= BAND_THRESHOLD) return { drawn: [...series], band: null };
  const weight = (s: FrameSeries): number => {
    let sum = 0;
    for (const value of s.values) sum += Math.abs(value ?? 0);
    return sum;
  };
  const ranked = series
    .map((s) => ({ s, w: weight(s) }))
    .sort((a, b) => b.w - a.w)
    .map((x) => x.s);
  const rest = ranked.slice(DRAWN_SERIES);
  const length = rest[0]?.values.length ?? 0;
  const low = new Array<number | null>(length).fill(null);
  const high = new Array<number | null>(length).fill(null);
  for (const s of rest) {
    s.values.forEach((value, i) => {
      if (value === null) return;
      const l = low[i];
      const h = high[i];
      if (l === null || l === undefined || value < l) low[i] = value;
      if (h === null || h === undefined || value > h) high[i] = value;
    });
  }
  return { drawn: ranked.slice(0, DRAWN_SERIES), band: { low, high, count: rest.length } };
}

/** Labels that all series share, and a name for each from what differs. */
export function commonLabels(labelSets: readonly Labels[]): Labels {
  const first = labelSets[0];
  if (first === undefined || labelSets.length < 2) return {};
  return Object.fromEntries(
    Object.entries(first).filter(([k, v]) => labelSets.every((labels) => labels[k] === v)),
  );
}

export function withoutLabels(labels: Labels, without: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([k]) => !(k in without)));
}
