/* SPDX-License-Identifier: Apache-2.0
 *
 * QueryStatsStrip - what an answer cost and how big it is.
 */
import type { QueryStats } from '../../api/prometheus';
import { formatCount, formatSeconds } from '../../viz/format';

interface StripProps {
  parts: readonly string[];
  stats: QueryStats | undefined;
  roundTripMs: number;
}

export function statsTexts({ parts, stats, roundTripMs }: StripProps): string[] {
  const texts = [...parts];
  const server = stats?.timings?.execTotalTime ?? stats?.timings?.evalTotalTime;
  if (server !== undefined) texts.push(`${formatSeconds(server, 3)} on the server`);
  texts.push(`${formatSeconds(roundTripMs / 1000, 3)} in all`);
  const read = stats?.samples?.totalQueryableSamples ?? stats?.samples?.samplesRead;
  if (read !== undefined) texts.push(`${formatCount(read)} samples read`);
  const peak = stats?.samples?.peakSamples;
  if (peak !== undefined) texts.push(`${formatCount(peak)} at once`);
  return texts;
}

export function QueryStatsStrip(props: StripProps) {
  return (
    <ul class="stats-strip" aria-label="Query statistics">
      {statsTexts(props).map((text) => (
        <li key={text}>{text}</li>
      ))}
    </ul>
  );
}

export function plural(count: number, one: string, many: string): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
