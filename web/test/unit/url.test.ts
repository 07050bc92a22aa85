/* SPDX-License-Identifier: Apache-2.0 */
import { describe, expect, it } from 'vitest';
import { encodeParams, parsePlace, placeHref } from '../../src/state/url';
import {
  fromLegacy,
  hasLegacyParams,
  readView,
  writeView,
  type QueryView,
} from '../../src/state/view';

const ALPHABET = 'aZ09_:{}[]()"\'\\=~!,. +-*/%&#?<>@$^|;\n\tµ日🗼';

function randomText(max: number): string {
  const chars = [...ALPHABET];
  const length = Math.floor(Math.random() * max);
  return Array.from({ length }, () => chars[Math.floor(Math.random() * chars.length)]).join('');
}

function paramsOf(changes: Record<string, string | null>): URLSearchParams {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(changes)) {
    if (value !== null) params.set(key, value);
  }
  return params;
}

describe('places', () => {
  it('survives the address bar, whatever the query and the prefix', () => {
    for (let i = 0; i < 2000; i += 1) {
      const base = i % 2 === 0 ? '/' : '/x/y/';
      const params = new URLSearchParams({
        expr: randomText(40),
        from: 'now-1h',
        q: randomText(9),
      });
      const href = new URL(placeHref('/query', params), `http://h${base}`).href;
      const back = parsePlace(href, base);
      expect(back.path).toBe('/query');
      expect([...back.params]).toEqual([...params]);
    }
  });

  it('leaves readable what may stay readable', () => {
    expect(encodeParams(new URLSearchParams({ expr: 'a:b/c,d@1' }))).toBe('expr=a:b/c,d@1');
    expect(encodeParams(new URLSearchParams({ expr: 'x{a="b"} + 1' }))).toBe(
      'expr=x%7Ba%3D%22b%22%7D%20%2B%201',
    );
  });

  it('knows the root', () => {
    expect(placeHref('/', new URLSearchParams())).toBe('./');
    expect(parsePlace('http://h/x/y/', '/x/y/').path).toBe('/');
    expect(parsePlace('http://h/x/y/targets/', '/x/y/').path).toBe('/targets');
  });
});

describe('view of the Metrics page', () => {
  it('reads back whatever it writes', () => {
    for (let i = 0; i < 2000; i += 1) {
      const view: QueryView = {
        expr: randomText(60),
        tab: Math.random() < 0.5 ? 'graph' : 'table',
        isStacked: Math.random() < 0.5,
        isFine: Math.random() < 0.5,
        stepMs: Math.random() < 0.5 ? null : 1 + Math.floor(Math.random() * 1e8),
      };
      expect(readView(paramsOf(writeView(view)))).toEqual(view);
    }
  });

  it('leaves no trace of defaults', () => {
    const view = readView(new URLSearchParams());
    expect([...paramsOf(writeView(view))]).toEqual([]);
  });

  it('ignores a step that is none', () => {
    expect(readView(new URLSearchParams({ step: 'often' })).stepMs).toBeNull();
    expect(readView(new URLSearchParams({ step: '0' })).stepMs).toBeNull();
  });
});

describe('older links', () => {
  it('are recognised', () => {
    expect(hasLegacyParams(new URLSearchParams('g0.expr=up'))).toBe(true);
    expect(hasLegacyParams(new URLSearchParams('expr=up'))).toBe(false);
  });

  it('maps a graph with a range that ends now', () => {
    const params = fromLegacy(
      new URLSearchParams('g0.expr=rate(x%5B5m%5D)&g0.tab=0&g0.stacked=1&g0.range_input=2h'),
    );
    expect(Object.fromEntries(params)).toEqual({
      expr: 'rate(x[5m])',
      stacked: '1',
      from: 'now-2h',
      to: 'now',
    });
  });

  it('maps an end time in the three ways it is written', () => {
    const end = Date.UTC(2026, 2, 1, 14);
    for (const text of ['2026-03-01 14:00:00', '2026-03-01T14:00:00Z', String(end / 1000)]) {
      const params = fromLegacy(
        new URLSearchParams({
          'g0.expr': 'up',
          'g0.tab': 'graph',
          'g0.range_input': '30m',
          'g0.end_input': text,
        }),
      );
      expect(params.get('from')).toBe(String(end - 1_800_000));
      expect(params.get('to')).toBe(String(end));
    }
  });

  it('maps the table tab of an alert link', () => {
    const params = fromLegacy(new URLSearchParams('g0.expr=up+%3D%3D+0&g0.tab=1'));
    expect(Object.fromEntries(params)).toEqual({ expr: 'up == 0', tab: 'table' });
  });
});
