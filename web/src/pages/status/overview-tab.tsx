/* SPDX-License-Identifier: Apache-2.0
 *
 * OverviewTab - version, run time and configuration state of the server.
 */
import { buildInfo, runtimeInfo, type BuildInfo, type RuntimeInfo } from '../../api/prometheus';
import { health, isUtc, now, tick } from '../../state/clock';
import { useResource } from '../../state/resource';
import { HealthBadge } from '../../ui/health-badge';
import { Panel } from '../../ui/panel';
import { formatAge, formatTimeWithOffset } from '../../viz/format';
import { FactsTable, type Fact } from './facts-table';

const TITLES: Readonly<Record<string, string>> = {
  applicationVersion: 'Version',
  application: 'Program',
  version: 'Compatible with Prometheus',
  revision: 'Revision',
  branch: 'Branch',
  buildUser: 'Built by',
  buildDate: 'Built',
  goVersion: 'Toolchain',
  startTime: 'Started',
  serverTime: 'Server time',
  CWD: 'Working directory',
  hostname: 'Host name',
  reloadConfigSuccess: 'Last configuration reload',
  lastConfigTime: 'Configuration read',
  corruptionCount: 'Write-ahead log corruptions',
  goroutineCount: 'Goroutines',
  storageRetention: 'Retention',
};

const TIME_KEYS = new Set(['startTime', 'serverTime', 'lastConfigTime']);
const AGE_KEYS = new Set(['startTime', 'lastConfigTime']);

function factOf(key: string, value: string | number | boolean): Fact {
  const name = TITLES[key] ?? key;
  if (key === 'reloadConfigSuccess') {
    const isGood = value === true;
    return {
      name,
      value: (
        <span class={isGood ? 'is-good' : 'is-bad'}>
          {isGood ? 'successful' : 'failed; the configuration before stays in force'}
        </span>
      ),
    };
  }
  const ms = TIME_KEYS.has(key) ? Date.parse(String(value)) : NaN;
  if (Number.isNaN(ms)) return { name, value: value === '' ? '–' : String(value) };
  const text = formatTimeWithOffset(Math.floor(ms / 1000) * 1000, isUtc.value);
  return AGE_KEYS.has(key)
    ? { name, value: text, note: `${formatAge(now() - ms)} ago` }
    : { name, value: text };
}

function factsOf(info: BuildInfo | RuntimeInfo, isShown: (value: unknown) => boolean): Fact[] {
  return Object.entries(info)
    .filter(([, value]) => isShown(value))
    .map(([key, value]) => factOf(key, value as string | number | boolean));
}

export function OverviewTab() {
  const build = useResource(
    'buildinfo',
    tick.value,
    async (signal) => (await buildInfo(signal)).data,
  );
  const runtime = useResource(
    'runtimeinfo',
    tick.value,
    async (signal) => (await runtimeInfo(signal)).data,
  );
  const { state, reason } = health.value;
  return (
    <div class="columns">
      <Panel
        title="Run time"
        label="Run time"
        resource={runtime}
        dataKey="runtimeinfo"
        height={200}
      >
        {(info) => (
          <FactsTable
            facts={[
              {
                name: 'State',
                value: (
                  <HealthBadge
                    health={state === 'ready' ? 'up' : state === 'starting' ? 'unknown' : 'down'}
                  />
                ),
                note: reason,
              },
              ...factsOf(info, (value) => value !== ''),
            ]}
          />
        )}
      </Panel>
      <Panel title="Build" label="Build" resource={build} dataKey="buildinfo" height={200}>
        {(info) => <FactsTable facts={factsOf(info, (value) => value !== '')} />}
      </Panel>
    </div>
  );
}
