/* SPDX-License-Identifier: Apache-2.0
 *
 * plot - a time series chart on a canvas: uPlot plus what monitoring needs of it.
 *
 * One Plot per chart on the screen. `update` takes the whole model; it rebuilds the chart only when
 * its structure changes (series, stacking, unit, theme, zone), otherwise it swaps the data.
 * Drag selects a span (onZoom), Shift+drag pans, double click undoes. Charts with the same syncKey
 * share their crosshair.
 */
import uPlot from 'uplot';
import type { Theme } from '../state/settings';
import { CHART_INK, slotColor, withAlpha } from './color';
import { axisTimeLabels, formatValue, type Unit } from './format';
import { stackValues, type Frame, type FrameSeries, type Split } from './frame';
import { valueRange } from './value-range';
import { Tooltip, type TooltipRow } from './tooltip';

export interface PlotModel {
  frame: Frame;
  split: Split;
  /** Ids of series not drawn. */
  hidden: ReadonlySet<string>;
  unit: Unit;
  isStacked: boolean;
  /** Fill under lines that are not stacked. */
  isFilled: boolean;
  /** Ends of the value axis that are always shown. */
  yMin?: number;
  yMax?: number;
  isUtc: boolean;
  theme: Theme;
  height: number;
  syncKey: string;
  onZoom?: (fromMs: number, toMs: number) => void;
  onUnzoom?: () => void;
}

type Values = Array<number | null>;

const FONT =
  '11px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif';
const DRAG_PX_MIN = 5;
/** Room at the right for half of the last time label. */
const EDGE_PX = 14;
const BYTE_STEPS: number[] = [];
for (let power = 0; power <= 60; power += 10) {
  for (const n of [1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 250, 256, 500, 512]) {
    BYTE_STEPS.push(n * 2 ** power);
  }
}
BYTE_STEPS.sort((a, b) => a - b);

