/* SPDX-License-Identifier: Apache-2.0 */
import { describe, expect, it } from 'vitest';
import { ApiError, encodeForm, readEnvelope } from '../../src/api/http';
import { seconds, seriesText } from '../../src/api/prometheus';

function failure(status: number, body: string): ApiError {
  try {
    readEnvelope(status, body, 1);
  } catch (error) {
    if (error instanceof ApiError) return error;
  }
  throw new Error('no ApiError');
}

describe('envelope', () => {
  it('gives data and remarks, warnings first', () => {
    const answer = readEnvelope<number[]>(
      200,
      '{"status":"success","data":[1],"infos":["i"],"warnings":["w"]}',
      3,
    );
    expect(answer.data).toEqual([1]);
    expect(answer.notices).toEqual([
      { kind: 'warning', text: 'w' },
      { kind: 'info', text: 'i' },
    ]);
  });

  it("keeps the server's words", () => {
    const text = 'invalid parameter "query": 1:5: parse error: unexpected end of input';
    const error = failure(
      400,
      JSON.stringify({ status: 'error', errorType: 'bad_data', error: text }),
    );
    expect(error.message).toBe(text);
    expect([error.status, error.type]).toEqual([400, 'bad_data']);
  });

  it('keeps plain text and names an empty body by its status', () => {
    expect(failure(503, 'Service Unavailable\n').message).toBe('Service Unavailable');
    expect(failure(502, '').message).toBe('HTTP status 502');
  });

  it('does not take a foreign success for an answer', () => {
    expect(failure(200, '<html></html>').type).toBe('http');
    expect(failure(200, 'null').type).toBe('http');
    expect(failure(200, '{"data":1}').type).toBe('http');
  });
});

describe('requests', () => {
  it('encode everything that needs it', () => {
    expect(encodeForm([['match[]', 'a{b="c&d"}']])).toBe('match%5B%5D=a%7Bb%3D%22c%26d%22%7D');
  });

  it('write times as decimal seconds', () => {
    expect(seconds(1_795_557_732_791)).toBe('1795557732.791');
    expect(seconds(5000)).toBe('5');
  });
});

describe('series as text', () => {
  it.each([
    [{ __name__: 'up' }, 'up'],
    [{}, '{}'],
    [{ b: '2', a: '1' }, '{a="1", b="2"}'],
    [{ __name__: 'up', job: 'a"b' }, 'up{job="a\\"b"}'],
  ])('%j', (labels, text) => {
    expect(seriesText(labels)).toBe(text);
  });
});
