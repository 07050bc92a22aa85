/* SPDX-License-Identifier: Apache-2.0
 *
 * use-checks - what a person does: types, completes, zooms, filters, goes back, uses keys only.
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
} from './harness.mjs';

const LOAD = 'node_load1';

const param = (page, name) => new URL(page.url()).searchParams.get(name);

async function editorOf(page) {
  const editor = page.getByRole('textbox', { name: 'PromQL query' });
  await page.locator('.query-editor .cm-content').waitFor();
  return editor;
}

async function completion(host) {
  const opened = await host.open('query');
  const { page } = opened;
  const editor = await editorOf(page);
  await editor.click();
  await page.keyboard.type('rate(node_lo', { delay: 20 });
  const option = page.locator('.cm-tooltip-autocomplete li', { hasText: LOAD }).first();
  await option.waitFor();
  await host.shot(page, 'query-completion');
  await checkAccessible(page, 'completion');
  await option.click();
  check((await editor.innerText()).includes(LOAD), 'the completion was not inserted');
  await close(opened);
}

/** Faster than the page can redraw: nothing is lost, nothing is put back. */
async function fastTyping(host) {
  const opened = await host.open('query');
  const { page } = opened;
  const editor = await editorOf(page);
  await editor.click();
  const text = `up + ${Array.from({ length: 60 }, (_, i) => i).join(' + ')}`;
  await page.keyboard.type(text);
  checkEqual(await editor.innerText(), text, 'typed text');
  for (let i = 0; i < 10; i += 1) await page.keyboard.press('Backspace');
  await page.keyboard.press('Control+Enter');
  await page.keyboard.type(' * 2');
  await panelStates(page);
  checkEqual(param(page, 'expr'), text.slice(0, -10), 'query in the URL');
  checkEqual(await editor.innerText(), `${text.slice(0, -10)} * 2`, 'text typed after the run');
  await page.goBack();
  await eventually(async () => (await editor.innerText()).includes('Ask in PromQL'), 'not empty');
  await close(opened);
}

async function runByKeyboard(host) {
  const opened = await host.open('query');
  const { page } = opened;
  await editorOf(page);
  await page.locator('main').focus();
  await page.keyboard.press('e');
  await page.keyboard.type('up', { delay: 20 });
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+Enter');
  await eventually(() => param(page, 'expr') === 'up', 'the query is not in the URL');
  await checkState(page, 'Graph', ['data']);
  await close(opened);
}

async function urlRestores(host) {
  const now = Date.now();
  const wanted = {
    expr: `${LOAD} > 0`,
    tab: 'table',
    from: String(now - 600_000),
    to: String(now),
    tz: 'utc',
  };
  const opened = await host.open(`query?${new URLSearchParams(wanted)}`);
  const { page } = opened;
  const editor = await editorOf(page);
  await panelStates(page);
  checkEqual(await editor.innerText(), wanted.expr, 'query');
  checkEqual(await page.getByRole('tab', { selected: true }).innerText(), 'Table', 'tab');
  await page.getByRole('tab', { name: 'Graph' }).click();
  await panelStates(page);
  checkEqual(param(page, 'tab'), null, 'tab in the URL');
  await page.goBack();
  await page.getByRole('tab', { name: 'Table', selected: true }).waitFor();
  await page.reload();
  checkEqual(await (await editorOf(page)).innerText(), wanted.expr, 'query after a reload');
  for (const [name, value] of Object.entries(wanted)) {
    checkEqual(param(page, name), value, `parameter ${name}`);
  }
  await close(opened);
}

/** A load over all of the range, whatever the age of the server. */
const withLoad = (page) =>
  stub(page, 'api/v1/query_range', (request) => fakeMatrix(request, 1, () => ({ __name__: LOAD })));

async function brush(host) {
  const opened = await host.open(`query?expr=${LOAD}&from=now-30m&to=now`, { prepare: withLoad });
  const { page } = opened;
  await checkDrawn(page, '.panel[aria-label="Graph"]', 'the graph');
  const box = await page.locator('.chart .u-over').boundingBox();
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * 0.745, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.995, y, { steps: 5 });
  await page.mouse.up();
  await eventually(() => /^\d{13}$/.test(param(page, 'from') ?? ''), 'the zoom is not in the URL');
  const length = Number(param(page, 'to')) - Number(param(page, 'from'));
  check(
    Math.abs(length - 450_000) < 30_000,
    `the zoom is ${length} ms long, not a quarter of 30 min`,
  );
  await panelStates(page);
  await page.mouse.dblclick(box.x + box.width * 0.5, y);
  await eventually(
    () => param(page, 'from') === 'now-30m',
    'a double click does not undo the zoom',
  );
  await close(opened);
}

