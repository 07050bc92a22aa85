/* SPDX-License-Identifier: Apache-2.0
 *
 * harness - a browser driven over the page as a person would, and what every page must keep.
 *
 * watch() records what must never happen: console errors, uncaught errors, reports of the content
 * security policy, requests to another origin. A test says which failed requests it provokes.
 */
import { mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export const WAIT_MS = 30_000;
/** How long a server may take to have what a check is about. */
const PREMISE_MS_MAX = 120_000;
/** Times that the browser is slowed down, to see what a poor machine sees. */
export const SLOWDOWN = Number(process.env['PHAROS_E2E_SLOWDOWN'] ?? '1');

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Seen as a line of some width in the ranges that the checks ask for. */
const DRAWABLE_POINTS = 6;

export class Failure extends Error {}

export function check(isTrue, text) {
  if (!isTrue) throw new Failure(text);
}

export function checkEqual(actual, expected, what) {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== e) throw new Failure(`${what}: expected ${e}, got ${a}`);
}

/** Asks again until the answer is true; the last answer is in the failure. */
export async function eventually(ask, what, waitMs = WAIT_MS) {
  const end = Date.now() + waitMs;
  let last;
  for (;;) {
    last = await ask();
    if (last === true) return;
    if (Date.now() > end) throw new Failure(`${what} (last: ${JSON.stringify(last)})`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Browser {
  constructor(baseUrl, shotDir) {
    this.base = baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`;
    this.shotDir = shotDir;
    /** Spent on premises, which does not count against a check's own limit. */
    this.premiseMs = 0;
  }

  async start() {
    this.userDir = mkdtempSync(join(tmpdir(), 'pharos-e2e-'));
    if (this.shotDir !== '') mkdirSync(this.shotDir, { recursive: true });
    this.context = await chromium.launchPersistentContext(this.userDir, {
      executablePath: process.env['PHAROS_CHROMIUM'] ?? '/usr/bin/chromium',
      headless: true,
      args: FLAGS,
      viewport: { width: 1440, height: 900 },
      locale: 'en-GB',
      timezoneId: 'UTC',
    });
    await this.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  }

  async stop() {
    await this.context?.close();
    rmSync(this.userDir, { recursive: true, force: true });
  }

  url(path) {
    return new URL(path, this.base).href;
  }

  async ask(path) {
    const headers = { Accept: 'application/json' };
    return (await fetch(this.url(path), { headers })).json();
  }

  async valuesOf(expr) {
    const answer = await this.ask(`api/v1/query?query=${encodeURIComponent(expr)}`);
    return answer.data?.result ?? [];
  }

  /**
   * Waits until the server itself can answer `expr` at `points` moments, five seconds apart, of the last
   * 15 minutes: a server that has just started has no past to draw yet, and no rate before the second scrape.
   */
  async premise(expr, points = DRAWABLE_POINTS) {
    const earlier = this.premiseMs;
    const started = Date.now();
    const counts = `max(count_over_time((${expr})[15m:5s]))`;
    await eventually(
      async () => {
        this.premiseMs = earlier + Date.now() - started;
        const count = Number((await this.valuesOf(counts))[0]?.value[1] ?? 0);
        return count >= points ? true : count;
      },
      `the server does not come to ${points} points of ${expr}`,
      PREMISE_MS_MAX,
    );
  }

  /** A fresh page with clean storage. `prepare` may set routes before anything is loaded. */
  async open(path, { scheme = 'light', prepare = async () => {}, mayFail = [] } = {}) {
    const page = await this.context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    await page.emulateMedia({ colorScheme: scheme });
    if (SLOWDOWN > 1) {
      const debug = await this.context.newCDPSession(page);
      await debug.send('Emulation.setCPUThrottlingRate', { rate: SLOWDOWN });
    }
    const troubles = this.watch(page, mayFail);
    await prepare(page);
    await page.goto(this.url(path), { waitUntil: 'load' });
    return { page, troubles };
  }

  async emptyCache(page) {
    const debug = await this.context.newCDPSession(page);
    await debug.send('Network.clearBrowserCache');
    await debug.detach();
  }

  watch(page, mayFail) {
    const troubles = [];
    const origin = new URL(this.base).origin;
    page.on('console', (message) => {
      if (message.type() !== 'error' && message.type() !== 'warning') return;
      const text = `${message.text()} ${message.location().url}`;
      if (/willReadFrequently/.test(text)) return; /* provoked by seriesPixels */
      if (!mayFail.some((pattern) => pattern.test(text))) troubles.push(`console: ${text}`);
    });
    page.on('pageerror', (error) => troubles.push(`uncaught: ${error.stack ?? error.message}`));
    page.on('request', (request) => {
      const url = new URL(request.url());
      const isOwn = url.origin === origin || url.protocol === 'data:' || url.protocol === 'blob:';
      if (!isOwn) troubles.push(`request outside the origin: ${url.href}`);
    });
    page
      .exposeFunction('reportViolation', (text) => troubles.push(`policy: ${text}`))
      .catch(() => {});
    page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        window.reportViolation(
          `${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`,
        );
      });
    });
    return troubles;
  }

  async shot(page, name) {
    if (this.shotDir === '') return;
    await page.screenshot({ path: join(this.shotDir, `${name}.png`) });
  }
}

export async function close({ page, troubles }) {
  await page.close();
  check(troubles.length === 0, troubles.join('\n'));
}

/** No finding of axe, best practices included. */
export async function checkAccessible(page, what) {
  await page.evaluate(axeSource);
  const findings = await page.evaluate(async () => {
    const result = await window.axe.run(document);
    return result.violations.map(
      (v) =>
        `${v.id} (${v.impact}): ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(' | ')}`,
    );
  });
  check(findings.length === 0, `axe on ${what}:\n${findings.join('\n')}`);
}

/** Waits until no panel is loading or shows what was asked before; returns the state of each by its name. */
export async function panelStates(page) {
  await page.locator('main .panel').first().waitFor();
  await eventually(
    async () => (await page.locator('.panel[data-state="loading"], .is-stale').count()) === 0,
    'panels still loading',
  );
  return page
    .locator('main .panel')
    .evaluateAll((panels) =>
      Object.fromEntries(panels.map((p) => [p.getAttribute('aria-label'), p.dataset.state])),
    );
}

/** Waits until a panel is in one of the states; says in which it is when it is not. */
export async function checkState(page, label, states) {
  const panel = page.locator(`.panel[aria-label="${label}"]`);
  await eventually(
    async () => {
      const state = await panel.getAttribute('data-state');
      return states.includes(state) ? true : state;
    },
    `${label} is not: ${states.join(', ')}`,
  );
}

/**
 * Counts pixels of a panel's chart that have the colour of a series in its legend: slate is one, so grey
 * alone does not tell axes from lines. `part` is the stretch of the width to look at.
 */
export async function seriesPixels(page, panel, part = [0, 1]) {
  const canvas = page.locator(`${panel} canvas`).first();
  await canvas.waitFor({ state: 'attached' });
  return canvas.evaluate((element, [from, to]) => {
    const near = 16;
    const swatches = [...element.closest('.panel').querySelectorAll('.swatch')];
    const texts = new Set(swatches.map((swatch) => getComputedStyle(swatch).backgroundColor));
    const colours = [...texts].map((text) => text.match(/\d+/g).map(Number));
    const [left, right] = [Math.floor(element.width * from), Math.ceil(element.width * to)];
    const { data } = element.getContext('2d').getImageData(left, 0, right - left, element.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] <= 10) continue;
      const isSeries = colours.some(
        ([r, g, b]) =>
          Math.abs(data[i] - r) <= near &&
          Math.abs(data[i + 1] - g) <= near &&
          Math.abs(data[i + 2] - b) <= near,
      );
      if (isSeries) count += 1;
    }
    return count;
  }, part);
}

export async function checkDrawn(page, panel, what) {
  await eventually(async () => {
    const count = await seriesPixels(page, panel);
    return count > 50 ? true : count;
  }, `${what} is not drawn`);
}

/** Answers requests for one endpoint in place of the server. */
export async function stub(page, path, answer) {
  await page.route(new RegExp(`/${path}(\\?|$)`), async (route) => {
    const reply = await answer(route.request());
    if (reply === null) await route.abort('connectionrefused').catch(() => {});
    else {
      await route
        .fulfill({
          status: reply.status ?? 200,
          contentType: 'application/json',
          body: typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body),
        })
        .catch(() => {});
    }
  });
}

export const success = (data, more = {}) => ({
  body: { status: 'success', data, ...more },
});

/** Parameters of an API request, from the URL or the form. */
export function paramsOf(request) {
  const form = request.postData();
  return form === null ? new URL(request.url()).searchParams : new URLSearchParams(form);
}

/** A range answer of `count` series over what the request asks for. */
export function fakeMatrix(request, count, labelsOf = (i) => ({ series: String(i) })) {
  const params = paramsOf(request);
  const [start, end, step] = ['start', 'end', 'step'].map((name) => Number(params.get(name)));
  const result = [];
  for (let i = 0; i < count; i += 1) {
    const values = [];
    for (let t = start; t <= end; t += step) {
      values.push([t, String(i + 1 + Math.sin(t / 60 + i))]);
    }
    result.push({ metric: labelsOf(i), values });
  }
  return success({ resultType: 'matrix', result });
}
