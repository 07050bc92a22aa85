/* SPDX-License-Identifier: Apache-2.0
 *
 * health - asks `/-/ready` whether the server answers and is ready.
 */
import { apiUrl } from './http';

export interface Health {
  state: 'ready' | 'starting' | 'offline';
  /** The server's own words when it is not ready. */
  reason: string;
  /** Server clock minus browser clock, whole seconds; 0 when unknown. */
  skewMs: number;
}

const TIMEOUT_MS = 10_000;

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
    /* The Date header has whole seconds: on average half a second behind. */
    const skewMs = Number.isNaN(date) ? 0 : date + 500 - (asked + answered) / 2;
    return { state: response.ok ? 'ready' : 'starting', reason, skewMs };
  } catch {
    return { state: 'offline', reason: 'The server cannot be reached.', skewMs: 0 };
  }
}
