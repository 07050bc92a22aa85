/* SPDX-License-Identifier: Apache-2.0
 *
 * facts - what Home knows about the server before it draws: hosts, targets, head, version.
 *
 * Each part may be missing; the page then says less, not nothing.
 */
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

async function quietly<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch {
    return null;
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

export async function loadFacts(nowMs: number, signal: AbortSignal): Promise<Facts> {
  const hostParams: Array<[string, string]> = [
    ['match[]', 'node_load1'],
    ['start', seconds(nowMs - HOST_WINDOW_MS)],
    ['end', seconds(nowMs)],
  ];
  const [hosts, targets, tsdb, build, runtime, samples, self, written] = await Promise.all([
    quietly(labelValues('instance', hostParams, signal)),
    quietly(activeTargets(signal)),
    quietly(tsdbStatus(1, signal)),
    quietly(buildInfo(signal)),
    quietly(runtimeInfo(signal)),
    quietly(firstValue(samplesQuery('1m'), nowMs, signal)),
    quietly(firstValue('{__name__=~"(pharos|prometheus)_build_info"}', nowMs, signal)),
    quietly(firstValue('sum(pharos_remote_write_samples_total)', nowMs, signal)),
  ]);
  signal.throwIfAborted();
  return {
    hosts: hosts?.data ?? [],
    targets: targets?.data.activeTargets ?? null,
    head: tsdb?.data.headStats ?? null,
    build: build?.data ?? null,
    runtime: runtime?.data ?? null,
    samplesPerSecond: samples,
    hasSelf: (self ?? 0) > 0,
    hasRemoteWrite: (written ?? 0) > 0,
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
