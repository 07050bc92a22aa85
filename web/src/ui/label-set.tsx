/* SPDX-License-Identifier: Apache-2.0
 *
 * Label sets: as a row of small chips, and as a two-column table for the full truth.
 */
import type { Labels } from '../api/prometheus';

export function LabelChips({ labels, without }: { labels: Labels; without?: readonly string[] }) {
  const names = Object.keys(labels)
    .filter((k) => !(without ?? []).includes(k))
    .sort();
  return (
    <span class="chips">
      {names.map((k) => (
        <span key={k} class="chip">
          <span class="label-name">{k}</span>={labels[k]}
        </span>
      ))}
    </span>
  );
}

export function LabelTable({ title, labels }: { title: string; labels: Labels }) {
  const names = Object.keys(labels).sort();
  return (
    <div class="label-table">
      <div class="label-table-title">{title}</div>
      <dl>
        {names.map((k) => (
          <div key={k}>
            <dt>{k}</dt>
            <dd>{labels[k] === '' ? '""' : labels[k]}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
