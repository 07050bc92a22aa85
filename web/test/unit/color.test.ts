/* SPDX-License-Identifier: Apache-2.0 */
import { describe, expect, it } from 'vitest';
import { GROUND, PALETTE, SLOT_COUNT, assignSlots, hashLabels } from '../../src/viz/color';

type Rgb = [number, number, number];

function linear(hex: string): Rgb {
  return [1, 3, 5].map((i) => {
    const v = parseInt(hex.slice(i, i + 2), 16) / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
}

function luminance([r, g, b]: Rgb): number {
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [x, y] = [luminance(linear(a)), luminance(linear(b))].sort((p, q) => q - p) as [
    number,
    number,
  ];
  return (x + 0.05) / (y + 0.05);
}

/** Dichromat simulation in linear RGB (Vienot, Brettel and Mollon 1999). */
const VISION: Record<string, (c: Rgb) => Rgb> = {
  normal: (c) => c,
  protan: ([r, g, b]) => [
    0.11238 * r + 0.88762 * g,
    0.11238 * r + 0.88762 * g,
    0.00401 * r - 0.00401 * g + b,
  ],
  deutan: ([r, g, b]) => [
    0.29275 * r + 0.70725 * g,
    0.29275 * r + 0.70725 * g,
    -0.02234 * r + 0.02234 * g + b,
  ],
};

function lab([r, g, b]: Rgb): Rgb {
  const f = (t: number): number => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
  const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
  const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

function difference(a: Rgb, b: Rgb): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

describe.each(['light', 'dark'] as const)('palette on the %s ground', (theme) => {
  it.each(PALETTE[theme].map((c) => [c]))('%s stands out by 3:1', (color) => {
    expect(contrast(color, GROUND[theme])).toBeGreaterThanOrEqual(3);
  });

  it.each(Object.keys(VISION))('colours differ with %s vision', (name) => {
    const see = VISION[name] as (c: Rgb) => Rgb;
    const seen = PALETTE[theme].map((c) => lab(see(linear(c))));
    const least = name === 'normal' ? 25 : 15;
    for (let i = 0; i < seen.length; i += 1) {
      for (let j = i + 1; j < seen.length; j += 1) {
        const d = difference(seen[i] as Rgb, seen[j] as Rgb);
        expect(d, `${PALETTE[theme][i]} and ${PALETTE[theme][j]}`).toBeGreaterThan(least);
      }
    }
  });
});

describe('slots', () => {
  const sets = Array.from({ length: 25 }, (_, i) => ({ instance: `host-${i}`, job: 'node' }));

  it('do not depend on the order of labels or series', () => {
    expect(hashLabels({ a: '1', b: '2' })).toBe(hashLabels({ b: '2', a: '1' }));
    const forward = assignSlots(sets);
    const backward = assignSlots([...sets].reverse()).reverse();
    expect(backward).toEqual(forward);
  });

  it('are all different while there are enough', () => {
    expect(new Set(assignSlots(sets.slice(0, SLOT_COUNT))).size).toBe(SLOT_COUNT);
  });

  it('are used evenly beyond that', () => {
    const counts = new Array<number>(SLOT_COUNT).fill(0);
    for (const slot of assignSlots(sets)) counts[slot] = (counts[slot] ?? 0) + 1;
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });
});