/** The charts of Home share a crosshair, but one drag is one zoom. */
async function brushHome(host) {
  const opened = await host.open('', { prepare: withLoad });
  const { page } = opened;
  await checkDrawn(page, '.panel[aria-label="CPU by mode"]', 'CPU by mode');
  await panelStates(page);
  const before = await page.evaluate(() => history.length);
  const box = await page.locator('.panel[aria-label="CPU by mode"] .u-over').boundingBox();
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * 0.7, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.995, y, { steps: 5 });
  await page.mouse.up();
  await eventually(() => /^\d{13}$/.test(param(page, 'from') ?? ''), 'the zoom is not in the URL');
  await panelStates(page);
  checkEqual(
    (await page.evaluate(() => history.length)) - before,
    1,
    'history entries of one zoom',
  );
  await page.mouse.dblclick(box.x + box.width * 0.5, y);
  await eventually(() => param(page, 'from') === null, 'a double click does not undo the zoom');
  await close(opened);
}

async function tooltip(host) {
  const opened = await host.open(`query?expr=${LOAD}&from=now-15m&to=now`, { prepare: withLoad });
  const { page } = opened;
  await checkDrawn(page, '.panel[aria-label="Graph"]', 'the graph');
  const box = await page.locator('.chart .u-over').boundingBox();
  await page.mouse.move(box.x + box.width - 12, box.y + 40);
  await page.mouse.move(box.x + box.width - 10, box.y + 42);
  await page.locator('.chart-tip:not([hidden])', { hasText: 'node_load1' }).waitFor();
  await host.shot(page, 'query-tooltip');
  await close(opened);
}

async function keys(host) {
  const opened = await host.open(`query?expr=${LOAD}&from=now-1h&to=now`);
  const { page } = opened;
  await editorOf(page);
  await panelStates(page);
  await page.locator('main').focus();
  await page.keyboard.press('[');
  await eventually(() => /^\d+$/.test(param(page, 'to') ?? ''), '[ does not shift');
  const shifted = Number(param(page, 'to'));
  check(Math.abs(Date.now() - 1_800_000 - shifted) < 20_000, `[ shifted to ${shifted}`);
  await page.keyboard.press(']');
  await eventually(() => Number(param(page, 'to')) > shifted, '] does not shift');
  await page.keyboard.press('.');
  await eventually(() => param(page, 'to') === 'now', '. does not come back');
  await page.keyboard.press('-');
  await eventually(() => param(page, 'from') === 'now-2h', '- does not zoom out');
  await page.keyboard.press('t');
  await page.getByRole('dialog', { name: 'Time range' }).waitFor();
  await host.shot(page, 'time-range');
  await checkAccessible(page, 'time range');
  await page.getByRole('button', { name: 'Last 6 hours' }).click();
  await eventually(() => param(page, 'from') === 'now-6h', 'a quick range is not taken');
  await page.locator('main').focus();
  await page.keyboard.press('?');
  const help = page.getByRole('dialog', { name: 'Keys and gestures' });
  await help.waitFor();
  await host.shot(page, 'help');
  await checkAccessible(page, 'help');
  await page.keyboard.press('Escape');
  await help.waitFor({ state: 'detached' });
  await page.keyboard.press('g');
  await page.keyboard.press('i');
  await eventually(() => new URL(page.url()).pathname.endsWith('/targets'), 'g i does not go');
  await close(opened);
}

async function typedRange(host) {
  const opened = await host.open(`query?expr=${LOAD}&tz=utc`);
  const { page } = opened;
  await page.getByRole('button', { name: 'Last hour' }).click();
  await page.getByLabel('From', { exact: true }).fill('last tuesday');
  await page.getByRole('button', { name: 'Apply' }).click();
  await page.getByRole('alert').filter({ hasText: 'is no time' }).waitFor();
  await page.getByLabel('From', { exact: true }).fill('2026-01-02 03:04');
  await page.getByLabel('To', { exact: true }).fill('2026-01-02T04:04:00Z');
  await page.getByRole('button', { name: 'Apply' }).click();
  await eventually(
    () => param(page, 'from') === String(Date.UTC(2026, 0, 2, 3, 4)),
    'a typed time is not taken',
  );
  await checkState(page, 'Graph', ['empty']);
  /* However young the server: its data are younger than one step of a day. */
  await host.premise(LOAD, 1);
  await page.getByRole('button', { name: 'Look at the last 24 hours' }).click();
  await eventually(() => param(page, 'from') === 'now-24h', 'the range is not widened');
  await checkState(page, 'Graph', ['data']);
  await eventually(
    async () => (await seriesPixels(page, '.panel[aria-label="Graph"]')) > 0,
    'no point of the widened range is drawn',
  );
  await host.shot(page, 'query-widened');
  await close(opened);
}

