/* SPDX-License-Identifier: Apache-2.0
 *
 * target-list - filtering targets and laying them out as one list: a pool, its targets, the next pool.
 */
import type { Target } from '../../api/prometheus';
import { parseDuration } from '../../state/time';

export type StateFilter = 'all' | 'up' | 'down' | 'unknown';

export interface Pool {
  name: string;
  targets: Target[];
  upCount: number;
  downCount: number;
}

export type ListRow =
  | { kind: 'pool'; key: string; pool: Pool; isClosed: boolean }
  | { kind: 'target'; key: string; target: Target };

export function targetKey(target: Target): string {
  const labels = Object.entries(target.labels).map(([k, v]) => `${k}=${v}`);
  return `${target.scrapePool}\u0000${target.scrapeUrl}\u0000${labels.sort().join(',')}`;
}

/** All words must occur in URL, labels, pool or error. */
export function matchesText(target: Target, filter: string): boolean {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((w) => w !== '');
  if (words.length === 0) return true;
  const labels = Object.entries(target.labels).map(([k, v]) => `${k}=${v}`);
  const text = [target.scrapeUrl, target.scrapePool, target.lastError, ...labels]
    .join(' ')
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Pools with failing targets first, then by name; failing targets first within a pool. */
export function groupPools(targets: readonly Target[]): Pool[] {
  const pools = new Map<string, Pool>();
  for (const target of targets) {
    let pool = pools.get(target.scrapePool);
    if (pool === undefined) {
      pool = { name: target.scrapePool, targets: [], upCount: 0, downCount: 0 };
      pools.set(target.scrapePool, pool);
    }
    pool.targets.push(target);
    if (target.health === 'up') pool.upCount += 1;
    if (target.health === 'down') pool.downCount += 1;
  }
  const rank = (t: Target): number => (t.health === 'down' ? 0 : t.health === 'unknown' ? 1 : 2);
  const byUrl = new Intl.Collator('en', { numeric: true });
  for (const pool of pools.values()) {
    pool.targets.sort((a, b) => rank(a) - rank(b) || byUrl.compare(a.scrapeUrl, b.scrapeUrl));
  }
  return [...pools.values()].sort(
    (a, b) => Number(b.downCount > 0) - Number(a.downCount > 0) || byUrl.compare(a.name, b.name),
  );
}

export function listRows(pools: readonly Pool[], closed: ReadonlySet<string>): ListRow[] {
  return pools.flatMap((pool): ListRow[] => {
    const isClosed = closed.has(pool.name);
    const head: ListRow = { kind: 'pool', key: `pool ${pool.name}`, pool, isClosed };
    if (isClosed) return [head];
    return [
      head,
      ...pool.targets.map((target): ListRow => ({
        kind: 'target',
        key: targetKey(target),
        target,
      })),
    ];
  });
}

/** Never scraped yet is the zero time in the API. */
export function lastScrapeMs(target: Target): number | null {
  const ms = Date.parse(target.lastScrape);
  return Number.isNaN(ms) || ms <= 0 ? null : ms;
}

export interface DurationLevel {
  /** Of the interval, 0..1. */
  share: number;
  css: '' | 'is-high' | 'is-full';
}

export function durationLevel(target: Target): DurationLevel {
  const interval = (parseDuration(target.scrapeInterval) ?? 0) / 1000;
  const timeout = (parseDuration(target.scrapeTimeout) ?? 0) / 1000;
  const duration = target.lastScrapeDuration;
  const share = interval > 0 ? Math.min(1, duration / interval) : 0;
  if (timeout > 0 && duration >= timeout * 0.9) return { share, css: 'is-full' };
  if (timeout > 0 && duration >= timeout * 0.5) return { share, css: 'is-high' };
  return { share, css: '' };
}
