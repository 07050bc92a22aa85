/* SPDX-License-Identifier: Apache-2.0
 *
 * clock - the range of the view, its refresh, and what time it is on the server.
 *
 * A page states its defaults; the URL overrides them. `tick` counts refreshes: what reads it loads again.
 */
import { computed, effect, signal } from '@preact/signals';
import { readHealth, type Health } from '../api/health';
import { parseDuration, type TimeRange } from './time';
import { adjust, place } from './url';

export interface PageDefaults {
  range: TimeRange;
  /** Refresh period as the URL writes it, `off` for none. */
  refresh: string;
}

export const pageDefaults = signal<PageDefaults>({
  range: { from: 'now-1h', to: 'now' },
  refresh: 'off',
});

export const range = computed<TimeRange>(() => {
  const { params } = place.value;
  const from = params.get('from');
  const to = params.get('to');
  if (from === null && to === null) return pageDefaults.value.range;
  return { from: from ?? pageDefaults.value.range.from, to: to ?? 'now' };
});

export const isUtc = computed(() => place.value.params.get('tz') === 'utc');

export const REFRESH_CHOICES = ['off', '5s', '10s', '30s', '1m', '5m'];
export const refresh = computed<string>(
  () => place.value.params.get('refresh') ?? pageDefaults.value.refresh,
);

export function setRange(next: TimeRange): void {
  adjust({ from: next.from, to: next.to });
}

export function setRefresh(next: string): void {
  adjust({ refresh: next === pageDefaults.value.refresh ? null : next }, true);
}

export const health = signal<Health>({ state: 'ready', reason: '', skewMs: 0 });
/** Milliseconds at which the next attempt to reach a lost server is made. */
export const nextAttemptMs = signal(0);

const SKEW_MATTERS_MS = 2000;
/** The server's time: a browser whose clock is off still sees live data. */
export function now(): number {
  const skew = health.peek().skewMs;
  return Date.now() + (Math.abs(skew) > SKEW_MATTERS_MS ? skew : 0);
}

export const tick = signal(0);
export function refreshNow(): void {
  tick.value += 1;
}

const PERIOD_MS_MIN = 1000;
const HEALTH_PERIOD_MS = 15_000;
const BACKOFF_MS_MAX = 30_000;

function startRefreshTimer(): void {
  effect(() => {
    const period = parseDuration(refresh.value);
    if (period === null || period < PERIOD_MS_MIN) return undefined;
    let lastMs = Date.now();
    const fire = (): void => {
      if (document.hidden || health.peek().state === 'offline') return;
      if (Date.now() - lastMs < period * 0.9) return;
      lastMs = Date.now();
      refreshNow();
    };
    const timer = window.setInterval(fire, period);
    document.addEventListener('visibilitychange', fire);
    return () => {
      window.clearInterval(timer);
      document.removeEventListener('visibilitychange', fire);
    };
  });
}

let attemptTimer = 0;
let backoffMs = 1000;
/** Counts attempts: only the latest says how the server is, and only it sets the timer. */
let attempts = 0;
let isAsking = false;
/** A request failed while an attempt was under way, which may have been answered before that. */
let isInDoubt = false;

async function watchHealth(): Promise<void> {
  window.clearTimeout(attemptTimer);
  attempts += 1;
  const mine = attempts;
  isAsking = true;
  isInDoubt = false;
  const next = await readHealth();
  if (mine !== attempts) return;
  isAsking = false;
  const before = health.peek().state;
  health.value = next;
  if (next.state === 'ready' && before !== 'ready') refreshNow();
  if (next.state === 'ready') backoffMs = 1000;
  else backoffMs = Math.min(backoffMs * 2, BACKOFF_MS_MAX);
  const periodMs = isInDoubt ? 0 : HEALTH_PERIOD_MS;
  const waitMs = next.state === 'ready' ? periodMs : backoffMs;
  nextAttemptMs.value = Date.now() + waitMs;
  attemptTimer = window.setTimeout(() => void watchHealth(), waitMs);
}

/** Asks for the server's health at once: after a request that got no answer, or by a button. */
export function checkHealthNow(): void {
  if (health.peek().state !== 'ready') return;
  if (isAsking) isInDoubt = true;
  else void watchHealth();
}
/** An attempt under way does not count any more: it may hang for as long as the server was away. */
export function retryNow(): void {
  backoffMs = 1000;
  void watchHealth();
}

export function startClock(): void {
  startRefreshTimer();
  void watchHealth();
}
