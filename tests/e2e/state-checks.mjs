/* SPDX-License-Identifier: Apache-2.0
 *
 * state-checks - each state of a panel, crowds and hostile text: the browser gets made-up answers in
 * place of the server's.
 */
import {
  check,
  checkAccessible,
  checkDrawn,
  checkEqual,
  checkState,
  close,
  eventually,
  fakeMatrix,
  panelStates,
  seriesPixels,
  stub,
  success,
} from './harness.mjs';

const RANGE = 'api/v1/query_range';
const INSTANT = 'api/v1/query';
const GRAPH = '.panel[aria-label="Graph"]';

async function graphState(page) {
  return page.locator('.panel[aria-label="Graph"]').getAttribute('data-state');
}

async function failed(host) {
  const text = 'query timed out in expression evaluation';
  const body = { status: 'error', errorType: 'timeout', error: text };
  let isBroken = true;
  const opened = await host.open('query?expr=up', {
    mayFail: [/status of 503/],
    prepare: (page) =>
      stub(page, RANGE, (request) => (isBroken ? { status: 503, body } : fakeMatrix(request, 2))),
  });
  const { page } = opened;
  await eventually(async () => (await graphState(page)) === 'error', 'no error state');
  const shown = await page.locator('.error-block').innerText();
  check(shown.includes(text) && shown.includes('HTTP 503'), `not verbatim: ${shown}`);
  await checkAccessible(page, 'error');
  isBroken = false;
  await page.getByRole('button', { name: 'Retry' }).click();
  await eventually(async () => (await graphState(page)) === 'data', 'Retry does not recover');
  await close(opened);
}

async function slow(host) {
  let release = () => {};
  const held = new Promise((resolve) => {
    release = resolve;
  });
  let isHeld = true;
  const opened = await host.open('query?expr=up', {
    prepare: (page) =>
      stub(page, RANGE, async (request) => {
        if (isHeld) await held;
        return fakeMatrix(request, 1);
      }),
  });
  const { page } = opened;
  await eventually(async () => (await graphState(page)) === 'loading', 'no loading state');
  const cancel = page.getByRole('button', { name: 'Cancel' });
  await cancel.waitFor();
  const bar = await page.locator('.skeleton i').first().boundingBox();
  check(bar !== null && bar.height > 10 && bar.width > 10, 'the skeleton cannot be seen');
  await host.shot(page, 'query-slow');
  await checkAccessible(page, 'loading');
  await cancel.click();
  await eventually(async () => (await graphState(page)) === 'empty', 'Cancel does not end it');
  isHeld = false;
  release();
  await page.getByRole('button', { name: 'Ask again' }).click();
  await eventually(async () => (await graphState(page)) === 'data', 'asking again does not work');
  await close(opened);
}

async function partial(host) {
  const warnings = ['results truncated due to limit'];
  const infos = ['metric might not be a counter, name does not end in _total: "x"'];
  const opened = await host.open('query?expr=up', {
    prepare: (page) =>
      stub(page, RANGE, (request) => {
        const answer = fakeMatrix(request, 3);
        return { body: { ...answer.body, warnings, infos } };
      }),
  });
  const { page } = opened;
  await eventually(async () => (await graphState(page)) === 'partial', 'no partial state');
  const shown = await page.locator('.notices').innerText();
  check(shown.includes(warnings[0]) && shown.includes(infos[0]), `not verbatim: ${shown}`);
  await host.shot(page, 'query-partial');
  await checkAccessible(page, 'partial');
  await close(opened);
}

async function gaps(host) {
  const opened = await host.open('query?expr=up', {
    prepare: (page) =>
      stub(page, RANGE, (request) => {
        const answer = fakeMatrix(request, 1);
        const [series] = answer.body.data.result;
        const third = Math.floor(series.values.length / 3);
        series.values.splice(third, third);
        series.values[0][1] = 'NaN';
        return answer;
      }),
  });
  const { page } = opened;
  await eventually(async () => (await graphState(page)) === 'partial', 'NaN is not mentioned');
  await checkDrawn(page, '.panel[aria-label="Graph"]', 'the graph');
  const columns = await seriesPixels(page, GRAPH, [0.48, 0.52]);
  checkEqual(columns, 0, 'pixels of the series in the gap');
  await close(opened);
}

async function crowd(host) {
  const opened = await host.open('query?expr=many&from=now-1h&to=now', {
    prepare: (page) => stub(page, RANGE, (request) => fakeMatrix(request, 1000)),
  });
  const { page } = opened;
  await checkDrawn(page, '.panel[aria-label="Graph"]', 'the graph');
  await page.getByText('The 50 largest series are drawn').waitFor();
  const rows = await page.locator('.legend [role="row"]').count();
  check(rows < 120, `${rows} rows of the legend are in the document`);
  await page.getByRole('button', { name: 'Draw all' }).click();
  await page.getByText('All 1000 series are drawn').waitFor();
  await host.shot(page, 'query-crowd');
  await close(opened);
}

