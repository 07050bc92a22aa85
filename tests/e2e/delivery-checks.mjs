/* SPDX-License-Identifier: Apache-2.0
 *
 * delivery-checks - how the server hands the UI out: headers, caching, base, what is never the UI.
 */
import { SLOWDOWN, check, checkEqual, close, panelStates } from './harness.mjs';

const HTML = { Accept: 'text/html,application/xhtml+xml' };
const PAINT_MS_GOAL = 600;
const PAINTS = 3;

async function pageHeaders(host) {
  for (const path of ['', 'query', 'targets', 'status', 'graph']) {
    const response = await fetch(host.url(path), {
      headers: HTML,
      redirect: 'manual',
    });
    checkEqual(response.status, 200, `status of /${path}`);
    check(
      (response.headers.get('content-type') ?? '').startsWith('text/html'),
      `/${path} is no HTML`,
    );
    const policy = response.headers.get('content-security-policy') ?? '';
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'"]) {
      check(policy.includes(part), `/${path}: no ${part} in "${policy}"`);
    }
    check(!/unsafe-/.test(policy), `/${path}: unsafe policy "${policy}"`);
    checkEqual(response.headers.get('x-content-type-options'), 'nosniff', `/${path}: sniffing`);
    check((response.headers.get('cache-control') ?? '').includes('no-cache'), `/${path} is cached`);
    const html = await response.text();
    const base = new URL(host.base).pathname;
    check(html.includes(`<base href="${base}"`), `/${path}: no base ${base}`);
    check(!/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=/.test(html), `/${path}: inline code`);
  }
}

async function assets(host) {
  const html = await (await fetch(host.url(''), { headers: HTML })).text();
  const paths = [...html.matchAll(/(?:src|href)="\.?\/?(assets\/[^"]+)"/g)].map((m) => m[1]);
  check(paths.length >= 2, `assets named by the page: ${paths}`);
  for (const path of paths) {
    const response = await fetch(host.url(path), {
      headers: { 'Accept-Encoding': 'gzip' },
    });
    checkEqual(response.status, 200, path);
    const cache = response.headers.get('cache-control') ?? '';
    check(cache.includes('immutable'), `${path}: ${cache}`);
    checkEqual(response.headers.get('content-encoding'), 'gzip', `encoding of ${path}`);
    const etag = response.headers.get('etag');
    check(etag !== null, `${path} has no ETag`);
    await response.arrayBuffer();
    const again = await fetch(host.url(path), {
      headers: { 'If-None-Match': etag, 'Accept-Encoding': 'gzip' },
    });
    checkEqual(again.status, 304, `${path} asked again with its ETag`);
    const head = await fetch(host.url(path), { method: 'HEAD' });
    checkEqual(head.status, 200, `HEAD ${path}`);
  }
}

async function neverTheUi(host) {
  for (const path of ['assets/no-such-file.js', 'api/v1/no-such-endpoint', 'no-such-page.js']) {
    const response = await fetch(host.url(path), {
      headers: HTML,
      redirect: 'manual',
    });
    checkEqual(response.status, 404, `status of /${path}`);
    check(!(await response.text()).includes('<div id="app">'), `/${path} answers with the page`);
  }
  const metrics = await fetch(host.url('metrics'), { headers: HTML });
  check(!(await metrics.text()).includes('<html'), '/metrics answers with a page');
}

/** The best of several with an empty cache: what else the machine does can only add to it. */
async function firstPaint(host, note) {
  const paints = [];
  for (let i = 0; i < PAINTS; i += 1) {
    const opened = await host.open('', { prepare: (page) => host.emptyCache(page) });
    const { page } = opened;
    await panelStates(page);
    const paint = await page.evaluate(
      () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1,
    );
    check(paint >= 0, 'nothing was painted');
    paints.push(Math.round(paint));
    await close(opened);
  }
  const best = Math.min(...paints);
  note(`first contentful paint ${paints.join(', ')} ms (goal ${PAINT_MS_GOAL})`);
  check(best <= 2 * PAINT_MS_GOAL * SLOWDOWN, `first contentful paint after ${best} ms`);
}

export function deliveryChecks(host, note) {
  return [
    ['headers of the page', () => pageHeaders(host)],
    ['assets: immutable, compressed, ETag, HEAD', () => assets(host)],
    ['what is not the UI is never answered with it', () => neverTheUi(host)],
    ['first paint', () => firstPaint(host, note)],
  ];
}
