/* SPDX-License-Identifier: Apache-2.0
 *
 * Banner - says that the server is away or still starting, and when it is asked again.
 */
import { useEffect, useState } from 'preact/hooks';
import { health, nextAttemptMs, retryNow } from '../state/clock';
import { Button } from '../ui/button';
import { Icon } from '../ui/icon';

function Countdown() {
  const [left, setLeft] = useState(0);
  useEffect(() => {
    const update = (): void =>
      setLeft(Math.max(0, Math.ceil((nextAttemptMs.peek() - Date.now()) / 1000)));
    update();
    const timer = window.setInterval(update, 500);
    return () => window.clearInterval(timer);
  }, []);
  return <span aria-hidden="true">Next attempt in {left} s.</span>;
}

export function Banner() {
  const { state, reason } = health.value;
  if (state === 'ready') return null;
  const text =
    state === 'offline'
      ? 'The server cannot be reached. What you see is the last that it sent.'
      : `The server is not ready: ${reason}`;
  return (
    <div class={`banner is-${state}`} role="status">
      <Icon name="warning" />
      <span>{text}</span>
      <Countdown />
      <Button onClick={retryNow}>Try now</Button>
    </div>
  );
}
