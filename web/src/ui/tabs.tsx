/* SPDX-License-Identifier: Apache-2.0
 *
 * Tabs - views of one thing. Arrow keys move between them, as screen readers announce.
 */
import type { ComponentChildren, JSX } from 'preact';
import { useId, useRef } from 'preact/hooks';
import { Icon, type IconName } from './icon';

interface TabsProps<T extends string> {
  label: string;
  value: T;
  tabs: ReadonlyArray<{ value: T; label: string; icon?: IconName }>;
  onChange: (value: T) => void;
  /** Shown at the right end of the row. */
  extra?: ComponentChildren;
  children: ComponentChildren;
}

export function Tabs<T extends string>(props: TabsProps<T>) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: JSX.TargetedKeyboardEvent<HTMLDivElement>): void => {
    const direction = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (direction === 0) return;
    const index = props.tabs.findIndex((t) => t.value === props.value);
    const count = props.tabs.length;
    const next = props.tabs[(index + direction + count) % count];
    if (next === undefined) return;
    event.preventDefault();
    props.onChange(next.value);
    list.current?.querySelector<HTMLElement>(`[data-tab="${next.value}"]`)?.focus();
  };
  return (
    <div class="tabs">
      <div class="tabs-row">
        <div ref={list} role="tablist" aria-label={props.label} onKeyDown={onKeyDown}>
          {props.tabs.map((tab) => {
            const isSelected = tab.value === props.value;
            return (
              <button
                key={tab.value}
                id={`${id}-${tab.value}`}
                type="button"
                role="tab"
                data-tab={tab.value}
                aria-selected={isSelected}
                aria-controls={`${id}-panel`}
                tabIndex={isSelected ? 0 : -1}
                onClick={() => props.onChange(tab.value)}
              >
                {tab.icon !== undefined && <Icon name={tab.icon} />}
                {tab.label}
              </button>
            );
          })}
        </div>
        {props.extra !== undefined && <div class="tabs-extra">{props.extra}</div>}
      </div>
      <div id={`${id}-panel`} role="tabpanel" aria-labelledby={`${id}-${props.value}`}>
        {props.children}
      </div>
    </div>
  );
}
