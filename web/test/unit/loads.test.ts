/* SPDX-License-Identifier: Apache-2.0 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadFacts } from '../../src/pages/home/facts';
import { queryRanges } from '../../src/state/range-query';

type Reply = { status: number; data?: unknown } | 'no answer';

let asked: URL[] = [];
let reply: (url: URL) => Reply;

beforeEach(() => {
  asked = [];
  vi.stubGlobal('document', { baseURI: 'http://host/' });
  vi.stubGlobal('fetch', (href: string) => {
    const url = new URL(href);
    asked.push(url);
    const given = reply(url);
    if (given === 'no answer') return Promise.reject(new TypeError('failed'));
    const { status, data } = given;
    const body = status === 200 ? { status: 'success', data } : { status: 'error', error: 'no' };
    return Promise.resolve(new Response(JSON.stringify(body), { status }));
  });
});
afterEach(() => vi.unstubAllGlobals());

const { signal } = new AbortController();

describe('queries over a range', () => {
  const minute = 60_000;
  const span = { fromMs: 0, toMs: 17 * minute };
  const ends = (): string[] => asked.map((url) => url.searchParams.get('end') ?? '');
  const found = { resultType: 'matrix', result: [{ metric: {}, values: [[1020, '1']] }] };
  const nothing = { resultType: 'matrix', result: [] };

  it('are asked on multiples of the step', async () => {
    reply = () => ({ status: 200, data: found });
    const { axis } = await queryRanges(['a'], span, 5 * minute, signal);
    expect(axis).toEqual({ startMs: 0, endMs: 15 * minute, stepMs: 5 * minute });
    expect(ends()).toEqual(['900']);
  });

  it('find what is younger than the last step', async () => {
    reply = (url) => ({
      status: 200,
      data: url.searchParams.get('end') === '1020' ? found : nothing,
    });
    const { axis, answers } = await queryRanges(['a', 'b'], span, 5 * minute, signal);
    expect(axis).toEqual({ startMs: 2 * minute, endMs: 17 * minute, stepMs: 5 * minute });
    expect(answers.map((answer) => answer.data.result.length)).toEqual([1, 1]);
    expect(ends()).toEqual(['900', '900', '1020', '1020']);
  });

  it('are asked once when the end is a step, and when one of them has data', async () => {
    reply = () => ({ status: 200, data: nothing });
    await queryRanges(['a'], { fromMs: 0, toMs: 15 * minute }, 5 * minute, signal);
    reply = (url) => ({
      status: 200,
      data: url.searchParams.get('query') === 'b' ? found : nothing,
    });
    await queryRanges(['a', 'b'], span, 5 * minute, signal);
    expect(ends()).toEqual(['900', '900', '900']);
  });
});

describe('facts of Home', () => {
  const good = (url: URL): Reply => {
    const path = url.pathname;
    if (path.endsWith('/values')) return { status: 200, data: ['h:1'] };
    if (path.endsWith('/targets')) return { status: 200, data: { activeTargets: [] } };
    if (path.endsWith('/tsdb')) return { status: 200, data: { headStats: { minTime: 5 } } };
    if (path.endsWith('/query')) {
      return { status: 200, data: { resultType: 'vector', result: [{ value: [1, '2'] }] } };
    }
    return { status: 200, data: { version: '1' } };
  };

  it.each<[string, Reply]>([
    ['does not answer', 'no answer'],
    ['fails', { status: 503 }],
  ])('stay when the server %s', async (_what, failure) => {
    reply = good;
    const before = await loadFacts(1000, signal);
    expect(before.hosts).toEqual(['h:1']);
    expect(before.hasSelf).toBe(true);
    reply = () => failure;
    expect(await loadFacts(2000, signal, before)).toEqual(before);
  });

  it('go when the server has no such thing, and say less when it never answered', async () => {
    reply = good;
    const before = await loadFacts(1000, signal);
    reply = (url) => (url.pathname.endsWith('/targets') ? { status: 404 } : good(url));
    expect((await loadFacts(2000, signal, before)).targets).toBeNull();
    reply = () => 'no answer';
    const after = await loadFacts(1000, signal);
    expect([after.hosts, after.targets, after.hasSelf]).toEqual([[], null, false]);
  });
});
