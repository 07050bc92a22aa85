/* SPDX-License-Identifier: Apache-2.0
 *
 * Help - the keys that work on this page, and the gestures of graphs.
 */
import { hasShortcuts } from '../state/settings';
import { Dialog } from '../ui/dialog';
import { activeShortcuts } from './shortcuts';

const GESTURES: ReadonlyArray<readonly [string, string]> = [
  ['Drag on a graph', 'zoom into that time'],
  ['Double click', 'undo the zoom'],
  ['Shift + drag', 'move the time range'],
  ['Click in a legend', 'show only that series'],
  ['Ctrl + click in a legend', 'show or hide that series'],
];

function Keys({ keys }: { keys: string }) {
  return (
    <span class="keys">
      {keys.split(' ').map((key) => (
        <kbd key={key}>{key}</kbd>
      ))}
    </span>
  );
}

export function Help({ onClose }: { onClose: () => void }) {
  const shortcuts = activeShortcuts();
  return (
    <Dialog title="Keys and gestures" onClose={onClose}>
      <dl class="help-list">
        {shortcuts.map((s) => (
          <div key={s.keys}>
            <dt>
              <Keys keys={s.keys} />
            </dt>
            <dd>{s.text}</dd>
          </div>
        ))}
        {GESTURES.map(([gesture, text]) => (
          <div key={gesture}>
            <dt>{gesture}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={hasShortcuts.value}
          onChange={(event) => {
            hasShortcuts.value = event.currentTarget.checked;
          }}
        />
        Keyboard shortcuts are on
      </label>
    </Dialog>
  );
}
