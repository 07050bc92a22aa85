/* SPDX-License-Identifier: Apache-2.0
 *
 * HealthBadge - up, down or not known yet: icon and word, never colour alone.
 */
import { Icon, type IconName } from './icon';

const FACES: Record<string, { icon: IconName; css: string; word: string }> = {
  up: { icon: 'check', css: 'is-up', word: 'Up' },
  down: { icon: 'error', css: 'is-down', word: 'Down' },
  unknown: { icon: 'pending', css: 'is-unknown', word: 'Unknown' },
};

export function HealthBadge({ health }: { health: string }) {
  const face = FACES[health] ?? { icon: 'pending' as const, css: 'is-unknown', word: health };
  return (
    <span class={`badge ${face.css}`}>
      <Icon name={face.icon} size={14} />
      {face.word}
    </span>
  );
}
