/* SPDX-License-Identifier: Apache-2.0
 *
 * DataTable - columns over any number of rows, sortable, virtual.
 */
import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { Icon } from './icon';
import { VirtualRows } from './virtual-rows';

export interface Column<T> {
  key: string;
  label: ComponentChildren;
  /** CSS grid track. */
  track: string;
  isNumber?: boolean;
  render: (row: T) => ComponentChildren;
  /** What to sort by; a column without is not sortable. Nothing sorts last. */
  sortBy?: (row: T) => number | string | null;
}

interface DataTableProps<T> {
  label: string;
  columns: ReadonlyArray<Column<T>>;
  rows: readonly T[];
  keyOf: (row: T) => string;
  rowPx?: number;
  onRowClick?: (row: T, event: MouseEvent) => void;
  onRowEnter?: (row: T | null) => void;
  rowClass?: (row: T) => string;
  /** Height at which the table scrolls by itself instead of with the page. */
  maxHeightPx?: number;
}

type Order = { key: string; isDescending: boolean } | null;

function compare(a: number | string | null, b: number | string | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b), 'en', { numeric: true });
}

export function sortRows<T>(
  rows: readonly T[],
  by: (row: T) => number | string | null,
  isDescending: boolean,
): T[] {
  return rows
    .map((row) => ({ row, value: by(row) }))
    .sort((a, b) => {
      const order = compare(a.value, b.value);
      const hasNull = a.value === null || b.value === null;
      return isDescending && !hasNull ? -order : order;
    })
    .map((x) => x.row);
}

export function DataTable<T>(props: DataTableProps<T>) {
  const { columns, rows } = props;
  const [order, setOrder] = useState<Order>(null);
  const sorted = useMemo(() => {
    const by = columns.find((c) => c.key === order?.key)?.sortBy;
    return order === null || by === undefined ? rows : sortRows(rows, by, order.isDescending);
  }, [rows, columns, order]);
  const tracks = { gridTemplateColumns: columns.map((c) => c.track).join(' ') };
  const turn = (column: Column<T>): void => {
    const firstIsDown = column.isNumber === true;
    if (order?.key !== column.key) setOrder({ key: column.key, isDescending: firstIsDown });
    else if (order.isDescending === firstIsDown) {
      setOrder({ key: column.key, isDescending: !firstIsDown });
    } else setOrder(null);
  };
  const renderRow = (index: number): ComponentChildren => {
    const row = sorted[index] as T;
    return (
      <div
        key={props.keyOf(row)}
        data-row={index}
        role="row"
        aria-rowindex={index + 2}
        class={`table-row ${props.rowClass?.(row) ?? ''}`}
        style={tracks}
        onClick={props.onRowClick && ((event) => props.onRowClick?.(row, event))}
        onMouseEnter={props.onRowEnter && (() => props.onRowEnter?.(row))}
      >
        {columns.map((column) => (
          <div key={column.key} role="cell" class={column.isNumber ? 'is-number' : ''}>
            {column.render(row)}
          </div>
        ))}
      </div>
    );
  };
  const table = (
    <div
      class="table"
      role="table"
      aria-label={props.label}
      aria-rowcount={rows.length + 1}
      onMouseLeave={props.onRowEnter && (() => props.onRowEnter?.(null))}
    >
      <div role="rowgroup">
        <div role="row" aria-rowindex={1} class="table-row is-head" style={tracks}>
          {columns.map((column) => {
            const isSorted = order?.key === column.key;
            const sort = isSorted ? (order.isDescending ? 'descending' : 'ascending') : undefined;
            return (
              <div
                key={column.key}
                role="columnheader"
                aria-sort={sort}
                class={column.isNumber ? 'is-number' : ''}
              >
                {column.sortBy === undefined ? (
                  column.label
                ) : (
                  <button type="button" class="sort-button" onClick={() => turn(column)}>
                    {column.label}
                    {isSorted && (
                      <span class={order.isDescending ? 'sort-mark' : 'sort-mark is-up'}>
                        <Icon name="down" size={12} />
                      </span>
                    )}
                  </button>
                )}
              </div>
            );
          })}
        </div>
      </div>
      <VirtualRows
        role="rowgroup"
        count={sorted.length}
        estimatePx={props.rowPx ?? 29}
        keyOf={(i) => props.keyOf(sorted[i] as T)}
        render={renderRow}
      />
    </div>
  );
  if (props.maxHeightPx === undefined) return table;
  return (
    <div
      class="table-scroll"
      data-scroll
      tabIndex={0}
      role="region"
      aria-label={props.label}
      style={{ maxHeight: `${props.maxHeightPx}px` }}
    >
      {table}
    </div>
  );
}
