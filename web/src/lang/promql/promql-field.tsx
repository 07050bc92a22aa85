/* SPDX-License-Identifier: Apache-2.0
 *
 * PromqlField - the query field. A plain text area works from the first paint; the editor takes its
 * place, text and focus once loaded, and if it cannot be loaded the text area simply stays.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { PromqlEditor } from './editor';

interface PromqlFieldProps {
  value: string;
  /**
   * Changes when `value` was put in from outside. What the editor reported itself comes back as `value`
   * too, but later than a fast typist's next key, so it must never be written into the editor.
   */
  revision: number;
  onChange: (text: string) => void;
  onRun: () => void;
  errorSpan: { from: number; to: number } | null;
}

const LABEL = 'PromQL query';
const HINT = 'Ask in PromQL, for example rate(node_cpu_seconds_total[1m])';

export function PromqlField(props: PromqlFieldProps) {
  const host = useRef<HTMLDivElement>(null);
  const plain = useRef<HTMLTextAreaElement>(null);
  const editor = useRef<PromqlEditor | null>(null);
  const [isReady, setIsReady] = useState(false);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    let isGone = false;
    const load = async (): Promise<void> => {
      const { PromqlEditor: Editor } = await import('./editor');
      if (isGone || host.current === null) return;
      const hadFocus = document.activeElement === plain.current;
      editor.current = new Editor({
        host: host.current,
        text: latest.current.value,
        label: LABEL,
        placeholder: HINT,
        onChange: (text) => latest.current.onChange(text),
        onRun: () => latest.current.onRun(),
      });
      editor.current.showError(latest.current.errorSpan);
      setIsReady(true);
      if (hadFocus) editor.current.focus();
    };
    load().catch(() => setIsReady(false));
    return () => {
      isGone = true;
      editor.current?.destroy();
      editor.current = null;
    };
  }, []);

  useEffect(() => {
    editor.current?.setText(latest.current.value);
  }, [props.revision]);
  const { errorSpan } = props;
  const errorKey = errorSpan === null ? '' : `${errorSpan.from}-${errorSpan.to}`;
  useEffect(() => {
    editor.current?.showError(latest.current.errorSpan);
  }, [errorKey, isReady]);

  return (
    <div class="query-field">
      <div
        ref={host}
        class="query-editor"
        hidden={!isReady}
        data-query={isReady ? '' : undefined}
        tabIndex={isReady ? -1 : undefined}
        onFocus={(event) => {
          if (event.target === host.current) editor.current?.focus();
        }}
      />
      {!isReady && (
        <textarea
          ref={plain}
          class="query-plain"
          data-query
          rows={1}
          aria-label={LABEL}
          placeholder={HINT}
          spellcheck={false}
          autocapitalize="off"
          value={props.value}
          onInput={(event) => props.onChange(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey) return;
            event.preventDefault();
            props.onRun();
          }}
        />
      )}
    </div>
  );
}
