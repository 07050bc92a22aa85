/* SPDX-License-Identifier: Apache-2.0
 *
 * TimeSeries - the chart as a component. What it shows is said in one sentence for those who do not
 * see it; the numbers are in the legend or table beside it.
 */
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import 'uplot/dist/uPlot.min.css';
import './viz.css';
import { isUtc } from '../state/clock';
import { theme } from '../state/settings';
import { formatTime, formatValue, type Unit } from './format';
import { splitCrowd, statsOf, type Frame } from './frame';
import { Plot } from './plot';

export interface TimeSeriesProps {
  title: string;
  frame: Frame;
  unit: Unit;
  height: number;
  isStacked?: boolean;
  isFilled?: boolean;
  yMin?: number;
  yMax?: number;
  hidden?: ReadonlySet<string>;
  focusId?: string | null;
  showsAll?: boolean;
  syncKey?: string;
  onZoom?: (fromMs: number, toMs: number) => void;
  onUnzoom?: () => void;
}

const NOTHING: ReadonlySet<string> = new Set();

/** "CPU: 5 series from ... to ..., largest now user 12 %." */
export function describeFrame(title: string, frame: Frame, unit: Unit, utc: boolean): string {
  const span = `from ${formatTime(frame.fromMs, utc)} to ${formatTime(frame.toMs, utc)}`;
  const count = `${frame.series.length} series`;
  let largest: { name: string; last: number } | null = null;
  for (const s of frame.series) {
    const { last } = statsOf(s.values);
    if (last !== null && (largest === null || last > largest.last)) {
      largest = { name: s.name, last };
    }
  }
  const now =
    largest === null
      ? ''
      : `; largest at the end: ${largest.name} ${formatValue(largest.last, unit)}`;
  return `${title}: ${count} ${span}${now}.`;
}

export function TimeSeries(props: TimeSeriesProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const { frame, unit, height, showsAll = false } = props;
  const split = useMemo(() => splitCrowd(frame.series, showsAll), [frame, showsAll]);
  const currentTheme = theme.value;
  const utc = isUtc.value;

  useLayoutEffect(() => {
    if (host.current === null) return undefined;
    const made = new Plot(host.current);
    plot.current = made;
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, []);

  useLayoutEffect(() => {
    plot.current?.update({
      frame,
      split,
      hidden: props.hidden ?? NOTHING,
      unit,
      isStacked: props.isStacked ?? false,
      isFilled: props.isFilled ?? false,
      isUtc: utc,
      theme: currentTheme,
      height,
      syncKey: props.syncKey ?? '',
      ...(props.yMin === undefined ? {} : { yMin: props.yMin }),
      ...(props.yMax === undefined ? {} : { yMax: props.yMax }),
      ...(props.onZoom === undefined ? {} : { onZoom: props.onZoom }),
      ...(props.onUnzoom === undefined ? {} : { onUnzoom: props.onUnzoom }),
    });
  });

  const { focusId = null } = props;
  useEffect(() => plot.current?.focus(focusId), [focusId]);

  return (
    <div
      ref={host}
      class="chart"
      role="img"
      aria-label={describeFrame(props.title, frame, unit, utc)}
      style={{ height: `${height}px` }}
    />
  );
}
