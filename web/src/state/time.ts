/* SPDX-License-Identifier: Apache-2.0
 *
 * time - the time range of a view: its text form in the URL, arithmetic on it, and the step of a graph.
 *
 * An end of a range is `now`, `now-90m`, or epoch milliseconds. Everything here is pure.
 */

export interface TimeRange {
  from: string;
  to: string;
}

export interface Span {
  fromMs: number;
  toMs: number;
}

const UNIT_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
};

/** `1h30m`, `45s`, `1.5h` or plain seconds; null when it is none of these. */
export function parseDuration(text: string): number | null {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed) * 1000;
  const part = /(\d+(?:\.\d+)?)(ms|[smhdwy])/y;
  let total = 0;
  let position = 0;
  while (position < trimmed.length) {
    part.lastIndex = position;
    const match = part.exec(trimmed);
    if (match === null) return null;
    total += Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0);
    position = part.lastIndex;
  }
  return position === 0 ? null : total;
}

/** The shortest exact form: 5400000 is `1h30m`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  let rest = Math.round(Math.abs(ms));
  let text = ms < 0 ? '-' : '';
  for (const unit of ['w', 'd', 'h', 'm', 's', 'ms']) {
    const size = UNIT_MS[unit] ?? 1;
    /* Weeks only when nothing is left over: 8d reads better than 1w1d. */
    if (unit === 'w' && rest % size !== 0) continue;
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}

/** Milliseconds since the epoch of one end of a range; null when the text is no time. */
export function resolveTime(text: string, nowMs: number): number | null {
  const trimmed = text.trim();
  if (trimmed === 'now') return nowMs;
  const relative = /^now([+-])(.+)$/.exec(trimmed);
  if (relative !== null) {
    const distance = parseDuration(relative[2] ?? '');
    if (distance === null) return null;
    return relative[1] === '-' ? nowMs - distance : nowMs + distance;
  }
  if (/^-?\d{10,}$/.test(trimmed)) return Number(trimmed);
  return null;
}

/** Like resolveTime, but also takes what a person types: `2026-03-01 14:00`, RFC 3339. */
export function readTyped(text: string, isUtc: boolean): string | null {
  const trimmed = text.trim();
  if (resolveTime(trimmed, 0) !== null) return trimmed;
  const iso = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(:\d\d(?:\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(
    trimmed,
  );
  if (iso === null) return null;
  const zone = iso[4] ?? (isUtc ? 'Z' : '');
  const ms = Date.parse(`${iso[1]}T${iso[2] ?? '00:00'}${iso[3] ?? ':00'}${zone}`);
  return Number.isNaN(ms) ? null : String(ms);
}

/** The instants a range means now. A range that is no range reads as the last hour. */
export function resolveRange(range: TimeRange, nowMs: number): Span {
  const toMs = resolveTime(range.to, nowMs) ?? nowMs;
  const fromMs = resolveTime(range.from, nowMs) ?? toMs - 3_600_000;
  return fromMs < toMs ? { fromMs, toMs } : { fromMs: toMs - 3_600_000, toMs };
}

/** True when the range moves with the clock. */
export function isLive(range: TimeRange): boolean {
  return range.to.startsWith('now');
}

export function absoluteRange(span: Span): TimeRange {
  return { from: String(Math.round(span.fromMs)), to: String(Math.round(span.toMs)) };
}

/** Moves by `fraction` of its own length; negative is back in time. */
export function shiftRange(range: TimeRange, fraction: number, nowMs: number): TimeRange {
  const { fromMs, toMs } = resolveRange(range, nowMs);
  const distance = (toMs - fromMs) * fraction;
  return absoluteRange({ fromMs: fromMs + distance, toMs: toMs + distance });
}

/** The same length, ending now and moving with the clock. */
export function liveRange(range: TimeRange, nowMs: number): TimeRange {
  const { fromMs, toMs } = resolveRange(range, nowMs);
  const length = Math.max(1000, Math.round((toMs - fromMs) / 1000) * 1000);
  return { from: `now-${formatDuration(length)}`, to: 'now' };
}

/** Scales the length by `factor`: around the middle, or from the end when the range is live. */
export function scaleRange(range: TimeRange, factor: number, nowMs: number): TimeRange {
  const { fromMs, toMs } = resolveRange(range, nowMs);
  const length = Math.max(1000, Math.round(((toMs - fromMs) * factor) / 1000) * 1000);
  if (range.to === 'now') return { from: `now-${formatDuration(length)}`, to: 'now' };
  const middle = (fromMs + toMs) / 2;
  return absoluteRange({ fromMs: middle - length / 2, toMs: middle + length / 2 });
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const NICE_STEPS_MS = [
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12, 24].map((n) => n * HOUR),
];

/** The server refuses more points per series than this. */
export const POINTS_MAX = 11_000;

/** Step of a graph `plotPx` wide: a nice number of at most one point per two pixels (`isFine`: per pixel). */
export function chooseStep(spanMs: number, plotPx: number, isFine = false): number {
  const points = Math.max(1, Math.min(POINTS_MAX - 1, isFine ? plotPx : plotPx / 2));
  const least = spanMs / points;
  const nice = NICE_STEPS_MS.find((step) => step >= least);
  if (nice !== undefined) return nice;
  return Math.ceil(least / (24 * HOUR)) * 24 * HOUR;
}

/**
 * Start and end on multiples of the step, so that a live graph does not wobble as it moves. A span that
 * holds no multiple is counted from its end.
 */
export function alignSpan(span: Span, stepMs: number): Span {
  const fromMs = Math.ceil(span.fromMs / stepMs) * stepMs;
  const toMs = Math.floor(span.toMs / stepMs) * stepMs;
  return fromMs <= toMs ? { fromMs, toMs } : countFromEnd(span, stepMs);
}

/** As many steps as fit, the last on the very end of the span. */
export function countFromEnd(span: Span, stepMs: number): Span {
  const steps = Math.floor((span.toMs - span.fromMs) / stepMs);
  return { fromMs: span.toMs - steps * stepMs, toMs: span.toMs };
}

export const QUICK_RANGES: ReadonlyArray<readonly [string, string]> = [
  ['now-5m', 'Last 5 minutes'],
  ['now-15m', 'Last 15 minutes'],
  ['now-30m', 'Last 30 minutes'],
  ['now-1h', 'Last hour'],
  ['now-3h', 'Last 3 hours'],
  ['now-6h', 'Last 6 hours'],
  ['now-12h', 'Last 12 hours'],
  ['now-24h', 'Last 24 hours'],
  ['now-2d', 'Last 2 days'],
  ['now-7d', 'Last 7 days'],
  ['now-14d', 'Last 14 days'],
  ['now-30d', 'Last 30 days'],
];