async function hostile(host) {
  const evil = '<img src=x onerror="document.title=\'owned\'">';
  const labels = () => ({ __name__: 'm', evil, long: 'x'.repeat(3000) });
  const opened = await host.open('query?expr=m', {
    prepare: async (page) => {
      await stub(page, RANGE, (request) =>
        fakeMatrix(request, 2, (i) => ({ ...labels(), i: String(i) })),
      );
      await stub(page, INSTANT, () =>
        success(
          {
            resultType: 'vector',
            result: [{ metric: labels(), value: [1, '1'] }],
          },
          { infos: [evil] },
        ),
      );
    },
  });
  const { page } = opened;
  await checkDrawn(page, '.panel[aria-label="Graph"]', 'the graph');
  await page.getByRole('tab', { name: 'Table' }).click();
  await page.locator('.table').waitFor();
  check(
    (await page.locator('.table').innerText()).includes('<img'),
    'the label is not shown as text',
  );
  checkEqual(await page.locator('main img').count(), 0, 'images made from label values');
  check((await page.title()).includes('Metrics'), 'a label value was run');
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  check(overflow <= 0, `a long label makes the page ${overflow} px too wide`);
  await close(opened);
}

function fakeTarget(i, health, lastError = '') {
  return {
    discoveredLabels: { __address__: `host-${i}:9100`, job: 'fleet' },
    labels: { instance: `host-${i}:9100`, job: 'fleet' },
    scrapePool: `pool-${i % 40}`,
    scrapeUrl: `http://host-${i}:9100/metrics`,
    globalUrl: '',
    lastError,
    lastScrape: new Date().toISOString(),
    lastScrapeDuration: 0.02,
    health,
    scrapeInterval: '15s',
    scrapeTimeout: '10s',
  };
}

async function manyTargets(host) {
  const error = 'server returned HTTP status 500: <b>internal</b> "oh no"\nsecond line';
  const activeTargets = Array.from({ length: 5000 }, (_, i) => fakeTarget(i, 'up'));
  activeTargets.push(fakeTarget(7777, 'down', error));
  const data = {
    activeTargets,
    droppedTargets: [],
    droppedTargetCounts: { 'pool-1': 3 },
  };
  const opened = await host.open('targets', {
    prepare: (page) => stub(page, 'api/v1/targets', () => success(data)),
  });
  const { page } = opened;
  await panelStates(page);
  checkEqual(await page.locator('.target-error').first().innerText(), error, 'the last error');
  const nodes = await page.evaluate(() => document.querySelectorAll('*').length);
  check(nodes < 3000, `${nodes} elements in the document`);
  check(
    (await page.getByText('3 dropped by relabelling').count()) === 1,
    'dropped are not counted',
  );
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight / 2));
  await eventually(
    async () => (await page.locator('.target').count()) > 5,
    'nothing is drawn in the middle of the list',
  );
  await page.evaluate(() => scrollTo(0, 0));
  await page.keyboard.press('/');
  await page.keyboard.type('host-4321');
  await eventually(
    async () => (await page.locator('.target').count()) === 1,
    'the filter finds none',
  );
  await page.getByRole('searchbox', { name: 'Filter targets' }).fill('');
  await page.getByRole('button', { name: 'Down 1' }).click();
  await eventually(
    async () => (await page.locator('.target').count()) === 1,
    'not only failing ones',
  );
  checkEqual(new URL(page.url()).searchParams.get('state'), 'down', 'state in the URL');
  await page.locator('.target-url').click();
  await page.getByText('Before relabelling').waitFor();
  await host.shot(page, 'targets-failing');
  await checkAccessible(page, 'targets, opened');
  await close(opened);
}

async function noTargets(host) {
  const data = {
    activeTargets: [],
    droppedTargets: [],
    droppedTargetCounts: {},
  };
  const opened = await host.open('targets', {
    prepare: (page) => stub(page, 'api/v1/targets', () => success(data)),
  });
  const { page } = opened;
  checkEqual((await panelStates(page))['Targets'], 'empty', 'state of the targets');
  await page.getByText('scrape_configs').waitFor();
  await host.shot(page, 'targets-empty');
  await checkAccessible(page, 'targets, empty');
  await close(opened);
}

async function emptyHome(host) {
  const opened = await host.open('', {
    prepare: async (page) => {
      await stub(page, RANGE, () => success({ resultType: 'matrix', result: [] }));
      await stub(page, INSTANT, () => success({ resultType: 'vector', result: [] }));
      await stub(page, 'api/v1/label/instance/values', () => success([]));
    },
  });
  const { page } = opened;
  const states = await panelStates(page);
  checkEqual(states['CPU by mode'], 'empty', 'state of a chart');
  checkEqual(states['File systems'], 'empty', 'state of the file systems');
  await host.shot(page, 'home-empty');
  await checkAccessible(page, 'home, empty');
  await close(opened);
}

