/* SPDX-License-Identifier: Apache-2.0
 *
 * table-rows - an instant query's answer of any type as rows, and rows as text to copy.
 */
import {
  seriesText,
  type HistogramValue,
  type Labels,
  type MatrixSeries,
  type QueryResult,
  type VectorSeries,
} from '../../api/prometheus';
import { parseSample } from '../../viz/frame';

export interface TableRow {
  id: string;
  labels: Labels;
  /** Values as the server wrote them; several for a range vector. */
  values: Array<{ timeMs: number; text: string }>;
  /** For sorting; null when there is no number. */
  number: number | null;
}

function histogramText(h: HistogramValue): string {
  return `count ${h.count}, sum ${h.sum}, ${h.buckets?.length ?? 0} buckets`;
}

function vectorRow(s: VectorSeries): TableRow {
  const point = s.value ?? s.histogram;
  const text = s.value?.[1] ?? (s.histogram === undefined ? '' : histogramText(s.histogram[1]));
  return {
    id: seriesText(s.metric),
    labels: s.metric,
    values: [{ timeMs: (point?.[0] ?? 0) * 1000, text }],
    number: parseSample(s.value?.[1] ?? s.histogram?.[1].count ?? 'NaN'),
  };
}

function matrixRow(s: MatrixSeries): TableRow {
  const floats = (s.values ?? []).map(([t, text]) => ({ timeMs: t * 1000, text }));
  const histograms = (s.histograms ?? []).map(([t, h]) => ({
    timeMs: t * 1000,
    text: histogramText(h),
  }));
  const values = [...floats, ...histograms].sort((a, b) => a.timeMs - b.timeMs);
  const last = values[values.length - 1];
  return {
    id: seriesText(s.metric),
    labels: s.metric,
    values,
    number: last === undefined ? null : parseSample(last.text),
  };
}

export function rowsOf(data: QueryResult): TableRow[] {
  switch (data.resultType) {
    case 'vector':
      return data.result.map(vectorRow);
    case 'matrix':
      return data.result.map(matrixRow);
    default: {
      const [time, text] = data.result;
      const number = data.resultType === 'scalar' ? parseSample(text) : null;
      return [{ id: data.resultType, labels: {}, values: [{ timeMs: time * 1000, text }], number }];
    }
  }
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

/** One line per value: label columns, time in RFC 3339, value. */
export function toCsv(rows: readonly TableRow[]): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.labels)))].sort();
  const head = [...names, 'time', 'value'].map(csvField).join(',');
  const lines = rows.flatMap((row) =>
    row.values.map((v) =>
      [...names.map((n) => row.labels[n] ?? ''), new Date(v.timeMs).toISOString(), v.text]
        .map(csvField)
        .join(','),
    ),
  );
  return `${[head, ...lines].join('\n')}\n`;
}
