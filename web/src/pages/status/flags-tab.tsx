/* SPDX-License-Identifier: Apache-2.0
 *
 * FlagsTab - the command line as the server understood it.
 */
import { useMemo, useState } from 'preact/hooks';
import { flags } from '../../api/prometheus';
import { tick } from '../../state/clock';
import { useResource } from '../../state/resource';
import { Panel } from '../../ui/panel';
import { Empty } from '../../ui/states';
import { FactsTable } from './facts-table';

export function FlagsTab() {
  const [filter, setFilter] = useState('');
  const resource = useResource('flags', tick.value, async (signal) => (await flags(signal)).data);
  const { data } = resource;
  const shown = useMemo(
    () =>
      Object.entries(data ?? {})
        .filter(([name, value]) => `${name} ${value}`.toLowerCase().includes(filter.toLowerCase()))
        .sort(([a], [b]) => a.localeCompare(b, 'en')),
    [data, filter],
  );
  return (
    <Panel
      title="Flags"
      label="Flags"
      resource={resource}
      dataKey="flags"
      height={200}
      emptyOf={() => (shown.length > 0 ? null : <Empty title="No flag matches." icon="search" />)}
      actions={
        <input
          class="filter-input"
          type="search"
          data-filter
          aria-label="Filter flags"
          placeholder="Filter by name or value"
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
        />
      }
    >
      {() => (
        <div class="flags">
          <FactsTable
            facts={shown.map(([name, value]) => ({
              name: `--${name}`,
              value: value === '' ? <span class="muted">not set</span> : value,
            }))}
          />
        </div>
      )}
    </Panel>
  );
}
