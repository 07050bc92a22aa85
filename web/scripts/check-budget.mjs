/* SPDX-License-Identifier: Apache-2.0
 *
 * check-budget - fails the build when what a browser must load grows past its limit (gzip -9, kB = 1000 B).
 * First load = what index.html names; editor = the lazy chunk of the query field.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const gzipSize = (path) => gzipSync(readFileSync(join(dist, path)), { level: 9 }).length;

const assets = readdirSync(join(dist, 'assets')).map((name) => `assets/${name}`);
const html = readFileSync(join(dist, 'index.html'), 'utf8');
const isCode = (path) => /\.(js|css)$/.test(path);
const first = assets.filter((path) => isCode(path) && html.includes(path));
const editor = assets.filter((path) => /assets\/editor-.*\.js$/.test(path));
const sum = (paths) => paths.reduce((total, path) => total + gzipSize(path), 0);

const budgets = [
  ['first load', sum(first), 90_000],
  ['editor chunk', sum(editor), 170_000],
  ['all code', sum(assets.filter(isCode)), 350_000],
];
let isOver = first.length === 0 || editor.length === 0;
if (isOver) console.error('check-budget: index.html names no code, or there is no editor chunk');
for (const [what, size, limit] of budgets) {
  const kb = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  console.log(
    `${what.padEnd(13)} ${kb(size).padStart(9)} of ${kb(limit)}${size > limit ? '  TOO BIG' : ''}`,
  );
  isOver ||= size > limit;
}
process.exit(isOver ? 1 : 0);
