/* SPDX-License-Identifier: Apache-2.0
 *
 * TimePicker - the range of the view: quick choices, any two ends as text, local time or UTC.
 */
import { useState } from 'preact/hooks';
import { isUtc, now, range, setRange } from '../state/clock';
import {
  QUICK_RANGES,
  isLive,
  liveRange,
  readTyped,
  resolveRange,
  resolveTime,
  scaleRange,
  shiftRange,
  type TimeRange,
} from '../state/time';
import { adjust } from '../state/url';
import { formatTime } from '../viz/format';
import { Button, IconButton, Segmented } from './button';
import { Icon } from './icon';
import { Popover } from './popover';

/** "Last hour", or both ends. */
export function describeRange(r: TimeRange, utc: boolean): string {
  const quick = r.to === 'now' ? QUICK_RANGES.find(([from]) => from === r.from) : undefined;
  if (quick !== undefined) return quick[1];
  const end = (text: string): string =>
    /^-?\d+$/.test(text) ? formatTime(Math.round(Number(text) / 1000) * 1000, utc) : text;
  if (r.to === 'now' && r.from.startsWith('now-')) return `Last ${r.from.slice(4)}`;
  return `${end(r.from)} to ${end(r.to)}`;
}

function Ends({ onDone }: { onDone: () => void }) {
  const utc = isUtc.value;
  const show = (text: string): string =>
    /^-?\d+$/.test(text) ? formatTime(Number(text), utc) : text;
  const [from, setFrom] = useState(show(range.value.from));
  const [to, setTo] = useState(show(range.value.to));
  const [problem, setProblem] = useState('');
  const apply = (): void => {
    const start = readTyped(from, utc);
    const end = readTyped(to, utc);
    const bad = start === null ? from : end === null ? to : null;
    if (start === null || end === null) {
      setProblem(`"${bad}" is no time: write now-1h, 2026-03-01 14:00 or epoch milliseconds.`);
      return;
    }
    if ((resolveTime(start, now()) ?? 0) >= (resolveTime(end, now()) ?? 0)) {
      setProblem('The start must be before the end.');
      return;
    }
    setRange({ from: start, to: end });
    onDone();
  };
  return (
    <form
      class="range-ends"
      onSubmit={(event) => {
        event.preventDefault();
        apply();
      }}
    >
      <label>
        From
        <input value={from} spellcheck={false} onInput={(e) => setFrom(e.currentTarget.value)} />
      </label>
      <label>
        To
        <input value={to} spellcheck={false} onInput={(e) => setTo(e.currentTarget.value)} />
      </label>
      {problem !== '' && (
        <p class="field-problem" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" class="button is-primary">
        Apply
      </button>
      <Segmented
        label="Time zone"
        value={utc ? 'utc' : 'local'}
        choices={[
          { value: 'local', label: 'Local time' },
          { value: 'utc', label: 'UTC' },
        ]}
        onChange={(zone) => adjust({ tz: zone === 'utc' ? 'utc' : null }, true)}
      />
    </form>
  );
}

interface TimePickerProps {
  isOpen: boolean;
  onToggle: (isOpen: boolean) => void;
}

export function TimePicker({ isOpen, onToggle }: TimePickerProps) {
  const r = range.value;
  const label = describeRange(r, isUtc.value);
  const span = resolveRange(r, now());
  const exact = `${formatTime(span.fromMs, isUtc.value)} to ${formatTime(span.toMs, isUtc.value)}`;
  return (
    <div class="time-picker">
      <IconButton
        icon="left"
        label="Shift back by half a range"
        onClick={() => setRange(shiftRange(r, -0.5, now()))}
      />
      <Popover
        label="Time range"
        isOpen={isOpen}
        onClose={() => onToggle(false)}
        trigger={
          <button
            type="button"
            class="button time-button"
            aria-haspopup="dialog"
            aria-expanded={isOpen}
            title={exact}
            onClick={() => onToggle(!isOpen)}
          >
            <Icon name="clock" />
            <span>{label}</span>
            <Icon name="down" size={12} />
          </button>
        }
      >
        <div class="range-choices">
          <div class="range-quick">
            {QUICK_RANGES.map(([from, text]) => (
              <button
                key={from}
                type="button"
                aria-pressed={r.from === from && r.to === 'now'}
                onClick={() => {
                  setRange({ from, to: 'now' });
                  onToggle(false);
                }}
              >
                {text}
              </button>
            ))}
          </div>
          <Ends onDone={() => onToggle(false)} />
        </div>
      </Popover>
      <IconButton
        icon="right"
        label="Shift forward by half a range"
        onClick={() => setRange(shiftRange(r, 0.5, now()))}
      />
      <IconButton
        icon="zoomout"
        label="Zoom out to twice the range"
        onClick={() => setRange(scaleRange(r, 2, now()))}
      />
      {!isLive(r) && (
        <Button
          onClick={() => setRange(liveRange(r, now()))}
          title="Back to the present, same length"
        >
          Now
        </Button>
      )}
    </div>
  );
}
