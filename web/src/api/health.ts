/* SPDX-License-Identifier: Apache-2.0
 *
 * health - asks `/-/ready` whether the server answers and is ready.
 */
import { apiUrl } from './http';

export interface Health {
  state: 'ready' | 'starting' | 'offline';
  /** The server's own words when it is not ready. */
  reason: string;
  /** Server clock minus browser clock; 0 when unknown or within what can be told. */
  skewMs: number;
}

const TIMEOUT_MS = 10_000;

/**
 * What the clocks differ for certain. The answer was made at some moment between asking and its
 * arrival, and its Date has whole seconds: as long as equal clocks could have given it, they are equal.
 * A slow answer alone must not move the range of a live graph.
 */
export function clockSkew(dateMs: number, askedMs: number, answeredMs: number): number {
  const least = dateMs - answeredMs;
  const most = dateMs + 1000 - askedMs;
  return least <= 0 && most >= 0 ? 0 : (least + most) / 2;
}

export async function readHealth(): Promise<Health> {
  try {
    const asked = Date.now();
    const response = await fetch(apiUrl('-/ready'), {
      cache: 'no-store',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const answered = Date.now();
    const reason = (await response.text()).trim();
    const date = Date.parse(response.headers.get('Date') ?? '');
    const skewMs = Number.isNaN(date) ? 0 : clockSkew(date, asked, answered);
    return { state: response.ok ? 'ready' : 'starting', reason, skewMs };
  } catch {
    return { state: 'offline', reason: 'The server cannot be reached.', skewMs: 0 };
  }
}
