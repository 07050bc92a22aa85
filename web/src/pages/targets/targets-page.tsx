/* SPDX-License-Identifier: Apache-2.0
 *
 * TargetsPage - every scrape pool and target, failing ones first. State and text filter are in the URL.
 */
import { useMemo, useState } from 'preact/hooks';
import { targets as askTargets, type Target, type Targets } from '../../api/prometheus';
import { tick } from '../../state/clock';
import { useResource } from '../../state/resource';
import { adjust, place } from '../../state/url';
import { Button, Segmented, type Choice } from '../../ui/button';
import { Snippet } from '../../ui/copy';
import { Icon } from '../../ui/icon';
import { Panel } from '../../ui/panel';
import { Empty } from '../../ui/states';
import { VirtualRows } from '../../ui/virtual-rows';
import {
  groupPools,
  listRows,
  matchesText,
  type ListRow,
  type Pool,
  type StateFilter,
} from './target-list';
import { TargetRow } from './target-row';

const SNIPPET = `scrape_configs:
  - job_name: my-app
    static_configs:
      - targets: ["localhost:8080"]
`;

const ROW_PX = 58;

function readState(params: URLSearchParams): StateFilter {
  const text = params.get('state');
  return text === 'up' || text === 'down' || text === 'unknown' ? text : 'all';
}

function NoTargets() {
  return (
    <Empty title="Nothing is scraped." icon="target">
      <p>Add a scrape configuration, then reload or restart Pharos with it.</p>
      <Snippet text={SNIPPET} label="Scrape configuration" />
    </Empty>
  );
}

function NoMatch() {
  return (
    <Empty title="No target matches." icon="search">
      <Button onClick={() => adjust({ state: null, q: null })}>Show all targets</Button>
    </Empty>
  );
}

interface PoolHeadProps {
  index: number;
  pool: Pool;
  isClosed: boolean;
  onToggle: () => void;
}

function PoolHead({ index, pool, isClosed, onToggle }: PoolHeadProps) {
  const { upCount, downCount, targets } = pool;
  return (
    <div class="pool" role="listitem" data-row={index}>
      <button type="button" data-nav-row aria-expanded={!isClosed} onClick={onToggle}>
        <span class={isClosed ? 'twist' : 'twist is-open'}>
          <Icon name="right" size={14} />
        </span>
        <span class="pool-name">{pool.name}</span>
        <span class={downCount > 0 ? 'pool-count is-bad' : 'pool-count'}>
          {upCount} of {targets.length} up
          {downCount > 0 && `, ${downCount} failing`}
        </span>
      </button>
    </div>
  );
}

function stateChoices(all: readonly Target[]): Array<Choice<StateFilter>> {
  const count = (health: string): number => all.filter((t) => t.health === health).length;
  const unknown = count('unknown');
  return [
    { value: 'all', label: `All ${all.length}` },
    { value: 'up', label: `Up ${count('up')}` },
    { value: 'down', label: `Down ${count('down')}` },
    ...(unknown > 0 ? [{ value: 'unknown' as const, label: `Unknown ${unknown}` }] : []),
  ];
}

function droppedCount(data: Targets): number {
  const counts = data.droppedTargetCounts ?? {};
  return Object.values(counts).reduce((sum, n) => sum + n, 0);
}

function TargetList({ rows }: { rows: readonly ListRow[] }) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const toggle = (key: string): void => {
    const next = new Set(open);
    if (!next.delete(key)) next.add(key);
    setOpen(next);
  };
  const params = place.value.params;
  const togglePool = (name: string): void => {
    const closed = new Set((params.get('closed') ?? '').split(',').filter((n) => n !== ''));
    if (!closed.delete(name)) closed.add(name);
    adjust({ closed: closed.size === 0 ? null : [...closed].join(',') }, true);
  };
  return (
    <VirtualRows
      class="target-list"
      role="list"
      count={rows.length}
      estimatePx={ROW_PX}
      keyOf={(i) => rows[i]?.key ?? ''}
      render={(i) => {
        const row = rows[i] as ListRow;
        if (row.kind === 'pool') {
          return (
            <PoolHead
              key={row.key}
              index={i}
              pool={row.pool}
              isClosed={row.isClosed}
              onToggle={() => togglePool(row.pool.name)}
            />
          );
        }
        return (
          <TargetRow
            key={row.key}
            index={i}
            target={row.target}
            isOpen={open.has(row.key)}
            onToggle={() => toggle(row.key)}
          />
        );
      }}
    />
  );
}

export function TargetsPage() {
  const { params } = place.value;
  const state = readState(params);
  const text = params.get('q') ?? '';
  const closedText = params.get('closed') ?? '';
  const resource = useResource('targets', tick.value, async (signal) => {
    const answer = await askTargets(signal);
    return { ...answer.data, notices: answer.notices };
  });
  const all = useMemo(() => resource.data?.activeTargets ?? [], [resource.data]);
  const rows = useMemo(() => {
    const closed = new Set(closedText.split(',').filter((name) => name !== ''));
    const found = all.filter(
      (t) => (state === 'all' || t.health === state) && matchesText(t, text),
    );
    return listRows(groupPools(found), closed);
  }, [all, state, text, closedText]);
  return (
    <div class="page">
      <Panel
        title={
          <span class="targets-tools">
            <Segmented
              label="State"
              value={state}
              choices={stateChoices(all)}
              onChange={(next) => adjust({ state: next === 'all' ? null : next })}
            />
            <input
              class="filter-input"
              type="search"
              data-filter
              aria-label="Filter targets"
              placeholder="Filter by address, label, pool or error"
              value={text}
              onInput={(event) => {
                const { value } = event.currentTarget;
                adjust({ q: value === '' ? null : value }, true);
              }}
            />
          </span>
        }
        heading="none"
        label="Targets"
        class="targets-panel"
        resource={resource}
        dataKey="targets"
        height={240}
        noticesOf={(d) => d.notices}
        emptyOf={(d) => {
          if (d.activeTargets.length === 0) return <NoTargets />;
          return rows.length === 0 ? <NoMatch /> : null;
        }}
        actions={
          resource.data !== null &&
          droppedCount(resource.data) > 0 && (
            <span class="hint">{droppedCount(resource.data)} dropped by relabelling</span>
          )
        }
      >
        {() => <TargetList rows={rows} />}
      </Panel>
    </div>
  );
}
