/* SPDX-License-Identifier: Apache-2.0 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const TOOL = new URL('../../../tools/embed-assets', import.meta.url).pathname;
const SCRIPT = 'console.log("pharos");\n'.repeat(100);

describe('tools/embed-assets', () => {
  let folder = '';
  const at = (...parts: string[]): string => join(folder, ...parts);
  const run = (out: string): void => {
    mkdirSync(at(out), { recursive: true });
    const names = [
      '--assembler',
      `${out}/ui.S`,
      '--source',
      `${out}/ui.c`,
      '--depfile',
      `${out}/ui.d`,
    ];
    execFileSync('python3', [TOOL, '--dist', 'dist', ...names], { cwd: folder, stdio: 'pipe' });
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'pharos-embed-'));
    mkdirSync(at('dist', 'assets'), { recursive: true });
    writeFileSync(at('dist', 'index.html'), '<base href="/" />');
    writeFileSync(at('dist', 'assets', 'index-Ab1_-xYz.js'), SCRIPT);
    writeFileSync(at('dist', 'assets', 'plain.css'), 'a{}');
    run('one');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('writes a table sorted by path', () => {
    const source = readFileSync(at('one', 'ui.c'), 'utf8');
    const paths = [...source.matchAll(/\.path = "([^"]+)"/g)].map((m) => m[1]);
    expect(paths).toEqual(['assets/index-Ab1_-xYz.js', 'assets/plain.css', 'index.html']);
    const immutable = [...source.matchAll(/\.is_immutable = (\w+)/g)].map((m) => m[1]);
    expect(immutable).toEqual(['true', 'false', 'false']);
    expect(source).toContain('UI_ASSET_COUNT = 3;');
    expect(source).toMatch(/\.etag = "\\"[0-9a-f]{16}\\""/);
  });

  it('compresses only what becomes smaller', () => {
    const packed = readdirSync(at('one', 'ui.S.d'));
    expect(packed).toHaveLength(1);
    const data = gunzipSync(readFileSync(at('one', 'ui.S.d', packed[0] ?? '')));
    expect(data.toString()).toBe(SCRIPT);
    expect(readFileSync(at('one', 'ui.c'), 'utf8').match(/\.gzip = NULL/g)).toHaveLength(2);
  });

  it('gives the same output for the same input, another for another', () => {
    const before = readFileSync(at('one', 'ui.S'), 'utf8');
    run('two');
    expect(readFileSync(at('two', 'ui.S'), 'utf8').replaceAll('two/', 'one/')).toBe(before);
    expect(readFileSync(at('two', 'ui.c'), 'utf8')).toBe(readFileSync(at('one', 'ui.c'), 'utf8'));
    writeFileSync(at('dist', 'assets', 'index-Ab1_-xYz.js'), `${SCRIPT}//`);
    run('one');
    expect(readFileSync(at('one', 'ui.S'), 'utf8')).not.toBe(before);
    expect(readdirSync(at('one', 'ui.S.d'))).toHaveLength(1);
  });

  it('refuses what it does not know, and a build that is none', () => {
    writeFileSync(at('dist', 'thing.xyz'), '');
    expect(() => run('three')).toThrow(/no media type/);
    rmSync(at('dist', 'thing.xyz'));
    rmSync(at('dist', 'index.html'));
    expect(() => run('three')).toThrow(/no index.html/);
  });
});
