/* SPDX-License-Identifier: Apache-2.0
 *
 * SeriesLabel - a series as PromQL writes it, name and values easier to see than the punctuation.
 */
import type { Labels } from '../api/prometheus';

export function SeriesLabel({ labels }: { labels: Labels }) {
  const name = labels['__name__'] ?? '';
  const names = Object.keys(labels)
    .filter((k) => k !== '__name__')
    .sort();
  if (name === '' && names.length === 0) return <span class="series-label">{'{}'}</span>;
  return (
    <span class="series-label">
      {name !== '' && <b>{name}</b>}
      {names.length > 0 && (
        <>
          <i>{'{'}</i>
          {names.map((k, n) => (
            <span key={k}>
              {n > 0 && <i>, </i>}
              <span class="label-name">{k}</span>
              <i>=</i>
              <span class="label-value">{JSON.stringify(labels[k] ?? '')}</span>
            </span>
          ))}
          <i>{'}'}</i>
        </>
      )}
    </span>
  );
}
