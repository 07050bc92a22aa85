/* SPDX-License-Identifier: Apache-2.0
 *
 * facts - what Home knows about the server before it draws: hosts, targets, head, version.
 *
 * Each part may be missing; the page then says less, not nothing. A part that gets no answer keeps what
 * it said before: a server that goes away must not take the charts along, whose queries name its host.
 */
import { ApiError, type Answer } from '../../api/http';
import {
  activeTargets,
  buildInfo,
  labelValues,
  queryInstant,
  runtimeInfo,
  seconds,
  tsdbStatus,
  type BuildInfo,
  type RuntimeInfo,
  type Target,
  type TsdbStatus,
} from '../../api/prometheus';
import { parseDuration } from '../../state/time';
import { parseSample } from '../../viz/frame';
import { samplesQuery } from './panels';

export interface Facts {
  /** Instances that have host metrics. */
  hosts: string[];
  targets: Target[] | null;
  head: TsdbStatus['headStats'] | null;
  build: BuildInfo | null;
  runtime: RuntimeInfo | null;
  samplesPerSecond: number | null;
  hasSelf: boolean;
  hasRemoteWrite: boolean;
}

const HOST_WINDOW_MS = 3_600_000;

/** The part, `before` when the server did not answer or failed, `none` when it has no such thing. */
async function partOf<T, N>(work: Promise<T>, before: T | undefined, none: N): Promise<T | N> {
  try {
    return await work;
  } catch (error) {
    const hasAnswered = error instanceof ApiError && error.status > 0 && error.status < 500;
    return hasAnswered ? none : (before ?? none);
  }
}

/** The first value of an instant query; null when it has none. */
async function firstValue(
  expr: string,
  nowMs: number,
  signal: AbortSignal,
): Promise<number | null> {
  const answer = await queryInstant(expr, nowMs, signal);
  if (answer.data.resultType !== 'vector') return null;
  const text = answer.data.result[0]?.value?.[1];
  return text === undefined ? null : parseSample(text);
}

export async function loadFacts(
  nowMs: number,
  signal: AbortSignal,
  before: Facts | null = null,
): Promise<Facts> {
  const hostParams: Array<[string, string]> = [
    ['match[]', 'node_load1'],
    ['start', seconds(nowMs - HOST_WINDOW_MS)],
    ['end', seconds(nowMs)],
  ];
  const ask = (expr: string): Promise<number | null> => firstValue(expr, nowMs, signal);
  const isPositive = async (expr: string): Promise<boolean> => ((await ask(expr)) ?? 0) > 0;
  const dataOf = async <T>(work: Promise<Answer<T>>): Promise<T> => (await work).data;
  const active = activeTargets(signal).then((answer) => answer.data.activeTargets);
  const head = tsdbStatus(1, signal).then((answer) => answer.data.headStats);
  const [hosts, targets, heads, build, runtime, samples, self, written] = await Promise.all([
    partOf(dataOf(labelValues('instance', hostParams, signal)), before?.hosts, []),
    partOf(active, before?.targets ?? undefined, null),
    partOf(head, before?.head ?? undefined, null),
    partOf(dataOf(buildInfo(signal)), before?.build ?? undefined, null),
    partOf(dataOf(runtimeInfo(signal)), before?.runtime ?? undefined, null),
    partOf(ask(samplesQuery('1m')), before?.samplesPerSecond, null),
    partOf(isPositive('{__name__=~"(pharos|prometheus)_build_info"}'), before?.hasSelf, false),
    partOf(isPositive('sum(pharos_remote_write_samples_total)'), before?.hasRemoteWrite, false),
  ]);
  signal.throwIfAborted();
  return {
    hosts,
    targets,
    head: heads,
    build,
    runtime,
    samplesPerSecond: samples,
    hasSelf: self,
    hasRemoteWrite: written,
  };
}

const SCRAPE_MS_DEFAULT = 15_000;
const SCRAPE_MS_MAX = 60_000;

/** The longest scrape interval there is, within reason. */
export function scrapeIntervalMs(targets: readonly Target[] | null): number {
  const intervals = (targets ?? [])
    .map((t) => parseDuration(t.scrapeInterval) ?? 0)
    .filter((ms) => ms > 0);
  if (intervals.length === 0) return SCRAPE_MS_DEFAULT;
  return Math.min(SCRAPE_MS_MAX, Math.max(...intervals));
}

/** A young server has little to show: its first minutes should fill the graphs. */
export function firstRange(head: Facts['head'], nowMs: number): { from: string; to: string } {
  const ageMs = head === null || head.minTime <= 0 ? Infinity : nowMs - head.minTime;
  return { from: ageMs < 4 * 60_000 ? 'now-5m' : 'now-15m', to: 'now' };
}

/** Targets that somebody configured, beyond what Pharos scrapes by itself. */
export function hasOwnTargets(targets: readonly Target[] | null): boolean {
  const builtIn = new Set(['pharos', 'host', 'node', 'prometheus']);
  return (targets ?? []).some((t) => !builtIn.has(t.labels['job'] ?? ''));
}
