/* SPDX-License-Identifier: Apache-2.0
 *
 * shortcuts - one listener for all keys. Off while typing; can be switched off altogether.
 *
 * Pages register keys of their own for as long as they are shown (`useShortcuts`).
 */
import { useEffect } from 'preact/hooks';
import { hasShortcuts } from '../state/settings';

export interface Shortcut {
  /** `r`, `[`, or two keys: `g h`. */
  keys: string;
  text: string;
  run: () => void;
}

const active = new Set<readonly Shortcut[]>();
const CHORD_MS = 1200;
let prefix = '';
let prefixAt = 0;

export function useShortcuts(shortcuts: readonly Shortcut[]): void {
  useEffect(() => {
    active.add(shortcuts);
    return () => {
      active.delete(shortcuts);
    };
  });
}

/** All that work now, for the help. */
export function activeShortcuts(): Shortcut[] {
  return [...active].flat();
}

function isTyping(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

function onKeyDown(event: KeyboardEvent): void {
  if (!hasShortcuts.value || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.defaultPrevented || isTyping(event)) return;
  if (document.querySelector('dialog[open]') !== null) return;
  const chord = prefix !== '' && event.timeStamp - prefixAt < CHORD_MS ? `${prefix} ` : '';
  const keys = chord + event.key;
  const all = activeShortcuts();
  const found = all.find((s) => s.keys === keys);
  prefix = '';
  if (found !== undefined) {
    event.preventDefault();
    found.run();
  } else if (chord === '' && all.some((s) => s.keys.startsWith(`${event.key} `))) {
    prefix = event.key;
    prefixAt = event.timeStamp;
  }
}

export function startShortcuts(): void {
  document.addEventListener('keydown', onKeyDown);
}