async function legend(host) {
  await host.premise('up', 1);
  await host.premise('node_load5', 1);
  const opened = await host.open('query?expr=up%20or%20node_load5&from=now-15m&to=now');
  const { page } = opened;
  await panelStates(page);
  const buttons = page.locator('.legend-name');
  check((await buttons.count()) >= 2, 'fewer than two series');
  const off = () => page.locator('.legend-name[aria-pressed="false"]').count();
  const all = await buttons.count();
  await buttons.first().click();
  checkEqual(await off(), all - 1, 'hidden after a click');
  await buttons.first().click();
  checkEqual(await off(), 0, 'hidden after a second click');
  await buttons.first().click({ modifiers: ['Control'] });
  checkEqual(await off(), 1, 'hidden after Ctrl+click');
  await close(opened);
}

async function oldLinks(host) {
  const opened = await host.open('graph?g0.expr=up&g0.tab=0&g0.range_input=2h');
  const { page } = opened;
  await panelStates(page);
  const { pathname, searchParams } = new URL(page.url());
  check(pathname.endsWith('/query'), `still at ${pathname}`);
  checkEqual(
    Object.fromEntries(searchParams),
    { expr: 'up', from: 'now-2h', to: 'now' },
    'parameters',
  );
  for (const [path, tab] of [
    ['config', 'config'],
    ['flags', 'flags'],
    ['tsdb-status', 'storage'],
  ]) {
    await page.goto(host.url(path));
    await eventually(() => param(page, 'tab') === tab, `${path} does not lead to its tab`);
  }
  await close(opened);
}

async function theme(host) {
  const opened = await host.open('targets');
  const { page } = opened;
  const choice = () => page.evaluate(() => document.documentElement.dataset.theme ?? 'auto');
  const button = page.getByRole('button', { name: /^Theme/ });
  await button.click();
  await button.click();
  checkEqual(await choice(), 'dark', 'theme after two clicks');
  await page.reload();
  await button.waitFor();
  checkEqual(await choice(), 'dark', 'theme after a reload');
  await button.click();
  checkEqual(await choice(), 'auto', 'theme after a third click');
  await close(opened);
}

async function links(host) {
  const opened = await host.open('');
  const { page } = opened;
  await panelStates(page);
  await page.getByRole('link', { name: 'Open Load average in Metrics' }).click();
  await eventually(
    () => (param(page, 'expr') ?? '').startsWith('node_load1'),
    'no query in the URL',
  );
  await checkState(page, 'Graph', ['data']);
  await page.getByRole('button', { name: 'Copy link' }).click();
  await page.getByText('Copied').waitFor();
  const copied = new URL(await page.evaluate(() => navigator.clipboard.readText()));
  check(/^\d{13}$/.test(copied.searchParams.get('from')), `not absolute: ${copied}`);
  await page.goBack();
  await page.getByRole('heading', { name: 'This host' }).waitFor();
  await close(opened);
}

async function checklist(host) {
  const opened = await host.open('');
  const { page } = opened;
  await panelStates(page);
  const step = page.getByRole('button', { name: /^Receive remote write/ });
  await step.click();
  const text = await page.locator('.step-body').innerText();
  check(text.includes(`${host.base}api/v1/write`), `no address of this server in: ${text}`);
  await host.shot(page, 'first-steps');
  await checkAccessible(page, 'first steps');
  await page.getByRole('button', { name: 'Hide', exact: true }).click();
  await page.reload();
  await panelStates(page);
  checkEqual(await step.count(), 0, 'first steps after hiding');
  await page.getByRole('button', { name: 'Show the first steps' }).click();
  await step.waitFor();
  await close(opened);
}

async function refreshes(host) {
  const opened = await host.open('');
  const { page } = opened;
  await panelStates(page);
  let count = 0;
  page.on('request', (request) => {
    if (request.url().includes('query_range')) count += 1;
  });
  await eventually(() => count >= 5, 'Home does not refresh by itself');
  await page.getByLabel('Refresh every').selectOption('off');
  checkEqual(param(page, 'refresh'), 'off', 'refresh in the URL');
  await close(opened);
}

export function useChecks(host) {
  return [
    ['completion offers a metric and inserts it', () => completion(host)],
    ['typing faster than the page draws', () => fastTyping(host)],
    ['a query typed and run with keys only', () => runByKeyboard(host)],
    ['the URL restores everything; back and reload', () => urlRestores(host)],
    ['drag zooms, double click undoes', () => brush(host)],
    ['drag on Home zooms all charts once', () => brushHome(host)],
    ['the crosshair shows values', () => tooltip(host)],
    ['shortcuts: shift, zoom, now, picker, help, go', () => keys(host)],
    ['a typed range: refused with a reason, taken, empty, widened', () => typedRange(host)],
    ['the legend isolates and toggles', () => legend(host)],
    ['links of older UIs', () => oldLinks(host)],
    ['a chosen theme stays', () => theme(host)],
    ['from Home to Metrics, a link to share, and back', () => links(host)],
    ['first steps: snippet, hide, show', () => checklist(host)],
    ['Home refreshes by itself and can be stopped', () => refreshes(host)],
  ];
}
