/* SPDX-License-Identifier: Apache-2.0
 *
 * Popover - a small box under its button. Escape, a click elsewhere or a choice made closes it.
 */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

interface PopoverProps {
  label: string;
  isOpen: boolean;
  onClose: () => void;
  /** The button; it gets the focus back. */
  trigger: ComponentChildren;
  align?: 'left' | 'right';
  children: ComponentChildren;
}

export function Popover(props: PopoverProps) {
  const root = useRef<HTMLDivElement>(null);
  const { isOpen, onClose } = props;
  const close = useRef(onClose);
  close.current = onClose;

  useEffect(() => {
    if (!isOpen) return undefined;
    const box = root.current;
    box?.querySelector<HTMLElement>('.popover button, .popover input')?.focus();
    const onPointer = (event: PointerEvent): void => {
      if (box !== null && !event.composedPath().includes(box)) close.current();
    };
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      close.current();
      box?.querySelector<HTMLElement>('button')?.focus();
    };
    document.addEventListener('pointerdown', onPointer);
    document.addEventListener('keydown', onKey, true);
    return () => {
      document.removeEventListener('pointerdown', onPointer);
      document.removeEventListener('keydown', onKey, true);
    };
  }, [isOpen]);

  return (
    <div class="popover-root" ref={root}>
      {props.trigger}
      {isOpen && (
        <div class={`popover is-${props.align ?? 'right'}`} role="dialog" aria-label={props.label}>
          {props.children}
        </div>
      )}
    </div>
  );
}
