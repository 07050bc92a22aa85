/* SPDX-License-Identifier: Apache-2.0 */
import { describe, expect, it } from 'vitest';
import type { Target } from '../../src/api/prometheus';
import { joinUsage } from '../../src/pages/home/usage';
import { HOST_PANELS, SELF_PANELS, rateWindowMs } from '../../src/pages/home/panels';
import { filterMetrics, firstQuery, listMetrics } from '../../src/pages/query/metric-list';
import { rowsOf, toCsv } from '../../src/pages/query/table-rows';
import {
  durationLevel,
  groupPools,
  lastScrapeMs,
  listRows,
  matchesText,
} from '../../src/pages/targets/target-list';
import { splitYamlLine } from '../../src/pages/status/yaml-line';
import { nextHidden } from '../../src/viz/hidden';
import { valueRange } from '../../src/viz/value-range';

function target(change: Partial<Target>): Target {
  return {
    discoveredLabels: {},
    labels: { instance: 'h:1', job: 'j' },
    scrapePool: 'j',
    scrapeUrl: 'http://h:1/metrics',
    globalUrl: '',
    lastError: '',
    lastScrape: '2026-03-01T14:00:00Z',
    lastScrapeDuration: 0.1,
    health: 'up',
    scrapeInterval: '10s',
    scrapeTimeout: '5s',
    ...change,
  };
}

describe('targets', () => {
  const all = [
    target({ scrapePool: 'b', scrapeUrl: 'http://h:10/' }),
    target({ scrapePool: 'b', scrapeUrl: 'http://h:9/' }),
    target({ scrapePool: 'c', health: 'down', lastError: 'connection refused' }),
    target({ scrapePool: 'a', health: 'unknown', lastScrape: '0001-01-01T00:00:00Z' }),
  ];

  it('failing pools come first, addresses in natural order', () => {
    const pools = groupPools(all);
    expect(pools.map((p) => p.name)).toEqual(['c', 'a', 'b']);
    expect(pools[2]?.targets.map((t) => t.scrapeUrl)).toEqual(['http://h:9/', 'http://h:10/']);
    expect(listRows(pools, new Set(['b'])).map((r) => r.kind)).toEqual([
      'pool',
      'target',
      'pool',
      'target',
      'pool',
    ]);
  });

  it('the filter looks at address, labels, pool and error', () => {
    expect(all.filter((t) => matchesText(t, 'REFUSED'))).toHaveLength(1);
    expect(all.filter((t) => matchesText(t, 'job=j h:9'))).toHaveLength(1);
    expect(all.filter((t) => matchesText(t, ' '))).toHaveLength(4);
  });

  it('knows a target never scraped and a slow one', () => {
    expect(lastScrapeMs(all[3] as Target)).toBeNull();
    expect(durationLevel(target({})).css).toBe('');
    expect(durationLevel(target({ lastScrapeDuration: 3 })).css).toBe('is-high');
    expect(durationLevel(target({ lastScrapeDuration: 5 }))).toEqual({
      share: 0.5,
      css: 'is-full',
    });
  });
});

describe('results as rows', () => {
  it('of every type', () => {
    expect(rowsOf({ resultType: 'scalar', result: [1, '2'] })[0]?.number).toBe(2);
    expect(rowsOf({ resultType: 'string', result: [1, 'x'] })[0]?.values[0]?.text).toBe('x');
    const vector = rowsOf({
      resultType: 'vector',
      result: [
        { metric: { a: 'b' }, value: [1.5, '3'] },
        {
          metric: { h: '1' },
          histogram: [2, { count: '4', sum: '5', buckets: [[0, '1', '2', '4']] }],
        },
      ],
    });
    expect(vector[0]?.values).toEqual([{ timeMs: 1500, text: '3' }]);
    expect(vector[1]?.values[0]?.text).toBe('count 4, sum 5, 1 buckets');
    expect(vector[1]?.number).toBe(4);
    const matrix = rowsOf({
      resultType: 'matrix',
      result: [
        {
          metric: {},
          values: [
            [1, '1'],
            [2, '2'],
          ],
        },
      ],
    });
    expect(matrix[0]?.values).toHaveLength(2);
    expect(matrix[0]?.number).toBe(2);
  });

  it('as CSV that survives commas and quotes', () => {
    const rows = rowsOf({
      resultType: 'vector',
      result: [{ metric: { __name__: 'm', x: 'a,"b"' }, value: [0, '1'] }],
    });
    expect(toCsv(rows)).toBe('__name__,x,time,value\nm,"a,""b""",1970-01-01T00:00:00.000Z,1\n');
  });
});

