/* SPDX-License-Identifier: Apache-2.0
 *
 * TableTab - the query at one instant (the end of the view's range), as a table.
 */
import { useEffect, useMemo } from 'preact/hooks';
import type { ApiError, Notice } from '../../api/http';
import { queryInstant, type QueryResult } from '../../api/prometheus';
import { isUtc, now, range, tick } from '../../state/clock';
import { useResource } from '../../state/resource';
import { resolveRange } from '../../state/time';
import type { QueryView } from '../../state/view';
import { CopyButton } from '../../ui/copy';
import { DataTable, type Column } from '../../ui/data-table';
import { Panel } from '../../ui/panel';
import { SeriesLabel } from '../../ui/series-label';
import { Empty } from '../../ui/states';
import { formatTime, formatValue, guessUnit, type Unit } from '../../viz/format';
import { ParseError } from './parse-error';
import { QueryStatsStrip, plural } from './query-stats';
import { rowsOf, toCsv, type TableRow } from './table-rows';

const VALUES_SHOWN = 20;

interface Loaded {
  rows: TableRow[];
  result: QueryResult;
  timeMs: number;
  notices: Notice[];
  roundTripMs: number;
}

function Values({ row, unit }: { row: TableRow; unit: Unit }) {
  const only = row.values.length === 1 ? row.values[0] : undefined;
  if (only !== undefined) {
    const nice = row.number === null ? '' : formatValue(row.number, unit);
    const isPlain = nice.replace(/\s/g, '') === only.text || unit === 'none';
    return (
      <>
        <span class="value">{only.text}</span>
        {!isPlain && <small class="value-nice">{nice}</small>}
      </>
    );
  }
  const shown = row.values.slice(-VALUES_SHOWN);
  return (
    <div class="value-list">
      {shown.map((v) => (
        <div key={v.timeMs}>
          <span class="value">{v.text}</span>
          <small> @ {formatTime(v.timeMs, isUtc.value)}</small>
        </div>
      ))}
      {row.values.length > shown.length && (
        <small>and {row.values.length - shown.length} older values</small>
      )}
    </div>
  );
}

export function TableTab({
  view,
  onError,
}: {
  view: QueryView;
  onError: (error: ApiError | null) => void;
}) {
  const { to } = range.value;
  const key = view.expr === '' ? '' : JSON.stringify([view.expr, to]);
  const resource = useResource<Loaded>(key, tick.value, async (signal) => {
    const { toMs } = resolveRange(range.peek(), now());
    const answer = await queryInstant(view.expr, toMs, signal, true);
    return {
      rows: rowsOf(answer.data),
      result: answer.data,
      timeMs: toMs,
      notices: answer.notices,
      roundTripMs: answer.roundTripMs,
    };
  });
  const { data, error } = resource;
  useEffect(() => onError(error), [error, onError]);
  const unit = useMemo(() => guessUnit(view.expr), [view.expr]);
  const columns = useMemo<Array<Column<TableRow>>>(
    () => [
      {
        key: 'series',
        label: 'Series',
        track: 'minmax(0, 1fr)',
        sortBy: (row) => row.id,
        render: (row) => <SeriesLabel labels={row.labels} />,
      },
      {
        key: 'value',
        label: 'Value',
        track: 'minmax(160px, auto)',
        isNumber: true,
        sortBy: (row) => (row.number !== null && Number.isNaN(row.number) ? null : row.number),
        render: (row) => <Values row={row} unit={unit} />,
      },
    ],
    [unit],
  );
  return (
    <Panel
      title={
        <span class="at-time">
          {data === null ? 'Instant query' : `At ${formatTime(data.timeMs, isUtc.value)}`}
        </span>
      }
      heading="none"
      label="Table"
      class="graph-panel"
      resource={resource}
      dataKey={key}
      detailOf={(e) => <ParseError error={e} expr={view.expr} />}
      height={220}
      noticesOf={(d) => d.notices}
      emptyOf={(d) =>
        d.rows.length > 0 ? null : (
          <Empty title="The query has no result at this instant.">
            <p>
              Asked at {formatTime(d.timeMs, isUtc.value)}. A series counts as gone five minutes
              after its last sample; Graph shows whether there is data earlier.
            </p>
          </Empty>
        )
      }
      actions={
        data !== null && (
          <>
            <QueryStatsStrip
              parts={[plural(data.rows.length, 'row', 'rows'), data.result.resultType]}
              stats={data.result.stats}
              roundTripMs={data.roundTripMs}
            />
            <CopyButton label="CSV" text={() => toCsv(data.rows)} />
            <CopyButton label="JSON" text={() => JSON.stringify(data.result.result, null, 2)} />
          </>
        )
      }
    >
      {(d) => <DataTable label="Result" columns={columns} rows={d.rows} keyOf={(row) => row.id} />}
    </Panel>
  );
}
