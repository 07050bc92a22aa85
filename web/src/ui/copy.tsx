/* SPDX-License-Identifier: Apache-2.0
 *
 * Copying: to the clipboard, with an answer that it worked, and blocks of text made to be copied.
 */
import { useEffect, useState } from 'preact/hooks';
import { Button } from './button';
import type { IconName } from './icon';

/** The clipboard API needs a secure context; on plain HTTP an invisible field does the work. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement('textarea');
    field.value = text;
    field.setAttribute('readonly', '');
    field.className = 'off-screen';
    document.body.append(field);
    field.select();
    const isDone = document.execCommand('copy');
    field.remove();
    return isDone;
  }
}

const SHOWN_MS = 1600;

interface CopyButtonProps {
  text: () => string;
  label?: string;
  icon?: IconName;
  kind?: 'plain' | 'quiet';
}

export function CopyButton({
  text,
  label = 'Copy',
  icon = 'copy',
  kind = 'quiet',
}: CopyButtonProps) {
  const [state, setState] = useState<'idle' | 'done' | 'failed'>('idle');
  useEffect(() => {
    if (state === 'idle') return undefined;
    const timer = window.setTimeout(() => setState('idle'), SHOWN_MS);
    return () => window.clearTimeout(timer);
  }, [state]);
  const run = (): void => {
    void copyText(text()).then((isDone) => setState(isDone ? 'done' : 'failed'));
  };
  const word = state === 'done' ? 'Copied' : state === 'failed' ? 'Not copied' : label;
  return (
    <Button kind={kind} icon={state === 'done' ? 'check' : icon} onClick={run}>
      <span aria-live="polite">{word}</span>
    </Button>
  );
}

export function Snippet({ text, label }: { text: string; label: string }) {
  return (
    <figure class="snippet">
      <figcaption>
        {label}
        <CopyButton text={() => text} />
      </figcaption>
      <pre>
        <code>{text}</code>
      </pre>
    </figure>
  );
}
