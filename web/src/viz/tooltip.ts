/* SPDX-License-Identifier: Apache-2.0
 *
 * tooltip - the values under the crosshair. Built by hand: it changes with every mouse move.
 */
import { formatTimeWithOffset } from './format';

export interface TooltipRow {
  name: string;
  color: string;
  value: number;
  text: string;
  /** Where the point is drawn, in pixels of the plot. */
  y: number;
}

export interface TooltipModel {
  rows: TooltipRow[];
  timeMs: number;
  isUtc: boolean;
  isStacked: boolean;
  pointerY: number;
  left: number;
  top: number;
}

const ROWS_MAX = 12;
const OFFSET_PX = 14;

/** The rows to show: all, or those nearest to the pointer; largest first unless stacked. */
export function chooseRows(model: TooltipModel): {
  rows: TooltipRow[];
  nearest: TooltipRow | null;
} {
  const distance = (row: TooltipRow): number => Math.abs(row.y - model.pointerY);
  const byDistance = [...model.rows].sort((a, b) => distance(a) - distance(b));
  const kept = new Set(byDistance.slice(0, ROWS_MAX));
  const rows = model.rows.filter((row) => kept.has(row));
  if (model.isStacked) rows.reverse();
  else rows.sort((a, b) => b.value - a.value);
  return { rows, nearest: byDistance[0] ?? null };
}

function cell(className: string, text: string): HTMLSpanElement {
  const span = document.createElement('span');
  span.className = className;
  span.textContent = text;
  return span;
}

export class Tooltip {
  private readonly box: HTMLDivElement;

  constructor() {
    this.box = document.createElement('div');
    this.box.className = 'chart-tip';
    this.box.hidden = true;
    this.box.setAttribute('aria-hidden', 'true');
    document.body.append(this.box);
  }

  destroy(): void {
    this.box.remove();
  }

  hide(): void {
    this.box.hidden = true;
  }

  show(model: TooltipModel): void {
    const { rows, nearest } = chooseRows(model);
    const parts: HTMLElement[] = [
      cell('chart-tip-time', formatTimeWithOffset(model.timeMs, model.isUtc)),
    ];
    for (const row of rows) {
      const line = document.createElement('div');
      line.className =
        row === nearest && rows.length > 1 ? 'chart-tip-row is-near' : 'chart-tip-row';
      const mark = cell('swatch', '');
      mark.style.backgroundColor = row.color;
      line.append(mark, cell('chart-tip-name', row.name), cell('chart-tip-value', row.text));
      parts.push(line);
    }
    const more = model.rows.length - rows.length;
    if (more > 0) parts.push(cell('chart-tip-more', `and ${more} more`));
    if (rows.length === 0) parts.push(cell('chart-tip-more', 'no data'));
    this.box.replaceChildren(...parts);
    this.box.hidden = false;
    this.place(model.left, model.top);
  }

  private place(left: number, top: number): void {
    const { offsetWidth, offsetHeight } = this.box;
    const isRight = left + OFFSET_PX + offsetWidth > window.innerWidth - 8;
    const x = isRight ? left - OFFSET_PX - offsetWidth : left + OFFSET_PX;
    const y = Math.min(Math.max(8, top - offsetHeight / 2), window.innerHeight - offsetHeight - 8);
    this.box.style.transform = `translate(${Math.round(Math.max(8, x))}px, ${Math.round(y)}px)`;
  }
}
