/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles - the server in five numbers.
 */
import type { ComponentChildren } from 'preact';
import { now } from '../../state/clock';
import { sharedParams } from '../../state/url';
import { Icon, type IconName } from '../../ui/icon';
import { Link } from '../../ui/link';
import { formatAge, formatCount, formatValue } from '../../viz/format';
import type { Facts } from './facts';

interface TileProps {
  label: string;
  path: string;
  tab?: string;
  mark?: { icon: IconName; css: string };
  note: string;
  children: ComponentChildren;
}

function Tile(props: TileProps) {
  const params = sharedParams(props.tab === undefined ? {} : { tab: props.tab });
  return (
    <li>
      <Link path={props.path} params={params} class="tile">
        <span class="tile-label">{props.label}</span>
        <span class="tile-value">
          {props.mark !== undefined && (
            <span class={props.mark.css}>
              <Icon name={props.mark.icon} size={18} />
            </span>
          )}
          {props.children}
        </span>
        <span class="tile-note">{props.note}</span>
      </Link>
    </li>
  );
}

function TargetsTile({ facts }: { facts: Facts | null }) {
  const targets = facts?.targets ?? null;
  if (targets === null) {
    return (
      <Tile label="Targets" path="/targets" note={facts === null ? 'asking' : 'not known'}>
        –
      </Tile>
    );
  }
  const up = targets.filter((t) => t.health === 'up').length;
  const down = targets.filter((t) => t.health === 'down').length;
  const note =
    down > 0 ? `${down} failing` : up === targets.length ? 'all up' : 'first scrape pending';
  const mark: TileProps['mark'] =
    down > 0 ? { icon: 'warning', css: 'is-bad' } : { icon: 'check', css: 'is-good' };
  return (
    <Tile
      label="Targets"
      path="/targets"
      note={targets.length === 0 ? 'none configured' : note}
      {...(targets.length === 0 ? {} : { mark })}
    >
      {up}
      <small> of {targets.length} up</small>
    </Tile>
  );
}

export function Tiles({ facts }: { facts: Facts | null }) {
  const started = Date.parse(String(facts?.runtime?.['startTime'] ?? ''));
  const retention = String(facts?.runtime?.['storageRetention'] ?? '');
  const head = facts?.head ?? null;
  return (
    <ul class="tiles" aria-label="The server in numbers">
      <TargetsTile facts={facts} />
      <Tile
        label="Active series"
        path="/status"
        tab="storage"
        note={head === null ? 'not known' : `${formatCount(head.numLabelPairs)} label pairs`}
      >
        {head === null ? '–' : formatCount(head.numSeries)}
      </Tile>
      <Tile label="Samples per second" path="/status" tab="storage" note="appended, last minute">
        {facts?.samplesPerSecond == null ? '–' : formatValue(facts.samplesPerSecond, 'none', 3)}
      </Tile>
      <Tile label="Retention" path="/status" note="older data are deleted">
        {retention === '' ? '–' : retention}
      </Tile>
      <Tile
        label="Up for"
        path="/status"
        note={
          facts?.build == null
            ? 'version not known'
            : `version ${facts.build.applicationVersion ?? facts.build.version}`
        }
      >
        {Number.isNaN(started) ? '–' : formatAge(now() - started)}
      </Tile>
    </ul>
  );
}
