/* SPDX-License-Identifier: Apache-2.0
 *
 * ChartLegend - the short legend under a small chart: name and last value of each series.
 */
import { theme } from '../state/settings';
import { slotColor } from './color';
import { formatValue, type Unit } from './format';
import { statsOf, type FrameSeries } from './frame';

const SHOWN_MAX = 8;

interface ChartLegendProps {
  series: readonly FrameSeries[];
  unit: Unit;
  onFocus: (id: string | null) => void;
}

export function ChartLegend({ series, unit, onFocus }: ChartLegendProps) {
  const shown = series.slice(0, SHOWN_MAX);
  return (
    <ul class="chart-legend" onMouseLeave={() => onFocus(null)}>
      {shown.map((s) => {
        const { last } = statsOf(s.values);
        return (
          <li key={s.id} title={s.name} onMouseEnter={() => onFocus(s.id)}>
            <span class="swatch" style={{ backgroundColor: slotColor(s.slot, theme.value) }} />
            <span class="chart-legend-name">{s.name}</span>
            <span class="chart-legend-value">
              {last === null ? '–' : formatValue(last, unit, 3)}
            </span>
          </li>
        );
      })}
      {series.length > shown.length && (
        <li class="chart-legend-more">and {series.length - shown.length} more</li>
      )}
    </ul>
  );
}
