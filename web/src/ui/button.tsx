/* SPDX-License-Identifier: Apache-2.0
 *
 * Buttons: with words, with an icon only (the words are its name), and a row of choices.
 */
import type { ComponentChildren } from 'preact';
import { Icon, type IconName } from './icon';

interface ButtonProps {
  children: ComponentChildren;
  onClick: () => void;
  icon?: IconName;
  kind?: 'plain' | 'primary' | 'quiet';
  title?: string;
  isDisabled?: boolean;
}

export function Button({ children, onClick, icon, kind = 'plain', ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      class={`button is-${kind}`}
      title={rest.title}
      disabled={rest.isDisabled}
      onClick={onClick}
    >
      {icon !== undefined && <Icon name={icon} />}
      {children}
    </button>
  );
}

interface IconButtonProps {
  icon: IconName;
  label: string;
  onClick: () => void;
  isPressed?: boolean;
  isDisabled?: boolean;
}

export function IconButton({ icon, label, onClick, isPressed, isDisabled }: IconButtonProps) {
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={label}
      aria-pressed={isPressed}
      title={label}
      disabled={isDisabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

export interface Choice<T extends string> {
  value: T;
  label: ComponentChildren;
  title?: string;
}

interface SegmentedProps<T extends string> {
  label: string;
  value: T;
  choices: ReadonlyArray<Choice<T>>;
  onChange: (value: T) => void;
}

/** One of a few, all visible. */
export function Segmented<T extends string>(props: SegmentedProps<T>) {
  return (
    <div class="segmented" role="group" aria-label={props.label}>
      {props.choices.map((choice) => (
        <button
          key={choice.value}
          type="button"
          aria-pressed={choice.value === props.value}
          title={choice.title}
          onClick={() => props.onChange(choice.value)}
        >
          {choice.label}
        </button>
      ))}
    </div>
  );
}
