/* SPDX-License-Identifier: Apache-2.0
 *
 * Link - an anchor to a place of this UI: a plain click stays on the page, everything else is the browser's.
 */
import type { ComponentChildren, JSX } from 'preact';
import { go, placeHref } from '../state/url';

interface LinkProps {
  path: string;
  params?: URLSearchParams;
  class?: string;
  title?: string;
  label?: string;
  isCurrent?: boolean;
  children: ComponentChildren;
}

export function Link(props: LinkProps) {
  const params = props.params ?? new URLSearchParams();
  const onClick = (event: JSX.TargetedMouseEvent<HTMLAnchorElement>): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) {
      return;
    }
    event.preventDefault();
    go(props.path, params);
  };
  return (
    <a
      href={placeHref(props.path, params)}
      class={props.class}
      title={props.title}
      aria-label={props.label}
      aria-current={props.isCurrent === true ? 'page' : undefined}
      onClick={onClick}
    >
      {props.children}
    </a>
  );
}