describe('metrics', () => {
  const entries = listMetrics(['h_bucket', 'h_count', 'c_total', 'g', 'odd'], {
    h: [{ type: 'histogram', help: 'A histogram.', unit: '' }],
    c_total: [{ type: 'counter', help: '', unit: '' }],
    g: [{ type: 'gauge', help: 'Now.', unit: '' }],
  });

  it('parts have the type and help of their family', () => {
    expect(entries.map((e) => e.type)).toEqual(['histogram', 'histogram', 'counter', 'gauge', '']);
    expect(filterMetrics(entries, 'histogram h_c').map((e) => e.name)).toEqual(['h_count']);
  });

  it('get a first query by type', () => {
    expect(entries.map(firstQuery)).toEqual([
      'histogram_quantile(0.95, sum by (le) (rate(h_bucket[5m])))',
      'sum by (instance) (rate(h_count[5m]))',
      'sum by (instance) (rate(c_total[5m]))',
      'g',
      'odd',
    ]);
  });
});

describe('home', () => {
  it('joins sizes and free bytes, one entry per device, fullest first', () => {
    const size = (mountpoint: string, device: string, bytes: string) => ({
      metric: { mountpoint, device },
      value: [0, bytes] as [number, string],
    });
    const usage = joinUsage(
      [
        size('/', 'a', '100'),
        size('/mnt/bind', 'a', '100'),
        size('/data', 'b', '10'),
        size('/x', 'c', '0'),
      ],
      [
        size('/', 'a', '50'),
        size('/mnt/bind', 'a', '50'),
        size('/data', 'b', '1'),
        size('/x', 'c', '0'),
      ],
    );
    expect(usage).toEqual([
      { name: '/data', used: 9, size: 10 },
      { name: '/', used: 50, size: 100 },
    ]);
  });

  it('the window of rate() holds four scrapes and a step', () => {
    expect(rateWindowMs(5_000, 5_000)).toBe(30_000);
    expect(rateWindowMs(15_000, 15_000)).toBe(60_000);
    expect(rateWindowMs(600_000, 15_000)).toBe(615_000);
  });

  it('every panel asks something, with the host where it is one of the host', () => {
    const context = { host: 'instance="h:1"', window: '1m' };
    for (const panel of [...HOST_PANELS, ...SELF_PANELS]) {
      expect(panel.queries(context).length, panel.id).toBeGreaterThan(0);
    }
    for (const panel of HOST_PANELS) {
      for (const q of panel.queries(context)) expect(q.expr).toContain('instance="h:1"');
      for (const q of panel.queries({ host: '', window: '1m' })) expect(q.expr).not.toContain('{}');
    }
  });
});

describe('drawing', () => {
  it('the value axis starts at zero unless that would hide the curve', () => {
    const free = { isStacked: false };
    expect(valueRange(1, 10, free)[0]).toBe(0);
    expect(valueRange(95, 100, free)[0]).toBeGreaterThan(90);
    expect(valueRange(95, 100, { isStacked: true })[0]).toBe(0);
    expect(valueRange(-5, 5, free)[0]).toBeLessThan(-5);
    expect(valueRange(null, null, free)).toEqual([0, 1]);
    expect(valueRange(0, 0, free)).toEqual([0, 1]);
    expect(valueRange(7, 7, free)[0]).toBeLessThan(7);
    expect(valueRange(0.2, 0.4, { ...free, yMin: 0, yMax: 1 })).toEqual([0, 1]);
  });

  it('a click in the legend isolates, again shows all, with Ctrl toggles', () => {
    const ids = ['a', 'b', 'c'];
    const alone = nextHidden(ids, new Set(), 'a', false);
    expect([...alone]).toEqual(['b', 'c']);
    expect([...nextHidden(ids, alone, 'a', false)]).toEqual([]);
    expect([...nextHidden(ids, alone, 'b', false)]).toEqual(['a', 'c']);
    expect([...nextHidden(ids, new Set(), 'b', true)]).toEqual(['b']);
    expect([...nextHidden(ids, new Set(['b']), 'b', true)]).toEqual([]);
    expect([...nextHidden(ids, new Set(['a', 'b']), 'c', true)]).toEqual([]);
  });
});

describe('configuration text', () => {
  it.each([
    ['# note', ['comment:# note']],
    ['global:', ['key:global', 'text::']],
    [
      '  - job_name: "a" # b',
      ['text:  - ', 'key:job_name', 'text::', 'string: "a"', 'comment: # b'],
    ],
    ['    interval: 5s', ['text:    ', 'key:interval', 'text::', 'number: 5s']],
    ['  - 127.0.0.1:80', ['text:  - ', 'text:127.0.0.1:80']],
    ['', []],
  ])('%s', (line, parts) => {
    expect(splitYamlLine(line).map((p) => `${p.kind}:${p.text}`)).toEqual(parts);
  });

  it('loses no character', () => {
    for (const line of ["a: 'x # y' # z", '- - b: 1', 'url: http://h/#x', '   ']) {
      expect(
        splitYamlLine(line)
          .map((p) => p.text)
          .join(''),
      ).toBe(line);
    }
  });
});
