/* SPDX-License-Identifier: Apache-2.0
 *
 * TopBar - title of the page, time range, refresh, health of the server, theme, help.
 */
import { REFRESH_CHOICES, health, refresh, refreshNow, setRefresh } from '../state/clock';
import { themeChoice, type ThemeChoice } from '../state/settings';
import { sharedParams } from '../state/url';
import { IconButton } from '../ui/button';
import { CopyButton } from '../ui/copy';
import { Icon, type IconName } from '../ui/icon';
import { Link } from '../ui/link';
import { TimePicker } from '../ui/time-picker';
import type { PageInfo } from './pages';
import { absoluteHref } from './share';

const NEXT_THEME: Record<ThemeChoice, ThemeChoice> = { auto: 'light', light: 'dark', dark: 'auto' };
const THEME_ICON: Record<ThemeChoice, IconName> = { auto: 'auto', light: 'sun', dark: 'moon' };
const THEME_TEXT: Record<ThemeChoice, string> = {
  auto: 'Theme: as the system',
  light: 'Theme: light',
  dark: 'Theme: dark',
};
const HEALTH_TEXT = { ready: 'Ready', starting: 'Starting', offline: 'Not reachable' };

function HealthDot() {
  const { state, reason } = health.value;
  return (
    <Link
      path="/status"
      params={sharedParams()}
      class={`health is-${state}`}
      title={reason === '' ? HEALTH_TEXT[state] : reason}
      label={`Server: ${HEALTH_TEXT[state]}. Open status.`}
    >
      <span class="dot" aria-hidden="true" />
      <span class="health-text">{HEALTH_TEXT[state]}</span>
    </Link>
  );
}

function RefreshControl() {
  return (
    <div class="refresh">
      <IconButton icon="refresh" label="Refresh now" onClick={refreshNow} />
      <select
        aria-label="Refresh every"
        title="Refresh every"
        value={refresh.value}
        onChange={(event) => setRefresh(event.currentTarget.value)}
      >
        {REFRESH_CHOICES.map((choice) => (
          <option key={choice} value={choice}>
            {choice === 'off' ? 'Off' : choice}
          </option>
        ))}
      </select>
    </div>
  );
}

interface TopBarProps {
  page: PageInfo | null;
  isPickerOpen: boolean;
  onPicker: (isOpen: boolean) => void;
  onHelp: () => void;
}

export function TopBar({ page, isPickerOpen, onPicker, onHelp }: TopBarProps) {
  const choice = themeChoice.value;
  return (
    <header class="top-bar">
      <h1>{page?.title ?? 'Not found'}</h1>
      <div class="top-tools">
        {page?.hasTimeRange === true && <TimePicker isOpen={isPickerOpen} onToggle={onPicker} />}
        {page !== null && <RefreshControl />}
        <span class="top-sep" />
        <HealthDot />
        <span class="top-copy">
          <CopyButton text={absoluteHref} icon="link" label="Copy link" />
        </span>
        <IconButton
          icon={THEME_ICON[choice]}
          label={THEME_TEXT[choice]}
          onClick={() => {
            themeChoice.value = NEXT_THEME[choice];
          }}
        />
        <button
          type="button"
          class="icon-button"
          aria-label="Keys and gestures"
          title="Keys and gestures (?)"
          onClick={onHelp}
        >
          <Icon name="help" />
        </button>
      </div>
    </header>
  );
}
