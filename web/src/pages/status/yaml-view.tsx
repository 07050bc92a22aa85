/* SPDX-License-Identifier: Apache-2.0
 *
 * YamlView - a configuration with line numbers; keys, strings and comments told apart.
 */
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { VirtualRows } from '../../ui/virtual-rows';
import { splitYamlLine } from './yaml-line';

export function YamlView({ text, label }: { text: string; label: string }) {
  const lines = useMemo(() => text.replace(/\n$/, '').split('\n'), [text]);
  const line = (i: number): ComponentChildren => (
    <div key={i} class="yaml-line" data-row={i}>
      <span class="yaml-number" aria-hidden="true">
        {i + 1}
      </span>
      <code>
        {splitYamlLine(lines[i] ?? '').map((part, n) => (
          <span key={n} class={`yaml-is-${part.kind}`}>
            {part.text}
          </span>
        ))}
      </code>
    </div>
  );
  return (
    <div class="yaml" role="region" aria-label={label} tabIndex={0}>
      <VirtualRows count={lines.length} estimatePx={20} keyOf={(i) => String(i)} render={line} />
    </div>
  );
}
