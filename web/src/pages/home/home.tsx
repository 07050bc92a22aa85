/* SPDX-License-Identifier: Apache-2.0
 *
 * Home - this host and this server, live.
 */
import { useRef } from 'preact/hooks';
import { now, pageDefaults, tick } from '../../state/clock';
import { useResource } from '../../state/resource';
import { adjust, place } from '../../state/url';
import { HomeChart } from './chart-panel';
import { Checklist, ChecklistRestore } from './checklist';
import { firstRange, loadFacts, scrapeIntervalMs, type Facts } from './facts';
import { Filesystems } from './filesystems';
import { HOST_PANELS, SELF_PANELS } from './panels';
import { Tiles } from './tiles';

/** What the tiles say changes slower than what the charts draw. */
const TICKS_PER_FACTS = 3;

/** The host shown: the one in the URL, else the first. Null when there is none. */
function chooseHost(facts: Facts): string | null {
  const wanted = place.value.params.get('var-instance');
  if (wanted !== null && facts.hosts.includes(wanted)) return wanted;
  return facts.hosts[0] ?? null;
}

function HostChoice({ facts, host }: { facts: Facts; host: string | null }) {
  if (facts.hosts.length < 2) {
    return host === null ? null : <span class="section-note">{host}</span>;
  }
  return (
    <select
      aria-label="Host"
      value={host ?? ''}
      onChange={(event) => adjust({ 'var-instance': event.currentTarget.value })}
    >
      {facts.hosts.map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}

export function Home() {
  const factsTick = Math.floor(tick.value / TICKS_PER_FACTS);
  const last = useRef<Facts | null>(null);
  const resource = useResource('facts', factsTick, async (signal) => {
    const loaded = await loadFacts(now(), signal, last.current);
    last.current = loaded;
    /* Set before the charts ask for anything. */
    const wanted = firstRange(loaded.head, now());
    if (wanted.from !== pageDefaults.peek().range.from) {
      pageDefaults.value = { ...pageDefaults.peek(), range: wanted };
    }
    return loaded;
  });
  const facts = resource.data;
  const host = facts === null ? null : chooseHost(facts);
  const matcher = facts === null ? null : host === null ? '' : `instance=${JSON.stringify(host)}`;
  const scrapeMs = scrapeIntervalMs(facts?.targets ?? null);
  const chart = (panel: (typeof HOST_PANELS)[number]) => (
    <HomeChart key={panel.id} panel={panel} host={matcher} scrapeMs={scrapeMs} />
  );
  return (
    <div class="page">
      <Tiles facts={facts} />
      {facts !== null && <Checklist facts={facts} />}
      <section aria-labelledby="section-host">
        <div class="section-head">
          <h2 id="section-host">This host</h2>
          {facts !== null && <HostChoice facts={facts} host={host} />}
        </div>
        <div class="grid">
          {HOST_PANELS.slice(0, 4).map(chart)}
          <Filesystems host={matcher} />
          {HOST_PANELS.slice(4).map(chart)}
        </div>
      </section>
      <section aria-labelledby="section-self">
        <div class="section-head">
          <h2 id="section-self">Pharos itself</h2>
        </div>
        <div class="grid">{SELF_PANELS.map(chart)}</div>
      </section>
      <ChecklistRestore />
    </div>
  );
}
