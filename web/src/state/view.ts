/* SPDX-License-Identifier: Apache-2.0
 *
 * view - what the Metrics page shows, to and from URL parameters, and the links of older UIs.
 */
import { parseDuration, formatDuration } from './time';

export interface QueryView {
  expr: string;
  tab: 'graph' | 'table';
  isStacked: boolean;
  isFine: boolean;
  /** Milliseconds, null = chosen from range and width. */
  stepMs: number | null;
}

export function readView(params: URLSearchParams): QueryView {
  const step = parseDuration(params.get('step') ?? '');
  return {
    expr: params.get('expr') ?? '',
    tab: params.get('tab') === 'table' ? 'table' : 'graph',
    isStacked: params.get('stacked') === '1',
    isFine: params.get('res') === 'fine',
    stepMs: step !== null && step > 0 ? step : null,
  };
}

/** The parameters of a view; null removes one, so that the default leaves no trace in the URL. */
export function writeView(view: QueryView): Record<string, string | null> {
  return {
    expr: view.expr === '' ? null : view.expr,
    tab: view.tab === 'table' ? 'table' : null,
    stacked: view.isStacked ? '1' : null,
    res: view.isFine ? 'fine' : null,
    step: view.stepMs === null ? null : formatDuration(view.stepMs),
  };
}

export function hasLegacyParams(params: URLSearchParams): boolean {
  return params.has('g0.expr') || params.has('g0.tab') || params.has('g0.range_input');
}

/** `2026-03-01 14:00:00` (UTC), RFC 3339 or epoch seconds, as older links write an end time. */
function readLegacyTime(text: string): number | null {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const iso = text.trim().replace(' ', 'T');
  const ms = Date.parse(/(Z|[+-]\d\d:\d\d)$/.test(iso) ? iso : `${iso}Z`);
  return Number.isNaN(ms) ? null : ms;
}

/** Maps `/graph?g0.*` (one panel) to the parameters of this page. */
export function fromLegacy(params: URLSearchParams): URLSearchParams {
  const get = (name: string): string => params.get(`g0.${name}`) ?? '';
  const tab = get('tab');
  const step = parseDuration(get('step_input') || get('res_step'));
  const view: QueryView = {
    expr: get('expr'),
    /* Tab 1 and no tab at all are the table: that was the default of old links. */
    tab: tab === '0' || tab === 'graph' ? 'graph' : 'table',
    isStacked: get('stacked') === '1' || get('display_mode') === 'stacked',
    isFine: get('res_density') === 'high',
    stepMs: step,
  };
  const mapped = new URLSearchParams();
  for (const [key, value] of Object.entries(writeView(view))) {
    if (value !== null) mapped.set(key, value);
  }
  const range = parseDuration(get('range_input'));
  const end = readLegacyTime(get(view.tab === 'table' ? 'moment_input' : 'end_input'));
  if (end !== null) {
    mapped.set('from', String(end - (range ?? 3_600_000)));
    mapped.set('to', String(end));
  } else if (range !== null) {
    mapped.set('from', `now-${formatDuration(range)}`);
    mapped.set('to', 'now');
  }
  return mapped;
}
