/* SPDX-License-Identifier: Apache-2.0
 *
 * format - numbers with units, durations and times as a person reads them.
 */

export type Unit = 'none' | 'bytes' | 'bytes/s' | 'ratio' | 'seconds' | 'per second' | 'timestamp';

const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
const DECIMAL: ReadonlyArray<readonly [number, string]> = [
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
];

/** `digits` significant digits without trailing zeros, never in exponent form for everyday sizes. */
export function formatPlain(value: number, digits = 4): string {
  if (value === 0) return '0';
  const magnitude = Math.abs(value);
  if (magnitude >= 1e15 || magnitude < 1e-6) return value.toExponential(Math.max(0, digits - 2));
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(magnitude)));
  const text = value.toFixed(Math.min(decimals, 12));
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function formatDecimal(value: number, digits: number): string {
  const magnitude = Math.abs(value);
  for (const [size, suffix] of DECIMAL) {
    if (magnitude >= size) return `${formatPlain(value / size, digits)} ${suffix}`;
  }
  return formatPlain(value, digits);
}

export function formatBytes(value: number, digits = 4): string {
  let power = 0;
  let scaled = value;
  while (Math.abs(scaled) >= 1024 && power < BINARY.length - 1) {
    scaled /= 1024;
    power += 1;
  }
  return `${formatPlain(scaled, power === 0 ? 3 : digits)} ${BINARY[power]}`;
}

/** 0.0031 s is `3.1 ms`, 5400 s is `1.5 h`. */
export function formatSeconds(value: number, digits = 4): string {
  const magnitude = Math.abs(value);
  if (magnitude === 0) return '0 s';
  if (magnitude < 1e-6) return `${formatPlain(value * 1e9, digits)} ns`;
  if (magnitude < 1e-3) return `${formatPlain(value * 1e6, digits)} µs`;
  if (magnitude < 1) return `${formatPlain(value * 1e3, digits)} ms`;
  if (magnitude < 120) return `${formatPlain(value, digits)} s`;
  if (magnitude < 7200) return `${formatPlain(value / 60, digits)} min`;
  if (magnitude < 172_800) return `${formatPlain(value / 3600, digits)} h`;
  return `${formatPlain(value / 86_400, digits)} d`;
}

export function formatValue(value: number, unit: Unit, digits = 4): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  switch (unit) {
    case 'bytes':
      return formatBytes(value, digits);
    case 'bytes/s':
      return `${formatBytes(value, digits)}/s`;
    case 'ratio':
      return `${formatPlain(value * 100, digits)} %`;
    case 'seconds':
      return formatSeconds(value, digits);
    case 'per second':
      return `${formatDecimal(value, digits)}/s`;
    case 'timestamp':
      return formatPlain(value, 13);
    default:
      return formatDecimal(value, digits);
  }
}

/** Whole numbers with thin groups: 12 345 678 is easier to read than 12345678. */
export function formatCount(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** `47 s`, `3 min`, `2 h 5 min`, `4 d 3 h`: an age or an uptime. */
export function formatAge(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const days = Math.floor(total / 86_400);
  const hours = Math.floor((total % 86_400) / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  if (days > 0) return hours > 0 ? `${days} d ${hours} h` : `${days} d`;
  if (hours > 0) return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`;
  if (minutes > 0) return `${minutes} min`;
  return `${total} s`;
}

const two = (n: number): string => String(n).padStart(2, '0');

interface Clock {
  date: string;
  minute: string;
  second: string;
  ms: number;
  offset: string;
}

function clockOf(ms: number, isUtc: boolean): Clock {
  const shift = isUtc ? 0 : -new Date(ms).getTimezoneOffset();
  const d = new Date(ms + shift * 60_000);
  const size = Math.abs(shift);
  return {
    date: `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`,
    minute: `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`,
    second: two(d.getUTCSeconds()),
    ms: d.getUTCMilliseconds(),
    offset: isUtc
      ? 'UTC'
      : `${shift < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`,
  };
}

/** `2026-03-01 14:05:09`, milliseconds only if there are some. */
export function formatTime(ms: number, isUtc: boolean): string {
  const c = clockOf(ms, isUtc);
  const fraction = c.ms === 0 ? '' : `.${String(c.ms).padStart(3, '0')}`;
  return `${c.date} ${c.minute}:${c.second}${fraction}`;
}

/** The same with its offset from UTC, for where a doubt would matter. */
export function formatTimeWithOffset(ms: number, isUtc: boolean): string {
  return `${formatTime(ms, isUtc)} ${clockOf(ms, isUtc).offset}`;
}

/** Labels under a time axis: the date is added where the day changes, and at the start if that is not today. */
export function axisTimeLabels(
  splitsS: readonly number[],
  incrS: number,
  isUtc: boolean,
  nowMs: number,
): string[] {
  let lastDate = clockOf(nowMs, isUtc).date;
  return splitsS.map((s) => {
    const c = clockOf(s * 1000, isUtc);
    const isNewDate = c.date !== lastDate;
    lastDate = c.date;
    if (incrS >= 86_400) return c.date.slice(5);
    const time = incrS < 60 ? `${c.minute}:${c.second}` : c.minute;
    return isNewDate ? `${time}\n${c.date.slice(5)}` : time;
  });
}

/** Unit of a query's values as far as its text tells; `none` when in doubt. */
export function guessUnit(expr: string): Unit {
  const text = expr.replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/\{[^}]*\}/g, '');
  const names = text.match(
    /[a-zA-Z_:][a-zA-Z0-9_:]*_(bytes|seconds|ratio)(_total|_sum|_bucket)?\b/g,
  );
  const isRate = /\b(rate|irate|deriv)\s*\(/.test(text);
  if (/\b(count|count_values|absent|changes|resets)\s*(by|without)?\s*\(/.test(text)) return 'none';
  if (names === null) return isRate ? 'per second' : 'none';
  const kinds = new Set(names.map((n) => /_(bytes|seconds|ratio)/.exec(n)?.[1] ?? ''));
  if (kinds.size !== 1 || text.includes('/')) return 'none';
  const kind = [...kinds][0];
  const isQuantile = /histogram_quantile\s*\(/.test(text);
  if (kind === 'bytes') return isRate && !isQuantile ? 'bytes/s' : 'bytes';
  if (kind === 'ratio') return isRate ? 'none' : 'ratio';
  if (isQuantile) return 'seconds';
  if (names.some((n) => /time_seconds$|timestamp_seconds$/.test(n))) {
    return text.includes('-') ? 'seconds' : 'none';
  }
  return isRate ? 'none' : 'seconds';
}
