/* SPDX-License-Identifier: Apache-2.0 */
import { describe, expect, it } from 'vitest';
import { clockSkew } from '../../src/api/health';

const T = 1_795_557_732_000;

describe('difference of the clocks', () => {
  it('is none when equal clocks could have given the answer', () => {
    expect(clockSkew(T, T + 300, T + 320)).toBe(0);
    expect(clockSkew(T, T - 10, T + 20)).toBe(0);
  });

  it('is none when an answer only took long', () => {
    expect(clockSkew(T, T + 500, T + 9000)).toBe(0);
    expect(clockSkew(T + 8000, T, T + 9000)).toBe(0);
  });

  it('is what is left for certain', () => {
    expect(clockSkew(T + 60_000, T, T + 20)).toBeCloseTo(60_490, 0);
    expect(clockSkew(T - 60_000, T, T + 20)).toBeCloseTo(-59_510, 0);
  });
});
