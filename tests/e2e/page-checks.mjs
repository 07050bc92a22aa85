/* SPDX-License-Identifier: Apache-2.0
 *
 * page-checks - every page against the real server, light and dark: it shows what it should, axe has
 * nothing to say, and a screenshot is kept.
 */
import {
  check,
  checkAccessible,
  checkDrawn,
  checkEqual,
  checkState,
  close,
  eventually,
  panelStates,
} from './harness.mjs';

const CPU = 'sum by (mode) (rate(node_cpu_seconds_total[1m]))';
const WRONG = 'sum(rate(node_cpu_seconds_total[1m])';
const BAD_REQUEST = [/status of 400/];

const query = (params) => `query?${new URLSearchParams(params)}`;

/** The query of a chart of Home, from its link to Metrics. */
async function queryOf(page, name) {
  const link = page.getByRole('link', { name: `Open ${name} in Metrics` });
  return new URL(await link.getAttribute('href'), page.url()).searchParams.get('expr');
}

async function home(page, server, host) {
  const states = await panelStates(page);
  const machine = ['CPU by mode', 'Load average', 'Memory', 'Network'];
  if (server.hasDisks) machine.push('Disk I/O');
  const self = ['Samples appended', 'Active series', 'Write-ahead log', 'Memory of the server'];
  const wanted = server.isPharos ? [...machine, ...self, 'Scrape duration', 'Targets'] : machine;
  check(states['First steps'] !== undefined, 'no first steps');
  for (const name of wanted) {
    check(states[name] !== undefined, `no panel ${name}`);
    await host.premise(await queryOf(page, name));
    /* What is off the screen is not asked for; Home refreshes what is on it by itself. */
    await page.locator(`.panel[aria-label="${name}"]`).scrollIntoViewIfNeeded();
    await checkState(page, name, ['data', 'partial']);
  }
  await checkDrawn(page, '.panel[aria-label="CPU by mode"]', 'CPU by mode');
  await checkDrawn(page, '.panel[aria-label="Active series"]', 'Active series');
  await page.evaluate(() => scrollTo(0, 0));
}

async function graph(page) {
  const states = await panelStates(page);
  checkEqual(states['Graph'], 'data', 'state of the graph');
  await checkDrawn(page, '.panel[aria-label="Graph"]', 'the graph');
  check((await page.locator('.legend [role="row"]').count()) >= 4, 'the legend has no rows');
  check((await page.locator('.stats-strip li').count()) >= 4, 'no query statistics');
  await page.locator('.query-editor').waitFor();
}

async function table(page) {
  const states = await panelStates(page);
  checkEqual(states['Table'], 'data', 'state of the table');
  const text = await page.locator('.table').innerText();
  check(text.includes('up{'), `no series "up" in: ${text.slice(0, 200)}`);
  await page.locator('.query-editor').waitFor();
}

async function browser(page) {
  const states = await panelStates(page);
  checkEqual(states['Metrics'], 'data', 'state of the metric list');
  await page.getByRole('searchbox', { name: 'Filter metrics' }).fill('node_load1');
  await page.getByRole('button', { name: /^node_load1 / }).waitFor();
  await page.locator('.query-editor').waitFor();
}

async function wrongQuery(page) {
  const states = await panelStates(page);
  checkEqual(states['Graph'], 'error', 'state of the graph');
  const text = await page.locator('.error-block').innerText();
  check(text.includes('parse error'), `no server text in: ${text}`);
  check(/1:\d+: parse error/.test(text), `no position in: ${text}`);
  check(text.includes('^'), 'no caret under the query');
  await page.locator('.query-editor .ph-error').waitFor();
}

async function targets(page, server) {
  const states = await panelStates(page);
  checkEqual(states['Targets'], 'data', 'state of the targets');
  const count = await page.locator('.target').count();
  checkEqual(count, server.targetCount, 'targets listed');
}

async function status(page) {
  for (const [name, state] of Object.entries(await panelStates(page))) {
    check(state === 'data' || (name === 'Configuration' && state === 'empty'), `${name}: ${state}`);
  }
}

async function notFound(page) {
  await page.getByText('There is no page here.').waitFor();
}

const RANGE = { from: 'now-15m', to: 'now' };

const PAGES = [
  { name: 'home', path: '', run: home },
  { name: 'query-graph', path: query({ expr: CPU, ...RANGE }), run: graph, needs: CPU },
  {
    name: 'query-stacked',
    path: query({ expr: CPU, stacked: '1', ...RANGE }),
    run: graph,
    needs: CPU,
  },
  {
    name: 'query-table',
    path: query({ expr: 'up', tab: 'table' }),
    run: table,
  },
  { name: 'query-browser', path: 'query', run: browser },
  {
    name: 'query-error',
    path: query({ expr: WRONG }),
    run: wrongQuery,
    mayFail: BAD_REQUEST,
  },
  { name: 'targets', path: 'targets', run: targets },
  { name: 'status', path: 'status', run: status },
  { name: 'status-storage', path: 'status?tab=storage', run: status },
  { name: 'status-config', path: 'status?tab=config', run: status },
  { name: 'status-flags', path: 'status?tab=flags', run: status },
];

async function runPage(browserHost, server, spec, scheme) {
  if (spec.needs !== undefined) await browserHost.premise(spec.needs);
  const opened = await browserHost.open(spec.path, {
    scheme,
    mayFail: spec.mayFail ?? [],
  });
  const { page } = opened;
  await spec.run(page, server, browserHost);
  const isDark = await page.evaluate(
    () => getComputedStyle(document.body).backgroundColor === 'rgb(13, 17, 23)',
  );
  checkEqual(isDark, scheme === 'dark', 'dark ground');
  await browserHost.shot(page, `${spec.name}-${scheme}`);
  await checkAccessible(page, spec.name);
  await close(opened);
}

export function pageChecks(host, server) {
  const checks = [];
  for (const scheme of ['light', 'dark']) {
    for (const spec of PAGES) {
      checks.push([`page ${spec.name}, ${scheme}`, () => runPage(host, server, spec, scheme)]);
    }
  }
  checks.push([
    'a place that is none says so',
    async () => {
      const opened = await host.open('targets');
      const { page } = opened;
      await page.evaluate(() => {
        history.pushState(null, '', new URL('no-such-page', document.baseURI).href);
        dispatchEvent(new PopStateEvent('popstate'));
      });
      await notFound(page);
      await checkAccessible(page, 'not found');
      await close(opened);
    },
  ]);
  checks.push([
    'narrow screen: nothing wider than the window',
    async () => {
      const opened = await host.open('');
      const { page } = opened;
      await page.setViewportSize({ width: 420, height: 800 });
      for (const path of ['', query({ expr: CPU }), 'targets', 'status?tab=storage']) {
        await page.goto(host.url(path));
        await panelStates(page);
        await eventually(
          () => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth),
          `${path || 'home'} scrolls sideways`,
        ).catch(async (error) => {
          await host.shot(page, 'narrow-failed');
          throw error;
        });
      }
      await host.shot(page, 'narrow');
      await close(opened);
    },
  ]);
  return checks;
}
