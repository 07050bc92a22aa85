/* SPDX-License-Identifier: Apache-2.0
 *
 * http - the one place that calls fetch.
 *
 * Every URL is relative to document.baseURI, so the UI works under any path prefix. An answer is the
 * `data` of the usual envelope plus what the server wants to say about it; whatever goes wrong becomes
 * an ApiError that carries the server's words unchanged.
 */

export interface Notice {
  kind: 'warning' | 'info';
  text: string;
}

export interface Answer<T> {
  data: T;
  notices: Notice[];
  roundTripMs: number;
}

export type Params = ReadonlyArray<readonly [string, string]>;

/** Queries longer than this go by POST: proxies commonly cut request lines at 8 KiB. */
const GET_QUERY_CHARS_MAX = 4000;

export class ApiError extends Error {
  /** HTTP status, 0 when no answer came at all. */
  readonly status: number;
  /** `errorType` of the envelope, `network` when no answer came, `http` for a foreign body. */
  readonly type: string;

  constructor(message: string, status: number, type: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.type = type;
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

export function apiUrl(path: string): string {
  return new URL(path, document.baseURI).href;
}

export function encodeForm(params: Params): string {
  return params.map(([k, v]) => `${encodeURIComponent(k)}=${encodeURIComponent(v)}`).join('&');
}

interface Envelope {
  status?: string;
  data?: unknown;
  error?: string;
  errorType?: string;
  warnings?: string[];
  infos?: string[];
}

/** Turns status and body into an Answer, or throws ApiError. Pure: unit-tested without a network. */
export function readEnvelope<T>(status: number, body: string, roundTripMs: number): Answer<T> {
  let envelope: Envelope | null = null;
  try {
    envelope = JSON.parse(body) as Envelope;
  } catch {
    /* Not JSON: a proxy's page or a plain-text refusal; reported below. */
  }
  if (envelope === null || typeof envelope !== 'object' || envelope.status === undefined) {
    if (status >= 200 && status < 300) {
      throw new ApiError('The answer is not in the expected form.', status, 'http');
    }
    const text = body.trim().slice(0, 2000);
    throw new ApiError(text === '' ? `HTTP status ${status}` : text, status, 'http');
  }
  if (envelope.status !== 'success') {
    throw new ApiError(envelope.error ?? 'unknown error', status, envelope.errorType ?? 'unknown');
  }
  const notices: Notice[] = [
    ...(envelope.warnings ?? []).map((text): Notice => ({ kind: 'warning', text })),
    ...(envelope.infos ?? []).map((text): Notice => ({ kind: 'info', text })),
  ];
  return { data: envelope.data as T, notices, roundTripMs };
}

/** Reads one API endpoint. `canPost`: the endpoint also takes its parameters as a form. */
export async function read<T>(
  path: string,
  params: Params,
  signal: AbortSignal,
  canPost = false,
): Promise<Answer<T>> {
  const form = encodeForm(params);
  const init: RequestInit = { signal, headers: { Accept: 'application/json' } };
  let url = apiUrl(path);
  if (canPost && form.length > GET_QUERY_CHARS_MAX) {
    init.method = 'POST';
    init.body = new URLSearchParams(form);
  } else if (form !== '') {
    url += `?${form}`;
  }
  const started = performance.now();
  let response: Response;
  let body: string;
  try {
    response = await fetch(url, init);
    body = await response.text();
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError('The server cannot be reached.', 0, 'network');
  }
  return readEnvelope<T>(response.status, body, performance.now() - started);
}
