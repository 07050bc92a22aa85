/* SPDX-License-Identifier: Apache-2.0
 *
 * usage - file systems from the two queries that describe them.
 */
import type { VectorSeries } from '../../api/prometheus';
import { parseSample } from '../../viz/frame';

export interface Usage {
  name: string;
  used: number;
  size: number;
}

/** Joins size and available bytes; one entry per device (bind mounts repeat it), fullest first. */
export function joinUsage(
  size: readonly VectorSeries[],
  available: readonly VectorSeries[],
): Usage[] {
  const keyOf = (s: VectorSeries): string =>
    `${s.metric['instance'] ?? ''}|${s.metric['device'] ?? ''}|${s.metric['mountpoint'] ?? ''}`;
  const left = new Map(available.map((s) => [keyOf(s), parseSample(s.value?.[1] ?? 'NaN')]));
  const byDevice = new Map<string, Usage>();
  for (const s of size) {
    const bytes = parseSample(s.value?.[1] ?? 'NaN');
    const free = left.get(keyOf(s));
    const mount = s.metric['mountpoint'] ?? '?';
    /* A container's root is an overlay; other overlays are those of containers beside us. */
    if (s.metric['fstype'] === 'overlay' && mount !== '/') continue;
    if (free === undefined || !(bytes > 0)) continue;
    const device = `${s.metric['instance'] ?? ''}|${s.metric['device'] ?? mount}`;
    const known = byDevice.get(device);
    if (known === undefined || mount.length < known.name.length) {
      byDevice.set(device, { name: mount, used: bytes - free, size: bytes });
    }
  }
  return [...byDevice.values()].sort((a, b) => b.used / b.size - a.used / a.size);
}
