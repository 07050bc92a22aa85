/* SPDX-License-Identifier: Apache-2.0
 *
 * VirtualRows - a list that holds only the rows on the screen, whatever their heights.
 *
 * Rows are measured once drawn; until then their height is an estimate. It scrolls with the window, or
 * with the nearest ancestor that has `data-scroll`. Padding stands in for the rows not drawn, so rows
 * stay direct children (role=row in role=rowgroup).
 */
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useReducer, useRef } from 'preact/hooks';

interface VirtualRowsProps {
  count: number;
  estimatePx: number;
  keyOf: (index: number) => string;
  /** Renders a row; its element must carry data-row={index}. */
  render: (index: number) => ComponentChildren;
  class?: string;
  role?: 'rowgroup' | 'list';
}

const OVERSCAN_PX = 400;
/** Below this a list is simply drawn whole. */
const VIRTUAL_MIN = 300;

export function VirtualRows(props: VirtualRowsProps) {
  const { count, estimatePx, keyOf } = props;
  const root = useRef<HTMLDivElement>(null);
  const heights = useRef(new Map<string, number>());
  const [, redraw] = useReducer<number, void>((n) => n + 1, 0);
  const view = useRef({ top: 0, bottom: 2000 });
  const isVirtual = count > VIRTUAL_MIN;

  useEffect(() => {
    if (!isVirtual || root.current === null) return undefined;
    const box = root.current;
    const scroller = box.closest<HTMLElement>('[data-scroll]');
    let frame = 0;
    const measure = (): void => {
      frame = 0;
      const { top } = box.getBoundingClientRect();
      const bounds = scroller?.getBoundingClientRect();
      const from = (bounds?.top ?? 0) - top;
      const length = bounds?.height ?? window.innerHeight;
      view.current = { top: from - OVERSCAN_PX, bottom: from + length + OVERSCAN_PX };
      redraw();
    };
    const onScroll = (): void => {
      if (frame === 0) frame = window.requestAnimationFrame(measure);
    };
    const source: HTMLElement | Window = scroller ?? window;
    measure();
    source.addEventListener('scroll', onScroll, { passive: true });
    window.addEventListener('resize', onScroll);
    return () => {
      window.cancelAnimationFrame(frame);
      source.removeEventListener('scroll', onScroll);
      window.removeEventListener('resize', onScroll);
    };
  }, [isVirtual, count]);

  useLayoutEffect(() => {
    if (!isVirtual || root.current === null) return;
    let hasChanged = false;
    for (const row of root.current.querySelectorAll<HTMLElement>(':scope > [data-row]')) {
      const key = keyOf(Number(row.dataset['row']));
      const height = row.offsetHeight;
      if (height > 0 && heights.current.get(key) !== height) {
        hasChanged = hasChanged || (heights.current.get(key) ?? estimatePx) !== height;
        heights.current.set(key, height);
      }
    }
    if (hasChanged) redraw();
  });

  let first = 0;
  let end = count;
  let above = 0;
  let below = 0;
  if (isVirtual) {
    end = 0;
    let offset = 0;
    let hasFirst = false;
    for (let i = 0; i < count; i += 1) {
      const height = heights.current.get(keyOf(i)) ?? estimatePx;
      const isAbove = offset + height < view.current.top;
      const isBelow = offset > view.current.bottom;
      if (isAbove) above += height;
      else if (isBelow) below += height;
      else {
        if (!hasFirst) first = i;
        hasFirst = true;
        end = i + 1;
      }
      offset += height;
    }
    if (!hasFirst) {
      first = 0;
      end = 0;
    }
  }
  const rows: ComponentChildren[] = [];
  for (let i = first; i < end; i += 1) rows.push(props.render(i));
  const style = isVirtual ? { paddingTop: `${above}px`, paddingBottom: `${below}px` } : {};
  return (
    <div ref={root} class={props.class} role={props.role} style={style}>
      {rows}
    </div>
  );
}
