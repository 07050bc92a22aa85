/* SPDX-License-Identifier: Apache-2.0
 *
 * share - the address to paste into a chat: with absolute times, so that it opens the same.
 */
import { now, range } from '../state/clock';
import { absoluteRange, resolveRange } from '../state/time';
import { place, placeHref } from '../state/url';
import { pageOf } from './pages';

export function absoluteHref(): string {
  const { path, params } = place.value;
  const shared = new URLSearchParams(params);
  if (pageOf(path)?.hasTimeRange === true) {
    const { from, to } = absoluteRange(resolveRange(range.value, now()));
    shared.set('from', from);
    shared.set('to', to);
    shared.delete('refresh');
  }
  return new URL(placeHref(path, shared), document.baseURI).href;
}
