/* SPDX-License-Identifier: Apache-2.0
 *
 * run - the browser tests of the web UI against a running server.
 *
 *   PHAROS_URL=http://127.0.0.1:9090/ node tests/e2e/run.mjs [words that a test's name must contain]
 *
 * PHAROS_URL         the server, with its path prefix if it has one
 * PHAROS_E2E_SHOTS   where screenshots go; none are kept without it
 * PHAROS_CHROMIUM    the browser, default /usr/bin/chromium
 *
 * Prints TAP lines and closes with "N passed, N failed". Needs web/node_modules (npm ci).
 */
import { deliveryChecks } from './delivery-checks.mjs';
import { Browser, eventually } from './harness.mjs';
import { pageChecks } from './page-checks.mjs';
import { stateChecks } from './state-checks.mjs';
import { useChecks } from './use-checks.mjs';

const TEST_MS_MAX = 60_000;
const DATA_MS_MAX = 90_000;

async function ask(host, path) {
  const response = await fetch(host.url(path), {
    headers: { Accept: 'application/json' },
  });
  return response.json();
}

async function valuesOf(host, expr) {
  const answer = await ask(host, `api/v1/query?query=${encodeURIComponent(expr)}`);
  return answer.data?.result ?? [];
}

/** Waits until there is something to draw, and learns what the server is. */
async function prepare(host) {
  await eventually(
    async () => {
      try {
        return (await fetch(host.url('-/ready'))).ok;
      } catch (error) {
        return String(error);
      }
    },
    'the server is not ready',
    DATA_MS_MAX,
  );
  await eventually(
    async () => (await valuesOf(host, 'count(rate(node_cpu_seconds_total[1m]))')).length > 0,
    'there are no host metrics',
    DATA_MS_MAX,
  );
  const isPharos = (await valuesOf(host, 'pharos_build_info')).length > 0;
  if (isPharos) {
    await eventually(
      async () => (await valuesOf(host, 'rate(pharos_head_samples_total[1m])')).length > 0,
      'there are no rates of own metrics',
      DATA_MS_MAX,
    );
  }
  const targets = await ask(host, 'api/v1/targets');
  return {
    isPharos,
    hasDisks: (await valuesOf(host, 'count(node_disk_read_bytes_total)')).length > 0,
    targetCount: targets.data.activeTargets.length,
  };
}

function withLimit(work) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${TEST_MS_MAX} ms`)), TEST_MS_MAX);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

async function main() {
  const url = process.env['PHAROS_URL'];
  if (url === undefined) {
    console.error('PHAROS_URL names no server');
    return 2;
  }
  const host = new Browser(url, process.env['PHAROS_E2E_SHOTS'] ?? '');
  const words = process.argv.slice(2);
  const note = (text) => console.log(`# ${text}`);
  let passed = 0;
  let failed = 0;
  await host.start();
  try {
    const server = await prepare(host);
    if (!server.isPharos) note('this server is not Pharos: its own metrics are not demanded');
    const all = [
      ...deliveryChecks(host, note),
      ...pageChecks(host, server),
      ...useChecks(host),
      ...stateChecks(host),
    ].filter(([name]) => words.every((word) => name.includes(word)));
    console.log(`1..${all.length}`);
    for (const [name, run] of all) {
      const number = passed + failed + 1;
      try {
        await withLimit(run());
        passed += 1;
        console.log(`ok ${number} - ${name}`);
      } catch (error) {
        failed += 1;
        console.log(`not ok ${number} - ${name}`);
        const text = String(error instanceof Error ? error.message : error);
        for (const line of text.split('\n')) console.log(`#   ${line}`);
        for (const page of host.context.pages().slice(1)) await page.close();
      }
    }
  } finally {
    await host.stop();
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

process.exitCode = await main();
