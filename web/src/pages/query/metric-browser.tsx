/* SPDX-License-Identifier: Apache-2.0
 *
 * MetricBrowser - all metrics with type and help; a click asks a first sensible query.
 */
import { useMemo, useState } from 'preact/hooks';
import { labelValues, metadata } from '../../api/prometheus';
import { useResource } from '../../state/resource';
import { Panel } from '../../ui/panel';
import { Empty } from '../../ui/states';
import { VirtualRows } from '../../ui/virtual-rows';
import { formatCount } from '../../viz/format';
import { filterMetrics, firstQuery, listMetrics, type MetricEntry } from './metric-list';

const LIST_PX = 520;

export function MetricBrowser({ onChoose }: { onChoose: (expr: string) => void }) {
  const [filter, setFilter] = useState('');
  const resource = useResource<MetricEntry[]>('metrics', 0, async (signal) => {
    const [names, families] = await Promise.all([
      labelValues('__name__', [], signal),
      metadata(signal).catch(() => null),
    ]);
    signal.throwIfAborted();
    return listMetrics(names.data, families?.data ?? {});
  });
  const entries = resource.data;
  const found = useMemo(() => filterMetrics(entries ?? [], filter), [entries, filter]);
  return (
    <Panel
      title="Metrics"
      label="Metrics"
      resource={resource}
      dataKey="metrics"
      class="browser"
      emptyOf={(all) =>
        all.length > 0 ? null : (
          <Empty title="There are no metrics yet.">
            <p>They appear here within one scrape interval of the first target or remote write.</p>
          </Empty>
        )
      }
      actions={
        entries !== null &&
        entries.length > 0 && (
          <>
            <span class="hint">
              {found.length === entries.length
                ? formatCount(entries.length)
                : `${formatCount(found.length)} of ${formatCount(entries.length)}`}
            </span>
            <input
              class="filter-input"
              type="search"
              data-filter
              aria-label="Filter metrics"
              placeholder="Filter by name, help or type"
              value={filter}
              onInput={(event) => setFilter(event.currentTarget.value)}
            />
          </>
        )
      }
    >
      {() =>
        found.length === 0 ? (
          <Empty title="No metric matches the filter." icon="search" />
        ) : (
          <div class="browser-list" data-scroll style={{ maxHeight: `${LIST_PX}px` }}>
            <VirtualRows
              count={found.length}
              estimatePx={30}
              role="list"
              keyOf={(i) => found[i]?.name ?? ''}
              render={(i) => {
                const entry = found[i] as MetricEntry;
                return (
                  <div key={entry.name} data-row={i} role="listitem">
                    <button
                      type="button"
                      class="browser-row"
                      data-nav-row
                      title={firstQuery(entry)}
                      onClick={() => onChoose(firstQuery(entry))}
                    >
                      <span class="browser-name">{entry.name}</span>
                      <span class={`type-badge is-${entry.type || 'unknown'}`}>
                        {entry.type || 'untyped'}
                      </span>
                      <span class="browser-help">{entry.help}</span>
                    </button>
                  </div>
                );
              }}
            />
          </div>
        )
      }
    </Panel>
  );
}
