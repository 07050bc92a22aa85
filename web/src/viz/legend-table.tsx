/* SPDX-License-Identifier: Apache-2.0
 *
 * LegendTable - the series of a graph as a table: last, least, greatest, mean. Click shows one alone,
 * Ctrl+click adds or removes one. Labels that all series share are said once, above.
 */
import { useMemo, useRef } from 'preact/hooks';
import type { Labels } from '../api/prometheus';
import { theme } from '../state/settings';
import { useWidth } from '../state/use-dom';
import { DataTable, type Column } from '../ui/data-table';
import { SeriesLabel } from '../ui/series-label';
import { slotColor } from './color';
import { formatValue, type Unit } from './format';
import { commonLabels, statsOf, withoutLabels, type FrameSeries, type SeriesStats } from './frame';
import { nextHidden } from './hidden';

interface Row extends SeriesStats {
  series: FrameSeries;
  /** Labels that tell it from the others. */
  own: Labels;
}

interface LegendTableProps {
  series: readonly FrameSeries[];
  unit: Unit;
  hidden: ReadonlySet<string>;
  onHidden: (hidden: ReadonlySet<string>) => void;
  onFocus: (id: string | null) => void;
}

const SCROLL_PX = 420;
const SCROLL_ROWS = 15;
/** Below this there is room for two numbers only. */
const NARROW_PX = 560;

export function LegendTable(props: LegendTableProps) {
  const { series, unit, hidden } = props;
  const box = useRef<HTMLDivElement>(null);
  const isNarrow = useWidth(box) < NARROW_PX;
  const common = useMemo(() => commonLabels(series.map((s) => s.labels)), [series]);
  const rows = useMemo<Row[]>(
    () =>
      series.map((s) => ({
        series: s,
        own: withoutLabels(s.labels, common),
        ...statsOf(s.values),
      })),
    [series, common],
  );
  const ids = useMemo(() => series.map((s) => s.id), [series]);
  const choose = (id: string, isToggle: boolean): void =>
    props.onHidden(nextHidden(ids, hidden, id, isToggle));
  const number = (key: keyof SeriesStats, label: string): Column<Row> => ({
    key,
    label,
    track: 'minmax(72px, 120px)',
    isNumber: true,
    sortBy: (row) => row[key],
    render: (row) => {
      const value = row[key];
      return value === null ? '–' : formatValue(value, unit);
    },
  });
  const columns: Array<Column<Row>> = [
    {
      key: 'name',
      label: 'Series',
      track: 'minmax(0, 1fr)',
      sortBy: (row) => row.series.name,
      render: (row) => (
        <button
          type="button"
          class="legend-name"
          aria-pressed={!hidden.has(row.series.id)}
          title={row.series.name}
          onClick={(event) => {
            event.stopPropagation();
            choose(row.series.id, event.ctrlKey || event.metaKey);
          }}
        >
          <span
            class="swatch"
            style={{ backgroundColor: slotColor(row.series.slot, theme.value) }}
          />
          <SeriesLabel labels={row.own} />
        </button>
      ),
    },
    number('last', 'Last'),
    ...(isNarrow ? [] : [number('min', 'Min')]),
    number('max', 'Max'),
    ...(isNarrow ? [] : [number('mean', 'Mean')]),
  ];
  const hasCommon = Object.keys(common).length > 0;
  return (
    <div class="legend" ref={box}>
      {hasCommon && (
        <p class="legend-common">
          <span>All series:</span> <SeriesLabel labels={common} />
        </p>
      )}
      <DataTable
        label="Legend"
        columns={columns}
        rows={rows}
        keyOf={(row) => row.series.id}
        rowClass={(row) => (hidden.has(row.series.id) ? 'is-off' : '')}
        onRowClick={(row, event) => choose(row.series.id, event.ctrlKey || event.metaKey)}
        onRowEnter={(row) => props.onFocus(row?.series.id ?? null)}
        {...(rows.length > SCROLL_ROWS ? { maxHeightPx: SCROLL_PX } : {})}
      />
    </div>
  );
}