/**
 * Stands between page and server: `there` lets all through, `away` refuses, `silent` lets health wait
 * without an answer. `asked` tells what was refused.
 */
class Line {
  mode = 'there';
  asked = [];
  waiting = [];

  async put(page) {
    await page.route(/\/(api|-)\//, (route) => this.handle(route).catch(() => {}));
  }

  async handle(route) {
    if (this.mode === 'there') return route.fallback();
    const { pathname } = new URL(route.request().url());
    this.asked.push(pathname);
    if (this.mode === 'silent' && pathname.endsWith('/-/ready')) return this.waiting.push(route);
    return route.abort('connectionrefused');
  }
}

const REFUSED = [/ERR_CONNECTION_REFUSED/];

async function away(host) {
  const line = new Line();
  const opened = await host.open('query?expr=up', {
    mayFail: REFUSED,
    prepare: async (page) => {
      await stub(page, RANGE, (request) => fakeMatrix(request, 3));
      await line.put(page);
    },
  });
  const { page } = opened;
  checkEqual((await panelStates(page))['Graph'], 'data', 'state before');
  await checkDrawn(page, GRAPH, 'the graph');
  const drawn = await seriesPixels(page, GRAPH);
  line.mode = 'away';
  await page.getByRole('button', { name: 'Refresh now' }).click();
  const banner = page.locator('.banner');
  await banner.waitFor();
  check((await banner.innerText()).includes('cannot be reached'), 'no word of it');
  await checkState(page, 'Graph', ['partial']);
  checkEqual(await seriesPixels(page, GRAPH), drawn, 'pixels of the last graph');
  checkEqual(await page.locator('.legend-name').count(), 3, 'series in the last legend');
  await host.shot(page, 'away');
  await checkAccessible(page, 'server away');
  /* The next attempt comes by itself and hangs; a person does not wait for it. */
  line.mode = 'silent';
  await eventually(() => line.waiting.length > 0, 'no attempt is made by itself');
  line.mode = 'there';
  await page.getByRole('button', { name: 'Try now' }).click();
  await banner.waitFor({ state: 'detached' });
  await checkState(page, 'Graph', ['data']);
  for (const route of line.waiting) {
    const failed = page.waitForEvent('requestfailed', (r) => r === route.request());
    await route.abort('connectionrefused').catch(() => {});
    await failed;
  }
  await page.evaluate(
    () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
  );
  checkEqual(await banner.count(), 0, 'banners after an old attempt has failed');
  await close(opened);
}

/** What Home knows of the host is asked again now and then, and its charts ask for that host. */
async function awayHome(host) {
  const line = new Line();
  const opened = await host.open('', {
    mayFail: REFUSED,
    prepare: async (page) => {
      await stub(page, RANGE, (request) => fakeMatrix(request, 2));
      await line.put(page);
    },
  });
  const { page } = opened;
  const before = await panelStates(page);
  checkEqual(before['CPU by mode'], 'data', 'state before');
  const cpu = '.panel[aria-label="CPU by mode"]';
  await checkDrawn(page, cpu, 'CPU by mode');
  line.mode = 'away';
  const asksForHosts = () => line.asked.some((path) => path.endsWith('/label/instance/values'));
  await eventually(async () => {
    await page.getByRole('button', { name: 'Refresh now' }).click();
    return asksForHosts();
  }, 'Home does not ask for its hosts again');
  await page.locator('.banner').waitFor();
  await eventually(
    async () => (await page.locator('.panel[aria-busy="true"]').count()) === 0,
    'panels still wait for a server that refuses',
  );
  const { 'First steps': _, ...charts } = await panelStates(page);
  for (const [name, state] of Object.entries(charts)) {
    check(['data', 'partial'].includes(state), `${name} was ${before[name]} and is ${state}`);
  }
  checkEqual(charts['CPU by mode'], 'partial', 'state of a chart on the screen');
  await checkDrawn(page, cpu, 'the last CPU by mode');
  await host.shot(page, 'away-home');
  await checkAccessible(page, 'Home, server away');
  line.mode = 'there';
  await page.locator('.banner').waitFor({ state: 'detached' });
  await checkState(page, 'CPU by mode', ['data']);
  await close(opened);
}

export function stateChecks(host) {
  return [
    ['error: verbatim, status, Retry', () => failed(host)],
    ['slow: elapsed time, Cancel, ask again', () => slow(host)],
    ['partial: warnings and infos verbatim', () => partial(host)],
    ['gaps stay gaps, NaN is mentioned', () => gaps(host)],
    ['1,000 series: band, virtual legend, all', () => crowd(host)],
    ['hostile and long label values are text', () => hostile(host)],
    ['5,000 targets: virtual, errors verbatim, filters', () => manyTargets(host)],
    ['no targets: snippet', () => noTargets(host)],
    ['Home without data says why', () => emptyHome(host)],
    ['server away: banner, last data, recovery', () => away(host)],
    ['server away: Home keeps its charts and comes back by itself', () => awayHome(host)],
  ];
}
