/* SPDX-License-Identifier: Apache-2.0
 *
 * settings - what one browser remembers (localStorage): choices of taste, never of data.
 * A browser that forbids storage just forgets them.
 */
import { computed, effect, signal, type Signal } from '@preact/signals';

export type ThemeChoice = 'auto' | 'light' | 'dark';
export type Theme = 'light' | 'dark';

const PREFIX = 'pharos.';

function load<T>(key: string, fallback: T, isValid: (value: unknown) => value is T): T {
  try {
    const text = localStorage.getItem(PREFIX + key);
    if (text === null) return fallback;
    const value: unknown = JSON.parse(text);
    return isValid(value) ? value : fallback;
  } catch {
    return fallback;
  }
}

function stored<T>(key: string, fallback: T, isValid: (value: unknown) => value is T): Signal<T> {
  const cell = signal<T>(load(key, fallback, isValid));
  let isFirst = true;
  effect(() => {
    const text = JSON.stringify(cell.value);
    if (isFirst) {
      isFirst = false;
      return;
    }
    try {
      localStorage.setItem(PREFIX + key, text);
    } catch {
      /* Storage is full or forbidden: the choice lasts until the page is closed. */
    }
  });
  return cell;
}

const isBoolean = (v: unknown): v is boolean => typeof v === 'boolean';
const isTheme = (v: unknown): v is ThemeChoice => v === 'auto' || v === 'light' || v === 'dark';
const isStrings = (v: unknown): v is string[] =>
  Array.isArray(v) && v.every((x) => typeof x === 'string');

export const themeChoice = stored<ThemeChoice>('theme', 'auto', isTheme);
export const isRailNarrow = stored<boolean>('rail-narrow', false, isBoolean);
export const hasShortcuts = stored<boolean>('shortcuts', true, isBoolean);
export const isChecklistHidden = stored<boolean>('checklist-hidden', false, isBoolean);
export const queryHistory = stored<string[]>('query-history', [], isStrings);

const HISTORY_MAX = 50;

export function rememberQuery(expr: string): void {
  const text = expr.trim();
  if (text === '' || queryHistory.value[0] === text) return;
  queryHistory.value = [text, ...queryHistory.value.filter((q) => q !== text)].slice(
    0,
    HISTORY_MAX,
  );
}

const darkQuery = window.matchMedia('(prefers-color-scheme: dark)');
const systemIsDark = signal(darkQuery.matches);
darkQuery.addEventListener('change', (event) => {
  systemIsDark.value = event.matches;
});

/** The theme on the screen now. */
export const theme = computed<Theme>(() => {
  if (themeChoice.value !== 'auto') return themeChoice.value;
  return systemIsDark.value ? 'dark' : 'light';
});

effect(() => {
  const root = document.documentElement;
  if (themeChoice.value === 'auto') root.removeAttribute('data-theme');
  else root.setAttribute('data-theme', themeChoice.value);
});
