/* SPDX-License-Identifier: Apache-2.0
 *
 * color - the categorical palette and who gets which colour.
 *
 * Ten hues in one order for both themes, found by a search that keeps each at least 3:1 against its
 * ground and all far apart for normal, protan and deutan vision (test/unit/color.test.ts measures it).
 * A series keeps its colour over refresh and pages: the slot comes from a hash of its labels; series of
 * one graph that would collide take the next free slot.
 */
import type { Theme } from '../state/settings';
import type { Labels } from '../api/prometheus';

export const PALETTE: Readonly<Record<Theme, readonly string[]>> = {
  light: [
    '#6c89f6', // blue
    '#b34701', // orange
    '#449c81', // teal
    '#c63d98', // magenta
    '#9a9343', // olive
    '#6829a0', // violet
    '#cf4a5c', // red
    '#389bc2', // cyan
    '#6d4324', // brown
    '#434959', // slate
  ],
  dark: [
    '#3f87da', // blue
    '#d88627', // orange
    '#5dd4af', // teal
    '#d3519b', // magenta
    '#cedd63', // olive
    '#dfaefd', // violet
    '#f98385', // red
    '#06a4c0', // cyan
    '#96744c', // brown
    '#d1d7ea', // slate
  ],
};

export const GROUND: Readonly<Record<Theme, string>> = { light: '#ffffff', dark: '#151b24' };

/** Ink of axes and grid on a canvas, which cannot read CSS variables. */
export const CHART_INK: Readonly<Record<Theme, { text: string; grid: string; axis: string }>> = {
  light: { text: '#5a6577', grid: '#e9ecf1', axis: '#cfd5de' },
  dark: { text: '#93a1b5', grid: '#212a36', axis: '#334052' },
};

export const SLOT_COUNT = PALETTE.light.length;

export function slotColor(slot: number, theme: Theme): string {
  return PALETTE[theme][slot % SLOT_COUNT] ?? PALETTE[theme][0] ?? '';
}

/** The colour with an alpha, as canvas and CSS take it. */
export function withAlpha(hex: string, alpha: number): string {
  const byte = Math.round(Math.min(1, Math.max(0, alpha)) * 255);
  return `${hex}${byte.toString(16).padStart(2, '0')}`;
}

/** FNV-1a over the labels in name order. */
export function hashLabels(labels: Labels): number {
  let hash = 0x811c9dc5;
  const add = (text: string): void => {
    for (let i = 0; i < text.length; i += 1) {
      hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    }
    hash = Math.imul(hash ^ 0xff, 0x01000193);
  };
  for (const name of Object.keys(labels).sort()) {
    add(name);
    add(labels[name] ?? '');
  }
  return hash >>> 0;
}

/** A slot per series. Up to SLOT_COUNT series all get different ones. */
export function assignSlots(labelSets: readonly Labels[]): number[] {
  const hashes = labelSets.map(hashLabels);
  const order = hashes.map((_, i) => i).sort((a, b) => (hashes[a] ?? 0) - (hashes[b] ?? 0));
  const slots = new Array<number>(labelSets.length).fill(0);
  const used = new Array<number>(SLOT_COUNT).fill(0);
  for (const i of order) {
    let slot = (hashes[i] ?? 0) % SLOT_COUNT;
    const least = Math.min(...used);
    while ((used[slot] ?? 0) > least) slot = (slot + 1) % SLOT_COUNT;
    used[slot] = (used[slot] ?? 0) + 1;
    slots[i] = slot;
  }
  return slots;
}
