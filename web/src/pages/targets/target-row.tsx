/* SPDX-License-Identifier: Apache-2.0
 *
 * TargetRow - one target: state, address, labels, last scrape, duration against the interval, the last
 * error in its own words; opened, also what discovery said about it.
 */
import { isUtc, now } from '../../state/clock';
import type { Target } from '../../api/prometheus';
import { HealthBadge } from '../../ui/health-badge';
import { Icon } from '../../ui/icon';
import { LabelChips, LabelTable } from '../../ui/label-set';
import { formatAge, formatSeconds, formatTimeWithOffset } from '../../viz/format';
import { durationLevel, lastScrapeMs } from './target-list';

function Duration({ target }: { target: Target }) {
  if (lastScrapeMs(target) === null) return <span class="muted">–</span>;
  const level = durationLevel(target);
  const text = formatSeconds(target.lastScrapeDuration, 3);
  return (
    <span
      class="duration"
      title={`${text} of an interval of ${target.scrapeInterval}, timeout ${target.scrapeTimeout}`}
    >
      <span class="duration-text">
        {text} <span class="muted">of {target.scrapeInterval}</span>
      </span>
      <span class="usage-track" aria-hidden="true">
        <span
          class={`usage-fill ${level.css}`}
          style={{ width: `${Math.max(1, level.share * 100).toFixed(1)}%` }}
        />
      </span>
    </span>
  );
}

function Details({ target }: { target: Target }) {
  return (
    <div class="target-details">
      <LabelTable
        title="Scrape"
        labels={{
          URL: target.scrapeUrl,
          pool: target.scrapePool,
          interval: target.scrapeInterval,
          timeout: target.scrapeTimeout,
        }}
      />
      <LabelTable title="Labels" labels={target.labels} />
      <LabelTable title="Before relabelling" labels={target.discoveredLabels} />
    </div>
  );
}

interface TargetRowProps {
  index: number;
  target: Target;
  isOpen: boolean;
  onToggle: () => void;
}

export function TargetRow({ index, target, isOpen, onToggle }: TargetRowProps) {
  const scraped = lastScrapeMs(target);
  return (
    <div class={`target is-${target.health}`} role="listitem" data-row={index}>
      <div class="target-row">
        <HealthBadge health={target.health} />
        <div class="target-main">
          <button
            type="button"
            class="target-url"
            data-nav-row
            aria-expanded={isOpen}
            onClick={onToggle}
          >
            <span class={isOpen ? 'twist is-open' : 'twist'}>
              <Icon name="right" size={14} />
            </span>
            {target.scrapeUrl}
          </button>
          <LabelChips labels={target.labels} />
        </div>
        <span
          class="target-last"
          title={scraped === null ? undefined : formatTimeWithOffset(scraped, isUtc.value)}
        >
          {scraped === null ? (
            <span class="muted">not scraped yet</span>
          ) : (
            `${formatAge(now() - scraped)} ago`
          )}
        </span>
        <Duration target={target} />
      </div>
      {target.lastError !== '' && <pre class="target-error">{target.lastError}</pre>}
      {isOpen && <Details target={target} />}
    </div>
  );
}
