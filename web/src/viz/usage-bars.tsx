/* SPDX-License-Identifier: Apache-2.0
 *
 * UsageBars - things that can fill up: name, share used, what is left.
 */
import { formatBytes, formatPlain } from './format';

export interface Usage {
  name: string;
  used: number;
  size: number;
}

const HIGH = 0.8;
const FULL = 0.95;

function levelOf(share: number): { css: string; word: string } {
  if (share >= FULL) return { css: 'is-full', word: ' · nearly full' };
  return share >= HIGH ? { css: 'is-high', word: ' · filling up' } : { css: '', word: '' };
}

export function UsageBars({ items }: { items: readonly Usage[] }) {
  return (
    <ul class="usage">
      {items.map((item) => {
        const share = item.size === 0 ? 0 : item.used / item.size;
        const { css, word } = levelOf(share);
        return (
          <li key={item.name}>
            <div class="usage-head">
              <span class="usage-name" title={item.name}>
                {item.name}
              </span>
              <span class="usage-text">
                {formatPlain(share * 100, 3)} % of {formatBytes(item.size, 3)}
                {word}
              </span>
            </div>
            <div class="usage-track" aria-hidden="true">
              <div
                class={`usage-fill ${css}`}
                style={{ width: `${(Math.min(1, Math.max(0.005, share)) * 100).toFixed(1)}%` }}
              />
            </div>
          </li>
        );
      })}
    </ul>
  );
}
