/* SPDX-License-Identifier: Apache-2.0
 *
 * prometheus - typed access to the Prometheus HTTP API (docs/http-api.md).
 */
import { read, type Answer, type Params } from './http';

export type Labels = Readonly<Record<string, string>>;
/** [seconds, value as text]; text keeps NaN and the infinities. */
export type Sample = readonly [number, string];

export interface HistogramValue {
  count: string;
  sum: string;
  buckets?: ReadonlyArray<readonly [number, string, string, string]>;
}

export interface MatrixSeries {
  metric: Labels;
  values?: Sample[];
  histograms?: ReadonlyArray<readonly [number, HistogramValue]>;
}

export interface VectorSeries {
  metric: Labels;
  value?: Sample;
  histogram?: readonly [number, HistogramValue];
}

export interface QueryStats {
  timings?: { evalTotalTime?: number; execTotalTime?: number };
  samples?: { totalQueryableSamples?: number; samplesRead?: number; peakSamples?: number };
}

export type QueryResult =
  | { resultType: 'vector'; result: VectorSeries[]; stats?: QueryStats }
  | { resultType: 'matrix'; result: MatrixSeries[]; stats?: QueryStats }
  | { resultType: 'scalar'; result: Sample; stats?: QueryStats }
  | { resultType: 'string'; result: Sample; stats?: QueryStats };

export interface MatrixResult {
  resultType: 'matrix';
  result: MatrixSeries[];
  stats?: QueryStats;
}

export interface Target {
  discoveredLabels: Labels;
  labels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  globalUrl: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  health: 'up' | 'down' | 'unknown';
  scrapeInterval: string;
  scrapeTimeout: string;
}

export interface Targets {
  activeTargets: Target[];
  droppedTargets: Array<{ discoveredLabels: Labels; scrapePool: string }>;
  droppedTargetCounts: Record<string, number> | null;
}

export interface MetricMetadata {
  type: string;
  help: string;
  unit: string;
}

export interface NamedValue {
  name: string;
  value: number;
}

export interface TsdbStatus {
  headStats: {
    numSeries: number;
    numLabelPairs: number;
    chunkCount: number;
    minTime: number;
    maxTime: number;
  };
  seriesCountByMetricName: NamedValue[];
  labelValueCountByLabelName: NamedValue[];
  memoryInBytesByLabelName: NamedValue[];
  seriesCountByLabelValuePair: NamedValue[];
}

export interface BuildInfo {
  /** The Prometheus release whose API this is; Pharos' own is `applicationVersion`. */
  version: string;
  applicationVersion?: string;
  revision: string;
  branch: string;
  buildUser: string;
  buildDate: string;
  goVersion: string;
}

/** Keys differ between servers and versions: shown as they come. */
export type RuntimeInfo = Record<string, string | number | boolean>;

const API = 'api/v1';

/** Whole milliseconds in, the API's decimal seconds out. */
export function seconds(ms: number): string {
  return String(Math.round(ms) / 1000);
}

export function queryRange(
  query: string,
  span: { startMs: number; endMs: number; stepMs: number },
  signal: AbortSignal,
  wantsStats = false,
): Promise<Answer<MatrixResult>> {
  const params: Array<[string, string]> = [
    ['query', query],
    ['start', seconds(span.startMs)],
    ['end', seconds(span.endMs)],
    ['step', seconds(span.stepMs)],
  ];
  if (wantsStats) params.push(['stats', 'true']);
  return read<MatrixResult>(`${API}/query_range`, params, signal, true);
}

export function queryInstant(
  query: string,
  timeMs: number,
  signal: AbortSignal,
  wantsStats = false,
): Promise<Answer<QueryResult>> {
  const params: Array<[string, string]> = [
    ['query', query],
    ['time', seconds(timeMs)],
  ];
  if (wantsStats) params.push(['stats', 'true']);
  return read<QueryResult>(`${API}/query`, params, signal, true);
}

export function labelNames(params: Params, signal: AbortSignal): Promise<Answer<string[]>> {
  return read<string[]>(`${API}/labels`, params, signal, true);
}

export function labelValues(
  name: string,
  params: Params,
  signal: AbortSignal,
): Promise<Answer<string[]>> {
  return read<string[]>(`${API}/label/${encodeURIComponent(name)}/values`, params, signal);
}

export function series(params: Params, signal: AbortSignal): Promise<Answer<Labels[]>> {
  return read<Labels[]>(`${API}/series`, params, signal, true);
}

export function metadata(signal: AbortSignal): Promise<Answer<Record<string, MetricMetadata[]>>> {
  return read<Record<string, MetricMetadata[]>>(`${API}/metadata`, [], signal);
}

export function formatQuery(query: string, signal: AbortSignal): Promise<Answer<string>> {
  return read<string>(`${API}/format_query`, [['query', query]], signal, true);
}

export function targets(signal: AbortSignal): Promise<Answer<Targets>> {
  return read<Targets>(`${API}/targets`, [], signal);
}

export function activeTargets(signal: AbortSignal): Promise<Answer<Targets>> {
  return read<Targets>(`${API}/targets`, [['state', 'active']], signal);
}

export function tsdbStatus(limit: number, signal: AbortSignal): Promise<Answer<TsdbStatus>> {
  return read<TsdbStatus>(`${API}/status/tsdb`, [['limit', String(limit)]], signal);
}

export function buildInfo(signal: AbortSignal): Promise<Answer<BuildInfo>> {
  return read<BuildInfo>(`${API}/status/buildinfo`, [], signal);
}

export function runtimeInfo(signal: AbortSignal): Promise<Answer<RuntimeInfo>> {
  return read<RuntimeInfo>(`${API}/status/runtimeinfo`, [], signal);
}

export function flags(signal: AbortSignal): Promise<Answer<Record<string, string>>> {
  return read<Record<string, string>>(`${API}/status/flags`, [], signal);
}

export function config(signal: AbortSignal): Promise<Answer<{ yaml: string }>> {
  return read<{ yaml: string }>(`${API}/status/config`, [], signal);
}

/** `name{a="b"}` as PromQL writes it; labels sorted by name. */
export function seriesText(labels: Labels): string {
  const name = labels['__name__'] ?? '';
  const pairs = Object.keys(labels)
    .filter((k) => k !== '__name__')
    .sort()
    .map((k) => `${k}=${JSON.stringify(labels[k] ?? '')}`);
  return pairs.length === 0 && name !== '' ? name : `${name}{${pairs.join(', ')}}`;
}
