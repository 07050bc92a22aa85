/* SPDX-License-Identifier: Apache-2.0
 *
 * run - the browser tests of the web UI against a running server.
 *
 *   PHAROS_URL=http://127.0.0.1:9090/ node tests/e2e/run.mjs [words that a test's name must contain]
 *
 * PHAROS_URL         the server, with its path prefix if it has one
 * PHAROS_E2E_SHOTS   where screenshots go; none are kept without it
 * PHAROS_E2E_SLOWDOWN  how many times slower the browser runs, default 1
 * PHAROS_CHROMIUM    the browser, default /usr/bin/chromium
 *
 * Prints TAP lines and closes with "N passed, N failed". Needs web/node_modules (npm ci).
 */
import { deliveryChecks } from './delivery-checks.mjs';
import { Browser, eventually } from './harness.mjs';
import { pageChecks } from './page-checks.mjs';
import { stateChecks } from './state-checks.mjs';
import { useChecks } from './use-checks.mjs';

const TEST_MS_MAX = 120_000;
const READY_MS_MAX = 120_000;

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
    READY_MS_MAX,
  );
  const build = await host.ask('api/v1/status/buildinfo');
  const isPharos = build.data?.application === 'pharos';
  await host.premise('count(rate(node_cpu_seconds_total[1m]))', 1);
  if (isPharos) await host.premise('count(rate(pharos_head_samples_total[1m]))', 1);
  const disks = 'count(node_disk_read_bytes_total{device!~"(loop|ram|dm-|md|sr|fd|zram).*"})';
  const targets = await host.ask('api/v1/targets');
  return {
    isPharos,
    hasDisks: (await host.valuesOf(disks)).length > 0,
    targetCount: targets.data.activeTargets.length,
  };
}

/** A check must end; what it waits for the server's data to come into being is on top of that. */
function withLimit(host, run) {
  let timer;
  host.premiseMs = 0;
  const started = Date.now();
  const limit = new Promise((_, reject) => {
    timer = setInterval(() => {
      if (Date.now() - started - host.premiseMs < TEST_MS_MAX) return;
      reject(new Error(`not done after ${TEST_MS_MAX} ms`));
    }, 250);
  });
  return Promise.race([run(), limit]).finally(() => clearInterval(timer));
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
        await withLimit(host, run);
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
