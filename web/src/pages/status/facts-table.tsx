/* SPDX-License-Identifier: Apache-2.0
 *
 * FactsTable - names and values, one below the other.
 */
import type { ComponentChildren } from 'preact';

export interface Fact {
  name: string;
  value: ComponentChildren;
  note?: string;
}

export function FactsTable({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl class="facts">
      {facts.map((fact) => (
        <div key={fact.name}>
          <dt>{fact.name}</dt>
          <dd>
            {fact.value}
            {fact.note !== undefined && <span class="muted"> {fact.note}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
