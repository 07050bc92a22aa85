/* SPDX-License-Identifier: Apache-2.0
 *
 * The faces of a panel that has no data to show (yet): waiting, empty, failed; and the strip with
 * what the server remarked about the data.
 */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ApiError, Notice } from '../api/http';
import { Button } from './button';
import { Icon, type IconName } from './icon';

/** After this long a person wants to know how long already, and to be able to stop it. */
const PATIENCE_MS = 1000;

export function Elapsed({ startedAt, onCancel }: { startedAt: number; onCancel: () => void }) {
  const [elapsed, setElapsed] = useState(performance.now() - startedAt);
  useEffect(() => {
    const timer = window.setInterval(() => setElapsed(performance.now() - startedAt), 200);
    return () => window.clearInterval(timer);
  }, [startedAt]);
  if (elapsed < PATIENCE_MS) return null;
  return (
    <span class="elapsed">
      <span>{(elapsed / 1000).toFixed(1)} s</span>
      <Button kind="plain" onClick={onCancel}>
        Cancel
      </Button>
    </span>
  );
}

export function Waiting({ startedAt, onCancel }: { startedAt: number; onCancel: () => void }) {
  return (
    <div class="waiting">
      <div class="skeleton" aria-hidden="true">
        <i />
        <i />
        <i />
        <i />
        <i />
        <i />
        <i />
        <i />
      </div>
      <span class="off-screen" role="status">
        Loading
      </span>
      <Elapsed startedAt={startedAt} onCancel={onCancel} />
    </div>
  );
}

interface EmptyProps {
  title: string;
  icon?: IconName;
  children?: ComponentChildren;
}

/** What was asked, why there may be nothing, what to do next. */
export function Empty({ title, icon = 'info', children }: EmptyProps) {
  return (
    <div class="empty">
      <Icon name={icon} size={20} />
      <div>
        <p class="empty-title">{title}</p>
        {children}
      </div>
    </div>
  );
}

interface ErrorBlockProps {
  error: ApiError;
  onRetry?: () => void;
  /** More about where it went wrong, under the server's words. */
  detail?: ComponentChildren;
}

export function ErrorBlock({ error, onRetry, detail }: ErrorBlockProps) {
  const status = error.status === 0 ? 'no answer' : `HTTP ${error.status}`;
  return (
    <div class="error-block" role="alert">
      <Icon name="error" size={18} />
      <div>
        <p class="error-kind">
          {error.status === 0 ? 'Not reachable' : 'Error'}
          <span>
            {status}
            {error.type !== '' && error.type !== 'http' && ` · ${error.type}`}
          </span>
        </p>
        <pre>{error.message}</pre>
        {detail}
      </div>
      {onRetry !== undefined && (
        <Button icon="refresh" onClick={onRetry}>
          Retry
        </Button>
      )}
    </div>
  );
}

const NOTICES_SHOWN = 3;

export function Notices({ notices }: { notices: readonly Notice[] }) {
  const [isOpen, setIsOpen] = useState(false);
  if (notices.length === 0) return null;
  const shown = isOpen ? notices : notices.slice(0, NOTICES_SHOWN);
  return (
    <ul class="notices">
      {shown.map((notice, i) => (
        <li key={i} class={`notice is-${notice.kind}`}>
          <Icon name={notice.kind === 'warning' ? 'warning' : 'info'} />
          <span>
            <strong>{notice.kind === 'warning' ? 'Warning' : 'Info'}</strong> {notice.text}
          </span>
        </li>
      ))}
      {notices.length > NOTICES_SHOWN && (
        <li>
          <Button kind="quiet" onClick={() => setIsOpen(!isOpen)}>
            {isOpen ? 'Show fewer' : `Show all ${notices.length}`}
          </Button>
        </li>
      )}
    </ul>
  );
}
