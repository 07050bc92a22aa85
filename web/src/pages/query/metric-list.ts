/* SPDX-License-Identifier: Apache-2.0
 *
 * metric-list - the metrics there are, with what their exposition says about them, and a first
 * sensible query for each.
 */
import type { MetricMetadata } from '../../api/prometheus';

export interface MetricEntry {
  name: string;
  type: string;
  help: string;
}

const PART = /_(bucket|count|sum|total|created)$/;

/** Metadata are kept per family: the parts of a histogram or summary share those of the family. */
export function listMetrics(
  names: readonly string[],
  metadata: Readonly<Record<string, MetricMetadata[]>>,
): MetricEntry[] {
  return names.map((name) => {
    const own = metadata[name]?.[0] ?? metadata[name.replace(PART, '')]?.[0];
    return { name, type: own?.type ?? '', help: own?.help ?? '' };
  });
}

/** Matches when all words of the filter occur in name or help. */
export function filterMetrics(entries: readonly MetricEntry[], filter: string): MetricEntry[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((w) => w !== '');
  if (words.length === 0) return [...entries];
  return entries.filter((entry) => {
    const text = `${entry.name} ${entry.help} ${entry.type}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

export function firstQuery({ name, type }: MetricEntry): string {
  const isCounterPart = /_(total|count|sum)$/.test(name);
  if (name.endsWith('_bucket')) {
    return `histogram_quantile(0.95, sum by (le) (rate(${name}[5m])))`;
  }
  if (type === 'histogram' && !PART.test(name)) {
    return `histogram_quantile(0.95, sum(rate(${name}[5m])))`;
  }
  const isCounter = type === 'counter' || (type !== 'gauge' && isCounterPart);
  return isCounter ? `sum by (instance) (rate(${name}[5m]))` : name;
}
