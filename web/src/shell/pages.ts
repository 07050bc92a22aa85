/* SPDX-License-Identifier: Apache-2.0
 *
 * pages - which pages there are, what leads to them, and what old paths mean.
 */
import type { IconName } from '../ui/icon';
import type { PageDefaults } from '../state/clock';
import type { Place } from '../state/url';
import { fromLegacy, hasLegacyParams } from '../state/view';

export type PageId = 'home' | 'query' | 'targets' | 'status';

export interface PageInfo {
  id: PageId;
  path: string;
  title: string;
  icon: IconName;
  /** Second key after `g`. */
  shortcut: string;
  hasTimeRange: boolean;
  defaults: PageDefaults;
  group: 'explore' | 'system';
}

const LAST_HOUR = { from: 'now-1h', to: 'now' };

export const PAGES: readonly PageInfo[] = [
  {
    id: 'home',
    path: '/',
    title: 'Home',
    icon: 'home',
    shortcut: 'h',
    hasTimeRange: true,
    defaults: { range: { from: 'now-15m', to: 'now' }, refresh: '5s' },
    group: 'explore',
  },
  {
    id: 'query',
    path: '/query',
    title: 'Metrics',
    icon: 'chart',
    shortcut: 'm',
    hasTimeRange: true,
    defaults: { range: LAST_HOUR, refresh: 'off' },
    group: 'explore',
  },
  {
    id: 'targets',
    path: '/targets',
    title: 'Targets',
    icon: 'target',
    shortcut: 'i',
    hasTimeRange: false,
    defaults: { range: LAST_HOUR, refresh: '10s' },
    group: 'system',
  },
  {
    id: 'status',
    path: '/status',
    title: 'Status',
    icon: 'server',
    shortcut: 'u',
    hasTimeRange: false,
    defaults: { range: LAST_HOUR, refresh: 'off' },
    group: 'system',
  },
];

export function pageOf(path: string): PageInfo | null {
  return PAGES.find((page) => page.path === path) ?? null;
}

/** Where an old path leads now; null when the path is no old one. */
export function redirectOf(at: Place): Place | null {
  if (at.path === '/graph' || (at.path === '/query' && hasLegacyParams(at.params))) {
    return { path: '/query', params: fromLegacy(at.params) };
  }
  const tabs: Record<string, string> = {
    '/config': 'config',
    '/flags': 'flags',
    '/tsdb-status': 'storage',
  };
  const tab = tabs[at.path];
  if (tab !== undefined) return { path: '/status', params: new URLSearchParams({ tab }) };
  return at.path === '/index.html' ? { path: '/', params: at.params } : null;
}
