/* SPDX-License-Identifier: Apache-2.0
 *
 * url - the address bar is the state of a view, and this file is its only writer.
 *
 * A place is a path below <base href> plus parameters. `go` pushes a history entry (a person did
 * something), `adjust` changes parameters of the present place.
 */
import { signal } from '@preact/signals';

export interface Place {
  /** Below the base, begins with a slash. */
  path: string;
  params: URLSearchParams;
}

/** Parameters that go along from page to page. */
const SHARED_PARAMS = ['from', 'to', 'tz', 'refresh'];

/** Percent-encodes as little as a URL allows, so that a pasted link stays readable. */
export function encodeValue(text: string): string {
  return encodeURIComponent(text).replace(/%(2C|3A|2F|40|24)/g, (code) => decodeURIComponent(code));
}

export function encodeParams(params: URLSearchParams): string {
  return [...params].map(([k, v]) => `${encodeValue(k)}=${encodeValue(v)}`).join('&');
}

/** A place as `path?query`, relative to the base (no leading slash). */
export function placeHref(path: string, params: URLSearchParams): string {
  const query = encodeParams(params);
  const below = path.replace(/^\//, '');
  if (query !== '') return `${below}?${query}`;
  return below === '' ? './' : below;
}

/** The place an absolute URL means under the base path (`/` or `/x/y/`). */
export function parsePlace(href: string, basePath: string): Place {
  const url = new URL(href);
  const isBelow = url.pathname.startsWith(basePath);
  const path = isBelow ? url.pathname.slice(basePath.length - 1) : url.pathname;
  return { path: path.length > 1 ? path.replace(/\/+$/, '') : '/', params: url.searchParams };
}

function basePath(): string {
  return new URL('.', document.baseURI).pathname;
}

export const place = signal<Place>(
  typeof window === 'undefined'
    ? { path: '/', params: new URLSearchParams() }
    : parsePlace(window.location.href, basePath()),
);

/** Counts zooms by brush that a double click can still undo. */
let zoomDepth = 0;

function write(path: string, params: URLSearchParams, isReplace: boolean): void {
  const href = new URL(placeHref(path, params), document.baseURI).href;
  if (isReplace) window.history.replaceState(null, '', href);
  else window.history.pushState(null, '', href);
  place.value = { path, params };
}

export function go(path: string, params: URLSearchParams = new URLSearchParams()): void {
  const hasMoved = path !== place.value.path;
  zoomDepth = 0;
  write(path, params, false);
  if (hasMoved) window.scrollTo(0, 0);
}

export function replacePlace(path: string, params: URLSearchParams): void {
  write(path, params, true);
}

/** Sets (or with null removes) parameters of the present place. */
export function adjust(changes: Record<string, string | null>, isReplace = false): void {
  const params = new URLSearchParams(place.value.params);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) params.delete(key);
    else params.set(key, value);
  }
  if (encodeParams(params) === encodeParams(place.value.params)) return;
  if (!isReplace) zoomDepth = 0;
  write(place.value.path, params, isReplace);
}

export function zoomTo(changes: { from: string; to: string }): void {
  const depth = zoomDepth + 1;
  adjust(changes);
  zoomDepth = depth;
}

/** Undoes the last zoom, if the last thing done was a zoom. */
export function unzoom(): void {
  if (zoomDepth === 0) return;
  zoomDepth -= 1;
  window.history.back();
}

/** The parameters to take along to another page, plus its own. */
export function sharedParams(own: Record<string, string> = {}): URLSearchParams {
  const params = new URLSearchParams(own);
  for (const key of SHARED_PARAMS) {
    const value = place.value.params.get(key);
    if (value !== null && !params.has(key)) params.set(key, value);
  }
  return params;
}

if (typeof window !== 'undefined') {
  window.addEventListener('popstate', () => {
    place.value = parsePlace(window.location.href, basePath());
  });
}