/** Points with no neighbour on either side: a line alone would not show them. */
function lonePoints(values: Values): number[] {
  const lone: number[] = [];
  for (let i = 0; i < values.length; i += 1) {
    if (values[i] === null || values[i] === undefined) continue;
    if ((values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null) lone.push(i);
  }
  return lone;
}

export class Plot {
  private chart: uPlot | null = null;
  private structure = '';
  private model: PlotModel | null = null;
  private view: [number, number] = [0, 1];
  private isPointerInside = false;
  /** Charts with the same syncKey mirror a drag; only the one under the hand acts on it. */
  private isDragSource = false;
  private readonly tooltip = new Tooltip();
  private readonly observer: ResizeObserver;

  constructor(private readonly host: HTMLElement) {
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(host);
  }

  destroy(): void {
    this.observer.disconnect();
    this.tooltip.destroy();
    this.chart?.destroy();
    this.chart = null;
  }

  update(model: PlotModel): void {
    this.model = model;
    this.view = [model.frame.fromMs / 1000, model.frame.toMs / 1000];
    const structure = JSON.stringify([
      model.split.drawn.map((s) => [s.id, s.slot, s.isDashed, model.hidden.has(s.id)]),
      model.split.band !== null,
      model.unit,
      model.isStacked,
      model.isFilled,
      model.isUtc,
      model.theme,
      model.syncKey,
    ]);
    if (this.chart === null || structure !== this.structure) {
      this.structure = structure;
      this.rebuild();
    } else {
      this.fit();
      this.chart.setData(this.alignedData(), true);
    }
    this.showTooltip();
  }

  /** Fades all but one series; null ends it. */
  focus(id: string | null): void {
    const chart = this.chart;
    if (chart === null || this.model === null) return;
    const index = id === null ? -1 : this.model.split.drawn.findIndex((s) => s.id === id);
    if (index < 0) chart.setSeries(null, { focus: false });
    else chart.setSeries(index + 1, { focus: true });
  }

  private fit(): void {
    const { chart, model } = this;
    if (chart === null || model === null) return;
    const width = this.host.clientWidth;
    if (width > 0 && (width !== chart.width || model.height !== chart.height)) {
      chart.setSize({ width, height: model.height });
    }
  }

  private shownSeries(): FrameSeries[] {
    const { model } = this;
    return model === null ? [] : model.split.drawn.filter((s) => !model.hidden.has(s.id));
  }

  /** What is stacked: a dashed series is a reference line, not a part of the sum. */
  private layers(): FrameSeries[] {
    return this.shownSeries().filter((s) => s.isDashed !== true);
  }

  private alignedData(): uPlot.AlignedData {
    const model = this.model as PlotModel;
    const columns: Values[] = model.split.drawn.map((s) => s.values);
    if (model.isStacked) {
      const layers = this.layers();
      const stacked = stackValues(layers.map((s) => s.values));
      layers.forEach((s, i) => {
        columns[model.split.drawn.indexOf(s)] = stacked[i] ?? [];
      });
    }
    if (model.split.band !== null) columns.push(model.split.band.high, model.split.band.low);
    return [model.frame.times, ...columns] as uPlot.AlignedData;
  }

  private seriesOptions(s: FrameSeries): uPlot.Series {
    const model = this.model as PlotModel;
    const color = slotColor(s.slot, model.theme);
    const options: uPlot.Series = {
      label: s.name,
      show: !model.hidden.has(s.id),
      stroke: color,
      width: model.isStacked && s.isDashed !== true ? 1 : 1.5,
      spanGaps: false,
      points: {
        show: true,
        size: 5,
        stroke: color,
        fill: color,
        filter: (u, index) => lonePoints(u.data[index] as Values),
      },
    };
    if (s.isDashed) options.dash = [5, 4];
    else if (model.isStacked) options.fill = withAlpha(color, model.theme === 'dark' ? 0.42 : 0.36);
    else if (model.isFilled) options.fill = withAlpha(color, 0.11);
    return options;
  }

  private bands(): uPlot.Band[] {
    const model = this.model as PlotModel;
    const bands: uPlot.Band[] = [];
    const { drawn, band } = model.split;
    if (model.isStacked) {
      const indexes = this.layers().map((s) => drawn.indexOf(s) + 1);
      for (let i = 1; i < indexes.length; i += 1) {
        bands.push({ series: [indexes[i] ?? 0, indexes[i - 1] ?? 0] });
      }
    }
    if (band !== null) {
      const fill = withAlpha(CHART_INK[model.theme].text, 0.22);
      bands.push({ series: [drawn.length + 1, drawn.length + 2], fill });
    }
    return bands;
  }

  private axes(): uPlot.Axis[] {
    const model = this.model as PlotModel;
    const ink = CHART_INK[model.theme];
    const shared: uPlot.Axis = {
      stroke: ink.text,
      font: FONT,
      grid: { stroke: ink.grid, width: 1 },
      ticks: { stroke: ink.axis, width: 1, size: 4 },
    };
    const x: uPlot.Axis = {
      ...shared,
      grid: { show: false },
      border: { show: true, stroke: ink.axis, width: 1 },
      gap: 4,
      size: (_u, values) => (values?.some((text) => text.includes('\n')) === true ? 36 : 22),
      space: 72,
      values: (u, splits, _axis, _space, incr) => this.timeLabels(u, splits, incr),
    };
    const y: uPlot.Axis = {
      ...shared,
      ticks: { show: false },
      gap: 6,
      space: 34,
      size: (u, values) => this.valueAxisSize(u, values),
      values: (_u, splits) => splits.map((v) => formatValue(v, model.unit)),
    };
    if (model.unit === 'bytes' || model.unit === 'bytes/s') y.incrs = BYTE_STEPS;
    return [x, y];
  }

  /** Without those that would be cut off at the right edge. */
  private timeLabels(chart: uPlot, splits: number[], incrS: number): string[] {
    const isUtcAxis = (this.model as PlotModel).isUtc;
    const labels = axisTimeLabels(splits, incrS, isUtcAxis, Date.now());
    const { ctx } = chart;
    ctx.save();
    ctx.font = FONT;
    const kept = labels.map((label, i) => {
      const half = ctx.measureText(label.split('\n')[0] ?? '').width / 2;
      const right = chart.valToPos(splits[i] ?? 0, 'x') + half;
      return right > chart.bbox.width / uPlot.pxRatio + EDGE_PX ? '' : label;
    });
    ctx.restore();
    return kept;
  }

  private valueAxisSize(chart: uPlot, values: string[] | null): number {
    if (values === null || values.length === 0) return 48;
    const { ctx } = chart;
    ctx.save();
    ctx.font = FONT;
    const widest = Math.max(...values.map((text) => ctx.measureText(text).width));
    ctx.restore();
    return Math.max(40, Math.ceil(widest) + 14);
  }

  private rebuild(): void {
    const model = this.model as PlotModel;
    this.chart?.destroy();
    const band: uPlot.Series = { stroke: 'transparent', width: 0, points: { show: false } };
    const zone: Pick<uPlot.Options, 'tzDate'> = model.isUtc
      ? { tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), 'Etc/UTC') }
      : {};
    const options: uPlot.Options = {
      ...zone,
      width: Math.max(120, this.host.clientWidth),
      height: model.height,
      padding: [8, EDGE_PX, 0, 0],
      legend: { show: false },
      focus: { alpha: 0.2 },
      cursor: {
        drag: { x: true, y: false, setScale: false, dist: DRAG_PX_MIN },
        points: { size: 7, width: 1.5 },
        focus: { prox: -1 },
        bind: {
          mousedown: (_u, _target, handler) => (event) => {
            if (event.button === 0 && event.shiftKey) this.startPan(event);
            else {
              this.isDragSource = true;
              handler(event);
            }
            return null;
          },
          dblclick: () => () => {
            this.model?.onUnzoom?.();
            return null;
          },
        },
        ...(model.syncKey === '' ? {} : { sync: { key: model.syncKey, setSeries: false } }),
      },
      scales: {
        x: { time: true, range: () => this.view },
        y: { range: (_u, min, max) => valueRange(min, max, this.model ?? model) },
      },
      series: [
        {},
        ...model.split.drawn.map((s) => this.seriesOptions(s)),
        ...(model.split.band === null ? [] : [band, band]),
      ],
      bands: this.bands(),
      axes: this.axes(),
      hooks: {
        setSelect: [(u) => this.finishSelect(u)],
        setCursor: [() => this.showTooltip()],
      },
    };
    this.chart = new uPlot(options, this.alignedData(), this.host);
    this.isPointerInside = false;
    this.chart.over.addEventListener('mouseenter', () => {
      this.isPointerInside = true;
    });
    this.chart.over.addEventListener('mouseleave', () => {
      this.isPointerInside = false;
      this.tooltip.hide();
    });
  }

  private finishSelect(chart: uPlot): void {
    const { left, width } = chart.select;
    const isMine = this.isDragSource;
    this.isDragSource = false;
    if (width < DRAG_PX_MIN) return;
    const fromMs = chart.posToVal(left, 'x') * 1000;
    const toMs = chart.posToVal(left + width, 'x') * 1000;
    chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (isMine && toMs - fromMs >= 1000) this.model?.onZoom?.(fromMs, toMs);
  }

  private startPan(down: MouseEvent): void {
    const { chart } = this;
    if (chart === null) return;
    const [from, to] = this.view;
    const secondsPerPx = (to - from) / chart.over.clientWidth;
    let shift = 0;
    const move = (event: MouseEvent): void => {
      shift = (down.clientX - event.clientX) * secondsPerPx;
      this.view = [from + shift, to + shift];
      chart.setScale('x', { min: from + shift, max: to + shift });
    };
    const up = (): void => {
      window.removeEventListener('mousemove', move);
      window.removeEventListener('mouseup', up);
      if (shift !== 0) this.model?.onZoom?.((from + shift) * 1000, (to + shift) * 1000);
    };
    window.addEventListener('mousemove', move);
    window.addEventListener('mouseup', up);
    down.preventDefault();
  }

  private showTooltip(): void {
    const { chart, model } = this;
    const index = chart?.cursor.idx;
    if (chart === null || model === null || !this.isPointerInside || typeof index !== 'number') {
      this.tooltip.hide();
      return;
    }
    const time = model.frame.times[index];
    if (time === undefined) {
      this.tooltip.hide();
      return;
    }
    const rows: TooltipRow[] = [];
    for (const s of this.shownSeries()) {
      const value = s.values[index];
      if (value === null || value === undefined) continue;
      rows.push({
        name: s.name,
        color: slotColor(s.slot, model.theme),
        value,
        text: formatValue(value, model.unit),
        y: this.rowPosition(chart, s, index),
      });
    }
    const bounds = chart.over.getBoundingClientRect();
    this.tooltip.show({
      rows,
      timeMs: time * 1000,
      isUtc: model.isUtc,
      isStacked: model.isStacked,
      pointerY: chart.cursor.top ?? 0,
      left: bounds.left + (chart.cursor.left ?? 0),
      top: bounds.top + (chart.cursor.top ?? 0),
    });
  }

  private rowPosition(chart: uPlot, s: FrameSeries, index: number): number {
    const column = (this.model as PlotModel).split.drawn.indexOf(s) + 1;
    const drawn = chart.data[column]?.[index];
    return typeof drawn === 'number' ? chart.valToPos(drawn, 'y') : -1;
  }
}
