/* SPDX-License-Identifier: Apache-2.0
 *
 * Icon - one symbol of the sprite. Always decoration: the control that holds it has the words.
 */
import spriteUrl from '../icons/icons.svg?url';

export type IconName =
  | 'auto'
  | 'chart'
  | 'check'
  | 'clock'
  | 'close'
  | 'copy'
  | 'down'
  | 'error'
  | 'help'
  | 'history'
  | 'home'
  | 'info'
  | 'left'
  | 'link'
  | 'list'
  | 'moon'
  | 'open'
  | 'pending'
  | 'pharos'
  | 'play'
  | 'rail'
  | 'refresh'
  | 'right'
  | 'search'
  | 'server'
  | 'stack'
  | 'sun'
  | 'table'
  | 'target'
  | 'warning'
  | 'zoomout';

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} aria-hidden="true" focusable="false">
      <use href={`${spriteUrl}#${name}`} />
    </svg>
  );
}
